package calls_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/calls"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
)

func setup(t *testing.T, d *db.DB) (*referraltest.World, *calls.Service) {
	w := referraltest.New(t, d)
	return w, &calls.Service{DB: d, Keys: w.Keys, Audit: w.Audit, Calendar: calendar.New(), Queue: w.Queue}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCallsAreLoggedOnceAndSealed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, s := setup(t, d)
		c := w.To(0, referral.StateSubmitted)
		e := calls.Entry{Number: " " + strings.ToLower(c.Number), Outgoing: true, WithOrg: "水口山镇中心卫生院", Once: "x",
			Detail: calls.Detail{Person: "唐医生", Phone: "13900000001", Result: "已告知带好检查资料"}}
		for range 2 {
			if _, err := s.Log(t.Context(), w.Centre, e); err != nil {
				t.Fatal(err)
			}
		}
		list, more, err := s.List(t.Context(), w.Centre, calls.Query{Case: c.ID})
		if err != nil || more || len(list) != 1 || list[0].Number != c.Number || list[0].Result != "已告知带好检查资料" || !list[0].At.Equal(w.Now) {
			t.Fatalf("%+v %v", list, err)
		}
		if other, _, err := s.List(t.Context(), w.Doctor, calls.Query{}); err != nil || len(other) != 0 {
			t.Errorf("another institution's calls: %v %v", other, err)
		}
		day := calendar.DateOf(w.Now)
		if none, _, _ := s.List(t.Context(), w.Centre, calls.Query{From: day.AddDays(1)}); len(none) != 0 {
			t.Errorf("%v", none)
		}
		if some, _, _ := s.List(t.Context(), w.Centre, calls.Query{From: day, To: day}); len(some) != 1 {
			t.Errorf("%v", some)
		}
		must(t, d.View(t.Context(), func(tx *db.Tx) error {
			n, err := db.Count(t.Context(), tx, `SELECT count(*) FROM call_log WHERE detail LIKE '%139%' OR detail LIKE '%资料%'`)
			if n != 0 {
				t.Error("the detail is not sealed")
			}
			return err
		}))
	})
}

func TestWhatACallNeeds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, s := setup(t, d)
		c := w.To(0, referral.StateSubmitted)
		good := calls.Entry{WithOrg: "120", Detail: calls.Detail{Purpose: "问床位", Result: "有床"}}
		for field, change := range map[string]func(*calls.Entry){
			"with_org": func(e *calls.Entry) { e.WithOrg = " " },
			"result":   func(e *calls.Entry) { e.Result = "" },
			"purpose":  func(e *calls.Entry) { e.Purpose = "" },
			"at":       func(e *calls.Entry) { e.At = w.Now.Add(time.Hour) },
			"number":   func(e *calls.Entry) { e.Number = "ZZ0" },
		} {
			e := good
			change(&e)
			_, err := s.Log(t.Context(), w.Centre, e)
			if !wrong(err, field) {
				t.Errorf("%s: %v", field, err)
			}
		}
		e := good
		e.Case = c.ID
		if _, err := s.Log(t.Context(), w.Stranger, e); !wrong(err, "number") {
			t.Errorf("a stranger's call about the case: %v", err)
		}
		if _, err := s.Log(t.Context(), w.Centre, good); err != nil {
			t.Error(err)
		}
		if _, err := s.Log(t.Context(), w.Bureau, good); !errs.Is(err, errs.Forbidden) {
			t.Errorf("bureau: %v", err)
		}
	})
}

func wrong(err error, field string) bool {
	f, ok := errors.AsType[*errs.Error](err)
	if !ok || !errs.Is(err, errs.Invalid) {
		return false
	}
	for _, x := range f.Fields {
		if x.Name == field {
			return true
		}
	}
	return false
}

func TestHandoverIsTakenOverByTheNextShift(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, s := setup(t, d)
		a := w.To(0, referral.StateSubmitted)
		w.To(1, referral.StateClosed)
		w.To(2, referral.StateAwaitingInfo)
		sh := calls.Shift{From: w.Now.Add(-8 * time.Hour), To: w.Now, Text: "床位紧张，已电话告知各卫生院", Once: "h"}
		h, err := s.HandOver(t.Context(), w.Centre, sh)
		must(t, err)
		again, err := s.HandOver(t.Context(), w.Centre, sh)
		if err != nil || again.ID != h.ID {
			t.Fatalf("the same form twice: %v %v", again.ID, err)
		}
		if h.Count != 1 || h.Items[0].Case != a.ID || h.Items[0].DueAt.IsZero() {
			t.Fatalf("only what is our turn: %+v", h.Items)
		}
		if _, err := s.TakeOver(t.Context(), w.Centre, h.ID, ""); !errs.Is(err, errs.Conflict) {
			t.Errorf("from himself: %v", err)
		}
		w.After(10 * time.Minute)
		got, err := s.TakeOver(t.Context(), w.Centre2, h.ID, "已核对")
		if err != nil || got.Taker != "周护士" || !got.TakenAt.Equal(w.Now) {
			t.Fatalf("%+v %v", got, err)
		}
		if _, err := s.TakeOver(t.Context(), w.Centre2, h.ID, ""); err != nil {
			t.Errorf("the same form twice: %v", err)
		}
		third := w.Centre2
		third.Account = "third"
		if _, err := s.TakeOver(t.Context(), third, h.ID, ""); !errs.Is(err, errs.Conflict) {
			t.Errorf("taken already: %v", err)
		}
		book, err := s.Book(t.Context(), w.Centre)
		if err != nil || len(book) != 1 || book[0].Remark != "已核对" || book[0].Text != sh.Text || len(book[0].Items) != 1 {
			t.Fatalf("%+v %v", book, err)
		}
		if _, err := s.Handover(t.Context(), w.OtherCentre, h.ID); !errs.Is(err, errs.NotFound) {
			t.Errorf("another institution's book: %v", err)
		}
		if _, err := s.Book(t.Context(), w.Specialist); !errs.Is(err, errs.Forbidden) {
			t.Errorf("%v", err)
		}
		if _, err := s.Book(t.Context(), w.Head); err != nil {
			t.Errorf("the head of a primary institution keeps the book: %v", err)
		}
		for field, sh := range map[string]calls.Shift{
			"from": {To: w.Now, Text: "无"}, "to": {From: w.Now.Add(-72 * time.Hour), To: w.Now, Text: "无"}, "text": {From: w.Now.Add(-time.Hour), To: w.Now},
		} {
			if _, err := s.HandOver(t.Context(), w.Centre, sh); !wrong(err, field) {
				t.Errorf("%s: %v", field, err)
			}
		}
	})
}

// LL-4.3.4c: every published phone is called once a month.
func TestPublishedPhonesAreTestedMonthly(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, s := setup(t, d)
		find := func() (calls.Phones, calls.Phone) {
			p, err := s.Phones(t.Context(), w.Centre)
			must(t, err)
			for _, x := range p.List {
				if x.Org.ID == w.Township.ID {
					return p, x
				}
			}
			t.Fatal("the township centre is not in the list")
			return p, calls.Phone{}
		}
		before, x := find()
		if !x.Due || before.Tested != 0 || len(before.List) < 2 {
			t.Fatalf("%+v %d", x, before.Tested)
		}
		if err := s.Tested(t.Context(), w.Centre, calls.Result{Org: w.Township.ID}); !wrong(err, "note") {
			t.Errorf("not reached without a word: %v", err)
		}
		for range 2 {
			must(t, s.Tested(t.Context(), w.Centre, calls.Result{Org: w.Township.ID, Note: "无人接听", Once: "1"}))
		}
		if p, x := find(); x.Due || x.Last.Reached || p.Tested != 1 || p.Reached != 0 {
			t.Errorf("%+v", x)
		}
		if n := notices(t, d, w.Head); len(n) != 1 || !strings.Contains(n[0], "没有打通") {
			t.Errorf("the institution is told: %v", n)
		}
		w.After(time.Minute)
		must(t, s.Tested(t.Context(), w.Centre, calls.Result{Org: w.Township.ID, Reached: true}))
		if p, x := find(); x.Due || !x.Last.Reached || p.Reached != 1 {
			t.Errorf("%+v", x)
		}
		o := w.Township
		must(t, d.View(t.Context(), func(tx *db.Tx) (err error) { o, err = organization.Get(t.Context(), tx, o.ID); return err }))
		o.ReferralPhone = "0746-6229999"
		head := w.Head
		_, err := w.Organizations.Save(t.Context(), head, o)
		must(t, err)
		if _, x := find(); !x.Due {
			t.Error("a new number is tested anew")
		}
		w.After(31 * 24 * time.Hour)
		if _, x := find(); !x.Due {
			t.Error("the next month begins anew")
		}
		if err := s.Tested(t.Context(), w.Bureau, calls.Result{Org: w.Township.ID, Reached: true}); !errs.Is(err, errs.Forbidden) {
			t.Errorf("bureau: %v", err)
		}
		if _, err := s.Phones(t.Context(), w.Bureau); err != nil {
			t.Errorf("a bureau sees the phones: %v", err)
		}
	})
}

func notices(t *testing.T, d *db.DB, actor access.Actor) []string {
	t.Helper()
	var out []string
	must(t, d.View(t.Context(), func(tx *db.Tx) (err error) {
		out, err = db.List(t.Context(), tx, db.Value[string], `SELECT body FROM message_notice WHERE org = $1 AND role = $2 ORDER BY created_at`, actor.Org, actor.Role)
		return err
	}))
	return out
}

// The reminder comes on the first working day of a month, once.
func TestReminderOnTheFirstWorkingDay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, s := setup(t, d)
		s.Init()
		for _, x := range []struct {
			day  calendar.Date
			want int
		}{{"2026-03-01", 0}, {"2026-03-02", 1}, {"2026-03-03", 1}, {"2026-03-20", 1}, {"2026-04-01", 2}} {
			w.Now = x.day.Time().Add(12 * time.Hour)
			must(t, w.Queue.Drain(t.Context()))
			if n := notices(t, d, w.Centre); len(n) != x.want {
				t.Fatalf("%s: %d notices, want %d", x.day, len(n), x.want)
			}
		}
		if n := notices(t, d, w.Centre); !strings.Contains(n[0], "转诊电话没有测试") {
			t.Error(n)
		}
	})
}
