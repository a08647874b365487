package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"

	"yilian/internal/db"
)

// Ground is what many tests begin with: rows of a few tables that one filling
// writes. The filling runs once a process for each engine; the other tests get
// the rows it left, which is many times faster.
type Ground struct {
	Tables []string // those that Fill writes, the referred ones first
	Fill   func(ctx context.Context, tx *db.Tx) error

	mu   sync.Mutex
	rows map[db.Engine][]load
}

// load is the content of one table.
type load struct {
	insert string
	args   []any
}

// Lay puts the ground into a database. One that has rows there already is
// filled once more, as at a second start of the program.
func (g *Ground) Lay(t testing.TB, d *db.DB) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		empty, err := g.empty(t.Context(), tx)
		if err != nil {
			return err
		}
		if kept, ok := g.rows[d.Engine()]; ok && empty {
			return put(t.Context(), tx, kept)
		}
		return g.Fill(t.Context(), tx)
	})
	if err == nil && g.rows[d.Engine()] == nil {
		err = g.keep(t.Context(), d)
	}
	if err != nil {
		t.Fatalf("lay the ground of %s: %v", g.Tables[0], err)
	}
}

func (g *Ground) empty(ctx context.Context, tx *db.Tx) (bool, error) {
	for _, table := range g.Tables {
		if n, err := db.Count(ctx, tx, `SELECT count(*) FROM `+table); err != nil || n > 0 {
			return false, err
		}
	}
	return true, nil
}

func put(ctx context.Context, tx *db.Tx, kept []load) error {
	for _, l := range kept {
		if err := tx.InsertAll(ctx, l.insert, l.args); err != nil {
			return err
		}
	}
	return nil
}

// keep reads what the filling has left.
func (g *Ground) keep(ctx context.Context, d *db.DB) error {
	raw, err := sql.Open(map[db.Engine]string{db.SQLite: "sqlite", db.Postgres: "pgx"}[d.Engine()], d.Target())
	if err != nil {
		return err
	}
	defer raw.Close()
	var all []load
	for _, table := range g.Tables {
		l, err := read(ctx, raw, table)
		if err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
		all = append(all, l)
	}
	if g.rows == nil {
		g.rows = map[db.Engine][]load{}
	}
	g.rows[d.Engine()] = all
	return nil
}

func read(ctx context.Context, raw *sql.DB, table string) (l load, err error) {
	rows, err := raw.QueryContext(ctx, `SELECT * FROM `+table+` ORDER BY 1`)
	if err != nil {
		return l, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return l, err
	}
	places := make([]string, len(columns))
	for i := range columns {
		places[i] = fmt.Sprintf("$%d", i+1)
	}
	l.insert = `INSERT INTO ` + table + ` (` + strings.Join(columns, ", ") + `) VALUES (` + strings.Join(places, ", ") + `)`
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return l, err
		}
		l.args = append(l.args, values...)
	}
	return l, rows.Err()
}
