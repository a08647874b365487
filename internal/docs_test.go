package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestClausesNameExistingTests holds docs/clauses.md to the tests that it
// names as proofs: package.TestName, the package being a folder of internal or
// of test.
func TestClausesNameExistingTests(t *testing.T) {
	text, err := os.ReadFile("../docs/clauses.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\b([a-z]+)\.(Test\w+)`).FindAllStringSubmatch(string(text), -1)
	if len(named) < 20 {
		t.Fatalf("only %d proofs named", len(named))
	}
	for _, n := range named {
		if !hasTest(t, n[1], n[2]) {
			t.Errorf("docs/clauses.md names %s.%s, which does not exist", n[1], n[2])
		}
	}
}

func hasTest(t *testing.T, pkg, name string) bool {
	t.Helper()
	for _, dir := range []string{pkg, filepath.Join("*", pkg), filepath.Join("..", "test", pkg)} {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "func "+name+"(") {
				return true
			}
		}
	}
	return false
}
