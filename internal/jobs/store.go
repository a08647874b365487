package jobs

import (
	"context"
	"slices"
	"strings"
	"time"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// claimed is a job that this process holds under its fence.
type claimed struct {
	id, kind    string
	args        string
	fence       int64
	attempts    int
	maxAttempts int
	runAt       time.Time
}

func readClaimed(scan db.Scan) (claimed, error) {
	var c claimed
	var at db.Time
	err := scan(&c.id, &c.kind, &c.args, &c.fence, &c.attempts, &c.maxAttempts, &at)
	c.runAt = at.Time
	return c, err
}

// insert always touches the row of an equal key instead of skipping it: a
// worker that began before this transaction commits then conflicts with it and
// starts again on data that includes what this transaction wrote.
func insert(ctx context.Context, tx *db.Tx, j Job, args string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO job (id, kind, args, uniq, state, run_at, max_attempts, created_at)
		VALUES ($1, $2, $3, $4, 'ready', $5, $6, $7)
		ON CONFLICT (kind, uniq) WHERE uniq IS NOT NULL AND state <> 'dead' DO UPDATE SET
			again  = job.again OR job.state = 'running',
			run_at = CASE WHEN excluded.run_at < job.run_at THEN excluded.run_at ELSE job.run_at END`,
		db.NewID(), j.Kind, args, db.Null(j.Key), db.At(j.RunAt), j.MaxAttempts, db.At(tx.Now))
	return err
}

// claim marks up to n due jobs of the kinds as running here, earliest first.
func claim(ctx context.Context, tx *db.Tx, kinds []string, n int, lease time.Duration) ([]claimed, error) {
	query, args := db.Expand(`
		UPDATE job SET state = 'running', fence = fence + 1, attempts = attempts + 1,
			again = FALSE, lease_until = $2
		WHERE state = 'ready' AND id IN (
			SELECT id FROM job WHERE state = 'ready' AND run_at <= $1 AND kind IN ($list)
			ORDER BY run_at, id LIMIT $3)
		RETURNING id, kind, args, fence, attempts, max_attempts, run_at`,
		[]any{db.At(tx.Now), db.At(tx.Now.Add(lease)), n}, kinds)
	list, err := db.List(ctx, tx, readClaimed, query, args...)
	slices.SortFunc(list, func(a, b claimed) int {
		if c := a.runAt.Compare(b.runAt); c != 0 {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	return list, err
}

// nextDue returns when the earliest waiting job of the kinds is due; zero when
// none waits.
func nextDue(ctx context.Context, tx *db.Tx, kinds []string) (time.Time, error) {
	query, args := db.Expand(`
		SELECT run_at FROM job WHERE state = 'ready' AND kind IN ($list) ORDER BY run_at LIMIT 1`, nil, kinds)
	at, err := db.Get(ctx, tx, "待执行的任务", db.Value[db.Time], query, args...)
	if errs.Is(err, errs.NotFound) {
		return time.Time{}, nil
	}
	return at.Time, err
}

// take deletes a job that is still held under its fence, as the first act of
// the transaction that does the work. On PostgreSQL the row stays locked until
// the end, so nobody can rescue the job from under a running transaction.
func take(ctx context.Context, tx *db.Tx, c claimed) (held bool, err error) {
	n, err := tx.Exec(ctx, `DELETE FROM job WHERE id = $1 AND fence = $2 AND state = 'running'`, c.id, c.fence)
	return n == 1, err
}

// finish ends an outside job: deleted, or ready once more when it was asked
// for again meanwhile.
func finish(ctx context.Context, tx *db.Tx, c claimed) (held bool, err error) {
	n, err := tx.Exec(ctx, `
		DELETE FROM job WHERE id = $1 AND fence = $2 AND state = 'running' AND NOT again`, c.id, c.fence)
	if n == 1 || err != nil {
		return n == 1, err
	}
	n, err = tx.Exec(ctx, `
		UPDATE job SET state = 'ready', run_at = $3, lease_until = NULL, again = FALSE, attempts = 0
		WHERE id = $1 AND fence = $2 AND state = 'running'`, c.id, c.fence, db.At(tx.Now))
	return n == 1, err
}

// fail records a failed attempt: waiting until runAt, or dead. A job that was
// asked for again meanwhile does not die.
func fail(ctx context.Context, tx *db.Tx, c claimed, dead bool, runAt time.Time, reason string) (held bool, err error) {
	n, err := tx.Exec(ctx, `
		UPDATE job SET state = CASE WHEN $3 AND NOT again THEN 'dead' ELSE 'ready' END,
			run_at = $4, lease_until = NULL, again = FALSE, last_error = $5, failed_at = $6
		WHERE id = $1 AND fence = $2 AND state = 'running'`,
		c.id, c.fence, dead, db.At(runAt), reason, db.At(tx.Now))
	return n == 1, err
}

// release gives a job back that was interrupted by a stop of the process; the
// attempt does not count.
func release(ctx context.Context, tx *db.Tx, c claimed) error {
	_, err := tx.Exec(ctx, `
		UPDATE job SET state = 'ready', run_at = $3, lease_until = NULL, attempts = attempts - 1
		WHERE id = $1 AND fence = $2 AND state = 'running'`, c.id, c.fence, db.At(tx.Now))
	return err
}

// renew prolongs the lease of a running job.
func renew(ctx context.Context, tx *db.Tx, c claimed, lease time.Duration) (held bool, err error) {
	n, err := tx.Exec(ctx, `
		UPDATE job SET lease_until = $3 WHERE id = $1 AND fence = $2 AND state = 'running'`,
		c.id, c.fence, db.At(tx.Now.Add(lease)))
	return n == 1, err
}

// expired lists running jobs whose lease has ended.
func expired(ctx context.Context, tx *db.Tx) ([]claimed, error) {
	return db.List(ctx, tx, readClaimed, `
		SELECT id, kind, args, fence, attempts, max_attempts, run_at FROM job
		WHERE state = 'running' AND lease_until < $1 ORDER BY lease_until LIMIT 100`, db.At(tx.Now))
}

// rescue takes one job from a worker whose lease has ended.
func rescue(ctx context.Context, tx *db.Tx, c claimed) (done bool, err error) {
	n, err := tx.Exec(ctx, `
		UPDATE job SET state = CASE WHEN attempts >= max_attempts AND NOT again THEN 'dead' ELSE 'ready' END,
			run_at = $3, lease_until = NULL, again = FALSE, last_error = $4, failed_at = $3
		WHERE id = $1 AND fence = $2 AND state = 'running' AND lease_until < $3`,
		c.id, c.fence, db.At(tx.Now), "执行该任务的服务进程中断，没有执行完")
	return n == 1, err
}

// buryUnknown makes jobs dead that nobody has known how to do since before.
func buryUnknown(ctx context.Context, tx *db.Tx, known []string, before time.Time) (int64, error) {
	query, args := db.Expand(`
		UPDATE job SET state = 'dead', failed_at = $1, last_error = $3
		WHERE state = 'ready' AND run_at < $2 AND kind NOT IN ('', $list)`,
		[]any{db.At(tx.Now), db.At(before), "当前版本的程序不会执行这种任务：请升级程序后重新执行"}, known)
	return tx.Exec(ctx, query, args...)
}

// forgetDead deletes the dead runs of a periodic job: each later run does the
// same work, so only the newest failure is worth showing.
func forgetDead(ctx context.Context, tx *db.Tx, kind string) error {
	_, err := tx.Exec(ctx, `DELETE FROM job WHERE kind = $1 AND state = 'dead'`, kind)
	return err
}

// winSlot reports whether this process is the one to enqueue the slot.
func winSlot(ctx context.Context, tx *db.Tx, kind string, slot int64) (bool, error) {
	n, err := tx.Exec(ctx, `
		INSERT INTO job_slot (kind, slot) VALUES ($1, $2)
		ON CONFLICT (kind) DO UPDATE SET slot = excluded.slot WHERE job_slot.slot < excluded.slot`, kind, slot)
	return n == 1, err
}
