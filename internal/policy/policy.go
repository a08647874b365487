// Package policy keeps what the documents say as dated data: each document is
// a profile of clauses, each clause holds rules, targets and facts. Resolve
// answers one question ("how long may this referral wait here, today?") with
// the value and the clause that it rests on. No number of a document stands in
// Go code.
package policy

import (
	"strings"
	"sync/atomic"

	"yilian/internal/calendar"
)

// Kind says what a program can do with a clause.
type Kind string

// The four kinds of clause.
const (
	Do         Kind = "do"     // people do it in the product
	RuleKind   Kind = "rule"   // the product enforces or checks it
	TargetKind Kind = "target" // a number the product computes and holds against the target
	Data       Kind = "data"   // facts to load
)

// Title returns the Chinese name of the kind.
func (k Kind) Title() string {
	switch k {
	case Do:
		return "办理事项"
	case RuleKind:
		return "规则"
	case TargetKind:
		return "指标目标"
	case Data:
		return "事实数据"
	}
	return string(k)
}

// allianceKinds are the kinds of alliance a rule may be limited to.
var allianceKinds = []string{
	"medical_group", "county_community", "specialty_alliance", "tcm_alliance",
	"telemedicine_network", "general_practice_alliance",
}

// Profile is one document, or the defaults that no document settles.
type Profile struct {
	ID           string        // folder name: lingling
	Code         string        // prefix of its clause ids: LL
	Title        string        // title of the document
	Number       string        // number of the document, empty when it has none
	Issuer       string        // who issued it
	Note         string        // what a reader should know about this text
	Issued       calendar.Date // day of issue, empty when the text gives none
	ValidFrom    calendar.Date
	ValidTo      calendar.Date // empty: in force
	Jurisdiction string        // region code, CN, or empty for the defaults
	Kinds        []string      // alliance kinds the document is about; empty: all
	Version      string        // digest of the content: same content, same version

	clauses []Clause
	facts   Facts
}

// Base reports whether the profile holds product defaults and not a document.
func (p Profile) Base() bool { return p.Jurisdiction == "" }

// Document returns how the document is cited.
func (p Profile) Document() string {
	switch {
	case p.Base():
		return p.Title
	case p.Number != "":
		return "《" + p.Title + "》（" + p.Number + "）"
	}
	return "《" + p.Title + "》"
}

// Clauses returns the clauses in the order of the document.
func (p Profile) Clauses() []Clause { return append([]Clause(nil), p.clauses...) }

// Clause returns one clause of the profile.
func (p Profile) Clause(id string) (Clause, bool) {
	for _, c := range p.clauses {
		if c.ID == id {
			return c, true
		}
	}
	return Clause{}, false
}

// Facts returns what the document states as fact.
func (p Profile) Facts() Facts { return p.facts }

// Clause is one demand of a document.
type Clause struct {
	ID      string // permanent: LL-4.3.4c
	Section string // where in the document: 四（三）4（1）双向转诊
	Kind    Kind
	Summary string // in our own words
	Source  string // for defaults: where the values come from
	Adopts  string // id of the clause of another document that is taken over
	Starter bool   // a starter list, to be reviewed on site
	Rules   []Rule
	Targets []Target
}

// Combine says how several binding rules with one key become one answer.
type Combine string

// The ways to combine. Specific is the default.
const (
	Specific     Combine = "specific"      // the most specific one counts
	StrictestMin Combine = "strictest_min" // the smallest value counts
	StrictestMax Combine = "strictest_max" // the largest value counts
	Union        Combine = "union"         // lists are joined, the most specific first
)

// Rule is one value that a clause sets.
type Rule struct {
	Key       string
	Value     Value
	Region    string   // narrower than the document's jurisdiction, else empty
	Kinds     []string // alliance kinds; empty: all of the document
	ValidFrom calendar.Date
	ValidTo   calendar.Date
	Combine   Combine
	Note      string
	Starter   bool
}

// Target is a number that an indicator is held against.
type Target struct {
	Indicator string        `toml:"indicator"`  // name of the indicator: visit.county_share
	Op        string        `toml:"op"`         // >= <= =
	Value     float64       `toml:"value"`      // in Unit
	Unit      string        `toml:"unit"`       // percent, count, day, year, event
	Measure   string        `toml:"measure"`    // level (default), growth, change
	Baseline  string        `toml:"baseline"`   // what growth or change is counted from: previous_year, 2018
	Scope     string        `toml:"scope"`      // part of the population or of the institutions
	Period    string        `toml:"period"`     // year, month, once
	By        calendar.Date `toml:"by"`         // to be reached by this day
	Region    string        `toml:"region"`     // narrower than the jurisdiction
	Kinds     []string      `toml:"kinds"`      // alliance kinds
	ValidFrom calendar.Date `toml:"valid_from"` // first day it counts
	ValidTo   calendar.Date `toml:"valid_to"`   // last day it counts
	Note      string        `toml:"note"`       // how the wording is read
}

// Code is one entry of a coded list: a reason, an outcome, an indication.
type Code struct {
	Code      string   `toml:"code"`
	Title     string   `toml:"title"`
	Note      string   `toml:"note"`      // explanation; for indications without one, the prefixes joined by spaces
	Prefixes  []string `toml:"prefixes"`  // ICD-10 insurance edition
	Specialty string   `toml:"specialty"` // specialty of the receiving department
	Urgency   string   `toml:"urgency"`   // hint for triage: I II III IV
	Next      bool     `toml:"next"`      // the reason asks for a next step or advice
	Free      bool     `toml:"free"`      // the reason asks for free text (其他)
	Clause    string   `toml:"-"`         // clause that brought it in
	Starter   bool     `toml:"-"`         // from a starter list
}

// Place is where a question is asked: jurisdictions specific first (431102,
// 4311, 43, CN) and the kind of alliance, empty when none.
type Place struct {
	Regions []string
	Kind    string
}

// Book holds all loaded profiles. What is loaded never changes; Replace puts
// another whole in its place, and every question is answered from one whole.
type Book struct{ held atomic.Pointer[contents] }

// contents is one whole set of profiles.
type contents struct {
	profiles []Profile
	rules    map[string][]binding
	targets  map[string][]binding
}

var nothing contents

func (b *Book) now() *contents {
	if c := b.held.Load(); c != nil {
		return c
	}
	return &nothing
}

// Replace makes b answer from what is loaded in another book. Decisions that
// were recorded before keep the profile version they name.
func (b *Book) Replace(with *Book) { b.held.Store(with.now()) }

// Profiles returns the loaded profiles: general before specific, the defaults
// last.
func (b *Book) Profiles() []Profile { return append([]Profile(nil), b.now().profiles...) }

// Profile returns one profile.
func (b *Book) Profile(id string) (Profile, bool) {
	for _, p := range b.now().profiles {
		if p.ID == id {
			return p, true
		}
	}
	return Profile{}, false
}

// Clause returns a clause of any loaded profile by its permanent id.
func (b *Book) Clause(id string) (Clause, Profile, bool) {
	for _, p := range b.now().profiles {
		if c, ok := p.Clause(id); ok {
			return c, p, true
		}
	}
	return Clause{}, Profile{}, false
}

// Keys returns every key that some profile sets, sorted.
func (b *Book) Keys() []string { return sortedKeys(b.now().rules) }

// Covers reports whether an ICD-10 code falls under the entry: one of its
// prefixes begins the code. An entry without prefixes covers no code; it is
// chosen by hand.
func (c Code) Covers(icd string) bool {
	for _, p := range c.Prefixes {
		if strings.HasPrefix(icd, p) {
			return true
		}
	}
	return false
}

// ClauseTitle is how a clause is cited to users: documents by their clause
// number, the defaults of the base profile in words.
func ClauseTitle(id string) string {
	if strings.HasPrefix(id, "BASE-") {
		return "平台默认规则"
	}
	return id
}
