package policy_test

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"

	"yilian/internal/calendar"
	"yilian/internal/policy"
	"yilian/profiles"
)

func shipped(t testing.TB) *policy.Book {
	t.Helper()
	b, err := policy.Load(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestEveryClauseIsThereOnce(t *testing.T) {
	b := shipped(t)
	want := map[string]string{} // id → kind, copied from the clause list
	f, err := os.Open("testdata/clauses.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		id, kind, _ := strings.Cut(s.Text(), " ")
		want[id] = kind
	}
	home := map[string]string{"GB": "state-council", "ZZ": "zhengzhou", "SMX": "sanmenxia", "JS": "jiangsu", "LL": "lingling"}
	seen := map[string]int{}
	for _, p := range b.Profiles() {
		for _, c := range p.Clauses() {
			seen[c.ID]++
			code, _, _ := strings.Cut(c.ID, "-")
			if p.Base() {
				if c.Source == "" {
					t.Errorf("default %s has no source", c.ID)
				}
				continue
			}
			if want[c.ID] != string(c.Kind) || home[code] != p.ID {
				t.Errorf("%s in %s has kind %s, want %q", c.ID, p.ID, c.Kind, want[c.ID])
			}
			if c.Section == "" {
				t.Errorf("%s names no section", c.ID)
			}
			if c.Kind == policy.TargetKind && len(c.Targets) == 0 && len(c.Rules) == 0 {
				t.Errorf("target %s has nothing to measure", c.ID)
			}
		}
	}
	for id := range want {
		if seen[id] != 1 {
			t.Errorf("%s is there %d times", id, seen[id])
		}
	}
}

func TestNothingIsCitedInLinglingThatDoesNotBindIt(t *testing.T) {
	b := shipped(t)
	at := policy.Place{Regions: lingling, Kind: "general_practice_alliance"}
	for _, key := range b.Keys() {
		for _, a := range b.Binding(key, at, "2026-03-02") {
			p, _ := b.Profile(a.Profile)
			if j := p.Jurisdiction; j != "" && !slices.Contains(lingling, j) {
				t.Errorf("%s: %s binds %s only", key, a.Clause, j)
			}
			if a.Default && !strings.HasPrefix(a.Clause, "BASE-") {
				t.Errorf("%s: default cites %s", key, a.Clause)
			}
		}
	}
}

func TestWhatBindsInLingling(t *testing.T) {
	b := shipped(t)
	at := policy.Place{Regions: lingling, Kind: "general_practice_alliance"}
	for _, r := range []struct{ key, want string }{
		{"referral.consent.required", "是@LL-4.4.1d"},
		{"referral.phone.published.required", "是@LL-4.3.4c"},
		{"alliance.member.independent", "是@LL-4.3.1"},
		{"alliance.plate.format", "{lead}医联体{member}分院@LL-4.3.1"},
		{"alliance.council.term_years", "3@LL-4.3.2"},
		{"alliance.office.deputies.max", "2@LL-4.3.3"},
		{"contract.teams_per_community", "5@LL-4.1c"},
		{"practice.member_site", "allowed_with_filing@LL-4.4.4a"},
		{"practice.promotion.primary_years", "1@LL-4.4.4b"},
		{"training.plan.due", "01-31@LL-4.3.4b"},
		{"referral.priority.contracted", "专家接诊、检查、住院@LL-4.4.1b"},
		{"prescription.long.max_days", "84@BASE-prescription"},
		{"referral.clock.draft", "7 天@BASE-clock"},
		{"referral.clock.in_review", "4 小时@BASE-clock"},
		{"referral.clock.submitted.II", "30 分钟@BASE-clock"},
		{"referral.clock.submitted.III", "2 小时@BASE-clock"},
		{"referral.clock.submitted.IV", "1 个工作日@BASE-clock"},
		{"referral.clock.awaiting_info", "1 个工作日@BASE-clock"},
		{"referral.clock.arranged.reminder", "48 小时@BASE-clock"},
		{"referral.clock.arranged.down", "3 天@BASE-clock"},
		{"referral.clock.arranged.down.close", "7 天@BASE-clock"},
		{"referral.clock.transferring", "1 分钟@BASE-clock"},
		{"referral.clock.transferring.next", "3 分钟@BASE-clock"},
		{"referral.clock.consent", "24 小时@BASE-clock"},
		{"referral.clock.in_care.outpatient", "3 个工作日@BASE-clock"},
		{"referral.clock.completed", "3 个工作日@BASE-clock"},
		{"referral.review.required", "否@BASE-switch"},
	} {
		a, err := b.Resolve(r.key, at, "2026-03-02")
		if got := a.Text() + "@" + a.Clause; err != nil || got != r.want {
			t.Errorf("%s: got %s, %v; want %s", r.key, got, err, r.want)
		}
	}
	old, _ := b.Resolve("prescription.long.max_days", at, "2019-06-01")
	if old.Clause != "GB-3.3c" || old.Value.Int != 60 {
		t.Errorf("in 2019: %+v", old)
	}
	if a, err := b.Resolve("alliance.council.term_years", at, calendar.Date("2019-12-31")); err == nil {
		t.Errorf("Lingling's plan bound before it began: %s", a.Clause)
	}
}

func TestReasonListsAreWhole(t *testing.T) {
	b := shipped(t)
	at := policy.Place{Regions: lingling}
	for _, key := range []string{"up", "down", "decline", "decline_down", "return", "ask", "withdraw", "discard", "cancel", "close", "redirect", "defer", "reschedule", "divert", "no_show", "refuse_consent"} {
		a, err := b.Resolve("referral.reason."+key, at, "2026-03-02")
		if err != nil {
			t.Fatal(err)
		}
		codes, err := a.Codes()
		if err != nil || len(codes) < 4 || codes[len(codes)-1].Code != "other" || !codes[len(codes)-1].Free {
			t.Errorf("%s: %v %v", key, codes, err)
		}
		for _, c := range codes {
			if strings.HasPrefix(key, "decline") && !c.Next {
				t.Errorf("%s: %s asks for no next step", key, c.Code)
			}
		}
	}
	a, err := b.Resolve("referral.outcome", at, "2026-03-02")
	if _, ok := a.Code("death"); err != nil || !ok {
		t.Errorf("death is no outcome: %v", err)
	}
}

func TestIndications(t *testing.T) {
	b := shipped(t)
	at := policy.Place{Regions: lingling}
	up, err := b.Resolve("referral.indication.up", at, "2026-03-02")
	if err != nil || !up.Starter || len(up.Value.Codes) < 60 {
		t.Fatalf("%d indications, starter %v, %v", len(up.Value.Codes), up.Starter, err)
	}
	for icd, want := range map[string]string{"I21.900": "acs", "I63.900": "stroke", "O14.100": "preeclampsia", "S72.000": "fracture", "E11.900": "diabetes_complicated"} {
		i := slices.IndexFunc(up.Value.Codes, func(c policy.Code) bool { return c.Covers(icd) })
		if i < 0 || up.Value.Codes[i].Code != want {
			t.Errorf("%s falls under %d, want %s", icd, i, want)
		}
	}
	down, err := b.Resolve("referral.indication.down", at, "2026-03-02")
	if err != nil || down.Clause != "LL-4.4.1c" || down.Starter || len(down.Value.Codes) != 10 {
		t.Errorf("down: %s %d %v", down.Clause, len(down.Value.Codes), err)
	}
}

func TestFactsOfLingling(t *testing.T) {
	p, _ := shipped(t).Profile("lingling")
	b := p.Facts()
	count := map[string]int{}
	for _, i := range b.Institutions {
		count[i.Kind]++
		if !strings.HasPrefix(i.Region, "431102") || i.Profile != "lingling" {
			t.Errorf("%+v", i)
		}
	}
	if count["township_centre"] != 10 || count["community_centre"] != 6 || count["health_bureau"] != 1 || len(b.Institutions) != 20 {
		t.Errorf("institutions: %v", count)
	}
	supporters, supported := map[string]int{}, map[string]int{}
	for _, s := range b.Supports {
		supporters[s.Supporter]++
		supported[s.Supported]++
	}
	if len(b.Supports) != 12 || supporters["fourth"] != 5 || supporters["tcm"] != 4 || supporters["mch"] != 3 ||
		len(supported) != 10 || supported["zhushan"] != 2 || supported["fujiaqiao"] != 2 {
		t.Errorf("supports: %v %v", supporters, supported)
	}
	members := map[string]int{}
	for _, m := range b.Memberships {
		if m.Role != "member" {
			continue
		}
		members[m.Alliance]++
		// LL-4.3.1: the plate is that of the general-practice alliance.
		if (m.Plate != "") != (m.Alliance == "general") {
			t.Errorf("%s in %s has the plate %q", m.Member, m.Alliance, m.Plate)
		}
	}
	if members["general"] != 16 || members["orthopaedics"] != 10 || members["maternal"] != 10 || len(b.Alliances) != 3 {
		t.Errorf("members %v, %d alliances", members, len(b.Alliances))
	}
	if f := b; len(f.Ties) != 5 || len(f.Phases) != 3 || len(f.Bodies) != 6 {
		t.Errorf("ties %d phases %d bodies %d", len(f.Ties), len(f.Phases), len(f.Bodies))
	}
}

// JS-A2 and JS-4.1.1: 19 alliances with their leads, six hospitals in touch
// with thirteen cities, no city left out or named twice.
func TestFactsOfJiangsu(t *testing.T) {
	p, _ := shipped(t).Profile("jiangsu")
	f := p.Facts()
	leads := map[string]int{}
	for _, a := range f.Alliances {
		leads[f.Name(a.Lead)]++
		if a.Kind != "specialty_alliance" || a.Region != "32" || len(a.Specialties) != 1 {
			t.Errorf("%+v", a)
		}
	}
	if len(f.Alliances) != 19 || leads["江苏省人民医院"] != 5 || leads["解放军东部战区总医院"] != 2 ||
		leads["东南大学附属中大医院"] != 2 || leads["南京市儿童医院"] != 2 {
		t.Errorf("%d alliances led by %v", len(f.Alliances), leads)
	}
	cities, shape := map[string]int{}, []int{}
	for _, tie := range f.Ties {
		shape = append(shape, len(tie.Regions))
		for _, r := range tie.Regions {
			cities[r]++
		}
	}
	if !slices.Equal(shape, []int{3, 2, 2, 2, 2, 2}) || len(cities) != 13 {
		t.Errorf("ties %v over %v", shape, cities)
	}
}

// ZZ-2.1a and ZZ-2.2: three comprehensive alliances, seven of one specialty.
func TestFactsOfZhengzhou(t *testing.T) {
	p, _ := shipped(t).Profile("zhengzhou")
	f := p.Facts()
	kinds, specialties := map[string]int{}, []string{}
	for _, a := range f.Alliances {
		kinds[a.Kind]++
		specialties = append(specialties, a.Specialties...)
	}
	if kinds["medical_group"] != 3 || kinds["specialty_alliance"] != 7 || len(f.Memberships) != 10 {
		t.Errorf("%v", kinds)
	}
	if got := strings.Join(specialties, " "); got != "儿科 心血管病 妇幼 骨科 老年病 眼科 传染病" {
		t.Errorf("%s", got)
	}
}

// SMX-5: three phases with dates, the pilot in Lushi only.
func TestPhasesOfSanmenxia(t *testing.T) {
	b := shipped(t)
	p, _ := b.Profile("sanmenxia")
	f := p.Facts().Phases
	if len(f) != 3 || f[0].To != "2019-06-30" || f[1].Region != "411224" || f[2].From != "2020-01-01" {
		t.Errorf("%+v", f)
	}
	for day, regions := range map[calendar.Date][]string{"2019-10-01": lushi, "2020-01-01": nil} {
		for _, at := range [][]string{lushi, shanzhou} {
			_, err := b.Resolve("phase.pilot", policy.Place{Regions: at}, day)
			if bound := err == nil; bound != slices.Equal(at, regions) {
				t.Errorf("%s %v: %v", day, at, err)
			}
		}
	}
}
