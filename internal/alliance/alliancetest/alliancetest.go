// Package alliancetest gives tests the institutions of Lingling with their
// alliances.
package alliancetest

import (
	"testing"

	"yilian/internal/alliance"
	"yilian/internal/db"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/policy"
	"yilian/profiles"
)

// Seed loads the institutions of Lingling, and the alliances and pairings of
// its document.
func Seed(t testing.TB, d *db.DB) {
	t.Helper()
	organizationtest.Seed(t, d)
	book, err := policy.Load(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	lingling, ok := book.Profile("lingling")
	if !ok {
		t.Fatal("profile lingling is missing")
	}
	if err := d.Tx(t.Context(), func(tx *db.Tx) error { return alliance.Seed(t.Context(), tx, lingling) }); err != nil {
		t.Fatal(err)
	}
}
