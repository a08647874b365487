// Package referralcount counts referrals: how many were sent, arrived and
// ended with a result, how long they waited, how many reports came back. A
// figure is computed from the rows and, by Recount, from the events alone;
// both say the same.
package referralcount

import (
	"cmp"
	"slices"
	"time"

	"yilian/internal/flow"
	"yilian/internal/referral"
)

// Rate is a share with its parts. Without a denominator it is not computable,
// which is not zero.
type Rate struct{ Numerator, Denominator int64 }

// Percent returns the share; ok is false when it cannot be computed.
func (r Rate) Percent() (percent float64, ok bool) {
	if r.Denominator == 0 {
		return 0, false
	}
	return 100 * float64(r.Numerator) / float64(r.Denominator), true
}

// Waits is the distribution of a waiting time; N 0 means not computable.
type Waits struct {
	N           int
	Median, P90 time.Duration
}

// waits takes the nearest rank of the sorted times.
func waits(list []time.Duration) Waits {
	if len(list) == 0 {
		return Waits{}
	}
	slices.Sort(list)
	rank := func(percent int) time.Duration { return list[(len(list)*percent+99)/100-1] }
	return Waits{N: len(list), Median: rank(50), P90: rank(90)}
}

// StateCount is how many referrals of a direction are in a state.
type StateCount struct {
	Direction referral.Direction
	State     string
	N         int64
}

// Ages are the open referrals by time since they were sent.
type Ages struct{ Day, ThreeDays, Week, Longer int64 }

func (a *Ages) add(age time.Duration, n int64) {
	const day = 24 * time.Hour
	switch {
	case age < day:
		a.Day += n
	case age < 3*day:
		a.ThreeDays += n
	case age < 7*day:
		a.Week += n
	default:
		a.Longer += n
	}
}

// Counts are the figures of the referrals that were sent in a period. 上转 and
// 下转例数 count arrivals. Closure is closed with a result ÷ (all sent −
// withdrawn − declined). A report is owed once it has been sent or once the clock
// of an arrived patient has run out; a visit that was cancelled, or that ended
// with a death, owes none.
type Counts struct {
	Sent     int64
	ByState  []StateCount // by direction, then state
	Arrivals map[referral.Direction]int64
	Accepted Waits // receiver's time until acceptance; time for questions not counted
	Closure  Rate
	Reported Rate // reports sent ÷ reports owed by arrived patients' doctors
	OpenAge  Ages

	Emergencies int64 // sent as emergencies, back-entries not counted
	BackEntries int64 // 补录: written down after the patient had arrived; among Sent and Arrivals
	Confirmed   Waits // from sending an emergency to the first confirmation of the receiving side
}

// tally is one referral as the counts see it.
type tally struct {
	direction referral.Direction
	state     string
	submitted time.Time
	waited    time.Duration
	accepted  bool
	arrived   bool
	declined  bool
	result    bool
	reported  bool
	due       time.Time // of the present state
	emergency bool
	backEntry bool
	confirmed time.Duration // of an emergency; 0: nobody has confirmed
}

// overdue reports whether the receiving doctors are late with the report.
func (t tally) overdue(now time.Time) bool {
	return (t.state == referral.StateArrived || t.state == referral.StateInCare) && t.due.Before(now)
}

// sum adds referrals up. SQL rows and replayed events both end here, so that
// they can differ only in what they say about one referral.
func sum(list []tally, now time.Time) Counts {
	out := Counts{Arrivals: map[referral.Direction]int64{}}
	groups := map[StateCount]int64{}
	var times, confirmed []time.Duration
	terminal, machine := map[string]bool{}, referral.Machine()
	for _, s := range machine.States {
		terminal[s.Name] = s.Terminal()
	}
	for _, t := range list {
		out.Sent++
		groups[StateCount{Direction: t.direction, State: t.state}]++
		if t.arrived {
			out.Arrivals[t.direction]++
		}
		switch {
		case t.backEntry:
			out.BackEntries++
		case t.emergency:
			out.Emergencies++
		}
		if t.confirmed > 0 {
			confirmed = append(confirmed, t.confirmed)
		}
		if t.accepted {
			times = append(times, t.waited)
		}
		if t.state != referral.StateWithdrawn && !t.declined {
			out.Closure.Denominator++
			if t.result {
				out.Closure.Numerator++
			}
		}
		if t.reported || t.overdue(now) {
			out.Reported.Denominator++
			if t.reported {
				out.Reported.Numerator++
			}
		}
		if !terminal[t.state] {
			out.OpenAge.add(now.Sub(t.submitted), 1)
		}
	}
	for k, n := range groups {
		k.N = n
		out.ByState = append(out.ByState, k)
	}
	slices.SortFunc(out.ByState, func(a, b StateCount) int {
		return cmp.Or(cmp.Compare(a.Direction, b.Direction), cmp.Compare(a.State, b.State))
	})
	out.Accepted, out.Confirmed = waits(times), waits(confirmed)
	return out
}

// History is one referral as its events tell it.
type History struct {
	Direction referral.Direction
	Events    []flow.Event // oldest first
}

// Recount computes the counts from the events alone. It must say the same as
// the counts from the rows; a test holds the two together.
func Recount(histories []History, now time.Time) Counts {
	var list []tally
	for _, h := range histories {
		if t, sent := replay(h); sent {
			list = append(list, t)
		}
	}
	return sum(list, now)
}

// replay follows one referral through its events.
func replay(h History) (t tally, sent bool) {
	t.direction = h.Direction
	for _, e := range h.Events {
		if e.FromState == referral.StateSubmitted && e.ToState != referral.StateSubmitted && e.HeldSide == flow.To {
			t.waited += e.Held
		}
		t.state, t.due = e.ToState, e.DueAt
		switch e.Action {
		case referral.ActAccept:
			t.accepted = true
		case referral.ActArrive:
			t.arrived = true
		case referral.ActEmergency:
			sent, t.submitted, t.emergency = true, e.At, true
		case referral.ActBackEntry:
			sent, t.submitted, t.backEntry, t.arrived = true, e.At, true, true
		case referral.ActAcknowledgeED, referral.ActAcknowledgePhone, referral.ActDivert, referral.ActDivertFrom:
			if t.confirmed == 0 {
				t.confirmed = max(e.At.Sub(t.submitted), time.Millisecond)
			}
		case referral.ActDecline, referral.ActDeclineDown:
			t.declined = true
		case referral.ActComplete, referral.ActCompleteDown:
			t.reported = true
		case referral.ActAcknowledge, referral.ActDeath, referral.ActDeathAtTarget:
			t.result = true
		case referral.ActSubmit, referral.ActPass, referral.ActElsewhere, referral.ActRedirect, referral.ActHandOn:
			if e.ToState != referral.StateSubmitted {
				continue
			}
			t.waited, t.accepted, t.declined = 0, false, false
			if !sent {
				sent, t.submitted = true, e.At
			}
		}
	}
	return t, sent
}
