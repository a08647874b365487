package exchange

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/exchange/hl7"
	fhir "yilian/internal/fhir/json"
	"yilian/internal/fhir/spec"
	"yilian/internal/organization"
	"yilian/internal/patient/index"
	"yilian/internal/record"
)

// What comes in through an identity is noted under these kinds; resources under
// their type.
const (
	messageObject   = "hl7"
	encounterObject = "encounter"
)

// recordVisit records an encounter that came through an identity.
func (s *Service) recordVisit(ctx context.Context, tx *db.Tx, src source, e encounter.Encounter) error {
	e, _, err := s.Encounters.RecordTx(ctx, tx, src.actor(), e)
	if err != nil {
		return err
	}
	return src.through(ctx, tx, encounterObject, e.ID)
}

// rejectWaiting takes what waits of a message out of the queue of the index.
func (s *Service) rejectWaiting(ctx context.Context, tx *db.Tx, actor access.Actor, k Message, reason string) error {
	if !k.Reason.AboutPerson() {
		return nil
	}
	st := index.Stated{Source: k.Org, Object: messageObject, ObjectID: k.ID}
	_, err := s.Index.PlaceTx(ctx, tx, actor, st, index.Place{Decision: index.Rejected, Note: reason})
	return err
}

// Placed carries out a message whose person somebody has decided on in the
// master index; one that was sent back there is not needed any more.
func (s *Service) Placed(ctx context.Context, tx *db.Tx, p index.Placed) error {
	if p.Object.Kind != messageObject {
		return nil
	}
	k, sealed, err := get(ctx, tx, p.Object.ID)
	if err != nil || k.State != Waiting {
		return ignoreMissing(err)
	}
	k.Version++
	if p.Rejected {
		k.State, k.Note, k.SettledAt, k.SettledBy = Dismissed, p.Note, tx.Now, "患者主索引"
		return update(ctx, tx, k)
	}
	raw, err := s.Keys.Open(sealed, "exchange/"+k.ID)
	if err != nil {
		return err
	}
	org, err := organization.Get(ctx, tx, k.Org)
	if err != nil {
		return err
	}
	m, perr := hl7.Parse([]byte(raw))
	src := source{peer: Peer{Name: k.Peer, Org: k.Org, OrgName: org.Name}, ref: k.ID, by: "患者主索引", assigned: p.Patient, placed: true, ident: &p.Identity}
	code, problems := k.AnswerCode, k.Problems
	if err := s.place(ctx, tx, &k, src, m, perr); err != nil {
		return err
	}
	k.Assigned, k.AnswerCode, k.Problems = p.Patient, code, problems
	k.Tries++
	return update(ctx, tx, k)
}

func ignoreMissing(err error) error {
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// Moved takes what came through an identity to the person whose it is: visits
// as a corrected fact, documents and results off the wrong chart, whose readers
// are told.
func (s *Service) Moved(ctx context.Context, tx *db.Tx, m index.Moved) error {
	actor := audit.Program("患者主索引")
	for _, o := range m.Objects {
		var err error
		switch {
		case o.Kind == encounterObject:
			_, err = s.Encounters.MoveTx(ctx, tx, actor, o.ID, m.To, m.Reason)
		case o.Kind == messageObject:
			_, err = tx.Exec(ctx, `UPDATE exchange_message SET patient = $2 WHERE id = $1 AND patient IS NOT NULL`, o.ID, m.To)
		case spec.IsResource(o.Kind):
			err = s.withdraw(ctx, tx, actor, record.Key{Type: o.Kind, ID: o.ID}, m)
		}
		if err != nil {
			return fmt.Errorf("move %s %s: %w", o.Kind, o.ID, err)
		}
	}
	return nil
}

// withdraw has the master index tell who has read a resource on the wrong
// chart; Withdrawn then takes it there.
func (s *Service) withdraw(ctx context.Context, tx *db.Tx, actor access.Actor, key record.Key, m index.Moved) error {
	first, err := s.Record.VRead(ctx, tx, key, 1)
	if err != nil {
		return ignoreMissing(err)
	}
	_, err = s.Index.WithdrawTx(ctx, tx, actor, index.Withdrawal{Object: index.Object{Kind: key.Type, ID: key.ID}, Title: titleOf(key.Type, first.At),
		Patient: m.From, To: m.To, AttachedAt: first.At, Reason: m.Reason})
	return err
}

// titleOf says what a resource is, without clinical content.
func titleOf(kind string, at time.Time) string {
	word := map[string]string{"DiagnosticReport": "检查检验报告", "Observation": "检验结果", "DocumentReference": "文书", "ServiceRequest": "检查申请",
		"Appointment": "预约"}[kind]
	if word == "" {
		word = "资料"
	}
	return word + " " + at.Format("2006-01-02")
}

// Withdrawn takes a resource off the chart it never belonged to: to whose it
// is, or, when nobody knows, out of the record.
func (s *Service) Withdrawn(ctx context.Context, tx *db.Tx, w index.Withdrawal) error {
	if !spec.IsResource(w.Object.Kind) {
		return nil
	}
	key := record.Key{Type: w.Object.Kind, ID: w.Object.ID}
	r, err := s.Record.Read(ctx, tx, key)
	if err != nil || r.Owner != owner {
		return ignoreMissing(err)
	}
	if w.To == "" {
		_, err := s.Record.Withdraw(ctx, tx, key, r.Source)
		return err
	}
	doc, err := fhir.Parse(r.Body)
	if err != nil {
		return err
	}
	defer doc.Release()
	body := r.Body
	if subject := doc.Root().Get("subject").Get("reference"); subject.Exists() {
		body = fhir.Apply(nil, r.Body, fhir.Replace(subject, fhir.Quote("Patient/"+w.To)))
	}
	_, _, err = s.Record.Update(ctx, tx, record.Draft{Body: body, ID: r.ID, Patient: w.To, Owner: owner, Source: r.Source})
	return err
}
