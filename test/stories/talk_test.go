package stories_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"yilian/internal/web/webtest"
)

// due is the instant that the clock of the open case runs to.
func (p *person) due() time.Time {
	p.t.Helper()
	p.until("document.querySelector('.sheet-marks [data-due]')")
	ms, err := strconv.ParseInt(value[string](p, "document.querySelector('.sheet-marks [data-due]').dataset.due"), 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return time.UnixMilli(ms)
}

// open opens a case in the drawer of the worklist.
func (p *person) open(id string) {
	p.t.Helper()
	p.visit("/referrals?side=to")
	p.until("document.getElementById('case-" + id + "')")
	p.press("tr[id='case-"+id+"']", "")
	p.until("document.querySelector('#drawer.show .sheet-foot')")
}

// The centre asks, its clock stands still, the doctor answers from a phone, the
// clock goes on with the time that was left.
func TestQuestionAndAnswer(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "慕容桂英", "1961-07-02")
	doctor, centre := c.comes("yisheng"), c.comes("zhuanzhen")
	id := doctor.refer(r, "市四医院", "心血管内科")

	centre.open(id)
	before := centre.due()
	centre.act("要求补充")
	centre.reads("请对方补充的内容")
	centre.confirm()
	centre.readsIn("#drawer [data-form-errors]", "请") // nothing was said
	centre.choose("reason", "缺检查、检验结果")
	centre.fill("question", "请补充今天的心电图结果和肌钙蛋白。")
	centre.shot("2-ask")
	centre.confirm()
	centre.readsIn("#drawer", "待补充", "请补充今天的心电图结果", "等待答复")
	centre.shot("2-asked")

	c.w.turn(12 * time.Minute)
	doctor.phone().visit("/")
	doctor.readsIn("#todo", r.Name, "待补充")
	doctor.shot("2-todo")
	doctor.press("#todo tr", r.Name)
	doctor.until("document.querySelector('#drawer.show .sheet-foot')")
	doctor.reads("请补充今天的心电图结果和肌钙蛋白。")
	doctor.act("补充资料")
	doctor.fill("answer", "心电图 V4～V6 导联 ST 段压低 0.1 mV，肌钙蛋白阴性。")
	doctor.shot("2-answer")
	doctor.confirm()
	doctor.readsIn("#drawer", "待受理", "肌钙蛋白阴性")
	doctor.shot("2-answered")

	centre.visit("/referrals/" + id)
	centre.reads("待受理", "肌钙蛋白阴性", "问与答")
	after := centre.due()
	if stood := after.Sub(before); stood < 12*time.Minute || stood > 20*time.Minute {
		t.Errorf("the clock moved by %v while the question was open, want 12 minutes and what the story took", stood)
	}
	centre.shot("2-case")
}

// A decline says what to do next; the doctor sends the patient elsewhere, where
// the other hospital sees him and the first one does not any more.
func TestDeclineAndSendElsewhere(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "诸葛月娥", "1955-01-20")
	doctor, centre, other := c.comes("yisheng"), c.comes("zhuanzhen"), c.comes("zy.zz1")
	id := doctor.refer(r, "市四医院", "心血管内科")

	centre.open(id)
	centre.act("退回")
	centre.reads("退回必须给转诊医生留下一步")
	centre.choose("reason", "资源受限")
	centre.confirm()
	centre.readsIn("#drawer [data-form-errors]", "下一步")
	centre.shot("3-decline-wrong")
	centre.choose("suggested_org", "区中医院")
	centre.fill("suggested_service", "心脑病科")
	centre.fill("advice", "心内科床位已满，建议中医院心脑病科；继续口服阿司匹林。")
	centre.shot("3-decline")
	centre.confirm()
	centre.readsIn("#drawer", "已退回", "退回意见")
	centre.shot("3-declined")

	other.visit("/referrals?side=to")
	doctor.phone().visit("/")
	doctor.press("#todo tr", r.Name)
	doctor.until("document.querySelector('#drawer.show .sheet-foot')")
	doctor.reads("退回意见", "心内科床位已满", "心脑病科")
	doctor.shot("3-returned")
	doctor.act("另转他院")
	doctor.until("document.querySelector('#drawer [name=target_service]')")
	doctor.shot("3-elsewhere")
	doctor.press("#drawer label", "区中医院")
	doctor.confirm()
	doctor.readsIn("#drawer", "待受理", "零陵区中医院")
	doctor.shot("3-sent")

	other.readsIn("#list-body", r.Name) // by itself
	other.press("tr[id='case-"+id+"']", "")
	other.readsIn("#drawer", r.Name, "此前接收机构的退回意见", "心内科床位已满")
	other.shot("3-other")
	got := centre.get("/referrals/" + id)
	if got.Status != 403 && got.Status != 404 {
		t.Errorf("the first hospital still reads the case: %d", got.Status)
	}
}

// get reads an address as the page would.
func (p *person) get(path string) answer {
	p.t.Helper()
	js := "(async()=>{let r=await fetch(" + quote(path) + ");return {Status:r.status,URL:r.url,Text:await r.text()}})()"
	v, err := chromedp.Run(p, chromedp.Evaluate[answer](js, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("get %s: %v", path, err)
	}
	return v
}

// Two people of the centre have the same case open. One accepts; the other is
// told that he is late and by whom, and has the fresh case in the same drawer.
func TestTwoPeopleAtOnce(t *testing.T) {
	c := stage(t)
	first, second := c.w.settle(t, "上官春香", "1963-09-09"), c.w.settle(t, "尉迟冬梅", "1966-12-01")
	doctor, one, two := c.comes("yisheng"), c.comes("zhuanzhen"), c.comes("sy.zz1")
	id := doctor.refer(first, "市四医院", "心血管内科")
	one.open(id)
	two.open(id)
	one.act("受理")
	one.readsIn("#drawer", "待安排")
	two.reads("这张转诊单刚刚被别人处理过")
	two.shot("4-news")
	two.act("受理")
	two.readsIn("#drawer [data-form-errors]", "待安排")
	two.readsIn("#drawer .sheet-marks", "待安排")
	two.until("document.querySelector('#drawer.show')")
	two.shot("4-late")
	if text := two.read("#drawer [data-form-errors]"); !strings.Contains(text, one.read(".topbar-name")) {
		t.Errorf("the late one is not told by whom: %q", text)
	}

	// Both take the next case over at the same moment.
	id = doctor.refer(second, "市四医院", "心血管内科")
	one.open(id)
	two.open(id)
	claim := "document.querySelector('#do-claim').requestSubmit()"
	done := make(chan struct{})
	go func() { defer close(done); webtest.Script(one, claim) }()
	webtest.Script(two, claim)
	<-done
	for _, p := range []*person{one, two} {
		p.until("document.querySelector('#drawer [data-form-errors]') || document.querySelector('[data-toast=green]')")
	}
	lost := 0
	for _, p := range []*person{one, two} {
		if value[bool](p, "!!document.querySelector('#drawer [data-form-errors]')") {
			lost++
			p.shot("4-claim-late")
		} else {
			p.readsIn("#drawer", "现在轮到：永州市第四人民医院 ")
			p.shot("4-claimed")
		}
	}
	if lost != 1 {
		t.Errorf("%d of two were refused, want 1", lost)
	}
}
