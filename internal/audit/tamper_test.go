package audit

import (
	"database/sql"
	"strings"
	"testing"

	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// tamper opens the database as somebody with full rights over the file or the
// server would: without the program and without foreign keys.
func tamper(t *testing.T, d *db.DB) *sql.DB {
	t.Helper()
	driver, target := "sqlite", "file:"+d.Target()+"?_pragma=foreign_keys(0)&_pragma=busy_timeout(5000)"
	if d.Engine() == db.Postgres {
		driver, target = "pgx", d.Target()
	}
	raw, err := sql.Open(driver, target)
	if err != nil {
		t.Fatal(err)
	}
	raw.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = raw.Close() })
	if d.Engine() == db.Postgres {
		if _, err := raw.Exec(`SET session_replication_role = replica`); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}

// leafAt returns the leaf at a place of the chain.
func leafAt(t *testing.T, raw *sql.DB, seq int) string {
	t.Helper()
	var id string
	if err := raw.QueryRow(`SELECT leaf_id FROM audit_link WHERE seq = $1`, seq).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// TestVerifyNamesTheFirstBrokenLeaf has ten sealed leaves with checkpoints at 5
// and 10, and one leaf that waits; each row is one way to tamper.
func TestVerifyNamesTheFirstBrokenLeaf(t *testing.T) {
	cases := []struct {
		name   string
		do     []string // $4 is the leaf at place 4, $11 the waiting leaf
		place  int      // place of the leaf that must be named; 0: the waiting one; -1: "#…"
		reason string
	}{
		{"changed leaf", []string{`UPDATE audit_leaf SET patient = 'p-x' WHERE id = $4`}, 4, "内容被改动"},
		{"changed detail", []string{`UPDATE audit_leaf SET more = '{}' WHERE id = $4`}, 4, "内容被改动"},
		{"two changed leaves", []string{`UPDATE audit_leaf SET at = at + 1`}, 1, "内容被改动"},
		{"deleted leaf", []string{`DELETE FROM audit_leaf WHERE id = $4`}, 4, "已被删除"},
		{"deleted link", []string{`DELETE FROM audit_link WHERE seq = 4`}, -2, "链接缺失"},
		{"deleted leaf and link", []string{`DELETE FROM audit_leaf WHERE id = $4`, `DELETE FROM audit_link WHERE seq = 4`}, -1, "链接缺失"},
		{"closed gap", []string{`DELETE FROM audit_leaf WHERE id = $4`, `DELETE FROM audit_link WHERE seq = 4`,
			`UPDATE audit_link SET seq = -seq WHERE seq > 4`, `UPDATE audit_link SET seq = -seq - 1 WHERE seq < 0`,
			`UPDATE audit_head SET seq = 9`, `DELETE FROM audit_checkpoint`}, -5, "不相接"},
		{"reordered links", []string{`UPDATE audit_link SET seq = -4 WHERE seq = 4`, `UPDATE audit_link SET seq = 4 WHERE seq = 5`,
			`UPDATE audit_link SET seq = 5 WHERE seq = -4`}, -5, "不相接"},
		{"changed head", []string{`UPDATE audit_head SET chain_hash = 'sm3.00'`}, -1, "链头被改动"},
		{"lowered head", []string{`DELETE FROM audit_checkpoint WHERE seq = 10`,
			`UPDATE audit_head SET seq = 9, chain_hash = (SELECT chain_hash FROM audit_link WHERE seq = 9)`}, 10, "其后还有链接"},
		{"truncated tail", []string{`DELETE FROM audit_leaf WHERE id IN (SELECT leaf_id FROM audit_link WHERE seq > 8)`,
			`DELETE FROM audit_link WHERE seq > 8`,
			`UPDATE audit_head SET seq = 8, chain_hash = (SELECT chain_hash FROM audit_link WHERE seq = 8)`}, -1, "链尾被截断"},
		{"forged signature", []string{`UPDATE audit_checkpoint SET at = at + 1 WHERE seq = 5`}, 5, "签名不成立"},
		{"moved checkpoint", []string{`DELETE FROM audit_checkpoint WHERE seq = 10`, `UPDATE audit_checkpoint SET seq = 4 WHERE seq = 5`}, 4, "签名不成立"},
		{"leaf past the program", []string{`DELETE FROM audit_pending`}, 0, "既不在链中"},
		{"deleted waiting leaf", []string{`DELETE FROM audit_leaf WHERE id = $11`}, 0, "待封存的审计记录已被删除"},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				fresh := dbtest.SQLite
				if d.Engine() == db.Postgres {
					fresh = dbtest.Postgres
				}
				d := fresh(t)
				l := newLog(d)
				for range 2 {
					write(t, d, l, 5)
					seal(t, l, 5)
					if _, err := l.Checkpoint(ctx); err != nil {
						t.Fatal(err)
					}
				}
				write(t, d, l, 1)
				if r := verify(t, l); r != (Report{Sealed: 10, Unsealed: 1, Checkpoints: 2}) {
					t.Fatalf("before: %+v", r)
				}
				raw := tamper(t, d)
				var waiting string
				if err := raw.QueryRow(`SELECT leaf_id FROM audit_pending`).Scan(&waiting); err != nil {
					t.Fatal(err)
				}
				want := named(t, raw, c.place, waiting)
				four := leafAt(t, raw, 4)
				for _, q := range c.do {
					q = strings.ReplaceAll(strings.ReplaceAll(q, "$11", "'"+waiting+"'"), "$4", "'"+four+"'")
					if _, err := raw.Exec(q); err != nil {
						t.Fatal(err)
					}
				}
				r := verify(t, l)
				if !strings.Contains(r.Reason, c.reason) || (want == "#" && !strings.HasPrefix(r.Broken, "#")) || (want != "#" && r.Broken != want) {
					t.Errorf("got %+v, want leaf %q, %s", r, want, c.reason)
				}
			})
		}
	})
}

func named(t *testing.T, raw *sql.DB, place int, waiting string) string {
	t.Helper()
	switch place {
	case 0:
		return waiting
	case -1:
		return "#"
	case -2:
		return leafAt(t, raw, 4) // the leaf whose link is gone
	case -5:
		return leafAt(t, raw, 5)
	}
	return leafAt(t, raw, place)
}

// TestRewrittenChainFailsItsCheckpoints recomputes the whole chain over a
// changed leaf, as somebody could who knows the program but has no key.
func TestRewrittenChainFailsItsCheckpoints(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		write(t, d, l, 6)
		seal(t, l, 6)
		if _, err := l.Checkpoint(ctx); err != nil {
			t.Fatal(err)
		}
		raw := tamper(t, d)
		want := leafAt(t, raw, 6)
		for _, q := range []string{
			`UPDATE audit_leaf SET name = '别人' WHERE object_id = 'r-2'`,
			`INSERT INTO audit_pending (leaf_id) SELECT leaf_id FROM audit_link`,
			`DELETE FROM audit_link`,
			`UPDATE audit_head SET seq = 0, chain_hash = ''`,
		} {
			if _, err := raw.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		seal(t, New(d, crypto.Ephemeral(crypto.SM)), 6)
		if r := verify(t, l); r.Broken != want || !strings.Contains(r.Reason, "整体改写") {
			t.Errorf("%+v, want %s", r, want)
		}
	})
}

func TestSealedLeafCannotBeDeletedByTheProgram(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		write(t, d, l, 1)
		seal(t, l, 1)
		if err := d.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `DELETE FROM audit_leaf`)
			return err
		}); err == nil {
			t.Error("a sealed leaf was deleted")
		}
	})
}
