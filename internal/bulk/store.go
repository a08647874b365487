package bulk

import (
	"context"
	"fmt"
	"strings"

	"yilian/internal/db"
	"yilian/internal/errs"
)

const exportColumns = `id, client, org, scopes, request, level, types, since, at, state, unit, after_n, step, failures, reason, expires_at`

func readExport(scan db.Scan) (e Export, err error) {
	var types string
	var since, at, expires db.Time
	err = scan(&e.ID, &e.Client, &e.Org, &e.Scopes, &e.URL, &e.Level, &types, &since, &at, &e.State, &e.unit, &e.after, &e.step,
		&e.failures, &e.Reason, &expires)
	e.Types = strings.FieldsFunc(types, func(r rune) bool { return r == ',' })
	e.Since, e.At, e.ExpiresAt = since.Time, at.Time, expires.Time
	return e, err
}

func get(ctx context.Context, tx *db.Tx, id string) (Export, error) {
	return db.Get(ctx, tx, "这个导出任务", readExport, `SELECT `+exportColumns+` FROM bulk_export WHERE id = $1`, id)
}

// ofClient reads an export of the client; those of others are not there.
func ofClient(ctx context.Context, tx *db.Tx, client, id string) (Export, error) {
	e, err := get(ctx, tx, id)
	if err == nil && (e.Client != client || e.State == Cancelled || e.State == Expired) {
		return Export{}, errs.E(errs.NotFound, "没有找到这个导出任务：可能已经取消，或已过期删除")
	}
	return e, err
}

func insert(ctx context.Context, tx *db.Tx, e Export) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO bulk_export (id, client, org, scopes, request, level, types, since, at, state, unit, after_n, step, failures, reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, 0, '')`,
		e.ID, e.Client, e.Org, e.Scopes, e.URL, string(e.Level), strings.Join(e.Types, ","), db.At(e.Since), db.At(e.At), string(e.State))
	if err != nil {
		return fmt.Errorf("insert export: %w", err)
	}
	return nil
}

// advance moves a running export from its step to the next; false when another
// worker did, or it was cancelled.
func advance(ctx context.Context, tx *db.Tx, e Export, unit, after int64, state State) (bool, error) {
	var ended, expires db.Time
	if state != Running {
		ended, expires = db.At(tx.Now), db.At(tx.Now.Add(life))
	}
	n, err := tx.Exec(ctx, `
		UPDATE bulk_export SET unit = $3, after_n = $4, step = step + 1, failures = 0, state = $5, ended_at = $6, expires_at = $7
		WHERE id = $1 AND step = $2 AND state = 'running'`, e.ID, e.step, unit, after, string(state), ended, expires)
	if err != nil {
		return false, fmt.Errorf("advance export: %w", err)
	}
	return n == 1, nil
}

func insertPart(ctx context.Context, tx *db.Tx, export string, p Part, body []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO bulk_part (export, no, type, deleted, count, body) VALUES ($1, $2, $3, $4, $5, $6)`,
		export, p.No, p.Type, p.Deleted, p.Count, body)
	if err != nil {
		return fmt.Errorf("insert file of export: %w", err)
	}
	return nil
}

func parts(ctx context.Context, tx *db.Tx, export string) ([]Part, error) {
	return db.List(ctx, tx, func(scan db.Scan) (p Part, err error) {
		return p, scan(&p.No, &p.Type, &p.Deleted, &p.Count)
	}, `SELECT no, type, deleted, count FROM bulk_part WHERE export = $1 ORDER BY no`, export)
}

// members are the patients of the group that an export is of.
func members(ctx context.Context, tx *db.Tx, export string) ([]string, error) {
	return db.List(ctx, tx, db.Value[string], `SELECT patient FROM bulk_patient WHERE export = $1 AND member ORDER BY patient`, export)
}

func insertMembers(ctx context.Context, tx *db.Tx, export string, patients []string) error {
	rows := make([]any, 0, 4*len(patients))
	for _, p := range patients {
		rows = append(rows, export, p, true, false)
	}
	return tx.InsertAll(ctx, `INSERT INTO bulk_patient (export, patient, member, logged) VALUES ($1, $2, $3, $4)`, rows)
}

// unlogged are those of the patients for whom the export is not in the log yet.
func unlogged(ctx context.Context, tx *db.Tx, export string, patients []string) ([]string, error) {
	query, args := db.Expand(`SELECT patient FROM bulk_patient WHERE export = $1 AND logged AND patient IN ($list)`, []any{export}, patients)
	list, err := db.List(ctx, tx, db.Value[string], query, args...)
	if err != nil {
		return nil, fmt.Errorf("read patients of export: %w", err)
	}
	done := make(map[string]bool, len(list))
	for _, p := range list {
		done[p] = true
	}
	var out []string
	for _, p := range patients {
		if !done[p] {
			out = append(out, p)
		}
	}
	return out, nil
}

func markLogged(ctx context.Context, tx *db.Tx, export, patient string) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO bulk_patient (export, patient, member, logged) VALUES ($1, $2, FALSE, TRUE)
		ON CONFLICT (export, patient) DO UPDATE SET logged = TRUE`, export, patient)
	return err
}

// empty deletes the files of exports that are over, and whom they were about:
// copies that nobody is to keep. The export itself stays.
func empty(ctx context.Context, tx *db.Tx, export string, state State) error {
	if _, err := tx.Exec(ctx, `DELETE FROM bulk_part WHERE export = $1`, export); err != nil {
		return fmt.Errorf("delete files of export: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM bulk_patient WHERE export = $1`, export); err != nil {
		return fmt.Errorf("delete patients of export: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE bulk_export SET state = $2, ended_at = COALESCE(ended_at, $3), expires_at = NULL WHERE id = $1`,
		export, string(state), db.At(tx.Now)); err != nil {
		return fmt.Errorf("end export: %w", err)
	}
	return nil
}
