package baseline

import (
	"context"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/referral"
)

const columns = `id, org, direction, from_on, to_on, n, source, note, entered_at, entered_name, confirmed_at, confirmed_name, confirm_note, voided_at, voided_name, void_reason`

func read(scan db.Scan) (e Entry, err error) {
	var entered, confirmed, voided db.Time
	err = scan(&e.ID, &e.Org, &e.Direction, &e.From, &e.To, &e.N, &e.Source, &e.Note, &entered, &e.EnteredName,
		&confirmed, &e.ConfirmedBy, &e.ConfirmNote, &voided, &e.VoidedBy, &e.VoidReason)
	e.EnteredAt, e.Confirmed, e.VoidedAt = entered.Time, confirmed.Time, voided.Time
	return e, err
}

func get(ctx context.Context, tx *db.Tx, id string) (Entry, error) {
	return db.Get(ctx, tx, "基数", read, `SELECT `+columns+` FROM referral_baseline WHERE id = $1`, id)
}

// entries reads baselines, of one institution and direction when they are
// given, voided ones only when asked for.
func entries(ctx context.Context, tx *db.Tx, org string, d referral.Direction, voided bool) ([]Entry, error) {
	return db.List(ctx, tx, read, `SELECT `+columns+` FROM referral_baseline
		WHERE (CAST($1 AS TEXT) = '' OR org = $1) AND (CAST($2 AS TEXT) = '' OR direction = $2) AND (voided_at IS NULL OR CAST($3 AS BOOLEAN))
		ORDER BY from_on DESC, direction, org, entered_at, id`, org, string(d), voided)
}

// hold lets two people who enter baselines of an institution at once run one
// after the other, so that the second sees what the first has entered.
func hold(ctx context.Context, tx *db.Tx, org string) error {
	_, err := tx.Exec(ctx, `UPDATE organization SET active = active WHERE id = $1`, org)
	return err
}

func insert(ctx context.Context, tx *db.Tx, e Entry, account string) error {
	_, err := tx.Exec(ctx, `INSERT INTO referral_baseline (id, org, direction, from_on, to_on, n, source, note, entered_at, entered_by, entered_name,
			confirmed_name, confirm_note, voided_name, void_reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '', '', '', '')`,
		e.ID, e.Org, string(e.Direction), string(e.From), string(e.To), e.N, string(e.Source), e.Note, db.At(e.EnteredAt), account, e.EnteredName)
	return err
}

func confirm(ctx context.Context, tx *db.Tx, id, name, note string) error {
	n, err := tx.Exec(ctx, `UPDATE referral_baseline SET confirmed_at = $2, confirmed_name = $3, confirm_note = $4
		WHERE id = $1 AND confirmed_at IS NULL AND voided_at IS NULL`, id, db.At(tx.Now), name, note)
	return once(n, err)
}

func void(ctx context.Context, tx *db.Tx, id, name, reason string) error {
	n, err := tx.Exec(ctx, `UPDATE referral_baseline SET voided_at = $2, voided_name = $3, void_reason = $4
		WHERE id = $1 AND voided_at IS NULL`, id, db.At(tx.Now), name, reason)
	return once(n, err)
}

func once(n int64, err error) error {
	if err == nil && n == 0 {
		return errs.E(errs.Conflict, "这条基数刚刚被别人改过，请刷新后再看")
	}
	return err
}
