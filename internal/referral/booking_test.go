package referral_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/message"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
	"yilian/internal/schedule"
)

// tomorrow is a Tuesday.
const tomorrow = calendar.Date("2026-03-03")

// accepted drives patient i to acceptance.
func accepted(t *testing.T, w *referraltest.World, i int) flow.Case {
	t.Helper()
	c, err := w.Service.Accept(ctx, w.Centre, w.Ref(w.To(i, referral.StateSubmitted)), "")
	must(t, err)
	return c
}

// booked arranges patient i in the first slot of tomorrow, with an exam and a
// bed.
func booked(t *testing.T, w *referraltest.World, i int) flow.Case {
	t.Helper()
	clinic, exams := w.Slots(tomorrow)
	c, err := w.Service.Arrange(ctx, w.Centre, w.Ref(accepted(t, w, i)),
		referral.Arrangement{Slot: clinic[0].ID, Exams: []string{exams[0].ID}, Bed: true})
	must(t, err)
	return c
}

// taken counts the places and beds that anybody has tomorrow.
func taken(t *testing.T, w *referraltest.World) (places, beds int) {
	t.Helper()
	clinic, exams := w.Slots(tomorrow)
	for _, s := range slices.Concat(clinic, exams) {
		places += s.Taken
	}
	must(t, w.DB.View(ctx, func(tx *db.Tx) error {
		list, err := schedule.BedsTaken(ctx, tx, w.Cardiology.ID)
		beds = len(list)
		return err
	}))
	return places, beds
}

// refusedAt checks that a booking was refused under a field, and returns why.
func refusedAt(t *testing.T, err error, field string) *schedule.Refused {
	t.Helper()
	r, ok := errors.AsType[*schedule.Refused](err)
	if !ok || !errs.Is(err, errs.Conflict) || fields(err)[field] == "" {
		t.Fatalf("got %v, want a refusal under %s", err, field)
	}
	return r
}

func TestArrangeTakesPlaceExamAndBedTogether(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.Booking(1, 1)
		c := booked(t, w, 0)
		clinic, exams := w.Slots(tomorrow)
		a := view(t, w, w.Centre, c).Record.Arrangement
		if !a.At.Equal(clinic[0].Start) || a.Department != w.Cardiology.ID || a.Location == "" || len(a.Code) != 6 || c.State != referral.StateArranged {
			t.Fatalf("arrangement %+v", a)
		}
		has := w.Reserved(c.ID)
		if len(has.Appointments) != 2 || has.Bed == nil || has.Bed.From != tomorrow {
			t.Fatalf("reserved %+v", has)
		}
		other := accepted(t, w, 1)
		for _, x := range []struct {
			field string
			a     referral.Arrangement
		}{
			{"slot", referral.Arrangement{Slot: clinic[0].ID, Exams: []string{exams[1].ID}}},
			{"exams", referral.Arrangement{Slot: clinic[1].ID, Exams: []string{exams[0].ID}}},
			{"bed", referral.Arrangement{Slot: clinic[1].ID, Exams: []string{exams[1].ID}, Bed: true}},
		} {
			_, err := w.Service.Arrange(ctx, w.Centre, w.Ref(other), x.a)
			r := refusedAt(t, err, x.field)
			if x.field != "bed" && len(r.Next) == 0 {
				t.Errorf("%s: no alternative is named: %v", x.field, err)
			}
			if places, beds := taken(t, w); places != 2 || beds != 1 {
				t.Fatalf("%s: %d places and %d beds are taken after a refusal", x.field, places, beds)
			}
			state(t, view(t, w, w.Centre, other).Case, referral.StateAccepted)
		}
		if _, err := w.Service.Arrange(ctx, w.Centre, w.Ref(other), referral.Arrangement{Slot: exams[1].ID}); fields(err)["slot"] == "" {
			t.Errorf("an exam is no clinic: %v", err)
		}
		free, err := w.Service.Arrange(ctx, w.Centre, w.Ref(other), w.Arrangement()) // by telephone
		must(t, err)
		state(t, free, referral.StateArranged)
	})
}

func TestEveryExitGivesPlacesBack(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.Booking(1, 1)
		s := w.Service
		for i, x := range []struct {
			name string
			exit func(c flow.Case) (flow.Case, error)
		}{
			{"cancel", func(c flow.Case) (flow.Case, error) { return s.Cancel(ctx, w.Desk, w.Ref(c), "doctor_absent", "") }},
			{"call off", func(c flow.Case) (flow.Case, error) { return s.Cancel(ctx, w.Doctor, w.Ref(c), "changed", "") }},
			{"free time", func(c flow.Case) (flow.Case, error) {
				return s.Reschedule(ctx, w.Desk, w.Ref(c), w.Arrangement(), "patient_time", "")
			}},
			{"death", func(c flow.Case) (flow.Case, error) {
				return s.RecordDeath(ctx, w.Doctor, w.Ref(c), referral.Death{On: "2026-03-02", Reason: "证明"})
			}},
			{"death elsewhere", func(c flow.Case) (flow.Case, error) {
				f := w.Form(4)
				f.Diagnosis, f.TargetService = "I63.900", w.NeuroClinic.ID
				other, err := s.Draft(ctx, w.Doctor, f, w.Token())
				if err != nil {
					return other, err
				}
				return s.RecordDeath(ctx, w.Doctor, w.Ref(other), referral.Death{On: "2026-03-02", Reason: "证明"})
			}},
		} {
			c := booked(t, w, i)
			if places, beds := taken(t, w); places != 2 || beds != 1 {
				t.Fatalf("before %s: %d places, %d beds", x.name, places, beds)
			}
			_, err := x.exit(c)
			must(t, err)
			if places, beds := taken(t, w); places != 0 || beds != 0 {
				t.Fatalf("after %s: %d places, %d beds", x.name, places, beds)
			}
		}
		c := booked(t, w, 5)
		w.Now = w.Reserved(c.ID).Appointments[0].Slot.Start.Add(3 * time.Hour)
		c, err := s.NoShow(ctx, w.Desk, w.Ref(c), "")
		must(t, err)
		if has := w.Reserved(c.ID); has.Bed != nil {
			t.Errorf("bed kept after no-show: %+v", has.Bed)
		}
	})
}

// Each way out of a booking gives everything back, one test each: a refusal, a
// redirection, a withdrawal, a cancellation, and time.
func TestReleases(t *testing.T) {
	for name, exit := range map[string]func(t *testing.T, w *referraltest.World, s *schedule.Service, c flow.Case){
		"decline: not the right place after arrival": func(t *testing.T, w *referraltest.World, _ *schedule.Service, c flow.Case) {
			w.Now = w.Reserved(c.ID).Appointments[0].Slot.Start
			c, err := w.Service.Arrive(ctx, w.Desk, w.Ref(c), referral.Arrival{Code: w.Code(c), Name: w.Patients[0].Name})
			must(t, err)
			c, err = w.Service.Redirect(ctx, w.Specialist, w.Ref(c), elsewhereAgreed(w))
			must(t, err)
			_, err = w.Service.Decline(ctx, w.OtherCentre, w.Ref(c), referral.Decline{Reason: "no_capacity", Advice: "建议原院观察", SuggestedOrg: w.Hospital.ID})
			must(t, err)
		},
		"redirect": func(t *testing.T, w *referraltest.World, _ *schedule.Service, c flow.Case) {
			_, err := w.Service.Redirect(ctx, w.Centre, w.Ref(c), elsewhereAgreed(w))
			must(t, err)
		},
		"withdraw": func(t *testing.T, w *referraltest.World, _ *schedule.Service, c flow.Case) {
			c, err := w.Service.Defer(ctx, w.Centre, w.Ref(c), referral.Deferral{Reason: "no_bed", PromisedOn: "2026-03-06"})
			must(t, err)
			_, err = w.Service.Withdraw(ctx, w.Doctor, w.Ref(c), "patient_cancelled", "")
			must(t, err)
		},
		"cancel": func(t *testing.T, w *referraltest.World, _ *schedule.Service, c flow.Case) {
			_, err := w.Service.Cancel(ctx, w.Desk, w.Ref(c), "doctor_absent", "")
			must(t, err)
		},
		"expiry": func(t *testing.T, w *referraltest.World, s *schedule.Service, c flow.Case) {
			w.Now = w.Reserved(c.ID).Appointments[0].Slot.End.AddDate(0, 0, 3)
			must(t, w.DB.Tx(ctx, func(tx *db.Tx) error { return s.Expire(ctx, tx) }))
			must(t, w.Queue.Drain(ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				w := referraltest.New(t, d)
				s := w.Booking(1, 1)
				var c flow.Case
				if name == "redirect" || name == "withdraw" { // these leave before a time is settled
					c = waitingWithPlaces(t, w, s, 0)
				} else {
					c = booked(t, w, 0)
				}
				if places, beds := taken(t, w); places != 2 || beds != 1 {
					t.Fatalf("before: %d places, %d beds", places, beds)
				}
				exit(t, w, s, c)
				has := w.Reserved(c.ID)
				for _, a := range has.Appointments {
					if a.State.Live() {
						t.Errorf("still booked: %+v", a)
					}
				}
				if has.Bed != nil {
					t.Errorf("the bed is kept: %+v", has.Bed)
				}
			})
		})
	}
}

// waitingWithPlaces is an accepted patient for whom the schedule keeps clinic,
// exam and bed while he waits.
func waitingWithPlaces(t *testing.T, w *referraltest.World, s *schedule.Service, i int) flow.Case {
	t.Helper()
	clinic, exams := w.Slots(tomorrow)
	c := accepted(t, w, i)
	must(t, w.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := s.Book(ctx, tx, w.Centre, schedule.Booking{Case: c.ID, Patient: c.Patient, Subject: c.Subject, Org: w.Hospital.ID,
			Priority: schedule.Priority{Urgency: "III", Referred: true}, Clinic: clinic[0].ID, Exams: []string{exams[0].ID},
			Bed: &schedule.BedRequest{Department: w.Cardiology.ID, Kind: schedule.AnyBed, From: tomorrow}})
		return err
	}))
	return c
}

// elsewhereAgreed is a place of the other hospital that has agreed.
func elsewhereAgreed(w *referraltest.World) referral.Redirect {
	return referral.Redirect{Service: w.OtherClinic.ID, Reason: "wrong_specialty", AgreedBy: "彭护士", AgreedHow: "phone"}
}

func TestArrivalUsesAndLeavingFreesTheBed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.Booking(2, 2)
		cases := []flow.Case{booked(t, w, 0), booked(t, w, 1)}
		w.Now = w.Reserved(cases[0].ID).Appointments[0].Slot.Start
		for i, care := range []string{referral.Inpatient, referral.Outpatient} {
			c, err := w.Service.Arrive(ctx, w.Desk, w.Ref(cases[i]), referral.Arrival{Code: w.Code(cases[i]), Name: w.Patients[i].Name})
			must(t, err)
			has := w.Reserved(c.ID)
			if has.Bed == nil || has.Bed.State != schedule.Used || has.Appointments[0].State != schedule.Used {
				t.Fatalf("after arrival %+v", has)
			}
			c, err = w.Service.Start(ctx, w.Specialist, w.Ref(c), referral.Start{Care: care, ExpectedDischarge: "2026-03-09"})
			must(t, err)
			if lies := w.Reserved(c.ID).Bed != nil; lies != (care == referral.Inpatient) {
				t.Fatalf("%s: in a bed: %v", care, lies)
			}
			c, err = w.Service.Complete(ctx, w.Specialist, w.Ref(c), w.Report())
			must(t, err)
			if w.Reserved(c.ID).Bed != nil {
				t.Fatalf("%s: bed kept after completion", care)
			}
		}
	})
}

func TestTwoNursesRaceForTheLastPlace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.Booking(1, 1)
		clinic, _ := w.Slots(tomorrow)
		nurses := []access.Actor{w.Centre, w.Centre2}
		cases := []flow.Case{accepted(t, w, 0), accepted(t, w, 1)}
		refs := []referral.Ref{w.Ref(cases[0]), w.Ref(cases[1])}
		failed := make([]error, 2)
		var wait sync.WaitGroup
		for i := range nurses {
			wait.Go(func() {
				_, failed[i] = w.Service.Arrange(ctx, nurses[i], refs[i], referral.Arrangement{Slot: clinic[0].ID})
			})
		}
		wait.Wait()
		won, lost := 0, 1
		if failed[0] != nil {
			won, lost = 1, 0
		}
		must(t, failed[won])
		r := refusedAt(t, failed[lost], "slot")
		if len(r.Next) == 0 || !strings.Contains(r.Error(), "最近可约") {
			t.Fatalf("the other is offered nothing: %v", r)
		}
		c := view(t, w, nurses[lost], cases[lost]).Case
		if c.State != referral.StateAccepted || c.Version != cases[lost].Version {
			t.Fatalf("the other's case %+v", c)
		}
		_, err := w.Service.Arrange(ctx, nurses[lost], w.Ref(c), referral.Arrangement{Slot: r.Next[0].Slot.ID})
		must(t, err)
	})
}

func TestArrangementFollowsAMovedAppointment(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := w.Booking(1, 1)
		c := booked(t, w, 0)
		clinic, _ := w.Slots(tomorrow)
		before := view(t, w, w.Centre, c)
		must(t, w.DB.Tx(ctx, func(tx *db.Tx) error {
			a, _ := w.Reserved(c.ID).Clinic()
			a, err := s.Move(ctx, tx, w.Centre, a.ID, a.Version, clinic[2].ID, schedule.Priority{})
			if err != nil {
				return err
			}
			return w.Queue.Publish(ctx, tx, schedule.Moved{Case: c.ID, Appointment: a.ID, Start: clinic[2].Start}) // told twice
		}))
		must(t, w.Queue.Drain(ctx))
		after := view(t, w, w.Centre, c)
		if !after.Record.Arrangement.At.Equal(clinic[2].Start) || after.Record.Arrangement.Code != before.Record.Arrangement.Code || after.Case.State != referral.StateArranged {
			t.Fatalf("arrangement %+v", after.Record.Arrangement)
		}
		if n := said(after.Messages, "就诊时间已更改"); n != 1 {
			t.Fatalf("%d messages", n)
		}
		if has := w.Reserved(c.ID); len(has.Appointments) != 2 || has.Bed == nil {
			t.Fatalf("reserved %+v", has)
		}

		w.Now = clinic[2].End.Add(6 * time.Hour)
		must(t, w.DB.Tx(ctx, func(tx *db.Tx) error { return s.Expire(ctx, tx) }))
		must(t, w.Queue.Drain(ctx))
		heard := slices.ContainsFunc(w.Notices, func(n flow.Notice) bool {
			return n.Case == c.ID && n.Org == w.Hospital.ID && n.Role == access.ReferralCenter && strings.Contains(n.Text, "请登记未到诊或改期")
		})
		if !heard {
			t.Errorf("the centre did not hear that the patient missed it: %+v", w.Notices)
		}
	})
}

// said counts the messages that say something.
func said(list []message.Message, words string) (n int) {
	for _, m := range list {
		if strings.Contains(m.Text, words) {
			n++
		}
	}
	return n
}

func TestDeferredWithAPromise(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.Booking(1, 1)
		c := accepted(t, w, 0)
		for on, words := range map[string]string{"": "请填写承诺", "2026-03-02": "明天以后", "2026-02-30": "2026-02-30", "2026-12-01": "90 天"} {
			_, err := w.Service.Defer(ctx, w.Centre, w.Ref(c), referral.Deferral{Reason: "no_bed", PromisedOn: on})
			refused(t, err, errs.Invalid, words)
		}
		if _, err := w.Service.Defer(ctx, w.Centre, w.Ref(c), referral.Deferral{PromisedOn: "2026-03-06"}); fields(err)["reason"] == "" {
			t.Errorf("no reason: %v", err)
		}
		c, err := w.Service.Defer(ctx, w.Centre, w.Ref(c), referral.Deferral{Reason: "no_bed", PromisedOn: "2026-03-06"})
		must(t, err)
		state(t, c, referral.StateDeferred)
		if !c.DueAt.Equal(calendar.EndOf("2026-03-06")) || c.OwnerOrg != w.Hospital.ID {
			t.Fatalf("due %s, owner %s", c.DueAt, c.OwnerOrg)
		}
		if said(view(t, w, w.Centre, c).Messages, "已为您排队等候") != 1 {
			t.Error("the patient was not told")
		}
		page, err := w.Service.List(ctx, w.Centre, referral.Query{Side: flow.To, State: referral.StateDeferred})
		must(t, err)
		if len(page.Items) != 1 {
			t.Errorf("%d in the tab of the waiting list", len(page.Items))
		}
		w.Notices, w.Now = nil, calendar.Date("2026-03-05").Time().Add(10*time.Hour)
		must(t, w.Queue.Drain(ctx))
		if !slices.ContainsFunc(w.Notices, func(n flow.Notice) bool { return n.Case == c.ID && n.Org == w.Hospital.ID }) {
			t.Errorf("nobody was reminded the day before: %+v", w.Notices)
		}
		clinic, _ := w.Slots("2026-03-06")
		c, err = w.Service.Arrange(ctx, w.Centre, w.Ref(c), referral.Arrangement{Slot: clinic[0].ID, Bed: true})
		must(t, err)
		state(t, c, referral.StateArranged)
	})
}

// The worklist and the schedule say the same about whose turn it is.
func TestWorklistOrderIsThatOfTheSchedule(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.Contract(1)
		w.Contract(4)
		w.Contract(5)
		for i, urgency := range []string{"IV", "IV", "III", "III", "III", "IV", "II", "II"} {
			f := w.Form(i)
			f.Urgency = urgency
			if urgency == "II" {
				f.Visit, f.TargetService = referral.Outpatient, w.CardioWard.ID
			}
			c, err := w.Service.Draft(ctx, w.Doctor, f, w.Token())
			must(t, err)
			_, err = w.Service.Submit(ctx, w.Doctor, w.Ref(c), &f)
			must(t, err)
			w.After(time.Minute)
		}
		page, err := w.Service.List(ctx, w.Centre, referral.Query{Side: flow.To, Open: true})
		must(t, err)
		if len(page.Items) != 8 {
			t.Fatalf("%d cases", len(page.Items))
		}
		rank := func(i referral.Item) schedule.Priority {
			return referral.PriorityOf(i.Case.Urgency, i.Direction, i.Contracted, i.SubmittedAt)
		}
		var order []string
		for i, x := range page.Items {
			order = append(order, fmt.Sprintf("%s %t %s", x.Case.Urgency, x.Contracted, x.SubmittedAt.Format("15:04")))
			if i > 0 && schedule.Compare(rank(page.Items[i-1]), rank(x)) >= 0 {
				t.Errorf("line %d stands before line %d", i, i+1)
			}
		}
		t.Log(order)
	})
}
