package grid

import (
	"context"
	"slices"
	"strings"
	"time"

	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/organization"
)

// Staffing is a cell with the institutions that stand in it and those of its
// alliance: who is in, and who stands in the cell without being in (JS-3a).
type Staffing struct {
	Cell    Cell
	Lead    string                      // name of the lead hospital
	Name    string                      // of the alliance; "" while it is not formed
	Members []organization.Organization // of the alliance, in the cell, hospitals first
	Outside []organization.Organization // in the cell, public, not of the alliance
	People  int64
}

// Staff returns the cells of a layout with their institutions on a day.
func Staff(ctx context.Context, tx *db.Tx, u Unit, l Layout, day calendar.Date, knownAt time.Time) ([]Staffing, error) {
	orgs, err := organization.List(ctx, tx, organization.Filter{Region: u.Code})
	if err != nil {
		return nil, err
	}
	out := make([]Staffing, len(l.Cells))
	for i, c := range l.Cells {
		s := &out[i]
		s.Cell = c
		if s.Lead, s.Name, err = titles(ctx, tx, c); err != nil {
			return nil, err
		}
		in := map[string]bool{c.Lead: true}
		if c.Alliance != "" {
			members, err := alliance.MembersOn(ctx, tx, c.Alliance, day, knownAt)
			if err != nil {
				return nil, err
			}
			for _, m := range members {
				in[m.Org] = true
			}
		}
		for _, code := range c.Areas {
			a, _ := u.Area(code)
			s.People += a.People
		}
		for _, o := range orgs {
			switch {
			case !o.Kind.Hospital() && !o.Kind.Primary() || !standsIn(c, o.Region):
			case in[o.ID] || in[o.Parent]: // a clinic belongs where its centre does
				s.Members = append(s.Members, o)
			case o.Ownership == organization.Public:
				s.Outside = append(s.Outside, o)
			}
		}
	}
	return out, nil
}

func titles(ctx context.Context, tx *db.Tx, c Cell) (lead, name string, err error) {
	if c.Lead != "" {
		o, err := organization.Get(ctx, tx, c.Lead)
		if err != nil {
			return "", "", err
		}
		lead = o.Short()
	}
	if c.Alliance != "" {
		a, err := alliance.Get(ctx, tx, c.Alliance)
		if err != nil {
			return "", "", err
		}
		name = a.Name
	}
	return lead, name, nil
}

// standsIn reports whether an institution at a division stands in a cell.
func standsIn(c Cell, code string) bool {
	return slices.ContainsFunc(c.Areas, func(a string) bool { return strings.HasPrefix(code, a) })
}
