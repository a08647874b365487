package db_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// TestLogIsCarriedIntoTheFile: commits come to stand in the file itself though
// no commit carries them, also while a reader holds an old state.
func TestLogIsCarriedIntoTheFile(t *testing.T) {
	d, err := db.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	write := func(query string, args ...any) {
		t.Helper()
		if err := d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), query, args...)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	write(`CREATE TABLE words (word TEXT)`)
	if err := d.View(t.Context(), func(tx *db.Tx) error {
		if _, err := db.Count(t.Context(), tx, `SELECT count(*) FROM words`); err != nil {
			return err
		}
		until := time.Now().Add(20 * time.Second)
		for i := 0; time.Now().Before(until); i++ {
			write(`INSERT INTO words (word) VALUES ($1)`, fmt.Sprintf("later-%d", i))
			if raw, err := os.ReadFile(d.Target()); err != nil || strings.Contains(string(raw), "words") {
				return err
			}
			time.Sleep(50 * time.Millisecond)
		}
		return errors.New("the file has nothing of what was written")
	}); err != nil {
		t.Error(err)
	}
}

// TestViewWaitsWithoutItsSnapshot: what is awaited runs when fn is over, whether
// it failed or not, and fails the View.
func TestViewWaitsWithoutItsSnapshot(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, c := range []struct{ fn, await, want error }{
			{nil, nil, nil}, {context.Canceled, nil, context.Canceled}, {nil, os.ErrClosed, os.ErrClosed},
			{context.Canceled, os.ErrClosed, context.Canceled},
		} {
			inside, awaited := false, 0
			err := d.View(t.Context(), func(tx *db.Tx) error {
				inside = true
				defer func() { inside = false }()
				for range 2 {
					tx.Await(func() error {
						awaited++
						if inside {
							t.Error("waited with the snapshot")
						}
						return c.await
					})
				}
				return c.fn
			})
			if !errors.Is(err, c.want) || awaited != 2 {
				t.Errorf("%+v: %v, awaited %d", c, err, awaited)
			}
		}
	})
}

// TestExpandedListsMakeFewTexts: a list is filled up with its last value.
func TestExpandedListsMakeFewTexts(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 2, 3: 4, 5: 8, 200: 256, 512: 512, 513: 513} {
		values := make([]int, n)
		for i := range values {
			values[i] = i
		}
		query, args := db.Expand(`SELECT 1 WHERE $1 IN ($list)`, []any{"first"}, values)
		if len(args) != 1+want || args[0] != "first" || args[want] != n-1 || strings.Count(query, "$") != 1+want {
			t.Errorf("%d values: %d arguments in %s", n, len(args), query)
		}
	}
}

// TestLimitsComeWithTheValues: a kept statement takes each limit as it comes.
func TestLimitsComeWithTheValues(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, want := range []int{3, 0, 1, 2, 5} {
			err := d.View(t.Context(), func(tx *db.Tx) error {
				got, err := db.List(t.Context(), tx, db.Value[int64],
					`SELECT n FROM (SELECT 1 AS n UNION ALL SELECT 2 UNION ALL SELECT 3) AS x WHERE n > $1 ORDER BY n LIMIT $2`, 0, want)
				if len(got) != min(want, 3) {
					t.Errorf("limit %d: %d", want, got)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
