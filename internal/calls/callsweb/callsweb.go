// Package callsweb is the face of the telephone work of a referral centre: call
// log, hand-over book, test calls. It parses, calls one use case of package
// calls and renders; it decides nothing.
package callsweb

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/calls"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/web"
)

// Pages are the routes of this package.
type Pages struct {
	Service *calls.Service
	Flow    *flow.Engine // knows the words of the states
}

// Routes registers the pages and their menu.
func Routes(site *web.Site, p *Pages) {
	site.Handle("GET /calls", p.log)
	site.Handle("POST /calls", p.enter)
	site.Handle("GET /calls/handover", p.book)
	site.Handle("POST /calls/handover", p.write)
	site.Handle("GET /calls/handover/{id}", p.entry)
	site.Handle("POST /calls/handover/{id}", p.takeOver)
	site.Handle("GET /calls/handover/{id}/print", p.print)
	site.Handle("GET /calls/phones", p.phones)
	site.Handle("POST /calls/phones", p.tested)
	site.Menu(web.Item{Group: "业务协同", Title: "通话与交接", Icon: "phone", Path: "/calls", Order: 24,
		Rights: []string{string(access.ReferralTriage), string(access.ReferralCreate), string(access.ReferralReceive)}})
}

// tabs lead between the three parts; the book is the referral centre's.
func tabs(actor access.Actor, at string) []web.Tab {
	out := []web.Tab{{Title: "通话记录", URL: "/calls", Hide: true, Active: at == "log"}}
	if calls.May(actor) {
		out = append(out, web.Tab{Title: "交接班", URL: "/calls/handover", Hide: true, Active: at == "book"})
	}
	return append(out, web.Tab{Title: "转诊电话测试", URL: "/calls/phones", Hide: true, Active: at == "phones"})
}

// logPage is the page of the call log.
type logPage struct {
	Actor  access.Actor
	List   []calls.Call
	More   bool
	Query  calls.Query
	Page   int
	Number string // of the case that calls are shown for
	Values url.Values
	Err    error
	Now    time.Time
}

func (p *Pages) log(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	l, err := p.readLog(r, q.Get("case"))
	if err != nil {
		return err
	}
	l.Values = url.Values{"case": {q.Get("case")}, "outgoing": {"1"}, "at": {l.Now.In(calendar.Shanghai).Format(minute)}}
	return web.Render(w, r, http.StatusOK, logView(l))
}

// minute is how a moment is typed.
const minute = "2006-01-02T15:04"

func (p *Pages) readLog(r *http.Request, caseID string) (logPage, error) {
	l := logPage{Actor: access.ActorOf(r.Context()), Page: web.PageNumber(r), Now: p.Service.DB.Now(), Query: calls.Query{Case: caseID}}
	for name, into := range map[string]*calendar.Date{"from": &l.Query.From, "to": &l.Query.To} {
		if s := r.URL.Query().Get(name); s != "" {
			day, err := calendar.ParseDate(s)
			if err != nil {
				return l, err
			}
			*into = day
		}
	}
	l.Query.Offset = (l.Page - 1) * 50
	var err error
	l.List, l.More, err = p.Service.List(r.Context(), l.Actor, l.Query)
	return l, err
}

func (p *Pages) enter(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	actor := access.ActorOf(r.Context())
	at, err := moment(web.Typed(r, "at"), "at")
	if err == nil {
		_, err = p.Service.Log(r.Context(), actor, calls.Entry{
			At: at, Case: web.Typed(r, "case"), Number: web.Typed(r, "number"), Outgoing: web.Typed(r, "outgoing") == "1", WithOrg: web.Typed(r, "with_org"),
			Detail: calls.Detail{Person: web.Typed(r, "person"), Phone: web.Typed(r, "phone"), Purpose: web.Typed(r, "purpose"), Result: web.Typed(r, "result")},
			Once:   web.OnceToken(r),
		})
	}
	if errs.Is(err, errs.Invalid) {
		l, again := p.readLog(r, web.Typed(r, "case"))
		if again != nil {
			return again
		}
		l.Values, l.Err = r.PostForm, err
		return web.Render(w, r, http.StatusUnprocessableEntity, logView(l))
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "通话已记录")
	if id := web.Typed(r, "case"); id != "" {
		return web.Redirect(w, r, "/calls?case="+url.QueryEscape(id))
	}
	return web.Redirect(w, r, "/calls")
}

// moment reads a typed moment; "" is none.
func moment(s, name string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(minute, s, calendar.Shanghai)
	if err != nil {
		var f errs.Form
		f.Add(name, "请按“年-月-日 时:分”填写时间")
		return t, f.Err()
	}
	return t, nil
}

// bookPage is the page of the hand-over book.
type bookPage struct {
	Actor  access.Actor
	Book   []calls.Handover
	Items  []calls.Item
	Values url.Values
	Err    error
	Now    time.Time
	State  func(kind, state string) string
}

func (p *Pages) readBook(r *http.Request) (b bookPage, err error) {
	b = bookPage{Actor: access.ActorOf(r.Context()), State: p.state}
	if b.Items, b.Now, err = p.Service.OpenItems(r.Context(), b.Actor); err != nil {
		return b, err
	}
	b.Book, err = p.Service.Book(r.Context(), b.Actor)
	return b, err
}

// state is the word for a state of any kind of case.
func (p *Pages) state(kind, state string) string {
	m, err := p.Flow.Machine(kind)
	if err != nil {
		return state
	}
	if s, ok := m.State(state); ok {
		return s.Title
	}
	return state
}

func (p *Pages) book(w http.ResponseWriter, r *http.Request) error {
	b, err := p.readBook(r)
	if err != nil {
		return err
	}
	now := b.Now.In(calendar.Shanghai)
	b.Values = url.Values{"from": {now.Add(-8 * time.Hour).Format(minute)}, "to": {now.Format(minute)}}
	return web.Render(w, r, http.StatusOK, bookView(b))
}

func (p *Pages) write(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	sh := calls.Shift{Text: web.Typed(r, "text"), Once: web.OnceToken(r)}
	var err error
	if sh.From, err = moment(web.Typed(r, "from"), "from"); err == nil {
		sh.To, err = moment(web.Typed(r, "to"), "to")
	}
	var h calls.Handover
	if err == nil {
		h, err = p.Service.HandOver(r.Context(), access.ActorOf(r.Context()), sh)
	}
	if errs.Is(err, errs.Invalid) {
		b, again := p.readBook(r)
		if again != nil {
			return again
		}
		b.Values, b.Err = r.PostForm, err
		return web.Render(w, r, http.StatusUnprocessableEntity, bookView(b))
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "交班已写好，等下一班接班")
	return web.Redirect(w, r, "/calls/handover/"+h.ID)
}

// entryPage is one entry of the book.
type entryPage struct {
	calls.Handover
	Actor access.Actor
	Now   time.Time
	State func(kind, state string) string
}

func (p *Pages) readEntry(r *http.Request) (e entryPage, err error) {
	e = entryPage{Actor: access.ActorOf(r.Context()), Now: p.Service.DB.Now(), State: p.state}
	e.Handover, err = p.Service.Handover(r.Context(), e.Actor, r.PathValue("id"))
	return e, err
}

func (p *Pages) entry(w http.ResponseWriter, r *http.Request) error {
	e, err := p.readEntry(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, entryView(e))
}

func (p *Pages) print(w http.ResponseWriter, r *http.Request) error {
	e, err := p.readEntry(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, entryPaper(e))
}

func (p *Pages) takeOver(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	h, err := p.Service.TakeOver(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Typed(r, "remark"))
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已接班")
	return web.Redirect(w, r, "/calls/handover/"+h.ID)
}

// phonePage is the page of the published phones.
type phonePage struct {
	calls.Phones
	Actor  access.Actor
	Values url.Values
	Err    error
}

func (p *Pages) phones(w http.ResponseWriter, r *http.Request) error {
	return p.showPhones(w, r, http.StatusOK, nil, nil)
}

func (p *Pages) showPhones(w http.ResponseWriter, r *http.Request, status int, values url.Values, wrong error) error {
	v := phonePage{Actor: access.ActorOf(r.Context()), Values: values, Err: wrong}
	var err error
	if v.Phones, err = p.Service.Phones(r.Context(), v.Actor); err != nil {
		return err
	}
	return web.Render(w, r, status, phonesView(v))
}

func (p *Pages) tested(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	err := p.Service.Tested(r.Context(), access.ActorOf(r.Context()), calls.Result{
		Org: web.Typed(r, "org"), Reached: web.Typed(r, "reached") == "1", Note: web.Typed(r, "note"), Once: web.OnceToken(r),
	})
	if errs.Is(err, errs.Invalid) {
		return p.showPhones(w, r, http.StatusUnprocessableEntity, r.PostForm, err)
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "测试结果已登记")
	return web.Redirect(w, r, "/calls/phones")
}

func wayTitle(outgoing bool) string {
	if outgoing {
		return "打出"
	}
	return "打入"
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

func reachedTitle(yes bool) string {
	if yes {
		return "打通"
	}
	return "未打通"
}

func count(n int) string { return strconv.Itoa(n) }
