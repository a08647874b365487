package allianceweb

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

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
	Routes(f.site, &alliance.Service{DB: d, Log: audit.New(d, crypto.Ephemeral(crypto.SM))})
	return f
}

func (f *fixture) do(method, path string, form url.Values) (int, string) {
	f.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// want sends a request and checks the status and the texts of the answer.
func (f *fixture) want(status int, method, path string, form url.Values, texts ...string) string {
	f.Helper()
	code, body := f.do(method, path, form)
	if code != status {
		f.Fatalf("%s %s: %d, want %d\n%s", method, path, code, status, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			f.Errorf("%s %s does not show %q", method, path, text)
		}
	}
	return body
}

func (f *fixture) org(name string) (id string) {
	f.Helper()
	err := f.d.View(ctx, func(tx *db.Tx) error {
		o, err := organization.ByName(ctx, tx, name)
		id = o.ID
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return id
}

func TestMembersAndPairings(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		body := f.want(200, "GET", "/alliance", nil, "永州市第四人民医院全科联盟", "永州市第四人民医院医联体凼底乡分院", "对口建设（12 对）", "LL-4.2", "登记成员")
		if n := strings.Count(body, "/alliance/supports/0"); n != 12 {
			t.Errorf("%d pairings can be opened, want 12", n)
		}
		f.want(200, "GET", "/alliance?on=2019-12-31", nil, "这一天没有成员", "对口建设（0 对）")
		f.want(200, "GET", "/alliance?known=2026-03-01", nil, "这一天没有成员") // not yet recorded then
		f.want(422, "GET", "/alliance?on=2026-02-30", nil, "不是有效日期")
		f.actor = access.Actor{Account: "d", Role: string(access.TownshipDoctor)}
		if strings.Contains(f.want(200, "GET", "/alliance", nil), "登记成员") {
			t.Error("a doctor is offered the forms")
		}
		if code, _ := f.do("POST", "/alliance/supports", url.Values{}); code != 403 {
			t.Errorf("a doctor pairs: %d", code)
		}
	})
}

func TestCorrectMembership(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		body := f.want(200, "GET", "/alliance", nil)
		before, _, _ := strings.Cut(body, "/organizations/"+f.org("凼底乡卫生院"))
		at := strings.LastIndex(before, "/alliance/members/")
		id, _, _ := strings.Cut(before[at+len("/alliance/members/"):], `"`)
		f.want(200, "GET", "/alliance/members/"+id, nil, "凼底乡卫生院", "按文件登记", "现行记录", "更正原因")
		dbtest.SetClock(d, dbtest.Clock.Add(24*time.Hour))
		form := url.Values{"role": {"member"}, "valid_from": {"2020-01-01"}, "valid_to": {"2019-01-01"}, "reason": {"年底退出"}}
		f.want(422, "POST", "/alliance/members/"+id, form, "早于起始日期", `value="2019-01-01"`)
		form.Set("valid_to", "2025-12-31")
		f.want(303, "POST", "/alliance/members/"+id, form)
		f.want(200, "GET", "/alliance/members/"+id, nil, "被更正", "年底退出")
		if strings.Contains(f.want(200, "GET", "/alliance?on=2026-03-02", nil), "永州市第四人民医院医联体凼底乡分院") {
			t.Error("the correction does not show")
		}
		f.want(200, "GET", "/alliance?on=2026-03-02&known=2026-03-02", nil, "永州市第四人民医院医联体凼底乡分院")
		f.want(409, "POST", "/alliance/members/"+id, form, "已被别人更正")
	})
}

func TestJoinAndPair(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		var id string
		if err := d.View(ctx, func(tx *db.Tx) error {
			all, err := alliance.List(ctx, tx)
			for _, a := range all {
				if a.Kind == alliance.SpecialtyAlliance && strings.Contains(a.Name, "骨伤") {
					id = a.ID
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		dangdi, tcm, chaoyang := f.org("凼底乡卫生院"), f.org("零陵区中医院"), f.org("朝阳社区卫生服务中心")
		f.want(422, "POST", "/alliance/members", url.Values{"alliance": {id}, "role": {"member"}, "valid_from": {"2026-01-01"}}, "请选择加入的机构")
		f.want(303, "POST", "/alliance/members", url.Values{"alliance": {id}, "org": {chaoyang}, "role": {"member"}, "valid_from": {"2026-01-01"}})
		f.want(422, "POST", "/alliance/supports", url.Values{"supporter": {tcm}, "supported": {tcm}, "valid_from": {"2026-01-01"}}, "请选择被建设的基层")
		f.want(303, "POST", "/alliance/supports", url.Values{"supporter": {tcm}, "supported": {dangdi}, "valid_from": {"2026-01-01"}, "focus": {"骨伤"}})
		body := f.want(200, "GET", "/alliance", nil, "对口建设（13 对）", "骨伤")
		before, _, _ := strings.Cut(body, `<td data-label="重点">骨伤`)
		at := strings.LastIndex(before, "/alliance/supports/")
		pair, _, _ := strings.Cut(before[at+len("/alliance/supports/"):], `"`)
		f.want(200, "GET", "/alliance/supports/"+pair, nil, "零陵区中医院 → 凼底乡卫生院")
		f.want(422, "POST", "/alliance/supports/"+pair, url.Values{"valid_from": {"2026-01-01"}}, "请填写更正的原因")
	})
}
