package patient

import (
	"context"
	"fmt"

	"yilian/internal/db"
)

// Reseal brings up to limit persons after the id `after` under the active keys
// once the key file was rotated: numbers sealed and indexed again, relatives'
// phones too. It returns where to go on, "" at the end, and how many persons it
// changed. Nothing a reader sees changes, so versions stay and no leaf is written.
func (s *Service) Reseal(ctx context.Context, after string, limit int) (next string, changed int, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		next, changed = "", 0
		ids, err := db.List(ctx, tx, db.Value[string], `SELECT id FROM patient WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
		if err != nil || len(ids) == 0 {
			return err
		}
		if len(ids) == limit {
			next = ids[len(ids)-1]
		}
		rows, err := listRows(ctx, tx, ids)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if s.current(r.idSealed, r.phoneSealed, r.safeSealed) {
				continue
			}
			if err := s.resealRow(ctx, tx, r); err != nil {
				return err
			}
			changed++
		}
		return s.resealRelations(ctx, tx, ids)
	})
	return next, changed, err
}

func (s *Service) current(sealed ...string) bool {
	for _, v := range sealed {
		if v != "" && !s.Keys.Current(v) {
			return false
		}
	}
	return true
}

func (s *Service) resealRow(ctx context.Context, tx *db.Tx, r row) error {
	_, secret, err := open(s.Keys, r)
	if err != nil {
		return err
	}
	if err := closeRow(s.Keys, &r, secret); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		UPDATE patient SET id_sealed = $2, id_index = $3, id_tail = $4, phone_sealed = $5, phone_index = $6, phone_tail = $7,
			safe_sealed = $8 WHERE id = $1`,
		r.ID, r.idSealed, r.idIndex, r.idTail, r.phoneSealed, r.phoneIndex, r.phoneTail, r.safeSealed)
	if err != nil {
		return fmt.Errorf("reseal patient: %w", err)
	}
	return nil
}

func (s *Service) resealRelations(ctx context.Context, tx *db.Tx, patients []string) error {
	type sealed struct{ id, phone string }
	query, args := db.Expand(`SELECT id, phone_sealed FROM patient_relation WHERE phone_sealed <> '' AND patient_id IN ($list)`, nil, patients)
	list, err := db.List(ctx, tx, func(scan db.Scan) (v sealed, err error) { return v, scan(&v.id, &v.phone) }, query, args...)
	if err != nil {
		return err
	}
	for _, v := range list {
		if s.current(v.phone) {
			continue
		}
		phone, err := unseal(s.Keys, v.phone, "patient.relation/"+v.id)
		if err != nil {
			return err
		}
		if v.phone, err = seal(s.Keys, phone, "patient.relation/"+v.id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE patient_relation SET phone_sealed = $2 WHERE id = $1`, v.id, v.phone); err != nil {
			return fmt.Errorf("reseal relation: %w", err)
		}
	}
	return nil
}
