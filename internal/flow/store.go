package flow

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

const caseColumns = `id, kind, number, state, version, patient, subject, urgency, track, silent,
	from_org, from_org_name, from_dept, from_dept_name, from_person, from_person_name,
	to_org, to_org_name, to_dept, to_dept_name, to_person, to_person_name,
	place_regions, place_kind, turn, owner_org, owner_role, owner_dept, owner, owner_name,
	entered_at, due_at, due_key, due_clause, due_rule, due_short, escalation, paused_state, paused_left, paused_days,
	resp_org, resp_org_name, resp_dept, resp_dept_name, resp_person, resp_person_name,
	opened_at, closed_at, outcome, based_on`

func scanCase(scan db.Scan) (c Case, err error) {
	var patient db.Null
	var regions string
	var entered, due, opened, closed db.Time
	var left int64
	err = scan(&c.ID, &c.Kind, &c.Number, &c.State, &c.Version, &patient, &c.Subject, &c.Urgency, &c.Track, &c.Silent,
		&c.From.Org, &c.From.OrgName, &c.From.Department, &c.From.DepartmentName, &c.From.Person, &c.From.PersonName,
		&c.To.Org, &c.To.OrgName, &c.To.Department, &c.To.DepartmentName, &c.To.Person, &c.To.PersonName,
		&regions, &c.Place.Kind, &c.Turn, &c.OwnerOrg, &c.OwnerRole, &c.OwnerDept, &c.Owner, &c.OwnerName,
		&entered, &due, &c.DueKey, &c.DueClause, &c.DueRule, &c.DueShort, &c.Escalation, &c.PausedState, &left, &c.PausedDays,
		&c.Responsible.Org, &c.Responsible.OrgName, &c.Responsible.Department, &c.Responsible.DepartmentName,
		&c.Responsible.Person, &c.Responsible.PersonName,
		&opened, &closed, &c.Outcome, &c.BasedOn)
	c.Patient = string(patient)
	c.Place.Regions = strings.Fields(regions)
	c.EnteredAt, c.DueAt, c.OpenedAt, c.ClosedAt = entered.Time, due.Time, opened.Time, closed.Time
	c.PausedLeft = time.Duration(left) * time.Millisecond
	return c, err
}

func caseValues(c Case) []any {
	return []any{c.ID, c.Kind, c.Number, c.State, c.Version, db.Null(c.Patient), c.Subject, c.Urgency, c.Track, c.Silent,
		c.From.Org, c.From.OrgName, c.From.Department, c.From.DepartmentName, c.From.Person, c.From.PersonName,
		c.To.Org, c.To.OrgName, c.To.Department, c.To.DepartmentName, c.To.Person, c.To.PersonName,
		strings.Join(c.Place.Regions, " "), c.Place.Kind, string(c.Turn), c.OwnerOrg, string(c.OwnerRole), c.OwnerDept, c.Owner, c.OwnerName,
		db.At(c.EnteredAt), db.At(c.DueAt), c.DueKey, c.DueClause, c.DueRule, c.DueShort, c.Escalation, c.PausedState, c.PausedLeft.Milliseconds(), c.PausedDays,
		c.Responsible.Org, c.Responsible.OrgName, c.Responsible.Department, c.Responsible.DepartmentName,
		c.Responsible.Person, c.Responsible.PersonName,
		db.At(c.OpenedAt), db.At(c.ClosedAt), c.Outcome, c.BasedOn}
}

func insertCase(ctx context.Context, tx *db.Tx, c Case) error {
	_, err := tx.Exec(ctx, `INSERT INTO flow_case (`+caseColumns+`) VALUES (
		$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
		$26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50)`,
		caseValues(c)...)
	if err != nil {
		return fmt.Errorf("insert case: %w", err)
	}
	tx.Touch(c.Kind, c.ID)
	return nil
}

// updateCase writes a case whose stored version must still be old.
func updateCase(ctx context.Context, tx *db.Tx, c Case, old int) error {
	n, err := tx.Exec(ctx, `UPDATE flow_case SET (`+caseColumns+`) = (
		$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
		$26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50)
		WHERE id = $1 AND version = $51`,
		append(caseValues(c), old)...)
	if err != nil {
		return fmt.Errorf("update case: %w", err)
	}
	if n != 1 {
		return errs.E(errs.Conflict, "这张单子刚刚被别人处理，请刷新后再办理")
	}
	tx.Touch(c.Kind, c.ID)
	return nil
}

// Get reads a case. Who may see it is the caller's question.
func Get(ctx context.Context, tx *db.Tx, id string) (Case, error) {
	return db.Get(ctx, tx, "这张单子", scanCase, `SELECT `+caseColumns+` FROM flow_case WHERE id = $1`, id)
}

// byOnce finds the case that a form token has already acted on.
func byOnce(ctx context.Context, tx *db.Tx, once string) (Case, bool, error) {
	if once == "" {
		return Case{}, false, nil
	}
	id, err := db.Get(ctx, tx, "", db.Value[string], `SELECT case_id FROM flow_event WHERE once = $1`, once)
	if errs.Is(err, errs.NotFound) {
		return Case{}, false, nil
	}
	if err != nil {
		return Case{}, false, err
	}
	c, err := Get(ctx, tx, id)
	return c, err == nil, err
}

// Done returns the case that a form token has already acted on, so that a use
// case that does more than move a case is idempotent too.
func Done(ctx context.Context, tx *db.Tx, once string) (Case, bool, error) {
	return byOnce(ctx, tx, once)
}

const eventColumns = `id, case_id, kind, version, at, account, person, name, role, org, org_name, action, action_title,
	from_state, to_state, reason, reason_title, comment, held_side, held_ms, due_at, clause, policy`

func scanEvent(scan db.Scan) (v Event, err error) {
	var at, due db.Time
	var held int64
	err = scan(&v.ID, &v.Case, &v.Kind, &v.Version, &at, &v.Account, &v.Person, &v.Name, &v.Role, &v.Org, &v.OrgName, &v.Action, &v.ActionTitle,
		&v.FromState, &v.ToState, &v.Reason, &v.ReasonTitle, &v.Comment, &v.HeldSide, &held, &due, &v.Clause, &v.Policy)
	v.At, v.DueAt, v.Held = at.Time, due.Time, time.Duration(held)*time.Millisecond
	return v, err
}

// insertEvent stores an event. What people write about a patient does not lie
// open in the table: the comment is sealed, bound to its event.
func (e *Engine) insertEvent(ctx context.Context, tx *db.Tx, v Event, once string) (err error) {
	if v.Comment != "" {
		if v.Comment, err = e.Keys.Seal(v.Comment, eventContext(v.ID)); err != nil {
			return fmt.Errorf("seal event %s: %w", v.ID, err)
		}
	}
	_, err = tx.Exec(ctx, `INSERT INTO flow_event (`+eventColumns+`, once) VALUES (
		$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)`,
		v.ID, v.Case, v.Kind, v.Version, db.At(v.At), v.Account, v.Person, v.Name, v.Role, v.Org, v.OrgName, v.Action, v.ActionTitle,
		v.FromState, v.ToState, v.Reason, v.ReasonTitle, v.Comment, string(v.HeldSide), v.Held.Milliseconds(), db.At(v.DueAt), v.Clause, v.Policy, db.Null(once))
	if err != nil {
		return fmt.Errorf("insert event: %w", err)
	}
	return nil
}

func eventContext(id string) string { return "flow:" + id }

// Timeline returns the events of a case, oldest first, with what was written.
// Who may read it is the caller's question.
func (e *Engine) Timeline(ctx context.Context, tx *db.Tx, id string) ([]Event, error) {
	list, err := db.List(ctx, tx, scanEvent, `SELECT `+eventColumns+` FROM flow_event WHERE case_id = $1 ORDER BY version, at, id`, id)
	if err != nil {
		return nil, err
	}
	for i, v := range list {
		if v.Comment == "" {
			continue
		}
		if list[i].Comment, err = e.Keys.Open(v.Comment, eventContext(v.ID)); err != nil {
			return nil, fmt.Errorf("open event %s: %w", v.ID, err)
		}
	}
	return list, nil
}

// lastEvent returns the newest event of a case; its comment stays sealed.
func lastEvent(ctx context.Context, tx *db.Tx, id string) (Event, error) {
	return db.Get(ctx, tx, "流转记录", scanEvent,
		`SELECT `+eventColumns+` FROM flow_event WHERE case_id = $1 ORDER BY version DESC, at DESC, id DESC LIMIT 1`, id)
}

// nextNumber makes a case number: prefix, business date, running number.
func nextNumber(ctx context.Context, tx *db.Tx, prefix string) (string, error) {
	day := calendar.DateOf(tx.Now)
	n, err := db.Get(ctx, tx, "编号", db.Value[int64], `
		INSERT INTO flow_number (prefix, day, n) VALUES ($1, $2, 1)
		ON CONFLICT (prefix, day) DO UPDATE SET n = flow_number.n + 1
		RETURNING n`, prefix, string(day))
	if err != nil {
		return "", fmt.Errorf("next case number: %w", err)
	}
	return fmt.Sprintf("%s%s%04d", prefix, strings.ReplaceAll(string(day), "-", ""), n), nil
}

// ByNumber reads a case by its printed number.
func ByNumber(ctx context.Context, tx *db.Tx, number string) (Case, error) {
	return db.Get(ctx, tx, "编号为 "+number+" 的单子", scanCase,
		`SELECT `+caseColumns+` FROM flow_case WHERE number = $1`, strings.ToUpper(strings.TrimSpace(number)))
}
