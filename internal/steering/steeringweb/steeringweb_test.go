package steeringweb

import (
	"net/url"
	"testing"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/filing/filingtest"
	"yilian/internal/steering"
	"yilian/internal/web/facetest"
)

// LL-6 through the page: set up, appoint, meet; others read only.
func TestLeadingGroupThroughThePage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := filingtest.New(t, d)
		f := facetest.New(t, d, w.County)
		Routes(f.Site, &steering.Service{DB: d, Log: w.Alliances.Log, Book: w.Book})
		at := "/steering/lingling/leading/"
		f.See("/steering", "城乡医疗一体化建设领导小组", "领导小组办公室", "联席会议", "还没有登记成立", "文件没有写周期", "LL-6").Hides("登记会议")
		f.Post(at+"establish", url.Values{"on": {"2026-02-30"}}, 422).Shows("不是有效日期", "请填写成立的依据", `value="2026-02-30"`)
		f.Post(at+"establish", url.Values{"on": {"2026-02-01"}, "basis": {"区局文件"}}, 303)
		seat := url.Values{"post": {"组长"}, "name": {"何一"}, "position": {"区卫生健康局局长"}, "from": {"2026-02-01"}, "basis": {"区局文件"}}
		f.Post(at+"appoint", seat, 303)
		seat.Set("name", "何二")
		f.Post(at+"appoint", seat, 422).Shows("列组长 1 名", `value="何二"`)
		f.Post(at+"meeting", url.Values{"title": {"第一次会议"}, "held_on": {"2026-02-10"}, "chair": {"何一"}, "present": {"各成员单位"}, "minutes": {"部署年度工作"}}, 303)
		f.See("/steering", "何一", "成员登记 0 名，文件列 23 名", "2026-02-10", "部署年度工作")
		f.Post(at+"nothing", url.Values{}, 404)
		f.Actor = w.City
		f.See("/steering", "何一").Hides("登记任职")
		f.Actor = w.Office
		f.See("/steering", "何一").Hides("登记任职")
		f.Post(at+"meeting", url.Values{}, 403)
		f.Actor = access.Actor{Account: "d", Role: string(access.TownshipDoctor), Org: w.Org("珠山镇中心卫生院")}
		f.Get("/steering", 403)
	})
}
