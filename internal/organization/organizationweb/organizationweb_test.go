package organizationweb

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
	"yilian/internal/web"
	"yilian/profiles"
)

var ctx = context.Background()

type fixture struct {
	*testing.T
	d     *db.DB
	site  *web.Site
	actor access.Actor
}

func setup(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	book, err := policy.Load(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	lingling, _ := book.Profile("lingling")
	err = d.Tx(ctx, func(tx *db.Tx) error {
		if err := region.Seed(ctx, tx); err != nil {
			return err
		}
		if err := organization.Seed(ctx, tx); err != nil {
			return err
		}
		return alliance.Seed(ctx, tx, lingling)
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, d: d, site: web.New(web.Options{}), actor: access.Actor{Account: "a", Name: "管理员", Role: string(access.SystemAdmin)}}
	f.site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(access.WithActor(r.Context(), f.actor)))
		})
	})
	Routes(f.site, &organization.Service{DB: d, Log: audit.New(d, crypto.Ephemeral(crypto.SM))})
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

func (f *fixture) org(name string) organization.Organization {
	f.Helper()
	var o organization.Organization
	if err := f.d.View(ctx, func(tx *db.Tx) (err error) { o, err = organization.ByName(ctx, tx, name); return err }); err != nil {
		f.Fatal(err)
	}
	return o
}

func TestListAndShow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.see("/organizations", "永州市第四人民医院", "0746-6223120", "登记机构", "共 143 条")
		body := f.see("/organizations?kind=township_center&town=431102102", "珠山镇中心卫生院")
		if strings.Contains(body, "水口山镇中心卫生院") {
			t.Error("town filter does not narrow")
		}
		f.see("/organizations?q=没有", "没有符合条件的机构")
		f.see("/organizations/"+f.org("珠山镇中心卫生院").ID, "永州市第四人民医院医联体珠山镇分院", "第一名称不变", "区妇幼 → 珠山卫生院",
			"LL-4.2", "全科门诊", "所属村卫生室", "湖南省 永州市 零陵区 珠山镇", "统一社会信用代码")
		if code, body, _ := f.do("GET", "/organizations/none", nil); code != 404 || !strings.Contains(body, "没有找到这家机构") {
			t.Errorf("unknown institution: %d", code)
		}
	})
}

func TestEditInstitution(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		o := f.org("凼底乡卫生院")
		f.see("/organizations/"+o.ID+"/edit", o.Address, "保存")
		form := url.Values{"version": {"1"}, "name": {o.Name}, "kind": {string(o.Kind)}, "level": {"二级"}, "ownership": {"public"},
			"region": {o.Region}, "referral_phone": {"6631203"}, "uscc": {"91350100M000100Y44"}, "status": {"open"}}
		f.post("/organizations/"+o.ID, form, 422, "电话号码 6631203 不正确", "校验位不符：第 18 位应为 3", `value="6631203"`)
		form.Set("referral_phone", "0746-6631299")
		form.Set("uscc", "91350100M000100Y43")
		if to := f.post("/organizations/"+o.ID, form, 303); to != "/organizations/"+o.ID {
			t.Errorf("redirected to %s", to)
		}
		if got := f.org(o.Name); got.ReferralPhone != "0746-6631299" || got.Level != "二级" || got.Identifier(organization.USCC) != "91350100M000100Y43" {
			t.Errorf("saved %+v", got)
		}
		f.post("/organizations/"+o.ID, form, 409, "刚刚被别人改过")

		// The head keeps the phone; a form without the identity fields keeps the identity.
		f.actor = access.Actor{Account: "h", Role: string(access.TownshipHead), Org: o.ID}
		body := f.see("/organizations/"+o.ID+"/edit", "由系统管理员维护")
		if strings.Contains(body, `name="uscc"`) {
			t.Error("a head is offered the code")
		}
		f.post("/organizations/"+o.ID, url.Values{"version": {"2"}, "short_name": {"凼底"}, "region": {o.Region}, "referral_phone": {"0746-6631288"}}, 303)
		if got := f.org(o.Name); got.ReferralPhone != "0746-6631288" || got.Level != "二级" || len(got.Identifiers) != 1 {
			t.Errorf("saved %+v", got)
		}
		if code, _, _ := f.do("GET", "/organizations/"+f.org("珠山镇中心卫生院").ID+"/edit", nil); code != 403 {
			t.Errorf("head opens the form of another institution: %d", code)
		}
		if code, _, _ := f.do("GET", "/organizations/new", nil); code != 403 {
			t.Errorf("head opens the form of a new institution: %d", code)
		}
	})
}

func TestCreateInstitution(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.see("/organizations/new", "登记机构", "珠山镇")
		f.post("/organizations", url.Values{"name": {""}, "kind": {"village_clinic"}}, 422, "请填写机构名称", "村卫生室须选择所属")
		to := f.post("/organizations", url.Values{"name": {"零陵惠民医院"}, "kind": {"other"}, "level": {"一级"}, "ownership": {"private"}, "region": {"431102001"}}, 303)
		f.see(to, "零陵惠民医院", "民营", "还没有登记科室")
	})
}

func TestDepartmentAndService(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		o := f.org("凼底乡卫生院")
		f.see("/organizations/"+o.ID+"/departments/new", "增加科室")
		f.post("/organizations/"+o.ID+"/departments", url.Values{"name": {"全科"}, "specialty": {"02"}, "daily_capacity": {"十"}}, 422, "应填写整数")
		f.post("/organizations/"+o.ID+"/departments", url.Values{"name": {"全科"}, "specialty": {"02"}}, 422, "本机构已有科室“全科”")
		f.post("/organizations/"+o.ID+"/departments", url.Values{"name": {"口腔科"}, "specialty": {"12"}, "daily_capacity": {"5"}}, 303)
		var dep organization.Department
		err := d.View(ctx, func(tx *db.Tx) error {
			all, err := organization.Departments(ctx, tx, o.ID)
			for _, x := range all {
				if x.Name == "口腔科" {
					dep = x
				}
			}
			return err
		})
		if err != nil || dep.ID == "" {
			t.Fatalf("department not saved: %v", err)
		}
		f.see("/departments/"+dep.ID+"/edit", "口腔科", `value="5"`)
		f.see("/departments/"+dep.ID+"/services/new", "收治范围")
		f.post("/departments/"+dep.ID+"/services", url.Values{"name": {"口腔门诊"}, "kind": {"clinic"}, "specialty": {"12"}, "treats": {"K00-K14、X99.9"}}, 422,
			"没有以 X99.9 开头的编码", "K00-K14、X99.9")
		f.post("/departments/"+dep.ID+"/services", url.Values{"name": {"口腔门诊"}, "kind": {"clinic"}, "specialty": {"12"}, "treats": {"K00-K14"}, "max_age": {"60"}}, 303)
		body := f.see("/organizations/"+o.ID, "口腔门诊", "60 岁以下", "K00 K01")
		rest := body[:strings.Index(body, "口腔门诊")]
		at := strings.LastIndex(rest, "/services/")
		id, _, _ := strings.Cut(rest[at+len("/services/"):], "/")
		f.see("/services/"+id+"/edit", "口腔门诊", `value="60"`)
		f.post("/services/"+id, url.Values{"version": {"1"}, "department": {dep.ID}, "name": {"口腔门诊"}, "kind": {"clinic"}, "specialty": {"12"}, "status": {"closed"}}, 303)
		f.see("/organizations/"+o.ID, "已停用")
		f.post("/departments/"+dep.ID, url.Values{"version": {"9"}, "name": {"口腔科"}, "specialty": {"12"}, "status": {"open"}}, 409, "刚刚被别人改过")
	})
}
