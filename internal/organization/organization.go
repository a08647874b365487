// Package organization is the register of institutions: hospitals, township
// and community centres, village clinics, bureaus and the insurer, with their
// departments and the services they offer. It answers where a patient with a
// given need can go.
package organization

import (
	"slices"

	"yilian/internal/errs"
)

// Kind says what an institution is.
type Kind string

const (
	CountyHospital   Kind = "county_hospital"
	TCMHospital      Kind = "tcm_hospital"
	MaternalHospital Kind = "maternal_hospital"
	TownshipCenter   Kind = "township_center"
	CommunityCenter  Kind = "community_center"
	VillageClinic    Kind = "village_clinic"
	CityHospital     Kind = "city_hospital"
	ProvinceHospital Kind = "provincial_hospital"
	SpecialHospital  Kind = "specialty_hospital"
	Bureau           Kind = "bureau"
	Insurer          Kind = "insurer"
	Other            Kind = "other"
)

var kindTitles = map[Kind]string{
	CountyHospital: "区县综合医院", TCMHospital: "中医医院", MaternalHospital: "妇幼保健院",
	TownshipCenter: "乡镇卫生院", CommunityCenter: "社区卫生服务中心", VillageClinic: "村卫生室",
	CityHospital: "市级医院", ProvinceHospital: "省级医院", SpecialHospital: "专科医院", Bureau: "卫生健康行政部门", Insurer: "医疗保障经办机构", Other: "其他机构",
}

// Kinds returns all kinds in the order lists show them.
func Kinds() []Kind {
	return []Kind{CountyHospital, TCMHospital, MaternalHospital, CityHospital, ProvinceHospital, SpecialHospital, TownshipCenter,
		CommunityCenter, VillageClinic, Bureau, Insurer, Other}
}

// Title is the kind in Chinese.
func (k Kind) Title() string { return kindTitles[k] }

// Hospital reports whether institutions of the kind are hospitals, which take
// referrals from primary care (LL-4.4.1a).
func (k Kind) Hospital() bool {
	return slices.Contains(HospitalKinds(), k)
}

// General reports whether institutions of the kind are general hospitals.
func (k Kind) General() bool {
	return k == CountyHospital || k == CityHospital || k == ProvinceHospital
}

// HospitalKinds returns the kinds that are hospitals.
func HospitalKinds() []Kind {
	return []Kind{CountyHospital, TCMHospital, MaternalHospital, CityHospital, ProvinceHospital, SpecialHospital}
}

// Primary reports whether institutions of the kind are primary care.
func (k Kind) Primary() bool {
	return k == TownshipCenter || k == CommunityCenter || k == VillageClinic
}

// Ownership says who owns an institution.
type Ownership string

const (
	Public  Ownership = "public"
	Private Ownership = "private"
)

// Title is the ownership in Chinese.
func (o Ownership) Title() string {
	switch o {
	case Public:
		return "公立"
	case Private:
		return "民营"
	}
	return ""
}

// Ungraded is the level of an institution that has not been graded.
const Ungraded = "未定级"

// Levels returns the level vocabulary (handbook: match by prefix).
func Levels() []string {
	return []string{"三级甲等", "三级乙等", "三级", "二级甲等", "二级乙等", "二级", "一级甲等", "一级乙等", "一级", Ungraded}
}

// Systems of identifiers.
const (
	USCC         = "uscc"   // 统一社会信用代码, GB 32100, 18 characters
	HealthCode   = "ws218"  // 卫生机构（组织）代码, WS 218, 22 characters
	InsuranceOrg = "yibao"  // 医保定点医疗机构代码, H + 6 region + 5 serial
	License      = "permit" // 医疗机构执业许可证登记号
)

// IdentifierTitle is the identifier system in Chinese.
func IdentifierTitle(system string) string {
	switch system {
	case USCC:
		return "统一社会信用代码"
	case HealthCode:
		return "卫生机构（组织）代码"
	case InsuranceOrg:
		return "医保定点机构编码"
	case License:
		return "执业许可证登记号"
	}
	return system
}

// Identifier is one official number of an institution.
type Identifier struct{ System, Value string }

// Organization is one institution.
type Organization struct {
	ID            string
	Name          string // first name, unchanged by membership (LL-4.3.1)
	ShortName     string // shown in lists; the name when blank
	Kind          Kind
	Level         string
	Ownership     Ownership
	Region        string // region code of its seat
	Parent        string // village clinic: its township centre; "" otherwise
	Identifiers   []Identifier
	ReferralPhone string // published for referrals (LL-4.3.4c)
	Address       string
	Active        bool // false once closed; rows are never deleted
	Version       int64
}

// Short is the name for narrow places.
func (o Organization) Short() string {
	if o.ShortName != "" {
		return o.ShortName
	}
	return o.Name
}

// Identifier returns the value of an identifier system, "" when there is none.
func (o Organization) Identifier(system string) string {
	for _, id := range o.Identifiers {
		if id.System == system {
			return id.Value
		}
	}
	return ""
}

// Department is one department of an institution.
type Department struct {
	ID            string
	Org           string
	Name          string
	Specialty     string // code of Specialties
	Location      string // building, floor, room
	Phone         string
	DailyCapacity int // referred patients a day; shown, booked later
	Active        bool
	Version       int64
}

// ServiceKind says in what form a service is given.
type ServiceKind string

const (
	Clinic    ServiceKind = "clinic"
	Inpatient ServiceKind = "inpatient"
	Exam      ServiceKind = "exam"
	Emergency ServiceKind = "emergency"
)

// ServiceKinds returns all kinds of service.
func ServiceKinds() []ServiceKind { return []ServiceKind{Clinic, Inpatient, Exam, Emergency} }

// Title is the kind of service in Chinese.
func (k ServiceKind) Title() string {
	switch k {
	case Clinic:
		return "门诊"
	case Inpatient:
		return "住院"
	case Exam:
		return "检查"
	case Emergency:
		return "急诊"
	}
	return ""
}

// HealthcareService is something a department offers and whom it is for. (The
// FHIR name; Service is the set of use cases of this package.)
type HealthcareService struct {
	ID         string
	Org        string
	Department string
	Name       string
	Kind       ServiceKind
	Specialty  string   // code of Specialties
	Treats     []string // ICD-10 prefixes, for example I20; empty: anything
	MinAge     int      // whole years
	MaxAge     int      // whole years, inclusive; 0: no limit
	Sex        string   // GB/T 2261.1: "1", "2"; "": both
	Active     bool
	Version    int64
}

// AgeUnknown is the age of a Need when it is not known.
const AgeUnknown = -1

// Need is what a patient needs; empty fields do not restrict.
type Need struct {
	Code      string        // ICD-10 code of the main diagnosis
	Specialty string        // code of Specialties
	Age       int           // whole years, or AgeUnknown
	Sex       string        // GB/T 2261.1
	Urgency   string        // I, II, III, IV (triage)
	Kinds     []ServiceKind // forms that will do; empty: by urgency, never Exam
	From      string        // the asking institution, never its own target
	Allies    []string      // institutions of the own alliances, shown first
	OrgKinds  []Kind        // kinds of institution; empty: any
	Service   string        // this service only; "" any
}

// Candidate is a service that takes the need.
type Candidate struct {
	Service     HealthcareService
	Department  Department
	Org         Organization
	Ally        bool
	Specificity int // length of the matching ICD prefix; 0 when the service treats anything
}

// stale is the answer to an edit of something that has changed since.
func stale(what string) error {
	return errs.E(errs.Conflict, "%s刚刚被别人改过，您看到的不是最新内容。请刷新页面，核对后再保存", what)
}
