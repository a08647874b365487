package reminder

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/crypto"
	"yilian/internal/db"
)

// Sent notes that the reminder of an appointment has gone out as a message.
func Sent(ctx context.Context, tx *db.Tx, referral string, appointed time.Time, message string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO reminder (referral, appointed_at, sent_at, message) VALUES ($1, $2, $3, $4)
		ON CONFLICT (referral, appointed_at) DO NOTHING`, referral, db.At(appointed), db.At(tx.Now), message)
	if err != nil {
		return fmt.Errorf("insert reminder: %w", err)
	}
	return nil
}

// Reply is one answer of a patient.
type Reply struct {
	Answer, Reason, ReasonTitle, How, Note string
	Once                                   string // of the form; entered twice it stands once
}

func sealContext(referral string) string { return "reminder/" + referral }

// Record stores an answer; the newest one counts, none is removed. It reports
// whether the answer is new.
func Record(ctx context.Context, tx *db.Tx, keys *crypto.Keyring, actor access.Actor, referral string, appointed time.Time, r Reply) (fresh bool, err error) {
	note, id := "", r.Once
	if id == "" {
		id = db.NewID()
	}
	if r.Note != "" {
		if note, err = keys.Seal(r.Note, sealContext(referral)); err != nil {
			return false, fmt.Errorf("seal answer: %w", err)
		}
	}
	n, err := tx.Exec(ctx, `
		INSERT INTO reminder_answer (id, referral, appointed_at, answer, reason, reason_title, how, note, by_org, by_id, by_name, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (id) DO NOTHING`,
		id, referral, db.At(appointed), r.Answer, r.Reason, r.ReasonTitle, r.How, note, actor.Org, actor.Account, actor.Name, db.At(tx.Now))
	if err != nil {
		return false, fmt.Errorf("insert answer: %w", err)
	}
	return n > 0, nil
}

// Of returns the receipts of the appointments that stand, by referral.
func Of(ctx context.Context, tx *db.Tx, keys *crypto.Keyring, referrals []string) (map[string]Receipt, error) {
	out := make(map[string]Receipt, len(referrals))
	if len(referrals) == 0 {
		return out, nil
	}
	query, args := db.Expand(`
		SELECT m.referral, m.sent_at, COALESCE(t.state, '')
		FROM reminder m JOIN referral r ON r.id = m.referral AND r.appointed_at = m.appointed_at
		LEFT JOIN message t ON t.id = m.message
		WHERE m.referral IN ($list)`, nil, referrals)
	type sent struct {
		referral string
		Receipt
	}
	list, err := db.List(ctx, tx, func(scan db.Scan) (s sent, err error) {
		var at db.Time
		err = scan(&s.referral, &at, &s.Delivery)
		s.SentAt = at.Time
		return s, err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	for _, s := range list {
		out[s.referral] = s.Receipt
	}
	return out, answers(ctx, tx, keys, referrals, out)
}

// answers adds the newest answer of each.
func answers(ctx context.Context, tx *db.Tx, keys *crypto.Keyring, referrals []string, out map[string]Receipt) error {
	query, args := db.Expand(`
		SELECT a.referral, a.answer, a.reason_title, a.how, a.note, a.by_name, a.at
		FROM reminder_answer a JOIN referral r ON r.id = a.referral AND r.appointed_at = a.appointed_at
		WHERE a.referral IN ($list) ORDER BY a.at, a.id`, nil, referrals)
	type answer struct {
		referral string
		Receipt
	}
	list, err := db.List(ctx, tx, func(scan db.Scan) (a answer, err error) {
		var at db.Time
		err = scan(&a.referral, &a.Answer, &a.ReasonTitle, &a.How, &a.Note, &a.ByName, &at)
		a.AnsweredAt = at.Time
		return a, err
	}, query, args...)
	if err != nil {
		return err
	}
	for _, a := range list {
		r := out[a.referral]
		r.Answer, r.ReasonTitle, r.How, r.ByName, r.AnsweredAt, r.Note = a.Answer, a.ReasonTitle, a.How, a.ByName, a.AnsweredAt, ""
		if a.Note != "" {
			if r.Note, err = keys.Open(a.Note, sealContext(a.referral)); err != nil {
				return fmt.Errorf("open answer of %s: %w", a.referral, err)
			}
		}
		out[a.referral] = r
	}
	return nil
}
