package alliance_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// centres are the township centres of Lingling.
func centres(t *testing.T, d *db.DB) []string {
	t.Helper()
	var out []string
	for _, o := range dbtest.View(t, d, func(tx *db.Tx) ([]organization.Organization, error) {
		return organization.List(ctx, tx, organization.Filter{Kind: organization.TownshipCenter})
	}) {
		out = append(out, o.ID)
	}
	return out
}

func community(name, lead string, members ...string) alliance.Formation {
	return alliance.Formation{Name: name, Kind: alliance.CountyCommunity, Region: "431102", Lead: lead, Members: members, On: "2026-03-02", Reason: "区政府批准文件"}
}

func report(t *testing.T, d *db.DB, day calendar.Date, at time.Time) []byte {
	t.Helper()
	return dbtest.View(t, d, func(tx *db.Tx) ([]byte, error) { return alliance.Report(ctx, tx, day, at) })
}

// X4, A1: a second tight membership is refused and names the clause; overlays
// are many-to-many.
func TestTightMembershipIsExclusive(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		towns := centres(t, d)
		fourth, tcm := org(t, d, "永州市第四人民医院"), org(t, d, "零陵区中医院")
		first, err := svc.Form(ctx, admin, community("第一医共体", fourth, towns[:3]...))
		must(t, err)
		_, err = svc.Form(ctx, admin, community("第二医共体", tcm, towns[2:5]...))
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "只能属于一个紧密型医联体（") {
			t.Fatalf("a second tight membership: %v", err)
		}
		second, err := svc.Form(ctx, admin, community("第二医共体", tcm, towns[3:5]...))
		must(t, err)
		for _, kind := range []alliance.Kind{alliance.SpecialtyAlliance, alliance.TCMAlliance, alliance.TelemedicineNetwork} {
			f := community("叠加"+string(kind), fourth, towns[:3]...)
			f.Kind = kind
			_, err := svc.Form(ctx, admin, f)
			must(t, err)
		}
		must(t, svc.Leave(ctx, admin, first.ID, towns[2], "2026-06-01", "按网格调整"))
		join := alliance.Membership{Alliance: second.ID, Org: towns[2], Role: alliance.Member, Period: alliance.Period{ValidFrom: "2026-05-31"}}
		if _, err := svc.Join(ctx, admin, join); !errs.Is(err, errs.Invalid) {
			t.Errorf("one day too early: %v", err)
		}
		join.ValidFrom = "2026-06-01"
		if _, err := svc.Join(ctx, admin, join); err != nil {
			t.Errorf("after leaving: %v", err)
		}
	})
}

// JS-2.1: one tight alliance answers for an area on a day.
func TestAreasDoNotOverlap(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		towns := centres(t, d)
		fourth, tcm := org(t, d, "永州市第四人民医院"), org(t, d, "零陵区中医院")
		f := community("第一医共体", fourth, org(t, d, "水口山镇中心卫生院"))
		f.Areas = []string{"431102101", "431102102"}
		first, err := svc.Form(ctx, admin, f)
		must(t, err)
		f = community("第二医共体", tcm, org(t, d, "黄田铺镇中心卫生院"))
		f.Areas = []string{"431102102"}
		if _, err := svc.Form(ctx, admin, f); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "第一医共体") {
			t.Errorf("the same town: %v", err)
		}
		f.Areas = nil
		f.Members = []string{org(t, d, "珠山镇中心卫生院")}
		if _, err := svc.Form(ctx, admin, f); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "所在片区") {
			t.Errorf("a centre in an area of another: %v", err)
		}
		must(t, svc.Release(ctx, admin, first.ID, "431102102", "2026-04-01", "网格调整"))
		f.On = "2026-04-01"
		second, err := svc.Form(ctx, admin, f)
		must(t, err)
		if err := svc.Claim(ctx, admin, second.ID, "431102", "2026-04-01", "全区"); !errs.Is(err, errs.Invalid) {
			t.Errorf("the district around a town of another: %v", err)
		}
		must(t, svc.Claim(ctx, admin, second.ID, "431102102", "2026-04-01", "网格调整"))
		on := func(day calendar.Date) []string {
			return dbtest.View(t, d, func(tx *db.Tx) ([]string, error) { return alliance.AreasOn(ctx, tx, first.ID, day, tx.Now) })
		}
		if len(on("2026-03-31")) != 2 || len(on("2026-04-01")) != 1 {
			t.Errorf("areas %v, then %v", on("2026-03-31"), on("2026-04-01"))
		}
		_ = towns
	})
}

// A13: after a split on 1 July the report of June, run again in December, is
// byte for byte what it was; July uses the new layout, and the old layout can
// still be asked for.
func TestJuneIsTheSameInDecember(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		towns := centres(t, d)
		fourth, tcm := org(t, d, "永州市第四人民医院"), org(t, d, "零陵区中医院")
		a, err := svc.Form(ctx, admin, community("零陵区医共体", fourth, append([]string{tcm}, towns...)...))
		must(t, err)
		at := func(s string) time.Time { return calendar.Date(s).Time().Add(9 * time.Hour) }
		dbtest.SetClock(d, at("2026-06-30"))
		june := report(t, d, "2026-06-15", d.Now())
		julyThen := report(t, d, "2026-07-15", d.Now())
		dbtest.SetClock(d, at("2026-07-02"))
		split, err := svc.Split(ctx, admin, a.ID, alliance.Formation{Name: "零陵区中医院医共体", Kind: alliance.CountyCommunity, Region: "431102", Lead: tcm, Members: towns[:4], On: "2026-07-01", Reason: "区政府批准拆分"})
		must(t, err)
		dbtest.SetClock(d, at("2026-12-01"))
		must(t, svc.Leave(ctx, admin, a.ID, towns[6], "2026-06-01", "追溯退出"))
		if again := report(t, d, "2026-06-15", at("2026-06-30")); !bytes.Equal(june, again) {
			t.Errorf("June has changed:\n%s\n%s", june, again)
		}
		if again := report(t, d, "2026-07-15", at("2026-06-30")); !bytes.Equal(julyThen, again) {
			t.Error("July under the old layout has changed")
		}
		if got := len(members(t, d, split.ID, "2026-07-01", d.Now())); got != 5 {
			t.Errorf("%d members of the new alliance, want 5", got)
		}
		if got := len(members(t, d, split.ID, "2026-06-30", d.Now())); got != 0 {
			t.Errorf("%d members before the split", got)
		}
		if before, after := len(members(t, d, a.ID, "2026-06-30", at("2026-07-02"))), len(members(t, d, a.ID, "2026-07-01", at("2026-07-02"))); before != 12 || after != 7 {
			t.Errorf("%d members before and %d after, want 12 and 7", before, after)
		}
		changes := dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Change, error) { return alliance.Changes(ctx, tx, a.ID) })
		if len(changes) != 3 || changes[1].What != alliance.WasSplit || changes[0].What != alliance.HasLeft {
			t.Errorf("%+v", changes)
		}
	})
}

// LL-4.5.1, A12: from the day of an ordered end nobody is an ally any more.
func TestDissolutionByOrder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		id := general(t, d)
		bureau := access.Actor{Account: "b", Name: "局", Role: string(access.BureauCounty), Org: org(t, d, "零陵区卫生健康局")}
		office := access.Actor{Account: "o", Name: "办公室", Role: string(access.AllianceOffice), Org: org(t, d, "永州市第四人民医院")}
		x := alliance.Dissolution{Alliance: id, On: "2026-04-01", Reason: "严重违背协议，责令解散", Liable: []alliance.Liable{
			{Duty: alliance.ForCases, Name: "蒋一", Position: "零陵区中医院副院长"}, {Duty: alliance.ForDocuments, Name: "蒋二", Position: "区卫健局医政股长"},
			{Duty: alliance.HeldToIt, Name: "伍三", Position: "永州市第四人民医院院长"}}}
		if err := svc.Order(ctx, office, x); !errs.Is(err, errs.Forbidden) {
			t.Errorf("the office orders: %v", err)
		}
		other := bureau
		other.Org = org(t, d, "零陵区中医院")
		if err := svc.Order(ctx, other, x); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a bureau's role at a hospital: %v", err)
		}
		for name, change := range map[string]func(*alliance.Dissolution){
			"nobody":                func(x *alliance.Dissolution) { x.Liable = nil },
			"nobody for the papers": func(x *alliance.Dissolution) { x.Liable = x.Liable[:1] },
			"only who is held":      func(x *alliance.Dissolution) { x.Liable = x.Liable[2:] },
			"a name without post":   func(x *alliance.Dissolution) { x.Liable[0].Position = " " },
			"an unknown duty":       func(x *alliance.Dissolution) { x.Liable[2].Duty = "x" },
			"no reason":             func(x *alliance.Dissolution) { x.Reason = "" },
		} {
			y := x
			y.Liable = slices.Clone(x.Liable)
			change(&y)
			if err := svc.Order(ctx, bureau, y); !errs.Is(err, errs.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
		must(t, svc.Order(ctx, bureau, x))
		if n := len(members(t, d, id, "2026-03-31", d.Now())); n != 17 {
			t.Errorf("%d members on the last day", n)
		}
		if n := len(members(t, d, id, "2026-04-01", d.Now())); n != 0 {
			t.Errorf("%d members after the end", n)
		}
		change := dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Change, error) { return alliance.Changes(ctx, tx, id) })[0]
		if change.What != alliance.WasEnded || change.Track != "end" || change.Clause != "LL-4.5.1" {
			t.Errorf("%+v", change)
		}
		liable := dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Liable, error) { return alliance.LiableOf(ctx, tx, id) })
		if len(liable) != 3 || liable[0].Change != change.ID || liable[1].Name != "蒋二" || liable[2].Duty != alliance.HeldToIt {
			t.Errorf("persons responsible: %+v", liable)
		}
		if err := svc.Order(ctx, bureau, x); !errs.Is(err, errs.Conflict) {
			t.Errorf("ended twice: %v", err)
		}
		_, err := svc.Join(ctx, admin, alliance.Membership{Alliance: id, Org: org(t, d, "零陵区中医院"), Role: alliance.Member, Period: alliance.Period{ValidFrom: "2026-04-02"}})
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("join after the end: %v", err)
		}
	})
}

// A8, X3: legal person and legal representative are two fields.
func TestLegalRepresentatives(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		fourth, dangdi := org(t, d, "永州市第四人民医院"), org(t, d, "凼底乡卫生院")
		set := func(org string, f alliance.Field, value string) error {
			return svc.SetStanding(ctx, admin, alliance.Fact{SubjectID: org, Field: f, Value: value, Evidence: "事业单位法人证书", Period: alliance.Period{ValidFrom: "2026-03-02"}})
		}
		must(t, set(fourth, alliance.Representative, "伍院长"))
		if err := set(dangdi, alliance.Representative, "伍院长"); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "LL-4.3.1") {
			t.Errorf("one representative for two independent members: %v", err)
		}
		must(t, set(dangdi, alliance.Representative, "蒋院长"))
		if err := set(dangdi, alliance.LegalPerson, alliance.Merged); !errs.Is(err, errs.Invalid) {
			t.Errorf("an independent member merges: %v", err)
		}
		must(t, set(dangdi, alliance.LegalPerson, alliance.Independent))
		if err := svc.ShareRepresentative(ctx, admin, general(t, d), "伍院长", "批复", "2026-03-02"); !errs.Is(err, errs.Invalid) {
			t.Errorf("sharing under LL-4.3.1: %v", err)
		}
		changes := dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Change, error) { return alliance.Changes(ctx, tx, general(t, d)) })
		if n := len(changes); n != 2 || changes[0].What != alliance.NewRepresentative || changes[0].Track != "change" {
			t.Errorf("%+v", changes)
		}
	})
}

// ZZ-2.1b and A4: a yearly adjustment is one act, and every change of it is
// written down.
func TestYearlyAdjustment(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		id, dangdi, tcm := general(t, d), org(t, d, "凼底乡卫生院"), org(t, d, "零陵区中医院")
		x := alliance.Adjustment{Alliance: id, Year: 2026, Leave: []string{dangdi}, Join: []string{dangdi}, On: "2026-07-01", Basis: "年度考核不合格"}
		x.Join = []string{org(t, d, "零陵区卫生健康局")}
		if err := svc.Adjust(ctx, admin, x); !errs.Is(err, errs.Invalid) {
			t.Errorf("a bureau joins: %v", err)
		}
		if n := len(members(t, d, id, "2026-07-01", d.Now())); n != 17 {
			t.Errorf("%d members after a refused adjustment: half of it was carried out", n)
		}
		x.Join = []string{tcm}
		must(t, svc.Adjust(ctx, admin, x))
		now := members(t, d, id, "2026-07-01", d.Now())
		if len(now) != 17 || slices.ContainsFunc(now, func(m alliance.Membership) bool { return m.Org == dangdi }) {
			t.Errorf("%d members", len(now))
		}
	})
}

// LL-4.3.1: the plate is written by the policy's format.
func TestPlateIsWritten(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		id, dangdi, chaoyang := general(t, d), org(t, d, "凼底乡卫生院"), org(t, d, "朝阳社区卫生服务中心")
		for org, want := range map[string]string{dangdi: "永州市第四人民医院医联体凼底乡分院", chaoyang: "永州市第四人民医院医联体朝阳社区分院"} {
			must(t, svc.Leave(ctx, admin, id, org, "2026-04-01", "试"))
			m, err := svc.Join(ctx, admin, alliance.Membership{Alliance: id, Org: org, Role: alliance.Member, Plate: alliance.AutoPlate, Period: alliance.Period{ValidFrom: "2026-05-01"}})
			if err != nil || m.Plate != want {
				t.Errorf("%q %v, want %q", m.Plate, err, want)
			}
		}
	})
}

// Institutions merge and split; their alliances follow, history stays.
func TestSuccession(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		id := general(t, d)
		a, b := org(t, d, "凼底乡卫生院"), org(t, d, "梳子铺乡卫生院")
		before := report(t, d, "2026-06-30", d.Now())
		then := d.Now()
		dbtest.SetClock(d, then.Add(time.Hour))
		must(t, svc.Succeed(ctx, admin, alliance.Succession{Kind: alliance.Merge, From: []string{a, b}, Into: []string{a}, On: "2026-07-01", Reason: "区编办批复合并"}))
		if n := len(members(t, d, id, "2026-07-01", d.Now())); n != 16 {
			t.Errorf("%d members after the merger, want 16", n)
		}
		if !bytes.Equal(before, report(t, d, "2026-06-30", then)) {
			t.Error("the merger has rewritten history")
		}
		if err := svc.Succeed(ctx, admin, alliance.Succession{Kind: alliance.SplitOrgs, From: []string{a}, Into: []string{a}, On: "2026-08-01", Reason: "x"}); !errs.Is(err, errs.Invalid) {
			t.Errorf("a split into one: %v", err)
		}
		dbtest.SetClock(d, then.Add(2*time.Hour))
		must(t, svc.Succeed(ctx, admin, alliance.Succession{Kind: alliance.SplitOrgs, From: []string{a}, Into: []string{a, b}, On: "2026-08-01", Reason: "恢复建制"}))
		if n := len(members(t, d, id, "2026-08-01", d.Now())); n != 17 {
			t.Errorf("%d members after the split, want 17", n)
		}
	})
}

// Any sequence of changes, any two days: what was known on a day is what the
// register answers for it ever after, and there is one lead at most.
func TestWhatWasKnownStaysKnown(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		pool := append(centres(t, d), org(t, d, "零陵区中医院"), org(t, d, "零陵区妇幼保健计划生育服务中心"))
		leads := []string{org(t, d, "永州市第四人民医院"), org(t, d, "零陵区中医院"), org(t, d, "零陵区妇幼保健计划生育服务中心")}
		runs, limit := 0, 8
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; runs > limit {
				return
			}
			f := community(fmt.Sprintf("联盟%d", runs), leads[0], pool[:4]...)
			f.Kind = alliance.TelemedicineNetwork
			a, err := svc.Form(ctx, admin, f)
			if err != nil {
				rt.Fatal(err)
			}
			days := []calendar.Date{"2026-03-01", "2026-03-02", "2026-04-15", "2026-06-30", "2026-07-01", "2026-12-31"}
			type look struct {
				day calendar.Date
				at  time.Time
			}
			seen := map[look][]alliance.Membership{}
			remember := func() {
				for _, day := range days {
					seen[look{day, d.Now()}] = members(t, d, a.ID, day, d.Now())
				}
			}
			remember()
			for range rapid.IntRange(1, 8).Draw(rt, "steps") {
				dbtest.SetClock(d, d.Now().Add(time.Duration(rapid.IntRange(1, 100).Draw(rt, "hours"))*time.Hour))
				on := rapid.SampledFrom(days).Draw(rt, "day")
				one := rapid.SampledFrom(pool).Draw(rt, "org")
				before := d.Now()
				var err error
				switch rapid.SampledFrom([]string{"join", "leave", "lead", "correct", "split", "end", "succeed", "adjust"}).Draw(rt, "act") {
				case "join":
					_, err = svc.Join(ctx, admin, alliance.Membership{Alliance: a.ID, Org: one, Role: alliance.Member, Period: alliance.Period{ValidFrom: on}})
				case "leave":
					err = svc.Leave(ctx, admin, a.ID, one, on, "退出")
				case "lead":
					err = svc.ChangeLead(ctx, admin, a.ID, rapid.SampledFrom(leads).Draw(rt, "lead"), on, "换届")
				case "correct":
					if now := members(t, d, a.ID, on, d.Now()); len(now) > 1 {
						m := now[len(now)-1]
						m.ValidFrom, m.ValidTo, m.Reason = on, "", "更正"
						_, err = svc.Correct(ctx, admin, m.ID, m)
					}
				case "split":
					if now := members(t, d, a.ID, on, d.Now()); len(now) > 3 {
						x := community(fmt.Sprintf("分%d-%d", runs, before.UnixMilli()), leads[2], now[2].Org)
						x.Kind, x.On = alliance.TelemedicineNetwork, on
						_, err = svc.Split(ctx, admin, a.ID, x)
					}
				case "end":
					if rapid.IntRange(0, 3).Draw(rt, "really") == 0 {
						err = svc.End(ctx, admin, a.ID, on, "到期")
					}
				case "succeed":
					err = svc.Succeed(ctx, admin, alliance.Succession{Kind: alliance.Merge, From: []string{one, pool[0]}, Into: []string{pool[1]}, On: on, Reason: "合并"})
				case "adjust":
					err = svc.Adjust(ctx, admin, alliance.Adjustment{Alliance: a.ID, Year: 2026, Leave: []string{one}, On: on, Basis: "考核"})
				}
				if err != nil && !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.Conflict) {
					rt.Fatal(err)
				}
				remember()
				for _, day := range days {
					n := 0
					held := map[string]int{}
					for _, m := range members(t, d, a.ID, day, d.Now()) {
						held[m.Org]++
						if m.Role == alliance.Lead {
							n++
						}
						if held[m.Org] > 1 {
							rt.Fatalf("%s twice on %s", m.OrgName, day)
						}
					}
					if n > 1 {
						rt.Fatalf("%d leads on %s", n, day)
					}
				}
			}
			for k, want := range seen {
				got := members(t, d, a.ID, k.day, k.at)
				if len(got) != len(want) {
					rt.Fatalf("%s as known at %s: %d members, were %d", k.day, k.at, len(got), len(want))
				}
				for i := range got {
					if got[i].ID != want[i].ID || got[i].ValidTo != want[i].ValidTo || got[i].Role != want[i].Role {
						rt.Fatalf("%s as known at %s: %+v, was %+v", k.day, k.at, got[i], want[i])
					}
				}
			}
		})
	})
}

// Random joins, leaves and ends of three tight alliances: on no day does an
// institution belong to two.
func TestNobodyIsInTwoTightAlliances(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		svc := seeded(t, d)
		towns := centres(t, d)
		leads := []string{org(t, d, "永州市第四人民医院"), org(t, d, "零陵区中医院"), org(t, d, "零陵区妇幼保健计划生育服务中心")}
		var ids []string
		for i, lead := range leads {
			a, err := svc.Form(ctx, admin, community(fmt.Sprintf("医共体%d", i), lead, towns[i]))
			must(t, err)
			ids = append(ids, a.ID)
		}
		days := []calendar.Date{"2026-03-02", "2026-04-01", "2026-05-01", "2026-06-01", "2026-07-01"}
		runs, limit := 0, 25
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; runs > limit {
				return
			}
			dbtest.SetClock(d, d.Now().Add(time.Minute))
			id, one, on := rapid.SampledFrom(ids).Draw(rt, "alliance"), rapid.SampledFrom(towns).Draw(rt, "org"), rapid.SampledFrom(days).Draw(rt, "day")
			var err error
			if rapid.Bool().Draw(rt, "join") {
				p := alliance.Period{ValidFrom: on}
				if rapid.Bool().Draw(rt, "bounded") {
					p.ValidTo = on.AddDays(rapid.IntRange(0, 40).Draw(rt, "length"))
				}
				_, err = svc.Join(ctx, admin, alliance.Membership{Alliance: id, Org: one, Role: alliance.Member, Period: p})
			} else {
				err = svc.Leave(ctx, admin, id, one, on, "调整")
			}
			if err != nil && !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.Conflict) {
				rt.Fatal(err)
			}
			for _, day := range append(days, "2026-05-15", "2026-06-20") {
				in := map[string]string{}
				for _, id := range ids {
					for _, m := range members(t, d, id, day, d.Now()) {
						if in[m.Org] != "" {
							rt.Fatalf("%s is in two tight alliances on %s", m.OrgName, day)
						}
						in[m.Org] = id
					}
				}
			}
		})
	})
}

// JS-4.1.1 to 4.1.5, SMX-4.1.1, ZZ-2.1a, LL-4.1, X9: who may lead what, where.
func TestWhoMayLead(t *testing.T) {
	book := alliancetest.Book(t)
	hospital := func(kind organization.Kind, level string, owner organization.Ownership, authority region.Level) alliance.Candidate {
		return alliance.Candidate{Org: organization.Organization{Name: "某医院", Kind: kind, Level: level, Ownership: owner, Active: true}, Authority: authority}
	}
	county := hospital(organization.CountyHospital, "二级甲等", organization.Public, region.County)
	city := hospital(organization.CityHospital, "三级甲等", organization.Public, region.City)
	cityTCM := hospital(organization.TCMHospital, "三级甲等", organization.Public, region.City)
	province := hospital(organization.CityHospital, "三级甲等", organization.Public, region.Province)
	excepted := province
	excepted.Excepted = true
	private := hospital(organization.CityHospital, "三级", organization.Private, region.City)
	second := hospital(organization.CountyHospital, "二级甲等", organization.Private, region.County)
	small := hospital(organization.CityHospital, "一级", organization.Private, region.County)
	clinic := hospital(organization.TownshipCenter, "一级", organization.Public, region.County)
	for _, x := range []struct {
		name    string
		regions []string
		kind    alliance.Kind
		who     alliance.Candidate
		ok      bool
		clause  string
	}{
		{"Jiangsu: a city hospital leads a city group", []string{"3201", "32", "CN"}, alliance.MedicalGroup, city, true, ""},
		{"Jiangsu: a county hospital does not", []string{"3201", "32", "CN"}, alliance.MedicalGroup, county, false, "JS-4.1.3"},
		{"Jiangsu: a county hospital leads a community", []string{"320982", "3209", "32", "CN"}, alliance.CountyCommunity, county, true, ""},
		{"Jiangsu: a provincial hospital leads no tight alliance", []string{"3201", "32", "CN"}, alliance.MedicalGroup, province, false, "JS-4.1.2"},
		{"Jiangsu: with an approved exception it does", []string{"3201", "32", "CN"}, alliance.MedicalGroup, excepted, true, ""},
		{"Jiangsu: a private tier-3 hospital leads", []string{"3201", "32", "CN"}, alliance.MedicalGroup, private, true, ""},
		{"Jiangsu: a private tier-2 hospital leads a community", []string{"320982", "3209", "32", "CN"}, alliance.CountyCommunity, second, true, ""},
		{"Jiangsu: a private tier-1 hospital does not", []string{"3201", "32", "CN"}, alliance.MedicalGroup, small, false, "JS-4.1.3"},
		{"Jiangsu: a provincial hospital leads a telemedicine network", []string{"32", "CN"}, alliance.TelemedicineNetwork, province, true, ""},
		{"Zhengzhou: a tier-3 general hospital leads", []string{"4101", "41", "CN"}, alliance.MedicalGroup, city, true, ""},
		{"Zhengzhou: a TCM hospital does not", []string{"4101", "41", "CN"}, alliance.MedicalGroup, cityTCM, false, "ZZ-2.1"},
		{"Zhengzhou: a tier-3 TCM hospital leads the TCM alliance", []string{"4101", "41", "CN"}, alliance.TCMAlliance, cityTCM, true, ""},
		{"Zhengzhou: a general hospital does not", []string{"4101", "41", "CN"}, alliance.TCMAlliance, city, false, "ZZ-2.4"},
		{"Sanmenxia: a county public hospital leads", []string{"411224", "4112", "41", "CN"}, alliance.CountyCommunity, county, true, ""},
		{"Sanmenxia: a city hospital does not", []string{"411224", "4112", "41", "CN"}, alliance.CountyCommunity, city, false, "SMX-4.1.1"},
		{"Lingling: a district hospital leads general practice", []string{"431102", "4311", "43", "CN"}, alliance.GeneralPracticeAlliance, county, true, ""},
		{"Lingling: a township centre does not", []string{"431102", "4311", "43", "CN"}, alliance.GeneralPracticeAlliance, clinic, false, "LL-4.1"},
		{"Lingling: a provincial hospital may, no document forbids it", []string{"4311", "43", "CN"}, alliance.MedicalGroup, province, true, ""},
	} {
		err := alliance.RulesAt(book, policy.Place{Regions: x.regions, Kind: string(x.kind)}, "2021-06-01").MayLead(x.who)
		if (err == nil) != x.ok || err != nil && !strings.Contains(err.Error(), x.clause) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// JS-4.1.5, SMX-4.1.1, GB: a private provider may join where the policy says so
// or says nothing; where it says no, the refusal names the clause.
func TestPrivateMayJoin(t *testing.T) {
	book := alliancetest.Book(t)
	private := organization.Organization{Name: "某民营医院", Kind: organization.CountyHospital, Level: "二级甲等", Ownership: organization.Private, Active: true}
	rules := func(kind alliance.Kind, regions ...string) alliance.Rules {
		return alliance.RulesAt(book, policy.Place{Regions: regions, Kind: string(kind)}, "2021-06-01")
	}
	for _, x := range []struct {
		name   string
		rules  alliance.Rules
		said   string // clause that allows it
		refuse string
	}{
		{"Jiangsu, a city group", rules(alliance.MedicalGroup, "3201", "32", "CN"), "JS-4.1.5", ""},
		{"Jiangsu, a community", rules(alliance.CountyCommunity, "320982", "3209", "32", "CN"), "JS-4.1.5", ""},
		{"Sanmenxia, a community", rules(alliance.CountyCommunity, "411224", "4112", "41", "CN"), "SMX-4.1.1", ""},
		{"a place whose document says no", alliance.Rules{PrivateJoin: alliance.Yes{Clause: "XX-1"}}, "XX-1", "XX-1"},
		{"a place without a word", alliance.Rules{}, "", ""},
	} {
		if x.rules.PrivateJoin.Clause != x.said {
			t.Errorf("%s rests on %q, want %q", x.name, x.rules.PrivateJoin.Clause, x.said)
		}
		err := x.rules.MayJoin(private)
		if (err == nil) != (x.refuse == "") || err != nil && !strings.Contains(err.Error(), x.refuse) {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}

// Every code of eligibility in a shipped profile is one that the product can
// judge.
func TestEveryEligibilityIsKnown(t *testing.T) {
	for _, p := range alliancetest.Book(t).Profiles() {
		for _, c := range p.Clauses() {
			for _, r := range c.Rules {
				if r.Key != "alliance.lead.eligible" && r.Key != "alliance.link.eligible" {
					continue
				}
				for _, code := range r.Value.Codes {
					if !alliance.KnowsEligibility(code.Code) {
						t.Errorf("%s: nobody knows who %q is", c.ID, code.Code)
					}
				}
			}
		}
	}
}
