// Package jobs is the program's outbox: work that is enqueued in the caller's
// transaction and done soon after it commits, or at a due time, exactly once
// as far as the database is concerned. It also hands out named leases. It is
// not a message broker: there is no order between jobs beyond their due time.
//
// A claim is a short transaction that marks jobs running with a lease and a
// fence (a number that rises with every claim). Database jobs (Handle) run in
// one transaction that begins by deleting the job under its fence: effects and
// completion commit together, and a worker that lost its claim commits
// nothing. Outside jobs (HandleOutside) run between two transactions: they are
// done at least once, and the far side must recognise a repetition.
//
// Failures wait 2 s, 4 s, 8 s … up to 6 h (±20 %) and die after MaxAttempts.
// Errors of the kinds Invalid, NotFound and Forbidden die at once, because the
// same arguments would get the same answer; an administrator can retry a dead
// job when the reason is mended. A job whose process died is taken over when
// its lease ends, and the broken attempt counts, so that work that kills its
// process stops in the dead letters too. Jobs of a kind that this process does
// not know are left to newer processes for a day, then die.
//
// All comparisons of time use the database clock (tx.Now); sleeping uses wall
// timers that look again at least every Poll.
package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// Default numbers of attempts: a database job that fails for 17 minutes has a
// fault that needs a person; an outside system may be down for a day.
const (
	DefaultAttempts        = 10
	DefaultOutsideAttempts = 18
)

// Queue is the door to the job table in one process. Register all handlers
// before Run; the exported fields too are set before Run.
type Queue struct {
	Workers int           // parallel jobs, database and outside each; 0 = 4
	Lease   time.Duration // how long a claim holds without renewal; 0 = 30 s
	Poll    time.Duration // longest sleep before looking for other processes' jobs; 0 = 2 s
	Grace   time.Duration // how long running jobs may go on after Run's context ends; 0 = 10 s
	Log     *slog.Logger  // nil = slog.Default()

	db *db.DB

	mu          sync.RWMutex
	handlers    map[string]handler
	titles      map[string]string
	subscribers map[string][]string // topic → kinds
	periods     []*period
	inflight    map[string]bool // ids this process is running
	inside      *lane
	outside     *lane
}

// handler is what is known of one kind. Exactly one of inTx and out is set.
type handler struct {
	inTx     func(ctx context.Context, tx *db.Tx, args []byte) error
	out      func(ctx context.Context, args []byte) error
	periodic bool
}

// New returns a queue on d without handlers.
func New(d *db.DB) *Queue {
	return &Queue{
		db:          d,
		handlers:    map[string]handler{},
		titles:      map[string]string{},
		subscribers: map[string][]string{},
		inflight:    map[string]bool{},
		inside:      newLane(),
		outside:     newLane(),
	}
}

// Handle registers fn for database-only jobs of a kind: what fn writes through
// tx and the completion of the job commit together. fn may run again after a
// serialization failure or an error, so it must touch nothing but tx.
func Handle[T any](q *Queue, kind string, fn func(ctx context.Context, tx *db.Tx, args T) error) {
	q.register(kind, handler{inTx: func(ctx context.Context, tx *db.Tx, raw []byte) error {
		args, err := decode[T](raw)
		if err != nil {
			return err
		}
		return fn(ctx, tx, args)
	}})
}

// HandleOutside registers fn for jobs that call something outside the
// database. The claim is committed first and renewed while fn runs; when the
// claim is lost, ctx ends. fn may be called again for the same job.
func HandleOutside[T any](q *Queue, kind string, fn func(ctx context.Context, args T) error) {
	q.register(kind, handler{out: func(ctx context.Context, raw []byte) error {
		args, err := decode[T](raw)
		if err != nil {
			return err
		}
		return fn(ctx, args)
	}})
}

func decode[T any](raw []byte) (T, error) {
	var args T
	if err := json.Unmarshal(raw, &args); err != nil {
		return args, errs.Because(err, errs.Invalid, "任务参数无法读取：%v", err)
	}
	return args, nil
}

// register panics on a kind that is taken: two handlers of one kind are a
// fault of the wiring that must show at start.
func (q *Queue) register(kind string, h handler) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if kind == "" {
		panic("jobs: empty kind")
	}
	if _, taken := q.handlers[kind]; taken {
		panic("jobs: kind " + kind + " is registered twice")
	}
	q.handlers[kind] = h
	if h.out != nil {
		q.outside.kinds = append(q.outside.kinds, kind)
	} else {
		q.inside.kinds = append(q.inside.kinds, kind)
	}
}

// Title names a kind in Chinese for the administrator's page.
func (q *Queue) Title(kind, title string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.titles[kind] = title
}

// TitleOf returns the Chinese name of a kind, or the kind when it has none.
func (q *Queue) TitleOf(kind string) string {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if t, ok := q.titles[kind]; ok {
		return t
	}
	return kind
}

// Job is work to be enqueued. Args is stored as JSON and shown to
// administrators: ids and dates, no clinical text, no names.
type Job struct {
	Kind        string
	Args        any
	Key         string    // names the work; unique among jobs of the kind that are not done. "" none
	RunAt       time.Time // zero = now
	MaxAttempts int       // 0 = default
}

// Enqueue stores a job in the caller's transaction and wakes the runner when
// it commits. When a job of the same kind and Key is waiting, it absorbs the
// new one: it keeps its arguments and takes the earlier time. When one is
// running, it will see what this transaction commits, or run once more. On
// PostgreSQL this waits for a running database job of the same key, so such
// jobs are kept short; long recomputations are marked in a table of their own.
func (q *Queue) Enqueue(ctx context.Context, tx *db.Tx, j Job) error {
	if j.Kind == "" {
		return fmt.Errorf("enqueue job: empty kind")
	}
	args, err := json.Marshal(j.Args)
	if err != nil {
		return fmt.Errorf("enqueue job %s: %w", j.Kind, err)
	}
	if j.RunAt.IsZero() {
		j.RunAt = tx.Now
	}
	if j.MaxAttempts <= 0 {
		j.MaxAttempts = q.defaultAttempts(j.Kind)
	}
	if err := insert(ctx, tx, j, string(args)); err != nil {
		return fmt.Errorf("enqueue job %s: %w", j.Kind, err)
	}
	tx.AfterCommit(q.wake)
	return nil
}

func (q *Queue) defaultAttempts(kind string) int {
	q.mu.RLock()
	defer q.mu.RUnlock()
	if q.handlers[kind].out != nil {
		return DefaultOutsideAttempts
	}
	return DefaultAttempts
}

func (q *Queue) handler(kind string) (handler, bool) {
	q.mu.RLock()
	defer q.mu.RUnlock()
	h, ok := q.handlers[kind]
	return h, ok
}

func (q *Queue) wake() {
	q.inside.signal()
	q.outside.signal()
}

func (q *Queue) log() *slog.Logger {
	if q.Log != nil {
		return q.Log
	}
	return slog.Default()
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

func (q *Queue) workers() int         { return or(q.Workers, 4) }
func (q *Queue) lease() time.Duration { return or(q.Lease, 30*time.Second) }
func (q *Queue) poll() time.Duration  { return or(q.Poll, 2*time.Second) }
func (q *Queue) grace() time.Duration { return or(q.Grace, 10*time.Second) }
func (q *Queue) now() time.Time       { return q.db.Now().UTC().Truncate(time.Millisecond) }
