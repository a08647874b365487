// Package audit keeps the record of who did and who saw what. Leaves are only
// ever inserted, in the transaction of the act; a sealer chains them, so that
// a leaf that was changed or removed later is found and named.
package audit

import (
	"time"
)

// Actor is who acts: a signed-in person in one post, a system client, or the
// program itself.
type Actor struct {
	Account    string   // account or system client id; "" for the program itself
	Person     string   // practitioner id, "" for residents and clients
	Name       string   // display name, as it stood at the time of the act
	Role       string   // an access.Role
	Org        string   // institution id
	OrgName    string   // institution name, as it stood at the time of the act
	Department string   // department id, "" when the post has none
	Patient    string   // for residents: the patient id they are, or act for
	Regions    []string // jurisdictions of the institution, specific first: 431102, 4311, 43, CN
	Session    string   // id of the sign-in session, never its secret
	IP         string   // network address the request came from
}

// Program is the program itself as actor, for jobs and commands; name says
// which part of it acted.
func Program(name string) Actor { return Actor{Name: name, Role: ProgramRole} }

// ProgramRole is the role of the program itself.
const ProgramRole = "program"

// The outcomes of an act.
const (
	OK      = "ok"
	Refused = "refused"
)

// Leaf is one act: who did what to what, about which patient, on what basis,
// and how it ended.
type Leaf struct {
	ID       string    // set by Append when empty
	At       time.Time // set by Append to the time of the transaction when zero
	Actor    Actor     // who acted
	Action   string    // what was done, for example "referral.accept"
	Object   string    // kind of the thing, for example "referral"
	ObjectID string    // id of the thing
	Patient  string    // patient whose data it touches, "" when none
	Basis    string    // what made it lawful: a relation of care, consent, break-glass
	Outcome  string    // OK or Refused; empty means OK
	Clause   string    // policy clause it rests on or was refused by
	Detail   string    // one line for the reader, without clinical content
}

// Filter narrows a search; zero fields do not narrow.
type Filter struct {
	Actor    string // account id or exact display name (with Patient or ObjectID also practitioner id)
	Patient  string
	Object   string
	ObjectID string
	Action   string
	Org      string
	Outcome  string
	From, To time.Time // from inclusive, to exclusive
	Limit    int       // 0 means 50, at most 1000
	Before   string    // id of the last leaf of the page before
}

// Report is the result of verifying the chain.
type Report struct {
	Sealed      int64  // leaves in the chain
	Unsealed    int64  // leaves that wait for the sealer
	Broken      string // first broken leaf, or "#7" for a place in the chain whose leaf cannot be named; "" when whole
	Reason      string // Chinese sentence, "" when whole
	Checkpoints int    // signed checkpoints that were checked and hold
}
