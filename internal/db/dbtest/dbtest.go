// Package dbtest gives tests a fresh, migrated database of each engine.
package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"yilian/internal/db"
)

// Clock is the instant every test database starts at: Monday 2026-03-02 09:00
// in Shanghai, an ordinary working day.
var Clock = time.Date(2026, 3, 2, 1, 0, 0, 0, time.UTC)

// Each runs fn on a fresh SQLite database and, when TEST_POSTGRES_URL names a
// server, on a fresh PostgreSQL one. With TEST_BOTH=1 (make test) a missing
// server is a failure, not a skip.
func Each(t *testing.T, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite(t)) })
	if os.Getenv("TEST_POSTGRES_URL") == "" {
		if os.Getenv("TEST_BOTH") != "" {
			t.Fatal("TEST_POSTGRES_URL is not set: the PostgreSQL half of this test did not run")
		}
		return
	}
	t.Run("postgres", func(t *testing.T) { fn(t, Postgres(t)) })
}

// SQLite opens a fresh migrated file that disappears with the test.
func SQLite(t testing.TB) *db.DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	seed, err := template()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, path)
}

// template migrates one file a process and hands out its bytes: 20 times
// faster than migrating for every test.
var template = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "yilian-template")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "t.db")
	ctx := context.Background()
	d, err := db.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := d.Migrate(ctx); err != nil {
		return nil, err
	}
	if err := d.Close(); err != nil { // checkpoints the write-ahead log
		return nil, err
	}
	return os.ReadFile(path)
})

// Postgres creates a database from a migrated template and drops it after.
func Postgres(t testing.TB) *db.DB {
	t.Helper()
	target := PostgresURL(t)
	return open(t, target)
}

// PostgresURL creates a migrated database and returns its address, for tests
// that start the real program on it.
func PostgresURL(t testing.TB) string {
	t.Helper()
	base := os.Getenv("TEST_POSTGRES_URL")
	if base == "" {
		t.Fatal("TEST_POSTGRES_URL is not set")
	}
	admin, err := sql.Open("pgx", base)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	tmpl, err := postgresTemplate()
	if err != nil {
		t.Fatal(err)
	}
	name := "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := admin.Exec(`CREATE DATABASE ` + name + ` TEMPLATE ` + tmpl); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { drop(base, name) })
	return withDatabase(base, name)
}

func drop(base, name string) {
	admin, err := sql.Open("pgx", base)
	if err != nil {
		return
	}
	defer admin.Close()
	_, _ = admin.Exec(`DROP DATABASE IF EXISTS ` + name + ` WITH (FORCE)`) // a left-over does no harm
}

var postgresTemplate = sync.OnceValues(func() (string, error) {
	base := os.Getenv("TEST_POSTGRES_URL")
	admin, err := sql.Open("pgx", base)
	if err != nil {
		return "", err
	}
	defer admin.Close()
	name := fmt.Sprintf("tmpl_%d_%d", os.Getpid(), time.Now().UnixNano())
	if _, err := admin.Exec(`CREATE DATABASE ` + name + ` TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'`); err != nil {
		return "", err
	}
	ctx := context.Background()
	d, err := db.Open(ctx, withDatabase(base, name))
	if err != nil {
		return "", err
	}
	if err := d.Migrate(ctx); err != nil {
		return "", err
	}
	return name, d.Close()
})

func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	u.Path = "/" + name
	return u.String()
}

func open(t testing.TB, target string) *db.DB {
	t.Helper()
	d, err := db.Open(context.Background(), target)
	if err != nil {
		t.Fatal(err)
	}
	d.Now = func() time.Time { return Clock }
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// SetClock sets the clock of d.
func SetClock(d *db.DB, at time.Time) { d.Now = func() time.Time { return at } }

// View reads from d in a transaction of its own.
func View[T any](t testing.TB, d *db.DB, read func(tx *db.Tx) (T, error)) T {
	t.Helper()
	var v T
	err := d.View(t.Context(), func(tx *db.Tx) (err error) {
		v, err = read(tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
