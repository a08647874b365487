package referral_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/message"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
	"yilian/internal/reminder"
)

// remindedOf is a case whose patient has been reminded.
func remindedOf(t *testing.T, w *referraltest.World, i int) flow.Case {
	t.Helper()
	c := w.To(i, referral.StateAccepted)
	a := w.Arrangement()
	a.At = w.Now.AddDate(0, 0, 4)
	c, err := w.Service.Arrange(ctx, w.Centre, w.Ref(c), a)
	must(t, err)
	w.Now = w.Now.AddDate(0, 0, 3)
	must(t, w.Queue.Drain(ctx))
	return c
}

func receiptOf(t *testing.T, w *referraltest.World, c flow.Case) reminder.Receipt {
	t.Helper()
	return view(t, w, w.Desk, c).Reminder
}

// The desk writes down what a reminded patient answers; the newest answer
// counts and the case stays where it is.
func TestAnswersToReminders(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		c := remindedOf(t, w, 0)
		if r := receiptOf(t, w, c); r.SentAt.IsZero() || !strings.HasPrefix(r.Text(), "提醒") || r.Answer != "" {
			t.Fatalf("after the reminder: %+v, %s", r, r.Text())
		}
		ref := w.Ref(c)
		lost := reminder.Reply{Answer: reminder.Unreachable, How: reminder.ByPhone, Note: "无人接听，下午再打"}
		must(t, w.Service.AnswerReminder(ctx, w.Desk, ref, lost))
		must(t, w.Service.AnswerReminder(ctx, w.Desk, ref, lost)) // the same form again
		if n := answers(t, w); n != 1 {
			t.Fatalf("%d answers of one form", n)
		}
		w.After(time.Minute)
		must(t, w.Service.AnswerReminder(ctx, w.Centre, w.Ref(c), reminder.Reply{Answer: reminder.WillNotCome, How: reminder.ByPhone, Reason: "no_company"}))
		r := receiptOf(t, w, c)
		if r.Answer != reminder.WillNotCome || r.Text() != "患者表示不来：无人陪同" || r.ByName != w.Centre.Name || r.Note != "" {
			t.Fatalf("%+v, %s", r, r.Text())
		}
		if now := view(t, w, w.Desk, c).Case; now.State != referral.StateArranged || now.Version != c.Version {
			t.Errorf("the case moved: %s", now.State)
		}
		page, err := w.Service.List(ctx, w.Desk, referral.Query{Side: flow.To, State: referral.StateArranged})
		must(t, err)
		all, err := w.Service.Reminded(ctx, w.Desk, page.Items)
		must(t, err)
		if want := (reminder.Figures{Sent: 1, WillNotCome: 1}); all.Figures != want || all.Figures.Open() != 0 || all.Receipts[c.ID].Answer != reminder.WillNotCome {
			t.Errorf("%+v", all)
		}
		a := w.Arrangement()
		a.At = w.Now.AddDate(0, 0, 5)
		c, err = w.Service.Reschedule(ctx, w.Desk, w.Ref(c), a, "patient_time", "")
		must(t, err)
		if r := receiptOf(t, w, c); r.Answer != "" {
			t.Errorf("an answer about the old time: %+v", r)
		}
	})
}

func answers(t *testing.T, w *referraltest.World) (n int64) {
	t.Helper()
	must(t, w.DB.View(ctx, func(tx *db.Tx) (err error) {
		n, err = db.Count(ctx, tx, `SELECT count(*) FROM reminder_answer`)
		return err
	}))
	return n
}

func TestWhatAnAnswerNeeds(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		c := remindedOf(t, w, 0)
		good := reminder.Reply{Answer: reminder.Confirmed, How: reminder.ByPhone}
		for _, x := range []struct {
			name, field string
			r           reminder.Reply
		}{
			{"nothing", "answer", reminder.Reply{How: reminder.ByPhone}},
			{"an unknown answer", "answer", reminder.Reply{Answer: "maybe", How: reminder.ByPhone}},
			{"no way", "how", reminder.Reply{Answer: reminder.Confirmed}},
			{"the patient's page, from the desk", "how", reminder.Reply{Answer: reminder.Confirmed, How: reminder.OnPage}},
			{"no reason", "reason", reminder.Reply{Answer: reminder.WillNotCome, How: reminder.ByPhone}},
			{"other without words", "note", reminder.Reply{Answer: reminder.WillNotCome, How: reminder.ByPhone, Reason: "other"}},
			{"a novel", "note", reminder.Reply{Answer: reminder.Confirmed, How: reminder.ByPhone, Note: strings.Repeat("长", 501)}},
		} {
			if err := w.Service.AnswerReminder(ctx, w.Desk, w.Ref(c), x.r); !wrong(err, x.field) {
				t.Errorf("%s: %v", x.name, err)
			}
		}
		refused(t, w.Service.AnswerReminder(ctx, w.Doctor, w.Ref(c), good), errs.Forbidden, "")
		if err := w.Service.AnswerReminder(ctx, w.OtherDesk, w.Ref(c), good); err == nil {
			t.Error("another hospital's desk answered")
		}
		if n := answers(t, w); n != 0 {
			t.Errorf("%d answers were kept", n)
		}
		done := w.To(1, referral.StateArrived)
		refused(t, w.Service.AnswerReminder(ctx, w.Desk, w.Ref(done), good), errs.Conflict, "待到诊")
	})
}

// Issue 3, item 7: the patient answers his reminder with one tap; tapped twice it
// stands once, and nobody else can tap for him.
func TestThePatientConfirmsWithOneTap(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		c := remindedOf(t, w, 0)
		self := access.Actor{Account: "resident-0", Name: "张桂兰", Role: string(access.Resident), Patient: c.Patient}
		waits, err := w.Service.AwaitingOf(ctx, self)
		must(t, err)
		var told string
		for id, a := range waits {
			told = id
			if a.Case != c.ID || a.Answered {
				t.Errorf("%+v", a)
			}
		}
		if len(waits) != 1 || !slices.ContainsFunc(view(t, w, w.Desk, c).Messages, func(m message.Message) bool { return m.ID == told }) {
			t.Fatalf("%+v", waits)
		}
		other := self
		other.Patient = w.Patients[1].ID
		if err := w.Service.ConfirmComing(ctx, other, c.ID, "x"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("another resident: %v", err)
		}
		if err := w.Service.ConfirmComing(ctx, w.Desk, c.ID, "y"); !errs.Is(err, errs.Forbidden) {
			t.Errorf("the desk taps for him: %v", err)
		}
		for range 2 {
			must(t, w.Service.ConfirmComing(ctx, self, c.ID, "tap"))
		}
		got := receiptOf(t, w, c)
		if got.Answer != reminder.Confirmed || got.How != reminder.OnPage || got.Text() != "患者确认会来" {
			t.Errorf("%+v", got)
		}
		if waits, err = w.Service.AwaitingOf(ctx, self); err != nil || !waits[told].Answered {
			t.Errorf("%+v, %v", waits, err)
		}
		w.Now = w.Now.AddDate(0, 0, 2)
		if err := w.Service.ConfirmComing(ctx, self, c.ID, "late"); !errs.Is(err, errs.Conflict) {
			t.Errorf("after the time: %v", err)
		}
	})
}
