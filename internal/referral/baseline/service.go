package baseline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/referral/referralcount"
)

// Service has the use cases of baselines.
type Service struct {
	DB    *db.DB
	Audit *audit.Log
	Book  *policy.Book
}

// maxCases is more than any institution sends in a year: a greater figure is a
// slip of the keyboard.
const maxCases = 1_000_000

// Institutions are those whose baselines the actor may keep: his own, for
// bureaus those of the region.
func (s *Service) Institutions(ctx context.Context, actor access.Actor) ([]organization.Organization, error) {
	var out []organization.Organization
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		out, err = institutions(ctx, tx, actor, access.BaselineEdit)
		return err
	})
	return out, err
}

// institutions are those of care in the actor's reach for a right.
func institutions(ctx context.Context, tx *db.Tx, actor access.Actor, right access.Right) ([]organization.Organization, error) {
	if !access.Allowed(access.Role(actor.Role), right, access.Region) {
		if err := access.Require(actor, right, access.Own); err != nil {
			return nil, err
		}
		o, err := organization.Get(ctx, tx, actor.Org)
		return []organization.Organization{o}, err
	}
	if len(actor.Regions) == 0 {
		return nil, errs.E(errs.Forbidden, "您的岗位没有辖区，不能查看各机构的基数")
	}
	list, err := organization.List(ctx, tx, organization.Filter{Region: actor.Regions[0]})
	return slices.DeleteFunc(list, func(o organization.Organization) bool {
		return o.Kind == organization.Bureau || o.Kind == organization.Insurer || o.Kind == organization.VillageClinic
	}), err
}

// Enter records baselines, all of them or none.
func (s *Service) Enter(ctx context.Context, actor access.Actor, list []Entry) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		allowed, err := institutions(ctx, tx, actor, access.BaselineEdit)
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := s.enter(ctx, tx, actor, allowed, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// Import records what Parse has read, all lines or none.
func (s *Service) Import(ctx context.Context, actor access.Actor, text string) (int, error) {
	lines, err := Parse(text)
	if err != nil {
		return 0, err
	}
	return len(lines), s.DB.Tx(ctx, func(tx *db.Tx) error {
		allowed, err := institutions(ctx, tx, actor, access.BaselineEdit)
		if err != nil {
			return err
		}
		var f errs.Form
		for _, l := range lines {
			i := slices.IndexFunc(allowed, func(o organization.Organization) bool { return o.Name == l.OrgName || o.ShortName == l.OrgName })
			if i < 0 {
				f.Add("lines", "第 %d 行：您管理的机构中没有“%s”", l.Number, l.OrgName)
				continue
			}
			l.Org = allowed[i].ID
			err := s.enter(ctx, tx, actor, allowed, l.Entry)
			if err != nil && !errs.Correctable(err) {
				return err
			}
			if err != nil {
				f.Add("lines", "第 %d 行：%s", l.Number, err.Error())
			}
		}
		return f.Err()
	})
}

func (s *Service) enter(ctx context.Context, tx *db.Tx, actor access.Actor, allowed []organization.Organization, e Entry) error {
	i := slices.IndexFunc(allowed, func(o organization.Organization) bool { return o.ID == e.Org })
	if i < 0 {
		return errs.E(errs.Forbidden, "只能登记您管理的机构的基数")
	}
	e.OrgName, e.Note = allowed[i].Name, strings.TrimSpace(e.Note)
	if err := check(e, calendar.DateOf(tx.Now)); err != nil {
		return err
	}
	if err := hold(ctx, tx, e.Org); err != nil {
		return err
	}
	live, err := entries(ctx, tx, e.Org, e.Direction, false)
	if err != nil {
		return err
	}
	for _, o := range live {
		if o.overlaps(e.Span) {
			return errs.E(errs.Conflict, "%s %s 的%s基数已经登记（%d 例，%s）：期间不能重叠，请先作废原来的", e.OrgName, o.Title(), e.Direction.Title(), o.N, o.Source.Title())
		}
	}
	if e.Source == Platform {
		if err := onPlatform(ctx, tx, e); err != nil {
			return err
		}
	}
	e.ID, e.EnteredAt, e.EnteredName = db.NewID(), tx.Now, actor.Name
	if err := insert(ctx, tx, e, actor.Account); err != nil {
		return err
	}
	return s.leaf(ctx, tx, actor, "referral.baseline.enter", e, "")
}

// check holds the plain rules of an entry.
func check(e Entry, today calendar.Date) error {
	var f errs.Form
	if !slices.Contains(Directions(), e.Direction) {
		f.Add("direction", "请选择上转或下转")
	}
	if !slices.Contains(Sources(), e.Source) {
		f.Add("source", "请选择来源")
	}
	f.Require("from", string(e.From), "期间开始")
	f.Require("to", string(e.To), "期间结束")
	switch {
	case e.From == "" || e.To == "":
	case e.To.Before(e.From):
		f.Add("to", "期间结束不能早于开始")
	case e.From.AddDays(366).Before(e.To):
		f.Add("to", "一条基数最长一年，请按年或按月登记")
	case !e.To.Before(today):
		f.Add("to", "基数是过去的期间，结束日期应早于今天")
	}
	if e.N < 0 || e.N > maxCases {
		f.Add("n", "例数应在 0 到 %d 之间", maxCases)
	}
	if e.Source != Platform && e.Source != "" && e.Note == "" {
		f.Add("note", "请写明出处：哪本台账、谁统计的、怎么估计的")
	}
	return f.Err()
}

// onPlatform refuses the label 平台 for a figure that the platform cannot know
// or does not confirm.
func onPlatform(ctx context.Context, tx *db.Tx, e Entry) error {
	first, err := referralcount.FirstSent(ctx, tx, e.Org, e.Direction)
	if err != nil {
		return err
	}
	if first == "" || first.After(e.From) {
		since := "还没有在平台上" + e.Direction.Title()
		if first != "" {
			since = string(first) + " 才在平台上有第一张" + e.Direction.Title() + "单"
		}
		return errs.E(errs.Invalid, "%s%s，%s 的例数不能标为“平台”：请按纸质台账或估计登记", e.OrgName, since, e.Title())
	}
	n, err := platform(ctx, tx, e)
	if err == nil && n != e.N {
		return errs.E(errs.Invalid, "平台记录 %s 的%s到诊是 %d 例，与填写的 %d 例不同", e.Title(), e.Direction.Title(), n, e.N)
	}
	return err
}

func platform(ctx context.Context, tx *db.Tx, e Entry) (int64, error) {
	counts, err := referralcount.SentBy(ctx, tx, referralcount.Scope{Org: e.Org, Side: flow.From, From: e.From, To: e.To}, e.Direction)
	return counts[e.Org].Arrived, err
}

// Confirm records that a figure of another source was counted like the
// platform's and may be compared with it. Only bureaus answer for that.
func (s *Service) Confirm(ctx context.Context, actor access.Actor, id, note string) error {
	if !access.Allowed(access.Role(actor.Role), access.BaselineEdit, access.Region) {
		return errs.E(errs.Forbidden, "基数是否可比由卫生健康行政部门确认")
	}
	if note = strings.TrimSpace(note); note == "" {
		return errs.E(errs.Invalid, "请写明怎样核对过口径一致")
	}
	return s.change(ctx, actor, id, func(tx *db.Tx, e Entry) error {
		if e.Comparable() {
			return errs.E(errs.Conflict, "这条基数已经可比，不需要再确认")
		}
		if err := confirm(ctx, tx, id, actor.Name, note); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "referral.baseline.confirm", e, note)
	})
}

// Void takes a figure out of use, with a reason.
func (s *Service) Void(ctx context.Context, actor access.Actor, id, reason string) error {
	if reason = strings.TrimSpace(reason); reason == "" {
		return errs.E(errs.Invalid, "请写明作废的原因")
	}
	return s.change(ctx, actor, id, func(tx *db.Tx, e Entry) error {
		if err := void(ctx, tx, id, actor.Name, reason); err != nil {
			return err
		}
		return s.leaf(ctx, tx, actor, "referral.baseline.void", e, reason)
	})
}

func (s *Service) change(ctx context.Context, actor access.Actor, id string, do func(*db.Tx, Entry) error) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		allowed, err := institutions(ctx, tx, actor, access.BaselineEdit)
		if err != nil {
			return err
		}
		e, err := get(ctx, tx, id)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(allowed, func(o organization.Organization) bool { return o.ID == e.Org }) {
			return errs.E(errs.NotFound, "没有找到这条基数")
		}
		if !e.VoidedAt.IsZero() {
			return errs.E(errs.Conflict, "这条基数已由%s作废", e.VoidedBy)
		}
		return do(tx, e)
	})
}

func (s *Service) leaf(ctx context.Context, tx *db.Tx, actor access.Actor, action string, e Entry, why string) error {
	detail := fmt.Sprintf("%s %s %s %d 例，来源：%s", e.OrgName, e.Direction.Title(), e.Title(), e.N, e.Source.Title())
	if why != "" {
		detail += "；" + why
	}
	return s.Audit.Append(ctx, tx, audit.Leaf{
		Actor: actor, Action: action, Object: "referral.baseline", ObjectID: e.ID, Outcome: audit.OK, Detail: detail,
	})
}

// List returns the baselines in the actor's reach, voided ones too.
func (s *Service) List(ctx context.Context, actor access.Actor) ([]Entry, error) {
	var out []Entry
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		allowed, err := institutions(ctx, tx, actor, access.ReferralCount)
		if err != nil {
			return err
		}
		all, err := entries(ctx, tx, "", "", true)
		for _, e := range all {
			if i := slices.IndexFunc(allowed, func(o organization.Organization) bool { return o.ID == e.Org }); i >= 0 {
				e.OrgName = allowed[i].Name
				out = append(out, e)
			}
		}
		return err
	})
	return out, err
}

// Part is a direction on the page of growth.
type Part struct {
	Direction referral.Direction
	Lines     []Growth
	Total     Growth
	In, Left  int                   // institutions in the total, and left out of it
	Targets   []policy.TargetAnswer // of growth, that bind here
}

// Report is the growth of a period against the same period of a base year.
type Report struct {
	Period, Base Span
	Parts        []Part
	Today        calendar.Date
}

// Growth measures the growth of a period in the actor's reach. A base year of 0
// is the year before.
func (s *Service) Growth(ctx context.Context, actor access.Actor, period Span, baseYear int) (Report, error) {
	scope := referralcount.Scope{From: period.From, To: period.To}
	if err := referralcount.Narrow(actor, &scope); err != nil {
		return Report{}, err
	}
	if scope.Org != "" {
		scope.Side = flow.From
	}
	if baseYear == 0 {
		baseYear = period.From.Year() - 1
	}
	out := Report{Period: period, Base: period.Before(baseYear)}
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		out.Today = calendar.DateOf(tx.Now)
		allowed, err := institutions(ctx, tx, actor, access.ReferralCount)
		if err != nil {
			return err
		}
		for _, d := range Directions() {
			p, err := s.part(ctx, tx, actor, scope, d, out, allowed)
			if err != nil {
				return err
			}
			out.Parts = append(out.Parts, p)
		}
		return nil
	})
	return out, err
}

func (s *Service) part(ctx context.Context, tx *db.Tx, actor access.Actor, scope referralcount.Scope, d referral.Direction, r Report, allowed []organization.Organization) (Part, error) {
	p := Part{Direction: d}
	for _, t := range s.Book.Targets(policy.Place{Regions: actor.Regions}, r.Period.To) {
		if t.Indicator == "referral."+string(d) && t.Measure == "growth" {
			p.Targets = append(p.Targets, t)
		}
	}
	counts, err := referralcount.SentBy(ctx, tx, scope, d)
	if err != nil {
		return p, err
	}
	all, err := entries(ctx, tx, "", d, false)
	if err != nil {
		return p, err
	}
	for _, o := range allowed {
		k := Known{Org: o.ID, OrgName: o.Name, Now: counts[o.ID].Arrived, First: counts[o.ID].First}
		for _, e := range all {
			if e.Org == o.ID && r.Base.covers(e.Span) {
				k.Entries = append(k.Entries, e)
			}
		}
		if len(k.Entries) == 0 && k.Now == 0 {
			continue
		}
		if k.Joined, err = alliance.FirstDay(ctx, tx, o.ID); err != nil {
			return p, err
		}
		p.Lines = append(p.Lines, Compare(k, r.Period, r.Base, r.Today))
	}
	slices.SortStableFunc(p.Lines, func(a, b Growth) int { return min(len(b.Entries), 1) - min(len(a.Entries), 1) })
	p.Total, p.In, p.Left = Total(p.Lines, r.Period, r.Today)
	return p, nil
}
