package messageweb

import (
	"context"
	"log/slog"
	"regexp"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/jobs"
	"yilian/internal/message"
	"yilian/internal/web/facetest"
)

// failing is a provider that fails with err.
type failing struct{ err error }

func (*failing) Name() string { return "短信" }

func (f *failing) Deliver(context.Context, message.Message) error { return f.err }

type fixture struct {
	*facetest.Face
	svc  *message.Service
	q    *jobs.Queue
	fail *failing
}

func setup(t *testing.T) *fixture {
	t.Helper()
	d := dbtest.SQLite(t)
	keys := crypto.Ephemeral(crypto.SM)
	f := &fixture{Face: facetest.New(t, d, access.Actor{}), q: jobs.New(d), fail: &failing{}}
	f.q.Log = slog.New(slog.DiscardHandler)
	f.svc = message.New(d, keys, audit.New(d, keys), f.q, f.fail, message.Options{})
	Routes(f.Site, f.svc, nil)
	return f
}

var (
	doctor   = access.Actor{Account: "a1", Role: string(access.TownshipDoctor), Org: "th1"}
	stranger = access.Actor{Account: "a2", Role: string(access.TownshipDoctor), Org: "th2"}
	resident = access.Actor{Account: "a3", Role: string(access.Resident), Patient: "p1"}
	auditor  = access.Actor{Account: "a4", Role: string(access.Auditor), Org: "th1"}
)

func TestMessagesOfStaffAndResident(t *testing.T) {
	f := setup(t)
	f.fail.err = errs.E(errs.Invalid, "空号")
	err := f.DB.Tx(t.Context(), func(tx *db.Tx) error {
		_, err := f.svc.Send(t.Context(), tx, message.Out{Patient: "p1", To: "13812345678", Text: "【医联】已提交", Case: "c1", Orgs: []string{"th1"}, Key: "k"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.q.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Actor = doctor
	page := f.See("/messages", "【医联】已提交", "138****5678", "发送失败", "空号", "重新发送", `href="/referrals/c1"`)
	page.Hides("13812345678")
	f.See("/messages?state=delivered", "没有消息")
	path := regexp.MustCompile(`/messages/[0-9a-f-]+/resend`).FindString(page.Body)
	f.Actor = stranger
	f.See("/messages", "没有消息")
	f.Post(path, nil, 403)
	f.Actor = auditor
	f.Get("/messages", 403)
	f.Actor = doctor
	f.fail.err = nil
	f.Post(path, nil, 303)
	if err := f.q.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.See("/messages", "已送达")
	f.Post(path, nil, 409)
	f.Actor = resident
	f.See("/messages", "我的消息", "【医联】已提交")
	f.Actor = access.Actor{}
	f.Get("/messages", 403)
}

func TestNoticesAndBell(t *testing.T) {
	f := setup(t)
	err := f.DB.Tx(t.Context(), func(tx *db.Tx) error {
		return message.Notify(t.Context(), tx,
			message.Notice{Org: "th1", Role: access.TownshipDoctor, Kind: "x", Text: "转诊单待补充", Link: "/referrals/c1"},
			message.Notice{Account: "a1", Kind: "x", Text: "只给本人"})
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Actor = doctor
	f.See("/notices/bell", "未读 2 条")
	page := f.See("/notices", "转诊单待补充", "只给本人", "全部标为已读")
	for _, p := range regexp.MustCompile(`/notices/[0-9a-f-]{36}`).FindAllString(page.Body, -1) {
		if to := f.Get(p, 303).To(); to != "/referrals/c1" && to != "/notices" {
			t.Errorf("a notice leads to %s", to)
		}
	}
	f.See("/notices/bell", "未读 0 条")
	f.See("/notices", "没有通知")
	f.See("/notices?all=1", "转诊单待补充", "已读")
	f.Actor = stranger
	f.See("/notices/bell", "未读 0 条")
	f.Get("/notices/no-such", 404)
	f.Post("/notices/read", nil, 303)
}
