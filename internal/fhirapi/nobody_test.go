package fhirapi_test

import (
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/db"
)

const scan = `{"resourceType":"Binary","id":"%","contentType":"application/pdf","data":"JVBERi0=" }`

// TestABinaryIsReadByWhoMaySeeItsDocument: what says not whose it is belongs to
// the institution that has sent it; another reads the content of a document that
// it may see, and whatever is secured by a patient whom it may see.
func TestABinaryIsReadByWhoMaySeeItsDocument(t *testing.T) {
	each(t, func(w *world) {
		clinic := w.clientOf("clinic", "clinic", "system/*.cruds")
		w.tx(func(tx *db.Tx) error {
			return access.Relate(w.Context(), tx, access.CareRelation{Patient: "p1", Org: "clinic", Basis: access.BasisEncounter, Reference: "x"})
		})
		named := func(id string) string { return strings.Replace(scan, "%", id, 1) }
		secured := func(id, by string) string {
			return strings.Replace(named(id), `"contentType"`, `"securityContext":{"reference":"`+by+`"},"contentType"`, 1)
		}
		document := func(id, patient, binary string) string {
			return `{"resourceType":"DocumentReference","id":"` + id + `","status":"current","subject":{"reference":"Patient/` + patient + `"},
				"content":[{"attachment":{"contentType":"application/pdf","url":"Binary/` + binary + `"}}]}`
		}
		for _, id := range []string{"alone", "of-p1", "of-p2"} {
			w.call("PUT", "/fhir/Binary/"+id, named(id)).is(201)
		}
		w.call("PUT", "/fhir/DocumentReference/d1", document("d1", "p1", "of-p1")).is(201)
		w.call("PUT", "/fhir/DocumentReference/d2", document("d2", "p2", "of-p2")).is(201)
		w.call("PUT", "/fhir/Binary/secured-p1", secured("secured-p1", "Patient/p1")).is(201)
		w.call("PUT", "/fhir/Binary/secured-p2", secured("secured-p2", "DocumentReference/d2")).is(201)
		w.call("PUT", "/fhir/Observation/whose", `{"resourceType":"Observation","id":"whose","status":"final","code":{"text":"血糖"}}`).is(201)
		w.call("PUT", "/fhir/Organization/all", `{"resourceType":"Organization","id":"all","name":"检验中心"}`).is(201)

		for _, key := range []string{"Binary/alone", "Binary/of-p1", "Binary/of-p2", "Binary/secured-p1", "Binary/secured-p2", "Observation/whose"} {
			w.call("GET", "/fhir/"+key, "").is(200) // of who has sent it
		}
		w.as(clinic, func() {
			for key, status := range map[string]int{
				"Binary/alone": 403, "Binary/of-p1": 200, "Binary/of-p2": 403, "Binary/secured-p1": 200, "Binary/secured-p2": 403,
				"Observation/whose": 403, "Organization/all": 200,
				"Binary/of-p1/_history": 403, "Binary/alone/_history/1": 403,
			} {
				w.call("GET", "/fhir/"+key, "").is(status)
			}
			if got := w.call("GET", "/fhir/Binary?_count=50", "").is(200).entries(); got != "Binary/secured-p1" {
				w.Errorf("the clinic finds %q", got)
			}
			if got := w.call("GET", "/fhir/Observation?_id=whose", "").is(200).entries(); got != "" {
				w.Errorf("the clinic finds %q", got)
			}
			// A document of its own about a patient of its own opens nothing.
			for _, id := range []string{"alone", "of-p2"} {
				w.call("PUT", "/fhir/DocumentReference/own-"+id, document("own-"+id, "p1", id)).is(201)
				w.call("GET", "/fhir/Binary/"+id, "").is(403)
			}
			w.call("PUT", "/fhir/Binary/alone", named("alone")).is(403)
			w.call("DELETE", "/fhir/Observation/whose", "").is(403)
		})
		if got := w.call("GET", "/fhir/Binary?_count=50", "").is(200).entries(); !strings.Contains(got, "Binary/alone") {
			w.Errorf("the hospital finds %q", got)
		}
	})
}
