package baseline_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/calendar"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/referral/baseline"
)

var (
	last = baseline.Span{From: "2025-01-01", To: "2025-12-31"}
	year = baseline.Span{From: "2026-01-01", To: "2026-12-31"}
)

func entry(n int64, s baseline.Source, span baseline.Span) baseline.Entry {
	return baseline.Entry{Direction: referral.Down, Span: span, N: n, Source: s}
}

// X10, D22: never infinite, never 0, always with the reason.
func TestGrowthOrTheReasonWhyNot(t *testing.T) {
	confirmed := entry(100, baseline.Paper, last)
	confirmed.Confirmed = time.UnixMilli(1)
	half := baseline.Span{From: "2025-01-01", To: "2025-06-30"}
	for _, r := range []struct {
		why     string
		now     int64
		entries []baseline.Entry
		joined  calendar.Date
		today   calendar.Date
		percent float64
		reason  string // part of it; "" computed
	}{
		{"no base", 12, nil, "", "2027-01-05", 0, "没有登记 2025-01-01 至 2025-12-31 的基数"},
		{"base 0", 12, []baseline.Entry{entry(0, baseline.Platform, last)}, "", "2027-01-05", 0, "基数为 0"},
		{"half a base", 12, []baseline.Entry{entry(10, baseline.Platform, half)}, "", "2027-01-05", 0, "缺 2025-07-01 至 2025-12-31"},
		{"joined in the base period", 12, []baseline.Entry{entry(10, baseline.Platform, last)}, "2025-05-12", "2027-01-05", 0, "2025-05-12 起才是医联体成员"},
		{"joined on its first day", 12, []baseline.Entry{entry(10, baseline.Platform, last)}, "2025-01-01", "2027-01-05", 20, ""},
		{"from paper to the platform", 150, []baseline.Entry{entry(100, baseline.Paper, last)}, "", "2027-01-05", 0, "不可比：基数来自纸质台账"},
		{"an estimate", 150, []baseline.Entry{entry(100, baseline.Estimate, last)}, "", "2027-01-05", 0, "不可比：基数来自估计"},
		{"paper, confirmed", 150, []baseline.Entry{confirmed}, "", "2027-01-05", 50, ""},
		{"the year still runs", 50, []baseline.Entry{entry(100, baseline.Platform, last)}, "", "2026-12-31", 0, "2026-12-31 才结束"},
		{"the day after", 50, []baseline.Entry{entry(100, baseline.Platform, last)}, "", "2027-01-01", -50, ""},
		{"two halves", 150, []baseline.Entry{entry(40, baseline.Platform, baseline.Span{From: "2025-07-01", To: "2025-12-31"}), entry(60, baseline.Platform, half)}, "", "2027-01-05", 50, ""},
		{"none now", 0, []baseline.Entry{entry(100, baseline.Platform, last)}, "", "2027-01-05", -100, ""},
	} {
		g := baseline.Compare(baseline.Known{Now: r.now, Entries: r.entries, Joined: r.joined}, year, last, r.today)
		if g.Percent != r.percent || (r.reason == "") != (g.Reason == "") || !strings.Contains(g.Reason, r.reason) {
			t.Errorf("%s: %+v", r.why, g)
		}
	}
}

// ZZ-3.4c: +10 % a year; JS-3c: down at least +20 %, up at most +10 %.
func TestGapInCases(t *testing.T) {
	for _, r := range []struct {
		op        string
		value     float64
		base, now int64
		d         referral.Direction
		want      string
		met       bool
	}{
		{">=", 10, 370, 370, referral.Down, "至少 407 例，还需下转 37 例", false},
		{">=", 10, 370, 407, referral.Down, "至少 407 例，已达到", true},
		{">=", 10, 101, 111, referral.Down, "至少 112 例，还需下转 1 例", false}, // 111.1 is not reached by 111
		{">=", 20, 100, 120, referral.Down, "至少 120 例，已达到", true},
		{"<=", 10, 100, 110, referral.Up, "最多 110 例，还可上转 0 例", true},
		{"<=", 10, 101, 112, referral.Up, "最多 111 例，已超出 1 例", false},
		{"<=", 10, 100, 90, referral.Up, "最多 110 例，还可上转 20 例", true},
		{">", 0, 100, 100, referral.Down, "至少 101 例，还需下转 1 例", false},
		{"<", 0, 100, 100, referral.Up, "最多 99 例，已超出 1 例", false},
	} {
		g := baseline.Against(policy.Target{Op: r.op, Value: r.value}, r.base, r.now)
		if got := g.Text(r.d); got != r.want || g.Met != r.met {
			t.Errorf("%s %v of %d: %s %v", r.op, r.value, r.base, got, g.Met)
		}
	}
}

// However large the base: the bound is the least number of cases that reaches
// the target, or the greatest that keeps it.
func TestBoundIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base, v := rapid.Int64Range(1, 1_000_000).Draw(t, "base"), rapid.Int64Range(0, 50).Draw(t, "percent")
		least := baseline.Against(policy.Target{Op: ">=", Value: float64(v)}, base, 0).Bound
		if least*100 < base*(100+v) || (least-1)*100 >= base*(100+v) {
			t.Fatalf("%d + %d %% is not reached first by %d", base, v, least)
		}
		most := baseline.Against(policy.Target{Op: "<=", Value: float64(v)}, base, 0).Bound
		if most*100 > base*(100+v) || (most+1)*100 <= base*(100+v) {
			t.Fatalf("%d + %d %% is not kept last by %d", base, v, most)
		}
	})
}

// Institutions that cannot be compared are left out on both sides.
func TestTotalIsOfComparableInstitutions(t *testing.T) {
	of := func(now int64, e ...baseline.Entry) baseline.Growth {
		return baseline.Compare(baseline.Known{Now: now, Entries: e}, year, last, "2027-02-01")
	}
	total, in, left := baseline.Total([]baseline.Growth{
		of(60, entry(50, baseline.Platform, last)), of(50, entry(50, baseline.Platform, last)),
		of(1000), of(500, entry(1, baseline.Paper, last)), of(7, entry(0, baseline.Platform, last)),
	}, year, "2027-02-01")
	if total.Now != 110 || total.Base != 100 || total.Percent != 10 || in != 2 || left != 3 {
		t.Errorf("%+v %d %d", total, in, left)
	}
	if total, _, _ := baseline.Total([]baseline.Growth{of(3)}, year, "2027-02-01"); total.Measured() || total.Reason == "" {
		t.Errorf("nothing is comparable: %+v", total)
	}
}

func TestSamePeriodOfAnotherYear(t *testing.T) {
	for _, r := range []struct {
		span baseline.Span
		year int
		want string
	}{
		{year, 2025, "2025-01-01 至 2025-12-31"},
		{baseline.Span{From: "2025-01-01", To: "2025-02-28"}, 2024, "2024-01-01 至 2024-02-29"},
		{baseline.Span{From: "2024-02-01", To: "2024-02-29"}, 2023, "2023-02-01 至 2023-02-28"},
		{baseline.Span{From: "2026-10-01", To: "2026-12-31"}, 2018, "2018-10-01 至 2018-12-31"},
	} {
		if got := r.span.Before(r.year).Title(); got != r.want {
			t.Errorf("%s in %d: %s", r.span.Title(), r.year, got)
		}
	}
}

func TestParseTellsEveryWrongLine(t *testing.T) {
	good, err := baseline.Parse("机构\t方向\t起\t止\t例数\t来源\t出处\r\n零陵区中医院\t下转\t2025-01-01\t2025/12/31\t37\t纸质台账\t医务科登记本\r\n\r\n水口山镇中心卫生院，上转，2025.1.1，2025.12.31，0，估计，院长，估算\n")
	if err != nil || len(good) != 2 || good[0].N != 37 || good[0].To != "2025-12-31" || good[1].Direction != referral.Up || good[1].Note != "院长,估算" || good[1].Number != 4 {
		t.Errorf("%+v %v", good, err)
	}
	_, err = baseline.Parse("甲\t下转\t2025-01-01\t2025-13-31\t37\t平台\n乙\t平转\t2025-01-01\t2025-12-31\t37\t平台\n丙\t下转\t2025-01-01\t2025-12-31\t很多\t平台\n丁\t下转\t2025-01-01\t2025-12-31\t3\t听说\n戊\t下转")
	if err == nil {
		t.Fatal("all of it is wrong")
	}
	for _, want := range []string{"第 1 行：日期“2025-13-31”", "第 2 行：方向“平转”", "第 3 行：例数“很多”", "第 4 行：来源“听说”", "第 5 行：应有"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if _, err := baseline.Parse(" \n"); err == nil {
		t.Error("nothing was pasted")
	}
	if _, err := baseline.Parse(strings.Repeat("甲\t下转\t2025-01-01\t2025-12-31\t3\t估计\n", baseline.MaxLines+1)); err == nil {
		t.Error("too many lines")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("零陵区中医院\t下转\t2025-01-01\t2025/12/31\t37\t纸质台账\t本")
	f.Add("a,上转,2025.1.1,2025.1.1,-1,平台")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := baseline.Parse(text)
		if err == nil && len(list) == 0 {
			t.Error("nothing read and nothing wrong")
		}
		for _, l := range list {
			if l.OrgName == "机构" || l.Direction == "" || l.Source == "" || len(l.From) != 10 || len(l.To) != 10 {
				t.Errorf("%+v", l)
			}
		}
	})
}
