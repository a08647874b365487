package db

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// later are rows of one table that wait to be inserted. They stay in args when
// they are in the database, until the transaction ends: a savepoint that is
// undone takes rows away that were written before it and inserted within.
type later struct {
	query, table string
	width        int   // values of a row
	args         []any // of all rows, one after the other
	done         int   // values whose rows are in the database
}

// errLater says that rows of Later were refused when they were inserted.
var errLater = errors.New("rows that waited")

// Later inserts rows as InsertAll does, but not yet: before the next statement
// of the transaction that names their table, and before the commit at the
// latest. A bundle of a hundred resources writes a thousand small rows that
// nobody reads meanwhile; together they cost few statements. It is for rows
// that no constraint can refuse: a refusal meets the transaction, not the act
// that wrote the row.
func (tx *Tx) Later(query string, args []any) error {
	if tx.ReadOnly {
		return fmt.Errorf("insert later: a view writes nothing: %q", query)
	}
	if len(args) == 0 {
		return nil
	}
	l := tx.laterOf(query)
	if l.width == 0 || len(args)%l.width != 0 {
		return fmt.Errorf("insert later: %d values do not fill rows of %q", len(args), query)
	}
	l.args = append(l.args, args...)
	tx.Forget(query)
	return nil
}

func (tx *Tx) laterOf(query string) *later {
	for _, l := range tx.laters {
		if l.query == query {
			return l
		}
	}
	l := &later{query: query}
	if words := strings.Fields(query); len(words) > 2 && words[0] == "INSERT" {
		l.table = words[2]
		l.width, _ = strconv.Atoi(strings.TrimSuffix(query[strings.LastIndexByte(query, '$')+1:], ")")) // 0 is refused
	}
	tx.laters = append(tx.laters, l)
	return l
}

// ready inserts what waits for tables that a statement names.
func (tx *Tx) ready(ctx context.Context, query string) error {
	for _, l := range tx.laters {
		if l.done < len(l.args) && strings.Contains(query, l.table) {
			if err := tx.insertLater(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertWaiting inserts everything that waits.
func (tx *Tx) insertWaiting(ctx context.Context) error {
	for _, l := range tx.laters {
		if err := tx.insertLater(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// insertLater inserts in numbers of rows that are powers of two, so that any
// number of rows makes few texts and their statements stay prepared.
func (tx *Tx) insertLater(ctx context.Context, l *later) error {
	for l.done < len(l.args) {
		rows := min((len(l.args)-l.done)/l.width, insertArgs/l.width)
		rows = 1 << (bits.Len(uint(rows)) - 1)
		next := l.done + rows*l.width
		if _, err := tx.raw.ExecContext(ctx, tuples(l.query, l.width, rows), l.args[l.done:next]...); err != nil {
			return explain(fmt.Errorf("%w: insert %s: %w", errLater, l.table, err))
		}
		l.done = next
	}
	return nil
}

// mark is how far the rows of a later had come.
type mark struct{ given, done int }

func (tx *Tx) marks() []mark {
	out := make([]mark, len(tx.laters))
	for i, l := range tx.laters {
		out[i] = mark{len(l.args), l.done}
	}
	return out
}

// unwind forgets the rows given since the marks were taken, and has those
// inserted again that were inserted since.
func (tx *Tx) unwind(marks []mark) {
	for i, l := range tx.laters {
		m := mark{}
		if i < len(marks) {
			m = marks[i]
		}
		clear(l.args[m.given:])
		l.args, l.done = l.args[:m.given], min(l.done, m.done)
	}
}
