package stories_test

import (
	"strings"
	"testing"
	"time"

	"yilian/internal/web/webtest"
)

// An in-patient of the morning list goes down with his plan; the township takes
// him, he does not come and is chased after three days; then he comes, a
// follow-up finds a red flag, and the former attending doctor answers.
func TestWayDownWithChaseAndRedFlag(t *testing.T) {
	c := cast{t, alone(t), webtest.Browser(t)}
	r := c.w.settle(t, "濮阳翠英", "1955-11-02")
	doctor, centre, desk, treating := c.comes("yisheng"), c.comes("zhuanzhen"), c.comes("guahao"), c.comes("keshi")
	up := doctor.refer(r, "市四医院", "心血管内科")
	centre.accept(up)
	slot, _ := centre.scarcest(up)
	centre.do(up, "arrange", "slot", slot)
	centre.visit("/referrals/" + up)
	desk.do(up, "arrive", "code", centre.read("#arrival-code"), "name", r.Name)
	treating.do(up, "start", "care", "inpatient", "expected_discharge", c.w.day(1))
	page := treating.get("/referrals/" + up + "/note")
	got := treating.post("/down-candidates/"+up, "version", versionField.FindStringSubmatch(page.Text)[1], "_once", "fit", "indications", "acute_over")
	if got.Status != 200 {
		t.Fatalf("the list: %d %s", got.Status, got.Text)
	}

	down := treating.sendDown(r, up)
	doctor.phone().visit("/referrals/" + down)
	doctor.reads("继续治疗计划", "阿司匹林肠溶片", "胸痛超过 15 分钟")
	doctor.shot("9-packet")
	doctor.act("受理")
	doctor.reads("待安排")
	doctor.arrangeHere(down)
	doctor.shot("9-arranged")

	c.w.turn(6*24*time.Hour + 18*time.Hour) // three working days after the appointed one, before it is given up
	treating.signIn()
	treating.visit("/following")
	for range 20 { // the chase runs by itself soon after
		if strings.Contains(treating.read("main"), "正在追踪") {
			break
		}
		time.Sleep(500 * time.Millisecond)
		treating.visit("/following")
	}
	treating.reads("未到诊，正在追踪")
	treating.shot("9-following")
	doctor.signIn()
	doctor.do(down, "arrive", "id_number", r.Number, "name", r.Name)
	doctor.do(down, "start", "care", "outpatient")

	doctor.visit("/down/" + down + "/follow")
	doctor.fill("text", "今晨胸痛 20 分钟，含服后缓解")
	doctor.fill("pulse", "96")
	doctor.tick("有")
	doctor.fill("question", "需要立即回院吗？")
	doctor.shot("9-follow")
	doctor.press("#follow button[type=submit]", "保存")
	doctor.reads("等原主治医生答复")
	treating.visit("/following")
	treating.press("main a", "红旗征象，待答复")
	treating.reads("今晨胸痛 20 分钟", "需要立即回院吗")
	treating.fill("answer", "请立即由 120 送我院胸痛中心")
	treating.shot("9-question")
	treating.press("#reply button[type=submit]", "答复")
	treating.until("!document.querySelector('#reply')")
	doctor.visit("/referrals/" + down)
	doctor.reads("请立即由 120 送我院胸痛中心", "红旗征象")
	doctor.shot("9-answered")
}

// day is a date some days from now.
func (w *world) day(n int) string {
	return w.app.DB.Now().Add(8*time.Hour).AddDate(0, 0, n).Format("2006-01-02")
}

// sendDown completes the treatment from the morning list and sends the patient
// down with a plan; it returns the id of the down-referral.
func (p *person) sendDown(r resident, up string) string {
	p.t.Helper()
	p.visit("/down-candidates")
	p.readsIn("main table", r.Name, "急性期治疗后病情稳定")
	p.shot("9-candidates")
	p.visit("/down/new?case=" + up)
	p.choose("reason", "急性期")
	p.set("done", "冠脉造影：前降支轻度狭窄，药物治疗后症状消失")
	p.set("next", "双联抗血小板 1 个月，控制血压")
	p.set("red_flags", "胸痛超过 15 分钟、黑便、晕厥")
	p.set("record_number", "Z202611180001")
	for name, text := range map[string]string{"med_name": "阿司匹林肠溶片", "med_dose": "100 mg", "med_frequency": "每日 1 次", "med_quantity": "30 片", "med_days": "30",
		"visit_on": p.w.day(10), "visit_what": "血压、症状"} {
		p.set(name, text)
	}
	webtest.Script(p, `let on = e => { if (e && !e.checked) e.click() };
		on(document.querySelector('input[name=indications][value=acute_over]'));
		on([...document.querySelectorAll('tr')].find(r => r.innerText.includes('水口山')).querySelector('input[type=radio]:not(:disabled)'));
		on(document.querySelector('input[name=signed_by][value=self]')); on(document.querySelector('input[name=form][value=written]'));
		on(document.querySelector('input[name=consent]'))`)
	p.shot("9-plan")
	p.press("#send-down", "")
	p.until("!location.pathname.startsWith('/down')")
	html := p.get("/following").Text
	at := strings.Index(html, r.Name)
	if at < 0 {
		p.t.Fatal("the former attending does not follow him")
	}
	i := strings.LastIndex(html[:at], "/referrals/")
	id, _, _ := strings.Cut(html[i+len("/referrals/"):], "\"")
	return id
}

// arrangeHere gives an accepted patient a time at the doctor's own place.
func (p *person) arrangeHere(id string) {
	p.t.Helper()
	p.act("安排")
	p.until("document.querySelector('select[name=department]')")
	webtest.Script(p, "let s=document.querySelector('select[name=department]'); s.selectedIndex=1; s.dispatchEvent(new Event('change',{bubbles:true}))")
	p.until("!document.querySelector('.htmx-request')")
	p.set("appointed_at", p.w.day(1))
	p.set("appointed_time", "09:30")
	p.confirm()
	p.reads("待到诊")
}
