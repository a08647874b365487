package index

import (
	"context"
	"fmt"
	"strings"

	"yilian/internal/access"
	"yilian/internal/db"
)

// ByNumber returns the patient whom a source knows under the statement's
// number, "" nobody.
func (s *Service) ByNumber(ctx context.Context, tx *db.Tx, st Stated) (string, error) {
	known, err := s.knownIdentity(ctx, tx, normal(st))
	return known.patient, err
}

// Also keeps a further number that the same statement brings, for the patient
// to whom it was attached. other is whose the number is already, when that is
// somebody else: then nothing is written.
func (s *Service) Also(ctx context.Context, tx *db.Tx, actor access.Actor, st Stated, to string) (other string, err error) {
	st = normal(st)
	known, err := s.knownIdentity(ctx, tx, st)
	if err != nil {
		return "", err
	}
	if known.id == "" {
		_, err := s.hang(ctx, tx, actor, st, to, "statement", nil)
		return "", err
	}
	same, err := access.IsSame(ctx, tx, known.patient, to)
	if err != nil || same {
		return "", err
	}
	return known.patient, nil
}

// PlaceTx carries out what a human has decided on a statement, in the
// transaction of the module whose object it is; what waited of it in the queue
// is settled with it. That he may was asked by the caller.
func (s *Service) PlaceTx(ctx context.Context, tx *db.Tx, actor access.Actor, st Stated, p Place) (Attachment, error) {
	ident, err := s.settle(ctx, tx, actor, normal(st), &p)
	if err != nil {
		return Attachment{}, err
	}
	if st.Object != "" {
		_, err := tx.Exec(ctx, `
			UPDATE patient_unmatched SET decision = $3, patient_id = $4, decided_at = $5, decided_by = $6, note = $7, version = version + 1
			WHERE decision = '' AND object = $1 AND object_id = $2`,
			st.Object, st.ObjectID, p.Decision, db.Null(p.Patient), db.At(tx.Now), signature(actor), strings.TrimSpace(p.Note))
		if err != nil {
			return Attachment{}, fmt.Errorf("settle unmatched statement: %w", err)
		}
	}
	return Attachment{Outcome: Known, Patient: p.Patient, Identity: ident},
		s.leaf(ctx, tx, actor, "index.place", st.ObjectID, "待归人信息："+placeWords[p.Decision]+noteOf(p.Note), p.Patient)
}

// Claim is the word of a source that two patients are one person (ADT A40). When
// the comparison bears it out and no human has parted them they are linked;
// otherwise nothing is written: Propose puts the pair before a human.
func (s *Service) Claim(ctx context.Context, tx *db.Tx, actor access.Actor, a, b, reason string) (joined bool, err error) {
	if same, err := access.IsSame(ctx, tx, a, b); err != nil || same {
		return same, err
	}
	if parted, err := s.parted(ctx, tx, a, b); err != nil || parted {
		return false, err
	}
	l, err := s.weigh(ctx, tx, a, b)
	if err != nil || l.Bits < s.Weights.Limits.Link {
		return false, err
	}
	l.Same, l.Basis, l.Reason = true, ByModel, reason
	return true, s.decide(ctx, tx, actor, l)
}
