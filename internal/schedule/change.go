package schedule

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// program is who acts when time does.
func program() access.Actor { return audit.Program("号源管理") }

// Of returns what a case has now.
func Of(ctx context.Context, tx *db.Tx, caseID string) (r Reserved, err error) {
	if r.Appointments, err = appointmentsOf(ctx, tx, caseID); err != nil {
		return r, err
	}
	r.Bed, err = bedOf(ctx, tx, caseID)
	return r, err
}

// Move gives an appointment another slot of the same institution and kind; its
// id stays. A patient whose own session was cancelled may take any place. The
// case is told by the event Moved.
func (s *Service) Move(ctx context.Context, tx *db.Tx, actor access.Actor, id string, version int64, slot string, p Priority) (Appointment, error) {
	a, err := getAppointment(ctx, tx, id)
	if err != nil {
		return a, err
	}
	switch {
	case !a.State.Live():
		return a, errs.E(errs.Conflict, "这个预约%s，不能再改时间", a.State.Title())
	case a.Version != version:
		return a, stale("这个预约")
	case a.Slot.ID == slot:
		return a, errs.E(errs.Conflict, "新的时间与原来的相同，请另选时间")
	}
	to, err := GetSlot(ctx, tx, slot)
	if err != nil {
		return a, err
	}
	w, err := s.begin(ctx, tx, actor, Booking{Case: a.Case, Patient: a.Patient, Org: a.Slot.Org, Priority: p}, a.State)
	if err != nil {
		return a, err
	}
	w.except, w.displaced = a.ID, a.displaced()
	if to.Kind != a.Slot.Kind {
		return a, w.refuse(ctx, to, ReasonElsewhere, "不是"+a.Slot.Kind.Title()+"号，请重新选择")
	}
	if err := lockDays(ctx, tx, a.Slot, to); err != nil {
		return a, err
	}
	pool, err := w.claim(ctx, to)
	if err != nil {
		return a, err
	}
	from, fromPool := a.Slot, a.Pool
	n, err := tx.Exec(ctx, `UPDATE appointment SET slot = $3, pool = $4, practitioner = $5, version = version + 1
		WHERE id = $1 AND version = $2 AND state IN ('held', 'booked')`, a.ID, a.Version, to.ID, string(pool), to.Practitioner)
	if err != nil {
		return a, fmt.Errorf("move appointment: %w", err)
	}
	if n == 0 {
		return a, stale("这个预约")
	}
	if err := givePlace(ctx, tx, from.ID, fromPool); err != nil {
		return a, err
	}
	if err := s.Queue.Publish(ctx, tx, Moved{Case: a.Case, Appointment: a.ID, Start: to.Start}); err != nil {
		return a, err
	}
	if err := s.leaf(ctx, tx, actor, "appointment.move", a.Case, a.Patient, When(from.Start)+" → "+When(to.Start)); err != nil {
		return a, err
	}
	return getAppointment(ctx, tx, a.ID)
}

// displaced reports whether the appointment cannot be kept as it was made.
func (a Appointment) displaced() bool {
	return !a.Slot.Open || a.Slot.Capacity > a.Slot.Planned
}

// Alternatives returns the next free slots that an appointment could move to.
func (s *Service) Alternatives(ctx context.Context, tx *db.Tx, a Appointment, n int) ([]Free, error) {
	return s.NextFree(ctx, tx, Need{
		Department: a.Slot.Department, Service: a.Slot.Service, Kind: a.Slot.Kind, From: a.Slot.Day.Time(), Patient: a.Patient, N: n,
		except: a.ID, displaced: a.displaced(),
	})
}

// MoveAffected is Move for an appointment that a change of the plan has hit.
func (s *Service) MoveAffected(ctx context.Context, actor access.Actor, id string, version int64, slot string) (a Appointment, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := s.mayMove(ctx, tx, actor, id); err != nil {
			return err
		}
		a, err = s.Move(ctx, tx, actor, id, version, slot, Priority{})
		return err
	})
	return a, err
}

// Keep records that the patient knows the doctor who will see him instead, and
// keeps the appointment.
func (s *Service) Keep(ctx context.Context, actor access.Actor, id string, version int64) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := s.mayMove(ctx, tx, actor, id); err != nil {
			return err
		}
		a, err := getAppointment(ctx, tx, id)
		if err != nil {
			return err
		}
		if a.displaced() {
			return errs.E(errs.Conflict, "%s 已停诊或减号，不能保留原时间，请另选时间", When(a.Slot.Start))
		}
		n, err := tx.Exec(ctx, `UPDATE appointment SET practitioner = $3, version = version + 1
			WHERE id = $1 AND version = $2 AND state IN ('held', 'booked')`, id, version, a.Slot.Practitioner)
		if err != nil {
			return fmt.Errorf("keep appointment: %w", err)
		}
		if n == 0 {
			return stale("这个预约")
		}
		return s.leaf(ctx, tx, actor, "appointment.keep", a.Case, a.Patient, When(a.Slot.Start)+" 已告知替诊")
	})
}

func (s *Service) mayMove(ctx context.Context, tx *db.Tx, actor access.Actor, id string) error {
	a, err := getAppointment(ctx, tx, id)
	if err != nil {
		return err
	}
	return MayEdit(actor, a.Slot.Org, a.Slot.Department)
}

// Release gives back everything that a case has and has not used, and its bed:
// refusal, cancellation, no-show, death. A case that has nothing is not an
// error.
func (s *Service) Release(ctx context.Context, tx *db.Tx, actor access.Actor, caseID, reason string) error {
	r, err := Of(ctx, tx, caseID)
	if err != nil {
		return err
	}
	patient, n := "", 0
	for _, a := range r.Appointments {
		if !a.State.Live() {
			continue
		}
		patient, n = a.Patient, n+1
		if err := end(ctx, tx, actor, a, Released, reason); err != nil {
			return err
		}
	}
	if r.Bed != nil {
		patient, n = r.Bed.Patient, n+1
		if err := endBed(ctx, tx, actor, *r.Bed, Released, reason); err != nil {
			return err
		}
	}
	if n == 0 {
		return nil
	}
	return s.leaf(ctx, tx, actor, "appointment.release", caseID, patient, reason)
}

// Use records that the patient has come: what the case has until the end of
// the day is used, a clinic place on a later day is given back (he came
// early), later exams stay, and the bed is his from today.
func (s *Service) Use(ctx context.Context, tx *db.Tx, actor access.Actor, caseID string) error {
	r, err := Of(ctx, tx, caseID)
	if err != nil {
		return err
	}
	midnight := calendar.EndOf(calendar.DateOf(tx.Now))
	for _, a := range r.Appointments {
		switch {
		case !a.State.Live():
		case a.Slot.Start.After(midnight) && a.Slot.Kind == Exam && a.State == Booked:
		case a.Slot.Start.After(midnight) || a.State == Held:
			err = end(ctx, tx, actor, a, Released, "患者已提前到诊")
		default:
			err = setState(ctx, tx, actor, a, Used, "")
		}
		if err != nil {
			return err
		}
	}
	if r.Bed == nil {
		return nil
	}
	return s.occupy(ctx, tx, actor, *r.Bed)
}

// setState closes an appointment that keeps its place.
func setState(ctx context.Context, tx *db.Tx, actor access.Actor, a Appointment, state State, reason string) error {
	n, err := tx.Exec(ctx, `UPDATE appointment SET state = $3, ended_at = $4, ended_by = $5, reason = $6, expires_at = NULL, version = version + 1
		WHERE id = $1 AND version = $2`, a.ID, a.Version, string(state), db.At(tx.Now), signature(actor), reason)
	if err != nil {
		return fmt.Errorf("close appointment: %w", err)
	}
	if n == 0 {
		return stale("这个预约")
	}
	return nil
}

// batch is how many appointments one run of Expire looks at.
const batch = 500

// Expire ends what time has ended: holds that ran out, appointments and beds
// for which nobody came. It also keeps beds of patients who stay longer than
// expected. Running it again changes nothing.
func (s *Service) Expire(ctx context.Context, tx *db.Tx) error {
	late, err := db.List(ctx, tx, readAppointment, `SELECT `+appointmentColumns+appointmentFrom+`
		WHERE a.state = 'held' AND a.expires_at <= $1 ORDER BY a.expires_at, a.id LIMIT $2`, db.At(tx.Now), batch)
	if err != nil {
		return err
	}
	if err := s.expireHolds(ctx, tx, late); err != nil {
		return err
	}
	if err := s.miss(ctx, tx); err != nil {
		return err
	}
	return s.expireBeds(ctx, tx)
}

// miss marks appointments whose patient did not come. They keep their place:
// the time is over, and the day's figures stay what they were.
func (s *Service) miss(ctx context.Context, tx *db.Tx) error {
	over, err := db.List(ctx, tx, readAppointment, `SELECT `+appointmentColumns+appointmentFrom+`
		WHERE a.state = 'booked' AND s.ends_at <= $1 ORDER BY s.ends_at, a.id LIMIT $2`, db.At(tx.Now), batch)
	if err != nil {
		return err
	}
	grace := map[string]time.Duration{}
	for _, a := range over {
		if _, ok := grace[a.Slot.Org]; !ok {
			t, err := s.terms(ctx, tx, a.Slot.Org)
			if err != nil {
				return err
			}
			grace[a.Slot.Org] = t.missed
		}
		if a.Slot.End.Add(grace[a.Slot.Org]).After(tx.Now) {
			continue
		}
		if err := setState(ctx, tx, program(), a, Missed, "到时未到诊"); err != nil {
			return err
		}
		if err := s.Queue.Publish(ctx, tx, Lapsed{Case: a.Case, Item: a.ID, State: Missed}); err != nil {
			return err
		}
	}
	return nil
}
