// Package crash_test kills the program while people work with it, and holds
// afterwards that nothing acknowledged was lost, nothing was done twice and
// nothing was half-written (docs/design.md, section 7).
package crash_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/account"
	"yilian/internal/app"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/people"
	"yilian/internal/practitioner"
	"yilian/internal/referral"
	"yilian/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

var ctx = context.Background()

// The institutions that people work in. Nobody works at lateHospital: what is
// sent there stays until its clock runs out.
const (
	hospitalName = "永州市第四人民医院"
	lateHospital = "零陵区中医院"
	townName     = "水口山镇中心卫生院"
	secondTown   = "珠山镇中心卫生院"
	password     = "Lingling-2026"
)

// What is asked for in the referrals.
const (
	angina   = "I20.900"
	backache = "M54.500"
)

// lateCases is how many referrals are prepared whose clocks run out, one every
// lateStep, while the program is being killed.
const (
	lateCases = 40
	lateStep  = 300 * time.Millisecond
)

// person is somebody who works.
type person struct {
	login string
	role  access.Role
	actor access.Actor
}

// world is a prepared database: institutions, staff, patients, late cases.
type world struct {
	t         *testing.T
	app       *app.App // only while preparing
	cfg       app.Config
	config    string // file for the program
	hash      string
	orgs      map[string]organization.Organization
	clinic    organization.Organization
	service   organization.Candidate // cardiology clinic of the hospital
	elsewhere organization.Candidate // of another hospital
	late      organization.Candidate // for the late cases
	staff     []person
	patients  []patient.Entry // of the township centres
	villagers []patient.Entry // of the village clinic
	byID      map[string]patient.Entry
	lateCase  map[string]bool // ids of the late cases
}

// prepare makes the world on an empty database, through the use cases.
func prepare(t *testing.T, target string) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		t: t, orgs: map[string]organization.Organization{}, byID: map[string]patient.Entry{}, lateCase: map[string]bool{},
		cfg: app.Config{Database: target, KeyFile: filepath.Join(dir, "yilian.keys"), Founded: time.Now().AddDate(0, -1, 0)},
	}
	w.config = harness.Config(t, dir, fmt.Sprintf("database = %q", target), fmt.Sprintf("key_file = %q", w.cfg.KeyFile))
	var err error
	w.app, err = app.Open(ctx, w.cfg)
	must(t, err)
	defer func() { must(t, w.app.Close()) }()
	w.hash, err = crypto.HashPassword(password)
	must(t, err)
	must(t, w.app.DB.View(ctx, w.places))
	real := w.app.DB.Now
	w.app.DB.Now = func() time.Time { return w.cfg.Founded }
	w.hire()
	w.settle()
	w.overdueSoon()
	w.app.DB.Now = real
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// places finds institutions and services.
func (w *world) places(tx *db.Tx) error {
	for _, name := range []string{hospitalName, lateHospital, townName, secondTown} {
		o, err := organization.ByName(ctx, tx, name)
		if err != nil {
			return err
		}
		w.orgs[name] = o
	}
	clinics, err := organization.List(ctx, tx, organization.Filter{Kind: organization.VillageClinic})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(clinics, func(o organization.Organization) bool { return o.Parent == w.orgs[townName].ID })
	if i < 0 {
		return fmt.Errorf("no village clinic under %s", townName)
	}
	w.clinic = clinics[i]
	for _, x := range []struct {
		code, org string
		into      *organization.Candidate
	}{{angina, hospitalName, &w.service}, {angina, lateHospital, &w.elsewhere}, {backache, lateHospital, &w.late}} {
		found, err := organization.FindServices(ctx, tx, organization.Need{Code: x.code, Age: 50, Sex: "1", Urgency: "III", Kinds: []organization.ServiceKind{organization.Clinic}})
		if err != nil {
			return err
		}
		i := slices.IndexFunc(found, func(c organization.Candidate) bool { return c.Org.ID == w.orgs[x.org].ID })
		if i < 0 {
			return fmt.Errorf("no service for %s at %s", x.code, x.org)
		}
		*x.into = found[i]
	}
	return nil
}

// hire enters the people: twelve who work, one who fights with a nurse for
// cases, one to whom late cases are reported.
func (w *world) hire() {
	town, second, hospital := w.orgs[townName], w.orgs[secondTown], w.orgs[hospitalName]
	for _, p := range []struct {
		login, name string
		role        access.Role
		org         organization.Organization
		dept        string
	}{
		{"doctor1", "唐医生", access.TownshipDoctor, town, ""}, {"doctor2", "蒋医生", access.TownshipDoctor, town, ""},
		{"doctor3", "柏医生", access.TownshipDoctor, second, ""}, {"village", "欧村医", access.VillageDoctor, w.clinic, ""},
		{"head", "何院长", access.TownshipHead, town, ""},
		{"nurse1", "李护士", access.ReferralCenter, hospital, ""}, {"nurse2", "周护士", access.ReferralCenter, hospital, ""},
		{"nurse3", "吴护士", access.ReferralCenter, hospital, ""}, {"rival", "郑护士", access.ReferralCenter, hospital, ""},
		{"desk1", "陈登记", access.Registration, hospital, ""}, {"desk2", "文登记", access.Registration, hospital, ""},
		{"special1", "王主任", access.DepartmentDoctor, hospital, w.service.Department.ID},
		{"special2", "吕医生", access.DepartmentDoctor, hospital, w.service.Department.ID},
		{"affairs", "魏主任", access.MedicalAffairs, w.orgs[lateHospital], ""},
	} {
		w.employ(p.login, p.name, p.role, p.org, p.dept)
	}
}

func (w *world) employ(login, name string, role access.Role, org organization.Organization, dept string) {
	w.t.Helper()
	since := calendar.DateOf(time.Now().AddDate(-1, 0, 0))
	p, err := w.app.Practitioners.Save(ctx, audit.Program("准备"), practitioner.Practitioner{
		Name: name, Sex: "1", Title: "主治医师", Category: practitioner.Clinician, Scope: "全科医学专业", EmployedBy: org.ID, Phone: "13900000001",
		Postings: []practitioner.Posting{{Org: org.ID, Department: dept, Kind: practitioner.Employed, From: since}},
	})
	must(w.t, err)
	a, err := w.app.Accounts.SeedHashed(ctx, account.NewAccount{
		Login: login, Name: name, Person: p.ID,
		Posts: []account.NewPost{{Role: role, Org: org.ID, OrgName: org.Name, Department: dept, From: since}},
	}, w.hash, false)
	must(w.t, err)
	actor := access.Actor{Account: a.ID, Person: p.ID, Name: name, Role: string(role), Org: org.ID, OrgName: org.Name, Department: dept}
	must(w.t, w.app.DB.View(ctx, func(tx *db.Tx) (err error) { actor.Regions, err = organization.Chain(ctx, tx, org.ID); return err }))
	w.staff = append(w.staff, person{login: login, role: role, actor: actor})
}

// with returns a person by login.
func (w *world) with(login string) person {
	w.t.Helper()
	i := slices.IndexFunc(w.staff, func(p person) bool { return p.login == login })
	if i < 0 {
		w.t.Fatalf("nobody is %s", login)
	}
	return w.staff[i]
}

// settle registers grown-up residents: most with the township centres, some
// with the village clinic.
func (w *world) settle() {
	w.t.Helper()
	today := calendar.DateOf(time.Now())
	orgs := []string{w.orgs[townName].ID, w.orgs[secondTown].ID, w.clinic.ID, w.orgs[townName].ID}
	n := 0
	_, err := w.app.Patients.Import(ctx, audit.Program("准备"), func(yield func(patient.Entry) bool) {
		for e := range people.Entries(people.Generate(15, 4000, today), nil) {
			age := patient.AgeOn(e.BirthDate, today)
			if age < 30 || age > 80 || e.IDNumber == "" {
				continue
			}
			e.Relations, e.Org = nil, orgs[n%len(orgs)]
			n++
			w.byID[e.ID] = e
			if e.Org == w.clinic.ID {
				w.villagers = append(w.villagers, e)
			} else {
				w.patients = append(w.patients, e)
			}
			if !yield(e) {
				return
			}
		}
	})
	must(w.t, err)
}

// overdueSoon sends referrals two hours ago and a little less, so that their
// clocks (III: 2 hours) run out one after the other during the kills.
func (w *world) overdueSoon() {
	w.t.Helper()
	start := time.Now().Add(-2*time.Hour + time.Second)
	doctor := w.with("doctor1").actor
	for i := range lateCases {
		at := start.Add(time.Duration(i) * lateStep)
		w.app.DB.Now = func() time.Time { return at }
		f := w.form(w.next(doctor.Org), backache, w.late)
		c, err := w.app.Referrals.Draft(ctx, doctor, f, "")
		must(w.t, err)
		c, err = w.app.Referrals.Submit(ctx, doctor, referral.Ref{ID: c.ID, Version: c.Version}, &f)
		must(w.t, err)
		if c.State != referral.StateSubmitted || c.Turn != flow.To {
			w.t.Fatalf("a late case stands at %s", c.State)
		}
		w.lateCase[c.ID] = true
	}
}

// next takes a patient of an institution who has no referral yet.
func (w *world) next(org string) patient.Entry {
	list := &w.patients
	if org == w.clinic.ID {
		list = &w.villagers
	}
	i := slices.IndexFunc(*list, func(e patient.Entry) bool { return e.Org == org })
	if i < 0 {
		return patient.Entry{}
	}
	e := (*list)[i]
	*list = slices.Delete(*list, i, i+1)
	return e
}

// form is a complete request.
func (w *world) form(e patient.Entry, code string, to organization.Candidate) referral.Form {
	return referral.Form{
		Patient: e.ID, Visit: referral.Outpatient, Urgency: "III", Purpose: "specialist", Indications: []string{"general_exam"},
		Diagnosis: code, TargetService: to.Service.ID, Consent: &consent.Consent{Form: consent.Written, SignedBy: consent.Self},
		Request: referral.Request{
			Chief: "反复腰痛 3 月", Illness: "3 个月来腰痛，基层缺乏检查条件", Treatment: "无", Consciousness: "clear", Transport: "family",
			Choices: []referral.Choice{{Org: to.Org.ID, OrgName: to.Org.Name, Service: to.Service.Name, Chosen: true}},
		},
	}
}
