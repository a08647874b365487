// Package chart reads the record of a person for people: what he has now, what
// he takes, what he must not be given, how his results go, and everything that
// ever happened in one line, each fact with its institution and time. It keeps
// nothing: facts come from the resources of the record, the encounters, the
// cases and the contracts. What is hidden by default stays hidden here.
package chart

import (
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/encounter"
	"yilian/internal/flow"
)

// Kind is what a fact is.
type Kind string

// The kinds.
const (
	Problem      Kind = "problem"
	Medicine     Kind = "medicine"
	Allergy      Kind = "allergy"
	Result       Kind = "result"
	Report       Kind = "report"
	Document     Kind = "document"
	Image        Kind = "image"
	Immunisation Kind = "immunisation"
	Procedure    Kind = "procedure"
	Visit        Kind = "visit"
	Order        Kind = "order"
	Appointment  Kind = "appointment"
	Case         Kind = "case"
	Contract     Kind = "contract"
	Other        Kind = "other"
)

// Kinds returns all kinds in the order in which pages list them.
func Kinds() []Kind {
	return []Kind{Visit, Problem, Medicine, Allergy, Result, Report, Image, Document, Procedure, Immunisation, Order, Appointment, Case, Contract, Other}
}

// Title is the kind in Chinese.
func (k Kind) Title() string {
	return map[Kind]string{Problem: "诊断与问题", Medicine: "用药", Allergy: "过敏", Result: "检验检查结果", Report: "报告", Document: "文书",
		Image: "影像与心电", Immunisation: "预防接种", Procedure: "手术与操作", Visit: "就诊", Order: "医嘱申请", Appointment: "预约", Case: "转诊与咨询",
		Contract: "签约", Other: "其他记录"}[k]
}

// State is how far a fact holds today.
type State string

// The states of problems, medicines and allergies.
const (
	Now      State = "now"      // holds
	Unsure   State = "unsure"   // nobody has said for long, or not confirmed
	Over     State = "over"     // has ended
	Mistaken State = "mistaken" // was entered in error: shown nowhere but in its own history
)

// Fact is one thing that somebody recorded about a person.
type Fact struct {
	Kind     Kind
	Key      string // Observation/x7f…, encounter/…, case/…, contract/…
	At       time.Time
	DayOnly  bool      // At is a day
	Until    time.Time // when it ended; zero: not, or not stated
	Title    string
	Text     string
	Note     string // status and other words of the source
	Org      string // institution that recorded it, "" outside
	OrgName  string
	By       string // person who recorded it, as the source names him
	Recorded time.Time
	Version  int64
	State    State
	Class    string // sensitive class, "" none
	Hidden   bool   // nothing but At may be shown

	Codes  []Coding
	Value  *Value   // of a result, its own
	Values []Value  // of a result: its own and those of its components
	Series []Strip  // of a result that is a curve
	Parts  []string // keys of the results of a report
	Files  []File
	Path   string // of a page of its own elsewhere
	None   bool   // an allergy entry that says: none known
	Once   bool   // a diagnosis of one visit, not an entry of the problem list

	labels []string
}

// Coding is a code of a system.
type Coding struct{ System, Code, Display string }

// Value is a result as it was stated.
type Value struct {
	Text   string // with comparator, unit left out
	Unit   string
	Number float64
	Exact  bool // Number may be drawn
	Range  string
	Flag   Flag
	Test   string // what was measured; facts of one test make a series
}

// Strip is a sampled curve, such as a lead of an electrocardiogram.
type Strip struct {
	Title  string
	Points []float64
	Millis float64 // between two points
}

// File is something attached that can be opened.
type File struct {
	Title string
	Type  string // media type
	Data  string // base64; "" elsewhere
	URL   string
}

// Flag marks a result against its reference range.
type Flag string

// The flags.
const (
	Normal   Flag = "normal"
	High     Flag = "high"
	Low      Flag = "low"
	Abnormal Flag = "abnormal"
	NoFlag   Flag = ""
)

// Title is the flag in words; colour alone would not do.
func (f Flag) Title() string {
	return map[Flag]string{High: "高 ↑", Low: "低 ↓", Abnormal: "异常", Normal: "正常"}[f]
}

// Day is the business day of a fact, "" when no time was stated.
func (f Fact) Day() calendar.Date {
	if f.At.IsZero() {
		return ""
	}
	return calendar.DateOf(f.At)
}

// Chart is all that a reader may see of a person.
type Chart struct {
	Patient string
	Today   calendar.Date
	Facts   []Fact // the newest first
	Hidden  int    // facts that are hidden from this reader
	Minor   bool   // hidden because the person is a child
	MayOpen bool   // the reader may open them with a reason
	Opened  bool   // he has
	Cut     bool   // there is more than is shown
	Cases   []flow.Case
	Rules   Rules
}

// Rules are the numbers and lists of the policy that the views rest on.
type Rules struct {
	Chronic      func(icd string) bool
	RecentDays   int // an acute diagnosis is shown as a problem that long
	StaleDays    int // a medicine without an end counts as taken that long
	TrendPercent int // a change below is level
	Sensitive    access.Sensitive
}

// problemState reads the clinical and the verification status of a condition.
func problemState(clinical, verification string, ended bool) State {
	switch verification {
	case "entered-in-error", "refuted":
		return Mistaken
	}
	switch clinical {
	case "inactive", "remission", "resolved":
		return Over
	}
	if ended {
		return Over
	}
	switch verification {
	case "unconfirmed", "provisional", "differential":
		return Unsure
	}
	return Now
}

// medicineState reads the status of a prescription or statement: what has
// neither an end nor a recent date may have been stopped without a word.
func medicineState(status string, start, end, today calendar.Date, staleDays int) State {
	switch status {
	case "entered-in-error":
		return Mistaken
	case "completed", "stopped", "cancelled", "not-taken", "revoked", "ended":
		return Over
	}
	if end != "" {
		if end < today {
			return Over
		}
		return Now
	}
	if start == "" || start.AddDays(staleDays) < today || status == "on-hold" || status == "draft" {
		return Unsure
	}
	return Now
}

// allergyState reads the status of an allergy: what is not known to be over
// counts, a doubtful one too.
func allergyState(clinical, verification string) State {
	switch {
	case verification == "entered-in-error" || verification == "refuted":
		return Mistaken
	case clinical == "inactive" || clinical == "resolved":
		return Over
	case verification == "unconfirmed" || verification == "presumed":
		return Unsure
	}
	return Now
}

// category is the three characters of an ICD-10 code, "" for other codes.
func category(codes []Coding) string {
	for _, c := range codes {
		if isICD(c) {
			return strings.ToUpper(c.Code[:3])
		}
	}
	return ""
}

// isICD reports whether a code is one of ICD-10, named so or shaped so.
func isICD(c Coding) bool {
	code := strings.ToUpper(c.Code)
	if len(code) < 3 || code[0] < 'A' || code[0] > 'Z' || code[1] < '0' || code[1] > '9' {
		return false
	}
	if code[2] < '0' || code[2] > '9' {
		return false
	}
	return !strings.Contains(c.System, "loinc") && !strings.Contains(c.System, "rxnorm") && (len(code) == 3 || code[3] == '.' || strings.Contains(c.System, "icd"))
}

// stayText says where, which department, which doctor, how it ended.
func stayText(e encounter.Encounter) string {
	var parts []string
	for _, d := range e.Diagnoses {
		parts = append(parts, diagnosisName(d))
	}
	return strings.Join(parts, "；")
}

func diagnosisName(d encounter.Diagnosis) string {
	switch {
	case d.ClinicalName != "":
		return d.ClinicalName
	case d.InsuranceName != "":
		return d.InsuranceName
	}
	return d.Title()
}
