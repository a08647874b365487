package referral

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/terminology"
)

// maxText bounds one free text, in characters.
const maxText = 4000

// tidy trims what was typed and normalises codes.
func (f Form) tidy() Form {
	f.Diagnosis = terminology.Canonical(f.Diagnosis)
	if c, ok := terminology.Get(f.Diagnosis); ok {
		f.Diagnosis = c.Code
	}
	if f.Urgency == "I" { // kept as II; the doctor has been told to phone
		f.Urgency = "II"
	}
	f.Indications = slices.Compact(slices.Sorted(slices.Values(f.Indications)))
	for _, text := range f.Request.texts() {
		*text.value = strings.TrimSpace(*text.value)
	}
	return f
}

type textField struct {
	name, label string
	value       *string
	required    bool
}

// texts are the free texts of a request, in the order of the form.
func (r *Request) texts() []textField {
	return []textField{
		{"chief", "主诉", &r.Chief, true},
		{"illness", "主要现病史（转出原因）", &r.Illness, true},
		{"past", "主要既往史", &r.Past, false},
		{"treatment", "治疗经过（未治疗请写“无”）", &r.Treatment, true},
		{"allergies", "过敏史", &r.Allergies, false},
		{"purpose_text", "转诊目的说明", &r.PurposeText, false},
		{"admitted_on", "入院日期", &r.AdmittedOn, false},
	}
}

// lists are the coded lists that a form is checked against.
type lists struct {
	purposes, indications, transports []policy.Code
	indicated                         bool // an indication or purpose is demanded
}

// checkSaved finds what may not stand even in a draft: codes that do not
// exist, measurements that cannot be, texts without end.
func (f Form) checkSaved(l lists, today calendar.Date, form *errs.Form) {
	known(form, "visit", "就诊类型", f.Visit, Visits())
	known(form, "urgency", "紧急程度", f.Urgency, Urgencies())
	known(form, "consciousness", "意识状态", f.Request.Consciousness, Consciousnesses())
	inList(form, "purpose", "转诊目的", f.Purpose, l.purposes)
	inList(form, "transport", "转运方式", f.Request.Transport, l.transports)
	for _, i := range f.Indications {
		inList(form, "indications", "转诊指征", i, l.indications)
	}
	if f.Diagnosis != "" {
		form.AddErr("diagnosis", terminology.Check(f.Diagnosis))
	}
	for _, text := range f.Request.texts() {
		if utf8.RuneCountInString(*text.value) > maxText {
			form.Add(text.name, "%s太长：最多 %d 个字", text.label, maxText)
		}
	}
	if d := f.Request.AdmittedOn; d != "" {
		day, err := calendar.ParseDate(d)
		if err != nil {
			form.AddErr("admitted_on", err)
		} else if day.After(today) {
			form.Add("admitted_on", "入院日期不能晚于今天")
		}
	}
	f.Request.Vitals.check(form)
}

// checkSent finds what is missing before a draft may leave.
func (f Form) checkSent(l lists, form *errs.Form) {
	form.Require("visit", f.Visit, "就诊类型（门诊或住院）")
	form.Require("urgency", f.Urgency, "紧急程度（先分级，再转诊）")
	form.Require("target_service", f.TargetService, "接收机构和科室")
	if f.Diagnosis == "" {
		form.Add("diagnosis", "请填写初步诊断（ICD-10 医保版编码）")
	}
	if l.indicated && len(f.Indications) == 0 && f.Purpose == "" {
		form.Add("indications", "请至少选择一条转诊指征或转诊目的")
	}
	if i := slices.IndexFunc(l.purposes, func(c policy.Code) bool { return c.Code == f.Purpose }); i >= 0 && l.purposes[i].Free {
		form.Require("purpose_text", f.Request.PurposeText, "转诊目的的具体情况")
	}
	for _, text := range f.Request.texts() {
		if text.required {
			form.Require(text.name, *text.value, text.label)
		}
	}
	if f.Visit == Inpatient {
		form.Require("admitted_on", f.Request.AdmittedOn, "入院日期")
	}
	if len(f.Request.Choices) == 0 {
		form.Add("choices", "请记录已向患者介绍过的可选机构（患者自愿选择）")
	}
}

func known(form *errs.Form, name, label, code string, list []Code) {
	if code != "" && !slices.ContainsFunc(list, func(c Code) bool { return c.Code == code }) {
		form.Add(name, "%s“%s”不在可选范围内，请重新选择", label, code)
	}
}

func inList(form *errs.Form, name, label, code string, list []policy.Code) {
	if code != "" && !slices.ContainsFunc(list, func(c policy.Code) bool { return c.Code == code }) {
		form.Add(name, "%s“%s”不在可选范围内，请重新选择", label, code)
	}
}

// check refuses measurements outside of what a living person can show. A
// missing one is not zero: it is not there.
func (v Vitals) check(form *errs.Form) {
	if t := v.Temperature; t != nil && (*t < 20 || *t > 45) {
		form.Add("temperature", "体温 %.1f ℃ 不合理，应在 20—45 ℃ 之间；未测请留空", *t)
	}
	for _, m := range []struct {
		name, label, unit string
		value             *int
		low, high         int
	}{
		{"pulse", "脉搏", "次/分", v.Pulse, 10, 300},
		{"respiration", "呼吸", "次/分", v.Respiration, 2, 100},
		{"systolic", "收缩压", "mmHg", v.Systolic, 30, 320},
		{"diastolic", "舒张压", "mmHg", v.Diastolic, 10, 220},
		{"spo2", "血氧饱和度", "%", v.SpO2, 10, 100},
	} {
		if m.value != nil && (*m.value < m.low || *m.value > m.high) {
			form.Add(m.name, "%s %d %s 不合理，应在 %d—%d 之间；未测请留空", m.label, *m.value, m.unit, m.low, m.high)
		}
	}
	if v.Systolic != nil && v.Diastolic != nil && *v.Systolic <= *v.Diastolic {
		form.Add("diastolic", "舒张压应低于收缩压，请核对")
	}
}

// checkPatient says why a person cannot be referred yet.
func checkPatient(p patient.Patient, today calendar.Date, form *errs.Form) {
	switch {
	case p.DeceasedOn != "":
		form.Add("patient", "该患者已登记死亡（%s），不能转诊", p.DeceasedOn)
	case p.IDType == "" && p.Age(today) >= patient.GuardianAge:
		form.Add("patient", "患者尚未登记有效证件，请先在患者页补登证件再转诊（到诊时要核对身份）")
	}
}

// check finds what is wrong with an appointment.
func (a Arrangement) check(now time.Time, form *errs.Form) {
	form.Require("department", a.Department, "接诊科室")
	switch {
	case a.At.IsZero():
		form.Add("appointed_at", "请填写就诊时间")
	case !a.At.After(now):
		form.Add("appointed_at", "就诊时间 %s 已经过去，请选择将来的时间", a.At.In(calendar.Shanghai).Format("2006-01-02 15:04"))
	case a.At.After(now.AddDate(0, 6, 0)):
		form.Add("appointed_at", "就诊时间不能晚于半年以后，请核对日期")
	}
}

// check finds what is missing in a report back: a case never ends without one.
func (r Report) check(care string, form *errs.Form) {
	if r.ResultCode == "" {
		form.Add("result_code", "请填写诊断结果（ICD-10 医保版编码）")
	} else {
		form.AddErr("result_code", terminology.Check(r.ResultCode))
	}
	if care == Inpatient {
		form.Require("record_number", r.RecordNumber, "住院病案号")
	}
	form.Require("treatment", r.Treatment, "治疗经过")
	form.Require("advice", r.Advice, "下一步治疗方案及康复建议")
	if r.Outcome != OutcomeReturned && r.Outcome != OutcomeStays {
		form.Add("outcome", "请选择诊疗结果（返回或留院继续治疗）")
	}
	for _, text := range []struct{ name, label, value string }{
		{"exams", "主要检查结果", r.Exams}, {"treatment", "治疗经过", r.Treatment}, {"advice", "下一步治疗方案及康复建议", r.Advice},
	} {
		if utf8.RuneCountInString(text.value) > maxText {
			form.Add(text.name, "%s太长：最多 %d 个字", text.label, maxText)
		}
	}
}
