// Package gridweb is the face of the grid: how a unit is laid out, on a map and
// as a table; drafts that are changed by dragging; proposals side by side; the
// layout on paper.
package gridweb

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/grid"
	"yilian/internal/grid/partition"
	"yilian/internal/grid/report"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
	"yilian/internal/web"
)

type face struct {
	svc     *grid.Service
	reports *report.Service
}

// ReportPath is where the report of a layout is opened by the number of its
// case: it leads on to the layout.
const ReportPath = "/grid-reports"

// Routes adds the pages of the grid and their entry in the menu.
func Routes(site *web.Site, svc *grid.Service, reports *report.Service) {
	f := &face{svc, reports}
	site.Menu(web.Item{
		Group: "机构与人员", Title: "网格布局", Icon: "map", Path: "/grid", Order: 640,
		Rights: []string{string(access.GridRead)},
	})
	site.Handle("GET /grid", f.units)
	site.Handle("GET /grid/{unit}", f.unit)
	site.Handle("GET /grid/{unit}/print", f.print)
	site.Handle("POST /grid/{unit}/layouts", f.begin)
	site.Handle("GET /grid/{unit}/ground", f.ground)
	site.Handle("POST /grid/{unit}/people", f.people)
	site.Handle("POST /grid/{unit}/places", f.places)
	site.Handle("POST /grid/{unit}/shapes", f.shapes)
	site.Handle("GET /grid/{unit}/propose", f.propose)
	site.Handle("POST /grid/{unit}/propose", f.keep)
	site.Handle("GET /grid/{unit}/layouts/{id}", f.layout)
	site.Handle("GET /grid/{unit}/layouts/{id}/try", f.try)
	site.Handle("POST /grid/{unit}/layouts/{id}/assign", f.assign)
	site.Handle("POST /grid/{unit}/layouts/{id}/cells", f.addCell)
	site.Handle("POST /grid/{unit}/layouts/{id}/cells/{cell}", f.setCell)
	site.Handle("POST /grid/{unit}/layouts/{id}/cells/{cell}/drop", f.dropCell)
	site.Handle("POST /grid/{unit}/layouts/{id}/adopt", f.adopt)
	site.Handle("POST /grid/{unit}/layouts/{id}/drop", f.drop)
	site.Handle("GET "+ReportPath+"/{case}", f.report)
	site.Handle("POST "+ReportPath+"/{case}/{action}", f.act)
}

// unitRow is one planning unit in the list.
type unitRow struct {
	Unit   region.Region
	Name   string // of the layout in force
	From   calendar.Date
	Ok     bool
	Cover  grid.Coverage
	Drafts int
}

type unitsPage struct {
	Rows  []unitRow
	Title string
	On    string
}

// units lists the planning units of the actor's jurisdiction; who has but one
// goes there at once.
func (f *face) units(w http.ResponseWriter, r *http.Request) error {
	ctx, actor := r.Context(), access.ActorOf(r.Context())
	if err := access.Require(actor, access.GridRead, access.Region); err != nil {
		return err
	}
	var p unitsPage
	err := f.svc.DB.View(ctx, func(tx *db.Tx) error {
		list, err := scope(ctx, tx, actor)
		if err != nil {
			return err
		}
		for _, u := range list {
			row, err := f.row(ctx, tx, u)
			if err != nil {
				return err
			}
			p.Rows = append(p.Rows, row)
		}
		p.On = string(calendar.DateOf(tx.Now))
		return nil
	})
	if err != nil {
		return err
	}
	if len(p.Rows) == 1 {
		return web.Redirect(w, r, "/grid/"+p.Rows[0].Unit.Code)
	}
	return web.Render(w, r, http.StatusOK, unitsView(p))
}

// scope are the counties of the actor's jurisdiction.
func scope(ctx context.Context, tx *db.Tx, actor access.Actor) ([]region.Region, error) {
	if len(actor.Regions) == 0 {
		return nil, errs.E(errs.Forbidden, "您当前的岗位没有管辖区域，不能查看网格布局")
	}
	own, err := region.Get(ctx, tx, actor.Regions[0])
	if err != nil {
		return nil, err
	}
	if own.Level == region.Town || own.Level == region.Village { // a hospital stands in a street: its county
		line, err := region.Line(ctx, tx, own.Code)
		if err != nil {
			return nil, err
		}
		for _, r := range line {
			if r.Level == region.County {
				return []region.Region{r}, nil
			}
		}
	}
	return region.AtLevel(ctx, tx, region.County, own.Code)
}

func (f *face) row(ctx context.Context, tx *db.Tx, u region.Region) (unitRow, error) {
	row := unitRow{Unit: u}
	layouts, err := grid.Layouts(ctx, tx, u.Code)
	if err != nil || len(layouts) == 0 {
		return row, err
	}
	for _, l := range layouts {
		if l.State == grid.Draft {
			row.Drafts++
		}
	}
	day := calendar.DateOf(tx.Now)
	l, err := grid.On(ctx, tx, u.Code, day, tx.Now)
	if errs.Is(err, errs.NotFound) {
		return row, nil
	}
	if err != nil {
		return row, err
	}
	unit, err := grid.Open(ctx, tx, u.Code)
	if err != nil {
		return row, err
	}
	row.Name, row.Ok = l.Name, true
	if row.From, err = since(ctx, tx, u.Code, l.ID, tx.Now); err != nil {
		return row, err
	}
	row.Cover, err = f.svc.Check(ctx, tx, unit, l, day, tx.Now)
	return row, err
}

// since is the day from which a layout is in force, as known at an instant.
func since(ctx context.Context, tx *db.Tx, unit, layout string, knownAt time.Time) (calendar.Date, error) {
	all, err := grid.Forces(ctx, tx, unit)
	for _, x := range all {
		if x.Layout == layout && x.Known(knownAt) {
			return x.ValidFrom, err
		}
	}
	return "", err
}

// unitPage is a unit with the layout of a day.
type unitPage struct {
	Unit    grid.Unit
	Line    string // the regions above
	On      string
	Known   string
	Layout  grid.Layout
	Has     bool
	From    calendar.Date
	Cover   grid.Coverage
	Staff   []grid.Staffing
	Layouts []grid.Layout
	Edit    bool
	Name    string // typed
	Err     error
}

func (f *face) unit(w http.ResponseWriter, r *http.Request) error {
	return f.renderUnit(w, r, unitPage{On: r.URL.Query().Get("on"), Known: r.URL.Query().Get("known")})
}

func (f *face) renderUnit(w http.ResponseWriter, r *http.Request, p unitPage) error {
	if err := f.loadUnit(r, &p); err != nil {
		return err
	}
	return web.Render(w, r, web.Status(p.Err), unitView(p))
}

func (f *face) loadUnit(r *http.Request, p *unitPage) error {
	ctx, actor, code := r.Context(), access.ActorOf(r.Context()), r.PathValue("unit")
	return f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if err := mayRead(ctx, tx, actor, code); err != nil {
			return err
		}
		day, at, err := calendar.AsKnown(p.On, p.Known, tx.Now)
		if err != nil {
			return err
		}
		p.On = string(day)
		if p.Unit, err = grid.Open(ctx, tx, code); err != nil {
			return err
		}
		if p.Line, err = lineOf(ctx, tx, code); err != nil {
			return err
		}
		if p.Layouts, err = grid.Layouts(ctx, tx, code); err != nil {
			return err
		}
		p.Edit = grid.MayEdit(ctx, tx, actor, code)
		p.Layout, err = grid.On(ctx, tx, code, day, at)
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		p.Has = true
		if p.From, err = since(ctx, tx, code, p.Layout.ID, at); err != nil {
			return err
		}
		if p.Cover, err = f.svc.Check(ctx, tx, p.Unit, p.Layout, day, at); err != nil {
			return err
		}
		p.Staff, err = grid.Staff(ctx, tx, p.Unit, p.Layout, day, at)
		return err
	})
}

// mayRead lets those see a unit in whose jurisdiction it lies, and those whose
// institution stands in it.
func mayRead(ctx context.Context, tx *db.Tx, actor access.Actor, unit string) error {
	if err := access.Require(actor, access.GridRead, access.Region); err != nil {
		return err
	}
	chain, err := region.Chain(ctx, tx, unit)
	if err != nil {
		return err
	}
	if len(actor.Regions) > 0 && (slices.Contains(chain, actor.Regions[0]) || slices.Contains(actor.Regions, unit)) {
		return nil
	}
	return errs.E(errs.Forbidden, "这个规划单元不在您的辖区内")
}

func lineOf(ctx context.Context, tx *db.Tx, code string) (string, error) {
	line, err := region.Line(ctx, tx, code)
	text := ""
	for _, r := range line {
		if r.Level == region.Province || r.Level == region.City {
			text = r.Name + text
		}
	}
	return text, err
}

func (f *face) print(w http.ResponseWriter, r *http.Request) error {
	p := unitPage{On: r.URL.Query().Get("on"), Known: r.URL.Query().Get("known")}
	if err := f.loadUnit(r, &p); err != nil {
		return err
	}
	if !p.Has {
		return errs.E(errs.NotFound, "%s 没有生效的网格布局，没有可以打印的内容", p.On)
	}
	return web.Render(w, r, http.StatusOK, paper(p, access.ActorOf(r.Context()), f.svc.DB.Now()))
}

func (f *face) begin(w http.ResponseWriter, r *http.Request) error {
	unit, name := r.PathValue("unit"), web.Typed(r, "name")
	l, err := f.svc.Begin(r.Context(), access.ActorOf(r.Context()), unit, name, r.FormValue("copy"))
	if errs.Is(err, errs.Invalid) {
		return f.renderUnit(w, r, unitPage{Name: name, Err: err})
	}
	if err != nil {
		return err
	}
	return web.Redirect(w, r, at(l))
}

// layoutPage is one layout with what can be done to it.
type layoutPage struct {
	Unit   grid.Unit
	Layout grid.Layout
	Cover  grid.Coverage
	Staff  []grid.Staffing
	Cost   partition.Cost
	Costed bool
	Leads  []organization.Organization // hospitals that may answer for a cell
	Edit   bool
	Report report.Report
	Sent   bool // there is a report
	Acts   []flow.Action
	Codes  []policy.Code // reasons to return it
	Today  string
	Reason string
	Cell   grid.Cell // typed
	Err    error
}

func (f *face) layout(w http.ResponseWriter, r *http.Request) error {
	return f.renderLayout(w, r, layoutPage{})
}

func (f *face) renderLayout(w http.ResponseWriter, r *http.Request, p layoutPage) error {
	ctx, actor := r.Context(), access.ActorOf(r.Context())
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p.Layout, err = grid.Get(ctx, tx, r.PathValue("id")); err != nil {
			return err
		}
		if err := here(r, p.Layout); err != nil {
			return err
		}
		if err := mayRead(ctx, tx, actor, p.Layout.Unit); err != nil {
			return err
		}
		if p.Unit, err = grid.Open(ctx, tx, p.Layout.Unit); err != nil {
			return err
		}
		day := calendar.DateOf(tx.Now)
		if p.Today == "" {
			p.Today = string(day)
		}
		if p.Cover, err = f.svc.Check(ctx, tx, p.Unit, p.Layout, day, tx.Now); err != nil {
			return err
		}
		if p.Staff, err = grid.Staff(ctx, tx, p.Unit, p.Layout, day, tx.Now); err != nil {
			return err
		}
		if p.Cost, p.Costed, err = f.svc.Standing(ctx, tx, p.Unit, p.Layout); err != nil {
			return err
		}
		p.Edit = p.Layout.State == grid.Draft && grid.MayEdit(ctx, tx, actor, p.Layout.Unit)
		if p.Leads, err = hospitals(ctx, tx, p.Unit); err != nil {
			return err
		}
		return f.loadReport(ctx, tx, actor, &p)
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(p.Err), layoutView(p))
}

// at is the address of a layout.
func at(l grid.Layout) string { return "/grid/" + l.Unit + "/layouts/" + l.ID }

// here refuses a layout under the address of another unit.
func here(r *http.Request, l grid.Layout) error {
	if l.Unit != r.PathValue("unit") {
		return errs.E(errs.NotFound, "这个规划单元没有这份网格布局")
	}
	return nil
}

// hospitals are those of the unit and of the city it lies in.
func hospitals(ctx context.Context, tx *db.Tx, u grid.Unit) ([]organization.Organization, error) {
	all, err := organization.List(ctx, tx, organization.Filter{Region: u.Parent})
	if err != nil || len(all) == 0 {
		all, err = organization.List(ctx, tx, organization.Filter{Region: u.Code})
	}
	return slices.DeleteFunc(all, func(o organization.Organization) bool { return !o.Kind.Hospital() }), err
}

// done answers an edit of a draft: back to the draft, or its page with what is
// wrong.
func (f *face) done(w http.ResponseWriter, r *http.Request, err error, typed layoutPage, said string) error {
	if errs.Is(err, errs.Invalid) || errs.Is(err, errs.Conflict) {
		typed.Err = err
		return f.renderLayout(w, r, typed)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, said)
	return web.Redirect(w, r, "/grid/"+r.PathValue("unit")+"/layouts/"+r.PathValue("id"))
}

func (f *face) assign(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	_, err := f.svc.Assign(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Version(r), r.Form["code"], r.FormValue("cell"))
	return f.done(w, r, err, layoutPage{}, "已调整")
}

func (f *face) addCell(w http.ResponseWriter, r *http.Request) error {
	c := grid.Cell{Name: web.Typed(r, "name"), Lead: r.FormValue("lead")}
	_, err := f.svc.AddCell(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Version(r), c.Name, c.Lead)
	return f.done(w, r, err, layoutPage{Cell: c}, "已增加网格")
}

func (f *face) setCell(w http.ResponseWriter, r *http.Request) error {
	c := grid.Cell{ID: r.PathValue("cell"), Name: web.Typed(r, "name"), Lead: r.FormValue("lead")}
	_, err := f.svc.SetCell(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Version(r), c)
	return f.done(w, r, err, layoutPage{}, "已修改网格")
}

func (f *face) dropCell(w http.ResponseWriter, r *http.Request) error {
	_, err := f.svc.DropCell(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Version(r), r.PathValue("cell"))
	return f.done(w, r, err, layoutPage{}, "已删除网格，其中的乡镇（街道）待重新划入")
}

func (f *face) adopt(w http.ResponseWriter, r *http.Request) error {
	from, reason := web.Typed(r, "from"), web.Typed(r, "reason")
	err := f.svc.Adopt(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Version(r), calendar.Date(from), reason)
	return f.done(w, r, err, layoutPage{Today: from, Reason: reason}, "布局已启用，自 "+from+" 起生效")
}

func (f *face) drop(w http.ResponseWriter, r *http.Request) error {
	err := f.svc.Drop(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Version(r))
	return f.done(w, r, err, layoutPage{}, "草案已废弃")
}

// tryPage is what moving a town would do.
type tryPage struct {
	grid.WhatIf
	Layout grid.Layout
	Plain  string // why nothing can be counted; the move itself is possible
}

func (f *face) try(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	var p tryPage
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p.Layout, err = grid.Get(ctx, tx, r.PathValue("id")); err != nil {
			return err
		}
		if err := mayRead(ctx, tx, access.ActorOf(ctx), p.Layout.Unit); err != nil {
			return err
		}
		p.WhatIf, err = f.svc.Try(ctx, tx, p.Layout, r.URL.Query().Get("code"), r.URL.Query().Get("cell"))
		if errs.Is(err, errs.Invalid) && p.Town.Code != "" && p.To.ID != "" {
			p.Plain, err = err.Error(), nil
		}
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, tryView(p))
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
