package referral_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/idcard"
	"yilian/internal/message"
	"yilian/internal/patient"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

// A safe contact hears who acts next and nothing of what has happened.
func TestSafeContactHearsTheNextStepOnly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		p, err := w.Persons.Register(ctx, w.Doctor, patient.Registration{
			Name: "袁小英", IDType: patient.IDCard, IDNumber: idcard.Make("431102", "19880808", 22), Phone: "13900001234",
			SafePhone: "13900005678", SafeHow: "女儿，只说何时到院", InsuranceKind: patient.Resident,
		})
		must(t, err)
		f := w.Form(0)
		f.Patient = p.ID
		c, err := w.Service.Draft(ctx, w.Doctor, f, w.Token())
		must(t, err)
		c, err = w.Service.Submit(ctx, w.Doctor, w.Ref(c), &f)
		must(t, err)
		got := view(t, w, w.Doctor, c).Messages
		if len(got) != 1 || !strings.HasSuffix(got[0].ToMasked, "5678") || strings.Contains(got[0].Text, "已发往") ||
			!strings.Contains(got[0].Text, "下一步：由永州市第四人民医院在3月2日 11:00前答复是否接收") {
			t.Fatalf("%+v", got)
		}
	})
}

func TestEachInstitutionSeesWhatIsItsOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		draft := w.Draft(0)
		f := w.Form(0)
		if _, err := w.Service.Save(ctx, w.Doctor, w.Ref(draft), f); err != nil {
			t.Fatal(err)
		}
		page, err := w.Service.List(ctx, w.Centre, referral.Query{Side: flow.To})
		must(t, err)
		if len(page.Items) != 0 {
			t.Fatalf("an unsent draft in the receiver's list: %+v", page.Items)
		}
		c := w.To(1, referral.StateDeclined)
		if _, err := w.Persons.Open(ctx, w.Centre, c.Patient, access.Look); err != nil {
			t.Fatalf("who declined may still look while the case is his: %v", err)
		}
		other := elsewhere(t, w, 1)
		c, err = w.Service.SendElsewhere(ctx, w.Doctor, w.Ref(c), other.Service.ID, w.Form(1).Request.Choices)
		must(t, err)
		_, err = w.Persons.Open(ctx, w.Centre, c.Patient, access.Look)
		refused(t, err, errs.Forbidden, "没有签约、转诊或就诊关系")
		if _, err := w.Persons.Open(ctx, w.OtherCentre, c.Patient, access.Look); err != nil {
			t.Fatal(err)
		}
		resident := access.Actor{Account: "r", Role: string(access.Resident), Patient: c.Patient}
		full := view(t, w, resident, c)
		if len(full.Actions) != 0 || full.Case.ID != c.ID {
			t.Fatalf("the patient reads his own case: %+v", full.Actions)
		}
		resident.Patient = w.Patients[0].ID
		_, err = w.Service.View(ctx, resident, c.ID)
		if !errs.Is(err, errs.Forbidden) {
			t.Fatalf("and nobody else's: %v", err)
		}
	})
}

// LL-4.4.1a: this way goes up or sideways; a lower tier is not a target.
func TestAHospitalDoesNotReferUpToATownship(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		p := w.Register(w.Doctor, "易秋生", "19550505", 88)
		must(t, d.Tx(ctx, func(tx *db.Tx) error {
			return access.Relate(ctx, tx, access.CareRelation{Patient: p.ID, Org: w.Hospital.ID, Basis: access.BasisEncounter, Reference: "visit"})
		}))
		found, err := w.Service.Targets(ctx, w.Specialist, referral.Need{Patient: p.ID, Urgency: "IV"})
		must(t, err)
		for _, x := range found {
			if x.Org.Kind.Primary() {
				t.Errorf("%s is offered as a target", x.Org.Name)
			}
		}
		var down string
		services, err := w.Service.Targets(ctx, w.VillageDoctor, referral.Need{Patient: w.Register(w.VillageDoctor, "易冬生", "19560606", 89).ID, Urgency: "IV"})
		must(t, err)
		for _, x := range services {
			if x.Org.ID == w.Township.ID {
				down = x.Service.ID
			}
		}
		if down == "" {
			t.Fatal("the township centre takes nobody from its village clinic")
		}
		f := w.Form(0)
		f.Patient, f.TargetService = p.ID, down
		_, err = w.Service.Draft(ctx, w.Specialist, f, w.Token())
		if !strings.Contains(fields(err)["target_service"], "级别低于本机构") {
			t.Fatalf("%v", err)
		}
	})
}

// The reminder is for the appointment that stands.
func TestReminderFollowsTheAppointment(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		c := w.To(0, referral.StateAccepted)
		a := w.Arrangement()
		a.At = w.Now.AddDate(0, 0, 4)
		c, err := w.Service.Arrange(ctx, w.Centre, w.Ref(c), a)
		must(t, err)
		a.At = w.Now.AddDate(0, 0, 6)
		c, err = w.Service.Reschedule(ctx, w.Desk, w.Ref(c), a, "patient_time", "")
		must(t, err)
		reminders := func() (n int) {
			must(t, w.Queue.Drain(ctx))
			for _, m := range messages(t, w, c) {
				if strings.Contains(m.Text, "提醒") {
					n++
				}
			}
			return n
		}
		w.Now = w.Now.AddDate(0, 0, 3)
		if n := reminders(); n != 0 {
			t.Fatalf("%d reminders of the old appointment", n)
		}
		w.Now = w.Now.AddDate(0, 0, 1)
		if n := reminders(); n != 1 {
			t.Fatalf("%d reminders", n)
		}
	})
}

func messages(t *testing.T, w *referraltest.World, c flow.Case) (list []message.Message) {
	t.Helper()
	must(t, w.DB.View(ctx, func(tx *db.Tx) (err error) { list, err = message.OfCase(ctx, tx, c.ID); return err }))
	return list
}

// Issue 3, item 10: no message names a diagnosis, a department or what a
// symptom is, whatever way a case goes.
func TestMessagesContainNoDiagnosis(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		r := w.Rescue()
		for i, s := range referral.Machine().States {
			w.Register(w.Doctor, "罗长生", fmt.Sprintf("19%d0101", 40+i), 200+2*i)
			if s.Terminal() {
				if s.Name != referral.StateDiscarded {
					w.To(len(w.Patients)-1, s.Name)
				}
				continue
			}
			standing(t, w, r, len(w.Patients)-1, s.Name)
		}
		w.DownTo(0, referral.StateInCare)
		w.Now = w.Now.AddDate(0, 0, 3)
		must(t, w.Queue.Drain(ctx))
		must(t, d.View(ctx, func(tx *db.Tx) error {
			texts, err := db.List(ctx, tx, db.Value[string], `SELECT body FROM message`)
			if len(texts) < 40 {
				t.Errorf("only %d messages", len(texts))
			}
			for _, text := range texts {
				for _, word := range []string{"心绞痛", "I20", "胸", "心血管", "心内科", "神经", "冠脉", "支架", "阿司匹林", "高血压"} {
					if strings.Contains(text, word) {
						t.Errorf("%q says %s", text, word)
					}
				}
			}
			return err
		}))
	})
}

// A sensitive label is seen by who treats the patient and by nobody else, and
// hides the diagnosis from lists of the others.
func TestSensitiveLabelHidesFromTheWrongReader(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		c := w.To(0, referral.StateInCare)
		must(t, w.Persons.SetLabel(ctx, w.Doctor, c.Patient, patient.MentalHealth, "既往诊断"))
		for _, x := range []struct {
			who  access.Actor
			sees bool
		}{{w.Doctor, true}, {w.Specialist, true}, {w.Centre, false}, {w.Desk, false}} {
			page, err := w.Persons.Open(ctx, x.who, c.Patient, access.Look)
			must(t, err)
			if (len(page.Labels) > 0) != x.sees {
				t.Errorf("%s: labels %v", x.who.Name, page.Labels)
			}
		}
		if _, err := w.Persons.Open(ctx, w.Stranger, c.Patient, access.Look); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a stranger: %v", err)
		}
		for _, x := range []struct {
			who    access.Actor
			hidden bool
		}{{w.Centre, true}, {w.Desk, true}, {w.Doctor, false}, {w.Specialist, false}} {
			list, err := w.Service.List(ctx, x.who, referral.Query{})
			must(t, err)
			if len(list.Items) != 1 || (list.Items[0].Diagnosis == "") != x.hidden {
				t.Errorf("%s: the list shows %q", x.who.Name, list.Items[0].Diagnosis)
			}
		}
	})
}

// PIPL 31: for a patient under fourteen the guardian signs, and nobody else.
func TestAChildsGuardianSigns(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		p, err := w.Persons.Register(ctx, w.Doctor, patient.Registration{
			Name: "袁小宝", IDType: patient.IDCard, IDNumber: idcard.Make("431102", "20180606", 402), InsuranceKind: patient.Resident,
			Guardian: patient.NewRelation{Name: "袁大勇", Kind: patient.RelationKinds()[0].Code, Phone: "13900007777"},
		})
		must(t, err)
		f := w.Form(0)
		f.Patient, f.Diagnosis, f.Indications = p.ID, "J18.900", []string{"general_ineffective"}
		targets, err := w.Service.Targets(ctx, w.Doctor, referral.Need{Patient: p.ID, Diagnosis: f.Diagnosis, Urgency: f.Urgency})
		must(t, err)
		i := slices.IndexFunc(targets, func(x referral.Target) bool { return x.Org.ID == w.Hospital.ID && x.Problem == "" })
		if i < 0 {
			t.Fatal("nobody takes a child")
		}
		f.TargetService = targets[i].Service.ID
		for _, signer := range []consent.Signer{consent.Self, consent.Authorized, consent.Head} {
			f.Consent = &consent.Consent{Form: consent.Written, SignedBy: signer, SignerName: "袁大勇", Relation: patient.RelationKinds()[0].Code, Document: "W-1"}
			if _, err := send(w, f); fields(err)["signed_by"] == "" {
				t.Errorf("signed by %s: %v", signer, err)
			}
		}
		f.Consent = &consent.Consent{Form: consent.Written, SignedBy: consent.Guardian}
		if _, err := send(w, f); fields(err)["signer"] == "" || fields(err)["relation"] == "" {
			t.Errorf("a guardian without name and relation: %v", err)
		}
		f.Consent = &consent.Consent{Form: consent.Written, SignedBy: consent.Guardian, SignerName: "袁大勇", Relation: patient.RelationKinds()[0].Code}
		c, err := send(w, f)
		must(t, err)
		state(t, c, referral.StateSubmitted)
		if m := view(t, w, w.Doctor, c).Messages; len(m) != 1 || !strings.HasSuffix(m[0].ToMasked, "7777") {
			t.Errorf("the guardian is not told: %+v", m)
		}
	})
}

// A list with diagnoses that is opened is one leaf with the number of cases.
func TestOpenedListsAreOneLeaf(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.To(0, referral.StateSubmitted)
		w.To(1, referral.StateSubmitted)
		w.InCare(2)
		opened := func() (out []audit.Leaf) {
			must(t, d.View(ctx, func(tx *db.Tx) (err error) {
				out, err = audit.Search(ctx, tx, audit.Filter{Object: "referral.list"})
				return err
			}))
			return out
		}
		if _, err := w.Service.List(ctx, w.OtherCentre, referral.Query{}); err != nil || len(opened()) != 0 {
			t.Errorf("an empty list is no look: %v", err)
		}
		_, err := w.Service.List(ctx, w.Centre, referral.Query{})
		must(t, err)
		got := opened()
		if len(got) != 1 || got[0].Detail != "转诊工作列表，3 例" || got[0].Actor.Account != w.Centre.Account || got[0].Patient != "" {
			t.Fatalf("%+v", got)
		}
	})
}
