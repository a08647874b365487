// Package filingweb is the face of the filings and of the register of
// exceptions: worklists of the lead's office and of the bureaus, one filing with
// its checks and stamps, its paper, and the exceptions. It decides nothing.
package filingweb

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/exemption"
	"yilian/internal/filing"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/region"
	"yilian/internal/web"
)

// Pages are the routes of this package.
type Pages struct {
	Filings    *filing.Service
	Exemptions *exemption.Service
}

// Routes registers the pages and their menu.
func Routes(site *web.Site, p *Pages) {
	site.Menu(web.Item{Group: "医联体", Title: "备案", Icon: "rubber-stamp", Path: "/filings", Order: 645, Rights: []string{string(access.FilingPrepare), string(access.FilingReview)}})
	site.Menu(web.Item{Group: "医联体", Title: "例外登记", Icon: "certificate", Path: "/exemptions", Order: 647, Rights: []string{string(access.ExemptionRead)}})
	site.Handle("GET /filings", p.list)
	site.Handle("POST /filings", p.begin)
	site.Handle("GET /filings/{id}", p.show)
	site.Handle("GET /filings/{id}/print", p.print)
	site.Handle("POST /filings/{id}/{action}", p.act)
	site.Handle("GET /exemptions", p.exemptions)
	site.Handle("GET /exemptions/new", p.newExemption)
	site.Handle("POST /exemptions", p.apply)
	site.Handle("GET /exemptions/{id}", p.exemption)
	site.Handle("POST /exemptions/{id}/{action}", p.decide)
}

// worklist is the page of the list.
type worklist struct {
	Rows []filing.Row
	Tab  string
	Lead bool // the reader files, and does not review
}

func (l worklist) in(tab string) []filing.Row {
	var out []filing.Row
	for _, r := range l.Rows {
		ok := false
		switch tab {
		case "mine":
			ok = r.Mine
		case "pressing":
			ok = r.Pressing
		case "open":
			ok = r.Case.Open()
		case "done":
			ok = !r.Case.Open()
		}
		if ok {
			out = append(out, r)
		}
	}
	return out
}

func (l worklist) tabs() []web.Tab {
	tab := func(title, key string, tone web.Tone) web.Tab {
		return web.Tab{Title: title, URL: "/filings?tab=" + key, Count: len(l.in(key)), Tone: tone, Active: l.Tab == key}
	}
	out := []web.Tab{tab("待我办理", "mine", web.Info)}
	if !l.Lead {
		out = append(out, tab("下级逾期", "pressing", web.Bad))
	}
	return append(out, tab("办理中", "open", ""), tab("已办结", "done", ""))
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	rows, err := p.Filings.List(r.Context(), actor)
	if err != nil {
		return err
	}
	l := worklist{Rows: rows, Tab: r.URL.Query().Get("tab"), Lead: !access.May(actor, access.FilingReview, access.Own)}
	if l.Tab == "" {
		l.Tab = "mine"
		if len(l.in("mine")) == 0 {
			l.Tab = "open"
		}
	}
	return web.Render(w, r, http.StatusOK, listPage(l))
}

func (p *Pages) begin(w http.ResponseWriter, r *http.Request) error {
	c, err := p.Filings.Begin(r.Context(), access.ActorOf(r.Context()), r.FormValue("alliance"), web.OnceToken(r))
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "备案 "+c.Number+" 已建立，请核对后报送")
	return web.Redirect(w, r, "/filings/"+c.ID)
}

// view is the page of one filing.
type view struct {
	filing.Full
	Actor   access.Actor
	Err     error
	Reasons []web.Option
	Values  url.Values
}

func (v view) may(action string) bool {
	for _, a := range v.Actions {
		if a.Name == action {
			return true
		}
	}
	return false
}

func (v view) holder() string {
	if v.Case.Turn == flow.From {
		return v.Case.From.OrgName
	}
	return v.Case.To.OrgName
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error { return p.render(w, r, nil) }

func (p *Pages) load(r *http.Request) (view, error) {
	actor := access.ActorOf(r.Context())
	full, err := p.Filings.View(r.Context(), actor, r.PathValue("id"))
	v := view{Full: full, Actor: actor, Values: url.Values{}}
	if err != nil {
		return v, err
	}
	codes, err := p.Filings.Flow.Codes("filing.reason.return", full.Case.Place, p.Filings.DB.Now())
	for _, c := range codes {
		v.Reasons = append(v.Reasons, web.Option{Value: c.Code, Text: c.Title})
	}
	return v, err
}

func (p *Pages) render(w http.ResponseWriter, r *http.Request, failed error) error {
	v, err := p.load(r)
	if err != nil {
		return err
	}
	v.Err = failed
	if failed != nil {
		v.Values = r.PostForm
	}
	return web.Render(w, r, web.Status(failed), filingPage(v))
}

func (p *Pages) print(w http.ResponseWriter, r *http.Request) error {
	v, err := p.load(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, filingPaper(v, p.Filings.DB.Now()))
}

func ref(r *http.Request) filing.Ref {
	version, err := strconv.Atoi(r.FormValue("version"))
	if err != nil {
		version = -1 // no version: stale
	}
	return filing.Ref{ID: r.PathValue("id"), Version: version, Once: web.OnceToken(r)}
}

func (p *Pages) act(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	ctx, actor := r.Context(), access.ActorOf(r.Context())
	var err error
	done := ""
	switch r.PathValue("action") {
	case filing.ActSend:
		_, err = p.Filings.Send(ctx, actor, ref(r), web.Typed(r, "note"))
		done = "备案已报送"
	case filing.ActPass:
		_, err = p.Filings.Pass(ctx, actor, ref(r))
		done = "已同意并上报"
	case filing.ActFile:
		_, err = p.Filings.File(ctx, actor, ref(r))
		done = "已准予备案"
	case filing.ActReturn:
		_, err = p.Filings.Return(ctx, actor, ref(r), web.Typed(r, "field"), web.Typed(r, "reason"), web.Typed(r, "comment"))
		done = "已退回补正"
	default:
		return errs.E(errs.NotFound, "没有这项操作")
	}
	if errs.Correctable(err) {
		return p.render(w, r, err)
	}
	if err != nil {
		return err
	}
	web.Changed(w, "alliance todo")
	web.Flash(w, r, web.Good, done)
	return web.Redirect(w, r, "/filings/"+r.PathValue("id"))
}

func (p *Pages) exemptions(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	all, err := p.Exemptions.List(r.Context(), actor)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, exemptionList(all, access.May(actor, access.ExemptionApply, access.Own)))
}

// application is the page of a new exception.
type application struct {
	exemption.Application
	Org     string
	Regions []web.Option
	Err     error
}

func (p *Pages) newExemption(w http.ResponseWriter, r *http.Request) error {
	return p.renderNew(w, r, application{Application: exemption.Application{Since: calendar.DateOf(p.Exemptions.DB.Now())}})
}

func (p *Pages) renderNew(w http.ResponseWriter, r *http.Request, a application) error {
	ctx, actor := r.Context(), access.ActorOf(r.Context())
	if err := access.Require(actor, access.ExemptionApply, access.Own); err != nil {
		return err
	}
	a.Org = actor.OrgName
	err := p.Exemptions.DB.View(ctx, func(tx *db.Tx) error {
		chain, err := organization.Chain(ctx, tx, actor.Org)
		if err != nil {
			return err
		}
		province := ""
		for _, code := range chain {
			if len(code) == 2 && code != region.CN {
				province = code
			}
		}
		for _, level := range []region.Level{region.City, region.County} {
			list, err := region.AtLevel(ctx, tx, level, province)
			if err != nil {
				return err
			}
			for _, x := range list {
				a.Regions = append(a.Regions, web.Option{Value: x.Code, Text: x.Name, Note: level.Title()})
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, web.Status(a.Err), exemptionForm(a))
}

func (p *Pages) apply(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	actor := access.ActorOf(r.Context())
	x := exemption.Application{Kind: exemption.Kind(r.FormValue("kind")), Org: actor.Org, AllianceKind: r.FormValue("alliance_kind"), Region: r.FormValue("region"),
		Existing: r.FormValue("existing") != "", Since: calendar.Date(web.Typed(r, "since")), Purpose: web.Typed(r, "purpose"), Evidence: web.Typed(r, "evidence")}
	c, err := p.Exemptions.Apply(r.Context(), actor, x, web.OnceToken(r))
	if errs.Is(err, errs.Invalid) {
		return p.renderNew(w, r, application{Application: x, Err: err})
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "例外登记 "+c.Number+" 已报"+c.To.OrgName)
	return web.Redirect(w, r, "/exemptions/"+c.ID)
}

// case of an exception.
type exception struct {
	exemption.Full
	Actor   access.Actor
	Reasons map[string][]web.Option // by action
	Err     error
}

func (p *Pages) exemption(w http.ResponseWriter, r *http.Request) error {
	return p.renderExemption(w, r, nil)
}

func (p *Pages) renderExemption(w http.ResponseWriter, r *http.Request, failed error) error {
	actor := access.ActorOf(r.Context())
	full, err := p.Exemptions.View(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	v := exception{Full: full, Actor: actor, Err: failed, Reasons: map[string][]web.Option{}}
	for _, a := range full.Actions {
		if a.Reasons == "" {
			continue
		}
		codes, err := p.Exemptions.Flow.Codes(a.Reasons, full.Case.Place, p.Exemptions.DB.Now())
		if err != nil {
			return err
		}
		for _, c := range codes {
			v.Reasons[a.Name] = append(v.Reasons[a.Name], web.Option{Value: c.Code, Text: c.Title})
		}
	}
	return web.Render(w, r, web.Status(failed), exemptionPage(v))
}

func (p *Pages) decide(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	action := r.PathValue("action")
	m := exemption.Machine()
	if _, ok := m.Action(action); !ok {
		return errs.E(errs.NotFound, "没有这项操作")
	}
	x := ref(r)
	_, err := p.Exemptions.Act(r.Context(), access.ActorOf(r.Context()), exemption.Ref{ID: x.ID, Version: x.Version, Once: x.Once}, action, web.Typed(r, "reason"), web.Typed(r, "comment"))
	if errs.Correctable(err) {
		return p.renderExemption(w, r, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已办理")
	return web.Redirect(w, r, "/exemptions/"+x.ID)
}

var machine, exemptionMachine = filing.Machine(), exemption.Machine()

func machineOf(c flow.Case) *flow.Machine {
	if c.Kind == exemption.CaseKind {
		return &exemptionMachine
	}
	return &machine
}

func lightTone(l filing.Light) web.Tone {
	return map[filing.Light]web.Tone{filing.Green: web.Good, filing.Amber: web.Warn, filing.Red: web.Bad}[l]
}

func lightText(r filing.Row) string {
	if !r.Case.Open() {
		return r.Standing()
	}
	return map[filing.Light]string{filing.Green: "期限内", filing.Amber: "将到期", filing.Red: "已逾期"}[r.Light]
}

func kindOptions() []web.Option {
	return []web.Option{{Value: string(alliance.MedicalGroup), Text: alliance.MedicalGroup.Title()}, {Value: string(alliance.CountyCommunity), Text: alliance.CountyCommunity.Title()}}
}

func moments(list []flow.Event) []web.Moment {
	var out []web.Moment
	for _, e := range list {
		text := e.Comment
		if e.ReasonTitle != "" {
			text = strings.TrimSuffix(e.ReasonTitle+"；"+text, "；")
		}
		out = append(out, web.Moment{At: e.At, Title: e.ActionTitle, Who: e.Name, Org: e.OrgName, Text: text, Icon: "file-text", Tone: web.Info})
	}
	return out
}
