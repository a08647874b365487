package accountweb

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/errs"
	"yilian/internal/web"
)

// whileLocked are the paths that answer although the screen is locked.
var whileLocked = []string{"/unlock", "/lock", callsPath, "/switch", "/logout"}

// callsPath is where a locked page asks whether its person is called.
const callsPath = "/lock/calls"

// inStage are the paths that answer before a session is open.
var inStage = map[account.Stage][]string{
	account.StageFactor: {"/login/factor"},
	account.StageEnrol:  {"/login/enrol", "/account/totp", "/account/totp/confirm", "/account/codes"},
	account.StageChange: {"/password"},
}

// Middleware finds the session of the cookie and puts its actor into the
// context. Whoever is not signed in is sent to the sign-in page; whoever is
// locked is asked for his password, and what he typed is kept.
func (h *Handlers) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := h.svc.Resolve(r.Context(), token(r))
		switch {
		case errs.Is(err, errs.NotFound):
			answer(w, r, h.signedOut(w, r))
			return
		case err != nil:
			web.Fail(w, r, err)
			return
		}
		n.IP = ip(r)
		ctx := context.WithValue(context.WithValue(r.Context(), sessionKey{}, n), tokenKey{}, token(r))
		r = r.WithContext(ctx)
		path := r.URL.Path
		always := path == "/logout" || path == "/switch"
		switch {
		case n.Locked && !slices.Contains(whileLocked, path):
			answer(w, r, h.locked(w, r, n))
			return
		case n.Stage != account.StageOpen && !always && !n.Locked && !slices.Contains(inStage[n.Stage], path):
			answer(w, r, onward(w, r, n.Stage, r.URL.RequestURI()))
			return
		case n.Stage == account.StageOpen && !n.Locked:
			r = r.WithContext(access.WithActor(ctx, n.Actor()))
		}
		if active(r) {
			if err := h.svc.Touch(r.Context(), n); err != nil {
				// Only the note of the activity is missing; the page can be shown.
				slog.WarnContext(r.Context(), "session was not touched", "err", err)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		web.Fail(w, r, err)
	}
}

// active reports whether a request shows that somebody is there. The event
// stream and the parts of a page that refresh themselves do not.
func active(r *http.Request) bool {
	return r.URL.Path != "/events" && r.URL.Path != "/notices/bell" && r.Header.Get("X-Live") == ""
}

func script(r *http.Request) bool {
	accept := r.Header.Get("Accept")
	return strings.HasPrefix(accept, "text/plain") || strings.HasPrefix(accept, "text/event-stream")
}

func read(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

const goneText = "登录已失效（退出、超过 12 小时或被管理员结束）。"

// signedOut answers a request without a session. What was typed stays on its
// page: the person signs in over it, or in another window, and sends it again.
func (h *Handlers) signedOut(w http.ResponseWriter, r *http.Request) error {
	switch {
	case script(r):
		return plain(w, http.StatusUnauthorized, goneText+"请重新登录。")
	case web.IsFragment(r):
		return covered(w, http.StatusUnauthorized)
	case read(r):
		return web.Redirect(w, r, withNext("/login", r.URL.RequestURI()))
	}
	return web.Render(w, r, http.StatusUnauthorized, gonePage())
}

// locked answers a request of a session whose screen is locked.
func (h *Handlers) locked(w http.ResponseWriter, r *http.Request, n account.Session) error {
	const text = "屏幕已锁定，您填写的内容仍在。请输入密码解锁后再试。"
	switch {
	case script(r):
		return plain(w, http.StatusLocked, text)
	case web.IsFragment(r):
		return covered(w, http.StatusLocked)
	case read(r):
		return web.Redirect(w, r, withNext("/unlock", r.URL.RequestURI()))
	}
	kept := url.Values{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		if err := r.ParseForm(); err != nil {
			return errs.Because(err, errs.Invalid, "表单内容无法读取，请返回后重新提交")
		}
		kept = r.PostForm
	}
	p := unlockForm{User: n.Account.Name, Next: "/", Action: r.URL.RequestURI(), Kept: kept.Encode()}
	return web.Render(w, r, http.StatusLocked, unlockPage(p, nil))
}

// covered answers a part of a page with a status alone: the shell covers the
// page with its sign-in, and what was typed stays there.
func covered(w http.ResponseWriter, status int) error {
	w.Header().Set("HX-Reswap", "none")
	w.Header().Set("HX-Push-Url", "false")
	w.WriteHeader(status)
	return nil
}

func plain(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, err := w.Write([]byte(text))
	if err != nil {
		slog.Debug("answer was not taken", "err", err) // the browser has gone
	}
	return nil
}

// withNext adds the way back to a path; an empty path is the way back itself.
func withNext(path, next string) string {
	next = safeNext(next)
	if path == "" {
		return next
	}
	if next == "/" {
		return path
	}
	return path + "?next=" + url.QueryEscape(next)
}
