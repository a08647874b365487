package schedule_test

import (
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/schedule"
)

func (w *world) affected() (list []schedule.Affected) {
	w.Helper()
	w.must(w.d.View(ctx, func(tx *db.Tx) (err error) { list, err = schedule.AffectedOf(ctx, tx, w.hospital.ID); return err }))
	return list
}

func (w *world) open(day calendar.Date) (n int) {
	for _, s := range w.slots(w.cardiology.ID, day) {
		if s.Open {
			n++
		}
	}
	return n
}

func TestLayingOut(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		c := w.clinic(3, 2, 2, 1)
		for day, want := range map[calendar.Date]int{tomorrow: 3, "2026-03-07": 0, "2026-03-30": 3, "2026-03-31": 0} {
			if n := w.open(day); n != want {
				t.Errorf("%s: %d slots, want %d", day, n, want)
			}
		}
		extend := func() { w.must(w.tx(func(tx *db.Tx) error { return w.svc.Extend(ctx, tx) })) }
		before := w.slots(w.cardiology.ID, tomorrow)
		extend()
		if after := w.slots(w.cardiology.ID, tomorrow); len(after) != 3 || after[0] != before[0] {
			t.Errorf("laid out twice: %+v", after)
		}
		w.clock("2026-03-10 00:00")
		extend()
		for day, want := range map[calendar.Date]int{"2026-04-03": 3, "2026-04-06": 0 /* 清明 */, "2026-04-07": 3, "2026-04-08": 0} {
			if n := w.open(day); n != want {
				t.Errorf("%s: %d slots, want %d", day, n, want)
			}
		}
		c.Holidays = true
		w.save(c)
		if n := w.open("2026-04-06"); n != 3 {
			t.Errorf("open on holidays: %d slots", n)
		}
		w.recount()
	})
}

// TestChangingAPlanKeepsWhatIsBooked changes a session in every way under
// booked places.
func TestChangingAPlanKeepsWhatIsBooked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		c := w.clinic(3, 2, 2, 1)
		slots := w.slots(w.cardiology.ID, tomorrow)
		for _, name := range []string{"a", "b"} {
			w.must(errOf(w.book(booking(name, urgent, slots[0].ID))))
		}
		w.must(errOf(w.book(booking("c", urgent, slots[2].ID))))
		c.Capacity, c.Alliance, c.Contract, c.To = 1, 1, 0, "09:10"
		c = w.save(c)
		list := w.affected()
		if len(list) != 2 || list[0].Case != "case-b" || list[0].Why != "减号" || list[1].Case != "case-c" || list[1].Why != "停诊" {
			t.Fatalf("%+v", list)
		}
		w.recount()
		if n := w.open(tomorrow); n != 2 {
			t.Errorf("%d open", n)
		}
		var next []schedule.Free
		w.must(w.d.View(ctx, func(tx *db.Tx) (err error) {
			next, err = w.svc.Alternatives(ctx, tx, list[1].Appointment, 2)
			return err
		}))
		if len(next) != 2 || next[0].Slot.ID != slots[1].ID {
			t.Fatalf("%+v", next)
		}
		if _, err := w.svc.MoveAffected(ctx, w.center, list[1].ID, list[1].Version, slots[1].ID); err != nil {
			t.Fatal(err)
		}
		w.release("case-b")
		if list := w.affected(); len(list) != 0 {
			t.Errorf("still affected: %+v", list)
		}
		w.recount()
		_, err := w.book(booking("d", urgent, slots[0].ID))
		w.refused(err, schedule.ReasonFull)
		c.Active = false
		w.save(c)
		if list := w.affected(); len(list) != 2 || !list[0].Must {
			t.Errorf("given up: %+v", list)
		}
		if n := w.open(tomorrow); n != 0 {
			t.Errorf("%d open", n)
		}
		w.recount()
		w.release("case-a")
		w.release("case-c")
		w.recount()
	})
}

func TestExceptions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		c := w.clinic(3, 1, 0, 0)
		c.Practitioner = w.doctor
		c = w.save(c)
		slots := w.slots(w.cardiology.ID, tomorrow)
		w.must(errOf(w.book(booking("a", anybody, slots[0].ID))))
		add := func(e schedule.Exception) error {
			if e.Day == "" {
				e.Day = tomorrow
			}
			return w.svc.AddException(ctx, w.center, []string{c.ID}, e)
		}
		id := func() (id string) {
			w.must(w.d.View(ctx, func(tx *db.Tx) error {
				list, err := schedule.Exceptions(ctx, tx, w.hospital.ID, today)
				id = list[len(list)-1].ID
				return err
			}))
			return id
		}
		w.must(add(schedule.Exception{Kind: schedule.Substitute, Practitioner: w.other, Reason: "外出"}))
		list := w.affected()
		if len(list) != 1 || list[0].Why != "换医生" || list[0].Must {
			t.Fatalf("%+v", list)
		}
		w.must(w.svc.Keep(ctx, w.center, list[0].ID, list[0].Version))
		if err := w.svc.Keep(ctx, w.center, list[0].ID, list[0].Version); !errs.Is(err, errs.Conflict) {
			t.Error(err)
		}
		if list := w.affected(); len(list) != 0 {
			t.Errorf("told, but still there: %+v", list)
		}
		w.must(add(schedule.Exception{Kind: schedule.Closed, Reason: "培训"}))
		if list = w.affected(); len(list) != 1 || !list[0].Must {
			t.Fatalf("%+v", list)
		}
		if err := w.svc.Keep(ctx, w.center, list[0].ID, list[0].Version); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "不能保留原时间") {
			t.Error(err)
		}
		closed := id()
		w.recount()
		w.must(w.svc.VoidException(ctx, w.center, closed))
		if err := w.svc.VoidException(ctx, w.center, closed); !errs.Is(err, errs.NotFound) {
			t.Error(err)
		}
		if list = w.affected(); len(list) != 0 || w.open(tomorrow) != 3 {
			t.Errorf("open again: %+v", list)
		}
		w.must(add(schedule.Exception{Kind: schedule.Extra, Day: "2026-03-07", From: "09:00", To: "10:00", Capacity: 2, Reason: "周末加诊"}))
		if n := w.open("2026-03-07"); n != 3 {
			t.Errorf("%d slots on Saturday", n)
		}
		w.recount()
		for field, e := range map[string]schedule.Exception{
			"kind": {Reason: "x"}, "reason": {Kind: schedule.Closed}, "day": {Kind: schedule.Closed, Reason: "x", Day: "2026-03-01"},
			"practitioner": {Kind: schedule.Substitute, Reason: "x", Practitioner: w.doctor},
			"from":         {Kind: schedule.Extra, Reason: "x", From: "09:00", To: "10:00", Capacity: 1},
			"to":           {Kind: schedule.Extra, Reason: "x", From: "13:00", To: "13:10", Capacity: 1},
			"capacity":     {Kind: schedule.Extra, Reason: "x", From: "13:00", To: "14:00"},
		} {
			w.field(add(e), field)
		}
	})
}

// field checks that err is about one field of the form.
func (w *world) field(err error, name string) {
	w.Helper()
	if !errs.Is(err, errs.Invalid) {
		w.Errorf("%s: %v", name, err)
		return
	}
	for _, f := range errsFields(err) {
		if f.Name == name {
			return
		}
	}
	w.Errorf("%s is not among the wrong fields: %v", name, err)
}

func TestWrongPlans(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		good := schedule.Schedule{Department: w.cardiology.ID, Kind: schedule.Clinic, Weekdays: schedule.Week()[:1], From: "08:30", To: "11:30", Minutes: 20,
			Capacity: 1, Practitioner: w.doctor, Room: "一诊室", ValidFrom: "2026-01-01", Active: true}
		first, err := w.svc.Save(ctx, w.center, good)
		w.must(err)
		for field, change := range map[string]func(c *schedule.Schedule){
			"department":   func(c *schedule.Schedule) { c.Department = "" },
			"kind":         func(c *schedule.Schedule) { c.Kind = "bed" },
			"weekdays":     func(c *schedule.Schedule) { c.Weekdays = nil },
			"from":         func(c *schedule.Schedule) { c.From = "25:00" },
			"to":           func(c *schedule.Schedule) { c.To = "08:00" },
			"minutes":      func(c *schedule.Schedule) { c.Minutes = 1 },
			"capacity":     func(c *schedule.Schedule) { c.Capacity = 0 },
			"alliance":     func(c *schedule.Schedule) { c.Alliance, c.Contract = 5, 5 },
			"valid_from":   func(c *schedule.Schedule) { c.ValidFrom = "soon" },
			"valid_to":     func(c *schedule.Schedule) { c.ValidTo = "2025-01-01" },
			"practitioner": func(c *schedule.Schedule) { c.From = "10:00" }, // the doctor is in first
			"room":         func(c *schedule.Schedule) { c.Practitioner = w.other },
			"service":      func(c *schedule.Schedule) { c.Service = "none" },
		} {
			c := good
			change(&c)
			_, err := w.svc.Save(ctx, w.center, c)
			w.field(err, field)
		}
		apart := good
		apart.From, apart.To = "11:30", "12:10"
		if _, err := w.svc.Save(ctx, w.center, apart); err != nil {
			t.Errorf("one after the other: %v", err)
		}
		first.Version = 9
		if _, err := w.svc.Save(ctx, w.center, first); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "刚刚被别人改过") {
			t.Error(err)
		}
	})
}

func TestWhoMayEdit(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	actor := func(role access.Role, org, dept string) access.Actor {
		return access.Actor{Account: "x", Role: string(role), Org: org, Department: dept}
	}
	for _, c := range []struct {
		who  access.Actor
		plan bool
		bed  bool
	}{
		{actor(access.ReferralCenter, w.hospital.ID, ""), true, true},
		{actor(access.ReferralCenter, "another", ""), false, false},
		{actor(access.MedicalAffairs, w.hospital.ID, ""), true, false},
		{actor(access.DepartmentHead, w.hospital.ID, w.cardiology.ID), true, false},
		{actor(access.DepartmentHead, w.hospital.ID, w.imaging.ID), false, false},
		{actor(access.BedManager, w.hospital.ID, ""), false, true},
		{actor(access.DepartmentDoctor, w.hospital.ID, w.cardiology.ID), false, false},
		{actor(access.SystemAdmin, w.hospital.ID, ""), false, false},
	} {
		_, err := w.svc.Save(ctx, c.who, schedule.Schedule{Department: w.cardiology.ID})
		if errs.Is(err, errs.Forbidden) == c.plan {
			t.Errorf("%s plans: %v", c.who.Role, err)
		}
		err = w.svc.SetBeds(ctx, c.who, w.cardiology.ID, schedule.AnyBed, today, 3)
		if (err == nil) != c.bed {
			t.Errorf("%s offers beds: %v", c.who.Role, err)
		}
	}
}

func TestSeedTemplates(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for range 2 { // again changes nothing
			w.must(w.tx(func(tx *db.Tx) error { return w.svc.SeedTemplates(ctx, tx, w.hospital.ID) }))
		}
		w.must(w.d.View(ctx, func(tx *db.Tx) error {
			for _, c := range []struct {
				dept string
				kind schedule.Kind
				want int
			}{{w.cardiology.ID, schedule.Clinic, 12}, {w.imaging.ID, schedule.Exam, 39}} {
				l, err := w.svc.DayLoad(ctx, tx, c.dept, c.kind, tomorrow)
				if err != nil || l.Capacity != c.want || l.Free != c.want || l.Shares[schedule.Alliance].Places == 0 {
					t.Errorf("%+v %v, want %d", l, err, c.want)
				}
			}
			beds, err := schedule.Beds(ctx, tx, w.hospital.ID, tomorrow)
			if err != nil || len(beds) != 17 {
				t.Errorf("%d pools of beds, %v", len(beds), err)
			}
			return err
		}))
		w.recount()
	})
}
