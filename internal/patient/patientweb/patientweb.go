// Package patientweb is the face of the master index: the search, the form that
// enters a person, the patient page with its reveal buttons, relatives, labels
// and who looked.
package patientweb

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/contract"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/pinyin"
	"yilian/internal/region"
	"yilian/internal/web"
)

// Section adds a part to the patient page: referrals, messages, visits. It runs
// in the transaction that has decided that the actor may see the patient; nil
// shows nothing.
type Section func(ctx context.Context, tx *db.Tx, actor access.Actor, patientID string) (templ.Component, error)

// Summary is the view of a minute at the top of the patient page; it runs in
// the same transaction and knows the decision (page.Grant).
type Summary func(ctx context.Context, tx *db.Tx, actor access.Actor, page patient.Page) (templ.Component, error)

type face struct {
	svc      *patient.Service
	summary  Summary
	sections []Section
}

// Routes adds the pages of persons and their entry in the menu. summary (nil:
// none) stands first on the patient page, sections follow in their order.
func Routes(site *web.Site, svc *patient.Service, summary Summary, sections ...Section) {
	f := &face{svc: svc, summary: summary, sections: sections}
	site.Menu(web.Item{Group: "居民与签约", Title: "患者", Icon: "users", Path: "/patients", Order: 300,
		Rights: []string{string(access.PatientSearch)}})
	site.Handle("GET /patients", f.search)
	site.Handle("GET /patients/new", f.newForm)
	site.Handle("GET /patients/identify", f.identify)
	site.Handle("GET /patients/places", f.places)
	site.Handle("POST /patients", f.register)
	site.Handle("GET /patients/{id}", f.show)
	site.Handle("GET /patients/{id}/reveal/{what}", f.reveal)
	site.Handle("POST /patients/{id}/break", f.breakGlass)
	site.Handle("GET /patients/{id}/edit", f.editForm)
	site.Handle("POST /patients/{id}", f.update)
	site.Handle("POST /patients/{id}/deceased", f.deceased)
	site.Handle("GET /patients/{id}/relations/new", f.relationForm)
	site.Handle("POST /patients/{id}/relations", f.addRelation)
	site.Handle("POST /patients/{id}/relations/{relation}/end", f.endRelation)
	site.Handle("POST /patients/{id}/labels", f.setLabel)
	site.Handle("POST /patients/{id}/labels/{label}/void", f.voidLabel)
}

func may(ctx context.Context, right access.Right) bool {
	return access.Has(access.Role(access.ActorOf(ctx).Role), right)
}

type searchPage struct {
	Query    string
	Result   patient.Result
	Hint     string // what is wrong with the words
	Register bool
}

func (f *face) search(w http.ResponseWriter, r *http.Request) error {
	p := searchPage{Query: strings.TrimSpace(r.URL.Query().Get("q")), Register: may(r.Context(), access.PatientRegister)}
	if err := access.Require(access.ActorOf(r.Context()), access.PatientSearch, access.Any); err != nil {
		return err
	}
	if p.Query != "" {
		var err error
		p.Result, err = f.svc.Search(r.Context(), access.ActorOf(r.Context()), p.Query)
		if errs.Is(err, errs.Invalid) { // half-typed words are no fault, the list says what is missing
			p.Hint, err = err.Error(), nil
		}
		if err != nil {
			return err
		}
	}
	return web.Render(w, r, http.StatusOK, searchView(p))
}

type formPage struct {
	ID        string // "" when registering
	Version   int64
	Name      string // as stored, for the title
	Masked    patient.Patient
	Form      patient.Registration
	Place     string
	Cover     string
	Err       error
	Duplicate string        // id of the person with the same paper
	Possible  []patient.Hit // same name and birth date
	Today     calendar.Date
}

func (p formPage) action() string {
	if p.ID == "" {
		return "/patients"
	}
	return "/patients/" + p.ID
}

func (f *face) today() calendar.Date { return calendar.DateOf(f.svc.DB.Now()) }

func (f *face) newForm(w http.ResponseWriter, r *http.Request) error {
	if err := access.Require(access.ActorOf(r.Context()), access.PatientRegister, access.Any); err != nil {
		return err
	}
	p := formPage{Today: f.today(), Form: patient.Registration{IDType: patient.IDCard, Ethnic: "01", InsuranceKind: patient.Resident,
		InsurancePlace: region.Lingling}}
	if q := strings.TrimSpace(r.URL.Query().Get("q")); q != "" { // what was searched in vain is not typed again
		if _, err := idcard.Parse(q); err == nil {
			p.Form.IDNumber = q
		} else if q[0] > 127 {
			p.Form.Name = q
		}
	}
	if err := f.complete(r.Context(), &p); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, formView(p))
}

// identify answers what an identity number says, while it is being typed. Sex
// and birth date that a person types stay as they are: only the note changes,
// or a slow answer would wipe out what was typed since the question.
func (f *face) identify(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	form := patient.Registration{IDType: q.Get("id_type"), IDNumber: q.Get("id_number"), Sex: q.Get("sex"), BirthDate: q.Get("birth_date")}
	d := identityOf(form, f.today())
	if !d.Known && q.Get("from_card") == "" {
		w.Header().Set("HX-Retarget", "#identity-note")
		return web.Render(w, r, http.StatusOK, identityNote(d))
	}
	return web.Render(w, r, http.StatusOK, identity(d))
}

// derived is what the identity block shows.
type derived struct {
	patient.Registration
	Known bool // sex and birth date come from the card
	Age   string
	Child bool
	Wrong string // what is wrong with a number that is being typed
	Err   error  // of the submitted form
}

func identityOf(form patient.Registration, today calendar.Date) derived {
	d := derived{Registration: form}
	if form.IDType == patient.IDCard {
		number := idcard.Normalize(form.IDNumber)
		id, err := idcard.ParseOn(number, string(today))
		switch {
		case err == nil:
			d.Known, d.IDNumber, d.Sex, d.BirthDate = true, id.Number, id.Sex, id.Birth
		case len(number) >= 18: // complete, so the defect is worth saying
			d.Wrong = err.Error()
		}
	}
	if birth, err := calendar.ParseDate(d.BirthDate); err == nil && birth <= today {
		d.Age = web.Age(d.BirthDate, string(today))
		d.Child = patient.AgeOn(birth, today) < patient.GuardianAge
	}
	return d
}

// places suggests villages by name or initials.
func (f *face) places(w http.ResponseWriter, r *http.Request) error {
	q := strings.TrimSpace(r.URL.Query().Get("q"))
	for _, name := range []string{"region_text", "insurance_place_text"} { // the combo sends its own field
		if q == "" {
			q = strings.TrimSpace(r.URL.Query().Get(name))
		}
	}
	var out []web.Suggestion
	err := f.svc.DB.View(r.Context(), func(tx *db.Tx) error {
		towns, err := region.AtLevel(r.Context(), tx, region.Town, "")
		if err != nil {
			return err
		}
		names := map[string]string{}
		for _, t := range towns {
			names[t.Code] = t.Name
		}
		villages, err := region.AtLevel(r.Context(), tx, region.Village, "")
		for _, v := range villages {
			full := names[v.Parent] + v.Name
			if len(out) < 12 && (strings.Contains(full, q) || strings.HasPrefix(pinyin.Initials(v.Name), strings.ToLower(q))) {
				out = append(out, web.Suggestion{Code: v.Code, Text: full, Note: v.Code})
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, web.Suggestions(out))
}

func parseForm(r *http.Request) patient.Registration {
	get := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	place := get("region")
	if place == "" { // typed but not chosen: refused by name, not lost
		place = get("region_text")
	}
	return patient.Registration{
		Name: get("name"), IDType: get("id_type"), IDNumber: get("id_number"), Sex: get("sex"), BirthDate: get("birth_date"),
		Phone: get("phone"), SafePhone: get("safe_phone"), SafeHow: get("safe_how"), Address: get("address"), Region: place,
		Ethnic: get("ethnic"), InsuranceKind: get("insurance_kind"), InsurancePlace: get("insurance_place"),
		Guardian:  patient.NewRelation{Kind: get("guardian_kind"), Name: get("guardian_name"), Phone: get("guardian_phone"), Household: true},
		Confirmed: get("confirmed") != "",
	}
}

func (f *face) register(w http.ResponseWriter, r *http.Request) error {
	form := parseForm(r)
	saved, err := f.svc.Register(r.Context(), access.ActorOf(r.Context()), form)
	if err != nil {
		return f.again(w, r, formPage{Form: form}, err)
	}
	web.Flash(w, r, web.Good, "已为"+saved.Name+"建档")
	return web.Redirect(w, r, "/patients/"+saved.ID)
}

// again shows the form with what is wrong and what was typed.
func (f *face) again(w http.ResponseWriter, r *http.Request, p formPage, err error) error {
	if !errs.Correctable(err) {
		return err
	}
	p.Err, p.Today = err, f.today()
	if d, ok := errors.AsType[*patient.Duplicate](err); ok {
		p.Duplicate = d.ID
	}
	if d, ok := errors.AsType[*patient.Possible](err); ok {
		p.Possible = d.Hits
	}
	if err := f.complete(r.Context(), &p); err != nil {
		return err
	}
	return web.Render(w, r, web.Status(err), formView(p))
}

// complete fills the names of the chosen places.
func (f *face) complete(ctx context.Context, p *formPage) error {
	return f.svc.DB.View(ctx, func(tx *db.Tx) error {
		for _, c := range []struct {
			code string
			into *string
		}{{p.Form.Region, &p.Place}, {p.Form.InsurancePlace, &p.Cover}} {
			if c.code == "" {
				continue
			}
			line, err := region.Line(ctx, tx, c.code)
			if errs.Is(err, errs.NotFound) {
				*c.into = c.code
				continue
			}
			if err != nil {
				return err
			}
			*c.into = line[0].Name
			if line[0].Level == region.Village {
				*c.into = line[1].Name + line[0].Name
			}
		}
		return nil
	})
}

func (f *face) editForm(w http.ResponseWriter, r *http.Request) error {
	if err := access.Require(access.ActorOf(r.Context()), access.PatientRegister, access.Any); err != nil {
		return err
	}
	page, err := f.svc.Open(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), access.Register)
	if err != nil {
		return err
	}
	p := formPage{ID: page.ID, Version: page.Version, Name: page.Name, Masked: page.Patient, Today: f.today(), Form: stored(page.Patient)}
	if err := f.complete(r.Context(), &p); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, formView(p))
}

// stored is the form of what is stored; sealed numbers stay away from it.
func stored(p patient.Patient) patient.Registration {
	return patient.Registration{Name: p.Name, IDType: p.IDType, Sex: p.Sex, BirthDate: string(p.BirthDate), SafeHow: p.SafeHow,
		Address: p.Address, Region: p.Region, Ethnic: p.Ethnic, InsuranceKind: p.InsuranceKind, InsurancePlace: p.InsurancePlace}
}

func (f *face) update(w http.ResponseWriter, r *http.Request) error {
	id, form := r.PathValue("id"), parseForm(r)
	if r.PostFormValue("safe_remove") != "" {
		form.SafePhone = "-"
	}
	_, err := f.svc.Update(r.Context(), access.ActorOf(r.Context()), id, web.Version(r), form)
	if err == nil {
		web.Flash(w, r, web.Good, "资料已保存")
		return web.Redirect(w, r, "/patients/"+id)
	}
	masked, got := db.Read(r.Context(), f.svc.DB, f.svc.Get, id)
	if got != nil {
		return got
	}
	return f.again(w, r, formPage{ID: id, Version: web.Version(r), Name: masked.Name, Masked: masked, Form: form}, err)
}

type showPage struct {
	patient.Page
	Contract contract.Contract
	Signed   bool // Contract is in force
	Summary  templ.Component
	Sections []templ.Component
	Now      calendar.Date

	Edit, Reveal, Refer, Sign, Label bool
}

func (f *face) show(w http.ResponseWriter, r *http.Request) error {
	id, who := r.PathValue("id"), access.ActorOf(r.Context())
	p := showPage{Edit: may(r.Context(), access.PatientRegister), Reveal: may(r.Context(), access.PatientReveal),
		Refer: may(r.Context(), access.ReferralCreate), Sign: may(r.Context(), access.ContractSign)}
	err := f.svc.DB.View(r.Context(), func(tx *db.Tx) (err error) {
		if p.Page, err = f.svc.OpenTx(r.Context(), tx, who, id, access.Look); err != nil {
			return err
		}
		p.Now = p.Today
		p.Label = p.Grant.Direct && may(r.Context(), access.PatientLabels)
		if p.Contract, p.Signed, err = contract.Active(r.Context(), tx, id, p.Today); err != nil {
			return err
		}
		if f.summary != nil {
			if p.Summary, err = f.summary(r.Context(), tx, who, p.Page); err != nil {
				return err
			}
		}
		for _, s := range f.sections {
			c, err := s(r.Context(), tx, who, id)
			if err != nil {
				return err
			}
			if c != nil {
				p.Sections = append(p.Sections, c)
			}
		}
		return nil
	})
	if errs.Is(err, errs.Forbidden) && access.May(who, access.PatientBreak, access.Any) {
		return web.Render(w, r, http.StatusForbidden, closedView(id, err.Error(), may(r.Context(), access.ReferralCreate)))
	}
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, showView(p))
}

func (f *face) reveal(w http.ResponseWriter, r *http.Request) error {
	secret, err := f.svc.Reveal(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"))
	if err != nil {
		return err
	}
	text := map[string]string{"id": secret.IDNumber, "phone": secret.Phone, "safe": secret.SafePhone}[r.PathValue("what")]
	if text == "" {
		return errs.E(errs.NotFound, "没有登记这个号码")
	}
	return web.Render(w, r, http.StatusOK, web.Revealed(text))
}

func (f *face) breakGlass(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := f.svc.BreakGlass(r.Context(), access.ActorOf(r.Context()), id, r.PostFormValue("comment")); err != nil {
		return err
	}
	web.Flash(w, r, web.Warn, "已紧急调阅，本次调阅已留痕，已通知隐私专员和审计员")
	return web.Redirect(w, r, "/patients/"+id)
}

// done answers an act on the patient page: back to it, or the error.
func (f *face) done(w http.ResponseWriter, r *http.Request, err error, text string) error {
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, text)
	return web.Redirect(w, r, "/patients/"+r.PathValue("id"))
}

func (f *face) deceased(w http.ResponseWriter, r *http.Request) error {
	day := calendar.Date(web.Typed(r, "deceased_on"))
	_, err := f.svc.MarkDeceased(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), day, r.PostFormValue("comment"))
	return f.done(w, r, err, "已登记")
}

type relationPage struct {
	Patient patient.Patient
	Rel     patient.NewRelation
	Err     error
}

func (f *face) relationForm(w http.ResponseWriter, r *http.Request) error {
	page, err := f.svc.Open(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), access.Register)
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, relationView(relationPage{Patient: page.Patient, Rel: patient.NewRelation{Household: true}}))
}

func (f *face) addRelation(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	n := patient.NewRelation{Kind: r.PostFormValue("kind"), OtherID: r.PostFormValue("other_id"), Name: r.PostFormValue("name"),
		Phone: r.PostFormValue("phone"), Guardian: r.PostFormValue("guardian") != "", Household: r.PostFormValue("household") != ""}
	_, err := f.svc.AddRelation(r.Context(), access.ActorOf(r.Context()), id, n)
	if errs.Is(err, errs.Invalid) {
		p := relationPage{Rel: n, Err: err}
		p.Patient.ID = id
		return web.Render(w, r, web.Status(err), relationView(p))
	}
	return f.done(w, r, err, "家属已登记")
}

func (f *face) endRelation(w http.ResponseWriter, r *http.Request) error {
	err := f.svc.EndRelation(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), r.PathValue("relation"), r.PostFormValue("comment"))
	return f.done(w, r, err, "关系已结束")
}

func (f *face) setLabel(w http.ResponseWriter, r *http.Request) error {
	err := f.svc.SetLabel(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), patient.Label(r.PostFormValue("reason")), r.PostFormValue("comment"))
	return f.done(w, r, err, "敏感标记已添加")
}

func (f *face) voidLabel(w http.ResponseWriter, r *http.Request) error {
	err := f.svc.VoidLabel(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), patient.Label(r.PathValue("label")), r.PostFormValue("comment"))
	return f.done(w, r, err, "敏感标记已撤销")
}

func options(codes []patient.Code) []web.Option {
	return web.Choices(codes, func(c patient.Code) (string, string) { return c.Code, c.Title })
}

// labelOptions leaves out what follows from the birth date.
func labelOptions() []web.Option {
	return web.TitledChoices(slices.DeleteFunc(patient.Labels(), func(l patient.Label) bool { return l == patient.Minor }))
}
