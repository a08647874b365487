// Package scheduleweb is the face of capacity: the week of a hospital's
// departments with what is taken and free, the weekly sessions and their
// exceptions, the beds of the day, and the appointments that must be moved.
package scheduleweb

import (
	"context"
	"net/http"
	"net/url"
	"slices"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
	"yilian/internal/schedule"
	"yilian/internal/web"
)

type face struct{ svc *schedule.Service }

// Routes adds the pages of capacity and their entry in the menu.
func Routes(site *web.Site, svc *schedule.Service) {
	f := &face{svc}
	site.Menu(web.Item{
		Group: "转诊", Title: "号源与床位", Icon: "calendar-event", Path: "/schedule", Order: 150,
		Rights: []string{string(access.ScheduleEdit), string(access.BedEdit), string(access.ReferralArrive)},
	})
	site.Handle("GET /schedule", f.week)
	site.Handle("GET /schedule/day", f.day)
	site.Handle("GET /schedule/today", f.today)
	site.Handle("GET /schedule/affected", f.affected)
	site.Handle("POST /schedule/appointments/{id}/move", f.move)
	site.Handle("POST /schedule/appointments/{id}/keep", f.keep)
	site.Handle("GET /schedule/beds", f.beds)
	site.Handle("POST /schedule/beds", f.setBeds)
	site.Handle("GET /schedule/plans", f.plans)
	site.Handle("GET /schedule/plans/new", f.newPlan)
	site.Handle("POST /schedule/plans", f.savePlan)
	site.Handle("GET /schedule/plans/{id}", f.editPlan)
	site.Handle("POST /schedule/plans/{id}", f.savePlan)
	site.Handle("GET /schedule/exceptions/new", f.newException)
	site.Handle("POST /schedule/exceptions", f.addException)
	site.Handle("POST /schedule/exceptions/{id}/void", f.voidException)
}

// base is what every page of an institution's capacity knows.
type base struct {
	Org         organization.Organization
	Departments []organization.Department
	Places      map[string]string // department id → name
	Doctors     []practitioner.Practitioner
	Names       map[string]string // practitioner id → name
	Today       calendar.Date
	Own         bool // of the actor's institution: names may be shown
	Edit        bool
	EditBeds    bool
	Affected    int // appointments that wait to be moved
	Hints       schedule.Hints
	actor       access.Actor
}

// load reads what every page needs; an actor who reads no referrals of his own
// institution sees nothing here.
func (f *face) load(ctx context.Context, tx *db.Tx, org string) (b base, err error) {
	b.actor = access.ActorOf(ctx)
	if err := access.Require(b.actor, access.ReferralRead, access.Own); err != nil {
		return b, err
	}
	b.Today = calendar.DateOf(tx.Now)
	b.Own = org == b.actor.Org
	b.Edit = b.Own && access.May(b.actor, access.ScheduleEdit, access.Own)
	b.EditBeds = b.Own && access.May(b.actor, access.BedEdit, access.Own)
	if b.Org, err = organization.Get(ctx, tx, org); err != nil {
		return b, err
	}
	if b.Departments, err = organization.Departments(ctx, tx, org); err != nil {
		return b, err
	}
	b.Places, b.Names = map[string]string{}, map[string]string{}
	for _, d := range b.Departments {
		b.Places[d.ID] = d.Name
	}
	if b.Doctors, err = practitioner.At(ctx, tx, org, "", b.Today); err != nil {
		return b, err
	}
	for _, p := range b.Doctors {
		b.Names[p.ID] = p.Name
	}
	if b.Hints, err = f.svc.Hints(ctx, tx, org); err != nil {
		return b, err
	}
	if b.Own {
		list, err := schedule.AffectedOf(ctx, tx, org)
		b.Affected = len(list)
		return b, err
	}
	return b, nil
}

// view reads a page of the actor's own institution in one snapshot.
func (f *face) view(ctx context.Context, fn func(tx *db.Tx, b base) error) error {
	return f.svc.DB.View(ctx, func(tx *db.Tx) error {
		own := access.ActorOf(ctx).Org
		if own == "" {
			return errs.E(errs.Forbidden, "您当前的岗位不属于医疗机构，不能查看号源与床位")
		}
		b, err := f.load(ctx, tx, own)
		if err != nil {
			return err
		}
		return fn(tx, b)
	})
}

// may reports whether the actor may change the sessions of a department.
func (b base) may(department string) bool {
	return schedule.MayEdit(b.actor, b.Org.ID, department) == nil
}

// mine are the departments whose sessions the actor may change.
func (b base) mine() []organization.Department {
	return slices.DeleteFunc(slices.Clone(b.Departments), func(d organization.Department) bool { return !b.may(d.ID) })
}

func (b base) tabs(at string) []web.Tab {
	tab := func(title, path string) web.Tab {
		return web.Tab{Title: title, URL: path, Hide: true, Active: at == path}
	}
	tabs := []web.Tab{tab("号源", "/schedule"), tab("床位", "/schedule/beds"), tab("今日预约", "/schedule/today"), tab("出诊安排", "/schedule/plans")}
	moved := web.Tab{Title: "待改约", URL: "/schedule/affected", Count: b.Affected, Active: at == "/schedule/affected"}
	if b.Affected > 0 {
		moved.Tone = web.Bad
	}
	return append(tabs, moved)
}

// dayOf reads the day of a query; today when there is none.
func dayOf(text string, today calendar.Date) (calendar.Date, error) {
	if text == "" {
		return today, nil
	}
	return calendar.ParseDate(text)
}

func mondayOf(d calendar.Date) calendar.Date { return d.AddDays(-(int(d.Weekday()) + 6) % 7) }

type weekPage struct {
	base
	Orgs   []organization.Organization
	Kind   schedule.Kind
	Monday calendar.Date
	Rows   []weekRow
	Total  schedule.Load // of today
}

type weekRow struct {
	Department organization.Department
	Days       [7]*schedule.Load // nil: no session
}

func (f *face) week(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	p := weekPage{Kind: schedule.Kind(q.Get("kind"))}
	if p.Kind != schedule.Exam {
		p.Kind = schedule.Clinic
	}
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p.Orgs, err = caring(ctx, tx); err != nil {
			return err
		}
		org := chosen(p.Orgs, q.Get("org"), access.ActorOf(ctx).Org)
		if org == "" {
			return nil
		}
		if p.base, err = f.load(ctx, tx, org); err != nil {
			return err
		}
		day, err := dayOf(q.Get("week"), p.Today)
		if err != nil {
			return err
		}
		p.Monday = mondayOf(day)
		return p.fill(ctx, tx, f.svc)
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, weekView(p))
}

// caring returns the institutions that see patients by appointment.
func caring(ctx context.Context, tx *db.Tx) ([]organization.Organization, error) {
	all, err := organization.List(ctx, tx, organization.Filter{})
	return slices.DeleteFunc(all, func(o organization.Organization) bool {
		return !o.Kind.Hospital() && o.Kind != organization.TownshipCenter && o.Kind != organization.CommunityCenter
	}), err
}

// chosen is the institution asked for, else the own one, else the first.
func chosen(orgs []organization.Organization, asked, own string) string {
	for _, id := range []string{asked, own} {
		if slices.ContainsFunc(orgs, func(o organization.Organization) bool { return o.ID == id }) {
			return id
		}
	}
	if len(orgs) == 0 {
		return ""
	}
	return orgs[0].ID
}

// fill lays the loads out: a row for each department, a day under each head.
func (p *weekPage) fill(ctx context.Context, tx *db.Tx, svc *schedule.Service) error {
	loads, err := svc.Loads(ctx, tx, p.Org.ID, p.Kind, p.Monday, p.Monday.AddDays(6))
	if err != nil {
		return err
	}
	for _, d := range p.Departments {
		row := weekRow{Department: d}
		some := false
		for i := range loads {
			if l := &loads[i]; l.Department == d.ID {
				row.Days[p.Monday.DaysUntil(l.Day)], some = l, true
			}
		}
		if some {
			p.Rows = append(p.Rows, row)
		}
	}
	now, err := svc.Loads(ctx, tx, p.Org.ID, p.Kind, p.Today, p.Today)
	for _, l := range now {
		p.Total.Capacity += l.Capacity
		p.Total.Taken += l.Taken
		p.Total.Free += l.Free
		p.Total.Held += l.Held
	}
	return err
}

// address is the page of another week or kind.
func (p weekPage) address(week calendar.Date, kind schedule.Kind) string {
	return "/schedule?" + url.Values{"org": {p.Org.ID}, "week": {string(week)}, "kind": {string(kind)}}.Encode()
}

type dayPage struct {
	base
	Department   organization.Department
	Day          calendar.Date
	Kind         schedule.Kind
	Load         schedule.Load
	Slots        []schedule.Slot
	Appointments map[string][]schedule.Appointment // by slot
}

// day shows the slots of a department on one day; who has them only to the
// institution itself.
func (f *face) day(w http.ResponseWriter, r *http.Request) error {
	ctx, q := r.Context(), r.URL.Query()
	p := dayPage{Kind: schedule.Kind(q.Get("kind")), Appointments: map[string][]schedule.Appointment{}}
	err := f.svc.DB.View(ctx, func(tx *db.Tx) (err error) {
		if p.Department, err = organization.GetDepartment(ctx, tx, q.Get("department")); err != nil {
			return err
		}
		if p.base, err = f.load(ctx, tx, p.Department.Org); err != nil {
			return err
		}
		if p.Day, err = dayOf(q.Get("day"), p.Today); err != nil {
			return err
		}
		if p.Slots, err = schedule.SlotsOn(ctx, tx, p.Department.ID, p.Day); err != nil {
			return err
		}
		if p.Load, err = f.svc.DayLoad(ctx, tx, p.Department.ID, p.Kind, p.Day); err != nil || !p.Own {
			return err
		}
		list, err := schedule.Appointments(ctx, tx, p.Org.ID, p.Day)
		for _, a := range list {
			p.Appointments[a.Slot.ID] = append(p.Appointments[a.Slot.ID], a)
		}
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, dayView(p))
}
