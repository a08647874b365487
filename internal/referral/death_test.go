package referral_test

import (
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

// A death ends a case out of every open state; nothing is sent afterwards.
func TestDeathEndsEveryOpenState(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.Register(w.Doctor, "罗长生", "19700101", 31)
		for i, state := range []string{
			referral.StateDraft, referral.StateSubmitted, referral.StateAwaitingInfo, referral.StateDeclined, referral.StateAccepted,
			referral.StateArranged, referral.StateArrived, referral.StateInCare, referral.StateNoShow,
		} {
			c := w.To(i, state)
			must(t, w.Queue.Drain(ctx))
			before := len(messages(t, w, c))
			c, err := w.Service.RecordDeath(ctx, w.Doctor, w.Ref(c), referral.Death{On: "2026-03-02", Reason: "死亡医学证明 0001"})
			if err != nil || c.State != referral.StateClosed || c.Outcome != referral.OutcomeDeath || !c.DueAt.IsZero() {
				t.Fatalf("death in %s: %s, %s, %v", state, c.State, c.Outcome, err)
			}
			must(t, w.Queue.Drain(ctx))
			if n := len(messages(t, w, c)); n != before {
				t.Errorf("%d messages after a death in %s", n-before, state)
			}
		}
	})
}
