package web_test

import (
	"context"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"yilian/internal/web/webtest"
)

func open(t *testing.T, path string) (context.Context, *webtest.Story, string) {
	t.Helper()
	site := webtest.Storybook()
	srv := httptest.NewServer(site)
	t.Cleanup(srv.CloseClientConnections)
	ctx := webtest.Browser(t)
	webtest.Visit(ctx, srv.URL+path)
	return ctx, site, srv.URL
}

func path(ctx context.Context) string { return webtest.Eval[string](ctx, "location.pathname") }

// The drawer opens from the row by mouse and key, has the case's own address,
// closes with Esc and gives the list its address back.
func TestDrawer(t *testing.T) {
	ctx, site, _ := open(t, "/referrals")
	webtest.Script(ctx, "document.querySelector('tr[data-open]').focus()")
	webtest.Key(ctx, kb.Enter)
	webtest.Until(ctx, "document.querySelector('#drawer.show .sheet-body')")
	if got := path(ctx); got != "/referrals/1" {
		t.Errorf("address %s, want /referrals/1", got)
	}
	webtest.Click(ctx, ".masked-show")
	webtest.Until(ctx, "document.querySelector('#drawer').innerText.includes('431102198804121029')")

	webtest.Click(ctx, "[data-dialog='#return']")
	webtest.Key(ctx, kb.Escape)
	webtest.Until(ctx, "!document.querySelector('dialog[open]')")
	if !webtest.Eval[bool](ctx, "!!document.querySelector('#drawer.show')") {
		t.Error("Esc in the dialog closed the drawer too")
	}
	webtest.Click(ctx, "[data-dialog='#return']")
	webtest.Script(ctx, "document.querySelector('#return-reason').value='full'")
	webtest.Click(ctx, "#return button[type=submit]")
	webtest.Until(ctx, "document.querySelector('#return .ask-error').innerText.includes('LL-4.3.4c')")
	webtest.Screenshot(ctx, "web-ask-refused")
	webtest.Click(ctx, "#return [data-dialog-close]")

	webtest.Click(ctx, ".sheet-foot button[type=submit]")
	webtest.Until(ctx, "document.querySelector('.sheet-marks').innerText.includes('已接诊') && document.querySelector('[data-toast=green]')")
	webtest.Screenshot(ctx, "web-accepted")
	posts := site.Posts()
	if last := posts[len(posts)-1]; len(last["_once"]) != 1 || last["_once"][0] == "" {
		t.Errorf("no token of the form in %v", last)
	}
	webtest.Key(ctx, kb.Escape)
	webtest.Until(ctx, "!document.querySelector('#drawer.show') && !document.querySelector('#drawer').innerHTML")
	if got := path(ctx); got != "/referrals" {
		t.Errorf("address after closing %s, want /referrals", got)
	}
	webtest.Key(ctx, "/")
	if got := webtest.Eval[string](ctx, "document.activeElement.id"); got != "search" {
		t.Errorf("/ leads to %q, want search", got)
	}
}

// A wrong form comes back with what was typed; the draft survives a reload and
// is gone once the form was taken; effort is measured over both attempts.
func TestForm(t *testing.T) {
	ctx, site, url := open(t, "/new")
	webtest.Type(ctx, "[name=diagnosis_text]", "梗死")
	webtest.Until(ctx, "document.querySelectorAll('.combo-item').length == 3")
	webtest.Screenshot(ctx, "web-combo")
	webtest.Key(ctx, kb.ArrowDown+kb.ArrowDown+kb.Enter)
	if got := webtest.Eval[string](ctx, "document.querySelector('[name=diagnosis]').value"); got != "I21.300" {
		t.Errorf("code %q, want I21.300", got)
	}
	webtest.Type(ctx, "[name=day]", "20261125\t")
	if got := webtest.Eval[string](ctx, "document.querySelector('[name=day]').value"); got != "2026-11-25" {
		t.Errorf("date %q, want 2026-11-25", got)
	}
	webtest.Click(ctx, "main button[type=submit]")
	webtest.Until(ctx, "document.querySelector('main .field-error')")
	webtest.Screenshot(ctx, "web-form-wrong")
	if got := webtest.Eval[string](ctx, "document.querySelector('[name=diagnosis_text]').value"); got != "急性ST段抬高型心肌梗死" {
		t.Errorf("typed text %q is lost", got)
	}
	webtest.Type(ctx, "[name=summary]", "胸痛一小时")
	webtest.Until(ctx, "Object.values(sessionStorage).some(v => v.includes('胸痛一小时'))")
	webtest.Visit(ctx, url+"/new")
	if got := webtest.Eval[string](ctx, "document.querySelector('[name=summary]').value"); got != "胸痛一小时" {
		t.Errorf("draft %q, want 胸痛一小时", got)
	}
	webtest.Click(ctx, "main button[type=submit]")
	webtest.Until(ctx, "location.pathname == '/referrals' && document.querySelector('[data-toast=green]')")
	if n := webtest.Eval[int](ctx, "Object.keys(sessionStorage).length"); n != 0 {
		t.Errorf("%d drafts left after the form was taken", n)
	}
	first := site.Posts()[0]
	if n, _ := strconv.Atoi(strings.Join(first["_interactions"], "")); n < 3 || n > 5 {
		t.Errorf("interactions %v, want about 4 (text, choice, date, button)", first["_interactions"])
	}
	if ms, _ := strconv.Atoi(strings.Join(first["_elapsed_ms"], "")); ms < 50 {
		t.Errorf("elapsed %v ms", first["_elapsed_ms"])
	}
}

// A list refreshes when the server announces its topic.
func TestLive(t *testing.T) {
	ctx, site, _ := open(t, "/referrals")
	webtest.Until(ctx, "document.querySelector('.menu-item')")
	webtest.Script(ctx, "document.querySelector('#list tbody tr td b').textContent = '旧的'")
	site.Announce("todo referral notices")
	webtest.Until(ctx, "document.querySelector('#list tbody tr td b').textContent == '张桂兰' && document.querySelector('.bell-count').textContent == '6'")
	webtest.Type(ctx, "main [name=q]", "脑梗")
	webtest.Until(ctx, "document.querySelectorAll('#list tbody tr').length == 3 && location.search.includes('q=')")
}

// The idle lock covers the page without losing what was typed; a wrong password
// says so, the right one opens.
func TestLock(t *testing.T) {
	ctx, _, _ := open(t, "/new?idle=1")
	webtest.Type(ctx, "[name=summary]", "没写完")
	webtest.Script(ctx, "localStorage.setItem('yilian-active', String(Date.now() - 61000))")
	webtest.Until(ctx, "document.getElementById('lock').open")
	webtest.Key(ctx, kb.Escape)
	webtest.Screenshot(ctx, "web-lock")
	webtest.Until(ctx, "document.getElementById('lock').open")
	webtest.Type(ctx, "#lock [name=password]", "wrong"+kb.Enter)
	webtest.Until(ctx, "document.querySelector('[data-unlock] [data-say]').textContent.includes('密码不对')")
	webtest.Type(ctx, "#lock [name=password]", "right"+kb.Enter)
	webtest.Until(ctx, "!document.getElementById('lock').open")
	if got := webtest.Eval[string](ctx, "document.querySelector('[name=summary]').value"); got != "没写完" {
		t.Errorf("typed text %q is lost", got)
	}
}

// Without a line the page says so, does not submit, and keeps what was typed.
func TestLostConnection(t *testing.T) {
	ctx, site, _ := open(t, "/new")
	webtest.Until(ctx, "document.body.dataset.stream") // it cannot report itself open later
	webtest.Type(ctx, "[name=summary]", "断网")
	webtest.Script(ctx, "window.dispatchEvent(new Event('offline'))")
	webtest.Until(ctx, "!document.getElementById('lost').hidden")
	webtest.Click(ctx, "main button[type=submit]")
	webtest.Until(ctx, "document.querySelector('[data-toast=red]')")
	webtest.Screenshot(ctx, "web-lost")
	if n := len(site.Posts()); n != 0 {
		t.Errorf("%d forms were posted without a line", n)
	}
	webtest.Script(ctx, "window.dispatchEvent(new Event('online'))")
	webtest.Until(ctx, "document.getElementById('lost').hidden")
	webtest.Script(ctx, "document.querySelector('main button[type=submit]').click();document.querySelector('main button[type=submit]').click()")
	webtest.Until(ctx, "document.querySelector('main .field-error')")
	if n := len(site.Posts()); n != 1 {
		t.Errorf("a double click posted %d forms, want 1", n)
	}
}
