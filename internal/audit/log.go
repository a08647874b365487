package audit

import (
	"context"
	"sync"

	"yilian/internal/crypto"
	"yilian/internal/db"
)

// Log is the audit log of one database.
type Log struct {
	d    *db.DB
	keys *crypto.Keyring

	mu       sync.Mutex
	waiting  []*entry // leaves of reads that wait for the next group commit
	flushing bool     // a goroutine is committing groups
	groups   int      // groups committed so far
}

// entry is a leaf on its way into a group.
type entry struct {
	leaf Leaf
	done chan error // receives the outcome of the commit; never blocks the sender
}

// groupSize bounds the leaves of one group commit.
const groupSize = 256

// New makes the log of d; keys hash the leaves and sign the checkpoints.
func New(d *db.DB, keys *crypto.Keyring) *Log { return &Log{d: d, keys: keys} }

// Append records leaf. In a writing transaction it is part of that transaction:
// rolled back with it. In a View it joins the group that is committed next, and
// the View returns once the group is durable, or fails: the caller answers only
// after that.
func (l *Log) Append(ctx context.Context, tx *db.Tx, leaf Leaf) error {
	if leaf.At.IsZero() {
		leaf.At = tx.Now
	}
	if tx.ReadOnly {
		e := l.join(ctx, leaf)
		tx.Await(func() error { return e.wait(ctx) })
		return nil
	}
	return insert(tx, []Leaf{leaf.complete()})
}

// AppendNow records leaf outside any transaction and returns once it is
// durable: for an act that is refused, whose transaction is rolled back. It
// must not be called inside a writing transaction, which on SQLite would wait
// for itself.
func (l *Log) AppendNow(ctx context.Context, leaf Leaf) error {
	return l.join(ctx, leaf).wait(ctx)
}

// join puts a leaf into the group that is committed next.
func (l *Log) join(ctx context.Context, leaf Leaf) *entry {
	e := &entry{leaf: leaf.complete(), done: make(chan error, 1)}
	if e.leaf.At.IsZero() {
		e.leaf.At = l.d.Now().UTC()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, e)
	if !l.flushing {
		l.flushing = true
		// The group outlives the request that happened to start it.
		go l.flush(context.WithoutCancel(ctx))
	}
	return e
}

// wait returns once the leaf is durable.
func (e *entry) wait(ctx context.Context) error {
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flush commits groups until nobody waits. While one group is being committed
// the next gathers, so that the busier the server is, the fewer commits a leaf
// costs.
func (l *Log) flush(ctx context.Context) {
	for {
		l.mu.Lock()
		n := min(len(l.waiting), groupSize)
		if n == 0 {
			l.flushing, l.waiting = false, nil
			l.mu.Unlock()
			return
		}
		group := l.waiting[:n:n]
		l.waiting = l.waiting[n:]
		l.groups++
		l.mu.Unlock()

		err := l.commit(ctx, group)
		if err != nil && len(group) > 1 {
			// One bad leaf must not refuse the answers of the others.
			for _, e := range group {
				e.done <- l.commit(ctx, []*entry{e})
			}
			continue
		}
		for _, e := range group {
			e.done <- err
		}
	}
}

func (l *Log) commit(ctx context.Context, group []*entry) error {
	leaves := make([]Leaf, len(group))
	for i, e := range group {
		leaves[i] = e.leaf
	}
	return l.d.Tx(ctx, func(tx *db.Tx) error { return insert(tx, leaves) })
}
