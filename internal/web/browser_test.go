package web_test

import (
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"yilian/internal/web/webtest"
)

func TestScreens(t *testing.T) {
	site := webtest.Storybook()
	srv := httptest.NewServer(site)
	defer srv.CloseClientConnections()
	ctx := webtest.Browser(t)
	for _, screen := range []struct {
		name string
		size [2]int64
	}{{"desk", webtest.Desk}, {"phone", webtest.Phone}} {
		webtest.Do(ctx, webtest.Size(screen.size))
		for _, p := range []struct{ name, path string }{{"worklist", "/referrals"}, {"form", "/new"}, {"parts", "/"}, {"case", "/referrals/1"},
			{"missing", "/nowhere"}, {"login", "/login"}, {"paper", "/paper"}, {"internal", "/internal"}} {
			webtest.Do(ctx, chromedp.Navigate(srv.URL+p.path))
			if w := webtest.Eval[int](ctx, "document.documentElement.scrollWidth-document.documentElement.clientWidth"); w > 0 {
				t.Errorf("%s on %s is %d px too wide", p.path, screen.name, w)
			}
			webtest.Screenshot(ctx, "web-"+p.name+"-"+screen.name)
		}
		webtest.Visit(ctx, srv.URL+"/referrals")
		webtest.Click(ctx, "tr[data-open]:nth-child(2) td:nth-child(3)")
		webtest.Until(ctx, "document.querySelector('#drawer.show .sheet-body')")
		webtest.Screenshot(ctx, "web-drawer-"+screen.name)
		webtest.Click(ctx, "[data-dialog='#return']")
		webtest.Screenshot(ctx, "web-ask-"+screen.name)
	}
}
