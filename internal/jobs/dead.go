package jobs

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// Dead is a job that will not be tried again unless a person asks for it.
type Dead struct {
	ID, Kind, Args, Reason string
	Attempts               int // over its whole life
	Retried                int // retries by hand so far
	FailedAt, CreatedAt    time.Time
}

// DeadLetters lists dead jobs, the newest failure first.
func DeadLetters(ctx context.Context, tx *db.Tx, limit int) ([]Dead, error) {
	return db.List(ctx, tx, readDead, `
		SELECT id, kind, args, last_error, attempts + earlier, retried, failed_at, created_at FROM job
		WHERE state = 'dead' ORDER BY failed_at DESC, id DESC LIMIT $1`, limit)
}

// DeadLetter reads one dead job.
func DeadLetter(ctx context.Context, tx *db.Tx, id string) (Dead, error) {
	return db.Get(ctx, tx, "这个失败的任务，可能已经重新执行", readDead, `
		SELECT id, kind, args, last_error, attempts + earlier, retried, failed_at, created_at FROM job
		WHERE state = 'dead' AND id = $1`, id)
}

func readDead(scan db.Scan) (Dead, error) {
	var d Dead
	var failed, created db.Time
	err := scan(&d.ID, &d.Kind, &d.Args, &d.Reason, &d.Attempts, &d.Retried, &failed, &created)
	d.FailedAt, d.CreatedAt = failed.Time, created.Time
	return d, err
}

// RetryDead makes a dead job ready now with fresh attempts; the count of
// earlier ones is kept. A runner takes it up within Queue.Poll.
func RetryDead(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := DeadLetter(ctx, tx, id); err != nil {
		return err
	}
	twin, err := db.Count(ctx, tx, `
		SELECT count(*) FROM job AS dead JOIN job AS live ON live.kind = dead.kind AND live.uniq = dead.uniq
		WHERE dead.id = $1 AND live.state <> 'dead'`, id)
	if err != nil {
		return fmt.Errorf("retry job: %w", err)
	}
	if twin > 0 {
		return errs.E(errs.Conflict, "同一任务已有新的一次正在排队或执行，请等它结束后再重新执行")
	}
	_, err = tx.Exec(ctx, `
		UPDATE job SET state = 'ready', run_at = $2, earlier = earlier + attempts, attempts = 0, retried = retried + 1
		WHERE id = $1 AND state = 'dead'`, id, db.At(tx.Now))
	if err != nil {
		return fmt.Errorf("retry job: %w", err)
	}
	return nil
}

// Counts says how the queue stands.
type Counts struct {
	Ready     int64 // waiting, due or not
	Due       int64 // waiting although due
	Running   int64
	Dead      int64
	OldestDue time.Duration // how long the longest-waiting due job is overdue
}

// Stats counts the jobs by state.
func Stats(ctx context.Context, tx *db.Tx) (Counts, error) {
	c, err := db.Get(ctx, tx, "任务", func(scan db.Scan) (Counts, error) {
		var c Counts
		var oldest db.Time
		err := scan(&c.Ready, &c.Due, &c.Running, &c.Dead, &oldest)
		if !oldest.IsZero() {
			c.OldestDue = tx.Now.Sub(oldest.Time)
		}
		return c, err
	}, `
		SELECT count(*) FILTER (WHERE state = 'ready'),
			count(*) FILTER (WHERE state = 'ready' AND run_at <= $1),
			count(*) FILTER (WHERE state = 'running'),
			count(*) FILTER (WHERE state = 'dead'),
			min(run_at) FILTER (WHERE state = 'ready' AND run_at <= $1)
		FROM job`, db.At(tx.Now))
	if err != nil {
		return c, fmt.Errorf("count jobs: %w", err)
	}
	return c, nil
}
