package db_test

import (
	"bytes"
	"context"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

// everyType are rows with values of every type that migrations use.
var everyType = []string{
	`INSERT INTO job (id, kind, args, state, run_at, again, max_attempts, created_at) VALUES ('j1', 'k', '{}', 'ready', 1772413200000, TRUE, 3, 0)`,
	`INSERT INTO job (id, kind, args, state, run_at, again, max_attempts, created_at) VALUES ('j2', 'k', '{}', 'ready', 9007199254740993, FALSE, 3, 0)`,
}

// TestBackupMovesBetweenEngines restores each engine's backup into a fresh
// database of each engine.
func TestBackupMovesBetweenEngines(t *testing.T) {
	ctx := context.Background()
	dbtest.Each(t, func(t *testing.T, from *db.DB) {
		must(t, from.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('a', '一行中文 "引号"'), ('b', '')`)
			if err != nil {
				return err
			}
			for _, stmt := range everyType {
				if _, err := tx.Exec(ctx, stmt); err != nil {
					return err
				}
			}
			return nil
		}))
		var file bytes.Buffer
		rows, err := from.Backup(ctx, &file)
		must(t, err)
		dbtest.Each(t, func(t *testing.T, to *db.DB) {
			got, err := to.Restore(ctx, bytes.NewReader(file.Bytes()))
			if err != nil || got != rows {
				t.Fatalf("restored %d of %d rows: %v", got, rows, err)
			}
			must(t, to.View(ctx, func(tx *db.Tx) error {
				v, err := db.Get(ctx, tx, "", db.Value[string], `SELECT value FROM setting WHERE name = 'a'`)
				if v != `一行中文 "引号"` {
					t.Errorf("value %q", v)
				}
				if err != nil {
					return err
				}
				n, err := db.Count(ctx, tx, `SELECT count(*) FROM job WHERE (id = 'j1' AND again AND run_at = 1772413200000 AND uniq IS NULL)
					OR (id = 'j2' AND NOT again AND run_at = 9007199254740993)`)
				if n != 2 {
					t.Errorf("%d of 2 jobs are as they were", n)
				}
				return err
			}))
			if _, err := to.Restore(ctx, bytes.NewReader(file.Bytes())); !errs.Is(err, errs.Conflict) {
				t.Errorf("restore over data: %v", err)
			}
		})
	})
}

func TestRestoreRefusesBrokenFiles(t *testing.T) {
	ctx := context.Background()
	from := dbtest.SQLite(t)
	must(t, from.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('a', '1')`)
		return err
	}))
	var file bytes.Buffer
	_, err := from.Backup(ctx, &file)
	must(t, err)
	flipped := bytes.Clone(file.Bytes())
	flipped[len(flipped)-6] ^= 1 // in the checksum
	dbtest.Each(t, func(t *testing.T, to *db.DB) {
		for name, content := range map[string][]byte{
			"checksum": flipped,
			"text":     []byte("not a backup"), "cut": file.Bytes()[:file.Len()-20], "empty": nil,
		} {
			if _, err := to.Restore(ctx, bytes.NewReader(content)); !errs.Is(err, errs.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		refuse := func(*db.Tx) error { return errs.E(errs.Unavailable, "不相配") }
		if _, err := to.Restore(ctx, bytes.NewReader(file.Bytes()), refuse); !errs.Is(err, errs.Unavailable) {
			t.Errorf("refused by the check: %v", err)
		}
		must(t, to.View(ctx, func(tx *db.Tx) error {
			n, err := db.Count(ctx, tx, `SELECT count(*) FROM setting`)
			if n != 0 {
				t.Errorf("%d rows were left behind", n)
			}
			return err
		}))
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
