package stories_test

import (
	"strings"
	"testing"
	"time"
)

// An emergency from the township's phone: nobody confirms in time, so that the
// alarm climbs the ladder and rings on the open page of the emergency room; it
// confirms, sends the ambulance on to a hospital that has agreed, the patient
// arrives there, the consent is signed afterwards and the crew's hand-over form
// is printed.
func TestEmergencyRingsDivertsArrives(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "闻人秀梅", "1957-04-18")
	doctor, room, other := c.comes("yisheng").phone(), c.comes("jizhen"), c.comes("zy.zz1")
	room.visit("/patients") // at other work
	room.button("启用声音提醒")
	id := doctor.rush(r)

	c.w.turn(3*time.Minute + 5*time.Second)
	room.readsIn("#alarm .alarm", "急诊转入 · 胸痛", r.Name, "水口山镇中心卫生院") // nobody has reloaded
	room.until("+document.body.dataset.beeps > 0")
	room.shot("7-alarm")
	room.press("#ack-"+id+" button", "确认接收")
	doctor.reads("已确认接收") // by itself
	doctor.shot("7-confirmed")
	room.visit("/emergency")
	room.readsIn("#rescue-"+id, "已确认接收", r.Name)
	room.until("!document.querySelector('#alarm [data-ring=\"" + id + "\"]')")
	room.shot("7-board")

	room.visit("/referrals/" + id)
	room.act("改送他院")
	room.confirm()
	room.readsIn("[data-form-errors]", "请")
	room.choose("target_service", "中医院")
	room.fill("agreed_by", "中医院总值班")
	room.choose("agreed_how", "电话")
	room.choose("reason", "原接收医院饱和")
	room.shot("7-divert")
	room.confirm()
	room.reads("已改送")
	doctor.visit("/referrals/" + id)
	doctor.reads("零陵区中医院", "中医院总值班")

	other.visit("/referrals/" + id)
	other.act("到诊登记")
	other.reads("急诊到院不核对到诊码和证件")
	other.confirm()
	other.reads("已到诊")
	other.shot("7-arrived")
	doctor.consentLater(r)
	doctor.visit("/emergency/handover/" + id)
	doctor.fill("vehicle", "本院救护车")
	doctor.fill("drugs", "阿司匹林 300 mg 嚼服 09:45")
	doctor.shot("7-handover")
	doctor.button("保存交接单")
	doctor.reads("转运交接单已保存")
	doctor.visit("/referrals/" + id + "/print/handover")
	text := doctor.print("handover")
	for _, s := range []string{"转运交接单", r.Name, "本院救护车", "阿司匹林 300 mg", "零陵区中医院"} {
		if !strings.Contains(text, s) {
			t.Errorf("the hand-over form does not say %q: %s", s, text)
		}
	}
}

// rush sends an emergency and returns the id of its case.
func (p *person) rush(r resident) string {
	p.t.Helper()
	p.visit("/emergency/new?patient=" + r.ID)
	p.press("label", "胸痛")
	p.until("document.querySelector('#lane-part [name=lane_ecg]')")
	p.press("label.destination", "市四医院")
	p.fill("condition", "胸痛 40 分钟，大汗，血压 90/60")
	p.fill("systolic", "90")
	p.fill("diastolic", "60")
	p.shot("7-urgent")
	p.press("#send-emergency", "")
	p.reads("急诊转运中", "还没有人确认")
	_, id, _ := strings.Cut(value[string](p, "location.pathname"), "/referrals/")
	id, _, _ = strings.Cut(id, "/")
	p.shot("7-sent")
	return id
}

// consentLater signs what was owed, from the to-do list.
func (p *person) consentLater(r resident) {
	p.t.Helper()
	p.visit(value[string](p, "document.querySelector('a[href*=\"/emergency/consents/\"]').getAttribute('href')"))
	p.reads("急诊先救治", r.Name)
	p.tick("患者本人")
	p.tick("书面")
	p.shot("7-consent")
	p.press("#sign-later button[type=submit]", "保存")
	p.reads("知情同意已补办")
}
