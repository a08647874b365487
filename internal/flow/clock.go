package flow

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/jobs"
	"yilian/internal/policy"
)

// schedule queues the due-time job of the state that a case has entered.
// Silent cases ring no bells.
func (e *Engine) schedule(ctx context.Context, tx *db.Tx, c Case) error {
	if c.Silent {
		return nil
	}
	return e.Queue.Enqueue(ctx, tx, jobs.Job{
		Kind: overdueJob, RunAt: c.DueAt,
		Args: overdueArgs{Case: c.ID, Entered: c.EnteredAt.UnixMilli(), Due: c.DueAt.UnixMilli(), Level: c.Escalation + 1},
	})
}

// overdue runs when a clock runs out. If the case still stands in the same
// state with the same due time, the holder's superior is told, the timeline
// says so, and the next level is scheduled; the case's version stays, so that
// nobody's open page becomes stale by it.
func (e *Engine) overdue(ctx context.Context, tx *db.Tx, args overdueArgs) error {
	c, err := Get(ctx, tx, args.Case)
	if err != nil {
		return err
	}
	if !c.Open() || c.EnteredAt.UnixMilli() != args.Entered || c.DueAt.UnixMilli() != args.Due || c.Escalation+1 != args.Level {
		return nil // it has moved on
	}
	m, err := e.Machine(c.Kind)
	if err != nil {
		return err
	}
	s, _ := m.State(c.State)
	c.Escalation = args.Level
	if _, err := tx.Exec(ctx, `UPDATE flow_case SET escalation = $2 WHERE id = $1 AND version = $3`, c.ID, c.Escalation, c.Version); err != nil {
		return fmt.Errorf("escalate case: %w", err)
	}
	superior, err := e.superior(ctx, tx, c)
	if err != nil {
		return err
	}
	actor := audit.Program("时限监测")
	ev := newEvent(tx, c, actor, actionOverdue, "超时提醒")
	ev.Comment = fmt.Sprintf("“%s”已超时，第 %d 次提醒，已通知%s", s.Title, c.Escalation, superior.Title())
	if err := e.record(ctx, tx, c, ev, actor, ""); err != nil {
		return err
	}
	if err := e.escalate(ctx, tx, m, c, s, superior); err != nil {
		return err
	}
	if c.Escalation >= escalationsMax {
		return nil
	}
	return e.Queue.Enqueue(ctx, tx, jobs.Job{
		Kind: overdueJob, RunAt: tx.Now.Add(e.again(c)),
		Args: overdueArgs{Case: c.ID, Entered: args.Entered, Due: args.Due, Level: args.Level + 1},
	})
}

// again is how long after one reminder the next follows, by policy.
func (e *Engine) again(c Case) time.Duration {
	const fallback = 4 * time.Hour // never block an escalation for want of a rule
	a, err := e.resolveClock(c, State{Name: "escalation", Clock: "flow.clock.escalation"})
	if err != nil {
		return fallback
	}
	d, err := a.Deadline()
	if err != nil {
		return fallback
	}
	switch d.Unit {
	case policy.Minutes:
		return time.Duration(d.N) * time.Minute
	case policy.Hours:
		return time.Duration(d.N) * time.Hour
	}
	return time.Duration(d.N) * 24 * time.Hour
}

func (e *Engine) superior(ctx context.Context, tx *db.Tx, c Case) (access.Role, error) {
	if e.Directory == nil {
		return c.OwnerRole, nil
	}
	return e.Directory.Superior(ctx, tx, c.OwnerOrg, c.OwnerRole, c.Escalation)
}

func (e *Engine) escalate(ctx context.Context, tx *db.Tx, m *Machine, c Case, s State, superior access.Role) error {
	text := fmt.Sprintf("%s %s 在“%s”已超时，请尽快办理", m.Title, c.Number, s.Title)
	n := Notice{Case: c.ID, Kind: c.Kind, Number: c.Number, Org: c.OwnerOrg, Level: "overdue", Text: text}
	holder := n
	holder.Role, holder.Person = c.OwnerRole, c.Owner
	if err := e.notify(ctx, tx, holder); err != nil {
		return err
	}
	if superior == c.OwnerRole && c.Owner == "" {
		return nil
	}
	n.Role = superior
	return e.notify(ctx, tx, n)
}

func (e *Engine) notifyOwner(ctx context.Context, tx *db.Tx, m *Machine, c Case, s State) error {
	if c.Silent {
		return nil
	}
	return e.notify(ctx, tx, Notice{
		Case: c.ID, Kind: c.Kind, Number: c.Number, Org: c.OwnerOrg, Role: c.OwnerRole, Person: c.Owner,
		Level: "info", Text: fmt.Sprintf("%s %s %s：%s", m.Title, c.Number, s.Title, c.Subject),
	})
}

func (e *Engine) notify(ctx context.Context, tx *db.Tx, n Notice) error {
	if e.Notify == nil {
		return nil
	}
	return e.Notify(ctx, tx, n)
}

// Reclock computes again the deadlines that had run past the last loaded
// calendar year; call it after a year has been loaded. It returns how many
// cases have a real deadline now.
func (e *Engine) Reclock(ctx context.Context, tx *db.Tx) (int, error) {
	short, err := db.List(ctx, tx, scanCase,
		`SELECT `+caseColumns+` FROM flow_case WHERE due_short = $1 AND closed_at IS NULL ORDER BY id`, true)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, c := range short {
		m, err := e.Machine(c.Kind)
		if err != nil {
			return n, err
		}
		s, _ := m.State(c.State)
		if err := e.clock(&c, s, c.EnteredAt); err != nil {
			return n, err
		}
		if c.DueShort {
			continue
		}
		if err := updateCase(ctx, tx, c, c.Version); err != nil {
			return n, err
		}
		actor := audit.Program("工作日历")
		ev := newEvent(tx, c, actor, actionReclock, "重新计算期限")
		ev.Comment = "工作日历已导入，期限已重新计算"
		if err := e.record(ctx, tx, c, ev, actor, ""); err != nil {
			return n, err
		}
		if err := e.schedule(ctx, tx, c); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// CountShort returns how many open cases carry the mark 日历缺失.
func CountShort(ctx context.Context, tx *db.Tx) (int64, error) {
	return db.Count(ctx, tx, `SELECT count(*) FROM flow_case WHERE due_short = $1 AND closed_at IS NULL`, true)
}
