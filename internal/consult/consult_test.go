package consult_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/consent"
	"yilian/internal/consult"
	"yilian/internal/consult/consulttest"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
)

var ctx = context.Background()

// each runs a test in a fresh world on both engines.
func each(t *testing.T, fn func(t *testing.T, w *consulttest.World)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(t, consulttest.New(t, d)) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t *testing.T, err error, kind errs.Kind, want string) {
	t.Helper()
	if !errs.Is(err, kind) || !strings.Contains(err.Error(), want) {
		t.Fatalf("want %q, got %v", want, err)
	}
}

// field checks that a named field is refused.
func field(t *testing.T, err error, name, want string) {
	t.Helper()
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || !slices.ContainsFunc(e.Fields, func(f errs.Field) bool { return f.Name == name && strings.Contains(f.Message, want) }) {
		t.Fatalf("want %s: %q, got %v", name, want, err)
	}
}

func view(t *testing.T, w *consulttest.World, actor access.Actor, c flow.Case) consult.Full {
	t.Helper()
	full, err := w.Consults.View(ctx, actor, c.ID)
	must(t, err)
	return full
}

// The whole way: question, question back, answer, survey. The asker is
// responsible from beginning to end.
func TestStory(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		s := w.Consults
		c := w.Ask(0)
		if !strings.HasPrefix(c.Number, "ZX20260302") || c.OwnerOrg != w.Hospital.ID || c.OwnerDept != w.Cardiology.ID || c.Owner != "" {
			t.Fatalf("%+v", c)
		}
		c, err := s.AskBack(ctx, w.Specialist, w.Ref(c), "exam", "请补充心电图")
		must(t, err)
		w.After(time.Hour)
		c, err = s.Supply(ctx, w.Doctor, w.Ref(c), "V4—V6 导联 ST 段压低 0.05 mV")
		must(t, err)
		if c.Owner != w.Specialist.Person {
			t.Fatalf("the answer goes to who asked: %+v", c)
		}
		c, err = s.Reply(ctx, w.Specialist, w.Ref(c), w.Reply(consult.Local))
		must(t, err)
		full := view(t, w, w.Doctor, c)
		if full.Record.Answer.Plan == "" || !full.Record.InTime || full.Record.Answer.By != w.Specialist.Name || len(full.Talks) != 1 || full.Talks[0].Answer == "" {
			t.Fatalf("%+v", full.Record)
		}
		c, err = s.Close(ctx, w.Doctor, w.Ref(c), consult.Survey{Avoided: true, Helpful: 4, Remark: "很及时"})
		must(t, err)
		full = view(t, w, w.Specialist, c)
		if full.Case.Outcome != consult.OutcomeAdvised || full.Record.Survey.Remark != "很及时" || len(full.Actions) != 0 || len(full.Messages) != 0 {
			t.Fatalf("%+v", full)
		}
		if full.Responsible.Person != w.Doctor.Person || c.Responsible.Org != w.Township.ID {
			t.Fatalf("advice does not move responsibility: %+v", full.Responsible)
		}
	})
}

// The answer is due in two working days, or in four hours where it is needed
// today; the clock stands still while the asker supplies something.
func TestClocks(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		c := w.Ask(0)
		if got := c.DueAt.In(time.FixedZone("", 8*3600)).Format("01-02 15:04"); got != "03-04 23:59" || c.DueKey != "consult.clock.asked.routine" {
			t.Errorf("routine: %s %s", got, c.DueKey)
		}
		c = w.Ask(1, func(f *consult.Form) { f.Pace = consult.Today })
		if c.DueAt.Sub(w.Now) != 4*time.Hour {
			t.Errorf("today: %s", c.DueAt.Sub(w.Now))
		}
		w.After(3 * time.Hour)
		c, err := w.Consults.AskBack(ctx, w.Specialist, w.Ref(c), "exam", "心电图？")
		must(t, err)
		w.After(5 * time.Hour)
		c, err = w.Consults.Supply(ctx, w.Doctor, w.Ref(c), "见附")
		must(t, err)
		if c.DueAt.Sub(w.Now) != time.Hour {
			t.Errorf("the clock goes on with what was left: %s", c.DueAt.Sub(w.Now))
		}
		w.After(2 * time.Hour)
		c, err = w.Consults.Reply(ctx, w.Specialist, w.Ref(c), w.Reply(consult.Exam))
		must(t, err)
		if view(t, w, w.Doctor, c).Record.InTime {
			t.Error("too late is not in time")
		}
	})
}

// What a question needs, field by field; without the patient's consent no data
// leave the institution.
func TestAskRefuses(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		for _, x := range []struct {
			name, want string
			change     func(*consult.Form)
		}{
			{"consent", "须患者同意（BASE-consult）", func(f *consult.Form) { f.Consent = nil }},
			{"witness", "见证人", func(f *consult.Form) { f.Consent = &consent.Consent{Form: consent.Verbal, SignedBy: consent.Self} }},
			{"diagnosis", "初步诊断", func(f *consult.Form) { f.Diagnosis = "" }},
			{"diagnosis", "", func(f *consult.Form) { f.Diagnosis = "ZZZ" }},
			{"pace", "缓急", func(f *consult.Form) { f.Pace = "soon" }},
			{"question", "要请教的问题", func(f *consult.Form) { f.Question.Text = " " }},
			{"summary", "太长", func(f *consult.Form) { f.Question.Summary = strings.Repeat("长", 4001) }},
			{"target", "请选择", func(f *consult.Form) { f.Target = consult.Target{} }},
			{"target", "已不存在", func(f *consult.Form) { f.Target.Department = "none" }},
			{"target", "现在不在", func(f *consult.Form) { f.Target.Specialist = w.OtherDoctor.Person }},
			{"patient", "先选择患者", func(f *consult.Form) { f.Patient = "" }},
		} {
			f := w.Question(0)
			x.change(&f)
			_, err := w.Consults.Ask(ctx, w.Doctor, f, w.Token())
			field(t, err, x.name, x.want)
		}
		n, err := w.Consults.Count(ctx, w.Doctor, consult.Scope{})
		must(t, err)
		if n.Asked != 0 {
			t.Fatalf("something was kept: %+v", n)
		}
		_, err = w.Consults.Ask(ctx, w.Specialist, w.Question(0), w.Token())
		refused(t, err, errs.Forbidden, "")
		_, err = w.Consults.Ask(ctx, w.Stranger, w.Question(0), w.Token())
		refused(t, err, errs.Forbidden, "没有签约、转诊或就诊关系")
	})
}

// The institution that is asked sees the patient from the question until 30
// days after the end, and nobody else does.
func TestRelationOfCare(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		look := func(a access.Actor) error {
			_, err := w.Persons.Open(ctx, a, w.Patients[0].ID, access.Look)
			return err
		}
		refused(t, look(w.Specialist), errs.Forbidden, "")
		c := w.Ask(0)
		must(t, look(w.Specialist))
		refused(t, look(w.OtherDoctor), errs.Forbidden, "")
		c, err := w.Consults.Decline(ctx, w.Specialist, w.Ref(c), consult.Decline{Reason: "needs_visit", Advice: "请面诊"})
		must(t, err)
		must(t, look(w.Specialist))
		c, err = w.Consults.AskElsewhere(ctx, w.Doctor, w.Ref(c), consult.Target{Department: w.OtherDept.ID})
		must(t, err)
		must(t, look(w.OtherDoctor))
		refused(t, look(w.Specialist), errs.Forbidden, "")
		_, err = w.Consults.View(ctx, w.Specialist, c.ID)
		refused(t, err, errs.NotFound, "没有找到这张咨询单")
		c, err = w.Consults.Reply(ctx, w.OtherDoctor, w.Ref(c), w.Reply(consult.Local))
		must(t, err)
		_, err = w.Consults.Close(ctx, w.Doctor, w.Ref(c), consult.Survey{Avoided: true, Helpful: 3})
		must(t, err)
		w.After(29 * 24 * time.Hour)
		must(t, look(w.OtherDoctor))
		w.After(3 * 24 * time.Hour)
		refused(t, look(w.OtherDoctor), errs.Forbidden, "")
	})
}

func TestWhoMayAnswer(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		s := w.Consults
		c := w.Ask(0, func(f *consult.Form) { f.Target.Specialist = w.Specialist.Person })
		if c.Owner != w.Specialist.Person {
			t.Fatalf("a named specialist holds it: %+v", c)
		}
		_, err := s.Reply(ctx, w.Specialist2, w.Ref(c), w.Reply(consult.Local))
		refused(t, err, errs.Conflict, "接手")
		wrong := w.Specialist
		wrong.Department = w.Neurology.ID
		_, err = s.Reply(ctx, wrong, w.Ref(c), w.Reply(consult.Local))
		refused(t, err, errs.Forbidden, "请由该科室答复")
		_, err = s.Claim(ctx, wrong, w.Ref(c))
		refused(t, err, errs.Forbidden, "请由该科室答复")
		_, err = s.Reply(ctx, w.Doctor, w.Ref(c), w.Reply(consult.Local))
		refused(t, err, errs.Forbidden, "")
		_, err = s.Reply(ctx, w.Stranger, w.Ref(c), w.Reply(consult.Local))
		refused(t, err, errs.Forbidden, "")
		_, err = s.Reply(ctx, w.OtherDoctor, w.Ref(c), w.Reply(consult.Local))
		refused(t, err, errs.Forbidden, "")
		for _, a := range []access.Actor{w.Stranger, w.OtherDoctor, w.Bureau} {
			if _, err := s.View(ctx, a, c.ID); !errs.Is(err, errs.NotFound) {
				t.Errorf("%s: %v", a.Name, err)
			}
		}
		c, err = s.Claim(ctx, w.Specialist2, w.Ref(c))
		must(t, err)
		c, err = s.Reply(ctx, w.Specialist2, w.Ref(c), w.Reply(consult.Exam))
		must(t, err)
		if c.To.Person != w.Specialist2.Person || c.Owner != w.Doctor.Person {
			t.Fatalf("%+v", c)
		}
		_, err = s.Close(ctx, w.Colleague, w.Ref(c), consult.Survey{Helpful: 3})
		refused(t, err, errs.Conflict, "接手")
	})
}

func TestAnswerAndDeclineAreComplete(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		s, c := w.Consults, w.Ask(0)
		for _, x := range []struct {
			kind, name string
			change     func(*consult.Answer)
		}{
			{"", "kind", func(a *consult.Answer) {}},
			{consult.Local, "plan", func(a *consult.Answer) { a.Plan = " " }},
			{consult.Exam, "exams", func(a *consult.Answer) { a.Exams = "" }},
			{consult.Refer, "urgency", func(a *consult.Answer) { a.Urgency = "I" }},
			{consult.Refer, "urgency", func(a *consult.Answer) { a.Urgency = "" }},
			{consult.Emergency, "opinion", func(a *consult.Answer) { a.Opinion = "" }},
			{consult.Refer, "convert", func(a *consult.Answer) { a.Convert = consult.ConvertDraft }}, // not allowed by the asker
			{consult.Local, "convert", func(a *consult.Answer) { a.Convert = consult.ConvertSend }},
		} {
			a := w.Reply(x.kind)
			x.change(&a)
			_, err := s.Reply(ctx, w.Specialist, w.Ref(c), a)
			field(t, err, x.name, "")
		}
		_, err := s.Decline(ctx, w.Specialist, w.Ref(c), consult.Decline{Reason: "needs_visit"})
		field(t, err, "advice", "必须写明下一步")
		_, err = s.Decline(ctx, w.Specialist, w.Ref(c), consult.Decline{Reason: "other", Advice: "面诊"})
		field(t, err, "comment", "写明具体情况")
		_, err = s.Decline(ctx, w.Specialist, w.Ref(c), consult.Decline{Advice: "面诊"})
		field(t, err, "reason", "请选择原因")
		c = w.To(1, consult.StateAnswered)
		_, err = s.Close(ctx, w.Doctor, w.Ref(c), consult.Survey{Avoided: true})
		field(t, err, "helpful", "1—5")
		_, err = s.Close(ctx, w.Doctor, w.Ref(c), consult.Survey{Avoided: true, Prompted: true, Helpful: 2})
		field(t, err, "effect", "只能选一项")
	})
}

func TestStaleAndDouble(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		once := w.Token()
		c, err := w.Consults.Ask(ctx, w.Doctor, w.Question(0), once)
		must(t, err)
		same, err := w.Consults.Ask(ctx, w.Doctor, w.Question(0), once)
		if err != nil || same.ID != c.ID {
			t.Fatalf("asked twice: %v", err)
		}
		old, late := w.Ref(c), w.Ref(c)
		c, err = w.Consults.Reply(ctx, w.Specialist, old, w.Reply(consult.Exam))
		must(t, err)
		again, err := w.Consults.Reply(ctx, w.Specialist, old, w.Reply(consult.Exam))
		if err != nil || again.Version != c.Version {
			t.Fatalf("answered twice: %v", err)
		}
		_, err = w.Consults.Withdraw(ctx, w.Doctor, late, "better", "")
		if stale, ok := errors.AsType[*flow.StaleError](err); !ok || stale.Case.State != consult.StateAnswered {
			t.Fatalf("%v", err)
		}
	})
}

// Nothing clinical lies open in the tables.
func TestClinicalTextIsSealed(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		c := w.To(0, consult.StateMoreInfo)
		c, err := w.Consults.Supply(ctx, w.Doctor, w.Ref(c), "肌钙蛋白阴性")
		must(t, err)
		c, err = w.Consults.Reply(ctx, w.Specialist, w.Ref(c), w.Reply(consult.Local))
		must(t, err)
		_, err = w.Consults.Close(ctx, w.Doctor, w.Ref(c), consult.Survey{Helpful: 5, Remark: "美托洛尔有效"})
		must(t, err)
		d := w.To(1, consult.StateDeclined)
		rows := []string{}
		must(t, w.DB.View(ctx, func(tx *db.Tx) error {
			list, err := db.List(ctx, tx, db.Value[string], `
				SELECT question || answer || decline || remark FROM consult
				UNION ALL SELECT question || answer FROM consult_question UNION ALL SELECT comment FROM flow_event
				UNION ALL SELECT subject FROM flow_case`)
			rows = list
			return err
		}))
		for _, secret := range []string{"胸闷", "阿司匹林", "心绞痛", "美托洛尔", "心电图", "肌钙蛋白", "神经内科"} {
			for _, text := range rows {
				if strings.Contains(text, secret) {
					t.Errorf("%s lies open in %q", secret, text)
				}
			}
		}
		if full := view(t, w, w.Doctor, d); full.Record.Decline.Whom != "神经内科" || full.Record.Decline.Title != "不属本科室范围" {
			t.Errorf("%+v", full.Record.Decline)
		}
	})
}

// A death recorded in a referral ends the patient's consultations; a deceased
// patient is not asked about.
func TestDeathEndsIt(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		open := []flow.Case{w.Ask(0), w.To(0, consult.StateMoreInfo), w.To(0, consult.StateAnswered), w.To(0, consult.StateDeclined)}
		r := w.World.To(0, referral.StateSubmitted)
		_, err := w.Service.RecordDeath(ctx, w.Doctor, w.Ref(r), referral.Death{On: "2026-03-02", Reason: "死亡证明 001"})
		must(t, err)
		for _, c := range open {
			if got := view(t, w, w.Doctor, c).Case; got.Open() || got.Outcome != consult.OutcomeDeath {
				t.Errorf("%+v", got)
			}
		}
		_, err = w.Consults.Ask(ctx, w.Doctor, w.Question(0), w.Token())
		field(t, err, "patient", "已登记死亡")
	})
}

func TestChoicesAndList(t *testing.T) {
	each(t, func(t *testing.T, w *consulttest.World) {
		list, err := w.Consults.Choices(ctx, w.Doctor, w.Patients[0].ID, "I20.900")
		must(t, err)
		i := slices.IndexFunc(list, func(c consult.Choice) bool { return c.Department.ID == w.Cardiology.ID })
		if i < 0 || !list[0].Fits || len(list[i].People) != 2 || list[i].People[0].Name == "" {
			t.Fatalf("%+v", list)
		}
		for _, c := range list {
			if !c.Org.Kind.Hospital() || c.Org.ID == w.Township.ID {
				t.Errorf("%s is no place to ask", c.Org.Name)
			}
		}
		routine := w.Ask(0)
		urgent := w.Ask(1, func(f *consult.Form) { f.Pace = consult.Today })
		w.To(2, consult.StateClosed)
		page, err := w.Consults.List(ctx, w.Specialist, consult.Query{Mine: true, Open: true})
		must(t, err)
		if len(page.Items) != 2 || page.Items[0].Case.ID != urgent.ID || page.Items[1].Case.ID != routine.ID || page.Items[0].Diagnosis == "" {
			t.Fatalf("%+v", page.Items)
		}
		if page.Items[0].Responsible.Person != w.Doctor.Person {
			t.Errorf("%+v", page.Items[0].Responsible)
		}
		elsewhere := w.Specialist
		elsewhere.Department, elsewhere.Person = w.Neurology.ID, "x"
		page, err = w.Consults.List(ctx, elsewhere, consult.Query{Mine: true})
		if err != nil || len(page.Items) != 0 {
			t.Errorf("another department's list: %+v %v", page.Items, err)
		}
		page, err = w.Consults.List(ctx, w.Doctor, consult.Query{Side: flow.From, Text: routine.Number})
		if err != nil || len(page.Items) != 1 || len(page.Counts) != 1 {
			t.Errorf("%+v %v", page, err)
		}
		_, err = w.Consults.List(ctx, w.Desk, consult.Query{})
		refused(t, err, errs.Forbidden, "")
	})
}
