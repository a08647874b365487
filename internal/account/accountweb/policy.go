package accountweb

import (
	"net/http"
	"strconv"

	"yilian/internal/access"
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
	Secret       string // of a client just created or given a new one, shown once
	Err          error
	MayCreate    bool
	MayApprove   bool
	Self         string // account of who looks: nobody approves his own
}

func (h *Handlers) clients(r *http.Request) (v clientsView, err error) {
	a := actor(r)
	v.MayCreate, v.MayApprove = access.May(a, access.AccountCreate, access.Any), access.May(a, access.AccountApprove, access.Any)
	v.Self = a.Account
	if v.List, err = h.svc.Clients(r.Context(), a); err != nil {
		return v, err
	}
	v.Institutions, err = h.svc.Choices(r.Context(), a)
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
	return h.showClients(w, r, account.Client{}, "", nil)
}

// showClients renders the list with what a form has brought: a secret, or an
// error and what was typed.
func (h *Handlers) showClients(w http.ResponseWriter, r *http.Request, form account.Client, secret string, cause error) error {
	v, err := h.clients(r)
	if err != nil {
		return err
	}
	v.Form, v.Secret, v.Err = form, secret, cause
	status := http.StatusOK
	if cause != nil {
		status = web.Status(cause)
	}
	return web.Render(w, r, status, clientsPage(v))
}

func (h *Handlers) createClient(w http.ResponseWriter, r *http.Request) error {
	c := account.Client{ID: r.PostFormValue("id"), Name: r.PostFormValue("name"), Org: r.PostFormValue("org"),
		Scopes: r.PostFormValue("scopes"), KeySet: r.PostFormValue("jwks")}
	secret, err := h.svc.CreateClient(r.Context(), actor(r), c)
	if err != nil && !errs.Is(err, errs.Invalid) {
		return err
	}
	return h.showClients(w, r, c, secret, err)
}

func (h *Handlers) clientAct(w http.ResponseWriter, r *http.Request) error {
	ctx, a, id := r.Context(), actor(r), r.PathValue("id")
	var err error
	switch act := r.PathValue("act"); act {
	case "start", "stop":
		err = h.svc.SetClientActive(ctx, a, id, act == "start")
	case "approve":
		err = h.svc.ApproveClient(ctx, a, id)
	case "keys":
		err = h.svc.SetClientKeys(ctx, a, id, r.PostFormValue("comment"))
		if errs.Is(err, errs.Invalid) {
			return h.showClients(w, r, account.Client{}, "", err)
		}
	case "rotate":
		secret, err := h.svc.RotateClient(ctx, a, id)
		if err != nil {
			return err
		}
		return h.showClients(w, r, account.Client{ID: id}, secret, nil)
	default:
		err = errs.E(errs.NotFound, "没有这项操作")
	}
	if err != nil {
		return err
	}
	return web.Redirect(w, r, "/clients")
}

func clientTone(s account.ClientState) web.Tone {
	return map[account.ClientState]web.Tone{account.ClientActive: web.Good, account.ClientPending: web.Warn}[s]
}

// signsWith says how a client proves who it is.
func signsWith(c account.Client) string {
	if c.KeySet != "" {
		return "公钥或密钥"
	}
	return "密钥"
}

// formID is what stands in the field of a new client's id: nothing once the
// client is made.
func formID(v clientsView) string {
	if v.Secret != "" {
		return ""
	}
	return v.Form.ID
}
