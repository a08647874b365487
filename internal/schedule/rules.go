package schedule

import (
	"cmp"
	"slices"
	"time"

	"yilian/internal/calendar"
)

// Pool is a share of the places of a session.
type Pool string

// The shares.
const (
	Alliance Pool = "alliance" // kept for referrals of members
	Contract Pool = "contract" // kept for contracted residents
	Public   Pool = "open"     // for everybody
)

// Title is the share in Chinese.
func (p Pool) Title() string {
	return map[Pool]string{Alliance: "转诊预留", Contract: "签约预留", Public: "公开"}[p]
}

// Priority is what speaks for a patient: the triage level first, then contract
// and referral, then who has waited longer (LL-4.4.1b).
type Priority struct {
	Urgency    string // I, II, III, IV; empty counts as IV
	Referred   bool   // referred by a member of the alliance
	Contracted bool   // contracted with a family doctor
	Since      time.Time
}

func (p Priority) level() int {
	switch p.Urgency {
	case "I":
		return 1
	case "II":
		return 2
	case "III":
		return 3
	}
	return 4
}

// Compare orders waiting patients: negative when a goes before b. Contract and
// referral count only within one level of triage.
func Compare(a, b Priority) int {
	credit := func(p Priority) int {
		n := 0
		if p.Contracted {
			n += 2
		}
		if p.Referred {
			n++
		}
		return n
	}
	return cmp.Or(
		cmp.Compare(a.level(), b.level()),
		cmp.Compare(credit(b), credit(a)),
		a.Since.Compare(b.Since),
	)
}

// pools returns the shares that a patient may take a place from, the one to be
// used first in front. His own reserved shares come first, so that the open
// places stay for those who have none; then the open ones. Shares reserved for
// others come last, and only when they are released, or when triage is more
// urgent than IV: priority never passes triage.
func pools(p Priority, released bool) []Pool {
	var out []Pool
	if p.Contracted {
		out = append(out, Contract)
	}
	if p.Referred {
		out = append(out, Alliance)
	}
	out = append(out, Public)
	if released || p.level() < 4 {
		for _, other := range []Pool{Alliance, Contract} {
			if !slices.Contains(out, other) {
				out = append(out, other)
			}
		}
	}
	return out
}

// Share is one share of a day.
type Share struct{ Places, Taken int }

// Left is the number of places not taken.
func (s Share) Left() int { return s.Places - s.Taken }

// Shares are the shares of the day of a schedule.
type Shares map[Pool]Share

// choose returns the share that a patient takes his place from; ok is false
// when none that is his to take has one left.
func (s Shares) choose(p Priority, released bool) (pool Pool, ok bool) {
	for _, pool := range pools(p, released) {
		if s[pool].Left() > 0 {
			return pool, true
		}
	}
	return "", false
}

// reserved is the number of places that are left but kept for others.
func (s Shares) reserved() int { return s[Alliance].Left() + s[Contract].Left() }

// divide splits the places of a day into shares as near to the wanted ones as
// what is already taken allows: nobody loses his place to a new division.
func divide(places, alliance, contract int, taken Shares) Shares {
	a, c, o := taken[Alliance].Taken, taken[Contract].Taken, taken[Public].Taken
	rest := max(0, places-a-c-o)
	give := func(want, has int) int {
		n := min(rest, max(0, want-has))
		rest -= n
		return has + n
	}
	na := give(alliance, a)
	nc := give(contract, c)
	return Shares{Alliance: {na, a}, Contract: {nc, c}, Public: {o + rest, o}}
}

// session is one slot that the plan of a day asks for.
type session struct {
	start, end   time.Time
	capacity     int
	practitioner string
}

// plan lays out the slots of a schedule on a day. A holiday closes it unless
// the schedule says otherwise; a closure beats everything, an extra session
// stands even where the week has none.
func plan(s Schedule, day calendar.Date, holiday bool, exceptions []Exception) []session {
	if !s.Active {
		return nil
	}
	doctor := s.Practitioner
	for _, e := range exceptions {
		if e.Kind == Substitute {
			doctor = e.Practitioner
		}
	}
	var out []session
	add := func(from, to Clock, capacity int) {
		for m := from.minutes(); m+s.Minutes <= to.minutes(); m += s.Minutes {
			next := session{clockOf(m).on(day), clockOf(m).on(day).Add(time.Duration(s.Minutes) * time.Minute), capacity, doctor}
			clash := func(o session) bool { return o.start.Before(next.end) && next.start.Before(o.end) }
			if !slices.ContainsFunc(out, clash) {
				out = append(out, next)
			}
		}
	}
	inTerm := day >= s.ValidFrom && (s.ValidTo == "" || day <= s.ValidTo)
	if inTerm && s.on(day.Weekday()) && (!holiday || s.Holidays) {
		add(s.From, s.To, s.Capacity)
	}
	for _, e := range exceptions {
		if e.Kind == Extra {
			add(e.From, e.To, e.Capacity)
		}
	}
	out = slices.DeleteFunc(out, func(x session) bool {
		return slices.ContainsFunc(exceptions, func(e Exception) bool { return e.Kind == Closed && e.covers(day, x.start) })
	})
	slices.SortFunc(out, func(a, b session) int { return a.start.Compare(b.start) })
	return out
}

// covers reports whether a closure reaches an instant of its day.
func (e Exception) covers(day calendar.Date, at time.Time) bool {
	return e.From == "" || (!at.Before(e.From.on(day)) && at.Before(e.To.on(day)))
}

// bedPools returns the pools that a request may take a bed from, best first.
// Isolation beds are for isolation only; men, women and children may lie in a
// bed without a mark.
func bedPools(want BedKind) []BedKind {
	if want == AnyBed || want == IsolationBed {
		return []BedKind{want}
	}
	return []BedKind{want, AnyBed}
}

// Meets reports whether two slots have an instant in common: nobody can keep
// both. A slot that is none meets no other.
func (s Slot) Meets(o Slot) bool { return s.ID != "" && overlap(s, o) }

// overlap reports whether two spans of time have an instant in common.
func overlap(a, b Slot) bool { return a.Start.Before(b.End) && b.Start.Before(a.End) }
