package fhirapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"yilian/internal/account"
	"yilian/internal/errs"
	"yilian/internal/smart"
	"yilian/internal/web"
)

// Routes registers the interfaces for other systems on the site.
func Routes(site *web.Site, s *Server) {
	oauth := &OAuth{Accounts: s.Accounts, Public: s.Public}
	site.Service("/fhir", s, maxBody)
	site.Service("/fhir/", s, maxBody)
	site.Service("POST /oauth/token", oauth, 64<<10)
	site.Service("GET /.well-known/smart-configuration", http.HandlerFunc(oauth.Configuration), 0)
	site.Service("GET /fhir/.well-known/smart-configuration", http.HandlerFunc(oauth.Configuration), 0)
}

// OAuth is the token endpoint of SMART backend services.
type OAuth struct {
	Accounts *account.Service
	Public   string // as Server.Public

	failures throttle
}

// ServeHTTP answers POST /oauth/token (RFC 6749, 4.4; RFC 7523).
func (o *OAuth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("Content-Type", "application/json; charset=utf-8")
	now := o.Accounts.DB.Now()
	if !o.failures.open(ip(r), now) {
		h.Set("Retry-After", "60")
		writeJSON(w, http.StatusTooManyRequests, map[string]string{"error": "invalid_client", "error_description": "一分钟内失败次数过多，请稍后再试"})
		return
	}
	token, err := o.token(w, r)
	if err == nil {
		writeJSON(w, http.StatusOK, map[string]any{
			"access_token": token.Text, "token_type": "bearer", "expires_in": int(token.Life.Seconds()), "scope": token.Scopes.String(),
		})
		return
	}
	status, code := oauthError(err)
	if status == http.StatusUnauthorized {
		o.failures.failed(ip(r), now)
		h.Set("WWW-Authenticate", `Basic realm="oauth"`)
	}
	writeJSON(w, status, map[string]string{"error": code, "error_description": faultOf(err).Error()})
}

// oauthRefusal is a refusal with the code that RFC 6749 has for it.
type oauthRefusal struct {
	code string
	text string
}

func (e *oauthRefusal) Error() string { return e.text }

// Unwrap makes it the caller's to mend.
func (e *oauthRefusal) Unwrap() error { return errs.E(errs.Invalid, "%s", e.text) }

func (o *OAuth) token(w http.ResponseWriter, r *http.Request) (account.Token, error) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		return account.Token{}, &oauthRefusal{"invalid_request", "参数要用 application/x-www-form-urlencoded 发送"}
	}
	f := r.PostForm
	if f.Get("grant_type") != "client_credentials" {
		return account.Token{}, &oauthRefusal{"unsupported_grant_type", "grant_type 只能是 client_credentials"}
	}
	if assertion := f.Get("client_assertion"); assertion != "" {
		if f.Get("client_assertion_type") != smart.AssertionType {
			return account.Token{}, &oauthRefusal{"invalid_request", "client_assertion_type 应是 " + smart.AssertionType}
		}
		return o.Accounts.AssertionToken(r.Context(), assertion, o.audiences(r), f.Get("scope"))
	}
	id, secret, basic := r.BasicAuth()
	if basic { // RFC 6749, 2.3.1: both are form-encoded first
		var err1, err2 error
		id, err1 = url.QueryUnescape(id)
		secret, err2 = url.QueryUnescape(secret)
		if err := errors.Join(err1, err2); err != nil {
			return account.Token{}, &oauthRefusal{"invalid_request", "Authorization 头写法有误"}
		}
	} else {
		id, secret = f.Get("client_id"), f.Get("client_secret")
	}
	if id == "" || secret == "" {
		return account.Token{}, &oauthRefusal{"invalid_client", "请用 client_assertion，或 client_id 和 client_secret 表明身份"}
	}
	return o.Accounts.SecretToken(r.Context(), id, secret, f.Get("scope"))
}

// audiences are the addresses that an assertion may be made out to.
func (o *OAuth) audiences(r *http.Request) []string {
	return []string{address0(o.Public, r) + "/oauth/token"}
}

func address0(public string, r *http.Request) string {
	if public != "" {
		return strings.TrimSuffix(public, "/")
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func oauthError(err error) (int, string) {
	if e, ok := errors.AsType[*oauthRefusal](err); ok {
		if e.code == "invalid_client" {
			return http.StatusUnauthorized, e.code
		}
		return http.StatusBadRequest, e.code
	}
	switch errs.KindOf(err) {
	case errs.Forbidden:
		return http.StatusUnauthorized, "invalid_client"
	case errs.Invalid:
		return http.StatusBadRequest, "invalid_scope"
	case errs.Unavailable:
		return http.StatusServiceUnavailable, "temporarily_unavailable"
	}
	return http.StatusInternalServerError, "server_error"
}

// Configuration answers .well-known/smart-configuration.
func (o *OAuth) Configuration(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	writeJSON(w, http.StatusOK, map[string]any{
		"token_endpoint":                                   address0(o.Public, r) + "/oauth/token",
		"grant_types_supported":                            []string{"client_credentials"},
		"token_endpoint_auth_methods_supported":            []string{"private_key_jwt", "client_secret_basic", "client_secret_post"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384"},
		"scopes_supported":                                 []string{"system/*.rs", "system/*.cruds", "system/*.read", "system/*.write"},
		"capabilities":                                     []string{"client-confidential-asymmetric", "client-confidential-symmetric", "permission-v1", "permission-v2"},
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the client has gone; nobody to tell
}

// throttle refuses an address that has failed too often within a minute.
type throttle struct {
	mu   sync.Mutex
	at   map[string]time.Time
	fail map[string]int
}

const failuresAllowed = 10

func (t *throttle) open(key string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.at[key]) > time.Minute {
		delete(t.at, key)
		delete(t.fail, key)
	}
	return t.fail[key] < failuresAllowed
}

func (t *throttle) failed(key string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at == nil {
		t.at, t.fail = map[string]time.Time{}, map[string]int{}
	}
	if len(t.at) > 10_000 { // a flood of addresses: forget the old ones
		clear(t.at)
		clear(t.fail)
	}
	if t.fail[key]++; t.fail[key] == 1 {
		t.at[key] = now
	}
}

func lower(s string) string { return strings.ToLower(s) }
