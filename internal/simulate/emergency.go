package simulate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/patient"
	"yilian/internal/practitioner"
	"yilian/internal/referral"
	"yilian/internal/rescue"
)

// emergencies plans two emergencies of the last days, one that was confirmed in
// time and one that had to climb the ladder, after it has written whom each
// hospital calls in the rescue lanes.
func (l *life) emergencies(ctx context.Context) error {
	for _, name := range []string{fourth, tcm, maternal} {
		if err := l.rescueLists(ctx, name); err != nil {
			return fmt.Errorf("rescue lists of %s: %w", name, err)
		}
	}
	if err := l.rescueRoster(ctx); err != nil {
		return err
	}
	pressure, low, pulse := 150, 86, 118
	first := &rescued{life: l, ack: 38 * time.Second, org: fourth, form: referral.EmergencyForm{
		Lane: rescue.ChestPain, Urgency: "I", Condition: "持续胸痛 50 分钟，大汗，心电图 ST 段抬高", Treatment: "阿司匹林 300 mg、替格瑞洛 180 mg 嚼服，建立静脉通道",
		Transport: "ambulance", Consciousness: "clear", Escort: "值班护士",
		Vitals: referral.Vitals{Systolic: &pressure, Diastolic: &low, Pulse: &pulse},
		Fields: map[string]string{"onset": "08:10", "first_contact": "08:45", "ecg": "done", "ecg_at": "08:52", "st_elevation": "yes", "antiplatelet": "given", "thrombolysis": "not"},
	}}
	second := &rescued{life: l, ack: 4*time.Minute + 12*time.Second, org: fourth, form: referral.EmergencyForm{
		Lane: rescue.Stroke, Urgency: "I", Condition: "突发右侧肢体无力、言语不清 1 小时", Transport: "ambulance_120", Consciousness: "drowsy",
		Fields: map[string]string{"last_well": "18:30", "face": "yes", "arm": "yes", "speech": "yes", "anticoagulant": "unknown"},
	}}
	for i, e := range []*rescued{first, second} {
		if err := e.choose(ctx); err != nil {
			return err
		}
		if e.form.Patient == "" {
			continue // nobody of that age lives there
		}
		e.begin(l.now.Add(-time.Duration(30+26*i) * time.Hour))
	}
	return nil
}

// rescued is the course of one emergency.
type rescued struct {
	*life
	form   referral.EmergencyForm
	org    string
	ack    time.Duration // from sending to the confirmation
	doctor access.Actor
	c      flow.Case
}

// choose finds an elderly resident, his doctor and the hospital.
func (e *rescued) choose(ctx context.Context) error {
	var err error
	if e.doctor, err = e.staff.one(e.rng, e.staff.orgs[shuikou].ID, access.TownshipDoctor, ""); err != nil {
		return err
	}
	for _, who := range e.folk.byCentre[shuikou] {
		age := patient.AgeOn(who.BirthDate, calendar.DateOf(e.now))
		if key := who.ID + "/rescue"; age >= 55 && age <= 80 && !e.folk.busy[key] && e.rng.chance(10) {
			e.folk.busy[key], e.form.Patient = true, who.ID
			break
		}
	}
	places, err := e.app.Referrals.Destinations(ctx, e.doctor, e.form.Lane)
	if err == nil && len(places) == 0 {
		err = fmt.Errorf("no hospital takes an emergency")
	}
	if err == nil {
		e.form.Service = places[0].Service.ID
	}
	return err
}

// begin plans the steps: sending, the rungs of the ladder, confirmation,
// hand-over, arrival, consent. The jobs run at their own time, not with the
// hourly rest of the past.
func (e *rescued) begin(at time.Time) {
	e.plan(at, e.send)
	for _, rung := range []time.Duration{61 * time.Second, 181 * time.Second} {
		if rung < e.ack {
			e.plan(at.Add(rung), func(ctx context.Context) error { return e.app.Queue.Drain(ctx) })
		}
	}
	if e.ack > 3*time.Minute {
		e.plan(at.Add(3*time.Minute+40*time.Second), e.phone)
	}
	e.plan(at.Add(e.ack), e.confirm)
	e.plan(at.Add(41*time.Minute), e.arrive)
	e.plan(at.Add(62*time.Minute), e.start)
	e.plan(at.Add(5*time.Hour), e.sign)
}

func (e *rescued) ref() referral.Ref {
	return referral.Ref{ID: e.c.ID, Version: e.c.Version, Once: db.NewID()}
}

func (e *rescued) send(ctx context.Context) (err error) {
	e.c, err = e.app.Referrals.SendEmergency(ctx, e.doctor, e.form, db.NewID())
	return err
}

// phone records the call that nobody answered.
func (e *rescued) phone(ctx context.Context) (err error) {
	call := referral.Call{Name: "急诊医学科值班电话", Phone: strings.ReplaceAll(e.staff.orgs[e.org].ReferralPhone, "-", ""), Result: referral.CallNoAnswer}
	e.c, err = e.app.Referrals.RecordCall(ctx, e.doctor, e.ref(), call)
	return err
}

func (e *rescued) confirm(ctx context.Context) error {
	who, err := e.staff.one(e.rng, e.c.To.Org, access.Emergency, "")
	if err != nil {
		return err
	}
	e.c, err = e.app.Referrals.AcknowledgeEmergency(ctx, who, e.ref(), "")
	return err
}

func (e *rescued) arrive(ctx context.Context) error {
	who, err := e.staff.one(e.rng, e.c.To.Org, access.Emergency, "")
	if err != nil {
		return err
	}
	now := e.app.DB.Now()
	_, err = e.app.Referrals.RecordHandover(ctx, who, e.c.ID, referral.Handover{
		DepartedAt: now.Add(-36 * time.Minute), ArrivedAt: now.Add(-2 * time.Minute), HandedAt: now,
		Departure: referral.Signs{Pulse: "118", Pressure: "150/86", SpO2: "94", Consciousness: "清楚"},
		Arrival:   referral.Signs{Pulse: "104", Pressure: "138/82", SpO2: "97", Consciousness: "清楚"},
		Treatment: "途中吸氧、心电监护，未发生心律失常", Drugs: e.form.Treatment, Lines: "左前臂静脉通道 1 条，鼻导管吸氧 3 L/分",
		Vehicle: "救护车", HandedBy: e.doctor.Name, TakenBy: who.Name,
	})
	if err != nil {
		return err
	}
	e.c, err = e.app.Referrals.Arrive(ctx, who, e.ref(), referral.Arrival{})
	return err
}

// start lets the emergency room begin the treatment.
func (e *rescued) start(ctx context.Context) error {
	who, err := e.staff.one(e.rng, e.c.To.Org, access.Emergency, "")
	if err != nil {
		return err
	}
	discharge := calendar.DateOf(e.app.DB.Now()).AddDays(7)
	e.c, err = e.app.Referrals.Start(ctx, who, e.ref(), referral.Start{Care: referral.Inpatient, ExpectedDischarge: string(discharge)})
	return err
}

// sign records the consent that was owed, by a relative.
func (e *rescued) sign(ctx context.Context) error {
	full, err := e.app.Referrals.View(ctx, e.doctor, e.c.ID)
	if err != nil || full.Rescue == nil || !full.Rescue.Task.Open() {
		return err
	}
	task := full.Rescue.Task
	_, err = e.app.Referrals.SignLater(ctx, e.doctor, referral.Ref{ID: task.ID, Version: task.Version, Once: db.NewID()},
		consent.Consent{Form: consent.Written, SignedBy: consent.Self})
	return err
}

// laneDepartments are the departments that a lane calls, by hospital.
var laneDepartments = map[string]map[string]string{
	fourth:   {rescue.ChestPain: "心血管内科", rescue.Stroke: "神经内科", rescue.Trauma: "骨科", rescue.General: "急诊医学科"},
	tcm:      {rescue.Trauma: "骨伤科", rescue.General: "急诊科"},
	maternal: {rescue.Maternal: "产科", rescue.Newborn: "新生儿科", rescue.General: "产科急诊"},
}

// rescueLists writes the lists of a hospital: the department's on-call person,
// the emergency room's, then the post that is always there.
func (l *life) rescueLists(ctx context.Context, name string) error {
	org := l.staff.orgs[name]
	service := &rescue.Service{DB: l.app.DB, Audit: l.app.Audit}
	for _, lane := range append(rescue.Lanes(), rescue.Get(rescue.General)) {
		department, ok := laneDepartments[name][lane.Code]
		if !ok {
			continue
		}
		var entries []rescue.Entry
		for _, dept := range []string{department, laneDepartments[name][rescue.General]} {
			if d, ok := l.staff.depts[org.ID+dept]; ok && (len(entries) == 0 || entries[0].Department != d.ID) {
				entries = append(entries, rescue.Entry{Department: d.ID})
			}
		}
		entries = append(entries, rescue.Entry{Role: access.Emergency}, rescue.Entry{Role: access.OnCall})
		if _, err := service.Save(ctx, audit.Program("演示数据"), rescue.List{Org: org.ID, Lane: lane.Code, Entries: entries}); err != nil {
			return err
		}
	}
	return nil
}

// rescueRoster puts the doctors of the lanes on call for the weeks around
// today.
func (l *life) rescueRoster(ctx context.Context) error {
	from := calendar.DateOf(l.now).AddDays(-7)
	for _, name := range []string{fourth, tcm, maternal} {
		org := l.staff.orgs[name]
		done := map[string]bool{}
		for _, lane := range append(rescue.Lanes(), rescue.Get(rescue.General)) {
			dept := laneDepartments[name][lane.Code]
			d, ok := l.staff.depts[org.ID+dept]
			if !ok || done[dept] {
				continue
			}
			done[dept] = true
			people := append(l.staff.with(org.ID, access.DepartmentDoctor, dept), l.staff.with(org.ID, access.Emergency, dept)...)
			for day := range 21 {
				if len(people) == 0 {
					break
				}
				at := from.AddDays(day).Time().Add(8 * time.Hour)
				_, err := l.app.Practitioners.AddShift(ctx, audit.Program("演示数据"), practitioner.Shift{
					Org: org.ID, Department: d.ID, Duty: practitioner.OnCallDuty, Practitioner: people[day%len(people)].Person, From: at, To: at.Add(24 * time.Hour),
				})
				if err != nil {
					return fmt.Errorf("on call %s %s: %w", name, dept, err)
				}
			}
		}
	}
	return nil
}
