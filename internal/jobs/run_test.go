package jobs

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

// start runs the queue and returns a function that stops it and waits.
func start(t *testing.T, q *Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		done <- nil // stopping twice does no harm
	}
	t.Cleanup(stop)
	return stop
}

// eventually waits for a condition that must come true; the bound only ends a
// test that would hang.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 6000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never happened: %s", what)
}

func TestRunIsWokenByCommitsAndByTheClock(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		clock := setClock(d)
		q := quiet(d)
		q.Poll = 50 * time.Millisecond
		Handle(q, "note", func(ctx context.Context, tx *db.Tx, a note) error {
			if a.N == 1 { // a job that enqueues the next
				if err := q.Enqueue(ctx, tx, Job{Kind: "note", Args: note{2}}); err != nil {
					return err
				}
			}
			return addEffect(ctx, tx, a.N)
		})
		stop := start(t, q)
		enqueue(t, d, q, Job{Kind: "note", Args: note{1}},
			Job{Kind: "note", Args: note{3}, RunAt: dbtest.Clock.Add(time.Hour)})
		eventually(t, "two jobs", func() bool { return len(effects(t, d)) == 2 })
		clock.add(time.Hour)
		eventually(t, "the job of the later hour", func() bool { return len(effects(t, d)) == 3 })
		stop()
		same(t, effects(t, d), 1, 2, 3)
	})
}

func TestSlowCallsOutsideDoNotHoldUpTheDatabase(t *testing.T) {
	d := dbtest.SQLite(t)
	effectTable(t, d)
	q := quiet(d)
	q.Workers = 2
	free := make(chan struct{})
	var most, now atomic.Int32
	HandleOutside(q, "slow", func(context.Context, note) error {
		most.Store(max(most.Load(), now.Add(1)))
		<-free
		now.Add(-1)
		return nil
	})
	Handle(q, "note", func(ctx context.Context, tx *db.Tx, a note) error { return addEffect(ctx, tx, a.N) })
	for i := range 5 {
		enqueue(t, d, q, Job{Kind: "slow", Args: note{i}})
	}
	start(t, q)
	eventually(t, "all outside workers busy", func() bool { return now.Load() == 2 })
	enqueue(t, d, q, Job{Kind: "note", Args: note{1}})
	eventually(t, "the database job", func() bool { return len(effects(t, d)) == 1 })
	close(free)
	eventually(t, "the rest", func() bool { return counts(t, d) == Counts{} })
	if most.Load() > 2 {
		t.Errorf("%d calls at once with two workers", most.Load())
	}
}

func TestStopWaitsForRunningJobs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		q := quiet(d)
		began, free := make(chan struct{}), make(chan struct{})
		Handle(q, "note", func(ctx context.Context, tx *db.Tx, a note) error {
			close(began)
			<-free
			return addEffect(ctx, tx, a.N)
		})
		enqueue(t, d, q, Job{Kind: "note", Args: note{1}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- q.Run(ctx) }()
		<-began
		cancel()
		select {
		case <-done:
			t.Fatal("Run returned before its job ended")
		case <-time.After(30 * time.Millisecond):
		}
		close(free)
		must(t, <-done)
		same(t, effects(t, d), 1)
	})
}

func TestStopInterruptsAfterTheGrace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		q := quiet(d)
		q.Grace = 20 * time.Millisecond
		began := make(chan struct{}, 2)
		Handle(q, "note", func(ctx context.Context, tx *db.Tx, a note) error {
			must(t, addEffect(ctx, tx, a.N))
			began <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		})
		HandleOutside(q, "call", func(ctx context.Context, _ note) error {
			began <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		})
		stop := start(t, q)
		enqueue(t, d, q, Job{Kind: "call", Args: note{2}, MaxAttempts: 1})
		<-began // before the next, which holds SQLite's only writer
		enqueue(t, d, q, Job{Kind: "note", Args: note{1}, MaxAttempts: 1})
		<-began
		stop()
		same(t, effects(t, d))
		if c := counts(t, d); c.Ready != 2 || c.Dead != 0 {
			t.Fatalf("an interrupted attempt counted: %+v", c)
		}
	})
}

func TestPeriodicRunsOncePerSlotOverTwoQueues(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		clock := setClock(d)
		var queues []*Queue
		for range 2 {
			q := quiet(d)
			q.Poll = 5 * time.Millisecond
			q.Every("daily", 24*time.Hour, func(ctx context.Context, tx *db.Tx) error { return addEffect(ctx, tx, tx.Now.Hour()) })
			queues = append(queues, q)
		}
		stop1, stop2 := start(t, queues[0]), start(t, queues[1])
		eventually(t, "the first slot", func() bool { return len(effects(t, d)) == 1 })
		clock.add(14*time.Hour + 59*time.Minute) // 23:59 in Shanghai: still the same slot
		time.Sleep(30 * time.Millisecond)
		clock.add(time.Minute)
		eventually(t, "the second slot", func() bool { return len(effects(t, d)) >= 2 })
		stop1()
		stop2()
		same(t, effects(t, d), 1, 16) // 09:00, and midnight in Shanghai, as UTC
		for _, q := range queues {
			must(t, q.Drain(t.Context()))
		}
		clock.add(72 * time.Hour) // missed slots are not made up
		for _, q := range queues {
			must(t, q.Drain(t.Context()))
		}
		same(t, effects(t, d), 1, 16, 16)
	})
}

func TestPeriodicKeepsOneDeadLetterUntilItSucceeds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := setClock(d)
		q := quiet(d)
		broken := true
		q.Every("hourly", time.Hour, func(context.Context, *db.Tx) error {
			if broken {
				return errs.E(errs.Invalid, "没有日历")
			}
			return nil
		})
		for range 3 {
			if err := q.Drain(t.Context()); err == nil {
				t.Fatal("did not run")
			}
			clock.add(time.Hour)
		}
		if list := deadLetters(t, d); len(list) != 1 {
			t.Fatalf("%+v", list)
		}
		broken = false
		must(t, q.Drain(t.Context()))
		if list := deadLetters(t, d); len(list) != 0 {
			t.Fatalf("%+v", list)
		}
	})
}

func TestLeaseHasOneHolderAndARisingFence(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := setClock(d)
		take := func(holder string, wantFence int64, wantHeld bool) {
			t.Helper()
			fence, held, err := TakeLease(t.Context(), d, "sealer", holder, time.Minute)
			if err != nil || held != wantHeld || fence != wantFence {
				t.Fatalf("%s: fence=%d held=%v err=%v", holder, fence, held, err)
			}
		}
		check := func(fence int64) error {
			return d.Tx(t.Context(), func(tx *db.Tx) error { return CheckLease(t.Context(), tx, "sealer", fence) })
		}
		take("a", 1, true)
		take("b", 0, false)
		clock.add(50 * time.Second)
		take("a", 1, true)
		clock.add(50 * time.Second)
		take("b", 0, false)
		must(t, check(1))
		clock.add(20 * time.Second)
		take("b", 2, true)
		if err := check(1); !errs.Is(err, errs.Conflict) {
			t.Fatalf("the old fence passed: %v", err)
		}
		if held, err := RenewLease(t.Context(), d, "sealer", "a", 1, time.Minute); held || err != nil {
			t.Fatalf("renewed a lost lease: %v", err)
		}
		if held, err := RenewLease(t.Context(), d, "sealer", "b", 2, time.Hour); !held || err != nil {
			t.Fatalf("renew: %v %v", held, err)
		}
		must(t, DropLease(t.Context(), d, "sealer", "a", 1)) // not a's any more
		clock.add(30 * time.Minute)
		take("a", 0, false)
		must(t, DropLease(t.Context(), d, "sealer", "b", 2))
		take("a", 4, true)
		must(t, d.View(t.Context(), func(tx *db.Tx) error {
			list, err := Leases(t.Context(), tx)
			if len(list) != 1 || list[0].Holder != "a" {
				t.Errorf("%+v", list)
			}
			return err
		}))
	})
}
