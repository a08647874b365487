package flow_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
)

// beijing is an instant of 2026 in Shanghai.
func beijing(month time.Month, day, hour, minute int) time.Time {
	return time.Date(2026, month, day, hour, minute, 0, 0, calendar.Shanghai)
}

// warnings drains the queue hour by hour until the clock has run out and
// returns when whom was warned.
func (w *world) warnings(c flow.Case) (got []string) {
	w.t.Helper()
	for w.notices = nil; w.now.Before(c.DueAt); w.now = w.now.Add(30 * time.Minute) {
		w.drain()
		for _, n := range w.notices {
			if n.Level != "due" {
				w.t.Fatalf("before the clock ran out: %+v", n)
			}
			got = append(got, fmt.Sprintf("%s %s %s", w.now.In(calendar.Shanghai).Format("01-02 15:04"), n.Org, n.Role))
		}
		w.notices = nil
	}
	return got
}

// D8: breaches show before they happen, once, to the holder.
func TestHolderIsWarnedBeforeTheClockRunsOut(t *testing.T) {
	send := func(urgency string) func(*world) flow.Case {
		return func(w *world) flow.Case { return w.act(w.open(urgency), doctor, "send", flow.Move{}) }
	}
	promised := func(due time.Time) func(*world) flow.Case {
		return func(w *world) flow.Case { return w.act(send("IV")(w), centre, "promise", flow.Move{Due: due}) }
	}
	for _, x := range []struct {
		name string
		now  time.Time
		open func(*world) flow.Case
		want []string
	}{
		{"seven days, on the working day before", beijing(3, 2, 10, 0), func(w *world) flow.Case { return w.open("IV") }, []string{"03-06 09:00 town township_doctor"}},
		{"three working days over a weekend", beijing(3, 5, 10, 0), func(w *world) flow.Case { return w.act(send("IV")(w), centre, "take", flow.Move{}) }, []string{"03-09 09:00 hosp department_doctor"}},
		{"one working day, in the morning of it", beijing(3, 5, 10, 0), send("IV"), []string{"03-06 09:00 hosp referral_center"}},
		{"one working day, taken before the hour", beijing(3, 5, 8, 0), send("IV"), []string{"03-05 09:00 hosp referral_center"}},
		{"Friday to Monday", beijing(3, 6, 10, 0), send("IV"), []string{"03-09 09:00 hosp referral_center"}},
		{"before the Spring Festival", beijing(2, 14, 10, 0), send("IV"), []string{"02-24 09:00 hosp referral_center"}},
		{"five hours, a fifth left", beijing(3, 5, 10, 0), send("III"), []string{"03-05 14:00 hosp referral_center"}},
		{"thirty minutes", beijing(3, 5, 10, 0), send("II"), nil},
		{"promised", beijing(3, 5, 10, 0), promised(beijing(3, 12, 16, 0)), []string{"03-11 09:00 hosp referral_center"}},
		{"promised for this afternoon", beijing(3, 5, 10, 0), promised(beijing(3, 5, 16, 0)), nil},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := newWorld(t, dbtest.SQLite(t))
			w.now = x.now
			if got := w.warnings(x.open(w)); !slices.Equal(got, x.want) {
				t.Errorf("warned at %v, want %v", got, x.want)
			}
		})
	}
}

func TestWarningIsForTheHolderOfTheMoment(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.now = beijing(3, 5, 10, 0)
		c := w.act(w.open("III"), doctor, "send", flow.Move{})
		w.pass(time.Hour)
		c, err := w.claim(c, clerk2)
		if err != nil {
			t.Fatal(err)
		}
		w.notices = nil
		w.pass(3 * time.Hour)
		w.drain()
		if len(w.notices) != 1 || w.notices[0].Person != clerk2.Person || !strings.Contains(w.notices[0].Text, "3月5日 15:00 截止") {
			t.Fatalf("notices %+v", w.notices)
		}
		if got := w.get(c.ID); got.Version != c.Version || got.Escalation != 0 {
			t.Fatalf("a warning moves nothing: %+v", got)
		}
	})
}

func TestNoWarningForCasesThatMovedOrAreSilent(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	w.now = beijing(3, 5, 10, 0)
	w.act(w.act(w.open("III"), doctor, "send", flow.Move{}), centre, "refuse", flow.Move{Reason: "full", Outcome: "refused"})
	err := w.d.Tx(context.Background(), func(tx *db.Tx) error {
		_, err := w.e.Open(context.Background(), tx, doctor, flow.Opening{Kind: "t", Patient: "p", Silent: true, From: flow.PartyOf(doctor), Place: place})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.notices = nil
	w.now = beijing(3, 20, 10, 0)
	w.drain()
	if len(w.notices) != 0 {
		t.Fatalf("notices %+v", w.notices)
	}
}

// A clock that stood still warns by what is left of it.
func TestWarningAfterAPause(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	w.now = beijing(3, 5, 8, 0)
	c := w.act(w.open("III"), doctor, "send", flow.Move{}) // five hours
	w.pass(time.Hour)
	c = w.act(c, centre, "ask", flow.Move{Comment: "?"})
	w.pass(time.Hour)
	c = w.act(c, doctor, "answer", flow.Move{Comment: "!"}) // at 10:00, four hours are left
	if got := w.warnings(c); len(got) != 1 || got[0] != "03-05 13:30 hosp referral_center" {
		t.Fatalf("warned at %v", got)
	}
}

// What people write about a patient does not lie open in the table; a
// timeline that was copied to another event is refused.
func TestCommentsAreSealed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		ctx := context.Background()
		c := w.act(w.open("IV"), doctor, "send", flow.Move{Comment: "疑似肺结核"})
		err := d.Tx(ctx, func(tx *db.Tx) error { return w.e.Note(ctx, tx, centre, c, "电话", "家属来电：咯血") })
		if err != nil {
			t.Fatal(err)
		}
		w.pass(2 * 24 * time.Hour)
		w.drain() // the reminders write into the timeline too
		var written []string
		for _, v := range w.timeline(c.ID) {
			written = append(written, v.Comment)
		}
		if !slices.Contains(written, "疑似肺结核") || !slices.Contains(written, "家属来电：咯血") || !strings.Contains(written[len(written)-1], "已超时") {
			t.Fatalf("timeline says %q", written)
		}
		w.view(func(tx *db.Tx) error {
			raw, err := db.List(ctx, tx, db.Value[string], `SELECT comment FROM flow_event WHERE comment <> ''`)
			for _, s := range raw {
				if strings.ContainsAny(s, "结核咯血超时") || !strings.HasPrefix(s, "aes") {
					t.Errorf("stored as %q", s)
				}
			}
			if len(raw) < 3 {
				t.Errorf("%d comments", len(raw))
			}
			return err
		})
		err = d.Tx(ctx, func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE flow_event SET comment = (SELECT comment FROM flow_event WHERE action = 'send') WHERE action = 'record'`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.View(ctx, func(tx *db.Tx) error { _, err := w.e.Timeline(ctx, tx, c.ID); return err }); err == nil {
			t.Error("a comment moved to another event opens")
		}
	})
}

// A step may concern the side that does not get the turn.
func TestOtherSideIsTold(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	c := w.act(w.open("IV"), doctor, "send", flow.Move{})
	w.notices = nil
	w.act(c, centre, "refuse", flow.Move{Reason: "full", Outcome: "refused"})
	if len(w.notices) != 1 || w.notices[0].Person != doctor.Person || w.notices[0].Role != "township_doctor" || !strings.Contains(w.notices[0].Text, "退回") {
		t.Errorf("a refusal: %+v", w.notices)
	}
	c = w.act(w.open("IV"), doctor, "send", flow.Move{})
	w.notices = nil
	w.act(c, doctor, "recall", flow.Move{Outcome: "refused"})
	if len(w.notices) != 1 || w.notices[0].Org != "hosp" || w.notices[0].Role != "referral_center" {
		t.Errorf("a recall: %+v", w.notices)
	}
}
