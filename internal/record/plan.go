package record

import (
	"context"
	"fmt"
	"math"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
)

// chainMax is how many resources the inner search of a chain or a _has may
// name.
const chainMax = 2000

// planner turns the conditions of a request into those of a plan.
type planner struct {
	tx *db.Tx
	plan
	checks []*search.Clause // what only the content itself can tell: composites, distances
}

// unsupported says that a condition cannot be asked of this store.
func unsupported(c *search.Clause, why string) error {
	return errs.E(errs.Invalid, "搜索参数 %s 不能这样用：%s", c.Param.Code, why)
}

// planOf makes the plan of one type.
func (s *Store) planOf(ctx context.Context, tx *db.Tx, kind string, where []search.Clause, reader *Reader) (*planner, error) {
	p := &planner{tx: tx, plan: plan{s: s, kind: kind, reader: reader}}
	for i := range where {
		if err := p.clause(ctx, &where[i]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *planner) clause(ctx context.Context, c *search.Clause) error {
	switch {
	case c.Has != nil:
		return p.has(ctx, c.Has)
	case len(c.Chain) > 0:
		return p.chain(ctx, c)
	}
	out := cond{params: kept(p.kind, c.Param, "")}
	switch {
	case c.Modifier == search.Missing:
		p.missing(c, out)
		return nil
	case c.Param.Code == "_id":
		for _, t := range c.Terms {
			if term, ok := t.(search.TokenTerm); ok {
				out.ids = append(out.ids, term.Code)
			}
		}
		out.form, out.not = byID, c.Modifier == search.Not
		p.conds = append(p.conds, out)
		return nil
	case c.Param.Type == spec.CompositeParam:
		return p.composite(ctx, c)
	}
	out.not = c.Modifier == search.Not || c.Modifier == search.NotIn
	if err := p.bind(ctx, c, &out); err != nil {
		return err
	}
	for _, t := range c.Terms {
		if err := p.term(ctx, c, t, &out); err != nil {
			return err
		}
	}
	out.never = len(out.texts)+len(out.dates)+len(out.numbers) == 0
	p.conds = append(p.conds, out)
	return nil
}

func (p *planner) missing(c *search.Clause, out cond) {
	if c.Param.Code == "_id" || c.Param.Code == "_lastUpdated" { // every resource has them
		out.form, out.never = byOwn, c.Absent
		p.conds = append(p.conds, out)
		return
	}
	out.missing, out.not = true, !c.Absent
	switch c.Param.Type {
	case spec.CompositeParam: // the parts stand together or not: the content tells
		out.form, out.missing, out.not = byOwn, false, false
		p.check(c)
	case spec.TokenParam:
		out.beside = kept(p.kind, c.Param, textPart)
	case spec.ReferenceParam:
		out.beside = kept(p.kind, c.Param, refPart)
	}
	p.conds = append(p.conds, out)
}

// bind makes a search for one patient by subject or patient a search about that
// person: all records that the master index knows to be his are meant.
func (p *planner) bind(ctx context.Context, c *search.Clause, out *cond) error {
	if c.Param.Type != spec.ReferenceParam || c.Modifier != search.Plain || len(c.Terms) != 1 ||
		c.Param.Code != "patient" && c.Param.Code != "subject" || p.patients != nil || !bindsPatient(p.kind) {
		return nil
	}
	t, ok := c.Terms[0].(search.ReferenceTerm)
	if !ok || t.ID == "" || t.Type != "Patient" && (t.Type != "" || c.Param.Code != "patient") || t.Base != "" && t.Base != p.s.Base {
		return nil
	}
	whose, err := patientFor(ctx, p.tx, t.ID)
	if err != nil {
		return err
	}
	if p.patients, err = access.SamePerson(ctx, p.tx, whose); err != nil {
		return err
	}
	for _, other := range p.patients {
		out.texts = append(out.texts, textMatch{value: "Patient/" + other, sys: anySystem})
	}
	out.implied = true
	return nil
}

func (p *planner) term(ctx context.Context, c *search.Clause, t search.Term, out *cond) error {
	switch t := t.(type) {
	case search.TokenTerm:
		p.token(c, t, out)
	case search.TextTerm:
		p.text(c, t, out)
	case search.ReferenceTerm:
		return p.reference(ctx, c, t, out)
	case search.URITerm:
		p.uri(c, t, out)
	case search.DateTerm:
		out.form = byDate
		if c.Param.Code == "_lastUpdated" {
			out.form = byUpdated
		}
		for _, all := range t.Bounds() {
			out.dates = append(out.dates, dateBox(all))
		}
	case search.NumberTerm:
		out.form = byNumber
		for _, all := range t.Bounds() {
			out.numbers = append(out.numbers, numberMatch{box: numberBox(all), sys: anySystem})
		}
	case search.QuantityTerm:
		out.form = byNumber
		for _, all := range t.Bounds() {
			out.numbers = append(out.numbers, quantityMatch(numberBox(all), t))
		}
	case search.SetTerm:
		return p.valueSet(ctx, c, t, out)
	case search.NearTerm:
		p.near(c, t, out)
	default:
		return unsupported(c, "本平台不支持这种比较")
	}
	return nil
}

func dateBox(all []search.Bound[int64]) box[int64] {
	b := box[int64]{math.MinInt64, math.MaxInt64, math.MinInt64, math.MaxInt64}
	for _, x := range all {
		b.narrow(x, func(v int64) int64 { return v - 1 }, func(v int64) int64 { return v + 1 })
	}
	return b
}

func numberBox(all []search.Bound[float64]) box[float64] {
	const most = math.MaxFloat64
	b := box[float64]{-most, most, -most, most}
	for _, x := range all {
		b.narrow(x, func(v float64) float64 { return math.Nextafter(v, -most) }, func(v float64) float64 { return math.Nextafter(v, most) })
	}
	return b
}

func (b *box[T]) narrow(x search.Bound[T], before, after func(T) T) {
	low, high := &b.lowMin, &b.lowMax
	if x.Column == search.End {
		low, high = &b.highMin, &b.highMax
	}
	switch x.Op {
	case ">":
		*low = max(*low, after(x.Value))
	case ">=":
		*low = max(*low, x.Value)
	case "<":
		*high = min(*high, before(x.Value))
	case "<=":
		*high = min(*high, x.Value)
	}
}

func quantityMatch(b box[float64], t search.QuantityTerm) numberMatch {
	m := numberMatch{box: b, sys: anySystem}
	if t.HasUnit {
		m.unit = t.Unit.Code
		if m.unit == "" {
			m.unit = t.Unit.Unit
		}
		if t.Unit.System != "" {
			m.sys = number(t.Unit.System)
		}
	}
	return m
}

// token adds the ways in which a code may be kept: as it is, and hashed for
// identifiers and phone numbers, under every key that was ever in use.
func (p *planner) token(c *search.Clause, t search.TokenTerm, out *cond) {
	sys := int64(anySystem)
	if !t.AnySystem {
		sys = number(t.System)
	}
	hashed, plain := false, false
	for _, d := range c.Param.Datatypes {
		hashed = hashed || secret(d)
		plain = plain || !secret(d)
	}
	switch c.Modifier {
	case search.IdentifierOf:
		out.params, hashed, plain = kept(p.kind, c.Param, refPart), true, false
	case search.OfTypeModifier:
		out.params, hashed, plain = kept(p.kind, c.Param, ofTypePart), true, false
	}
	if t.AnyCode {
		out.texts = append(out.texts, textMatch{sys: sys, anyOne: true})
		return
	}
	if plain || !hashed {
		out.texts = append(out.texts, textMatch{value: t.Code, sys: sys})
	}
	if hashed {
		for _, h := range p.s.Keys.Indexes(secretDomain, plainNumber(t.Code)) {
			out.texts = append(out.texts, textMatch{value: h, sys: sys})
		}
	}
}

func (p *planner) text(c *search.Clause, t search.TextTerm, out *cond) {
	m := textMatch{value: cutText(t.Norm), sys: anySystem}
	switch c.Modifier {
	case search.Exact:
		m.sys = exactly(t.Exact)
	case search.Contains:
		out.form = byContains
	case search.TextOf:
		out.form = byContains
		if c.Param.Type == spec.TokenParam {
			out.params = kept(p.kind, c.Param, textPart)
		}
	default:
		out.form = byPrefix
	}
	out.texts = append(out.texts, m)
}

func (p *planner) reference(ctx context.Context, c *search.Clause, t search.ReferenceTerm, out *cond) error {
	add := func(value string) {
		out.texts = append(out.texts, textMatch{value: value, sys: anySystem})
	}
	switch {
	case t.Type != "" || t.ID == "":
		target := p.s.target(&t.Reference)
		if t.Version != "" && t.Type == "" {
			target += "|" + t.Version
		}
		add(target)
		if id, ok := strings.CutPrefix(target, "Patient/"); ok {
			return p.samePerson(ctx, id, add)
		}
	default:
		types := t.Types
		if len(types) == 0 {
			types = c.Param.Targets
		}
		for _, kind := range types {
			add(kind + "/" + t.ID)
			if kind == "Patient" {
				if err := p.samePerson(ctx, t.ID, add); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// samePerson adds the other records of a patient.
func (p *planner) samePerson(ctx context.Context, id string, add func(string)) error {
	whose, err := patientFor(ctx, p.tx, id)
	if err != nil {
		return err
	}
	all, err := access.SamePerson(ctx, p.tx, whose)
	for _, other := range all {
		if other != id {
			add("Patient/" + other)
		}
	}
	return err
}

func (p *planner) uri(c *search.Clause, t search.URITerm, out *cond) {
	switch c.Modifier {
	case search.Below:
		out.form = byPrefix
		out.texts = append(out.texts, textMatch{value: t.URI, sys: anySystem})
	case search.Above:
		out.texts = append(out.texts, textMatch{value: t.URI, sys: anySystem})
		for i := len(t.URI) - 1; i > 0; i-- {
			if t.URI[i] == '/' {
				out.texts = append(out.texts, textMatch{value: t.URI[:i], sys: anySystem}, textMatch{value: t.URI[:i+1], sys: anySystem})
			}
		}
	default:
		out.texts = append(out.texts, textMatch{value: t.URI, sys: anySystem})
	}
}

// valueSet adds the codes of a value set: one of the standard whose codes are
// listed.
func (p *planner) valueSet(_ context.Context, c *search.Clause, t search.SetTerm, out *cond) error {
	set := spec.ValueSetOf(t.URL)
	if set == nil {
		return unsupported(c, fmt.Sprintf("本平台没有值集 %s 的编码清单", t.URL))
	}
	for _, sys := range set.Systems {
		for _, code := range sys.Codes {
			out.texts = append(out.texts, textMatch{value: code, sys: number(sys.URL)})
		}
	}
	return nil
}

// near narrows by latitude; the distance is worked out from the content.
func (p *planner) near(c *search.Clause, t search.NearTerm, out *cond) {
	d := t.Meters / 111_000 // metres in a degree of latitude, rounded down
	out.form = byNumber
	out.numbers = append(out.numbers, numberMatch{
		box: box[float64]{t.Latitude - d, math.MaxFloat64, -math.MaxFloat64, t.Latitude + d}, sys: anySystem})
	p.check(c)
}

func (p *planner) check(c *search.Clause) {
	if n := len(p.checks); n == 0 || p.checks[n-1] != c {
		p.checks = append(p.checks, c)
	}
}

// composite asks for each part, and lets the content decide whether they stand
// together.
func (p *planner) composite(ctx context.Context, c *search.Clause) error {
	for i, part := range c.Param.Components {
		out := cond{params: keptPart(p.kind, c.Param, i)}
		for _, t := range c.Terms {
			term, ok := t.(search.CompositeTerm)
			if !ok || i >= len(term.Parts) {
				return unsupported(c, "各部分用 $ 分开")
			}
			// The clause of the part, under the name that its values are kept by.
			named := *part
			base := *part.Param
			base.Code = partCode(c.Param.Code, i)
			named.Param = &base
			if err := p.term(ctx, &search.Clause{Param: &named}, term.Parts[i], &out); err != nil {
				return err
			}
		}
		p.conds = append(p.conds, out)
	}
	p.check(c)
	return nil
}

// chain searches the resources that are pointed at, and then for references to
// them.
func (p *planner) chain(ctx context.Context, c *search.Clause) error {
	out := cond{form: byText, params: kept(p.kind, c.Param, ""), not: c.Modifier == search.Not}
	for i := range c.Chain {
		link := &c.Chain[i]
		heads, err := p.inner(ctx, link.Type, link.Clause)
		if err != nil {
			return err
		}
		for _, h := range heads {
			out.texts = append(out.texts, textMatch{value: h.Key.String(), sys: anySystem})
			if h.Type == "Patient" && h.Patient != "" && h.Patient != h.ID {
				out.texts = append(out.texts, textMatch{value: "Patient/" + h.Patient, sys: anySystem})
			}
		}
	}
	out.never = len(out.texts) == 0
	p.conds = append(p.conds, out)
	return nil
}

// inner runs the search of a chain or a _has; what the reader may not see does
// not count either.
func (p *planner) inner(ctx context.Context, kind string, c search.Clause) ([]Resource, error) {
	sub, err := p.s.planOf(ctx, p.tx, kind, []search.Clause{c}, p.reader)
	if err != nil {
		return nil, err
	}
	sub.count = chainMax + 1
	f, err := sub.run(ctx, p.tx)
	if err != nil {
		return nil, err
	}
	if len(f.ns) > chainMax || f.next != nil {
		return nil, errs.E(errs.Invalid, "链式条件命中的 %s 超过 %d 条：请加条件缩小范围", kind, chainMax)
	}
	return headsOf(ctx, p.tx, f.ns)
}

// has searches the resources that point here, and takes whom they point at.
func (p *planner) has(ctx context.Context, link *search.Link) error {
	heads, err := p.inner(ctx, link.Type, link.Clause)
	if err != nil {
		return err
	}
	out := cond{form: byID}
	ns := make([]int64, len(heads))
	for i := range heads {
		ns[i] = heads[i].n
	}
	refs := map[string]bool{}
	for _, param := range kept(link.Type, link.Param, "") {
		if err := targets(ctx, p.tx, param, ns, refs); err != nil {
			return err
		}
	}
	for ref := range refs {
		if id, ok := strings.CutPrefix(ref, p.kind+"/"); ok {
			out.ids = append(out.ids, id)
		}
	}
	out.never = len(out.ids) == 0
	p.conds = append(p.conds, out)
	return nil
}

// targets adds what resources point at by a parameter.
func targets(ctx context.Context, tx *db.Tx, param int32, ns []int64, out map[string]bool) error {
	for part := range chunks(ns, listMax) {
		query, args := db.Expand(`SELECT DISTINCT value FROM record_text WHERE +param = $1 AND n IN ($list)`, []any{param}, part)
		refs, err := db.List(ctx, tx, db.Value[string], query, args...)
		if err != nil {
			return fmt.Errorf("search: %w", err)
		}
		for _, ref := range refs {
			out[ref] = true
		}
	}
	return nil
}

// run finds, and drops what the content itself refuses.
func (p *planner) run(ctx context.Context, tx *db.Tx) (found, error) {
	if len(p.checks) > 0 {
		p.plan.verify = p.verified
	}
	return find(ctx, tx, p.plan)
}
