// Package harness builds the real program and drives it from outside, as an
// administrator and a browser do: processes with exit codes and signals,
// configuration files, databases, and pages over HTTP.
package harness

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
)

// Patience is how long anything may take before a test gives up. It is no
// measurement: tests poll and go on at once.
const Patience = 90 * time.Second

// Main runs the tests of a package that uses the harness, and removes the
// built program afterwards: func TestMain(m *testing.M) { harness.Main(m) }.
func Main(m *testing.M) {
	code := m.Run()
	if bin, err := build(); err == nil {
		_ = os.RemoveAll(filepath.Dir(bin)) // a left-over in the temporary folder does no harm
	}
	os.Exit(code)
}

// Build returns the path of the program, built once for all tests of a package.
func Build(t testing.TB) string {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "yilian-bin")
	if err != nil {
		return "", err
	}
	bin := filepath.Join(dir, "yilian")
	if out, err := exec.Command("go", "build", "-o", bin, "yilian/cmd/yilian").CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("build the program: %w\n%s", err, out), os.RemoveAll(dir))
	}
	return bin, nil
})

// Config writes a configuration file yilian.toml into a folder and returns its
// path. Each line is one setting, for example `address = "127.0.0.1:0"`; an
// address on a free port is added when no line sets one.
func Config(t testing.TB, dir string, lines ...string) string {
	t.Helper()
	text := strings.Join(lines, "\n") + "\n"
	if !strings.Contains(text, "address") {
		text = "address = \"127.0.0.1:0\"\n" + text
	}
	path := filepath.Join(dir, "yilian.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// EmptyPostgres makes a PostgreSQL database without tables, dropped after the
// test, and returns its address.
func EmptyPostgres(t testing.TB) string {
	t.Helper()
	base := os.Getenv("TEST_POSTGRES_URL")
	if base == "" {
		t.Fatal("TEST_POSTGRES_URL is not set")
	}
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	administer(t, base, `CREATE DATABASE `+name+` TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'`)
	t.Cleanup(func() { administer(t, base, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`) })
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

func administer(t testing.TB, base, stmt string) {
	t.Helper()
	d, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if _, err := d.ExecContext(context.Background(), stmt); err != nil {
		t.Error(err)
	}
}

// EachEngine runs fn with the target of an empty database: a SQLite file, and,
// when TEST_POSTGRES_URL names a server, a PostgreSQL database. With
// TEST_BOTH=1 a missing server is a failure.
func EachEngine(t *testing.T, fn func(t *testing.T, target string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, filepath.Join(t.TempDir(), "yilian.db")) })
	if os.Getenv("TEST_POSTGRES_URL") == "" && os.Getenv("TEST_BOTH") == "" {
		return
	}
	t.Run("postgres", func(t *testing.T) { fn(t, EmptyPostgres(t)) })
}

// Until polls until ready says true.
func Until(t testing.TB, what string, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never happened: %s", what)
		}
	}
}
