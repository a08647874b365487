package alliance_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
)

var (
	ctx   = context.Background()
	admin = access.Actor{Account: "a", Name: "管理员", Role: string(access.SystemAdmin)}
)

const today = calendar.Date("2026-03-02") // dbtest.Clock

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func seeded(t *testing.T, d *db.DB) *alliance.Service {
	t.Helper()
	alliancetest.Seed(t, d)
	alliancetest.Seed(t, d) // again changes nothing
	return alliancetest.Service(t, d)
}

func org(t *testing.T, d *db.DB, name string) string {
	t.Helper()
	return organizationtest.ByName(t, d, name).ID
}

func members(t *testing.T, d *db.DB, id string, day calendar.Date, knownAt time.Time) []alliance.Membership {
	t.Helper()
	return dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Membership, error) {
		return alliance.MembersOn(ctx, tx, id, day, knownAt)
	})
}

func general(t *testing.T, d *db.DB) string {
	t.Helper()
	all := dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Alliance, error) { return alliance.List(ctx, tx) })
	for _, a := range all {
		if a.Kind == alliance.GeneralPracticeAlliance {
			return a.ID
		}
	}
	t.Fatal("no general practice alliance")
	return ""
}

// LL-4.2: 5 + 4 + 3 pairs over ten centres, two of which have two leads.
func TestPairingsOfTheDocument(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seeded(t, d)
		all := dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Support, error) {
			return alliance.SupportsOn(ctx, tx, "", today, tx.Now)
		})
		by, over := map[string]int{}, map[string]int{}
		for _, s := range all {
			by[s.Supporter]++
			over[s.Supported]++
			if s.Clause != "LL-4.2" || s.ValidFrom != "2020-01-01" {
				t.Errorf("%+v", s)
			}
		}
		for name, n := range map[string]int{"永州市第四人民医院": 5, "零陵区中医院": 4, "零陵区妇幼保健计划生育服务中心": 3} {
			if by[org(t, d, name)] != n {
				t.Errorf("%s builds up %d centres, want %d", name, by[org(t, d, name)], n)
			}
		}
		if len(all) != 12 || len(over) != 10 {
			t.Errorf("%d pairs over %d centres, want 12 over 10", len(all), len(over))
		}
		for _, name := range []string{"珠山镇中心卫生院", "富家桥镇中心卫生院"} {
			if over[org(t, d, name)] != 2 {
				t.Errorf("%s has %d leads, want 2", name, over[org(t, d, name)])
			}
		}
	})
}

// LL-4.1 and LL-4.3.1: the general-practice alliance holds all sixteen centres,
// each with its added plate.
func TestGeneralPracticeAlliance(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seeded(t, d)
		all := members(t, d, general(t, d), today, dbtest.Clock)
		if len(all) != 17 || all[0].Role != alliance.Lead || all[0].Plate != "" {
			t.Fatalf("%d members, first %+v", len(all), all[0])
		}
		for _, m := range all[1:] {
			if m.Role != alliance.Member || m.Plate == "" {
				t.Errorf("%+v", m)
			}
		}
		if got := alliance.Plate(alliance.PlateFormat, "永州市第四人民医院", "水口山镇"); got != "永州市第四人民医院医联体水口山镇分院" ||
			!slices.ContainsFunc(all, func(m alliance.Membership) bool { return m.Plate == got }) {
			t.Errorf("plate %s", got)
		}
		if early := members(t, d, general(t, d), "2019-12-31", dbtest.Clock); len(early) != 0 {
			t.Errorf("%d members before the plan", len(early))
		}
		if unknown := members(t, d, general(t, d), today, dbtest.Clock.Add(-time.Millisecond)); len(unknown) != 0 {
			t.Errorf("%d members before anybody knew", len(unknown))
		}
	})
}

func TestAllies(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seeded(t, d)
		allies := func(id string) []string {
			return dbtest.View(t, d, func(tx *db.Tx) ([]string, error) { return alliance.Allies(ctx, tx, id, today) })
		}
		fourth, tcm, mch := org(t, d, "永州市第四人民医院"), org(t, d, "零陵区中医院"), org(t, d, "零陵区妇幼保健计划生育服务中心")
		zhushan, dangdi := org(t, d, "珠山镇中心卫生院"), org(t, d, "凼底乡卫生院")
		if got := allies(zhushan); len(got) != 18 || !slices.Contains(got, fourth) || !slices.Contains(got, mch) || !slices.Contains(got, tcm) || slices.Contains(got, zhushan) {
			t.Errorf("珠山 has %d allies", len(got))
		}
		if got := allies(tcm); len(got) != 10 {
			t.Errorf("区中医院 has %d allies, want the ten township centres of its specialty alliance", len(got))
		}
		clinic := dbtest.View(t, d, func(tx *db.Tx) ([]organization.Organization, error) {
			return organization.List(ctx, tx, organization.Filter{Parent: dangdi})
		})[0]
		if got := allies(clinic.ID); !slices.Contains(got, dangdi) || !slices.Contains(got, fourth) || !slices.Contains(got, mch) {
			t.Errorf("clinic has allies %v", got)
		}
		if got := allies(org(t, d, "零陵区卫生健康局")); len(got) != 0 {
			t.Errorf("the bureau has allies %v", got)
		}
	})
}

func TestCorrectionKeepsWhatWasKnown(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		id, dangdi := general(t, d), org(t, d, "凼底乡卫生院")
		of := func(day calendar.Date, at time.Time) (alliance.Membership, bool) {
			for _, m := range members(t, d, id, day, at) {
				if m.Org == dangdi {
					return m, true
				}
			}
			return alliance.Membership{}, false
		}
		old, _ := of(today, dbtest.Clock)
		later := dbtest.Clock.Add(48 * time.Hour)
		dbtest.SetClock(d, later)
		right := old
		right.ValidTo, right.Reason = "2025-12-31", "年底已退出，登记有误"
		fixed, err := svc.Correct(ctx, admin, old.ID, right)
		must(t, err)
		if _, is := of(today, later.Add(-time.Millisecond)); !is {
			t.Error("what was known before the correction is gone")
		}
		if _, is := of(today, later); is {
			t.Error("the correction does not show")
		}
		if m, is := of("2025-06-01", later); !is || m.ID != fixed.ID || m.Plate != old.Plate {
			t.Errorf("before the end: %+v %v", m, is)
		}
		if _, err := svc.Correct(ctx, admin, old.ID, right); !errs.Is(err, errs.Conflict) {
			t.Errorf("second correction of the same entry: %v", err)
		}
		right.Reason = ""
		if _, err := svc.Correct(ctx, admin, fixed.ID, right); !errs.Is(err, errs.Invalid) {
			t.Errorf("correction without a reason: %v", err)
		}
		history := dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Membership, error) { return alliance.History(ctx, tx, id) })
		if len(history) != 18 {
			t.Errorf("%d entries in the history, want 18", len(history))
		}
		if _, err := svc.Join(ctx, admin, alliance.Membership{Alliance: id, Org: dangdi, Role: alliance.Member, Period: alliance.Period{ValidFrom: "2026-01-01"}}); err != nil {
			t.Errorf("join again after leaving: %v", err)
		}
	})
}

func TestJoinAndPairRefuse(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		id, fourth, tcm, dangdi := general(t, d), org(t, d, "永州市第四人民医院"), org(t, d, "零陵区中医院"), org(t, d, "凼底乡卫生院")
		from := func(day calendar.Date) alliance.Period { return alliance.Period{ValidFrom: day} }
		for name, m := range map[string]alliance.Membership{
			"member twice":     {Alliance: id, Org: dangdi, Role: alliance.Member, Period: from("2026-01-01")},
			"second lead":      {Alliance: id, Org: tcm, Role: alliance.Lead, Period: from("2026-01-01")},
			"30 February":      {Alliance: id, Org: tcm, Role: alliance.Member, Period: from("2026-02-30")},
			"ends before":      {Alliance: id, Org: tcm, Role: alliance.Member, Period: alliance.Period{ValidFrom: "2026-02-02", ValidTo: "2026-02-01"}},
			"unknown role":     {Alliance: id, Org: tcm, Role: "boss", Period: from("2026-01-01")},
			"no such hospital": {Alliance: id, Org: "x", Role: alliance.Member, Period: from("2026-01-01")},
		} {
			if _, err := svc.Join(ctx, admin, m); !errs.Is(err, errs.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for name, p := range map[string]alliance.Support{
			"pair twice":         {Supporter: org(t, d, "零陵区妇幼保健计划生育服务中心"), Supported: dangdi, Period: from("2026-01-01")},
			"hospital supported": {Supporter: fourth, Supported: tcm, Period: from("2026-01-01")},
			"centre supports":    {Supporter: dangdi, Supported: dangdi, Period: from("2026-01-01")},
		} {
			if _, err := svc.Pair(ctx, admin, p); !errs.Is(err, errs.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		head := access.Actor{Role: string(access.TownshipHead), Org: dangdi}
		if _, err := svc.Pair(ctx, head, alliance.Support{Supporter: tcm, Supported: dangdi, Period: from("2026-01-01")}); !errs.Is(err, errs.Forbidden) {
			t.Errorf("township head pairs: %v", err)
		}
	})
}

func TestPairCorrection(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		tcm, dangdi := org(t, d, "零陵区中医院"), org(t, d, "凼底乡卫生院")
		p, err := svc.Pair(ctx, admin, alliance.Support{Supporter: tcm, Supported: dangdi, Focus: "骨伤", Period: alliance.Period{ValidFrom: "2026-01-01"}})
		must(t, err)
		dbtest.SetClock(d, dbtest.Clock.Add(time.Hour))
		p.ValidTo, p.Reason = "2026-02-28", "提前结束"
		_, err = svc.CorrectPair(ctx, admin, p.ID, p)
		must(t, err)
		count := func(at time.Time) int {
			return len(dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Support, error) {
				return alliance.SupportsOn(ctx, tx, dangdi, today, at)
			}))
		}
		if then, now := count(dbtest.Clock), count(dbtest.Clock.Add(time.Hour)); then != 2 || now != 1 {
			t.Errorf("as known then %d, now %d; want 2 and 1", then, now)
		}
	})
}
