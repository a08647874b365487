package schedule

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/calendar"
)

// TestWhoMayTakeWhich is the whole rule: contract and referral open one's own
// reserved places, release opens all, and triage is never passed by priority
// (LL-4.4.1b).
func TestWhoMayTakeWhich(t *testing.T) {
	for _, c := range []struct {
		name     string
		p        Priority
		released bool
		want     []Pool
	}{
		{"nobody's patient", Priority{}, false, []Pool{Public}},
		{"nobody's patient, IV", Priority{Urgency: "IV"}, false, []Pool{Public}},
		{"nobody's patient, released", Priority{Urgency: "IV"}, true, []Pool{Public, Alliance, Contract}},
		{"referred", Priority{Urgency: "IV", Referred: true}, false, []Pool{Alliance, Public}},
		{"contracted", Priority{Urgency: "IV", Contracted: true}, false, []Pool{Contract, Public}},
		{"contracted and referred", Priority{Urgency: "IV", Contracted: true, Referred: true}, false, []Pool{Contract, Alliance, Public}},
		{"referred, released", Priority{Referred: true}, true, []Pool{Alliance, Public, Contract}},
		{"urgent without contract takes what is kept for others", Priority{Urgency: "III"}, false, []Pool{Public, Alliance, Contract}},
		{"urgent and referred", Priority{Urgency: "II", Referred: true}, false, []Pool{Alliance, Public, Contract}},
		{"critical", Priority{Urgency: "I"}, false, []Pool{Public, Alliance, Contract}},
	} {
		if got := pools(c.p, c.released); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestChoose(t *testing.T) {
	s := Shares{Alliance: {2, 2}, Contract: {1, 0}, Public: {3, 3}}
	for _, c := range []struct {
		p        Priority
		released bool
		want     Pool
	}{
		{Priority{Referred: true}, false, ""},
		{Priority{Contracted: true}, false, Contract},
		{Priority{Referred: true}, true, Contract},
		{Priority{Urgency: "III"}, false, Contract},
		{Priority{}, false, ""},
	} {
		got, ok := s.choose(c.p, c.released)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%+v released %v: %q", c.p, c.released, got)
		}
	}
	if n := s.reserved(); n != 1 {
		t.Errorf("reserved %d", n)
	}
}

func TestPriorityNeverPassesTriage(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) Priority {
		return Priority{
			Urgency:  rapid.SampledFrom([]string{"I", "II", "III", "IV"}).Draw(t, "urgency"),
			Referred: rapid.Bool().Draw(t, "referred"), Contracted: rapid.Bool().Draw(t, "contracted"),
			Since: time.Unix(rapid.Int64Range(0, 3).Draw(t, "since"), 0),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(draw, 2, 20).Draw(t, "waiting")
		slices.SortStableFunc(list, Compare)
		for i, a := range list {
			for _, b := range list[i+1:] {
				switch {
				case a.Urgency > b.Urgency:
					t.Fatalf("%+v waits before the more urgent %+v", a, b)
				case a.Urgency == b.Urgency && b.Contracted && !a.Contracted:
					t.Fatalf("%+v waits before the contracted %+v", a, b)
				case a.Urgency == b.Urgency && a.Contracted == b.Contracted && b.Referred && !a.Referred:
					t.Fatalf("%+v waits before the referred %+v", a, b)
				case a.Urgency == b.Urgency && a.Contracted == b.Contracted && a.Referred == b.Referred && b.Since.Before(a.Since):
					t.Fatalf("%+v waits before %+v, who has waited longer", a, b)
				}
			}
		}
		// Whoever is more urgent is never refused a day that a less urgent one gets.
		shares := Shares{}
		for _, p := range []Pool{Alliance, Contract, Public} {
			n := rapid.IntRange(0, 2).Draw(t, "places")
			shares[p] = Share{n, rapid.IntRange(0, n).Draw(t, "taken")}
		}
		first, last := list[0], list[len(list)-1]
		_, ok := shares.choose(first, false)
		if _, lesser := shares.choose(last, false); lesser && !ok && first.level() < last.level() {
			t.Fatalf("%+v is refused where %+v is not: %+v", first, last, shares)
		}
	})
}

func TestDivide(t *testing.T) {
	taken := func(a, c, o int) Shares { return Shares{Alliance: {0, a}, Contract: {0, c}, Public: {0, o}} }
	for _, c := range []struct {
		places, alliance, contract int
		taken                      Shares
		want                       [3]int // alliance, contract, open
	}{
		{10, 4, 2, taken(0, 0, 0), [3]int{4, 2, 4}},
		{10, 4, 2, taken(4, 1, 3), [3]int{4, 2, 4}},
		{10, 4, 2, taken(0, 0, 8), [3]int{2, 0, 8}},
		{10, 2, 2, taken(5, 0, 0), [3]int{5, 2, 3}},
		{3, 4, 2, taken(0, 0, 0), [3]int{3, 0, 0}},
		{3, 4, 2, taken(0, 2, 1), [3]int{0, 2, 1}},
		{0, 4, 2, taken(0, 0, 0), [3]int{0, 0, 0}},
	} {
		got := divide(c.places, c.alliance, c.contract, c.taken)
		if is := [3]int{got[Alliance].Places, got[Contract].Places, got[Public].Places}; is != c.want {
			t.Errorf("%+v: %v", c, is)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string, top int) int { return rapid.IntRange(0, top).Draw(t, name) }
		has := taken(n("a", 5), n("c", 5), n("o", 5))
		sum := has[Alliance].Taken + has[Contract].Taken + has[Public].Taken
		got := divide(sum+n("more", 10), n("alliance", 10), n("contract", 10), has)
		total := 0
		for p, s := range got {
			total += s.Places
			if s.Taken != has[p].Taken || s.Left() < 0 {
				t.Fatalf("%s: %+v of %+v", p, s, has)
			}
		}
		if total < sum {
			t.Fatalf("%d places for %d taken", total, sum)
		}
	})
}

func TestPlan(t *testing.T) {
	c := Schedule{Active: true, Weekdays: []time.Weekday{time.Monday}, From: "08:30", To: "09:35", Minutes: 20, Capacity: 2, Practitioner: "wang", ValidFrom: "2026-01-01", ValidTo: "2026-12-31"}
	const monday = calendar.Date("2026-03-09")
	off := c
	off.Active = false
	always := c
	always.Holidays = true
	for _, x := range []struct {
		name    string
		c       Schedule
		day     calendar.Date
		holiday bool
		ex      []Exception
		want    []string
	}{
		{"ordinary: what is left at the end is no slot", c, monday, false, nil, []string{"08:30×2 wang", "08:50×2 wang", "09:10×2 wang"}},
		{"another day of the week", c, "2026-03-10", false, nil, nil},
		{"before it begins", c, "2025-12-29", false, nil, nil},
		{"after it ends", c, "2027-01-04", false, nil, nil},
		{"given up", off, monday, false, nil, nil},
		{"holiday", c, monday, true, nil, nil},
		{"open on holidays", always, monday, true, nil, []string{"08:30×2 wang", "08:50×2 wang", "09:10×2 wang"}},
		{"closed", c, monday, false, []Exception{{Kind: Closed}}, nil},
		{"closed for part", c, monday, false, []Exception{{Kind: Closed, From: "08:50", To: "09:00"}}, []string{"08:30×2 wang", "09:10×2 wang"}},
		{"extra on a day off", c, "2026-03-08", false, []Exception{{Kind: Extra, From: "10:00", To: "10:40", Capacity: 1}}, []string{"10:00×1 wang", "10:20×1 wang"}},
		{"extra on a holiday", c, monday, true, []Exception{{Kind: Extra, From: "10:00", To: "10:20", Capacity: 1}}, []string{"10:00×1 wang"}},
		{"extra over the session adds only what fits", c, monday, false, []Exception{{Kind: Extra, From: "09:10", To: "09:50", Capacity: 5}}, []string{"08:30×2 wang", "08:50×2 wang", "09:10×2 wang", "09:30×5 wang"}},
		{"closed beats extra", c, monday, false, []Exception{{Kind: Extra, From: "10:00", To: "10:20", Capacity: 1}, {Kind: Closed}}, nil},
		{"substitute", c, monday, false, []Exception{{Kind: Substitute, Practitioner: "li"}}, []string{"08:30×2 li", "08:50×2 li", "09:10×2 li"}},
	} {
		var got []string
		for _, s := range plan(x.c, x.day, x.holiday, x.ex) {
			got = append(got, s.start.In(calendar.Shanghai).Format("15:04")+"×"+string(rune('0'+s.capacity))+" "+s.practitioner)
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: %v, want %v", x.name, got, x.want)
		}
	}
}

func TestBedPools(t *testing.T) {
	for want, pools := range map[BedKind][]BedKind{
		AnyBed: {AnyBed}, MenBed: {MenBed, AnyBed}, ChildBed: {ChildBed, AnyBed}, IsolationBed: {IsolationBed},
	} {
		if got := bedPools(want); !slices.Equal(got, pools) {
			t.Errorf("%s: %v", want, got)
		}
	}
}
