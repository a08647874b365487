package referralcount

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/organization"
)

// Quarter is a quarter of a year.
type Quarter struct{ Year, N int }

// QuarterOf is the quarter that a day lies in.
func QuarterOf(d calendar.Date) Quarter {
	return Quarter{d.Year(), (int(d.Time().Month()) + 2) / 3}
}

// ParseQuarter reads 2026-1.
func ParseQuarter(s string) (q Quarter, err error) {
	if _, err := fmt.Sscanf(s, "%d-%d", &q.Year, &q.N); err != nil || q.N < 1 || q.N > 4 || q.Year < 1949 || q.Year > 2999 || q.String() != s {
		return q, errs.E(errs.Invalid, "“%s”不是季度，请从列表中选择", s)
	}
	return q, nil
}

func (q Quarter) String() string { return fmt.Sprintf("%d-%d", q.Year, q.N) }

// Title is the quarter in Chinese.
func (q Quarter) Title() string { return fmt.Sprintf("%d 年第 %d 季度", q.Year, q.N) }

// Before is the quarter n quarters earlier.
func (q Quarter) Before(n int) Quarter {
	i := q.Year*4 + q.N - 1 - n
	return Quarter{i / 4, i%4 + 1}
}

// First is its first day.
func (q Quarter) First() calendar.Date {
	return calendar.DateOf(time.Date(q.Year, time.Month(q.N*3-2), 1, 12, 0, 0, 0, time.UTC))
}

// Last is its last day.
func (q Quarter) Last() calendar.Date { return q.Before(-1).First().AddDays(-1) }

// Received is what came to one member of an alliance in a quarter, while it was
// a member: referrals sent to it, visits counted there, and what the funds paid
// for them.
type Received struct {
	Alliance, AllianceName string
	Org, OrgName           string
	Private                bool
	From, To               calendar.Date // days of the quarter on which it was a member
	Referrals              int64
	Visits, Unstated       int64 // Unstated: visits of which no source says what the funds paid
	Fund                   encounter.Fen
}

// Share is one alliance's quarter: how much of what came to its members came to
// private ones (A11; GB-6.3 asks that they are not squeezed out).
type Share struct {
	Alliance, Name  string
	Members         int
	PrivateMembers  int
	Referrals       Rate
	Fund            Rate // fen; without a stated amount it is not measured, which is not zero
	Measured        bool
	Unstated        int64
	PrivateReceived []Received
}

// Shares reads the quarter of every alliance that lies in the jurisdiction of
// the actor. An institution has no share of its own alliance to see, so that
// only those who count a jurisdiction may ask.
func Shares(ctx context.Context, d *db.DB, actor access.Actor, q Quarter) ([]Share, error) {
	scope := Scope{From: q.First(), To: q.Last()}
	if err := access.Require(actor, access.ReferralCount, access.Region); err != nil {
		return nil, err
	}
	if err := Narrow(actor, &scope); err != nil {
		return nil, err
	}
	var all []Received
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		all, err = received(ctx, tx, scope)
		return err
	})
	return shares(all), err
}

// shares adds the members up by alliance.
func shares(all []Received) []Share {
	var out []Share
	seen := map[string]bool{}
	for _, m := range all {
		i := slices.IndexFunc(out, func(s Share) bool { return s.Alliance == m.Alliance })
		if i < 0 {
			out, i = append(out, Share{Alliance: m.Alliance, Name: m.AllianceName}), len(out)
		}
		s, first := &out[i], !seen[m.Alliance+m.Org]
		seen[m.Alliance+m.Org] = true
		if first {
			s.Members++
		}
		s.Referrals.Denominator += m.Referrals
		s.Fund.Denominator += m.Fund.Amount
		s.Measured = s.Measured || m.Fund.Known
		s.Unstated += m.Unstated
		if !m.Private {
			continue
		}
		if first {
			s.PrivateMembers++
		}
		s.Referrals.Numerator += m.Referrals
		s.Fund.Numerator += m.Fund.Amount
		s.PrivateReceived = append(s.PrivateReceived, m)
	}
	slices.SortFunc(out, func(a, b Share) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// member joins a row to the membership that held on its day, as known now.
const member = `m.known_to IS NULL AND m.role <> 'link' AND m.valid_from <= `

func received(ctx context.Context, tx *db.Tx, scope Scope) ([]Received, error) {
	type key struct {
		Received
		id string
	}
	list, err := db.List(ctx, tx, func(scan db.Scan) (k key, err error) {
		var to db.Null
		var ownership organization.Ownership
		err = scan(&k.id, &k.Alliance, &k.AllianceName, &k.Org, &k.OrgName, &ownership, &k.From, &to)
		k.Private = ownership == organization.Private
		k.From, k.To = max(k.From, scope.From), scope.To
		if to != "" {
			k.To = min(k.To, calendar.Date(to))
		}
		return k, err
	}, `
		SELECT m.id, a.id, a.name, o.id, o.name, o.ownership, m.valid_from, m.valid_to
		FROM alliance_membership m JOIN alliance a ON a.id = m.alliance JOIN organization o ON o.id = m.org
		WHERE `+member+`$2 AND (m.valid_to IS NULL OR m.valid_to >= $1) AND a.region LIKE CAST($3 AS TEXT) || '%'
		ORDER BY a.name, o.name, m.id`, string(scope.From), string(scope.To), scope.Region)
	if err != nil {
		return nil, err
	}
	byID := map[string]*Received{}
	for i := range list {
		byID[list[i].id] = &list[i].Received
	}
	if err := addReferrals(ctx, tx, scope, byID); err != nil {
		return nil, err
	}
	if err := addFund(ctx, tx, scope, byID); err != nil {
		return nil, err
	}
	out := make([]Received, len(list))
	for i, k := range list {
		out[i] = k.Received
	}
	return out, nil
}

func addReferrals(ctx context.Context, tx *db.Tx, scope Scope, byID map[string]*Received) error {
	type row struct {
		id string
		n  int64
	}
	list, err := db.List(ctx, tx, func(scan db.Scan) (r row, err error) { return r, scan(&r.id, &r.n) }, `
		SELECT m.id, count(*) FROM (`+scoped+`) s
		JOIN alliance_membership m ON m.org = s.to_org AND `+member+`s.submitted_on AND (m.valid_to IS NULL OR m.valid_to >= s.submitted_on)
		GROUP BY m.id`, scope.args()...)
	for _, r := range list {
		if m := byID[r.id]; m != nil {
			m.Referrals = r.n
		}
	}
	return err
}

func addFund(ctx context.Context, tx *db.Tx, scope Scope, byID map[string]*Received) error {
	type row struct {
		id               string
		visits, unstated int64
		fund             encounter.Fen
	}
	list, err := db.List(ctx, tx, func(scan db.Scan) (r row, err error) {
		return r, scan(&r.id, &r.visits, &r.unstated, &r.fund)
	}, `
		SELECT m.id, CAST(sum(e.visits) AS BIGINT), CAST(sum(CASE WHEN e.fund_fen IS NULL THEN e.visits ELSE 0 END) AS BIGINT), CAST(sum(e.fund_fen) AS BIGINT)
		FROM encounter e
		JOIN alliance_membership m ON m.org = e.org AND `+member+`e.counted_on AND (m.valid_to IS NULL OR m.valid_to >= e.counted_on)
		WHERE e.current AND e.voided_at IS NULL AND e.counted_on >= $1 AND e.counted_on <= $2
		GROUP BY m.id`, string(scope.From), string(scope.To))
	for _, r := range list {
		if m := byID[r.id]; m != nil {
			m.Visits, m.Unstated, m.Fund = r.visits, r.unstated, r.fund
		}
	}
	return err
}
