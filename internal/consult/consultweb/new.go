package consultweb

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/consult"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/terminology"
	"yilian/internal/web"
)

// request is the page of a new question.
type request struct {
	Actor   access.Actor
	Patient patient.Page
	Values  url.Values
	Err     error
	Choices []consult.Choice
	Today   calendar.Date

	Promises map[string]time.Time // by when an answer comes, by pace
}

func (q request) value(name string) string { return q.Values.Get(name) }

// child reports whether a guardian has to sign (PIPL 31).
func (q request) child() bool { return q.Patient.Age(q.Today) < patient.GuardianAge }

func (p *Pages) newForm(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	if err := access.Require(actor, access.ConsultAsk, access.Own); err != nil {
		return err
	}
	id := r.URL.Query().Get("patient")
	if id == "" {
		return web.Redirect(w, r, "/patients")
	}
	q := request{Actor: actor, Values: url.Values{"patient": {id}, "pace": {consult.Routine}, "treatment": {"无"}}}
	if err := p.fill(r.Context(), &q, id); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, newPage(q))
}

// fill reads what the page shows beside the form.
func (p *Pages) fill(ctx context.Context, q *request, id string) (err error) {
	if q.Patient, err = p.Service.Patients.Open(ctx, q.Actor, id, access.Consult); err != nil {
		return err
	}
	q.Today = calendar.DateOf(p.Service.DB.Now())
	if q.value("signed_by") == "" {
		q.Values.Set("signed_by", string(consent.Self))
		if q.child() {
			q.guardian()
		}
	}
	q.Values.Set("form", cmp.Or(q.value("form"), string(consent.Written)))
	if q.Promises, err = p.Service.Promises(ctx, q.Actor); err != nil {
		return err
	}
	q.Choices, err = p.Service.Choices(ctx, q.Actor, id, q.value("diagnosis"))
	return err
}

// guardian enters the registered guardian of a child as signer.
func (q *request) guardian() {
	q.Values.Set("signed_by", string(consent.Guardian))
	for _, r := range q.Patient.Relations {
		if r.Guardian && r.Current(q.Today) {
			q.Values.Set("signer", r.Name)
			q.Values.Set("relation", r.Kind)
			return
		}
	}
}

// targets answers a changed diagnosis with who can be asked.
func (p *Pages) targets(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	q := request{Actor: access.ActorOf(r.Context()), Values: r.PostForm}
	var err error
	if q.Choices, err = p.Service.Choices(r.Context(), q.Actor, q.value("patient"), q.value("diagnosis")); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, targetField(q.Choices, q.value("target"), nil))
}

// diagnoses answers the search of a diagnosis field.
func (p *Pages) diagnoses(w http.ResponseWriter, r *http.Request) error {
	found := terminology.Search(r.URL.Query().Get("q"), 12)
	out := make([]web.Suggestion, len(found))
	for i, c := range found {
		out[i] = web.Suggestion{Code: c.Code, Text: c.Name, Note: c.Code}
	}
	return web.Render(w, r, http.StatusOK, web.Suggestions(out))
}

// target parts the value of the target field: department, or department and
// person.
func target(value string) consult.Target {
	department, specialist, _ := strings.Cut(strings.TrimSpace(value), "/")
	return consult.Target{Department: department, Specialist: specialist}
}

// targetOptions are the departments and doctors who can be asked.
func targetOptions(list []consult.Choice) []web.Option {
	var out []web.Option
	for _, c := range list {
		name := c.Org.Short() + " " + c.Department.Name
		o := web.Option{Value: c.Department.ID, Text: name, Note: "科室，任一医生"}
		if c.Fits {
			o.Note = "科室，对症"
		}
		out = append(out, o)
		for _, p := range c.People {
			out = append(out, web.Option{Value: c.Department.ID + "/" + p.ID, Text: name + " " + p.Name, Note: p.Title})
		}
	}
	return out
}

// parse reads the form of a question.
func parse(form url.Values) consult.Form {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	f := consult.Form{
		Patient: text("patient"), Diagnosis: text("diagnosis"), Pace: text("pace"), Target: target(form.Get("target")),
		Question:   consult.Question{Chief: text("chief"), Summary: text("summary"), Treatment: text("treatment"), Text: text("question")},
		MayConvert: form.Get("may_convert") != "", AlsoRefer: form.Get("also_refer") != "",
	}
	if f.Diagnosis == "" {
		f.Diagnosis = text("diagnosis_text") // a code typed without choosing
	}
	if form.Get("consent") != "" {
		f.Consent = &consent.Consent{
			Form: consent.Form(text("form")), SignedBy: consent.Signer(text("signed_by")), SignerName: text("signer"),
			Relation: text("relation"), Document: text("document"), Witness: text("witness"),
		}
	}
	return f
}

func (p *Pages) create(w http.ResponseWriter, r *http.Request) error {
	actor := access.ActorOf(r.Context())
	if err := web.ParseForm(r); err != nil {
		return err
	}
	c, err := p.Service.Ask(r.Context(), actor, parse(r.PostForm), web.OnceToken(r))
	if err != nil {
		if !errs.Correctable(err) || r.PostFormValue("patient") == "" {
			return err
		}
		q := request{Actor: actor, Values: r.PostForm, Err: err}
		if ferr := p.fill(r.Context(), &q, r.PostFormValue("patient")); ferr != nil {
			return ferr
		}
		return web.Render(w, r, web.Status(err), newPage(q))
	}
	web.Changed(w, "consult todo")
	web.Flash(w, r, web.Good, "咨询 "+c.Number+" 已送出，"+web.FormatTime(c.DueAt)+" 前答复；患者的临床责任仍由您承担")
	return web.Redirect(w, r, "/consults/"+c.ID)
}
