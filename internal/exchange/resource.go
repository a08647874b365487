package exchange

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/exchange/hl7"
	fhir "yilian/internal/fhir/json"
	"yilian/internal/record"
)

// owner names this module in the record: what it makes of a message it alone
// rewrites.
const owner = "exchange"

// object is a FHIR resource or a part of one under construction.
type object = fhir.Made

// idOf is the id of the resource that a number of a peer stands for: the same
// number is the same resource.
func (t *task) idOf(kind, number string) string {
	return resourceID(t.src.peer, kind, number)
}

func resourceID(peer Peer, kind, number string) string {
	sum := sha256.Sum256([]byte(peer.Org + "\x00" + peer.Name + "\x00" + kind + "\x00" + number))
	return "x" + hex.EncodeToString(sum[:16])
}

// put takes a resource into the record of the person of the message.
func (t *task) put(ctx context.Context, kind, number string, body object) error {
	return t.s.put(ctx, t.tx, t.src, t.who, kind, number, body)
}

func (s *Service) put(ctx context.Context, tx *db.Tx, src source, who, kind, number string, body object) error {
	id := resourceID(src.peer, kind, number)
	body["resourceType"], body["id"] = kind, id
	body["identifier"] = []any{object{"system": "urn:yilian:peer:" + src.peer.Name, "value": number}}
	raw, err := fhir.Write(body)
	if err != nil {
		return err
	}
	_, _, err = s.Record.Update(ctx, tx, record.Draft{Body: raw, ID: id, Patient: who, Owner: owner,
		Source: record.Source{Org: src.peer.Org, Client: src.peer.Name}})
	if err != nil {
		return err
	}
	return src.through(ctx, tx, kind, id)
}

// putFile is put for a row: the same content again writes nothing.
func (s *Service) putFile(ctx context.Context, tx *db.Tx, src source, who, kind, number string, body object) (string, error) {
	was, err := s.Record.Head(ctx, tx, record.Key{Type: kind, ID: resourceID(src.peer, kind, number)})
	if err != nil && !errs.Is(err, errs.NotFound) {
		return "", err
	}
	if err := s.put(ctx, tx, src, who, kind, number, body); err != nil {
		return "", err
	}
	now, err := s.Record.Head(ctx, tx, record.Key{Type: kind, ID: resourceID(src.peer, kind, number)})
	switch {
	case err != nil:
		return "", err
	case was.Version == 0:
		return rowNew, nil
	case was.Version == now.Version:
		return rowSame, nil
	}
	return rowChanged, nil
}

func (t *task) subject() object { return object{"reference": "Patient/" + t.who} }

// coded is a coded element (CE, CWE) as CodeableConcept.
func coded(r hl7.Repetition) any {
	if r.Empty() {
		return nil
	}
	var codings []any
	for _, at := range []int{1, 4} {
		if r.Comp(at) != "" {
			codings = append(codings, object{"system": systemOf(r.Comp(at + 2)), "code": r.Comp(at), "display": r.Comp(at + 1)})
		}
	}
	return object{"coding": codings, "text": cmp.Or(r.Comp(9), r.Comp(2), r.Comp(1))}
}

// systemOf is the URI of a coding system of table HL70396, as far as it has one
// that everybody uses; local ones get a name of ours.
func systemOf(name string) string {
	switch strings.ToUpper(name) {
	case "":
		return ""
	case "LN", "LOINC":
		return "http://loinc.org"
	case "SCT", "SNM", "SNM3":
		return "http://snomed.info/sct"
	case "I10":
		return "http://hl7.org/fhir/sid/icd-10"
	case "UCUM":
		return "http://unitsofmeasure.org"
	}
	return "urn:yilian:codes:" + name
}

// when is an instant, to the precision that was stated; "" is none.
func when(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	at, precision, err := hl7.ParseTime(text, calendar.Shanghai)
	if err != nil {
		return "", err
	}
	switch {
	case precision >= 10:
		return at.Format(time.RFC3339), nil
	case precision == 8:
		return at.Format("2006-01-02"), nil
	case precision == 6:
		return at.Format("2006-01"), nil
	}
	return at.Format("2006"), nil
}

// timed reads a time field for a resource.
func timed(s hl7.Segment, field int) (string, error) {
	out, err := when(s.Str(field))
	if err != nil {
		return "", fault(BadValue, hl7.DataType, s.Name, field, "%s-%d %v", s.Name, field, err)
	}
	return out, nil
}

// instant is a time to the second, which some elements ask for.
func instant(s string) string {
	if len(s) < len("2006-01-02T15") {
		return ""
	}
	return s
}

// numberOf is a number as JSON writes it, with the digits as stated; false when
// the text is none.
func numberOf(text string) (json.Number, bool) {
	s := strings.TrimPrefix(strings.TrimSpace(text), "+")
	if strings.HasPrefix(s, ".") {
		s = "0" + s
	}
	if _, err := strconv.ParseFloat(s, 64); err != nil || !json.Valid([]byte(s)) {
		return "", false
	}
	return json.Number(s), true
}
