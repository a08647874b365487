package consultweb

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/consult"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/web"
)

// view is the page of one case, with the form of one action when one is open.
type view struct {
	consult.Full
	Actor access.Actor
	Form  *form
	Err   error // what went wrong with an action that has no form
}

// form is one action being filled in.
type form struct {
	Action  flow.Action
	Values  url.Values
	Err     error
	Reasons []web.Option
	Targets []web.Option // to ask elsewhere
}

func (f form) value(name string) string { return f.Values.Get(name) }

// call is one action as it was posted.
type call struct {
	ctx   context.Context
	s     *consult.Service
	actor access.Actor
	ref   consult.Ref
	form  url.Values
}

func (c call) text(name string) string { return strings.TrimSpace(c.form.Get(name)) }

// action is how the pages offer one action of the machine.
type action struct {
	icon   string
	direct bool   // one click: nothing has to be filled in
	done   string // what is said after
	run    func(c call) (flow.Case, error)
}

// actions are the actions that a case offers under its own address.
var actions = map[string]action{
	flow.ActionClaim:      {"user-check", true, "已接手，由您答复或办理", func(c call) (flow.Case, error) { return c.s.Claim(c.ctx, c.actor, c.ref) }},
	consult.ActReply:      {"message", false, "答复已送申请医生", reply},
	consult.ActAskBack:    {"help", false, "已请对方补充，我方时限暂停", askBack},
	consult.ActDecline:    {"x", false, "已退回，原因和下一步已送申请医生", decline},
	consult.ActSupply:     {"message", false, "补充资料已送出", supply},
	consult.ActElsewhere:  {"arrow-forward-up", false, "已另问他科", elsewhere},
	consult.ActWithdraw:   {"arrow-back-up", false, "咨询已撤回", reasoned((*consult.Service).Withdraw)},
	consult.ActEnd:        {"clipboard", false, "咨询已结束", reasoned((*consult.Service).End)},
	consult.ActConvert:    {"arrows-exchange", true, "转诊草稿已生成，请患者签署知情同意后提交", convert},
	consult.ActConvertFor: {"arrows-exchange", false, "已按申请医生的授权转为转诊", convert},
	consult.ActClose:      {"star", false, "谢谢评价，本单已结案", closeCase},
}

func reply(c call) (flow.Case, error) {
	return c.s.Reply(c.ctx, c.actor, c.ref, consult.Answer{
		Kind: c.text("kind"), Opinion: c.text("opinion"), Plan: c.text("plan"), Exams: c.text("exams"), Urgency: c.text("urgency"),
		Watch: c.text("watch"), Phone: c.text("phone"), Convert: c.text("convert"),
	})
}

func askBack(c call) (flow.Case, error) {
	return c.s.AskBack(c.ctx, c.actor, c.ref, c.text("reason"), c.text("question"))
}

func decline(c call) (flow.Case, error) {
	return c.s.Decline(c.ctx, c.actor, c.ref, consult.Decline{Reason: c.text("reason"), Comment: c.text("comment"), Whom: c.text("whom"), Advice: c.text("advice")})
}

func supply(c call) (flow.Case, error) {
	return c.s.Supply(c.ctx, c.actor, c.ref, c.text("answer"))
}

func elsewhere(c call) (flow.Case, error) {
	return c.s.AskElsewhere(c.ctx, c.actor, c.ref, target(c.text("target")))
}

func convert(c call) (flow.Case, error) {
	k, _, err := c.s.Convert(c.ctx, c.actor, c.ref, c.text("convert"))
	return k, err
}

func closeCase(c call) (flow.Case, error) {
	helpful, err := strconv.Atoi(c.text("helpful"))
	if err != nil {
		helpful = 0 // the use case asks for it
	}
	return c.s.Close(c.ctx, c.actor, c.ref, consult.Survey{
		Avoided: c.text("effect") == effectAvoided, Prompted: c.text("effect") == effectPrompted, Helpful: helpful, Remark: c.text("remark"),
	})
}

// What a consultation came to, as the survey asks.
const (
	effectAvoided  = "avoided"
	effectPrompted = "prompted"
	effectNone     = "none"
)

// reasoned wraps a use case that takes a coded reason and a comment.
func reasoned(use func(*consult.Service, context.Context, access.Actor, consult.Ref, string, string) (flow.Case, error)) func(call) (flow.Case, error) {
	return func(c call) (flow.Case, error) {
		return use(c.s, c.ctx, c.actor, c.ref, c.text("reason"), c.text("comment"))
	}
}

// read opens a case for the actor; the look is logged by the service.
func (p *Pages) read(ctx context.Context, actor access.Actor, id string) (*view, error) {
	full, err := p.Service.View(ctx, actor, id)
	return &view{Full: full, Actor: actor}, err
}

func (p *Pages) show(w http.ResponseWriter, r *http.Request) error {
	v, err := p.read(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, sheet(v))
}

// news answers the drawer when its case has moved on meanwhile; nothing is
// said but that. The drawer is not replaced under a person's hands.
func (p *Pages) news(w http.ResponseWriter, r *http.Request) error {
	c, err := db.Read(r.Context(), p.Service.DB, flow.Get, r.PathValue("id"))
	if err != nil {
		return err
	}
	if err := consult.Visible(c, access.ActorOf(r.Context())); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, newsLine(c.ID, int64(c.Version) != web.Version(r)))
}

// find returns an action that the actor may take now.
func (v *view) find(name string) (flow.Action, bool) {
	i := slices.IndexFunc(v.Actions, func(a flow.Action) bool { return a.Name == name })
	if i < 0 {
		return flow.Action{}, false
	}
	return v.Actions[i], true
}

// usually is the action that a state waits for: the blue button.
func usually(v *view) string {
	switch v.Case.State {
	case consult.StateAsked:
		return consult.ActReply
	case consult.StateMoreInfo:
		return consult.ActSupply
	case consult.StateDeclined:
		return consult.ActElsewhere
	case consult.StateAnswered:
		if v.Referral.ID == "" && (v.Record.Answer.Kind == consult.Refer || v.Record.Answer.Kind == consult.Emergency) {
			return consult.ActConvert
		}
		return consult.ActClose
	}
	return ""
}

// offered are the actions beside the form that is open, the usual one first,
// those that end the case last.
func offered(v *view) []flow.Action {
	if v.Form != nil {
		return nil
	}
	list := slices.Clone(v.Actions)
	rank := func(a flow.Action) int {
		switch {
		case usually(v) == a.Name:
			return 0
		case a.Dangerous:
			return 2
		}
		return 1
	}
	slices.SortStableFunc(list, func(a, b flow.Action) int { return rank(a) - rank(b) })
	return list
}

// open shows the form of an action inside the case.
func (p *Pages) open(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("action")
	if _, ok := actions[name]; !ok {
		return noAction()
	}
	v, err := p.read(r.Context(), access.ActorOf(r.Context()), r.PathValue("id"))
	if err != nil {
		return err
	}
	a, ok := v.find(name)
	if !ok {
		v.Err = errs.E(errs.Conflict, "现在不能办理这一步：单子已是“%s”，或不由您办理", machine.StateTitle(v.Case.State))
		return web.Render(w, r, http.StatusConflict, sheet(v))
	}
	if err := p.prepare(r.Context(), v, a, nil, nil); err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, sheet(v))
}

func noAction() error {
	return errs.E(errs.NotFound, "没有这项操作，请返回咨询单重新选择")
}

// act takes an action and shows the case as it then is; a draft of a referral
// is opened at once for the asker.
func (p *Pages) act(w http.ResponseWriter, r *http.Request) error {
	ctx, actor, id, name := r.Context(), access.ActorOf(r.Context()), r.PathValue("id"), r.PathValue("action")
	a, ok := actions[name]
	if !ok {
		return noAction()
	}
	if err := web.ParseForm(r); err != nil {
		return err
	}
	version, err := strconv.Atoi(r.PostFormValue("version"))
	if err != nil {
		return errs.E(errs.Invalid, "页面已过期，请重新打开这张咨询单再办理")
	}
	ref := consult.Ref{ID: id, Version: version, Once: web.OnceToken(r)}
	if _, err = a.run(call{ctx, p.Service, actor, ref, r.PostForm}); err != nil {
		return p.refused(w, r, actor, name, err)
	}
	web.Flash(w, r, web.Good, a.done)
	web.Changed(w, "consult referral todo")
	v, err := p.read(ctx, actor, id)
	switch {
	case err != nil:
		return err
	case name == consult.ActConvert && v.Referral.ID != "":
		return web.Redirect(w, r, "/referrals/new?draft="+v.Referral.ID)
	case web.IsFragment(r):
		return web.Render(w, r, http.StatusOK, sheet(v))
	}
	return web.Redirect(w, r, "/consults/"+id)
}

// refused shows the case again with what was wrong: the fresh case when
// somebody was faster, the form with everything typed when a field is wrong.
func (p *Pages) refused(w http.ResponseWriter, r *http.Request, actor access.Actor, name string, cause error) error {
	_, stale := errors.AsType[*flow.StaleError](cause)
	if !stale && !errs.Correctable(cause) {
		return cause
	}
	v, err := p.read(r.Context(), actor, r.PathValue("id"))
	if err != nil {
		return cause
	}
	if a, ok := v.find(name); ok && !actions[name].direct {
		if err := p.prepare(r.Context(), v, a, r.PostForm, cause); err != nil {
			return err
		}
	} else {
		v.Err = cause
	}
	if stale || errs.Is(cause, errs.Conflict) {
		web.Changed(w, "consult todo")
	}
	return web.Render(w, r, web.Status(cause), sheet(v))
}

// prepare opens the form of an action with what was typed, or with what is
// known.
func (p *Pages) prepare(ctx context.Context, v *view, a flow.Action, typed url.Values, cause error) error {
	f := &form{Action: a, Values: typed, Err: cause}
	list, err := p.Service.Reasons(v.Full, a)
	if err != nil {
		return err
	}
	for _, c := range list {
		f.Reasons = append(f.Reasons, web.Option{Value: c.Code, Text: c.Title})
	}
	if typed == nil {
		f.Values = url.Values{"convert": {""}, "effect": {effectNone}}
		if a.Name == consult.ActConvertFor {
			f.Values.Set("convert", consult.ConvertDraft)
		}
		if v.Referral.ID != "" {
			f.Values.Set("effect", effectPrompted)
		} else if v.Record.Answer.Kind == consult.Local {
			f.Values.Set("effect", effectAvoided)
		}
	}
	if a.Name == consult.ActElsewhere {
		choices, err := p.Service.Choices(ctx, v.Actor, v.Case.Patient, v.Record.Diagnosis)
		if err != nil {
			return err
		}
		f.Targets = targetOptions(choices)
	}
	v.Form = f
	return nil
}

// print shows the answer on paper; every print leaves a trace.
func (p *Pages) print(w http.ResponseWriter, r *http.Request) error {
	ctx, actor := r.Context(), access.ActorOf(r.Context())
	v, err := p.read(ctx, actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	if !v.Record.Answered() {
		return errs.E(errs.Conflict, "咨询单 %s 还没有答复，不能打印答复单", v.Case.Number)
	}
	token, err := p.Service.Token(v.Full)
	if err != nil {
		return err
	}
	err = p.Service.DB.Tx(ctx, func(tx *db.Tx) error {
		return p.Service.Audit.Append(ctx, tx, audit.Leaf{
			Actor: actor, Action: "consult.print", Object: consult.Kind, ObjectID: v.Case.ID, Patient: v.Case.Patient,
			Outcome: audit.OK, Detail: "咨询答复单 " + v.Case.Number,
		})
	})
	if err != nil {
		return err
	}
	return web.Render(w, r, http.StatusOK, paperPage(v, token, p.Address))
}
