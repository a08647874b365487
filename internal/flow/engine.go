package flow

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/jobs"
	"yilian/internal/policy"
)

// Directory tells flow about people. practitioner implements it.
type Directory interface {
	// OnDuty returns who is on duty for a role, the first to call first.
	OnDuty(ctx context.Context, tx *db.Tx, org, department string, role access.Role, at time.Time) ([]string, error)
	// Superior returns the role that answers when a role of the institution
	// lets a clock run out for the level-th time (1, 2, 3).
	Superior(ctx context.Context, tx *db.Tx, org string, role access.Role, level int) (access.Role, error)
	// PersonName returns the display name of a person.
	PersonName(ctx context.Context, tx *db.Tx, person string) (string, error)
}

// Engine moves cases. Set its fields, Declare the machines, then call Start.
type Engine struct {
	DB        *db.DB
	Book      *policy.Book
	Calendar  *calendar.Calendar
	Audit     *audit.Log
	Keys      *crypto.Keyring // seals what people write into a timeline
	Queue     *jobs.Queue
	Directory Directory
	// Notify records a notice for staff in the transaction of the step; nil
	// drops it (tests).
	Notify func(ctx context.Context, tx *db.Tx, n Notice) error

	machines map[string]*Machine
	hub      hub
}

// Declare adds a machine; it is an error of the program to declare one that
// could leave a case without owner, clock or way out.
func (e *Engine) Declare(m Machine) error {
	if err := m.check(); err != nil {
		return err
	}
	if e.machines == nil {
		e.machines = map[string]*Machine{}
	}
	if e.machines[m.Kind] != nil {
		return fmt.Errorf("machine %s: declared twice", m.Kind)
	}
	e.machines[m.Kind] = &m
	return nil
}

// Machine returns a declared machine.
func (e *Engine) Machine(kind string) (*Machine, error) {
	m := e.machines[kind]
	if m == nil {
		return nil, fmt.Errorf("flow: no machine for kind %q", kind)
	}
	return m, nil
}

// Start registers the jobs of the clocks with the queue.
func (e *Engine) Start() {
	e.Queue.Title(warningJob, "时限将至提醒")
	e.Queue.Title(overdueJob, "超时提醒")
	jobs.Handle(e.Queue, warningJob, e.warn)
	jobs.Handle(e.Queue, overdueJob, e.overdue)
}

// clock starts the clock of a state for a case, counted from anchor.
func (e *Engine) clock(c *Case, s State, anchor time.Time) error {
	d, err := e.deadline(c, s)
	if err != nil {
		return err
	}
	due, complete := d.Due(e.Calendar, anchor)
	c.DueAt, c.DueShort = due, !complete
	return nil
}

// resume lets a clock that stood still go on with what was left of it. A case
// that was overdue stays overdue.
func (e *Engine) resume(c *Case, s State, now time.Time) error {
	d, err := e.deadline(c, s)
	if err != nil {
		return err
	}
	if d.Unit == policy.WorkingDays {
		day, complete := e.Calendar.AddWorkingDays(calendar.DateOf(now), c.PausedDays)
		c.DueAt, c.DueShort = calendar.EndOf(day), !complete
		return nil
	}
	c.DueAt, c.DueShort = now.Add(c.PausedLeft), false
	return nil
}

// deadline resolves the rule of a state's clock and notes in the case where it
// comes from.
func (e *Engine) deadline(c *Case, s State) (policy.Deadline, error) {
	a, err := e.resolveClock(*c, s)
	if err != nil {
		return policy.Deadline{}, err
	}
	d, err := a.Deadline()
	if err != nil {
		return policy.Deadline{}, fmt.Errorf("clock of state %s: %w", s.Name, err)
	}
	c.DueKey, c.DueClause, c.DueRule = a.Key, a.Clause, d.String()
	c.policy = a.Profile + "@" + a.Version
	return d, nil
}

// resolveClock looks the state's clock up, the most telling variant first:
// by urgency, by track, plain.
func (e *Engine) resolveClock(c Case, s State) (policy.Answer, error) {
	day := calendar.DateOf(c.EnteredAt)
	var err error
	for i, variant := range []string{c.Urgency, c.Track, ""} {
		if variant == "" && i < 2 {
			continue // a case without triage level may still have a track
		}
		key := s.Clock
		if variant != "" {
			key += "." + variant
		}
		var a policy.Answer
		if a, err = e.Book.Resolve(key, c.Place, day); err == nil {
			return a, nil
		}
	}
	return policy.Answer{}, fmt.Errorf("no deadline for state %s (key %s): %w", s.Name, s.Clock, err)
}
