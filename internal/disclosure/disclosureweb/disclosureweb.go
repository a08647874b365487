// Package disclosureweb is the face of the review of break-glass: the list of
// the privacy officer, one opening with what was read, the decision. It parses,
// calls one use case of package disclosure and renders.
package disclosureweb

import (
	"net/http"

	"yilian/internal/access"
	"yilian/internal/disclosure"
	"yilian/internal/errs"
	"yilian/internal/web"
)

// Path is where reviews open.
const Path = "/disclosures"

// Pages are the routes of this package.
type Pages struct{ Service *disclosure.Service }

// Routes registers the pages and their menu.
func Routes(site *web.Site, p *Pages) {
	site.Handle("GET "+Path, p.list)
	site.Handle("GET "+Path+"/{id}", p.show)
	site.Handle("POST "+Path+"/{id}/{action}", p.act)
	site.Menu(web.Item{Group: "安全与审计", Title: "紧急调阅复核", Icon: "shield-lock", Path: Path, Order: 895,
		Rights: []string{string(access.DisclosureReview)}})
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	list, err := p.Service.List(r.Context(), access.ActorOf(r.Context()))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, listPage(list, p.Service.DB.Now()))
}

type showView struct {
	disclosure.Review
	Reasons map[string][]web.Option
	Err     error
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error { return p.render(w, r, nil) }

func (p *Pages) render(w http.ResponseWriter, r *http.Request, failed error) error {
	full, err := p.Service.View(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"))
	if err != nil {
		return err
	}
	v := showView{Review: full, Err: failed, Reasons: map[string][]web.Option{}}
	for _, a := range full.Actions {
		codes, err := p.Service.Flow.Codes(a.Reasons, full.Case.Place, p.Service.DB.Now())
		if a.Reasons == "" {
			continue
		}
		if err != nil {
			return err
		}
		for _, c := range codes {
			v.Reasons[a.Name] = append(v.Reasons[a.Name], web.Option{Value: c.Code, Text: c.Title})
		}
	}
	return web.Render(w, r, web.Status(failed), showPage(v))
}

func (p *Pages) act(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	m := disclosure.Machine()
	action := r.PathValue("action")
	if _, ok := m.Action(action); !ok {
		return errs.E(errs.NotFound, "没有这项操作")
	}
	ref := disclosure.Ref{ID: r.PathValue("id"), Version: int(web.Version(r)), Once: web.OnceToken(r)}
	_, err := p.Service.Act(r.Context(), access.ActorOf(r.Context()), ref, action, web.Typed(r, "reason"), web.Typed(r, "comment"))
	if errs.Correctable(err) {
		return p.render(w, r, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已复核")
	return web.Redirect(w, r, Path+"/"+ref.ID)
}

var machine = disclosure.Machine()
