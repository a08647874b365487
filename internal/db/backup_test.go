package db_test

import (
	"bytes"
	"context"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

// TestBackupMovesBetweenEngines restores each engine's backup into a fresh
// database of each engine.
func TestBackupMovesBetweenEngines(t *testing.T) {
	ctx := context.Background()
	dbtest.Each(t, func(t *testing.T, from *db.DB) {
		must(t, from.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('a', '一行中文 "引号"'), ('b', '')`)
			return err
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
