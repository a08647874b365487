package encounter

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/policy"
)

// Service holds the use cases of encounters. Who may record is decided by the
// caller, who knows the door a fact came through (message, file, page).
type Service struct {
	DB    *db.DB
	Book  *policy.Book
	Audit *audit.Log
}

// Outcome says what recording did.
type Outcome string

// What recording may do: the same facts again change nothing.
const (
	Inserted  Outcome = "inserted"
	Unchanged Outcome = "unchanged"
	Corrected Outcome = "corrected"
)

// Record stores an encounter; see RecordTx.
func (s *Service) Record(ctx context.Context, actor access.Actor, e Encounter) (Encounter, Outcome, error) {
	var out Encounter
	var what Outcome
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		out, what, err = s.RecordTx(ctx, tx, actor, e)
		return err
	})
	return out, what, err
}

// RecordTx stores an encounter under the key of its source. The same facts
// again change nothing; other facts become the next version, and the version
// before stays. The institution gets a relation of care in the same transaction.
func (s *Service) RecordTx(ctx context.Context, tx *db.Tx, actor access.Actor, e Encounter) (Encounter, Outcome, error) {
	e, err := e.check(tx.Now)
	if err != nil {
		return e, "", err
	}
	old, found, err := BySource(ctx, tx, e.Source.System, e.Source.Key)
	if err != nil {
		return e, "", err
	}
	outcome, action := Inserted, "encounter.record"
	e.ID, e.Version = db.NewID(), 1
	if found {
		if same(old, e) {
			return old, Unchanged, nil
		}
		e.ID, e.Version = old.ID, old.Version+1
		outcome, action = Corrected, "encounter.correct"
		if err := replace(ctx, tx, old); err != nil {
			return e, "", err
		}
	}
	e.RecordedAt, e.RecordedBy = tx.Now, signature(actor)
	if err := insert(ctx, tx, []Encounter{e}); err != nil {
		return e, "", err
	}
	if found && old.Patient != e.Patient {
		if err := access.Unrelate(ctx, tx, access.BasisEncounter, e.ID); err != nil {
			return e, "", err
		}
	}
	if err := s.relate(ctx, tx, map[string]int{}, e); err != nil {
		return e, "", err
	}
	return e, outcome, s.leaf(ctx, tx, actor, action, e, e.Class.Title()+"，来源："+e.Source.Ref)
}

// Load stores many encounters at once that are known to be new, with one leaf:
// for loads whose maker has checked them. A key that exists is a Conflict and
// nothing is stored.
func (s *Service) Load(ctx context.Context, actor access.Actor, list []Encounter) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		days := map[string]int{}
		rows := make([]Encounter, len(list))
		for i, e := range list {
			e, err := e.check(tx.Now)
			if err != nil {
				return fmt.Errorf("encounter %d of %d: %w", i+1, len(list), err)
			}
			e.ID, e.Version, e.RecordedAt, e.RecordedBy = db.NewID(), 1, tx.Now, signature(actor)
			rows[i] = e
			if err := s.relate(ctx, tx, days, e); err != nil {
				return err
			}
		}
		if err := insert(ctx, tx, rows); err != nil {
			return err
		}
		return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "encounter.load", Object: "encounter",
			Outcome: audit.OK, Detail: fmt.Sprintf("批量登记就诊 %d 条", len(list))})
	})
}

// relate gives the institution its relation of care: from the start, and some
// time beyond the end (policy encounter.access.after). One that is over by now
// is not written. days remembers the policy by institution.
func (s *Service) relate(ctx context.Context, tx *db.Tx, days map[string]int, e Encounter) error {
	if e.Patient == "" || e.Org == "" {
		return nil
	}
	var to time.Time
	if e.Class != Inpatient || !e.End.IsZero() {
		n, err := s.accessDays(ctx, tx, days, e.Org)
		if err != nil {
			return err
		}
		end := e.Start
		if !e.End.IsZero() {
			end = e.End
		}
		if to = calendar.EndOf(calendar.DateOf(end).AddDays(n)); to.Before(tx.Now) {
			return access.Unrelate(ctx, tx, access.BasisEncounter, e.ID)
		}
	}
	return access.Relate(ctx, tx, access.CareRelation{Patient: e.Patient, Org: e.Org, Basis: access.BasisEncounter,
		Reference: e.ID, From: e.Start, To: to})
}

func (s *Service) accessDays(ctx context.Context, tx *db.Tx, days map[string]int, org string) (int, error) {
	if n, ok := days[org]; ok {
		return n, nil
	}
	chain, err := organization.Chain(ctx, tx, org)
	if err != nil {
		return 0, err
	}
	a, err := s.Book.Resolve("encounter.access.after", policy.Place{Regions: chain}, calendar.DateOf(tx.Now))
	if err != nil {
		return 0, err
	}
	d, err := a.Deadline()
	days[org] = d.N
	return d.N, err
}

// MoveTx gives an encounter to another person, as a version of its own: the
// message named the wrong one, or two entries were one person.
func (s *Service) MoveTx(ctx context.Context, tx *db.Tx, actor access.Actor, id, patient, reason string) (Encounter, error) {
	old, err := Get(ctx, tx, id)
	if err != nil || old.Patient == patient {
		return old, err
	}
	if !old.VoidedAt.IsZero() {
		return old, voided(old)
	}
	if strings.TrimSpace(reason) == "" {
		return old, errs.E(errs.Invalid, "请填写改动就诊归属的原因")
	}
	e := old
	e.Patient, e.Version, e.ChangeReason = patient, old.Version+1, strings.TrimSpace(reason)
	e.RecordedAt, e.RecordedBy = tx.Now, signature(actor)
	if err := replace(ctx, tx, old); err != nil {
		return e, err
	}
	if err := insert(ctx, tx, []Encounter{e}); err != nil {
		return e, err
	}
	if err := access.Unrelate(ctx, tx, access.BasisEncounter, id); err != nil {
		return e, err
	}
	if err := s.relate(ctx, tx, map[string]int{}, e); err != nil {
		return e, err
	}
	return e, s.leaf(ctx, tx, actor, "encounter.move", e, e.ChangeReason)
}

// VoidTx marks an encounter as never having been: who, when, why. Its key may
// be recorded again.
func (s *Service) VoidTx(ctx context.Context, tx *db.Tx, actor access.Actor, id, reason string) error {
	e, err := Get(ctx, tx, id)
	if err != nil {
		return err
	}
	if !e.VoidedAt.IsZero() {
		return voided(e)
	}
	if reason = strings.TrimSpace(reason); reason == "" {
		return errs.E(errs.Invalid, "请填写作废就诊记录的原因")
	}
	if _, err := tx.Exec(ctx, `
		UPDATE encounter SET voided_at = $2, voided_by = $3, void_reason = $4 WHERE id = $1 AND current AND voided_at IS NULL`,
		id, db.At(tx.Now), signature(actor), reason); err != nil {
		return fmt.Errorf("void encounter: %w", err)
	}
	tx.Touch("encounter", id)
	if err := access.Unrelate(ctx, tx, access.BasisEncounter, id); err != nil {
		return err
	}
	return s.leaf(ctx, tx, actor, "encounter.void", e, reason)
}

func voided(e Encounter) error {
	return errs.E(errs.Conflict, "这条就诊记录已由%s作废：%s", e.VoidedBy, e.VoidReason)
}

func (s *Service) leaf(ctx context.Context, tx *db.Tx, actor access.Actor, action string, e Encounter, detail string) error {
	return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "encounter", ObjectID: e.ID,
		Patient: e.Patient, Outcome: audit.OK, Detail: detail})
}

func signature(a access.Actor) string {
	if a.Name == "" {
		return "系统"
	}
	return a.OrgName + a.Name
}
