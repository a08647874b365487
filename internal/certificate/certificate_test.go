package certificate_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/certificate"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/insurance"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
	"yilian/profiles"
)

func setup(t *testing.T, d *db.DB) (*referraltest.World, *certificate.Service, access.Actor) {
	w := referraltest.New(t, d)
	office := w.Centre
	office.Account, office.Name, office.Role = "account-insurance", "医保办", string(access.InsuranceOffice)
	return w, &certificate.Service{DB: d, Book: w.Service.Book, Calendar: calendar.New(), Audit: w.Audit, Referrals: w.Service}, office
}

// LL-4.3.4d: number, validity, kind of insurance, and the rule of settlement.
func TestCertificateOfAnAcceptedReferral(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, s, office := setup(t, d)
		c := w.To(0, referral.StateArranged)
		z, err := s.Issue(t.Context(), office, c.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		day := calendar.DateOf(w.Now)
		if z.Number != "ZM"+strings.ReplaceAll(string(day), "-", "")+"0001" || z.ValidTo != day.AddDays(30) || z.InsuranceTitle() == "" || z.Status(day) != "有效" {
			t.Errorf("%+v", z)
		}
		if z.Estimate != nil {
			t.Errorf("estimated without a table: %+v", z.Estimate)
		}
		if !slices.Contains(z.Clauses, "LL-4.3.4d") || !strings.Contains(z.Settlement, "医疗保险") {
			t.Errorf("settlement: %v %q", z.Clauses, z.Settlement)
		}
		if again, err := s.Issue(t.Context(), w.Doctor, c.ID, 0); err != nil || again.ID != z.ID {
			t.Errorf("one at a time: %v %v", again.Number, err)
		}
		for _, actor := range []access.Actor{w.Doctor, w.Centre, w.Specialist} {
			if p, _, err := s.Print(t.Context(), actor, z.ID); err != nil || p.Number != z.Number {
				t.Errorf("%s: %v", actor.Name, err)
			}
		}
		if _, _, err := s.Print(t.Context(), w.Stranger, z.ID); !errs.Is(err, errs.NotFound) {
			t.Errorf("a stranger: %v", err)
		}
		if got := z.Status(day.AddDays(31)); got != "已过期" {
			t.Error(got)
		}
		list, more, err := s.Register(t.Context(), office, certificate.Query{Text: z.Number, From: day, To: day})
		if err != nil || more || len(list) != 1 {
			t.Errorf("%v %v", list, err)
		}
		if list, _, _ := s.Register(t.Context(), office, certificate.Query{Text: "李满"}); len(list) != 0 {
			t.Errorf("%v", list)
		}
		if list, _, _ := s.Register(t.Context(), w.OtherCentre, certificate.Query{}); len(list) != 0 {
			t.Errorf("another institution's: %v", list)
		}
		var leaves []audit.Leaf
		err = d.View(t.Context(), func(tx *db.Tx) (err error) {
			leaves, err = audit.Search(t.Context(), tx, audit.Filter{Object: "certificate", ObjectID: z.ID})
			return err
		})
		if err != nil || len(leaves) != 4 {
			t.Errorf("%d leaves, %v", len(leaves), err)
		}
	})
}

func TestCertificateIsVoidedWithAReason(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, s, office := setup(t, d)
		c := w.To(0, referral.StateArranged)
		z, err := s.Issue(t.Context(), office, c.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Void(t.Context(), office, z.ID, " "); !errs.Is(err, errs.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		if _, err := s.Void(t.Context(), w.Doctor, z.ID, "错"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("by another institution: %v", err)
		}
		if _, err := s.Void(t.Context(), w.Specialist, z.ID, "错"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("without the right: %v", err)
		}
		v, err := s.Void(t.Context(), office, z.ID, "参保地登记错误")
		if err != nil || v.Status(calendar.DateOf(w.Now)) != "已作废" || v.VoidReason != "参保地登记错误" {
			t.Fatalf("%+v %v", v, err)
		}
		if _, err := s.Void(t.Context(), office, z.ID, "再次"); !errs.Is(err, errs.Conflict) {
			t.Errorf("twice: %v", err)
		}
		w.After(time.Minute)
		if again, err := s.Issue(t.Context(), office, c.ID, 0); err != nil || again.ID == z.ID || !strings.HasSuffix(again.Number, "0002") {
			t.Errorf("a new one: %+v %v", again.Number, err)
		}
	})
}

func TestCertificateNeedsAnAcceptedReferral(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, s, office := setup(t, d)
		for i, state := range []string{referral.StateSubmitted, referral.StateDeclined, referral.StateCancelled} {
			c := w.To(i, state)
			if _, err := s.Issue(t.Context(), office, c.ID, 0); !errs.Is(err, errs.Conflict) {
				t.Errorf("%s: %v", state, err)
			}
		}
		c := w.To(3, referral.StateClosed)
		if _, err := s.Issue(t.Context(), w.Doctor, c.ID, 0); err != nil {
			t.Errorf("treated and closed: %v", err)
		}
		if _, err := s.Issue(t.Context(), w.Stranger, c.ID, 0); !errs.Is(err, errs.NotFound) {
			t.Errorf("a stranger: %v", err)
		}
		if _, err := s.Issue(t.Context(), w.Bureau, c.ID, 0); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a bureau: %v", err)
		}
		x := w.To(4, referral.StateArranged)
		z, err := s.Issue(t.Context(), office, x.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Service.Cancel(t.Context(), w.Desk, w.Ref(x), "doctor_absent", ""); err != nil {
			t.Fatal(err)
		}
		list, _, err := s.Register(t.Context(), office, certificate.Query{Text: z.Number})
		if err != nil || len(list) != 1 || list[0].Status(calendar.DateOf(w.Now)) != "转诊已取消，待作废" {
			t.Errorf("%+v %v", list, err)
		}
	})
}

// GB-5.2a: where no profile has a table nothing is estimated; with one the places
// stand side by side, the cheapest first.
// withTable is the shipped rule book with the table of a place beside it.
func withTable(t *testing.T) *policy.Book {
	t.Helper()
	shipped, err := policy.Read(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	table, err := policy.Read(os.DirFS("../insurance/testdata/profiles"))
	if err != nil {
		t.Fatal(err)
	}
	book, err := shipped.With(table).Load()
	if err != nil {
		t.Fatal(err)
	}
	return book
}

func TestSharesOfThePossiblePlaces(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, s, _ := setup(t, d)
		need := referral.Need{Patient: w.Patients[0].ID, Diagnosis: "I20.900", Urgency: "III"}
		got, err := s.Shares(t.Context(), w.Doctor, need, 600000)
		if err != nil || len(got.List) != 0 || len(got.Missing) == 0 {
			t.Fatalf("estimated without a table: %+v, %v", got, err)
		}
		s.Book = withTable(t)
		err = d.Tx(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE patient SET insurance_place = '9901' WHERE id = $1`, need.Patient)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		got, err = s.Shares(t.Context(), w.Doctor, need, 600000)
		if err != nil || len(got.List) == 0 {
			t.Fatalf("%+v, %v", got, err)
		}
		for i, x := range got.List {
			if x.Clause != "TPL-1" || len(x.Orgs) == 0 || i > 0 && x.OwnFen < got.List[i-1].OwnFen {
				t.Errorf("%+v", x)
			}
		}
		c := w.To(0, referral.StateArranged)
		z, err := s.Issue(t.Context(), w.Doctor, c.ID, 600000)
		if err != nil || z.Estimate == nil || z.Estimate.Level != insurance.County || z.Estimate.OwnFen != 40000+140000 || z.Estimate.Typical {
			t.Fatalf("on the certificate: %+v, %v", z.Estimate, err)
		}
		printed, _, err := s.Print(t.Context(), w.Doctor, z.ID)
		if err != nil || printed.Estimate == nil || *printed.Estimate != *z.Estimate {
			t.Errorf("printed %+v, %v", printed.Estimate, err)
		}
		if _, err := s.Issue(t.Context(), w.Doctor, c.ID, -1); !errs.Is(err, errs.Invalid) {
			t.Errorf("a negative cost: %v", err)
		}
		for _, cost := range []int64{-1, 1_000_000_001} {
			if _, err := s.Shares(t.Context(), w.Doctor, need, cost); !errs.Is(err, errs.Invalid) {
				t.Errorf("cost %d: %v", cost, err)
			}
		}
		if _, err := s.Shares(t.Context(), w.Stranger, need, 0); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a stranger: %v", err)
		}
	})
}
