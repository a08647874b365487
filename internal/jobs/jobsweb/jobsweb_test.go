package jobsweb

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/jobs"
	"yilian/internal/web"
	"yilian/internal/web/facetest"
)

type fixture struct {
	*facetest.Face
	q *jobs.Queue
}

type args struct {
	Referral string `json:"referral"`
}

func setup(t *testing.T, d *db.DB, handle func() error) *fixture {
	log := audit.New(d, crypto.Ephemeral(crypto.SM))
	f := &fixture{q: jobs.New(d), Face: facetest.New(t, d, access.Actor{Account: "a-1", Name: "系统管理员甲", Role: string(access.SystemAdmin)})}
	jobs.Handle(f.q, "referral.remind", func(context.Context, *db.Tx, args) error { return handle() })
	f.q.Title("referral.remind", "转诊催办")
	Routes(f.Site, d, f.q, log)
	return f
}

func TestAdministratorRetriesADeadJob(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		cause := errs.E(errs.Invalid, "对方机构没有登记电话")
		f := setup(t, d, func() error { return cause })
		f.See("/jobs", "后台任务", "没有失败的任务").Hides("重新执行")

		err := d.Tx(ctx, func(tx *db.Tx) error {
			return f.q.Enqueue(ctx, tx, jobs.Job{Kind: "referral.remind", Args: args{"r-7"}})
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.q.Drain(ctx); err == nil {
			t.Fatal("the job did not fail")
		}
		f.See("/jobs", "转诊催办", "对方机构没有登记电话", "r-7", "1 次", "重新执行", "2026-03-02").Hides("没有失败的任务", ">referral.remind<")

		var dead []jobs.Dead
		if err := d.View(ctx, func(tx *db.Tx) (err error) {
			dead, err = jobs.DeadLetters(ctx, tx, 10)
			return err
		}); err != nil || len(dead) != 1 {
			t.Fatalf("%+v %v", dead, err)
		}
		cause = nil
		path := "/jobs/" + dead[0].ID + "/retry"
		if to := f.Post(path, nil, http.StatusSeeOther).To(); to != "/jobs" {
			t.Errorf("leads to %s", to)
		}
		f.Post(path, nil, http.StatusNotFound) // only once
		f.audited(dead[0].ID)
		if err := f.q.Drain(ctx); err != nil {
			t.Fatal(err)
		}
		f.See("/jobs", "没有失败的任务")
	})
}

// audited checks that exactly one retry of the job is on record.
func (f *fixture) audited(id string) {
	f.Helper()
	var leaves []audit.Leaf
	if err := f.DB.View(f.Context(), func(tx *db.Tx) (err error) {
		leaves, err = audit.Search(f.Context(), tx, audit.Filter{Object: "job", ObjectID: id, Limit: 10})
		return err
	}); err != nil {
		f.Fatal(err)
	}
	if len(leaves) != 1 || leaves[0].Action != "job.retry" || leaves[0].Actor.Name != "系统管理员甲" || !strings.Contains(leaves[0].Detail, "转诊催办") {
		f.Errorf("leaves: %+v", leaves)
	}
}

func TestOthersAreRefused(t *testing.T) {
	f := setup(t, dbtest.SQLite(t), func() error { return nil })
	for _, role := range access.Roles() {
		f.Actor.Role = string(role)
		want := http.StatusForbidden
		if role == access.SystemAdmin {
			want = http.StatusOK
		}
		f.Get("/jobs", want)
		if role != access.SystemAdmin {
			f.Post("/jobs/x/retry", nil, http.StatusForbidden)
		}
	}
}

func TestSpanAndTone(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "无", 5 * time.Second: "5 秒", 90 * time.Second: "1 分钟", 3 * time.Hour: "3 小时", 50 * time.Hour: "2 天"} {
		if got := span(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
	if waitTone(time.Second) != web.Good || waitTone(2*time.Minute) != web.Warn || waitTone(time.Hour) != web.Bad || deadTone(0) != web.Good || deadTone(1) != web.Bad {
		t.Error("tones")
	}
}
