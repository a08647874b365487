package message

import (
	"context"
	"fmt"

	"yilian/internal/db"
)

// row is a message with what only delivery needs.
type row struct {
	Message
	sealed, contactKey string
	round              int64
}

func readMessage(scan db.Scan) (m Message, err error) {
	var created, delivered db.Time
	err = scan(&m.ID, &m.Patient, &m.ToMasked, &m.Text, &m.Case, &m.Channel, &m.State, &m.Reason, &m.Attempts, &created, &delivered)
	m.CreatedAt, m.DeliveredAt = created.Time, delivered.Time
	return m, err
}

func byID(ctx context.Context, tx *db.Tx, id string) (row, error) {
	return db.Get(ctx, tx, "消息", func(scan db.Scan) (r row, err error) {
		r.Message, err = readMessage(func(dest ...any) error {
			return scan(append(dest, &r.sealed, &r.contactKey, &r.round)...)
		})
		return r, err
	}, `
		SELECT id, patient, to_masked, body, case_ref, channel, state, reason, attempts, created_at, delivered_at,
			to_sealed, contact_key, round
		FROM message WHERE id = $1`, id)
}

func insertMessage(ctx context.Context, tx *db.Tx, m Message, sealed, contactKey, dedupe string) (fresh bool, err error) {
	n, err := tx.Exec(ctx, `
		INSERT INTO message (id, patient, to_sealed, to_masked, contact_key, body, case_ref, dedupe, state, reason, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (dedupe) DO NOTHING`,
		m.ID, m.Patient, sealed, m.ToMasked, contactKey, m.Text, m.Case, dedupe, string(m.State), m.Reason, db.At(m.CreatedAt))
	if err != nil {
		return false, fmt.Errorf("insert message: %w", err)
	}
	tx.Touch("message", m.ID)
	return n > 0, nil
}

func relate(ctx context.Context, tx *db.Tx, id, org string) error {
	if org == "" {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO message_org (org, message) VALUES ($1, $2) ON CONFLICT (org, message) DO NOTHING`, org, id)
	if err != nil {
		return fmt.Errorf("insert message institution: %w", err)
	}
	return nil
}

func listMessages(ctx context.Context, tx *db.Tx, org string, f Filter) ([]Message, error) {
	if org == "" {
		return db.List(ctx, tx, readMessage, `
			SELECT id, patient, to_masked, body, case_ref, channel, state, reason, attempts, created_at, delivered_at
			FROM message
			WHERE patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1) AND (CAST($2 AS TEXT) = '' OR case_ref = $2) AND (CAST($3 AS TEXT) = '' OR state = $3)
			ORDER BY id DESC LIMIT $4 OFFSET $5`,
			f.Patient, f.Case, string(f.State), f.Limit+1, f.Offset)
	}
	return db.List(ctx, tx, readMessage, `
		SELECT m.id, m.patient, m.to_masked, m.body, m.case_ref, m.channel, m.state, m.reason, m.attempts, m.created_at, m.delivered_at
		FROM message_org o JOIN message m ON m.id = o.message
		WHERE o.org = $1 AND (CAST($2 AS TEXT) = '' OR m.patient IN (SELECT CAST($2 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $2))
		  AND (CAST($3 AS TEXT) = '' OR m.case_ref = $3) AND (CAST($4 AS TEXT) = '' OR m.state = $4)
		ORDER BY o.message DESC LIMIT $5 OFFSET $6`,
		org, f.Patient, f.Case, string(f.State), f.Limit+1, f.Offset)
}

// Get returns one message. Who may read it is the question of the caller.
func Get(ctx context.Context, tx *db.Tx, id string) (Message, error) {
	r, err := byID(ctx, tx, id)
	return r.Message, err
}

// After lists the ids of messages after one, ascending.
func After(ctx context.Context, tx *db.Tx, after string, limit int) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT id FROM message WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
}
