package flow

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/policy"
)

// Opening is what a new case begins with.
type Opening struct {
	Kind     string
	Patient  string
	Subject  string // shown in lists; no diagnosis
	Urgency  string
	Track    string
	Silent   bool
	From, To Party
	Place    policy.Place
	BasedOn  string
	Roles    map[Side]access.Role // see Move
	Once     string               // token of the form; the same token opens one case only
	Anchor   time.Time            // instant that the first clock counts from; zero: now
	Due      time.Time            // given due time of the first state; otherwise its clock runs
}

// Move is what an action changes besides the state. Zero fields leave the case
// as it is.
type Move struct {
	To          string    // target state when the action has several
	Reason      string    // code out of the action's list
	Comment     string    // free text
	Due         time.Time // promised time; otherwise the state's clock runs
	Anchor      time.Time // instant that the state's clock counts from; zero: now
	Urgency     string
	Track       string
	Subject     string
	FromParty   *Party               // new referring party (back to another doctor)
	ToParty     *Party               // new receiving party (redirect, arranged department)
	Owner       *Party               // who gets the turn, when known: a person, or another institution (the reviewer above a village clinic)
	Responsible *Party               // who takes over clinical responsibility
	Roles       map[Side]access.Role // whose turn it is on a side whose institution has no such post as the state names
	Outcome     string               // coded outcome, for a terminal state
	Silent      bool                 // from now on the case rings no bells (back-entry)
	Once        string               // token of the form; the same token acts once only
}

// StaleError is the answer to an act on a version that is no longer the
// present one. It is a Conflict and carries the present case.
type StaleError struct {
	Case Case
	err  error
}

func (e *StaleError) Error() string { return e.err.Error() }
func (e *StaleError) Unwrap() error { return e.err }

// Open opens a case in its machine's start state.
func (e *Engine) Open(ctx context.Context, tx *db.Tx, actor access.Actor, o Opening) (Case, error) {
	m, err := e.Machine(o.Kind)
	if err != nil {
		return Case{}, err
	}
	if c, done, err := byOnce(ctx, tx, o.Once); err != nil || done {
		return c, err
	}
	number, err := nextNumber(ctx, tx, m.Prefix)
	if err != nil {
		return Case{}, err
	}
	c := Case{
		ID: db.NewID(), Kind: o.Kind, Number: number, State: m.Start, Version: 1,
		Patient: o.Patient, Subject: o.Subject, Urgency: o.Urgency, Track: o.Track, Silent: o.Silent,
		From: o.From, To: o.To, Place: o.Place, EnteredAt: tx.Now, OpenedAt: tx.Now, BasedOn: o.BasedOn,
		Responsible: o.From,
	}
	s, _ := m.State(m.Start)
	if err := e.enter(ctx, tx, m, &c, s, Move{Roles: o.Roles, Anchor: o.Anchor, Due: o.Due}); err != nil {
		return Case{}, err
	}
	if err := insertCase(ctx, tx, c); err != nil {
		return Case{}, err
	}
	ev := newEvent(tx, c, actor, actionOpen, "新建")
	ev.ToState = c.State
	return c, e.record(ctx, tx, c, ev, actor, o.Once)
}

// Act moves a case: the only write path of its state. It refuses a stale
// version with the present state (StaleError), an action that the state does
// not offer (Conflict), an actor who may not (Forbidden), a missing reason or
// outcome (Invalid). On success the new owner and due time stand, and the
// event, audit leaf, notices and due-time job are in the same transaction.
func (e *Engine) Act(ctx context.Context, tx *db.Tx, actor access.Actor, id string, version int, action string, mv Move) (Case, error) {
	if c, done, err := byOnce(ctx, tx, mv.Once); err != nil || done {
		return c, err
	}
	m, c, a, err := e.check(ctx, tx, actor, id, version, action)
	if err != nil {
		return Case{}, err
	}
	reason, err := e.checkMove(m, c, a, &mv, tx)
	if err != nil {
		return Case{}, err
	}
	return e.step(ctx, tx, m, c, a, actor, mv, reason)
}

// Check reads a case and refuses as Act would, as far as that does not depend
// on the form: a stale version, an action that the state does not offer, an
// actor who may not. Use cases call it before they look at what was typed.
func (e *Engine) Check(ctx context.Context, tx *db.Tx, actor access.Actor, id string, version int, action string) (Case, error) {
	_, c, _, err := e.check(ctx, tx, actor, id, version, action)
	return c, err
}

func (e *Engine) check(ctx context.Context, tx *db.Tx, actor access.Actor, id string, version int, action string) (*Machine, Case, Action, error) {
	c, err := Get(ctx, tx, id)
	if err != nil {
		return nil, Case{}, Action{}, err
	}
	m, err := e.Machine(c.Kind)
	if err != nil {
		return nil, Case{}, Action{}, err
	}
	if c.Version != version {
		return nil, Case{}, Action{}, e.stale(ctx, tx, m, c)
	}
	a, ok := m.Action(action)
	if !ok {
		return nil, Case{}, Action{}, fmt.Errorf("flow: machine %s has no action %q", m.Kind, action)
	}
	return m, c, a, e.may(m, c, a, actor)
}

// step carries out a checked action.
func (e *Engine) step(ctx context.Context, tx *db.Tx, m *Machine, c Case, a Action, actor access.Actor, mv Move, reason policy.Code) (Case, error) {
	ev := newEvent(tx, c, actor, a.Name, a.Title)
	ev.Reason, ev.ReasonTitle, ev.Comment = mv.Reason, reason.Title, strings.TrimSpace(mv.Comment)
	ev.FromState, ev.ToState = c.State, mv.To
	ev.HeldSide, ev.Held = c.Turn, tx.Now.Sub(c.EnteredAt)

	was, old := c, c.Version
	apply(&c, mv)
	c.Version++
	target, _ := m.State(mv.To)
	if a.Stay && mv.To == c.State {
		ev.HeldSide, ev.Held = "", 0 // counted once, when the state is left
	} else if err := e.enter(ctx, tx, m, &c, target, mv); err != nil {
		return Case{}, err
	}
	if err := updateCase(ctx, tx, c, old); err != nil {
		return Case{}, err
	}
	ev.Version, ev.DueAt, ev.Clause, ev.Policy = c.Version, c.DueAt, c.DueClause, c.policy
	if err := e.record(ctx, tx, c, ev, actor, mv.Once); err != nil {
		return Case{}, err
	}
	return c, e.tellStep(ctx, tx, m, was, c, a)
}

func apply(c *Case, mv Move) {
	if mv.Urgency != "" {
		c.Urgency = mv.Urgency
	}
	if mv.Track != "" {
		c.Track = mv.Track
	}
	if mv.Subject != "" {
		c.Subject = mv.Subject
	}
	if mv.FromParty != nil {
		c.From = *mv.FromParty
	}
	if mv.ToParty != nil {
		c.To = *mv.ToParty
	}
	if mv.Responsible != nil {
		c.Responsible = *mv.Responsible
	}
	c.Outcome = mv.Outcome
	c.Silent = c.Silent || mv.Silent
}

// checkMove fills in the target state and checks reason, comment, promise and
// outcome. It returns the reason's code entry.
func (e *Engine) checkMove(m *Machine, c Case, a Action, mv *Move, tx *db.Tx) (policy.Code, error) {
	var f errs.Form
	if mv.To == "" {
		mv.To = a.To[0]
	}
	if !slices.Contains(a.To, mv.To) {
		return policy.Code{}, fmt.Errorf("flow: action %s does not lead to %s", a.Name, mv.To)
	}
	reason, err := e.code(a.Reasons, c, mv.Reason, tx.Now)
	if err != nil {
		f.AddErr("reason", err)
	}
	if a.Comment && strings.TrimSpace(mv.Comment) == "" {
		f.Add("comment", "请填写说明")
	}
	if a.Promise {
		switch {
		case mv.Due.IsZero():
			f.Add("due", "请填写时间")
		case mv.Due.Before(tx.Now):
			f.Add("due", "时间不能早于现在")
		case mv.Due.After(tx.Now.AddDate(1, 0, 0)):
			f.Add("due", "时间不能晚于一年以后")
		}
	}
	if target, _ := m.State(mv.To); target.Terminal() && m.Outcomes != "" {
		if _, err := e.code(m.Outcomes, c, mv.Outcome, tx.Now); err != nil {
			f.Add("outcome", "请选择结案结果")
		}
	}
	return reason, f.Err()
}

// code looks a code up in a list of policy; an empty key asks for none.
func (e *Engine) code(key string, c Case, code string, now time.Time) (policy.Code, error) {
	if key == "" {
		return policy.Code{}, nil
	}
	list, err := e.Codes(key, c.Place, now)
	if err != nil {
		return policy.Code{}, err
	}
	i := slices.IndexFunc(list, func(x policy.Code) bool { return x.Code == code })
	if i < 0 {
		return policy.Code{}, errs.E(errs.Invalid, "请选择原因")
	}
	return list[i], nil
}

// Codes returns a list of coded reasons as the policy has it on the day.
func (e *Engine) Codes(key string, at policy.Place, now time.Time) ([]policy.Code, error) {
	a, err := e.Book.Resolve(key, at, calendar.DateOf(now))
	if err != nil {
		return nil, err
	}
	return a.Codes()
}

// enter sets state, owner and clock of a case that arrives in a state.
func (e *Engine) enter(ctx context.Context, tx *db.Tx, m *Machine, c *Case, s State, mv Move) error {
	was := *c
	c.State, c.EnteredAt, c.Escalation = s.Name, tx.Now, 0
	if s.Terminal() {
		c.Turn, c.OwnerOrg, c.OwnerRole, c.OwnerDept, c.Owner, c.OwnerName = Nobody, "", "", "", "", ""
		c.ClosedAt, c.DueAt, c.DueShort = tx.Now, time.Time{}, false
		c.DueKey, c.DueClause, c.DueRule, c.PausedState, c.PausedLeft, c.PausedDays = "", "", "", "", 0, 0
		return nil
	}
	own(c, s, mv.Owner)
	if role, ok := mv.Roles[s.Turn]; ok {
		c.OwnerRole = role
	}
	switch {
	case !mv.Due.IsZero():
		c.DueAt, c.DueKey, c.DueClause, c.DueRule, c.DueShort = mv.Due, "", "", "", false
	case c.PausedState == s.Name && mv.Anchor.IsZero():
		if err := e.resume(c, s, tx.Now); err != nil {
			return err
		}
	default:
		anchor := tx.Now
		if !mv.Anchor.IsZero() {
			anchor = mv.Anchor
		}
		if err := e.clock(c, s, anchor); err != nil {
			return err
		}
	}
	if c.DueShort && m.Strict {
		return errs.E(errs.Invalid, "%s年的工作日历尚未导入，无法计算法定期限。请系统管理员先在“工作日历”中导入后再办理", tx.Now.In(calendar.Shanghai).AddDate(1, 0, 0).Format("2006"))
	}
	c.PausedState, c.PausedLeft, c.PausedDays = "", 0, 0
	if s.Pauses != "" && s.Pauses == was.State {
		c.PausedState, c.PausedLeft = was.State, was.DueAt.Sub(tx.Now)
		c.PausedDays, _ = e.Calendar.WorkingDaysBetween(calendar.DateOf(tx.Now), calendar.DateOf(was.DueAt))
	}
	return e.schedule(ctx, tx, *c)
}

// own gives the case to whom the state says.
func own(c *Case, s State, named *Party) {
	p := c.From
	if s.Turn == To {
		p = c.To
	}
	c.Turn, c.OwnerOrg, c.OwnerRole = s.Turn, p.Org, s.Role
	c.OwnerDept, c.Owner, c.OwnerName = "", "", ""
	if s.ByDept {
		c.OwnerDept = p.Department
	}
	if s.Personal {
		c.Owner, c.OwnerName = p.Person, p.PersonName
	}
	if named != nil {
		c.Owner, c.OwnerName = named.Person, named.PersonName
		if named.Org != "" {
			c.OwnerOrg = named.Org
		}
	}
}

// record writes the event and the audit leaf and wakes open pages.
func (e *Engine) record(ctx context.Context, tx *db.Tx, c Case, ev Event, actor access.Actor, once string) error {
	if err := e.insertEvent(ctx, tx, ev, once); err != nil {
		return err
	}
	detail := ev.FromState + "→" + ev.ToState
	if ev.Reason != "" {
		detail += " " + ev.Reason
	}
	err := e.Audit.Append(ctx, tx, audit.Leaf{
		Actor: actor, Action: c.Kind + "." + ev.Action, Object: c.Kind, ObjectID: c.ID,
		Patient: c.Patient, Outcome: "ok", Clause: ev.Clause, Detail: detail,
	})
	tx.AfterCommit(func() { e.hub.wake() })
	return err
}

func newEvent(tx *db.Tx, c Case, actor access.Actor, action, title string) Event {
	return Event{
		ID: db.NewID(), Case: c.ID, Kind: c.Kind, Version: c.Version, At: tx.Now,
		Account: actor.Account, Person: personOf(actor), Name: actor.Name, Role: actor.Role,
		Org: actor.Org, OrgName: actor.OrgName, Action: action, ActionTitle: title,
		FromState: c.State, ToState: c.State, DueAt: c.DueAt, Clause: c.DueClause, Policy: c.policy,
	}
}

// personOf is how a case names an actor: by practitioner where there is one.
func personOf(a access.Actor) string {
	if a.Person != "" {
		return a.Person
	}
	return a.Account
}

// PartyOf returns the actor as a party.
func PartyOf(a access.Actor) Party {
	return Party{Org: a.Org, OrgName: a.OrgName, Department: a.Department, Person: personOf(a), PersonName: a.Name}
}

// stale builds the answer to an act on an old version: who was faster and
// where the case stands now.
func (e *Engine) stale(ctx context.Context, tx *db.Tx, m *Machine, c Case) error {
	last, err := lastEvent(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	s, _ := m.State(c.State)
	who := last.Name
	if last.OrgName != "" {
		who += "（" + last.OrgName + "）"
	}
	return &StaleError{Case: c, err: errs.E(errs.Conflict,
		"%s %s 刚刚被%s处理（%s），现在的状态是“%s”。您的操作没有保存，请按最新状态办理",
		m.Title, c.Number, who, last.ActionTitle, s.Title)}
}
