package exchange_test

import (
	"fmt"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/exchange"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/record"
)

// result is a laboratory report about a person.
func (w *world) result(id, order string) string {
	w.n++
	return fmt.Sprintf("MSH|^~\\&|LIS|H|YL|YL|20260302090000||ORU^R01|L%d|P|2.5\rPID|1||%s\rPV1|1|O\rOBR|1|%s|%s|GLU^血糖^L|||20260301080000||||||||||||||||||F\r"+
		"OBX|1|NM|2345-7^葡萄糖^LN||7.10|mmol/L||||F\r", w.n, id, order, order)
}

// What fits nobody waits in the queue of the master index as well, and goes on
// there: somebody who is told whose it is places the message, and sending it
// back dismisses it.
func TestWhatFitsNobodyWaitsInTheIndex(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		waiting := func() index.Waiting {
			t.Helper()
			list, err := w.s.Index.Queue(ctx, w.admin)
			if err != nil || len(list) != 1 {
				t.Fatalf("%d wait: %v", len(list), err)
			}
			return list[0]
		}
		w.send(t, w.adt("A04", pid(w.IDNumbers[0], "N2", "别^人", "", "F"), clinic("O1")))
		q := waiting()
		if q.Reason != index.CardName || q.Object.Kind != "hl7" || q.Source != w.Hospital.ID {
			t.Errorf("%+v", q)
		}
		if len(w.visits(t, "O1")) != 0 {
			t.Error("attached before anybody has decided")
		}
		if _, err := w.s.Index.Settle(ctx, w.admin, q.ID, q.Version, index.Place{Decision: index.Attached, Patient: w.Patients[1].ID}); err != nil {
			t.Fatal(err)
		}
		if v := w.visits(t, "O1"); len(v) != 1 || v[0].Patient != w.Patients[1].ID || len(w.queue(t, exchange.Waiting)) != 0 {
			t.Errorf("placed by the index: %+v", v)
		}
		w.send(t, w.adt("A04", pid(w.IDNumbers[0], "N3", "又^一人", "", "F"), clinic("O2")))
		q = waiting()
		if _, err := w.s.Index.Settle(ctx, w.admin, q.ID, q.Version, index.Place{Decision: index.Rejected, Note: "姓名与证件不符，请核实"}); err != nil {
			t.Fatal(err)
		}
		if list := w.queue(t, exchange.Dismissed); len(list) != 1 || !strings.Contains(list[0].Note, "请核实") {
			t.Errorf("sent back: %+v", list)
		}
		w.send(t, w.adt("A04", pid(w.IDNumbers[0], "N4", "再^一人", "", "F"), clinic("O3")))
		waiting()
		k := w.queue(t, exchange.Waiting)[0]
		if k, err := w.s.Replay(ctx, w.admin, k.ID, k.Version, exchange.Fix{Card: w.IDNumbers[2]}); err != nil || k.State != exchange.Placed {
			t.Fatalf("%+v %v", k, err)
		}
		if list, err := w.s.Index.Queue(ctx, w.admin); err != nil || len(list) != 0 {
			t.Errorf("mended on the page of messages, %d wait in the index: %v", len(list), err)
		}
	})
}

// A document that hung on the wrong person leaves that chart with everything
// that came along, and everybody who has read it is told.
func TestAWrongAttachmentIsWithdrawnAndItsReadersAreTold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		owner := w.Patients[0]
		borrowed := pid(w.IDNumbers[0], "N1", owner.Name, "", "")
		w.send(t, w.adt("A04", borrowed, clinic("O1")))
		if code, problem := w.send(t, w.result(borrowed, "G1")); code != "AA" || problem != "" {
			t.Fatalf("%s %s", code, problem)
		}
		report := w.report(t)
		if report.Patient != owner.ID {
			t.Fatalf("%+v", report.Key)
		}
		reader := w.Specialist
		if err := d.Tx(ctx, func(tx *db.Tx) error {
			_, err := w.s.Access.Record(ctx, tx, reader, access.Entry{Patient: owner.ID, Action: "record.read", Object: report.Type, ObjectID: report.ID})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		to, err := w.s.Index.Detach(ctx, w.admin, w.identity(t, owner.ID), "", "借用他人身份证就诊")
		if err != nil {
			t.Fatal(err)
		}
		now := w.report(t)
		if now.Patient != to || !strings.Contains(string(now.Body), "Patient/"+to) || strings.Contains(string(now.Body), owner.ID) {
			t.Errorf("the report is in the record of %s: %s", now.Patient, now.Body)
		}
		if v := w.visits(t, "O1"); v[len(v)-1].Patient != to || v[len(v)-1].ChangeReason == "" {
			t.Errorf("the visit: %+v", v)
		}
		told := dbtest.View(t, d, func(tx *db.Tx) (int64, error) {
			return db.Count(ctx, tx, `SELECT count(*) FROM message_notice WHERE account = $1 AND kind = 'index.withdrawn'`, reader.Account)
		})
		if told == 0 {
			t.Error("who has read the report was not told")
		}
		if err := d.View(ctx, func(tx *db.Tx) error {
			list, err := index.Withdrawals(ctx, tx, owner.ID)
			if len(list) != 2 || list[0].To != to || list[0].Readers+list[1].Readers == 0 { // a report and its observation
				t.Errorf("withdrawals: %+v", list)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// The hospital says that two of its numbers are one person (A40): the index
// links them when the comparison bears it out, otherwise it asks people.
func TestAMergeGoesThroughTheIndex(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		who := pid(card, "P9", "李^秀英", "19580409", "F")
		w.send(t, w.adt("A28", who, ""))
		w.send(t, w.adt("A28", pid("", "P7", "王^五", "19700101", "M"), ""))
		w.send(t, w.adt("A40", who, "", "MRG|P7^^^H1^PI"))
		if err := d.View(ctx, func(tx *db.Tx) error {
			n, err := db.Count(ctx, tx, `SELECT count(*) FROM patient_review WHERE decision = ''`)
			if n != 1 {
				t.Errorf("%d pairs wait for a human", n)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func (w *world) report(t *testing.T) (r record.Resource) {
	t.Helper()
	for key := range w.chart {
		if kind, id, _ := strings.Cut(key, "/"); kind == "DiagnosticReport" {
			r = dbtest.View(t, w.DB, func(tx *db.Tx) (record.Resource, error) {
				return w.s.Record.Read(ctx, tx, record.Key{Type: kind, ID: id})
			})
		}
	}
	return r
}

// identity is the number by which the hospital knows a person.
func (w *world) identity(t *testing.T, id string) string {
	t.Helper()
	list := dbtest.View(t, w.DB, func(tx *db.Tx) ([]index.Identity, error) { return w.s.Index.IdentitiesOf(ctx, tx, id) })
	for _, i := range list {
		if i.Kind == patient.ByNumber {
			return i.ID
		}
	}
	t.Fatalf("no number among %+v", list)
	return ""
}

// One report was filed under the wrong person: the index staff of who has sent
// it takes it off with its results, and nobody else may; who has read it is told.
func TestOneReportIsWithdrawn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		who := pid(w.IDNumbers[0], "N1", w.Patients[0].Name, "", "")
		w.send(t, w.adt("A04", who, clinic("O1")))
		if code, problem := w.send(t, w.result(who, "G1")); code != "AA" || problem != "" {
			t.Fatalf("%s %s", code, problem)
		}
		report := w.report(t)
		reader := w.Specialist
		if err := d.Tx(ctx, func(tx *db.Tx) error {
			_, err := w.s.Access.Record(ctx, tx, reader, access.Entry{Patient: report.Patient, Action: "record.read", Object: report.Type, ObjectID: report.ID})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.s.WithdrawOne(ctx, w.Doctor, report.Key, "归错患者"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a doctor: %v", err)
		}
		if _, _, err := w.s.WithdrawOne(ctx, w.admin, report.Key, " "); !errs.Is(err, errs.Invalid) {
			t.Errorf("without a reason: %v", err)
		}
		whose, told, err := w.s.WithdrawOne(ctx, w.admin, report.Key, "报告归错患者")
		if err != nil || whose != report.Patient || told != 1 {
			t.Fatalf("%s %d %v", whose, told, err)
		}
		left := dbtest.View(t, d, func(tx *db.Tx) (int64, error) {
			return db.Count(ctx, tx, `SELECT count(*) FROM record_resource WHERE patient = $1 AND withdrawn_at IS NULL AND type IN ('DiagnosticReport', 'Observation')`, report.Patient)
		})
		if left != 0 {
			t.Errorf("%d of the report and its results are left", left)
		}
		if _, _, err := w.s.WithdrawOne(ctx, w.admin, report.Key, "再一次"); !errs.Is(err, errs.NotFound) {
			t.Errorf("a second time: %v", err)
		}
	})
}
