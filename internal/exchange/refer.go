package exchange

import (
	"cmp"
	"context"
	"strings"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/exchange/hl7"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/referral"
	"yilian/internal/terminology"
)

const referralLink = "referral"

// refer is a referral written at the sender (REF^I12): it becomes a draft of the
// sending institution. The patient's consent and the doctor's signature are not
// in a message: the doctor completes the draft and sends it.
func (t *task) refer(ctx context.Context) error {
	if err := t.person(ctx); err != nil {
		return err
	}
	number, err := t.referralNumber()
	if err != nil {
		return err
	}
	if id, err := link(ctx, t.tx, t.src.peer.Name, referralLink, number); err != nil || id != "" {
		if err == nil {
			err = fault(BadValue, hl7.DuplicateKey, "RF1", 6, "转诊单 %s 已经登记，改动请发 REF^I13", number)
		}
		return err
	}
	form, err := t.referralForm(ctx)
	if err != nil {
		return err
	}
	from := flow.Party{Org: t.src.peer.Org, OrgName: t.src.peer.OrgName}
	if prd := t.provider("RP"); prd.Name != "" {
		from.PersonName = personName(prd.Rep(2).Sub(1, 1), prd.Rep(2).Comp(2), "")
		if from.Department, from.DepartmentName, err = t.departmentOf(ctx, from.Org, prd.Rep(4).Comp(1)); err != nil {
			return err
		}
	}
	c, err := t.s.Referrals.DeriveTx(ctx, t.tx, t.src.actor(), referral.Derived{Form: form, For: from})
	if err != nil {
		return err
	}
	return setLink(ctx, t.tx, t.src.peer.Name, referralLink, number, c.ID)
}

// referralNumber is that of the sender (RF1-6), else of its order.
func (t *task) referralNumber() (string, error) {
	rf1 := t.m.Segment("RF1")
	if rf1.Name == "" {
		return "", fault(Missing, hl7.SegmentOrder, "RF1", 0, "缺少 RF1 段，不知道是哪张转诊单")
	}
	if n := cmp.Or(rf1.Str(6), rf1.Str(11)); n != "" {
		return n, nil
	}
	return "", missing("RF1", 6, "转诊单号")
}

// provider is the PRD segment of a role: RP referring, RT referred to.
func (t *task) provider(role string) hl7.Segment {
	for _, s := range t.m.All("PRD") {
		if s.Str(1) == role {
			return s
		}
	}
	return hl7.Segment{}
}

// referralForm is what a message says of a referral.
func (t *task) referralForm(ctx context.Context) (referral.Form, error) {
	rf1 := t.m.Segment("RF1")
	form := referral.Form{Patient: t.who, Visit: referral.Outpatient, Urgency: urgencyOf(rf1.Str(2))}
	if class, _ := classOf(t.m.Segment("PV1").Str(2), ""); class == "inpatient" {
		form.Visit = referral.Inpatient
	}
	for _, d := range diagnosesOf(t.m.All("DG1")) {
		if c, ok := terminology.Get(cmp.Or(d.InsuranceCode, d.ClinicalCode)); ok && form.Diagnosis == "" {
			form.Diagnosis = c.Code
		}
		form.Request.Illness = strings.TrimSpace(form.Request.Illness + "\n" + d.Title())
	}
	form.Request.Illness = strings.TrimSpace(rf1.Text(10) + "\n" + form.Request.Illness)
	for _, s := range t.m.All("NTE") {
		form.Request.Treatment = strings.TrimSpace(form.Request.Treatment + "\n" + s.Text(3))
	}
	var err error
	form.TargetService, err = t.target(ctx)
	return form, err
}

// urgencyOf reads table HL70280: as soon as possible, urgent, routine.
func urgencyOf(code string) string {
	switch code {
	case "S", "A":
		return "II"
	case "U":
		return "III"
	}
	return "IV"
}

// target finds the service that a referral asks for: PRD with the role RT names
// the institution (PRD-4.4 or PRD-10) and the department (PRD-4.1). One that is
// not found is left to the doctor who completes the draft.
func (t *task) target(ctx context.Context) (string, error) {
	prd := t.provider("RT")
	name := ""
	for _, n := range []string{prd.Rep(4).Comp(4), prd.Rep(4).Comp(10), prd.Str(8), prd.Str(10)} {
		if n == "" {
			continue
		}
		o, err := institution(ctx, t.tx, n)
		if errs.Is(err, errs.NotFound) {
			name = n
			continue
		}
		if err != nil {
			return "", err
		}
		services, err := organization.Services(ctx, t.tx, o.ID)
		if err != nil {
			return "", err
		}
		department, _, err := t.departmentOf(ctx, o.ID, prd.Rep(4).Comp(1))
		if err != nil {
			return "", err
		}
		for _, h := range services {
			if h.Department == department && department != "" {
				return h.ID, nil
			}
		}
		t.warn("PRD", 4, hl7.UnknownKey, "没有找到接收科室，已建立草稿，由申请医生选择")
		return "", nil
	}
	t.warn("PRD", 10, hl7.UnknownKey, "没有找到接收机构“"+name+"”，已建立草稿，由申请医生选择")
	return "", nil
}

// departmentOf finds a department by its name; "" when there is none.
func (t *task) departmentOf(ctx context.Context, org, name string) (id, title string, err error) {
	list, err := organization.Departments(ctx, t.tx, org)
	for _, d := range list {
		if d.Name == name {
			return d.ID, d.Name, nil
		}
	}
	return "", "", err
}

// linkedReferral is the case that a message changes.
func (t *task) linkedReferral(ctx context.Context) (flow.Case, error) {
	number, err := t.referralNumber()
	if err != nil {
		return flow.Case{}, err
	}
	id, err := link(ctx, t.tx, t.src.peer.Name, referralLink, number)
	if err == nil && id == "" {
		err = hold(CaseUnknown, "RF1", 6, "转诊单 %s 没有登记过", number)
	}
	if err != nil {
		return flow.Case{}, err
	}
	c, err := flow.Get(ctx, t.tx, id)
	if err == nil && c.Patient != t.who {
		err = hold(PersonDiffers, "PID", 3, "转诊单 %s 登记的是另一位患者", number)
	}
	return c, err
}

// changeReferral is REF^I13: a draft takes over what the message says; one that
// has been sent is changed by people.
func (t *task) changeReferral(ctx context.Context) error {
	if err := t.person(ctx); err != nil {
		return err
	}
	c, err := t.linkedReferral(ctx)
	if err != nil {
		return err
	}
	if c.State != referral.StateDraft {
		return moved(c)
	}
	form, err := t.referralForm(ctx)
	if err != nil {
		return err
	}
	_, err = t.s.Referrals.SaveByMessageTx(ctx, t.tx, t.src.actor(), c, form)
	return err
}

// cancelReferral is REF^I14.
func (t *task) cancelReferral(ctx context.Context) error {
	if err := t.person(ctx); err != nil {
		return err
	}
	c, err := t.linkedReferral(ctx)
	if err != nil {
		return err
	}
	done, err := t.s.Referrals.CancelByMessageTx(ctx, t.tx, t.src.actor(), c, "来源系统取消（"+calendar.DateOf(t.tx.Now).String()+" REF^I14）")
	if err == nil && !done {
		return moved(c)
	}
	return err
}

func moved(c flow.Case) error {
	return hold(CaseMoved, "RF1", 6, "转诊单 %s 已往下办理，消息不能直接改动，请在平台打开办理", c.Number)
}
