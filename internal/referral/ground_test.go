package referral_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/firstvisit"
	"yilian/internal/flow"
	"yilian/internal/liaison"
	"yilian/internal/organization"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

// inSanmenxia puts the referring side under the rules of Sanmenxia.
func inSanmenxia(w *referraltest.World) {
	w.Doctor.Regions = []string{"411224", "4112", "41", "CN"}
}

// cold is a request for a common cold, which stands on the township list.
func cold(t *testing.T, w *referraltest.World) referral.Form {
	t.Helper()
	f := w.Form(0)
	f.Diagnosis, f.Indications = "J00.x00", []string{"general_ineffective"}
	targets, err := w.Service.Targets(ctx, w.Doctor, referral.Need{Patient: f.Patient, Diagnosis: f.Diagnosis, Urgency: f.Urgency})
	must(t, err)
	i := slices.IndexFunc(targets, func(x referral.Target) bool { return x.Org.ID == w.Hospital.ID && x.Problem == "" })
	if i < 0 {
		t.Fatal("nobody at the hospital takes a cold")
	}
	f.TargetService = targets[i].Service.ID
	return f
}

func send(w *referraltest.World, f referral.Form) (flow.Case, error) {
	c, err := w.Service.Draft(ctx, w.Doctor, f, w.Token())
	if err != nil {
		return c, err
	}
	return w.Service.Submit(ctx, w.Doctor, w.Ref(c), &f)
}

func wrong(err error, field string) bool {
	return fields(err)[field] != ""
}

// SMX-4.4.3b: a disease of the township list goes up with a coded reason, which
// is stored, shown and noted for the report.
func TestAListedDiseaseGoesUpWithAReason(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		inSanmenxia(w)
		f := cold(t, w)
		asked, err := w.Service.Asks(ctx, w.Doctor, referral.GroundNeed{Patient: f.Patient, Diagnosis: f.Diagnosis, Service: f.TargetService})
		must(t, err)
		if asked.Criterion == nil || !strings.Contains(asked.Criterion.Text(), "SMX-4.4.3b") || len(asked.Reasons) == 0 {
			t.Fatalf("no criterion was shown: %+v", asked)
		}
		if _, err := send(w, f); !wrong(err, "first_visit_reason") || !strings.Contains(err.Error(), "SMX-4.4.3b") {
			t.Fatalf("sent without a reason: %v", err)
		}
		f.Request.FirstVisit = &firstvisit.Override{Reason: "ineffective"}
		c, err := w.Service.Draft(ctx, w.Doctor, f, w.Token())
		must(t, err)
		c, err = w.Service.Submit(ctx, w.Doctor, w.Ref(c), &f)
		must(t, err)
		full := view(t, w, w.Centre, c)
		o := full.Record.Request.FirstVisit
		if o == nil || o.ReasonTitle != "规范治疗后效果不好" || o.Clause != "SMX-4.4.3b" || !slices.Contains(full.Record.Clauses, "SMX-4.4.3b") {
			t.Fatalf("%+v, %v", o, full.Record.Clauses)
		}
		if n := overrides(t, w); n != 1 {
			t.Errorf("%d overrides noted", n)
		}
	})
}

func overrides(t *testing.T, w *referraltest.World) (n int64) {
	t.Helper()
	must(t, w.DB.View(ctx, func(tx *db.Tx) (err error) {
		n, err = db.Count(ctx, tx, `SELECT count(*) FROM first_visit_override WHERE voided_at IS NULL`)
		return err
	}))
	return n
}

// In Lingling no document asks for the lists: nothing is prompted, and a reason
// that is given all the same is not kept.
func TestNoListInLingling(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		f := cold(t, w)
		asked, err := w.Service.Asks(ctx, w.Doctor, referral.GroundNeed{Patient: f.Patient, Diagnosis: f.Diagnosis, Service: f.TargetService})
		must(t, err)
		if asked.Criterion != nil || asked.Outside {
			t.Fatalf("prompted: %+v", asked)
		}
		f.Request.FirstVisit = &firstvisit.Override{Reason: "ineffective"}
		c, err := send(w, f)
		must(t, err)
		if o := view(t, w, w.Centre, c).Record.Request.FirstVisit; o != nil || overrides(t, w) != 0 {
			t.Errorf("kept %+v", o)
		}
	})
}

// away seats an institution in the city, which is no county.
func away(t *testing.T, w *referraltest.World, org organization.Organization) {
	t.Helper()
	must(t, w.DB.Tx(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE organization SET region = '4311' WHERE id = $1`, org.ID)
		return err
	}))
}

func agreedByPhone(w *referraltest.World) *liaison.Contact {
	return &liaison.Contact{Person: "赵主任", How: liaison.Phone, Phone: "03982201234", At: w.Now.Add(-time.Hour), Visit: "2026-03-04"}
}

// SMX-4.4.3c: beyond the county only to a named department and person who has
// agreed on the telephone; emergencies are never held up.
func TestBeyondTheCountyNeedsANamedPerson(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		inSanmenxia(w)
		f := w.Form(0)
		c, err := send(w, f)
		must(t, err) // inside the county nothing is asked
		if view(t, w, w.Doctor, c).Record.Request.Contact != nil {
			t.Error("a contact inside the county")
		}
		away(t, w, w.Hospital)
		f = w.Form(1)
		if _, err := send(w, f); !wrong(err, "contact_how") {
			t.Fatalf("sent without a word: %v", err)
		}
		f.Request.Contact = agreedByPhone(w)
		f.Request.Contact.Person = " "
		if _, err := send(w, f); !wrong(err, "contact_person") || !strings.Contains(err.Error(), "SMX-4.4.3c") {
			t.Fatalf("sent without a person: %v", err)
		}
		f.Request.Contact = agreedByPhone(w)
		c, err = send(w, f)
		must(t, err)
		full := view(t, w, w.Centre, c)
		k := full.Record.Request.Contact
		if k == nil || k.Person != "赵主任" || k.Department == "" || k.By != w.Doctor.Name || !slices.Contains(full.Record.Clauses, "SMX-4.4.3c") {
			t.Fatalf("%+v, %v", k, full.Record.Clauses)
		}
		if !strings.Contains(k.Text(), "03982201234") {
			t.Error(k.Text())
		}
		urgent := referral.EmergencyForm{Patient: w.Patients[2].ID, Service: w.CardioClinic.ID, Condition: "胸痛", Lane: "chest_pain"}
		if _, err := w.Service.SendEmergency(ctx, w.Doctor, urgent, w.Token()); err != nil {
			t.Errorf("an emergency was held up: %v", err)
		}
	})
}

// A word holds for the place that gave it: another place beyond the county has
// to be asked anew, and so does the centre that hands a case on.
func TestAWordHoldsForOnePlace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		inSanmenxia(w)
		c := w.To(0, referral.StateDeclined)
		away(t, w, w.Other)
		other := elsewhere(t, w, 0)
		to := referral.Elsewhere{Service: other.Service.ID, Choices: w.Form(0).Request.Choices, Contact: agreedByPhone(w)}
		to.Contact.Org = w.Hospital.ID
		if _, err := w.Service.SendElsewhereAs(ctx, w.Doctor, w.Ref(c), to); !wrong(err, "contact_how") {
			t.Fatalf("another place's word was taken: %v", err)
		}
		to.Contact.Org = ""
		if _, err := w.Service.SendElsewhereAs(ctx, w.Doctor, w.Ref(c), to); err != nil {
			t.Fatal(err)
		}
		c = w.To(1, referral.StateSubmitted)
		r := referral.Redirect{Service: w.OtherClinic.ID, Reason: "wrong_specialty", AgreedBy: "魏医生", AgreedHow: "in_person"}
		if _, err := w.Service.Redirect(ctx, w.Centre, w.Ref(c), r); !wrong(err, "agreed_how") {
			t.Fatalf("handed on beyond the county: %v", err)
		}
		r.AgreedHow, r.Phone, r.At, r.Visit = "phone", "03982201234", w.Now, "2026-03-05"
		if _, err := w.Service.Redirect(ctx, w.Centre, w.Ref(c), r); err != nil {
			t.Fatal(err)
		}
	})
}

// D19: a second open referral for the same problem is found before it is sent;
// the doctor goes on with the first or says why there are two.
func TestASecondReferralForTheSameProblem(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		first := w.To(0, referral.StateSubmitted)
		f := w.Form(0)
		need := referral.GroundNeed{Patient: f.Patient, Diagnosis: f.Diagnosis, Service: f.TargetService}
		asked, err := w.Service.Asks(ctx, w.Doctor, need)
		must(t, err)
		if len(asked.Same) != 1 || asked.Same[0].Number != first.Number || !asked.Same[0].Open || !asked.Same[0].Mine || len(asked.Parallel) == 0 {
			t.Fatalf("%+v", asked)
		}
		if _, err := send(w, f); !errs.Is(err, errs.Conflict) || !wrong(err, "parallel_reason") || !strings.Contains(err.Error(), first.Number) {
			t.Fatalf("a second one was sent: %v", err)
		}
		f.Request.Parallel = &referral.Parallel{Reason: "other"}
		if _, err := send(w, f); !wrong(err, "parallel_comment") {
			t.Fatalf("other without words: %v", err)
		}
		f.Request.Parallel = &referral.Parallel{Reason: "second_opinion"}
		second, err := send(w, f)
		must(t, err)
		p := view(t, w, w.Doctor, second).Record.Request.Parallel
		if p == nil || p.Number != first.Number || p.ReasonTitle == "" {
			t.Fatalf("%+v", p)
		}
		_, err = w.Service.Withdraw(ctx, w.Doctor, w.Ref(first), "mistake", "")
		must(t, err)
		if _, err := send(w, w.Form(0)); !wrong(err, "parallel_reason") {
			t.Fatalf("the second one alone was not found: %v", err)
		}
	})
}

// A referral that has been closed within ninety days is shown, an older one not.
func TestRecentReferralsAreShown(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.To(0, referral.StateClosed)
		need := referral.GroundNeed{Patient: w.Patients[0].ID, Diagnosis: "I20.900"}
		for _, r := range []struct {
			days, want int
		}{{1, 1}, {80, 1}, {20, 0}} {
			w.After(time.Duration(r.days) * 24 * time.Hour)
			asked, err := w.Service.Asks(ctx, w.Doctor, need)
			must(t, err)
			if len(asked.Same) != r.want {
				t.Errorf("after %d more days: %+v", r.days, asked.Same)
			}
		}
		if _, err := w.Service.Asks(ctx, w.Stranger, need); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a stranger looked: %v", err)
		}
	})
}
