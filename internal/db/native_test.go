package db

import "testing"

func TestNativeTexts(t *testing.T) {
	for query, want := range map[string]string{
		`INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4)`: `INSERT INTO t (a, b) VALUES (?, ?), (?, ?)`,
		`SELECT a FROM t WHERE b = $1 LIMIT $2`:          `SELECT a FROM t WHERE b = ? LIMIT CAST(? AS INTEGER)`,
		`SELECT a FROM t WHERE b = $2 AND c = $1`:        `SELECT a FROM t WHERE b = $2 AND c = $1`,
		`SELECT a FROM t WHERE b = $1 OR c = $1`:         `SELECT a FROM t WHERE b = $1 OR c = $1`,
		`SELECT '$1' FROM t WHERE b = $1`:                `SELECT '$1' FROM t WHERE b = $1`,
		`SELECT '' FROM t WHERE b = $1 LIMIT $2`:         `SELECT '' FROM t WHERE b = $1 LIMIT CAST($2 AS INTEGER)`,
		`SELECT 1`:                                       `SELECT 1`,
	} {
		if got := native(query); got != want {
			t.Errorf("%s: %s", query, got)
		}
	}
}
