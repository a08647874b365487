// Package consulttest puts consultations into the small world of the referral
// tests.
package consulttest

import (
	"context"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/consult"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
	"yilian/internal/practitioner"
	"yilian/internal/referral/referraltest"
)

var ctx = context.Background()

// World is the referral world with consultations.
type World struct {
	*referraltest.World
	Consults *consult.Service
}

// New builds the world on a fresh database, at dbtest.Clock. Specialist and
// Specialist2 work in the hospital's cardiology.
func New(t testing.TB, d *db.DB) *World {
	t.Helper()
	r := referraltest.New(t, d)
	w := &World{World: r, Consults: &consult.Service{
		DB: d, Flow: r.Flow, Book: r.Flow.Book, Access: access.New(r.Audit), Audit: r.Audit, Keys: r.Keys,
		Patients: r.Persons, Messages: r.Service.Messages, Referrals: r.Service,
	}}
	w.ok(w.Consults.Init())
	r.Service.OnDeath = w.Consults.EndForDeath
	for _, a := range []access.Actor{r.Specialist, r.Specialist2} {
		_, err := r.Staff.Post(ctx, audit.Program("test"), practitioner.Posting{
			Practitioner: a.Person, Org: a.Org, Department: a.Department, Kind: practitioner.Posted, From: calendar.DateOf(dbtest.Clock.AddDate(0, -1, 0)),
		})
		w.ok(err)
	}
	return w
}

func (w *World) ok(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatalf("consulttest: %v", err)
	}
}

// Question is a complete question about patient i to the hospital's cardiology,
// signed by the patient.
func (w *World) Question(i int) consult.Form {
	return consult.Form{
		Patient: w.Patients[i].ID, Diagnosis: "I20.900", Pace: consult.Routine, Target: consult.Target{Department: w.Cardiology.ID},
		Question: consult.Question{
			Chief: "反复胸闷 3 天", Summary: "活动后胸闷，休息后缓解，心电图 ST 段轻度压低", Treatment: "阿司匹林 100mg 口服", Text: "能否在卫生院调整用药，还是需要转诊？",
		},
		Consent: w.Consent(),
	}
}

// Ask opens a consultation about patient i.
func (w *World) Ask(i int, change ...func(*consult.Form)) flow.Case {
	w.T.Helper()
	f := w.Question(i)
	for _, c := range change {
		c(&f)
	}
	c, err := w.Consults.Ask(ctx, w.Doctor, f, w.Token())
	w.ok(err)
	return c
}

// Reply is a complete answer of a kind.
func (w *World) Reply(kind string) consult.Answer {
	a := consult.Answer{Kind: kind, Opinion: "考虑稳定型心绞痛", Watch: "静息时胸痛超过 20 分钟", Phone: "07466330001"}
	switch kind {
	case consult.Local:
		a.Plan = "加用美托洛尔 12.5mg 每日 2 次，一周后复查"
	case consult.Exam:
		a.Exams = "运动平板试验"
	case consult.Refer:
		a.Urgency = "III"
	}
	return a
}

// To opens a consultation about patient i and drives it to a state.
func (w *World) To(i int, state string, change ...func(*consult.Form)) flow.Case {
	w.T.Helper()
	c, s := w.Ask(i, change...), w.Consults
	var err error
	switch state {
	case consult.StateMoreInfo:
		c, err = s.AskBack(ctx, w.Specialist, w.Ref(c), "exam", "请补充心电图")
	case consult.StateAnswered:
		c, err = s.Reply(ctx, w.Specialist, w.Ref(c), w.Reply(consult.Refer))
	case consult.StateDeclined:
		c, err = s.Decline(ctx, w.Specialist, w.Ref(c), consult.Decline{Reason: "not_our_field", Whom: "神经内科"})
	case consult.StateWithdrawn:
		c, err = s.Withdraw(ctx, w.Doctor, w.Ref(c), "better", "")
	case consult.StateClosed:
		if c, err = s.Reply(ctx, w.Specialist, w.Ref(c), w.Reply(consult.Local)); err == nil {
			c, err = s.Close(ctx, w.Doctor, w.Ref(c), consult.Survey{Avoided: true, Helpful: 5})
		}
	}
	w.ok(err)
	if c.State != state {
		w.T.Fatalf("consulttest: no way to %s, stands at %s", state, c.State)
	}
	return c
}
