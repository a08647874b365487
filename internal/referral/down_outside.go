package referral

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/terminology"
)

// What an institution without the system may answer, by one-time link or
// through the centre's clerk who has it on the telephone (电话代录).
const (
	OutsideAccept  = "accept"
	OutsideDecline = "decline"
	OutsideArrived = "arrived"
	OutsideReport  = "report"
)

// OutsideAnswers are the answers that a state waits for.
func OutsideAnswers(state string) []Code {
	switch state {
	case StateSubmitted:
		return []Code{{OutsideAccept, "同意接收"}, {OutsideDecline, "不能接收"}}
	case StateArranged:
		return []Code{{OutsideArrived, "患者已到"}}
	case StateInCare:
		return []Code{{OutsideReport, "已完成，写回报"}}
	}
	return nil
}

// OutsideAnswer is one answer of an institution without the system.
type OutsideAnswer struct {
	Answer  string
	Name    string    // who answered there
	Phone   string    // under which number; of a telephone entry
	At      time.Time // when the call was; of a telephone entry
	Reason  string    // of a telephone entry: code of referral.reason.phone_entry
	Decline Decline
	Visit   string // date on which the patient is expected, with OutsideAccept
	Text    string // what was done, with OutsideReport
	Advice  string
}

func (a OutsideAnswer) check(state string, now time.Time, f *errs.Form) {
	if !slices.ContainsFunc(OutsideAnswers(state), func(c Code) bool { return c.Code == a.Answer }) {
		f.Add("answer", "请选择这一步的答复")
	}
	f.Require("name", a.Name, "对方答复人的姓名")
	switch a.Answer {
	case OutsideAccept:
		day, err := calendar.ParseDate(a.Visit)
		switch {
		case a.Visit == "":
			f.Add("visit", "请填写约定到诊的日期")
		case err != nil:
			f.AddErr("visit", err)
		case day.Before(calendar.DateOf(now)) || day.After(calendar.DateOf(now).AddDays(60)):
			f.Add("visit", "到诊日期应在今天到 60 天以内")
		}
	case OutsideReport:
		f.Require("text", a.Text, "诊疗和护理经过")
		f.Require("advice", a.Advice, "下一步建议")
	}
}

// outside reports whether the receiver is an institution without the system.
func (w *work) outside(ctx context.Context) (bool, error) {
	org, err := organization.Get(ctx, w.tx, w.c.To.Org)
	return w.r.Direction == Down && org.Kind == organization.Other, err
}

// mustOutside refuses cases whose receiver works on the platform itself.
func (w *work) mustOutside(ctx context.Context) error {
	yes, err := w.outside(ctx)
	if err == nil && !yes {
		err = errs.E(errs.Conflict, "%s在平台上办理，请由该机构自己答复", w.c.To.OrgName)
	}
	return err
}

// answer carries the answer out in the name of the program, with who has
// really answered in the timeline.
func (w *work) answerOutside(ctx context.Context, a OutsideAnswer, how string) error {
	w.actor = audit.Program(how)
	switch a.Answer {
	case OutsideAccept:
		if err := w.act(ctx, ActAccept, flow.Move{Comment: a.Name + "同意接收"}); err != nil {
			return err
		}
		return w.expect(ctx, calendar.Date(a.Visit))
	case OutsideDecline:
		return w.declineOutside(ctx, a)
	case OutsideArrived:
		return w.arrivedOutside(ctx, a)
	}
	code := w.r.Diagnosis
	if c, ok := terminology.Get(code); ok {
		code = c.Code
	}
	w.ref.Version = w.c.Version
	return w.complete(ctx, ActComplete, Report{ResultCode: code, Treatment: a.Text, Advice: a.Advice, Outcome: OutcomeReturned, Phone: a.Phone})
}

// expect notes the day on which the patient is expected there.
func (w *work) expect(ctx context.Context, day calendar.Date) error {
	const morning = 9 * time.Hour
	at := day.Time().Add(morning)
	if !at.After(w.tx.Now) {
		at = calendar.EndOf(day)
	}
	w.ref.Version, w.ref.Once = w.c.Version, ""
	var f errs.Form
	return w.appoint(ctx, ActArrange, Arrangement{Department: w.c.To.Department, At: at, Location: w.c.To.OrgName, Phone: w.r.TargetPhone}, flow.Move{}, &f)
}

func (w *work) declineOutside(ctx context.Context, a OutsideAnswer) error {
	var f errs.Form
	w.reason(&f, ActDeclineDown, a.Decline.Reason, a.Decline.Comment)
	f.Require("decline_advice", a.Decline.Advice, "下一步建议（例如推荐的其他机构）")
	if err := f.Err(); err != nil {
		return err
	}
	list, err := w.s.Flow.Codes(reasons(ActDeclineDown), w.c.Place, w.tx.Now)
	if err != nil {
		return err
	}
	w.r.Advice = Advice{Reason: codeTitle(list, a.Decline.Reason), Text: strings.TrimSpace(a.Decline.Advice)}
	return w.act(ctx, ActDeclineDown, flow.Move{Reason: a.Decline.Reason, Comment: strings.TrimSpace(a.Name + " " + a.Decline.Comment)})
}

// arrivedOutside registers the arrival and begins the care there at once:
// nobody else would do that for them.
func (w *work) arrivedOutside(ctx context.Context, a OutsideAnswer) error {
	to := w.c.To
	to.Person, to.PersonName = "", a.Name
	w.r.ArrivedBy, w.r.ArrivedHow = a.Name, "told"
	if err := w.act(ctx, ActArrive, flow.Move{Responsible: &to, Comment: a.Name + "告知患者已到"}); err != nil {
		return err
	}
	w.ref.Version, w.ref.Once = w.c.Version, ""
	mv := flow.Move{Track: trackDown}
	if err := w.inCareUntil(ctx, &mv); err != nil {
		return err
	}
	w.r.Care, w.r.StartedAt, w.r.AttendingName = Outpatient, w.tx.Now, a.Name
	return w.act(ctx, ActStart, mv)
}

// EnterByPhone records what an institution without the system has answered on
// the telephone: the sending hospital's centre or doctor writes who, when and
// under which number.
func (s *Service) EnterByPhone(ctx context.Context, actor access.Actor, ref Ref, a OutsideAnswer) (flow.Case, error) {
	return s.step(ctx, actor, ref, "", access.Refer, func(ctx context.Context, w *work) error {
		if err := w.sender(actor); err != nil {
			return err
		}
		if err := w.mustOutside(ctx); err != nil {
			return err
		}
		var f errs.Form
		a.check(w.c.State, w.tx.Now, &f)
		f.Require("phone", a.Phone, "通话的电话号码")
		switch {
		case a.At.IsZero():
			f.Add("at", "请填写通话时间")
		case a.At.After(w.tx.Now) || a.At.Before(w.tx.Now.AddDate(0, 0, -7)):
			f.Add("at", "通话时间应在过去 7 天以内")
		}
		w.reason(&f, "phone_entry", a.Reason, a.Text+a.Decline.Comment)
		if err := f.Err(); err != nil {
			return err
		}
		call := fmt.Sprintf("%s 于 %s 在电话 %s 中答复，%s代录", a.Name, a.At.In(calendar.Shanghai).Format("1月2日 15:04"), a.Phone, actor.Name)
		if err := s.Flow.Note(ctx, w.tx, actor, w.c, "电话代录", call); err != nil {
			return err
		}
		return w.answerOutside(ctx, a, "电话代录（"+actor.Name+"）")
	})
}

// sender refuses who is not of the sending institution's centre or ward, and a
// version that has passed.
func (w *work) sender(actor access.Actor) error {
	if actor.Org != w.c.From.Org {
		return errs.E(errs.Forbidden, "电话代录和一次性链接由转出机构办理")
	}
	if !access.May(actor, access.ReferralTriage, access.Own) {
		if err := access.Require(actor, access.ReferralTreat, access.Own); err != nil {
			return err
		}
	}
	if w.ref.Version != w.c.Version {
		return errs.E(errs.Conflict, "这张单子刚刚被别人处理过，请按最新状态办理")
	}
	return nil
}

// tokenBytes is the length of a link's secret.
const tokenBytes = 32

// LinkFor makes a one-time link for the receiving institution of one case; a
// link made before is void from then on. Only the digest of the token is kept.
func (s *Service) LinkFor(ctx context.Context, actor access.Actor, ref Ref, contact string) (token string, expires time.Time, err error) {
	_, err = s.step(ctx, actor, ref, "", access.Refer, func(ctx context.Context, w *work) error {
		if err := w.sender(actor); err != nil {
			return err
		}
		if err := w.mustOutside(ctx); err != nil {
			return err
		}
		contact = strings.TrimSpace(contact)
		if contact == "" {
			return fieldErr("contact", "请填写收链接的人和电话")
		}
		if len(OutsideAnswers(w.c.State)) == 0 {
			return errs.E(errs.Conflict, "这张单子现在不等对方答复，不用发链接")
		}
		if token, expires, err = w.newLink(ctx, contact, actor.Name); err != nil {
			return err
		}
		return s.Flow.Note(ctx, w.tx, actor, w.c, "一次性链接", "已生成，交给"+contact+"，"+expires.In(calendar.Shanghai).Format("1月2日 15:04")+" 前有效")
	})
	return token, expires, err
}

// newLink makes the only valid link of the case.
func (w *work) newLink(ctx context.Context, contact, by string) (string, time.Time, error) {
	raw := make([]byte, tokenBytes)
	if _, err := rand.Read(raw); err != nil {
		return "", time.Time{}, fmt.Errorf("draw link: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(raw)
	days, err := w.s.days(w.c, "referral.down.link.valid", w.tx.Now)
	if err != nil {
		return "", time.Time{}, err
	}
	expires := w.tx.Now.AddDate(0, 0, days)
	if _, err := w.tx.Exec(ctx, `UPDATE referral_link SET used_at = $2 WHERE referral = $1 AND used_at IS NULL`, w.c.ID, db.At(w.tx.Now)); err != nil {
		return "", expires, fmt.Errorf("void links: %w", err)
	}
	_, err = w.tx.Exec(ctx, `
		INSERT INTO referral_link (id, referral, token, contact, created_at, created_by, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		db.NewID(), w.c.ID, w.s.linkDigest(token), contact, db.At(w.tx.Now), by, db.At(expires))
	if err != nil {
		return "", expires, fmt.Errorf("insert link: %w", err)
	}
	return token, expires, nil
}

func (s *Service) linkDigest(token string) string {
	return s.Keys.Digest([]byte("referral_link"), []byte(token))
}

// errLink is the one answer to every link that does not open a case: it says
// nothing about whether there was one.
func errLink() error {
	return errs.E(errs.NotFound, "这个链接无效、已用过或已过期。请致电发来链接的医院转诊中心，重新索取")
}

// byLink finds the case of a valid link.
func (s *Service) byLink(ctx context.Context, tx *db.Tx, token string) (w *work, link, contact string, err error) {
	type row struct{ id, referral, contact string }
	list, err := db.List(ctx, tx, func(scan db.Scan) (r row, err error) {
		return r, scan(&r.id, &r.referral, &r.contact)
	}, `SELECT id, referral, contact FROM referral_link WHERE token = $1 AND used_at IS NULL AND expires_at > $2`,
		s.linkDigest(token), db.At(tx.Now))
	if err != nil {
		return nil, "", "", err
	}
	if len(list) == 0 {
		return nil, "", "", errLink()
	}
	c, err := flow.Get(ctx, tx, list[0].referral)
	if err != nil {
		return nil, "", "", err
	}
	r, err := s.load(ctx, tx, c.ID)
	if err != nil {
		return nil, "", "", err
	}
	if len(OutsideAnswers(c.State)) == 0 {
		return nil, "", "", errLink()
	}
	w = &work{s: s, tx: tx, actor: audit.Program("一次性链接"), ref: Ref{ID: c.ID, Version: c.Version}, was: c, c: c, r: r}
	return w, list[0].id, list[0].contact, nil
}

// Linked is what a one-time link shows: the plan and the person, no more.
type Linked struct {
	Case    flow.Case
	Record  Record
	Patient patient.Patient // masked
	Plan    Plan
	Answers []Code
	Reasons []Code // of declining
	Contact string
	Now     time.Time
}

// OpenLink shows the case of a one-time link; every look is logged with the
// address that it came from.
func (s *Service) OpenLink(ctx context.Context, token, ip string) (out Linked, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		w, link, contact, err := s.byLink(ctx, tx, token)
		if err != nil {
			return err
		}
		if err := s.linkLeaf(ctx, w, "referral.link.open", link, contact, ip); err != nil {
			return err
		}
		plan, err := s.plan(ctx, tx, w.c.ID)
		if err != nil {
			return err
		}
		out = Linked{Case: w.c, Record: w.r, Plan: plan.Plan, Answers: OutsideAnswers(w.c.State), Contact: contact, Now: tx.Now}
		codes, err := s.Flow.Codes(reasons(ActDeclineDown), w.c.Place, tx.Now)
		if err != nil {
			return err
		}
		for _, c := range codes {
			out.Reasons = append(out.Reasons, Code{Code: c.Code, Title: c.Title})
		}
		out.Patient, err = s.Patients.Get(ctx, tx, w.c.Patient)
		return err
	})
	return out, err
}

func (s *Service) linkLeaf(ctx context.Context, w *work, action, link, contact, ip string) error {
	actor := w.actor
	actor.IP = ip
	return s.Audit.Append(ctx, w.tx, audit.Leaf{
		Actor: actor, Action: action, Object: Kind, ObjectID: w.c.ID, Patient: w.c.Patient, Basis: string(access.BasisReferral),
		Outcome: audit.OK, Detail: w.c.To.OrgName + " " + contact + " 链接 " + link,
	})
}

// AnswerLink takes the answer that a link was given for. The link is used up;
// as long as the case waits for more from there, a fresh one comes back.
func (s *Service) AnswerLink(ctx context.Context, token, ip string, a OutsideAnswer) (next string, c flow.Case, err error) {
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		next = ""
		w, link, contact, err := s.byLink(ctx, tx, token)
		if err != nil {
			return err
		}
		var f errs.Form
		a.check(w.c.State, tx.Now, &f)
		if err := f.Err(); err != nil {
			return err
		}
		if err := s.linkLeaf(ctx, w, "referral.link.answer", link, contact, ip); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE referral_link SET used_at = $2 WHERE id = $1 AND used_at IS NULL`, link, db.At(tx.Now))
		if err != nil {
			return fmt.Errorf("use link: %w", err)
		}
		if n != 1 {
			return errLink()
		}
		if err := w.answerOutside(ctx, a, w.c.To.OrgName+"（一次性链接）"); err != nil {
			return err
		}
		c = w.c
		if len(OutsideAnswers(w.c.State)) > 0 {
			next, _, err = w.newLink(ctx, contact, "一次性链接")
		}
		return err
	})
	return next, c, err
}
