// Package indexweb is the face of the master index: pairs to compare side by
// side, statements that fit nobody, persons whose identity is open, decisions
// and how the model stands up to them, and the identities on a patient's page.
package indexweb

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/web"
)

type face struct{ svc *index.Service }

// Routes adds the pages and their entry in the menu.
func Routes(site *web.Site, svc *index.Service) {
	f := &face{svc: svc}
	site.Menu(web.Item{Group: "居民与签约", Title: "主索引核对", Icon: "users", Path: "/index", Order: 305, Rights: []string{string(access.PatientIndex)}})
	site.Handle("GET /index", f.reviews)
	site.Handle("GET /index/reviews/{id}", f.reviews)
	site.Handle("POST /index/reviews/{id}", f.decide)
	site.Handle("GET /index/queue", f.queue)
	site.Handle("GET /index/queue/{id}", f.waiting)
	site.Handle("POST /index/queue/{id}", f.settle)
	site.Handle("GET /index/unknown", f.unknown)
	site.Handle("POST /index/unknown/{id}", f.identify)
	site.Handle("GET /index/links", f.links)
	site.Handle("GET /index/propose", f.proposeForm)
	site.Handle("POST /index/propose", f.propose)
	site.Handle("POST /index/patients/{id}/part", f.part)
	site.Handle("POST /index/identities/{id}/detach", f.detach)
	site.Handle("GET /index/newborn", f.newbornForm)
	site.Handle("POST /index/newborn", f.newborn)
}

// PatientSection lists the identities of a person on its page.
func PatientSection(svc *index.Service) func(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (templ.Component, error) {
	return func(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (templ.Component, error) {
		p := identitiesPart{ID: id, Now: tx.Now, Decides: access.May(actor, access.PatientIndex, access.Own), Registers: access.May(actor, access.PatientRegister, access.Any)}
		var err error
		if p.Identities, err = svc.IdentitiesOf(ctx, tx, id); err != nil {
			return nil, err
		}
		if p.Links, err = index.LinksOf(ctx, tx, id); err != nil {
			return nil, err
		}
		if p.Withdrawn, err = index.Withdrawals(ctx, tx, id); err != nil {
			return nil, err
		}
		if p.Members, err = access.SamePerson(ctx, tx, id); err != nil {
			return nil, err
		}
		if p.Self, err = svc.Patients.Get(ctx, tx, id); err != nil {
			return nil, err
		}
		return identitiesSection(p), nil
	}
}

type identitiesPart struct {
	ID         string
	Self       patient.Patient
	Members    []string
	Identities []index.Identity
	Links      []index.Decided
	Withdrawn  []index.Withdrawal
	Now        time.Time
	Decides    bool
	Registers  bool
}

// frame is what every page of the index has: the tabs with their counts.
type frame struct {
	At     string
	Counts index.Counts
	Actor  access.Actor
	Now    time.Time
}

func (f *face) frame(r *http.Request, at string) (fr frame, err error) {
	fr = frame{At: at, Actor: access.ActorOf(r.Context()), Now: f.svc.DB.Now()}
	if err := access.Require(fr.Actor, access.PatientIndex, access.Own); err != nil {
		return fr, err
	}
	err = f.svc.DB.View(r.Context(), func(tx *db.Tx) error {
		fr.Counts, err = f.svc.CountsOf(r.Context(), tx, fr.Actor)
		return err
	})
	return fr, err
}

func (fr frame) tabs() []web.Tab {
	return []web.Tab{
		{Title: "待核对", URL: "/index", Count: int(fr.Counts.Reviews), Active: fr.At == "reviews", Tone: web.Warn},
		{Title: "待归人", URL: "/index/queue", Count: int(fr.Counts.Waiting), Active: fr.At == "queue", Tone: web.Warn},
		{Title: "身份待核", URL: "/index/unknown", Count: int(fr.Counts.Unknown), Active: fr.At == "unknown"},
		{Title: "核对情况", URL: "/index/links", Hide: true, Active: fr.At == "links"},
	}
}

type reviewsPage struct {
	frame
	Pairs []index.Pair
	Pair  index.Pair // the one on the table; without id the list is empty
	Err   error
	Note  string
}

func (f *face) reviews(w http.ResponseWriter, r *http.Request) error {
	p, err := f.reviewsPage(r, r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, reviewsView(p))
}

func (f *face) reviewsPage(r *http.Request, id string) (p reviewsPage, err error) {
	if p.frame, err = f.frame(r, "reviews"); err != nil {
		return p, err
	}
	if p.Pairs, err = f.svc.Reviews(r.Context(), p.Actor); err != nil {
		return p, err
	}
	if id == "" && len(p.Pairs) > 0 {
		id = p.Pairs[0].ID
	}
	if id != "" {
		p.Pair, err = f.svc.Compare(r.Context(), p.Actor, id)
	}
	return p, err
}

func (f *face) decide(w http.ResponseWriter, r *http.Request) error {
	id, verdict := r.PathValue("id"), index.Verdict(r.PostFormValue("verdict"))
	_, took, _ := web.Measured(r)
	err := f.svc.Decide(r.Context(), access.ActorOf(r.Context()), id, web.Version(r), verdict, r.PostFormValue("note"), took)
	if err != nil && !errs.Correctable(err) {
		return err
	}
	if err != nil {
		p, perr := f.reviewsPage(r, id)
		if perr != nil {
			return perr
		}
		p.Err, p.Note = err, r.PostFormValue("note")
		return web.Render(w, r, web.Status(err), reviewsView(p))
	}
	web.Flash(w, r, web.Good, map[index.Verdict]string{index.SamePerson: "已认定为同一人，两份档案合并显示", index.Different: "已认定为不同的人，系统不会再提示这一对",
		index.Later: "已推迟到明天"}[verdict])
	return web.Redirect(w, r, "/index")
}

type queuePage struct {
	frame
	List []index.Waiting
}

func (f *face) queue(w http.ResponseWriter, r *http.Request) error {
	fr, err := f.frame(r, "queue")
	if err != nil {
		return err
	}
	list, err := f.svc.Queue(r.Context(), fr.Actor)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, queueView(queuePage{frame: fr, List: list}))
}

type waitingPage struct {
	frame
	index.Waiting
	Query string
	Found patient.Result
	Hint  string
	Err   error
	Form  index.Place
}

func (f *face) waiting(w http.ResponseWriter, r *http.Request) error {
	return f.showWaiting(w, r, index.Place{}, nil)
}

func (f *face) showWaiting(w http.ResponseWriter, r *http.Request, form index.Place, failed error) (err error) {
	p := waitingPage{Query: strings.TrimSpace(r.URL.Query().Get("q")), Err: failed, Form: form}
	if p.frame, err = f.frame(r, "queue"); err != nil {
		return err
	}
	if p.Waiting, err = f.svc.See(r.Context(), p.Actor, r.PathValue("id")); err != nil {
		return err
	}
	if form.Sex == "" {
		p.Form.Sex = p.Stated.Sex
	}
	if form.Birth == "" {
		p.Form.Birth = p.Stated.BirthDate
	}
	if p.Query != "" && access.May(p.Actor, access.PatientSearch, access.Any) {
		p.Found, err = f.svc.Patients.Search(r.Context(), p.Actor, p.Query)
		if errs.Is(err, errs.Invalid) {
			p.Hint, err = err.Error(), nil
		}
		if err != nil {
			return err
		}
	}
	status := http.StatusOK
	if failed != nil {
		status = web.Status(failed)
	}
	return web.Render(w, r, status, waitingView(p))
}

func (f *face) settle(w http.ResponseWriter, r *http.Request) error {
	form := index.Place{Decision: r.PostFormValue("decision"), Patient: r.PostFormValue("patient"), Sex: r.PostFormValue("sex"),
		Birth: web.Typed(r, "birth"), Note: r.PostFormValue("note")}
	if form.Note == "" {
		form.Note = r.PostFormValue("comment")
	}
	_, err := f.svc.Settle(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), web.Version(r), form)
	if err != nil {
		if !errs.Correctable(err) {
			return err
		}
		return f.showWaiting(w, r, form, err)
	}
	web.Flash(w, r, web.Good, map[string]string{index.Attached: "已归入所选居民", index.Registered: "已新建居民并归入", index.Rejected: "已退回来源机构"}[form.Decision])
	return web.Redirect(w, r, "/index/queue")
}

type unknownPage struct {
	frame
	List         []index.Unresolved
	ID           string // of the row that failed
	Name, Number string
	Err          error
}

func (f *face) unknown(w http.ResponseWriter, r *http.Request) error {
	return f.showUnknown(w, r, unknownPage{})
}

func (f *face) showUnknown(w http.ResponseWriter, r *http.Request, p unknownPage) (err error) {
	if p.frame, err = f.frame(r, "unknown"); err != nil {
		return err
	}
	if p.List, err = f.svc.Unresolved(r.Context(), p.Actor); err != nil {
		return err
	}
	status := http.StatusOK
	if p.Err != nil {
		status = web.Status(p.Err)
	}
	return web.Render(w, r, status, unknownView(p))
}

func (f *face) identify(w http.ResponseWriter, r *http.Request) error {
	p := unknownPage{ID: r.PathValue("id"), Name: r.PostFormValue("name"), Number: r.PostFormValue("id_number")}
	resident, err := f.svc.Identify(r.Context(), access.ActorOf(r.Context()), p.ID, p.Name, p.Number)
	if err != nil && errs.Correctable(err) {
		p.Err = err
		return f.showUnknown(w, r, p)
	}
	if err != nil {
		return err
	}
	text := "身份已核定，此前的转诊和记录都保留在本人名下"
	if resident != p.ID {
		text = "身份已核定，与已有档案合并显示，此前的转诊和记录都在其中"
	}
	web.Flash(w, r, web.Good, text)
	return web.Redirect(w, r, "/index/unknown")
}

type linksPage struct {
	frame
	Matrix index.Matrix
	Recent []index.Decided
}

func (f *face) links(w http.ResponseWriter, r *http.Request) error {
	fr, err := f.frame(r, "links")
	if err != nil {
		return err
	}
	p := linksPage{frame: fr}
	err = f.svc.DB.View(r.Context(), func(tx *db.Tx) error {
		if p.Matrix, err = f.svc.Matrix(r.Context(), tx); err != nil {
			return err
		}
		p.Recent, err = f.svc.Recent(r.Context(), tx, fr.Actor)
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, linksView(p))
}

type proposePage struct {
	frame
	A     patient.Patient
	Query string
	Found patient.Result
	Hint  string
}

// proposeForm looks for the second record of a person.
func (f *face) proposeForm(w http.ResponseWriter, r *http.Request) error {
	fr, err := f.frame(r, "reviews")
	if err != nil {
		return err
	}
	p := proposePage{frame: fr, Query: strings.TrimSpace(r.URL.Query().Get("q"))}
	if p.A, err = db.Read(r.Context(), f.svc.DB, f.svc.Patients.Get, r.URL.Query().Get("a")); err != nil {
		return err
	}
	if p.Query == "" {
		p.Query = p.A.Name
	}
	p.Found, err = f.svc.Patients.Search(r.Context(), fr.Actor, p.Query)
	if errs.Is(err, errs.Invalid) {
		p.Hint, err = err.Error(), nil
	}
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, proposeView(p))
}

func (f *face) propose(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	id, err := f.svc.Ask(r.Context(), actor, r.PostFormValue("a"), r.PostFormValue("b"))
	if err != nil {
		return err
	}
	return web.Redirect(w, r, "/index/reviews/"+id)
}

func (f *face) part(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := f.svc.Part(r.Context(), access.ActorOf(r.Context()), id, r.PostFormValue("comment")); err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已拆分：各份档案恢复各自的转诊、签约和记录，系统不会再自动合并")
	return web.Redirect(w, r, "/index/links")
}

func (f *face) detach(w http.ResponseWriter, r *http.Request) error {
	_, err := f.svc.Detach(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), "", r.PostFormValue("comment"))
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "已移出：该身份另建一位居民，经它进来的记录一并转走")
	return web.Redirect(w, r, "/index/links")
}

type newbornPage struct {
	Mother patient.Patient
	Form   index.Stated
	Today  calendar.Date
	Err    error
}

func (f *face) newbornForm(w http.ResponseWriter, r *http.Request) error {
	return f.showNewborn(w, r, newbornPage{Form: index.Stated{Mother: r.URL.Query().Get("mother"), Order: 1}})
}

func (f *face) showNewborn(w http.ResponseWriter, r *http.Request, p newbornPage) error {
	page, err := f.svc.Patients.Open(r.Context(), access.ActorOf(r.Context()), p.Form.Mother, access.Register)
	if err != nil {
		return err
	}
	p.Mother, p.Today = page.Patient, page.Today
	if p.Form.BirthDate == "" {
		p.Form.BirthDate = string(page.Today)
	}
	status := http.StatusOK
	if p.Err != nil {
		status = web.Status(p.Err)
	}
	return web.Render(w, r, status, newbornView(p))
}

func (f *face) newborn(w http.ResponseWriter, r *http.Request) error {
	order := 1
	if n := r.PostFormValue("order"); len(n) == 1 && n >= "1" && n <= "4" {
		order = int(n[0] - '0')
	}
	st := index.Stated{Mother: r.PostFormValue("mother"), Order: order,
		Statement: patient.Statement{Name: r.PostFormValue("name"), Sex: r.PostFormValue("sex"), BirthDate: web.Typed(r, "birth_date")}}
	id, err := f.svc.Born(r.Context(), access.ActorOf(r.Context()), st)
	if err != nil && errs.Is(err, errs.Invalid) {
		return f.showNewborn(w, r, newbornPage{Form: st, Err: err})
	}
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "新生儿已随母建档，母亲已登记为监护人")
	return web.Redirect(w, r, "/patients/"+id)
}
