package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"yilian/internal/errs"
)

// Tx is a transaction with one clock reading for everything done inside it.
type Tx struct {
	Now      time.Time // UTC, whole milliseconds
	ReadOnly bool      // a View: writes are refused by the engine

	raw      querier
	engine   Engine
	after    []func() // on success
	ends     []func() // either way
	waits    []func() error
	laters   []*later
	memos    []*memo
	touched  []Thing
	listener func(ctx context.Context, tx *Tx, things []Thing) error
}

// querier is what statements are asked of: a transaction or a connection.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
}

// Thing names a thing that a module keeps, for who follows what is written.
type Thing struct{ Kind, ID string }

// Touch notes that a thing has been written. DB.Touched is told of it once,
// after everything else of the transaction, and in the same transaction.
func (tx *Tx) Touch(kind, id string) { tx.touched = append(tx.touched, Thing{kind, id}) }

// Settle tells DB.Touched now of what was touched so far, for a caller who has
// to see what it makes of it.
func (tx *Tx) Settle(ctx context.Context) error {
	things := tx.touched
	tx.touched = nil
	if tx.listener == nil || len(things) == 0 {
		return nil
	}
	return tx.listener(ctx, tx, things)
}

// AfterCommit runs f once the transaction is committed; never if it is not.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// OnEnd runs f when the transaction is over, committed or not, once for all
// attempts: for what must be kept even when the transaction is refused.
func (tx *Tx) OnEnd(f func()) { tx.ends = append(tx.ends, f) }

// Await makes a View wait for f once its snapshot is given back, and fail when f
// fails: for what has to be durable before anybody is answered, and must not be
// waited for with a snapshot held, which keeps SQLite from reusing its log.
func (tx *Tx) Await(f func() error) { tx.waits = append(tx.waits, f) }

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := tx.ready(ctx, query); err != nil {
		return 0, err
	}
	tx.Forget(query)
	res, err := tx.raw.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, explain(err)
	}
	return res.RowsAffected()
}

// Scan is the Scan method of a row.
type Scan func(dest ...any) error

// Get reads one row; a missing row is errs.NotFound saying 没有找到<what>.
func Get[T any](ctx context.Context, tx *Tx, what string, read func(Scan) (T, error), query string, args ...any) (T, error) {
	var zero T
	if err := tx.ready(ctx, query); err != nil {
		return zero, err
	}
	v, err := read(tx.raw.QueryRowContext(ctx, query, args...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return zero, errs.Because(err, errs.NotFound, "没有找到%s", what)
	}
	return v, explain(err)
}

// List reads all rows.
func List[T any](ctx context.Context, tx *Tx, read func(Scan) (T, error), query string, args ...any) ([]T, error) {
	if err := tx.ready(ctx, query); err != nil {
		return nil, err
	}
	rows, err := tx.raw.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := read(rows.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, explain(rows.Err())
}

// Value is the reader of a single column, for Get and List.
func Value[T any](scan Scan) (v T, err error) { return v, scan(&v) }

// Count reads one integer.
func Count(ctx context.Context, tx *Tx, query string, args ...any) (int64, error) {
	return Get(ctx, tx, "计数", Value[int64], query, args...)
}

// Read gets one thing by its key in a transaction of its own; get is a read of
// the module that keeps it.
func Read[K, T any](ctx context.Context, d *DB, get func(context.Context, *Tx, K) (T, error), key K) (v T, err error) {
	err = d.View(ctx, func(tx *Tx) error {
		v, err = get(ctx, tx, key)
		return err
	})
	return v, err
}

// Expand replaces the word $list in a constant query by one placeholder for
// each value, numbered after args, and returns the query with all arguments.
// An empty list becomes NULL, which no value equals. The list is filled up with
// its last value to the next power of two, so that lists of any length make few
// texts and their statements stay prepared; it must stand in an IN.
func Expand[T any](query string, args []any, values []T) (string, []any) {
	if len(values) == 0 {
		return strings.ReplaceAll(query, "$list", "NULL"), args
	}
	n := 1 << bits.Len(uint(len(values)-1))
	if len(values) > listPadded {
		n = len(values)
	}
	b := make([]byte, 0, 6*n)
	all := append(make([]any, 0, len(args)+n), args...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		all = append(all, values[min(i, len(values)-1)])
		b = strconv.AppendInt(append(b, '$'), int64(len(all)), 10)
	}
	return strings.ReplaceAll(query, "$list", string(b)), all
}

// listPadded is the length up to which Expand fills lists up: longer ones are
// rare, and the engines bound the placeholders of a statement.
const listPadded = 512

// insertArgs is how many values one statement of InsertAll carries at most:
// fewer cost round trips, more are slower to parse than they save.
const insertArgs = 960

// InsertAll inserts many rows with few statements. query is the constant INSERT
// of one row, which ends with its tuple of placeholders: $1 to $n, in order.
// args holds the values of all rows, one row after the other.
func (tx *Tx) InsertAll(ctx context.Context, query string, args []any) error {
	width, err := strconv.Atoi(strings.TrimSuffix(query[strings.LastIndexByte(query, '$')+1:], ")"))
	if err != nil || len(args)%width != 0 {
		return fmt.Errorf("insert all: %d values do not fill rows of %q", len(args), query)
	}
	for rows := range slices.Chunk(args, max(1, insertArgs/width)*width) {
		if _, err := tx.Exec(ctx, tuples(query, width, len(rows)/width), rows...); err != nil {
			return err
		}
	}
	return nil
}

// tuples appends n-1 more tuples of placeholders to an INSERT that ends with
// its first one.
func tuples(query string, width, n int) string {
	var b strings.Builder
	b.Grow(len(query) + n*width*6)
	b.WriteString(query)
	for i := width; i < n*width; i++ {
		if i%width == 0 {
			b.WriteString(", (")
		} else {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
		if i%width == width-1 {
			b.WriteByte(')')
		}
	}
	return b.String()
}

// Savepoint runs fn; when fn fails, what it did is undone, its error is
// returned, and the transaction stays usable.
func (tx *Tx) Savepoint(ctx context.Context, fn func() error) error {
	if _, err := tx.Exec(ctx, `SAVEPOINT sp`); err != nil {
		return err
	}
	queued, touched, marks := len(tx.after), tx.touched, tx.marks()
	tx.touched = nil // settled inside is undone with it
	err := fn()
	if err != nil {
		tx.after, tx.touched = tx.after[:queued], touched
		tx.unwind(marks)
		tx.memos = nil
		if _, rerr := tx.Exec(ctx, `ROLLBACK TO SAVEPOINT sp`); rerr != nil {
			return errors.Join(err, rerr)
		}
	} else {
		tx.touched = append(touched, tx.touched...)
	}
	_, rerr := tx.Exec(ctx, `RELEASE SAVEPOINT sp`)
	return errors.Join(err, rerr)
}

// NewID returns a new UUIDv7 as text: unique, and ordered by time of making.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// Time is an instant in a BIGINT column of Unix milliseconds; the zero time is
// NULL.
type Time struct{ time.Time }

// At wraps an instant for a statement.
func At(t time.Time) Time { return Time{t} }

// Scan implements sql.Scanner.
func (t *Time) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		t.Time = time.Time{}
	case int64:
		t.Time = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("scan instant: unexpected %T", src)
	}
	return nil
}

// Value implements driver.Valuer.
func (t Time) Value() (driver.Value, error) {
	if t.IsZero() {
		return nil, nil
	}
	return t.UnixMilli(), nil
}

// Null is text in a nullable column; the empty string is NULL.
type Null string

// Scan implements sql.Scanner.
func (n *Null) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*n = ""
	case string:
		*n = Null(v)
	case []byte:
		*n = Null(v)
	default:
		return fmt.Errorf("scan text: unexpected %T", src)
	}
	return nil
}

// Value implements driver.Valuer.
func (n Null) Value() (driver.Value, error) {
	if n == "" {
		return nil, nil
	}
	return string(n), nil
}
