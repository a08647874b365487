package flow

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"yilian/internal/db"
)

// hub hands changes to the open pages of this process. It reads them from the
// database, so it works with several server processes.
type hub struct {
	mu   sync.Mutex
	subs map[chan Change]struct{}
	kick chan struct{}
}

func (h *hub) wake() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.kick == nil {
		return
	}
	select {
	case h.kick <- struct{}{}:
	default:
	}
}

// Subscribe returns a channel of changes and a function that ends it. A slow
// reader loses changes rather than holding up others: a change only says
// "look again".
func (e *Engine) Subscribe() (<-chan Change, func()) {
	ch := make(chan Change, 64)
	e.hub.mu.Lock()
	defer e.hub.mu.Unlock()
	if e.hub.subs == nil {
		e.hub.subs = map[chan Change]struct{}{}
	}
	e.hub.subs[ch] = struct{}{}
	return ch, func() {
		e.hub.mu.Lock()
		defer e.hub.mu.Unlock()
		delete(e.hub.subs, ch)
	}
}

// Transactions commit out of order, so an event may appear with an older time
// than one already seen. The follower looks back this far and remembers what
// it has handed out; a transaction that stays open longer is seen late by
// pages that poll, never lost.
const lookBack = 20 * time.Second

const followEvery = time.Second

// Follow reads new events until ctx ends and hands them to subscribers.
func (e *Engine) Follow(ctx context.Context) error {
	e.hub.mu.Lock()
	e.hub.kick = make(chan struct{}, 1)
	kick := e.hub.kick
	e.hub.mu.Unlock()
	seen := map[string]time.Time{}
	first := true
	for {
		if err := e.follow(ctx, seen, first); err != nil && !errors.Is(err, context.Canceled) {
			slog.WarnContext(ctx, "event stream: reading changes failed; pages refresh later", "error", err)
		} else {
			first = false
		}
		select {
		case <-ctx.Done():
			return nil
		case <-kick:
		case <-time.After(followEvery):
		}
	}
}

func (e *Engine) follow(ctx context.Context, seen map[string]time.Time, quiet bool) error {
	type row struct {
		Change
		at db.Time
	}
	var fresh []row
	var now time.Time
	err := e.DB.View(ctx, func(tx *db.Tx) (err error) {
		now = tx.Now
		fresh, err = db.List(ctx, tx, func(scan db.Scan) (r row, err error) {
			return r, scan(&r.Event, &r.Case, &r.Kind, &r.FromOrg, &r.ToOrg, &r.OwnerOrg, &r.ActorOrg, &r.at)
		}, `SELECT v.id, v.case_id, v.kind, c.from_org, c.to_org, c.owner_org, v.org, v.at
			FROM flow_event v JOIN flow_case c ON c.id = v.case_id
			WHERE v.at > $1 ORDER BY v.at, v.id`, db.At(now.Add(-lookBack)))
		return err
	})
	if err != nil {
		return err
	}
	for id, at := range seen {
		if now.Sub(at) > 2*lookBack {
			delete(seen, id)
		}
	}
	for _, r := range fresh {
		if _, old := seen[r.Event]; old {
			continue
		}
		seen[r.Event] = r.at.Time
		if !quiet {
			e.hub.send(r.Change)
		}
	}
	return nil
}

func (h *hub) send(c Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ch := range h.subs {
		select {
		case ch <- c:
		default:
		}
	}
}
