package library_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/policy"
	"yilian/internal/policy/library"
	"yilian/internal/referral/referraltest"
	"yilian/profiles"
)

var (
	ctx   = context.Background()
	admin = access.Actor{Account: "a-1", Name: "管理员甲", Role: string(access.SystemAdmin)}
)

// county is a package for Lingling that gives the receiving side two working
// days, and its council five years.
const county = `[profile]
id = "county"
code = "QX"
title = "区转诊补充规定"
number = "区卫〔2026〕8号"
issuer = "某区卫生健康局"
valid_from = "2020-01-01"
jurisdiction = "431102"

[[clauses]]
id = "QX-1"
section = "一"
kind = "rule"
summary = "急症四小时、普通转诊两个工作日内受理"
  [[clauses.rules]]
  key = "referral.clock.submitted.III"
  deadline = "4h"
  [[clauses.rules]]
  key = "referral.clock.submitted"
  deadline = "2wd"
`

func setup(t *testing.T, d *db.DB) (*referraltest.World, *library.Service) {
	t.Helper()
	w := referraltest.New(t, d)
	shipped, err := policy.Read(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	s := &library.Service{DB: d, Log: w.Audit, Book: w.Flow.Book, Shipped: shipped}
	if err := s.Init(ctx); err != nil {
		t.Fatal(err)
	}
	return w, s
}

func files(text string) policy.Files { return policy.Files{"profile.toml": text} }

func activate(t *testing.T, s *library.Service, text string) policy.Profile {
	t.Helper()
	trial, err := s.DryRun(ctx, admin, files(text))
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Activate(ctx, admin, files(text), trial.Profile.Version, "区卫〔2026〕8号", db.NewID())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// lastPolicy is the deadline of a case and the profile version of its newest
// event.
func lastPolicy(t *testing.T, w *referraltest.World, id string) (c flow.Case, decided string) {
	t.Helper()
	err := w.DB.View(ctx, func(tx *db.Tx) (err error) {
		if c, err = flow.Get(ctx, tx, id); err != nil {
			return err
		}
		events, err := w.Flow.Timeline(ctx, tx, id)
		if err == nil {
			decided = events[len(events)-1].Policy
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, decided
}

func TestDecisionsKeepTheVersionTheyWereMadeUnder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, s := setup(t, d)
		first := w.To(0, "submitted")
		before, decided := lastPolicy(t, w, first.ID)
		if before.DueRule != "2h" || !strings.HasPrefix(decided, "base@") {
			t.Fatalf("before: %s under %s", before.DueRule, decided)
		}
		trial, err := s.DryRun(ctx, admin, files(county))
		if err != nil {
			t.Fatal(err)
		}
		if len(trial.Clocks) != 1 || trial.Clocks[0].N != 1 || trial.Clocks[0].Rule != "2h" || trial.Clocks[0].After != "4h" || trial.Clocks[0].By != "QX-1" {
			t.Errorf("open cases of the dry run: %+v", trial.Clocks)
		}
		if again, decided := lastPolicy(t, w, first.ID); again.DueAt != before.DueAt || !strings.HasPrefix(decided, "base@") {
			t.Error("a dry run changed something")
		}
		p := activate(t, s, county)
		second := w.To(1, "submitted")
		after, ruled := lastPolicy(t, w, second.ID)
		if after.DueRule != "4h" || after.DueClause != "QX-1" || ruled != "county@"+p.Version {
			t.Errorf("a new case: %s, %s under %s", after.DueRule, after.DueClause, ruled)
		}
		kept, still := lastPolicy(t, w, first.ID)
		if kept.DueAt != before.DueAt || kept.DueRule != "2h" || still != decided {
			t.Errorf("the open case moved: %+v under %s", kept.DueAt, still)
		}
		// The text behind both versions can still be read after it is withdrawn.
		if err := s.Withdraw(ctx, admin, "county", "试用结束"); err != nil {
			t.Fatal(err)
		}
		again, err := s.Book.Resolve("referral.clock.submitted.III", first.Place, "2026-03-02")
		if err != nil || again.Clause != "BASE-clock" {
			t.Errorf("after withdrawing: %s %v", again.Clause, err)
		}
		for _, at := range []string{ruled, decided} {
			profile, version, _ := strings.Cut(at, "@")
			err := d.View(ctx, func(tx *db.Tx) error {
				v, err := library.GetVersion(ctx, tx, profile, version)
				if err == nil && v.Files["profile.toml"] == "" {
					t.Errorf("%s has no text", at)
				}
				return err
			})
			if err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	})
}

func TestDryRunNamesWhatChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		_, s := setup(t, d)
		text := county + `
[[clauses]]
id = "QX-2"
kind = "target"
summary = "县域内就诊率 92%"
  [[clauses.targets]]
  indicator = "visit.county_share"
  op = ">="
  value = 92
  unit = "percent"
`
		trial, err := s.DryRun(ctx, admin, files(text))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, c := range trial.Changes {
			before, after := "没有规定", "没有规定"
			if c.Before != nil {
				before = c.Before.Text() + "@" + c.Before.Clause
			}
			if c.After != nil {
				after = c.After.Text() + "@" + c.After.Clause
			}
			got[c.Region+" "+c.Kind+" "+c.Key] = before + " → " + after
		}
		want := map[string]string{
			"431102  referral.clock.submitted":     "1 个工作日@BASE-clock → 2 个工作日@QX-1",
			"431102  referral.clock.submitted.III": "2 小时@BASE-clock → 4 小时@QX-1",
			"431102  visit.county_share":           "没有规定 → 不低于 92%@QX-2",
		}
		if len(got) != len(want) {
			t.Errorf("changes: %v", got)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: %s, want %s", k, got[k], v)
			}
		}
		if trial.Same || trial.Before.ID != "" {
			t.Errorf("a new profile: %+v", trial.Before)
		}
	})
}

func TestWhatIsRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		_, s := setup(t, d)
		trial, err := s.DryRun(ctx, admin, files(county))
		if err != nil {
			t.Fatal(err)
		}
		doctor := admin
		doctor.Role = string(access.TownshipDoctor)
		for _, r := range []struct {
			why  string
			err  func() error
			kind errs.Kind
			says string
		}{
			{"a doctor looks", func() error { _, err := s.DryRun(ctx, doctor, files(county)); return err }, errs.Forbidden, ""},
			{"a doctor activates", func() error {
				_, err := s.Activate(ctx, doctor, files(county), trial.Profile.Version, "x", "1")
				return err
			}, errs.Forbidden, ""},
			{"broken file", func() error { _, err := s.DryRun(ctx, admin, files(county+"x = ")); return err }, errs.Invalid, "county/profile.toml 第 "},
			{"the defaults", func() error {
				_, err := s.DryRun(ctx, admin, files(strings.Replace(county, `"county"`, `"base"`, 1)))
				return err
			}, errs.Invalid, "产品默认"},
			{"without a region", func() error {
				_, err := s.DryRun(ctx, admin, files(strings.Replace(county, `"431102"`, `""`, 1)))
				return err
			}, errs.Invalid, "适用地区"},
			{"clause ids of another document", func() error {
				_, err := s.DryRun(ctx, admin, files(strings.NewReplacer(`"QX"`, `"LL"`, "QX-1", "LL-4.1c").Replace(county)))
				return err
			}, errs.Invalid, "里已有"},
			{"other content than was looked at", func() error {
				_, err := s.Activate(ctx, admin, files(strings.Replace(county, "2wd", "3wd", 1)), trial.Profile.Version, "依据", "2")
				return err
			}, errs.Conflict, "核对码"},
			{"no reason", func() error {
				_, err := s.Activate(ctx, admin, files(county), trial.Profile.Version, " ", "3")
				return err
			}, errs.Invalid, ""},
			{"withdraw what is shipped", func() error { return s.Withdraw(ctx, admin, "lingling", "不用了") }, errs.Conflict, "没有启用过"},
			{"nothing", func() error { _, err := s.DryRun(ctx, admin, policy.Files{}); return err }, errs.Invalid, "[profile]"},
		} {
			if err := r.err(); !errs.Is(err, r.kind) || !strings.Contains(err.Error(), r.says) {
				t.Errorf("%s: %v", r.why, err)
			}
		}
		if _, _, ok := s.Book.Clause("QX-1"); ok {
			t.Error("something refused is in force")
		}
	})
}

func TestOtherProcessesFollowAndStartsRecordOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, s := setup(t, d)
		other := &library.Service{DB: d, Log: s.Log, Book: &policy.Book{}, Shipped: s.Shipped}
		if err := other.Init(ctx); err != nil {
			t.Fatal(err)
		}
		w.After(time.Second)
		once := db.NewID()
		trial, _ := s.DryRun(ctx, admin, files(county))
		for range 2 { // a double click
			if _, err := s.Activate(ctx, admin, files(county), trial.Profile.Version, "依据", once); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Activate(ctx, admin, files(county), trial.Profile.Version, "再一次", db.NewID()); !errs.Is(err, errs.Conflict) {
			t.Errorf("the same version twice: %v", err)
		}
		if err := other.Reload(ctx); err != nil {
			t.Fatal(err)
		}
		if _, _, ok := other.Book.Clause("QX-1"); !ok {
			t.Error("the other process does not follow")
		}
		if err := other.Init(ctx); err != nil { // a restart
			t.Fatal(err)
		}
		var lines []library.Activation
		err := d.View(ctx, func(tx *db.Tx) (err error) {
			lines, err = library.History(ctx, tx, "")
			return err
		})
		if err != nil || len(lines) != len(s.Shipped)+1 || lines[0].Action != library.Activated || lines[0].Name != "管理员甲" || lines[0].Version != trial.Profile.Version {
			t.Errorf("%d lines, %v: %+v", len(lines), err, lines[0])
		}
		force, err := s.InForce(ctx)
		if err != nil || len(force) != len(s.Shipped)+1 {
			t.Errorf("%d in force, %v", len(force), err)
		}
	})
}

func TestTheTemplateBecomesAProfile(t *testing.T) {
	shipped, err := policy.Read(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("{id}", "new-county", "{code}", "NC", "{title}", "某县实施方案", "{issuer}", "某县卫生健康局",
		"{from}", "2026-12-01", "{jurisdiction}", "411222", "{by}", "2027-12-31").Replace(profiles.Template)
	before, err := shipped.Load()
	if err != nil {
		t.Fatal(err)
	}
	after, err := shipped.With(policy.Sources{"new-county": files(text)}).Load()
	if err != nil {
		t.Fatal(err)
	}
	trial := library.Trying(before, after, "new-county", "2026-11-01")
	if trial.Day != "2026-12-01" || len(trial.Changes) < 8 {
		t.Errorf("on %s: %d changes", trial.Day, len(trial.Changes))
	}
	a, err := after.Resolve("filing.deadline.formation", policy.Place{Regions: policy.Chain("411222")}, "2026-12-01")
	if err != nil || a.Clause != "JS-5.3" || !a.Adopted {
		t.Errorf("adopted: %+v %v", a, err)
	}
}

func TestPackageAsOneText(t *testing.T) {
	f := policy.Files{"profile.toml": "a = 1\n", "facts.toml": "b = 2\n", "rules.toml": "c = 3\n"}
	if got := library.Split(library.Join(f)); len(got) != 3 || got["facts.toml"] != "b = 2\n" || got["profile.toml"] != "a = 1\n" {
		t.Errorf("%v", got)
	}
	if got := library.Split(""); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
