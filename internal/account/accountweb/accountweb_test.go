package accountweb

import (
	"context"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/web"
)

const pass = "jinshan-2026-bei"

var cheap = sync.OnceValues(func() (string, error) { return crypto.HashPassword(pass) })

type server struct {
	t   *testing.T
	svc *account.Service
	url string
	at  time.Time
}

func start(t *testing.T) *server {
	t.Helper()
	d := dbtest.SQLite(t)
	s := &server{t: t, at: dbtest.Clock}
	var mu sync.Mutex
	d.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return s.at }
	keys := crypto.Ephemeral("sm")
	s.svc = &account.Service{DB: d, Keys: keys, Audit: audit.New(d, keys), Directory: account.Directory{
		Institutions: func(context.Context, *db.Tx) ([]account.Institution, error) {
			return []account.Institution{{ID: "th1", Name: "菱角塘镇卫生院"}, {ID: "area", Name: "区卫健局"}}, nil
		},
		Departments: func(context.Context, *db.Tx, string) ([]account.Institution, error) {
			return []account.Institution{{ID: "d1", Name: "全科"}}, nil
		},
		People: func(context.Context, *db.Tx, string) ([]account.Person, error) {
			return []account.Person{{ID: "pr1", Name: "王芳", Title: "主治医师"}}, nil
		},
	}}
	site := web.New(web.Options{Log: slog.New(slog.DiscardHandler), Now: d.Now})
	h := Routes(site, s.svc)
	h.Calls = func(_ context.Context, a access.Actor) (int, bool, error) { return 2, a.Name == "张医生", nil }
	site.Use(h.Middleware)
	site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, _ := SessionFrom(r.Context())
			ctx := web.WithFrame(r.Context(), web.Frame{User: n.Account.Name, Org: n.Post.OrgName})
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	})
	site.Handle("GET /{$}", func(w http.ResponseWriter, r *http.Request) error {
		a, ok := access.ActorFrom(r.Context())
		if !ok {
			t.Error("a page ran without an actor")
		}
		_, err := io.WriteString(w, "首页 "+a.Name+" "+a.Role)
		return err
	})
	site.Handle("POST /echo", func(w http.ResponseWriter, r *http.Request) error {
		_, err := io.WriteString(w, "收到 "+r.PostFormValue("text"))
		return err
	})
	srv := httptest.NewServer(site)
	t.Cleanup(srv.Close)
	s.url = srv.URL
	for _, x := range []struct {
		login, name, org string
		role             access.Role
	}{
		{"doc1", "张医生", "th1", access.TownshipDoctor}, {"doc2", "李医生", "th1", access.TownshipDoctor},
		{"sys1", "系统员", "area", access.SystemAdmin}, {"sec1", "安全员", "area", access.SecurityAdmin},
	} {
		hash, err := cheap()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.svc.SeedHashed(t.Context(), account.NewAccount{Login: x.login, Name: x.name,
			Posts: []account.NewPost{{Role: x.role, Org: x.org, OrgName: x.org}}}, hash, false); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// browser is one browser with its cookies; it follows redirects.
type browser struct {
	*server
	c *http.Client
}

func (s *server) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &browser{s, &http.Client{Jar: jar}}
}

type page struct {
	status int
	path   string
	body   string
	header http.Header
}

func (b *browser) do(method, path string, form url.Values, header ...string) page {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, b.url+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.c.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{res.StatusCode, res.Request.URL.RequestURI(), html.UnescapeString(string(data)), res.Header}
}

func (b *browser) get(path string) page { b.t.Helper(); return b.do("GET", path, nil) }

func (b *browser) post(path string, pairs ...string) page {
	b.t.Helper()
	return b.do("POST", path, values(pairs))
}

func values(pairs []string) url.Values {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

func (b *browser) signIn(login string) page {
	b.t.Helper()
	return b.post("/login", "login", login, "password", pass)
}

func (p page) must(t *testing.T, status int, words ...string) {
	t.Helper()
	if p.status != status {
		t.Fatalf("%s: status %d, want %d\n%s", p.path, p.status, status, p.body)
	}
	for _, w := range words {
		if !strings.Contains(p.body, w) {
			t.Fatalf("%s: no %q in\n%s", p.path, w, p.body)
		}
	}
}

func TestSignInAndBack(t *testing.T) {
	s := start(t)
	b := s.browser()
	p := b.get("/account?x=1")
	p.must(t, 200, "登录名", "autofocus", `name="next" value="/account?x=1"`)
	p = b.post("/login", "login", "doc1", "password", "wrong", "next", "/account?x=1")
	p.must(t, 422, "登录名或密码不正确", `value="doc1"`)
	if strings.Contains(p.body, `value="wrong"`) {
		t.Fatal("the password came back")
	}
	p = b.post("/login", "login", "doc1", "password", pass, "next", "/account?x=1")
	p.must(t, 200, "我的账号", "张医生")
	if p.path != "/account?x=1" {
		t.Fatal(p.path)
	}
	for _, next := range []string{"//evil.example/", "https://evil.example/", "/\\evil", "/logout", "/login"} {
		if got := s.browser().post("/login", "login", "doc2", "password", pass, "next", next); got.path != "/" {
			t.Fatalf("%q led to %q", next, got.path)
		}
	}
	b.post("/logout").must(t, 200, "登录名")
	b.get("/").must(t, 200, "登录名")
}

func TestCookieIsKeptFromScripts(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p := b.signIn("doc1")
	c := p.header.Get("Set-Cookie")
	if !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") || !strings.Contains(c, "Path=/") {
		t.Fatal(c)
	}
}

// A locked page hears how many emergencies wait for its person and nothing else;
// asking does not keep the session awake.
func TestLockedPageHearsCalls(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.signIn("doc1").must(t, 200, "首页 张医生")
	ask := func(b *browser) page { return b.do("GET", "/lock/calls", nil, "Accept", "text/plain", "X-Live", "1") }
	s.at = s.at.Add(14 * time.Minute)
	ask(b).must(t, 200, "2")
	s.at = s.at.Add(2 * time.Minute)
	b.get("/account").must(t, 200, "屏幕已锁定", `data-calls="/lock/calls"`)
	if p := ask(b); p.status != 200 || p.body != "2" {
		t.Errorf("%d %q", p.status, p.body)
	}
	other := s.browser()
	other.signIn("doc2")
	ask(other).must(t, 204)
	ask(s.browser()).must(t, 401)
}

func TestLockKeepsWhatWasTyped(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.signIn("doc1").must(t, 200, "首页 张医生")
	s.at = s.at.Add(16 * time.Minute)

	b.get("/account").must(t, 200, "屏幕已锁定", `name="next" value="/account"`)
	p := b.do("POST", "/echo", url.Values{"text": {"病情"}}, "HX-Request", "true")
	p.must(t, 423)
	if p.body != "" || p.header.Get("HX-Reswap") != "none" {
		t.Fatalf("a locked answer would change the page: %q", p.body)
	}
	p = b.do("POST", "/unlock", url.Values{"password": {"wrong"}}, "Accept", "text/plain")
	p.must(t, 422, "密码不正确")

	// A plain form sent while locked is kept and can be sent after unlocking.
	p = b.do("POST", "/echo?a=1", url.Values{"text": {"很长的病情摘要 & <b>"}})
	p.must(t, 423, "已为您保留")
	kept := field(t, p.body, "kept")
	p = b.post("/unlock", "password", "wrong", "action", "/echo?a=1", "kept", kept)
	p.must(t, 422, "密码不正确", `name="action" value="/echo?a=1"`)
	p = b.post("/unlock", "password", pass, "action", "/echo?a=1", "kept", kept)
	p.must(t, 200, "继续提交", `value="很长的病情摘要 & <b>"`)
	b.post("/echo?a=1", "text", "很长的病情摘要").must(t, 200, "收到 很长的病情摘要")

	b.do("POST", "/lock", nil).must(t, 204)
	b.get("/").must(t, 200, "屏幕已锁定")
	b.do("POST", "/unlock", url.Values{"password": {pass}}, "Accept", "text/plain").must(t, 204)
	b.get("/").must(t, 200, "首页 张医生")
}

// Who signs in over a page is named to it, so that it keeps what was typed for
// the same person only.
func TestSignInOverAPage(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.signIn("doc1").must(t, 200, "首页 张医生")
	over := func(login, password string) page {
		return b.do("POST", "/login", url.Values{"login": {login}, "password": {password}}, "Accept", "text/plain")
	}
	own := over("doc1", pass)
	own.must(t, 200, `"key":"`, `"next":""`)
	over("doc2", "wrong").must(t, 422, "登录名或密码不正确")
	b.get("/").must(t, 200, "首页 张医生")
	if other := over("doc2", pass); other.body == own.body {
		t.Fatalf("two persons have one key: %s", own.body)
	}
	b.get("/").must(t, 200, "首页 李医生")
}

func field(t *testing.T, body, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no field %s in\n%s", name, body)
	}
	return m[1]
}

func TestSelfRefreshingPartsAreNoActivity(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.signIn("doc1")
	for range 16 {
		s.at = s.at.Add(time.Minute)
		b.do("GET", "/", nil, "X-Live", "1")
	}
	b.get("/").must(t, 200, "屏幕已锁定")
	b.do("POST", "/unlock", url.Values{"password": {pass}}, "Accept", "text/plain").must(t, 204)
	for range 16 {
		s.at = s.at.Add(time.Minute)
		b.do("POST", "/touch", nil).must(t, 204)
	}
	b.get("/").must(t, 200, "首页")
}

func TestWithoutASessionFormsStay(t *testing.T) {
	s := start(t)
	b := s.browser()
	for _, p := range []page{b.do("GET", "/account", nil, "HX-Request", "true"), b.do("POST", "/echo", url.Values{"text": {"x"}}, "HX-Request", "true")} {
		p.must(t, 401)
		if p.body != "" || p.header.Get("HX-Reswap") != "none" || p.header.Get("HX-Redirect") != "" {
			t.Fatalf("the page would lose what was typed: %q %v", p.body, p.header)
		}
	}
	b.do("POST", "/echo", url.Values{"text": {"x"}}).must(t, 401, "内容没有提交")
	b.do("POST", "/unlock", url.Values{"password": {pass}}, "Accept", "text/plain").must(t, 401, "重新登录")
}

func TestChangeOfPerson(t *testing.T) {
	s := start(t)
	b := s.browser()
	b.signIn("doc1")
	p := b.post("/switch")
	p.must(t, 200, "张医生 的屏幕已锁定", "返回解锁")
	b.get("/").must(t, 200, "屏幕已锁定") // it is still his until another signs in
	b.signIn("doc2").must(t, 200, "首页 李医生")
	s.browser().signIn("doc1")
	b.get("/").must(t, 200, "首页 李医生")
}

func TestNewAccountFromFormToFirstPassword(t *testing.T) {
	s := start(t)
	doc := s.browser()
	doc.signIn("doc1")
	doc.get("/accounts").must(t, 403, "没有这项权限")
	doc.get("/accounts/new").must(t, 403, "没有这项权限")
	doc.post("/accounts", "login", "x1x", "name", "x", "role", "township_doctor", "org", "th1").must(t, 403)

	sys := s.browser()
	sys.signIn("sys1")
	sys.get("/accounts/new").must(t, 200, "菱角塘镇卫生院", "审计员", "须安全管理员审批")
	sys.do("GET", "/accounts/choices?org=th1", nil, "HX-Request", "true").must(t, 200, "全科", "王芳")
	sys.post("/accounts", "login", "大写", "name", "", "role", "", "org", "th1").must(t, 422, "登录名要", "请填写姓名", "请选择岗位")
	p := sys.post("/accounts", "login", "wangfang", "name", "王芳", "role", "township_doctor", "org", "th1", "department", "d1", "person", "pr1")
	p.must(t, 200, "初始密码", "wangfang", "菱角塘镇卫生院")
	m := strings.Trim(regexp.MustCompile(`>[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4}<`).FindString(p.body), "<>")
	if m == "" {
		t.Fatal(p.body)
	}
	b := s.browser()
	b.post("/login", "login", "wangfang", "password", m).must(t, 200, "首次登录，请修改初始密码")
	p = b.get("/account")
	p.must(t, 200, "首次登录，请修改初始密码")
	b.post("/password", "current", m, "password", "short", "again", "short").must(t, 422, "太短")
	b.post("/password", "current", m, "password", "Daxihe#2026nan", "again", "Daxihe#2026nan", "next", "/").must(t, 200, "首页 王芳")

	list := sys.get("/accounts?q=王芳")
	list.must(t, 200, "wangfang", "菱角塘镇卫生院 · 基层医生")
	id := regexp.MustCompile(`/accounts/([0-9a-f-]{36})`).FindStringSubmatch(list.body)[1]
	sys.get("/accounts/"+id).must(t, 200, "重置密码", "添加岗位")
	sec := s.browser()
	sec.signIn("sec1")
	sec.get("/accounts/"+id).must(t, 200, "锁定", "登录中的电脑")
	sec.post("/accounts/"+id+"/lock", "comment", "").must(t, 422, "请写明原因")
	sec.post("/accounts/"+id+"/lock", "comment", "核查").must(t, 200, "账号已锁定")
	b.get("/").must(t, 200, "登录名")
	sec.post("/accounts/"+id+"/unlock", "comment", "已核实").must(t, 200, "账号已解锁")
	sys.post("/accounts/"+id+"/lock", "comment", "x").must(t, 403)
	sys.post("/accounts/"+id+"/nonsense").must(t, 404)
}

func TestAdministratorsPostIsApprovedByAnother(t *testing.T) {
	s := start(t)
	sys, sec := s.browser(), s.browser()
	sys.signIn("sys1")
	sec.signIn("sec1")
	sys.post("/accounts", "login", "shenji1", "name", "审计甲", "role", "auditor", "org", "area").must(t, 200, "初始密码")
	sys.get("/accounts/approvals").must(t, 403)
	p := sec.get("/accounts/approvals")
	p.must(t, 200, "审计甲", "批准")
	path := regexp.MustCompile(`/accounts/[0-9a-f-]+/posts/[0-9a-f-]+/approve`).FindString(p.body)
	sys.post(path).must(t, 403)
	sec.post(path).must(t, 200, "没有待审批的岗位", "已批准")
	sec.post(path).must(t, 409, "处理过")
}

func TestSecondFactorPages(t *testing.T) {
	s := start(t)
	sec := s.browser()
	sec.signIn("sec1")
	sec.post("/accounts/policy", "org", "th1", "factor", "1", "idle", "99").must(t, 422, "3 至 60")
	sec.post("/accounts/policy", "org", "th1", "factor", "1", "idle", "5").must(t, 200, "菱角塘镇卫生院", "5 分钟")
	b := s.browser()
	b.signIn("doc1").must(t, 200, "请先设置第二因素")
	b.get("/account").must(t, 200, "请先设置第二因素")
	b.post("/account/totp", "current", "wrong").must(t, 422, "密码不正确", "请先设置第二因素")
	b.post("/account/totp", "current", pass).must(t, 200, "用验证器应用扫描", "<svg")
	b.post("/account/totp/confirm", "code", "000000").must(t, 422, "验证码不正确")
	p := b.post("/account/codes", "current", pass)
	p.must(t, 200, "一次性登录口令", "使用说明")
	code := regexp.MustCompile(`>\s*([a-z0-9]{4}-[a-z0-9]{4})\s*<`).FindStringSubmatch(p.body)[1]
	b.get("/").must(t, 200, "首页 张医生")

	b = s.browser()
	b.signIn("doc1").must(t, 200, "第二步：验证身份")
	b.get("/").must(t, 200, "第二步：验证身份")
	b.post("/login/factor", "code", "zzzz-zzzz").must(t, 422, "不正确或已经用过")
	b.post("/login/factor", "code", code).must(t, 200, "首页 张医生")
	b.get("/account").must(t, 200, "还剩 9 个")
}

func TestSystemClientPages(t *testing.T) {
	s := start(t)
	sys := s.browser()
	sys.signIn("sys1")
	sys.post("/clients", "id", "x", "name", "").must(t, 422, "客户端标识要")
	sys.post("/clients", "id", "demo-his", "name", "示例", "org", "th1", "scopes", "system/*.rs", "jwks", "{").must(t, 422, "公钥集不是正确的 JSON")
	p := sys.post("/clients", "id", "demo-his", "name", "示例", "org", "th1", "scopes", "system/*.rs")
	sys.get("/clients").must(t, 200, "待批准")
	sec := s.browser()
	sec.signIn("sec1")
	sec.post("/clients/demo-his/approve").must(t, 200, "启用")
	p.must(t, 200, "只显示这一次", "demo-his")
	if secret := regexp.MustCompile(`<code>([^<]+)</code>`).FindStringSubmatch(p.body); secret == nil {
		t.Fatal(p.body)
	} else if _, err := s.svc.CheckClient(t.Context(), "demo-his", secret[1]); err != nil {
		t.Fatal(err)
	}
	again := sys.post("/clients/demo-his/rotate")
	again.must(t, 200, "只显示这一次", "demo-his")
	if secret := regexp.MustCompile(`<code>([^<]+)</code>`).FindStringSubmatch(again.body); secret == nil {
		t.Fatal(again.body)
	} else if _, err := s.svc.CheckClient(t.Context(), "demo-his", secret[1]); err != nil {
		t.Fatal(err)
	}
	sys.post("/clients/demo-his/keys", "comment", "nonsense").must(t, 422, "公钥集")
	sys.post("/clients/demo-his/stop").must(t, 200, "停用")
	b := s.browser()
	b.signIn("doc1")
	b.get("/clients").must(t, 403)
}

func TestPostsAndOwnSessions(t *testing.T) {
	s := start(t)
	b, elsewhere := s.browser(), s.browser()
	b.signIn("doc1")
	elsewhere.signIn("doc1")
	b.get("/posts").must(t, 200, "当前岗位")
	b.post("/posts", "post", "no-such").must(t, 403, "没有这个岗位")
	p := b.get("/account")
	for _, m := range regexp.MustCompile(`/account/sessions/[0-9a-f-]+/end`).FindAllString(p.body, -1) {
		b.post(m)
	}
	b.get("/").must(t, 200, "登录名")
	elsewhere.get("/").must(t, 200, "登录名")
}
