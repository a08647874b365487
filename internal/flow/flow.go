// Package flow keeps cases: every piece of work between people that has a
// state, an owner and a clock. A module declares a state machine; Engine.Act
// is the only way to move a case. From the declaration come the buttons of a
// page, the worklists, escalation and the timeline. No open case is ever
// without an owner and a due time: the tables themselves refuse it.
package flow

import (
	"time"

	"yilian/internal/access"
	"yilian/internal/policy"
)

// Side is one of the two institutions of a case.
type Side string

const (
	From   Side = "from" // who asks, for example the referring township centre
	To     Side = "to"   // who is asked, for example the receiving hospital
	Nobody Side = ""     // terminal states
)

// Title is the side in Chinese.
func (s Side) Title() string {
	switch s {
	case From:
		return "申请方"
	case To:
		return "接收方"
	}
	return ""
}

// Party is a place or a person that a case names: an institution, and as far
// as known a department, a role and a person in it.
type Party struct {
	Org, OrgName               string
	Department, DepartmentName string
	Person, PersonName         string // practitioner id where there is one, else account id
}

// Display is the party in words: 水口山镇中心卫生院 · 全科 · 王某某.
func (p Party) Display() string {
	s := p.OrgName
	if p.DepartmentName != "" {
		s += " · " + p.DepartmentName
	}
	if p.PersonName != "" {
		s += " · " + p.PersonName
	}
	return s
}

// Case is one piece of work in one state of its machine.
type Case struct {
	ID, Kind, Number string
	State            string
	Version          int
	Patient          string // patient id; empty when the case is about no person
	Subject          string // who it is about, for lists; never a diagnosis
	Urgency          string // triage level I, II, III, IV; empty when the kind has none
	Track            string // what else tells clocks apart: inpatient, outpatient
	Silent           bool   // back-entry: no notices, no escalation
	From, To         Party
	Place            policy.Place // whose rules bind the case

	Turn       Side // whose turn it is
	OwnerOrg   string
	OwnerRole  access.Role
	OwnerDept  string
	Owner      string // person who holds it; empty: anybody of the role
	OwnerName  string
	EnteredAt  time.Time // when the present state began
	DueAt      time.Time // zero only when closed
	DueKey     string    // policy key of the clock; empty for a promised time
	DueClause  string    // clause the clock rests on
	DueRule    string    // the clock in short form: 2h, 1wd
	DueShort   bool      // the deadline ran past the last loaded calendar year (日历缺失)
	Escalation int       // how often it has been overdue in this state

	PausedState string        // state whose clock stands still
	PausedLeft  time.Duration // what was left of it, for clocks in minutes and hours
	PausedDays  int           // what was left of it, for clocks in working days

	Responsible Party // who is clinically responsible; changes only by acceptance
	OpenedAt    time.Time
	ClosedAt    time.Time // zero while open
	Outcome     string    // coded outcome of a closed case
	BasedOn     string    // id of the case it follows from

	policy string // profile@version that the present clock was decided under
}

// Open reports whether somebody still has to do something.
func (c Case) Open() bool { return c.ClosedAt.IsZero() }

// Side returns the side on which an institution stands; the receiving side
// when it stands on both.
func (c Case) Side(org string) Side {
	switch org {
	case c.To.Org:
		return To
	case c.From.Org:
		return From
	}
	return Nobody
}

// Event is one step of a case: what was done, by whom, and how long the state
// before it had lasted on whose side.
type Event struct {
	ID, Case, Kind      string
	Version             int
	At                  time.Time
	Account, Person     string
	Name, Role          string
	Org, OrgName        string
	Action, ActionTitle string
	FromState, ToState  string
	Reason, ReasonTitle string
	Comment             string
	HeldSide            Side          // who had the turn before this step
	Held                time.Duration // how long; paused time belongs to the side that was asked
	DueAt               time.Time
	Clause              string // clause of the new deadline
	Policy              string // profile@version under which the step was decided
}

// Notice is a line for the staff of an institution: something new is theirs,
// or something of theirs is late.
type Notice struct {
	Case, Kind, Number string
	Org                string
	Role               access.Role // everybody of the role; empty when Person is set
	Person             string
	Level              string // "info", "due", "overdue"
	Text               string // Chinese, no diagnosis
}

// Change says that a case has moved; open pages of the institutions it
// concerns refresh on it: both sides, who holds it now, who acted. A village
// referral under review concerns the township centre, which is on neither side.
type Change struct{ Event, Case, Kind, FromOrg, ToOrg, OwnerOrg, ActorOrg string }

// Concerns reports whether the change is one of an institution's cases.
func (c Change) Concerns(org string) bool {
	return org != "" && (org == c.FromOrg || org == c.ToOrg || org == c.OwnerOrg || org == c.ActorOrg)
}
