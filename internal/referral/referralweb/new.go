package referralweb

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/consent"
	"yilian/internal/contract"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/terminology"
	"yilian/internal/web"
)

// request is the page of a new referral.
type request struct {
	Actor      access.Actor
	Patient    patient.Page
	Contracted bool
	Draft      flow.Case // zero before the first save
	Values     url.Values
	Err        error
	Options    referral.Options
	Targets    []referral.Target
	Asked      referral.Asked
	Now        time.Time

	Interactions int
	ElapsedMS    int64
	Returned     string // what the reviewer wants corrected
}

// returned is what the reviewer wrote who gave a draft back last.
func returned(v *view) string {
	for _, e := range slices.Backward(v.Timeline) {
		switch e.Action {
		case referral.ActReturn:
			text := e.Name + "退回修改：" + e.ReasonTitle
			if e.Comment != "" {
				text += "，" + e.Comment
			}
			return text
		case referral.ActSubmit:
			return ""
		}
	}
	return ""
}

func (q request) value(name string) string { return q.Values.Get(name) }

// child reports whether a guardian has to sign (PIPL 31).
func (q request) child() bool { return q.Patient.Age(calendar.DateOf(q.Now)) < patient.GuardianAge }

func (p *Pages) newForm(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	if err := access.Require(actor, access.ReferralCreate, access.Own); err != nil {
		return err
	}
	id, draft := r.URL.Query().Get("patient"), r.URL.Query().Get("draft")
	if id == "" && draft == "" {
		return web.Redirect(w, r, "/patients")
	}
	q := request{Actor: actor}
	if draft == "" {
		open, last, err := p.earlier(ctx, actor, id)
		if err != nil {
			return err
		}
		if open != "" {
			web.Flash(w, r, web.Info, "已打开您为该患者保存的草稿")
			return web.Redirect(w, r, "/referrals/new?draft="+open)
		}
		q.Values = fresh(id, last)
	} else {
		v, err := p.read(ctx, actor, draft)
		if err != nil {
			return err
		}
		if v.Case.State != referral.StateDraft {
			return web.Redirect(w, r, "/referrals/"+draft)
		}
		id, q.Draft, q.Values, q.Returned = v.Case.Patient, v.Case, saved(v.Full), returned(v)
	}
	if err := p.fill(ctx, &q, id); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, newPage(q))
}

// earlier finds the actor's own open draft for a patient, and the last referral
// of his institution, whose history need not be typed again.
func (p *Pages) earlier(ctx context.Context, actor access.Actor, id string) (draft string, last *referral.Full, err error) {
	items, err := p.Service.ByPatient(ctx, actor, id)
	if err != nil {
		return "", nil, err
	}
	for _, i := range items {
		if i.Case.From.Org != actor.Org {
			continue
		}
		if i.Case.State == referral.StateDraft && i.Case.Owner == flow.PartyOf(actor).Person {
			return i.Case.ID, nil, nil
		}
		if last == nil && !i.SubmittedAt.IsZero() {
			full, err := p.Service.View(ctx, actor, i.Case.ID)
			if err != nil {
				return "", nil, err
			}
			last = &full
		}
	}
	return "", last, nil
}

// fresh is an empty request with what is known already.
func fresh(id string, last *referral.Full) url.Values {
	v := url.Values{"patient": {id}, "visit": {referral.Outpatient}, "consciousness": {"clear"}, "treatment": {"无"}}
	if last != nil {
		v.Set("past", last.Record.Request.Past)
		v.Set("allergies", last.Record.Request.Allergies)
	}
	return v
}

// saved is a stored draft as form values.
func saved(f referral.Full) url.Values {
	r := f.Record.Request
	v := url.Values{
		"patient": {f.Case.Patient}, "visit": {f.Record.Visit}, "urgency": {f.Case.Urgency}, "purpose": {f.Record.Purpose},
		"purpose_text": {r.PurposeText}, "indications": f.Record.Indications, "diagnosis": {f.Record.Diagnosis},
		"diagnosis_text": {f.Record.DiagnosisName}, "_suggested_for": {f.Record.Diagnosis}, "target_service": {f.Record.TargetService}, "chief": {r.Chief},
		"illness": {r.Illness}, "past": {r.Past}, "treatment": {r.Treatment}, "allergies": {r.Allergies},
		"consciousness": {r.Consciousness}, "transport": {r.Transport}, "admitted_on": {r.AdmittedOn},
	}
	if t := r.Vitals.Temperature; t != nil {
		v.Set("temperature", strconv.FormatFloat(*t, 'f', 1, 64))
	}
	for name, n := range map[string]*int{"pulse": r.Vitals.Pulse, "respiration": r.Vitals.Respiration,
		"systolic": r.Vitals.Systolic, "diastolic": r.Vitals.Diastolic, "spo2": r.Vitals.SpO2} {
		if n != nil {
			v.Set(name, strconv.Itoa(*n))
		}
	}
	groundValues(r, v)
	return v
}

// fill reads what the page shows beside the form: the patient, the lists, the
// places.
func (p *Pages) fill(ctx context.Context, q *request, id string) (err error) {
	if q.Patient, err = p.Service.Patients.Open(ctx, q.Actor, id, access.Refer); err != nil {
		return err
	}
	err = p.Service.DB.View(ctx, func(tx *db.Tx) (err error) {
		q.Now = tx.Now
		_, q.Contracted, err = contract.Active(ctx, tx, id, calendar.DateOf(tx.Now))
		return err
	})
	if err != nil {
		return err
	}
	if q.value("signed_by") == "" {
		q.Values.Set("signed_by", string(consent.Self))
		if q.child() {
			q.guardian()
		}
	}
	q.Values.Set("form", cmp.Or(q.value("form"), string(consent.Written)))
	if q.Options, err = p.Service.Options(ctx, q.Actor); err != nil {
		return err
	}
	return p.suggest(ctx, q, id)
}

// guardian enters the registered guardian of a child as signer.
func (q *request) guardian() {
	q.Values.Set("signed_by", string(consent.Guardian))
	for _, r := range q.Patient.Relations {
		if r.Guardian && r.Current(calendar.DateOf(q.Now)) {
			q.Values.Set("signer", r.Name)
			q.Values.Set("relation", r.Kind)
			return
		}
	}
}

// suggest derives from diagnosis and urgency what the doctor would have to look
// up: indications by ICD-10 prefix, the places that take the patient, and the
// summary as long as nobody has rewritten it.
func (p *Pages) suggest(ctx context.Context, q *request, id string) (err error) {
	if q.value("diagnosis") == "" || q.value("urgency") == "" {
		q.Targets = nil
	} else if q.Targets, err = p.Service.Targets(ctx, q.Actor, referral.Need{Patient: id, Diagnosis: q.value("diagnosis"), Urgency: q.value("urgency")}); err != nil {
		return err
	}
	if q.value("diagnosis") != q.value("_suggested_for") {
		chosen := q.Values["indications"]
		q.Values["indications"] = nil
		for _, c := range matching(q.Options.Indications, q.value("diagnosis")) {
			q.Values.Add("indications", c.Code)
		}
		for _, c := range general(q.Options.Indications) {
			if slices.Contains(chosen, c.Code) {
				q.Values.Add("indications", c.Code)
			}
		}
	}
	q.Values.Set("_suggested_for", q.value("diagnosis"))
	chosen := func(t referral.Target) bool { return t.Service.ID == q.value("target_service") }
	if !slices.ContainsFunc(q.Targets, chosen) {
		q.Values.Del("target_service")
		offered := shown(q.Targets, "")
		if i := slices.IndexFunc(offered, func(t referral.Target) bool { return t.Problem == "" }); i >= 0 {
			q.Values.Set("target_service", offered[i].Service.ID)
		}
	}
	built := q.summary()
	if q.value("illness") == "" || q.value("illness") == q.value("_illness_built") {
		q.Values.Set("illness", built)
	}
	q.Values.Set("_illness_built", built)
	return p.ground(ctx, q, id)
}

// matching are the indications that a diagnosis suggests.
func matching(list []policy.Code, code string) []policy.Code {
	var out []policy.Code
	for _, c := range list {
		if slices.ContainsFunc(c.Prefixes, func(prefix string) bool { return code != "" && strings.HasPrefix(code, prefix) }) {
			out = append(out, c)
		}
	}
	return out
}

// general are the indications that belong to no specialty.
func general(list []policy.Code) []policy.Code {
	return slices.DeleteFunc(slices.Clone(list), func(c policy.Code) bool { return len(c.Prefixes) > 0 })
}

// summary is the present illness built from what is known; the doctor edits it.
func (q request) summary() string {
	chief := strings.TrimRight(q.value("chief"), "。 ")
	if chief == "" {
		return ""
	}
	text := "患者因“" + chief + "”就诊。"
	if v := vitalsText(vitals(q.Values, nil)); v != "" {
		text += "查体：" + v + "。"
	}
	if d := q.value("diagnosis_text"); d != "" {
		text += "初步诊断：" + d + "。"
	}
	var reasons []string
	for _, c := range q.Options.Indications {
		if slices.Contains(q.Values["indications"], c.Code) {
			reasons = append(reasons, c.Title)
		}
	}
	if len(reasons) > 0 {
		text += "转诊指征：" + join(reasons) + "。"
	}
	return text + "为进一步诊治转诊。"
}

// suggestions answers a changed diagnosis, urgency or complaint.
func (p *Pages) suggestions(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	if err := r.ParseForm(); err != nil {
		return errs.Because(err, errs.Invalid, "提交的内容无法识别，请刷新页面后重试")
	}
	q := request{Actor: actor, Values: r.PostForm}
	var err error
	if q.Options, err = p.Service.Options(ctx, actor); err != nil {
		return err
	}
	if err := p.suggest(ctx, &q, q.value("patient")); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, suggested(q))
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

// parse reads the form of a request.
func parse(form url.Values) (referral.Form, error) {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	var wrong errs.Form
	f := referral.Form{
		Patient: text("patient"), Visit: text("visit"), Urgency: text("urgency"), Purpose: text("purpose"),
		Indications: form["indications"], Diagnosis: text("diagnosis"), TargetService: text("target_service"),
		Request: referral.Request{
			Chief: text("chief"), Illness: text("illness"), Past: text("past"), Treatment: text("treatment"), Allergies: text("allergies"),
			Vitals: vitals(form, &wrong), Consciousness: text("consciousness"), Transport: text("transport"),
			PurposeText: text("purpose_text"), AdmittedOn: text("admitted_on"),
		},
	}
	grounded(form, &f.Request, &wrong)
	if f.Diagnosis == "" && text("diagnosis_text") != "" {
		if code, ok := terminology.Get(text("diagnosis_text")); ok {
			f.Diagnosis = code.Code
		} else {
			wrong.Add("diagnosis", "请从列表中选择诊断：“%s”不是编码，可输入名称、拼音首字母或 ICD-10 编码后选择", text("diagnosis_text"))
		}
	}
	return f, wrong.Err()
}

// vitals reads what was measured; an empty field was not.
func vitals(form url.Values, wrong *errs.Form) referral.Vitals {
	var v referral.Vitals
	bad := func(name, label string) {
		if wrong != nil {
			wrong.Add(name, "%s请填数字，未测请留空", label)
		}
	}
	if s := strings.TrimSpace(form.Get("temperature")); s != "" {
		if t, err := strconv.ParseFloat(s, 64); err == nil && t > 0 && t < 100 {
			v.Temperature = &t
		} else {
			bad("temperature", "体温")
		}
	}
	for _, x := range []struct {
		name, label string
		into        **int
	}{{"pulse", "脉搏", &v.Pulse}, {"respiration", "呼吸", &v.Respiration}, {"systolic", "收缩压", &v.Systolic}, {"diastolic", "舒张压", &v.Diastolic}, {"spo2", "血氧饱和度", &v.SpO2}} {
		s := strings.TrimSpace(form.Get(x.name))
		if s == "" {
			continue
		}
		if n, err := strconv.Atoi(s); err == nil && n > 0 && n < 1000 {
			*x.into = &n
		} else {
			bad(x.name, x.label)
		}
	}
	return v
}

// create saves or sends a request. Each step carries its own token made from
// the form's, so that the form sent twice is one referral.
func (p *Pages) create(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	if err := r.ParseForm(); err != nil {
		return errs.Because(err, errs.Invalid, "提交的内容无法识别，请刷新页面后重试")
	}
	if err := access.Require(actor, access.ReferralCreate, access.Own); err != nil {
		return err
	}
	c, err := p.keep(ctx, actor, r)
	if err != nil {
		return p.again(w, r, actor, c, err)
	}
	web.Changed(w, "referral todo")
	switch r.PostFormValue("do") {
	case "draft":
		web.Flash(w, r, web.Good, "草稿 "+c.Number+" 已保存，7 天内可继续填写")
		return web.Redirect(w, r, "/referrals/new?draft="+c.ID)
	case "refuse":
		web.Flash(w, r, web.Good, "已登记患者拒绝转诊，请打印拒绝转诊告知书并请患者签字")
	default:
		if n, elapsed, ok := web.Measured(r); ok && p.Measured != nil {
			p.Measured(ctx, n, elapsed)
		}
		web.Flash(w, r, web.Good, "转诊 "+c.Number+" 已提交")
	}
	return web.Redirect(w, r, "/referrals/"+c.ID+"/receipt")
}

// keep runs the use cases behind the button that was pressed. The draft that it
// returns with an error is what has been kept all the same.
func (p *Pages) keep(ctx context.Context, actor access.Actor, r *http.Request) (flow.Case, error) {
	do, once := r.PostFormValue("do"), web.OnceToken(r)
	token := func(step string) string {
		if once == "" {
			return ""
		}
		return once + "." + step
	}
	f, err := parse(r.PostForm)
	if err != nil {
		return flow.Case{}, err
	}
	if f.TargetService != "" {
		targets, err := p.Service.Targets(ctx, actor, referral.Need{Patient: f.Patient, Diagnosis: f.Diagnosis, Urgency: f.Urgency})
		if err != nil {
			return flow.Case{}, err
		}
		f.Request.Choices = choices(targets, r.PostForm["shown"], f.TargetService)
	}
	c, err := p.draft(ctx, actor, r, f, token)
	if err != nil || do == "draft" {
		return c, err
	}
	ref := referral.Ref{ID: c.ID, Version: c.Version, Once: token("send")}
	if do == "refuse" {
		done, err := p.Service.RefuseConsent(ctx, actor, ref, signature(r.PostForm))
		return orDraft(done, c, err)
	}
	if advice := referral.EmergencyAdvice(f.Urgency); advice != "" {
		return c, wrongField("urgency", advice)
	}
	if r.PostFormValue("consent") != "" {
		signed := signature(r.PostForm)
		signed.Reason, signed.Detail = "", ""
		f.Consent = &signed
	}
	done, err := p.Service.Submit(ctx, actor, ref, &f)
	return orDraft(done, c, err)
}

// orDraft is the case after a step, or the draft that stands when it failed.
func orDraft(done, draft flow.Case, err error) (flow.Case, error) {
	if err != nil {
		return draft, err
	}
	return done, nil
}

// draft opens the draft, or names the one that the page already has.
func (p *Pages) draft(ctx context.Context, actor access.Actor, r *http.Request, f referral.Form, token func(string) string) (flow.Case, error) {
	id := r.PostFormValue("draft")
	if id == "" {
		return p.Service.Draft(ctx, actor, f, token("draft"))
	}
	version, err := strconv.Atoi(r.PostFormValue("version"))
	if err != nil {
		return flow.Case{}, errs.E(errs.Invalid, "页面已过期，请从转诊工作列表重新打开这份草稿")
	}
	c, err := p.Service.Save(ctx, actor, referral.Ref{ID: id, Version: version, Once: token("save")}, f)
	if err != nil {
		return flow.Case{ID: id, Version: version}, err
	}
	return c, nil
}

// again shows the form with what is wrong and everything that was typed.
func (p *Pages) again(w http.ResponseWriter, r *http.Request, actor access.Actor, draft flow.Case, cause error) error {
	kind := errs.KindOf(cause)
	if stale, ok := errors.AsType[*flow.StaleError](cause); ok {
		kind, draft = errs.Conflict, stale.Case
	}
	if kind != errs.Invalid && kind != errs.Conflict || r.PostFormValue("patient") == "" {
		return cause
	}
	if draft.ID == "" {
		draft.ID = r.PostFormValue("draft")
		draft.Version, _ = strconv.Atoi(r.PostFormValue("version")) // a version that cannot be read is 0 and refused as stale
	}
	q := request{Actor: actor, Draft: draft, Values: r.PostForm, Err: cause}
	if n, elapsed, ok := web.Measured(r); ok {
		q.Interactions, q.ElapsedMS = n, elapsed.Milliseconds()
	}
	if err := p.fill(r.Context(), &q, r.PostFormValue("patient")); err != nil {
		return err
	}
	return web.Render(w, r, web.Status(cause), newPage(q))
}

// receipt says what happens now: whose turn, by when, what to print.
func (p *Pages) receipt(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	v, err := p.read(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, receiptPage(v))
}
