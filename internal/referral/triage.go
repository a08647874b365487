package referral

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/firstvisit"
	"yilian/internal/flow"
	"yilian/internal/liaison"
	"yilian/internal/organization"
)

// Redirect names the place that takes a case over, and who there has agreed.
type Redirect struct {
	Service   string    // id of the organization.HealthcareService
	AgreedBy  string    // who agreed
	AgreedHow string    // code of AgreedWays
	Phone     string    // number of the call; beyond the county
	At        time.Time // of the call; beyond the county
	Visit     calendar.Date
	Reason    string
	Comment   string
}

// Decline is the answer of an institution that does not take a patient: the
// reason, and what the referring doctor can do next. The latter is mandatory.
type Decline struct {
	Reason           string
	Comment          string
	SuggestedOrg     string // institution id
	SuggestedService string // in words
	Advice           string // what to do instead
}

// Accept takes a referral.
func (s *Service) Accept(ctx context.Context, actor access.Actor, ref Ref, comment string) (flow.Case, error) {
	return s.plain(ctx, actor, ref, ActAccept, "", "", comment, flow.Move{})
}

// Ask asks the referring doctor for what is missing; the receiver's clock
// stands still until he answers.
func (s *Service) Ask(ctx context.Context, actor access.Actor, ref Ref, reason, question string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActAsk, access.Refer, func(ctx context.Context, w *work) error {
		var f errs.Form
		w.reason(&f, ActAsk, reason, question)
		f.Require("question", question, "要补充的内容")
		if err := f.Err(); err != nil {
			return err
		}
		q := Question{AskedAt: w.tx.Now, AskedBy: flow.PartyOf(actor).Person, AskedName: actor.Name, AskedOrg: actor.OrgName, Text: strings.TrimSpace(question)}
		if err := s.insertQuestion(ctx, w.tx, w.c.ID, q); err != nil {
			return err
		}
		// The words stay sealed with the case; the timeline says that there is a question.
		return w.act(ctx, ActAsk, flow.Move{Reason: reason, Comment: "见“问与答”"})
	})
}

// Answer answers the question; the case goes back to who asked.
func (s *Service) Answer(ctx context.Context, actor access.Actor, ref Ref, answer string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActAnswer, access.Refer, func(ctx context.Context, w *work) error {
		var f errs.Form
		f.Require("answer", answer, "补充的内容")
		if err := f.Err(); err != nil {
			return err
		}
		asked, err := openQuestion(ctx, w.tx, w.c.ID)
		if err != nil {
			return err
		}
		if err := s.answer(ctx, w.tx, w.c.ID, flow.PartyOf(actor).Person, actor.Name, strings.TrimSpace(answer)); err != nil {
			return err
		}
		return w.act(ctx, ActAnswer, flow.Move{Owner: &flow.Party{Person: asked.AskedBy, PersonName: asked.AskedName}, Comment: "见“问与答”"})
	})
}

// openQuestion returns who waits for an answer.
func openQuestion(ctx context.Context, tx *db.Tx, referral string) (Question, error) {
	return db.Get(ctx, tx, "待答复的问题", func(scan db.Scan) (q Question, err error) {
		return q, scan(&q.AskedBy, &q.AskedName)
	}, `SELECT asked_by, asked_name FROM referral_question WHERE referral = $1 AND answered_at IS NULL`, referral)
}

// Redirect hands a case to a named place that has agreed to take it; the
// number stays. An arrived patient is handed on by the department where he
// stands (hand_on), everything before by the centre.
func (s *Service) Redirect(ctx context.Context, actor access.Actor, ref Ref, to Redirect) (flow.Case, error) {
	return s.step(ctx, actor, ref, "", access.Refer, func(ctx context.Context, w *work) error {
		if w.r.Direction == Down {
			return errs.E(errs.Conflict, "下转单不能转介：不能接收时请“退回下转”并写明建议，由原主治医生另选机构")
		}
		action := ActRedirect
		if w.c.State == StateArrived {
			action = ActHandOn
		}
		if _, err := s.Flow.Check(ctx, w.tx, actor, ref.ID, ref.Version, action); err != nil {
			return err
		}
		party, err := w.agreed(ctx, to)
		if err != nil {
			return err
		}
		comment := fmt.Sprintf("%s已同意接收（%s，%s）", party.OrgName, strings.TrimSpace(to.AgreedBy), Title(AgreedWays(), to.AgreedHow))
		if c := strings.TrimSpace(to.Comment); c != "" {
			comment += "；" + c
		}
		return w.act(ctx, action, flow.Move{Reason: to.Reason, Comment: comment, ToParty: &party})
	})
}

// agreed checks the new place and takes it over into the record.
func (w *work) agreed(ctx context.Context, to Redirect) (flow.Party, error) {
	var f errs.Form
	w.reason(&f, ActRedirect, to.Reason, to.Comment)
	f.Require("agreed_by", to.AgreedBy, "对方同意接收的人")
	if to.AgreedHow == "" {
		f.Add("agreed_how", "请选择对方以何种方式同意")
	}
	known(&f, "agreed_how", "同意方式", to.AgreedHow, AgreedWays())
	h, err := organization.GetService(ctx, w.tx, to.Service)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return flow.Party{}, err
	}
	if err != nil || !h.Active {
		f.Add("target_service", "请选择已同意接收的机构和科室")
		return flow.Party{}, f.Err()
	}
	if h.Org == w.c.From.Org {
		f.Add("target_service", "不能转介回转出机构；确需退回时请使用“退回”并写明建议")
	}
	if h.Org == w.c.To.Org && h.Department == w.c.To.Department {
		f.Add("target_service", "这张单子已在该科室，请选择其他机构或科室")
	}
	if err := f.Err(); err != nil {
		return flow.Party{}, err
	}
	org, err := organization.Get(ctx, w.tx, h.Org)
	if err != nil {
		return flow.Party{}, err
	}
	if err := w.published(org); err != nil {
		return flow.Party{}, err
	}
	dept, err := organization.GetDepartment(ctx, w.tx, h.Department)
	if err != nil {
		return flow.Party{}, err
	}
	if err := w.agreedBeyond(ctx, org, dept, to); err != nil {
		return flow.Party{}, err
	}
	w.r.TargetService, w.r.TargetPhone = h.ID, org.ReferralPhone
	return flow.Party{Org: org.ID, OrgName: org.Name, Department: dept.ID, DepartmentName: dept.Name}, nil
}

// Decline does not take the patient, says why, and says what can be done
// instead: a referral never ends in nothing.
func (s *Service) Decline(ctx context.Context, actor access.Actor, ref Ref, d Decline) (flow.Case, error) {
	return s.step(ctx, actor, ref, "", access.Refer, func(ctx context.Context, w *work) error {
		action := w.declines()
		if _, err := s.Flow.Check(ctx, w.tx, actor, ref.ID, ref.Version, action); err != nil {
			return err
		}
		var f errs.Form
		w.reason(&f, action, d.Reason, d.Comment)
		advice := Advice{Org: d.SuggestedOrg, Service: strings.TrimSpace(d.SuggestedService), Text: strings.TrimSpace(d.Advice)}
		if advice.Org == "" && advice.Service == "" && advice.Text == "" {
			f.Add("advice", "退回时必须写明下一步：建议的其他机构或科室，或给转诊医生的处理建议")
		}
		if advice.Org != "" {
			org, err := organization.Get(ctx, w.tx, advice.Org)
			switch {
			case errs.Is(err, errs.NotFound) || (err == nil && !org.Active):
				f.Add("suggested_org", "建议的机构不存在或已停用，请重新选择")
			case err != nil:
				return err
			}
			advice.OrgName = org.Name
		}
		if err := f.Err(); err != nil {
			return err
		}
		list, err := s.Flow.Codes(reasons(action), w.c.Place, w.tx.Now)
		if err != nil {
			return err
		}
		advice.Reason = codeTitle(list, d.Reason)
		w.r.Advice = advice
		return w.act(ctx, action, flow.Move{Reason: d.Reason, Comment: strings.TrimSpace(d.Comment)})
	})
}

// SendElsewhere sends a declined referral to another place. The patient is
// shown the choices again; number and consent stay.
func (s *Service) SendElsewhere(ctx context.Context, actor access.Actor, ref Ref, service string, choices []Choice) (flow.Case, error) {
	return s.SendElsewhereAs(ctx, actor, ref, Elsewhere{Service: service, Choices: choices})
}

// Elsewhere is where a declined referral goes now, with what the new place asks
// for: the reason of a listed disease and the word of a place beyond the county.
type Elsewhere struct {
	Service    string
	Choices    []Choice
	FirstVisit *firstvisit.Override
	Contact    *liaison.Contact
}

// SendElsewhereAs is SendElsewhere with what a place may ask for.
func (s *Service) SendElsewhereAs(ctx context.Context, actor access.Actor, ref Ref, to Elsewhere) (flow.Case, error) {
	service, choices := to.Service, to.Choices
	return s.step(ctx, actor, ref, ActElsewhere, access.Refer, func(ctx context.Context, w *work) error {
		if w.r.Direction == Down {
			return w.elsewhereDown(ctx, service, choices)
		}
		p, err := s.Patients.Get(ctx, w.tx, w.c.Patient)
		if err != nil {
			return err
		}
		form := w.form()
		if service == w.r.TargetService {
			return fieldErr("target_service", "该科室刚刚退回了这张单子，请选择其他机构或科室")
		}
		form.TargetService, form.Request.Choices = service, choose(choices)
		form.Request.Contact = to.Contact
		if to.FirstVisit != nil {
			form.Request.FirstVisit = to.FirstVisit
		}
		if err := w.write(ctx, form, p, true); err != nil {
			return err
		}
		if err := w.act(ctx, ActElsewhere, w.addressed()); err != nil {
			return err
		}
		return firstvisit.Record(ctx, w.tx, w.c, w.r.Request.FirstVisit)
	})
}
