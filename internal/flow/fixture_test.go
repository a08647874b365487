package flow_test

import (
	"context"
	"testing"
	"testing/fstest"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
	"yilian/internal/jobs"
	"yilian/internal/policy"
)

const profile = `
[profile]
id = "base"
code = "BASE"
title = "测试"
issuer = "测试"
valid_from = "2020-01-01"

[[clauses]]
id = "BASE-clock"
kind = "rule"
section = "一"
source = "test"
summary = "各状态的时限"
rules = [
  { key = "t.clock.draft", deadline = "7d" },
  { key = "t.clock.sent", deadline = "1wd" },
  { key = "t.clock.sent.II", deadline = "30m" },
  { key = "t.clock.asked", deadline = "2h" },
  { key = "t.clock.taken", deadline = "3wd" },
  { key = "t.clock.sent.III", deadline = "5h" },
  { key = "flow.clock.escalation", deadline = "1h" },
  { key = "flow.clock.warning", int = 20 },
  { key = "flow.clock.warning.above", deadline = "2h" },
]

[[clauses]]
id = "BASE-reason"
kind = "rule"
section = "二"
source = "test"
summary = "原因代码"
rules = [
  { key = "t.reason.refuse", codes = [ { code = "full", title = "床位已满" }, { code = "scope", title = "非本科室范围" } ] },
  { key = "t.outcome", codes = [ { code = "done", title = "已治疗" }, { code = "refused", title = "被拒绝" } ] },
]
`

var machine = flow.Machine{
	Kind: "t", Title: "测试单", Prefix: "TT", Start: "draft", Outcomes: "t.outcome",
	States: []flow.State{
		{Name: "draft", Title: "草稿", Turn: flow.From, Role: access.TownshipDoctor, Personal: true, Clock: "t.clock.draft"},
		{Name: "sent", Title: "待受理", Turn: flow.To, Role: access.ReferralCenter, Clock: "t.clock.sent"},
		{Name: "asked", Title: "待补充", Turn: flow.From, Role: access.TownshipDoctor, Personal: true, Clock: "t.clock.asked", Pauses: "sent"},
		{Name: "taken", Title: "已受理", Turn: flow.To, Role: access.DepartmentDoctor, ByDept: true, Clock: "t.clock.taken"},
		{Name: "waiting", Title: "候诊", Turn: flow.To, Role: access.ReferralCenter, Clock: "t.clock.taken"},
		{Name: "closed", Title: "已结案"},
	},
	Actions: []flow.Action{
		{Name: "send", Title: "提交", From: []string{"draft"}, To: []string{"sent"}, Side: flow.From, Right: access.ReferralCreate},
		{Name: "ask", Title: "要求补充", From: []string{"sent"}, To: []string{"asked"}, Side: flow.To, Right: access.ReferralTriage, Comment: true},
		{Name: "answer", Title: "补充", From: []string{"asked"}, To: []string{"sent"}, Side: flow.From, Right: access.ReferralCreate, Comment: true},
		{Name: "take", Title: "受理", From: []string{"sent", "waiting"}, To: []string{"taken"}, Side: flow.To, Right: access.ReferralTriage},
		{Name: "promise", Title: "候诊", From: []string{"sent"}, To: []string{"waiting"}, Side: flow.To, Right: access.ReferralTriage, Promise: true},
		{Name: "refuse", Title: "退回", From: []string{"sent"}, To: []string{"closed"}, Side: flow.To, Right: access.ReferralTriage, Reasons: "t.reason.refuse", Tells: flow.From},
		{Name: "recall", Title: "撤回", From: []string{"sent"}, To: []string{"closed"}, Side: flow.From, Right: access.ReferralCreate, Tells: flow.To},
		{Name: "finish", Title: "完成", From: []string{"taken"}, To: []string{"closed"}, Side: flow.To, Right: access.ReferralTreat},
	},
}

var (
	doctor = access.Actor{Account: "a-doc", Person: "p-doc", Name: "唐医生", Role: "township_doctor", Org: "town", OrgName: "水口山镇中心卫生院"}
	doctr2 = access.Actor{Account: "a-doc2", Person: "p-doc2", Name: "蒋医生", Role: "township_doctor", Org: "town", OrgName: "水口山镇中心卫生院"}
	centre = access.Actor{Account: "a-rc", Person: "p-rc", Name: "李护士", Role: "referral_center", Org: "hosp", OrgName: "永州市第四人民医院"}
	clerk2 = access.Actor{Account: "a-rc2", Person: "p-rc2", Name: "周护士", Role: "referral_center", Org: "hosp", OrgName: "永州市第四人民医院"}
	treat  = access.Actor{Account: "a-dd", Person: "p-dd", Name: "王主任", Role: "department_doctor", Org: "hosp", OrgName: "永州市第四人民医院", Department: "cardio"}
	other  = access.Actor{Account: "a-x", Person: "p-x", Name: "外院", Role: "referral_center", Org: "else", OrgName: "别的医院"}
)

var place = policy.Place{Regions: []string{"431102", "4311", "43", "CN"}}

// world is an engine on one database with a clock that tests move.
type world struct {
	t       testing.TB
	d       *db.DB
	e       *flow.Engine
	now     time.Time
	notices []flow.Notice
}

func newWorld(t testing.TB, d *db.DB) *world {
	t.Helper()
	book, err := policy.Load(fstest.MapFS{"base/profile.toml": {Data: []byte(profile)}})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, d: d, now: dbtest.Clock}
	d.Now = func() time.Time { return w.now }
	keys := crypto.Ephemeral("intl")
	w.e = &flow.Engine{
		DB: d, Book: book, Calendar: calendar.New(), Audit: audit.New(d, keys), Keys: keys, Queue: jobs.New(d),
		Notify: func(_ context.Context, _ *db.Tx, n flow.Notice) error { w.notices = append(w.notices, n); return nil },
	}
	if err := w.e.Declare(machine); err != nil {
		t.Fatal(err)
	}
	w.e.Start()
	return w
}

func (w *world) open(urgency string) flow.Case { return w.opened("t", urgency) }

func (w *world) openKind(kind string) flow.Case { return w.opened(kind, "IV") }

func (w *world) opened(kind, urgency string) flow.Case {
	w.t.Helper()
	var c flow.Case
	err := w.d.Tx(context.Background(), func(tx *db.Tx) (err error) {
		c, err = w.e.Open(context.Background(), tx, doctor, flow.Opening{
			Kind: kind, Patient: "patient-1", Subject: "张桂兰 女 38岁", Urgency: urgency,
			From: flow.PartyOf(doctor), To: flow.Party{Org: "hosp", OrgName: "永州市第四人民医院", Department: "cardio", DepartmentName: "心血管内科"}, Place: place,
		})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) try(c flow.Case, actor access.Actor, action string, mv flow.Move) (flow.Case, error) {
	var out flow.Case
	err := w.d.Tx(context.Background(), func(tx *db.Tx) (err error) {
		out, err = w.e.Act(context.Background(), tx, actor, c.ID, c.Version, action, mv)
		return err
	})
	return out, err
}

func (w *world) act(c flow.Case, actor access.Actor, action string, mv flow.Move) flow.Case {
	w.t.Helper()
	out, err := w.try(c, actor, action, mv)
	if err != nil {
		w.t.Fatalf("%s: %v", action, err)
	}
	return out
}

func (w *world) claim(c flow.Case, actor access.Actor) (flow.Case, error) {
	return w.claimOnce(c, actor, "")
}

func (w *world) claimOnce(c flow.Case, actor access.Actor, once string) (flow.Case, error) {
	var out flow.Case
	err := w.d.Tx(context.Background(), func(tx *db.Tx) (err error) {
		out, err = w.e.Claim(context.Background(), tx, actor, c.ID, c.Version, once)
		return err
	})
	return out, err
}

func (w *world) get(id string) (c flow.Case) {
	w.t.Helper()
	w.view(func(tx *db.Tx) (err error) { c, err = flow.Get(context.Background(), tx, id); return err })
	return c
}

func (w *world) timeline(id string) (v []flow.Event) {
	w.t.Helper()
	w.view(func(tx *db.Tx) (err error) { v, err = w.e.Timeline(context.Background(), tx, id); return err })
	return v
}

func (w *world) view(fn func(*db.Tx) error) {
	w.t.Helper()
	if err := w.d.View(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pass(d time.Duration) { w.now = w.now.Add(d) }

func (w *world) drain() {
	w.t.Helper()
	if err := w.e.Queue.Drain(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}
