package chart

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/fhir/json"
	"yilian/internal/record"
)

// readers say how each type of resource becomes a fact; a type that is not here
// is not shown in a chart.
var readers = map[string]func(json.Node, *Fact, readContext){
	"Condition": condition, "MedicationStatement": medication, "MedicationRequest": medication, "MedicationDispense": medication,
	"AllergyIntolerance": allergy, "Observation": observation, "DiagnosticReport": report, "DocumentReference": document,
	"Immunization": immunization, "Procedure": procedure, "ImagingStudy": imaging, "Media": media, "Encounter": visit,
	"ServiceRequest": order, "Appointment": appointment, "CarePlan": other, "FamilyMemberHistory": other, "ClinicalImpression": other,
}

// Types returns the types of resources that a chart shows.
func Types() []string {
	out := make([]string, 0, len(readers))
	for t := range readers {
		out = append(out, t)
	}
	return out
}

// readContext is what reading needs beside the resource.
type readContext struct {
	today calendar.Date
	stale int
}

// factOf reads a resource; ok is false for what a chart does not show.
func factOf(r record.Resource, rc readContext) (f Fact, ok bool) {
	read := readers[r.Type]
	if read == nil || r.Body == nil {
		return f, false
	}
	doc, err := json.Parse(r.Body)
	if err != nil {
		return f, false
	}
	n := doc.Root()
	f = Fact{Key: r.Key.String(), Org: r.Source.Org, Recorded: r.At, Version: r.Version}
	for s := range n.Get("meta").Get("security").Items() {
		f.labels = append(f.labels, s.Get("code").Text())
	}
	read(n, &f, rc)
	f.Title = cmp.Or(strings.TrimSpace(f.Title), "（来源没有写明名称）")
	for _, p := range []json.Node{n.Get("performer").At(0), n.Get("asserter"), n.Get("author").At(0), n.Get("recorder"), n.Get("requester"), n.Get("author")} {
		if f.By == "" {
			f.By = cmp.Or(p.Get("display").Text(), p.Get("actor").Get("display").Text())
		}
	}
	f.OrgName = cmp.Or(n.Get("custodian").Get("display").Text(), n.Get("serviceProvider").Get("display").Text())
	return f, true
}

// concept is the text of a CodeableConcept and its codes.
func concept(n json.Node) (text string, codes []Coding) {
	for c := range n.Get("coding").Items() {
		codes = append(codes, Coding{c.Get("system").Text(), c.Get("code").Text(), c.Get("display").Text()})
	}
	text = n.Get("text").Text()
	for _, c := range codes {
		text = cmp.Or(text, c.Display)
	}
	if text == "" && len(codes) > 0 {
		text = codes[0].Code
	}
	return text, codes
}

func code(n json.Node, name string) string { return n.Get(name).Get("coding").At(0).Get("code").Text() }

// when reads a FHIR date, dateTime or instant; day tells that no time stands in it.
func when(text string) (at time.Time, day bool) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), false
	}
	for _, layout := range []string{"2006-01-02", "2006-01", "2006"} {
		if t, err := time.ParseInLocation(layout, text, calendar.Shanghai); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// firstTime is the first of several members that holds a time.
func (f *Fact) firstTime(n json.Node, names ...string) {
	for _, name := range names {
		x := n.Get(name)
		text := cmp.Or(x.Text(), x.Get("start").Text())
		if at, day := when(text); !at.IsZero() {
			f.At, f.DayOnly = at, day
			return
		}
	}
}

func lines(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, "；")
}

func notes(n json.Node) string {
	var out []string
	for x := range n.Get("note").Items() {
		out = append(out, x.Get("text").Text())
	}
	return lines(out...)
}

func condition(n json.Node, f *Fact, _ readContext) {
	f.Kind = Problem
	f.Title, f.Codes = concept(n.Get("code"))
	f.firstTime(n, "onsetDateTime", "onsetPeriod", "recordedDate")
	f.Until, _ = when(cmp.Or(n.Get("abatementDateTime").Text(), n.Get("abatementPeriod").Get("end").Text()))
	ended := n.Get("abatementDateTime").Exists() || n.Get("abatementPeriod").Exists() || n.Get("abatementString").Exists() || n.Get("abatementAge").Exists()
	clinical, verification := code(n, "clinicalStatus"), code(n, "verificationStatus")
	f.State = problemState(clinical, verification, ended)
	f.Note = lines(map[string]string{"active": "", "recurrence": "复发", "relapse": "复发", "inactive": "不活动", "remission": "缓解", "resolved": "已痊愈"}[clinical],
		map[string]string{"unconfirmed": "未证实", "provisional": "初步诊断", "differential": "待鉴别", "refuted": "已排除", "entered-in-error": "录入有误"}[verification])
	f.Text = notes(n)
	for c := range n.Get("category").Items() {
		f.Once = f.Once || c.Get("coding").At(0).Get("code").Text() == "encounter-diagnosis"
	}
}

// medication reads statements, prescriptions and dispenses alike.
func medication(n json.Node, f *Fact, rc readContext) {
	f.Kind = Medicine
	f.Title, f.Codes = concept(n.Get("medicationCodeableConcept"))
	f.Title = cmp.Or(f.Title, n.Get("medicationReference").Get("display").Text())
	f.firstTime(n, "effectiveDateTime", "effectivePeriod", "authoredOn", "whenHandedOver", "dateAsserted")
	doses := n.Get("dosage")
	if doses.Len() == 0 {
		doses = n.Get("dosageInstruction")
	}
	var dose []string
	for d := range doses.Items() {
		dose = append(dose, d.Get("text").Text())
		f.Until, _ = when(d.Get("timing").Get("repeat").Get("boundsPeriod").Get("end").Text())
	}
	end := cmp.Or(n.Get("effectivePeriod").Get("end").Text(), n.Get("dispenseRequest").Get("validityPeriod").Get("end").Text())
	if t, _ := when(end); !t.IsZero() {
		f.Until = t
	}
	if days := daysOf(n); f.Until.IsZero() && days > 0 && !f.At.IsZero() {
		f.Until = f.At.AddDate(0, 0, days)
	}
	status := n.Get("status").Text()
	var end2 calendar.Date
	if !f.Until.IsZero() {
		end2 = calendar.DateOf(f.Until)
	}
	f.State = medicineState(status, f.Day(), end2, rc.today, rc.stale)
	f.Text = lines(lines(dose...), quantity(n.Get("quantity")), notes(n))
	f.Note = map[string]string{"on-hold": "暂停", "stopped": "已停用", "completed": "疗程结束", "cancelled": "已取消", "not-taken": "未服用", "entered-in-error": "录入有误"}[status]
}

// daysOf is how long a supply lasts, 0 when nobody says.
func daysOf(n json.Node) int {
	for _, q := range []json.Node{n.Get("dispenseRequest").Get("expectedSupplyDuration"), n.Get("daysSupply")} {
		unit := cmp.Or(q.Get("code").Text(), q.Get("unit").Text())
		days, err := strconv.ParseFloat(q.Get("value").Number(), 64)
		if err != nil || days <= 0 || days > 3650 {
			continue
		}
		switch unit {
		case "d", "", "天":
			return int(days)
		case "wk", "周":
			return int(days * 7)
		case "mo", "月":
			return int(days * 30)
		}
	}
	return 0
}

// noKnown are the codes and words that say that there is no allergy.
var noKnown = []string{"716186003", "409137002", "429625007", "428607008"}

func allergy(n json.Node, f *Fact, _ readContext) {
	f.Kind = Allergy
	f.Title, f.Codes = concept(n.Get("code"))
	for _, c := range f.Codes {
		for _, none := range noKnown {
			f.None = f.None || c.Code == none
		}
	}
	f.None = f.None || strings.HasPrefix(f.Title, "无") || strings.HasPrefix(f.Title, "否认")
	f.firstTime(n, "onsetDateTime", "recordedDate", "lastOccurrence")
	f.State = allergyState(code(n, "clinicalStatus"), code(n, "verificationStatus"))
	var what []string
	severity := ""
	for r := range n.Get("reaction").Items() {
		for m := range r.Get("manifestation").Items() {
			text, _ := concept(m)
			what = append(what, text)
		}
		severity = cmp.Or(severity, map[string]string{"severe": "重度", "moderate": "中度", "mild": "轻度"}[r.Get("severity").Text()])
	}
	f.Text = lines(strings.Join(what, "、"), severity, notes(n))
	f.Note = lines(map[string]string{"high": "高危", "low": "", "unable-to-assess": ""}[n.Get("criticality").Text()],
		map[string]string{"unconfirmed": "未证实", "refuted": "已排除", "entered-in-error": "录入有误"}[code(n, "verificationStatus")])
}

func immunization(n json.Node, f *Fact, _ readContext) {
	f.Kind = Immunisation
	f.Title, f.Codes = concept(n.Get("vaccineCode"))
	f.firstTime(n, "occurrenceDateTime", "recorded")
	dose := n.Get("protocolApplied").At(0)
	text := ""
	if d := cmp.Or(dose.Get("doseNumberPositiveInt").Number(), dose.Get("doseNumberString").Text()); d != "" {
		text = "第 " + d + " 剂"
	}
	lot := n.Get("lotNumber").Text()
	if lot != "" {
		lot = "批号 " + lot
	}
	f.Text = lines(text, lot, n.Get("manufacturer").Get("display").Text(), notes(n))
	f.Note = map[string]string{"not-done": "未接种", "entered-in-error": "录入有误"}[n.Get("status").Text()]
	if n.Get("status").Text() == "entered-in-error" {
		f.State = Mistaken
	}
}

func procedure(n json.Node, f *Fact, _ readContext) {
	f.Kind = Procedure
	f.Title, f.Codes = concept(n.Get("code"))
	f.firstTime(n, "performedDateTime", "performedPeriod")
	outcome, _ := concept(n.Get("outcome"))
	f.Text = lines(outcome, notes(n))
	f.Note = map[string]string{"not-done": "未实施", "preparation": "准备中", "in-progress": "进行中", "stopped": "中止", "entered-in-error": "录入有误"}[n.Get("status").Text()]
	if n.Get("status").Text() == "entered-in-error" {
		f.State = Mistaken
	}
}

func visit(n json.Node, f *Fact, _ readContext) {
	f.Kind = Visit
	class := n.Get("class").Get("code").Text()
	f.Title = cmp.Or(map[string]string{"AMB": "门诊", "EMER": "急诊", "IMP": "住院", "HH": "上门服务", "VR": "远程诊疗"}[class], "就诊")
	f.firstTime(n, "period")
	f.Until, _ = when(n.Get("period").Get("end").Text())
	reason, codes := concept(n.Get("reasonCode").At(0))
	f.Text, f.Codes = reason, codes
}

func order(n json.Node, f *Fact, _ readContext) {
	f.Kind = Order
	f.Title, f.Codes = concept(n.Get("code"))
	f.firstTime(n, "authoredOn", "occurrenceDateTime")
	f.Text = notes(n)
	f.Note = map[string]string{"active": "已申请", "completed": "已完成", "revoked": "已取消", "on-hold": "暂停", "draft": "草稿", "entered-in-error": "录入有误"}[n.Get("status").Text()]
}

func appointment(n json.Node, f *Fact, _ readContext) {
	f.Kind = Appointment
	what, _ := concept(n.Get("serviceType").At(0))
	f.Title = cmp.Or(what, n.Get("description").Text(), "预约")
	f.firstTime(n, "start")
	f.Text = notes(n)
	f.Note = map[string]string{"booked": "已预约", "cancelled": "已取消", "noshow": "未到", "fulfilled": "已就诊", "arrived": "已到", "proposed": "待确认", "pending": "待确认"}[n.Get("status").Text()]
}

func other(n json.Node, f *Fact, _ readContext) {
	f.Kind = Other
	f.Title, f.Codes = concept(n.Get("code"))
	relation, _ := concept(n.Get("relationship"))
	f.Title = cmp.Or(f.Title, n.Get("title").Text(), n.Get("description").Text(), relation)
	f.firstTime(n, "date", "created", "period", "effectiveDateTime")
	f.Text = lines(n.Get("summary").Text(), notes(n))
}
