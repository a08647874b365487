// Package countweb is the face of the counts of referrals: the table by
// direction, month, institution and department, the cases behind each figure,
// growth against baselines and targets, and the baselines. It parses, calls
// one use case and renders; it decides nothing.
package countweb

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/baseline"
	"yilian/internal/referral/referralcount"
	"yilian/internal/web"
)

// machine is the declaration, for titles of states.
var machine = referral.Machine()

// Pages are the routes of this package.
type Pages struct {
	DB        *db.DB
	Referrals *referral.Service // knows the rate of kept follow-ups
	Baselines *baseline.Service
}

// Routes registers the pages and their menu.
func Routes(site *web.Site, p *Pages) {
	site.Handle("GET /counts", p.table)
	site.Handle("GET /counts/cases", p.cases)
	site.Handle("GET /counts/export", p.export)
	site.Handle("GET /counts/growth", p.growth)
	site.Handle("GET /counts/firstvisit", p.overrides)
	site.Handle("GET /counts/private", p.private)
	site.Handle("GET /counts/baselines", p.baselines)
	site.Handle("POST /counts/baselines", p.enter)
	site.Handle("POST /counts/baselines/import", p.load)
	site.Handle("POST /counts/baselines/{id}/confirm", p.confirm)
	site.Handle("POST /counts/baselines/{id}/void", p.void)
	site.Menu(web.Item{Group: "监管", Title: "转诊统计", Icon: "report-analytics", Path: "/counts", Order: 61,
		Rights: []string{string(access.ReferralCount)}})
}

func tabs(at string, actor access.Actor) []web.Tab {
	out := []web.Tab{
		{Title: "统计表", URL: "/counts", Hide: true, Active: at == "table"},
		{Title: "增长与目标", URL: "/counts/growth", Hide: true, Active: at == "growth"},
		{Title: "首诊病种上转", URL: "/counts/firstvisit", Hide: true, Active: at == "firstvisit"},
		{Title: "基数", URL: "/counts/baselines", Hide: true, Active: at == "baselines"},
	}
	if region(actor) {
		out = append(out, web.Tab{Title: "民营成员份额", URL: "/counts/private", Hide: true, Active: at == "private"})
	}
	return out
}

// region reports whether the actor counts a jurisdiction.
func region(actor access.Actor) bool {
	return access.Allowed(access.Role(actor.Role), access.ReferralCount, access.Region)
}

// tablePage is the page of the table.
type tablePage struct {
	referralcount.Table
	Actor  access.Actor
	Query  referralcount.Query
	Period string
	Follow referral.Rate // of the actor's institution, by planned dates
	Region bool
}

// periods are the spans that a reader asks for, with their titles.
var periods = []web.Option{
	{Value: "month", Text: "本月"}, {Value: "last", Text: "上月"}, {Value: "quarter", Text: "近三个月"}, {Value: "half", Text: "近六个月"},
	{Value: "year", Text: "本年"}, {Value: "custom", Text: "自选日期"},
}

// query reads the filters; without a period it is the last six months.
func (p *Pages) query(q url.Values) (out referralcount.Query, period string, err error) {
	today := calendar.DateOf(p.DB.Now())
	out = referralcount.Query{
		Direction: referral.Direction(q.Get("direction")), By: flow.Side(q.Get("by")), Monthly: q.Get("monthly") != "", Depts: q.Get("depts") != "",
		Scope: referralcount.Scope{Side: flow.Side(q.Get("side")), To: today},
	}
	if out.By != flow.To {
		out.By = flow.From
	}
	if out.Side != flow.From && out.Side != flow.To {
		out.Side = flow.Nobody
	}
	first := func(back int) calendar.Date {
		return calendar.DateOf(today.Time().AddDate(0, -back, 1-today.Time().Day()))
	}
	switch period = q.Get("period"); period {
	case "month":
		out.From = first(0)
	case "last":
		out.From, out.To = first(1), first(0).AddDays(-1)
	case "quarter":
		out.From = first(2)
	case "year":
		out.From = calendar.Date(fmt.Sprintf("%04d-01-01", today.Year()))
	case "custom":
		out.From, out.To, err = span(q)
	default:
		period, out.From = "half", first(5)
	}
	return out, period, err
}

func span(q url.Values) (from, to calendar.Date, err error) {
	var f errs.Form
	for _, x := range []struct {
		name string
		into *calendar.Date
	}{{"from", &from}, {"to", &to}} {
		if q.Get(x.name) == "" {
			continue
		}
		day, err := calendar.ParseDate(q.Get(x.name))
		f.AddErr(x.name, err)
		*x.into = day
	}
	if f.OK() && from != "" && to != "" && to.Before(from) {
		f.Add("to", "结束日期不能早于开始日期")
	}
	return from, to, f.Err()
}

func (p *Pages) table(w http.ResponseWriter, r *http.Request) error {
	t := tablePage{Actor: access.ActorOf(r.Context())}
	t.Region = region(t.Actor)
	var err error
	if t.Query, t.Period, err = p.query(r.URL.Query()); err != nil {
		return err
	}
	if t.Table, err = referralcount.ReadTable(r.Context(), p.DB, t.Actor, t.Query); err != nil {
		return err
	}
	if !t.Region {
		if t.Follow, err = p.Referrals.FollowRate(r.Context(), t.Actor); err != nil {
			return err
		}
	}
	return web.Render(w, r, http.StatusOK, tableView(t))
}

// at is an address with the filters of the table.
func at(path string, q referralcount.Query, period string, pairs ...string) string {
	v := url.Values{"period": {period}, "by": {string(q.By)}}
	set := func(name, value string) {
		if value != "" {
			v.Set(name, value)
		}
	}
	if period == "custom" {
		set("from", string(q.From))
		set("to", string(q.To))
	}
	set("side", string(q.Side))
	set("direction", string(q.Direction))
	if q.Monthly {
		v.Set("monthly", "1")
	}
	if q.Depts {
		v.Set("depts", "1")
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		set(pairs[i], pairs[i+1])
	}
	return path + "?" + v.Encode()
}

// behind is the address of the cases behind a figure.
func (t tablePage) behind(m referralcount.Measure, c referralcount.Cell) string {
	none := ""
	if c.NoDept {
		none = "1"
	}
	return at("/counts/cases", t.Query, t.Period, "measure", string(m), "row_direction", string(c.Direction), "row_month", c.Month,
		"row_org", c.Org, "row_dept", c.Dept, "row_none", none)
}

// holder is the address of the open cases that lie with an institution.
func (t tablePage) holder(org string, m referralcount.Measure) string {
	return at("/counts/cases", t.Query, t.Period, "measure", string(m), "holder", org)
}

// ours and theirs are the open referrals by whose turn it is.
func (t tablePage) turns() (ours, theirs int64) {
	for _, w := range t.Waiting {
		if w.Org == t.Actor.Org {
			ours += w.Open
		} else {
			theirs += w.Open
		}
	}
	return ours, theirs
}

func (t tablePage) heads() []string {
	var out []string
	if t.Query.Monthly {
		out = append(out, "月份")
	}
	out = append(out, "方向")
	if t.Query.By == flow.To {
		out = append(out, "接收机构")
	} else {
		out = append(out, "转出机构")
	}
	if t.Query.Depts {
		out = append(out, "科室")
	}
	return append(out, "提交", "受理", "到诊", "回转", "随访", "曾被退回", "等转出方", "等接收方", "已超时")
}

// casesPage lists what stands behind a figure.
type casesPage struct {
	List   []referralcount.Case
	Total  int64
	Pick   referralcount.Pick
	Query  referralcount.Query
	Period string
	Number int
	values url.Values
}

const pageSize = 50

func (p *Pages) cases(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	c := casesPage{Number: web.PageNumber(r), values: q, Pick: referralcount.Pick{
		Measure: referralcount.Measure(q.Get("measure")), Holder: q.Get("holder"), Refuser: q.Get("refuser"), Reason: q.Get("reason"),
		Cell: referralcount.Cell{Direction: referral.Direction(q.Get("row_direction")), Month: q.Get("row_month"), Org: q.Get("row_org"),
			Dept: q.Get("row_dept"), NoDept: q.Get("row_none") != ""},
		Limit: pageSize,
	}}
	c.Pick.Offset = (c.Number - 1) * pageSize
	var err error
	if c.Query, c.Period, err = p.query(q); err != nil {
		return err
	}
	if c.List, c.Total, err = referralcount.Cases(r.Context(), p.DB, access.ActorOf(r.Context()), c.Query, c.Pick); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, casesView(c))
}

func (c casesPage) pages() web.Pages {
	v := url.Values{}
	for k, x := range c.values {
		if k != "page" {
			v[k] = x
		}
	}
	return web.Pages{Page: c.Number, Size: pageSize, Total: int(c.Total), URL: "/counts/cases?" + v.Encode()}
}

// export answers the workbook. It is written whole before the first byte goes
// out, so that a fault is still answered as one.
func (p *Pages) export(w http.ResponseWriter, r *http.Request) error {
	q, _, err := p.query(r.URL.Query())
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if err := referralcount.Export(r.Context(), p.DB, p.Baselines.Audit, access.ActorOf(r.Context()), q, &body); err != nil {
		return err
	}
	name := fmt.Sprintf("转诊统计_%s_%s.xlsx", q.From, q.To)
	w.Header().Set("Content-Type", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
	w.Header().Set("Content-Disposition", "attachment; filename=\"counts.xlsx\"; filename*=UTF-8''"+url.PathEscape(name))
	w.Header().Set("Cache-Control", "no-store")
	_, err = body.WriteTo(w)
	return err
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func percent(numerator, denominator int64) string {
	v, ok := referralcount.Rate{Numerator: numerator, Denominator: denominator}.Percent()
	if !ok {
		return "无法计算"
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

func unit(denominator int64) string {
	if denominator == 0 {
		return ""
	}
	return "%"
}

func parts(numerator, denominator int64, none string) string {
	if denominator == 0 {
		return "分母为 0：" + none
	}
	return number(numerator) + " ÷ " + number(denominator)
}

// ago is how long something lies, in days or hours.
func ago(since, now time.Time) string {
	if d := now.Sub(since); d >= 48*time.Hour {
		return strconv.Itoa(int(d.Hours()/24)) + " 天"
	} else {
		return strconv.Itoa(int(d.Hours())) + " 小时"
	}
}
