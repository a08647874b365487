// Package shell_test drives the shell of the whole program in a real Chromium:
// signing in, locking, change of person, the menus, and the pages of the three
// administrators. What the screens showed lies in build/screens afterwards.
package shell_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/app"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/organization"
	"yilian/internal/web/webtest"
)

const (
	password = "qingshan-2026-lu"
	township = "水口山镇中心卫生院"
	hospital = "永州市第四人民医院"
	strict   = "零陵区中医院" // asks for a second factor, see TestThreeAdministrators
	bureau   = "零陵区卫生健康局"
)

// world is the running program.
type world struct {
	app   *app.App
	url   string
	ahead atomic.Int64
	orgs  map[string]organization.Organization
	hash  string
}

// turn moves the clock of the server.
func (w *world) turn(d time.Duration) { w.ahead.Add(int64(d)) }

var finish = func() error { return nil }

func TestMain(m *testing.M) {
	code := m.Run()
	if err := finish(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

var open = sync.OnceValues(start)

func start() (*world, error) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	dir, err := os.MkdirTemp("", "yilian-shell")
	if err != nil {
		return nil, err
	}
	w := &world{orgs: map[string]organization.Organization{}}
	ctx, stop := context.WithCancel(context.Background())
	finish = func() error { stop(); return os.RemoveAll(dir) }
	w.app, err = app.Open(ctx, app.Config{Database: filepath.Join(dir, "yilian.db"), KeyFile: filepath.Join(dir, "yilian.keys"), Address: "127.0.0.1:0"})
	if err != nil {
		return nil, err
	}
	w.app.DB.Now = func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())).Truncate(time.Millisecond) }
	if err := w.prepare(ctx); err != nil {
		return nil, err
	}
	addr, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- w.app.Serve(ctx, func(a string) { addr <- a }) }()
	finish = func() error {
		stop()
		err := <-ended
		if errors.Is(err, context.Canceled) {
			err = nil
		}
		return errors.Join(err, w.app.Close(), os.RemoveAll(dir))
	}
	select {
	case a := <-addr:
		w.url = "http://" + a
		return w, nil
	case err := <-ended:
		ended <- err
		return nil, err
	}
}

// prepare reads the institutions and makes everybody of these stories.
func (w *world) prepare(ctx context.Context) error {
	err := w.app.DB.View(ctx, func(tx *db.Tx) error {
		list, err := organization.List(ctx, tx, organization.Filter{})
		for _, o := range list {
			w.orgs[o.Name] = o
		}
		return err
	})
	if err != nil {
		return err
	}
	if w.hash, err = crypto.HashPassword(password); err != nil {
		return err
	}
	for _, p := range []struct {
		login, name string
		first       bool
		posts       []account.NewPost
	}{
		{"zhangwei", "张伟", false, w.posts(access.TownshipDoctor, township)},
		{"lifang", "李芳", false, w.posts(access.TownshipDoctor, township)},
		{"liuyang", "刘洋", false, w.posts(access.ReferralCenter, hospital)},
		{"chenjing", "陈静", true, w.posts(access.TownshipDoctor, township)},
		{"wangqiang", "王强", false, w.posts(access.TownshipDoctor, township)},
		{"zhaomin", "赵敏", false, append(w.posts(access.DepartmentDoctor, hospital), w.posts(access.MedicalAffairs, hospital)...)},
		{"sunli", "孙丽", false, w.posts(access.Registration, strict)},
		{"xitong", "周系统", false, w.posts(access.SystemAdmin, bureau)},
		{"anquan", "吴安全", false, w.posts(access.SecurityAdmin, bureau)},
		{"shenji", "郑审计", false, w.posts(access.Auditor, bureau)},
	} {
		if _, err := w.app.Accounts.SeedHashed(ctx, account.NewAccount{Login: p.login, Name: p.name, Posts: p.posts}, w.hash, p.first); err != nil {
			return fmt.Errorf("account %s: %w", p.login, err)
		}
	}
	return nil
}

func (w *world) posts(role access.Role, org string) []account.NewPost {
	return []account.NewPost{{Role: role, Org: w.orgs[org].ID, OrgName: org}}
}

// person is somebody at a computer.
type person struct {
	context.Context
	t *testing.T
	w *world
}

// sits opens the program for somebody at a computer of his own.
func sits(t *testing.T) person {
	t.Helper()
	w, err := open()
	if err != nil {
		t.Fatal(err)
	}
	return person{webtest.Browser(t), t, w}
}

func (p person) visit(path string) {
	p.t.Helper()
	webtest.Visit(p, p.w.url+path)
	p.until("document.readyState == 'complete' && window.yilian")
}

func (p person) until(js string) { p.t.Helper(); webtest.Until(p, js) }

func (p person) sees(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.until("document.body && document.body.innerText.includes(" + quote(text) + ")")
	}
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "\\'") + "'" }

func (p person) fill(css, text string) {
	p.t.Helper()
	webtest.Do(p, chromedp.WaitVisible(chromedp.CSS(css)))
	webtest.Script(p, "document.querySelector("+quote(css)+").value = ''")
	webtest.Type(p, css, text)
}

func (p person) click(css string) { p.t.Helper(); webtest.Click(p, css) }

// enters signs in on the sign-in page.
func (p person) enters(login, password string) {
	p.t.Helper()
	p.until("document.querySelector('main [name=login]')")
	p.fill("main [name=login]", login)
	p.fill("main [name=password]", password+kb.Enter)
}

// arrives signs in and waits for the page behind it.
func (p person) arrives(login string) {
	p.t.Helper()
	p.visit("/login")
	p.enters(login, password)
	p.until("document.querySelector('.topbar-user') && window.yilian && document.readyState == 'complete'")
}

// value is what stands in a field.
func (p person) value(css string) string {
	p.t.Helper()
	return webtest.Eval[string](p, "document.querySelector("+quote(css)+").value")
}

// screens keeps the page as it looks on an old PC and on a phone, where it must
// not be wider than the screen.
func (p person) screens(name string) {
	p.t.Helper()
	for _, size := range []struct {
		name string
		size [2]int64
	}{{"phone", webtest.Phone}, {"desk", webtest.Desk}} {
		webtest.Do(p, webtest.Size(size.size))
		if over := webtest.Eval[int](p, "document.documentElement.scrollWidth-document.documentElement.clientWidth"); over > 0 {
			p.t.Errorf("%s on %s is %d px too wide", name, size.name, over)
		}
		webtest.Screenshot(p, "shell-"+name+"-"+size.name)
	}
}
