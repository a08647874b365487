package fhirapi_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// synthea returns the transaction bundles of invented persons that are kept
// packed.
func synthea(t testing.TB) map[string][]byte {
	t.Helper()
	f, err := os.Open("testdata/synthea.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if out[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEveryBundleOfTheDataLoads: each bundle goes in whole, its references point
// at what its entries became, and $everything gives the person's part back.
func TestEveryBundleOfTheDataLoads(t *testing.T) {
	each(t, func(w *world) {
		all := synthea(t)
		if len(all) != 34 {
			t.Fatalf("%d bundles", len(all))
		}
		total := 0
		for name, raw := range all {
			var sent struct {
				Entry []struct {
					FullURL  string
					Resource struct{ ResourceType string }
				}
			}
			if err := json.Unmarshal(raw, &sent); err != nil {
				t.Fatal(err)
			}
			w.token = w.fresh("his")
			a := w.call("POST", "/fhir", string(raw)).is(200)
			var answered struct {
				Entry []struct {
					Response struct{ Status, Location string }
				}
			}
			if err := json.Unmarshal(a.body, &answered); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(a.body), "urn:uuid:") {
				t.Errorf("%s: a reference was left as it was", name)
			}
			if len(answered.Entry) != len(sent.Entry) {
				t.Fatalf("%s: %d answers to %d entries", name, len(answered.Entry), len(sent.Entry))
			}
			patient, bound := "", 0
			for i := range sent.Entry {
				kind := sent.Entry[i].Resource.ResourceType
				is := answered.Entry[i].Response
				if is.Status != "201 Created" || !strings.HasPrefix(is.Location, kind+"/") {
					t.Fatalf("%s: entry %d, %s, is answered %v", name, i, kind, is)
				}
				switch kind {
				case "Patient":
					patient = strings.Split(is.Location, "/")[1]
				case "Organization", "Practitioner", "Location", "Medication":
					continue
				}
				bound++
			}
			total += len(sent.Entry)
			n, next := 0, "/fhir/Patient/"+patient+"/$everything"
			for next != "" {
				page := w.call("GET", next, "").is(200)
				list, _ := page.get("entry").([]any)
				for _, e := range list {
					if e.(map[string]any)["search"].(map[string]any)["mode"] == "match" {
						n++
					}
				}
				next = strings.TrimPrefix(page.link("next"), w.http.URL)
			}
			if n != bound {
				t.Errorf("%s: $everything gives %d of %d", name, n, bound)
			}
		}
		kept := dbtest.View(w.TB, w.db, func(tx *db.Tx) (int64, error) {
			return db.Count(w.Context(), tx, `SELECT count(*) FROM record_resource`)
		})
		if int(kept) != total || total < 6_000 {
			t.Errorf("%d resources of %d", kept, total)
		}
	})
}

// TestOfficialBundlesAreKeptAndDone: the bundles among the official examples are
// documents to be kept as they are; those that ask for something are done or
// refused as a whole.
func TestOfficialBundlesAreKeptAndDone(t *testing.T) {
	pattern, least := "../fhir/testdata/Bundle-*.json", 1
	if packages := os.Getenv("TEST_FHIR_PACKAGES"); packages != "" {
		pattern, least = filepath.Join(packages, "node_modules/hl7.fhir.r4.examples/Bundle-*.json"), 16
	}
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) < least {
		t.Fatalf("%d bundles: %v", len(files), err)
	}
	w := one(t)
	done := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > 5<<20 {
			continue
		}
		dbtest.SetClock(w.db, w.db.Now().Add(time.Second))
		w.token = w.fresh("his")
		if kept := w.call("POST", "/fhir/Bundle", string(raw)); kept.status != 403 { // a message about a patient of others
			kept.is(201)
		}
		var b struct{ Type string }
		if err := json.Unmarshal(raw, &b); err != nil {
			t.Fatal(err)
		}
		before := w.count()
		a := w.call("POST", "/fhir", string(raw))
		switch {
		case b.Type != "batch" && b.Type != "transaction":
			a.is(400)
		case b.Type == "batch":
			a.is(200, "batch-response")
			done++
		case a.status != 200 && w.count() != before:
			t.Errorf("%s is refused (%s), and %d versions are kept", file, a.body, w.count()-before)
		default:
			done++
		}
	}
	if done == 0 || done < 2 && least > 1 {
		t.Errorf("%d bundles asked for something", done)
	}
}
