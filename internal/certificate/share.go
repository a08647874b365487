package certificate

import (
	"context"
	"errors"
	"slices"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/insurance"
	"yilian/internal/policy"
	"yilian/internal/referral"
)

// PlaceShare is the estimate for the places of one level.
type PlaceShare struct {
	insurance.Share
	Orgs []string // names of the possible institutions of this level
}

// Shares is the estimate of what a patient pays himself in the places that he
// can go to.
type Shares struct {
	Insurance string       // kind, a code of patient.InsuranceKinds
	List      []PlaceShare // the cheapest first; empty: nothing can be estimated
	Missing   []string     // institutions whose level the table does not know
}

// maxCostFen bounds what may be typed as cost of one stay: ten million yuan.
const maxCostFen = 1_000_000_000

func checkCost(fen int64) error {
	var f errs.Form
	if fen < 0 || fen > maxCostFen {
		f.Add("_cost", "预计费用应在 0 到 1000 万元之间")
	}
	return f.Err()
}

// Shares estimates the patient's share at each level among the places that take
// the need. The table is that of the insured place (统筹地区); where it is not
// registered, that of the referring institution. A cost of zero means the
// table's typical one.
func (s *Service) Shares(ctx context.Context, actor access.Actor, need referral.Need, costFen int64) (Shares, error) {
	if err := checkCost(costFen); err != nil {
		return Shares{}, err
	}
	targets, err := s.Referrals.Targets(ctx, actor, need)
	if err != nil {
		return Shares{}, err
	}
	var out Shares
	at := policy.Place{}
	var day calendar.Date
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		p, err := s.Referrals.Patients.Get(ctx, tx, need.Patient)
		if err != nil {
			return err
		}
		out.Insurance, day = p.InsuranceKind, calendar.DateOf(tx.Now)
		at, err = s.insured(ctx, tx, actor, p)
		return err
	})
	if err != nil {
		return Shares{}, err
	}
	levels, names := byLevel(targets)
	for _, l := range levels {
		share, err := insurance.Estimate(s.Book, at, day, out.Insurance, l, costFen)
		switch {
		case errors.Is(err, insurance.ErrNoTable):
			out.Missing = append(out.Missing, names[l]...)
		case err != nil:
			return Shares{}, err
		default:
			out.List = append(out.List, PlaceShare{Share: share, Orgs: names[l]})
		}
	}
	slices.SortStableFunc(out.List, func(a, b PlaceShare) int { return int(a.OwnFen - b.OwnFen) })
	return out, nil
}

// byLevel groups the institutions of the targets.
func byLevel(targets []referral.Target) (levels []insurance.Level, names map[insurance.Level][]string) {
	names = map[insurance.Level][]string{}
	for _, t := range targets {
		l := insurance.LevelOf(referral.Tier(t.Org.Kind))
		if len(names[l]) == 0 {
			levels = append(levels, l)
		}
		if !slices.Contains(names[l], t.Org.Short()) {
			names[l] = append(names[l], t.Org.Short())
		}
	}
	return levels, names
}
