package report_test

import (
	"context"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"yilian/internal/access"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/grid"
	"yilian/internal/grid/report"
	"yilian/internal/jobs"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/policy"
	"yilian/internal/region"
	"yilian/profiles"
)

// asking is a document of Yongzhou that asks for reports as Jiangsu's does
// (JS-5.1).
const asking = `[profile]
id = "yongzhou"
code = "YZ"
title = "网格布局测试文件"
issuer = "测试"
valid_from = "2020-01-01"
jurisdiction = "4311"

[[clauses]]
id = "YZ-1"
section = "一"
kind = "rule"
summary = "布局报省备案"

  [[clauses.rules]]
  key = "grid.file.required"
  bool = true
`

type world struct {
	*testing.T
	d       *db.DB
	grids   *grid.Service
	reports *report.Service
}

func enter(t *testing.T, d *db.DB, asked bool) *world {
	t.Helper()
	alliancetest.Seed(t, d)
	files := fstest.MapFS{}
	err := fs.WalkDir(profiles.FS, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := fs.ReadFile(profiles.FS, name)
		files[name] = &fstest.MapFile{Data: data}
		return err
	})
	must(t, err)
	if asked {
		files["yongzhou/profile.toml"] = &fstest.MapFile{Data: []byte(asking)}
	}
	book, err := policy.Load(files)
	must(t, err)
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	engine := &flow.Engine{DB: d, Book: book, Calendar: calendar.New(), Audit: log, Keys: keys, Queue: jobs.New(d),
		Notify: func(context.Context, *db.Tx, flow.Notice) error { return nil }}
	engine.Start()
	w := &world{T: t, d: d, grids: &grid.Service{DB: d, Log: log, Policy: book}}
	w.reports = &report.Service{DB: d, Flow: engine, Book: book, Grids: w.grids}
	must(t, w.reports.Init())
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) at(role access.Role, bureau string, regions ...string) access.Actor {
	w.Helper()
	return access.Actor{Account: bureau, Name: string(role), Role: string(role), Org: organizationtest.ByName(w.T, w.d, bureau).ID, OrgName: bureau, Regions: regions}
}

func (w *world) county() access.Actor {
	return w.at(access.BureauCounty, "零陵区卫生健康局", region.Lingling, region.Yongzhou, region.Hunan, region.CN)
}

// adopted is a layout of one cell that covers Lingling, in force.
func (w *world) adopted() grid.Layout {
	w.Helper()
	lead, id := organizationtest.ByName(w.T, w.d, "永州市第四人民医院").ID, db.NewID()
	must(w, w.d.Tx(w.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(w.Context(), `INSERT INTO alliance (id, name, kind, region, profile, clause) VALUES ($1, '零陵区医共体', 'county_community', '431102', 'state-council', 'GB-2.2')`, id)
		if err != nil {
			return err
		}
		_, err = tx.Exec(w.Context(), `INSERT INTO alliance_membership (id, alliance, org, role, plate, clause, valid_from, valid_to, known_from, known_to, known_by, reason)
			VALUES ($1, $2, $3, 'lead', '', '', '2020-01-01', NULL, $4, NULL, '', '')`, db.NewID(), id, lead, db.At(tx.Now))
		return err
	}))
	l, err := w.grids.Begin(w.Context(), w.county(), region.Lingling, "全区一片", "")
	must(w, err)
	l, err = w.grids.AddCell(w.Context(), w.county(), l.ID, 1, "全区", lead)
	must(w, err)
	towns := dbtest.View(w.T, w.d, func(tx *db.Tx) ([]region.Region, error) { return region.Children(w.Context(), tx, region.Lingling) })
	codes := make([]string, len(towns))
	for i, t := range towns {
		codes[i] = t.Code
	}
	l, err = w.grids.Assign(w.Context(), w.county(), l.ID, l.Version, codes, l.Cells[0].ID)
	must(w, err)
	must(w, w.grids.Adopt(w.Context(), w.county(), l.ID, l.Version, "2026-03-02", "全区只有一家县级医院牵头"))
	return l
}

func (w *world) of(l grid.Layout) (report.Report, bool) {
	w.Helper()
	type found struct {
		report.Report
		ok bool
	}
	f := dbtest.View(w.T, w.d, func(tx *db.Tx) (found, error) {
		r, ok, err := report.Of(w.Context(), tx, l.ID)
		return found{r, ok}, err
	})
	return f.Report, f.ok
}

func (w *world) ref(l grid.Layout) report.Ref {
	r, _ := w.of(l)
	return report.Ref{ID: r.ID, Version: r.Case.Version, Once: db.NewID()}
}

func TestLayoutIsReportedLevelByLevel(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, ctx := enter(t, d, true), t.Context()
		l := w.adopted()
		county := w.county()
		city := w.at(access.BureauCity, "永州市卫生健康委员会", region.Yongzhou, region.Hunan, region.CN)
		province := w.at(access.BureauProvince, "湖南省卫生健康委员会", region.Hunan, region.CN)
		r, ok := w.of(l)
		if !ok || r.Clause != "YZ-1" || r.Case.State != report.Preparing || r.Case.DueAt.IsZero() {
			t.Fatalf("%+v", r)
		}
		if err := w.reports.Send(ctx, city, w.ref(l)); !errs.Is(err, errs.Forbidden) {
			t.Errorf("the city sends the county's report: %v", err)
		}
		stale := w.ref(l)
		must(t, w.reports.Send(ctx, county, stale))
		must(t, w.reports.Send(ctx, county, stale)) // the same form twice acts once
		stale.Once = "another form"
		if err := w.reports.Send(ctx, county, stale); !errs.Is(err, errs.Conflict) {
			t.Errorf("a stale form acts: %v", err)
		}
		if err := w.reports.Return(ctx, city, w.ref(l), "incomplete", ""); !errs.Is(err, errs.Invalid) {
			t.Errorf("returned without saying what is wrong: %v", err)
		}
		must(t, w.reports.Return(ctx, city, w.ref(l), "incomplete", "缺人口依据"))
		must(t, w.reports.Send(ctx, county, w.ref(l)))
		must(t, w.reports.Pass(ctx, city, w.ref(l)))
		if err := w.reports.File(ctx, city, w.ref(l)); !errs.Is(err, errs.Forbidden) {
			t.Errorf("the city files for the province: %v", err)
		}
		must(t, w.reports.File(ctx, province, w.ref(l)))
		r, _ = w.of(l)
		if r.Case.State != report.Filed || r.FiledAt.IsZero() || len(r.Stamps) != 3 || r.Stamps[0].Passed || !strings.Contains(r.Stamps[0].Text, "人口") {
			t.Errorf("%+v", r)
		}
	})
}

func TestNoReportWhereNoDocumentAsksForOne(t *testing.T) {
	w := enter(t, dbtest.SQLite(t), false)
	if r, ok := w.of(w.adopted()); ok {
		t.Errorf("%+v", r)
	}
}
