// Package auditevent shows the audit log as FHIR R4 AuditEvents: how a leaf
// reads as a resource, and what a search asks of the log. Nothing is stored;
// what a client sees is never more than its own institution's part of what the
// auditor's page shows (ADR 0061).
package auditevent

import (
	"cmp"
	"context"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/audit/auditweb"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/fhir/json"
	"yilian/internal/fhir/spec"
	"yilian/internal/record"
)

// Type is the type of resource that leaves are shown as.
const Type = "AuditEvent"

// The names of what is coded and numbered here.
const (
	Source        = "urn:yilian:audit"         // meta.source of every leaf
	ActionSystem  = "urn:yilian:audit-action"  // acts as the log names them
	AccountSystem = "urn:yilian:account"       // accounts and system clients
	ObjectSystem  = "urn:yilian:audit-object:" // and the kind of thing: what has no resource of its own

	roleSystem  = "urn:yilian:role"
	basisSystem = "urn:yilian:access-basis"
	dicom       = "http://dicom.nema.org/resources/ontology/DCM"
	terminology = "http://terminology.hl7.org/CodeSystem/"
	restful     = "http://hl7.org/fhir/restful-interaction"
	ipAddress   = "2" // of network-type
)

type (
	object = json.Made
	list   = []any
)

// aliases are the things of our own that stand in the record as a resource of
// the same id.
var aliases = map[string]string{"patient": "Patient", "practitioner": "Practitioner", "organization": "Organization", "audit": Type}

// aliasOf is the name that the modules have for the things of a type.
func aliasOf(resourceType string) string {
	for name, t := range aliases {
		if t == resourceType {
			return name
		}
	}
	return ""
}

// Verbs say which kind of act stands behind the last dot of an action; all
// others are E: log-on, moves of a case, searches, operations.
var verbs = map[string][]string{
	"C": {"create", "register", "add", "open", "enter", "book", "issue", "sign", "record", "import", "load", "establish", "draft"},
	"R": {"read", "vread", "history", "print", "export", "file", "reveal", "sensitive", "break"},
	"U": {"update", "change", "correct", "rename", "save", "password", "reset", "patch"},
	"D": {"delete", "void", "void_exception", "discard", "drop"},
}

// kindOf is the AuditEvent.action of a leaf.
func kindOf(action string) string {
	verb := action[strings.LastIndexByte(action, '.')+1:]
	for kind, all := range verbs {
		for _, v := range all {
			if v == verb {
				return kind
			}
		}
	}
	return "E"
}

// kinds are what a leaf is an event of, by the head of its action, most
// particular first (DICOM PS3.15, A.5.3).
var kinds = []struct{ head, code, title string }{
	{"record.export", "110106", "Export"},
	{"record.", "", ""}, // the RESTful interface
	{"session.", "110114", "User Authentication"},
	{"client.check", "110114", "User Authentication"},
	{"client.token", "110114", "User Authentication"},
	{"account.", "110113", "Security Alert"},
	{"client.", "110113", "Security Alert"},
	{"keys.", "110113", "Security Alert"},
	{"audit.", "110101", "Audit Log Used"},
}

func eventType(l audit.Leaf) object {
	for _, k := range kinds {
		if !strings.HasPrefix(l.Action, k.head) {
			continue
		}
		if k.code == "" {
			return object{"system": terminology + "audit-event-type", "code": "rest", "display": "RESTful Operation"}
		}
		return object{"system": dicom, "code": k.code, "display": k.title}
	}
	if l.Patient != "" {
		return object{"system": dicom, "code": "110110", "display": "Patient Record"}
	}
	return object{"system": dicom, "code": "110100", "display": "Application Activity"}
}

// subtypes name the act as the log does, and the interaction of FHIR or the
// event of DICOM when it is one.
func subtypes(l audit.Leaf) list {
	out := list{object{"system": ActionSystem, "code": l.Action, "display": auditweb.ActionTitle(l)}}
	switch verb, rest := strings.CutPrefix(l.Action, "record."); {
	case !rest:
	case verb == "everything":
		return append(out, object{"system": restful, "code": "operation", "display": "operation"})
	case strings.Contains(" read vread update delete history create search ", " "+verb+" "):
		return append(out, object{"system": restful, "code": verb, "display": verb})
	}
	switch l.Action {
	case "session.signin", "client.token":
		out = append(out, object{"system": dicom, "code": "110122", "display": "Login"})
	case "session.signout", "session.end":
		out = append(out, object{"system": dicom, "code": "110123", "display": "Logout"})
	}
	return out
}

// Resource is a leaf as a resource of the record: one version, in nobody's
// record.
func Resource(l audit.Leaf) (record.Resource, error) {
	body, err := Render(l)
	return record.Resource{Key: record.Key{Type: Type, ID: l.ID}, Version: 1, At: l.At, Method: record.Created, Body: body}, err
}

// Render writes a leaf as an AuditEvent.
func Render(l audit.Leaf) ([]byte, error) {
	at := instant(l.At)
	r := object{
		"resourceType": Type, "id": l.ID,
		"meta":    object{"versionId": "1", "lastUpdated": at, "source": Source},
		"type":    eventType(l),
		"subtype": subtypes(l), "action": kindOf(l.Action), "recorded": at,
		"outcome": outcomes[l.Outcome], "outcomeDesc": outcomeText(l), "purposeOfEvent": purpose(l.Basis),
		"agent": agents(l.Actor), "entity": entities(l),
		"source": object{
			"site": l.Actor.OrgName, "observer": object{"display": "医联平台审计日志"},
			"type": list{object{"system": terminology + "security-source-type", "code": "4", "display": "Application Server"}},
		},
	}
	return json.Write(r)
}

func instant(t time.Time) string {
	return t.In(calendar.Shanghai).Format("2006-01-02T15:04:05.000-07:00")
}

// outcomes are those of AuditEvent.outcome that the log tells apart.
var outcomes = map[string]string{audit.OK: "0", audit.Refused: "4"}

func outcomeText(l audit.Leaf) string {
	text := map[string]string{audit.OK: "成功", audit.Refused: "拒绝"}[l.Outcome]
	if d := auditweb.Detail(l); d != "" {
		text += "：" + d
	}
	if l.Clause != "" {
		text += "（依据：" + l.Clause + "）"
	}
	return text
}

// purpose is what made the act lawful, as the log says it.
func purpose(basis string) list {
	if basis == "" {
		return nil
	}
	title := cmp.Or(access.Basis(basis).Title(), basis)
	codes := list{object{"system": basisSystem, "code": basis, "display": title}}
	switch access.Basis(basis) {
	case access.BasisBreak:
		codes = append(codes, object{"system": terminology + "v3-ActReason", "code": "BTG", "display": "break the glass"})
	case access.BasisContract, access.BasisReferral, access.BasisEncounter, access.BasisOrder:
		codes = append(codes, object{"system": terminology + "v3-ActReason", "code": "TREAT", "display": "treatment"})
	}
	return list{object{"coding": codes, "text": title}}
}

// agents are who acted and the institution for which.
func agents(a audit.Actor) list {
	who := object{"display": a.Name}
	if a.Account != "" {
		who["identifier"] = object{"system": AccountSystem, "value": a.Account}
	}
	if record.ValidID(a.Person) {
		who["reference"] = "Practitioner/" + a.Person
	}
	one := object{"who": who, "altId": a.Account, "name": a.Name, "requestor": true}
	if title := access.Role(a.Role).Title(); title != "" {
		one["role"] = list{object{"coding": list{object{"system": roleSystem, "code": a.Role, "display": title}}, "text": title}}
	}
	if a.IP != "" {
		one["network"] = object{"address": a.IP, "type": ipAddress}
	}
	institution := object{"who": object{"display": a.OrgName}, "role": list{object{"text": "所在机构"}}, "requestor": false}
	if record.ValidID(a.Org) {
		institution["who"] = object{"reference": "Organization/" + a.Org, "display": a.OrgName}
	}
	return list{one, institution}
}

// entities are the person whose data it touches and the thing.
func entities(l audit.Leaf) list {
	var out list
	coded := func(set, code, title string) object {
		return object{"system": terminology + set, "code": code, "display": title}
	}
	if record.ValidID(l.Patient) {
		out = append(out, object{"what": object{"reference": "Patient/" + l.Patient},
			"type": coded("audit-entity-type", "1", "Person"), "role": coded("object-role", "1", "Patient")})
	}
	kind := cmp.Or(aliases[l.Object], l.Object)
	if l.ObjectID == "" || kind == "Patient" && l.ObjectID == l.Patient {
		return out
	}
	thing := object{"type": coded("audit-entity-type", "2", "System Object"), "role": coded("object-role", "4", "Domain Resource"), "name": titleOf(l.Object)}
	if refers(kind) && record.ValidID(l.ObjectID) {
		thing["what"] = object{"reference": kind + "/" + l.ObjectID}
	} else {
		thing["what"] = object{"identifier": object{"system": ObjectSystem + l.Object, "value": l.ObjectID}, "display": titleOf(l.Object)}
	}
	return append(out, thing)
}

// refers reports whether things of a kind are resources.
func refers(kind string) bool { return spec.IsResource(kind) }

func titleOf(kind string) string {
	if refers(kind) {
		return kind
	}
	return auditweb.ObjectTitle(kind)
}

// Own reads a leaf that the client may see: of an act of its own institution.
// Any other is not there for it.
func Own(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (audit.Leaf, error) {
	if err := May(actor); err != nil {
		return audit.Leaf{}, err
	}
	list, err := audit.Ask(ctx, tx, audit.Question{Org: actor.Org, IDs: []string{id}, Limit: 1})
	if err != nil {
		return audit.Leaf{}, err
	}
	if len(list) == 0 {
		return audit.Leaf{}, errs.E(errs.NotFound, "没有找到 %s/%s", Type, id)
	}
	return list[0], nil
}

// May refuses who may not ask the log of his institution.
func May(actor access.Actor) error { return access.Require(actor, access.AuditSearch, access.Own) }
