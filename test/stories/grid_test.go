package stories_test

import (
	"testing"

	"github.com/chromedp/chromedp"

	"yilian/internal/web/webtest"
)

// The bureau asks for proposals, keeps one as a draft, drags a township into
// another cell, reads what that costs, and does it.
func TestPlanAndDragACell(t *testing.T) {
	c := stage(t)
	bureau := c.comes("weijianju")
	bureau.press(".menu-item", "网格布局")
	bureau.reads("零陵区网格布局", "示意图", "（估计）")
	bureau.shot("grid-unit")
	bureau.press("a", "计算方案")
	for hospital, share := range map[string]string{"永州市第四人民医院": "2", "零陵区中医院": "1"} {
		bureau.fill(value[string](bureau, `[...document.querySelectorAll('label')].find(l => l.innerText.includes("`+hospital+`")).htmlFor.slice(2)`), share)
	}
	bureau.button("计算")
	bureau.reads("方案比较", "距最优", "应担")
	bureau.shot("grid-propose")
	bureau.fill("name", "两家医院分片")
	bureau.button("存为草案")
	bureau.reads("由计算方案“按所设权重”生成", "距理论最优不超过", "还没有负责的医联体")
	bureau.shot("grid-draft")

	from, to := bureau.border()
	bureau.drag(from, to)
	bureau.reads("改划后", "人口超出应担份额")
	bureau.shot("grid-try")
	bureau.button("改划")
	bureau.until("document.querySelector('[data-town=\"" + from + "\"]').dataset.cell === document.querySelector('[data-town=\"" + to + "\"]').dataset.cell")
	bureau.phone().fits("grid-draft-phone")
}

// border finds two towns of different cells on the map.
func (p *person) border() (from, to string) {
	p.t.Helper()
	const towns = `[...document.querySelectorAll('[data-board] [data-town]')].filter(t => t.dataset.cell)`
	from = value[string](p, towns+`.find(t => `+towns+`.filter(o => o.dataset.cell === t.dataset.cell).length > 1).dataset.town`)
	to = value[string](p, towns+`.find(t => t.dataset.cell !== document.querySelector('[data-town="`+from+`"]').dataset.cell).dataset.town`)
	return from, to
}

// drag pulls one town of the map onto another with the mouse.
func (p *person) drag(from, to string) {
	p.t.Helper()
	webtest.Do(p, chromedp.ScrollIntoView(chromedp.CSS(".map-board")))
	middle := func(code string) (x, y float64) {
		at := value[[]float64](p, `(r => [r.left + r.width / 2, r.top + r.height / 2])(document.querySelector('[data-town="`+code+`"]').getBoundingClientRect())`)
		return at[0], at[1]
	}
	x1, y1 := middle(from)
	x2, y2 := middle(to)
	webtest.Do(p, chromedp.DragAndDropXY(x1, y1, x2, y2))
}
