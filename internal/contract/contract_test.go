package contract_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/contract"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/patient"
	"yilian/internal/policy/policytest"
	"yilian/internal/practitioner"
)

var ctx = context.Background()

type world struct {
	d            *db.DB
	svc          *contract.Service
	people       *patient.Service
	doctor       access.Actor // of the centre of team
	team, second contract.Team
	leader       string
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T, d *db.DB) world {
	t.Helper()
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	book := policytest.Shipped(t)
	w := world{d: d, people: &patient.Service{DB: d, Keys: keys, Access: access.New(log), Audit: log}}
	w.svc = &contract.Service{DB: d, Audit: log, Policy: book, Patients: w.people}
	staff := &practitioner.Service{DB: d, Log: log}
	organizationtest.Seed(t, d)
	centres := organizationtest.OfKind(t, d, organization.TownshipCenter)
	actor := func(o organization.Organization) access.Actor {
		return access.Actor{Account: "a" + o.ID, Name: "赵医生", Role: string(access.TownshipDoctor), Org: o.ID, OrgName: o.Name}
	}
	person := func(o organization.Organization, name string) string {
		p, err := staff.Save(ctx, audit.Program("test"), practitioner.Practitioner{Name: name, Sex: "1", Phone: "13900000001",
			Title: "主治医师", Category: practitioner.Categories()[0], Scope: "全科医学", EmployedBy: o.ID})
		must(t, err)
		return p.ID
	}
	w.doctor = actor(centres[0])
	w.leader = person(centres[0], "周医生")
	nurse := person(centres[0], "吴护士")
	var err error
	w.team, err = w.svc.SaveTeam(ctx, w.doctor, contract.Team{Name: "第一团队", Leader: w.leader, Phone: "07466220001",
		Members: []contract.Member{{Practitioner: nurse, Role: contract.Nurse}}})
	must(t, err)
	w.second, err = w.svc.SaveTeam(ctx, actor(centres[1]), contract.Team{Name: "第一团队", Leader: person(centres[1], "郑医生"), Phone: "07466220002"})
	must(t, err)
	return w
}

func (w world) resident(t *testing.T, name, birth string) patient.Patient {
	t.Helper()
	f := patient.Registration{Name: name, Sex: "2", BirthDate: birth, Phone: "13900001234", InsuranceKind: patient.Resident, Confirmed: true}
	if birth > "2013" {
		f.Guardian = patient.NewRelation{Kind: "52", Name: "李秀英", Phone: "13900001234"}
	}
	other := w.doctor
	other.Org = w.second.Org // registered elsewhere: no relation to the signing centre
	p, err := w.people.Register(ctx, other, f)
	must(t, err)
	return p
}

func (w world) form(p patient.Patient) contract.NewContract {
	return contract.NewContract{Patient: p.ID, Team: w.team.ID, Kind: contract.Basic, Years: 1, Tail: "1234"}
}

func (w world) active(t *testing.T, p patient.Patient, day calendar.Date) (c contract.Contract, ok bool) {
	t.Helper()
	must(t, w.d.View(ctx, func(tx *db.Tx) (err error) { c, ok, err = contract.Active(ctx, tx, p.ID, day); return err }))
	return c, ok
}

func TestSignOpensTheRecordForItsTerm(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.resident(t, "张桂兰", "1965-03-12")
		if _, err := w.people.Open(ctx, w.doctor, p.ID, access.Look); !errs.Is(err, errs.Forbidden) {
			t.Fatalf("before: %v", err)
		}
		c, err := w.svc.Sign(ctx, w.doctor, w.form(p))
		must(t, err)
		if c.From != "2026-03-02" || c.To != "2027-03-01" || c.Signer != "张桂兰" {
			t.Errorf("%+v", c)
		}
		page, err := w.people.Open(ctx, w.doctor, p.ID, access.Look)
		if err != nil || page.Grant.Basis != access.BasisContract || page.Grant.Reference != c.ID || !page.Grant.Direct {
			t.Errorf("after: %+v %v", page.Grant, err)
		}
		for day, want := range map[calendar.Date]bool{"2026-03-01": false, "2026-03-02": true, "2027-03-01": true, "2027-03-02": false} {
			if _, ok := w.active(t, p, day); ok != want {
				t.Errorf("%s: active %v", day, ok)
			}
		}
		dbtest.SetClock(d, calendar.Date("2027-03-02").Time())
		if _, err := w.people.Open(ctx, w.doctor, p.ID, access.Look); !errs.Is(err, errs.Forbidden) {
			t.Errorf("the term is over: %v", err)
		}
	})
}

func TestOneContractAResident(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.resident(t, "张桂兰", "1965-03-12")
		c, err := w.svc.Sign(ctx, w.doctor, w.form(p))
		must(t, err)
		other := w.doctor
		other.Org = w.second.Org
		f := w.form(p)
		f.Team = w.second.ID
		_, err = w.svc.Sign(ctx, other, f)
		if !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), "第一团队") || !strings.Contains(err.Error(), "2027-03-01") {
			t.Fatalf("second contract: %v", err)
		}
		if err := w.svc.End(ctx, other, c.ID, contract.Changed, ""); !errs.Is(err, errs.Forbidden) {
			t.Errorf("another centre ended it: %v", err)
		}
		if err := w.svc.End(ctx, w.doctor, c.ID, "", ""); !errs.Is(err, errs.Invalid) {
			t.Errorf("no reason: %v", err)
		}
		must(t, w.svc.End(ctx, w.doctor, c.ID, contract.Changed, ""))
		if _, ok := w.active(t, p, "2026-03-02"); ok {
			t.Error("ended and active")
		}
		if _, err := w.people.Open(ctx, w.doctor, p.ID, access.Look); !errs.Is(err, errs.Forbidden) {
			t.Errorf("ended and readable: %v", err)
		}
		if _, err := w.svc.Sign(ctx, other, f); err != nil {
			t.Errorf("after the end: %v", err)
		}
		if err := w.svc.End(ctx, w.doctor, c.ID, contract.Changed, ""); !errs.Is(err, errs.Conflict) {
			t.Errorf("ended twice: %v", err)
		}
	})
}

func TestTwoSignAtOnceOneWins(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.resident(t, "张桂兰", "1965-03-12")
		other := w.doctor
		other.Org = w.second.Org
		done := make(chan error, 2)
		for i, actor := range []access.Actor{w.doctor, other} {
			f := w.form(p)
			if i == 1 {
				f.Team = w.second.ID
			}
			go func() { _, err := w.svc.Sign(ctx, actor, f); done <- err }()
		}
		a, b := <-done, <-done
		if (a == nil) == (b == nil) || !errs.Is(a, errs.Conflict) && !errs.Is(b, errs.Conflict) {
			t.Errorf("%v / %v", a, b)
		}
	})
}

func TestSignRefuses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		adult, child := w.resident(t, "张桂兰", "1965-03-12"), w.resident(t, "张小宝", "2020-05-05")
		for _, c := range []struct {
			want   string
			p      patient.Patient
			change func(*contract.NewContract)
		}{
			{"后四位不符", adult, func(n *contract.NewContract) { n.Tail = "9999" }},
			{"后四位不符", adult, func(n *contract.NewContract) { n.Tail = "" }},
			{"签约周期应为1至3年", adult, func(n *contract.NewContract) { n.Years = 4 }},
			{"签约周期应为1至3年", adult, func(n *contract.NewContract) { n.Years = 0 }},
			{"请选择服务包", adult, func(n *contract.NewContract) { n.Kind = "" }},
			{"请填写代签的监护人", child, func(*contract.NewContract) {}},
			{"代签人与居民的关系", child, func(n *contract.NewContract) { n.Signer = "李秀英" }},
			{"请填写家庭医生团队", adult, func(n *contract.NewContract) { n.Team = "" }},
			{"生效日期", adult, func(n *contract.NewContract) { n.From = "2036-01-01" }},
		} {
			n := w.form(c.p)
			c.change(&n)
			_, err := w.svc.Sign(ctx, w.doctor, n)
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.want, err)
			}
		}
		nurse := w.doctor
		nurse.Role = string(access.Registration)
		if _, err := w.svc.Sign(ctx, nurse, w.form(adult)); !errs.Is(err, errs.Forbidden) {
			t.Errorf("without the right: %v", err)
		}
	})
}

func TestRenewBeginsAfterTheLastDay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		p := w.resident(t, "张桂兰", "1965-03-12")
		c, err := w.svc.Sign(ctx, w.doctor, w.form(p))
		must(t, err)
		if _, err := w.svc.Renew(ctx, w.doctor, c.ID, contract.Basic, 1); !errs.Is(err, errs.Invalid) {
			t.Errorf("a year too early: %v", err)
		}
		dbtest.SetClock(d, calendar.Date("2027-02-01").Time())
		next, err := w.svc.Renew(ctx, w.doctor, c.ID, contract.Primary, 3)
		must(t, err)
		if next.From != "2027-03-02" || next.To != "2030-03-01" || next.Renews != c.ID {
			t.Errorf("%+v", next)
		}
		if got, ok := w.active(t, p, "2027-02-01"); !ok || got.ID != c.ID {
			t.Errorf("the old term still runs: %+v", got)
		}
		if got, ok := w.active(t, p, "2027-03-02"); !ok || got.ID != next.ID {
			t.Errorf("the new term follows: %+v", got)
		}
		if _, err := w.svc.Renew(ctx, w.doctor, c.ID, contract.Basic, 1); !errs.Is(err, errs.Conflict) {
			t.Errorf("renewed twice: %v", err)
		}
		must(t, w.svc.Void(ctx, w.doctor, next.ID, "录错"))
		if _, err := w.svc.Renew(ctx, w.doctor, c.ID, contract.Basic, 1); err != nil {
			t.Errorf("after voiding: %v", err)
		}
	})
}

func TestListAndTeams(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for _, name := range []string{"张桂兰", "李国强"} {
			_, err := w.svc.Sign(ctx, w.doctor, w.form(w.resident(t, name, "1965-03-12")))
			must(t, err)
		}
		count := func(f contract.Filter) (n int64) {
			f.Org = w.team.Org
			must(t, d.View(ctx, func(tx *db.Tx) (err error) {
				list, total, err := contract.List(ctx, tx, f, calendar.DateOf(tx.Now))
				if int64(len(list)) != total {
					t.Errorf("%d rows of %d", len(list), total)
				}
				n = total
				return err
			}))
			return n
		}
		for _, c := range []struct {
			f    contract.Filter
			want int64
		}{
			{contract.Filter{}, 2}, {contract.Filter{Text: "zgl"}, 1}, {contract.Filter{Text: "国强"}, 1}, {contract.Filter{Text: "%"}, 2},
			{contract.Filter{Status: "expiring"}, 0}, {contract.Filter{Status: "over"}, 0}, {contract.Filter{Team: w.second.ID}, 0},
		} {
			if got := count(c.f); got != c.want {
				t.Errorf("%+v: %d", c.f, got)
			}
		}
		dbtest.SetClock(d, calendar.Date("2027-02-20").Time().Add(time.Hour))
		if got := count(contract.Filter{Status: "expiring"}); got != 2 {
			t.Errorf("expiring: %d", got)
		}
		must(t, d.View(ctx, func(tx *db.Tx) error {
			gap, ok, err := w.svc.Gap(ctx, tx, w.team.Org)
			if !ok || gap.Have != 1 || gap.Want != 5 || gap.Answer.Clause != "LL-4.1c" {
				t.Errorf("LL-4.1c: %+v %v", gap, err)
			}
			team, err2 := contract.GetTeam(ctx, tx, w.team.ID)
			if err2 != nil || team.Contracted != 2 || len(team.Missing()) != 1 || team.LeaderName != "周医生" {
				t.Errorf("%+v %v", team, err2)
			}
			return err
		}))
		w.team.Name = "第二团队"
		changed, err := w.svc.SaveTeam(ctx, w.doctor, w.team)
		must(t, err)
		if _, err := w.svc.SaveTeam(ctx, w.doctor, w.team); !errs.Is(err, errs.Conflict) {
			t.Errorf("stale team: %v %+v", err, changed)
		}
	})
}
