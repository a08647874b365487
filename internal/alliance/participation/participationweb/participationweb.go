// Package participationweb shows who is not in an alliance yet, by name, with
// the share, the target and the day it was due.
package participationweb

import (
	"net/http"
	"slices"
	"strconv"

	"yilian/internal/access"
	"yilian/internal/alliance/participation"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/policy"
	"yilian/internal/region"
	"yilian/internal/web"
)

// Pages shows the participation of a region.
type Pages struct {
	DB   *db.DB
	Book *policy.Book
}

// Routes adds the page and its entry in the menu.
func (p *Pages) Routes(site *web.Site) {
	site.Menu(web.Item{
		Group: "机构与人员", Title: "参加情况", Icon: "checklist", Path: "/alliance/participation", Order: 632,
		Rights: []string{string(access.PolicyFollow)},
	})
	site.Handle("GET /alliance/participation", p.show)
}

type view struct {
	participation.Result
	Place string
	All   bool // those that are in, too
	Tabs  []web.Tab
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	if err := access.Require(actor, access.PolicyFollow, access.Any); err != nil {
		return err
	}
	q := r.URL.Query()
	scope := participation.Scope(q.Get("scope"))
	if scope == "" {
		scope = participation.Primary
	}
	if !slices.Contains(participation.Scopes(), scope) {
		return errs.E(errs.NotFound, "没有这一组机构：%s", q.Get("scope"))
	}
	day := calendar.DateOf(p.DB.Now())
	if s := q.Get("on"); s != "" {
		on, err := calendar.ParseDate(s)
		if err != nil {
			return err
		}
		day = on
	}
	v := view{All: q.Get("all") != ""}
	question := participation.Question{Scope: scope, Region: Region(actor), Day: day}
	v.Place = region.FullName(question.Region)
	err := p.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		v.Result, err = participation.Of(r.Context(), tx, p.Book, question)
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range participation.Scopes() {
		v.Tabs = append(v.Tabs, web.Tab{Title: s.Title(), URL: "/alliance/participation?scope=" + string(s) + "&on=" + string(day), Hide: true, Active: s == scope})
	}
	return web.Render(w, r, http.StatusOK, page(v))
}

// Region is the county, city or province that an actor's post lies in: the
// smallest of its jurisdictions that is no town or village.
func Region(actor access.Actor) string {
	for _, code := range actor.Regions {
		if len(code) <= 6 {
			return code
		}
	}
	return region.CN
}

func (v view) shown() []participation.Row {
	if v.All {
		return v.Rows
	}
	return v.Missing()
}

func percent(f policy.Figure) (value, unit string) {
	if !f.Computable() {
		return "不可计算", ""
	}
	return strconv.FormatFloat(f.Value, 'f', -1, 64), "%"
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

func (v view) target() (value, note string) {
	if !v.Bound {
		return "没有规定", "没有文件给本地区定过这个目标"
	}
	return v.Target.Text(), v.Target.Clause + " " + v.Target.Document
}

func (v view) tone() web.Tone {
	switch v.Verdict {
	case policy.Met:
		return web.Good
	case policy.Missed:
		return web.Bad
	case policy.Open:
		return web.Warn
	}
	return web.Neutral
}

func (v view) verdict() (value, note string) {
	switch {
	case !v.Bound:
		return "—", ""
	case v.Verdict == policy.Missed:
		return "期满未达标", "还差 " + strconv.FormatFloat(v.Gap, 'f', -1, 64) + " 个百分点，期限 " + string(v.Target.By)
	case v.Verdict == policy.Open:
		return "未达标", "还差 " + strconv.FormatFloat(v.Gap, 'f', -1, 64) + " 个百分点"
	case v.Verdict == policy.Met && v.Target.Expired(v.Day):
		return "达标", "期限 " + string(v.Target.By) + " 已过"
	}
	return v.Verdict.Title(), v.Figure.Reason
}
