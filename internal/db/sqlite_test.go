package db_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// TestOneTextWithinItself reads with a text while rows of the same text are
// still coming, and with more texts than a connection keeps.
func TestOneTextWithinItself(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if d.Engine() == db.Postgres {
			return // gives one answer at a time on a connection
		}
		ctx := context.Background()
		const query = `SELECT value FROM setting WHERE name >= $1 ORDER BY name`
		err := d.Tx(ctx, func(tx *db.Tx) error {
			var rows []any
			for i := range 300 {
				rows = append(rows, fmt.Sprintf("n%03d", i), fmt.Sprint(i))
			}
			if err := tx.InsertAll(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)`, rows); err != nil {
				return err
			}
			seen := 0
			_, err := db.List(ctx, tx, func(scan db.Scan) (v string, err error) {
				if err = scan(&v); err != nil {
					return v, err
				}
				inner, err := db.List(ctx, tx, db.Value[string], query, fmt.Sprintf("n%03d", seen))
				if err == nil && len(inner) != 300-seen {
					err = fmt.Errorf("row %d: %d rows within", seen, len(inner))
				}
				seen++
				return v, err
			}, query, "n000")
			if err != nil || seen != 300 {
				return fmt.Errorf("%d rows: %w", seen, err)
			}
			for i := range 600 {
				got, err := db.Get(ctx, tx, "值", db.Value[string], fmt.Sprintf(`SELECT value FROM setting WHERE name = $1 -- %d`, i%400), "n007")
				if err != nil || got != "7" {
					return fmt.Errorf("text %d: %q, %w", i, got, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestSettingsOfSQLiteActTwice: SQLite carries settings out when it parses them.
func TestSettingsOfSQLiteActTwice(t *testing.T) {
	ctx := context.Background()
	d, err := db.Open(ctx, filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 2 {
		before := synchronous(t, d)
		var within int64
		if err := d.Bulk(ctx, func() error { within = synchronous(t, d); return nil }); err != nil {
			t.Fatal(err)
		}
		if after := synchronous(t, d); before != 2 || within != 0 || after != 2 {
			t.Errorf("synchronous is %d, %d in bulk, %d after", before, within, after)
		}
	}
}

func synchronous(t *testing.T, d *db.DB) (n int64) {
	t.Helper()
	err := d.Tx(context.Background(), func(tx *db.Tx) (err error) {
		n, err = db.Count(context.Background(), tx, `PRAGMA synchronous`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
