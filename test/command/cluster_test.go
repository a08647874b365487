package command_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"yilian/test/harness"
)

// TestSeveralProcesses starts four servers at once on one empty PostgreSQL
// database: all come up, each migration runs once, all see the same accounts.
func TestSeveralProcesses(t *testing.T) {
	if os.Getenv("TEST_POSTGRES_URL") == "" && os.Getenv("TEST_BOTH") == "" {
		return // SQLite belongs to one process
	}
	s := newSite(t, harness.EmptyPostgres(t))
	var servers []*harness.Process
	for range 4 {
		servers = append(servers, harness.Launch(t, "serve", "--config", s.config))
	}
	for _, p := range servers {
		p.WaitReady()
		if page := p.Client().Get("/healthz"); page.Status != 200 {
			t.Errorf("healthz: %d %s", page.Status, page.Body)
		}
	}
	if n := s.count(t, `SELECT count(*) FROM (SELECT version_id FROM goose_db_version GROUP BY version_id HAVING count(*) > 1) AS twice`); n != 0 {
		t.Errorf("%d migrations ran twice", n)
	}
	c := servers[0].Client()
	firstSignIn(t, c, "system-admin", s.admins(t)["system-admin"])
	for _, p := range servers {
		c.At(p.URL()) // the session holds at every process
		if page := c.Get("/accounts"); page.Status != 200 || !page.Has("security-admin") {
			t.Errorf("accounts: %d at %s", page.Status, page.Path)
		}
	}
	for _, p := range servers {
		if code := p.Stop(); code != 0 {
			t.Errorf("exit code %d: %s", code, p.Stderr())
		}
	}
	good(t, s.run(t, "audit", "verify"), "审计链完整", "待封存 0 条")
}

// TestTwoKeyFilesOnOneDatabase refuses the second of two machines that would
// seal one database under different keys.
func TestTwoKeyFilesOnOneDatabase(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		s.serve(t).Stop()
		other := newSite(t, s.target)
		refused(t, other.run(t, "serve"), 1, "找不到密钥文件")
		absent(t, other.keys)
	})
}

// TestNewerDatabase is refused and left as it is.
func TestNewerDatabase(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		s.serve(t).Stop()
		s.exec(t, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`)
		before := s.digest(t)
		for _, command := range []string{"serve", "migrate", "admin", "keys rotate"} {
			refused(t, s.run(t, strings.Fields(command)...), 1, "数据库版本（9999）比程序", "没有做任何改动")
		}
		if s.digest(t) != before {
			t.Error("the database has changed")
		}
		s.exec(t, `DELETE FROM goose_db_version WHERE version_id = 9999`)
		good(t, s.run(t, "migrate"), "数据库版本")
	})
}

// TestWrongProfiles refuses a folder of policy profiles with a typing error,
// naming file and line; the same folder without it serves.
func TestWrongProfiles(t *testing.T) {
	dir := t.TempDir()
	must(t, os.CopyFS(filepath.Join(dir, "policies"), os.DirFS(filepath.Join("..", "..", "profiles"))))
	config := harness.Config(t, dir, `profiles = "policies"`)
	file := filepath.Join(dir, "policies", "base", "profile.toml")
	right := read(t, file)
	lines := strings.Count(string(right), "\n")
	wrong := string(right) + "tittle = \"x\"\n"
	must(t, os.WriteFile(file, []byte(wrong), 0o600))
	refused(t, harness.Run(t, "serve", "--config", config), 2, "base/profile.toml", strconv.Itoa(lines+1), "tittle")
	absent(t, filepath.Join(dir, "data"))
	must(t, os.WriteFile(file, right, 0o600))
	harness.Start(t, "serve", "--config", config).Stop()
}
