// Package calls keeps what a referral centre does by telephone: the call log,
// the hand-over book of the shifts, and the monthly test call of every
// published referral phone (LL-4.3.4c).
package calls

import (
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/jobs"
	"yilian/internal/organization"
)

// Service has the use cases of the telephone.
type Service struct {
	DB       *db.DB
	Keys     *crypto.Keyring
	Audit    *audit.Log
	Calendar *calendar.Calendar
	Queue    *jobs.Queue // optional: without it nobody is reminded of test calls
}

// Init registers the reminder of the test calls.
func (s *Service) Init() {
	if s.Queue == nil {
		return
	}
	s.Queue.Every(remindKind, 24*time.Hour, s.remind)
	s.Queue.Title(remindKind, "提醒测试转诊电话")
}

// Detail is the sealed part of a call.
type Detail struct {
	Person  string `json:"person"`
	Phone   string `json:"phone"`
	Purpose string `json:"purpose"`
	Result  string `json:"result"`
}

// Call is one telephone call of an institution, about a case or about anything.
type Call struct {
	ID, Org      string
	At           time.Time
	Case, Number string // of the case it is about; "" none
	Outgoing     bool   // we called; false: we were called
	WithOrg      string // name of the other institution, as typed or chosen
	Detail
	By, ByName string
	EnteredAt  time.Time
}

// Item is an open case as it stood when a shift was handed over.
type Item struct {
	Case    string    `json:"case"`
	Number  string    `json:"number"`
	Subject string    `json:"subject"`
	Kind    string    `json:"kind"`
	State   string    `json:"state"`
	Urgency string    `json:"urgency"`
	Owner   string    `json:"owner"` // who holds it; "" anybody of the post
	DueAt   time.Time `json:"due_at"`
}

// Handover is one entry of the hand-over book.
type Handover struct {
	ID, Org           string
	From, To          time.Time // the shift
	Text              string
	Items             []Item // open cases with their clocks, the most urgent first
	Count             int64
	WrittenBy, Writer string
	WrittenAt         time.Time
	TakenBy, Taker    string
	TakenAt           time.Time // zero: nobody has taken over yet
	Remark            string
}

// Test is one test call of a published referral phone.
type Test struct {
	Org, Month, Phone string
	At                time.Time
	ByName, ByOrg     string
	Reached           bool
	Note              string
}

// Phone is a published referral phone with its last test.
type Phone struct {
	Org  organization.Organization
	Last Test // zero At: never tested
	Due  bool // not tested in the present month, or under another number
}

// Phones are the published phones of a jurisdiction with this month's figures.
type Phones struct {
	Month   string // YYYY-MM
	List    []Phone
	Missing []organization.Organization // institutions of care without a published phone
	Tested  int                         // tested this month
	Reached int                         // of these reached
	Now     time.Time
}

// may refuses who is not of a referral centre; at primary institutions, which
// have none, the head keeps the book.
func may(actor access.Actor) error {
	if actor.Org != "" && access.Role(actor.Role) == access.TownshipHead {
		return access.Require(actor, access.ReferralReview, access.Own)
	}
	return access.Require(actor, access.ReferralTriage, access.Own)
}

// mayLog lets everybody log a call who may open cases of his institution.
func mayLog(actor access.Actor) error {
	return access.Require(actor, access.ReferralRead, access.Own)
}

// May reports whether the actor keeps hand-over book and test calls.
func May(actor access.Actor) bool { return may(actor) == nil }

func concerns(c flow.Case, org string) bool {
	return org != "" && (org == c.From.Org || org == c.To.Org || org == c.OwnerOrg)
}
