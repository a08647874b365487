package grid

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// People is the population of a division in a year.
type People struct {
	Code      string
	Year      int
	People    int64
	Estimated bool
	Source    string
}

// peopleOf returns the population that counts for each division of a unit.
func peopleOf(ctx context.Context, tx *db.Tx, unit string) (map[string]People, error) {
	rows, err := db.List(ctx, tx, func(scan db.Scan) (p People, err error) {
		return p, scan(&p.Code, &p.Year, &p.People, &p.Estimated, &p.Source)
	}, `WITH RECURSIVE below(code) AS (
			SELECT code FROM region WHERE code = $1
			UNION SELECT r.code FROM region r JOIN below b ON r.parent = b.code
		)
		SELECT p.code, p.year, p.people, p.estimated, p.source FROM grid_people p JOIN below b ON b.code = p.code
		ORDER BY p.code, p.year, p.estimated DESC`, unit)
	if err != nil {
		return nil, err
	}
	out := map[string]People{}
	for _, p := range rows { // the latest year last, in one year the figure after the estimate
		out[p.Code] = p
	}
	return out, nil
}

func setPeople(ctx context.Context, tx *db.Tx, p People, by string) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO grid_people (code, year, estimated, people, source, set_at, set_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (code, year, estimated) DO UPDATE SET people = excluded.people, source = excluded.source, set_at = excluded.set_at, set_by = excluded.set_by`,
		p.Code, p.Year, p.Estimated, p.People, p.Source, db.At(tx.Now), by); err != nil {
		return fmt.Errorf("insert population: %w", err)
	}
	return nil
}

type place struct {
	x, y  int64
	shape string
}

func placesOf(ctx context.Context, tx *db.Tx, unit string) (map[string]place, error) {
	type row struct {
		code string
		place
	}
	rows, err := db.List(ctx, tx, func(scan db.Scan) (r row, err error) {
		return r, scan(&r.code, &r.x, &r.y, &r.shape)
	}, `SELECT code, x, y, shape FROM grid_place WHERE unit = $1`, unit)
	out := map[string]place{}
	for _, r := range rows {
		out[r.code] = r.place
	}
	return out, err
}

func bordersOf(ctx context.Context, tx *db.Tx, unit string) (map[string][]string, error) {
	rows, err := db.List(ctx, tx, func(scan db.Scan) (r [2]string, err error) {
		return r, scan(&r[0], &r[1])
	}, `SELECT a, b FROM grid_border WHERE unit = $1 ORDER BY a, b`, unit)
	out := map[string][]string{}
	for _, r := range rows {
		out[r[0]] = append(out[r[0]], r[1])
		out[r[1]] = append(out[r[1]], r[0])
	}
	return out, err
}

func setPlace(ctx context.Context, tx *db.Tx, unit, code string, x, y int64, shape Shape, by string) error {
	text := ""
	if shape != nil {
		raw, err := json.Marshal(shape)
		if err != nil {
			return fmt.Errorf("write shape: %w", err)
		}
		text = string(raw)
	}
	if _, err := tx.Exec(ctx, `
		INSERT INTO grid_place (code, unit, x, y, shape, set_at, set_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (code) DO UPDATE SET unit = excluded.unit, x = excluded.x, y = excluded.y, shape = excluded.shape,
			set_at = excluded.set_at, set_by = excluded.set_by`,
		code, unit, x, y, text, db.At(tx.Now), by); err != nil {
		return fmt.Errorf("insert place: %w", err)
	}
	return nil
}

func setBorders(ctx context.Context, tx *db.Tx, unit string, borders map[string][]string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM grid_border WHERE unit = $1`, unit); err != nil {
		return fmt.Errorf("clear borders: %w", err)
	}
	var args []any
	for a, list := range borders {
		for _, b := range list {
			if a < b {
				args = append(args, unit, a, b)
			}
		}
	}
	return tx.InsertAll(ctx, `INSERT INTO grid_border (unit, a, b) VALUES ($1, $2, $3)`, args)
}

func readLayout(scan db.Scan) (l Layout, err error) {
	var based db.Null
	var created, changed db.Time
	err = scan(&l.ID, &l.Unit, &l.Name, &l.State, &based, &l.Origin, &l.Run, &l.Note, &l.Version, &created, &l.CreatedBy, &changed, &l.ChangedBy)
	l.BasedOn, l.CreatedAt, l.ChangedAt = string(based), created.Time, changed.Time
	return l, err
}

// Get returns one layout with its cells.
func Get(ctx context.Context, tx *db.Tx, id string) (Layout, error) {
	l, err := db.Get(ctx, tx, "这份网格布局", readLayout, `
		SELECT id, unit, name, state, based_on, origin, run, note, version, created_at, created_by, changed_at, changed_by
		FROM grid_layout WHERE id = $1`, id)
	if err != nil {
		return l, err
	}
	l.Cells, err = cellsOf(ctx, tx, id)
	return l, err
}

func cellsOf(ctx context.Context, tx *db.Tx, layout string) ([]Cell, error) {
	cells, err := db.List(ctx, tx, func(scan db.Scan) (c Cell, err error) {
		var lead, ally db.Null
		err = scan(&c.ID, &c.Name, &lead, &ally)
		c.Lead, c.Alliance = string(lead), string(ally)
		return c, err
	}, `SELECT id, name, lead, alliance FROM grid_cell WHERE layout = $1 ORDER BY place, id`, layout)
	if err != nil {
		return nil, err
	}
	rows, err := db.List(ctx, tx, func(scan db.Scan) (r [2]string, err error) {
		return r, scan(&r[0], &r[1])
	}, `SELECT cell, code FROM grid_cell_area WHERE layout = $1 ORDER BY code`, layout)
	if err != nil {
		return nil, err
	}
	for i := range cells {
		for _, r := range rows {
			if r[0] == cells[i].ID {
				cells[i].Areas = append(cells[i].Areas, r[1])
			}
		}
	}
	return cells, nil
}

// Layouts returns the layouts of a unit, the latest first, without their cells.
func Layouts(ctx context.Context, tx *db.Tx, unit string) ([]Layout, error) {
	return db.List(ctx, tx, readLayout, `
		SELECT id, unit, name, state, based_on, origin, run, note, version, created_at, created_by, changed_at, changed_by
		FROM grid_layout WHERE unit = $1 ORDER BY created_at DESC, id DESC`, unit)
}

func readForce(scan db.Scan) (f Force, err error) {
	var to db.Null
	var knownFrom, knownTo db.Time
	err = scan(&f.ID, &f.Layout, &f.Unit, &f.ValidFrom, &to, &knownFrom, &knownTo, &f.KnownBy, &f.Reason)
	f.ValidTo, f.KnownFrom, f.KnownTo = calendar.Date(to), knownFrom.Time, knownTo.Time
	return f, err
}

// Forces returns everything the register ever said about which layout of a unit
// is in force when, the oldest entry first.
func Forces(ctx context.Context, tx *db.Tx, unit string) ([]Force, error) {
	return db.List(ctx, tx, readForce, `
		SELECT id, layout, unit, valid_from, valid_to, known_from, known_to, known_by, reason
		FROM grid_force WHERE unit = $1 ORDER BY known_from, id`, unit)
}

// On returns the layout of a unit that is in force on a day, as the register
// knew it at an instant. NotFound when there is none.
func On(ctx context.Context, tx *db.Tx, unit string, day calendar.Date, knownAt time.Time) (Layout, error) {
	all, err := Forces(ctx, tx, unit)
	if err != nil {
		return Layout{}, err
	}
	for _, f := range all {
		if f.Holds(day) && f.Known(knownAt) {
			return Get(ctx, tx, f.Layout)
		}
	}
	return Layout{}, errs.E(errs.NotFound, "没有找到 %s 生效的网格布局", day)
}

func insertLayout(ctx context.Context, tx *db.Tx, l Layout) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO grid_layout (id, unit, name, state, based_on, origin, run, note, version, created_at, created_by, changed_at, changed_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $10, $9, $10)`,
		l.ID, l.Unit, l.Name, string(l.State), db.Null(l.BasedOn), l.Origin, l.Run, l.Note, db.At(tx.Now), l.CreatedBy); err != nil {
		return fmt.Errorf("insert layout: %w", err)
	}
	return insertCells(ctx, tx, l)
}

func insertCells(ctx context.Context, tx *db.Tx, l Layout) error {
	var cells, areas []any
	for i, c := range l.Cells {
		cells = append(cells, c.ID, l.ID, c.Name, db.Null(c.Lead), db.Null(c.Alliance), i)
		for _, code := range c.Areas {
			areas = append(areas, c.ID, code, l.ID)
		}
	}
	if err := tx.InsertAll(ctx, `INSERT INTO grid_cell (id, layout, name, lead, alliance, place) VALUES ($1, $2, $3, $4, $5, $6)`, cells); err != nil {
		return err
	}
	return tx.InsertAll(ctx, `INSERT INTO grid_cell_area (cell, code, layout) VALUES ($1, $2, $3)`, areas)
}

// rewrite replaces the cells of a draft and counts its version up; Conflict
// when somebody was faster.
func rewrite(ctx context.Context, tx *db.Tx, l Layout, version int64, by string) error {
	n, err := tx.Exec(ctx, `
		UPDATE grid_layout SET name = $3, state = $4, note = $5, version = version + 1, changed_at = $6, changed_by = $7
		WHERE id = $1 AND version = $2`, l.ID, version, l.Name, string(l.State), l.Note, db.At(tx.Now), by)
	if err != nil {
		return fmt.Errorf("update layout: %w", err)
	}
	if n == 0 {
		return errs.E(errs.Conflict, "这份草案刚刚已被%s修改，请刷新后在最新的草案上操作；您的这次改动没有保存", l.ChangedBy)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM grid_cell_area WHERE layout = $1`, l.ID); err != nil {
		return fmt.Errorf("clear cells: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM grid_cell WHERE layout = $1`, l.ID); err != nil {
		return fmt.Errorf("clear cells: %w", err)
	}
	return insertCells(ctx, tx, l)
}

func insertForce(ctx context.Context, tx *db.Tx, f Force) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO grid_force (id, layout, unit, valid_from, valid_to, known_from, known_to, known_by, reason)
		VALUES ($1, $2, $3, $4, $5, $6, NULL, $7, $8)`,
		db.NewID(), f.Layout, f.Unit, string(f.ValidFrom), db.Null(f.ValidTo), db.At(tx.Now), f.KnownBy, f.Reason); err != nil {
		return fmt.Errorf("insert force: %w", err)
	}
	return nil
}

func closeForce(ctx context.Context, tx *db.Tx, id string) error {
	if _, err := tx.Exec(ctx, `UPDATE grid_force SET known_to = $2 WHERE id = $1 AND known_to IS NULL`, id, db.At(tx.Now)); err != nil {
		return fmt.Errorf("close force: %w", err)
	}
	return nil
}
