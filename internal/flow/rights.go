package flow

import (
	"context"
	"slices"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// sides returns on which sides the actor's institution stands. An institution
// that has been given the turn without being a party acts for the side whose
// turn it is.
func sides(c Case, actor access.Actor) []Side {
	var out []Side
	if c.From.Org == actor.Org {
		out = append(out, From)
	}
	if c.To.Org == actor.Org {
		out = append(out, To)
	}
	if c.OwnerOrg == actor.Org && c.OwnerOrg != "" && !slices.Contains(out, c.Turn) {
		out = append(out, c.Turn)
	}
	return out
}

// may reports why the actor may not take the action, or nil.
func (e *Engine) may(m *Machine, c Case, a Action, actor access.Actor) error {
	s, _ := m.State(c.State)
	if !slices.Contains(a.From, c.State) {
		return errs.E(errs.Conflict, "%s %s 现在是“%s”，不能再“%s”", m.Title, c.Number, s.Title, a.Title)
	}
	if actor.Role == audit.ProgramRole {
		return nil
	}
	if !slices.Contains(sides(c, actor), a.Side) {
		return errs.E(errs.Forbidden, "“%s”由%s办理，您所在的机构不是这张单子的%s", a.Title, a.Side.Title(), a.Side.Title())
	}
	if a.Or == "" || access.Require(actor, a.Or, access.Own) != nil {
		if err := access.Require(actor, a.Right, access.Own); err != nil {
			return err
		}
	}
	if held(c, a, actor) {
		return errs.E(errs.Conflict, "%s %s 由%s负责，请先“%s”再办理", m.Title, c.Number, c.OwnerName, claimTitle)
	}
	return nil
}

// held reports whether the case is in the hands of somebody else on the side
// that acts.
func held(c Case, a Action, actor access.Actor) bool {
	return a.Side == c.Turn && c.Owner != "" && c.Owner != personOf(actor)
}

// Actions returns what the actor may do with the case now, in the order of the
// declaration. They are exactly the actions that Act would let him take.
func (e *Engine) Actions(c Case, actor access.Actor) []Action {
	m := e.machines[c.Kind]
	if m == nil || !c.Open() {
		return nil
	}
	var out []Action
	for _, a := range m.Actions {
		if e.may(m, c, a, actor) == nil {
			out = append(out, a)
		}
	}
	if e.mayClaim(m, c, actor) == nil {
		out = append(out, Action{Name: ActionClaim, Title: claimTitle, From: []string{c.State}, To: []string{c.State}, Side: c.Turn})
	}
	return out
}

// mayClaim reports why the actor may not take the case over, or nil: it must
// be his side's turn, he must be able to do something with it, and he must not
// hold it already.
func (e *Engine) mayClaim(m *Machine, c Case, actor access.Actor) error {
	if !c.Open() || c.Owner == personOf(actor) {
		return errs.E(errs.Conflict, "%s %s 已在您手中或已结案", m.Title, c.Number)
	}
	if actor.Org != c.OwnerOrg {
		return errs.E(errs.Forbidden, "现在不是您所在机构办理")
	}
	able := slices.ContainsFunc(m.Actions, func(a Action) bool {
		role := access.Role(actor.Role)
		return a.Side == c.Turn && slices.Contains(a.From, c.State) &&
			(access.Allowed(role, a.Right, access.Own) || a.Or != "" && access.Allowed(role, a.Or, access.Own))
	})
	if !able {
		return errs.E(errs.Forbidden, "您当前的岗位不办理这一步")
	}
	return nil
}

// Claim gives the case to the actor: out of the queue of his role, or out of
// the hands of a colleague who is away. Of two who claim at once one wins; the
// other gets a StaleError. once is the token of the form: whoever presses again
// because the answer was lost is told of his own success, not of a conflict.
func (e *Engine) Claim(ctx context.Context, tx *db.Tx, actor access.Actor, id string, version int, once string) (Case, error) {
	if c, done, err := byOnce(ctx, tx, once); err != nil || done {
		return c, err
	}
	c, err := Get(ctx, tx, id)
	if err != nil {
		return Case{}, err
	}
	m, err := e.Machine(c.Kind)
	if err != nil {
		return Case{}, err
	}
	if c.Version != version {
		return Case{}, e.stale(ctx, tx, m, c)
	}
	if err := e.mayClaim(m, c, actor); err != nil {
		return Case{}, err
	}
	ev := newEvent(tx, c, actor, ActionClaim, claimTitle)
	if c.Owner != "" {
		ev.Comment = "原由" + c.OwnerName + "负责"
	}
	c.Owner, c.OwnerName = personOf(actor), actor.Name
	c.Version++
	ev.Version = c.Version
	if err := updateCase(ctx, tx, c, version); err != nil {
		return Case{}, err
	}
	return c, e.record(ctx, tx, c, ev, actor, once)
}

// Note writes a line into the timeline without moving the case.
func (e *Engine) Note(ctx context.Context, tx *db.Tx, actor access.Actor, c Case, title, text string) error {
	ev := newEvent(tx, c, actor, ActionRecord, title)
	ev.Comment = text
	return e.record(ctx, tx, c, ev, actor, "")
}
