// Package patient is the master index of persons of a region. A patient belongs
// to no institution: who may see whom follows from relations of care (package
// access). Numbers of identity papers and phones are sealed and found through
// keyed hashes; names are found by characters, spelling and initials.
package patient

import (
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/errs"
)

// GuardianAge is the age under which a guardian must be entered and must sign
// (PIPL 31: minors under fourteen).
const GuardianAge = 14

// Patient is a person as pages show it: papers and phones masked. Reveal gives
// them whole, against the right and a leaf in the audit log.
type Patient struct {
	ID              string
	Name            string
	Sex             string // GB/T 2261.1
	BirthDate       calendar.Date
	IDType          string // CV02.01.101; "" without a paper
	IDMasked        string
	PhoneMasked     string
	SafePhoneMasked string
	SafeHow         string // who answers there and what may be said
	Address         string
	Region          string // village code; "" unknown
	Ethnic          string // GB/T 3304
	InsuranceKind   string
	InsurancePlace  string // region code of the pool
	DeceasedOn      calendar.Date
	Resident        string // surviving record when this one is linked to another; "" is the surviving record itself
	Version         int64
	CreatedAt       time.Time
	ChangedAt       time.Time
	ChangedBy       string
}

// Town is the code of the town of residence, "" when unknown.
func (p Patient) Town() string { return townOf(p.Region) }

// Age is the age in whole years on a day.
func (p Patient) Age(on calendar.Date) int { return AgeOn(p.BirthDate, on) }

// AgeOn returns whole years from birth to a day; who is born on 29 February
// grows older on 1 March in common years.
func AgeOn(birth, on calendar.Date) int {
	if len(birth) != 10 || len(on) != 10 || on < birth {
		return 0
	}
	age := on.Year() - birth.Year()
	if on[5:] < birth[5:] {
		age--
	}
	return age
}

// Secret is what Reveal shows.
type Secret struct {
	IDNumber  string
	Phone     string
	SafePhone string
}

// Contact is where messages to a patient go: to the safe contact when there is
// one, otherwise to the patient, for children to the guardian.
type Contact struct {
	Name  string
	Phone string
	Safe  bool // a safe contact: nothing but the next step may be said
}

// Registration is the form of a person, for registering and for updating.
type Registration struct {
	Name           string
	IDType         string // "" with NoID: no paper at hand
	IDNumber       string // on update: "" keeps the stored number
	Sex            string // derived when the paper is an identity card
	BirthDate      string // likewise
	Phone          string // on update: "" keeps the stored number
	SafePhone      string // on update: "" keeps the stored number, "-" removes it
	SafeHow        string
	Address        string
	Region         string
	Ethnic         string
	InsuranceKind  string
	InsurancePlace string
	Guardian       NewRelation // required under fourteen, when registering
	Confirmed      bool        // the listed possible duplicates are other persons
}

// NewRelation is a relative to be entered.
type NewRelation struct {
	Kind      string // GB/T 4761
	OtherID   string // registered person, "" when not registered
	Name      string
	Phone     string
	Guardian  bool
	Household bool
}

// Relation is a relative of a patient.
type Relation struct {
	ID          string
	Kind        string
	OtherID     string
	Name        string
	PhoneMasked string
	Guardian    bool
	Household   bool
	From, To    calendar.Date // To "" lasting
}

// Current reports whether the relation holds on a day.
func (r Relation) Current(on calendar.Date) bool { return r.To == "" || r.To > on }

// Mark is a label as set on a patient.
type Mark struct {
	ID     string
	Label  Label
	Reason string
	SetAt  time.Time
	SetBy  string
}

// Duplicate is the cause of a Conflict: a person with the same paper exists.
type Duplicate struct{ ID string }

func (d *Duplicate) Error() string { return "same identity paper as patient " + d.ID }

// Possible is the cause of a Conflict that Confirmed overrides: persons with the
// same name and birth date exist.
type Possible struct{ Hits []Hit }

func (p *Possible) Error() string { return "possible duplicates" }

// MaskName shows the first and, of three or more characters, the last.
func MaskName(name string) string {
	r := []rune(name)
	switch {
	case len(r) == 0:
		return ""
	case len(r) <= 2:
		return string(r[:1]) + "*"
	}
	return string(r[:1]) + strings.Repeat("*", len(r)-2) + string(r[len(r)-1:])
}

// MaskPhone shows the first three and the last four digits; a number that is
// too short for that is hidden whole.
func MaskPhone(phone string) string {
	r := []rune(phone)
	if len(r) <= 7 {
		return strings.Repeat("*", len(r))
	}
	return string(r[:3]) + strings.Repeat("*", len(r)-7) + string(r[len(r)-4:])
}

// townOf cuts a village code of twelve digits to its town of nine.
func townOf(region string) string {
	if len(region) < 9 {
		return ""
	}
	return region[:9]
}

// stale answers an update of a version that has passed.
func stale(p Patient) error {
	return errs.E(errs.Conflict, "该患者的资料已由%s于 %s 修改，您看到的不是最新内容。请刷新页面，核对后再保存",
		p.ChangedBy, p.ChangedAt.In(calendar.Shanghai).Format("2006-01-02 15:04"))
}
