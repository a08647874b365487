// Package referraltest builds a small world for tests of referrals: the
// institutions of Lingling with people in them, patients, and a clock that the
// test moves.
package referraltest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/contract"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
	"yilian/internal/idcard"
	"yilian/internal/jobs"
	"yilian/internal/message"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/policy/policytest"
	"yilian/internal/practitioner"
	"yilian/internal/referral"
)

// Names of the institutions of the world.
const (
	HospitalName = "永州市第四人民医院"
	OtherName    = "零陵区中医院"
	TownshipName = "水口山镇中心卫生院"
	StrangerName = "珠山镇中心卫生院"
)

// World is a database with institutions, staff and patients.
type World struct {
	T   testing.TB
	DB  *db.DB
	Now time.Time // what the database's clock shows

	Service       *referral.Service
	Flow          *flow.Engine
	Queue         *jobs.Queue
	Audit         *audit.Log
	Keys          *crypto.Keyring
	Persons       *patient.Service
	Contracts     *contract.Service
	Organizations *organization.Service
	Staff         *practitioner.Service

	Hospital, Other, Township, Elsewhere, Clinic organization.Organization
	Cardiology, Neurology                        organization.Department // of Hospital
	OtherDept                                    organization.Department // of Other
	CardioClinic, CardioWard, NeuroClinic        organization.HealthcareService
	OtherClinic                                  organization.HealthcareService

	Doctor, Colleague, Head             access.Actor // of Township
	VillageDoctor                       access.Actor // of Clinic, which belongs to Township
	Centre, Centre2, Desk               access.Actor // of Hospital
	Specialist, Specialist2             access.Actor // of Hospital, Cardiology
	OtherCentre, OtherDesk, OtherDoctor access.Actor // of Other
	Stranger                            access.Actor // of Elsewhere, without any relation
	Bureau                              access.Actor
	Patients                            []patient.Patient // registered by Township; 0 is contracted nowhere
	Notices                             []flow.Notice
	IDNumbers                           []string // of Patients
	tokens                              int
}

var ctx = context.Background()

// New builds the world on a fresh database, at dbtest.Clock.
func New(t testing.TB, d *db.DB) *World {
	t.Helper()
	w := &World{T: t, DB: d, Now: dbtest.Clock, Keys: crypto.Ephemeral("intl")}
	d.Now = func() time.Time { return w.Now }
	book := policytest.Shipped(w.T)
	w.Audit, w.Queue = audit.New(d, w.Keys), jobs.New(d)
	control := access.New(w.Audit)
	w.Persons = &patient.Service{DB: d, Keys: w.Keys, Access: control, Audit: w.Audit}
	w.Contracts = &contract.Service{DB: d, Audit: w.Audit, Policy: book, Patients: w.Persons}
	w.Organizations = &organization.Service{DB: d, Log: w.Audit}
	w.Staff = &practitioner.Service{DB: d, Log: w.Audit}
	w.Flow = &flow.Engine{
		DB: d, Book: book, Calendar: calendar.New(), Audit: w.Audit, Keys: w.Keys, Queue: w.Queue,
		Notify: func(_ context.Context, _ *db.Tx, n flow.Notice) error { w.Notices = append(w.Notices, n); return nil },
	}
	w.Service = &referral.Service{
		DB: d, Flow: w.Flow, Book: book, Access: control, Audit: w.Audit, Keys: w.Keys, Queue: w.Queue, Patients: w.Persons,
		Messages: message.New(d, w.Keys, w.Audit, w.Queue, nil, message.Options{}),
	}
	w.ok(w.Service.Init())
	w.Flow.Start()
	w.institutions(book)
	w.people()
	w.patients()
	return w
}

func (w *World) ok(err error) {
	w.T.Helper()
	if err != nil {
		w.T.Fatalf("referraltest: %v", err)
	}
}

func (w *World) institutions(book *policy.Book) {
	w.T.Helper()
	lingling, _ := book.Profile("lingling")
	organizationtest.Seed(w.T, w.DB)
	w.ok(w.DB.Tx(ctx, func(tx *db.Tx) error { return alliance.Seed(ctx, tx, lingling) }))
	w.ok(w.DB.View(ctx, func(tx *db.Tx) error {
		for _, x := range []struct {
			name string
			into *organization.Organization
		}{{HospitalName, &w.Hospital}, {OtherName, &w.Other}, {TownshipName, &w.Township}, {StrangerName, &w.Elsewhere}} {
			o, err := organization.ByName(ctx, tx, x.name)
			if err != nil {
				return err
			}
			*x.into = o
		}
		clinics, err := organization.List(ctx, tx, organization.Filter{Kind: organization.VillageClinic})
		if err != nil {
			return err
		}
		for _, c := range clinics {
			if c.Parent == w.Township.ID {
				w.Clinic = c
				break
			}
		}
		return w.services(tx)
	}))
	if w.Clinic.ID == "" {
		w.T.Fatal("referraltest: no village clinic under the township centre")
	}
}

func (w *World) services(tx *db.Tx) error {
	find := func(org organization.Organization, code string, kind organization.ServiceKind, into *organization.HealthcareService, dept *organization.Department) error {
		found, err := organization.FindServices(ctx, tx, organization.Need{Code: code, Age: 50, Sex: "1", Kinds: []organization.ServiceKind{kind}})
		if err != nil {
			return err
		}
		for _, c := range found {
			if c.Org.ID == org.ID && c.Specificity > 0 {
				*into = c.Service
				if dept != nil {
					*dept = c.Department
				}
				return nil
			}
		}
		return fmt.Errorf("no %s for %s at %s", kind, code, org.Name)
	}
	if err := find(w.Hospital, "I20.900", organization.Clinic, &w.CardioClinic, &w.Cardiology); err != nil {
		return err
	}
	if err := find(w.Hospital, "I20.900", organization.Inpatient, &w.CardioWard, nil); err != nil {
		return err
	}
	if err := find(w.Hospital, "I63.900", organization.Clinic, &w.NeuroClinic, &w.Neurology); err != nil {
		return err
	}
	return find(w.Other, "M54.500", organization.Clinic, &w.OtherClinic, &w.OtherDept)
}

func (w *World) people() {
	actor := func(name string, role access.Role, org organization.Organization, dept string) access.Actor {
		p, err := w.Staff.Save(ctx, audit.Program("test"), practitioner.Practitioner{
			Name: name, Sex: "1", Phone: "13900000001", Title: "主治医师", Category: practitioner.Clinician, Scope: "全科医学", EmployedBy: org.ID,
		})
		w.ok(err)
		return access.Actor{
			Account: "account-" + p.ID, Person: p.ID, Name: name, Role: string(role), Org: org.ID, OrgName: org.Name,
			Department: dept, Regions: []string{"431102", "4311", "43", "CN"},
		}
	}
	w.Doctor = actor("唐医生", access.TownshipDoctor, w.Township, "")
	w.Colleague = actor("蒋医生", access.TownshipDoctor, w.Township, "")
	w.Head = actor("何院长", access.TownshipHead, w.Township, "")
	w.VillageDoctor = actor("欧村医", access.VillageDoctor, w.Clinic, "")
	w.Centre = actor("李护士", access.ReferralCenter, w.Hospital, "")
	w.Centre2 = actor("周护士", access.ReferralCenter, w.Hospital, "")
	w.Desk = actor("陈登记", access.Registration, w.Hospital, "")
	w.Specialist = actor("王主任", access.DepartmentDoctor, w.Hospital, w.Cardiology.ID)
	w.Specialist2 = actor("吕医生", access.DepartmentDoctor, w.Hospital, w.Cardiology.ID)
	w.OtherCentre = actor("彭护士", access.ReferralCenter, w.Other, "")
	w.OtherDesk = actor("文登记", access.Registration, w.Other, "")
	w.OtherDoctor = actor("魏医生", access.DepartmentDoctor, w.Other, w.OtherDept.ID)
	w.Stranger = actor("柏医生", access.TownshipDoctor, w.Elsewhere, "")
	w.Bureau = access.Actor{Account: "account-bureau", Name: "卫健局", Role: string(access.BureauCounty), Org: "bureau", Regions: []string{"431102", "4311", "43", "CN"}}
}

// patients registers eight persons at the township centre.
func (w *World) patients() {
	for i, name := range []string{"张桂兰", "唐国强", "蒋秀英", "何建华", "李满姑", "欧阳海", "陈冬生", "周小妹"} {
		w.Register(w.Doctor, name, fmt.Sprintf("%d0312", 1950+4*i), 11+i)
	}
}

// Register enters a person through actor's institution and appends it to
// Patients.
func (w *World) Register(actor access.Actor, name, birth string, sequence int) patient.Patient {
	w.T.Helper()
	number := idcard.Make("431102", birth, sequence)
	p, err := w.Persons.Register(ctx, actor, patient.Registration{
		Name: name, IDType: patient.IDCard, IDNumber: number, Phone: "13900001234", InsuranceKind: patient.Resident,
	})
	w.ok(err)
	w.Patients, w.IDNumbers = append(w.Patients, p), append(w.IDNumbers, number)
	return p
}

// Contract signs a patient with a family-doctor team of the township centre.
func (w *World) Contract(i int) contract.Team {
	w.T.Helper()
	team, err := w.Contracts.SaveTeam(ctx, w.Doctor, contract.Team{Name: fmt.Sprintf("第%d团队", i), Leader: w.Doctor.Person, Phone: "07466220001"})
	w.ok(err)
	number := w.IDNumbers[i]
	_, err = w.Contracts.Sign(ctx, w.Doctor, contract.NewContract{Patient: w.Patients[i].ID, Team: team.ID, Kind: contract.Basic, Years: 1, Tail: number[len(number)-4:]})
	w.ok(err)
	return team
}

// After moves the clock on.
func (w *World) After(d time.Duration) { w.Now = w.Now.Add(d) }

// Token returns a fresh form token.
func (w *World) Token() string {
	w.tokens++
	return fmt.Sprintf("token-%d", w.tokens)
}

// Ref names a case in its present version.
func (w *World) Ref(c flow.Case) referral.Ref {
	return referral.Ref{ID: c.ID, Version: c.Version, Once: w.Token()}
}

// Form is a complete request for patient i to the hospital's cardiology
// clinic, level III, signed by the patient.
func (w *World) Form(i int) referral.Form {
	return referral.Form{
		Patient: w.Patients[i].ID, Visit: referral.Outpatient, Urgency: "III", Purpose: "specialist",
		Indications: []string{"angina"}, Diagnosis: "I20.900", TargetService: w.CardioClinic.ID, Consent: w.Consent(),
		Request: referral.Request{
			Chief: "反复胸闷 3 天", Illness: "3 天来活动后胸闷，休息后缓解，基层缺乏检查条件", Past: "高血压 10 年", Treatment: "阿司匹林 100mg 口服",
			Allergies: "无", Consciousness: "clear", Transport: "family",
			Choices: []referral.Choice{{Org: w.Hospital.ID, OrgName: w.Hospital.Name, Service: w.CardioClinic.Name, Chosen: true}},
		},
	}
}

// Consent is a signature by the patient on paper.
func (w *World) Consent() *consent.Consent {
	return &consent.Consent{Form: consent.Written, SignedBy: consent.Self}
}

// Arrangement is an appointment at the hospital's cardiology, in a day.
func (w *World) Arrangement() referral.Arrangement {
	return referral.Arrangement{Department: w.Cardiology.ID, Doctor: w.Specialist.Person, At: w.Now.Add(24 * time.Hour)}
}

// Report is a complete report back.
func (w *World) Report() referral.Report {
	return referral.Report{
		ResultCode: "I20.900", RecordNumber: "Z20260001", Exams: "冠脉 CT：前降支轻度狭窄", Treatment: "抗血小板、调脂治疗",
		Advice: "继续口服药物，2 周后复查血脂", Outcome: referral.OutcomeReturned,
	}
}
