package app

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/grid/report"
	"yilian/internal/organization"
	"yilian/internal/region"
	"yilian/internal/web"
)

func opened(t *testing.T, id string) *App {
	t.Helper()
	dir := t.TempDir()
	a, err := Open(t.Context(), Config{Database: filepath.Join(dir, "yilian.db"), KeyFile: filepath.Join(dir, "yilian.keys"), Region: id})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// TestCountsOfClauses holds the counts in words against what each document
// puts into the registers.
func TestCountsOfClauses(t *testing.T) {
	for id, want := range map[string]map[string]string{
		"lingling":  {"LL-4.2": "12 对", "LL-4.1": "5 项", "GB-3.1": "3 个医联体，0 个有现行章程", "LL-5": "阶段任务 9 项", "LL-6": "文件设立 3 个，已登记成立 0 个，还没有登记会议", "JS-5.3": "备案有效 0 个", "GB-5.1": "成员 19 家"},
		"zhengzhou": {"ZZ-2.1a": "3 个，成员 3 家", "ZZ-2.2": "7 个", "ZZ-3.1": "已登记 0 份", "ZZ-2.4": "0 个"},
		"jiangsu":   {"JS-A2": "19 个，成员 19 家", "JS-4.1.1": "6 项，涉及 13 个地区", "JS-4.5.3": "19 个，治理机构齐全 0 个", "JS-4.1.2": "0 件"},
	} {
		a := opened(t, id)
		p, _ := a.Book.Profile(id)
		err := a.DB.View(t.Context(), func(tx *db.Tx) error {
			for clause, count := range a.counts() {
				if _, _, ok := a.Book.Clause(clause); !ok {
					t.Errorf("%s is no clause", clause)
				}
				text, page, err := count(t.Context(), tx, p.Jurisdiction, calendar.DateOf(tx.Now))
				if err != nil {
					return err
				}
				if !strings.Contains(text, want[clause]) {
					t.Errorf("%s in %s: %s, want %s", clause, id, text, want[clause])
				}
				if !slices.ContainsFunc(a.Site.Items(), func(it web.Item) bool { return it.Path == page }) {
					t.Errorf("%s leads to %s, which is no page of the menu", clause, page)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestGridFigures computes JS-3a and JS-5.1 from a layout that covers one
// county of Jiangsu and lies with the province.
// ZZ-4.1: a county has its own plan once a document of its own is loaded.
func TestEachCountysOwnPlan(t *testing.T) {
	for _, x := range []struct {
		demo, code string
		level      region.Level
		want       float64
	}{
		{"lingling", "431102", region.County, 1},
		{"lingling", "43", region.Province, 0},
		{"zhengzhou", "4101", region.County, 0},
		{"zhengzhou", "410122", region.County, 0},
		{"jiangsu", "32", region.Province, 1},
	} {
		a := opened(t, x.demo)
		err := a.DB.View(t.Context(), func(tx *db.Tx) error {
			f, err := a.ownPlan(x.level)(t.Context(), tx, x.code, calendar.DateOf(tx.Now))
			if err == nil && (!f.Computable() || f.Value != x.want || f.Den == 0) {
				t.Errorf("%s %s: %+v", x.code, x.level, f)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestGridFigures(t *testing.T) {
	a, ctx := opened(t, "jiangsu"), t.Context()
	figures := func(code string) (covered, of int64, filed float64) {
		t.Helper()
		err := a.DB.View(ctx, func(tx *db.Tx) error {
			day := calendar.DateOf(tx.Now)
			c, err := a.gridCoverage(ctx, tx, code, day)
			if err != nil {
				return err
			}
			f, err := gridFiled(ctx, tx, code, day)
			covered, of, filed = c.Num, c.Den, f.Value
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return covered, of, filed
	}
	if n, of, filed := figures("320481"); n != 0 || of != 14 || filed != 0 {
		t.Fatalf("before any layout %d of %d, filed %v", n, of, filed)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var towns []region.Region
	must(a.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		list := []organization.Organization{{Name: "常州市卫生健康委员会", Kind: organization.Bureau, Region: "3204"}, {Name: "溧阳市卫生健康局", Kind: organization.Bureau, Region: "320481"},
			{Name: "溧阳市人民医院", Kind: organization.CountyHospital, Region: "320481"}, {Name: "埭头镇卫生院", Kind: organization.TownshipCenter, Region: "320481101"}}
		for i := range list {
			list[i].Level, list[i].Ownership, list[i].Active = organization.Ungraded, organization.Public, true
		}
		if err := organization.SeedAt(ctx, tx, "320481", list, nil); err != nil {
			return err
		}
		towns, err = region.Children(ctx, tx, "320481")
		return err
	}))
	org := func(name string) string {
		o, err := db.Read(ctx, a.DB, organization.ByName, name)
		must(err)
		return o.ID
	}
	actor := func(name string, role access.Role, regions ...string) access.Actor {
		return access.Actor{Account: name, Name: name, Role: string(role), Org: org(name), OrgName: name, Regions: append(regions, "32", "CN")}
	}
	county, city, province := actor("溧阳市卫生健康局", access.BureauCounty, "320481", "3204"), actor("常州市卫生健康委员会", access.BureauCity, "3204"), actor("江苏省卫生健康委员会", access.BureauProvince)
	day := calendar.DateOf(a.DB.Now())
	_, err := a.Alliances.Form(ctx, access.Actor{Name: "管理员", Role: string(access.SystemAdmin)}, alliance.Formation{Name: "溧阳市医共体", Kind: alliance.CountyCommunity,
		Region: "320481", Lead: org("溧阳市人民医院"), Members: []string{org("埭头镇卫生院")}, On: day, Reason: "市政府批复"})
	must(err)
	l, err := a.Grids.Begin(ctx, county, "320481", "全市一片", "")
	must(err)
	l, err = a.Grids.AddCell(ctx, county, l.ID, 1, "全市", org("溧阳市人民医院"))
	must(err)
	codes := make([]string, len(towns))
	for i, x := range towns {
		codes[i] = x.Code
	}
	l, err = a.Grids.Assign(ctx, county, l.ID, l.Version, codes, l.Cells[0].ID)
	must(err)
	must(a.Grids.Adopt(ctx, county, l.ID, l.Version, day, "只有一家县级医院牵头"))
	if n, of, filed := figures("320481"); n != 14 || of != 14 || filed != 0 {
		t.Fatalf("with the layout %d of %d, filed %v", n, of, filed)
	}
	if n, of, _ := figures("3204"); n != 14 || of <= 14 {
		t.Errorf("in the city %d of %d", n, of)
	}
	ref := func() report.Ref {
		var r report.Report
		must(a.DB.View(ctx, func(tx *db.Tx) (err error) { r, _, err = report.Of(ctx, tx, l.ID); return err }))
		return report.Ref{ID: r.ID, Version: r.Case.Version, Once: db.NewID()}
	}
	must(a.GridReports.Send(ctx, county, ref()))
	must(a.GridReports.Pass(ctx, city, ref()))
	must(a.GridReports.File(ctx, province, ref()))
	if _, _, filed := figures("320481"); filed != 100 {
		t.Errorf("on file %v %%", filed)
	}
	if _, _, filed := figures("3204"); filed != 0 { // the city's other counties have none
		t.Errorf("the city on file %v %%", filed)
	}
}
