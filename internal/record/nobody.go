package record

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/db"
	"yilian/internal/fhir/json"
)

// A resource of a kind that speaks about somebody may come without saying about
// whom: a scanned document as Binary, a result without subject. Whose record it
// belongs to nobody can tell, so that nobody but the institution that has sent
// it sees it, or who may see the document that points at it.

// Nobodys reports whether the resource came from a system, is of a kind that
// speaks about a person, and names none.
func (r Resource) Nobodys() bool {
	return r.Patient == "" && r.Owner == "" && (r.Type == "Binary" || r.Type == "Bundle" || r.Type != "Device" && bindsPatient(r.Type))
}

// shown reports whether a resource without a patient is shown to an institution.
func (r Resource) shown(org string) bool { return !r.Nobodys() || r.own(org) }

// secured is whose a Binary is by its securityContext: the patient it names, or
// whose the resource is that it names.
func secured(ctx context.Context, tx *db.Tx, root json.Node) (string, error) {
	kind, id, ok := strings.Cut(root.Get("securityContext").Get("reference").Text(), "/")
	if !ok || !ValidID(id) {
		return "", nil
	}
	if kind == "Patient" {
		return patientFor(ctx, tx, id)
	}
	h, err := headOf(ctx, tx, Key{kind, id})
	if notFound(err) {
		return "", nil
	}
	return h.Patient, err
}

// Pointing are the documents whose attachment is the Binary of an id, as far as
// they say whose they are.
func (s *Store) Pointing(ctx context.Context, tx *db.Tx, id string) ([]Resource, error) {
	values := []string{"Binary/" + id}
	if s.Base != "" {
		values = append(values, strings.TrimSuffix(s.Base, "/")+"/Binary/"+id)
	}
	query, args := db.Expand(`SELECT n FROM record_text WHERE param = $1 AND value IN ($list) ORDER BY n LIMIT 20`,
		[]any{paramNumber("DocumentReference", "location")}, values)
	ns, err := db.List(ctx, tx, db.Value[int64], query, args...)
	if err != nil {
		return nil, fmt.Errorf("find documents of Binary/%s: %w", id, err)
	}
	heads, err := headsOf(ctx, tx, ns)
	return slices.DeleteFunc(heads, func(h Resource) bool { return h.Patient == "" }), err
}
