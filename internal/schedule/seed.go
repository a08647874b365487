package schedule

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/organization"
)

// The session hours of the reference layout, as such hospitals have them.
const (
	seedMinutes   = 20
	seedMorning   = 10 // slots from 08:30 to 11:50
	seedAfternoon = 8  // slots from 14:30 to 17:10
)

// SeedTemplates gives the clinic and exam departments of institutions a weekly
// plan whose places a day are the department's DailyCapacity, and in-patient
// departments a pool of beds. Departments that have a schedule are left alone.
func (s *Service) SeedTemplates(ctx context.Context, tx *db.Tx, orgs ...string) error {
	for _, org := range orgs {
		services, err := organization.Services(ctx, tx, org)
		if err != nil {
			return err
		}
		known, err := Schedules(ctx, tx, org, "")
		if err != nil {
			return err
		}
		done := map[string]bool{}
		for _, k := range known {
			done[k.Department] = true
		}
		for _, h := range services {
			if !h.Active || done[h.Department] {
				continue
			}
			if err := s.seedService(ctx, tx, h); err != nil {
				return fmt.Errorf("seed schedule of %s: %w", h.Name, err)
			}
		}
	}
	return nil
}

func (s *Service) seedService(ctx context.Context, tx *db.Tx, h organization.HealthcareService) error {
	dept, err := organization.GetDepartment(ctx, tx, h.Department)
	if err != nil {
		return err
	}
	today := calendar.DateOf(tx.Now)
	actor := program()
	switch h.Kind {
	case organization.Inpatient:
		return s.SetBedsTx(ctx, tx, actor, dept.ID, AnyBed, today, max(2, dept.DailyCapacity/2))
	case organization.Clinic:
		return s.seedSessions(ctx, tx, actor, Schedule{Department: dept.ID, Kind: Clinic}, dept.DailyCapacity)
	case organization.Exam:
		return s.seedSessions(ctx, tx, actor, Schedule{Department: dept.ID, Kind: Exam, Service: h.ID, Name: h.Name}, dept.DailyCapacity)
	}
	return nil
}

// seedSessions lays a day's capacity over morning and afternoon.
func (s *Service) seedSessions(ctx context.Context, tx *db.Tx, actor access.Actor, c Schedule, perDay int) error {
	if perDay <= 0 {
		return nil
	}
	c.Weekdays = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	c.Minutes, c.ValidFrom, c.Active = seedMinutes, calendar.DateOf(tx.Now), true
	c.Capacity = (perDay + seedMorning + seedAfternoon - 1) / (seedMorning + seedAfternoon)
	slots := perDay / c.Capacity
	morning := (slots*seedMorning + seedMorning + seedAfternoon - 1) / (seedMorning + seedAfternoon)
	name := c.Name
	for _, half := range []struct {
		title string
		from  Clock
		slots int
	}{{"上午", "08:30", morning}, {"下午", "14:30", slots - morning}} {
		if half.slots == 0 {
			continue
		}
		c.ID, c.From, c.To = "", half.from, clockOf(half.from.minutes()+half.slots*seedMinutes)
		if name != "" {
			c.Name = name + "（" + half.title + "）"
		}
		dept, err := organization.GetDepartment(ctx, tx, c.Department)
		if err != nil {
			return err
		}
		if c.Alliance, c.Contract, err = s.Suggested(ctx, tx, dept.Org, half.slots*c.Capacity); err != nil {
			return err
		}
		if _, err := s.SaveTx(ctx, tx, actor, c); err != nil {
			return err
		}
	}
	return nil
}
