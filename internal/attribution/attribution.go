// Package attribution says who answers for a resident on a day: the cell where
// he lives (JS-2.1), the team he has signed with, and the alliance that pays for
// him wherever he goes. Rows are dated and kept as they were known, so that a
// settlement can be counted again.
package attribution

import (
	"yilian/internal/alliance"
	"yilian/internal/calendar"
)

// Basis is what the alliance of a resident follows from.
type Basis string

// A contract is the resident's own choice and goes before where he lives.
const (
	ByContract  Basis = "contract"
	ByResidence Basis = "residence"
)

// Title is the basis in Chinese.
func (b Basis) Title() string {
	switch b {
	case ByContract:
		return "家庭医生签约"
	case ByResidence:
		return "居住地"
	}
	return "未归属"
}

// Row is the attribution of one resident for a time.
type Row struct {
	Patient  string
	From, To calendar.Date // To inclusive, "" open
	Cell     string        // code of the town of residence, "" unknown
	Centre   string        // primary institution of the cell, "" none
	Team     string        // "" not signed
	Alliance string        // "" none
	Basis    Basis
}

// facts are what the attribution of one resident is derived from.
type facts struct {
	patient string
	region  string // village of residence
	team    string // of the contract in force
	signed  string // institution of that contract
}

// ground is what all residents of a region stand on.
type ground struct {
	centres   map[string]string // town → its primary institution
	alliances map[string]string // institution → the alliance that answers for its residents
}

// answering are the kinds of alliance that answer for all residents of their
// area, the closest first: specialty alliances and networks do not.
var answering = []alliance.Kind{alliance.CountyCommunity, alliance.MedicalGroup, alliance.GeneralPracticeAlliance}

// derive is the rule: the cell follows from where the resident lives, the team
// from the contract, the alliance from the institution of the contract or,
// without one, from the institution of the cell.
func (g ground) derive(f facts) Row {
	r := Row{Patient: f.patient, Team: f.team}
	if len(f.region) >= 9 {
		r.Cell = f.region[:9]
		r.Centre = g.centres[r.Cell]
	}
	if a := g.alliances[f.signed]; f.signed != "" && a != "" {
		r.Alliance, r.Basis = a, ByContract
	} else if a := g.alliances[r.Centre]; r.Centre != "" && a != "" {
		r.Alliance, r.Basis = a, ByResidence
	}
	return r
}

// same reports whether two rows say the same, whenever they hold.
func same(a, b Row) bool {
	return a.Cell == b.Cell && a.Centre == b.Centre && a.Team == b.Team && a.Alliance == b.Alliance && a.Basis == b.Basis
}
