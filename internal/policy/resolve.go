package policy

import (
	"cmp"
	"slices"

	"yilian/internal/calendar"
	"yilian/internal/errs"
)

// Answer is the value that binds, with everything needed to cite it.
type Answer struct {
	Key           string
	Value         Value
	Clause        string // LL-4.4.1d; for an adopted clause the id in its own document
	ClauseSummary string
	Section       string
	Document      string // how the document is cited
	Profile       string // id of the profile that brought it in
	Version       string // digest of that profile's content
	Source        string // for defaults: where the value comes from
	Note          string
	Adopted       bool // a clause of another document that this profile took over
	Starter       bool // from a starter list, to be reviewed on site
	Default       bool // product default: no document settles it
}

// TargetAnswer is a target that binds, with its clause.
type TargetAnswer struct {
	Target
	Clause        string
	ClauseSummary string
	Document      string
	Profile       string
	Version       string
	Adopted       bool
}

// binding is one rule or target with the scope it binds in.
type binding struct {
	region  string
	kinds   []string
	profile []string // kinds of the whole document
	from    calendar.Date
	to      calendar.Date
	issued  calendar.Date
	combine Combine
	answer  Answer
	target  Target
}

// level returns how general the binding is at a place (0 is the most
// specific); ok is false when it does not bind there on that day.
func (b binding) level(at Place, day calendar.Date) (n int, ok bool) {
	if b.from > day || (b.to != "" && b.to < day) {
		return 0, false
	}
	for _, kinds := range [][]string{b.kinds, b.profile} {
		if len(kinds) > 0 && !slices.Contains(kinds, at.Kind) {
			return 0, false
		}
	}
	if b.region == "" {
		return len(at.Regions), true
	}
	n = slices.Index(at.Regions, b.region)
	return n, n >= 0
}

// byRank orders binding entries: specific jurisdiction, then limited to the
// kind of alliance, then the later one; the rest only makes the order total.
func byRank(at Place, day calendar.Date) func(x, y binding) int {
	return func(x, y binding) int {
		lx, _ := x.level(at, day)
		ly, _ := y.level(at, day)
		return cmp.Or(
			cmp.Compare(lx, ly),
			cmp.Compare(general(x), general(y)),
			cmp.Compare(y.from, x.from),
			cmp.Compare(y.issued, x.issued),
			cmp.Compare(x.answer.Profile, y.answer.Profile),
			cmp.Compare(x.answer.Clause, y.answer.Clause),
		)
	}
}

func general(b binding) int {
	if len(b.kinds) > 0 || len(b.profile) > 0 {
		return 0
	}
	return 1
}

func binds(all []binding, at Place, day calendar.Date) []binding {
	var out []binding
	for _, b := range all {
		if _, ok := b.level(at, day); ok {
			out = append(out, b)
		}
	}
	slices.SortStableFunc(out, byRank(at, day))
	return out
}

// Resolve returns the value of a key that binds at a place on a day: specific
// jurisdiction before general, limited to the kind of alliance before general,
// later before earlier; the strictest, or all lists joined, where the key says
// so. It is errs.NotFound when no rule binds.
func (b *Book) Resolve(key string, at Place, day calendar.Date) (Answer, error) {
	found := binds(b.now().rules[key], at, day)
	if len(found) == 0 {
		return Answer{}, errs.E(errs.NotFound, "没有适用的政策规定：%s（%s）", key, day)
	}
	best := found[0]
	switch best.combine {
	case StrictestMin, StrictestMax:
		best = strictest(found, best.combine)
	case Union:
		return union(found), nil
	}
	return best.answer, nil
}

// Binding returns every rule of a key that binds, the most specific first, so
// that a screen can show what was considered.
func (b *Book) Binding(key string, at Place, day calendar.Date) []Answer {
	found := binds(b.now().rules[key], at, day)
	out := make([]Answer, len(found))
	for i, f := range found {
		out[i] = f.answer
	}
	return out
}

// Target returns the target of an indicator that binds, by the same order as
// Resolve; scope narrows it ("" is the whole).
func (b *Book) Target(indicator, scope string, at Place, day calendar.Date) (TargetAnswer, error) {
	found := binds(b.now().targets[indicator+"/"+scope], at, day)
	if len(found) == 0 {
		return TargetAnswer{}, errs.E(errs.NotFound, "没有适用的指标目标：%s（%s）", indicator, day)
	}
	return targetAnswer(found[0]), nil
}

// Targets returns every target that binds at a place on a day, one for each
// indicator and scope, ordered by clause.
func (b *Book) Targets(at Place, day calendar.Date) []TargetAnswer {
	var out []TargetAnswer
	targets := b.now().targets
	for _, key := range sortedKeys(targets) {
		if found := binds(targets[key], at, day); len(found) > 0 {
			out = append(out, targetAnswer(found[0]))
		}
	}
	slices.SortStableFunc(out, func(x, y TargetAnswer) int { return cmp.Compare(x.Clause, y.Clause) })
	return out
}

func targetAnswer(f binding) TargetAnswer {
	a := f.answer
	return TargetAnswer{
		Target: f.target, Clause: a.Clause, ClauseSummary: a.ClauseSummary, Document: a.Document,
		Profile: a.Profile, Version: a.Version, Adopted: a.Adopted,
	}
}

func strictest(found []binding, how Combine) binding {
	best := found[0]
	for _, f := range found[1:] {
		x, _ := f.answer.Value.size()
		y, _ := best.answer.Value.size()
		if (how == StrictestMin && x < y) || (how == StrictestMax && x > y) {
			best = f
		}
	}
	return best
}

// union joins lists; the answer cites the most specific clause, each code its
// own. A code set twice is taken from the more specific clause.
func union(found []binding) Answer {
	out := found[0].answer
	out.Value.Codes, out.Value.List = nil, nil
	seen := map[string]bool{}
	for _, f := range found {
		for _, c := range f.answer.Value.Codes {
			if !seen[c.Code] {
				seen[c.Code] = true
				out.Value.Codes = append(out.Value.Codes, c)
			}
		}
		for _, s := range f.answer.Value.List {
			if !seen[s] {
				seen[s] = true
				out.Value.List = append(out.Value.List, s)
			}
		}
	}
	return out
}

func (a Answer) want(t Type) error {
	if a.Value.Type != t {
		return errs.E(errs.Internal, "policy %s (%s) is %s, wanted %s", a.Key, a.Clause, a.Value.Type, t)
	}
	return nil
}

// Int returns the value as a whole number.
func (a Answer) Int() (int64, error) { return a.Value.Int, a.want(TypeInt) }

// Bool returns the value as yes or no.
func (a Answer) Bool() (bool, error) { return a.Value.Bool, a.want(TypeBool) }

// Text returns the value as text; other types are written for a screen.
func (a Answer) Text() string { return a.Value.String() }

// Deadline returns the value as a deadline.
func (a Answer) Deadline() (Deadline, error) { return a.Value.Deadline, a.want(TypeDeadline) }

// Codes returns the value as a coded list.
func (a Answer) Codes() ([]Code, error) { return slices.Clone(a.Value.Codes), a.want(TypeCodes) }

// Strings returns the value as a plain list.
func (a Answer) Strings() ([]string, error) { return slices.Clone(a.Value.List), a.want(TypeList) }

// Code returns one entry of a coded list; ok is false when the list has none
// such.
func (a Answer) Code(code string) (c Code, ok bool) {
	i := slices.IndexFunc(a.Value.Codes, func(c Code) bool { return c.Code == code })
	if i < 0 {
		return Code{}, false
	}
	return a.Value.Codes[i], true
}
