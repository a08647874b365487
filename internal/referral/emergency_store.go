package referral

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
)

// emergency reads what an emergency has beyond a referral; nil: it is none.
func (s *Service) emergency(ctx context.Context, tx *db.Tx, id string) (*Emergency, error) {
	type row struct {
		Emergency
		detail, handover string
	}
	found, err := db.List(ctx, tx, func(scan db.Scan) (r row, err error) {
		var sent, alerted, acked db.Time
		var waited int64
		err = scan(&r.Lane, &r.Reason, &r.BackEntry, &sent, &r.Round, &alerted, &r.Step, &acked, &r.AckBy, &r.AckName, &r.AckHow,
			&waited, &r.ConsentCase, &r.detail, &r.handover)
		r.SentAt, r.AlertedAt, r.AckAt, r.Waited = sent.Time, alerted.Time, acked.Time, time.Duration(waited)*time.Millisecond
		return r, err
	}, `
		SELECT lane, reason, back_entry, sent_at, round, alerted_at, step, acknowledged_at, acknowledged_by, acknowledged_name, acknowledged_how,
			COALESCE(waited_ms, 0), consent_case, detail, handover
		FROM referral_emergency WHERE referral = $1`, id)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	e := found[0].Emergency
	if err := s.unseal(id, found[0].detail, &e.Detail); err != nil {
		return nil, err
	}
	return &e, s.unseal(id, found[0].handover, &e.Handover)
}

// saveEmergency writes it whole, in the transaction that moves the case.
func (s *Service) saveEmergency(ctx context.Context, tx *db.Tx, id string, e Emergency) error {
	detail, err := s.seal(id, e.Detail)
	if err != nil {
		return err
	}
	handover := ""
	if e.Handover != (Handover{}) {
		if handover, err = s.seal(id, e.Handover); err != nil {
			return err
		}
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO referral_emergency (referral, lane, reason, back_entry, sent_at, round, alerted_at, step,
			acknowledged_at, acknowledged_by, acknowledged_name, acknowledged_how, waited_ms, consent_case, detail, handover)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (referral) DO UPDATE SET back_entry = excluded.back_entry, round = excluded.round, alerted_at = excluded.alerted_at, step = excluded.step,
			acknowledged_at = excluded.acknowledged_at, acknowledged_by = excluded.acknowledged_by, acknowledged_name = excluded.acknowledged_name,
			acknowledged_how = excluded.acknowledged_how, waited_ms = excluded.waited_ms, consent_case = excluded.consent_case,
			detail = excluded.detail, handover = excluded.handover`,
		id, e.Lane, e.Reason, e.BackEntry, db.At(e.SentAt), e.Round, db.At(e.AlertedAt), e.Step,
		db.At(e.AckAt), e.AckBy, e.AckName, e.AckHow, waitedMS(e), e.ConsentCase, detail, handover)
	if err != nil {
		return fmt.Errorf("save emergency: %w", err)
	}
	return nil
}

// waitedMS is empty as long as nobody has confirmed: not measured is not zero.
func waitedMS(e Emergency) any {
	if e.Waited == 0 {
		return nil
	}
	return e.Waited.Milliseconds()
}

// saveAlarm writes how far the alarm has climbed.
func (s *Service) saveAlarm(ctx context.Context, tx *db.Tx, id string, e Emergency) error {
	_, err := tx.Exec(ctx, `UPDATE referral_emergency SET alerted_at = $2, step = $3 WHERE referral = $1 AND round = $4`,
		id, db.At(e.AlertedAt), e.Step, e.Round)
	if err != nil {
		return fmt.Errorf("save alarm: %w", err)
	}
	return nil
}

// Alert is one person or role that was called.
type Alert struct {
	At          time.Time
	Round, Step int
	Org         string
	Person      string
	Role        access.Role
	Name, Phone string
}

func insertAlert(ctx context.Context, tx *db.Tx, referral string, a Alert) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO referral_alert (id, referral, round, step, at, org, person, role, name, phone) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		db.NewID(), referral, a.Round, a.Step, db.At(a.At), a.Org, a.Person, string(a.Role), a.Name, a.Phone)
	if err != nil {
		return fmt.Errorf("insert alert: %w", err)
	}
	return nil
}

// alerts returns who was called in a round, in order; round 0: in all.
func alerts(ctx context.Context, tx *db.Tx, referral string, round int) ([]Alert, error) {
	return db.List(ctx, tx, func(scan db.Scan) (a Alert, err error) {
		var at db.Time
		err = scan(&at, &a.Round, &a.Step, &a.Org, &a.Person, &a.Role, &a.Name, &a.Phone)
		a.At = at.Time
		return a, err
	}, `SELECT at, round, step, org, person, role, name, phone FROM referral_alert
		WHERE referral = $1 AND (CAST($2 AS BIGINT) = 0 OR round = $2) ORDER BY round, step, id`, referral, round)
}

func insertCall(ctx context.Context, tx *db.Tx, referral, by string, c Call) error {
	_, err := tx.Exec(ctx, `INSERT INTO referral_call (id, referral, at, name, phone, result, by_name) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		db.NewID(), referral, db.At(tx.Now), c.Name, c.Phone, c.Result, by)
	if err != nil {
		return fmt.Errorf("insert call: %w", err)
	}
	return nil
}

func calls(ctx context.Context, tx *db.Tx, referral string) ([]Call, error) {
	return db.List(ctx, tx, func(scan db.Scan) (c Call, err error) {
		var at db.Time
		err = scan(&at, &c.Name, &c.Phone, &c.Result, &c.By)
		c.At = at.Time
		return c, err
	}, `SELECT at, name, phone, result, by_name FROM referral_call WHERE referral = $1 ORDER BY at, id`, referral)
}
