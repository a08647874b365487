// Package db opens SQLite or PostgreSQL and runs transactions. It is the only
// package that knows which engine is in use: every other package writes one
// SQL text with $N placeholders that runs on both.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
)

// Engine names a database engine.
type Engine string

const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// DB is one database. On SQLite it holds one writing connection and several
// reading ones (docs/adr/0002); on PostgreSQL two pools, so that readers that
// wait for a writer (audit's group commit) cannot use up its connections.
type DB struct {
	// Now is the clock of all transactions; tests and the demo replace it.
	Now func() time.Time
	// Touched is told in each writing transaction, before it commits, which
	// things were written in it; nil: nobody listens. Set it before the first
	// transaction.
	Touched func(ctx context.Context, tx *Tx, things []Thing) error

	engine      Engine
	target      string // file path or postgres URL, for backup and messages
	write, read *sql.DB
	gather      gatherer  // parts of Group on SQLite
	log         logKeeper // of SQLite
}

// Open connects to a SQLite file (a path) or to PostgreSQL (postgres://…). It
// does not migrate; see Migrate.
func Open(ctx context.Context, target string) (*DB, error) {
	d := &DB{Now: time.Now, target: target}
	var err error
	if IsPostgres(target) {
		d.engine = Postgres
		err = d.openPostgres()
	} else {
		d.engine = SQLite
		err = d.openSQLite()
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := d.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", explain(err)), d.Close())
	}
	return d, nil
}

// IsPostgres reports whether target names a PostgreSQL database.
func IsPostgres(target string) bool {
	return strings.HasPrefix(target, "postgres://") || strings.HasPrefix(target, "postgresql://")
}

// maxConns is how many connections each pool to PostgreSQL may hold.
const maxConns = 12

func (d *DB) openPostgres() error {
	pools := [2]*sql.DB{}
	readOnly, err := readOnly(d.target)
	if err != nil {
		return err
	}
	for i, target := range []string{d.target, readOnly} {
		pool, err := sql.Open("pgx", target)
		if err != nil {
			return err
		}
		pool.SetMaxOpenConns(maxConns)
		pool.SetMaxIdleConns(maxConns)
		pool.SetConnMaxIdleTime(5 * time.Minute)
		pools[i] = pool
	}
	d.write, d.read = pools[0], pools[1]
	return nil
}

// readOnly is the address of a database whose connections write nothing.
func readOnly(target string) (string, error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	q := u.Query()
	q.Set("default_transaction_read_only", "on")
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// What a connection to SQLite keeps of the file in memory, in KB as its pragma
// wants it, and what the writer keeps during Roomy.
const (
	pageCache = "-32000"
	roomCache = "-200000"
)

func (d *DB) openSQLite() error {
	if err := os.MkdirAll(filepath.Dir(d.target), 0o700); err != nil {
		return err
	}
	pragmas := url.Values{"_pragma": {
		"busy_timeout(15000)", "journal_mode(WAL)", "foreign_keys(1)",
		"synchronous(FULL)", "case_sensitive_like(1)", "cache_size(" + pageCache + ")", "temp_store(2)",
	}}
	dsn := "file:" + (&url.URL{Path: d.target}).EscapedPath() + "?" + pragmas.Encode()
	d.write = openLite(dsn+"&_pragma=wal_autocheckpoint("+logPages+")", `BEGIN IMMEDIATE`)
	d.write.SetMaxOpenConns(1)
	d.read = openLite(dsn+"&_pragma=query_only(1)", `BEGIN`)
	d.log.open(dsn)
	d.read.SetMaxOpenConns(8)
	d.read.SetMaxIdleConns(8)
	return nil
}

// Engine returns the engine in use, for the few places that must differ.
func (d *DB) Engine() Engine { return d.engine }

// Target returns the file path or URL that was opened.
func (d *DB) Target() string { return d.target }

// Ping checks that the database answers.
func (d *DB) Ping(ctx context.Context) error { return d.write.PingContext(ctx) }

// Close closes all connections.
func (d *DB) Close() error {
	return errors.Join(d.log.close(), d.write.Close(), d.read.Close())
}

// attempts bounds how often a transaction is run again after the engine asked
// for it (serialization failure, deadlock).
const attempts = 12

// Tx runs fn in a writing transaction and commits if fn returns nil. When the
// engine reports a serialization failure, fn runs again from the start with a
// new clock reading: fn must not have effects outside the transaction except
// through AfterCommit.
func (d *DB) Tx(ctx context.Context, fn func(*Tx) error) error {
	for try := 1; ; try++ {
		ends, err := d.once(ctx, fn)
		if err == nil || !isRetryable(err) || try == attempts || ctx.Err() != nil {
			for _, f := range ends {
				f()
			}
			return explain(err)
		}
		pause := time.Duration(rand.Int64N(int64(4*time.Millisecond) << min(try, 6)))
		select {
		case <-ctx.Done():
			return explain(err)
		case <-time.After(pause):
		}
	}
}

// once runs fn in one attempt and returns what is to run after the last one.
func (d *DB) once(ctx context.Context, fn func(*Tx) error) (ends []func(), err error) {
	opts := &sql.TxOptions{}
	if d.engine == Postgres {
		opts.Isolation = sql.LevelRepeatableRead
	}
	raw, err := begin(ctx, d.write, opts)
	if err != nil {
		return nil, err
	}
	tx := &Tx{Now: d.now(), raw: raw, engine: d.engine, listener: d.Touched}
	defer func() {
		if r := recover(); r != nil {
			_ = raw.Rollback() // the panic is what matters
			panic(r)
		}
	}()
	err = fn(tx)
	if err == nil {
		err = tx.Settle(ctx)
	}
	if err == nil {
		err = tx.insertWaiting(ctx)
	}
	if err != nil {
		if rerr := raw.Rollback(); rerr != nil && !errors.Is(rerr, sql.ErrTxDone) {
			return tx.ends, errors.Join(err, rerr)
		}
		return tx.ends, err
	}
	if err := raw.Commit(); err != nil {
		if isLost(err) {
			return tx.ends, uncertain(err)
		}
		return tx.ends, fmt.Errorf("commit: %w", err)
	}
	d.log.grown()
	for _, f := range tx.after {
		f()
	}
	return tx.ends, nil
}

// begin begins a transaction. A connection of the pool may have died since it
// was last used (the server was started again): nothing has been asked of it
// yet, so another is taken, until none of the old ones is left.
func begin(ctx context.Context, pool *sql.DB, opts *sql.TxOptions) (*sql.Tx, error) {
	for try := 0; ; try++ {
		raw, err := pool.BeginTx(ctx, opts)
		if err == nil {
			return raw, nil
		}
		if !isLost(err) || try == maxConns || ctx.Err() != nil {
			return nil, fmt.Errorf("begin: %w", err)
		}
	}
}

// View runs fn in a read-only transaction: one snapshot, no writes.
func (d *DB) View(ctx context.Context, fn func(*Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: d.engine == Postgres}
	if d.engine == Postgres {
		opts.Isolation = sql.LevelRepeatableRead
	}
	raw, err := begin(ctx, d.read, opts)
	if err != nil {
		return explain(err)
	}
	tx := &Tx{Now: d.now(), ReadOnly: true, raw: raw, engine: d.engine}
	return tx.look(fn, raw.Rollback) // nothing was written
}

// Glance is View for who reads one thing by a few statements: on PostgreSQL
// each sees what is committed when it begins, so that the round trips of a
// transaction are saved, which cost as much as the reading.
func (d *DB) Glance(ctx context.Context, fn func(*Tx) error) error {
	if d.engine != Postgres {
		return d.View(ctx, fn)
	}
	raw, err := d.read.Conn(ctx)
	if err != nil {
		return explain(fmt.Errorf("connect: %w", err))
	}
	tx := &Tx{Now: d.now(), ReadOnly: true, raw: raw, engine: d.engine}
	return tx.look(fn, raw.Close)
}

// look runs fn, gives the connection back and waits for what fn awaits.
func (tx *Tx) look(fn func(*Tx) error, end func() error) error {
	err := tx.view(fn, end)
	for _, f := range tx.waits {
		err = firstError(err, f())
	}
	return explain(err)
}

// view runs fn and gives the snapshot back.
func (tx *Tx) view(fn func(*Tx) error, end func() error) error {
	defer func() {
		_ = end() // the answer stands
		for _, f := range tx.ends {
			f()
		}
	}()
	return fn(tx)
}

// Roomy runs fn while the writer of SQLite keeps more of the file in memory: for
// loads that touch pages all over it, of which each commit would read and write
// most again.
func (d *DB) Roomy(ctx context.Context, fn func() error) (err error) {
	if d.engine != SQLite {
		return fn()
	}
	if _, err := d.write.ExecContext(ctx, `PRAGMA cache_size=`+roomCache); err != nil {
		return fmt.Errorf("make room: %w", err)
	}
	defer func() {
		for _, stmt := range []string{`PRAGMA cache_size=` + pageCache, `PRAGMA shrink_memory`} {
			if _, e := d.write.ExecContext(context.WithoutCancel(ctx), stmt); e != nil {
				err = errors.Join(err, fmt.Errorf("give room back: %w", e))
			}
		}
	}()
	return fn()
}

// Bulk runs fn with commits that do not wait for the disk on SQLite: for
// filling a new database that is thrown away when the machine fails meanwhile.
func (d *DB) Bulk(ctx context.Context, fn func() error) (err error) {
	if d.engine != SQLite {
		return fn()
	}
	if _, err := d.write.ExecContext(ctx, `PRAGMA synchronous=OFF`); err != nil {
		return fmt.Errorf("bulk: %w", err)
	}
	defer func() {
		for _, stmt := range []string{`PRAGMA wal_checkpoint(TRUNCATE)`, `PRAGMA synchronous=FULL`} {
			if _, e := d.write.ExecContext(context.WithoutCancel(ctx), stmt); e != nil {
				err = errors.Join(err, fmt.Errorf("bulk: %w", e))
			}
		}
	}()
	return fn()
}

func (d *DB) now() time.Time { return d.Now().UTC().Truncate(time.Millisecond) }
