// Package consultweb is the face of the advice before a referral: lists, the
// question, the case with its actions, the printed answer and the figures. It
// parses, calls one use case of package consult and renders; it decides nothing.
package consultweb

import (
	"context"
	"slices"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/consult"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/web"
)

// Pages are the routes of this package.
type Pages struct {
	Service *consult.Service
	// Address is the outside address of the platform, put into QR codes before
	// the path of a case; "" leaves the path alone.
	Address string
}

// Routes registers the pages and their menu.
func Routes(site *web.Site, p *Pages) {
	site.Handle("GET /consults", p.list)
	site.Handle("POST /consults", p.create)
	site.Handle("GET /consults/new", p.newForm)
	site.Handle("POST /consults/new/targets", p.targets)
	site.Handle("GET /consults/diagnoses", p.diagnoses)
	site.Handle("GET /consults/figures", p.figures)
	site.Handle("GET /consults/{id}", p.show)
	site.Handle("GET /consults/{id}/news", p.news)
	site.Handle("GET /consults/{id}/print", p.print)
	site.Handle("GET /consults/{id}/{action}", p.open)
	site.Handle("POST /consults/{id}/{action}", p.act)
	site.Menu(web.Item{Group: "业务协同", Title: "咨询", Icon: "message-2", Path: "/consults", Order: 22, Rights: []string{string(access.ConsultRead)}})
}

// PatientSection is the part of the patient page that lists the patient's
// consultations. It runs in the transaction that has decided that the actor may
// see the patient; those of other institutions stay out.
func (p *Pages) PatientSection(ctx context.Context, tx *db.Tx, actor access.Actor, patientID string) (templ.Component, error) {
	all, err := flow.ByPatient(ctx, tx, patientID, 100)
	if err != nil {
		return nil, err
	}
	list := slices.DeleteFunc(all, func(c flow.Case) bool { return consult.Visible(c, actor) != nil })
	if len(list) == 0 && !may(actor, access.ConsultAsk) {
		return templ.NopComponent, nil
	}
	return patientSection(actor, patientID, list), nil
}
