package schedule

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// maxHeld bounds what one case may hold at a time: enough to choose from on
// the phone, not enough to empty a clinic.
const maxHeld = 6

// booker is one Hold, Book or Move under way.
type booker struct {
	s     *Service
	tx    *db.Tx
	actor access.Actor
	b     Booking
	now   Reserved // what the case has
	state State    // of new items: Held or Booked
	terms map[string]terms

	except    string // of Move: the appointment that is moved
	displaced bool   // of Move: its own session was cancelled, so any place will do
}

func (s *Service) begin(ctx context.Context, tx *db.Tx, actor access.Actor, b Booking, state State) (*booker, error) {
	if b.Case == "" || b.Patient == "" {
		return nil, fmt.Errorf("book: case %q, patient %q: both are needed", b.Case, b.Patient)
	}
	if err := lockPatient(ctx, tx, b.Patient); err != nil {
		return nil, err
	}
	now, err := Of(ctx, tx, b.Case)
	return &booker{s: s, tx: tx, actor: actor, b: b, now: now, state: state, terms: map[string]terms{}}, err
}

// Hold keeps places and a bed for a short time (policy schedule.hold), so that
// a nurse can choose while the patient is on the phone. It adds to what the
// case holds; a place held already is held anew from now. The caller has
// checked that actor may act on the case.
func (s *Service) Hold(ctx context.Context, tx *db.Tx, actor access.Actor, b Booking) (Reserved, error) {
	w, err := s.begin(ctx, tx, actor, b, Held)
	if err != nil {
		return Reserved{}, err
	}
	for _, id := range b.slots() {
		if a, ok := w.has(id); ok {
			if a.State == Held {
				err = w.prolong(ctx, a)
			}
		} else {
			err = w.take(ctx, id)
		}
		if err != nil {
			return Reserved{}, err
		}
	}
	if b.Bed != nil {
		if err := w.bed(ctx); err != nil {
			return Reserved{}, err
		}
	}
	return Of(ctx, tx, b.Case)
}

// Book gives a case exactly what the booking names, all of it or an error:
// what it holds is confirmed, the rest is taken, and what it has beyond that
// is given back. The caller rolls back on error, and has checked that actor
// may act on the case.
func (s *Service) Book(ctx context.Context, tx *db.Tx, actor access.Actor, b Booking) (Reserved, error) {
	w, err := s.begin(ctx, tx, actor, b, Booked)
	if err != nil {
		return Reserved{}, err
	}
	if err := w.lockAll(ctx); err != nil {
		return Reserved{}, err
	}
	wanted := b.slots()
	for _, a := range w.now.Appointments {
		if a.State.Live() && !slices.Contains(wanted, a.Slot.ID) {
			if err := end(ctx, tx, actor, a, Released, "另选了时间"); err != nil {
				return Reserved{}, err
			}
		}
	}
	if err := w.fill(ctx, wanted); err != nil {
		return Reserved{}, err
	}
	if err := w.bed(ctx); err != nil {
		return Reserved{}, err
	}
	out, err := Of(ctx, tx, b.Case)
	if err != nil {
		return out, err
	}
	return out, s.leaf(ctx, tx, actor, "appointment.book", b.Case, b.Patient, out.text())
}

// fill confirms what is held, then takes the rest: taking clears away holds
// that have run out, and those of this case are still good.
func (w *booker) fill(ctx context.Context, wanted []string) error {
	for _, id := range wanted {
		if a, ok := w.has(id); ok {
			if err := w.confirm(ctx, a); err != nil {
				return err
			}
		}
	}
	for _, id := range wanted {
		if _, ok := w.has(id); !ok {
			if err := w.take(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// text is what the audit leaf keeps of a booking.
func (r Reserved) text() string {
	var out []string
	for _, a := range r.Appointments {
		out = append(out, fmt.Sprintf("%s %s %s", a.Slot.Kind.Title(), When(a.Slot.Start), a.Pool.Title()))
	}
	if r.Bed != nil {
		out = append(out, fmt.Sprintf("%s 自 %s", r.Bed.Kind.Title(), r.Bed.From))
	}
	return strings.Join(out, "；")
}

func (s *Service) leaf(ctx context.Context, tx *db.Tx, actor access.Actor, action, id, patient, detail string) error {
	return s.Audit.Append(ctx, tx, audit.Leaf{
		Actor: actor, Action: action, Object: "appointment", ObjectID: id, Patient: patient, Outcome: audit.OK, Detail: detail,
	})
}

// lockAll locks the days of everything that the booking gives back or takes,
// in one order, so that two bookings do not wait for each other.
func (w *booker) lockAll(ctx context.Context) error {
	var all []Slot
	for _, a := range w.now.Appointments {
		all = append(all, a.Slot)
	}
	for _, id := range w.b.slots() {
		slot, err := GetSlot(ctx, w.tx, id)
		if err != nil {
			return err
		}
		all = append(all, slot)
	}
	return lockDays(ctx, w.tx, all...)
}

// has finds a slot among the live appointments of the case.
func (w *booker) has(slot string) (Appointment, bool) {
	i := slices.IndexFunc(w.now.Appointments, func(a Appointment) bool { return a.Slot.ID == slot && a.State.Live() })
	if i < 0 {
		return Appointment{}, false
	}
	return w.now.Appointments[i], true
}

// prolong lets a hold run anew.
func (w *booker) prolong(ctx context.Context, a Appointment) error {
	t, err := w.of(ctx, a.Slot.Org)
	if err != nil {
		return err
	}
	_, err = w.tx.Exec(ctx, `UPDATE appointment SET expires_at = $2, version = version + 1 WHERE id = $1 AND state = 'held'`,
		a.ID, db.At(w.tx.Now.Add(t.hold)))
	return err
}

// confirm makes a hold a booking. A hold that has run out is good as long as
// nobody else was given the place.
func (w *booker) confirm(ctx context.Context, a Appointment) error {
	if a.State == Booked {
		return nil
	}
	if err := w.bookable(ctx, a.Slot); err != nil {
		return err
	}
	if err := w.overlaps(ctx, a.Slot, a.ID); err != nil {
		return err
	}
	n, err := w.tx.Exec(ctx, `UPDATE appointment SET state = 'booked', expires_at = NULL, made_at = $2, made_by = $3, version = version + 1
		WHERE id = $1 AND state = 'held' AND version = $4`, a.ID, db.At(w.tx.Now), signature(w.actor), a.Version)
	if err != nil {
		return fmt.Errorf("confirm appointment: %w", err)
	}
	if n == 0 {
		return stale("暂留的号")
	}
	return nil
}

// take gives the case a new place in a slot.
func (w *booker) take(ctx context.Context, id string) error {
	slot, err := GetSlot(ctx, w.tx, id)
	if err != nil {
		return err
	}
	if w.state == Held {
		if err := w.mayHold(ctx, slot); err != nil {
			return err
		}
	}
	pool, err := w.claim(ctx, slot)
	if err != nil {
		return err
	}
	a := Appointment{
		ID: db.NewID(), Slot: slot, Pool: pool, Case: w.b.Case, Patient: w.b.Patient, Subject: w.b.Subject, State: w.state,
		Practitioner: slot.Practitioner, MadeBy: signature(w.actor),
	}
	if w.state == Held {
		t, err := w.of(ctx, slot.Org)
		if err != nil {
			return err
		}
		a.ExpiresAt = w.tx.Now.Add(t.hold)
	}
	return insertAppointment(ctx, w.tx, a)
}

func (w *booker) mayHold(ctx context.Context, slot Slot) error {
	n, err := db.Count(ctx, w.tx, `SELECT count(*) FROM appointment WHERE case_id = $1 AND state = 'held' AND expires_at > $2`,
		w.b.Case, db.At(w.tx.Now))
	if err != nil || n < maxHeld {
		return err
	}
	return &Refused{Item: itemOf(slot.Kind), Slot: slot.ID, Reason: ReasonTooMany,
		err: errs.E(errs.Conflict, "一张单子最多同时暂留 %d 个时段，请先确定或放弃已暂留的", maxHeld)}
}

// claim checks everything that speaks against a place in the slot and counts
// it.
func (w *booker) claim(ctx context.Context, slot Slot) (Pool, error) {
	if err := w.bookable(ctx, slot); err != nil {
		return "", err
	}
	if err := w.overlaps(ctx, slot, w.except); err != nil {
		return "", err
	}
	if err := lockDays(ctx, w.tx, slot); err != nil {
		return "", err
	}
	if err := w.s.reap(ctx, w.tx, slot.Schedule, slot.Day); err != nil {
		return "", err
	}
	slot, err := GetSlot(ctx, w.tx, slot.ID)
	if err != nil {
		return "", err
	}
	if slot.Free() <= 0 {
		return "", w.refuse(ctx, slot, ReasonFull, "的号已约满")
	}
	shares, err := sharesOf(ctx, w.tx, slot.Schedule, slot.Day)
	if err != nil {
		return "", err
	}
	t, err := w.of(ctx, slot.Org)
	if err != nil {
		return "", err
	}
	opens := slot.Start.Add(-t.release)
	pool, ok := shares.choose(w.b.Priority, w.displaced || !w.tx.Now.Before(opens))
	if !ok {
		return "", w.refuse(ctx, slot, ReasonReserved,
			fmt.Sprintf("余下的 %d 个号预留给成员单位转诊或签约居民，%s起转为公开", shares.reserved(), When(opens)))
	}
	return pool, takePlace(ctx, w.tx, slot, pool)
}

// bookable refuses a slot elsewhere, one that has begun and a closed one.
func (w *booker) bookable(ctx context.Context, slot Slot) error {
	switch {
	case w.b.Org != "" && slot.Org != w.b.Org:
		return w.refuse(ctx, slot, ReasonElsewhere, "不是接收医院的号，请重新选择")
	case !slot.Start.After(w.tx.Now):
		return w.refuse(ctx, slot, ReasonPast, "的时间已过")
	case !slot.Open:
		return w.refuse(ctx, slot, ReasonClosed, "已停诊")
	}
	return nil
}

// overlaps refuses a slot while the patient is expected elsewhere. A case may
// hold alternatives at the same time; it cannot book them.
func (w *booker) overlaps(ctx context.Context, slot Slot, except string) error {
	found, err := db.List(ctx, w.tx, readAppointment, `SELECT `+appointmentColumns+appointmentFrom+`
		WHERE a.patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1) AND a.state IN ('held', 'booked') AND a.id <> $2 AND s.starts_at < $3 AND s.ends_at > $4
		ORDER BY s.starts_at, a.id`,
		w.b.Patient, except, db.At(slot.End), db.At(slot.Start))
	if err != nil {
		return err
	}
	for _, a := range found {
		held := a.State == Held
		if held && (!a.ExpiresAt.After(w.tx.Now) || (a.Case == w.b.Case && w.state == Held && a.Slot.ID != slot.ID)) {
			continue
		}
		name, err := departmentName(ctx, w.tx, a.Slot.Department)
		if err != nil {
			return err
		}
		return w.refuse(ctx, slot, ReasonOverlap,
			fmt.Sprintf("与患者已约的 %s %s%s时间冲突", When(a.Slot.Start), name, a.Slot.Title))
	}
	return nil
}

// of returns the policy values of an institution, read once.
func (w *booker) of(ctx context.Context, org string) (terms, error) {
	if t, ok := w.terms[org]; ok {
		return t, nil
	}
	t, err := w.s.terms(ctx, w.tx, org)
	w.terms[org] = t
	return t, err
}
