package search

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"yilian/internal/fhir/json"
	"yilian/internal/fhir/spec"
)

// What the sources say is what the parameter says, on every official example.
func TestSourcesSayTheSame(t *testing.T) {
	files := exampleFiles(t)
	compared := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := json.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string][]string{}
		all := Extract(nil, doc.Root())
		parts := map[string]bool{} // composite and group
		for i := range all {
			v := &all[i]
			code := v.Param.Code
			if v.Param.Type == spec.CompositeParam {
				code = fmt.Sprintf("%s#%d", code, v.Part)
				parts[v.Param.Code] = true
			}
			said := *v
			said.Param, said.Part, said.Group = nil, 0, 0
			values[code] = append(values[code], fmt.Sprintf("%+v", said))
		}
		say := func(list []*Param) (out []string) {
			for _, s := range list {
				out = append(out, values[s.Code]...)
			}
			return unique(out)
		}
		for _, p := range Params(doc.Root().Get("resourceType").Text()) {
			if list := p.Sources(); list != nil {
				compared++
				if got, want := say(list), unique(values[p.Code]); !slices.Equal(got, want) {
					t.Fatalf("%s %s.%s:\n%v\nits sources:\n%v", file, p.Resource, p.Code, want, got)
				}
			}
			for i := range p.Components {
				list := p.PartSources(i)
				if list == nil || !parts[p.Code] {
					continue
				}
				compared++
				got := say(list)
				for _, want := range unique(values[fmt.Sprintf("%s#%d", p.Code, i)]) {
					if !slices.Contains(got, want) {
						t.Fatalf("%s %s.%s part %d: %s is not among\n%v", file, p.Resource, p.Code, i, want, got)
					}
				}
			}
		}
		doc.Release()
	}
	if compared < 20 {
		t.Fatalf("%d comparisons", compared)
	}
	t.Logf("%d comparisons over %d examples", compared, len(files))
}

// The sources are what one would say in words.
func TestSourcesOfObservation(t *testing.T) {
	codes := func(list []*Param) (out []string) {
		for _, p := range list {
			out = append(out, p.Code)
		}
		slices.Sort(out)
		return out
	}
	for code, want := range map[string][]string{
		"combo-code": {"code", "component-code"}, "combo-value-quantity": {"component-value-quantity", "value-quantity"},
		"code": nil, "value-quantity": nil, "subject": nil, "patient": nil,
	} {
		if got := codes(Lookup("Observation", code).Sources()); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", code, got, want)
		}
	}
	c := Lookup("Observation", "code-value-quantity")
	if got := codes(c.PartSources(0)); !slices.Equal(got, []string{"code"}) || c.Kept() {
		t.Errorf("part 0 of %s: %v", c.Code, got)
	}
	if got := codes(c.PartSources(1)); !slices.Equal(got, []string{"value-quantity"}) {
		t.Errorf("part 1 of %s: %v", c.Code, got)
	}
}

func exampleFiles(t *testing.T) []string {
	t.Helper()
	dir := "../testdata"
	if packages := os.Getenv("TEST_FHIR_PACKAGES"); packages != "" {
		dir = filepath.Join(packages, "node_modules", "hl7.fhir.r4.examples")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	return files
}
