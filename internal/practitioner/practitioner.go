// Package practitioner is the register of the people who work in the
// institutions: title, scope of practice, employer, dated postings, and the
// duty roster that says who answers now.
package practitioner

import (
	"time"

	"yilian/internal/calendar"
)

// Category says what a person's work is.
type Category string

const (
	Clinician     Category = "clinician"
	TCM           Category = "tcm"
	Nurse         Category = "nurse"
	PublicHealth  Category = "public_health"
	VillageDoctor Category = "village_doctor"
	Technician    Category = "technician"
	Manager       Category = "manager"
)

// Categories returns all categories.
func Categories() []Category {
	return []Category{Clinician, TCM, Nurse, PublicHealth, VillageDoctor, Technician, Manager}
}

// Title is the category in Chinese.
func (c Category) Title() string {
	switch c {
	case Clinician:
		return "临床医师"
	case TCM:
		return "中医师"
	case Nurse:
		return "护士"
	case PublicHealth:
		return "公卫医师"
	case VillageDoctor:
		return "乡村医生"
	case Technician:
		return "医技人员"
	case Manager:
		return "管理人员"
	}
	return ""
}

// Titles returns the professional titles (职称) in use, low to high by kind.
func Titles() []string {
	return []string{"乡村医生", "执业助理医师", "医师", "主治医师", "副主任医师", "主任医师",
		"护士", "护师", "主管护师", "副主任护师", "技士", "技师", "主管技师", "无"}
}

// PostingKind tells the employer's own post from one elsewhere.
type PostingKind string

const (
	Employed PostingKind = "employed"
	Posted   PostingKind = "posted" // sent to another institution; staff relations unchanged (LL-4.3.1)
)

// Title is the kind of posting in Chinese.
func (k PostingKind) Title() string {
	if k == Posted {
		return "派驻"
	}
	return "在编"
}

// Posting is where a person works for a time.
type Posting struct {
	ID, Practitioner string
	Org, Department  string // Department "": the whole institution
	Kind             PostingKind
	Head             bool          // heads the department, or the institution
	From             calendar.Date // first day
	To               calendar.Date // last day, inclusive; "": open
}

// On reports whether the posting holds on a day.
func (p Posting) On(d calendar.Date) bool {
	return !d.Before(p.From) && (p.To == "" || !d.After(p.To))
}

// Practitioner is one person in the register.
type Practitioner struct {
	ID         string
	Name       string
	Sex        string // GB/T 2261.1
	Phone      string // work phone
	Title      string // 职称, one of Titles
	Category   Category
	Scope      string // 执业范围
	EmployedBy string // institution id
	Postings   []Posting
	Active     bool
	Version    int64
}

// Duty is what a shift is for.
type Duty string

const (
	OnCallDuty     Duty = "on_call"
	SecondLine     Duty = "second_line"
	ReferralCenter Duty = "referral_center"
	Reviewer       Duty = "reviewer"
)

// Duties returns all duties.
func Duties() []Duty { return []Duty{OnCallDuty, SecondLine, ReferralCenter, Reviewer} }

// Title is the duty in Chinese.
func (d Duty) Title() string {
	switch d {
	case OnCallDuty:
		return "值班（一线）"
	case SecondLine:
		return "二线"
	case ReferralCenter:
		return "转诊中心"
	case Reviewer:
		return "院内审核"
	}
	return ""
}

// Shift is one person's turn at a duty.
type Shift struct {
	ID           string
	Org          string
	Department   string // "": the whole institution
	Duty         Duty
	Practitioner string
	From         time.Time
	To           time.Time // exclusive
}

// OnDuty is a shift together with the person who answers.
type OnDuty struct {
	Shift  Shift
	Person Practitioner
}

// Gap is a time in which nobody is on a duty that must be covered.
type Gap struct {
	Org, Department string
	Duty            Duty
	From, To        time.Time
}
