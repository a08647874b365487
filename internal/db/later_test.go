package db_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

const (
	laterSetting  = `INSERT INTO setting (name, value) VALUES ($1, $2)`
	countSettings = `SELECT count(*) FROM setting`
)

func count(t *testing.T, tx *db.Tx) int64 {
	t.Helper()
	n, err := db.Count(t.Context(), tx, countSettings)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLaterIsThereForWhoReads: rows that wait are read like any other, in any
// order of writing, reading, savepoints and their undoing, and are there after
// the commit: against a plain count of what was done and not undone.
func TestLaterIsThereForWhoReads(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, serial := t.Context(), 0
		base := dbtest.View(t, d, func(tx *db.Tx) (int64, error) { return db.Count(ctx, tx, countSettings) })
		rapid.Check(t, func(rt *rapid.T) {
			undo := errors.New("undo")
			want := base
			var steps func(tx *db.Tx, depth int) int64
			steps = func(tx *db.Tx, depth int) (added int64) {
				for range rapid.IntRange(0, 6).Draw(rt, "steps") {
					switch rapid.IntRange(0, 4).Draw(rt, "step") {
					case 0, 1:
						n := rapid.IntRange(1, 9).Draw(rt, "rows")
						var rows []any
						for range n {
							serial++
							rows = append(rows, fmt.Sprint("later-", serial), "x")
						}
						if err := tx.Later(laterSetting, rows); err != nil {
							rt.Fatal(err)
						}
						added += int64(n)
					case 2:
						if n := count(t, tx); n != want+added {
							rt.Fatalf("read %d rows, %d are there", n, want+added)
						}
					case 3, 4:
						if depth > 2 {
							continue
						}
						fails := rapid.Bool().Draw(rt, "fails")
						within := int64(0)
						err := tx.Savepoint(ctx, func() error {
							want += added
							within = steps(tx, depth+1)
							want -= added
							if fails {
								return undo
							}
							return nil
						})
						if fails != errors.Is(err, undo) {
							rt.Fatal(err)
						}
						if !fails {
							added += within
						}
					}
				}
				return added
			}
			added := int64(0)
			fails := rapid.Bool().Draw(rt, "fails")
			err := d.Tx(ctx, func(tx *db.Tx) error {
				added = steps(tx, 0)
				if fails {
					return undo
				}
				return nil
			})
			if fails != errors.Is(err, undo) {
				rt.Fatal(err)
			}
			if !fails {
				want += added
			}
			base = want
			if n := dbtest.View(t, d, func(tx *db.Tx) (int64, error) { return db.Count(ctx, tx, countSettings) }); n != want {
				rt.Fatalf("%d rows after the end, want %d", n, want)
			}
		})
	})
}

// TestLaterRefusedMeetsItsOwnPart: when rows that waited are refused, the other
// parts of the group are written all the same.
func TestLaterRefusedMeetsItsOwnPart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const writers = 24
		got := make([]error, writers)
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				got[i] = d.Group(t.Context(), func(_ context.Context, tx *db.Tx) error {
					name := fmt.Sprint(i)
					if i%6 == 5 {
						name = "same"
					}
					return tx.Later(laterSetting, []any{name, "x"})
				})
			})
		}
		wg.Wait()
		same := 0
		for i, err := range got {
			if i%6 == 5 {
				if err == nil {
					same++
				}
			} else if err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
		}
		n := dbtest.View(t, d, func(tx *db.Tx) (int64, error) { return db.Count(t.Context(), tx, countSettings) })
		if same != 1 || n != writers*5/6+1 {
			t.Errorf("%d writers of the same key were told yes; %d rows", same, n)
		}
	})
}

func TestLaterRefusesWhatIsNoRow(t *testing.T) {
	d := dbtest.SQLite(t)
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		if err := tx.Later(laterSetting, []any{"a", "b", "c"}); err == nil {
			t.Error("three values fill no rows of two")
		}
		if err := tx.Later(`DELETE FROM setting WHERE name = $1`, []any{"a"}); err == nil {
			t.Error("only an INSERT may wait")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.View(t.Context(), func(tx *db.Tx) error { return tx.Later(laterSetting, []any{"a", "b"}) })
	if err == nil {
		t.Error("a view has taken rows to write")
	}
}

// TestMemoEndsWithAWrite: what was found out holds until the transaction writes
// to what it rests on, or what was written is undone.
func TestMemoEndsWithAWrite(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, topics := t.Context(), []string{"setting"}
		asked := 0
		err := d.Tx(ctx, func(tx *db.Tx) error {
			get := func() int64 {
				n, err := db.Memo(tx, topics, "all", func() (int64, error) {
					asked++
					return db.Count(ctx, tx, countSettings)
				})
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			if a, b := get(), get(); a != b || asked != 1 {
				t.Errorf("%d and %d, asked %d times", a, b, asked)
			}
			first := get()
			if err := tx.Later(laterSetting, []any{"memo", "x"}); err != nil {
				return err
			}
			if n := get(); n != first+1 {
				t.Errorf("%d after a row that waits, want %d", n, first+1)
			}
			_ = tx.Savepoint(ctx, func() error {
				if _, err := tx.Exec(ctx, laterSetting, "memo2", "x"); err != nil {
					return err
				}
				if n := get(); n != first+2 {
					t.Errorf("%d within, want %d", n, first+2)
				}
				return errors.New("undo")
			})
			if n := get(); n != first+1 {
				t.Errorf("%d after what was undone, want %d", n, first+1)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
