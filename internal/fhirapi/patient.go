package fhirapi

import (
	"context"
	"net/http"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	tape "yilian/internal/fhir/json"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/projection"
	"yilian/internal/record"
)

// CardSystem names the numbers of resident identity cards (WS/T 500: OID
// 2.16.156.10011.1.3).
const CardSystem = projection.CardSystem

// passportSystem names the numbers of passports (WS/T 500).
const passportSystem = projection.PassportSystem

// Patients is the owner of Patient: what a system sends is a statement about a
// person, which the master index gives to a resident or refuses. The bytes stay
// as they were sent; the instance stands for the resident.
type Patients struct {
	Index *index.Service
	Store *record.Store // for Moved
}

// statementObject is the kind under which the master index notes a Patient
// instance that a client has stated.
const statementObject = "fhir"

// Moved takes the Patient instances that came through an identity, and what
// refers to them, to the person whose they are.
func (p Patients) Moved(ctx context.Context, tx *db.Tx, m index.Moved) error {
	for _, o := range m.Objects {
		if o.Kind != statementObject {
			continue
		}
		if _, err := p.Store.Attach(ctx, tx, o.ID, m.To); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	return nil
}

// Write gives the statement to the master index.
func (p Patients) Write(ctx context.Context, tx *db.Tx, w Write) (record.Draft, error) {
	d := w.Draft
	if w.Old != nil && w.Old.Owner != "" {
		return d, nil // the store refuses it
	}
	doc, err := tape.Parse(d.Body)
	if err != nil {
		return d, err
	}
	defer doc.Release()
	st := stated(doc.Root(), w)
	if d.ID == "" { // the index notes what hangs on the person
		d.ID = db.NewID()
	}
	st.ObjectID = d.ID
	a, err := p.Index.Attach(ctx, tx, w.Actor, st)
	if err != nil {
		return d, err
	}
	if a.Outcome == index.Unmatched {
		return d, refuse(http.StatusUnprocessableEntity, "business-rule", "%s。请补齐或更正后重新发送；本平台没有为这条 Patient 建档", a.Reason.Title())
	}
	d.Patient = a.Patient
	if w.Old != nil && w.Old.Patient != "" {
		same, err := access.IsSame(ctx, tx, w.Old.Patient, a.Patient)
		if err != nil {
			return d, err
		}
		if !same {
			return d, errs.E(errs.Conflict, "更新后的身份信息属于另一位居民：请不要把 %s 改成别人，另发一条 Patient", w.Key)
		}
		d.Patient = w.Old.Patient
	}
	return d, nil
}

// Delete is allowed: the sender takes its statement back; the resident and what
// others have stated stay.
func (p Patients) Delete(context.Context, *db.Tx, access.Actor, record.Resource) error { return nil }

// stated reads what a Patient says about a person.
func stated(r tape.Node, w Write) index.Stated {
	st := index.Stated{Source: w.Actor.Org, Object: statementObject}
	st.Name = humanName(r.Get("name"))
	switch r.Get("gender").Text() {
	case "male":
		st.Sex = patient.Male
	case "female":
		st.Sex = patient.Female
	default:
		st.Sex = patient.SexUnknown
	}
	st.BirthDate = r.Get("birthDate").Text()
	for id := range r.Get("identifier").Items() {
		system, value := id.Get("system").Text(), id.Get("value").Text()
		switch {
		case value == "":
		case system == CardSystem:
			st.IDType, st.IDNumber = patient.IDCard, value
		case system == passportSystem:
			st.IDType, st.IDNumber = "03", value // passport, CV02.01.101
		case st.Number == "":
			st.System, st.Number = system, value
		}
	}
	if st.Number == "" && w.Key.ID != "" {
		st.System, st.Number = "fhir/"+w.Draft.Source.Client, w.Key.ID
	}
	for t := range r.Get("telecom").Items() {
		if s := t.Get("system").Text(); (s == "phone" || s == "") && st.Phone == "" {
			st.Phone = t.Get("value").Text()
		}
	}
	st.Address = address1(r.Get("address").At(0))
	// Texts share the memory of the body, which outlives the statement.
	return st
}

// humanName is the name as people write it: text, or family and given, without
// blanks between Chinese characters.
func humanName(names tape.Node) string {
	best := names.At(0)
	for n := range names.Items() {
		if use := n.Get("use").Text(); use == "official" {
			best = n
		}
	}
	if t := best.Get("text").Text(); t != "" {
		return t
	}
	parts := []string{}
	if f := best.Get("family").Text(); f != "" {
		parts = append(parts, f)
	}
	for g := range best.Get("given").Items() {
		parts = append(parts, g.Text())
	}
	joined := strings.Join(parts, "")
	for i := range len(joined) {
		if joined[i] < 0x80 {
			return strings.Join(parts, " ")
		}
	}
	return joined
}

func address1(a tape.Node) string {
	if t := a.Get("text").Text(); t != "" {
		return t
	}
	var b strings.Builder
	for _, name := range []string{"state", "city", "district"} {
		b.WriteString(a.Get(name).Text())
	}
	for l := range a.Get("line").Items() {
		b.WriteString(l.Text())
	}
	return b.String()
}
