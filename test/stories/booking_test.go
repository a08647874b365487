package stories_test

import (
	"regexp"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"yilian/internal/web/webtest"
)

// Clinic, exam and bed are reserved together; a second person who still sees
// the last place is refused with other times and keeps what he typed; the code
// opens the visit at the desk; a cancelled visit gives its places back.
func TestBookingTogether(t *testing.T) {
	c := stage(t)
	first, second := c.w.settle(t, "东方素芬", "1960-02-14"), c.w.settle(t, "独孤美珍", "1964-08-08")
	doctor, one, two, desk := c.comes("yisheng"), c.comes("zhuanzhen"), c.comes("sy.zz1"), c.comes("guahao")
	a, b := doctor.refer(first, "市四医院", "心血管内科"), doctor.refer(second, "市四医院", "心血管内科")
	one.accept(a)
	two.accept(b)
	slot, left := one.scarcest(a)
	for i := range left - 1 { // the other places go meanwhile
		id := doctor.refer(c.w.settle(t, "拓跋桂英"+string(rune('甲'+i)), "1959-05-05"), "市四医院", "心血管内科")
		one.accept(id)
		one.do(id, "arrange", "slot", slot)
	}

	for p, id := range map[*person]string{one: a, two: b} {
		p.visit("/referrals/" + id)
		p.act("安排就诊")
		p.press("label:has(input[value='"+slot+"'])", "余 1")
	}
	one.press("details summary", "同时预约检查")
	webtest.Script(one, "[...document.querySelectorAll('input[name=exams]')].pop().click()") // the last: at another time than the clinic
	one.press("label", "同时预留床位")
	one.shot("8-together")
	one.confirm()
	one.reads("待到诊", "检查", "床位", "预留")
	one.shot("8-reserved")

	two.shot("8-last-place")
	two.confirm()
	two.readsIn("[data-form-errors]", "已约满", "最近可约")
	two.shot("8-refused")
	two.confirm() // the next free time is chosen already
	two.reads("待到诊")

	code := one.read("#arrival-code")
	desk.phone().visit("/desk")
	desk.fill("text", code+kb.Enter)
	desk.readsIn("#desk", first.Name[:3], "预约时间")
	desk.shot("8-desk")

	desk.pc().visit("/referrals/" + a)
	desk.act("取消")
	desk.choose("reason", "医生")
	desk.shot("8-cancel")
	desk.confirm()
	desk.reads("已取消")
	id := doctor.refer(c.w.settle(t, "贺兰秀英", "1966-06-06"), "市四医院", "心血管内科")
	one.accept(id)
	one.visit("/referrals/" + id + "/arrange")
	one.until("document.querySelector('input[value=\"" + slot + "\"]')") // the place is free again
	one.shot("8-released")
}

var versionField = regexp.MustCompile(`name="version" value="(\d+)"`)

// do sends the form of an action with what its page carries: a quick way to a
// state that other stories tell.
func (p *person) do(id, action string, pairs ...string) {
	p.t.Helper()
	page := p.get("/referrals/" + id + "/" + action)
	m := versionField.FindStringSubmatch(page.Text)
	if page.Status != 200 || m == nil {
		p.t.Fatalf("%s of %s: %d %s", action, id, page.Status, page.Text)
	}
	got := p.post("/referrals/"+id+"/"+action, append(pairs, "version", m[1], "_once", p.login+action+id)...)
	if got.Status != 200 {
		p.t.Fatalf("%s of %s: %d %s", action, id, got.Status, got.Text)
	}
}

func (p *person) accept(id string) {
	p.t.Helper()
	p.do(id, "accept")
}

var offered = regexp.MustCompile(`value="([0-9a-f-]{36})"[^<]*(?:<[^>]*>[^<]*){0,6}?余 (\d+)`)

// scarcest is the clinic session with the fewest places left.
func (p *person) scarcest(id string) (slot string, left int) {
	p.t.Helper()
	for _, m := range offered.FindAllStringSubmatch(p.get("/referrals/"+id+"/arrange").Text, -1) {
		if n := int(m[2][0] - '0'); len(m[2]) == 1 && (left == 0 || n < left) {
			slot, left = m[1], n
		}
	}
	if slot == "" {
		p.t.Fatal("no place is offered")
	}
	return slot, left
}
