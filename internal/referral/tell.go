package referral

import (
	"context"
	"fmt"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/jobs"
	"yilian/internal/message"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/reminder"
)

// news is what a step means to the patient: what has happened, and who acts
// next. It names no diagnosis and no department.
func news(action string, c flow.Case, r Record) (p message.Plain, ok bool) {
	from, to := c.From.OrgName, c.To.OrgName
	who := func(done, who, does string) (message.Plain, bool) {
		return message.Plain{Done: done, Who: who, Does: does, By: c.DueAt}, true
	}
	switch action {
	case ActSubmit, ActPass, ActElsewhere:
		if c.State == StateInReview {
			return who("您的转诊申请（"+c.Number+"）已写好", from, "审核后发出")
		}
		return who("您的转诊申请（"+c.Number+"）已发往"+to, to, "答复是否接收")
	case ActEmergency, ActDivert, ActDivertFrom:
		return message.Plain{Done: "您正由" + from + "紧急转往" + to, Who: to, Does: "接收抢救"}, true
	case ActAsk:
		return who(to+"需要补充一些资料，由您的医生提供，您不用跑腿", from, "补充资料")
	case ActAnswer:
		return who("您的医生已补充资料", to, "答复是否接收")
	case ActAccept:
		return who(to+"已同意接收您", to, "安排就诊时间并通知您")
	case ActDefer:
		return deferred(c), true
	case ActRedirect, ActHandOn:
		return who("经联系，改由"+to+"接收您", to, "答复并安排")
	case ActDecline, ActDeclineDown:
		return who(to+"暂不能接收，已向您的医生提出建议", from, "为您联系下一步")
	case ActArrange, ActReschedule:
		done := "您的就诊时间已定"
		if action == ActReschedule {
			done = "您的就诊时间已更改，请以本条为准"
		}
		return appointment(done, c, r), true
	case ActNoShow:
		return who("您未在约定时间到诊", from, "与您联系")
	case ActRearrange:
		return who("已为您申请重新安排", to, "安排新的就诊时间并通知您")
	case ActArrive:
		return who("您已在"+to+"登记到诊", to, "接诊")
	case ActStart:
		return message.Plain{Done: to + "已开始为您诊疗，由接诊医生负责"}, true
	case ActComplete, ActCompleteDown:
		return who(to+"已完成诊疗，结果已交给您的医生", from, "与您联系，安排后续")
	case ActAcknowledge, ActClose:
		return message.Plain{Done: "本次转诊（" + c.Number + "）已结束，后续请联系" + from}, true
	case ActAskCancel:
		return who("您的医生已申请取消本次转诊", to, "答复")
	case ActAnswerCancel:
		if c.State == StateInCare {
			return message.Plain{Done: to + "将继续为您诊疗"}, true
		}
		return message.Plain{Done: "本次转诊（" + c.Number + "）已取消，后续请联系" + from}, true
	case ActWithdraw, ActCancel, ActCallOff:
		return message.Plain{Done: "本次转诊（" + c.Number + "）已取消，后续请联系" + from}, true
	}
	return message.Plain{}, false
}

func appointment(done string, c flow.Case, r Record) message.Plain {
	a := r.Arrangement
	return message.Plain{
		Done: done + "（" + message.Moment(a.At) + "）", Who: "您", By: a.At,
		Does: fmt.Sprintf("到%s登记，请带身份证，出示到诊码 %s", c.To.OrgName, a.Code),
	}
}

// tell writes the patient a message about a step, in its transaction. A safe
// contact hears the next step only; back-entries are silent.
func (w *work) tell(ctx context.Context, action string) error {
	c := w.c
	if c.State == StateInReview { // a village's referral is read by its township centre
		reviewer, err := organization.Get(ctx, w.tx, c.OwnerOrg)
		if err != nil {
			return err
		}
		c.From.OrgName = reviewer.Name
	}
	p, ok := news(action, c, w.r)
	if !ok || w.c.Silent || w.s.Messages == nil {
		return nil
	}
	p.Phone = w.r.TargetPhone
	if w.c.Turn != flow.To || p.Phone == "" {
		org, err := organization.Get(ctx, w.tx, w.c.From.Org)
		if err != nil {
			return err
		}
		if org.ReferralPhone != "" {
			p.Phone = org.ReferralPhone
		}
	}
	return w.send(ctx, p, fmt.Sprintf("%s/%d", w.c.ID, w.c.Version))
}

func (w *work) send(ctx context.Context, p message.Plain, key string) error {
	_, err := w.dispatch(ctx, p, key)
	return err
}

// dispatch sends a message to the patient and returns its id.
func (w *work) dispatch(ctx context.Context, p message.Plain, key string) (string, error) {
	contact, err := w.s.Patients.Contact(ctx, w.tx, w.c.Patient)
	if err != nil {
		return "", err
	}
	if contact.Safe && p.Who != "" {
		p.Done = ""
	}
	orgs := []string{w.c.From.Org}
	if !w.r.SubmittedAt.IsZero() && w.c.To.Org != "" {
		orgs = append(orgs, w.c.To.Org)
	}
	return w.s.Messages.Send(ctx, w.tx, message.Out{
		Patient: w.c.Patient, To: contact.Phone, Text: p.Text(), Case: w.c.ID, Orgs: orgs, Key: key,
	})
}

const reminderJob = "referral.reminder"

// reminderArgs name the appointment a reminder is for; one that has been moved
// since is not reminded of.
type reminderArgs struct {
	Case string `json:"case"`
	At   int64  `json:"at"` // Unix ms
}

// planReminder queues the reminder before the appointment (policy
// referral.clock.arranged.reminder), unless the time for it has passed.
func (w *work) planReminder(ctx context.Context) error {
	a, err := w.s.Book.Resolve("referral.clock.arranged.reminder", w.c.Place, calendar.DateOf(w.tx.Now))
	if err != nil {
		return err
	}
	d, err := a.Deadline()
	if err != nil {
		return err
	}
	at := w.r.Arrangement.At.Add(-span(d))
	if at.Before(w.tx.Now) || w.c.Silent {
		return nil
	}
	return w.s.Queue.Enqueue(ctx, w.tx, jobs.Job{
		Kind: reminderJob, RunAt: at, Args: reminderArgs{Case: w.c.ID, At: w.r.Arrangement.At.UnixMilli()},
	})
}

// span is a deadline as clock time; working days do not count backwards.
func span(d policy.Deadline) time.Duration {
	switch d.Unit {
	case policy.Minutes:
		return time.Duration(d.N) * time.Minute
	case policy.Hours:
		return time.Duration(d.N) * time.Hour
	}
	return time.Duration(d.N) * 24 * time.Hour
}

// remind sends the reminder if the appointment still stands.
func (s *Service) remind(ctx context.Context, tx *db.Tx, args reminderArgs) error {
	c, err := flow.Get(ctx, tx, args.Case)
	if err != nil {
		return err
	}
	r, err := s.load(ctx, tx, args.Case)
	if err != nil {
		return err
	}
	late := !tx.Now.Before(r.Arrangement.At) // the server was down: a reminder would only confuse
	if c.State != StateArranged || r.Arrangement.At.UnixMilli() != args.At || late || s.Messages == nil {
		return nil
	}
	w := &work{s: s, tx: tx, c: c, r: r}
	p := appointment("提醒：您的就诊时间快到了", c, r)
	p.Phone = r.TargetPhone
	id, err := w.dispatch(ctx, p, fmt.Sprintf("%s/reminder/%d", c.ID, args.At))
	if err != nil {
		return err
	}
	return reminder.Sent(ctx, tx, c.ID, r.Arrangement.At, id)
}
