package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/jobs"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/policy/policytest"
	"yilian/internal/practitioner"
	"yilian/internal/schedule"
)

var ctx = context.Background()

const (
	today    = calendar.Date("2026-03-02") // Monday, 09:00
	tomorrow = calendar.Date("2026-03-03")
)

type world struct {
	*testing.T
	d          *db.DB
	svc        *schedule.Service
	queue      *jobs.Queue
	hospital   organization.Organization
	cardiology organization.Department
	imaging    organization.Department
	center     access.Actor
	doctor     string
	other      string
}

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	log := audit.New(d, crypto.Ephemeral(crypto.SM))
	book := policytest.Shipped(t)
	organizationtest.Seed(t, d)
	w := &world{T: t, d: d, queue: jobs.New(d)}
	w.svc = &schedule.Service{DB: d, Policy: book, Calendar: calendar.New(), Audit: log, Queue: w.queue}
	w.svc.Init()
	w.hospital = organizationtest.ByName(t, d, "永州市第四人民医院")
	w.cardiology = organizationtest.Department(t, d, w.hospital.ID, "心血管内科")
	w.imaging = organizationtest.Department(t, d, w.hospital.ID, "医学影像科")
	w.center = access.Actor{Account: "c", Name: "周护士", Role: string(access.ReferralCenter), Org: w.hospital.ID}
	staff := &practitioner.Service{DB: d, Log: log}
	for i, name := range []string{"王主任", "李主任"} {
		p, err := staff.Save(ctx, audit.Program("test"), practitioner.Practitioner{Name: name, Sex: "1", Phone: fmt.Sprintf("1390000000%d", i),
			Title: "主任医师", Category: practitioner.Clinician, Scope: "内科", EmployedBy: w.hospital.ID})
		w.must(err)
		if i == 0 {
			w.doctor = p.ID
		} else {
			w.other = p.ID
		}
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) tx(fn func(tx *db.Tx) error) error { return w.d.Tx(ctx, fn) }

// clinic saves a Monday to Friday morning session of cardiology, 20-minute
// slots from 08:30.
func (w *world) clinic(slots, capacity, alliance, contract int) schedule.Schedule {
	w.Helper()
	return w.save(schedule.Schedule{Department: w.cardiology.ID, Kind: schedule.Clinic, Capacity: capacity, Alliance: alliance, Contract: contract,
		From: "08:30", To: schedule.Clock(time.Date(2000, 1, 1, 8, 30+20*slots, 0, 0, time.UTC).Format("15:04"))})
}

func (w *world) save(c schedule.Schedule) schedule.Schedule {
	w.Helper()
	if c.Weekdays == nil {
		c.Weekdays = schedule.Week()[:5]
	}
	if c.Minutes == 0 {
		c.Minutes = 20
	}
	if c.ID == "" {
		c.ValidFrom, c.Active = "2026-01-01", true
	}
	c, err := w.svc.Save(ctx, w.center, c)
	w.must(err)
	return c
}

// slots returns the slots of a department on a day.
func (w *world) slots(department string, day calendar.Date) (list []schedule.Slot) {
	w.Helper()
	w.must(w.d.View(ctx, func(tx *db.Tx) (err error) {
		list, err = schedule.SlotsOn(ctx, tx, department, day)
		return err
	}))
	return list
}

func booking(name string, p schedule.Priority, clinic string) schedule.Booking {
	return schedule.Booking{Case: "case-" + name, Patient: "patient-" + name, Subject: name, Priority: p, Clinic: clinic}
}

func (w *world) book(b schedule.Booking) (r schedule.Reserved, err error) {
	err = w.tx(func(tx *db.Tx) (err error) { r, err = w.svc.Book(ctx, tx, w.center, b); return err })
	return r, err
}

func (w *world) hold(b schedule.Booking) (r schedule.Reserved, err error) {
	err = w.tx(func(tx *db.Tx) (err error) { r, err = w.svc.Hold(ctx, tx, w.center, b); return err })
	return r, err
}

func (w *world) release(caseID string) {
	w.Helper()
	w.must(w.tx(func(tx *db.Tx) error { return w.svc.Release(ctx, tx, w.center, caseID, "取消") }))
}

func (w *world) expire() {
	w.Helper()
	w.must(w.tx(func(tx *db.Tx) error { return w.svc.Expire(ctx, tx) }))
}

func (w *world) of(caseID string) (r schedule.Reserved) {
	w.Helper()
	w.must(w.d.View(ctx, func(tx *db.Tx) (err error) { r, err = schedule.Of(ctx, tx, caseID); return err }))
	return r
}

// refused checks why something was refused.
func (w *world) refused(err error, why schedule.Reason) *schedule.Refused {
	w.Helper()
	r, ok := errors.AsType[*schedule.Refused](err)
	if !ok || r.Reason != why || !errs.Is(err, errs.Conflict) {
		w.Fatalf("refused with %v, want %s", err, why)
	}
	return r
}

func (w *world) clock(at string) {
	w.Helper()
	t, err := time.ParseInLocation("2006-01-02 15:04", at, calendar.Shanghai)
	w.must(err)
	dbtest.SetClock(w.d, t)
}

// recount holds the counters to the appointments and the beds to the
// reservations.
func (w *world) recount() {
	w.Helper()
	w.recountOf("")
}

// recountOf does so for one schedule; beds are all counted.
func (w *world) recountOf(schedule string) {
	w.Helper()
	for name, query := range recounts {
		var n int64
		w.must(w.d.View(ctx, func(tx *db.Tx) (err error) { n, err = db.Count(ctx, tx, query, schedule); return err }))
		if n != 0 {
			w.Errorf("%s: %d rows differ", name, n)
		}
	}
}

var recounts = map[string]string{
	"taken of a slot is its appointments": `SELECT count(*) FROM slot s WHERE (CAST($1 AS TEXT) = '' OR s.schedule = $1) AND s.taken <>
		(SELECT count(*) FROM appointment a WHERE a.slot = s.id AND a.state IN ('held', 'booked', 'used', 'missed'))`,
	"no slot beyond its capacity": `SELECT count(*) FROM slot WHERE (CAST($1 AS TEXT) = '' OR schedule = $1)
		AND (taken > capacity OR (open AND capacity > planned AND capacity > taken) OR (NOT open AND capacity > taken))`,
	"shares are their appointments": `SELECT count(*) FROM schedule_day d WHERE (CAST($1 AS TEXT) = '' OR d.schedule = $1) AND (
		d.alliance_taken <> (SELECT count(*) FROM appointment a JOIN slot s ON s.id = a.slot WHERE s.schedule = d.schedule AND s.day = d.day
			AND a.pool = 'alliance' AND a.state IN ('held', 'booked', 'used', 'missed')) OR
		d.contract_taken <> (SELECT count(*) FROM appointment a JOIN slot s ON s.id = a.slot WHERE s.schedule = d.schedule AND s.day = d.day
			AND a.pool = 'contract' AND a.state IN ('held', 'booked', 'used', 'missed')) OR
		d.open_taken <> (SELECT count(*) FROM appointment a JOIN slot s ON s.id = a.slot WHERE s.schedule = d.schedule AND s.day = d.day
			AND a.pool = 'open' AND a.state IN ('held', 'booked', 'used', 'missed')))`,
	"shares add up to the places": `SELECT count(*) FROM schedule_day d WHERE (CAST($1 AS TEXT) = '' OR d.schedule = $1) AND d.alliance + d.contract + d.open <>
		(SELECT sum(s.capacity) FROM slot s WHERE s.schedule = d.schedule AND s.day = d.day)`,
	"beds are their reservations": `SELECT count(*) FROM bed_day b WHERE CAST($1 AS TEXT) = $1 AND b.taken <>
		(SELECT count(*) FROM bed_reservation r WHERE r.department = b.department AND r.kind = b.kind AND r.from_on <= b.day AND r.until_on > b.day)`,
}

type ctxType = context.Context

const minute = time.Minute

func errOf(_ schedule.Reserved, err error) error { return err }

func asError(err error) (*errs.Error, bool) { return errors.AsType[*errs.Error](err) }
