package schedule

import (
	"context"
	"fmt"
	"slices"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
)

// Extend lays out the slots of all schedules up to the horizon. It writes only
// what differs, so that running it again changes nothing.
func (s *Service) Extend(ctx context.Context, tx *db.Tx) error {
	all, err := activeSchedules(ctx, tx)
	if err != nil {
		return err
	}
	horizons := map[string]int{}
	for _, c := range all {
		if _, ok := horizons[c.Org]; !ok {
			t, err := s.terms(ctx, tx, c.Org)
			if err != nil {
				return err
			}
			horizons[c.Org] = t.horizon
		}
		if err := s.layOutTo(ctx, tx, c, horizons[c.Org]); err != nil {
			return fmt.Errorf("lay out schedule %s: %w", c.ID, err)
		}
	}
	return nil
}

// layOut brings the slots of a schedule from now to the horizon in line with
// its plan.
func (s *Service) layOut(ctx context.Context, tx *db.Tx, c Schedule) error {
	t, err := s.terms(ctx, tx, c.Org)
	if err != nil {
		return err
	}
	return s.layOutTo(ctx, tx, c, t.horizon)
}

func (s *Service) layOutTo(ctx context.Context, tx *db.Tx, c Schedule, horizon int) error {
	today := calendar.DateOf(tx.Now)
	exceptions, err := exceptionsOf(ctx, tx, c.ID, today)
	if err != nil {
		return err
	}
	have, err := slotsOf(ctx, tx, c.ID, today)
	if err != nil {
		return err
	}
	known, err := db.List(ctx, tx, readDayShares, `SELECT schedule, day, `+shareColumns+` FROM schedule_day WHERE schedule = $1 AND day >= $2`,
		c.ID, string(today))
	if err != nil {
		return err
	}
	last := today.AddDays(horizon)
	for _, d := range known {
		last = max(last, d.day)
	}
	for day := today; day <= last; day = day.AddDays(1) {
		w := dayWork{c: c, day: day, now: tx.Now}
		w.have = slices.Clone(have)
		w.have = slices.DeleteFunc(w.have, func(x Slot) bool { return x.Day != day })
		if i := slices.IndexFunc(known, func(d dayShares) bool { return d.day == day }); i >= 0 {
			w.known, w.shares = true, known[i].shares
		}
		ofDay := slices.DeleteFunc(slices.Clone(exceptions), func(e Exception) bool { return e.Day != day })
		w.settle(plan(c, day, s.holiday(day), ofDay))
		if err := w.write(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// dayWork is one day of one schedule that is brought in line with the plan.
type dayWork struct {
	c      Schedule
	day    calendar.Date
	now    time.Time
	have   []Slot
	known  bool // the day has a row
	shares Shares

	changed []Slot // known slots with new values
	added   []Slot
	divided Shares
}

// settle finds what has to change. Slots that have begun stay as they are; a
// slot the plan no longer has is closed and keeps its bookings, a slot cut
// below what is taken keeps room for exactly those.
func (w *dayWork) settle(want []session) {
	places := 0
	for _, h := range w.have {
		n := h
		if h.Start.After(w.now) {
			i := slices.IndexFunc(want, func(x session) bool { return x.start.Equal(h.Start) })
			if i >= 0 {
				n.Planned, n.Open, n.Practitioner = want[i].capacity, true, want[i].practitioner
				if !n.End.Equal(want[i].end) {
					n.End = want[i].end
				}
			} else {
				n.Planned, n.Open = 0, false
			}
			n.Capacity = max(n.Planned, n.Taken)
		}
		if n != h {
			w.changed = append(w.changed, n)
		}
		places += n.Capacity
	}
	for _, x := range want {
		there := slices.ContainsFunc(w.have, func(h Slot) bool { return h.Start.Equal(x.start) })
		if !there && x.start.After(w.now) {
			w.added = append(w.added, Slot{ID: db.NewID(), Start: x.start, End: x.end, Planned: x.capacity, Capacity: x.capacity, Open: true, Practitioner: x.practitioner})
			places += x.capacity
		}
	}
	w.divided = divide(places, w.c.Alliance, w.c.Contract, w.shares)
}

// write stores what settle found; a day without changes is not touched.
func (w *dayWork) write(ctx context.Context, tx *db.Tx) error {
	same := w.known || len(w.added) == 0
	for _, p := range []Pool{Alliance, Contract, Public} {
		same = same && w.shares[p] == w.divided[p]
	}
	if same && len(w.changed)+len(w.added) == 0 {
		return nil
	}
	if err := w.writeShares(ctx, tx); err != nil {
		return err
	}
	for _, n := range w.changed {
		_, err := tx.Exec(ctx, `UPDATE slot SET ends_at = $2, planned = $3, capacity = $4, open = $5, practitioner = $6 WHERE id = $1 AND taken = $7`,
			n.ID, db.At(n.End), n.Planned, n.Capacity, n.Open, n.Practitioner, n.Taken)
		if err != nil {
			return fmt.Errorf("update slot: %w", err)
		}
	}
	for _, n := range w.added {
		_, err := tx.Exec(ctx, `INSERT INTO slot (id, schedule, day, starts_at, ends_at, planned, capacity, taken, open, practitioner)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)`,
			n.ID, w.c.ID, string(w.day), db.At(n.Start), db.At(n.End), n.Planned, n.Capacity, n.Open, n.Practitioner)
		if err != nil {
			return fmt.Errorf("insert slot: %w", err)
		}
	}
	return nil
}

// writeShares stores the division of the day. The row is written before any
// slot, so that a booking of the same day waits or is asked to begin again.
func (w *dayWork) writeShares(ctx context.Context, tx *db.Tx) error {
	d := w.divided
	_, err := tx.Exec(ctx, `INSERT INTO schedule_day (schedule, day, alliance, alliance_taken, contract, contract_taken, open, open_taken, version)
		VALUES ($1, $2, $3, 0, $4, 0, $5, 0, 1)
		ON CONFLICT (schedule, day) DO UPDATE SET alliance = excluded.alliance, contract = excluded.contract, open = excluded.open,
			version = schedule_day.version + 1`,
		w.c.ID, string(w.day), d[Alliance].Places, d[Contract].Places, d[Public].Places)
	if err != nil {
		return fmt.Errorf("divide day: %w", err)
	}
	return nil
}
