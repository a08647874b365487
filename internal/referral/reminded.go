package referral

import (
	"context"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/policy"
	"yilian/internal/reminder"
)

// keyNotComing are the reasons of a patient who says that he will not come.
const keyNotComing = "reminder.reason"

// AnswerReminder records at the desk what a patient has answered to the
// reminder of his appointment. The case does not move: who will not come is
// then cancelled or given another time. An answer that is given again replaces
// the one before; none is removed.
func (s *Service) AnswerReminder(ctx context.Context, actor access.Actor, ref Ref, r reminder.Reply) error {
	if err := access.Require(actor, access.ReferralArrive, access.Own); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		w, err := s.open(ctx, tx, actor, ref, access.Refer)
		if err != nil {
			return err
		}
		if w.c.To.Org != actor.Org {
			return errs.E(errs.Forbidden, "%s 不在本院就诊，由接收机构登记患者的答复", w.c.Number)
		}
		if w.c.State != StateArranged {
			return errs.E(errs.Conflict, "%s 已不在待到诊状态，无需再登记患者的答复", w.c.Number)
		}
		if err := w.settleReply(&r); err != nil {
			return err
		}
		r.Once = ref.Once
		fresh, err := reminder.Record(ctx, tx, s.Keys, actor, w.c.ID, w.r.Arrangement.At, r)
		if err != nil || !fresh {
			return err
		}
		return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "referral.reminder.answer", Object: Kind, ObjectID: w.c.ID, Patient: w.c.Patient,
			Outcome: audit.OK, Detail: "就诊提醒：" + reminder.AnswerTitle(r.Answer)})
	})
}

// settleReply checks an answer and completes it.
func (w *work) settleReply(r *reminder.Reply) error {
	var f errs.Form
	r.Note, r.ReasonTitle = strings.TrimSpace(r.Note), ""
	if reminder.AnswerTitle(r.Answer) == "" {
		f.Add("answer", "请选择患者的答复")
	}
	if r.How != reminder.ByPhone && r.How != reminder.InPerson {
		f.Add("how", "请选择是电话答复还是当面答复")
	}
	if len([]rune(r.Note)) > 500 {
		f.Add("note", "最多 500 个字")
	}
	if r.Answer != reminder.WillNotCome {
		r.Reason = ""
		return f.Err()
	}
	list, err := w.s.Flow.Codes(keyNotComing, w.c.Place, w.tx.Now)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(c policy.Code) bool { return c.Code == r.Reason })
	switch {
	case i < 0:
		f.Add("reason", "请选择患者不来的原因")
	case list[i].Free && r.Note == "":
		f.Add("note", "选择“%s”时请写明具体情况", list[i].Title)
	default:
		r.ReasonTitle = list[i].Title
	}
	return f.Err()
}

// Reminded is what the desk sees of reminders.
type Reminded struct {
	Receipts map[string]reminder.Receipt // by case
	Reasons  []policy.Code               // of not coming
	Figures  reminder.Figures            // of the last 30 days
}

// Awaiting is a reminder that a resident may answer with one tap.
type Awaiting struct {
	Case     string
	At       time.Time // of the appointment
	Answered bool      // he has said that he comes
}

// AwaitingOf returns, by the id of the reminding message, which of a resident's
// reminders stand: their appointment is still the one that was reminded of.
func (s *Service) AwaitingOf(ctx context.Context, actor access.Actor) (map[string]Awaiting, error) {
	if access.Role(actor.Role) != access.Resident || actor.Patient == "" {
		return nil, nil
	}
	type row struct {
		message string
		Awaiting
	}
	out := map[string]Awaiting{}
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		list, err := db.List(ctx, tx, func(scan db.Scan) (r row, err error) {
			var at db.Time
			err = scan(&r.message, &r.Case, &at, &r.Answered)
			r.At = at.Time
			return r, err
		}, `
			SELECT m.message, m.referral, m.appointed_at, COALESCE((SELECT a.answer FROM reminder_answer a
				WHERE a.referral = m.referral AND a.appointed_at = m.appointed_at ORDER BY a.at DESC, a.id DESC LIMIT 1), '') = 'confirmed'
			FROM reminder m JOIN referral r ON r.id = m.referral AND r.appointed_at = m.appointed_at JOIN flow_case c ON c.id = m.referral
			WHERE c.state = 'arranged' AND m.appointed_at > $2 AND m.message <> ''
			  AND r.patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)`, actor.Patient, db.At(tx.Now))
		for _, r := range list {
			out[r.message] = r.Awaiting
		}
		return err
	})
	return out, err
}

// ConfirmComing records that the patient himself says on his page that he will
// come. Tapped twice, it stands once.
func (s *Service) ConfirmComing(ctx context.Context, actor access.Actor, caseID, once string) error {
	if access.Role(actor.Role) != access.Resident {
		return errs.E(errs.Forbidden, "只有患者本人能在自己的页面上确认；电话或当面的答复请在到诊登记页登记")
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		w, err := s.open(ctx, tx, actor, Ref{ID: caseID}, access.FollowUp)
		if err != nil {
			return err
		}
		if w.c.State != StateArranged || !w.r.Arrangement.At.After(tx.Now) {
			return errs.E(errs.Conflict, "这次就诊已更改或已过时间，不用再确认。有疑问请致电%s", w.c.To.OrgName)
		}
		fresh, err := reminder.Record(ctx, tx, s.Keys, actor, w.c.ID, w.r.Arrangement.At, reminder.Reply{Answer: reminder.Confirmed, How: reminder.OnPage, Once: once})
		if err != nil || !fresh {
			return err
		}
		return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "referral.reminder.confirm", Object: Kind, ObjectID: w.c.ID, Patient: w.c.Patient,
			Outcome: audit.OK, Detail: "就诊提醒：患者在页面上确认会来"})
	})
}

// figureDays is the span of the figures on the desk's page.
const figureDays = 30

// Reminded returns what became of the reminders of cases that the actor's desk
// expects.
func (s *Service) Reminded(ctx context.Context, actor access.Actor, list []Item) (out Reminded, err error) {
	if err := access.Require(actor, access.ReferralArrive, access.Own); err != nil {
		return out, err
	}
	var ids []string
	for _, i := range list {
		if i.Case.To.Org == actor.Org {
			ids = append(ids, i.Case.ID)
		}
	}
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		place, err := s.place(ctx, tx, actor)
		if err != nil {
			return err
		}
		if out.Reasons, err = s.Flow.Codes(keyNotComing, place, tx.Now); err != nil {
			return err
		}
		if out.Receipts, err = reminder.Of(ctx, tx, s.Keys, ids); err != nil {
			return err
		}
		since := calendar.DateOf(tx.Now).AddDays(-figureDays).Time()
		out.Figures, err = reminder.Count(ctx, tx, actor.Org, since)
		return err
	})
	return out, err
}

// receipt reads what became of the reminder of a case.
func (s *Service) receipt(ctx context.Context, tx *db.Tx, c flow.Case) (reminder.Receipt, error) {
	all, err := reminder.Of(ctx, tx, s.Keys, []string{c.ID})
	return all[c.ID], err
}
