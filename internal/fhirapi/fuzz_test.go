package fhirapi_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"yilian/internal/db"
)

// ask makes a request without a network.
func (w *world) ask(method, path string, query string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/fhir", bytes.NewReader(body))
	r.URL = &url.URL{Path: path, RawQuery: query}
	r.Header.Set("Authorization", "Bearer "+w.token)
	r.Header.Set("Content-Type", "application/fhir+json")
	out := httptest.NewRecorder()
	w.server.ServeHTTP(out, r)
	return out
}

// rows is how much is stored: versions, search values and residents.
func (w *world) rows(t *testing.T) string {
	var out []string
	err := w.db.View(t.Context(), func(tx *db.Tx) error {
		for _, q := range []string{`SELECT count(*) FROM record_version`, `SELECT count(*) FROM record_resource`, `SELECT count(*) FROM record_text`,
			`SELECT count(*) FROM record_date`, `SELECT count(*) FROM record_number`, `SELECT count(*) FROM patient`, `SELECT count(*) FROM subscription`} {
			n, err := db.Count(t.Context(), tx, q)
			if err != nil {
				return err
			}
			out = append(out, fmt.Sprint(n))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

// FuzzBundle: whatever is sent as a bundle, nothing panics or fails inside, and
// what is refused as a whole leaves nothing behind.
func FuzzBundle(f *testing.F) {
	w := start(f, nil)
	const u = "urn:uuid:11111111-1111-4111-8111-111111111111"
	for _, s := range []string{
		`{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"` + u + `","resource":` + observation("", "p1", "1-1", "2026-01-01") + `,"request":{"method":"POST","url":"Observation"}},{"resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"},"derivedFrom":[{"reference":"` + u + `#a"}]},"request":{"method":"PUT","url":"Observation/x","ifMatch":"W/\"1\""}}]}`,
		`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":` + observation("", "p1", "1-1", "2026-01-01") + `,"request":{"method":"POST","url":"Observation","ifNoneExist":"code=1-1"}},{"resource":` + observation("", "p9", "1-1", "2026-01-01") + `,"request":{"method":"POST","url":"Observation"}}]}`,
		`{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Observation?code=1-1&_include=*"}},{"request":{"method":"DELETE","url":"Observation?code=1-1"}},{"request":{"method":"PATCH","url":"Observation/x"},"resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W10="}}]}`,
		`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient","identifier":[{"system":"urn:oid:2.16.156.10011.1.3","value":"431102195803120025"}],"name":[{"text":"张桂兰"}],"gender":"female","birthDate":"1958-03-12"},"request":{"method":"PUT","url":"Patient?identifier=431102195803120025"}},{"resource":{"resourceType":"Subscription","status":"requested"},"request":{"method":"POST","url":"Subscription"}}]}`,
		`{"resourceType":"Bundle","type":"transaction","entry":[{},null,1,{"request":{}},{"request":{"method":"GET","url":"http://x/$everything"}}]}`,
		`{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"GET","url":"Patient/$validate"}},{"request":{"method":"POST","url":"Patient/_search"}},{"request":{"method":"GET","url":"_export/1"}}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := w.rows(t)
		out := w.ask(http.MethodPost, "/fhir", "", body)
		if out.Code >= 500 {
			t.Fatalf("%d %s", out.Code, out.Body)
		}
		if out.Code != http.StatusOK {
			if after := w.rows(t); after != before {
				t.Fatalf("%d: rows %s became %s", out.Code, before, after)
			}
		}
	})
}

// FuzzSearch: no address or search string panics, fails inside, or changes
// anything.
func FuzzSearch(f *testing.F) {
	w := start(f, nil)
	w.call("PUT", "/fhir/Observation/a", observation("a", "p1", "1-1", "2026-01-01")).is(201)
	for _, s := range []string{
		"Observation?code=1-1&_sort=-date&_count=1", "Observation?subject:Patient.name:exact=x", "Patient?_has:Observation:patient:code=1-1",
		"Observation?date=ap2020-01-01T00:00:00.000+08:00", `Observation?code-value-quantity=a\$b$le5.40e-3|u|c`,
		"Observation?_include:iterate=*&_elements=a,b&_summary=true", "Location?near=1|2|3|km", "Observation?%zz=%&=&&a", "Observation/a/_history?_cursor=x",
		"Patient/p1/*?_sort=_id", "Observation?_cursor=eyJuIjoxfQ", "_history?_since=2026", "Observation/_history?_at=x", "Patient/p1/$everything?_since=0",
		"Observation/a?_elements=code&_summary=text", "?_type=Patient,Observation&_id=a", "Observation?_text=x&_content=y&_filter=z", "Observation?code:in=urn:x&code:below=1",
		"_export/a/b", "Observation?_total=accurate&_count=0", "Encounter/x/Observation", "Observation?_lastUpdated=gt2020&_lastUpdated=lt2030",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		before := w.rows(t)
		path, query, _ := strings.Cut(address, "?")
		if out := w.ask(http.MethodGet, "/fhir/"+path, query, nil); out.Code >= 500 {
			t.Fatalf("%q: %d %s", address, out.Code, out.Body)
		}
		if after := w.rows(t); after != before {
			t.Fatalf("%q: rows %s became %s", address, before, after)
		}
	})
}
