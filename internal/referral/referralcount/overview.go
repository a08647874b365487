package referralcount

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
	"yilian/internal/referral"
)

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

// Read counts. Staff see their own institution, bureaus their region.
func Read(ctx context.Context, d *db.DB, actor access.Actor, scope Scope) (Overview, error) {
	if err := Narrow(actor, &scope); err != nil {
		return Overview{}, err
	}
	var out Overview
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		out, err = overview(ctx, tx, scope)
		return err
	})
	return out, err
}

// Narrow narrows the scope to what the actor may see, or refuses.
func Narrow(actor access.Actor, scope *Scope) error {
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

// group is what the database adds up: the referrals of one month, institution,
// direction and state. The groups are few, however many referrals there are.
type group struct {
	Counts
	month, org, name string
}

func overview(ctx context.Context, tx *db.Tx, scope Scope) (Overview, error) {
	groups, err := groups(ctx, tx, scope)
	if err != nil {
		return Overview{}, err
	}
	out := Overview{Now: tx.Now, Counts: Counts{Arrivals: map[referral.Direction]int64{}}}
	type key struct{ month, org, name string }
	months := map[key]*Counts{}
	for _, g := range groups {
		k := key{g.month, g.org, g.name}
		if months[k] == nil {
			months[k] = &Counts{Arrivals: map[referral.Direction]int64{}}
		}
		out.add(g.Counts)
		months[k].add(g.Counts)
	}
	if err := out.waits(ctx, tx, scope); err != nil {
		return out, err
	}
	waits, err := waitsByMonth(ctx, tx, scope)
	if err != nil {
		return out, err
	}
	for _, k := range slices.SortedFunc(maps.Keys(months), func(a, b key) int {
		return cmp.Or(cmp.Compare(b.month, a.month), cmp.Compare(a.name, b.name), cmp.Compare(a.org, b.org))
	}) {
		c := months[k]
		c.sort()
		c.Accepted = waits[place{k.month, k.org}]
		out.Months = append(out.Months, Month{Org: k.org, OrgName: k.name, Month: k.month, Counts: *c})
	}
	out.sort()
	out.Strays, err = flow.Strays(ctx, tx)
	return out, err
}

// add adds the figures of other referrals; waiting times do not add up.
func (c *Counts) add(o Counts) {
	c.Sent += o.Sent
	for d, n := range o.Arrivals {
		c.Arrivals[d] += n
	}
	for _, s := range o.ByState {
		i := slices.IndexFunc(c.ByState, func(x StateCount) bool { return x.Direction == s.Direction && x.State == s.State })
		if i < 0 {
			c.ByState = append(c.ByState, s)
		} else {
			c.ByState[i].N += s.N
		}
	}
	c.Closure.add(o.Closure)
	c.Reported.add(o.Reported)
	c.OpenAge.Day += o.OpenAge.Day
	c.OpenAge.ThreeDays += o.OpenAge.ThreeDays
	c.OpenAge.Week += o.OpenAge.Week
	c.OpenAge.Longer += o.OpenAge.Longer
	c.Emergencies += o.Emergencies
	c.BackEntries += o.BackEntries
}

func (r *Rate) add(o Rate) {
	r.Numerator, r.Denominator = r.Numerator+o.Numerator, r.Denominator+o.Denominator
}

// sort puts the states in the order that Recount gives them.
func (c *Counts) sort() {
	slices.SortFunc(c.ByState, func(a, b StateCount) int {
		return cmp.Or(cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.State, b.State))
	})
}

// scoped are the sent referrals of a scope, one row each, inside a statement.
// Parameters 1 to 5 are those of scope.args.
const scoped = `
	SELECT r.id, r.direction, c.state, c.outcome, r.submitted_at, r.submitted_on, substr(r.submitted_on, 1, 7) AS month, r.waited_ms,
		r.accepted_at IS NOT NULL AS accepted, r.arrived_at IS NOT NULL AS arrived, r.completed_at IS NOT NULL AS reported, r.declined,
		c.closed_at IS NULL AS open, c.due_at, c.turn, c.owner_org, c.number, r.arrived_at, r.completed_at,
		c.from_org, c.from_org_name, c.from_dept_name, c.to_org, c.to_org_name, c.to_dept_name,
		CASE WHEN CAST($2 AS TEXT) = 'from' OR (CAST($2 AS TEXT) = '' AND CAST($1 AS TEXT) <> '' AND c.from_org = $1) THEN c.to_org ELSE c.from_org END AS other,
		CASE WHEN CAST($2 AS TEXT) = 'from' OR (CAST($2 AS TEXT) = '' AND CAST($1 AS TEXT) <> '' AND c.from_org = $1) THEN c.to_org_name ELSE c.from_org_name END AS other_name
	FROM referral r JOIN flow_case c ON c.id = r.id
	WHERE r.submitted_at IS NOT NULL
	  AND (CAST($1 AS TEXT) = '' OR (c.from_org = $1 AND CAST($2 AS TEXT) <> 'to') OR (c.to_org = $1 AND CAST($2 AS TEXT) <> 'from'))
	  AND (CAST($3 AS TEXT) = '' OR ' ' || c.place_regions || ' ' LIKE '% ' || CAST($3 AS TEXT) || ' %')
	  AND r.submitted_on >= $4 AND r.submitted_on <= $5`

// args fills the parameters of scoped. Open ends are the first and last days
// that a date can be, so that the index on the day of sending serves.
func (s Scope) args() []any {
	return []any{s.Org, string(s.Side), s.Region, string(cmp.Or(s.From, "0000-00-00")), string(cmp.Or(s.To, "9999-99-99"))}
}

// groups adds the referrals of a scope up in the database.
func groups(ctx context.Context, tx *db.Tx, scope Scope) ([]group, error) {
	return db.List(ctx, tx, func(scan db.Scan) (g group, err error) {
		var direction referral.Direction
		var state string
		var arrived int64
		err = scan(&g.month, &g.org, &g.name, &direction, &state, &g.Sent, &arrived, &g.Closure.Numerator, &g.Closure.Denominator,
			&g.Reported.Numerator, &g.Reported.Denominator, &g.OpenAge.Day, &g.OpenAge.ThreeDays, &g.OpenAge.Week, &g.OpenAge.Longer,
			&g.Emergencies, &g.BackEntries)
		g.ByState = []StateCount{{Direction: direction, State: state, N: g.Sent}}
		if arrived > 0 {
			g.Arrivals = map[referral.Direction]int64{direction: arrived}
		}
		return g, err
	}, `
		SELECT month, other, other_name, direction, state, count(*), count(*) FILTER (WHERE arrived),
			count(*) FILTER (WHERE state = 'closed' AND NOT declined AND outcome IN ('treated_returned', 'treated_stays', 'death')),
			count(*) FILTER (WHERE state <> 'withdrawn' AND NOT declined),
			count(*) FILTER (WHERE reported),
			count(*) FILTER (WHERE reported OR (state IN ('arrived', 'in_care') AND due_at < $6)),
			count(*) FILTER (WHERE open AND submitted_at > $7),
			count(*) FILTER (WHERE open AND submitted_at <= $7 AND submitted_at > $8),
			count(*) FILTER (WHERE open AND submitted_at <= $8 AND submitted_at > $9),
			count(*) FILTER (WHERE open AND submitted_at <= $9),
			count(*) FILTER (WHERE e.referral IS NOT NULL AND NOT e.back_entry),
			count(*) FILTER (WHERE e.back_entry)
		FROM (`+scoped+`) s LEFT JOIN referral_emergency e ON e.referral = s.id
		GROUP BY month, other, other_name, direction, state`,
		append(scope.args(), db.At(tx.Now), db.At(tx.Now.AddDate(0, 0, -1)), db.At(tx.Now.AddDate(0, 0, -3)), db.At(tx.Now.AddDate(0, 0, -7)))...)
}

// place is an institution's month; both empty: everything.
type place struct{ month, org string }

// quantile is a waiting time at a rank among n.
type quantile struct {
	place
	n, rank int64
	at      time.Duration
}

// collect makes waits of the quantiles that ranked statements return.
func collect(list []quantile) map[place]Waits {
	out := map[place]Waits{}
	for _, q := range list {
		w := out[q.place]
		w.N = int(q.n)
		if q.rank == rank(q.n, 50) {
			w.Median = q.at
		}
		if q.rank == rank(q.n, 90) {
			w.P90 = q.at
		}
		out[q.place] = w
	}
	return out
}

// rank is the nearest rank of a percentile among n, from 1.
func rank(n, percent int64) int64 { return (n*percent + 99) / 100 }

func readQuantile(scan db.Scan) (q quantile, err error) {
	var ms int64
	err = scan(&q.month, &q.org, &q.n, &q.rank, &ms)
	q.at = time.Duration(ms) * time.Millisecond
	return q, err
}

// waitsByMonth are the receivers' times until acceptance by month and
// institution.
func waitsByMonth(ctx context.Context, tx *db.Tx, scope Scope) (map[place]Waits, error) {
	list, err := db.List(ctx, tx, readQuantile, `
		SELECT month, other, n, i, ms FROM (
			SELECT month, other, waited_ms AS ms, count(*) OVER (PARTITION BY month, other) AS n,
				row_number() OVER (PARTITION BY month, other ORDER BY waited_ms) AS i
			FROM (`+scoped+`) s WHERE accepted) q
		WHERE i = (n * 50 + 99) / 100 OR i = (n * 90 + 99) / 100`, scope.args()...)
	return collect(list), err
}

// waits reads the waiting times of the whole scope.
func (c *Counts) waits(ctx context.Context, tx *db.Tx, scope Scope) error {
	accepted, err := db.List(ctx, tx, readQuantile, `
		SELECT '', '', n, i, ms FROM (
			SELECT waited_ms AS ms, count(*) OVER () AS n, row_number() OVER (ORDER BY waited_ms) AS i
			FROM (`+scoped+`) s WHERE accepted) q
		WHERE i = (n * 50 + 99) / 100 OR i = (n * 90 + 99) / 100`, scope.args()...)
	if err != nil {
		return err
	}
	confirmed, err := db.List(ctx, tx, readQuantile, `
		SELECT '', '', n, i, ms FROM (
			SELECT e.waited_ms AS ms, count(*) OVER () AS n, row_number() OVER (ORDER BY e.waited_ms) AS i
			FROM (`+scoped+`) s JOIN referral_emergency e ON e.referral = s.id WHERE e.waited_ms > 0) q
		WHERE i = (n * 50 + 99) / 100 OR i = (n * 90 + 99) / 100`, scope.args()...)
	c.Accepted, c.Confirmed = collect(accepted)[place{}], collect(confirmed)[place{}]
	return err
}
