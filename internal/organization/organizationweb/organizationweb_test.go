package organizationweb

import (
	"net/url"
	"testing"

	"yilian/internal/access"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/web/facetest"
)

func setup(t *testing.T, d *db.DB) *facetest.Face {
	t.Helper()
	alliancetest.Seed(t, d)
	f := facetest.New(t, d, access.Actor{Account: "a", Name: "管理员", Role: string(access.SystemAdmin)})
	Routes(f.Site, &organization.Service{DB: d, Log: audit.New(d, crypto.Ephemeral(crypto.SM))})
	return f
}

func TestListAndShow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.See("/organizations", "永州市第四人民医院", "0746-6223120", "登记机构", "共 143 条")
		f.See("/organizations?kind=township_center&town=431102102", "珠山镇中心卫生院").Hides("水口山镇中心卫生院")
		f.See("/organizations?q=没有", "没有符合条件的机构")
		f.See("/organizations/"+organizationtest.ByName(t, d, "珠山镇中心卫生院").ID, "永州市第四人民医院医联体珠山镇分院", "第一名称不变", "区妇幼 → 珠山卫生院",
			"LL-4.2", "全科门诊", "所属村卫生室", "湖南省 永州市 零陵区 珠山镇", "统一社会信用代码")
		f.Get("/organizations/none", 404).Shows("没有找到这家机构")
	})
}

func TestEditInstitution(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		o := organizationtest.ByName(t, d, "凼底乡卫生院")
		f.See("/organizations/"+o.ID+"/edit", o.Address, "保存")
		form := url.Values{"version": {"1"}, "name": {o.Name}, "kind": {string(o.Kind)}, "level": {"二级"}, "ownership": {"public"},
			"region": {o.Region}, "referral_phone": {"6631203"}, "uscc": {"91350100M000100Y44"}, "status": {"open"}}
		f.Post("/organizations/"+o.ID, form, 422).Shows("电话号码 6631203 不正确", "校验位不符：第 18 位应为 3", `value="6631203"`)
		form.Set("referral_phone", "0746-6631299")
		form.Set("uscc", "91350100M000100Y43")
		if to := f.Post("/organizations/"+o.ID, form, 303).To(); to != "/organizations/"+o.ID {
			t.Errorf("redirected to %s", to)
		}
		if got := organizationtest.ByName(t, d, o.Name); got.ReferralPhone != "0746-6631299" || got.Level != "二级" || got.Identifier(organization.USCC) != "91350100M000100Y43" {
			t.Errorf("saved %+v", got)
		}
		f.Post("/organizations/"+o.ID, form, 409).Shows("刚刚被别人改过")

		// The head keeps the phone; a form without the identity fields keeps the identity.
		f.Actor = access.Actor{Account: "h", Role: string(access.TownshipHead), Org: o.ID}
		f.See("/organizations/"+o.ID+"/edit", "由系统管理员维护").Hides(`name="uscc"`)
		f.Post("/organizations/"+o.ID, url.Values{"version": {"2"}, "short_name": {"凼底"}, "region": {o.Region}, "referral_phone": {"0746-6631288"}}, 303)
		if got := organizationtest.ByName(t, d, o.Name); got.ReferralPhone != "0746-6631288" || got.Level != "二级" || len(got.Identifiers) != 1 {
			t.Errorf("saved %+v", got)
		}
		f.Get("/organizations/"+organizationtest.ByName(t, d, "珠山镇中心卫生院").ID+"/edit", 403)
		f.Get("/organizations/new", 403)
	})
}

func TestCreateInstitution(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.See("/organizations/new", "登记机构", "珠山镇")
		f.Post("/organizations", url.Values{"name": {""}, "kind": {"village_clinic"}}, 422).Shows("请填写机构名称", "村卫生室须选择所属")
		to := f.Post("/organizations", url.Values{"name": {"零陵惠民医院"}, "kind": {"other"}, "level": {"一级"}, "ownership": {"private"}, "region": {"431102001"}}, 303).To()
		f.See(to, "零陵惠民医院", "民营", "还没有登记科室")
	})
}

func TestDepartmentAndService(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		o := organizationtest.ByName(t, d, "凼底乡卫生院")
		f.See("/organizations/"+o.ID+"/departments/new", "增加科室")
		f.Post("/organizations/"+o.ID+"/departments", url.Values{"name": {"全科"}, "specialty": {"02"}, "daily_capacity": {"十"}}, 422).Shows("应填写整数")
		f.Post("/organizations/"+o.ID+"/departments", url.Values{"name": {"全科"}, "specialty": {"02"}}, 422).Shows("本机构已有科室“全科”")
		f.Post("/organizations/"+o.ID+"/departments", url.Values{"name": {"口腔科"}, "specialty": {"12"}, "daily_capacity": {"5"}}, 303)
		dep := organizationtest.Department(t, d, o.ID, "口腔科")
		f.See("/departments/"+dep.ID+"/edit", "口腔科", `value="5"`)
		f.See("/departments/"+dep.ID+"/services/new", "收治范围")
		f.Post("/departments/"+dep.ID+"/services", url.Values{"name": {"口腔门诊"}, "kind": {"clinic"}, "specialty": {"12"}, "treats": {"K00-K14、X99.9"}}, 422).
			Shows("没有以 X99.9 开头的编码", "K00-K14、X99.9")
		f.Post("/departments/"+dep.ID+"/services", url.Values{"name": {"口腔门诊"}, "kind": {"clinic"}, "specialty": {"12"}, "treats": {"K00-K14"}, "max_age": {"60"}}, 303)
		id := f.See("/organizations/"+o.ID, "口腔门诊", "60 岁以下", "K00 K01").LastBefore("口腔门诊", "/services/", "/")
		f.See("/services/"+id+"/edit", "口腔门诊", `value="60"`)
		f.Post("/services/"+id, url.Values{"version": {"1"}, "department": {dep.ID}, "name": {"口腔门诊"}, "kind": {"clinic"}, "specialty": {"12"}, "status": {"closed"}}, 303)
		f.See("/organizations/"+o.ID, "已停用")
		f.Post("/departments/"+dep.ID, url.Values{"version": {"9"}, "name": {"口腔科"}, "specialty": {"12"}, "status": {"open"}}, 409).Shows("刚刚被别人改过")
	})
}
