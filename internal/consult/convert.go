package consult

import (
	"context"
	"fmt"
	"slices"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/message"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/referral"
)

// Convert turns an answer into a referral: by the asker a draft of his own; by
// the specialist, as the asker has allowed beforehand, a draft in the asker's
// hands (ConvertDraft) or, where the patient has signed for it, a referral that
// is sent at once (ConvertSend). Until that referral is taken over the asker
// stays responsible.
func (s *Service) Convert(ctx context.Context, actor access.Actor, ref Ref, how string) (c, to flow.Case, err error) {
	c, err = s.step(ctx, actor, ref, "", func(ctx context.Context, w *work) error {
		action := ActConvertFor
		if actor.Org == w.c.From.Org {
			action, how = ActConvert, ConvertDraft
		}
		if _, err := s.Flow.Check(ctx, w.tx, actor, ref.ID, ref.Version, action); err != nil {
			return err
		}
		if how != ConvertDraft && how != ConvertSend {
			return fieldErr("convert", "请选择生成草稿，还是直接提交")
		}
		return w.convert(ctx, action, how)
	})
	if err != nil {
		return c, to, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		to, err = s.referralOf(ctx, tx, c.ID)
		return err
	})
	return c, to, err
}

// referralOf is the referral that a consultation was turned into; none is zero.
func (s *Service) referralOf(ctx context.Context, tx *db.Tx, id string) (flow.Case, error) {
	to, err := db.Get(ctx, tx, "这张咨询单", db.Value[string], `SELECT referral FROM consult WHERE id = $1`, id)
	if err != nil || to == "" {
		return flow.Case{}, err
	}
	return flow.Get(ctx, tx, to)
}

// convert opens the referral, and sends it where that was asked for.
func (w *work) convert(ctx context.Context, action, how string) error {
	if err := refuses(w.c, w.r, w.actor, action); err != nil {
		return err
	}
	form, err := w.referral(ctx)
	if err != nil {
		return err
	}
	d := referral.Derived{Form: form, BasedOn: w.c.ID}
	if action == ActConvertFor {
		d.For = w.c.From
	}
	draft, err := w.s.Referrals.DeriveTx(ctx, w.tx, w.actor, d)
	if err != nil {
		return cannot(err)
	}
	w.r.Referral, w.r.ConvertedAt = draft.ID, w.tx.Now
	if how == ConvertSend {
		if err := w.send(ctx, draft, form); err != nil {
			return err
		}
	}
	if err := w.act(ctx, action, flow.Move{Comment: "转诊单 " + draft.Number}); err != nil {
		return err
	}
	if how == ConvertSend {
		return nil // the referral itself tells the patient
	}
	return w.tell(ctx, draft)
}

// send sends the draft on the strength of what patient and asker have signed
// and allowed beforehand.
func (w *work) send(ctx context.Context, draft flow.Case, form referral.Form) error {
	signed, err := consent.For(ctx, w.tx, consent.Referral, w.c.ID)
	if err != nil {
		return err
	}
	if len(signed) == 0 || signed[0].Refused {
		return fieldErr("convert", "患者没有预先签署转诊同意，不能直接提交：请生成草稿，由申请医生请患者签署后提交")
	}
	k := signed[0]
	k.Detail = "咨询时一并签署，见咨询单 " + w.c.Number
	form.Consent = &k
	_, err = w.s.Referrals.SendDerivedTx(ctx, w.tx, draft, form)
	return cannot(err)
}

// cannot says of a referral that its rules refuse that it is this step which
// did not happen; its fields do not stand on the form of the answer.
func cannot(err error) error {
	if !errs.Correctable(err) {
		return err
	}
	return fieldErr("convert", "不能转为转诊：%s。本次操作没有保存；可只送答复，由申请医生办理转诊", err.Error())
}

// referral is the request filled with what the consultation knows.
func (w *work) referral(ctx context.Context) (referral.Form, error) {
	q, a := w.r.Question, w.r.Answer
	urgency := a.Urgency
	if urgency == "" {
		urgency = "IV"
	}
	f := referral.Form{
		Patient: w.c.Patient, Visit: referral.Outpatient, Urgency: urgency, Diagnosis: w.r.Diagnosis,
		Request: referral.Request{
			Chief: q.Chief, Treatment: q.Treatment, Consciousness: "clear",
			Illness: clip(fmt.Sprintf("%s\n转诊前咨询（%s，%s %s %s）：%s。%s", q.Summary, w.c.Number, w.c.To.OrgName, w.c.To.DepartmentName, a.By, AnswerTitle(a.Kind), a.Opinion)),
		},
	}
	purposes, err := w.s.Flow.Codes("referral.reason.up", w.c.Place, w.tx.Now)
	if err != nil {
		return f, err
	}
	if slices.ContainsFunc(purposes, func(c policy.Code) bool { return c.Code == purpose }) {
		f.Purpose = purpose
	}
	h, ok, err := w.service(ctx, urgency)
	if err != nil || !ok {
		return f, err
	}
	f.TargetService = h.ID
	f.Request.Choices = []referral.Choice{{Org: w.c.To.Org, OrgName: w.c.To.OrgName, Service: w.c.To.DepartmentName + " " + h.Kind.Title(), Chosen: true}}
	return f, nil
}

// purpose is why a patient is referred on advice: the specialist is needed.
const purpose = "specialist"

// clip keeps a text within what a referral takes.
func clip(text string) string {
	if r := []rune(text); len(r) > maxText {
		return string(r[:maxText-1]) + "…"
	}
	return text
}

// service is the service of the asked department that takes the patient.
func (w *work) service(ctx context.Context, urgency string) (organization.HealthcareService, bool, error) {
	p, err := w.s.Patients.Get(ctx, w.tx, w.c.Patient)
	if err != nil {
		return organization.HealthcareService{}, false, err
	}
	found, err := organization.FindServices(ctx, w.tx, organization.Need{
		Code: w.r.Diagnosis, Age: p.Age(calendar.DateOf(w.tx.Now)), Sex: p.Sex, Urgency: urgency, From: w.c.From.Org,
	})
	i := slices.IndexFunc(found, func(c organization.Candidate) bool { return c.Department.ID == w.c.To.Department })
	if err != nil || i < 0 {
		return organization.HealthcareService{}, false, err
	}
	return found[i].Service, true, nil
}

// tell writes the patient that a referral is being prepared for him: who acts
// next, no diagnosis and no department. Of questions and answers between
// doctors he hears from his own doctor.
func (w *work) tell(ctx context.Context, draft flow.Case) error {
	if w.s.Messages == nil {
		return nil
	}
	org, err := organization.Get(ctx, w.tx, w.c.From.Org)
	if err != nil {
		return err
	}
	contact, err := w.s.Patients.Contact(ctx, w.tx, w.c.Patient)
	if err != nil {
		return err
	}
	p := message.Plain{
		Done: "您的医生请教了上级医院，建议为您办理转诊（" + draft.Number + "）", Who: org.Name, Does: "与您商量，您签字同意后提交",
		By: draft.DueAt, Phone: org.ReferralPhone,
	}
	if contact.Safe {
		p.Done = ""
	}
	_, err = w.s.Messages.Send(ctx, w.tx, message.Out{
		Patient: w.c.Patient, To: contact.Phone, Text: p.Text(), Case: w.c.ID, Orgs: []string{w.c.From.Org}, Key: w.c.ID + "/convert",
	})
	return err
}

// CanSend reports whether the patient has signed for a referral beforehand, so
// that the specialist may send it at once.
func CanSend(ctx context.Context, tx *db.Tx, id string) (bool, error) {
	return consent.Given(ctx, tx, consent.Referral, id)
}
