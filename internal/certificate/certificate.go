// Package certificate issues the referral certificate (转诊证明) that a patient
// shows to the insurance: number, validity, kind and place of insurance, and
// the rule by which the stay is settled (LL-4.3.4d). Where a profile has the
// table of the insured place, the estimate of the patient's share stands on it;
// where none has, nothing is said about amounts.
package certificate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/insurance"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/region"
)

const (
	keyValid      = "insurance.certificate.valid"
	keySettlement = "referral.settlement.region"
)

// Service has the use cases of certificates.
type Service struct {
	DB        *db.DB
	Book      *policy.Book
	Calendar  *calendar.Calendar
	Audit     *audit.Log
	Referrals *referral.Service
}

// Certificate is one issued paper.
type Certificate struct {
	ID, Number           string
	Referral, CaseNumber string
	Patient, Subject     string
	Org, OrgName         string // who issued it
	FromOrg, ToOrg       string
	FromName, ToName     string
	Insurance            string // kind of insurance, a code of patient.InsuranceKinds
	Place, PlaceName     string // region of the pool
	IssuedOn, ValidTo    calendar.Date
	Clauses              []string
	Policy               string           // profile@version
	Settlement           string           // the rule in words, "" where no profile has one
	Estimate             *insurance.Share // of the patient's share at the receiving level; nil: no table
	IssuedBy, IssuedName string
	IssuedAt             time.Time
	VoidedAt             time.Time
	VoidedName           string
	VoidReason           string
	State                string // of the referral now
}

// Stands reports whether a referral still goes on, so that its certificate means
// something.
func (c Certificate) Stands() bool { return stands(c.State) }

func stands(state string) bool {
	switch state {
	case referral.StateWithdrawn, referral.StateCancelled, referral.StateDiscarded, referral.StateDeclined:
		return false
	}
	return true
}

// Status is what a certificate is worth on a day, in Chinese.
func (c Certificate) Status(on calendar.Date) string {
	switch {
	case !c.VoidedAt.IsZero():
		return "已作废"
	case !c.Stands():
		return "转诊已取消，待作废"
	case c.ValidTo.Before(on):
		return "已过期"
	}
	return "有效"
}

// InsuranceTitle is the kind of insurance in Chinese.
func (c Certificate) InsuranceTitle() string { return patient.InsuranceTitle(c.Insurance) }

// Issue issues the certificate of an accepted referral. A referral has one
// certificate at a time; asked again, the one that stands is returned. costFen is
// the expected cost of the stay for the estimate; 0: the table's typical one.
func (s *Service) Issue(ctx context.Context, actor access.Actor, caseID string, costFen int64) (Certificate, error) {
	if err := access.Require(actor, access.CertificateIssue, access.Own); err != nil {
		return Certificate{}, err
	}
	if err := checkCost(costFen); err != nil {
		return Certificate{}, err
	}
	full, err := s.Referrals.View(ctx, actor, caseID)
	if err != nil {
		return Certificate{}, err
	}
	var out Certificate
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		old, err := live(ctx, tx, caseID)
		if err != nil {
			return err
		}
		if old != nil {
			out = *old
			return nil
		}
		c, err := flow.Get(ctx, tx, caseID)
		if err != nil {
			return err
		}
		if err := ready(c, full); err != nil {
			return err
		}
		if out, err = s.fill(ctx, tx, actor, c, full.Patient); err != nil {
			return err
		}
		if out.Estimate, err = s.estimate(ctx, tx, actor, c, full.Patient, costFen); err != nil {
			return err
		}
		if err := insert(ctx, tx, out); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "certificate.issue", out, out.Number)
	})
	return out, err
}

// ready refuses a referral that nobody has accepted, or that goes no further,
// and a patient without insurance.
func ready(c flow.Case, full referral.Full) error {
	accepted := !full.Record.AcceptedAt.IsZero() || !full.Record.ArrivedAt.IsZero() || c.State == referral.StateTransferring
	switch {
	case !accepted:
		return errs.E(errs.Conflict, "转诊单 %s 还没有被接收，受理后才能开具转诊证明", c.Number)
	case !stands(c.State) || !c.Open() && full.Record.ArrivedAt.IsZero():
		return errs.E(errs.Conflict, "转诊单 %s 已取消或未成行，不能开具转诊证明", c.Number)
	case full.Patient.InsuranceKind == "":
		return errs.E(errs.Conflict, "患者的医保类型还没有登记，请先在患者资料中补全，再开具转诊证明")
	}
	return nil
}

// fill writes the certificate with the rules of the day.
func (s *Service) fill(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, p patient.Patient) (Certificate, error) {
	today := calendar.DateOf(tx.Now)
	out := Certificate{
		ID: db.NewID(), Referral: c.ID, CaseNumber: c.Number, Patient: c.Patient, Subject: c.Subject, Org: actor.Org, OrgName: actor.OrgName,
		FromOrg: c.From.Org, ToOrg: c.To.Org, FromName: c.From.OrgName, ToName: c.To.OrgName, Insurance: p.InsuranceKind, Place: p.InsurancePlace,
		IssuedOn: today, IssuedBy: actor.Account, IssuedName: actor.Name, IssuedAt: tx.Now, State: c.State,
	}
	valid, err := s.Book.Resolve(keyValid, c.Place, today)
	if err != nil {
		return out, err
	}
	d, err := valid.Deadline()
	if err != nil {
		return out, err
	}
	due, _ := d.Due(s.Calendar, tx.Now)
	out.ValidTo, out.Clauses, out.Policy = calendar.DateOf(due), []string{valid.Clause}, valid.Profile+"@"+valid.Version
	settlement, err := s.Book.Resolve(keySettlement, c.Place, today)
	switch {
	case err == nil:
		out.Settlement, out.Clauses = settlement.ClauseSummary, append([]string{settlement.Clause}, out.Clauses...)
	case !errs.Is(err, errs.NotFound):
		return out, err
	}
	if p.InsurancePlace != "" {
		place, err := region.Get(ctx, tx, p.InsurancePlace)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return out, err
		}
		out.PlaceName = place.Name
	}
	out.Number, err = nextNumber(ctx, tx, today)
	return out, err
}

// estimate is the patient's share at the level of the receiving institution, nil
// where no profile has the table.
func (s *Service) estimate(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, p patient.Patient, costFen int64) (*insurance.Share, error) {
	at, err := s.insured(ctx, tx, actor, p)
	if err != nil {
		return nil, err
	}
	to, err := organization.Get(ctx, tx, c.To.Org)
	if err != nil {
		return nil, err
	}
	share, err := insurance.Estimate(s.Book, at, calendar.DateOf(tx.Now), p.InsuranceKind, insurance.LevelOf(referral.Tier(to.Kind)), costFen)
	if errors.Is(err, insurance.ErrNoTable) {
		return nil, nil //nolint:nilnil // nil is the answer: nothing can be estimated
	}
	return &share, err
}

// insured is whose table holds: that of the insured place (统筹地区); where it is
// not registered, that of the actor's institution.
func (s *Service) insured(ctx context.Context, tx *db.Tx, actor access.Actor, p patient.Patient) (policy.Place, error) {
	if regions := insurance.Regions(p.InsurancePlace); regions != nil {
		return policy.Place{Regions: regions}, nil
	}
	return s.Referrals.PlaceOf(ctx, tx, actor)
}

// Void takes a certificate back, with a reason; the row stays.
func (s *Service) Void(ctx context.Context, actor access.Actor, id, reason string) (Certificate, error) {
	if err := access.Require(actor, access.CertificateIssue, access.Own); err != nil {
		return Certificate{}, err
	}
	var out Certificate
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		if out, err = get(ctx, tx, id); err != nil {
			return err
		}
		if out.Org != actor.Org {
			return errs.E(errs.Forbidden, "转诊证明 %s 由%s开具，只能由该机构作废", out.Number, out.OrgName)
		}
		var f errs.Form
		f.Require("comment", reason, "作废的原因")
		if err := f.Err(); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE certificate SET voided_at = $2, voided_name = $3, void_reason = $4 WHERE id = $1 AND voided_at IS NULL`,
			id, db.At(tx.Now), actor.Name, strings.TrimSpace(reason))
		if err != nil {
			return fmt.Errorf("void certificate: %w", err)
		}
		if n == 0 {
			return errs.E(errs.Conflict, "转诊证明 %s 已经作废", out.Number)
		}
		out.VoidedAt, out.VoidedName, out.VoidReason = tx.Now, actor.Name, strings.TrimSpace(reason)
		return s.leaf(ctx, tx, actor, "certificate.void", out, out.Number)
	})
	return out, err
}

// Print returns a certificate for paper and logs it. Both institutions of the
// referral may print.
func (s *Service) Print(ctx context.Context, actor access.Actor, id string) (Certificate, time.Time, error) {
	var out Certificate
	var now time.Time
	if err := access.Require(actor, access.ReferralRead, access.Own); err != nil {
		return out, now, err
	}
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		now = tx.Now
		if out, err = get(ctx, tx, id); err != nil {
			return err
		}
		if actor.Org != out.Org && actor.Org != out.FromOrg && actor.Org != out.ToOrg {
			return errs.E(errs.NotFound, "没有找到这张转诊证明")
		}
		if _, err := s.Referrals.Access.Patient(ctx, tx, actor, out.Patient, access.Print); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "certificate.print", out, out.Number)
	})
	return out, now, err
}

func (s *Service) leaf(ctx context.Context, tx *db.Tx, actor access.Actor, action string, c Certificate, detail string) error {
	return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "certificate", ObjectID: c.ID, Patient: c.Patient, Outcome: audit.OK, Detail: detail})
}

// Query chooses certificates of the register. Empty fields do not narrow.
type Query struct {
	From, To calendar.Date // of issue
	Text     string        // beginning of a number, or part of the name
	Offset   int
}

const pageSize = 50

// Register returns the certificates of the actor's institution, issued by it or
// for patients sent to it, newest first, and whether there are more.
func (s *Service) Register(ctx context.Context, actor access.Actor, q Query) (list []Certificate, more bool, err error) {
	if err := access.Require(actor, access.CertificateIssue, access.Own); err != nil {
		return nil, false, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		list, err = search(ctx, tx, actor.Org, q)
		return err
	})
	if more = len(list) > pageSize; more {
		list = list[:pageSize]
	}
	return list, more, err
}
