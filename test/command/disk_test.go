package command_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/record"
	"yilian/test/harness"
)

// limited runs the program where no file may grow beyond so many kilobytes:
// the system refuses the write, as a full disk does.
func limited(t *testing.T, kilobytes int64, args ...string) *exec.Cmd {
	t.Helper()
	script := fmt.Sprintf(`ulimit -f %d && exec "$@"`, kilobytes)
	return exec.Command("bash", append([]string{"-c", script, "bash", harness.Build(t)}, args...)...)
}

// newAccount is the form of a township doctor's account.
func newAccount(t *testing.T, s site, login string) []string {
	t.Helper()
	return []string{"login", login, "name", "周医生", "role", string(access.TownshipDoctor), "org", s.text(t,
		`SELECT min(id) FROM organization WHERE kind = 'township_center'`)}
}

// TestFullDisk lets writing fail for real on SQLite: the act is refused with a
// sentence, nothing of it is there, reading goes on, and when there is room
// again everything acknowledged is there and the chain is whole.
func TestFullDisk(t *testing.T) {
	s := sqliteSite(t)
	password := s.admins(t)["system-admin"]
	first := s.serve(t) // what is there goes into the record first, in the background
	harness.Until(t, "the record holds what is there", func() bool {
		return s.count(t, `SELECT count(*) FROM job WHERE kind = $1`, record.FillJob) == 0
	})
	first.Stop()
	size, err := os.Stat(s.target)
	must(t, err)
	most := size.Size()
	if log, err := os.Stat(s.target + "-wal"); err == nil { // the limit is one of each file
		most = max(most, log.Size())
	}
	p := harness.LaunchAs(t, limited(t, most/1024+64, "serve", "--config", s.config))
	p.WaitReady()
	c := p.Client()
	firstSignIn(t, c, "system-admin", password)
	form := newAccount(t, s, "")
	made, refusal := []string{}, harness.Page{}
	for i := 0; refusal.Status == 0; i++ {
		form[1] = fmt.Sprintf("zhou%04d", i)
		switch page := c.Post("/accounts", form...); {
		case page.Status == http.StatusOK:
			made = append(made, form[1])
		case i > 5000:
			t.Fatal("the disk never fills")
		default:
			refusal = page
		}
	}
	if len(made) < 2 {
		t.Errorf("only %d accounts were made before the disk was full", len(made))
	}
	if refusal.Status != http.StatusServiceUnavailable || !refusal.Has("磁盘", "没有保存") {
		t.Errorf("after %d accounts: %d %s", len(made), refusal.Status, refusal.Text())
	}
	if page := c.Get("/accounts"); page.Status != 200 || !page.Has("system-admin") {
		t.Errorf("reading: %d %s", page.Status, page.Text())
	}
	if page := c.Get("/healthz"); page.Status != 200 {
		t.Errorf("healthz: %d", page.Status)
	}
	says(t, p.Stderr(), "level=WARN")
	p.Stop()

	unlimited := s.serve(t)
	c = unlimited.Client()
	if page := c.SignIn("system-admin", chosen); page.Status != 200 {
		t.Errorf("sign-in afterwards: %d %s", page.Status, page.Text())
	}
	if page := c.Post("/accounts", form...); page.Status != http.StatusOK {
		t.Errorf("the refused act again: %d %s", page.Status, page.Text())
	}
	unlimited.Stop()
	allThere(t, s, append(made, form[1]))
	good(t, s.run(t, "audit", "verify"), "审计链完整", "待封存 0 条")
}

// allThere demands every account with its post and its audit leaf, and no more.
func allThere(t *testing.T, s site, logins []string) {
	t.Helper()
	want := int64(len(logins))
	for what, query := range map[string]string{
		"accounts": `SELECT count(*) FROM account WHERE login LIKE 'zhou%'`,
		"posts":    `SELECT count(*) FROM account_post p JOIN account a ON a.id = p.account WHERE a.login LIKE 'zhou%'`,
		"leaves": `SELECT count(*) FROM audit_leaf l JOIN account a ON a.id = l.object_id
			WHERE a.login LIKE 'zhou%' AND l.action = 'account.create' AND l.outcome = 'ok'`,
		"all leaves": `SELECT count(*) FROM audit_leaf WHERE action = 'account.create' AND outcome = 'ok' AND more LIKE '%zhou%'`,
	} {
		if got := s.count(t, query); got != want {
			t.Errorf("%d %s, want %d", got, what, want)
		}
	}
}

// TestFullDiskOnPostgres lets the server report a full disk in the middle of a
// transaction, by a trigger that raises its code.
func TestFullDiskOnPostgres(t *testing.T) {
	eachSite(t, func(t *testing.T, s site) {
		if !strings.HasPrefix(s.target, "postgres") {
			return // TestFullDisk has it
		}
		password := s.admins(t)["system-admin"]
		p := s.serve(t)
		c := p.Client()
		firstSignIn(t, c, "system-admin", password)
		s.exec(t, `CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$`,
			`CREATE TRIGGER full_disk BEFORE INSERT ON account_post FOR EACH ROW EXECUTE FUNCTION full_disk()`)
		form := newAccount(t, s, "zhou0001")
		if page := c.Post("/accounts", form...); page.Status != http.StatusServiceUnavailable || !page.Has("磁盘已满", "没有保存") {
			t.Errorf("full disk: %d %s", page.Status, page.Text())
		}
		s.exec(t, `DROP TRIGGER full_disk ON account_post`)
		if page := c.Post("/accounts", form...); page.Status != http.StatusOK {
			t.Errorf("again: %d %s", page.Status, page.Text())
		}
		form[1] = "zhou0002"
		c.Post("/accounts", form...)
		p.Stop()
		allThere(t, s, []string{"zhou0001", "zhou0002"})
	})
}
