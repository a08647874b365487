package countweb

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/referral/baseline"
	"yilian/internal/web"
)

// growthPage is the page of growth and targets.
type growthPage struct {
	baseline.Report
	Actor  access.Actor
	Year   int
	Part   string
	BaseOn int
	Region bool
}

// spans are the parts of a year, by first and last month.
var spans = []struct {
	value, text string
	first, last int
}{
	{"year", "全年", 1, 12}, {"h1", "上半年", 1, 6}, {"h2", "下半年", 7, 12},
	{"q1", "一季度", 1, 3}, {"q2", "二季度", 4, 6}, {"q3", "三季度", 7, 9}, {"q4", "四季度", 10, 12},
}

func spanOptions() []web.Option {
	var out []web.Option
	for _, s := range spans {
		out = append(out, web.Option{Value: s.value, Text: s.text})
	}
	return out
}

// years are those that may be chosen, the newest first.
func years(newest int) []web.Option {
	var out []web.Option
	for y := newest; y > newest-10; y-- {
		out = append(out, web.Option{Value: strconv.Itoa(y), Text: strconv.Itoa(y) + " 年"})
	}
	return out
}

func (p *Pages) growth(w http.ResponseWriter, r *http.Request) error {
	q, today := r.URL.Query(), calendar.DateOf(p.DB.Now())
	g := growthPage{Actor: access.ActorOf(r.Context()), Year: year(q.Get("year"), today.Year()), Part: "year"}
	g.Region = region(g.Actor)
	g.BaseOn = min(year(q.Get("base"), g.Year-1), g.Year-1)
	period := baseline.Span{}
	for _, s := range spans {
		if s.value == q.Get("part") || (s.value == "year" && period.From == "") {
			g.Part = s.value
			period.From = calendar.Date(fmt.Sprintf("%04d-%02d-01", g.Year, s.first))
			period.To = calendar.DateOf(period.From.Time().AddDate(0, s.last-s.first+1, -1))
		}
	}
	var err error
	if g.Report, err = p.Baselines.Growth(r.Context(), g.Actor, period, g.BaseOn); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, growthView(g))
}

// year reads a year; what is none, or is out of reach, is the given one.
func year(s string, otherwise int) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 2000 || n > 2100 {
		return otherwise
	}
	return n
}

// growthText is a growth in words.
func growthText(g baseline.Growth) string {
	switch {
	case g.Reason == "":
		return strconv.FormatFloat(g.Percent, 'f', 1, 64) + "%"
	case g.Running:
		return "未到期"
	}
	return "无法计算"
}

func baseText(g baseline.Growth) string {
	if len(g.Entries) == 0 && !g.HasBase {
		return "—"
	}
	return number(g.Base)
}

// cases is the address of the arrivals of an institution in the period.
func (g growthPage) cases(org string, d referral.Direction) string {
	v := url.Values{"measure": {"arrived"}, "row_org": {org}, "row_direction": {string(d)}, "by": {"from"}, "period": {"custom"},
		"from": {string(g.Period.From)}, "to": {string(g.Period.To)}}
	if !g.Region {
		v.Set("side", "from")
	}
	return "/counts/cases?" + v.Encode()
}

// demand is a target in words.
func demand(t policy.TargetAnswer, d referral.Direction) string {
	how := map[string]string{">=": "至少增长 ", ">": "增长超过 ", "<=": "增长不超过 ", "<": "增长低于 "}[t.Op]
	return d.Title() + "例数" + how + strconv.FormatFloat(t.Value, 'f', -1, 64) + "%"
}

// counted reports whether a target asks for growth over the base that the page
// shows; otherwise it says over which.
func (g growthPage) counted(t policy.TargetAnswer) string {
	if t.Baseline == "" || t.Baseline == "previous_year" {
		if g.BaseOn != g.Year-1 {
			return "该目标以上一年为基期"
		}
	} else if n, err := strconv.Atoi(t.Baseline); err == nil && n != g.BaseOn {
		return "该目标以 " + t.Baseline + " 年为基期"
	}
	if t.Period == "year" && g.Part != "year" {
		return "该目标按全年计算"
	}
	return ""
}

// baselinesPage is the page of the baselines.
type baselinesPage struct {
	Actor  access.Actor
	List   []baseline.Entry
	Orgs   []organization.Organization // that the actor keeps; none: he may read only
	Region bool
	Values url.Values
	Err    error
	Import error
}

func (p *Pages) readBaselines(r *http.Request) (baselinesPage, error) {
	b := baselinesPage{Actor: access.ActorOf(r.Context()), Values: url.Values{}}
	b.Region = region(b.Actor)
	var err error
	if b.List, err = p.Baselines.List(r.Context(), b.Actor); err != nil {
		return b, err
	}
	if access.Has(access.Role(b.Actor.Role), access.BaselineEdit) {
		b.Orgs, err = p.Baselines.Institutions(r.Context(), b.Actor)
	}
	return b, err
}

func (p *Pages) baselines(w http.ResponseWriter, r *http.Request) error {
	b, err := p.readBaselines(r)
	if err != nil {
		return err
	}
	last := calendar.DateOf(p.DB.Now()).Year() - 1
	b.Values.Set("from", fmt.Sprintf("%04d-01-01", last))
	b.Values.Set("to", fmt.Sprintf("%04d-12-31", last))
	if len(b.Orgs) == 1 {
		b.Values.Set("org", b.Orgs[0].ID)
	}
	return web.Render(w, r, http.StatusOK, baselinesView(b))
}

func (p *Pages) enter(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	e, err := typed(r)
	if err == nil {
		err = p.Baselines.Enter(r.Context(), access.ActorOf(r.Context()), []baseline.Entry{e})
	}
	if err != nil {
		return p.again(w, r, err, func(b *baselinesPage) { b.Err = err })
	}
	web.Flash(w, r, web.Good, "基数已登记")
	return web.Redirect(w, r, "/counts/baselines")
}

func typed(r *http.Request) (e baseline.Entry, err error) {
	var f errs.Form
	f.Require("org", web.Typed(r, "org"), "机构")
	e = baseline.Entry{
		Org: web.Typed(r, "org"), Direction: referral.Direction(web.Typed(r, "direction")),
		Source: baseline.Source(web.Typed(r, "source")), Note: web.Typed(r, "note"),
	}
	e.From, e.To, err = span(r.PostForm)
	if err != nil {
		return e, err
	}
	if e.N, err = strconv.ParseInt(web.Typed(r, "n"), 10, 64); err != nil {
		f.Add("n", "例数应为整数")
	}
	return e, f.Err()
}

func (p *Pages) load(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	n, err := p.Baselines.Import(r.Context(), access.ActorOf(r.Context()), r.PostFormValue("lines"))
	if err != nil {
		return p.again(w, r, err, func(b *baselinesPage) { b.Import = err })
	}
	web.Flash(w, r, web.Good, "已导入 "+strconv.Itoa(n)+" 条基数")
	return web.Redirect(w, r, "/counts/baselines")
}

// again shows the page with what was typed and what is wrong with it.
func (p *Pages) again(w http.ResponseWriter, r *http.Request, err error, put func(*baselinesPage)) error {
	if !errs.Correctable(err) {
		return err
	}
	b, e := p.readBaselines(r)
	if e != nil {
		return e
	}
	b.Values = r.PostForm
	put(&b)
	return web.Render(w, r, web.Status(err), baselinesView(b))
}

func (p *Pages) confirm(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	if err := p.Baselines.Confirm(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Typed(r, "note")); err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已确认可比")
	return web.Redirect(w, r, "/counts/baselines")
}

func (p *Pages) void(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	if err := p.Baselines.Void(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Typed(r, "reason")); err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "基数已作废")
	return web.Redirect(w, r, "/counts/baselines")
}

func orgOptions(list []organization.Organization) []web.Option {
	return web.Choices(list, func(o organization.Organization) (string, string) { return o.ID, o.Name })
}

func directionOptions() []web.Option {
	return web.Choices(baseline.Directions(), func(d referral.Direction) (string, string) { return string(d), d.Title() })
}

func sourceOptions() []web.Option {
	return web.Choices(baseline.Sources(), func(s baseline.Source) (string, string) { return string(s), s.Title() })
}
