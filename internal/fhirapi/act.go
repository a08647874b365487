package fhirapi

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/db"
	tape "yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/flow"
	"yilian/internal/projection"
	"yilian/internal/referral"
)

// said is what a Task says that a client writes: the status it wants, and what
// the act needs beside it.
type said struct {
	want string
	root tape.Node
	old  tape.Node // the Task as it stands
}

// reason is the code of a list of policy, with what was written beside it.
func (t said) reason() (code, text string) {
	r := t.root.Get("statusReason")
	for k := range r.Get("coding").Items() {
		if strings.HasPrefix(k.Get("system").Text(), projection.CodeSystem+"referral.reason.") {
			code = k.Get("code").Text()
		}
	}
	return code, r.Get("text").Text()
}

// value reads a named input or output.
func (t said) value(list, code string) string {
	for i := range t.root.Get(list).Items() {
		for k := range i.Get("type").Get("coding").Items() {
			if k.Get("code").Text() != code {
				continue
			}
			if c := i.Get("valueCodeableConcept"); c.Exists() {
				return c.Get("coding").At(0).Get("code").Text()
			}
			return cmp.Or(i.Get("valueString").Text(), i.Get("valueCode").Text(), i.Get("valueDate").Text())
		}
	}
	return ""
}

func (t said) start() time.Time {
	p, ok := search.ParseTime(t.root.Get("executionPeriod").Get("start").Text())
	if !ok {
		return time.Time{}
	}
	return time.UnixMilli(p.From).UTC()
}

// take carries out the act that a wanted status stands for, by the use case of
// the page and with the rights of the client at its institution.
func (o Referrals) take(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	if t.moved() {
		return o.redirect(ctx, tx, actor, c, t)
	}
	if x, ok := turnOf(t.want, c.State); ok {
		return x.act(o, ctx, tx, actor, c, t)
	}
	s := o.Service.Within(tx)
	code, text := t.reason()
	code = cmp.Or(code, "other")
	switch t.want {
	case "accepted":
		return o.accept(ctx, tx, actor, c, t)
	case "rejected":
		return s.Decline(ctx, actor, refOf(c), referral.Decline{Reason: code, Comment: text, Advice: text})
	case "in-progress":
		return o.begin(ctx, tx, actor, c, t)
	case "completed":
		return s.Complete(ctx, actor, refOf(c), referral.Report{
			ResultCode: t.value("output", "diagnosis"), RecordNumber: t.value("output", "record-number"), Exams: t.value("output", "exams"),
			Treatment: t.value("output", "treatment"), Advice: t.value("output", "advice"), Outcome: t.value("output", "outcome"),
		})
	case "cancelled":
		return o.cancel(ctx, tx, actor, c, code, text)
	}
	return c, refuse(http.StatusUnprocessableEntity, "business-rule",
		"转诊单 %s 不能改为“%s”：接口可以办理 accepted（受理、安排、改期、重新安排）、on-hold（要求补充、候诊）、requested（补充资料）、rejected（退回）、ready（到诊）、in-progress（到诊、开始诊疗、诊疗进展）、completed（完成并回转）、failed（未到诊）、cancelled（撤回、取消），改换 owner 是转介，其余在平台办理",
		c.Number, t.want)
}

func refOf(c flow.Case) referral.Ref { return referral.Ref{ID: c.ID, Version: c.Version} }

// accept takes a referral; with a time it arranges the visit too.
func (o Referrals) accept(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	s := o.Service.Within(tx)
	at := t.start()
	var err error
	if c.State != referral.StateAccepted && c.State != referral.StateDeferred || at.IsZero() {
		if c, err = s.Accept(ctx, actor, refOf(c), t.root.Get("note").At(0).Get("text").Text()); err != nil || at.IsZero() {
			return c, err
		}
	}
	return s.Arrange(ctx, actor, refOf(c), o.visit(c, t))
}

// begin registers the arrival, when that has not been done, and begins care.
func (o Referrals) begin(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, t said) (flow.Case, error) {
	s := o.Service.Within(tx)
	if c.State != referral.StateArrived {
		var err error
		if c, err = s.Arrive(ctx, actor, refOf(c), t.arrival()); err != nil {
			return c, err
		}
	}
	return s.Start(ctx, actor, refOf(c), referral.Start{Care: cmp.Or(t.value("input", "care"), referral.Outpatient),
		ExpectedDischarge: t.value("input", "expected-discharge")})
}

// cancel ends a referral: before it was taken the referring side takes it back,
// afterwards either side cancels it.
func (o Referrals) cancel(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case, code, text string) (flow.Case, error) {
	s := o.Service.Within(tx)
	if actor.Org != c.From.Org {
		return s.Cancel(ctx, actor, refOf(c), code, text)
	}
	switch c.State {
	case referral.StateDraft:
		return s.Discard(ctx, actor, refOf(c), code, text)
	case referral.StateSubmitted, referral.StateAwaitingInfo, referral.StateDeferred:
		return s.Withdraw(ctx, actor, refOf(c), code, text)
	}
	return s.Cancel(ctx, actor, refOf(c), code, text)
}
