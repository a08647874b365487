package schedule

import (
	"context"
	"fmt"
	"slices"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
)

// bed gives the case the bed that the booking names, or takes back the one it
// has when the booking names none.
func (w *booker) bed(ctx context.Context) error {
	has, want := w.now.Bed, w.b.Bed
	if has != nil && has.State == Used {
		return nil // he lies in it
	}
	if want == nil {
		if has == nil {
			return nil
		}
		return endBed(ctx, w.tx, w.actor, *has, Released, "不再需要床位")
	}
	if has != nil {
		if has.matches(*want) {
			return w.confirmBed(ctx, *has)
		}
		if err := endBed(ctx, w.tx, w.actor, *has, Released, "另选了床位"); err != nil {
			return err
		}
	}
	return w.reserveBed(ctx, *want)
}

// matches reports whether a reservation is what is asked for.
func (b BedReservation) matches(r BedRequest) bool {
	return b.Department == r.Department && slices.Contains(bedPools(r.Kind), b.Kind) && b.From == r.From &&
		(r.Days == 0 || b.Until == b.From.AddDays(r.Days))
}

// confirmBed makes a hold a booking, or prolongs it when it stays a hold.
func (w *booker) confirmBed(ctx context.Context, b BedReservation) error {
	if b.State == Booked {
		return nil
	}
	dept, err := organization.GetDepartment(ctx, w.tx, b.Department)
	if err != nil {
		return err
	}
	t, err := w.of(ctx, dept.Org)
	if err != nil {
		return err
	}
	expires := db.Time{}
	if w.state == Held {
		expires = db.At(w.tx.Now.Add(t.hold))
	}
	_, err = w.tx.Exec(ctx, `UPDATE bed_reservation SET state = $2, expires_at = $3, version = version + 1 WHERE id = $1 AND state = 'held'`,
		b.ID, string(w.state), expires)
	if err != nil {
		return fmt.Errorf("confirm bed: %w", err)
	}
	return nil
}

func (w *booker) reserveBed(ctx context.Context, r BedRequest) error {
	dept, err := organization.GetDepartment(ctx, w.tx, r.Department)
	if err != nil {
		return err
	}
	if w.b.Org != "" && dept.Org != w.b.Org {
		return &Refused{Item: ItemBed, Reason: ReasonElsewhere, err: errs.E(errs.Conflict, "%s不是接收医院的科室，请重新选择床位", dept.Name)}
	}
	t, err := w.of(ctx, dept.Org)
	if err != nil {
		return err
	}
	if r.Days <= 0 {
		r.Days = t.bedDays
	}
	today := calendar.DateOf(w.tx.Now)
	if r.From < today || r.From > today.AddDays(bedAhead) {
		return &Refused{Item: ItemBed, Reason: ReasonPast, err: errs.E(errs.Conflict, "入院日期应在今天起 %d 天内，现在是 %s", bedAhead, r.From)}
	}
	if err := w.s.reapBeds(ctx, w.tx, r.Department); err != nil {
		return err
	}
	kind, err := w.freePool(ctx, r)
	if err != nil {
		return err
	}
	if kind == nil {
		return w.noBed(ctx, dept, r)
	}
	b := BedReservation{
		ID: db.NewID(), Department: r.Department, Kind: *kind, Case: w.b.Case, Patient: w.b.Patient, Subject: w.b.Subject, State: w.state,
		From: r.From, Until: r.From.AddDays(r.Days), MadeBy: signature(w.actor),
	}
	if w.state == Held {
		b.ExpiresAt = w.tx.Now.Add(t.hold)
	}
	if err := takeBeds(ctx, w.tx, b, false); err != nil {
		return err
	}
	return insertBed(ctx, w.tx, b)
}

// freePool returns the first pool with a bed on every day of the stay; nil
// when there is none.
func (w *booker) freePool(ctx context.Context, r BedRequest) (*BedKind, error) {
	for _, kind := range bedPools(r.Kind) {
		days, err := bedDays(ctx, w.tx, r.Department, kind, r.From, r.From.AddDays(r.Days))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(days, func(d BedDay) bool { return d.Free() == 0 }) {
			return &kind, nil
		}
	}
	return nil, nil
}

func (w *booker) noBed(ctx context.Context, dept organization.Department, r BedRequest) error {
	out := &Refused{Item: ItemBed, Reason: ReasonNoBed}
	next, ok, err := w.s.NextBed(ctx, w.tx, r)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s从 %s起 %d 天内没有空余的%s", dept.Name, dayText(r.From), r.Days, r.Kind.Title())
	if ok {
		out.NextOn = next
		text += "。最早可从 " + dayText(next) + "入院"
	} else {
		text += "。可登记候床并承诺日期，或请床位管理增加床位"
	}
	out.err = errs.E(errs.Conflict, "%s", text)
	return out
}

// NextBed returns the first day from r.From on from which a bed is free for
// the whole stay.
func (s *Service) NextBed(ctx context.Context, tx *db.Tx, r BedRequest) (day calendar.Date, ok bool, err error) {
	if r.Days <= 0 {
		dept, err := organization.GetDepartment(ctx, tx, r.Department)
		if err != nil {
			return "", false, err
		}
		t, err := s.terms(ctx, tx, dept.Org)
		if err != nil {
			return "", false, err
		}
		r.Days = t.bedDays
	}
	from := max(r.From, calendar.DateOf(tx.Now))
	for _, kind := range bedPools(r.Kind) {
		days, err := bedDays(ctx, tx, r.Department, kind, from, from.AddDays(bedAhead+r.Days))
		if err != nil {
			return "", false, err
		}
		run := 0
		for _, d := range days {
			run++
			if d.Free() == 0 {
				run = 0
			}
			if run < r.Days {
				continue
			}
			if first := d.Day.AddDays(1 - r.Days); !ok || first < day {
				day, ok = first, true
			}
			break
		}
	}
	return day, ok, nil
}

// takeBeds counts the days of a stay; overfull counts even where no bed is
// free, for patients who stay on.
func takeBeds(ctx context.Context, tx *db.Tx, b BedReservation, overfull bool) error {
	days, err := bedDays(ctx, tx, b.Department, b.Kind, b.From, b.Until)
	if err != nil {
		return err
	}
	if err := storeBedDays(ctx, tx, days); err != nil {
		return err
	}
	for _, d := range days {
		n, err := tx.Exec(ctx, `UPDATE bed_day SET taken = taken + 1
			WHERE department = $1 AND kind = $2 AND day = $3 AND (taken < offered OR CAST($4 AS BOOLEAN))`,
			d.Department, string(d.Kind), string(d.Day), overfull)
		if err != nil {
			return fmt.Errorf("take bed: %w", err)
		}
		if n == 0 {
			return &Refused{Item: ItemBed, Reason: ReasonNoBed, err: errs.E(errs.Conflict, "%s的床位刚刚被占用，请重新选择", dayText(d.Day))}
		}
	}
	return nil
}

// freeBeds gives the days of a stay back from a day on.
func freeBeds(ctx context.Context, tx *db.Tx, b BedReservation, from calendar.Date) error {
	_, err := tx.Exec(ctx, `UPDATE bed_day SET taken = taken - 1 WHERE department = $1 AND kind = $2 AND day >= $3 AND day < $4`,
		b.Department, string(b.Kind), string(max(from, b.From)), string(b.Until))
	if err != nil {
		return fmt.Errorf("free bed: %w", err)
	}
	return nil
}

func insertBed(ctx context.Context, tx *db.Tx, b BedReservation) error {
	_, err := tx.Exec(ctx, `INSERT INTO bed_reservation (id, department, kind, case_id, patient, subject, state, from_on, until_on, expires_at,
			made_at, made_by, ended_by, reason, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, '', '', 1)`,
		b.ID, b.Department, string(b.Kind), b.Case, b.Patient, b.Subject, string(b.State), string(b.From), string(b.Until), db.At(b.ExpiresAt),
		db.At(tx.Now), b.MadeBy)
	if err != nil {
		return fmt.Errorf("insert bed reservation: %w", err)
	}
	return nil
}

// endBed gives a bed back. The day itself is free again: somebody else can
// come the same day.
func endBed(ctx context.Context, tx *db.Tx, actor access.Actor, b BedReservation, state State, reason string) error {
	today := calendar.DateOf(tx.Now)
	if err := freeBeds(ctx, tx, b, today); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE bed_reservation SET state = $3, until_on = $4, ended_at = $5, ended_by = $6, reason = $7, expires_at = NULL,
			version = version + 1
		WHERE id = $1 AND version = $2`,
		b.ID, b.Version, string(state), string(min(b.Until, max(today, b.From))), db.At(tx.Now), signature(actor), reason)
	if err != nil {
		return fmt.Errorf("end bed reservation: %w", err)
	}
	if n == 0 {
		return stale("床位预留")
	}
	return nil
}

// Discharge gives the bed of a case back when the patient leaves.
func (s *Service) Discharge(ctx context.Context, tx *db.Tx, actor access.Actor, caseID string) error {
	b, err := bedOf(ctx, tx, caseID)
	if err != nil || b == nil {
		return err
	}
	if err := endBed(ctx, tx, actor, *b, Released, "出院"); err != nil {
		return err
	}
	return s.leaf(ctx, tx, actor, "bed.discharge", caseID, b.Patient, "")
}

// occupy records that the patient lies in the bed from today.
func (s *Service) occupy(ctx context.Context, tx *db.Tx, actor access.Actor, b BedReservation) error {
	if !b.State.Live() {
		return nil
	}
	today := calendar.DateOf(tx.Now)
	if b.From > today { // he came early: the days until then are his too
		early := b
		early.From, early.Until = today, b.From
		if err := takeBeds(ctx, tx, early, true); err != nil {
			return err
		}
		b.From = today
	}
	n, err := tx.Exec(ctx, `UPDATE bed_reservation SET state = 'used', from_on = $3, expires_at = NULL, version = version + 1
		WHERE id = $1 AND version = $2`, b.ID, b.Version, string(b.From))
	if err != nil {
		return fmt.Errorf("occupy bed: %w", err)
	}
	if n == 0 {
		return stale("床位预留")
	}
	return s.leaf(ctx, tx, actor, "bed.occupy", b.Case, b.Patient, b.Kind.Title())
}

// reapBeds ends the bed holds of a department that have run out.
func (s *Service) reapBeds(ctx context.Context, tx *db.Tx, department string) error {
	late, err := db.List(ctx, tx, readBed, `SELECT `+bedColumns+` FROM bed_reservation
		WHERE state = 'held' AND expires_at <= $1 AND (CAST($2 AS TEXT) = '' OR department = $2) ORDER BY id LIMIT $3`,
		db.At(tx.Now), department, batch)
	if err != nil {
		return err
	}
	for _, b := range late {
		if err := s.lapseBed(ctx, tx, b, "暂留到时"); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) lapseBed(ctx context.Context, tx *db.Tx, b BedReservation, reason string) error {
	if err := endBed(ctx, tx, program(), b, Expired, reason); err != nil {
		return err
	}
	return s.Queue.Publish(ctx, tx, Lapsed{Case: b.Case, Item: b.ID, State: Expired})
}

// expireBeds ends holds that ran out and reservations for which nobody came,
// and keeps the bed of a patient who is still in it.
func (s *Service) expireBeds(ctx context.Context, tx *db.Tx) error {
	if err := s.reapBeds(ctx, tx, ""); err != nil {
		return err
	}
	today := calendar.DateOf(tx.Now)
	open, err := db.List(ctx, tx, readBed, `SELECT `+bedColumns+` FROM bed_reservation
		WHERE (state = 'booked' AND from_on < $1) OR (state = 'used' AND until_on <= $1) ORDER BY id LIMIT $2`, string(today), batch)
	if err != nil {
		return err
	}
	for _, b := range open {
		if b.State == Used {
			err = s.stayOn(ctx, tx, b, today)
		} else {
			err = s.lapseLate(ctx, tx, b, today)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stayOn keeps the bed until tomorrow.
func (s *Service) stayOn(ctx context.Context, tx *db.Tx, b BedReservation, today calendar.Date) error {
	more := b
	more.From, more.Until = b.Until, today.AddDays(1)
	if err := takeBeds(ctx, tx, more, true); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE bed_reservation SET until_on = $3, version = version + 1 WHERE id = $1 AND version = $2`,
		b.ID, b.Version, string(more.Until))
	if err != nil {
		return fmt.Errorf("prolong stay: %w", err)
	}
	return nil
}

func (s *Service) lapseLate(ctx context.Context, tx *db.Tx, b BedReservation, today calendar.Date) error {
	dept, err := organization.GetDepartment(ctx, tx, b.Department)
	if err != nil {
		return err
	}
	t, err := s.terms(ctx, tx, dept.Org)
	if err != nil || today <= b.From.AddDays(t.bedKeep) {
		return err
	}
	return s.lapseBed(ctx, tx, b, "到期未入院")
}
