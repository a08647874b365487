package command_test

import (
	"context"
	"database/sql"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/simulate"
	"yilian/test/harness"
)

var (
	clientLine = regexp.MustCompile(`(?m)^client demo-his (\S+)$`)
	signInLine = regexp.MustCompile(`(?m)^  (\S+) +(\S+)（(\S+)）$`)
)

// TestDemo starts it from an empty folder and again, and signs in as everybody
// that it prints.
func TestDemo(t *testing.T) {
	dir, first := demo(t)
	p := harness.Start(t, "demo", "--addr", "127.0.0.1:0", "--data", dir)
	harness.Until(t, "the demo prints its client", func() bool { return clientLine.MatchString(p.Stdout()) })
	cut := func(s string) string { return s[strings.Index(s, "\n"):] } // the port changes
	if cut(p.Stdout()) != cut(first) {
		t.Errorf("the second start printed other sign-ins:\n%s\nfirst:\n%s", p.Stdout(), first)
	}
	says(t, p.Stdout(), "http://"+p.Address(), simulate.Password)

	health := p.Client().Get("/healthz")
	if health.Status != 200 || !strings.Contains(health.Body, `"version":"`) || !strings.Contains(health.Body, `"database":"ok"`) {
		t.Errorf("healthz: %d %s", health.Status, health.Body)
	}
	signIns := signInLine.FindAllStringSubmatch(p.Stdout(), -1)
	want := map[string]bool{}
	for _, r := range access.Roles() {
		want[r.Title()] = true
	}
	for _, m := range signIns {
		login, title, org := m[1], m[2], m[3]
		delete(want, title)
		c := p.Client()
		page := c.SignIn(login, simulate.Password)
		if page.Status != 200 || strings.HasPrefix(page.Path, "/login") || strings.HasPrefix(page.Path, "/password") {
			t.Errorf("%s landed on %s with %d: %s", login, page.Path, page.Status, page.Text())
		}
		if !page.Has(title) {
			t.Errorf("%s (%s, %s): the page does not name the post: %s", login, title, org, page.Text())
		}
	}
	if len(want) > 0 {
		t.Errorf("no sign-in is printed for %v", want)
	}
	if c := p.Client(); c.SignIn("yisheng", "wrong").Status == 200 {
		t.Error("a wrong password signs in")
	}
	if code := p.Stop(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.Stderr())
	}
}

// TestDemoClient checks the printed secret of the system client.
func TestDemoClient(t *testing.T) {
	s := demoSite(t)
	_, printed := demo(t)
	d, keys := s.open(t), s.keyring(t)
	accounts := &account.Service{DB: d, Keys: keys, Audit: audit.New(d, keys)}
	secret := clientLine.FindStringSubmatch(printed)[1]
	if c, err := accounts.CheckClient(context.Background(), "demo-his", secret); err != nil || c.ID != "demo-his" {
		t.Errorf("client %+v: %v", c, err)
	}
	if _, err := accounts.CheckClient(context.Background(), "demo-his", secret+"x"); err == nil {
		t.Error("a wrong secret passes")
	}
}

// TestDemoLeavesOthersAlone covers a taken port, and a demo that was killed
// while it was being made.
func TestDemoLeavesOthersAlone(t *testing.T) {
	dir, _ := demo(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	refused(t, harness.Run(t, "demo", "--addr", taken.Addr().String(), "--data", dir), 1, taken.Addr().String(), "已被其他程序占用")

	half := filepath.Join(t.TempDir(), "demo")
	p := harness.Launch(t, "demo", "--addr", "127.0.0.1:0", "--data", half)
	harness.Until(t, "the demo is being made", func() bool { return p.Ended() || begun(filepath.Join(half, "yilian.db")) })
	p.Kill()
	if strings.Contains(p.Stdout(), "client ") {
		t.Fatal("the demo was complete before it was killed")
	}
	refused(t, harness.Run(t, "demo", "--addr", "127.0.0.1:0", "--data", half), 1, "被中断", half)
}

// begun looks into a database that another process is filling, without making
// it when it is not there yet.
func begun(path string) bool {
	d, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		return false
	}
	defer d.Close()
	n := 0
	err = d.QueryRow(`SELECT count(*) FROM setting WHERE name = 'demo.begun'`).Scan(&n)
	return err == nil && n == 1
}

// TestDemoOfOtherRegions starts the demo of each other document's region from an
// empty folder: the first sign-in that reads alliances sees those of the document.
func TestDemoOfOtherRegions(t *testing.T) {
	for place, alliances := range map[string][]string{
		"zhengzhou": {"郑州市中心医院医联体", "郑州市第一人民医院医联体", "郑州市儿科联盟", "郑州市传染病联盟"},
		"jiangsu":   {"江苏省卒中救治联盟", "江苏省胸痛救治联盟", "江苏省心肺移植联盟"},
	} {
		t.Run(place, func(t *testing.T) {
			p := harness.Start(t, "demo", "--addr", "127.0.0.1:0", "--region", place, "--data", t.TempDir())
			harness.Until(t, "the demo prints its client", func() bool { return clientLine.MatchString(p.Stdout()) })
			c, seen := p.Client(), false
			for _, m := range signInLine.FindAllStringSubmatch(p.Stdout(), -1) {
				if m[2] != access.BureauCity.Title() && m[2] != access.BureauProvince.Title() {
					continue
				}
				if page := c.SignIn(m[1], simulate.Password); page.Status != 200 || !page.Has(m[2]) {
					t.Fatalf("%s landed on %s with %d: %s", m[1], page.Path, page.Status, page.Text())
				}
				page := c.Get("/alliances")
				for _, name := range alliances {
					if !page.Has(name) {
						t.Errorf("%s is not among the alliances", name)
					}
				}
				seen = true
				break
			}
			if !seen {
				t.Errorf("no bureau may sign in:\n%s", p.Stdout())
			}
			if code := p.Stop(); code != 0 {
				t.Errorf("exit code %d: %s", code, p.Stderr())
			}
		})
	}
}
