package consultweb

import (
	"strconv"

	"yilian/internal/access"
	"yilian/internal/consult"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/web"
)

// machine is the declaration, for titles and colours of states.
var machine = consult.Machine()

func answerTone(kind string) web.Tone {
	return map[string]web.Tone{consult.Local: web.Good, consult.Exam: web.Info, consult.Refer: web.Warn, consult.Emergency: web.Bad}[kind]
}

// turnText is the sentence that leaves nobody in doubt.
func turnText(v *view) string {
	c := v.Case
	if !c.Open() {
		return "本单已办结：" + consult.OutcomeTitle(c.Outcome) + "。"
	}
	org, who := c.From.OrgName, c.OwnerName
	if c.Turn == flow.To {
		org = c.To.OrgName + " " + c.To.DepartmentName
	}
	if who == "" {
		who = c.OwnerRole.Title()
	}
	text := "现在轮到：" + org + " " + who
	if left := c.DueAt.Sub(v.Now); left > 0 {
		return text + "，" + web.Span(left) + "内办理（截止 " + web.FormatTime(c.DueAt) + "）"
	}
	return text + "，已超时 " + web.Span(v.Now.Sub(c.DueAt)) + "（应于 " + web.FormatTime(c.DueAt) + " 前办理）"
}

func turnTone(v *view) web.Tone {
	switch {
	case !v.Case.Open():
		return web.Good
	case v.Case.DueAt.Before(v.Now):
		return web.Bad
	case v.Case.OwnerOrg == v.Actor.Org:
		return web.Warn
	}
	return web.Info
}

// dutyText says who answers for the patient, and what would change that.
func dutyText(f consult.Full) string {
	who := f.Responsible.Display()
	switch {
	case f.Responsible.Org == f.Case.Responsible.Org && f.Referral.ID == "":
		return who + "。答复是意见，由申请医生决定是否采纳；转诊被接收前，责任不转移"
	case f.Responsible.Org == f.Case.Responsible.Org:
		return who + "。转诊单 " + f.Referral.Number + " 尚未接收患者，责任没有转移"
	}
	return who + "。患者已随转诊单 " + f.Referral.Number + " 被接收，责任已转移"
}

func actionIcon(action string) string {
	if a, ok := actions[action]; ok && a.icon != "" {
		return a.icon
	}
	switch action {
	case "open":
		return "file-plus"
	case "overdue":
		return "clock-exclamation"
	}
	return "point"
}

// rate is a share as a figure; without a denominator it says why there is none.
func rate(title, icon string, r consult.Rate, definition string) web.Figure {
	f := web.Figure{Title: title, Icon: icon, Definition: definition, Value: "无法计算", Note: "分母为 0：所选期间没有可计的咨询"}
	if percent, ok := r.Percent(); ok {
		f.Value, f.Unit, f.Note = strconv.FormatFloat(percent, 'f', 1, 64), "%", number(r.Numerator)+" / "+number(r.Denominator)
	}
	return f
}

func (o overview) mark() web.Figure {
	f := web.Figure{Title: "有帮助（平均分）", Icon: "star", Definition: "申请医生结案时的评价，1 分没有帮助，5 分很有帮助", Value: "无法计算", Note: "所选期间还没有评价"}
	if mark, ok := o.Mark(); ok {
		f.Value, f.Unit, f.Note = strconv.FormatFloat(mark, 'f', 1, 64), "分", number(o.Surveyed)+" 次评价"
	}
	return f
}

// cases is the list behind a figure.
func (o overview) cases(state string) string {
	return worklist{Query: consult.Query{Side: o.Scope.Side, State: state}}.url()
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// fixed are the options of a fixed list.
func fixed(list []consult.Code) []web.Option {
	return web.Choices(list, func(c consult.Code) (string, string) { return c.Code, c.Title })
}

// may reports whether the actor's role has a right in his own institution.
func may(actor access.Actor, right access.Right) bool {
	return access.Allowed(access.Role(actor.Role), right, access.Own)
}

// wrongField is an input error of one field that only this package reads.
func wrongField(name, message string) error {
	var f errs.Form
	f.Add(name, "%s", message)
	return f.Err()
}
