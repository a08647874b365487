package referraltest

import (
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/referral"
)

// Below is the service of the township centre that takes patients down.
func (w *World) Below() organization.HealthcareService { return w.serviceAt(w.Township.ID) }

func (w *World) serviceAt(org string) (out organization.HealthcareService) {
	w.T.Helper()
	w.ok(w.DB.View(ctx, func(tx *db.Tx) error {
		list, err := organization.Services(ctx, tx, org)
		for _, h := range list {
			if h.Active && h.Kind == organization.Clinic {
				out = h
			}
		}
		return err
	}))
	if out.ID == "" {
		w.T.Fatalf("referraltest: %s has no clinic", org)
	}
	return out
}

// Day is a date some days from the world's clock.
func (w *World) Day(n int) string { return string(calendar.DateOf(w.Now).AddDays(n)) }

// Plan is a complete packet.
func (w *World) Plan() referral.Plan {
	return referral.Plan{
		Done: "冠脉造影：前降支轻度狭窄，未置入支架", Next: "继续双联抗血小板 1 个月，控制血压",
		Medicines: []referral.Medicine{
			{Name: "阿司匹林肠溶片", Dose: "100mg", Frequency: "每日 1 次", Quantity: "30 片", DaysLeft: 30},
			{Name: "阿托伐他汀钙片", Dose: "20mg", Frequency: "每晚 1 次", Quantity: "14 片", DaysLeft: 14},
		},
		RedFlags: "胸痛超过 15 分钟、黑便、晕厥", Rehab: "每日步行 30 分钟", Nursing: "观察穿刺处有无渗血", Until: w.Day(30),
		Visits: []referral.PlannedVisit{{On: w.Day(7), What: "血压、穿刺处"}, {On: w.Day(14), What: "血脂、肝功能"}},
	}
}

// DownForm is a complete form that sends patient i down to the township.
func (w *World) DownForm(i int) referral.DownForm {
	h := w.Below()
	return referral.DownForm{
		Patient: w.Patients[i].ID, Diagnosis: "I20.900", Reason: "acute_over", Indications: []string{"acute_over"}, TargetService: h.ID,
		Plan: w.Plan(), Choices: []referral.Choice{{Org: w.Township.ID, OrgName: w.Township.Name, Service: h.Name, Chosen: true}}, Consent: w.Consent(),
	}
}

// InCare drives an up-referral of patient i to an in-patient in care.
func (w *World) InCare(i int) flow.Case {
	w.T.Helper()
	c, err := w.Service.Start(ctx, w.Specialist, w.Ref(w.To(i, referral.StateArrived)), referral.Start{Care: referral.Inpatient, ExpectedDischarge: w.Day(6)})
	w.ok(err)
	return c
}

// SentDown completes an up-referral of patient i and sends him down.
func (w *World) SentDown(i int) (up, down flow.Case) {
	w.T.Helper()
	up, down, err := w.Service.CompleteDown(ctx, w.Specialist, w.Ref(w.InCare(i)), w.Report(), w.DownForm(i))
	w.ok(err)
	return up, down
}

// DownTo drives a down-referral of patient i to arranged, arrived or in_care.
func (w *World) DownTo(i int, state string) flow.Case {
	w.T.Helper()
	_, c := w.SentDown(i)
	s := w.Service
	var err error
	for _, step := range []func() (flow.Case, error){
		func() (flow.Case, error) { return s.Accept(ctx, w.Doctor, w.Ref(c), "") },
		func() (flow.Case, error) { return s.Arrange(ctx, w.Doctor, w.Ref(c), w.FirstVisit()) },
		func() (flow.Case, error) {
			return s.Arrive(ctx, w.Doctor, w.Ref(c), referral.Arrival{IDNumber: w.IDNumbers[i], Name: w.Patients[i].Name})
		},
		func() (flow.Case, error) {
			return s.Start(ctx, w.Doctor, w.Ref(c), referral.Start{Care: referral.Outpatient})
		},
	} {
		if c.State == state {
			return c
		}
		c, err = step()
		w.ok(err)
	}
	if c.State != state {
		w.T.Fatalf("referraltest: no way down to %s, stands at %s", state, c.State)
	}
	return c
}

// FirstVisit is an appointment at the township in a day.
func (w *World) FirstVisit() referral.Arrangement {
	a := w.Arrangement()
	a.Department, a.Doctor, a.Location = w.Below().Department, w.Doctor.Person, "全科诊室"
	return a
}

// NursingHome registers an institution without the system and its service.
func (w *World) NursingHome() (organization.Organization, organization.HealthcareService) {
	w.T.Helper()
	program := audit.Program("test")
	o, err := w.Organizations.Save(ctx, program, organization.Organization{
		Name: "零陵康宁护理院", ShortName: "康宁护理院", Kind: organization.Other, Level: "未定级", Ownership: organization.Private,
		Region: "431102", Address: "零陵区南津中路 1 号", Active: true,
	})
	w.ok(err)
	d, err := w.Organizations.SaveDepartment(ctx, program, organization.Department{Org: o.ID, Name: "护理部", Specialty: "01", Location: "1 楼", Active: true})
	w.ok(err)
	h, err := w.Organizations.SaveService(ctx, program, organization.HealthcareService{Org: o.ID, Department: d.ID, Name: "长期护理", Kind: organization.Inpatient, Specialty: "01", Active: true})
	w.ok(err)
	return o, h
}

// BelowAt is the service of another centre that takes patients down.
func (w *World) BelowAt(o organization.Organization) organization.HealthcareService {
	return w.serviceAt(o.ID)
}
