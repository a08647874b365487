package scheduleweb

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/schedule"
	"yilian/internal/web"
)

type plansPage struct {
	base
	Department string // filter
	Plans      []schedule.Schedule
	Exceptions []schedule.Exception
	Titles     map[string]string // schedule id → department and session
	Of         map[string]string // schedule id → department id
}

func (f *face) plans(w http.ResponseWriter, r *http.Request) error {
	p := plansPage{Department: r.URL.Query().Get("department"), Titles: map[string]string{}, Of: map[string]string{}}
	err := f.view(r.Context(), func(tx *db.Tx, b base) (err error) {
		p.base = b
		all, err := schedule.Schedules(r.Context(), tx, b.Org.ID, "")
		if err != nil {
			return err
		}
		for _, c := range all {
			p.Titles[c.ID] = b.Places[c.Department] + " " + c.Title()
			p.Of[c.ID] = c.Department
			if p.Department == "" || c.Department == p.Department {
				p.Plans = append(p.Plans, c)
			}
		}
		p.Exceptions, err = schedule.Exceptions(r.Context(), tx, b.Org.ID, b.Today)
		p.Exceptions = slices.DeleteFunc(p.Exceptions, func(e schedule.Exception) bool { return p.Department != "" && p.Of[e.Schedule] != p.Department })
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, plansView(p))
}

type planForm struct {
	base
	ID       string
	V        url.Values // as typed
	Services []organization.HealthcareService
	Suggest  string
	Err      error
}

// values are the fields of the form of a known schedule.
func values(c schedule.Schedule) url.Values {
	v := url.Values{
		"department": {c.Department}, "kind": {string(c.Kind)}, "name": {c.Name}, "service": {c.Service}, "practitioner": {c.Practitioner},
		"room": {c.Room}, "location": {c.Location}, "from": {string(c.From)}, "to": {string(c.To)}, "minutes": {strconv.Itoa(c.Minutes)},
		"capacity": {strconv.Itoa(c.Capacity)}, "alliance": {strconv.Itoa(c.Alliance)}, "contract": {strconv.Itoa(c.Contract)},
		"valid_from": {string(c.ValidFrom)}, "valid_to": {string(c.ValidTo)}, "version": {strconv.FormatInt(c.Version, 10)}, "status": {"closed"},
	}
	for _, d := range c.Weekdays {
		v.Add("weekdays", strconv.Itoa(int(d)))
	}
	if c.Holidays {
		v.Set("holidays", "1")
	}
	if c.Active {
		v.Set("status", "open")
	}
	return v
}

func (f *face) planForm(w http.ResponseWriter, r *http.Request, id string, v url.Values, failed error) error {
	p := planForm{ID: id, V: v, Err: failed}
	err := f.view(r.Context(), func(tx *db.Tx, b base) error {
		p.base = b
		if err := access.Require(b.actor, access.ScheduleEdit, access.Own); err != nil {
			return err
		}
		h := b.Hints
		p.Suggest = "建议约 " + strconv.Itoa(h.Alliance) + "% 留给转诊、" + strconv.Itoa(h.Contract) + "% 留给签约居民；就诊前 " + h.Release + "未用掉的自动公开"
		all, err := organization.Services(r.Context(), tx, b.Org.ID)
		p.Services = slices.DeleteFunc(all, func(h organization.HealthcareService) bool { return !h.Active || h.Kind != organization.Exam })
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, status(failed), planView(p))
}

func (f *face) newPlan(w http.ResponseWriter, r *http.Request) error {
	v := values(schedule.Schedule{
		Department: r.URL.Query().Get("department"), Kind: schedule.Clinic, Weekdays: schedule.Week()[:5], From: "08:30", To: "11:30", Minutes: 20,
		Capacity: 1, ValidFrom: calendar.DateOf(f.svc.DB.Now()), Active: true,
	})
	return f.planForm(w, r, "", v, nil)
}

func (f *face) editPlan(w http.ResponseWriter, r *http.Request) error {
	c, err := db.Read(r.Context(), f.svc.DB, schedule.Get, r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := schedule.MayEdit(access.ActorOf(r.Context()), c.Org, c.Department); err != nil {
		return err
	}
	return f.planForm(w, r, c.ID, values(c), nil)
}

// parsePlan reads the form; what cannot be read is named in form.
func parsePlan(r *http.Request, form *errs.Form) schedule.Schedule {
	c := schedule.Schedule{
		ID: r.PathValue("id"), Department: r.FormValue("department"), Kind: schedule.Kind(r.FormValue("kind")), Name: r.FormValue("name"),
		Service: r.FormValue("service"), Practitioner: r.FormValue("practitioner"), Room: r.FormValue("room"), Location: r.FormValue("location"),
		Minutes:  number(form, "minutes", "每个时段的分钟数", r.FormValue("minutes")),
		Capacity: number(form, "capacity", "每个时段的号数", r.FormValue("capacity")),
		Alliance: number(form, "alliance", "转诊预留号数", r.FormValue("alliance")),
		Contract: number(form, "contract", "签约预留号数", r.FormValue("contract")),
		Holidays: r.FormValue("holidays") != "", ValidFrom: calendar.Date(r.FormValue("valid_from")), ValidTo: calendar.Date(r.FormValue("valid_to")),
		Active: web.IsInUse(r), Version: web.Version(r),
	}
	if c.ID == "" {
		c.Active = true
	}
	c.From, c.To = clock(r.FormValue("from")), clock(r.FormValue("to"))
	for _, d := range r.Form["weekdays"] {
		if n, err := strconv.Atoi(d); err == nil && n >= 0 && n <= 6 {
			c.Weekdays = append(c.Weekdays, time.Weekday(n))
		}
	}
	return c
}

// clock tidies a time of day; what is none is left for the check to name.
func clock(text string) schedule.Clock {
	if c, ok := schedule.ParseClock(text); ok {
		return c
	}
	return schedule.Clock(text)
}

func (f *face) savePlan(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	var form errs.Form
	c := parsePlan(r, &form)
	err := form.Err()
	if err == nil {
		c, err = f.svc.Save(r.Context(), access.ActorOf(r.Context()), c)
	}
	if errs.Correctable(err) {
		return f.planForm(w, r, r.PathValue("id"), r.PostForm, err)
	}
	if err != nil {
		return err
	}
	return f.after(w, r, "已保存“"+c.Title()+"”，号源已更新")
}

// after leads to the appointments that a change has hit, if there are any.
func (f *face) after(w http.ResponseWriter, r *http.Request, done string) error {
	hit, err := f.hit(r.Context())
	if err != nil {
		return err
	}
	if hit > 0 {
		web.Flash(w, r, web.Warn, done+"。有 "+strconv.Itoa(hit)+" 个已约患者受影响，请逐个改约")
		return web.Redirect(w, r, "/schedule/affected")
	}
	web.Flash(w, r, web.Good, done)
	return web.Redirect(w, r, "/schedule/plans")
}

func (f *face) hit(ctx context.Context) (n int, err error) {
	err = f.view(ctx, func(_ *db.Tx, b base) error { n = b.Affected; return nil })
	return n, err
}

type exceptionForm struct {
	base
	Schedule schedule.Schedule
	V        url.Values
	Err      error
}

func (f *face) newException(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return f.exceptionForm(w, r, url.Values{"schedule": {q.Get("schedule")}, "day": {q.Get("day")}, "kind": {string(schedule.Closed)}}, nil)
}

func (f *face) exceptionForm(w http.ResponseWriter, r *http.Request, v url.Values, failed error) error {
	p := exceptionForm{V: v, Err: failed}
	err := f.view(r.Context(), func(tx *db.Tx, b base) (err error) {
		p.base = b
		if p.Schedule, err = schedule.Get(r.Context(), tx, v.Get("schedule")); err != nil {
			return err
		}
		return schedule.MayEdit(b.actor, p.Schedule.Org, p.Schedule.Department)
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, status(failed), exceptionView(p))
}

func (f *face) addException(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	var form errs.Form
	e := schedule.Exception{
		Day: calendar.Date(r.FormValue("day")), Kind: schedule.ExceptionKind(r.FormValue("kind")), From: clock(r.FormValue("from")), To: clock(r.FormValue("to")),
		Practitioner: r.FormValue("practitioner"), Reason: r.FormValue("reason"),
	}
	if e.Kind == schedule.Extra {
		e.Capacity = number(&form, "capacity", "每个时段的号数", r.FormValue("capacity"))
	}
	err := form.Err()
	if err == nil {
		var ids []string
		if ids, err = f.reach(r.Context(), r.FormValue("schedule"), r.FormValue("all") != "" && e.Kind == schedule.Closed); err == nil {
			err = f.svc.AddException(r.Context(), access.ActorOf(r.Context()), ids, e)
		}
	}
	if errs.Correctable(err) {
		return f.exceptionForm(w, r, r.PostForm, err)
	}
	if err != nil {
		return err
	}
	return f.after(w, r, "已登记 "+string(e.Day)+" "+e.Kind.Title())
}

// reach is the session itself, or all sessions of its department in use.
func (f *face) reach(ctx context.Context, id string, all bool) (ids []string, err error) {
	if !all {
		return []string{id}, nil
	}
	err = f.svc.DB.View(ctx, func(tx *db.Tx) error {
		c, err := schedule.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		list, err := schedule.Schedules(ctx, tx, c.Org, c.Department)
		for _, o := range list {
			if o.Active {
				ids = append(ids, o.ID)
			}
		}
		return err
	})
	return ids, err
}

func (f *face) voidException(w http.ResponseWriter, r *http.Request) error {
	if err := f.svc.VoidException(r.Context(), access.ActorOf(r.Context()), r.PathValue("id")); err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已撤销，号源已恢复")
	return web.Redirect(w, r, "/schedule/plans")
}
