package firstvisit

import (
	"context"
	"fmt"
	"strings"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/flow"
)

// Record notes for the report that a case was sent past its list. A case that
// is sent again replaces what was noted before; nothing given voids it.
func Record(ctx context.Context, tx *db.Tx, c flow.Case, o *Override) error {
	_, err := tx.Exec(ctx, `UPDATE first_visit_override SET voided_at = $2 WHERE referral = $1 AND voided_at IS NULL`, c.ID, db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("void override: %w", err)
	}
	if o == nil {
		return nil
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO first_visit_override (id, referral, level, entry, clause, org, org_name, doctor, doctor_name, regions, reason, reason_title, at, on_day)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		db.NewID(), c.ID, string(o.Level), o.Entry, o.Clause, c.From.Org, c.From.OrgName, c.From.Person, c.From.PersonName,
		strings.Join(c.Place.Regions, " "), o.Reason, o.ReasonTitle, db.At(tx.Now), string(calendar.DateOf(tx.Now)))
	if err != nil {
		return fmt.Errorf("insert override: %w", err)
	}
	return nil
}
