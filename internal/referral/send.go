package referral

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/contract"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/firstvisit"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/terminology"
)

// Draft opens a referral. Only the patient must be known; the rest may follow.
func (s *Service) Draft(ctx context.Context, actor access.Actor, form Form, once string) (flow.Case, error) {
	var out flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		out, err = s.DeriveTx(ctx, tx, actor, Derived{Form: form, Once: once})
		return err
	})
	return out, err
}

// subject names a person in lists: never a diagnosis.
func subject(p patient.Patient, today calendar.Date) string {
	if p.BirthDate == "" { // of an emergency: not known is not zero
		return fmt.Sprintf("%s %s 年龄不详", p.Name, patient.SexTitle(p.Sex))
	}
	return fmt.Sprintf("%s %s %d岁", p.Name, patient.SexTitle(p.Sex), p.Age(today))
}

// place is whose rules bind a referral: the regions of the referring
// institution and the kind of its alliance.
func (s *Service) place(ctx context.Context, tx *db.Tx, actor access.Actor) (policy.Place, error) {
	at := policy.Place{Regions: actor.Regions}
	if len(at.Regions) == 0 {
		chain, err := organization.Chain(ctx, tx, actor.Org)
		if err != nil {
			return at, err
		}
		at.Regions = chain
	}
	org, err := organization.Get(ctx, tx, actor.Org)
	if err != nil {
		return at, err
	}
	member := org.ID
	if org.Parent != "" { // a village clinic belongs where its centre does
		member = org.Parent
	}
	of, err := alliance.AlliancesOf(ctx, tx, member, calendar.DateOf(tx.Now), tx.Now)
	if err != nil || len(of) == 0 {
		return at, err
	}
	a, err := alliance.Get(ctx, tx, of[0].Alliance)
	at.Kind = string(a.Kind)
	return at, err
}

// party is the actor as a party, with the name of his department.
func party(ctx context.Context, tx *db.Tx, actor access.Actor) (flow.Party, error) {
	p := flow.PartyOf(actor)
	if p.Department == "" {
		return p, nil
	}
	d, err := organization.GetDepartment(ctx, tx, p.Department)
	p.DepartmentName = d.Name
	return p, err
}

// lists reads the coded lists that bind here.
func (w *work) lists() (l lists, err error) {
	for _, x := range []struct {
		key  string
		into *[]policy.Code
	}{{keyPurposes, &l.purposes}, {keyIndications, &l.indications}, {keyTransports, &l.transports}} {
		if *x.into, err = w.s.Flow.Codes(x.key, w.c.Place, w.tx.Now); err != nil {
			return l, err
		}
	}
	_, l.indicated, err = w.asks("referral.indication.required")
	return l, err
}

// The coded lists of a request.
const (
	keyPurposes    = "referral.reason.up"
	keyIndications = "referral.indication.up"
	keyTransports  = "referral.transport"
	keyOutcomes    = "referral.outcome"
)

// write checks the form, the draft's way or the sender's, and takes it over
// into record and case.
func (w *work) write(ctx context.Context, form Form, p patient.Patient, sending bool) error {
	l, err := w.lists()
	if err != nil {
		return err
	}
	q := &request{form: form.tidy(), patient: p, lists: l, sending: sending}
	var f errs.Form
	if err := w.ask(ctx, formGuards, q, &f); err != nil {
		return err
	}
	if err := f.Err(); err != nil {
		return err
	}
	form = q.form
	w.r.Visit, w.r.Purpose, w.r.Indications = form.Visit, form.Purpose, form.Indications
	w.r.Diagnosis, w.r.DiagnosisName, w.r.Request = form.Diagnosis, "", form.Request
	if code, ok := terminology.Get(form.Diagnosis); ok {
		w.r.DiagnosisName = code.Name
	}
	w.r.TargetService, w.c.Urgency = form.TargetService, form.Urgency
	return nil
}

// published refuses an institution without a published referral phone where
// the policy asks for one (LL-4.3.4c).
func (w *work) published(org organization.Organization) error {
	a, required, err := w.asks("referral.phone.published.required")
	if err != nil || !required || org.ReferralPhone != "" {
		return err
	}
	return errs.Refused(errs.Invalid, a.Clause,
		"%s尚未公布转诊电话，不能作为接收机构（%s）。请该院医务科在“机构资料”中公布转诊电话，或选择其他机构", org.Name, a.Clause)
}

// form is the draft as it was written.
func (w *work) form() Form {
	return Form{
		Patient: w.c.Patient, Visit: w.r.Visit, Urgency: w.c.Urgency, Purpose: w.r.Purpose, Indications: w.r.Indications,
		Diagnosis: w.r.Diagnosis, TargetService: w.r.TargetService, Request: w.r.Request,
	}
}

// Save keeps what was written into a draft and gives it another seven days.
func (s *Service) Save(ctx context.Context, actor access.Actor, ref Ref, form Form) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActSave, access.Refer, func(ctx context.Context, w *work) error {
		p, err := s.Patients.Get(ctx, w.tx, w.c.Patient)
		if err != nil {
			return err
		}
		if err := w.write(ctx, form, p, false); err != nil {
			return err
		}
		return w.act(ctx, ActSave, w.addressed())
	})
}

// addressed is the move that takes urgency and receiving party over.
func (w *work) addressed() flow.Move {
	mv := flow.Move{Urgency: w.c.Urgency}
	if w.c.To.Org != "" {
		to := w.c.To
		mv.ToParty = &to
	}
	return mv
}

// Submit sends a draft: as saved, or as form says. What it needs is checked
// field by field; a review inside the referring institution comes first where
// the policy wants one.
func (s *Service) Submit(ctx context.Context, actor access.Actor, ref Ref, form *Form) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActSubmit, access.Refer, func(ctx context.Context, w *work) error {
		if w.r.Direction == Down {
			return errs.E(errs.Conflict, "%s 是下转单，请在下转页面填写计划后提交", w.c.Number)
		}
		p, err := s.Patients.Get(ctx, w.tx, w.c.Patient)
		if err != nil {
			return err
		}
		written := w.form()
		if form != nil {
			written = *form
		}
		return w.submit(ctx, p, written, actor)
	})
}

// submit sends the draft as written. What is written is the referring doctor's,
// in whose name w acts so far; acting is who sends it.
func (w *work) submit(ctx context.Context, p patient.Patient, written Form, acting access.Actor) error {
	w.r.Policy, w.r.Clauses = "", nil // decided anew
	if err := w.write(ctx, written, p, true); err != nil {
		return err
	}
	w.actor = acting
	q := &request{form: written, patient: p, sending: true, signed: written.Consent, move: w.addressed()}
	if err := w.ask(ctx, sendGuards, q, nil); err != nil {
		return err
	}
	if err := w.contracted(ctx); err != nil {
		return err
	}
	if err := w.act(ctx, ActSubmit, q.move); err != nil {
		return err
	}
	return firstvisit.Record(ctx, w.tx, w.c, w.r.Request.FirstVisit)
}

// consented demands the patient's recorded consent where the policy does
// (LL-4.4.1d): no referral leaves draft without it. One that is signed on the
// form itself is recorded now.
func (w *work) consented(ctx context.Context, signed *consent.Consent) error {
	if signed != nil {
		if _, err := w.sign(ctx, *signed); err != nil {
			return err
		}
	}
	all, err := consent.For(ctx, w.tx, consent.Referral, w.c.ID)
	if err != nil {
		return err
	}
	w.r.Consent = ""
	if len(all) > 0 && !all[0].Refused {
		w.r.Consent = all[0].ID
	}
	a, required, err := w.asks("referral.consent.required")
	if err != nil || !required || w.r.Consent != "" {
		return err
	}
	return &errs.Error{
		Kind: errs.Invalid, Clause: a.Clause, Message: "转诊须患者自愿并记录知情同意（" + a.Clause + "）",
		Fields: []errs.Field{{Name: "consent", Message: "还没有记录患者的知情同意：请先请患者或家属签署，再提交；患者不同意时选择“患者拒绝转诊”"}},
	}
}

// sign records a signature for this case. An ordinary referral is no
// emergency: the institution's head cannot sign it.
func (w *work) sign(ctx context.Context, c consent.Consent) (consent.Consent, error) {
	c.Patient, c.Purpose, c.Reference = w.c.Patient, consent.Referral, w.c.ID
	for _, choice := range w.r.Request.Choices {
		c.Choices = append(c.Choices, strings.TrimSpace(choice.OrgName+" "+choice.Service))
	}
	return consent.Record(ctx, w.tx, w.s.Audit, w.actor, c, false)
}

// RecordConsent records the patient's signature for a draft.
func (s *Service) RecordConsent(ctx context.Context, actor access.Actor, id string, c consent.Consent) (out consent.Consent, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		w, err := s.open(ctx, tx, actor, Ref{ID: id}, access.Refer)
		if err != nil {
			return err
		}
		if _, err := s.Flow.Check(ctx, tx, actor, id, w.c.Version, ActSave); err != nil {
			return err
		}
		c.Refused = false
		out, err = w.sign(ctx, c)
		return err
	})
	return out, err
}

// contracted notes the family-doctor team: its patients come first within a
// triage level (LL-4.4.1b).
func (w *work) contracted(ctx context.Context) error {
	c, ok, err := contract.Active(ctx, w.tx, w.c.Patient, calendar.DateOf(w.tx.Now))
	if err != nil {
		return err
	}
	w.r.Contracted, w.r.Team = false, ""
	if !ok {
		return nil
	}
	w.r.Team, w.r.Contracted = c.Team, true
	a, err := w.s.Book.Resolve("referral.priority.contracted", w.c.Place, calendar.DateOf(w.tx.Now))
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	w.cite(a)
	return err
}

// reviewVariants name kinds of institution in keys of the review rule.
var reviewVariants = map[organization.Kind]string{
	organization.VillageClinic: ".village", organization.TownshipCenter: ".township", organization.CommunityCenter: ".community",
}

// review decides whether somebody inside the referring institution looks at
// the request first; a village clinic's is looked at by its township centre.
func (w *work) review(ctx context.Context, mv *flow.Move) error {
	org, err := organization.Get(ctx, w.tx, w.c.From.Org)
	if err != nil {
		return err
	}
	key := "referral.review.required"
	if variant := reviewVariants[org.Kind]; variant != "" {
		if _, err := w.s.Book.Resolve(key+variant, w.c.Place, calendar.DateOf(w.tx.Now)); err == nil {
			key += variant
		}
	}
	_, required, err := w.asks(key)
	if err != nil || !required {
		return err
	}
	mv.To = StateInReview
	if org.Kind == organization.VillageClinic {
		if org.Parent == "" {
			return fieldErr("", "%s没有登记所属的乡镇卫生院，无法送审。请系统管理员在“机构资料”中补登", org.Name)
		}
		mv.Owner = &flow.Party{Org: org.Parent}
		w.r.reviewer = org.Parent
	}
	return nil
}

// RefuseConsent records that the patient does not want to be referred, with
// who said so and why (code of referral.reason.refuse_consent). It closes the
// draft; the refusal is printed (拒绝转诊告知书).
func (s *Service) RefuseConsent(ctx context.Context, actor access.Actor, ref Ref, c consent.Consent) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActRefuseConsent, access.Refer, func(ctx context.Context, w *work) error {
		var f errs.Form
		w.reason(&f, ActRefuseConsent, c.Reason, c.Detail)
		if err := f.Err(); err != nil {
			return err
		}
		c.Refused = true
		signed, err := w.sign(ctx, c)
		if err != nil {
			return err
		}
		w.r.Consent = signed.ID
		return w.act(ctx, ActRefuseConsent, flow.Move{Reason: c.Reason, Comment: c.Detail, Outcome: OutcomeRefused})
	})
}

// Discard throws a draft away.
func (s *Service) Discard(ctx context.Context, actor access.Actor, ref Ref, reason, comment string) (flow.Case, error) {
	return s.plain(ctx, actor, ref, ActDiscard, ActDiscard, reason, comment, flow.Move{Outcome: OutcomeOther})
}

// Pass lets a reviewed request go to the receiving institution.
func (s *Service) Pass(ctx context.Context, actor access.Actor, ref Ref, comment string) (flow.Case, error) {
	return s.plain(ctx, actor, ref, ActPass, "", "", comment, flow.Move{})
}

// Return gives a request back to the referring doctor with a reason.
func (s *Service) Return(ctx context.Context, actor access.Actor, ref Ref, reason, comment string) (flow.Case, error) {
	return s.plain(ctx, actor, ref, ActReturn, ActReturn, reason, comment, flow.Move{})
}

// Withdraw takes a referral back before the receiving institution has accepted
// it.
func (s *Service) Withdraw(ctx context.Context, actor access.Actor, ref Ref, reason, comment string) (flow.Case, error) {
	return s.plain(ctx, actor, ref, ActWithdraw, ActWithdraw, reason, comment, flow.Move{Outcome: OutcomeOther})
}

// choose keeps the places that the patient was shown, without blanks.
func choose(list []Choice) []Choice {
	return slices.DeleteFunc(slices.Clone(list), func(c Choice) bool { return strings.TrimSpace(c.Org) == "" })
}
