// Package jobsweb is the system administrator's page of background jobs: how
// the queue stands, what failed for good, and the button that tries it again.
package jobsweb

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/jobs"
	"yilian/internal/web"
)

// shown is how many dead letters one page lists; the newest are enough to find
// the cause, and retrying makes room for the others.
const shown = 200

type face struct {
	d   *db.DB
	q   *jobs.Queue
	log *audit.Log
}

// Routes adds the page of background jobs and its entry in the menu.
func Routes(site *web.Site, d *db.DB, q *jobs.Queue, log *audit.Log) {
	f := &face{d: d, q: q, log: log}
	site.Menu(web.Item{
		Group: "系统管理", Title: "后台任务", Icon: "server", Path: "/jobs", Order: 950,
		Rights: []string{string(access.JobsManage)},
	})
	site.Handle("GET /jobs", f.list)
	site.Handle("POST /jobs/{id}/retry", f.retry)
}

// view is what the page shows.
type view struct {
	Counts jobs.Counts
	Rows   []row
}

// row is one dead letter with the Chinese name of its kind.
type row struct {
	jobs.Dead
	Title string
}

func (f *face) list(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	if err := access.Require(actor, access.JobsManage, access.Any); err != nil {
		return err
	}
	v, err := f.view(r.Context())
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, page(v))
}

func (f *face) view(ctx context.Context) (view, error) {
	var v view
	err := f.d.View(ctx, func(tx *db.Tx) (err error) {
		if v.Counts, err = jobs.Stats(ctx, tx); err != nil {
			return err
		}
		list, err := jobs.DeadLetters(ctx, tx, shown)
		for _, d := range list {
			v.Rows = append(v.Rows, row{d, f.q.TitleOf(d.Kind)})
		}
		return err
	})
	return v, err
}

func (f *face) retry(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	title, err := f.retryAs(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已重新执行“"+title+"”，结果请稍后刷新本页查看")
	return web.Redirect(w, r, "/jobs")
}

// retryAs makes a dead job ready again; who did so is on record with it.
func (f *face) retryAs(ctx context.Context, actor access.Actor, id string) (title string, err error) {
	if err := access.Require(actor, access.JobsManage, access.Any); err != nil {
		return "", err
	}
	err = f.d.Tx(ctx, func(tx *db.Tx) error {
		dead, err := jobs.DeadLetter(ctx, tx, id)
		if err != nil {
			return err
		}
		title = f.q.TitleOf(dead.Kind)
		if err := jobs.RetryDead(ctx, tx, id); err != nil {
			return err
		}
		return f.log.Append(ctx, tx, audit.Leaf{
			Actor: actor, Action: "job.retry", Object: "job", ObjectID: id,
			Detail: fmt.Sprintf("重新执行“%s”，此前已尝试 %d 次", title, dead.Attempts),
		})
	})
	return title, err
}

// span says how long something has been waiting.
func span(d time.Duration) string {
	switch {
	case d <= 0:
		return "无"
	case d < time.Minute:
		return fmt.Sprintf("%d 秒", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d 分钟", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d 小时", int(d.Hours()))
	}
	return fmt.Sprintf("%d 天", int(d.Hours()/24))
}

// waitTone warns when due work is not being done: a healthy queue is seconds
// behind.
func waitTone(d time.Duration) web.Tone {
	switch {
	case d >= 10*time.Minute:
		return web.Bad
	case d >= time.Minute:
		return web.Warn
	}
	return web.Good
}

func deadTone(n int64) web.Tone {
	if n > 0 {
		return web.Bad
	}
	return web.Good
}

// attempts says how often a job was tried.
func attempts(d jobs.Dead) string {
	if d.Retried > 0 {
		return fmt.Sprintf("%d 次（人工 %d 次）", d.Attempts, d.Retried)
	}
	return fmt.Sprintf("%d 次", d.Attempts)
}
