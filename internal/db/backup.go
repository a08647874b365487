package db

import (
	"bufio"
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"yilian/internal/errs"
)

// The backup format is the same for both engines, so that a county can move
// from SQLite to PostgreSQL with it: gzip, one JSON value a line: a header,
// then for each table a head line and its rows, then a footer with the number
// of rows. It is read in one snapshot while the program runs.

const (
	backupFormat = "yilian-backup/1"
	gooseTable   = "goose_db_version"
)

type backupHead struct {
	Format  string `json:"format"`
	Version int64  `json:"version"` // newest migration
}

type backupTable struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

type backupFoot struct {
	Rows int64 `json:"rows"`
}

// Backup writes the whole database to w and returns the number of rows.
func (d *DB) Backup(ctx context.Context, w io.Writer) (rows int64, err error) {
	version, err := d.Version(ctx)
	if err != nil {
		return 0, err
	}
	zip := gzip.NewWriter(w)
	enc := json.NewEncoder(zip)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(backupHead{backupFormat, version}); err != nil {
		return 0, err
	}
	err = d.View(ctx, func(tx *Tx) error {
		tables, err := d.tables(ctx, tx)
		if err != nil {
			return err
		}
		for _, name := range tables {
			n, err := dump(ctx, tx, name, enc)
			if err != nil {
				return fmt.Errorf("back up table %s: %w", name, err)
			}
			rows += n
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := enc.Encode(backupFoot{rows}); err != nil {
		return 0, err
	}
	return rows, zip.Close()
}

func dump(ctx context.Context, tx *Tx, table string, enc *json.Encoder) (int64, error) {
	rows, err := tx.raw.QueryContext(ctx, `SELECT * FROM `+table) // the name comes from the catalogue
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return 0, err
	}
	if err := enc.Encode(backupTable{table, columns}); err != nil {
		return 0, err
	}
	values, dest := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	var n int64
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return n, err
		}
		for i, v := range values {
			values[i] = portable(v, types[i].DatabaseTypeName())
		}
		if err := enc.Encode(values); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}

// portable is a value as it stands in a backup: SQLite's truth is a number,
// PostgreSQL's is not.
func portable(v any, kind string) any {
	switch x := v.(type) {
	case []byte:
		return map[string]string{"b": base64.StdEncoding.EncodeToString(x)}
	case int64:
		if strings.HasPrefix(kind, "BOOL") {
			return x != 0
		}
	}
	return v
}

// Restore fills an empty, migrated database from a backup. It refuses a
// database that holds anything, a backup of another version, and a backup that
// ends early or is damaged; in each case nothing is written. The checks see the
// restored rows before they are committed and may refuse them.
func (d *DB) Restore(ctx context.Context, r io.Reader, checks ...func(*Tx) error) (rows int64, err error) {
	zip, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<20))
	if err != nil {
		return 0, errs.Because(err, errs.Invalid, "这不是本系统的备份文件，或文件已损坏")
	}
	dec := json.NewDecoder(zip)
	dec.UseNumber()
	var head backupHead
	if err := dec.Decode(&head); err != nil || head.Format != backupFormat {
		return 0, errs.Because(err, errs.Invalid, "这不是本系统的备份文件，或文件已损坏")
	}
	version, err := d.Version(ctx)
	if err != nil {
		return 0, err
	}
	if head.Version != version {
		return 0, errs.E(errs.Invalid, "备份的数据库版本是 %d，本程序是 %d：请用相同版本的程序恢复，再升级", head.Version, version)
	}
	err = d.Tx(ctx, func(tx *Tx) error {
		rows = 0
		if err := d.mustBeEmpty(ctx, tx); err != nil {
			return err
		}
		if rows, err = load(ctx, tx, dec); err != nil {
			return err
		}
		// The end of the file carries the checksum of everything before it.
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return errs.Because(err, errs.Invalid, "备份文件已损坏：校验和不符，没有写入任何内容")
		}
		for _, check := range checks {
			if err := check(tx); err != nil {
				return err
			}
		}
		return nil
	})
	return rows, err
}

func (d *DB) mustBeEmpty(ctx context.Context, tx *Tx) error {
	tables, err := d.tables(ctx, tx)
	if err != nil {
		return err
	}
	for _, name := range tables {
		n, err := Count(ctx, tx, `SELECT count(*) FROM (SELECT 1 AS one FROM `+name+` LIMIT 1) AS t`)
		if err != nil {
			return err
		}
		if n > 0 && !seeded[name] {
			return errs.E(errs.Conflict, "目标数据库不是空的（表 %s 已有数据）：请恢复到新的空数据库", name)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM `+name); err != nil && n > 0 {
			return err
		}
	}
	return nil
}

// seeded names the tables that a fresh migration fills itself.
var seeded = map[string]bool{"audit_head": true}

// load reads tables until the footer. The statement is built from names of
// the backup's head lines, which are checked against the catalogue.
func load(ctx context.Context, tx *Tx, dec *json.Decoder) (rows int64, err error) {
	var stmt *sql.Stmt
	var width int
	for {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return 0, errs.Because(err, errs.Invalid, "备份文件不完整：读到第 %d 行数据时中断，没有写入任何内容", rows)
		}
		if raw[0] == '[' {
			if err := loadRow(ctx, stmt, raw, width); err != nil {
				return 0, err
			}
			rows++
			continue
		}
		var line struct {
			backupTable
			Rows *int64 `json:"rows"`
		}
		if err := json.Unmarshal(raw, &line); err != nil {
			return 0, errs.Because(err, errs.Invalid, "备份文件已损坏（第 %d 行数据之后）", rows)
		}
		if line.Rows != nil {
			if *line.Rows != rows {
				return 0, errs.E(errs.Invalid, "备份文件应有 %d 行数据，实际 %d 行", *line.Rows, rows)
			}
			return rows, nil
		}
		if stmt, err = prepareInsert(ctx, tx, line.backupTable); err != nil {
			return 0, err
		}
		defer stmt.Close()
		width = len(line.Columns)
	}
}

func prepareInsert(ctx context.Context, tx *Tx, t backupTable) (*sql.Stmt, error) {
	for _, name := range append([]string{t.Table}, t.Columns...) {
		if strings.IndexFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' && (r < '0' || r > '9') }) >= 0 {
			return nil, errs.E(errs.Invalid, "备份文件含有不合法的名称 %q", name)
		}
	}
	marks := make([]string, len(t.Columns))
	for i := range marks {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	stmt, err := tx.raw.PrepareContext(ctx, `INSERT INTO `+t.Table+` (`+strings.Join(t.Columns, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`)
	if err != nil {
		return nil, fmt.Errorf("restore table %s: %w", t.Table, err)
	}
	return stmt, nil
}

func loadRow(ctx context.Context, stmt *sql.Stmt, raw json.RawMessage, width int) error {
	var values []any
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	if err := dec.Decode(&values); err != nil || len(values) != width || stmt == nil {
		return errs.Because(err, errs.Invalid, "备份文件已损坏：有一行数据读不出来")
	}
	for i, v := range values {
		switch x := v.(type) {
		case json.Number:
			n, err := x.Int64()
			if err != nil {
				f, ferr := x.Float64()
				if ferr != nil {
					return errs.Because(ferr, errs.Invalid, "备份文件已损坏：数字 %q 读不出来", x)
				}
				values[i] = f
				continue
			}
			values[i] = n
		case map[string]any:
			s, _ := x["b"].(string)
			b, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				return errs.Because(err, errs.Invalid, "备份文件已损坏：二进制内容读不出来")
			}
			values[i] = b
		}
	}
	_, err := stmt.ExecContext(ctx, values...)
	if err = explain(err); err == nil || errs.Is(err, errs.Unavailable) {
		return err
	}
	return errs.Because(err, errs.Invalid, "备份文件已损坏：有一行数据写不进去（%v），没有写入任何内容", err)
}

// tables lists the tables in an order in which rows can be inserted: a table
// after those it refers to. The catalogues of the engines differ.
func (d *DB) tables(ctx context.Context, tx *Tx) ([]string, error) {
	list, refs := sqliteTables, sqliteRefs
	if d.engine == Postgres {
		list, refs = postgresTables, postgresRefs
	}
	names, err := List(ctx, tx, Value[string], list)
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == gooseTable })
	pairs, err := List(ctx, tx, func(scan Scan) (p [2]string, err error) { return p, scan(&p[0], &p[1]) }, refs)
	if err != nil {
		return nil, err
	}
	return ordered(names, pairs)
}

const (
	sqliteTables   = `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`
	sqliteRefs     = `SELECT m.name, f."table" FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`
	postgresTables = `SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename`
	postgresRefs   = `SELECT CAST(c.conrelid::regclass AS TEXT), CAST(c.confrelid::regclass AS TEXT) FROM pg_constraint c
		WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace`
)

// ordered sorts names so that each comes after what it refers to.
func ordered(names []string, refs [][2]string) ([]string, error) {
	var out []string
	for len(out) < len(names) {
		before := len(out)
		for _, n := range names {
			if slices.Contains(out, n) {
				continue
			}
			waiting := slices.ContainsFunc(refs, func(p [2]string) bool {
				return p[0] == n && p[1] != n && !slices.Contains(out, p[1])
			})
			if !waiting {
				out = append(out, n)
			}
		}
		if len(out) == before {
			return nil, fmt.Errorf("tables refer to each other in a circle")
		}
	}
	return out, nil
}
