// Package home is the first page after sign-in, the to-do list of the present
// post over all kinds of cases, and the event stream that keeps open pages
// fresh.
package home

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/web"
)

// Kind tells home how a kind of case is shown.
type Kind struct {
	Path  string // /referrals: a case opens at Path/<id>
	Topic string // topic of its live lists
}

// Pages are the routes of this package.
type Pages struct {
	DB   *db.DB
	Flow *flow.Engine
	// Kinds by machine kind; a case of an unknown kind is listed without link.
	Kinds map[string]Kind
	// Landing says where a post begins that has no cases to work on
	// (administrators, bureaus, residents); "" means the to-do list.
	Landing func(actor access.Actor) string
	// Alive reports whether the session of a request may still be served; an
	// event stream ends when not. nil: always.
	Alive func(ctx context.Context) bool
	// Heartbeat is how often an event stream is kept open and asks Alive; 0: 20 s.
	Heartbeat time.Duration
}

// Routes registers the pages.
func (p *Pages) Routes(site *web.Site) {
	site.Handle("GET /{$}", p.todo)
	site.Handle("GET /todo", p.list)
	site.Handle("GET /todo/badge", p.badge)
	site.Handle("GET /events", p.events)
	site.Menu(web.Item{
		Title: "待办", Icon: "list-check", Path: "/", Order: 10, Badge: "todo", Live: "/todo/badge",
		Rights: []string{string(access.ReferralRead)},
	})
}

// pageSize is how many cases one list shows; a person who has more waiting
// has another problem than paging.
const pageSize = 100

type row struct {
	flow.Case
	KindTitle, StateTitle string
	Tone                  web.Tone
	Path                  string
	Mine                  bool // in my hands, not only in my queue
}

type page struct {
	Rows  []row
	Count flow.TodoCount
	Soon  int // due within two hours
	Now   time.Time
	Post  string
}

func (p *Pages) read(ctx context.Context, actor access.Actor) (page, error) {
	out := page{Post: access.Role(actor.Role).Title()}
	err := p.DB.View(ctx, func(tx *db.Tx) error {
		out.Now = tx.Now
		var err error
		if out.Count, err = flow.CountTodo(ctx, tx, actor); err != nil {
			return err
		}
		cases, err := flow.Todo(ctx, tx, actor, pageSize)
		if err != nil {
			return err
		}
		for _, c := range cases {
			out.Rows = append(out.Rows, p.row(c))
			if left := c.DueAt.Sub(tx.Now); left > 0 && left < 2*time.Hour {
				out.Soon++
			}
		}
		return nil
	})
	return out, err
}

func (p *Pages) row(c flow.Case) row {
	r := row{Case: c, KindTitle: c.Kind, StateTitle: c.State, Tone: web.Neutral, Mine: c.Owner != ""}
	if m, err := p.Flow.Machine(c.Kind); err == nil {
		r.KindTitle = m.Title
		if s, ok := m.State(c.State); ok {
			r.StateTitle, r.Tone = s.Title, web.ToneOf(s.Tone)
		}
	}
	if k, ok := p.Kinds[c.Kind]; ok {
		r.Path = k.Path + "/" + c.ID
	}
	return r
}

func (p *Pages) todo(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	if p.Landing != nil {
		if to := p.Landing(actor); to != "" && to != "/" {
			return web.Redirect(w, r, to)
		}
	}
	data, err := p.read(r.Context(), actor)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, todoPage(data))
}

// list is the live part of the page; who opens its address gets the page.
func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	if !web.IsFragment(r) {
		return web.Redirect(w, r, "/")
	}
	actor, _ := access.ActorFrom(r.Context())
	data, err := p.read(r.Context(), actor)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, todoList(data))
}

// badge is the number in the menu of every open page.
func (p *Pages) badge(w http.ResponseWriter, r *http.Request) error {
	if !web.IsFragment(r) {
		return web.Redirect(w, r, "/")
	}
	actor, _ := access.ActorFrom(r.Context())
	var count flow.TodoCount
	err := p.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		count, err = flow.CountTodo(r.Context(), tx, actor)
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, web.MenuBadge(int(count.Waiting)))
}

// heartbeat keeps proxies from closing a silent stream.
const heartbeat = 20 * time.Second

// events streams "changed" to one browser, only for cases that concern its institution.
func (p *Pages) events(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	rc := http.NewResponseController(w)
	if err := rc.SetWriteDeadline(time.Time{}); err != nil {
		return errs.Because(err, errs.Unavailable, "服务器不支持实时更新")
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if _, err := fmt.Fprint(w, "retry: 3000\n\n"); err != nil {
		return nil // the browser has gone
	}
	if err := rc.Flush(); err != nil {
		return nil
	}
	changes, end := p.Flow.Subscribe()
	defer end()
	beat := time.NewTicker(cmp.Or(p.Heartbeat, heartbeat))
	defer beat.Stop()
	for {
		var err error
		select {
		case <-r.Context().Done():
			return nil
		case c := <-changes:
			if !c.Concerns(actor.Org) {
				continue
			}
			_, err = fmt.Fprintf(w, "id: %s\nevent: changed\ndata: %s todo %s\n\n", c.Event, p.topic(c.Kind), c.Case)
		case <-beat.C:
			if p.Alive != nil && !p.Alive(r.Context()) {
				return nil // locked, signed out or another person: nothing more for this page
			}
			_, err = fmt.Fprint(w, ": still here\n\n")
		}
		if err != nil {
			return nil
		}
		if err := rc.Flush(); err != nil {
			return nil
		}
	}
}

func (p *Pages) topic(kind string) string {
	if k, ok := p.Kinds[kind]; ok {
		return k.Topic
	}
	return kind
}
