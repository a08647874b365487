// Package alliancetest gives tests the institutions of Lingling with their
// alliances.
package alliancetest

import (
	"testing"

	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/policy"
	"yilian/internal/policy/policytest"
	"yilian/internal/region"
)

// Book loads the shipped profiles.
func Book(t testing.TB) *policy.Book {
	t.Helper()
	return policytest.Shipped(t)
}

// Seed loads the institutions of Lingling, and the alliances and pairings of
// its document.
func Seed(t testing.TB, d *db.DB) {
	t.Helper()
	organizationtest.Seed(t, d)
	lingling, ok := Book(t).Profile("lingling")
	if !ok {
		t.Fatal("profile lingling is missing")
	}
	if err := d.Tx(t.Context(), func(tx *db.Tx) error { return alliance.Seed(t.Context(), tx, lingling) }); err != nil {
		t.Fatal(err)
	}
}

// SeedRegion loads what the document of another profile names: divisions,
// institutions, alliances and ties.
func SeedRegion(t testing.TB, d *db.DB, profile string) {
	t.Helper()
	p, ok := Book(t).Profile(profile)
	if !ok {
		t.Fatalf("profile %s is missing", profile)
	}
	err := d.Tx(t.Context(), func(tx *db.Tx) error {
		if err := region.Seed(t.Context(), tx, p.Jurisdiction); err != nil {
			return err
		}
		if err := organization.SeedNamed(t.Context(), tx, p); err != nil {
			return err
		}
		return alliance.Seed(t.Context(), tx, p)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Service is the use cases on a database, without filings.
func Service(t testing.TB, d *db.DB) *alliance.Service {
	t.Helper()
	return &alliance.Service{DB: d, Log: audit.New(d, crypto.Ephemeral("sm")), Book: Book(t)}
}
