package schedule_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/jobs"
	"yilian/internal/schedule"
)

var (
	anybody  = schedule.Priority{Urgency: "IV"}
	referred = schedule.Priority{Urgency: "IV", Referred: true}
	signed   = schedule.Priority{Urgency: "IV", Contracted: true}
	urgent   = schedule.Priority{Urgency: "III"}
)

// TestHundredTriesOneSession lets 100 people want the same 3 places of one
// slot, then the same day by whichever slot: exactly as many get one as there
// are places, and nobody else is told anything but that it is full.
func TestHundredTriesOneSession(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.clinic(4, 3, 4, 2)
		slots := w.slots(w.cardiology.ID, tomorrow)
		if won := w.crowd(100, func(int) string { return slots[0].ID }); won != 3 {
			t.Errorf("%d won 3 places of one slot", won)
		}
		w.recount()
		if won := w.crowd(100, func(i int) string { return slots[1+i%3].ID }); won != 9 {
			t.Errorf("%d won the 9 places left of the day", won)
		}
		w.recount()
	})
}

// crowd lets n people try at the same time and returns how many got a place.
func (w *world) crowd(n int, slot func(i int) string) (won int) {
	var group sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		group.Go(func() {
			_, err := w.book(booking(fmt.Sprintf("%s-%d", slot(i), i), urgent, slot(i)))
			mu.Lock()
			defer mu.Unlock()
			r, refused := errors.AsType[*schedule.Refused](err)
			switch {
			case err == nil:
				won++
			case !refused || r.Reason != schedule.ReasonFull:
				w.Errorf("refused with %v", err)
			}
		})
	}
	group.Wait()
	return won
}

// TestHundredTriesOneBed does the same for beds, and lets one patient be booked
// by many desks at once.
func TestHundredTriesOneBed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.must(w.svc.SetBeds(ctx, w.center, w.cardiology.ID, schedule.AnyBed, today, 2))
		w.clinic(4, 30, 0, 0)
		w.save(schedule.Schedule{Department: w.imaging.ID, Kind: schedule.Exam, Capacity: 30, From: "08:30", To: "11:30"})
		slots := []schedule.Slot{w.slots(w.cardiology.ID, tomorrow)[0], w.slots(w.imaging.ID, tomorrow)[0]}
		var group sync.WaitGroup
		var mu sync.Mutex
		beds, visits := 0, 0
		for i := range 100 {
			group.Go(func() {
				_, err := w.book(schedule.Booking{Case: fmt.Sprintf("bed-%d", i), Patient: fmt.Sprintf("p-%d", i),
					Bed: &schedule.BedRequest{Department: w.cardiology.ID, From: tomorrow, Days: 3}})
				_, err2 := w.book(schedule.Booking{Case: fmt.Sprintf("visit-%d", i), Patient: "the same", Clinic: slots[i%2].ID})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					beds++
				} else if _, ok := errors.AsType[*schedule.Refused](err); !ok {
					t.Errorf("bed: %v", err)
				}
				if err2 == nil {
					visits++
				} else if _, ok := errors.AsType[*schedule.Refused](err2); !ok {
					t.Errorf("visit: %v", err2)
				}
			})
		}
		group.Wait()
		if beds != 2 || visits != 1 {
			t.Errorf("%d got 2 beds; one patient got %d places at the same time", beds, visits)
		}
		w.recount()
	})
}

func TestSharesOfADay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.clinic(4, 1, 1, 1) // 4 places: 1 for referrals, 1 for contracted, 2 open
		slots := w.slots(w.cardiology.ID, "2026-03-05")
		for i := range 2 {
			if _, err := w.book(booking(fmt.Sprint(i), anybody, slots[i].ID)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := w.book(booking("third", anybody, slots[2].ID))
		r := w.refused(err, schedule.ReasonReserved)
		for _, text := range []string{"3月5日（周四）09:10 心血管内科上午门诊余下的 2 个号预留", "3月4日（周三）09:10起转为公开", "最近可约：3月6日（周五）08:30、"} {
			if !strings.Contains(r.Error(), text) {
				t.Errorf("%q misses %q", r.Error(), text)
			}
		}
		if len(r.Next) != 3 || r.Item != schedule.ItemClinic {
			t.Errorf("%+v", r)
		}
		got, err := w.book(booking("referred", referred, slots[2].ID))
		if a, ok := got.Clinic(); err != nil || !ok || a.Pool != schedule.Alliance || a.State != schedule.Booked {
			t.Fatalf("%+v %v", got, err)
		}
		_, err = w.book(booking("referred 2", referred, slots[3].ID))
		w.refused(err, schedule.ReasonReserved)
		w.clock("2026-03-04 09:30") // the slot of 09:30 is released to all
		if _, err = w.book(booking("third", anybody, slots[3].ID)); err != nil {
			t.Fatal(err)
		}
		w.recount()
	})
}

// TestTriageTakesWhatIsKept proves that a more urgent patient without contract
// is not refused for the sake of less urgent ones who have priority.
func TestTriageTakesWhatIsKept(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.clinic(2, 1, 1, 1)
		slots := w.slots(w.cardiology.ID, "2026-03-05")
		_, err := w.book(booking("a", anybody, slots[0].ID))
		w.refused(err, schedule.ReasonReserved)
		if _, err := w.book(booking("b", urgent, slots[0].ID)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.book(booking("c", signed, slots[1].ID)); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTogetherOrNotAtAll(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.clinic(6, 1, 0, 0)
		w.save(schedule.Schedule{Department: w.imaging.ID, Kind: schedule.Exam, Room: "CT 1", Capacity: 1, From: "08:30", To: "11:30"})
		clinic, exam := w.slots(w.cardiology.ID, tomorrow), w.slots(w.imaging.ID, tomorrow)
		b := booking("a", referred, clinic[0].ID)
		b.Exams = []string{exam[3].ID}
		b.Bed = &schedule.BedRequest{Department: w.cardiology.ID, From: tomorrow, Days: 5}
		_, err := w.book(b)
		if r := w.refused(err, schedule.ReasonNoBed); r.Item != schedule.ItemBed || !strings.Contains(r.Error(), "没有空余的普通床") {
			t.Error(r)
		}
		if r := w.of(b.Case); len(r.Appointments) != 0 || r.Bed != nil {
			t.Fatalf("something was kept: %+v", r)
		}
		w.recount()
		w.must(w.svc.SetBeds(ctx, w.center, w.cardiology.ID, schedule.AnyBed, "2026-03-04", 1))
		_, err = w.book(b)
		if r := w.refused(err, schedule.ReasonNoBed); r.NextOn != "2026-03-04" || !strings.Contains(r.Error(), "最早可从 3月4日（周三）入院") {
			t.Error(r)
		}
		b.Bed.From, b.Org = "2026-03-04", w.hospital.ID
		got, err := w.book(b)
		if err != nil || len(got.Appointments) != 2 || len(got.Exams()) != 1 || got.Bed == nil || got.Bed.Until != "2026-03-09" {
			t.Fatalf("%+v %v", got, err)
		}
		b.Org = "another"
		b.Clinic = clinic[1].ID
		_, err = w.book(b)
		w.refused(err, schedule.ReasonElsewhere)
		w.recount()
		w.release(b.Case)
		if r := w.of(b.Case); len(r.Appointments) != 0 || r.Bed != nil {
			t.Fatalf("something was kept: %+v", r)
		}
		w.recount()
	})
}

func TestRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		c := w.clinic(4, 1, 0, 0)
		w.save(schedule.Schedule{Department: w.imaging.ID, Kind: schedule.Exam, Capacity: 1, From: "08:30", To: "11:30"})
		now, next := w.slots(w.cardiology.ID, today), w.slots(w.cardiology.ID, tomorrow)
		if len(now) != 2 || now[0].Title != "上午门诊" { // those that had begun when the plan was made are not there
			t.Fatalf("today: %+v", now)
		}
		w.clock("2026-03-02 09:10")
		_, err := w.book(booking("late", anybody, now[0].ID))
		if r := w.refused(err, schedule.ReasonPast); !strings.Contains(r.Error(), "3月2日（周一）09:10 心血管内科上午门诊的时间已过。最近可约：3月2日（周一）09:30、3月3日（周二）08:30") {
			t.Error(r)
		}
		first := booking("a", anybody, next[0].ID)
		if _, err := w.book(first); err != nil {
			t.Fatal(err)
		}
		exam := w.slots(w.imaging.ID, tomorrow)[0]
		clash := schedule.Booking{Case: "another case", Patient: first.Patient, Exams: []string{exam.ID}}
		_, err = w.book(clash)
		r := w.refused(err, schedule.ReasonOverlap)
		if !strings.Contains(r.Error(), "与患者已约的 3月3日（周二）08:30 心血管内科上午门诊时间冲突。最近可约：3月3日（周二）08:50") || r.Item != schedule.ItemExam {
			t.Error(r)
		}
		_, err = w.book(schedule.Booking{Case: "x", Patient: "p", Clinic: next[1].ID, Exams: []string{w.slots(w.imaging.ID, tomorrow)[1].ID}})
		w.refused(err, schedule.ReasonOverlap)
		_, err = w.book(booking("b", anybody, next[0].ID))
		w.refused(err, schedule.ReasonFull)
		w.must(w.svc.AddException(ctx, w.center, []string{c.ID}, schedule.Exception{Day: tomorrow, Kind: schedule.Closed, Reason: "外出会诊"}))
		_, err = w.book(booking("b", anybody, next[1].ID))
		if r := w.refused(err, schedule.ReasonClosed); !strings.Contains(r.Error(), "已停诊。最近可约：3月4日（周三）08:30") {
			t.Error(r)
		}
		if _, err := w.book(booking("b", anybody, "nothing")); !errs.Is(err, errs.NotFound) {
			t.Error(err)
		}
		w.recount()
	})
}

func TestHolds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.clinic(8, 1, 0, 0)
		var lapsed []schedule.Lapsed
		jobs.Subscribe(w.queue, "test", func(_ ctxType, _ *db.Tx, e schedule.Lapsed) error { lapsed = append(lapsed, e); return nil })
		slots := w.slots(w.cardiology.ID, tomorrow)
		a, b := booking("a", anybody, slots[0].ID), booking("b", anybody, slots[0].ID)
		got, err := w.hold(a)
		if err != nil || got.Appointments[0].State != schedule.Held || !got.Appointments[0].ExpiresAt.Equal(dbtest.Clock.Add(15*minute)) {
			t.Fatalf("%+v %v", got, err)
		}
		_, err = w.book(b)
		w.refused(err, schedule.ReasonFull)
		w.clock("2026-03-02 09:10")
		if got, err = w.hold(a); err != nil || !got.Appointments[0].ExpiresAt.Equal(dbtest.Clock.Add(25*minute)) {
			t.Fatalf("held anew: %+v %v", got, err)
		}
		w.clock("2026-03-02 09:25") // the hold is over, though no job has come by
		if _, err = w.book(b); err != nil {
			t.Fatal(err)
		}
		a.Clinic = slots[1].ID
		got, err = w.hold(a)
		if err != nil || len(got.Appointments) != 1 {
			t.Fatalf("%+v %v", got, err)
		}
		a.Clinic = slots[2].ID
		if got, err = w.book(a); err != nil || len(got.Appointments) != 1 || got.Appointments[0].Slot.ID != slots[2].ID {
			t.Fatalf("the other hold stays: %+v %v", got, err)
		}
		w.must(w.queue.Drain(ctx))
		if len(lapsed) != 1 || lapsed[0].Case != "case-a" || lapsed[0].State != schedule.Expired {
			t.Errorf("told %+v", lapsed)
		}
		c := booking("c", anybody, slots[4].ID)
		w.must(errOf(w.hold(c)))
		w.clock("2026-03-02 10:30")
		if got, err := w.book(c); err != nil || got.Appointments[0].State != schedule.Booked {
			t.Fatalf("a hold that ran out unharmed: %+v %v", got, err)
		}
		for i := range 7 {
			h := booking("greedy", anybody, w.slots(w.cardiology.ID, "2026-03-04")[i].ID)
			if _, err := w.hold(h); (err != nil) != (i == 6) {
				t.Errorf("hold %d: %v", i, err)
			}
		}
		w.clock("2026-03-02 11:00")
		w.expire()
		w.expire()
		if r := w.of("case-greedy"); len(r.Appointments) != 0 {
			t.Errorf("still held: %+v", r)
		}
		w.recount()
	})
}

func TestMove(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.clinic(4, 1, 1, 0)
		var moved []schedule.Moved
		jobs.Subscribe(w.queue, "test", func(_ ctxType, _ *db.Tx, e schedule.Moved) error { moved = append(moved, e); return nil })
		slots := w.slots(w.cardiology.ID, tomorrow)
		got, err := w.book(booking("a", referred, slots[0].ID))
		w.must(err)
		w.must(errOf(w.book(booking("b", referred, slots[1].ID))))
		a := got.Appointments[0]
		move := func(version int64, to string) (m schedule.Appointment, err error) {
			err = w.tx(func(tx *db.Tx) (err error) {
				m, err = w.svc.Move(ctx, tx, w.center, a.ID, version, to, referred)
				return err
			})
			return m, err
		}
		_, err = move(a.Version, slots[1].ID)
		w.refused(err, schedule.ReasonFull)
		if _, err = move(a.Version, slots[0].ID); !errs.Is(err, errs.Conflict) {
			t.Error(err)
		}
		m, err := move(a.Version, slots[3].ID)
		if err != nil || m.ID != a.ID || m.Slot.ID != slots[3].ID || m.State != schedule.Booked {
			t.Fatalf("%+v %v", m, err)
		}
		if _, err = move(a.Version, slots[0].ID); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "刚刚被别人改过") {
			t.Error(err)
		}
		w.must(w.queue.Drain(ctx))
		if len(moved) != 1 || moved[0].Case != a.Case || !moved[0].Start.Equal(slots[3].Start) {
			t.Errorf("told %+v", moved)
		}
		w.recount()
		w.release(a.Case)
		if _, err = move(m.Version+1, slots[0].ID); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "已取消") {
			t.Error(err)
		}
	})
}

func TestArrivalAndNoShow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.clinic(6, 1, 0, 0)
		w.save(schedule.Schedule{Department: w.imaging.ID, Kind: schedule.Exam, Capacity: 1, From: "08:30", To: "11:30"})
		w.must(w.svc.SetBeds(ctx, w.center, w.cardiology.ID, schedule.AnyBed, today, 1))
		slots := w.slots(w.cardiology.ID, tomorrow)
		b := booking("a", anybody, slots[0].ID)
		b.Exams = []string{w.slots(w.imaging.ID, tomorrow)[4].ID, w.slots(w.imaging.ID, "2026-03-05")[0].ID}
		b.Bed = &schedule.BedRequest{Department: w.cardiology.ID, From: tomorrow, Days: 1}
		w.must(errOf(w.book(b)))
		w.must(errOf(w.book(booking("b", anybody, slots[1].ID))))
		use := func(name string) { w.must(w.tx(func(tx *db.Tx) error { return w.svc.Use(ctx, tx, w.center, name) })) }
		w.clock("2026-03-03 08:20")
		use("case-a")
		use("case-a")
		r := w.of("case-a")
		if r.Appointments[0].State != schedule.Used || r.Appointments[1].State != schedule.Used || r.Appointments[2].State != schedule.Booked || r.Bed.State != schedule.Used {
			t.Fatalf("%+v", r)
		}
		w.clock("2026-03-03 13:09")
		w.expire()
		if r := w.of("case-b"); r.Appointments[0].State != schedule.Booked {
			t.Fatalf("missed too early: %+v", r)
		}
		w.clock("2026-03-03 13:10") // the slot ended at 09:10
		w.expire()
		if r := w.of("case-b"); r.Appointments[0].State != schedule.Missed {
			t.Fatalf("%+v", r)
		}
		w.recount()
		w.clock("2026-03-05 00:01") // one night longer than expected
		w.expire()
		if r := w.of("case-a"); r.Bed.Until != "2026-03-06" {
			t.Fatalf("%+v", r.Bed)
		}
		w.recount()
		w.must(w.tx(func(tx *db.Tx) error { return w.svc.Discharge(ctx, tx, w.center, "case-a") }))
		if r := w.of("case-a"); r.Bed != nil || len(r.Appointments) != 3 {
			t.Fatalf("%+v", r)
		}
		w.recount()
		early := booking("early", anybody, w.slots(w.cardiology.ID, "2026-03-06")[0].ID)
		w.must(errOf(w.book(early)))
		use("case-early")
		if r := w.of("case-early"); len(r.Appointments) != 0 {
			t.Fatalf("the place of tomorrow is kept: %+v", r)
		}
		w.recount()
	})
}
