package referral_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

var ctx = context.Background()

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func state(t testing.TB, c flow.Case, want string) {
	t.Helper()
	if c.State != want {
		t.Fatalf("state %s, want %s", c.State, want)
	}
}

// fields returns the wrong fields of an Invalid error.
func fields(err error) map[string]string {
	out := map[string]string{}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		for _, f := range e.Fields {
			out[f.Name] = f.Message
		}
	}
	return out
}

func refused(t testing.TB, err error, kind errs.Kind, words string) {
	t.Helper()
	if !errs.Is(err, kind) || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %v (kind %d), want kind %d saying %q", err, errs.KindOf(err), kind, words)
	}
}

func view(t testing.TB, w *referraltest.World, actor access.Actor, c flow.Case) referral.Full {
	t.Helper()
	full, err := w.Service.View(ctx, actor, c.ID)
	must(t, err)
	return full
}

func TestFromDraftToAcknowledgement(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Service
		c := w.Draft(0)
		if c.OwnerOrg != w.Township.ID || c.Owner != w.Doctor.Person || c.Responsible.Person != w.Doctor.Person {
			t.Fatalf("draft belongs to its doctor: %+v", c)
		}
		_, err := s.View(ctx, w.Centre, c.ID)
		refused(t, err, errs.NotFound, "没有找到这张转诊单") // a draft is nobody else's

		f := w.Form(0)
		c, err = s.Submit(ctx, w.Doctor, w.Ref(c), &f)
		must(t, err)
		state(t, c, referral.StateSubmitted)
		if c.OwnerRole != access.ReferralCenter || !c.DueAt.Equal(w.Now.Add(2*time.Hour)) || c.DueClause != "BASE-clock" {
			t.Fatalf("level III is answered in 2 h: %+v", c)
		}
		full := view(t, w, w.Centre, c)
		if full.Record.Direction != referral.Up || full.Record.DiagnosisName == "" || full.Record.Request.Chief != f.Request.Chief {
			t.Fatalf("record: %+v", full.Record)
		}
		if !slices.Contains(full.Record.Clauses, "LL-4.4.1d") || !slices.Contains(full.Record.Clauses, "LL-4.3.4c") || full.Record.Policy == "" {
			t.Fatalf("decided under %q by %v", full.Record.Policy, full.Record.Clauses)
		}

		w.After(20 * time.Minute)
		c, err = s.Claim(ctx, w.Centre, w.Ref(c))
		must(t, err)
		w.After(10 * time.Minute)
		c, err = s.Accept(ctx, w.Centre, w.Ref(c), "")
		must(t, err)
		state(t, c, referral.StateAccepted)

		at := w.Now.Add(72 * time.Hour)
		c, err = s.Arrange(ctx, w.Centre, w.Ref(c), referral.Arrangement{Department: w.Cardiology.ID, Doctor: w.Specialist.Person, At: at})
		must(t, err)
		state(t, c, referral.StateArranged)
		if !c.DueAt.Equal(at.Add(2*time.Hour)) || c.OwnerRole != access.Registration {
			t.Fatalf("due 2 h after the appointment at the desk: %+v", c)
		}
		full = view(t, w, w.Desk, c)
		a := full.Record.Arrangement
		if len(a.Code) != 6 || a.DoctorName != "王主任" || a.Location != w.Cardiology.Location || a.Phone == "" {
			t.Fatalf("arrangement: %+v", a)
		}
		if view(t, w, w.Doctor, c).Record.Arrangement.Code != a.Code {
			t.Fatal("the referring doctor cannot tell his patient the arrival code")
		}

		w.Now = at.Add(-48 * time.Hour)
		must(t, w.Queue.Drain(ctx))
		w.Now = at
		found, err := s.FindArrival(ctx, w.Desk, a.Code)
		must(t, err)
		if len(found) != 1 || found[0].Case.ID != c.ID {
			t.Fatalf("found %v", found)
		}
		c, err = s.Arrive(ctx, w.Desk, w.Ref(c), referral.Arrival{Code: a.Code, Name: "张桂兰"})
		must(t, err)
		state(t, c, referral.StateArrived)
		if c.Responsible.Org != w.Hospital.ID || c.Responsible.Department != w.Cardiology.ID || c.Responsible.Person != "" {
			t.Fatalf("the receiving department is responsible: %+v", c.Responsible)
		}
		c, err = s.Start(ctx, w.Specialist, w.Ref(c), referral.Start{Care: referral.Inpatient, ExpectedDischarge: "2026-03-10"})
		must(t, err)
		if c.Responsible.Person != w.Specialist.Person || c.Owner != w.Specialist.Person || !c.DueAt.Equal(calendar.EndOf("2026-03-11")) {
			t.Fatalf("attending, due a day after discharge: %+v", c)
		}
		due := c.DueAt
		c, err = s.InterimNote(ctx, w.Specialist, w.Ref(c), "造影完成，情况稳定")
		must(t, err)
		if !c.DueAt.Equal(due) {
			t.Fatal("a note moves no clock")
		}
		w.After(24 * time.Hour)
		c, err = s.Complete(ctx, w.Specialist, w.Ref(c), w.Report())
		must(t, err)
		state(t, c, referral.StateCompleted)
		c, err = s.Acknowledge(ctx, w.Doctor, w.Ref(c), "已随访")
		must(t, err)
		state(t, c, referral.StateClosed)
		if c.Outcome != referral.OutcomeReturned || c.Responsible.Person != w.Doctor.Person {
			t.Fatalf("closed: %+v", c)
		}
		checkEnd(t, w, c, a.Code)
	})
}

// checkEnd looks at what the whole way has left behind.
func checkEnd(t *testing.T, w *referraltest.World, c flow.Case, code string) {
	t.Helper()
	full := view(t, w, w.Doctor, c)
	if full.Record.Report.Advice == "" || len(full.Notes) != 1 || full.Titles.Outcome != "诊疗完成并返回" || len(full.Actions) != 0 {
		t.Fatalf("file: %+v", full)
	}
	// submitted, accepted, arranged, reminder, arrived, started, completed, closed
	if len(full.Messages) != 8 {
		t.Fatalf("%d messages", len(full.Messages))
	}
	for _, m := range full.Messages {
		for _, secret := range []string{"心血管", "心绞痛", full.Record.DiagnosisName} {
			if strings.Contains(m.Text, secret) {
				t.Errorf("message names %q: %s", secret, m.Text)
			}
		}
	}
	if !strings.Contains(full.Messages[2].Text, code) || !strings.Contains(full.Messages[0].Text, "0746-6223120") {
		t.Errorf("messages: %q %q", full.Messages[0].Text, full.Messages[2].Text)
	}
	from, to := full.HeldFrom, full.HeldTo
	if from+to != full.Timeline[len(full.Timeline)-1].At.Sub(full.Timeline[0].At) {
		t.Errorf("held %v + %v", from, to)
	}
	// Both institutions may look for 90 days more, then not.
	w.After(89 * 24 * time.Hour)
	view(t, w, w.Specialist, c)
	w.After(3 * 24 * time.Hour)
	_, err := w.Service.View(ctx, w.Specialist, c.ID)
	refused(t, err, errs.Forbidden, "没有签约、转诊或就诊关系")
}

func TestQuestionStopsTheReceiversClock(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		c := w.To(0, referral.StateSubmitted)
		w.After(30 * time.Minute)
		c, err := w.Service.Ask(ctx, w.Centre, w.Ref(c), "exam_result", "有没有心电图？")
		must(t, err)
		if c.State != referral.StateAwaitingInfo || c.OwnerOrg != w.Township.ID || c.Owner != w.Doctor.Person {
			t.Fatalf("%+v", c)
		}
		w.After(5 * time.Hour)
		_, err = w.Service.Answer(ctx, w.Doctor, w.Ref(c), " ")
		if fields(err)["answer"] == "" {
			t.Fatalf("empty answer: %v", err)
		}
		c, err = w.Service.Answer(ctx, w.Doctor, w.Ref(c), "窦性心律，ST 段压低")
		must(t, err)
		if c.State != referral.StateSubmitted || !c.DueAt.Equal(w.Now.Add(90*time.Minute)) || c.Owner != w.Centre.Person {
			t.Fatalf("90 minutes are left and who asked goes on: %+v", c)
		}
		w.After(10 * time.Minute)
		c, err = w.Service.Accept(ctx, w.Centre, w.Ref(c), "")
		must(t, err)
		full := view(t, w, w.Doctor, c)
		if full.Record.Waited != 40*time.Minute {
			t.Fatalf("waited %v", full.Record.Waited)
		}
		q := full.Questions
		if len(q) != 1 || q[0].Text != "有没有心电图？" || q[0].Answer != "窦性心律，ST 段压低" || q[0].AnsweredAt.Sub(q[0].AskedAt) != 5*time.Hour {
			t.Fatalf("%+v", q)
		}
	})
}

func TestDeclineElsewhereAccepted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Service
		c := w.To(0, referral.StateSubmitted)
		_, err := s.Decline(ctx, w.Centre, w.Ref(c), referral.Decline{Reason: "no_capacity"})
		if fields(err)["advice"] == "" {
			t.Fatalf("a decline without next step: %v", err)
		}
		_, err = s.Decline(ctx, w.Centre, w.Ref(c), referral.Decline{Advice: "转市级医院"})
		if fields(err)["reason"] == "" {
			t.Fatalf("a decline without reason: %v", err)
		}
		_, err = s.Decline(ctx, w.Centre, w.Ref(c), referral.Decline{Reason: "other", Advice: "转市级医院"})
		if fields(err)["comment"] == "" {
			t.Fatalf("其他 asks for words: %v", err)
		}
		c, err = s.Decline(ctx, w.Centre, w.Ref(c), referral.Decline{Reason: "no_capacity", SuggestedOrg: w.Other.ID, Advice: "床位已满"})
		must(t, err)
		state(t, c, referral.StateDeclined)
		if a := view(t, w, w.Doctor, c).Record.Advice; a.OrgName != w.Other.Name || a.Reason == "" {
			t.Fatalf("advice: %+v", a)
		}
		number := c.Number
		_, err = s.SendElsewhere(ctx, w.Doctor, w.Ref(c), w.CardioClinic.ID, w.Form(0).Request.Choices)
		if fields(err)["target_service"] == "" {
			t.Fatalf("the same place again: %v", err)
		}
		other := elsewhere(t, w, 0)
		c, err = s.SendElsewhere(ctx, w.Doctor, w.Ref(c), other.Service.ID, []referral.Choice{{Org: other.Org.ID, OrgName: other.Org.Name, Chosen: true}})
		must(t, err)
		if c.State != referral.StateSubmitted || c.To.Org != w.Other.ID || c.Number != number {
			t.Fatalf("%+v", c)
		}
		_, err = s.View(ctx, w.Centre, c.ID)
		refused(t, err, errs.NotFound, "没有找到")
		c, err = s.Accept(ctx, w.OtherCentre, w.Ref(c), "")
		must(t, err)
		state(t, c, referral.StateAccepted)
	})
}

// elsewhere finds a service of the other hospital for patient i.
func elsewhere(t testing.TB, w *referraltest.World, i int) referral.Target {
	t.Helper()
	found, err := w.Service.Targets(ctx, w.Doctor, referral.Need{Patient: w.Patients[i].ID, Diagnosis: "I20.900", Urgency: "III"})
	must(t, err)
	if len(found) == 0 || !found[0].Ally {
		t.Fatalf("own alliance comes first: %+v", found)
	}
	for _, f := range found {
		if f.Org.ID == w.Other.ID {
			return f
		}
	}
	t.Fatal("the other hospital takes nobody")
	return referral.Target{}
}

func TestNoShowRearrangeRescheduleCancel(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Service
		c := w.To(0, referral.StateArranged)
		_, err := s.NoShow(ctx, w.Desk, w.Ref(c), "")
		refused(t, err, errs.Conflict, "还没有到约定的就诊时间")
		first := w.Code(c)
		c, err = s.Reschedule(ctx, w.Desk, w.Ref(c), w.Arrangement(), "patient_time", "")
		must(t, err)
		if w.Code(c) != first {
			t.Fatal("a moved appointment keeps its code")
		}
		w.After(27 * time.Hour)
		c, err = s.NoShow(ctx, w.Desk, w.Ref(c), "电话未接")
		must(t, err)
		state(t, c, referral.StateNoShow)
		_, err = s.FindArrival(ctx, w.Desk, first)
		refused(t, err, errs.NotFound, "没有找到待到诊")
		c, err = s.Rearrange(ctx, w.Doctor, w.Ref(c), "forgot", "")
		must(t, err)
		state(t, c, referral.StateAccepted)
		c, err = s.Arrange(ctx, w.Centre2, w.Ref(c), w.Arrangement())
		must(t, err)
		_, err = s.Cancel(ctx, w.Doctor, w.Ref(c), "", "")
		if fields(err)["reason"] == "" {
			t.Fatalf("cancel without reason: %v", err)
		}
		c, err = s.Cancel(ctx, w.Doctor, w.Ref(c), "patient_gave_up", "")
		must(t, err)
		state(t, c, referral.StateCancelled)

		c = w.To(1, referral.StateNoShow)
		_, err = s.Close(ctx, w.Doctor, w.Ref(c), referral.Closing{Outcome: referral.OutcomeReturned, Reason: "unreachable"})
		if fields(err)["outcome"] == "" {
			t.Fatalf("closed as treated without treatment: %v", err)
		}
		c, err = s.Close(ctx, w.Doctor, w.Ref(c), referral.Closing{Outcome: referral.OutcomeNotArrived, Reason: "unreachable"})
		must(t, err)
		state(t, c, referral.StateClosed)
	})
}

func TestRedirectKeepsTheNumber(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Service
		c := w.To(0, referral.StateAccepted)
		number := c.Number
		_, err := s.Redirect(ctx, w.Centre, w.Ref(c), referral.Redirect{Service: w.OtherClinic.ID, Reason: "wrong_specialty"})
		if f := fields(err); f["agreed_by"] == "" || f["agreed_how"] == "" {
			t.Fatalf("nobody has agreed: %v", err)
		}
		c, err = s.Redirect(ctx, w.Centre, w.Ref(c), referral.Redirect{Service: w.OtherClinic.ID, Reason: "wrong_specialty", AgreedBy: "魏医生", AgreedHow: "phone"})
		must(t, err)
		if c.State != referral.StateSubmitted || c.To.Org != w.Other.ID || c.Number != number || c.OwnerOrg != w.Other.ID {
			t.Fatalf("%+v", c)
		}
		c, err = s.Accept(ctx, w.OtherCentre, w.Ref(c), "")
		must(t, err)
		c, err = s.Arrange(ctx, w.OtherCentre, w.Ref(c), referral.Arrangement{Department: w.OtherDept.ID, At: w.Now.Add(time.Hour)})
		must(t, err)
		full := view(t, w, w.OtherDesk, c)
		c, err = s.Arrive(ctx, w.OtherDesk, w.Ref(c), referral.Arrival{Code: full.Record.Arrangement.Code, BirthDate: string(w.Patients[0].BirthDate)})
		must(t, err)
		// The department finds that it is not the place and hands the patient on.
		c, err = s.Redirect(ctx, w.OtherDoctor, w.Ref(c), referral.Redirect{Service: w.NeuroClinic.ID, Reason: "not_the_place", AgreedBy: "李护士", AgreedHow: "phone"})
		must(t, err)
		if c.State != referral.StateSubmitted || c.To.Org != w.Hospital.ID || c.Responsible.Org != w.Other.ID {
			t.Fatalf("responsible until the next place has him: %+v", c)
		}
	})
}

func TestVillageIsReviewedByItsCentre(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Service
		p := w.Register(w.VillageDoctor, "邓来凤", "19600101", 77)
		f := w.Form(0)
		f.Patient = p.ID
		c, err := s.Draft(ctx, w.VillageDoctor, f, w.Token())
		must(t, err)
		c, err = s.Submit(ctx, w.VillageDoctor, w.Ref(c), &f)
		must(t, err)
		if c.State != referral.StateInReview || c.OwnerOrg != w.Township.ID || c.OwnerRole != access.TownshipHead {
			t.Fatalf("%+v", c)
		}
		_, err = s.View(ctx, w.Centre, c.ID)
		refused(t, err, errs.NotFound, "没有找到")
		for want, who := range []access.Actor{w.Centre, w.Head} { // nothing yet for the hospital, one for the reviewer
			page, err := s.List(ctx, who, referral.Query{})
			must(t, err)
			if len(page.Items) != want || len(page.Counts) != want {
				t.Errorf("%s sees %d, counts %+v", who.Name, len(page.Items), page.Counts)
			}
		}
		c, err = s.Return(ctx, w.Head, w.Ref(c), "incomplete", "补心电图")
		must(t, err)
		if c.State != referral.StateDraft || c.Owner != w.VillageDoctor.Person {
			t.Fatalf("%+v", c)
		}
		c, err = s.Submit(ctx, w.VillageDoctor, w.Ref(c), nil)
		must(t, err)
		c, err = s.Pass(ctx, w.Head, w.Ref(c), "")
		must(t, err)
		if c.State != referral.StateSubmitted || c.OwnerOrg != w.Hospital.ID {
			t.Fatalf("%+v", c)
		}
		_, err = s.Withdraw(ctx, w.Head, w.Ref(c), "mistake", "")
		refused(t, err, errs.Forbidden, "不是这张单子的申请方")
	})
}

func TestRefusalOfConsentClosesAndDeathEndsEverything(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Service
		c := w.Draft(0)
		c, err := s.RefuseConsent(ctx, w.Doctor, w.Ref(c), consent.Consent{Form: consent.Written, SignedBy: consent.Self, Reason: "no_money"})
		must(t, err)
		if c.State != referral.StateClosed || c.Outcome != referral.OutcomeRefused {
			t.Fatalf("%+v", c)
		}
		if got := view(t, w, w.Doctor, c).Consents; len(got) != 1 || !got[0].Refused {
			t.Fatalf("the refusal is on record for the paper: %+v", got)
		}

		inCare := w.To(1, referral.StateInCare)
		second := w.Form(1)
		second.Diagnosis, second.Indications, second.TargetService = "I63.900", []string{"stroke"}, w.NeuroClinic.ID
		draft, err := s.Draft(ctx, w.Doctor, second, w.Token())
		must(t, err)
		_, err = s.RecordDeath(ctx, w.Specialist, w.Ref(inCare), referral.Death{On: "2026-03-02"})
		if fields(err)["reason"] == "" {
			t.Fatalf("a death rests on something: %v", err)
		}
		before := len(view(t, w, w.Doctor, inCare).Messages)
		inCare, err = s.RecordDeath(ctx, w.Specialist, w.Ref(inCare), referral.Death{On: "2026-03-02", Reason: "死亡医学证明 0001"})
		must(t, err)
		if inCare.State != referral.StateClosed || inCare.Outcome != referral.OutcomeDeath {
			t.Fatalf("%+v", inCare)
		}
		full := view(t, w, w.Doctor, draft)
		if full.Case.Outcome != referral.OutcomeDeath {
			t.Fatalf("the other draft ends too: %+v", full.Case)
		}
		if n := len(view(t, w, w.Doctor, inCare).Messages); n != before {
			t.Fatalf("a message after death: %d, was %d", n, before)
		}
		_, err = s.Draft(ctx, w.Doctor, w.Form(1), w.Token())
		if fields(err)["patient"] == "" {
			t.Fatalf("a dead person is not referred: %v", err)
		}
	})
}
