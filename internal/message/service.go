package message

import (
	"context"
	"fmt"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/jobs"
	"yilian/internal/patient"
)

// Send stores a message in the caller's transaction and has it delivered after
// the commit. A second message with the same key is not sent; the first one's
// id is returned.
func (s *Service) Send(ctx context.Context, tx *db.Tx, o Out) (string, error) {
	if err := o.check(); err != nil {
		return "", err
	}
	id := db.NewID()
	m := Message{ID: id, Patient: o.Patient, To: o.To, ToMasked: patient.MaskPhone(o.To), Text: o.Text, Case: o.Case, State: Queued, CreatedAt: tx.Now}
	sealed, key := "", ""
	if o.To != "" {
		var err error
		if sealed, err = s.keys.Seal(o.To, toContext(id)); err != nil {
			return "", fmt.Errorf("seal contact: %w", err)
		}
		key = s.keys.Index(contactDomain, o.To)
		stopped, err := s.contactStopped(ctx, tx, o.To)
		if err != nil {
			return "", err
		}
		if stopped {
			m.State, m.Reason = Stopped, "该号码连续发送失败，请核对患者的联系电话"
		}
	}
	fresh, err := insertMessage(ctx, tx, m, sealed, key, o.Key)
	if err != nil {
		return "", err
	}
	if !fresh {
		return db.Get(ctx, tx, "消息", db.Value[string], `SELECT id FROM message WHERE dedupe = $1`, o.Key)
	}
	for _, org := range o.Orgs {
		if err := relate(ctx, tx, id, org); err != nil {
			return "", err
		}
	}
	if m.State == Stopped {
		return id, nil
	}
	return id, s.enqueue(ctx, tx, id)
}

const contactDomain = "message.contact"

func toContext(id string) string { return "message.to/" + id }

func (s *Service) enqueue(ctx context.Context, tx *db.Tx, id string) error {
	return s.queue.Enqueue(ctx, tx, jobs.Job{
		// One more than the tries of a message, so that the last failure is
		// recorded here and does not become a dead letter.
		Kind: deliverKind, Args: deliverArgs{ID: id}, Key: id, MaxAttempts: s.opts.Attempts + 1,
	})
}

// deliver is the job: read, hand to the channel, record. It returns an error
// only when it should be tried again.
func (s *Service) deliver(ctx context.Context, args deliverArgs) error {
	var r row
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		r, err = byID(ctx, tx, args.ID)
		return err
	})
	if err != nil {
		return err
	}
	if r.State != Queued {
		return nil
	}
	if r.sealed != "" {
		if r.To, err = s.keys.Open(r.sealed, toContext(r.ID)); err != nil {
			return fmt.Errorf("open contact: %w", err)
		}
	}
	failure := s.channel.Deliver(ctx, r.Message)
	if failure != nil && ctx.Err() != nil {
		return failure // the claim is lost or the program stops: no verdict on the message
	}
	again := false
	err = s.db.Tx(ctx, func(tx *db.Tx) error {
		if failure == nil {
			return s.delivered(ctx, tx, r)
		}
		var err error
		again, err = s.failed(ctx, tx, r, failure)
		return err
	})
	if err == nil && again {
		return fmt.Errorf("deliver message: %w", failure)
	}
	return err
}

func (s *Service) delivered(ctx context.Context, tx *db.Tx, r row) error {
	_, err := tx.Exec(ctx, `
		UPDATE message SET state = 'delivered', channel = $3, delivered_at = $4, attempts = attempts + 1, reason = ''
		WHERE id = $1 AND state = 'queued' AND round = $2`, r.ID, r.round, s.channel.Name(), db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("record delivery: %w", err)
	}
	tx.Touch("message", r.ID)
	if _, err := tx.Exec(ctx, `DELETE FROM message_contact WHERE contact_key = $1`, r.contactKey); err != nil {
		return fmt.Errorf("clear contact: %w", err)
	}
	return nil
}

// failed records one failure and reports whether to try again.
func (s *Service) failed(ctx context.Context, tx *db.Tx, r row, failure error) (again bool, err error) {
	reason := "发送通道暂时不可用"
	if errs.Is(failure, errs.Invalid) {
		reason = failure.Error()
	}
	final := errs.Is(failure, errs.Invalid) || r.Attempts+1 >= s.opts.Attempts
	state := Queued
	if final {
		state = Failed
	}
	n, err := tx.Exec(ctx, `
		UPDATE message SET state = $3, reason = $4, attempts = attempts + 1
		WHERE id = $1 AND state = 'queued' AND round = $2`, r.ID, r.round, string(state), reason)
	if err != nil {
		return false, fmt.Errorf("record failure: %w", err)
	}
	tx.Touch("message", r.ID)
	if n == 0 || !final {
		return n > 0, nil
	}
	if r.contactKey == "" {
		return false, nil
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO message_contact (contact_key, failures, stopped_at) VALUES ($1, 1, CASE WHEN CAST($2 AS BIGINT) <= 1 THEN CAST($3 AS BIGINT) END)
		ON CONFLICT (contact_key) DO UPDATE SET failures = message_contact.failures + 1,
			stopped_at = CASE WHEN message_contact.failures + 1 >= CAST($2 AS BIGINT) THEN CAST($3 AS BIGINT) END`,
		r.contactKey, s.opts.BadContact, tx.Now.UnixMilli())
	if err != nil {
		return false, fmt.Errorf("count contact failure: %w", err)
	}
	return false, nil
}

func (s *Service) contactStopped(ctx context.Context, tx *db.Tx, contact string) (bool, error) {
	query, args := db.Expand(`SELECT count(*) FROM message_contact WHERE stopped_at IS NOT NULL AND contact_key IN ($list)`,
		nil, s.keys.Indexes(contactDomain, contact))
	n, err := db.Count(ctx, tx, query, args...)
	return n > 0, err
}

// Resend sends a failed or stopped message again and lifts the stop of its
// contact, after somebody has checked the number.
func (s *Service) Resend(ctx context.Context, actor access.Actor, id string) error {
	return s.db.Tx(ctx, func(tx *db.Tx) error {
		r, err := byID(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := mayResend(ctx, tx, actor, id); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `
			UPDATE message SET state = 'queued', reason = '', attempts = 0, round = round + 1
			WHERE id = $1 AND state IN ('failed', 'stopped')`, id)
		if err != nil {
			return fmt.Errorf("requeue message: %w", err)
		}
		tx.Touch("message", id)
		if n == 0 {
			return errs.E(errs.Conflict, "这条消息现在是“%s”，不用重新发送", r.State.Title())
		}
		if _, err := tx.Exec(ctx, `DELETE FROM message_contact WHERE contact_key = $1`, r.contactKey); err != nil {
			return fmt.Errorf("clear contact: %w", err)
		}
		if err := s.enqueue(ctx, tx, id); err != nil {
			return err
		}
		return s.log.Append(ctx, tx, audit.Leaf{
			Actor: actor, Action: "message.resend", Object: "message", ObjectID: id, Patient: r.Patient, Outcome: audit.OK,
		})
	})
}

func mayResend(ctx context.Context, tx *db.Tx, actor access.Actor, id string) error {
	n, err := db.Count(ctx, tx, `SELECT count(*) FROM message_org WHERE message = $1 AND org = $2`, id, actor.Org)
	if err != nil {
		return err
	}
	rel := access.Region // neither side of the case: nobody holds the right so
	if n > 0 && actor.Org != "" {
		rel = access.Own
	}
	return access.Require(actor, access.MessageRead, rel)
}

// List returns messages, newest first, and whether there are more: for staff
// those of their institution's cases, for residents their own.
func (s *Service) List(ctx context.Context, actor access.Actor, f Filter) (list []Message, more bool, err error) {
	if f.Limit <= 0 || f.Limit > 200 {
		f.Limit = 50
	}
	org := actor.Org
	if access.Role(actor.Role) == access.Resident {
		if err := access.Require(actor, access.MessageRead, access.Self); err != nil || actor.Patient == "" {
			return nil, false, err
		}
		f.Patient, org = actor.Patient, ""
	} else if err := access.Require(actor, access.MessageRead, access.Own); err != nil {
		return nil, false, err
	}
	err = s.db.View(ctx, func(tx *db.Tx) error {
		if list, err = listMessages(ctx, tx, org, f); err != nil {
			return err
		}
		return nameThem(ctx, tx, list)
	})
	if more = len(list) > f.Limit; more {
		list = list[:f.Limit]
	}
	return list, more, err
}

// nameThem fills in the patients' names.
func nameThem(ctx context.Context, tx *db.Tx, list []Message) error {
	ids := make([]string, len(list))
	for i, m := range list {
		ids[i] = m.Patient
	}
	known, err := patient.Briefs(ctx, tx, ids)
	for i := range list {
		list[i].PatientName = known[list[i].Patient].Name
	}
	return err
}

// OfCase returns the messages of a case, oldest first, for its timeline. The
// caller has decided that the actor may open the case.
func OfCase(ctx context.Context, tx *db.Tx, ref string) ([]Message, error) {
	return db.List(ctx, tx, readMessage, `
		SELECT id, patient, to_masked, body, case_ref, channel, state, reason, attempts, created_at, delivered_at
		FROM message WHERE case_ref = $1 ORDER BY created_at, id LIMIT 200`, ref)
}
