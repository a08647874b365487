package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/schedule"
)

func errsFields(err error) []errs.Field {
	e, _ := asError(err)
	if e == nil {
		return nil
	}
	return e.Fields
}

func TestNextFreeAndLoad(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.clinic(4, 1, 2, 1)
		slots := w.slots(w.cardiology.ID, tomorrow)
		w.must(errOf(w.book(booking("a", anybody, slots[0].ID))))
		w.must(errOf(w.hold(booking("b", referred, slots[1].ID))))
		next := func(n schedule.Need) (times []string) {
			w.must(w.d.View(ctx, func(tx *db.Tx) error {
				list, err := w.svc.NextFree(ctx, tx, n)
				for _, f := range list {
					times = append(times, fmt.Sprintf("%s %s %d", f.Slot.Start.In(calendar.Shanghai).Format("02 15:04"), f.Pool, f.Left))
				}
				return err
			}))
			return times
		}
		need := schedule.Need{Department: w.cardiology.ID, Kind: schedule.Clinic, From: tomorrow.Time(), N: 2}
		for _, c := range []struct {
			p    schedule.Priority
			want []string
		}{
			{anybody, []string{"04 08:30 open 1", "04 08:50 open 1"}}, // of tomorrow only reserved places are left
			{referred, []string{"03 09:10 alliance 1", "03 09:30 alliance 1"}},
			{signed, []string{"03 09:10 contract 1", "03 09:30 contract 1"}},
			{urgent, []string{"03 09:10 alliance 1", "03 09:30 alliance 1"}},
		} {
			need.Priority = c.p
			if got := next(need); !slices.Equal(got, c.want) {
				t.Errorf("%+v: %v, want %v", c.p, got, c.want)
			}
		}
		need.N, need.Priority = 1000, urgent
		if got := next(need); len(got) != 2+18*4+4 {
			t.Errorf("%d free in all", len(got))
		}
		need.Practitioner = w.doctor
		if got := next(need); len(got) != 0 {
			t.Errorf("of a doctor without sessions: %v", got)
		}
		w.must(w.d.View(ctx, func(tx *db.Tx) error {
			l, err := w.svc.DayLoad(ctx, tx, w.cardiology.ID, schedule.Clinic, tomorrow)
			if err != nil || l.Capacity != 4 || l.Taken != 2 || l.Held != 1 || l.Free != 2 || l.Released != 0 || l.Shares[schedule.Alliance] != (schedule.Share{Places: 2, Taken: 1}) {
				t.Errorf("%+v %v", l, err)
			}
			return err
		}))
		w.clock("2026-03-02 09:15") // 09:10 of tomorrow is released, 09:30 not yet
		w.must(w.d.View(ctx, func(tx *db.Tx) error {
			l, err := w.svc.DayLoad(ctx, tx, w.cardiology.ID, schedule.Clinic, tomorrow)
			if err != nil || l.Released != 1 {
				t.Errorf("%+v %v", l, err)
			}
			return err
		}))
		need.Practitioner, need.N, need.Priority = "", 1, anybody
		if got := next(need); !slices.Equal(got, []string{"03 09:10 alliance 1"}) {
			t.Errorf("released: %v", got)
		}
	})
}

func TestBeds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		dept := w.cardiology.ID
		offered := func(kind schedule.BedKind, day calendar.Date) (b schedule.BedDay) {
			w.must(w.d.View(ctx, func(tx *db.Tx) error {
				list, err := schedule.Beds(ctx, tx, w.hospital.ID, day)
				for _, x := range list {
					if x.Department == dept && x.Kind == kind {
						b = x
					}
				}
				return err
			}))
			return b
		}
		w.must(w.svc.SetBeds(ctx, w.center, dept, schedule.MenBed, today, 1))
		w.must(w.svc.SetBeds(ctx, w.center, dept, schedule.AnyBed, today, 1))
		w.must(w.svc.SetBeds(ctx, w.center, dept, schedule.AnyBed, "2026-03-10", 4))
		w.must(w.svc.ChangeBeds(ctx, w.center, dept, schedule.AnyBed, tomorrow, 1))
		for day, want := range map[calendar.Date]int{today: 1, tomorrow: 2, "2026-03-09": 2, "2026-03-10": 4, "2026-04-20": 4} {
			if b := offered(schedule.AnyBed, day); b.Offered != want {
				t.Errorf("%s: %d, want %d", day, b.Offered, want)
			}
		}
		reserve := func(name string, kind schedule.BedKind, from calendar.Date, days int) error {
			_, err := w.book(schedule.Booking{Case: name, Patient: name, Bed: &schedule.BedRequest{Department: dept, Kind: kind, From: from, Days: days}})
			return err
		}
		w.must(reserve("m1", schedule.MenBed, tomorrow, 0))
		w.must(reserve("m2", schedule.MenBed, tomorrow, 0)) // from the beds without a mark
		w.must(reserve("w1", schedule.WomenBed, tomorrow, 0))
		w.refused(reserve("w2", schedule.WomenBed, "2026-03-05", 2), schedule.ReasonNoBed)
		w.refused(reserve("i1", schedule.IsolationBed, tomorrow, 1), schedule.ReasonNoBed)
		w.refused(reserve("past", schedule.AnyBed, "2026-03-01", 1), schedule.ReasonPast)
		w.must(reserve("w2", schedule.WomenBed, "2026-03-10", 2))
		if b := offered(schedule.AnyBed, "2026-03-05"); b.Taken != 2 || b.Free() != 0 {
			t.Errorf("%+v", b)
		}
		err := w.svc.ChangeBeds(ctx, w.center, dept, schedule.AnyBed, "2026-03-05", -1)
		if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "已预留或占用 2 张") {
			t.Error(err)
		}
		w.recount()
		w.must(reserve("m1", schedule.MenBed, "2026-03-04", 2)) // asked anew: the old one is given back
		if r := w.of("m1"); r.Bed.From != "2026-03-04" || r.Bed.Until != "2026-03-06" {
			t.Errorf("%+v", r.Bed)
		}
		w.recount()
		w.clock("2026-03-05 10:00") // m2 and w1 should have come on the 3rd
		w.expire()
		if r := w.of("m2"); r.Bed != nil {
			t.Errorf("kept: %+v", r.Bed)
		}
		if r := w.of("m1"); r.Bed == nil {
			t.Error("a day late is not yet lost")
		}
		w.recount()
		w.must(w.tx(func(tx *db.Tx) error { return w.svc.Use(ctx, tx, w.center, "w2") })) // five days early
		if r := w.of("w2"); r.Bed.From != "2026-03-05" || r.Bed.State != schedule.Used {
			t.Errorf("%+v", r.Bed)
		}
		w.recount()
		h, err := w.hold(schedule.Booking{Case: "h", Patient: "h", Bed: &schedule.BedRequest{Department: dept, From: "2026-03-20", Days: 1}})
		if err != nil || h.Bed.State != schedule.Held || h.Bed.ExpiresAt.IsZero() {
			t.Fatalf("%+v %v", h, err)
		}
		w.clock("2026-03-05 10:15")
		w.expire()
		if r := w.of("h"); r.Bed != nil {
			t.Errorf("still held: %+v", r.Bed)
		}
		w.recount()
	})
}

// TestNothingIsLostOrGivenTwice does at random everything that moves places,
// and after each step holds the counters to a recount: no slot and no share
// beyond its places, none lost, refusals leave nothing behind.
func TestNothingIsLostOrGivenTwice(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	w.must(w.svc.SetBeds(ctx, w.center, w.cardiology.ID, schedule.AnyBed, today, 2))
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		dbtest.SetClock(d, dbtest.Clock)
		c := w.save(schedule.Schedule{Department: w.cardiology.ID, Kind: schedule.Clinic, From: "08:30", To: "09:30", ValidTo: tomorrow, Capacity: 2,
			Alliance: rapid.IntRange(0, 3).Draw(rt, "alliance"), Contract: rapid.IntRange(0, 3).Draw(rt, "contract")})
		var slots []schedule.Slot
		for _, s := range w.slots(w.cardiology.ID, tomorrow) {
			if s.Schedule == c.ID {
				slots = append(slots, s)
			}
		}
		slot := func() string { return rapid.SampledFrom(slots).Draw(rt, "slot").ID }
		who := func() schedule.Booking {
			n := rapid.IntRange(0, 7).Draw(rt, "who")
			b := booking(fmt.Sprintf("%d-%d", round, n), schedule.Priority{
				Urgency:  rapid.SampledFrom([]string{"II", "III", "IV"}).Draw(rt, "urgency"),
				Referred: rapid.Bool().Draw(rt, "referred"), Contracted: rapid.Bool().Draw(rt, "contracted"),
			}, slot())
			if rapid.Bool().Draw(rt, "bed") {
				b.Bed = &schedule.BedRequest{Department: w.cardiology.ID, From: tomorrow.AddDays(rapid.IntRange(0, 2).Draw(rt, "from")), Days: 2}
			}
			return b
		}
		rt.Repeat(map[string]func(*rapid.T){
			"hold":    func(*rapid.T) { w.sound(errOf(w.hold(who()))) },
			"book":    func(*rapid.T) { w.sound(errOf(w.book(who()))) },
			"release": func(*rapid.T) { w.release(who().Case) },
			"use": func(*rapid.T) {
				w.must(w.tx(func(tx *db.Tx) error { return w.svc.Use(ctx, tx, w.center, who().Case) }))
			},
			"discharge": func(*rapid.T) {
				w.must(w.tx(func(tx *db.Tx) error { return w.svc.Discharge(ctx, tx, w.center, who().Case) }))
			},
			"move": func(*rapid.T) {
				b := who()
				if a := w.of(b.Case).Appointments; len(a) > 0 {
					w.sound(w.tx(func(tx *db.Tx) error {
						_, err := w.svc.Move(ctx, tx, w.center, a[0].ID, a[0].Version, b.Clinic, b.Priority)
						return err
					}))
				}
			},
			"wait": func(*rapid.T) {
				dbtest.SetClock(d, d.Now().Add(minute*7))
			},
			"expire": func(*rapid.T) { w.expire() },
			"change the plan": func(*rapid.T) {
				c.Capacity = rapid.IntRange(1, 3).Draw(rt, "capacity")
				c.Alliance, c.Contract = rapid.IntRange(0, 1).Draw(rt, "a"), rapid.IntRange(0, 1).Draw(rt, "c")
				c.To = rapid.SampledFrom([]schedule.Clock{"09:10", "09:30"}).Draw(rt, "to")
				c = w.save(c)
			},
			"close": func(*rapid.T) {
				w.must(w.svc.AddException(ctx, w.center, []string{c.ID}, schedule.Exception{Day: tomorrow, Kind: schedule.Closed, From: "08:30", To: "08:50", Reason: "x"}))
			},
			"": func(*rapid.T) { w.recountOf(c.ID) },
		})
		c.Active = false
		w.save(c)
	})
}

// sound lets pass what a person can be told, and nothing else.
func (w *world) sound(err error) {
	w.Helper()
	if err != nil && !errs.Is(err, errs.Conflict) {
		w.Fatal(err)
	}
}
