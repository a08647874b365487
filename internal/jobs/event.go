package jobs

import (
	"context"
	"fmt"

	"yilian/internal/db"
)

// Event is something that happened, told upwards: ids and business dates, no
// clinical text. Topic is stored and never changes; it is called on the zero
// value.
type Event interface{ Topic() string }

// Subscribe registers fn for every event of type E, as a database job of its
// own with its own retries. The name, like the topic, never changes.
func Subscribe[E Event](q *Queue, name string, fn func(ctx context.Context, tx *db.Tx, e E) error) {
	var zero E
	topic := zero.Topic()
	kind := topic + ">" + name
	Handle(q, kind, fn)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.subscribers[topic] = append(q.subscribers[topic], kind)
}

// Publish enqueues one job for each subscriber of the event in the caller's
// transaction.
func (q *Queue) Publish(ctx context.Context, tx *db.Tx, e Event) error {
	q.mu.RLock()
	kinds := q.subscribers[e.Topic()]
	q.mu.RUnlock()
	for _, kind := range kinds {
		if err := q.Enqueue(ctx, tx, Job{Kind: kind, Args: e}); err != nil {
			return fmt.Errorf("publish %s: %w", e.Topic(), err)
		}
	}
	return nil
}
