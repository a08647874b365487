package record

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/db"
)

// SnapshotQuery asks for the resources of a type as they stood at a time.
type SnapshotQuery struct {
	Type     string
	Patients []string  // in the records of these; nil: of anybody and nobody
	Bound    bool      // only what is in somebody's record
	Since    time.Time // changed after; zero: ever
	At       time.Time
	After    int64 // where the page before ended
	Count    int
	For      *Reader
}

// SnapshotPage is a page of a snapshot, in the order in which resources came.
type SnapshotPage struct {
	List []Resource
	Gone []Resource // deleted since, without body
	Next int64      // 0 at the end
}

const (
	snapshotAll = `SELECT ` + headColumns + ` FROM record_resource r
		WHERE r.type = $1 AND r.n > $2 AND r.updated_at > $3 ORDER BY r.n LIMIT $4`
	snapshotBound = `SELECT ` + headColumns + ` FROM record_resource r
		WHERE r.type = $1 AND r.n > $2 AND r.updated_at > $3 AND r.patient <> '' ORDER BY r.n LIMIT $4`
	snapshotOf = `SELECT ` + headColumns + ` FROM record_resource r
		WHERE r.type = $1 AND r.n > $2 AND r.updated_at > $3 AND r.patient IN ($list) ORDER BY r.n LIMIT $4`
)

// Snapshot returns a page. Pages may be read in different transactions: what
// was written after At has no part in any of them. What was withdrawn since is
// left out, also from the past.
func (s *Store) Snapshot(ctx context.Context, tx *db.Tx, q SnapshotQuery) (SnapshotPage, error) {
	var out SnapshotPage
	since := int64(-1)
	if !q.Since.IsZero() {
		since = q.Since.UnixMilli()
	}
	args := []any{q.Type, q.After, since, q.Count}
	var heads []Resource
	var err error
	switch {
	case q.Patients != nil:
		query, all := db.Expand(snapshotOf, args, q.Patients)
		heads, err = db.List(ctx, tx, readHead, query, all...)
	case q.Bound:
		heads, err = db.List(ctx, tx, readHead, snapshotBound, args...)
	default:
		heads, err = db.List(ctx, tx, readHead, snapshotAll, args...)
	}
	if err != nil {
		return out, fmt.Errorf("read snapshot: %w", err)
	}
	if len(heads) == q.Count && q.Count > 0 {
		out.Next = heads[len(heads)-1].n
	}
	past := func(h *Resource) bool { return h.At.After(q.At) || h.Deleted } // an older version may be what is shown
	if heads, err = s.seen(ctx, tx, q.For, heads, past); err != nil {
		return out, err
	}
	return out, s.fillSnapshot(ctx, tx, q, heads, &out)
}

func (s *Store) fillSnapshot(ctx context.Context, tx *db.Tx, q SnapshotQuery, heads []Resource, out *SnapshotPage) error {
	var now []int64
	for i := range heads {
		if h := &heads[i]; !h.At.After(q.At) && !h.Deleted && !h.Withdrawn {
			now = append(now, h.n)
		}
	}
	list, err := s.byNumbers(ctx, tx, now)
	if err != nil {
		return err
	}
	current := make(map[int64]Resource, len(list))
	for _, r := range list {
		current[r.n] = r
	}
	for _, h := range heads {
		r, ok := current[h.n]
		if !ok && h.At.After(q.At) && !h.Withdrawn {
			if r, ok, err = s.versionAt(ctx, tx, h, q); err != nil {
				return err
			}
		} else if !ok {
			r, ok = h, true
		}
		switch {
		case !ok || r.At.After(q.At):
		case !r.Deleted && !r.Withdrawn:
			out.List = append(out.List, r)
		case !q.Since.IsZero():
			out.Gone = append(out.Gone, r)
		}
	}
	return nil
}

// versionAt is the version that stood at the time; ok is false when there was
// none, or when it had not changed since.
func (s *Store) versionAt(ctx context.Context, tx *db.Tx, h Resource, q SnapshotQuery) (Resource, bool, error) {
	rows, err := db.List(ctx, tx, readVersion, selectVersion+`WHERE v.n = $1 AND v.at <= $2 ORDER BY v.version DESC LIMIT 1`, h.n, db.At(q.At))
	if err != nil || len(rows) == 0 || !q.Since.IsZero() && !rows[0].At.After(q.Since) {
		return Resource{}, false, err
	}
	rows[0].Patient = h.Patient
	r, err := s.open(rows[0])
	return r, err == nil, err
}
