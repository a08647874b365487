package chart

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"yilian/internal/calendar"
)

// Item is a line of the overview: what several facts say about one thing.
type Item struct {
	Title string
	Text  string
	State State
	Last  Fact // the newest fact that says so
	Since time.Time
	Facts int
}

// Point is one measured value of a series.
type Point struct {
	At      time.Time
	DayOnly bool
	Value   Value
	Fact    Fact
}

// Series is one test over time, the oldest first.
type Series struct {
	Test   string
	Unit   string
	Points []Point
	Way    Way
}

// Way is where a series goes.
type Way string

// The ways.
const (
	Rising  Way = "rising"
	Falling Way = "falling"
	Level   Way = "level"
	Single  Way = "" // nothing to compare with
)

// Title is the way in words.
func (w Way) Title() string {
	return map[Way]string{Rising: "上升", Falling: "下降", Level: "平稳"}[w]
}

// Last is the newest point.
func (s Series) Last() Point { return s.Points[len(s.Points)-1] }

// Numbers are the points that can be drawn.
func (s Series) Numbers() []Point {
	var out []Point
	for _, p := range s.Points {
		if p.Value.Exact {
			out = append(out, p)
		}
	}
	return out
}

// wayOf compares the last number with the one before; a change of less than
// percent is level.
func wayOf(points []Point, percent int) Way {
	n := len(points)
	if n < 2 {
		return Single
	}
	was, is := points[n-2].Value.Number, points[n-1].Value.Number
	change := is - was
	limit := math.Abs(was) * float64(percent) / 100
	switch {
	case math.Abs(change) <= limit:
		return Level
	case change > 0:
		return Rising
	}
	return Falling
}

// Overview is what a doctor reads in a minute.
type Overview struct {
	Problems  []Item
	Medicines []Item
	Allergies []Item
	NoAllergy Fact // somebody has recorded that none is known; zero: nobody has
	Results   []Series
	More      int // series beyond those shown
	Visits    []Fact
	Coming    []Fact // appointments ahead
	Open      []Fact // cases that somebody has to work on
}

// shownResults and shownVisits bound the overview.
const (
	shownResults = 8
	shownVisits  = 4
)

// Overview gathers what holds today.
func (c Chart) Overview() Overview {
	var o Overview
	o.Problems = c.problems()
	o.Medicines = group(c.of(Medicine), func(f Fact) string { return plain(f.Title) })
	o.Medicines = slices.DeleteFunc(o.Medicines, func(x Item) bool { return x.State == Over || x.State == Mistaken })
	o.Allergies = group(c.of(Allergy), func(f Fact) string { return plain(f.Title) })
	o.Allergies = slices.DeleteFunc(o.Allergies, func(x Item) bool { return x.State == Over || x.State == Mistaken || x.Last.None })
	for _, f := range c.of(Allergy) {
		if f.None && f.State == Now && o.NoAllergy.Key == "" && len(o.Allergies) == 0 {
			o.NoAllergy = f
		}
	}
	all := c.AllSeries()
	slices.SortStableFunc(all, func(a, b Series) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), b.Last().At.Compare(a.Last().At))
	})
	o.Results = all[:min(len(all), shownResults)]
	o.More = len(all) - len(o.Results)
	for _, f := range c.of(Visit) {
		if len(o.Visits) < shownVisits {
			o.Visits = append(o.Visits, f)
		}
	}
	for _, f := range c.of(Appointment) {
		if f.Day() >= c.Today && f.Note != "已取消" {
			o.Coming = append(o.Coming, f)
		}
	}
	for _, f := range c.of(Case) {
		if f.State == Now {
			o.Open = append(o.Open, f)
		}
	}
	return o
}

// rank puts what is out of range first.
func rank(s Series) int {
	switch s.Last().Value.Flag {
	case High, Low, Abnormal:
		return 0
	}
	return 1
}

// of are the facts of a kind that may be shown.
func (c Chart) of(k Kind) []Fact {
	var out []Fact
	for _, f := range c.Facts {
		if f.Kind == k && !f.Hidden && f.State != Mistaken {
			out = append(out, f)
		}
	}
	return out
}

// problems are conditions, and what institutions have diagnosed: chronic
// diseases always, others while they are recent.
func (c Chart) problems() []Item {
	since := c.Today.AddDays(-c.Rules.RecentDays)
	var facts []Fact
	for _, f := range c.of(Problem) {
		if f.Once && !c.chronic(f.Codes) {
			if f.Day() < since {
				continue
			}
			f.Note = "近期"
		}
		facts = append(facts, f)
	}
	for _, v := range c.of(Visit) {
		for _, code := range v.Codes {
			chronic := c.chronic([]Coding{code})
			if !isICD(code) || !chronic && v.Day() < since {
				continue
			}
			f := v
			f.Kind, f.Title, f.Text, f.Codes, f.State = Problem, cmp.Or(code.Display, code.Code), v.Title+"诊断", []Coding{code}, Now
			if !chronic {
				f.Note = "近期"
			}
			facts = append(facts, f)
		}
	}
	slices.SortStableFunc(facts, func(a, b Fact) int { return b.At.Compare(a.At) })
	list := group(facts, func(f Fact) string { return cmp.Or(category(f.Codes), plain(f.Title)) })
	list = slices.DeleteFunc(list, func(x Item) bool { return x.State == Over })
	slices.SortStableFunc(list, func(a, b Item) int { return cmp.Compare(acute(a), acute(b)) })
	return list
}

// chronic reports whether a diagnosis stays a problem.
func (c Chart) chronic(codes []Coding) bool {
	return slices.ContainsFunc(codes, func(k Coding) bool {
		return c.Rules.Chronic != nil && isICD(k) && c.Rules.Chronic(strings.ToUpper(k.Code))
	})
}

func acute(x Item) int {
	if x.Last.Note == "近期" {
		return 1
	}
	return 0
}

// group makes one line of all facts about one thing; what the newest of the
// record says counts, and a condition says more than a diagnosis of a visit.
func group(facts []Fact, key func(Fact) string) []Item {
	var out []Item
	at := map[string]int{}
	for _, f := range facts {
		k := key(f)
		i, ok := at[k]
		if !ok {
			at[k] = len(out)
			out = append(out, Item{Title: f.Title, Text: f.Text, State: f.State, Last: f, Since: f.At, Facts: 1})
			continue
		}
		x := &out[i]
		x.Facts++
		if !f.At.IsZero() && (x.Since.IsZero() || f.At.Before(x.Since)) {
			x.Since = f.At
		}
		if strings.HasPrefix(x.Last.Key, "encounter/") && !strings.HasPrefix(f.Key, "encounter/") {
			x.Title, x.Text, x.State, x.Last = f.Title, f.Text, f.State, f
		}
	}
	return out
}

// plain is a name without what writers vary: case, blanks, width.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '\u00a0' || r == '\u3000' || r == '（' || r == '）' || r == '(' || r == ')':
			return -1
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= '！' && r <= '～':
			return plainWide(r)
		}
		return r
	}, s)
}

func plainWide(r rune) rune {
	r = r - '！' + '!'
	if r >= 'A' && r <= 'Z' {
		return r - 'A' + 'a'
	}
	return r
}

// AllSeries are the results that may be shown, by test and unit, the tests of
// the newest results first. One LOINC code is one test, whatever it is called.
func (c Chart) AllSeries() []Series {
	var out []Series
	at := map[string]int{}
	alias := map[string]string{}
	for _, f := range slices.Backward(c.Facts) {
		if f.Kind != Result || f.Hidden || f.State == Mistaken {
			continue
		}
		for _, v := range f.Values {
			k := plain(v.Test) + "|" + plain(v.Unit)
			if loinc := loincOf(f); loinc != "" && len(f.Values) == 1 {
				if known, ok := alias[loinc+"|"+plain(v.Unit)]; ok {
					k = known
				} else {
					alias[loinc+"|"+plain(v.Unit)] = k
				}
			}
			i, ok := at[k]
			if !ok {
				i = len(out)
				at[k] = i
				out = append(out, Series{Test: v.Test, Unit: v.Unit})
			}
			out[i].Points = append(out[i].Points, Point{At: f.At, DayOnly: f.DayOnly, Value: v, Fact: f})
		}
	}
	for i := range out {
		slices.SortStableFunc(out[i].Points, func(a, b Point) int { return a.At.Compare(b.At) })
		out[i].Way = wayOf(out[i].Numbers(), c.Rules.TrendPercent)
	}
	slices.SortStableFunc(out, func(a, b Series) int { return b.Last().At.Compare(a.Last().At) })
	return out
}

func loincOf(f Fact) string {
	for _, c := range f.Codes {
		if c.System == "http://loinc.org" {
			return c.Code
		}
	}
	return ""
}

// SeriesOf is the series of one test, by the name and unit of any of its points.
func (c Chart) SeriesOf(test, unit string) (Series, bool) {
	for _, s := range c.AllSeries() {
		if s.Test == test && s.Unit == unit {
			return s, true
		}
	}
	return Series{}, false
}

// Filter narrows a timeline; zero fields do not narrow.
type Filter struct {
	Kind     Kind
	Org      string // name of the institution
	From, To calendar.Date
}

// Entry is a line of the timeline: one fact, or the results of one moment at
// one institution.
type Entry struct {
	Fact
	Results []Fact
}

// Timeline is everything, the newest first, results gathered under their report
// or their moment.
func (c Chart) Timeline(q Filter) []Entry {
	inReport := map[string]bool{}
	for _, f := range c.Facts {
		for _, key := range f.Parts {
			inReport[key] = !f.Hidden || inReport[key]
		}
	}
	byKey := map[string]Fact{}
	for _, f := range c.Facts {
		byKey[f.Key] = f
	}
	var out []Entry
	for _, f := range c.Facts {
		switch {
		case q.Org != "" && (f.Hidden || f.OrgName != q.Org), q.From != "" && f.Day() < q.From, q.To != "" && f.Day() > q.To:
			continue
		case q.Kind != "" && (f.Hidden || f.Kind != q.Kind && (q.Kind != Result || f.Kind != Report || len(f.Parts) == 0)):
			continue
		case f.Kind == Result && inReport[f.Key]:
			continue
		}
		e := Entry{Fact: f}
		for _, key := range f.Parts {
			if x, ok := byKey[key]; ok && !f.Hidden && !x.Hidden && x.State != Mistaken {
				e.Results = append(e.Results, x)
			}
		}
		if n := len(out); n > 0 && f.Kind == Result && !f.Hidden && f.State != Mistaken {
			last := &out[n-1]
			if last.Kind == Result && !last.Hidden && last.State != Mistaken && last.At.Equal(f.At) && last.OrgName == f.OrgName {
				if last.Results == nil {
					last.Results = []Fact{last.Fact}
				}
				last.Results = append(last.Results, f)
				continue
			}
		}
		out = append(out, e)
	}
	return out
}

// Orgs are the institutions of the facts that may be shown, sorted.
func (c Chart) Orgs() []string {
	var out []string
	for _, f := range c.Facts {
		if !f.Hidden && f.OrgName != "" && !slices.Contains(out, f.OrgName) {
			out = append(out, f.OrgName)
		}
	}
	slices.Sort(out)
	return out
}
