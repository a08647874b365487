package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/errs"
)

// Type is the type of a rule's value.
type Type string

// The types of value.
const (
	TypeBool     Type = "bool"
	TypeInt      Type = "int"
	TypeText     Type = "text"
	TypeDeadline Type = "deadline"
	TypeList     Type = "list"
	TypeCodes    Type = "codes"
)

// Value is the value of a rule; exactly one field counts, the one Type names.
type Value struct {
	Type     Type
	Bool     bool
	Int      int64
	Text     string
	Deadline Deadline
	List     []string
	Codes    []Code
}

// String writes the value for a screen, in Chinese where it needs words.
func (v Value) String() string {
	switch v.Type {
	case TypeBool:
		if v.Bool {
			return "是"
		}
		return "否"
	case TypeInt:
		return strconv.FormatInt(v.Int, 10)
	case TypeDeadline:
		return v.Deadline.Title()
	case TypeList:
		return strings.Join(v.List, "、")
	case TypeCodes:
		titles := make([]string, len(v.Codes))
		for i, c := range v.Codes {
			titles[i] = c.Title
		}
		return strings.Join(titles, "、")
	}
	return v.Text
}

// size orders values for the strictest rule; ok is false for values without
// an order.
func (v Value) size() (n int64, ok bool) {
	switch v.Type {
	case TypeInt:
		return v.Int, true
	case TypeBool:
		if v.Bool {
			return 1, true
		}
		return 0, true
	case TypeDeadline:
		return v.Deadline.size(), true
	}
	return 0, false
}

// Unit is the unit of a deadline.
type Unit string

// The units of a deadline.
const (
	Minutes     Unit = "m"
	Hours       Unit = "h"
	WorkingDays Unit = "wd"
	Days        Unit = "d"
)

// Deadline is a length of time that somebody has: 30m, 2h, 1wd, 7d.
type Deadline struct {
	N    int
	Unit Unit
}

var deadlineText = regexp.MustCompile(`^([1-9][0-9]{0,4})(m|h|wd|d)$`)

// ParseDeadline reads the text form of a deadline.
func ParseDeadline(s string) (Deadline, error) {
	m := deadlineText.FindStringSubmatch(s)
	if m == nil {
		return Deadline{}, errs.E(errs.Invalid, "期限 %q 写法有误，应为 30m（分钟）、2h（小时）、1wd（工作日）或 7d（天）的形式", s)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return Deadline{}, fmt.Errorf("deadline %q: %w", s, err)
	}
	return Deadline{N: n, Unit: Unit(m[2])}, nil
}

// String returns the text form.
func (d Deadline) String() string { return strconv.Itoa(d.N) + string(d.Unit) }

// Title returns the deadline in Chinese: 30 分钟, 1 个工作日.
func (d Deadline) Title() string {
	word := map[Unit]string{Minutes: " 分钟", Hours: " 小时", WorkingDays: " 个工作日", Days: " 天"}[d.Unit]
	return strconv.Itoa(d.N) + word
}

// size orders deadlines in minutes: five working days are taken as a week.
func (d Deadline) size() int64 {
	switch d.Unit {
	case Minutes:
		return int64(d.N)
	case Hours:
		return int64(d.N) * 60
	case WorkingDays:
		return int64(d.N) * 7 * 24 * 60 / 5
	}
	return int64(d.N) * 24 * 60
}

// Due returns the instant at which time is up. Minutes and hours are clock
// time; days end with the n-th calendar day, working days with the n-th
// working day after the day of from. complete is false when the calendar does
// not reach that far: due is then the end of the last known working day.
func (d Deadline) Due(cal *calendar.Calendar, from time.Time) (due time.Time, complete bool) {
	switch d.Unit {
	case Minutes:
		return from.Add(time.Duration(d.N) * time.Minute), true
	case Hours:
		return from.Add(time.Duration(d.N) * time.Hour), true
	case WorkingDays:
		day, complete := cal.AddWorkingDays(calendar.DateOf(from), d.N)
		return calendar.EndOf(day), complete
	}
	return calendar.EndOf(calendar.DateOf(from).AddDays(d.N)), true
}
