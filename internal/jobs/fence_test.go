package jobs

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// claimOne claims one inside job for q, as a worker does before it works.
func claimOne(t testing.TB, q *Queue, l *lane) claimed {
	t.Helper()
	list, _, err := q.claim(context.Background(), l, 1)
	if err != nil || len(list) != 1 {
		t.Fatalf("claimed %d: %v", len(list), err)
	}
	return list[0]
}

func TestSlowWorkerCannotCommitAfterItsLease(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		clock := setClock(d)
		register := func(q *Queue) *Queue {
			Handle(q, "note", func(ctx context.Context, tx *db.Tx, a note) error { return addEffect(ctx, tx, a.N) })
			return q
		}
		slow, fast := register(quiet(d)), register(quiet(d))
		enqueue(t, d, slow, Job{Kind: "note", Args: note{1}})

		held := claimOne(t, slow, slow.inside)
		must(t, fast.Drain(t.Context())) // the lease still holds
		same(t, effects(t, d))
		clock.add(31 * time.Second)
		must(t, fast.Drain(t.Context())) // taken over and done
		same(t, effects(t, d), 1)
		must(t, slow.work(t.Context(), held)) // lost, quietly
		same(t, effects(t, d), 1)

		// Taken over and waiting, or running elsewhere: the old claim is void too.
		enqueue(t, d, slow, Job{Kind: "note", Args: note{2}})
		held = claimOne(t, slow, slow.inside)
		clock.add(31 * time.Second)
		must(t, fast.rescueAll(t.Context()))
		must(t, slow.work(t.Context(), held))
		same(t, effects(t, d), 1)
		second := claimOne(t, fast, fast.inside)
		must(t, slow.work(t.Context(), held))
		same(t, effects(t, d), 1)
		must(t, fast.work(t.Context(), second))
		same(t, effects(t, d), 1, 2)
	})
}

func TestLostOutsideJobIsToldAndNotRecorded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := setClock(d)
		slow, fast := quiet(d), quiet(d)
		slow.Lease = 60 * time.Millisecond // of the wall clock: renewed every 20 ms
		calls := 0
		var slowErr error
		HandleOutside(slow, "call", func(ctx context.Context, a note) error {
			clock.add(time.Hour) // the process slept
			if err := fast.Drain(t.Context()); err == nil {
				t.Error("the other process did not take over")
			}
			<-ctx.Done()
			slowErr = context.Cause(ctx)
			return nil
		})
		HandleOutside(fast, "call", func(context.Context, note) error { calls++; return errors.New("busy") })
		enqueue(t, d, slow, Job{Kind: "call", Args: note{1}})
		held := claimOne(t, slow, slow.outside)
		must(t, slow.work(t.Context(), held))
		if !errors.Is(slowErr, errLost) || calls != 1 {
			t.Fatalf("cause=%v calls=%d", slowErr, calls)
		}
		if c := counts(t, d); c.Ready != 1 {
			t.Fatalf("the slow worker overwrote the record: %+v", c)
		}
	})
}

func TestHeartbeatKeepsALongCall(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := setClock(d)
		q, other := quiet(d), quiet(d)
		q.Lease = 30 * time.Millisecond
		calls := 0
		HandleOutside(other, "call", func(context.Context, note) error { calls++; return nil })
		HandleOutside(q, "call", func(context.Context, note) error {
			calls++
			for range 5 {
				clock.add(25 * time.Millisecond)
				want := clock.ms.Load() + 30
				eventually(t, "a renewal", func() bool { return leaseUntil(t, d) >= want })
				must(t, other.Drain(t.Context()))
			}
			return nil
		})
		enqueue(t, d, q, Job{Kind: "call", Args: note{1}})
		must(t, q.Drain(t.Context()))
		if c := counts(t, d); calls != 1 || c != (Counts{}) {
			t.Fatalf("calls=%d left=%+v", calls, c)
		}
	})
}

func leaseUntil(t testing.TB, d *db.DB) (ms int64) {
	must(t, d.View(context.Background(), func(tx *db.Tx) (err error) {
		ms, err = db.Count(context.Background(), tx, `SELECT coalesce(max(lease_until), 0) FROM job`)
		return err
	}))
	return ms
}

func TestRunningTransactionCannotBeRescued(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		clock := setClock(d)
		q, other := quiet(d), quiet(d)
		Handle(q, "note", func(ctx context.Context, tx *db.Tx, a note) error {
			clock.add(time.Hour)
			if err := other.rescueAll(ctx); err != nil {
				return err
			}
			return addEffect(ctx, tx, a.N)
		})
		enqueue(t, d, q, Job{Kind: "note", Args: note{1}})
		must(t, q.Drain(t.Context()))
		same(t, effects(t, d), 1)
		if c := counts(t, d); c != (Counts{}) {
			t.Fatalf("left: %+v", c)
		}
	})
}

func TestCrashingJobEndsInTheDeadLetters(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := setClock(d)
		q := quiet(d)
		Handle(q, "note", func(context.Context, *db.Tx, note) error { return nil })
		enqueue(t, d, q, Job{Kind: "note", Args: note{1}, MaxAttempts: 2})
		for range 2 {
			claimOne(t, q, q.inside) // and the process is gone
			clock.add(time.Minute)
			must(t, q.rescueAll(t.Context()))
		}
		if list := deadLetters(t, d); len(list) != 1 || list[0].Attempts != 2 {
			t.Fatalf("%+v", list)
		}
	})
}

// world is the model of the property test: two processes, their open claims,
// and how often each job still has to fail.
type world struct {
	d      *db.DB
	clock  *clock
	queues []*Queue
	open   [][]claimed // claims of each process that are not worked yet
	fails  map[int]int
	next   int
	want   []int
}

func (w *world) handle(ctx context.Context, tx *db.Tx, a note) error {
	if err := addEffect(ctx, tx, a.N); err != nil {
		return err
	}
	if w.fails[a.N] > 0 {
		w.fails[a.N]--
		return errors.New("not yet")
	}
	return nil
}

func (w *world) enqueue(r *rapid.T) {
	ctx := context.Background()
	w.next++
	n := w.next
	w.fails[n] = rapid.IntRange(0, 2).Draw(r, "failures")
	commit := rapid.IntRange(0, 4).Draw(r, "commit") > 0
	job := Job{Kind: "note", Args: note{n}, MaxAttempts: 1000,
		RunAt: w.queues[0].now().Add(time.Duration(rapid.IntRange(-5, 20).Draw(r, "delay")) * time.Second)}
	undo := errors.New("undo")
	err := w.d.Tx(ctx, func(tx *db.Tx) error {
		if err := w.queues[0].Enqueue(ctx, tx, job); err != nil {
			return err
		}
		if !commit {
			return undo
		}
		return nil
	})
	if commit {
		w.want = append(w.want, n)
	} else if errors.Is(err, undo) {
		err = nil
	}
	must(r, err)
}

func (w *world) step(r *rapid.T) {
	ctx := context.Background()
	p := rapid.IntRange(0, len(w.queues)-1).Draw(r, "process")
	q := w.queues[p]
	switch rapid.SampledFrom([]string{"enqueue", "claim", "claim", "work", "work", "crash", "wait", "rescue"}).Draw(r, "step") {
	case "enqueue":
		w.enqueue(r)
	case "claim":
		list, _, err := q.claim(ctx, q.inside, rapid.IntRange(1, 3).Draw(r, "n"))
		must(r, err)
		w.open[p] = append(w.open[p], list...)
	case "work":
		if n := len(w.open[p]); n > 0 {
			i := rapid.IntRange(0, n-1).Draw(r, "which")
			_ = q.work(ctx, w.open[p][i]) // failures are part of the plan
			if rapid.Bool().Draw(r, "forget") {
				w.open[p] = slices.Delete(w.open[p], i, i+1)
			} // else the same claim is worked again, which must be void
		}
	case "crash":
		w.open[p] = nil
	case "wait":
		w.clock.add(time.Duration(rapid.IntRange(1, 40).Draw(r, "seconds")) * time.Second)
	case "rescue":
		must(r, q.rescueAll(ctx))
	}
}

func TestNothingIsLostOrDoneTwice(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		effectTable(t, d)
		clock := setClock(d)
		next := 0
		rapid.Check(t, func(r *rapid.T) {
			w := &world{d: d, clock: clock, fails: map[int]int{}, next: next}
			defer func() { next = w.next }()
			for range 2 {
				q := quiet(d)
				Handle(q, "note", w.handle)
				w.queues = append(w.queues, q)
			}
			w.open = make([][]claimed, len(w.queues))
			for range rapid.IntRange(1, 25).Draw(r, "steps") {
				w.step(r)
			}
			for counts(r, d) != (Counts{}) {
				clock.add(time.Minute)
				_ = w.queues[0].Drain(context.Background()) // planned failures
			}
			for p, list := range w.open { // claims that outlived their job
				for _, c := range list {
					must(r, w.queues[p].work(context.Background(), c))
				}
			}
			var got []int
			for _, n := range effects(r, d) {
				if n > next {
					got = append(got, n)
				}
			}
			if !slices.Equal(got, w.want) {
				r.Fatalf("effects %v, want %v", got, w.want)
			}
		})
	})
}
