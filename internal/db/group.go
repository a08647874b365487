package db

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// groupSize bounds how many parts share one commit.
const groupSize = 64

// part is one caller's share of a group.
type part struct {
	ctx  context.Context
	fn   func(context.Context, *Tx) error
	err  error
	done chan struct{}
}

// gatherer collects the parts that wait for the next commit.
type gatherer struct {
	mu      sync.Mutex
	waiting []*part
	running bool
}

// Group is Tx for many small writers at once. On SQLite, where there is one
// writer and a commit waits for the disk, the parts that gather while one
// commit is on its way share the next one; each runs under a savepoint of its
// own, so that a part that fails undoes only itself, and Group returns once the
// commit is durable. On PostgreSQL, which groups commits itself, it is Tx.
//
// The context that fn is given outlives the caller's: a statement that is
// interrupted would end the transaction of all.
func (d *DB) Group(ctx context.Context, fn func(context.Context, *Tx) error) error {
	if d.engine == Postgres {
		return d.Tx(ctx, func(tx *Tx) error { return fn(ctx, tx) })
	}
	p := &part{ctx: context.WithoutCancel(ctx), fn: fn, done: make(chan struct{})}
	g := &d.gather
	g.mu.Lock()
	g.waiting = append(g.waiting, p)
	if !g.running {
		g.running = true
		go d.commitGroups()
	}
	g.mu.Unlock()
	<-p.done
	return p.err
}

func (d *DB) commitGroups() {
	g := &d.gather
	for {
		g.mu.Lock()
		n := min(len(g.waiting), groupSize)
		if n == 0 {
			g.running, g.waiting = false, nil
			g.mu.Unlock()
			return
		}
		group := g.waiting[:n:n]
		g.waiting = g.waiting[n:]
		g.mu.Unlock()
		d.commitGroup(group)
		for _, p := range group {
			close(p.done)
		}
	}
}

// commitGroup runs the parts in one transaction. When the commit itself fails,
// nobody's part is in the database, and all are told. When it is rows that
// waited (Tx.Later) that are refused, nobody knows whose they are: each part is
// run again by itself.
func (d *DB) commitGroup(group []*part) {
	ctx := context.Background()
	err := d.Tx(ctx, func(tx *Tx) error {
		for _, p := range group {
			if len(group) == 1 {
				p.err = p.run(tx)
				return p.err
			}
			p.err = tx.Savepoint(ctx, func() error { return p.run(tx) })
		}
		return nil
	})
	if err == nil || len(group) == 1 {
		group[0].err = firstError(group[0].err, err)
		return
	}
	for i, p := range group {
		if errors.Is(err, errLater) {
			p.err = nil
			d.commitGroup(group[i : i+1])
			continue
		}
		p.err = firstError(p.err, err)
	}
}

func firstError(part, all error) error {
	if part != nil {
		return explain(part)
	}
	return all
}

// run turns a panic into an error: it would end the process here, where no
// request catches it.
func (p *part) run(tx *Tx) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	if err := p.fn(p.ctx, tx); err != nil {
		return err
	}
	return tx.Settle(p.ctx)
}
