package consult

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/message"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/referral"
)

// Service holds the use cases of consultations: each method is one transaction.
// Set its fields, then call Init.
type Service struct {
	DB        *db.DB
	Flow      *flow.Engine
	Book      *policy.Book
	Access    *access.Control
	Audit     *audit.Log
	Keys      *crypto.Keyring
	Patients  *patient.Service
	Messages  *message.Service
	Referrals *referral.Service
}

// Init declares the machine.
func (s *Service) Init() error { return s.Flow.Declare(Machine()) }

// work is one use case under way: the case as it stands, its record, who acts.
type work struct {
	s     *Service
	tx    *db.Tx
	actor access.Actor
	ref   Ref
	c     flow.Case
	r     Record
}

// step runs one use case: a token seen before answers with the case as it is;
// otherwise access to the patient is decided and logged, the right to take the
// action is checked (an empty action: fn does that), and fn does the rest in the same transaction.
func (s *Service) step(ctx context.Context, actor access.Actor, ref Ref, action string, fn func(ctx context.Context, w *work) error) (flow.Case, error) {
	var out flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		c, done, err := flow.Done(ctx, tx, ref.Once)
		if err != nil || done {
			out = c
			return err
		}
		w, err := s.open(ctx, tx, actor, ref)
		if err != nil {
			return err
		}
		if action != "" && action != flow.ActionClaim {
			if _, err = s.Flow.Check(ctx, tx, actor, ref.ID, ref.Version, action); err != nil {
				return err
			}
		}
		if err := refuses(w.c, w.r, actor, action); err != nil {
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

// open reads the case and its record for an actor who may.
func (s *Service) open(ctx context.Context, tx *db.Tx, actor access.Actor, ref Ref) (*work, error) {
	c, err := flow.Get(ctx, tx, ref.ID)
	if err != nil {
		return nil, err
	}
	if c.Kind != Kind {
		return nil, notFound()
	}
	if _, err := s.Access.Patient(ctx, tx, actor, c.Patient, access.Consult); err != nil {
		return nil, err
	}
	r, err := s.load(ctx, tx, ref.ID)
	return &work{s: s, tx: tx, actor: actor, ref: ref, c: c, r: r}, err
}

func notFound() error { return errs.E(errs.NotFound, "没有找到这张咨询单") }

// refuses says why an action cannot be taken beyond what flow checks, or nil:
// only the department that was asked answers, and an answer becomes one
// referral at most, by the specialist only as the asker has allowed.
func refuses(c flow.Case, r Record, actor access.Actor, action string) error {
	answering := slices.Contains([]string{ActReply, ActAskBack, ActDecline, ActConvertFor}, action) || action == flow.ActionClaim && c.Turn == flow.To
	if answering && actor.Department != "" && actor.Department != c.To.Department {
		return errs.E(errs.Forbidden, "这张咨询单请教的是%s，请由该科室答复；不属该科室的，由该科室退回并写明另问何处", c.To.DepartmentName)
	}
	if action != ActConvert && action != ActConvertFor {
		return nil
	}
	if r.Referral != "" {
		return errs.E(errs.Conflict, "这张咨询单已转为转诊，不用重复办理")
	}
	if action == ActConvertFor && !r.MayConvert {
		return errs.E(errs.Forbidden, "申请医生没有授权专家直接转诊：由申请医生决定是否转诊")
	}
	if action == ActConvertFor && !advisesReferral(r.Answer.Kind) {
		return errs.E(errs.Conflict, "答复没有建议转诊，不能按授权转为转诊")
	}
	return nil
}

// Actions returns the usable actions that the actor may take now: exactly those
// that the use cases accept.
func (s *Service) Actions(c flow.Case, r Record, actor access.Actor) []flow.Action {
	return slices.DeleteFunc(s.Flow.Actions(c, actor), func(a flow.Action) bool {
		return !Usable(a.Name) || refuses(c, r, actor, a.Name) != nil
	})
}

// act moves the case, stores the record, and keeps the relations of care.
func (w *work) act(ctx context.Context, action string, mv flow.Move) error {
	mv.Once = w.ref.Once
	before := w.c
	c, err := w.s.Flow.Act(ctx, w.tx, w.actor, w.c.ID, w.ref.Version, action, mv)
	if err != nil {
		return err
	}
	w.c, w.ref = c, Ref{ID: c.ID, Version: c.Version} // a second step of one use case carries no token
	if err := w.s.update(ctx, w.tx, w.r); err != nil {
		return err
	}
	return w.relate(ctx, before)
}

// relate keeps the relations of care of both institutions, from the question to
// some time after the end (policy consult.access.after).
func (w *work) relate(ctx context.Context, before flow.Case) error {
	var to time.Time
	if !w.c.Open() {
		a, err := w.s.Book.Resolve("consult.access.after", w.c.Place, calendar.DateOf(w.tx.Now))
		if err != nil {
			return err
		}
		d, err := a.Deadline()
		if err != nil {
			return fmt.Errorf("resolve %s: %w", a.Key, err)
		}
		to = calendar.EndOf(calendar.DateOf(w.tx.Now).AddDays(d.N))
	}
	for _, org := range []string{w.c.From.Org, w.c.To.Org} {
		if err := w.relation(ctx, org, to); err != nil {
			return err
		}
	}
	if gone := before.To.Org; gone != "" && gone != w.c.To.Org {
		return w.relation(ctx, gone, w.tx.Now)
	}
	return nil
}

func (w *work) relation(ctx context.Context, org string, to time.Time) error {
	return access.Relate(ctx, w.tx, access.CareRelation{
		Patient: w.c.Patient, Org: org, Basis: access.BasisOrder, Reference: w.c.ID, To: to,
	})
}

// Ask puts a question to a department or a specialist of an allied institution.
// The patient has agreed that his data are shown there.
func (s *Service) Ask(ctx context.Context, actor access.Actor, form Form, once string) (flow.Case, error) {
	var out flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		c, done, err := flow.Done(ctx, tx, once)
		if err != nil || done {
			out = c
			return err
		}
		if err := access.Require(actor, access.ConsultAsk, access.Own); err != nil {
			return err
		}
		if form.Patient == "" {
			return fieldErr("patient", "请先选择患者")
		}
		if _, err := s.Access.Patient(ctx, tx, actor, form.Patient, access.Consult); err != nil {
			return err
		}
		w := &work{s: s, tx: tx, actor: actor}
		if w.c.Place, err = s.Referrals.PlaceOf(ctx, tx, actor); err != nil {
			return err
		}
		err = w.ask(ctx, form, once)
		out = w.c
		return err
	})
	return out, err
}

func (w *work) ask(ctx context.Context, form Form, once string) error {
	p, err := w.s.Patients.Get(ctx, w.tx, form.Patient)
	if err != nil {
		return err
	}
	var f errs.Form
	if p.DeceasedOn != "" {
		f.Add("patient", "该患者已登记死亡（%s），不能咨询", p.DeceasedOn)
	}
	form.check(&f)
	to, err := w.target(ctx, form.Target, &f)
	if err != nil {
		return err
	}
	if err := w.consented(form.Consent, &f); err != nil {
		return err
	}
	if err := f.Err(); err != nil {
		return err
	}
	from, err := referral.PartyOf(ctx, w.tx, w.actor)
	if err != nil {
		return err
	}
	w.c, err = w.s.Flow.Open(ctx, w.tx, w.actor, flow.Opening{
		Kind: Kind, Patient: p.ID, Subject: referral.SubjectOf(p, calendar.DateOf(w.tx.Now)), Track: form.Pace,
		From: from, To: to, Place: w.c.Place, Once: once,
	})
	if err != nil {
		return err
	}
	w.take(form)
	if err := w.sign(ctx, form); err != nil {
		return err
	}
	if err := w.s.insert(ctx, w.tx, w.r); err != nil {
		return err
	}
	if err := w.relate(ctx, flow.Case{}); err != nil {
		return err
	}
	return w.tellReceiver(ctx)
}

// AskBack asks the asker for what is missing; the clock of the answer stands
// still until he supplies it.
func (s *Service) AskBack(ctx context.Context, actor access.Actor, ref Ref, reason, question string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActAskBack, func(ctx context.Context, w *work) error {
		var f errs.Form
		w.reason(&f, ActAskBack, reason, question)
		tidy(&f, []textField{{"question", "要补充的内容", &question, true}})
		if err := f.Err(); err != nil {
			return err
		}
		q := Talk{AskedAt: w.tx.Now, AskedBy: actor.Name, AskedOrg: actor.OrgName, Text: question}
		if err := s.insertTalk(ctx, w.tx, w.c.ID, q); err != nil {
			return err
		}
		return w.act(ctx, ActAskBack, flow.Move{Reason: reason, Comment: "见“问与答”", ToParty: w.me()})
	})
}

// Supply answers what was asked back; the case returns to who asked.
func (s *Service) Supply(ctx context.Context, actor access.Actor, ref Ref, answer string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActSupply, func(ctx context.Context, w *work) error {
		var f errs.Form
		tidy(&f, []textField{{"answer", "补充的内容", &answer, true}})
		if err := f.Err(); err != nil {
			return err
		}
		if err := s.supply(ctx, w.tx, w.c.ID, actor.Name, answer); err != nil {
			return err
		}
		return w.act(ctx, ActSupply, flow.Move{Comment: "见“问与答”"})
	})
}

// Reply answers. With Answer.Convert it turns the answer into a referral in the
// same transaction.
func (s *Service) Reply(ctx context.Context, actor access.Actor, ref Ref, a Answer) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActReply, func(ctx context.Context, w *work) error {
		var f errs.Form
		a.check(&f)
		if a.Convert != "" && !w.r.MayConvert {
			f.Add("convert", "申请医生没有授权专家直接转诊：请只给出意见，由申请医生决定")
		}
		if err := f.Err(); err != nil {
			return err
		}
		a.At, a.By = w.tx.Now, strings.TrimSpace(actor.Name)
		w.r.Answer, w.r.AnsweredAt, w.r.InTime = a, w.tx.Now, !w.tx.Now.After(w.c.DueAt)
		if err := w.act(ctx, ActReply, flow.Move{Comment: AnswerTitle(a.Kind), ToParty: w.me()}); err != nil {
			return err
		}
		if a.Convert == "" {
			return nil
		}
		return w.convert(ctx, ActConvertFor, a.Convert)
	})
}

// Decline gives the question back with a reason and the next step.
func (s *Service) Decline(ctx context.Context, actor access.Actor, ref Ref, d Decline) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActDecline, func(ctx context.Context, w *work) error {
		var f errs.Form
		w.reason(&f, ActDecline, d.Reason, d.Comment)
		d.check(&f)
		if err := f.Err(); err != nil {
			return err
		}
		list, err := s.Flow.Codes(reasons(ActDecline), w.c.Place, w.tx.Now)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(c policy.Code) bool { return c.Code == d.Reason })
		w.r.Decline = Decline{Title: list[i].Title, Whom: d.Whom, Advice: d.Advice, By: actor.Name}
		return w.act(ctx, ActDecline, flow.Move{Reason: d.Reason, Comment: d.Comment})
	})
}

// AskElsewhere puts a declined question to another department.
func (s *Service) AskElsewhere(ctx context.Context, actor access.Actor, ref Ref, t Target) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActElsewhere, func(ctx context.Context, w *work) error {
		var f errs.Form
		to, err := w.target(ctx, t, &f)
		if err != nil {
			return err
		}
		if to.Department == w.c.To.Department && to.Person == w.c.To.Person {
			f.Add("target", "%s刚刚退回，请另选科室或专家", to.DepartmentName)
		}
		if err := f.Err(); err != nil {
			return err
		}
		w.r.Decline = Decline{}
		return w.act(ctx, ActElsewhere, flow.Move{ToParty: &to})
	})
}

// Claim takes the case over, from the queue of the department or from a
// colleague.
func (s *Service) Claim(ctx context.Context, actor access.Actor, ref Ref) (flow.Case, error) {
	return s.step(ctx, actor, ref, flow.ActionClaim, func(ctx context.Context, w *work) (err error) {
		w.c, err = s.Flow.Claim(ctx, w.tx, actor, ref.ID, ref.Version, ref.Once)
		return err
	})
}

// Withdraw takes a question back that has not been answered.
func (s *Service) Withdraw(ctx context.Context, actor access.Actor, ref Ref, reason, comment string) (flow.Case, error) {
	return s.plain(ctx, actor, ref, ActWithdraw, reason, comment, OutcomeWithdrawn)
}

// End ends a declined consultation.
func (s *Service) End(ctx context.Context, actor access.Actor, ref Ref, reason, comment string) (flow.Case, error) {
	return s.plain(ctx, actor, ref, ActEnd, reason, comment, OutcomeDeclined)
}

func (s *Service) plain(ctx context.Context, actor access.Actor, ref Ref, action, reason, comment, outcome string) (flow.Case, error) {
	return s.step(ctx, actor, ref, action, func(ctx context.Context, w *work) error {
		var f errs.Form
		w.reason(&f, action, reason, comment)
		if err := f.Err(); err != nil {
			return err
		}
		return w.act(ctx, action, flow.Move{Reason: reason, Comment: comment, Outcome: outcome})
	})
}

// Close ends an answered consultation with the asker's survey.
func (s *Service) Close(ctx context.Context, actor access.Actor, ref Ref, v Survey) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActClose, func(ctx context.Context, w *work) error {
		var f errs.Form
		v.check(w.r.Referral != "", &f)
		if err := f.Err(); err != nil {
			return err
		}
		w.r.Survey, w.r.SurveyedAt = v, w.tx.Now
		return w.act(ctx, ActClose, flow.Move{Outcome: OutcomeAdvised})
	})
}

// EndForDeath ends the open consultations of a deceased patient in the
// caller's transaction; because is the case in which the death was recorded.
func (s *Service) EndForDeath(ctx context.Context, tx *db.Tx, patientID string, because flow.Case) error {
	all, err := flow.ByPatient(ctx, tx, patientID, 200)
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Kind != Kind || !c.Open() {
			continue
		}
		r, err := s.load(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		w := &work{s: s, tx: tx, actor: audit.Program("死亡登记"), ref: Ref{ID: c.ID, Version: c.Version}, c: c, r: r}
		if err := w.act(ctx, ActDeath, flow.Move{Outcome: OutcomeDeath, Comment: "患者已登记死亡，随 " + because.Number + " 一并结案"}); err != nil {
			return err
		}
	}
	return nil
}

// me names the actor as the specialist of the case.
func (w *work) me() *flow.Party {
	to, me := w.c.To, flow.PartyOf(w.actor)
	to.Person, to.PersonName = me.Person, me.PersonName
	return &to
}

// reason checks a coded reason before flow does, for entries that ask for free
// text.
func (w *work) reason(f *errs.Form, action, code, comment string) {
	list, err := w.s.Flow.Codes(reasons(action), w.c.Place, w.tx.Now)
	if err != nil {
		f.AddErr("reason", err)
		return
	}
	i := slices.IndexFunc(list, func(c policy.Code) bool { return c.Code == code })
	switch {
	case i < 0:
		f.Add("reason", "请选择原因")
	case list[i].Free && strings.TrimSpace(comment) == "":
		f.Add("comment", "选择“%s”时请写明具体情况", list[i].Title)
	}
}

func fieldErr(name, format string, args ...any) error {
	var f errs.Form
	f.Add(name, format, args...)
	return f.Err()
}
