package referral

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/jobs"
	"yilian/internal/rescue"
)

// The jobs of an emergency. They lie in the database, so that a server that is
// started again goes on calling.
const (
	alarmJob    = "referral.alarm"
	untracedJob = "referral.untraced"
)

// alarmArgs name one rung of one round of an alarm.
type alarmArgs struct {
	Case  string `json:"case"`
	Round int    `json:"round"`
	Step  int    `json:"step"`
}

// untracedArgs name a patient who should have arrived: level 1 asks again,
// level 2 reports upwards.
type untracedArgs struct {
	Case  string `json:"case"`
	Level int    `json:"level"`
}

// The rungs of the alarm.
const (
	stepFirst     = 1 // the on-call person of the lane, at once
	stepNext      = 2 // the next in line (referral.clock.transferring)
	stepEverybody = 3 // everybody on the list, then the telephone (….next)
)

func (s *Service) initEmergency() {
	s.Queue.Title(alarmJob, "急诊未确认，呼叫下一位")
	s.Queue.Title(untracedJob, "急诊未见到院")
	jobs.Handle(s.Queue, alarmJob, s.climb)
	jobs.Handle(s.Queue, untracedJob, s.untraced)
}

// wait reads a clock of the emergency; a missing rule must not stop one.
func (s *Service) wait(c flow.Case, key string, fallback time.Duration, now time.Time) time.Duration {
	a, err := s.Book.Resolve(key, c.Place, calendar.DateOf(now))
	if err != nil {
		return fallback
	}
	d, err := a.Deadline()
	if err != nil {
		return fallback
	}
	return span(d)
}

// raise calls the first person and plans the rest of the ladder.
func (w *work) raise(ctx context.Context) error {
	s, c, e := w.s, w.c, w.r.Emergency
	if err := s.alert(ctx, w.tx, c, e, stepFirst); err != nil {
		return err
	}
	for step, after := range map[int]time.Duration{
		stepNext:      s.wait(c, "referral.clock.transferring", time.Minute, w.tx.Now),
		stepEverybody: s.wait(c, "referral.clock.transferring.next", 3*time.Minute, w.tx.Now),
	} {
		job := jobs.Job{Kind: alarmJob, RunAt: w.tx.Now.Add(after), Args: alarmArgs{Case: c.ID, Round: e.Round, Step: step}}
		if err := s.Queue.Enqueue(ctx, w.tx, job); err != nil {
			return err
		}
	}
	for level, after := range map[int]time.Duration{
		1: s.wait(c, "referral.clock.transferring.untraced", 2*time.Hour, w.tx.Now),
		2: s.wait(c, "referral.clock.transferring.escalate", 4*time.Hour, w.tx.Now),
	} {
		job := jobs.Job{Kind: untracedJob, RunAt: w.tx.Now.Add(after), Args: untracedArgs{Case: c.ID, Level: level}}
		if err := s.Queue.Enqueue(ctx, w.tx, job); err != nil {
			return err
		}
	}
	return nil
}

// climb runs when nobody has confirmed in time.
func (s *Service) climb(ctx context.Context, tx *db.Tx, args alarmArgs) error {
	c, err := flow.Get(ctx, tx, args.Case)
	if err != nil {
		return err
	}
	e, err := s.emergency(ctx, tx, args.Case)
	if err != nil {
		return err
	}
	if e == nil || c.State != StateTransferring || e.Acknowledged() || e.Round != args.Round || e.Step >= args.Step {
		return nil
	}
	return s.alert(ctx, tx, c, e, args.Step)
}

// alert calls the people of a rung, those of the rungs before left out, and
// says so in the timeline, which wakes their open pages.
func (s *Service) alert(ctx context.Context, tx *db.Tx, c flow.Case, e *Emergency, step int) error {
	contacts, err := rescue.Contacts(ctx, tx, c.To.Org, e.Lane, tx.Now)
	if err != nil {
		return err
	}
	before, err := alerts(ctx, tx, c.ID, e.Round)
	if err != nil {
		return err
	}
	fresh := slices.DeleteFunc(contacts, func(x rescue.Contact) bool {
		return !x.Reachable() || slices.ContainsFunc(before, func(a Alert) bool { return a.Person == x.Person && a.Role == x.Role })
	})
	if step < stepEverybody && len(fresh) > 1 {
		fresh = fresh[:1]
	}
	var names []string
	for _, x := range fresh {
		a := Alert{At: tx.Now, Round: e.Round, Step: step, Org: c.To.Org, Person: x.Person, Role: x.Role, Name: x.Name, Phone: x.Phone}
		if err := insertAlert(ctx, tx, c.ID, a); err != nil {
			return err
		}
		names = append(names, x.Name)
		if err := s.bell(ctx, tx, c, flow.Party{Org: c.To.Org, Person: x.Person}, cmpRole(x.Role), "急诊转入，请立即确认：%s", c.Subject); err != nil {
			return err
		}
	}
	if e.AlertedAt.IsZero() || step == stepFirst {
		e.AlertedAt = tx.Now
	}
	e.Step = step
	if err := s.saveAlarm(ctx, tx, c.ID, *e); err != nil {
		return err
	}
	if len(names) == 0 {
		return nil
	}
	title := map[int]string{stepFirst: "呼叫值班人", stepNext: "无人确认，呼叫下一位", stepEverybody: "仍无人确认，呼叫名单全部人员"}[step]
	return s.Flow.Note(ctx, tx, audit.Program("急诊呼叫"), c, title, strings.Join(names, "、"))
}

func cmpRole(r access.Role) access.Role {
	if r == "" {
		return access.OnCall // who answers when the person has no account
	}
	return r
}

// bell tells one person or role of an institution about an emergency.
func (s *Service) bell(ctx context.Context, tx *db.Tx, c flow.Case, to flow.Party, role access.Role, format string, args ...any) error {
	if c.Silent || s.Flow.Notify == nil || to.Org == "" {
		return nil
	}
	return s.Flow.Notify(ctx, tx, flow.Notice{
		Case: c.ID, Kind: c.Kind, Number: c.Number, Org: to.Org, Role: role, Person: to.Person, Level: "overdue",
		Text: "转诊单 " + c.Number + " " + fmt.Sprintf(format, args...),
	})
}

// untraced runs when a patient should have arrived: at first everybody who can
// ask is told, then who answers for both sides.
func (s *Service) untraced(ctx context.Context, tx *db.Tx, args untracedArgs) error {
	c, err := flow.Get(ctx, tx, args.Case)
	if err != nil || c.State != StateTransferring {
		return err
	}
	e, err := s.emergency(ctx, tx, args.Case)
	if err != nil || e == nil {
		return err
	}
	gone := int(tx.Now.Sub(e.SentAt).Hours())
	type addressee struct {
		party flow.Party
		role  access.Role
	}
	list := []addressee{{c.From, access.TownshipHead}, {flow.Party{Org: c.To.Org}, access.ReferralCenter}, {flow.Party{Org: c.To.Org}, access.Emergency}}
	title := "未见到院，再次通知"
	if args.Level > 1 {
		title = "仍未见到院，上报"
		list = []addressee{
			{flow.Party{Org: c.To.Org}, access.MedicalAffairs}, {flow.Party{Org: c.From.Org}, access.TownshipHead}, {flow.Party{Org: c.From.Org}, access.MedicalAffairs},
		}
	}
	for _, a := range list {
		if err := s.bell(ctx, tx, c, a.party, a.role, "急诊转运发出 %d 小时仍未登记到院，请查明患者现在何处：%s", gone, c.Subject); err != nil {
			return err
		}
	}
	return s.Flow.Note(ctx, tx, audit.Program("急诊追踪"), c, title, fmt.Sprintf("发出 %d 小时，接收医院没有登记到院", gone))
}
