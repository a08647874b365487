package search

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/fhir/json"
	"yilian/internal/fhir/spec"
)

// values extracts what a resource is found under by one parameter.
func values(t *testing.T, code, resource string) []string {
	t.Helper()
	doc, err := json.Parse([]byte(resource))
	if err != nil {
		t.Fatalf("%s: %v", resource, err)
	}
	var out []string
	for _, v := range Extract(nil, doc.Root()) {
		if v.Param.Code == code {
			out = append(out, describeValue(v))
		}
	}
	return out
}

func describeValue(v Value) string {
	at := func(ms int64) string {
		if ms == MinTime || ms == MaxTime {
			return "*"
		}
		return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z")
	}
	num := func(f float64) string {
		if f == huge || f == -huge {
			return "*"
		}
		return fmt.Sprint(f)
	}
	part := ""
	if v.Param.Type == spec.CompositeParam {
		part = fmt.Sprintf("%d.%d ", v.Group, v.Part)
	}
	s := ""
	switch v.Type {
	case spec.TokenParam:
		s = v.Token.System + "|" + v.Token.Code
		if v.Token.Text != "" {
			s += " " + v.Token.Text
		}
		if v.Token.Form == OfType {
			s = "of-type " + s
		}
	case spec.StringParam:
		s = v.Text.Exact + "/" + v.Text.Norm
	case spec.ReferenceParam:
		r := v.Reference
		s = strings.Join([]string{r.Base, r.Type, r.ID, r.Version, r.URL, r.Identifier.System + "|" + r.Identifier.Code}, " ")
	case spec.DateParam:
		s = at(v.Date.From) + " " + at(v.Date.To)
	case spec.NumberParam:
		s = num(v.Number.Low) + ".." + num(v.Number.High)
	case spec.QuantityParam:
		s = num(v.Number.Low) + ".." + num(v.Number.High) + " " + v.Quantity.System + "|" + v.Quantity.Code + "|" + v.Quantity.Unit
	case spec.URIParam:
		s = v.URI
	case spec.SpecialParam:
		s = fmt.Sprint(v.Position)
	}
	return part + v.Datatype + " " + s
}

func TestValuesOfEveryDatatype(t *testing.T) {
	for _, c := range []struct{ code, resource, want string }{
		// token
		{"code", `{"resourceType":"Condition","code":{"coding":[{"system":"s","code":"c","display":"D e"},{"code":"c2"},{"display":"X"}],"text":"T"}}`,
			"CodeableConcept s|c t; CodeableConcept s|c d e; CodeableConcept |c2 t; CodeableConcept | t; CodeableConcept | x"},
		{"code", `{"resourceType":"Condition","code":{"text":"头痛"}}`, "CodeableConcept | 头痛"},
		{"code", `{"resourceType":"Condition","code":{}}`, ""},
		{"class", `{"resourceType":"Encounter","class":{"system":"s","code":"AMB"}}`, "Coding s|AMB"},
		{"gender", `{"resourceType":"Patient","gender":"male"}`, "code http://hl7.org/fhir/administrative-gender|male"},
		{"gender", `{"resourceType":"Patient","gender":"hermaphrodite"}`, "code |hermaphrodite"},
		{"language", `{"resourceType":"Patient","communication":[{"language":{"coding":[{"code":"zh"}]}}]}`, "CodeableConcept |zh"},
		{"active", `{"resourceType":"Patient","active":false}`, "boolean |false"},
		{"identifier", `{"resourceType":"Patient","identifier":[{"system":"s","value":"v","type":{"coding":[{"system":"ts","code":"MR"}],"text":"No"}},{"use":"old"}]}`,
			"Identifier s|v no; Identifier of-type ts|MR|v"},
		{"telecom", `{"resourceType":"Patient","telecom":[{"system":"phone","value":"139"},{"system":"email"}]}`, "ContactPoint phone|139"},
		{"phone", `{"resourceType":"Patient","telecom":[{"system":"phone","value":"139"},{"system":"email","value":"a@b"}]}`, "ContactPoint phone|139"},
		{"_id", `{"resourceType":"Patient","id":"p1"}`, "id |p1"},
		{"deceased", `{"resourceType":"Patient"}`, "boolean |false"},
		{"deceased", `{"resourceType":"Patient","deceasedBoolean":false}`, "boolean |false"},
		{"deceased", `{"resourceType":"Patient","deceasedDateTime":"2020"}`, "boolean |true"},
		{"value", `{"resourceType":"Group","characteristic":[{"valueBoolean":true},{"valueRange":{}}]}`, "boolean |true"},
		// string
		{"name", `{"resourceType":"Patient","name":[{"text":"王小明","family":"王","given":["小","明"]}]}`, "HumanName 王小明/王小明; HumanName 王/王; HumanName 小/小; HumanName 明/明"},
		{"name", `{"resourceType":"Patient","name":[{"family":"欧阳","given":["小明"],"prefix":["Dr."]}]}`, "HumanName 欧阳/欧阳; HumanName 小明/小明; HumanName Dr./dr.; HumanName 欧阳小明/欧阳小明"},
		{"name", `{"resourceType":"Patient","name":[{"family":"Müller  Ａ","given":["Jörg",null]}]}`, "HumanName Müller  Ａ/muller a; HumanName Jörg/jorg"},
		{"address", `{"resourceType":"Patient","address":[{"line":["1 Rd"],"city":"郑州","postalCode":"450000"}]}`, "Address 1 Rd/1 rd; Address 郑州/郑州; Address 450000/450000"},
		{"name", `{"resourceType":"Organization","name":"A","alias":["B",null,""]}`, "string A/a; string B/b"},
		// reference
		{"subject", `{"resourceType":"Condition","subject":{"reference":"Patient/1"}}`, "Reference  Patient 1  Patient/1 |"},
		{"subject", `{"resourceType":"Condition","subject":{"reference":"http://x/fhir/Patient/1/_history/3"}}`, "Reference http://x/fhir Patient 1 3 http://x/fhir/Patient/1 |"},
		{"subject", `{"resourceType":"Condition","subject":{"reference":"urn:uuid:1","type":"Patient"}}`, "Reference  Patient   urn:uuid:1 |"},
		{"subject", `{"resourceType":"Condition","subject":{"identifier":{"system":"s","value":"v"}}}`, "Reference      s|v"},
		{"subject", `{"resourceType":"Condition","contained":[{"resourceType":"Patient","id":"p"}],"subject":{"reference":"#p"}}`, ""},
		{"subject", `{"resourceType":"Condition","subject":{"display":"somebody"}}`, ""},
		{"patient", `{"resourceType":"Condition","subject":{"reference":"Group/1"}}`, ""},
		{"patient", `{"resourceType":"Condition","subject":{"reference":"urn:uuid:1","type":"Patient"}}`, "Reference  Patient   urn:uuid:1 |"},
		{"questionnaire", `{"resourceType":"QuestionnaireResponse","questionnaire":"http://x/q|2"}`, "canonical    2 http://x/q |"},
		{"composition", `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Composition","id":"c"}},{"resource":{"resourceType":"Patient","id":"p"}}]}`, "Resource  Composition c  Composition/c |"},
		// date
		{"birthdate", `{"resourceType":"Patient","birthDate":"1990-06"}`, "date 1990-05-31T16:00:00Z 1990-06-30T16:00:00Z"},
		{"birthdate", `{"resourceType":"Patient","birthDate":"soon"}`, ""},
		{"date", `{"resourceType":"Observation","effectiveDateTime":"2020-02-29T23:59:60+08:00"}`, "dateTime 2020-02-29T16:00:00Z 2020-02-29T16:00:01Z"},
		{"date", `{"resourceType":"Observation","effectiveInstant":"2020-01-01T00:00:00.1234567Z"}`, "instant 2020-01-01T00:00:00.123Z 2020-01-01T00:00:00.124Z"},
		{"date", `{"resourceType":"Observation","effectivePeriod":{"start":"2020-01-01T00:00:00Z"}}`, "Period 2020-01-01T00:00:00Z *"},
		{"date", `{"resourceType":"Observation","effectivePeriod":{"end":"2020-01-01"}}`, "Period * 2020-01-01T16:00:00Z"},
		{"date", `{"resourceType":"Observation","effectivePeriod":{}}`, ""},
		{"date", `{"resourceType":"Observation","effectiveTiming":{"event":["2020-01-01T00:00:00Z"],"repeat":{"boundsPeriod":{"start":"2021-01-01T00:00:00Z"}}}}`,
			"Timing 2020-01-01T00:00:00Z 2020-01-01T00:00:01Z; Timing 2021-01-01T00:00:00Z *"},
		// number, quantity
		{"probability", `{"resourceType":"RiskAssessment","prediction":[{"probabilityDecimal":0.10},{"probabilityRange":{"low":{"value":1},"high":{"value":5}}},{"probabilityRange":{"high":{"value":5}}}]}`,
			"decimal 0.1..0.1; Range 1..5; Range *..5"},
		{"value-quantity", `{"resourceType":"Observation","valueQuantity":{"value":5.40,"unit":"毫克","system":"u","code":"mg"}}`, "Quantity 5.4..5.4 u|mg|毫克"},
		{"value-quantity", `{"resourceType":"Observation","valueQuantity":{"value":5,"comparator":"<","unit":"mg"}}`, "Quantity *..5 ||mg"},
		{"value-quantity", `{"resourceType":"Observation","valueQuantity":{"value":1e999,"comparator":">"}}`, "Quantity *..* ||"},
		{"value-quantity", `{"resourceType":"Observation","valueQuantity":{"unit":"mg"}}`, ""},
		{"value-quantity", `{"resourceType":"Observation","valueSampledData":{"origin":{"value":10,"unit":"mV"},"factor":2,"data":"1 E -3 L 4"}}`, "SampledData 4..18 ||mV"},
		{"totalgross", `{"resourceType":"Invoice","totalGross":{"value":48.50,"currency":"CNY"}}`, "Money 48.5..48.5 urn:iso:std:iso:4217|CNY|"},
		{"onset-age", `{"resourceType":"Condition","onsetAge":{"value":52,"code":"a"}}`, "Age 52..52 |a|"},
		{"onset-age", `{"resourceType":"Condition","onsetRange":{"low":{"value":1,"unit":"年"}}}`, "Range 1..* ||年"},
		// uri, special
		{"url", `{"resourceType":"ValueSet","url":"http://x"}`, "uri http://x"},
		{"near", `{"resourceType":"Location","position":{"longitude":113.6,"latitude":34.7}}`, "Location.position {34.7 113.6}"},
		// composite
		{"code-value-quantity", `{"resourceType":"Observation","code":{"coding":[{"code":"a"},{"code":"b"}]},"valueQuantity":{"value":1}}`,
			"0.0 CodeableConcept |a; 0.0 CodeableConcept |b; 0.1 Quantity 1..1 ||"},
		{"code-value-quantity", `{"resourceType":"Observation","code":{"coding":[{"code":"a"}]},"valueString":"x"}`, ""},
		{"combo-code-value-quantity", `{"resourceType":"Observation","code":{"coding":[{"code":"a"}]},"valueQuantity":{"value":1},"component":[{"code":{"coding":[{"code":"b"}]},"valueQuantity":{"value":2}},{"code":{"coding":[{"code":"c"}]}},{"code":{"coding":[{"code":"d"}]},"valueQuantity":{"value":4}}]}`,
			"0.0 CodeableConcept |a; 0.1 Quantity 1..1 ||; 1.0 CodeableConcept |b; 1.1 Quantity 2..2 ||; 2.0 CodeableConcept |d; 2.1 Quantity 4..4 ||"},
		{"chromosome-variant-coordinate", `{"resourceType":"MolecularSequence","referenceSeq":{"chromosome":{"coding":[{"code":"1"}]}},"variant":[{"start":3,"end":4}]}`,
			"0.0 CodeableConcept |1; 0.1 integer 3..3; 0.2 integer 4..4"},
	} {
		if got := strings.Join(values(t, c.code, c.resource), "; "); got != c.want {
			t.Errorf("%s of %s\n got %s\nwant %s", c.code, c.resource, got, c.want)
		}
	}
}

func TestExtractOfWhatIsNoResource(t *testing.T) {
	for _, s := range []string{`1`, `null`, `[]`, `{}`, `{"resourceType":"Nothing"}`, `{"resourceType":1}`,
		`{"resourceType":"Patient","name":"x","identifier":{},"birthDate":{"a":1},"telecom":[[1]],"contact":[null]}`} {
		doc, err := json.Parse([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range Extract(nil, doc.Root()) {
			if v.Param.Code != "deceased" && v.Param.Code != "name" && v.Param.Code != "phonetic" {
				t.Errorf("%s is found by %s", s, v.Param.Code)
			}
		}
	}
}

func TestTimes(t *testing.T) {
	for _, s := range []string{"", "199", "1990-1", "1990-00", "1990-02-30", "1990-01-01T", "1990-01-01T1", "1990-01-01T10", "1990-01-01T10:00:00.", "1990-01-01T10:00.5",
		"1990-01-01T24:00:00", "1990-01-01T10:61:00", "1990-01-01T10:00:00+15:00", "1990-01-01T10:00:00+08:60", "1990-01-01T10:00:00+0800", "1990-01-01Z", "1990-01-01 10:00:00", "19900101", "1990-01-01T10:00:00.1_2"} {
		if p, ok := ParseTime(s); ok {
			t.Errorf("%q is %v", s, p)
		}
	}
}

// A date asked for finds the date stored, at every precision, whatever the zone.
func TestADateFindsItself(t *testing.T) {
	for _, s := range []string{"1990", "1990-06", "1990-06-15", "1990-06-15T12:00:00Z", "1990-06-15T12:00:00.123456-11:00", "9999-12-31", "0001"} {
		p, ok := ParseTime(s)
		if !ok || p.To <= p.From || !holds(DateTerm{Equal, p}.Bounds(), p.From, p.To) {
			t.Errorf("%s: %v", s, p)
		}
	}
}

// FuzzExtract: nothing that can be parsed makes extraction panic, and every value
// has what its type needs.
func FuzzExtract(f *testing.F) {
	for _, s := range []string{
		`{"resourceType":"Patient","name":[{"given":[null,"x"]}],"deceasedDateTime":"x"}`,
		`{"resourceType":"Observation","valueSampledData":{"origin":{"value":1},"data":"E 1 L"},"component":[{"code":{}}]}`,
		`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Composition"}}]}`,
		`{"resourceType":"Location","position":{"latitude":1e400,"longitude":-1e400}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := json.Parse(b)
		if err != nil {
			return
		}
		for _, v := range Extract(nil, doc.Root()) {
			if v.Param == nil || v.Type == spec.DateParam && v.Date.To <= v.Date.From && v.Date.From > MinTime && v.Date.To < MaxTime && !slices.Contains([]string{"Period", "Timing"}, v.Datatype) {
				t.Fatalf("%+v", v)
			}
		}
	})
}

func BenchmarkExtract(b *testing.B) {
	doc, err := json.Parse([]byte(`{"resourceType":"Observation","id":"x","meta":{"versionId":"1","lastUpdated":"2020-01-01T00:00:00Z"},"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"subject":{"reference":"Patient/1"},"encounter":{"reference":"Encounter/1"},"effectiveDateTime":"2020-01-01","performer":[{"reference":"Practitioner/1"}],"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":107,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":60,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}`))
	if err != nil {
		b.Fatal(err)
	}
	var values []Value
	b.ReportAllocs()
	for b.Loop() {
		values = Extract(values[:0], doc.Root())
	}
	b.ReportMetric(float64(len(values)), "values")
}
