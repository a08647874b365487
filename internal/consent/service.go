package consent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/patient"
)

// Record stores a consent or a refusal in the caller's transaction, which has
// decided that the actor may act for the patient. emergency opens the signature
// of the institution's head.
func Record(ctx context.Context, tx *db.Tx, log *audit.Log, actor access.Actor, c Consent, emergency bool) (Consent, error) {
	briefs, err := patient.Briefs(ctx, tx, []string{c.Patient})
	if err != nil {
		return Consent{}, err
	}
	who, ok := briefs[c.Patient]
	if !ok {
		return Consent{}, errs.E(errs.NotFound, "没有找到这位患者，可能链接有误，请重新搜索")
	}
	s := Situation{Birth: who.BirthDate, Name: who.Name, Emergency: emergency, Now: tx.Now}
	c = c.complete(s)
	if err := Check(c, s); err != nil {
		return Consent{}, err
	}
	c.ID, c.RecordedAt, c.RecordedBy = db.NewID(), tx.Now, actor.OrgName+actor.Name
	if err := insert(ctx, tx, c); err != nil {
		return Consent{}, err
	}
	action := "consent.record"
	if c.Refused {
		action = "consent.refuse"
	}
	return c, log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "consent", ObjectID: c.ID, Patient: c.Patient,
		Basis: c.Purpose + " " + c.Reference, Outcome: audit.OK, Detail: c.SignedBy.Title() + "，" + c.Form.Title()})
}

// Refuse stores that the patient declines what was proposed: the paper is the
// 拒绝转诊告知书.
func Refuse(ctx context.Context, tx *db.Tx, log *audit.Log, actor access.Actor, c Consent) (Consent, error) {
	c.Refused = true
	return Record(ctx, tx, log, actor, c, false)
}

// Void takes a mistaken record back, with a reason; the row stays.
func Void(ctx context.Context, tx *db.Tx, log *audit.Log, actor access.Actor, id, reason string) error {
	var f errs.Form
	f.Require("reason", reason, "作废的原因")
	if err := f.Err(); err != nil {
		return err
	}
	c, err := get(ctx, tx, id)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `
		UPDATE consent SET voided_at = $2, voided_by = $3, void_reason = $4 WHERE id = $1 AND voided_at IS NULL`,
		id, db.At(tx.Now), actor.OrgName+actor.Name, strings.TrimSpace(reason))
	if err != nil {
		return fmt.Errorf("void consent: %w", err)
	}
	if n == 0 {
		return errs.E(errs.Conflict, "这份知情同意已经作废，请刷新页面")
	}
	return log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "consent.void", Object: "consent", ObjectID: id, Patient: c.Patient,
		Outcome: audit.OK, Detail: strings.TrimSpace(reason)})
}

// For returns the signatures of a case, voided ones left out, newest first.
func For(ctx context.Context, tx *db.Tx, purpose, reference string) ([]Consent, error) {
	return db.List(ctx, tx, read, `
		SELECT id, patient_id, purpose, reference, form, signed_by, signer, relation, document, witness, choices,
			refused, reason, detail, signed_at, recorded_at, recorded_by, voided_at, void_reason
		FROM consent WHERE purpose = $1 AND reference = $2 AND voided_at IS NULL ORDER BY signed_at DESC, id DESC`, purpose, reference)
}

// Given reports whether the newest signature of a case agrees.
func Given(ctx context.Context, tx *db.Tx, purpose, reference string) (bool, error) {
	all, err := For(ctx, tx, purpose, reference)
	return len(all) > 0 && !all[0].Refused, err
}

func get(ctx context.Context, tx *db.Tx, id string) (Consent, error) {
	return db.Get(ctx, tx, "这份知情同意", read, `
		SELECT id, patient_id, purpose, reference, form, signed_by, signer, relation, document, witness, choices,
			refused, reason, detail, signed_at, recorded_at, recorded_by, voided_at, void_reason
		FROM consent WHERE id = $1`, id)
}

func read(scan db.Scan) (c Consent, err error) {
	var choices string
	var signed, recorded, voided db.Time
	err = scan(&c.ID, &c.Patient, &c.Purpose, &c.Reference, &c.Form, &c.SignedBy, &c.SignerName, &c.Relation, &c.Document,
		&c.Witness, &choices, &c.Refused, &c.Reason, &c.Detail, &signed, &recorded, &c.RecordedBy, &voided, &c.VoidReason)
	c.SignedAt, c.RecordedAt, c.VoidedAt = signed.Time, recorded.Time, voided.Time
	c.Choices = slices.DeleteFunc(strings.Split(choices, "\n"), func(s string) bool { return s == "" })
	return c, err
}

func insert(ctx context.Context, tx *db.Tx, c Consent) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO consent (id, patient_id, purpose, reference, form, signed_by, signer, relation, document, witness, choices,
			refused, reason, detail, signed_at, recorded_at, recorded_by, voided_by, void_reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, '', '')`,
		c.ID, c.Patient, c.Purpose, c.Reference, string(c.Form), string(c.SignedBy), c.SignerName, c.Relation, c.Document,
		c.Witness, strings.Join(c.Choices, "\n"), c.Refused, c.Reason, c.Detail, db.At(c.SignedAt), db.At(c.RecordedAt), c.RecordedBy)
	if err != nil {
		return fmt.Errorf("insert consent: %w", err)
	}
	return nil
}
