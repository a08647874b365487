package fhirapi_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/valid"
	"yilian/internal/fhirapi/auditevent"
	"yilian/internal/record"
)

var (
	drZhou = access.Actor{Account: "zhou", Person: "prac-1", Name: "周建国", Role: string(access.DepartmentDoctor), Org: "hosp", OrgName: "零陵区人民医院", IP: "10.0.0.7"}
	drTang = access.Actor{Account: "tang", Person: "prac-2", Name: "Tang 唐_丽", Role: string(access.Registration), Org: "hosp", OrgName: "零陵区人民医院", IP: "10.0.0.8"}
	hisOf  = access.Actor{Account: "client:his", Name: "系统 his", Role: string(access.SystemClient), Org: "hosp", OrgName: "零陵区人民医院"}
	strang = access.Actor{Account: "li", Person: "prac-9", Name: "李外", Role: string(access.TownshipDoctor), Org: "town", OrgName: "菱角塘镇卫生院"}
	inHome = access.Actor{Account: "home", Name: "居民", Role: string(access.Resident), Org: "hosp", Patient: "p1"}
)

// acts are what has been done, one an hour; the number is the hour.
func acts() []audit.Leaf {
	return []audit.Leaf{
		{Actor: drZhou, Action: "patient.read", Object: "patient", ObjectID: "p1", Patient: "p1", Basis: string(access.BasisReferral), Detail: string(access.Look)},
		{Actor: drZhou, Action: "referral.accept", Object: "referral", ObjectID: "r-1", Patient: "p1", Clause: "LL-4.3.4c", Detail: "submitted→accepted"},
		{Actor: drTang, Action: "patient.update", Object: "patient", ObjectID: "p2", Patient: "p2"},
		{Actor: drTang, Action: "patient.read", Object: "patient", ObjectID: "p9", Patient: "p9", Outcome: audit.Refused, Detail: "没有诊疗关系"},
		{Actor: strang, Action: "patient.read", Object: "patient", ObjectID: "p1", Patient: "p1", Basis: string(access.BasisContract)},
		{Actor: hisOf, Action: "record.create", Object: "Observation", ObjectID: "o-1", Patient: "p1", Basis: string(access.BasisEncounter)},
		{Actor: hisOf, Action: "record.search", Object: "Observation", Patient: "p2", Detail: "date patient"},
		{Actor: drZhou, Action: "consent.void", Object: "consent", ObjectID: "c-1", Patient: "p2"},
		{Actor: drZhou, Action: "session.signin", Object: "session", ObjectID: "s-1"},
		{Actor: drTang, Action: "patient.break", Object: "patient", ObjectID: "p1", Patient: "p1", Basis: string(access.BasisBreak), Detail: "抢救"},
		{Actor: drTang, Action: "practitioner.change", Object: "practitioner", ObjectID: "prac-1"},
		{Actor: inHome, Action: "patient.read", Object: "patient", ObjectID: "p1", Patient: "p1"},
		{Actor: audit.Program("jobs"), Action: "referral.escalate", Object: "referral", ObjectID: "r-1", Patient: "p1"},
		{Actor: drZhou, Action: "index.attach", Object: "patient", ObjectID: "p1"},
	}
}

// hours are those of acts that are the hospital's own, newest first.
const hours = "13 10 9 8 7 6 5 3 2 1 0"

// audited is a world in whose log the acts stand, as l-0, l-1 …, and a client
// that reads AuditEvents only.
func audited(w *world) *world {
	w.Helper()
	w.token = w.client("siem", "system/AuditEvent.cruds")
	w.past(acts()...)
	return w
}

func (w *world) past(leaves ...audit.Leaf) {
	w.Helper()
	w.tx(func(tx *db.Tx) error {
		for i, l := range leaves {
			if l.ID == "" {
				l.ID = fmt.Sprintf("l-%d", i)
			}
			if l.At.IsZero() {
				l.At = time.Date(2025, 5, 1, i, 0, 0, int(7*time.Millisecond), time.UTC)
			}
			if err := w.server.Audit.Append(w.Context(), tx, l); err != nil {
				return err
			}
		}
		return nil
	})
}

// in restricts a search to the acts: the world's own making has left leaves too.
const inMay = "date=ge2025-05-01&date=lt2025-05-03"

func (a answer) hours() string { return strings.ReplaceAll(a.ids(), "l-", "") }

func TestAuditEventsAreALookAtTheLog(t *testing.T) {
	each(t, func(w *world) {
		audited(w)
		a := w.call("GET", "/fhir/AuditEvent/l-1", "").is(200, `"meta":{"lastUpdated":"2025-05-01T09:00:00.007+08:00","source":"urn:yilian:audit","versionId":"1"}`,
			`"recorded":"2025-05-01T09:00:00.007+08:00"`, `"action":"E"`, `"outcome":"0"`, `"outcomeDesc":"成功：待受理 → 待安排（依据：LL-4.3.4c）"`,
			`"code":"referral.accept","display":"受理转诊"`, `"code":"110110"`, `"reference":"Practitioner/prac-1"`, `"reference":"Organization/hosp"`,
			`"network":{"address":"10.0.0.7","type":"2"}`, `"what":{"reference":"Patient/p1"}`, `{"display":"转诊单","identifier":{"system":"urn:yilian:audit-object:referral","value":"r-1"}}`)
		if a.header.Get("ETag") != `W/"1"` {
			t.Errorf("ETag %s", a.header.Get("ETag"))
		}
		w.call("GET", "/fhir/AuditEvent/l-1", "", "If-None-Match", `W/"1"`).is(304)
		w.call("GET", "/fhir/AuditEvent/l-1/_history/1", "").is(200, `"id":"l-1"`)
		w.call("GET", "/fhir/AuditEvent/l-1/_history/2", "").is(404)
		w.call("GET", "/fhir/AuditEvent/l-1/_history", "").is(200, `"method":"POST"`, `"id":"l-1"`)
		w.call("GET", "/fhir/AuditEvent/l-3", "").is(200, `"outcome":"4"`, "拒绝：没有诊疗关系")
		w.call("GET", "/fhir/AuditEvent/l-5", "").is(200, `"code":"rest"`, `"system":"http://hl7.org/fhir/restful-interaction"`, `"reference":"Observation/o-1"`, `"value":"client:his"`, "TREAT")
		w.call("GET", "/fhir/AuditEvent/l-9", "").is(200, "BTG", "紧急调阅")
		w.call("GET", "/fhir/AuditEvent/l-8", "").is(200, "110114", "110122")
		cut := w.call("GET", "/fhir/AuditEvent/l-1?_elements=recorded", "").is(200, "SUBSETTED", `"recorded"`)
		if strings.Contains(string(cut.body), "outcomeDesc") {
			t.Errorf("_elements shows %s", cut.body)
		}
	})
}

// TestEveryLeafIsAValidAuditEvent: by the tables and by the server's own
// $validate, whatever the leaf says or leaves out.
func TestEveryLeafIsAValidAuditEvent(t *testing.T) {
	w := audited(one(t))
	bare := []audit.Leaf{
		{ID: "x", At: time.Now(), Actor: access.Actor{Org: "o"}, Action: "a", Outcome: audit.OK},
		{ID: "y", At: time.Now(), Actor: access.Actor{Org: "名 称", Person: "p/1", Name: " "}, Action: "a.b.c", Object: "Observation", ObjectID: "no id", Patient: "不", Outcome: audit.Refused},
	}
	for _, l := range append(acts(), bare...) {
		if l.ID == "" {
			l.ID, l.At = "l", time.Now()
		}
		if l.Outcome == "" {
			l.Outcome = audit.OK
		}
		raw, err := auditevent.Render(l)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := json.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range valid.Validate(doc.Root()) {
			t.Errorf("%s: %s: %s\n%s", l.Action, i.Path, i.Message, raw)
		}
		doc.Release()
		w.call("POST", "/fhir/AuditEvent/$validate", string(raw)).is(200, "没有发现问题")
	}
}

func TestLeavesOfOthersAreNotThere(t *testing.T) {
	each(t, func(w *world) {
		audited(w)
		if got := w.call("GET", "/fhir/AuditEvent?"+inMay, "").is(200).hours(); got != hours {
			t.Errorf("the hospital sees %s, want %s", got, hours)
		}
		for _, id := range []string{"l-4", "l-11", "l-12", "none"} { // another institution, a resident, the program
			at := "/fhir/AuditEvent/" + id
			w.call("GET", at, "").is(404, "没有找到")
			w.call("GET", at+"/_history/1", "").is(404)
			w.call("GET", at+"/_history", "").is(404)
			w.call("DELETE", at, "").is(204)
			if got := w.call("GET", "/fhir/AuditEvent?_id="+id, "").is(200, `"total":0`).ids(); got != "" {
				t.Errorf("_id finds %s", got)
			}
		}
		for _, query := range []string{"agent=Practitioner/prac-9", "agent-name=李", "agent=Organization/town", "agent:identifier=urn:yilian:account|li", "agent=Patient/p1"} {
			if got := w.call("GET", "/fhir/AuditEvent?"+query, "").is(200, `"total":0`).ids(); got != "" {
				t.Errorf("%s finds %s", query, got)
			}
		}
		w.token = w.clientOf("town", "town-his", "system/AuditEvent.rs")
		if got := w.call("GET", "/fhir/AuditEvent?"+inMay, "").is(200).hours(); got != "4" {
			t.Errorf("the township sees %s", got)
		}
		w.call("GET", "/fhir/AuditEvent/l-4", "").is(200)
		w.token = w.client("other", "system/Observation.cruds system/Patient.cruds")
		w.call("GET", "/fhir/AuditEvent/l-1", "").is(403, "范围")
		w.call("GET", "/fhir/AuditEvent", "").is(403, "范围")
		w.call("GET", "/fhir/Patient/p1/AuditEvent", "").is(403, "范围")
		w.token = w.client("only-read", "system/AuditEvent.r")
		w.call("GET", "/fhir/AuditEvent/l-1", "").is(200)
		w.call("GET", "/fhir/AuditEvent?_id=l-1", "").is(403, "范围")
	})
}

// TestALookAtTheLogStandsInTheLog: as that of the auditor on the page.
func TestALookAtTheLogStandsInTheLog(t *testing.T) {
	each(t, func(w *world) {
		audited(w)
		looks := func(action string) []audit.Leaf {
			return dbtest.View(w.TB, w.db, func(tx *db.Tx) ([]audit.Leaf, error) {
				return audit.Search(w.Context(), tx, audit.Filter{Action: action})
			})
		}
		w.call("GET", "/fhir/AuditEvent/l-1", "").is(200)
		w.call("GET", "/fhir/AuditEvent/l-4", "").is(404)
		if got := looks("audit.read"); len(got) != 1 || got[0].ObjectID != "l-1" || got[0].Patient != "p1" || got[0].Actor.Account != "client:siem" || got[0].Actor.Org != "hosp" {
			t.Errorf("reads leave %+v", got)
		}
		w.call("GET", "/fhir/AuditEvent?patient=p2&agent-name=周建国", "").is(200)
		if got := looks("audit.search"); len(got) != 1 || got[0].Patient != "p2" || got[0].Detail != "经数据接口查询，条件：患者、操作人姓名" {
			t.Errorf("searches leave %+v", got)
		}
		w.call("GET", "/fhir/AuditEvent?agent=client:siem", "").is(200)
		w.call("GET", "/fhir/AuditEvent?agent:identifier=client:siem&subtype=urn:yilian:audit-action|audit.read", "").is(200, `"total":1`, `"reference":"AuditEvent/l-1"`)
	})
}

// queries are what the log answers, and the hours of the acts that it finds.
var queries = []struct{ query, want string }{
	{"", hours},
	{"_id=l-1", "1"},
	{"_id=l-1,l-3,l-4,l-99", "3 1"},
	{"patient=p1", "13 9 5 1 0"},
	{"patient=Patient/p2", "7 6 2"},
	{"patient:Patient=p2", "7 6 2"},
	{"patient=Patient/nobody", ""},
	{"patient=http://elsewhere.example/fhir/Patient/p1", ""},
	{"agent=Practitioner/prac-1", "13 8 7 1 0"},
	{"agent=prac-2", "10 9 3 2"},
	{"agent=Organization/hosp", hours},
	{"agent=Device/his", ""},
	{"agent:identifier=urn:yilian:account|client:his", "6 5"},
	{"agent:identifier=zhou", "13 8 7 1 0"},
	{"agent:identifier=urn:other|zhou", ""},
	{"agent=prac-2&agent:identifier=tang", "10 9 3 2"},
	{"agent-name=周", "13 8 7 1 0"},
	{"agent-name=建国", ""},
	{"agent-name:contains=建国", "13 8 7 1 0"},
	{"agent-name=tang 唐", "10 9 3 2"},
	{"agent-name:contains=唐_丽", "10 9 3 2"},
	{"agent-name:contains=_建", ""},
	{"agent-name:exact=Tang 唐_丽", "10 9 3 2"},
	{"agent-name:exact=tang 唐_丽", ""},
	{"action=R", "9 3 0"},
	{"action=C,D", "7 5"},
	{"action=E", "13 8 6 1"},
	{"action=U,E", "13 10 8 6 2 1"},
	{"action=X", ""},
	{"action:not=E", "10 9 7 5 3 2 0"},
	{"action:not=R,U", "13 8 7 6 5 1"},
	{"action=http://hl7.org/fhir/audit-event-action|R", "9 3 0"},
	{"action=urn:other|R", ""},
	{"outcome=4", "3"},
	{"outcome=0", "13 10 9 8 7 6 5 2 1 0"},
	{"outcome=8", ""},
	{"outcome:not=0", "3"},
	{"outcome=0,4", hours},
	{"subtype=urn:yilian:audit-action|patient.read", "3 0"},
	{"entity=Patient/p2", "7 6 2"},
	{"entity=Patient/p1", "13 9 5 1 0"},
	{"entity=Observation/o-1", "5"},
	{"entity=Practitioner/prac-1", "10"},
	{"entity=Condition/o-1", ""},
	{"entity:identifier=urn:yilian:audit-object:referral|r-1", "1"},
	{"entity:identifier=urn:yilian:audit-object:patient|p1", ""},
	{"entity:identifier=urn:other|r-1", ""},
	{"entity=Observation/o-1&patient=p1&agent:identifier=client:his&action=C&outcome=0", "5"},
	{"entity=Observation/o-1&patient=p2", ""},
	{"date=2025-05-01", hours},
	{"date=ge2025-05-01T14:00:00%2B08:00", "13 10 9 8 7 6"},
	{"date=gt2025-05-01T14:00:00.006%2B08:00", "13 10 9 8 7 6"},
	{"date=gt2025-05-01T14:00:00.007%2B08:00", "13 10 9 8 7"},
	{"date=lt2025-05-01T10:00:00.007%2B08:00", "1 0"},
	{"date=le2025-05-01T10:00:00.007%2B08:00", "2 1 0"},
	{"date=sa2025-05-01T18:00:00%2B08:00", "13"},
	{"date=eb2025-05-01T10:00:00%2B08:00", "1 0"},
	{"date=ap2025-05-01", hours},
	{"date=ge2025-05-01T10:00:00%2B08:00&date=lt2025-05-01T13:00:00%2B08:00", "3 2"},
	{"date=2025-05-01T10:00:00%2B08:00,2025-05-01T10:00:01%2B08:00", "2"},
	{"date=gt2025-05-01T18:00:00%2B08:00&date=lt2025-05-01T10:00:00%2B08:00", ""},
	{"_source=urn:yilian:audit", hours},
	{"_source=urn:other", ""},
	{"_source:missing=true", ""},
	{"_source:missing=false&action=D", "7"},
}

func TestParametersOfTheLog(t *testing.T) {
	each(t, func(w *world) {
		audited(w)
		for _, c := range queries {
			for _, handling := range []string{"strict", "lenient"} {
				a := w.call("GET", "/fhir/AuditEvent?"+spaceless(inMay+"&"+c.query), "", "Prefer", "handling="+handling).is(200)
				if got := a.hours(); got != c.want {
					t.Errorf("%s (%s) finds %q, want %q", c.query, handling, got, c.want)
				}
			}
			a := w.call("GET", "/fhir/AuditEvent?_total=accurate&_count=1&"+spaceless(inMay+"&"+c.query), "").is(200)
			if got, want := a.get("total"), float64(len(strings.Fields(c.want))); got != want {
				t.Errorf("%s counts %v, want %v", c.query, got, want)
			}
		}
	})
}

func spaceless(s string) string { return strings.ReplaceAll(s, " ", "%20") }

// TestTheLogAnswersAsTheRecordWould holds each question against the record into
// which what the leaves look like was put: what a search finds is what the
// resource says, by the extraction and the search that all other types have.
func TestTheLogAnswersAsTheRecordWould(t *testing.T) {
	each(t, func(w *world) {
		audited(w)
		w.tx(func(tx *db.Tx) error {
			for _, id := range strings.Fields(hours) {
				l, err := auditevent.Own(w.Context(), tx, access.Actor{Role: string(access.SystemClient), Org: "hosp"}, "l-"+id)
				if err != nil {
					return err
				}
				raw, err := auditevent.Render(l)
				if err != nil {
					return err
				}
				if _, err := w.server.Store.Create(w.Context(), tx, record.Draft{Body: raw, ID: "l-" + id}); err != nil {
					return err
				}
			}
			return nil
		})
		for _, c := range queries {
			got := dbtest.View(w.TB, w.db, func(tx *db.Tx) (string, error) {
				q, err := search.ParseQuery("AuditEvent", spaceless(inMay+"&"+c.query+"&_sort=-date"), search.Options{Strict: true, Now: tx.Now.UnixMilli()})
				if err != nil {
					return "", err
				}
				page, err := w.server.Store.Search(w.Context(), tx, *q, record.Options{Count: 100})
				var ids []string
				for _, r := range page.List {
					ids = append(ids, strings.TrimPrefix(r.ID, "l-"))
				}
				return strings.Join(ids, " "), err
			})
			if got != c.want {
				t.Errorf("%s: the record finds %q, the log %q", c.query, got, c.want)
			}
		}
	})
}

func TestWhatTheLogCannotAnswerIsSaid(t *testing.T) {
	each(t, func(w *world) {
		audited(w)
		w.call("PUT", "/fhir/AuditEvent/sent", sent("sent", "2025-05-01T12:30:00+08:00")).is(201)
		for _, c := range []struct{ query, name, want string }{
			{"type=http://terminology.hl7.org/CodeSystem/audit-event-type|rest", "type", "sent"},
			{"agent-role=urn:yilian:role|doctor", "agent-role", ""},
			{"date=ne2025-05-01T10:00:00%2B08:00", "date", "sent"},
			{"entity=o-1", "entity", ""},
			{"patient=p1,p2", "patient", ""},
			{"agent.name=周", "agent", ""},
			{"agent=prac-1&agent=prac-2", "agent", ""},
			{"outcome:missing=false", "outcome", "sent"},
			{"_sort=date", "_sort", "sent"},
			{"_sort=-date,action", "_sort", "sent"},
			{"_include=AuditEvent:entity", "_include", "sent"},
			{"_revinclude=Provenance:target", "_revinclude", "sent"},
			{"_has:Provenance:target:recorded=ge2020", "_has", ""},
			{"subtype=http://hl7.org/fhir/restful-interaction|read", "subtype", ""},
		} {
			scopes := w.token
			if strings.Contains(c.query, ".") || strings.Contains(c.query, "_has") {
				w.token = w.fresh("his")
			}
			path := "/fhir/AuditEvent?" + inMay + "&" + c.query
			w.call("GET", path, "", "Prefer", "handling=strict").is(400, "审计日志不能按", c.name)
			a := w.call("GET", path, "").is(200, "结果不含审计日志", "不能按 "+c.name)
			if got := strings.TrimSpace(strings.ReplaceAll(a.ids(), "!", "")); got != c.want {
				t.Errorf("%s finds %q, want %q", c.query, got, c.want)
			}
			w.token = scopes
		}
		w.call("GET", "/fhir/AuditEvent?nonsense=1", "", "Prefer", "handling=strict").is(400, "nonsense")
		if got := w.call("GET", "/fhir/AuditEvent?"+inMay+"&nonsense=1", "").is(200, "nonsense=1 没有起作用").hours(); !strings.HasPrefix(got, "13 10 9") {
			t.Errorf("an unknown parameter finds %s", got)
		}
		w.call("GET", "/fhir?_type=AuditEvent&_id=l-1", "").is(200, "跨类型检索不含审计日志")
		w.call("GET", "/fhir/AuditEvent?_cursor=x", "").is(422, "翻页标记")
		w.call("GET", "/fhir/AuditEvent?_cursor=~x", "").is(422, "翻页标记")
	})
}

// sent is an AuditEvent of another system.
func sent(id, recorded string) string {
	return `{"resourceType":"AuditEvent","id":"` + id + `","type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest"},"recorded":"` + recorded +
		`","action":"R","outcome":"0","agent":[{"name":"外系统","requestor":true}],"source":{"observer":{"display":"his"}}}`
}

// TestBothKindsArePagedTogether walks pages of every size through leaves and
// received ones while new ones of both kinds come in.
func TestBothKindsArePagedTogether(t *testing.T) {
	each(t, func(w *world) {
		audited(w)
		for _, s := range []struct{ id, at string }{{"s-a", "2025-05-01T08:30:00+08:00"}, {"s-b", "2025-05-01T11:00:00.007+08:00"}, {"s-c", "2025-05-01T11:30:00Z"}, {"s-d", "2025-05-01T19:31:00+08:00"},
			{"s-e", "2025-05-02T20:00:00+08:00"}} {
			w.call("PUT", "/fhir/AuditEvent/"+s.id, sent(s.id, s.at)).is(201)
		}
		const want = "s-e l-13 s-d s-c l-10 l-9 l-8 l-7 l-6 l-5 s-b l-3 l-2 l-1 s-a l-0"
		for count := 1; count <= 17; count++ {
			var got []string
			next := fmt.Sprintf("/fhir/AuditEvent?%s&_sort=-date&_count=%d", inMay, count)
			for pages := 0; next != ""; pages++ {
				if pages > 20 {
					t.Fatalf("_count=%d never ends: %v", count, got)
				}
				a := w.call("GET", next, "").is(200)
				page := strings.Fields(a.ids())
				if got = append(got, page...); len(page) > count {
					t.Errorf("_count=%d gives %d", count, len(page))
				}
				if next = a.link("next"); pages == 0 && next != "" {
					n := fmt.Sprintf("%d-%d", count, pages)
					w.past(audit.Leaf{ID: "new-" + n, At: time.Date(2025, 5, 2, 23, 0, 0, 0, time.UTC), Actor: drZhou, Action: "patient.read", Object: "patient", ObjectID: "p1", Patient: "p1"})
					w.call("PUT", "/fhir/AuditEvent/new-s-"+n, sent("new-s-"+n, "2025-05-03T07:30:00+08:00")).is(201)
				}
			}
			got = slices.DeleteFunc(got, func(id string) bool {
				return strings.HasPrefix(id, "new-") && !strings.HasSuffix(id, fmt.Sprintf("-%d-0", count))
			})
			if s := strings.Join(got, " "); s != want {
				t.Errorf("_count=%d:\n got %s\nwant %s", count, s, want)
			}
		}
		w.call("GET", "/fhir/AuditEvent?"+inMay+"&_summary=count&date=lt2025-05-02", "").is(200, `"total":15`)
		w.call("GET", "/fhir/AuditEvent?"+inMay+"&_count=0&date=lt2025-05-02", "").is(200, `"total":15`)
		w.call("GET", "/fhir/AuditEvent?"+inMay+"&_total=accurate&_count=2&date=lt2025-05-02", "").is(200, `"total":15`)
		if a := w.call("GET", "/fhir/AuditEvent?"+inMay+"&_count=2", "").is(200); a.get("total") != nil {
			t.Errorf("a total that nobody counted: %v", a.get("total"))
		}
	})
}

func TestOtherWaysToAskTheLog(t *testing.T) {
	each(t, func(w *world) {
		audited(w)
		form := func(path, body string) answer {
			return w.call("POST", path, body, "Content-Type", "application/x-www-form-urlencoded")
		}
		if got := form("/fhir/AuditEvent/_search", inMay+"&patient=p2").is(200).hours(); got != "7 6 2" {
			t.Errorf("_search finds %s", got)
		}
		if got := w.call("GET", "/fhir/Patient/p2/AuditEvent?"+inMay, "").is(200).hours(); got != "7 6 2" {
			t.Errorf("compartment finds %s", got)
		}
		if got := w.call("GET", "/fhir/Practitioner/prac-2/AuditEvent?"+inMay, "").is(200).hours(); got != "10 9 3 2" {
			t.Errorf("compartment finds %s", got)
		}
		w.call("POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"AuditEvent?_id=l-7"}},{"request":{"method":"GET","url":"AuditEvent/l-4"}}]}`).
			is(200, `"id":"l-7"`, "404 Not Found")
		a := w.call("GET", "/fhir/AuditEvent?_id=l-1&_elements=action", "").is(200, "SUBSETTED")
		if strings.Contains(string(a.body), "outcomeDesc") {
			t.Errorf("_elements shows %s", a.body)
		}
		// A statement of a system about a person stands for the resident.
		w.token = w.fresh("his")
		id := w.call("POST", "/fhir/Patient", `{"resourceType":"Patient","identifier":[{"system":"urn:oid:2.16.156.10011.1.3","value":"431102195803120025"}],"name":[{"text":"张桂兰"}],"gender":"female","birthDate":"1958-03-12"}`).is(201).id()
		whose := dbtest.View(w.TB, w.db, func(tx *db.Tx) (string, error) {
			r, err := w.server.Store.Head(w.Context(), tx, record.Key{Type: "Patient", ID: id})
			return r.Patient, err
		})
		w.past(audit.Leaf{ID: "about", Actor: drZhou, Action: "patient.read", Object: "patient", ObjectID: whose, Patient: whose})
		w.token = w.fresh("siem")
		for _, p := range []string{id, whose} {
			if got := w.call("GET", "/fhir/AuditEvent?"+inMay+"&patient="+p, "").is(200).ids(); got != "about" {
				t.Errorf("patient=%s finds %q", p, got)
			}
		}
	})
}

func TestLeavesAreNotWritten(t *testing.T) {
	each(t, func(w *world) {
		audited(w)
		before := w.count()
		w.call("PUT", "/fhir/AuditEvent/l-1", sent("l-1", "2025-05-01T12:30:00+08:00")).is(409, "审计日志中的一条")
		w.call("PATCH", "/fhir/AuditEvent/l-1", `[{"op":"replace","path":"/outcome","value":"0"}]`, "Content-Type", "application/json-patch+json").is(409, "审计日志中的一条")
		w.call("DELETE", "/fhir/AuditEvent/l-1", "").is(409, "审计日志中的一条")
		w.call("PUT", "/fhir/AuditEvent/l-4", sent("l-4", "2025-05-01T12:30:00+08:00")).is(409, "已被占用")
		w.call("PATCH", "/fhir/AuditEvent/l-4", `[]`, "Content-Type", "application/json-patch+json").is(404)
		w.call("POST", "/fhir", `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":`+sent("l-1", "2025-05-01T12:30:00+08:00")+`,"request":{"method":"PUT","url":"AuditEvent/l-1"}}]}`).is(409, "第 1 条")
		w.call("DELETE", "/fhir/AuditEvent?outcome=4", "").is(204) // a condition sees what was sent only
		if n := w.count(); n != before {
			t.Errorf("%d versions were written", n-before)
		}
		w.call("GET", "/fhir/AuditEvent/l-1", "").is(200, "受理转诊")
		w.call("GET", "/fhir/AuditEvent/l-3", "").is(200)
	})
}

// TestReceivedAuditEventsStayWhatTheyWere: HL7's own examples go in and come
// out by the byte, are found beside the leaves, and are written by their sender.
func TestReceivedAuditEventsStayWhatTheyWere(t *testing.T) {
	each(t, func(w *world) {
		w.token = w.client("siem", "system/*.cruds")
		dir, least := filepath.Join("..", "fhir", "testdata"), 0
		if packages := os.Getenv("TEST_FHIR_PACKAGES"); packages != "" {
			dir, least = filepath.Join(packages, "node_modules", "hl7.fhir.r4.examples"), 8
		}
		files, err := filepath.Glob(filepath.Join(dir, "AuditEvent-*.json"))
		if err != nil || len(files) < least {
			t.Fatalf("%d examples: %v", len(files), err)
		}
		bodies := []string{sent("plain", "2012-10-25T22:04:27+11:00")}
		for _, f := range files {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			bodies = append(bodies, string(raw))
		}
		for _, body := range bodies {
			doc, err := json.Parse([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			id := strings.Clone(doc.Root().Get("id").Text())
			doc.Release()
			w.tx(func(tx *db.Tx) error { // some are about the example's own patient
				return access.Relate(t.Context(), tx, access.CareRelation{Patient: "example", Org: "hosp", Basis: access.BasisEncounter, Reference: id})
			})
			w.call("PUT", "/fhir/AuditEvent/"+id, body).is(201)
			w.same(w.call("GET", "/fhir/AuditEvent/"+id, "").is(200).body, []byte(body))
			w.call("PUT", "/fhir/AuditEvent/"+id, body).is(200, `"versionId":"2"`)
			w.call("GET", "/fhir/AuditEvent?_id="+url.QueryEscape(id), "").is(200, `"total":1`)
			w.call("DELETE", "/fhir/AuditEvent/"+id, "").is(204)
			w.call("GET", "/fhir/AuditEvent/"+id, "").is(410)
		}
	})
}

// same compares two resources but for what the server says of them.
func (w *world) same(got, want []byte) {
	w.Helper()
	a, errA := json.Parse(got)
	b, errB := json.Parse(want)
	if errA != nil || errB != nil {
		w.Fatal(errA, errB)
	}
	defer a.Release()
	defer b.Release()
	for name, n := range b.Root().Fields() {
		if name != "meta" && string(a.Root().Get(name).Raw()) != string(n.Raw()) {
			w.Errorf("%s comes back as %s, was %s", name, a.Root().Get(name).Raw(), n.Raw())
		}
	}
}

func TestMetadataTellsWhatTheLogAnswers(t *testing.T) {
	w := one(t)
	a := w.call("GET", "/fhir/metadata", "").is(200, "urn:yilian:audit")
	list, _ := a.get("rest", 0, "resource").([]any)
	for _, r := range list {
		part, _ := r.(map[string]any)
		params, _ := part["searchParam"].([]any)
		for _, p := range params {
			p, _ := p.(map[string]any)
			name, _ := p["name"].(string)
			if answered := p["documentation"] == nil; answered != (part["type"] != "AuditEvent" || auditevent.Answers(name)) {
				t.Errorf("%v.%s is told as answered: %v", part["type"], name, answered)
			}
		}
	}
	asked := map[string]bool{}
	for _, c := range queries {
		for part := range strings.SplitSeq(inMay+"&"+c.query, "&") {
			name, _, _ := strings.Cut(part, "=")
			name, _, _ = strings.Cut(name, ":")
			asked[name] = true
		}
	}
	for _, p := range search.Params("AuditEvent") {
		if auditevent.Answers(p.Code) && !asked[p.Code] && p.Code != "_lastUpdated" {
			t.Errorf("%s is told as answered and never tried", p.Code)
		}
	}
}
