package referralweb

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
	"yilian/internal/web/webtest"
)

// urgently is the form of an emergency as the page sends it.
func urgently(f *fixture, r *referraltest.Rescue, pairs ...string) url.Values {
	v := url.Values{"patient": {f.w.Patients[0].ID}, "lane": {"chest_pain"}, "target_service": {r.Service.ID}, "condition": {"胸痛 40 分钟"},
		"pulse": {"112"}, "spo2": {"九十"}, "lane_onset": {"08:20"}, "lane_ecg": {"done"}, "_once": {f.w.Token()}}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// sentOff sends a form and returns the id of its case.
func (f *fixture) sentOff(form url.Values) string {
	f.Helper()
	w := f.submit("/emergency", form, false)
	if w.Code != http.StatusSeeOther {
		f.Fatalf("POST /emergency: %d: %s", w.Code, text(w.Body.String()))
	}
	return strings.TrimPrefix(w.Header().Get("Location"), "/referrals/")
}

func TestEmergencyPages(t *testing.T) {
	each(t, func(f *fixture) {
		r := f.w.Rescue()
		f.as(f.w.Doctor)
		page := f.get(200, "/emergency/new?patient="+f.w.Patients[0].ID)
		f.has(page, "张桂兰", "胸痛", "危重新生儿", "JS-4.3", "市四医院", "立即发出并呼叫")
		part := f.post(200, "/emergency/new/lane", url.Values{"lane": {"stroke"}, "patient": {f.w.Patients[0].ID}})
		f.has(part, "最后正常时间", "区中医院")
		f.lacks(part, "ST 段抬高", "产科急诊")

		f.has(f.post(422, "/emergency", url.Values{"_once": {"x"}}), "请选择送往哪家医院", "身份不明")
		id := f.sentOff(urgently(f, r))
		sheet := f.get(200, "/referrals/"+id)
		f.has(sheet, "急诊转运中", "肖主任", "发病时间 08:20", "血氧 九十", "补办知情同意", "13900000101")

		f.as(r.First)
		f.has(f.get(200, "/emergency/alarm"), "data-ring", "张桂兰", "确认接收")
		f.has(f.get(200, "/emergency"), "还没有人确认", "张桂兰", "btn-huge")
		f.as(r.Second)
		f.lacks(f.get(200, "/emergency/alarm"), "data-ring")

		f.w.After(181 * time.Second)
		must(t, f.w.Queue.Drain(t.Context()))
		f.has(f.get(200, "/emergency/alarm"), "data-ring")
		f.as(f.w.Doctor)
		f.has(f.get(200, "/referrals/"+id), `id="phones"`, "平台呼叫", "已接通，确认接收")
		c := f.now(caseOf(id))
		live := httptest.NewRequest(http.MethodGet, "/emergency/status/"+id, nil)
		live.Header.Set("HX-Request", "true")
		f.has(f.send(live).Body.String(), "平台呼叫", "雷医生")
		f.post(200, "/emergency/call/"+id, f.form(c, "name", "肖主任 主治医师", "phone", "13900000101", "result", "no_answer"))
		f.has(f.get(200, "/referrals/"+id), "无人接听")

		f.as(r.First)
		w := f.submit("/emergency/ack/"+id, f.form(c), false)
		if w.Code != http.StatusSeeOther {
			t.Fatalf("%d %s", w.Code, text(w.Body.String()))
		}
		f.lacks(f.get(200, "/emergency/alarm"), "data-ring")
		f.has(f.get(200, "/emergency"), "肖主任已确认接收", "3 分 1 秒")
		f.has(f.do(200, c, referral.ActDivert, "target_service", r.OtherPlace.ID, "reason", "full", "agreed_how", "phone", "agreed_by", "魏医生"))
		f.as(r.OtherRoom)
		f.has(f.get(200, "/referrals/"+id+"/"+referral.ActArrive), "不核对到诊码")
		f.do(200, c, referral.ActArrive)
		f.state(c, referral.StateArrived)
	})
}

func TestWhoMayNotSendOff(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	r := f.w.Rescue()
	for _, a := range []access.Actor{f.w.Desk, f.w.Centre, f.w.Bureau} {
		f.as(a)
		f.get(403, "/emergency/new")
		if w := f.submit("/emergency", urgently(f, r), false); w.Code != 403 {
			t.Errorf("%s: %d", a.Role, w.Code)
		}
	}
	f.as(f.w.Doctor)
	f.get(403, "/emergency/lists")
	f.lacks(f.get(200, "/emergency/alarm"), "data-ring")
}

func TestUnknownPersonAndBackEntry(t *testing.T) {
	each(t, func(f *fixture) {
		r := f.w.Rescue()
		f.as(f.w.Doctor)
		id := f.sentOff(urgently(f, r, "patient", "", "nameless", "1", "sex", "1", "age", "50"))
		f.has(f.get(200, "/referrals/"+id), "无名氏")

		f.has(f.get(200, "/emergency/new?back=1"), "急诊补录", "到院时间", "接收的人")
		f.has(f.post(422, "/emergency", urgently(f, r, "back", "1")), "请填写到院时间", "接收的人")
		at := f.w.Now.Add(-3 * time.Hour).In(shanghai).Format(localTime)
		id = f.sentOff(urgently(f, r, "back", "1", "arrived_at", at, "received_by", "王护士", "reason", "emergency_first"))
		f.has(f.get(200, "/referrals/"+id), "补录", "由王护士接收")
		f.has(f.get(200, "/referrals?side=from"), "补录", "急诊 · 胸痛")
		f.as(r.First)
		if body := f.get(200, "/emergency/alarm"); strings.Contains(body, id) {
			t.Error("a back-entry rings")
		}
	})
}

func TestHandoverAndConsentPages(t *testing.T) {
	each(t, func(f *fixture) {
		r := f.w.Rescue()
		f.as(f.w.Doctor)
		id := f.sentOff(urgently(f, r))
		f.has(f.get(200, "/emergency/handover/"+id), `value="112"`, "到达与交接")
		form := url.Values{"handover_version": {"0"}, "drugs": {"阿司匹林 300 mg"}, "out_pulse": {"112"}, "handed_by": {"唐医生"}}
		if w := f.submit("/emergency/handover/"+id, form, false); w.Code != http.StatusSeeOther {
			t.Fatalf("%d %s", w.Code, text(w.Body.String()))
		}
		f.has(f.post(409, "/emergency/handover/"+id, form), "刚刚由")
		f.has(f.get(200, "/referrals/"+id+"/print/handover"), "转运交接单", "阿司匹林 300 mg", "唐医生", "接方医护")
		full, err := f.w.Service.View(t.Context(), f.w.Doctor, id)
		must(t, err)
		task := full.Rescue.Task
		path := "/emergency/consents/" + task.ID
		f.has(f.get(200, path), "医疗机构负责人", "张桂兰")
		f.has(f.post(422, path, f.form(task, "form", "written")), "请选择由谁签署")
		if w := f.submit(path, f.form(task, "form", "written", "signed_by", "institution_head", "signer", "何院长"), false); w.Code != http.StatusSeeOther {
			t.Fatalf("%d %s", w.Code, text(w.Body.String()))
		}
		f.has(f.get(200, path), "已办结")
		f.as(r.Room)
		f.get(404, path)
	})
}

func TestRescueListsPage(t *testing.T) {
	each(t, func(f *fixture) {
		r := f.w.Rescue()
		f.as(r.Affairs)
		f.has(f.get(200, "/emergency/lists"), "胸痛", "肖主任", "13900000101", "JS-4.3")
		form := url.Values{"lane": {"chest_pain"}, "version": {"1"}, "entry": {"p:" + r.Second.Person, "", "r:on_call"}, "phone": {"", "", ""}}
		if w := f.submit("/emergency/lists", form, false); w.Code != http.StatusSeeOther {
			t.Fatalf("%d %s", w.Code, text(w.Body.String()))
		}
		f.has(f.post(409, "/emergency/lists", form), "刚刚被别人改过")
		form.Set("version", "2")
		form["entry"] = []string{"d:none", "", ""}
		f.has(f.post(422, "/emergency/lists", form), "不属于本院")
		f.w.SendOff(r, 0)
		f.as(r.Second)
		f.has(f.get(200, "/emergency/alarm"), "data-ring")
	})
}

// TestThirtySecondsOnAPhone holds the budget of an emergency: few touches from
// the open patient, on a small screen, and a bar that rings until somebody
// confirms.
func TestThirtySecondsOnAPhone(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	r := f.w.Rescue()
	f.as(f.w.Doctor)
	server := httptest.NewServer(f.site)
	t.Cleanup(server.Close)
	ctx := webtest.Browser(t)
	webtest.Do(ctx, webtest.Size([2]int64{390, 844}))
	webtest.Visit(ctx, server.URL+"/emergency/new?patient="+f.w.Patients[0].ID)
	webtest.Until(ctx, "document.readyState === 'complete'")
	webtest.Click(ctx, "input[name=lane][value=chest_pain]")
	webtest.Until(ctx, "document.querySelector('[name=lane_ecg]')")
	webtest.Type(ctx, "#f-condition", "胸痛 40 分钟")
	webtest.Screenshot(ctx, "emergency-new-phone")
	webtest.Click(ctx, "#send-emergency")
	webtest.Until(ctx, "location.pathname.startsWith('/referrals/')")
	webtest.Screenshot(ctx, "emergency-sent-phone")
	if len(f.measured) != 1 || f.measured[0] > 4 {
		t.Fatalf("interactions: %v", f.measured)
	}
	f.alarm = true
	f.as(r.First)
	webtest.Visit(ctx, server.URL+"/emergency")
	webtest.Until(ctx, "document.querySelector('#alarm [data-ring]')")
	webtest.Until(ctx, "!document.querySelector('[data-sound-ask]').hidden")
	webtest.Click(ctx, "[data-sound-enable]")
	webtest.Until(ctx, "+document.body.dataset.beeps > 1 && document.title.startsWith('【急诊】')")
	webtest.Screenshot(ctx, "emergency-alarm-phone")
	webtest.Click(ctx, "#alarm button[type=submit]")
	webtest.Until(ctx, "location.pathname.startsWith('/referrals/') && !document.querySelector('#alarm [data-ring]')")
	n := webtest.Eval[string](ctx, "document.body.dataset.beeps || '0'")
	if n != "0" {
		t.Errorf("still ringing after the confirmation: %s", n)
	}
	if !webtest.Eval[bool](ctx, "document.querySelector('[data-sound-ask]').hidden") {
		t.Error("the page asks for the sound a second time")
	}
}

func caseOf(id string) flow.Case { return flow.Case{ID: id} }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
