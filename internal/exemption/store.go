package exemption

import (
	"context"
	"fmt"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/region"
)

func insert(ctx context.Context, tx *db.Tx, x Application) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO exemption (id, kind, org, alliance_kind, region, existing, since, purpose, evidence, clause, decided_at, approved)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL, FALSE)`,
		x.ID, string(x.Kind), x.Org, x.AllianceKind, x.Region, x.Existing, string(x.Since), x.Purpose, x.Evidence, x.Clause)
	if err != nil {
		return fmt.Errorf("insert exemption: %w", err)
	}
	return nil
}

func read(scan db.Scan) (x Application, err error) {
	var decided db.Time
	err = scan(&x.ID, &x.Kind, &x.Org, &x.AllianceKind, &x.Region, &x.Existing, &x.Since, &x.Purpose, &x.Evidence, &x.Clause, &decided, &x.Approved)
	x.DecidedAt = decided.Time
	return x, err
}

func get(ctx context.Context, tx *db.Tx, id string) (Application, error) {
	return db.Get(ctx, tx, "这份例外登记", read, `
		SELECT id, kind, org, alliance_kind, region, existing, since, purpose, evidence, clause, decided_at, approved
		FROM exemption WHERE id = $1`, id)
}

func list(ctx context.Context, tx *db.Tx) ([]Application, error) {
	return db.List(ctx, tx, read, `
		SELECT id, kind, org, alliance_kind, region, existing, since, purpose, evidence, clause, decided_at, approved
		FROM exemption ORDER BY id DESC`)
}

func addEvidence(ctx context.Context, tx *db.Tx, id, text string) error {
	if _, err := tx.Exec(ctx, `UPDATE exemption SET evidence = evidence || '；补充：' || $2 WHERE id = $1`, id, text); err != nil {
		return fmt.Errorf("add evidence: %w", err)
	}
	return nil
}

func decided(ctx context.Context, tx *db.Tx, id string, approved bool) error {
	if _, err := tx.Exec(ctx, `UPDATE exemption SET decided_at = $2, approved = $3 WHERE id = $1`, id, db.At(tx.Now), approved); err != nil {
		return fmt.Errorf("decide exemption: %w", err)
	}
	return nil
}

// Approved reports whether an approved exception of an institution stands for a
// kind of alliance in a region, or one around it, on a day.
func Approved(ctx context.Context, tx *db.Tx, kind Kind, org, allianceKind, code string, day calendar.Date) (bool, error) {
	chain, err := region.Chain(ctx, tx, code)
	if err != nil {
		return false, err
	}
	query, args := db.Expand(`
		SELECT count(*) FROM exemption
		WHERE kind = $1 AND org = $2 AND alliance_kind = $3 AND since <= $4 AND approved AND region IN ($list)`,
		[]any{string(kind), org, allianceKind, string(day)}, chain)
	n, err := db.Count(ctx, tx, query, args...)
	return n > 0, err
}
