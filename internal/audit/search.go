package audit

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"yilian/internal/db"
)

// The search is one statement with a different first condition for each index
// that can lead it; the rest narrows.
const (
	searchHead = `SELECT id, at, account, person, name, role, org, org_name, self, action, object, object_id, patient, outcome, more
		FROM audit_leaf WHERE `
	searchTail = `at >= $1 AND (at, id) < ($2, $3)
		AND (CAST($4 AS TEXT) = '' OR patient IN (SELECT CAST($4 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $4))
		AND (CAST($5 AS TEXT) = '' OR object_id = $5)
		AND (CAST($6 AS TEXT) = '' OR account = $6 OR person = $6 OR name = $6)
		AND (CAST($7 AS TEXT) = '' OR object = $7)
		AND (CAST($8 AS TEXT) = '' OR action = $8)
		AND (CAST($9 AS TEXT) = '' OR org = $9)
		AND (CAST($10 AS TEXT) = '' OR outcome = $10)
		ORDER BY at DESC, id DESC LIMIT $11`

	searchByPatient = searchHead + `patient <> '' AND patient IN (SELECT CAST($4 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $4) AND ` + searchTail
	searchByObject  = searchHead + `object_id <> '' AND object_id = $5 AND ` + searchTail
	searchByAccount = searchHead + `account <> '' AND account = $6 AND ` + searchTail
	searchByName    = searchHead + `name = $6 AND ` + searchTail
	searchByTime    = searchHead + searchTail
)

// Search returns the leaves that match f, newest first. Several sessions may
// page at once: Before names the last leaf seen, so that new leaves do not
// shift the pages.
func Search(ctx context.Context, tx *db.Tx, f Filter) ([]Leaf, error) {
	switch {
	case f.Limit <= 0:
		f.Limit = 50
	case f.Limit > 1000:
		f.Limit = 1000
	}
	from, until, last := int64(math.MinInt64), int64(math.MaxInt64), ""
	if !f.From.IsZero() {
		from = f.From.UnixMilli()
	}
	if !f.To.IsZero() {
		until = f.To.UnixMilli()
	}
	if f.Before != "" {
		at, err := db.Get(ctx, tx, "上一页的最后一条审计记录，请重新查询", db.Value[int64],
			`SELECT at FROM audit_leaf WHERE id = $1`, f.Before)
		if err != nil {
			return nil, err
		}
		if at < until {
			until, last = at, f.Before
		}
	}
	args := []any{from, until, last, f.Patient, f.ObjectID, f.Actor, f.Object, f.Action, f.Org, f.Outcome, f.Limit}
	switch {
	case f.Patient != "":
		return db.List(ctx, tx, readLeaf, searchByPatient, args...)
	case f.ObjectID != "":
		return db.List(ctx, tx, readLeaf, searchByObject, args...)
	case f.Actor != "":
		return searchActor(ctx, tx, args, f.Limit)
	default:
		return db.List(ctx, tx, readLeaf, searchByTime, args...)
	}
}

// searchActor looks under the account and under the name, each by its index,
// and puts the newest of both together.
func searchActor(ctx context.Context, tx *db.Tx, args []any, limit int) ([]Leaf, error) {
	all, err := db.List(ctx, tx, readLeaf, searchByAccount, args...)
	if err != nil {
		return nil, err
	}
	named, err := db.List(ctx, tx, readLeaf, searchByName, args...)
	if err != nil {
		return nil, err
	}
	all = append(all, named...)
	slices.SortFunc(all, func(a, b Leaf) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return cmp.Compare(b.ID, a.ID)
	})
	all = slices.CompactFunc(all, func(a, b Leaf) bool { return a.ID == b.ID })
	return all[:min(len(all), limit)], nil
}

// GetLeaf reads one leaf.
func GetLeaf(ctx context.Context, tx *db.Tx, id string) (Leaf, error) {
	return db.Get(ctx, tx, "这条审计记录", readLeaf, `SELECT id, at, account, person, name, role, org, org_name, self,
		action, object, object_id, patient, outcome, more FROM audit_leaf WHERE id = $1`, id)
}

// AccessesOf returns who looked at or changed the data of a patient, newest
// first: the page 谁看过我的记录. The patient's own visits, refused attempts and
// the program's own work are left out.
func (l *Log) AccessesOf(ctx context.Context, tx *db.Tx, patient string, limit int) ([]Leaf, error) {
	return db.List(ctx, tx, readLeaf, `SELECT id, at, account, person, name, role, org, org_name, self,
		action, object, object_id, patient, outcome, more FROM audit_leaf
		WHERE patient <> '' AND patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		AND self NOT IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1) AND account <> '' AND outcome = 'ok'
		ORDER BY at DESC, id DESC LIMIT $2`, patient, limit)
}

// Readers returns the accounts that have read a thing, or opened the record of
// one of the patients since an instant: who must be told when the thing hung on
// the wrong person. Residents and the program are left out.
func Readers(ctx context.Context, tx *db.Tx, objectID string, patients []string, since time.Time) ([]string, error) {
	query, args := db.Expand(`
		SELECT DISTINCT account FROM audit_leaf
		WHERE account <> '' AND self = '' AND outcome = 'ok'
		  AND ((object_id <> '' AND object_id = $1 AND action LIKE '%.read')
			OR (patient <> '' AND patient IN ($list) AND action = 'patient.read' AND at >= $2))
		ORDER BY account`, []any{objectID, since.UnixMilli()}, patients)
	return db.List(ctx, tx, db.Value[string], query, args...)
}
