package command_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/test/harness"
)

// TestCommandLines covers what is wrong before anything is opened.
func TestCommandLines(t *testing.T) {
	t.Chdir(t.TempDir())
	for line, want := range map[string]string{
		"":                          "请写明要做什么",
		"fly":                       "不认识的命令 \"fly\"",
		"serve --fast":              "没有选项 --fast",
		"serve --config":            "--config 后面缺少内容",
		"serve":                     "--config",
		"serve --config a --data b": "二选一",
		"serve --config a b":        "不接受 \"b\"",
		"demo --port 1":             "没有选项 --port",
		"backup --data d":           "--to",
		"restore --data d":          "--from",
		"audit":                     "audit verify",
		"audit check --data d":      "audit verify",
		"keys":                      "keys rotate",
		"bench":                     "bench patient",
		"bench patient --n many":    "应是整数",
		"bench patient --n 0":       "至少 1",
		"serve --config none.toml":  "读不到配置文件 none.toml",
		"backup --data d --to x":    "没有找到数据库文件",
		"audit verify --data d":     "没有找到数据库文件",
		"keys rotate --data d":      "没有找到数据库文件",
	} {
		t.Run(line, func(t *testing.T) {
			refused(t, harness.Run(t, strings.Fields(line)...), 2, "错误：", want)
		})
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	good(t, harness.Run(t, "help"), "yilian 命令", "backup", "restore")
	good(t, harness.Run(t, "serve", "--help"), "yilian 命令")
}

// TestWrongConfigurations are refused with file and place, and create nothing.
func TestWrongConfigurations(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		code  int
		want  []string
	}{
		"unknown setting": {[]string{`database = "a.db"`, `adddr = "127.0.0.1:0"`, "#address"}, 2, []string{"第 2 行", "adddr"}},
		"unknown in tls":  {[]string{`address = "127.0.0.1:0"`, `[tls]`, `cert = "x"`}, 2, []string{"第 3 行", "tls.cert"}},
		"not TOML":        {[]string{`database = "a.db`, `address = "127.0.0.1:0"`}, 2, []string{"第 1 行", "写法有误"}},
		"wrong type":      {[]string{`idle_minutes = "ten"`, `address = "127.0.0.1:0"`}, 2, []string{"第 1 行"}},
		"suite":           {[]string{`suite = "rot13"`}, 2, []string{"suite", "sm"}},
		"half of TLS":     {[]string{"[tls]", `certificate = "c.pem"`, "#address"}, 2, []string{"tls.key"}},
		"other database":  {[]string{`database = "mysql://h/d"`}, 2, []string{"postgres://"}},
		"no server":       {[]string{`database = "postgres://u:geheim@127.0.0.1:1/d?connect_timeout=3"`}, 1, []string{"连不上数据库", "127.0.0.1:1"}},
		"no certificate":  {[]string{"#address", "[tls]", `certificate = "c.pem"`, `key = "k.pem"`}, 2, []string{"TLS", "c.pem"}},
		"no profiles":     {[]string{`profiles = "nowhere"`}, 2, []string{"nowhere"}},
		"bad address":     {[]string{`address = "here"`}, 1, []string{"地址 here"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			config := harness.Config(t, dir, c.lines...)
			r := harness.Run(t, "serve", "--config", config)
			refused(t, r, c.code, c.want...)
			if c.code == 2 && name != "no certificate" && name != "no profiles" {
				says(t, r.Stderr, config)
			}
			if strings.Contains(r.Stderr, "geheim") {
				t.Errorf("the password is shown: %s", r.Stderr)
			}
			if c.code == 2 && name != "no certificate" {
				absent(t, filepath.Join(dir, "data"))
			}
		})
	}
}

// TestRelativePaths are relative to the configuration file, wherever the
// program is started.
func TestRelativePaths(t *testing.T) {
	dir := t.TempDir()
	config := harness.Config(t, dir, `database = "d/one.db"`, `key_file = "k/one.keys"`)
	cmd := exec.Command(harness.Build(t), "serve", "--config", config)
	cmd.Dir = t.TempDir()
	p := harness.LaunchAs(t, cmd)
	p.WaitReady()
	for _, path := range []string{"d/one.db", "k/one.keys"} {
		if _, err := os.Stat(filepath.Join(dir, path)); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(cmd.Dir); err != nil || len(left) > 0 {
		t.Errorf("in the working folder: %v %v", left, err)
	}
	port := p.Address()
	r := harness.Run(t, "serve", "--config", harness.Config(t, t.TempDir(), fmt.Sprintf("address = %q", port)))
	refused(t, r, 1, port, "已被其他程序占用")
}

// TestLogs keeps the standard error quiet unless --verbose is given.
func TestLogs(t *testing.T) {
	s := sqliteSite(t)
	quiet := s.serve(t)
	quiet.Client().Get("/login")
	if quiet.Stop(); quiet.Stderr() != "" {
		t.Errorf("log lines without --verbose: %s", quiet.Stderr())
	}
	loud := harness.Start(t, "serve", "--verbose", "--config", s.config)
	loud.Client().Get("/login")
	loud.Stop()
	says(t, loud.Stderr(), "level=INFO msg=request method=GET route=\"GET /login\" status=200")
}

// TestTLS serves with a certificate made here; plain HTTP is turned away.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	pool := selfSigned(t, dir)
	config := harness.Config(t, dir, "#address", `[tls]`, `certificate = "c.pem"`, `key = "k.pem"`)
	must(t, os.WriteFile(config, slices.Concat([]byte("address = \"127.0.0.1:0\"\n"), read(t, config)), 0o600))
	p := harness.Start(t, "serve", "--config", config)
	c := p.Client()
	if page := c.Get("/healthz"); page.Status != http.StatusBadRequest {
		t.Errorf("plain HTTP: %d %s", page.Status, page.Body)
	}
	c.At("https://" + p.Address())
	c.HTTP.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool}
	if page := c.Get("/healthz"); page.Status != 200 {
		t.Errorf("healthz over TLS: %d", page.Status)
	}
	page := c.Get("/login")
	if page.Status != 200 || page.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("sign-in over TLS: %d %v", page.Status, page.Header)
	}
	if code := p.Stop(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.Stderr())
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return text
}

// selfSigned writes c.pem and k.pem for 127.0.0.1 and returns the trust in them.
func selfSigned(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	must(t, os.WriteFile(filepath.Join(dir, "c.pem"), text, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "k.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	return pool
}

// TestKeyFile: data without its keys, or with others, is left alone.
func TestKeyFile(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		s.serve(t).Stop()
		before := s.digest(t)
		must(t, os.Rename(s.keys, s.keys+".away"))
		for _, command := range []string{"serve", "admin", "audit verify", "keys rotate"} {
			refused(t, s.run(t, strings.Fields(command)...), 1, "找不到密钥文件", s.keys)
			absent(t, s.keys)
		}
		sqliteSiteWithKeys(t, s.keys)
		for _, command := range []string{"serve", "admin", "audit verify", "keys rotate"} {
			refused(t, s.run(t, strings.Fields(command)...), 1, "不相配", s.keys)
		}
		must(t, os.WriteFile(s.keys, []byte("{}"), 0o600))
		refused(t, s.run(t, "serve"), 1, "已损坏", s.keys)
		if s.digest(t) != before {
			t.Error("the database has changed")
		}
		must(t, os.Rename(s.keys+".away", s.keys))
		s.serve(t).Stop()
	})
}

// sqliteSiteWithKeys makes another installation whose keys lie at path.
func sqliteSiteWithKeys(t *testing.T, path string) {
	t.Helper()
	other := sqliteSite(t)
	other.serve(t).Stop()
	site{keys: path}.lendKeys(t, other.keys)
}

// TestAdmin makes the three administrators once; each must choose a password.
func TestAdmin(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		passwords := s.admins(t)
		if len(passwords) != 3 {
			t.Fatalf("administrators: %v", passwords)
		}
		refused(t, s.run(t, "admin"), 1, "已有账号")
		p := s.serve(t)
		for login, password := range passwords {
			c := p.Client()
			if page := c.SignIn(login, password); !strings.HasPrefix(page.Path, "/password") {
				t.Errorf("%s landed on %s", login, page.Path)
			}
			if page := c.Get("/account"); !strings.HasPrefix(page.Path, "/password") {
				t.Errorf("%s gets %s without a new password", login, page.Path)
			}
			firstSignIn(t, p.Client(), login, password)
			if page := p.Client().SignIn(login, password); page.Status == 200 {
				t.Errorf("%s: the one-time password still works", login)
			}
		}
		if code := p.Stop(); code != 0 {
			t.Errorf("exit code %d: %s", code, p.Stderr())
		}
	})
}
