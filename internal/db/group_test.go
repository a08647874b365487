package db_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

// TestGroupKeepsEachCallersOwnFate runs many writers at once of which some
// fail, some panic and some write the same key: everybody is told his own
// outcome, and the table holds exactly what was acknowledged.
func TestGroupKeepsEachCallersOwnFate(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const writers = 40
		boom := errors.New("boom")
		got := make([]error, writers)
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				got[i] = d.Group(ctx, func(ctx context.Context, tx *db.Tx) error {
					name := fmt.Sprint(i)
					if i%5 == 4 {
						name = "same"
					}
					if _, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ($1, 'x')`, name); err != nil {
						return err
					}
					if i%5 == 3 {
						return boom
					}
					return nil
				})
			})
		}
		wg.Wait()
		same := 0
		for i, err := range got {
			switch {
			case i%5 == 3 && !errors.Is(err, boom):
				t.Errorf("writer %d: %v", i, err)
			case i%5 == 4 && err == nil:
				same++
			case i%5 == 4 && !errs.Is(err, errs.Conflict):
				t.Errorf("writer %d: %v", i, err)
			case i%5 < 3 && err != nil:
				t.Errorf("writer %d: %v", i, err)
			}
		}
		n := dbtest.View(t, d, func(tx *db.Tx) (int64, error) {
			return db.Count(t.Context(), tx, `SELECT count(*) FROM setting`)
		})
		if same != 1 || n != writers*3/5+1 {
			t.Errorf("%d writers of the same key were told yes; %d rows", same, n)
		}
	})
}

func TestGroupSurvivesAPanicOfOnePart(t *testing.T) {
	d := dbtest.SQLite(t)
	err := d.Group(t.Context(), func(context.Context, *db.Tx) error { panic("broken") })
	if err == nil {
		t.Fatal("a part that panicked was acknowledged")
	}
	if err := d.Group(t.Context(), func(context.Context, *db.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
}
