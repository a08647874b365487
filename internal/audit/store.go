package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"yilian/internal/db"
)

// row is a leaf as it is stored; its hash is over exactly these values.
type row struct {
	id, account, person, name, role, org, orgName, self string
	action, object, objectID, patient, outcome, more    string

	at int64
}

// more is the part of a leaf that is shown but never searched.
type more struct {
	Department string   `json:"department,omitempty"`
	Regions    []string `json:"regions,omitempty"`
	Session    string   `json:"session,omitempty"`
	IP         string   `json:"ip,omitempty"`
	Basis      string   `json:"basis,omitempty"`
	Clause     string   `json:"clause,omitempty"`
	Detail     string   `json:"detail,omitempty"`
}

// complete fills in what the caller may leave out.
func (f Leaf) complete() Leaf {
	if f.ID == "" {
		f.ID = db.NewID()
	}
	if f.Outcome == "" {
		f.Outcome = OK
	}
	return f
}

func (f Leaf) row() (row, error) {
	extra, err := json.Marshal(more{
		Department: f.Actor.Department, Regions: f.Actor.Regions, Session: f.Actor.Session, IP: f.Actor.IP,
		Basis: f.Basis, Clause: f.Clause, Detail: f.Detail,
	})
	if err != nil {
		return row{}, fmt.Errorf("insert audit leaf: %w", err)
	}
	a := f.Actor
	return row{
		id: f.ID, at: f.At.UnixMilli(),
		account: clean(a.Account), person: clean(a.Person), name: clean(a.Name), role: clean(a.Role),
		org: clean(a.Org), orgName: clean(a.OrgName), self: clean(a.Patient),
		action: clean(f.Action), object: clean(f.Object), objectID: clean(f.ObjectID),
		patient: clean(f.Patient), outcome: f.Outcome, more: string(extra),
	}, nil
}

// clean makes text storable on both engines: PostgreSQL refuses NUL and
// malformed UTF-8, and an act must not escape the log by its spelling.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

func (r row) leaf() (Leaf, error) {
	var m more
	if err := json.Unmarshal([]byte(r.more), &m); err != nil {
		return Leaf{}, fmt.Errorf("read audit leaf %s: %w", r.id, err)
	}
	return Leaf{
		ID: r.id, At: time.UnixMilli(r.at).UTC(),
		Actor: Actor{
			Account: r.account, Person: r.person, Name: r.name, Role: r.role, Org: r.org, OrgName: r.orgName,
			Department: m.Department, Patient: r.self, Regions: m.Regions, Session: m.Session, IP: m.IP,
		},
		Action: r.action, Object: r.object, ObjectID: r.objectID, Patient: r.patient,
		Basis: m.Basis, Outcome: r.outcome, Clause: m.Clause, Detail: m.Detail,
	}, nil
}

// parts lists the values that the leaf hash covers; the order never changes.
func (r row) parts() [][]byte {
	return [][]byte{
		[]byte(r.id), strconv.AppendInt(nil, r.at, 10),
		[]byte(r.account), []byte(r.person), []byte(r.name), []byte(r.role), []byte(r.org), []byte(r.orgName),
		[]byte(r.self), []byte(r.action), []byte(r.object), []byte(r.objectID), []byte(r.patient),
		[]byte(r.outcome), []byte(r.more),
	}
}

const insertLeaf = `INSERT INTO audit_leaf (id, at, account, person, name, role, org, org_name, self, action, object, object_id, patient, outcome, more)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`

const insertPending = `INSERT INTO audit_pending (leaf_id) VALUES ($1)`

// insert stores leaves and queues them for the sealer.
func insert(tx *db.Tx, leaves []Leaf) error {
	args, ids := make([]any, 0, 15*len(leaves)), make([]any, 0, len(leaves))
	for _, leaf := range leaves {
		r, err := leaf.row()
		if err != nil {
			return err
		}
		args = append(args, r.id, r.at, r.account, r.person, r.name, r.role, r.org, r.orgName, r.self,
			r.action, r.object, r.objectID, r.patient, r.outcome, r.more)
		ids = append(ids, r.id)
	}
	if err := tx.Later(insertLeaf, args); err != nil {
		return fmt.Errorf("insert audit leaf: %w", err)
	}
	if err := tx.Later(insertPending, ids); err != nil {
		return fmt.Errorf("insert audit leaf: %w", err)
	}
	return nil
}

func readRow(scan db.Scan) (r row, err error) {
	return r, scan(&r.id, &r.at, &r.account, &r.person, &r.name, &r.role, &r.org, &r.orgName, &r.self,
		&r.action, &r.object, &r.objectID, &r.patient, &r.outcome, &r.more)
}

func readLeaf(scan db.Scan) (Leaf, error) {
	r, err := readRow(scan)
	if err != nil {
		return Leaf{}, err
	}
	return r.leaf()
}

// head is the end of the chain.
type head struct {
	seq   int64
	chain string
}

func readHead(ctx context.Context, tx *db.Tx) (head, error) {
	return db.Get(ctx, tx, "审计链头", func(scan db.Scan) (h head, err error) { return h, scan(&h.seq, &h.chain) },
		`SELECT seq, chain_hash FROM audit_head WHERE id = 1`)
}

// link is one place in the chain.
type link struct {
	seq                       int64
	leafID, leafHash, chained string
}

func readLink(scan db.Scan) (k link, err error) {
	return k, scan(&k.seq, &k.leafID, &k.leafHash, &k.chained)
}
