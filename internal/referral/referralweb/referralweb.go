// Package referralweb is the face of the two-way referral: worklists, the case
// with its actions, the new referral, the registration desk, the overview and
// the printed forms. It parses, calls one use case of package referral and
// renders; it decides nothing.
package referralweb

import (
	"context"
	"slices"
	"time"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/web"
)

// Pages are the routes of this package. Consent, departments and people are
// read through the database of the service.
type Pages struct {
	Service *referral.Service
	// Address is the outside address of the platform, put into QR codes before
	// the path of a case; "" leaves the path alone.
	Address string
	// Measured is told how many interactions and how much time a doctor needed
	// from an open patient to a submitted referral; nil: nobody listens.
	Measured func(ctx context.Context, interactions int, elapsed time.Duration)

	door doorkeeper // of one-time links
}

// Routes registers the pages and their menu.
func Routes(site *web.Site, p *Pages) {
	site.Handle("GET /referrals", p.list)
	site.Handle("POST /referrals", p.create)
	site.Handle("GET /referrals/new", p.newForm)
	site.Handle("POST /referrals/new/suggest", p.suggestions)
	site.Handle("POST /referrals/new/ground", p.grounds)
	site.Handle("GET /referrals/diagnoses", p.diagnoses)
	site.Handle("GET /referrals/{id}", p.show)
	site.Handle("GET /referrals/{id}/news", p.news)
	site.Handle("GET /referrals/{id}/exams", p.otherClinic)
	site.Handle("GET /referrals/{id}/receipt", p.receipt)
	site.Handle("GET /referrals/{id}/print/{paper}", p.print)
	site.Handle("GET /referrals/{id}/print/file", p.printFile)
	site.Handle("GET /referrals/{id}/file", p.saveFile)
	site.Handle("GET /referrals/{id}/{action}", p.open)
	site.Handle("POST /referrals/{id}/{action}", p.act)
	downRoutes(site, p)
	site.Handle("GET /desk", p.desk)
	site.Handle("POST /desk/find", p.find)
	site.Handle("POST /desk/{id}", p.register)
	site.Handle("POST /desk/{id}/reminder", p.remindedAnswer)
	site.Handle("POST /reminders/{id}/confirm", p.coming)
	site.Handle("GET /overview", p.overview)
	rights := func(list ...access.Right) (out []string) {
		for _, r := range list {
			out = append(out, string(r))
		}
		return out
	}
	p.emergencyRoutes(site)
	site.Menu(
		web.Item{Group: "业务协同", Title: "双向转诊", Icon: "arrows-exchange", Path: "/referrals", Order: 20, Rights: rights(access.ReferralRead)},
		web.Item{Group: "业务协同", Title: "到诊登记", Icon: "door-enter", Path: "/desk", Order: 21, Rights: rights(access.ReferralArrive)},
		web.Item{Group: "监管", Title: "总览", Icon: "chart-bar", Path: "/overview", Order: 60, Rights: rights(access.ReferralCount)},
	)
}

// PatientSection is the part of the patient page that lists the patient's
// referrals. It runs in the transaction that has decided that the actor may see
// the patient; drafts of other institutions stay out.
func (p *Pages) PatientSection(ctx context.Context, tx *db.Tx, actor access.Actor, patientID string) (templ.Component, error) {
	all, err := flow.ByPatient(ctx, tx, patientID, 100)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(all, func(c flow.Case) bool {
		unsent := c.State == referral.StateDraft || c.State == referral.StateInReview || c.State == referral.StateDiscarded
		return c.Kind != referral.Kind || unsent && actor.Org != c.From.Org && actor.Org != c.OwnerOrg
	})
	return patientSection(actor, patientID, list), nil
}
