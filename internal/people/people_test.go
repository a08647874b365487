package people_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/people"
	"yilian/internal/region"
)

const today = calendar.Date("2026-03-02")

func TestSameSeedSamePersons(t *testing.T) {
	a, b := slices.Collect(people.Generate(7, 1000, today)), slices.Collect(people.Generate(7, 1000, today))
	if len(a) != 1000 {
		t.Fatalf("%d persons", len(a))
	}
	for i := range a {
		if a[i].IDNumber != b[i].IDNumber || a[i].Name != b[i].Name || a[i].Address != b[i].Address || a[i].Index != i {
			t.Fatalf("%d: %+v / %+v", i, a[i], b[i])
		}
	}
	if c := slices.Collect(people.Generate(8, 10, today)); c[0].Name == a[0].Name && c[1].Name == a[1].Name && c[2].Name == a[2].Name {
		t.Error("another seed gave the same persons")
	}
}

func TestPersonsAreLikeLingling(t *testing.T) {
	const n = 20000
	seen := map[string]bool{}
	villages, _ := region.Reference()
	known := map[string]bool{}
	for _, v := range villages {
		known[v.Code] = true
	}
	var old, children, male, guarded int
	for p := range people.Generate(1, n, today) {
		age := patient.AgeOn(p.Birth, today)
		if p.Birth > today || age > 100 || !known[p.Region] || p.Name == "" || p.Address == "" || strings.ContainsAny(p.Address, "镇乡村") { // the region has town and village
			t.Fatalf("%+v", p)
		}
		if p.IDNumber != "" {
			id, err := idcard.ParseOn(p.IDNumber, string(today))
			if err != nil || id.Birth != string(p.Birth) || id.Sex != p.Sex || id.Region != region.Lingling || seen[p.IDNumber] {
				t.Fatalf("%+v: %v", p, err)
			}
			seen[p.IDNumber] = true
		}
		for _, k := range p.Kin {
			if k.Index >= p.Index {
				t.Fatalf("kin comes later: %+v", p)
			}
		}
		switch {
		case age >= 65:
			old++
		case age < 14:
			children++
			if slices.ContainsFunc(p.Kin, func(k people.Kin) bool { return k.Guardian }) {
				guarded++
			}
		}
		if p.Sex == idcard.Male {
			male++
		}
	}
	share := func(k int) float64 { return 100 * float64(k) / n }
	if share(old) < 13 || share(old) > 16 || share(male) < 50 || share(male) > 52.5 || share(children) < 16 || share(children) > 20 {
		t.Errorf("65+ %.1f %%, men %.1f %%, children %.1f %%", share(old), share(male), share(children))
	}
	if guarded < children*99/100 {
		t.Errorf("only %d of %d children have a guardian", guarded, children)
	}
}

func TestBenchLoadsAndFindsEverybody(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx, keys := context.Background(), crypto.Ephemeral(crypto.SM)
		r, err := people.Bench(ctx, d, keys, 1500, 5)
		if err != nil || r.Loaded != 1500 || r.Persons != 1500 || r.All.N == 0 {
			t.Fatalf("%+v %v", r, err)
		}
		for _, k := range r.Kinds {
			if k.Empty > 0 && k.Kind != "姓的全拼" && k.Kind != "姓和性别" {
				t.Errorf("%s found nobody %d times", k.Kind, k.Empty)
			}
		}
		again, err := people.Bench(ctx, d, keys, 1500, 1)
		if err != nil || again.Loaded != 0 {
			t.Errorf("loaded again: %+v %v", again, err)
		}
		var out strings.Builder
		if err := again.Print(&out); err != nil || !strings.Contains(out.String(), "p95") {
			t.Error(out.String())
		}
	})
}
