package charter

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"yilian/internal/calendar"
	"yilian/internal/db"
)

func read(scan db.Scan) (c Charter, err error) {
	var on db.Null
	var at db.Time
	err = scan(&c.ID, &c.Alliance, &c.Number, &c.State, &on, &c.Basis, &c.Version, &at, &c.ChangedBy)
	c.AdoptedOn, c.ChangedAt = calendar.Date(on), at.Time
	return c, err
}

// Get returns one version with its parts and split.
func Get(ctx context.Context, tx *db.Tx, id string) (Charter, error) {
	c, err := db.Get(ctx, tx, "这份章程", read, `
		SELECT id, alliance, number, state, adopted_on, basis, version, changed_at, changed_by FROM charter WHERE id = $1`, id)
	if err != nil {
		return c, err
	}
	return c, fill(ctx, tx, &c)
}

// Versions returns all versions of an alliance, the newest first.
func Versions(ctx context.Context, tx *db.Tx, alliance string) ([]Charter, error) {
	all, err := db.List(ctx, tx, read, `
		SELECT id, alliance, number, state, adopted_on, basis, version, changed_at, changed_by
		FROM charter WHERE alliance = $1 ORDER BY number DESC`, alliance)
	for i := range all {
		if err == nil {
			err = fill(ctx, tx, &all[i])
		}
	}
	return all, err
}

// Current returns the charter in force; ok is false when there is none.
func Current(ctx context.Context, tx *db.Tx, alliance string) (c Charter, ok bool, err error) {
	all, err := Versions(ctx, tx, alliance)
	for _, v := range all {
		if v.State == Adopted {
			return v, true, err
		}
	}
	return c, false, err
}

func fill(ctx context.Context, tx *db.Tx, c *Charter) error {
	parts, err := db.List(ctx, tx, func(scan db.Scan) (r [2]string, err error) { return r, scan(&r[0], &r[1]) },
		`SELECT code, body FROM charter_part WHERE charter = $1`, c.ID)
	if err != nil {
		return err
	}
	c.Parts, c.Split = map[string]string{}, map[Pool][]Share{}
	for _, p := range parts {
		c.Parts[p[0]] = p[1]
	}
	type row struct {
		pool Pool
		Share
	}
	shares, err := db.List(ctx, tx, func(scan db.Scan) (r row, err error) {
		return r, scan(&r.pool, &r.Party, &r.Title, &r.Points)
	}, `SELECT pool, party, title, points FROM charter_share WHERE charter = $1 ORDER BY pool, place`, c.ID)
	for _, r := range shares {
		c.Split[r.pool] = append(c.Split[r.pool], r.Share)
	}
	return err
}

func insert(ctx context.Context, tx *db.Tx, c Charter) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO charter (id, alliance, number, state, adopted_on, basis, version, changed_at, changed_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		c.ID, c.Alliance, c.Number, string(c.State), db.Null(c.AdoptedOn), c.Basis, c.Version, db.At(c.ChangedAt), c.ChangedBy)
	if err != nil {
		return fmt.Errorf("insert charter: %w", err)
	}
	return insertBody(ctx, tx, c)
}

// update writes a draft; its parts are a draft's too and are replaced.
func update(ctx context.Context, tx *db.Tx, c Charter) error {
	_, err := tx.Exec(ctx, `UPDATE charter SET state = $2, adopted_on = $3, basis = $4, version = $5, changed_at = $6, changed_by = $7 WHERE id = $1`,
		c.ID, string(c.State), db.Null(c.AdoptedOn), c.Basis, c.Version, db.At(c.ChangedAt), c.ChangedBy)
	if err != nil {
		return fmt.Errorf("update charter: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM charter_part WHERE charter = $1`, c.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM charter_share WHERE charter = $1`, c.ID); err != nil {
		return err
	}
	return insertBody(ctx, tx, c)
}

func insertBody(ctx context.Context, tx *db.Tx, c Charter) error {
	for _, code := range slices.Sorted(maps.Keys(c.Parts)) {
		if _, err := tx.Exec(ctx, `INSERT INTO charter_part (charter, code, body) VALUES ($1, $2, $3)`, c.ID, code, c.Parts[code]); err != nil {
			return fmt.Errorf("insert part: %w", err)
		}
	}
	for _, p := range Pools() {
		for i, s := range c.Split[p] {
			if _, err := tx.Exec(ctx, `INSERT INTO charter_share (charter, pool, party, title, points, place) VALUES ($1, $2, $3, $4, $5, $6)`,
				c.ID, string(p), s.Party, s.Title, s.Points, i); err != nil {
				return fmt.Errorf("insert share: %w", err)
			}
		}
	}
	return nil
}
