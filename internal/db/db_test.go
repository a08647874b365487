package db_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

func TestTxCommitsOrLeavesNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		boom := errors.New("boom")
		err := d.Tx(ctx, func(tx *db.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)`, "a", "1"); err != nil {
				return err
			}
			return boom
		})
		if !errors.Is(err, boom) {
			t.Fatalf("got %v", err)
		}
		var hook int
		err = d.Tx(ctx, func(tx *db.Tx) error {
			tx.AfterCommit(func() { hook++ })
			n, err := db.Count(ctx, tx, `SELECT count(*) FROM setting WHERE name = $1`, "a")
			if err != nil || n != 0 {
				t.Fatalf("n=%d err=%v", n, err)
			}
			_, err = tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)`, "a", "2")
			return err
		})
		if err != nil || hook != 1 {
			t.Fatalf("err=%v hook=%d", err, hook)
		}
		err = d.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, $2)`, "a", "3")
			return err
		})
		if !errs.Is(err, errs.Conflict) || !db.IsUnique(err, "") {
			t.Fatalf("duplicate key: %v", err)
		}
	})
}

func TestSavepointKeepsTheRest(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		err := d.Tx(ctx, func(tx *db.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('kept', '1')`); err != nil {
				return err
			}
			err := tx.Savepoint(ctx, func() error {
				_, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('kept', '2')`)
				return err
			})
			if err == nil {
				t.Fatal("duplicate was accepted")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		_ = d.View(ctx, func(tx *db.Tx) error {
			v, err := db.Get(ctx, tx, "设置", db.Value[string], `SELECT value FROM setting WHERE name = 'kept'`)
			if err != nil || v != "1" {
				t.Errorf("value=%q err=%v", v, err)
			}
			_, err = db.Get(ctx, tx, "设置", db.Value[string], `SELECT value FROM setting WHERE name = 'none'`)
			if !errs.Is(err, errs.NotFound) {
				t.Errorf("missing row: %v", err)
			}
			return nil
		})
	})
}

func TestViewRefusesWrites(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		err := d.View(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('x', 'y')`)
			return err
		})
		if err == nil {
			t.Fatal("a read transaction wrote")
		}
	})
}

func TestTwoWritersOneRowBothCount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := context.Background()
		if err := d.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('n', '0')`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		const writers, each = 4, 10
		done := make(chan error, writers)
		for range writers {
			go func() {
				for range each {
					if err := d.Tx(ctx, func(tx *db.Tx) error {
						_, err := tx.Exec(ctx, `UPDATE setting SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) WHERE name = 'n'`)
						return err
					}); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		for range writers {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		_ = d.View(ctx, func(tx *db.Tx) error {
			v, err := db.Get(ctx, tx, "设置", db.Value[string], `SELECT value FROM setting WHERE name = 'n'`)
			if err != nil || v != "40" {
				t.Errorf("value=%q err=%v", v, err)
			}
			return nil
		})
	})
}

func TestInsertAllFillsEveryRow(t *testing.T) {
	const insert = `INSERT INTO setting (name, value) VALUES ($1, $2)`
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		for _, n := range []int{0, 1, 2, 480, 481, 1000} { // 480 rows of two fill one statement
			var args []any
			for i := range n {
				args = append(args, fmt.Sprintf("%d/%d", n, i), strconv.Itoa(i))
			}
			if err := d.Tx(ctx, func(tx *db.Tx) error { return tx.InsertAll(ctx, insert, args) }); err != nil {
				t.Fatalf("%d rows: %v", n, err)
			}
			got := dbtest.View(t, d, func(tx *db.Tx) (int64, error) {
				return db.Count(ctx, tx, `SELECT count(*) FROM setting WHERE name LIKE $1 AND name = $2 || value`,
					fmt.Sprintf("%d/%%", n), fmt.Sprintf("%d/", n))
			})
			if int(got) != n {
				t.Errorf("%d of %d rows stand with their own value", got, n)
			}
		}
		for _, args := range [][]any{{"x"}, {"x", "1", "y"}} {
			if err := d.Tx(ctx, func(tx *db.Tx) error { return tx.InsertAll(ctx, insert, args) }); err == nil {
				t.Errorf("%v was taken", args)
			}
		}
	})
}
