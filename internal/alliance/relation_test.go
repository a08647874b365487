package alliance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"yilian/internal/alliance"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/region"
)

func relations(t *testing.T, d *db.DB, id string, day calendar.Date) []alliance.Relation {
	t.Helper()
	return dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Relation, error) { return alliance.RelationsOn(ctx, tx, id, day, tx.Now) })
}

func allianceOf(t *testing.T, d *db.DB, word string) alliance.Alliance {
	t.Helper()
	for _, a := range dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Alliance, error) { return alliance.List(ctx, tx) }) {
		if strings.Contains(a.Name, word) {
			return a
		}
	}
	t.Fatalf("no alliance %s", word)
	return alliance.Alliance{}
}

// GB-2.5: a hospital of the city or above takes a county hospital in trust, by a
// written agreement, for a time; the county one no other.
func TestTrustAgreement(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		alliancetest.SeedRegion(t, d, "zhengzhou")
		must(t, d.Tx(ctx, func(tx *db.Tx) error {
			return organization.SeedAt(ctx, tx, "410122", []organization.Organization{
				{Name: "中牟县人民医院", Kind: organization.CountyHospital, Level: "二级甲等", Ownership: organization.Public, Region: "410122", Active: true},
				{Name: "韩寺镇卫生院", Kind: organization.TownshipCenter, Level: "一级", Ownership: organization.Public, Region: "410122101", Active: true},
			}, nil)
		}))
		svc := alliancetest.Service(t, d)
		city, county, town := org(t, d, "郑州市中心医院"), org(t, d, "中牟县人民医院"), org(t, d, "韩寺镇卫生院")
		trust := func(from, to string) alliance.Relation {
			return alliance.Relation{Kind: alliance.Trust, From: from, To: to, Terms: "派驻管理团队 3 人、专家团队 5 人", Evidence: "托管协议书", Period: alliance.Period{ValidFrom: "2026-01-01", Reason: "县政府批准"}}
		}
		for _, wrong := range [][2]string{{county, city}, {city, town}, {county, town}, {city, city}, {city, ""}} {
			if err := svc.Relate(ctx, admin, trust(wrong[0], wrong[1])); !errs.Is(err, errs.Invalid) {
				t.Errorf("%v: %v", wrong, err)
			}
		}
		must(t, svc.Relate(ctx, admin, trust(city, county)))
		held := relations(t, d, county, "2026-02-01")
		if len(held) != 1 || held[0].FromName != "郑州市中心医院" || held[0].Terms == "" {
			t.Fatalf("%+v", held)
		}
		if n := len(relations(t, d, county, "2025-12-31")); n != 0 {
			t.Errorf("%d agreements before the first day", n)
		}
		must(t, svc.Unrelate(ctx, admin, held[0].ID, "2026-06-30", "协议期满"))
		if n, m := len(relations(t, d, county, "2026-06-30")), len(relations(t, d, county, "2026-07-01")); n != 1 || m != 0 {
			t.Errorf("on the last day %d, after it %d", n, m)
		}
		if err := svc.Unrelate(ctx, admin, held[0].ID, "2026-07-30", "再次"); !errs.Is(err, errs.Conflict) {
			t.Errorf("ended twice: %v", err)
		}
	})
}

// ZZ-2.1c: a city tertiary specialty hospital stands between lead and primary
// members for an area that no other link has.
func TestLinkHospitals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		alliancetest.SeedRegion(t, d, "zhengzhou")
		tertiary := func(name string) string {
			id := org(t, d, name)
			must(t, d.Tx(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE organization SET level = '三级甲等' WHERE id = $1`, id)
				return err
			}))
			return id
		}
		svc := alliancetest.Service(t, d)
		group := allianceOf(t, d, "郑州市中心医院")
		link := func(from string, area ...string) error {
			return svc.Relate(ctx, admin, alliance.Relation{Kind: alliance.LinkArea, Alliance: group.ID, From: from, Area: area, Evidence: "承接协议", Period: alliance.Period{ValidFrom: "2026-01-01", Reason: "牵头单位安排"}})
		}
		bone, heart := tertiary("郑州市骨科医院"), tertiary("郑州市第七人民医院")
		for name, err := range map[string]error{
			"ZZ-2.1c":  link(bone),                             // no area
			"不能作为承接单位": link(org(t, d, "郑州市第九人民医院"), "410102"), // the document gives no grade
		} {
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, link(bone, "410102", "410103"))
		if err := link(heart, "410103"); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "郑州市骨科医院") {
			t.Errorf("one area, two links: %v", err)
		}
		must(t, link(heart, "410104"))
		held := relations(t, d, bone, today)
		if len(held) != 1 || !slices.Equal(held[0].Area, []string{"410102", "410103"}) || held[0].ToName != group.Name {
			t.Errorf("%+v", held)
		}
	})
}

// LL-4.1: the hospitals above the three leads, most of them outside the register.
func TestGuidanceHospitals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seeded(t, d)
		want := map[string][]string{
			"永州市第四人民医院": {"省人民医院", "南华附一", "湘雅眼科"}, "零陵区中医院": {"湖南中医研究院"}, "零陵区妇幼保健计划生育服务中心": {"省生殖健康医院"},
		}
		for lead, above := range want {
			var got []string
			for _, r := range relations(t, d, org(t, d, lead), today) {
				if r.Kind != alliance.Guidance || r.Clause != "LL-4.1" || r.Terms == "" {
					t.Errorf("%+v", r)
				}
				got = append(got, r.FromName)
			}
			slices.Sort(got)
			slices.Sort(above)
			if !slices.Equal(got, above) {
				t.Errorf("%s is guided by %v, want %v", lead, got, above)
			}
		}
	})
}

// JS-4.1.1: six provincial hospitals, each in touch with named cities: every
// one of the 13 cities has exactly one.
func TestProvincialHospitalsAndCities(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		alliancetest.SeedRegion(t, d, "jiangsu")
		alliancetest.SeedRegion(t, d, "jiangsu") // again changes nothing
		by, hospitals := map[string]string{}, map[string]bool{}
		for _, r := range relations(t, d, "", today) {
			if r.Kind != alliance.Contact || r.Clause != "JS-4.1.1" {
				continue
			}
			hospitals[r.FromName] = true
			for _, city := range r.Area {
				if by[city] != "" {
					t.Errorf("%s has %s and %s", city, by[city], r.FromName)
				}
				by[city] = r.FromName
			}
		}
		cities := dbtest.View(t, d, func(tx *db.Tx) ([]region.Region, error) { return region.Children(ctx, tx, "32") })
		if len(hospitals) != 6 || len(cities) != 13 {
			t.Errorf("%d hospitals, %d cities", len(hospitals), len(cities))
		}
		for _, c := range cities {
			if by[c.Code] == "" {
				t.Errorf("nobody is in touch with %s", c.Name)
			}
		}
		if by["3212"] != "东南大学附属中大医院" {
			t.Errorf("泰州 has %s", by["3212"])
		}
		// whose they are, wherever they stand (JS-5.3)
		for name, want := range map[string]region.Level{"苏州大学附属第一医院": region.Province, "江苏省肿瘤医院": region.Province, "无锡市人民医院": region.City, "南京市儿童医院": region.City} {
			o := organizationtest.ByName(t, d, name)
			if got := dbtest.View(t, d, func(tx *db.Tx) (region.Level, error) { return alliance.LevelOf(ctx, tx, o, today) }); got != want {
				t.Errorf("%s belongs to the %s level, want %s", name, got, want)
			}
		}
		svc := alliancetest.Service(t, d)
		err := svc.Relate(ctx, admin, alliance.Relation{Kind: alliance.Contact, From: org(t, d, "南京鼓楼医院"), Evidence: "省卫健委文件", Period: alliance.Period{ValidFrom: today, Reason: "补登"}})
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "请选择联系的城市") {
			t.Errorf("no city: %v", err)
		}
	})
}

// ZZ-2.1a, ZZ-2.2, JS-A2: the alliances of the documents exist with their leads.
func TestAlliancesOfTheDocuments(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for profile, want := range map[string]map[alliance.Kind]int{
			"zhengzhou": {alliance.MedicalGroup: 3, alliance.SpecialtyAlliance: 7},
			"jiangsu":   {alliance.SpecialtyAlliance: 19},
		} {
			alliancetest.SeedRegion(t, d, profile)
			got := map[alliance.Kind]int{}
			for _, a := range dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Alliance, error) { return alliance.List(ctx, tx) }) {
				if a.Profile != profile {
					continue
				}
				got[a.Kind]++
				lead := dbtest.View(t, d, func(tx *db.Tx) (organization.Organization, error) { return alliance.LeadOn(ctx, tx, a.ID, today) })
				if lead.ID == "" || a.Clause == "" {
					t.Errorf("%s is led by %q", a.Name, lead.Name)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s has %v, want %v", profile, got, want)
			}
		}
		leads := map[string]int{}
		for _, m := range dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Membership, error) { return alliance.AllOn(ctx, tx, today, tx.Now) }) {
			leads[m.OrgName]++
		}
		if leads["江苏省人民医院"] != 5 || leads["解放军东部战区总医院"] != 2 || leads["南京市儿童医院"] != 2 || leads["东南大学附属中大医院"] != 2 {
			t.Errorf("%v", leads)
		}
	})
}
