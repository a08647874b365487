package db_test

import (
	"context"
	"database/sql"
	"os"
	"sync"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// When the server has ended all connections (it was started again), nobody
// notices who had not begun yet.
func TestDeadConnectionsOfThePoolAreReplaced(t *testing.T) {
	if os.Getenv("TEST_POSTGRES_URL") == "" && os.Getenv("TEST_BOTH") == "" {
		return // SQLite has no server
	}
	ctx := context.Background()
	d := dbtest.Postgres(t)
	look := func(tx *db.Tx) error {
		_, err := db.Count(ctx, tx, `SELECT count(*) FROM setting`)
		return err
	}
	for range 3 {
		var all sync.WaitGroup
		for range 10 { // fills both pools
			all.Go(func() {
				if err := d.Tx(ctx, look); err != nil {
					t.Errorf("write: %v", err)
				}
				if err := d.View(ctx, look); err != nil {
					t.Errorf("read: %v", err)
				}
			})
		}
		all.Wait()
		admin, err := sql.Open("pgx", d.Target())
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		if _, err := admin.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
			t.Fatal(err)
		}
	}
}
