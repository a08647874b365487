package projection

import (
	"context"
	"strings"

	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/message"
	"yilian/internal/patient"
	"yilian/internal/patient/match"
	"yilian/internal/record"
	"yilian/internal/referral"
)

// patient is a person as registered. Who has named a safe contact is not given
// away by phone; labels never leave the module.
func (m *Modules) patient(ctx context.Context, tx *db.Tx, id string) ([]record.Projection, error) {
	p, secret, err := m.Patients.Whole(ctx, tx, id)
	if err != nil {
		return none(err)
	}
	r := object{
		"resourceType": "Patient", "id": p.ID, "active": p.Resident == "", "name": list{object{"text": p.Name}}, "gender": gender(p.Sex),
		"birthDate":  string(p.BirthDate),
		"identifier": list{paper(p.IDType, secret.IDNumber), object{"use": "secondary", "system": personSystem, "value": p.ID}},
		"address":    list{object{"text": strings.TrimSpace(p.Address), "use": "home"}},
	}
	if match.Unnamed(p.Name) && strings.HasSuffix(string(p.BirthDate), "-01-01") { // an estimated age
		r["birthDate"] = string(p.BirthDate)[:4]
	}
	if secret.SafePhone == "" {
		r["telecom"] = list{phone(secret.Phone, "mobile")}
	}
	if p.DeceasedOn != "" {
		r["deceasedDateTime"] = string(p.DeceasedOn)
	}
	if p.Resident != "" {
		r["link"] = list{object{"other": ref("Patient", p.Resident), "type": "replaced-by"}}
	}
	return made(p.ID, r)
}

// paper is a document of identity; the kinds are those of CV02.01.101.
func paper(kind, number string) object {
	if number == "" {
		return nil
	}
	switch kind {
	case patient.IDCard:
		return object{"use": "official", "system": CardSystem, "value": number}
	case "03":
		return object{"use": "official", "system": PassportSystem, "value": number}
	}
	return object{"use": "official", "system": "urn:yilian:paper:" + kind, "value": number}
}

// encounter is a visit or stay that somebody recorded about a known person.
// Rows that only say who paid, and counts, are facts without a record.
func (m *Modules) encounter(ctx context.Context, tx *db.Tx, id string) ([]record.Projection, error) {
	e, err := encounter.Get(ctx, tx, id)
	if err != nil {
		return none(err)
	}
	if e.Patient == "" || !e.Clinical || strings.HasPrefix(e.Source.System, "fhir") {
		return nil, nil
	}
	r := object{
		"resourceType": "Encounter", "id": e.ID, "status": stay(e), "class": class(e.Class), "subject": ref("Patient", e.Patient),
		"identifier": list{identifier("urn:yilian:source:"+e.Source.System, e.Source.Key)},
		"period":     object{"start": instant(e.Start), "end": instant(e.End)},
		"location":   list{object{"location": object{"display": e.Department}}},
	}
	if e.Department == "" {
		delete(r, "location")
	}
	r["serviceProvider"] = shown("Organization", e.Org, e.Outside.Name)
	if e.Doctor != "" {
		r["participant"] = list{object{"individual": object{"display": e.Doctor}}}
	}
	if e.Leave != "" {
		r["hospitalization"] = object{"dischargeDisposition": concept("urn:yilian:leave-way", e.Leave, encounter.LeaveTitle(e.Leave))}
	}
	if e.Referral != "" {
		request, err := m.requestID(ctx, tx, e.Referral)
		if err != nil {
			return nil, err
		}
		r["basedOn"] = list{ref("ServiceRequest", request)}
	}
	var reasons list
	for _, d := range e.Diagnoses {
		code, name := d.ClinicalCode, d.ClinicalName
		if code == "" {
			code, name = d.InsuranceCode, d.InsuranceName
		}
		reasons = append(reasons, concept(ICDSystem, code, name))
	}
	r["reasonCode"] = reasons
	return made(e.Patient, r)
}

func stay(e encounter.Encounter) string {
	switch {
	case !e.VoidedAt.IsZero():
		return "entered-in-error"
	case e.Class == encounter.Inpatient && e.End.IsZero():
		return "in-progress"
	}
	return "finished"
}

func class(c encounter.Class) object {
	switch c {
	case encounter.Inpatient:
		return coding(actCode, "IMP", "住院")
	case encounter.Emergency:
		return coding(actCode, "EMER", "急诊")
	case encounter.Outpatient:
		return coding(actCode, "AMB", "门诊")
	}
	return coding("urn:yilian:encounter-class", string(c), encounterTitle(c))
}

func encounterTitle(c encounter.Class) string {
	for _, x := range encounter.Classes() {
		if x.Code == string(c) {
			return x.Title
		}
	}
	return string(c)
}

// message is what a patient was told, once it is known whether he was.
func (m *Modules) message(ctx context.Context, tx *db.Tx, id string) ([]record.Projection, error) {
	x, err := message.Get(ctx, tx, id)
	if err != nil {
		return none(err)
	}
	status := map[message.State]string{message.Delivered: "completed", message.Failed: "stopped", message.Stopped: "not-done"}[x.State]
	if status == "" || x.Patient == "" {
		return nil, nil
	}
	r := object{
		"resourceType": "Communication", "id": x.ID, "status": status, "subject": ref("Patient", x.Patient),
		"recipient": list{ref("Patient", x.Patient)}, "sent": instant(x.CreatedAt), "received": instant(x.DeliveredAt),
		"payload": list{object{"contentString": x.Text}},
	}
	if x.Reason != "" {
		r["statusReason"] = object{"text": x.Reason}
	}
	if x.Case != "" {
		r["about"], err = m.about(ctx, tx, x.Case)
	}
	if err != nil {
		return nil, err
	}
	return made(x.Patient, r)
}

// about names the request that a message tells of; only referrals have one.
func (m *Modules) about(ctx context.Context, tx *db.Tx, id string) (list, error) {
	c, err := caseOf(ctx, tx, id)
	if err != nil || c.Kind != referral.Kind {
		return nil, err
	}
	request, err := m.requestID(ctx, tx, id)
	return list{ref("ServiceRequest", request)}, err
}
