package simulate

import (
	"context"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/flow"
	"yilian/internal/referral"
)

// descent is the way down of one in-patient, after his up-referral.
type descent struct {
	*course
	d      flow.Case
	target referral.DownTarget
	below  access.Actor // who receives him
	above  access.Actor // who sent him down
	visits []string
}

// goesDown picks in-patients who are sent down rather than just reported
// back: some of them, and all of the last days, so that cases stand in every
// state when the demo begins.
func (c *course) goesDown() bool {
	if c.v.care != referral.Inpatient || c.stop != "" {
		return false
	}
	return c.now.Sub(c.clock()) < 12*24*time.Hour || c.rng.chance(15)
}

// completeDown ends the treatment and sends the patient down with his plan.
func (c *course) completeDown(ctx context.Context, doctor access.Actor, report referral.Report) error {
	places, err := c.app.Referrals.DownTargets(ctx, doctor, referral.DownNeed{Patient: c.who.ID, Diagnosis: c.v.result, Reason: "acute_over"})
	if err != nil {
		return err
	}
	x := &descent{course: c, above: doctor}
	for _, p := range places {
		if p.Problem == "" && len(c.staff.with(p.Org.ID, access.TownshipDoctor, "")) > 0 {
			x.target = p
			break
		}
	}
	if x.target.Org.ID == "" { // nobody below takes him
		return c.took(c.app.Referrals.Complete(ctx, doctor, c.ref(), report))
	}
	if x.below, err = c.staff.one(c.rng, x.target.Org.ID, access.TownshipDoctor, ""); err != nil {
		return err
	}
	up, down, err := c.app.Referrals.CompleteDown(ctx, doctor, c.ref(), report, x.packet())
	if err != nil {
		return err
	}
	c.c, x.d = up, down
	c.then(c.clock(), 30, 2*1440, c.acknowledge)
	x.later(60, 600, x.answer)
	return nil
}

// packet is the continue-treatment plan, made of the vignette.
func (x *descent) packet() referral.DownForm {
	today := calendar.DateOf(x.clock())
	day := func(n int) string { return string(today.AddDays(n)) }
	x.visits = []string{day(7), day(14), day(28)}
	signed := x.signature()
	return referral.DownForm{
		Patient: x.who.ID, Diagnosis: x.v.result, Reason: pick(x.rng, []string{"acute_over", "rehabilitation", "chronic_care"}),
		Indications: []string{pick(x.rng, []string{"acute_over", "clear_no_special", "chronic_long"})}, TargetService: x.target.Service.ID,
		Plan: referral.Plan{
			Done: x.v.therapy, Next: x.v.plan,
			Medicines: []referral.Medicine{
				{Name: "阿司匹林肠溶片", Dose: "100 mg", Frequency: "每日 1 次", Quantity: "30 片", DaysLeft: 30},
				{Name: "苯磺酸氨氯地平片", Dose: "5 mg", Frequency: "每日 1 次", Quantity: "14 片", DaysLeft: 14},
			},
			RedFlags: "胸痛或呼吸困难加重、意识改变、发热 38.5 ℃ 以上、黑便", Rehab: "循序渐进活动，每日步行 20～30 分钟", Nursing: "监测血压，观察用药反应",
			Visits: []referral.PlannedVisit{{On: x.visits[0], What: "症状、血压、用药"}, {On: x.visits[1], What: "血压、血常规、肝肾功能"}, {On: x.visits[2], What: "复查并评估是否结束"}},
			Until:  day(30),
		},
		Choices: []referral.Choice{{Org: x.target.Org.ID, OrgName: x.target.Org.Name, Service: x.target.Department.Name, Chosen: true}},
		Consent: &signed,
	}
}

func (x *descent) later(min, max int, do func(ctx context.Context) error) {
	x.plan(x.rng.office(x.clock().Add(x.rng.between(min, max))), do)
}

func (x *descent) on() referral.Ref { return referral.Ref{ID: x.d.ID, Version: x.d.Version} }

func (x *descent) went(c flow.Case, err error) error {
	if err == nil {
		x.d = c
	}
	return err
}

// answer is what the centre below says.
func (x *descent) answer(ctx context.Context) error {
	if x.rng.chance(8) {
		err := x.went(x.app.Referrals.Decline(ctx, x.below, x.on(), referral.Decline{
			Reason: "no_drug", Comment: "本院目前没有所需药品", Advice: "请患者带足 30 天药量，或转社区卫生服务中心",
		}))
		x.later(120, 900, x.giveUp)
		return err
	}
	if err := x.went(x.app.Referrals.Accept(ctx, x.below, x.on(), "")); err != nil {
		return err
	}
	x.later(20, 200, x.appoint)
	return nil
}

// giveUp closes what was declined; the patient goes home with his medicines.
func (x *descent) giveUp(ctx context.Context) error {
	return x.went(x.app.Referrals.Close(ctx, x.above, x.on(), referral.Closing{
		Outcome: referral.OutcomeDeclined, Reason: "changed", Comment: "已带足药量居家，一月后回院复查",
	}))
}

func (x *descent) appoint(ctx context.Context) error {
	at := x.rng.office(x.clock().Add(x.rng.between(1440, 2*1440)))
	a := referral.Arrangement{Department: x.target.Department.ID, At: at, Location: "门诊全科诊室"}
	if err := x.went(x.app.Referrals.Arrange(ctx, x.below, x.on(), a)); err != nil {
		return err
	}
	if !x.rng.chance(8) { // the others do not come: the program looks for them
		x.plan(at.Add(x.rng.between(1, 60)), x.come)
	}
	return nil
}

func (x *descent) come(ctx context.Context) error {
	err := x.went(x.app.Referrals.Arrive(ctx, x.below, x.on(), referral.Arrival{IDNumber: x.who.IDNumber, Name: x.who.Name}))
	if err != nil {
		return err
	}
	if err := x.went(x.app.Referrals.Start(ctx, x.below, x.on(), referral.Start{Care: referral.Outpatient})); err != nil {
		return err
	}
	for i, day := range x.visits {
		if x.rng.chance(15) {
			continue // a follow-up that was missed
		}
		x.plan(calendar.Date(day).Time().Add(x.rng.between(9*60, 17*60)), func(ctx context.Context) error { return x.visit(ctx, i) })
	}
	x.plan(calendar.Date(x.visits[2]).Time().Add(x.rng.between(1440+9*60, 1440+17*60)), x.end)
	return nil
}

// visit is one follow-up; now and then there is a red flag or a question.
func (x *descent) visit(ctx context.Context, i int) error {
	f := referral.FollowForm{Visit: true, Vitals: x.vitals(), Text: pick(x.rng, []string{"无不适，按时服药", "一般情况好，饮食睡眠可", "症状较前减轻，活动耐量改善"}), RedFlag: "no"}
	switch {
	case x.rng.chance(10):
		f.RedFlag, f.Text, f.Question = "yes", "昨夜胸闷一次，约 20 分钟，含服药物后缓解", "是否需要回院复查？"
	case i == 0 && (x.rng.chance(25) || x.fresh()):
		f.Question = "血压晨起偏高，氨氯地平是否加量？"
	}
	if err := x.went(x.app.Referrals.Follow(ctx, x.below, x.on(), f)); err != nil || f.Question == "" {
		return err
	}
	if !x.fresh() { // the newest questions wait on the demo's to-do lists
		x.later(20, 110, x.reply)
	}
	return nil
}

// fresh reports whether it is only a few days before the demo begins.
func (x *descent) fresh() bool { return x.now.Sub(x.clock()) < 4*24*time.Hour }

// reply lets the former attending doctor answer what waits for him.
func (x *descent) reply(ctx context.Context) error {
	list, err := x.app.Referrals.Following(ctx, x.above)
	if err != nil {
		return err
	}
	for _, f := range list.Items {
		for _, e := range f.Plan.Entries {
			if f.Case.ID != x.d.ID || e.Question.ID == "" || !e.Question.Open() {
				continue
			}
			_, err := x.app.Referrals.Reply(ctx, x.above, referral.Ref{ID: e.Question.ID, Version: e.Question.Version},
				pick(x.rng, []string{"先按原方案，3 天后再测，仍高于 150/95 时联系我", "请本周内回院复查心电图和肌钙蛋白，已为其留号"}))
			return err
		}
	}
	return nil
}

func (x *descent) end(ctx context.Context) error {
	err := x.went(x.app.Referrals.Complete(ctx, x.below, x.on(), referral.Report{
		ResultCode: x.v.result, Treatment: "按下转计划管理一个月，规律用药、随访", Advice: "纳入慢病管理，按期复查", Outcome: referral.OutcomeReturned,
	}))
	if err != nil {
		return err
	}
	x.later(60, 1440, func(ctx context.Context) error {
		return x.went(x.app.Referrals.Acknowledge(ctx, x.above, x.on(), "已收到，感谢"))
	})
	return nil
}
