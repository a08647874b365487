// Package access decides who may do what with whose data, and records every
// decision in the same call. A patient belongs to no institution: reading
// across institutions needs a relation of care that the program itself can
// see, consent, or break-glass with a reason (docs/design.md, section 3).
package access

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// Actor is who acts; see audit.Actor.
type Actor = audit.Actor

type actorKey struct{}

// WithActor puts the signed-in actor into the context of a request. Only the
// web edge reads it back; use cases take the actor as an argument.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns the signed-in actor of a request.
func ActorFrom(ctx context.Context) (Actor, bool) {
	a, ok := ctx.Value(actorKey{}).(Actor)
	return a, ok
}

// ActorOf is the signed-in actor of a request; without one the zero Actor, who
// has no right to anything.
func ActorOf(ctx context.Context) Actor {
	a, _ := ActorFrom(ctx)
	return a
}

// Basis is why an institution or a person may see a patient's data.
type Basis string

const (
	BasisSelf          Basis = "self"
	BasisGuardian      Basis = "guardian"
	BasisRegistration  Basis = "registration"  // the institution entered the person
	BasisContract      Basis = "contract"      // family-doctor contract
	BasisReferral      Basis = "referral"      // from creation of the case
	BasisEncounter     Basis = "encounter"     // a visit or stay
	BasisOrder         Basis = "order"         // an exam or consultation ordered
	BasisAuthorization Basis = "authorization" // the patient's own consent, revocable
	BasisBreak         Basis = "break"         // break-glass, with a reason, for a short time
	BasisProgram       Basis = "program"       // the program itself
)

var basisTitles = map[Basis]string{
	BasisSelf: "本人", BasisGuardian: "监护人", BasisRegistration: "建档机构", BasisContract: "家庭医生签约",
	BasisReferral: "转诊", BasisEncounter: "就诊", BasisOrder: "检查或会诊", BasisAuthorization: "本人授权",
	BasisBreak: "紧急调阅", BasisProgram: "系统",
}

// Title is the basis in Chinese.
func (b Basis) Title() string { return basisTitles[b] }

// Purpose is what a reader wants the data for; it is kept in the audit leaf.
type Purpose string

const (
	Treat    Purpose = "treat"
	Refer    Purpose = "refer"
	Consult  Purpose = "consult" // asking or answering before a referral
	Register Purpose = "register"
	FollowUp Purpose = "follow_up"
	SignUp   Purpose = "contract"
	Print    Purpose = "print"
	Reveal   Purpose = "reveal"
	Look     Purpose = "look" // opening the page
)

// Title is the purpose in words, for the audit pages.
func (p Purpose) Title() string {
	return map[Purpose]string{
		Treat: "诊疗", Refer: "转诊", Consult: "转诊前咨询", Register: "建档", FollowUp: "随访", SignUp: "签约",
		Print: "打印", Reveal: "查看证件和电话", Look: "打开档案",
	}[p]
}

// Grant is a positive decision.
type Grant struct {
	Basis     Basis
	Reference string // id of the contract, referral … that it rests on
	Direct    bool   // direct care: sees what is hidden by default
	Opened    bool   // has opened that with a reason, and the time is not over
}

// CareRelation says that an institution has to do with a patient for a time.
// Modules write their own in the transaction that makes it true.
type CareRelation struct {
	Patient, Org string
	Basis        Basis
	Reference    string    // id of the thing it rests on, unique with the rest
	From, To     time.Time // To zero: open
}

// Relate records a relation of care; recording it again changes its end.
func Relate(ctx context.Context, tx *db.Tx, r CareRelation) error {
	if r.From.IsZero() {
		r.From = tx.Now
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO care_relation (patient, org, basis, reference, valid_from, valid_to)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (patient, org, basis, reference) DO UPDATE SET valid_to = excluded.valid_to`,
		r.Patient, r.Org, string(r.Basis), r.Reference, db.At(r.From), db.At(r.To))
	if err != nil {
		return fmt.Errorf("insert care relation: %w", err)
	}
	return nil
}

// Unrelate ends the relations that rest on a reference.
func Unrelate(ctx context.Context, tx *db.Tx, basis Basis, reference string) error {
	_, err := tx.Exec(ctx, `
		UPDATE care_relation SET valid_to = $3
		WHERE basis = $1 AND reference = $2 AND (valid_to IS NULL OR valid_to > $3)`,
		string(basis), reference, db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("end care relation: %w", err)
	}
	return nil
}

// Control decides on patients' data and logs each decision.
type Control struct{ log *audit.Log }

// New returns a Control that records in log.
func New(log *audit.Log) *Control { return &Control{log: log} }

// breakFor is how long a break-glass opening lasts.
const breakFor = 4 * time.Hour

// Patient decides whether the actor may read the patient's data for the
// purpose, and records the decision in the same step. A refusal is Forbidden
// and says what would make it possible.
func (c *Control) Patient(ctx context.Context, tx *db.Tx, actor Actor, patient string, purpose Purpose) (Grant, error) {
	g, ok, err := decide(ctx, tx, actor, patient)
	if err != nil {
		return Grant{}, err
	}
	leaf := audit.Leaf{
		Actor: actor, Action: "patient.read", Object: "patient", ObjectID: patient, Patient: patient,
		Basis: string(g.Basis), Outcome: "ok", Detail: string(purpose),
	}
	if !ok {
		leaf.Outcome = "refused"
		// The caller's transaction will be rolled back by the refusal; the
		// leaf must stay all the same.
		c.log.AfterEnd(ctx, tx, leaf)
		return Grant{}, errs.E(errs.Forbidden, "您所在机构与该患者没有签约、转诊或就诊关系，不能查看其资料。急救需要时可使用“紧急调阅”并填写原因，系统会留痕并通知审计员")
	}
	return g, c.log.Append(ctx, tx, leaf)
}

// grounds are the relations and openings that a decision rests on. It is asked
// for every read, so that other identities of the person come by a join of
// their own: the usual form, IN of a union, builds a table each time.
const grounds = `
	SELECT basis, reference FROM care_relation
	WHERE patient = $1 AND org = $2 AND valid_from <= $3 AND (valid_to IS NULL OR valid_to > $3)
	UNION ALL
	SELECT c.basis, c.reference FROM same_person s CROSS JOIN care_relation c
	WHERE s.patient = $1 AND c.patient = s.other AND c.org = $2 AND c.valid_from <= $3 AND (c.valid_to IS NULL OR c.valid_to > $3)
	UNION ALL
	SELECT 'break', id FROM care_break
	WHERE patient = $1 AND account = $4 AND at <= $3 AND until > $3
	UNION ALL
	SELECT 'break', b.id FROM same_person s CROSS JOIN care_break b
	WHERE s.patient = $1 AND b.patient = s.other AND b.account = $4 AND b.at <= $3 AND b.until > $3`

// decision is what decide has found, for the rest of a transaction: a bundle
// asks about one patient a hundred times. Every use leaves its own leaf.
type decision struct {
	grant Grant
	ok    bool
}

type decisionKey struct{ account, org, role, self, patient string }

// restsOn are the tables that a decision rests on, by a part of their names.
var restsOn = []string{"care_", "same_person"}

func decide(ctx context.Context, tx *db.Tx, actor Actor, patient string) (Grant, bool, error) {
	d, err := db.Memo(tx, restsOn, decisionKey{actor.Account, actor.Org, actor.Role, actor.Patient, patient}, func() (decision, error) {
		g, ok, err := decideNow(ctx, tx, actor, patient)
		return decision{g, ok}, err
	})
	return d.grant, d.ok, err
}

func decideNow(ctx context.Context, tx *db.Tx, actor Actor, patient string) (Grant, bool, error) {
	role := Role(actor.Role)
	if actor.Role == audit.ProgramRole {
		return Grant{Basis: BasisProgram, Direct: true}, true, nil
	}
	if Allowed(role, PatientRead, Self) && role == Resident {
		self, err := IsSame(ctx, tx, actor.Patient, patient)
		if err != nil || self {
			return Grant{Basis: BasisSelf, Reference: patient, Direct: true}, self, err
		}
		n, err := db.Count(ctx, tx, `
			SELECT count(*) FROM care_guardian WHERE patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
			AND guardian IN (SELECT CAST($2 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $2) AND (valid_to IS NULL OR valid_to > $3)`,
			patient, actor.Patient, db.At(tx.Now))
		return Grant{Basis: BasisGuardian, Reference: actor.Patient, Direct: true}, n > 0, err
	}
	if !Allowed(role, PatientRead, Care) {
		return Grant{}, false, nil
	}
	found, err := db.List(ctx, tx, func(scan db.Scan) (g Grant, err error) {
		return g, scan(&g.Basis, &g.Reference)
	}, grounds, patient, actor.Org, db.At(tx.Now), actor.Account)
	if err != nil || len(found) == 0 {
		return Grant{}, false, err
	}
	g := found[0]
	for _, f := range found[1:] { // care says more than a broken glass, and that more than having entered the person
		if f.Basis == BasisRegistration {
			continue
		}
		if g.Basis == BasisBreak || g.Basis == BasisRegistration || f.Basis == BasisContract || f.Basis == BasisReferral {
			g = f
		}
	}
	for _, f := range found {
		g.Direct = g.Direct || direct(role, f.Basis)
	}
	if !g.Direct {
		g.Opened, err = opened(ctx, tx, actor, patient)
	}
	return g, true, err
}

// BreakGlass opens a patient's data to one person for a short time without a
// relation. The reason is mandatory; the privacy officer sees each opening.
func (c *Control) BreakGlass(ctx context.Context, tx *db.Tx, actor Actor, patient, reason string) error {
	if err := Require(actor, PatientBreak, Any); err != nil {
		return err
	}
	reason = strings.TrimSpace(reason)
	if len([]rune(reason)) < 4 {
		var f errs.Form
		f.Add("reason", "请写明紧急调阅的原因（至少 4 个字），例如“急诊昏迷，需了解过敏史”")
		return f.Err()
	}
	id := db.NewID()
	_, err := tx.Exec(ctx, `
		INSERT INTO care_break (id, patient, account, org, reason, at, until) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id, patient, actor.Account, actor.Org, reason, db.At(tx.Now), db.At(tx.Now.Add(breakFor)))
	if err != nil {
		return fmt.Errorf("insert break-glass: %w", err)
	}
	return c.log.Append(ctx, tx, audit.Leaf{
		Actor: actor, Action: "patient.break", Object: "patient", ObjectID: patient, Patient: patient,
		Basis: string(BasisBreak), Outcome: "ok", Detail: reason,
	})
}

// LastBreak is the id of the opening that the actor has made last.
func LastBreak(ctx context.Context, tx *db.Tx, actor Actor, patient string) (string, error) {
	return db.Get(ctx, tx, "这次紧急调阅", db.Value[string], `SELECT id FROM care_break WHERE patient = $1 AND account = $2 ORDER BY at DESC, id DESC LIMIT 1`,
		patient, actor.Account)
}

// Guard records that a guardian answers for a patient, so that he may see and
// sign; to zero means until ended.
func Guard(ctx context.Context, tx *db.Tx, patient, guardian string, to time.Time) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO care_guardian (patient, guardian, valid_to) VALUES ($1, $2, $3)
		ON CONFLICT (patient, guardian) DO UPDATE SET valid_to = excluded.valid_to`,
		patient, guardian, db.At(to))
	if err != nil {
		return fmt.Errorf("insert guardian: %w", err)
	}
	return nil
}

// Wards returns the patients for whom a person answers.
func Wards(ctx context.Context, tx *db.Tx, guardian string) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `
		SELECT patient FROM care_guardian
		WHERE guardian IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1) AND (valid_to IS NULL OR valid_to > $2)
		ORDER BY patient`, guardian, db.At(tx.Now))
}
