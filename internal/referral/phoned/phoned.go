// Package phoned enters referrals that an institution without anybody at the
// system has telephoned in (电话代录): the referral centre writes them down while
// the caller speaks, reads them back, and sends them through the same use cases
// as everybody else. The caller's institution sees them marked, and confirms or
// corrects them later.
package phoned

import (
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/consent"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/referral"
)

// Kind is the kind of the small case beside a referral that was telephoned in.
const Kind = "phoned_check"

// The states and actions of the check.
const (
	StatePending   = "pending"
	StateConfirmed = "confirmed"
	StateCorrected = "corrected"

	ActConfirm = "confirm"
	ActCorrect = "correct"
	ActByPhone = "confirm_by_phone" // the centre has called back: nobody is at the system there
)

// Machine declares the check: it stands in the to-do list of the doctor in whose
// name the referral was entered, with a clock of its own (BASE-clock).
func Machine() flow.Machine {
	return flow.Machine{
		Kind: Kind, Title: "电话代录核对", Prefix: "DH", Start: StatePending,
		States: []flow.State{
			{Name: StatePending, Title: "待核对", Turn: flow.From, Role: access.TownshipDoctor, Personal: true, Clock: "referral.clock.phoned", Tone: "orange"},
			{Name: StateConfirmed, Title: "核对无误", Tone: "green"},
			{Name: StateCorrected, Title: "已更正", Tone: "gray"},
		},
		Actions: []flow.Action{
			{Name: ActConfirm, Title: "核对无误", From: []string{StatePending}, To: []string{StateConfirmed}, Side: flow.From, Right: access.ReferralCreate},
			{Name: ActCorrect, Title: "更正", From: []string{StatePending}, To: []string{StateCorrected}, Side: flow.From, Right: access.ReferralCreate, Comment: true},
			{Name: ActByPhone, Title: "回电核对", From: []string{StatePending}, To: []string{StateConfirmed}, Side: flow.To, Right: access.ReferralTriage, Comment: true},
		},
	}
}

// Caller is who has telephoned.
type Caller struct {
	Org    string    // the institution in whose name the referral goes
	Doctor string    // practitioner id of the referring doctor; "" not registered: Name
	Name   string    // of the referring doctor who phoned
	Phone  string    // number of the call
	At     time.Time // of the call
	Reason string    // code of referral.reason.phone_entry
	Note   string
	// ReadBack says that everything was read back and the caller said yes.
	ReadBack bool
}

// Who is the patient as told on the telephone: two identifiers, and what a
// person who is not registered yet needs.
type Who struct {
	IDNumber, Name string
	Phone          string
	Insurance      string
	Guardian       patient.NewRelation // of a child who is not registered yet
}

// Entry is a referral that was telephoned in.
type Entry struct {
	Caller  Caller
	Who     Who
	Form    referral.Form // Patient and Consent are filled in by the use case
	Consent consent.Consent
	Once    string
}

// Urgent is an emergency that was telephoned in: only who and where are needed.
type Urgent struct {
	Caller  Caller
	Unknown patient.Unknown
	Form    referral.EmergencyForm
	Once    string
}

// Record is one entry.
type Record struct {
	ID        string // the check
	Referral  string
	Number    string // of the referral
	State     string // of the referral
	Check     flow.Case
	FromOrg   string
	ClerkOrg  string
	ClerkName string
	CalledAt  time.Time
	EnteredAt time.Time
	Detail    Detail
}

// Detail is the sealed part.
type Detail struct {
	Name       string `json:"name"`
	Phone      string `json:"phone"`
	Reason     string `json:"reason"` // title
	Note       string `json:"note,omitempty"`
	Correction string `json:"correction,omitempty"`
}

// callAge is how old a call may be when it is entered.
const callAge = 24 * time.Hour

const maxText = 500

// check finds what is said about the call that cannot be.
func (c Caller) check(now time.Time, reasons []policy.Code, f *errs.Form) {
	f.Require("caller_org", c.Org, "来电的机构")
	f.Require("caller_name", c.Name, "来电医生的姓名")
	f.Require("caller_phone", c.Phone, "来电号码")
	switch {
	case c.At.IsZero():
		f.Add("called_at", "请填写通话时间")
	case c.At.After(now.Add(time.Minute)):
		f.Add("called_at", "通话时间晚于现在，请核对")
	case c.At.Before(now.Add(-callAge)):
		f.Add("called_at", "只代录 24 小时以内的来电；更早的请对方重新来电核对病情")
	}
	if reasonOf(reasons, c.Reason).Code == "" {
		f.Add("phone_reason", "请选择代录的原因")
	} else if reasonOf(reasons, c.Reason).Free && c.Note == "" {
		f.Add("call_note", "选择“%s”时请写明具体情况", reasonOf(reasons, c.Reason).Title)
	}
	if len([]rune(c.Note)) > maxText {
		f.Add("call_note", "最多 %d 个字", maxText)
	}
	if !c.ReadBack {
		f.Add("read_back", "请向来电人逐项复述：患者、诊断、紧急程度、去向，对方确认后再勾选")
	}
}

func reasonOf(list []policy.Code, code string) policy.Code {
	for _, c := range list {
		if c.Code == code && code != "" {
			return c
		}
	}
	return policy.Code{}
}

func (c Caller) tidy() Caller {
	c.Name, c.Phone, c.Note = strings.TrimSpace(c.Name), strings.TrimSpace(c.Phone), strings.TrimSpace(c.Note)
	return c
}

// hurried fills in what nobody asks for while somebody dies: nothing is read
// back, and the call stands as made now.
func (c Caller) hurried(now time.Time) Caller {
	c = c.tidy()
	c.ReadBack, c.Reason, c.Note = true, "urgent", cut(c.Note)
	if c.Name == "" {
		c.Name = "来电人未报姓名"
	}
	if c.Phone == "" {
		c.Phone = "未记号码"
	}
	if c.At.IsZero() || c.At.After(now) || c.At.Before(now.Add(-callAge)) {
		c.At = now
	}
	return c
}

func cut(text string) string {
	r := []rune(text)
	return string(r[:min(len(r), maxText)])
}
