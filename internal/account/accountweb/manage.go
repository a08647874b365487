package accountweb

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/web"
)

func (h *Handlers) manageRoutes(site *web.Site) {
	site.Handle("GET /accounts", h.list)
	site.Handle("GET /accounts/new", h.newPage)
	site.Handle("GET /accounts/choices", h.choices)
	site.Handle("POST /accounts", h.create)
	site.Handle("GET /accounts/approvals", h.approvals)
	site.Handle("GET /accounts/policy", h.policyPage)
	site.Handle("POST /accounts/policy", h.setPolicy)
	site.Handle("GET /accounts/{id}", h.show)
	site.Handle("POST /accounts/{id}/{act}", h.act)
	site.Handle("POST /accounts/{id}/sessions/{session}/end", h.endOther)
	site.Handle("POST /accounts/{id}/posts/{post}/{act}", h.postAct)
	site.Handle("GET /clients", h.clientsPage)
	site.Handle("POST /clients", h.createClient)
	site.Handle("POST /clients/{id}/{act}", h.clientAct)
}

type listView struct {
	Filter       account.Filter
	List         []account.Account
	Institutions []account.Institution
	Pages        web.Pages
	MayCreate    bool
	MayApprove   bool
	Pending      int
}

const pageSize = 50

func (h *Handlers) list(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	page := max(1, number(q.Get("page")))
	v := listView{Filter: account.Filter{
		Org: q.Get("org"), Text: q.Get("q"), State: account.State(q.Get("state")), Role: access.Role(q.Get("role")),
		Limit: pageSize, Offset: (page - 1) * pageSize,
	}}
	a := actor(r)
	var total int
	var err error
	if v.List, total, err = h.svc.List(r.Context(), a, v.Filter); err != nil {
		return err
	}
	if v.Institutions, err = h.svc.Choices(r.Context(), a); err != nil {
		return err
	}
	q.Del("page")
	v.Pages = web.Pages{Page: page, Size: pageSize, Total: total, URL: "/accounts?" + q.Encode()}
	v.MayCreate = access.Has(access.Role(a.Role), access.AccountCreate)
	if v.MayApprove = access.Has(access.Role(a.Role), access.AccountApprove); v.MayApprove {
		pending, err := h.svc.Pending(r.Context(), a)
		if err != nil {
			return err
		}
		v.Pending = len(pending)
	}
	return web.Render(w, r, http.StatusOK, listPage(v))
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// postForm is what stands in the fields of a new account or post.
type postForm struct {
	Login, Name, Person       string
	Role, Org, Department     string
	From, To                  string
	Only                      string // "post": without the person
	Institutions, Departments []account.Institution
	People                    []account.Person
	Roles                     []access.Role
	Err                       error
}

func (h *Handlers) postForm(r *http.Request) (f postForm, err error) {
	f = postForm{
		Login: r.FormValue("login"), Name: r.FormValue("name"), Person: r.FormValue("person"),
		Role: r.FormValue("role"), Org: r.FormValue("org"), Department: r.FormValue("department"),
		From: strings.TrimSpace(r.FormValue("from")), To: strings.TrimSpace(r.FormValue("to")),
	}
	a := actor(r)
	if f.Institutions, err = h.svc.Choices(r.Context(), a); err != nil {
		return f, err
	}
	if f.Org == "" && len(f.Institutions) == 1 {
		f.Org = f.Institutions[0].ID
	}
	if f.Departments, f.People, err = h.svc.ChoicesAt(r.Context(), a, f.Org); err != nil {
		return f, err
	}
	if f.Only = r.FormValue("only"); f.Only != "" {
		f.People = nil // one more post for an account whose person is known
	}
	f.Roles = rolesFor(a)
	return f, nil
}

// rolesFor are the roles that the form offers; the service decides.
func rolesFor(a access.Actor) []access.Role {
	if !access.Allowed(access.Role(a.Role), access.AccountCreate, access.Any) {
		return []access.Role{access.VillageDoctor, access.TownshipDoctor}
	}
	var out []access.Role
	for _, role := range access.Roles() {
		if role != access.Resident { // residents get theirs from their own page
			out = append(out, role)
		}
	}
	return out
}

func (f postForm) post() account.NewPost {
	p := account.NewPost{Role: access.Role(f.Role), Org: f.Org, Department: f.Department,
		From: calendar.Date(f.From), To: calendar.Date(f.To)}
	for _, o := range f.Institutions {
		if o.ID == f.Org {
			p.OrgName = o.Name
		}
	}
	if p.OrgName == "" {
		p.Org = "" // not one of the choices
	}
	return p
}

func (h *Handlers) newPage(w http.ResponseWriter, r *http.Request) error {
	if err := mayCreate(r); err != nil {
		return err
	}
	f, err := h.postForm(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, newPage(f))
}

func mayCreate(r *http.Request) error {
	a := actor(r)
	if access.Has(access.Role(a.Role), access.AccountCreate) {
		return nil
	}
	return access.Require(a, access.AccountCreate, access.Any)
}

// choices answers the departments and people of the chosen institution.
func (h *Handlers) choices(w http.ResponseWriter, r *http.Request) error {
	f, err := h.postForm(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, choiceFields(f))
}

func (h *Handlers) create(w http.ResponseWriter, r *http.Request) error {
	if err := mayCreate(r); err != nil {
		return err
	}
	f, err := h.postForm(r)
	if err != nil {
		return err
	}
	_, slip, err := h.svc.Create(r.Context(), actor(r), account.NewAccount{
		Login: f.Login, Name: f.Name, Person: f.Person, Posts: []account.NewPost{f.post()},
	})
	if k := errs.KindOf(err); err != nil && k != errs.Internal && k != errs.Unavailable {
		f.Err = err
		return web.Render(w, r, web.Status(err), newPage(f))
	}
	if err != nil {
		return err
	}
	return h.printSlip(w, r, slip)
}

func (h *Handlers) printSlip(w http.ResponseWriter, r *http.Request, s account.Slip) error {
	a := actor(r)
	return web.Render(w, r, http.StatusOK, slipPaper(s, web.PaperOptions{
		Title: "账号开通（重置）通知单", Institution: s.OrgName, Status: "仅显示一次",
		PrintedBy: a.Name, PrintedAt: s.At, Signatures: []string{"领取人签名", "经办人签名"},
		Back: "/accounts/" + s.Account,
	}))
}

type accountView struct {
	Account    account.Account
	Sessions   []account.Session
	Form       postForm
	Moment     time.Time
	MayCreate  bool
	MayReset   bool
	MayLock    bool
	MayFactor  bool
	MayApprove bool
	Own        bool
}

func (h *Handlers) show(w http.ResponseWriter, r *http.Request) error { return h.showWith(w, r, nil) }

func (h *Handlers) showWith(w http.ResponseWriter, r *http.Request, cause error) error {
	a, role := actor(r), access.Role(actor(r).Role)
	v := accountView{
		MayCreate: access.Has(role, access.AccountCreate), MayReset: access.Has(role, access.AccountReset),
		MayLock: access.Has(role, access.AccountLock), MayFactor: access.Has(role, access.AccountPolicy),
		MayApprove: access.Has(role, access.AccountApprove),
	}
	var err error
	if v.Account, err = h.svc.Get(r.Context(), a, r.PathValue("id")); err != nil {
		return err
	}
	v.Own = v.Account.ID == a.Account
	v.Moment = h.svc.DB.Now()
	if v.MayLock {
		if v.Sessions, err = h.svc.Sessions(r.Context(), a, v.Account.ID); err != nil {
			return err
		}
	}
	status := http.StatusOK
	if v.MayCreate {
		if v.Form, err = h.postForm(r); err != nil {
			return err
		}
		v.Form.People, v.Form.Only = nil, "post"
	}
	if cause != nil {
		v.Form.Err, status = cause, web.Status(cause)
	}
	return web.Render(w, r, status, accountPage(v))
}

// act does one thing to an account and shows it again.
func (h *Handlers) act(w http.ResponseWriter, r *http.Request) error {
	ctx, a, id, reason := r.Context(), actor(r), r.PathValue("id"), r.PostFormValue("comment")
	var err error
	done := ""
	switch r.PathValue("act") {
	case "lock":
		err, done = h.svc.Lock(ctx, a, id, reason), "账号已锁定，其登录已全部退出"
	case "unlock":
		err, done = h.svc.Unlock(ctx, a, id, reason), "账号已解锁"
	case "disable":
		err, done = h.svc.Disable(ctx, a, id, reason), "账号已停用，其登录已全部退出"
	case "factor":
		err, done = h.svc.ResetFactor(ctx, a, id, reason), "第二因素已清除"
	case "rename":
		version, perr := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
		if perr != nil {
			return errs.Because(perr, errs.Invalid, "页面已过期，请刷新后再改")
		}
		err, done = h.svc.Rename(ctx, a, id, version, r.PostFormValue("name"), r.PostFormValue("person")), "已保存"
	case "posts":
		var f postForm
		if f, err = h.postForm(r); err != nil {
			return err
		}
		_, err = h.svc.GrantPost(ctx, a, id, f.post())
		done = "岗位已添加"
	case "reset":
		slip, err := h.svc.Reset(ctx, a, id)
		if err != nil {
			return err
		}
		return h.printSlip(w, r, slip)
	default:
		return errs.E(errs.NotFound, "没有这项操作")
	}
	if errs.Is(err, errs.Invalid) {
		return h.showWith(w, r, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, done)
	return web.Redirect(w, r, "/accounts/"+id)
}

func (h *Handlers) endOther(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.EndSession(r.Context(), actor(r), r.PathValue("session")); err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已结束该登录")
	return web.Redirect(w, r, "/accounts/"+r.PathValue("id"))
}

// postAct ends, approves or refuses a post.
func (h *Handlers) postAct(w http.ResponseWriter, r *http.Request) error {
	ctx, a, post, reason := r.Context(), actor(r), r.PathValue("post"), r.PostFormValue("comment")
	var err error
	back, done := "/accounts/approvals", ""
	switch r.PathValue("act") {
	case "end":
		err = h.svc.EndPost(ctx, a, post, reason)
		back, done = "/accounts/"+r.PathValue("id"), "岗位已结束"
	case "approve":
		err, done = h.svc.DecidePost(ctx, a, post, true, reason), "已批准，岗位生效"
	case "refuse":
		err, done = h.svc.DecidePost(ctx, a, post, false, reason), "已拒绝"
	default:
		return errs.E(errs.NotFound, "没有这项操作")
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, done)
	return web.Redirect(w, r, back)
}

func (h *Handlers) approvals(w http.ResponseWriter, r *http.Request) error {
	list, err := h.svc.Pending(r.Context(), actor(r))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, approvalsPage(list))
}
