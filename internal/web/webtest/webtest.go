// Package webtest drives a headless Chromium for the browser stories of all
// modules: a page that reports a script error or breaks the content security
// policy fails the test.
package webtest

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Sizes of the screens that the pages are made for.
var (
	Desk  = [2]int64{1366, 768}
	Phone = [2]int64{390, 844}
)

// Nothing here is a measurement: tests poll and go on at once. These only say
// when to give up, on a machine that does other things too.
const (
	browserLife = 5 * time.Minute
	patience    = 45 * time.Second
)

type testKey struct{}

// Browser starts a headless Chromium of its own for the test and returns the
// context that chromedp actions run in. It ends with the test.
func Browser(t testing.TB) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("/usr/bin/chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("lang", "zh-CN"), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Env("LANGUAGE=zh_CN", "LANG=zh_CN.UTF-8"),
		chromedp.WindowSize(int(Desk[0]), int(Desk[1])))
	ctx, stop := context.WithTimeout(context.Background(), browserLife)
	ctx, stopAlloc := chromedp.NewExecAllocator(ctx, opts...)
	ctx, stopTab := chromedp.NewContext(context.WithValue(ctx, testKey{}, t))
	t.Cleanup(func() { stopTab(); stopAlloc(); stop() })
	begin(ctx, t)
	return ctx
}

// Person opens another window in the Chromium of browser with cookies and
// storage of its own: somebody else at another computer. It ends with the test.
func Person(t testing.TB, browser context.Context) context.Context {
	t.Helper()
	ctx, stop := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(stop)
	begin(ctx, t)
	return ctx
}

// Tab opens another window for the same person, with the same cookies and
// storage. It ends with the test.
func Tab(t testing.TB, person context.Context) context.Context {
	t.Helper()
	ctx, stop := chromedp.NewContext(person)
	t.Cleanup(stop)
	begin(ctx, t)
	return ctx
}

// begin watches a new window and gives it the size of an old PC.
func begin(ctx context.Context, t testing.TB) {
	t.Helper()
	watch(ctx, t)
	enable := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, cdplog.Enable, cdp.Empty{})
		return err
	})
	if err := chromedp.Do(ctx, enable, Size(Desk)); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
}

// watch collects what the pages complain about and fails the test at its end.
func watch(ctx context.Context, t testing.TB) {
	var mu sync.Mutex
	var wrong []string
	add := func(s string) { mu.Lock(); wrong = append(wrong, s); mu.Unlock() }
	err := chromedp.Listen(ctx, func(ev any) {
		switch e := ev.(type) {
		case *cdpruntime.EventExceptionThrown:
			add(thrown(e.ExceptionDetails))
		case *cdpruntime.EventConsoleAPICalled:
			if e.Type == cdpruntime.ConsoleAPICalledTypeError {
				var parts []string
				for _, a := range e.Args {
					parts = append(parts, string(a.Value)+a.Description)
				}
				add(strings.Join(parts, " "))
			}
		case *cdplog.EventEntryAdded:
			// An answer of 4xx is the business of the story; a broken policy is not.
			if e.Entry.Level == cdplog.EntryLevelError && e.Entry.Source != cdplog.EntrySourceNetwork {
				add(e.Entry.Text)
			}
		}
	})
	if err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range wrong {
			t.Errorf("page reports: %s", s)
		}
	})
}

func thrown(d *cdpruntime.ExceptionDetails) string {
	if d.Exception != nil {
		return d.Text + " " + d.Exception.Description
	}
	return d.Text + " " + d.URL
}

// Size sets the size of the screen, see Desk and Phone.
func Size(size [2]int64) chromedp.Action[chromedp.Void] {
	return chromedp.EmulateViewport(size[0], size[1])
}

// Screenshot saves what the screen shows now as build/screens/<name>.png, for
// people to look at. Parts that slide or fade in are waited for.
func Screenshot(ctx context.Context, name string) {
	t, _ := ctx.Value(testKey{}).(testing.TB)
	t.Helper()
	const moving = "!document.documentElement || document.getAnimations().some(a => a.playState === 'running')"
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if busy, err := chromedp.Run(ctx, chromedp.Evaluate[bool](moving)); err != nil || !busy {
			break
		}
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = save(name, png)
	}
	if err != nil {
		t.Errorf("screenshot %s: %v", name, err)
	}
}

func save(name string, png []byte) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	dir := filepath.Join(root, "build/screens")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
}

// moduleRoot is the folder of go.mod, looked for upwards from the folder the
// test runs in, so that it is found in binaries built with -trimpath too.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, serr := os.Stat(filepath.Join(dir, "go.mod")); serr == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", os.ErrNotExist
		}
		dir = up
	}
	return "", err
}

// Do runs actions and fails the test when one does.
func Do(ctx context.Context, actions ...chromedp.Action[chromedp.Void]) {
	t, _ := ctx.Value(testKey{}).(testing.TB)
	t.Helper()
	limited, stop := context.WithTimeout(ctx, patience)
	defer stop()
	if err := chromedp.Do(limited, actions...); err != nil {
		Screenshot(ctx, "failed-"+strings.ReplaceAll(t.Name(), "/", "-"))
		t.Fatalf("browser: %v", err)
	}
}

// Eval evaluates a JavaScript expression on the page.
func Eval[T any](ctx context.Context, expression string) T {
	t, _ := ctx.Value(testKey{}).(testing.TB)
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("evaluate %s: %v", expression, err)
	}
	return v
}

// Until waits until a JavaScript expression is true.
func Until(ctx context.Context, expression string) {
	t, _ := ctx.Value(testKey{}).(testing.TB)
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(40 * time.Millisecond) {
		// A page that is just being left cannot be asked.
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")")); err == nil && ok {
			return
		}
	}
	Screenshot(ctx, "failed-"+strings.ReplaceAll(t.Name(), "/", "-"))
	t.Fatalf("never true on the page: %s", expression)
}

// Visit opens an address and waits until it is loaded.
func Visit(ctx context.Context, url string) { Do(ctx, chromedp.Navigate(url)) }

// Click waits for the first element that a CSS selector finds to be visible and
// to stand still (a drawer slides, a suggestion pushes what lies below it), and
// clicks it with the mouse.
func Click(ctx context.Context, css string) {
	Do(ctx, chromedp.WaitVisible(chromedp.CSS(css)))
	Until(ctx, "(()=>{const e=document.querySelector("+strconv.Quote(css)+");if(!e)return false;"+
		"const r=e.getBoundingClientRect(),now=[r.x,r.y,r.width,r.height].join(),same=window.stoodAt===now;"+
		"window.stoodAt=now;return same})()")
	Do(ctx, chromedp.Click(chromedp.CSS(css)))
}

// Type focuses the element and types text, keys included (kb.Enter).
func Type(ctx context.Context, css, text string) {
	Do(ctx, chromedp.WaitVisible(chromedp.CSS(css)), chromedp.SendKeys(chromedp.CSS(css), text))
}

// Text returns what the element shows.
func Text(ctx context.Context, css string) string {
	return Eval[string](ctx, "(document.querySelector("+strconv.Quote(css)+")||{innerText:''}).innerText")
}

// Script runs JavaScript statements on the page.
func Script(ctx context.Context, statements string) {
	Eval[bool](ctx, "(()=>{"+statements+"})(), true")
}

// Key presses keys, for example kb.Escape.
func Key(ctx context.Context, keys string) { Do(ctx, chromedp.KeyEvent(keys)) }
