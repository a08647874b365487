package referralcount_test

import (
	"fmt"
	"testing"
	"time"

	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/referralcount"
)

// The worked example of the handbook: 10 sent, 2 withdrawn, 1 returned, 5
// closed with a result: closure 5/7 = 71.4 %.
func TestClosureRateOfTheWorkedExample(t *testing.T) {
	history := func(actions ...string) referralcount.History {
		h := referralcount.History{Direction: referral.Up}
		to := map[string]string{
			referral.ActSubmit: referral.StateSubmitted, referral.ActAccept: referral.StateAccepted, referral.ActArrive: referral.StateArrived,
			referral.ActWithdraw: referral.StateWithdrawn, referral.ActDecline: referral.StateDeclined, referral.ActAcknowledge: referral.StateClosed,
		}
		for _, a := range actions {
			h.Events = append(h.Events, flow.Event{Action: a, ToState: to[a], At: dbtest.Clock})
		}
		return h
	}
	var all []referralcount.History
	for range 2 {
		all = append(all, history(referral.ActSubmit, referral.ActWithdraw))
	}
	all = append(all, history(referral.ActSubmit, referral.ActDecline))
	for range 5 {
		all = append(all, history(referral.ActSubmit, referral.ActAccept, referral.ActArrive, referral.ActAcknowledge))
	}
	for range 2 {
		all = append(all, history(referral.ActSubmit))
	}
	c := referralcount.Recount(all, dbtest.Clock.Add(4*24*time.Hour))
	percent, ok := c.Closure.Percent()
	if c.Closure != (referralcount.Rate{Numerator: 5, Denominator: 7}) || !ok || fmt.Sprintf("%.1f", percent) != "71.4" {
		t.Errorf("closure %+v", c.Closure)
	}
	if c.Arrivals[referral.Up] != 5 || c.OpenAge.Week != 3 || c.Sent != 10 {
		t.Errorf("%+v", c)
	}
	if _, ok := referralcount.Recount(nil, dbtest.Clock).Closure.Percent(); ok {
		t.Error("no denominator: not computable")
	}
}

// D17: a report is owed when it has been sent, and when the clock of an arrived
// patient has run out; not while there is time, nor for cancelled visits.
func TestReportsOwed(t *testing.T) {
	due := dbtest.Clock.Add(24 * time.Hour)
	history := func(last string, state string) referralcount.History {
		return referralcount.History{Direction: referral.Up, Events: []flow.Event{
			{Action: referral.ActSubmit, ToState: referral.StateSubmitted, At: dbtest.Clock, DueAt: due},
			{Action: referral.ActArrive, ToState: referral.StateArrived, At: dbtest.Clock, DueAt: due},
			{Action: last, ToState: state, At: dbtest.Clock, DueAt: due},
		}}
	}
	all := []referralcount.History{
		history(referral.ActComplete, referral.StateCompleted),
		history(referral.ActComplete, referral.StateCompleted),
		history(referral.ActStart, referral.StateInCare),
		history(referral.ActAnswerCancel, referral.StateCancelled),
		history(referral.ActDeathAtTarget, referral.StateClosed),
		history(referral.ActHandOn, referral.StateSubmitted),
	}
	for _, x := range []struct {
		now  time.Time
		list []referralcount.History
		want referralcount.Rate
	}{
		{due.Add(-time.Minute), all, referralcount.Rate{Numerator: 2, Denominator: 2}},
		{due.Add(time.Minute), all, referralcount.Rate{Numerator: 2, Denominator: 3}},
		{due.Add(-time.Minute), all[2:], referralcount.Rate{}},
	} {
		if got := referralcount.Recount(x.list, x.now).Reported; got != x.want {
			t.Errorf("reported %+v, want %+v", got, x.want)
		}
	}
}
