package web_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"yilian/internal/errs"
	"yilian/internal/web"
	"yilian/internal/web/webtest"
)

// ask answers one request; head holds pairs of header names and values.
func ask(h http.Handler, method, path, body string, head ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func fails(log io.Writer, err error) *web.Site {
	s := web.New(web.Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	s.Public("/fail", func(http.ResponseWriter, *http.Request) error { return err })
	return s
}

// Every kind of error has its status; htmx gets a toast, scripts a sentence.
func TestErrorEdge(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		says   string
	}{
		{errs.E(errs.Invalid, "日期不对"), 422, "日期不对"},
		{errs.E(errs.NotFound, "没有找到转诊单"), 404, "没有找到转诊单"},
		{errs.E(errs.Conflict, "已被接诊"), 409, "已被接诊"},
		{errs.Refused(errs.Forbidden, "LL-4.3.4c", "不能查看"), 403, "LL-4.3.4c"},
		{errs.E(errs.Unavailable, "磁盘已满"), 503, "磁盘已满"},
		{fmt.Errorf("insert: %w", errs.E(errs.Conflict, "重复")), 409, "重复"},
		{errors.New("secret"), 500, "故障编号"},
		{&http.MaxBytesError{Limit: 1}, 413, "内容太大"},
	} {
		var log bytes.Buffer
		s := fails(&log, c.err)
		page := ask(s, "GET", "/fail", "")
		if page.Code != c.status || !strings.Contains(page.Body.String(), c.says) || !strings.Contains(page.Body.String(), "<!doctype html>") {
			t.Errorf("%v: status %d, want %d; says %.200q", c.err, page.Code, c.status, page.Body)
		}
		if strings.Contains(page.Body.String(), "secret") {
			t.Errorf("%v: the page shows the cause", c.err)
		}
		if n := strings.Count(log.String(), "level=ERROR"); (n == 1) != (c.status == 500) || n > 1 {
			t.Errorf("%v: logged %d times", c.err, n)
		}
		part := ask(s, "GET", "/fail", "", "HX-Request", "true", "HX-Request-Type", "partial")
		if part.Header().Get("HX-Retarget") != "#toasts" || strings.Contains(part.Body.String(), "<html") || part.Code != c.status {
			t.Errorf("%v: fragment %d %v", c.err, part.Code, part.Header())
		}
		text := ask(s, "POST", "/fail", "", "Accept", "text/plain")
		if strings.Contains(text.Body.String(), "<") || text.Code != c.status || text.Body.Len() == 0 {
			t.Errorf("%v: text %d %q", c.err, text.Code, text.Body)
		}
	}
}

func TestIncidentIsTheLoggedOne(t *testing.T) {
	var log bytes.Buffer
	page := ask(fails(&log, errors.New("secret cause")), "GET", "/fail", "")
	id := regexp.MustCompile(`<b>([0-9A-F]{4}-[0-9A-F]{4})</b>`).FindStringSubmatch(page.Body.String())
	if id == nil || !strings.Contains(log.String(), "incident="+id[1]) || !strings.Contains(log.String(), "secret cause") {
		t.Errorf("page shows %v, log says %s", id, &log)
	}
}

func TestSite(t *testing.T) {
	s := webtest.Storybook()
	if w := ask(s, "GET", "/nowhere", ""); w.Code != 404 || !strings.Contains(w.Body.String(), "没有这个页面：/nowhere") {
		t.Errorf("unknown path: %d", w.Code)
	}
	if w := ask(s, "GET", "/panic", ""); w.Code != 500 || !strings.Contains(w.Body.String(), "系统出了问题") {
		t.Errorf("panic: %d", w.Code)
	}
	if w := ask(s, "POST", "/new", "x=1", "Sec-Fetch-Site", "cross-site"); w.Code != 403 || !strings.Contains(w.Body.String(), "别的网站") {
		t.Errorf("foreign form: %d", w.Code)
	}
	w := ask(s, "GET", "/referrals", "")
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self';") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Error("a page with patients may be kept by caches")
	}
	if m := regexp.MustCompile(`(?:src|href)="(https?:)?//`).FindString(w.Body.String()); m != "" {
		t.Errorf("the page asks another server: %s", m)
	}
	if m := regexp.MustCompile(`(?i)<script[^>]*>[^<]|\son[a-z]+="|\sstyle="`).FindString(w.Body.String()); m != "" {
		t.Errorf("inline script or style: %s", m)
	}
	z := ask(s, "GET", "/referrals", "", "Accept-Encoding", "gzip")
	r, err := gzip.NewReader(z.Body)
	if err != nil {
		t.Fatalf("not compressed: %v", err)
	}
	if data, err := io.ReadAll(r); err != nil || len(data) < 5000 {
		t.Errorf("compressed page: %d bytes, %v", len(data), err)
	}
}

func TestBodyLimit(t *testing.T) {
	s := web.New(web.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), MaxBody: 100})
	s.Public("POST /x", func(w http.ResponseWriter, r *http.Request) error {
		return r.ParseForm()
	})
	if w := ask(s, "POST", "/x", "a="+strings.Repeat("b", 200)); w.Code != 413 {
		t.Errorf("long body: %d, want 413", w.Code)
	}
}

func TestAssets(t *testing.T) {
	s := webtest.Storybook()
	for _, name := range []string{"app.css", "app.js", "form.js", "paper.css", "tabler-1.0.0.css", "tabler-1.0.0.js", "htmx-4.0.1.js", "LICENCES.txt"} {
		w := ask(s, "GET", web.Asset(name), "", "Accept-Encoding", "gzip")
		if w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") || w.Header().Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
	if w := ask(s, "GET", "/assets/app.css", ""); w.Code != 404 {
		t.Errorf("an address without hash answers %d", w.Code)
	}
}

// What Chrome 109 cannot read must not stand in our files.
func TestOldBrowser(t *testing.T) {
	for _, name := range []string{"app.css", "paper.css", "tabler-1.0.0.css"} {
		data, err := os.ReadFile("assets/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`color-mix\(|oklch\(|light-dark\(|@layer|@container|@starting-style|\d[sd]vh`).Find(data); m != nil {
			t.Errorf("%s uses %s", name, m)
		}
	}
}

// A sentence survives the redirect and is shown once; in a part it is a toast.
func TestFlash(t *testing.T) {
	s := webtest.Storybook()
	form := url.Values{"diagnosis": {"I21.900"}, "summary": {"x"}}.Encode()
	w := ask(s, "POST", "/new", form)
	if w.Code != 303 || w.Header().Get("Location") != "/referrals" {
		t.Fatalf("redirect: %d %v", w.Code, w.Header())
	}
	cookie := strings.Split(w.Header().Get("Set-Cookie"), ";")[0]
	page := ask(s, "GET", "/referrals", "", "Cookie", cookie)
	if !strings.Contains(page.Body.String(), "转诊申请已提交") || !strings.Contains(page.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("flash not shown once: %v", page.Header())
	}
	if hx := ask(s, "POST", "/new", form, "HX-Request", "true"); hx.Header().Get("HX-Redirect") != "/referrals" || hx.Code != 200 {
		t.Errorf("htmx redirect: %d %v", hx.Code, hx.Header())
	}
	part := ask(s, "POST", "/referrals/1/accept", "", "HX-Request", "true")
	if tr := part.Header().Get("HX-Trigger"); !strings.Contains(tr, `"toast"`) || !strings.Contains(tr, `"changed"`) || strings.IndexFunc(tr, func(r rune) bool { return r > 126 }) >= 0 {
		t.Errorf("trigger %q", tr)
	}
}

func TestRedirectStaysHere(t *testing.T) {
	for _, path := range []string{"//evil.example", "https://evil.example", "/\\evil.example", ""} {
		w := httptest.NewRecorder()
		if err := web.Redirect(w, httptest.NewRequest(http.MethodGet, "/", nil), path); err != nil || w.Header().Get("Location") != "/" {
			t.Errorf("%q leads to %q", path, w.Header().Get("Location"))
		}
	}
}

func TestFormats(t *testing.T) {
	at := time.Date(2026, 11, 20, 16, 5, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{web.FormatTime(at), "11-21 00:05"}, {web.FormatDate(at), "2026-11-21"}, {web.FormatTime(time.Time{}), "—"},
		{web.Age("1988-04-12", "2026-04-11"), "37岁"}, {web.Age("1988-04-12", "2026-04-12"), "38岁"},
		{web.Age("2026-11-18", "2026-11-21"), "3天"}, {web.Age("2025-06-30", "2026-11-21"), "16个月"}, {web.Age("", "2026-11-21"), ""}, {web.Age("2027-01-01", "2026-11-21"), ""},
		{web.TimeLeft(at.Add(96*time.Minute), at), "剩余 1 小时 36 分"}, {web.TimeLeft(at.Add(-3*time.Minute), at), "超时 3 分钟"},
		{web.TimeLeft(at.Add(50*time.Hour), at), "剩余 2 天 2 小时"}, {web.TimeLeft(at, at), "剩余 0 分钟"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestMeasured(t *testing.T) {
	for _, c := range []struct {
		n, ms string
		ok    bool
	}{{"4", "5200", true}, {"", "", false}, {"-1", "5", false}, {"4", "99999999999", false}} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(url.Values{"_interactions": {c.n}, "_elapsed_ms": {c.ms}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if n, d, ok := web.Measured(r); ok != c.ok || ok && (n != 4 || d != 5200*time.Millisecond) {
			t.Errorf("%v: %d %v %v", c, n, d, ok)
		}
	}
}

// Every icon that a Go or templ file of this package names exists.
func TestIcons(t *testing.T) {
	call := regexp.MustCompile(`Icon\("([a-z0-9-]+)"\)`)
	for _, name := range []string{"page.templ", "components.templ", "form.templ", "paper.templ"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(data), -1) {
			if !web.HasIcon(m[1]) {
				t.Errorf("%s: no icon %s", name, m[1])
			}
		}
	}
}

func TestPaper(t *testing.T) {
	body := ask(webtest.Storybook(), "GET", "/paper", "").Body.String()
	if strings.Count(body, `class="qr"`) != 2 || !strings.Contains(body, "转入机构联") || !strings.Contains(body, "样例") || strings.Count(body, `class="seal"`) != 4 {
		t.Error("paper lacks code, copies, watermark or seals")
	}
}
