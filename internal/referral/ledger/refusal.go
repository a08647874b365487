package ledger

import (
	"context"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
)

// Reason is how often an institution refused for one coded reason.
type Reason struct {
	Code, Title string
	N           int64
}

// Refuser is an institution that decided on referrals: how often it accepted
// and how often it refused, and why. A referral that two institutions refused
// counts for both.
type Refuser struct {
	Org, OrgName string
	Accepted     int64
	Refused      int64
	Reasons      []Reason // the most frequent first
}

// Percent is the share of refusals among all decisions; ok is false when
// nothing was decided.
func (r Refuser) Percent() (percent float64, ok bool) {
	if r.Accepted+r.Refused == 0 {
		return 0, false
	}
	return 100 * float64(r.Refused) / float64(r.Accepted+r.Refused), true
}

// Refusals returns who decided how on the referrals that were sent in a period:
// for staff on those of their institution, for bureaus on those of the region.
func Refusals(ctx context.Context, d *db.DB, actor access.Actor, side flow.Side, from, to calendar.Date) ([]Refuser, error) {
	org, region := actor.Org, ""
	if access.Allowed(access.Role(actor.Role), access.ReferralCount, access.Region) {
		if len(actor.Regions) == 0 {
			return nil, errs.E(errs.Forbidden, "只能查看本辖区的统计")
		}
		org, region = "", actor.Regions[0]
	} else if err := access.Require(actor, access.ReferralCount, access.Own); err != nil {
		return nil, err
	}
	var out []Refuser
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		out, err = refusals(ctx, tx, org, region, side, from, to)
		return err
	})
	return out, err
}

// decision is how often one institution decided in one way.
type decision struct {
	org, name, action string
	Reason
}

// refusals reads the decisions from the events. They come ordered by
// institution, so that one pass groups them.
func refusals(ctx context.Context, tx *db.Tx, org, region string, side flow.Side, from, to calendar.Date) ([]Refuser, error) {
	list, err := db.List(ctx, tx, func(scan db.Scan) (v decision, err error) {
		return v, scan(&v.org, &v.name, &v.action, &v.Code, &v.Title, &v.N)
	}, `
		SELECT v.org, v.org_name, v.action, v.reason, v.reason_title, count(*)
		FROM flow_event v JOIN flow_case c ON c.id = v.case_id JOIN referral r ON r.id = c.id
		WHERE v.kind = 'referral' AND v.action IN ('accept', 'decline', 'decline_down')
		  AND (CAST($1 AS TEXT) = '' OR (c.from_org = $1 AND CAST($2 AS TEXT) <> 'to') OR (v.org = $1 AND CAST($2 AS TEXT) <> 'from'))
		  AND (CAST($3 AS TEXT) = '' OR ' ' || c.place_regions || ' ' LIKE '% ' || CAST($3 AS TEXT) || ' %')
		  AND (CAST($4 AS TEXT) = '' OR r.submitted_on >= $4) AND (CAST($5 AS TEXT) = '' OR r.submitted_on <= $5)
		GROUP BY v.org, v.org_name, v.action, v.reason, v.reason_title
		ORDER BY v.org_name, v.org, count(*) DESC, v.reason`, org, string(side), region, string(from), string(to))
	if err != nil {
		return nil, err
	}
	var out []Refuser
	for _, v := range list {
		if len(out) == 0 || out[len(out)-1].Org != v.org {
			out = append(out, Refuser{Org: v.org, OrgName: v.name})
		}
		r := &out[len(out)-1]
		if v.action == "accept" {
			r.Accepted += v.N
			continue
		}
		r.Refused += v.N
		r.Reasons = append(r.Reasons, v.Reason)
	}
	return out, nil
}
