// Package governance keeps the organs of alliances: committees, councils,
// offices, specialist groups, their posts and terms; their meetings, votes and
// decisions with what these changed; the unified managements; and where the
// phases of a document's plan stand.
package governance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/policy"
)

// Codes of organs that rules speak of.
const (
	Council             = "council"
	Office              = "office"
	ManagementCommittee = "management_committee"
	QualityCommittee    = "quality_committee"
	SpecialistGroup     = "specialist_group"
)

// Post is what somebody is in an organ.
type Post string

// The posts.
const (
	Chair    Post = "chair"
	Vice     Post = "vice"
	Sits     Post = "member"
	Director Post = "director"
	Deputy   Post = "deputy"
	ContactP Post = "contact"
)

// Posts returns the posts of an organ.
func Posts(code string) []Post {
	if code == Office || strings.HasPrefix(code, "office_") || code == "committee_office" {
		return []Post{Director, Deputy, ContactP}
	}
	return []Post{Chair, Vice, Sits}
}

// Title is the post in Chinese, as the organ calls it.
func (p Post) Title(code string) string {
	switch {
	case p == Chair && code == Council:
		return "理事长"
	case p == Vice && code == Council:
		return "副理事长"
	case p == Sits && code == Council:
		return "理事"
	case p == Chair && code == "party_committee":
		return "书记"
	case p == Vice && code == "party_committee":
		return "副书记"
	case p == Chair && code == SpecialistGroup:
		return "组长"
	}
	return map[Post]string{Chair: "主任委员", Vice: "副主任委员", Sits: "委员", Director: "主任", Deputy: "副主任", ContactP: "联络人"}[p]
}

// Organ is one organ of an alliance.
type Organ struct {
	ID            string
	Alliance      string
	Code          string
	Title         string
	EstablishedOn calendar.Date
	TermFrom      calendar.Date
	TermTo        calendar.Date // last day; "" without a term
	EndedOn       calendar.Date
	Basis         string
	TermCase      string
	Seats         []Seat // on the day asked for
}

// Exists reports whether the organ is there on a day.
func (o Organ) Exists(day calendar.Date) bool {
	return !day.Before(o.EstablishedOn) && (o.EndedOn == "" || day.Before(o.EndedOn))
}

// Holders returns who holds a post.
func (o Organ) Holders(p Post) []Seat {
	return slices.DeleteFunc(slices.Clone(o.Seats), func(s Seat) bool { return s.Post != p })
}

// Seat is one person in an organ for a time.
type Seat struct {
	ID       string
	Organ    string
	Post     Post
	Name     string
	Org      string
	OrgName  string
	Position string // what he is in his institution: 院长
	From     calendar.Date
	To       calendar.Date
	Basis    string
	By       string
	At       time.Time
}

// Limit is a number of the policy with its clause.
type Limit struct {
	N      int64
	Set    bool
	Clause string
}

// Rules are the policy's numbers and words about organs.
type Rules struct {
	alliance.Rules
	TermYears, Directors, DeputiesMin, DeputiesMax, Contacts, Quorum, Majority Limit
	Chair, CommitteeChair                                                      alliance.Word
	Reminder                                                                   policy.Deadline
}

// The words of the policy.
const (
	leadHead       = "lead_head"
	governmentHead = "government_head"
)

// RulesAt resolves the rules at a place on a day.
func RulesAt(book *policy.Book, at policy.Place, day calendar.Date) Rules {
	limit := func(key string) Limit {
		a, err := book.Resolve(key, at, day)
		if err != nil {
			return Limit{}
		}
		return Limit{a.Value.Int, true, a.Clause}
	}
	word := func(key string) alliance.Word {
		a, err := book.Resolve(key, at, day)
		if err != nil {
			return alliance.Word{}
		}
		return alliance.Word{Text: a.Value.Text, Clause: a.Clause}
	}
	r := Rules{
		Rules: alliance.RulesAt(book, at, day), TermYears: limit("alliance.council.term_years"), Directors: limit("alliance.office.directors"),
		DeputiesMin: limit("alliance.office.deputies.min"), DeputiesMax: limit("alliance.office.deputies.max"),
		Contacts: limit("alliance.office.contacts_per_member"), Quorum: limit("governance.quorum.percent"), Majority: limit("governance.majority.percent"),
		Chair: word("alliance.council.chair"), CommitteeChair: word("alliance.committee.chair"),
	}
	if a, err := book.Resolve("alliance.council.reminder", at, day); err == nil {
		r.Reminder = a.Value.Deadline
	}
	return r
}

// CheckSeat says why a person cannot take a post in an organ as it stands on
// his first day (LL-4.3.2, LL-4.3.3, SMX-4.1.2), or nil.
func (r Rules) CheckSeat(o Organ, s Seat, lead string) error {
	title := s.Post.Title(o.Code)
	single := s.Post == Chair || s.Post == Director && o.Code != Office
	held := o.Holders(s.Post)
	refuse := func(clause, format string, args ...any) error {
		return errs.Refused(errs.Invalid, clause, format+"（%s）", append(args, policy.ClauseTitle(clause))...)
	}
	switch {
	case o.Code == Office && s.Post == Director && r.Directors.Set && int64(len(held)) >= r.Directors.N:
		return refuse(r.Directors.Clause, "%s设主任 %d 名，现为%s，请先免去再任命", o.Title, r.Directors.N, held[0].Name)
	case o.Code == Office && s.Post == Deputy && r.DeputiesMax.Set && int64(len(held)) >= r.DeputiesMax.N:
		return refuse(r.DeputiesMax.Clause, "%s设副主任 %d—%d 名，现已有 %d 名，不能再任命", o.Title, r.DeputiesMin.N, r.DeputiesMax.N, len(held))
	case single && len(held) > 0:
		return errs.E(errs.Invalid, "%s已有%s %s，请先免去再任命", o.Title, title, held[0].Name)
	case o.Code == Council && s.Post == Chair && r.Chair.Text == leadHead && (s.Org != lead || !strings.Contains(s.Position, "院长") || strings.Contains(s.Position, "副")):
		return refuse(r.Chair.Clause, "理事长由牵头医院院长担任；%s是%s%s", s.Name, s.OrgName, s.Position)
	case o.Code == ManagementCommittee && s.Post == Chair && r.CommitteeChair.Text == governmentHead && !headsGovernment(s.Position):
		return refuse(r.CommitteeChair.Clause, "%s主任由县（市）政府主要负责同志担任；%s是%s%s", o.Title, s.Name, s.OrgName, s.Position)
	case s.Post == ContactP && o.Code == Office && r.Contacts.Set:
		n := int64(0)
		for _, h := range held {
			if h.Org == s.Org {
				n++
			}
		}
		if n >= r.Contacts.N {
			return refuse(r.Contacts.Clause, "“%s”已指定联络人；每个成员单位指定 %d 名", s.OrgName, r.Contacts.N)
		}
	}
	return nil
}

func headsGovernment(position string) bool {
	if strings.Contains(position, "副") {
		return false
	}
	for _, w := range []string{"县长", "市长", "区长", "政府主要负责"} {
		if strings.Contains(position, w) {
			return true
		}
	}
	return false
}

// TermEnd is the last day of a term of the policy's years.
func (r Rules) TermEnd(from calendar.Date) calendar.Date {
	if !r.TermYears.Set {
		return ""
	}
	return calendar.DateOf(from.Time().AddDate(int(r.TermYears.N), 0, -1))
}

// Gap is what the organs lack against the rules.
type Gap struct{ Text, Clause string }

// Gaps lists what is missing on a day: organs that must be, posts, contacts of
// members by name, terms that are over.
func (r Rules) Gaps(organs []Organ, members []alliance.Membership, day calendar.Date) []Gap {
	find := func(code string) *Organ {
		for i := range organs {
			if organs[i].Code == code && organs[i].Exists(day) {
				return &organs[i]
			}
		}
		return nil
	}
	var out []Gap
	for _, c := range slices.Concat(r.Organs, officesOf(r.Offices)) {
		o := find(c.Code)
		if o == nil {
			out = append(out, Gap{"没有设立" + c.Title, c.Clause})
			continue
		}
		head := Posts(o.Code)[0]
		if len(o.Holders(head)) == 0 {
			out = append(out, Gap{o.Title + "没有" + head.Title(o.Code), c.Clause})
		}
		if o.TermTo != "" && day.After(o.TermTo) {
			out = append(out, Gap{o.Title + "任期已于 " + string(o.TermTo) + " 届满，没有换届", r.TermYears.Clause})
		}
	}
	if o := find(Office); o != nil {
		if n := int64(len(o.Holders(Deputy))); r.DeputiesMin.Set && n < r.DeputiesMin.N {
			out = append(out, Gap{fmt.Sprintf("%s副主任 %d 名，少于 %d 名", o.Title, n, r.DeputiesMin.N), r.DeputiesMin.Clause})
		}
		if r.Contacts.Set {
			out = append(out, r.contactGaps(*o, members)...)
		}
	}
	return out
}

func (r Rules) contactGaps(o Organ, members []alliance.Membership) []Gap {
	var without []string
	for _, m := range members {
		if m.Role == alliance.Member && !slices.ContainsFunc(o.Seats, func(s Seat) bool { return s.Post == ContactP && s.Org == m.Org }) {
			without = append(without, m.OrgName)
		}
	}
	if len(without) == 0 {
		return nil
	}
	return []Gap{{fmt.Sprintf("%d 家成员单位没有指定联络人：%s", len(without), strings.Join(without, "、")), r.Contacts.Clause}}
}

// officesOf are the offices of JS-4.5.2 as organs.
func officesOf(offices []policy.Code) []policy.Code {
	out := make([]policy.Code, len(offices))
	for i, c := range offices {
		out[i] = policy.Code{Code: "office_" + c.Code, Title: c.Title + "管理机构", Clause: c.Clause}
	}
	return out
}

// Choices are the organs that may be set up: those that must be, those that
// may, and specialist groups.
func (r Rules) Choices() []policy.Code {
	out := slices.Concat(r.Organs, officesOf(r.Offices), r.Optional)
	for _, c := range []policy.Code{{Code: ManagementCommittee, Title: "管理委员会"}, {Code: "party_committee", Title: "党委"}, {Code: Council, Title: "理事会"},
		{Code: Office, Title: "办公室"}, {Code: QualityCommittee, Title: "医疗质量控制委员会"}} {
		if !slices.ContainsFunc(out, func(o policy.Code) bool { return o.Code == c.Code }) {
			out = append(out, c)
		}
	}
	return append(out, policy.Code{Code: SpecialistGroup, Title: "专业组"})
}

// TermKind is the kind of flow case that reminds of an ending term.
const TermKind = "governance.term"

// ActRenew closes the reminder when the new term is recorded.
const ActRenew = "renew"

// TermMachine is the reminder: it is open until the organ has a new term.
func TermMachine() flow.Machine {
	return flow.Machine{
		Kind: TermKind, Title: "换届提醒", Prefix: "HJ", Start: "due",
		States: []flow.State{
			{Name: "due", Title: "待换届", Turn: flow.From, Role: access.AllianceOffice, Clock: "governance.clock.term", Tone: "orange"},
			{Name: "renewed", Title: "已换届", Tone: "green"},
		},
		Actions: []flow.Action{{Name: ActRenew, Title: "登记换届", From: []string{"due"}, To: []string{"renewed"}, Side: flow.From, Right: access.GovernanceEdit}},
	}
}

// Remind opens a reminder for every organ whose term ends within the policy's
// notice and that has none. It runs once a day.
func (s *Service) Remind(ctx context.Context, tx *db.Tx) error {
	today := calendar.DateOf(tx.Now)
	all, err := terms(ctx, tx)
	if err != nil {
		return err
	}
	for _, o := range all {
		a, err := alliance.Get(ctx, tx, o.Alliance)
		if err != nil {
			return err
		}
		at, err := alliance.Place(ctx, tx, a)
		if err != nil {
			return err
		}
		r := RulesAt(s.Book, at, today)
		if o.TermTo.AddDays(-r.Reminder.N).After(today) {
			continue
		}
		lead, err := alliance.LeadOn(ctx, tx, a.ID, today)
		if errs.Is(err, errs.NotFound) {
			continue // ended
		}
		if err != nil {
			return err
		}
		p := flow.Party{Org: lead.ID, OrgName: lead.Name}
		c, err := s.Flow.Open(ctx, tx, program, flow.Opening{Kind: TermKind, Subject: o.Title + "任期至 " + string(o.TermTo), From: p, To: p, Place: at,
			Due: calendar.EndOf(o.TermTo)})
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE organ SET term_case = $2 WHERE id = $1`, o.ID, c.ID); err != nil {
			return err
		}
	}
	return nil
}
