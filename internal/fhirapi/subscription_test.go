package fhirapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/record"
)

// hook is an endpoint that keeps what it is told.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []string // method, path, content
	auth   string
}

func newHook(w *world) *hook {
	h := &hook{status: 200}
	h.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.got = append(h.got, strings.TrimSpace(r.Method+" "+r.URL.Path+" "+string(body)))
		h.auth = r.Header.Get("Authorization")
		if h.status == http.StatusFound {
			rw.Header().Set("Location", "/elsewhere")
		}
		rw.WriteHeader(h.status)
	}))
	w.Cleanup(h.Close)
	w.hooks.Hosts = append(w.hooks.Hosts, h.URL)
	return h
}

// told returns what was told since the last question.
func (h *hook) told() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.got
	h.got = nil
	return out
}

func (h *hook) answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

func hookOn(id, criteria, endpoint, payload string, headers ...string) string {
	if payload != "" {
		payload = `,"payload":"` + payload + `"`
	}
	if len(headers) > 0 {
		payload += `,"header":["` + strings.Join(headers, `","`) + `"]`
	}
	return `{"resourceType":"Subscription","id":"` + id + `","status":"requested","reason":"x","criteria":"` + criteria +
		`","channel":{"type":"rest-hook","endpoint":"` + endpoint + `"` + payload + `}}`
}

// work does what is due; failures of deliveries are what some tests are about.
func (w *world) work(d time.Duration) {
	w.Helper()
	dbtest.SetClock(w.db, w.db.Now().Add(d))
	_ = w.server.Queue.Drain(w.Context())
}

func TestSubscription(t *testing.T) {
	each(t, func(w *world) {
		h := newHook(w)
		full := hookOn("full", "Observation?code=1-1", h.URL+"/fhir", "application/fhir+json", "Authorization: Bearer secret")
		w.call("PUT", "/fhir/Subscription/full", full).is(201, `"status":"requested"`, "Authorization: （已保存")
		w.call("PUT", "/fhir/Subscription/bare", hookOn("bare", "Observation?code=1-1", h.URL+"/bare", "")).is(201)
		w.call("PUT", "/fhir/Observation/early", observation("early", "p1", "1-1", "2026-01-01")).is(201)
		if got := h.told(); len(got) != 0 {
			t.Errorf("told before the handshake: %q", got)
		}
		w.work(3 * time.Second)
		if got := h.told(); fmt.Sprint(got) != "[POST /fhir POST /bare]" && fmt.Sprint(got) != "[POST /bare POST /fhir]" {
			t.Errorf("handshakes %q", got)
		}
		if h.auth != "" && h.auth != "Bearer secret" {
			t.Errorf("header %q", h.auth)
		}
		w.call("GET", "/fhir/Subscription/full", "").is(200, `"status":"active"`, `"versionId":"2"`)
		if a := w.call("GET", "/fhir/Subscription/full/_history", "").is(200); strings.Contains(string(a.body), "secret") {
			t.Error("the secret of a header is shown")
		}

		w.call("PUT", "/fhir/Observation/hit", observation("hit", "p1", "1-1", "2026-01-01")).is(201)
		w.call("PUT", "/fhir/Observation/miss", observation("miss", "p1", "2-2", "2026-01-01")).is(201)
		w.tx(func(tx *db.Tx) error { // of a patient with whom the hospital has nothing to do
			_, err := w.server.Store.Create(w.Context(), tx, record.Draft{Body: []byte(observation("", "p9", "1-1", "2026-01-02")), ID: "theirs"})
			return err
		})
		w.work(time.Second)
		got := h.told()
		if len(got) != 2 || !strings.HasPrefix(got[0]+got[1], "PUT /fhir/Observation/hit {") && !strings.HasPrefix(got[1], "PUT /fhir/Observation/hit {") {
			t.Errorf("told %q", got)
		}
		if all := strings.Join(got, " "); strings.Contains(all, "theirs") || strings.Contains(all, "miss") || !strings.Contains(all, "POST /bare") {
			t.Errorf("told %q", got)
		}
		n := dbtest.View(w.TB, w.db, func(tx *db.Tx) (int64, error) {
			return db.Count(w.Context(), tx, `SELECT count(*) FROM audit_leaf WHERE action = 'record.notify' AND patient = 'p1' AND object_id = 'hit'`)
		})
		if n != 1 {
			t.Errorf("%d leaves of one sent resource", n)
		}

		w.call("PUT", "/fhir/Observation/miss", observation("miss", "p1", "1-1", "2026-01-01")).is(200) // now it meets the condition
		w.call("DELETE", "/fhir/Observation/hit", "").is(204)                                           // of which nobody hears
		w.work(time.Second)
		if all := strings.Join(h.told(), " "); !strings.Contains(all, "PUT /fhir/Observation/miss") || strings.Contains(all, "hit") {
			t.Errorf("told %q", all)
		}
		masked := strings.Replace(full, "Bearer secret", "（已保存，不再显示）", 1)
		w.call("PUT", "/fhir/Subscription/full", masked).is(200, `"status":"requested"`)
		w.call("DELETE", "/fhir/Subscription/bare", "").is(204)
		w.work(3 * time.Second)
		if got := h.told(); fmt.Sprint(got) != "[POST /fhir]" || h.auth != "Bearer secret" {
			t.Errorf("after the change: %q with %q", got, h.auth)
		}
		w.tx(func(tx *db.Tx) error { return access.Unrelate(w.Context(), tx, access.BasisEncounter, "p1") })
		w.call("PUT", "/fhir/Observation/x", observation("x", "p2", "1-1", "2026-01-01")).is(201)
		w.call("PATCH", "/fhir/Subscription/full", `[{"op":"replace","path":"/status","value":"off"}]`, "Content-Type", "application/json-patch+json").is(200)
		w.work(time.Second)
		if got := h.told(); len(got) != 0 {
			t.Errorf("told after the end: %q", got)
		}
	})
}

func TestSubscriptionRefusals(t *testing.T) {
	each(t, func(w *world) {
		h := newHook(w)
		good := hookOn("s", "Observation?code=1-1", h.URL+"/x", "")
		host := strings.TrimPrefix(h.URL, "http://")
		for change, want := range map[string]string{
			"rest-hook>email":                            "只支持 rest-hook",
			"Observation?code=1-1>Nothing?code=1":        "类型?条件",
			"?code=1-1>?nosuch=1":                        "nosuch",
			"?code=1-1>?_include=Observation:subject":    "只能有条件",
			h.URL + ">http://169.254.169.254":            "fhir.hooks",
			h.URL + ">https://" + host:                   "fhir.hooks",
			h.URL + ">http://" + host + "@10.0.0.1":      "不带用户名",
			h.URL + ">http://localhost:1":                "fhir.hooks",
			h.URL + ">//" + host:                         "完整的网址",
			h.URL + ">" + h.URL + "0":                    "fhir.hooks",
			`"status":"requested">"status":"error"`:      "status",
			`"channel":{>"end":"2020-01-01","channel":{`: "将来的时刻",
			`/x">/x","payload":"text/plain"`:             "payload",
			`/x">/x","header":["Host: inner"]`:           "不能设置 Host",
			`/x">/x","header":["X: a\r\nY: b"]`:          "header",
			`/x">/x","header":["X: （已保存，不再显示）"]`:         "没有保存过",
		} {
			from, to, _ := strings.Cut(change, ">")
			if !strings.Contains(good, from) {
				t.Fatalf("%s is not in %s", from, good)
			}
			w.call("PUT", "/fhir/Subscription/s", strings.Replace(good, from, to, 1)).is(422, want)
		}
		w.call("PUT", "/fhir/Subscription/s", good).is(201)
		w.token = w.client("other", "system/Subscription.cruds system/Observation.r")
		w.call("PUT", "/fhir/Subscription/mine", strings.Replace(good, `"s"`, `"mine"`, 1)).is(403, "不包括读取和搜索 Observation")
		w.token = w.client("third", "system/*.cruds")
		w.call("PUT", "/fhir/Subscription/s", good).is(403, "另一个客户端")
		w.call("DELETE", "/fhir/Subscription/s", "").is(403, "另一个客户端")
		w.call("GET", "/fhir/Subscription/s", "").is(200, `"versionId":"1"`)
		if got := h.told(); len(got) != 0 {
			t.Errorf("told %q", got)
		}
	})
}

// TestSubscriptionFailures: deliveries are tried again with growing waits, the
// status says so, and an answer ends that; a day without any switches it off.
func TestSubscriptionFailures(t *testing.T) {
	each(t, func(w *world) {
		h := newHook(w)
		h.answer(http.StatusFound) // a redirection is no answer
		w.call("PUT", "/fhir/Subscription/s", hookOn("s", "Observation?code=1-1", h.URL+"/x", "")).is(201)
		for range 8 {
			w.work(time.Minute)
		}
		for _, got := range h.told() {
			if got != "POST /x" {
				t.Errorf("followed the redirection: %s", got)
			}
		}
		w.token = w.fresh("his")
		w.call("GET", "/fhir/Subscription/s", "").is(200, `"status":"error"`, "没有启用", "302")
		h.answer(200)
		w.call("PATCH", "/fhir/Subscription/s", `[{"op":"replace","path":"/status","value":"requested"},{"op":"remove","path":"/error"}]`, "Content-Type", "application/json-patch+json").is(200)
		w.work(3 * time.Second)
		w.call("GET", "/fhir/Subscription/s", "").is(200, `"status":"active"`)
		h.told()

		h.answer(503)
		w.call("PUT", "/fhir/Observation/o", observation("o", "p1", "1-1", "2026-01-01")).is(201)
		tries := 0
		for range 6 {
			w.work(time.Minute)
			tries += len(h.told())
		}
		w.token = w.fresh("his")
		w.call("GET", "/fhir/Subscription/s", "").is(200, `"status":"error"`, "仍在重试", "503")
		if tries < 5 || tries > 8 {
			t.Errorf("%d tries in six minutes", tries)
		}
		h.answer(204)
		w.work(time.Hour)
		if got := h.told(); fmt.Sprint(got) != "[POST /x]" {
			t.Errorf("after the fault was mended: %q", got)
		}
		w.token = w.fresh("his")
		if a := w.call("GET", "/fhir/Subscription/s", "").is(200, `"status":"active"`); strings.Contains(string(a.body), `"error"`) {
			t.Errorf("the error is still said: %s", a.body)
		}

		h.answer(500)
		w.call("PUT", "/fhir/Observation/o", observation("o", "p1", "1-1", "2026-01-02")).is(200)
		for range 9 {
			w.work(7 * time.Hour)
		}
		w.token = w.fresh("his")
		w.call("GET", "/fhir/Subscription/s", "").is(200, `"status":"off"`, "一天没有应答")
	})
}
