package referraltest

import (
	"time"

	"yilian/internal/flow"
	"yilian/internal/referral"
)

// Draft opens a draft for patient i.
func (w *World) Draft(i int) flow.Case {
	w.T.Helper()
	c, err := w.Service.Draft(ctx, w.Doctor, w.Form(i), w.Token())
	w.ok(err)
	return c
}

// To opens a referral for patient i and drives it to a state along the usual
// way, moving the clock where the way needs time.
func (w *World) To(i int, state string) flow.Case {
	w.T.Helper()
	c := w.Draft(i)
	for _, step := range w.way(i, state) {
		if c.State == state {
			return c
		}
		var err error
		c, err = step(c)
		w.ok(err)
	}
	if c.State != state {
		w.T.Fatalf("referraltest: no way to %s, stands at %s", state, c.State)
	}
	return c
}

type step func(c flow.Case) (flow.Case, error)

// way lists the steps that lead to a state.
func (w *World) way(i int, state string) []step {
	s := w.Service
	submit := func(c flow.Case) (flow.Case, error) { f := w.Form(i); return s.Submit(ctx, w.Doctor, w.Ref(c), &f) }
	accept := func(c flow.Case) (flow.Case, error) { return s.Accept(ctx, w.Centre, w.Ref(c), "") }
	arrange := func(c flow.Case) (flow.Case, error) { return s.Arrange(ctx, w.Centre, w.Ref(c), w.Arrangement()) }
	switch state {
	case referral.StateDiscarded:
		return []step{func(c flow.Case) (flow.Case, error) {
			return s.Discard(ctx, w.Doctor, w.Ref(c), "mistake", "")
		}}
	case referral.StateAwaitingInfo:
		return []step{submit, func(c flow.Case) (flow.Case, error) {
			return s.Ask(ctx, w.Centre, w.Ref(c), "exam_result", "请补充心电图结果")
		}}
	case referral.StateDeclined:
		return []step{submit, func(c flow.Case) (flow.Case, error) {
			return s.Decline(ctx, w.Centre, w.Ref(c), referral.Decline{Reason: "no_capacity", SuggestedOrg: w.Other.ID, Advice: "建议转区中医院"})
		}}
	case referral.StateWithdrawn:
		return []step{submit, func(c flow.Case) (flow.Case, error) {
			return s.Withdraw(ctx, w.Doctor, w.Ref(c), "patient_cancelled", "")
		}}
	case referral.StateCancelled:
		return []step{submit, accept, arrange, func(c flow.Case) (flow.Case, error) {
			return s.Cancel(ctx, w.Desk, w.Ref(c), "doctor_absent", "")
		}}
	case referral.StateNoShow:
		return []step{submit, accept, arrange, func(c flow.Case) (flow.Case, error) {
			w.After(26 * time.Hour)
			return s.NoShow(ctx, w.Desk, w.Ref(c), "")
		}}
	}
	return []step{submit, accept, arrange,
		func(c flow.Case) (flow.Case, error) {
			return s.Arrive(ctx, w.Desk, w.Ref(c), referral.Arrival{Code: w.Code(c), Name: w.Patients[i].Name})
		},
		func(c flow.Case) (flow.Case, error) {
			return s.Start(ctx, w.Specialist, w.Ref(c), referral.Start{Care: referral.Outpatient})
		},
		func(c flow.Case) (flow.Case, error) { return s.Complete(ctx, w.Specialist, w.Ref(c), w.Report()) },
		func(c flow.Case) (flow.Case, error) { return s.Acknowledge(ctx, w.Doctor, w.Ref(c), "") },
	}
}

// Code reads the arrival code of a case as the desk sees it.
func (w *World) Code(c flow.Case) string {
	w.T.Helper()
	full, err := w.Service.View(ctx, w.Desk, c.ID)
	w.ok(err)
	return full.Record.Arrangement.Code
}
