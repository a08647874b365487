// Package phonedweb is the face of the telephone entry (电话代录): the form that
// the referral centre fills in while the caller speaks, the list, and the page on
// which the caller's institution confirms or corrects. It parses, calls one use
// case of package phoned and renders; it decides nothing.
package phonedweb

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/referral/phoned"
	"yilian/internal/terminology"
	"yilian/internal/web"
)

// Pages are the routes of this package.
type Pages struct{ Service *phoned.Service }

// Routes registers the pages and their menu.
func Routes(site *web.Site, p *Pages) {
	site.Handle("GET /phoned", p.list)
	site.Handle("POST /phoned", p.enter)
	site.Handle("GET /phoned/new", p.form)
	site.Handle("GET /phoned/orgs", p.orgs)
	site.Handle("POST /phoned/new/caller", p.caller)
	site.Handle("POST /phoned/new/places", p.places)
	site.Handle("GET /phoned/of/{referral}", p.of)
	site.Handle("GET /phoned/{id}", p.show)
	site.Handle("POST /phoned/{id}/{action}", p.close)
	site.Menu(web.Item{Group: "业务协同", Title: "电话代录", Icon: "phone", Path: "/phoned", Order: 24,
		Rights: []string{string(access.ReferralTriage), string(access.ReferralReceive)}})
}

// minute is how a moment is typed.
const minute = "2006-01-02T15:04"

// entryForm is the page of a new entry.
type entryForm struct {
	Actor   access.Actor
	Values  url.Values
	Err     error
	Choices phoned.Choices
	Now     time.Time
}

func (e entryForm) value(name string) string { return e.Values.Get(name) }

func (p *Pages) form(w http.ResponseWriter, r *http.Request) error {
	e := entryForm{Actor: access.ActorOf(r.Context()), Values: url.Values{
		"phone_reason": {"no_system"}, "treatment": {"无"}, "signed_by": {string(consent.Self)}, "insurance": {patient.Resident},
		"called_at": {p.Service.DB.Now().In(calendar.Shanghai).Format(minute)},
	}}
	if err := p.fill(r.Context(), &e); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, newPage(e))
}

func (p *Pages) fill(ctx context.Context, e *entryForm) (err error) {
	e.Now = p.Service.DB.Now()
	e.Choices, err = p.Service.Choices(ctx, e.Actor, e.value("caller_org"), e.value("diagnosis"), e.value("urgency"))
	return err
}

// orgs answers the search of the calling institution.
func (p *Pages) orgs(w http.ResponseWriter, r *http.Request) error {
	all, err := p.Service.Callers(r.Context(), access.ActorOf(r.Context()))
	if err != nil {
		return err
	}
	var out []web.Suggestion
	text := strings.TrimSpace(r.URL.Query().Get("q"))
	for _, o := range all {
		if len(out) < 12 && (strings.Contains(o.Name, text) || strings.Contains(o.ShortName, text) || o.ReferralPhone != "" && strings.Contains(o.ReferralPhone, text)) {
			out = append(out, web.Suggestion{Code: o.ID, Text: o.Name, Note: o.ReferralPhone})
		}
	}
	return web.Render(w, r, http.StatusOK, web.Suggestions(out))
}

// caller answers a chosen institution: its doctors and its published phone.
func (p *Pages) caller(w http.ResponseWriter, r *http.Request) error {
	e, err := p.typed(r)
	if err != nil {
		return err
	}
	for _, o := range e.Choices.Orgs {
		if o.ID == e.value("caller_org") && e.value("caller_phone") == "" {
			e.Values.Set("caller_phone", o.ReferralPhone)
		}
	}
	return web.Render(w, r, http.StatusOK, callerPart(e))
}

// places answers a diagnosis or a triage level: the departments that take it.
func (p *Pages) places(w http.ResponseWriter, r *http.Request) error {
	e, err := p.typed(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, placePart(e))
}

func (p *Pages) typed(r *http.Request) (entryForm, error) {
	if err := web.ParseForm(r); err != nil {
		return entryForm{}, err
	}
	e := entryForm{Actor: access.ActorOf(r.Context()), Values: r.PostForm}
	return e, p.fill(r.Context(), &e)
}

func (p *Pages) enter(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	actor := access.ActorOf(r.Context())
	c, err := p.send(r, actor)
	if err != nil {
		kind := errs.KindOf(err)
		if kind != errs.Invalid && kind != errs.Conflict {
			return err
		}
		e := entryForm{Actor: actor, Values: r.PostForm, Err: err}
		if again := p.fill(r.Context(), &e); again != nil {
			return again
		}
		return web.Render(w, r, web.Status(err), newPage(e))
	}
	web.Changed(w, "referral todo")
	if c.State == referral.StateTransferring {
		web.Flash(w, r, web.Good, "紧急转诊 "+c.Number+" 已代录发出，正在呼叫值班人")
	} else {
		web.Flash(w, r, web.Good, "已代录为转诊单 "+c.Number+"，"+c.From.OrgName+"会收到核对待办")
	}
	return web.Redirect(w, r, "/referrals/"+c.ID)
}

func (p *Pages) send(r *http.Request, actor access.Actor) (flow.Case, error) {
	var wrong errs.Form
	caller := callerOf(r.PostForm, &wrong)
	if r.PostFormValue("do") == "urgent" {
		return p.Service.EnterUrgent(r.Context(), actor, phoned.Urgent{Caller: caller, Unknown: unknownOf(r.PostForm), Once: web.OnceToken(r),
			Form: referral.EmergencyForm{Lane: web.Typed(r, "lane"), Service: web.Typed(r, "target_service"), Condition: web.Typed(r, "chief"), Treatment: web.Typed(r, "treatment")}})
	}
	form, err := p.formOf(r, actor)
	if err != nil {
		return flow.Case{}, err
	}
	if err := wrong.Err(); err != nil {
		return flow.Case{}, err
	}
	return p.Service.Enter(r.Context(), actor, phoned.Entry{
		Caller: caller, Form: form, Once: web.OnceToken(r),
		Who: phoned.Who{IDNumber: web.Typed(r, "id_number"), Name: web.Typed(r, "name"), Phone: web.Typed(r, "phone"), Insurance: web.Typed(r, "insurance"),
			Guardian: guardianOf(r.PostForm)},
		Consent: consent.Consent{SignedBy: consent.Signer(web.Typed(r, "signed_by")), SignerName: web.Typed(r, "signer"), Relation: web.Typed(r, "relation"),
			Document: web.Typed(r, "document"), Witness: web.Typed(r, "witness")},
	})
}

func callerOf(form url.Values, wrong *errs.Form) phoned.Caller {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	c := phoned.Caller{Org: text("caller_org"), Doctor: text("caller_doctor"), Name: text("caller_name"), Phone: text("caller_phone"),
		Reason: text("phone_reason"), Note: text("call_note"), ReadBack: text("read_back") != ""}
	if c.Doctor != "" && c.Name == "" {
		c.Name = "登记的医生" // taken over from the register
	}
	if s := text("called_at"); s != "" {
		at, err := time.ParseInLocation(minute, s, calendar.Shanghai)
		if err != nil {
			wrong.Add("called_at", "请按“年-月-日 时:分”填写通话时间")
		}
		c.At = at
	}
	return c
}

func unknownOf(form url.Values) patient.Unknown {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	return patient.Unknown{Name: text("name"), IDNumber: text("id_number"), Phone: text("phone"), Sex: text("sex"), Age: text("age")}
}

// guardianOf is the guardian of a child who is not registered yet: who consents
// on the telephone.
func guardianOf(form url.Values) patient.NewRelation {
	if form.Get("signed_by") != string(consent.Guardian) {
		return patient.NewRelation{}
	}
	return patient.NewRelation{Name: strings.TrimSpace(form.Get("signer")), Kind: form.Get("relation"), Phone: strings.TrimSpace(form.Get("phone"))}
}

func (p *Pages) formOf(r *http.Request, actor access.Actor) (referral.Form, error) {
	text := func(name string) string { return web.Typed(r, name) }
	f := referral.Form{
		Visit: referral.Outpatient, Urgency: text("urgency"), Purpose: text("purpose"), Diagnosis: text("diagnosis"), TargetService: text("target_service"),
		Request: referral.Request{Chief: text("chief"), Illness: text("illness"), Past: text("past"), Treatment: text("treatment"), Allergies: text("allergies"),
			PurposeText: text("purpose_text"), Transport: text("transport")},
	}
	if f.Diagnosis == "" {
		if code, ok := terminology.Get(text("diagnosis_text")); ok {
			f.Diagnosis = code.Code
		}
	}
	c, err := p.Service.Choices(r.Context(), actor, text("caller_org"), f.Diagnosis, f.Urgency)
	if err != nil {
		return f, err
	}
	for _, x := range c.Places {
		if x.Service.ID == f.TargetService {
			f.Request.Choices = []referral.Choice{{Org: x.Org.ID, OrgName: x.Org.Name, Service: x.Service.Name, Chosen: true}}
		}
	}
	for _, x := range c.Lists.Indications {
		if f.Diagnosis != "" && fits(x, f.Diagnosis) {
			f.Indications = append(f.Indications, x.Code)
		}
	}
	if reason := text("parallel_reason"); reason != "" {
		f.Request.Parallel = &referral.Parallel{Reason: reason, Comment: text("parallel_comment")}
	}
	if reason := text("first_visit_reason"); reason != "" {
		f.Request.FirstVisit = firstVisit(reason, text("first_visit_comment"))
	}
	return f, nil
}

func fits(c policy.Code, diagnosis string) bool {
	for _, prefix := range c.Prefixes {
		if strings.HasPrefix(diagnosis, prefix) {
			return true
		}
	}
	return false
}

// listPage is the page of the entries.
type listPage struct {
	Actor access.Actor
	List  []phoned.Record
	More  bool
	Page  int
	Now   time.Time
}

func (p *Pages) list(w http.ResponseWriter, r *http.Request) error {
	l := listPage{Actor: access.ActorOf(r.Context()), Page: web.PageNumber(r), Now: p.Service.DB.Now()}
	var err error
	if l.List, l.More, err = p.Service.List(r.Context(), l.Actor, (l.Page-1)*50); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, listView(l))
}

// of leads from a referral to its entry.
func (p *Pages) of(w http.ResponseWriter, r *http.Request) error {
	id, err := p.Service.CheckOf(r.Context(), access.ActorOf(r.Context()), r.PathValue("referral"))
	if err != nil {
		return err
	}
	return web.Redirect(w, r, "/phoned/"+id)
}

// checkPage is the page of one entry.
type checkPage struct {
	phoned.Record
	Full    referral.Full
	Actions []flow.Action
	Actor   access.Actor
	Values  url.Values
	Err     error
}

func (c checkPage) may(action string) bool {
	for _, a := range c.Actions {
		if a.Name == action || a.Name == flow.ActionClaim && action != phoned.ActByPhone {
			return true
		}
	}
	return false
}

func (p *Pages) read(r *http.Request) (c checkPage, err error) {
	c.Actor = access.ActorOf(r.Context())
	c.Record, c.Full, c.Actions, err = p.Service.Open(r.Context(), c.Actor, r.PathValue("id"))
	return c, err
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	c, err := p.read(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, checkView(c))
}

func (p *Pages) close(w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseForm(r); err != nil {
		return err
	}
	version, err := strconv.Atoi(web.Typed(r, "version"))
	if err != nil {
		version = 0 // refused as stale
	}
	ctx, actor, text := r.Context(), access.ActorOf(r.Context()), web.Typed(r, "text")
	ref := referral.Ref{ID: r.PathValue("id"), Version: version, Once: web.OnceToken(r)}
	done := ""
	switch r.PathValue("action") {
	case phoned.ActConfirm:
		_, err = p.Service.Confirm(ctx, actor, ref)
		done = "已核对无误，转诊单上已注明"
	case phoned.ActCorrect:
		_, err = p.Service.Correct(ctx, actor, ref, text)
		done = "更正已写到转诊单上，并通知了接收医院"
	case phoned.ActByPhone:
		_, err = p.Service.ConfirmByPhone(ctx, actor, ref, text)
		done = "已登记回电核对"
	default:
		return errs.E(errs.NotFound, "没有这项操作，请返回电话代录重新选择")
	}
	if err != nil {
		if stale, ok := errors.AsType[*flow.StaleError](err); ok && stale != nil || errs.Is(err, errs.Invalid) {
			c, again := p.read(r)
			if again != nil {
				return again
			}
			c.Err, c.Values = err, r.PostForm
			return web.Render(w, r, web.Status(err), checkView(c))
		}
		return err
	}
	web.Changed(w, "referral todo")
	web.Flash(w, r, web.Good, done)
	return web.Redirect(w, r, "/phoned/"+ref.ID)
}

// orgName is an institution's name in the list of those that may call.
func orgName(list []organization.Organization, id string) string {
	for _, o := range list {
		if o.ID == id {
			return o.Name
		}
	}
	return ""
}
