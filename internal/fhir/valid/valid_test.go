package valid

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yilian/internal/fhir/json"
)

func check(t testing.TB, s string) []string {
	t.Helper()
	doc, err := json.Parse([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	var out []string
	for _, i := range Validate(doc.Root()) {
		if !strings.ContainsFunc(i.Message, func(r rune) bool { return r >= 0x4e00 }) {
			t.Errorf("%s: %q is no Chinese sentence", s, i.Message)
		}
		out = append(out, string(i.Code)+" "+i.Path)
	}
	return out
}

func TestRules(t *testing.T) {
	obs := func(rest string) string {
		return `{"resourceType":"Observation","status":"final","code":{"text":"x"}` + rest + `}`
	}
	for _, c := range []struct{ in, want string }{
		// structure
		{obs(``), ``},
		{`[]`, `structure `},
		{`{}`, `structure `},
		{`{"resourceType":"Nothing"}`, `structure Nothing`},
		{`{"resourceType":"Resource"}`, `structure Resource`},
		{`{"resourceType":"Patient"}`, `structure Patient`},
		{`{"resourceType":"Parameters"}`, ``},
		{`{"resourceType":"Patient","nothing":1}`, `structure Patient.nothing`},
		{`{"resourceType":"Patient","name":[{"nothing":1}]}`, `structure Patient.name[0].nothing`},
		{`{"resourceType":"Patient","name":[{"resourceType":"HumanName"}]}`, `structure Patient.name[0].resourceType`},
		{`{"resourceType":"Patient","contact":[{}]}`, `structure Patient.contact[0]`},
		{`{"resourceType":"Patient","contact":[null]}`, `structure Patient.contact[0]`},
		{`{"resourceType":"Patient","active":null}`, `structure Patient.active`},
		{`{"resourceType":"Patient","name":{"text":"x"}}`, `structure Patient.name`},
		{`{"resourceType":"Patient","name":[]}`, `structure Patient.name`},
		{`{"resourceType":"Patient","name":["x"]}`, `structure Patient.name[0]`},
		{`{"resourceType":"Patient","active":[true]}`, `structure Patient.active`},
		{`{"resourceType":"Patient","maritalStatus":[{"text":"x"}]}`, `structure Patient.maritalStatus`},
		// choices
		{obs(`,"valueQuantity":{"value":1}`), ``},
		{obs(`,"value":1`), `structure Observation.value`},
		{obs(`,"valueAddress":{"text":"x"}`), `structure Observation.valueAddress`},
		{obs(`,"valueString":"x","valueInteger":1`), `structure Observation`},
		{obs(`,"_valueString":{"id":"1"},"valueInteger":1`), `structure Observation`},
		{obs(`,"_valueString":{"id":"1"},"valueString":"x"`), ``},
		{obs(`,"valueQuantity":{"value":"1"}`), `structure Observation.value.ofType(Quantity).value`},
		// cardinality
		{`{"resourceType":"Observation","id":"x"}`, `required Observation.status; required Observation.code`},
		{obs(`,"component":[{"valueInteger":1},{"code":{"text":"y"}}]`), `required Observation.component[0].code`},
		{`{"resourceType":"Observation","_status":{"extension":[{"url":"u","valueCode":"x"}]},"code":{"text":"x"}}`, ``},
		// primitives
		{`{"resourceType":"Patient","active":"true"}`, `structure Patient.active`},
		{`{"resourceType":"Patient","id":"a b"}`, `value Patient.id`},
		{`{"resourceType":"Patient","id":"` + strings.Repeat("a", 65) + `"}`, `value Patient.id`},
		{`{"resourceType":"Patient","birthDate":"1990-02-30"}`, `value Patient.birthDate`},
		{`{"resourceType":"Patient","birthDate":"1990-2-3"}`, `value Patient.birthDate`},
		{`{"resourceType":"Patient","birthDate":"1990-02-03T10:00:00Z"}`, `value Patient.birthDate`},
		{`{"resourceType":"Patient","birthDate":19900203}`, `structure Patient.birthDate`},
		{`{"resourceType":"Patient","birthDate":""}`, `value Patient.birthDate`},
		{`{"resourceType":"Patient","deceasedDateTime":"1990-02-03T10:00:00"}`, `value Patient.deceased.ofType(dateTime)`},
		{`{"resourceType":"Patient","deceasedDateTime":"2016-12-31T23:59:60Z"}`, ``},
		{`{"resourceType":"Patient","multipleBirthInteger":1.0}`, `value Patient.multipleBirth.ofType(integer)`},
		{`{"resourceType":"Patient","multipleBirthInteger":2147483648}`, `value Patient.multipleBirth.ofType(integer)`},
		{`{"resourceType":"Patient","telecom":[{"rank":0}]}`, `value Patient.telecom[0].rank`},
		{`{"resourceType":"Patient","telecom":[{"rank":-1}]}`, `value Patient.telecom[0].rank`},
		{`{"resourceType":"Patient","language":" zh"}`, `value Patient.language`},
		{`{"resourceType":"Patient","implicitRules":"a b"}`, `value Patient.implicitRules`},
		{`{"resourceType":"Patient","meta":{"lastUpdated":"2020-01-01"}}`, `value Patient.meta.lastUpdated`},
		{`{"resourceType":"Patient","photo":[{"data":"QUJD"},{"data":"QUJ"},{"data":"QU=D"},{"data":"Q!JD"}]}`, `value Patient.photo[1].data; value Patient.photo[2].data; value Patient.photo[3].data`},
		// companions of primitives
		{`{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"id":"1"}]}]}`, ``},
		{`{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,null]}]}`, `structure Patient.name[0].given[1]`},
		{`{"resourceType":"Patient","name":[{"given":["a",null]}]}`, `structure Patient.name[0].given[1]`},
		{`{"resourceType":"Patient","name":[{"given":["a"],"_given":[null,{"id":"1"}]}]}`, `structure Patient.name[0].given`},
		{`{"resourceType":"Patient","name":[{"_given":[{"id":"1"},null]}]}`, `structure Patient.name[0].given[1]`},
		{`{"resourceType":"Patient","_birthDate":{"nothing":1}}`, `structure Patient.birthDate.nothing`},
		{`{"resourceType":"Patient","_birthDate":{}}`, `structure Patient.birthDate`},
		{`{"resourceType":"Patient","_name":[{"id":"1"}]}`, `structure Patient._name`},
		{`{"resourceType":"Patient","_birthDate":null}`, `structure Patient.birthDate`},
		// required bindings
		{`{"resourceType":"Patient","gender":"m"}`, `code-invalid Patient.gender`},
		{`{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}}`, ``},
		{`{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"urn:x","code":"active"}]}}`, `code-invalid AllergyIntolerance.clinicalStatus`},
		{`{"resourceType":"AllergyIntolerance","patient":{"reference":"Patient/1"},"clinicalStatus":{"text":"active"}}`, `code-invalid AllergyIntolerance.clinicalStatus`},
		// references
		{obs(`,"subject":{"reference":"Patient/1"}`), ``},
		{obs(`,"subject":{"reference":"http://x/Organization/1"}`), `structure Observation.subject`},
		{obs(`,"subject":{"identifier":{"value":"1"},"type":"Organization"}`), `structure Observation.subject`},
		{obs(`,"subject":{"reference":"#p"},"contained":[{"resourceType":"Patient","id":"p"}]`), ``},
		{obs(`,"subject":{"reference":"#p"},"contained":[{"resourceType":"Organization","id":"p","name":"x"}]`), `structure Observation.subject`},
		{obs(`,"subject":{"reference":"#q"}`), `invariant Observation.subject`},
		{obs(`,"contained":[{"resourceType":"Patient","active":true}]`), `required Observation.contained[0]`},
		{obs(`,"contained":[{"resourceType":"Patient","id":"p","contained":[{"resourceType":"Patient","id":"q"}]}]`), `invariant Observation.contained[0]`},
		{obs(`,"contained":[{"resourceType":"Patient","id":"p","nothing":1}]`), `structure Observation.contained[0].nothing`},
		// extensions, narrative, bundles, recursion
		{`{"resourceType":"Patient","extension":[{"url":"u","valueString":"x"},{"url":"u"},{"valueString":"x"}]}`, `invariant Patient.extension[1]; required Patient.extension[2].url`},
		{`{"resourceType":"Patient","extension":[{"url":"u","valueString":"x","extension":[{"url":"v","valueInteger":1}]}]}`, `invariant Patient.extension[0]`},
		{`{"resourceType":"Patient","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a&nbsp;<b>b</b></div>"}}`, ``},
		{`{"resourceType":"Patient","text":{"status":"generated","div":"<div><script>x</script></div>"}}`, `value Patient.text.div`},
		{`{"resourceType":"Patient","text":{"status":"generated","div":"<div onclick='x'>x</div>"}}`, `value Patient.text.div`},
		{`{"resourceType":"Patient","text":{"status":"generated","div":"<div><a href=' JavaScript:x'>x</a></div>"}}`, `value Patient.text.div`},
		{`{"resourceType":"Patient","text":{"status":"generated","div":"<div><b>x</div>"}}`, `value Patient.text.div`},
		{`{"resourceType":"Patient","text":{"status":"generated","div":"<p>x</p>"}}`, `value Patient.text.div`},
		{`{"resourceType":"Patient","text":{"status":"generated","div":"<div>x</div>y"}}`, `value Patient.text.div`},
		{`{"resourceType":"Patient","text":{"status":"generated","div":"<!DOCTYPE div><div>x</div>"}}`, `value Patient.text.div`},
		{`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","gender":"m"}},{"resource":{"resourceType":"Nothing"}}]}`,
			`code-invalid Bundle.entry[0].resource.gender; structure Bundle.entry[1].resource`},
		{`{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"linkId":"2","type":"x"}]}]}`, `code-invalid Questionnaire.item[0].item[0].type`},
	} {
		if got := strings.Join(check(t, c.in), "; "); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
	}
}

func TestMessages(t *testing.T) {
	doc, err := json.Parse([]byte(`{"resourceType":"Patient","gender":"m","name":"王"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := "[{code-invalid Patient.gender 编码“m”不在规定的值集内，值集为 http://hl7.org/fhir/ValueSet/administrative-gender（female、male、other、unknown）}" +
		" {structure Patient.name 应当是至少有一项的数组，实际是字符串}]"
	got := Validate(doc.Root())
	if s := fmt.Sprint(got); s != want && s != strings.Replace(want, "female、male、other、unknown", "male、female、other、unknown", 1) {
		t.Error(s)
	}
}

func TestIssuesAreBounded(t *testing.T) {
	got := check(t, `{"resourceType":"Patient","name":[`+strings.Repeat(`{"x":1},`, 500)+`{"x":1}]}`)
	if len(got) != maxIssues+1 || !strings.HasPrefix(got[maxIssues], "too-long") {
		t.Errorf("%d issues", len(got))
	}
}

// faulty are the official examples that contradict the standard's own
// definitions, with what is wrong.
var faulty = map[string]string{
	"DeviceMetric-example.json":                                                                "structure DeviceMetric.parent", // a DeviceDefinition, where only Device may stand
	"DeviceUseStatement-example.json":                                                          "structure DeviceUseStatement.reasonReference[0]",
	"MedicationRequest-medrx0301.json":                                                         "structure MedicationRequest.dispenseRequest.performer",
	"Observation-clinical-gender.json":                                                         "structure Observation.performer[0]",
	"ImplementationGuide-fhir.json":                                                            "required ImplementationGuide.name; required ImplementationGuide.status",
	"ig-r4.json":                                                                               "required ImplementationGuide.name; required ImplementationGuide.status",
	"Questionnaire-qs1.json":                                                                   "", // items without linkId, many
	"SearchParameter-codesystem-extensions-CodeSystem-author.json":                             "required SearchParameter.base",
	"SearchParameter-codesystem-extensions-CodeSystem-effective.json":                          "required SearchParameter.base",
	"SearchParameter-codesystem-extensions-CodeSystem-end.json":                                "required SearchParameter.base",
	"SearchParameter-codesystem-extensions-CodeSystem-keyword.json":                            "required SearchParameter.base",
	"SearchParameter-codesystem-extensions-CodeSystem-workflow.json":                           "required SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-author.json":                                 "required SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-effective.json":                              "required SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-end.json":                                    "required SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-keyword.json":                                "required SearchParameter.base",
	"SearchParameter-valueset-extensions-ValueSet-workflow.json":                               "required SearchParameter.base",
	"SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json": "value SearchParameter.id", // longer than 64
}

// TestOfficialExamplesAreValid: HL7's own examples are accepted, but for those
// that break HL7's own rules. In make test all 5,306, otherwise those beside the
// packages.
func TestOfficialExamplesAreValid(t *testing.T) {
	dir := "../testdata"
	if packages := os.Getenv("TEST_FHIR_PACKAGES"); packages != "" {
		dir = filepath.Join(packages, "node_modules", "hl7.fhir.r4.examples")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		if name == "package.json" {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := check(t, string(b))
		want, known := faulty[name]
		if known && (want == "" && len(got) > 0 || want == strings.Join(got, "; ")) {
			continue
		}
		if known || len(got) > 0 {
			t.Errorf("%s: %v, want %q", name, got, want)
		}
	}
}

// FuzzValidate: nothing that can be parsed makes the validator panic.
func FuzzValidate(f *testing.F) {
	files, err := filepath.Glob("../testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files[:12] {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{`{"resourceType":"Patient","name":[{"given":[null],"_given":[null]}]}`, `{"resourceType":"Patient","_":1}`, `{"resourceType":"Bundle","entry":[{"resource":[]}]}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		doc, err := json.Parse(b)
		if err != nil {
			return
		}
		if issues := Validate(doc.Root()); slices.ContainsFunc(issues, func(i Issue) bool { return i.Message == "" }) {
			t.Fatal("an issue without words")
		}
	})
}
