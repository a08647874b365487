package simulate

import (
	"context"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/referral"
)

// The receiving side of a course.

func (c *course) ask(ctx context.Context) error {
	nurse, err := c.centre()
	if err != nil {
		return err
	}
	text := pick(c.rng, []string{"请补充近一周的用药情况和剂量", "请补充最近一次心电图结果", "请补充血常规和血糖结果", "请说明能否平卧、是否需要救护车"})
	if err := c.took(c.app.Referrals.Ask(ctx, nurse, c.ref(), "medication", text)); err != nil {
		return err
	}
	c.then(c.clock(), 15, 200, c.answer)
	return nil
}

func (c *course) answer(ctx context.Context) error {
	text := pick(c.rng, []string{"已核对：目前只服用氨氯地平 5 mg 每日 1 次，未用抗凝药", "心电图：窦性心律，ST-T 未见明显改变", "血常规正常，随机血糖 7.8 mmol/L", "能平卧，家属自驾护送"})
	if err := c.took(c.app.Referrals.Answer(ctx, c.doctor, c.ref(), text)); err != nil {
		return err
	}
	c.then(c.clock(), 5, 60, c.accept)
	return nil
}

func (c *course) decline(ctx context.Context) error {
	nurse, err := c.centre()
	if err != nil {
		return err
	}
	err = c.took(c.app.Referrals.Decline(ctx, nurse, c.ref(), referral.Decline{
		Reason: pick(c.rng, []string{"no_capacity", "other_specialty", "no_indication"}),
		Advice: "目前病情可先在卫生院按原方案治疗 3 天，复查后如无好转请再次转诊，或电话联系本院转诊中心",
	}))
	if err != nil {
		return err
	}
	c.then(c.clock(), 20, 200, c.closeDeclined)
	return nil
}

func (c *course) closeDeclined(ctx context.Context) error {
	return c.took(c.app.Referrals.Close(ctx, c.doctor, c.ref(), referral.Closing{Outcome: referral.OutcomeDeclined, Reason: "changed", Comment: "已按建议在本院继续治疗"}))
}

func (c *course) withdraw(ctx context.Context) error {
	return c.took(c.app.Referrals.Withdraw(ctx, c.doctor, c.ref(), "patient_cancelled", "家属已送患者去外地"))
}

func (c *course) accept(ctx context.Context) error {
	nurse, err := c.centre()
	if err != nil {
		return err
	}
	if err := c.took(c.app.Referrals.Accept(ctx, nurse, c.ref(), "")); err != nil {
		return err
	}
	c.then(c.clock(), 5, 50, c.arrange)
	return nil
}

func (c *course) arrange(ctx context.Context) error {
	nurse, err := c.centre()
	if err != nil {
		return err
	}
	at := c.appointment()
	doctors := c.staff.with(c.c.To.Org, access.DepartmentDoctor, c.v.department)
	a := referral.Arrangement{Department: c.service.Department, At: at}
	if len(doctors) > 0 {
		a.Doctor = doctors[0].Person
	}
	if err := c.took(c.app.Referrals.Arrange(ctx, nurse, c.ref(), a)); err != nil {
		return err
	}
	if err := c.certify(ctx); err != nil {
		return err
	}
	if c.stop == c.c.State {
		if c.rng.chance(60) {
			c.plan(c.clock().Add(c.rng.between(20, 60)), c.answered)
		}
		return nil
	}
	switch {
	case c.stop == referral.StateNoShow || (c.stop == "" && c.rng.chance(6)):
		c.plan(at.Add(c.rng.between(130, 300)), c.noShow)
	case c.stop == "" && c.rng.chance(3):
		c.plan(c.clock().Add(c.rng.between(30, 200)), c.cancel)
	default:
		c.plan(at.Add(-c.rng.between(0, 40)), c.arrive)
	}
	return nil
}

// appointment is soon for urgent cases, the next days for others.
func (c *course) appointment() time.Time {
	now := c.clock()
	switch {
	case c.stop == referral.StateArranged:
		return c.rng.office(now.Add(c.rng.between(18*60, 30*60)))
	case c.stop != "":
		return now.Add(c.rng.between(60, 200))
	case c.v.urgency == "II":
		return now.Add(c.rng.between(60, 180))
	case c.v.urgency == "III":
		return now.Add(c.rng.between(150, 360))
	}
	return c.rng.office(now.Add(c.rng.between(1440, 3*1440)))
}

func (c *course) cancel(ctx context.Context) error {
	return c.took(c.app.Referrals.Cancel(ctx, c.doctor, c.ref(), "elsewhere", "患者已到其他医院就诊"))
}

func (c *course) desk() (access.Actor, error) {
	return c.staff.one(c.rng, c.c.To.Org, access.Registration, "")
}

func (c *course) noShow(ctx context.Context) error {
	clerk, err := c.desk()
	if err != nil {
		return err
	}
	if err := c.took(c.app.Referrals.NoShow(ctx, clerk, c.ref(), "电话未接")); err != nil {
		return err
	}
	c.then(c.clock(), 60, 600, c.afterNoShow)
	return nil
}

func (c *course) afterNoShow(ctx context.Context) error {
	if c.rng.chance(50) {
		return c.took(c.app.Referrals.Close(ctx, c.doctor, c.ref(), referral.Closing{Outcome: referral.OutcomeNotArrived, Reason: "patient_gave_up", Comment: "患者自觉好转，暂不就诊"}))
	}
	if err := c.took(c.app.Referrals.Rearrange(ctx, c.doctor, c.ref(), "no_company", "改由儿子陪同")); err != nil {
		return err
	}
	c.then(c.clock(), 20, 120, c.arrange)
	return nil
}

func (c *course) arrive(ctx context.Context) error {
	clerk, err := c.desk()
	if err != nil {
		return err
	}
	if err := c.took(c.app.Referrals.Arrive(ctx, clerk, c.ref(), referral.Arrival{IDNumber: c.who.IDNumber, Name: c.who.Name})); err != nil {
		return err
	}
	c.then(c.clock(), 15, 90, c.start)
	return nil
}

func (c *course) attending() (access.Actor, error) {
	return c.staff.one(c.rng, c.c.To.Org, access.DepartmentDoctor, c.v.department)
}

func (c *course) start(ctx context.Context) error {
	doctor, err := c.attending()
	if err != nil {
		return err
	}
	s := referral.Start{Care: c.v.care}
	stay := 0
	if s.Care == referral.Inpatient {
		stay = 4 + c.rng.IntN(7)
		s.ExpectedDischarge = string(calendar.DateOf(c.clock()).AddDays(stay))
	}
	if err := c.took(c.app.Referrals.Start(ctx, doctor, c.ref(), s)); err != nil {
		return err
	}
	if c.stop == c.c.State {
		return nil
	}
	min, max := 60, 300
	if stay > 0 && c.stop == "" {
		min, max = (stay-1)*1440, stay*1440+300
	}
	c.then(c.clock(), min, max, c.complete)
	return nil
}

func (c *course) complete(ctx context.Context) error {
	doctor, err := c.attending()
	if err != nil {
		return err
	}
	for _, a := range c.staff.with(c.c.To.Org, access.DepartmentDoctor, "") {
		if a.Person == c.c.Owner {
			doctor = a
		}
	}
	outcome := referral.OutcomeReturned
	if c.rng.chance(12) {
		outcome = referral.OutcomeStays
	}
	report := referral.Report{
		ResultCode: c.v.result, RecordNumber: c.recordNumber(), Exams: c.v.exams, Treatment: c.v.therapy, Advice: c.v.plan, Outcome: outcome,
		Phone: c.staff.orgs[c.v.org].ReferralPhone,
	}
	if c.goesDown() {
		return c.completeDown(ctx, doctor, report)
	}
	if err := c.took(c.app.Referrals.Complete(ctx, doctor, c.ref(), report)); err != nil {
		return err
	}
	c.then(c.clock(), 30, 2*1440, c.acknowledge)
	return nil
}

func (c *course) recordNumber() string {
	digits := []byte("260000000")
	for i := 2; i < len(digits); i++ {
		digits[i] = byte('0' + c.rng.IntN(10))
	}
	return string(digits)
}

func (c *course) acknowledge(ctx context.Context) error {
	return c.took(c.app.Referrals.Acknowledge(ctx, c.doctor, c.ref(), pick(c.rng, []string{"", "已收到，纳入慢病随访", "已电话随访，恢复良好"})))
}
