package stories_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"yilian/internal/calendar"
)

// today and clock are the present day and a time of it as the forms take them.
func (w *world) at(after time.Duration) (day, clock string) {
	at := w.app.DB.Now().In(calendar.Shanghai).Add(after)
	return at.Format("20060102"), at.Format("15:04")
}

// appoint arranges an accepted case in a while.
func (p *person) appoint(id string, after time.Duration) {
	p.t.Helper()
	p.visit("/referrals/" + id)
	p.act("安排就诊")
	p.tick("其他时间")
	p.choose("department", "心血管内科")
	day, clock := p.w.at(after)
	p.fill("appointed_at", day+kb.Tab)
	p.fill("appointed_time", clock)
	p.confirm()
	p.reads("待到诊")
}

// The patient does not come: the desk says so, the doctor hears why and has the
// visit arranged again.
func TestNoShowAndRearrange(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "公孙玉兰", "1952-06-30")
	doctor, centre, desk := c.comes("yisheng"), c.comes("zhuanzhen"), c.comes("guahao")
	id := doctor.refer(r, "市四医院", "心血管内科")
	centre.visit("/referrals/" + id)
	centre.act("受理")
	centre.reads("待安排")
	centre.appoint(id, 10*time.Minute)
	desk.visit("/referrals/" + id)
	desk.act("登记未到诊")
	desk.confirm()
	desk.reads("还没有到约定的就诊时间")
	desk.shot("6-too-early")

	c.w.turn(12 * time.Minute)
	desk.phone().visit("/referrals/" + id)
	desk.act("登记未到诊")
	desk.confirm()
	desk.reads("已登记未到诊", "未到诊")
	desk.shot("6-no-show")
	doctor.phone().visit("/")
	doctor.press("#todo tr", r.Name)
	doctor.until("document.querySelector('#drawer.show .sheet-foot')")
	doctor.shot("6-doctor")
	doctor.act("重新安排")
	doctor.choose("reason", "交通不便")
	doctor.confirm()
	doctor.readsIn("#drawer", "待安排")
	doctor.shot("6-rearranged")
	centre.appoint(id, 24*time.Hour)
	centre.shot("6-again")
}

// The doctor takes a referral back with a reason; the centre reads who and why.
func TestWithdrawal(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "钟离凤英", "1950-10-10")
	doctor, centre := c.comes("yisheng"), c.comes("zhuanzhen")
	id := doctor.refer(r, "市四医院", "心血管内科")
	centre.visit("/referrals?side=to")
	centre.readsIn("#list-body", r.Name)
	doctor.visit("/referrals/" + id)
	doctor.act("撤回")
	doctor.confirm()
	doctor.readsIn("[data-form-errors]", "原因")
	doctor.choose("reason", "病情变化")
	doctor.confirm()
	doctor.reads("本单已撤回，原因：病情变化")
	doctor.shot("6-withdrawn")
	centre.until("!document.getElementById('case-" + id + "')") // gone from the open ones
	centre.visit("/referrals/" + id)
	centre.reads("本单已撤回，原因：病情变化")
}

// The patient refuses: it is recorded with the reason, and the paper to sign is
// printed.
func TestRefusal(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "宇文桂花", "1948-05-05")
	doctor := c.comes("yisheng")
	doctor.visit("/referrals/new?patient=" + r.ID)
	doctor.find("diagnosis", "bwdxxjt", "不稳定型心绞痛")
	doctor.tick("Ⅲ级 急症")
	doctor.fill("chief", "反复胸闷 3 天")
	doctor.button("患者不同意转诊")
	doctor.choose("reason", "担心费用")
	doctor.fill("comment", "要求先在卫生院治疗")
	doctor.shot("6-refusing")
	doctor.button("登记患者拒绝转诊")
	doctor.reads("转诊回执", "患者拒绝转诊")
	doctor.shot("6-refused")
	href := value[string](doctor, "document.querySelector('a[href*=\"/print/refusal\"]').getAttribute('href')")
	doctor.visit(href)
	doctor.reads("拒绝转诊告知书", r.Name, "担心费用", "要求先在卫生院治疗", "决定不转诊")
	if !strings.Contains(doctor.text(), r.Number) {
		t.Error("the paper does not carry the identity number in full")
	}
	if text := doctor.print("refusal"); !strings.Contains(text, "患者拒绝转诊") {
		t.Errorf("the paper does not show its status: %s", text)
	}
}
