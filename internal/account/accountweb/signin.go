package accountweb

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"yilian/internal/account"
	"yilian/internal/errs"
	"yilian/internal/web"
)

type loginForm struct {
	Login, Next string
	Over        string // name of the person whose locked session waits on this browser
}

func (h *Handlers) loginPage(w http.ResponseWriter, r *http.Request) error {
	f := loginForm{Next: safeNext(r.URL.Query().Get("next"))}
	n, err := h.svc.Resolve(r.Context(), token(r))
	switch {
	case errs.Is(err, errs.NotFound):
	case err != nil:
		return err
	case n.Locked:
		f.Over = n.Account.Name
	default:
		return onward(w, r, n.Stage, f.Next)
	}
	return web.Render(w, r, http.StatusOK, loginPage(f, nil))
}

func (h *Handlers) login(w http.ResponseWriter, r *http.Request) error {
	f := loginForm{Login: r.PostFormValue("login"), Next: safeNext(r.PostFormValue("next"))}
	o, err := h.svc.SignIn(r.Context(), account.Credentials{
		Login: f.Login, Password: r.PostFormValue("password"), IP: ip(r), Agent: r.UserAgent(), Over: token(r),
	})
	if k := errs.KindOf(err); err != nil && !script(r) && (k == errs.Invalid || k == errs.Forbidden) {
		return web.Render(w, r, web.Status(err), loginPage(f, err))
	}
	if err != nil {
		return err
	}
	h.setCookie(w, r, o.Token)
	if script(r) {
		return enteredOver(w, o.Session)
	}
	return onward(w, r, o.Session.Stage, f.Next)
}

// enteredOver tells the page that somebody signed in over who it is, and where he
// has to go first; the page decides whether what was typed is his.
func enteredOver(w http.ResponseWriter, n account.Session) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	return json.NewEncoder(w).Encode(struct {
		Key  string `json:"key"`
		Next string `json:"next"`
	}{Key(n), stagePath(n.Stage)})
}

func (h *Handlers) factorPage(w http.ResponseWriter, r *http.Request) error {
	n := session(r)
	if n.Stage != account.StageFactor {
		return onward(w, r, n.Stage, r.URL.Query().Get("next"))
	}
	return web.Render(w, r, http.StatusOK, factorPage(n, safeNext(r.URL.Query().Get("next")), nil))
}

func (h *Handlers) factor(w http.ResponseWriter, r *http.Request) error {
	n, next := session(r), safeNext(r.PostFormValue("next"))
	o, err := h.svc.PassFactor(r.Context(), n, r.PostFormValue("code"))
	if k := errs.KindOf(err); err != nil && (k == errs.Invalid || k == errs.Forbidden) {
		return web.Render(w, r, web.Status(err), factorPage(n, next, err))
	}
	if err != nil {
		return err
	}
	h.setCookie(w, r, o.Token)
	if err := h.warnLow(w, r, n); err != nil {
		return err
	}
	return onward(w, r, o.Session.Stage, next)
}

// warnLow says when the printed codes run out.
func (h *Handlers) warnLow(w http.ResponseWriter, r *http.Request, n account.Session) error {
	if n.Account.Factor != account.FactorCodes {
		return nil
	}
	left, err := h.svc.CodesLeft(r.Context(), n.Account.ID)
	if err == nil && left <= account.LowCodes {
		web.Flash(w, r, web.Warn, codesLowText(left))
	}
	return err
}

func (h *Handlers) enrolPage(w http.ResponseWriter, r *http.Request) error {
	n := session(r)
	if n.Stage != account.StageEnrol {
		return onward(w, r, n.Stage, "/")
	}
	return web.Render(w, r, http.StatusOK, enrolPage(n, nil))
}

func (h *Handlers) passwordPage(w http.ResponseWriter, r *http.Request) error {
	n := session(r)
	return web.Render(w, r, http.StatusOK, passwordPage(n.Stage == account.StageChange, safeNext(r.URL.Query().Get("next")), nil))
}

func (h *Handlers) password(w http.ResponseWriter, r *http.Request) error {
	n, next := session(r), safeNext(r.PostFormValue("next"))
	o, err := h.svc.ChangePassword(r.Context(), n, r.PostFormValue("current"), r.PostFormValue("password"), r.PostFormValue("again"))
	if k := errs.KindOf(err); err != nil && (k == errs.Invalid || k == errs.Forbidden) {
		return web.Render(w, r, web.Status(err), passwordPage(n.Stage == account.StageChange, next, err))
	}
	if err != nil {
		return err
	}
	h.setCookie(w, r, o.Token)
	web.Flash(w, r, web.Good, "密码已修改，其他电脑上的登录已退出")
	return onward(w, r, o.Session.Stage, next)
}

func (h *Handlers) logout(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.SignOut(r.Context(), session(r)); err != nil {
		return err
	}
	h.setCookie(w, r, "")
	return web.Redirect(w, r, "/login")
}

func (h *Handlers) lock(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.LockSession(r.Context(), session(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// unlockForm is the page that asks for the password again; Action and Kept
// carry a form that was sent while the screen was locked.
type unlockForm struct {
	User, Next   string
	Action, Kept string
}

func (h *Handlers) unlockPage(w http.ResponseWriter, r *http.Request) error {
	n, next := session(r), safeNext(r.URL.Query().Get("next"))
	if !n.Locked {
		return web.Redirect(w, r, next)
	}
	return web.Render(w, r, http.StatusOK, unlockPage(unlockForm{User: n.Account.Name, Next: next}, nil))
}

func (h *Handlers) unlock(w http.ResponseWriter, r *http.Request) error {
	n := session(r)
	err := h.svc.UnlockSession(r.Context(), n, r.PostFormValue("password"))
	if script(r) {
		if err != nil {
			return err
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	f := unlockForm{User: n.Account.Name, Next: safeNext(r.PostFormValue("next")),
		Action: r.PostFormValue("action"), Kept: r.PostFormValue("kept")}
	if f.Action != "" && safeNext(f.Action) != f.Action {
		f.Action = ""
	}
	if k := errs.KindOf(err); err != nil && (k == errs.Invalid || k == errs.Forbidden) {
		return web.Render(w, r, web.Status(err), unlockPage(f, err))
	}
	if err != nil {
		return err
	}
	if f.Action == "" {
		return web.Redirect(w, r, f.Next)
	}
	kept, err := url.ParseQuery(f.Kept)
	if err != nil {
		return errs.Because(err, errs.Invalid, "保留的表单内容无法读取，请返回后重新提交")
	}
	return web.Render(w, r, http.StatusOK, resumePage(f.Action, kept))
}

// switchPerson locks this session and lets another person sign in over it. The
// session ends only when he has; whoever comes back instead unlocks it.
func (h *Handlers) switchPerson(w http.ResponseWriter, r *http.Request) error {
	if err := h.svc.LockSession(r.Context(), session(r)); err != nil {
		return err
	}
	return web.Redirect(w, r, "/login")
}

func (h *Handlers) postsPage(w http.ResponseWriter, r *http.Request) error {
	n := session(r)
	posts, err := h.svc.Posts(r.Context(), n.Account.ID)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, postsPage(n, posts))
}

func (h *Handlers) switchPost(w http.ResponseWriter, r *http.Request) error {
	o, err := h.svc.SwitchPost(r.Context(), session(r), r.PostFormValue("post"))
	if err != nil {
		return err
	}
	h.setCookie(w, r, o.Token)
	web.Flash(w, r, web.Good, "已切换到："+o.Session.Post.Title())
	return onward(w, r, o.Session.Stage, "/")
}

// calls answers how many emergencies wait for the person of a session, and no
// more than that: his screen may be locked. 204: he is never called.
func (h *Handlers) calls(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	n := session(r)
	if h.Calls == nil || n.Stage != account.StageOpen {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	waiting, may, err := h.Calls(r.Context(), n.Actor())
	if err != nil {
		return err
	}
	if !may {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return plain(w, http.StatusOK, strconv.Itoa(waiting))
}
