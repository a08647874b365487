package referral

import (
	"context"
	"fmt"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/contract"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/jobs"
	"yilian/internal/message"
	"yilian/internal/organization"
)

const (
	chaseJob = "referral.down.chase"
	closeJob = "referral.down.close"
)

// chaseProgram is in whose name the program closes what nobody came to.
const chaseProgram = "下转追踪"

func (s *Service) declareChase() {
	s.Queue.Title(chaseJob, "下转未到诊追踪")
	s.Queue.Title(closeJob, "下转未到诊关闭")
	jobs.Handle(s.Queue, chaseJob, s.chase)
	jobs.Handle(s.Queue, closeJob, s.closeMissing)
}

// planChase queues what happens when a patient who was sent down does not
// come: after some days he is looked for, later the case is closed, not
// counted. The days are of the policy.
func (w *work) planChase(ctx context.Context) error {
	if w.r.Direction != Down || w.c.Silent {
		return nil
	}
	args := reminderArgs{Case: w.c.ID, At: w.r.Arrangement.At.UnixMilli()}
	day := calendar.DateOf(w.r.Arrangement.At)
	for _, x := range []struct{ kind, key string }{
		{chaseJob, "referral.clock.arranged.down"}, {closeJob, "referral.clock.arranged.down.close"},
	} {
		n, err := w.s.days(w.c, x.key, w.tx.Now)
		if err != nil {
			return err
		}
		if err := w.s.Queue.Enqueue(ctx, w.tx, jobs.Job{Kind: x.kind, RunAt: calendar.EndOf(day.AddDays(n)), Args: args}); err != nil {
			return err
		}
	}
	return nil
}

// missing reads the case of a chase if the appointment still stands.
func (s *Service) missing(ctx context.Context, tx *db.Tx, args reminderArgs) (*work, bool, error) {
	c, err := flow.Get(ctx, tx, args.Case)
	if err != nil {
		return nil, false, err
	}
	r, err := s.load(ctx, tx, args.Case)
	if err != nil {
		return nil, false, err
	}
	waits := c.State == StateArranged || c.State == StateNoShow
	if !waits || r.Arrangement.At.UnixMilli() != args.At {
		return nil, false, nil
	}
	return &work{
		s: s, tx: tx, actor: audit.Program(chaseProgram), ref: Ref{ID: c.ID, Version: c.Version}, was: c, c: c, r: r,
	}, true, nil
}

// chase looks for a patient who has not come: he is written to, the doctor
// near him is asked to call on him, and the attending doctor is told.
func (s *Service) chase(ctx context.Context, tx *db.Tx, args reminderArgs) error {
	w, ok, err := s.missing(ctx, tx, args)
	if err != nil || !ok {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE referral_down SET chased_at = $2 WHERE referral = $1`, w.c.ID, db.At(tx.Now)); err != nil {
		return fmt.Errorf("mark chase: %w", err)
	}
	if s.Messages != nil {
		p := message.Plain{Done: "您还没有到" + w.c.To.OrgName + "报到", Who: "您", Does: "尽快前往或打电话改期", Phone: w.r.TargetPhone}
		if err := w.send(ctx, p, fmt.Sprintf("%s/chase/%d", w.c.ID, args.At)); err != nil {
			return err
		}
	}
	near, err := w.near(ctx)
	if err != nil {
		return err
	}
	visit := "下转患者未到诊：" + w.c.Subject + "，请上门或电话了解情况，并请其到" + w.c.To.OrgName + "就诊"
	for _, n := range append(near, flow.Notice{Org: w.c.From.Org, Role: access.DepartmentDoctor, Person: w.c.From.Person}) {
		n.Case, n.Kind, n.Number, n.Level, n.Text = w.c.ID, Kind, w.c.Number, "due", visit
		if n.Org == w.c.From.Org {
			n.Text = "您下转的患者未按约到诊：" + w.c.Subject + "，基层正在追踪"
		}
		if err := s.tellStaff(ctx, tx, n); err != nil {
			return err
		}
	}
	return s.Flow.Note(ctx, tx, w.actor, w.c, "未到诊追踪", "已发消息给患者，已请家庭医生或村医上门，已告知原主治医生")
}

// tellStaff hands a notice to staff; nobody listens in tests without one.
func (s *Service) tellStaff(ctx context.Context, tx *db.Tx, n flow.Notice) error {
	if s.Flow.Notify == nil {
		return nil
	}
	return s.Flow.Notify(ctx, tx, n)
}

// near is who looks after the patient where he lives: the village clinic of
// his village, the contracted team's leader, and in any case the receiving
// institution's doctors.
func (w *work) near(ctx context.Context) ([]flow.Notice, error) {
	out := []flow.Notice{{Org: w.c.To.Org, Role: access.TownshipDoctor, Person: w.r.Arrangement.Doctor}}
	p, err := w.s.Patients.Get(ctx, w.tx, w.c.Patient)
	if err != nil {
		return nil, err
	}
	if p.Region != "" {
		clinics, err := organization.List(ctx, w.tx, organization.Filter{Kind: organization.VillageClinic})
		if err != nil {
			return nil, err
		}
		for _, o := range clinics {
			if o.Region == p.Region && o.Active {
				out = append(out, flow.Notice{Org: o.ID, Role: access.VillageDoctor})
			}
		}
	}
	k, ok, err := contract.Active(ctx, w.tx, w.c.Patient, calendar.DateOf(w.tx.Now))
	if err == nil && ok && k.Org != w.c.To.Org {
		out = append(out, flow.Notice{Org: k.Org, Role: access.TownshipDoctor})
	}
	return out, err
}

// closeMissing closes a down-referral to which nobody has come, as not
// arrived: it is not counted.
func (s *Service) closeMissing(ctx context.Context, tx *db.Tx, args reminderArgs) error {
	w, ok, err := s.missing(ctx, tx, args)
	if err != nil || !ok {
		return err
	}
	if w.c.State == StateArranged {
		if err := w.act(ctx, ActNoShow, flow.Move{Comment: "到期仍未到诊"}); err != nil {
			return err
		}
		w.ref.Version = w.c.Version
	}
	err = w.act(ctx, ActClose, flow.Move{Reason: "unreachable", Comment: "约定日期后仍未到诊，按规则关闭，不计入下转例数", Outcome: OutcomeNotArrived})
	if err != nil {
		return err
	}
	if err := s.tellStaff(ctx, tx, flow.Notice{
		Case: w.c.ID, Kind: Kind, Number: w.c.Number, Level: "info", Org: w.c.From.Org, Role: access.DepartmentDoctor, Person: w.c.From.Person,
		Text: "您下转的患者始终未到诊，下转单已关闭：" + w.c.Subject,
	}); err != nil {
		return err
	}
	return nil
}

// inCareUntil is the end of the plan as due time, when it lies ahead.
func (w *work) inCareUntil(ctx context.Context, mv *flow.Move) error {
	plan, err := w.s.plan(ctx, w.tx, w.c.ID)
	if err != nil || plan.Plan.Until == "" {
		return err
	}
	day, err := calendar.ParseDate(plan.Plan.Until)
	if err != nil {
		return errs.Because(err, errs.Invalid, "下转计划的结束日期无法识别")
	}
	if end := calendar.EndOf(day); end.After(w.tx.Now) {
		mv.Due = end
	}
	return nil
}
