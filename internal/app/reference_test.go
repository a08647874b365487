package app

import (
	"path/filepath"
	"strings"
	"testing"

	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
)

// TestReferenceOfEachRegion opens an installation for each document that names
// institutions: its alliances are there, with leads; a second start changes
// nothing; a database does not change its region.
func TestReferenceOfEachRegion(t *testing.T) {
	for id, want := range map[string]struct {
		name                      string
		alliances, supports, ties int
	}{
		"lingling": {"零陵区", 3, 12, 5}, "zhengzhou": {"郑州市", 10, 0, 0}, "jiangsu": {"江苏省", 19, 0, 6},
	} {
		t.Run(id, func(t *testing.T) {
			dir := t.TempDir()
			cfg := Config{Database: filepath.Join(dir, "yilian.db"), KeyFile: filepath.Join(dir, "yilian.keys"), Region: id}
			for range 2 {
				a, err := Open(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				if a.Config.Name != want.name {
					t.Errorf("it calls itself %s", a.Config.Name)
				}
				err = a.DB.View(t.Context(), func(tx *db.Tx) error {
					all, err := alliance.List(t.Context(), tx)
					if err != nil || len(all) != want.alliances {
						t.Errorf("%d alliances, want %d: %v", len(all), want.alliances, err)
					}
					for _, x := range all {
						if _, err := alliance.LeadOn(t.Context(), tx, x.ID, calendar.DateOf(tx.Now)); err != nil {
							t.Errorf("%s: %v", x.Name, err)
						}
					}
					ties, err := alliance.RelationsOn(t.Context(), tx, "", calendar.DateOf(tx.Now), tx.Now)
					if err != nil || len(ties) != want.ties {
						t.Errorf("%d ties, want %d: %v", len(ties), want.ties, err)
					}
					orgs, err := organization.List(t.Context(), tx, organization.Filter{})
					supports := 0
					for _, o := range orgs {
						list, err := alliance.SupportsOn(t.Context(), tx, o.ID, calendar.DateOf(tx.Now), tx.Now)
						if err != nil {
							return err
						}
						for _, s := range list {
							if s.Supporter == o.ID {
								supports++
							}
						}
					}
					if supports != want.supports {
						t.Errorf("%d pairings, want %d", supports, want.supports)
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := a.Close(); err != nil {
					t.Fatal(err)
				}
			}
			cfg.Region = map[string]string{"lingling": "jiangsu", "zhengzhou": "lingling", "jiangsu": "zhengzhou"}[id]
			if _, err := Open(t.Context(), cfg); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), id) {
				t.Errorf("opened for %s: %v", cfg.Region, err)
			}
			cfg.Region = "atlantis"
			if _, err := Open(t.Context(), cfg); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "jiangsu") {
				t.Errorf("opened for an unknown region: %v", err)
			}
		})
	}
}
