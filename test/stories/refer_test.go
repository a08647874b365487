package stories_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"yilian/internal/web/webtest"
)

// From the township to the hospital and back: a referral, accepted, arranged,
// arrived, treated, reported and acknowledged, with everybody's page following
// by itself. The doctor and the desk do it once at a PC and once on a phone.
func TestReferralToAcknowledgement(t *testing.T) {
	t.Run("desk", func(t *testing.T) { there(t, "欧阳秀兰", "oyxl", "ouyang", (*person).pc) })
	t.Run("phone", func(t *testing.T) { there(t, "司马玉珍", "smyz", "sima", (*person).phone) })
}

func there(t *testing.T, name, initials, login string, sized func(*person) *person) {
	c := stage(t)
	r := c.w.settle(t, name, "1958-03-12")
	c.w.signUp(t, r, login)
	doctor, centre, list := sized(c.comes("yisheng")), c.comes("zhuanzhen"), c.comes("sy.zz1")
	centre.visit("/")
	list.visit("/referrals?side=to")

	number := send(t, doctor, r, initials)
	centre.readsIn("#todo", number, name) // nobody has reloaded
	list.readsIn("#list-body", number, name)
	centre.shot("1-todo")
	list.shot("1-worklist")

	id := receive(centre, name)
	list.readsIn("#list-body tr[id='case-"+id+"']", "待到诊")
	code := expect(doctor, id)
	arrive(sized(c.comes("guahao")), code, name)
	treat(sized(c.comes("keshi")), name, number)
	acknowledge(t, doctor, number)
	hear(t, c, login)
}

// send refers a resident in three short steps and returns the number. The page
// counts what the doctor does from the open patient on.
func send(t *testing.T, doctor *person, r resident, initials string) string {
	t.Helper()
	doctor.visit("/patients")
	doctor.shot("1-search-empty")
	doctor.fill("q", initials)
	doctor.until("location.search.includes('q=" + initials + "')")
	doctor.readsIn("#list", r.Name)
	doctor.shot("1-search")
	doctor.press("#list a", r.Name)
	doctor.reads("身份与医保")
	doctor.shot("1-patient")
	doctor.button("发起转诊")
	doctor.reads("① 病情与诊断")
	doctor.shot("1-new")
	doctor.fill("diagnosis_text", "bwdxxjt")
	doctor.readsIn(".combo-list", "不稳定型心绞痛")
	doctor.shot("1-new-diagnosis")
	doctor.press(".combo-item", "不稳定型心绞痛")
	doctor.tick("Ⅲ级 急症")
	doctor.fill("chief", "反复胸闷胸痛 3 天，加重 2 小时")
	doctor.tick("已向患者（家属）说明病情")
	doctor.until("document.querySelector('[name=target_service]:checked') && document.querySelector('[name=illness]').value.includes('反复胸闷胸痛')")
	doctor.shot("1-new-filled")
	before := len(doctor.w.log.measured())
	doctor.button("提交转诊")
	doctor.until("document.querySelector('#receipt-number')")
	doctor.shot("1-receipt")
	measured := doctor.w.log.measured()
	if len(measured) != before+1 || measured[before] < 1 || measured[before] > 6 {
		t.Errorf("measured %v after %d, want one more of at most 6", measured, before)
	} else {
		t.Logf("interactions from the open patient to the sent referral: %d", measured[before])
	}
	return doctor.read("#receipt-number")
}

// receive accepts and arranges in the drawer of the to-do list, and returns the
// id of the case.
func receive(centre *person, name string) string {
	centre.t.Helper()
	centre.press("#todo tr", name)
	centre.until("document.querySelector('#drawer.show .sheet-foot')")
	centre.reads("待受理", "现在轮到：永州市第四人民医院", "临床责任")
	centre.shot("1-drawer-submitted")
	_, id, _ := strings.Cut(centre.where(), "/referrals/")
	centre.act("受理")
	centre.readsIn("#drawer", "待安排")
	centre.shot("1-drawer-accepted")
	if got := centre.read("#drawer .sheet-foot .btn-primary"); strings.TrimSpace(got) != "安排就诊" {
		centre.t.Errorf("the blue button of an accepted case says %q", got)
	}
	centre.act("安排就诊")
	centre.tick("其他时间")
	centre.choose("department", "心血管内科")
	centre.until("document.querySelector('[name=doctor]').options.length > 1")
	webtest.Script(centre, "let s=document.querySelector('[name=doctor]'); s.selectedIndex=1; s.dispatchEvent(new Event('change',{bubbles:true}))")
	centre.fill("appointed_at", "20261118"+kb.Tab)
	centre.fill("appointed_time", "15:30")
	centre.shot("1-drawer-arrange")
	centre.confirm()
	centre.readsIn("#drawer", "待到诊", "2026-11-18 15:30")
	centre.shot("1-drawer-arranged")
	return id
}

// expect reads on the doctor's side when the patient is expected, and the code
// that the patient was told.
func expect(doctor *person, id string) string {
	doctor.t.Helper()
	doctor.visit("/referrals/" + id)
	doctor.reads("待到诊", "2026-11-18 15:30", "发给患者的消息", "出示到诊码")
	doctor.shot("1-arranged")
	return value[string](doctor, `document.body.innerText.match(/到诊码 (\d{6})/)[1]`)
}

// arrive registers the patient at the desk with the code and the name.
func arrive(desk *person, code, name string) {
	desk.t.Helper()
	desk.visit("/desk")
	desk.shot("1-reception")
	desk.fill("text", code+kb.Enter)
	desk.readsIn("#desk", "预约时间")
	desk.fill("name", name)
	desk.shot("1-reception-found")
	desk.button("登记到诊")
	desk.reads("到诊登记完成")
	desk.readsIn("#desk-lists", name, "已到诊")
	desk.shot("1-reception-done")
}

// treat takes the patient over in the department, notes and reports back.
func treat(doctor *person, name, number string) {
	doctor.t.Helper()
	doctor.visit("/")
	doctor.shot("1-department")
	doctor.press("#todo tr", number)
	doctor.until("document.querySelector('#drawer.show .sheet-foot')")
	doctor.reads(name, "已到诊")
	doctor.shot("1-drawer-arrived")
	doctor.act("开始诊疗")
	doctor.reads("诊疗方式")
	doctor.shot("1-drawer-start")
	doctor.confirm()
	doctor.readsIn("#drawer", "诊疗中")
	doctor.act("诊疗进展")
	doctor.fill("text", "心电图示 ST 段压低，已予抗血小板、扩冠治疗，症状缓解。")
	doctor.confirm()
	doctor.readsIn("#drawer .sheet-body", "症状缓解")
	doctor.shot("1-drawer-note")
	doctor.act("完成诊疗并回转")
	doctor.fill("exams", "肌钙蛋白正常；冠脉 CTA 示前降支中度狭窄。")
	doctor.fill("treatment", "双联抗血小板、调脂。")
	doctor.fill("advice", "阿司匹林 100 mg 每日 1 次，2 周后复查血脂。")
	doctor.shot("1-drawer-report")
	doctor.confirm()
	doctor.readsIn("#drawer", "待回执", "回转单")
	doctor.shot("1-drawer-completed")
}

// acknowledge follows the notice to the case and closes it.
func acknowledge(t *testing.T, doctor *person, number string) {
	t.Helper()
	doctor.visit("/notices")
	doctor.shot("1-notices")
	doctor.press("main table a", number)
	doctor.reads("待回执", "回转单", "前降支中度狭窄")
	doctor.shot("1-report")
	doctor.act("确认回执")
	doctor.reads("已结案", "本单已办结")
	doctor.shot("1-closed")
	webtest.Script(doctor, "[...document.querySelectorAll('h2,h3')].find(e=>e.innerText.includes('流转记录')).scrollIntoView()")
	doctor.reads("等我方", "等对方", "此前等永州市第四人民医院")
	doctor.shot("1-timeline")
}

// hear reads the patient's own messages: plain, without diagnosis and department.
func hear(t *testing.T, c cast, login string) {
	t.Helper()
	patient := c.comes(login).phone()
	patient.visit("/messages")
	patient.reads("我的消息", "已同意接收您", "您的就诊时间已定", "出示到诊码", "已在永州市第四人民医院登记到诊", "已结束")
	patient.misses("心绞痛", "I20", "心血管", "内科", "胸闷")
	patient.shot("1-messages")
}
