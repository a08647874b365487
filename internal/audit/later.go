package audit

import (
	"context"
	"log/slog"

	"yilian/internal/db"
)

// AfterEnd records a leaf in a transaction of its own once tx is over, whether
// tx commits or not: a refusal rolls back the caller's transaction, and the
// leaf of the refusal must stay.
func (l *Log) AfterEnd(ctx context.Context, tx *db.Tx, leaf Leaf) {
	ctx = context.WithoutCancel(ctx)
	tx.OnEnd(func() {
		err := l.d.Tx(ctx, func(tx *db.Tx) error { return l.Append(ctx, tx, leaf) })
		if err != nil {
			slog.ErrorContext(ctx, "audit leaf of a refusal was not written", "action", leaf.Action, "error", err)
		}
	})
}
