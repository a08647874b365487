package message

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/jobs"
)

// phone stands for an SMS provider: the one thing here that is outside the
// process.
type phone struct {
	mu   sync.Mutex
	fail error
	got  []Message
}

func (p *phone) Name() string { return "短信" }

func (p *phone) Deliver(_ context.Context, m Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, m)
	return p.fail
}

type world struct {
	*Service
	t     *testing.T
	d     *db.DB
	q     *jobs.Queue
	phone *phone
	ctx   context.Context
	at    time.Time
}

func start(t *testing.T, d *db.DB, ch Channel) *world {
	w := &world{t: t, d: d, q: jobs.New(d), phone: &phone{}, ctx: context.Background(), at: dbtest.Clock}
	d.Now = func() time.Time { return w.at }
	keys := crypto.Ephemeral("sm")
	if ch == nil {
		ch = w.phone
	}
	w.Service = New(d, keys, audit.New(d, keys), w.q, ch, Options{})
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) send(o Out) (id string) {
	w.t.Helper()
	w.ok(w.d.Tx(w.ctx, func(tx *db.Tx) (err error) {
		id, err = w.Send(w.ctx, tx, o)
		return err
	}))
	return id
}

// drain runs what is due, going on through the pauses between tries.
func (w *world) drain() {
	w.t.Helper()
	w.q.Log = slog.New(slog.DiscardHandler)
	for range 8 {
		// Drain reports failed tries; here the channel fails on purpose.
		if err := w.q.Drain(w.ctx); err != nil && w.phone.fail == nil {
			w.t.Fatal(err)
		}
		w.at = w.at.Add(6 * time.Hour)
	}
}

var (
	doctor   = access.Actor{Account: "a1", Role: string(access.TownshipDoctor), Org: "th1"}
	stranger = access.Actor{Account: "a2", Role: string(access.TownshipDoctor), Org: "th2"}
	resident = access.Actor{Account: "a3", Role: string(access.Resident), Patient: "p1"}
)

func out(key string) Out {
	return Out{Patient: "p1", To: "13812345678", Text: "【医联】您的转诊申请已提交。", Case: "ZZ-1", Orgs: []string{"th1", "hosp"}, Key: key}
}

func (w *world) only(actor access.Actor) Message {
	w.t.Helper()
	list, more, err := w.List(w.ctx, actor, Filter{})
	w.ok(err)
	if len(list) != 1 || more {
		w.t.Fatalf("%d messages", len(list))
	}
	return list[0]
}

func TestAChangeOfStateIsToldOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d, nil)
		id := w.send(out("case1/submitted"))
		if again := w.send(out("case1/submitted")); again != id {
			t.Fatal("the same change of state made a second message")
		}
		if m := w.only(doctor); m.State != Queued || m.ToMasked != "138****5678" || m.To != "" {
			t.Fatalf("%+v", m)
		}
		w.ok(w.q.Drain(w.ctx))
		w.ok(w.deliver(w.ctx, deliverArgs{ID: id})) // a job that runs again
		if len(w.phone.got) != 1 || w.phone.got[0].To != "13812345678" {
			t.Fatalf("%+v", w.phone.got)
		}
		m := w.only(resident)
		if m.State != Delivered || m.Channel != "短信" || m.DeliveredAt.IsZero() || m.Attempts != 1 {
			t.Fatalf("%+v", m)
		}
	})
}

func TestARolledBackCaseSendsNothing(t *testing.T) {
	w := start(t, dbtest.SQLite(t), nil)
	stop := errors.New("stop")
	err := w.d.Tx(w.ctx, func(tx *db.Tx) error {
		if _, err := w.Send(w.ctx, tx, out("k")); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	w.drain()
	if len(w.phone.got) != 0 {
		t.Fatal("told the patient what never happened")
	}
}

func TestTheBuiltInChannelNeedsNoNumber(t *testing.T) {
	w := start(t, dbtest.SQLite(t), Page{})
	o := out("k")
	o.To = ""
	w.send(o)
	w.drain()
	if m := w.only(resident); m.State != Delivered || m.Channel != "消息页" || m.ToMasked != "" {
		t.Fatalf("%+v", m)
	}
}

func TestFailuresAreTriedAgainAndThenSaid(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d, nil)
		w.phone.fail = errors.New("gateway timeout 10.1.2.3")
		id := w.send(out("k1"))
		w.drain()
		m := w.only(doctor)
		if m.State != Failed || m.Attempts != 5 || len(w.phone.got) != 5 || strings.Contains(m.Reason, "gateway") {
			t.Fatalf("%d tries, %+v", len(w.phone.got), m)
		}
		if err := w.Resend(w.ctx, stranger, id); !errs.Is(err, errs.Forbidden) {
			t.Fatal(err)
		}
		w.phone.fail = nil
		w.ok(w.Resend(w.ctx, doctor, id))
		if err := w.Resend(w.ctx, doctor, id); !errs.Is(err, errs.Conflict) {
			t.Fatal(err)
		}
		w.drain()
		if m := w.only(doctor); m.State != Delivered {
			t.Fatalf("%+v", m)
		}
	})
}

func TestABadNumberIsLeftAlone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d, nil)
		w.phone.fail = errs.E(errs.Invalid, "空号")
		for _, k := range []string{"1", "2", "3"} {
			w.send(out(k))
			w.drain()
		}
		if len(w.phone.got) != 3 {
			t.Fatalf("a number known to be bad was tried %d times", len(w.phone.got))
		}
		id := w.send(out("4"))
		w.drain()
		list, _, err := w.List(w.ctx, doctor, Filter{State: Stopped})
		w.ok(err)
		if len(w.phone.got) != 3 || len(list) != 1 || list[0].ID != id {
			t.Fatalf("%d tries, %+v", len(w.phone.got), list)
		}
		other := out("5")
		other.To = "13900000000"
		w.send(other)
		w.drain()
		if len(w.phone.got) != 4 {
			t.Fatal("another number was stopped too")
		}
		w.phone.fail = nil
		w.ok(w.Resend(w.ctx, doctor, id)) // somebody checked the number
		w.send(out("6"))
		w.drain()
		if list, _, _ = w.List(w.ctx, doctor, Filter{State: Stopped}); len(list) != 0 || len(w.phone.got) != 6 {
			t.Fatalf("%d tries, still stopped: %+v", len(w.phone.got), list)
		}
	})
}

func TestWhoSeesWhichMessage(t *testing.T) {
	w := start(t, dbtest.SQLite(t), nil)
	w.send(out("k"))
	foreign := resident
	foreign.Patient = "p2"
	for _, a := range []access.Actor{stranger, foreign} {
		if list, _, err := w.List(w.ctx, a, Filter{Patient: "p1"}); err != nil || len(list) != 0 {
			t.Fatalf("%v %v", list, err)
		}
	}
	auditor := access.Actor{Account: "a9", Role: string(access.Auditor), Org: "th1"}
	if _, _, err := w.List(w.ctx, auditor, Filter{}); !errs.Is(err, errs.Forbidden) {
		t.Fatal(err)
	}
	w.ok(w.d.View(w.ctx, func(tx *db.Tx) error {
		list, err := OfCase(w.ctx, tx, "ZZ-1")
		if len(list) != 1 {
			t.Fatalf("%v", list)
		}
		return err
	}))
}

func TestBadMessagesAreRefused(t *testing.T) {
	w := start(t, dbtest.SQLite(t), nil)
	for _, c := range []struct {
		text, key string
		kind      errs.Kind
	}{{" ", "k", errs.Invalid}, {strings.Repeat("字", 301), "k", errs.Invalid}, {"好", "", errs.Internal}} {
		o := out(c.key)
		o.Text = c.text
		err := w.d.Tx(w.ctx, func(tx *db.Tx) error { _, err := w.Send(w.ctx, tx, o); return err })
		if err == nil || errs.KindOf(err) != c.kind {
			t.Fatalf("%+v: %v", c, err)
		}
	}
}

func TestPlainText(t *testing.T) {
	p := Plain{Done: "您的转诊申请已提交", Who: "区第四人民医院转诊中心", Does: "审核并回复", By: dbtest.Clock.Add(8 * time.Hour), Phone: "0746-6212345"}
	want := "【医联】您的转诊申请已提交。下一步：由区第四人民医院转诊中心在3月2日 17:00前审核并回复。有疑问请拨打 0746-6212345。"
	if p.Text() != want {
		t.Fatal(p.Text())
	}
	if got := (Plain{Done: "您已到诊。"}).Text(); got != "【医联】您已到诊。" {
		t.Fatal(got)
	}
}

func TestNotices(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := start(t, d, nil)
		desk := Notice{ID: "n1", Org: "th1", Role: access.TownshipDoctor, Kind: "referral.ask", Text: "待补充", Link: "/referrals/1"}
		w.ok(d.Tx(w.ctx, func(tx *db.Tx) error {
			if err := Deliver(w.ctx, tx, []Notice{desk, desk}); err != nil { // a job that runs again
				return err
			}
			return Notify(w.ctx, tx, Notice{Account: "a1", Kind: "x", Text: "只给本人", Link: "//evil.example/"})
		}))
		count := func(a access.Actor, want int) {
			t.Helper()
			n, err := w.Unread(w.ctx, a)
			w.ok(err)
			if n != want {
				t.Fatalf("%d unread, want %d", n, want)
			}
		}
		colleague := doctor
		colleague.Account = "a7"
		count(doctor, 2)
		count(colleague, 1)
		count(stranger, 0)
		n, err := w.Read(w.ctx, doctor, "n1")
		w.ok(err)
		if n.Link != "/referrals/1" {
			t.Fatalf("%+v", n)
		}
		_, err = w.Read(w.ctx, doctor, "n1")
		w.ok(err)
		count(doctor, 1)
		count(colleague, 1) // each reads for himself
		if _, err := w.Read(w.ctx, stranger, "n1"); !errs.Is(err, errs.NotFound) {
			t.Fatal(err)
		}
		list, _, err := w.Notices(w.ctx, doctor, true, 0)
		w.ok(err)
		if len(list) != 1 || list[0].Link != "" {
			t.Fatalf("a notice may not lead out of the site: %+v", list)
		}
		w.ok(w.ReadAll(w.ctx, doctor))
		count(doctor, 0)
		list, _, err = w.Notices(w.ctx, doctor, false, 0)
		w.ok(err)
		if len(list) != 2 {
			t.Fatalf("%+v", list)
		}
		w.at = w.at.AddDate(0, 0, 31)
		count(colleague, 0) // old notices do not count
		w.at = w.at.AddDate(0, 7, 0)
		w.ok(d.Tx(w.ctx, func(tx *db.Tx) error { return Sweep(w.ctx, tx) }))
		w.ok(d.View(w.ctx, func(tx *db.Tx) error {
			n, err := db.Count(w.ctx, tx, `SELECT count(*) FROM message_notice`)
			if n != 0 {
				t.Fatalf("%d notices kept", n)
			}
			return err
		}))
	})
}

func TestContactIsSealed(t *testing.T) {
	w := start(t, dbtest.SQLite(t), nil)
	w.send(out("k"))
	w.ok(w.d.View(w.ctx, func(tx *db.Tx) error {
		all, err := db.Get(w.ctx, tx, "消息", db.Value[string], `SELECT to_sealed || to_masked || contact_key || body FROM message`)
		if strings.Contains(all, "13812345678") {
			t.Fatal("the number stands in the database")
		}
		return err
	}))
}
