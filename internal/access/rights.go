package access

import (
	"maps"
	"slices"

	"yilian/internal/audit"
	"yilian/internal/errs"
)

// Right is one thing that a role may be allowed to do.
type Right string

// The rights. Those of a referral are the rights that the actions of its
// machine ask for; nothing else decides who may act.
const (
	PatientSearch   Right = "patient.search"   // find a person; shows masked identity only
	PatientRegister Right = "patient.register" // enter a new person, correct an entry
	PatientRead     Right = "patient.read"     // open a person's page and record
	PatientReveal   Right = "patient.reveal"   // see ID and phone number unmasked
	PatientLabels   Right = "patient.labels"   // see and set sensitive labels
	PatientBreak    Right = "patient.break"    // open without a relation, with a reason
	// PatientSensitive opens what is hidden by default, with a reason.
	PatientSensitive Right = "patient.sensitive"
	PatientAccesses  Right = "patient.accesses" // see who looked at a person's record
	PatientIndex     Right = "patient.index"    // decide who is who: pairs, unmatched statements, linking, parting

	// RecordOwn is the resident's own record and who looked at it.
	RecordOwn Right = "record.own"

	// DisclosureReview decides whether a record was opened by right.
	DisclosureReview Right = "disclosure.review"

	// VisitRecord enters a visit of a primary institution, and corrects it.
	VisitRecord Right = "visit.record"

	ContractSign Right = "contract.sign"
	ContractRead Right = "contract.read"

	ReferralCreate     Right = "referral.create"     // write, send, withdraw, answer, rearrange, acknowledge: the referring doctor
	ReferralReview     Right = "referral.review"     // pass or return inside the referring institution
	ReferralTriage     Right = "referral.triage"     // accept, ask, redirect, decline, arrange: the receiving centre
	ReferralArrive     Right = "referral.arrive"     // register the arrival, no-show, reschedule
	ReferralTreat      Right = "referral.treat"      // start, note, complete: the receiving department
	ReferralReceive    Right = "referral.receive"    // accept, arrange and register at a primary institution, which has no referral centre
	ReferralDown       Right = "referral.down"       // the list of in-patients who may be sent down
	ReferralFollow     Right = "referral.follow"     // the list of patients whom one has sent down
	ReferralCapability Right = "referral.capability" // declare what a centre can take from above
	ReferralEmergency  Right = "referral.emergency"  // acknowledge and divert an emergency
	ReferralRead       Right = "referral.read"       // open a case
	ReferralCount      Right = "referral.count"      // see counts without persons

	BaselineEdit Right = "baseline.edit" // enter, import and void the figures that growth is measured against

	CertificateIssue Right = "certificate.issue" // issue, print, void referral certificates for the insurance; see their register

	ConsultAsk    Right = "consult.ask"    // ask a specialist, supply, withdraw, close, convert: primary care
	ConsultAnswer Right = "consult.answer" // answer, ask back, decline: the asked department
	ConsultRead   Right = "consult.read"   // open a consultation and see its counts

	AllianceEdit    Right = "alliance.edit"    // form, members, lead, ties, standing, yearly adjustment, end: the lead's office and the bureaus above
	AllianceOrder   Right = "alliance.order"   // order an alliance to be dissolved
	AllianceRead    Right = "alliance.read"    // alliances with organs, charter, filings, agreements
	GovernanceEdit  Right = "governance.edit"  // organs, meetings, decisions, unified managements, milestones
	SteeringEdit    Right = "steering.edit"    // leading group, its office, joint conference of a bureau
	CharterEdit     Right = "charter.edit"     // write and adopt charters
	FilingPrepare   Right = "filing.prepare"   // write and send filings
	FilingReview    Right = "filing.review"    // stamp, pass on, return filings
	ExemptionApply  Right = "exemption.apply"  // ask for an exception
	ExemptionDecide Right = "exemption.decide" // consent to an exception or refuse it
	ExemptionRead   Right = "exemption.read"   // the register of exceptions
	ExchangeManage  Right = "exchange.manage"  // messages and files of other systems: see what waits, mend, play again, import
	ExchangeCount   Right = "exchange.count"   // see how many came and wait, without their contents

	OrganizationEdit Right = "organization.edit"
	RosterEdit       Right = "roster.edit"
	ScheduleEdit     Right = "schedule.edit" // weekly sessions, closures, moving appointments
	BedEdit          Right = "bed.edit"      // beds offered for referrals
	MessageRead      Right = "message.read"

	GridRead Right = "grid.read" // see how a region is laid out
	GridEdit Right = "grid.edit" // plan, adopt, enter populations and boundaries

	AccountCreate  Right = "account.create"
	AccountLock    Right = "account.lock"
	AccountReset   Right = "account.reset"
	AccountApprove Right = "account.approve" // make an administrator's post active
	AccountPolicy  Right = "account.policy"  // second factor, sessions
	CalendarManage Right = "calendar.manage"
	PolicyManage   Right = "policy.manage" // load, activate and withdraw policy profiles
	PolicyFollow   Right = "policy.follow" // see which clauses are answered and who is not in yet
	JobsManage     Right = "jobs.manage"
	AuditSearch    Right = "audit.search"
)

// Relation is how the actor stands to the thing acted upon.
type Relation string

const (
	Self   Relation = "self"   // the resident, about himself or a child he answers for
	Own    Relation = "own"    // the thing belongs to the actor's institution
	Care   Relation = "care"   // the program can see a relation of care
	Region Relation = "region" // the institution lies in the actor's jurisdiction
	Any    Relation = "any"    // no relation is asked for
)

// Relations returns all relations.
func Relations() []Relation { return []Relation{Self, Own, Care, Region, Any} }

var (
	primary   = []Role{VillageDoctor, TownshipDoctor, TownshipHead}
	hospital  = []Role{DepartmentDoctor, DepartmentHead}
	receiving = []Role{ReferralCenter, Emergency, OnCall}
	desk      = []Role{Registration, BedManager, InsuranceOffice}
	offices   = []Role{AllianceOffice, CouncilSecretary}
	bureaus   = []Role{BureauCounty, BureauCity, BureauProvince}
	clinical  = slices.Concat(primary, hospital, receiving, []Role{MedicalAffairs})
	staff     = slices.Concat(clinical, desk)
	systems   = []Role{SystemClient}
)

type grant struct {
	roles     []Role
	relations []Relation
}

// rights is the whole table: who may do what, standing how. What is not here
// is refused. rights_test.go spells it out cell by cell.
var rights = map[Right][]grant{
	PatientSearch:    {{staff, []Relation{Any}}, {systems, []Relation{Any}}},
	PatientRegister:  {{slices.Concat(primary, []Role{Registration, Emergency, ReferralCenter}), []Relation{Any}}, {systems, []Relation{Any}}},
	PatientRead:      {{staff, []Relation{Care}}, {systems, []Relation{Care}}, {[]Role{Resident}, []Relation{Self}}},
	PatientReveal:    {{staff, []Relation{Care}}, {[]Role{Resident}, []Relation{Self}}},
	PatientLabels:    {{slices.Concat(primary, hospital, []Role{Emergency}), []Relation{Care}}},
	PatientBreak:     {{slices.Concat(primary, hospital, []Role{Emergency, OnCall}), []Relation{Any}}},
	PatientSensitive: {{clinical, []Relation{Care}}},
	RecordOwn:        {{[]Role{Resident}, []Relation{Self}}},
	DisclosureReview: {{[]Role{PrivacyOfficer}, []Relation{Own}}},
	VisitRecord:      {{primary, []Relation{Own}}},
	PatientAccesses:  {{[]Role{Resident}, []Relation{Self}}, {[]Role{PrivacyOfficer}, []Relation{Any}}, {primary, []Relation{Care}}},

	PatientIndex: {{[]Role{Registration, ReferralCenter, TownshipHead}, []Relation{Own}}, {[]Role{MedicalAffairs}, []Relation{Any}}},

	ContractSign: {{primary, []Relation{Own}}},
	ContractRead: {{slices.Concat(primary, hospital, []Role{ReferralCenter, MedicalAffairs, AllianceOffice}), []Relation{Own, Care}}, {bureaus, []Relation{Region}}},

	ReferralCreate:     {{slices.Concat(primary, hospital, []Role{Emergency}, systems), []Relation{Own}}},
	ReferralReview:     {{[]Role{TownshipHead, DepartmentHead, MedicalAffairs}, []Relation{Own}}},
	ReferralTriage:     {{[]Role{ReferralCenter, SystemClient}, []Relation{Own}}},
	ReferralArrive:     {{[]Role{Registration, ReferralCenter, Emergency, OnCall, SystemClient}, []Relation{Own}}},
	ReferralTreat:      {{slices.Concat(hospital, primary, []Role{Emergency}, systems), []Relation{Own}}},
	ReferralReceive:    {{[]Role{TownshipDoctor, TownshipHead}, []Relation{Own}}},
	ReferralDown:       {{slices.Concat(hospital, []Role{ReferralCenter}), []Relation{Own}}},
	ReferralFollow:     {{hospital, []Relation{Own}}},
	ReferralCapability: {{[]Role{TownshipHead}, []Relation{Own}}},
	ReferralEmergency:  {{slices.Concat(receiving, hospital), []Relation{Own}}},
	ReferralRead:       {{staff, []Relation{Own}}, {[]Role{Resident}, []Relation{Self}}},
	ReferralCount:      {{slices.Concat(staff, []Role{AllianceOffice}), []Relation{Own}}, {bureaus, []Relation{Region}}, {[]Role{Insurer}, []Relation{Region}}},

	BaselineEdit: {{[]Role{AllianceOffice, ReferralCenter}, []Relation{Own}}, {bureaus, []Relation{Region}}},

	CertificateIssue: {{[]Role{InsuranceOffice, ReferralCenter, TownshipDoctor, TownshipHead}, []Relation{Own}}},

	ConsultAsk:    {{primary, []Relation{Own}}},
	ConsultAnswer: {{slices.Concat(hospital, []Role{Emergency}), []Relation{Own}}},
	ConsultRead:   {{slices.Concat(primary, hospital, []Role{Emergency, MedicalAffairs}), []Relation{Own}}},

	AllianceEdit:    {{[]Role{AllianceOffice}, []Relation{Own}}, {bureaus, []Relation{Region}}, {[]Role{SystemAdmin}, []Relation{Any}}},
	AllianceOrder:   {{bureaus, []Relation{Region}}},
	AllianceRead:    {{slices.Concat(offices, bureaus, []Role{TownshipHead, DepartmentHead, MedicalAffairs, Insurer, SystemAdmin}), []Relation{Any}}},
	GovernanceEdit:  {{offices, []Relation{Own}}},
	SteeringEdit:    {{bureaus, []Relation{Own}}},
	CharterEdit:     {{offices, []Relation{Own}}},
	FilingPrepare:   {{[]Role{AllianceOffice}, []Relation{Own}}},
	FilingReview:    {{bureaus, []Relation{Own}}},
	ExemptionApply:  {{[]Role{AllianceOffice}, []Relation{Own}}},
	ExemptionDecide: {{[]Role{BureauCity, BureauProvince}, []Relation{Own}}},
	ExemptionRead:   {{slices.Concat([]Role{AllianceOffice}, bureaus), []Relation{Own}}},
	ExchangeManage:  {{[]Role{TownshipHead, MedicalAffairs, Insurer}, []Relation{Own}}},
	ExchangeCount:   {{[]Role{TownshipHead, MedicalAffairs, Insurer}, []Relation{Own}}, {[]Role{SystemAdmin}, []Relation{Any}}},

	OrganizationEdit: {{[]Role{TownshipHead, MedicalAffairs}, []Relation{Own}}, {[]Role{SystemAdmin}, []Relation{Any}}},
	RosterEdit:       {{[]Role{TownshipHead, DepartmentHead, MedicalAffairs, ReferralCenter}, []Relation{Own}}},
	ScheduleEdit:     {{[]Role{DepartmentHead, MedicalAffairs, ReferralCenter}, []Relation{Own}}},
	BedEdit:          {{[]Role{BedManager, ReferralCenter}, []Relation{Own}}},
	MessageRead:      {{staff, []Relation{Own}}, {[]Role{Resident}, []Relation{Self}}},

	GridRead: {{bureaus, []Relation{Region}}, {[]Role{AllianceOffice, TownshipHead, MedicalAffairs}, []Relation{Region}}},
	GridEdit: {{bureaus, []Relation{Own, Region}}},

	AccountCreate:  {{[]Role{SystemAdmin}, []Relation{Any}}, {[]Role{TownshipHead}, []Relation{Own}}},
	AccountLock:    {{[]Role{SecurityAdmin}, []Relation{Any}}, {[]Role{TownshipHead}, []Relation{Own}}},
	AccountReset:   {{[]Role{SystemAdmin}, []Relation{Any}}, {[]Role{TownshipHead}, []Relation{Own}}},
	AccountApprove: {{[]Role{SecurityAdmin}, []Relation{Any}}},
	AccountPolicy:  {{[]Role{SecurityAdmin}, []Relation{Any}}},
	CalendarManage: {{[]Role{SystemAdmin}, []Relation{Any}}},
	PolicyManage:   {{[]Role{SystemAdmin}, []Relation{Any}}},
	PolicyFollow:   {{slices.Concat(bureaus, []Role{AllianceOffice, MedicalAffairs, TownshipHead, Insurer, SystemAdmin}), []Relation{Any}}},
	JobsManage:     {{[]Role{SystemAdmin}, []Relation{Any}}},
	AuditSearch:    {{[]Role{Auditor, PrivacyOfficer}, []Relation{Any}}, {systems, []Relation{Own}}},
}

// Rights returns all rights, sorted.
func Rights() []Right { return slices.Sorted(maps.Keys(rights)) }

// Allowed reports whether a role standing in the relation has the right. A
// right granted for Any holds in every relation.
func Allowed(role Role, right Right, rel Relation) bool {
	for _, g := range rights[right] {
		if slices.Contains(g.roles, role) && (slices.Contains(g.relations, rel) || slices.Contains(g.relations, Any)) {
			return true
		}
	}
	return false
}

// Has reports whether a role has the right in some relation: whether a menu
// should offer it.
func Has(role Role, right Right) bool {
	return slices.ContainsFunc(rights[right], func(g grant) bool { return slices.Contains(g.roles, role) })
}

// May reports whether the actor has the right: whether a page offers it.
func May(actor Actor, right Right, rel Relation) bool { return Require(actor, right, rel) == nil }

// At is how the actor stands to an institution: his own, or any.
func At(actor Actor, org string) Relation {
	if org != "" && actor.Org == org {
		return Own
	}
	return Any
}

// Require returns Forbidden, in words, when the actor lacks the right. The
// program itself (no role) may do everything that its code does.
func Require(actor Actor, right Right, rel Relation) error {
	if actor.Role == audit.ProgramRole || Allowed(Role(actor.Role), right, rel) {
		return nil
	}
	title := Role(actor.Role).Title()
	if title == "" {
		title = "未登录者"
	}
	return errs.E(errs.Forbidden, "您当前的岗位“%s”没有这项权限。如工作需要，请联系本机构负责人或系统管理员", title)
}
