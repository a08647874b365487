package schedule

import (
	"strings"
	"testing"
	"time"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
)

// TestTheDatabaseItselfRefuses takes places and beds without any of the checks
// that come before: the statements alone must not give more than there is.
func TestTheDatabaseItselfRefuses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		organizationtest.Seed(t, d)
		org := organizationtest.OfKind(t, d, organization.CountyHospital)[0]
		dept := organizationtest.Department(t, d, org.ID, "心血管内科")
		c := Schedule{ID: "c", Org: org.ID, Department: dept.ID, Kind: Clinic, Weekdays: []time.Weekday{time.Monday}, From: "08:30", To: "08:50", Minutes: 20, Capacity: 1, ValidFrom: "2026-01-01", Active: true}
		slot := Slot{ID: "s", Schedule: "c", Day: "2026-03-09"}
		do := func(fn func(tx *db.Tx) error) error { return d.Tx(t.Context(), fn) }
		err := do(func(tx *db.Tx) error {
			if err := insertSchedule(t.Context(), tx, c, "x"); err != nil {
				return err
			}
			w := dayWork{c: c, day: slot.Day, now: tx.Now}
			w.settle(plan(c, slot.Day, false, nil))
			w.added[0].ID = slot.ID
			return w.write(t.Context(), tx)
		})
		if err != nil {
			t.Fatal(err)
		}
		take := func(pool Pool) error {
			return do(func(tx *db.Tx) error { return takePlace(t.Context(), tx, slot, pool) })
		}
		if err := take(Alliance); !errs.Is(err, errs.Conflict) { // no place is kept for referrals
			t.Errorf("share without places: %v", err)
		}
		if err := take(Public); err != nil {
			t.Fatal(err)
		}
		if err := take(Public); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "刚刚约满") {
			t.Errorf("full slot: %v", err)
		}
		give := func() error {
			return do(func(tx *db.Tx) error { return givePlace(t.Context(), tx, slot.ID, Public) })
		}
		if err := give(); err != nil {
			t.Fatal(err)
		}
		if err := give(); err == nil {
			t.Error("a place that nobody had was given back")
		}
		bed := BedReservation{Department: dept.ID, From: "2026-03-09", Until: "2026-03-11"}
		beds := func() error {
			return do(func(tx *db.Tx) error { return takeBeds(t.Context(), tx, bed, false) })
		}
		if err := beds(); !errs.Is(err, errs.Conflict) {
			t.Errorf("no bed: %v", err)
		}
		err = do(func(tx *db.Tx) error {
			return storeOffered(t.Context(), tx, program(), BedDay{Department: dept.ID, Day: "2026-03-09"}, 1)
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := beds(); err != nil {
			t.Fatal(err)
		}
		if err := beds(); !errs.Is(err, errs.Conflict) {
			t.Errorf("full: %v", err)
		}
	})
}
