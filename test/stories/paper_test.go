package stories_test

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"yilian/internal/web/webtest"
)

var pdfPage = regexp.MustCompile(`/Type\s*/Page\b`)

// print looks at the open paper as the printer does: A4, number, code, status,
// and nothing running over the edge. It returns what stands on it.
func (p *person) print(name string) string {
	p.t.Helper()
	media := func(medium string) {
		webtest.Do(p, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium})
			return err
		}))
	}
	webtest.Do(p, webtest.Size([2]int64{673, 1000})) // 178 mm: A4 within its margins
	media("print")
	wide := value[string](p, `(() => { let w = document.documentElement.clientWidth;
		return [...document.querySelectorAll('article.sheet *')].filter(e => e.getBoundingClientRect().right > w + 1).map(e => e.tagName + ':' + e.textContent.slice(0, 20)).join('; '); })()`)
	if wide != "" {
		p.t.Errorf("%s runs over the edge of A4: %s", name, wide)
	}
	pdf, err := chromedp.Run(p, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4), chromedp.PDFPreferCSSPageSize()))
	if err != nil || !bytes.HasPrefix(pdf, []byte("%PDF")) || len(pdfPage.FindAll(pdf, -1)) < 1 {
		p.t.Errorf("%s prints to %d bytes, %d pages: %v", name, len(pdf), len(pdfPage.FindAll(pdf, -1)), err)
	}
	webtest.Screenshot(p, "story-10-"+name)
	if !value[bool](p, "!!document.querySelector('svg.qr path, .qr path, .qr rect')") {
		p.t.Errorf("%s carries no code", name)
	}
	text := p.read("article.sheet")
	media("")
	webtest.Do(p, webtest.Size(webtest.Desk))
	return text
}

// The four papers of a referral.
func TestPrints(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "完颜桂香", "1953-03-03")
	doctor, centre, desk, treating := c.comes("yisheng"), c.comes("zhuanzhen"), c.comes("guahao"), c.comes("keshi")
	id := doctor.refer(r, "市四医院", "心血管内科")
	read := func(p *person, paper string, want ...string) {
		t.Helper()
		p.visit("/referrals/" + id + "/print/" + paper)
		text := p.print(paper)
		for _, s := range want {
			if !strings.Contains(text, s) {
				t.Errorf("%s does not say %q: %s", paper, s, text)
			}
		}
		if m := regexp.MustCompile(`ZZ20261118\d{4}`).FindString(text); m == "" {
			t.Errorf("%s carries no number", paper)
		}
	}
	read(doctor, "form", "双向转诊（转出）单", r.Name, r.Number, "待受理", "反复胸闷 3 天", "存　根", "正　联", "转诊医生", "永州市第四人民医院")
	read(doctor, "consent", "转诊知情同意书", r.Name, "待受理", "自愿同意转诊", "患者本人", "见证人")
	centre.visit("/referrals/" + id)
	centre.act("受理")
	centre.reads("待安排")
	centre.appoint(id, 24*time.Hour)
	code := centre.read("#arrival-code")
	desk.visit("/referrals/" + id)
	desk.act("到诊登记")
	desk.fill("code", code)
	desk.fill("name", r.Name)
	desk.confirm()
	desk.reads("已到诊")
	treating.visit("/referrals/" + id)
	treating.act("开始诊疗")
	treating.confirm()
	treating.reads("诊疗中")
	treating.act("完成诊疗并回转")
	treating.fill("treatment", "双联抗血小板、调脂。")
	treating.fill("advice", "2 周后复查血脂。")
	treating.confirm()
	treating.reads("待回执")
	read(doctor, "reply", "双向转诊（回转）单", r.Name, "待回执", "双联抗血小板", "2 周后复查血脂", "永州市第四人民医院")
}
