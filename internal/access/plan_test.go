package access

import (
	"context"
	"strings"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// TestDecisionsLookUpThePatient: no statement of a decision walks all relations
// of an institution, which a county hospital has hundreds of thousands of.
func TestDecisionsLookUpThePatient(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if d.Engine() != db.SQLite {
			return // PostgreSQL plans by what the tables hold
		}
		many, args := db.Expand(sightGrounds, []any{"org", 1, "account"}, []string{"a", "b", "c"})
		for name, q := range map[string]struct {
			text string
			args []any
		}{
			"sights": {many, args},
			"decide": {grounds, []any{"a", "org", 1, "account"}},
		} {
			err := d.View(context.Background(), func(tx *db.Tx) error {
				steps, err := db.List(context.Background(), tx, func(scan db.Scan) (step string, err error) {
					var id, parent, unused int64
					return step, scan(&id, &parent, &unused, &step)
				}, `EXPLAIN QUERY PLAN `+q.text, q.args...)
				for _, s := range steps {
					if strings.HasPrefix(s, "SCAN") || strings.Contains(s, "(org=?)") {
						t.Errorf("%s: %s", name, s)
					}
				}
				if len(steps) < 4 {
					t.Errorf("%s: %q", name, steps)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}
