package spec

import (
	"slices"
	"testing"
)

// The counts are those of the published standard (R4, 4.0.1).
func TestTablesAreComplete(t *testing.T) {
	if n := len(ResourceTypes()); n != 146 {
		t.Errorf("%d types of resource", n)
	}
	byType := map[ParamType]int{}
	for _, p := range AllParams() {
		byType[p.Type]++
		if p.Expression == "" && p.Code != "_text" && p.Code != "_content" && p.Code != "_query" {
			t.Errorf("%s has no expression", p.ID)
		}
		if (p.Type == CompositeParam) != (len(p.Components) > 1) {
			t.Errorf("%s has %d components", p.ID, len(p.Components))
		}
		for _, c := range p.Components {
			if c.Param == nil || c.Expression == "" {
				t.Errorf("%s has an empty component", p.ID)
			}
		}
		for _, target := range p.Targets {
			if !IsResource(target) {
				t.Errorf("%s points at %s", p.ID, target)
			}
		}
	}
	want := map[ParamType]int{TokenParam: 536, ReferenceParam: 472, StringParam: 133, DateParam: 109,
		CompositeParam: 46, URIParam: 45, QuantityParam: 27, NumberParam: 6, SpecialParam: 1}
	for typ, n := range want {
		if byType[typ] != n {
			t.Errorf("%d parameters of type %s, want %d", byType[typ], typ, n)
		}
	}
	primitives := 0
	for _, typ := range load().types {
		if typ.Kind == Primitive {
			primitives++
		}
		for _, e := range typ.Elements {
			if len(e.Types) == 0 || e.Choice != (len(e.Types) > 1) && e.Path != "Extension.value" {
				t.Errorf("%s has %d types", e.Path, len(e.Types))
			}
		}
	}
	if primitives != 20 {
		t.Errorf("%d primitive types", primitives)
	}
}

func TestElements(t *testing.T) {
	patient := Lookup("Patient")
	p, ok := patient.Property("deceasedBoolean")
	if !ok || p.Element.Path != "Patient.deceased" || p.Ref.Type.Name != "boolean" || !p.Element.Modifier || !p.Element.Summary {
		t.Errorf("%+v", p)
	}
	if _, ok := patient.Property("deceased"); ok {
		t.Error("a choice has no name without type")
	}
	if p, _ := patient.Property("id"); p.Ref.Type.Name != "id" || p.Element.Path != "Resource.id" {
		t.Errorf("%+v", p)
	}
	if e := patient.Element("managingOrganization"); !slices.Equal(e.Types[0].Targets, []string{"Organization"}) || e.Max != 1 {
		t.Errorf("%+v", e)
	}
	contact := patient.Element("contact").Types[0].Type
	if contact.Kind != Inner || contact.Element("modifierExtension") == nil || contact.Element("relationship").Max != Unbounded {
		t.Errorf("%+v", contact)
	}
	if e := Lookup("Questionnaire.item").Element("item"); e.Types[0].Type.Name != "Questionnaire.item" {
		t.Errorf("%+v", e)
	}
	if e := Lookup("Observation").Element("status"); e.Min != 1 || !e.Binding.Has("", "final") || e.Binding.Has("", "done") ||
		e.Binding.System("final") != "http://hl7.org/fhir/observation-status" {
		t.Errorf("%+v", e)
	}
	if !Lookup("Age").Is("Quantity") || !Lookup("code").Is("string") || Lookup("Patient").Is("Quantity") || Lookup("nothing") != nil {
		t.Error("bases")
	}
	if !Lookup("date").Pattern.MatchString("2026-11") || Lookup("date").Pattern.MatchString("2026-11-1") {
		t.Error("pattern of date")
	}
	if !IsResource("Task") || IsResource("Resource") || IsResource("HumanName") {
		t.Error("resources")
	}
}

func TestParamsAndCompartments(t *testing.T) {
	if p := LookupParam("Observation", "patient"); p == nil || p.ID != "clinical-patient" || !slices.Contains(p.Targets, "Patient") {
		t.Errorf("%+v", p)
	}
	if p := LookupParam("Patient", "_lastUpdated"); p == nil || p.Type != DateParam {
		t.Errorf("%+v", p)
	}
	if LookupParam("Bundle", "_text") != nil || LookupParam("Patient", "nothing") != nil || LookupParam("Nothing", "_id") != nil {
		t.Error("parameters that do not exist")
	}
	if p := LookupParam("Observation", "code-value-quantity"); len(p.Components) != 2 || p.Components[1].Param.Type != QuantityParam {
		t.Errorf("%+v", p)
	}
	if p := LookupParam("Account", "subject"); p.URL() != "http://hl7.org/fhir/SearchParameter/Account-subject" {
		t.Error(p.URL())
	}
	if c := CompartmentOf("Patient"); !slices.Contains(c["Observation"], "subject") || c["Organization"] != nil || CompartmentOf("Task") != nil {
		t.Error("compartments")
	}
}

func TestValueSets(t *testing.T) {
	v := ValueSetOf("http://hl7.org/fhir/ValueSet/administrative-gender")
	if v == nil || !v.Has("http://hl7.org/fhir/administrative-gender", "male") || v.Has("urn:other", "male") {
		t.Errorf("%+v", v)
	}
	if ValueSetOf("http://hl7.org/fhir/ValueSet/mimetypes") != nil {
		t.Error("media types cannot be listed")
	}
	all := ValueSetOf("http://hl7.org/fhir/ValueSet/all-types")
	if len(all.Systems) < 2 || !all.Has("http://hl7.org/fhir/resource-types", "Patient") || !all.Has("http://hl7.org/fhir/data-types", "HumanName") {
		t.Errorf("%+v", all)
	}
}
