package disclosure

import (
	"context"
	"fmt"
	"slices"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
)

// Service holds the use cases: each method is one transaction.
type Service struct {
	DB    *db.DB
	Flow  *flow.Engine
	Audit *audit.Log
}

// Init declares the machine.
func (s *Service) Init() error { return s.Flow.Declare(Machine()) }

// OpenTx begins the review of the opening that the actor has just made, in the
// same transaction: with the privacy officer of his institution, or of one that
// has one.
func (s *Service) OpenTx(ctx context.Context, tx *db.Tx, actor access.Actor, patientID, reason string) (flow.Case, error) {
	object, err := access.LastBreak(ctx, tx, actor, patientID)
	if err != nil {
		return flow.Case{}, err
	}
	org, err := reviewer(ctx, tx, actor.Org)
	if err != nil {
		return flow.Case{}, err
	}
	names, err := organization.FullNames(ctx, tx, []string{org})
	if err != nil {
		return flow.Case{}, err
	}
	c, err := s.Flow.Open(ctx, tx, actor, flow.Opening{Kind: Kind, Patient: patientID, Subject: actor.Name + "（" + actor.OrgName + "）的紧急调阅",
		From: flow.PartyOf(actor), To: flow.Party{Org: org, OrgName: names[org]}, Place: policy.Place{Regions: actor.Regions}})
	if err != nil {
		return c, err
	}
	return c, insert(ctx, tx, Opening{ID: c.ID, Object: object, Patient: patientID, Account: actor.Account, Name: actor.Name, Org: actor.Org, Reason: reason, At: tx.Now})
}

// reviewer is the institution whose privacy officer reviews what staff of an
// institution did: its own where it has one.
func reviewer(ctx context.Context, tx *db.Tx, org string) (string, error) {
	own, err := account.Holders(ctx, tx, org, access.PrivacyOfficer)
	if err != nil || len(own) > 0 {
		return org, err
	}
	others, err := account.Orgs(ctx, tx, access.PrivacyOfficer)
	if err != nil || len(others) == 0 {
		return org, err // nobody yet: it waits at the institution itself, under its clock
	}
	return others[0], nil
}

// Ref names a case as the page showed it.
type Ref struct {
	ID      string
	Version int
	Once    string
}

// Act decides a review.
func (s *Service) Act(ctx context.Context, actor access.Actor, ref Ref, action, reason, comment string) (flow.Case, error) {
	var out flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		c, done, err := flow.Done(ctx, tx, ref.Once)
		if err != nil || done {
			out = c
			return err
		}
		if o, err := get(ctx, tx, ref.ID); err != nil {
			return err
		} else if o.Account == actor.Account {
			return errs.E(errs.Forbidden, "不能复核自己的紧急调阅，请由另一位隐私专员复核")
		}
		out, err = s.Flow.Act(ctx, tx, actor, ref.ID, ref.Version, action, flow.Move{Reason: reason, Comment: comment, Once: ref.Once})
		return err
	})
	return out, err
}

// openFor is how long after an opening the reader's acts are shown with it; an
// opening lasts four hours.
const openFor = 4 * time.Hour

// View decides, logs and reads one review.
func (s *Service) View(ctx context.Context, actor access.Actor, id string) (Review, error) {
	var v Review
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if v.Opening, err = get(ctx, tx, id); err != nil {
			return err
		}
		if v.Case, err = flow.Get(ctx, tx, id); err != nil {
			return err
		}
		if err := visible(actor, v.Case); err != nil {
			return err
		}
		briefs, err := patient.Briefs(ctx, tx, []string{v.Opening.Patient})
		if err != nil {
			return err
		}
		v.Patient = briefs[v.Opening.Patient]
		if v.Seen, err = audit.Search(ctx, tx, audit.Filter{Actor: v.Account, Patient: v.Opening.Patient, From: v.At, To: v.At.Add(openFor), Limit: 100}); err != nil {
			return err
		}
		v.Seen = slices.DeleteFunc(v.Seen, func(l audit.Leaf) bool { return l.Object == Kind }) // the review itself is no act of his
		if v.Timeline, err = s.Flow.Timeline(ctx, tx, id); err != nil {
			return err
		}
		v.Actions = s.Flow.Actions(v.Case, actor)
		return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "disclosure.read", Object: "disclosure", ObjectID: id, Patient: v.Opening.Patient, Outcome: audit.OK})
	})
	return v, err
}

// visible: the privacy officer of the reviewing institution, and the auditor.
func visible(actor access.Actor, c flow.Case) error {
	if access.Role(actor.Role) == access.Auditor {
		return nil
	}
	return access.Require(actor, access.DisclosureReview, access.At(actor, c.To.Org))
}

// List returns the reviews of the actor's institution, open ones first.
func (s *Service) List(ctx context.Context, actor access.Actor) ([]Review, error) {
	org := actor.Org
	if access.Role(actor.Role) == access.Auditor {
		org = ""
	} else if err := access.Require(actor, access.DisclosureReview, access.Own); err != nil {
		return nil, err
	}
	var out []Review
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		list, err := flow.Worklist(ctx, tx, flow.Query{Kind: Kind, Org: org, Side: flow.To, Limit: 200})
		if err != nil {
			return err
		}
		for _, c := range list {
			o, err := get(ctx, tx, c.ID)
			if err != nil {
				return err
			}
			out = append(out, Review{Opening: o, Case: c})
		}
		whose := make([]string, len(out))
		for i := range out {
			whose[i] = out[i].Opening.Patient
		}
		briefs, err := patient.Briefs(ctx, tx, whose)
		for i := range out {
			out[i].Patient = briefs[whose[i]]
		}
		return err
	})
	return out, err
}

func insert(ctx context.Context, tx *db.Tx, o Opening) error {
	_, err := tx.Exec(ctx, `INSERT INTO disclosure (id, object, patient, account, name, org, reason, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		o.ID, o.Object, o.Patient, o.Account, o.Name, o.Org, o.Reason, db.At(o.At))
	if err != nil {
		return fmt.Errorf("insert disclosure: %w", err)
	}
	return nil
}

func get(ctx context.Context, tx *db.Tx, id string) (Opening, error) {
	return db.Get(ctx, tx, "这次紧急调阅", func(scan db.Scan) (o Opening, err error) {
		var at db.Time
		err = scan(&o.ID, &o.Object, &o.Patient, &o.Account, &o.Name, &o.Org, &o.Reason, &at)
		o.At = at.Time
		return o, err
	}, `SELECT id, object, patient, account, name, org, reason, at FROM disclosure WHERE id = $1`, id)
}
