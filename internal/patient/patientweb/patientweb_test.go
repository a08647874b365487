package patientweb_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
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
	"yilian/internal/web"
)

var ctx = context.Background()

type fixture struct {
	*testing.T
	site  *web.Site
	svc   *patient.Service
	actor access.Actor
}

func setup(t *testing.T, d *db.DB) *fixture {
	t.Helper()
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	if err := d.Tx(ctx, func(tx *db.Tx) error { return region.Seed(ctx, tx) }); err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, site: web.New(web.Options{Now: d.Now}), svc: &patient.Service{DB: d, Keys: keys, Access: access.New(log), Audit: log},
		actor: access.Actor{Account: "a1", Name: "赵医生", Role: string(access.TownshipDoctor), Org: "o1", OrgName: "黄田铺镇卫生院",
			Regions: []string{"431102103", "431102", "4311", "43", "CN"}}}
	f.site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(access.WithActor(r.Context(), f.actor)))
		})
	})
	patientweb.Routes(f.site, f.svc, func(context.Context, *db.Tx, access.Actor, string) (templ.Component, error) {
		return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "转诊记录部分")
			return err
		}), nil
	})
	return f
}

func (f *fixture) send(r *http.Request, status int) (string, http.Header) {
	f.Helper()
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, r)
	if w.Code != status {
		f.Fatalf("%s %s: %d, want %d\n%s", r.Method, r.URL, w.Code, status, w.Body)
	}
	return w.Body.String(), w.Header()
}

func (f *fixture) get(path string, status int) string {
	f.Helper()
	body, _ := f.send(httptest.NewRequest(http.MethodGet, path, nil), status)
	return body
}

func (f *fixture) post(path string, status int, pairs ...string) (string, http.Header) {
	f.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return f.send(r, status)
}

func (f *fixture) shows(body string, want ...string) {
	f.Helper()
	for _, s := range want {
		if !strings.Contains(body, s) {
			f.Errorf("%q is missing in\n%s", s, body)
		}
	}
}

func (f *fixture) hides(body string, unwanted ...string) {
	f.Helper()
	for _, s := range unwanted {
		if strings.Contains(body, s) {
			f.Errorf("%q is shown", s)
		}
	}
}

var card = idcard.Make("431102", "1965-03-12", 22)

func good(pairs ...string) []string {
	return append([]string{"name", "张桂兰", "id_type", "01", "id_number", card, "phone", "13900001234", "insurance_kind", "resident",
		"ethnic", "01", "insurance_place", "431102"}, pairs...)
}

func TestFromSearchInVainToThePatientPage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		f.shows(f.get("/patients", 200), "输入两个字母或两个汉字开始查找", "新建档案")
		f.shows(f.get("/patients?q=z", 200), "请至少输入两个汉字或两个字母")
		f.shows(f.get("/patients?q="+url.QueryEscape("张桂兰"), 200), "没有找到“张桂兰”", "/patients/new?q=%E5%BC%A0")
		f.shows(f.get("/patients/new?q="+card, 200), card, "1965-03-12（60岁）", "女")
		_, header := f.post("/patients", 303, good()...)
		page := f.get(header.Get("Location"), 200)
		f.shows(page, "张桂兰", "60岁", idcard.Mask(card), "139****1234", "城乡居民医保", "建档机构", "未签约", "转诊记录部分", "还没有登记家属",
			"/referrals/new?patient=")
		f.hides(page, card, "13900001234", "敏感标记（")
		found := f.get("/patients?q=zgl", 200)
		f.shows(found, "张桂兰", idcard.Mask(card))
		f.hides(found, card)
	})
}

func TestWrongFieldsStandUnderTheirFields(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	body, _ := f.post("/patients", 422, "name", "", "id_type", "01", "id_number", card[:17]+"Y", "phone", "1", "insurance_kind", "")
	f.shows(body, "请填写姓名", "f-id_number-error", "不是数字", "f-phone-error", "手机应为1开头", "请选择医保类型")
	body, _ = f.post("/patients", 422, good("region_text", "黄田铺")...)
	f.shows(body, "“黄田铺”不在行政区划中", "f-region-error")
	body, _ = f.post("/patients", 422, "name", "张小宝", "id_type", "01", "id_number", idcard.Make("431102", "2020-05-05", 1), "insurance_kind", "resident")
	f.shows(body, "f-guardian_name-error", "未满14周岁必须登记监护人", "张小宝")
}

func TestIdentifyDerivesWhileTyping(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	f.shows(f.get("/patients/identify?id_type=01&id_number="+card, 200), "女", "1965-03-12（60岁）")
	f.shows(f.get("/patients/identify?id_type=01&id_number=110105194912310021", 200), "第18位校验码应为 X")
	half := f.get("/patients/identify?id_type=01&id_number=1101051949", 200)
	f.hides(half, "note-red", "校验码")
	f.shows(f.get("/patients/identify?id_type=01&id_number="+idcard.Make("431102", "2020-05-05", 1), 200), "必须登记监护人")
	f.shows(f.get("/patients/places?q=hjt", 200), "combo-none")
	f.shows(f.get("/patients/places?q="+url.QueryEscape("黄田铺"), 200), "431102103")
}

func TestDuplicatesAreShown(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	_, header := f.post("/patients", 303, good()...)
	body, _ := f.post("/patients", 409, good()...)
	f.shows(body, "该证件号码已登记：张*兰", "打开已有档案", header.Get("Location"))
	body, _ = f.post("/patients", 409, "name", "张桂兰", "id_type", "", "sex", "2", "birth_date", "1965-03-12", "phone", "13900009999", "insurance_kind", "resident")
	f.shows(body, "可能是同一人", "我已核对", idcard.Mask(card))
	f.post("/patients", 303, "name", "张桂兰", "id_type", "", "sex", "2", "birth_date", "1965-03-12", "phone", "13900009999", "insurance_kind", "resident", "confirmed", "1")
}

func TestRevealBreakGlassAndLooks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		_, header := f.post("/patients", 303, good()...)
		path := header.Get("Location")
		f.shows(f.get(path+"/reveal/id", 200), card)
		f.shows(f.get(path+"/reveal/phone", 200), "13900001234")
		f.get(path+"/reveal/safe", 404)
		own := f.actor
		f.actor.Org, f.actor.Account, f.actor.Name, f.actor.OrgName = "o2", "a2", "钱医生", "珠山镇卫生院"
		f.shows(f.get(path, 403), "没有诊疗关系", "紧急调阅")
		f.get(path+"/reveal/id", 403)
		f.post(path+"/break", 422, "comment", "急")
		f.post(path+"/break", 303, "comment", "急诊昏迷，了解过敏史")
		f.shows(f.get(path, 200), "您正在紧急调阅", "张桂兰")
		f.actor = own
		f.shows(f.get(path, 200), "谁看过", "钱医生", "紧急调阅")
		f.actor.Role = string(access.Auditor)
		f.get("/patients?q=zgl", 403)
		f.get("/patients/new", 403)
	})
}

func TestEditKeepsNumbersAndRefusesStale(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	_, header := f.post("/patients", 303, good()...)
	path := header.Get("Location")
	form := f.get(path+"/edit", 200)
	f.shows(form, `name="version" value="1"`, idcard.Mask(card), "1965-03-12")
	f.hides(form, card, "13900001234")
	change := []string{"version", "1", "name", "张桂芳", "id_type", "01", "id_number", "", "phone", "", "insurance_kind", "urban_employee", "ethnic", "01"}
	f.post(path, 303, change...)
	f.shows(f.get(path, 200), "张桂芳", "职工医保", "139****1234", idcard.Mask(card))
	body, _ := f.post(path, 409, change...)
	f.shows(body, "已由黄田铺镇卫生院赵医生于", "重新载入最新资料")
}

func TestRelativesAndDeath(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	_, header := f.post("/patients", 303, good()...)
	path := header.Get("Location")
	f.shows(f.get(path+"/relations/new", 200), "登记家属")
	body, _ := f.post(path+"/relations", 422, "name", "张伟", "guardian", "1")
	f.shows(body, "请选择与患者的关系", "请填写监护人电话")
	f.post(path+"/relations", 303, "name", "张伟", "kind", "20", "phone", "13900007777", "household", "1")
	f.shows(f.get(path, 200), "儿子", "张伟", "139****7777", "同住")
	f.post(path+"/deceased", 303, "deceased_on", "2026-03-02", "comment", "死亡医学证明 1 号")
	dead := f.get(path, 200)
	f.shows(dead, "登记死亡，不再发送通知", "撤销死亡登记")
	f.hides(dead, "/referrals/new?patient=")
}
