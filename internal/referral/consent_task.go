package referral

import (
	"context"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/patient"
)

// ConsentKind is the kind of the small case beside an emergency that asks for
// the consent nobody had time for: it stands in the to-do list with a clock of
// its own (referral.clock.consent) and escalates like any other.
const ConsentKind = "consent_task"

// The states and actions of a consent task.
const (
	ConsentMissing = "missing"
	ConsentSigned  = "signed"
	ConsentRefused = "refused"
	ConsentDropped = "dropped"

	actSign = "sign"
	actDrop = "drop"
)

// ConsentMachine declares the consent task.
func ConsentMachine() flow.Machine {
	return flow.Machine{
		Kind: ConsentKind, Title: "补办知情同意", Prefix: "TY", Start: ConsentMissing,
		States: []flow.State{
			{Name: ConsentMissing, Title: "待补知情同意", Turn: flow.From, Role: access.TownshipDoctor, Personal: true, Clock: clock("consent"), Tone: "orange"},
			{Name: ConsentSigned, Title: "已补签", Tone: "green"},
			{Name: ConsentRefused, Title: "患者或家属不同意", Tone: "gray"},
			{Name: ConsentDropped, Title: "不再需要", Tone: "gray"},
		},
		Actions: []flow.Action{
			{Name: actSign, Title: "补办知情同意", From: []string{ConsentMissing}, To: []string{ConsentSigned, ConsentRefused}, Side: flow.From, Right: access.ReferralCreate},
			{Name: actDrop, Title: "不再需要", From: []string{ConsentMissing}, To: []string{ConsentDropped}, Side: flow.From, Right: access.ReferralCreate},
		},
	}
}

// oweConsent opens the task unless the draft had been signed already.
func (w *work) oweConsent(ctx context.Context) error {
	given, err := consent.Given(ctx, w.tx, consent.Referral, w.c.ID)
	if err != nil || given {
		return err
	}
	task, err := w.s.Flow.Open(ctx, w.tx, w.actor, flow.Opening{
		Kind: ConsentKind, Patient: w.c.Patient, Subject: w.c.Subject, Silent: w.c.Silent,
		From: w.c.From, To: w.c.From, Place: w.c.Place, BasedOn: w.c.ID,
	})
	if err != nil {
		return err
	}
	w.r.Emergency.ConsentCase = task.ID
	return w.s.saveEmergency(ctx, w.tx, w.c.ID, *w.r.Emergency)
}

// ConsentTask is the task with what its page shows.
type ConsentTask struct {
	Case     flow.Case
	Referral flow.Case
	Patient  patient.Patient
	Consents []consent.Consent
}

// ConsentTask opens the task for the institution that owes the consent.
func (s *Service) ConsentTask(ctx context.Context, actor access.Actor, id string) (ConsentTask, error) {
	var out ConsentTask
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if out.Case, err = consentCase(ctx, tx, actor, id); err != nil {
			return err
		}
		if _, err = s.Access.Patient(ctx, tx, actor, out.Case.Patient, access.Look); err != nil {
			return err
		}
		if out.Referral, err = flow.Get(ctx, tx, out.Case.BasedOn); err != nil {
			return err
		}
		if out.Patient, err = s.Patients.Get(ctx, tx, out.Case.Patient); err != nil {
			return err
		}
		out.Consents, err = consent.For(ctx, tx, consent.Referral, out.Case.BasedOn)
		return err
	})
	return out, err
}

func consentCase(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (flow.Case, error) {
	c, err := flow.Get(ctx, tx, id)
	if err != nil {
		return c, err
	}
	if c.Kind != ConsentKind || c.From.Org != actor.Org || actor.Org == "" {
		return c, errs.E(errs.NotFound, "没有找到这项补办任务")
	}
	return c, access.Require(actor, access.ReferralRead, access.Own)
}

// SignLater records the consent of an emergency, or that the patient does not
// agree. The head of the institution may sign where nobody else can (Civil Code
// 1220). A colleague of the sender takes the task over by signing.
func (s *Service) SignLater(ctx context.Context, actor access.Actor, ref Ref, signed consent.Consent) (flow.Case, error) {
	var out flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		c, done, err := flow.Done(ctx, tx, ref.Once)
		if err != nil || done {
			out = c
			return err
		}
		if c, err = consentCase(ctx, tx, actor, ref.ID); err != nil {
			return err
		}
		if _, err := s.Access.Patient(ctx, tx, actor, c.Patient, access.Refer); err != nil {
			return err
		}
		if c.Open() && c.Owner != flow.PartyOf(actor).Person && c.Version == ref.Version {
			if c, err = s.Flow.Claim(ctx, tx, actor, c.ID, ref.Version, ""); err != nil {
				return err
			}
			ref.Version = c.Version
		}
		if _, err := s.Flow.Check(ctx, tx, actor, c.ID, ref.Version, actSign); err != nil {
			return err
		}
		signed.Patient, signed.Purpose, signed.Reference = c.Patient, consent.Referral, c.BasedOn
		if signed, err = consent.Record(ctx, tx, s.Audit, actor, signed, true); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE referral SET consent = $2 WHERE id = $1`, c.BasedOn, signed.ID); err != nil {
			return err
		}
		to := ConsentSigned
		if signed.Refused {
			to = ConsentRefused
		}
		out, err = s.Flow.Act(ctx, tx, actor, c.ID, ref.Version, actSign, flow.Move{To: to, Once: ref.Once})
		return err
	})
	return out, err
}

// dropConsent ends the task of an emergency that was called off or ended in
// death.
func (s *Service) dropConsent(ctx context.Context, tx *db.Tx, of flow.Case, task string) error {
	c, err := flow.Get(ctx, tx, task)
	if err != nil || !c.Open() {
		return err
	}
	_, err = s.Flow.Act(ctx, tx, audit.Program("急诊转诊"), c.ID, c.Version, actDrop, flow.Move{Comment: "随 " + of.Number + " 结束"})
	return err
}
