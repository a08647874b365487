package db_test

import (
	"context"
	"strings"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

// TestFullDiskIsSaid lets each engine report a full disk: SQLite by a limit on
// its pages, PostgreSQL by raising the code that it has for it.
func TestFullDiskIsSaid(t *testing.T) {
	ctx := context.Background()
	fill := map[db.Engine]func(tx *db.Tx) error{
		db.SQLite: func(tx *db.Tx) error {
			if _, err := tx.Exec(ctx, `PRAGMA max_page_count = 1`); err != nil { // never below the present size
				return err
			}
			_, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('a', $1)`, strings.Repeat("x", 1<<20))
			return err
		},
		db.Postgres: func(tx *db.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('a', 'x')`); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$`)
			return err
		},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.Tx(ctx, fill[d.Engine()])
		if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "磁盘已满") || !strings.Contains(err.Error(), "没有保存") {
			t.Errorf("full disk: %v", err)
		}
		must(t, d.View(ctx, func(tx *db.Tx) error {
			n, err := db.Count(ctx, tx, `SELECT count(*) FROM setting`)
			if n != 0 {
				t.Errorf("%d rows were left behind", n)
			}
			return err
		}))
	})
}

// TestPostgresFaultsAreSaid covers what only a server can answer.
func TestPostgresFaultsAreSaid(t *testing.T) {
	ctx := context.Background()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if d.Engine() != db.Postgres {
			return
		}
		for code, want := range map[string]string{"58030": "磁盘写不进去", "57P03": "没有应答", "57P01": "没有应答"} {
			err := d.Tx(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `DO $$ BEGIN RAISE EXCEPTION 'fault' USING ERRCODE = '`+code+`'; END $$`)
				return err
			})
			if !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", code, err)
			}
		}
	})
	if _, err := db.Open(ctx, "postgres://nobody@127.0.0.1:1/none?connect_timeout=2"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("no server: %v", err)
	}
}
