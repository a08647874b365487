package exchange

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"yilian/internal/exchange/hl7"
)

// group is one order of a message with what follows it.
type group struct {
	orc, obr hl7.Segment
	notes    []string
	results  []result
}

type result struct {
	obx   hl7.Segment
	notes []string
}

// groups cuts a message at its orders. What stands before the first belongs to
// none.
func (t *task) groups() []group {
	var out []group
	var orc hl7.Segment
	for _, s := range t.m.Segments {
		switch s.Name {
		case "ORC":
			orc = s
		case "OBR":
			out = append(out, group{orc: orc, obr: s})
			orc = hl7.Segment{}
		case "OBX":
			if n := len(out); n > 0 {
				out[n-1].results = append(out[n-1].results, result{obx: s})
			}
		case "NTE":
			n := len(out)
			if n == 0 {
				continue
			}
			if g := &out[n-1]; len(g.results) > 0 {
				r := &g.results[len(g.results)-1]
				r.notes = append(r.notes, s.Text(3))
			} else {
				g.notes = append(g.notes, s.Text(3))
			}
		}
	}
	if len(out) == 0 && orc.Name != "" { // an order of something that OBR does not describe
		out = append(out, group{orc: orc})
	}
	return out
}

// number is that of the order: the filler's, else the placer's.
func (g group) number() string {
	return cmp.Or(g.obr.Str(3), g.orc.Str(3), g.obr.Str(2), g.orc.Str(2))
}

// report is a result message (ORU^R01): a report for each order, an observation
// for each result.
func (t *task) report(ctx context.Context) error {
	if err := t.person(ctx); err != nil {
		return err
	}
	list := t.groups()
	if len(list) == 0 {
		return fault(Missing, hl7.SegmentOrder, "OBR", 0, "缺少 OBR 段，没有报告")
	}
	for i, g := range list {
		if g.number() == "" {
			return missing("OBR", 3, "报告号")
		}
		if err := t.reportOf(ctx, g, fmt.Sprintf("%s/%d", g.number(), i+1)); err != nil {
			return err
		}
	}
	return nil
}

func (t *task) reportOf(ctx context.Context, g group, number string) error {
	at, err := timed(g.obr, 7)
	if err != nil {
		return err
	}
	issued, err := timed(g.obr, 22)
	if err != nil {
		return err
	}
	var refs, forms []any
	for i, r := range g.results {
		if r.obx.Str(2) == "ED" {
			if form, ok := attachment(r.obx.Rep(5), r.obx.Rep(3).Comp(2)); ok {
				forms = append(forms, form)
			}
			continue
		}
		key := fmt.Sprintf("%s/%s/%s/%d", number, r.obx.Rep(3).Comp(1), r.obx.Str(4), i+1)
		if err := t.put(ctx, "Observation", key, t.observation(g, r, at)); err != nil {
			return err
		}
		refs = append(refs, object{"reference": "Observation/" + t.idOf("Observation", key)})
	}
	return t.put(ctx, "DiagnosticReport", number, object{
		"status": reportStatus(g.obr.Str(25)), "code": orUnknown(coded(g.obr.Rep(4))), "subject": t.subject(),
		"effectiveDateTime": at, "issued": instant(issued), "result": refs, "presentedForm": forms,
		"category":   []any{categoryOf(g.obr.Str(24))},
		"performer":  []any{object{"display": t.src.peer.OrgName}},
		"conclusion": strings.Join(g.notes, "\n"),
	})
}

// orUnknown is a code that FHIR requires where the sender stated none.
func orUnknown(code any) any {
	if code == nil {
		return object{"text": "来源未注明项目"}
	}
	return code
}

func categoryOf(section string) any {
	if section == "" {
		return nil
	}
	return object{"coding": []any{object{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": section}}}
}

// reportStatus reads table HL70123.
func reportStatus(code string) string {
	switch code {
	case "F":
		return "final"
	case "C", "K":
		return "corrected"
	case "X":
		return "cancelled"
	case "P", "A", "R", "V":
		return "preliminary"
	case "O", "I", "S":
		return "registered"
	}
	return "unknown"
}

// resultStatus reads table HL70085.
func resultStatus(code string) string {
	switch code {
	case "F", "U", "":
		return "final"
	case "C":
		return "corrected"
	case "P", "R", "B", "V":
		return "preliminary"
	case "X", "N":
		return "cancelled"
	case "D", "W":
		return "entered-in-error"
	case "I", "O", "S":
		return "registered"
	}
	return "unknown"
}

func (t *task) observation(g group, r result, at string) object {
	x := r.obx
	taken, err := when(x.Str(14))
	if err != nil {
		t.warn("OBX", 14, hl7.DataType, "OBX-14 "+err.Error())
	}
	o := object{
		"status": resultStatus(x.Str(11)), "code": orUnknown(coded(x.Rep(3))), "subject": t.subject(),
		"effectiveDateTime": cmp.Or(taken, at), "note": notesOf(r.notes), "method": coded(x.Rep(17)),
		"interpretation": interpretation(x), "referenceRange": []any{object{"text": x.Text(7)}},
	}
	valueOf(x, o)
	return o
}

func notesOf(list []string) []any {
	text := strings.TrimSpace(strings.Join(list, "\n"))
	return []any{object{"text": text}}
}

// interpretation reads table HL70078: H, L, HH, A …
func interpretation(x hl7.Segment) []any {
	var out []any
	for _, r := range x.Reps(8) {
		if code := r.Comp(1); code != "" {
			out = append(out, object{"coding": []any{object{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": code}}})
		}
	}
	return out
}

// valueOf writes OBX-5 by the type of OBX-2. What does not fit its type stays
// text: a value is never dropped.
func valueOf(x hl7.Segment, o object) {
	v := x.Rep(5)
	text := strings.TrimSpace(x.Text(5))
	if text == "" || text == `""` {
		return
	}
	unit := object{"unit": cmp.Or(x.Rep(6).Comp(2), x.Rep(6).Comp(1))}
	if systemOf(x.Rep(6).Comp(3)) == "http://unitsofmeasure.org" {
		unit["system"], unit["code"] = "http://unitsofmeasure.org", x.Rep(6).Comp(1)
	}
	switch x.Str(2) {
	case "NM":
		comparator, digits := "", v.Comp(1)
		for _, c := range []string{"<=", ">=", "<", ">"} {
			if strings.HasPrefix(digits, c) {
				comparator, digits = c, strings.TrimSpace(digits[len(c):])
				break
			}
		}
		if n, ok := numberOf(digits); ok && len(x.Reps(5)) == 1 {
			unit["value"], unit["comparator"] = n, comparator
			o["valueQuantity"] = unit
			return
		}
	case "SN":
		if n, ok := numberOf(v.Comp(2)); ok && v.Comp(3) == "" {
			unit["value"], unit["comparator"] = n, strings.TrimPrefix(v.Comp(1), "=")
			o["valueQuantity"] = unit
			return
		}
	case "CE", "CWE", "CNE":
		if c := coded(v); c != nil && len(x.Reps(5)) == 1 {
			o["valueCodeableConcept"] = c
			return
		}
	case "DT", "TS", "DTM":
		if at, err := when(v.Comp(1)); err == nil {
			o["valueDateTime"] = at
			return
		}
	}
	o["valueString"] = strings.ReplaceAll(text, "~", "\n")
	if u := unit["unit"]; u != "" {
		o["valueString"] = text + " " + fmt.Sprint(u)
	}
}

// attachment is encapsulated data (ED): source, type, subtype, encoding, data.
func attachment(v hl7.Repetition, title string) (any, bool) {
	kind, data := strings.ToLower(v.Comp(2)+"/"+v.Comp(3)), strings.Join(strings.Fields(v.Comp(5)), "")
	if data == "" {
		return nil, false
	}
	switch strings.ToLower(v.Comp(4)) {
	case "base64":
		if _, err := base64.StdEncoding.DecodeString(data); err != nil {
			return nil, false
		}
	default:
		data = base64.StdEncoding.EncodeToString([]byte(v.Comp(5)))
	}
	if v.Comp(3) == "" || strings.Contains(strings.ToLower(v.Comp(3)), "pdf") {
		kind = "application/pdf"
	}
	return object{"contentType": kind, "data": data, "title": title}, true
}

// order is an order placed at the sender (ORM^O01, OML^O21, OMG^O19).
func (t *task) order(ctx context.Context) error {
	if err := t.person(ctx); err != nil {
		return err
	}
	list := t.groups()
	if len(list) == 0 {
		return fault(Missing, hl7.SegmentOrder, "ORC", 0, "缺少 ORC、OBR 段，没有医嘱")
	}
	for i, g := range list {
		number := cmp.Or(g.orc.Str(2), g.obr.Str(2), g.orc.Str(3), g.obr.Str(3))
		if number == "" {
			return missing("ORC", 2, "医嘱号")
		}
		at, err := timed(g.orc, 9)
		if err != nil {
			return err
		}
		x := g.obr.Rep(16)
		if x.Empty() {
			x = g.orc.Rep(12)
		}
		err = t.put(ctx, "ServiceRequest", fmt.Sprintf("%s/%d", number, i+1), object{
			"status": orderStatus(g.orc.Str(1), g.orc.Str(5)), "intent": "order", "subject": t.subject(), "code": orUnknown(coded(g.obr.Rep(4))),
			"authoredOn": at, "requester": object{"display": cmp.Or(personName(x.Sub(2, 1), x.Comp(3), ""), x.Comp(1), t.src.peer.OrgName)},
			"note": notesOf(g.notes), "reasonCode": []any{coded(g.obr.Rep(31))},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// orderStatus reads tables HL70119 and HL70038.
func orderStatus(control, status string) string {
	switch {
	case control == "CA" || control == "OC" || status == "CA":
		return "revoked"
	case control == "HD" || status == "HD":
		return "on-hold"
	case status == "CM":
		return "completed"
	}
	return "active"
}

// appointment is an appointment at the sender (SIU).
func (t *task) appointment(ctx context.Context) error {
	if err := t.person(ctx); err != nil {
		return err
	}
	sch := t.m.Segment("SCH")
	number := cmp.Or(sch.Str(2), sch.Str(1))
	if number == "" {
		return missing("SCH", 1, "预约号")
	}
	_, event := t.m.Type()
	status := map[string]string{"S15": "cancelled", "S17": "cancelled", "S26": "noshow"}[event]
	start, end, err := t.appointed(sch)
	if err != nil {
		return err
	}
	ais := t.m.Segment("AIS")
	return t.put(ctx, "Appointment", number, object{
		"status": cmp.Or(status, "booked"), "start": start, "end": end, "description": sch.Rep(7).Text(),
		"serviceType": []any{coded(ais.Rep(3))},
		"participant": []any{object{"actor": t.subject(), "status": "accepted"},
			object{"actor": object{"display": t.src.peer.OrgName}, "status": "accepted"}},
	})
}

// appointed is the time of an appointment: SCH-11, else TQ1, AIS, AIP. Both ends
// are given or neither, as FHIR asks.
func (t *task) appointed(sch hl7.Segment) (start, end string, err error) {
	from := cmp.Or(sch.Rep(11).Comp(4), t.m.Segment("TQ1").Str(7), t.m.Segment("AIS").Str(4), t.m.Segment("AIP").Str(6))
	to := cmp.Or(sch.Rep(11).Comp(5), t.m.Segment("TQ1").Str(8))
	if start, err = when(from); err == nil {
		end, err = when(to)
	}
	if err != nil {
		return "", "", fault(BadValue, hl7.DataType, "SCH", 11, "SCH-11 预约时间：%v", err)
	}
	if start, end = instant(start), instant(end); end == "" {
		end = start
	}
	return start, end, nil
}
