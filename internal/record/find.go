package record

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// A search meets its conditions in one of two ways (ADR 0030). When one
// condition names at most setMax resources, they are held in memory, met with
// the others, and sorted. Otherwise every condition is so common that walking
// the type in its order fills a page quickly; a walk looks at no more than
// walkMax resources a request, and goes on at the next page. Either way the
// order is that of the numbers, or of the sort keys and then the numbers, and a
// page begins after the last entry of the page before: what is added or changed
// meanwhile makes nothing appear twice or be left out.

const (
	walkMax  = 60_000 // resources looked at for one page
	walkStep = 500
	sortMax  = 50_000 // resources that can be sorted by a search parameter
)

// sortKey is one _sort.
type sortKey struct {
	form   form // byText, byDate, byNumber, byID, byUpdated
	params []int32
	desc   bool
}

// plan is a search made ready.
type plan struct {
	s        *Store
	kind     string
	conds    []cond
	patients []string // the search is about these (one person); nil: about anybody
	sort     []sortKey
	count    int
	after    *cursor
	total    bool // count all, whatever it costs
	// verify drops what only the content can refuse; nil: nothing.
	verify func(ctx context.Context, tx *db.Tx, ns []int64) ([]int64, error)
	reader *Reader // who asks; nil: who sees everything
}

// cursor is where a page ended.
type cursor struct {
	N    int64    `json:"n"`
	Keys []string `json:"k,omitempty"`
	Max  int64    `json:"m"` // newest resource when the search began
}

// Cursor is a cursor as text for links.
func (c cursor) text() string {
	raw, err := json.Marshal(c)
	if err != nil {
		return "" // numbers and strings always can
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func parseCursor(text string) (*cursor, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	var c cursor
	if err == nil {
		err = json.Unmarshal(raw, &c)
	}
	if err != nil {
		return nil, errs.Because(err, errs.Invalid, "翻页标记（_cursor）无效：请使用上一页给出的链接")
	}
	return &c, nil
}

// found is the outcome of a search: numbers in order.
type found struct {
	ns    []int64
	next  *cursor
	total int // -1 not counted
}

// find runs a plan.
func find(ctx context.Context, tx *db.Tx, p plan) (found, error) {
	for i := range p.conds {
		if c := &p.conds[i]; c.never && !c.not && !c.missing {
			return found{}, nil
		}
	}
	if p.after == nil {
		p.after = &cursor{N: -1}
	}
	if p.after.Max == 0 {
		p.after.Max = newNumber(tx.Now.Add(1)) // later ones do not belong to this search
	}
	held, ok, err := hold(ctx, tx, p)
	if err != nil {
		return found{}, err
	}
	if ok {
		return p.fromSet(ctx, tx, held)
	}
	if p.byUpdate() {
		return p.walkUpdates(ctx, tx)
	}
	if len(p.sort) > 0 {
		all, err := p.collect(ctx, tx)
		if err != nil {
			return found{}, err
		}
		return p.fromSet(ctx, tx, all)
	}
	return p.walk(ctx, tx)
}

// byUpdate reports whether the order is that of the last change, which has an
// index of its own.
func (p *plan) byUpdate() bool {
	return len(p.sort) == 1 && p.sort[0].form == byUpdated
}

// hold returns all resources that meet the plan when they, or those of one
// condition, are few.
func hold(ctx context.Context, tx *db.Tx, p plan) ([]int64, bool, error) {
	order := make([]int, 0, len(p.conds))
	for i := range p.conds {
		if p.conds[i].positive() {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p.conds[a].rank(), p.conds[b].rank()) })
	for _, i := range order {
		s, err := p.fetch(ctx, tx, i)
		if err != nil {
			return nil, false, fmt.Errorf("search: %w", err)
		}
		if len(s) > setMax {
			continue
		}
		ns, err := p.meet(ctx, tx, sorted(s), i)
		return ns, true, err
	}
	return nil, false, nil
}

// fetch asks one condition, about the patients when the search is about some.
func (p *plan) fetch(ctx context.Context, tx *db.Tx, i int) (set, error) {
	c := &p.conds[i]
	if p.patients == nil || !c.placed() {
		return c.fetch(ctx, tx, p.kind, -1, setMax)
	}
	out := set{}
	for _, patient := range p.patients {
		s, err := c.fetch(ctx, tx, p.kind, number(patient), setMax)
		if err != nil {
			return nil, err
		}
		for n := range s {
			out[n] = true
		}
	}
	return out, nil
}

func sorted(s set) []int64 {
	out := make([]int64, 0, len(s))
	for n := range s {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// meet keeps what meets all conditions but the one that gave ns.
func (p *plan) meet(ctx context.Context, tx *db.Tx, ns []int64, but int) (out []int64, err error) {
	// What was fetched by the patient's number is about the patient.
	placed := but >= 0 && p.patients != nil && p.conds[but].placed()
	for i := range p.conds {
		if i == but || len(ns) == 0 || placed && p.conds[i].implied {
			continue
		}
		if ns, err = p.conds[i].filter(ctx, tx, p.kind, ns); err != nil {
			return nil, err
		}
	}
	if ns, err = p.own(ctx, tx, ns, placed); err != nil || p.verify == nil || len(ns) == 0 {
		return ns, err
	}
	return p.verify(ctx, tx, ns)
}

// own keeps live resources of the plan's patients that the reader sees.
func (p *plan) own(ctx context.Context, tx *db.Tx, ns []int64, placed bool) ([]int64, error) {
	if len(ns) == 0 || p.reader == nil && (placed || p.patients == nil) {
		return ns, nil
	}
	if placed {
		sight, err := p.best(ctx, tx)
		if err != nil || sight == access.SeesNothing {
			return nil, err
		}
		if sight == access.SeesAll {
			return ns, nil
		}
	}
	heads, err := headsOf(ctx, tx, ns)
	if err != nil {
		return nil, err
	}
	if heads, err = p.s.seen(ctx, tx, p.reader, heads, nil); err != nil {
		return nil, err
	}
	whose := make(map[int64]string, len(heads))
	for i := range heads {
		whose[heads[i].n] = heads[i].Patient
	}
	out := ns[:0:0]
	for _, n := range ns {
		if patient, ok := whose[n]; ok && (p.patients == nil || slices.Contains(p.patients, patient)) {
			out = append(out, n)
		}
	}
	return out, nil
}

// best is how much the reader sees of the plan's patients: they are one person,
// and who sees one record sees all.
func (p *plan) best(ctx context.Context, tx *db.Tx) (best access.Sight, err error) {
	sights, err := p.reader.Sights(ctx, tx, p.patients)
	for _, patient := range p.patients {
		best = max(best, sights[patient])
	}
	return best, err
}

// keyed is a resource with its sort keys.
type keyed struct {
	n    int64
	keys []string
}

// fromSet sorts what is held and cuts the page out of it.
func (p *plan) fromSet(ctx context.Context, tx *db.Tx, ns []int64) (found, error) {
	list := make([]keyed, 0, len(ns))
	for _, n := range ns {
		if n <= p.after.Max {
			list = append(list, keyed{n: n})
		}
	}
	out := found{total: len(list)}
	for _, k := range p.sort {
		if err := k.read(ctx, tx, list); err != nil {
			return found{}, fmt.Errorf("sort: %w", err)
		}
	}
	slices.SortFunc(list, p.compare)
	if p.after.N >= 0 {
		at := keyed{p.after.N, p.after.Keys}
		if len(at.keys) != len(p.sort) {
			return found{}, errs.E(errs.Invalid, "翻页标记（_cursor）与排序（_sort）不符：请使用上一页给出的链接")
		}
		from, _ := slices.BinarySearchFunc(list, at, p.compare)
		if from < len(list) && list[from].n == at.n {
			from++
		}
		list = list[from:]
	}
	if p.count < len(list) {
		list = list[:p.count]
		if p.count > 0 {
			last := list[p.count-1]
			out.next = &cursor{N: last.n, Keys: last.keys, Max: p.after.Max}
		}
	}
	for _, k := range list {
		out.ns = append(out.ns, k.n)
	}
	return out, nil
}

// compare orders by the keys; what lacks a value comes last either way.
func (p *plan) compare(a, b keyed) int {
	for i, k := range p.sort {
		x, y := a.keys[i], b.keys[i]
		if x == y {
			continue
		}
		if x == "" || y == "" {
			return cmp.Compare(len(y), len(x)) // one of them is 0
		}
		if k.desc {
			return strings.Compare(y, x)
		}
		return strings.Compare(x, y)
	}
	if p.byUpdate() && p.sort[0].desc {
		return cmp.Compare(b.n, a.n)
	}
	return cmp.Compare(a.n, b.n)
}

// walk goes through the type, or the patients' part of it, in the order of
// numbers.
func (p *plan) walk(ctx context.Context, tx *db.Tx) (found, error) {
	out, at, seen := found{total: -1}, p.after.N, 0
	for {
		ns, err := db.List(ctx, tx, db.Value[int64], `
			SELECT n FROM record_resource WHERE type = $1 AND n > $2 AND n <= $3 AND deleted = FALSE AND withdrawn_at IS NULL
			ORDER BY n LIMIT $4`, p.kind, at, p.after.Max, walkStep)
		if err != nil {
			return found{}, fmt.Errorf("search: %w", err)
		}
		if len(ns) == 0 {
			break
		}
		hits, err := p.meet(ctx, tx, ns, -1)
		if err != nil {
			return found{}, err
		}
		for _, n := range hits {
			if len(out.ns) == p.count { // one more than the page holds: there is a next page
				if p.count > 0 {
					out.next = &cursor{N: out.ns[p.count-1], Max: p.after.Max}
				}
				return p.counted(ctx, tx, out)
			}
			out.ns = append(out.ns, n)
		}
		if len(ns) < walkStep {
			break
		}
		at, seen = ns[len(ns)-1], seen+len(ns)
		if seen >= walkMax {
			out.next = &cursor{N: at, Max: p.after.Max}
			break
		}
	}
	return p.counted(ctx, tx, out)
}

// counted adds the number of all hits when it was asked for.
func (p *plan) counted(ctx context.Context, tx *db.Tx, out found) (_ found, err error) {
	switch {
	case out.next == nil && p.after.N < 0 && p.count > 0: // the first page is all there is
		out.total = len(out.ns)
	case p.total:
		out.total, err = p.countAll(ctx, tx)
	}
	return out, err
}

// countAll walks everything to count it.
func (p *plan) countAll(ctx context.Context, tx *db.Tx) (int, error) {
	all := *p
	all.after, all.total, all.sort = &cursor{N: -1, Max: p.after.Max}, false, nil
	all.count = walkStep
	total := 0
	for {
		f, err := all.walk(ctx, tx)
		if err != nil {
			return 0, err
		}
		total += len(f.ns)
		if f.next == nil {
			return total, nil
		}
		all.after = f.next
	}
}

// collect gathers everything that is to be sorted by a search parameter.
func (p *plan) collect(ctx context.Context, tx *db.Tx) ([]int64, error) {
	all := *p
	all.after, all.total, all.sort, all.count = &cursor{N: -1, Max: p.after.Max}, false, nil, walkStep
	var out []int64
	for {
		f, err := all.walk(ctx, tx)
		if err != nil {
			return nil, err
		}
		out = append(out, f.ns...)
		if len(out) > sortMax {
			return nil, errs.E(errs.Invalid, "符合条件的 %s 超过 %d 条，不能按这个参数排序：请加条件缩小范围，或按 _lastUpdated 排序", p.kind, sortMax)
		}
		if f.next == nil {
			return out, nil
		}
		all.after = f.next
	}
}

// walkUpdates goes through the type in the order of the last change.
func (p *plan) walkUpdates(ctx context.Context, tx *db.Tx) (found, error) {
	out, seen, last, lastAt := found{total: -1}, 0, int64(0), int64(0)
	at, n := int64(-1), int64(-1)
	if p.sort[0].desc {
		at, n = 1<<62, 1<<62
	}
	if p.after.N >= 0 {
		n = p.after.N
		if len(p.after.Keys) != 1 {
			return found{}, errs.E(errs.Invalid, "翻页标记（_cursor）与排序（_sort）不符：请使用上一页给出的链接")
		}
		at = unpadNumber(p.after.Keys[0])
	}
	for {
		rows, err := p.updates(ctx, tx, at, n)
		if err != nil {
			return found{}, fmt.Errorf("search: %w", err)
		}
		ns, when := make([]int64, len(rows)), make(map[int64]int64, len(rows))
		for i, r := range rows {
			ns[i], when[r[1]] = r[1], r[0]
		}
		hits, err := p.meet(ctx, tx, ns, -1)
		if err != nil {
			return found{}, err
		}
		for _, h := range hits {
			if len(out.ns) == p.count {
				if p.count > 0 {
					out.next = &cursor{N: last, Keys: []string{padNumber(lastAt)}, Max: p.after.Max}
				}
				return p.counted(ctx, tx, out)
			}
			out.ns, last, lastAt = append(out.ns, h), h, when[h]
		}
		if len(rows) < walkStep {
			return p.counted(ctx, tx, out)
		}
		at, n = rows[len(rows)-1][0], rows[len(rows)-1][1]
		if seen += len(rows); seen >= walkMax {
			out.next = &cursor{N: n, Keys: []string{padNumber(at)}, Max: p.after.Max}
			return p.counted(ctx, tx, out)
		}
	}
}

func (p *plan) updates(ctx context.Context, tx *db.Tx, at, n int64) ([][2]int64, error) {
	read := func(scan db.Scan) (r [2]int64, err error) { return r, scan(&r[0], &r[1]) }
	if p.sort[0].desc {
		return db.List(ctx, tx, read, `SELECT updated_at, n FROM record_resource
			WHERE type = $1 AND (updated_at, n) < ($2, $3) AND n <= $4 AND deleted = FALSE AND withdrawn_at IS NULL
			ORDER BY updated_at DESC, n DESC LIMIT $5`, p.kind, at, n, p.after.Max, walkStep)
	}
	return db.List(ctx, tx, read, `SELECT updated_at, n FROM record_resource
		WHERE type = $1 AND (updated_at, n) > ($2, $3) AND n <= $4 AND deleted = FALSE AND withdrawn_at IS NULL
		ORDER BY updated_at, n LIMIT $5`, p.kind, at, n, p.after.Max, walkStep)
}
