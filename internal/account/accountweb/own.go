package accountweb

import (
	"fmt"
	"net/http"

	"yilian/internal/account"
	"yilian/internal/errs"
	"yilian/internal/web"
)

func (h *Handlers) ownRoutes(site *web.Site) {
	site.Handle("GET /account", h.ownPage)
	site.Handle("POST /account/totp", h.beginTOTP)
	site.Handle("POST /account/totp/confirm", h.confirmTOTP)
	site.Handle("POST /account/codes", h.printCodes)
	site.Handle("POST /account/sessions/{id}/end", h.endOwn)
}

type ownView struct {
	Session  account.Session
	Account  account.Account
	Sessions []account.Session
	Err      error
}

func (h *Handlers) own(r *http.Request) (v ownView, err error) {
	v.Session = session(r)
	if v.Account, err = h.svc.Get(r.Context(), actor(r), v.Session.Account.ID); err != nil {
		return v, err
	}
	v.Sessions, err = h.svc.Sessions(r.Context(), actor(r), v.Session.Account.ID)
	return v, err
}

func (h *Handlers) ownPage(w http.ResponseWriter, r *http.Request) error {
	v, err := h.own(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, ownPage(v))
}

// failOwn shows what was wrong where the form stood: in 我的账号, or on the
// page that asks for a second factor before anything else.
func (h *Handlers) failOwn(w http.ResponseWriter, r *http.Request, cause error) error {
	if k := errs.KindOf(cause); k != errs.Invalid && k != errs.Forbidden {
		return cause
	}
	if n := session(r); n.Stage == account.StageEnrol {
		return web.Render(w, r, web.Status(cause), enrolPage(n, cause))
	}
	v, err := h.own(r)
	if err != nil {
		return err
	}
	v.Err = cause
	return web.Render(w, r, web.Status(cause), ownPage(v))
}

func (h *Handlers) beginTOTP(w http.ResponseWriter, r *http.Request) error {
	n := session(r)
	e, err := h.svc.BeginTOTP(r.Context(), n, r.PostFormValue("current"))
	if err != nil {
		return h.failOwn(w, r, err)
	}
	return web.Render(w, r, http.StatusOK, totpPage(n, e, nil))
}

func (h *Handlers) confirmTOTP(w http.ResponseWriter, r *http.Request) error {
	n := session(r)
	o, err := h.svc.ConfirmTOTP(r.Context(), n, r.PostFormValue("code"))
	if errs.Is(err, errs.Invalid) {
		return web.Render(w, r, web.Status(err), totpPage(n, account.Enrolment{}, err))
	}
	if err != nil {
		return err
	}
	h.setCookie(w, r, o.Token)
	web.Flash(w, r, web.Good, "动态口令已启用，下次登录时会要求输入")
	if n.Stage == account.StageEnrol {
		return onward(w, r, o.Session.Stage, "/")
	}
	return web.Redirect(w, r, "/account")
}

func (h *Handlers) printCodes(w http.ResponseWriter, r *http.Request) error {
	n := session(r)
	codes, o, err := h.svc.PrintCodes(r.Context(), n, r.PostFormValue("current"))
	if err != nil {
		return h.failOwn(w, r, err)
	}
	h.setCookie(w, r, o.Token)
	back := "/account"
	if n.Stage == account.StageEnrol {
		back = "/"
	}
	return web.Render(w, r, http.StatusOK, codesPaper(n, codes, web.PaperOptions{
		Back:  back,
		Title: "一次性登录口令", Institution: n.Post.OrgName, Status: "仅打印一次", PrintedBy: n.Account.Name, PrintedAt: h.svc.DB.Now(),
	}))
}

func (h *Handlers) endOwn(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := h.svc.EndSession(r.Context(), actor(r), id); err != nil {
		return err
	}
	if id == session(r).ID {
		h.setCookie(w, r, "")
		return web.Redirect(w, r, "/login")
	}
	web.Flash(w, r, web.Good, "已结束该登录")
	return web.Redirect(w, r, "/account")
}

func codesLowText(left int) string {
	if left == 0 {
		return "纸质一次性口令已全部用完，请立即到“我的账号”重新打印"
	}
	return fmt.Sprintf("纸质一次性口令只剩 %d 个，请到“我的账号”重新打印", left)
}

func period(p account.Post) string {
	if p.To == "" {
		return string(p.From) + " 起"
	}
	return string(p.From) + " 至 " + string(p.To)
}
