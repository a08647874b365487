package referral

import (
	"context"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/terminology"
)

// Start makes the actor the attending doctor: he takes over clinical
// responsibility, and his clock runs by form of care.
func (s *Service) Start(ctx context.Context, actor access.Actor, ref Ref, start Start) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActStart, access.Treat, func(ctx context.Context, w *work) error {
		var f errs.Form
		f.Require("care", start.Care, "诊疗方式（门诊或住院）")
		known(&f, "care", "诊疗方式", start.Care, Visits())
		mv := flow.Move{Track: start.Care}
		if start.Care == Inpatient {
			day, err := calendar.ParseDate(start.ExpectedDischarge)
			switch {
			case start.ExpectedDischarge == "":
				f.Add("expected_discharge", "住院患者请填写预计出院日期")
			case err != nil:
				f.AddErr("expected_discharge", err)
			case day.Before(calendar.DateOf(w.tx.Now)):
				f.Add("expected_discharge", "预计出院日期不能早于今天")
			case day.After(calendar.DateOf(w.tx.Now).AddDays(366)):
				f.Add("expected_discharge", "预计出院日期不能晚于一年以后，请核对")
			}
			w.r.ExpectedDisch, mv.Anchor = day, day.Time()
		}
		if err := f.Err(); err != nil {
			return err
		}
		me := flow.PartyOf(actor)
		to := w.c.To
		to.Person, to.PersonName = me.Person, me.PersonName
		mv.ToParty, mv.Owner, mv.Responsible = &to, &flow.Party{Person: me.Person, PersonName: me.PersonName}, &to
		if w.r.Direction == Down {
			mv.Track = trackDown
			if err := w.inCareUntil(ctx, &mv); err != nil {
				return err
			}
		}
		w.r.Care, w.r.StartedAt, w.r.Attending, w.r.AttendingName = start.Care, w.tx.Now, me.Person, me.PersonName
		return w.act(ctx, ActStart, mv)
	})
}

// InterimNote writes a line on how the patient does. It moves no clock.
func (s *Service) InterimNote(ctx context.Context, actor access.Actor, ref Ref, text string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActNote, access.Treat, func(ctx context.Context, w *work) error {
		var f errs.Form
		f.Require("text", text, "诊疗进展")
		if len([]rune(text)) > maxText {
			f.Add("text", "诊疗进展太长：最多 %d 个字", maxText)
		}
		if err := f.Err(); err != nil {
			return err
		}
		n := Note{At: w.tx.Now, By: flow.PartyOf(actor).Person, ByName: actor.Name, OrgName: actor.OrgName, Text: strings.TrimSpace(text)}
		if err := s.insertNote(ctx, w.tx, w.c.ID, n); err != nil {
			return err
		}
		return w.act(ctx, ActNote, flow.Move{})
	})
}

// Complete ends the treatment with the report back; without one a case does
// not end.
func (s *Service) Complete(ctx context.Context, actor access.Actor, ref Ref, report Report) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActComplete, access.Treat, func(ctx context.Context, w *work) error {
		return w.complete(ctx, ActComplete, report)
	})
}

// complete checks the report and ends the treatment with it.
func (w *work) complete(ctx context.Context, action string, report Report) error {
	for _, text := range []*string{&report.RecordNumber, &report.Exams, &report.Treatment, &report.Advice} {
		*text = strings.TrimSpace(*text)
	}
	report.ResultCode = terminology.Canonical(report.ResultCode)
	var f errs.Form
	report.check(w.r.Care, &f)
	if err := f.Err(); err != nil {
		return err
	}
	code, _ := terminology.Get(report.ResultCode)
	report.ResultCode, report.ResultName, report.By = code.Code, code.Name, w.actor.Name
	if report.Phone == "" {
		report.Phone = w.r.Arrangement.Phone
	}
	w.r.Report, w.r.CompletedAt = report, w.tx.Now
	return w.act(ctx, action, flow.Move{})
}

// Acknowledge closes the case with the outcome of the report. For a patient
// who has come back, the referring doctor takes responsibility over again.
func (s *Service) Acknowledge(ctx context.Context, actor access.Actor, ref Ref, comment string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActAcknowledge, access.FollowUp, func(ctx context.Context, w *work) error {
		mv := flow.Move{Comment: comment, Outcome: w.r.Report.Outcome}
		if mv.Outcome == OutcomeReturned {
			me, err := party(ctx, w.tx, actor)
			if err != nil {
				return err
			}
			mv.Responsible = &me
		}
		return w.act(ctx, ActAcknowledge, mv)
	})
}

// Closing ends a case that had no treatment.
type Closing struct {
	Outcome string // one of ClosingOutcomes
	Reason  string // code of referral.reason.close
	Comment string
}

// Close closes a referral that was declined or whose patient has not come.
func (s *Service) Close(ctx context.Context, actor access.Actor, ref Ref, end Closing) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActClose, access.Refer, func(ctx context.Context, w *work) error {
		var f errs.Form
		w.reason(&f, ActClose, end.Reason, end.Comment)
		if !slices.Contains(closing(w.c.State), end.Outcome) {
			f.Add("outcome", "请选择结案结果")
		}
		if end.Outcome == OutcomeOther && strings.TrimSpace(end.Comment) == "" {
			f.Add("comment", "结案结果为“其他”时请写明具体情况")
		}
		if err := f.Err(); err != nil {
			return err
		}
		return w.act(ctx, ActClose, flow.Move{Reason: end.Reason, Comment: end.Comment, Outcome: end.Outcome})
	})
}

// Death is the record of a patient's death.
type Death struct {
	On     string // date
	Reason string // what it rests on, for example the number of the certificate
}

// RecordDeath ends the case, and every other open referral of the patient,
// with the outcome death; nothing is sent to the patient any more.
func (s *Service) RecordDeath(ctx context.Context, actor access.Actor, ref Ref, d Death) (flow.Case, error) {
	return s.step(ctx, actor, ref, "", access.Treat, func(ctx context.Context, w *work) error {
		action := ActDeath
		if actor.Org == w.c.To.Org && !w.r.SubmittedAt.IsZero() {
			action = ActDeathAtTarget
		}
		if _, err := s.Flow.Check(ctx, w.tx, actor, ref.ID, ref.Version, action); err != nil {
			return err
		}
		p, err := s.Patients.Get(ctx, w.tx, w.c.Patient)
		if err != nil {
			return err
		}
		if p.DeceasedOn == "" {
			if d.On == "" {
				return fieldErr("deceased_on", "请填写死亡日期")
			}
			if _, err := s.Patients.MarkDeceasedTx(ctx, w.tx, actor, p.ID, calendar.Date(d.On), d.Reason); err != nil {
				return err
			}
		}
		if err := w.act(ctx, action, flow.Move{Outcome: OutcomeDeath}); err != nil {
			return err
		}
		if err := s.endOthers(ctx, w.tx, w.c); err != nil {
			return err
		}
		if s.OnDeath == nil {
			return nil
		}
		return s.OnDeath(ctx, w.tx, p.ID, w.c)
	})
}

// endOthers closes the other open referrals of a deceased patient.
func (s *Service) endOthers(ctx context.Context, tx *db.Tx, except flow.Case) error {
	all, err := flow.ByPatient(ctx, tx, except.Patient, 200)
	if err != nil {
		return err
	}
	program := audit.Program("死亡登记")
	for _, c := range all {
		if c.Kind != Kind || !c.Open() || c.ID == except.ID {
			continue
		}
		r, err := s.load(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		w := &work{s: s, tx: tx, actor: program, ref: Ref{ID: c.ID, Version: c.Version}, was: c, c: c, r: r}
		if err := w.act(ctx, ActDeath, flow.Move{Outcome: OutcomeDeath, Comment: "患者已登记死亡，随 " + except.Number + " 一并结案"}); err != nil {
			return err
		}
	}
	return nil
}
