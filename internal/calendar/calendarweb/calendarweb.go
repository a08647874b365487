// Package calendarweb shows the working days and lets an administrator load
// the next year.
package calendarweb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/web"
)

type face struct {
	d   *db.DB
	svc *calendar.Service
	log *audit.Log
}

// Routes adds the pages of the calendar and their entry in the menu. Everybody
// who is signed in may look; loading a year needs calendar.manage.
func Routes(site *web.Site, d *db.DB, svc *calendar.Service, log *audit.Log) {
	f := &face{d: d, svc: svc, log: log}
	site.Menu(web.Item{Group: "政策与日历", Title: "工作日历", Icon: "calendar", Path: "/calendar", Order: 820})
	site.Handle("GET /calendar", f.show)
	site.Handle("POST /calendar/preview", f.preview)
	site.Handle("POST /calendar", f.upload)
}

// view is what the page shows.
type view struct {
	Year     calendar.Year
	Loaded   bool
	Years    []calendar.Year
	Months   []month
	Rest     int // days of rest in the notice
	Worked   int // weekends worked in exchange
	Working  int // working days of the year
	Versions []calendar.Version
	Missing  int  // first year that is not loaded
	Warn     bool // the next year is missing and December has begun
	Manage   bool
	Form     form
	Err      error
}

type form struct{ Year, Number, Source, Reason, Text string }

// month is one month as rows of seven days, Monday first.
type month struct {
	Name  string
	Weeks [][7]cell
}

type cell struct {
	Day  int // 0: not of this month
	Mark string
	Tone string // class of the background
	Name string
}

func mayManage(ctx context.Context) error {
	return access.Require(access.ActorOf(ctx), access.CalendarManage, access.Any)
}

func (f *face) show(w http.ResponseWriter, r *http.Request) error {
	year := calendar.DateOf(f.d.Now()).Year()
	if s := r.URL.Query().Get("year"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 2000 || n > 2100 {
			return errs.E(errs.NotFound, "没有 %s 年的日历", s)
		}
		year = n
	}
	next := strconv.Itoa(f.svc.Calendar.NextMissing())
	return f.page(w, r, http.StatusOK, year, form{Year: next}, nil)
}

func (f *face) page(w http.ResponseWriter, r *http.Request, status, year int, in form, wrong error) error {
	v, err := f.view(r.Context(), year)
	if err != nil {
		return err
	}
	v.Form, v.Err = in, wrong
	return web.Render(w, r, status, calendarPage(v))
}

func (f *face) view(ctx context.Context, year int) (view, error) {
	cal := f.svc.Calendar
	v := view{Years: cal.Years(), Missing: cal.NextMissing(), Manage: mayManage(ctx) == nil}
	v.Year, v.Loaded = cal.Year(year)
	v.Year.Year = year
	v.Warn = warn(cal, calendar.DateOf(f.d.Now()))
	for _, d := range v.Year.Days {
		if d.Off {
			v.Rest++
		} else {
			v.Worked++
		}
	}
	if v.Loaded {
		v.Months = months(cal, year)
		v.Working, _ = cal.WorkingDaysBetween(day(year-1, time.December, 31), day(year, time.December, 31))
	}
	err := f.d.View(ctx, func(tx *db.Tx) (err error) {
		v.Versions, err = calendar.Versions(ctx, tx, year)
		return err
	})
	return v, err
}

// warn reports whether the next year is missing though its notice, which comes
// out in November, must be there: from the first of December on.
func warn(cal *calendar.Calendar, today calendar.Date) bool {
	next := today.Year()
	if today.Time().Month() == time.December {
		next++
	}
	return cal.NextMissing() <= next
}

func day(year int, m time.Month, d int) calendar.Date {
	return calendar.DateOf(time.Date(year, m, d, 0, 0, 0, 0, calendar.Shanghai))
}

func months(cal *calendar.Calendar, year int) []month {
	var out []month
	for m := time.January; m <= time.December; m++ {
		one := month{Name: fmt.Sprintf("%d 月", m)}
		var week [7]cell
		for d := day(year, m, 1); d.Time().Month() == m; d = d.AddDays(1) {
			at := (int(d.Weekday()) + 6) % 7
			week[at] = mark(cal, d)
			if at == 6 {
				one.Weeks = append(one.Weeks, week)
				week = [7]cell{}
			}
		}
		if week != ([7]cell{}) {
			one.Weeks = append(one.Weeks, week)
		}
		out = append(out, one)
	}
	return out
}

func mark(cal *calendar.Calendar, d calendar.Date) cell {
	c := cell{Day: d.Time().Day()}
	moved, ok := cal.Day(d)
	working, _ := cal.Working(d)
	switch {
	case ok && moved.Off:
		c.Mark, c.Tone, c.Name = "休", "bg-red-lt", moved.Name+"放假"
	case ok:
		c.Mark, c.Tone, c.Name = "班", "bg-blue-lt", moved.Name+"调休上班"
	case !working:
		c.Tone, c.Name = "text-secondary", "周末"
	}
	return c
}

// read takes the form: a chosen file wins over pasted text.
func read(r *http.Request) (form, calendar.Upload, error) {
	if err := r.ParseMultipartForm(1 << 20); err != nil && !errors.Is(err, http.ErrNotMultipart) {
		return form{}, calendar.Upload{}, errs.Because(err, errs.Invalid, "上传的内容无法读取，可能文件太大：一年的放假安排只有几 KB")
	}
	get := func(name string) string { return strings.TrimSpace(r.FormValue(name)) }
	in := form{Year: get("year"), Number: get("number"), Source: get("source"), Reason: get("reason"), Text: r.FormValue("text")}
	if file, _, err := r.FormFile("file"); err == nil {
		raw, err := io.ReadAll(file)
		if err := errors.Join(err, file.Close()); err != nil {
			return in, calendar.Upload{}, fmt.Errorf("read upload: %w", err)
		}
		if len(raw) > 0 {
			in.Text = string(raw)
		}
	}
	year, err := strconv.Atoi(in.Year)
	if err != nil {
		var wrong errs.Form
		wrong.Add("year", "年份“%s”不是数字，请填写四位年份", in.Year)
		return in, calendar.Upload{}, wrong.Err()
	}
	return in, calendar.Upload{Year: year, Number: in.Number, Source: in.Source, Reason: in.Reason, Text: []byte(in.Text)}, nil
}

func (f *face) preview(w http.ResponseWriter, r *http.Request) error {
	if err := mayManage(r.Context()); err != nil {
		return err
	}
	in, up, err := read(r)
	if err == nil {
		var days []calendar.Day
		var changes []calendar.Change
		if days, changes, err = f.svc.Preview(up); err == nil {
			return web.Render(w, r, http.StatusOK, previewPage(in, up.Year, days, shown(changes)))
		}
	}
	return f.again(w, r, up.Year, in, err)
}

// again shows the form with what was typed and what is wrong.
func (f *face) again(w http.ResponseWriter, r *http.Request, year int, in form, err error) error {
	if !errs.Is(err, errs.Invalid) {
		return err
	}
	if _, ok := f.svc.Calendar.Year(year); !ok {
		year = calendar.DateOf(f.d.Now()).Year()
	}
	return f.page(w, r, http.StatusUnprocessableEntity, year, in, err)
}

// shown leaves out the ordinary days of a year that was not known before.
func shown(all []calendar.Change) []calendar.Change {
	var out []calendar.Change
	for _, c := range all {
		if c.Before == "未知" && (c.After == "上班" || c.After == "周末") {
			continue
		}
		out = append(out, c)
	}
	return out
}

func (f *face) upload(w http.ResponseWriter, r *http.Request) error {
	if err := mayManage(r.Context()); err != nil {
		return err
	}
	in, up, err := read(r)
	if err != nil {
		return f.again(w, r, up.Year, in, err)
	}
	who := access.ActorOf(r.Context())
	y, err := f.svc.UploadYear(r.Context(), calendar.By{Account: who.Account, Name: who.Name}, up,
		func(ctx context.Context, tx *db.Tx, y calendar.Year) error {
			return f.log.Append(ctx, tx, audit.Leaf{
				Actor: who, Action: "calendar.upload", Object: "calendar", ObjectID: strconv.Itoa(y.Year),
				Detail: fmt.Sprintf("%d 年工作日历第 %d 版，%s", y.Year, y.Version, y.Number),
			})
		})
	if err != nil {
		return f.again(w, r, up.Year, in, err)
	}
	web.Flash(w, r, web.Good, fmt.Sprintf("%d 年工作日历已保存（第 %d 版），相关期限随之重新计算", y.Year, y.Version))
	return web.Redirect(w, r, "/calendar?year="+strconv.Itoa(y.Year))
}
