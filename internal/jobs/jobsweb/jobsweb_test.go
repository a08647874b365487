package jobsweb

import (
	"context"
	"net/http"
	"net/http/httptest"
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
)

type fixture struct {
	*testing.T
	d     *db.DB
	q     *jobs.Queue
	site  *web.Site
	actor access.Actor
}

type args struct {
	Referral string `json:"referral"`
}

func setup(t *testing.T, d *db.DB, handle func() error) *fixture {
	log := audit.New(d, crypto.Ephemeral(crypto.SM))
	f := &fixture{T: t, d: d, q: jobs.New(d), site: web.New(web.Options{}),
		actor: access.Actor{Account: "a-1", Name: "系统管理员甲", Role: string(access.SystemAdmin)}}
	jobs.Handle(f.q, "referral.remind", func(context.Context, *db.Tx, args) error { return handle() })
	f.q.Title("referral.remind", "转诊催办")
	f.site.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(access.WithActor(r.Context(), f.actor)))
		})
	})
	Routes(f.site, d, f.q, log)
	return f
}

func (f *fixture) send(method, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w
}

// page returns the page and checks what stands on it.
func (f *fixture) page(present, absent []string) {
	f.Helper()
	w := f.send(http.MethodGet, "/jobs")
	if w.Code != http.StatusOK {
		f.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, text := range present {
		if !strings.Contains(w.Body.String(), text) {
			f.Errorf("%q is missing", text)
		}
	}
	for _, text := range absent {
		if strings.Contains(w.Body.String(), text) {
			f.Errorf("%q is shown", text)
		}
	}
}

func TestAdministratorRetriesADeadJob(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		var cause error = errs.E(errs.Invalid, "对方机构没有登记电话")
		f := setup(t, d, func() error { return cause })
		f.page([]string{"后台任务", "没有失败的任务"}, []string{"重新执行"})

		err := d.Tx(ctx, func(tx *db.Tx) error {
			return f.q.Enqueue(ctx, tx, jobs.Job{Kind: "referral.remind", Args: args{"r-7"}})
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.q.Drain(ctx); err == nil {
			t.Fatal("the job did not fail")
		}
		f.page([]string{"转诊催办", "对方机构没有登记电话", "r-7", "1 次", "重新执行", "2026-03-02"}, []string{"没有失败的任务", ">referral.remind<"})

		var dead []jobs.Dead
		if err := d.View(ctx, func(tx *db.Tx) (err error) {
			dead, err = jobs.DeadLetters(ctx, tx, 10)
			return err
		}); err != nil || len(dead) != 1 {
			t.Fatalf("%+v %v", dead, err)
		}
		cause = nil
		path := "/jobs/" + dead[0].ID + "/retry"
		if w := f.send(http.MethodPost, path); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/jobs" {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w := f.send(http.MethodPost, path); w.Code != http.StatusNotFound {
			t.Errorf("second retry: %d", w.Code)
		}
		f.audited(dead[0].ID)
		if err := f.q.Drain(ctx); err != nil {
			t.Fatal(err)
		}
		f.page([]string{"没有失败的任务"}, nil)
	})
}

// audited checks that exactly one retry of the job is on record.
func (f *fixture) audited(id string) {
	f.Helper()
	var leaves []audit.Leaf
	if err := f.d.View(f.Context(), func(tx *db.Tx) (err error) {
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
		f.actor.Role = string(role)
		want := http.StatusForbidden
		if role == access.SystemAdmin {
			want = http.StatusOK
		}
		if w := f.send(http.MethodGet, "/jobs"); w.Code != want {
			t.Errorf("%s: page answers %d", role, w.Code)
		}
		if w := f.send(http.MethodPost, "/jobs/x/retry"); role != access.SystemAdmin && w.Code != http.StatusForbidden {
			t.Errorf("%s: retry answers %d", role, w.Code)
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
