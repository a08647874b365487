package referral

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"yilian/internal/access"
	"yilian/internal/errs"
	"yilian/internal/flow"
)

// CancelRequest is the referring side's request to cancel a referral whose
// care has begun: from then on it is the attending doctor who decides. It is
// sealed at rest; request and answer stay in the timeline.
type CancelRequest struct {
	At      time.Time `json:"at"`
	Name    string    `json:"name"`
	OrgName string    `json:"org_name"`
	Reason  string    `json:"reason"` // title of the coded reason
	Comment string    `json:"comment"`
}

// Open reports whether the request waits for its answer.
func (r CancelRequest) Open() bool { return !r.At.IsZero() }

// refuses says why an action about requests cannot be taken now, or nil.
func (r CancelRequest) refuses(action string) error {
	switch {
	case action == ActAskCancel && r.Open():
		return errs.E(errs.Conflict, "%s已申请取消，正在等接诊医生答复，不用重复申请", r.Name)
	case action == ActAnswerCancel && !r.Open():
		return errs.E(errs.Conflict, "这张单子没有等待答复的取消申请")
	}
	return nil
}

// AskCancel asks the attending doctor to cancel. The case stays in care and in
// his hands, his clock runs on, and he is told.
func (s *Service) AskCancel(ctx context.Context, actor access.Actor, ref Ref, reason, comment string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActAskCancel, access.Refer, func(ctx context.Context, w *work) error {
		if err := w.r.Cancel.refuses(ActAskCancel); err != nil {
			return err
		}
		comment = strings.TrimSpace(comment)
		var f errs.Form
		w.reason(&f, ActAskCancel, reason, comment)
		checkComment(&f, comment, "为什么要取消、患者现在的去向")
		if err := f.Err(); err != nil {
			return err
		}
		list, err := s.Flow.Codes(reasons(ActAskCancel), w.c.Place, w.tx.Now)
		if err != nil {
			return err
		}
		w.r.Cancel = CancelRequest{At: w.tx.Now, Name: actor.Name, OrgName: actor.OrgName, Reason: codeTitle(list, reason), Comment: comment}
		return w.act(ctx, ActAskCancel, flow.Move{Reason: reason, Comment: comment})
	})
}

// The answers to a request to cancel.
const (
	CancelAgree  = "agree"
	CancelRefuse = "refuse"
)

// CancelAnswers returns the answers to a request to cancel.
func CancelAnswers() []Code {
	return []Code{{CancelRefuse, "不同意，继续诊疗"}, {CancelAgree, "同意取消（尚未实施诊疗）"}}
}

// CancelAnswer is the attending doctor's answer. The comment is mandatory: why
// care goes on, or how the patient was left.
type CancelAnswer struct {
	Answer  string // CancelAgree or CancelRefuse
	Comment string
}

// AnswerCancel answers a request to cancel. Refused, care goes on as it was.
// Agreed, the case ends as cancelled, with outcome other and the comment, and
// the referring doctor is responsible again. That way is open only as long as
// no care has been given: every visit owes the referring doctor a report, so
// for an in-patient, or once there is an interim note, the answer is the report
// itself, Complete, which settles the request.
func (s *Service) AnswerCancel(ctx context.Context, actor access.Actor, ref Ref, a CancelAnswer) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActAnswerCancel, access.Treat, func(ctx context.Context, w *work) error {
		if err := w.r.Cancel.refuses(ActAnswerCancel); err != nil {
			return err
		}
		a.Comment = strings.TrimSpace(a.Comment)
		var f errs.Form
		f.Require("answer", a.Answer, "是否同意取消")
		known(&f, "answer", "答复", a.Answer, CancelAnswers())
		checkComment(&f, a.Comment, "答复的理由")
		if a.Answer == CancelAgree {
			given, err := w.careGiven(ctx)
			if err != nil {
				return err
			}
			if given {
				f.Add("answer", "已收住院或已有诊疗进展记录，须写回转单：请选“完成诊疗并回转”，送出即答复本申请")
			}
		}
		if err := f.Err(); err != nil {
			return err
		}
		w.r.Cancel = CancelRequest{}
		mv := flow.Move{To: StateInCare, Comment: a.Comment}
		if a.Answer == CancelAgree {
			mv.To, mv.Outcome, mv.Responsible = StateCancelled, OutcomeOther, &w.c.From
		}
		return w.act(ctx, ActAnswerCancel, mv)
	})
}

// careGiven reports whether there is something to report about.
func (w *work) careGiven(ctx context.Context) (bool, error) {
	if w.r.Care == Inpatient {
		return true, nil
	}
	notes, err := w.s.notes(ctx, w.tx, w.c.ID)
	return len(notes) > 0, err
}

func checkComment(f *errs.Form, comment, what string) {
	f.Require("comment", comment, what)
	if utf8.RuneCountInString(comment) > maxText {
		f.Add("comment", "说明太长：最多 %d 个字", maxText)
	}
}
