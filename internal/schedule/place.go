package schedule

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// This file is the only one that moves the counters of places. Each function
// is called after lockDays for the day of the slot.

// lockDays moves the version of the days of the slots, in one order for all:
// on PostgreSQL a booking of the same day that is under way makes this one wait
// and begin again, so that what is read after it is the present.
func lockDays(ctx context.Context, tx *db.Tx, slots ...Slot) error {
	keys := make([]dayKey, 0, len(slots))
	for _, s := range slots {
		keys = append(keys, dayKey{s.Schedule, s.Day})
	}
	slices.SortFunc(keys, func(a, b dayKey) int {
		return cmp.Or(cmp.Compare(a.schedule, b.schedule), cmp.Compare(a.day, b.day))
	})
	for _, k := range slices.Compact(keys) {
		n, err := tx.Exec(ctx, `UPDATE schedule_day SET version = version + 1 WHERE schedule = $1 AND day = $2`, k.schedule, string(k.day))
		if err != nil {
			return fmt.Errorf("lock day: %w", err)
		}
		if n == 0 {
			return fmt.Errorf("lock day %s of schedule %s: no such day", k.day, k.schedule)
		}
	}
	return nil
}

// lockPatient lets bookings of one patient follow each other.
func lockPatient(ctx context.Context, tx *db.Tx, patient string) error {
	_, err := tx.Exec(ctx, `INSERT INTO appointment_patient (patient, turn) VALUES ($1, 1)
		ON CONFLICT (patient) DO UPDATE SET turn = appointment_patient.turn + 1`, patient)
	if err != nil {
		return fmt.Errorf("lock patient: %w", err)
	}
	return nil
}

// takePlace counts one more place of a slot and of a share. The database
// refuses what is full, whatever was read before.
func takePlace(ctx context.Context, tx *db.Tx, slot Slot, pool Pool) error {
	n, err := tx.Exec(ctx, `UPDATE slot SET taken = taken + 1 WHERE id = $1 AND open AND taken < capacity`, slot.ID)
	if err != nil {
		return fmt.Errorf("take place: %w", err)
	}
	if n == 0 {
		return errs.E(errs.Conflict, "这个时段刚刚约满，请另选时间")
	}
	ok, err := count(ctx, tx, slot, pool, 0, 1)
	if err == nil && !ok {
		err = errs.E(errs.Conflict, "当天%s的号刚刚约满，请另选日期", pool.Title())
	}
	return err
}

// count changes places and taken of a share; false: the share would be
// overdrawn, and nothing is changed.
func count(ctx context.Context, tx *db.Tx, slot Slot, pool Pool, places, taken int) (bool, error) {
	d := map[Pool]Share{pool: {places, taken}}
	n, err := tx.Exec(ctx, `UPDATE schedule_day SET alliance = alliance + $3, alliance_taken = alliance_taken + $4,
			contract = contract + $5, contract_taken = contract_taken + $6, open = open + $7, open_taken = open_taken + $8
		WHERE schedule = $1 AND day = $2 AND alliance_taken + $4 <= alliance + $3
		  AND contract_taken + $6 <= contract + $5 AND open_taken + $8 <= open + $7`,
		slot.Schedule, string(slot.Day), d[Alliance].Places, d[Alliance].Taken, d[Contract].Places, d[Contract].Taken,
		d[Public].Places, d[Public].Taken)
	if err != nil {
		return false, fmt.Errorf("count share: %w", err)
	}
	return n == 1, nil
}

// givePlace gives a place back. A place beyond the plan (the slot was closed or
// cut after it was booked) is gone with it.
func givePlace(ctx context.Context, tx *db.Tx, slotID string, pool Pool) error {
	slot, err := GetSlot(ctx, tx, slotID)
	if err != nil {
		return err
	}
	gone := 0
	if slot.Capacity > slot.Planned {
		gone = 1
	}
	n, err := tx.Exec(ctx, `UPDATE slot SET taken = taken - 1, capacity = capacity - $2 WHERE id = $1 AND taken > 0`, slot.ID, gone)
	if err != nil {
		return fmt.Errorf("give place back: %w", err)
	}
	if n != 1 {
		return fmt.Errorf("give place of slot %s back: none is taken", slot.ID)
	}
	ok, err := count(ctx, tx, slot, pool, -gone, -1)
	if err == nil && !ok {
		err = fmt.Errorf("give place of slot %s back: share %s does not count it", slot.ID, pool)
	}
	return err
}

// end gives the place of an appointment back and closes it in state.
func end(ctx context.Context, tx *db.Tx, actor access.Actor, a Appointment, state State, reason string) error {
	if err := lockDays(ctx, tx, a.Slot); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE appointment SET state = $3, ended_at = $4, ended_by = $5, reason = $6, expires_at = NULL, version = version + 1
		WHERE id = $1 AND version = $2`, a.ID, a.Version, string(state), db.At(tx.Now), signature(actor), reason)
	if err != nil {
		return fmt.Errorf("end appointment: %w", err)
	}
	if n == 0 {
		return stale("这个预约")
	}
	return givePlace(ctx, tx, a.Slot.ID, a.Pool)
}

// reap ends the holds of a day that have run out, so that nobody is refused
// because the periodic job has not come yet.
func (s *Service) reap(ctx context.Context, tx *db.Tx, schedule string, day calendar.Date) error {
	late, err := db.List(ctx, tx, readAppointment, `SELECT `+appointmentColumns+appointmentFrom+`
		WHERE s.schedule = $1 AND s.day = $2 AND a.state = 'held' AND a.expires_at <= $3 ORDER BY a.id`, schedule, string(day), db.At(tx.Now))
	if err != nil {
		return err
	}
	return s.expireHolds(ctx, tx, late)
}

func (s *Service) expireHolds(ctx context.Context, tx *db.Tx, late []Appointment) error {
	for _, a := range late {
		if err := end(ctx, tx, program(), a, Expired, "暂留到时"); err != nil {
			return err
		}
		if err := s.Queue.Publish(ctx, tx, Lapsed{Case: a.Case, Item: a.ID, State: Expired}); err != nil {
			return err
		}
	}
	return nil
}
