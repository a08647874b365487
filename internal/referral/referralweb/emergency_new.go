package referralweb

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/rescue"
	"yilian/internal/web"
)

// urgent is the one-screen form of an emergency.
type urgentForm struct {
	Actor   access.Actor
	Patient patient.Patient // zero: not known to the platform
	Draft   flow.Case
	Back    bool // 补录
	Values  url.Values
	Err     error
	Places  []referral.Destination
	Options referral.Options
	Reasons []policy.Code
	Why     []policy.Code // of a back-entry
	Now     time.Time
	Basis   string

	Interactions int
	ElapsedMS    int64
}

func (u urgentForm) value(name string) string { return u.Values.Get(name) }

func (u urgentForm) lane() rescue.Lane { return rescue.Get(u.value("lane")) }

// chosen is the hospital that is marked: the typed one, else the first.
func (u urgentForm) chosen() string {
	service := u.value("target_service")
	if slices.ContainsFunc(u.Places, func(d referral.Destination) bool { return d.Service.ID == service }) {
		return service
	}
	if len(u.Places) > 0 {
		return u.Places[0].Service.ID
	}
	return ""
}

func (p *Pages) emergencyForm(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	q := r.URL.Query()
	u := urgentForm{Actor: actor, Values: url.Values{"patient": {q.Get("patient")}, "draft": {q.Get("draft")}, "back": {q.Get("back")}, "urgency": {"I"}}}
	if err := p.fillUrgent(r.Context(), &u); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, urgentView(u))
}

// fillUrgent reads what the form shows. A patient whom the actor may not open
// is sent off all the same: his name stays hidden until then.
func (p *Pages) fillUrgent(ctx context.Context, u *urgentForm) error {
	if err := access.Require(u.Actor, access.ReferralCreate, access.Own); err != nil {
		return err
	}
	u.Now, u.Back = p.Service.DB.Now(), u.value("back") != ""
	if id := u.value("draft"); id != "" {
		full, err := p.Service.View(ctx, u.Actor, id)
		if err != nil {
			return err
		}
		u.Draft, u.Patient = full.Case, full.Patient
		if u.value("version") == "" {
			u.Values.Set("version", strconv.Itoa(full.Case.Version))
			u.Values.Set("condition", full.Record.Request.Chief)
		}
	} else if id := u.value("patient"); id != "" {
		found, err := p.Service.EmergencyPatient(ctx, u.Actor, id)
		switch {
		case errs.Is(err, errs.Forbidden):
			u.Patient = patient.Patient{ID: id}
		case err != nil:
			return err
		default:
			u.Patient = found
		}
	}
	var err error
	if u.Places, err = p.Service.Destinations(ctx, u.Actor, u.value("lane")); err != nil {
		return err
	}
	if u.Options, err = p.Service.Options(ctx, u.Actor); err != nil {
		return err
	}
	u.Reasons, u.Why, u.Basis = u.Options.Emergencies, u.Options.Reasons[referral.ActBackEntry], p.laneBasis(ctx, u.Actor)
	return nil
}

// laneChanged answers a chosen lane: the hospitals in its order, and its
// first-aid fields.
func (p *Pages) laneChanged(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return errs.Because(err, errs.Invalid, "提交的内容无法识别，请刷新页面后重试")
	}
	actor, _ := access.ActorFrom(r.Context())
	u := urgentForm{Actor: actor, Values: r.PostForm}
	u.Values.Del("target_service") // the first of the lane, unless another is chosen
	if err := p.fillUrgent(r.Context(), &u); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, lanePart(u))
}

// sendOff sends the patient off, or writes a back-entry.
func (p *Pages) sendOff(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	if err := r.ParseForm(); err != nil {
		return errs.Because(err, errs.Invalid, "提交的内容无法识别，请刷新页面后重试")
	}
	f := emergencyOf(r.PostForm)
	var c flow.Case
	var err error
	if r.PostFormValue("back") != "" {
		var wrong errs.Form
		b := referral.BackEntryForm{EmergencyForm: f, ArrivedAt: when(r.PostForm, "arrived_at", "到院时间", &wrong),
			ReceivedBy: r.PostFormValue("received_by"), Why: r.PostFormValue("reason"), Comment: r.PostFormValue("comment")}
		if err = wrong.Err(); err == nil {
			c, err = p.Service.BackEntry(ctx, actor, b, web.OnceToken(r))
		}
	} else {
		c, err = p.Service.SendEmergency(ctx, actor, f, web.OnceToken(r))
	}
	if err != nil {
		return p.urgentAgain(w, r, actor, err)
	}
	if n, elapsed, ok := web.Measured(r); ok && p.Measured != nil {
		p.Measured(ctx, n, elapsed)
	}
	web.Changed(w, "referral todo")
	if c.State == referral.StateArrived {
		web.Flash(w, r, web.Good, "补录 "+c.Number+" 已保存，没有发出任何呼叫和消息")
	} else {
		web.Flash(w, r, web.Good, "紧急转诊 "+c.Number+" 已发出，正在呼叫"+c.To.OrgName+"的值班人。知情同意请按时补办，已列入待办")
	}
	return web.Redirect(w, r, "/referrals/"+c.ID)
}

func (p *Pages) urgentAgain(w http.ResponseWriter, r *http.Request, actor access.Actor, cause error) error {
	if k := errs.KindOf(cause); k != errs.Invalid && k != errs.Conflict {
		return cause
	}
	u := urgentForm{Actor: actor, Values: r.PostForm, Err: cause}
	if n, elapsed, ok := web.Measured(r); ok {
		u.Interactions, u.ElapsedMS = n, elapsed.Milliseconds()
	}
	if err := p.fillUrgent(r.Context(), &u); err != nil {
		return err
	}
	return web.Render(w, r, web.Status(cause), urgentView(u))
}

// emergencyOf reads the form; what cannot be read comes along as words.
func emergencyOf(form url.Values) referral.EmergencyForm {
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	f := referral.EmergencyForm{
		Patient: text("patient"), Nameless: text("nameless") != "", Lane: text("lane"), Reason: text("emergency_reason"), Urgency: text("urgency"),
		Service: text("target_service"), Condition: text("condition"), Treatment: text("treatment"), Vitals: vitals(form, nil),
		Consciousness: text("consciousness"), Transport: text("transport"), Escort: text("escort"), EscortPhone: text("escort_phone"),
		Unknown: patient.Unknown{Name: text("name"), Sex: text("sex"), Age: text("age"), IDNumber: text("id_number"), Phone: text("phone")},
		Fields:  map[string]string{},
	}
	if id := text("draft"); id != "" {
		version, err := strconv.Atoi(text("version"))
		if err != nil {
			version = 0 // refused as stale, with the present state
		}
		f.Draft, f.Patient = referral.Ref{ID: id, Version: version}, ""
	}
	for _, field := range rescue.Get(f.Lane).Fields {
		f.Fields[field.Code] = text("lane_" + field.Code)
	}
	for _, m := range []struct {
		name, label string
		read        bool
	}{{"temperature", "体温", f.Vitals.Temperature != nil}, {"pulse", "脉搏", f.Vitals.Pulse != nil}, {"respiration", "呼吸", f.Vitals.Respiration != nil},
		{"systolic", "收缩压", f.Vitals.Systolic != nil}, {"diastolic", "舒张压", f.Vitals.Diastolic != nil}, {"spo2", "血氧", f.Vitals.SpO2 != nil}} {
		if raw := text(m.name); raw != "" && !m.read {
			f.Unread = append(f.Unread, m.label+" "+raw)
		}
	}
	return f
}
