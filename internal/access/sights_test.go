package access_test

import (
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// TestSightsSayWhatRecordDecides: how much a search shows is what reading one
// by one would; consent and registration are no direct care of a system.
func TestSightsSayWhatRecordDecides(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := access.New(audit.New(d, crypto.Ephemeral("intl")))
		system := access.Actor{Account: "client:x", Role: string(access.SystemClient), Org: "town-a"}
		for basis, want := range map[access.Basis][3]access.Sight{ // doctor, desk, system
			access.BasisContract:      {access.SeesAll, access.SeesOpen, access.SeesAll},
			access.BasisReferral:      {access.SeesAll, access.SeesOpen, access.SeesAll},
			access.BasisEncounter:     {access.SeesAll, access.SeesOpen, access.SeesAll},
			access.BasisOrder:         {access.SeesAll, access.SeesOpen, access.SeesAll},
			access.BasisAuthorization: {access.SeesAll, access.SeesOpen, access.SeesOpen},
			access.BasisRegistration:  {access.SeesOpen, access.SeesOpen, access.SeesOpen},
		} {
			p := "p-" + string(basis)
			relate(t, d, access.CareRelation{Patient: p, Org: "town-a", Basis: basis, Reference: "x"})
			for i, a := range []access.Actor{doctor, desk, system} {
				err := d.View(ctx, func(tx *db.Tx) error {
					g, err := c.Record(ctx, tx, a, access.Entry{Patient: p, Action: "record.read"})
					if err != nil {
						return err
					}
					sights, err := access.Sights(ctx, tx, a, []string{p, "stranger"})
					if sights[p] != want[i] || (sights[p] == access.SeesAll) != g.SeesSensitive() || sights["stranger"] != access.SeesNothing {
						t.Errorf("%s for %s: %v, grant %+v", basis, a.Role, sights, g)
					}
					return err
				})
				if err != nil {
					t.Errorf("%s for %s: %v", basis, a.Role, err)
				}
			}
		}
	})
}
