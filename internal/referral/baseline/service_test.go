package baseline_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/referral/baseline"
	"yilian/internal/referral/referraltest"
)

var ctx = context.Background()

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, err error, kind errs.Kind, text string) {
	t.Helper()
	if !errs.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %q", err, text)
	}
}

// targets is a profile with the demands of Zhengzhou and Jiangsu, bound in
// Lingling.
const targets = `
[profile]
id = "city"
code = "C"
title = "市方案"
issuer = "市"
valid_from = "2020-01-01"
jurisdiction = "431102"

[[clauses]]
id = "C-3.4c"
kind = "target"
summary = "下转每年增长 10%"
  [[clauses.targets]]
  indicator = "referral.down"
  op = ">="
  value = 10
  unit = "percent"
  measure = "growth"
  baseline = "previous_year"
  period = "year"
`

func setup(t *testing.T, d *db.DB) (*baseline.Service, *referraltest.World, access.Actor) {
	w := referraltest.New(t, d)
	book, err := policy.Load(fstest.MapFS{"city/profile.toml": {Data: []byte(targets)}})
	must(t, err)
	office := w.Centre
	office.Role, office.Name = string(access.AllianceOffice), "办公室"
	return &baseline.Service{DB: d, Audit: w.Audit, Book: book}, w, office
}

func of(org string, n int64, s baseline.Source) baseline.Entry {
	return baseline.Entry{Org: org, Direction: referral.Down, Span: baseline.Span{From: "2025-01-01", To: "2025-12-31"}, N: n, Source: s, Note: "医务科登记本"}
}

// Of several people who enter overlapping periods at the same moment one is
// first, and the others are told so.
func TestOverlappingBaselinesAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, w, office := setup(t, d)
		var group, here sync.WaitGroup
		var entered atomic.Int64
		if d.Engine() == db.Postgres { // connections are open before the race begins
			here.Add(8)
			for range 8 {
				group.Go(func() {
					if err := d.Tx(ctx, func(*db.Tx) error { here.Done(); here.Wait(); return nil }); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
		}
		for i := range 8 {
			group.Go(func() {
				e := of(w.Hospital.ID, int64(300+i), baseline.Paper)
				e.From = calendar.Date(fmt.Sprintf("2025-%02d-01", i+1))
				if err := s.Enter(ctx, office, []baseline.Entry{e}); err != nil {
					wants(t, err, errs.Conflict, "期间不能重叠")
					return
				}
				entered.Add(1)
			})
		}
		group.Wait()
		if n := entered.Load(); n != 1 {
			t.Errorf("%d of 8 overlapping baselines were entered, want 1", n)
		}
	})
}

func TestBaselinesAreEnteredConfirmedAndVoided(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, w, office := setup(t, d)
		must(t, s.Enter(ctx, office, []baseline.Entry{of(w.Hospital.ID, 370, baseline.Paper)}))
		wants(t, s.Enter(ctx, office, []baseline.Entry{of(w.Hospital.ID, 371, baseline.Paper)}), errs.Conflict, "已经登记（370 例，纸质台账）")
		wants(t, s.Enter(ctx, office, []baseline.Entry{of(w.Other.ID, 3, baseline.Paper)}), errs.Forbidden, "您管理的机构")
		wants(t, s.Enter(ctx, w.Doctor, []baseline.Entry{of(w.Township.ID, 3, baseline.Paper)}), errs.Forbidden, "没有这项权限")
		wrong := of(w.Hospital.ID, -1, "x")
		wrong.From, wrong.To = "2026-01-01", "2026-12-31"
		err := s.Enter(ctx, office, []baseline.Entry{wrong})
		for _, text := range []string{"例数应在", "请选择来源", "过去的期间"} {
			wants(t, err, errs.Invalid, text)
		}
		up := of(w.Hospital.ID, 3, baseline.Platform)
		wants(t, s.Enter(ctx, office, []baseline.Entry{up}), errs.Conflict, "不能重叠")
		up.Direction = referral.Up
		wants(t, s.Enter(ctx, office, []baseline.Entry{up}), errs.Invalid, "还没有在平台上上转")

		list, err := s.List(ctx, w.Bureau)
		must(t, err)
		if len(list) != 1 || list[0].OrgName != w.Hospital.Name || list[0].EnteredName != "办公室" || list[0].Comparable() {
			t.Fatalf("%+v", list)
		}
		id := list[0].ID
		wants(t, s.Confirm(ctx, office, id, "核对过"), errs.Forbidden, "卫生健康行政部门")
		wants(t, s.Confirm(ctx, w.Bureau, id, " "), errs.Invalid, "怎样核对")
		must(t, s.Confirm(ctx, w.Bureau, id, "抽查 50 份登记"))
		wants(t, s.Confirm(ctx, w.Bureau, id, "再次"), errs.Conflict, "已经可比")
		wants(t, s.Void(ctx, w.OtherCentre, id, "不是我的"), errs.NotFound, "没有找到")
		wants(t, s.Void(ctx, office, id, ""), errs.Invalid, "原因")
		must(t, s.Void(ctx, office, id, "抄错一位"))
		wants(t, s.Void(ctx, office, id, "再作废"), errs.Conflict, "已由办公室作废")
		wants(t, s.Confirm(ctx, w.Bureau, id, "核对"), errs.Conflict, "作废")
		must(t, s.Enter(ctx, office, []baseline.Entry{of(w.Hospital.ID, 307, baseline.Paper)}))
		leaves(t, d, map[string]int64{"referral.baseline.enter": 2, "referral.baseline.confirm": 1, "referral.baseline.void": 1})
	})
}

func leaves(t *testing.T, d *db.DB, want map[string]int64) {
	t.Helper()
	must(t, d.View(ctx, func(tx *db.Tx) error {
		for action, n := range want {
			got, err := db.Count(ctx, tx, `SELECT count(*) FROM audit_leaf WHERE action = $1`, action)
			if err != nil {
				return err
			}
			if got != n {
				t.Errorf("%s: %d leaves, want %d", action, got, n)
			}
		}
		return nil
	}))
}

// An import is taken whole or not at all, and tells every wrong line.
func TestImportIsAllOrNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, w, _ := setup(t, d)
		line := w.Hospital.Name + "\t下转\t2025-01-01\t2025-12-31\t370\t纸质台账\t登记本\n"
		_, err := s.Import(ctx, w.Bureau, line+"没有的医院\t下转\t2025-01-01\t2025-12-31\t3\t估计\t院长\n"+line+
			w.Other.Name+"\t上转\t2025-01-01\t2024-12-31\t3\t估计\n")
		for _, text := range []string{"第 2 行：您管理的机构中没有“没有的医院”", "第 3 行：" + w.Hospital.Name, "第 4 行：期间结束不能早于开始", "请写明出处"} {
			wants(t, err, errs.Invalid, text)
		}
		if list, err := s.List(ctx, w.Bureau); err != nil || len(list) != 0 {
			t.Fatalf("half an import was kept: %+v %v", list, err)
		}
		n, err := s.Import(ctx, w.Bureau, line+w.Other.Name+"\t下转\t2025-01-01\t2025-12-31\t0\t估计\t院长\n")
		must(t, err)
		if list, err := s.List(ctx, w.Bureau); err != nil || n != 2 || len(list) != 2 {
			t.Fatalf("%d %+v %v", n, list, err)
		}
	})
}

// Growth joins counts, baselines and the targets that bind in the place.
func TestGrowthAgainstTargets(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, w, _ := setup(t, d)
		w.DownTo(0, referral.StateInCare)
		_, err := s.Import(ctx, w.Bureau, w.Hospital.Name+"\t下转\t2025-01-01\t2025-12-31\t370\t纸质台账\t登记本\n"+
			w.Other.Name+"\t下转\t2025-01-01\t2025-12-31\t0\t估计\t院长\n")
		must(t, err)
		year := baseline.Span{From: "2026-01-01", To: "2026-12-31"}
		r, err := s.Growth(ctx, w.Bureau, year, 0)
		must(t, err)
		p := r.Parts[1]
		if p.Direction != referral.Down || len(p.Targets) != 1 || p.Targets[0].Clause != "C-3.4c" || p.In != 0 || p.Left != 2 || p.Total.Measured() {
			t.Fatalf("paper is not comparable: %+v", p)
		}
		if len(r.Parts[0].Targets) != 0 {
			t.Errorf("nothing binds up-referrals: %+v", r.Parts[0].Targets)
		}
		list, err := s.List(ctx, w.Bureau)
		must(t, err)
		for _, e := range list {
			if e.Org == w.Hospital.ID {
				must(t, s.Confirm(ctx, w.Bureau, e.ID, "核对一致"))
			}
		}
		r, err = s.Growth(ctx, w.Bureau, year, 0)
		must(t, err)
		p = r.Parts[1]
		gap := baseline.Against(p.Targets[0].Target, p.Total.Base, p.Total.Now)
		if p.In != 1 || p.Left != 1 || !p.Total.Running || p.Total.Now != 1 || gap.Text(referral.Down) != "至少 407 例，还需下转 406 例" {
			t.Errorf("%+v %s", p, gap.Text(referral.Down))
		}
		own, err := s.Growth(ctx, w.OtherCentre, year, 0)
		must(t, err)
		if lines := own.Parts[1].Lines; len(lines) != 1 || lines[0].Org != w.Other.ID || lines[0].Reason != "基数为 0" {
			t.Errorf("an institution sees its own: %+v", lines)
		}
		_, err = s.Growth(ctx, access.Actor{Account: "r", Role: string(access.Resident)}, year, 0)
		wants(t, err, errs.Forbidden, "没有这项权限")
	})
}
