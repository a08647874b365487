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

// row is a counted referral with what groups it.
type row struct {
	tally
	month          string
	from, fromName string
	to, toName     string
}

// Read counts. Staff see their own institution, bureaus their region.
func Read(ctx context.Context, d *db.DB, actor access.Actor, scope Scope) (Overview, error) {
	if err := mayCount(actor, &scope); err != nil {
		return Overview{}, err
	}
	var out Overview
	err := d.View(ctx, func(tx *db.Tx) (err error) {
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
		var submitted, due db.Time
		var waited, confirmed int64
		var outcome string
		err = scan(&r.direction, &r.state, &submitted, &waited, &r.accepted, &r.arrived, &r.declined, &r.reported, &due, &outcome,
			&r.month, &r.from, &r.fromName, &r.to, &r.toName, &r.emergency, &r.backEntry, &confirmed)
		r.confirmed = time.Duration(confirmed) * time.Millisecond
		r.submitted, r.due, r.waited = submitted.Time, due.Time, time.Duration(waited)*time.Millisecond
		r.result = r.state == referral.StateClosed && hasResult(outcome)
		return r, err
	}, `
		SELECT r.direction, c.state, r.submitted_at, r.waited_ms, r.accepted_at IS NOT NULL, r.arrived_at IS NOT NULL, r.declined,
			r.completed_at IS NOT NULL, c.due_at, c.outcome,
			substr(r.submitted_on, 1, 7), c.from_org, c.from_org_name, c.to_org, c.to_org_name,
			e.referral IS NOT NULL AND NOT e.back_entry, COALESCE(e.back_entry, $6), COALESCE(e.waited_ms, 0)
		FROM referral r JOIN flow_case c ON c.id = r.id LEFT JOIN referral_emergency e ON e.referral = r.id
		WHERE r.submitted_at IS NOT NULL
		  AND (CAST($1 AS TEXT) = '' OR (c.from_org = $1 AND CAST($2 AS TEXT) <> 'to') OR (c.to_org = $1 AND CAST($2 AS TEXT) <> 'from'))
		  AND (CAST($3 AS TEXT) = '' OR ' ' || c.place_regions || ' ' LIKE '% ' || CAST($3 AS TEXT) || ' %')
		  AND (CAST($4 AS TEXT) = '' OR r.submitted_on >= $4)
		  AND (CAST($5 AS TEXT) = '' OR r.submitted_on <= $5)
		ORDER BY r.submitted_at, r.id`,
		scope.Org, string(scope.Side), scope.Region, string(scope.From), string(scope.To), false)
}
