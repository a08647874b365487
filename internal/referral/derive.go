package referral

import (
	"context"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/patient"
	"yilian/internal/policy"
)

// Derived is a referral that another case gives rise to, for example an answered
// consultation.
type Derived struct {
	Form    Form
	For     flow.Party // the referring doctor, when somebody else opens it for him; zero: the actor
	BasedOn string     // id of the case that it follows from
	Once    string
}

// DeriveTx opens a draft in the caller's transaction. The draft is the referring
// doctor's: his institution's rules bind it and he has the turn, whoever opens
// it.
func (s *Service) DeriveTx(ctx context.Context, tx *db.Tx, actor access.Actor, d Derived) (flow.Case, error) {
	if c, done, err := flow.Done(ctx, tx, d.Once); err != nil || done {
		return c, err
	}
	if err := access.Require(actor, access.ReferralCreate, access.Own); err != nil {
		return flow.Case{}, err
	}
	if d.Form.Patient == "" {
		return flow.Case{}, fieldErr("patient", "请先选择患者")
	}
	if _, err := s.Access.Patient(ctx, tx, actor, d.Form.Patient, access.Refer); err != nil {
		return flow.Case{}, err
	}
	p, err := s.Patients.Get(ctx, tx, d.Form.Patient)
	if err != nil {
		return flow.Case{}, err
	}
	w := &work{s: s, tx: tx, actor: d.doctor(actor), c: flow.Case{Patient: p.ID}}
	if w.c.Place, err = s.place(ctx, tx, w.actor); err != nil {
		return flow.Case{}, err
	}
	if err := w.write(ctx, d.Form, p, false); err != nil {
		return flow.Case{}, err
	}
	w.actor = actor
	return w.opened(ctx, p, d)
}

// doctor is in whose name the request is written.
func (d Derived) doctor(actor access.Actor) access.Actor {
	if d.For.Org == "" {
		return actor
	}
	return access.Actor{Person: d.For.Person, Name: d.For.PersonName, Org: d.For.Org, OrgName: d.For.OrgName, Department: d.For.Department}
}

// opened opens the case of a draft whose record has been written.
func (w *work) opened(ctx context.Context, p patient.Patient, d Derived) (flow.Case, error) {
	from := d.For
	if from.Org == "" {
		var err error
		if from, err = party(ctx, w.tx, w.actor); err != nil {
			return flow.Case{}, err
		}
	}
	c, err := w.s.Flow.Open(ctx, w.tx, w.actor, flow.Opening{
		Kind: Kind, Patient: p.ID, Subject: subject(p, calendar.DateOf(w.tx.Now)), Urgency: w.c.Urgency,
		From: from, To: w.c.To, Place: w.c.Place, BasedOn: d.BasedOn, Once: d.Once,
	})
	if err != nil {
		return c, err
	}
	w.c, w.r.ID, w.r.Patient = c, c.ID, p.ID
	if err := w.s.insert(ctx, w.tx, w.r); err != nil {
		return c, err
	}
	return c, w.relate(ctx, flow.Case{})
}

// SendForTx sends a draft that DeriveTx has opened for a referring doctor, in the
// name of acting: the clerk's telephone entry, or the program. form is checked as
// in Submit and carries the patient's consent.
func (s *Service) SendForTx(ctx context.Context, tx *db.Tx, draft flow.Case, form Form, acting access.Actor) (flow.Case, error) {
	r, err := s.load(ctx, tx, draft.ID)
	if err != nil {
		return flow.Case{}, err
	}
	p, err := s.Patients.Get(ctx, tx, draft.Patient)
	if err != nil {
		return flow.Case{}, err
	}
	w := &work{
		s: s, tx: tx, actor: Derived{For: draft.From}.doctor(access.Actor{}),
		ref: Ref{ID: draft.ID, Version: draft.Version}, was: draft, c: draft, r: r,
	}
	err = w.submit(ctx, p, form, acting)
	return w.c, err
}

// SendDerivedTx sends a draft that DeriveTx has opened for a referring doctor
// who has agreed beforehand that it may go without him: the program sends it in
// his name. form is checked as in Submit and carries the patient's consent.
func (s *Service) SendDerivedTx(ctx context.Context, tx *db.Tx, draft flow.Case, form Form) (flow.Case, error) {
	return s.SendForTx(ctx, tx, draft, form, audit.Program("按申请医生的授权"))
}

// PhonedIn is the title of the note in the timeline of a referral that was
// telephoned in; lists and papers mark the referral by it.
const PhonedIn = "来电转诊代录"

// PlaceOf is whose rules bind what the actor asks for: the regions of his
// institution and the kind of its alliance.
func (s *Service) PlaceOf(ctx context.Context, tx *db.Tx, actor access.Actor) (policy.Place, error) {
	return s.place(ctx, tx, actor)
}

// PartyOf is the actor as a party of a case, with the name of his department.
func PartyOf(ctx context.Context, tx *db.Tx, actor access.Actor) (flow.Party, error) {
	return party(ctx, tx, actor)
}

// SubjectOf names a person in lists: never a diagnosis.
func SubjectOf(p patient.Patient, today calendar.Date) string { return subject(p, today) }
