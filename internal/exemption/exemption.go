// Package exemption is the register of exceptions that a document allows with
// evidence and approvals: a provincial hospital that goes on leading a tight
// alliance, a branch at home or in another city (JS-4.1.2). Each is a case that
// the city's commission and then the province decide.
package exemption

import (
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/flow"
)

// CaseKind is the kind of flow case that an application is.
const CaseKind = "exemption"

// Kind says what the exception is for.
type Kind string

// The exceptions.
const (
	Lead   Kind = "lead"
	Branch Kind = "branch"
)

// Title is the kind in Chinese.
func (k Kind) Title() string {
	switch k {
	case Lead:
		return "省属省管医院牵头紧密型医联体"
	case Branch:
		return "设分院（分中心）"
	}
	return ""
}

// The states of an application.
const (
	StateCity      = "city"
	StateProvince  = "province"
	StateReturned  = "returned"
	StateApproved  = "approved"
	StateRefused   = "refused"
	StateWithdrawn = "withdrawn"
)

// The actions of an application.
const (
	ActConsent  = "consent"
	ActApprove  = "approve"
	ActReturn   = "return"
	ActResubmit = "resubmit"
	ActRefuse   = "refuse"
	ActWithdraw = "withdraw"
)

func clock(state string) string    { return "exemption.clock." + state }
func reasons(action string) string { return "exemption.reason." + action }

// Machine is the application as one table: first the city's commission, then
// the province (JS-4.1.2).
func Machine() flow.Machine {
	const from, to = flow.From, flow.To
	apply, decide := access.ExemptionApply, access.ExemptionDecide
	return flow.Machine{
		Kind: CaseKind, Title: "例外登记", Prefix: "LW", Start: StateCity,
		States: []flow.State{
			{Name: StateCity, Title: "待市级同意", Turn: to, Role: access.BureauCity, Clock: clock(StateCity), Tone: "blue"},
			{Name: StateProvince, Title: "待省级同意", Turn: to, Role: access.BureauProvince, Clock: clock(StateProvince), Tone: "blue"},
			{Name: StateReturned, Title: "待补充依据", Turn: from, Role: access.AllianceOffice, Clock: clock(StateReturned), Tone: "orange"},
			{Name: StateApproved, Title: "已同意", Tone: "green"},
			{Name: StateRefused, Title: "不同意", Tone: "red"},
			{Name: StateWithdrawn, Title: "已撤回", Tone: "gray"},
		},
		Actions: []flow.Action{
			{Name: ActConsent, Title: "市级同意", From: []string{StateCity}, To: []string{StateProvince}, Side: to, Right: decide},
			{Name: ActApprove, Title: "省级同意", From: []string{StateProvince}, To: []string{StateApproved}, Side: to, Right: decide, Tells: from},
			{Name: ActReturn, Title: "退回补充", From: []string{StateCity, StateProvince}, To: []string{StateReturned}, Side: to, Right: decide, Reasons: reasons(ActReturn), Comment: true},
			{Name: ActResubmit, Title: "补充后再报", From: []string{StateReturned}, To: []string{StateCity}, Side: from, Right: apply},
			{Name: ActRefuse, Title: "不同意", From: []string{StateCity, StateProvince}, To: []string{StateRefused}, Side: to, Right: decide, Reasons: reasons(ActRefuse), Comment: true, Dangerous: true, Tells: from},
			{Name: ActWithdraw, Title: "撤回", From: []string{StateCity, StateReturned}, To: []string{StateWithdrawn}, Side: from, Right: apply, Comment: true, Dangerous: true},
		},
	}
}

// Application is what is asked for.
type Application struct {
	ID           string
	Kind         Kind
	Org          string
	AllianceKind string // kind of alliance to lead; "" for a branch
	Region       string // where
	Existing     bool   // stood before the document
	Since        calendar.Date
	Purpose      string
	Evidence     string // what proves that it is effective
	Clause       string
	DecidedAt    time.Time
	Approved     bool
}

// Ref names a case as the page showed it.
type Ref struct {
	ID      string
	Version int
	Once    string
}
