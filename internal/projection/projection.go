// Package projection says how what the modules keep stands in the record as
// FHIR R4 resources, and reads what systems write back into the forms of the
// use cases. It decides nothing and keeps nothing: the modules touch what they
// write, the record asks here what it looks like (ADR 0052).
package projection

import (
	"context"
	"time"

	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/fhir/json"
	"yilian/internal/flow"
	"yilian/internal/message"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/practitioner"
	"yilian/internal/record"
	"yilian/internal/referral"
)

// The names of what is coded and numbered here. Those of documents and papers
// are the object identifiers of WS/T 500; those of our own lists are ours.
const (
	CardSystem     = "urn:oid:2.16.156.10011.1.3" // resident identity cards
	PassportSystem = "urn:oid:2.16.156.10011.1.5"
	ICDSystem      = "http://hl7.org/fhir/sid/icd-10"

	CaseSystem    = "urn:yilian:case"   // printed numbers of cases
	CodeSystem    = "urn:yilian:code:"  // and the key of a list of policy
	StateSystem   = "urn:yilian:state:" // and the kind of a case
	OrgSystem     = "urn:yilian:org:"   // and the kind of number
	referralURL   = "urn:yilian:referral"
	snomed        = "http://snomed.info/sct"
	referPatient  = "3457005" // SNOMED CT: patient referral
	personSystem  = "urn:yilian:person"
	taskCode      = "http://hl7.org/fhir/CodeSystem/task-code"
	actCode       = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
	orgTypeSystem = "urn:yilian:organization-kind"
)

// Modules are where things are read from.
type Modules struct {
	Patients  *patient.Service
	Referrals *referral.Service
	Store     *record.Store
}

// Projectors returns the projectors of all modules, registers first.
func (m *Modules) Projectors() []record.Projector {
	return []record.Projector{
		{Kind: "organization", Version: 1, Render: institution, After: organization.After},
		{Kind: "department", Version: 1, Render: department, After: organization.DepartmentsAfter},
		{Kind: "healthcare_service", Version: 1, Render: service, After: organization.ServicesAfter},
		{Kind: "alliance", Version: 1, Render: allianceOf, After: alliance.After},
		{Kind: "alliance_membership", Version: 1, Render: membership, After: alliance.MembershipsAfter},
		{Kind: "practitioner", Version: 1, Render: person, After: practitioner.After},
		{Kind: "patient", Version: 1, Render: m.patient, After: patient.After},
		{Kind: referral.Kind, Version: 2, Render: m.referral, After: func(ctx context.Context, tx *db.Tx, after string, limit int) ([]string, error) {
			return flow.After(ctx, tx, referral.Kind, after, limit)
		}},
		{Kind: "encounter", Version: 1, Render: m.encounter, After: encounter.After},
		{Kind: "message", Version: 1, Render: m.message, After: message.After},
	}
}

type (
	object = json.Made
	list   = []any
)

// made writes resources that belong to one person's record, or to nobody's.
func made(patient string, resources ...object) ([]record.Projection, error) {
	var out []record.Projection
	for _, r := range resources {
		raw, err := json.Write(r)
		if err != nil {
			return nil, err
		}
		out = append(out, record.Projection{Body: raw, Patient: patient})
	}
	return out, nil
}

// none answers for a thing that is not there: what was touched may have been
// undone.
func none(err error) ([]record.Projection, error) {
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	return nil, err
}

func ref(kind, id string) object {
	if id == "" {
		return nil
	}
	return object{"reference": kind + "/" + id}
}

// shown is a reference with the name as the case keeps it.
func shown(kind, id, display string) object {
	if id == "" {
		return object{"display": display}
	}
	return object{"reference": kind + "/" + id, "display": display}
}

func coding(system, code, display string) object {
	if code == "" {
		return nil
	}
	return object{"system": system, "code": code, "display": display}
}

// concept is a code with its words.
func concept(system, code, text string) object {
	if code == "" && text == "" {
		return nil
	}
	return object{"coding": list{coding(system, code, text)}, "text": text}
}

func identifier(system, value string) object {
	if value == "" {
		return nil
	}
	return object{"system": system, "value": value}
}

func phone(number, use string) object {
	if number == "" {
		return nil
	}
	return object{"system": "phone", "value": number, "use": use}
}

func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(calendar.Shanghai).Format("2006-01-02T15:04:05.000-07:00")
}

func period(from, to calendar.Date) object {
	return object{"start": string(from), "end": string(to)}
}

// gender is a sex of GB/T 2261.1.
func gender(sex string) string {
	switch sex {
	case patient.Male:
		return "male"
	case patient.Female:
		return "female"
	case patient.SexUnstated:
		return "other"
	}
	return "unknown"
}
