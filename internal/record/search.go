package record

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
)

// Options are what a search needs beside its query.
type Options struct {
	After string // cursor of the page before
	Count int    // page size when the query names none, and the largest
	For   *Reader
	IDs   bool // heads only, without bodies
}

// Page is one page of a search.
type Page struct {
	List  []Resource
	Next  string // cursor, "" at the end
	Total int    // -1 not counted
}

// Search finds resources. Deleted and withdrawn ones are not found.
func (s *Store) Search(ctx context.Context, tx *db.Tx, q search.Query, o Options) (Page, error) {
	count := o.Count
	if q.Count >= 0 && q.Count < count {
		count = q.Count
	}
	if q.Summary == search.SummaryCount {
		count = 0
	}
	types := []string{q.Type}
	if q.Type == "" {
		if types = q.Types; len(types) == 0 {
			types = spec.ResourceTypes()
		}
	}
	at, after, err := splitCursor(o.After, len(types))
	if err != nil {
		return Page{}, err
	}
	out := Page{}
	for ; at < len(types); at++ {
		f, err := s.searchType(ctx, tx, types[at], q, after, count-len(out.List), o)
		if err != nil {
			return Page{}, err
		}
		after = nil
		list, err := s.load(ctx, tx, f.ns, o.IDs)
		if err != nil {
			return Page{}, err
		}
		out.List = append(out.List, list...)
		if f.total < 0 || out.Total < 0 {
			out.Total = -1
		} else {
			out.Total += f.total
		}
		switch {
		case f.next != nil:
			out.Next = joinCursor(at, len(types), f.next)
			out.Total = cutTotal(out.Total, at, len(types))
			return out, nil
		case count > 0 && len(out.List) >= count && at+1 < len(types):
			out.Next = joinCursor(at+1, len(types), &cursor{N: -1})
			out.Total = cutTotal(out.Total, at, len(types))
			return out, nil
		}
	}
	return out, nil
}

// cutTotal: a total of some of the types is no total.
func cutTotal(total, at, types int) int {
	if at+1 < types {
		return -1
	}
	return total
}

func (s *Store) load(ctx context.Context, tx *db.Tx, ns []int64, headsOnly bool) ([]Resource, error) {
	if !headsOnly {
		return s.byNumbers(ctx, tx, ns)
	}
	heads, err := headsOf(ctx, tx, ns)
	slices.SortFunc(heads, func(a, b Resource) int { return slices.Index(ns, a.n) - slices.Index(ns, b.n) })
	return heads, err
}

func (s *Store) searchType(ctx context.Context, tx *db.Tx, kind string, q search.Query, after *cursor, count int, o Options) (found, error) {
	p, err := s.planOf(ctx, tx, kind, q.Where, o.For)
	if err != nil {
		return found{}, err
	}
	p.after, p.count = after, max(0, count)
	p.total = q.Total == search.TotalAccurate || q.Total == search.TotalEstimate || count == 0
	for _, k := range q.Sort {
		key := sortKey{params: kept(kind, k.Param, ""), desc: k.Descending}
		switch {
		case k.Param.Code == "_id":
			key.form = byID
		case k.Param.Code == "_lastUpdated":
			key.form = byUpdated
		case k.Param.Type == spec.DateParam:
			key.form = byDate
		case k.Param.Type == spec.NumberParam, k.Param.Type == spec.QuantityParam:
			key.form = byNumber
		}
		p.sort = append(p.sort, key)
	}
	return p.run(ctx, tx)
}

// Cursors of searches over several types say first in which one they are.
func joinCursor(at, types int, c *cursor) string {
	if types == 1 {
		return c.text()
	}
	return strconv.Itoa(at) + "." + c.text()
}

func splitCursor(text string, types int) (int, *cursor, error) {
	at := 0
	if types > 1 && text != "" {
		head, rest, _ := strings.Cut(text, ".")
		n, err := strconv.Atoi(head)
		if err != nil || n < 0 || n >= types {
			return 0, nil, errs.E(errs.Invalid, "翻页标记（_cursor）无效：请使用上一页给出的链接")
		}
		at, text = n, rest
	}
	c, err := parseCursor(text)
	return at, c, err
}

// Included returns the resources that those of from point at, as _include asks.
func (s *Store) Included(ctx context.Context, tx *db.Tx, from []Resource, inc search.Include, o Options) ([]Resource, error) {
	var ns []int64
	var params []int32
	kinds := map[string]bool{}
	for i := range from {
		kind := from[i].Type
		if inc.Source != "*" && inc.Source != kind {
			continue
		}
		ns = append(ns, from[i].n)
		if kinds[kind] {
			continue
		}
		kinds[kind] = true
		if inc.Param != nil {
			params = append(params, kept(kind, inc.Param, "")...)
			continue
		}
		for _, p := range search.Params(kind) {
			if p.Type == spec.ReferenceParam {
				params = append(params, kept(kind, p, "")...)
			}
		}
	}
	var keys []Key
	for part := range chunks(ns, listMax) {
		query, args := db.Expand(`SELECT param, value FROM record_text WHERE n IN ($list) ORDER BY n, param, value`, nil, part)
		type row struct {
			param int32
			value string
		}
		rows, err := db.List(ctx, tx, func(scan db.Scan) (r row, err error) { return r, scan(&r.param, &r.value) }, query, args...)
		if err != nil {
			return nil, fmt.Errorf("read references: %w", err)
		}
		for _, r := range rows {
			kind, id, ok := strings.Cut(r.value, "/")
			if ok && slices.Contains(params, r.param) && spec.IsResource(kind) && ValidID(id) && (inc.Target == "" || inc.Target == kind) {
				keys = append(keys, Key{kind, id})
			}
		}
	}
	return s.byKeys(ctx, tx, keys, o.For)
}

// Resources reads those that are live and may be seen, each once.
func (s *Store) Resources(ctx context.Context, tx *db.Tx, keys []Key, reader *Reader) ([]Resource, error) {
	return s.byKeys(ctx, tx, keys, reader)
}

// byKeys reads live resources that may be seen, each once.
func (s *Store) byKeys(ctx context.Context, tx *db.Tx, keys []Key, reader *Reader) ([]Resource, error) {
	ids := map[string][]string{}
	var kinds []string
	seen := map[Key]bool{}
	for _, k := range keys {
		if seen[k] {
			continue
		}
		seen[k] = true
		if ids[k.Type] == nil {
			kinds = append(kinds, k.Type)
		}
		ids[k.Type] = append(ids[k.Type], k.ID)
	}
	var out []Resource
	for _, kind := range kinds {
		c := cond{form: byID, ids: ids[kind]}
		found, err := c.fetch(ctx, tx, kind, -1, len(c.ids))
		if err != nil {
			return nil, err
		}
		p := plan{s: s, kind: kind, reader: reader}
		ns, err := p.own(ctx, tx, sorted(found), false)
		if err != nil {
			return nil, err
		}
		list, err := s.byNumbers(ctx, tx, ns)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

// Including returns the resources that point at those of to, as _revinclude
// asks, up to limit+1.
func (s *Store) Including(ctx context.Context, tx *db.Tx, to []Resource, inc search.Include, limit int, o Options) ([]Resource, error) {
	if inc.Param == nil {
		return nil, errs.E(errs.Invalid, "_revinclude 要写明参数，例如 Observation:subject")
	}
	c := cond{form: byText, params: kept(inc.Source, inc.Param, "")}
	for i := range to {
		if inc.Target == "" || inc.Target == to[i].Type {
			c.texts = append(c.texts, textMatch{value: to[i].Key.String(), sys: anySystem})
		}
	}
	found, err := c.fetch(ctx, tx, inc.Source, -1, limit)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	p := plan{s: s, kind: inc.Source, reader: o.For}
	ns, err := p.own(ctx, tx, sorted(found), false)
	if err != nil {
		return nil, err
	}
	if len(ns) > limit {
		ns = ns[:limit+1]
	}
	return s.byNumbers(ctx, tx, ns)
}

// Everything returns a page of all that is kept in a person's records and that
// the reader sees, of the types named or of all, changed since a time (0: ever),
// in the order in which it came. limit bounds the page.
func (s *Store) Everything(ctx context.Context, tx *db.Tx, reader *Reader, patient string, types []string, since int64, after string, limit int) (Page, error) {
	at, err := parseCursor(after)
	if err != nil {
		return Page{}, err
	}
	if at == nil {
		at = &cursor{N: -1, Max: newNumber(tx.Now.Add(1))}
	}
	patients, err := access.SamePerson(ctx, tx, patient)
	if err != nil {
		return Page{}, err
	}
	out := Page{Total: -1}
	for {
		// The numbers come from the index alone; to let the engine sort and cut
		// would take whole rows with their bodies through its sorter.
		query, args := db.Expand(`SELECT r.n FROM record_resource r WHERE r.patient IN ($list) AND r.n > $1 AND r.n <= $2`, []any{at.N, at.Max}, patients)
		ns, err := db.List(ctx, tx, db.Value[int64], query, args...)
		if err != nil || len(ns) == 0 {
			return out, err
		}
		slices.Sort(ns)
		more := len(ns) > limit
		ns = ns[:min(len(ns), limit)]
		list, err := s.everything(ctx, tx, reader, patients, types, since, at.N, ns[len(ns)-1])
		if err != nil {
			return Page{}, err
		}
		at.N = ns[len(ns)-1]
		for i := range list {
			if len(out.List) == limit { // one more than the page holds: there is a next page
				out.Next = cursor{N: out.List[limit-1].n, Max: at.Max}.text()
				return out, nil
			}
			out.List = append(out.List, list[i])
		}
		if !more {
			return out, nil
		}
	}
}

// everything reads the part of Everything between two numbers.
func (s *Store) everything(ctx context.Context, tx *db.Tx, reader *Reader, patients, types []string, since, after, last int64) ([]Resource, error) {
	query, args := db.Expand(selectCurrent+`WHERE r.patient IN ($list) AND r.n > $1 AND r.n <= $2 AND r.updated_at >= $3
		AND r.deleted = FALSE AND r.withdrawn_at IS NULL`, []any{after, last, since}, patients)
	rows, err := db.List(ctx, tx, readSealed, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read everything: %w", err)
	}
	heads, boxes := make([]Resource, 0, len(rows)), make(map[int64][]byte, len(rows))
	for i := range rows {
		if len(types) == 0 || slices.Contains(types, rows[i].Type) {
			heads, boxes[rows[i].n] = append(heads, rows[i].Resource), rows[i].box
		}
	}
	slices.SortFunc(heads, func(a, b Resource) int { return cmp.Compare(a.n, b.n) })
	if heads, err = s.seen(ctx, tx, reader, heads, nil); err != nil {
		return nil, err
	}
	for i := range heads {
		if heads[i], err = s.open(sealed{heads[i], boxes[heads[i].n]}); err != nil {
			return nil, err
		}
	}
	return heads, nil
}

// Attach says for whom a Patient instance stands from now on, and moves what
// refers to it: the master index has learnt that it is somebody else's.
func (s *Store) Attach(ctx context.Context, tx *db.Tx, instance, patient string) (moved int, err error) {
	h, err := headOf(ctx, tx, Key{"Patient", instance})
	if err != nil {
		return 0, err
	}
	h.forget(tx)
	if _, err := tx.Exec(ctx, `UPDATE record_resource SET patient = $2 WHERE n = $1`, h.n, patient); err != nil {
		return 0, fmt.Errorf("attach %s: %w", h.Key, err)
	}
	var ns []int64
	for _, kind := range spec.ResourceTypes() {
		query, args := db.Expand(`SELECT DISTINCT n FROM record_text WHERE value = $1 AND param IN ($list)`, []any{h.Key.String()}, references(kind))
		found, err := db.List(ctx, tx, db.Value[int64], query, args...)
		if err != nil {
			return 0, fmt.Errorf("attach %s: %w", h.Key, err)
		}
		ns = append(ns, found...)
	}
	list, err := s.byNumbers(ctx, tx, append(ns, h.n))
	if err != nil {
		return 0, err
	}
	for i := range list {
		given := ""
		if list[i].Type == "Patient" {
			given = patient
		}
		if err := s.reindex(ctx, tx, &list[i], given); err != nil {
			return 0, err
		}
	}
	return len(ns), nil
}

// reindex writes the search values of a current version anew; the patient is the
// one given, else the one that its references name.
func (s *Store) reindex(ctx context.Context, tx *db.Tx, r *Resource, given string) error {
	doc, err := parse(r.Body)
	if err != nil {
		return err
	}
	defer doc.Release()
	idx, err := s.index(ctx, tx, doc, given)
	if err != nil {
		return err
	}
	if err := dropIndex(ctx, tx, r.n); err != nil {
		return err
	}
	if idx.patient != r.Patient {
		r.forget(tx)
		if _, err := tx.Exec(ctx, `UPDATE record_resource SET patient = $2 WHERE n = $1`, r.n, idx.patient); err != nil {
			return fmt.Errorf("reindex %s: %w", r.Key, err)
		}
	}
	return idx.insert(tx, r.n)
}
