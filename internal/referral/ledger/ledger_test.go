package ledger_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/patient"
	"yilian/internal/referral"
	"yilian/internal/referral/ledger"
	"yilian/internal/referral/referraltest"
)

func read(t *testing.T, w *referraltest.World, actor access.Actor, s ledger.Scope) ledger.Page {
	t.Helper()
	p, err := ledger.Read(t.Context(), w.DB, w.Audit, actor, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLedgerShowsBothSidesTheirLines(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.Draft(3)
		sent := w.To(0, referral.StateSubmitted)
		w.After(30 * time.Minute)
		closed := w.To(1, referral.StateClosed)
		refused := w.To(2, referral.StateDeclined)
		w.After(time.Hour)
		today := calendar.DateOf(w.Now)
		for _, x := range []struct {
			name  string
			actor access.Actor
			s     ledger.Scope
			want  []string
		}{
			{"sender", w.Doctor, ledger.Scope{}, []string{sent.ID, closed.ID, refused.ID}},
			{"receiver", w.Centre, ledger.Scope{Side: flow.To}, []string{sent.ID, closed.ID, refused.ID}},
			{"wrong side", w.Centre, ledger.Scope{Side: flow.From}, nil},
			{"stranger", w.Stranger, ledger.Scope{}, nil},
			{"accepted", w.Centre, ledger.Scope{Stage: ledger.Accepted}, []string{closed.ID}},
			{"arrived", w.Centre, ledger.Scope{Stage: ledger.Arrived}, []string{closed.ID}},
			{"reported", w.Centre, ledger.Scope{Stage: ledger.Reported}, []string{closed.ID}},
			{"closed", w.Centre, ledger.Scope{Stage: ledger.Closed}, []string{closed.ID}},
			{"open", w.Centre, ledger.Scope{Stage: ledger.Open}, []string{sent.ID, refused.ID}},
			{"refused", w.Doctor, ledger.Scope{Stage: ledger.Refused, Reason: "no_capacity", Other: w.Hospital.ID}, []string{refused.ID}},
			{"refused otherwise", w.Doctor, ledger.Scope{Stage: ledger.Refused, Reason: "other"}, nil},
			{"refused by another", w.Doctor, ledger.Scope{Stage: ledger.Refused, Other: w.Other.ID}, nil},
			{"other side", w.Doctor, ledger.Scope{Other: w.Hospital.ID, State: referral.StateSubmitted}, []string{sent.ID}},
			{"day before", w.Doctor, ledger.Scope{To: today.AddDays(-30)}, nil},
			{"since", w.Doctor, ledger.Scope{From: today.AddDays(30)}, nil},
			{"direction", w.Doctor, ledger.Scope{Direction: referral.Down}, nil},
			{"urgency", w.Doctor, ledger.Scope{Urgency: "II"}, nil},
			{"number", w.Doctor, ledger.Scope{Text: sent.Number}, []string{sent.ID}},
			{"name", w.Doctor, ledger.Scope{Text: "唐国"}, []string{closed.ID}},
			{"wildcard", w.Doctor, ledger.Scope{Text: "%国强"}, []string{closed.ID}},
		} {
			p := read(t, w, x.actor, x.s)
			var got []string
			for _, l := range p.Lines {
				got = append(got, l.ID)
			}
			if strings.Join(got, " ") != strings.Join(x.want, " ") || p.Total != int64(len(x.want)) {
				t.Errorf("%s: %v (%d), want %v", x.name, got, p.Total, x.want)
			}
		}
		p := read(t, w, w.Centre, ledger.Scope{})
		if l := p.Lines[0]; !strings.HasPrefix(l.Person, "张*兰 ") || l.WaitedTo < 90*time.Minute || l.WaitedFrom != 0 || l.Diagnosis == "" {
			t.Errorf("%+v", l)
		}
		full, err := w.Service.View(t.Context(), w.Centre, closed.ID)
		if err != nil || p.Lines[1].WaitedFrom != full.HeldFrom || p.Lines[1].WaitedTo != full.HeldTo {
			t.Errorf("times differ from the case's own page: %v %v, %v %v (%v)", p.Lines[1].WaitedFrom, p.Lines[1].WaitedTo, full.HeldFrom, full.HeldTo, err)
		}
		if p.Lines[0].Marks() != "" {
			t.Errorf("marks %q", p.Lines[0].Marks())
		}
		if err := d.Tx(t.Context(), func(tx *db.Tx) error {
			return w.Flow.Note(t.Context(), tx, w.Centre, sent, "电话代录", "对方电话答复")
		}); err != nil {
			t.Fatal(err)
		}
		if m := read(t, w, w.Centre, ledger.Scope{}).Lines[0].Marks(); m != "电话代录" {
			t.Errorf("marks %q", m)
		}
		if _, err := ledger.Read(t.Context(), d, w.Audit, w.Bureau, ledger.Scope{}); !errs.Is(err, errs.Forbidden) {
			t.Errorf("a bureau sees no persons: %v", err)
		}
	})
}

// A sensitive label hides the diagnosis from who gives no direct care.
func TestLedgerHidesSensitiveDiagnoses(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		c := w.To(0, referral.StateSubmitted)
		if err := w.Persons.SetLabel(t.Context(), w.Doctor, c.Patient, patient.Labels()[0], "专科诊断"); err != nil {
			t.Fatal(err)
		}
		if l := read(t, w, w.Centre, ledger.Scope{}).Lines[0]; l.Diagnosis != "" || !l.Hidden {
			t.Errorf("centre: %+v", l)
		}
		if l := read(t, w, w.Doctor, ledger.Scope{}).Lines[0]; l.Diagnosis == "" || l.Hidden {
			t.Errorf("doctor: %+v", l)
		}
	})
}

func TestRefusalsByReason(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		w.To(0, referral.StateDeclined)
		w.To(1, referral.StateDeclined)
		w.To(2, referral.StateAccepted)
		w.To(3, referral.StateClosed)
		for _, actor := range []access.Actor{w.Doctor, w.Centre, w.Bureau} {
			list, err := ledger.Refusals(t.Context(), d, actor, flow.Nobody, "", "")
			if err != nil || len(list) != 1 {
				t.Fatalf("%s: %v %v", actor.Name, list, err)
			}
			r := list[0]
			percent, ok := r.Percent()
			if r.Org != w.Hospital.ID || r.Accepted != 2 || r.Refused != 2 || percent != 50 || !ok || len(r.Reasons) != 1 || r.Reasons[0].N != 2 || r.Reasons[0].Title == "" {
				t.Errorf("%s: %+v", actor.Name, r)
			}
		}
		if list, err := ledger.Refusals(t.Context(), d, w.Stranger, flow.Nobody, "", ""); err != nil || len(list) != 0 {
			t.Errorf("a stranger: %v %v", list, err)
		}
		if _, ok := (ledger.Refuser{}).Percent(); ok {
			t.Error("nothing decided: not computable")
		}
		if _, err := ledger.Refusals(t.Context(), d, access.Actor{Role: string(access.Resident)}, flow.Nobody, "", ""); !errs.Is(err, errs.Forbidden) {
			t.Errorf("resident: %v", err)
		}
	})
}

func TestExportIsAWorkbookAndLogged(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		c := w.To(0, referral.StateClosed)
		var b bytes.Buffer
		titles := func(code string) string { return "结局" + code }
		s := ledger.Scope{From: "2026-03-01", To: "2026-03-31"}
		if err := ledger.Export(t.Context(), d, w.Audit, w.Centre, s, titles, &b); err != nil {
			t.Fatal(err)
		}
		f, err := excelize.OpenReader(&b)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		rows, err := f.GetRows("转诊台账")
		if err != nil || len(rows) != 6 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		whole := strings.Join(rows[0], " ") + strings.Join(rows[1], " ") + strings.Join(rows[2], " ") + strings.Join(rows[3], " ")
		for _, want := range []string{"转诊台账", w.Hospital.Name, "2026-03-01 至 2026-03-31", "李护士", "共 1 条"} {
			if !strings.Contains(whole, want) {
				t.Errorf("%q is missing in %s", want, whole)
			}
		}
		if rows[5][0] != c.Number || !strings.HasPrefix(rows[5][3], "张*兰") || !strings.HasPrefix(rows[5][1], "2026-03-0") {
			t.Errorf("%v", rows[5])
		}
		if kind, err := f.GetCellType("转诊台账", "B6"); err != nil || kind == excelize.CellTypeSharedString || kind == excelize.CellTypeInlineString {
			t.Errorf("a date is a text: %v %v", kind, err)
		}
		if panes, err := f.GetPanes("转诊台账"); err != nil || !panes.Freeze || panes.YSplit != 5 {
			t.Errorf("%+v %v", panes, err)
		}
		var leaves []audit.Leaf
		err = d.View(t.Context(), func(tx *db.Tx) (err error) {
			leaves, err = audit.Search(t.Context(), tx, audit.Filter{Action: "referral.ledger.export"})
			return err
		})
		if err != nil || len(leaves) != 1 || !strings.Contains(leaves[0].Detail, "1 条") {
			t.Errorf("%v %v", leaves, err)
		}
	})
}

// More lines than a workbook holds are cut, and the sheet says so; a text that
// looks like a formula stays a text.
func TestWorkbookSaysWhatItLacks(t *testing.T) {
	p := ledger.Page{Total: ledger.ExportLimit + 7, Now: dbtest.Clock, Lines: []ledger.Line{{Number: "ZZ1", From: "=1+1", BackEntry: true, ByPhone: true, Hidden: true}}}
	var b bytes.Buffer
	if err := ledger.Workbook(&b, access.Actor{OrgName: "甲"}, ledger.Scope{To: "2026-03-31"}, p, func(string) string { return "" }); err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := f.GetRows("转诊台账")
	if err != nil || !strings.Contains(rows[3][0], "20007") || !strings.Contains(rows[3][0], "分次导出") {
		t.Fatalf("%v %v", rows, err)
	}
	if rows[5][4] != "'=1+1" || rows[5][7] != "（敏感，已隐藏）" || rows[5][len(rows[5])-1] != "补录、电话代录" {
		t.Errorf("%v", rows[5])
	}
}
