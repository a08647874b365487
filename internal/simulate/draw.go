package simulate

import (
	"math/rand/v2"
	"time"

	"yilian/internal/calendar"
)

// rng is a fixed sequence: the same seed draws the same demo.
type rng struct{ *rand.Rand }

func newRand(seed uint64) *rng { return &rng{rand.New(rand.NewPCG(seed, 2020))} }

// pick returns one of list.
func pick[T any](r *rng, list []T) T { return list[r.IntN(len(list))] }

// chance reports true in p of 100 draws.
func (r *rng) chance(p int) bool { return r.IntN(100) < p }

// between returns a duration of min to max minutes.
func (r *rng) between(min, max int) time.Duration {
	return time.Duration(min+r.IntN(max-min+1)) * time.Minute
}

// office moves an instant into working hours: weekdays 08:00 to 17:30. People
// do ordinary paper work then; urgent steps are not moved.
func (r *rng) office(t time.Time) time.Time {
	local := t.In(calendar.Shanghai)
	open := time.Date(local.Year(), local.Month(), local.Day(), 8, r.IntN(50), r.IntN(60), 0, calendar.Shanghai)
	switch {
	case local.Weekday() == time.Saturday:
		return open.AddDate(0, 0, 2)
	case local.Weekday() == time.Sunday:
		return open.AddDate(0, 0, 1)
	case local.Hour() < 8:
		return open
	case local.Hour() >= 17:
		return r.office(open.AddDate(0, 0, 1))
	}
	return t
}
