package visit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/chart"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/idcard"
	"yilian/internal/organization"
	"yilian/internal/organization/organizationtest"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/record"
	"yilian/internal/region"
	"yilian/internal/visit"
	"yilian/profiles"
)

var ctx = context.Background()

type world struct {
	*testing.T
	d       *db.DB
	s       *visit.Service
	charts  *chart.Service
	control *access.Control
	doctor  access.Actor // of a village clinic
	other   access.Actor // of another one
	desk    access.Actor // of the clinic, not in direct care
	who     patient.Patient
}

const card = "1958-04-09"

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	keys := crypto.Ephemeral(crypto.SM)
	log := audit.New(d, keys)
	book, err := policy.Load(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	organizationtest.Seed(t, d)
	clinics := organizationtest.OfKind(t, d, organization.VillageClinic)
	regions := []string{"431102", "4311", "43", "CN"}
	act := func(account string, role access.Role, o organization.Organization) access.Actor {
		return access.Actor{Account: account, Name: "周村医", Role: string(role), Org: o.ID, OrgName: o.Name, Regions: regions}
	}
	w := &world{T: t, d: d, control: access.New(log), doctor: act("d", access.VillageDoctor, clinics[0]), other: act("o", access.VillageDoctor, clinics[1]),
		desk: act("k", access.MedicalAffairs, clinics[0])}
	people := &patient.Service{DB: d, Keys: keys, Access: w.control, Audit: log}
	store := &record.Store{DB: d, Keys: keys}
	w.s = &visit.Service{DB: d, Keys: keys, Book: book, Access: w.control, Audit: log, Patients: people, Record: store,
		Encounters: &encounter.Service{DB: d, Book: book, Audit: log}}
	w.charts = &chart.Service{DB: d, Book: book, Record: store, Access: w.control, Patients: people}
	if w.who, err = people.Register(ctx, audit.Program("建档"), patient.Registration{Name: "李秀英", IDType: patient.IDCard, IDNumber: idcard.Make("431102", card, 22),
		Phone: "13900001234", InsuranceKind: patient.Resident, InsurancePlace: region.Lingling}); err != nil {
		t.Fatal(err)
	}
	return w
}

func form() visit.Form {
	return visit.Form{Complaint: "头晕 2 天", Diagnoses: []string{"I10.x00x002"}, Vitals: map[string]string{"systolic": "156", "diastolic": "94", "temperature": "36.5"},
		Medicines: []visit.Medicine{{Name: "苯磺酸氨氯地平片", Dose: "每日 1 次，每次 5 毫克", Days: "28"}}, Total: encounter.FenOf(2350), Own: encounter.FenOf(1000),
		FollowOn: calendar.DateOf(dbtest.Clock).AddDays(14), Start: dbtest.Clock}
}

func (w *world) entry() visit.Entry {
	return visit.Entry{Form: form(), Patient: w.who.ID, Once: "form-1", Tail: "1234"}
}

func (w *world) enter(e visit.Entry) visit.Visit {
	w.Helper()
	v, err := w.s.Enter(ctx, w.doctor, e)
	if err != nil {
		w.Fatal(err)
	}
	return v
}

func (w *world) chart(a access.Actor) chart.Chart {
	w.Helper()
	_, c, err := w.charts.Open(ctx, a, w.who.ID)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func count(t *testing.T, d *db.DB, query string) int64 {
	t.Helper()
	return dbtest.View(t, d, func(tx *db.Tx) (int64, error) { return db.Count(ctx, tx, query) })
}

// One entry is the encounter that is counted, the facts of the record, and the
// relation of care; the form sent twice is one visit.
func TestOneEntryIsEverything(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		v := w.enter(w.entry())
		again := w.enter(w.entry())
		if again.ID != v.ID || count(t, d, `SELECT count(*) FROM encounter`) != 1 || count(t, d, `SELECT count(*) FROM visit`) != 1 {
			t.Errorf("sent twice: %+v", again)
		}
		e := dbtest.View(t, d, func(tx *db.Tx) (encounter.Encounter, error) { return encounter.Get(ctx, tx, v.ID) })
		if e.Class != encounter.Outpatient || e.Total != encounter.FenOf(2350) || e.Main().InsuranceCode != "I10.x00x002" || e.InsuranceKind != patient.Resident || !e.Clinical {
			t.Errorf("encounter %+v", e)
		}
		o := w.chart(w.doctor).Overview()
		if len(o.Problems) != 1 || o.Problems[0].Facts != 2 || len(o.Medicines) != 1 || o.Medicines[0].State != chart.Now || len(o.Results) != 3 || len(o.Visits) != 1 || len(o.Coming) != 1 {
			t.Errorf("the record says %+v", o)
		}
		if s := o.Results[0]; s.Last().Value.Flag != chart.High || s.Last().Value.Range != "<140" {
			t.Errorf("first result %+v", s)
		}
		day, err := w.s.Desk(ctx, w.doctor)
		if err != nil || len(day.Today) != 1 || len(day.Due) != 0 {
			t.Errorf("desk %+v %v", day, err)
		}
	})
}

func TestTheFormOfAnotherPatientIsAConflict(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	w.enter(w.entry())
	e := w.entry()
	e.Patient = "another"
	if _, err := w.s.Enter(ctx, w.doctor, e); !errs.Is(err, errs.Conflict) {
		t.Errorf("%v", err)
	}
	if _, err := w.s.Enter(ctx, w.other, w.entry()); !errs.Is(err, errs.Conflict) {
		t.Errorf("%v", err)
	}
}

// Who comes for the first time is named by a second identifier; nothing is read
// or written before.
func TestAStrangerShowsASecondIdentifier(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		for _, tail := range []string{"", "9999", "34"} {
			e := w.entry()
			e.Tail = tail
			if _, err := w.s.Enter(ctx, w.doctor, e); !errs.Is(err, errs.Invalid) {
				t.Errorf("tail %q: %v", tail, err)
			}
		}
		if n := count(t, d, `SELECT count(*) FROM visit`) + count(t, d, `SELECT count(*) FROM encounter`) + count(t, d, `SELECT count(*) FROM record_resource`); n != 0 {
			t.Errorf("%d rows were written", n)
		}
		w.enter(w.entry())
		e := w.entry()
		e.Once, e.Tail = "form-2", "" // known by now
		e.Start = e.Start.Add(-3600e9)
		w.enter(e)
	})
}

func TestACorrectionShowsWhatItWas(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		v := w.enter(w.entry())
		f := form()
		f.Diagnoses, f.Vitals, f.Medicines = []string{"J06.900"}, map[string]string{"systolic": "126", "diastolic": "84"}, nil
		if _, err := w.s.Correct(ctx, w.doctor, v.ID, v.Version, f, " "); !errs.Is(err, errs.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		if _, err := w.s.Correct(ctx, w.other, v.ID, v.Version, f, "录错"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("another institution: %v", err)
		}
		now, err := w.s.Correct(ctx, w.doctor, v.ID, v.Version, f, "血压和诊断录错")
		if err != nil || now.Version != 2 {
			t.Fatalf("%+v %v", now, err)
		}
		if _, err := w.s.Correct(ctx, w.doctor, v.ID, v.Version, form(), "再改"); !errs.Is(err, errs.Conflict) {
			t.Errorf("a stale version: %v", err)
		}
		o := w.chart(w.doctor).Overview()
		if len(o.Medicines) != 0 || len(o.Problems) != 1 || !strings.Contains(o.Problems[0].Title, "上呼吸道") {
			t.Errorf("the record after the correction: %+v %+v", o.Problems, o.Medicines)
		}
		p, err := w.s.Open(ctx, w.doctor, v.ID)
		if err != nil || len(p.Versions) != 2 || p.Versions[0].Reason != "血压和诊断录错" || p.Versions[1].Vitals["systolic"] != "156" {
			t.Errorf("%+v %v", p, err)
		}
		if n := count(t, d, `SELECT count(*) FROM encounter`); n != 2 {
			t.Errorf("%d versions of the encounter", n)
		}
		detail, err := w.charts.Read(ctx, w.doctor, w.who.ID, "encounter/"+v.ID)
		if err != nil || len(detail.Versions) != 2 || detail.Versions[0].Reason != "血压和诊断录错" || !strings.Contains(detail.Versions[1].Text, "高血压") {
			t.Errorf("the encounter shows %+v %v", detail.Versions, err)
		}
		changed := visit.Changes(p.Versions[1].Form, p.Versions[0].Form)
		if len(changed) != 5 {
			t.Errorf("changes %v", changed)
		}
	})
}

func TestAVoidedVisitSaysNothingAnyMore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		e := w.entry()
		e.Once, e.Start = "form-0", e.Start.AddDate(0, 0, -1) // keeps the relation
		e.Form.Medicines, e.Form.Vitals, e.Form.FollowOn = nil, nil, ""
		w.enter(e)
		v := w.enter(w.entry())
		if err := w.s.Void(ctx, w.doctor, v.ID, v.Version, ""); !errs.Is(err, errs.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		if err := w.s.Void(ctx, w.doctor, v.ID, v.Version, "登记到别人名下"); err != nil {
			t.Fatal(err)
		}
		if err := w.s.Void(ctx, w.doctor, v.ID, v.Version, "再作废"); !errs.Is(err, errs.Conflict) {
			t.Errorf("twice: %v", err)
		}
		o := w.chart(w.doctor).Overview()
		if len(o.Medicines) != 0 || len(o.Results) != 0 || len(o.Visits) != 1 || len(o.Coming) != 0 {
			t.Errorf("a voided visit still says %+v", o)
		}
	})
}

// What is hidden by default: a fact of a sensitive class is hidden from staff
// without direct care, opened with a reason for a time, and each step is logged.
func TestSensitiveFactsAreHiddenAndOpenedWithAReason(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		e := w.entry()
		e.Form.Diagnoses = []string{"F32.900"}
		e.Form.Medicines = []visit.Medicine{{Name: "盐酸舍曲林片", Dose: "每日 1 片", Days: "14"}}
		v := w.enter(e)
		if c := w.chart(w.doctor); c.Hidden != 0 || len(c.Overview().Medicines) != 1 {
			t.Errorf("hidden from direct care: %d", c.Hidden)
		}
		c := w.chart(w.desk)
		if c.Hidden != 3 || !c.MayOpen || len(c.Overview().Medicines) != 0 || len(c.Overview().Visits) != 0 || len(c.Overview().Results) != 3 {
			t.Errorf("%d hidden, %+v", c.Hidden, c.Overview())
		}
		for _, f := range c.Facts {
			if f.Hidden && (f.Title != "已隐藏" || f.Text+f.OrgName+f.Key+f.Class != "") {
				t.Errorf("a hidden fact says %+v", f)
			}
		}
		if _, err := w.charts.Read(ctx, w.desk, w.who.ID, "encounter/"+v.ID); !errs.Is(err, errs.Forbidden) {
			t.Errorf("read by its address: %v", err)
		}
		if _, err := w.s.Open(ctx, w.desk, v.ID); !errs.Is(err, errs.Forbidden) {
			t.Errorf("the visit by its address: %v", err)
		}
		if err := w.charts.OpenSensitive(ctx, w.desk, w.who.ID, "看"); !errs.Is(err, errs.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		if err := w.charts.OpenSensitive(ctx, w.other, w.who.ID, "想看看而已"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("without a relation: %v", err)
		}
		if err := w.charts.OpenSensitive(ctx, w.desk, w.who.ID, "质控核对处方"); err != nil {
			t.Fatal(err)
		}
		if c = w.chart(w.desk); c.Hidden != 0 || !c.Opened || len(c.Overview().Medicines) != 1 {
			t.Errorf("after opening: %d hidden", c.Hidden)
		}
		looks := w.looks()
		if looks[1].Action != "patient.sensitive" || looks[1].Detail != "质控核对处方" || looks[1].Actor.Account != "k" {
			t.Errorf("the resident reads %+v", looks[1])
		}
		later := d.Now().Add(61 * time.Minute)
		d.Now = func() time.Time { return later }
		if c = w.chart(w.desk); c.Hidden != 3 || c.Opened {
			t.Errorf("an hour later: %d hidden", c.Hidden)
		}
	})
}

// looks is what the resident reads at once, the newest first.
func (w *world) looks() []audit.Leaf {
	w.Helper()
	self := access.Actor{Account: "r", Name: "李秀英", Role: string(access.Resident), Patient: w.who.ID}
	list, err := w.charts.Looks(ctx, w.s.Audit, self, w.who.ID, 50)
	if err != nil {
		w.Fatal(err)
	}
	return list
}

// A child's record is hidden as a whole from who is not in direct care.
func TestAChildsRecordIsHidden(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		child, err := w.s.Patients.Register(ctx, audit.Program("建档"), patient.Registration{Name: "王小宝", Sex: "1", BirthDate: "2016-05-05", InsuranceKind: patient.Resident,
			Phone: "13900005555", Guardian: patient.NewRelation{Kind: "52", Name: "李母", Phone: "13900005555"}})
		if err != nil {
			t.Fatal(err)
		}
		w.who = child
		e := w.entry()
		e.Tail = "5555"
		w.enter(e)
		if c := w.chart(w.doctor); c.Hidden != 0 {
			t.Errorf("%d hidden from direct care", c.Hidden)
		}
		if c := w.chart(w.desk); c.Hidden != len(c.Facts) || !c.Minor {
			t.Errorf("%d of %d hidden", c.Hidden, len(c.Facts))
		}
	})
}

func TestWrongFormsAreNamedAndNothingIsWritten(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	for name, r := range map[string]struct {
		change func(*visit.Form)
		want   string
	}{
		"no complaint":      {func(f *visit.Form) { f.Complaint = " " }, "主诉"},
		"no diagnosis":      {func(f *visit.Form) { f.Diagnoses = nil }, "请选择诊断"},
		"unknown diagnosis": {func(f *visit.Form) { f.Diagnoses = []string{"ZZ9"} }, "ZZ9"},
		"pressure turned":   {func(f *visit.Form) { f.Vitals = map[string]string{"systolic": "80", "diastolic": "120"} }, "高于舒张压"},
		"half a pressure":   {func(f *visit.Form) { f.Vitals = map[string]string{"systolic": "120"} }, "同时填"},
		"absurd vital":      {func(f *visit.Form) { f.Vitals = map[string]string{"temperature": "365"} }, "体温“365”不合理"},
		"infinite vital":    {func(f *visit.Form) { f.Vitals = map[string]string{"weight": "1e2"} }, "体重“1e2”不合理"},
		"future":            {func(f *visit.Form) { f.Start = dbtest.Clock.AddDate(0, 0, 1) }, "不能晚于现在"},
		"long ago":          {func(f *visit.Form) { f.Start = dbtest.Clock.AddDate(-2, 0, 0) }, "太早"},
		"own above total":   {func(f *visit.Form) { f.Own = encounter.FenOf(999999) }, "不能大于总费用"},
		"follow-up before":  {func(f *visit.Form) { f.FollowOn = calendar.DateOf(dbtest.Clock) }, "之后"},
		"dose without name": {func(f *visit.Form) { f.Medicines = []visit.Medicine{{Dose: "每日 1 片"}} }, "药名"},
		"medicine twice":    {func(f *visit.Form) { f.Medicines = append(f.Medicines, f.Medicines[0]) }, "写了两次"},
		"days":              {func(f *visit.Form) { f.Medicines[0].Days = "999" }, "天数"},
	} {
		e := w.entry()
		e.Form = form()
		r.change(&e.Form)
		_, err := w.s.Enter(ctx, w.doctor, e)
		text := ""
		if x, ok := errors.AsType[*errs.Error](err); ok {
			for _, f := range x.Fields {
				text += f.Message
			}
		}
		if !errs.Is(err, errs.Invalid) || !strings.Contains(text, r.want) {
			t.Errorf("%s: %v %s", name, err, text)
		}
	}
	if n := count(t, w.d, `SELECT count(*) FROM visit`) + count(t, w.d, `SELECT count(*) FROM encounter`); n != 0 {
		t.Errorf("%d rows were written", n)
	}
	if _, err := w.s.Enter(ctx, access.Actor{Account: "x", Role: string(access.DepartmentDoctor), Org: w.doctor.Org}, w.entry()); !errs.Is(err, errs.Forbidden) {
		t.Errorf("a role that enters no visits: %v", err)
	}
}

// Whatever the order of entering, correcting and voiding, the record says what
// the newest version says, and the encounter has the same money and diagnosis.
func TestTheRecordFollowsTheNewestVersion(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		e := w.entry()
		e.Once = fmt.Sprint("rapid", n)
		v, err := w.s.Enter(ctx, w.doctor, e)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 4).Draw(t, "corrections") {
			f := form()
			f.Diagnoses = []string{rapid.SampledFrom([]string{"I10.x00x002", "J06.900", "E11.900"}).Draw(t, "diagnosis")}
			f.Total = encounter.FenOf(rapid.Int64Range(1000, 9999).Draw(t, "total"))
			if rapid.Bool().Draw(t, "no medicine") {
				f.Medicines = nil
			}
			if v, err = w.s.Correct(ctx, w.doctor, v.ID, v.Version, f, "改正"); err != nil {
				t.Fatal(err)
			}
		}
		enc, err := db.Read(ctx, w.d, encounter.Get, v.ID)
		if err != nil || enc.Total != v.Total || enc.Main().InsuranceCode != v.Diagnoses[0] {
			t.Fatalf("%+v is %+v %v", v, enc, err)
		}
		o := w.chart(w.doctor).Overview()
		if (len(o.Medicines) == 1) != (len(v.Medicines) == 1) {
			t.Fatalf("medicines %+v of %+v", o.Medicines, v.Medicines)
		}
		if err := w.s.Void(ctx, w.doctor, v.ID, v.Version, "试验结束"); err != nil {
			t.Fatal(err)
		}
	})
}
