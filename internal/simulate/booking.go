package simulate

import (
	"context"

	"yilian/internal/db"
)

// offer gives the three hospitals a schedule and beds from the day on which the
// demo begins for its users. The referrals of the months before were arranged
// by telephone.
func (s *simulation) offer(ctx context.Context) error {
	s.at(s.now)
	var orgs []string
	for _, name := range []string{fourth, tcm, maternal} {
		orgs = append(orgs, s.staff.orgs[name].ID)
	}
	return s.app.DB.Tx(ctx, func(tx *db.Tx) error { return s.app.Schedules.SeedTemplates(ctx, tx, orgs...) })
}
