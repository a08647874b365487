package referraltest

import (
	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/practitioner"
	"yilian/internal/referral"
	"yilian/internal/rescue"
)

// Rescue is the emergency side of the world: a chest-pain list at the hospital
// with a first and a second person, and the people who answer.
type Rescue struct {
	First, Second       access.Actor // cardiologists on the hospital's chest-pain list
	Room, Night         access.Actor // emergency room and on-call post of the hospital
	Affairs             access.Actor // medical affairs of the hospital
	OtherRoom           access.Actor // emergency room of the other hospital
	Service, OtherPlace organization.HealthcareService
	Lists               *rescue.Service
}

// Rescue adds the emergency side.
func (w *World) Rescue() *Rescue {
	w.T.Helper()
	r := &Rescue{Lists: &rescue.Service{DB: w.DB, Audit: w.Audit}}
	r.First = w.Hire("肖主任", access.DepartmentDoctor, w.Hospital, w.Cardiology.ID)
	r.Second = w.Hire("雷医生", access.DepartmentDoctor, w.Hospital, w.Cardiology.ID)
	r.Room = w.Hire("急诊护士", access.Emergency, w.Hospital, "")
	r.Night = w.Hire("夜班总值", access.OnCall, w.Hospital, "")
	r.Affairs = w.Hire("医务科长", access.MedicalAffairs, w.Hospital, "")
	r.OtherRoom = w.Hire("中医急诊", access.Emergency, w.Other, "")
	w.ok(w.DB.View(ctx, func(tx *db.Tx) error {
		found, err := organization.FindServices(ctx, tx, organization.Need{Age: -1, Kinds: []organization.ServiceKind{organization.Emergency}})
		for _, c := range found {
			switch c.Org.ID {
			case w.Hospital.ID:
				r.Service = c.Service
			case w.Other.ID:
				r.OtherPlace = c.Service
			}
		}
		return err
	}))
	_, err := r.Lists.Save(ctx, r.Affairs, rescue.List{Org: w.Hospital.ID, Lane: rescue.ChestPain, Entries: []rescue.Entry{
		{Practitioner: r.First.Person, Phone: "13900000101"}, {Practitioner: r.Second.Person, Phone: "13900000102"}, {Role: access.Emergency},
	}})
	w.ok(err)
	return r
}

// Hire enters one more person.
func (w *World) Hire(name string, role access.Role, org organization.Organization, dept string) access.Actor {
	w.T.Helper()
	p, err := w.Staff.Save(ctx, audit.Program("test"), practitioner.Practitioner{
		Name: name, Sex: "1", Phone: "13900000001", Title: "主治医师", Category: practitioner.Clinician, Scope: "急诊", EmployedBy: org.ID,
	})
	w.ok(err)
	return access.Actor{
		Account: "account-" + p.ID, Person: p.ID, Name: name, Role: string(role), Org: org.ID, OrgName: org.Name,
		Department: dept, Regions: []string{"431102", "4311", "43", "CN"},
	}
}

// Emergency is a chest pain of patient i on the way to the hospital.
func (w *World) Emergency(r *Rescue, i int) referral.EmergencyForm {
	pulse := 112
	return referral.EmergencyForm{
		Patient: w.Patients[i].ID, Lane: rescue.ChestPain, Service: r.Service.ID, Condition: "胸痛 40 分钟，大汗",
		Vitals: referral.Vitals{Pulse: &pulse}, Consciousness: "clear", Transport: "ambulance_120",
		Fields: map[string]string{"onset": "08:20", "ecg": "done", "st_elevation": "yes"},
	}
}

// Stranger is a person of whom nothing is known but the looks.
func Stranger() patient.Unknown { return patient.Unknown{Sex: "1", Age: "50"} }

// SendOff sends patient i off in an emergency.
func (w *World) SendOff(r *Rescue, i int) flow.Case {
	w.T.Helper()
	c, err := w.Service.SendEmergency(ctx, w.Doctor, w.Emergency(r, i), w.Token())
	w.ok(err)
	return c
}
