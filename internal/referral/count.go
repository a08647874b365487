package referral

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
)

// Rate is a share with its parts. Without a denominator it is not computable,
// which is not zero.
type Rate struct{ Numerator, Denominator int64 }

// Percent returns the share; ok is false when it cannot be computed.
func (r Rate) Percent() (percent float64, ok bool) {
	if r.Denominator == 0 {
		return 0, false
	}
	return 100 * float64(r.Numerator) / float64(r.Denominator), true
}

// Waits is the distribution of a waiting time; N 0 means not computable.
type Waits struct {
	N           int
	Median, P90 time.Duration
}

// waits takes the nearest rank of the sorted times.
func waits(list []time.Duration) Waits {
	if len(list) == 0 {
		return Waits{}
	}
	slices.Sort(list)
	rank := func(percent int) time.Duration { return list[(len(list)*percent+99)/100-1] }
	return Waits{N: len(list), Median: rank(50), P90: rank(90)}
}

// StateCount is how many referrals of a direction are in a state.
type StateCount struct {
	Direction Direction
	State     string
	N         int64
}

// Ages are the open referrals by time since they were sent.
type Ages struct{ Day, ThreeDays, Week, Longer int64 }

func (a *Ages) add(age time.Duration, n int64) {
	const day = 24 * time.Hour
	switch {
	case age < day:
		a.Day += n
	case age < 3*day:
		a.ThreeDays += n
	case age < 7*day:
		a.Week += n
	default:
		a.Longer += n
	}
}

// Counts are the figures of the referrals that were sent in a period. 上转 and
// 下转例数 count arrivals. Closure is closed with a result ÷ (all sent −
// withdrawn − declined).
type Counts struct {
	Sent     int64
	ByState  []StateCount // by direction, then state
	Arrivals map[Direction]int64
	Accepted Waits // receiver's time until acceptance; time for questions not counted
	Closure  Rate
	OpenAge  Ages
}

// hasResult reports whether an outcome counts as a result.
func hasResult(outcome string) bool {
	return outcome == OutcomeReturned || outcome == OutcomeStays || outcome == OutcomeDeath
}

// tally is one referral as the counts see it.
type tally struct {
	direction Direction
	state     string
	submitted time.Time
	waited    time.Duration
	accepted  bool
	arrived   bool
	declined  bool
	result    bool
}

// sum adds referrals up. SQL rows and replayed events both end here, so that
// they can differ only in what they say about one referral.
func sum(list []tally, now time.Time) Counts {
	out := Counts{Arrivals: map[Direction]int64{}}
	groups := map[StateCount]int64{}
	var times []time.Duration
	terminal := map[string]bool{}
	for _, s := range states() {
		terminal[s.Name] = s.Terminal()
	}
	for _, t := range list {
		out.Sent++
		groups[StateCount{Direction: t.direction, State: t.state}]++
		if t.arrived {
			out.Arrivals[t.direction]++
		}
		if t.accepted {
			times = append(times, t.waited)
		}
		if t.state != StateWithdrawn && !t.declined {
			out.Closure.Denominator++
			if t.result {
				out.Closure.Numerator++
			}
		}
		if !terminal[t.state] {
			out.OpenAge.add(now.Sub(t.submitted), 1)
		}
	}
	for k, n := range groups {
		k.N = n
		out.ByState = append(out.ByState, k)
	}
	slices.SortFunc(out.ByState, func(a, b StateCount) int {
		return cmp.Or(cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.State, b.State))
	})
	out.Accepted = waits(times)
	return out
}

// History is one referral as its events tell it.
type History struct {
	Direction Direction
	Events    []flow.Event // oldest first
}

// Recount computes the counts from the events alone. It must say the same as
// the counts from the rows; a test holds the two together.
func Recount(histories []History, now time.Time) Counts {
	var list []tally
	for _, h := range histories {
		if t, sent := replay(h); sent {
			list = append(list, t)
		}
	}
	return sum(list, now)
}

// replay follows one referral through its events.
func replay(h History) (t tally, sent bool) {
	t.direction = h.Direction
	for _, e := range h.Events {
		if e.FromState == StateSubmitted && e.ToState != StateSubmitted && e.HeldSide == flow.To {
			t.waited += e.Held
		}
		t.state = e.ToState
		switch e.Action {
		case ActAccept:
			t.accepted = true
		case ActArrive:
			t.arrived = true
		case ActDecline:
			t.declined = true
		case ActAcknowledge, ActDeath, ActDeathAtTarget:
			t.result = true
		case ActSubmit, ActPass, ActElsewhere, ActRedirect, ActHandOn:
			if e.ToState != StateSubmitted {
				continue
			}
			t.waited, t.accepted, t.declined = 0, false, false
			if !sent {
				sent, t.submitted = true, e.At
			}
		}
	}
	return t, sent
}

// Scope says whose referrals are counted. From and To are business dates of
// sending, both inclusive; empty dates do not limit.
type Scope struct {
	Org      string    // an institution; empty: all of Region
	Side     flow.Side // as sender or receiver; Nobody: either
	Region   string    // a jurisdiction of the sending institution
	From, To calendar.Date
}

// Month is one institution's month.
type Month struct {
	Org, OrgName string // the institution on the other side of the scope: where to or where from
	Month        string // YYYY-MM
	Counts       Counts
}

// Overview is the page of figures.
type Overview struct {
	Counts
	Months []Month // by month, then institution
	Strays int64   // open cases without owner or clock: must be 0
	Now    time.Time
}

// row is a counted referral with what groups it.
type row struct {
	tally
	month          string
	from, fromName string
	to, toName     string
}

// Overview counts. Staff see their own institution, bureaus their region.
func (s *Service) Overview(ctx context.Context, actor access.Actor, scope Scope) (Overview, error) {
	if err := mayCount(actor, &scope); err != nil {
		return Overview{}, err
	}
	var out Overview
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		out, err = overview(ctx, tx, scope)
		return err
	})
	return out, err
}

// mayCount narrows the scope to what the actor may see, or refuses.
func mayCount(actor access.Actor, scope *Scope) error {
	role := access.Role(actor.Role)
	if access.Allowed(role, access.ReferralCount, access.Region) {
		if scope.Region == "" && len(actor.Regions) > 0 {
			scope.Region = actor.Regions[0]
		}
		if scope.Region != "" && slices.Contains(actor.Regions, scope.Region) && scope.Region == actor.Regions[0] {
			return nil
		}
		return errs.E(errs.Forbidden, "只能查看本辖区的统计")
	}
	if err := access.Require(actor, access.ReferralCount, access.Own); err != nil {
		return err
	}
	if scope.Org != "" && scope.Org != actor.Org {
		return errs.E(errs.Forbidden, "只能查看本机构的统计")
	}
	scope.Org = actor.Org
	return nil
}

func overview(ctx context.Context, tx *db.Tx, scope Scope) (Overview, error) {
	rows, err := counted(ctx, tx, scope)
	if err != nil {
		return Overview{}, err
	}
	out := Overview{Now: tx.Now}
	all := make([]tally, len(rows))
	type key struct{ month, org, name string }
	groups := map[key][]tally{}
	for i, r := range rows {
		all[i] = r.tally
		k := key{r.month, r.from, r.fromName}
		if scope.Side == flow.From || (scope.Side == flow.Nobody && scope.Org != "" && r.from == scope.Org) {
			k = key{r.month, r.to, r.toName}
		}
		groups[k] = append(groups[k], r.tally)
	}
	out.Counts = sum(all, tx.Now)
	for _, k := range slices.SortedFunc(maps.Keys(groups), func(a, b key) int {
		return cmp.Or(cmp.Compare(b.month, a.month), cmp.Compare(a.name, b.name), cmp.Compare(a.org, b.org))
	}) {
		out.Months = append(out.Months, Month{Org: k.org, OrgName: k.name, Month: k.month, Counts: sum(groups[k], tx.Now)})
	}
	out.Strays, err = flow.Strays(ctx, tx)
	return out, err
}

// counted reads the sent referrals of a scope from the rows.
func counted(ctx context.Context, tx *db.Tx, scope Scope) ([]row, error) {
	return db.List(ctx, tx, func(scan db.Scan) (r row, err error) {
		var submitted db.Time
		var waited int64
		var outcome string
		err = scan(&r.direction, &r.state, &submitted, &waited, &r.accepted, &r.arrived, &r.declined, &outcome,
			&r.month, &r.from, &r.fromName, &r.to, &r.toName)
		r.submitted, r.waited = submitted.Time, time.Duration(waited)*time.Millisecond
		r.result = r.state == StateClosed && hasResult(outcome)
		return r, err
	}, `
		SELECT r.direction, c.state, r.submitted_at, r.waited_ms, r.accepted_at IS NOT NULL, r.arrived_at IS NOT NULL, r.declined, c.outcome,
			substr(r.submitted_on, 1, 7), c.from_org, c.from_org_name, c.to_org, c.to_org_name
		FROM referral r JOIN flow_case c ON c.id = r.id
		WHERE r.submitted_at IS NOT NULL
		  AND (CAST($1 AS TEXT) = '' OR (c.from_org = $1 AND CAST($2 AS TEXT) <> 'to') OR (c.to_org = $1 AND CAST($2 AS TEXT) <> 'from'))
		  AND (CAST($3 AS TEXT) = '' OR ' ' || c.place_regions || ' ' LIKE '% ' || CAST($3 AS TEXT) || ' %')
		  AND (CAST($4 AS TEXT) = '' OR r.submitted_on >= $4)
		  AND (CAST($5 AS TEXT) = '' OR r.submitted_on <= $5)
		ORDER BY r.submitted_at, r.id`,
		scope.Org, string(scope.Side), scope.Region, string(scope.From), string(scope.To))
}
