package referralweb

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/firstvisit"
	"yilian/internal/flow"
	"yilian/internal/liaison"
	"yilian/internal/referral"
	"yilian/internal/web"
)

// ground reads what the chosen place and earlier referrals ask of the form.
func (p *Pages) ground(ctx context.Context, q *request, id string) (err error) {
	q.Asked = referral.Asked{}
	if q.value("diagnosis") == "" {
		return nil
	}
	q.Asked, err = p.Service.Asks(ctx, q.Actor, referral.GroundNeed{
		Patient: id, Diagnosis: q.value("diagnosis"), Service: q.value("target_service"), Draft: firstOf(q.Draft.ID, q.value("draft")),
	})
	return err
}

// grounds answers a chosen place.
func (p *Pages) grounds(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	if err := r.ParseForm(); err != nil {
		return errs.Because(err, errs.Invalid, "提交的内容无法识别，请刷新页面后重试")
	}
	q := request{Actor: actor, Values: r.PostForm}
	if err := p.ground(r.Context(), &q, q.value("patient")); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, groundFields(q.Asked, q.Values, q.Err))
}

// grounded reads the answers into a request.
func grounded(form url.Values, r *referral.Request, wrong *errs.Form) {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	if text("first_visit_reason") != "" {
		r.FirstVisit = &firstvisit.Override{Reason: text("first_visit_reason"), Comment: text("first_visit_comment")}
	}
	if text("parallel_reason") != "" {
		r.Parallel = &referral.Parallel{Reason: text("parallel_reason"), Comment: text("parallel_comment")}
	}
	r.Contact = contactOf(form, wrong)
}

// contactOf is who beyond the county has said yes; nil when nothing was asked.
func contactOf(form url.Values, wrong *errs.Form) *liaison.Contact {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	c := liaison.Contact{How: text("contact_how"), Person: text("contact_person"), Phone: text("contact_phone"),
		At: when(form, "contact_at", "通话时间", wrong), Visit: calendar.Date(text("contact_visit"))}
	if c == (liaison.Contact{}) {
		return nil
	}
	return &c
}

// groundValues puts the stored answers back into a form.
func groundValues(r referral.Request, v url.Values) {
	if o := r.FirstVisit; o != nil {
		v.Set("first_visit_reason", o.Reason)
		v.Set("first_visit_comment", o.Comment)
	}
	if p := r.Parallel; p != nil {
		v.Set("parallel_reason", p.Reason)
		v.Set("parallel_comment", p.Comment)
	}
	if c := r.Contact; c != nil {
		v.Set("contact_how", c.How)
		v.Set("contact_person", c.Person)
		v.Set("contact_phone", c.Phone)
		v.Set("contact_visit", string(c.Visit))
		if !c.At.IsZero() {
			v.Set("contact_at", c.At.In(calendar.Shanghai).Format(localTime))
		}
	}
}

// elsewhere sends a declined case to another place; all places on the page
// were shown to the patient.
func elsewhere(c call) (flow.Case, error) {
	full, err := c.p.Service.View(c.ctx, c.actor, c.ref.ID)
	if err != nil {
		return flow.Case{}, err
	}
	targets, err := c.p.elsewhereTargets(c.ctx, c.actor, full)
	if err != nil {
		return flow.Case{}, err
	}
	service := c.text("target_service")
	var r referral.Request
	var wrong errs.Form
	grounded(c.form, &r, &wrong)
	if err := wrong.Err(); err != nil {
		return flow.Case{}, err
	}
	return c.p.Service.SendElsewhereAs(c.ctx, c.actor, c.ref, referral.Elsewhere{
		Service: service, Choices: choices(targets, c.form["shown"], service), FirstVisit: r.FirstVisit, Contact: r.Contact,
	})
}

// elsewhereAsks reads the places of a declined case and what the chosen one asks.
func (p *Pages) elsewhereAsks(ctx context.Context, v *view) error {
	found, err := p.elsewhereTargets(ctx, v.Actor, v.Full)
	if err != nil {
		return err
	}
	v.Form.Lists.Targets = slices.DeleteFunc(found, func(t referral.Target) bool { return t.Service.ID == v.Record.TargetService })
	if service := v.Form.value("target_service"); service != "" && v.Down == nil {
		v.Form.Lists.Asked, err = p.Service.Asks(ctx, v.Actor, referral.GroundNeed{
			Patient: v.Case.Patient, Diagnosis: v.Record.Diagnosis, Service: service, Draft: v.Case.ID,
		})
	}
	return err
}
