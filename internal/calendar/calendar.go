// Package calendar knows the working days of China: which days the State
// Council gave as rest, which weekends are worked in exchange, and how far that
// is known. Deadlines in working days (5 个工作日内) stand on it.
package calendar

import (
	"sync/atomic"
	"time"

	"yilian/internal/errs"
)

// Shanghai is the zone of every business date. China has kept one zone without
// summer time since 1992, so a fixed offset needs no zone files on the server.
var Shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// Date is a business date in Shanghai, written YYYY-MM-DD; it sorts as text.
type Date string

const dateLayout = "2006-01-02"

// DateOf returns the business date of an instant.
func DateOf(t time.Time) Date { return Date(t.In(Shanghai).Format(dateLayout)) }

// ParseDate reads YYYY-MM-DD and refuses days that do not exist.
func ParseDate(s string) (Date, error) {
	if _, err := time.ParseInLocation(dateLayout, s, Shanghai); err != nil {
		return "", errs.Because(err, errs.Invalid, "“%s”不是有效日期，请按 2026-02-28 的样子填写（年-月-日）", s)
	}
	return Date(s), nil
}

// Time returns 00:00 in Shanghai of the day; the zero time when d is no date.
func (d Date) Time() time.Time {
	t, err := time.ParseInLocation(dateLayout, string(d), Shanghai)
	if err != nil {
		return time.Time{}
	}
	return t
}

// AddDays returns the day n calendar days later (earlier when n is negative).
func (d Date) AddDays(n int) Date { return DateOf(d.Time().AddDate(0, 0, n)) }

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday { return d.Time().Weekday() }

// Year returns the calendar year.
func (d Date) Year() int { return d.Time().Year() }

// Before reports whether d is earlier than o.
func (d Date) Before(o Date) bool { return d < o }

// After reports whether d is later than o.
func (d Date) After(o Date) bool { return d > o }

// DaysUntil returns the number of calendar days from d to o.
func (d Date) DaysUntil(o Date) int { return int(o.Time().Sub(d.Time()) / (24 * time.Hour)) }

// String returns the date as written.
func (d Date) String() string { return string(d) }

// EndOf returns the last millisecond of the day in Shanghai.
func EndOf(d Date) time.Time { return d.AddDays(1).Time().Add(-time.Millisecond) }

// AsKnown reads which day is asked about and by the end of which day it was
// known, as they were typed; blank is today, and now. Faults are of the fields
// on and known.
func AsKnown(on, known string, now time.Time) (day Date, at time.Time, err error) {
	var form errs.Form
	day, at = DateOf(now), now
	if on != "" {
		day, err = ParseDate(on)
		form.AddErr("on", err)
	}
	if known != "" {
		by, err := ParseDate(known)
		form.AddErr("known", err)
		if end := EndOf(by); err == nil && end.Before(now) {
			at = end
		}
	}
	return day, at, form.Err()
}

// Day is one line of a holiday notice: a day of rest, or a weekend day that is
// worked in exchange (调休).
type Day struct {
	Date Date
	Off  bool
	Name string // the holiday: 春节
	Line int    // line of the uploaded text, 0 when built in
}

// Year is the official arrangement of one year.
type Year struct {
	Year         int
	Number       string // number of the notice, 国办发明电〔2025〕7号
	Source       string // where it was published
	Version      int    // 0 is built in; each upload of the same year counts on
	UploadedBy   string // account, empty when built in
	UploadedName string
	UploadedAt   time.Time
	Days         []Day // in order of date; may begin in the last week of December before
}

// Builtin reports whether the year came with the program.
func (y Year) Builtin() bool { return y.Version == 0 }

// Calendar answers questions about working days. It is safe for concurrent
// use: readers see one whole snapshot, Refresh replaces it.
type Calendar struct {
	snap atomic.Pointer[snapshot]
}

type snapshot struct {
	years map[int]Year
	days  map[Date]Day
	first int // first year of the unbroken run of known years
	last  int // last year of that run
}

// New returns the calendar that is built in (2017–2026).
func New() *Calendar {
	c := &Calendar{}
	c.snap.Store(build(builtin()))
	return c
}

// build lays the years over each other, earlier first: the notice of a year
// may also move the last days of the December before (2018-12-29 was worked by
// the notice of 2019).
func build(years map[int]Year) *snapshot {
	s := &snapshot{years: years, days: map[Date]Day{}}
	for y := range years {
		if s.first == 0 || y < s.first {
			s.first = y
		}
	}
	for s.last = s.first; ; s.last++ {
		if _, ok := years[s.last+1]; !ok {
			break
		}
	}
	for y := s.first; y <= s.last; y++ {
		for _, d := range years[y].Days {
			s.days[d.Date] = d
		}
	}
	return s
}

func (s *snapshot) known(d Date) bool {
	y := d.Year()
	return y >= s.first && y <= s.last
}

func (s *snapshot) working(d Date) bool {
	if day, ok := s.days[d]; ok {
		return !day.Off
	}
	wd := d.Weekday()
	return wd != time.Saturday && wd != time.Sunday
}

// Working reports whether d is a working day. When known is false the year is
// not loaded and the answer is only the ordinary week.
func (c *Calendar) Working(d Date) (working, known bool) {
	s := c.snap.Load()
	return s.working(d), s.known(d)
}

// Day returns the line of the notice that moves d, if there is one.
func (c *Calendar) Day(d Date) (Day, bool) {
	day, ok := c.snap.Load().days[d]
	return day, ok
}

// LastKnown returns the last day of the last loaded year. A year loaded beyond
// a gap does not count: a deadline could not be counted through the gap.
func (c *Calendar) LastKnown() Date {
	return yearEnd(c.snap.Load().last)
}

func yearEnd(year int) Date {
	return DateOf(time.Date(year, time.December, 31, 0, 0, 0, 0, Shanghai))
}

// Years returns the loaded years in order, those beyond a gap included.
func (c *Calendar) Years() []Year { return c.snap.Load().list() }

// Year returns one loaded year.
func (c *Calendar) Year(year int) (Year, bool) {
	y, ok := c.snap.Load().years[year]
	return y, ok
}

// NextMissing returns the first year that is not loaded.
func (c *Calendar) NextMissing() int { return c.snap.Load().last + 1 }

// AddWorkingDays returns the n-th working day after from; from itself does not
// count, and n below 1 returns from. When the count runs out of the loaded
// years, complete is false and day is the last known working day, but never
// before from: a deadline must not be over before it began.
func (c *Calendar) AddWorkingDays(from Date, n int) (day Date, complete bool) {
	s := c.snap.Load()
	day = from
	for d := from; n > 0; {
		d = d.AddDays(1)
		if !s.known(d) {
			return day, false
		}
		if s.working(d) {
			day = d
			n--
		}
	}
	return day, true
}

// WorkingDaysBetween counts the working days after a up to and including b;
// it is negative when b is before a. complete is false when part of the span
// is not loaded: then only the known days are counted.
func (c *Calendar) WorkingDaysBetween(a, b Date) (n int, complete bool) {
	if b < a {
		n, complete = c.WorkingDaysBetween(b, a)
		return -n, complete
	}
	s := c.snap.Load()
	complete = true
	for d := a; d < b; {
		d = d.AddDays(1)
		if d.Year() > s.last {
			return n, false
		}
		if d.Year() < s.first {
			complete = false
			d = yearEnd(s.first - 1)
			continue
		}
		if s.working(d) {
			n++
		}
	}
	return n, complete
}
