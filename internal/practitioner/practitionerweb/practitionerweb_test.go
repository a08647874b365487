package practitionerweb

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/practitioner"
	"yilian/internal/web/facetest"
)

type fixture struct {
	*facetest.Face
	svc    *practitioner.Service
	org    organization.Organization
	cardio string
}

func setup(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	organizationtest.Seed(t, d)
	org := organizationtest.ByName(t, d, "永州市第四人民医院")
	f := &fixture{
		Face: facetest.New(t, d, access.Actor{Account: "m", Name: "医务科", Role: string(access.MedicalAffairs), Org: org.ID}),
		svc:  &practitioner.Service{DB: d, Log: audit.New(d, crypto.Ephemeral(crypto.SM))},
		org:  org, cardio: organizationtest.Department(t, d, org.ID, "心血管内科").ID,
	}
	Routes(f.Site, f.svc)
	return f
}

func (f *fixture) person(name string) string {
	f.Helper()
	to := f.Post("/practitioners", url.Values{"name": {name}, "sex": {"2"}, "title": {"主治医师"}, "category": {"clinician"},
		"scope": {"内科专业"}, "phone": {"0746-6223501"}, "employed_by": {f.org.ID}}, 303).To()
	return strings.TrimPrefix(to, "/practitioners/")
}

// onCall puts a new person on call from now on.
func (f *fixture) onCall(name string) practitioner.Shift {
	f.Helper()
	s, err := f.svc.AddShift(f.Context(), f.Actor, practitioner.Shift{Org: f.org.ID, Duty: practitioner.OnCallDuty, Practitioner: f.person(name),
		From: dbtest.Clock, To: dbtest.Clock.Add(8 * time.Hour)})
	if err != nil {
		f.Fatal(err)
	}
	return s
}

func TestRosterFromEmptyToReplaced(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.See("/roster", "本周还没有排班", "此刻没有人在班", "永州市第四人民医院", "还没有登记人员")
		wang, li := f.person("王芳"), f.person("李娜")
		shift := url.Values{"org": {f.org.ID}, "week": {"2026-03-02"}, "department": {f.cardio}, "duty": {"on_call"},
			"practitioner": {wang}, "on": {"2026-02-30"}, "start": {"8点"}, "end": {"08:00"}}
		f.Post("/roster/shifts", shift, 422).Shows("不是有效日期", "请填写开始时间，如 08:00")
		shift.Set("on", "2026-03-02")
		shift.Set("start", "08:00")
		f.Post("/roster/shifts", shift, 303)
		f.See("/roster", "王芳", "08:00—次日 08:00", "未来 7 天有空岗", "0746-6223501", "周一 3月2日")
		f.Post("/roster/shifts", shift, 422).Shows("已排了同一个班")

		id := f.See("/roster").Between("/roster/shifts/", `"`)
		f.See("/roster/shifts/"+id, "王芳", "换班", "撤班")
		f.Post("/roster/shifts/"+id+"/replace", url.Values{"practitioner": {li}}, 422).Shows("请填写换班或撤班的原因")
		f.Post("/roster/shifts/"+id+"/replace", url.Values{"practitioner": {li}, "reason": {"病假"}}, 303)
		f.See("/roster", "李娜", "心血管内科")
		f.Get("/roster/shifts/"+id, 404)
		f.Post("/roster/copy", url.Values{"org": {f.org.ID}, "week": {"2026-03-09"}}, 303)
		f.See("/roster?week=2026-03-11", "李娜", "周一 3月9日")
		f.Post("/roster/end-duty", url.Values{"org": {f.org.ID}, "department": {f.cardio}, "duty": {"on_call"}}, 303)
		f.See("/roster").Hides("未来 7 天有空岗")
	})
}

func TestRosterOfOthersIsReadOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		s := f.onCall("王芳")
		f.Actor = access.Actor{Account: "d", Role: string(access.TownshipDoctor), Org: "elsewhere"}
		f.See("/roster?org="+f.org.ID, "王芳").Hides("照搬上周")
		f.See("/roster/shifts/" + s.ID).Hides("撤班")
		f.Post("/roster/shifts/"+s.ID+"/void", url.Values{"comment": {"x"}}, 403)
		f.Get("/roster?week=2026-02-30", 422)
	})
}

func TestVoid(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		s := f.onCall("王芳")
		f.Post("/roster/shifts/"+s.ID+"/void", url.Values{"comment": {" "}}, 422).Shows("请填写换班或撤班的原因")
		f.Post("/roster/shifts/"+s.ID+"/void", url.Values{"comment": {"停诊"}}, 303)
		f.See("/roster", "此刻没有人在班")
	})
}

func TestStaff(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.See("/practitioners", "该机构还没有登记人员", "登记人员")
		f.See("/practitioners/new", "登记人员", "人事关系所在机构")
		f.Post("/practitioners", url.Values{"name": {""}, "employed_by": {f.org.ID}}, 422).Shows("请填写姓名", "请选择职称")
		id := f.person("王芳")
		f.See("/practitioners", "王芳", "内科专业", "全院")
		f.See("/practitioners/"+id, "在编", "至今", "派驻不改变人事关系")
		f.See("/practitioners/"+id+"/edit", "王芳")
		edit := url.Values{"version": {"1"}, "name": {"王芳"}, "sex": {"2"}, "title": {"副主任医师"}, "category": {"clinician"}, "employed_by": {f.org.ID}, "status": {"open"}}
		f.Post("/practitioners/"+id, edit, 303)
		f.Post("/practitioners/"+id, edit, 409).Shows("刚刚被别人改过")
		f.Post("/practitioners/"+id+"/postings", url.Values{"org": {f.org.ID}, "department": {f.cardio}, "kind": {"employed"}, "head": {"1"}, "from": {"2026-03-40"}}, 422).Shows("不是有效日期")
		f.Post("/practitioners/"+id+"/postings", url.Values{"org": {f.org.ID}, "department": {f.cardio}, "kind": {"employed"}, "head": {"1"}, "from": {"2026-03-01"}}, 303)
		posting := f.See("/practitioners/"+id, "心血管内科", "负责人").Between("/postings/", "/")
		f.Post("/postings/"+posting+"/end", url.Values{"last": {""}}, 422).Shows("请填写最后一天的日期")
		f.Post("/postings/"+posting+"/end", url.Values{"last": {"2026-12-31"}}, 303)
		f.See("/practitioners/"+id, "2026-12-31")
	})
}
