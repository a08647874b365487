package grid_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/grid"
	"yilian/internal/grid/partition"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/policy/policytest"
	"yilian/internal/region"
)

var (
	ctx     = context.Background()
	planner = access.Actor{Account: "p", Name: "规划科", Role: string(access.BureauCounty), Regions: []string{region.Lingling, region.Yongzhou, region.Hunan, region.CN}}
)

const today = calendar.Date("2026-03-02") // dbtest.Clock

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err error, kind errs.Kind, words ...string) {
	t.Helper()
	if !errs.Is(err, kind) {
		t.Fatalf("%v, want kind %v", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// world is Lingling with two county communities, led by two of its hospitals.
type world struct {
	*testing.T
	d     *db.DB
	s     *grid.Service
	leads [2]string // hospitals
}

func enter(t *testing.T, d *db.DB) *world {
	t.Helper()
	alliancetest.Seed(t, d)
	book := policytest.Shipped(t)
	w := &world{T: t, d: d, s: &grid.Service{DB: d, Log: audit.New(d, crypto.Ephemeral(crypto.SM)), Policy: book}}
	for i, name := range []string{"永州市第四人民医院", "零陵区中医院"} {
		w.leads[i] = organizationtest.ByName(t, d, name).ID
		w.found(fmt.Sprintf("零陵区第%d医共体", i+1), w.leads[i])
	}
	return w
}

// found enters a county community that a hospital leads.
func (w *world) found(name, lead string) {
	w.Helper()
	id := db.NewID()
	must(w, w.d.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO alliance (id, name, kind, region, profile, clause) VALUES ($1, $2, 'county_community', '431102', 'state-council', 'GB-2.2')`, id, name)
		return err
	}))
	s := &alliance.Service{DB: w.d, Log: w.s.Log, Book: w.s.Policy}
	_, err := s.Join(ctx, access.Actor{Account: "a", Name: "管理员", Role: string(access.SystemAdmin)},
		alliance.Membership{Alliance: id, Org: lead, Role: alliance.Lead, Period: alliance.Period{ValidFrom: "2020-01-01"}})
	must(w, err)
}

func (w *world) unit() grid.Unit {
	w.Helper()
	return dbtest.View(w, w.d, func(tx *db.Tx) (grid.Unit, error) { return grid.Open(ctx, tx, region.Lingling) })
}

func (w *world) check(l grid.Layout) grid.Coverage {
	w.Helper()
	u := w.unit()
	return dbtest.View(w, w.d, func(tx *db.Tx) (grid.Coverage, error) { return w.s.Check(ctx, tx, u, l, today, tx.Now) })
}

// whole is a draft whose two cells cover Lingling once: the first split towns
// to the first hospital, the others to the second.
func (w *world) whole(name string, first int) grid.Layout {
	w.Helper()
	l, err := w.s.Begin(ctx, planner, region.Lingling, name, "")
	must(w, err)
	for i, lead := range w.leads {
		l, err = w.s.AddCell(ctx, planner, l.ID, l.Version+btoi(i == 0), fmt.Sprintf("片区%d", i+1), lead)
		must(w, err)
	}
	towns := w.unit().Towns
	for i, part := range [][]grid.Area{towns[:first], towns[first:]} {
		codes := make([]string, len(part))
		for k, a := range part {
			codes[k] = a.Code
		}
		l, err = w.s.Assign(ctx, planner, l.ID, l.Version, codes, l.Cells[i].ID)
		must(w, err)
	}
	return l
}

func btoi(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func TestLayoutIsCheckedByName(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		l := w.whole("第一稿", 6)
		if c := w.check(l); !c.Complete() || c.Covered != 16 || c.Overlapped != 0 || c.Reached != c.People || !c.Estimated {
			t.Fatalf("%+v", c)
		}
		towns := w.unit().Towns
		l, err := w.s.Assign(ctx, planner, l.ID, l.Version, []string{towns[3].Code}, "")
		must(t, err)
		c := w.check(l)
		if c.Complete() || c.Covered != 15 || !strings.Contains(c.Findings[0].Text, towns[3].Name) {
			t.Errorf("an uncovered town is not named: %+v", c)
		}
		// a town in two cells: no use case makes one, data may
		must(t, d.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO grid_cell_area (cell, code, layout) VALUES ($1, $2, $3)`, l.Cells[1].ID, towns[0].Code, l.ID)
			return err
		}))
		l = dbtest.View(t, d, func(tx *db.Tx) (grid.Layout, error) { return grid.Get(ctx, tx, l.ID) })
		if c := w.check(l); c.Overlapped != 1 || !strings.Contains(c.Findings[0].Text, towns[0].Name) || !strings.Contains(c.Findings[0].Text, "片区2") {
			t.Errorf("overlap is not named: %+v", c.Findings)
		}
		refused(t, w.s.Adopt(ctx, planner, l.ID, l.Version, today, ""), errs.Invalid, towns[0].Name)
	})
}

func TestOnlyTightAlliancesAnswerForACell(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		l := w.whole("第一稿", 16)
		l, err := w.s.SetCell(ctx, planner, l.ID, l.Version, grid.Cell{ID: l.Cells[0].ID, Name: "片区1", Lead: organizationtest.ByName(t, d, "零陵区妇幼保健计划生育服务中心").ID})
		must(t, err)
		if c := w.check(l); c.Complete() || c.Covered != 0 || !strings.Contains(c.Findings[0].Text, "还没有负责的医联体") {
			t.Errorf("%+v", c)
		}
		township := organizationtest.ByName(t, d, "珠山镇中心卫生院").ID
		_, err = w.s.AddCell(ctx, planner, l.ID, l.Version, "片区3", township)
		refused(t, err, errs.Invalid, "牵头医院")
	})
}

func TestVillagesSplitATown(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		l := w.whole("第一稿", 6)
		u := w.unit()
		town := u.Towns[0]
		villages := u.Villages[town.Code]
		l, err := w.s.Assign(ctx, planner, l.ID, l.Version, []string{villages[0].Code}, l.Cells[1].ID)
		must(t, err)
		c := w.check(l)
		if !c.Complete() || c.Pieces != 15+len(villages) || c.Overlapped != 0 {
			t.Fatalf("%+v", c)
		}
		if slices.Contains(l.Cells[0].Areas, town.Code) || !slices.Contains(l.Cells[1].Areas, villages[0].Code) {
			t.Error("the town is not split")
		}
		l, err = w.s.Assign(ctx, planner, l.ID, l.Version, []string{villages[0].Code}, l.Cells[0].ID)
		must(t, err)
		if !slices.Contains(l.Cells[0].Areas, town.Code) || w.check(l).Pieces != 16 {
			t.Error("the town is not whole again")
		}
	})
}

func TestLayoutsAreInForceInTwoTimes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		first := w.whole("2026 年布局", 6)
		must(t, w.s.Adopt(ctx, planner, first.ID, first.Version, "2026-01-01", "城区与乡镇分片"))
		before := d.Now()
		dbtest.SetClock(d, before.Add(time.Hour))
		on := func(day calendar.Date) string {
			l := dbtest.View(t, d, func(tx *db.Tx) (grid.Layout, error) {
				return grid.On(ctx, tx, region.Lingling, day, tx.Now)
			})
			return l.ID
		}
		second, err := w.s.Begin(ctx, planner, region.Lingling, "年度调整", first.ID)
		must(t, err)
		must(t, w.s.Adopt(ctx, planner, second.ID, 1, "2026-07-01", "年度调整，理由同前"))
		if on("2026-06-30") != first.ID || on("2026-07-01") != second.ID {
			t.Error("the wrong layout is in force")
		}
		known := dbtest.View(t, d, func(tx *db.Tx) (grid.Layout, error) {
			return grid.On(ctx, tx, region.Lingling, "2026-08-01", before)
		})
		if known.ID != first.ID {
			t.Error("what was known before has changed")
		}
		_, err = w.s.Assign(ctx, planner, first.ID, first.Version+1, []string{w.unit().Towns[0].Code}, "")
		refused(t, err, errs.Conflict, "复制为新的草案")
	})
}

func TestWhoMayPlan(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		doctor, other := planner, planner
		doctor.Role = string(access.TownshipDoctor)
		other.Regions = []string{"410102", "4101", "41", region.CN}
		for _, a := range []access.Actor{doctor, other, {}} {
			_, err := w.s.Begin(ctx, a, region.Lingling, "不该有", "")
			refused(t, err, errs.Forbidden)
			_, err = w.s.Propose(ctx, a, region.Lingling, ask(w))
			refused(t, err, errs.Forbidden)
		}
		_, err := w.s.Begin(ctx, planner, "431102101", "镇不是规划单元", "")
		refused(t, err, errs.Invalid, "规划单元")
	})
}

func ask(w *world) grid.Ask {
	return grid.Ask{
		Leads:   []grid.LeadChoice{{Org: w.leads[0], Share: 1}, {Org: w.leads[1], Share: 1}},
		Weights: partition.Weights{Balance: 1, Travel: 1, Continuity: 0.5},
		Rules:   partition.Rules{Contiguous: true, Seats: true}, Seed: 1,
	}
}

func TestAProposalBecomesADraftAndIsAdopted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		a, err := w.s.Propose(ctx, planner, region.Lingling, ask(w))
		must(t, err)
		if len(a.Proposals) == 0 || len(a.Proposals[0].Breaches) > 0 || a.Proposals[0].Gap() > 0.05 {
			t.Fatalf("%+v", a.Proposals)
		}
		l, err := w.s.Keep(ctx, planner, region.Lingling, "计算方案", ask(w), 0)
		must(t, err)
		run, ok := l.ReadRun()
		if !ok || run.Seed != 1 || run.Weights["balance"] != 1 {
			t.Errorf("%+v", run)
		}
		if c := w.check(l); !c.Complete() || c.Covered != 16 {
			t.Fatalf("%+v", c)
		}
		must(t, w.s.Adopt(ctx, planner, l.ID, 1, today, "一期布局"))
		_, err = w.s.Keep(ctx, planner, region.Lingling, "没有这个", ask(w), 9)
		refused(t, err, errs.Conflict, "重新计算")
	})
}

func TestMovingATownShowsWhatItCosts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		l, err := w.s.Keep(ctx, planner, region.Lingling, "计算方案", ask(w), 0)
		must(t, err)
		code := l.Cells[0].Areas[len(l.Cells[0].Areas)-1]
		try := dbtest.View(t, d, func(tx *db.Tx) (grid.WhatIf, error) { return w.s.Try(ctx, tx, l, code, l.Cells[1].ID) })
		if try.From.ID != l.Cells[0].ID || try.After.Loads[1] != try.Before.Loads[1]+try.Town.People {
			t.Errorf("%+v", try)
		}
		if err := d.View(ctx, func(tx *db.Tx) error { _, err := w.s.Try(ctx, tx, l, code, "gone"); return err }); !errs.Is(err, errs.NotFound) {
			t.Error(err)
		}
	})
}

func TestTwoAtOnceAndStaleVersions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		l := w.whole("第一稿", 6)
		code := w.unit().Towns[0].Code
		var wg sync.WaitGroup
		results := make([]error, 8)
		for i := range results {
			wg.Go(func() { _, results[i] = w.s.Assign(ctx, planner, l.ID, l.Version, []string{code}, l.Cells[1].ID) })
		}
		wg.Wait()
		good := 0
		for _, err := range results {
			if err == nil {
				good++
			} else {
				refused(t, err, errs.Conflict, "刷新")
			}
		}
		if good != 1 {
			t.Errorf("%d of 8 edits of the same version went through", good)
		}
	})
}

// square is a feature with a boundary of a tenth of a degree.
func square(name string, x, y float64) string {
	return fmt.Sprintf(`{"type":"Feature","properties":{"name":%q},"geometry":{"type":"Polygon","coordinates":[[[%.2f,%.2f],[%.2f,%.2f],[%.2f,%.2f],[%.2f,%.2f],[%.2f,%.2f]]]}}`,
		name, x, y, x+.1, y, x+.1, y+.1, x, y+.1, x, y)
}

func TestBoundariesAreUploaded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		var features []string
		for i, a := range w.unit().Towns { // four by four, borders shared
			features = append(features, square(a.Name, 111+.1*float64(i%4), 26+.1*float64(i/4)))
		}
		file := `{"type":"FeatureCollection","features":[` + strings.Join(features, ",") + `]}`
		must(t, w.s.Upload(ctx, planner, region.Lingling, []byte(file)))
		u := w.unit()
		near := func(i int) (out []string) {
			out = slices.Clone(u.Towns[i].Neighbours)
			slices.Sort(out)
			return out
		}
		want := []string{u.Towns[1].Code, u.Towns[4].Code}
		slices.Sort(want)
		if !u.Drawn || !slices.Equal(near(0), want) || len(near(5)) != 4 {
			t.Errorf("drawn %v, corner %v, middle %v", u.Drawn, near(0), near(5))
		}
		for name, bad := range map[string][2]string{
			"no json":       {"{", "不是 JSON"},
			"no collection": {`{"type":"Feature"}`, "FeatureCollection"},
			"a town short":  {`{"type":"FeatureCollection","features":[` + strings.Join(features[1:], ",") + `]}`, u.Towns[0].Name},
			"metres":        {strings.ReplaceAll(file, "111.", "411111."), "不在中国境内"},
			"open ring":     {strings.Replace(file, ",[111.00,26.00]]]", ",[111.01,26.00]]]", 1), "没有闭合"},
		} {
			if err := w.s.Upload(ctx, planner, region.Lingling, []byte(bad[0])); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), bad[1]) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !w.unit().Drawn {
			t.Error("a refused file has changed the map")
		}
	})
}

func TestPopulationsReplaceEstimates(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := enter(t, d)
		u := w.unit()
		total, estimated := u.People()
		if !estimated || total < 560000 || total > 563556 {
			t.Errorf("estimate %d, the census counted 563,556", total)
		}
		code := u.Towns[0].Code
		err := w.s.SetPeople(ctx, planner, region.Lingling, []grid.People{{Code: code, Year: 2023, People: 41234, Source: "2023 年公安户籍人口"}})
		must(t, err)
		if a, _ := w.unit().Area(code); a.People != 41234 || a.Estimated {
			t.Errorf("%+v", a)
		}
		for _, p := range []grid.People{{Code: code, Year: 2023, People: -1, Source: "x"}, {Code: "410102", Year: 2023, Source: "x"}, {Code: code, Year: 2023, People: 5}, {Code: code, Year: 3000, Source: "x"}} {
			refused(t, w.s.SetPeople(ctx, planner, region.Lingling, []grid.People{p}), errs.Invalid)
		}
	})
}
