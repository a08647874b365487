package exchange_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/exchange"
	"yilian/internal/exchange/hl7"
	"yilian/internal/exchange/hl7/hl7test"
	"yilian/internal/flow"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/patient/match"
	"yilian/internal/policy/policytest"
	"yilian/internal/record"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

var ctx = context.Background()

type world struct {
	*referraltest.World
	s     *exchange.Service
	peer  exchange.Peer
	chart map[string][]record.Resource // by type/id, every version
	admin access.Actor                 // 医务科 of the hospital
	n     int
}

func newWorld(t testing.TB, d *db.DB) *world {
	t.Helper()
	w := &world{World: referraltest.New(t, d), chart: map[string][]record.Resource{}}
	book := policytest.Shipped(t)
	w.s = &exchange.Service{DB: d, Keys: w.Keys, Audit: w.Audit, Access: access.New(w.Audit), Patients: w.Persons,
		Encounters: &encounter.Service{DB: d, Book: book, Audit: w.Audit}, Referrals: w.Service,
		Record: &record.Store{DB: d, Keys: w.Keys, Changed: func(_ context.Context, tx *db.Tx, r record.Resource) error {
			tx.AfterCommit(func() { w.chart[r.Key.String()] = append(w.chart[r.Key.String()], r) })
			return nil
		}}}
	weights, err := match.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	w.s.Index = &index.Service{DB: d, Patients: w.Persons, Access: w.s.Access, Audit: w.Audit, Weights: weights}
	w.s.Index.Placed = append(w.s.Index.Placed, w.s.Placed)
	w.s.Index.Moved = append(w.s.Index.Moved, w.s.Moved)
	w.s.Index.Withdrawn = append(w.s.Index.Withdrawn, w.s.Withdrawn)
	w.peer = exchange.Peer{Name: "四医院HIS", Org: w.Hospital.ID, OrgName: w.Hospital.Name}
	w.admin = access.Actor{Account: "m", Name: "吴科长", Role: string(access.MedicalAffairs), Org: w.Hospital.ID, OrgName: w.Hospital.Name}
	return w
}

// send sends a message and returns the acknowledgement code and the first error.
func (w *world) send(t testing.TB, raw string) (code, problem string) {
	t.Helper()
	answer, err := w.s.Receive(ctx, w.peer, []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	m, err := hl7.Parse(answer)
	if err != nil {
		t.Fatal(err)
	}
	e := m.Segment("ERR")
	if e.Name != "" {
		problem = e.Rep(2).Text() + " " + e.Str(3) + " " + e.Str(4) + " " + e.Text(8)
	}
	return m.Segment("MSA").Str(1), problem
}

// adt writes an ADT message about a person and a visit.
func (w *world) adt(event, pid, pv1 string, more ...string) string {
	w.n++
	return fmt.Sprintf("MSH|^~\\&|HIS|H|YL|YL|20260302090000||ADT^%s|C%d|P|2.5\rEVN|%s|20260302090000\rPID|1||%s\rPV1|1|%s\r%s",
		event, w.n, event, pid, pv1, strings.Join(more, "\r"))
}

var card = idcard.Make("431102", "1958-04-09", 22) // female

func pid(card, number, name, birth, sex string) string {
	ids := number + "^^^H1^PI"
	if card != "" {
		ids += "~" + card + "^^^^NNCHN"
	}
	return ids + "||" + name + "||" + birth + "|" + sex + "|||石岩头镇^^零陵区^湖南省||13900001111"
}

// pv1 writes PV1 from its second field on: pairs of a field and its text.
func pv1(pairs ...string) string {
	fields := make([]string, 46)
	for i := 0; i < len(pairs); i += 2 {
		n, _ := strconv.Atoi(pairs[i])
		fields[n] = pairs[i+1]
	}
	return strings.Join(fields[2:], "|")
}

func stay(leave, end string) string {
	return pv1("2", "I", "3", "心血管内科^^12", "7", "7^钱^医生", "19", "V77", "36", leave, "44", "20260227083000", "45", end)
}

func clinic(key string) string { return pv1("2", "O", "19", key) }

// TestOneVisitByTwoRoads: what the institution has sent through FHIR already is
// the same visit when a message or a file brings its number.
func TestOneVisitByTwoRoads(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		who := pid(card, "P1", "李^秀英", "19580409", "F")
		w.send(t, w.adt("A04", who, clinic("O1")))
		first := w.visits(t, "O1")
		if len(first) != 1 {
			t.Fatalf("%d visits", len(first))
		}
		e := first[0]
		e.Source = encounter.Source{System: "fhir/his", Key: "O2", Ref: "Encounter/e2"}
		var sent encounter.Encounter
		err := w.DB.Tx(ctx, func(tx *db.Tx) (err error) {
			sent, _, err = w.s.Encounters.RecordTx(ctx, tx, w.admin, e)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if code, problem := w.send(t, w.adt("A04", who, pv1("2", "E", "19", "O2"))); code != "AA" {
			t.Fatalf("%s %s", code, problem)
		}
		if again := w.visits(t, "O2"); len(again) != 0 {
			t.Fatalf("the visit was counted again: %+v", again)
		}
		got := dbtest.View(t, w.DB, func(tx *db.Tx) (encounter.Encounter, error) { return encounter.Get(ctx, tx, sent.ID) })
		if got.Class != encounter.Emergency || got.Source.System != "fhir/his" || got.Version != 2 {
			t.Errorf("the message has not corrected the visit: %+v", got)
		}
	})
}

func (w *world) visits(t testing.TB, key string) []encounter.Encounter {
	t.Helper()
	return dbtest.View(t, w.DB, func(tx *db.Tx) ([]encounter.Encounter, error) {
		e, found, err := encounter.BySource(ctx, tx, "hl7/"+w.peer.Name, key)
		if err != nil || !found {
			return nil, err
		}
		return encounter.History(ctx, tx, e.ID)
	})
}

func (w *world) queue(t testing.TB, state exchange.State) []exchange.Message {
	t.Helper()
	return dbtest.View(t, w.DB, func(tx *db.Tx) ([]exchange.Message, error) {
		list, _, err := exchange.List(ctx, tx, exchange.Filter{Org: w.Hospital.ID, State: state})
		return list, err
	})
}

func TestAStayFromAdmissionToDischarge(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		who := pid(card, "P9", "李^秀英", "19580409", "F")
		if code, problem := w.send(t, w.adt("A01", who, stay("", ""), "IN1|1|1^城乡居民基本医保", "DG1|1||I50.900^心力衰竭^I10||20260227|A")); code != "AA" || problem != "" {
			t.Fatalf("admission: %s %s", code, problem)
		}
		if v := w.visits(t, "V77"); len(v) != 1 || v[0].Class != encounter.Inpatient || !v[0].End.IsZero() || v[0].Department != "心血管内科" ||
			v[0].Doctor != "钱医生" || v[0].InsuranceKind != patient.Resident || v[0].Main().ClinicalCode != "I50.900" {
			t.Fatalf("after admission: %+v", v)
		}
		w.send(t, w.adt("A08", who, stay("", ""), "DG1|1||I50.900x018^慢性心力衰竭急性加重^I10||20260228|F|||||||||1"))
		if code, problem := w.send(t, w.adt("A03", who, stay("3", "20260301100000"))); code != "AA" || problem != "" {
			t.Fatalf("discharge: %s %s", code, problem)
		}
		v := w.visits(t, "V77")
		last := v[len(v)-1]
		if len(v) != 3 || last.Leave != "3" || last.End.IsZero() || last.Main().ClinicalCode != "I50.900x018" || last.InsuranceKind != patient.Resident {
			t.Fatalf("after discharge: %d versions, %+v", len(v), last)
		}
		w.send(t, w.adt("A13", who, stay("", "")))
		if v = w.visits(t, "V77"); !v[len(v)-1].End.IsZero() || v[len(v)-1].Leave != "" {
			t.Error("a cancelled discharge still stands")
		}
		w.send(t, w.adt("A11", who, stay("", "")))
		if v = w.visits(t, "V77"); len(v) != 0 {
			t.Error("a cancelled admission still stands")
		}
	})
}

func TestWhoAMessageIsAbout(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		known, number := w.Patients[0], w.IDNumbers[0]
		waits := func(what, id, says string) exchange.Message {
			t.Helper()
			code, problem := w.send(t, w.adt("A04", id, clinic("O"+fmt.Sprint(w.n))))
			list := w.queue(t, exchange.Waiting)
			if code != "AA" || !strings.Contains(problem, "W") || !strings.Contains(problem, says) || len(list) == 0 {
				t.Fatalf("%s: %s %q, %d waiting", what, code, problem, len(list))
			}
			return list[0]
		}
		placed := func(what, id string) {
			t.Helper()
			key := fmt.Sprintf("O%d", w.n)
			if code, problem := w.send(t, w.adt("A04", id, clinic(key))); code != "AA" || problem != "" {
				t.Fatalf("%s: %s %s", what, code, problem)
			}
			if v := w.visits(t, key); len(v) != 1 || (strings.Contains(what, "known") && v[0].Patient != known.ID) {
				t.Errorf("%s: %+v", what, v)
			}
		}
		placed("known by card and name", pid(number, "N1", known.Name, "", "F"))
		placed("known by number and name", pid("", "N1", known.Name, "", "F"))
		waits("a card with another name", pid(number, "N2", "别^人", "", "F"), "另一姓名")
		waits("a number with another name", pid("", "N1", "别^人", "19990101", "F"), "姓名不同")
		waits("a card that cannot be right", pid("431102195804090023", "N3", "李^秀英", "19580409", "F"), "校验")
		waits("a number that nobody knows, no birth date", pid("", "N9", "李^秀英", "", "F"), "出生日期")
		placed("new, by card", pid(card, "N4", "李^秀英", "19580409", "F"))
		placed("new, by number, name, birth date", pid("", "N5", "王^大山", "19610203", "M"))
		placed("the same under another number of the institution", pid("", "N6", "王^大山", "19610203", "M"))
		twin := waits("a card that cannot be right, of somebody new", pid("431102197001010023", "N8", "欧阳^小石", "19700101", "M"), "校验")

		if _, err := w.s.Replay(ctx, w.Doctor, twin.ID, twin.Version, exchange.Fix{Enter: true}); !errs.Is(err, errs.Forbidden) {
			t.Errorf("somebody of another institution replays: %v", err)
		}
		k, err := w.s.Replay(ctx, w.admin, twin.ID, twin.Version, exchange.Fix{Enter: true})
		if err != nil || k.State != exchange.Placed || k.Tries != 2 {
			t.Errorf("entered as somebody new: %+v %v", k, err)
		}
		if _, err := w.s.Replay(ctx, w.admin, twin.ID, k.Version, exchange.Fix{}); !errs.Is(err, errs.Conflict) {
			t.Errorf("replayed although placed: %v", err)
		}
		differs := waits("again another name", pid(number, "N7", "错^名", "", "F"), "另一姓名")
		if _, err := w.s.Replay(ctx, w.admin, differs.ID, differs.Version, exchange.Fix{Card: "123"}); !errs.Is(err, errs.Invalid) {
			t.Errorf("a card that is none: %v", err)
		}
		k, err = w.s.Replay(ctx, w.admin, differs.ID, differs.Version, exchange.Fix{Card: number})
		if err != nil || k.State != exchange.Placed || k.Patient != known.ID {
			t.Errorf("named by card: %+v %v", k, err)
		}
		if _, err := w.s.Replay(ctx, w.admin, differs.ID, differs.Version, exchange.Fix{}); !errs.Is(err, errs.Conflict) {
			t.Errorf("a stale page: %v", err)
		}
	})
}

func TestAnswers(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	who := pid(card, "P9", "李^秀英", "19580409", "F")
	for _, c := range []struct{ name, raw, code, problem string }{
		{"no message", "hello", "AR", " 100 E"},
		{"type", strings.Replace(w.adt("A01", who, "I"), "ADT^A01", "VXU^V04", 1), "AR", "MSH^1^9 200 E 不支持的消息类型"},
		{"event", strings.Replace(w.adt("A01", who, "I"), "ADT^A01", "ADT^A99", 1), "AR", "MSH^1^9 201 E 不支持的消息事件"},
		{"no control id", strings.Replace(w.adt("A01", who, "I"), fmt.Sprintf("C%d", w.n), "", 1), "AE", "MSH^1^10 101 E"},
		{"no person", "MSH|^~\\&|HIS|||||||X1|P|2.5\r", "AE", "MSH^1^9 101 E"},
		{"no PID", "MSH|^~\\&|HIS||||||ADT^A01|X2|P|2.5\rPV1|1|I\r", "AE", "PID^1^ 100 E"},
		{"no number of the visit", w.adt("A01", who, "I"), "AE", "PV1^1^19 101 E"},
		{"class", w.adt("A01", who, pv1("2", "Q", "19", "V1")), "AE", "PV1^1^2 103 E"},
		{"birth date", w.adt("A28", pid(card, "P9", "李^秀英", "1958-04-09", "F"), ""), "AE", "PID^1^7 102 E"},
		{"time of the visit", w.adt("A01", who, pv1("2", "I", "19", "V2", "44", "20269999")), "AE", "PV1^1^44 102 E"},
		{"ends before it begins", w.adt("A03", who, pv1("2", "I", "19", "V3", "44", "20260301", "45", "20260201")), "AE", "103 E"},
		{"discharge of nobody", w.adt("A03", who, pv1("2", "I", "19", "V4")), "AA", "PV1^1^19 204 W"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, problem := w.send(t, c.raw)
			if code != c.code || !strings.Contains(problem, c.problem) {
				t.Errorf("%s %q, want %s %q", code, problem, c.code, c.problem)
			}
		})
	}
	if n := len(w.queue(t, exchange.Refused)) + len(w.queue(t, exchange.Waiting)); n != 12 {
		t.Errorf("%d messages are kept, want all 12", n)
	}
}

func TestTheSameMessageTwiceIsOne(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		raw := w.adt("A04", pid(card, "P9", "李^秀英", "19580409", "F"), clinic("O1"))
		first, err := w.s.Receive(ctx, w.peer, []byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		w.Now = w.Now.Add(time.Hour)
		again, err := w.s.Receive(ctx, w.peer, []byte(raw))
		if err != nil || string(again) != string(first) {
			t.Errorf("the answers differ:\n%q\n%q %v", first, again, err)
		}
		code, problem := w.send(t, strings.Replace(raw, "秀英", "秀兰", 1))
		if code != "AE" || !strings.Contains(problem, "205 E") {
			t.Errorf("other content under the same number: %s %s", code, problem)
		}
		if n := len(w.queue(t, "")); n != 2 {
			t.Errorf("%d messages kept, want the first and the refused one", n)
		}
		w.peer.Daily = true // another system, whose numbers begin anew each day
		w.peer.Name = "LIS"
		w.send(t, raw)
		if code, _ := w.send(t, strings.Replace(strings.Replace(raw, "|20260302090000||ADT", "|20260303090000||ADT", 1), "O1", "O2", 1)); code != "AA" {
			t.Errorf("the number of another day: %s", code)
		}
	})
}

// TestAnyOrderOfRepeats sends messages with repeats in any order: each is
// carried out once, and every repeat is answered as the first.
func TestAnyOrderOfRepeats(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	rapid.Check(t, func(rt *rapid.T) {
		var raws []string
		for i := range 3 {
			raws = append(raws, w.adt("A04", pid("", fmt.Sprint("R", w.n), "赵^一", fmt.Sprintf("1970%02d%02d", 1+w.n/28%12, 1+w.n%28), "M"), clinic(fmt.Sprintf("K%d-%d", w.n, i))))
		}
		answers := map[int]string{}
		before := count(t, d, `SELECT count(*) FROM encounter`)
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, 2), 3, 8).Draw(rt, "order") {
			a, err := w.s.Receive(ctx, w.peer, []byte(raws[i]))
			if err != nil {
				rt.Fatal(err)
			}
			if was, sent := answers[i]; sent && was != string(a) {
				rt.Fatalf("message %d: %q, then %q", i, was, a)
			}
			answers[i] = string(a)
		}
		waiting := 0
		for _, a := range answers {
			if strings.Contains(a, "ERR|") {
				waiting++
			}
		}
		if n := count(t, d, `SELECT count(*) FROM encounter`); n-before != len(answers)-waiting {
			rt.Fatalf("%d messages made %d encounters", len(answers)-waiting, n-before)
		}
	})
}

func count(t testing.TB, d *db.DB, query string) int {
	t.Helper()
	return int(dbtest.View(t, d, func(tx *db.Tx) (int64, error) { return db.Count(ctx, tx, query) }))
}

func TestGB18030IsAnsweredInKind(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	raw, err := simplifiedchinese.GB18030.NewEncoder().String(w.adt("A04", pid(card, "P9", "䶮^秀英", "19580409", "F"), clinic("O1")))
	if err != nil {
		t.Fatal(err)
	}
	if code, problem := w.send(t, raw); code != "AA" || !strings.Contains(problem, "GB18030") {
		t.Errorf("%s %s", code, problem)
	}
	if v := w.visits(t, "O1"); len(v) != 1 {
		t.Fatal("not placed")
	}
}

func TestMergedNumbersFollow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		who := pid(card, "P9", "李^秀英", "19580409", "F")
		w.send(t, w.adt("A28", who, ""))
		if code, problem := w.send(t, w.adt("A40", who, "", "MRG|P8^^^H1^PI")); code != "AA" || problem != "" {
			t.Fatalf("merge with an unknown number: %s %s", code, problem)
		}
		w.send(t, w.adt("A04", pid("", "P8", "李^秀英", "19580409", "F"), clinic("O1")))
		if v := w.visits(t, "O1"); len(v) != 1 {
			t.Fatal("the merged number does not lead to the person")
		}
		w.send(t, w.adt("A28", pid("", "P7", "王^五", "19700101", "M"), ""))
		if _, problem := w.send(t, w.adt("A40", who, "", "MRG|P7^^^H1^PI")); !strings.Contains(problem, "两位患者") {
			t.Errorf("a merge of two persons of the index: %s", problem)
		}
		k := w.queue(t, exchange.Waiting)[0]
		both := []string{w.visits(t, "O1")[0].Patient, dbtest.View(t, d, func(tx *db.Tx) (string, error) {
			return db.Get(ctx, tx, "", db.Value[string], `SELECT id FROM patient WHERE name = '王五'`)
		})}
		if err := d.Tx(ctx, func(tx *db.Tx) error { return access.SetSame(ctx, tx, both) }); err != nil {
			t.Fatal(err)
		}
		if k, err := w.s.Replay(ctx, w.admin, k.ID, k.Version, exchange.Fix{}); err != nil || k.State != exchange.Placed {
			t.Errorf("after the index has joined them: %+v %v", k, err)
		}
	})
}

func TestResultsBecomeResources(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	w.n++
	raw := fmt.Sprintf("MSH|^~\\&|LIS|H|YL|YL|20260302090000||ORU^R01|L%d|P|2.5\rPID|1||%s\rPV1|1|O\rORC|RE|O1|F1\r"+
		"OBR|1|O1|F1|GLU^血糖三项^L|||20260301080000|||||||||||||||20260301093000||LAB|F\rNTE|1||空腹\r"+
		"OBX|1|NM|2345-7^葡萄糖^LN||7.10|mmol/L|3.9-6.1|H|||F\rNTE|1||已复查\r"+
		"OBX|2|NM|HCG^人绒毛膜促性腺激素^L||<0.500|IU/L||||F\rOBX|3|SN|X^比值^L||>=^1.5\rOBX|4|ST|U^尿蛋白^L||阴性\r"+
		"OBX|5|ED|PDF^报告单^L||^application^pdf^Base64^JVBERi0=\r", w.n, pid(card, "P9", "李^秀英", "19580409", "F"))
	if code, problem := w.send(t, raw); code != "AA" || problem != "" {
		t.Fatalf("%s %s", code, problem)
	}
	var bodies []string
	for _, k := range slices.Sorted(maps.Keys(w.chart)) {
		bodies = append(bodies, string(w.chart[k][0].Body))
	}
	all := strings.Join(bodies, "\n")
	for _, want := range []string{`"value":7.10`, `"unit":"mmol/L"`, `"text":"3.9-6.1"`, `"code":"H"`, `"comparator":"\u003c","unit":"IU/L","value":0.500`,
		`"comparator":"\u003e=","value":1.5`, `"valueString":"阴性"`, `"contentType":"application/pdf"`, `"data":"JVBERi0="`, `"conclusion":"空腹"`,
		`"text":"已复查"`, `"status":"final"`, `"system":"http://loinc.org"`, `"issued":"2026-03-01T09:30:00+08:00"`} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not in\n%s", want, all)
		}
	}
	if len(w.chart) != 5 {
		t.Errorf("%d resources, want 4 observations and a report", len(w.chart))
	}
	corrected := strings.Replace(strings.Replace(raw, "L"+fmt.Sprint(w.n), "L-corr", 1), "7.10", "6.00", 1)
	w.send(t, corrected)
	if len(w.chart) != 5 {
		t.Errorf("a corrected report is another report: %d resources", len(w.chart))
	}
}

func TestAReferralOfAnotherSystem(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.peer = exchange.Peer{Name: "卫生院HIS", Org: w.Township.ID, OrgName: w.Township.Name}
		ref := func(event, reason string) string {
			w.n++
			return fmt.Sprintf("MSH|^~\\&|HIS|H|YL|YL|20260302090000||REF^%s|R%d|P|2.5\rRF1||A||||Z-2026-1||||%s\r"+
				"PRD|RP|赵^医生||全科\rPRD|RT|||心血管内科^^^%s\rPID|1||%s\rDG1|1||I20.000^不稳定性心绞痛^I10||20260302|F\rNTE|1||阿司匹林嚼服\r",
				event, w.n, reason, w.Hospital.Name, pid(w.IDNumbers[0], "T1", w.Patients[0].Name, "", ""))
		}
		one := func() flow.Case {
			t.Helper()
			list := dbtest.View(t, d, func(tx *db.Tx) ([]string, error) {
				return db.List(ctx, tx, db.Value[string], `SELECT id FROM flow_case WHERE kind = $1`, referral.Kind)
			})
			if len(list) != 1 {
				t.Fatalf("%d referrals", len(list))
			}
			return dbtest.View(t, d, func(tx *db.Tx) (flow.Case, error) { return flow.Get(ctx, tx, list[0]) })
		}
		if code, problem := w.send(t, ref("I13", "")); code != "AA" || !strings.Contains(problem, "没有登记") {
			t.Errorf("a change of nothing: %s %s", code, problem)
		}
		if code, problem := w.send(t, ref("I12", "胸痛 2 小时")); code != "AA" || problem != "" {
			t.Fatalf("%s %s", code, problem)
		}
		c := one()
		if c.State != referral.StateDraft || c.From.Org != w.Township.ID || c.To.Org != w.Hospital.ID || c.To.DepartmentName != "心血管内科" || c.Urgency != "II" {
			t.Errorf("the draft: %+v", c)
		}
		if code, problem := w.send(t, ref("I12", "再来")); code != "AE" || !strings.Contains(problem, "I13") {
			t.Errorf("the same referral again: %s %s", code, problem)
		}
		if code, problem := w.send(t, ref("I13", "胸痛 3 小时")); code != "AA" || problem != "" {
			t.Errorf("a change: %s %s", code, problem)
		}
		if code, problem := w.send(t, ref("I14", "")); code != "AA" || problem != "" {
			t.Errorf("a cancellation: %s %s", code, problem)
		}
		if c = one(); c.Open() {
			t.Errorf("the cancelled draft stands at %s", c.State)
		}
		if code, problem := w.send(t, ref("I14", "")); code != "AA" || !strings.Contains(problem, "往下办理") {
			t.Errorf("a cancellation of what is over: %s %s", code, problem)
		}
	})
}

func TestDismissing(t *testing.T) {
	d := dbtest.SQLite(t)
	w := newWorld(t, d)
	w.send(t, "hello")
	k := w.queue(t, exchange.Refused)[0]
	if err := w.s.Dismiss(ctx, w.admin, k.ID, k.Version, " "); !errs.Is(err, errs.Invalid) {
		t.Errorf("without a reason: %v", err)
	}
	if err := w.s.Dismiss(ctx, w.admin, k.ID, k.Version, "接口联调"); err != nil {
		t.Fatal(err)
	}
	if err := w.s.Dismiss(ctx, w.admin, k.ID, k.Version+1, "接口联调"); !errs.Is(err, errs.Conflict) {
		t.Errorf("twice: %v", err)
	}
	_, raw, err := w.s.Read(ctx, w.admin, k.ID)
	if err != nil || string(raw) != "hello" {
		t.Errorf("a dismissed message is not kept: %q %v", raw, err)
	}
	sysadmin := access.Actor{Account: "s", Role: string(access.SystemAdmin)}
	if _, _, err := w.s.Read(ctx, sysadmin, k.ID); !errs.Is(err, errs.Forbidden) {
		t.Errorf("the system administrator reads patients' messages: %v", err)
	}
}

// TestEverySampleIsAnsweredAndAccountedFor sends the 576 sample messages of
// other projects and counts what became of them; sent again, nothing changes.
func TestEverySampleIsAnsweredAndAccountedFor(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.Now = time.Date(2030, 1, 2, 1, 0, 0, 0, time.UTC) // some samples lie in the future
		samples := hl7test.Samples(t)
		answers := map[string]int{}
		for round := range 2 {
			for _, s := range samples {
				if strings.HasPrefix(s.Name, "simhospital") {
					w.peer.Name = "Simulated Hospital"
				} else {
					w.peer.Name = s.Name // of many makers, who number alike
				}
				answer, err := w.s.Receive(ctx, w.peer, s.Raw)
				if err != nil {
					t.Fatalf("%s: %v", s.Name, err)
				}
				m, err := hl7.Parse(answer)
				if err != nil {
					t.Fatalf("%s: the answer is no message: %v", s.Name, err)
				}
				if round == 0 {
					answers[m.Segment("MSA").Str(1)]++
				}
			}
		}
		var tally strings.Builder
		fmt.Fprintf(&tally, "answers: AA %d, AE %d, AR %d\n", answers["AA"], answers["AE"], answers["AR"])
		rows := dbtest.View(t, d, func(tx *db.Tx) ([]string, error) {
			return db.List(ctx, tx, func(scan db.Scan) (string, error) {
				var state exchange.State
				var reason exchange.Reason
				var n int
				err := scan(&state, &reason, &n)
				return fmt.Sprintf("%s %s: %d", state.Title(), reason.Title(), n), err
			}, `SELECT state, reason, count(*) FROM exchange_message GROUP BY state, reason ORDER BY state, reason`)
		})
		tally.WriteString(strings.Join(rows, "\n") + "\n")
		t.Log("\n" + tally.String())
		if n := count(t, d, `SELECT count(*) FROM exchange_message`); n != len(samples) {
			t.Errorf("%d messages kept of %d", n, len(samples))
		}
		const golden = "testdata/tally.golden"
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(golden, []byte(tally.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil || string(want) != tally.String() {
			t.Errorf("the tally is not that of %s: %v", golden, err)
		}
	})
}
