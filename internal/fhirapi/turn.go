package fhirapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/policy"
	"yilian/internal/projection"
	"yilian/internal/referral"
)

// turn is a status that means an act only in one state of the case. An empty
// state is any other: the use case says why it cannot be done there.
type turn struct {
	want, state string
	act         func(o Referrals, ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error)
}

// turns is read from the top; what is not in it is an act of the status alone.
var turns = []turn{
	{"on-hold", referral.StateAccepted, Referrals.wait},
	{"on-hold", "", Referrals.ask},
	{"requested", referral.StateAwaitingInfo, Referrals.answer},
	{"accepted", referral.StateArranged, Referrals.reschedule},
	{"accepted", referral.StateNoShow, Referrals.rearrange},
	{"failed", "", Referrals.noShow},
	{"ready", "", Referrals.arrive},
	{"in-progress", referral.StateInCare, Referrals.progress},
}

func turnOf(want, state string) (turn, bool) {
	i := slices.IndexFunc(turns, func(x turn) bool { return x.want == want && (x.state == "" || x.state == state) })
	if i < 0 {
		return turn{}, false
	}
	return turns[i], true
}

// added is the text of a note that the Task did not have before.
func (t said) added() string {
	notes := t.root.Get("note")
	if n := notes.Len(); n > t.old.Get("note").Len() {
		return strings.Clone(notes.At(n - 1).Get("text").Text())
	}
	return ""
}

// because is the coded reason, "other" when there is none, with its text.
func (t said) because() (code, text string) {
	code, text = t.reason()
	return strings.Clone(cmp.Or(code, "other")), strings.Clone(text)
}

// forDoctor lets the system of the referring institution act for its doctor, in
// whose hands the case is. What flow would ask of a person is asked here of the
// client: its side, its right, its access to the patient.
func (o Referrals) forDoctor(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case) (access.Actor, error) {
	if c.From.Org != actor.Org {
		return actor, errs.E(errs.Forbidden, "转诊单 %s 不是“%s”开的，不能代为办理", c.Number, actor.OrgName)
	}
	if err := access.Require(actor, access.ReferralCreate, access.Own); err != nil {
		return actor, err
	}
	_, err := o.Service.Access.Patient(ctx, tx, actor, c.Patient, access.Refer)
	return behalf(actor), err
}

func (o Referrals) ask(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	code, text := t.because()
	return o.Service.Within(tx).Ask(ctx, actor, refOf(c), code, text)
}

func (o Referrals) answer(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	actor, err := o.forDoctor(ctx, tx, actor, c)
	if err != nil {
		return c, err
	}
	return o.Service.Within(tx).Answer(ctx, actor, refOf(c), cmp.Or(t.added(), strings.Clone(t.value("input", "answer"))))
}

// wait puts the patient on the waiting list until the promised day.
func (o Referrals) wait(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	code, text := t.because()
	return o.Service.Within(tx).Defer(ctx, actor, refOf(c), referral.Deferral{Reason: code, Comment: text, PromisedOn: strings.Clone(t.value("input", "promised-on"))})
}

func (o Referrals) reschedule(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	code, text := t.because()
	return o.Service.Within(tx).Reschedule(ctx, actor, refOf(c), o.visit(c, t), code, text)
}

func (o Referrals) visit(c flow.Case, t said) referral.Arrangement {
	return referral.Arrangement{Department: c.To.Department, At: t.start(), Location: strings.Clone(t.value("input", "location"))}
}

func (o Referrals) rearrange(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	actor, err := o.forDoctor(ctx, tx, actor, c)
	if err != nil {
		return c, err
	}
	code, text := t.because()
	return o.Service.Within(tx).Rearrange(ctx, actor, refOf(c), code, text)
}

// noShow registers that the patient has not come. Why is for the referring
// doctor to find out; a reason that the receiving side knows is told to him.
func (o Referrals) noShow(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	code, text := t.reason()
	if code != "" {
		list, err := o.Service.Flow.Codes("referral.reason."+referral.ActNoShow, c.Place, tx.Now)
		if err != nil {
			return c, err
		}
		i := slices.IndexFunc(list, func(x policy.Code) bool { return x.Code == code })
		if i < 0 {
			return c, refuse(http.StatusUnprocessableEntity, "code-invalid", "未到诊原因“%s”不在当前政策的原因清单中，请改用清单中的代码，或只写 statusReason.text", code)
		}
		text = strings.Trim(list[i].Title+"："+text, "：")
	}
	return o.Service.Within(tx).NoShow(ctx, actor, refOf(c), strings.Clone(text))
}

// moved reports whether a client names another owner than the Task has.
func (t said) moved() bool {
	now, was := t.root.Get("owner").Get("reference").Text(), t.old.Get("owner").Get("reference").Text()
	return now != "" && (was == "" || !strings.HasSuffix("/"+now, "/"+was)) // an address of ours may stand before it
}

// redirect hands the case to the service that the Task names as its owner.
func (o Referrals) redirect(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	service, ok := projection.Local(t.root.Get("owner"), "HealthcareService")
	switch {
	case !ok:
		return c, refuse(http.StatusUnprocessableEntity, "business-rule", "转诊单 %s 转介时，Task.owner 应引用已同意接收的科室服务 HealthcareService，不能是“%s”", c.Number, t.root.Get("owner").Get("reference").Text())
	case t.want != t.old.Get("status").Text() && t.want != "requested":
		return c, refuse(http.StatusUnprocessableEntity, "business-rule", "转诊单 %s 转介时状态应不变或为 requested：转介和改为“%s”请分两次办理", c.Number, t.want)
	case c.State == referral.StateTransferring || c.State == referral.StateDeclined:
		return c, refuse(http.StatusUnprocessableEntity, "business-rule", "转诊单 %s 现在不能从接口改换接收机构：急诊改送、退回后另转他院须由医生在平台办理", c.Number)
	}
	to := referral.Redirect{Service: strings.Clone(service), AgreedBy: strings.Clone(t.value("input", "agreed-by")), AgreedHow: strings.Clone(t.value("input", "agreed-how")),
		Phone: strings.Clone(t.value("input", "agreed-phone")), Visit: calendar.Date(strings.Clone(t.value("input", "visit-date")))}
	to.Reason, to.Comment = t.because()
	if text := t.value("input", "agreed-at"); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return c, refuse(http.StatusUnprocessableEntity, "invalid", "input“agreed-at”应是带时区的时刻，例如 2026-11-28T09:30:00+08:00")
		}
		to.At = at
	}
	return o.Service.Within(tx).Redirect(ctx, actor, refOf(c), to)
}

// arrive registers that the patient is here, before anybody treats him.
func (o Referrals) arrive(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	return o.Service.Within(tx).Arrive(ctx, actor, refOf(c), t.arrival())
}

func (t said) arrival() referral.Arrival {
	return referral.Arrival{Code: strings.Clone(t.value("input", "arrival-code")), IDNumber: strings.Clone(t.value("input", "id-number")),
		Name: strings.Clone(t.value("input", "name")), BirthDate: strings.Clone(t.value("input", "birth-date"))}
}

// progress is a further note on a patient in care.
func (o Referrals) progress(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	return o.Service.Within(tx).InterimNote(ctx, actor, refOf(c), t.added())
}
