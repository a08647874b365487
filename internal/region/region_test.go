package region_test

import (
	"context"
	"slices"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/region"
)

var ctx = context.Background()

func TestSeedHoldsLingling(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for range 2 { // seeding again changes nothing
			if err := d.Tx(ctx, func(tx *db.Tx) error { return region.Seed(ctx, tx) }); err != nil {
				t.Fatal(err)
			}
		}
		err := d.View(ctx, func(tx *db.Tx) error {
			towns, err := region.Children(ctx, tx, region.Lingling)
			if err != nil {
				return err
			}
			villages, err := region.AtLevel(ctx, tx, region.Village, region.Lingling)
			if err != nil {
				return err
			}
			if len(towns) != 16 || len(villages) != 334 {
				t.Errorf("%d towns and %d villages, want 16 and 334", len(towns), len(villages))
			}
			all, err := region.AtLevel(ctx, tx, region.Town, "")
			if err != nil || len(all) != 16 {
				t.Errorf("everywhere: %d towns, %v", len(all), err)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestChain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.Tx(ctx, func(tx *db.Tx) error {
			if err := region.Seed(ctx, tx); err != nil {
				return err
			}
			for code, want := range map[string][]string{
				"431102103002": {"431102103002", "431102103", "431102", "4311", "43", "CN"},
				"431102":       {"431102", "4311", "43", "CN"},
				"CN":           {"CN"},
			} {
				got, err := region.Chain(ctx, tx, code)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("%s: %v %v", code, got, err)
				}
			}
			if _, err := region.Chain(ctx, tx, "999"); !errs.Is(err, errs.NotFound) {
				t.Errorf("unknown division: %v", err)
			}
			line, err := region.Line(ctx, tx, "431102200")
			if err != nil || line[0].Name != "大庆坪乡" || line[0].Level.Title() != "乡镇（街道）" {
				t.Errorf("%v %v", line, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestSeedOfOtherRegions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		count := func(level region.Level, under string) (n int) {
			err := d.View(ctx, func(tx *db.Tx) error {
				list, err := region.AtLevel(ctx, tx, level, under)
				n = len(list)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		seed := func(under ...string) {
			if err := d.Tx(ctx, func(tx *db.Tx) error { return region.Seed(ctx, tx, under...) }); err != nil {
				t.Fatal(err)
			}
		}
		seed("4101")
		for _, r := range []struct {
			level region.Level
			under string
			want  int
		}{
			{region.Province, "", 31}, {region.City, "41", 18}, {region.City, "32", 13}, {region.City, "43", 14},
			{region.Town, "4101", 208}, {region.Village, "4101", 3306}, {region.Town, "4112", 0}, {region.Town, "431102", 0},
		} {
			if got := count(r.level, r.under); got != r.want {
				t.Errorf("%s under %s: %d, want %d", r.level, r.under, got, r.want)
			}
		}
		seed("41", "32") // the installation grows
		if henan, jiangsu, villages := count(region.Town, "41"), count(region.Town, "32"), count(region.Village, "41"); henan != 2586 || jiangsu != 1487 || villages != 3306 {
			t.Errorf("towns: Henan %d, Jiangsu %d; villages %d", henan, jiangsu, villages)
		}
	})
}

func TestEveryDivisionHasOneAbove(t *testing.T) {
	all, err := region.Known()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{"": true}
	for _, r := range all {
		if !seen[r.Parent] || seen[r.Code] || r.Name == "" {
			t.Errorf("%+v: no division above, twice, or nameless", r)
		}
		seen[r.Code] = true
	}
}

func TestTwoProcessesSeedAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		failed := make(chan error, 4)
		for range cap(failed) {
			go func() { failed <- d.Tx(ctx, func(tx *db.Tx) error { return region.Seed(ctx, tx) }) }()
		}
		for range cap(failed) {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
	})
}
