package referral

import (
	"context"
	"fmt"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
)

// trackTraced is the track of an emergency that has been acknowledged: its
// clock (referral.clock.transferring.untraced) asks whether the patient has
// arrived, no longer who takes him.
const trackTraced = "untraced"

// AcknowledgeEmergency confirms that the receiving side is ready: the alarm
// stops everywhere, the actor is named, and the time it took is kept.
func (s *Service) AcknowledgeEmergency(ctx context.Context, actor access.Actor, ref Ref, comment string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActAcknowledgeED, access.Refer, func(ctx context.Context, w *work) error {
		me := flow.PartyOf(actor)
		if err := w.confirmed(me.Person, actor.Name, AckPlatform); err != nil {
			return err
		}
		to := w.c.To
		to.Person, to.PersonName = me.Person, me.PersonName
		return w.act(ctx, ActAcknowledgeED, flow.Move{Comment: comment, Track: trackTraced, Anchor: w.r.Emergency.SentAt, ToParty: &to})
	})
}

// confirmed notes who has confirmed; the first one stands.
func (w *work) confirmed(by, name, how string) error {
	e := w.r.Emergency
	if e == nil {
		return fmt.Errorf("referral %s: no emergency", w.c.ID)
	}
	if e.Acknowledged() {
		return errs.E(errs.Conflict, "%s 已由%s确认接收，不用再次确认", w.c.Number, e.AckName)
	}
	e.AckAt, e.AckBy, e.AckName, e.AckHow = w.tx.Now, by, name, how
	if e.Waited == 0 {
		e.Waited = max(w.tx.Now.Sub(e.SentAt), time.Millisecond)
	}
	return nil
}

// Call is one telephone call of the sender.
type Call struct {
	At          time.Time
	Name, Phone string
	Result      string // code of CallResults
	By          string
}

// Results of a call.
const (
	CallConfirmed = "confirmed"
	CallNoAnswer  = "no_answer"
	CallBusy      = "busy"
)

// CallResults returns what a call may have come to.
func CallResults() []Code {
	return []Code{{CallConfirmed, "已接通，确认接收"}, {CallNoAnswer, "无人接听"}, {CallBusy, "占线"}}
}

// RecordCall keeps a call to the receiving side, with one click. A call that
// was answered with a yes is the acknowledgement.
func (s *Service) RecordCall(ctx context.Context, actor access.Actor, ref Ref, call Call) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActAcknowledgePhone, access.Refer, func(ctx context.Context, w *work) error {
		var f errs.Form
		if Title(CallResults(), call.Result) == call.Result {
			f.Add("result", "请选择通话结果")
		}
		call.Name, call.Phone = cut(call.Name, 40), cut(call.Phone, 20)
		f.Require("name", call.Name, "接电话的人或科室")
		if err := f.Err(); err != nil {
			return err
		}
		if call.Result == CallConfirmed {
			if err := w.confirmed("", call.Name, "phone"); err != nil {
				return err
			}
		}
		if err := insertCall(ctx, w.tx, w.c.ID, actor.Name, call); err != nil {
			return err
		}
		text := fmt.Sprintf("拨打 %s %s：%s", call.Name, call.Phone, Title(CallResults(), call.Result))
		if call.Result != CallConfirmed {
			return w.s.Flow.Note(ctx, w.tx, actor, w.c, "电话联系接收医院", text)
		}
		return w.act(ctx, ActAcknowledgePhone, flow.Move{Comment: text, Track: trackTraced, Anchor: w.r.Emergency.SentAt})
	})
}

// Divert sends a patient on his way to another hospital that has confirmed: by
// the receiving side, or by the sender who has the patient in the car. The
// number stays.
func (s *Service) Divert(ctx context.Context, actor access.Actor, ref Ref, to Redirect) (flow.Case, error) {
	return s.step(ctx, actor, ref, "", access.Refer, func(ctx context.Context, w *work) error {
		action := ActDivertFrom
		if actor.Org == w.c.To.Org {
			action = ActDivert
		}
		if _, err := s.Flow.Check(ctx, w.tx, actor, ref.ID, ref.Version, action); err != nil {
			return err
		}
		party, err := w.diverted(ctx, to)
		if err != nil {
			return err
		}
		e := w.r.Emergency
		e.Round, e.Step, e.AckBy, e.AckName, e.AckHow, e.AckAt = e.Round+1, 0, "", "", "", time.Time{}
		name := strings.TrimSpace(to.AgreedBy)
		if err := w.confirmed("", name, to.AgreedHow); err != nil {
			return err
		}
		comment := fmt.Sprintf("改送%s，对方已确认（%s，%s）", party.OrgName, name, Title(AgreedWays(), to.AgreedHow))
		if c := strings.TrimSpace(to.Comment); c != "" {
			comment += "；" + c
		}
		if err := w.act(ctx, action, flow.Move{Reason: to.Reason, Comment: comment, Track: trackTraced, Anchor: e.SentAt, ToParty: &party}); err != nil {
			return err
		}
		return w.s.alert(ctx, w.tx, w.c, w.r.Emergency, 1)
	})
}

// diverted checks the new hospital and takes it over into the record.
func (w *work) diverted(ctx context.Context, to Redirect) (flow.Party, error) {
	var f errs.Form
	w.reason(&f, ActDivert, to.Reason, to.Comment)
	f.Require("agreed_by", to.AgreedBy, "对方确认接收的人")
	if to.AgreedHow == "" {
		f.Add("agreed_how", "请选择对方以何种方式确认")
	}
	known(&f, "agreed_how", "确认方式", to.AgreedHow, AgreedWays())
	h, err := organization.GetService(ctx, w.tx, to.Service)
	switch {
	case errs.Is(err, errs.NotFound):
		f.Add("target_service", "请选择已确认接收的医院")
	case err != nil:
		return flow.Party{}, err
	case h.Org == w.c.From.Org:
		f.Add("target_service", "不能改送转出机构，请选择其他医院；患者不再转送时请“取消转诊”")
	case h.Org == w.c.To.Org:
		f.Add("target_service", "正在送往这家医院，请选择其他医院")
	}
	if err := f.Err(); err != nil {
		return flow.Party{}, err
	}
	party, org, err := w.party(ctx, h)
	w.r.TargetService, w.r.TargetPhone = h.ID, org.ReferralPhone
	return party, err
}
