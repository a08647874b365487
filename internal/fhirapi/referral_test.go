package fhirapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/encounter"
	"yilian/internal/fhirapi"
	"yilian/internal/flow"
	"yilian/internal/policy/policytest"
	"yilian/internal/projection"
	"yilian/internal/record"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

// alliance is the world of referral with the systems of two institutions at the
// server: the township centre's, which is w.token, and the hospital's.
type alliance struct {
	*world
	r        *referraltest.World
	township string // tokens
	hospital string
}

func eachAlliance(t *testing.T, fn func(a *alliance)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r := referraltest.New(t, d)
		w := &world{TB: t, db: d, accounts: &account.Service{DB: d, Keys: r.Keys, Audit: r.Audit}}
		store := &record.Store{DB: d, Keys: r.Keys}
		store.Projectors = (&projection.Modules{Patients: r.Persons, Referrals: r.Service, Store: store}).Projectors()
		store.Follow(r.Queue)
		d.Touched = store.Settle
		if err := store.Begin(t.Context(), r.Queue); err != nil {
			t.Fatal(err)
		}
		if err := r.Queue.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		owner := fhirapi.Referrals{Service: r.Service, Store: store}
		w.server = &fhirapi.Server{DB: d, Store: store, Accounts: w.accounts, Access: r.Service.Access, Audit: r.Audit, Queue: r.Queue,
			Owners: map[string]fhirapi.Owner{"ServiceRequest": owner, "Task": owner},
			Visits: &projection.Visits{Store: store, Encounters: &encounter.Service{DB: d, Book: policytest.Shipped(t), Audit: r.Audit}}}
		mux := http.NewServeMux()
		mux.Handle("/fhir", w.server)
		mux.Handle("/fhir/", w.server)
		w.http = httptest.NewServer(mux)
		t.Cleanup(w.http.Close)
		a := &alliance{world: w, r: r}
		a.township, a.hospital = a.system("town-his", r.Township.ID), a.system("hosp-his", r.Hospital.ID)
		w.token = a.township
		fn(a)
	})
}

func (a *alliance) system(id, org string) string {
	a.Helper()
	secret, err := a.accounts.CreateClient(a.Context(), audit.Program("test"), account.Client{ID: id, Name: "系统 " + id, Org: org, Scopes: "system/*.cruds"})
	if err != nil {
		a.Fatal(err)
	}
	token, err := a.accounts.SecretToken(a.Context(), id, secret, "")
	if err != nil {
		a.Fatal(err)
	}
	return token.Text
}

// as calls with the token of a system.
func (a *alliance) as(token, method, path, body string, headers ...string) answer {
	a.Helper()
	defer func(was string) { a.token = was }(a.token)
	a.token = token
	return a.call(method, path, body, headers...)
}

const signed = `{"url":"consent","extension":[{"url":"form","valueCode":"written"},{"url":"signedBy","valueCode":"self"}]},`

// request is a complete referral of patient i to the hospital's cardiology.
func (a *alliance) request(i int, number, consent string) string {
	return fmt.Sprintf(`{"resourceType":"ServiceRequest","identifier":[{"system":"urn:town:zz","value":%q}],
 "status":"active","intent":"order","priority":"urgent","category":[{"coding":[{"system":"http://snomed.info/sct","code":"3457005"}]}],
 "code":{"coding":[{"system":"urn:yilian:code:referral.reason.up","code":"specialist"}]},
 "subject":{"reference":"Patient/%s"},"requester":{"reference":"Practitioner/%s"},"performer":[{"reference":"HealthcareService/%s"}],
 "reasonCode":[{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"I20.900"}]}],
 "note":[{"text":"带  两个 空格"}],"extension":[{"url":"urn:town:own","valueDecimal":1.50},{"url":"urn:yilian:referral","extension":[%s
 {"url":"chief","valueString":"反复胸闷 3 天"},{"url":"illness","valueString":"活动后胸闷，休息后缓解"},{"url":"treatment","valueString":"无"},
 {"url":"choice","extension":[{"url":"organization","valueReference":{"reference":"Organization/%s","display":"四医院"}},{"url":"chosen","valueBoolean":true}]}]}]}`,
		number, a.r.Patients[i].ID, a.r.Doctor.Person, a.r.CardioClinic.ID, consent, a.r.Hospital.ID)
}

func task(focus, number string) string {
	return fmt.Sprintf(`{"resourceType":"Task","identifier":[{"system":"urn:town:task","value":%q}],"status":"requested","intent":"order","focus":{"reference":%q}}`, number, focus)
}

func bundleOf(request, task string) string {
	return `{"resourceType":"Bundle","type":"transaction","entry":[
 {"resource":` + task + `,"request":{"method":"POST","url":"Task"}},
 {"fullUrl":"urn:uuid:5b1cf5a5-0000-4000-8000-000000000001","resource":` + request + `,"request":{"method":"POST","url":"ServiceRequest"}}]}`
}

const newRequest = "urn:uuid:5b1cf5a5-0000-4000-8000-000000000001"

func (a *alliance) cases() (list []flow.Case) {
	a.Helper()
	a.tx(func(tx *db.Tx) error {
		ids, err := flow.After(a.Context(), tx, referral.Kind, "", 100)
		if err != nil {
			return err
		}
		list, err = flow.ByIDs(a.Context(), tx, ids)
		return err
	})
	return list
}

// bundleAnswer is what a transaction was answered with: the two resources.
func (a answer) written() (request, task string) {
	a.Helper()
	var b struct {
		Entry []struct {
			Resource struct{ ResourceType, ID string }
		}
	}
	if err := json.Unmarshal(a.body, &b); err != nil || len(b.Entry) != 2 {
		a.Fatalf("%s: %v %s", a.what, err, a.body)
	}
	return b.Entry[1].Resource.ID, b.Entry[0].Resource.ID
}

func (a *alliance) said(path, field string) string {
	a.Helper()
	var m map[string]any
	if err := json.Unmarshal(a.call("GET", path, "").is(200).body, &m); err != nil {
		a.Fatal(err)
	}
	s, _ := m[field].(string)
	return s
}

// A transaction of ServiceRequest and Task is a referral like one from the
// page, sent twice it is one, and what was received is kept (LL-4.4.1d).
func TestReferralThroughFHIR(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		sent := bundleOf(a.request(0, "Z1", signed), task(newRequest, "T1"))
		request, tsk := a.call("POST", "/fhir", sent).is(200).written()
		list := a.cases()
		if len(list) != 1 || list[0].State != referral.StateSubmitted || list[0].From.Org != a.r.Township.ID || list[0].To.Org != a.r.Hospital.ID ||
			list[0].From.Person != a.r.Doctor.Person || list[0].Urgency != "III" {
			t.Fatalf("%+v", list)
		}
		full, err := a.r.Service.View(t.Context(), a.r.Centre, list[0].ID)
		if err != nil || full.Record.Request.Chief != "反复胸闷 3 天" || len(full.Consents) != 1 || full.Record.Diagnosis != "I20.900" {
			t.Fatalf("the page: %+v %v", full.Record, err)
		}
		if got := a.said("/fhir/Task/"+tsk, "status"); got != "requested" {
			t.Errorf("task %s", got)
		}
		now := string(a.call("GET", "/fhir/ServiceRequest/"+request, "").is(200).body)
		for _, kept := range []string{`"valueDecimal":1.50`, `带  两个 空格`, `"value":"Z1"`, `"value":"` + list[0].Number + `"`, `"status":"active"`} {
			if !strings.Contains(now, kept) {
				t.Errorf("%s is missing in %s", kept, now)
			}
		}
		first := string(a.call("GET", "/fhir/ServiceRequest/"+request+"/_history/1", "").is(200).body)
		if strings.Contains(first, list[0].Number) || !strings.Contains(first, "\n \"status\":\"active\",\"intent\"") {
			t.Errorf("what was received: %s", first)
		}
		again, tsk2 := a.call("POST", "/fhir", sent).is(200).written()
		if again != request || tsk2 != tsk || len(a.cases()) != 1 {
			t.Errorf("sent twice: %s %s, %d cases", again, tsk2, len(a.cases()))
		}
		if same := sameAsRendered(t, a.server.Store, list[0].ID); same != 2 {
			t.Errorf("%d resources of the case", same)
		}
	})
}

// Two creates do the same; before the Task the referral is a draft of the
// referring doctor and nobody else's business.
func TestReferralInTwoCreates(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		made := a.call("POST", "/fhir/ServiceRequest", a.request(0, "Z1", signed)).is(201)
		id := made.id()
		if c := a.cases()[0]; c.State != referral.StateDraft || c.Owner != a.r.Doctor.Person || a.said("/fhir/ServiceRequest/"+id, "status") != "draft" {
			t.Fatalf("%+v", c)
		}
		a.as(a.hospital, "GET", "/fhir/ServiceRequest/"+id, "").is(403)
		if got := a.call("POST", "/fhir/ServiceRequest", a.request(0, "Z1", signed)).is(200).id(); got != id {
			t.Errorf("the same number again: %s", got)
		}
		a.call("POST", "/fhir/ServiceRequest", a.request(1, "Z1", signed)).is(409).says("另一位患者")
		tsk := a.call("POST", "/fhir/Task", task("ServiceRequest/"+id, "T1")).is(201).id()
		if c := a.cases()[0]; c.State != referral.StateSubmitted {
			t.Errorf("%+v", c)
		}
		a.call("POST", "/fhir/Task", task("ServiceRequest/"+id, "T1")).is(200)
		a.call("POST", "/fhir/Task", task("ServiceRequest/"+id, "T2")).is(409).says("已经提交")
		a.as(a.hospital, "GET", "/fhir/Task/"+tsk, "").is(200)
	})
}

// The use case refuses as it does on the page, in words, and nothing stays.
func TestReferralThroughFHIRIsRefusedAsOnThePage(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		complete := a.request(0, "Z1", signed)
		for name, x := range map[string]struct {
			request string
			status  int
			says    string
		}{
			"no consent (LL-4.4.1d)": {a.request(0, "Z1", ""), 422, "LL-4.4.1d"},
			"no place":               {strings.Replace(complete, "HealthcareService/"+a.r.CardioClinic.ID, "Organization/"+a.r.Hospital.ID, 1), 422, "接收机构和科室"},
			"no diagnosis":           {strings.Replace(complete, "I20.900", "nonsense", 1), 422, "NONSENSE"},
			"unknown patient":        {strings.Replace(complete, a.r.Patients[0].ID, "nobody", 1), 422, "不存在"},
			"somebody else's doctor": {strings.Replace(complete, a.r.Doctor.Person, a.r.Specialist.Person, 1), 422, "不在"},
		} {
			a.call("POST", "/fhir", bundleOf(x.request, task(newRequest, "T1"))).is(x.status).says(x.says)
			if n := len(a.cases()); n != 0 {
				t.Fatalf("%s: %d cases", name, n)
			}
		}
		a.as(a.hospital, "POST", "/fhir", bundleOf(complete, task(newRequest, "T1"))).is(403)
		// An order of another kind is nobody's referral.
		a.call("POST", "/fhir/ServiceRequest", strings.Replace(complete, "3457005", "108252007", 1)).is(201)
		if n := len(a.cases()); n != 0 {
			t.Errorf("%d cases", n)
		}
	})
}

// The receiving system moves the case by the status of the Task, within its
// institution's rights; what people do on the page shows as a new version.
func TestTaskMovesTheReferral(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		c := a.r.To(0, referral.StateSubmitted) // on the page
		path := "/fhir/Task/" + c.ID
		want := func(state, status string) {
			t.Helper()
			a.tx(func(tx *db.Tx) (err error) { c, err = flow.Get(t.Context(), tx, c.ID); return err })
			if got := a.said(path, "status"); c.State != state || got != status {
				t.Fatalf("case %s, task %s, want %s and %s", c.State, got, state, status)
			}
		}
		want(referral.StateSubmitted, "requested")
		patch := func(token, ops string) answer {
			t.Helper()
			return a.as(token, "PATCH", path, ops, "Content-Type", "application/json-patch+json")
		}
		status := func(s string) string { return `[{"op":"replace","path":"/status","value":"` + s + `"}` }
		patch(a.township, status("accepted")+"]").is(403)
		patch(a.hospital, status("in-progress")+"]").is(409).says("现在是")
		patch(a.hospital, status("rejected")+"]").is(422).says("下一步")
		patch(a.hospital, status("received")+"]").is(422).says("受理、安排")
		at := a.r.Now.Add(48 * time.Hour).Format(time.RFC3339)
		patch(a.hospital, status("accepted")+`,{"op":"add","path":"/executionPeriod","value":{"start":"`+at+`"}}]`).is(200)
		want(referral.StateArranged, "accepted")
		visit := a.as(a.township, "GET", "/fhir/Appointment?based-on=ServiceRequest/"+c.ID, "").is(200)
		if !strings.Contains(string(visit.body), `"status":"booked"`) {
			t.Errorf("appointment: %s", visit.body)
		}
		a.r.After(49 * time.Hour)
		a.hospital, a.township = a.system("hosp-his-2", a.r.Hospital.ID), a.system("town-his-2", a.r.Township.ID) // tokens have run out
		a.token = a.township
		patch(a.hospital, status("in-progress")+"]").is(422).says("到诊码")
		patch(a.hospital, status("in-progress")+fmt.Sprintf(`,{"op":"add","path":"/input","value":[
			{"type":{"coding":[{"code":"id-number"}]},"valueString":%q},{"type":{"coding":[{"code":"name"}]},"valueString":%q}]}]`,
			a.r.IDNumbers[0], a.r.Patients[0].Name)).is(200)
		want(referral.StateInCare, "in-progress")
		patch(a.hospital, status("completed")+"]").is(422).says("诊断结果")
		patch(a.hospital, status("completed")+`,{"op":"add","path":"/output","value":[
			{"type":{"coding":[{"code":"diagnosis"}]},"valueCodeableConcept":{"coding":[{"code":"I20.900"}]}},
			{"type":{"coding":[{"code":"treatment"}]},"valueString":"调脂治疗"},{"type":{"coding":[{"code":"advice"}]},"valueString":"两周后复查"},
			{"type":{"coding":[{"code":"outcome"}]},"valueString":"treated_returned"}]}]`).is(200)
		want(referral.StateCompleted, "completed")
		if _, err := a.r.Service.Acknowledge(t.Context(), a.r.Doctor, a.r.Ref(c), ""); err != nil {
			t.Fatal(err)
		}
		want(referral.StateClosed, "completed")
		a.as(a.township, "DELETE", path, "").is(409).says("不能删除")
	})
}

// A system takes back what it has sent, as long as nobody has taken it.
func TestReferralIsWithdrawnThroughFHIR(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		_, tsk := a.call("POST", "/fhir", bundleOf(a.request(0, "Z1", signed), task(newRequest, "T1"))).is(200).written()
		cancel := `[{"op":"replace","path":"/status","value":"cancelled"},{"op":"add","path":"/statusReason","value":{"text":"患者改主意"}}]`
		a.as(a.hospital, "PATCH", "/fhir/Task/"+tsk, cancel, "Content-Type", "application/json-patch+json").is(409)
		a.call("PATCH", "/fhir/Task/"+tsk, cancel, "Content-Type", "application/json-patch+json").is(200)
		if c := a.cases()[0]; c.State != referral.StateWithdrawn || a.said("/fhir/Task/"+tsk, "status") != "cancelled" {
			t.Errorf("%+v", c)
		}
	})
}

// What a module keeps is written by that module alone.
func TestProjectedInstancesAreNotWritten(t *testing.T) {
	eachAlliance(t, func(a *alliance) {
		org := "/fhir/Organization/" + a.r.Hospital.ID
		body := string(a.call("GET", org, "").is(200).body)
		a.call("PUT", org, body).is(409).says("本平台自己维护")
		a.call("DELETE", org, "").is(409).says("本平台自己维护")
		me := "/fhir/Patient/" + a.r.Patients[0].ID
		a.call("PUT", me, string(a.call("GET", me, "").is(200).body)).is(409)
		found := a.call("GET", "/fhir/Patient?identifier=urn:oid:2.16.156.10011.1.3|"+a.r.IDNumbers[0], "").is(200)
		if !strings.Contains(string(found.body), a.r.Patients[0].ID) {
			t.Errorf("by identity card: %s", found.body)
		}
		a.as(a.hospital, "GET", me, "").is(403)
	})
}

// sameAsRendered compares the record of a case with its rendering from scratch.
func sameAsRendered(t *testing.T, s *record.Store, id string) (n int) {
	t.Helper()
	err := s.DB.View(t.Context(), func(tx *db.Tx) error {
		list, err := s.Rendered(context.Background(), tx, referral.Kind, id)
		for _, p := range list {
			var want map[string]any
			if err := json.Unmarshal(p.Body, &want); err != nil {
				return err
			}
			origin, err := record.OriginsOf(t.Context(), tx, referral.Kind, id)
			if err != nil {
				return err
			}
			kind := want["resourceType"].(string)
			got, err := s.Read(t.Context(), tx, record.Key{Type: kind, ID: origin[kind]})
			if err != nil {
				return err
			}
			var have map[string]any
			if err := json.Unmarshal(got.Body, &have); err != nil {
				return err
			}
			for _, m := range []map[string]any{want, have} {
				delete(m, "meta")
				delete(m, "id")
			}
			if fmt.Sprint(want) != fmt.Sprint(have) {
				t.Errorf("%s: %v, from scratch %v", got.Key, have, want)
			}
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// says asks for a sentence in the outcome.
func (a answer) says(text string) answer {
	a.Helper()
	var o struct {
		Issue []struct{ Details struct{ Text string } }
	}
	if err := json.Unmarshal(a.body, &o); err != nil || !slices.ContainsFunc(o.Issue, func(i struct{ Details struct{ Text string } }) bool {
		return strings.Contains(i.Details.Text, text)
	}) {
		a.Errorf("%s does not say %q: %s", a.what, text, a.body)
	}
	return a
}
