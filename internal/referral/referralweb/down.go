package referralweb

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/consent"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/web"
)

// downRoutes registers the pages of the way down.
func downRoutes(site *web.Site, p *Pages) {
	site.Handle("GET /down/new", p.downNew)
	site.Handle("POST /down", p.downSend)
	site.Handle("GET /down/{id}/follow", p.followForm)
	site.Handle("POST /down/{id}/follow", p.follow)
	site.Handle("GET /down/{id}/outside", p.outsideForm)
	site.Handle("POST /down/{id}/phone", p.phoneEntry)
	site.Handle("POST /down/{id}/link", p.makeLink)
	site.Handle("GET /following", p.following)
	site.Handle("GET /down-questions/{id}", p.question)
	site.Handle("POST /down-questions/{id}/reply", p.reply)
	site.Handle("POST /down-questions/{id}/claim", p.claimQuestion)
	site.Handle("GET /down-candidates", p.candidates)
	site.Handle("GET /down-candidates/{$}", p.candidates)
	site.Handle("POST /down-candidates/{id}", p.markFit)
	site.Handle("GET /down-capability", p.capability)
	site.Handle("POST /down-capability", p.saveCapability)
	site.Public("GET /continue/{token}", p.openLink)
	site.Public("POST /continue/{token}", p.answerLink)
	right := func(r access.Right) []string { return []string{string(r)} }
	site.Menu(
		web.Item{Group: "业务协同", Title: "下转候选", Icon: "arrow-down-left", Path: "/down-candidates", Order: 23, Rights: right(access.ReferralDown)},
		web.Item{Group: "业务协同", Title: "我下转的患者", Icon: "user-check", Path: "/following", Order: 24, Rights: right(access.ReferralFollow)},
		web.Item{Group: "业务协同", Title: "下转接收能力", Icon: "building-hospital", Path: "/down-capability", Order: 25, Rights: right(access.ReferralCapability)},
	)
}

// The rows of the form for medicines and follow-ups.
const (
	medicineRows = 6
	visitRows    = 4
)

// downPage is the form by which a patient is sent down.
type downPage struct {
	Actor   access.Actor
	Patient patient.Page
	Up      flow.Case // the up-referral that is completed with it; zero: none
	Draft   flow.Case
	Record  referral.Record // of Up
	Values  url.Values
	Err     error
	Options referral.DownOptions
	Targets []referral.DownTarget
}

func (q downPage) value(name string) string { return q.Values.Get(name) }

func (q downPage) row(name string, i int) string {
	if list := q.Values[name]; i < len(list) {
		return list[i]
	}
	return ""
}

func (p *Pages) downNew(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	if err := access.Require(actor, access.ReferralCreate, access.Own); err != nil {
		return err
	}
	q := downPage{Actor: actor, Values: url.Values{"patient": {r.URL.Query().Get("patient")}}}
	for _, x := range []string{"case", "draft"} {
		id := r.URL.Query().Get(x)
		if id == "" {
			continue
		}
		full, err := p.Service.View(ctx, actor, id)
		if err != nil {
			return err
		}
		if x == "case" {
			q.Values = downFresh(full)
			q.Values.Set("case", id)
		} else {
			q.Values = downSaved(full)
			q.Values.Set("draft", id)
		}
		q.Values.Set("version", strconv.Itoa(full.Case.Version))
	}
	if q.value("patient") == "" {
		return web.Redirect(w, r, "/patients")
	}
	if err := p.downFill(ctx, &q); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, downNewPage(q))
}

// downFresh is a form with what the up-referral says already.
func downFresh(full referral.Full) url.Values {
	v := url.Values{"patient": {full.Case.Patient}, "diagnosis": {full.Record.Diagnosis}, "diagnosis_text": {full.Record.DiagnosisName}}
	var notes []string
	for _, n := range full.Notes {
		notes = append(notes, n.Text)
	}
	v.Set("done", strings.Join(notes, "\n"))
	return v
}

// downSaved is a stored draft as form values.
func downSaved(full referral.Full) url.Values {
	v := url.Values{
		"patient": {full.Case.Patient}, "diagnosis": {full.Record.Diagnosis}, "diagnosis_text": {full.Record.DiagnosisName},
		"reason": {full.Record.Purpose}, "reason_text": {full.Record.Request.PurposeText}, "indications": full.Record.Indications,
		"target_service": {full.Record.TargetService},
	}
	if full.Down == nil {
		return v
	}
	p := full.Down.Plan
	for name, text := range map[string]string{"done": p.Done, "next": p.Next, "red_flags": p.RedFlags, "rehab": p.Rehab, "nursing": p.Nursing, "until": p.Until} {
		v.Set(name, text)
	}
	for _, m := range p.Medicines {
		for name, text := range map[string]string{"med_name": m.Name, "med_dose": m.Dose, "med_frequency": m.Frequency, "med_quantity": m.Quantity, "med_days": strconv.Itoa(m.DaysLeft)} {
			v.Add(name, text)
		}
	}
	for _, x := range p.Visits {
		v.Add("visit_on", x.On)
		v.Add("visit_what", x.What)
	}
	return v
}

// downFill reads what the form chooses from.
func (p *Pages) downFill(ctx context.Context, q *downPage) (err error) {
	if q.Patient, err = p.Service.Patients.Open(ctx, q.Actor, q.value("patient"), access.Refer); err != nil {
		return err
	}
	if q.value("signed_by") == "" {
		q.Values.Set("signed_by", string(consent.Self))
		q.Values.Set("form", string(consent.Written))
	}
	if q.Options, err = p.Service.DownOptions(ctx, q.Actor); err != nil {
		return err
	}
	q.Targets, err = p.Service.DownTargets(ctx, q.Actor, referral.DownNeed{
		Patient: q.Patient.ID, Diagnosis: q.value("diagnosis"), Reason: q.value("reason"), Medicines: q.Values["med_name"],
	})
	if err != nil {
		return err
	}
	for _, x := range []struct {
		name string
		into *flow.Case
	}{{"case", &q.Up}, {"draft", &q.Draft}} {
		if id := q.value(x.name); id != "" {
			full, err := p.Service.View(ctx, q.Actor, id)
			if err != nil {
				return err
			}
			*x.into = full.Case
			if x.name == "case" {
				q.Record = full.Record
			}
		}
	}
	return nil
}

// downForm reads the form.
func downForm(form url.Values, targets []referral.DownTarget) (referral.DownForm, error) {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	row := func(name string, i int) string {
		if list := form[name]; i < len(list) {
			return strings.TrimSpace(list[i])
		}
		return ""
	}
	var wrong errs.Form
	f := referral.DownForm{
		Patient: text("patient"), Diagnosis: text("diagnosis"), Reason: text("reason"), ReasonText: text("reason_text"),
		Indications: form["indications"], TargetService: text("target_service"),
		Plan: referral.Plan{
			Done: text("done"), Next: text("next"), RedFlags: text("red_flags"), Rehab: text("rehab"), Nursing: text("nursing"), Until: text("until"),
		},
	}
	for i := range form["med_name"] {
		m := referral.Medicine{Name: row("med_name", i), Dose: row("med_dose", i), Frequency: row("med_frequency", i), Quantity: row("med_quantity", i)}
		if s := row("med_days", i); s != "" {
			n, err := strconv.Atoi(s)
			if err != nil {
				wrong.Add("medicines", "第 %d 种药的可用天数请填整数", i+1)
			}
			m.DaysLeft = n
		}
		f.Plan.Medicines = append(f.Plan.Medicines, m)
	}
	for i := range form["visit_on"] {
		f.Plan.Visits = append(f.Plan.Visits, referral.PlannedVisit{On: row("visit_on", i), What: row("visit_what", i)})
	}
	for _, t := range targets {
		if slices.Contains(form["shown"], t.Service.ID) || t.Service.ID == f.TargetService {
			f.Choices = append(f.Choices, referral.Choice{
				Org: t.Org.ID, OrgName: t.Org.Name, Service: t.Department.Name + " " + t.Service.Kind.Title(), Chosen: t.Service.ID == f.TargetService,
			})
		}
	}
	if form.Get("consent") != "" {
		signed := signature(form)
		signed.Reason, signed.Detail = "", ""
		f.Consent = &signed
	}
	return f, wrong.Err()
}

func (p *Pages) downSend(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	if err := web.ParseForm(r); err != nil {
		return err
	}
	c, err := p.downKeep(ctx, actor, r)
	if err == nil {
		web.Changed(w, "referral todo")
		if r.PostFormValue("do") == "draft" {
			web.Flash(w, r, web.Good, "下转草稿 "+c.Number+" 已保存")
			return web.Redirect(w, r, "/down/new?draft="+c.ID)
		}
		web.Flash(w, r, web.Good, "下转 "+c.Number+" 已送出，接收机构已收到通知")
		return web.Redirect(w, r, "/referrals/"+c.ID)
	}
	if !errs.Correctable(err) || r.PostFormValue("patient") == "" {
		return err
	}
	q := downPage{Actor: actor, Values: r.PostForm, Err: err}
	if ferr := p.downFill(ctx, &q); ferr != nil {
		return ferr
	}
	return web.Render(w, r, web.Status(err), downNewPage(q))
}

// downKeep runs the use case behind the button that was pressed.
func (p *Pages) downKeep(ctx context.Context, actor access.Actor, r *http.Request) (flow.Case, error) {
	targets, err := p.Service.DownTargets(ctx, actor, referral.DownNeed{Patient: r.PostFormValue("patient")})
	if err != nil {
		return flow.Case{}, err
	}
	f, err := downForm(r.PostForm, targets)
	if err != nil {
		return flow.Case{}, err
	}
	once, draft, up := web.OnceToken(r), r.PostFormValue("draft"), r.PostFormValue("case")
	ref := referral.Ref{ID: draft, Once: once}
	if draft+up != "" {
		if ref.Version, err = strconv.Atoi(r.PostFormValue("version")); err != nil {
			return flow.Case{}, errs.E(errs.Invalid, "页面已过期，请重新打开这张单子再办理")
		}
	}
	saving := r.PostFormValue("do") == "draft"
	switch {
	case up != "":
		ref.ID = up
		_, down, err := p.Service.CompleteDown(ctx, actor, ref, referral.Report{
			ResultCode: f.Diagnosis, RecordNumber: strings.TrimSpace(r.PostFormValue("record_number")), Exams: strings.TrimSpace(r.PostFormValue("exams")),
			Treatment: f.Plan.Done, Advice: f.Plan.Next, Phone: strings.TrimSpace(r.PostFormValue("phone")),
		}, f)
		return down, err
	case draft != "" && saving:
		return p.Service.SaveDown(ctx, actor, ref, f)
	case draft != "":
		return p.Service.SubmitDown(ctx, actor, ref, f)
	case saving:
		return p.Service.DraftDown(ctx, actor, f, once)
	}
	return p.Service.SendDown(ctx, actor, f, once)
}

// reasonOptions leaves out what no centre can declare as a skill.
func reasonOptions(list []policy.Code) []web.Option {
	return options(slices.DeleteFunc(slices.Clone(list), func(c policy.Code) bool { return c.Free || c.Code == "patient_wish" }))
}

// capabilityPage is what a centre declares.
type capabilityPage struct {
	Actor      access.Actor
	Capability referral.Capability
	Declared   bool
	Options    referral.DownOptions
	Err        error
}

func (p *Pages) capability(w http.ResponseWriter, r *http.Request) error {
	return p.showCapability(w, r, http.StatusOK, nil, nil)
}

func (p *Pages) showCapability(w http.ResponseWriter, r *http.Request, status int, typed *referral.Capability, cause error) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	if err := access.Require(actor, access.ReferralCapability, access.Own); err != nil {
		return err
	}
	q := capabilityPage{Actor: actor, Err: cause}
	err := p.Service.DB.View(ctx, func(tx *db.Tx) (err error) {
		q.Capability, q.Declared, err = referral.CapabilityOf(ctx, tx, actor.Org)
		return err
	})
	if err != nil {
		return err
	}
	if typed != nil {
		q.Capability.Beds, q.Capability.Skills, q.Capability.Medicines = typed.Beds, typed.Skills, typed.Medicines
	}
	if q.Options, err = p.Service.DownOptions(ctx, actor); err != nil {
		return err
	}
	return web.Render(w, r, status, capabilityView(q))
}

func (p *Pages) saveCapability(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	if err := web.ParseForm(r); err != nil {
		return err
	}
	c := referral.Capability{
		Version: web.Version(r), Beds: r.PostFormValue("beds") != "", Skills: r.PostForm["skills"],
		Medicines: strings.Split(strings.ReplaceAll(r.PostFormValue("medicines"), "\r", ""), "\n"),
	}
	if err := p.Service.SaveCapability(r.Context(), actor, c); err != nil {
		if errs.Correctable(err) {
			return p.showCapability(w, r, web.Status(err), &c, err)
		}
		return err
	}
	web.Flash(w, r, web.Good, "接收能力已公布，医院下转时优先看到")
	return web.Redirect(w, r, "/down-capability")
}

// candidatesPage is the morning list.
type candidatesPage struct {
	Actor   access.Actor
	Items   []referral.DownCandidate
	Options referral.DownOptions
}

func (p *Pages) candidates(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	q := candidatesPage{Actor: actor}
	var err error
	if q.Items, err = p.Service.DownCandidates(r.Context(), actor); err != nil {
		return err
	}
	if q.Options, err = p.Service.DownOptions(r.Context(), actor); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, candidatesView(q))
}

func (p *Pages) markFit(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	if err := web.ParseForm(r); err != nil {
		return err
	}
	version, err := strconv.Atoi(r.PostFormValue("version"))
	if err != nil {
		return errs.E(errs.Invalid, "页面已过期，请刷新名单后再选")
	}
	err = p.Service.MarkFit(r.Context(), actor, referral.Ref{ID: r.PathValue("id"), Version: version, Once: web.OnceToken(r)}, r.PostForm["indications"])
	if err != nil {
		return err
	}
	web.Flash(w, r, web.Good, "下转指征已记录")
	return web.Redirect(w, r, "/down-candidates")
}
