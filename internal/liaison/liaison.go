// Package liaison is the word between two hospitals before a patient leaves the
// county (县外转诊, SMX-4.4.3c): booked ahead, down to the department and the
// person who has said yes. It decides what such a word must contain; who is
// bound by the rule the profiles say.
package liaison

import (
	"slices"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/policy"
)

const (
	keyRequired = "referral.outside.required"
	keyCall     = "referral.outside.call"  // how old a call may be
	keyVisit    = "referral.outside.visit" // how far ahead a visit is agreed
)

// How the other side has acknowledged.
const (
	Phone  = "phone"  // a telephone call, recorded with number and time
	Advice = "advice" // an answered consultation on the platform
)

// Ways returns how a place beyond the county may have acknowledged.
func Ways() []policy.Code {
	return []policy.Code{{Code: Phone, Title: "电话确认"}, {Code: Advice, Title: "平台咨询已答复"}}
}

// Rule is what a place asks of a referral beyond its county.
type Rule struct {
	Booked, Department, Person bool
	CallDays, VisitDays        int // how old a call may be, how far ahead a visit is agreed
	Clause, Summary            string
	answer                     policy.Answer
}

// Answer is the rule as the policy gave it, to be cited with a decision.
func (r Rule) Answer() policy.Answer { return r.answer }

// Demand says in Chinese what is missing when nothing was given.
func (r Rule) Demand() string {
	var parts []string
	for _, p := range []struct {
		asked bool
		text  string
	}{{r.Booked, "提前预约"}, {r.Department, "对接到科"}, {r.Person, "落实到人"}} {
		if p.asked {
			parts = append(parts, p.text)
		}
	}
	return "县外转诊须" + strings.Join(parts, "、") + "（" + r.Clause + "）"
}

// For returns the rule that binds a place; ok is false where none does.
func For(book *policy.Book, at policy.Place, day calendar.Date) (Rule, bool, error) {
	a, err := book.Resolve(keyRequired, at, day)
	if errs.Is(err, errs.NotFound) {
		return Rule{}, false, nil
	}
	if err != nil {
		return Rule{}, false, err
	}
	list, err := a.Codes()
	if err != nil {
		return Rule{}, false, err
	}
	asks := func(code string) bool {
		return slices.ContainsFunc(list, func(c policy.Code) bool { return c.Code == code })
	}
	r := Rule{Booked: asks("booked"), Department: asks("department"), Person: asks("person"), Clause: a.Clause, Summary: a.ClauseSummary, answer: a}
	if r.CallDays, err = span(book, keyCall, at, day); err != nil {
		return Rule{}, false, err
	}
	r.VisitDays, err = span(book, keyVisit, at, day)
	return r, err == nil, err
}

// span resolves a number of days.
func span(book *policy.Book, key string, at policy.Place, day calendar.Date) (int, error) {
	a, err := book.Resolve(key, at, day)
	if err != nil {
		return 0, err
	}
	d, err := a.Deadline()
	return d.N, err
}

// countyDigits is the length of a county's code at the beginning of a region code.
const countyDigits = 6

// Beyond reports whether an institution lies outside the county of another, by
// the region codes of their seats. A seat that is known only to the city or the
// province belongs to no county.
func Beyond(from, to string) bool {
	if len(from) < countyDigits || len(to) < countyDigits {
		return from != to
	}
	return from[:countyDigits] != to[:countyDigits]
}

// Contact is who over there has said yes, how and when.
type Contact struct {
	Org        string        `json:"org"` // whom it holds for
	Department string        `json:"department"`
	Person     string        `json:"person"`
	How        string        `json:"how"`   // Phone or Advice
	Phone      string        `json:"phone"` // number of the call
	At         time.Time     `json:"at"`    // of the call or the answer
	Visit      calendar.Date `json:"visit"` // agreed day of the visit
	Case       string        `json:"case"`  // number of the answered consultation
	By         string        `json:"by"`    // who called
	Clause     string        `json:"clause"`
}

// Text says the contact in one line.
func (c Contact) Text() string {
	who := strings.TrimSpace(c.Department + " " + c.Person)
	if c.How == Advice {
		return who + "在平台咨询 " + c.Case + " 中答复" + c.visit()
	}
	return who + "于 " + c.At.In(calendar.Shanghai).Format("2006-01-02 15:04") + " 在电话 " + c.Phone + " 中同意接收（" + c.By + "联系）" + c.visit()
}

func (c Contact) visit() string {
	if c.Visit == "" {
		return ""
	}
	return "，约定 " + string(c.Visit) + " 就诊"
}

// Check finds what a contact lacks under the rule.
func (r Rule) Check(c Contact, now time.Time, f *errs.Form) {
	if c == (Contact{}) || c.How == "" && c.Person == "" {
		f.Add("contact_person", "%s：请先与对方联系，写明接收的科室、接收人和联系方式", r.Demand())
		return
	}
	if r.Department {
		f.Require("target_service", c.Department, "对方接收的科室")
	}
	if r.Person {
		f.Require("contact_person", c.Person, "对方接收人的姓名（"+r.Clause+"）")
	}
	if r.Booked {
		r.checkVisit(c, now, f)
	}
	switch c.How {
	case Phone:
		f.Require("contact_phone", c.Phone, "通话的电话号码")
		switch {
		case c.At.IsZero():
			f.Add("contact_at", "请填写通话时间")
		case c.At.After(now):
			f.Add("contact_at", "通话时间晚于现在，请核对")
		case c.At.Before(now.AddDate(0, 0, -r.CallDays)):
			f.Add("contact_at", "通话时间应在过去 %d 天以内，请重新联系", r.CallDays)
		}
	case Advice:
		if c.Case == "" {
			f.Add("contact_how", "没有找到对方在平台上的答复：请先向该科室咨询，由答复的咨询单转为转诊；或改为电话联系并登记")
		}
	default:
		f.Add("contact_how", "请选择对方以何种方式确认（电话确认或平台咨询已答复）")
	}
}

func (r Rule) checkVisit(c Contact, now time.Time, f *errs.Form) {
	today := calendar.DateOf(now)
	day, err := calendar.ParseDate(string(c.Visit))
	switch {
	case c.Visit == "":
		f.Add("contact_visit", "请填写与对方约定的就诊日期（提前预约）")
	case err != nil:
		f.AddErr("contact_visit", err)
	case day.Before(today) || day.After(today.AddDays(r.VisitDays)):
		f.Add("contact_visit", "约定的就诊日期应在今天到 %d 天以内", r.VisitDays)
	}
}
