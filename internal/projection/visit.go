package projection

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/patient"
)

// What a system's Encounter, Claim and ExplanationOfBenefit say about a visit
// that is counted and paid:
//
//	Encounter.status       in-progress, onleave, finished: it is counted;
//	                       planned, arrived, triaged, unknown: not yet;
//	                       cancelled, entered-in-error: it never was
//	Encounter.class        v3-ActCode, or our own classes
//	Encounter.type         our own class (检查直通, 预防接种, 健康管理), and
//	                       urn:yilian:first-contact:<definition> yes, no
//	Encounter.identifier   the number of the visit: one visit, one row
//	Encounter.period       start, and of a finished stay the end
//	Encounter.reasonCode,  the diagnoses; those of diagnosis stand first, by rank
//	  diagnosis.condition
//	Encounter.hospitalization.dischargeDisposition  the way of leaving
//	Encounter.basedOn      the ServiceRequest of the referral
//	Claim.total, .item     what was charged, by class of charges
//	ExplanationOfBenefit.total  which fund paid what, and the patient's own share
const (
	ClassSystem     = "urn:yilian:encounter-class"
	LeaveSystem     = "urn:yilian:leave-way"
	FirstSystem     = "urn:yilian:first-contact:" // and the definition
	FeeSystem       = "urn:yilian:fee-class"
	FundSystem      = "urn:yilian:fund-kind"
	OwnShareSystem  = "urn:yilian:own-share"
	InsuranceSystem = "urn:yilian:insurance-kind"
	// InsuranceICDSystem names the insurance edition of ICD-10.
	InsuranceICDSystem = "urn:yilian:icd-10:insurance"
)

// visitState says whether a visit is counted.
type visitState uint8

const (
	notYet visitState = iota
	counted
	never
)

// visitSaid is what an Encounter says of a visit, without person and institution.
type visitSaid struct {
	state      visitState
	row        encounter.Encounter
	number     string // of the visit at the sender, "" none
	provider   string // id of an Organization, "" none
	request    string // id of a ServiceRequest
	conditions []string
	lacks      string // what is missing to count it; "" nothing
}

// readVisit reads an Encounter.
func readVisit(r json.Node) (v visitSaid, err error) {
	switch status := r.Get("status").Text(); status {
	case "in-progress", "onleave", "finished":
		v.state = counted
	case "cancelled", "entered-in-error":
		v.state = never
	}
	if v.state != counted {
		return v, nil
	}
	e := &v.row
	if e.Class = classSaid(r); e.Class == "" {
		v.lacks = "就诊类别（class）“" + r.Get("class").Get("code").Text() + "”不认识，应为 AMB（门诊）、EMER（急诊）、IMP（住院）或本平台的类别"
		return v, nil
	}
	if e.Start, err = dateTime(r.Get("period").Get("start"), "period.start"); err != nil {
		return v, err
	}
	if e.End, err = dateTime(r.Get("period").Get("end"), "period.end"); err != nil {
		return v, err
	}
	switch {
	case e.Start.IsZero():
		v.lacks = "缺少就诊（入院）时间（period.start）"
	case e.Class == encounter.Inpatient && e.End.IsZero() && r.Get("status").Text() == "finished":
		v.lacks = "住院已结束（finished），缺少出院时间（period.end）"
	}
	v.number = numberSaid(r)
	if !e.End.IsZero() {
		e.Leave = leaveSaid(r.Get("hospitalization").Get("dischargeDisposition"))
	}
	firstContact(r, e)
	e.Department = strings.Clone(r.Get("location").At(0).Get("location").Get("display").Text())
	e.Doctor = strings.Clone(r.Get("participant").At(0).Get("individual").Get("display").Text())
	e.Clinical = true
	v.provider = refersTo(r.Get("serviceProvider"), "Organization")
	for b := range r.Get("basedOn").Items() {
		v.request = cmp.Or(v.request, refersTo(b, "ServiceRequest"))
	}
	v.conditions = conditionsSaid(r)
	for c := range r.Get("reasonCode").Items() {
		e.Diagnoses = addDiagnosis(e.Diagnoses, c)
	}
	return v, nil
}

// numberSaid is the institution's own number of a visit: the first that is not
// out of use; "" when it has none.
func numberSaid(r json.Node) string {
	for id := range r.Get("identifier").Items() {
		if value := id.Get("value").Text(); value != "" && id.Get("use").Text() != "old" {
			return strings.Clone(value)
		}
	}
	return ""
}

// actClasses are the classes of v3-ActCode as we count them.
var actClasses = map[string]encounter.Class{
	"AMB": encounter.Outpatient, "VR": encounter.Outpatient, "HH": encounter.Outpatient, "FLD": encounter.Outpatient,
	"EMER": encounter.Emergency,
	"IMP":  encounter.Inpatient, "ACUTE": encounter.Inpatient, "NONAC": encounter.Inpatient, "SS": encounter.Inpatient, "OBSENC": encounter.Inpatient,
}

// classSaid reads class, and our own class where type or class names it.
func classSaid(r json.Node) encounter.Class {
	own := func(c json.Node) encounter.Class {
		if c.Get("system").Text() == ClassSystem {
			return encounter.Class(encounter.CodeOf(encounter.Classes(), c.Get("code").Text()))
		}
		return ""
	}
	for t := range r.Get("type").Items() {
		for c := range t.Get("coding").Items() {
			if class := own(c); class != "" {
				return class
			}
		}
	}
	return cmp.Or(own(r.Get("class")), actClasses[r.Get("class").Get("code").Text()])
}

// leaves are the ways of leaving of FHIR's discharge-disposition.
var leaves = map[string]string{
	"home": "1", "alt-home": "1", "other-hcf": "2", "psy": "2", "rehab": "2", "snf": "2", "long": "2", "hosp": "9", "aadvice": "4",
	"exp": encounter.Died, "oth": "9",
}

func leaveSaid(c json.Node) string {
	for x := range c.Get("coding").Items() {
		code := x.Get("code").Text()
		if strings.HasPrefix(x.Get("system").Text(), "http://terminology.hl7.org/") {
			if leaves[code] != "" {
				return leaves[code]
			}
			continue
		}
		if way := encounter.CodeOf(encounter.LeaveWays(), code); way != "" {
			return way
		}
	}
	return ""
}

func firstContact(r json.Node, e *encounter.Encounter) {
	for t := range r.Get("type").Items() {
		for c := range t.Get("coding").Items() {
			by, ok := strings.CutPrefix(c.Get("system").Text(), FirstSystem)
			if code := c.Get("code").Text(); ok && (code == encounter.Yes || code == encounter.No) {
				e.First, e.FirstBy = strings.Clone(code), strings.Clone(by)
			}
		}
	}
}

// conditionsSaid lists the Conditions of the diagnoses, the main one first.
func conditionsSaid(r json.Node) []string {
	type ranked struct {
		rank int
		id   string
	}
	var list []ranked
	for d := range r.Get("diagnosis").Items() {
		if id := refersTo(d.Get("condition"), "Condition"); id != "" {
			rank, err := strconv.Atoi(d.Get("rank").Number())
			if err != nil || rank < 1 {
				rank = math.MaxInt
			}
			list = append(list, ranked{rank, id})
		}
	}
	slices.SortStableFunc(list, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	out := make([]string, len(list))
	for i := range list {
		out[i] = list[i].id
	}
	return out
}

// addDiagnosis adds what a CodeableConcept says, unless it stands already.
func addDiagnosis(list []encounter.Diagnosis, c json.Node) []encounter.Diagnosis {
	var d encounter.Diagnosis
	d.ClinicalName = strings.Clone(c.Get("text").Text())
	for x := range c.Get("coding").Items() {
		system, code, name := x.Get("system").Text(), strings.Clone(x.Get("code").Text()), strings.Clone(x.Get("display").Text())
		switch {
		case system == InsuranceICDSystem:
			d.InsuranceCode, d.InsuranceName = code, name
		case strings.HasPrefix(system, ICDSystem):
			d.ClinicalCode, d.ClinicalName = code, cmp.Or(d.ClinicalName, name)
		default: // another terminology: its name is worth having
			d.ClinicalName = cmp.Or(d.ClinicalName, name)
		}
	}
	if d == (encounter.Diagnosis{}) || slices.Contains(list, d) {
		return list
	}
	return append(list, d)
}

// refersTo is the id that a literal reference of a type names here.
func refersTo(n json.Node, kind string) string {
	r := search.ParseReference(n.Get("reference").Text())
	if r.Type != kind || r.Base != "" {
		return ""
	}
	return strings.Clone(r.ID)
}

// dateTime reads an instant, or a day as its beginning.
func dateTime(n json.Node, what string) (time.Time, error) {
	text := n.Text()
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02", "2006-01", "2006"} {
		if t, err := time.ParseInLocation(layout, text, calendar.Shanghai); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errs.E(errs.Invalid, "%s“%s”不是 FHIR 的日期时间", what, text)
}

// billSaid is what a Claim or an ExplanationOfBenefit says of each encounter.
type billSaid struct {
	total, own encounter.Fen
	fees       []encounter.Share
	funds      []encounter.Share
	coverage   string // id of a Coverage
	insurance  string
}

// encountersOf lists the Encounters that a bill is about.
func encountersOf(r json.Node) (ids []string) {
	for item := range r.Get("item").Items() {
		for e := range item.Get("encounter").Items() {
			if id := refersTo(e, "Encounter"); id != "" && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// readBill reads what a bill says of one encounter; nothing when it is not
// active, or in another currency. Of a bill about several encounters only the
// items count.
func readBill(r json.Node, about string) (b billSaid, ok bool, err error) {
	if r.Get("status").Text() != "active" || !slices.Contains(encountersOf(r), about) {
		return b, false, nil
	}
	alone := len(encountersOf(r)) == 1
	fees := map[string]int64{}
	for item := range r.Get("item").Items() {
		if refersTo(item.Get("encounter").At(0), "Encounter") != about {
			continue
		}
		net, ours, err := money(item.Get("net"), "item.net")
		if err != nil {
			return b, false, err
		}
		if class := codeIn(item.Get("category"), FeeSystem); class != "" && ours && net.Known {
			fees[class] += net.Amount
		}
		if ours && net.Known && !alone {
			b.total = encounter.FenOf(b.total.Amount + net.Amount)
		}
	}
	for class, amount := range fees {
		b.fees = append(b.fees, encounter.Share{Code: class, Fen: amount})
	}
	if i := r.Get("insurance").At(0); i.Exists() {
		b.coverage = refersTo(i.Get("coverage"), "Coverage")
	}
	b.insurance = codeIn(r.Get("subType"), InsuranceSystem)
	if !alone {
		return b, true, nil
	}
	ours, err := b.totals(r)
	return b, ours, err
}

// totals reads Claim.total, which is one amount, or those of an
// ExplanationOfBenefit, each under its category.
func (b *billSaid) totals(r json.Node) (ours bool, err error) {
	if total := r.Get("total"); total.Kind() == json.Object {
		b.total, ours, err = money(total, "total")
		return ours, err
	}
	for t := range r.Get("total").Items() {
		amount, yuan, err := money(t.Get("amount"), "total.amount")
		if err != nil || !yuan {
			return false, err
		}
		category := t.Get("category")
		switch fund := codeIn(category, FundSystem); {
		case fund != "":
			b.funds = append(b.funds, encounter.Share{Code: fund, Fen: amount.Amount})
		case codeIn(category, OwnShareSystem) != "":
			b.own = amount
		case codeIn(category, "http://terminology.hl7.org/CodeSystem/adjudication") == "submitted":
			b.total = amount
		}
	}
	return true, nil
}

// codeIn is the code of a concept in a system.
func codeIn(c json.Node, system string) string {
	for x := range c.Get("coding").Items() {
		if x.Get("system").Text() == system {
			return strings.Clone(x.Get("code").Text())
		}
	}
	return ""
}

// money reads an amount in yuan; yuan is false for another currency.
func money(n json.Node, what string) (f encounter.Fen, yuan bool, err error) {
	if c := n.Get("currency").Text(); c != "" && c != "CNY" {
		return f, false, nil
	}
	value := n.Get("value")
	if !value.Exists() {
		return f, true, nil
	}
	if f, err = encounter.ParseFen(string(value.Raw())); err != nil {
		return f, true, errs.Because(err, errs.Invalid, "%s：%v", what, err)
	}
	return f, true, nil
}

// over puts what a bill says over a row.
func (b billSaid) over(e *encounter.Encounter) {
	if b.total.Known {
		e.Total = b.total
	}
	if b.own.Known {
		e.Own = b.own
	}
	if len(b.fees) > 0 {
		e.Fees = b.fees
	}
	if len(b.funds) > 0 {
		e.Funds = b.funds
	}
	if b.insurance != "" {
		e.InsuranceKind = b.insurance
	}
}

// insuranceSaid reads the kind of cover of a Coverage.
func insuranceSaid(r json.Node) string {
	if code := codeIn(r.Get("type"), InsuranceSystem); code != "" {
		return code
	}
	text := r.Get("type").Get("text").Text()
	for x := range r.Get("type").Get("coding").Items() {
		text += " " + x.Get("display").Text()
	}
	for _, k := range patient.InsuranceKinds() {
		if strings.Contains(text, k.Title) {
			return k.Code
		}
	}
	return ""
}
