package attribution_test

import (
	"context"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/attribution"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/contract"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/jobs"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/patient"
	"yilian/internal/policy/policytest"
	"yilian/internal/practitioner"
)

var ctx = context.Background()

type world struct {
	d        *db.DB
	s        *attribution.Service
	people   *patient.Service
	contract *contract.Service
	staff    *practitioner.Service
	groups   *alliance.Service
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T, d *db.DB) world {
	t.Helper()
	alliancetest.Seed(t, d)
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	book := policytest.Shipped(t)
	w := world{d: d, s: &attribution.Service{DB: d, Queue: jobs.New(d)}, staff: &practitioner.Service{DB: d, Log: log},
		people: &patient.Service{DB: d, Keys: keys, Access: access.New(log), Audit: log}, groups: &alliance.Service{DB: d, Log: log}}
	w.contract = &contract.Service{DB: d, Audit: log, Policy: book, Patients: w.people}
	w.s.Init()
	return w
}

// later moves the clock and looks at everybody through the jobs.
func (w world) later(t *testing.T, days int) calendar.Date {
	t.Helper()
	now := w.d.Now().AddDate(0, 0, days)
	w.d.Now = func() time.Time { return now }
	must(t, w.d.Tx(ctx, func(tx *db.Tx) error { return w.s.Daily(ctx, tx) }))
	must(t, w.s.Queue.Drain(ctx))
	return calendar.DateOf(now)
}

func (w world) of(t *testing.T, person string) []attribution.Row {
	t.Helper()
	return dbtest.View(t, w.d, func(tx *db.Tx) ([]attribution.Row, error) { return attribution.Of(ctx, tx, person) })
}

// group makes an alliance that answers for residents out of one institution.
func (w world) group(t *testing.T, id, org string) {
	t.Helper()
	must(t, w.d.Tx(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM alliance_membership WHERE org = $1`, org); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO alliance (id, name, kind, region, profile, clause) VALUES ($1, $1, 'county_community', '431102', '', '')`, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO alliance_membership (id, alliance, org, role, plate, clause, valid_from, known_from, known_by, reason)
			VALUES ($1, $1, $2, 'member', '', '', '2020-01-01', 0, '', '')`, id, org)
		return err
	}))
}

func TestAResidentIsAttributedByWhereHeLivesUntilHeSigns(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		centres := organizationtest.OfKind(t, d, organization.TownshipCenter)
		home, other := centres[0], centres[1]
		w.group(t, "医共体甲", home.ID)
		w.group(t, "医共体乙", other.ID)
		p, err := w.people.Register(ctx, audit.Program("test"), patient.Registration{Name: "李秀英", Sex: "2", BirthDate: "1960-05-06",
			Phone: "13900001234", Region: village(t, d, home.Region), InsuranceKind: patient.Resident, Confirmed: true})
		must(t, err)

		day1 := w.later(t, 0)
		if rows := w.of(t, p.ID); len(rows) != 1 || rows[0].From != day1 || rows[0].To != "" || rows[0].Cell != home.Region ||
			rows[0].Centre != home.ID || rows[0].Alliance != "医共体甲" || rows[0].Basis != attribution.ByResidence || rows[0].Team != "" {
			t.Fatalf("first pass: %+v", rows)
		}
		w.later(t, 5) // nothing has changed
		if rows := w.of(t, p.ID); len(rows) != 1 {
			t.Fatalf("a pass without a change wrote a row: %+v", rows)
		}

		team := w.sign(t, other, p.ID)
		day2 := w.later(t, 1)
		rows := w.of(t, p.ID)
		if len(rows) != 2 || rows[0].To != day2.AddDays(-1) || rows[1].From != day2 || rows[1].Team != team ||
			rows[1].Alliance != "医共体乙" || rows[1].Basis != attribution.ByContract || rows[1].Cell != home.Region {
			t.Fatalf("after signing elsewhere: %+v", rows)
		}
		on := func(day calendar.Date) string {
			return dbtest.View(t, d, func(tx *db.Tx) (string, error) {
				r, _, err := attribution.On(ctx, tx, p.ID, day)
				return r.Alliance, err
			})
		}
		if on(day1) != "医共体甲" || on(day2.AddDays(-1)) != "医共体甲" || on(day2) != "医共体乙" || on(day1.AddDays(-1)) != "" {
			t.Error("a day is attributed to the wrong alliance")
		}
		heads := dbtest.View(t, d, func(tx *db.Tx) ([]attribution.Heads, error) { return attribution.HeadsOn(ctx, tx, day2) })
		if len(heads) != 1 || heads[0].Residents != 1 || heads[0].Signed != 1 || heads[0].Alliance != "医共体乙" {
			t.Errorf("heads %+v", heads)
		}
	})
}

func TestAnAllianceThatLosesTheCentreLosesItsResidents(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		home := organizationtest.OfKind(t, d, organization.CommunityCenter)[0]
		w.group(t, "医共体甲", home.ID)
		p, err := w.people.Register(ctx, audit.Program("test"), patient.Registration{Name: "李秀英", Sex: "2", BirthDate: "1960-05-06",
			Phone: "13900001234", Region: village(t, d, home.Region), InsuranceKind: patient.Resident, Confirmed: true})
		must(t, err)
		w.later(t, 0)
		must(t, d.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE alliance_membership SET valid_to = $1 WHERE org = $2`, string(calendar.DateOf(tx.Now)), home.ID)
			return err
		}))
		w.later(t, 1)
		if rows := w.of(t, p.ID); len(rows) != 2 || rows[1].Alliance != "" || rows[1].Basis != "" || rows[1].Centre != home.ID {
			t.Errorf("%+v", rows)
		}
	})
}

func (w world) sign(t *testing.T, at organization.Organization, person string) (team string) {
	t.Helper()
	doctor := access.Actor{Account: "a", Name: "赵医生", Role: string(access.TownshipDoctor), Org: at.ID, OrgName: at.Name}
	leader, err := w.staff.Save(ctx, audit.Program("test"), practitioner.Practitioner{Name: "周医生", Sex: "1", Phone: "13900000001",
		Title: "主治医师", Category: practitioner.Categories()[0], Scope: "全科医学", EmployedBy: at.ID})
	must(t, err)
	saved, err := w.contract.SaveTeam(ctx, doctor, contract.Team{Name: "第一团队", Leader: leader.ID, Phone: "07466220001"})
	must(t, err)
	_, err = w.contract.Sign(ctx, doctor, contract.NewContract{Patient: person, Team: saved.ID, Kind: contract.Basic, Years: 1, Tail: "1234"})
	must(t, err)
	return saved.ID
}

func village(t *testing.T, d *db.DB, town string) string {
	t.Helper()
	return dbtest.View(t, d, func(tx *db.Tx) (string, error) {
		return db.Get(ctx, tx, "村", db.Value[string], `SELECT min(code) FROM region WHERE parent = $1`, town)
	})
}
