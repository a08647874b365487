package jobs

import (
	"context"
	"time"

	"yilian/internal/db"
)

// period is one periodic job; seen is the last slot this process knows to be
// handed out.
type period struct {
	kind  string
	every time.Duration
	seen  int64
}

// shanghai is the offset that slots are counted from, so that a daily job runs
// at midnight of the business day. China has no summer time.
const shanghai = 8 * time.Hour

// slot returns the number of the slot that contains now, and when it ends.
func (p *period) slot(now time.Time) (n int64, ends time.Time) {
	ms := now.Add(shanghai).UnixMilli()
	n = ms / p.every.Milliseconds()
	return n, time.UnixMilli((n + 1) * p.every.Milliseconds()).Add(-shanghai)
}

// Every registers a periodic job: fn runs once in each slot of the period over
// all processes, as a database job. Slots are aligned to midnight in Shanghai.
// Slots that pass while no process runs, or while an earlier run is still being
// retried, are not made up: one run does for all. Of dead runs only the newest
// is kept, and a success removes it.
func (q *Queue) Every(kind string, every time.Duration, fn func(ctx context.Context, tx *db.Tx) error) {
	if every < time.Second {
		panic("jobs: the period of " + kind + " is below one second")
	}
	q.register(kind, handler{periodic: true, inTx: func(ctx context.Context, tx *db.Tx, _ []byte) error {
		return fn(ctx, tx)
	}})
	q.mu.Lock()
	defer q.mu.Unlock()
	q.periods = append(q.periods, &period{kind: kind, every: every, seen: -1})
}

// schedule enqueues periodic jobs whose slot has begun and returns how long it
// is until the next slot begins.
func (q *Queue) schedule(ctx context.Context) (time.Duration, error) {
	now := q.now()
	wait := time.Hour
	for _, p := range q.dueSlots(now, &wait) {
		slot, _ := p.slot(now)
		err := q.db.Tx(ctx, func(tx *db.Tx) error {
			won, err := winSlot(ctx, tx, p.kind, slot)
			if err != nil || !won {
				return err
			}
			return q.Enqueue(ctx, tx, Job{Kind: p.kind, Key: "slot"})
		})
		if err != nil {
			return 0, err
		}
		q.mu.Lock()
		p.seen = max(p.seen, slot)
		q.mu.Unlock()
	}
	return wait, nil
}

// dueSlots returns the periodic jobs whose current slot is not known to be
// handed out, and lowers wait to the next begin of a slot.
func (q *Queue) dueSlots(now time.Time, wait *time.Duration) []*period {
	q.mu.RLock()
	defer q.mu.RUnlock()
	var due []*period
	for _, p := range q.periods {
		slot, ends := p.slot(now)
		*wait = min(*wait, ends.Sub(now))
		if slot > p.seen {
			due = append(due, p)
		}
	}
	return due
}
