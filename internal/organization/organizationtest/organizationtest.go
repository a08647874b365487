// Package organizationtest gives tests the institutions of Lingling.
package organizationtest

import (
	"context"
	"slices"
	"testing"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/organization"
	"yilian/internal/region"
)

var lingling = dbtest.Ground{
	Tables: []string{"region", "organization", "organization_identifier", "department", "healthcare_service", "healthcare_service_treats"},
	Fill: func(ctx context.Context, tx *db.Tx) error {
		if err := region.Seed(ctx, tx); err != nil {
			return err
		}
		return organization.Seed(ctx, tx)
	},
}

// Seed loads the regions and institutions of Lingling.
func Seed(t testing.TB, d *db.DB) {
	t.Helper()
	lingling.Lay(t, d)
}

// ByName returns an institution by its first name.
func ByName(t testing.TB, d *db.DB, name string) organization.Organization {
	t.Helper()
	return dbtest.View(t, d, func(tx *db.Tx) (organization.Organization, error) { return organization.ByName(t.Context(), tx, name) })
}

// OfKind returns the institutions of a kind.
func OfKind(t testing.TB, d *db.DB, kind organization.Kind) []organization.Organization {
	t.Helper()
	return dbtest.View(t, d, func(tx *db.Tx) ([]organization.Organization, error) {
		return organization.List(t.Context(), tx, organization.Filter{Kind: kind})
	})
}

// Department returns a department of an institution by its name.
func Department(t testing.TB, d *db.DB, org, name string) organization.Department {
	t.Helper()
	all := dbtest.View(t, d, func(tx *db.Tx) ([]organization.Department, error) {
		return organization.Departments(t.Context(), tx, org)
	})
	i := slices.IndexFunc(all, func(x organization.Department) bool { return x.Name == name })
	if i < 0 {
		t.Fatalf("no department %s", name)
	}
	return all[i]
}
