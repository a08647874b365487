package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"yilian/internal/errs"
)

// Options say how a site runs; the zero value is usable.
type Options struct {
	Log     *slog.Logger     // nil: slog.Default()
	Secure  bool             // served over TLS: adds Strict-Transport-Security
	MaxBody int64            // longest request body in bytes; 0: 10 MB
	Now     func() time.Time // clock; nil: time.Now
}

// Site is the web server of the program: routes, shell and error edge.
type Site struct {
	opts   Options
	mux    *http.ServeMux
	around []func(http.Handler) http.Handler
	items  []Item
	guard  *http.CrossOriginProtection
	assets *assets
	large  map[string]int64 // path prefix of services → longest body
}

// Service registers a handler for other systems: it answers its own errors and
// takes bodies of its own size. pattern ends with / to take everything below.
func (s *Site) Service(pattern string, h http.Handler, maxBody int64) {
	s.mux.Handle(pattern, h)
	if s.large == nil {
		s.large = map[string]int64{}
	}
	path := pattern[strings.IndexByte(pattern, '/'):]
	s.large[path] = maxBody
}

// maxBody is the longest body that a path takes.
func (s *Site) maxBody(path string) int64 {
	for prefix, size := range s.large {
		if path == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(path, prefix) {
			return size
		}
	}
	return s.opts.MaxBody
}

// New makes a site that serves its assets and answers 404 to everything else.
func New(opts Options) *Site {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.MaxBody == 0 {
		opts.MaxBody = 10 << 20
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Site{opts: opts, mux: http.NewServeMux(), guard: http.NewCrossOriginProtection(), assets: files()}
	s.mux.Handle("GET /assets/", s.assets)
	s.Public("/", func(w http.ResponseWriter, r *http.Request) error {
		return errs.E(errs.NotFound, "没有这个页面：%s。请检查网址，或从菜单重新进入。", r.URL.Path)
	})
	return s
}

// Handle registers a route for people who are signed in; it runs inside
// everything given to Use.
func (s *Site) Handle(pattern string, h Handler) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		next := edge(h)
		for i := len(s.around) - 1; i >= 0; i-- {
			next = s.around[i](next)
		}
		next.ServeHTTP(w, r)
	})
}

// Public registers a route that needs no sign-in.
func (s *Site) Public(pattern string, h Handler) { s.mux.Handle(pattern, edge(h)) }

// Use puts a layer around all signed-in routes, the first one outermost. Call
// it before the site serves. A layer answers its own errors with Fail.
func (s *Site) Use(layer func(http.Handler) http.Handler) { s.around = append(s.around, layer) }

// Menu adds items to the menu.
func (s *Site) Menu(items ...Item) { s.items = append(s.items, items...) }

// Items returns all items of the menu, unfiltered; the app filters them by
// right and hands them to Frame through Groups.
func (s *Site) Items() []Item { return s.items }

func edge(h Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			Fail(w, r, err)
		}
	})
}

// ServeHTTP answers one request: security headers, size limit, refusal of
// requests from foreign pages, recovery from panics, one line of log.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := &visit{site: s, path: r.URL.Path, fragment: IsFragment(r), now: s.opts.Now(), incident: newIncident()}
	if v.notices = readFlash(r); len(v.notices) > 0 {
		v.carried = true
	}
	r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
	rec := &recorder{ResponseWriter: w}
	s.secure(w.Header())
	started := time.Now()
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			Fail(rec, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
		// The path and its query can hold names, so only the pattern is logged.
		s.opts.Log.Info("request", "method", r.Method, "route", r.Pattern, "status", rec.status,
			"ms", time.Since(started).Milliseconds(), "incident", v.incident)
	}()
	if err := s.guard.Check(r); err != nil {
		Fail(rec, r, errs.Because(err, errs.Forbidden, "这个请求来自别的网站，已拒绝。请在本平台的页面上操作。"))
		return
	}
	r.Body = http.MaxBytesReader(rec, r.Body, s.maxBody(r.URL.Path))
	s.mux.ServeHTTP(rec, r)
}

func (s *Site) secure(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "+
		"img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; "+
		"form-action 'self'; frame-src 'self'; frame-ancestors 'self'; base-uri 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "geolocation=(), payment=(), usb=()")
	if s.opts.Secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// recorder remembers the status for the log and whether anything was sent.
type recorder struct {
	http.ResponseWriter
	status int
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection (event streams).
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func newIncident() string {
	id := uuid.New()
	return fmt.Sprintf("%X-%X", id[0:2], id[2:4])
}
