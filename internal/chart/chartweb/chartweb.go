// Package chartweb is the face of a person's record: the view of a minute on
// the patient page, the timeline of all institutions, results with their trend,
// one fact with what it was before, documents and images, and the resident's own
// page of who looked. It parses, calls one use case of package chart and renders.
package chartweb

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/chart"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/exchange/cda"
	"yilian/internal/patient"
	"yilian/internal/web"
)

// Pages are the routes of this package.
type Pages struct {
	Service *chart.Service
	Audit   *audit.Log
	// Visits is offered on the patient page: the address of the form that enters
	// a visit, "" for those who enter none.
	Visits func(actor access.Actor, patientID string) string
	// Withdraw is the address that takes a fact off the chart it does not belong
	// to, "" for facts and people for whom there is none; nil: nowhere.
	Withdraw func(actor access.Actor, f chart.Fact) string
}

// Routes registers the pages and the menu of residents.
func Routes(site *web.Site, p *Pages) {
	site.Handle("GET /patients/{id}/timeline", p.timeline)
	site.Handle("GET /patients/{id}/results", p.results)
	site.Handle("GET /patients/{id}/facts/{kind}/{fact}", p.fact)
	site.Handle("GET /patients/{id}/facts/{kind}/{fact}/files/{n}", p.file)
	site.Handle("POST /patients/{id}/sensitive", p.open)
	site.Handle("GET /record", p.own)
	site.Handle("GET /looks", p.looks)
	own := []string{string(access.RecordOwn)}
	site.Menu(web.Item{Group: "我的健康", Title: "我的健康档案", Icon: "heartbeat", Path: "/record", Order: 30, Rights: own})
	site.Menu(web.Item{Group: "我的健康", Title: "谁看过我的档案", Icon: "eye", Path: "/looks", Order: 31, Rights: own})
}

// Summary is the view of a minute, for the top of the patient page. It runs in
// the transaction that has made the access decision.
func (p *Pages) Summary(ctx context.Context, tx *db.Tx, actor access.Actor, page patient.Page) (templ.Component, error) {
	c, err := p.Service.ReadTx(ctx, tx, actor, page.Patient, page.Grant)
	if err != nil {
		return nil, err
	}
	return summary(summaryView{Chart: c, Overview: c.Overview(), Visit: p.visitURL(actor, page)}), nil
}

func (p *Pages) visitURL(actor access.Actor, page patient.Page) string {
	if p.Visits == nil || page.DeceasedOn != "" {
		return ""
	}
	return p.Visits(actor, page.ID)
}

type summaryView struct {
	chart.Chart
	chart.Overview
	Visit string
}

// pageSize is how many entries of a timeline stand on one page.
const pageSize = 40

type timelineView struct {
	Patient patient.Patient
	Chart   chart.Chart
	Filter  chart.Filter
	Entries []chart.Entry
	Pages   web.Pages
	Err     error
}

func (p *Pages) timeline(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	v := timelineView{Filter: chart.Filter{Kind: chart.Kind(q.Get("kind")), Org: q.Get("org")}}
	var form errs.Form
	for _, d := range []struct {
		name string
		into *calendar.Date
	}{{"from", &v.Filter.From}, {"to", &v.Filter.To}} {
		if text := strings.TrimSpace(q.Get(d.name)); text != "" {
			day, err := calendar.ParseDate(text)
			form.AddErr(d.name, err)
			*d.into = day
		}
	}
	v.Err = form.Err()
	var err error
	if v.Patient, v.Chart, err = p.Service.Open(r.Context(), access.ActorOf(r.Context()), r.PathValue("id")); err != nil {
		return err
	}
	all := v.Chart.Timeline(v.Filter)
	page := min(web.PageNumber(r), max(1, (len(all)+pageSize-1)/pageSize))
	v.Entries = all[(page-1)*pageSize : min(len(all), page*pageSize)]
	v.Pages = web.Pages{Page: page, Size: pageSize, Total: len(all), URL: "/patients/" + v.Patient.ID + "/timeline?" + keep(q)}
	return web.Render(w, r, web.Status(v.Err), timelinePage(v))
}

// keep is a query without its page.
func keep(q url.Values) string {
	q.Del("page")
	return q.Encode()
}

type resultsView struct {
	Patient patient.Patient
	Chart   chart.Chart
	All     []chart.Series
	One     *chart.Series
}

func (p *Pages) results(w http.ResponseWriter, r *http.Request) error {
	var v resultsView
	var err error
	if v.Patient, v.Chart, err = p.Service.Open(r.Context(), access.ActorOf(r.Context()), r.PathValue("id")); err != nil {
		return err
	}
	v.All = v.Chart.AllSeries()
	if test := r.URL.Query().Get("test"); test != "" {
		one, ok := v.Chart.SeriesOf(test, r.URL.Query().Get("unit"))
		if !ok {
			return errs.E(errs.NotFound, "没有“%s”的结果", test)
		}
		v.One = &one
	}
	return web.Render(w, r, http.StatusOK, resultsPage(v))
}

type factView struct {
	chart.Detail
	Documents []*cda.Document // read from the files of the fact, nil where a file is none
	Texts     []string
	Withdraw  string // address of the use case that takes it off this chart, "" not allowed
}

func (p *Pages) fact(w http.ResponseWriter, r *http.Request) error {
	actor, key := access.ActorOf(r.Context()), r.PathValue("kind")+"/"+r.PathValue("fact")
	d, err := p.Service.Read(r.Context(), actor, r.PathValue("id"), key)
	if err != nil {
		return err
	}
	v := factView{Detail: d, Documents: make([]*cda.Document, len(d.Fact.Files)), Texts: make([]string, len(d.Fact.Files))}
	if p.Withdraw != nil {
		v.Withdraw = p.Withdraw(actor, d.Fact)
	}
	for i, f := range d.Fact.Files {
		if !f.Here() || !f.CDA() && f.Plain() != "text/plain" {
			continue
		}
		content, err := p.Service.Content(r.Context(), d, i)
		if err != nil {
			return err
		}
		if f.CDA() {
			if v.Documents[i], err = cda.Parse(content); err != nil {
				v.Documents[i] = nil // it can still be saved whole
			}
		} else {
			v.Texts[i] = string(content)
		}
	}
	return web.Render(w, r, http.StatusOK, factPage(v))
}

// file gives one attachment: what a browser can show safely in the page, the
// rest to be saved. Nothing of it may run.
func (p *Pages) file(w http.ResponseWriter, r *http.Request) error {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		return errs.E(errs.NotFound, "没有这个附件")
	}
	d, a, err := p.Service.OpenFile(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), r.PathValue("kind")+"/"+r.PathValue("fact"), n)
	if err != nil {
		return err
	}
	kind, disposition := "application/octet-stream", "attachment"
	if a.Safe() {
		kind, disposition = a.Plain(), "inline"
		if kind == "text/plain" {
			kind += "; charset=utf-8"
		}
	}
	name := a.Title
	if name == "" {
		name = d.Fact.Title
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", disposition+"; filename*=UTF-8''"+url.PathEscape(name+suffix(a.Plain())))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(a.Bytes)
	return err
}

func suffix(kind string) string {
	return map[string]string{"application/pdf": ".pdf", "image/png": ".png", "image/jpeg": ".jpg", "text/plain": ".txt", "application/xml": ".xml", "text/xml": ".xml"}[kind]
}

func (p *Pages) open(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := p.Service.OpenSensitive(r.Context(), access.ActorOf(r.Context()), id, r.PostFormValue("comment")); err != nil {
		return err
	}
	web.Flash(w, r, web.Warn, "已打开隐藏内容，原因和时间已留痕，居民本人可以看到")
	return web.Redirect(w, r, "/patients/"+id)
}

// own leads residents to their own record.
func (p *Pages) own(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	if err := access.Require(actor, access.RecordOwn, access.Self); err != nil {
		return err
	}
	return web.Redirect(w, r, "/patients/"+actor.Patient)
}

type looksView struct {
	Patient patient.Patient
	Mine    bool
	Wards   []patient.Brief
	List    []audit.Leaf
}

// shownLooks is how many entries the page of who looked shows.
const shownLooks = 200

func (p *Pages) looks(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	if err := access.Require(actor, access.RecordOwn, access.Self); err != nil {
		return err
	}
	id := actor.Patient
	if x := r.URL.Query().Get("person"); x != "" {
		id = x
	}
	v := looksView{Mine: id == actor.Patient}
	var err error
	if v.List, err = p.Service.Looks(r.Context(), p.Audit, actor, id, shownLooks); err != nil {
		return err
	}
	err = p.Service.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		if v.Patient, err = p.Service.Patients.Get(r.Context(), tx, id); err != nil {
			return err
		}
		wards, err := access.Wards(r.Context(), tx, actor.Patient)
		if err != nil {
			return err
		}
		briefs, err := patient.Briefs(r.Context(), tx, wards)
		for _, id := range wards {
			v.Wards = append(v.Wards, briefs[id])
		}
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, looksPage(v))
}
