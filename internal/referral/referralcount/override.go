package referralcount

import (
	"context"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/firstvisit"
	"yilian/internal/policy"
	"yilian/internal/referral"
)

// Overrides is the report of listed diseases that were referred all the same
// (SMX-4.4.3b).
type Overrides struct {
	Lists   []firstvisit.List // in force where the actor reads; none: no reason is asked for
	Doctors []Overrider       // the most frequent first
	Reasons []Overridden
	Cases   []OverrideCase
	Total   int64 // of the doctors; the cases may be narrower
	Asked   int64 // referrals of the period that were not sent down
	Found   int64 // cases in all
}

// Overrider is a doctor: how many of his referrals passed a list by.
type Overrider struct {
	Org, OrgName, Doctor, DoctorName string
	N, Asked                         int64
}

// Overridden is how often a reason was given.
type Overridden struct {
	Code, Title string
	N           int64
}

// OverrideCase is a referral behind a figure. It names no person and no
// diagnosis.
type OverrideCase struct {
	ID, Number                      string
	SubmittedOn                     calendar.Date
	OrgName, Doctor, To             string
	Level                           firstvisit.Level
	Clause, ReasonTitle, StateTitle string
	Mine                            bool // the actor's institution takes part and he may open cases
}

// OverrideQuery says whose referrals are shown, and which of them as cases.
type OverrideQuery struct {
	Scope
	From, Doctor, Reason  string // institution, doctor and reason of the cases; "" all
	Place                 policy.Place
	PageLimit, PageOffset int
}

// ReadOverrides counts the referrals that were sent past a first-visit list.
func ReadOverrides(ctx context.Context, d *db.DB, book *policy.Book, actor access.Actor, q OverrideQuery) (out Overrides, err error) {
	if err := Narrow(actor, &q.Scope); err != nil {
		return out, err
	}
	for _, l := range firstvisit.Levels() {
		list, ok, err := firstvisit.InForce(book, l, q.Place, calendar.DateOf(d.Now()))
		if err != nil {
			return out, err
		}
		if ok {
			out.Lists = append(out.Lists, list)
		}
	}
	err = d.View(ctx, func(tx *db.Tx) (err error) {
		if err = overriders(ctx, tx, q, &out); err != nil {
			return err
		}
		if out.Reasons, err = overridden(ctx, tx, q); err != nil {
			return err
		}
		if out.Cases, err = overrideCases(ctx, tx, q, access.May(actor, access.ReferralRead, access.Own)); err != nil {
			return err
		}
		out.Found, err = db.Count(ctx, tx, `SELECT count(*) FROM (`+scoped+`) s JOIN first_visit_override o ON o.referral = s.id AND o.voided_at IS NULL
			WHERE `+overridePicked, q.args()...)
		return err
	})
	return out, err
}

func overriders(ctx context.Context, tx *db.Tx, q OverrideQuery, out *Overrides) error {
	list, err := db.List(ctx, tx, func(scan db.Scan) (o Overrider, err error) {
		return o, scan(&o.Org, &o.OrgName, &o.Doctor, &o.DoctorName, &o.Asked, &o.N)
	}, `
		SELECT c.from_org, max(c.from_org_name), c.from_person, max(c.from_person_name), count(*), count(o.id)
		FROM (`+scoped+`) s JOIN flow_case c ON c.id = s.id
		LEFT JOIN first_visit_override o ON o.referral = s.id AND o.voided_at IS NULL
		WHERE s.direction <> 'down'
		GROUP BY c.from_org, c.from_person ORDER BY 6 DESC, 2, 4, 3`, q.Scope.args()...)
	for _, o := range list {
		out.Asked += o.Asked
		if o.N > 0 {
			out.Total += o.N
			out.Doctors = append(out.Doctors, o)
		}
	}
	return err
}

func overridden(ctx context.Context, tx *db.Tx, q OverrideQuery) ([]Overridden, error) {
	return db.List(ctx, tx, func(scan db.Scan) (o Overridden, err error) { return o, scan(&o.Code, &o.Title, &o.N) }, `
		SELECT o.reason, max(o.reason_title), count(*)
		FROM (`+scoped+`) s JOIN first_visit_override o ON o.referral = s.id AND o.voided_at IS NULL
		GROUP BY o.reason ORDER BY 3 DESC, 1`, q.Scope.args()...)
}

// overridePicked narrows to the cases of a figure. Parameters 6 to 8 are those
// of OverrideQuery.args.
const overridePicked = `(CAST($6 AS TEXT) = '' OR o.org = $6) AND (CAST($7 AS TEXT) = '' OR o.doctor = $7) AND (CAST($8 AS TEXT) = '' OR o.reason = $8)`

func (q OverrideQuery) args() []any { return append(q.Scope.args(), q.From, q.Doctor, q.Reason) }

func overrideCases(ctx context.Context, tx *db.Tx, q OverrideQuery, opens bool) ([]OverrideCase, error) {
	m := referral.Machine()
	return db.List(ctx, tx, func(scan db.Scan) (c OverrideCase, err error) {
		var state, from, to string
		err = scan(&c.ID, &c.Number, &c.SubmittedOn, &c.OrgName, &c.Doctor, &c.To, &c.Level, &c.Clause, &c.ReasonTitle, &state, &from, &to)
		s, _ := m.State(state)
		c.StateTitle, c.Mine = s.Title, opens && q.Org != "" && (q.Org == from || q.Org == to)
		return c, err
	}, `
		SELECT s.id, s.number, s.submitted_on, o.org_name, o.doctor_name, s.to_org_name, o.level, o.clause, o.reason_title, s.state, s.from_org, s.to_org
		FROM (`+scoped+`) s JOIN first_visit_override o ON o.referral = s.id AND o.voided_at IS NULL
		WHERE `+overridePicked+`
		ORDER BY s.submitted_at DESC, s.id LIMIT $9 OFFSET $10`, append(q.args(), q.PageLimit, q.PageOffset)...)
}
