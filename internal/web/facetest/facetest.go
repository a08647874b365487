// Package facetest drives a face in tests: a site that carries its routes, a
// signed-in actor whom the test may change, and requests whose status and
// texts are checked.
package facetest

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/web"
)

// Face is a site under test and who is signed in to it.
type Face struct {
	*testing.T
	DB    *db.DB
	Site  *web.Site
	Actor access.Actor // without an account nobody is signed in
}

// New makes a site with the clock of d. The test adds the routes.
func New(t *testing.T, d *db.DB, actor access.Actor) *Face {
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	f := &Face{T: t, DB: d, Site: web.New(web.Options{Now: d.Now, Log: log}), Actor: actor}
	f.Site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if f.Actor.Account != "" {
				r = r.WithContext(access.WithActor(r.Context(), f.Actor))
			}
			next.ServeHTTP(w, r)
		})
	})
	return f
}

// Form makes the fields of a form of names and values in turn.
func Form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// Get asks for a page and checks the status of the answer.
func (f *Face) Get(path string, status int) Answer {
	f.Helper()
	return f.Send(httptest.NewRequest(http.MethodGet, path, nil), status)
}

// See asks for a page that must come, and checks the texts on it.
func (f *Face) See(path string, texts ...string) Answer {
	f.Helper()
	return f.Get(path, http.StatusOK).Shows(texts...)
}

// Post submits a form and checks the status of the answer.
func (f *Face) Post(path string, form url.Values, status int) Answer {
	f.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return f.Send(r, status)
}

// Send sends a request of the test's own making and checks the status.
func (f *Face) Send(r *http.Request, status int) Answer {
	f.Helper()
	w := httptest.NewRecorder()
	f.Site.ServeHTTP(w, r)
	res := w.Result()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		f.Fatal(err)
	}
	a := Answer{t: f.T, what: r.Method + " " + r.URL.String(), Body: string(body), Header: res.Header}
	if res.StatusCode != status {
		f.Fatalf("%s: %d, want %d\n%s", a.what, res.StatusCode, status, body)
	}
	return a
}

// Answer is what came back.
type Answer struct {
	t    *testing.T
	what string

	Body   string
	Header http.Header
}

// Shows checks that every text stands in the answer.
func (a Answer) Shows(texts ...string) Answer {
	a.t.Helper()
	for _, text := range texts {
		if !strings.Contains(a.Body, text) {
			a.t.Errorf("%s does not show %q\n%s", a.what, text, a.Body)
		}
	}
	return a
}

// Hides checks that none of the texts stands in the answer.
func (a Answer) Hides(texts ...string) Answer {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(a.Body, text) {
			a.t.Errorf("%s shows %q", a.what, text)
		}
	}
	return a
}

// To is where the answer leads.
func (a Answer) To() string { return a.Header.Get("Location") }

// Between is the text after the first from and before the next to.
func (a Answer) Between(from, to string) string {
	a.t.Helper()
	_, rest, ok := strings.Cut(a.Body, from)
	value, _, end := strings.Cut(rest, to)
	if !ok || !end {
		a.t.Fatalf("%s: nothing between %q and %q in\n%s", a.what, from, to, a.Body)
	}
	return value
}

// LastBefore is the text between the last from before mark and the next to: the
// address of a link in the row that shows mark.
func (a Answer) LastBefore(mark, from, to string) string {
	a.t.Helper()
	before, _, ok := strings.Cut(a.Body, mark)
	at := strings.LastIndex(before, from)
	if !ok || at < 0 {
		a.t.Fatalf("%s: no %q before %q in\n%s", a.what, from, mark, a.Body)
	}
	value, _, _ := strings.Cut(before[at+len(from):], to)
	return value
}
