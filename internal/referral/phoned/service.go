package phoned

import (
	"context"
	"fmt"
	"strings"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/calls"
	"yilian/internal/consent"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/practitioner"
	"yilian/internal/referral"
)

// Service has the use cases of telephone entry. Set its fields, then call Init.
type Service struct {
	DB        *db.DB
	Flow      *flow.Engine
	Audit     *audit.Log
	Keys      *crypto.Keyring
	Patients  *patient.Service
	Referrals *referral.Service
	Calls     *calls.Service
}

// Init declares the machine of the check.
func (s *Service) Init() error { return s.Flow.Declare(Machine()) }

const keyReason = "referral.reason.phone_entry"

// entering is one telephone entry under way.
type entering struct {
	s      *Service
	tx     *db.Tx
	actor  access.Actor
	caller Caller
	from   flow.Party // in whose name the referral goes
	reason policy.Code
	org    organization.Organization
}

// acting is in whose name the machine moves: the clerk is of the receiving side
// and may not act for the sender; the program does, and says for whom.
func (e *entering) acting() access.Actor {
	return audit.Program("电话代录" + "（" + e.actor.Name + "）")
}

// Enter sends a referral that was telephoned in, in the name of the calling
// doctor, with the same checks as his own. The patient's consent is recorded as
// given by telephone.
func (s *Service) Enter(ctx context.Context, actor access.Actor, x Entry) (flow.Case, error) {
	return s.enter(ctx, actor, x.Caller, x.Once, func(ctx context.Context, e *entering) (flow.Case, error) {
		if err := e.ours(ctx, x.Form.TargetService); err != nil {
			return flow.Case{}, err
		}
		id, err := e.identify(ctx, x.Who)
		if err != nil {
			return flow.Case{}, err
		}
		form := x.Form
		form.Patient = id
		signed := x.Consent
		signed.Form, signed.SignedAt = consent.Telephone, e.caller.At
		form.Consent = &signed
		draft, err := s.Referrals.DeriveTx(ctx, e.tx, e.acting(), referral.Derived{Form: form, For: e.from, Once: x.Once})
		if err != nil {
			return draft, err
		}
		return s.Referrals.SendForTx(ctx, e.tx, draft, form, e.acting())
	})
}

// EnterUrgent sends off a patient in danger of life who was telephoned in: the
// alarm rings as for any other, and the consent follows.
func (s *Service) EnterUrgent(ctx context.Context, actor access.Actor, x Urgent) (flow.Case, error) {
	x.Caller = x.Caller.hurried(s.DB.Now())
	return s.enter(ctx, actor, x.Caller, x.Once, func(ctx context.Context, e *entering) (flow.Case, error) {
		if err := e.ours(ctx, x.Form.Service); err != nil {
			return flow.Case{}, err
		}
		p, err := s.Patients.RegisterUnknownTx(ctx, e.tx, actor, x.Unknown)
		if err != nil {
			return flow.Case{}, err
		}
		x.Form.Patient = p.ID
		return s.Referrals.SendEmergencyForTx(ctx, e.tx, e.from, x.Form, e.acting())
	})
}

// enter is what both have in common: who may, who has called, the call log, the
// mark on the referral, and the check.
func (s *Service) enter(ctx context.Context, actor access.Actor, caller Caller, once string, send func(context.Context, *entering) (flow.Case, error)) (flow.Case, error) {
	var out flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		done, ok, err := entered(ctx, tx, once)
		if err != nil || ok {
			out = done
			return err
		}
		if err := access.Require(actor, access.ReferralTriage, access.Own); err != nil {
			return err
		}
		e := &entering{s: s, tx: tx, actor: actor, caller: caller.tidy()}
		if err := e.who(ctx); err != nil {
			return err
		}
		if out, err = send(ctx, e); err != nil {
			return err
		}
		if err := e.mark(ctx, out, once); err != nil {
			return err
		}
		out, err = flow.Get(ctx, tx, out.ID)
		return err
	})
	return out, err
}

// who checks what is known of the call, and finds the calling doctor.
func (e *entering) who(ctx context.Context) error {
	var f errs.Form
	reasons, err := e.s.reasons(ctx, e.tx, e.actor)
	if err != nil {
		return err
	}
	e.caller.check(e.tx.Now, reasons, &f)
	e.reason = reasonOf(reasons, e.caller.Reason)
	if e.caller.Org == "" {
		return f.Err()
	}
	e.org, err = organization.Get(ctx, e.tx, e.caller.Org)
	switch {
	case errs.Is(err, errs.NotFound):
		f.Add("caller_org", "没有找到这家机构，请从列表选择")
		return f.Err()
	case err != nil:
		return err
	case e.org.ID == e.actor.Org:
		f.Add("caller_org", "来电的机构不能是本院；本院的转诊请由医生自己发起")
	}
	e.from = flow.Party{Org: e.org.ID, OrgName: e.org.Name, PersonName: e.caller.Name}
	if e.caller.Doctor != "" {
		if err := e.doctor(ctx, &f); err != nil {
			return err
		}
	}
	return f.Err()
}

// doctor takes over a registered doctor, who must work there.
func (e *entering) doctor(ctx context.Context, f *errs.Form) error {
	at, err := practitioner.At(ctx, e.tx, e.org.ID, "", calendar.DateOf(e.tx.Now))
	if err != nil {
		return err
	}
	for _, p := range at {
		if p.ID == e.caller.Doctor {
			e.from.Person, e.from.PersonName, e.caller.Name = p.ID, p.Name, p.Name
			return nil
		}
	}
	f.Add("caller_name", "所选的医生不在%s执业，请重新选择", e.org.Short())
	return nil
}

// ours keeps the entry to places of the clerk's own institution: the caller has
// called it. What has to go elsewhere is handed on from there (转介).
func (e *entering) ours(ctx context.Context, service string) error {
	var f errs.Form
	h, err := organization.GetService(ctx, e.tx, service)
	switch {
	case errs.Is(err, errs.NotFound):
		f.Add("target_service", "请选择本院的接收科室")
	case err != nil:
		return err
	case h.Org != e.actor.Org:
		f.Add("target_service", "电话代录只能转入本院；须去其他医院的，受理后用“转介”")
	}
	return f.Err()
}

// identify finds the patient by identity card and name, or registers him. The
// clerk's institution may see him for this call: the caller has told both.
func (e *entering) identify(ctx context.Context, who Who) (string, error) {
	var f errs.Form
	who.Name = strings.TrimSpace(who.Name)
	f.Require("name", who.Name, "患者姓名")
	f.Require("id_number", who.IDNumber, "患者身份证号（请来电人念一遍并复述）")
	if err := f.Err(); err != nil {
		return "", err
	}
	id, err := e.s.Patients.Identify(ctx, e.tx, who.IDNumber)
	if errs.Is(err, errs.NotFound) {
		p, err := e.s.Patients.RegisterTx(ctx, e.tx, e.actor, patient.Registration{
			Name: who.Name, IDType: patient.IDCard, IDNumber: who.IDNumber, Phone: who.Phone, InsuranceKind: who.Insurance, Guardian: who.Guardian,
		})
		return p.ID, err
	}
	if err != nil {
		return "", err
	}
	p, err := e.s.Patients.Get(ctx, e.tx, id)
	if err != nil {
		return "", err
	}
	if p.Name != who.Name {
		f.Add("name", "姓名与该身份证号登记的不符，请与来电人重新核对身份证号和姓名")
		return "", f.Err()
	}
	err = access.Relate(ctx, e.tx, access.CareRelation{
		Patient: id, Org: e.actor.Org, Basis: access.BasisReferral, Reference: "phoned/" + db.NewID(), To: e.tx.Now.Add(callAge),
	})
	if err != nil {
		return "", err
	}
	_, err = e.s.Patients.Access.Patient(ctx, e.tx, e.actor, id, access.Refer)
	return id, err
}

// mark writes the call into the log, the mark into the timeline of the referral,
// and opens the check.
func (e *entering) mark(ctx context.Context, c flow.Case, once string) error {
	at := e.caller.At.In(calendar.Shanghai).Format("1月2日 15:04")
	_, err := e.s.Calls.LogTx(ctx, e.tx, e.actor, calls.Entry{
		At: e.caller.At, Case: c.ID, WithOrg: e.org.Name, Once: once,
		Detail: calls.Detail{Person: e.caller.Name, Phone: e.caller.Phone, Purpose: "来电转诊", Result: "已代录为 " + c.Number + "，" + e.reason.Title},
	})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s %s 于 %s 用 %s 来电，%s代录（%s）", e.org.Short(), e.caller.Name, at, e.caller.Phone, e.actor.Name, e.reason.Title)
	if err := e.s.Flow.Note(ctx, e.tx, e.actor, c, referral.PhonedIn, text); err != nil {
		return err
	}
	clerk, err := referral.PartyOf(ctx, e.tx, e.actor)
	if err != nil {
		return err
	}
	check, err := e.s.Flow.Open(ctx, e.tx, e.acting(), flow.Opening{
		Kind: Kind, Patient: c.Patient, Subject: c.Subject, From: e.from, To: clerk, Place: c.Place, BasedOn: c.ID, Once: checkToken(once),
	})
	if err != nil {
		return err
	}
	d := Detail{Name: e.caller.Name, Phone: e.caller.Phone, Reason: e.reason.Title, Note: e.caller.Note}
	if err := e.s.insert(ctx, e.tx, check, c.ID, e, d); err != nil {
		return err
	}
	return e.s.Audit.Append(ctx, e.tx, audit.Leaf{
		Actor: e.actor, Action: "referral.phoned.enter", Object: referral.Kind, ObjectID: c.ID, Patient: c.Patient, Basis: string(access.BasisReferral),
		Outcome: audit.OK, Detail: c.Number + " 代" + e.org.Short() + "录入",
	})
}

// reasons are why somebody telephones, as the policy has them.
func (s *Service) reasons(ctx context.Context, tx *db.Tx, actor access.Actor) ([]policy.Code, error) {
	place, err := s.Referrals.PlaceOf(ctx, tx, actor)
	if err != nil {
		return nil, err
	}
	return s.Flow.Codes(keyReason, place, tx.Now)
}

// Choices are what the form chooses from.
type Choices struct {
	Orgs     []organization.Organization // who may call: primary institutions, allies first
	Doctors  []practitioner.Practitioner // of the chosen institution
	Places   []organization.Candidate    // of the clerk's own institution
	Reasons  []policy.Code
	Lists    referral.Options
	Parallel []policy.Code
	First    []policy.Code
}

// Choices reads the lists for the form as far as it is filled in.
func (s *Service) Choices(ctx context.Context, actor access.Actor, org, diagnosis, urgency string) (out Choices, err error) {
	if err := access.Require(actor, access.ReferralTriage, access.Own); err != nil {
		return out, err
	}
	if out.Lists, err = s.Referrals.Options(ctx, actor); err != nil {
		return out, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		if out.Orgs, err = s.callers(ctx, tx, actor); err != nil {
			return err
		}
		if out.Reasons, err = s.reasons(ctx, tx, actor); err != nil {
			return err
		}
		if org != "" {
			if out.Doctors, err = practitioner.At(ctx, tx, org, "", calendar.DateOf(tx.Now)); err != nil {
				return err
			}
		}
		place, err := s.Referrals.PlaceOf(ctx, tx, actor)
		if err != nil {
			return err
		}
		if out.Parallel, err = s.Flow.Codes("referral.reason.parallel", place, tx.Now); err != nil {
			return err
		}
		if out.First, err = s.Flow.Codes("firstvisit.reason", place, tx.Now); err != nil {
			return err
		}
		out.Places, err = places(ctx, tx, actor, org, diagnosis, urgency)
		return err
	})
	return out, err
}

// Callers are the institutions that may telephone.
func (s *Service) Callers(ctx context.Context, actor access.Actor) (out []organization.Organization, err error) {
	if err := access.Require(actor, access.ReferralTriage, access.Own); err != nil {
		return nil, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) (err error) {
		out, err = s.callers(ctx, tx, actor)
		return err
	})
	return out, err
}

// places are the departments of the clerk's institution that take the need; all
// of them as long as it is not known.
func places(ctx context.Context, tx *db.Tx, actor access.Actor, org, diagnosis, urgency string) ([]organization.Candidate, error) {
	need := organization.Need{Code: diagnosis, Age: -1, Urgency: urgency, From: org}
	if urgency == "I" {
		need = organization.Need{Age: -1, Kinds: []organization.ServiceKind{organization.Emergency}}
	}
	found, err := organization.FindServices(ctx, tx, need)
	if err != nil {
		return nil, err
	}
	var out []organization.Candidate
	for _, c := range found {
		if c.Org.ID == actor.Org {
			out = append(out, c)
		}
	}
	return out, nil
}

// callers are the institutions that may telephone: those of primary care and
// those without the system, the clerk's own alliance first.
func (s *Service) callers(ctx context.Context, tx *db.Tx, actor access.Actor) ([]organization.Organization, error) {
	all, err := organization.List(ctx, tx, organization.Filter{})
	if err != nil {
		return nil, err
	}
	allies, err := alliance.Allies(ctx, tx, actor.Org, calendar.DateOf(tx.Now))
	if err != nil {
		return nil, err
	}
	ally := map[string]bool{}
	for _, id := range allies {
		ally[id] = true
	}
	var first, rest []organization.Organization
	for _, o := range all {
		switch {
		case o.ID == actor.Org || !o.Active || (!o.Kind.Primary() && o.Kind != organization.Other):
		case ally[o.ID] || ally[o.Parent]:
			first = append(first, o)
		default:
			rest = append(rest, o)
		}
	}
	return append(first, rest...), nil
}

// Confirm says for the caller's institution that the entry is right. A colleague
// of the doctor takes the check over by confirming.
func (s *Service) Confirm(ctx context.Context, actor access.Actor, ref referral.Ref) (flow.Case, error) {
	return s.close(ctx, actor, ref, ActConfirm, "")
}

// Correct says what is wrong with an entry. What was sent stays as it was; the
// correction stands beside it, and the receiving centre is told.
func (s *Service) Correct(ctx context.Context, actor access.Actor, ref referral.Ref, text string) (flow.Case, error) {
	return s.close(ctx, actor, ref, ActCorrect, text)
}

// ConfirmByPhone closes the check for an institution that has nobody at the
// system: the centre has called back.
func (s *Service) ConfirmByPhone(ctx context.Context, actor access.Actor, ref referral.Ref, with string) (flow.Case, error) {
	return s.close(ctx, actor, ref, ActByPhone, with)
}

func (s *Service) close(ctx context.Context, actor access.Actor, ref referral.Ref, action, text string) (flow.Case, error) {
	var out flow.Case
	text = strings.TrimSpace(text)
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		c, done, err := flow.Done(ctx, tx, ref.Once)
		if err != nil || done {
			out = c
			return err
		}
		if c, err = visible(ctx, tx, actor, ref.ID); err != nil {
			return err
		}
		if _, err := s.Patients.Access.Patient(ctx, tx, actor, c.Patient, access.Refer); err != nil {
			return err
		}
		if err := checkText(action, text); err != nil {
			return err
		}
		version := ref.Version
		if action != ActByPhone && c.Open() && c.Owner != "" && c.Owner != flow.PartyOf(actor).Person && c.Version == version {
			if c, err = s.Flow.Claim(ctx, tx, actor, c.ID, version, ""); err != nil {
				return err
			}
			version = c.Version
		}
		if out, err = s.Flow.Act(ctx, tx, actor, c.ID, version, action, flow.Move{Comment: text, Once: ref.Once}); err != nil {
			return err
		}
		return s.note(ctx, tx, actor, c, action, text)
	})
	return out, err
}

func checkText(action, text string) error {
	var f errs.Form
	switch {
	case action == ActCorrect && text == "":
		f.Add("text", "请写明哪一项不对、应为什么")
	case action == ActByPhone && text == "":
		f.Add("text", "请写明与谁、用哪个号码核对")
	case len([]rune(text)) > maxText:
		f.Add("text", "最多 %d 个字", maxText)
	}
	return f.Err()
}

// note puts the answer beside the referral, where whoever treats the patient
// reads it.
func (s *Service) note(ctx context.Context, tx *db.Tx, actor access.Actor, check flow.Case, action, text string) error {
	of, err := flow.Get(ctx, tx, check.BasedOn)
	if err != nil {
		return err
	}
	titles := map[string]string{ActConfirm: "电话代录核对无误", ActCorrect: "电话代录更正", ActByPhone: "电话代录已回电核对"}
	if action == ActCorrect {
		if err := s.correct(ctx, tx, check.ID, text); err != nil {
			return err
		}
	}
	if err := s.Flow.Note(ctx, tx, actor, of, titles[action], text); err != nil || action != ActCorrect || s.Flow.Notify == nil {
		return err
	}
	n := flow.Notice{Case: of.ID, Kind: of.Kind, Number: of.Number, Org: of.To.Org, Role: access.ReferralCenter, Level: "info",
		Text: "转诊单 " + of.Number + " " + of.Subject + "：来电机构更正了电话代录的内容，请查看"}
	if of.Turn == flow.To {
		n.Role, n.Person = of.OwnerRole, of.Owner
	}
	return s.Flow.Notify(ctx, tx, n)
}

// visible opens the check for the two institutions that it concerns.
func visible(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (flow.Case, error) {
	c, err := flow.Get(ctx, tx, id)
	if err != nil {
		return c, err
	}
	if c.Kind != Kind || actor.Org == "" || (c.From.Org != actor.Org && c.To.Org != actor.Org) {
		return c, errs.E(errs.NotFound, "没有找到这张电话代录")
	}
	return c, access.Require(actor, access.ReferralRead, access.Own)
}

// Open returns one entry with its referral for who may see both; the look is
// logged.
func (s *Service) Open(ctx context.Context, actor access.Actor, id string) (Record, referral.Full, []flow.Action, error) {
	var out Record
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		c, err := visible(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		if out, err = s.get(ctx, tx, c.ID); err != nil {
			return err
		}
		out.Check = c
		return nil
	})
	if err != nil {
		return out, referral.Full{}, nil, err
	}
	full, err := s.Referrals.View(ctx, actor, out.Referral)
	return out, full, s.Flow.Actions(out.Check, actor), err
}

// CheckOf returns the id of the check beside a referral.
func (s *Service) CheckOf(ctx context.Context, actor access.Actor, of string) (string, error) {
	var id string
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if id, err = db.Get(ctx, tx, "这张电话代录", db.Value[string], `SELECT id FROM referral_phoned WHERE referral = $1`, of); err != nil {
			return err
		}
		_, err = visible(ctx, tx, actor, id)
		return err
	})
	return id, err
}

// List returns the entries of the actor's institution, entered by it or in its
// name, those that wait for a check first.
func (s *Service) List(ctx context.Context, actor access.Actor, offset int) (list []Record, more bool, err error) {
	if err := access.Require(actor, access.ReferralRead, access.Own); err != nil {
		return nil, false, err
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		list, err = s.list(ctx, tx, actor.Org, offset)
		return err
	})
	if more = len(list) > pageSize; more {
		list = list[:pageSize]
	}
	return list, more, err
}
