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
	// Hidden reports whether the resource is hidden by default; asked only for
	// a reader who does not see such. nil: it is not.
	Hidden func(ctx context.Context, tx *db.Tx) (bool, error)
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
	if e.Hidden != nil && !g.SeesSensitive() {
		hidden, err := e.Hidden(ctx, tx)
		if err != nil {
			return Grant{}, err
		}
		if hidden {
			leaf.Outcome = audit.Refused
			c.log.AfterEnd(ctx, tx, leaf)
			return Grant{}, errs.E(errs.Forbidden, "这条记录属于敏感信息，对没有直接诊疗关系的机构隐藏：“%s”与该患者没有签约、转诊、就诊或检查会诊关系，不能读写", actor.OrgName)
		}
	}
	return g, c.log.Append(ctx, tx, leaf)
}

// Sight is how much of a patient's record a reader sees.
type Sight uint8

// The sights, the least first.
const (
	SeesNothing Sight = iota
	SeesOpen          // all but what is hidden by default
	SeesAll
)

// Visible returns which of the patients the actor may see, without a leaf: a
// search shows nothing of the others. What it shows is recorded by Record.
func Visible(ctx context.Context, tx *db.Tx, actor Actor, patients []string) (map[string]bool, error) {
	sights, err := Sights(ctx, tx, actor, patients)
	if err != nil {
		return nil, err
	}
	out := make(map[string]bool, len(sights))
	for p, s := range sights {
		out[p] = s > SeesNothing
	}
	return out, nil
}

// sightGrounds are the relations and openings of some patients. CROSS JOIN holds SQLite
// to the order: it would read all relations of the institution first. Rows that
// come twice do no harm.
const sightGrounds = `
	SELECT patient, basis FROM care_relation
	WHERE org = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2) AND patient IN ($list)
	UNION ALL
	SELECT s.patient, c.basis FROM same_person s CROSS JOIN care_relation c
	WHERE c.patient = s.other AND c.org = $1 AND c.valid_from <= $2 AND (c.valid_to IS NULL OR c.valid_to > $2) AND s.patient IN ($list)
	UNION ALL
	SELECT patient, 'break' FROM care_break
	WHERE account = $3 AND at <= $2 AND until > $2 AND patient IN ($list)
	UNION ALL
	SELECT patient, '' FROM care_open
	WHERE account = $3 AND at <= $2 AND until > $2 AND patient IN ($list)`

// Sights returns how much the actor sees of each of the patients, by the
// decision that Record takes, without a leaf.
func Sights(ctx context.Context, tx *db.Tx, actor Actor, patients []string) (map[string]Sight, error) {
	out := make(map[string]Sight, len(patients))
	role := Role(actor.Role)
	if actor.Role == audit.ProgramRole {
		for _, p := range patients {
			out[p] = SeesAll
		}
		return out, nil
	}
	if !Allowed(role, PatientRead, Care) {
		for _, p := range patients {
			g, ok, err := decide(ctx, tx, actor, p)
			if err != nil {
				return nil, err
			}
			if ok {
				out[p] = g.sight()
			}
		}
		return out, nil
	}
	query, args := db.Expand(sightGrounds, []any{actor.Org, db.At(tx.Now), actor.Account}, patients)
	type relation struct {
		patient string
		basis   Basis
	}
	seen, err := db.List(ctx, tx, func(scan db.Scan) (r relation, err error) { return r, scan(&r.patient, &r.basis) }, query, args...)
	if err != nil {
		return nil, fmt.Errorf("visible patients: %w", err)
	}
	for _, r := range seen {
		if r.basis != "" {
			g := Grant{Direct: direct(role, r.basis)}
			out[r.patient] = max(out[r.patient], g.sight())
		}
	}
	for _, r := range seen {
		if r.basis == "" && out[r.patient] > SeesNothing { // opened with a reason
			out[r.patient] = SeesAll
		}
	}
	return out, nil
}

func (g Grant) sight() Sight {
	if g.SeesSensitive() {
		return SeesAll
	}
	return SeesOpen
}
