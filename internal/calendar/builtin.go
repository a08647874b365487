package calendar

import (
	"cmp"
	_ "embed"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The notices of 2017–2025 as collected by NateScarlet/holiday-cn (MIT,
// data/LICENSE.holiday-cn); 2026 from 国办发明电〔2025〕7号.
//
//go:embed data/days.csv
var builtinDays string

//go:embed data/sources.csv
var builtinSources string

// builtin returns the years that came with the program, parsed once. The map
// is a fresh copy; the days are shared and never changed.
func builtin() map[int]Year {
	out := map[int]Year{}
	for y, v := range builtinOnce() {
		out[y] = v
	}
	return out
}

var builtinOnce = sync.OnceValue(func() map[int]Year {
	years := map[int]Year{}
	for line := range strings.Lines(builtinSources) {
		year, source, _ := strings.Cut(strings.TrimSpace(line), ",")
		n, err := strconv.Atoi(year)
		if err != nil {
			panic("calendar: built-in source " + line) // a fault of the build, seen by every test
		}
		y := Year{Year: n, Source: source}
		if strings.HasPrefix(source, "国办") {
			y.Number = source
		}
		years[n] = y
	}
	for line := range strings.Lines(builtinDays) {
		f := strings.Split(strings.TrimSpace(line), ",")
		d, err := ParseDate(f[0])
		if err != nil || len(f) != 4 {
			panic("calendar: built-in day " + line) // as above
		}
		of, err := strconv.Atoi(f[3])
		if err != nil {
			panic("calendar: built-in day " + line) // as above
		}
		y := years[of]
		y.Days = append(y.Days, Day{Date: d, Off: f[1] == "off", Name: f[2]})
		years[of] = y
	}
	return years
})

func (s *snapshot) list() []Year {
	out := make([]Year, 0, len(s.years))
	for _, y := range s.years {
		out = append(out, y)
	}
	slices.SortFunc(out, func(a, b Year) int { return cmp.Compare(a.Year, b.Year) })
	return out
}
