package consult

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/message"
	"yilian/internal/patient"
	"yilian/internal/policy"
)

// Full is everything that the page of a case shows.
type Full struct {
	Case        flow.Case
	Record      Record
	Patient     patient.Patient // masked
	Talks       []Talk
	Timeline    []flow.Event
	Actions     []flow.Action // what the actor may do now
	Referral    flow.Case     // the referral it was turned into; zero when none
	Responsible flow.Party    // who answers for the patient now
	Consents    []consent.Consent
	CanSend     bool // the patient has signed for a referral beforehand
	Messages    []message.Message
	Now         time.Time
}

// View opens a case for an actor of one of its institutions; the look is
// decided and logged.
func (s *Service) View(ctx context.Context, actor access.Actor, id string) (Full, error) {
	var out Full
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		c, err := flow.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := Visible(c, actor); err != nil {
			return err
		}
		if _, err := s.Access.Patient(ctx, tx, actor, c.Patient, access.Consult); err != nil {
			return err
		}
		out = Full{Case: c, Now: tx.Now}
		return s.fill(ctx, tx, actor, &out)
	})
	return out, err
}

// Visible refuses who is of neither of the case's institutions.
func Visible(c flow.Case, actor access.Actor) error {
	if c.Kind != Kind || actor.Org == "" || (actor.Org != c.From.Org && actor.Org != c.To.Org) {
		return notFound()
	}
	return access.Require(actor, access.ConsultRead, access.Own)
}

func (s *Service) fill(ctx context.Context, tx *db.Tx, actor access.Actor, out *Full) (err error) {
	id := out.Case.ID
	if out.Record, err = s.load(ctx, tx, id); err != nil {
		return err
	}
	if out.Patient, err = s.Patients.Get(ctx, tx, out.Case.Patient); err != nil {
		return err
	}
	if out.Talks, err = s.talks(ctx, tx, id); err != nil {
		return err
	}
	if out.Timeline, err = s.Flow.Timeline(ctx, tx, id); err != nil {
		return err
	}
	if out.Referral, err = s.referralOf(ctx, tx, id); err != nil {
		return err
	}
	if out.Consents, err = consent.For(ctx, tx, ConsentPurpose, id); err != nil {
		return err
	}
	if out.CanSend, err = consent.Given(ctx, tx, consent.Referral, id); err != nil {
		return err
	}
	out.Responsible = Responsible(out.Case, out.Referral)
	out.Actions = s.Actions(out.Case, out.Record, actor)
	out.Messages, err = message.OfCase(ctx, tx, id)
	return err
}

// Token is a signed statement of who is clinically responsible at an instant,
// to be printed or kept: nobody can say afterwards that it was somebody else.
type Token struct {
	Text      string // what is signed, in words
	Signature string
}

// Token signs who is responsible now.
func (s *Service) Token(full Full) (Token, error) {
	at := full.Case.Number
	if full.Referral.ID != "" {
		at += "/" + full.Referral.Number
	}
	t := Token{Text: strings.Join([]string{"临床责任", at, full.Case.Subject, full.Responsible.Display(), full.Now.UTC().Format(time.RFC3339)}, "|")}
	var err error
	if t.Signature, err = s.Keys.Sign([]byte(t.Text)); err != nil {
		return t, fmt.Errorf("sign responsibility of %s: %w", full.Case.Number, err)
	}
	return t, nil
}

// Reasons returns the coded reasons of an action as the policy has them.
func (s *Service) Reasons(full Full, a flow.Action) ([]policy.Code, error) {
	if a.Reasons == "" {
		return nil, nil
	}
	return s.Flow.Codes(a.Reasons, full.Case.Place, full.Now)
}

// Query selects the cases of a list. Empty fields do not filter.
type Query struct {
	Side   flow.Side // From: asked by us; otherwise asked of us
	State  string
	Text   string // beginning of the number, or part of the name
	Open   bool
	Mine   bool // asked by me, or of my department or me
	Limit  int  // 0: 50
	Offset int
}

// Item is one line of a list.
type Item struct {
	Case        flow.Case
	Diagnosis   string
	Pace        string
	AnswerKind  string
	AskedAt     time.Time
	Converted   bool
	Responsible flow.Party
}

// Page is one page of a list.
type Page struct {
	Items  []Item
	Counts []flow.StateCount // all states of the list, whatever Query.State says
	More   bool
	Now    time.Time
}

// List returns the consultations of the actor's institution: open ones first,
// those for today before the rest, then the clock that breaks first.
func (s *Service) List(ctx context.Context, actor access.Actor, q Query) (Page, error) {
	if err := access.Require(actor, access.ConsultRead, access.Own); err != nil {
		return Page{}, err
	}
	if q.Limit <= 0 || q.Limit > 200 {
		q.Limit = 50
	}
	if q.Side != flow.From {
		q.Side = flow.To
	}
	var out Page
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		out.Now = tx.Now
		ids, err := db.List(ctx, tx, db.Value[string], `
			SELECT c.id FROM flow_case c JOIN consult r ON r.id = c.id WHERE `+listWhere+`
			ORDER BY CASE WHEN c.closed_at IS NULL THEN 0 ELSE 1 END,
				CASE WHEN c.closed_at IS NULL AND r.pace = 'today' THEN 0 ELSE 1 END, c.due_at NULLS LAST, c.closed_at DESC, c.id
			LIMIT $8 OFFSET $9`, append(q.args(actor), q.Limit+1, q.Offset)...)
		if err != nil {
			return err
		}
		if out.More = len(ids) > q.Limit; out.More {
			ids = ids[:q.Limit]
		}
		if out.Items, err = items(ctx, tx, ids); err != nil {
			return err
		}
		q.State = ""
		out.Counts, err = db.List(ctx, tx, func(scan db.Scan) (n flow.StateCount, err error) {
			n.Kind = Kind
			return n, scan(&n.State, &n.N)
		}, `SELECT c.state, count(*) FROM flow_case c JOIN consult r ON r.id = c.id WHERE `+listWhere+` GROUP BY c.state ORDER BY c.state`, q.args(actor)...)
		return err
	})
	return out, err
}

const listWhere = `
	((CAST($2 AS TEXT) = 'from' AND c.from_org = $1 AND (CAST($3 AS TEXT) = '' OR c.from_person = $3))
		OR (CAST($2 AS TEXT) = 'to' AND c.to_org = $1 AND (CAST($3 AS TEXT) = '' OR c.to_person = $3 OR c.to_dept = CAST($4 AS TEXT))))
	AND (CAST($5 AS TEXT) = '' OR c.state = $5)
	AND (CAST($6 AS TEXT) = '' OR c.number LIKE CAST($6 AS TEXT) || '%' OR c.subject LIKE '%' || CAST($6 AS TEXT) || '%')
	AND (NOT CAST($7 AS BOOLEAN) OR c.closed_at IS NULL)`

func (q Query) args(actor access.Actor) []any {
	me := ""
	if q.Mine {
		me = flow.PartyOf(actor).Person
	}
	return []any{actor.Org, string(q.Side), me, actor.Department, q.State, strings.TrimSpace(q.Text), q.Open}
}

// items reads the lines of cases in the order of ids.
func items(ctx context.Context, tx *db.Tx, ids []string) ([]Item, error) {
	cases, err := flow.ByIDs(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	query, args := db.Expand(`
		SELECT id, diagnosis_name, pace, answer_kind, asked_at, referral FROM consult WHERE id IN ($list)`, nil, ids)
	type line struct {
		Item
		id, referral string
	}
	lines, err := db.List(ctx, tx, func(scan db.Scan) (l line, err error) {
		var asked db.Time
		err = scan(&l.id, &l.Diagnosis, &l.Pace, &l.AnswerKind, &asked, &l.referral)
		l.AskedAt, l.Converted = asked.Time, l.referral != ""
		return l, err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	byID, followed := map[string]line{}, []string{}
	for _, l := range lines {
		byID[l.id] = l
		if l.Converted {
			followed = append(followed, l.referral)
		}
	}
	referrals, err := flow.ByIDs(ctx, tx, followed)
	if err != nil {
		return nil, err
	}
	next := map[string]flow.Case{}
	for _, c := range referrals {
		next[c.ID] = c
	}
	out := make([]Item, 0, len(cases))
	for _, c := range cases {
		l := byID[c.ID]
		l.Case, l.Responsible = c, Responsible(c, next[l.referral])
		out = append(out, l.Item)
	}
	return out, nil
}
