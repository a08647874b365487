package chart

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/fhir/json"
	"yilian/internal/policy"
	"yilian/internal/record"
	"yilian/profiles"
)

const today = calendar.Date("2026-03-02")

func TestWhatIsACurrentProblem(t *testing.T) {
	for _, r := range []struct {
		clinical, verification string
		ended                  bool
		want                   State
	}{
		{"active", "confirmed", false, Now}, {"", "", false, Now}, {"recurrence", "", false, Now}, {"relapse", "", false, Now},
		{"active", "confirmed", true, Over}, {"resolved", "confirmed", false, Over}, {"remission", "", false, Over}, {"inactive", "", false, Over},
		{"active", "provisional", false, Unsure}, {"active", "differential", false, Unsure}, {"", "unconfirmed", false, Unsure},
		{"active", "refuted", false, Mistaken}, {"active", "entered-in-error", false, Mistaken}, {"resolved", "entered-in-error", true, Mistaken},
	} {
		if got := problemState(r.clinical, r.verification, r.ended); got != r.want {
			t.Errorf("%+v: %s", r, got)
		}
	}
}

func TestWhatIsACurrentMedicine(t *testing.T) {
	for _, r := range []struct {
		status     string
		start, end calendar.Date
		want       State
	}{
		{"active", "2026-02-20", "", Now}, {"active", "2026-02-20", "2026-03-02", Now}, {"active", "2026-02-20", "2026-03-01", Over},
		{"active", "2025-12-02", "", Now}, {"active", "2025-12-01", "", Unsure}, {"active", "", "", Unsure}, {"active", "2025-01-01", "2026-12-31", Now},
		{"on-hold", "2026-02-20", "", Unsure}, {"stopped", "2026-02-20", "2026-12-31", Over}, {"completed", "2026-02-20", "", Over},
		{"not-taken", "2026-02-20", "", Over}, {"cancelled", "2026-02-20", "", Over}, {"entered-in-error", "2026-02-20", "", Mistaken},
		{"", "2026-02-20", "", Now}, {"unknown", "2026-02-20", "", Now},
	} {
		if got := medicineState(r.status, r.start, r.end, today, 90); got != r.want {
			t.Errorf("%+v: %s", r, got)
		}
	}
}

func TestWhatIsACurrentAllergy(t *testing.T) {
	for _, r := range []struct {
		clinical, verification string
		want                   State
	}{
		{"active", "confirmed", Now}, {"", "", Now}, {"active", "unconfirmed", Unsure}, {"inactive", "", Over}, {"resolved", "", Over},
		{"active", "refuted", Mistaken}, {"", "entered-in-error", Mistaken},
	} {
		if got := allergyState(r.clinical, r.verification); got != r.want {
			t.Errorf("%+v: %s", r, got)
		}
	}
}

func TestHowRangesAreWritten(t *testing.T) {
	for _, r := range []struct {
		text  string
		value float64
		want  Flag
	}{
		{"3.9-6.1", 7.1, High}, {"3.9-6.1", 3.8, Low}, {"3.9-6.1", 6.1, Normal}, {"3.9～6.1 mmol/L", 7, High}, {"3.9—6.1", 5, Normal}, {"3.9 至 6.1", 2, Low},
		{"<5.2", 5.2, Normal}, {"<5.2", 5.3, High}, {"≤5.2", 5.3, High}, {"≥1.0", 0.9, Low}, {">1.0", 2, Normal}, {"阴性", 3, NoFlag}, {"", 3, NoFlag}, {"9-3", 5, NoFlag},
		{"-2.5-1", -3, Low},
	} {
		low, high := parseRange(r.text)
		if got := judge(r.value, low, high); got != r.want {
			t.Errorf("%v in %q: %q, want %q", r.value, r.text, got, r.want)
		}
	}
}

func points(values ...float64) []Point {
	var out []Point
	for i, v := range values {
		out = append(out, Point{At: time.Date(2026, 1, 1+i, 0, 0, 0, 0, time.UTC), Value: Value{Number: v, Exact: true}})
	}
	return out
}

func TestWhereASeriesGoes(t *testing.T) {
	for _, r := range []struct {
		values []float64
		want   Way
	}{
		{nil, Single}, {[]float64{5}, Single}, {[]float64{5, 5.5}, Level}, {[]float64{5, 5.6}, Rising}, {[]float64{5, 4.5}, Level}, {[]float64{5, 4.4}, Falling},
		{[]float64{0, 0}, Level}, {[]float64{0, 0.1}, Rising}, {[]float64{-2, -1}, Rising}, {[]float64{9, 5, 5}, Level},
	} {
		if got := wayOf(points(r.values...), 10); got != r.want {
			t.Errorf("%v: %q", r.values, got)
		}
	}
}

// A series that is turned round in time goes the other way, or stays level when
// the change is small against both ends.
func TestWaysAreOpposite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(-1e6, 1e6).Draw(t, "a"), rapid.Float64Range(-1e6, 1e6).Draw(t, "b")
		there, back := wayOf(points(a, b), 10), wayOf(points(b, a), 10)
		if there == Rising && back == Rising || there == Falling && back == Falling {
			t.Fatalf("%v %v: %s and %s", a, b, there, back)
		}
	})
}

func read(t testing.TB, body string) Fact {
	t.Helper()
	doc, err := json.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	f, ok := factOf(record.Resource{Key: record.Key{Type: doc.Root().Get("resourceType").Text(), ID: "1"}, Body: []byte(body)}, readContext{today: today, stale: 90})
	if !ok {
		t.Fatalf("not shown: %s", body)
	}
	return f
}

func TestResourcesAsFacts(t *testing.T) {
	f := read(t, `{"resourceType":"Observation","status":"final","code":{"text":"葡萄糖","coding":[{"system":"http://loinc.org","code":"2345-7"}]},
		"effectiveDateTime":"2026-02-21T10:00:00+08:00","valueQuantity":{"value":7.10,"unit":"mmol/L"},"referenceRange":[{"text":"3.9-6.1"}]}`)
	if f.Kind != Result || f.Value.Text != "7.10" || f.Value.Flag != High || f.Value.Range != "3.9-6.1" || f.DayOnly {
		t.Errorf("%+v %+v", f, f.Value)
	}
	f = read(t, `{"resourceType":"Observation","status":"final","code":{"text":"血压"},"effectiveDateTime":"2026-02-21","component":[
		{"code":{"text":"收缩压","coding":[{"code":"8480-6"}]},"valueQuantity":{"value":152,"unit":"mmHg"},"interpretation":[{"coding":[{"code":"H"}]}]},
		{"code":{"text":"舒张压","coding":[{"code":"8462-4"}]},"valueQuantity":{"value":94,"unit":"mmHg"}}]}`)
	if f.Text != "152/94 mmHg" || len(f.Values) != 2 || f.Values[0].Flag != High || f.Values[1].Flag != NoFlag || !f.DayOnly {
		t.Errorf("%+v", f)
	}
	f = read(t, `{"resourceType":"Observation","status":"entered-in-error","code":{"text":"钾"},"valueString":"6.8"}`)
	if f.State != Mistaken || !f.At.IsZero() || f.Value.Exact {
		t.Errorf("%+v", f)
	}
	f = read(t, `{"resourceType":"MedicationRequest","status":"active","medicationCodeableConcept":{"text":"氨氯地平片"},"authoredOn":"2026-02-01",
		"dosageInstruction":[{"text":"每日一次，每次 5 毫克"}],"dispenseRequest":{"expectedSupplyDuration":{"value":28,"code":"d"}}}`)
	if f.State != Over || f.Text != "每日一次，每次 5 毫克" || calendar.DateOf(f.Until) != "2026-03-01" {
		t.Errorf("a supply of 28 days is over: %+v", f)
	}
	f = read(t, `{"resourceType":"Observation","status":"final","code":{"text":"心电图"},"component":[{"code":{"text":"Ⅱ导联"},
		"valueSampledData":{"origin":{"value":10},"period":4,"factor":2,"dimensions":1,"data":"0 1 -1 E 3"}}]}`)
	if f.Kind != Image || len(f.Series) != 1 || len(f.Series[0].Points) != 4 || f.Series[0].Points[2] != 8 {
		t.Errorf("%+v", f)
	}
	f = read(t, `{"resourceType":"AllergyIntolerance","clinicalStatus":{"coding":[{"code":"active"}]},"code":{"coding":[{"code":"716186003"}],"text":"无已知过敏"}}`)
	if !f.None {
		t.Error("no known allergy is no allergy")
	}
}

// Whatever a system sends, reading it makes a fact or nothing, and never panics.
func FuzzFacts(f *testing.F) {
	f.Add("Observation", `{"component":[{"valueSampledData":{"data":"1 2"}}],"referenceRange":[{"low":{"value":1e999}}]}`)
	f.Add("MedicationStatement", `{"dosage":[{"timing":{"repeat":{"boundsPeriod":{"end":"2026-13"}}}}]}`)
	f.Add("DocumentReference", `{"content":[{"attachment":{"data":"!"}}]}`)
	f.Fuzz(func(t *testing.T, kind, body string) {
		fact, ok := factOf(record.Resource{Key: record.Key{Type: kind, ID: "1"}, Body: []byte(body)}, readContext{today: today, stale: 90})
		if !ok {
			return
		}
		c := Chart{Today: today, Facts: []Fact{fact, fact}}
		c.Overview()
		c.Timeline(Filter{})
	})
}

func rules(t testing.TB) Rules {
	t.Helper()
	book, err := policy.Load(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	r, err := rulesAt(book, policy.Place{Regions: []string{"431102", "4311", "43", "CN"}}, today)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func at(day string) time.Time {
	t, _ := when(day)
	return t
}

func TestOverviewGathersWhatHoldsToday(t *testing.T) {
	icd := func(code, name string) []Coding { return []Coding{{"http://hl7.org/fhir/sid/icd-10", code, name}} }
	glucose := func(day string, n float64, name, code, text string) Fact {
		v := Value{Text: text, Unit: "mmol/L", Number: n, Exact: true, Test: name, Range: "3.9-6.1", Flag: judge(n, bound{3.9, true}, bound{6.1, true})}
		return Fact{Kind: Result, Key: "Observation/" + day, At: at(day), Title: name, Value: &v, Values: []Value{v}, Codes: []Coding{{"http://loinc.org", code, ""}}}
	}
	c := Chart{Today: today, Rules: rules(t), Facts: []Fact{
		{Kind: Visit, Key: "encounter/1", At: at("2026-02-20"), Title: "门诊", Codes: icd("J06.900", "急性上呼吸道感染"), State: Now},
		{Kind: Visit, Key: "encounter/2", At: at("2026-01-02"), Title: "门诊", Codes: icd("J20.900", "急性支气管炎"), State: Now},
		{Kind: Visit, Key: "encounter/3", At: at("2025-06-02"), Title: "住院", Codes: icd("I10.x00x002", "高血压病"), State: Now},
		{Kind: Problem, Key: "Condition/1", At: at("2024-06-02"), Title: "原发性高血压 2 级", Codes: icd("I10.x00", ""), State: Now},
		{Kind: Problem, Key: "Condition/2", At: at("2024-06-02"), Title: "阑尾炎", Codes: icd("K35.900", ""), State: Over},
		{Kind: Problem, Key: "Condition/3", At: at("2024-06-02"), Title: "糖尿病", Codes: icd("E11.900", ""), State: Mistaken},
		glucose("2026-02-21", 7.1, "葡萄糖", "2345-7", "7.10"), glucose("2025-11-21", 5.1, "空腹血糖", "2345-7", "5.1"),
		{Kind: Allergy, Key: "AllergyIntolerance/1", Title: "无已知过敏", None: true, State: Now},
	}}
	o := c.Overview()
	if len(o.Problems) != 2 || o.Problems[0].Title != "原发性高血压 2 级" || o.Problems[0].Facts != 2 || o.Problems[1].Title != "急性上呼吸道感染" {
		t.Errorf("problems %+v", o.Problems)
	}
	if o.NoAllergy.Key == "" || len(o.Allergies) != 0 {
		t.Errorf("allergies %+v", o)
	}
	if len(o.Results) != 1 || len(o.Results[0].Points) != 2 || o.Results[0].Way != Rising || o.Results[0].Last().Value.Flag != High {
		t.Errorf("one LOINC code is one series: %+v", o.Results)
	}
	c.Facts = append(c.Facts, Fact{Kind: Allergy, Key: "AllergyIntolerance/2", Title: "青霉素", State: Now})
	if o = c.Overview(); o.NoAllergy.Key != "" || len(o.Allergies) != 1 {
		t.Errorf("a known allergy wins over none known: %+v", o)
	}
}

func TestTimelineGathersResultsAndFilters(t *testing.T) {
	v := Value{Text: "1"}
	r := func(id, day, org string) Fact {
		return Fact{Kind: Result, Key: "Observation/" + id, At: at(day), Title: id, OrgName: org, Value: &v, Values: []Value{v}}
	}
	c := Chart{Facts: []Fact{
		{Kind: Report, Key: "DiagnosticReport/1", At: at("2026-02-03"), Title: "血常规", OrgName: "甲", Parts: []string{"Observation/a", "Observation/b"}},
		r("a", "2026-02-03", "甲"), r("b", "2026-02-03", "甲"), r("c", "2026-02-02", "甲"), r("d", "2026-02-02", "甲"), r("e", "2026-02-02", "乙"),
		{Kind: Visit, At: at("2026-02-01"), Hidden: true, Title: "已隐藏"},
	}}
	all := c.Timeline(Filter{})
	if len(all) != 4 || len(all[0].Results) != 2 || len(all[1].Results) != 2 || all[2].OrgName != "乙" || !all[3].Hidden {
		t.Errorf("%d entries %+v", len(all), all)
	}
	if got := c.Timeline(Filter{Org: "乙"}); len(got) != 1 {
		t.Errorf("an institution: %+v", got)
	}
	if got := c.Timeline(Filter{Kind: Visit}); len(got) != 0 {
		t.Errorf("a hidden fact answers a filter for its kind: %+v", got)
	}
	if got := c.Timeline(Filter{From: "2026-02-02", To: "2026-02-02"}); len(got) != 2 {
		t.Errorf("days: %+v", got)
	}
	if orgs := c.Orgs(); len(orgs) != 2 {
		t.Errorf("institutions %v", orgs)
	}
}

// Each class of the clause, by code, by word, by label; and its neighbours.
func TestSensitiveClasses(t *testing.T) {
	s := rules(t).Sensitive
	for _, r := range []struct {
		fact access.Fact
		want string
	}{
		{access.Fact{Codes: []string{"F20.000"}}, "mental_health"}, {access.Fact{Codes: []string{"f32.900"}}, "mental_health"},
		{access.Fact{Codes: []string{"B24.x01"}}, "hiv_std"}, {access.Fact{Codes: []string{"Z21.x00"}}, "hiv_std"}, {access.Fact{Codes: []string{"A53.900"}}, "hiv_std"},
		{access.Fact{Codes: []string{"A16.200"}}, "tuberculosis"}, {access.Fact{Codes: []string{"B90.901"}}, "tuberculosis"},
		{access.Fact{Codes: []string{"O04.900"}}, "reproductive"}, {access.Fact{Codes: []string{"N97.900"}}, "reproductive"},
		{access.Fact{Codes: []string{"T74.100"}}, "violence"}, {access.Fact{Codes: []string{"Y04.x00"}}, "violence"},
		{access.Fact{Codes: []string{"I10.x00x002", "J06.900", "A09.900", "B18.100", "O80.900"}}, ""},
		{access.Fact{Texts: []string{"HIV 抗体"}}, "hiv_std"}, {access.Fact{Texts: []string{"hiv抗体"}}, "hiv_std"}, {access.Fact{Texts: []string{"梅毒螺旋体抗体"}}, "hiv_std"},
		{access.Fact{Texts: []string{"", "精神科"}}, "mental_health"}, {access.Fact{Texts: []string{"利福平胶囊"}}, "tuberculosis"},
		{access.Fact{Texts: []string{"葡萄糖", "心血管内科"}}, ""}, {access.Fact{Labels: []string{"PSY"}}, "mental_health"}, {access.Fact{Labels: []string{"R"}}, "restricted"},
		{access.Fact{Labels: []string{"N"}}, ""}, {access.Fact{}, ""},
	} {
		if got := s.Class(r.fact); got != r.want {
			t.Errorf("%+v: %q, want %q", r.fact, got, r.want)
		}
		if r.want != "" && s.Title(r.want) == "" {
			t.Errorf("class %s has no title", r.want)
		}
	}
	if !s.Minor(13) || s.Minor(14) || s.OpenFor() != time.Hour {
		t.Error("the age of minors or the time of an opening")
	}
}
