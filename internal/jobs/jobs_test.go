package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

// note is the argument of most test jobs: N names the effect.
type note struct{ N int }

// clock is a database clock that may be moved while workers run.
type clock struct{ ms atomic.Int64 }

func setClock(d *db.DB) *clock {
	c := &clock{}
	c.ms.Store(dbtest.Clock.UnixMilli())
	d.Now = func() time.Time { return time.UnixMilli(c.ms.Load()) }
	return c
}

func (c *clock) add(by time.Duration) { c.ms.Add(by.Milliseconds()) }

func quiet(d *db.DB) *Queue {
	q := New(d)
	q.Log = slog.New(slog.DiscardHandler)
	return q
}

// reporter is what testing.TB and rapid.T have in common.
type reporter interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func must(t reporter, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func effectTable(t testing.TB, d *db.DB) {
	t.Helper()
	must(t, d.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `CREATE TABLE effect (n BIGINT NOT NULL, at BIGINT NOT NULL)`)
		return err
	}))
}

func addEffect(ctx context.Context, tx *db.Tx, n int) error {
	_, err := tx.Exec(ctx, `INSERT INTO effect (n, at) VALUES ($1, $2)`, n, db.At(tx.Now))
	return err
}

func effects(t reporter, d *db.DB) []int {
	t.Helper()
	var list []int
	must(t, d.View(context.Background(), func(tx *db.Tx) (err error) {
		list, err = db.List(context.Background(), tx, db.Value[int], `SELECT n FROM effect ORDER BY n`)
		return err
	}))
	return list
}

func enqueue(t testing.TB, d *db.DB, q *Queue, list ...Job) {
	t.Helper()
	ctx := context.Background()
	must(t, d.Tx(ctx, func(tx *db.Tx) error {
		for _, j := range list {
			if err := q.Enqueue(ctx, tx, j); err != nil {
				return err
			}
		}
		return nil
	}))
}

func counts(t reporter, d *db.DB) Counts {
	t.Helper()
	var c Counts
	must(t, d.View(context.Background(), func(tx *db.Tx) (err error) {
		c, err = Stats(context.Background(), tx)
		return err
	}))
	return c
}

func deadLetters(t testing.TB, d *db.DB) []Dead {
	t.Helper()
	var list []Dead
	must(t, d.View(context.Background(), func(tx *db.Tx) (err error) {
		list, err = DeadLetters(context.Background(), tx, 100)
		return err
	}))
	return list
}

func same(t testing.TB, got []int, want ...int) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("effects %v, want %v", got, want)
	}
}

func TestJobFollowsTheCallersTransaction(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		q := quiet(d)
		Handle(q, "note", func(ctx context.Context, tx *db.Tx, a note) error { return addEffect(ctx, tx, a.N) })
		boom := errors.New("boom")
		err := d.Tx(t.Context(), func(tx *db.Tx) error {
			if err := q.Enqueue(t.Context(), tx, Job{Kind: "note", Args: note{1}}); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatal(err)
		}
		enqueue(t, d, q, Job{Kind: "note", Args: note{2}})
		must(t, q.Drain(t.Context()))
		must(t, q.Drain(t.Context()))
		same(t, effects(t, d), 2)
		if c := counts(t, d); c != (Counts{}) {
			t.Fatalf("left: %+v", c)
		}
	})
}

func TestFailuresBackOffThenDieThenAreRetriedByHand(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		clock := setClock(d)
		q := quiet(d)
		broken := true
		Handle(q, "note", func(ctx context.Context, tx *db.Tx, a note) error {
			if err := addEffect(ctx, tx, a.N); err != nil {
				return err
			}
			if broken {
				return errors.New("线路\x00中断")
			}
			return nil
		})
		enqueue(t, d, q, Job{Kind: "note", Args: note{7}, MaxAttempts: 3})
		for i := range 3 {
			if err := q.Drain(t.Context()); err == nil {
				t.Fatalf("attempt %d did not run", i+1)
			}
			must(t, q.Drain(t.Context())) // not due again at once
			clock.add(time.Duration(float64(2*time.Second<<i) * 1.2))
		}
		same(t, effects(t, d)) // what a failing attempt wrote is gone
		list := deadLetters(t, d)
		if len(list) != 1 || list[0].Reason != "线路中断" || list[0].Attempts != 3 || list[0].Args != `{"N":7}` ||
			!list[0].CreatedAt.Equal(dbtest.Clock) || !list[0].FailedAt.After(dbtest.Clock) {
			t.Fatalf("dead letters: %+v", list)
		}
		retry := func() error {
			return d.Tx(t.Context(), func(tx *db.Tx) error { return RetryDead(t.Context(), tx, list[0].ID) })
		}
		must(t, retry())
		if err := retry(); !errs.Is(err, errs.NotFound) {
			t.Fatalf("second retry: %v", err)
		}
		for range 3 {
			if err := q.Drain(t.Context()); err == nil {
				t.Fatal("the retried job did not run")
			}
			clock.add(time.Minute)
		}
		if list = deadLetters(t, d); len(list) != 1 || list[0].Attempts != 6 || list[0].Retried != 1 {
			t.Fatalf("history lost: %+v", list)
		}
		broken = false
		must(t, retry())
		must(t, q.Drain(t.Context()))
		same(t, effects(t, d), 7)
	})
}

func TestSomeFailuresDieAtOnce(t *testing.T) {
	d := dbtest.SQLite(t)
	for name, tc := range map[string]struct {
		err  error
		dead bool
	}{
		"invalid":   {errs.E(errs.Invalid, "缺少机构"), true},
		"not found": {fmt.Errorf("send: %w", errs.E(errs.NotFound, "没有找到患者")), true},
		"forbidden": {errs.E(errs.Forbidden, "无权"), true},
		"conflict":  {errs.E(errs.Conflict, "已变化"), false},
		"other":     {errors.New("timeout"), false},
	} {
		q := quiet(d)
		Handle(q, name, func(context.Context, *db.Tx, note) error { return tc.err })
		before := counts(t, d)
		enqueue(t, d, q, Job{Kind: name, Args: note{}})
		if err := q.Drain(t.Context()); !errors.Is(err, tc.err) {
			t.Fatalf("%s: Drain returned %v", name, err)
		}
		if died := counts(t, d).Dead > before.Dead; died != tc.dead {
			t.Errorf("%s: died=%v", name, died)
		}
	}
	q := quiet(d)
	Handle(q, "text", func(context.Context, *db.Tx, note) error { return nil })
	enqueue(t, d, q, Job{Kind: "text", Args: "not a note"})
	if err := q.Drain(t.Context()); !errs.Is(err, errs.Invalid) {
		t.Errorf("unreadable arguments: %v", err)
	}
}

func TestBackoffGrowsFromSecondsToHours(t *testing.T) {
	for n, want := range map[int]time.Duration{0: 2 * time.Second, 1: 2 * time.Second, 2: 4 * time.Second,
		10: 1024 * time.Second, 14: 16384 * time.Second, 15: 6 * time.Hour, 1000: 6 * time.Hour} {
		for range 200 {
			if got := backoff(n); got < want*4/5 || got > want*6/5 {
				t.Fatalf("attempt %d: %v, want %v ± 20 %%", n, got, want)
			}
		}
	}
}

func TestPanicIsAFailure(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		var log strings.Builder
		q := New(d)
		q.Log = slog.New(slog.NewTextHandler(&log, nil))
		Handle(q, "note", func(ctx context.Context, tx *db.Tx, a note) error {
			must(t, addEffect(ctx, tx, a.N))
			panic("index out of range")
		})
		HandleOutside(q, "call", func(context.Context, note) error { panic("nil map") })
		enqueue(t, d, q, Job{Kind: "note", Args: note{1}, MaxAttempts: 1}, Job{Kind: "call", Args: note{1}, MaxAttempts: 1})
		if err := q.Drain(t.Context()); err == nil {
			t.Fatal("panic was not reported")
		}
		same(t, effects(t, d))
		if list := deadLetters(t, d); len(list) != 2 || !strings.Contains(list[0].Reason, "程序异常") {
			t.Fatalf("dead letters: %+v", list)
		}
		if !strings.Contains(log.String(), "jobs_test.go") {
			t.Error("the log has no stack")
		}
	})
}

func TestKeyIsUniqueWhileNotDone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		clock := setClock(d)
		q := quiet(d)
		fails := false
		Handle(q, "note", func(ctx context.Context, tx *db.Tx, a note) error {
			if fails {
				return errs.E(errs.Invalid, "不行")
			}
			return addEffect(ctx, tx, a.N)
		})
		later := Job{Kind: "note", Args: note{1}, Key: "k", RunAt: dbtest.Clock.Add(time.Hour)}
		sooner := later
		sooner.RunAt = dbtest.Clock.Add(time.Minute)
		other := later
		other.Key, other.Args = "other", note{2}
		enqueue(t, d, q, later, sooner, later, other, other)
		if c := counts(t, d); c.Ready != 2 {
			t.Fatalf("%+v", c)
		}
		clock.add(time.Minute) // the earlier of the two times counts
		must(t, q.Drain(t.Context()))
		same(t, effects(t, d), 1)
		enqueue(t, d, q, Job{Kind: "note", Args: note{3}, Key: "k"}) // free again after the end
		must(t, q.Drain(t.Context()))
		same(t, effects(t, d), 1, 3)

		fails = true // a dead job does not swallow later ones
		enqueue(t, d, q, Job{Kind: "note", Args: note{4}, Key: "k"})
		_ = q.Drain(t.Context()) // dies by design
		fails = false
		enqueue(t, d, q, Job{Kind: "note", Args: note{5}, Key: "k"})
		err := d.Tx(t.Context(), func(tx *db.Tx) error { return RetryDead(t.Context(), tx, deadLetters(t, d)[0].ID) })
		if !errs.Is(err, errs.Conflict) {
			t.Fatalf("retry beside a live twin: %v", err)
		}
		must(t, q.Drain(t.Context()))
		same(t, effects(t, d), 1, 3, 5)
	})
}

func TestEnqueuedAgainWhileRunningRunsOnceMore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		q := quiet(d)
		runs := 0
		HandleOutside(q, "send", func(ctx context.Context, a note) error {
			if runs++; runs == 1 {
				enqueue(t, d, q, Job{Kind: "send", Args: a, Key: "k"}, Job{Kind: "send", Args: a, Key: "k"})
			}
			return nil
		})
		enqueue(t, d, q, Job{Kind: "send", Args: note{1}, Key: "k"})
		must(t, q.Drain(t.Context()))
		if c := counts(t, d); runs != 2 || c != (Counts{}) {
			t.Fatalf("runs=%d left=%+v", runs, c)
		}
	})
}

func TestDueTimeOrder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := setClock(d)
		q := quiet(d)
		var order []int
		Handle(q, "note", func(_ context.Context, _ *db.Tx, a note) error {
			order = append(order, a.N)
			return nil
		})
		at := func(n int) Job {
			return Job{Kind: "note", Args: note{n}, RunAt: dbtest.Clock.Add(time.Duration(n) * time.Minute)}
		}
		enqueue(t, d, q, at(3), at(1), at(5), at(2), at(4))
		must(t, q.Drain(t.Context()))
		clock.add(4 * time.Minute)
		if c := counts(t, d); c != (Counts{Ready: 5, Due: 4, OldestDue: 3 * time.Minute}) {
			t.Fatalf("%+v", c)
		}
		must(t, q.Drain(t.Context()))
		if !slices.Equal(order, []int{1, 2, 3, 4}) {
			t.Fatalf("order %v", order)
		}
	})
}

type arrived struct{ Patient string }

func (arrived) Topic() string { return "test.arrived" }

func TestEventReachesEachSubscriberOnItsOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		q := quiet(d)
		Subscribe(q, "counter", func(ctx context.Context, tx *db.Tx, e arrived) error { return addEffect(ctx, tx, len(e.Patient)) })
		Subscribe(q, "broken", func(ctx context.Context, tx *db.Tx, _ arrived) error {
			must(t, addEffect(ctx, tx, 99))
			return errors.New("broken")
		})
		must(t, d.Tx(t.Context(), func(tx *db.Tx) error { return q.Publish(t.Context(), tx, arrived{"p12"}) }))
		if err := q.Drain(t.Context()); err == nil || !strings.Contains(err.Error(), "test.arrived>broken") {
			t.Fatalf("Drain: %v", err)
		}
		same(t, effects(t, d), 3)
	})
}

func TestUnknownKindWaitsADayThenDies(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := setClock(d)
		q := quiet(d)
		enqueue(t, d, q, Job{Kind: "from.the.future", Args: note{1}})
		Handle(q, "known", func(context.Context, *db.Tx, note) error { return nil })
		must(t, q.Drain(t.Context()))
		if c := counts(t, d); c.Ready != 1 {
			t.Fatalf("%+v", c)
		}
		clock.add(25 * time.Hour)
		must(t, q.Drain(t.Context()))
		if list := deadLetters(t, d); len(list) != 1 || !strings.Contains(list[0].Reason, "升级程序") {
			t.Fatalf("%+v", list)
		}
	})
}

func TestTitles(t *testing.T) {
	q := New(nil)
	q.Title("referral.remind", "转诊催办")
	if q.TitleOf("referral.remind") != "转诊催办" || q.TitleOf("x") != "x" {
		t.Fatal("titles")
	}
	defer func() {
		if recover() == nil {
			t.Error("a kind was registered twice")
		}
	}()
	Handle(q, "twice", func(context.Context, *db.Tx, note) error { return nil })
	HandleOutside(q, "twice", func(context.Context, note) error { return nil })
}
