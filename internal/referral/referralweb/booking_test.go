package referralweb

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/schedule"
)

// TestBookingForm covers the usual case, the place that somebody else took
// meanwhile, the waiting list, and the time of one's own.
func TestBookingForm(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		w.Booking(1, 1)
		clinic, exams := w.Slots("2026-03-03")
		c, other := w.To(0, referral.StateSubmitted), w.To(1, referral.StateSubmitted)
		f.as(w.Centre)
		f.do(200, c, "accept")
		f.do(200, other, "accept")

		form := f.get(200, "/referrals/"+c.ID+"/arrange")
		f.has(form, `value="`+clinic[0].ID+`" checked`, "3月3日（周二）08:30", "医联体号", "余 1", "其他时间", "同时预约检查", "同时预留床位（今天起有床）")
		if n := strings.Count(form, " checked"); n != 1 {
			t.Errorf("%d choices are made", n)
		}
		body := f.do(200, c, "arrange", "slot", clinic[0].ID, "exams", exams[0].ID, "bed", "1")
		f.has(body, "待到诊", "2026-03-03 08:30", "检查", "床位", "自 2026-03-03 预留")

		body = f.do(409, other, "arrange", "slot", clinic[0].ID)
		f.has(body, "已约满", "最近可约", `id="form-arrange"`, `value="`+clinic[1].ID+`"`, "待安排")
		body = f.do(409, other, "arrange", "slot", clinic[1].ID, "bed", "1")
		f.has(body, "没有空余的", `value="`+clinic[1].ID+`" checked`)
		f.state(other, referral.StateAccepted)

		f.has(f.get(200, "/referrals/"+other.ID+"/defer"), `name="promised_on"`, "等床位")
		f.has(f.do(422, other, "defer", "reason", "no_bed"), "请填写承诺安排好的日期")
		f.has(f.do(200, other, "defer", "reason", "no_bed", "promised_on", "2026-03-10"), "候诊/候床", "安排就诊")
		f.has(f.get(200, "/referrals?side=to&state=deferred"), "候诊/候床", other.Number)
		f.has(f.do(200, other, "arrange", "slot", "", "department", w.Cardiology.ID, "appointed_at", "2026-03-10", "appointed_time", "15:30"), "2026-03-10 15:30")

		f.as(w.Desk)
		form = f.get(200, "/referrals/"+c.ID+"/reschedule")
		f.has(form, `value="`+clinic[0].ID+`" checked`, "现在的安排", `value="`+exams[0].ID+`" checked`)
		f.do(200, c, "reschedule", "slot", clinic[1].ID, "reason", "patient_time")
		if has := reserved(f, c); len(has.Appointments) != 1 || has.Bed != nil || has.Appointments[0].Slot.ID != clinic[1].ID {
			t.Errorf("after rescheduling %+v", has)
		}
	})
}

// TestExamsBesideTheClinic offers no exam at the time of the clinic, whichever
// is chosen.
func TestExamsBesideTheClinic(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		s := w.Booking(2, 1)
		clinic, exams := w.Slots("2026-03-03")
		early := schedule.Schedule{
			Department: exams[0].Department, Kind: schedule.Exam, Name: "心电图", From: "08:30", To: "09:30", Capacity: 2, Minutes: 20,
			Weekdays: []time.Weekday{time.Tuesday}, ValidFrom: "2026-01-01", Active: true,
		}
		if err := w.DB.Tx(context.Background(), func(tx *db.Tx) error {
			_, err := s.SaveTx(context.Background(), tx, audit.Program("test"), early)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		c := w.To(0, referral.StateSubmitted)
		f.as(w.Centre)
		f.do(200, c, "accept")
		offers := func(body, day string) bool { return strings.Contains(body, "心电图 "+day) }
		form := f.get(200, "/referrals/"+c.ID+"/arrange")
		f.has(form, `value="`+clinic[0].ID+`" checked`)
		if offers(form, "3月3日（周二）08:30") || !offers(form, "3月3日（周二）08:50") {
			t.Error("the exam at the time of the clinic is offered, or the next one is not")
		}
		part := f.get(200, "/referrals/"+c.ID+"/exams?slot="+clinic[1].ID)
		if !offers(part, "3月3日（周二）08:30") {
			t.Errorf("after another clinic was chosen: %s", part)
		}
		f.do(409, c, "arrange", "slot", clinic[0].ID, "exams", examAt(w.Slots("2026-03-03"))("心电图", clinic[0])) // who sends it all the same
	})
}

// TestExamsThatGoTogether: two exams are offered at times that a patient can keep
// both; once one is ticked, nothing at its time is offered.
func TestExamsThatGoTogether(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		s := w.Booking(2, 1)
		_, exams := w.Slots("2026-03-03")
		same := schedule.Schedule{ // at the times of the other exam
			Department: exams[0].Department, Kind: schedule.Exam, Name: "心电图", From: "10:00", To: "11:00", Capacity: 2, Minutes: 20,
			Weekdays: []time.Weekday{time.Tuesday}, ValidFrom: "2026-01-01", Active: true,
		}
		if err := w.DB.Tx(context.Background(), func(tx *db.Tx) error {
			_, err := s.SaveTx(context.Background(), tx, audit.Program("test"), same)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		c := w.To(0, referral.StateSubmitted)
		f.as(w.Centre)
		f.do(200, c, "accept")
		all := func(body string) (out []schedule.Slot) {
			_, list := w.Slots("2026-03-03")
			for _, x := range list {
				if strings.Contains(body, `value="`+x.ID+`"`) {
					out = append(out, x)
				}
			}
			return out
		}
		form := f.get(200, "/referrals/"+c.ID+"/arrange")
		offered := all(form)
		if len(offered) < 2 {
			t.Fatalf("%d exams are offered", len(offered))
		}
		for i, a := range offered {
			for _, b := range offered[i+1:] {
				if a.Title != b.Title && a.Meets(b) {
					t.Errorf("%s and %s are offered at %s", a.Title, b.Title, a.Start)
				}
			}
		}
		first := offered[0]
		part := f.get(200, "/referrals/"+c.ID+"/exams?slot=&exams="+first.ID)
		f.has(part, `value="`+first.ID+`" checked`)
		for _, x := range all(part) {
			if x.ID != first.ID && first.Meets(x) {
				t.Errorf("%s is offered at the time of what is ticked", x.Title)
			}
		}
	})
}

// examAt finds the exam that begins with a clinic.
func examAt(_, exams []schedule.Slot) func(title string, with schedule.Slot) string {
	return func(title string, with schedule.Slot) string {
		i := slices.IndexFunc(exams, func(x schedule.Slot) bool { return x.Title == title && x.Start.Equal(with.Start) })
		return exams[i].ID
	}
}

func reserved(f *fixture, c flow.Case) (r schedule.Reserved) {
	f.Helper()
	err := f.w.DB.View(context.Background(), func(tx *db.Tx) (err error) {
		r, err = schedule.Of(context.Background(), tx, c.ID)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	return r
}
