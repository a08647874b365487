package referral

import (
	"context"
	"slices"

	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
)

// request is a form on its way into the record: what the guards look at.
type request struct {
	form    Form
	patient patient.Patient
	lists   lists
	sending bool // false: a draft is saved
	signed  *consent.Consent
	move    flow.Move

	service organization.HealthcareService // id "": none chosen
	to      organization.Organization
}

// guard is one thing that may keep an ordinary referral from leaving. A guard
// of the form adds its objections to f; the others refuse. An emergency passes
// none of them, which a test holds for each line of the table.
type guard struct {
	name  string
	draft bool // also asked when a draft is saved
	check func(ctx context.Context, w *work, q *request, f *errs.Form) error
}

// formGuards look at what was written, all of them before anything is said.
var formGuards = []guard{
	{"patient", true, func(_ context.Context, w *work, q *request, f *errs.Form) error {
		if q.sending || q.patient.DeceasedOn != "" {
			checkPatient(q.patient, calendar.DateOf(w.tx.Now), f)
		}
		return nil
	}},
	{"complete", false, func(_ context.Context, _ *work, q *request, f *errs.Form) error {
		q.form.checkSent(q.lists, f)
		return nil
	}},
	{"sound", true, func(_ context.Context, w *work, q *request, f *errs.Form) error {
		q.form.checkSaved(q.lists, calendar.DateOf(w.tx.Now), f)
		return nil
	}},
	{"place", true, placeGuard},
	{"tier", true, tierGuard},
	{"phone", false, func(_ context.Context, w *work, q *request, _ *errs.Form) error {
		if q.service.ID == "" {
			return nil
		}
		return w.published(q.to)
	}},
	{"takes", false, takesGuard},
	{"first_visit", false, groundGuard(func(w *work, _ context.Context, from, to organization.Organization, form *Form, f *errs.Form) error {
		return w.firstVisit(from, to, form, f)
	})},
	{"beyond", false, groundGuard((*work).beyond)},
}

// sendGuards are asked after the form has been taken over, one after the other.
var sendGuards = []guard{
	{"consent", false, func(ctx context.Context, w *work, q *request, _ *errs.Form) error { return w.consented(ctx, q.signed) }},
	{"duplicate", false, func(ctx context.Context, w *work, _ *request, _ *errs.Form) error { return w.only(ctx) }},
	{"review", false, func(ctx context.Context, w *work, q *request, _ *errs.Form) error { return w.review(ctx, &q.move) }},
}

// placeGuard finds the chosen place and puts it into the case as receiving party.
func placeGuard(ctx context.Context, w *work, q *request, f *errs.Form) error {
	if q.form.TargetService == "" {
		return nil
	}
	h, err := organization.GetService(ctx, w.tx, q.form.TargetService)
	if errs.Is(err, errs.NotFound) {
		f.Add("target_service", "所选的接收科室已不存在，请重新选择")
		return nil
	}
	if err != nil {
		return err
	}
	if h.Org == w.actor.Org {
		f.Add("target_service", "不能转诊给本机构，请选择其他机构")
		return nil
	}
	org, err := organization.Get(ctx, w.tx, h.Org)
	if err != nil {
		return err
	}
	dept, err := organization.GetDepartment(ctx, w.tx, h.Department)
	if err != nil {
		return err
	}
	q.service, q.to = h, org
	w.c.To = flow.Party{Org: org.ID, OrgName: org.Name, Department: dept.ID, DepartmentName: dept.Name}
	w.r.TargetPhone = org.ReferralPhone
	return nil
}

// tierGuard derives the direction. Sending down is a way of its own.
func tierGuard(ctx context.Context, w *work, q *request, f *errs.Form) error {
	if q.service.ID == "" {
		return nil
	}
	from, err := organization.Get(ctx, w.tx, w.actor.Org)
	if err != nil {
		return err
	}
	allies, err := alliance.Allies(ctx, w.tx, from.ID, calendar.DateOf(w.tx.Now))
	if err != nil {
		return err
	}
	w.r.Direction = directionOf(from.Kind, q.to.Kind, slices.Contains(allies, q.to.ID))
	if tier(q.to.Kind) < tier(from.Kind) {
		f.Add("target_service", "%s的级别低于本机构：这张单子用于上转和平转，请选择同级或上级机构", q.to.Name)
	}
	return nil
}

func takesGuard(ctx context.Context, w *work, q *request, f *errs.Form) error {
	if q.service.ID == "" {
		return nil
	}
	takes, err := takesPatient(ctx, w.tx, w.actor.Org, q.service, q.form, q.patient, calendar.DateOf(w.tx.Now))
	if err == nil && !takes {
		f.Add("target_service", "%s %s不接收该患者（病种、年龄、性别或紧急程度不符，或已停用），请重新选择", q.to.Name, q.service.Name)
	}
	return err
}

func takesPatient(ctx context.Context, tx *db.Tx, from string, h organization.HealthcareService, form Form, p patient.Patient, today calendar.Date) (bool, error) {
	found, err := organization.FindServices(ctx, tx, organization.Need{
		Code: form.Diagnosis, Age: p.Age(today), Sex: p.Sex, Urgency: form.Urgency, From: from, Service: h.ID,
	})
	return len(found) > 0, err
}

// groundGuard asks what the chosen place wants beyond a complete request.
func groundGuard(check func(w *work, ctx context.Context, from, to organization.Organization, form *Form, f *errs.Form) error) func(context.Context, *work, *request, *errs.Form) error {
	return func(ctx context.Context, w *work, q *request, f *errs.Form) error {
		if q.service.ID == "" {
			return nil
		}
		from, err := organization.Get(ctx, w.tx, w.actor.Org)
		if err != nil {
			return err
		}
		return check(w, ctx, from, q.to, &q.form, f)
	}
}

// ask asks the guards of a table, in its order.
func (w *work) ask(ctx context.Context, table []guard, q *request, f *errs.Form) error {
	for _, g := range table {
		if !q.sending && !g.draft {
			continue
		}
		if err := g.check(ctx, w, q, f); err != nil {
			return err
		}
	}
	return nil
}
