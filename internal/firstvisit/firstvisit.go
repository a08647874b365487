// Package firstvisit is the list of diseases that are first seen and treated at
// a level of care (基层首诊病种, SMX-4.4.3b): which list a referral passes by, the
// criterion that the doctor is shown, and the coded reason with which he refers
// all the same. The lists are data of profiles/base; they are in force only where
// a profile asks for them.
package firstvisit

import (
	"strings"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/policy"
)

// Level is a level of care that has a list.
type Level string

// The levels, the lowest first.
const (
	Township Level = "township"
	County   Level = "county"
)

// Levels returns all levels, the lowest first.
func Levels() []Level { return []Level{Township, County} }

// Title is the name of the level's list.
func (l Level) Title() string {
	return map[Level]string{Township: "乡级首诊病种", County: "县级首诊分级病种"}[l]
}

// tier is the tier of institutions at which the level treats: 2 township and
// community centres, 3 county hospitals.
func (l Level) tier() int {
	return map[Level]int{Township: 2, County: 3}[l]
}

const keyReason = "firstvisit.reason"

func (l Level) minimum() string { return "firstvisit." + string(l) + ".min" }
func (l Level) list() string    { return "firstvisit." + string(l) + ".list" }

// Passed returns the levels that a referral passes by: those that could have
// treated the patient themselves and are not asked to.
func Passed(fromTier, toTier int) []Level {
	var out []Level
	for _, l := range Levels() {
		if fromTier <= l.tier() && toTier > l.tier() {
			out = append(out, l)
		}
	}
	return out
}

// List is the list of a level as it is in force at a place.
type List struct {
	Level   Level
	Minimum int64 // how many diseases the clause asks for
	Entries []policy.Code
	Asked   policy.Answer // the rule that asks for the list
	Starter bool          // the entries are a starter list
}

// InForce returns the list of a level; ok is false where no profile asks for one.
func InForce(book *policy.Book, l Level, at policy.Place, day calendar.Date) (out List, ok bool, err error) {
	asked, err := book.Resolve(l.minimum(), at, day)
	if errs.Is(err, errs.NotFound) {
		return out, false, nil
	}
	if err != nil {
		return out, false, err
	}
	list, err := book.Resolve(l.list(), at, day)
	if err != nil {
		return out, false, err
	}
	out = List{Level: l, Asked: asked, Starter: list.Starter}
	if out.Minimum, err = asked.Int(); err != nil {
		return out, false, err
	}
	out.Entries, err = list.Codes()
	return out, err == nil, err
}

// Criterion is an entry of a list that a referral falls under.
type Criterion struct {
	List
	Entry policy.Code
}

// Text is what the doctor is shown.
func (c Criterion) Text() string {
	text := "“" + c.Entry.Title + "”在" + c.Level.Title() + "清单内，一般在本级首诊和治疗（" + c.Asked.Clause + "）。病情确需上转的，请选择理由"
	if c.Starter {
		text += "。清单为起步清单，以当地审定为准"
	}
	return text
}

// Find returns the criterion that a diagnosis falls under among the lists that
// the referral passes by, the lowest level first; nil when there is none.
func Find(book *policy.Book, at policy.Place, day calendar.Date, diagnosis string, fromTier, toTier int) (*Criterion, error) {
	for _, l := range Passed(fromTier, toTier) {
		list, ok, err := InForce(book, l, at, day)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		for _, e := range list.Entries {
			if e.Covers(diagnosis) {
				return &Criterion{List: list, Entry: e}, nil
			}
		}
	}
	return nil, nil
}

// Reasons returns the coded reasons with which a listed disease is referred all
// the same.
func Reasons(book *policy.Book, at policy.Place, day calendar.Date) ([]policy.Code, error) {
	a, err := book.Resolve(keyReason, at, day)
	if err != nil {
		return nil, err
	}
	return a.Codes()
}

// Override is why a listed disease is referred all the same. The criterion is
// kept as it stood on the day.
type Override struct {
	Level       Level  `json:"level"`
	Entry       string `json:"entry"`
	Title       string `json:"title"`
	Clause      string `json:"clause"`
	Reason      string `json:"reason"` // code of firstvisit.reason
	ReasonTitle string `json:"reason_title"`
	Comment     string `json:"comment"`
}

// Text says the override in one line, for the case and for paper.
func (o Override) Text() string {
	text := o.Title + "（" + o.Level.Title() + "，" + o.Clause + "）仍上转：" + o.ReasonTitle
	if o.Comment != "" {
		text += "，" + o.Comment
	}
	return text
}

// Settle checks the reason that was given against a criterion and completes it;
// without a criterion there is nothing to override.
func Settle(c *Criterion, given *Override, reasons []policy.Code, f *errs.Form) *Override {
	if c == nil {
		return nil
	}
	if given == nil {
		given = &Override{}
	}
	out := Override{Level: c.Level, Entry: c.Entry.Code, Title: c.Entry.Title, Clause: c.Asked.Clause, Reason: given.Reason, Comment: strings.TrimSpace(given.Comment)}
	for _, r := range reasons {
		if r.Code != given.Reason {
			continue
		}
		out.ReasonTitle = r.Title
		if r.Free && out.Comment == "" {
			f.Add("first_visit_comment", "选择“%s”时请写明具体情况", r.Title)
		}
		return &out
	}
	f.Add("first_visit_reason", "%s", c.Text())
	return &out
}
