package referral

import (
	"context"
	"slices"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/terminology"
)

// DraftDown opens a down-referral as a draft: only the patient must be known.
func (s *Service) DraftDown(ctx context.Context, actor access.Actor, form DownForm, once string) (flow.Case, error) {
	var out flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		w, err := s.openDown(ctx, tx, actor, form, "", once)
		if err == nil {
			out = w.c
		}
		return err
	})
	return out, err
}

// SendDown opens a down-referral and sends it, in one step.
func (s *Service) SendDown(ctx context.Context, actor access.Actor, form DownForm, once string) (flow.Case, error) {
	var out flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		out, err = s.sendDown(ctx, tx, actor, form, "", once)
		return err
	})
	return out, err
}

func (s *Service) sendDown(ctx context.Context, tx *db.Tx, actor access.Actor, form DownForm, basedOn, once string) (flow.Case, error) {
	if c, done, err := flow.Done(ctx, tx, once); err != nil || done {
		return c, err
	}
	w, err := s.openDown(ctx, tx, actor, form, basedOn, once)
	if err != nil {
		return flow.Case{}, err
	}
	w.ref = Ref{ID: w.c.ID, Version: w.c.Version}
	err = w.submitDown(ctx, form)
	return w.c, err
}

// SaveDown keeps what was written into the draft of a down-referral.
func (s *Service) SaveDown(ctx context.Context, actor access.Actor, ref Ref, form DownForm) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActSave, access.Refer, func(ctx context.Context, w *work) error {
		p, err := w.downPatient(ctx)
		if err != nil {
			return err
		}
		if err := w.writeDown(ctx, form, p, false); err != nil {
			return err
		}
		return w.act(ctx, ActSave, w.addressed())
	})
}

// SubmitDown sends the draft of a down-referral as form says.
func (s *Service) SubmitDown(ctx context.Context, actor access.Actor, ref Ref, form DownForm) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActSubmit, access.Refer, func(ctx context.Context, w *work) error {
		return w.submitDown(ctx, form)
	})
}

// CompleteDown ends the treatment with the report back and sends the patient
// down with his plan, in one transaction: both cases stand, or neither.
func (s *Service) CompleteDown(ctx context.Context, actor access.Actor, ref Ref, report Report, form DownForm) (up, down flow.Case, err error) {
	up, err = s.step(ctx, actor, ref, ActCompleteDown, access.Treat, func(ctx context.Context, w *work) error {
		if !w.r.offers(ActCompleteDown) {
			return errs.E(errs.Conflict, "只有上转的患者能在完成诊疗时下转；请用“完成诊疗并回转”")
		}
		form.Patient = w.c.Patient
		report.Outcome = OutcomeReturned
		if err := w.complete(ctx, ActCompleteDown, report); err != nil {
			return err
		}
		down, err = s.sendDown(ctx, w.tx, actor, form, w.c.ID, "")
		return err
	})
	return up, down, err
}

// openDown opens the case in the caller's transaction.
func (s *Service) openDown(ctx context.Context, tx *db.Tx, actor access.Actor, form DownForm, basedOn, once string) (*work, error) {
	if err := access.Require(actor, access.ReferralCreate, access.Own); err != nil {
		return nil, err
	}
	if form.Patient == "" {
		return nil, fieldErr("patient", "请先选择患者")
	}
	if _, err := s.Access.Patient(ctx, tx, actor, form.Patient, access.Refer); err != nil {
		return nil, err
	}
	p, err := s.Patients.Get(ctx, tx, form.Patient)
	if err != nil {
		return nil, err
	}
	w := &work{s: s, tx: tx, actor: actor, c: flow.Case{Patient: p.ID, Urgency: "IV"}}
	if w.c.Place, err = s.place(ctx, tx, actor); err != nil {
		return nil, err
	}
	if w.c.From, err = party(ctx, tx, actor); err != nil {
		return nil, err
	}
	w.r.Direction = Down
	if err := w.writeDown(ctx, form, p, false); err != nil {
		return nil, err
	}
	roles, err := w.roles(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.Flow.Open(ctx, tx, actor, flow.Opening{
		Kind: Kind, Patient: p.ID, Subject: subject(p, calendar.DateOf(tx.Now)), Urgency: "IV", Track: trackDown,
		From: w.c.From, To: w.c.To, Place: w.c.Place, BasedOn: basedOn, Roles: roles, Once: once,
	})
	if err != nil {
		return nil, err
	}
	w.c, w.was, w.r.ID, w.r.Patient = c, c, c.ID, p.ID
	if err := s.insert(ctx, tx, w.r); err != nil {
		return nil, err
	}
	if err := s.insertPlan(ctx, tx, w.c, form.tidy().Plan); err != nil {
		return nil, err
	}
	return w, w.relate(ctx, flow.Case{})
}

// downPatient reads the patient of a case that goes down.
func (w *work) downPatient(ctx context.Context) (patient.Patient, error) {
	if w.r.Direction != Down {
		return patient.Patient{}, errs.E(errs.Conflict, "%s 不是下转单，请在上转单页面办理", w.c.Number)
	}
	return w.s.Patients.Get(ctx, w.tx, w.c.Patient)
}

// submitDown sends the draft; consent, uniqueness and review as for every
// referral.
func (w *work) submitDown(ctx context.Context, form DownForm) error {
	p, err := w.downPatient(ctx)
	if err != nil {
		return err
	}
	w.r.Policy, w.r.Clauses = "", nil
	if err := w.writeDown(ctx, form, p, true); err != nil {
		return err
	}
	if err := w.consented(ctx, form.Consent); err != nil {
		return err
	}
	if err := w.only(ctx); err != nil {
		return err
	}
	if err := w.contracted(ctx); err != nil {
		return err
	}
	mv := w.addressed()
	if err := w.review(ctx, &mv); err != nil {
		return err
	}
	return w.act(ctx, ActSubmit, mv)
}

// writeDown checks the form and takes it over into record, case and plan.
func (w *work) writeDown(ctx context.Context, form DownForm, p patient.Patient, sending bool) error {
	form = form.tidy()
	reasons, err := w.s.Flow.Codes(keyDownReasons, w.c.Place, w.tx.Now)
	if err != nil {
		return err
	}
	indications, err := w.s.Flow.Codes(keyDownIndications, w.c.Place, w.tx.Now)
	if err != nil {
		return err
	}
	var f errs.Form
	today := calendar.DateOf(w.tx.Now)
	if sending {
		checkPatient(p, today, &f)
		form.checkSent(reasons, &f)
	} else if p.DeceasedOn != "" {
		checkPatient(p, today, &f)
	}
	form.checkSaved(reasons, indications, today, &f)
	if form.TargetService != "" {
		if err := w.targetDown(ctx, form.TargetService, sending, &f); err != nil {
			return err
		}
	}
	if err := f.Err(); err != nil {
		return err
	}
	w.r.Visit, w.r.Purpose, w.r.Indications = Outpatient, form.Reason, form.Indications
	w.r.Diagnosis, w.r.DiagnosisName, w.r.TargetService = form.Diagnosis, "", form.TargetService
	if code, ok := terminology.Get(form.Diagnosis); ok {
		w.r.DiagnosisName = code.Name
	}
	w.r.Request = Request{Illness: form.Plan.Done, Treatment: form.Plan.Next, PurposeText: form.ReasonText, Choices: form.Choices}
	if w.c.ID == "" {
		return nil
	}
	return w.s.updatePlan(ctx, w.tx, w.c, form.Plan)
}

// takesDown reports whether an institution may be sent a patient down from
// one of kind from: a township or community centre, or a rehabilitation or
// nursing home (GB-3.4), but no village clinic.
func takesDown(from, to organization.Kind) bool {
	switch to {
	case organization.TownshipCenter, organization.CommunityCenter, organization.Other:
		return tier(from) > 2
	case organization.CountyHospital, organization.TCMHospital, organization.MaternalHospital:
		return tier(from) > tier(to)
	}
	return false
}

// targetDown checks the receiving place and puts it into the case.
func (w *work) targetDown(ctx context.Context, service string, sending bool, f *errs.Form) error {
	h, err := organization.GetService(ctx, w.tx, service)
	if errs.Is(err, errs.NotFound) || err == nil && !h.Active {
		f.Add("target_service", "所选的接收科室已不存在或已停用，请重新选择")
		return nil
	}
	if err != nil {
		return err
	}
	org, err := organization.Get(ctx, w.tx, h.Org)
	if err != nil {
		return err
	}
	from, err := organization.Get(ctx, w.tx, w.c.From.Org)
	if err != nil {
		return err
	}
	if !takesDown(from.Kind, org.Kind) || !org.Active {
		f.Add("target_service", "下转请选择级别低于本机构的卫生院、社区卫生服务中心，或康复、护理机构；%s不能作为下转的接收机构", org.Name)
		return nil
	}
	allies, err := alliance.Allies(ctx, w.tx, from.ID, calendar.DateOf(w.tx.Now))
	if err != nil {
		return err
	}
	if org.Kind != organization.Other && directionOf(from.Kind, org.Kind, slices.Contains(allies, org.ID)) != Down {
		f.Add("target_service", "%s不在本院所在的医联体内，请选择医联体成员单位", org.Name)
		return nil
	}
	dept, err := organization.GetDepartment(ctx, w.tx, h.Department)
	if err != nil {
		return err
	}
	w.c.To = flow.Party{Org: org.ID, OrgName: org.Name, Department: dept.ID, DepartmentName: dept.Name}
	w.r.TargetPhone = org.ReferralPhone
	if !sending || org.Kind == organization.Other {
		return nil
	}
	return w.published(org)
}

// roles says whose turn it is at institutions that have no referral centre:
// the doctor of a primary institution receives, the doctor of a hospital's
// department has sent.
func (w *work) roles(ctx context.Context) (map[flow.Side]access.Role, error) {
	if w.r.Direction != Down {
		return nil, nil
	}
	out := map[flow.Side]access.Role{flow.From: access.DepartmentDoctor, flow.To: access.TownshipDoctor}
	if w.c.To.Org == "" {
		return out, nil
	}
	org, err := organization.Get(ctx, w.tx, w.c.To.Org)
	if org.Kind.Hospital() {
		delete(out, flow.To)
	}
	return out, err
}

// elsewhereDown sends a declined down-referral to another place with the same
// plan.
func (w *work) elsewhereDown(ctx context.Context, service string, choices []Choice) error {
	p, err := w.downPatient(ctx)
	if err != nil {
		return err
	}
	plan, err := w.s.plan(ctx, w.tx, w.c.ID)
	if err != nil {
		return err
	}
	if service == w.r.TargetService {
		return fieldErr("target_service", "该机构刚刚退回了这张单子，请选择其他机构")
	}
	form := DownForm{
		Patient: p.ID, Diagnosis: w.r.Diagnosis, Reason: w.r.Purpose, ReasonText: w.r.Request.PurposeText,
		Indications: w.r.Indications, TargetService: service, Plan: plan.Plan, Choices: choose(choices),
	}
	if err := w.writeDown(ctx, form, p, true); err != nil {
		return err
	}
	return w.act(ctx, ActElsewhere, w.addressed())
}

// declines is the action by which a receiver does not take a patient, and the
// list of its reasons: another one for each direction.
func (w *work) declines() string {
	if w.r.Direction == Down {
		return ActDeclineDown
	}
	return ActDecline
}

// DownOptions are the coded lists of the form.
type DownOptions struct{ Reasons, Indications []policy.Code }

// DownOptions reads the lists of the form for a down-referral.
func (s *Service) DownOptions(ctx context.Context, actor access.Actor) (out DownOptions, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		place, err := s.place(ctx, tx, actor)
		if err != nil {
			return err
		}
		if out.Reasons, err = s.Flow.Codes(keyDownReasons, place, tx.Now); err != nil {
			return err
		}
		out.Indications, err = s.Flow.Codes(keyDownIndications, place, tx.Now)
		return err
	})
	return out, err
}
