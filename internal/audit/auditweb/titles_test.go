package auditweb

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"yilian/internal/consult"
	"yilian/internal/flow"
	"yilian/internal/referral"
)

// Every action that the program writes into the audit log has a title of its
// own, and every title stands for an action that the program writes.
func TestEveryActionHasATitle(t *testing.T) {
	codes := collect(t, "../..")
	if len(codes) < 80 {
		t.Fatalf("only %d actions were found in the source", len(codes))
	}
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		if actions[code] == "" {
			t.Errorf("%s is written at %s and has no title", code, codes[code])
		}
	}
	for _, code := range slices.Sorted(maps.Keys(actions)) {
		if codes[code] == "" {
			t.Errorf("%s has a title and is written nowhere", code)
		}
	}
}

var codePattern = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)+$`)

// collect finds the codes: values of a field, variable or parameter that is
// called action, and the actions of machines under their kind.
func collect(t *testing.T, root string) map[string]string {
	t.Helper()
	codes := map[string]string{}
	machines := []flow.Machine{referral.Machine(), referral.ConsentMachine(), consult.Machine()}
	for _, m := range machines {
		for _, a := range m.Actions {
			codes[m.Kind+"."+a.Name] = "the machine of " + m.Kind
		}
	}
	folders := map[string][]*ast.File{}
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_templ.go") {
			return err
		}
		f, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		folders[filepath.Dir(path)] = append(folders[filepath.Dir(path)], f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for folder, files := range folders {
		take := func(e ast.Expr) {
			if code := literal(e); codePattern.MatchString(code) {
				codes[code] = set.Position(e.Pos()).String()
			}
		}
		place := places(files)
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool { written(n, place, take); return true })
			if filepath.Base(folder) == "flow" {
				for _, name := range engineActions(f) {
					for _, m := range machines {
						codes[m.Kind+"."+name] = "the engine of cases"
					}
				}
			}
		}
	}
	return codes
}

func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return s
}

// places says at which place each function of a package takes its action.
func places(files []*ast.File) map[string]int {
	out := map[string]int{}
	for _, f := range files {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			at := 0
			for _, p := range fn.Type.Params.List {
				for _, name := range p.Names {
					if name.Name == "action" {
						out[fn.Name.Name] = at
					}
					at++
				}
			}
		}
	}
	return out
}

func written(n ast.Node, place map[string]int, take func(ast.Expr)) {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Action" {
			take(n.Value)
		}
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			if name, ok := left.(*ast.Ident); ok && name.Name == "action" && i < len(n.Rhs) {
				take(n.Rhs[i])
			}
		}
	case *ast.CallExpr:
		name := ""
		switch fn := n.Fun.(type) {
		case *ast.Ident:
			name = fn.Name
		case *ast.SelectorExpr:
			name = fn.Sel.Name
		}
		if at, ok := place[name]; ok && at < len(n.Args) {
			take(n.Args[at])
		}
	}
}

// engineActions are the constants actionOpen, ActionClaim and so on of flow.
func engineActions(f *ast.File) []string {
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range v.Names {
			if strings.HasPrefix(strings.ToLower(name.Name), "action") && i < len(v.Values) && literal(v.Values[i]) != "" {
				out = append(out, literal(v.Values[i]))
			}
		}
		return true
	})
	return out
}
