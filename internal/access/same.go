package access

import (
	"context"
	"fmt"
	"slices"

	"yilian/internal/db"
)

// Two patients may turn out to be one person. The master index (patient/index)
// says so here, below everybody who asks about a person: what is kept about a
// person names the patient, that is the identity, through which it came, is
// never rewritten, and is asked for with
//
//	patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
//
// Parting two patients therefore gives each what was its own (ADR 0035).

// SamePerson returns the patient and all others who are the same person, the
// patient itself first.
func SamePerson(ctx context.Context, tx *db.Tx, patient string) ([]string, error) {
	others, err := db.List(ctx, tx, db.Value[string], `SELECT other FROM same_person WHERE patient = $1 ORDER BY other`, patient)
	return append([]string{patient}, others...), err
}

// IsSame reports whether two patients are one person; nobody is the same as
// a patient without id.
func IsSame(ctx context.Context, tx *db.Tx, a, b string) (bool, error) {
	if a == "" || b == "" {
		return false, nil
	}
	if a == b {
		return true, nil
	}
	n, err := db.Count(ctx, tx, `SELECT count(*) FROM same_person WHERE patient = $1 AND other = $2`, a, b)
	return n > 0, err
}

// SetSame writes anew who is one person among the patients named: each group
// is one person, and nobody named is the same as somebody outside of his
// group. Only the master index calls it.
func SetSame(ctx context.Context, tx *db.Tx, groups ...[]string) error {
	query, args := db.Expand(`DELETE FROM same_person WHERE patient IN ($list)`, nil, slices.Concat(groups...))
	if _, err := tx.Exec(ctx, query, args...); err != nil {
		return fmt.Errorf("part same persons: %w", err)
	}
	query, args = db.Expand(`DELETE FROM same_person WHERE other IN ($list)`, nil, slices.Concat(groups...))
	if _, err := tx.Exec(ctx, query, args...); err != nil {
		return fmt.Errorf("part same persons: %w", err)
	}
	var rows []any
	for _, g := range groups {
		for _, a := range g {
			for _, b := range g {
				if a != b {
					rows = append(rows, a, b)
				}
			}
		}
	}
	if err := tx.InsertAll(ctx, `INSERT INTO same_person (patient, other) VALUES ($1, $2)`, rows); err != nil {
		return fmt.Errorf("join same persons: %w", err)
	}
	return nil
}
