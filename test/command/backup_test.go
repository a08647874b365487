package command_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"yilian/internal/simulate"
	"yilian/test/harness"
)

// TestBackupAndRestore copies a serving demo to both engines, and from there
// to both again.
func TestBackupAndRestore(t *testing.T) {
	source := demoSite(t)
	p := source.serve(t)
	live := filepath.Join(t.TempDir(), "live.backup")
	while(t, p, func() { good(t, source.run(t, "backup", "--to", live), "已备份", "密钥文件") })
	if code := p.Stop(); code != 0 {
		t.Fatalf("exit code %d: %s", code, p.Stderr())
	}
	quiet := filepath.Join(t.TempDir(), "quiet.backup")
	good(t, source.run(t, "backup", "--to", quiet), "已备份")
	want := source.tables(t)
	for name, n := range map[string]int64{"patient": simulate.Residents, "referral": 100, "audit_leaf": 1000, "account": 60} {
		if want[name] < n {
			t.Errorf("the demo has %d rows in %s", want[name], name)
		}
	}
	harness.EachEngine(t, func(t *testing.T, target string) {
		copied := newSite(t, target)
		copied.lendKeys(t, source.keys)
		good(t, copied.run(t, "restore", "--from", quiet), "已恢复", "审计链完整")
		if got := copied.tables(t); !maps.Equal(got, want) {
			t.Errorf("rows: %v, want %v", got, want)
		}
		refused(t, copied.run(t, "restore", "--from", quiet), 1, "不是空的")
		if got := copied.tables(t); !maps.Equal(got, want) {
			t.Errorf("after the refused restore: %v", got)
		}
		p := copied.serve(t)
		again := filepath.Join(t.TempDir(), "again.backup")
		while(t, p, func() { good(t, copied.run(t, "backup", "--to", again), "已备份") })
		p.Stop()
		harness.EachEngine(t, func(t *testing.T, target string) {
			third := newSite(t, target)
			third.lendKeys(t, source.keys)
			good(t, third.run(t, "restore", "--from", again), "审计链完整")
			p := third.serve(t)
			doctor(t, p)
			p.Stop()
			good(t, third.run(t, "audit", "verify"), "审计链完整", "待封存 0 条")
		})
	})
	first := sqliteSite(t)
	first.lendKeys(t, source.keys)
	good(t, first.run(t, "restore", "--from", live), "审计链完整")
}

// while runs fn while two doctors keep opening patients.
func while(t *testing.T, p *harness.Process, fn func()) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	var busy sync.WaitGroup
	for range 2 {
		c := doctor(t, p)
		patients := c.Get("/patients?q=li").Links("/patients/0")
		if len(patients) == 0 {
			t.Fatal("the doctor finds nobody")
		}
		busy.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				page, err := c.Do(ctx, "GET", patients[i%len(patients)], nil)
				if ctx.Err() == nil && (err != nil || page.Status != 200 && page.Status != 403) {
					t.Errorf("patient page: %d %v", page.Status, err)
					return
				}
			}
		})
	}
	fn()
	end()
	busy.Wait()
}

// TestWrongBackups are refused with nothing written.
func TestWrongBackups(t *testing.T) {
	source := sqliteSite(t)
	source.serve(t).Stop()
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	good(t, source.run(t, "backup", "--to", whole), "已备份")
	text := read(t, whole)
	flipped := append([]byte{}, text...)
	flipped[len(flipped)/2] ^= 0x55
	files := map[string][]byte{
		"cut": text[:len(text)*2/3], "cut at the end": text[:len(text)-4], "flipped": flipped,
		"empty": {}, "other": []byte("a letter"),
	}
	harness.EachEngine(t, func(t *testing.T, target string) {
		s := newSite(t, target)
		refused(t, s.run(t, "restore", "--from", whole), 1, "找不到密钥文件")
		s.lendKeys(t, source.keys)
		for name, content := range files {
			path := filepath.Join(dir, name)
			must(t, os.WriteFile(path, content, 0o600))
			refused(t, s.run(t, "restore", "--from", path), 2, "错误：")
			untouched(t, s)
		}
		refused(t, s.run(t, "restore", "--from", filepath.Join(dir, "none")), 2, "读不到备份文件")
		sqliteSiteWithKeys(t, s.keys)
		refused(t, s.run(t, "restore", "--from", whole), 1, "不相配", s.keys)
		untouched(t, s)
		s.lendKeys(t, source.keys)
		good(t, s.run(t, "restore", "--from", whole), "审计链完整")
	})
	refused(t, source.run(t, "backup", "--to", filepath.Join(dir, "no", "folder")), 2, "备份文件")
}

// untouched demands that a refused restore left empty tables.
func untouched(t *testing.T, s site) {
	t.Helper()
	for name, n := range s.tables(t) {
		if n > 0 && name != "audit_head" {
			t.Errorf("%d rows in %s", n, name)
		}
	}
}

// TestBackupOnFullDisk leaves no file behind.
func TestBackupOnFullDisk(t *testing.T) {
	s := demoSite(t)
	dir := t.TempDir()
	r := harness.RunAs(t, limited(t, 64, "backup", "--config", s.config, "--to", filepath.Join(dir, "b")))
	refused(t, r, 1, "备份没有写成", "磁盘空间")
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
