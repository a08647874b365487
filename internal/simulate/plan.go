package simulate

import (
	"context"

	"yilian/internal/access"
	"yilian/internal/grid"
	"yilian/internal/region"
)

// plan has the bureau ask for a layout of two county communities and keep it as
// a draft: the document of Lingling asks for none, so nothing is in force.
func (s *simulation) plan(ctx context.Context) error {
	planner := access.Actor{Name: "区卫健局规划股", Role: string(access.BureauCounty), Org: s.staff.orgs[district].ID, OrgName: district, Regions: []string{region.Lingling}}
	ask := grid.Ask{Seed: seed, Leads: []grid.LeadChoice{{Org: s.staff.orgs[fourth].ID, Share: 2}, {Org: s.staff.orgs[tcm].ID, Share: 1}}}
	ask.Rules.Contiguous, ask.Rules.Seats = true, true
	ask.Weights.Balance, ask.Weights.Travel, ask.Weights.Continuity = 1, 1, 0.5
	_, err := s.app.Grids.Keep(ctx, planner, region.Lingling, "县域医共体分片（讨论稿）", ask, 0)
	return err
}
