// Package baseline keeps how many patients an institution sent in past periods
// and measures growth against them (X10, D22). A figure carries its source; one
// from paper is not compared with the platform's unless somebody answers for
// it, and what cannot be computed says why: it is never infinite and never 0.
package baseline

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/policy"
	"yilian/internal/referral"
)

// Source is where a figure comes from.
type Source string

const (
	Paper    Source = "paper"    // a register kept on paper
	Platform Source = "platform" // this platform, or one whose cases are the same
	Estimate Source = "estimate"
)

// Sources returns the sources in the order of lists.
func Sources() []Source { return []Source{Paper, Platform, Estimate} }

// Title is the source in Chinese.
func (s Source) Title() string {
	return map[Source]string{Paper: "纸质台账", Platform: "平台", Estimate: "估计"}[s]
}

// Directions are the directions that have a growth: targets speak of these.
func Directions() []referral.Direction { return []referral.Direction{referral.Up, referral.Down} }

// Span is a period of business dates, both inclusive.
type Span struct{ From, To calendar.Date }

// Title is the period as screens show it.
func (s Span) Title() string { return string(s.From) + " 至 " + string(s.To) }

func (s Span) covers(o Span) bool   { return !o.From.Before(s.From) && !o.To.After(s.To) }
func (s Span) overlaps(o Span) bool { return !s.From.After(o.To) && !o.From.After(s.To) }

// Before is the same period of another year. The last day of February follows
// the length of its month.
func (s Span) Before(year int) Span {
	last := s.To.AddDays(1).Time()
	shift := year - s.From.Year()
	return Span{
		From: calendar.DateOf(s.From.Time().AddDate(shift, 0, 0)),
		To:   calendar.DateOf(last.AddDate(shift, 0, 0)).AddDays(-1),
	}
}

// Entry is one baseline: how many patients whom Org sent in Span arrived.
type Entry struct {
	ID, Org, OrgName string
	Direction        referral.Direction
	Span
	N           int64
	Source      Source
	Note        string // which register, who counted
	EnteredAt   time.Time
	EnteredName string
	Confirmed   time.Time // zero: not confirmed to be comparable
	ConfirmedBy string
	ConfirmNote string
	VoidedAt    time.Time
	VoidedBy    string
	VoidReason  string
}

// Comparable reports whether the figure may be set against the platform's.
func (e Entry) Comparable() bool { return e.Source == Platform || !e.Confirmed.IsZero() }

// Known is what is known of one institution for one comparison.
type Known struct {
	Org, OrgName string
	Now          int64         // arrivals of the period so far
	Entries      []Entry       // live ones that lie in the base period
	Joined       calendar.Date // first day of its first membership; "" in no alliance
	First        calendar.Date // first day on which it sent over the platform; "" never
}

// Growth is the growth of an institution, or why there is none.
type Growth struct {
	Known
	Base    int64 // sum of the entries; meaningful when HasBase
	HasBase bool
	Percent float64 // when Reason is ""
	Reason  string  // why it cannot be computed
	Running bool    // the only reason is that the period has not ended
}

// Measured reports whether the base can be compared, so that targets and gaps
// in cases can be computed from it.
func (g Growth) Measured() bool { return g.HasBase && (g.Reason == "" || g.Running) }

// Compare measures one institution in a period against its base period.
func Compare(k Known, period, base Span, today calendar.Date) Growth {
	g := Growth{Known: k}
	for _, e := range k.Entries {
		g.Base += e.N
	}
	switch gap, whole := uncovered(k.Entries, base); {
	case len(k.Entries) == 0:
		g.Reason = "没有登记 " + base.Title() + " 的基数"
	case !whole:
		g.Reason = "基数不完整：缺 " + gap.Title()
	case k.Joined != "" && k.Joined.After(base.From):
		g.HasBase, g.Reason = true, fmt.Sprintf("%s 起才是医联体成员，不满一个基期", k.Joined)
	case g.Base == 0:
		g.HasBase, g.Reason = true, "基数为 0"
	case slices.ContainsFunc(k.Entries, func(e Entry) bool { return !e.Comparable() }):
		g.HasBase, g.Reason = true, "不可比：基数来自"+sourcesOf(k.Entries)+"，本期来自平台；换了统计方式不是增长，确认口径一致后才计算"
	case !today.After(period.To):
		g.HasBase, g.Running, g.Reason = true, true, "本期到 "+string(period.To)+" 才结束"
	default:
		g.HasBase, g.Percent = true, 100*float64(k.Now-g.Base)/float64(g.Base)
	}
	return g
}

// uncovered is the first part of the span that no entry covers.
func uncovered(list []Entry, span Span) (gap Span, whole bool) {
	list = slices.SortedFunc(slices.Values(list), func(a, b Entry) int { return cmp.Compare(a.From, b.From) })
	next := span.From
	for _, e := range list {
		if e.From.After(next) {
			return Span{next, e.From.AddDays(-1)}, false
		}
		if !e.To.Before(next) {
			next = e.To.AddDays(1)
		}
	}
	if next.After(span.To) {
		return Span{}, true
	}
	return Span{next, span.To}, false
}

func sourcesOf(list []Entry) string {
	var out string
	for _, s := range Sources() {
		if s == Platform || !slices.ContainsFunc(list, func(e Entry) bool { return e.Source == s && !e.Comparable() }) {
			continue
		}
		if out != "" {
			out += "、"
		}
		out += s.Title()
	}
	return out
}

// Total adds up the institutions that can be compared; the others are left out
// on both sides and counted in left.
func Total(list []Growth, period Span, today calendar.Date) (total Growth, in, left int) {
	for _, g := range list {
		if !g.Measured() {
			left++
			continue
		}
		in++
		total.Now, total.Base = total.Now+g.Now, total.Base+g.Base
	}
	switch {
	case in == 0:
		total.Reason = "没有一家机构有可比的基数"
	case !today.After(period.To):
		total.HasBase, total.Running, total.Reason = true, true, "本期到 "+string(period.To)+" 才结束"
	default:
		total.HasBase, total.Percent = true, 100*float64(total.Now-total.Base)/float64(total.Base)
	}
	return total, in, left
}

// Gap is how far a figure is from a target of growth.
type Gap struct {
	Bound int64 // cases that are asked for, or allowed
	Cases int64 // still to be reached, or still allowed; negative: passed
	Met   bool
	Most  bool // the target is an upper bound
}

// Against holds a figure against a target: at least, or at most, Value percent
// more than the base.
func Against(t policy.Target, base, now int64) Gap {
	exact := float64(base) * (100 + t.Value) / 100
	switch t.Op {
	case "<=", "<":
		bound := int64(math.Floor(exact + 1e-9))
		if t.Op == "<" && float64(bound) > exact-1e-9 {
			bound--
		}
		return Gap{Bound: bound, Cases: bound - now, Met: now <= bound, Most: true}
	}
	bound := int64(math.Ceil(exact - 1e-9))
	if t.Op == ">" && float64(bound) < exact+1e-9 {
		bound++
	}
	return Gap{Bound: bound, Cases: bound - now, Met: now >= bound}
}

// Text is the gap in words.
func (g Gap) Text(d referral.Direction) string {
	switch {
	case g.Most && g.Met:
		return fmt.Sprintf("最多 %d 例，还可%s %d 例", g.Bound, d.Title(), g.Cases)
	case g.Most:
		return fmt.Sprintf("最多 %d 例，已超出 %d 例", g.Bound, -g.Cases)
	case g.Met:
		return fmt.Sprintf("至少 %d 例，已达到", g.Bound)
	}
	return fmt.Sprintf("至少 %d 例，还需%s %d 例", g.Bound, d.Title(), g.Cases)
}
