package access

import (
	"context"
	"fmt"

	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// Entry says what a system does with a part of a patient's record.
type Entry struct {
	Patient  string
	Action   string // record.read, record.search, record.create …
	Object   string // resource type
	ObjectID string
	Detail   string // one line without clinical content
}

// Record is Patient for one resource of a record: it decides and leaves one
// leaf that names the resource, so that who has read a document can be told
// when it is withdrawn.
func (c *Control) Record(ctx context.Context, tx *db.Tx, actor Actor, e Entry) (Grant, error) {
	g, ok, err := decide(ctx, tx, actor, e.Patient)
	if err != nil {
		return Grant{}, err
	}
	leaf := audit.Leaf{
		Actor: actor, Action: e.Action, Object: e.Object, ObjectID: e.ObjectID, Patient: e.Patient,
		Basis: string(g.Basis), Outcome: audit.OK, Detail: e.Detail,
	}
	if !ok {
		leaf.Outcome = audit.Refused
		c.log.AfterEnd(ctx, tx, leaf)
		return Grant{}, errs.E(errs.Forbidden, "“%s”与该患者没有签约、转诊或就诊关系，不能读写其资料", actor.OrgName)
	}
	return g, c.log.Append(ctx, tx, leaf)
}

// Visible returns which of the patients the actor may see, without a leaf: a
// search shows nothing of the others. What it shows is recorded by Record.
func Visible(ctx context.Context, tx *db.Tx, actor Actor, patients []string) (map[string]bool, error) {
	out := make(map[string]bool, len(patients))
	role := Role(actor.Role)
	if actor.Role == audit.ProgramRole {
		for _, p := range patients {
			out[p] = true
		}
		return out, nil
	}
	if !Allowed(role, PatientRead, Care) {
		for _, p := range patients {
			_, ok, err := decide(ctx, tx, actor, p)
			if err != nil {
				return nil, err
			}
			out[p] = ok
		}
		return out, nil
	}
	query, args := db.Expand(`
		SELECT patient FROM care_relation
		WHERE org = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2) AND patient IN ($list)
		UNION
		SELECT s.patient FROM same_person s JOIN care_relation c ON c.patient = s.other
		WHERE c.org = $1 AND c.valid_from <= $2 AND (c.valid_to IS NULL OR c.valid_to > $2) AND s.patient IN ($list)
		UNION
		SELECT patient FROM care_break
		WHERE account = $3 AND at <= $2 AND until > $2 AND patient IN ($list)`,
		[]any{actor.Org, db.At(tx.Now), actor.Account}, patients)
	seen, err := db.List(ctx, tx, db.Value[string], query, args...)
	if err != nil {
		return nil, fmt.Errorf("visible patients: %w", err)
	}
	for _, p := range seen {
		out[p] = true
	}
	return out, nil
}
