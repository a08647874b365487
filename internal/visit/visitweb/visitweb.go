// Package visitweb is the face of visits of a primary institution: the desk of
// the day, the entry in under a minute, the correction with what it was. It
// parses, calls one use case of package visit and renders.
package visitweb

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/chart"
	"yilian/internal/db"
	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/terminology"
	"yilian/internal/visit"
	"yilian/internal/web"
)

// Pages are the routes of this package.
type Pages struct {
	Service *visit.Service
	Charts  *chart.Service
	// Measured is told how long an entry took; nil: nobody listens.
	Measured func(ctx context.Context, interactions int, elapsed time.Duration)
}

// Routes registers the pages and their menu.
func Routes(site *web.Site, p *Pages) {
	site.Handle("GET /visits", p.desk)
	site.Handle("GET /visits/new", p.newForm)
	site.Handle("GET /visits/diagnoses", p.diagnoses)
	site.Handle("POST /visits", p.enter)
	site.Handle("GET /visits/{id}", p.show)
	site.Handle("GET /visits/{id}/edit", p.edit)
	site.Handle("POST /visits/{id}", p.correct)
	site.Handle("POST /visits/{id}/void", p.void)
	site.Menu(web.Item{Group: "业务协同", Title: "门诊登记", Icon: "stethoscope", Path: "/visits", Order: 15, Rights: []string{string(access.VisitRecord)}})
}

// URL is where a visit of a patient is entered, "" for those who enter none.
func URL(actor access.Actor, patientID string) string {
	if actor.Org == "" || !access.May(actor, access.VisitRecord, access.Own) {
		return ""
	}
	return "/visits/new?patient=" + patientID
}

type deskView struct {
	visit.Day
	Query string
	Found patient.Result
	Hint  string
}

func (p *Pages) desk(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	v := deskView{Query: strings.TrimSpace(r.URL.Query().Get("q"))}
	var err error
	if v.Day, err = p.Service.Desk(r.Context(), actor); err != nil {
		return err
	}
	if v.Query != "" {
		v.Found, err = p.Service.Patients.Search(r.Context(), actor, v.Query)
		if errs.Is(err, errs.Invalid) {
			v.Hint, err = err.Error(), nil
		}
		if err != nil {
			return err
		}
	}
	return web.Render(w, r, http.StatusOK, deskPage(v))
}

// formView is the form, new or of a correction.
type formView struct {
	Patient  patient.Patient
	Hints    visit.Hints
	Overview chart.Overview
	Form     visit.Form
	Once     string
	Tail     string
	ID       string // of the visit that is corrected
	Version  int64
	Reason   string
	Err      error
	Today    calendar.Date

	Interactions int
	ElapsedMS    int64
}

// load reads what the form shows beside what was typed. Who has no relation yet
// sees the masked identity and nothing of the record.
func (p *Pages) load(ctx context.Context, v *formView, patientID string) error {
	actor := access.ActorOf(ctx)
	if err := access.Require(actor, access.VisitRecord, access.Own); err != nil {
		return err
	}
	return p.Service.DB.View(ctx, func(tx *db.Tx) (err error) {
		if v.Patient, err = p.Service.Patients.Get(ctx, tx, patientID); err != nil {
			return err
		}
		if v.Hints, err = p.Service.HintsTx(ctx, tx, actor, patientID); err != nil {
			return err
		}
		v.Today = calendar.DateOf(tx.Now)
		if !v.Hints.Known {
			return nil
		}
		g, err := p.Service.Access.Patient(ctx, tx, actor, patientID, access.Treat)
		if err != nil {
			return err
		}
		c, err := p.Charts.ReadTx(ctx, tx, actor, v.Patient, g)
		v.Overview = c.Overview()
		return err
	})
}

func (p *Pages) newForm(w http.ResponseWriter, r *http.Request) error {
	v := formView{Once: db.NewID(), Form: visit.Form{Vitals: map[string]string{}}}
	if err := p.load(r.Context(), &v, r.URL.Query().Get("patient")); err != nil {
		return err
	}
	v.Form.Start = v.Hints.Now
	return web.Render(w, r, http.StatusOK, formPage(v))
}

// diagnoses answers the search of the diagnosis field.
func (p *Pages) diagnoses(w http.ResponseWriter, r *http.Request) error {
	found := terminology.Search(r.URL.Query().Get("q"), 12)
	out := make([]web.Suggestion, len(found))
	for i, c := range found {
		out[i] = web.Suggestion{Code: c.Code, Text: c.Name, Note: c.Code}
	}
	return web.Render(w, r, http.StatusOK, web.Suggestions(out))
}

// medicineRows is how many medicines a form takes beside those that go on.
const medicineRows = 6

// parse reads a form; what cannot be read at all is named with the rest.
func parse(r *http.Request) (visit.Form, error) {
	var wrong errs.Form
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	f := visit.Form{Complaint: get("complaint"), Vitals: map[string]string{}, FollowOn: calendar.Date(get("follow_on"))}
	f.Diagnoses = append(f.Diagnoses, get("diagnosis_main"))
	f.Diagnoses = append(f.Diagnoses, r.PostForm["diagnoses"]...)
	if get("diagnosis_main") == "" && get("diagnosis_main_text") != "" {
		if c, ok := terminology.Get(get("diagnosis_main_text")); ok {
			f.Diagnoses[0] = c.Code
		} else {
			wrong.Add("diagnosis", "请从列表中选择诊断：“%s”不是编码，可输入名称、拼音首字母或编码后选择", get("diagnosis_main_text"))
		}
	}
	for _, v := range visit.Vitals() {
		if x := get(v.Name); x != "" {
			f.Vitals[v.Name] = x
		}
	}
	for _, line := range r.PostForm["again"] {
		name, rest, _ := strings.Cut(line, "\t")
		dose, days, _ := strings.Cut(rest, "\t")
		f.Medicines = append(f.Medicines, visit.Medicine{Name: name, Dose: dose, Days: days})
	}
	for i := range medicineRows {
		n := strconv.Itoa(i)
		f.Medicines = append(f.Medicines, visit.Medicine{Name: get("med_name_" + n), Dose: get("med_dose_" + n), Days: get("med_days_" + n)})
	}
	for _, m := range []struct {
		name string
		into *encounter.Fen
	}{{"total", &f.Total}, {"own", &f.Own}} {
		x, err := encounter.ParseFen(get(m.name))
		if err != nil {
			wrong.Add(m.name, "%s", err.Error())
		}
		*m.into = x
	}
	var err error
	if f.Start, err = time.ParseInLocation("2006-01-02 15:04", get("start_on")+" "+get("start_time"), calendar.Shanghai); err != nil {
		wrong.Add("start_on", "就诊时间“%s %s”写法有误，例如 2026-03-02 和 08:30", get("start_on"), get("start_time"))
	}
	return f, wrong.Err()
}

func (p *Pages) enter(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	actor, id := access.ActorOf(r.Context()), r.PostFormValue("patient")
	v := formView{Once: r.PostFormValue("once"), Tail: web.Typed(r, "tail")}
	var err error
	if v.Form, err = parse(r); err == nil {
		var done visit.Visit
		done, err = p.Service.Enter(r.Context(), actor, visit.Entry{Form: v.Form, Patient: id, Once: v.Once, Tail: v.Tail})
		if err == nil {
			if n, elapsed, ok := web.Measured(r); ok && p.Measured != nil {
				p.Measured(r.Context(), n, elapsed)
			}
			web.Flash(w, r, web.Good, "门诊已登记，已记入就诊统计和健康档案")
			return web.Redirect(w, r, "/visits/"+done.ID)
		}
	}
	if n, elapsed, ok := web.Measured(r); ok {
		v.Interactions, v.ElapsedMS = n, elapsed.Milliseconds()
	}
	return p.again(w, r, v, id, err)
}

// again shows the form with what is wrong and what was typed.
func (p *Pages) again(w http.ResponseWriter, r *http.Request, v formView, patientID string, err error) error {
	if !errs.Correctable(err) {
		return err
	}
	v.Err = err
	if err := p.load(r.Context(), &v, patientID); err != nil {
		return err
	}
	return web.Render(w, r, web.Status(v.Err), formPage(v))
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	v, err := p.Service.Open(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, showPage(v))
}

func (p *Pages) edit(w http.ResponseWriter, r *http.Request) error {
	page, err := p.Service.Open(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"))
	if err != nil {
		return err
	}
	if !page.Own {
		return errs.E(errs.Forbidden, "这次门诊由其他机构登记或已作废，不能更正")
	}
	v := formView{ID: page.Versions[0].ID, Version: page.Versions[0].Version, Form: page.Versions[0].Form}
	if err := p.load(r.Context(), &v, page.Patient.ID); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, formPage(v))
}

func (p *Pages) correct(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	id := r.PathValue("id")
	v := formView{ID: id, Version: web.Version(r), Reason: web.Typed(r, "reason")}
	var err error
	if v.Form, err = parse(r); err == nil {
		if _, err = p.Service.Correct(r.Context(), access.ActorOf(r.Context()), id, v.Version, v.Form, v.Reason); err == nil {
			web.Flash(w, r, web.Good, "已更正，原内容仍可查看")
			return web.Redirect(w, r, "/visits/"+id)
		}
	}
	if !errs.Correctable(err) {
		return err
	}
	page, rerr := p.Service.Open(r.Context(), access.ActorOf(r.Context()), id)
	if rerr != nil {
		return rerr
	}
	return p.again(w, r, v, page.Patient.ID, err)
}

func (p *Pages) void(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := p.Service.Void(r.Context(), access.ActorOf(r.Context()), id, web.Version(r), r.PostFormValue("comment")); err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "这次门诊已作废，统计和健康档案已同步更正")
	return web.Redirect(w, r, "/visits")
}

// searchURL is the form that enters somebody who was searched in vain.
func searchURL(q string) string { return "/patients/new?q=" + url.QueryEscape(q) }
