package access_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
)

var (
	ctx    = context.Background()
	doctor = access.Actor{Account: "a1", Person: "p1", Name: "唐医生", Role: string(access.TownshipDoctor), Org: "town-a"}
	otherB = access.Actor{Account: "a2", Person: "p2", Name: "蒋医生", Role: string(access.TownshipDoctor), Org: "town-b"}
	desk   = access.Actor{Account: "a3", Name: "挂号员", Role: string(access.Registration), Org: "town-a"}
	bureau = access.Actor{Account: "a4", Name: "卫健局", Role: string(access.BureauCounty), Org: "bureau"}
	person = access.Actor{Account: "a5", Name: "居民", Role: string(access.Resident), Patient: "mother"}
)

func relate(t *testing.T, d *db.DB, r access.CareRelation) {
	t.Helper()
	if err := d.Tx(ctx, func(tx *db.Tx) error { return access.Relate(ctx, tx, r) }); err != nil {
		t.Fatal(err)
	}
}

func look(d *db.DB, c *access.Control, a access.Actor, patient string) (g access.Grant, err error) {
	err = d.View(ctx, func(tx *db.Tx) (err error) {
		g, err = c.Patient(ctx, tx, a, patient, access.Look)
		return err
	})
	return g, err
}

func TestReadingNeedsARelation(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := access.New(audit.New(d, crypto.Ephemeral("intl")))
		relate(t, d, access.CareRelation{Patient: "p", Org: "town-a", Basis: access.BasisContract, Reference: "c1"})
		g, err := look(d, c, doctor, "p")
		if err != nil || g.Basis != access.BasisContract || !g.Direct {
			t.Fatalf("%+v %v", g, err)
		}
		if g, err := look(d, c, desk, "p"); err != nil || g.Direct {
			t.Errorf("the desk: %+v %v", g, err)
		}
		for name, a := range map[string]access.Actor{"other township": otherB, "bureau": bureau, "resident": person, "nobody": {}} {
			if _, err := look(d, c, a, "p"); !errs.Is(err, errs.Forbidden) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestRelationsEnd(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := access.New(audit.New(d, crypto.Ephemeral("intl")))
		relate(t, d, access.CareRelation{Patient: "p", Org: "town-a", Basis: access.BasisReferral, Reference: "r1", To: dbtest.Clock.Add(time.Hour)})
		if _, err := look(d, c, doctor, "p"); err != nil {
			t.Fatal(err)
		}
		dbtest.SetClock(d, dbtest.Clock.Add(2*time.Hour))
		if _, err := look(d, c, doctor, "p"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("after its end: %v", err)
		}
		relate(t, d, access.CareRelation{Patient: "p", Org: "town-a", Basis: access.BasisReferral, Reference: "r1"})
		if _, err := look(d, c, doctor, "p"); err != nil {
			t.Errorf("prolonged: %v", err)
		}
		if err := d.Tx(ctx, func(tx *db.Tx) error { return access.Unrelate(ctx, tx, access.BasisReferral, "r1") }); err != nil {
			t.Fatal(err)
		}
		if _, err := look(d, c, doctor, "p"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("ended: %v", err)
		}
	})
}

func TestEveryDecisionIsLogged(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		log := audit.New(d, crypto.Ephemeral("intl"))
		c := access.New(log)
		relate(t, d, access.CareRelation{Patient: "p", Org: "town-a", Basis: access.BasisContract, Reference: "c1"})
		_, _ = look(d, c, doctor, "p")
		_, _ = look(d, c, otherB, "p")
		// A refusal inside a writing transaction rolls that back; its leaf stays.
		err := d.Tx(ctx, func(tx *db.Tx) error {
			_, err := c.Patient(ctx, tx, otherB, "p", access.Refer)
			return err
		})
		if !errs.Is(err, errs.Forbidden) {
			t.Fatal(err)
		}
		leaves := search(t, d, audit.Filter{Patient: "p"})
		var ok, refused int
		for _, l := range leaves {
			if l.Outcome == "ok" {
				ok++
			} else {
				refused++
			}
		}
		if ok != 1 || refused != 2 {
			t.Fatalf("%d ok, %d refused: %+v", ok, refused, leaves)
		}
	})
}

func search(t *testing.T, d *db.DB, f audit.Filter) (out []audit.Leaf) {
	t.Helper()
	f.Limit = 50
	err := d.View(ctx, func(tx *db.Tx) (err error) { out, err = audit.Search(ctx, tx, f); return err })
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBreakGlassOpensForOnePersonAndAShortTime(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := access.New(audit.New(d, crypto.Ephemeral("intl")))
		breakGlass := func(a access.Actor, reason string) error {
			return d.Tx(ctx, func(tx *db.Tx) error { return c.BreakGlass(ctx, tx, a, "p", reason) })
		}
		if err := breakGlass(otherB, " 急 "); !errs.Is(err, errs.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		if err := breakGlass(bureau, "想看一看这个人"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("bureau: %v", err)
		}
		if err := breakGlass(otherB, "急诊昏迷，需了解过敏史"); err != nil {
			t.Fatal(err)
		}
		g, err := look(d, c, otherB, "p")
		if err != nil || g.Basis != access.BasisBreak {
			t.Fatalf("%+v %v", g, err)
		}
		if _, err := look(d, c, doctor, "p"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a colleague profits: %v", err)
		}
		dbtest.SetClock(d, dbtest.Clock.Add(5*time.Hour))
		if _, err := look(d, c, otherB, "p"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("after five hours: %v", err)
		}
	})
}

func TestResidentSeesHimselfAndHisChild(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := access.New(audit.New(d, crypto.Ephemeral("intl")))
		err := d.Tx(ctx, func(tx *db.Tx) error {
			return access.Guard(ctx, tx, "child", "mother", dbtest.Clock.Add(time.Hour))
		})
		if err != nil {
			t.Fatal(err)
		}
		var problems error
		for patient, want := range map[string]access.Basis{"mother": access.BasisSelf, "child": access.BasisGuardian, "neighbour": ""} {
			g, err := look(d, c, person, patient)
			if (err == nil) != (want != "") || (err == nil && g.Basis != want) {
				problems = errors.Join(problems, err)
				t.Errorf("%s: %+v %v", patient, g, err)
			}
		}
	})
}

func TestEveryPurposeHasItsWord(t *testing.T) {
	for _, p := range []access.Purpose{access.Treat, access.Refer, access.Consult, access.Register, access.FollowUp, access.SignUp, access.Print, access.Reveal, access.Look} {
		if p.Title() == "" {
			t.Errorf("purpose %s has no title", p)
		}
	}
}
