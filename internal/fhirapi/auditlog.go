package fhirapi

import (
	"cmp"
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
	tape "yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/fhirapi/auditevent"
	"yilian/internal/record"
)

// AuditEvents are of two kinds (ADR 0061): those that systems have sent, which
// are resources as any other, and the leaves of the audit log, which are shown
// as AuditEvents when they are asked for.

// logWords says in the CapabilityStatement what AuditEvents are.
const logWords = "AuditEvent 有两类：各系统送来的，与其他资源一样读写；本平台审计日志中本机构人员和系统的每一次操作，只能读取和检索（meta.source 为 " + auditevent.Source +
	"，只有一个版本）。两类一起检索，由新到旧排列（_sort 只能是 -date）；检索条件超出审计日志所能回答的，只检索各系统送来的，并在结果中指出。" +
	"$everything、$export、订阅、_include、_has、类型和系统的历史以及有条件的写入，都不含审计日志。"

// leafMayBe reports whether what the record does not have may be a leaf.
func leafMayBe(key record.Key, err error) bool {
	gone := new(record.Gone)
	return key.Type == auditevent.Type && errs.Is(err, errs.NotFound) && !errors.As(err, &gone)
}

// readLeaf reads a leaf of the client's institution, and records that it was
// read, as the auditor's page does.
func (s *Server) readLeaf(ctx context.Context, tx *db.Tx, me who, key record.Key) (record.Resource, error) {
	l, err := auditevent.Own(ctx, tx, me.actor, key.ID)
	if err != nil {
		return record.Resource{}, err
	}
	if err := s.Audit.Append(ctx, tx, audit.Leaf{Actor: me.actor, Action: "audit.read", Object: "audit", ObjectID: l.ID, Patient: l.Patient}); err != nil {
		return record.Resource{}, err
	}
	return auditevent.Resource(l)
}

// leafHistory is the history of a leaf: it has one version, for ever.
func (s *Server) leafHistory(ctx context.Context, tx *db.Tx, me who, q request, h record.HistoryQuery) (response, error) {
	r, err := s.readLeaf(ctx, tx, me, record.Key{Type: h.Type, ID: h.ID})
	if err != nil {
		return response{}, err
	}
	b := newBundle("history")
	if h.After == "" && !r.At.Before(h.Since) && (h.At.IsZero() || !r.At.After(h.At)) {
		b.version(&r, q.base)
	}
	historyLinks(b, q, "")
	return response{status: http.StatusOK, body: b.bytes()}, nil
}

// notOfTheLog refuses writing on a leaf. taken asks also of the ids that leaves
// of others have: nothing can be stored under them.
func (s *Server) notOfTheLog(ctx context.Context, tx *db.Tx, me who, key record.Key, taken bool) error {
	if key.Type != auditevent.Type {
		return nil
	}
	_, err := auditevent.Own(ctx, tx, me.actor, key.ID)
	if err == nil {
		return refuse(http.StatusConflict, "business-rule", "%s 是审计日志中的一条，不能改写，也不能删除", key)
	}
	if !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.Forbidden) {
		return err
	}
	if taken {
		there, err := audit.Taken(ctx, tx, key.ID)
		if err != nil {
			return err
		}
		if there {
			return refuse(http.StatusConflict, "business-rule", "编号 %s 已被占用：请换一个编号，或由本平台给出编号（POST）", key.ID)
		}
	}
	return nil
}

// partOfLog says what a search asks of the log: nil when the log has no part in
// it. What keeps it from taking part is an error in strict handling and named
// in the answer otherwise.
func (s *Server) partOfLog(q request, me who, query search.Query) (notes []issue, part *auditevent.Asked, err error) {
	if query.Type != auditevent.Type {
		if query.Type == "" && slices.Contains(strings.Split(strings.Join(q.query["_type"], ","), ","), auditevent.Type) {
			notes = append(notes, note("warning", "incomplete", "跨类型检索不含审计日志，只含各系统送来的 AuditEvent：要查审计日志请检索 AuditEvent"))
		}
		return notes, nil, nil
	}
	a := auditevent.Ask(query, me.actor.Org, s.Store.Base)
	switch {
	case a.Never:
		return nil, nil, nil
	case len(a.Cannot) > 0:
		if preference(q.prefer, "handling") == "strict" {
			return nil, nil, refuse(http.StatusBadRequest, "not-supported", "审计日志不能按 %s 检索：请去掉它，或用 _source:missing=true 等条件只查各系统送来的 AuditEvent", strings.Join(a.Cannot, "、"))
		}
		return []issue{note("warning", "incomplete", "结果不含审计日志，只含各系统送来的 AuditEvent：审计日志不能按 %s 检索", strings.Join(a.Cannot, "、"))}, nil, nil
	}
	return nil, &a, auditevent.May(me.actor)
}

// searchWithLog answers a search that the log has a part in.
func (s *Server) searchWithLog(ctx context.Context, tx *db.Tx, me who, q request, query search.Query, a auditevent.Asked, o record.Options) (response, error) {
	if id := a.Question.Patient; id != "" {
		p, err := s.Store.Head(ctx, tx, record.Key{Type: "Patient", ID: id})
		if err == nil && p.Patient != "" {
			a.Question.Patient = p.Patient
		}
		if err != nil && !errs.Is(err, errs.NotFound) {
			return response{}, err
		}
	}
	m, err := s.merge(ctx, tx, query, a.Question, o)
	if err != nil {
		return response{}, err
	}
	b := newBundle("searchset")
	switch b.total = m.total; {
	case query.Total == search.TotalNone:
		b.total = -1
	case m.total < 0 && m.next == "" && o.After == "": // all are on this page
		b.total = len(m.list)
	}
	if err := s.fill(ctx, tx, me, b, query, record.Page{List: m.list}, q.base, o); err != nil {
		return response{}, err
	}
	s.links(b, q, query, m.next)
	if err := s.sawPage(ctx, tx, me, auditevent.Type, query, b); err != nil {
		return response{}, err
	}
	err = s.Audit.Append(ctx, tx, audit.Leaf{
		Actor: me.actor, Action: "audit.search", Object: "audit", Patient: a.Question.Patient, Detail: "经数据接口查询，条件：" + cmp.Or(a.Words, "无"),
	})
	return response{status: http.StatusOK, body: b.bytes()}, err
}

// merged is a page of received AuditEvents and leaves together.
type merged struct {
	list  []record.Resource
	next  string
	total int // -1 not counted
}

// merge reads both kinds, newest first. Each has a place of its own in the
// cursor, so that what comes meanwhile shifts neither.
func (s *Server) merge(ctx context.Context, tx *db.Tx, query search.Query, ask audit.Question, o record.Options) (merged, error) {
	m := merged{total: -1}
	if query.Summary == search.SummaryCount {
		query.Count = 0
	}
	var err error
	if query.Total == search.TotalAccurate || query.Total == search.TotalEstimate || query.Count == 0 {
		if m.total, err = s.countBoth(ctx, tx, query, ask, o); err != nil || query.Count == 0 {
			return m, err
		}
	}
	at, err := parsePlace(o.After)
	if err != nil {
		return m, err
	}
	query.Count = min(query.Count, pageMax)
	query.Sort = []search.Sort{{Param: search.Lookup(auditevent.Type, "date"), Descending: true}}
	var received record.Page
	if o.After = at.received; !at.noMore {
		if received, err = s.Store.Search(ctx, tx, query, o); err != nil {
			return m, err
		}
	}
	var leaves []audit.Leaf
	if ask.After, ask.Limit = at.leaf, query.Count+1; !at.noLeaf {
		if leaves, err = audit.Ask(ctx, tx, ask); err != nil {
			return m, err
		}
	}
	i, j, err := m.mix(received.List, leaves, query.Count)
	if err != nil {
		return m, err
	}
	if at.noMore = i == len(received.List) && received.Next == ""; i > 0 && i < len(received.List) {
		query.Count = i // the place behind the last one that was taken
		if received, err = s.Store.Search(ctx, tx, query, o); err != nil {
			return m, err
		}
	}
	if i > 0 {
		at.received = received.Next
	}
	if at.noLeaf = j == len(leaves); j > 0 {
		at.leaf = leaves[j-1].Place()
	}
	if !at.noMore || !at.noLeaf {
		m.next = at.text()
	}
	return m, nil
}

// mix takes up to n of both, newest first, and says how many of each.
func (m *merged) mix(received []record.Resource, leaves []audit.Leaf, n int) (i, j int, err error) {
	for len(m.list) < n && (i < len(received) || j < len(leaves)) {
		if j == len(leaves) || i < len(received) && recordedAt(&received[i]) >= leaves[j].At.UnixMilli() {
			m.list = append(m.list, received[i])
			i++
			continue
		}
		r, err := auditevent.Resource(leaves[j])
		if err != nil {
			return i, j, err
		}
		m.list = append(m.list, r)
		j++
	}
	return i, j, nil
}

// countBoth is how many there are of both kinds.
func (s *Server) countBoth(ctx context.Context, tx *db.Tx, query search.Query, ask audit.Question, o record.Options) (int, error) {
	query.Count, o.After = 0, ""
	received, err := s.Store.Search(ctx, tx, query, o)
	if err != nil {
		return 0, err
	}
	n, err := audit.Count(ctx, tx, ask)
	return received.Total + int(n), err
}

// recordedAt is when a received AuditEvent says that it was recorded, in
// milliseconds; one that does not say it comes last.
func recordedAt(r *record.Resource) int64 {
	doc, err := tape.Parse(r.Body)
	if err != nil {
		return math.MinInt64
	}
	defer doc.Release()
	p, ok := search.ParseTime(doc.Root().Get("recorded").Text())
	if !ok {
		return math.MinInt64
	}
	return p.To - 1
}

// place is how far a search has come in both kinds.
type place struct {
	received string      // cursor of the store
	noMore   bool        // all received ones were shown
	leaf     audit.Place // of the last leaf shown
	noLeaf   bool        // all leaves were shown
}

// over says in a cursor that nothing is left; it is no cursor of the store.
const over = "-"

func (p place) text() string {
	received, leaf := p.received, ""
	if p.leaf.ID != "" {
		leaf = strconv.FormatInt(p.leaf.At.UnixMilli(), 10) + "." + p.leaf.ID
	}
	if p.noMore {
		received = over
	}
	if p.noLeaf {
		leaf = over
	}
	return received + "~" + leaf
}

func parsePlace(text string) (p place, err error) {
	if text == "" {
		return p, nil
	}
	received, leaf, ok := strings.Cut(text, "~")
	if p.noMore, p.noLeaf = received == over, leaf == over; !p.noMore {
		p.received = received
	}
	if !p.noLeaf && leaf != "" {
		ms, id, two := strings.Cut(leaf, ".")
		n, err := strconv.ParseInt(ms, 10, 64)
		ok = ok && two && err == nil && record.ValidID(id)
		p.leaf = audit.Place{At: time.UnixMilli(n), ID: id}
	}
	if !ok {
		return p, errs.E(errs.Invalid, "翻页标记（_cursor）无效：请使用上一页给出的链接")
	}
	return p, nil
}
