package record

import (
	"context"
	"fmt"

	"yilian/internal/db"
)

// Reseal brings the bodies of up to limit resources after the number `after`
// under the active key once the key file was rotated, every version of them,
// and the hashes that searches ask for. It returns where to go on, 0 at the
// end, and how many resources it changed. Nothing a reader sees changes.
func (s *Store) Reseal(ctx context.Context, after int64, limit int) (next int64, changed int, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		next, changed = 0, 0
		heads, err := db.List(ctx, tx, readHead, `SELECT `+headColumns+` FROM record_resource r WHERE r.n > $1 ORDER BY r.n LIMIT $2`, after, limit)
		if err != nil {
			return err
		}
		if len(heads) == limit {
			next = heads[len(heads)-1].n
		}
		for _, h := range heads {
			moved, err := s.resealOne(ctx, tx, h)
			if err != nil {
				return fmt.Errorf("reseal %s: %w", h.Key, err)
			}
			if moved {
				changed++
			}
		}
		return nil
	})
	return next, changed, err
}

// resealOne seals the versions of one resource again and writes its search
// values anew; false when all of it is under the active key.
func (s *Store) resealOne(ctx context.Context, tx *db.Tx, h Resource) (bool, error) {
	list, err := db.List(ctx, tx, readVersion, selectVersion+`WHERE v.n = $1 ORDER BY v.version`, h.n)
	if err != nil {
		return false, err
	}
	moved := false
	for _, v := range list {
		if v.box == nil || s.Keys.CurrentBytes(v.box) {
			continue
		}
		plain, err := s.Keys.OpenBytes(v.box, bodyContext(v.n, v.Version))
		if err != nil {
			return false, err
		}
		box, err := s.Keys.SealBytes(plain, bodyContext(v.n, v.Version))
		if err != nil {
			return false, err
		}
		if _, err := tx.Exec(ctx, `UPDATE record_version SET body = $3 WHERE n = $1 AND version = $2`, v.n, v.Version, box); err != nil {
			return false, err
		}
		moved = true
	}
	if !moved || h.Deleted || h.Withdrawn {
		return moved, nil
	}
	current, err := s.byNumbers(ctx, tx, []int64{h.n})
	if err != nil || len(current) == 0 {
		return moved, err
	}
	return moved, s.reindex(ctx, tx, &current[0], current[0].Patient)
}
