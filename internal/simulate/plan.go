package simulate

import (
	"context"

	"yilian/internal/access"
	"yilian/internal/grid"
)

// plan has the bureau ask for a layout of two county communities and keep it as
// a draft: no document of the three counties orders one, so nothing is in force.
func (s *simulation) plan(ctx context.Context) error {
	planner := access.Actor{Name: "规划股", Role: string(access.BureauCounty), Org: s.staff.orgs[district].ID, OrgName: s.staff.orgs[district].Name, Regions: []string{s.scene.county}}
	ask := grid.Ask{Seed: seed, Leads: []grid.LeadChoice{{Org: s.staff.orgs[fourth].ID, Share: 2}, {Org: s.staff.orgs[tcm].ID, Share: 1}}}
	ask.Rules.Contiguous, ask.Rules.Seats = true, true
	ask.Weights.Balance, ask.Weights.Travel, ask.Weights.Continuity = 1, 1, 0.5
	_, err := s.app.Grids.Keep(ctx, planner, s.scene.county, "县域医共体分片（讨论稿）", ask, 0)
	return err
}
