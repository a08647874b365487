package search

import (
	"slices"
	"testing"

	"yilian/internal/fhir/spec"
)

// Every search parameter of R4 compiles for every type of resource that it is
// defined for, and leads somewhere.
func TestEveryParameterCompiles(t *testing.T) {
	pairs := 0
	for _, typ := range spec.ResourceTypes() {
		for _, p := range Params(typ) {
			pairs++
			if len(p.roots) == 0 {
				t.Errorf("%s leads nowhere in %s", p.ID, typ)
			}
			if len(p.Components) == 0 && len(p.Datatypes) == 0 {
				t.Errorf("%s has no datatype in %s", p.ID, typ)
			}
			for _, c := range p.Components {
				if len(c.Datatypes) == 0 {
					t.Errorf("a component of %s leads nowhere in %s", p.ID, typ)
				}
			}
		}
	}
	if pairs != 2573 {
		t.Errorf("%d pairs of parameter and type", pairs)
	}
}

func TestDatatypes(t *testing.T) {
	for _, c := range []struct {
		typ, code string
		want      []string
	}{
		{"Patient", "identifier", []string{"Identifier"}},
		{"Patient", "phone", []string{"ContactPoint"}},
		{"Patient", "deceased", []string{"boolean"}},
		{"Patient", "name", []string{"HumanName"}},
		{"Observation", "date", []string{"dateTime", "Period", "Timing", "instant"}},
		{"Observation", "value-date", []string{"dateTime", "Period"}},
		{"Observation", "_lastUpdated", []string{"instant"}},
		{"Bundle", "composition", []string{"Resource"}},
	} {
		if p := Lookup(c.typ, c.code); p == nil || !slices.Equal(p.Datatypes, c.want) {
			t.Errorf("%s.%s: %v", c.typ, c.code, p)
		}
	}
	if p := Lookup("Observation", "code-value-date"); !slices.Equal(p.Components[1].Datatypes, []string{"dateTime", "Period"}) {
		t.Errorf("%v", p.Components[1].Datatypes)
	}
	if Lookup("Patient", "nothing") != nil || Lookup("Nothing", "_id") != nil {
		t.Error("parameters that do not exist")
	}
}
