package auditweb

import (
	"maps"
	"strings"

	"yilian/internal/disclosure"
	"yilian/internal/exemption"
	"yilian/internal/filing"
	"yilian/internal/flow"
	"yilian/internal/governance"
	"yilian/internal/grid/report"
	"yilian/internal/referral"
	"yilian/internal/referral/phoned"
)

// machines are the kinds of cases whose steps are named by their declaration;
// those of referrals and consultations have titles of their own.
var machines = byKind(filing.Machine(), exemption.Machine(), report.Machine(), governance.TermMachine(), disclosure.Machine(),
	phoned.Machine(), referral.QuestionMachine())

// steps are the engine's own, the same for every kind.
var steps = map[string]string{"open": "新建", "claim": "接手", "overdue": "超时提醒", "reclock": "重新计算期限", "record": "补充记录"}

func byKind(list ...flow.Machine) map[string]*flow.Machine {
	out := map[string]*flow.Machine{}
	for i := range list {
		out[list[i].Kind] = &list[i]
	}
	return out
}

// stepTitle names a step of a case: 备案：报送. Empty for anything else.
func stepTitle(action string) string {
	i := strings.LastIndexByte(action, '.')
	if i < 0 || machines[action[:i]] == nil {
		return ""
	}
	m, step := machines[action[:i]], action[i+1:]
	if a, ok := m.Action(step); ok {
		return m.Title + "：" + a.Title
	}
	if title := steps[step]; title != "" {
		return m.Title + "：" + title
	}
	return ""
}

// stateTitle names the state of a case of a kind; empty when it has no name.
func stateTitle(kind, state string) string {
	if m := machines[kind]; m != nil {
		s, _ := m.State(state)
		return s.Title
	}
	return states[state]
}

// objectTitles are all kinds of things that a search can name.
func objectTitles() map[string]string {
	out := maps.Clone(objects)
	for kind, m := range machines {
		out[kind] = m.Title
	}
	return out
}
