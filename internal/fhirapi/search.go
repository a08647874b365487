package fhirapi

import (
	"bytes"
	"context"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	tape "yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
	"yilian/internal/record"
	"yilian/internal/smart"
)

// Sizes of pages.
const (
	pageSize   = 50
	pageMax    = 1000
	includeMax = 2000 // resources that _include and _revinclude add to a page
	iterations = 5    // rounds of :iterate
)

// cursorParam carries the place in a paged result.
const cursorParam = "_cursor"

// postSearch answers POST [type]/_search: the parameters stand in the body.
func (s *Server) postSearch(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	kind, _, err := mime.ParseMediaType(q.contentType)
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return response{}, refuse(http.StatusUnsupportedMediaType, "not-supported", "_search 的参数要用 application/x-www-form-urlencoded 发送")
	}
	form, err := url.ParseQuery(string(q.body))
	if err != nil {
		return response{}, refuse(http.StatusBadRequest, "invalid", "搜索参数写法有误：%v", err)
	}
	for name, values := range form {
		q.query[name] = append(q.query[name], values...)
	}
	q.path = q.path[:len(q.path)-1]
	if len(q.path) == 2 {
		return s.searchCompartment(ctx, tx, me, request{path: append(q.path, ""), query: q.query, prefer: q.prefer, base: q.base})
	}
	return s.search(ctx, tx, me, q)
}

// search answers GET [type]?… and GET /?…
func (s *Server) search(ctx context.Context, tx *db.Tx, me who, q request) (response, error) {
	kind := ""
	if len(q.path) > 0 {
		kind = q.path[0]
	}
	query, err := s.understand(tx, kind, q)
	if err != nil {
		return response{}, err
	}
	if kind == "" && len(query.Types) == 0 {
		for _, t := range spec.ResourceTypes() {
			if me.scopes.Allow(t, smart.Search) {
				query.Types = append(query.Types, t)
			}
		}
	}
	for _, t := range append(query.Types, kind) {
		if t != "" {
			if err := me.may(t, smart.Search); err != nil {
				return response{}, err
			}
		}
	}
	for _, t := range reached(query.Where) {
		if err := me.may(t, smart.Search); err != nil {
			return response{}, err
		}
	}
	o := record.Options{After: query.Own[cursorParam], Count: pageMax, For: record.For(me.actor)}
	if query.Count < 0 {
		query.Count = pageSize
	}
	notes, part, err := s.partOfLog(q, me, query)
	if err != nil {
		return response{}, err
	}
	if part != nil {
		return s.searchWithLog(ctx, tx, me, q, query, *part, o)
	}
	page, err := s.Store.Search(ctx, tx, query, o)
	if err != nil {
		return response{}, err
	}
	b := newBundle("searchset")
	b.total = page.Total
	if query.Total == search.TotalNone {
		b.total = -1
	}
	if err := s.fill(ctx, tx, me, b, query, page, q.base, o, notes...); err != nil {
		return response{}, err
	}
	s.links(b, q, query, page.Next)
	if err := s.sawPage(ctx, tx, me, kind, query, b); err != nil {
		return response{}, err
	}
	return response{status: http.StatusOK, body: b.bytes()}, nil
}

// reached are the types that chains and _has look into.
func reached(where []search.Clause) []string {
	var out []string
	for i := range where {
		c := &where[i]
		if c.Has != nil {
			out = append(append(out, c.Has.Type), reached([]search.Clause{c.Has.Clause})...)
		}
		for j := range c.Chain {
			out = append(append(out, c.Chain[j].Type), reached([]search.Clause{c.Chain[j].Clause})...)
		}
	}
	return out
}

// understand reads the parameters; those without effect are an error in strict
// handling and named in the answer otherwise.
func (s *Server) understand(tx *db.Tx, kind string, q request) (search.Query, error) {
	strict := preference(q.prefer, "handling") == "strict"
	return parseQuery(kind, q.query, search.Options{Strict: strict, Now: tx.Now.UnixMilli(), Own: []string{cursorParam}})
}

// fill adds matches, includes and notes to a bundle.
func (s *Server) fill(ctx context.Context, tx *db.Tx, me who, b *bundle, query search.Query, page record.Page, base string, o record.Options, notes ...issue) error {
	view := view{summary: query.Summary, elements: query.Elements}
	b.expect(page.List)
	for i := range page.List {
		if err := b.resource(&page.List[i], base, "match", view); err != nil {
			return err
		}
	}
	extra, cut, err := s.includes(ctx, tx, me, page.List, query, o)
	if err != nil {
		return err
	}
	for i := range extra {
		if err := b.resource(&extra[i], base, "include", view); err != nil {
			return err
		}
	}
	for _, x := range query.Ignored {
		notes = append(notes, note("warning", "not-supported", "参数 %s=%s 没有起作用：%s", x.Name, x.Value, x.Reason))
	}
	if cut {
		notes = append(notes, note("warning", "incomplete", "_include 和 _revinclude 带出的资源超过 %d 条，本页没有全部列出：请减小 _count", includeMax))
	}
	if len(notes) > 0 {
		b.outcome(outcomeOf(notes...))
	}
	return nil
}

// includes follows _include and _revinclude, and the iterating ones again on
// what they bring.
func (s *Server) includes(ctx context.Context, tx *db.Tx, me who, matches []record.Resource, query search.Query, o record.Options) (out []record.Resource, cut bool, err error) {
	if len(query.Includes)+len(query.RevIncludes) == 0 || len(matches) == 0 {
		return nil, false, nil
	}
	seen := map[record.Key]bool{}
	for i := range matches {
		seen[matches[i].Key] = true
	}
	fresh := matches
	for round := range iterations {
		var brought []record.Resource
		take := func(list []record.Resource) {
			for i := range list {
				k := list[i].Key
				if !seen[k] && me.scopes.Allow(k.Type, smart.Read) {
					seen[k] = true
					brought = append(brought, list[i])
				}
			}
		}
		for _, inc := range query.Includes {
			if round == 0 || inc.Iterate {
				list, err := s.Store.Included(ctx, tx, fresh, inc, o)
				if err != nil {
					return nil, false, err
				}
				take(list)
			}
		}
		for _, inc := range query.RevIncludes {
			if round == 0 || inc.Iterate {
				list, err := s.Store.Including(ctx, tx, fresh, inc, includeMax, o)
				if err != nil {
					return nil, false, err
				}
				take(list)
			}
		}
		out = append(out, brought...)
		if len(out) > includeMax {
			return out[:includeMax], true, nil
		}
		if len(brought) == 0 {
			break
		}
		fresh = brought
	}
	return out, false, nil
}

// links says what was understood, and where the next page is.
func (s *Server) links(b *bundle, q request, query search.Query, next string) {
	at := q.base
	if len(q.path) > 0 {
		at += "/" + strings.Join(q.path, "/")
	}
	self := url.Values{}
	for _, p := range query.Applied {
		self.Add(p.Name, p.Value)
	}
	address := func(v url.Values) string {
		if len(v) == 0 {
			return at
		}
		return at + "?" + v.Encode()
	}
	self.Del(cursorParam)
	first := address(self)
	if c := query.Own[cursorParam]; c != "" {
		self.Set(cursorParam, c)
	}
	b.link("self", address(self))
	b.link("first", first)
	if next != "" {
		self.Set(cursorParam, next)
		b.link("next", address(self))
	}
}

// sawPage records whose data a search has shown: one leaf for each patient, one
// when it showed nobody's.
func (s *Server) sawPage(ctx context.Context, tx *db.Tx, me who, kind string, query search.Query, b *bundle) error {
	var names []string
	for _, p := range query.Applied {
		names = append(names, p.Name) // names only: values may be of a person
	}
	slices.Sort(names)
	detail := strings.Join(slices.Compact(names), " ")
	for _, patient := range b.patients {
		_, err := s.Access.Record(ctx, tx, me.actor, access.Entry{Patient: patient, Action: "record.search", Object: kind, Detail: detail})
		if err != nil {
			return err
		}
	}
	return nil
}

// bundle is a Bundle being written; resources are put in byte for byte.
type bundle struct {
	kind     string
	total    int // -1 not said
	links    [][2]string
	entries  bytes.Buffer
	count    int
	patients []string // whose data it shows
}

func newBundle(kind string) *bundle { return &bundle{kind: kind, total: -1} }

func (b *bundle) link(relation, address string) {
	b.links = append(b.links, [2]string{relation, address})
}

// expect makes room for what will be put in.
func (b *bundle) expect(list []record.Resource) {
	n := 0
	for i := range list {
		n += len(list[i].Body) + 160 // what stands around it
	}
	b.entries.Grow(n)
}

func (b *bundle) begin() {
	if b.count > 0 {
		b.entries.WriteByte(',')
	}
	b.count++
}

func (b *bundle) resource(r *record.Resource, base, mode string, v view) error {
	body, err := v.of(r.Body)
	if err != nil {
		return err
	}
	b.begin()
	b.entries.WriteString(`{"fullUrl":`)
	b.entries.Write(tape.Quote(base + "/" + r.Type + "/" + r.ID))
	b.entries.WriteString(`,"resource":`)
	b.entries.Write(body)
	b.entries.WriteString(`,"search":{"mode":"` + mode + `"}}`)
	b.show(r.Patient)
	return nil
}

func (b *bundle) show(patient string) {
	if patient != "" && !slices.Contains(b.patients, patient) {
		b.patients = append(b.patients, patient)
	}
}

func (b *bundle) outcome(raw []byte) {
	b.begin()
	b.entries.WriteString(`{"resource":`)
	b.entries.Write(raw)
	b.entries.WriteString(`,"search":{"mode":"outcome"}}`)
}

func (b *bundle) bytes() []byte {
	var out bytes.Buffer
	out.Grow(b.entries.Len() + 512)
	out.WriteString(`{"resourceType":"Bundle","id":"` + db.NewID() + `","type":"` + b.kind + `"`)
	if b.total >= 0 {
		out.WriteString(`,"total":`)
		out.WriteString(itoa(b.total))
	}
	if len(b.links) > 0 {
		out.WriteString(`,"link":[`)
		for i, l := range b.links {
			if i > 0 {
				out.WriteByte(',')
			}
			out.WriteString(`{"relation":"` + l[0] + `","url":`)
			out.Write(tape.Quote(l[1]))
			out.WriteByte('}')
		}
		out.WriteByte(']')
	}
	if b.count > 0 {
		out.WriteString(`,"entry":[`)
		out.Write(b.entries.Bytes())
		out.WriteByte(']')
	}
	out.WriteByte('}')
	return out.Bytes()
}
