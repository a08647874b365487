package consult

import (
	"yilian/internal/access"
	"yilian/internal/flow"
)

// Kind is the kind of flow case that a consultation is.
const Kind = "consult"

// The states of a consultation.
const (
	StateAsked     = "asked"
	StateMoreInfo  = "more_info"
	StateAnswered  = "answered"
	StateDeclined  = "declined"
	StateClosed    = "closed"
	StateWithdrawn = "withdrawn"
)

// The actions of a consultation.
const (
	ActAskBack    = "ask_back"
	ActSupply     = "supply"
	ActReply      = "reply"
	ActDecline    = "decline"
	ActElsewhere  = "elsewhere"
	ActWithdraw   = "withdraw"
	ActConvert    = "convert"     // the asker turns the answer into a referral
	ActConvertFor = "convert_for" // the specialist does, as the asker has allowed
	ActClose      = "close"
	ActEnd        = "end"
	ActDeath      = "death"
)

func clock(state string) string    { return "consult.clock." + state }
func reasons(action string) string { return "consult.reason." + action }

// Machine is the consultation as one table. Nothing in it moves the clinical
// responsibility.
func Machine() flow.Machine {
	const from, to = flow.From, flow.To
	ask, answer := access.ConsultAsk, access.ConsultAnswer
	open := []string{StateAsked, StateMoreInfo, StateAnswered, StateDeclined}
	return flow.Machine{
		Kind: Kind, Title: "咨询单", Prefix: "ZX", Start: StateAsked,
		States: []flow.State{
			{Name: StateAsked, Title: "待答复", Turn: to, Role: access.DepartmentDoctor, ByDept: true, Personal: true, Clock: clock(StateAsked), Tone: "blue"},
			{Name: StateMoreInfo, Title: "待补充", Turn: from, Role: access.TownshipDoctor, Personal: true, Clock: clock(StateMoreInfo), Pauses: StateAsked, Tone: "orange"},
			{Name: StateAnswered, Title: "已答复", Turn: from, Role: access.TownshipDoctor, Personal: true, Clock: clock(StateAnswered), Tone: "green"},
			{Name: StateDeclined, Title: "已退回", Turn: from, Role: access.TownshipDoctor, Personal: true, Clock: clock(StateDeclined), Tone: "red"},
			{Name: StateClosed, Title: "已结案", Tone: "gray"},
			{Name: StateWithdrawn, Title: "已撤回", Tone: "gray"},
		},
		Actions: []flow.Action{
			{Name: ActReply, Title: "答复", From: []string{StateAsked}, To: []string{StateAnswered}, Side: to, Right: answer},
			{Name: ActAskBack, Title: "请补充", From: []string{StateAsked}, To: []string{StateMoreInfo}, Side: to, Right: answer, Reasons: reasons(ActAskBack)},
			{Name: ActDecline, Title: "退回", From: []string{StateAsked}, To: []string{StateDeclined}, Side: to, Right: answer, Reasons: reasons(ActDecline), Dangerous: true},
			{Name: ActSupply, Title: "补充资料", From: []string{StateMoreInfo}, To: []string{StateAsked}, Side: from, Right: ask},
			{Name: ActElsewhere, Title: "另问他科", From: []string{StateDeclined}, To: []string{StateAsked}, Side: from, Right: ask},
			{Name: ActConvert, Title: "转为转诊", From: []string{StateAnswered}, To: []string{StateAnswered}, Side: from, Right: ask, Stay: true, Quiet: true, Tells: to},
			{Name: ActConvertFor, Title: "转为转诊", From: []string{StateAnswered}, To: []string{StateAnswered}, Side: to, Right: answer, Stay: true, Quiet: true, Tells: from},
			{Name: ActClose, Title: "评价并结案", From: []string{StateAnswered}, To: []string{StateClosed}, Side: from, Right: ask, Tells: to},
			{Name: ActEnd, Title: "结束咨询", From: []string{StateDeclined}, To: []string{StateClosed}, Side: from, Right: ask, Reasons: reasons(ActEnd), Dangerous: true},
			{Name: ActWithdraw, Title: "撤回", From: []string{StateAsked, StateMoreInfo}, To: []string{StateWithdrawn}, Side: from, Right: ask, Reasons: reasons(ActWithdraw), Dangerous: true, Tells: to},
			{Name: ActDeath, Title: "患者死亡结案", From: open, To: []string{StateClosed}, Side: from, Right: ask, Dangerous: true, Tells: to},
		},
	}
}

// Usable reports whether an action has a button: a death is recorded on the
// patient's page or in a referral, and ends his consultations by itself.
func Usable(action string) bool { return action != ActDeath }
