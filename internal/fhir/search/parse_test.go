package search

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"yilian/internal/errs"
	"yilian/internal/fhir/spec"
)

var now = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC).UnixMilli()

func ms(s string) int64 {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t.UnixMilli()
}

func query(t *testing.T, typ, q string) *Query {
	t.Helper()
	out, err := ParseQuery(typ, q, Options{Strict: true, Now: now, Own: []string{"_page"}})
	if err != nil {
		t.Fatalf("%s?%s: %v", typ, q, err)
	}
	return out
}

// describe writes a clause so that a table can hold it.
func describe(c Clause) string {
	var s strings.Builder
	if c.Param != nil {
		s.WriteString(c.Param.Code)
	}
	if c.Modifier != Plain {
		s.WriteString(":" + string(c.Modifier))
	}
	switch {
	case c.Has != nil:
		fmt.Fprintf(&s, "has(%s.%s %s)", c.Has.Type, c.Has.Param.Code, describe(c.Has.Clause))
	case c.Chain != nil:
		for _, l := range c.Chain {
			fmt.Fprintf(&s, " >%s.%s", l.Type, describe(l.Clause))
		}
	case c.Modifier == Missing:
		fmt.Fprintf(&s, "=%v", c.Absent)
	}
	for _, t := range c.Terms {
		s.WriteString(" " + describeTerm(t))
	}
	return s.String()
}

func describeTerm(t Term) string {
	switch t := t.(type) {
	case TokenTerm:
		switch {
		case t.AnySystem:
			return fmt.Sprintf("token(*|%s)", t.Code)
		case t.AnyCode:
			return fmt.Sprintf("token(%s|*)", t.System)
		}
		return fmt.Sprintf("token(%s|%s)", t.System, t.Code)
	case TextTerm:
		return fmt.Sprintf("text(%s/%s)", t.Exact, t.Norm)
	case ReferenceTerm:
		return fmt.Sprintf("ref(%s %s/%s v%s %s %s)", t.Base, t.Type, t.ID, t.Version, t.URL, strings.Join(t.Types, "+"))
	case DateTerm:
		at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z") }
		return fmt.Sprintf("date(%s %s %s)", t.Prefix, at(t.Period.From), at(t.Period.To))
	case NumberTerm:
		return fmt.Sprintf("num(%s %v [%v %v))", t.Prefix, t.Value, t.Low, t.High)
	case QuantityTerm:
		return fmt.Sprintf("qty(%s %v [%v %v) %v %s|%s)", t.Prefix, t.Value, t.Low, t.High, t.HasUnit, t.Unit.System, t.Unit.Code)
	case URITerm:
		return "uri(" + t.URI + ")"
	case SetTerm:
		return "set(" + t.URL + ")"
	case NearTerm:
		return fmt.Sprintf("near(%v %v %vm)", t.Latitude, t.Longitude, t.Meters)
	case CompositeTerm:
		var parts []string
		for _, p := range t.Parts {
			parts = append(parts, describeTerm(p))
		}
		return strings.Join(parts, "&")
	}
	return "?"
}

func TestConditions(t *testing.T) {
	for _, c := range []struct{ typ, query, want string }{
		// token
		{"Patient", "gender=male,female", "gender token(*|male) token(*|female)"},
		{"Patient", "identifier=urn:x|1", "identifier token(urn:x|1)"},
		{"Patient", "identifier=|1", "identifier token(|1)"},
		{"Patient", "identifier=urn:x|", "identifier token(urn:x|*)"},
		{"Patient", `identifier=a\|b\,c\$d\\e`, `identifier token(*|a|b,c$d\e)`},
		{"Patient", "identifier=urn%3Ax%7C1%2C2", "identifier token(urn:x|1) token(*|2)"},
		{"Patient", "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|123", "identifier:of-type token(http://terminology.hl7.org/CodeSystem/v2-0203|MR|123)"},
		{"Patient", "gender:not=male", "gender:not token(*|male)"},
		{"Condition", "code:text=Head Ache", "code:text text(Head Ache/head ache)"},
		{"Condition", "code:in=http://x/vs|1", "code:in set(http://x/vs|1)"},
		{"Condition", "code:not-in=http://x/vs", "code:not-in set(http://x/vs)"},
		{"Condition", "code:below=http://x|C1", "code:below token(http://x|C1)"},
		{"Patient", "gender:missing=true", "gender:missing=true"},
		{"Patient", "_id=a,b", "_id token(*|a) token(*|b)"},
		// string
		{"Patient", "name=%E7%8E%8B+%EF%BC%A1%C3%A9", "name text(王 Ａé/王 ae)"},
		{"Patient", "family:exact=Müller", "family:exact text(Müller/muller)"},
		{"Patient", "name:contains=ller", "name:contains text(ller/ller)"},
		// reference
		{"Observation", "subject=Patient/1", "subject ref( Patient/1 v Patient/1 )"},
		{"Observation", "patient=1", "patient ref( /1 v 1 Group+Patient)"},
		{"Account", "patient=1", "patient ref( Patient/1 v  )"},
		{"Observation", "subject:Patient=1", "subject ref( Patient/1 v  )"},
		{"Observation", "subject:Patient=Patient/1", "subject ref( Patient/1 v Patient/1 )"},
		{"Observation", "subject=http://x.org/fhir/Patient/1/_history/2", "subject ref(http://x.org/fhir Patient/1 v2 http://x.org/fhir/Patient/1 )"},
		{"Observation", "subject=urn:uuid:5c7f", "subject ref( / v urn:uuid:5c7f )"},
		{"Observation", "subject:identifier=urn:x|1", "subject:identifier token(urn:x|1)"},
		{"QuestionnaireResponse", "questionnaire=http://x/q|2.0", "questionnaire ref( / v2.0 http://x/q )"},
		// date
		{"Patient", "birthdate=1990", "birthdate date(eq 1989-12-31T16:00:00Z 1990-12-31T16:00:00Z)"},
		{"Patient", "birthdate=ge1990-02", "birthdate date(ge 1990-01-31T16:00:00Z 1990-02-28T16:00:00Z)"},
		{"Observation", "date=lt2020-02-29", "date date(lt 2020-02-28T16:00:00Z 2020-02-29T16:00:00Z)"},
		{"Observation", "date=sa2020-01-01T10:00", "date date(sa 2020-01-01T02:00:00Z 2020-01-01T02:01:00Z)"},
		{"Observation", "date=eb2020-01-01T10:00:00Z", "date date(eb 2020-01-01T10:00:00Z 2020-01-01T10:00:01Z)"},
		{"Observation", "date=2020-01-01T10:00:00.5%2B01:00", "date date(eq 2020-01-01T09:00:00.5Z 2020-01-01T09:00:00.6Z)"},
		{"Observation", "date=2020-01-01T10:00:00+01:00", "date date(eq 2020-01-01T09:00:00Z 2020-01-01T09:00:01Z)"},
		{"Observation", "date=ap2026-11-17T00:00:00Z", "date date(ap 2026-11-16T00:00:00.05Z 2026-11-18T00:00:00.95Z)"},
		// number and quantity
		{"RiskAssessment", "probability=0.8", "probability num(eq 0.8 [0.75 0.85))"},
		{"RiskAssessment", "probability=gt100", "probability num(gt 100 [99.5 100.5))"},
		{"RiskAssessment", "probability=5.40e-3", "probability num(eq 0.0054 [0.005395 0.005405))"},
		{"RiskAssessment", "probability=-5.4", "probability num(eq -5.4 [-5.45 -5.35))"},
		{"RiskAssessment", "probability=ap10", "probability num(ap 10 [9 11))"},
		{"Observation", "value-quantity=le5.4|http://unitsofmeasure.org|mg", "value-quantity qty(le 5.4 [5.35 5.45) true http://unitsofmeasure.org|mg)"},
		{"Observation", "value-quantity=5||mmol", "value-quantity qty(eq 5 [4.5 5.5) true |mmol)"},
		{"Observation", "value-quantity=5", "value-quantity qty(eq 5 [4.5 5.5) false |)"},
		// uri, composite, special
		{"ValueSet", "url:below=http://x/a", "url:below uri(http://x/a)"},
		{"Observation", "code-value-quantity=http://loinc.org|8480-6$gt140||mm[Hg]", "code-value-quantity token(http://loinc.org|8480-6)&qty(gt 140 [139.5 140.5) true |mm[Hg])"},
		{"Observation", "code-value-string=a$b,c$d", "code-value-string token(*|a)&text(b/b) token(*|c)&text(d/d)"},
		{"Location", "near=34.7|113.6|5|km", "near near(34.7 113.6 5000m)"},
		{"Location", "near=34.7|113.6", "near near(34.7 113.6 10000m)"},
		// chains
		{"Observation", "subject:Patient.name=peter", "subject >Patient.name text(peter/peter)"},
		{"Observation", "subject.name:exact=peter", "subject >Location.name:exact text(peter/peter) >Patient.name:exact text(peter/peter)"},
		{"Observation", "patient.organization.name=x", "patient >Patient.organization >Organization.name text(x/x)"},
		{"Patient", "_has:Observation:patient:code=1234-5", "has(Observation.patient code token(*|1234-5))"},
		{"Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent=Practitioner/1", "has(Observation.patient has(AuditEvent.entity agent ref( Practitioner/1 v Practitioner/1 )))"},
		{"Patient", "_has:Observation:patient:encounter.identifier=1", "has(Observation.patient encounter >Encounter.identifier token(*|1) >EpisodeOfCare.identifier token(*|1))"},
		{"Encounter", "patient._has:Group:member:_id=102", "patient >Group.has(Group.member _id token(*|102)) >Patient.has(Group.member _id token(*|102))"},
	} {
		q, err := ParseQuery(c.typ, c.query, Options{Strict: true, Now: now})
		if err != nil || len(q.Where) != 1 {
			t.Errorf("%s?%s: %v", c.typ, c.query, err)
			continue
		}
		if got := describe(q.Where[0]); got != c.want {
			t.Errorf("%s?%s\n got %s\nwant %s", c.typ, c.query, got, c.want)
		}
	}
}

// What is wrong is refused with a sentence, in lenient handling as well.
func TestMistakesAreRefused(t *testing.T) {
	for _, c := range []struct{ typ, query string }{
		{"Patient", "name=%zz"}, {"Patient", "gender=a|b|c"}, {"Patient", "gender=|"}, {"Patient", "gender=male,"},
		{"Patient", "gender:exact=male"}, {"Patient", "name:not=x"}, {"Patient", "gender:missing=perhaps"}, {"Patient", "gender:of-type=a|b|c"},
		{"Patient", "identifier:of-type=a|b"}, {"Patient", "name=%20"}, {"Patient", "birthdate=yesterday"}, {"Patient", "birthdate=1990-13"},
		{"Patient", "birthdate=1990-02-30"}, {"Patient", "birthdate=xx1990"}, {"Patient", "birthdate:exact=1990"},
		{"Observation", "date=2020-01-01T25:00:00Z"}, {"Observation", "date=2020-01-01T10:00:00.x"}, {"Observation", "date=2020-01-01T10:00:00%2B99:00"},
		{"Observation", "subject:Patient=Group/1"}, {"Observation", "subject:Organization=1"}, {"Observation", "subject:nothing=1"},
		{"Observation", "value-quantity=x"}, {"Observation", "value-quantity=5|mg"}, {"Observation", "value-quantity=5|u|"}, {"Observation", "value-quantity=1e999999999"},
		{"RiskAssessment", "probability=1_0"}, {"RiskAssessment", "probability=0x1p4"}, {"RiskAssessment", "probability=1."}, {"RiskAssessment", "probability=1/2"},
		{"Observation", "code-value-quantity=a"}, {"Observation", "code-value-quantity=a$5$6"}, {"Observation", "code-value-quantity=a$"}, {"Observation", "code-value-quantity=$5"},
		{"Location", "near=91|0"}, {"Location", "near=1"}, {"Location", "near=1|2|3|ft"}, {"Location", "near=NaN|2"},
		{"Observation", "code.text=x"}, {"Observation", "subject:identifier.name=x"}, {"Observation", "subject:missing.name=x"},
		{"Patient", "_has:Observation:patient=1"}, {"Patient", "_has:Nothing:patient:code=1"}, {"Patient", "_has:Observation:code:code=1"},
		{"Patient", "_has:Observation:device:code=1"},
		{"Patient", "link.link.link.link.link.name=x"}, {"Provenance", "target.subject._id=x"},
		{"Patient", "_count=-1"}, {"Patient", "_count=many"}, {"Patient", "_count=1&_count=2"}, {"Patient", "_total=some"}, {"Patient", "_summary=some"},
		{"Patient", "_pretty=1"}, {"Patient", "_count:exact=1"}, {"Patient", "_include:often=Patient:organization"}, {"", "_type=Nothing"},
		{"Patient", "name=" + strings.Repeat("x", maxLength)}, {"Patient", strings.Repeat("gender=male&", 201)}, {"Patient", "gender=" + strings.Repeat("male,", 500) + "male"},
	} {
		q, err := ParseQuery(c.typ, c.query, Options{Now: now})
		if !errs.Is(err, errs.Invalid) || q != nil {
			t.Errorf("%s?%.60s: %v", c.typ, c.query, err)
		}
	}
}

// What cannot be served is an error when handling is strict, and named otherwise.
func TestNothingIsIgnoredSilently(t *testing.T) {
	for _, c := range []struct{ typ, query, reason string }{
		{"Patient", "nothing=1", "Patient 没有名为 nothing 的检索参数"},
		{"Patient", "_text=x", "本系统不支持 _text"},
		{"Patient", "_filter=x", "本系统不支持 _filter"},
		{"Patient", "gender=", "没有给出值"},
		{"Patient", "_type=Patient", "只用于跨类型检索"},
		{"Patient", "_sort=nothing", "不能按 nothing 排序，没有这个检索参数"},
		{"Observation", "_sort=code-value-quantity", "不能按组合参数或特殊参数 code-value-quantity 排序"},
		{"Patient", "_elements=nothing", "没有名为 nothing 的元素"},
		{"Patient", "_contained=true", "不支持检索内含资源，只能是 false"},
		{"Patient", "_include=Patient", "应当写作 类型:参数 或 类型:参数:目标类型"},
		{"Patient", "_include=Nothing:x", "没有名为 Nothing 的资源类型"},
		{"Patient", "_include=Patient:name", "Patient 没有名为 name 的引用参数"},
		{"Patient", "_include=Patient:organization:Patient", "organization 不会指向 Patient"},
		{"Patient", "_include=Observation:patient", "结果中没有 Observation，要从带入的资源继续时请用 :iterate"},
		{"Patient", "_revinclude=Observation:device", "device 不会指向 Patient"},
		{"Patient", "_revinclude=*", "应当写作 类型:参数 或 类型:参数:目标类型"},
		{"Observation", "subject.nothing=1", "subject 所指的各类型都没有检索参数 nothing"},
		{"Observation", "subject:Patient.nothing=1", "Patient 没有名为 nothing 的检索参数"},
		{"", "gender=male", "所检索的各类型没有共同的检索参数 gender"},
		{"", "_type=Patient,Observation&gender=male", "所检索的各类型没有共同的检索参数 gender"},
	} {
		q, err := ParseQuery(c.typ, c.query, Options{Now: now})
		if err != nil || len(q.Ignored) != 1 || q.Ignored[0].Reason != c.reason {
			t.Errorf("%s?%s: %v %+v", c.typ, c.query, err, q)
			continue
		}
		for _, a := range q.Applied {
			if a.Name == q.Ignored[0].Name && a.Value == q.Ignored[0].Value {
				t.Errorf("%s?%s is applied as well", c.typ, c.query)
			}
		}
		if _, err := ParseQuery(c.typ, c.query, Options{Strict: true, Now: now}); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s?%s, strict: %v", c.typ, c.query, err)
		}
	}
}

func TestResultParameters(t *testing.T) {
	q := query(t, "Observation", "_count=20&_sort=-date,code&_total=accurate&_summary=data&_elements=code,value&_page=xyz"+
		"&_include=Observation:subject:Patient&_include:iterate=Patient:organization&_include=*&_revinclude=Provenance:target&_format=json&_pretty=true&status=final")
	if q.Count != 20 || q.Total != TotalAccurate || q.Summary != SummaryData || strings.Join(q.Elements, " ") != "code value" ||
		q.Own["_page"] != "xyz" || q.Format != "json" || !q.Pretty || len(q.Where) != 1 {
		t.Errorf("%+v", q)
	}
	if len(q.Sort) != 2 || q.Sort[0].Param.Code != "date" || !q.Sort[0].Descending || q.Sort[1].Descending {
		t.Errorf("%+v", q.Sort)
	}
	if len(q.Includes) != 3 || q.Includes[0].Target != "Patient" || !q.Includes[1].Iterate || q.Includes[2].Source != "" || q.Includes[2].Param != nil {
		t.Errorf("%+v", q.Includes)
	}
	if len(q.RevIncludes) != 1 || q.RevIncludes[0].Source != "Provenance" {
		t.Errorf("%+v", q.RevIncludes)
	}
	if len(q.Applied) != 12 {
		t.Errorf("%v", q.Applied)
	}
	if q := query(t, "Patient", ""); q.Count != -1 || len(q.Where) != 0 {
		t.Errorf("%+v", q)
	}
	lenient, err := ParseQuery("Patient", "_sort=name,nothing,-_id&_elements=name,nothing", Options{})
	if err != nil || fmt.Sprint(lenient.Applied) != "[{_sort name,-_id} {_elements name}]" || len(lenient.Ignored) != 2 {
		t.Errorf("%v %+v", err, lenient)
	}
}

func TestSystemSearch(t *testing.T) {
	q := query(t, "", "_type=Observation,Condition&patient=Patient/1&_lastUpdated=gt2026")
	if strings.Join(q.Types, " ") != "Observation Condition" || len(q.Where) != 2 {
		t.Errorf("%+v", q)
	}
	if q := query(t, "", "_id=1"); len(q.Types) != 0 || len(q.Where) != 1 {
		t.Errorf("%+v", q)
	}
}

func TestAllMistakesAreNamedAtOnce(t *testing.T) {
	_, err := ParseQuery("Patient", "birthdate=x&_count=y&name:not=z", Options{})
	if err == nil || strings.Count(err.Error(), "检索参数") != 3 {
		t.Fatal(err)
	}
}

func TestBounds(t *testing.T) {
	day := Period{ms("2020-01-01T00:00:00Z"), ms("2020-01-02T00:00:00Z")}
	stored := map[string]Period{
		"before":  {day.From - 20, day.From - 10},
		"overlap": {day.From - 10, day.From + 10},
		"within":  {day.From + 10, day.From + 20},
		"around":  {day.From - 10, day.To + 10},
		"end":     {day.To - 10, day.To + 10},
		"after":   {day.To + 10, day.To + 20},
		"open":    {day.From + 10, MaxTime},
	}
	for prefix, want := range map[Prefix]string{
		Equal: "within", NotEqual: "before overlap around end after open",
		Greater: "around end after open", Less: "before overlap around",
		GreaterEqual: "within around end after open", LessEqual: "before overlap within around",
		StartsAfter: "after", EndsBefore: "before", Approximate: "overlap within around end open",
	} {
		got := map[string]bool{}
		for name, p := range stored {
			got[name] = holds(DateTerm{prefix, day}.Bounds(), p.From, p.To)
		}
		for name := range stored {
			if got[name] != (strings.Contains(" "+want+" ", " "+name+" ")) {
				t.Errorf("%s %s: %v", prefix, name, got[name])
			}
		}
	}
	for _, c := range []struct {
		query     string
		low, high float64
		want      bool
	}{
		{"5.4", 5.35, 5.35, true}, {"5.4", 5.45, 5.45, false}, {"5.4", 5.4, 5.4, true}, {"ne5.4", 5.45, 5.45, true}, {"ne5.4", 5.4, 5.4, false},
		{"gt5.4", 5.4, 5.4, false}, {"gt5.4", 5.41, 5.41, true}, {"gt5.4", 5, 6, true}, {"ge5.4", 5.4, 5.4, true}, {"lt5.4", 5.39, 5.39, true},
		{"lt5.4", 5.4, 5.4, false}, {"le5.4", 5.4, 5.4, true}, {"sa5", 4, 6, false}, {"sa5", 6, 7, true}, {"eb5", 4, 6, false}, {"eb5", 3, 4, true},
		{"ap100", 109, 109, true}, {"ap100", 111, 111, false}, {"5", -huge, 5, false}, {"lt5", -huge, 5, true},
	} {
		term, fault := numberTerm(c.query)
		if fault != "" || holds(term.(NumberTerm).Bounds(), c.low, c.high) != c.want {
			t.Errorf("%s with [%v %v]: %v", c.query, c.low, c.high, !c.want)
		}
	}
}

func holds[T int64 | float64](any [][]Bound[T], start, end T) bool {
	for _, all := range any {
		ok := true
		for _, b := range all {
			v := start
			if b.Column == End {
				v = end
			}
			switch b.Op {
			case "<":
				ok = ok && v < b.Value
			case "<=":
				ok = ok && v <= b.Value
			case ">":
				ok = ok && v > b.Value
			case ">=":
				ok = ok && v >= b.Value
			default:
				panic(b.Op)
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// FuzzParseQuery: no request panics, and what is understood names its parameters.
func FuzzParseQuery(f *testing.F) {
	for _, q := range []string{
		"name=a&gender:not=b", "subject:Patient.name:exact=x", "_has:Observation:patient:code=1", "date=ap2020-01-01T00:00:00.000+08:00",
		`code-value-quantity=a\$b$le5.40e-3|u|c`, "_include:iterate=*&_sort=-date&_elements=a,b", "near=1|2|3|km", "%zz=%&=&&a", `a=\`, "link.link.link.name=x",
	} {
		f.Add("Patient", q)
		f.Add("Observation", q)
		f.Add("", q)
	}
	f.Fuzz(func(t *testing.T, typ, q string) {
		if typ != "" && !spec.IsResource(typ) {
			return
		}
		for _, strict := range []bool{false, true} {
			out, err := ParseQuery(typ, q, Options{Strict: strict, Now: now})
			if err != nil {
				if !errs.Is(err, errs.Invalid) {
					t.Fatal(err)
				}
				continue
			}
			for _, c := range out.Where {
				if c.Param == nil && c.Has == nil {
					t.Fatalf("%s: a clause without a parameter", q)
				}
			}
			if strict && len(out.Ignored) > 0 {
				t.Fatalf("%s: ignored in strict handling", q)
			}
		}
	})
}
