package referral_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/referralcount"
	"yilian/internal/referral/referraltest"
)

// Random people do random things in random order. Whatever they do, the
// actions offered are exactly those accepted, every accepted one moves the
// version by one, no open case is without owner or due time, and the counts of
// the overview equal a recount from the events.
func TestRandomOrdersKeepTheMachineLegal(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		other, rescue := elsewhere(t, w, 0), w.Rescue()
		runs, limit := 0, 100
		if d.Engine() == db.Postgres {
			limit = 40
		}
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; runs > limit {
				return
			}
			r := &random{rt: rt, w: w, rescue: rescue, i: len(w.Patients), otherService: other.Service.ID}
			w.Register(w.Doctor, "石小花", "19710203", 100+len(w.Patients))
			r.run()
		})
		recount(t, w)
	})
}

// random is one referral in the hands of random people.
type random struct {
	rt           *rapid.T
	w            *referraltest.World
	rescue       *referraltest.Rescue
	i            int // patient
	c            flow.Case
	otherService string
}

func (r *random) run() {
	var err error
	if r.c, err = r.w.Service.Draft(ctx, r.w.Doctor, r.w.Form(r.i), r.w.Token()); err != nil {
		r.rt.Fatal(err)
	}
	w := r.w
	actors := []access.Actor{w.Doctor, w.Colleague, w.Head, w.Centre, w.Centre2, w.Desk, w.Specialist, w.Specialist2,
		w.OtherCentre, w.OtherDesk, w.OtherDoctor, w.Stranger, r.rescue.Room, r.rescue.OtherRoom}
	for range rapid.IntRange(4, 50).Draw(r.rt, "steps") {
		if !r.c.Open() {
			return
		}
		w.After(time.Duration(rapid.IntRange(0, 90).Draw(r.rt, "minutes")) * time.Minute)
		actor := rapid.SampledFrom(actors).Draw(r.rt, "actor")
		action := rapid.SampledFrom(usable()).Draw(r.rt, "action")
		if rapid.IntRange(0, 9).Draw(r.rt, "forward") < 8 { // mostly what is offered to somebody, so that cases get on
			actor, action = r.offered(actors)
		}
		r.try(actor, action)
	}
}

func usable() []string {
	out := []string{flow.ActionClaim}
	for _, a := range referral.Machine().Actions {
		if referral.Usable(a.Name) {
			out = append(out, a.Name)
		}
	}
	return out
}

// offered picks one of the actions that are offered to anybody now. What ends
// a case at once is taken rarely.
func (r *random) offered(actors []access.Actor) (access.Actor, string) {
	type pair struct {
		actor  access.Actor
		action string
	}
	var all, onward []pair
	asked := r.asked()
	for _, a := range actors {
		for _, x := range r.w.Service.Actions(r.c, asked, a) {
			all = append(all, pair{a, x.Name})
			if !x.Dangerous && !slices.Contains([]string{referral.ActRefuseConsent, referral.ActAsk, referral.ActRedirect, referral.ActHandOn, flow.ActionClaim}, x.Name) {
				onward = append(onward, pair{a, x.Name})
			}
		}
	}
	if len(onward) > 0 && rapid.IntRange(0, 29).Draw(r.rt, "careful") < 20 {
		all = onward
	}
	p := rapid.SampledFrom(all).Draw(r.rt, "offered")
	return p.actor, p.action
}

// try takes one action and checks what came of it against what was offered.
func (r *random) try(actor access.Actor, action string) {
	allowed := slices.ContainsFunc(r.w.Service.Actions(r.c, r.asked(), actor), func(a flow.Action) bool { return a.Name == action })
	if !r.involved(actor) {
		allowed = false // access refuses before anything else
	}
	after, err := r.do(actor, action, r.w.Ref(r.c))
	now := r.stored()
	if action == referral.ActEmergency && !allowed && err == nil && after.ID != r.c.ID {
		r.apart(after, now)
		return
	}
	switch {
	case allowed && err != nil:
		r.rt.Fatalf("%s is offered to %s at %s and refused: %v", action, actor.Name, r.c.State, err)
	case !allowed && err == nil:
		r.rt.Fatalf("%s is not offered to %s at %s and accepted", action, actor.Name, r.c.State)
	case err != nil && !errs.Is(err, errs.Forbidden) && !errs.Is(err, errs.Conflict):
		r.rt.Fatalf("%s by %s at %s: %v", action, actor.Name, r.c.State, err)
	case err != nil && now.Version != r.c.Version:
		r.rt.Fatalf("a refused %s has moved the case", action)
	case err == nil && (now.Version != r.c.Version+1 || after.Version != now.Version):
		r.rt.Fatalf("%s moved the version from %d to %d", action, r.c.Version, now.Version)
	}
	if err == nil {
		r.stale(actor, action)
	}
	r.c = now
	if r.c.Open() && (r.c.OwnerOrg == "" || r.c.OwnerRole == "" || r.c.DueAt.IsZero()) {
		r.rt.Fatalf("stray after %s: %+v", action, r.c)
	}
}

// apart holds what becomes of an emergency sent off a draft that a colleague
// holds: the patient goes on a case of his own, and the draft stands untouched.
func (r *random) apart(sent, draft flow.Case) {
	if r.c.State != referral.StateDraft || draft.State != r.c.State || draft.Version != r.c.Version {
		r.rt.Fatalf("an emergency on a case of its own has moved the draft: %+v", draft)
	}
	if sent.Patient != r.c.Patient || !sent.Open() || sent.State == referral.StateDraft {
		r.rt.Fatalf("the emergency has not gone: %+v", sent)
	}
}

// stale repeats an accepted action in the version that has passed.
func (r *random) stale(actor access.Actor, action string) {
	old := r.w.Ref(r.c)
	_, err := r.do(actor, action, old)
	if _, ok := errors.AsType[*flow.StaleError](err); !ok && !errs.Is(err, errs.Conflict) && !errs.Is(err, errs.Forbidden) && !errs.Is(err, errs.NotFound) {
		r.rt.Fatalf("%s on an old version: %v", action, err)
	}
}

// involved reports whether the institution has a relation to the patient.
func (r *random) involved(actor access.Actor) bool {
	return actor.Org == r.c.From.Org || (actor.Org == r.c.To.Org && r.c.State != referral.StateDraft && r.c.State != referral.StateInReview)
}

func (r *random) stored() (c flow.Case) {
	err := r.w.DB.View(ctx, func(tx *db.Tx) (err error) { c, err = flow.Get(ctx, tx, r.c.ID); return err })
	if err != nil {
		r.rt.Fatal(err)
	}
	return c
}

// do calls the use case of an action with a good form.
func (r *random) do(actor access.Actor, action string, ref referral.Ref) (flow.Case, error) {
	w, s := r.w, r.w.Service
	switch action {
	case flow.ActionClaim:
		return s.Claim(ctx, actor, ref)
	case referral.ActSubmit:
		f := w.Form(r.i)
		return s.Submit(ctx, actor, ref, &f)
	case referral.ActRefuseConsent:
		return s.RefuseConsent(ctx, actor, ref, consent.Consent{Form: consent.Written, SignedBy: consent.Self, Reason: "far"})
	case referral.ActDiscard:
		return s.Discard(ctx, actor, ref, "mistake", "")
	case referral.ActPass:
		return s.Pass(ctx, actor, ref, "")
	case referral.ActReturn:
		return s.Return(ctx, actor, ref, "incomplete", "")
	case referral.ActAccept:
		return s.Accept(ctx, actor, ref, "")
	case referral.ActAsk:
		return s.Ask(ctx, actor, ref, "history", "发病多久？")
	case referral.ActAnswer:
		return s.Answer(ctx, actor, ref, "3 天")
	case referral.ActDecline:
		return s.Decline(ctx, actor, ref, referral.Decline{Reason: "no_capacity", Advice: "转区中医院"})
	case referral.ActWithdraw:
		return s.Withdraw(ctx, actor, ref, "changed", "")
	case referral.ActRedirect, referral.ActHandOn:
		return r.redirect(actor, action, ref)
	case referral.ActElsewhere:
		return s.SendElsewhere(ctx, actor, ref, r.another(), w.Form(r.i).Request.Choices)
	}
	if c, ours, err := r.urgent(actor, action, ref); ours {
		return c, err
	}
	return r.visit(actor, action, ref)
}

// urgent calls the use case of an action of an emergency.
func (r *random) urgent(actor access.Actor, action string, ref referral.Ref) (c flow.Case, ours bool, err error) {
	w, s := r.w, r.w.Service
	form := w.Emergency(r.rescue, r.i)
	form.Draft = ref
	switch action {
	case referral.ActEmergency:
		c, err = s.SendEmergency(ctx, actor, form, ref.Once)
	case referral.ActBackEntry:
		c, err = s.BackEntry(ctx, actor, referral.BackEntryForm{EmergencyForm: form, ArrivedAt: w.Now.Add(-time.Hour), ReceivedBy: "值班", Why: "system_down"}, ref.Once)
	case referral.ActAcknowledgeED:
		c, err = s.AcknowledgeEmergency(ctx, actor, ref, "")
	case referral.ActAcknowledgePhone:
		c, err = s.RecordCall(ctx, actor, ref, referral.Call{Name: "值班", Result: referral.CallConfirmed})
	case referral.ActDivert, referral.ActDivertFrom:
		if (actor.Org == r.c.To.Org) != (action == referral.ActDivert) {
			return c, true, errs.E(errs.Forbidden, "the other side's button")
		}
		to := r.rescue.OtherPlace.ID
		if r.c.To.Org == w.Other.ID {
			to = r.rescue.Service.ID
		}
		c, err = s.Divert(ctx, actor, ref, referral.Redirect{Service: to, Reason: "full", AgreedBy: "值班", AgreedHow: "phone"})
	default:
		return c, false, nil
	}
	return c, true, err
}

func (r *random) visit(actor access.Actor, action string, ref referral.Ref) (flow.Case, error) {
	w, s := r.w, r.w.Service
	switch action {
	case referral.ActArrange:
		return s.Arrange(ctx, actor, ref, r.appointment())
	case referral.ActDefer:
		promised := calendar.DateOf(w.Now).AddDays(rapid.IntRange(1, 30).Draw(r.rt, "promised"))
		return s.Defer(ctx, actor, ref, referral.Deferral{Reason: "no_bed", PromisedOn: string(promised)})
	case referral.ActReschedule:
		return s.Reschedule(ctx, actor, ref, r.appointment(), "equipment", "")
	case referral.ActNoShow:
		if at := r.record().Arrangement.At; r.c.State == referral.StateArranged && w.Now.Before(at) {
			w.Now = at
		}
		return s.NoShow(ctx, actor, ref, "")
	case referral.ActRearrange:
		return s.Rearrange(ctx, actor, ref, "forgot", "")
	case referral.ActCancel, referral.ActCallOff:
		if (actor.Org == r.c.To.Org) != (action == referral.ActCancel) {
			return flow.Case{}, errs.E(errs.Forbidden, "the other side's button")
		}
		return s.Cancel(ctx, actor, ref, "changed", "")
	case referral.ActArrive:
		return s.Arrive(ctx, actor, ref, referral.Arrival{IDNumber: w.IDNumbers[r.i], Name: w.Patients[r.i].Name})
	case referral.ActStart:
		return s.Start(ctx, actor, ref, referral.Start{Care: referral.Outpatient})
	case referral.ActNote:
		return s.InterimNote(ctx, actor, ref, "稳定")
	case referral.ActAskCancel:
		return s.AskCancel(ctx, actor, ref, "elsewhere", "家属要求转外院")
	case referral.ActAnswerCancel:
		return s.AnswerCancel(ctx, actor, ref, r.cancelAnswer())
	case referral.ActComplete:
		return s.Complete(ctx, actor, ref, w.Report())
	case referral.ActCompleteDown:
		up, _, err := s.CompleteDown(ctx, actor, ref, w.Report(), w.DownForm(r.i))
		return up, err
	case referral.ActDeclineDown:
		return flow.Case{}, errs.E(errs.Conflict, "the button of the way down")
	case referral.ActAcknowledge:
		return s.Acknowledge(ctx, actor, ref, "")
	case referral.ActClose:
		return s.Close(ctx, actor, ref, referral.Closing{Outcome: referral.OutcomeMoved, Reason: "unreachable"})
	case referral.ActDeath, referral.ActDeathAtTarget:
		target := actor.Org == r.c.To.Org && r.c.State != referral.StateDraft && r.c.State != referral.StateInReview
		if target != (action == referral.ActDeathAtTarget) {
			return flow.Case{}, errs.E(errs.Forbidden, "the other side's button")
		}
		return s.RecordDeath(ctx, actor, ref, referral.Death{On: "2026-03-02", Reason: "证明"})
	}
	panic(fmt.Sprintf("no use case for %s", action))
}

// cancelAnswer agrees only as long as no report is owed.
func (r *random) cancelAnswer() referral.CancelAnswer {
	full, err := r.w.Service.View(ctx, r.w.Doctor, r.c.ID)
	if err != nil {
		r.rt.Fatal(err)
	}
	a := referral.CancelAnswer{Answer: referral.CancelRefuse, Comment: "病情需要继续观察"}
	if len(full.Notes) == 0 && rapid.Bool().Draw(r.rt, "agree") {
		a.Answer = referral.CancelAgree
	}
	return a
}

// redirect hands on to the place that does not have the case.
func (r *random) redirect(actor access.Actor, action string, ref referral.Ref) (flow.Case, error) {
	if (r.c.State == referral.StateArrived) != (action == referral.ActHandOn) {
		return flow.Case{}, errs.E(errs.Conflict, "the other button")
	}
	to := r.w.OtherClinic.ID
	if r.c.To.Org == r.w.Other.ID {
		to = r.w.CardioClinic.ID
	}
	return r.w.Service.Redirect(ctx, actor, ref, referral.Redirect{Service: to, Reason: "no_capacity", AgreedBy: "值班", AgreedHow: "phone"})
}

func (r *random) appointment() referral.Arrangement {
	a := r.w.Arrangement()
	if r.c.To.Org == r.w.Other.ID {
		a.Department, a.Doctor = r.w.OtherDept.ID, ""
	}
	return a
}

// another is a service that takes the patient and is not the present one.
func (r *random) another() string {
	target := r.record().TargetService
	if r.c.Urgency == "I" || r.c.Urgency == "II" { // a booked clinic takes no critical patient
		if target == r.rescue.OtherPlace.ID {
			return r.w.CardioWard.ID
		}
		return r.rescue.OtherPlace.ID
	}
	if target == r.otherService {
		return r.w.CardioClinic.ID
	}
	return r.otherService
}

// asked is the record as far as it decides what is offered.
func (r *random) asked() referral.Record {
	if r.c.State != referral.StateInCare && r.c.State != referral.StateTransferring {
		return referral.Record{}
	}
	return r.record()
}

func (r *random) record() referral.Record {
	full, err := r.w.Service.View(ctx, r.w.Doctor, r.c.ID)
	if err != nil {
		r.rt.Fatal(err)
	}
	return full.Record
}

// recount holds the overview of both sides against the events.
func recount(t *testing.T, w *referraltest.World) {
	t.Helper()
	for _, scope := range []referralcount.Scope{{Org: w.Township.ID, Side: flow.From}, {Org: w.Hospital.ID, Side: flow.To}, {Org: w.Other.ID}} {
		actor := access.Actor{Account: "a", Role: string(access.AllianceOffice), Org: scope.Org}
		got, err := referralcount.Read(ctx, w.DB, actor, scope)
		must(t, err)
		var histories []referralcount.History
		must(t, w.DB.View(ctx, func(tx *db.Tx) error {
			cases, err := flow.Worklist(ctx, tx, flow.Query{Kind: referral.Kind, Org: scope.Org, Side: scope.Side, Limit: 10000})
			if err != nil {
				return err
			}
			for _, c := range cases {
				events, err := w.Flow.Timeline(ctx, tx, c.ID)
				if err != nil {
					return err
				}
				direction, err := db.Get(ctx, tx, "", db.Value[referral.Direction], `SELECT direction FROM referral WHERE id = $1`, c.ID)
				if err != nil {
					return err
				}
				histories = append(histories, referralcount.History{Direction: direction, Events: events})
			}
			return nil
		}))
		want := referralcount.Recount(histories, got.Now)
		if !reflect.DeepEqual(got.Counts, want) {
			t.Errorf("overview %+v\nrecount  %+v", got.Counts, want)
		}
		if got.Strays != 0 || (want.Sent == 0 && scope.Org == w.Township.ID) {
			t.Errorf("strays %d, sent %d", got.Strays, want.Sent)
		}
		var months int64
		for _, m := range got.Months {
			months += m.Counts.Sent
		}
		if months != got.Sent {
			t.Errorf("months add up to %d of %d", months, got.Sent)
		}
		retable(t, w, actor, scope, histories, want)
	}
}

// retable holds the table of counts against the events, however it is split,
// and every figure against the cases that it opens.
func retable(t *testing.T, w *referraltest.World, actor access.Actor, scope referralcount.Scope, histories []referralcount.History, want referralcount.Counts) {
	t.Helper()
	var refused, arrived int64
	for _, h := range histories {
		if slices.ContainsFunc(h.Events, func(e flow.Event) bool { return e.Action == referral.ActDecline || e.Action == referral.ActDeclineDown }) {
			refused++
		}
	}
	for _, n := range want.Arrivals {
		arrived += n
	}
	for _, q := range []referralcount.Query{{Scope: scope}, {Scope: scope, By: flow.To, Monthly: true}, {Scope: scope, By: flow.To, Depts: true, Monthly: true}} {
		table, err := referralcount.ReadTable(ctx, w.DB, actor, q)
		must(t, err)
		total := table.Total
		if total.Asked != want.Sent || total.Accepted != int64(want.Accepted.N) || total.Arrived != arrived || total.Reported != want.Reported.Numerator || total.Refused != refused {
			t.Errorf("table %+v\nrecount %+v, arrived %d, refused %d", total, want, arrived, refused)
		}
		var waiting int64
		for _, x := range table.Waiting {
			waiting += x.Open
			opens(t, w, actor, q, referralcount.Pick{Measure: referralcount.Open, Holder: x.Org}, x.Open)
		}
		if waiting != total.WaitingFrom+total.WaitingTo {
			t.Errorf("%d wait somewhere, %d for a side", waiting, total.WaitingFrom+total.WaitingTo)
		}
		for _, r := range append(table.Rows, total) {
			for _, m := range referralcount.Measures() {
				if m != referralcount.Open {
					opens(t, w, actor, q, referralcount.Pick{Measure: m, Cell: r.Cell}, m.Of(r))
				}
			}
		}
	}
}

func opens(t *testing.T, w *referraltest.World, actor access.Actor, q referralcount.Query, p referralcount.Pick, want int64) {
	t.Helper()
	p.Limit = 500
	list, total, err := referralcount.Cases(ctx, w.DB, actor, q, p)
	must(t, err)
	if total != want || int64(len(list)) != min(want, 500) {
		t.Errorf("%s of %+v is %d and opens %d", p.Measure, p.Cell, want, total)
	}
}
