package flow

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/jobs"
)

const (
	warningJob = "flow.warning"
	overdueJob = "flow.overdue"
)

// clockArgs name the clock that a job is for: that of one state of one case. A
// case that has moved on since, or has another due time, is left alone.
type clockArgs struct {
	Case    string `json:"case"`
	Entered int64  `json:"entered"` // when the state was entered, Unix ms
	Due     int64  `json:"due"`
	Level   int    `json:"level"` // of the escalation; 0: the warning
}

func (a clockArgs) still(c Case) bool {
	return c.Open() && c.EnteredAt.UnixMilli() == a.Entered && c.DueAt.UnixMilli() == a.Due
}

// schedule queues the jobs of the clock that a case has begun: the warning
// before it runs out, and the reminder when it has. Silent cases ring no bells.
func (e *Engine) schedule(ctx context.Context, tx *db.Tx, c Case) error {
	if c.Silent {
		return nil
	}
	args := clockArgs{Case: c.ID, Entered: c.EnteredAt.UnixMilli(), Due: c.DueAt.UnixMilli()}
	at, err := e.warningAt(c, tx.Now)
	if err != nil {
		return err
	}
	if !at.IsZero() {
		if err := e.Queue.Enqueue(ctx, tx, jobs.Job{Kind: warningJob, RunAt: at, Args: args}); err != nil {
			return err
		}
	}
	args.Level = c.Escalation + 1
	return e.Queue.Enqueue(ctx, tx, jobs.Job{Kind: overdueJob, RunAt: c.DueAt, Args: args})
}

// overdue runs when a clock runs out. If the case still stands in the same
// state with the same due time, the holder's superior is told, the timeline
// says so, and the next level is scheduled; the case's version stays, so that
// nobody's open page becomes stale by it.
func (e *Engine) overdue(ctx context.Context, tx *db.Tx, args clockArgs) error {
	c, err := Get(ctx, tx, args.Case)
	if err != nil {
		return err
	}
	if !args.still(c) || c.Escalation+1 != args.Level {
		return nil
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
		Args: clockArgs{Case: c.ID, Entered: args.Entered, Due: args.Due, Level: args.Level + 1},
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
	return clockTime(d)
}

func (e *Engine) superior(ctx context.Context, tx *db.Tx, c Case) (access.Role, error) {
	if e.Directory == nil {
		return c.OwnerRole, nil
	}
	return e.Directory.Superior(ctx, tx, c.OwnerOrg, c.OwnerRole, c.Escalation)
}

func (e *Engine) escalate(ctx context.Context, tx *db.Tx, m *Machine, c Case, s State, superior access.Role) error {
	n := notice(m, c, "overdue", "在“%s”已超时，请尽快办理", s.Title).toHolder(c)
	if err := e.notify(ctx, tx, n); err != nil {
		return err
	}
	if superior == c.OwnerRole && c.Owner == "" {
		return nil
	}
	n.Role, n.Person = superior, ""
	return e.notify(ctx, tx, n)
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
