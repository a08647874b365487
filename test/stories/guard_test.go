package stories_test

import (
	"strings"
	"testing"

	"yilian/internal/web/webtest"
)

// A clerk sees no button that is not hers, and a forged request is refused in
// words that say why.
func TestWrongRole(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "皇甫桂珍", "1959-04-04")
	doctor, clerk := c.comes("yisheng"), c.comes("guahao")
	id := doctor.refer(r, "市四医院", "心血管内科")
	clerk.open(id)
	clerk.reads("待受理", r.Name)
	foot := clerk.read("#drawer .sheet-foot")
	for _, word := range []string{"受理", "退回", "转介", "接手", "要求补充"} {
		if strings.Contains(foot, word) {
			t.Errorf("the clerk is offered %q: %q", word, foot)
		}
	}
	clerk.shot("5-clerk")
	got := clerk.post("/referrals/"+id+"/accept", "version", "2")
	if got.Status != 403 || !strings.Contains(got.Text, "您当前的岗位“挂号入院登记”没有这项权限") {
		t.Errorf("forged acceptance: %d %s", got.Status, got.Text)
	}
	clerk.phone().visit("/referrals/" + id + "/accept")
	clerk.reads("不由您办理")
	clerk.shot("5-forged")
	for _, path := range []string{"/accounts", "/audit", "/jobs", "/calendar/new"} {
		if got := clerk.get(path); got.Status != 403 && got.Status != 404 || !strings.ContainsAny(got.Text, "权限没有") {
			t.Errorf("%s answers a clerk %d", path, got.Status)
		}
	}
}

// A doctor of another township may not open the patient; in an emergency she
// breaks the glass, says why, and the auditor finds it.
func TestOtherPatient(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "令狐翠兰", "1957-08-15")
	stranger := c.comes("zx1.ys1")
	stranger.visit("/patients/" + r.ID)
	stranger.reads("不能查看该患者", "没有诊疗关系")
	stranger.misses(r.Name, r.Number)
	stranger.shot("5-closed")
	stranger.button("紧急调阅")
	stranger.until("document.querySelector('dialog[open]')")
	stranger.shot("5-break")
	reason := "昏迷送入，核对过敏史"
	webtest.Script(stranger, "document.querySelector('dialog[open] textarea').value="+quote(reason))
	stranger.press("dialog[open] button[type=submit]", "紧急调阅")
	stranger.reads(r.Name, "您正在紧急调阅")
	stranger.shot("5-broken")

	auditor := c.comes("shenji")
	auditor.visit("/notices")
	auditor.shot("5-notice")
	auditor.press("main table a", reason)
	auditor.reads("审计查询")
	auditor.visit("/audit")
	auditor.choose("action", "紧急调阅")
	auditor.readsIn("#audit-list table", stranger.read(".topbar-name"))
	auditor.readsIn("#audit-list table", reason)
	auditor.shot("5-audit")
}

// A village doctor's referral is read by the head of the township centre before
// it leaves; he sends one back for correction first.
func TestVillageReview(t *testing.T) {
	c := stage(t)
	village, head, centre := c.comes("cunyi").phone(), c.comes("yuanzhang"), c.comes("zhuanzhen")
	clinic := c.w.institution(t, value[string](village, "document.querySelector('#user-menu .dropdown-header').textContent.match(/[^ ]*(卫生室|卫生所|服务站)/)[0].replace("+quote(village.read(".topbar-name"))+", '')"))
	r := c.w.settleAt(t, clinic, "闻人秀娥", "1964-02-18")
	centre.visit("/referrals?side=to")
	head.visit("/")
	id := village.refer(r, "市四医院", "心血管内科")
	village.visit("/referrals/" + id)
	village.reads("院内审核", "由水口山镇中心卫生院在") // the patient is told who reads it
	village.shot("8-review")
	head.readsIn("#todo", r.Name)
	head.press("#todo tr", r.Name)
	head.until("document.querySelector('#drawer.show .sheet-foot')")
	head.shot("8-head")
	head.act("退回修改")
	head.choose("reason", "资料不完整")
	head.fill("comment", "请补充血压。")
	head.confirm()
	head.readsIn("#toasts", "已退回转诊医生修改")

	village.visit("/")
	village.press("#todo tr", r.Name)
	village.until("document.querySelector('#drawer.show .sheet-foot')")
	village.reads("请补充血压")
	village.shot("8-returned")
	village.act("继续填写")
	village.reads("① 病情与诊断", "退回修改：资料不完整，请补充血压。")
	village.button("生命体征")
	village.fill("systolic", "148")
	village.fill("diastolic", "92")
	village.tick("已向患者（家属）说明病情")
	village.shot("8-again")
	village.button("提交转诊")
	village.until("document.querySelector('#receipt-number')")
	village.reads("院内审核")
	centre.misses(r.Name)

	head.visit("/")
	head.press("#todo tr", r.Name)
	head.until("document.querySelector('#drawer.show .sheet-foot')")
	head.reads("148/92")
	head.act("审核通过")
	head.readsIn("#toasts", "审核通过，已送接收机构")
	head.until("!document.querySelector('#todo').innerText.includes(" + quote(r.Name) + ")")
	head.shot("8-passed")
	centre.readsIn("#list-body", r.Name)
}
