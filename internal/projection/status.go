package projection

import (
	"strings"
	"time"

	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/terminology"
)

// priorities are the triage levels as FHIR says them.
var priorities = []struct{ urgency, priority string }{{"I", "stat"}, {"II", "asap"}, {"III", "urgent"}, {"IV", "routine"}}

// Priority is the request priority of a triage level.
func Priority(urgency string) string {
	for _, p := range priorities {
		if p.urgency == urgency {
			return p.priority
		}
	}
	return ""
}

// Urgency is the triage level of a request priority, "" for another word.
func Urgency(priority string) string {
	for _, p := range priorities {
		if p.priority == priority {
			return p.urgency
		}
	}
	return ""
}

// TaskStatus is the state of a referral as a Task has it. Closed cases say what
// came of them.
func TaskStatus(c flow.Case, r referral.Record) string {
	switch c.State {
	case referral.StateDraft, referral.StateInReview:
		return "draft"
	case referral.StateSubmitted:
		return "requested"
	case referral.StateAwaitingInfo, referral.StateNoShow:
		return "on-hold"
	case referral.StateAccepted, referral.StateDeferred, referral.StateArranged, referral.StateTransferring, referral.StateArrived:
		return "accepted"
	case referral.StateInCare:
		return "in-progress"
	case referral.StateCompleted:
		return "completed"
	case referral.StateDeclined:
		return "rejected"
	case referral.StateClosed:
		switch {
		case !r.CompletedAt.IsZero():
			return "completed"
		case c.Outcome == referral.OutcomeDeclined:
			return "rejected"
		case c.Outcome == referral.OutcomeNotArrived:
			return "failed"
		}
	}
	return "cancelled"
}

// requestStatus is the state of a referral as a ServiceRequest has it: it
// stands as long as somebody may still act on it.
func requestStatus(c flow.Case, r referral.Record) string {
	switch {
	case c.State == referral.StateDraft || c.State == referral.StateInReview:
		return "draft"
	case !r.CompletedAt.IsZero():
		return "completed"
	case c.State == referral.StateAwaitingInfo || c.State == referral.StateNoShow:
		return "on-hold"
	case c.Open():
		return "active"
	}
	return "revoked"
}

// visitStatus is where an appointment stands.
func visitStatus(c flow.Case, r referral.Record) string {
	switch {
	case c.State == referral.StateArranged:
		return "booked"
	case c.State == referral.StateArrived:
		return "arrived"
	case !r.StartedAt.IsZero():
		return "fulfilled"
	case c.State == referral.StateNoShow || c.Outcome == referral.OutcomeNotArrived:
		return "noshow"
	}
	return "cancelled"
}

func first(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

func join(sep string, parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, sep)
}

// canonical writes a diagnosis as the referral keeps it.
func canonical(code string) string {
	code = terminology.Canonical(code)
	if c, ok := terminology.Get(code); ok {
		return c.Code
	}
	return code
}
