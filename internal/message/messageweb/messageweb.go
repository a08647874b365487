// Package messageweb is the face of messages: 患者消息 for staff and residents,
// and 通知 with the bell for everybody.
package messageweb

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/errs"
	"yilian/internal/message"
	"yilian/internal/web"
)

// Answers adds, under messages of a resident that want an answer, the part with
// which he gives it, by the id of the message.
type Answers func(ctx context.Context, actor access.Actor) (map[string]templ.Component, error)

type handlers struct {
	svc     *message.Service
	answers Answers
}

// Routes registers the pages of messages and notices. answers may be nil.
func Routes(site *web.Site, svc *message.Service, answers Answers) {
	h := handlers{svc, answers}
	site.Handle("GET /messages", h.messages)
	site.Handle("POST /messages/{id}/resend", h.resend)
	site.Handle("GET /notices", h.notices)
	site.Handle("GET /notices/bell", h.bell)
	site.Handle("GET /notices/{id}", h.open)
	site.Handle("POST /notices/read", h.readAll)
	site.Menu(web.Item{Group: "业务协同", Title: "患者消息", Icon: "message-2", Path: "/messages", Order: 25,
		Rights: []string{string(access.MessageRead)}})
}

func actor(r *http.Request) (access.Actor, error) {
	a, ok := access.ActorFrom(r.Context())
	if !ok {
		return a, errs.E(errs.Forbidden, "请先登录")
	}
	return a, nil
}

const pageSize = 50

// turn is the way to the pages before and after.
type turn struct {
	Page int
	More bool
	url  url.URL
}

func newTurn(r *http.Request, more bool) turn { return turn{web.PageNumber(r), more, *r.URL} }

func (t turn) at(page int) string {
	q := t.url.Query()
	q.Set("page", strconv.Itoa(page))
	return t.url.Path + "?" + q.Encode()
}

type messagesView struct {
	List     []message.Message
	State    message.State
	Patient  string
	Case     string
	Resident bool
	Answers  map[string]templ.Component // of a resident, by message
	Turn     turn
}

// tab is the address of the list of one state, with its other filters.
func (v messagesView) tab(s message.State) string {
	return web.Address("/messages", "state", string(s), "patient", v.Patient, "case", v.Case)
}

func (h handlers) messages(w http.ResponseWriter, r *http.Request) error {
	a, err := actor(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	v := messagesView{State: message.State(q.Get("state")), Patient: q.Get("patient"), Case: q.Get("case"),
		Resident: access.Role(a.Role) == access.Resident}
	f := message.Filter{State: v.State, Patient: v.Patient, Case: v.Case, Limit: pageSize, Offset: (web.PageNumber(r) - 1) * pageSize}
	var more bool
	if v.List, more, err = h.svc.List(r.Context(), a, f); err != nil {
		return err
	}
	if v.Resident && h.answers != nil {
		if v.Answers, err = h.answers(r.Context(), a); err != nil {
			return err
		}
	}
	v.Turn = newTurn(r, more)
	return web.Render(w, r, http.StatusOK, messagesPage(v))
}

func (h handlers) resend(w http.ResponseWriter, r *http.Request) error {
	a, err := actor(r)
	if err != nil {
		return err
	}
	if err := h.svc.Resend(r.Context(), a, r.PathValue("id")); err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已重新排队发送")
	return web.Redirect(w, r, "/messages")
}

type noticesView struct {
	List   []message.Notice
	Unread bool
	Turn   turn
}

func (h handlers) notices(w http.ResponseWriter, r *http.Request) error {
	a, err := actor(r)
	if err != nil {
		return err
	}
	v := noticesView{Unread: r.URL.Query().Get("all") == ""}
	list, more, err := h.svc.Notices(r.Context(), a, v.Unread, (web.PageNumber(r)-1)*pageSize)
	if err != nil {
		return err
	}
	v.List, v.Turn = list, newTurn(r, more)
	return web.Render(w, r, http.StatusOK, noticesPage(v))
}

func (h handlers) bell(w http.ResponseWriter, r *http.Request) error {
	a, err := actor(r)
	if err != nil {
		return err
	}
	n, err := h.svc.Unread(r.Context(), a)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, web.Bell(n))
}

// open marks a notice as read and goes where it leads.
func (h handlers) open(w http.ResponseWriter, r *http.Request) error {
	a, err := actor(r)
	if err != nil {
		return err
	}
	n, err := h.svc.Read(r.Context(), a, r.PathValue("id"))
	if err != nil {
		return err
	}
	if n.Link == "" {
		return web.Redirect(w, r, "/notices")
	}
	return web.Redirect(w, r, n.Link)
}

func (h handlers) readAll(w http.ResponseWriter, r *http.Request) error {
	a, err := actor(r)
	if err != nil {
		return err
	}
	if err := h.svc.ReadAll(r.Context(), a); err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已全部标为已读")
	return web.Redirect(w, r, "/notices")
}

func tone(s message.State) web.Tone {
	switch s {
	case message.Delivered:
		return web.Good
	case message.Failed:
		return web.Bad
	case message.Stopped:
		return web.Warn
	case message.Queued:
	}
	return web.Info
}

func resendable(s message.State) bool { return s == message.Failed || s == message.Stopped }
