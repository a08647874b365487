package referral_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/message"
	"yilian/internal/referral"
	"yilian/internal/referral/referralcount"
	"yilian/internal/referral/referraltest"
)

func world(t *testing.T, fn func(t *testing.T, w *referraltest.World)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(t, referraltest.New(t, d)) })
}

// wants says that an error is of a kind and speaks of something.
func wants(t *testing.T, err error, kind errs.Kind, text string) {
	t.Helper()
	if !errs.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Fatalf("%v, want kind %v with %q", err, kind, text)
	}
}

func stored(t *testing.T, w *referraltest.World, id string) (c flow.Case) {
	t.Helper()
	must(t, w.DB.View(ctx, func(tx *db.Tx) (err error) { c, err = flow.Get(ctx, tx, id); return err }))
	return c
}

func actionNames(w *referraltest.World, full referral.Full, actor access.Actor) (out []string) {
	for _, a := range w.Service.Actions(full.Case, full.Record, actor) {
		out = append(out, a.Name)
	}
	return out
}

func TestThePatientGoesDownAndIsFollowedToTheEnd(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		up, down := w.SentDown(0)
		if up.State != referral.StateCompleted || down.State != referral.StateSubmitted || down.BasedOn != up.ID || down.Track != "down" {
			t.Fatalf("up %s, down %+v", up.State, down)
		}
		if down.OwnerOrg != w.Township.ID || down.OwnerRole != access.TownshipDoctor || down.Responsible.Org != w.Hospital.ID {
			t.Fatalf("owner %s %s, responsible %s", down.OwnerOrg, down.OwnerRole, down.Responsible.OrgName)
		}
		var waits bool
		must(t, w.DB.View(ctx, func(tx *db.Tx) error {
			todo, err := flow.Todo(ctx, tx, w.Doctor, 50)
			waits = slices.ContainsFunc(todo, func(c flow.Case) bool { return c.ID == down.ID })
			return err
		}))
		if !waits {
			t.Error("the township doctor does not find it on his list")
		}
		full, err := w.Service.View(ctx, w.Doctor, down.ID)
		must(t, err)
		if full.Record.Direction != referral.Down || full.Down == nil || len(full.Down.Plan.Medicines) != 2 || full.Titles.Purpose != "急性期完成、病情稳定" {
			t.Fatalf("%+v", full.Record)
		}
		names := actionNames(w, full, w.Doctor)
		if !slices.Contains(names, referral.ActDeclineDown) || slices.Contains(names, referral.ActDecline) || slices.Contains(names, referral.ActRedirect) {
			t.Errorf("offered: %v", names)
		}
		c := down
		for _, step := range []func() (flow.Case, error){
			func() (flow.Case, error) { return w.Service.Accept(ctx, w.Doctor, w.Ref(c), "") },
			func() (flow.Case, error) { return w.Service.Arrange(ctx, w.Doctor, w.Ref(c), w.FirstVisit()) },
			func() (flow.Case, error) {
				return w.Service.Arrive(ctx, w.Doctor, w.Ref(c), referral.Arrival{Code: codeOf(t, w, w.Doctor, c), Name: w.Patients[0].Name})
			},
			func() (flow.Case, error) {
				return w.Service.Start(ctx, w.Doctor, w.Ref(c), referral.Start{Care: referral.Outpatient})
			},
		} {
			c, err = step()
			must(t, err)
		}
		day, _ := calendar.ParseDate(full.Down.Plan.Until)
		if c.State != referral.StateInCare || !c.DueAt.Equal(calendar.EndOf(day)) || c.Responsible.Org != w.Township.ID {
			t.Fatalf("in care until %v: %+v", c.DueAt, c)
		}
		c, err = w.Service.Complete(ctx, w.Doctor, w.Ref(c), w.Report())
		must(t, err)
		if c.Owner != w.Specialist.Person || c.OwnerRole != access.DepartmentDoctor {
			t.Fatalf("the receipt is %s's, %s", c.OwnerName, c.OwnerRole)
		}
		c, err = w.Service.Acknowledge(ctx, w.Specialist, w.Ref(c), "")
		must(t, err)
		if c.State != referral.StateClosed {
			t.Fatal(c.State)
		}
	})
}

func codeOf(t *testing.T, w *referraltest.World, actor access.Actor, c flow.Case) string {
	t.Helper()
	full, err := w.Service.View(ctx, actor, c.ID)
	must(t, err)
	return full.Record.Arrangement.Code
}

func TestAPatientWithoutUpReferralGoesDown(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		w.Register(w.Centre, "贺大山", "19550601", 77)
		i := len(w.Patients) - 1
		must(t, w.DB.Tx(ctx, func(tx *db.Tx) error {
			return access.Relate(ctx, tx, access.CareRelation{Patient: w.Patients[i].ID, Org: w.Hospital.ID, Basis: access.BasisEncounter, Reference: "e1"})
		}))
		form := w.DownForm(i)
		form.Consent, form.Plan.RedFlags = nil, ""
		c, err := w.Service.DraftDown(ctx, w.Specialist, form, w.Token())
		must(t, err)
		_, err = w.Service.SubmitDown(ctx, w.Specialist, w.Ref(c), form)
		wants(t, err, errs.Invalid, "红旗征象")
		form.Plan.RedFlags = "发热"
		_, err = w.Service.SubmitDown(ctx, w.Specialist, w.Ref(c), form)
		wants(t, err, errs.Invalid, "同意")
		form.Consent = w.Consent()
		c, err = w.Service.SubmitDown(ctx, w.Specialist, w.Ref(c), form)
		must(t, err)
		if c.State != referral.StateSubmitted || c.Version != 2 {
			t.Fatalf("%+v", c)
		}
	})
}

func TestWhatAPacketNeeds(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		c := w.InCare(0)
		for name, x := range map[string]struct {
			change func(f *referral.DownForm)
			want   string
		}{
			"reason":      {func(f *referral.DownForm) { f.Reason = "" }, "下转原因"},
			"free reason": {func(f *referral.DownForm) { f.Reason = "other" }, "具体情况"},
			"indication":  {func(f *referral.DownForm) { f.Indications = nil }, "下转指征"},
			"up code":     {func(f *referral.DownForm) { f.Indications = []string{"angina"} }, "不在可选范围"},
			"visits":      {func(f *referral.DownForm) { f.Plan.Visits = nil }, "至少安排一次随访"},
			"past visit":  {func(f *referral.DownForm) { f.Plan.Visits[0].On = w.Day(-1) }, "随访日期"},
			"late visit":  {func(f *referral.DownForm) { f.Plan.Visits[0].On = w.Day(40) }, "晚于计划结束"},
			"medicine":    {func(f *referral.DownForm) { f.Plan.Medicines[0].Dose = "" }, "药名"},
			"choices":     {func(f *referral.DownForm) { f.Choices = nil }, "可选机构"},
			"not below":   {func(f *referral.DownForm) { f.TargetService = w.OtherClinic.ID }, "级别低于本机构"},
			"consent":     {func(f *referral.DownForm) { f.Consent = nil }, "同意"},
		} {
			form := w.DownForm(0)
			x.change(&form)
			_, _, err := w.Service.CompleteDown(ctx, w.Specialist, w.Ref(c), w.Report(), form)
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), x.want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if stored(t, w, c.ID).State != referral.StateInCare {
			t.Error("half of it was written")
		}
		_, _, err := w.Service.CompleteDown(ctx, w.OtherDoctor, w.Ref(c), w.Report(), w.DownForm(0))
		if !errs.Is(err, errs.Forbidden) {
			t.Errorf("another hospital completes: %v", err)
		}
		_, err = w.Service.SendDown(ctx, w.OtherDoctor, w.DownForm(1), w.Token())
		if !errs.Is(err, errs.Forbidden) {
			t.Errorf("a hospital without relation sends down: %v", err)
		}
	})
}

func TestACentreDeclinesWithReasonAndNextStep(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		_, c := w.SentDown(0)
		_, err := w.Service.Decline(ctx, w.Stranger, w.Ref(c), referral.Decline{Reason: "no_drug", Advice: "x"})
		if !errs.Is(err, errs.Forbidden) {
			t.Fatalf("a foreign centre declines: %v", err)
		}
		_, err = w.Service.Decline(ctx, w.Doctor, w.Ref(c), referral.Decline{Reason: "no_drug"})
		wants(t, err, errs.Invalid, "下一步")
		_, err = w.Service.Decline(ctx, w.Doctor, w.Ref(c), referral.Decline{Reason: "not_our_field", Advice: "x"})
		wants(t, err, errs.Invalid, "原因")
		c, err = w.Service.Decline(ctx, w.Doctor, w.Ref(c), referral.Decline{Reason: "no_drug", Advice: "请带足 30 天药量后再转"})
		must(t, err)
		full, err := w.Service.View(ctx, w.Specialist, c.ID)
		must(t, err)
		if c.State != referral.StateDeclined || c.Owner != w.Specialist.Person || full.Record.Advice.Reason != "没有所需药品" {
			t.Fatalf("%+v %+v", c, full.Record.Advice)
		}
		other := w.BelowAt(w.Elsewhere)
		c, err = w.Service.SendElsewhere(ctx, w.Specialist, w.Ref(c), other.ID, w.DownForm(0).Choices)
		must(t, err)
		if c.State != referral.StateSubmitted || c.To.Org != w.Elsewhere.ID || c.OwnerRole != access.TownshipDoctor {
			t.Fatalf("%+v", c)
		}
	})
}

func TestMissingPatientsAreChasedAndThenClosedUncounted(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		c := w.DownTo(0, referral.StateArranged)
		at := w.Now.Add(24 * time.Hour)
		w.Notices = nil
		w.Now = calendar.EndOf(calendar.DateOf(at).AddDays(3)).Add(-time.Minute)
		must(t, w.Queue.Drain(ctx))
		if heard(w, "未按约到诊") {
			t.Fatal("chased before its time")
		}
		w.After(2 * time.Minute)
		must(t, w.Queue.Drain(ctx))
		if !heard(w, "未按约到诊") || !heard(w, "请上门或电话") || stored(t, w, c.ID).State != referral.StateArranged {
			t.Fatalf("%+v", w.Notices)
		}
		full, err := w.Service.View(ctx, w.Specialist, c.ID)
		must(t, err)
		if full.Down.ChasedAt.IsZero() || !slices.ContainsFunc(full.Messages, func(m message.Message) bool { return strings.Contains(m.Text, "还没有到") }) {
			t.Errorf("chased %v, messages %+v", full.Down.ChasedAt, full.Messages)
		}
		w.Now = calendar.EndOf(calendar.DateOf(at).AddDays(7)).Add(time.Minute)
		must(t, w.Queue.Drain(ctx))
		c = stored(t, w, c.ID)
		if c.State != referral.StateClosed || c.Outcome != referral.OutcomeNotArrived {
			t.Fatalf("%+v", c)
		}
		got, err := referralcount.Read(ctx, w.DB, w.Centre, referralcount.Scope{Org: w.Hospital.ID, Side: flow.From})
		must(t, err)
		if got.Arrivals[referral.Down] != 0 || got.Sent == 0 {
			t.Errorf("counted as arrived: %+v", got.Counts)
		}
	})
}

func heard(w *referraltest.World, text string) bool {
	return slices.ContainsFunc(w.Notices, func(n flow.Notice) bool { return strings.Contains(n.Text, text) })
}

func TestNobodyIsChasedWhoHasComeOrWasRescheduled(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		come := w.DownTo(0, referral.StateInCare)
		moved := w.DownTo(1, referral.StateArranged)
		later := w.FirstVisit()
		later.At = w.Now.AddDate(0, 0, 20)
		_, err := w.Service.Reschedule(ctx, w.Doctor, w.Ref(moved), later, "equipment", "")
		must(t, err)
		w.Notices = nil
		w.After(10 * 24 * time.Hour)
		must(t, w.Queue.Drain(ctx))
		if heard(w, "未按约到诊") || stored(t, w, moved.ID).State != referral.StateArranged || stored(t, w, come.ID).State != referral.StateInCare {
			t.Fatalf("%+v", w.Notices)
		}
	})
}

func TestRedFlagsAndQuestionsReachTheAttending(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		c := w.DownTo(0, referral.StateInCare)
		_, err := w.Service.Follow(ctx, w.Doctor, w.Ref(c), referral.FollowForm{Visit: true, Text: "平稳"})
		wants(t, err, errs.Invalid, "红旗")
		_, err = w.Service.Follow(ctx, w.Stranger, w.Ref(c), referral.FollowForm{Visit: true, Text: "平稳", RedFlag: "no"})
		if !errs.Is(err, errs.Forbidden) {
			t.Fatalf("a foreign centre writes: %v", err)
		}
		w.After(7 * 24 * time.Hour)
		c, err = w.Service.Follow(ctx, w.Doctor, w.Ref(c), referral.FollowForm{Visit: true, Text: "血压 130/80，无不适", RedFlag: "no"})
		must(t, err)
		w.Notices = nil
		c, err = w.Service.Follow(ctx, w.Doctor, w.Ref(c), referral.FollowForm{Visit: true, Text: "胸痛 20 分钟", RedFlag: "yes", Question: "要不要回院？"})
		must(t, err)
		if !heard(w, "红旗征象") {
			t.Errorf("%+v", w.Notices)
		}
		list, err := w.Service.Following(ctx, w.Specialist)
		must(t, err)
		if len(list.Items) != 1 || list.Items[0].Waiting != 1 || list.Items[0].Plan.Next == "" || list.Rate != (referral.Rate{Kept: 1, Due: 1}) {
			t.Fatalf("%+v %+v", list.Items, list.Rate)
		}
		q := list.Items[0].Plan.Entries[0].Question
		if q.Owner != w.Specialist.Person || q.DueAt.Sub(w.Now) != 2*time.Hour {
			t.Fatalf("owner %s, due %v", q.OwnerName, q.DueAt)
		}
		_, err = w.Service.Reply(ctx, w.OtherDoctor, w.Ref(q), "回")
		if !errs.Is(err, errs.NotFound) {
			t.Fatalf("another hospital answers: %v", err)
		}
		_, err = w.Service.Reply(ctx, w.Specialist, w.Ref(q), "")
		wants(t, err, errs.Invalid, "答复")
		q, err = w.Service.Reply(ctx, w.Specialist, w.Ref(q), "立即回院复查心电图")
		must(t, err)
		got, err := w.Service.DownQuestion(ctx, w.Doctor, q.ID)
		must(t, err)
		if q.Open() || got.Entry.Body.Answer != "立即回院复查心电图" || got.Down.ID != c.ID || got.Answer {
			t.Fatalf("%+v", got)
		}
		if other, err := w.Service.Following(ctx, w.Specialist2); err != nil || len(other.Items) != 0 {
			t.Errorf("a colleague sees %d patients as his: %v", len(other.Items), err)
		}
	})
}

func TestPlacesBelow(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		w.InCare(0)
		need := referral.DownNeed{Patient: w.Patients[0].ID, Diagnosis: "I20.900", Reason: "wound_care", Medicines: []string{"阿司匹林肠溶片"}}
		first := func() referral.DownTarget {
			list, err := w.Service.DownTargets(ctx, w.Specialist, need)
			must(t, err)
			if len(list) < 2 {
				t.Fatalf("%d places", len(list))
			}
			for _, x := range list {
				if !x.Org.Kind.Primary() && x.Org.Kind != "other" {
					t.Errorf("%s is not below", x.Org.Name)
				}
			}
			return list[0]
		}
		head := w.Head
		head.Org, head.OrgName = w.Elsewhere.ID, w.Elsewhere.Name
		must(t, w.Service.SaveCapability(ctx, head, referral.Capability{Beds: true, Skills: []string{"wound_care"}, Medicines: []string{"阿司匹林", ""}}))
		if x := first(); x.Org.ID != w.Elsewhere.ID || !x.Skilled || len(x.Missing) != 0 {
			t.Errorf("the declared skill is not first: %+v", x)
		}
		w.Contract(0)
		if x := first(); x.Org.ID != w.Township.ID || !x.Contract {
			t.Errorf("the family doctor's centre is not first: %s", x.Org.Name)
		}
		err := w.Service.SaveCapability(ctx, head, referral.Capability{Skills: []string{"surgery"}, Version: 1})
		wants(t, err, errs.Invalid, "不在可选范围")
		err = w.Service.SaveCapability(ctx, head, referral.Capability{})
		wants(t, err, errs.Conflict, "刚刚被别人改过")
		if err := w.Service.SaveCapability(ctx, w.Doctor, referral.Capability{}); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a doctor declares: %v", err)
		}
	})
}

func TestMorningListOfCandidates(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		w.InCare(0)
		marked := w.InCare(1)
		n := func(actor access.Actor) int {
			list, err := w.Service.DownCandidates(ctx, actor)
			must(t, err)
			return len(list)
		}
		if n(w.Specialist) != 0 {
			t.Fatal("too early")
		}
		must(t, w.Service.MarkFit(ctx, w.Specialist, w.Ref(marked), []string{"acute_over"}))
		if n(w.Specialist) != 1 || n(w.Centre) != 1 || n(w.OtherCentre) != 0 {
			t.Fatal("the ward's mark")
		}
		w.After(5 * 24 * time.Hour)
		if n(w.Specialist) != 2 {
			t.Fatal("long in care and soon to be discharged")
		}
		list, err := w.Service.DownCandidates(ctx, w.Centre)
		must(t, err)
		if list[0].Place == "" || list[0].Skilled || list[0].Beds || list[0].Stock != 0 {
			t.Errorf("nothing is declared yet: %+v", list[0])
		}
		w.Contract(1)
		must(t, w.Service.SaveCapability(ctx, w.Head, referral.Capability{Org: w.Township.ID, Beds: true, Skills: []string{"acute_over"}, Medicines: []string{"阿司匹林肠溶片"}}))
		list, err = w.Service.DownCandidates(ctx, w.Centre)
		must(t, err)
		for _, c := range list {
			if c.Case.ID == marked.ID && (c.Place != w.Township.Name || !c.Near || !c.Skilled || !c.Beds || c.Stock != 1) {
				t.Errorf("the township that has skill, bed and medicine: %+v", c)
			}
		}
		morning := func(hour, minute int) {
			w.Notices = nil
			w.Now = calendar.DateOf(w.Now).Time().Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
			must(t, w.DB.Tx(ctx, func(tx *db.Tx) error { return w.Service.Morning(ctx, tx) }))
		}
		morning(7, 0)
		if len(w.Notices) != 0 {
			t.Error("before 07:30")
		}
		morning(7, 30)
		if !heard(w, "您有 2 名住院患者") || !heard(w, "全院 2 名") {
			t.Errorf("%+v", w.Notices)
		}
	})
}

func TestOneTimeLinks(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		_, h := w.NursingHome()
		up := w.InCare(0)
		form := w.DownForm(0)
		form.TargetService = h.ID
		_, c, err := w.Service.CompleteDown(ctx, w.Specialist, w.Ref(up), w.Report(), form)
		must(t, err)
		_, _, err = w.Service.LinkFor(ctx, w.Stranger, w.Ref(c), "x")
		if !errs.Is(err, errs.Forbidden) {
			t.Fatalf("a stranger makes a link: %v", err)
		}
		void, _, err := w.Service.LinkFor(ctx, w.Centre, w.Ref(c), "护理部 莫护士 0746-6220000")
		must(t, err)
		token, _, err := w.Service.LinkFor(ctx, w.Centre, w.Ref(c), "护理部 莫护士 0746-6220000")
		must(t, err)
		for _, bad := range []string{"", "wrong", void} {
			if _, err := w.Service.OpenLink(ctx, bad, "10.0.0.1"); !errs.Is(err, errs.NotFound) {
				t.Errorf("link %q opens: %v", bad, err)
			}
		}
		seen, err := w.Service.OpenLink(ctx, token, "10.0.0.1")
		must(t, err)
		if seen.Case.ID != c.ID || len(seen.Plan.Medicines) != 2 || len(seen.Answers) != 2 {
			t.Fatalf("%+v", seen)
		}
		next, c, err := w.Service.AnswerLink(ctx, token, "10.0.0.1", referral.OutsideAnswer{Answer: "accept", Name: "莫护士", Visit: w.Day(1)})
		must(t, err)
		if c.State != referral.StateArranged || next == "" || next == token {
			t.Fatalf("%s %q", c.State, next)
		}
		if _, err := w.Service.OpenLink(ctx, token, "10.0.0.1"); !errs.Is(err, errs.NotFound) {
			t.Errorf("a used link opens: %v", err)
		}
		_, _, err = w.Service.AnswerLink(ctx, next, "10.0.0.1", referral.OutsideAnswer{Answer: "accept", Name: "莫护士", Visit: w.Day(1)})
		wants(t, err, errs.Invalid, "答复")
		next, c, err = w.Service.AnswerLink(ctx, next, "10.0.0.1", referral.OutsideAnswer{Answer: "arrived", Name: "莫护士"})
		must(t, err)
		if c.State != referral.StateInCare {
			t.Fatal(c.State)
		}
		w.After(8 * 24 * time.Hour)
		if _, err := w.Service.OpenLink(ctx, next, "10.0.0.1"); !errs.Is(err, errs.NotFound) {
			t.Errorf("an expired link opens: %v", err)
		}
		var looks, answers int
		must(t, w.DB.View(ctx, func(tx *db.Tx) error {
			for action, into := range map[string]*int{"referral.link.open": &looks, "referral.link.answer": &answers} {
				list, err := audit.Search(ctx, tx, audit.Filter{Action: action, ObjectID: c.ID})
				if err != nil {
					return err
				}
				*into = len(list)
			}
			return nil
		}))
		if looks != 1 || answers != 2 {
			t.Errorf("%d looks, %d answers in the audit", looks, answers)
		}
	})
}

func TestTelephoneEntry(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		_, h := w.NursingHome()
		up := w.InCare(0)
		form := w.DownForm(0)
		form.TargetService = h.ID
		_, c, err := w.Service.CompleteDown(ctx, w.Specialist, w.Ref(up), w.Report(), form)
		must(t, err)
		call := referral.OutsideAnswer{Answer: "accept", Name: "莫护士", Visit: w.Day(1), At: w.Now.Add(-time.Minute), Reason: "no_system"}
		_, err = w.Service.EnterByPhone(ctx, w.Centre, w.Ref(c), call)
		wants(t, err, errs.Invalid, "电话号码")
		call.Phone = "0746-6220000"
		_, err = w.Service.EnterByPhone(ctx, w.Doctor, w.Ref(c), call)
		if !errs.Is(err, errs.Forbidden) {
			t.Fatalf("a township enters for others: %v", err)
		}
		c, err = w.Service.EnterByPhone(ctx, w.Centre, w.Ref(c), call)
		must(t, err)
		full, err := w.Service.View(ctx, w.Centre, c.ID)
		must(t, err)
		if c.State != referral.StateArranged || !slices.ContainsFunc(full.Timeline, func(e flow.Event) bool {
			return strings.Contains(e.Comment, "0746-6220000") && strings.Contains(e.Comment, "莫护士")
		}) {
			t.Fatalf("%s %+v", c.State, full.Timeline)
		}
		call.Answer = "arrived"
		c, err = w.Service.EnterByPhone(ctx, w.Centre, w.Ref(c), call)
		must(t, err)
		call.Answer, call.Text, call.Advice = "report", "换药 3 次，伤口愈合", "可以居家"
		c, err = w.Service.EnterByPhone(ctx, w.Centre, w.Ref(c), call)
		must(t, err)
		if c.State != referral.StateCompleted || c.Owner != w.Specialist.Person {
			t.Fatalf("%+v", c)
		}
		_, on := w.SentDown(1)
		_, err = w.Service.EnterByPhone(ctx, w.Centre, w.Ref(on), call)
		wants(t, err, errs.Conflict, "自己答复")
	})
}

func TestThePlanIsSealedAtRest(t *testing.T) {
	world(t, func(t *testing.T, w *referraltest.World) {
		c := w.DownTo(0, referral.StateInCare)
		_, err := w.Service.Follow(ctx, w.Doctor, w.Ref(c), referral.FollowForm{Visit: true, Text: "胸痛", RedFlag: "no"})
		must(t, err)
		must(t, w.DB.View(ctx, func(tx *db.Tx) error {
			plans, err := db.List(ctx, tx, db.Value[string], `SELECT plan FROM referral_down`)
			if err != nil {
				return err
			}
			bodies, err := db.List(ctx, tx, db.Value[string], `SELECT body FROM referral_follow`)
			for _, x := range append(plans, bodies...) {
				if !strings.Contains(x, "gcm") || strings.Contains(x, "胸痛") {
					t.Errorf("open text: %s", x)
				}
			}
			return err
		}))
	})
}
