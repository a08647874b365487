package stories_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"yilian/internal/web/webtest"
)

// wrongs waits until the form has come back and each message stands at its field.
func (p *person) wrongs(want map[string]string) {
	p.t.Helper()
	for field, message := range want {
		at := "(document.getElementById('f-" + field + "-error') || document.getElementById('f-" + field + "'))"
		p.until("document.querySelector('[data-form-errors]') && " + at + ".innerText.includes(" + quote(message) + ")")
	}
	p.loaded()
}

// Whatever is typed wrongly into a new referral comes back at its field, in
// Chinese, with everything else as it was.
func TestWrongReferral(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "南宫素芳", "1960-11-11")
	doctor := c.comes("yisheng")
	doctor.visit("/referrals/new?patient=" + r.ID)
	doctor.button("提交转诊")
	doctor.wrongs(map[string]string{"diagnosis": "请填写初步诊断", "urgency": "紧急程度", "chief": "主诉", "illness": "主要现病史"})
	doctor.shot("7-empty")

	doctor.fill("diagnosis_text", "X99.999"+kb.Tab)
	doctor.tick("Ⅳ级 非急症")
	doctor.fill("chief", "<script>alert('主诉')</script>反复胸闷 3 天")
	doctor.button("提交转诊")
	doctor.wrongs(map[string]string{"diagnosis": "“X99.999”不是编码"})
	doctor.until("document.querySelector('[name=chief]').value.includes('<script>')")
	doctor.shot("7-code")

	doctor.find("diagnosis", "xjt", "心绞痛")
	doctor.button("生命体征")
	doctor.fill("temperature", "98")
	doctor.fill("systolic", "90")
	doctor.fill("diastolic", "120")
	doctor.fill("admitted_on", "20260230"+kb.Tab)
	doctor.set("treatment", strings.Repeat("长", 5000))
	doctor.tick("已向患者（家属）说明病情")
	doctor.button("提交转诊")
	doctor.wrongs(map[string]string{"temperature": "体温 98.0 ℃ 不合理", "diastolic": "舒张压应低于收缩压", "admitted_on": "不是有效日期", "treatment": "最多 4000 个字"})
	doctor.shot("7-vitals")

	doctor.fill("temperature", "36.8")
	doctor.fill("systolic", "148")
	doctor.fill("diastolic", "92")
	doctor.fill("admitted_on", "20261230"+kb.Tab)
	doctor.set("treatment", "阿司匹林口服")
	doctor.button("提交转诊")
	doctor.wrongs(map[string]string{"admitted_on": "不能晚于今天"})
	webtest.Script(doctor, "document.querySelector('[name=admitted_on]').value=''; document.querySelector('[name=consent]').checked=false")
	doctor.button("提交转诊")
	doctor.wrongs(map[string]string{"consent": "同意"})
	doctor.shot("7-consent")
	doctor.tick("已向患者（家属）说明病情")
	doctor.button("提交转诊")
	doctor.until("document.querySelector('#receipt-number')")
	doctor.button("打开转诊单")
	doctor.reads("<script>alert('主诉')</script>反复胸闷 3 天") // text, not a script: the browser reports nothing
	doctor.shot("7-script")
}

// An appointment in the past, at no time, in no department.
func TestWrongAppointment(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "东方小妹", "1962-12-12")
	doctor, centre, desk := c.comes("yisheng"), c.comes("zhuanzhen"), c.comes("guahao")
	id := doctor.refer(r, "市四医院", "心血管内科")
	centre.visit("/referrals/" + id)
	centre.act("受理")
	centre.reads("待安排")
	centre.act("安排就诊")
	centre.tick("其他时间")
	centre.fill("appointed_at", "20261101"+kb.Tab)
	centre.fill("appointed_time", "09:00")
	centre.confirm()
	centre.wrongs(map[string]string{"appointed_at": "2026-11-01 09:00 已经过去"})
	centre.shot("7-past")
	centre.fill("appointed_at", "20261131"+kb.Tab)
	centre.confirm()
	centre.wrongs(map[string]string{"appointed_at": "不是有效日期"})
	day, _ := c.w.at(24 * time.Hour)
	centre.fill("appointed_at", day+kb.Tab)
	centre.fill("appointed_time", "25:00")
	centre.confirm()
	centre.wrongs(map[string]string{"appointed_time": "09:30"})
	centre.fill("appointed_time", "08:30")
	centre.confirm()
	centre.reads("待到诊")

	desk.phone().visit("/desk")
	desk.fill("text", r.Number[:17]+"?"+kb.Enter)
	desk.until("document.querySelector('#desk [data-form-errors]')")
	desk.shot("7-desk-number")
	desk.fill("text", "000000"+kb.Enter)
	desk.reads("没有找到待到诊的转诊单")
	desk.fill("text", r.Number+kb.Enter)
	desk.readsIn("#desk", "预约时间")
	desk.fill("name", "东方大妹")
	desk.button("登记到诊")
	desk.until("document.querySelector('#f-name-error')")
	desk.shot("7-desk-name")
	desk.fill("name", r.Name)
	desk.button("登记到诊")
	desk.reads("到诊登记完成")
}

// A new resident is entered on a phone: each wrong field says what is wrong, the
// card fills in what it knows, and the same card twice opens the first entry.
func TestNewResidentOnAPhone(t *testing.T) {
	c := stage(t)
	doctor := c.comes("yisheng").phone()
	good := number("1971-05-20", 190)
	bad := good[:17] + map[bool]string{true: "1", false: "2"}[good[17] != '1']
	doctor.visit("/patients")
	doctor.fill("q", "夏侯秀梅")
	doctor.reads("没有找到“夏侯秀梅”")
	doctor.shot("9-none")
	doctor.press("#list a", "新建档案")
	doctor.until("document.querySelector('[name=name]').value === '夏侯秀梅'")
	doctor.shot("9-new")
	doctor.fill("id_number", bad)
	doctor.readsIn("#identity", "第18位校验码应为 "+good[17:])
	doctor.shot("9-digit")
	doctor.button("保存")
	doctor.wrongs(map[string]string{"id_number": "第18位校验码应为 " + good[17:]})
	thirtieth := "431102197102307" + "22"
	doctor.fill("id_number", thirtieth+"5")
	doctor.button("保存")
	doctor.wrongs(map[string]string{"id_number": "1971年02月30日 不存在"})
	doctor.fill("id_number", number("2030-01-01", 191))
	doctor.button("保存")
	doctor.wrongs(map[string]string{"id_number": "晚于今天"})
	doctor.shot("9-future")
	doctor.choose("id_type", "无证件")
	doctor.fill("id_number", kb.Backspace)
	doctor.choose("sex", "女")
	doctor.fill("birth_date", "20300101"+kb.Tab)
	doctor.button("保存")
	doctor.wrongs(map[string]string{"birth_date": "今天"})
	doctor.choose("id_type", "居民身份证")
	doctor.fill("id_number", good)
	doctor.until("document.querySelector('[name=birth_shown]')?.value.includes('55岁')")
	doctor.fill("phone", "1390000")
	doctor.button("保存")
	doctor.wrongs(map[string]string{"phone": "手机"})
	doctor.fill("phone", "13900009999")
	doctor.find("region", "sks", "水口山")
	doctor.shot("9-filled")
	doctor.button("保存")
	doctor.reads("已为夏侯秀梅建档", "身份与医保")
	doctor.shot("9-saved")

	doctor.visit("/patients/new")
	doctor.fill("name", "夏侯秀梅")
	doctor.fill("id_number", good)
	doctor.until("document.querySelector('[name=birth_shown]')")
	doctor.fill("phone", "13900009999")
	doctor.button("保存")
	doctor.reads("同一证件号码已有档案", "打开已有档案")
	doctor.shot("9-twice")
}
