package simulate

import (
	"context"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/calls"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/patient"
	"yilian/internal/referral"
	"yilian/internal/referral/phoned"
	"yilian/internal/reminder"
)

// office plans what referral centres do beside the cases: what the townships
// have declared, the month's test calls, and what was telephoned in.
func (l *life) office(ctx context.Context) error {
	l.plan(l.now.AddDate(0, -5, 0), l.declare)
	l.plan(l.now.Add(-50*time.Hour), l.testPhones)
	for i, end := range []string{phoned.ActConfirm, phoned.ActCorrect, phoned.ActByPhone, ""} {
		p := &phonedIn{course: course{life: l}, end: end}
		at := l.rng.office(l.now.AddDate(0, 0, i-9))
		if end == "" { // just now: neither taken nor checked yet
			at, p.stop = l.now.Add(-25*time.Minute), referral.StateSubmitted
		}
		if err := p.choose(ctx); err != nil {
			return err
		}
		if p.who.ID != "" {
			l.plan(at, p.enter)
		}
	}
	return nil
}

// declare lets the heads of the townships say what they can take from above.
func (l *life) declare(ctx context.Context) error {
	skills := [][]string{
		{"acute_over", "chronic_care", "wound_care", "rehabilitation"}, {"acute_over", "chronic_care", "post_surgery"}, {"chronic_care", "wound_care", "palliative"},
	}
	medicines := []string{"阿司匹林肠溶片", "阿托伐他汀钙片", "氨氯地平片", "二甲双胍片", "美托洛尔缓释片", "缬沙坦胶囊"}
	for i, centre := range l.staff.centres() {
		heads := l.staff.with(l.staff.orgs[centre].ID, access.TownshipHead, "")
		if len(heads) == 0 {
			continue
		}
		c := referral.Capability{Org: heads[0].Org, Beds: i%3 != 2, Skills: skills[i%len(skills)], Medicines: medicines[:3+i%4]}
		if err := l.app.Referrals.SaveCapability(ctx, heads[0], c); err != nil {
			return err
		}
	}
	return nil
}

// testPhones calls most of the published phones of the month, one without
// success.
func (l *life) testPhones(ctx context.Context) error {
	nurse, err := l.staff.one(l.rng, l.staff.orgs[fourth].ID, access.ReferralCenter, "")
	if err != nil {
		return err
	}
	phones, err := l.app.Calls.Phones(ctx, nurse)
	if err != nil {
		return err
	}
	for i, p := range phones.List {
		if i%4 == 3 || p.Org.ID == nurse.Org {
			continue
		}
		r := calls.Result{Org: p.Org.ID, Reached: i != 4}
		if !r.Reached {
			r.Note = "无人接听，响铃 2 分钟"
		}
		if err := l.app.Calls.Tested(ctx, nurse, r); err != nil {
			return err
		}
	}
	return nil
}

// phonedIn is a referral that a township doctor telephones in while his line is
// down.
type phonedIn struct {
	course
	end string // what his institution does about it; "" nothing yet
}

// choose takes somebody whom the fourth hospital treats.
func (p *phonedIn) choose(ctx context.Context) error {
	doctor, err := p.staff.one(p.rng, p.staff.orgs[shuikou].ID, access.TownshipDoctor, "")
	if err != nil {
		return err
	}
	p.doctor = doctor
	for range 2000 {
		p.v, p.who = pick(p.rng, vignettes()), patient.Entry{}
		if p.v.org != fourth || p.v.urgency == "II" {
			continue
		}
		if who, ok := p.folk.find(p.rng, shuikou, p.v, calendar.DateOf(p.now)); ok && who.IDNumber != "" && who.BirthDate < calendar.DateOf(p.now.AddDate(-18, 0, 0)) {
			p.who = who
			return p.course.choose(ctx)
		}
	}
	return nil
}

func (p *phonedIn) enter(ctx context.Context) error {
	nurse, err := p.staff.one(p.rng, p.staff.orgs[fourth].ID, access.ReferralCenter, "")
	if err != nil {
		return err
	}
	form := p.form()
	form.Patient = ""
	c, err := p.app.Phoned.Enter(ctx, nurse, phoned.Entry{
		Caller: phoned.Caller{Org: p.doctor.Org, Doctor: p.doctor.Person, Name: p.doctor.Name, Phone: "07466220001", At: p.clock().Add(-4 * time.Minute),
			Reason: "network_down", Note: "卫生院断网，预计下午恢复", ReadBack: true},
		Who: phoned.Who{IDNumber: p.who.IDNumber, Name: p.who.Name}, Form: form,
		Consent: consent.Consent{SignedBy: consent.Self, Witness: nurse.Name}, Once: "demo-phoned-" + p.end,
	})
	if err != nil {
		return err
	}
	p.c = c
	p.then(p.clock(), 10, 40, p.accept)
	if p.end != "" {
		p.plan(p.clock().Add(p.rng.between(120, 200)), func(ctx context.Context) error { return p.check(ctx, nurse) })
	}
	return nil
}

func (p *phonedIn) check(ctx context.Context, nurse access.Actor) error {
	id, err := p.app.Phoned.CheckOf(ctx, p.doctor, p.c.ID)
	if err != nil {
		return err
	}
	var c flow.Case
	err = p.app.DB.View(ctx, func(tx *db.Tx) (err error) {
		c, err = flow.Get(ctx, tx, id)
		return err
	})
	if err != nil {
		return err
	}
	ref := referral.Ref{ID: id, Version: c.Version}
	switch p.end {
	case phoned.ActConfirm:
		_, err = p.app.Phoned.Confirm(ctx, p.doctor, ref)
	case phoned.ActCorrect:
		_, err = p.app.Phoned.Correct(ctx, p.doctor, ref, "过敏史应为“青霉素过敏”，电话里漏报")
	default:
		_, err = p.app.Phoned.ConfirmByPhone(ctx, nurse, ref, "与"+p.doctor.Name+"核对，07466220001")
	}
	return err
}

// certify issues the certificate of an arranged referral, for some.
func (c *course) certify(ctx context.Context) error {
	clerks := c.staff.with(c.c.To.Org, access.InsuranceOffice, "")
	if len(clerks) == 0 || c.who.InsuranceKind == "" || !c.rng.chance(25) {
		return nil
	}
	_, err := c.app.Certificates.Issue(ctx, clerks[0], c.c.ID, 0)
	return err
}

// answered writes down what a patient has said to his reminder.
func (c *course) answered(ctx context.Context) error {
	clerk, err := c.desk()
	if err != nil {
		return err
	}
	r := reminder.Reply{Answer: reminder.Confirmed, How: reminder.ByPhone}
	if c.rng.chance(15) {
		r.Answer, r.Note = reminder.Unreachable, "两次无人接听"
	}
	return c.app.Referrals.AnswerReminder(ctx, clerk, c.ref(), r)
}
