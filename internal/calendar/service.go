package calendar

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"yilian/internal/db"
	"yilian/internal/errs"
)

// By is who uploads: the calendar knows no more about people than it stores.
type By struct{ Account, Name string }

// Upload is the arrangement of one year as an administrator hands it in.
type Upload struct {
	Year   int
	Number string // number of the notice: 国办发明电〔2026〕1号
	Source string // where it was published
	Reason string // why a loaded year is corrected; needed only then
	Text   []byte // CSV or JSON
}

// Service loads years. OnLoaded, when set, runs in the uploading transaction
// after the calendar answers with the new year, so that deadlines marked
// 日历缺失 can be recomputed.
type Service struct {
	DB       *db.DB
	Calendar *Calendar
	OnLoaded func(ctx context.Context, tx *db.Tx, year int) error
}

// Preview checks an upload and returns its days and what would change, without
// storing anything.
func (s *Service) Preview(up Upload) ([]Day, []Change, error) {
	days, err := s.validate(up)
	if err != nil {
		return nil, nil, err
	}
	return days, s.Calendar.compare(up.Year, days), nil
}

// UploadYear stores the arrangement of a year as a new version, voids the one
// before, and refreshes the calendar. record writes the audit leaf in the same
// transaction: calendar and audit have one rank and do not know each other.
func (s *Service) UploadYear(ctx context.Context, by By, up Upload, record func(context.Context, *db.Tx, Year) error) (Year, error) {
	days, err := s.validate(up)
	if err != nil {
		return Year{}, err
	}
	var stored Year
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		if stored, err = store(ctx, tx, by, up, days); err != nil {
			return err
		}
		if err := s.Calendar.Refresh(ctx, tx); err != nil {
			return err
		}
		if err := record(ctx, tx, stored); err != nil {
			return err
		}
		if s.OnLoaded == nil {
			return nil
		}
		return s.OnLoaded(ctx, tx, up.Year)
	})
	if err != nil {
		// The calendar may hold the year that was not stored; take it back.
		back := s.DB.View(context.WithoutCancel(ctx), func(tx *db.Tx) error { return s.Calendar.Refresh(context.WithoutCancel(ctx), tx) })
		return Year{}, errors.Join(err, back)
	}
	return stored, nil
}

func (s *Service) validate(up Upload) ([]Day, error) {
	var f errs.Form
	first := s.Calendar.snap.Load().first
	next := s.Calendar.NextMissing()
	switch {
	case up.Year < first || up.Year > next:
		f.Add("year", "年份 %d 不能上传：只能更正 %d 年以后的年份，或上传下一个缺少的年份（%d 年）", up.Year, first, next)
	case up.Year < next:
		f.Require("reason", up.Reason, "更正原因（该年已有安排）")
	}
	f.Require("number", up.Number, "通知文号")
	if err := f.Err(); err != nil {
		return nil, err
	}
	return Parse(up.Year, up.Text)
}

func store(ctx context.Context, tx *db.Tx, by By, up Upload, days []Day) (Year, error) {
	last, err := db.Count(ctx, tx, `SELECT coalesce(max(version), 0) FROM calendar_year WHERE year = $1`, up.Year)
	if err != nil {
		return Year{}, err
	}
	reason := up.Reason
	if reason == "" {
		reason = "上传新版本"
	}
	if _, err := tx.Exec(ctx, `UPDATE calendar_year SET voided_at = $1, voided_by = $2, void_reason = $3
		WHERE year = $4 AND voided_at IS NULL`, db.At(tx.Now), by.Account, reason, up.Year); err != nil {
		return Year{}, fmt.Errorf("void calendar year: %w", err)
	}
	y := Year{
		Year: up.Year, Number: strings.TrimSpace(up.Number), Source: strings.TrimSpace(up.Source), Version: int(last) + 1,
		UploadedBy: by.Account, UploadedName: by.Name, UploadedAt: tx.Now, Days: days,
	}
	id := db.NewID()
	if _, err := tx.Exec(ctx, `INSERT INTO calendar_year
		(id, year, version, number, source, uploaded_by, uploaded_name, uploaded_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		id, y.Year, y.Version, y.Number, y.Source, y.UploadedBy, y.UploadedName, db.At(tx.Now)); err != nil {
		return Year{}, fmt.Errorf("insert calendar year: %w", err)
	}
	for _, d := range days {
		if _, err := tx.Exec(ctx, `INSERT INTO calendar_day (calendar_year, day, off, name) VALUES ($1, $2, $3, $4)`,
			id, string(d.Date), d.Off, d.Name); err != nil {
			return Year{}, fmt.Errorf("insert calendar day: %w", err)
		}
	}
	return y, nil
}

// Refresh loads the uploaded years of the database over the built-in ones.
// Every process calls it at its start and from time to time.
func (c *Calendar) Refresh(ctx context.Context, tx *db.Tx) error {
	type row struct {
		id string
		Year
	}
	rows, err := db.List(ctx, tx, func(scan db.Scan) (r row, err error) {
		var at db.Time
		err = scan(&r.id, &r.Year.Year, &r.Version, &r.Number, &r.Source, &r.UploadedBy, &r.UploadedName, &at)
		r.UploadedAt = at.Time
		return r, err
	}, `SELECT id, year, version, number, source, uploaded_by, uploaded_name, uploaded_at
		FROM calendar_year WHERE voided_at IS NULL ORDER BY year`)
	if err != nil {
		return fmt.Errorf("load calendar years: %w", err)
	}
	years := builtin()
	for _, r := range rows {
		r.Days, err = db.List(ctx, tx, func(scan db.Scan) (d Day, err error) {
			return d, scan(&d.Date, &d.Off, &d.Name)
		}, `SELECT day, off, name FROM calendar_day WHERE calendar_year = $1 ORDER BY day`, r.id)
		if err != nil {
			return fmt.Errorf("load calendar days: %w", err)
		}
		years[r.Year.Year] = r.Year
	}
	c.snap.Store(build(years))
	return nil
}

// Version is one stored version of an uploaded year, voided ones included.
type Version struct {
	Year, Version int
	Number        string
	UploadedName  string
	UploadedAt    db.Time
	VoidedAt      db.Time // zero: in force
	VoidReason    string
}

// Versions returns all uploaded versions of a year, the newest first.
func Versions(ctx context.Context, tx *db.Tx, year int) ([]Version, error) {
	return db.List(ctx, tx, func(scan db.Scan) (v Version, err error) {
		var reason db.Null
		err = scan(&v.Year, &v.Version, &v.Number, &v.UploadedName, &v.UploadedAt, &v.VoidedAt, &reason)
		v.VoidReason = string(reason)
		return v, err
	}, `SELECT year, version, number, uploaded_name, uploaded_at, voided_at, void_reason
		FROM calendar_year WHERE year = $1 ORDER BY version DESC`, year)
}
