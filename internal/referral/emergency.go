package referral

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/rescue"
)

// EmergencyForm is what is said of a patient in danger of life. Only who and
// where must be known; whatever else is wrong or missing is left out or kept as
// words, and the patient goes.
type EmergencyForm struct {
	Draft     Ref    // a draft that turns out to be an emergency; zero: opened now
	Patient   string // id; empty: Unknown is registered first
	Unknown   patient.Unknown
	Nameless  bool   // nothing at all is known of the person
	Lane      string // code of rescue.Lanes; empty: another emergency
	Reason    string // code of referral.reason.emergency; empty: the lane's
	Urgency   string // I or II; anything else is I
	Service   string // id of the chosen organization.HealthcareService
	Condition string
	Treatment string

	Vitals        Vitals
	Consciousness string
	Transport     string
	Fields        map[string]string // of the lane
	Escort        string
	EscortPhone   string
	Unread        []string // what was typed and could not be read as a measurement
}

// BackEntryForm is an emergency that is written down after the patient has
// arrived (补录).
type BackEntryForm struct {
	EmergencyForm
	ArrivedAt  time.Time
	ReceivedBy string // who received the patient
	Why        string // code of referral.reason.back_entry
	Comment    string
}

// Emergency is what an emergency has beyond a referral.
type Emergency struct {
	Lane, Reason string
	BackEntry    bool
	SentAt       time.Time
	Round        int       // rises with every diversion
	AlertedAt    time.Time // when the people of this round were first called
	Step         int       // how far the alarm has climbed: 1, 2, 3
	AckAt        time.Time // when somebody of the receiving side confirmed
	AckBy        string
	AckName      string
	AckHow       string        // AckPlatform, or a code of AgreedWays
	Waited       time.Duration // from sending to the first confirmation; 0: none yet
	ConsentCase  string        // the task of the missing consent
	Detail       EmergencyDetail
	Handover     Handover
}

// AckPlatform is how who presses the button confirms.
const AckPlatform = "button"

// EmergencyDetail is sealed at rest.
type EmergencyDetail struct {
	Fields      map[string]string `json:"fields,omitempty"`
	Unread      []string          `json:"unread,omitempty"`
	Escort      string            `json:"escort,omitempty"`
	EscortPhone string            `json:"escort_phone,omitempty"`
	ReceivedBy  string            `json:"received_by,omitempty"` // of a back-entry
}

// Acknowledged reports whether the receiving side has confirmed.
func (e *Emergency) Acknowledged() bool { return e != nil && !e.AckAt.IsZero() }

// offers reports whether an action is left: nobody confirms twice.
func (e *Emergency) offers(action string) bool {
	return !e.Acknowledged() || (action != ActAcknowledgeED && action != ActAcknowledgePhone)
}

const keyEmergencies = "referral.reason.emergency"

// SendEmergency sends a patient off: no review, consent, slot, duplicate, phone
// rule or missing field stands in the way. The people on call are alerted at
// once, and the consent follows as a task of its own (BASE-clock).
func (s *Service) SendEmergency(ctx context.Context, actor access.Actor, form EmergencyForm, once string) (flow.Case, error) {
	return s.urgently(ctx, actor, form, false, once, func(ctx context.Context, w *work) error {
		return w.off(ctx, form)
	})
}

// BackEntry writes down a patient who has arrived already: no alarm rings, no
// message is sent, and lists and counts mark it.
func (s *Service) BackEntry(ctx context.Context, actor access.Actor, form BackEntryForm, once string) (flow.Case, error) {
	return s.urgently(ctx, actor, form.EmergencyForm, true, once, func(ctx context.Context, w *work) error {
		var f errs.Form
		f.Require("received_by", form.ReceivedBy, "接收的人（医院的接诊医生或护士）")
		switch {
		case form.ArrivedAt.IsZero():
			f.Add("arrived_at", "请填写到院时间")
		case form.ArrivedAt.After(w.tx.Now):
			f.Add("arrived_at", "到院时间晚于现在：还没有到院的请用“紧急转诊”")
		case form.ArrivedAt.Before(w.tx.Now.AddDate(-1, 0, 0)):
			f.Add("arrived_at", "到院时间早于一年以前，请核对")
		}
		w.reason(&f, ActBackEntry, form.Why, form.Comment)
		if err := f.Err(); err != nil {
			return err
		}
		to := w.c.To
		w.r.ArrivedAt, w.r.ArrivedBy, w.r.ArrivedHow = form.ArrivedAt, strings.TrimSpace(form.ReceivedBy), arrivedBackEntry
		w.r.Emergency.BackEntry, w.r.Emergency.Detail.ReceivedBy = true, w.r.ArrivedBy
		mv := w.sent(form.EmergencyForm)
		mv.Reason, mv.Comment, mv.Anchor, mv.Responsible, mv.Silent = form.Why, form.Comment, form.ArrivedAt, &to, true
		if err := w.act(ctx, ActBackEntry, mv); err != nil {
			return err
		}
		return w.oweConsent(ctx)
	})
}

// How a patient's arrival was established without code or identity card.
const (
	arrivedHandover  = "handover"
	arrivedBackEntry = "back_entry"
)

// urgently opens an emergency, or takes over the draft that becomes one, and
// lets fn send it.
func (s *Service) urgently(ctx context.Context, actor access.Actor, form EmergencyForm, silent bool, once string, fn func(context.Context, *work) error) (flow.Case, error) {
	var out flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		c, done, err := flow.Done(ctx, tx, once)
		if err != nil || done {
			out = c
			return err
		}
		if err := access.Require(actor, access.ReferralCreate, access.Own); err != nil {
			return err
		}
		from, err := party(ctx, tx, actor)
		if err != nil {
			return err
		}
		w, err := s.whoAndWhere(ctx, tx, actor, actor, form, silent)
		if err != nil {
			return err
		}
		w.describe(form)
		if err := w.begin(ctx, from, silent, once); err != nil {
			return err
		}
		if err := fn(ctx, w); err != nil {
			return err
		}
		out = w.c
		return nil
	})
	return out, err
}

// SendEmergencyForTx sends a patient off for an institution that has telephoned
// because it has nobody at the system: in the name of acting, with the same
// alarm. form.Patient must be known.
func (s *Service) SendEmergencyForTx(ctx context.Context, tx *db.Tx, from flow.Party, form EmergencyForm, acting access.Actor) (flow.Case, error) {
	if form.Patient == "" {
		return flow.Case{}, fieldErr("patient", "请先登记患者，身份不明的按已知情况登记")
	}
	form.Draft = Ref{}
	w, err := s.whoAndWhere(ctx, tx, Derived{For: from}.doctor(acting), acting, form, false)
	if err != nil {
		return flow.Case{}, err
	}
	w.describe(form)
	if err := w.begin(ctx, from, false, ""); err != nil {
		return flow.Case{}, err
	}
	err = w.off(ctx, form)
	return w.c, err
}

// off sends the patient off: the alarm rings, and the consent is owed.
func (w *work) off(ctx context.Context, form EmergencyForm) error {
	if err := w.act(ctx, ActEmergency, w.sent(form)); err != nil {
		return err
	}
	if err := w.oweConsent(ctx); err != nil {
		return err
	}
	return w.raise(ctx)
}

// whoAndWhere finds the patient and the hospital: the only two things that an
// emergency cannot go without. sender is whose patient it is, acting who enters
// it: the same person, or a clerk for a caller.
func (s *Service) whoAndWhere(ctx context.Context, tx *db.Tx, sender, acting access.Actor, form EmergencyForm, silent bool) (*work, error) {
	w := &work{s: s, tx: tx, actor: sender}
	if form.Draft.ID != "" {
		var err error
		if w, err = s.fromDraft(ctx, tx, sender, form.Draft, silent); err != nil {
			return nil, err
		}
	} else if place, err := s.place(ctx, tx, sender); err != nil {
		return nil, err
	} else {
		w.c.Place = place
	}
	var f errs.Form
	if err := w.destined(ctx, form.Service, &f); err != nil {
		return nil, err
	}
	if w.c.Patient == "" && form.Patient == "" && !form.Nameless && form.Unknown == (patient.Unknown{}) {
		f.Add("patient", "请选择患者；身份不明的请勾选“身份不明”，系统先按已知情况登记")
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	w.actor = acting
	return w, w.who(ctx, form)
}

// fromDraft takes over the draft that becomes an emergency. A draft that was
// changed meanwhile, or that a colleague holds, does not hold the patient up: he
// goes with what it says on a case of his own, and the draft stays a draft.
func (s *Service) fromDraft(ctx context.Context, tx *db.Tx, actor access.Actor, draft Ref, silent bool) (*work, error) {
	w, err := s.open(ctx, tx, actor, draft, access.Refer)
	if err != nil {
		return nil, err
	}
	action := ActEmergency
	if silent {
		action = ActBackEntry
	}
	_, err = s.Flow.Check(ctx, tx, actor, draft.ID, draft.Version, action)
	if errs.Is(err, errs.Conflict) && w.c.State == StateDraft && !silent {
		c := flow.Case{Patient: w.c.Patient, Place: w.c.Place}
		r := Record{Request: w.r.Request, Diagnosis: w.r.Diagnosis, DiagnosisName: w.r.DiagnosisName}
		return &work{s: s, tx: tx, actor: actor, c: c, r: r}, nil
	}
	return w, err
}

// who fills in the patient. A patient of whom the institution knows nothing is
// opened all the same: the glass is broken, and the privacy officer sees it.
func (w *work) who(ctx context.Context, form EmergencyForm) error {
	if w.c.Patient != "" {
		return nil
	}
	id := form.Patient
	if id == "" {
		p, err := w.s.Patients.RegisterUnknownTx(ctx, w.tx, w.actor, form.Unknown)
		if err != nil {
			return err
		}
		id = p.ID
	}
	if _, err := w.s.Patients.Get(ctx, w.tx, id); errs.Is(err, errs.NotFound) {
		return fieldErr("patient", "没有找到这位患者，请重新选择，或勾选“身份不明”")
	} else if err != nil {
		return err
	}
	w.c.Patient = id
	return w.s.Patients.RequireRelation(ctx, w.tx, w.actor, id, "紧急转诊，须立即送上级医院抢救")
}

// destined takes over the chosen service: any one of another institution will do.
func (w *work) destined(ctx context.Context, service string, f *errs.Form) error {
	h, err := organization.GetService(ctx, w.tx, service)
	if errs.Is(err, errs.NotFound) {
		f.Add("target_service", "请选择送往哪家医院")
		return nil
	}
	if err != nil {
		return err
	}
	if h.Org == w.actor.Org {
		f.Add("target_service", "不能送往本机构，请选择其他医院")
		return nil
	}
	party, org, err := w.party(ctx, h)
	if err != nil {
		return err
	}
	from, err := organization.Get(ctx, w.tx, w.actor.Org)
	if err != nil {
		return err
	}
	allies, err := alliance.Allies(ctx, w.tx, from.ID, calendar.DateOf(w.tx.Now))
	if err != nil {
		return err
	}
	w.c.To, w.r.TargetService, w.r.TargetPhone = party, h.ID, org.ReferralPhone
	w.r.Direction = directionOf(from.Kind, org.Kind, slices.Contains(allies, org.ID))
	return nil
}

// party is a service's institution and department as a party.
func (w *work) party(ctx context.Context, h organization.HealthcareService) (flow.Party, organization.Organization, error) {
	org, err := organization.Get(ctx, w.tx, h.Org)
	if err != nil {
		return flow.Party{}, org, err
	}
	dept, err := organization.GetDepartment(ctx, w.tx, h.Department)
	return flow.Party{Org: org.ID, OrgName: org.Name, Department: dept.ID, DepartmentName: dept.Name}, org, err
}

// describe takes over what is known of the condition. Nothing in it refuses.
func (w *work) describe(form EmergencyForm) {
	lane := rescue.Get(form.Lane)
	unread := append(slices.Clone(form.Unread), form.Vitals.tolerate()...)
	fields, wrong := lane.Clean(form.Fields)
	w.r.Emergency = &Emergency{
		Lane: lane.Code, Reason: w.emergencyReason(lane, form.Reason), SentAt: w.tx.Now, Round: 1,
		Detail: EmergencyDetail{Fields: fields, Unread: append(unread, wrong...), Escort: cut(form.Escort, 40), EscortPhone: cut(form.EscortPhone, 20)},
	}
	q := &w.r.Request
	if text := cut(form.Condition, maxText); text != "" {
		q.Chief = text
	}
	if text := cut(form.Treatment, maxText); text != "" {
		q.Treatment = text
	}
	if form.Vitals != (Vitals{}) {
		q.Vitals = form.Vitals
	}
	if slices.ContainsFunc(Consciousnesses(), func(c Code) bool { return c.Code == form.Consciousness }) {
		q.Consciousness = form.Consciousness
	}
	if list, err := w.s.Flow.Codes(keyTransports, w.c.Place, w.tx.Now); err == nil && hasCode(list, form.Transport) {
		q.Transport = form.Transport
	}
	w.c.Urgency = "I"
	if form.Urgency == "II" {
		w.c.Urgency = "II"
	}
	w.r.underWay = "" // a second emergency of the same patient is no duplicate
}

// emergencyReason is the coded reason, the lane's where none is given.
func (w *work) emergencyReason(lane rescue.Lane, code string) string {
	list, err := w.s.Flow.Codes(keyEmergencies, w.c.Place, w.tx.Now)
	if err == nil && hasCode(list, code) {
		return code
	}
	if lane.Reason != "" {
		return lane.Reason
	}
	return "other"
}

func hasCode(list []policy.Code, code string) bool {
	return code != "" && slices.ContainsFunc(list, func(c policy.Code) bool { return c.Code == code })
}

// tolerate drops measurements that cannot be and returns them as words.
func (v *Vitals) tolerate() []string {
	var f errs.Form
	v.check(&f)
	e, ok := errors.AsType[*errs.Error](f.Err())
	if !ok {
		return nil
	}
	var out []string
	for _, field := range e.Fields {
		switch {
		case field.Name == "temperature" && v.Temperature != nil:
			out = append(out, fmt.Sprintf("体温 %.1f", *v.Temperature))
			v.Temperature = nil
		default:
			for _, m := range []struct {
				name, label string
				value       **int
			}{{"pulse", "脉搏", &v.Pulse}, {"respiration", "呼吸", &v.Respiration}, {"systolic", "收缩压", &v.Systolic}, {"diastolic", "舒张压", &v.Diastolic}, {"spo2", "血氧", &v.SpO2}} {
				if m.name == field.Name && *m.value != nil {
					out = append(out, fmt.Sprintf("%s %d", m.label, **m.value))
					*m.value = nil
				}
			}
		}
	}
	return out
}

func cut(text string, most int) string {
	r := []rune(strings.TrimSpace(text))
	return string(r[:min(len(r), most)])
}

// begin opens the case of an emergency that was no draft.
func (w *work) begin(ctx context.Context, from flow.Party, silent bool, once string) error {
	if w.c.ID != "" {
		w.ref.Once = once
		return nil
	}
	if err := w.contracted(ctx); err != nil {
		return err
	}
	p, err := w.s.Patients.Get(ctx, w.tx, w.c.Patient)
	if err != nil {
		return err
	}
	c, err := w.s.Flow.Open(ctx, w.tx, w.actor, flow.Opening{
		Kind: Kind, Patient: p.ID, Subject: subject(p, calendar.DateOf(w.tx.Now)), Urgency: w.c.Urgency, Silent: silent,
		From: from, To: w.c.To, Place: w.c.Place, Once: once,
	})
	if err != nil {
		return err
	}
	w.c, w.was, w.r.ID, w.r.Patient, w.ref = c, c, c.ID, p.ID, Ref{ID: c.ID, Version: c.Version}
	return w.s.insert(ctx, w.tx, w.r)
}

// sent is the move that sends the patient off.
func (w *work) sent(form EmergencyForm) flow.Move {
	mv := w.addressed()
	e := w.r.Emergency
	mv.Comment = strings.Join(slices.DeleteFunc([]string{rescue.Get(e.Lane).Title, cut(form.Condition, 200)}, func(s string) bool { return s == "" }), "：")
	return mv
}
