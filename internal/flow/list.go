package flow

import (
	"context"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/policy"
)

// Query selects cases for a worklist. Empty fields do not filter.
type Query struct {
	Kind    string
	Org     string // institution of the reader
	Side    Side   // on which side it stands; Nobody: either
	State   string
	Urgency string
	Text    string // beginning of the number, or part of the subject
	Open    bool   // open cases only
	Patient string
	Limit   int // 0: 50
	Offset  int
}

const worklistWhere = `
	(CAST($1 AS TEXT) = '' OR kind = $1)
	AND (CAST($2 AS TEXT) = '' OR (from_org = $2 AND CAST($3 AS TEXT) <> 'to') OR (to_org = $2 AND CAST($3 AS TEXT) <> 'from'))
	AND (CAST($4 AS TEXT) = '' OR state = $4)
	AND (CAST($5 AS TEXT) = '' OR urgency = $5)
	AND (CAST($6 AS TEXT) = '' OR number LIKE CAST($6 AS TEXT) || '%' OR subject LIKE '%' || CAST($6 AS TEXT) || '%')
	AND (CAST($7 AS TEXT) = '' OR patient IN (SELECT CAST($7 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $7))
	AND (NOT CAST($8 AS BOOLEAN) OR closed_at IS NULL)
	AND (from_org = CAST($2 AS TEXT) OR state <> 'draft' OR CAST($2 AS TEXT) = '')`

func (q Query) args() []any {
	return []any{q.Kind, q.Org, string(q.Side), q.State, q.Urgency, q.Text, q.Patient, q.Open}
}

// Worklist returns cases, open ones first, the clock that breaks first on top,
// then the newest closed.
func Worklist(ctx context.Context, tx *db.Tx, q Query) ([]Case, error) {
	if q.Limit == 0 {
		q.Limit = 50
	}
	return db.List(ctx, tx, scanCase, `SELECT `+caseColumns+` FROM flow_case WHERE `+worklistWhere+`
		ORDER BY CASE WHEN closed_at IS NULL THEN 0 ELSE 1 END, due_at NULLS LAST, closed_at DESC, id
		LIMIT $9 OFFSET $10`,
		append(q.args(), q.Limit, q.Offset)...)
}

// StateCount is how many cases of a worklist are in a state.
type StateCount struct {
	Kind, State string
	N           int64
}

// Counts returns the cases of a worklist by state; q.State does not filter.
func Counts(ctx context.Context, tx *db.Tx, q Query) ([]StateCount, error) {
	q.State = ""
	return db.List(ctx, tx, func(scan db.Scan) (s StateCount, err error) {
		return s, scan(&s.Kind, &s.State, &s.N)
	}, `SELECT kind, state, count(*) FROM flow_case WHERE `+worklistWhere+` GROUP BY kind, state ORDER BY kind, state`, q.args()...)
}

const todoWhere = `
	closed_at IS NULL AND owner_org = $1
	AND (owner = $2 OR (owner = '' AND owner_role = $3 AND (owner_dept = '' OR CAST($4 AS TEXT) = '' OR owner_dept = $4)))`

func todoArgs(a access.Actor) []any {
	return []any{a.Org, personOf(a), a.Role, a.Department}
}

// Todo returns what waits for the actor in his present post, over all kinds:
// what he holds himself and what lies in the queue of his role, the clock that
// breaks first on top.
func Todo(ctx context.Context, tx *db.Tx, actor access.Actor, limit int) ([]Case, error) {
	return db.List(ctx, tx, scanCase, `SELECT `+caseColumns+` FROM flow_case WHERE `+todoWhere+`
		ORDER BY due_at, id LIMIT $5`, append(todoArgs(actor), limit)...)
}

// TodoCount is what a menu badge shows: how many wait, how many are late.
type TodoCount struct{ Waiting, Overdue int64 }

// CountTodo counts what waits for the actor.
func CountTodo(ctx context.Context, tx *db.Tx, actor access.Actor) (TodoCount, error) {
	return db.Get(ctx, tx, "待办", func(scan db.Scan) (c TodoCount, err error) {
		return c, scan(&c.Waiting, &c.Overdue)
	}, `SELECT count(*), count(*) FILTER (WHERE due_at < $5) FROM flow_case WHERE `+todoWhere,
		append(todoArgs(actor), db.At(tx.Now))...)
}

// Strays counts open cases without an owner or a clock: the figure that every
// overview shows and that must be 0.
func Strays(ctx context.Context, tx *db.Tx) (int64, error) {
	return db.Count(ctx, tx, `
		SELECT count(*) FROM flow_case
		WHERE closed_at IS NULL AND (owner_org = '' OR owner_role = '' OR due_at IS NULL)`)
}

// ByPatient returns a person's cases, through whichever identity they were
// opened, the newest first.
func ByPatient(ctx context.Context, tx *db.Tx, patient string, limit int) ([]Case, error) {
	return db.List(ctx, tx, scanCase, `SELECT `+caseColumns+` FROM flow_case WHERE patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		ORDER BY opened_at DESC, id DESC LIMIT $2`, patient, limit)
}

// Held is the time that a case has lain on each side, paused time counted for
// the side that was asked. It is summed from the events, so that "waiting for
// us" and "waiting for them" can never drift apart from the timeline.
func Held(events []Event, c Case, now time.Time) (from, to time.Duration) {
	for _, v := range events {
		switch v.HeldSide {
		case From:
			from += v.Held
		case To:
			to += v.Held
		}
	}
	if c.Open() {
		if c.Turn == From {
			from += now.Sub(c.EnteredAt)
		} else {
			to += now.Sub(c.EnteredAt)
		}
	}
	return from, to
}

// ByIDs returns cases by id, in the order of ids; unknown ids are left out.
func ByIDs(ctx context.Context, tx *db.Tx, ids []string) ([]Case, error) {
	query, args := db.Expand(`SELECT `+caseColumns+` FROM flow_case WHERE id IN ($list)`, nil, ids)
	list, err := db.List(ctx, tx, scanCase, query, args...)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]Case, len(list))
	for _, c := range list {
		byID[c.ID] = c
	}
	out := make([]Case, 0, len(ids))
	for _, id := range ids {
		if c, ok := byID[id]; ok {
			out = append(out, c)
		}
	}
	return out, nil
}

// Clock is a deadline that open cases of one kind are waiting under.
type Clock struct {
	Kind  string
	Key   string // policy key of the deadline
	Rule  string // the deadline as it was decided: 1wd
	Place policy.Place
	N     int64
}

// OpenClocks counts the open cases by the deadline that they wait under, so
// that a change of policy can say what it leaves as it is.
func OpenClocks(ctx context.Context, tx *db.Tx) ([]Clock, error) {
	return db.List(ctx, tx, func(scan db.Scan) (c Clock, err error) {
		var regions string
		err = scan(&c.Kind, &c.Key, &c.Rule, &regions, &c.Place.Kind, &c.N)
		c.Place.Regions = strings.Fields(regions)
		return c, err
	}, `SELECT kind, due_key, due_rule, place_regions, place_kind, count(*) FROM flow_case
		WHERE closed_at IS NULL AND due_key <> ''
		GROUP BY kind, due_key, due_rule, place_regions, place_kind ORDER BY kind, due_key, due_rule, place_regions, place_kind`)
}

// After lists the ids of the cases of a kind after one, ascending.
func After(ctx context.Context, tx *db.Tx, kind, after string, limit int) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT id FROM flow_case WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3`, kind, after, limit)
}
