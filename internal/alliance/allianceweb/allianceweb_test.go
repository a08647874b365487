package allianceweb

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/web/facetest"
)

func setup(t *testing.T, d *db.DB) *facetest.Face {
	t.Helper()
	alliancetest.Seed(t, d)
	f := facetest.New(t, d, access.Actor{Account: "a", Name: "管理员", Role: string(access.SystemAdmin)})
	Routes(f.Site, alliancetest.Service(t, d))
	return f
}

func TestMembersAndPairings(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		page := f.See("/alliance", "永州市第四人民医院全科联盟", "永州市第四人民医院医联体凼底乡分院", "对口建设（12 对）", "LL-4.2", "登记成员")
		if n := strings.Count(page.Body, "/alliance/supports/0"); n != 12 {
			t.Errorf("%d pairings can be opened, want 12", n)
		}
		f.See("/alliance?on=2019-12-31", "这一天没有成员", "对口建设（0 对）")
		f.See("/alliance?known=2026-03-01", "这一天没有成员") // not yet recorded then
		f.Get("/alliance?on=2026-02-30", 422).Shows("不是有效日期")
		f.Actor = access.Actor{Account: "d", Role: string(access.TownshipDoctor)}
		f.See("/alliance").Hides("登记成员")
		f.Post("/alliance/supports", nil, 403)
	})
}

func TestCorrectMembership(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		id := f.See("/alliance").LastBefore("/organizations/"+organizationtest.ByName(t, d, "凼底乡卫生院").ID, "/alliance/members/", `"`)
		f.See("/alliance/members/"+id, "凼底乡卫生院", "按文件登记", "现行记录", "更正原因")
		dbtest.SetClock(d, dbtest.Clock.Add(24*time.Hour))
		form := url.Values{"role": {"member"}, "valid_from": {"2020-01-01"}, "valid_to": {"2019-01-01"}, "reason": {"年底退出"}}
		f.Post("/alliance/members/"+id, form, 422).Shows("早于起始日期", `value="2019-01-01"`)
		form.Set("valid_to", "2025-12-31")
		f.Post("/alliance/members/"+id, form, 303)
		f.See("/alliance/members/"+id, "被更正", "年底退出")
		f.See("/alliance?on=2026-03-02").Hides("永州市第四人民医院医联体凼底乡分院")
		f.See("/alliance?on=2026-03-02&known=2026-03-02", "永州市第四人民医院医联体凼底乡分院")
		f.Post("/alliance/members/"+id, form, 409).Shows("已被别人更正")
	})
}

func TestJoinAndPair(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f := setup(t, d)
		var id string
		err := d.View(t.Context(), func(tx *db.Tx) error {
			all, err := alliance.List(t.Context(), tx)
			for _, a := range all {
				if a.Kind == alliance.SpecialtyAlliance && strings.Contains(a.Name, "骨伤") {
					id = a.ID
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		dangdi, tcm := organizationtest.ByName(t, d, "凼底乡卫生院").ID, organizationtest.ByName(t, d, "零陵区中医院").ID
		chaoyang := organizationtest.ByName(t, d, "朝阳社区卫生服务中心").ID
		f.Post("/alliance/members", url.Values{"alliance": {id}, "role": {"member"}, "valid_from": {"2026-01-01"}}, 422).Shows("请选择加入的机构")
		f.Post("/alliance/members", url.Values{"alliance": {id}, "org": {chaoyang}, "role": {"member"}, "valid_from": {"2026-01-01"}}, 303)
		f.Post("/alliance/supports", url.Values{"supporter": {tcm}, "supported": {tcm}, "valid_from": {"2026-01-01"}}, 422).Shows("请选择被建设的基层")
		f.Post("/alliance/supports", url.Values{"supporter": {tcm}, "supported": {dangdi}, "valid_from": {"2026-01-01"}, "focus": {"骨伤"}}, 303)
		pair := f.See("/alliance", "对口建设（13 对）", "骨伤").LastBefore(`<td data-label="重点">骨伤`, "/alliance/supports/", `"`)
		f.See("/alliance/supports/"+pair, "零陵区中医院 → 凼底乡卫生院")
		f.Post("/alliance/supports/"+pair, url.Values{"valid_from": {"2026-01-01"}}, 422).Shows("请填写更正的原因")
	})
}
