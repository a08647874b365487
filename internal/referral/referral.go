// Package referral is the two-way referral of patients between the
// institutions of an alliance: request, triage, appointment, arrival, care,
// report back. Its state moves only through flow; this package keeps the
// clinical content, checks what was typed, and tells the patient at every
// step who acts next and by when.
package referral

import (
	"time"

	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/errs"
	"yilian/internal/firstvisit"
	"yilian/internal/flow"
	"yilian/internal/liaison"
	"yilian/internal/organization"
)

// Direction is where a referral goes, seen from the referring institution.
type Direction string

// The directions.
const (
	Up      Direction = "up"
	Down    Direction = "down"
	Lateral Direction = "lateral"
	Outside Direction = "outside" // beyond the alliance
)

// Directions returns all directions.
func Directions() []Direction { return []Direction{Up, Down, Lateral, Outside} }

// Title is the direction in Chinese.
func (d Direction) Title() string {
	return map[Direction]string{Up: "上转", Down: "下转", Lateral: "平转", Outside: "外转"}[d]
}

// directionOf derives the direction from the two institutions: whoever is
// beyond the alliance is outside, otherwise the tiers decide (LL-4.4.1a).
func directionOf(from, to organization.Kind, ally bool) Direction {
	switch a, b := tier(from), tier(to); {
	case !ally:
		return Outside
	case a < b:
		return Up
	case a > b:
		return Down
	}
	return Lateral
}

// Tier is the tier of an institution: 1 village, 2 township and community, 3
// county, 4 city and above.
func Tier(k organization.Kind) int { return tier(k) }

func tier(k organization.Kind) int {
	switch k {
	case organization.VillageClinic:
		return 1
	case organization.TownshipCenter, organization.CommunityCenter:
		return 2
	case organization.CityHospital, organization.ProvinceHospital:
		return 4
	}
	return 3
}

// Code is an entry of a fixed list of this package.
type Code struct{ Code, Title string }

// Forms of a visit, at the sender and at the receiver. They are the tracks by
// which clocks differ.
const (
	Outpatient = "outpatient"
	Inpatient  = "inpatient"
)

// Visits returns the forms of a visit.
func Visits() []Code { return []Code{{Outpatient, "门诊"}, {Inpatient, "住院"}} }

// Urgencies returns the triage levels that an ordinary referral may have.
func Urgencies() []Code {
	return []Code{{"II", "Ⅱ级 危重"}, {"III", "Ⅲ级 急症"}, {"IV", "Ⅳ级 非急症"}}
}

// UrgencyTitle is a triage level in Chinese.
func UrgencyTitle(u string) string {
	return map[string]string{"I": "Ⅰ级 濒危", "II": "Ⅱ级 危重", "III": "Ⅲ级 急症", "IV": "Ⅳ级 非急症"}[u]
}

// EmergencyAdvice is what a doctor is told who triages a patient as level I:
// the ordinary way is too slow. The draft is kept, as level II; empty for the
// other levels.
func EmergencyAdvice(urgency string) string {
	if urgency != "I" {
		return ""
	}
	return "Ⅰ级（濒危）患者请立即就地抢救并拨打 120，并用“紧急转诊”发出：不审核、不等受理，立即呼叫接收医院的值班人。资料已保留"
}

// Consciousnesses returns the states of consciousness.
func Consciousnesses() []Code {
	return []Code{{"clear", "清楚"}, {"drowsy", "嗜睡"}, {"confused", "模糊"}, {"coma", "昏迷"}}
}

// AgreedWays returns how a place may have agreed to take a patient.
func AgreedWays() []Code {
	return []Code{{"phone", "电话"}, {"in_person", "当面"}, {"platform", "平台消息"}}
}

// Title looks the title of a code up in one of the lists; the code itself
// when it is not there.
func Title(list []Code, code string) string {
	for _, c := range list {
		if c.Code == code {
			return c.Title
		}
	}
	return code
}

// Outcomes of a closed case, the codes of policy list referral.outcome.
const (
	OutcomeReturned   = "treated_returned"
	OutcomeStays      = "treated_stays"
	OutcomeNotArrived = "not_arrived"
	OutcomeDeclined   = "declined"
	OutcomeRefused    = "patient_refused"
	OutcomeDeath      = "death"
	OutcomeMoved      = "moved_away"
	OutcomeOther      = "other"
)

// Vitals are vital signs. A nil value was not measured, which is not zero.
type Vitals struct {
	Temperature *float64 `json:"temperature,omitempty"` // °C
	Pulse       *int     `json:"pulse,omitempty"`       // per minute
	Respiration *int     `json:"respiration,omitempty"` // per minute
	Systolic    *int     `json:"systolic,omitempty"`    // mmHg
	Diastolic   *int     `json:"diastolic,omitempty"`   // mmHg
	SpO2        *int     `json:"spo2,omitempty"`        // percent
}

// Choice is one place that the patient was shown before he decided (LL-4.4.1d,
// 患者自愿).
type Choice struct {
	Org     string `json:"org"`
	OrgName string `json:"org_name"`
	Service string `json:"service"`
	Chosen  bool   `json:"chosen"`
}

// Request is the clinical part of a request. It is sealed at rest.
type Request struct {
	Chief         string   `json:"chief"`     // 主诉
	Illness       string   `json:"illness"`   // 主要现病史（转出原因）
	Past          string   `json:"past"`      // 主要既往史
	Treatment     string   `json:"treatment"` // 治疗经过
	Allergies     string   `json:"allergies"` // empty: not asked; 无: none known
	Vitals        Vitals   `json:"vitals"`
	Consciousness string   `json:"consciousness"`
	Transport     string   `json:"transport"`    // code of referral.transport
	PurposeText   string   `json:"purpose_text"` // when the purpose asks for free text
	AdmittedOn    string   `json:"admitted_on"`  // of in-patients
	Choices       []Choice `json:"choices"`

	FirstVisit *firstvisit.Override `json:"first_visit,omitempty"` // why a listed disease goes up all the same
	Contact    *liaison.Contact     `json:"contact,omitempty"`     // who beyond the county has said yes
	Parallel   *Parallel            `json:"parallel,omitempty"`    // why there is a second referral for the same problem
}

// Parallel is why a patient is referred although another referral for the same
// problem is under way (D19).
type Parallel struct {
	Number      string `json:"number"` // of the other referral
	Reason      string `json:"reason"` // code of referral.reason.parallel
	ReasonTitle string `json:"reason_title"`
	Comment     string `json:"comment"`
}

// Form is what the referring doctor writes.
type Form struct {
	Patient       string
	Visit         string   // Outpatient or Inpatient, at the sender
	Urgency       string   // II, III, IV; I is kept as II, see EmergencyAdvice
	Purpose       string   // code of referral.reason.up
	Indications   []string // codes of referral.indication.up
	Diagnosis     string   // ICD-10 code, insurance edition
	TargetService string   // id of the chosen organization.HealthcareService
	Request       Request
	Consent       *consent.Consent // signed on the form itself; recorded when it is sent
}

// Ref names the case an action is for, in the version the user has seen. Once
// is the token of the form: sent twice, it acts once.
type Ref struct {
	ID      string
	Version int
	Once    string
}

// Arrangement is the appointment at the receiving institution.
type Arrangement struct {
	Department string
	Doctor     string // practitioner id; empty: whoever is on duty
	DoctorName string
	At         time.Time
	Location   string // 楼层诊室; empty: the department's
	Phone      string // empty: the department's, else the referral phone
	Code       string // one-time arrival code; set by the program

	Slot  string   // place of the schedule: department, doctor, time and location come from it; empty: a free time
	Exams []string // slots of exams
	Bed   bool     // a bed of the department from the day on
}

// Arrival is what the registration desk checks: the code or the ID number, and
// the name or the birth date as second identifier.
type Arrival struct {
	Code      string
	IDNumber  string
	Name      string
	BirthDate string
}

// Start is how care begins.
type Start struct {
	Care              string // Outpatient or Inpatient
	ExpectedDischarge string // date, of in-patients
}

// Report is the report back (回转单). It is sealed at rest.
type Report struct {
	ResultCode   string `json:"result_code"` // ICD-10, 诊断结果
	ResultName   string `json:"result_name"`
	RecordNumber string `json:"record_number"` // 病案号
	Exams        string `json:"exams"`         // 主要检查结果
	Treatment    string `json:"treatment"`     // 治疗经过
	Advice       string `json:"advice"`        // 下一步治疗方案及康复建议
	Outcome      string `json:"outcome"`       // OutcomeReturned or OutcomeStays
	By           string `json:"by"`            // who wrote it
	Phone        string `json:"phone"`
}

// Advice is what a declining institution leaves the referring doctor with: no
// referral ends in nothing.
type Advice struct {
	Reason  string `json:"reason"` // title of the coded reason
	Org     string `json:"org"`    // suggested institution
	OrgName string `json:"org_name"`
	Service string `json:"service"` // suggested service, in words
	Text    string `json:"text"`    // what to do instead
}

// Question is one question of the receiver and its answer.
type Question struct {
	ID                 string
	AskedAt            time.Time
	AskedBy, AskedName string
	AskedOrg           string
	Text               string
	AnsweredAt         time.Time
	AnsweredName       string
	Answer             string
}

// Note is an interim note of the receiving department.
type Note struct {
	ID      string
	At      time.Time
	By      string
	ByName  string
	OrgName string
	Text    string
}

// Record is the clinical side of a case as stored; sealed parts are open.
type Record struct {
	ID, Patient   string
	Direction     Direction
	Visit         string
	Purpose       string
	Indications   []string
	Diagnosis     string // ICD-10 code
	DiagnosisName string
	TargetService string
	TargetPhone   string // published referral phone at sending (LL-4.3.4c)
	Consent       string // consent id
	Team          string // contracted team at sending
	Contracted    bool
	Policy        string   // profile@version of the decisions at sending
	Clauses       []string // clauses the decisions rest on
	Request       Request
	Advice        Advice
	Cancel        CancelRequest // the open one
	SubmittedAt   time.Time
	Waited        time.Duration // receiver's time before acceptance, questions not counted
	AcceptedAt    time.Time
	Declined      bool
	Arrangement   Arrangement
	WrongCodes    int
	ArrivedAt     time.Time
	ArrivedBy     string
	ArrivedHow    string // "code" or "id"
	StartedAt     time.Time
	Attending     string
	AttendingName string
	Care          string
	ExpectedDisch calendar.Date
	Report        Report
	CompletedAt   time.Time
	Emergency     *Emergency // nil: an ordinary referral
	underWay      string
	codeOrg       string
	reviewer      string // institution that reviewed for the referring one, if another
}

// icd3 is the category of an ICD-10 code, its first three characters.
func icd3(code string) string {
	if len(code) < 3 {
		return code
	}
	return code[:3]
}

// closing returns the outcomes with which a case may be closed out of a state
// without a report.
func closing(state string) []string {
	switch state {
	case StateNoShow:
		return []string{OutcomeNotArrived, OutcomeRefused, OutcomeMoved, OutcomeOther}
	case StateDeclined:
		return []string{OutcomeDeclined, OutcomeRefused, OutcomeMoved, OutcomeOther}
	}
	return nil
}

// ClosingOutcomes returns the outcomes that Close offers for a case.
func ClosingOutcomes(c flow.Case) []string { return closing(c.State) }

func fieldErr(name, format string, args ...any) error {
	var f errs.Form
	f.Add(name, format, args...)
	return f.Err()
}
