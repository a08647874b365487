package flow

import (
	"context"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/policy"
)

// warningHour is when the holder of a clock in days is warned: at the
// beginning of a working day, when there is still time to act.
const warningHour = 9 * time.Hour

// Policy keys of the warning: how much of an hour clock is left, in percent,
// and the shortest clock that is worth a warning.
const (
	keyWarning      = "flow.clock.warning"
	keyWarningAbove = "flow.clock.warning.above"
)

// warningAt is when the holder is warned that a clock runs out, so that a
// breach shows before it happens: for days and promised times at 09:00 of the
// last working day before the due date, or of the due date itself when that
// has passed; for hours when the policy's share of the clock is left. Zero: no
// warning, because the clock is too short, provisional or nearly over, or
// because the policy does not ask for one.
func (e *Engine) warningAt(c Case, now time.Time) (time.Time, error) {
	left, above, ok, err := e.warningRule(c)
	if err != nil || !ok || c.DueShort {
		return time.Time{}, err
	}
	if length, hours := clockHours(c); hours {
		if length <= above {
			return time.Time{}, nil
		}
		at := c.DueAt.Add(-length * time.Duration(left) / 100)
		return within(at, now, c.DueAt), nil
	}
	due := calendar.DateOf(c.DueAt)
	if day, ok := e.dayBefore(due, calendar.DateOf(now)); ok {
		if at := within(day.Time().Add(warningHour), now, c.DueAt); !at.IsZero() {
			return at, nil
		}
	}
	return within(due.Time().Add(warningHour), now, c.DueAt), nil
}

// warningRule reads the policy; ok is false when it does not ask for warnings.
func (e *Engine) warningRule(c Case) (left int64, above time.Duration, ok bool, err error) {
	day := calendar.DateOf(c.EnteredAt)
	share, err := e.Book.Resolve(keyWarning, c.Place, day)
	if errs.Is(err, errs.NotFound) {
		return 0, 0, false, nil
	}
	if err != nil {
		return 0, 0, false, err
	}
	if left, err = share.Int(); err != nil {
		return 0, 0, false, err
	}
	shortest, err := e.Book.Resolve(keyWarningAbove, c.Place, day)
	if err != nil {
		return 0, 0, false, err
	}
	d, err := shortest.Deadline()
	return left, clockTime(d), true, err
}

// clockHours is the length of a clock in minutes or hours: the rule's, counted
// back from the due time, or what was left of it after a pause.
func clockHours(c Case) (length time.Duration, hours bool) {
	d, err := policy.ParseDeadline(c.DueRule)
	if err != nil || (d.Unit != policy.Minutes && d.Unit != policy.Hours) {
		return 0, false
	}
	return min(clockTime(d), c.DueAt.Sub(c.EnteredAt)), true
}

// clockTime is a deadline as clock time.
func clockTime(d policy.Deadline) time.Duration {
	switch d.Unit {
	case policy.Minutes:
		return time.Duration(d.N) * time.Minute
	case policy.Hours:
		return time.Duration(d.N) * time.Hour
	}
	return time.Duration(d.N) * 24 * time.Hour
}

// within is at if it lies between now and due, else zero.
func within(at, now, due time.Time) time.Time {
	if at.After(now) && at.Before(due) {
		return at
	}
	return time.Time{}
}

// dayBefore is the last working day before a date, from a day on.
func (e *Engine) dayBefore(due, from calendar.Date) (calendar.Date, bool) {
	for d := due.AddDays(-1); !d.Before(from); d = d.AddDays(-1) {
		if working, _ := e.Calendar.Working(d); working {
			return d, true
		}
	}
	return "", false
}

// warn runs before a clock runs out: if the case still stands as it did, its
// holder is told once.
func (e *Engine) warn(ctx context.Context, tx *db.Tx, args clockArgs) error {
	c, err := Get(ctx, tx, args.Case)
	if err != nil || !args.still(c) {
		return err
	}
	m, err := e.Machine(c.Kind)
	if err != nil {
		return err
	}
	s, _ := m.State(c.State)
	due := c.DueAt.In(calendar.Shanghai).Format("1月2日 15:04")
	return e.notify(ctx, tx, notice(m, c, "due", "在“%s”的时限将至（%s 截止），请及时办理", s.Title, due).toHolder(c))
}
