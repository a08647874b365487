package flow_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
)

// TestRandomActorsKeepEveryCaseLegal lets random people try random actions on
// random cases at random times. Whatever happens: an act succeeds exactly when
// Actions offered it, the version grows by one for each success, no open case
// is without owner and due time, and the timeline replays to the present
// state.
func TestRandomActorsKeepEveryCaseLegal(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		actors := []access.Actor{doctor, doctr2, centre, clerk2, treat, other}
		rapid.Check(t, func(rt *rapid.T) {
			w := newWorld(t, d)
			var cases []flow.Case
			for range rapid.IntRange(1, 3).Draw(rt, "cases") {
				cases = append(cases, w.open(rapid.SampledFrom([]string{"II", "III", "IV"}).Draw(rt, "urgency")))
			}
			for range rapid.IntRange(1, 15).Draw(rt, "steps") {
				i := rapid.IntRange(0, len(cases)-1).Draw(rt, "case")
				actor := rapid.SampledFrom(actors).Draw(rt, "actor")
				w.pass(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "minutes")) * time.Minute)
				cases[i] = w.randomStep(rt, cases[i], actor)
			}
			for _, c := range cases {
				w.checkLegal(rt, c)
			}
		})
	})
}

func (w *world) randomStep(rt *rapid.T, c flow.Case, actor access.Actor) flow.Case {
	a := rapid.SampledFrom(machine.Actions).Draw(rt, "action")
	offered := slices.ContainsFunc(w.e.Actions(c, actor), func(x flow.Action) bool { return x.Name == a.Name })
	mv := flow.Move{Comment: "说明", Reason: "full", Due: w.now.Add(time.Hour), Outcome: "done"}
	got, err := w.try(c, actor, a.Name, mv)
	switch {
	case offered != (err == nil):
		rt.Fatalf("%s by %s in %s: offered %v, but got %v", a.Name, actor.Name, c.State, offered, err)
	case err == nil && got.Version != c.Version+1:
		rt.Fatalf("version %d after %d", got.Version, c.Version)
	case err == nil:
		return got
	case errs.KindOf(err) == errs.Internal:
		rt.Fatalf("%s: %v", a.Name, err)
	}
	return c
}

func (w *world) checkLegal(rt *rapid.T, c flow.Case) {
	now := w.get(c.ID)
	if now.Open() && (now.OwnerOrg == "" || now.OwnerRole == "" || now.DueAt.IsZero()) {
		rt.Fatalf("open without owner or clock: %+v", now)
	}
	events := w.timeline(c.ID)
	state, version := "", 0
	for _, v := range events {
		if v.FromState != "" && state != "" && v.FromState != state {
			rt.Fatalf("event %s starts in %s, the case was in %s", v.Action, v.FromState, state)
		}
		state, version = v.ToState, v.Version
	}
	if state != now.State || version != now.Version {
		rt.Fatalf("timeline ends in %s/%d, the case is in %s/%d", state, version, now.State, now.Version)
	}
	from, to := flow.Held(events, now, w.now)
	if end := w.end(now); from+to != end.Sub(now.OpenedAt) {
		rt.Fatalf("held %v + %v, but the case lasted %v", from, to, end.Sub(now.OpenedAt))
	}
	err := w.d.View(context.Background(), func(tx *db.Tx) error {
		n, err := flow.Strays(context.Background(), tx)
		if n != 0 {
			rt.Fatalf("%d strays", n)
		}
		return err
	})
	if err != nil {
		rt.Fatal(err)
	}
}

func (w *world) end(c flow.Case) time.Time {
	if c.Open() {
		return w.now
	}
	return c.ClosedAt
}
