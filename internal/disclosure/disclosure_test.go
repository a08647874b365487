package disclosure_test

import (
	"context"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/disclosure"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/jobs"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/profiles"
)

var ctx = context.Background()

// Every break-glass is a case of a privacy officer with a clock; he sees what
// was done with it and decides; nobody reviews himself.
func TestEveryBreakGlassIsReviewedWithinItsClock(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		organizationtest.Seed(t, d)
		book, err := policy.Load(profiles.FS)
		ok(err)
		keys := crypto.Ephemeral(crypto.SM)
		log := audit.New(d, keys)
		engine := &flow.Engine{DB: d, Book: book, Calendar: calendar.New(), Audit: log, Keys: keys, Queue: jobs.New(d),
			Notify: func(context.Context, *db.Tx, flow.Notice) error { return nil }}
		engine.Start()
		s := &disclosure.Service{DB: d, Flow: engine, Audit: log}
		ok(s.Init())
		lead := organizationtest.ByName(t, d, "永州市第四人民医院")
		town := organizationtest.OfKind(t, d, organization.TownshipCenter)[0]
		accounts := &account.Service{DB: d, Keys: keys, Audit: log, Directory: account.Directory{RegionsOf: organization.Chain}}
		_, err = accounts.Seed(ctx, account.NewAccount{Login: "yinsi", Name: "隐私专员", Posts: []account.NewPost{{Role: access.PrivacyOfficer, Org: lead.ID, OrgName: lead.Name, From: "2026-01-01"}}}, "Lingling-2026", false)
		ok(err)
		control := access.New(log)
		people := &patient.Service{DB: d, Keys: keys, Access: control, Audit: log,
			Broken: func(ctx context.Context, tx *db.Tx, a access.Actor, id, reason string) error {
				_, err := s.OpenTx(ctx, tx, a, id, reason)
				return err
			}}
		who, err := people.Register(ctx, audit.Program("建档"), patient.Registration{Name: "李秀英", Sex: "2", BirthDate: "1960-05-06", Phone: "13900001234", InsuranceKind: patient.Resident})
		ok(err)
		act := func(name string, role access.Role, o organization.Organization) access.Actor {
			return access.Actor{Account: name, Name: name, Role: string(role), Org: o.ID, OrgName: o.Name, Regions: []string{"431102", "4311", "43", "CN"}}
		}
		doctor, officer, other := act("急诊医生", access.TownshipDoctor, town), act("隐私专员", access.PrivacyOfficer, lead), act("别处专员", access.PrivacyOfficer, town)
		if err := people.BreakGlass(ctx, doctor, who.ID, "急"); !errs.Is(err, errs.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		ok(people.BreakGlass(ctx, doctor, who.ID, "昏迷送来，需了解过敏史"))
		_, err = people.Open(ctx, doctor, who.ID, access.Look)
		ok(err)
		list, err := s.List(ctx, officer)
		if err != nil || len(list) != 1 || !list[0].Case.Open() || list[0].Case.OwnerRole != access.PrivacyOfficer || list[0].Case.DueAt.Before(dbtest.Clock) {
			t.Fatalf("%+v %v", list, err)
		}
		id := list[0].ID
		if _, err := s.View(ctx, other, id); !errs.Is(err, errs.Forbidden) {
			t.Errorf("another institution's officer: %v", err)
		}
		v, err := s.View(ctx, officer, id)
		if err != nil || v.Reason != "昏迷送来，需了解过敏史" || v.Patient.Name != "李秀英" || len(v.Actions) < 2 {
			t.Fatalf("%+v %v", v, err)
		}
		if len(v.Seen) != 2 { // the opening and the page; its review is none of his acts
			t.Errorf("seen %+v", v.Seen)
		}
		ref := disclosure.Ref{ID: id, Version: v.Case.Version, Once: "f1"}
		if _, err := s.Act(ctx, officer, ref, disclosure.ActImproper, "", ""); !errs.Is(err, errs.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		if _, err := s.Act(ctx, doctor, ref, disclosure.ActJustify, "rescue", ""); !errs.Is(err, errs.Forbidden) {
			t.Errorf("the reader himself: %v", err)
		}
		c, err := s.Act(ctx, officer, ref, disclosure.ActImproper, "no_emergency", "当日没有急诊记录")
		if err != nil || c.State != disclosure.StateImproper || c.Open() {
			t.Fatalf("%+v %v", c, err)
		}
		if again, err := s.Act(ctx, officer, ref, disclosure.ActImproper, "no_emergency", "当日没有急诊记录"); err != nil || again.Version != c.Version {
			t.Errorf("sent twice: %+v %v", again, err)
		}
		// the opening itself ends by itself
		later := dbtest.Clock.Add(4*time.Hour + time.Minute)
		d.Now = func() time.Time { return later }
		if _, err := people.Open(ctx, doctor, who.ID, access.Look); !errs.Is(err, errs.Forbidden) {
			t.Errorf("four hours later: %v", err)
		}
	})
}
