package fhirapi_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/record"
)

// export asks for an export, lets the jobs work, and returns its manifest.
func (w *world) export(path string) answer {
	w.Helper()
	a := w.call("GET", path, "", "Prefer", "respond-async", "Accept", "application/fhir+json").is(202)
	at := strings.TrimPrefix(a.header.Get("Content-Location"), w.http.URL)
	return w.exported(a, at)
}

// exported waits for an export that has begun.
func (w *world) exported(a answer, at string) answer {
	w.Helper()
	if !strings.HasPrefix(at, "/fhir/_export/") {
		w.Fatalf("Content-Location %q", at)
	}
	if s := w.call("GET", at, "").is(202); s.header.Get("X-Progress") == "" || s.header.Get("Retry-After") == "" {
		w.Error("a running export says nothing of its progress")
	}
	w.later(2 * time.Second)
	a = w.call("GET", at, "").is(200, `"requiresAccessToken":true`)
	a.what = at
	return a
}

// later moves the clock and does what is due.
func (w *world) later(d time.Duration) {
	w.Helper()
	dbtest.SetClock(w.db, w.db.Now().Add(d))
	if err := w.server.Queue.Drain(w.Context()); err != nil {
		w.Fatal(err)
	}
}

// files fetches the files of a list and returns their resources as Type/id.
func (a answer) files(list string) string {
	a.Helper()
	var out []string
	all, _ := a.get(list).([]any)
	for _, f := range all {
		f, _ := f.(map[string]any)
		got := a.call("GET", strings.TrimPrefix(fmt.Sprint(f["url"]), a.http.URL), "", "Accept", "application/fhir+ndjson").is(200)
		if got.header.Get("Content-Type") != "application/fhir+ndjson" {
			a.Errorf("Content-Type %s", got.header.Get("Content-Type"))
		}
		lines := strings.Split(strings.TrimSuffix(string(got.body), "\n"), "\n")
		if float64(len(lines)) != f["count"] {
			a.Errorf("%d lines of %v", len(lines), f["count"])
		}
		for _, l := range lines {
			var r struct{ ResourceType, ID string }
			if err := json.Unmarshal([]byte(l), &r); err != nil {
				a.Fatalf("%v in %s", err, l)
			}
			if list == "output" && r.ResourceType != f["type"] {
				a.Errorf("a %s among %v", r.ResourceType, f["type"])
			}
			out = append(out, r.ResourceType+"/"+r.ID)
			if list == "deleted" {
				out[len(out)-1] = l
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestExport(t *testing.T) {
	each(t, func(w *world) {
		w.call("PUT", "/fhir/Observation/a", "{\n"+observation("a", "p1", "1-1", "2026-01-01")[1:]).is(201)
		w.call("PUT", "/fhir/Observation/b", observation("b", "p2", "1-1", "2026-01-01")).is(201)
		w.call("PUT", "/fhir/Observation/gone", observation("gone", "p2", "1-1", "2026-01-01")).is(201)
		w.call("PUT", "/fhir/Organization/o", `{"resourceType":"Organization","id":"o","name":"甲"}`).is(201)
		w.call("PUT", "/fhir/Group/g", `{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p2"}},{"entity":{"reference":"Patient/p9"}}]}`).is(201)
		w.tx(func(tx *db.Tx) error {
			_, err := w.server.Store.Create(w.Context(), tx, record.Draft{Body: []byte(observation("", "p9", "1-1", "2026-01-02")), ID: "theirs"})
			return err
		})
		if got := w.export("/fhir/$export").files("output"); got != "Group/g Observation/a Observation/b Observation/gone Organization/o" {
			t.Errorf("system: %s", got)
		}
		if got := w.export("/fhir/Patient/$export?_type=Observation,Organization").files("output"); got != "Observation/a Observation/b Observation/gone" {
			t.Errorf("patients: %s", got)
		}
		if got := w.export("/fhir/Group/g/$export?_type=Observation").files("output"); got != "Observation/b Observation/gone" {
			t.Errorf("group: %s", got)
		}
		named := func(path string, ids ...string) answer {
			list := `{"name":"_type","valueString":"Observation"}`
			for _, id := range ids {
				list += `,{"name":"patient","valueReference":{"reference":"Patient/` + id + `"}}`
			}
			return w.call("POST", path, `{"resourceType":"Parameters","parameter":[`+list+`]}`, "Prefer", "respond-async")
		}
		for _, x := range []struct{ path, id, want string }{
			{"/fhir/Patient/$export", "p1", "Observation/a"}, {"/fhir/Group/g/$export", "p2", "Observation/b Observation/gone"},
		} {
			a := named(x.path, x.id).is(202)
			if got := w.exported(a, strings.TrimPrefix(a.header.Get("Content-Location"), w.http.URL)).files("output"); got != x.want {
				t.Errorf("%s of %s: %s", x.path, x.id, got)
			}
		}
		named("/fhir/Patient/$export", "p1", "p9").is(403, "Patient/p9", "不能导出")
		named("/fhir/Group/g/$export", "p1").is(422, "Patient/p1", "不是这个组的成员")
		named("/fhir/$export", "p1").is(400, "patient")
		w.call("GET", "/fhir/Patient/$export?patient=Patient/p1", "", "Prefer", "respond-async").is(400, "POST")
		w.call("POST", "/fhir/Patient/$export?patient=Patient/p1", "", "Prefer", "respond-async").is(400, "网址")
		since := w.db.Now()
		w.later(time.Second)
		w.call("PUT", "/fhir/Observation/a", observation("a", "p1", "2-2", "2026-01-01")).is(200)
		w.call("DELETE", "/fhir/Observation/gone", "").is(204)
		m := w.export("/fhir/$export?_since=" + since.UTC().Format(time.RFC3339))
		if got := m.files("output"); got != "Observation/a" {
			t.Errorf("since: %s", got)
		}
		if got := m.files("deleted"); !strings.Contains(got, `"DELETE","url":"Observation/gone"`) {
			t.Errorf("deleted since: %s", got)
		}
		exported := dbtest.View(w.TB, w.db, func(tx *db.Tx) ([]string, error) {
			return db.List(w.Context(), tx, db.Value[string], `SELECT DISTINCT patient FROM audit_leaf WHERE action = 'record.export' AND outcome = 'ok' ORDER BY patient`)
		})
		if strings.Join(exported, " ") != " p1 p2" {
			t.Errorf("the log names %q", exported)
		}
		w.call("DELETE", m.what, "").is(202)
		w.call("GET", m.what, "").is(404)
	})
}

func TestExportRefusals(t *testing.T) {
	each(t, func(w *world) {
		async := []string{"Prefer", "respond-async"}
		w.call("GET", "/fhir/$export", "").is(400, "respond-async")
		w.call("GET", "/fhir/$export?_type=Nothing", "", async...).is(400, "Nothing")
		w.call("GET", "/fhir/$export?_since=yesterday", "", async...).is(400, "_since")
		w.call("GET", "/fhir/$export?_outputFormat=text/csv", "", async...).is(400, "text/csv")
		w.call("GET", "/fhir/$export?_typeFilter=x", "", async...).is(400, "_typeFilter")
		w.call("GET", "/fhir/$export?_typeFilter=x", "", "Prefer", "respond-async, handling=lenient").is(202, "没有起作用")
		w.call("GET", "/fhir/Group/none/$export", "", async...).is(404)
		w.call("GET", "/fhir/Observation/$export", "", async...).is(404, "没有操作")
		w.call("POST", "/fhir/Patient/$export", `{"resourceType":"Parameters","parameter":[{"name":"_type","valueString":"Nothing"}]}`, async...).is(400, "Nothing")
		w.call("GET", "/fhir/$export", "", async...).is(202)
		at := strings.TrimPrefix(w.call("GET", "/fhir/Patient/$export", "", async...).is(202).header.Get("Content-Location"), w.http.URL)
		if a := w.call("GET", "/fhir/$export", "", async...).is(429, "不能超过 3 个"); a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		w.call("GET", at+"/0", "").is(404, "没有完成")
		w.call("DELETE", at, "").is(202)
		w.call("GET", "/fhir/$export", "", async...).is(202)
		w.later(2 * time.Second)
		w.call("GET", at, "").is(404)

		mine := w.token
		w.token = w.client("reader", "system/Observation.rs")
		w.call("GET", "/fhir/$export?_type=Patient", "", async...).is(403, "范围")
		w.call("PUT", "/fhir/Observation/a", observation("a", "p1", "1-1", "2026-01-01")).is(403)
		m := w.export("/fhir/$export")
		reader := w.token
		w.token = mine
		w.call("GET", m.what, "").is(404, "没有找到这个导出任务")
		w.call("DELETE", m.what, "").is(404)
		w.token = reader
		w.later(25 * time.Hour)
		w.token = w.fresh("reader")
		w.call("GET", m.what, "").is(404, "过期")
		for table, n := range map[string]string{"files": `SELECT count(*) FROM bulk_part`, "patients": `SELECT count(*) FROM bulk_patient`} {
			left := dbtest.View(w.TB, w.db, func(tx *db.Tx) (int64, error) { return db.Count(w.Context(), tx, n) })
			if left != 0 {
				t.Errorf("%d %s are left", left, table)
			}
		}
	})
}

// TestExportIsOfOneInstant: what is written after the export began changes
// nothing, and each step is written once however often it is tried.
func TestExportIsOfOneInstant(t *testing.T) {
	each(t, func(w *world) {
		n := 250
		for i := range n {
			w.call("PUT", fmt.Sprint("/fhir/Observation/o", i), observation(fmt.Sprint("o", i), "p1", "1-1", "2026-01-01")).is(201)
		}
		at := strings.TrimPrefix(w.call("GET", "/fhir/$export?_type=Observation,Encounter", "", "Prefer", "respond-async").is(202).header.Get("Content-Location"), w.http.URL)
		dbtest.SetClock(w.db, w.db.Now().Add(time.Second))
		w.call("PUT", "/fhir/Observation/o0", observation("o0", "p1", "later", "2026-01-01")).is(200)
		w.call("PUT", "/fhir/Observation/new", observation("new", "p1", "later", "2026-01-01")).is(201)
		w.call("DELETE", "/fhir/Observation/o1", "").is(204)
		w.later(time.Second)
		m := w.call("GET", at, "").is(200)
		m.what = at
		got := m.files("output")
		if len(strings.Fields(got)) != n || strings.Contains(got, "/new") || !strings.Contains(got, "Observation/o1 ") {
			t.Errorf("%d resources: %s", len(strings.Fields(got)), got)
		}
		for _, f := range m.get("output").([]any) {
			a := w.call("GET", strings.TrimPrefix(fmt.Sprint(f.(map[string]any)["url"]), w.http.URL), "").is(200)
			if strings.Contains(string(a.body), "later") {
				t.Error("a later version was exported")
			}
		}
	})
}

// TestExportEndsWithTheClient: a client that is stopped, or whose institution has
// lost its relation, gets nothing more.
func TestExportEndsWithTheClient(t *testing.T) {
	each(t, func(w *world) {
		w.call("PUT", "/fhir/Observation/a", observation("a", "p1", "1-1", "2026-01-01")).is(201)
		at := strings.TrimPrefix(w.call("GET", "/fhir/$export?_type=Observation", "", "Prefer", "respond-async").is(202).header.Get("Content-Location"), w.http.URL)
		w.tx(func(tx *db.Tx) error { return access.Unrelate(w.Context(), tx, access.BasisEncounter, "p1") })
		w.later(2 * time.Second)
		if got := w.call("GET", at, "").is(200).files("output"); got != "" {
			t.Errorf("exported %s", got)
		}
		at = strings.TrimPrefix(w.call("GET", "/fhir/$export?_type=Observation", "", "Prefer", "respond-async").is(202).header.Get("Content-Location"), w.http.URL)
		if err := w.accounts.SetClientActive(w.Context(), program, "his", false); err != nil {
			t.Fatal(err)
		}
		w.later(3 * time.Second)
		if err := w.accounts.SetClientActive(w.Context(), program, "his", true); err != nil {
			t.Fatal(err)
		}
		dbtest.SetClock(w.db, w.db.Now().Add(3*time.Second))
		w.token = w.fresh("his")
		w.call("GET", at, "").is(500, "已停用")
	})
}
