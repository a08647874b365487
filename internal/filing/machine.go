// Package filing keeps the filings of alliances (备案, JS-5.3): every change
// that has to be filed opens one in its own transaction; the lead sends it to
// the authority it belongs to, which passes it up level by level to the
// province, each with its stamp.
package filing

import (
	"yilian/internal/access"
	"yilian/internal/flow"
	"yilian/internal/region"
)

// Kind is the kind of flow case that a filing is.
const Kind = "filing"

// The states of a filing.
const (
	StatePreparing = "preparing"
	StateCounty    = "county"
	StateCity      = "city"
	StateProvince  = "province"
	StateReturned  = "returned"
	StateFiled     = "filed"
)

// The actions of a filing.
const (
	ActSend   = "send"
	ActPass   = "pass"
	ActFile   = "file"
	ActReturn = "return"
)

// levelStates are the states in which a level holds a filing, lowest first.
var levelStates = []struct {
	Level region.Level
	State string
	Role  access.Role
	Short string
}{
	{region.County, StateCounty, access.BureauCounty, "县"},
	{region.City, StateCity, access.BureauCity, "市"},
	{region.Province, StateProvince, access.BureauProvince, "省"},
}

// Machine is the filing as one table. While a level holds it, nothing of it can
// be edited: only the states of the lead lead to a new sending.
func Machine() flow.Machine {
	const from, to = flow.From, flow.To
	prepare, review := access.FilingPrepare, access.FilingReview
	open := []string{StateCounty, StateCity, StateProvince}
	m := flow.Machine{
		Kind: Kind, Title: "备案", Prefix: "BA", Start: StatePreparing, Strict: true,
		States: []flow.State{
			{Name: StatePreparing, Title: "待报送", Turn: from, Role: access.AllianceOffice, Clock: "filing.deadline", Tone: "orange"},
			{Name: StateReturned, Title: "退回补正", Turn: from, Role: access.AllianceOffice, Clock: "filing.clock.returned", Tone: "red"},
		},
		Actions: []flow.Action{
			{Name: ActSend, Title: "报送", From: []string{StatePreparing, StateReturned}, To: open, Side: from, Right: prepare},
			{Name: ActPass, Title: "同意并上报", From: []string{StateCounty, StateCity}, To: []string{StateCity, StateProvince}, Side: to, Right: review},
			{Name: ActFile, Title: "准予备案", From: []string{StateProvince}, To: []string{StateFiled}, Side: to, Right: review, Tells: from},
			{Name: ActReturn, Title: "退回补正", From: open, To: []string{StateReturned}, Side: to, Right: review, Reasons: "filing.reason.return", Comment: true, Dangerous: true},
		},
	}
	for _, l := range levelStates {
		m.States = append(m.States, flow.State{Name: l.State, Title: l.Short + "级审核", Turn: to, Role: l.Role, Clock: "filing.clock.review", Tone: "blue"})
	}
	m.States = append(m.States, flow.State{Name: StateFiled, Title: "已备案", Tone: "green"})
	return m
}
