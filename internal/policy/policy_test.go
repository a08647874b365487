package policy_test

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/policy"
)

var (
	lingling = []string{"431102", "4311", "43", "CN"}
	nanjing  = []string{"320102", "3201", "32", "CN"}
	zhongmu  = []string{"410122", "4101", "41", "CN"}
	lushi    = []string{"411224", "4112", "41", "CN"}
	shanzhou = []string{"411203", "4112", "41", "CN"}
)

func fixture(t testing.TB) *policy.Book {
	t.Helper()
	b, err := policy.Load(os.DirFS("testdata/fixture"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestResolve(t *testing.T) {
	b := fixture(t)
	rows := []struct {
		why, key string
		at       policy.Place
		day      calendar.Date
		want     string // value @ clause; empty: nothing binds
	}{
		{"X5 before the document: nothing", "prescription.max_days", policy.Place{Regions: zhongmu}, "2017-04-22", ""},
		{"X5 first day", "prescription.max_days", policy.Place{Regions: zhongmu}, "2017-04-23", "60@N-1"},
		{"X5 city without a number: the nation's", "prescription.max_days", policy.Place{Regions: shanzhou}, "2019-06-01", "60@N-1"},
		{"X5 last day of the old limit", "prescription.max_days", policy.Place{Regions: zhongmu}, "2021-08-09", "60@N-1"},
		{"X5 first day of the later rule", "prescription.max_days", policy.Place{Regions: zhongmu}, "2021-08-10", "84@NL-1"},
		{"X5 strictest: the district's", "prescription.max_days", policy.Place{Regions: lingling}, "2020-12-31", "30@D-1"},
		{"X5 district's limit is over", "prescription.max_days", policy.Place{Regions: lingling}, "2021-01-01", "60@N-1"},
		{"X2 district before nation", "practice.member_site", policy.Place{Regions: lingling}, "2022-01-01", "allowed_with_filing@D-2"},
		{"X2 before the district's plan", "practice.member_site", policy.Place{Regions: lingling}, "2019-12-31", "allowed@N-2"},
		{"later before earlier", "practice.member_site", policy.Place{Regions: nanjing}, "2022-01-01", "allowed_with_notice@NL-2"},
		{"kind before general, though earlier", "practice.member_site", policy.Place{Regions: nanjing, Kind: "telemedicine_network"}, "2022-01-01", "allowed_in_network@N-2"},
		{"jurisdiction before kind", "practice.member_site", policy.Place{Regions: lingling, Kind: "telemedicine_network"}, "2022-01-01", "allowed_with_filing@D-2"},
		{"no document: the default", "practice.member_site", policy.Place{Regions: nanjing}, "2017-02-01", "refused@BASE-1"},
		{"nowhere: the default", "practice.member_site", policy.Place{}, "2022-01-01", "refused@BASE-1"},
		{"another province's rule never binds", "filing.deadline", policy.Place{Regions: zhongmu}, "2022-01-01", ""},
		{"its own rule does", "filing.deadline", policy.Place{Regions: nanjing}, "2022-01-01", "5 个工作日@P-5.3"},
		{"adopted by name", "filing.deadline", policy.Place{Regions: lingling}, "2022-01-01", "5 个工作日@P-5.3"},
		{"adopted only from the adopter's day on", "filing.deadline", policy.Place{Regions: lingling}, "2019-12-31", ""},
		{"adopted from a pilot county: binds the adopter", "report.deadline", policy.Place{Regions: lingling}, "2022-01-01", "7 天@S-Q"},
		{"pilot county", "pilot", policy.Place{Regions: lushi}, "2019-10-01", "是@S-P"},
		{"not its neighbour", "pilot", policy.Place{Regions: shanzhou}, "2019-10-01", ""},
		{"pilot is over", "pilot", policy.Place{Regions: lushi}, "2020-01-01", ""},
		{"lists are joined, the district's first", "down", policy.Place{Regions: lingling}, "2022-01-01", "手术后、慢病稳定（本区）、晚期肿瘤@D-4"},
		{"list of the defaults", "down", policy.Place{Regions: nanjing}, "2022-01-01", "慢病、晚期肿瘤@BASE-1"},
		{"unknown key", "nothing", policy.Place{Regions: lingling}, "2022-01-01", ""},
	}
	for _, r := range rows {
		t.Run(r.why, func(t *testing.T) {
			a, err := b.Resolve(r.key, r.at, r.day)
			if r.want == "" {
				if !errs.Is(err, errs.NotFound) {
					t.Fatalf("got %s@%s, %v", a.Text(), a.Clause, err)
				}
				return
			}
			if got := a.Text() + "@" + a.Clause; err != nil || got != r.want {
				t.Errorf("got %s, %v; want %s", got, err, r.want)
			}
			if a.Version == "" || a.Document == "" || a.ClauseSummary == "" {
				t.Errorf("answer cannot be cited: %+v", a)
			}
		})
	}
}

func TestTargetsDependOnPlaceAndDate(t *testing.T) {
	b := fixture(t)
	day := calendar.Date("2019-12-01")
	for _, r := range []struct {
		why, indicator string
		regions        []string
		want           string
	}{
		{"X1 province", "referral.down", nanjing, "20 P-3c "},
		{"X1 city", "referral.down", zhongmu, "10 C-3.4c "},
		{"X6 province 2020", "visit.county_share", nanjing, "90 P-3c 2020-12-31"},
		{"X6 city 2022", "visit.county_share", lushi, "90 S-3 2022-12-31"},
	} {
		a, err := b.Target(r.indicator, "", policy.Place{Regions: r.regions}, day)
		if got := fmt.Sprintf("%v %s %s", a.Value, a.Clause, a.By); err != nil || got != r.want {
			t.Errorf("%s: got %s, %v", r.why, got, err)
		}
	}
	if _, err := b.Target("referral.down", "", policy.Place{Regions: lingling}, day); !errs.Is(err, errs.NotFound) {
		t.Errorf("Lingling is bound by nobody's growth: %v", err)
	}
	if got := b.Targets(policy.Place{Regions: nanjing}, day); len(got) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestAnswerSaysWhereItComesFrom(t *testing.T) {
	b := fixture(t)
	at, day := policy.Place{Regions: lingling}, calendar.Date("2022-01-01")
	a, _ := b.Resolve("filing.deadline", at, day)
	if !a.Adopted || a.Profile != "district" || a.Document != "《省规划》" || a.ClauseSummary != "组建后 5 个工作日内备案" {
		t.Errorf("adopted: %+v", a)
	}
	a, _ = b.Resolve("clock", at, day)
	if !a.Starter || !a.Default || a.Source != "手册" || a.Adopted {
		t.Errorf("default: %+v", a)
	}
	down, _ := b.Resolve("down", at, day)
	codes, err := down.Codes()
	if err != nil || codes[0].Clause != "D-4" || codes[0].Starter || codes[2].Clause != "BASE-1" || !codes[2].Starter {
		t.Errorf("codes: %+v %v", codes, err)
	}
	if c := codes[2]; !c.Covers("C34.900") || c.Covers("C35") || codes[0].Covers("C34") || c.Note != "C34 C50" {
		t.Errorf("prefixes: %+v", c)
	}
	if _, ok := down.Code("cancer"); !ok {
		t.Error("code by name")
	}
	if _, err := a.Int(); err == nil {
		t.Error("a deadline was read as a number")
	}
	if n := len(b.Binding("prescription.max_days", at, "2020-06-01")); n != 2 {
		t.Errorf("%d rules were considered", n)
	}
}

func TestDeadlines(t *testing.T) {
	cal := calendar.New()
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04:05.000", s, calendar.Shanghai)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, r := range []struct {
		text, from, due string
		complete        bool
	}{
		{"30m", "2026-02-14 23:50:00.000", "2026-02-15 00:20:00.000", true},
		{"2h", "2026-02-14 10:00:00.000", "2026-02-14 12:00:00.000", true},
		{"1wd", "2026-02-13 17:59:00.000", "2026-02-14 23:59:59.999", true},
		{"1wd", "2026-02-14 00:00:00.000", "2026-02-24 23:59:59.999", true},
		{"7d", "2026-02-28 23:59:59.999", "2026-03-07 23:59:59.999", true},
		{"5wd", "2026-12-30 09:00:00.000", "2026-12-31 23:59:59.999", false},
		{"1d", "2026-12-31 09:00:00.000", "2027-01-01 23:59:59.999", true},
	} {
		d, err := policy.ParseDeadline(r.text)
		if err != nil || d.String() != r.text {
			t.Fatalf("%s: %v", r.text, err)
		}
		due, complete := d.Due(cal, at(r.from))
		if !due.Equal(at(r.due)) || complete != r.complete {
			t.Errorf("%s after %s: %s %v", r.text, r.from, due, complete)
		}
	}
	for _, s := range []string{"", "2", "h", "0h", "-1h", "2 h", "2H", "1.5h", "999999d", "2h30m"} {
		if _, err := policy.ParseDeadline(s); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// files reads the fixture into memory, so that tests can rearrange it.
func files(t testing.TB) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	src := os.DirFS("testdata/fixture")
	err := fs.WalkDir(src, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := fs.ReadFile(src, name)
		out[name] = &fstest.MapFile{Data: raw}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOrderOfLoadingDoesNotMatter(t *testing.T) {
	base := fixture(t)
	src := files(t)
	places := [][]string{lingling, nanjing, zhongmu, lushi, nil}
	rapid.Check(t, func(t *rapid.T) {
		// Profiles are read in order of their folder, which is their id; another
		// id is another order. Clauses of one profile are shuffled as well.
		shuffled := fstest.MapFS{}
		for name, f := range src {
			dir, _, _ := strings.Cut(name, "/")
			id := fmt.Sprintf("p%02d-%s", rapid.IntRange(0, 99).Draw(t, "order"), dir)
			head, clauses := cut(string(f.Data))
			text := strings.Replace(head, `id = "`+dir+`"`, `id = "`+id+`"`, 1)
			shuffled[id+"/profile.toml"] = &fstest.MapFile{Data: []byte(text)}
			for i, c := range rapid.Permutation(clauses).Draw(t, "clauses") {
				shuffled[fmt.Sprintf("%s/%02d.toml", id, i)] = &fstest.MapFile{Data: []byte(c)}
			}
		}
		b, err := policy.Load(shuffled)
		if err != nil {
			t.Fatal(err)
		}
		day := calendar.Date("2017-01-01").AddDays(rapid.IntRange(0, 2200).Draw(t, "day"))
		at := policy.Place{Regions: rapid.SampledFrom(places).Draw(t, "place"), Kind: rapid.SampledFrom([]string{"", "telemedicine_network"}).Draw(t, "kind")}
		for _, key := range base.Keys() {
			want, err1 := base.Resolve(key, at, day)
			got, err2 := b.Resolve(key, at, day)
			if (err1 == nil) != (err2 == nil) || want.Clause != got.Clause || want.Text() != got.Text() {
				t.Fatalf("%s: %s@%s and %s@%s", key, want.Text(), want.Clause, got.Text(), got.Clause)
			}
		}
	})
}

func cut(text string) (head string, clauses []string) {
	parts := strings.Split(text, "[[clauses]]")
	for _, c := range parts[1:] {
		clauses = append(clauses, "[[clauses]]"+c)
	}
	return parts[0], clauses
}

func TestVersionNamesTheContent(t *testing.T) {
	version := func(f fstest.MapFS) string {
		b, err := policy.Load(f)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := b.Profile("district")
		return p.Version
	}
	f := files(t)
	first := version(f)
	text := string(f["district/profile.toml"].Data)
	head, clauses := cut(text)
	f["district/profile.toml"] = &fstest.MapFile{Data: []byte("# 注释\n" + head + clauses[4] + clauses[3] + clauses[2])}
	f["district/more.toml"] = &fstest.MapFile{Data: []byte(clauses[1] + clauses[0])}
	if again := version(f); again != first {
		t.Errorf("comments, order and files changed the version: %s %s", first, again)
	}
	f["district/profile.toml"] = &fstest.MapFile{Data: []byte(strings.Replace(text, "int = 30", "int = 31", 1))}
	delete(f, "district/more.toml")
	if again := version(f); again == first {
		t.Error("a changed number kept the version")
	}
	f["district/profile.toml"] = &fstest.MapFile{Data: []byte(text)}
	f["province/profile.toml"].Data = []byte(strings.Replace(string(f["province/profile.toml"].Data), `"5wd"`, `"6wd"`, 1))
	if again := version(f); again == first {
		t.Error("a changed adopted rule kept the version")
	}
}
