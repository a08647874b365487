package record_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"yilian/internal/db"
	tape "yilian/internal/fhir/json"
	"yilian/internal/record"
)

// TestOfficialExamplesComeBack: every official example of R4 goes in and comes
// out with each member byte for byte as it was, but for id and the two members
// of meta that the store sets. Without the package (make check) it runs over
// those that stand beside the FHIR packages.
func TestOfficialExamplesComeBack(t *testing.T) {
	pattern, least := "../fhir/testdata/*.json", 30
	if packages := os.Getenv("TEST_FHIR_PACKAGES"); packages != "" {
		pattern, least = filepath.Join(packages, "node_modules/hl7.fhir.r4.examples/*.json"), 5306
	}
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return filepath.Base(f) == "package.json" || filepath.Base(f) == ".index.json" })
	if len(files) < least {
		t.Fatalf("%d examples", len(files))
	}
	each(t, func(w world) {
		t := w.T
		for part := range slices.Chunk(files, 100) {
			bodies := make([][]byte, len(part))
			keys := make([]record.Key, len(part))
			w.tx(func(tx *db.Tx) error {
				for i, f := range part {
					raw, err := os.ReadFile(f)
					if err != nil {
						return err
					}
					bodies[i] = raw
					r, err := w.s.Create(t.Context(), tx, record.Draft{Body: raw})
					if err != nil {
						t.Errorf("%s: %v", f, err)
						continue
					}
					keys[i] = r.Key
				}
				return nil
			})
			err := w.db.View(t.Context(), func(tx *db.Tx) error {
				for i, f := range part {
					r, err := w.s.Read(t.Context(), tx, keys[i])
					if err != nil {
						return err
					}
					if why := differs(t, bodies[i], r.Body); why != "" {
						t.Errorf("%s: %s", f, why)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// differs names the first member that is not as it was sent.
func differs(t *testing.T, sent, got []byte) string {
	t.Helper()
	a, err := tape.Parse(sent)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Release()
	b, err := tape.Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	stamped := func(n tape.Node, skip ...string) (names []string, raws [][]byte) {
		for name, x := range n.Fields() {
			if !slices.Contains(skip, name) {
				names, raws = append(names, name), append(raws, x.Raw())
			}
		}
		return names, raws
	}
	for _, at := range []struct {
		was, is tape.Node
		skip    []string
	}{{a.Root(), b.Root(), []string{"id", "meta"}}, {a.Root().Get("meta"), b.Root().Get("meta"), []string{"versionId", "lastUpdated"}}} {
		if !at.was.Exists() {
			continue
		}
		wasNames, was := stamped(at.was, at.skip...)
		isNames, is := stamped(at.is, at.skip...)
		if !slices.Equal(wasNames, isNames) {
			return "other members"
		}
		for i := range was {
			if !bytes.Equal(was[i], is[i]) {
				return wasNames[i]
			}
		}
	}
	return ""
}
