package jobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// errLost says that another worker has taken the job over; nothing of this
// attempt was committed.
var errLost = errors.New("job was taken over by another worker")

// lane is one class of jobs with its own workers, so that slow calls outside
// never hold up work on the database.
type lane struct {
	kinds []string
	bell  chan struct{}
}

func newLane() *lane { return &lane{bell: make(chan struct{}, 1)} }

func (l *lane) signal() {
	select {
	case l.bell <- struct{}{}:
	default: // already rung
	}
}

// Run works until ctx ends, then waits for running jobs; those that are still
// running after Grace are interrupted, rolled back and left for the next
// start. It returns nil then.
func (q *Queue) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { q.serve(ctx, work, q.inside) })
	wg.Go(func() { q.serve(ctx, work, q.outside) })
	wg.Go(func() { q.watch(ctx) })
	<-ctx.Done()
	grace := time.AfterFunc(q.grace(), stop)
	defer grace.Stop()
	wg.Wait()
	return nil
}

// serve hands the jobs of a lane to its workers until ctx ends, and returns
// when the workers have returned. Jobs run under work, which ends later.
func (q *Queue) serve(ctx, work context.Context, l *lane) {
	slots := make(chan struct{}, q.workers())
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		n := acquire(ctx, slots)
		if n == 0 {
			return
		}
		list, wait := q.next(work, l, n)
		for _, c := range list {
			wg.Go(func() {
				defer func() { <-slots }()
				_ = q.work(work, c) // recorded with the job, and logged
			})
		}
		for range n - len(list) {
			<-slots
		}
		if len(list) == 0 && !sleep(ctx, l.bell, wait) {
			return
		}
	}
}

// acquire waits for one free slot and takes all that are free; 0 when ctx ends.
func acquire(ctx context.Context, slots chan struct{}) int {
	if ctx.Err() != nil {
		return 0
	}
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	n := 1
	for n < cap(slots) {
		select {
		case slots <- struct{}{}:
			n++
		default:
			return n
		}
	}
	return n
}

func sleep(ctx context.Context, bell <-chan struct{}, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-bell:
	case <-timer.C:
	}
	return true
}

// next claims up to n due jobs; when there is none it says how long to sleep.
func (q *Queue) next(ctx context.Context, l *lane, n int) ([]claimed, time.Duration) {
	wait := q.poll()
	if l == q.inside {
		until, err := q.schedule(ctx)
		if err != nil {
			return nil, q.trouble("schedule periodic jobs", err)
		}
		wait = min(wait, until)
	}
	list, due, err := q.claim(ctx, l, n)
	switch {
	case err != nil:
		return nil, q.trouble("claim jobs", err)
	case len(list) > 0 || due.IsZero():
		return list, wait
	}
	return nil, min(wait, max(due.Sub(q.now()), 10*time.Millisecond))
}

// trouble logs an error of the queue's own statements and says how long to
// wait before trying again, scattered so that processes do not collide again.
func (q *Queue) trouble(what string, err error) time.Duration {
	q.log().Warn("jobs: "+what, "error", err)
	return 200*time.Millisecond + rand.N(q.poll())
}

// claim returns claimed jobs, or when the next one is due. It looks before it
// writes, so that an idle queue costs no write transaction.
func (q *Queue) claim(ctx context.Context, l *lane, n int) (list []claimed, due time.Time, err error) {
	if len(l.kinds) == 0 {
		return nil, due, nil
	}
	now := q.now()
	err = q.db.View(ctx, func(tx *db.Tx) (err error) {
		due, err = nextDue(ctx, tx, l.kinds)
		return err
	})
	if err != nil || due.IsZero() || due.After(now) {
		return nil, due, err
	}
	err = q.db.Tx(ctx, func(tx *db.Tx) (err error) {
		list, err = claim(ctx, tx, l.kinds, n, q.lease())
		return err
	})
	if err != nil {
		return nil, due, err
	}
	return list, due, nil
}

// work does one claimed job and records how it went. It returns the handler's
// error; losing the job to another worker is not an error.
func (q *Queue) work(ctx context.Context, c claimed) error {
	q.fly(c.id, true)
	defer q.fly(c.id, false)
	h, ok := q.handler(c.kind)
	if !ok {
		return fmt.Errorf("job of unknown kind %q was claimed", c.kind)
	}
	var err error
	if h.out != nil {
		err = q.callOutside(ctx, h, c)
	} else {
		err = q.callInside(ctx, h, c)
	}
	if err == nil {
		return nil
	}
	// The record must be written even when the job was interrupted.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	switch {
	case errors.Is(err, errLost):
		q.log().Warn("jobs: lost to another worker", "kind", c.kind, "job", c.id, "fence", c.fence)
		return nil
	case ctx.Err() != nil:
		if rerr := q.db.Tx(end, func(tx *db.Tx) error { return release(end, tx, c) }); rerr != nil {
			q.log().Error("jobs: release an interrupted job", "kind", c.kind, "job", c.id, "error", rerr)
		}
		return fmt.Errorf("job %s: %w", c.kind, ctx.Err())
	}
	q.record(end, h, c, err)
	return fmt.Errorf("job %s: %w", c.kind, err)
}

func (q *Queue) fly(id string, on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if on {
		q.inflight[id] = true
	} else {
		delete(q.inflight, id)
	}
}

func (q *Queue) flying(id string) bool {
	q.mu.RLock()
	defer q.mu.RUnlock()
	return q.inflight[id]
}

func (q *Queue) callInside(ctx context.Context, h handler, c claimed) error {
	return q.db.Tx(ctx, func(tx *db.Tx) error {
		held, err := take(ctx, tx, c)
		if err != nil {
			return err
		}
		if !held {
			return errLost
		}
		if h.periodic {
			if err := forgetDead(ctx, tx, c.kind); err != nil {
				return err
			}
		}
		return q.guard(c, func() error { return h.inTx(ctx, tx, []byte(c.args)) })
	})
}

func (q *Queue) callOutside(ctx context.Context, h handler, c claimed) error {
	run, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { q.heartbeat(run, cancel, c) })
	err := q.guard(c, func() error { return h.out(run, []byte(c.args)) })
	lost := context.Cause(run)
	cancel(nil)
	wg.Wait()
	if errors.Is(lost, errLost) {
		return errLost
	}
	if err != nil {
		return err
	}
	end, done := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer done()
	return q.db.Tx(end, func(tx *db.Tx) error {
		held, err := finish(end, tx, c)
		if err == nil && !held {
			err = errLost
		}
		return err
	})
}

// heartbeat renews the claim until ctx ends, and ends ctx when it is lost.
func (q *Queue) heartbeat(ctx context.Context, cancel context.CancelCauseFunc, c claimed) {
	tick := time.NewTicker(q.lease() / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var held bool
		err := q.db.Tx(ctx, func(tx *db.Tx) (err error) {
			held, err = renew(ctx, tx, c, q.lease())
			return err
		})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			q.log().Warn("jobs: renew a lease", "kind", c.kind, "job", c.id, "error", err)
		case !held:
			cancel(errLost)
			return
		}
	}
}

// guard turns a panic of a handler into an error; the stack goes to the log.
func (q *Queue) guard(c claimed, fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			q.log().Error("jobs: handler panicked", "kind", c.kind, "job", c.id,
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			err = fmt.Errorf("程序异常：%v", r)
		}
	}()
	return fn()
}

// record writes a failed attempt down: to be tried again later, or dead.
func (q *Queue) record(ctx context.Context, h handler, c claimed, cause error) {
	dead := c.attempts >= c.maxAttempts || permanent(cause)
	err := q.db.Tx(ctx, func(tx *db.Tx) error {
		if dead && h.periodic {
			if err := forgetDead(ctx, tx, c.kind); err != nil {
				return err
			}
		}
		_, err := fail(ctx, tx, c, dead, tx.Now.Add(backoff(c.attempts)), reason(cause))
		tx.AfterCommit(q.wake)
		return err
	})
	if err != nil { // the lease will end and the job be taken over
		q.log().Error("jobs: record a failure", "kind", c.kind, "job", c.id, "error", err)
	}
	q.log().Warn("jobs: attempt failed", "kind", c.kind, "job", c.id,
		"attempt", c.attempts, "of", c.maxAttempts, "dead", dead, "error", cause)
}

// permanent reports whether the same arguments would get the same answer.
func permanent(err error) bool {
	switch errs.KindOf(err) {
	case errs.Invalid, errs.NotFound, errs.Forbidden:
		return true
	}
	return false
}

const (
	firstBackoff = 2 * time.Second
	lastBackoff  = 6 * time.Hour
)

// backoff returns the pause after the n-th failed attempt, with ±20 % jitter.
func backoff(n int) time.Duration {
	pause := lastBackoff
	if shift := max(n, 1) - 1; shift < 14 {
		pause = min(firstBackoff<<shift, lastBackoff)
	}
	return pause*4/5 + rand.N(pause*2/5)
}

// reason is the text kept with a failed job: bounded, and storable on both
// engines.
func reason(err error) string {
	text := strings.ReplaceAll(strings.ToValidUTF8(err.Error(), "?"), "\x00", "")
	if runes := []rune(text); len(runes) > 1000 {
		return string(runes[:1000]) + "…"
	}
	return text
}

// unknownAfter is how long a job of an unknown kind waits for a process that
// knows it: longer than any rolling upgrade.
const unknownAfter = 24 * time.Hour

// watch takes over jobs of dead workers and buries unknown ones until ctx ends.
func (q *Queue) watch(ctx context.Context) {
	tick := time.NewTicker(min(q.lease()/3, 5*time.Second))
	defer tick.Stop()
	for round := 0; ; round++ {
		if err := q.rescueAll(ctx); err != nil && ctx.Err() == nil {
			q.log().Warn("jobs: rescue", "error", err)
		}
		if round%120 == 0 {
			if err := q.bury(ctx); err != nil && ctx.Err() == nil {
				q.log().Warn("jobs: bury unknown kinds", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// rescueAll takes over jobs whose lease has ended, one transaction each: the
// row of a database job that still runs is locked, and must not hold up the
// others for longer than a moment.
func (q *Queue) rescueAll(ctx context.Context) error {
	var list []claimed
	err := q.db.View(ctx, func(tx *db.Tx) (err error) {
		list, err = expired(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range list {
		if q.flying(c.id) {
			continue
		}
		if err := q.rescueOne(ctx, c); err != nil && ctx.Err() != nil {
			return err
		}
	}
	return nil
}

func (q *Queue) rescueOne(ctx context.Context, c claimed) error {
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return q.db.Tx(short, func(tx *db.Tx) error {
		done, err := rescue(short, tx, c)
		if done {
			tx.AfterCommit(func() {
				q.log().Warn("jobs: taken over from a dead worker", "kind", c.kind, "job", c.id, "attempt", c.attempts)
				q.wake()
			})
		}
		return err
	})
}

func (q *Queue) bury(ctx context.Context) error {
	q.mu.RLock()
	known := append(append([]string{}, q.inside.kinds...), q.outside.kinds...)
	q.mu.RUnlock()
	return q.db.Tx(ctx, func(tx *db.Tx) error {
		n, err := buryUnknown(ctx, tx, known, tx.Now.Add(-unknownAfter))
		if n > 0 {
			q.log().Error("jobs: nobody knows these kinds of job", "jobs", n)
		}
		return err
	})
}

// Drain runs everything that is due at the database clock, one job after the
// other in due order, including jobs that these enqueue and periodic jobs whose
// slot has begun. It returns the failures of the jobs joined; they are recorded
// as with Run. For tests and the demo loader.
func (q *Queue) Drain(ctx context.Context) error {
	if err := q.bury(ctx); err != nil {
		return err
	}
	var failures []error
	for {
		if _, err := q.schedule(ctx); err != nil {
			return err
		}
		if err := q.rescueAll(ctx); err != nil {
			return err
		}
		n := 0
		for _, l := range []*lane{q.inside, q.outside} {
			list, _, err := q.claim(ctx, l, 20)
			if err != nil {
				return errors.Join(append(failures, err)...)
			}
			for _, c := range list {
				n++
				if err := q.work(ctx, c); err != nil {
					failures = append(failures, err)
				}
			}
		}
		if ctx.Err() != nil || n == 0 {
			return errors.Join(append(failures, ctx.Err())...)
		}
	}
}
