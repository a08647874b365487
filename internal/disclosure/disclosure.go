// Package disclosure is the review of records that were opened without a
// relation of care: each break-glass is a case of the privacy officer with a
// clock, who reads who opened what, when, why, and decides whether it was right.
package disclosure

import (
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/flow"
	"yilian/internal/patient"
)

// Kind is the kind of flow case that a review is.
const Kind = "disclosure"

// The states of a review.
const (
	StateReview    = "review"
	StateJustified = "justified"
	StateImproper  = "improper"
)

// The actions of a review.
const (
	ActJustify  = "justify"
	ActImproper = "improper"
)

// Machine is a review as one table.
func Machine() flow.Machine {
	review := access.DisclosureReview
	return flow.Machine{
		Kind: Kind, Title: "紧急调阅复核", Prefix: "FH", Start: StateReview,
		States: []flow.State{
			{Name: StateReview, Title: "待复核", Turn: flow.To, Role: access.PrivacyOfficer, Clock: "disclosure.clock.review", Tone: "orange"},
			{Name: StateJustified, Title: "符合规定", Tone: "green"},
			{Name: StateImproper, Title: "不当调阅", Tone: "red"},
		},
		Actions: []flow.Action{
			{Name: ActJustify, Title: "符合规定", From: []string{StateReview}, To: []string{StateJustified}, Side: flow.To, Right: review, Reasons: "disclosure.reason.justified"},
			{Name: ActImproper, Title: "不当调阅", From: []string{StateReview}, To: []string{StateImproper}, Side: flow.To, Right: review,
				Reasons: "disclosure.reason.improper", Comment: true, Dangerous: true, Tells: flow.From},
		},
	}
}

// Opening is a record that was opened without a relation.
type Opening struct {
	ID      string // case
	Object  string // the opening
	Patient string
	Account string
	Name    string
	Org     string
	Reason  string
	At      time.Time
}

// Review is an opening with its case and what was done with it.
type Review struct {
	Opening
	Case     flow.Case
	Patient  patient.Brief
	Seen     []audit.Leaf // what the person did with the record while it was open
	Timeline []flow.Event
	Actions  []flow.Action
}
