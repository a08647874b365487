package referraltest

import (
	"time"

	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/organization"
	"yilian/internal/schedule"
)

// Booking gives the world a schedule: cardiology sees patients from 08:30 in
// slots of 20 minutes on every weekday, the exam department examines from 10:00,
// and cardiology has beds.
func (w *World) Booking(places, beds int) *schedule.Service {
	w.T.Helper()
	s := &schedule.Service{DB: w.DB, Policy: w.Service.Book, Calendar: calendar.New(), Audit: w.Audit, Queue: w.Queue}
	s.Init()
	w.Service.Schedules = s
	program := audit.Program("test")
	week := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	w.ok(w.DB.Tx(ctx, func(tx *db.Tx) error {
		exam, err := w.examService(tx)
		if err != nil {
			return err
		}
		for _, c := range []schedule.Schedule{
			{Department: w.Cardiology.ID, Kind: schedule.Clinic, From: "08:30", To: "09:30", Capacity: places, Alliance: 1},
			{Department: exam.Department, Service: exam.ID, Kind: schedule.Exam, Name: "检查", From: "10:00", To: "11:00", Capacity: places},
		} {
			c.Weekdays, c.Minutes, c.ValidFrom, c.Active = week, 20, "2026-01-01", true
			if _, err := s.SaveTx(ctx, tx, program, c); err != nil {
				return err
			}
		}
		return s.SetBedsTx(ctx, tx, program, w.Cardiology.ID, schedule.AnyBed, calendar.DateOf(tx.Now), beds)
	}))
	return s
}

func (w *World) examService(tx *db.Tx) (organization.HealthcareService, error) {
	list, err := organization.Services(ctx, tx, w.Hospital.ID)
	for _, h := range list {
		if h.Kind == organization.Exam && h.Active {
			return h, err
		}
	}
	w.T.Fatal("referraltest: the hospital has no exam service")
	return organization.HealthcareService{}, err
}

// Slots returns the slots of cardiology on a day, and those of the exams.
func (w *World) Slots(day calendar.Date) (clinic, exams []schedule.Slot) {
	w.T.Helper()
	w.ok(w.DB.View(ctx, func(tx *db.Tx) (err error) {
		if clinic, err = schedule.SlotsOn(ctx, tx, w.Cardiology.ID, day); err != nil {
			return err
		}
		h, err := w.examService(tx)
		if err != nil {
			return err
		}
		exams, err = schedule.SlotsOn(ctx, tx, h.Department, day)
		return err
	}))
	return clinic, exams
}

// Reserved returns what a case has.
func (w *World) Reserved(caseID string) (r schedule.Reserved) {
	w.T.Helper()
	w.ok(w.DB.View(ctx, func(tx *db.Tx) (err error) { r, err = schedule.Of(ctx, tx, caseID); return err }))
	return r
}
