package audit

import (
	"os"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

func eachEngine(b *testing.B, fn func(b *testing.B, d *db.DB)) {
	b.Run("sqlite", func(b *testing.B) { fn(b, dbtest.SQLite(b)) })
	if os.Getenv("TEST_POSTGRES_URL") != "" {
		b.Run("postgres", func(b *testing.B) { fn(b, dbtest.Postgres(b)) })
	}
}

// BenchmarkReads is the cost of the leaf of a read with eight clients.
func BenchmarkReads(b *testing.B) {
	eachEngine(b, func(b *testing.B, d *db.DB) {
		l := newLog(d)
		b.SetParallelism(4) // of two cores
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := l.AppendNow(ctx, act(1)); err != nil {
					b.Error(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/float64(l.groups), "leaves/commit")
	})
}

// BenchmarkSealAndVerify is the cost of one leaf in the chain.
func BenchmarkSealAndVerify(b *testing.B) {
	for name, run := range map[string]func(l *Log) error{
		"seal":   func(l *Log) error { _, err := l.Seal(ctx); return err },
		"verify": func(l *Log) error { _, err := l.Verify(ctx); return err },
	} {
		b.Run(name, func(b *testing.B) {
			eachEngine(b, func(b *testing.B, d *db.DB) {
				l := newLog(d)
				for done := 0; done < b.N; done += groupSize {
					leaves := make([]Leaf, min(groupSize, b.N-done))
					for i := range leaves {
						leaves[i] = act(i).complete()
						leaves[i].At = dbtest.Clock
					}
					if err := d.Tx(ctx, func(tx *db.Tx) error { return insert(tx, leaves) }); err != nil {
						b.Fatal(err)
					}
				}
				if name == "verify" {
					if _, err := l.Seal(ctx); err != nil {
						b.Fatal(err)
					}
				}
				b.ResetTimer()
				if err := run(l); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
