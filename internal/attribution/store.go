package attribution

import (
	"context"
	"fmt"

	"yilian/internal/calendar"
	"yilian/internal/db"
)

const insertRow = `
	INSERT INTO attribution (patient, from_on, to_on, cell, centre, team, alliance, basis, recorded_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

// residentsAfter reads a page of living residents with the contract in force
// on a day.
func residentsAfter(ctx context.Context, tx *db.Tx, after string, day calendar.Date, limit int) ([]facts, error) {
	return db.List(ctx, tx, func(scan db.Scan) (f facts, err error) {
		return f, scan(&f.patient, &f.region, &f.team, &f.signed)
	}, `
		SELECT p.id, p.region, coalesce(c.team, ''), coalesce(c.org, '')
		FROM patient p LEFT JOIN family_contract c ON c.patient_id = p.id AND c.voided_at IS NULL
			AND c.from_on <= $2 AND c.to_on >= $2 AND (c.ended_on = '' OR c.ended_on > $2)
			AND c.id = (SELECT max(x.id) FROM family_contract x WHERE x.patient_id = p.id AND x.voided_at IS NULL
				AND x.from_on <= $2 AND x.to_on >= $2 AND (x.ended_on = '' OR x.ended_on > $2))
		WHERE p.id > $1 AND p.deceased_on = ''
		ORDER BY p.id LIMIT $3`, after, string(day), limit)
}

// basis counts what the residents and their contracts say on a day. Rows are
// never deleted and days only pass, so that each change moves one of the numbers.
type basis struct {
	People, Changed         int64
	Signed, Voided          int64
	Begun, RunOut, Finished int64
}

func readBasis(ctx context.Context, tx *db.Tx, day calendar.Date) (b basis, err error) {
	_, err = db.Get(ctx, tx, "居民", func(scan db.Scan) (basis, error) { return b, scan(&b.People, &b.Changed) },
		`SELECT count(*), coalesce(max(changed_at), 0) FROM patient`)
	if err != nil {
		return b, err
	}
	_, err = db.Get(ctx, tx, "签约", func(scan db.Scan) (basis, error) {
		return b, scan(&b.Signed, &b.Voided, &b.Begun, &b.RunOut, &b.Finished)
	}, `
		SELECT count(*), count(voided_at), count(*) FILTER (WHERE from_on <= $1), count(*) FILTER (WHERE to_on < $1),
			count(*) FILTER (WHERE ended_on <> '' AND ended_on <= $1)
		FROM family_contract`, string(day))
	return b, err
}

// seenMark is the setting that keeps what the last daily pass stood on.
const seenMark = "attribution.seen"

// seen reports whether the last daily pass stood on the same, and keeps it.
func seen(ctx context.Context, tx *db.Tx, digest string) (bool, error) {
	n, err := tx.Exec(ctx, `
		INSERT INTO setting (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE setting.value <> excluded.value`, seenMark, digest)
	return n == 0, err
}

func readRow(scan db.Scan) (r Row, err error) {
	return r, scan(&r.Patient, &r.From, &r.To, &r.Cell, &r.Centre, &r.Team, &r.Alliance, &r.Basis)
}

// openRows reads the open rows of the residents after one id, up to another.
func openRows(ctx context.Context, tx *db.Tx, after, last string) (map[string]Row, error) {
	list, err := db.List(ctx, tx, readRow, `
		SELECT patient, from_on, to_on, cell, centre, team, alliance, basis
		FROM attribution WHERE patient > $1 AND patient <= $2 AND to_on = ''`, after, last)
	out := make(map[string]Row, len(list))
	for _, r := range list {
		out[r.Patient] = r
	}
	return out, err
}

func closeRow(ctx context.Context, tx *db.Tx, patient string, on calendar.Date) error {
	if _, err := tx.Exec(ctx, `UPDATE attribution SET to_on = $2 WHERE patient = $1 AND to_on = ''`, patient, string(on)); err != nil {
		return fmt.Errorf("close attribution: %w", err)
	}
	return nil
}

func rewrite(ctx context.Context, tx *db.Tx, r Row, on calendar.Date) error {
	_, err := tx.Exec(ctx, `
		UPDATE attribution SET cell = $3, centre = $4, team = $5, alliance = $6, basis = $7, recorded_at = $8
		WHERE patient = $1 AND from_on = $2`,
		r.Patient, string(on), r.Cell, r.Centre, r.Team, r.Alliance, string(r.Basis), db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("rewrite attribution: %w", err)
	}
	return nil
}

// On returns the attribution of a resident on a day; false before the first
// pass that knew him.
func On(ctx context.Context, tx *db.Tx, patient string, day calendar.Date) (Row, bool, error) {
	list, err := db.List(ctx, tx, readRow, `
		SELECT patient, from_on, to_on, cell, centre, team, alliance, basis FROM attribution
		WHERE patient = $1 AND from_on <= $2 AND (to_on = '' OR to_on >= $2)`, patient, string(day))
	if err != nil || len(list) == 0 {
		return Row{}, false, err
	}
	return list[0], true, nil
}

// Of returns the whole attribution of a resident, the oldest first.
func Of(ctx context.Context, tx *db.Tx, patient string) ([]Row, error) {
	return db.List(ctx, tx, readRow, `
		SELECT patient, from_on, to_on, cell, centre, team, alliance, basis FROM attribution
		WHERE patient = $1 ORDER BY from_on`, patient)
}

// Heads is how many residents an alliance answers for in a cell.
type Heads struct {
	Alliance, Cell string
	Residents      int64
	Signed         int64 // have signed with a team
}

// HeadsOn counts residents by alliance and cell on a day.
func HeadsOn(ctx context.Context, tx *db.Tx, day calendar.Date) ([]Heads, error) {
	return db.List(ctx, tx, func(scan db.Scan) (h Heads, err error) {
		return h, scan(&h.Alliance, &h.Cell, &h.Residents, &h.Signed)
	}, `
		SELECT alliance, cell, count(*), count(*) FILTER (WHERE team <> '') FROM attribution
		WHERE from_on <= $1 AND (to_on = '' OR to_on >= $1)
		GROUP BY alliance, cell ORDER BY alliance, cell`, string(day))
}
