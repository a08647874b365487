// Package ledger is the register of referrals (转诊台账): one line for each
// referral that an institution sent or received in a period, the reasons of
// refusal, and the same as a workbook. Bureaus get counts, never persons.
package ledger

import (
	"context"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/patient"
	"yilian/internal/referral"
)

// ExportLimit is how many lines one workbook holds at most.
const ExportLimit = 20_000

// The stages by which lines are chosen beside the state of a case.
const (
	Accepted = "accepted"
	Arrived  = "arrived"
	Reported = "reported"
	Closed   = "closed"
	Open     = "open"
	Refused  = "refused" // was declined at some time by any institution
)

// Stages returns the stages with their titles.
func Stages() []referral.Code {
	return []referral.Code{{Code: Open, Title: "未办结"}, {Code: Accepted, Title: "已受理"}, {Code: Arrived, Title: "已到诊"},
		{Code: Reported, Title: "已回转"}, {Code: Closed, Title: "已结案"}, {Code: Refused, Title: "曾被退回"}}
}

// Scope says which lines are meant. From and To are business dates of sending,
// both inclusive; empty fields do not narrow.
type Scope struct {
	Side      flow.Side // as sender or receiver; Nobody: either
	From, To  calendar.Date
	Direction referral.Direction
	State     string
	Urgency   string
	Stage     string
	Reason    string // code of a refusal
	Other     string // the institution on the other side
	Text      string // beginning of the number, or part of the name
	Limit     int    // 0: 50
	Offset    int
}

// Line is one referral of the ledger. Persons are masked.
type Line struct {
	ID, Number   string
	SubmittedAt  time.Time
	Direction    referral.Direction
	Person       string // masked name, sex, age
	From, To     string
	Department   string
	Diagnosis    string // "" where the patient bears a sensitive label and the reader gives no care
	Hidden       bool   // Diagnosis was withheld
	Urgency      string
	State        string
	AcceptedAt   time.Time
	ArrivedAt    time.Time
	CompletedAt  time.Time
	ClosedAt     time.Time
	Outcome      string // code
	Refusals     int64
	BackEntry    bool // 补录
	ByPhone      bool // 电话代录: the other side answered on the telephone
	WaitedFrom   time.Duration
	WaitedTo     time.Duration
	DecidedUnder string // profile@version
}

// Marks are the labels of a line that was not entered in the ordinary way.
func (l Line) Marks() string {
	var out []string
	if l.BackEntry {
		out = append(out, "补录")
	}
	if l.ByPhone {
		out = append(out, "电话代录")
	}
	return strings.Join(out, "、")
}

// Page is one page of the ledger.
type Page struct {
	Lines []Line
	Total int64
	Now   time.Time
}

// Read returns a page of the ledger of the actor's institution; that it was
// opened is one leaf in the log.
func Read(ctx context.Context, d *db.DB, log *audit.Log, actor access.Actor, s Scope) (Page, error) {
	if err := access.Require(actor, access.ReferralRead, access.Own); err != nil {
		return Page{}, err
	}
	if actor.Org == "" {
		return Page{}, errs.E(errs.Forbidden, "台账按机构查看，您当前的岗位不属于任何机构")
	}
	if s.Limit <= 0 || s.Limit > ExportLimit {
		s.Limit = 50
	}
	var out Page
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		out.Now = tx.Now
		if out.Total, err = db.Count(ctx, tx, `SELECT count(*) FROM referral r JOIN flow_case c ON c.id = r.id WHERE `+where, s.args(actor)...); err != nil {
			return err
		}
		if out.Lines, err = lines(ctx, tx, actor, s); err != nil {
			return err
		}
		return referral.Listed(ctx, tx, log, actor, "转诊台账", len(out.Lines))
	})
	return out, err
}

const where = `r.submitted_at IS NOT NULL
	AND ((c.from_org = $1 AND CAST($2 AS TEXT) <> 'to') OR (c.to_org = $1 AND CAST($2 AS TEXT) <> 'from'))
	AND (CAST($3 AS TEXT) = '' OR r.submitted_on >= $3)
	AND (CAST($4 AS TEXT) = '' OR r.submitted_on <= $4)
	AND (CAST($5 AS TEXT) = '' OR r.direction = $5)
	AND (CAST($6 AS TEXT) = '' OR c.state = $6)
	AND (CAST($7 AS TEXT) = '' OR c.urgency = $7)
	AND (CAST($8 AS TEXT) <> 'accepted' OR r.accepted_at IS NOT NULL)
	AND (CAST($8 AS TEXT) <> 'arrived' OR r.arrived_at IS NOT NULL)
	AND (CAST($8 AS TEXT) <> 'reported' OR r.completed_at IS NOT NULL)
	AND (CAST($8 AS TEXT) <> 'closed' OR c.state = 'closed')
	AND (CAST($8 AS TEXT) <> 'open' OR c.closed_at IS NULL)
	AND (CAST($8 AS TEXT) <> 'refused' OR EXISTS (
		SELECT 1 FROM flow_event v WHERE v.case_id = c.id AND v.action IN ('decline', 'decline_down') AND (CAST($9 AS TEXT) = '' OR v.reason = $9)
			AND (CAST($10 AS TEXT) = '' OR v.org = $10)))
	AND (CAST($10 AS TEXT) = '' OR CAST($8 AS TEXT) = 'refused' OR c.from_org = $10 OR c.to_org = $10)
	AND (CAST($11 AS TEXT) = '' OR c.number LIKE CAST($11 AS TEXT) || '%' OR c.subject LIKE '%' || CAST($11 AS TEXT) || '%')`

func (s Scope) args(actor access.Actor) []any {
	return []any{actor.Org, string(s.Side), string(s.From), string(s.To), string(s.Direction), s.State, s.Urgency, s.Stage, s.Reason, s.Other,
		strings.NewReplacer("%", "", "_", "").Replace(strings.TrimSpace(s.Text))}
}

// lines reads the lines. The times of both sides are summed from the events,
// like those of the case's own page; the present state counts up to now.
func lines(ctx context.Context, tx *db.Tx, actor access.Actor, s Scope) ([]Line, error) {
	sees := access.Allowed(access.Role(actor.Role), access.PatientLabels, access.Care)
	return db.List(ctx, tx, func(scan db.Scan) (l Line, err error) {
		var submitted, accepted, arrived, completed, closed, entered db.Time
		var from, to int64
		var subject, turn string
		var labelled bool
		err = scan(&l.ID, &l.Number, &submitted, &l.Direction, &subject, &l.From, &l.To, &l.Department, &l.Diagnosis, &l.Urgency, &l.State,
			&accepted, &arrived, &completed, &closed, &l.Outcome, &l.BackEntry, &l.ByPhone, &turn, &entered, &l.DecidedUnder,
			&from, &to, &l.Refusals, &labelled)
		l.SubmittedAt, l.AcceptedAt, l.ArrivedAt, l.CompletedAt, l.ClosedAt = submitted.Time, accepted.Time, arrived.Time, completed.Time, closed.Time
		l.Person = maskSubject(subject)
		l.WaitedFrom, l.WaitedTo = time.Duration(from)*time.Millisecond, time.Duration(to)*time.Millisecond
		if l.ClosedAt.IsZero() {
			l.addPresent(flow.Side(turn), tx.Now.Sub(entered.Time))
		}
		if labelled && !sees {
			l.Diagnosis, l.Hidden = "", true
		}
		return l, err
	}, `
		SELECT c.id, c.number, r.submitted_at, r.direction, c.subject, c.from_org_name, c.to_org_name, c.to_dept_name, r.diagnosis_name, c.urgency, c.state,
			r.accepted_at, r.arrived_at, r.completed_at, c.closed_at, c.outcome, c.silent OR r.arrived_how = 'back_entry',
			EXISTS (SELECT 1 FROM flow_event v WHERE v.case_id = c.id AND (v.action_title IN ('电话代录', '来电转诊代录') OR v.action = 'acknowledge_phone')), c.turn, c.entered_at, r.decided_under,
			CAST((SELECT coalesce(sum(v.held_ms), 0) FROM flow_event v WHERE v.case_id = c.id AND v.held_side = 'from') AS BIGINT),
			CAST((SELECT coalesce(sum(v.held_ms), 0) FROM flow_event v WHERE v.case_id = c.id AND v.held_side = 'to') AS BIGINT),
			(SELECT count(*) FROM flow_event v WHERE v.case_id = c.id AND v.action IN ('decline', 'decline_down')),
			EXISTS (SELECT 1 FROM patient_label p WHERE p.patient_id IN (SELECT r.patient UNION ALL SELECT other FROM same_person WHERE patient = r.patient) AND p.voided_at IS NULL)
		FROM referral r JOIN flow_case c ON c.id = r.id WHERE `+where+`
		ORDER BY r.submitted_at, r.id LIMIT $12 OFFSET $13`, append(s.args(actor), s.Limit, s.Offset)...)
}

func (l *Line) addPresent(turn flow.Side, held time.Duration) {
	switch turn {
	case flow.From:
		l.WaitedFrom += held
	case flow.To:
		l.WaitedTo += held
	}
}

// maskSubject masks the name at the head of a subject.
func maskSubject(subject string) string {
	name, rest, _ := strings.Cut(subject, " ")
	return strings.TrimSpace(patient.MaskName(name) + " " + rest)
}
