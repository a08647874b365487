package fhirapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
	"yilian/internal/record"
	"yilian/internal/smart"
)

// everythingMax is the page of $everything when the client names none.
const everythingMax = 1000

// everything answers Patient/[id]/$everything: all that is kept about the
// person, and on the first page the institutions and people that it refers to.
func (s *Server) everything(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	if err := me.may("Patient", smart.Read); err != nil {
		return response{}, err
	}
	limit, since, types, err := everythingParams(q)
	if err != nil {
		return response{}, err
	}
	p, err := s.Store.Read(ctx, tx, record.Key{Type: "Patient", ID: q.path[1]})
	if err != nil {
		return response{}, err
	}
	whose := p.Patient
	if whose == "" {
		whose = p.ID
	}
	if _, err := s.Access.Record(ctx, tx, me.actor, access.Entry{
		Patient: whose, Action: "record.everything", Object: "Patient", ObjectID: p.ID}); err != nil {
		return response{}, err
	}
	page, err := s.Store.Everything(ctx, tx, record.For(me.actor), whose, types, since, q.query.Get(cursorParam), limit)
	if err != nil {
		return response{}, err
	}
	b := newBundle("searchset")
	b.expect(page.List)
	shown := make([]record.Resource, 0, len(page.List))
	for i := range page.List {
		if me.scopes.Allow(page.List[i].Type, smart.Read) {
			shown = append(shown, page.List[i])
			if err := b.resource(&page.List[i], q.base, "match", view{}); err != nil {
				return response{}, err
			}
		}
	}
	if err := s.context(ctx, tx, me, b, shown, q.base); err != nil {
		return response{}, err
	}
	if page.Next == "" && q.query.Get(cursorParam) == "" {
		b.total = len(shown)
	}
	at := q.base + "/" + strings.Join(q.path, "/")
	b.link("self", address(at, q.query))
	if page.Next != "" {
		next := url.Values{}
		for name, values := range q.query {
			next[name] = values
		}
		next.Set(cursorParam, page.Next)
		b.link("next", address(at, next))
	}
	return response{status: http.StatusOK, body: b.bytes()}, nil
}

// context adds what a record refers to and what belongs to nobody: institutions,
// places, people, medicines.
func (s *Server) context(ctx context.Context, tx *db.Tx, me who, b *bundle, shown []record.Resource, base string) error {
	seen := make(map[string]bool, 2*len(shown))
	for i := range shown {
		seen[shown[i].Key.String()] = true
	}
	var keys []record.Key
	for i := range shown {
		for ref := range references(shown[i].Body) {
			if seen[string(ref)] {
				continue
			}
			text := string(ref)
			seen[text] = true
			kind, id, ok := strings.Cut(text, "/")
			if ok && record.ValidID(id) && spec.IsResource(kind) && me.scopes.Allow(kind, smart.Read) {
				keys = append(keys, record.Key{Type: kind, ID: id})
			}
		}
	}
	extra, err := s.Store.Resources(ctx, tx, keys, record.For(me.actor))
	if err != nil {
		return err
	}
	for i := range extra {
		if extra[i].Patient == "" {
			if err := b.resource(&extra[i], base, "include", view{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// references are the texts of all members named reference in a body. A body is
// read as bytes, because $everything asks this of hundreds: it was parsed when
// it was stored, and in JSON the letters "reference" in their quotes and before
// a colon are nothing but such a name.
func references(body []byte) iter.Seq[[]byte] {
	const name = `"reference"`
	return func(yield func([]byte) bool) {
		for at := 0; ; {
			next := bytes.Index(body[at:], []byte(name))
			if next < 0 {
				return
			}
			from := at + next
			at = from + len(name)
			rest := bytes.TrimLeft(body[at:], " \t\r\n")
			if from > 0 && body[from-1] == '\\' || len(rest) == 0 || rest[0] != ':' {
				continue // the end of another name, or a value
			}
			rest = bytes.TrimLeft(rest[1:], " \t\r\n")
			if len(rest) == 0 || rest[0] != '"' {
				continue
			}
			end := bytes.IndexByte(rest[1:], '"')
			if end < 0 {
				return
			}
			text := rest[1 : 1+end]
			if bytes.IndexByte(text, '\\') >= 0 {
				text = unescaped(rest)
			}
			if text != nil && !yield(text) {
				return
			}
		}
	}
}

// unescaped is the JSON string at the head of raw without its escapes.
func unescaped(raw []byte) []byte {
	var text string
	if json.NewDecoder(bytes.NewReader(raw)).Decode(&text) != nil {
		return nil
	}
	return []byte(text)
}

func everythingParams(q request) (limit int, since int64, types []string, err error) {
	limit = everythingMax
	for name, values := range q.query {
		value := values[len(values)-1]
		switch name {
		case "_count":
			if limit, err = strconv.Atoi(value); err != nil || limit < 1 {
				return 0, 0, nil, refuse(http.StatusBadRequest, "invalid", "_count 应是大于 0 的整数")
			}
			limit = min(limit, everythingMax)
		case "_since":
			p, ok := search.ParseTime(value)
			if !ok {
				return 0, 0, nil, refuse(http.StatusBadRequest, "invalid", "_since 应是一个时间，例如 2026-03-02T09:00:00+08:00")
			}
			since = p.From
		case "_type":
			for t := range strings.SplitSeq(value, ",") {
				if !spec.IsResource(t) {
					return 0, 0, nil, refuse(http.StatusBadRequest, "invalid", "_type 中的“%s”不是 FHIR R4 的资源", t)
				}
				types = append(types, t)
			}
		case cursorParam, "_format", "_pretty":
		default:
			return 0, 0, nil, refuse(http.StatusBadRequest, "not-supported", "$everything 不支持参数 %s", name)
		}
	}
	return limit, since, types, nil
}

// searchCompartment answers GET Patient/[id]/[type]?…: a search among what
// belongs to the compartment.
func (s *Server) searchCompartment(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	kind, owner := q.path[2], record.Key{Type: q.path[0], ID: q.path[1]}
	params := spec.CompartmentOf(owner.Type)
	if params == nil {
		return response{}, refuse(http.StatusNotFound, "not-supported", "FHIR 没有定义 %s 的分区", owner.Type)
	}
	if kind == "" || kind == "*" {
		return response{}, refuse(http.StatusBadRequest, "not-supported", "请写明资源类型，例如 %s/Observation；全部内容请用 $everything", owner)
	}
	if !spec.IsResource(kind) || len(params[kind]) == 0 {
		return response{}, refuse(http.StatusNotFound, "not-supported", "%s 不在 %s 的分区里", kind, owner.Type)
	}
	// A resource belongs to the compartment by any of the parameters; the query
	// has no OR over parameters, so each is asked and the answers are united.
	if len(params[kind]) == 1 || owner.Type == "Patient" && (has(params[kind], "patient") || has(params[kind], "subject")) {
		by := params[kind][0]
		for _, name := range []string{"subject", "patient"} {
			if has(params[kind], name) {
				by = name
			}
		}
		q.path = []string{kind}
		q.query = cloned(q.query)
		q.query.Add(by, owner.String())
		return s.search(ctx, tx, me, q)
	}
	return s.searchUnion(ctx, tx, me, q, kind, owner, params[kind])
}

func has(list []string, name string) bool {
	for _, x := range list {
		if x == name {
			return true
		}
	}
	return false
}

func cloned(v url.Values) url.Values {
	out := url.Values{}
	for name, values := range v {
		out[name] = append([]string(nil), values...)
	}
	return out
}

// searchUnion finds the members of a compartment that several parameters name,
// and searches among them by id.
func (s *Server) searchUnion(ctx context.Context, tx *db.Tx, me who, q request, kind string, owner record.Key, params []string) (response, error) {
	var ids []string
	for _, name := range params {
		query, err := parseQuery(kind, url.Values{name: {owner.String()}}, search.Options{Now: tx.Now.UnixMilli()})
		if err != nil {
			return response{}, err
		}
		page, err := s.Store.Search(ctx, tx, query, record.Options{Count: pageMax, For: record.For(me.actor), IDs: true})
		if err != nil {
			return response{}, err
		}
		if page.Next != "" {
			return response{}, refuse(http.StatusBadRequest, "too-costly", "%s 的分区里 %s 超过 %d 条：请直接搜索 %s 并加条件", owner, kind, pageMax, kind)
		}
		for i := range page.List {
			ids = append(ids, page.List[i].ID)
		}
	}
	if len(ids) == 0 {
		ids = []string{"-none-"}
	}
	q.path = []string{kind}
	q.query = cloned(q.query)
	q.query.Add("_id", strings.Join(ids, ","))
	return s.search(ctx, tx, me, q)
}

func decodeBase64(text string) ([]byte, error) { return base64.StdEncoding.DecodeString(text) }
