package access

// Role is a post's function: what its holder may do. An account may hold
// several posts; a session acts in one of them.
type Role string

// The roles of an alliance. The three administrators (系统管理员, 安全管理员,
// 审计员) are separate powers: no account holds two of them.
const (
	VillageDoctor    Role = "village_doctor"
	TownshipDoctor   Role = "township_doctor"
	TownshipHead     Role = "township_head"
	ReferralCenter   Role = "referral_center"
	Registration     Role = "registration"
	DepartmentDoctor Role = "department_doctor"
	DepartmentHead   Role = "department_head"
	BedManager       Role = "bed_manager"
	MedicalAffairs   Role = "medical_affairs"
	InsuranceOffice  Role = "insurance_office"
	Emergency        Role = "emergency"
	OnCall           Role = "on_call"
	AllianceOffice   Role = "alliance_office"
	CouncilSecretary Role = "council_secretary"
	BureauCounty     Role = "bureau_county"
	BureauCity       Role = "bureau_city"
	BureauProvince   Role = "bureau_province"
	Insurer          Role = "insurer"
	Resident         Role = "resident"
	SystemAdmin      Role = "system_admin"
	SecurityAdmin    Role = "security_admin"
	Auditor          Role = "auditor"
	PrivacyOfficer   Role = "privacy_officer"
)

// SystemClient is the role of systems that come through the interfaces. It is
// no post: nobody is given it, and lists of posts do not show it.
const SystemClient Role = "client"

var roleTitles = []struct {
	role  Role
	title string
}{
	{VillageDoctor, "村医"},
	{TownshipDoctor, "基层医生"},
	{TownshipHead, "基层机构负责人"},
	{ReferralCenter, "转诊中心"},
	{Registration, "挂号入院登记"},
	{DepartmentDoctor, "科室医生"},
	{DepartmentHead, "科主任"},
	{BedManager, "床位管理"},
	{MedicalAffairs, "医务科"},
	{InsuranceOffice, "医保办"},
	{Emergency, "急诊"},
	{OnCall, "总值班"},
	{AllianceOffice, "医联体办公室"},
	{CouncilSecretary, "理事会秘书"},
	{BureauCounty, "区县卫健局"},
	{BureauCity, "市卫健委"},
	{BureauProvince, "省卫健委"},
	{Insurer, "医保经办"},
	{Resident, "居民"},
	{SystemAdmin, "系统管理员"},
	{SecurityAdmin, "安全管理员"},
	{Auditor, "审计员"},
	{PrivacyOfficer, "隐私专员"},
}

// Roles returns all roles in the order in which pages list them.
func Roles() []Role {
	out := make([]Role, len(roleTitles))
	for i, r := range roleTitles {
		out[i] = r.role
	}
	return out
}

// Title is the role's Chinese name; an unknown role is empty.
func (r Role) Title() string {
	for _, t := range roleTitles {
		if t.role == r {
			return t.title
		}
	}
	if r == SystemClient {
		return "系统客户端"
	}
	return ""
}

// Valid reports whether r is one of Roles.
func (r Role) Valid() bool { return r != SystemClient && r.Title() != "" }
