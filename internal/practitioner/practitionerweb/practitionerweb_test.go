package practitionerweb

import (
	"context"
	"net/http"
	"net/http/httptest"
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
	"yilian/internal/practitioner"
	"yilian/internal/region"
	"yilian/internal/web"
)

var ctx = context.Background()

type fixture struct {
	*testing.T
	d      *db.DB
	site   *web.Site
	svc    *practitioner.Service
	actor  access.Actor
	org    organization.Organization
	cardio string
}

func setup(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	f := &fixture{T: t, d: d, site: web.New(web.Options{}), svc: &practitioner.Service{DB: d, Log: audit.New(d, crypto.Ephemeral(crypto.SM))}}
	err := d.Tx(ctx, func(tx *db.Tx) (err error) {
		if err := region.Seed(ctx, tx); err != nil {
			return err
		}
		if err := organization.Seed(ctx, tx); err != nil {
			return err
		}
		if f.org, err = organization.ByName(ctx, tx, "永州市第四人民医院"); err != nil {
			return err
		}
		all, err := organization.Departments(ctx, tx, f.org.ID)
		for _, x := range all {
			if x.Name == "心血管内科" {
				f.cardio = x.ID
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.actor = access.Actor{Account: "m", Name: "医务科", Role: string(access.MedicalAffairs), Org: f.org.ID}
	f.site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(access.WithActor(r.Context(), f.actor)))
		})
	})
	Routes(f.site, f.svc)
	return f
}

func (f *fixture) do(method, path string, form url.Values) (int, string, string) {
	f.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header().Get("Location")
}

// see fetches a page and checks that it holds every text.
func (f *fixture) see(path string, texts ...string) string {
	f.Helper()
	code, body, _ := f.do(http.MethodGet, path, nil)
	if code != http.StatusOK {
		f.Fatalf("GET %s: %d\n%s", path, code, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			f.Errorf("GET %s does not show %q", path, text)
		}
	}
	return body
}

// post submits a form and checks the status and the texts of the answer.
func (f *fixture) post(path string, form url.Values, want int, texts ...string) string {
	f.Helper()
	code, body, location := f.do(http.MethodPost, path, form)
	if code != want {
		f.Fatalf("POST %s: %d, want %d\n%s", path, code, want, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			f.Errorf("POST %s does not show %q", path, text)
		}
	}
	return location
}

func (f *fixture) person(name string) string {
	f.Helper()
	to := f.post("/practitioners", url.Values{"name": {name}, "sex": {"2"}, "title": {"主治医师"}, "category": {"clinician"},
		"scope": {"内科专业"}, "phone": {"0746-6223501"}, "employed_by": {f.org.ID}}, 303)
	return strings.TrimPrefix(to, "/practitioners/")
}

func TestRosterFromEmptyToReplaced(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.see("/roster", "本周还没有排班", "此刻没有人在班", "永州市第四人民医院", "还没有登记人员")
		wang, li := f.person("王芳"), f.person("李娜")
		shift := url.Values{"org": {f.org.ID}, "week": {"2026-03-02"}, "department": {f.cardio}, "duty": {"on_call"},
			"practitioner": {wang}, "on": {"2026-02-30"}, "start": {"8点"}, "end": {"08:00"}}
		f.post("/roster/shifts", shift, 422, "不是有效日期", "请填写开始时间，如 08:00")
		shift.Set("on", "2026-03-02")
		shift.Set("start", "08:00")
		f.post("/roster/shifts", shift, 303)
		f.see("/roster", "王芳", "08:00—次日 08:00", "未来 7 天有空岗", "0746-6223501", "周一 3月2日")
		f.post("/roster/shifts", shift, 422, "已排了同一个班")

		body := f.see("/roster")
		_, rest, _ := strings.Cut(body, "/roster/shifts/")
		id, _, _ := strings.Cut(rest, `"`)
		f.see("/roster/shifts/"+id, "王芳", "换班", "撤班")
		f.post("/roster/shifts/"+id+"/replace", url.Values{"practitioner": {li}}, 422, "请填写换班或撤班的原因")
		f.post("/roster/shifts/"+id+"/replace", url.Values{"practitioner": {li}, "reason": {"病假"}}, 303)
		f.see("/roster", "李娜", "心血管内科")
		if code, _, _ := f.do("GET", "/roster/shifts/"+id, nil); code != 404 {
			t.Errorf("replaced turn: %d", code)
		}
		f.post("/roster/copy", url.Values{"org": {f.org.ID}, "week": {"2026-03-09"}}, 303)
		f.see("/roster?week=2026-03-11", "李娜", "周一 3月9日")
		f.post("/roster/end-duty", url.Values{"org": {f.org.ID}, "department": {f.cardio}, "duty": {"on_call"}}, 303)
		if strings.Contains(f.see("/roster"), "未来 7 天有空岗") {
			t.Error("gaps are warned of after the duty has ended")
		}
	})
}

func TestRosterOfOthersIsReadOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		wang := f.person("王芳")
		s, err := f.svc.AddShift(ctx, f.actor, practitioner.Shift{Org: f.org.ID, Duty: practitioner.OnCallDuty, Practitioner: wang,
			From: dbtest.Clock, To: dbtest.Clock.Add(8 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		f.actor = access.Actor{Account: "d", Role: string(access.TownshipDoctor), Org: "elsewhere"}
		body := f.see("/roster?org="+f.org.ID, "王芳")
		if strings.Contains(body, "照搬上周") {
			t.Error("a doctor of another institution is offered the form")
		}
		if strings.Contains(f.see("/roster/shifts/"+s.ID), "撤班") {
			t.Error("a doctor of another institution is offered to void a turn")
		}
		if code, _, _ := f.do("POST", "/roster/shifts/"+s.ID+"/void", url.Values{"comment": {"x"}}); code != 403 {
			t.Errorf("void: %d", code)
		}
		if code, _, _ := f.do("GET", "/roster?week=2026-02-30", nil); code != 422 {
			t.Errorf("30 February: %d", code)
		}
	})
}

func TestVoid(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		wang := f.person("王芳")
		s, err := f.svc.AddShift(ctx, f.actor, practitioner.Shift{Org: f.org.ID, Duty: practitioner.OnCallDuty, Practitioner: wang,
			From: dbtest.Clock, To: dbtest.Clock.Add(8 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		f.post("/roster/shifts/"+s.ID+"/void", url.Values{"comment": {" "}}, 422, "请填写换班或撤班的原因")
		f.post("/roster/shifts/"+s.ID+"/void", url.Values{"comment": {"停诊"}}, 303)
		f.see("/roster", "此刻没有人在班")
	})
}

func TestStaff(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.see("/practitioners", "该机构还没有登记人员", "登记人员")
		f.see("/practitioners/new", "登记人员", "人事关系所在机构")
		f.post("/practitioners", url.Values{"name": {""}, "employed_by": {f.org.ID}}, 422, "请填写姓名", "请选择职称")
		id := f.person("王芳")
		f.see("/practitioners", "王芳", "内科专业", "全院")
		f.see("/practitioners/"+id, "在编", "至今", "派驻不改变人事关系")
		f.see("/practitioners/"+id+"/edit", "王芳")
		edit := url.Values{"version": {"1"}, "name": {"王芳"}, "sex": {"2"}, "title": {"副主任医师"}, "category": {"clinician"}, "employed_by": {f.org.ID}, "status": {"open"}}
		f.post("/practitioners/"+id, edit, 303)
		f.post("/practitioners/"+id, edit, 409, "刚刚被别人改过")
		f.post("/practitioners/"+id+"/postings", url.Values{"org": {f.org.ID}, "department": {f.cardio}, "kind": {"employed"}, "head": {"1"}, "from": {"2026-03-40"}}, 422, "不是有效日期")
		f.post("/practitioners/"+id+"/postings", url.Values{"org": {f.org.ID}, "department": {f.cardio}, "kind": {"employed"}, "head": {"1"}, "from": {"2026-03-01"}}, 303)
		body := f.see("/practitioners/"+id, "心血管内科", "负责人")
		_, rest, _ := strings.Cut(body, "/postings/")
		posting, _, _ := strings.Cut(rest, "/")
		f.post("/postings/"+posting+"/end", url.Values{"last": {""}}, 422, "请填写最后一天的日期")
		f.post("/postings/"+posting+"/end", url.Values{"last": {"2026-12-31"}}, 303)
		f.see("/practitioners/"+id, "2026-12-31")
	})
}
