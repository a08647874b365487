package encounter_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/patient"
	"yilian/internal/policy/policytest"
)

var ctx = context.Background()

type world struct {
	d        *db.DB
	s        *encounter.Service
	control  *access.Control
	people   *patient.Service
	hospital organization.Organization
	doctor   access.Actor // of the hospital
}

func newWorld(t *testing.T, d *db.DB) world {
	t.Helper()
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	book := policytest.Shipped(t)
	organizationtest.Seed(t, d)
	w := world{d: d, control: access.New(log), s: &encounter.Service{DB: d, Book: book, Audit: log}}
	w.people = &patient.Service{DB: d, Keys: keys, Access: w.control, Audit: log}
	w.hospital = organizationtest.OfKind(t, d, organization.CountyHospital)[0]
	w.doctor = access.Actor{Account: "a", Name: "钱医生", Role: string(access.DepartmentDoctor), Org: w.hospital.ID, OrgName: w.hospital.Name}
	return w
}

var program = audit.Program("接口")

func (w world) person(t testing.TB, name string) string {
	t.Helper()
	p, err := w.people.Register(ctx, program, patient.Registration{Name: name, Sex: "2", BirthDate: "1960-05-06", Phone: "13900001234",
		InsuranceKind: patient.Resident, Confirmed: true})
	if err != nil {
		t.Fatal(err)
	}
	return p.ID
}

func (w world) stay(person string) encounter.Encounter {
	return encounter.Encounter{
		Patient: person, Org: w.hospital.ID, Class: encounter.Inpatient,
		Start: dbtest.Clock.AddDate(0, 0, -9), End: dbtest.Clock.AddDate(0, 0, -2), Department: "心内科", Doctor: "钱医生",
		First: encounter.No, FirstBy: "his", Leave: "3", InsuranceKind: patient.Resident, InsurancePlace: "431102",
		Total: encounter.FenOf(523050), Own: encounter.FenOf(123050),
		Funds: []encounter.Share{{Code: "resident_pool", Fen: 380000}, {Code: "serious_illness", Fen: 20000}},
		Fees:  []encounter.Share{{Code: "01", Fen: 50000}, {Code: "09", Fen: 473050}},
		Diagnoses: []encounter.Diagnosis{
			{ClinicalCode: "I50.900x018", ClinicalName: "慢性心力衰竭急性加重", InsuranceCode: "i50.900", InsuranceName: ""},
			{ClinicalCode: "LOCAL-7", ClinicalName: "本院自定诊断", InsuranceCode: "ZZ9.9"}},
		Visits: 1, Clinical: true, Source: encounter.Source{System: "hl7/his", Key: "V1001", Ref: "MSG-1"},
	}
}

func (w world) record(t testing.TB, e encounter.Encounter) (encounter.Encounter, encounter.Outcome) {
	t.Helper()
	got, what, err := w.s.Record(ctx, program, e)
	if err != nil {
		t.Fatal(err)
	}
	return got, what
}

func TestAnEncounterComesBackAsItWasStated(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		in := w.stay(w.person(t, "李秀英"))
		out, what := w.record(t, in)
		if what != encounter.Inserted {
			t.Fatalf("outcome %s", what)
		}
		got := dbtest.View(t, d, func(tx *db.Tx) (encounter.Encounter, error) { return encounter.Get(ctx, tx, out.ID) })
		if got.Total != in.Total || got.Own != in.Own || got.Fund() != encounter.FenOf(400000) || !slices.Equal(got.Fees, in.Fees) ||
			got.Leave != "3" || got.FirstBy != "his" || got.Doctor != "钱医生" || !got.End.Equal(in.End) || got.Source != in.Source {
			t.Errorf("stored %+v", got)
		}
		if m := got.Main(); !m.Known || m.InsuranceCode != "I50.900" || m.InsuranceName == "" || m.ClinicalCode != "I50.900x018" {
			t.Errorf("main diagnosis %+v", m)
		}
		if x := got.Diagnoses[1]; x.Known || x.InsuranceCode != "ZZ9.9" {
			t.Errorf("a code that we do not hold is kept as it came: %+v", x)
		}
	})
}

func TestTheSameFactTwiceIsOneAndACorrectionKeepsWhatItWas(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		e := w.stay(w.person(t, "李秀英"))
		first, _ := w.record(t, e)
		e.Source.Ref = "MSG-2" // another message with the same facts
		if _, what := w.record(t, e); what != encounter.Unchanged {
			t.Errorf("the same facts again: %s", what)
		}
		e.Leave, e.Diagnoses = "1", e.Diagnoses[:1]
		again, what := w.record(t, e)
		if what != encounter.Corrected || again.ID != first.ID || again.Version != 2 {
			t.Errorf("correction: %s %s version %d", what, again.ID, again.Version)
		}
		old := dbtest.View(t, d, func(tx *db.Tx) ([]encounter.Encounter, error) { return encounter.History(ctx, tx, first.ID) })
		if len(old) != 2 || old[0].Leave != "3" || len(old[0].Diagnoses) != 2 || len(old[1].Diagnoses) != 1 || len(old[0].Fees) != 2 {
			t.Errorf("history %+v", old)
		}
		days := dbtest.View(t, d, func(tx *db.Tx) ([]encounter.Total, error) {
			return encounter.Totals(ctx, tx, encounter.Filter{From: "2026-02-01", To: "2026-03-31"})
		})
		if len(days) != 1 || days[0].Visits != 1 || days[0].TotalFen != 523050 || days[0].Day != "2026-02-28" {
			t.Errorf("counted %+v", days)
		}
	})
}

func TestAVisitOpensTheRecordToItsInstitutionForATime(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		person := w.person(t, "李秀英")
		may := func() bool {
			err := d.Tx(ctx, func(tx *db.Tx) error {
				g, err := w.control.Patient(ctx, tx, w.doctor, person, access.Treat)
				if err == nil && !g.Direct {
					t.Error("a visit is direct care")
				}
				return err
			})
			if err != nil && !errs.Is(err, errs.Forbidden) {
				t.Fatal(err)
			}
			return err == nil
		}
		if may() {
			t.Fatal("open before the visit")
		}
		e, _ := w.record(t, w.stay(person))
		if !may() {
			t.Error("closed after the visit")
		}
		void := func(reason string) error {
			return d.Tx(ctx, func(tx *db.Tx) error { return w.s.VoidTx(ctx, tx, program, e.ID, reason) })
		}
		if err := void(" "); !errs.Is(err, errs.Invalid) {
			t.Errorf("voided without a reason: %v", err)
		}
		if err := void("发错了人"); err != nil {
			t.Fatal(err)
		}
		if may() {
			t.Error("open after the visit was voided")
		}
		if err := void("再来一次"); !errs.Is(err, errs.Conflict) {
			t.Errorf("voided twice: %v", err)
		}
		again, what := w.record(t, w.stay(person))
		if what != encounter.Inserted || again.ID == e.ID {
			t.Error("a voided key may be recorded again")
		}
		d.Now = func() time.Time { return dbtest.Clock.AddDate(0, 0, 100) }
		if may() {
			t.Error("still open 98 days after the stay")
		}
	})
}

func TestAnEncounterMovesToAnotherPerson(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		wrong, right := w.person(t, "李秀英"), w.person(t, "李秀兰")
		e, _ := w.record(t, w.stay(wrong))
		if err := d.Tx(ctx, func(tx *db.Tx) error {
			_, err := w.s.MoveTx(ctx, tx, program, e.ID, right, "ADT^A34 合并")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		of := func(p string) int {
			return len(dbtest.View(t, d, func(tx *db.Tx) ([]encounter.Encounter, error) { return encounter.OfPatient(ctx, tx, p, 10) }))
		}
		if of(wrong) != 0 || of(right) != 1 {
			t.Errorf("after the move: %d and %d", of(wrong), of(right))
		}
		n := dbtest.View(t, d, func(tx *db.Tx) (int64, error) {
			return db.Count(ctx, tx, `SELECT count(*) FROM care_relation WHERE patient = $1 AND basis = 'encounter' AND valid_to > $2`,
				wrong, db.At(tx.Now.Add(time.Minute)))
		})
		if n != 0 {
			t.Error("the institution still sees the wrong person")
		}
	})
}

func TestWhatIsRefusedSaysWhy(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	person := w.person(t, "李秀英")
	for _, c := range []struct {
		name, says string
		spoil      func(e *encounter.Encounter)
	}{
		{"no class", "就诊类别", func(e *encounter.Encounter) { e.Class = "ward" }},
		{"no place", "请填写就诊机构", func(e *encounter.Encounter) { e.Org = "" }},
		{"no key", "流水号", func(e *encounter.Encounter) { e.Source.Key = "" }},
		{"ends before it begins", "早于就诊", func(e *encounter.Encounter) { e.End = e.Start.Add(-time.Hour) }},
		{"in the future", "晚于今天", func(e *encounter.Encounter) {
			e.Start, e.End = dbtest.Clock.AddDate(1, 0, 0), time.Time{}
			e.Leave = ""
		}},
		{"first by no definition", "首诊口径要一起填写", func(e *encounter.Encounter) { e.FirstBy = "" }},
		{"left but did not end", "出院时间", func(e *encounter.Encounter) { e.End = time.Time{} }},
		{"way of leaving", "离院方式“7”", func(e *encounter.Encounter) { e.Leave = "7" }},
		{"shares do not add up", "与总费用 5230.50 元不符", func(e *encounter.Encounter) { e.Own = encounter.FenOf(1) }},
		{"fees do not add up", "各类费用合计", func(e *encounter.Encounter) { e.Fees = e.Fees[:1] }},
		{"negative", "负数", func(e *encounter.Encounter) { e.Fees = []encounter.Share{{Code: "01", Fen: -5}} }},
		{"a fund twice", "写了两次", func(e *encounter.Encounter) { e.Funds = append(e.Funds, e.Funds[0]) }},
		{"counts of a person", "汇总行", func(e *encounter.Encounter) { e.Visits = 3 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := w.stay(person)
			c.spoil(&e)
			_, _, err := w.s.Record(ctx, program, e)
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}

func TestNotStatedIsNotZero(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		rows := []encounter.Encounter{
			{Outside: encounter.Outside{Name: "湘雅医院", Region: "430100"}, Class: encounter.Inpatient, Start: dbtest.Clock.AddDate(0, 0, -8),
				End: dbtest.Clock.AddDate(0, 0, -1), Total: encounter.FenOf(100), Source: encounter.Source{System: "insurer", Key: "1"}},
			{Outside: encounter.Outside{Name: "湘雅医院", Region: "430100"}, Class: encounter.Inpatient, Start: dbtest.Clock.AddDate(0, 0, -8),
				End: dbtest.Clock.AddDate(0, 0, -1), Source: encounter.Source{System: "insurer", Key: "2"}},
			{Outside: encounter.Outside{Name: "长沙市门诊", Region: "430100"}, Class: encounter.Outpatient, Start: dbtest.Clock.AddDate(0, 0, -1),
				Visits: 40, Total: encounter.FenOf(90000), Funds: []encounter.Share{{Code: "resident_pool", Fen: 30000}},
				Source: encounter.Source{System: "insurer", Key: "3"}},
		}
		if err := w.s.Load(ctx, program, rows); err != nil {
			t.Fatal(err)
		}
		if err := w.s.Load(ctx, program, rows[1:]); !errs.Is(err, errs.Conflict) {
			t.Errorf("loaded twice: %v", err)
		}
		days := dbtest.View(t, d, func(tx *db.Tx) ([]encounter.Total, error) {
			return encounter.Totals(ctx, tx, encounter.Filter{From: "2026-03-01", To: "2026-03-01"})
		})
		want := []encounter.Total{
			{Day: "2026-03-01", Class: encounter.Inpatient, Visits: 2, TotalFen: 100, TotalStated: 1},
			{Day: "2026-03-01", Class: encounter.Outpatient, Visits: 40, TotalFen: 90000, TotalStated: 40, FundFen: 30000, FundStated: 40},
		}
		if !slices.Equal(days, want) {
			t.Errorf("counted %+v", days)
		}
		funds := dbtest.View(t, d, func(tx *db.Tx) ([]encounter.Share, error) {
			return encounter.FundTotals(ctx, tx, encounter.Filter{From: "2026-03-01", To: "2026-03-01"})
		})
		if !slices.Equal(funds, []encounter.Share{{Code: "resident_pool", Fen: 30000}}) {
			t.Errorf("funds %+v", funds)
		}
	})
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct {
		text string
		want encounter.Fen
		ok   bool
	}{
		{"", encounter.Fen{}, true}, {"0", encounter.FenOf(0), true}, {"12.5", encounter.FenOf(1250), true},
		{"1,234.56", encounter.FenOf(123456), true}, {"3.140", encounter.FenOf(314), true}, {"3.145", encounter.Fen{}, false},
		{"-1", encounter.Fen{}, false}, {"一百", encounter.Fen{}, false}, {".5", encounter.Fen{}, false}, {"9999999999999", encounter.Fen{}, false},
	} {
		got, err := encounter.ParseFen(c.text)
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 99999999999).Draw(t, "fen")
		if got, err := encounter.ParseFen(encounter.FenOf(n).String()); err != nil || got != encounter.FenOf(n) {
			t.Fatalf("%d: %v %v", n, got, err)
		}
	})
}

// TestAnySequenceOfReportsLeavesTheLastOne reports a visit again and again in
// changing words: one row counts, it is the last, and every change is kept.
func TestAnySequenceOfReportsLeavesTheLastOne(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	person, n := w.person(t, "李秀英"), 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		e := w.stay(person)
		e.Source.Key = calendar.Date("2026-01-01").AddDays(n).String()
		said := rapid.SliceOfN(rapid.SampledFrom([]string{"1", "2", "3"}), 1, 6).Draw(rt, "leave")
		changes, last := 0, ""
		for _, leave := range said {
			e.Leave = leave
			_, what := w.record(t, e)
			if (what == encounter.Unchanged) != (leave == last) {
				rt.Fatalf("%v: %s after %q is %s", said, leave, last, what)
			}
			if leave != last {
				changes++
			}
			last = leave
		}
		err := d.View(ctx, func(tx *db.Tx) error {
			now, found, err := encounter.BySource(ctx, tx, e.Source.System, e.Source.Key)
			if err != nil || !found || now.Leave != last || now.Version != int64(changes) {
				rt.Fatalf("%v: %+v %v", said, now, err)
			}
			return nil
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}
