package crash_test

import (
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"yilian/internal/app"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/test/harness"
)

var seed = flag.Uint64("crash.seed", 0, "seed of the random moments; 0 draws one")

// phase is a part of the run: how often the program is killed while so many
// processes serve.
type phase struct{ kills, processes int }

// Whatever moment the program is killed at, every act that was acknowledged is
// there, none is there twice, each case is whole, and the audit chain verifies.
func TestKilledAtRandomMomentsNothingAcknowledgedIsLost(t *testing.T) {
	harness.EachEngine(t, func(t *testing.T, target string) {
		phases := []phase{{30, 1}}
		if db.IsPostgres(target) {
			phases = []phase{{12, 1}, {20, 2}} // two processes on one database
		}
		storm(t, target, phases)
	})
}

func storm(t *testing.T, target string, phases []phase) {
	from := *seed
	if from == 0 {
		from = rand.Uint64()
	}
	t.Logf("seed: -crash.seed=%d", from)
	w := prepare(t, target)
	j := &journal{}
	started := time.Now()
	kills, starts := 0, 0
	for i, ph := range phases {
		rng := rand.New(rand.NewPCG(from, uint64(i)))
		s := open(t, w.config, ph.processes)
		c := &crowd{w: w, s: s, j: j, stop: make(chan struct{})}
		gather(c, rng)
		for s.kills < ph.kills && !j.stopped() {
			strike(s, j, rng)
		}
		close(c.stop)
		c.wg.Wait()
		for i := range s.procs { // and once more without anything said before
			s.kill(i)
		}
		kills, starts = kills+s.kills, starts+s.starts
	}
	t.Logf("%s; kills %d, starts %d, %s", j.summary(), kills, starts, time.Since(started).Round(time.Second))
	j.failed(t)
	verify(t, w, j)
}

// gather signs twelve people in and sets them to work.
func gather(c *crowd, rng *rand.Rand) {
	c.w.t.Helper()
	var all []*user
	for _, login := range []string{"doctor1", "doctor2", "doctor3", "village", "head", "nurse1", "nurse2", "nurse3", "desk1", "desk2", "special1", "special2"} {
		all = append(all, c.enter(login, rng.Uint64()))
	}
	for _, u := range all {
		if u.login == "nurse1" {
			u.rival = c.enter("rival", rng.Uint64())
		}
	}
	for _, u := range all {
		c.wg.Go(u.work)
	}
}

// strike waits until people have got on a random little, and kills: one
// process, sometimes both at once, sometimes again while it starts.
func strike(s *site, j *journal, rng *rand.Rand) {
	s.t.Helper()
	work := []int{5, 60, 250}[rng.IntN(3)] // right after the start, a little later, in full swing
	want := j.acknowledged() + rng.IntN(work)
	harness.Until(s.t, "people get on with their work", func() bool { return j.acknowledged() >= want || j.stopped() })
	time.Sleep(time.Duration(rng.IntN(30_000)) * time.Microsecond)
	hit := []int{rng.IntN(len(s.procs))}
	if len(s.procs) > 1 && rng.IntN(4) == 0 {
		hit = []int{0, 1}
	}
	for _, i := range hit {
		s.kill(i)
	}
	for _, i := range hit {
		if rng.IntN(6) == 0 {
			s.stillborn(i, time.Duration(rng.IntN(400))*time.Millisecond)
		}
		s.start(i)
	}
}

// verify looks at what the last kill has left, and then at what the program
// makes of it when it goes on.
func verify(t *testing.T, w *world, j *journal) {
	t.Helper()
	d, err := db.Open(ctx, w.cfg.Database)
	must(t, err)
	left := read(t, d)
	must(t, d.Close())
	var p problems
	left.whole(&p)
	left.single(&p)
	accounts := map[string]bool{}
	for _, u := range w.staff {
		accounts[u.actor.Account] = true
	}
	left.kept(&p, j.acts, accounts)
	if len(j.acts) == 0 || len(left.cases) < lateCases {
		p.add("%d acts, %d cases: nothing was tried", len(j.acts), len(left.cases))
	}
	chain(t, w, &p)
	goOn(t, w, &p)
	p.report(t)
	figures(t, w, left)
}

// chain verifies the audit chain, and that no leaf is outside of it.
func chain(t *testing.T, w *world, p *problems) {
	t.Helper()
	report, err := app.VerifyAudit(ctx, w.cfg)
	must(t, err)
	d, err := db.Open(ctx, w.cfg.Database)
	must(t, err)
	defer d.Close()
	var leaves int64
	must(t, d.View(ctx, func(tx *db.Tx) error {
		leaves, err = db.Count(ctx, tx, `SELECT count(*) FROM audit_leaf`)
		return err
	}))
	if report.Broken != "" || report.Sealed == 0 || report.Sealed+report.Unsealed != leaves {
		p.add("audit chain: %+v of %d leaves", report, leaves)
	}
}

// goOn starts the program again with its clock moved on: messages are
// delivered, each clock that was left running reports three times, no job dies.
func goOn(t *testing.T, w *world, p *problems) {
	t.Helper()
	a, err := app.Open(ctx, w.cfg)
	must(t, err)
	defer func() { must(t, a.Close()) }()
	now := time.Now()
	for _, after := range []time.Duration{2 * time.Minute, 40 * 24 * time.Hour, 41 * 24 * time.Hour, 42 * 24 * time.Hour} {
		a.DB.Now = func() time.Time { return now.Add(after) }
		if err := a.Queue.Drain(ctx); err != nil {
			p.add("jobs: %v", err)
		}
		if _, err := a.Audit.Seal(ctx); err != nil {
			p.add("seal: %v", err)
		}
		s := read(t, a.DB)
		s.whole(p)
		for key, state := range s.messages {
			if state != "delivered" {
				p.add("message %s is %s", key, state)
			}
		}
		for _, c := range s.cases {
			if c.Open() && after == 42*24*time.Hour && c.Escalation != lastLevel {
				p.add("case %s in %s since %v was reported %d times", c.Number, c.State, c.EnteredAt, c.Escalation)
			}
		}
	}
	chain(t, w, p)
}

// figures logs what the run has reached.
func figures(t *testing.T, w *world, s stored) {
	t.Helper()
	states, actions, late := map[string]int{}, map[string]int{}, 0
	for id, c := range s.cases {
		if w.lateCase[id] && c.Escalation > 0 {
			late++
		}
		states[c.State]++
		for _, e := range s.events[id] {
			actions[e.action]++
		}
	}
	t.Logf("cases by state %v", states)
	t.Logf("steps %v; clocks that ran out meanwhile %d of %d", actions, late, lateCases)
	for _, action := range []string{referral.ActSave, referral.ActSubmit, referral.ActPass, flow.ActionClaim, referral.ActAccept, referral.ActAsk, referral.ActAnswer,
		referral.ActArrange, referral.ActArrive, referral.ActStart, referral.ActNote, referral.ActComplete, referral.ActAcknowledge} {
		if actions[action] == 0 {
			t.Errorf("nobody has done %s", action)
		}
	}
	if late == 0 {
		t.Error("no clock has run out during the run")
	}
}
