package scheduleweb

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/jobs"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/policy/policytest"
	"yilian/internal/practitioner"
	"yilian/internal/schedule"
	"yilian/internal/web/facetest"
	"yilian/internal/web/webtest"
)

type fixture struct {
	*facetest.Face
	svc        *schedule.Service
	org        organization.Organization
	cardiology string
	doctors    []string
}

func setup(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	organizationtest.Seed(t, d)
	book := policytest.Shipped(t)
	log := audit.New(d, crypto.Ephemeral(crypto.SM))
	org := organizationtest.ByName(t, d, "永州市第四人民医院")
	f := &fixture{
		Face: facetest.New(t, d, access.Actor{Account: "c", Name: "周护士", Role: string(access.ReferralCenter), Org: org.ID, OrgName: org.Name}),
		svc:  &schedule.Service{DB: d, Policy: book, Calendar: calendar.New(), Audit: log, Queue: jobs.New(d)},
		org:  org, cardiology: organizationtest.Department(t, d, org.ID, "心血管内科").ID,
	}
	staff := &practitioner.Service{DB: d, Log: log}
	for _, name := range []string{"王主任", "李主任"} {
		p, err := staff.Save(t.Context(), audit.Program("test"), practitioner.Practitioner{Name: name, Sex: "1", Phone: "13900000001",
			Title: "主任医师", Category: practitioner.Clinician, Scope: "内科", EmployedBy: org.ID})
		if err != nil {
			t.Fatal(err)
		}
		f.doctors = append(f.doctors, p.ID)
	}
	f.svc.Init()
	Routes(f.Site, f.svc)
	return f
}

func (f *fixture) plan() url.Values {
	return url.Values{"department": {f.cardiology}, "kind": {"clinic"}, "name": {"专家门诊"}, "practitioner": {f.doctors[0]}, "weekdays": {"1", "2", "3", "4", "5"},
		"from": {"08:30"}, "to": {"09:30"}, "minutes": {"20"}, "capacity": {"2"}, "alliance": {"2"}, "contract": {"1"}, "valid_from": {"2026-03-01"}}
}

// book gives a person the n-th slot of a day.
func (f *fixture) book(name string, day calendar.Date, n int) {
	f.Helper()
	err := f.DB.Tx(f.Context(), func(tx *db.Tx) error {
		slots, err := schedule.SlotsOn(f.Context(), tx, f.cardiology, day)
		if err != nil {
			return err
		}
		_, err = f.svc.Book(f.Context(), tx, f.Actor, schedule.Booking{Case: "case-" + name + string(day), Patient: name, Subject: name,
			Priority: schedule.Priority{Referred: true}, Clinic: slots[n].ID})
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
}

func TestPlanToWeek(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.See("/schedule", "这一周没有门诊号源", "新建出诊安排", "永州市第四人民医院")
		f.See("/schedule/plans", "还没有出诊安排")
		f.See("/schedule/plans/new", "心血管内科", "王主任", "建议约 40% 留给转诊、20% 留给签约居民")
		wrong := f.plan()
		wrong.Set("to", "08:00")
		wrong.Set("capacity", "两个")
		f.Post("/schedule/plans", wrong, 422).Shows("请填写每个时段的号数（整数）", `value="两个"`, "专家门诊")
		wrong.Set("capacity", "2")
		f.Post("/schedule/plans", wrong, 422).Shows("结束时间 08:00 应晚于开始时间 08:30")
		if to := f.Post("/schedule/plans", f.plan(), 303).To(); to != "/schedule/plans" {
			t.Errorf("led to %s", to)
		}
		page := f.See("/schedule/plans", "专家门诊", "周一至周五", "08:30—09:30", "6 个", "转诊 2", "2026-03-01 起", "王主任")
		id := page.LastBefore(">修改<", "/schedule/plans/", `"`)
		f.book("张桂兰", "2026-03-03", 0)
		f.See("/schedule", "余 5", "1/6", "转 1/2　签 0/1　公 0/3", "今日号源").Hides("张桂兰")
		f.See("/schedule?week=2026-03-12", "3月9日")
		f.See("/schedule?kind=exam", "这一周没有检查号源")
		f.See("/schedule/day?kind=clinic&day=2026-03-03&department="+f.cardiology, "张桂兰", "转诊预留", "08:30—08:50", "余 5")
		f.See("/schedule/today", "这一天还没有预约")
		f.See("/schedule/today?day=2026-03-03", "张桂兰", "专家门诊", "已约", "王主任")

		edit := f.plan()
		f.See("/schedule/plans/"+id, "修改出诊安排", `value="专家门诊"`, "停用后不再放号")
		edit.Set("version", "1")
		edit.Set("status", "closed")
		if to := f.Post("/schedule/plans/"+id, edit, 303).To(); to != "/schedule/affected" {
			t.Errorf("led to %s", to)
		}
		f.Post("/schedule/plans/"+id, edit, 409).Shows("刚刚被别人改过")
		f.See("/schedule", "停诊")
	})
}

func TestExceptionsAndMoving(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.Post("/schedule/plans", f.plan(), 303)
		id := f.See("/schedule/plans").LastBefore(">修改<", "/schedule/plans/", `"`)
		f.book("张桂兰", "2026-03-03", 0)
		f.See("/schedule/affected", "没有需要改约的患者")
		f.See("/schedule/exceptions/new?schedule="+id, "心血管内科 专家门诊", "停诊", "加诊", "替诊")
		closed := url.Values{"schedule": {id}, "kind": {"closed"}, "day": {"2026-03-03"}}
		f.Post("/schedule/exceptions", closed, 422).Shows("请填写原因")
		substitute := url.Values{"schedule": {id}, "kind": {"substitute"}, "day": {"2026-03-03"}, "practitioner": {f.doctors[1]}, "reason": {"外出"}}
		if to := f.Post("/schedule/exceptions", substitute, 303).To(); to != "/schedule/affected" {
			t.Errorf("led to %s", to)
		}
		page := f.See("/schedule/affected", "张桂兰", "换医生", "王主任 → 李主任", "已告知，时间不变")
		who := page.Between("/schedule/appointments/", "/")
		f.Post("/schedule/appointments/"+who+"/keep", url.Values{"version": {"1"}}, 303)
		closed.Set("reason", "科室培训")
		closed.Set("all", "1")
		f.Post("/schedule/exceptions", closed, 303)
		page = f.See("/schedule/affected", "停诊", "3月3日（周二）08:30", "改约到").Hides("时间不变</button>")
		slot := page.Between(`<option value="`, `"`)
		f.Post("/schedule/appointments/"+who+"/move", url.Values{"version": {"1"}, "slot": {slot}}, 409).Shows("刚刚被别人改过")
		f.Post("/schedule/appointments/"+who+"/move", url.Values{"version": {"2"}}, 422).Shows("请先选择改约的时间")
		f.Post("/schedule/appointments/"+who+"/move", url.Values{"version": {"2"}, "slot": {slot}}, 303)
		f.See("/schedule/affected", "没有需要改约的患者")
		f.See("/schedule/today?day=2026-03-04", "张桂兰")
		ex := f.See("/schedule/plans", "科室培训", "3月3日 周二", "全天").LastBefore("/void", "/schedule/exceptions/", `/`)
		f.Post("/schedule/exceptions/"+ex+"/void", nil, 303)
	})
}

func TestBeds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.See("/schedule/beds", "还没有登记转诊床位", "登记床位")
		set := url.Values{"department": {f.cardiology}, "kind": {"women"}, "day": {"2026-03-02"}, "offered": {"x"}}
		f.Post("/schedule/beds", set, 422).Shows("请填写床位数（整数）")
		set.Set("offered", "2")
		f.Post("/schedule/beds", set, 303)
		set.Del("offered")
		set.Set("by", "1")
		f.Post("/schedule/beds", set, 303)
		f.See("/schedule/beds", "女床", `<b class="num">3</b>`, "周护士")
		f.See("/schedule/beds?day=2026-03-05", `<b class="num">3</b>`, "沿用前一天")
		err := f.DB.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := f.svc.Book(t.Context(), tx, f.Actor, schedule.Booking{Case: "c", Patient: "p", Subject: "张桂兰",
				Bed: &schedule.BedRequest{Department: f.cardiology, Kind: schedule.WomenBed, From: "2026-03-02", Days: 3}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		f.See("/schedule/beds", "张桂兰", "2026-03-02—2026-03-05")
		set.Set("by", "-3")
		f.Post("/schedule/beds", set, 409).Shows("已预留或占用 1 张")
	})
}

func TestOthersSeeCountsOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.Post("/schedule/plans", f.plan(), 303)
		id := f.See("/schedule/plans").LastBefore(">修改<", "/schedule/plans/", `"`)
		f.book("张桂兰", "2026-03-03", 0)
		day := "/schedule/day?kind=clinic&day=2026-03-03&department=" + f.cardiology

		f.Actor = access.Actor{Account: "d", Role: string(access.DepartmentDoctor), Org: f.org.ID}
		f.See("/schedule").Hides("新建出诊安排")
		f.See("/schedule/beds").Hides("登记床位")
		f.See("/schedule/plans").Hides(">修改<")
		f.See(day, "张桂兰")
		f.Get("/schedule/plans/new", 403)
		f.Get("/schedule/plans/"+id, 403)
		f.Post("/schedule/plans", f.plan(), 403)
		f.Post("/schedule/beds", url.Values{"department": {f.cardiology}, "day": {"2026-03-02"}, "offered": {"2"}}, 403)

		township := organizationtest.ByName(t, d, "凼底乡卫生院")
		f.Actor = access.Actor{Account: "t", Role: string(access.TownshipDoctor), Org: township.ID}
		f.See("/schedule", "凼底乡卫生院", "这一周没有门诊号源")
		f.See("/schedule?org="+f.org.ID, "余 5", "永州市第四人民医院").Hides("待改约")
		f.See(day, "1/2").Hides("张桂兰")
		f.See("/schedule/today?day=2026-03-03").Hides("张桂兰")

		f.Actor = access.Actor{Account: "b", Role: string(access.SystemAdmin)}
		f.Get("/schedule", 403)
	})
}

// TestLayout looks at every page in a browser at the size of an old PC and of a
// phone: nothing may scroll sideways, no script may fail.
func TestLayout(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	if err := f.DB.Tx(t.Context(), func(tx *db.Tx) error { return f.svc.SeedTemplates(t.Context(), tx, f.org.ID) }); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"张桂兰", "李国强", "王秀英"} {
		f.book(name, "2026-03-02", i)
		f.book(name, "2026-03-04", i)
	}
	ids := strings.Split(f.See("/schedule/plans?department="+f.cardiology).Body, `/schedule/plans/`)
	id, _, _ := strings.Cut(ids[len(ids)-1], `"`)
	f.Post("/schedule/exceptions", url.Values{"schedule": {id}, "kind": {"closed"}, "day": {"2026-03-04"}, "reason": {"科室培训"}, "all": {"1"}}, 303)
	server := httptest.NewServer(f.Site)
	t.Cleanup(server.Close)
	ctx := webtest.Browser(t)
	for _, size := range []struct {
		name string
		size [2]int64
	}{{"desk", webtest.Desk}, {"phone", webtest.Phone}} {
		webtest.Do(ctx, webtest.Size(size.size))
		for name, path := range map[string]string{
			"week": "/schedule", "day": "/schedule/day?kind=clinic&day=2026-03-04&department=" + f.cardiology, "today": "/schedule/today",
			"affected": "/schedule/affected", "beds": "/schedule/beds", "plans": "/schedule/plans", "plan": "/schedule/plans/" + id,
			"exception": "/schedule/exceptions/new?schedule=" + id,
		} {
			webtest.Visit(ctx, server.URL+path)
			webtest.Until(ctx, "document.readyState === 'complete'")
			if webtest.Eval[bool](ctx, "document.documentElement.scrollWidth > document.documentElement.clientWidth") {
				t.Errorf("%s at %s scrolls sideways", name, size.name)
			}
			webtest.Screenshot(ctx, "schedule-"+name+"-"+size.name)
		}
	}
}
