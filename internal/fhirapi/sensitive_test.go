package fhirapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/fhirapi"
	"yilian/internal/idcard"
	"yilian/internal/record"
)

func condition(id, patient, icd, name string) string {
	return fmt.Sprintf(`{"resourceType":"Condition","id":"%s","subject":{"reference":"Patient/%s"},"code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"%s","display":"%s"}]}}`,
		id, patient, icd, name)
}

// as lets another client ask.
func (w *world) as(token string, ask func()) {
	was := w.token
	w.token = token
	ask()
	w.token = was
}

// entries are the resources of a bundle, as Type/id, sorted.
func (a answer) entries() string {
	a.Helper()
	var out []string
	all, _ := a.get("entry").([]any)
	for _, e := range all {
		r, _ := e.(map[string]any)["resource"].(map[string]any)
		out = append(out, fmt.Sprintf("%v/%v", r["resourceType"], r["id"]))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// hidden is a world in which the hospital, in direct care of p1, has written of
// HIV and of high blood pressure; the clinic has p1's consent, the laboratory
// has registered p1 and sent a finding of its own.
type hidden struct {
	*world
	clinic, lab string
}

func withHidden(w *world) hidden {
	h := hidden{w, w.clientOf("clinic", "clinic", "system/*.cruds"), w.clientOf("lab", "lab", "system/*.cruds")}
	w.tx(func(tx *db.Tx) error {
		for org, basis := range map[string]access.Basis{"clinic": access.BasisAuthorization, "lab": access.BasisRegistration} {
			if err := access.Relate(w.Context(), tx, access.CareRelation{Patient: "p1", Org: org, Basis: basis, Reference: "x"}); err != nil {
				return err
			}
		}
		_, err := w.server.Store.Create(w.Context(), tx, record.Draft{Body: []byte(`{"resourceType":"Patient","id":"p1"}`), ID: "p1", Patient: "p1"})
		return err
	})
	w.call("PUT", "/fhir/Condition/hiv", condition("hiv", "p1", "B20.x00", "人类免疫缺陷病毒病")).is(201)
	w.call("PUT", "/fhir/Condition/htn", condition("htn", "p1", "I10.x00x002", "高血压")).is(201)
	w.call("PUT", "/fhir/Encounter/e", `{"resourceType":"Encounter","id":"e","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/p1"},
		"diagnosis":[{"condition":{"reference":"Condition/hiv"}},{"condition":{"reference":"Condition/htn"}}]}`).is(201)
	w.as(h.lab, func() {
		w.call("PUT", "/fhir/Observation/mine", `{"resourceType":"Observation","id":"mine","status":"final","code":{"text":"梅毒螺旋体抗体"},"subject":{"reference":"Patient/p1"}}`).is(201)
	})
	return h
}

// TestSensitiveIsHiddenFromWhoHasNoDirectCare: by whatever way, a client with
// consent or registration alone gets the plain condition and not the hidden one.
func TestSensitiveIsHiddenFromWhoHasNoDirectCare(t *testing.T) {
	const both, plain = "Condition/hiv Condition/htn", "Condition/htn"
	each(t, func(w *world) {
		h := withHidden(w)
		for _, way := range []struct {
			at     string
			shown  [3]string // to hospital, clinic, laboratory
			totals [3]int    // -1: not counted
		}{
			{"Condition?patient=p1", [3]string{both, plain, plain}, [3]int{2, 1, 1}},
			{"Condition?", [3]string{both, plain, plain}, [3]int{2, 1, 1}},
			{"Condition?_sort=-_lastUpdated", [3]string{both, plain, plain}, [3]int{2, 1, 1}},
			{"Condition?_sort=code", [3]string{both, plain, plain}, [3]int{2, 1, 1}},
			{"Condition?code=B20.x00", [3]string{"Condition/hiv"}, [3]int{1, 0, 0}},
			{"Condition?patient=p1&code=B20.x00", [3]string{"Condition/hiv"}, [3]int{1, 0, 0}},
			{"Condition?code:not=I10.x00x002", [3]string{"Condition/hiv"}, [3]int{1, 0, 0}},
			{"Condition?_id=hiv", [3]string{"Condition/hiv"}, [3]int{1, 0, 0}},
			{"Patient?_has:Condition:subject:code=B20.x00", [3]string{"Patient/p1"}, [3]int{1, 0, 0}},
			{"Patient?_has:Condition:subject:code=I10.x00x002", [3]string{"Patient/p1", "Patient/p1", "Patient/p1"}, [3]int{1, 1, 1}},
			{"Encounter?diagnosis:Condition.code=B20.x00", [3]string{"Encounter/e"}, [3]int{1, 0, 0}},
			{"Encounter?_include=Encounter:diagnosis", [3]string{both + " Encounter/e", plain + " Encounter/e", plain + " Encounter/e"}, [3]int{1, 1, 1}},
			{"Patient?_id=p1&_revinclude=Condition:subject", [3]string{both + " Patient/p1", plain + " Patient/p1", plain + " Patient/p1"}, [3]int{1, 1, 1}},
			{"Patient/p1/Condition?", [3]string{both, plain, plain}, [3]int{2, 1, 1}},
			{"Observation?patient=p1", [3]string{"Observation/mine", "", "Observation/mine"}, [3]int{1, 0, 1}},
			{"Patient/p1/$everything", [3]string{both + " Encounter/e Observation/mine Patient/p1", plain + " Encounter/e Patient/p1",
				plain + " Encounter/e Observation/mine Patient/p1"}, [3]int{-1, -1, -1}},
			{"Condition/_history", [3]string{both, plain, plain}, [3]int{-1, -1, -1}},
			{"_history", [3]string{both + " Encounter/e Observation/mine Patient/p1", plain + " Encounter/e Patient/p1",
				plain + " Encounter/e Observation/mine Patient/p1"}, [3]int{-1, -1, -1}},
		} {
			for i, token := range []string{w.token, h.clinic, h.lab} {
				w.as(token, func() {
					a := w.call("GET", "/fhir/"+way.at, "").is(200)
					if got := a.entries(); got != way.shown[i] {
						t.Errorf("%s shows client %d %q, want %q", way.at, i, got, way.shown[i])
					}
					if way.totals[i] < 0 {
						return
					}
					if got := w.call("GET", "/fhir/"+way.at+"&_summary=count", "").is(200).get("total"); got != float64(way.totals[i]) {
						t.Errorf("%s counts for client %d %v, want %d", way.at, i, got, way.totals[i])
					}
				})
			}
		}
		w.as(h.clinic, func() { // no page is short of what is hidden
			if a := w.call("GET", "/fhir/Patient/p1/$everything?_count=1", "").is(200); len(strings.Fields(a.entries())) != 1 {
				t.Errorf("page of one: %s", a.entries())
			}
			a := w.call("GET", "/fhir/Patient/p1/$everything?_count=3", "").is(200)
			if got := fmt.Sprint(a.get("total")); got != "3" || len(a.get("link").([]any)) != 1 {
				t.Errorf("total %s: %s", got, a.body)
			}
		})
	})
}

// TestSensitiveIsRefusedByAddress: reading, changing and deleting what is
// hidden is refused with a reason, and the refusal is in the log.
func TestSensitiveIsRefusedByAddress(t *testing.T) {
	each(t, func(w *world) {
		h := withHidden(w)
		patch := `[{"op":"test","path":"/code/coding/0/code","value":"B20.x00"}]`
		asks := [][3]string{{"GET", "/fhir/Condition/hiv"}, {"GET", "/fhir/Condition/hiv/_history/1"}, {"GET", "/fhir/Condition/hiv/_history"},
			{"PUT", "/fhir/Condition/hiv", condition("hiv", "p1", "I10", "x")}, {"PATCH", "/fhir/Condition/hiv", patch}, {"DELETE", "/fhir/Condition/hiv"}}
		for _, token := range []string{h.clinic, h.lab} {
			w.as(token, func() {
				for _, x := range asks {
					kind := "application/fhir+json"
					if x[0] == "PATCH" {
						kind = "application/json-patch+json"
					}
					if a := w.call(x[0], x[1], x[2], "Content-Type", kind).is(403, `"OperationOutcome"`, `"forbidden"`, "敏感信息"); strings.Contains(string(a.body), "B20") {
						t.Errorf("%s tells %s", a.what, a.body)
					}
				}
				w.call("GET", "/fhir/Condition/htn", "").is(200)
				w.call("POST", "/fhir", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Condition/hiv"}}]}`).is(200, "403")
			})
		}
		w.as(h.lab, func() {
			w.call("GET", "/fhir/Observation/mine", "").is(200, "梅毒")
			w.call("GET", "/fhir/Observation/mine/_history/1", "").is(200, "梅毒")
		})
		w.call("GET", "/fhir/Condition/hiv", "").is(200, "B20")
		n := count(w, `SELECT count(*) FROM audit_leaf WHERE object_id = 'hiv' AND outcome = 'refused'`)
		if n != int64(2*(len(asks)+1)) {
			t.Errorf("%d refusals in the log", n)
		}

		// What was corrected is plain, what it was stays hidden.
		w.call("PUT", "/fhir/Condition/hiv", condition("hiv", "p1", "I11.900", "高血压性心脏病")).is(200)
		w.as(h.clinic, func() {
			w.call("GET", "/fhir/Condition/hiv", "").is(200, "I11")
			w.call("GET", "/fhir/Condition/hiv/_history/1", "").is(403)
			w.call("GET", "/fhir/Condition/hiv/_history", "").is(403)
			if got := w.call("GET", "/fhir/Condition/_history", "").is(200).entries(); got != "Condition/htn" {
				t.Errorf("history shows %s", got)
			}
		})
	})
}

func count(w *world, query string) (n int64) {
	w.Helper()
	err := w.db.View(w.Context(), func(tx *db.Tx) (err error) {
		n, err = db.Count(w.Context(), tx, query)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// TestSensitiveIsNeitherExportedNorNotified: files and notifications leave out
// what reading would refuse.
func TestSensitiveIsNeitherExportedNorNotified(t *testing.T) {
	each(t, func(w *world) {
		h := withHidden(w)
		for i, token := range []string{w.token, h.clinic, h.lab} {
			want := []string{"Condition/hiv Condition/htn Observation/mine", "Condition/htn", "Condition/htn Observation/mine"}[i]
			w.as(token, func() {
				if got := w.export("/fhir/$export?_type=Condition,Observation").files("output"); got != want {
					t.Errorf("client %d exports %s, want %s", i, got, want)
				}
			})
		}
		hook := newHook(w)
		w.as(h.clinic, func() {
			w.call("PUT", "/fhir/Subscription/s", hookOn("s", "Condition?subject=Patient/p1", hook.URL+"/fhir", "application/fhir+json")).is(201)
			w.call("PUT", "/fhir/Subscription/bare", hookOn("bare", "Condition?code=B20.x00", hook.URL+"/bare", "")).is(201)
		})
		w.work(3 * time.Second)
		hook.told()
		w.call("PUT", "/fhir/Condition/std", condition("std", "p1", "A53.900", "梅毒")).is(201)
		w.call("PUT", "/fhir/Condition/hiv", condition("hiv", "p1", "B20.x00", "艾滋病")).is(200)
		w.call("PUT", "/fhir/Condition/dm", condition("dm", "p1", "E11.900", "2 型糖尿病")).is(201)
		w.work(time.Second)
		if got := hook.told(); len(got) != 1 || !strings.HasPrefix(got[0], "PUT /fhir/Condition/dm ") {
			t.Errorf("told %q", got)
		}
		since := w.db.Now()
		w.work(time.Second)
		w.call("DELETE", "/fhir/Condition/hiv", "").is(204)
		w.call("DELETE", "/fhir/Condition/dm", "").is(204)
		w.work(2 * time.Second)
		w.as(h.clinic, func() {
			if got := w.export("/fhir/$export?_type=Condition&_since=" + record.FormatInstant(since)).files("deleted"); !strings.Contains(got, "Condition/dm") || strings.Contains(got, "hiv") {
				t.Errorf("deleted since: %s", got)
			}
		})
	})
}

// TestAChildIsHiddenUntilItComesOfAge: everything clinical about a child is
// hidden, who it is is not; on the fourteenth birthday that ends.
func TestAChildIsHiddenUntilItComesOfAge(t *testing.T) {
	each(t, func(w *world) {
		clinic := w.clientOf("clinic", "clinic", "system/*.cruds")
		w.call("PUT", "/fhir/Patient/kid", `{"resourceType":"Patient","id":"kid","name":[{"text":"陈小苗"}],"gender":"female","birthDate":"2012-03-03",
			"identifier":[{"system":"`+fhirapi.CardSystem+`","value":"`+idcard.Make("431102", "2012-03-03", 22)+`"}]}`).is(201)
		w.tx(func(tx *db.Tx) error {
			r, err := w.server.Store.Head(w.Context(), tx, record.Key{Type: "Patient", ID: "kid"})
			if err != nil {
				return err
			}
			return access.Relate(w.Context(), tx, access.CareRelation{Patient: r.Patient, Org: "clinic", Basis: access.BasisAuthorization, Reference: "x"})
		})
		w.call("PUT", "/fhir/Condition/cold", condition("cold", "kid", "J06.900", "上呼吸道感染")).is(201)
		w.as(clinic, func() {
			w.call("GET", "/fhir/Patient/kid", "").is(200)
			w.call("GET", "/fhir/Condition/cold", "").is(403, "敏感信息")
			if got := w.call("GET", "/fhir/Condition?patient=kid", "").is(200).entries(); got != "" {
				t.Errorf("found %s", got)
			}
			if got := w.call("GET", "/fhir/Patient/kid/$everything", "").is(200).entries(); got != "Patient/kid" {
				t.Errorf("everything: %s", got)
			}
		})
		w.work(24 * time.Hour)
		w.token = w.fresh("clinic")
		w.call("GET", "/fhir/Condition/cold", "").is(200)
		if got := w.call("GET", "/fhir/Condition?patient=kid", "").is(200).entries(); got != "Condition/cold" {
			t.Errorf("of age: %s", got)
		}
	})
}
