package scheduleweb

import (
	"net/http"
	"net/url"
	"strconv"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/schedule"
	"yilian/internal/web"
)

type todayPage struct {
	base
	Day        calendar.Date
	Department string
	List       []schedule.Appointment
}

func (f *face) today(w http.ResponseWriter, r *http.Request) error {
	p := todayPage{Department: r.URL.Query().Get("department")}
	err := f.view(r.Context(), func(tx *db.Tx, b base) (err error) {
		p.base = b
		if p.Day, err = dayOf(r.URL.Query().Get("day"), b.Today); err != nil {
			return err
		}
		list, err := schedule.Appointments(r.Context(), tx, b.Org.ID, p.Day)
		for _, a := range list {
			if p.Department == "" || a.Slot.Department == p.Department {
				p.List = append(p.List, a)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, todayView(p))
}

type affectedPage struct {
	base
	List []affectedRow
	Err  error
}

type affectedRow struct {
	schedule.Affected
	Next []schedule.Free
}

// offered is how many other times a row of the list offers.
const offered = 8

func (f *face) affected(w http.ResponseWriter, r *http.Request) error {
	return f.affectedList(w, r, nil)
}

func (f *face) affectedList(w http.ResponseWriter, r *http.Request, failed error) error {
	p := affectedPage{Err: failed}
	err := f.view(r.Context(), func(tx *db.Tx, b base) error {
		p.base = b
		list, err := schedule.AffectedOf(r.Context(), tx, b.Org.ID)
		if err != nil {
			return err
		}
		for _, a := range list {
			row := affectedRow{Affected: a}
			if b.may(a.Slot.Department) {
				if row.Next, err = f.svc.Alternatives(r.Context(), tx, a.Appointment, offered); err != nil {
					return err
				}
			}
			p.List = append(p.List, row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, status(failed), affectedView(p))
}

func status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	return web.Status(err)
}

func (f *face) move(w http.ResponseWriter, r *http.Request) error {
	if r.FormValue("slot") == "" {
		return f.affectedList(w, r, errs.E(errs.Invalid, "请先选择改约的时间"))
	}
	a, err := f.svc.MoveAffected(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Version(r), r.FormValue("slot"))
	if errs.Correctable(err) {
		return f.affectedList(w, r, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已改约到 "+schedule.When(a.Slot.Start)+"，请告知患者")
	return web.Redirect(w, r, "/schedule/affected")
}

func (f *face) keep(w http.ResponseWriter, r *http.Request) error {
	err := f.svc.Keep(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Version(r))
	if errs.Correctable(err) {
		return f.affectedList(w, r, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已记录：患者同意由替诊医生接诊，时间不变")
	return web.Redirect(w, r, "/schedule/affected")
}

type bedPage struct {
	base
	Day       calendar.Date
	Beds      []schedule.BedDay
	Patients  map[string][]schedule.BedReservation // by department
	Typed     url.Values
	Err       error
	Available int
	Taken     int
}

func (f *face) beds(w http.ResponseWriter, r *http.Request) error {
	return f.bedList(w, r, r.URL.Query().Get("day"), url.Values{}, nil)
}

func (f *face) bedList(w http.ResponseWriter, r *http.Request, day string, typed url.Values, failed error) error {
	p := bedPage{Typed: typed, Err: failed, Patients: map[string][]schedule.BedReservation{}}
	err := f.view(r.Context(), func(tx *db.Tx, b base) (err error) {
		p.base = b
		if p.Day, err = dayOf(day, b.Today); err != nil {
			p.Day = b.Today
		}
		if p.Beds, err = schedule.Beds(r.Context(), tx, b.Org.ID, p.Day); err != nil {
			return err
		}
		for _, x := range p.Beds {
			p.Available += x.Free()
			p.Taken += x.Taken
			if _, done := p.Patients[x.Department]; done {
				continue
			}
			all, err := schedule.BedsTaken(r.Context(), tx, x.Department)
			if err != nil {
				return err
			}
			p.Patients[x.Department] = on(all, p.Day)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, status(failed), bedView(p))
}

// on keeps the reservations that count on a day.
func on(all []schedule.BedReservation, day calendar.Date) []schedule.BedReservation {
	out := []schedule.BedReservation{}
	for _, b := range all {
		if b.From <= day && day < b.Until {
			out = append(out, b)
		}
	}
	return out
}

// setBeds answers the buttons (by) and the form (offered).
func (f *face) setBeds(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	ctx, a := r.Context(), access.ActorOf(r.Context())
	department, kind, day := r.FormValue("department"), schedule.BedKind(r.FormValue("kind")), calendar.Date(r.FormValue("day"))
	var err error
	if by, e := strconv.Atoi(r.FormValue("by")); e == nil {
		err = f.svc.ChangeBeds(ctx, a, department, kind, day, by)
	} else {
		var form errs.Form
		form.Require("department", department, "科室")
		offered := number(&form, "offered", "床位数", r.FormValue("offered"))
		if err = form.Err(); err == nil {
			err = f.svc.SetBeds(ctx, a, department, kind, day, offered)
		}
	}
	if errs.Correctable(err) {
		return f.bedList(w, r, string(day), r.PostForm, err)
	}
	if err != nil {
		return err
	}
	return web.Redirect(w, r, "/schedule/beds?"+url.Values{"day": {string(day)}}.Encode())
}

// number reads a whole number of a form.
func number(f *errs.Form, name, label, text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		f.Add(name, "请填写%s（整数）", label)
	}
	return n
}
