package policy

import (
	"math"

	"yilian/internal/calendar"
)

// Figure is a running number that a module computes for a target. Not measured
// is not zero: a figure that cannot be computed says why.
type Figure struct {
	Value  float64 // in the target's unit; meaningless when Reason is set
	Num    int64   // numerator, or the count itself
	Den    int64   // denominator; 0 when the figure is no share
	Reason string  // why it cannot be computed; empty when it can
	AsOf   calendar.Date
	Page   string // where the number is shown with its cases; empty: nowhere
}

// Computable reports whether the figure has a value.
func (f Figure) Computable() bool { return f.Reason == "" }

// Share is the percentage of num in den, not computable without a denominator.
func Share(num, den int64, nothing string) Figure {
	if den == 0 {
		return Figure{Reason: nothing}
	}
	return Figure{Value: round(100 * float64(num) / float64(den)), Num: num, Den: den}
}

// Growth is the growth in percent from base to now (X10): not computable when
// the base is zero or does not cover the whole period.
func Growth(base, now int64, whole bool) Figure {
	switch {
	case !whole:
		return Figure{Num: now, Den: base, Reason: "上一期数据不满整期（中途加入），增幅不可计算"}
	case base == 0:
		return Figure{Num: now, Reason: "上一期为零，增幅不可计算"}
	}
	return Figure{Value: round(100 * float64(now-base) / float64(base)), Num: now, Den: base}
}

// round keeps two decimals, so that a value on a screen is the value compared.
func round(v float64) float64 { return math.Round(v*100) / 100 }

// Verdict is what a figure says about a target on a day.
type Verdict string

// The verdicts.
const (
	Met          Verdict = "met"
	Missed       Verdict = "missed"       // the day has passed and the target is not reached
	Open         Verdict = "open"         // not reached, there is time left or no day
	Unmeasurable Verdict = "unmeasurable" // the figure has no value
)

// Title returns the Chinese name of the verdict.
func (v Verdict) Title() string {
	switch v {
	case Met:
		return "达标"
	case Missed:
		return "期满未达标"
	case Open:
		return "未达标"
	}
	return "不可计算"
}

// Judge holds a figure against the target on a day. The gap is how far the
// value must still move; 0 when the target is met.
func (t Target) Judge(f Figure, day calendar.Date) (v Verdict, gap float64) {
	if !f.Computable() {
		return Unmeasurable, 0
	}
	var met bool
	switch t.Op {
	case ">=":
		met = f.Value >= t.Value
	case "<=":
		met = f.Value <= t.Value
	case ">":
		met = f.Value > t.Value
	case "<":
		met = f.Value < t.Value
	default:
		met = f.Value == t.Value
	}
	if met {
		return Met, 0
	}
	gap = round(t.Value - f.Value)
	if t.Expired(day) {
		return Missed, gap
	}
	return Open, gap
}

// Expired reports whether the day that the target names has passed.
func (t Target) Expired(day calendar.Date) bool { return t.By != "" && t.By < day }
