// Package practitionerweb is the face of the people register: the duty roster
// of an institution week by week, who answers now, the gaps, and the staff
// with their postings.
package practitionerweb

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
	"yilian/internal/web"
)

type face struct{ svc *practitioner.Service }

// Routes adds the roster and the staff pages and their entries in the menu.
func Routes(site *web.Site, svc *practitioner.Service) {
	f := &face{svc}
	site.Menu(
		web.Item{Group: "机构与人员", Title: "值班表", Icon: "calendar-time", Path: "/roster", Order: 610,
			Rights: []string{string(access.RosterEdit), string(access.ReferralRead)}},
		web.Item{Group: "机构与人员", Title: "人员", Icon: "users", Path: "/practitioners", Order: 620,
			Rights: []string{string(access.OrganizationEdit), string(access.RosterEdit)}},
	)
	site.Handle("GET /roster", f.roster)
	site.Handle("POST /roster/shifts", f.addShift)
	site.Handle("GET /roster/shifts/{id}", f.shift)
	site.Handle("POST /roster/shifts/{id}/replace", f.replace)
	site.Handle("POST /roster/shifts/{id}/void", f.void)
	site.Handle("POST /roster/copy", f.copyWeek)
	site.Handle("POST /roster/end-duty", f.endDuty)
	f.staffRoutes(site)
}

// mayRoster reports whether the actor makes the roster of an institution.
func mayRoster(a access.Actor, org string) bool {
	return access.May(a, access.RosterEdit, access.At(a, org))
}

// turn is what was typed into the form of a new shift.
type turn struct {
	Department, Duty, Practitioner, On, Start, End string
}

type rosterPage struct {
	Orgs        []organization.Organization
	Org         organization.Organization
	Departments []organization.Department
	Department  string // filter
	Monday      calendar.Date
	Today       calendar.Date
	Rows        []rosterRow
	Now         []practitioner.OnDuty
	Gaps        []practitioner.Gap
	Staff       []practitioner.Practitioner
	Names       map[string]string // practitioner id → name
	Places      map[string]string // department id → name
	Edit        bool
	Turn        turn
	Err         error
}

type rosterRow struct {
	Department string
	Duty       practitioner.Duty
	Days       [7][]practitioner.Shift
}

func mondayOf(d calendar.Date) calendar.Date {
	return d.AddDays(-(int(d.Weekday()) + 6) % 7)
}

func (f *face) roster(w http.ResponseWriter, r *http.Request) error {
	return f.render(w, r, r.URL.Query(), turn{}, nil)
}

// render shows the roster that q names; failed is what was wrong with a turn.
func (f *face) render(w http.ResponseWriter, r *http.Request, q url.Values, typed turn, failed error) error {
	ctx, a := r.Context(), access.ActorOf(r.Context())
	p := rosterPage{Department: q.Get("department"), Turn: typed, Err: failed}
	org := q.Get("org")
	if org == "" {
		org = a.Org
	}
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		p.Today = calendar.DateOf(tx.Now)
		if p.Monday, err = weekOf(q.Get("week"), p.Today); err != nil {
			return err
		}
		if p.Orgs, err = caring(ctx, tx); err != nil {
			return err
		}
		if !slices.ContainsFunc(p.Orgs, func(o organization.Organization) bool { return o.ID == org }) && len(p.Orgs) > 0 {
			org = p.Orgs[0].ID // bureaus keep no roster: show the first hospital
		}
		if org == "" {
			return nil
		}
		return p.load(ctx, tx, org)
	})
	if err != nil {
		return err
	}
	p.Edit = mayRoster(a, org)
	return web.Render(w, r, web.Status(failed), rosterView(p))
}

func weekOf(text string, today calendar.Date) (calendar.Date, error) {
	if text == "" {
		return mondayOf(today), nil
	}
	day, err := calendar.ParseDate(text)
	return mondayOf(day), err
}

// caring lists the institutions that have patients.
func caring(ctx context.Context, tx *db.Tx) ([]organization.Organization, error) {
	all, err := organization.List(ctx, tx, organization.Filter{})
	return slices.DeleteFunc(all, func(o organization.Organization) bool {
		return !o.Kind.Hospital() && !o.Kind.Primary()
	}), err
}

func (p *rosterPage) load(ctx context.Context, tx *db.Tx, org string) (err error) {
	if p.Org, err = organization.Get(ctx, tx, org); err != nil {
		return err
	}
	if p.Departments, err = organization.Departments(ctx, tx, org); err != nil {
		return err
	}
	p.Places = map[string]string{"": "全院"}
	for _, d := range p.Departments {
		p.Places[d.ID] = d.Name
	}
	if p.Staff, err = practitioner.At(ctx, tx, org, "", ""); err != nil {
		return err
	}
	p.Names = map[string]string{}
	for _, s := range p.Staff {
		p.Names[s.ID] = s.Name
	}
	if p.Now, err = practitioner.Now(ctx, tx, org, tx.Now); err != nil {
		return err
	}
	if p.Gaps, err = practitioner.Gaps(ctx, tx, org, tx.Now, tx.Now.AddDate(0, 0, 7)); err != nil {
		return err
	}
	shifts, err := practitioner.Shifts(ctx, tx, org, p.Department, p.Monday.Time(), p.Monday.AddDays(7).Time())
	if err != nil {
		return err
	}
	for _, s := range shifts { // names of those who have left since
		if p.Names[s.Practitioner] == "" {
			who, err := practitioner.Get(ctx, tx, s.Practitioner)
			if err != nil {
				return err
			}
			p.Names[s.Practitioner] = who.Name
		}
	}
	p.Rows = week(shifts, p.Monday, p.Places)
	return nil
}

// week lays the turns out: a row for each department and duty, a turn under
// the day it begins (or under Monday when it began before).
func week(shifts []practitioner.Shift, monday calendar.Date, places map[string]string) []rosterRow {
	var rows []rosterRow
	for _, s := range shifts {
		i := slices.IndexFunc(rows, func(r rosterRow) bool { return r.Department == s.Department && r.Duty == s.Duty })
		if i < 0 {
			i = len(rows)
			rows = append(rows, rosterRow{Department: s.Department, Duty: s.Duty})
		}
		day := max(0, monday.DaysUntil(calendar.DateOf(s.From)))
		rows[i].Days[day] = append(rows[i].Days[day], s)
	}
	slices.SortStableFunc(rows, func(a, b rosterRow) int {
		if a.Department != b.Department {
			return strings.Compare(places[a.Department], places[b.Department])
		}
		return slices.Index(practitioner.Duties(), a.Duty) - slices.Index(practitioner.Duties(), b.Duty)
	})
	return rows
}

// period turns the day and the two clock times of the form into instants; an
// end that is not after the start is on the next day.
func (t turn) period() (from, to time.Time, err error) {
	var form errs.Form
	day, err := calendar.ParseDate(t.On)
	form.AddErr("on", err)
	clock := func(name, label, text string) time.Duration {
		at, err := time.Parse("15:04", text)
		if err != nil {
			form.Add(name, "请填写%s，如 08:00", label)
		}
		return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	}
	start, end := clock("start", "开始时间", t.Start), clock("end", "结束时间", t.End)
	if err := form.Err(); err != nil {
		return from, to, err
	}
	if end <= start {
		end += 24 * time.Hour
	}
	return day.Time().Add(start), day.Time().Add(end), nil
}

func (f *face) addShift(w http.ResponseWriter, r *http.Request) error {
	t := turn{
		Department: r.FormValue("department"), Duty: r.FormValue("duty"), Practitioner: r.FormValue("practitioner"),
		On: r.FormValue("on"), Start: r.FormValue("start"), End: r.FormValue("end"),
	}
	back := url.Values{"org": {r.FormValue("org")}, "week": {r.FormValue("week")}}
	from, to, err := t.period()
	if err == nil {
		_, err = f.svc.AddShift(r.Context(), access.ActorOf(r.Context()), practitioner.Shift{
			Org: r.FormValue("org"), Department: t.Department, Duty: practitioner.Duty(t.Duty), Practitioner: t.Practitioner, From: from, To: to,
		})
	}
	if errs.Is(err, errs.Invalid) {
		return f.render(w, r, back, t, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已排班")
	back.Set("week", t.On)
	return web.Redirect(w, r, "/roster?"+back.Encode())
}

type shiftPage struct {
	Shift  practitioner.Shift
	Person practitioner.Practitioner
	Org    organization.Organization
	Place  string
	Staff  []practitioner.Practitioner
	Edit   bool
	Chosen string
	Reason string
	Err    error
}

func (f *face) shift(w http.ResponseWriter, r *http.Request) error {
	return f.renderShift(w, r, "", "", nil)
}

func (f *face) renderShift(w http.ResponseWriter, r *http.Request, chosen, reason string, failed error) error {
	ctx := r.Context()
	p := shiftPage{Place: "全院", Chosen: chosen, Reason: reason, Err: failed}
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p.Shift, err = practitioner.GetShift(ctx, tx, r.PathValue("id")); err != nil {
			return err
		}
		if p.Person, err = practitioner.Get(ctx, tx, p.Shift.Practitioner); err != nil {
			return err
		}
		if p.Org, err = organization.Get(ctx, tx, p.Shift.Org); err != nil {
			return err
		}
		if p.Shift.Department != "" {
			d, err := organization.GetDepartment(ctx, tx, p.Shift.Department)
			if err != nil {
				return err
			}
			p.Place = d.Name
		}
		p.Edit = mayRoster(access.ActorOf(ctx), p.Shift.Org) && p.Shift.To.After(tx.Now)
		p.Staff, err = practitioner.At(ctx, tx, p.Shift.Org, "", "")
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(failed), shiftView(p))
}

func (f *face) replace(w http.ResponseWriter, r *http.Request) error {
	next, err := f.svc.ReplaceShift(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), r.FormValue("practitioner"), r.FormValue("reason"))
	if errs.Is(err, errs.Invalid) {
		return f.renderShift(w, r, r.FormValue("practitioner"), r.FormValue("reason"), err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已换班")
	return web.Redirect(w, r, rosterURL(next.Org, calendar.DateOf(next.From)))
}

func (f *face) void(w http.ResponseWriter, r *http.Request) error {
	s, err := db.Read(r.Context(), f.svc.DB, practitioner.GetShift, r.PathValue("id"))
	if err != nil {
		return err
	}
	err = f.svc.VoidShift(r.Context(), access.ActorOf(r.Context()), s.ID, r.FormValue("comment"))
	if errs.Is(err, errs.Invalid) {
		return f.renderShift(w, r, "", r.FormValue("comment"), err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已撤班，请留意是否出现空岗")
	return web.Redirect(w, r, rosterURL(s.Org, calendar.DateOf(s.From)))
}

func rosterURL(org string, day calendar.Date) string {
	return "/roster?" + url.Values{"org": {org}, "week": {string(day)}}.Encode()
}

func (f *face) copyWeek(w http.ResponseWriter, r *http.Request) error {
	monday, err := calendar.ParseDate(r.FormValue("week"))
	if err != nil {
		return err
	}
	monday = mondayOf(monday)
	made, left, err := f.svc.CopyWeek(r.Context(), access.ActorOf(r.Context()), r.FormValue("org"), monday)
	if err != nil {
		return err
	}
	text := "已照上周排好 " + strconv.Itoa(made) + " 个班"
	if left > 0 {
		text += "；另有 " + strconv.Itoa(left) + " 个班因人员冲突、离任或已排过没有照搬"
	}
	web.Flash(w, r, web.Good, text)
	return web.Redirect(w, r, rosterURL(r.FormValue("org"), monday))
}

func (f *face) endDuty(w http.ResponseWriter, r *http.Request) error {
	org := r.FormValue("org")
	err := f.svc.EndDuty(r.Context(), access.ActorOf(r.Context()), org, r.FormValue("department"), practitioner.Duty(r.FormValue("duty")))
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "该岗位不再提示空岗；以后重新排班即恢复提示")
	return web.Redirect(w, r, rosterURL(org, ""))
}
