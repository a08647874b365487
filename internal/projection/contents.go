package projection

import (
	"fmt"
	"strconv"
	"strings"

	"yilian/internal/consent"
	fhir "yilian/internal/fhir/json"
	"yilian/internal/firstvisit"
	"yilian/internal/referral"
)

// What FHIR has no element for stands in one extension of the ServiceRequest,
// urn:yilian:referral, with a part for each field of the paper form.

// texts are the free texts of a request with the names of their parts.
func texts(r *referral.Request) []struct {
	name  string
	value *string
} {
	return []struct {
		name  string
		value *string
	}{
		{"chief", &r.Chief}, {"illness", &r.Illness}, {"past", &r.Past}, {"treatment", &r.Treatment}, {"allergies", &r.Allergies},
		{"consciousness", &r.Consciousness}, {"transport", &r.Transport}, {"purposeText", &r.PurposeText}, {"admittedOn", &r.AdmittedOn},
	}
}

func measures(v *referral.Vitals) []struct {
	name  string
	value **int
} {
	return []struct {
		name  string
		value **int
	}{{"pulse", &v.Pulse}, {"respiration", &v.Respiration}, {"systolic", &v.Systolic}, {"diastolic", &v.Diastolic}, {"spo2", &v.SpO2}}
}

// contents writes the extension.
func contents(r referral.Record) object {
	var parts list
	for _, t := range texts(&r.Request) {
		if *t.value != "" {
			parts = append(parts, object{"url": t.name, "valueString": *t.value})
		}
	}
	if t := r.Request.Vitals.Temperature; t != nil {
		parts = append(parts, object{"url": "temperature", "valueDecimal": *t})
	}
	for _, v := range measures(&r.Request.Vitals) {
		if *v.value != nil {
			parts = append(parts, object{"url": v.name, "valueInteger": **v.value})
		}
	}
	for _, c := range r.Request.Choices {
		parts = append(parts, object{"url": "choice", "extension": list{
			object{"url": "organization", "valueReference": shown("Organization", c.Org, c.OrgName)},
			object{"url": "service", "valueString": c.Service},
			object{"url": "chosen", "valueBoolean": c.Chosen},
		}})
	}
	if len(parts) == 0 {
		return nil
	}
	return object{"url": referralURL, "extension": parts}
}

// part is one part of an extension.
func part(extension fhir.Node, url string) fhir.Node {
	for e := range extension.Get("extension").Items() {
		if e.Get("url").Text() == url {
			return e
		}
	}
	return fhir.Node{}
}

func extensionOf(root fhir.Node, url string) fhir.Node { return part(root, url) }

// IsReferral reports whether a ServiceRequest refers a patient, and is no order
// of another kind.
func IsReferral(root fhir.Node) bool {
	for c := range root.Get("category").Items() {
		for k := range c.Get("coding").Items() {
			if k.Get("system").Text() == snomed && k.Get("code").Text() == referPatient {
				return true
			}
		}
	}
	return false
}

// ReadRequest reads a ServiceRequest into the form of a referral. Texts that
// only FHIR's own elements carry fill what the extension leaves empty. It reads
// what is there; whether that is enough the use case says.
func ReadRequest(body []byte) (f referral.Form) {
	doc, err := fhir.Parse(body)
	if err != nil {
		return f
	}
	defer doc.Release()
	root := doc.Root()
	f.Urgency = Urgency(root.Get("priority").Text())
	f.Visit = referral.Outpatient
	for c := range root.Get("category").Items() {
		for k := range c.Get("coding").Items() {
			if k.Get("system").Text() == "urn:yilian:visit" {
				f.Visit = k.Get("code").Text()
			}
		}
	}
	for k := range root.Get("code").Get("coding").Items() {
		if k.Get("system").Text() == CodeSystem+"referral.reason.up" {
			f.Purpose = k.Get("code").Text()
		}
	}
	readReasons(root, &f)
	for p := range root.Get("performer").Items() {
		if id, ok := Local(p, "HealthcareService"); ok {
			f.TargetService = id
		}
	}
	ext := extensionOf(root, referralURL)
	readContents(ext, &f)
	if f.Request.Chief == "" {
		f.Request.Chief = root.Get("reasonCode").At(0).Get("text").Text()
	}
	if f.Request.Illness == "" {
		f.Request.Illness = root.Get("note").At(0).Get("text").Text()
	}
	return f
}

func readReasons(root fhir.Node, f *referral.Form) {
	for r := range root.Get("reasonCode").Items() {
		for k := range r.Get("coding").Items() {
			switch code := k.Get("code").Text(); k.Get("system").Text() {
			case ICDSystem:
				if f.Diagnosis == "" {
					f.Diagnosis = code
				}
			case CodeSystem + "referral.indication.up":
				f.Indications = append(f.Indications, code)
			}
		}
	}
}

func readContents(ext fhir.Node, f *referral.Form) {
	for _, t := range texts(&f.Request) {
		*t.value = part(ext, t.name).Get("valueString").Text()
	}
	if t, err := strconv.ParseFloat(part(ext, "temperature").Get("valueDecimal").Number(), 64); err == nil {
		f.Request.Vitals.Temperature = &t
	}
	for _, v := range measures(&f.Request.Vitals) {
		if n, err := strconv.Atoi(part(ext, v.name).Get("valueInteger").Number()); err == nil {
			*v.value = &n
		}
	}
	for e := range ext.Get("extension").Items() {
		if e.Get("url").Text() != "choice" {
			continue
		}
		org := part(e, "organization").Get("valueReference")
		id, _ := Local(org, "Organization")
		f.Request.Choices = append(f.Request.Choices, referral.Choice{Org: id, OrgName: org.Get("display").Text(),
			Service: part(e, "service").Get("valueString").Text(), Chosen: part(e, "chosen").Get("valueBoolean").Bool()})
	}
	if code := part(ext, "firstVisitReason").Get("valueCode").Text(); code != "" {
		f.Request.FirstVisit = &firstvisit.Override{Reason: code, Comment: part(ext, "firstVisitComment").Get("valueString").Text()}
	}
	if code := part(ext, "parallelReason").Get("valueCode").Text(); code != "" {
		f.Request.Parallel = &referral.Parallel{Reason: code, Comment: part(ext, "parallelComment").Get("valueString").Text()}
	}
	f.Consent = readConsent(part(ext, "consent"))
}

// readConsent reads the patient's signature (LL-4.4.1d): whose it is, in which
// form, with which paper or witness.
func readConsent(e fhir.Node) *consent.Consent {
	if !e.Exists() {
		return nil
	}
	text := func(name string) string {
		p := part(e, name)
		if s := p.Get("valueString").Text(); s != "" {
			return s
		}
		return p.Get("valueCode").Text()
	}
	return &consent.Consent{
		Form: consent.Form(text("form")), SignedBy: consent.Signer(text("signedBy")), SignerName: text("signerName"),
		Relation: text("relation"), Document: text("document"), Witness: text("witness"),
	}
}

// Local is the id of a reference to a resource of this server.
func Local(reference fhir.Node, kind string) (string, bool) {
	text := reference.Get("reference").Text()
	at := strings.LastIndex(text, kind+"/")
	if at < 0 {
		return "", false
	}
	id, _, _ := strings.Cut(text[at+len(kind)+1:], "/")
	return id, id != ""
}

// overlay lays members over a resource that a system wrote. Identifiers and
// notes join those that are there; everything that is not named keeps its bytes.
func overlay(body []byte, over object) ([]byte, error) {
	doc, err := fhir.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("read what was received: %w", err)
	}
	defer doc.Release()
	root := doc.Root()
	raw, err := fhir.Write(over)
	if err != nil {
		return nil, err
	}
	ours, err := fhir.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read what is laid over: %w", err)
	}
	defer ours.Release()
	var edits []fhir.Edit
	_, end := root.Span()
	for name, v := range ours.Root().Fields() {
		there := root.Get(name)
		switch {
		case !there.Exists():
			with := append([]byte{','}, fhir.Quote(name)...)
			edits = append(edits, fhir.Edit{From: end - 1, To: end - 1, With: append(append(with, ':'), v.Raw()...)})
		case name == "identifier" && there.Kind() == fhir.Array && there.Len() > 0:
			_, to := there.Span()
			item := v.At(0)
			if !has(there, item) {
				edits = append(edits, fhir.Edit{From: to - 1, To: to - 1, With: append([]byte{','}, item.Raw()...)})
			}
		case name == "note" && there.Kind() == fhir.Array && there.Len() > 0:
			_, to := there.Span()
			raw := v.Raw()
			edits = append(edits, fhir.Edit{From: to - 1, To: to - 1, With: append([]byte{','}, raw[1:len(raw)-1]...)})
		default:
			edits = append(edits, fhir.Replace(there, v.Raw()))
		}
	}
	return fhir.Apply(nil, body, edits...), nil
}

func has(identifiers, item fhir.Node) bool {
	for i := range identifiers.Items() {
		if i.Get("system").Text() == item.Get("system").Text() && i.Get("value").Text() == item.Get("value").Text() {
			return true
		}
	}
	return false
}
