package referral_test

import (
	"strings"
	"testing"

	"yilian/internal/access"
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
