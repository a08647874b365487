package fhirapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/bulk"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/fhirapi"
	"yilian/internal/jobs"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/patient/match"
	"yilian/internal/policy/policytest"
	"yilian/internal/record"
	"yilian/internal/subscription"
)

// world is a server with one client of the hospital, which has to do with
// patients p1 and p2 and not with p9.
type world struct {
	testing.TB
	db       *db.DB
	accounts *account.Service
	server   *fhirapi.Server
	http     *httptest.Server
	token    string
	secrets  map[string]string
	hooks    *subscription.Service
}

var program = audit.Program("test")

func each(t *testing.T, fn func(w *world)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(start(t, d)) })
}

// start makes a world on d; on a SQLite database of its own when d is nil.
func start(t testing.TB, d *db.DB) *world {
	if d == nil {
		d = dbtest.SQLite(t)
	}
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	w := &world{TB: t, db: d, accounts: &account.Service{DB: d, Keys: keys, Audit: log}}
	w.server = &fhirapi.Server{DB: d, Store: &record.Store{DB: d, Keys: keys, Book: policytest.Shipped(t), BornAfter: patient.BornAfter}, Accounts: w.accounts, Access: access.New(log), Audit: log, Queue: jobs.New(d)}
	w.server.Bulk = &bulk.Service{DB: d, Store: w.server.Store, Keys: keys, Accounts: w.accounts, Access: w.server.Access, Audit: log, Queue: w.server.Queue}
	w.server.Bulk.Init()
	w.hooks = &subscription.Service{DB: d, Store: w.server.Store, Keys: keys, Accounts: w.accounts, Access: w.server.Access, Audit: log, Queue: w.server.Queue}
	w.hooks.Init()
	weights, err := match.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	people := &patient.Service{DB: d, Keys: keys, Access: w.server.Access, Audit: log}
	w.server.Owners = map[string]fhirapi.Owner{"Subscription": fhirapi.Subscriptions{Service: w.hooks}, "Patient": fhirapi.Patients{Index: &index.Service{DB: d, Patients: people, Access: w.server.Access, Audit: log, Weights: weights}}}
	oauth := &fhirapi.OAuth{Accounts: w.accounts}
	mux := http.NewServeMux()
	mux.Handle("/fhir", w.server)
	mux.Handle("/fhir/", w.server)
	mux.Handle("POST /oauth/token", oauth)
	mux.HandleFunc("GET /.well-known/smart-configuration", oauth.Configuration)
	w.http = httptest.NewServer(mux)
	t.Cleanup(w.http.Close)
	w.token = w.client("his", "system/*.cruds")
	w.tx(func(tx *db.Tx) error {
		for _, p := range []string{"p1", "p2"} {
			if err := access.Relate(t.Context(), tx, access.CareRelation{Patient: p, Org: "hosp", Basis: access.BasisEncounter, Reference: p}); err != nil {
				return err
			}
		}
		return nil
	})
	return w
}

func (w *world) tx(fn func(tx *db.Tx) error) {
	w.Helper()
	if err := w.db.Tx(w.Context(), fn); err != nil {
		w.Fatal(err)
	}
}

// client makes a client of the hospital and returns a token of it.
func (w *world) client(id, scopes string) string {
	w.Helper()
	return w.clientOf("hosp", id, scopes)
}

func (w *world) clientOf(org, id, scopes string) string {
	w.Helper()
	secret, err := w.accounts.CreateClient(w.Context(), audit.Program("test"), account.Client{ID: id, Name: "系统 " + id, Org: org, Scopes: scopes})
	if err != nil {
		w.Fatal(err)
	}
	if w.secrets == nil {
		w.secrets = map[string]string{}
	}
	w.secrets[id] = secret
	return w.fresh(id)
}

// fresh is a new token of a client.
func (w *world) fresh(id string) string {
	w.Helper()
	t, err := w.accounts.SecretToken(w.Context(), id, w.secrets[id], "")
	if err != nil {
		w.Fatal(err)
	}
	return t.Text
}

// answer is what came back.
type answer struct {
	*world
	status int
	header http.Header
	body   []byte
	what   string
}

// call makes a request; headers are pairs.
func (w *world) call(method, path, body string, headers ...string) answer {
	w.Helper()
	r, err := http.NewRequest(method, w.http.URL+path, strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer{w, resp.StatusCode, resp.Header, raw, method + " " + path}
}

// is asks for a status and texts in the body.
func (a answer) is(status int, texts ...string) answer {
	a.Helper()
	if a.status != status {
		a.Fatalf("%s answers %d, want %d: %s", a.what, a.status, status, a.body)
	}
	for _, x := range texts {
		if !bytes.Contains(a.body, []byte(x)) {
			a.Errorf("%s: no %q in %s", a.what, x, a.body)
		}
	}
	return a
}

func (a answer) get(path ...any) any {
	a.Helper()
	var v any
	if err := json.Unmarshal(a.body, &v); err != nil {
		a.Fatalf("%s: %v in %s", a.what, err, a.body)
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func (a answer) id() string {
	a.Helper()
	s, _ := a.get("id").(string)
	return s
}

// ids are those of a bundle's matches, includes marked with +.
func (a answer) ids() string {
	a.Helper()
	var b struct {
		Entry []struct {
			Resource struct{ ID, ResourceType string }
			Search   struct{ Mode string }
		}
	}
	if err := json.Unmarshal(a.body, &b); err != nil {
		a.Fatal(err)
	}
	var out []string
	for _, e := range b.Entry {
		switch e.Search.Mode {
		case "include":
			out = append(out, "+"+e.Resource.ID)
		case "outcome":
			out = append(out, "!")
		default:
			out = append(out, e.Resource.ID)
		}
	}
	return strings.Join(out, " ")
}

func (a answer) link(relation string) string {
	links, _ := a.get("link").([]any)
	for _, l := range links {
		if m, _ := l.(map[string]any); m["relation"] == relation {
			s, _ := m["url"].(string)
			return strings.TrimPrefix(s, a.http.URL)
		}
	}
	return ""
}

func observation(id, patient, code, date string) string {
	if id != "" {
		id = `"id":"` + id + `",`
	}
	return fmt.Sprintf(`{"resourceType":"Observation",%s"status":"final","code":{"coding":[{"system":"http://loinc.org","code":"%s"}]},"subject":{"reference":"Patient/%s"},"effectiveDateTime":"%s"}`, id, code, patient, date)
}

func TestLifeOfAResource(t *testing.T) {
	each(t, func(w *world) {
		made := w.call("POST", "/fhir/Observation", observation("", "p1", "1-1", "2026-01-02")).is(201)
		id := made.id()
		if want := w.http.URL + "/fhir/Observation/" + id + "/_history/1"; made.header.Get("Location") != want {
			t.Errorf("Location %s, want %s", made.header.Get("Location"), want)
		}
		if made.header.Get("ETag") != `W/"1"` || made.header.Get("Last-Modified") == "" || made.header.Get("Content-Type") != "application/fhir+json; charset=utf-8" {
			t.Errorf("headers %v", made.header)
		}
		at := "/fhir/Observation/" + id
		w.call("GET", at, "").is(200, `"code":"1-1"`)
		w.call("GET", at, "", "If-None-Match", `W/"1"`).is(304)
		w.call("PUT", at, observation(id, "p1", "2-2", "2026-01-02"), "If-Match", `W/"5"`).is(412, "现在是第 1 版")
		w.call("PUT", at, observation(id, "p1", "2-2", "2026-01-02"), "If-Match", `W/"1"`).is(200, `"versionId":"2"`)
		w.call("PUT", at, observation("other", "p1", "2-2", "2026-01-02")).is(400, "地址中的是")
		w.call("PUT", at, observation(id, "p1", "2-2", "2026-01-02"), "If-None-Match", "*").is(412, "已经存在")
		w.call("PATCH", at, `[{"op":"replace","path":"/status","value":"amended"}]`, "Content-Type", "application/json-patch+json").is(200, `"status":"amended"`, `"versionId":"3"`)
		w.call("PATCH", at, `[{"op":"test","path":"/status","value":"final"}]`, "Content-Type", "application/json-patch+json").is(422, "test")
		w.call("GET", at+"/_history/1", "").is(200, `"code":"1-1"`)
		w.call("GET", at+"/_history/9", "").is(404)
		w.call("GET", at+"/_history", "").is(200, `"method":"PATCH"`, `"method":"POST"`)
		w.call("DELETE", at, "").is(204)
		w.call("DELETE", at, "").is(204)
		w.call("GET", at, "").is(410, "已被删除")
		w.call("GET", "/fhir/Observation/none", "").is(404, "没有找到")
		w.call("GET", at+"/_history", "").is(200, `"method":"DELETE"`)
		w.call("GET", "/fhir/Observation/_history", "").is(200, `"type":"history"`)
		w.call("GET", "/fhir/_history?_count=2", "").is(200, `"relation":"next"`)
		w.call("PUT", at, observation(id, "p1", "3-3", "2026-01-02")).is(201, `"versionId":"5"`)
	})
}

func TestPreferences(t *testing.T) {
	each(t, func(w *world) {
		body := observation("", "p1", "1-1", "2026-01-02")
		if a := w.call("POST", "/fhir/Observation", body, "Prefer", "return=minimal").is(201); len(a.body) != 0 || a.header.Get("Location") == "" {
			t.Errorf("minimal: %s", a.body)
		}
		w.call("POST", "/fhir/Observation", body, "Prefer", "return=OperationOutcome").is(201, "已保存")
		w.call("GET", "/fhir/Observation?nonsense=1", "").is(200, "没有起作用", `"mode":"outcome"`)
		w.call("GET", "/fhir/Observation?nonsense=1", "", "Prefer", "handling=strict").is(400, "nonsense")
		w.call("GET", "/fhir/Observation", "", "Accept", "application/fhir+xml").is(406, "只提供 JSON")
		w.call("GET", "/fhir/Observation?_format=xml", "").is(406)
		w.call("POST", "/fhir/Observation", "<a/>", "Content-Type", "application/fhir+xml").is(415)
		w.call("POST", "/fhir/Observation", `{"resourceType":"Patient"}`).is(400, "resourceType")
		w.call("POST", "/fhir/Observation", `{"resourceType":"Observation","a":1,"a":2}`).is(400)
		w.call("GET", "/fhir/Nonsense/1", "").is(404, "没有“Nonsense”这种资源")
		w.call("GET", "/fhir/Observation/x/y/z/q", "").is(404)
	})
}

func TestConditions(t *testing.T) {
	each(t, func(w *world) {
		org := `{"resourceType":"Organization","identifier":[{"system":"urn:x","value":"A1"}],"name":"甲"}`
		first := w.call("POST", "/fhir/Organization", org, "If-None-Exist", "identifier=urn:x|A1").is(201).id()
		if again := w.call("POST", "/fhir/Organization", org, "If-None-Exist", "identifier=urn:x|A1").is(200).id(); again != first {
			t.Errorf("made %s beside %s", again, first)
		}
		w.call("PUT", "/fhir/Organization?identifier=urn:x|A1", strings.Replace(org, "甲", "乙", 1)).is(400, "id")
		w.call("PUT", "/fhir/Organization?identifier=urn:x|A1", strings.Replace(strings.Replace(org, "甲", "乙", 1), `{`, `{"id":"`+first+`",`, 1)).is(200, "乙")
		w.call("PUT", "/fhir/Organization?identifier=urn:x|B1", strings.Replace(org, "A1", "B1", 1)).is(201)
		w.call("DELETE", "/fhir/Organization?name=甲,乙", "").is(412, "不止一个")
		w.call("DELETE", "/fhir/Organization?identifier=urn:x|B1", "").is(204)
		w.call("DELETE", "/fhir/Organization?nosuch=urn:x|B1", "").is(400, "nosuch")
	})
}

func TestSearchPages(t *testing.T) {
	each(t, func(w *world) {
		for i := range 7 {
			w.call("PUT", fmt.Sprint("/fhir/Observation/o", i), observation(fmt.Sprint("o", i), fmt.Sprint("p", i%2+1), "1-1", fmt.Sprintf("2026-01-%02d", i+1))).is(201)
		}
		a := w.call("GET", "/fhir/Observation?code=1-1&_count=3&_sort=-date", "").is(200, `"total":7`)
		got := a.ids()
		for a.link("next") != "" {
			a = w.call("GET", a.link("next"), "").is(200)
			got += " | " + a.ids()
		}
		if got != "o6 o5 o4 | o3 o2 o1 | o0" {
			t.Errorf("pages %s", got)
		}
		form := url.Values{"patient": {"p1"}, "code": {"1-1"}}
		if got := w.call("POST", "/fhir/Observation/_search", form.Encode(), "Content-Type", "application/x-www-form-urlencoded").is(200).ids(); got != "o0 o2 o4 o6" {
			t.Errorf("POST _search finds %s", got)
		}
		if got := w.call("GET", "/fhir/Patient/p1/Observation?date=ge2026-01-04", "").is(200).ids(); got != "o4 o6" {
			t.Errorf("compartment finds %s", got)
		}
		w.call("GET", "/fhir/Observation?_summary=count", "").is(200, `"total":7`)
		a = w.call("GET", "/fhir/Observation?_elements=status&_id=o1", "").is(200, "SUBSETTED", `"status":"final"`)
		if bytes.Contains(a.body, []byte("effectiveDateTime")) {
			t.Errorf("_elements shows %s", a.body)
		}
		if got := w.call("GET", "/fhir?_type=Observation,Organization&_id=o1", "").is(200).ids(); got != "o1" {
			t.Errorf("system search finds %s", got)
		}
	})
}

func TestScopesAndRelations(t *testing.T) {
	each(t, func(w *world) {
		w.call("PUT", "/fhir/Observation/mine", observation("mine", "p1", "1-1", "2026-01-02")).is(201)
		w.call("POST", "/fhir/Observation", observation("", "p9", "1-1", "2026-01-02")).is(403, "没有签约、转诊或就诊关系")
		n := dbtest.View(w.TB, w.db, func(tx *db.Tx) (int64, error) {
			return db.Count(w.Context(), tx, `SELECT count(*) FROM record_resource WHERE patient = 'p9'`)
		})
		if n != 0 {
			t.Error("a refused write was kept")
		}
		w.tx(func(tx *db.Tx) error {
			_, err := w.server.Store.Create(w.Context(), tx, record.Draft{Body: []byte(observation("", "p9", "1-1", "2026-01-02")), ID: "theirs"})
			return err
		})
		w.call("GET", "/fhir/Observation/theirs", "").is(403)
		if got := w.call("GET", "/fhir/Observation", "").is(200, `"total":1`).ids(); got != "mine" {
			t.Errorf("search finds %s", got)
		}
		w.call("GET", "/fhir/Observation/_history", "").is(200)
		refused := dbtest.View(w.TB, w.db, func(tx *db.Tx) (int64, error) {
			return db.Count(w.Context(), tx, `SELECT count(*) FROM audit_leaf WHERE outcome = 'refused' AND patient = 'p9'`)
		})
		seen := dbtest.View(w.TB, w.db, func(tx *db.Tx) (int64, error) {
			return db.Count(w.Context(), tx, `SELECT count(*) FROM audit_leaf WHERE outcome = 'ok' AND patient = 'p1' AND action LIKE 'record.%'`)
		})
		if refused != 2 || seen != 3 {
			t.Errorf("%d refusals and %d acts in the log", refused, seen)
		}
		w.token = w.client("reader", "system/Observation.read")
		w.call("GET", "/fhir/Observation/mine", "").is(200)
		w.call("PUT", "/fhir/Observation/mine", observation("mine", "p1", "1-1", "2026-01-02")).is(403, "范围")
		w.call("GET", "/fhir/Patient?name=x", "").is(403)
		w.call("GET", "/fhir/Observation?subject:Patient.name=x", "").is(403, "Patient")
		w.token = "nonsense"
		if a := w.call("GET", "/fhir/Observation/mine", "").is(401, "令牌"); a.header.Get("WWW-Authenticate") == "" {
			t.Error("no WWW-Authenticate")
		}
		w.call("GET", "/fhir/metadata", "").is(200, "CapabilityStatement", `"component-code-value-quantity"`)
	})
}

func TestTransactions(t *testing.T) {
	each(t, func(w *world) {
		bundle := func(kind string, entries ...string) string {
			return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
		}
		post := func(full, resource string) string {
			kind := strings.Split(strings.SplitN(resource, `"resourceType":"`, 2)[1], `"`)[0]
			return `{"fullUrl":"` + full + `","resource":` + resource + `,"request":{"method":"POST","url":"` + kind + `"}}`
		}
		const e, o = "urn:uuid:11111111-1111-4111-8111-111111111111", "urn:uuid:22222222-2222-4222-8222-222222222222"
		a := w.call("POST", "/fhir", bundle("transaction",
			post(o, `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"},"encounter":{"reference":"`+e+`"},"identifier":[{"system":"urn:ietf:rfc:3986","value":"`+e+`"}]}`),
			post(e, `{"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p1"},"text":{"status":"generated","div":"<div><a href=\"`+o+`\">x</a></div>"}}`),
			`{"request":{"method":"GET","url":"Observation?patient=p1"}}`,
		)).is(200, `"transaction-response"`, "201 Created")
		enc, _ := a.get("entry", 1, "resource", "id").(string)
		obs, _ := a.get("entry", 0, "resource", "id").(string)
		w.call("GET", "/fhir/Observation/"+obs, "").is(200, `{"reference":"Encounter/`+enc+`"}`, `"value":"`+e+`"`)
		w.call("GET", "/fhir/Encounter/"+enc, "").is(200, `href=\"Observation/`+obs)
		if got := a.get("entry", 2, "resource", "total"); got != 1.0 {
			t.Errorf("the search inside finds %v", got)
		}
		before := w.count()
		w.call("POST", "/fhir", bundle("transaction", post(o, observation("", "p1", "a", "2026-01-01")), post(e, observation("", "p9", "a", "2026-01-01")))).is(403, "第 2 条", "Bundle.entry[1]")
		w.call("POST", "/fhir", bundle("transaction", post(o, observation("", "p1", "a", "2026-01-01")), post(o, observation("", "p1", "a", "2026-01-01")))).is(400, "不止一次")
		if n := w.count(); n != before {
			t.Errorf("%d resources of refused transactions", n-before)
		}
		w.call("POST", "/fhir", bundle("batch", post(o, observation("", "p1", "a", "2026-01-01")), post(e, observation("", "p9", "a", "2026-01-01")),
			`{"request":{"method":"DELETE","url":"Observation/none"}}`)).is(200, "201 Created", "403 Forbidden", "204 No Content")
		if n := w.count(); n != before+1 {
			t.Errorf("a batch kept %d", n-before)
		}
		w.call("POST", "/fhir", bundle("transaction", `{"resource":`+observation("", "p1", "a", "2026-01-01")+`,"request":{"method":"POST","url":"Observation","ifNoneExist":"code=a&patient=p1"}}`)).is(200, "200 OK")
		w.call("POST", "/fhir", bundle("collection")).is(400)
	})
}

func (w *world) count() int64 {
	return dbtest.View(w.TB, w.db, func(tx *db.Tx) (int64, error) {
		return db.Count(w.Context(), tx, `SELECT count(*) FROM record_version`)
	})
}

// TestAPatientIsAStatementToTheMasterIndex: what a system says about a person is
// kept as it was said, stands for a resident, and gives the institution its
// relation to him; what cannot be placed is refused with the reason.
func TestAPatientIsAStatementToTheMasterIndex(t *testing.T) {
	each(t, func(w *world) {
		body := `{"resourceType":"Patient","identifier":[{"system":"urn:oid:2.16.156.10011.1.3","value":"431102195803120025"}],"name":[{"text":"张桂兰"}],"gender":"female","birthDate":"1958-03-12","telecom":[{"system":"phone","value":"13800001234"}]}`
		id := w.call("POST", "/fhir/Patient", body).is(201, "张桂兰").id()
		w.call("POST", "/fhir/Observation", observation("", id, "1-1", "2026-01-02")).is(201)
		again := w.call("POST", "/fhir/Patient", body).is(201).id()
		if got := w.call("GET", "/fhir/Observation?patient="+again, "").is(200).ids(); got == "" {
			t.Error("the other statement about the person does not find what hangs on the first")
		}
		n := dbtest.View(w.TB, w.db, func(tx *db.Tx) (int64, error) { return db.Count(w.Context(), tx, `SELECT count(*) FROM patient`) })
		if n != 1 {
			t.Errorf("%d residents of one card", n)
		}
		w.call("POST", "/fhir/Patient", `{"resourceType":"Patient","name":[{"text":"王五"}]}`).is(422, "身份信息不足")
		if got := w.call("GET", "/fhir/Patient?identifier=urn:oid:2.16.156.10011.1.3|431102195803120025", "").is(200).ids(); got != id+" "+again {
			t.Errorf("found %q", got)
		}
	})
}

// one is a world on SQLite, for what does not touch the engine.
func one(t *testing.T) *world { return start(t, nil) }
