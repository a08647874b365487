// Package alliance is the register of medical alliances, of who belongs to
// them and of who builds up whom. Every fact is dated twice: when it holds
// (valid time) and since when the register says so (known time), so that what
// was counted last month can be counted again as it was known then.
package alliance

import (
	"strings"
	"time"

	"yilian/internal/calendar"
)

// Kind is one of the six kinds of alliance.
type Kind string

const (
	MedicalGroup            Kind = "medical_group"
	CountyCommunity         Kind = "county_community"
	SpecialtyAlliance       Kind = "specialty_alliance"
	TCMAlliance             Kind = "tcm_alliance"
	TelemedicineNetwork     Kind = "telemedicine_network"
	GeneralPracticeAlliance Kind = "general_practice_alliance"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{MedicalGroup, CountyCommunity, SpecialtyAlliance, TCMAlliance, TelemedicineNetwork, GeneralPracticeAlliance}
}

// Title is the kind in Chinese.
func (k Kind) Title() string {
	switch k {
	case MedicalGroup:
		return "城市医疗集团"
	case CountyCommunity:
		return "县域医共体"
	case SpecialtyAlliance:
		return "专科联盟"
	case TCMAlliance:
		return "中医联盟"
	case TelemedicineNetwork:
		return "远程医疗协作网"
	case GeneralPracticeAlliance:
		return "全科联盟"
	}
	return string(k)
}

// Alliance is one alliance.
type Alliance struct {
	ID      string
	Name    string
	Kind    Kind
	Region  string // code of the region it serves
	Profile string // policy profile it was founded under
	Clause  string
}

// Role is what an institution is in an alliance.
type Role string

const (
	Lead   Role = "lead"
	Member Role = "member"
	Link   Role = "link" // tied from outside, not a member
)

// Title is the role in Chinese.
func (r Role) Title() string {
	switch r {
	case Lead:
		return "牵头单位"
	case Member:
		return "成员单位"
	case Link:
		return "协作单位"
	}
	return string(r)
}

// Period is the two times of a fact.
type Period struct {
	ValidFrom calendar.Date
	ValidTo   calendar.Date // last day, inclusive; "": open
	KnownFrom time.Time
	KnownTo   time.Time // zero: still what the register says
	KnownBy   string    // who recorded it
	Reason    string    // why it was recorded or corrected
}

// Holds reports whether the fact is true on a day.
func (p Period) Holds(d calendar.Date) bool {
	return !d.Before(p.ValidFrom) && (p.ValidTo == "" || !d.After(p.ValidTo))
}

// Known reports whether the register said so at an instant.
func (p Period) Known(at time.Time) bool {
	return !at.Before(p.KnownFrom) && (p.KnownTo.IsZero() || at.Before(p.KnownTo))
}

// Span is the valid time in words.
func (p Period) Span() string {
	if p.ValidTo == "" {
		return "自 " + string(p.ValidFrom) + " 起"
	}
	return string(p.ValidFrom) + " 至 " + string(p.ValidTo)
}

func (p Period) overlaps(o Period) bool {
	return (p.ValidTo == "" || !p.ValidTo.Before(o.ValidFrom)) && (o.ValidTo == "" || !o.ValidTo.Before(p.ValidFrom))
}

// Membership says that an institution belongs to an alliance.
type Membership struct {
	ID       string
	Alliance string
	Org      string
	OrgName  string // what the institution was called when it was entered
	Role     Role
	Plate    string // added plate; the first name stays (LL-4.3.1)
	Clause   string
	Period
}

// Support says that one institution builds up another (对口建设, LL-4.2).
type Support struct {
	ID        string
	Supporter string
	Supported string
	Focus     string // what it is about; "" when the document does not say
	Clause    string
	Period
}

// PlateFormat is the plate that LL-4.3.1 lets members add, as the policy key
// alliance.plate.format writes it.
const PlateFormat = "{lead}医联体{member}分院"

// Plate writes the added plate of a member: format with the name of the lead
// and of the member's place.
func Plate(format, lead, member string) string {
	return strings.NewReplacer("{lead}", lead, "{member}", member).Replace(format)
}
