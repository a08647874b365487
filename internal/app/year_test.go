package app_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/app"
)

// TestAdministratorIsToldOfTheMissingYear: in December, and not before, the
// system administrator finds a notice that next year's calendar is missing.
func TestAdministratorIsToldOfTheMissingYear(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	a, err := app.Open(ctx, app.Config{Database: filepath.Join(dir, "y.db"), KeyFile: filepath.Join(dir, "y.keys")})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	now := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	a.DB.Now = func() time.Time { return now }
	admin, err := a.Accounts.Seed(ctx, account.NewAccount{
		Login: "xitong", Name: "管理员", Posts: []account.NewPost{{Role: access.SystemAdmin, Org: "bureau", OrgName: "卫健局"}},
	}, "Lingling-2026", false)
	if err != nil {
		t.Fatal(err)
	}
	actor := access.Actor{Account: admin.ID, Role: string(access.SystemAdmin), Org: "bureau"}
	for _, step := range []struct {
		day  string
		want int
	}{{"2026-11-21", 0}, {"2026-12-01", 1}, {"2026-12-02", 2}} {
		day, err := time.Parse("2006-01-02", step.day)
		if err != nil {
			t.Fatal(err)
		}
		now = day.Add(3 * time.Hour)
		if err := a.Queue.Drain(ctx); err != nil {
			t.Fatal(err)
		}
		n, err := a.Messages.Unread(ctx, actor)
		if err != nil || n != step.want {
			t.Errorf("%s: %d notices (%v), want %d", step.day, n, err, step.want)
		}
	}
}
