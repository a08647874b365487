package app

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"yilian/internal/policy"
	"yilian/internal/policy/policytest"
	"yilian/internal/policy/policyweb"
	"yilian/internal/web"
)

// TestAnswers holds every line of the register against the clauses that are
// loaded, the pages of the menu with their rights, and the proofs in
// docs/clauses.md.
func TestAnswers(t *testing.T) {
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
	book := policytest.Shipped(t)
	docs, err := os.ReadFile("../../docs/clauses.md")
	if err != nil {
		t.Fatal(err)
	}
	proved := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([A-Z]+-\S+) \| (whole|part|data) \|`).FindAllStringSubmatch(string(docs), -1) {
		proved[m[1]] = m[2]
	}
	for id, x := range answered {
		if _, _, ok := book.Clause(id); !ok {
			t.Errorf("%s is no clause", id)
		}
		for _, path := range x.Pages {
			i := slices.IndexFunc(a.Site.Items(), func(it web.Item) bool { return it.Path == path })
			if i < 0 {
				t.Errorf("%s leads to %s, which is no page of the menu", id, path)
			}
		}
		if x.State == policyweb.Whole && proved[id] != "whole" {
			t.Errorf("%s is said to be whole, docs/clauses.md says %q", id, proved[id])
		}
		if (x.State == policyweb.Part) != (x.Lacks != "") {
			t.Errorf("%s: a part says what is lacking, a whole lacks nothing", id)
		}
	}
	for key := range a.figures() {
		found := false
		for _, p := range book.Profiles() {
			for _, c := range p.Clauses() {
				found = found || slices.ContainsFunc(c.Targets, func(x policy.Target) bool { return x.Indicator+"/"+x.Scope == key })
			}
		}
		if !found {
			t.Errorf("a figure is computed for %s, which no clause asks for", key)
		}
	}
}
