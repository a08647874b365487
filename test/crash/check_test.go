package crash_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/referral"
)

// event is one step of a case as it is stored.
type event struct {
	caseID, action, from, to, account, once string
	version                                 int
	at                                      time.Time
}

// due is a job that watches a clock.
type due struct {
	Case    string `json:"case"`
	Entered int64  `json:"entered"`
	Due     int64  `json:"due"`
	Level   int    `json:"level"`
}

// count is a number under a name.
type count struct {
	name string
	n    int
}

func readCount(scan db.Scan) (c count, err error) { return c, scan(&c.name, &c.n) }

// stored is what lies in the database.
type stored struct {
	cases    map[string]flow.Case
	events   map[string][]event // by case, oldest first
	leaves   map[string]int     // audit leaves by case and action
	messages map[string]string  // state by dedupe key
	clocks   map[due]int        // due-time jobs
	delivery map[string]bool    // message ids that a job will deliver
	queued   []string           // ids of messages not delivered yet
	dead     int64
	strays   int64
}

// read reads everything in one snapshot.
func read(t testing.TB, d *db.DB) stored {
	t.Helper()
	return readOne(t, d, "")
}

// readOne reads what belongs to one case; of all cases when id is "".
func readOne(t testing.TB, d *db.DB, id string) stored {
	t.Helper()
	s := stored{cases: map[string]flow.Case{}, events: map[string][]event{}, leaves: map[string]int{},
		messages: map[string]string{}, clocks: map[due]int{}, delivery: map[string]bool{}}
	must(t, d.View(ctx, func(tx *db.Tx) error {
		ids := []string{id}
		if id == "" {
			all, err := db.List(ctx, tx, db.Value[string], `SELECT id FROM flow_case WHERE kind = 'referral'`)
			if err != nil {
				return err
			}
			ids = all
		}
		for _, id := range ids {
			c, err := flow.Get(ctx, tx, id)
			if err != nil {
				return err
			}
			s.cases[c.ID] = c
		}
		if err := s.history(tx, id); err != nil {
			return err
		}
		if err := s.waiting(tx, id); err != nil {
			return err
		}
		var err error
		s.strays, err = flow.Strays(ctx, tx)
		return err
	}))
	return s
}

func (s *stored) history(tx *db.Tx, id string) error {
	events, err := db.List(ctx, tx, func(scan db.Scan) (e event, err error) {
		var at db.Time
		var once db.Null
		err = scan(&e.caseID, &e.version, &e.action, &e.from, &e.to, &e.account, &once, &at)
		e.at, e.once = at.Time, string(once)
		return e, err
	}, `SELECT case_id, version, action, from_state, to_state, account, once, at FROM flow_event
		WHERE kind = 'referral' AND (CAST($1 AS TEXT) = '' OR case_id = $1) ORDER BY case_id, version, at, id`, id)
	if err != nil {
		return err
	}
	for _, e := range events {
		s.events[e.caseID] = append(s.events[e.caseID], e)
	}
	leaves, err := db.List(ctx, tx, readCount, `SELECT object_id || ' ' || action, count(*) FROM audit_leaf
		WHERE object = 'referral' AND outcome = 'ok' AND (CAST($1 AS TEXT) = '' OR object_id = $1) GROUP BY object_id, action`, id)
	for _, l := range leaves {
		s.leaves[l.name] = l.n
	}
	return err
}

func (s *stored) waiting(tx *db.Tx, id string) error {
	type pair struct{ a, b, c string }
	three := func(scan db.Scan) (p pair, err error) { return p, scan(&p.a, &p.b, &p.c) }
	messages, err := db.List(ctx, tx, three, `SELECT id, dedupe, state FROM message WHERE CAST($1 AS TEXT) = '' OR case_ref = $1`, id)
	if err != nil {
		return err
	}
	for _, m := range messages {
		s.messages[m.b] = m.c
		if m.c == "queued" {
			s.queued = append(s.queued, m.a)
		}
	}
	jobs, err := db.List(ctx, tx, three, `SELECT kind, args, state FROM job`)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		switch {
		case j.c == "dead":
			s.dead++
		case j.a == "flow.overdue":
			var x due
			if err := json.Unmarshal([]byte(j.b), &x); err != nil {
				return err
			}
			s.clocks[x]++
		case j.a == "message.deliver":
			var x struct{ ID string }
			if err := json.Unmarshal([]byte(j.b), &x); err != nil {
				return err
			}
			s.delivery[x.ID] = true
		}
	}
	return nil
}

// problems are found wrongs, the first few of them.
type problems struct{ list []string }

func (p *problems) add(format string, args ...any) {
	if len(p.list) < 20 {
		p.list = append(p.list, fmt.Sprintf(format, args...))
	}
}

func (p *problems) report(t testing.TB) {
	t.Helper()
	for _, s := range p.list {
		t.Error(s)
	}
}

// whole checks that every case is whole: its timeline replays to its state,
// each step has its audit leaf, its message and its clock, once.
func (s stored) whole(p *problems) {
	for _, c := range s.cases {
		s.replay(p, c)
		s.logged(p, c)
		s.told(p, c)
		s.watched(p, c)
	}
	for id := range s.events {
		if _, ok := s.cases[id]; !ok {
			p.add("there are events of a case %s that does not exist", id)
		}
	}
	for _, id := range s.queued {
		if !s.delivery[id] {
			p.add("message %s waits and no job will deliver it", id)
		}
	}
	if s.dead != 0 {
		p.add("%d dead jobs", s.dead)
	}
	if s.strays != 0 {
		p.add("%d open cases without owner or due time", s.strays)
	}
}

// standing are the steps that leave version and state alone.
var standing = []string{"overdue", "reclock", flow.ActionRecord}

// replay walks the timeline by the machine alone.
func (s stored) replay(p *problems, c flow.Case) {
	m := referral.Machine()
	state, version := "", 0
	var entered time.Time
	for i, e := range s.events[c.ID] {
		a, known := m.Action(e.action)
		switch {
		case i == 0 && e.action == "open":
			if e.version != 1 || e.to != m.Start {
				p.add("case %s is opened in %s, version %d", c.Number, e.to, e.version)
			}
			state, version, entered = e.to, 1, e.at
			continue
		case slices.Contains(standing, e.action):
			if e.version != version || e.to != state {
				p.add("case %s: %s at version %d of %d", c.Number, e.action, e.version, version)
			}
			continue
		case e.action == flow.ActionClaim:
			if e.to != state {
				p.add("case %s: a claim moved it to %s", c.Number, e.to)
			}
		case !known || !slices.Contains(a.From, state) || !slices.Contains(a.To, e.to):
			p.add("case %s: %s does not lead from %s to %s", c.Number, e.action, state, e.to)
		case !(a.Stay && e.to == state):
			entered = e.at
		}
		if e.version != version+1 || e.from != state {
			p.add("case %s: %s makes version %d out of %d, from %s in %s", c.Number, e.action, e.version, version, e.from, state)
		}
		state, version = e.to, e.version
	}
	last, _ := m.State(c.State)
	if c.State != state || c.Version != version || !c.EnteredAt.Equal(entered) || last.Terminal() == c.Open() {
		p.add("case %s stands at %s version %d since %v, its timeline ends at %s version %d since %v", c.Number, c.State, c.Version, c.EnteredAt, state, version, entered)
	}
	if c.Open() && (c.OwnerOrg == "" || c.OwnerRole == "" || c.DueAt.IsZero() || c.Turn != last.Turn) {
		p.add("case %s is open in %s without owner, due time or turn", c.Number, c.State)
	}
}

// logged checks that each step has its audit leaf, and each leaf its step.
func (s stored) logged(p *problems, c flow.Case) {
	steps := map[string]int{}
	for _, e := range s.events[c.ID] {
		steps[c.ID+" "+referral.Kind+"."+e.action]++
	}
	for key, n := range steps {
		if s.leaves[key] != n {
			p.add("case %s: %d steps %s, %d audit leaves", c.Number, n, key, s.leaves[key])
		}
	}
	for key, n := range s.leaves {
		if strings.HasPrefix(key, c.ID+" ") && steps[key] == 0 {
			p.add("case %s: %d audit leaves %s without a step", c.Number, n, key)
		}
	}
}

// telling are the steps of which the patient hears.
var telling = []string{
	referral.ActSubmit, referral.ActPass, referral.ActElsewhere, referral.ActAsk, referral.ActAnswer, referral.ActAccept,
	referral.ActRedirect, referral.ActHandOn, referral.ActDecline, referral.ActArrange, referral.ActReschedule, referral.ActNoShow,
	referral.ActRearrange, referral.ActArrive, referral.ActStart, referral.ActComplete, referral.ActAcknowledge, referral.ActClose,
	referral.ActWithdraw, referral.ActCancel, referral.ActCallOff, referral.ActAskCancel, referral.ActAnswerCancel,
}

// told checks that the patient hears of each step once.
func (s stored) told(p *problems, c flow.Case) {
	want := map[string]bool{}
	for _, e := range s.events[c.ID] {
		if slices.Contains(telling, e.action) {
			want[fmt.Sprintf("%s/%d", c.ID, e.version)] = true
		}
	}
	for key := range want {
		if s.messages[key] == "" {
			p.add("case %s: no message %s", c.Number, key)
		}
	}
	for key := range s.messages {
		if strings.HasPrefix(key, c.ID+"/") && !want[key] && !strings.HasPrefix(key, c.ID+"/reminder/") {
			p.add("case %s: message %s without a step", c.Number, key)
		}
	}
}

// lastLevel is how often a clock reports before it is silent.
const lastLevel = 3

// watched checks that the clock of an open case is watched by one job, or has
// reported as often as it does, and that each report was made once.
func (s stored) watched(p *problems, c flow.Case) {
	reports := 0
	for _, e := range s.events[c.ID] {
		if e.action == "overdue" && !e.at.Before(c.EnteredAt) {
			reports++
		}
	}
	if reports != c.Escalation {
		p.add("case %s was reported overdue %d times, its level is %d", c.Number, reports, c.Escalation)
	}
	if !c.Open() || c.Silent {
		return
	}
	n := s.clocks[due{c.ID, c.EnteredAt.UnixMilli(), c.DueAt.UnixMilli(), c.Escalation + 1}]
	if want := c.Escalation < lastLevel; (n == 1) != want || n > 1 {
		p.add("case %s in %s, level %d: %d jobs watch its clock", c.Number, c.State, c.Escalation, n)
	}
}

// kept checks the journal against the database: what was acknowledged is there
// once and as it was acknowledged, what was refused is not there, and nobody
// has done what nobody was told of.
func (s stored) kept(p *problems, acts []act, accounts map[string]bool) {
	byToken, times := map[string]event{}, map[string]int{}
	for _, list := range s.events {
		for _, e := range list {
			if e.once != "" {
				byToken[e.once] = e
				times[e.once]++
			}
		}
	}
	steps := map[string]string{} // case and version → token
	known := map[string]bool{}
	for _, a := range acts {
		e, there := byToken[a.once]
		switch {
		case a.acked && times[a.once] != 1:
			p.add("%s was told that %s of case %s is done: it is there %d times", a.login, a.action, a.caseID, times[a.once])
		case a.acked && (e.caseID != a.caseID || e.action != a.action || e.version != a.version || e.account != a.account):
			p.add("%s was told of %+v, stored is %+v", a.login, a, e)
		case a.refused && there:
			p.add("%s was told that %s of case %s is not done: it is done", a.login, a.action, a.caseID)
		}
		step := fmt.Sprintf("%s/%d", a.caseID, a.version)
		if a.acked && steps[step] != "" {
			p.add("two acts were acknowledged as version %d of case %s", a.version, a.caseID)
		}
		if a.acked {
			steps[step], known[a.once] = a.once, true
		}
	}
	for once, e := range byToken {
		if accounts[e.account] && !known[once] && !strings.HasSuffix(once, ".draft") && !strings.HasSuffix(once, ".save") {
			p.add("there is %s of case %s, which nobody was told of", e.action, e.caseID)
		}
	}
}

// single checks that no patient has two cases (each form was for a new
// patient) and that the case numbers of a day have no gaps.
func (s stored) single(p *problems) {
	patients, days := map[string]string{}, map[string][]string{}
	for _, c := range s.cases {
		if other := patients[c.Patient]; other != "" {
			p.add("%s and %s are cases of one patient", c.Number, other)
		}
		patients[c.Patient] = c.Number
		day := c.Number[:len(c.Number)-4]
		days[day] = append(days[day], c.Number)
	}
	for day, numbers := range days {
		slices.Sort(numbers)
		if last := fmt.Sprintf("%s%04d", day, len(numbers)); numbers[len(numbers)-1] != last {
			p.add("%d cases on day %s, the last number is %s", len(numbers), day, numbers[len(numbers)-1])
		}
	}
}
