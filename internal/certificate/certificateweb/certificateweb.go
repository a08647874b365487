// Package certificateweb is the face of the referral certificates: their
// register, issuing from a case, the paper. It parses, calls one use case of
// package certificate and renders; it decides nothing.
package certificateweb

import (
	"net/http"
	"net/url"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/certificate"
	"yilian/internal/errs"
	"yilian/internal/web"
)

// Pages are the routes of this package.
type Pages struct {
	Service *certificate.Service
	Address string // outside address of the platform, for QR codes
}

// Routes registers the pages and their menu.
func Routes(site *web.Site, p *Pages) {
	site.Handle("GET /certificates", p.list)
	site.Handle("POST /certificates", p.issue)
	site.Handle("POST /certificates/estimate", p.estimate)
	site.Handle("POST /certificates/{id}/void", p.void)
	site.Handle("GET /certificates/{id}/print", p.print)
	site.Menu(web.Item{Group: "业务协同", Title: "转诊证明", Icon: "file-certificate", Path: "/certificates", Order: 25, Rights: []string{string(access.CertificateIssue)}})
}

// register is the page of the issued certificates.
type register struct {
	List  []certificate.Certificate
	More  bool
	Query certificate.Query
	Page  int
	Actor access.Actor
	Today calendar.Date
	Case  string // the referral that one is to be issued for
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	v := register{Actor: access.ActorOf(r.Context()), Page: web.PageNumber(r), Today: calendar.DateOf(p.Service.DB.Now()), Case: q.Get("case"),
		Query: certificate.Query{Text: q.Get("q")}}
	var f errs.Form
	for name, into := range map[string]*calendar.Date{"from": &v.Query.From, "to": &v.Query.To} {
		if q.Get(name) == "" {
			continue
		}
		day, err := calendar.ParseDate(q.Get(name))
		f.AddErr(name, err)
		*into = day
	}
	if err := f.Err(); err != nil {
		return err
	}
	v.Query.Offset = (v.Page - 1) * 50
	var err error
	if v.List, v.More, err = p.Service.Register(r.Context(), v.Actor, v.Query); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, registerPage(v))
}

func (p *Pages) issue(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	cost, err := fen(web.Typed(r, "_cost"))
	if err != nil {
		return err
	}
	c, err := p.Service.Issue(r.Context(), access.ActorOf(r.Context()), web.Typed(r, "case"), cost)
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "转诊证明 "+c.Number+" 已开具，有效期至 "+string(c.ValidTo))
	return web.Redirect(w, r, "/certificates?q="+url.QueryEscape(c.Number))
}

func (p *Pages) void(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	c, err := p.Service.Void(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Typed(r, "comment"))
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "转诊证明 "+c.Number+" 已作废")
	return web.Redirect(w, r, "/certificates")
}

// sheet is the paper.
type sheet struct {
	certificate.Certificate
	Actor access.Actor
	Now   time.Time
}

func (p *Pages) print(w http.ResponseWriter, r *http.Request) error {
	v := sheet{Actor: access.ActorOf(r.Context())}
	var err error
	if v.Certificate, v.Now, err = p.Service.Print(r.Context(), v.Actor, r.PathValue("id")); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, paper(v, p.Address))
}

func tone(status string) web.Tone {
	switch status {
	case "有效":
		return web.Good
	case "已作废":
		return web.Neutral
	}
	return web.Warn
}

// watermark is across a paper that is worth nothing.
func watermark(status string) string {
	if status == "有效" {
		return ""
	}
	return status
}
