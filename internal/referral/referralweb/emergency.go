package referralweb

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
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/referral"
	"yilian/internal/referral/referralcount"
	"yilian/internal/rescue"
	"yilian/internal/web"
)

// AlarmPath is where every page of people who may be called asks for the alarm,
// AlarmTopic the topic of the event stream on which it asks again.
const (
	AlarmPath  = "/emergency/alarm"
	AlarmTopic = "referral"
)

// emergencyRoutes registers the pages of emergencies.
func (p *Pages) emergencyRoutes(site *web.Site) {
	site.Handle("GET /emergency", p.board)
	site.Handle("POST /emergency", p.sendOff)
	site.Handle("GET "+AlarmPath, p.alarm)
	site.Handle("GET /emergency/new", p.emergencyForm)
	site.Handle("POST /emergency/new/lane", p.laneChanged)
	site.Handle("GET /emergency/status/{id}", p.status)
	site.Handle("POST /emergency/ack/{id}", p.acknowledge)
	site.Handle("POST /emergency/call/{id}", p.called)
	site.Handle("GET /emergency/handover/{id}", p.handoverForm)
	site.Handle("POST /emergency/handover/{id}", p.handover)
	site.Handle("GET /emergency/consents/{id}", p.consentTask)
	site.Handle("POST /emergency/consents/{id}", p.signLater)
	site.Handle("GET /emergency/lists", p.rescueLists)
	site.Handle("POST /emergency/lists", p.saveRescueList)
	site.Menu(
		web.Item{Group: "业务协同", Title: "紧急转诊", Icon: "ambulance", Path: "/emergency/new", Order: 18, Rights: []string{string(access.ReferralCreate)}},
		web.Item{Group: "业务协同", Title: "急诊看板", Icon: "urgent", Path: "/emergency", Order: 19,
			Rights: []string{string(access.ReferralCreate), string(access.ReferralEmergency), string(access.ReferralArrive)}},
		web.Item{Group: "机构与人员", Title: "急救呼叫名单", Icon: "phone", Path: "/emergency/lists", Order: 615, Rights: []string{string(access.OrganizationEdit)}},
	)
}

// ownPages are the actions that are taken elsewhere than under the address of
// the case: the new referral, the emergency form, the telephone list.
var ownPages = []string{referral.ActSubmit, referral.ActEmergency, referral.ActBackEntry, referral.ActAcknowledgePhone, referral.ActCompleteDown}

// boardPage is the emergency board with who looks at it.
type boardPage struct {
	referral.Board
	Actor access.Actor
}

func (p *Pages) board(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	b, err := p.Service.Emergencies(r.Context(), actor)
	if err != nil {
		return err
	}
	page := boardPage{b, actor}
	if r.Header.Get("HX-Request") != "" && r.URL.Query().Get("live") != "" {
		return web.Render(w, r, http.StatusOK, boardBody(page))
	}
	return web.Render(w, r, http.StatusOK, boardView(page))
}

// alarm answers the red bar, empty for whom nothing rings.
func (p *Pages) alarm(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	list, err := p.Service.Alarm(r.Context(), actor)
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return web.Render(w, r, http.StatusOK, alarmBar(list))
}

// posted reads the version and the token of a form about a case.
func posted(r *http.Request) (referral.Ref, error) {
	if err := r.ParseForm(); err != nil {
		return referral.Ref{}, errs.Because(err, errs.Invalid, "提交的内容无法识别，请刷新页面后重试")
	}
	version, err := strconv.Atoi(r.PostFormValue("version"))
	if err != nil {
		return referral.Ref{}, errs.E(errs.Invalid, "页面已过期，请重新打开这张单子再办理")
	}
	return referral.Ref{ID: r.PathValue("id"), Version: version, Once: web.OnceToken(r)}, nil
}

// acknowledge is the big button of bar and board.
func (p *Pages) acknowledge(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	ref, err := posted(r)
	if err != nil {
		return err
	}
	c, err := p.Service.AcknowledgeEmergency(ctx, actor, ref, "")
	if err != nil {
		return err
	}
	web.Changed(w, "referral todo")
	web.Flash(w, r, web.Good, "已确认接收 "+c.Number+"，呼叫已停止。请准备接诊")
	return web.Redirect(w, r, "/referrals/"+c.ID)
}

// status answers the live part of an emergency's page.
func (p *Pages) status(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	v, err := p.read(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	if v.Rescue == nil || !web.IsFragment(r) {
		return web.Redirect(w, r, "/referrals/"+v.Case.ID)
	}
	return web.Render(w, r, http.StatusOK, rescueStatus(v))
}

// called keeps one telephone call of the sender.
func (p *Pages) called(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	ref, err := posted(r)
	if err != nil {
		return err
	}
	call := referral.Call{Name: r.PostFormValue("name"), Phone: r.PostFormValue("phone"), Result: r.PostFormValue("result")}
	if _, err := p.Service.RecordCall(ctx, actor, ref, call); err != nil {
		return p.refused(w, r, actor, referral.ActAcknowledgePhone, err)
	}
	web.Flash(w, r, web.Good, "已记录："+call.Name+" "+referral.Title(referral.CallResults(), call.Result))
	web.Changed(w, "referral todo")
	return p.after(w, r, actor, ref.ID)
}

// handoverPage is the transport hand-over form being filled in.
type handoverPage struct {
	*view
	Values url.Values
	Err    error
}

func (h handoverPage) value(name string) string { return h.Values.Get(name) }

func (p *Pages) handoverForm(w http.ResponseWriter, r *http.Request) error {
	actor, _ := access.ActorFrom(r.Context())
	v, err := p.read(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	if v.Rescue == nil {
		return errs.E(errs.NotFound, "这张转诊单不是急诊转诊，没有转运交接单")
	}
	return web.Render(w, r, http.StatusOK, handoverView(handoverPage{view: v, Values: handoverValues(v)}))
}

// handoverValues are what the form has, the departure out of the request where
// nothing has been written yet.
func handoverValues(v *view) url.Values {
	h := v.Rescue.Handover
	if h.Version == 0 {
		h.Departure, h.Drugs = signs(v.Record.Request.Vitals), v.Record.Request.Treatment
		h.Departure.Consciousness = consciousness(v.Record.Request.Consciousness)
		h.HandedBy, h.Vehicle = v.Rescue.Detail.Escort, v.Titles.Transport
	}
	out := url.Values{"handover_version": {strconv.Itoa(h.Version)}}
	for name, at := range map[string]time.Time{"departed_at": h.DepartedAt, "arrived_at": h.ArrivedAt, "handed_at": h.HandedAt} {
		if !at.IsZero() {
			out.Set(name, at.In(calendar.Shanghai).Format(localTime))
		}
	}
	for name, s := range map[string]string{"treatment": h.Treatment, "drugs": h.Drugs, "lines": h.Lines, "belongings": h.Belongings,
		"vehicle": h.Vehicle, "handed_by": h.HandedBy, "taken_by": h.TakenBy, "remarks": h.Remarks} {
		out.Set(name, s)
	}
	for prefix, s := range map[string]referral.Signs{"out_": h.Departure, "in_": h.Arrival} {
		for name, value := range map[string]string{"temperature": s.Temperature, "pulse": s.Pulse, "respiration": s.Respiration,
			"pressure": s.Pressure, "spo2": s.SpO2, "consciousness": s.Consciousness} {
			out.Set(prefix+name, value)
		}
	}
	return out
}

// localTime is how browsers send date and time.
const localTime = "2006-01-02T15:04"

// when reads a date and time of a form; empty is zero.
func when(form url.Values, name, label string, f *errs.Form) time.Time {
	text := strings.TrimSpace(form.Get(name))
	if text == "" {
		return time.Time{}
	}
	at, err := time.ParseInLocation(localTime, strings.Replace(text, " ", "T", 1), calendar.Shanghai)
	if err != nil {
		f.Add(name, "%s请按 2026-03-02 09:30 的样子填写", label)
	}
	return at
}

// signs are measured values as they stand on paper.
func signs(v referral.Vitals) referral.Signs {
	number := func(n *int) string {
		if n == nil {
			return ""
		}
		return strconv.Itoa(*n)
	}
	s := referral.Signs{Pulse: number(v.Pulse), Respiration: number(v.Respiration), SpO2: number(v.SpO2)}
	if v.Temperature != nil {
		s.Temperature = strconv.FormatFloat(*v.Temperature, 'f', 1, 64)
	}
	if v.Systolic != nil || v.Diastolic != nil {
		s.Pressure = number(v.Systolic) + "/" + number(v.Diastolic)
	}
	return s
}

func (p *Pages) handover(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	if err := r.ParseForm(); err != nil {
		return errs.Because(err, errs.Invalid, "提交的内容无法识别，请刷新页面后重试")
	}
	id, form := r.PathValue("id"), r.PostForm
	var f errs.Form
	text := func(name string) string { return strings.TrimSpace(form.Get(name)) }
	side := func(prefix string) referral.Signs {
		return referral.Signs{Temperature: text(prefix + "temperature"), Pulse: text(prefix + "pulse"), Respiration: text(prefix + "respiration"),
			Pressure: text(prefix + "pressure"), SpO2: text(prefix + "spo2"), Consciousness: text(prefix + "consciousness")}
	}
	version, err := strconv.Atoi(text("handover_version"))
	if err != nil {
		return errs.E(errs.Invalid, "页面已过期，请重新打开交接单")
	}
	h := referral.Handover{
		Version: version, DepartedAt: when(form, "departed_at", "出发时间", &f), ArrivedAt: when(form, "arrived_at", "到达时间", &f),
		HandedAt: when(form, "handed_at", "交接时间", &f), Departure: side("out_"), Arrival: side("in_"),
		Treatment: text("treatment"), Drugs: text("drugs"), Lines: text("lines"), Belongings: text("belongings"), Vehicle: text("vehicle"),
		HandedBy: text("handed_by"), TakenBy: text("taken_by"), Remarks: text("remarks"),
	}
	if err = f.Err(); err == nil {
		_, err = p.Service.RecordHandover(ctx, actor, id, h)
	}
	if err != nil {
		if k := errs.KindOf(err); k != errs.Invalid && k != errs.Conflict {
			return err
		}
		v, again := p.read(ctx, actor, id)
		if again != nil {
			return err
		}
		return web.Render(w, r, web.Status(err), handoverView(handoverPage{view: v, Values: form, Err: err}))
	}
	web.Flash(w, r, web.Good, "转运交接单已保存，可以打印")
	return web.Redirect(w, r, "/referrals/"+id)
}

// consentPage is the task of a missing consent.
type consentPage struct {
	referral.ConsentTask
	Actor  access.Actor
	Values url.Values
	Err    error
	Now    time.Time
}

func (p *Pages) consentTask(w http.ResponseWriter, r *http.Request) error {
	return p.showConsent(w, r, url.Values{}, nil)
}

func (p *Pages) showConsent(w http.ResponseWriter, r *http.Request, typed url.Values, cause error) error {
	actor, _ := access.ActorFrom(r.Context())
	t, err := p.Service.ConsentTask(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	status := http.StatusOK
	if cause != nil {
		status = web.Status(cause)
	}
	return web.Render(w, r, status, consentView(consentPage{t, actor, typed, cause, p.Service.DB.Now()}))
}

func (p *Pages) signLater(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	actor, _ := access.ActorFrom(ctx)
	ref, err := posted(r)
	if err != nil {
		return err
	}
	signed := signature(r.PostForm)
	signed.Refused = r.PostFormValue("refused") != ""
	if !signed.Refused {
		signed.Reason = ""
	}
	c, err := p.Service.SignLater(ctx, actor, ref, signed)
	if err != nil {
		if _, stale := errors.AsType[*flow.StaleError](err); stale || errs.KindOf(err) == errs.Invalid || errs.KindOf(err) == errs.Conflict {
			return p.showConsent(w, r, r.PostForm, err)
		}
		return err
	}
	web.Changed(w, "referral todo")
	web.Flash(w, r, web.Good, "知情同意已补办")
	return web.Redirect(w, r, "/referrals/"+c.BasedOn)
}

// urgencyFilter are the levels of a worklist, emergencies among them.
func urgencyFilter() []web.Option {
	return append([]web.Option{{Value: "I", Text: referral.UrgencyTitle("I")}}, fixed(referral.Urgencies())...)
}

// urgentNote marks emergencies and back-entries among the counts.
func urgentNote(c referralcount.Counts) string {
	var out []string
	if c.Emergencies > 0 {
		text := "急诊 " + strconv.FormatInt(c.Emergencies, 10) + " 例"
		if c.Confirmed.N > 0 {
			text += "（确认用时中位 " + seconds(c.Confirmed.Median) + "）"
		}
		out = append(out, text)
	}
	if c.BackEntries > 0 {
		out = append(out, "补录 "+strconv.FormatInt(c.BackEntries, 10)+" 例")
	}
	return strings.Join(out, "，")
}

// laneBasis is the note that says what the lanes rest on.
func (p *Pages) laneBasis(ctx context.Context, actor access.Actor) string {
	var out string
	err := p.Service.DB.View(ctx, func(tx *db.Tx) error {
		var err error
		out, err = p.Service.LaneBasis(ctx, tx, actor)
		return err
	})
	if err != nil {
		return ""
	}
	return out
}

// lanesOption are the lanes of a form, the others last.
func lanesOption() []rescue.Lane { return append(rescue.Lanes(), rescue.Get(rescue.General)) }
