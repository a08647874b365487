package crash_test

import (
	"context"
	"database/sql"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
	"yilian/test/harness"
)

// fuse is a context that ends when it has been asked for long enough: at any
// statement of a transaction, at its beginning, at its commit.
type fuse struct {
	context.Context
	left  atomic.Int64
	asked atomic.Int64
	burnt chan struct{}
	once  sync.Once
}

func newFuse(length int) *fuse {
	f := &fuse{Context: context.Background(), burnt: make(chan struct{})}
	f.left.Store(int64(length))
	return f
}

func (f *fuse) touch() {
	f.asked.Add(1)
	if f.left.Add(-1) < 0 {
		f.once.Do(func() { close(f.burnt) })
	}
}

// Done implements context.Context.
func (f *fuse) Done() <-chan struct{} {
	f.touch()
	return f.burnt
}

// Err implements context.Context.
func (f *fuse) Err() error {
	select {
	case <-f.burnt:
		return context.Canceled
	default:
		return nil
	}
}

// brand is the state before a case exists.
const brand = ""

// reachable are the states in which something can be done.
var reachable = []string{brand, referral.StateDraft, referral.StateInReview, referral.StateSubmitted, referral.StateAwaitingInfo,
	referral.StateAccepted, referral.StateArranged, referral.StateNoShow, referral.StateArrived, referral.StateInCare,
	referral.StateCompleted, referral.StateDeclined}

// Whatever is being done in whatever state when the connections to the database
// are lost, at whatever statement: the act is there as a whole or not at all,
// and sending the form again makes it be there once.
func TestCutOffInEachStateNothingIsHalfDone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		h := &halfway{World: referraltest.New(t, d), length: map[string]int{}, lasted: map[string]time.Duration{}, cut: map[string]int{}}
		d.Now = func() time.Time { h.Now = h.Now.Add(time.Millisecond); return h.Now } // no two clocks begin at one instant
		h.another = h.anotherPlace()
		limit := 40
		if d.Engine() == db.Postgres {
			limit = 25
		}
		for _, state := range reachable {
			runs := 0
			rapid.Check(t, func(rt *rapid.T) {
				if runs++; runs <= limit {
					h.try(rt, state)
				}
			})
			if h.cut[state] == 0 {
				t.Errorf("nothing was cut off in state %q", state)
			}
		}
		t.Logf("cut off %v; whole all the same %d, done by sending again %d", h.cut, h.ambiguous, h.again)
		var p problems
		read(t, d).whole(&p)
		p.report(t)
	})
}

// halfway interrupts acts in a small world.
type halfway struct {
	*referraltest.World
	another   string                   // service where a declined case may go
	length    map[string]int           // how long a fuse an act burns, by action
	lasted    map[string]time.Duration // how long an act takes, by action
	cut       map[string]int           // acts cut off, by state
	ambiguous int                      // cut off and there all the same
	again     int                      // cut off and sent again
}

// try reaches a state with a new patient, and cuts one act off.
func (h *halfway) try(rt *rapid.T, state string) {
	h.T.Helper()
	i := len(h.Patients)
	h.Register(h.Doctor, "石小花", "19710203", 100+i)
	c := h.reach(i, state)
	if state == referral.StateInCare && rapid.Bool().Draw(rt, "asked") {
		var err error
		c, err = h.Service.AskCancel(ctx, h.Doctor, h.Ref(c), "elsewhere", "家属要求转外院")
		must(h.T, err)
	}
	actor, action := h.choose(rt, c)
	ref := h.Ref(c)
	before := h.print(c.ID)
	f, stop := h.danger(rt, action)
	started := time.Now()
	after, err := h.act(f, i, actor, action, ref, c)
	lasted := time.Since(started)
	stop()
	if err != nil && !errs.Is(err, errs.Internal) && !errs.Is(err, errs.Unavailable) {
		rt.Fatalf("%s in %q, cut off, was refused: %v", action, state, err)
	}
	if err == nil {
		h.length[action], h.lasted[action] = max(h.length[action], int(f.asked.Load())), max(h.lasted[action], lasted)
		h.check(rt, after.ID, c.Version+1, action)
		return
	}
	h.cut[state]++
	h.settle()
	now := h.version(ref.Once, c)
	switch {
	case now == c.Version && h.print(c.ID) != before:
		rt.Fatalf("%s in %q was cut off and has left traces:\n%s\n%s", action, state, before, h.print(c.ID))
	case now != c.Version: // the answer to the commit was lost
		h.ambiguous++
	}
	if rapid.Bool().Draw(rt, "again") {
		h.again++
		after, err = h.act(ctx, i, actor, action, ref, c)
		if err != nil {
			rt.Fatalf("%s in %q, sent again: %v", action, state, err)
		}
		h.check(rt, after.ID, c.Version+1, action)
	} else if c.ID != "" {
		h.check(rt, c.ID, now, action)
	}
}

// long is a fuse that outlasts any act.
const long = 1 << 30

// danger lights a fuse that ends somewhere within the act, the first act of a
// kind showing how long that is; or, on PostgreSQL, has the server end all
// connections meanwhile. stop waits until the danger is over.
func (h *halfway) danger(rt *rapid.T, action string) (f *fuse, stop func()) {
	// Evenly over the length of the act: rapid likes small numbers.
	even := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "moment"), 0))
	longest := h.length[action]
	switch {
	case longest == 0:
		return newFuse(long), func() {}
	case h.DB.Engine() == db.Postgres && even.IntN(2) == 0:
		return newFuse(long), h.sever(time.Duration(even.Int64N(int64(h.lasted[action]) * 5 / 4)))
	}
	return newFuse(even.IntN(longest * 9 / 8)), func() {}
}

// sever cuts all connections of the world to its database after a while.
func (h *halfway) sever(after time.Duration) (wait func()) {
	admin, err := sql.Open("pgx", h.DB.Target())
	must(h.T, err)
	must(h.T, admin.PingContext(ctx))
	var wg sync.WaitGroup
	wg.Go(func() {
		defer admin.Close()
		time.Sleep(after)
		if _, err := admin.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
			h.T.Error(err)
		}
	})
	return wg.Wait
}

// settle waits until PostgreSQL has noticed that nobody is there any more: a
// commit whose answer nobody waits for may still be under way.
func (h *halfway) settle() {
	h.T.Helper()
	if h.DB.Engine() != db.Postgres {
		return
	}
	harness.Until(h.T, "the server ends what was cut off", func() bool {
		var busy int64
		must(h.T, h.DB.View(ctx, func(tx *db.Tx) (err error) {
			busy, err = db.Count(ctx, tx, `SELECT count(*) FROM pg_stat_activity
				WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'`)
			return err
		}))
		return busy == 0
	})
}

// reach brings a new case for patient i to a state.
func (h *halfway) reach(i int, state string) flow.Case {
	h.T.Helper()
	switch state {
	case brand:
		return flow.Case{}
	case referral.StateInReview:
		return h.reviewed(i)
	}
	return h.To(i, state)
}

// reviewed is a case of the village clinic that waits for the township's head.
func (h *halfway) reviewed(i int) flow.Case {
	h.T.Helper()
	must(h.T, h.DB.Tx(ctx, func(tx *db.Tx) error {
		return access.Relate(ctx, tx, access.CareRelation{Patient: h.Patients[i].ID, Org: h.Clinic.ID, Basis: access.BasisRegistration, Reference: h.Clinic.ID})
	}))
	c, err := h.Service.Draft(ctx, h.VillageDoctor, h.Form(i), h.Token())
	must(h.T, err)
	f := h.Form(i)
	c, err = h.Service.Submit(ctx, h.VillageDoctor, h.Ref(c), &f)
	must(h.T, err)
	if c.State != referral.StateInReview {
		h.T.Fatalf("stands at %s", c.State)
	}
	return c
}

// ofTheirOwn are the actions that begin with a form, a case or a place of
// their own; they have their tests in package referral.
var ofTheirOwn = []string{referral.ActEmergency, referral.ActBackEntry, referral.ActCompleteDown, referral.ActDefer}

// choose draws one of the acts that are offered to anybody.
func (h *halfway) choose(rt *rapid.T, c flow.Case) (access.Actor, string) {
	if c.ID == "" {
		return h.Doctor, "open"
	}
	type pair struct {
		actor  access.Actor
		action string
	}
	var all []pair
	for _, actor := range []access.Actor{h.Doctor, h.VillageDoctor, h.Head, h.Centre, h.Desk, h.Specialist} {
		full, err := h.Service.View(ctx, actor, c.ID)
		if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Forbidden) {
			continue // not a party to it
		}
		must(h.T, err)
		for _, a := range full.Actions {
			if slices.Contains(ofTheirOwn, a.Name) {
				continue
			}
			sides := a.Name == referral.ActCallOff && actor.Org == c.To.Org || a.Name == referral.ActDeath && actor.Org == c.To.Org && c.State != referral.StateInReview
			if !sides {
				all = append(all, pair{actor, a.Name})
			}
		}
	}
	p := rapid.SampledFrom(all).Draw(rt, "act")
	return p.actor, p.action
}

// version is the version that a case has now; of a new one, whether it exists.
func (h *halfway) version(once string, c flow.Case) (n int) {
	h.T.Helper()
	must(h.T, h.DB.View(ctx, func(tx *db.Tx) error {
		if c.ID != "" {
			now, err := flow.Get(ctx, tx, c.ID)
			n = now.Version
			return err
		}
		now, there, err := flow.Done(ctx, tx, once)
		if there {
			n = now.Version
		}
		return err
	}))
	return n
}

// check holds that a case is whole and has the version.
func (h *halfway) check(rt *rapid.T, id string, version int, action string) {
	s := readOne(h.T, h.DB, id)
	var p problems
	s.whole(&p)
	if len(p.list) > 0 {
		rt.Fatalf("after %s: %v", action, p.list)
	}
	if got := s.cases[id].Version; got != version {
		rt.Fatalf("after %s the case has version %d, want %d", action, got, version)
	}
}

// print is what a transaction could have left behind: how many rows lie in the
// tables that it writes, and what stands in the case.
func (h *halfway) print(id string) (out string) {
	h.T.Helper()
	must(h.T, h.DB.View(ctx, func(tx *db.Tx) (err error) {
		out, err = db.Get(ctx, tx, "", db.Value[string], `SELECT
			(SELECT count(*) FROM flow_case) || ' ' || (SELECT count(*) FROM flow_event) || ' ' || (SELECT COALESCE(sum(n), 0) FROM flow_number) || ' ' ||
			(SELECT count(*) FROM audit_leaf) || ' ' || (SELECT count(*) FROM audit_pending) || ' ' || (SELECT count(*) FROM message) || ' ' ||
			(SELECT count(*) FROM message_org) || ' ' || (SELECT count(*) FROM job) || ' ' || (SELECT count(*) FROM consent) || ' ' ||
			(SELECT count(*) FROM referral) || ' ' || (SELECT count(*) FROM referral_question) || ' ' || (SELECT count(*) FROM referral_note) || ' ' ||
			(SELECT count(*) FROM referral_question WHERE answered_at IS NOT NULL) || ' ' || (SELECT count(*) FROM care_relation) || ' ' ||
			(SELECT count(*) FROM care_relation WHERE valid_to IS NOT NULL) || ' ' || (SELECT count(*) FROM patient WHERE deceased_on <> '')`)
		if err != nil || id == "" {
			return err
		}
		row, err := db.Get(ctx, tx, "转诊单", db.Value[string], `SELECT c.state || ' ' || c.version || ' ' || c.owner || ' ' || COALESCE(c.due_at, 0) || ' ' || r.under_way || ' ' ||
			r.request || ' ' || r.advice || ' ' || r.report || ' ' || r.waited_ms || ' ' || r.code || ' ' || r.wrong_codes || ' ' || r.arrived_how || ' ' || r.attending ||
			' ' || COALESCE(r.accepted_at, 0) || ' ' || COALESCE(r.arrived_at, 0) || ' ' || COALESCE(r.completed_at, 0) || ' ' || r.consent
			FROM flow_case c JOIN referral r ON r.id = c.id WHERE c.id = $1`, id)
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(row)) // never fails
		out += fmt.Sprintf(" | %.12s %x", row, sum.Sum64())
		return err
	}))
	return out
}

// act calls the use case of an action with a good form.
func (h *halfway) act(ctx context.Context, i int, actor access.Actor, action string, ref referral.Ref, c flow.Case) (flow.Case, error) {
	s := h.Service
	switch action {
	case "open":
		return s.Draft(ctx, actor, h.Form(i), ref.Once)
	case flow.ActionClaim:
		return s.Claim(ctx, actor, ref)
	case referral.ActSubmit:
		f := h.Form(i)
		return s.Submit(ctx, actor, ref, &f)
	case referral.ActRefuseConsent:
		return s.RefuseConsent(ctx, actor, ref, consent.Consent{Form: consent.Written, SignedBy: consent.Self, Reason: "far"})
	case referral.ActDiscard:
		return s.Discard(ctx, actor, ref, "mistake", "")
	case referral.ActPass:
		return s.Pass(ctx, actor, ref, "")
	case referral.ActReturn:
		return s.Return(ctx, actor, ref, "incomplete", "")
	case referral.ActAccept:
		return s.Accept(ctx, actor, ref, "")
	case referral.ActAsk:
		return s.Ask(ctx, actor, ref, "history", "发病多久？")
	case referral.ActAnswer:
		return s.Answer(ctx, actor, ref, "3 天")
	case referral.ActDecline:
		return s.Decline(ctx, actor, ref, referral.Decline{Reason: "no_capacity", Advice: "转区中医院"})
	case referral.ActWithdraw:
		return s.Withdraw(ctx, actor, ref, "changed", "")
	case referral.ActRedirect, referral.ActHandOn:
		return s.Redirect(ctx, actor, ref, referral.Redirect{Service: h.OtherClinic.ID, Reason: "no_capacity", AgreedBy: "值班", AgreedHow: "phone"})
	case referral.ActElsewhere:
		return s.SendElsewhere(ctx, actor, ref, h.another, h.Form(i).Request.Choices)
	}
	return h.visit(ctx, i, actor, action, ref, c)
}

func (h *halfway) visit(ctx context.Context, i int, actor access.Actor, action string, ref referral.Ref, c flow.Case) (flow.Case, error) {
	s := h.Service
	switch action {
	case referral.ActArrange:
		return s.Arrange(ctx, actor, ref, h.Arrangement())
	case referral.ActReschedule:
		return s.Reschedule(ctx, actor, ref, h.Arrangement(), "equipment", "")
	case referral.ActNoShow:
		if c.State == referral.StateArranged && h.Now.Before(c.DueAt) { // not before the appointment
			h.Now = c.DueAt
		}
		return s.NoShow(ctx, actor, ref, "")
	case referral.ActRearrange:
		return s.Rearrange(ctx, actor, ref, "forgot", "")
	case referral.ActCancel, referral.ActCallOff:
		return s.Cancel(ctx, actor, ref, "changed", "")
	case referral.ActArrive:
		return s.Arrive(ctx, actor, ref, referral.Arrival{IDNumber: h.IDNumbers[i], Name: h.Patients[i].Name})
	case referral.ActStart:
		return s.Start(ctx, actor, ref, referral.Start{Care: referral.Outpatient})
	case referral.ActNote:
		return s.InterimNote(ctx, actor, ref, "稳定")
	case referral.ActAskCancel:
		return s.AskCancel(ctx, actor, ref, "elsewhere", "家属要求转外院")
	case referral.ActAnswerCancel:
		return s.AnswerCancel(ctx, actor, ref, referral.CancelAnswer{Answer: referral.CancelAgree, Comment: "尚未诊疗，同意"})
	case referral.ActComplete:
		return s.Complete(ctx, actor, ref, h.Report())
	case referral.ActAcknowledge:
		return s.Acknowledge(ctx, actor, ref, "")
	case referral.ActClose:
		return s.Close(ctx, actor, ref, referral.Closing{Outcome: referral.OutcomeMoved, Reason: "unreachable"})
	case referral.ActDeath, referral.ActDeathAtTarget:
		return s.RecordDeath(ctx, actor, ref, referral.Death{On: "2026-03-02", Reason: "证明"})
	}
	h.T.Fatalf("no use case for %s", action)
	return flow.Case{}, nil
}

// anotherPlace is a service at another hospital that takes the same patients.
func (h *halfway) anotherPlace() (id string) {
	h.T.Helper()
	must(h.T, h.DB.View(ctx, func(tx *db.Tx) error {
		targets, err := h.Service.Targets(ctx, h.Doctor, referral.Need{Patient: h.Patients[0].ID, Diagnosis: angina, Urgency: "III"})
		k := slices.IndexFunc(targets, func(t referral.Target) bool { return t.Org.ID == h.Other.ID })
		if err == nil && k >= 0 {
			id = targets[k].Service.ID
		}
		return err
	}))
	if id == "" {
		h.T.Fatal("no other place for " + angina)
	}
	return id
}
