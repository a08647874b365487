package policy_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/policy"
)

// The places and kinds of the truth table, as it names them.
var (
	tablePlaces = map[string][]string{
		"全国（没有地方文件）": {"430111", "4301", "43", "CN"},
		"郑州市中牟县":     zhongmu,
		"三门峡市卢氏县":    lushi,
		"南京市玄武区":     nanjing,
		"永州市零陵区":     lingling,
	}
	tableKinds = map[string]string{
		"—": "", "城市医疗集团": "medical_group", "县域医共体": "county_community", "专科联盟": "specialty_alliance",
		"中医医联体": "tcm_alliance", "远程医疗协作网": "telemedicine_network", "全科联盟": "general_practice_alliance",
	}
	codeInBrackets = regexp.MustCompile(`（([a-z_]+)）$`)
	cases          = regexp.MustCompile(`去年 (\d+) 例、今年 (\d+) 例`)
)

// TestContradictions reads testdata/contradictions.md, which is written for
// people who know the documents, and asks every question of it.
func TestContradictions(t *testing.T) {
	b := shipped(t)
	raw, err := os.ReadFile("testdata/contradictions.md")
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]map[string]bool{}
	for i, line := range strings.Split(string(raw), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if len(cells) != 8 || !strings.HasPrefix(cells[0], "X") {
			continue
		}
		regions, ok := tablePlaces[cells[2]]
		kind, known := tableKinds[cells[3]]
		if !ok || !known {
			t.Fatalf("line %d: place %q or kind %q is unknown", i+1, cells[2], cells[3])
		}
		if asked[cells[0]] == nil {
			asked[cells[0]] = map[string]bool{}
		}
		asked[cells[0]][cells[2]] = true
		at, day := policy.Place{Regions: regions, Kind: kind}, calendar.Date(cells[4])
		answer, clause := ask(t, b, cells[5], cells[1], at, day)
		want := cells[6]
		if m := codeInBrackets.FindStringSubmatch(want); m != nil {
			want = m[1]
		}
		if answer != want || clause != cells[7] {
			t.Errorf("line %d: %s\n in %s on %s: got %s @ %s, want %s @ %s", i+1, cells[1], cells[2], day, answer, clause, want, cells[7])
		}
	}
	for n := 1; n <= 10; n++ {
		x := fmt.Sprintf("X%d", n)
		if places := len(asked[x]); places < 5 && x != "X10" || places < 2 {
			t.Errorf("%s is asked in %d places only", x, places)
		}
	}
}

func ask(t *testing.T, b *policy.Book, key, question string, at policy.Place, day calendar.Date) (answer, clause string) {
	t.Helper()
	how, name, split := strings.Cut(key, " ")
	if !split {
		a, err := b.Resolve(key, at, day)
		if errs.Is(err, errs.NotFound) {
			return "没有规定", "—"
		}
		return a.Text(), a.Clause
	}
	a, err := b.Target(name, "", at, day)
	if errs.Is(err, errs.NotFound) {
		return "没有规定", "—"
	}
	if how == "目标" {
		return strings.TrimSpace(fmt.Sprintf("%s %v %s %s", a.Op, a.Value, a.Unit, a.By)), a.Clause
	}
	figure := policy.Growth(0, 20, false)
	if m := cases.FindStringSubmatch(question); m != nil {
		base, _ := strconv.ParseInt(m[1], 10, 64)
		now, _ := strconv.ParseInt(m[2], 10, 64)
		figure = policy.Growth(base, now, true)
	}
	v, _ := a.Judge(figure, day)
	return v.Title(), a.Clause
}

func TestJudge(t *testing.T) {
	by := policy.Target{Op: "=", Value: 100, Unit: "percent", By: "2019-03-31"}
	for _, r := range []struct {
		target policy.Target
		figure policy.Figure
		day    calendar.Date
		want   policy.Verdict
		gap    float64
	}{
		{by, policy.Share(20, 20, ""), "2019-01-01", policy.Met, 0},
		{by, policy.Share(19, 20, ""), "2019-03-31", policy.Open, 5},
		{by, policy.Share(19, 20, ""), "2019-04-01", policy.Missed, 5},
		{by, policy.Share(0, 0, "没有机构"), "2019-04-01", policy.Unmeasurable, 0},
		{policy.Target{Op: "<=", Value: 10}, policy.Growth(100, 110, true), "2019-01-01", policy.Met, 0},
		{policy.Target{Op: "<=", Value: -10}, policy.Growth(100, 95, true), "2019-01-01", policy.Open, -5},
		{policy.Target{Op: "<", Value: 0}, policy.Growth(100, 100, true), "2019-01-01", policy.Open, 0},
		{policy.Target{Op: ">", Value: 1}, policy.Growth(3, 4, true), "2019-01-01", policy.Met, 0},
	} {
		if v, gap := r.target.Judge(r.figure, r.day); v != r.want || gap != r.gap {
			t.Errorf("%+v against %+v: %s, gap %v", r.figure, r.target, v, gap)
		}
	}
}
