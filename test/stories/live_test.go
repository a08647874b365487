package stories_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"yilian/internal/simulate"
	"yilian/internal/web/webtest"
)

// The number of what waits follows what others do, on a page that nobody
// touches.
func TestTodoBadgeFollows(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "钟离凤英", "1962-03-09")
	doctor, centre := c.comes("yisheng"), c.comes("zhuanzhen")
	centre.visit("/patients")
	centre.until("document.body.dataset.stream === 'open'")
	const badge = "+(document.querySelector('.menu-item[href=\"/\"] .menu-badge')||{innerText:'0'}).innerText"
	before := value[int](centre, badge)
	doctor.refer(r, "市四医院", "心血管内科")
	centre.until(fmt.Sprintf("%s === %d", badge, before+1))
	centre.shot("2-badge")
}

// A page that has locked itself rings for an emergency and says that one waits,
// without a word about the patient; who unlocks it has the alarm.
func TestLockedPageRings(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "司徒玉珍", "1959-10-03")
	room := c.comes("jizhen")
	room.visit("/patients")
	room.button("启用声音提醒")
	idle := time.Duration(value[int](room, "+document.body.dataset.idle")) * time.Millisecond
	room.until("document.body.dataset.stream === 'open'")
	c.w.turn(idle + time.Minute)
	room.until("document.querySelector('#lock[open]')")
	room.shot("7-locked")
	doctor := c.comes("yisheng").phone()
	id := doctor.rush(r)
	c.w.turn(3*time.Minute + 5*time.Second)

	before := value[int](room, "+(document.body.dataset.beeps||0)")
	room.readsIn("#lock .lock-calls", "例急诊正在呼叫您", "请解锁后确认接收")
	room.until(fmt.Sprintf("+document.body.dataset.beeps > %d && document.title.startsWith('【急诊】')", before))
	room.misses(r.Name, "胸痛")
	room.shot("7-locked-rings")
	room.until("document.querySelector('#lock [data-unlock] [name=password]')")
	room.press("#lock [data-unlock] [name=password]", "")
	webtest.Key(room, simulate.Password+kb.Enter)
	room.until("!document.querySelector('#lock[open]')")
	room.readsIn("#alarm .alarm", r.Name)
	room.press("#ack-"+id+" button", "确认接收")
	room.until("!document.querySelector('#alarm [data-ring=\"" + id + "\"]')")
	room.shot("7-unlocked")
}
