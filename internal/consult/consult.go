// Package consult is the advice that a doctor of primary care asks of a
// specialist before he refers a patient (转诊前咨询, capability D5): question,
// answer, and, where the asker allows it, the turning of an answer into a
// referral. Its state moves only through flow. Whoever answers, the asker stays
// clinically responsible until a referral is taken over.
package consult

import (
	"strings"
	"time"
	"unicode/utf8"

	"yilian/internal/consent"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/terminology"
)

// ConsentPurpose is the purpose of the patient's consent to show his data to
// the institution that is asked.
const ConsentPurpose = "consult"

// Code is an entry of a fixed list of this package.
type Code struct{ Code, Title string }

// How soon an answer is needed. The paces are the tracks by which the clock of
// the answer differs (policy consult.clock.asked.*).
const (
	Routine = "routine"
	Today   = "today"
)

// Paces returns the paces.
func Paces() []Code { return []Code{{Routine, "常规"}, {Today, "今日"}} }

// PaceTitle is a pace in Chinese.
func PaceTitle(pace string) string { return title(Paces(), pace) }

// Kinds of an answer.
const (
	Local     = "local"
	Exam      = "exam"
	Refer     = "refer"
	Emergency = "emergency"
)

// AnswerKinds returns the kinds of an answer.
func AnswerKinds() []Code {
	return []Code{{Local, "可在基层处理"}, {Exam, "建议检查"}, {Refer, "建议转诊"}, {Emergency, "建议急诊立即转"}}
}

// AnswerTitle is the kind of an answer in Chinese.
func AnswerTitle(kind string) string { return title(AnswerKinds(), kind) }

func title(list []Code, code string) string {
	for _, c := range list {
		if c.Code == code {
			return c.Title
		}
	}
	return code
}

func known(list []Code, code string) bool {
	for _, c := range list {
		if c.Code == code {
			return true
		}
	}
	return false
}

// Outcomes of a closed consultation.
const (
	OutcomeAdvised   = "advised"
	OutcomeDeclined  = "declined"
	OutcomeWithdrawn = "withdrawn"
	OutcomeDeath     = "death"
)

// OutcomeTitle is an outcome in Chinese.
func OutcomeTitle(outcome string) string {
	return title([]Code{{OutcomeAdvised, "已按答复处理"}, {OutcomeDeclined, "被退回，不再咨询"}, {OutcomeWithdrawn, "申请医生撤回"}, {OutcomeDeath, "患者死亡"}}, outcome)
}

// Target is who is asked: a department, and a named specialist of it or, empty,
// anybody there.
type Target struct {
	Department string // department id
	Specialist string // practitioner id
}

// Question is the clinical part of what is asked. It is sealed at rest.
type Question struct {
	Chief     string `json:"chief"`     // 主诉
	Summary   string `json:"summary"`   // 病史、体征、检查
	Treatment string `json:"treatment"` // 已做的处理
	Text      string `json:"text"`      // what the asker wants to know
}

// Form is what the asker writes.
type Form struct {
	Patient   string
	Diagnosis string // ICD-10 code, insurance edition
	Target    Target
	Pace      string // Routine or Today
	Question  Question

	Consent *consent.Consent // the patient's signature; its purpose is set here
	// AlsoRefer says that the patient has signed for a referral too, should the
	// specialist advise one: then it can be sent at once.
	AlsoRefer bool
	// MayConvert allows the specialist to turn his answer into a referral.
	MayConvert bool
}

// Answer is the specialist's answer. It is sealed at rest, but for its kind.
type Answer struct {
	Kind    string    `json:"kind"`
	Opinion string    `json:"opinion"` // 意见
	Plan    string    `json:"plan"`    // 基层处理方案, for Local
	Exams   string    `json:"exams"`   // 建议的检查, for Exam
	Urgency string    `json:"urgency"` // II, III, IV, for Refer
	Watch   string    `json:"watch"`   // 出现什么情况要立即转诊
	By      string    `json:"by"`      // name and title of who answered
	Phone   string    `json:"phone"`
	At      time.Time `json:"-"`

	// Convert turns the answer into a referral at once: ConvertDraft or
	// ConvertSend; empty leaves that to the asker.
	Convert string `json:"-"`
}

// Ways to turn an answer into a referral.
const (
	ConvertDraft = "draft" // a draft in the asker's hands, who has it signed and sends it
	ConvertSend  = "send"  // sent at once: the patient has signed for it beforehand
)

// Decline is the answer of who cannot advise: the reason, and what the asker
// can do next. The latter is mandatory. It is sealed at rest.
type Decline struct {
	Reason  string `json:"-"`
	Comment string `json:"-"`
	Title   string `json:"title"`  // of the reason
	Whom    string `json:"whom"`   // whom to ask instead, in words
	Advice  string `json:"advice"` // what to do meanwhile
	By      string `json:"by"`
}

// Survey is what the asker says at the end: the only way to know whether advice
// is worth its time.
type Survey struct {
	Avoided  bool // the patient need not be referred now
	Prompted bool // the patient is referred because of the answer
	Helpful  int  // 1 to 5
	Remark   string
}

// Talk is one question of the receiver and its answer.
type Talk struct {
	ID                string
	AskedAt           time.Time
	AskedBy, AskedOrg string
	Text              string
	AnsweredAt        time.Time
	AnsweredBy        string
	Answer            string
}

// Record is the clinical side of a consultation as stored; sealed parts are
// open.
type Record struct {
	ID, Patient   string
	Diagnosis     string // ICD-10 code
	DiagnosisName string
	Pace          string
	Consent       string // consent id
	MayConvert    bool
	Policy        string   // profile@version of the decisions
	Clauses       []string // clauses they rest on
	Question      Question
	AskedAt       time.Time
	Answer        Answer
	AnsweredAt    time.Time
	InTime        bool // the answer came before its clock ran out
	Decline       Decline
	Referral      string // id of the referral it was turned into
	ConvertedAt   time.Time
	Survey        Survey
	SurveyedAt    time.Time
}

// Answered reports whether there is an answer.
func (r Record) Answered() bool { return r.Answer.Kind != "" }

// Responsible is who answers for the patient now: the asker, until a referral
// that followed has been taken over, and then whoever the referral says. A
// consultation never moves it.
func Responsible(c, referral flow.Case) flow.Party {
	if referral.ID != "" && referral.Responsible.Org != "" {
		return referral.Responsible
	}
	return c.Responsible
}

// Ref names the case an action is for, in the version the user has seen.
type Ref = referral.Ref

// maxText bounds one free text, in characters.
const maxText = 4000

type textField struct {
	name, label string
	value       *string
	required    bool
}

func tidy(f *errs.Form, fields []textField) {
	for _, x := range fields {
		*x.value = strings.TrimSpace(*x.value)
		if x.required {
			f.Require(x.name, *x.value, x.label)
		}
		if utf8.RuneCountInString(*x.value) > maxText {
			f.Add(x.name, "%s太长：最多 %d 个字", x.label, maxText)
		}
	}
}

// check finds what is missing or wrong in a question.
func (q *Form) check(f *errs.Form) {
	q.Diagnosis = terminology.Canonical(q.Diagnosis)
	if c, ok := terminology.Get(q.Diagnosis); ok {
		q.Diagnosis = c.Code
	}
	if q.Diagnosis == "" {
		f.Add("diagnosis", "请填写初步诊断（不能确定时选症状，例如 R07 胸痛）")
	} else {
		f.AddErr("diagnosis", terminology.Check(q.Diagnosis))
	}
	if !known(Paces(), q.Pace) {
		f.Add("pace", "请选择缓急：常规，或今日内需要答复")
	}
	tidy(f, []textField{
		{"chief", "主诉", &q.Question.Chief, true},
		{"summary", "病情摘要", &q.Question.Summary, true},
		{"treatment", "已做的处理（未处理请写“无”）", &q.Question.Treatment, true},
		{"question", "要请教的问题", &q.Question.Text, true},
	})
}

// check finds what is missing or wrong in an answer: each kind leaves the asker
// with what he needs for the next step.
func (a *Answer) check(f *errs.Form) {
	if !known(AnswerKinds(), a.Kind) {
		f.Add("kind", "请选择答复的类型")
	}
	tidy(f, []textField{
		{"opinion", "意见", &a.Opinion, true},
		{"plan", "基层处理方案", &a.Plan, a.Kind == Local},
		{"exams", "建议的检查", &a.Exams, a.Kind == Exam},
		{"watch", "需要警惕的情况", &a.Watch, false},
		{"phone", "联系电话", &a.Phone, false},
	})
	switch a.Kind {
	case Refer:
		if referral.Title(referral.Urgencies(), a.Urgency) == a.Urgency {
			f.Add("urgency", "建议转诊时请写明紧急程度")
		}
	case Emergency:
		a.Urgency = "II" // paper is not the way of level I: see EmergencyText
	default:
		a.Urgency = ""
	}
	switch {
	case a.Convert != "" && a.Convert != ConvertDraft && a.Convert != ConvertSend:
		f.Add("convert", "请重新选择是否直接转为转诊")
	case a.Convert != "" && !advisesReferral(a.Kind):
		f.Add("convert", "只有“建议转诊”或“建议急诊立即转”才能转为转诊")
	}
}

// EmergencyText is what the asker reads first when a specialist advises to send
// the patient at once.
const EmergencyText = "专家建议急诊立即转：请就地抢救并拨打 120，同时拨打接收医院的转诊电话，不要等待系统受理"

func advisesReferral(kind string) bool { return kind == Refer || kind == Emergency }

func (d *Decline) check(f *errs.Form) {
	tidy(f, []textField{
		{"whom", "建议另问的科室或专家", &d.Whom, false},
		{"advice", "处理建议", &d.Advice, false},
		{"comment", "情况说明", &d.Comment, false},
	})
	if d.Whom == "" && d.Advice == "" {
		f.Add("advice", "退回时必须写明下一步：另问哪个科室或专家，或现在怎么处理")
	}
}

// check finds what contradicts itself in a survey.
func (v *Survey) check(converted bool, f *errs.Form) {
	tidy(f, []textField{{"remark", "意见", &v.Remark, false}})
	if v.Helpful < 1 || v.Helpful > 5 {
		f.Add("helpful", "请评价这次答复有没有帮助（1—5 分）")
	}
	switch {
	case v.Avoided && v.Prompted:
		f.Add("effect", "“避免了转诊”和“因此转诊”只能选一项")
	case v.Avoided && converted:
		f.Add("effect", "这次咨询已转为转诊，不能记为避免了转诊")
	}
}
