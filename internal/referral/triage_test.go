package referral_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/policy"
	"yilian/internal/policy/policytest"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

// D6: whatever is typed, a decline stands only with a coded reason and a next
// step, and the case then lies with the referring doctor, on a clock.
func TestEveryDeclineNamesReasonAndNextStep(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		options, err := w.Service.Options(ctx, w.Centre)
		must(t, err)
		codes := options.Reasons[referral.ActDecline]
		c, other := w.To(0, referral.StateSubmitted), elsewhere(t, w, 0)
		runs, declined := 0, 0
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; runs > 60 {
				return
			}
			blank := []string{"", "", " ", "\n"}
			dec := referral.Decline{
				Reason:           rapid.SampledFrom(append(codesOf(codes), "", "unknown", "其他")).Draw(rt, "reason"),
				Comment:          rapid.SampledFrom(append(blank, "病区调整")).Draw(rt, "comment"),
				SuggestedOrg:     rapid.SampledFrom([]string{"", "", w.Other.ID, "nowhere"}).Draw(rt, "org"),
				SuggestedService: rapid.SampledFrom(append(blank, "呼吸内科")).Draw(rt, "service"),
				Advice:           rapid.SampledFrom(append(blank, "调整用药后复诊")).Draw(rt, "advice"),
			}
			after, err := w.Service.Decline(ctx, w.Centre, w.Ref(c), dec)
			if err != nil {
				if !errs.Is(err, errs.Invalid) || len(fields(err)) == 0 {
					rt.Fatalf("%+v: %v", dec, err)
				}
				return
			}
			declined++
			full := view(t, w, w.Doctor, after)
			last := full.Timeline[len(full.Timeline)-1]
			a := full.Record.Advice
			if !slices.Contains(codesOf(codes), last.Reason) || last.ReasonTitle == "" || a.Reason != last.ReasonTitle || (a.Org == "" && a.Service == "" && a.Text == "") {
				rt.Fatalf("%+v stands as %+v, %+v", dec, last, a)
			}
			if after.State != referral.StateDeclined || after.Owner != w.Doctor.Person || after.DueAt.IsZero() {
				rt.Fatalf("nobody has the declined case: %+v", after)
			}
			if c, err = w.Service.SendElsewhere(ctx, w.Doctor, w.Ref(after), other.Service.ID, w.Form(0).Request.Choices); err != nil {
				rt.Fatal(err)
			}
			back := referral.Redirect{Service: w.CardioClinic.ID, Reason: "no_capacity", AgreedBy: "值班", AgreedHow: "phone"}
			if c, err = w.Service.Redirect(ctx, w.OtherCentre, w.Ref(c), back); err != nil {
				rt.Fatal(err)
			}
		})
		if declined == 0 || declined == runs {
			t.Errorf("%d of %d declines stand", declined, runs)
		}
	})
}

func codesOf(codes []policy.Code) (out []string) {
	for _, c := range codes {
		out = append(out, c.Code)
	}
	return out
}

// D6, D8: every state that can be reached, on ways that have no page yet too,
// is terminal or has a side, a role and a clock for every triage level and form
// of care under the rules of Lingling.
func TestEveryReachableStateHasOwnerAndClock(t *testing.T) {
	book := policytest.Shipped(t)
	m := referral.Machine()
	reached := []string{m.Start}
	for i := 0; i < len(reached); i++ {
		for _, a := range m.Actions {
			for _, to := range a.To {
				if slices.Contains(a.From, reached[i]) && !slices.Contains(reached, to) {
					reached = append(reached, to)
				}
			}
		}
	}
	if len(reached) != len(m.States) {
		t.Errorf("%d of %d states can be reached: %v", len(reached), len(m.States), reached)
	}
	for _, name := range reached {
		s, ok := m.State(name)
		if !ok || s.Terminal() {
			continue
		}
		if s.Turn == flow.Nobody || !s.Role.Valid() {
			t.Errorf("%s: nobody has the turn", name)
		}
		for _, variant := range []string{"I", "II", "III", "IV", referral.Outpatient, referral.Inpatient, ""} {
			if _, ok := clockOf(book, s.Clock, variant); !ok {
				t.Errorf("%s %s: no clock", name, variant)
			}
		}
	}
}

// clockOf is the clock of a state for a triage level or form of care.
func clockOf(book *policy.Book, key, variant string) (policy.Deadline, bool) {
	place := policy.Place{Regions: []string{"431102", "4311", "43", "CN"}}
	for _, k := range []string{key + "." + variant, key} {
		a, err := book.Resolve(k, place, calendar.Date("2026-03-02"))
		if err != nil {
			continue
		}
		d, err := a.Deadline()
		return d, err == nil && d.N > 0
	}
	return policy.Deadline{}, false
}
