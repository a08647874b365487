package referral_test

import (
	"fmt"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

// A death ends a case out of every state of the machine in which somebody has to
// do something; nothing is sent afterwards, and what was booked is given back.
func TestDeathEndsEveryOpenState(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		r := w.Rescue()
		w.Booking(4, 4)
		for i, s := range referral.Machine().States {
			if s.Terminal() {
				continue
			}
			w.Register(w.Doctor, "罗长生", fmt.Sprintf("19%d0101", 40+i), 200+2*i)
			c := standing(t, w, r, len(w.Patients)-1, s.Name)
			must(t, w.Queue.Drain(ctx))
			by := w.Doctor
			if c.From.Org == w.Clinic.ID {
				by = w.VillageDoctor
			}
			before := len(view(t, w, by, c).Messages)
			c, err := w.Service.RecordDeath(ctx, by, w.Ref(c), referral.Death{On: "2026-03-02", Reason: "死亡医学证明 0001"})
			if err != nil || c.State != referral.StateClosed || c.Outcome != referral.OutcomeDeath || !c.DueAt.IsZero() {
				t.Fatalf("death in %s: %s, %s, %v", s.Name, c.State, c.Outcome, err)
			}
			must(t, w.Queue.Drain(ctx))
			if n := len(view(t, w, by, c).Messages); n != before {
				t.Errorf("%d messages after a death in %s", n-before, s.Name)
			}
			has := w.Reserved(c.ID)
			if a, ok := has.Clinic(); ok && a.State.Live() || has.Bed != nil {
				t.Errorf("%s: something stays booked: %+v", s.Name, has)
			}
		}
	})
}

// standing drives patient i to any open state of the machine.
func standing(t *testing.T, w *referraltest.World, r *referraltest.Rescue, i int, state string) flow.Case {
	t.Helper()
	switch state {
	case referral.StateInReview:
		p, err := w.Persons.Register(ctx, w.VillageDoctor, patient.Registration{Name: "罗村人", IDType: patient.IDCard,
			IDNumber: idcard.Make("431102", "19400101", 300), Phone: "13900001234", InsuranceKind: patient.Resident})
		must(t, err)
		f := w.Form(0)
		f.Patient = p.ID
		c, err := w.Service.Draft(ctx, w.VillageDoctor, f, w.Token())
		must(t, err)
		c, err = w.Service.Submit(ctx, w.VillageDoctor, w.Ref(c), &f)
		must(t, err)
		if c.State != state {
			t.Fatalf("no way to %s: %s", state, c.State)
		}
		return c
	case referral.StateDeferred:
		c, err := w.Service.Defer(ctx, w.Centre, w.Ref(w.To(i, referral.StateAccepted)), referral.Deferral{Reason: "no_bed", PromisedOn: w.Day(5)})
		must(t, err)
		return c
	case referral.StateTransferring:
		return w.SendOff(r, i)
	}
	return w.To(i, state)
}
