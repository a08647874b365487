package visit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/policy"
	"yilian/internal/record"
	"yilian/internal/terminology"
)

// owner names this module in the record.
const owner = "visit"

type object map[string]any

// part is one resource that a visit stands for.
type part struct {
	kind, name string
	body       object
	wrong      func(object) // marks the resource as entered in error
}

// project writes the resources of a visit into the record, and marks those of
// the version before that are no longer said as entered in error. The encounter
// itself is projected by who keeps it.
func (s *Service) project(ctx context.Context, tx *db.Tx, actor access.Actor, was *Visit, v Visit) error {
	ranges, err := s.ranges(policy.Place{Regions: actor.Regions}, calendar.DateOf(tx.Now))
	if err != nil {
		return err
	}
	var said []string
	for _, p := range v.parts(ranges) {
		said = append(said, p.kind+p.name)
		if err := s.put(ctx, tx, actor, v, p); err != nil {
			return err
		}
	}
	if was == nil {
		return nil
	}
	for _, p := range was.parts(ranges) {
		if slices.Contains(said, p.kind+p.name) {
			continue
		}
		p.wrong(p.body)
		if err := s.put(ctx, tx, actor, *was, p); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) put(ctx context.Context, tx *db.Tx, actor access.Actor, v Visit, p part) error {
	id := resourceID(v.ID, p.kind+"/"+p.name)
	p.body["resourceType"], p.body["id"] = p.kind, id
	raw, err := json.Marshal(p.body)
	if err != nil {
		return fmt.Errorf("write %s of visit: %w", p.kind, err)
	}
	_, _, err = s.Record.Update(ctx, tx, record.Draft{Body: raw, ID: id, Patient: v.Patient, Owner: owner,
		Source: record.Source{Org: v.Org, Client: actor.Account}})
	if errs.Is(err, errs.Conflict) {
		return fmt.Errorf("project %s of visit %s: %w", p.kind, v.ID, err)
	}
	return err
}

func ref(kind, id string) object { return object{"reference": kind + "/" + id} }

func status(n string) func(object) { return func(o object) { o["status"] = n } }

// parts are the resources of a visit.
func (v Visit) parts(ranges map[string]string) []part {
	if v.Start.IsZero() { // voided: nothing is said
		return nil
	}
	at := v.Start.In(calendar.Shanghai).Format("2006-01-02T15:04:05+08:00")
	subject, enc := ref("Patient", v.Patient), ref("Encounter", v.ID)
	var out []part
	for i, code := range v.Diagnoses {
		c, _ := terminology.Get(code) // checked
		body := object{"subject": subject, "encounter": enc, "recordedDate": at,
			"category":           []any{concept("http://terminology.hl7.org/CodeSystem/condition-category", "encounter-diagnosis", "就诊诊断")},
			"clinicalStatus":     concept("http://terminology.hl7.org/CodeSystem/condition-clinical", "active", ""),
			"verificationStatus": concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed", ""),
			"code":               concept("http://hl7.org/fhir/sid/icd-10", c.Code, c.Name)}
		if i == 0 {
			body["note"] = []any{object{"text": "主诉：" + v.Complaint}}
		}
		out = append(out, part{"Condition", code, body, func(o object) {
			o["verificationStatus"] = concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", "entered-in-error", "")
			delete(o, "clinicalStatus") // con-5
		}})
	}
	out = append(out, v.vitalParts(subject, enc, at, ranges)...)
	for _, m := range v.Medicines {
		body := object{"status": "active", "subject": subject, "context": enc, "dateAsserted": at, "medicationCodeableConcept": object{"text": m.Name},
			"effectivePeriod": object{"start": at}}
		if m.Dose != "" {
			body["dosage"] = []any{object{"text": m.Dose}}
		}
		if days, err := strconv.Atoi(m.Days); err == nil {
			body["effectivePeriod"] = object{"start": at, "end": v.Start.In(calendar.Shanghai).AddDate(0, 0, days).Format("2006-01-02")}
		}
		out = append(out, part{"MedicationStatement", m.Name, body, status("entered-in-error")})
	}
	if v.FollowOn != "" {
		out = append(out, part{"Appointment", "follow", object{"status": "booked", "description": "复诊",
			"start": string(v.FollowOn) + "T08:00:00+08:00", "end": string(v.FollowOn) + "T18:00:00+08:00",
			"participant": []any{object{"actor": subject, "status": "accepted"}}}, status("cancelled")})
	}
	return out
}

func concept(system, code, text string) object {
	c := object{"system": system, "code": code}
	if text == "" {
		return object{"coding": []any{c}}
	}
	c["display"] = text
	return object{"coding": []any{c}, "text": text}
}

func quantity(text, unit string) object {
	return object{"value": json.Number(text), "unit": unit}
}

// vitalParts are the measured values; both blood pressures are one observation.
func (v Visit) vitalParts(subject, enc object, at string, ranges map[string]string) []part {
	var out []part
	observation := func(name, loinc, title string) object {
		return object{"status": "final", "subject": subject, "encounter": enc, "effectiveDateTime": at,
			"category": []any{concept("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", "生命体征")},
			"code":     concept("http://loinc.org", loinc, title)}
	}
	ranged := func(o object, name string) object {
		if r := ranges[name]; r != "" {
			o["referenceRange"] = []any{object{"text": r}}
		}
		return o
	}
	var pressure []any
	for _, x := range Vitals() {
		text := v.Vitals[x.Name]
		if text == "" {
			continue
		}
		if x.Name == "systolic" || x.Name == "diastolic" {
			pressure = append(pressure, ranged(object{"code": concept("http://loinc.org", x.LOINC, x.Title), "valueQuantity": quantity(text, x.Unit)}, x.Name))
			continue
		}
		o := ranged(observation(x.Name, x.LOINC, x.Title), x.Name)
		o["valueQuantity"] = quantity(text, x.Unit)
		out = append(out, part{"Observation", x.Name, o, status("entered-in-error")})
	}
	if len(pressure) > 0 {
		o := observation("pressure", "85354-9", "血压")
		o["component"] = pressure
		out = append([]part{{"Observation", "pressure", o, status("entered-in-error")}}, out...)
	}
	return out
}
