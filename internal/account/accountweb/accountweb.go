// Package accountweb is the face of accounts: sign-in, second factor, lock and
// change of person, 我的账号, 账号管理 and system clients. Its Middleware says
// who acts in every signed-in request.
package accountweb

import (
	"context"
	"net"
	"net/http"
	"strings"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/web"
)

// Handlers are the pages of accounts.
type Handlers struct {
	// Secure marks the cookie for TLS only, for a server that stands behind a
	// proxy which ends TLS. On a connection with TLS it is marked anyway.
	Secure bool

	// Calls counts the emergencies that wait for a person, also while his screen
	// is locked; may is false for who is never called. It tells no patient data.
	Calls func(ctx context.Context, actor access.Actor) (n int, may bool, err error)

	svc *account.Service
}

const cookieName = "yilian_session"

// Routes registers the pages of accounts. The caller hands Middleware of what
// it returns to site.Use, before the layer that makes the frame.
func Routes(site *web.Site, svc *account.Service) *Handlers {
	h := &Handlers{svc: svc}
	site.Public("GET /login", h.loginPage)
	site.Public("POST /login", h.login)
	h.sessionRoutes(site)
	h.ownRoutes(site)
	h.manageRoutes(site)
	site.Menu(
		web.Item{Group: "系统管理", Title: "账号管理", Icon: "users", Path: "/accounts", Order: 800,
			Rights: []string{string(access.AccountCreate), string(access.AccountLock)}},
		web.Item{Group: "系统管理", Title: "登录策略", Icon: "shield-lock", Path: "/accounts/policy", Order: 804,
			Rights: []string{string(access.AccountPolicy)}},
		web.Item{Group: "系统管理", Title: "岗位审批", Icon: "user-check", Path: "/accounts/approvals", Order: 802,
			Rights: []string{string(access.AccountApprove)}},
		web.Item{Group: "系统管理", Title: "系统客户端", Icon: "plug", Path: "/clients", Order: 806,
			Rights: []string{string(access.JobsManage), string(access.AccountApprove)}},
	)
	return h
}

func (h *Handlers) sessionRoutes(site *web.Site) {
	site.Handle("GET /login/factor", h.factorPage)
	site.Handle("POST /login/factor", h.factor)
	site.Handle("GET /login/enrol", h.enrolPage)
	site.Handle("GET /password", h.passwordPage)
	site.Handle("POST /password", h.password)
	site.Handle("POST /logout", h.logout)
	site.Handle("POST /lock", h.lock)
	site.Handle("GET "+callsPath, h.calls)
	site.Handle("GET /unlock", h.unlockPage)
	site.Handle("POST /unlock", h.unlock)
	site.Handle("POST /touch", func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusNoContent) // Middleware has noted the activity
		return nil
	})
	site.Handle("POST /switch", h.switchPerson)
	site.Handle("GET /posts", h.postsPage)
	site.Handle("POST /posts", h.switchPost)
}

type (
	sessionKey struct{}
	tokenKey   struct{}
)

// SessionFrom returns the session of a signed-in request; the app makes the
// frame of it.
func SessionFrom(ctx context.Context) (account.Session, bool) {
	n, ok := ctx.Value(sessionKey{}).(account.Session)
	return n, ok
}

// Key names the person and post of a session for Frame.Key: the pages of one
// browser compare it to see that somebody else has signed in.
func Key(n account.Session) string { return n.Account.ID + "/" + n.Post.ID }

// Alive reports whether the session of a request that takes long (an event
// stream) may still be served: not ended, not locked, not replaced.
func (h *Handlers) Alive(ctx context.Context) bool {
	token, _ := ctx.Value(tokenKey{}).(string)
	n, err := h.svc.Resolve(ctx, token)
	return err == nil && !n.Locked && n.Stage == account.StageOpen
}

func session(r *http.Request) account.Session {
	n, _ := SessionFrom(r.Context()) // Middleware has put it there
	return n
}

func actor(r *http.Request) access.Actor { return session(r).Actor() }

func token(r *http.Request) string {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return c.Value
}

func (h *Handlers) setCookie(w http.ResponseWriter, r *http.Request, value string) {
	c := &http.Cookie{Name: cookieName, Value: value, Path: "/", HttpOnly: true,
		Secure: h.Secure || r.TLS != nil, SameSite: http.SameSiteLaxMode}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func ip(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// safeNext keeps a way back inside this site; sign-in pages are no way back.
func safeNext(next string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.HasPrefix(next, "/\\") {
		return "/"
	}
	path, _, _ := strings.Cut(next, "?")
	for _, p := range []string{"/login", "/logout", "/lock", "/unlock", "/switch", "/posts", "/touch", "/events"} {
		if path == p || strings.HasPrefix(path, p+"/") {
			return "/"
		}
	}
	return next
}

// onward sends the browser to what its session still lacks, or to next.
func onward(w http.ResponseWriter, r *http.Request, stage account.Stage, next string) error {
	return web.Redirect(w, r, withNext(stagePath(stage), next))
}

// stagePath is the page of a stage; "" when the session is open.
func stagePath(stage account.Stage) string {
	switch stage {
	case account.StageFactor:
		return "/login/factor"
	case account.StageEnrol:
		return "/login/enrol"
	case account.StageChange:
		return "/password"
	case account.StageOpen:
	}
	return ""
}
