package referralweb

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
	"yilian/internal/referral/referraltest"
	"yilian/internal/web"
)

// fixture is the face on the world of the referral tests.
type fixture struct {
	*testing.T
	w        *referraltest.World
	site     *web.Site
	pages    *Pages
	actor    access.Actor
	measured []int
	alarm    bool // the shell asks for the alarm
}

func setup(t *testing.T, d *db.DB) *fixture {
	f := &fixture{T: t, w: referraltest.New(t, d)}
	f.site = web.New(web.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() time.Time { return f.w.Now }})
	f.site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a := f.actor
			frame := web.Frame{User: a.Name, Key: a.Account, Post: access.Role(a.Role).Title(), Org: a.OrgName, Region: "零陵区", Menu: web.Groups(f.site.Items())}
			if f.alarm {
				frame.Alarm, frame.AlarmTopic = AlarmPath, AlarmTopic
			}
			next.ServeHTTP(w, r.WithContext(web.WithFrame(access.WithActor(r.Context(), a), frame)))
		})
	})
	f.pages = &Pages{Service: f.w.Service, Measured: func(_ context.Context, n int, _ time.Duration) { f.measured = append(f.measured, n) }}
	Routes(f.site, f.pages)
	return f
}

// each runs a test on both engines.
func each(t *testing.T, fn func(f *fixture)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(setup(t, d)) })
}

// as changes who is signed in.
func (f *fixture) as(a access.Actor) *fixture {
	f.actor = a
	return f
}

func (f *fixture) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, r)
	return w
}

// get opens an address as a page and expects a status.
func (f *fixture) get(status int, path string) string {
	f.Helper()
	w := f.send(httptest.NewRequest(http.MethodGet, path, nil))
	if w.Code != status {
		f.Fatalf("GET %s: %d, want %d: %s", path, w.Code, status, text(w.Body.String()))
	}
	return w.Body.String()
}

// post submits a form from the drawer.
func (f *fixture) post(status int, path string, form url.Values) string {
	f.Helper()
	w := f.submit(path, form, true)
	if w.Code != status {
		f.Fatalf("POST %s: %d, want %d: %s", path, w.Code, status, text(w.Body.String()))
	}
	return w.Body.String()
}

func (f *fixture) submit(path string, form url.Values, drawer bool) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if drawer {
		r.Header.Set("HX-Request", "true")
	}
	return f.send(r)
}

// do takes an action on a case in its present version.
func (f *fixture) do(status int, c flow.Case, action string, pairs ...string) string {
	f.Helper()
	return f.post(status, "/referrals/"+c.ID+"/"+action, f.form(c, pairs...))
}

// form is an action form for a case in its present version.
func (f *fixture) form(c flow.Case, pairs ...string) url.Values {
	v := url.Values{"version": {strconv.Itoa(f.now(c).Version)}, "_once": {f.w.Token()}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Add(pairs[i], pairs[i+1])
	}
	return v
}

// now reads a case as it stands.
func (f *fixture) now(c flow.Case) (out flow.Case) {
	f.Helper()
	err := f.w.DB.View(context.Background(), func(tx *db.Tx) (err error) {
		out, err = flow.Get(context.Background(), tx, c.ID)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return out
}

func (f *fixture) state(c flow.Case, want string) {
	f.Helper()
	if got := f.now(c).State; got != want {
		f.Fatalf("state %s, want %s", got, want)
	}
}

func (f *fixture) has(body string, want ...string) {
	f.Helper()
	for _, w := range want {
		if !strings.Contains(body, w) {
			f.Errorf("%q is missing in %s", w, text(body))
		}
	}
}

func (f *fixture) lacks(body string, unwanted ...string) {
	f.Helper()
	for _, w := range unwanted {
		if strings.Contains(body, w) {
			f.Errorf("%q is shown in %s", w, text(body))
		}
	}
}

var tags = regexp.MustCompile(`(?s)<svg.*?</svg>|<[^>]*>|\s+`)

// text is what a reader sees of a page.
func text(body string) string { return strings.TrimSpace(tags.ReplaceAllString(body, " ")) }

// render renders one template.
func render(t *testing.T, c templ.Component) string {
	t.Helper()
	var b strings.Builder
	if err := c.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// dateOf is the business day of the world's clock.
func dateOf(f *fixture) calendar.Date { return calendar.DateOf(f.w.Now) }

func (f *fixture) submitGet(path string) *httptest.ResponseRecorder {
	return f.send(httptest.NewRequest(http.MethodGet, path, nil))
}
