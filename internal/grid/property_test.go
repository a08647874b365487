package grid

import (
	"context"
	"testing"

	"pgregory.net/rapid"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/region"
)

// Whatever divisions are put where, in any order: no piece is ever in two
// cells, a division lies where it was put last, and what the check calls covered
// is what lies in cells.
func TestAssigningNeverOverlaps(t *testing.T) {
	d := dbtest.SQLite(t)
	organizationtest.Seed(t, d)
	u := dbtest.View(t, d, func(tx *db.Tx) (Unit, error) { return Open(context.Background(), tx, region.Lingling) })
	var some []Area
	for _, town := range u.Towns {
		some = append(append(some, town), u.Villages[town.Code]...)
	}
	good := map[string]Party{"a": {Tight: true, Lead: true}}
	rapid.Check(t, func(t *rapid.T) {
		l := Layout{Cells: []Cell{{ID: "1", Name: "甲", Alliance: "a"}, {ID: "2", Name: "乙", Alliance: "a"}, {ID: "3", Name: "丙", Alliance: "a"}}}
		for range rapid.IntRange(1, 40).Draw(t, "moves") {
			at := rapid.IntRange(-1, 2).Draw(t, "cell")
			a := rapid.SampledFrom(some).Draw(t, "area")
			l.place(u, a, at)
			town := a.Code[:9]
			cells := l.Holder(a.Code, town)
			switch {
			case at < 0 && a.Level == region.Village && len(cells) != 0,
				at >= 0 && (len(cells) != 1 || cells[0].ID != l.Cells[at].ID):
				t.Fatalf("%s was put into cell %d and lies in %v", a.Name, at, cells)
			}
			c := Check(u, l, good, Limits{})
			held := 0
			for _, x := range l.Cells {
				held += len(x.Areas)
			}
			if c.Overlapped != 0 || held != c.Covered {
				t.Fatalf("%d overlaps, %d pieces in cells, %d covered: %+v", c.Overlapped, held, c.Covered, c.Findings)
			}
		}
	})
}
