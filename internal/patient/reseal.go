package patient

import (
	"context"
	"fmt"

	"yilian/internal/access"
	"yilian/internal/db"
)

// resealBatch is how many persons one transaction of Reseal holds.
const resealBatch = 500

// Reseal seals and indexes the numbers of every person again under the active
// keys, after a rotation. It may be run again; persons keep their version, for
// nothing about them has changed. It returns how many it touched.
func (s *Service) Reseal(ctx context.Context, actor access.Actor) (int, error) {
	total, after := 0, ""
	for {
		n := 0
		err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
			var last string
			n, last, err = s.resealBatch(ctx, tx, after)
			if err != nil || n == 0 {
				return err
			}
			after = last
			return s.leaf(ctx, tx, actor, "patient.reseal", "", fmt.Sprintf("%d 人", n))
		})
		if err != nil {
			return total, fmt.Errorf("seal again after %q: %w", after, err)
		}
		if n == 0 {
			return total, nil
		}
		total += n
	}
}

func (s *Service) resealBatch(ctx context.Context, tx *db.Tx, after string) (n int, last string, err error) {
	ids, err := db.List(ctx, tx, db.Value[string], `SELECT id FROM patient WHERE id > $1 ORDER BY id LIMIT $2`, after, resealBatch)
	if err != nil || len(ids) == 0 {
		return 0, "", err
	}
	rows, err := listRows(ctx, tx, ids)
	if err != nil {
		return 0, "", err
	}
	for _, r := range rows {
		_, secret, err := open(s.Keys, r)
		if err != nil {
			return 0, "", err
		}
		if err := closeRow(s.Keys, &r, secret); err != nil {
			return 0, "", err
		}
		_, err = tx.Exec(ctx, `
			UPDATE patient SET id_sealed = $2, id_index = $3, id_tail = $4, phone_sealed = $5, phone_index = $6, phone_tail = $7, safe_sealed = $8
			WHERE id = $1`,
			r.ID, r.idSealed, r.idIndex, r.idTail, r.phoneSealed, r.phoneIndex, r.phoneTail, r.safeSealed)
		if err != nil {
			return 0, "", err
		}
	}
	return len(rows), ids[len(ids)-1], nil
}
