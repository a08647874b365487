package internal_test

import (
	"context"
	"database/sql"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// statement is one SQL text found in the source.
type statement struct{ where, text string }

// queryArg says which argument of a call of package db, or of a method of
// db.Tx, is the query.
var queryArg = map[string]int{"db.Get": 4, "db.List": 3, "db.Count": 2, "db.Expand": 0, ".Exec": 1, ".InsertAll": 1, ".Later": 0}

// TestEveryStatementPreparesOnBothEngines collects the constant statements
// from the source and prepares each on SQLite and on PostgreSQL. A query that
// is not a constant is an error, but for the result of db.Expand.
func TestEveryStatementPreparesOnBothEngines(t *testing.T) {
	all := collect(t)
	if len(all) < 100 {
		t.Fatalf("only %d statements found: the collector is broken", len(all))
	}
	t.Run("sqlite", func(t *testing.T) {
		raw, err := sql.Open("sqlite", dbtest.SQLite(t).Target())
		if err != nil {
			t.Fatal(err)
		}
		prepareAll(t, raw, all)
	})
	if os.Getenv("TEST_POSTGRES_URL") == "" {
		if os.Getenv("TEST_BOTH") != "" {
			t.Fatal("TEST_POSTGRES_URL is not set")
		}
		return
	}
	t.Run("postgres", func(t *testing.T) {
		raw, err := sql.Open("pgx", dbtest.PostgresURL(t))
		if err != nil {
			t.Fatal(err)
		}
		prepareAll(t, raw, all)
	})
}

func prepareAll(t *testing.T, raw *sql.DB, all []statement) {
	t.Helper()
	defer raw.Close()
	for _, s := range all {
		stmt, err := raw.PrepareContext(context.Background(), s.text)
		if err != nil {
			t.Errorf("%s: %v\n%s", s.where, err, s.text)
			continue
		}
		if err := stmt.Close(); err != nil { //nolint:sqlclosecheck // thousands of statements must not stay open until the end
			t.Error(err)
		}
	}
}

var placeholder = regexp.MustCompile(`\$(\d+)`)

// expanded replaces $list by the next free placeholder.
func expanded(text string) string {
	top := 0
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		top = max(top, n)
	}
	return strings.ReplaceAll(text, "$list", fmt.Sprintf("$%d", top+1))
}

func collect(t *testing.T) []statement {
	t.Helper()
	byDir := map[string][]string{}
	walkGo(t, func(file, pkg string) {
		if pkg != "db" && pkg != "db/dbtest" {
			byDir[pkg] = append(byDir[pkg], file)
		}
	})
	var out []statement
	for _, files := range byDir {
		fset := token.NewFileSet()
		var parsed []*ast.File
		consts := map[string]ast.Expr{}
		for _, file := range files {
			f, err := parser.ParseFile(fset, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, f)
			constants(f, consts)
		}
		for _, f := range parsed {
			out = append(out, statementsOf(t, fset, f, consts)...)
		}
	}
	return out
}

// constants gathers all constant declarations of a file by name.
func constants(f *ast.File, into map[string]ast.Expr) {
	ast.Inspect(f, func(n ast.Node) bool {
		d, ok := n.(*ast.GenDecl)
		if !ok || d.Tok != token.CONST {
			return true
		}
		for _, spec := range d.Specs {
			v := spec.(*ast.ValueSpec)
			for i, name := range v.Names {
				if i < len(v.Values) {
					into[name.Name] = v.Values[i]
				}
			}
		}
		return true
	})
}

func statementsOf(t *testing.T, fset *token.FileSet, f *ast.File, consts map[string]ast.Expr) []statement {
	var out []statement
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		i, ok := queryIndex(call)
		if !ok || i >= len(call.Args) {
			return true
		}
		where := fset.Position(call.Pos())
		at := fmt.Sprintf("%s:%d", filepath.ToSlash(where.Filename), where.Line)
		text, ok := fold(call.Args[i], consts, 0)
		switch {
		case ok:
			out = append(out, statement{at, expanded(text)})
		case isExpanded(call.Args[i]):
		default:
			t.Errorf("%s: the statement is not a constant", at)
		}
		return true
	})
	return out
}

// queryIndex reports whether a call runs a statement and which argument it is.
func queryIndex(call *ast.CallExpr) (int, bool) {
	fun := call.Fun
	switch x := fun.(type) { // db.Get[T](…)
	case *ast.IndexExpr:
		fun = x.X
	case *ast.IndexListExpr:
		fun = x.X
	}
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return 0, false
	}
	if id, ok := sel.X.(*ast.Ident); ok {
		if i, ok := queryArg[id.Name+"."+sel.Sel.Name]; ok {
			return i, true
		}
		if i, ok := queryArg["."+sel.Sel.Name]; ok && (id.Name == "tx") {
			return i, true
		}
	}
	return 0, false
}

// isExpanded allows a variable, which by convention holds db.Expand's result;
// the text itself is checked where Expand is called.
func isExpanded(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && (id.Name == "query" || id.Name == "q")
}

// fold evaluates a constant string expression.
func fold(e ast.Expr, consts map[string]ast.Expr, depth int) (string, bool) {
	if depth > 20 {
		return "", false
	}
	switch x := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(x.Value)
		return s, err == nil && x.Kind == token.STRING
	case *ast.ParenExpr:
		return fold(x.X, consts, depth+1)
	case *ast.BinaryExpr:
		a, ok1 := fold(x.X, consts, depth+1)
		b, ok2 := fold(x.Y, consts, depth+1)
		return a + b, ok1 && ok2 && x.Op == token.ADD
	case *ast.Ident:
		c, ok := consts[x.Name]
		if !ok {
			return "", false
		}
		return fold(c, consts, depth+1)
	}
	return "", false
}

var _ = db.SQLite // the engines' drivers are linked through package db
