package referral

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"math/big"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
)

// Arrange gives the patient department, doctor, time and place, and a code
// that the registration desk takes once.
func (s *Service) Arrange(ctx context.Context, actor access.Actor, ref Ref, a Arrangement) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActArrange, access.Refer, func(ctx context.Context, w *work) error {
		var f errs.Form
		return w.appoint(ctx, ActArrange, a, flow.Move{}, &f)
	})
}

// Reschedule moves an appointment; the arrival code stays.
func (s *Service) Reschedule(ctx context.Context, actor access.Actor, ref Ref, a Arrangement, reason, comment string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActReschedule, access.Refer, func(ctx context.Context, w *work) error {
		var f errs.Form
		w.reason(&f, ActReschedule, reason, comment)
		return w.appoint(ctx, ActReschedule, a, flow.Move{Reason: reason, Comment: comment}, &f)
	})
}

// appoint checks an appointment, reserves what it names, and stores it. The due
// time is the appointment plus the policy's grace.
func (w *work) appoint(ctx context.Context, action string, a Arrangement, mv flow.Move, f *errs.Form) error {
	if err := w.fromSlot(ctx, &a, f); err != nil {
		return err
	}
	if a.Slot == "" { // a slot that is over is refused with the next ones
		a.check(w.tx.Now, f)
	}
	to, err := w.where(ctx, &a, f)
	if err != nil {
		return err
	}
	if err := f.Err(); err != nil {
		return err
	}
	if err := w.reserve(ctx, a); err != nil {
		return err
	}
	return w.appointed(ctx, action, a, to, mv)
}

// appointed stores an appointment whose place is reserved, moves the case and
// plans the reminder.
func (w *work) appointed(ctx context.Context, action string, a Arrangement, to flow.Party, mv flow.Move) (err error) {
	a.Code = w.r.Arrangement.Code
	if a.Code == "" {
		if a.Code, err = newCode(ctx, w.tx, w.c.To.Org); err != nil {
			return err
		}
		w.r.WrongCodes = 0
	}
	w.r.codeOrg, w.r.Arrangement = w.c.To.Org, a
	mv.ToParty, mv.Anchor = &to, a.At
	if err := w.act(ctx, action, mv); err != nil {
		return err
	}
	if err := w.planChase(ctx); err != nil {
		return err
	}
	return w.planReminder(ctx)
}

// where checks department and doctor and fills in place and phone.
func (w *work) where(ctx context.Context, a *Arrangement, f *errs.Form) (flow.Party, error) {
	to := flow.Party{Org: w.c.To.Org, OrgName: w.c.To.OrgName}
	if a.Department == "" {
		return to, nil
	}
	dept, err := organization.GetDepartment(ctx, w.tx, a.Department)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return to, err
	}
	if err != nil || dept.Org != to.Org || !dept.Active {
		f.Add("department", "所选科室不属于本院或已停用，请重新选择")
		return to, nil
	}
	to.Department, to.DepartmentName = dept.ID, dept.Name
	if a.Doctor != "" {
		here, err := practitioner.At(ctx, w.tx, to.Org, "", calendar.DateOf(w.tx.Now))
		if err != nil {
			return to, err
		}
		found := false
		for _, p := range here {
			if p.ID == a.Doctor {
				a.DoctorName, found = p.Name, true
			}
		}
		if !found {
			f.Add("doctor", "所选医生目前不在本院执业，请重新选择")
		}
	}
	a.Location, a.Phone = strings.TrimSpace(a.Location), strings.TrimSpace(a.Phone)
	if a.Location == "" {
		a.Location = dept.Location
	}
	if a.Phone == "" {
		a.Phone = dept.Phone
	}
	if a.Phone == "" {
		a.Phone = w.r.TargetPhone
	}
	if a.Location == "" {
		f.Add("location", "请填写就诊地点（楼层、诊室）")
	}
	return to, nil
}

// newCode draws an arrival code that no open case of the institution has.
func newCode(ctx context.Context, tx *db.Tx, org string) (string, error) {
	for range 50 {
		n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
		if err != nil {
			return "", fmt.Errorf("draw arrival code: %w", err)
		}
		code := fmt.Sprintf("%06d", n.Int64())
		taken, err := codeTaken(ctx, tx, org, code)
		if err != nil {
			return "", err
		}
		if !taken {
			return code, nil
		}
	}
	return "", errs.E(errs.Unavailable, "暂时无法生成到诊码，请稍后再试")
}

// NoShow records that the patient has not come; it is the referring doctor's
// turn to find out why.
func (s *Service) NoShow(ctx context.Context, actor access.Actor, ref Ref, comment string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActNoShow, access.Refer, func(ctx context.Context, w *work) error {
		if w.tx.Now.Before(w.r.Arrangement.At) {
			return errs.E(errs.Conflict, "还没有到约定的就诊时间（%s），不能登记未到诊",
				w.r.Arrangement.At.In(calendar.Shanghai).Format("2006-01-02 15:04"))
		}
		return w.act(ctx, ActNoShow, flow.Move{Comment: comment})
	})
}

// Rearrange asks the receiving centre for another appointment; the reason is
// why the patient had not come.
func (s *Service) Rearrange(ctx context.Context, actor access.Actor, ref Ref, reason, comment string) (flow.Case, error) {
	return s.plain(ctx, actor, ref, ActRearrange, ActNoShow, reason, comment, flow.Move{})
}

// Cancel ends an accepted referral before the patient has come: by the
// receiving institution (cancel) or by the referring doctor (call_off).
func (s *Service) Cancel(ctx context.Context, actor access.Actor, ref Ref, reason, comment string) (flow.Case, error) {
	return s.step(ctx, actor, ref, "", access.Refer, func(ctx context.Context, w *work) error {
		action := ActCallOff
		if actor.Org == w.c.To.Org {
			action = ActCancel
		}
		if _, err := s.Flow.Check(ctx, w.tx, actor, ref.ID, ref.Version, action); err != nil {
			return err
		}
		var f errs.Form
		w.reason(&f, ActCancel, reason, comment)
		if err := f.Err(); err != nil {
			return err
		}
		return w.act(ctx, action, flow.Move{Reason: reason, Comment: comment, Outcome: OutcomeOther})
	})
}

// wrongCodesMax is how often a wrong code may be tried on one case before the
// desk has to look at the identity card instead.
const wrongCodesMax = 5

// Arrive registers that the patient is here: by the one-time code or the
// identity card, and the name or birth date as second identifier. A wrong code
// is counted, even though nothing else of the attempt remains.
func (s *Service) Arrive(ctx context.Context, actor access.Actor, ref Ref, a Arrival) (flow.Case, error) {
	wrong := false
	c, err := s.step(ctx, actor, ref, ActArrive, access.Refer, func(ctx context.Context, w *work) error {
		var f errs.Form
		var err error
		if w.c.State == StateTransferring { // who rescues does not ask for papers; the hand-over names the patient
			w.r.ArrivedHow = arrivedHandover
		} else if wrong, err = w.identify(ctx, a, &f); err != nil {
			return err
		}
		if err := f.Err(); err != nil {
			return err
		}
		to := w.c.To
		to.Person, to.PersonName = "", ""
		w.r.ArrivedBy = actor.Name
		return w.act(ctx, ActArrive, flow.Move{Responsible: &to})
	})
	if wrong && err != nil && s.joined != nil { // counted once the refused transaction is over
		s.joined.OnEnd(func() {
			if err := s.countWrongCode(context.WithoutCancel(ctx), actor, ref.ID); err != nil {
				slog.Error("wrong arrival code was not counted", "error", err)
			}
		})
		return c, err
	}
	if wrong && err != nil {
		if cerr := s.countWrongCode(ctx, actor, ref.ID); cerr != nil {
			return c, cerr
		}
	}
	return c, err
}

// identify checks two identifiers. wrong says that a code was given and does
// not match.
func (w *work) identify(ctx context.Context, a Arrival, f *errs.Form) (wrong bool, err error) {
	a = Arrival{strings.TrimSpace(a.Code), strings.TrimSpace(a.IDNumber), strings.TrimSpace(a.Name), strings.TrimSpace(a.BirthDate)}
	p, err := w.s.Patients.Get(ctx, w.tx, w.c.Patient)
	if err != nil {
		return false, err
	}
	switch {
	case a.IDNumber != "":
		w.r.ArrivedHow = "id"
		holder, err := w.s.Patients.Identify(ctx, w.tx, a.IDNumber)
		switch {
		case errs.Is(err, errs.Invalid) || errs.Is(err, errs.NotFound):
			f.AddErr("id_number", err)
		case err != nil:
			return false, err
		case holder != p.ID:
			f.Add("id_number", "身份证号码与这张转诊单的患者不符，请核对是否拿错单子")
		}
	case a.Code == "":
		f.Add("code", "请输入 6 位到诊码，或刷身份证")
	case w.r.WrongCodes >= wrongCodesMax:
		f.Add("code", "到诊码已连续输错 %d 次，本单停用到诊码，请核对身份证", wrongCodesMax)
	case w.r.Arrangement.Code == "" || a.Code != w.r.Arrangement.Code:
		wrong = true
		f.Add("code", "到诊码不正确（第 %d 次，最多 %d 次），请核对短信或转诊单上的 6 位数字", w.r.WrongCodes+1, wrongCodesMax)
	default:
		w.r.ArrivedHow = "code"
	}
	switch {
	case a.Name == "" && a.BirthDate == "":
		f.Add("name", "请再核对一项：患者姓名或出生日期")
	case a.Name != "" && a.Name != p.Name:
		f.Add("name", "姓名与转诊单不符，请核对患者身份")
	case a.BirthDate != "" && a.BirthDate != string(p.BirthDate):
		f.Add("birth_date", "出生日期与转诊单不符，请核对患者身份")
	}
	return wrong, nil
}

func (s *Service) countWrongCode(ctx context.Context, actor access.Actor, id string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE referral SET wrong_codes = wrong_codes + 1 WHERE id = $1`, id); err != nil {
			return fmt.Errorf("count wrong code: %w", err)
		}
		return s.Audit.Append(ctx, tx, audit.Leaf{
			Actor: actor, Action: "referral.arrive", Object: Kind, ObjectID: id, Outcome: audit.Refused, Detail: "到诊码不正确",
		})
	})
}
