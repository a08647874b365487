// Package contract is the register of family-doctor contracts (家庭医生签约):
// which resident is contracted with which team, from when to when. Signing
// makes the relation of care that opens the resident's record to the team's
// institution. Services and their fulfilment are not its business yet.
package contract

import (
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/errs"
)

// Terms of a contract in years: at least one, up to three are encouraged
// (关于推进家庭医生签约服务高质量发展的指导意见, 2022).
const (
	MinYears = 1
	MaxYears = 3
)

// Role is what a member does in a team (LL-4.1c).
type Role string

const (
	Clinician    Role = "clinician"
	Nurse        Role = "nurse"
	PublicHealth Role = "public_health"
	OtherRole    Role = "other"
)

// Roles returns all roles.
func Roles() []Role { return []Role{Clinician, Nurse, PublicHealth, OtherRole} }

// Title is the role in Chinese.
func (r Role) Title() string {
	switch r {
	case Clinician:
		return "临床医生"
	case Nurse:
		return "护士"
	case PublicHealth:
		return "公卫医生或乡村医生"
	case OtherRole:
		return "其他成员"
	}
	return ""
}

// Member is one person of a team.
type Member struct {
	Practitioner string
	Name         string // filled when read
	Role         Role
}

// Team is a family-doctor team.
type Team struct {
	ID         string
	Org        string
	OrgName    string // filled when read
	Name       string
	Leader     string // practitioner id
	LeaderName string // filled when read
	Phone      string
	Members    []Member // without the leader
	Active     bool
	Version    int64
	Contracted int64 // residents contracted today, filled by Teams
}

// Missing returns the roles that a team should have (LL-4.1c) and has not. The
// leader counts as clinician.
func (t Team) Missing() []Role {
	var out []Role
	for _, r := range []Role{Nurse, PublicHealth} {
		found := false
		for _, m := range t.Members {
			found = found || m.Role == r
		}
		if !found {
			out = append(out, r)
		}
	}
	return out
}

// Kind is the package that was signed.
type Kind string

const (
	Basic        Kind = "basic"
	Primary      Kind = "primary"
	Intermediate Kind = "intermediate"
	Advanced     Kind = "advanced"
)

// Kinds returns all packages.
func Kinds() []Kind { return []Kind{Basic, Primary, Intermediate, Advanced} }

// Title is the package in Chinese.
func (k Kind) Title() string {
	switch k {
	case Basic:
		return "基础包"
	case Primary:
		return "初级个性包"
	case Intermediate:
		return "中级个性包"
	case Advanced:
		return "高级个性包"
	}
	return ""
}

// EndReason is why a contract ended before its last day.
type EndReason string

const (
	Moved   EndReason = "moved"
	Died    EndReason = "died"
	Changed EndReason = "changed"
	Wish    EndReason = "wish"
	Other   EndReason = "other"
)

// EndReasons returns all reasons.
func EndReasons() []EndReason { return []EndReason{Changed, Moved, Wish, Died, Other} }

// Title is the reason in Chinese.
func (r EndReason) Title() string {
	switch r {
	case Moved:
		return "迁出辖区"
	case Died:
		return "死亡"
	case Changed:
		return "改签其他团队"
	case Wish:
		return "居民要求解约"
	case Other:
		return "其他"
	}
	return ""
}

// Contract is one term of a resident with a team.
type Contract struct {
	ID         string
	Patient    string
	Name       string // of the resident when signed
	Team       string
	TeamName   string // filled when read
	TeamPhone  string
	Org        string
	OrgName    string // filled when read
	Kind       Kind
	Signer     string
	SignerKind string // GB/T 4761; "" the resident
	From, To   calendar.Date
	Renews     string // id of the term before
	Latest     bool
	SignedAt   time.Time
	SignedBy   string
	EndedOn    calendar.Date // first day it no longer holds; "" runs its term
	EndReason  EndReason
	EndNote    string
	VoidedAt   time.Time
}

// holds reports whether the contract is in force on a day.
func (c Contract) holds(day calendar.Date) bool {
	return c.VoidedAt.IsZero() && c.From <= day && day <= c.To && (c.EndedOn == "" || day < c.EndedOn)
}

// Status is what a list shows of a contract on a day, in Chinese.
func (c Contract) Status(day calendar.Date) string {
	switch {
	case !c.VoidedAt.IsZero():
		return "已作废"
	case c.EndedOn != "" && c.EndedOn <= day:
		return "已解约"
	case c.To < day:
		return "已到期"
	case c.From > day:
		return "待生效"
	case c.To < day.AddDays(ExpiringDays):
		return "即将到期"
	}
	return "有效"
}

// ExpiringDays is how long before its last day a contract is offered for renewal.
const ExpiringDays = 60

// NewContract is the form of signing.
type NewContract struct {
	Patient    string
	Team       string
	Kind       Kind
	From       calendar.Date // "" today
	Years      int
	Signer     string // "" the resident
	SignerKind string // GB/T 4761
	Tail       string // last four of the resident's identity or phone number: he is here
}

// term checks the days of a contract and returns the last one.
func (n NewContract) term(f *errs.Form, today calendar.Date) calendar.Date {
	if n.Years < MinYears || n.Years > MaxYears {
		f.Add("years", "签约周期应为%d至%d年", MinYears, MaxYears)
		return ""
	}
	if _, err := calendar.ParseDate(string(n.From)); err != nil {
		f.AddErr("from", err)
		return ""
	}
	if n.From > today.AddDays(366) || n.From < today.AddDays(-366) {
		f.Add("from", "生效日期应在今天前后一年之内，请核对")
	}
	return calendar.DateOf(n.From.Time().AddDate(n.Years, 0, -1))
}

// likePrefix keeps the signs of LIKE out of a typed text.
func likePrefix(s string) string {
	return strings.NewReplacer("%", "", "_", "", "\\", "").Replace(strings.TrimSpace(s))
}
