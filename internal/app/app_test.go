package app

import (
	"path/filepath"
	"strings"
	"testing"

	"yilian/internal/web"
)

// Every item of the menu has an icon that exists, a title and a place of its
// own; no heading stands in the menu twice.
func TestMenu(t *testing.T) {
	dir := t.TempDir()
	a, err := Open(t.Context(), Config{Database: filepath.Join(dir, "yilian.db"), KeyFile: filepath.Join(dir, "yilian.keys")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	items := a.Site.Items()
	if len(items) < 15 {
		t.Fatalf("only %d items in the menu", len(items))
	}
	paths := map[string]bool{}
	for _, it := range items {
		if !web.HasIcon(it.Icon) {
			t.Errorf("%s: no icon %q", it.Title, it.Icon)
		}
		if it.Title == "" || !strings.HasPrefix(it.Path, "/") || paths[it.Path] {
			t.Errorf("item %q leads to %q", it.Title, it.Path)
		}
		paths[it.Path] = true
	}
	seen := map[string]bool{}
	for _, g := range web.Groups(items) {
		if seen[g.Title] {
			t.Errorf("heading %q stands twice", g.Title)
		}
		seen[g.Title] = true
	}
	if paths["/account"] {
		t.Error("我的账号 stands in the menu of the person at the top right, and here too")
	}
}
