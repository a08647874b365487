package fhirbench

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// TestBench: a small run asks every kind of request without an error, and a
// second one finds the store loaded.
func TestBench(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		keys := crypto.Ephemeral(crypto.SM)
		d.Now = time.Now
		r, err := Bench(t.Context(), d, keys, Options{Resources: 1600, Time: 200 * time.Millisecond, Clients: []int{8}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Loaded != 1600 || len(r.Measures) != len(kinds()) {
			t.Errorf("loaded %d, %d measures", r.Loaded, len(r.Measures))
		}
		for _, m := range r.Measures {
			if m.N == 0 || m.Rate <= 0 || m.P50 > m.P95 || m.P95 > m.Max || m.Want == 0 {
				t.Errorf("%+v", m)
			}
		}
		var out bytes.Buffer
		if err := r.Print(&out); err != nil || !strings.Contains(out.String(), "$everything") {
			t.Errorf("%s %v", out.String(), err)
		}
		if r, err = Bench(t.Context(), d, keys, Options{Resources: 1600, Time: 50 * time.Millisecond, Clients: []int{1}}); err != nil || r.Loaded != 0 {
			t.Errorf("loaded %d again: %v", r.Loaded, err)
		}
	})
}
