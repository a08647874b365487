package shell_test

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"yilian/internal/web/webtest"
)

// idle makes the page believe that nobody has touched it for long.
const idle = "localStorage.setItem('yilian-active', String(Date.now() - 16 * 60000))"

const covered = "document.getElementById('lock').open && document.body.classList.contains('locked')"

const uncovered = "!document.getElementById('lock').open && !document.body.classList.contains('locked')"

// A wrong password says so and keeps the login name; the right one leads to the
// to-do list.
func TestSignIn(t *testing.T) {
	p := sits(t)
	p.visit("/")
	p.until("document.activeElement.name == 'login'")
	p.screens("signin")
	p.enters("zhangwei", "wrong")
	p.sees("登录名或密码不正确")
	if got := p.value("main [name=login]"); got != "zhangwei" {
		t.Errorf("login name %q is lost", got)
	}
	p.screens("signin-wrong")
	p.enters("zhangwei", password)
	p.until("document.querySelector('h1') && document.querySelector('h1').innerText == '待办'")
	p.sees("张伟", township, "基层医生")
	p.screens("todo")
}

// Five wrong passwords stop the name for a quarter of an hour, the right one
// too, and the page says until when.
func TestLockAfterFailures(t *testing.T) {
	p := sits(t)
	p.visit("/login")
	for range 5 {
		p.enters("wangqiang", "wrong")
		p.until("document.querySelector('[data-form-errors]')")
		webtest.Script(p, "document.querySelector('[data-form-errors]').remove()")
	}
	p.enters("wangqiang", password)
	p.sees("输错次数过多")
	p.screens("signin-stopped")
	p.w.turn(16 * time.Minute)
	p.enters("wangqiang", password)
	p.sees("待办")
}

// The initial password must be changed before anything else.
func TestFirstPassword(t *testing.T) {
	p := sits(t)
	p.visit("/patients")
	p.enters("chenjing", password)
	p.sees("首次登录，请修改初始密码")
	p.screens("first-password")
	p.visit("/")
	p.sees("首次登录，请修改初始密码")
	change := func(current, fresh, again string) {
		p.fill("[name=current]", current)
		p.fill("main [name=password]", fresh)
		p.fill("[name=again]", again+kb.Enter)
	}
	change(password, "short", "short")
	p.sees("至少 10 位")
	p.screens("first-password-wrong")
	change(password, "bamboo-and-rain-7", "bamboo-and-rain-7")
	p.sees("密码已修改", "待办")
}

// The page of somebody who is away is covered; what he typed is there when he
// comes back. A wrong password says so.
func TestIdleLockKeepsWhatWasTyped(t *testing.T) {
	p := sits(t)
	p.arrives("zhangwei")
	p.visit("/patients/new")
	p.fill("#patient-form [name=name]", "唐小满")
	webtest.Script(p, idle)
	p.until(covered)
	p.screens("lock")
	if title := webtest.Eval[string](p, "document.title"); title != "屏幕已锁定 · 医联" {
		t.Errorf("the title %q still tells of the page", title)
	}
	webtest.Key(p, kb.Escape)
	webtest.Key(p, kb.Escape)
	p.until(covered)
	// Another window that is opened meanwhile is locked as well.
	second := person{webtest.Tab(t, p), t, p.w}
	second.visit("/patients")
	second.sees("屏幕已锁定，请输入密码继续")
	second.screens("unlock-page")

	webtest.Type(p, "[data-unlock] [name=password]", "wrong"+kb.Enter)
	p.until("document.querySelector('[data-unlock] [data-say]').innerText.includes('密码不正确')")
	webtest.Screenshot(p, "shell-lock-wrong")
	webtest.Type(p, "[data-unlock] [name=password]", password+kb.Enter)
	p.until(uncovered)
	if got := p.value("#patient-form [name=name]"); got != "唐小满" {
		t.Errorf("typed name %q is lost", got)
	}
	if at := webtest.Eval[string](p, "location.pathname"); at != "/patients/new" {
		t.Errorf("unlocking led to %s", at)
	}
	second.visit("/patients")
	second.until("document.querySelector('h1').innerText == '患者'")
}

// The server locks by itself when a page was asleep: a part of a page that is
// asked for then covers the page, and a form that is sent is not lost.
func TestServerLock(t *testing.T) {
	p := sits(t)
	p.arrives("xitong")
	p.until("document.querySelector('tr[data-open]') && document.body.dataset.stream") // the click is the first to meet the lock
	p.w.turn(16 * time.Minute)
	p.click("tr[data-open] td:nth-child(3)")
	p.until(covered)
	webtest.Type(p, "[data-unlock] [name=password]", password+kb.Enter)
	p.until(uncovered)
	p.sees("刚才的操作没有完成，请再点一次")
	p.click("tr[data-open] td:nth-child(3)")
	p.until("document.querySelector('#drawer.show .sheet-body')")

	p.visit("/accounts/new")
	p.fill("main [name=name]", "唐小雨")
	p.fill("main [name=login]", "zhangwei")
	p.w.turn(16 * time.Minute)
	p.click("main .btn-primary")
	p.sees("您刚才提交的内容已为您保留")
	p.screens("unlock-kept")
	p.fill("main [name=password]", password+kb.Enter)
	p.sees("锁定前填写的内容还没有提交")
	p.screens("unlock-resume")
	p.click("main .btn-primary")
	p.sees("新建账号", "请选择")
	if got := p.value("main [name=name]"); got != "唐小雨" {
		t.Errorf("typed name %q is lost", got)
	}
}

// A page whose session was ended elsewhere is covered when it is used again;
// the same person signs in over it and loses nothing.
func TestEndedSession(t *testing.T) {
	p := sits(t)
	p.arrives("lifang")
	p.visit("/patients/new")
	p.fill("#patient-form [name=name]", "蒋春生")
	second := person{webtest.Tab(t, p), t, p.w}
	second.visit("/")
	second.click(".topbar-user")
	webtest.Screenshot(second, "shell-user-menu")
	second.click("#user-menu [data-logout] button")
	second.sees("登录名")
	p.until(covered)
	webtest.Type(p, "[data-unlock] [name=password]", password+kb.Enter)
	p.sees("请重新登录", "李芳重新登录后，填写的内容还在")
	p.screens("lock-gone")
	webtest.Type(p, "[data-signin] [name=login]", "lifang")
	webtest.Type(p, "[data-signin] [name=password]", password+kb.Enter)
	p.until(uncovered)
	if got := p.value("#patient-form [name=name]"); got != "蒋春生" {
		t.Errorf("typed name %q is lost", got)
	}
	p.visit("/account")
	p.sees("我的账号", "李芳")
}

// On a shared PC another person signs in over the page: the old session ends,
// the new person sees his own to-do list, and nothing typed by the old one is
// left, in no window.
func TestChangeOfPerson(t *testing.T) {
	p := sits(t)
	p.arrives("zhangwei")
	second := person{webtest.Tab(t, p), t, p.w}
	second.visit("/patients/new")
	second.fill("#patient-form [name=name]", "另一窗口")
	p.visit("/patients/new")
	p.fill("#patient-form [name=name]", "不该看到")
	p.until("Object.values(sessionStorage).some(v => v.includes('不该看到'))")
	p.click(".topbar-user")
	p.click("#user-menu [data-switch] button")
	p.until(covered)
	second.until(covered)
	p.sees("换人登录", "张伟的登录随即结束")
	p.screens("switch")
	webtest.Type(p, "[data-signin] [name=login]", "lifang")
	webtest.Type(p, "[data-signin] [name=password]", "wrong"+kb.Enter)
	p.until("document.querySelector('[data-signin] [data-say]').innerText.includes('登录名或密码不正确')")
	webtest.Type(p, "[data-signin] [name=password]", password+kb.Enter)
	p.until("location.pathname == '/' && document.querySelector('.topbar-name') && document.querySelector('.topbar-name').innerText == '李芳'")
	second.until("location.pathname == '/' && document.querySelector('.topbar-name') && document.querySelector('.topbar-name').innerText == '李芳'")
	for _, one := range []person{p, second} {
		one.visit("/patients/new")
		if got := one.value("#patient-form [name=name]"); got != "" {
			t.Errorf("%q of the other person is still there", got)
		}
	}
	p.visit("/account")
	p.sees("我的登录", "本机")
	if n := webtest.Eval[int](p, "document.querySelectorAll('form[action$=\"/end\"]').length"); n < 1 {
		t.Errorf("%d sign-ins are listed", n)
	}
	// Whoever comes back to his own covered page goes on.
	p.click(".topbar-user")
	p.click("#user-menu [data-switch] button")
	p.until(covered)
	p.click("[data-lock-own]")
	webtest.Type(p, "[data-unlock] [name=password]", password+kb.Enter)
	p.until(uncovered)
}

// Who holds several posts works in one of them at a time.
func TestSwitchPost(t *testing.T) {
	p := sits(t)
	p.arrives("zhaomin")
	before := webtest.Text(p, ".topbar-post")
	p.click(".topbar-user")
	p.click("#user-menu a[href='/posts']")
	p.sees("当前岗位", "切换到这个岗位")
	p.screens("posts")
	p.click("form[action='/posts'] button")
	p.sees("已切换到")
	p.until("document.querySelector('.topbar-post').innerText != " + quote(before))
}

const menuAway = "document.getElementById('sidebar').getBoundingClientRect().right <= 0"

// On a phone the menu slides in, and figures explain themselves on a tap.
func TestPhone(t *testing.T) {
	p := sits(t)
	p.arrives("liuyang")
	webtest.Do(p, webtest.Size(webtest.Phone))
	p.until(menuAway)
	p.click(".topbar-menu")
	p.until("document.getElementById('sidebar').getBoundingClientRect().left == 0")
	webtest.Screenshot(p, "shell-menu-phone")
	p.click(".menu-item[href='/referrals']")
	p.until("location.pathname == '/referrals' && " + menuAway)
	p.click(".topbar-user")
	p.sees("我的账号", "修改密码", "换人", "退出")
	webtest.Screenshot(p, "shell-user-menu-phone")

	p.visit("/")
	p.click(".stat-why")
	p.until("getComputedStyle(document.querySelector('.why')).display != 'none'")
	webtest.Screenshot(p, "shell-why-phone")
	webtest.Key(p, kb.Escape)
	p.until("document.querySelector('.stat-why').getAttribute('aria-expanded') == 'false'")
	webtest.Do(p, webtest.Size(webtest.Desk))
	webtest.Script(p, "document.querySelector('.stat-why').focus()")
	webtest.Key(p, kb.Enter)
	p.until("document.querySelector('.stat-why').getAttribute('aria-expanded') == 'true' && getComputedStyle(document.querySelector('.why')).display != 'none'")
	webtest.Screenshot(p, "shell-why-desk")
}
