package audit

import (
	"context"
	"math"
	"strings"
	"time"

	"yilian/internal/db"
)

// Question asks for leaves of one institution: of acts of its people and its
// system clients. Zero fields do not narrow.
type Question struct {
	Org      string   // required
	IDs      []string // nil: any
	From, To time.Time
	Patient  string // as subject or as object
	Object   string
	Alias    string // another name of Object
	ObjectID string
	Person   string // practitioner id
	Account  string
	Name     string // exactly
	NameLike string // a pattern of LIKE in lower case, with \ before what is meant literally
	Action   string
	Verbs    []string // any of these at the end of the action
	NotVerbs []string // none of these
	Outcome  string
	After    Place // of the last leaf of the page before
	Limit    int
}

// Place is a place in the order of leaves, newest first; its zero value is the
// start.
type Place struct {
	At time.Time
	ID string
}

// Place is where the leaf stands.
func (f Leaf) Place() Place { return Place{f.At, f.ID} }

// What residents do and what the program does is nobody's act of the
// institution. The verb is what stands behind the last dot of the action. A
// search begins with its narrowest condition: what is not to lead is hidden from
// the planner, for the leaves of a large hospital are most of the log.
const (
	ownWhere = `self = '' AND at >= $2 AND at < $3
		AND (CAST($4 AS TEXT) = ''
			OR (patient <> '' AND patient IN (SELECT CAST($4 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $4))
			OR (object_id <> '' AND object_id IN (SELECT CAST($4 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $4)
				AND object IN ('patient', 'Patient')))
		AND (CAST($5 AS TEXT) = '' OR object_id = $5)
		AND (CAST($6 AS TEXT) = '' OR object IN ($6, $7))
		AND (CAST($8 AS TEXT) = '' OR person = $8)
		AND (CAST($9 AS TEXT) = '' OR account = $9)
		AND (CAST($10 AS TEXT) = '' OR name = $10)
		AND (CAST($11 AS TEXT) = '' OR lower(name) LIKE $11 ESCAPE '\')
		AND (CAST($12 AS TEXT) = '' OR action = $12)
		AND (CAST($13 AS TEXT) = '' OR CAST($13 AS TEXT) LIKE '%/' || ` + verb + ` || '/%')
		AND (CAST($14 AS TEXT) = '' OR CAST($14 AS TEXT) NOT LIKE '%/' || ` + verb + ` || '/%')
		AND (CAST($15 AS TEXT) = '' OR outcome = $15)`
	verb = `replace(action, rtrim(action, replace(action, '.', '')), '')`

	ownPage = ` AND (at, id) < ($16, $17) ORDER BY at DESC, id DESC LIMIT $18`

	ownAll       = `org <> '' AND org = $1 AND `
	ownOfPatient = `((patient <> '' AND patient IN ($list)) OR (object_id <> '' AND object_id IN ($list))) AND org || '' = $1 AND `
	ownOfObject  = `object_id <> '' AND object_id = $5 AND org || '' = $1 AND `
	ownOfAccount = `account <> '' AND account = $9 AND org || '' = $1 AND `
	ownOfIDs     = `id IN ($list) AND org || '' = $1 AND `

	ownSearch    = searchHead + ownAll + ownWhere + ownPage
	ownByPatient = searchHead + ownOfPatient + ownWhere + ownPage
	ownByObject  = searchHead + ownOfObject + ownWhere + ownPage
	ownByAccount = searchHead + ownOfAccount + ownWhere + ownPage
	ownByID      = searchHead + ownOfIDs + ownWhere + ownPage

	ownCounted        = `SELECT count(*) FROM audit_leaf WHERE `
	ownCount          = ownCounted + ownAll + ownWhere
	ownCountByPatient = ownCounted + ownOfPatient + ownWhere
	ownCountByObject  = ownCounted + ownOfObject + ownWhere
	ownCountByAccount = ownCounted + ownOfAccount + ownWhere
	ownCountByID      = ownCounted + ownOfIDs + ownWhere
)

// Ask returns a page of what the question asks for, newest first.
func Ask(ctx context.Context, tx *db.Tx, q Question) ([]Leaf, error) {
	at, id := int64(math.MaxInt64), ""
	if q.After.ID != "" {
		at, id = q.After.At.UnixMilli(), q.After.ID
	}
	args := append(q.args(), at, id, q.Limit)
	switch {
	case q.IDs != nil:
		query, all := db.Expand(ownByID, args, q.IDs)
		return db.List(ctx, tx, readLeaf, query, all...)
	case q.Patient != "":
		all, err := samePerson(ctx, tx, q.Patient)
		if err != nil {
			return nil, err
		}
		query, more := db.Expand(ownByPatient, args, all)
		return db.List(ctx, tx, readLeaf, query, more...)
	case q.ObjectID != "":
		return db.List(ctx, tx, readLeaf, ownByObject, args...)
	case q.Account != "":
		return db.List(ctx, tx, readLeaf, ownByAccount, args...)
	}
	return db.List(ctx, tx, readLeaf, ownSearch, args...)
}

// Count is how many leaves the question asks for, on all pages together.
func Count(ctx context.Context, tx *db.Tx, q Question) (int64, error) {
	switch {
	case q.IDs != nil:
		query, all := db.Expand(ownCountByID, q.args(), q.IDs)
		return db.Count(ctx, tx, query, all...)
	case q.Patient != "":
		all, err := samePerson(ctx, tx, q.Patient)
		if err != nil {
			return 0, err
		}
		query, more := db.Expand(ownCountByPatient, q.args(), all)
		return db.Count(ctx, tx, query, more...)
	case q.ObjectID != "":
		return db.Count(ctx, tx, ownCountByObject, q.args()...)
	case q.Account != "":
		return db.Count(ctx, tx, ownCountByAccount, q.args()...)
	}
	return db.Count(ctx, tx, ownCount, q.args()...)
}

// samePerson are all records of the person whose one record is given.
func samePerson(ctx context.Context, tx *db.Tx, patient string) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1`, patient)
}

// args are those of ownWhere.
func (q Question) args() []any {
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.From.IsZero() {
		from = q.From.UnixMilli()
	}
	if !q.To.IsZero() {
		to = q.To.UnixMilli()
	}
	return []any{q.Org, from, to, q.Patient, q.ObjectID, q.Object, q.Alias, q.Person, q.Account, q.Name, q.NameLike, q.Action,
		words(q.Verbs), words(q.NotVerbs), q.Outcome}
}

func words(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return "/" + strings.Join(list, "/") + "/"
}

// Taken reports whether a leaf has the id, of whichever institution.
func Taken(ctx context.Context, tx *db.Tx, id string) (bool, error) {
	n, err := db.Count(ctx, tx, `SELECT count(*) FROM audit_leaf WHERE id = $1`, id)
	return n > 0, err
}
