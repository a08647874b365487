package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"regexp"
	"strconv"
	"strings"

	"modernc.org/sqlite"
)

// Limits of the statements that one connection to SQLite keeps prepared: to
// parse and plan a text costs as much as to run it, and a kept one costs some
// kilobytes.
const (
	keptStatements = 256
	keptText       = 16 << 10 // bytes of SQL; longer texts do not come again
)

// liteConn is what the driver's connection can do.
type liteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// lite opens connections to one SQLite file that keep their statements. begin
// is the statement that begins a transaction.
type lite struct{ dsn, begin string }

// openLite returns a pool of such connections.
func openLite(dsn, begin string) *sql.DB { return sql.OpenDB(lite{dsn, begin}) }

// Driver implements driver.Connector.
func (lite) Driver() driver.Driver { return &sqlite.Driver{} }

// Connect implements driver.Connector.
func (l lite) Connect(context.Context) (driver.Conn, error) {
	raw, err := l.Driver().Open(l.dsn)
	if err != nil {
		return nil, err
	}
	return &keeper{liteConn: raw.(liteConn), begin: l.begin, kept: make(map[string]*kept, keptStatements)}, nil
}

// keeper is a connection that prepares each text once. database/sql uses a
// connection from one goroutine at a time.
type keeper struct {
	liteConn
	begin string
	kept  map[string]*kept
	uses  uint64
}

// BeginTx implements driver.ConnBeginTx: the driver parses BEGIN and COMMIT
// anew for each transaction.
func (k *keeper) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if opts != (driver.TxOptions{}) {
		return k.liteConn.BeginTx(ctx, opts)
	}
	if _, err := k.ExecContext(ctx, k.begin, nil); err != nil {
		return nil, err
	}
	return liteTx{k}, nil
}

// liteTx is a transaction that keeper has begun.
type liteTx struct{ k *keeper }

// Commit implements driver.Tx. When it fails the connection is left without a
// transaction, as database/sql expects.
func (t liteTx) Commit() error {
	_, err := t.k.ExecContext(context.Background(), `COMMIT`, nil)
	if err != nil {
		_ = t.Rollback() // fails when the engine has rolled back itself
	}
	return err
}

// Rollback implements driver.Tx.
func (t liteTx) Rollback() error {
	_, err := t.k.ExecContext(context.Background(), `ROLLBACK`, nil)
	return err
}

// kept is a prepared statement.
type kept struct {
	stmt liteStmt
	last uint64 // use, by count
	busy bool   // its rows are being read
}

type liteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// ExecContext implements driver.ExecerContext.
func (k *keeper) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := k.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return k.liteConn.ExecContext(ctx, query, args)
	}
	return s.stmt.ExecContext(ctx, args)
}

// QueryContext implements driver.QueryerContext.
func (k *keeper) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := k.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return k.liteConn.QueryContext(ctx, query, args)
	}
	rows, err := s.stmt.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.busy = true
	return keptRows{rows.(liteRows), s}, nil
}

var (
	placeholder = regexp.MustCompile(`\$([0-9]+)`)
	limit       = regexp.MustCompile(`LIMIT (\$[0-9]+)`)
)

// native is a text as SQLite does it with less work. The value of a LIMIT
// belongs to the plan, so that a kept text is parsed and planned anew for each
// use, but not when it is an expression. And placeholders that come in order
// need no names: the driver looks each name up in the list of all.
func native(query string) string {
	query = limit.ReplaceAllString(query, `LIMIT CAST(${1} AS INTEGER)`)
	if strings.ContainsRune(query, '\'') { // no placeholder within a literal
		return query
	}
	for i, found := range placeholder.FindAllStringSubmatch(query, -1) {
		if found[1] != strconv.Itoa(i+1) {
			return query
		}
	}
	return placeholder.ReplaceAllLiteralString(query, "?")
}

// statement returns the kept statement of a text; nil when the text is not to
// be kept or its statement is still giving rows.
func (k *keeper) statement(ctx context.Context, query string) (*kept, error) {
	k.uses++
	if s, ok := k.kept[query]; ok {
		if s.busy {
			return nil, nil
		}
		s.last = k.uses
		return s, nil
	}
	if len(query) > keptText || isPragma(query) {
		return nil, nil
	}
	if len(k.kept) >= keptStatements && !k.forget() {
		return nil, nil
	}
	raw, err := k.PrepareContext(ctx, native(query))
	if err != nil {
		return nil, err
	}
	s := &kept{stmt: raw.(liteStmt), last: k.uses}
	k.kept[query] = s
	return s, nil
}

// isPragma reports a setting: SQLite carries some out when it parses them, so
// that a kept one would do nothing the second time.
func isPragma(query string) bool {
	query = strings.TrimSpace(query)
	return len(query) >= 6 && strings.EqualFold(query[:6], "PRAGMA")
}

// forget closes the statement that was used longest ago.
func (k *keeper) forget() bool {
	oldest, text := (*kept)(nil), ""
	for query, s := range k.kept {
		if !s.busy && (oldest == nil || s.last < oldest.last) {
			oldest, text = s, query
		}
	}
	if oldest == nil {
		return false
	}
	delete(k.kept, text)
	return oldest.stmt.Close() == nil
}

// Close implements driver.Conn.
func (k *keeper) Close() error {
	for _, s := range k.kept {
		_ = s.stmt.Close() // the connection goes with it
	}
	return k.liteConn.Close()
}

// liteRows is what the driver's rows can tell; a backup asks for the types.
type liteRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
}

// keptRows gives the statement back when the rows are read.
type keptRows struct {
	liteRows
	of *kept
}

// Close implements driver.Rows.
func (r keptRows) Close() error {
	r.of.busy = false
	return r.liteRows.Close()
}
