package flow

import (
	"context"
	"fmt"

	"yilian/internal/db"
)

// notice is an empty notice about a case.
func notice(m *Machine, c Case, level, format string, args ...any) Notice {
	return Notice{Case: c.ID, Kind: c.Kind, Number: c.Number, Level: level, Text: m.Title + " " + c.Number + " " + fmt.Sprintf(format, args...)}
}

// toHolder addresses a notice to who has the turn.
func (n Notice) toHolder(c Case) Notice {
	n.Org, n.Role, n.Person = c.OwnerOrg, c.OwnerRole, c.Owner
	return n
}

// tellStep says who must know of a step: the new owner, and the side that the
// action tells although it does not get the turn. was is the case before.
func (e *Engine) tellStep(ctx context.Context, tx *db.Tx, m *Machine, was, c Case, a Action) error {
	if c.Silent {
		return nil
	}
	if c.Open() && !a.Quiet {
		s, _ := m.State(c.State)
		if err := e.notify(ctx, tx, notice(m, c, "info", "%s：%s", s.Title, c.Subject).toHolder(c)); err != nil {
			return err
		}
	}
	n, known := notice(m, c, "info", "%s：%s", a.Title, c.Subject).toSide(m, was, a.Tells)
	if !known {
		return nil
	}
	return e.notify(ctx, tx, n)
}

// toSide addresses a notice to a side of a case: who has the turn, if it is
// that side's, else the person whom the case names there. A side without
// either has nothing in hand that could be taken from it.
func (n Notice) toSide(m *Machine, c Case, side Side) (Notice, bool) {
	if side == Nobody {
		return n, false
	}
	if c.Turn == side {
		return n.toHolder(c), true
	}
	p := c.From
	if side == To {
		p = c.To
	}
	n.Org, n.Person = p.Org, p.Person
	for _, s := range m.States {
		if s.Turn == side && s.Personal {
			n.Role = s.Role // who answers when the person has left
			break
		}
	}
	return n, n.Person != "" && n.Role != ""
}

func (e *Engine) notify(ctx context.Context, tx *db.Tx, n Notice) error {
	if e.Notify == nil {
		return nil
	}
	return e.Notify(ctx, tx, n)
}
