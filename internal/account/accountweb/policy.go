package accountweb

import (
	"net/http"
	"strconv"

	"yilian/internal/account"
	"yilian/internal/errs"
	"yilian/internal/web"
)

type policyView struct {
	List         []account.Policy
	Institutions []account.Institution
	Org, Idle    string
	Factor       bool
	Default      int // minutes before a screen locks where nothing is set
	Err          error
}

func (v policyView) name(org string) string {
	if org == "" {
		return "全部机构（未单独设置的）"
	}
	for _, o := range v.Institutions {
		if o.ID == org {
			return o.Name
		}
	}
	return "已撤销的机构"
}

func (h *Handlers) policyView(r *http.Request) (v policyView, err error) {
	if v.List, err = h.svc.Policies(r.Context(), actor(r)); err != nil {
		return v, err
	}
	v.Default = int(session(r).Idle.Minutes())
	if h.svc.Options.Idle > 0 {
		v.Default = int(h.svc.Options.Idle.Minutes())
	}
	v.Institutions, err = h.svc.Choices(r.Context(), actor(r))
	return v, err
}

func (h *Handlers) policyPage(w http.ResponseWriter, r *http.Request) error {
	v, err := h.policyView(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	for _, p := range v.List { // one that is to be changed
		if q.Has("org") && p.Org == q.Get("org") {
			v.Org, v.Factor = p.Org, p.SecondFactor
			if p.IdleMinutes > 0 {
				v.Idle = strconv.Itoa(p.IdleMinutes)
			}
		}
	}
	return web.Render(w, r, http.StatusOK, policyPage(v))
}

func (h *Handlers) setPolicy(w http.ResponseWriter, r *http.Request) error {
	p := account.Policy{Org: r.PostFormValue("org"), SecondFactor: r.PostFormValue("factor") != "", IdleMinutes: number(r.PostFormValue("idle"))}
	err := h.svc.SetPolicy(r.Context(), actor(r), p)
	if errs.Is(err, errs.Invalid) {
		v, verr := h.policyView(r)
		if verr != nil {
			return verr
		}
		v.Org, v.Idle, v.Factor, v.Err = p.Org, r.PostFormValue("idle"), p.SecondFactor, err
		return web.Render(w, r, web.Status(err), policyPage(v))
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "登录策略已保存：自动锁屏立即生效，第二因素下次登录时生效")
	return web.Redirect(w, r, "/accounts/policy")
}

type clientsView struct {
	List         []account.Client
	Institutions []account.Institution
	Form         account.Client
	Secret       string // of a client just created, shown once
	Err          error
}

func (h *Handlers) clients(r *http.Request) (v clientsView, err error) {
	if v.List, err = h.svc.Clients(r.Context(), actor(r)); err != nil {
		return v, err
	}
	v.Institutions, err = h.svc.Choices(r.Context(), actor(r))
	return v, err
}

func (v clientsView) orgName(id string) string {
	for _, o := range v.Institutions {
		if o.ID == id {
			return o.Name
		}
	}
	return ""
}

func (h *Handlers) clientsPage(w http.ResponseWriter, r *http.Request) error {
	v, err := h.clients(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, clientsPage(v))
}

func (h *Handlers) createClient(w http.ResponseWriter, r *http.Request) error {
	c := account.Client{ID: r.PostFormValue("id"), Name: r.PostFormValue("name"), Org: r.PostFormValue("org"), Scopes: r.PostFormValue("scopes")}
	secret, cause := h.svc.CreateClient(r.Context(), actor(r), c)
	if cause != nil && !errs.Is(cause, errs.Invalid) {
		return cause
	}
	v, err := h.clients(r)
	if err != nil {
		return err
	}
	if v.Secret, v.Err = secret, cause; cause != nil {
		v.Form = c
		return web.Render(w, r, web.Status(cause), clientsPage(v))
	}
	v.Form.ID = c.ID
	return web.Render(w, r, http.StatusOK, clientsPage(v))
}

func (h *Handlers) clientAct(w http.ResponseWriter, r *http.Request) error {
	act := r.PathValue("act")
	if act != "start" && act != "stop" {
		return errs.E(errs.NotFound, "没有这项操作")
	}
	if err := h.svc.SetClientActive(r.Context(), actor(r), r.PathValue("id"), act == "start"); err != nil {
		return err
	}
	return web.Redirect(w, r, "/clients")
}

// formID is what stands in the field of a new client's id: nothing once the
// client is made.
func formID(v clientsView) string {
	if v.Secret != "" {
		return ""
	}
	return v.Form.ID
}
