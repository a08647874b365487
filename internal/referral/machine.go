package referral

import (
	"slices"

	"yilian/internal/access"
	"yilian/internal/flow"
)

// Kind is the kind of flow case that a referral is.
const Kind = "referral"

// The states of a referral.
const (
	StateDraft        = "draft"
	StateInReview     = "in_review"
	StateSubmitted    = "submitted"
	StateAwaitingInfo = "awaiting_info"
	StateAccepted     = "accepted"
	StateDeferred     = "deferred"
	StateArranged     = "arranged"
	StateNoShow       = "no_show"
	StateTransferring = "transferring"
	StateArrived      = "arrived"
	StateInCare       = "in_care"
	StateCompleted    = "completed"
	StateDeclined     = "declined"
	StateClosed       = "closed"
	StateWithdrawn    = "withdrawn"
	StateCancelled    = "cancelled"
	StateDiscarded    = "discarded"
)

// The actions of a referral.
const (
	ActSave          = "save"
	ActSubmit        = "submit"
	ActEmergency     = "send_emergency"
	ActRefuseConsent = "refuse_consent"
	ActDiscard       = "discard"
	ActPass          = "pass"
	ActReturn        = "return"
	ActAccept        = "accept"
	ActAsk           = "ask"
	ActAnswer        = "answer"
	ActRedirect      = "redirect"
	ActHandOn        = "hand_on"
	ActDecline       = "decline"
	ActDeclineDown   = "decline_down"
	ActWithdraw      = "withdraw"
	ActArrange       = "arrange"
	ActDefer         = "defer"
	ActReschedule    = "reschedule"
	ActNoShow        = "no_show"
	ActCancel        = "cancel"
	ActCallOff       = "call_off"
	ActRearrange     = "rearrange"
	ActBackEntry     = "back_entry"
	ActAcknowledgeED = "acknowledge_emergency"
	ActDivertFrom    = "divert_from"
	ActDivert        = "divert"
	ActArrive        = "arrive"
	ActStart         = "start"
	ActNote          = "note"
	ActAskCancel     = "ask_cancel"
	ActAnswerCancel  = "answer_cancel"
	ActComplete      = "complete"
	ActCompleteDown  = "complete_down"
	ActAcknowledge   = "acknowledge"
	ActElsewhere     = "elsewhere"
	ActClose         = "close"
	ActDeath         = "death"
	ActDeathAtTarget = "death_at_target"

	ActAcknowledgePhone = "acknowledge_phone" // the sender records that the other side has confirmed
)

// Usable reports whether an action has a use case, so that pages offer it.
// Saving is not a button of its own: the form does it.
func Usable(action string) bool {
	return action != ActSave
}

func clock(state string) string    { return "referral.clock." + state }
func reasons(action string) string { return "referral.reason." + action }

// open are the states in which somebody still has to do something.
var open = []string{StateDraft, StateInReview, StateSubmitted, StateAwaitingInfo, StateAccepted, StateDeferred,
	StateArranged, StateNoShow, StateTransferring, StateArrived, StateInCare, StateCompleted, StateDeclined}

// sent are the open states in which the receiving institution knows the case.
var sent = open[2:]

// Machine is the referral as one table: the canonical machine of
// docs/design.md, section 4. Who may act is said by rights of the role inside
// the institution that stands on the side; what is refused beyond that is
// checked by the use cases.
func Machine() flow.Machine {
	return flow.Machine{
		Kind: Kind, Title: "转诊单", Prefix: "ZZ", Start: StateDraft, Outcomes: "referral.outcome",
		States: states(), Actions: slices.Concat(before(), triage(), visiting(), care(), ending()),
	}
}

func states() []flow.State {
	const from, to = flow.From, flow.To
	return []flow.State{
		{Name: StateDraft, Title: "草稿", Turn: from, Role: access.TownshipDoctor, Personal: true, Clock: clock(StateDraft), Tone: "gray"},
		{Name: StateInReview, Title: "院内审核", Turn: from, Role: access.TownshipHead, Clock: clock(StateInReview), Tone: "orange"},
		{Name: StateSubmitted, Title: "待受理", Turn: to, Role: access.ReferralCenter, Clock: clock(StateSubmitted), Tone: "blue"},
		{Name: StateAwaitingInfo, Title: "待补充", Turn: from, Role: access.TownshipDoctor, Personal: true, Clock: clock(StateAwaitingInfo), Pauses: StateSubmitted, Tone: "orange"},
		{Name: StateAccepted, Title: "待安排", Turn: to, Role: access.ReferralCenter, Clock: clock(StateAccepted), Tone: "blue"},
		{Name: StateDeferred, Title: "候诊/候床", Turn: to, Role: access.ReferralCenter, Clock: clock(StateDeferred), Tone: "orange"},
		{Name: StateArranged, Title: "待到诊", Turn: to, Role: access.Registration, Clock: clock(StateArranged), Tone: "blue"},
		{Name: StateNoShow, Title: "未到诊", Turn: from, Role: access.TownshipDoctor, Personal: true, Clock: clock(StateNoShow), Tone: "red"},
		{Name: StateTransferring, Title: "急诊转运中", Turn: to, Role: access.OnCall, Clock: clock(StateTransferring), Tone: "red"},
		{Name: StateArrived, Title: "已到诊", Turn: to, Role: access.DepartmentDoctor, ByDept: true, Clock: clock(StateArrived), Tone: "green"},
		{Name: StateInCare, Title: "诊疗中", Turn: to, Role: access.DepartmentDoctor, ByDept: true, Personal: true, Clock: clock(StateInCare), Tone: "green"},
		{Name: StateCompleted, Title: "待回执", Turn: from, Role: access.TownshipDoctor, Personal: true, Clock: clock(StateCompleted), Tone: "green"},
		{Name: StateDeclined, Title: "已退回", Turn: from, Role: access.TownshipDoctor, Personal: true, Clock: clock(StateDeclined), Tone: "red"},
		{Name: StateClosed, Title: "已结案", Tone: "gray"},
		{Name: StateWithdrawn, Title: "已撤回", Tone: "gray"},
		{Name: StateCancelled, Title: "已取消", Tone: "gray"},
		{Name: StateDiscarded, Title: "已作废", Tone: "gray"},
	}
}

// before are the actions before the case leaves the referring institution.
func before() []flow.Action {
	return []flow.Action{
		{Name: ActSubmit, Title: "提交转诊", From: []string{StateDraft}, To: []string{StateSubmitted, StateInReview}, Side: flow.From, Right: access.ReferralCreate},
		{Name: ActEmergency, Title: "紧急转诊", From: []string{StateDraft}, To: []string{StateTransferring}, Side: flow.From, Right: access.ReferralCreate},
		{Name: ActBackEntry, Title: "急诊补录", From: []string{StateDraft}, To: []string{StateArrived}, Side: flow.From, Right: access.ReferralCreate, Reasons: reasons(ActBackEntry), Quiet: true},
		{Name: ActSave, Title: "保存草稿", From: []string{StateDraft}, To: []string{StateDraft}, Side: flow.From, Right: access.ReferralCreate, Quiet: true},
		{Name: ActRefuseConsent, Title: "患者拒绝转诊", From: []string{StateDraft}, To: []string{StateClosed}, Side: flow.From, Right: access.ReferralCreate, Reasons: reasons(ActRefuseConsent)},
		{Name: ActDiscard, Title: "作废草稿", From: []string{StateDraft}, To: []string{StateDiscarded}, Side: flow.From, Right: access.ReferralCreate, Reasons: reasons(ActDiscard), Dangerous: true},
		{Name: ActPass, Title: "审核通过", From: []string{StateInReview}, To: []string{StateSubmitted}, Side: flow.From, Right: access.ReferralReview},
		{Name: ActReturn, Title: "退回修改", From: []string{StateInReview}, To: []string{StateDraft}, Side: flow.From, Right: access.ReferralReview, Reasons: reasons(ActReturn)},
	}
}

// triage are the actions around the receiving referral centre's decision.
func triage() []flow.Action {
	return []flow.Action{
		{Name: ActAccept, Title: "受理", From: []string{StateSubmitted}, To: []string{StateAccepted}, Side: flow.To, Right: access.ReferralTriage, Or: access.ReferralReceive, Tells: flow.From},
		{Name: ActAsk, Title: "要求补充", From: []string{StateSubmitted}, To: []string{StateAwaitingInfo}, Side: flow.To, Right: access.ReferralTriage, Or: access.ReferralReceive, Reasons: reasons(ActAsk), Comment: true},
		{Name: ActAnswer, Title: "补充资料", From: []string{StateAwaitingInfo}, To: []string{StateSubmitted}, Side: flow.From, Right: access.ReferralCreate},
		{Name: ActRedirect, Title: "转介", From: []string{StateSubmitted, StateAccepted, StateDeferred}, To: []string{StateSubmitted}, Side: flow.To, Right: access.ReferralTriage, Or: access.ReferralReceive, Reasons: reasons(ActRedirect), Tells: flow.From},
		{Name: ActDecline, Title: "退回", From: []string{StateSubmitted}, To: []string{StateDeclined}, Side: flow.To, Right: access.ReferralTriage, Or: access.ReferralReceive, Reasons: reasons(ActDecline), Dangerous: true},
		{Name: ActDeclineDown, Title: "退回下转", From: []string{StateSubmitted}, To: []string{StateDeclined}, Side: flow.To, Right: access.ReferralTriage, Or: access.ReferralReceive, Reasons: reasons(ActDeclineDown), Dangerous: true},
		{Name: ActWithdraw, Title: "撤回", From: []string{StateSubmitted, StateAwaitingInfo, StateDeferred}, To: []string{StateWithdrawn}, Side: flow.From, Right: access.ReferralCreate, Reasons: reasons(ActWithdraw), Dangerous: true, Tells: flow.To},
		{Name: ActElsewhere, Title: "另转他院", From: []string{StateDeclined}, To: []string{StateSubmitted}, Side: flow.From, Right: access.ReferralCreate},
	}
}

// visiting are the actions from acceptance to the patient's arrival. A
// patient who changes his mind after acceptance is taken off by either side:
// cancel is the receiver's action, call_off the referring doctor's.
func visiting() []flow.Action {
	return []flow.Action{
		{Name: ActArrange, Title: "安排就诊", From: []string{StateAccepted, StateDeferred}, To: []string{StateArranged}, Side: flow.To, Right: access.ReferralTriage, Or: access.ReferralReceive, Tells: flow.From},
		{Name: ActDefer, Title: "列入候诊/候床", From: []string{StateAccepted}, To: []string{StateDeferred}, Side: flow.To, Right: access.ReferralTriage, Or: access.ReferralReceive, Reasons: reasons(ActDefer), Promise: true},
		{Name: ActArrive, Title: "到诊登记", From: []string{StateArranged, StateTransferring}, To: []string{StateArrived}, Side: flow.To, Right: access.ReferralArrive, Or: access.ReferralReceive},
		{Name: ActReschedule, Title: "改期", From: []string{StateArranged}, To: []string{StateArranged}, Side: flow.To, Right: access.ReferralArrive, Or: access.ReferralReceive, Reasons: reasons(ActReschedule), Tells: flow.From},
		{Name: ActNoShow, Title: "登记未到诊", From: []string{StateArranged}, To: []string{StateNoShow}, Side: flow.To, Right: access.ReferralArrive, Or: access.ReferralReceive},
		{Name: ActCancel, Title: "取消就诊", From: []string{StateArranged}, To: []string{StateCancelled}, Side: flow.To, Right: access.ReferralArrive, Or: access.ReferralReceive, Reasons: reasons(ActCancel), Dangerous: true, Tells: flow.From},
		{Name: ActCallOff, Title: "取消转诊", From: []string{StateAccepted, StateArranged, StateTransferring}, To: []string{StateCancelled}, Side: flow.From, Right: access.ReferralCreate, Reasons: reasons(ActCancel), Dangerous: true, Tells: flow.To},
		{Name: ActRearrange, Title: "重新安排", From: []string{StateNoShow}, To: []string{StateAccepted}, Side: flow.From, Right: access.ReferralCreate, Reasons: reasons(ActNoShow)},
		{Name: ActAcknowledgeED, Title: "确认接收急诊", From: []string{StateTransferring}, To: []string{StateTransferring}, Side: flow.To, Right: access.ReferralEmergency, Quiet: true},
		{Name: ActAcknowledgePhone, Title: "登记电话确认", From: []string{StateTransferring}, To: []string{StateTransferring}, Side: flow.From, Right: access.ReferralCreate, Quiet: true},
		{Name: ActDivert, Title: "改送他院", From: []string{StateTransferring}, To: []string{StateTransferring}, Side: flow.To, Right: access.ReferralEmergency, Reasons: reasons(ActDivert), Tells: flow.From},
		{Name: ActDivertFrom, Title: "改送他院", From: []string{StateTransferring}, To: []string{StateTransferring}, Side: flow.From, Right: access.ReferralCreate, Reasons: reasons(ActDivert), Tells: flow.To},
	}
}

// care are the actions of the receiving department.
func care() []flow.Action {
	return []flow.Action{
		{Name: ActStart, Title: "开始诊疗", From: []string{StateArrived}, To: []string{StateInCare}, Side: flow.To, Right: access.ReferralTreat},
		{Name: ActHandOn, Title: "不属本科室，转介", From: []string{StateArrived}, To: []string{StateSubmitted}, Side: flow.To, Right: access.ReferralTreat, Reasons: reasons(ActRedirect), Tells: flow.From},
		{Name: ActNote, Title: "诊疗进展", From: []string{StateInCare}, To: []string{StateInCare}, Side: flow.To, Right: access.ReferralTreat, Stay: true, Quiet: true},
		{Name: ActComplete, Title: "完成诊疗并回转", From: []string{StateInCare}, To: []string{StateCompleted}, Side: flow.To, Right: access.ReferralTreat},
		{Name: ActCompleteDown, Title: "完成诊疗并下转", From: []string{StateInCare}, To: []string{StateCompleted}, Side: flow.To, Right: access.ReferralTreat},
		{Name: ActAskCancel, Title: "申请取消", From: []string{StateInCare}, To: []string{StateInCare}, Side: flow.From, Right: access.ReferralCreate, Reasons: reasons(ActAskCancel), Comment: true, Stay: true, Quiet: true, Tells: flow.To},
		{Name: ActAnswerCancel, Title: "答复取消申请", From: []string{StateInCare}, To: []string{StateInCare, StateCancelled}, Side: flow.To, Right: access.ReferralTreat, Comment: true, Stay: true, Quiet: true, Tells: flow.From},
	}
}

// ending are the actions that close a case. A death ends it anywhere.
func ending() []flow.Action {
	return []flow.Action{
		{Name: ActAcknowledge, Title: "确认回执", From: []string{StateCompleted}, To: []string{StateClosed}, Side: flow.From, Right: access.ReferralCreate},
		{Name: ActClose, Title: "结案", From: []string{StateNoShow, StateDeclined}, To: []string{StateClosed}, Side: flow.From, Right: access.ReferralCreate, Reasons: reasons(ActClose), Dangerous: true},
		{Name: ActDeath, Title: "登记死亡", From: open, To: []string{StateClosed}, Side: flow.From, Right: access.ReferralCreate, Dangerous: true, Tells: flow.To},
		{Name: ActDeathAtTarget, Title: "登记死亡", From: sent, To: []string{StateClosed}, Side: flow.To, Right: access.ReferralTreat, Dangerous: true, Tells: flow.From},
	}
}
