package stories_test

import (
	"testing"
)

// A township whose line is down telephones; the referral centre writes it down,
// reads it back and sends it; the township doctor later sees what was entered in
// his name and corrects it.
func TestTelephonedReferral(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "钟离玉珍", "1952-04-14")
	centre, doctor := c.comes("zhuanzhen"), c.comes("yisheng")
	centre.visit("/phoned")
	centre.shot("12-phoned")
	centre.button("代录来电")
	centre.loaded()
	centre.find("caller_org", "水口山镇中心", "水口山镇中心卫生院")
	centre.until("document.querySelector('#caller select[name=caller_doctor]')")
	centre.shot("12-new")
	centre.fill("caller_name", "唐医生")
	centre.fill("caller_phone", "07466220001")
	centre.fill("id_number", r.Number)
	centre.fill("name", r.Name)
	centre.find("diagnosis", "心绞痛", "心绞痛")
	centre.tick("Ⅲ级")
	centre.until("!document.querySelector('.htmx-request')")
	centre.fill("chief", "反复胸闷 3 小时")
	centre.set("illness", "活动后胸骨后压榨样疼痛")
	centre.choose("target_service", "心血管内科")
	centre.fill("witness", "周护士")
	centre.press("#send-phoned", "")
	centre.readsIn("[data-form-errors]", "复述")
	centre.shot("12-not-read-back")
	centre.tick("已向来电人逐项复述")
	centre.press("#send-phoned", "")
	centre.until("location.pathname.startsWith('/referrals/')")
	centre.reads("电话代录", "待受理")
	centre.shot("12-sent")

	doctor.phone().visit("/phoned")
	doctor.reads(r.Name, "待核对")
	doctor.shot("12-list")
	doctor.press("main tr:first-child a", "核对")
	doctor.reads("按电话录入的内容", "反复胸闷 3 小时", "电话同意")
	doctor.shot("12-check")
	doctor.fill("text", "胸闷是 3 天，不是 3 小时")
	doctor.press("#send-correction", "更正")
	doctor.reads("已更正")
	centre.pc().visit(centre.where())
	centre.reads("胸闷是 3 天，不是 3 小时")
	centre.shot("12-corrected")
}
