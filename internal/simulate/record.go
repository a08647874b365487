package simulate

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/patient"
	"yilian/internal/record"
	"yilian/internal/terminology"
)

// charted is how many residents of each centre have a record that hospitals and
// centres have sent; more would make the demo slow to start.
const charted = 12

type obj = map[string]any

// illness is a chronic disease of a resident: what is known, taken and measured.
type illness struct {
	code      string
	medicines [][2]string // name, dose
	tests     []test
}

// test is a test with its range; from and to bound what is drawn, drift is what
// a year of treatment changes.
type test struct {
	name, loinc, unit, bounds string
	from, to, drift           float64
	places                    int
}

var (
	glucose = test{"空腹血糖", "1558-6", "mmol/L", "3.9-6.1", 6.2, 10.5, -1.8, 1}
	hba1c   = test{"糖化血红蛋白", "4548-4", "%", "4.0-6.0", 6.3, 9.6, -1.2, 1}
	ldl     = test{"低密度脂蛋白胆固醇", "2089-1", "mmol/L", "<3.4", 2.2, 4.6, -0.9, 2}
	cr      = test{"肌酐", "2160-0", "μmol/L", "57-111", 58, 128, 6, 0}
	uric    = test{"尿酸", "3084-1", "μmol/L", "208-428", 290, 560, -40, 0}
	kalium  = test{"钾", "2823-3", "mmol/L", "3.5-5.3", 3.4, 4.9, 0.1, 2}
	alt     = test{"丙氨酸氨基转移酶", "1742-6", "U/L", "9-50", 12, 66, 2, 0}
)

var courses = []illness{
	{"I10.x00x002", [][2]string{{"苯磺酸氨氯地平片 5 mg", "每日 1 次，每次 1 片"}, {"缬沙坦胶囊 80 mg", "每日 1 次，每次 1 粒"}}, []test{cr, kalium}},
	{"I10.x00x002", [][2]string{{"硝苯地平控释片 30 mg", "每日 1 次，每次 1 片"}}, []test{kalium, ldl}},
	{"E11.900", [][2]string{{"盐酸二甲双胍片 0.5 g", "每日 2 次，每次 1 片，餐中"}, {"格列美脲片 2 mg", "每日 1 次，每次 1 片，早餐前"}}, []test{glucose, hba1c}},
	{"E11.900", [][2]string{{"阿卡波糖片 50 mg", "每日 3 次，每次 1 片，随餐嚼服"}}, []test{glucose, hba1c}},
	{"J44.900", [][2]string{{"噻托溴铵吸入粉雾剂 18 μg", "每日 1 次，每次吸入 1 粒"}}, []test{alt}},
	{"I25.103", [][2]string{{"阿司匹林肠溶片 100 mg", "每日 1 次，每次 1 片"}, {"阿托伐他汀钙片 20 mg", "每晚 1 次，每次 1 片"}}, []test{ldl, alt}},
	{"M10.900", [][2]string{{"非布司他片 40 mg", "每日 1 次，每次 1 片"}}, []test{uric, cr}},
	{"I69.300", [][2]string{{"阿司匹林肠溶片 100 mg", "每日 1 次，每次 1 片"}}, []test{ldl}},
	{"E78.500", [][2]string{{"瑞舒伐他汀钙片 10 mg", "每晚 1 次，每次 1 片"}}, []test{ldl, alt}},
}

// private is what is hidden from everyone without direct care.
var private = []illness{
	{"F32.900", [][2]string{{"盐酸舍曲林片 50 mg", "每日 1 次，每次 1 片"}}, nil},
	{"A16.200", [][2]string{{"异烟肼片 0.1 g", "每日 1 次，每次 3 片"}}, []test{alt}},
	{"B24.x01", nil, []test{{"CD4+T 淋巴细胞计数", "24467-3", "个/μL", "404-1612", 210, 520, 80, 0}}},
}

var allergens = [][2]string{{"青霉素", "皮疹、瘙痒"}, {"头孢曲松", "荨麻疹"}, {"磺胺类药物", "药疹"}, {"海鲜", "腹痛、风团"}, {"碘造影剂", "面部潮红、恶心"}}

// charts writes what institutions have sent about some of the residents.
func (s *simulation) charts(ctx context.Context) error {
	about := s.folk.adult(s.folk.byCentre[shuikou], calendar.DateOf(s.now)).ID
	c := &sender{simulation: s, drafts: map[int][]record.Draft{}, months: 6}
	for _, centre := range s.staff.centres() {
		n := 0
		for _, e := range s.folk.byCentre[centre] {
			if age := patient.AgeOn(e.BirthDate, calendar.DateOf(s.now)); age >= 48 && age < 88 && n < charted && e.ID != about {
				c.elder(e, s.staff.orgs[centre].ID, n)
				n++
			}
		}
		for _, e := range s.folk.byCentre[centre] {
			if age := patient.AgeOn(e.BirthDate, calendar.DateOf(s.now)); age < 6 && n < charted+2 {
				c.child(e, s.staff.orgs[centre].ID)
				n++
			}
		}
	}
	c.rich(s.folk.adult(s.folk.byCentre[shuikou], calendar.DateOf(s.now)))
	return c.write(ctx)
}

// sender gathers resources by the month in which they came.
type sender struct {
	*simulation
	months int
	drafts map[int][]record.Draft // months ago
	n      int
}

func (c *sender) put(ago int, org, who string, kind string, body obj) string {
	c.n++
	id := fmt.Sprintf("demo-%05d", c.n)
	body["resourceType"], body["id"] = kind, id
	if kind != "Binary" {
		body["subject"] = obj{"reference": "Patient/" + who}
	}
	if kind == "AllergyIntolerance" || kind == "Immunization" {
		body["patient"] = body["subject"]
		delete(body, "subject")
	}
	var raw bytes.Buffer
	enc := json.NewEncoder(&raw)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		panic(err) // maps of texts and numbers always can
	}
	c.drafts[ago] = append(c.drafts[ago], record.Draft{Body: raw.Bytes(), ID: id, Patient: who, Source: record.Source{Org: org, Client: demoClient}})
	return id
}

// day is a day some months ago, in working hours.
func (c *sender) day(ago int) time.Time {
	return c.rng.office(c.now.AddDate(0, -ago, -1-c.rng.IntN(12)))
}

func instantOf(t time.Time) string {
	return t.In(calendar.Shanghai).Truncate(time.Minute).Format(time.RFC3339)
}

func codeOf(system, code, text string) obj {
	return obj{"text": text, "coding": []obj{{"system": system, "code": code, "display": text}}}
}

func (c *sender) condition(ago int, org, who, code string, since time.Time) {
	t, _ := terminology.Get(code) // of the table above
	c.put(ago, org, who, "Condition", obj{"code": codeOf("http://hl7.org/fhir/sid/icd-10", t.Code, t.Name),
		"clinicalStatus":     codeOf("http://terminology.hl7.org/CodeSystem/condition-clinical", "active", "活动"),
		"verificationStatus": codeOf("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed", "确诊"),
		"onsetDateTime":      string(calendar.DateOf(since)), "recordedDate": instantOf(c.day(ago))})
}

func (c *sender) medicine(ago int, org, who string, m [2]string) {
	c.put(ago, org, who, "MedicationStatement", obj{"status": "active", "medicationCodeableConcept": obj{"text": m[0]},
		"effectiveDateTime": instantOf(c.day(ago)), "dosage": []obj{{"text": m[1]}}})
}

func (c *sender) observation(ago int, org, who string, t test, x float64, at time.Time) string {
	return c.put(ago, org, who, "Observation", obj{"status": "final", "code": codeOf("http://loinc.org", t.loinc, t.name), "effectiveDateTime": instantOf(at),
		"category":      []obj{codeOf("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "检验")},
		"valueQuantity": obj{"value": json.Number(fmt.Sprintf("%.*f", t.places, x)), "unit": t.unit}, "referenceRange": []obj{{"text": t.bounds}}})
}

func (c *sender) pressure(ago int, org, who string, high, low int, at time.Time) {
	part := func(loinc, name, bounds string, x int) obj {
		return obj{"code": codeOf("http://loinc.org", loinc, name), "valueQuantity": obj{"value": x, "unit": "mmHg"}, "referenceRange": []obj{{"text": bounds}}}
	}
	c.put(ago, org, who, "Observation", obj{"status": "final", "code": codeOf("http://loinc.org", "85354-9", "血压"), "effectiveDateTime": instantOf(at),
		"component": []obj{part("8480-6", "收缩压", "<140", high), part("8462-4", "舒张压", "<90", low)}})
}

// elder is a resident with a chronic disease, followed over months.
func (c *sender) elder(e patient.Entry, org string, n int) {
	ill := courses[(n+c.rng.IntN(2))%len(courses)]
	if n == 7 {
		ill = pick(c.rng, private)
	}
	since := c.now.AddDate(-1-c.rng.IntN(12), -c.rng.IntN(12), 0)
	c.condition(5, org, e.ID, ill.code, since)
	for _, m := range ill.medicines {
		c.medicine(c.rng.IntN(2), org, e.ID, m)
	}
	switch p := c.rng.IntN(100); {
	case p < 22:
		a := pick(c.rng, allergens)
		c.put(5, org, e.ID, "AllergyIntolerance", obj{"code": obj{"text": a[0]}, "recordedDate": string(calendar.DateOf(since)),
			"clinicalStatus": codeOf("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active", "活动"),
			"reaction":       []obj{{"manifestation": []obj{{"text": a[1]}}}}})
	case p < 60:
		c.put(5, org, e.ID, "AllergyIntolerance", obj{"code": codeOf("http://snomed.info/sct", "716186003", "无已知过敏"), "recordedDate": string(calendar.DateOf(since)),
			"clinicalStatus": codeOf("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active", "活动")})
	}
	for _, t := range ill.tests {
		c.series(e, org, t, 2)
	}
	high := 128 + c.rng.IntN(34)
	for _, ago := range []int{4, 0} {
		c.pressure(ago, org, e.ID, high-4*(4-ago)+c.rng.IntN(6), 74+c.rng.IntN(20), c.day(ago))
	}
}

// series is a test over the months, the newest last, drifting as it does under
// treatment.
func (c *sender) series(e patient.Entry, org string, t test, points int) {
	x := t.from + c.rng.Float64()*(t.to-t.from)
	for i := range points {
		ago := (points - 1 - i) * c.months / points
		c.observation(ago, org, e.ID, t, math.Max(t.from*0.7, x+t.drift*float64(i)/float64(points)+(c.rng.Float64()-0.5)*(t.to-t.from)/12), c.day(ago))
	}
}

// child has been vaccinated.
func (c *sender) child(e patient.Entry, org string) {
	for i, v := range []string{"乙型肝炎疫苗", "百白破疫苗", "麻腮风疫苗"} {
		at := e.BirthDate.AddDays(30 + 180*i).Time()
		if at.After(c.now) {
			return
		}
		c.put(5, org, e.ID, "Immunization", obj{"status": "completed", "vaccineCode": obj{"text": v}, "occurrenceDateTime": string(calendar.DateOf(at)),
			"lotNumber": fmt.Sprintf("%d%05d", at.Year(), c.rng.IntN(100000)), "protocolApplied": []obj{{"doseNumberPositiveInt": 1}}})
	}
}

// rich is the record of one resident who has been about: the county hospital,
// the centre, a stay with its papers, an electrocardiogram, a scan.
func (c *sender) rich(e patient.Entry) {
	hospital, centre := c.staff.orgs[fourth].ID, c.staff.orgs[shuikou].ID
	c.condition(5, hospital, e.ID, "I10.x00x002", c.now.AddDate(-8, 0, 0))
	c.condition(5, hospital, e.ID, "E11.900", c.now.AddDate(-5, 0, 0))
	c.condition(3, hospital, e.ID, "I25.103", c.now.AddDate(-1, -2, 0))
	for _, m := range [][2]string{courses[0].medicines[0], courses[2].medicines[0], courses[5].medicines[0], courses[5].medicines[1]} {
		c.medicine(1, centre, e.ID, m)
	}
	c.put(5, hospital, e.ID, "AllergyIntolerance", obj{"code": obj{"text": "青霉素"}, "recordedDate": "2019-05-14", "criticality": "high",
		"clinicalStatus": codeOf("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active", "活动"),
		"reaction":       []obj{{"manifestation": []obj{{"text": "皮疹、呼吸困难"}}, "severity": "severe"}}})
	for _, t := range []test{glucose, hba1c, ldl, cr} {
		c.series(e, hospital, t, 6)
	}
	for ago := 5; ago >= 0; ago-- {
		c.pressure(ago, centre, e.ID, 136+ago*4+c.rng.IntN(5), 82+ago*2, c.day(ago))
	}
	c.bloodCount(e, hospital)
	c.put(3, hospital, e.ID, "ImagingStudy", obj{"status": "available", "started": instantOf(c.day(3)), "description": "冠状动脉 CT 血管造影",
		"modality": []obj{{"code": "CT"}}, "numberOfSeries": 4, "numberOfInstances": 612, "note": []obj{{"text": "影像保存在市四医院影像中心"}}})
	c.put(2, centre, e.ID, "Observation", obj{"status": "final", "code": codeOf("http://loinc.org", "11524-6", "心电图"), "effectiveDateTime": instantOf(c.day(2)),
		"component": []obj{{"code": obj{"text": "Ⅱ 导联"}, "valueSampledData": obj{"origin": obj{"value": 0}, "period": 8, "factor": 0.01, "dimensions": 1, "data": beats()}}}})
	c.put(0, centre, e.ID, "Immunization", obj{"status": "completed", "vaccineCode": obj{"text": "四价流感病毒裂解疫苗"}, "occurrenceDateTime": string(calendar.DateOf(c.day(0))),
		"protocolApplied": []obj{{"doseNumberPositiveInt": 1}}})
	c.discharge(e, hospital)
}

func (c *sender) bloodCount(e patient.Entry, org string) {
	at := c.day(3)
	var refs []obj
	for _, x := range []struct {
		test
		value float64
	}{{test{name: "白细胞", loinc: "6690-2", unit: "10^9/L", bounds: "3.5-9.5", places: 2}, 10.42}, {test{name: "血红蛋白", loinc: "718-7", unit: "g/L", bounds: "115-175"}, 128},
		{test{name: "血小板", loinc: "777-3", unit: "10^9/L", bounds: "125-350"}, 214}, {test{name: "中性粒细胞百分比", loinc: "770-8", unit: "%", bounds: "40-75", places: 1}, 78.3}} {
		refs = append(refs, obj{"reference": "Observation/" + c.observation(3, org, e.ID, x.test, x.value, at)})
	}
	c.put(3, org, e.ID, "DiagnosticReport", obj{"status": "final", "code": codeOf("http://loinc.org", "58410-2", "血常规"), "effectiveDateTime": instantOf(at), "result": refs,
		"category":   []obj{codeOf("http://terminology.hl7.org/CodeSystem/v2-0074", "HM", "血液")},
		"conclusion": "白细胞及中性粒细胞百分比轻度升高"})
}

// beats is a rhythm of invented heart beats, five seconds of it.
func beats() string {
	bump := func(t, at, width, height float64) float64 { return height * math.Exp(-(t-at)*(t-at)/(2*width*width)) }
	var b strings.Builder
	for i := range 625 {
		t := math.Mod(float64(i)*0.008, 0.82)
		v := bump(t, 0.14, 0.022, 14) - bump(t, 0.265, 0.008, 12) + bump(t, 0.285, 0.009, 110) - bump(t, 0.305, 0.009, 24) + bump(t, 0.5, 0.045, 26)
		fmt.Fprintf(&b, "%d ", int(math.Round(v)))
	}
	return strings.TrimSpace(b.String())
}

// discharge is a summary as a shared document, kept whole.
func (c *sender) discharge(e patient.Entry, org string) {
	at := c.day(3)
	section := func(title, text string) string {
		return "<component><section><title>" + title + "</title><text><paragraph>" + text + "</paragraph></text></section></component>"
	}
	doc := `<?xml version="1.0" encoding="UTF-8"?><ClinicalDocument xmlns="urn:hl7-org:v3"><id root="2.16.156.10011.1.1" extension="DEMO-CY-001"/><code code="C0053" displayName="出院小结"/>` +
		`<title>出院小结</title><effectiveTime value="` + at.In(calendar.Shanghai).Format("20060102150405") + `"/><recordTarget><patientRole><patient><name>` + e.Name +
		`</name><administrativeGenderCode code="` + e.Sex + `"/><birthTime value="` + strings.ReplaceAll(string(e.BirthDate), "-", "") + `"/></patient></patientRole></recordTarget>` +
		`<author><assignedAuthor><assignedPerson><name>心血管内科医师</name></assignedPerson></assignedAuthor></author>` +
		`<custodian><assignedCustodian><representedCustodianOrganization><name>` + fourth + `</name></representedCustodianOrganization></assignedCustodian></custodian>` +
		`<component><structuredBody>` + section("入院情况", "反复活动后胸闷 2 月，加重 1 周入院。既往高血压 8 年、2 型糖尿病 5 年。青霉素过敏。") +
		section("诊疗经过", "冠状动脉 CT 血管造影示前降支中段轻中度狭窄。予抗血小板、调脂、降压、降糖治疗，症状缓解。") +
		section("出院诊断", "冠状动脉粥样硬化性心脏病；高血压病；2 型糖尿病") +
		section("出院医嘱", "阿司匹林、阿托伐他汀、氨氯地平、二甲双胍按时服用；低盐低脂糖尿病饮食；2 周后在水口山镇中心卫生院复查血压、血糖，3 个月后复查血脂、肝功能。") +
		`</structuredBody></component></ClinicalDocument>`
	binary := c.put(3, org, e.ID, "Binary", obj{"contentType": "application/xml", "data": base64.StdEncoding.EncodeToString([]byte(doc))})
	c.put(3, org, e.ID, "DocumentReference", obj{"status": "current", "date": instantOf(at), "description": "出院小结", "type": obj{"text": "出院小结"},
		"author": []obj{{"display": "心血管内科医师"}}, "custodian": obj{"display": fourth},
		"content": []obj{{"attachment": obj{"contentType": "application/xml", "url": "Binary/" + binary, "title": "出院小结"}}}})
}

// write stores the resources, the oldest month first, each at its time.
func (c *sender) write(ctx context.Context) error {
	defer c.at(c.now)
	for ago := c.months; ago >= 0; ago-- {
		c.at(c.now.AddDate(0, -ago, 0).Add(-time.Hour))
		err := c.app.DB.Tx(ctx, func(tx *db.Tx) error {
			for _, d := range c.drafts[ago] {
				if _, err := c.app.Record.Create(ctx, tx, d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
