package referral_test

import (
	"bytes"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	fhir "yilian/internal/fhir/json"
	"yilian/internal/projection"
	"yilian/internal/record"
	"yilian/internal/referral/referraltest"
)

// projected lets a record follow a world of referral.
func projected(t *testing.T, w *referraltest.World) *record.Store {
	t.Helper()
	s := &record.Store{DB: w.DB, Keys: w.Keys}
	s.Projectors = (&projection.Modules{Patients: w.Persons, Referrals: w.Service, Store: s}).Projectors()
	s.Follow(w.Queue)
	w.DB.Touched = s.Settle
	if err := s.Begin(ctx, w.Queue); err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever course a referral takes, what the record says of it is what one
// would project from scratch.
func TestProjectionFollowsAnyCourse(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		other, rescue := elsewhere(t, w, 0), w.Rescue()
		store := projected(t, w)
		runs, limit, told := 0, 60, 0
		if d.Engine() == db.Postgres {
			limit = 25
		}
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; runs > limit {
				return
			}
			r := &random{rt: rt, w: w, rescue: rescue, i: len(w.Patients), otherService: other.Service.ID}
			w.Register(w.Doctor, "石小花", "19710203", 100+len(w.Patients))
			r.run()
			told += sameAsScratch(rt, store, r.c.ID)
		})
		if told < limit {
			t.Errorf("only %d resources were compared", told)
		}
	})
}

type fataler interface{ Fatalf(string, ...any) }

// sameAsScratch compares what the record says of a case with its rendering, and
// returns how many resources that were.
func sameAsScratch(t fataler, store *record.Store, id string) (n int) {
	err := store.DB.View(ctx, func(tx *db.Tx) error {
		want, err := store.Rendered(ctx, tx, "referral", id)
		if err != nil {
			return err
		}
		said := map[record.Key]bool{}
		for _, p := range want {
			doc, err := fhir.Parse(p.Body)
			if err != nil {
				return err
			}
			key := record.Key{Type: doc.Root().Get("resourceType").Text(), ID: doc.Root().Get("id").Text()}
			got, err := store.Read(ctx, tx, key)
			if err != nil {
				return err
			}
			plain, err := fhir.Splice(doc.Root(), fhir.Stamp{ID: key.ID, VersionID: strconv.FormatInt(got.Version, 10), LastUpdated: record.FormatInstant(got.At)})
			if err != nil {
				return err
			}
			if !bytes.Equal(plain, got.Body) || got.Patient != p.Patient {
				t.Fatalf("%s: the record says\n%s\nfrom scratch\n%s", key, got.Body, plain)
			}
			said[key] = true
			n++
		}
		for _, kind := range []string{"ServiceRequest", "Task", "Appointment"} { // nothing is left over
			key := record.Key{Type: kind, ID: id}
			if _, err := store.Read(ctx, tx, key); err == nil && !said[key] {
				t.Fatalf("the record has %s, which from scratch is not there", key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return n
}
