package filing

import (
	"context"
	"slices"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/charter"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/governance"
	"yilian/internal/organization"
	"yilian/internal/policy"
)

// gather reads everything a filing shows. The members and the charter are those
// of the register as it was known when the filing was sent.
func (s *Service) gather(ctx context.Context, tx *db.Tx, f Filing) (Full, error) {
	v := Full{Filing: f, MembersOn: f.EventOn}
	var err error
	if v.Alliance, err = alliance.Get(ctx, tx, f.Alliance); err != nil {
		return v, err
	}
	if v.Case, err = flow.Get(ctx, tx, f.ID); err != nil {
		return v, err
	}
	known := tx.Now
	held := v.Case.State != StatePreparing && v.Case.State != StateReturned
	if held && !f.SentAt.IsZero() {
		known = f.SentAt
	}
	if f.Track == End {
		v.MembersOn = f.EventOn.AddDays(-1)
	}
	if v.Members, err = alliance.MembersOn(ctx, tx, f.Alliance, v.MembersOn, known); err != nil {
		return v, err
	}
	if held && f.Charter != "" {
		v.Charter, err = charter.Get(ctx, tx, f.Charter)
		v.HasText = true
	} else {
		v.Charter, v.HasText, err = charter.Current(ctx, tx, f.Alliance)
	}
	if err != nil {
		return v, err
	}
	if v.Organs, err = governance.Organs(ctx, tx, f.Alliance, max(f.EventOn, calendar.DateOf(known))); err != nil {
		return v, err
	}
	v.Rules = governance.RulesAt(s.Book, v.Case.Place, f.EventOn)
	if v.Changes, err = changesOf(ctx, tx, f.ID); err != nil {
		return v, err
	}
	if v.Liable, err = alliance.LiableOf(ctx, tx, f.Alliance); err != nil {
		return v, err
	}
	docs, err := alliance.FactsOn(ctx, tx, f.Alliance, calendar.DateOf(tx.Now), tx.Now)
	if err != nil {
		return v, err
	}
	v.Problems = check(v, docs, calendar.DateOf(known))
	return v, nil
}

// check lists why a filing cannot be sent.
func check(v Full, docs []alliance.Fact, today calendar.Date) []Problem {
	if v.Track == End {
		return nil // the end is reported as it is
	}
	var out []Problem
	if !v.HasText {
		out = append(out, Problem{"章程", "还没有通过的章程（协议）", clauseOf(v.Rules.Parts)})
	} else {
		for _, m := range charter.Completeness(v.Rules.Parts, v.Charter) {
			out = append(out, Problem{"章程", "章程缺少“" + m.Title + "”：" + m.Why, m.Clause})
		}
	}
	if len(v.Members) < 2 || v.Members[0].Role != alliance.Lead {
		out = append(out, Problem{"成员单位名单", "成员名单不完整：须有牵头单位和至少一家成员单位", v.Clause})
	}
	for _, c := range v.Rules.Organs {
		if !slices.ContainsFunc(v.Organs, func(o governance.Organ) bool { return o.Code == c.Code && o.Exists(max(today, v.EventOn)) }) {
			out = append(out, Problem{"治理机构", "没有设立" + c.Title, c.Clause})
		}
	}
	for _, c := range v.Rules.Documents {
		if !slices.ContainsFunc(docs, func(f alliance.Fact) bool { return f.Field == alliance.Document(c.Code) }) {
			out = append(out, Problem{"制度文件", "没有登记“" + c.Title + "”", c.Clause})
		}
	}
	return out
}

func clauseOf(codes []policy.Code) string {
	if len(codes) == 0 {
		return ""
	}
	return codes[0].Clause
}

// View reads one filing.
func (s *Service) View(ctx context.Context, actor access.Actor, id string) (Full, error) {
	var v Full
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		f, err := Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.visible(ctx, tx, actor, f); err != nil {
			return err
		}
		if v, err = s.gather(ctx, tx, f); err != nil {
			return err
		}
		if v.Stamps, err = stamps(ctx, tx, id); err != nil {
			return err
		}
		if v.Names, err = organization.FullNames(ctx, tx, f.Levels); err != nil {
			return err
		}
		v.Light = LightOf(v.Case, f.EventOn, s.amber(v.Case), s.Calendar, tx.Now)
		v.Actions = s.Flow.Actions(v.Case, actor)
		v.Timeline, err = s.Flow.Timeline(ctx, tx, id)
		return err
	})
	return v, err
}

// visible lets the lead, the members and the authorities of a filing see it.
func (s *Service) visible(ctx context.Context, tx *db.Tx, actor access.Actor, f Filing) error {
	if err := access.Require(actor, access.AllianceRead, access.Any); err != nil {
		return err
	}
	c, err := flow.Get(ctx, tx, f.ID)
	if err != nil {
		return err
	}
	if c.From.Org == actor.Org || slices.Contains(f.Levels, actor.Org) || access.May(actor, access.OrganizationEdit, access.Any) {
		return nil
	}
	members, err := alliance.MembersOn(ctx, tx, f.Alliance, calendar.DateOf(tx.Now), tx.Now)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(members, func(m alliance.Membership) bool { return m.Org == actor.Org }) {
		return nil
	}
	a, err := alliance.Get(ctx, tx, f.Alliance)
	if err != nil {
		return err
	}
	if rel, err := alliance.Standing(ctx, tx, actor, a); err != nil || rel == access.Region {
		return err
	}
	return errs.E(errs.NotFound, "没有找到这份备案")
}
