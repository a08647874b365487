package referral

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/jobs"
	"yilian/internal/message"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/schedule"
)

// booking are the states in which a case may have places and a bed: from
// acceptance until the treatment ends. Whatever leads elsewhere gives them back.
var booking = []string{StateAccepted, StateDeferred, StateArranged, StateArrived, StateInCare}

// PriorityOf is what speaks for a case when places are given: triage first,
// then contract and referral, then who has waited longer (LL-4.4.1b).
func PriorityOf(urgency string, d Direction, contracted bool, since time.Time) schedule.Priority {
	return schedule.Priority{Urgency: urgency, Referred: d != Outside, Contracted: contracted, Since: since}
}

func (w *work) priority() schedule.Priority {
	return PriorityOf(w.c.Urgency, w.r.Direction, w.r.Contracted, w.r.SubmittedAt)
}

// fromSlot takes department, doctor, time and place over from the slot that was
// chosen, and checks that the exams are exams.
func (w *work) fromSlot(ctx context.Context, a *Arrangement, f *errs.Form) error {
	if a.Slot == "" && len(a.Exams) == 0 && !a.Bed {
		return nil
	}
	if w.s.Schedules == nil {
		return errs.E(errs.Conflict, "本院没有启用号源，请填写科室、日期和时间")
	}
	for _, id := range a.Exams {
		if _, err := w.slot(ctx, id, "exams", schedule.Exam, f); err != nil {
			return err
		}
	}
	if a.Slot == "" {
		return nil
	}
	slot, err := w.slot(ctx, a.Slot, "slot", schedule.Clinic, f)
	if err != nil {
		return err
	}
	if err := f.Err(); err != nil { // nothing else can be said without the time
		return err
	}
	a.Department, a.Doctor, a.DoctorName, a.At = slot.Department, slot.Practitioner, "", slot.Start
	a.Location, a.Phone = slot.Location, ""
	return nil
}

func (w *work) slot(ctx context.Context, id, field string, kind schedule.Kind, f *errs.Form) (schedule.Slot, error) {
	slot, err := schedule.GetSlot(ctx, w.tx, id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return slot, err
	}
	if err != nil || slot.Kind != kind || slot.Org != w.c.To.Org {
		f.Add(field, "所选的%s号已不在本院的号源里，请重新选择", kind.Title())
	}
	return slot, nil
}

// reserve books what the arrangement names, all of it or nothing, and gives
// back what the case had beyond that.
func (w *work) reserve(ctx context.Context, a Arrangement) error {
	if w.s.Schedules == nil {
		return nil
	}
	b := schedule.Booking{
		Case: w.c.ID, Patient: w.c.Patient, Subject: w.c.Subject, Org: w.c.To.Org, Priority: w.priority(), Clinic: a.Slot, Exams: a.Exams,
	}
	if a.Bed {
		kind, err := w.bedKind(ctx)
		if err != nil {
			return err
		}
		b.Bed = &schedule.BedRequest{Department: a.Department, Kind: kind, From: calendar.DateOf(a.At)}
	}
	if b.Clinic == "" && len(b.Exams) == 0 && b.Bed == nil {
		return w.s.Schedules.Release(ctx, w.tx, w.actor, w.c.ID, "另约时间")
	}
	_, err := w.s.Schedules.Book(ctx, w.tx, w.actor, b)
	return underField(err)
}

// bedKind is whom the bed is for, by the patient's age and sex.
func (w *work) bedKind(ctx context.Context) (schedule.BedKind, error) {
	p, err := w.s.Patients.Get(ctx, w.tx, w.c.Patient)
	return bedKindOf(p, calendar.DateOf(w.tx.Now)), err
}

func bedKindOf(p patient.Patient, today calendar.Date) schedule.BedKind {
	switch {
	case p.BirthDate != "" && p.Age(today) < patient.GuardianAge:
		return schedule.ChildBed
	case p.Sex == "1":
		return schedule.MenBed
	case p.Sex == "2":
		return schedule.WomenBed
	}
	return schedule.AnyBed
}

// underField puts a refusal of a booking under the field it is about.
func underField(err error) error {
	refused, ok := errors.AsType[*schedule.Refused](err)
	if !ok {
		return err
	}
	name := map[string]string{schedule.ItemClinic: "slot", schedule.ItemExam: "exams", schedule.ItemBed: "bed"}[refused.Item]
	out := errs.Because(err, errs.Conflict, "")
	if e, ok := errors.AsType[*errs.Error](out); ok {
		e.Fields = []errs.Field{{Name: name, Message: refused.Error()}}
	}
	return out
}

// settle brings places and bed into line with the step that was taken: used at
// arrival, given back when the case leaves the states that may have them.
func (w *work) settle(ctx context.Context, before flow.Case, action string) error {
	if w.s.Schedules == nil || !slices.Contains(booking, before.State) {
		return nil
	}
	s, id := w.s.Schedules, w.c.ID
	switch {
	case action == ActArrive:
		return s.Use(ctx, w.tx, w.actor, id)
	case action == ActStart && w.r.Care == Outpatient, w.c.State == StateCompleted:
		if err := s.Discharge(ctx, w.tx, w.actor, id); err != nil {
			return err
		}
	}
	if slices.Contains(booking, w.c.State) {
		return nil
	}
	a, _ := flowAction(action)
	return s.Release(ctx, w.tx, w.actor, id, a.Title)
}

func flowAction(name string) (flow.Action, bool) {
	m := Machine()
	return m.Action(name)
}

// Openings are what the arranging form offers.
type Openings struct {
	Clinic []schedule.Free   // of the department, by time
	Exams  []schedule.Free   // of the institution, by time
	BedOn  calendar.Date     // first day with a bed of the department; "" none
	Has    schedule.Reserved // what the case has now
}

// openingsAhead is how far ahead the form offers places; later ones are asked
// for at the schedule itself.
const openingsAhead = 7

// openingsMax bounds what is read for one form.
const openingsMax = 300

// Openings returns the places that the patient of a case may be given within a
// week; empty when the institution keeps no schedule.
func (s *Service) Openings(ctx context.Context, tx *db.Tx, c flow.Case, r Record) (out Openings, err error) {
	if s.Schedules == nil {
		return out, nil
	}
	if out.Has, err = schedule.Of(ctx, tx, c.ID); err != nil {
		return out, err
	}
	until := calendar.EndOf(calendar.DateOf(tx.Now).AddDays(openingsAhead))
	need := schedule.Need{
		Org: c.To.Org, Department: c.To.Department, Kind: schedule.Clinic, Patient: c.Patient, N: openingsMax,
		Priority: PriorityOf(c.Urgency, r.Direction, r.Contracted, r.SubmittedAt),
	}
	late := func(f schedule.Free) bool { return f.Slot.Start.After(until) }
	if need.Department != "" {
		if out.Clinic, err = s.Schedules.NextFree(ctx, tx, need); err != nil {
			return out, err
		}
		p, err := s.Patients.Get(ctx, tx, c.Patient)
		if err != nil {
			return out, err
		}
		today := calendar.DateOf(tx.Now)
		bed := schedule.BedRequest{Department: need.Department, Kind: bedKindOf(p, today), From: today}
		if out.BedOn, _, err = s.Schedules.NextBed(ctx, tx, bed); err != nil {
			return out, err
		}
	}
	need.Department, need.Kind = "", schedule.Exam
	if out.Exams, err = s.Schedules.NextFree(ctx, tx, need); err != nil {
		return out, err
	}
	out.Clinic, out.Exams = slices.DeleteFunc(out.Clinic, late), slices.DeleteFunc(out.Exams, late)
	return out, nil
}

// Reserved returns the places and the bed of a case.
func (s *Service) Reserved(ctx context.Context, tx *db.Tx, caseID string) (schedule.Reserved, error) {
	if s.Schedules == nil {
		return schedule.Reserved{}, nil
	}
	return schedule.Of(ctx, tx, caseID)
}

// Deferral is why a patient has to wait, and until when he is promised a date.
type Deferral struct {
	Reason     string // code of referral.reason.defer
	Comment    string
	PromisedOn string // date
}

// Defer puts an accepted patient on the waiting list (候诊/候床) with a promised
// date; the case falls due then, and its holder is warned the day before.
func (s *Service) Defer(ctx context.Context, actor access.Actor, ref Ref, d Deferral) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActDefer, access.Refer, func(ctx context.Context, w *work) error {
		var f errs.Form
		w.reason(&f, ActDefer, d.Reason, d.Comment)
		day, err := calendar.ParseDate(d.PromisedOn)
		today := calendar.DateOf(w.tx.Now)
		switch {
		case d.PromisedOn == "":
			f.Add("promised_on", "请填写承诺安排好的日期，患者会收到")
		case err != nil:
			f.AddErr("promised_on", err)
		case !day.After(today):
			f.Add("promised_on", "承诺日期应在明天以后；今天能安排的请直接“安排就诊”")
		case day.After(today.AddDays(deferMost)):
			f.Add("promised_on", "承诺日期不能晚于 %d 天以后；等待更久请转介其他医院", deferMost)
		}
		if err := f.Err(); err != nil {
			return err
		}
		return w.act(ctx, ActDefer, flow.Move{Reason: d.Reason, Comment: d.Comment, Due: calendar.EndOf(day)})
	})
}

// deferMost is the longest wait, in days, that may be promised.
const deferMost = 90

// deferred is what a patient on the waiting list is told.
func deferred(c flow.Case) message.Plain {
	return message.Plain{Done: c.To.OrgName + "已同意接收您，暂时没有空位，已为您排队等候", Who: c.To.OrgName, Does: "安排就诊时间并通知您", By: c.DueAt}
}

// followSchedule lets cases hear what happens to their places.
func (s *Service) followSchedule() {
	jobs.Subscribe(s.Queue, "referral", s.moved)
	jobs.Subscribe(s.Queue, "referral", s.lapsed)
}

// moved lets the arrangement follow an appointment that was given another time,
// and tells the patient. Told twice, it acts once.
func (s *Service) moved(ctx context.Context, tx *db.Tx, e schedule.Moved) error {
	c, has, a, err := s.placeOf(ctx, tx, e.Case, e.Appointment)
	if err != nil || c.ID == "" || c.State != StateArranged || !a.Slot.Start.Equal(e.Start) { // moved again meanwhile: that event follows
		return err
	}
	r, err := s.load(ctx, tx, c.ID)
	if err != nil {
		return err
	}
	w := &work{s: s, tx: tx, actor: audit.Program("号源调整"), ref: Ref{ID: c.ID, Version: c.Version}, was: c, c: c, r: r}
	if a.Slot.Kind == schedule.Exam {
		p := message.Plain{Done: "您的检查时间已更改，请以本条为准", Who: "您", Does: "到" + c.To.OrgName + "检查，请带身份证", By: e.Start, Phone: r.TargetPhone}
		return w.send(ctx, p, fmt.Sprintf("%s/exam/%s/%d", c.ID, a.ID, e.Start.UnixMilli()))
	}
	if r.Arrangement.At.Equal(e.Start) {
		return nil
	}
	next := Arrangement{Slot: a.Slot.ID, Bed: has.Bed != nil}
	for _, x := range has.Exams() {
		next.Exams = append(next.Exams, x.Slot.ID)
	}
	list, err := s.Flow.Codes(reasons(ActReschedule), c.Place, tx.Now)
	if err != nil || len(list) == 0 {
		return err
	}
	why := list[0].Code
	if slices.ContainsFunc(list, func(x policy.Code) bool { return x.Code == reasonAbsent }) {
		why = reasonAbsent
	}
	mv := flow.Move{Reason: why, Comment: "号源调整，改到 " + schedule.When(e.Start)}
	return w.follow(ctx, next, mv)
}

// reasonAbsent is the code of referral.reason.reschedule for a session that
// does not take place.
const reasonAbsent = "doctor_absent"

// follow moves the case to the time of a slot that it has already.
func (w *work) follow(ctx context.Context, a Arrangement, mv flow.Move) error {
	f := new(errs.Form)
	if err := w.fromSlot(ctx, &a, f); err != nil {
		return err
	}
	to, err := w.where(ctx, &a, f)
	if err != nil {
		return err
	}
	if err := f.Err(); err != nil {
		return err
	}
	return w.appointed(ctx, ActReschedule, a, to, mv)
}

// lapsed tells the centre what its case has lost by time.
func (s *Service) lapsed(ctx context.Context, tx *db.Tx, e schedule.Lapsed) error {
	c, _, a, err := s.placeOf(ctx, tx, e.Case, e.Item)
	if err != nil || !slices.Contains(booking, c.State) || s.Flow.Notify == nil {
		return err
	}
	text := "预留的床位到期未入院，已收回，请重新安排"
	switch {
	case e.State == schedule.Missed && a.Slot.Kind == schedule.Exam:
		text = "预约的检查到时未做，请联系患者重新预约"
	case e.State == schedule.Missed:
		text = "预约时间已过，患者未到，请登记未到诊或改期"
	case a.ID != "":
		text = "暂留的号到时未确认，已放回号源，请重新安排"
	}
	return s.Flow.Notify(ctx, tx, flow.Notice{
		Case: c.ID, Kind: c.Kind, Number: c.Number, Org: c.To.Org, Role: access.ReferralCenter, Level: "info",
		Text: "转诊单 " + c.Number + "：" + text,
	})
}

// placeOf reads the case of an event and the appointment it is about; the case
// is empty when it is none of this package's, the appointment when it is a bed.
func (s *Service) placeOf(ctx context.Context, tx *db.Tx, caseID, item string) (c flow.Case, has schedule.Reserved, a schedule.Appointment, err error) {
	if s.Schedules == nil {
		return c, has, a, nil
	}
	if c, err = flow.Get(ctx, tx, caseID); err != nil || c.Kind != Kind {
		if errs.Is(err, errs.NotFound) {
			err = nil
		}
		return flow.Case{}, has, a, err
	}
	if a, err = schedule.GetAppointment(ctx, tx, item); errs.Is(err, errs.NotFound) {
		err = nil
	}
	if err == nil {
		has, err = schedule.Of(ctx, tx, caseID)
	}
	return c, has, a, err
}
