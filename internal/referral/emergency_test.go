package referral_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/jobs"
	"yilian/internal/patient"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

// rescued builds the world with its emergency side.
func rescued(t *testing.T, fn func(w *referraltest.World, r *referraltest.Rescue)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		fn(w, w.Rescue())
	})
}

// Everything that holds up an ordinary referral, one row each: an emergency
// goes all the same.
func TestNothingBlocksAnEmergency(t *testing.T) {
	fever, low, high := 61.0, 80, 70
	rows := []struct {
		name   string
		change func(w *referraltest.World, r *referraltest.Rescue, f *referral.EmergencyForm)
	}{
		{"nothing but who and where", func(_ *referraltest.World, r *referraltest.Rescue, f *referral.EmergencyForm) {
			*f = referral.EmergencyForm{Patient: f.Patient, Service: r.Service.ID}
		}},
		{"nobody knows who he is", func(_ *referraltest.World, r *referraltest.Rescue, f *referral.EmergencyForm) {
			*f = referral.EmergencyForm{Nameless: true, Service: r.Service.ID}
		}},
		{"a name with digits, an impossible age and identity card", func(_ *referraltest.World, _ *referraltest.Rescue, f *referral.EmergencyForm) {
			f.Patient, f.Unknown = "", patient.Unknown{Name: "张3", Sex: "x", Age: "四十", IDNumber: "431102190001010000", Phone: "1"}
		}},
		{"the identity card of somebody registered", func(w *referraltest.World, _ *referraltest.Rescue, f *referral.EmergencyForm) {
			f.Patient, f.Unknown = "", patient.Unknown{IDNumber: w.IDNumbers[1]}
		}},
		{"a newborn without a guardian", func(_ *referraltest.World, _ *referraltest.Rescue, f *referral.EmergencyForm) {
			f.Patient, f.Unknown, f.Lane = "", patient.Unknown{Name: "何某之子", Age: "0"}, "newborn"
		}},
		{"no triage level", func(_ *referraltest.World, _ *referraltest.Rescue, f *referral.EmergencyForm) { f.Urgency = "IV" }},
		{"unknown codes", func(_ *referraltest.World, _ *referraltest.Rescue, f *referral.EmergencyForm) {
			f.Lane, f.Reason, f.Transport, f.Consciousness, f.Fields = "none", "none", "none", "none", map[string]string{"none": "1"}
		}},
		{"impossible measurements", func(_ *referraltest.World, _ *referraltest.Rescue, f *referral.EmergencyForm) {
			f.Vitals = referral.Vitals{Temperature: &fever, Systolic: &low, Diastolic: &high, Pulse: new(int)}
			f.Fields = map[string]string{"onset": "早上"}
		}},
		{"texts without end", func(_ *referraltest.World, _ *referraltest.Rescue, f *referral.EmergencyForm) {
			f.Condition, f.Treatment, f.Escort = strings.Repeat("长", 5000), strings.Repeat("长", 5000), strings.Repeat("长", 500)
		}},
		{"an emergency of his is on the way already", func(w *referraltest.World, r *referraltest.Rescue, f *referral.EmergencyForm) {
			w.SendOff(r, 0)
		}},
		{"an ordinary referral for the same need is under way", func(w *referraltest.World, _ *referraltest.Rescue, f *referral.EmergencyForm) {
			w.To(2, referral.StateSubmitted)
			f.Patient = w.Patients[2].ID
		}},
		{"no relation to the patient", func(w *referraltest.World, _ *referraltest.Rescue, f *referral.EmergencyForm) {
			p := w.Register(w.Stranger, "异乡人", "19600101", 77)
			f.Patient = p.ID
		}},
		{"the hospital publishes no phone (LL-4.3.4c) and nobody is on its list", func(w *referraltest.World, r *referraltest.Rescue, f *referral.EmergencyForm) {
			must(t, w.DB.Tx(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE organization SET referral_phone = '' WHERE id = $1`, w.Other.ID)
				return err
			}))
			f.Service = r.OtherPlace.ID
		}},
		{"a service that treats something else", func(w *referraltest.World, _ *referraltest.Rescue, f *referral.EmergencyForm) {
			f.Service = w.NeuroClinic.ID
		}},
		{"recorded as dead by mistake", func(w *referraltest.World, _ *referraltest.Rescue, f *referral.EmergencyForm) {
			_, err := w.Persons.MarkDeceased(ctx, w.Doctor, w.Patients[3].ID, "2026-03-01", "误登")
			must(t, err)
			f.Patient = w.Patients[3].ID
		}},
	}
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		for _, row := range rows {
			f := w.Emergency(r, 0)
			row.change(w, r, &f)
			for _, doctor := range []access.Actor{w.Doctor, w.Specialist} {
				if doctor.Org == w.Hospital.ID {
					f.Service = r.OtherPlace.ID
				}
				token := w.Token()
				c, err := w.Service.SendEmergency(ctx, doctor, f, token)
				if err != nil {
					w.T.Errorf("%s: %s: %v", row.name, doctor.Name, err)
					continue
				}
				if c.State != referral.StateTransferring || c.DueAt.Sub(w.Now) != time.Minute || c.Patient == "" {
					w.T.Errorf("%s: %+v", row.name, c)
				}
				again, err := w.Service.SendEmergency(ctx, doctor, f, token)
				if err != nil || again.ID != c.ID {
					w.T.Errorf("%s: sent twice: %v", row.name, err)
				}
			}
		}
	})
}

// A draft that waits for a review or a consent becomes an emergency at once.
func TestADraftBecomesAnEmergency(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		c := w.Draft(0)
		f := w.Emergency(r, 0)
		f.Draft = w.Ref(c)
		sent, err := w.Service.SendEmergency(ctx, w.Doctor, f, w.Token())
		must(t, err)
		if sent.ID != c.ID || sent.Number != c.Number || sent.State != referral.StateTransferring {
			t.Fatalf("%+v", sent)
		}
	})
}

func TestWhoAndWhereAreNeeded(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		f := w.Emergency(r, 0)
		f.Patient, f.Service = "", ""
		_, err := w.Service.SendEmergency(ctx, w.Doctor, f, w.Token())
		if got := fields(err); got["patient"] == "" || got["target_service"] == "" || len(got) != 2 {
			t.Fatal(err)
		}
		for _, wrong := range []access.Actor{w.Desk, w.Bureau, w.Centre, r.Affairs} {
			if _, err := w.Service.SendEmergency(ctx, wrong, w.Emergency(r, 0), w.Token()); !errs.Is(err, errs.Forbidden) {
				t.Errorf("%s: %v", wrong.Role, err)
			}
		}
	})
}

// called are the people and roles alerted so far.
func called(w *referraltest.World, c flow.Case) []string {
	full, err := w.Service.View(ctx, w.Doctor, c.ID)
	must(w.T, err)
	var out []string
	for _, a := range full.Rescue.Alerts {
		if a.Person != "" {
			out = append(out, strings.Fields(a.Name)[0])
		} else {
			out = append(out, string(a.Role))
		}
	}
	return out
}

func rings(w *referraltest.World, a access.Actor) bool {
	list, err := w.Service.Alarm(ctx, a)
	must(w.T, err)
	return len(list) > 0
}

func drain(w *referraltest.World, after time.Duration) {
	w.After(after)
	must(w.T, w.Queue.Drain(ctx))
}

// restarted is the program started again: nothing is left but the database.
func restarted(w *referraltest.World) {
	w.Queue = jobs.New(w.DB)
	engine := &flow.Engine{DB: w.DB, Book: w.Flow.Book, Calendar: w.Flow.Calendar, Audit: w.Audit, Keys: w.Keys, Queue: w.Queue, Notify: w.Flow.Notify}
	s := *w.Service
	s.Flow, s.Queue = engine, w.Queue
	must(w.T, s.Init())
	engine.Start()
	w.Flow, w.Service = engine, &s
}

// The ladder: the first of the lane at once, the next at 60 s, everybody at
// 180 s; the server is started again in between.
func TestTheAlarmClimbs(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		c := w.SendOff(r, 0)
		if got := called(w, c); !slices.Equal(got, []string{"肖主任"}) {
			t.Fatalf("at once: %v", got)
		}
		if !rings(w, r.First) || rings(w, r.Second) || rings(w, r.Room) || rings(w, r.OtherRoom) || rings(w, w.Doctor) {
			t.Fatal("at once, the wrong pages ring")
		}
		drain(w, 59*time.Second)
		if got := called(w, c); len(got) != 1 {
			t.Fatalf("at 59 s: %v", got)
		}
		restarted(w)
		drain(w, time.Second)
		if got := called(w, c); !slices.Equal(got, []string{"肖主任", "雷医生"}) || !rings(w, r.Second) {
			t.Fatalf("at 60 s: %v", got)
		}
		restarted(w)
		drain(w, 119*time.Second)
		if got := called(w, c); len(got) != 2 {
			t.Fatalf("at 179 s: %v", got)
		}
		drain(w, time.Second)
		for _, a := range []access.Actor{r.First, r.Second, r.Room, r.Night, w.Centre} {
			if !rings(w, a) {
				t.Errorf("at 180 s %s is not called: %v", a.Name, called(w, c))
			}
		}
		full, err := w.Service.View(ctx, w.Doctor, c.ID)
		must(t, err)
		if !full.Rescue.Dial || len(full.Rescue.Phones) < 3 || full.Rescue.Phones[0].Phone != "13900000101" {
			t.Errorf("phone list %v %+v", full.Rescue.Dial, full.Rescue.Phones)
		}
		drain(w, time.Hour)
		if got := called(w, c); len(got) != 5 {
			t.Errorf("everybody is called once: %v", got)
		}
	})
}

func TestAcknowledgementStopsTheAlarm(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		c := w.SendOff(r, 0)
		w.After(42 * time.Second)
		for _, wrong := range []access.Actor{w.Doctor, w.Desk, w.OtherCentre} {
			if _, err := w.Service.AcknowledgeEmergency(ctx, wrong, w.Ref(c), ""); !errs.Is(err, errs.Forbidden) {
				t.Errorf("%s: %v", wrong.Role, err)
			}
		}
		// Anybody of the emergency side may, whoever was called.
		c, err := w.Service.AcknowledgeEmergency(ctx, r.Room, w.Ref(c), "")
		must(t, err)
		if c.State != referral.StateTransferring || c.To.PersonName != r.Room.Name || rings(w, r.First) {
			t.Fatalf("%+v", c)
		}
		full, err := w.Service.View(ctx, w.Doctor, c.ID)
		must(t, err)
		if full.Rescue.Waited != 42*time.Second || c.DueAt.Sub(full.Rescue.SentAt) != 2*time.Hour {
			t.Errorf("acknowledged after %v, due %v", full.Rescue.Waited, c.DueAt)
		}
		drain(w, 10*time.Minute)
		if got := called(w, c); len(got) != 1 {
			t.Errorf("still calling: %v", got)
		}
		if _, err := w.Service.AcknowledgeEmergency(ctx, r.First, w.Ref(c), ""); !errs.Is(err, errs.Conflict) || !strings.Contains(err.Error(), r.Room.Name) {
			t.Errorf("a second time: %v", err)
		}
		c, err = w.Service.Arrive(ctx, r.Room, w.Ref(c), referral.Arrival{})
		must(t, err)
		if c.State != referral.StateArrived || c.Responsible.Org != w.Hospital.ID {
			t.Errorf("%+v", c)
		}
	})
}

// The telephone: calls are kept, and a yes at the other end is the
// acknowledgement.
func TestTheTelephone(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		c := w.SendOff(r, 0)
		drain(w, 181*time.Second)
		same, err := w.Service.RecordCall(ctx, w.Doctor, w.Ref(c), referral.Call{Name: "肖主任", Phone: "13900000101", Result: referral.CallNoAnswer})
		must(t, err)
		if same.Version != c.Version || !rings(w, r.First) {
			t.Fatal("a call without answer stops nothing")
		}
		c, err = w.Service.RecordCall(ctx, w.Colleague, w.Ref(c), referral.Call{Name: "雷医生", Phone: "13900000102", Result: referral.CallConfirmed})
		must(t, err)
		full, err := w.Service.View(ctx, w.Doctor, c.ID)
		must(t, err)
		if rings(w, r.First) || full.Rescue.AckName != "雷医生" || full.Rescue.AckHow != "phone" || len(full.Rescue.Calls) != 2 || full.Rescue.Waited != 181*time.Second {
			t.Errorf("%+v", full.Rescue)
		}
		if _, err := w.Service.RecordCall(ctx, r.First, w.Ref(c), referral.Call{Name: "x", Result: referral.CallBusy}); !errs.Is(err, errs.Forbidden) {
			t.Errorf("the receiver records a call: %v", err)
		}
	})
}

func TestDivertKeepsTheNumber(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		good := referral.Redirect{Service: r.OtherPlace.ID, AgreedBy: "魏医生", AgreedHow: "phone", Reason: "full"}
		for i, actor := range []access.Actor{r.Room, w.Colleague} {
			c := w.SendOff(r, i)
			for _, wrong := range []struct {
				field  string
				change func(*referral.Redirect)
			}{
				{"agreed_by", func(d *referral.Redirect) { d.AgreedBy = "" }}, {"agreed_how", func(d *referral.Redirect) { d.AgreedHow = "" }},
				{"reason", func(d *referral.Redirect) { d.Reason = "" }}, {"target_service", func(d *referral.Redirect) { d.Service = r.Service.ID }},
			} {
				d := good
				wrong.change(&d)
				if _, err := w.Service.Divert(ctx, actor, w.Ref(c), d); fields(err)[wrong.field] == "" {
					t.Errorf("%s: %v", wrong.field, err)
				}
			}
			after, err := w.Service.Divert(ctx, actor, w.Ref(c), good)
			must(t, err)
			if after.Number != c.Number || after.State != referral.StateTransferring || after.To.Org != w.Other.ID {
				t.Fatalf("%+v", after)
			}
			drain(w, 5*time.Minute)
			if rings(w, r.First) || rings(w, r.OtherRoom) {
				t.Error("a confirmed hospital is not rung out of bed")
			}
			if _, err := w.Service.View(ctx, r.Room, c.ID); !errs.Is(err, errs.NotFound) {
				t.Errorf("the first hospital still sees the case: %v", err)
			}
			after, err = w.Service.Arrive(ctx, r.OtherRoom, w.Ref(after), referral.Arrival{})
			must(t, err)
			if _, err := w.Service.Divert(ctx, r.OtherRoom, w.Ref(after), good); !errs.Is(err, errs.Conflict) {
				t.Errorf("diverted after arrival: %v", err)
			}
		}
	})
}

func TestBackEntryRingsNothing(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		good := referral.BackEntryForm{EmergencyForm: w.Emergency(r, 0), ArrivedAt: w.Now.Add(-5 * time.Hour), ReceivedBy: "王护士", Why: "emergency_first"}
		for field, change := range map[string]func(*referral.BackEntryForm){
			"arrived_at":  func(f *referral.BackEntryForm) { f.ArrivedAt = time.Time{} },
			"received_by": func(f *referral.BackEntryForm) { f.ReceivedBy = " " },
			"reason":      func(f *referral.BackEntryForm) { f.Why = "" },
		} {
			f := good
			change(&f)
			if _, err := w.Service.BackEntry(ctx, w.Doctor, f, w.Token()); fields(err)[field] == "" {
				t.Errorf("%s: %v", field, err)
			}
		}
		future := good
		future.ArrivedAt = w.Now.Add(time.Hour)
		if _, err := w.Service.BackEntry(ctx, w.Doctor, future, w.Token()); fields(err)["arrived_at"] == "" {
			t.Error(err)
		}
		w.Notices = nil
		c, err := w.Service.BackEntry(ctx, w.Doctor, good, w.Token())
		must(t, err)
		draft := w.Draft(1)
		other := good
		other.Draft, other.EmergencyForm.Patient = w.Ref(draft), ""
		d, err := w.Service.BackEntry(ctx, w.Doctor, other, w.Token())
		must(t, err)
		for _, c := range []flow.Case{c, d} {
			drain(w, 49*time.Hour)
			full, err := w.Service.View(ctx, w.Doctor, c.ID)
			must(t, err)
			if !c.Silent || c.State != referral.StateArrived || len(w.Notices) != 0 || len(full.Messages) != 0 || len(full.Rescue.Alerts) != 0 || rings(w, r.First) {
				t.Errorf("%+v notices %v messages %v alerts %v", c, w.Notices, full.Messages, full.Rescue.Alerts)
			}
			if !full.Record.ArrivedAt.Equal(good.ArrivedAt) || full.Record.ArrivedBy != "王护士" || !full.Rescue.BackEntry {
				t.Errorf("%+v", full.Record)
			}
		}
		board, err := w.Service.Emergencies(ctx, r.Room)
		must(t, err)
		if len(board.Incoming) != 0 {
			t.Error("a back-entry stands on the board")
		}
	})
}

// The consent follows within 24 hours: in the to-do list of the sender, with a
// clock that escalates; the head of the institution may sign.
func TestConsentIsOwed(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		c := w.SendOff(r, 0)
		todo := func(a access.Actor) (out []flow.Case) {
			must(t, w.DB.View(ctx, func(tx *db.Tx) error {
				list, err := flow.Todo(ctx, tx, a, 10)
				for _, x := range list {
					if x.Kind == referral.ConsentKind {
						out = append(out, x)
					}
				}
				return err
			}))
			return out
		}
		owed := todo(w.Doctor)
		if len(owed) != 1 || owed[0].BasedOn != c.ID || owed[0].DueAt.Sub(w.Now) != 24*time.Hour {
			t.Fatalf("%+v", owed)
		}
		w.Notices = nil
		drain(w, 24*time.Hour)
		if !slices.ContainsFunc(w.Notices, func(n flow.Notice) bool { return n.Case == owed[0].ID && n.Level == "overdue" }) {
			t.Error("the missing consent does not escalate")
		}
		head := consent.Consent{Form: consent.Written, SignedBy: consent.Head, SignerName: "何院长"}
		if _, err := w.Service.SignLater(ctx, w.Stranger, referral.Ref{ID: owed[0].ID, Version: owed[0].Version}, head); !errs.Is(err, errs.NotFound) {
			t.Errorf("another institution: %v", err)
		}
		if _, err := w.Service.SignLater(ctx, w.Doctor, referral.Ref{ID: owed[0].ID, Version: owed[0].Version}, consent.Consent{}); !errs.Is(err, errs.Invalid) {
			t.Errorf("nobody signed: %v", err)
		}
		done, err := w.Service.SignLater(ctx, w.Head, referral.Ref{ID: owed[0].ID, Version: owed[0].Version, Once: w.Token()}, head)
		must(t, err)
		full, err := w.Service.View(ctx, w.Doctor, c.ID)
		must(t, err)
		if done.State != referral.ConsentSigned || len(full.Consents) != 1 || full.Record.Consent != full.Consents[0].ID || len(todo(w.Doctor)) != 0 {
			t.Errorf("%+v %+v", done, full.Consents)
		}
		_, err = w.Service.AcknowledgeEmergency(ctx, r.First, w.Ref(c), "")
		must(t, err)
		again := w.SendOff(r, 1)
		again, err = w.Service.Cancel(ctx, w.Doctor, w.Ref(again), "changed", "")
		must(t, err)
		if again.State != referral.StateCancelled || len(todo(w.Doctor)) != 0 || rings(w, r.First) {
			t.Error("an emergency that was called off owes nothing and rings nothing")
		}
		dead := w.SendOff(r, 2)
		_, err = w.Service.RecordDeath(ctx, w.Doctor, w.Ref(dead), referral.Death{On: "2026-03-03", Reason: "证明"})
		must(t, err)
		if len(todo(w.Doctor)) != 0 || rings(w, r.First) {
			t.Error("a death ends task and alarm")
		}
	})
}

// A patient who does not arrive is looked for after two hours and reported
// after four.
func TestNotTraced(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		c := w.SendOff(r, 0)
		_, err := w.Service.AcknowledgeEmergency(ctx, r.First, w.Ref(c), "")
		must(t, err)
		told := func(role access.Role, person string) bool {
			return slices.ContainsFunc(w.Notices, func(n flow.Notice) bool {
				return n.Case == c.ID && strings.Contains(n.Text, "未登记到院") && (n.Person == person && person != "" || n.Role == role && person == "")
			})
		}
		w.Notices = nil
		drain(w, 2*time.Hour)
		if !told("", w.Doctor.Person) || !told(access.ReferralCenter, "") || told(access.MedicalAffairs, "") {
			t.Errorf("at 2 h: %+v", w.Notices)
		}
		w.Notices = nil
		drain(w, 2*time.Hour)
		if !told(access.MedicalAffairs, "") {
			t.Errorf("at 4 h: %+v", w.Notices)
		}
	})
}

func TestHandover(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		c := w.SendOff(r, 0)
		_, err := w.Service.RecordHandover(ctx, w.Doctor, c.ID, referral.Handover{Departure: referral.Signs{Pulse: "112"}, Drugs: "阿司匹林 300 mg 08:40", HandedBy: "唐医生"})
		must(t, err)
		if _, err := w.Service.RecordHandover(ctx, r.Room, c.ID, referral.Handover{TakenBy: "急诊护士"}); !errs.Is(err, errs.Conflict) {
			t.Errorf("an old form overwrites: %v", err)
		}
		full, err := w.Service.View(ctx, r.Room, c.ID)
		must(t, err)
		h := full.Rescue.Handover
		h.TakenBy, h.ArrivedAt = "急诊护士", w.Now.Add(time.Hour)
		if _, err := w.Service.RecordHandover(ctx, r.Room, c.ID, h); fields(err)["arrived_at"] == "" {
			t.Errorf("arrived in the future: %v", err)
		}
		h.ArrivedAt = w.Now
		_, err = w.Service.RecordHandover(ctx, r.Room, c.ID, h)
		must(t, err)
		if _, err := w.Service.RecordHandover(ctx, w.Stranger, c.ID, h); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a stranger: %v", err)
		}
		plain := w.To(3, referral.StateSubmitted)
		if _, err := w.Service.RecordHandover(ctx, w.Doctor, plain.ID, referral.Handover{}); !errs.Is(err, errs.Conflict) {
			t.Errorf("an ordinary referral: %v", err)
		}
	})
}

// Hospitals with people for the lane come first, then the own alliance.
func TestDestinations(t *testing.T) {
	rescued(t, func(w *referraltest.World, r *referraltest.Rescue) {
		for lane, first := range map[string]string{"chest_pain": referraltest.HospitalName, "": referraltest.HospitalName, "maternal": "零陵区妇幼保健计划生育服务中心"} {
			list, err := w.Service.Destinations(context.Background(), w.Doctor, lane)
			must(t, err)
			if len(list) < 2 || list[0].Org.Name != first {
				t.Errorf("%q: %d, first %+v", lane, len(list), list)
			}
		}
	})
}
