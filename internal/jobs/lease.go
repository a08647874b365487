package jobs

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// Lease is a named right that one holder has until an instant. Fence rises
// whenever the holder changes or lets the lease end, never falls.
type Lease struct {
	Name, Holder string
	Until        time.Time
	Fence        int64
}

// TakeLease takes or prolongs a named lease for ttl. The holder is a text that
// no other process uses (db.NewID at start). When somebody else holds it, held
// is false. Taking a lease that the holder still has keeps its fence.
func TakeLease(ctx context.Context, d *db.DB, name, holder string, ttl time.Duration) (fence int64, held bool, err error) {
	err = d.Tx(ctx, func(tx *db.Tx) error {
		fence, err = db.Count(ctx, tx, `
			INSERT INTO lease (name, holder, held_until, fence) VALUES ($1, $2, $3, 1)
			ON CONFLICT (name) DO UPDATE SET
				fence = CASE WHEN lease.holder = excluded.holder AND lease.held_until > $4
					THEN lease.fence ELSE lease.fence + 1 END,
				holder = excluded.holder, held_until = excluded.held_until
			WHERE lease.holder = excluded.holder OR lease.held_until <= $4
			RETURNING fence`, name, holder, db.At(tx.Now.Add(ttl)), db.At(tx.Now))
		return err
	})
	if errs.Is(err, errs.NotFound) { // the row is somebody else's
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("take lease %s: %w", name, err)
	}
	return fence, true, nil
}

// RenewLease prolongs a lease that is still held under its fence, even when its
// time has run out but nobody took it.
func RenewLease(ctx context.Context, d *db.DB, name, holder string, fence int64, ttl time.Duration) (held bool, err error) {
	err = d.Tx(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `
			UPDATE lease SET held_until = $4 WHERE name = $1 AND holder = $2 AND fence = $3`,
			name, holder, fence, db.At(tx.Now.Add(ttl)))
		held = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("renew lease %s: %w", name, err)
	}
	return held, nil
}

// CheckLease fails with Conflict unless the lease is still held under its fence,
// and keeps it from being taken before tx ends. Work that must stop when the
// lease is lost calls it first in each of its transactions.
func CheckLease(ctx context.Context, tx *db.Tx, name string, fence int64) error {
	n, err := tx.Exec(ctx, `UPDATE lease SET fence = fence WHERE name = $1 AND fence = $2`, name, fence)
	if err != nil {
		return fmt.Errorf("check lease %s: %w", name, err)
	}
	if n == 0 {
		return errs.E(errs.Conflict, "“%s”已由另一个服务进程接管", name)
	}
	return nil
}

// DropLease gives a lease back before its time; one that is no longer held is
// left alone.
func DropLease(ctx context.Context, d *db.DB, name, holder string, fence int64) error {
	err := d.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `
			UPDATE lease SET held_until = 0, fence = fence + 1 WHERE name = $1 AND holder = $2 AND fence = $3`,
			name, holder, fence)
		return err
	})
	if err != nil {
		return fmt.Errorf("drop lease %s: %w", name, err)
	}
	return nil
}

// Leases lists all leases by name, for the administrator's page.
func Leases(ctx context.Context, tx *db.Tx) ([]Lease, error) {
	return db.List(ctx, tx, func(scan db.Scan) (Lease, error) {
		var l Lease
		var until db.Time
		err := scan(&l.Name, &l.Holder, &until, &l.Fence)
		l.Until = until.Time
		return l, err
	}, `SELECT name, holder, held_until, fence FROM lease ORDER BY name`)
}
