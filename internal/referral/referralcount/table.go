package referralcount

import (
	"cmp"
	"context"
	"slices"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
)

// Query says which referrals the table counts and how it splits them.
type Query struct {
	Scope
	Direction referral.Direction // "" all
	By        flow.Side          // institutions and departments of the sending (From) or the receiving side (To)
	Monthly   bool               // a row for each month
	Depts     bool               // a row for each department
}

// Cell names a row of the table, or one of its totals where a field is empty.
type Cell struct {
	Direction referral.Direction
	Month     string
	Org       string
	Dept      string
	NoDept    bool // the row of those that name no department
}

// Row is one row of the table. Followed counts down-referrals only: of those
// whose first follow-up was due or done (Due), how many have one (Followed).
type Row struct {
	Cell
	OrgName                            string
	Asked, Accepted, Arrived, Reported int64
	Followed, Due                      int64
	Refused                            int64 // declined at some time by anybody
	WaitingFrom, WaitingTo             int64 // open, the turn being the sender's, the receiver's
	Late                               int64 // open, and the clock has run out
}

// Add adds the figures of another row.
func (r *Row) Add(o Row) {
	for _, x := range []struct {
		into *int64
		n    int64
	}{{&r.Asked, o.Asked}, {&r.Accepted, o.Accepted}, {&r.Arrived, o.Arrived}, {&r.Reported, o.Reported}, {&r.Followed, o.Followed},
		{&r.Due, o.Due}, {&r.Refused, o.Refused}, {&r.WaitingFrom, o.WaitingFrom}, {&r.WaitingTo, o.WaitingTo}, {&r.Late, o.Late}} {
		*x.into += x.n
	}
}

// Waiting is an institution whose turn it is, with its open referrals.
type Waiting struct {
	Org, OrgName string
	Open, Late   int64
	Oldest       time.Time // since when the longest of them lies there
}

// Table is the table of counts.
type Table struct {
	Rows    []Row
	Total   Row
	Waiting []Waiting // most overdue first
	Now     time.Time
}

// sides adds the institution and department that the table is split by.
// Parameters 6 to 10 are those of Query.args.
const sides = `
	SELECT s.*,
		CASE WHEN CAST($6 AS TEXT) = 'to' THEN s.to_org ELSE s.from_org END AS side_org,
		CASE WHEN CAST($6 AS TEXT) = 'to' THEN s.to_org_name ELSE s.from_org_name END AS side_name,
		CASE WHEN CAST($6 AS TEXT) = 'to' THEN s.to_dept_name ELSE s.from_dept_name END AS side_dept,
		s.direction = 'down' AND s.arrived AND EXISTS (
			SELECT 1 FROM referral_down_date f WHERE f.referral = s.id AND (f.done_at IS NOT NULL OR f.due_on < CAST($7 AS TEXT))) AS due,
		s.direction = 'down' AND s.arrived AND EXISTS (
			SELECT 1 FROM referral_down_date f WHERE f.referral = s.id AND f.done_at IS NOT NULL) AS followed,
		EXISTS (SELECT 1 FROM flow_event v WHERE v.case_id = s.id AND v.action IN ('decline', 'decline_down')) AS refused,
		s.open AND s.due_at < CAST($8 AS BIGINT) AS late
	FROM (` + scoped + `) s
	WHERE CAST($9 AS TEXT) = '' OR s.direction = $9`

func (q Query) args(now time.Time) []any {
	return append(q.Scope.args(), string(q.By), string(calendar.DateOf(now)), db.At(now), string(q.Direction))
}

// ReadTable counts by direction, month, institution and department.
func ReadTable(ctx context.Context, d *db.DB, actor access.Actor, q Query) (Table, error) {
	if err := q.narrow(actor); err != nil {
		return Table{}, err
	}
	var out Table
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		out.Now = tx.Now
		if out.Rows, err = rows(ctx, tx, q); err != nil {
			return err
		}
		out.Waiting, err = waiting(ctx, tx, q)
		return err
	})
	for _, r := range out.Rows {
		out.Total.Add(r)
	}
	return out, err
}

func (q *Query) narrow(actor access.Actor) error {
	if q.By != flow.To {
		q.By = flow.From
	}
	return Narrow(actor, &q.Scope)
}

func rows(ctx context.Context, tx *db.Tx, q Query) ([]Row, error) {
	list, err := db.List(ctx, tx, func(scan db.Scan) (r Row, err error) {
		err = scan(&r.Direction, &r.Month, &r.Org, &r.OrgName, &r.Dept, &r.Asked, &r.Accepted, &r.Arrived, &r.Reported, &r.Followed, &r.Due,
			&r.Refused, &r.WaitingFrom, &r.WaitingTo, &r.Late)
		r.NoDept = q.Depts && r.Dept == ""
		return r, err
	}, `
		SELECT direction, month, side_org, side_name, dept, count(*), count(*) FILTER (WHERE accepted), count(*) FILTER (WHERE arrived),
			count(*) FILTER (WHERE reported), count(*) FILTER (WHERE followed), count(*) FILTER (WHERE due), count(*) FILTER (WHERE refused),
			count(*) FILTER (WHERE open AND turn = 'from'), count(*) FILTER (WHERE open AND turn = 'to'), count(*) FILTER (WHERE late)
		FROM (
			SELECT direction, CASE WHEN CAST($10 AS BOOLEAN) THEN month ELSE '' END AS month, side_org, side_name,
				CASE WHEN CAST($11 AS BOOLEAN) THEN side_dept ELSE '' END AS dept,
				accepted, arrived, reported, followed, due, refused, open, turn, late
			FROM (`+sides+`) t) g
		GROUP BY direction, month, side_org, side_name, dept`, append(q.args(tx.Now), q.Monthly, q.Depts)...)
	slices.SortFunc(list, func(a, b Row) int {
		return cmp.Or(cmp.Compare(b.Month, a.Month), cmp.Compare(order(a.Direction), order(b.Direction)), cmp.Compare(a.OrgName, b.OrgName),
			cmp.Compare(a.Org, b.Org), cmp.Compare(a.Dept, b.Dept))
	})
	return list, err
}

func order(d referral.Direction) int { return slices.Index(referral.Directions(), d) }

// waiting are the institutions whose turn it is.
func waiting(ctx context.Context, tx *db.Tx, q Query) ([]Waiting, error) {
	return db.List(ctx, tx, func(scan db.Scan) (w Waiting, err error) {
		var oldest db.Time
		err = scan(&w.Org, &w.OrgName, &w.Open, &w.Late, &oldest)
		w.Oldest = oldest.Time
		return w, err
	}, `
		SELECT t.owner_org, coalesce(max(o.name), ''), count(*), count(*) FILTER (WHERE t.late), min(c.entered_at)
		FROM (`+sides+`) t JOIN flow_case c ON c.id = t.id LEFT JOIN organization o ON o.id = t.owner_org
		WHERE t.open
		GROUP BY t.owner_org ORDER BY 4 DESC, 3 DESC, 1`, q.args(tx.Now)...)
}

// Measure is what a figure counts.
type Measure string

// The measures; each is a column of the table.
const (
	Asked       Measure = "asked"
	Accepted    Measure = "accepted"
	Arrived     Measure = "arrived"
	Reported    Measure = "reported"
	Followed    Measure = "followed"
	Due         Measure = "due"
	Refused     Measure = "refused"
	WaitingFrom Measure = "waiting_from"
	WaitingTo   Measure = "waiting_to"
	Late        Measure = "late"
	Open        Measure = "open" // open at the institution Pick.Holder
)

// Measures returns the measures in the order of the columns.
func Measures() []Measure {
	return []Measure{Asked, Accepted, Arrived, Reported, Followed, Due, Refused, WaitingFrom, WaitingTo, Late, Open}
}

var measureTitles = map[Measure]string{
	Asked: "提交", Accepted: "受理", Arrived: "到诊", Reported: "回转", Followed: "已随访", Due: "应随访", Refused: "曾被退回",
	WaitingFrom: "等转出方", WaitingTo: "等接收方", Late: "已超时", Open: "未办结",
}

// Title is the measure in Chinese.
func (m Measure) Title() string { return measureTitles[m] }

// Of returns the figure of a row.
func (m Measure) Of(r Row) int64 {
	return map[Measure]int64{Asked: r.Asked, Accepted: r.Accepted, Arrived: r.Arrived, Reported: r.Reported, Followed: r.Followed, Due: r.Due,
		Refused: r.Refused, WaitingFrom: r.WaitingFrom, WaitingTo: r.WaitingTo, Late: r.Late}[m]
}

// Pick says which referrals of a query stand behind a figure.
type Pick struct {
	Measure Measure
	Cell
	Holder  string // institution whose turn it is
	Refuser string // institution that has refused them
	Reason  string // code of the reason for which it has
	Limit   int    // 0: 50
	Offset  int
}

// Case is a referral behind a figure. It names no person and no diagnosis, so
// that a bureau may open its figures too.
type Case struct {
	ID, Number            string
	Direction             referral.Direction
	SubmittedOn           calendar.Date
	From, FromDept        string
	To, ToDept            string
	State                 string
	Late                  bool
	ArrivedAt, ReportedAt time.Time
	Mine                  bool // the actor's institution takes part and he may open cases
}

// Cases are the referrals behind a figure, the newest first, with their number.
func Cases(ctx context.Context, d *db.DB, actor access.Actor, q Query, p Pick) (list []Case, total int64, err error) {
	if err := q.narrow(actor); err != nil {
		return nil, 0, err
	}
	if !slices.Contains(Measures(), p.Measure) {
		return nil, 0, errs.E(errs.Invalid, "没有这一项统计")
	}
	if p.Limit <= 0 || p.Limit > 500 {
		p.Limit = 50
	}
	opens := access.May(actor, access.ReferralRead, access.Own)
	err = d.View(ctx, func(tx *db.Tx) (err error) {
		args := append(q.args(tx.Now), string(p.Measure), string(p.Direction), p.Month, p.Org, p.Dept, p.NoDept, p.Holder, p.Refuser, p.Reason)
		if total, err = db.Count(ctx, tx, `SELECT count(*) FROM (`+sides+`) t WHERE `+picked, args...); err != nil {
			return err
		}
		list, err = cases(ctx, tx, append(args, p.Limit, p.Offset))
		for i := range list {
			list[i].Mine = opens && list[i].Mine
		}
		return err
	})
	return list, total, err
}

// picked narrows sides to one figure. Parameters 10 to 18 are those of Pick.
const picked = `(CAST($10 AS TEXT) = 'asked' OR (CAST($10 AS TEXT) = 'accepted' AND accepted) OR (CAST($10 AS TEXT) = 'arrived' AND arrived)
		OR (CAST($10 AS TEXT) = 'reported' AND reported) OR (CAST($10 AS TEXT) = 'followed' AND followed) OR (CAST($10 AS TEXT) = 'due' AND due)
		OR (CAST($10 AS TEXT) = 'refused' AND refused) OR (CAST($10 AS TEXT) = 'waiting_from' AND open AND turn = 'from')
		OR (CAST($10 AS TEXT) = 'waiting_to' AND open AND turn = 'to') OR (CAST($10 AS TEXT) = 'late' AND late) OR (CAST($10 AS TEXT) = 'open' AND open))
	AND (CAST($11 AS TEXT) = '' OR direction = $11) AND (CAST($12 AS TEXT) = '' OR month = $12) AND (CAST($13 AS TEXT) = '' OR side_org = $13)
	AND (CAST($14 AS TEXT) = '' OR side_dept = $14) AND (NOT CAST($15 AS BOOLEAN) OR side_dept = '') AND (CAST($16 AS TEXT) = '' OR owner_org = $16)
	AND (CAST($17 AS TEXT) = '' OR EXISTS (SELECT 1 FROM flow_event v WHERE v.case_id = t.id AND v.action IN ('decline', 'decline_down')
		AND v.org = $17 AND (CAST($18 AS TEXT) = '' OR v.reason = $18)))`

func cases(ctx context.Context, tx *db.Tx, args []any) ([]Case, error) {
	return db.List(ctx, tx, func(scan db.Scan) (c Case, err error) {
		var arrived, reported db.Time
		err = scan(&c.ID, &c.Number, &c.Direction, &c.SubmittedOn, &c.From, &c.FromDept, &c.To, &c.ToDept, &c.State, &c.Late, &arrived, &reported, &c.Mine)
		c.ArrivedAt, c.ReportedAt = arrived.Time, reported.Time
		return c, err
	}, `
		SELECT t.id, t.number, t.direction, t.submitted_on, t.from_org_name, t.from_dept_name, t.to_org_name, t.to_dept_name, t.state,
			coalesce(t.late, CAST($21 AS BOOLEAN)), t.arrived_at, t.completed_at, CAST($1 AS TEXT) <> ''
		FROM (`+sides+`) t WHERE `+picked+`
		ORDER BY t.submitted_at DESC, t.id LIMIT $19 OFFSET $20`, append(args, false)...)
}

// Sent is what an institution has sent in a scope.
type Sent struct {
	Org     string
	Arrived int64         // 上转、下转例数: whose patients have arrived
	First   calendar.Date // day of the first of them that was sent
}

// SentBy counts the referrals of a direction by sending institution.
func SentBy(ctx context.Context, tx *db.Tx, scope Scope, direction referral.Direction) (map[string]Sent, error) {
	list, err := db.List(ctx, tx, func(scan db.Scan) (s Sent, err error) { return s, scan(&s.Org, &s.Arrived, &s.First) }, `
		SELECT from_org, count(*) FILTER (WHERE arrived), min(submitted_on) FROM (`+scoped+`) s WHERE s.direction = $6 GROUP BY from_org`,
		append(scope.args(), string(direction))...)
	out := map[string]Sent{}
	for _, s := range list {
		out[s.Org] = s
	}
	return out, err
}

// FirstSent is the day on which an institution sent its first referral of a
// direction over the platform, "" when it has sent none. Back-entries do not
// count: they tell of days without the platform.
func FirstSent(ctx context.Context, tx *db.Tx, org string, direction referral.Direction) (calendar.Date, error) {
	return db.Get(ctx, tx, "首张转诊单", db.Value[calendar.Date], `
		SELECT coalesce(min(r.submitted_on), '') FROM referral r JOIN flow_case c ON c.id = r.id
		WHERE r.submitted_at IS NOT NULL AND c.from_org = $1 AND r.direction = $2
		  AND NOT EXISTS (SELECT 1 FROM referral_emergency e WHERE e.referral = r.id AND e.back_entry)`, org, string(direction))
}
