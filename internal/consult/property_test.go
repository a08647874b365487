package consult_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/consult"
	"yilian/internal/consult/consulttest"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
)

// Random people do random things in random order. Whatever they do, the actions
// offered are exactly those accepted, no open case is without owner or due
// time, the asker stays responsible, and the counts equal a recount from the
// events.
func TestRandomOrdersKeepTheMachineLegal(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		runs, limit := 0, 60
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; runs > limit {
				return
			}
			r := &random{rt: rt, w: w, i: len(w.Patients)}
			w.Register(w.Doctor, "石小花", "19710203", 100+len(w.Patients))
			r.run()
		})
		recount(t, w)
	})
}

// random is one consultation in the hands of random people.
type random struct {
	rt *rapid.T
	w  *consulttest.World
	i  int // patient
	c  flow.Case
}

func (r *random) run() {
	w := r.w
	f := w.Question(r.i)
	f.MayConvert = rapid.Bool().Draw(r.rt, "may convert")
	f.Pace = rapid.SampledFrom([]string{consult.Routine, consult.Today}).Draw(r.rt, "pace")
	if rapid.Bool().Draw(r.rt, "named") {
		f.Target.Specialist = w.Specialist.Person
	}
	var err error
	if r.c, err = w.Consults.Ask(ctx, w.Doctor, f, w.Token()); err != nil {
		r.rt.Fatal(err)
	}
	neuro := w.Specialist2
	neuro.Department, neuro.Person = w.Neurology.ID, "neuro"
	actors := []access.Actor{w.Doctor, w.Colleague, w.Head, w.Specialist, w.Specialist2, neuro, w.Centre, w.Desk, w.OtherDoctor, w.Stranger}
	for range rapid.IntRange(2, 25).Draw(r.rt, "steps") {
		if !r.c.Open() {
			return
		}
		w.After(time.Duration(rapid.IntRange(0, 120).Draw(r.rt, "minutes")) * time.Minute)
		actor, action := rapid.SampledFrom(actors).Draw(r.rt, "actor"), rapid.SampledFrom(names()).Draw(r.rt, "action")
		if rapid.IntRange(0, 9).Draw(r.rt, "forward") < 7 { // mostly what is offered to somebody, so that cases get on
			actor, action = r.offered(actors)
		}
		r.try(actor, action)
	}
}

func names() []string {
	out := []string{flow.ActionClaim}
	for _, a := range consult.Machine().Actions {
		if consult.Usable(a.Name) {
			out = append(out, a.Name)
		}
	}
	return out
}

func (r *random) actions(actor access.Actor) []flow.Action {
	full, err := r.w.Consults.View(ctx, actor, r.c.ID)
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Forbidden) {
		return nil
	}
	if err != nil {
		r.rt.Fatal(err)
	}
	return full.Actions
}

func (r *random) offered(actors []access.Actor) (access.Actor, string) {
	type pair struct {
		actor  access.Actor
		action string
	}
	var all []pair
	for _, a := range actors {
		for _, x := range r.actions(a) {
			if !x.Dangerous || rapid.IntRange(0, 3).Draw(r.rt, "careful") == 0 {
				all = append(all, pair{a, x.Name})
			}
		}
	}
	if len(all) == 0 {
		return r.w.Doctor, flow.ActionClaim
	}
	p := rapid.SampledFrom(all).Draw(r.rt, "offered")
	return p.actor, p.action
}

// try takes one action and checks what came of it against what was offered.
func (r *random) try(actor access.Actor, action string) {
	allowed := slices.ContainsFunc(r.actions(actor), func(a flow.Action) bool { return a.Name == action })
	err := r.do(actor, action, r.w.Ref(r.c))
	now, readErr := db.Read(ctx, r.w.DB, flow.Get, r.c.ID)
	switch {
	case readErr != nil:
		r.rt.Fatal(readErr)
	case allowed && err != nil:
		r.rt.Fatalf("%s is offered to %s at %s and refused: %v", action, actor.Name, r.c.State, err)
	case !allowed && err == nil:
		r.rt.Fatalf("%s is not offered to %s at %s and accepted", action, actor.Name, r.c.State)
	case err != nil && !errs.Is(err, errs.Forbidden) && !errs.Is(err, errs.Conflict) && !errs.Is(err, errs.NotFound):
		r.rt.Fatalf("%s by %s at %s: %v", action, actor.Name, r.c.State, err)
	case err != nil && now.Version != r.c.Version:
		r.rt.Fatalf("a refused %s has moved the case", action)
	case err == nil && now.Version != r.c.Version+1:
		r.rt.Fatalf("%s moved the version from %d to %d", action, r.c.Version, now.Version)
	}
	if err == nil {
		late := r.do(actor, action, r.w.Ref(r.c))
		if _, stale := errors.AsType[*flow.StaleError](late); !stale && !errs.Is(late, errs.Conflict) && !errs.Is(late, errs.Forbidden) {
			r.rt.Fatalf("%s on an old version: %v", action, late)
		}
	}
	r.c = now
	if r.c.Open() && (r.c.OwnerOrg == "" || r.c.OwnerRole == "" || r.c.DueAt.IsZero()) {
		r.rt.Fatalf("stray after %s: %+v", action, r.c)
	}
	if r.c.Responsible.Person != r.w.Doctor.Person {
		r.rt.Fatalf("%s has moved the responsibility: %+v", action, r.c.Responsible)
	}
}

// do calls the use case of an action with a good form.
func (r *random) do(actor access.Actor, action string, ref consult.Ref) (err error) {
	w, s := r.w, r.w.Consults
	switch action {
	case flow.ActionClaim:
		_, err = s.Claim(ctx, actor, ref)
	case consult.ActAskBack:
		_, err = s.AskBack(ctx, actor, ref, "exam", "心电图？")
	case consult.ActSupply:
		_, err = s.Supply(ctx, actor, ref, "正常")
	case consult.ActReply:
		_, err = s.Reply(ctx, actor, ref, w.Reply(rapid.SampledFrom(consult.AnswerKinds()).Draw(r.rt, "kind").Code))
	case consult.ActDecline:
		_, err = s.Decline(ctx, actor, ref, consult.Decline{Reason: "needs_visit", Advice: "请面诊"})
	case consult.ActElsewhere:
		_, err = s.AskElsewhere(ctx, actor, ref, r.another())
	case consult.ActConvert, consult.ActConvertFor:
		if (actor.Org == r.c.From.Org) != (action == consult.ActConvert) {
			return errs.E(errs.Forbidden, "the other side's button")
		}
		_, _, err = s.Convert(ctx, actor, ref, consult.ConvertDraft)
	case consult.ActClose:
		_, err = s.Close(ctx, actor, ref, consult.Survey{Prompted: rapid.Bool().Draw(r.rt, "prompted"), Helpful: rapid.IntRange(1, 5).Draw(r.rt, "helpful")})
	case consult.ActEnd:
		_, err = s.End(ctx, actor, ref, "by_phone", "")
	case consult.ActWithdraw:
		_, err = s.Withdraw(ctx, actor, ref, "better", "")
	}
	return err
}

// another is a department that has not just declined.
func (r *random) another() consult.Target {
	if r.c.To.Department == r.w.OtherDept.ID {
		return consult.Target{Department: r.w.Cardiology.ID}
	}
	return consult.Target{Department: r.w.OtherDept.ID}
}

// recount holds the counts from the rows against those from the events.
func recount(t *testing.T, w *consulttest.World) {
	t.Helper()
	got, err := w.Consults.Count(ctx, w.Doctor, consult.Scope{Side: flow.From})
	must(t, err)
	var list []consult.History
	must(t, w.DB.View(ctx, func(tx *db.Tx) error {
		cases, err := flow.Worklist(ctx, tx, flow.Query{Kind: consult.Kind, Limit: 10_000})
		if err != nil {
			return err
		}
		for _, c := range cases {
			events, err := w.Flow.Timeline(ctx, tx, c.ID)
			if err != nil {
				return err
			}
			full, err := db.Get(ctx, tx, "survey", func(scan db.Scan) (v consult.Survey, err error) {
				return v, scan(&v.Avoided, &v.Prompted, &v.Helpful)
			}, `SELECT avoided, prompted, helpful FROM consult WHERE id = $1`, c.ID)
			if err != nil {
				return err
			}
			list = append(list, consult.History{Events: events, Survey: full})
		}
		return nil
	}))
	if want := consult.Recount(list, w.Now); got != want {
		t.Errorf("rows say    %+v\nevents say  %+v", got, want)
	}
	if got.Asked < 20 || got.Answered == 0 || got.Converted == 0 || got.Surveyed == 0 {
		t.Errorf("the random people did too little: %+v", got)
	}
}

// A rate without a denominator is not computable, which is not zero.
func TestRatesOfNothing(t *testing.T) {
	w := consulttest.New(t, dbtest.SQLite(t))
	c, err := w.Consults.Count(ctx, w.Doctor, consult.Scope{})
	must(t, err)
	for _, r := range []consult.Rate{c.OnTime(), c.AvoidedRate(), c.PromptedRate(), c.ConvertedRate()} {
		if _, ok := r.Percent(); ok {
			t.Errorf("%+v", r)
		}
	}
	if _, ok := c.Mark(); ok {
		t.Error("a mark of nobody")
	}
	w.Ask(0)
	w.Ask(1, func(f *consult.Form) { f.Pace = consult.Today })
	w.To(2, consult.StateClosed)
	w.After(5 * time.Hour) // the one for today is late now
	c, err = w.Consults.Count(ctx, w.Specialist, consult.Scope{Side: flow.To, From: "2026-03-02", To: "2026-03-02"})
	must(t, err)
	if c.OnTime() != (consult.Rate{Numerator: 1, Denominator: 2}) || c.AvoidedRate() != (consult.Rate{Numerator: 1, Denominator: 1}) || c.Asked != 3 {
		t.Errorf("%+v", c)
	}
	if mark, ok := c.Mark(); !ok || mark != 5 {
		t.Errorf("%v", mark)
	}
	c, err = w.Consults.Count(ctx, w.Specialist, consult.Scope{From: "2026-03-03"})
	if err != nil || c.Asked != 0 {
		t.Errorf("%+v %v", c, err)
	}
	_, err = w.Consults.Count(ctx, w.Desk, consult.Scope{})
	refused(t, err, errs.Forbidden, "")
}
