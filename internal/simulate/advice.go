package simulate

import (
	"context"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/consult"
)

// advice is one consultation of the demo: how it is answered and where it is
// left.
type advice struct {
	*course
	kind    string // of the answer
	state   string // in which it is left
	convert string // by the specialist; "asker": by the asker
	survey  consult.Survey
}

// advise plans a dozen consultations, some in every state that a user can meet.
func (l *life) advise(ctx context.Context) error {
	plans := []advice{
		{state: consult.StateAsked}, {state: consult.StateAsked}, {state: consult.StateAsked},
		{state: consult.StateMoreInfo},
		{kind: consult.Local, state: consult.StateAnswered}, {kind: consult.Exam, state: consult.StateAnswered},
		{kind: consult.Refer, state: consult.StateAnswered, convert: consult.ConvertDraft}, {kind: consult.Emergency, state: consult.StateAnswered},
		{state: consult.StateDeclined},
		{kind: consult.Local, state: consult.StateClosed, survey: consult.Survey{Avoided: true, Helpful: 5, Remark: "按方案调药后症状缓解，患者很满意"}},
		{kind: consult.Refer, state: consult.StateClosed, convert: "asker", survey: consult.Survey{Prompted: true, Helpful: 4}},
		{kind: consult.Exam, state: consult.StateClosed, survey: consult.Survey{Avoided: true, Helpful: 4}},
		{state: consult.StateWithdrawn},
	}
	for i := range plans {
		a := &plans[i]
		v := pick(l.rng, vignettes())
		who, ok := l.folk.find(l.rng, shuikou, v, calendar.DateOf(l.now))
		doctor, err := l.staff.one(l.rng, l.staff.orgs[shuikou].ID, access.TownshipDoctor, "")
		if err != nil {
			return err
		}
		if !ok {
			continue // nobody of that age lives there
		}
		a.course = &course{life: l, v: v, who: who, doctor: doctor}
		at := l.now.Add(-l.rng.between(30, 200))
		if a.state == consult.StateClosed {
			at = l.now.Add(-l.rng.between(3*1440, 12*1440))
		}
		l.plan(at, a.ask)
	}
	return nil
}

func (a *advice) ask(ctx context.Context) error {
	dept := a.staff.depts[a.staff.orgs[a.v.org].ID+a.v.department]
	pace := consult.Routine
	if a.v.urgency == "II" || a.kind == consult.Emergency {
		pace = consult.Today
	}
	k := a.signature()
	err := a.took(a.app.Consults.Ask(ctx, a.doctor, consult.Form{
		Patient: a.who.ID, Diagnosis: a.v.code, Pace: pace, Target: consult.Target{Department: dept.ID},
		Question: consult.Question{
			Chief: a.v.chief, Summary: a.v.illness, Treatment: a.v.treatment,
			Text: pick(a.rng, []string{"能否在卫生院继续处理，还是需要转诊？", "下一步该查什么？目前用药是否合适？", "请问什么情况下必须转上去？"}),
		},
		Consent: &k, MayConvert: a.convert == consult.ConvertDraft || a.rng.chance(40),
	}, ""))
	if err != nil || a.state == consult.StateAsked {
		return err
	}
	next := a.reply
	switch a.state {
	case consult.StateMoreInfo:
		next = a.askBack
	case consult.StateDeclined:
		next = a.giveBack
	case consult.StateWithdrawn:
		next = a.takeBack
	}
	a.plan(a.clock().Add(a.rng.between(5, 25)), next)
	return nil
}

// specialist is a doctor of the department that was asked.
func (a *advice) specialist() (access.Actor, error) {
	return a.staff.one(a.rng, a.c.To.Org, access.DepartmentDoctor, a.v.department)
}

func (a *advice) askBack(ctx context.Context) error {
	s, err := a.specialist()
	if err != nil {
		return err
	}
	return a.took(a.app.Consults.AskBack(ctx, s, a.ref(), "exam", "请补充最近一次的检查结果和目前用药剂量"))
}

func (a *advice) giveBack(ctx context.Context) error {
	s, err := a.specialist()
	if err != nil {
		return err
	}
	return a.took(a.app.Consults.Decline(ctx, s, a.ref(), consult.Decline{
		Reason: "needs_visit", Advice: "隔空难以判断，请预约本科门诊面诊；期间症状加重立即转诊",
	}))
}

func (a *advice) takeBack(ctx context.Context) error {
	return a.took(a.app.Consults.Withdraw(ctx, a.doctor, a.ref(), "better", ""))
}

func (a *advice) reply(ctx context.Context) error {
	s, err := a.specialist()
	if err != nil {
		return err
	}
	r := consult.Answer{Kind: a.kind, Opinion: "结合所述病史和检查，考虑" + a.v.chief + "与原发病相关", Watch: "症状明显加重、出现新的症状，立即转诊", Phone: "07466330001"}
	switch a.kind {
	case consult.Local:
		r.Plan = a.v.plan
	case consult.Exam:
		r.Exams = "按专科常规完善相关检查，结果出来后再联系本科"
	case consult.Refer:
		r.Urgency = "IV"
		if a.convert == consult.ConvertDraft {
			r.Convert = consult.ConvertDraft
		}
	}
	if err := a.took(a.app.Consults.Reply(ctx, s, a.ref(), r)); err != nil || a.state == consult.StateAnswered {
		return err
	}
	a.plan(a.clock().Add(a.rng.between(20, 600)), a.finish)
	return nil
}

// finish turns the answer into a referral where the plan says so, and closes
// the consultation.
func (a *advice) finish(ctx context.Context) error {
	if a.convert == "asker" {
		c, _, err := a.app.Consults.Convert(ctx, a.doctor, a.ref(), "")
		if err := a.took(c, err); err != nil {
			return err
		}
	}
	return a.took(a.app.Consults.Close(ctx, a.doctor, a.ref(), a.survey))
}
