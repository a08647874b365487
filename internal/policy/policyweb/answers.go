package policyweb

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/policy"
	"yilian/internal/region"
	"yilian/internal/web"
)

// State says how far a clause is answered by the product.
type State string

// The states. A clause that nothing is registered for is not answered.
const (
	Whole State = "whole"
	Part  State = "part"
	None  State = "none"
)

// Title returns the Chinese name of the state.
func (s State) Title() string {
	switch s {
	case Whole:
		return "已接入"
	case Part:
		return "部分接入"
	}
	return "未接入"
}

// Answer is what in the product answers a clause.
type Answer struct {
	State State
	Pages []string // paths of menu entries
	Lacks string   // what is not built, in words; empty for whole answers
}

// Measure computes a running figure for a region on a day.
type Measure func(ctx context.Context, tx *db.Tx, region string, day calendar.Date) (policy.Figure, error)

// Count says in words what the registers hold for a clause that names no target,
// and on which page it is.
type Count func(ctx context.Context, tx *db.Tx, region string, day calendar.Date) (text, page string, err error)

// Answers is the register of what answers the documents, filled by the wiring.
type Answers struct {
	Clauses map[string]Answer
	Figures map[string]Measure // by indicator, or indicator/scope
	Counts  map[string]Count   // by clause
	Items   func() []web.Item  // the menu: titles and rights of the pages
	Offered func(role access.Role, it web.Item) bool
}

type targetRow struct {
	Target  policy.Target
	Measure bool // a figure is registered
	Here    bool // the target binds the viewer's region
	Figure  policy.Figure
	Verdict policy.Verdict
	Gap     float64
}

type ruleRow struct {
	Rule  policy.Rule
	Bound *policy.Answer // what counts here today; nil when nothing binds here
	Other bool           // another clause sets it here
}

type answerRow struct {
	Profile policy.Profile
	Clause  policy.Clause
	Answer  Answer
	Expired calendar.Date // the last day that a target names, when it has passed
	Rules   []ruleRow
	Targets []targetRow
	Count   string // running count in words; "" none
	CountAt string // its page
	Pages   []web.Item
}

type answersView struct {
	Place                      string
	Day                        calendar.Date
	Rows                       []answerRow
	Counts                     map[State]int
	Expired                    int
	Total                      int
	Documents                  []policy.Profile
	Document, Kind, Want, Text string
	Everything, Bureau         bool
}

func (p *Pages) answerRoutes(site *web.Site) {
	site.Menu(web.Item{Group: "政策与日历", Title: "政策落实", Icon: "list-check", Path: "/policy/answers", Order: 805, Rights: []string{string(access.PolicyFollow)}})
	site.Handle("GET /policy/answers", p.answers)
}

func (p *Pages) answers(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	if err := access.Require(actor, access.PolicyFollow, access.Any); err != nil {
		return err
	}
	q := r.URL.Query()
	place := smallest(actor.Regions)
	v := answersView{
		Place: region.FullName(place), Day: calendar.DateOf(p.DB.Now()), Counts: map[State]int{},
		Document: q.Get("document"), Kind: q.Get("kind"), Want: q.Get("state"), Text: strings.TrimSpace(q.Get("text")),
		Bureau: slices.Contains([]access.Role{access.BureauCounty, access.BureauCity, access.BureauProvince, access.SystemAdmin}, access.Role(actor.Role)),
	}
	v.Everything = v.Bureau && q.Get("all") != ""
	chain := policy.Chain(place)
	err := p.DB.View(r.Context(), func(tx *db.Tx) error {
		for _, one := range p.Book.Profiles() {
			if one.Base() || !v.Everything && !slices.Contains(chain, one.Jurisdiction) {
				continue
			}
			v.Documents = append(v.Documents, one)
			for _, c := range one.Clauses() {
				row, err := p.answer(r.Context(), tx, actor, one, c, place, v.Day)
				if err != nil {
					return err
				}
				v.add(row)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, answersPage(v))
}

// smallest is the smallest jurisdiction that is no town or village.
func smallest(regions []string) string {
	for _, code := range regions {
		if len(code) <= 6 {
			return code
		}
	}
	return region.CN
}

// add counts a row and keeps it when the filter asks for it.
func (v *answersView) add(row answerRow) {
	if v.Document != "" && row.Profile.ID != v.Document || v.Kind != "" && string(row.Clause.Kind) != v.Kind ||
		v.Text != "" && !strings.Contains(row.Clause.ID+row.Clause.Summary, v.Text) {
		return
	}
	v.Counts[row.Answer.State]++
	v.Total++
	if row.Expired != "" {
		v.Expired++
	}
	if v.Want == "" || v.Want == string(row.Answer.State) || v.Want == "expired" && row.Expired != "" {
		v.Rows = append(v.Rows, row)
	}
}

func (p *Pages) answer(ctx context.Context, tx *db.Tx, actor access.Actor, one policy.Profile, c policy.Clause, place string, day calendar.Date) (answerRow, error) {
	row := answerRow{Profile: one, Clause: c}
	for _, id := range []string{c.ID, c.Adopts} {
		if a, ok := p.Answers.Clauses[id]; ok && row.Answer.State == "" {
			row.Answer = a
		}
	}
	binds := slices.Contains(policy.Chain(place), one.Jurisdiction)
	for _, r := range c.Rules {
		row.Rules = append(row.Rules, p.rule(one, c, r, place, day))
	}
	for _, t := range c.Targets {
		x := targetRow{Target: t, Here: binds}
		if t.Expired(day) {
			row.Expired = max(row.Expired, t.By)
		}
		measure := p.Answers.measure(t)
		x.Measure = measure != nil
		if x.Measure && binds {
			var err error
			if x.Figure, err = measure(ctx, tx, place, day); err != nil {
				return row, err
			}
			x.Verdict, x.Gap = t.Judge(x.Figure, day)
		}
		if x.Measure && row.Answer.State == "" {
			row.Answer.State = Part
		}
		row.Targets = append(row.Targets, x)
	}
	if count := p.Answers.Counts[c.ID]; count != nil && binds {
		var err error
		if row.Count, row.CountAt, err = count(ctx, tx, place, day); err != nil {
			return row, err
		}
	}
	if row.Answer.State == "" {
		row.Answer.State = None
	}
	for _, it := range p.Answers.Items() {
		if slices.Contains(row.Answer.Pages, it.Path) && p.Answers.Offered(access.Role(actor.Role), it) {
			row.Pages = append(row.Pages, it)
		}
	}
	return row, nil
}

func (a Answers) measure(t policy.Target) Measure {
	if m := a.Figures[t.Indicator+"/"+t.Scope]; m != nil {
		return m
	}
	if t.Scope == "" {
		return a.Figures[t.Indicator]
	}
	return nil
}

// rule says what counts here today instead of, or by, the rule of a clause.
func (p *Pages) rule(one policy.Profile, c policy.Clause, r policy.Rule, place string, day calendar.Date) ruleRow {
	kind := ""
	for _, kinds := range [][]string{r.Kinds, one.Kinds} {
		if kind == "" && len(kinds) > 0 {
			kind = kinds[0]
		}
	}
	a, err := p.Book.Resolve(r.Key, policy.Place{Regions: policy.Chain(place), Kind: kind}, day)
	if err != nil {
		return ruleRow{Rule: r}
	}
	return ruleRow{Rule: r, Bound: &a, Other: a.Clause != c.ID && a.Clause != c.Adopts}
}

func stateTone(s State) web.Tone {
	switch s {
	case Whole:
		return web.Good
	case Part:
		return web.Info
	}
	return web.Neutral
}

func verdictTone(v policy.Verdict) web.Tone {
	switch v {
	case policy.Met:
		return web.Good
	case policy.Missed:
		return web.Bad
	case policy.Open:
		return web.Warn
	}
	return web.Neutral
}

func (x targetRow) value() string {
	unit := map[string]string{"percent": "%", "day": " 天", "count": " 个", "event": " 次"}[x.Target.Unit]
	s := strconv.FormatFloat(x.Figure.Value, 'f', -1, 64) + unit
	if x.Figure.Den != 0 {
		s += "（" + strconv.FormatInt(x.Figure.Num, 10) + " / " + strconv.FormatInt(x.Figure.Den, 10) + "）"
	}
	return s
}

func (x targetRow) gap() string { return strconv.FormatFloat(x.Gap, 'f', -1, 64) }

// short is a value for a narrow column: long lists by their number.
func short(v policy.Value) string {
	if n := len(v.Codes); n > 7 {
		return strconv.Itoa(n) + " 项"
	}
	return said(v.String())
}

func (v answersView) link(state string) string {
	q := "?document=" + v.Document + "&kind=" + v.Kind + "&state=" + state
	if v.Everything {
		q += "&all=1"
	}
	return "/policy/answers" + q
}

func (v answersView) documents() []web.Option {
	var out []web.Option
	for _, p := range v.Documents {
		out = append(out, web.Option{Value: p.ID, Text: p.Code + " " + p.Title})
	}
	return out
}
