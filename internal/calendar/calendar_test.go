package calendar_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/calendar"
	"yilian/internal/errs"
)

func TestAddWorkingDays(t *testing.T) {
	cal := calendar.New()
	rows := []struct {
		from calendar.Date
		n    int
		want calendar.Date
		why  string
	}{
		{"2026-02-12", 5, "2026-02-26", "handbook: Saturday 02-14 is worked"},
		{"2026-04-30", 5, "2026-05-11", "handbook: Saturday 05-09 is worked"},
		{"2026-09-18", 5, "2026-09-24", "handbook: Sunday 09-20 is worked"},
		{"2026-09-30", 5, "2026-10-13", "handbook: Saturday 10-10 is worked"},
		{"2026-03-02", 1, "2026-03-03", "ordinary Monday"},
		{"2026-03-06", 1, "2026-03-09", "Friday to Monday"},
		{"2026-03-07", 1, "2026-03-09", "from a Saturday"},
		{"2026-02-13", 1, "2026-02-14", "Spring Festival: worked Saturday"},
		{"2026-02-14", 1, "2026-02-24", "Spring Festival: nine days of rest"},
		{"2026-02-20", 1, "2026-02-24", "from inside the Spring Festival"},
		{"2026-02-27", 1, "2026-02-28", "worked Saturday after the festival"},
		{"2026-02-28", 1, "2026-03-02", "Sunday after it is free"},
		{"2025-12-31", 1, "2026-01-04", "New Year, worked Sunday"},
		{"2025-12-31", 2, "2026-01-05", "over the year"},
		{"2025-01-24", 1, "2025-01-26", "2025: worked Sunday before the festival"},
		{"2025-01-27", 1, "2025-02-05", "2025: eight days of rest"},
		{"2025-02-07", 1, "2025-02-08", "2025: worked Saturday"},
		{"2025-04-25", 1, "2025-04-27", "2025: worked Sunday before May Day"},
		{"2025-09-26", 1, "2025-09-28", "2025: worked Sunday before October"},
		{"2025-09-30", 1, "2025-10-09", "2025: National Day with Mid-Autumn"},
		{"2025-10-10", 1, "2025-10-11", "2025: worked Saturday after October"},
		{"2024-02-09", 1, "2024-02-18", "2024: New Year's Eve was worked, back on Sunday"},
		{"2023-01-20", 1, "2023-01-28", "2023: back on a worked Saturday"},
		{"2022-12-30", 1, "2023-01-03", "notice of 2023 frees 2022-12-31"},
		{"2020-01-23", 1, "2020-02-03", "2020: festival prolonged to 02-02"},
		{"2018-12-28", 1, "2018-12-29", "notice of 2019 has 2018-12-29 worked"},
		{"2018-12-29", 1, "2019-01-02", "and frees 12-30 to 01-01"},
		{"2026-02-12", 0, "2026-02-12", "nothing to count"},
		{"2026-12-30", 1, "2026-12-31", "last known day"},
	}
	for _, r := range rows {
		t.Run(fmt.Sprintf("%s+%d", r.from, r.n), func(t *testing.T) {
			day, complete := cal.AddWorkingDays(r.from, r.n)
			if day != r.want || !complete {
				t.Errorf("%s: got %s complete=%v, want %s", r.why, day, complete, r.want)
			}
			if n, _ := cal.WorkingDaysBetween(r.from, day); n != r.n {
				t.Errorf("counting back gives %d", n)
			}
		})
	}
}

func TestPastTheLastKnownYear(t *testing.T) {
	cal := calendar.New()
	if cal.LastKnown() != "2026-12-31" || cal.NextMissing() != 2027 {
		t.Fatalf("last known %s, next missing %d", cal.LastKnown(), cal.NextMissing())
	}
	for _, r := range []struct{ from, want calendar.Date }{
		{"2026-12-30", "2026-12-31"}, // runs out: the last known working day
		{"2026-12-31", "2026-12-31"},
		{"2027-03-01", "2027-03-01"}, // never before it began
		{"2016-06-01", "2016-06-01"}, // before the first year: nothing is known either
	} {
		if day, complete := cal.AddWorkingDays(r.from, 5); complete || day != r.want {
			t.Errorf("from %s: got %s complete=%v", r.from, day, complete)
		}
	}
	if n, complete := cal.WorkingDaysBetween("2026-12-30", "2027-01-05"); n != 1 || complete {
		t.Errorf("n=%d complete=%v", n, complete)
	}
	if n, complete := cal.WorkingDaysBetween("2016-12-01", "2017-01-03"); n != 1 || complete {
		t.Errorf("n=%d complete=%v", n, complete)
	}
	if working, known := cal.Working("2027-01-04"); !working || known {
		t.Errorf("2027 is not loaded: working=%v known=%v", working, known)
	}
}

func TestYearsHaveTheirDaysOfRest(t *testing.T) {
	// 250 working days a year by the law of 2013 (11 statutory holidays), 248
	// from 2025 (13); the epidemic of 2020 took more.
	want := map[int]int{2017: 249, 2018: 250, 2019: 250, 2020: 249, 2021: 250, 2022: 249, 2023: 249, 2024: 251, 2025: 248, 2026: 248}
	cal := calendar.New()
	for year, n := range want {
		a := calendar.Date(fmt.Sprintf("%04d-12-31", year-1))
		got, _ := cal.WorkingDaysBetween(a, calendar.Date(fmt.Sprintf("%04d-12-31", year)))
		if got != n {
			t.Errorf("%d has %d working days, want %d", year, got, n)
		}
	}
}

func TestDates(t *testing.T) {
	for _, s := range []string{"2026-02-30", "2026-13-01", "20260101", "2026-1-1", "", "明天"} {
		if _, err := calendar.ParseDate(s); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", s, err)
		}
	}
	evening := time.Date(2026, 3, 1, 16, 0, 0, 0, time.UTC) // midnight in Shanghai
	if d := calendar.DateOf(evening); d != "2026-03-02" {
		t.Errorf("16:00 UTC is %s", d)
	}
	if d := calendar.DateOf(evening.Add(-time.Millisecond)); d != "2026-03-01" {
		t.Errorf("the millisecond before is %s", d)
	}
	if end := calendar.EndOf("2026-03-02"); calendar.DateOf(end) != "2026-03-02" || calendar.DateOf(end.Add(time.Millisecond)) != "2026-03-03" {
		t.Errorf("end of day %s", end)
	}
	if calendar.Date("2026-02-28").AddDays(1) != "2026-03-01" || calendar.Date("2024-02-28").AddDays(1) != "2024-02-29" {
		t.Error("leap years")
	}
	if calendar.Date("2026-03-02").DaysUntil("2026-04-01") != 30 {
		t.Error("days until")
	}
}

func TestWorkingDayProperties(t *testing.T) {
	cal := calendar.New()
	day := rapid.Custom(func(t *rapid.T) calendar.Date {
		return calendar.Date("2017-01-01").AddDays(rapid.IntRange(0, 3600).Draw(t, "day"))
	})
	rapid.Check(t, func(t *rapid.T) {
		from, n := day.Draw(t, "from"), rapid.IntRange(1, 30).Draw(t, "n")
		due, complete := cal.AddWorkingDays(from, n)
		if complete {
			if working, known := cal.Working(due); !working || !known || due <= from {
				t.Fatalf("%s + %d = %s is no later working day", from, n, due)
			}
			if back, _ := cal.WorkingDaysBetween(from, due); back != n {
				t.Fatalf("%s + %d = %s, counted back %d", from, n, due, back)
			}
		}
		if later, _ := cal.AddWorkingDays(from, n+1); later < due {
			t.Fatalf("%s: %d days give %s, %d give %s", from, n, due, n+1, later)
		}
		if next, _ := cal.AddWorkingDays(from.AddDays(1), n); next < due {
			t.Fatalf("%d days from %s give %s, from the day after %s", n, from, due, next)
		}
		other := day.Draw(t, "other")
		a, _ := cal.WorkingDaysBetween(from, other)
		b, _ := cal.WorkingDaysBetween(other, from)
		if a != -b {
			t.Fatalf("%s to %s is %d, back %d", from, other, a, b)
		}
	})
}
