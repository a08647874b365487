package simulate

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/organization"
	"yilian/internal/patient"
)

// visitsPerResident is how many contacts a resident has on average in the six
// months of the demo; the real figure of a county is about three, which would
// make the demo slow to start.
const visitsPerResident = 1.0

// ailments are what people come to a clinic with, the frequent ones repeated.
var ailments = []string{"J06.900", "J06.900", "J06.900", "I10.x00x002", "I10.x00x002", "E11.900", "K29.500", "M54.500",
	"J20.900", "K52.900", "N39.000", "L30.900", "H10.900", "M17.900", "G47.000"}

// visits lays the visits and stays of six months around the referrals: most at
// the village clinic and the centre, some at the hospitals, a few outside the
// county, which only the insurer's monthly file knows.
func (s *simulation) visits(ctx context.Context) error {
	v := &visitor{simulation: s, days: int(s.now.Sub(Founded(s.now)) / (24 * time.Hour))}
	for _, centre := range s.staff.centres() {
		v.clinics = map[string]organization.Organization{}
		for _, name := range s.staff.clinics(centre) {
			v.clinics[s.staff.orgs[name].Region] = s.staff.orgs[name]
		}
		for _, e := range s.folk.byCentre[centre] {
			for n := visitsPerResident; n > 0 && s.rng.Float64() < n; n-- {
				v.list = append(v.list, v.draw(e, s.staff.orgs[centre]))
			}
		}
	}
	if err := v.referred(ctx); err != nil {
		return err
	}
	return s.app.Encounters.Load(ctx, audit.Program("演示数据"), v.list)
}

type visitor struct {
	*simulation
	days    int // of the demo's past
	clinics map[string]organization.Organization
	list    []encounter.Encounter
}

// draw is one contact of a resident.
func (v *visitor) draw(e patient.Entry, centre organization.Organization) encounter.Encounter {
	start := v.rng.office(v.now.AddDate(0, 0, -5-v.rng.IntN(v.days-5)))
	x := encounter.Encounter{Patient: e.ID, Class: encounter.Outpatient, Start: start, Visits: 1, Clinical: true,
		InsuranceKind: e.InsuranceKind, InsurancePlace: e.InsurancePlace, First: encounter.No, FirstBy: "his"}
	x.Source = encounter.Source{System: "demo", Key: fmt.Sprintf("V%06d", len(v.list)+1), Ref: "演示数据"}
	if v.rng.chance(55) {
		x.First = encounter.Yes
	}
	x.Diagnoses = []encounter.Diagnosis{diagnosis(pick(v.rng, ailments))}
	switch p := v.rng.IntN(100); {
	case p < 38 && v.clinics[e.Region].ID != "":
		x.Org, x.Department = v.clinics[e.Region].ID, "全科"
		v.pay(&x, 1500, 6000, 50)
	case p < 62:
		x.Org, x.Department = centre.ID, "全科"
		v.pay(&x, 3000, 15000, 50)
	case p < 70:
		x.Org, x.Class, x.Department, x.Diagnoses = centre.ID, encounter.HealthCare, "公共卫生科", nil
	case p < 74 && patient.AgeOn(e.BirthDate, calendar.DateOf(start)) < 7:
		x.Org, x.Class, x.Department, x.Diagnoses = centre.ID, encounter.Immunisation, "预防接种门诊", nil
	case p < 88:
		x.Org = v.staff.orgs[pick(v.rng, []string{fourth, fourth, tcm})].ID
		v.pay(&x, 8000, 60000, 30)
	case p < 91:
		x.Org, x.Class, x.Department = v.staff.orgs[fourth].ID, encounter.Emergency, "急诊医学科"
		v.pay(&x, 20000, 90000, 30)
	case p < 97:
		v.stay(&x, pick(v.rng, []string{fourth, fourth, tcm, v.scene.part(centre.Name)}), 3, 9)
	default:
		v.outside(&x)
	}
	return x
}

// stay makes a stay of some days at an institution.
func (v *visitor) stay(x *encounter.Encounter, org string, from, to int) {
	course := pick(v.rng, vignettes())
	x.Org, x.Class, x.Department = v.staff.orgs[org].ID, encounter.Inpatient, course.department
	if v.staff.orgs[org].Kind.Primary() {
		x.Department = "住院部"
	}
	x.Diagnoses = []encounter.Diagnosis{diagnosis(course.result), diagnosis("I10.x00x002")}
	end := x.Start.AddDate(0, 0, from+v.rng.IntN(to-from+1))
	if !end.Before(v.now) {
		return // still in, not settled
	}
	x.End, x.Leave = end, pick(v.rng, []string{"1", "1", "1", "1", "3", "3", "4", "2"})
	v.pay(x, 180000, 900000, 65)
}

// outside is a stay beyond the county, as the insurer reports it: who paid
// what, without a clinical record.
func (v *visitor) outside(x *encounter.Encounter) {
	v.stay(x, fourth, 4, 12)
	x.Org, x.Department, x.Clinical, x.First, x.FirstBy = "", "", false, "", ""
	x.Outside = pick(v.rng, v.scene.outside)
	x.Source.System, x.Source.Ref = encounter.SourceInsurer, "医保县外就诊月报 "+string(calendar.DateOf(x.Start))[:7]
}

// pay draws what was charged and who paid: percent of it the fund.
func (v *visitor) pay(x *encounter.Encounter, from, to int64, percent int64) {
	total := from + v.rng.Int64N(to-from)
	x.Total = encounter.FenOf(total)
	if x.Class == encounter.Inpatient {
		bed, tests := total/10, total/4
		x.Fees = []encounter.Share{{Code: "01", Fen: bed}, {Code: "04", Fen: tests}, {Code: "09", Fen: total - bed - tests}}
	}
	kind := map[string]string{patient.Resident: "resident_pool", patient.UrbanEmployee: "employee_pool", patient.MedicalAid: "resident_pool"}[x.InsuranceKind]
	if kind == "" {
		x.Own = encounter.FenOf(total)
		return
	}
	paid := total * percent / 100
	x.Funds, x.Own = []encounter.Share{{Code: kind, Fen: paid}}, encounter.FenOf(total-paid)
}

// referred adds the contacts that referrals led to.
func (v *visitor) referred(ctx context.Context) error {
	return v.app.DB.View(ctx, func(tx *db.Tx) error {
		list, err := db.List(ctx, tx, func(scan db.Scan) (x encounter.Encounter, err error) {
			var arrived db.Time
			var code string
			err = scan(&x.Referral, &x.Patient, &x.Org, &x.Department, &x.Doctor, &code, &arrived)
			x.Start, x.Diagnoses = arrived.Time, []encounter.Diagnosis{diagnosis(code)}
			return x, err
		}, `
			SELECT r.id, r.patient, c.to_org, c.to_dept_name, r.attending_name, r.diagnosis_code, r.arrived_at
			FROM referral r JOIN flow_case c ON c.id = r.id WHERE r.arrived_at IS NOT NULL ORDER BY r.id`)
		for _, x := range list {
			x.Class, x.Visits, x.Clinical, x.First, x.FirstBy = encounter.Outpatient, 1, true, encounter.No, "unreferred"
			x.Source = encounter.Source{System: "demo", Key: "R" + x.Referral, Ref: "演示数据"}
			x.InsuranceKind = patient.Resident
			v.pay(&x, 12000, 80000, 45)
			v.list = append(v.list, x)
		}
		return err
	})
}

func diagnosis(code string) encounter.Diagnosis {
	return encounter.Diagnosis{ClinicalCode: code, InsuranceCode: code}
}
