package phoned_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/calls"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/idcard"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/referral"
	"yilian/internal/referral/ledger"
	"yilian/internal/referral/phoned"
	"yilian/internal/referral/referraltest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fields are the objections to single fields.
func fields(err error) map[string]string {
	out := map[string]string{}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		for _, f := range e.Fields {
			out[f.Name] += f.Message
		}
	}
	return out
}

func each(t *testing.T, fn func(t *testing.T, w *referraltest.World, s *phoned.Service)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		s := &phoned.Service{DB: d, Flow: w.Flow, Audit: w.Audit, Keys: w.Keys, Patients: w.Persons, Referrals: w.Service,
			Calls: &calls.Service{DB: d, Keys: w.Keys, Audit: w.Audit, Calendar: calendar.New()}}
		must(t, s.Init())
		fn(t, w, s)
	})
}

func caller(w *referraltest.World) phoned.Caller {
	return phoned.Caller{Org: w.Township.ID, Doctor: w.Doctor.Person, Name: "唐医生", Phone: "07466220001", At: w.Now.Add(-5 * time.Minute), Reason: "no_system", ReadBack: true}
}

// entry is a complete one for patient i.
func entry(w *referraltest.World, i int) phoned.Entry {
	form := w.Form(i)
	form.Patient, form.Consent = "", nil
	return phoned.Entry{
		Caller: caller(w), Form: form, Who: phoned.Who{IDNumber: w.IDNumbers[i], Name: w.Patients[i].Name},
		Consent: consent.Consent{SignedBy: consent.Self, Witness: "周护士"}, Once: w.Token(),
	}
}

// Issue 3, item 7: the centre enters what was telephoned in; it goes the way of
// every referral, marked, and the caller's institution confirms it.
func TestTelephonedReferralIsConfirmed(t *testing.T) {
	each(t, func(t *testing.T, w *referraltest.World, s *phoned.Service) {
		x := entry(w, 0)
		c, err := s.Enter(t.Context(), w.Centre, x)
		must(t, err)
		if c.State != referral.StateSubmitted || c.From.Org != w.Township.ID || c.From.Person != w.Doctor.Person || c.To.Org != w.Hospital.ID {
			t.Fatalf("%+v", c)
		}
		again, err := s.Enter(t.Context(), w.Centre, x)
		must(t, err)
		if again.ID != c.ID {
			t.Fatal("sent twice, two referrals")
		}
		full, err := w.Service.View(t.Context(), w.Doctor, c.ID)
		must(t, err)
		if len(full.Consents) != 1 || full.Consents[0].Form != consent.Telephone || full.Consents[0].Refused {
			t.Errorf("consents %+v", full.Consents)
		}
		if !slices.ContainsFunc(full.Timeline, func(e flow.Event) bool {
			return e.ActionTitle == referral.PhonedIn && strings.Contains(e.Comment, "07466220001") && e.Name == w.Centre.Name
		}) {
			t.Errorf("no mark in the timeline: %+v", full.Timeline)
		}
		page, err := w.Service.List(t.Context(), w.Doctor, referral.Query{Side: flow.From})
		must(t, err)
		if len(page.Items) != 1 || !page.Items[0].Phoned {
			t.Errorf("not marked in the list: %+v", page.Items)
		}
		book, err := ledger.Read(t.Context(), w.DB, w.Audit, w.Centre, ledger.Scope{})
		must(t, err)
		if len(book.Lines) != 1 || book.Lines[0].Marks() != "电话代录" {
			t.Errorf("ledger %+v", book.Lines)
		}
		logged, _, err := s.Calls.List(t.Context(), w.Centre, calls.Query{Case: c.ID})
		must(t, err)
		if len(logged) != 1 || logged[0].Phone != "07466220001" || logged[0].Person != w.Doctor.Name || logged[0].Outgoing {
			t.Errorf("call log %+v", logged)
		}
		if _, err := w.Service.Accept(t.Context(), w.Centre, w.Ref(c), ""); err != nil {
			t.Errorf("it does not go on like any other: %v", err)
		}
		confirm(t, w, s, c)
	})
}

func confirm(t *testing.T, w *referraltest.World, s *phoned.Service, c flow.Case) {
	t.Helper()
	id, err := s.CheckOf(t.Context(), w.Doctor, c.ID)
	must(t, err)
	r, _, actions, err := s.Open(t.Context(), w.Doctor, id)
	must(t, err)
	if !r.Check.Open() || r.Check.Owner != w.Doctor.Person || r.Check.DueAt.IsZero() || len(actions) != 2 {
		t.Fatalf("check %+v, actions %v", r.Check, actions)
	}
	_, err = s.ConfirmByPhone(t.Context(), w.Doctor, w.Ref(r.Check), "本人")
	if !errs.Is(err, errs.Forbidden) {
		t.Errorf("the caller calls himself back: %v", err)
	}
	done, err := s.Confirm(t.Context(), w.Colleague, w.Ref(r.Check)) // a colleague takes it over
	must(t, err)
	if done.State != phoned.StateConfirmed || done.Open() {
		t.Errorf("%+v", done)
	}
	if _, err := s.Correct(t.Context(), w.Doctor, w.Ref(done), "晚了"); !errs.Is(err, errs.Conflict) {
		t.Errorf("corrected after the end: %v", err)
	}
}

// What was sent stays; the correction stands beside it, sealed, and the centre
// is told.
func TestTelephonedReferralIsCorrected(t *testing.T) {
	each(t, func(t *testing.T, w *referraltest.World, s *phoned.Service) {
		c, err := s.Enter(t.Context(), w.Centre, entry(w, 0))
		must(t, err)
		id, err := s.CheckOf(t.Context(), w.Doctor, c.ID)
		must(t, err)
		r, _, _, err := s.Open(t.Context(), w.Doctor, id)
		must(t, err)
		if _, err := s.Correct(t.Context(), w.Doctor, w.Ref(r.Check), " "); fields(err)["text"] == "" {
			t.Errorf("a correction without words: %v", err)
		}
		w.Notices = nil
		_, err = s.Correct(t.Context(), w.Doctor, w.Ref(r.Check), "胸闷应为 30 天")
		must(t, err)
		if !slices.ContainsFunc(w.Notices, func(n flow.Notice) bool { return n.Org == w.Hospital.ID }) {
			t.Errorf("the centre is not told: %+v", w.Notices)
		}
		full, err := w.Service.View(t.Context(), w.Centre, c.ID)
		must(t, err)
		last := full.Timeline[len(full.Timeline)-1]
		if last.Comment != "胸闷应为 30 天" || full.Record.Request.Chief != w.Form(0).Request.Chief {
			t.Errorf("%+v, %+v", last, full.Record.Request)
		}
		must(t, w.DB.View(t.Context(), func(tx *db.Tx) error {
			sealed, err := db.Get(t.Context(), tx, "", db.Value[string], `SELECT detail FROM referral_phoned WHERE id = $1`, id)
			if strings.Contains(sealed, "0746") || strings.Contains(sealed, "30 天") {
				t.Errorf("not sealed: %s", sealed)
			}
			return err
		}))
	})
}

func TestWhatAnEntryNeeds(t *testing.T) {
	each(t, func(t *testing.T, w *referraltest.World, s *phoned.Service) {
		for _, r := range []struct {
			name, field, words string
			change             func(x *phoned.Entry)
		}{
			{"no institution", "caller_org", "来电的机构", func(x *phoned.Entry) { x.Caller.Org = "" }},
			{"unknown institution", "caller_org", "没有找到", func(x *phoned.Entry) { x.Caller.Org = "none" }},
			{"own institution", "caller_org", "不能是本院", func(x *phoned.Entry) { x.Caller.Org, x.Caller.Doctor = w.Hospital.ID, "" }},
			{"a doctor of elsewhere", "caller_name", "不在", func(x *phoned.Entry) { x.Caller.Doctor = w.Stranger.Person }},
			{"no number", "caller_phone", "来电号码", func(x *phoned.Entry) { x.Caller.Phone = "" }},
			{"no time", "called_at", "通话时间", func(x *phoned.Entry) { x.Caller.At = time.Time{} }},
			{"tomorrow", "called_at", "晚于现在", func(x *phoned.Entry) { x.Caller.At = w.Now.Add(time.Hour) }},
			{"the day before yesterday", "called_at", "24 小时", func(x *phoned.Entry) { x.Caller.At = w.Now.Add(-25 * time.Hour) }},
			{"no reason", "phone_reason", "代录的原因", func(x *phoned.Entry) { x.Caller.Reason = "none" }},
			{"other without words", "call_note", "具体情况", func(x *phoned.Entry) { x.Caller.Reason = "other" }},
			{"not read back", "read_back", "复述", func(x *phoned.Entry) { x.Caller.ReadBack = false }},
			{"no identity card", "id_number", "身份证号", func(x *phoned.Entry) { x.Who.IDNumber = "" }},
			{"another name", "name", "不符", func(x *phoned.Entry) { x.Who.Name = "张某某" }},
			{"a place of another hospital", "target_service", "转介", func(x *phoned.Entry) { x.Form.TargetService = w.OtherClinic.ID }},
			{"no place", "target_service", "本院的接收科室", func(x *phoned.Entry) { x.Form.TargetService = "" }},
			{"no diagnosis", "diagnosis", "初步诊断", func(x *phoned.Entry) { x.Form.Diagnosis = "" }},
			{"consent without witness or recording", "witness", "录音编号", func(x *phoned.Entry) { x.Consent.Witness = "" }},
			{"consent by nobody", "signed_by", "由谁", func(x *phoned.Entry) { x.Consent.SignedBy = "" }},
		} {
			x := entry(w, 0)
			r.change(&x)
			_, err := s.Enter(t.Context(), w.Centre, x)
			if !errs.Is(err, errs.Invalid) || !strings.Contains(fields(err)[r.field], r.words) {
				t.Errorf("%s: %v", r.name, err)
			}
		}
		must(t, w.DB.View(t.Context(), func(tx *db.Tx) error {
			for _, count := range []string{`SELECT count(*) FROM referral`, `SELECT count(*) FROM call_log`, `SELECT count(*) FROM referral_phoned`, `SELECT count(*) FROM consent`} {
				if n, err := db.Count(t.Context(), tx, count); err != nil || n != 0 {
					t.Errorf("%s: %d, %v: something is half written", count, n, err)
				}
			}
			return nil
		}))
	})
}

func TestWhoMayEnterAndOpen(t *testing.T) {
	each(t, func(t *testing.T, w *referraltest.World, s *phoned.Service) {
		for _, who := range []access.Actor{w.Doctor, w.Desk, w.Specialist, w.Bureau} {
			if _, err := s.Enter(t.Context(), who, entry(w, 0)); !errs.Is(err, errs.Forbidden) {
				t.Errorf("%s: %v", who.Role, err)
			}
		}
		c, err := s.Enter(t.Context(), w.Centre, entry(w, 0))
		must(t, err)
		id, err := s.CheckOf(t.Context(), w.Centre, c.ID)
		must(t, err)
		for _, who := range []access.Actor{w.Stranger, w.OtherCentre} {
			if _, _, _, err := s.Open(t.Context(), who, id); !errs.Is(err, errs.NotFound) {
				t.Errorf("%s opens it: %v", who.OrgName, err)
			}
			if _, err := s.Confirm(t.Context(), who, referral.Ref{ID: id, Version: 1}); !errs.Is(err, errs.NotFound) {
				t.Errorf("%s confirms it: %v", who.OrgName, err)
			}
		}
		if list, _, err := s.List(t.Context(), w.Stranger, 0); err != nil || len(list) != 0 {
			t.Errorf("a stranger's list: %v, %v", list, err)
		}
		list, _, err := s.List(t.Context(), w.Doctor, 0)
		must(t, err)
		if len(list) != 1 || list[0].Detail.Phone != "07466220001" || list[0].Check.ID != id {
			t.Errorf("%+v", list)
		}
	})
}

// A village doctor whom nobody has registered telephones for persons who are not
// registered either; nobody there is at the system, so the centre calls back.
func TestCallerAndPatientAreNew(t *testing.T) {
	each(t, func(t *testing.T, w *referraltest.World, s *phoned.Service) {
		x := entry(w, 0)
		x.Caller.Doctor, x.Caller.Name = "", "卢医生"
		x.Who = phoned.Who{IDNumber: idcard.Make("431102", "19620707", 302), Name: "秦四妹", Phone: "13900001111", Insurance: patient.Resident}
		c, err := s.Enter(t.Context(), w.Centre, x)
		must(t, err)
		if c.From.PersonName != "卢医生" || c.From.Person != "" || !strings.HasPrefix(c.Subject, "秦四妹 女") {
			t.Fatalf("%+v", c)
		}
		id, err := s.CheckOf(t.Context(), w.Centre, c.ID)
		must(t, err)
		r, _, actions, err := s.Open(t.Context(), w.Centre, id)
		must(t, err)
		if len(actions) != 1 || actions[0].Name != phoned.ActByPhone {
			t.Fatalf("%v", actions)
		}
		if _, err := s.ConfirmByPhone(t.Context(), w.Centre, w.Ref(r.Check), ""); fields(err)["text"] == "" {
			t.Errorf("called back without saying whom: %v", err)
		}
		done, err := s.ConfirmByPhone(t.Context(), w.Centre, w.Ref(r.Check), "卢医生 13900002222")
		must(t, err)
		if done.State != phoned.StateConfirmed {
			t.Errorf("%+v", done)
		}

		x = entry(w, 0)
		x.Form.Diagnosis, x.Form.TargetService = "J18.900", paediatrics(t, w)
		x.Who = phoned.Who{IDNumber: idcard.Make("431102", "20180909", 304), Name: "秦小宝", Insurance: patient.Resident}
		if _, err = s.Enter(t.Context(), w.Centre, x); fields(err)["guardian_name"] == "" {
			t.Errorf("a child without a guardian: %v", err)
		}
		x.Who.Guardian = patient.NewRelation{Name: "秦大明", Kind: patient.RelationKinds()[0].Code, Phone: "13900003333"}
		if _, err = s.Enter(t.Context(), w.Centre, x); !strings.Contains(fields(err)["signed_by"], "监护人") {
			t.Errorf("a child signs for itself (PIPL 31): %v", err)
		}
	})
}

// paediatrics is the service of the hospital that takes a child of seven.
func paediatrics(t *testing.T, w *referraltest.World) (id string) {
	t.Helper()
	must(t, w.DB.View(t.Context(), func(tx *db.Tx) error {
		found, err := organization.FindServices(t.Context(), tx, organization.Need{Code: "J18.900", Age: 7, Sex: "2", Urgency: "III"})
		for _, c := range found {
			if c.Org.ID == w.Hospital.ID {
				id = c.Service.ID
			}
		}
		return err
	}))
	if id == "" {
		t.Fatal("no service for children")
	}
	return id
}

// An emergency by telephone rings like any other; only who calls and where the
// patient goes are needed, and the consent is owed by the caller's institution.
func TestTelephonedEmergency(t *testing.T) {
	each(t, func(t *testing.T, w *referraltest.World, s *phoned.Service) {
		r := w.Rescue()
		for i, x := range []phoned.Urgent{
			{Caller: phoned.Caller{Org: w.Township.ID}, Form: referral.EmergencyForm{Service: r.Service.ID}},
			{Caller: caller(w), Unknown: patient.Unknown{IDNumber: w.IDNumbers[1]}, Form: referral.EmergencyForm{Service: r.Service.ID, Lane: "chest_pain", Condition: "胸痛大汗"}},
		} {
			x.Once = w.Token()
			c, err := s.EnterUrgent(t.Context(), w.Centre, x)
			must(t, err)
			if c.State != referral.StateTransferring || c.From.Org != w.Township.ID || c.DueAt.Sub(w.Now) != time.Minute {
				t.Fatalf("%+v", c)
			}
			full, err := w.Service.View(t.Context(), w.Centre, c.ID)
			must(t, err)
			if full.Rescue == nil || full.Record.Emergency.ConsentCase == "" {
				t.Fatalf("%+v", full.Rescue)
			}
			must(t, w.DB.View(t.Context(), func(tx *db.Tx) error {
				task, err := flow.Get(t.Context(), tx, full.Record.Emergency.ConsentCase)
				if task.OwnerOrg != w.Township.ID {
					t.Errorf("the consent is owed by %s", task.OwnerOrg)
				}
				return err
			}))
			if i == 1 && c.Patient != w.Patients[1].ID {
				t.Error("the registered patient is not found by his card")
			}
			logged, _, err := s.Calls.List(t.Context(), w.Centre, calls.Query{Case: c.ID})
			if err != nil || len(logged) != 1 {
				t.Errorf("call log %+v, %v", logged, err)
			}
			rung := 0
			for _, who := range []access.Actor{r.Room, r.Night, r.First} {
				rings, err := w.Service.Alarm(t.Context(), who)
				must(t, err)
				rung += len(rings)
			}
			if rung == 0 {
				t.Error("nobody is called")
			}
			must(t, w.Queue.Drain(t.Context()))
		}
		if _, err := s.EnterUrgent(t.Context(), w.Centre, phoned.Urgent{Form: referral.EmergencyForm{Service: r.Service.ID}}); fields(err)["caller_org"] == "" {
			t.Errorf("nobody calls: %v", err)
		}
		if _, err := s.EnterUrgent(t.Context(), w.Centre, phoned.Urgent{Caller: caller(w)}); fields(err)["target_service"] == "" {
			t.Errorf("nowhere to go: %v", err)
		}
	})
}
