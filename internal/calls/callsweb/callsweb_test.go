package callsweb

import (
	"net/http"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/calls"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
	"yilian/internal/web/facetest"
)

func setup(t *testing.T, d *db.DB) (*facetest.Face, *referraltest.World) {
	w := referraltest.New(t, d)
	f := facetest.New(t, d, w.Centre)
	s := &calls.Service{DB: d, Keys: w.Keys, Audit: w.Audit, Calendar: calendar.New()}
	Routes(f.Site, &Pages{Service: s, Flow: w.Flow})
	return f, w
}

func TestCallLogPage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		c := w.To(0, referral.StateSubmitted)
		f.See("/calls", "通话记录", "还没有通话记录", "交接班", "转诊电话测试")
		f.Post("/calls", facetest.Form("outgoing", "1", "with_org", "120", "purpose", "问车"), http.StatusUnprocessableEntity).Shows("通话结果", "问车")
		f.Post("/calls", facetest.Form("outgoing", "0", "at", "昨天", "with_org", "120", "purpose", "问车", "result", "有车"), http.StatusUnprocessableEntity).Shows("年-月-日 时:分")
		f.See("/calls?case="+c.ID, "这张单子的通话", "回到单子")
		f.Post("/calls", facetest.Form("outgoing", "1", "case", c.ID, "person", "唐医生", "result", "请补心电图"), http.StatusSeeOther)
		f.See("/calls?case="+c.ID, c.Number, "请补心电图", "打出", "李护士")
		f.See("/calls?from=2026-03-01&to=2026-03-31", "请补心电图")
		f.Get("/calls?from=x", http.StatusUnprocessableEntity)
		f.Actor = w.Doctor
		f.See("/calls", "还没有通话记录").Hides("请补心电图", "/calls/handover")
		f.Actor = access.Actor{Account: "r", Role: string(access.Resident)}
		f.Get("/calls", http.StatusForbidden)
	})
}

func TestHandoverPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		c := w.To(0, referral.StateSubmitted)
		f.See("/calls/handover", "现在未办结 1 件", c.Number, "待受理", "还没有交班记录")
		f.Post("/calls/handover", facetest.Form("from", "2026-03-02T08:00", "to", "x", "text", "无"), http.StatusUnprocessableEntity)
		from, to := w.Now.Add(-8*time.Hour).In(calendar.Shanghai).Format(minute), w.Now.In(calendar.Shanghai).Format(minute)
		f.Post("/calls/handover", facetest.Form("from", from, "to", to), http.StatusUnprocessableEntity).Shows("交班内容")
		at := f.Post("/calls/handover", facetest.Form("from", from, "to", to, "text", "留意张家村来车"), http.StatusSeeOther).To()
		f.See(at, "留意张家村来车", c.Number, "等下一班人员登录后接班")
		f.Post(at, facetest.Form(), http.StatusConflict)
		f.Actor = w.Centre2
		f.See("/calls/handover", "待接班")
		f.Post(at, facetest.Form("remark", "知道了"), http.StatusSeeOther)
		f.See(at, "周护士", "知道了")
		f.See(at+"/print", "转诊中心交接班记录", c.Number, "接班人", "知道了")
		f.Actor = w.Specialist
		f.Get("/calls/handover", http.StatusForbidden)
		f.Get(at, http.StatusForbidden)
		f.Actor = w.OtherCentre
		f.Get(at, http.StatusNotFound)
	})
}

func TestPhonesPage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		f.See("/calls/phones", "转诊电话测试", "本月未测", "从未测试", w.Township.Short())
		f.Post("/calls/phones", facetest.Form("org", w.Township.ID, "reached", "0"), http.StatusUnprocessableEntity).Shows("没有打通时请写明情况")
		f.Post("/calls/phones", facetest.Form("org", w.Township.ID, "reached", "0", "note", "空号"), http.StatusSeeOther)
		f.See("/calls/phones", "未打通 空号", "李护士")
		f.Actor = w.Bureau
		f.See("/calls/phones", "未打通 空号").Hides("没打通</button>")
		f.Post("/calls/phones", facetest.Form("org", w.Township.ID, "reached", "1"), http.StatusForbidden)
	})
}
