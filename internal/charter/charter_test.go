package charter_test

import (
	"context"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"yilian/internal/charter"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/filing/filingtest"
)

var ctx = context.Background()

// No fen is lost, whatever the amount and the shares, and nobody is off by a fen
// or more.
func TestDivideLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fen := rapid.Int64Range(-1_000_000_000_000, 1_000_000_000_000).Draw(t, "fen")
		var shares []charter.Share
		for left := int64(charter.Whole); left > 0; {
			n := rapid.Int64Range(1, left).Draw(t, "points")
			shares, left = append(shares, charter.Share{Points: n}), left-n
		}
		var sum int64
		for i, part := range charter.Divide(fen, shares) {
			sum += part
			if d := part*charter.Whole - fen*shares[i].Points; d >= charter.Whole || d <= -charter.Whole {
				t.Fatalf("share %d of %d: %d", i, fen, part)
			}
		}
		if sum != fen {
			t.Fatalf("%d split into %d", fen, sum)
		}
	})
}

func TestPercent(t *testing.T) {
	for text, want := range map[string]int64{"35.5": 3550, "100": 10000, "0.01": 1, "7%": 700, "33.33": 3333} {
		got, err := charter.ParsePercent(text)
		if err != nil || got != want {
			t.Errorf("%s: %d %v", text, got, err)
		}
		if again, err := charter.ParsePercent(charter.Percent(got)); err != nil || again != got {
			t.Errorf("%s written as %s", text, charter.Percent(got))
		}
	}
	for _, bad := range []string{"", "a", "101", "1.234", "-3", ".5"} {
		if _, err := charter.ParsePercent(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

// The diff of two texts holds both, whatever they are.
func TestDiffHoldsBothTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gen := rapid.StringOfN(rapid.RuneFrom([]rune("甲乙。；，\n")), 0, 30, -1)
		a, b := gen.Draw(t, "a"), gen.Draw(t, "b")
		var before, after string
		for _, r := range charter.Diff(a, b) {
			if r.Op != '+' {
				before += r.Text
			}
			if r.Op != '-' {
				after += r.Text
			}
		}
		if before != a || after != b {
			t.Fatalf("%q %q became %q %q", a, b, before, after)
		}
	})
}

// GB-3.1, A2: what is missing is listed; a split that does not add up is
// refused; the paragraph is written from the split; an adopted version stays.
func TestCharterFromDraftToVersion(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := filingtest.New(t, d)
		a := w.General()
		c, err := w.Charters.Begin(ctx, w.Secretary, a.ID)
		w.OK(err)
		_, err = w.Charters.Adopt(ctx, w.Secretary, c.ID, c.Version, "2026-03-02", "决议")
		for _, part := range []string{"责任", "权利", "义务", "医疗质量", "结余"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%s is not named as missing: %v", part, err)
			}
		}
		rules := dbtest.View(t, d, func(tx *db.Tx) (r []string, err error) {
			at, err := w.Alliances.Rules(ctx, tx, a, "2026-03-02")
			for _, p := range at.Parts {
				r = append(r, p.Code)
			}
			return r, err
		})
		parts := map[string]string{}
		for _, code := range rules {
			parts[code] = "甲方负责。乙方配合。"
		}
		split := filingtest.Split()
		split[charter.Surplus][0].Points = 3400
		if _, err := w.Charters.Save(ctx, w.Secretary, c.ID, c.Version, parts, split); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "合计 99%") {
			t.Errorf("99%%: %v", err)
		}
		if _, err := w.Charters.Save(ctx, w.County, c.ID, c.Version, parts, filingtest.Split()); !errs.Is(err, errs.Forbidden) {
			t.Errorf("the bureau writes: %v", err)
		}
		c2, err := w.Charters.Save(ctx, w.Secretary, c.ID, c.Version, parts, filingtest.Split())
		w.OK(err)
		if _, err := w.Charters.Save(ctx, w.Office, c.ID, c.Version, parts, filingtest.Split()); !errs.Is(err, errs.Conflict) {
			t.Errorf("an old version: %v", err)
		}
		c3, err := w.Charters.Adopt(ctx, w.Secretary, c2.ID, c2.Version, "2026-03-02", "决议")
		w.OK(err)
		if text := c3.Text(charter.BenefitPart); !strings.Contains(text, "结余按下列比例分配：牵头单位 35%，乡镇卫生院 50%，村卫生室 15%") {
			t.Errorf("%s", text)
		}
		if _, err := w.Charters.Save(ctx, w.Secretary, c3.ID, c3.Version, nil, nil); !errs.Is(err, errs.Conflict) {
			t.Errorf("an adopted charter was written: %v", err)
		}
		next, err := w.Charters.Begin(ctx, w.Secretary, a.ID)
		w.OK(err)
		if next.Number != 2 || next.Parts[rules[0]] != parts[rules[0]] || len(next.Split[charter.Deficit]) != 2 {
			t.Errorf("%+v", next)
		}
		if c := w.Open(a.ID); c.Track != "change" {
			t.Errorf("the charter's filing: %+v", c)
		}
	})
}
