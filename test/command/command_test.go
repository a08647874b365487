// Package command_test proves the commands of the real program from outside:
// exit codes, sentences, files and databases that they leave behind.
package command_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/simulate"
	"yilian/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// refused demands that a command ended with the code and said the words.
func refused(t *testing.T, r harness.Result, code int, words ...string) {
	t.Helper()
	if r.Code != code {
		t.Errorf("exit code %d, want %d:\n%s%s", r.Code, code, r.Stdout, r.Stderr)
	}
	says(t, r.Stderr, words...)
	if strings.Contains(r.Stderr, "panic") || strings.Contains(r.Stderr, "goroutine") {
		t.Errorf("a panic:\n%s", r.Stderr)
	}
}

// good demands exit code 0 and the words on the standard output.
func good(t *testing.T, r harness.Result, words ...string) {
	t.Helper()
	if r.Code != 0 {
		t.Fatalf("exit code %d:\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	says(t, r.Stdout, words...)
}

func says(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("does not say %q:\n%s", w, text)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func absent(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("%s exists: %v", filepath.Base(path), err)
	}
}

// site is one installation: a configuration file with its database and keys.
type site struct {
	config, target, keys string
}

// newSite configures an empty database. Further settings may follow.
func newSite(t *testing.T, target string, settings ...string) site {
	t.Helper()
	dir := t.TempDir()
	s := site{target: target, keys: filepath.Join(dir, "yilian.keys")}
	s.config = harness.Config(t, dir, append([]string{
		fmt.Sprintf("database = %q", target), fmt.Sprintf("key_file = %q", s.keys),
	}, settings...)...)
	return s
}

func sqliteSite(t *testing.T) site { return newSite(t, filepath.Join(t.TempDir(), "yilian.db")) }

// eachSite runs fn on an empty installation of each engine.
func eachSite(t *testing.T, fn func(t *testing.T, s site)) {
	t.Helper()
	harness.EachEngine(t, func(t *testing.T, target string) { fn(t, newSite(t, target)) })
}

func (s site) serve(t *testing.T) *harness.Process {
	t.Helper()
	return harness.Start(t, "serve", "--config", s.config)
}

func (s site) run(t *testing.T, command ...string) harness.Result {
	t.Helper()
	return harness.Run(t, append(command, "--config", s.config)...)
}

// lendKeys puts the key file of from in the place of s's.
func (s site) lendKeys(t *testing.T, from string) {
	t.Helper()
	text, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(s.keys, text, 0o600))
}

// open opens the database of a site as the program does.
func (s site) open(t *testing.T) *db.DB {
	t.Helper()
	if !db.IsPostgres(s.target) {
		if _, err := os.Stat(s.target); err != nil {
			t.Fatal(err) // opening would make it
		}
	}
	d, err := db.Open(context.Background(), s.target)
	must(t, err)
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (s site) keyring(t *testing.T) *crypto.Keyring {
	t.Helper()
	k, err := crypto.Load(s.keys)
	must(t, err)
	return k
}

// exec changes the database behind the program's back.
func (s site) exec(t *testing.T, statements ...string) {
	t.Helper()
	d := s.open(t)
	must(t, d.Tx(context.Background(), func(tx *db.Tx) error {
		for _, stmt := range statements {
			if _, err := tx.Exec(context.Background(), stmt); err != nil {
				return err
			}
		}
		return nil
	}))
}

// count and text read one value.
func (s site) count(t *testing.T, query string, args ...any) int64 {
	t.Helper()
	return value[int64](t, s, query, args...)
}

func (s site) text(t *testing.T, query string, args ...any) string {
	t.Helper()
	return value[string](t, s, query, args...)
}

func value[T any](t *testing.T, s site, query string, args ...any) (v T) {
	t.Helper()
	must(t, s.open(t).View(context.Background(), func(tx *db.Tx) (err error) {
		v, err = db.Get(context.Background(), tx, "", db.Value[T], query, args...)
		return err
	}))
	return v
}

// digest stands for the whole content of the database.
func (s site) digest(t *testing.T) string {
	t.Helper()
	hash := sha256.New()
	_, err := s.open(t).Backup(context.Background(), hash)
	must(t, err)
	return hex.EncodeToString(hash.Sum(nil))
}

// tables counts the rows of every table.
func (s site) tables(t *testing.T) map[string]int64 {
	t.Helper()
	d := s.open(t)
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	if d.Engine() == db.Postgres {
		query = `SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()`
	}
	out := map[string]int64{}
	must(t, d.View(context.Background(), func(tx *db.Tx) error {
		names, err := db.List(context.Background(), tx, db.Value[string], query)
		if err != nil {
			return err
		}
		for _, name := range names {
			if name == "goose_db_version" {
				continue
			}
			if out[name], err = db.Count(context.Background(), tx, `SELECT count(*) FROM `+name); err != nil {
				return err
			}
		}
		return nil
	}))
	return out
}

var adminLine = regexp.MustCompile(`(?m)^(\S+)\s+\S+\s+首次登录密码 (\S+)$`)

// admins makes the first administrators and returns their passwords by login.
func (s site) admins(t *testing.T) map[string]string {
	t.Helper()
	r := s.run(t, "admin")
	good(t, r)
	out := map[string]string{}
	for _, m := range adminLine.FindAllStringSubmatch(r.Stdout, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// chosen is the password that administrators choose at their first sign-in.
const chosen = "xiaoshui-2026-he"

// firstSignIn signs in with a one-time password and chooses another.
func firstSignIn(t *testing.T, c *harness.Client, login, password string) {
	t.Helper()
	if p := c.SignIn(login, password); !strings.HasPrefix(p.Path, "/password") {
		t.Fatalf("%s landed on %s (%d): %s", login, p.Path, p.Status, p.Text())
	}
	p := c.Post("/password", "current", password, "password", chosen, "again", chosen)
	if p.Status != 200 || strings.HasPrefix(p.Path, "/password") {
		t.Fatalf("%s: new password: %s (%d): %s", login, p.Path, p.Status, p.Text())
	}
}

// built is the demo that all tests of this package copy.
var built struct {
	sync.Once
	dir, stdout string
}

// demo makes the demo of this package from an empty folder, once, and returns
// its folder, which nobody changes, and what it printed.
func demo(t *testing.T) (dir, stdout string) {
	t.Helper()
	built.Do(func() {
		dir := filepath.Join(filepath.Dir(harness.Build(t)), "demo")
		p := harness.Start(t, "demo", "--addr", "127.0.0.1:0", "--data", dir)
		harness.Until(t, "the demo prints its client", func() bool { return clientLine.MatchString(p.Stdout()) })
		if code := p.Stop(); code != 0 {
			t.Fatalf("the demo ended with %d: %s", code, p.Stderr())
		}
		if p.Stderr() != "" {
			t.Errorf("log lines without --verbose: %s", p.Stderr())
		}
		built.dir, built.stdout = dir, p.Stdout()
	})
	if built.dir == "" {
		t.Fatal("the demo was not made")
	}
	return built.dir, built.stdout
}

// demoSite is a copy of the demo with a configuration of its own.
func demoSite(t *testing.T) site {
	t.Helper()
	from, _ := demo(t)
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS(from)))
	s := newSite(t, filepath.Join(dir, "yilian.db"))
	s.lendKeys(t, filepath.Join(from, "yilian.keys"))
	return s
}

// doctor signs the demo's township doctor in.
func doctor(t *testing.T, p *harness.Process) *harness.Client {
	t.Helper()
	c := p.Client()
	if page := c.SignIn("yisheng", simulate.Password); page.Status != 200 || strings.HasPrefix(page.Path, "/login") {
		t.Fatalf("the doctor landed on %s (%d): %s", page.Path, page.Status, page.Text())
	}
	return c
}
