package shell_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/pquerna/otp/totp"

	"yilian/internal/access"
	"yilian/internal/web/webtest"
)

// choose takes a choice of a list by its value.
func (p person) choose(css, value string) {
	p.t.Helper()
	p.until("document.querySelector(" + quote(css) + ")")
	webtest.Script(p, "const x=document.querySelector("+quote(css)+");x.value="+quote(value)+";x.dispatchEvent(new Event('change',{bubbles:true}))")
	if got := p.value(css); got != value {
		p.t.Fatalf("%s offers no %q", css, value)
	}
}

// confirms answers the dialog of a button with a comment.
func (p person) confirms(id, comment string) {
	p.t.Helper()
	p.click("[data-dialog='#" + id + "']")
	if comment != "" {
		webtest.Type(p, "#"+id+"-comment", comment)
	}
	p.click("#" + id + " button[type=submit]")
}

// The system administrator makes accounts and prints the slip with the initial
// password; a post with one of the three powers waits for the security
// administrator, who also locks, unlocks and sets the rules of sign-in; the
// auditor finds all of it.
func TestThreeAdministrators(t *testing.T) {
	p := sits(t)
	p.arrives("xitong")
	p.screens("accounts")
	p.click("tr[data-open] td:nth-child(3)")
	p.until("document.querySelector('#drawer.show .sheet-body')")
	p.screens("account-drawer")
	webtest.Key(p, kb.Escape)
	p.until("!document.querySelector('#drawer.show, .offcanvas-backdrop')")
	p.click("a[href='/accounts/new']")
	p.sees("保存后打印初始密码通知单")
	p.click("main .btn-primary")
	p.sees("请填写姓名")
	p.screens("account-new-wrong")
	p.fill("main [name=name]", "何明")
	p.fill("main [name=login]", "heming")
	p.choose("main [name=org]", p.w.orgs[bureau].ID)
	p.choose("main [name=role]", string(access.Auditor))
	p.screens("account-new")
	p.click("main .btn-primary")
	p.sees("何明", "初始密码", "领取人签名")
	p.screens("slip")
	slip := webtest.Eval[string](p, "[...document.querySelectorAll('th')].find(x => x.innerText == '初始密码').nextElementSibling.innerText")

	// The post is not yet approved: the account has none to act in.
	other := person{webtest.Person(t, p), t, p.w}
	other.visit("/login")
	other.enters("heming", slip)
	other.sees("没有可用的岗位")
	other.arrives("anquan")
	other.screens("accounts-security")
	other.click("a.menu-item[href='/accounts/approvals']")
	other.sees("何明", "审计员")
	other.screens("approvals")
	other.click("td [data-dialog^='#approve-']")
	other.click("dialog[open] button[type=submit]")
	other.sees("已批准，岗位生效", "没有待审批的岗位")

	other.visit("/accounts?q=heming")
	other.click("tr[data-open] a")
	other.sees("何明", "锁定")
	other.confirms("lock", "离岗")
	other.sees("账号已锁定")
	other.screens("account-locked")
	other.confirms("unlock", "回岗，已当面核实")
	other.sees("账号已解锁")

	other.click("a.menu-item[href='/accounts/policy']")
	other.sees("登录策略")
	other.choose("main [name=org]", p.w.orgs[strict].ID)
	other.click("main [name=factor]")
	other.fill("main [name=idle]", "99")
	other.click("main form .btn-primary")
	other.sees("自动锁屏时间要在 3 至 60 分钟之间")
	other.fill("main [name=idle]", "5")
	other.click("main form .btn-primary")
	other.sees("登录策略已保存", "5 分钟")
	other.screens("policy")

	p.visit("/clients")
	p.fill("main [name=id]", "dssy-his")
	p.fill("main [name=name]", "第四人民医院信息系统")
	p.choose("main [name=org]", p.w.orgs[hospital].ID)
	p.click("main form .btn-primary")
	p.sees("密钥只显示这一次")
	p.screens("clients")

	auditor := person{webtest.Person(t, p), t, p.w}
	auditor.arrives("shenji")
	auditor.sees("批准管理员岗位", "锁定账号", "新建系统客户端", "修改登录策略", strict+"：要求第二因素，5 分钟锁屏")
	auditor.screens("audit")
	auditor.click(".topbar-user")
	auditor.click("#user-menu a[href='/account']")
	auditor.sees("我的账号", "审计员")
	auditor.visit("/accounts")
	auditor.sees("没有权限")
	auditor.screens("forbidden")

	factor(t, p)
}

// factor: the institution asks for a second factor, so it is set up at the
// next sign-in and asked for from then on.
func factor(t *testing.T, p person) {
	doctor := person{webtest.Person(t, p), t, p.w}
	doctor.visit("/login")
	doctor.enters("sunli", password)
	doctor.sees("请先设置第二因素")
	doctor.screens("enrol")
	doctor.fill("#f-current", password+kb.Enter)
	doctor.sees("用验证器应用扫描")
	doctor.screens("totp")
	secret := webtest.Text(doctor, "code")
	doctor.fill("[name=code]", "000000"+kb.Enter)
	doctor.until("document.querySelector('.field-error, [data-form-errors]')")
	doctor.screens("totp-wrong")
	code, err := totp.GenerateCode(strings.ReplaceAll(secret, " ", ""), p.w.app.DB.Now())
	if err != nil {
		t.Fatal(err)
	}
	doctor.fill("[name=code]", code+kb.Enter)
	doctor.until("document.querySelector('.topbar-user')")
	doctor.visit("/account")
	doctor.sees("第二因素：动态口令", "挂号入院登记")
	doctor.screens("own-account")
	doctor.visit("/notices")
	doctor.screens("notices")
	doctor.visit("/messages")
	doctor.screens("messages")
	doctor.visit("/password")
	doctor.screens("password")
	if ms := webtest.Eval[int](doctor, "+document.body.dataset.idle"); ms != 5*60000 {
		t.Errorf("the page locks after %d ms, the institution says 5 minutes", ms)
	}

	doctor.visit("/account")
	webtest.Do(doctor, chromedp.SendKeys(chromedp.CSS("#f-current-2"), password+kb.Enter))
	doctor.sees("一次性登录口令", "每个口令只能用一次")
	doctor.screens("codes")
	doctor.visit("/")
	doctor.click(".topbar-user")
	doctor.click("#user-menu [data-logout] button")
	doctor.enters("sunli", password)
	doctor.sees("第二步：验证身份")
	doctor.screens("factor")
}
