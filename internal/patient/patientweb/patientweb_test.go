package patientweb_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/patient/patientweb"
	"yilian/internal/region"
	"yilian/internal/web/facetest"
)

func setup(t *testing.T, d *db.DB) *facetest.Face {
	t.Helper()
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	if err := d.Tx(t.Context(), func(tx *db.Tx) error { return region.Seed(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
	f := facetest.New(t, d, access.Actor{Account: "a1", Name: "赵医生", Role: string(access.TownshipDoctor), Org: "o1", OrgName: "黄田铺镇卫生院",
		Regions: []string{"431102103", "431102", "4311", "43", "CN"}})
	svc := &patient.Service{DB: d, Keys: keys, Access: access.New(log), Audit: log}
	patientweb.Routes(f.Site, svc, nil, func(context.Context, *db.Tx, access.Actor, string) (templ.Component, error) {
		return templ.Raw("转诊记录部分"), nil
	})
	return f
}

var card = idcard.Make("431102", "1965-03-12", 22)

func good(pairs ...string) url.Values {
	return facetest.Form(append([]string{"name", "张桂兰", "id_type", "01", "id_number", card, "phone", "13900001234", "insurance_kind", "resident",
		"ethnic", "01", "insurance_place", "431102"}, pairs...)...)
}

func TestFromSearchInVainToThePatientPage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.See("/patients", "输入两个字母或两个汉字开始查找", "新建档案")
		f.See("/patients?q=z", "请至少输入两个汉字或两个字母")
		f.See("/patients?q="+url.QueryEscape("张桂兰"), "没有找到“张桂兰”", "/patients/new?q=%E5%BC%A0")
		f.See("/patients/new?q="+card, card, "1965-03-12（60岁）", "女")
		created := f.Post("/patients", good(), 303)
		page := f.Get(created.To(), 200)
		page.Shows("张桂兰", "60岁", idcard.Mask(card), "139****1234", "城乡居民医保", "建档机构", "未签约", "转诊记录部分", "还没有登记家属",
			"/referrals/new?patient=")
		page.Hides(card, "13900001234", "敏感标记（")
		found := f.Get("/patients?q=zgl", 200)
		found.Shows("张桂兰", idcard.Mask(card))
		found.Hides(card)
	})
}

func TestWrongFieldsStandUnderTheirFields(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	body := f.Post("/patients", facetest.Form("name", "", "id_type", "01", "id_number", card[:17]+"Y", "phone", "1", "insurance_kind", ""), 422)
	body.Shows("请填写姓名", "f-id_number-error", "不是数字", "f-phone-error", "手机应为1开头", "请选择医保类型")
	body = f.Post("/patients", good("region_text", "黄田铺"), 422)
	body.Shows("“黄田铺”不在行政区划中", "f-region-error")
	body = f.Post("/patients", facetest.Form("name", "张小宝", "id_type", "01", "id_number", idcard.Make("431102", "2020-05-05", 1), "insurance_kind", "resident"), 422)
	body.Shows("f-guardian_name-error", "未满14周岁必须登记监护人", "张小宝")
}

func TestIdentifyDerivesWhileTyping(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	f.See("/patients/identify?id_type=01&id_number="+card, "女", "1965-03-12（60岁）")
	f.See("/patients/identify?id_type=01&id_number=110105194912310021", "第18位校验码应为 X")
	half := f.Get("/patients/identify?id_type=01&id_number=1101051949", 200)
	half.Hides("note-red", "校验码")
	f.See("/patients/identify?id_type=01&id_number="+idcard.Make("431102", "2020-05-05", 1), "必须登记监护人")
	f.See("/patients/places?q=hjt", "combo-none")
	f.See("/patients/places?q="+url.QueryEscape("黄田铺"), "431102103")
}

func TestDuplicatesAreShown(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	created := f.Post("/patients", good(), 303)
	body := f.Post("/patients", good(), 409)
	body.Shows("该证件号码已登记：张*兰", "打开已有档案", created.To())
	body = f.Post("/patients", facetest.Form("name", "张桂兰", "id_type", "", "sex", "2", "birth_date", "1965-03-12", "phone", "13900009999", "insurance_kind", "resident"), 409)
	body.Shows("可能是同一人", "我已核对", idcard.Mask(card))
	f.Post("/patients", facetest.Form("name", "张桂兰", "id_type", "", "sex", "2", "birth_date", "1965-03-12", "phone", "13900009999", "insurance_kind", "resident", "confirmed", "1"), 303)
}

func TestRevealBreakGlassAndLooks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		created := f.Post("/patients", good(), 303)
		path := created.To()
		f.See(path+"/reveal/id", card)
		f.See(path+"/reveal/phone", "13900001234")
		f.Get(path+"/reveal/safe", 404)
		own := f.Actor
		f.Actor.Org, f.Actor.Account, f.Actor.Name, f.Actor.OrgName = "o2", "a2", "钱医生", "珠山镇卫生院"
		f.Get(path, 403).Shows("没有诊疗关系", "紧急调阅")
		f.Get(path+"/reveal/id", 403)
		f.Post(path+"/break", facetest.Form("comment", "急"), 422)
		f.Post(path+"/break", facetest.Form("comment", "急诊昏迷，了解过敏史"), 303)
		f.See(path, "您正在紧急调阅", "张桂兰")
		f.Actor = own
		f.See(path, "谁看过", "钱医生", "紧急调阅")
		f.Actor.Role = string(access.Auditor)
		f.Get("/patients?q=zgl", 403)
		f.Get("/patients/new", 403)
	})
}

func TestEditKeepsNumbersAndRefusesStale(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	created := f.Post("/patients", good(), 303)
	path := created.To()
	form := f.Get(path+"/edit", 200)
	form.Shows(`name="version" value="1"`, idcard.Mask(card), "1965-03-12")
	form.Hides(card, "13900001234")
	change := []string{"version", "1", "name", "张桂芳", "id_type", "01", "id_number", "", "phone", "", "insurance_kind", "urban_employee", "ethnic", "01"}
	f.Post(path, facetest.Form(change...), 303)
	f.See(path, "张桂芳", "职工医保", "139****1234", idcard.Mask(card))
	body := f.Post(path, facetest.Form(change...), 409)
	body.Shows("已由黄田铺镇卫生院赵医生于", "重新载入最新资料")
}

func TestRelativesAndDeath(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	created := f.Post("/patients", good(), 303)
	path := created.To()
	f.See(path+"/relations/new", "登记家属")
	body := f.Post(path+"/relations", facetest.Form("name", "张伟", "guardian", "1"), 422)
	body.Shows("请选择与患者的关系", "请填写监护人电话")
	f.Post(path+"/relations", facetest.Form("name", "张伟", "kind", "20", "phone", "13900007777", "household", "1"), 303)
	f.See(path, "儿子", "张伟", "139****7777", "同住")
	f.Post(path+"/deceased", facetest.Form("deceased_on", "2026-03-02", "comment", "死亡医学证明 1 号"), 303)
	dead := f.Get(path, 200)
	dead.Shows("登记死亡，不再发送通知", "撤销死亡登记")
	dead.Hides("/referrals/new?patient=")
}
