package auditevent

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"yilian/internal/audit"
	"yilian/internal/fhir/search"
)

// Asked is what a search asks of the log.
type Asked struct {
	Question audit.Question
	// Never: no leaf can match.
	Never bool
	// Cannot are the parameters that the log cannot answer, as they were sent.
	Cannot []string
	// Words say what was asked for, without values, for the log itself.
	Words string

	base  string
	spans []span // of time; nil: ever
}

// span is [from, to) in milliseconds since 1970.
type span struct{ from, to int64 }

// answer is how the log answers a parameter. ok is false when it cannot be
// asked in that way.
type answer struct {
	title string
	ask   func(a *Asked, c search.Clause) (ok bool)
}

// answers are the parameters that the log answers; the search and what the
// server says of itself are both made from it.
var answers = map[string]answer{
	"_id":          {"编号", (*Asked).id},
	"_lastUpdated": {"时间", (*Asked).date},
	"_source":      {"来源", (*Asked).source},
	"date":         {"时间", (*Asked).date},
	"patient":      {"患者", (*Asked).patient},
	"agent":        {"操作人", (*Asked).agent},
	"agent-name":   {"操作人姓名", (*Asked).name},
	"action":       {"操作类型", (*Asked).action},
	"subtype":      {"操作", (*Asked).subtype},
	"outcome":      {"结果", (*Asked).outcome},
	"entity":       {"对象", (*Asked).entity},
}

// Answers reports whether the log answers a search parameter.
func Answers(code string) bool { return answers[code].ask != nil }

// Ask reads a search of AuditEvents by a client of org as a question to the
// log; base is the address of the interface, which references may begin with.
func Ask(q search.Query, org, base string) Asked {
	a := Asked{base: base, Question: audit.Question{Org: org}}
	var words []string
	for _, c := range q.Where {
		if c.Param == nil { // _has
			continue // Cannot names it below
		}
		if how := answers[c.Param.Code]; how.ask != nil && len(c.Chain) == 0 && how.ask(&a, c) {
			words = append(words, how.title)
			continue
		}
		a.cannot(c.Param.Code)
	}
	for _, p := range q.Applied {
		if name, _, _ := strings.Cut(p.Name, ":"); name == "_has" || name == "_include" || name == "_revinclude" {
			a.cannot(name)
		}
	}
	for _, k := range q.Sort {
		if len(q.Sort) > 1 || k.Param.Code != "date" || !k.Descending {
			a.cannot("_sort")
		}
	}
	slices.Sort(words)
	a.Words = strings.Join(slices.Compact(words), "、")
	a.window()
	return a
}

func (a *Asked) cannot(name string) {
	if !slices.Contains(a.Cannot, name) {
		a.Cannot = append(a.Cannot, name)
	}
}

// window makes one span of time of those that were asked for; what falls apart
// cannot be asked.
func (a *Asked) window() {
	if a.spans == nil {
		return
	}
	switch len(a.spans) {
	case 0:
		a.Never = true
	case 1:
		a.Question.From, a.Question.To = moment(a.spans[0].from), moment(a.spans[0].to)
	default:
		a.cannot("date")
	}
}

// moment is a time, zero for an end of time.
func moment(ms int64) time.Time {
	if ms <= search.MinTime || ms >= search.MaxTime {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// date narrows the time. A leaf is of one millisecond.
func (a *Asked) date(c search.Clause) bool {
	if c.Modifier != search.Plain {
		return false
	}
	var any []span
	for _, t := range c.Terms {
		d, ok := t.(search.DateTerm)
		if !ok {
			return false
		}
		for _, all := range d.Bounds() {
			s := span{search.MinTime, search.MaxTime}
			for _, b := range all {
				if b.Op == "<" || b.Op == "<=" {
					s.to = min(s.to, b.Value)
				} else {
					s.from = max(s.from, b.Value)
				}
			}
			any = append(any, s)
		}
	}
	any = joined(any)
	if a.spans == nil {
		a.spans = any
		return true
	}
	both := []span{}
	for _, x := range a.spans {
		for _, y := range any {
			both = append(both, span{max(x.from, y.from), min(x.to, y.to)})
		}
	}
	a.spans = joined(both)
	return true
}

// joined are the spans in order, those that touch as one, without empty ones.
func joined(all []span) []span {
	slices.SortFunc(all, func(x, y span) int { return int(min(max(x.from-y.from, -1), 1)) })
	out := []span{}
	for _, s := range all {
		if s.from >= s.to {
			continue
		}
		if n := len(out); n > 0 && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

func (a *Asked) id(c search.Clause) bool {
	if c.Modifier != search.Plain || a.Question.IDs != nil {
		return false
	}
	for _, t := range c.Terms {
		a.Question.IDs = append(a.Question.IDs, t.(search.TokenTerm).Code)
	}
	return true
}

// source parts the log from what systems have sent.
func (a *Asked) source(c search.Clause) bool {
	if c.Modifier == search.Missing {
		a.Never = a.Never || c.Absent
		return true
	}
	if c.Modifier != search.Plain {
		return false
	}
	if !slices.Contains(c.Terms, search.Term(search.URITerm{URI: Source})) {
		a.Never = true
	}
	return true
}

func (a *Asked) patient(c search.Clause) bool {
	t, ok := reference(c)
	if !ok || a.Question.Patient != "" {
		return false
	}
	if !a.here(t) || t.Type != "Patient" {
		a.Never = true
		return true
	}
	a.Question.Patient = t.ID
	return true
}

// here reports whether a reference names something of this server.
func (a *Asked) here(t search.ReferenceTerm) bool {
	return t.ID != "" && (t.Base == "" || t.Base == a.base)
}

// reference is the one reference that a clause asks for.
func reference(c search.Clause) (t search.ReferenceTerm, ok bool) {
	if c.Modifier != search.Plain || len(c.Terms) != 1 {
		return t, false
	}
	t, ok = c.Terms[0].(search.ReferenceTerm)
	return t, ok
}

// identifier is the one identifier that a clause asks for.
func identifier(c search.Clause) (t search.TokenTerm, ok bool) {
	if c.Modifier != search.IdentifierOf || len(c.Terms) != 1 {
		return t, false
	}
	t, ok = c.Terms[0].(search.TokenTerm)
	return t, ok && !t.AnyCode
}

func (a *Asked) agent(c search.Clause) bool {
	q := &a.Question
	if t, ok := identifier(c); ok {
		if q.Account != "" {
			return false
		}
		if q.Account = t.Code; !t.AnySystem && t.System != AccountSystem {
			a.Never = true
		}
		return true
	}
	t, ok := reference(c)
	if !ok || q.Person != "" {
		return false
	}
	switch {
	case !a.here(t):
		a.Never = true
	case t.ID == q.Org && (t.Type == "Organization" || t.Type == ""): // every leaf is the institution's own
	case t.Type == "Practitioner" || t.Type == "":
		q.Person = t.ID
	default:
		a.Never = true
	}
	return true
}

// name compares names without regard to case, and takes what stands in the
// pattern of the database by its letters.
func (a *Asked) name(c search.Clause) bool {
	q := &a.Question
	if q.Name != "" || q.NameLike != "" || len(c.Terms) != 1 {
		return false
	}
	t, ok := c.Terms[0].(search.TextTerm)
	if !ok {
		return false
	}
	like := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(t.Exact))
	switch c.Modifier {
	case search.Exact:
		q.Name = t.Exact
	case search.Contains:
		q.NameLike = "%" + like + "%"
	case search.Plain:
		q.NameLike = like + "%"
	default:
		return false
	}
	return true
}

// codes are the codes of one system that a clause asks for out of all that
// there are; :not asks for the others.
func codes(c search.Clause, system string, all []string) (out []string, ok bool) {
	if c.Modifier != search.Plain && c.Modifier != search.Not {
		return nil, false
	}
	var said []string
	for _, t := range c.Terms {
		k, ok := t.(search.TokenTerm)
		if !ok || k.AnyCode {
			return nil, false
		}
		if k.AnySystem || k.System == system {
			said = append(said, k.Code)
		}
	}
	for _, code := range all {
		if slices.Contains(said, code) == (c.Modifier == search.Plain) {
			out = append(out, code)
		}
	}
	return out, true
}

func (a *Asked) action(c search.Clause) bool {
	q := &a.Question
	wanted, ok := codes(c, "http://hl7.org/fhir/audit-event-action", []string{"C", "R", "U", "D", "E"})
	if !ok || q.Verbs != nil || q.NotVerbs != nil {
		return false
	}
	if len(wanted) == 0 {
		a.Never = true
	}
	execute := slices.Contains(wanted, "E")
	for kind, all := range verbs {
		switch in := slices.Contains(wanted, kind); {
		case execute && !in:
			q.NotVerbs = append(q.NotVerbs, all...)
		case !execute && in:
			q.Verbs = append(q.Verbs, all...)
		}
	}
	slices.Sort(q.Verbs)
	slices.Sort(q.NotVerbs)
	return true
}

func (a *Asked) outcome(c search.Clause) bool {
	wanted, ok := codes(c, "http://hl7.org/fhir/audit-event-outcome", []string{"0", "4"})
	if !ok || a.Question.Outcome != "" {
		return false
	}
	switch len(wanted) {
	case 0:
		a.Never = true
	case 1:
		a.Question.Outcome = map[string]string{"0": audit.OK, "4": audit.Refused}[wanted[0]]
	}
	return true
}

// subtype asks for an act as the log names it.
func (a *Asked) subtype(c search.Clause) bool {
	if c.Modifier != search.Plain || len(c.Terms) != 1 || a.Question.Action != "" {
		return false
	}
	t, ok := c.Terms[0].(search.TokenTerm)
	if !ok || t.AnySystem || t.AnyCode || t.System != ActionSystem {
		return false
	}
	a.Question.Action = t.Code
	return true
}

func (a *Asked) entity(c search.Clause) bool {
	q := &a.Question
	if q.ObjectID != "" {
		return false
	}
	if t, ok := identifier(c); ok {
		kind, ours := strings.CutPrefix(t.System, ObjectSystem)
		switch {
		case t.AnySystem:
			return false
		case !ours || aliases[kind] != "" || refers(kind):
			a.Never = true
		default:
			q.Object, q.Alias, q.ObjectID = kind, kind, t.Code
		}
		return true
	}
	t, ok := reference(c)
	switch {
	case !ok || t.Type == "" && a.here(t):
		return false
	case !a.here(t):
		a.Never = true
	case t.Type == "Patient":
		if q.Patient != "" {
			return false
		}
		q.Patient = t.ID
	default:
		q.Object, q.Alias, q.ObjectID = t.Type, cmp.Or(aliasOf(t.Type), t.Type), t.ID
	}
	return true
}
