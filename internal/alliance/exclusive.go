package alliance

import (
	"context"
	"slices"

	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/exemption"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// checkMember holds a new membership against what the register says now: no
// second entry of the institution and no second lead in the alliance, nothing
// after the end of the alliance, who may lead and join, and exclusivity.
func (s *Service) checkMember(ctx context.Context, tx *db.Tx, a Alliance, org organization.Organization, m Membership, f *errs.Form) error {
	all, err := History(ctx, tx, a.ID)
	if err != nil {
		return err
	}
	for _, o := range all {
		switch {
		case !o.KnownTo.IsZero() || !o.overlaps(m.Period):
		case o.Org == m.Org:
			f.Add("org", "“%s”自 %s 起已是本联盟%s，期间不能重叠；如有误请更正原记录", org.Short(), o.ValidFrom, o.Role.Title())
		case o.Role == Lead && m.Role == Lead:
			f.Add("role", "本联盟自 %s 起已有牵头单位，请先结束其牵头期", o.ValidFrom)
		}
	}
	end, err := EndedOn(ctx, tx, a.ID, tx.Now)
	if err != nil {
		return err
	}
	if end != "" && (m.ValidTo == "" || !m.ValidTo.Before(end)) {
		f.Add("valid_to", "本联盟自 %s 起已终止，成员期不能晚于前一日", end)
	}
	rules, err := s.Rules(ctx, tx, a, m.ValidFrom)
	if err != nil {
		return err
	}
	f.AddErr("org", rules.MayJoin(org))
	if m.Role == Lead {
		c, err := s.candidate(ctx, tx, org, a, m.ValidFrom)
		if err != nil {
			return err
		}
		f.AddErr("org", rules.MayLead(c))
	}
	if !rules.Exclusive.Is || m.Role == Link {
		return nil
	}
	return s.checkExclusive(ctx, tx, rules, a, org, m, f)
}

// candidate gathers what the rules of eligibility look at.
func (s *Service) candidate(ctx context.Context, tx *db.Tx, org organization.Organization, a Alliance, day calendar.Date) (Candidate, error) {
	c := Candidate{Org: org}
	var err error
	if c.Authority, err = LevelOf(ctx, tx, org, day); err != nil {
		return c, err
	}
	of, err := AlliancesOf(ctx, tx, org.ID, day, tx.Now)
	if err != nil {
		return c, err
	}
	c.Leads = slices.ContainsFunc(of, func(m Membership) bool { return m.Role == Lead && m.Alliance != a.ID })
	c.Excepted, err = exemption.Approved(ctx, tx, exemption.Lead, org.ID, string(a.Kind), a.Region, day)
	return c, err
}

// checkExclusive refuses a second tight membership of the institution, and one
// in an area for which another tight alliance answers (X4, JS-2.1). Overlays
// are many-to-many.
func (s *Service) checkExclusive(ctx context.Context, tx *db.Tx, rules Rules, a Alliance, org organization.Organization, m Membership, f *errs.Form) error {
	clause := policy.ClauseTitle(rules.Exclusive.Clause)
	others, err := membershipsOf(ctx, tx, org.ID)
	if err != nil {
		return err
	}
	many, err := s.manyAllowed(ctx, tx, rules, org, m.ValidFrom)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.Alliance == a.ID || o.Role == Link || !o.overlaps(m.Period) {
			continue
		}
		other, err := Get(ctx, tx, o.Alliance)
		if err != nil {
			return err
		}
		theirs, err := s.Rules(ctx, tx, other, max(o.ValidFrom, m.ValidFrom))
		if err != nil {
			return err
		}
		if !theirs.Exclusive.Is || many && other.Region != a.Region {
			continue
		}
		f.Add("org", "“%s”自 %s 起已是“%s”的%s：同一机构同一时间只能属于一个紧密型医联体（%s）。请先办理退出", org.Short(), o.ValidFrom, other.Name, o.Role.Title(), clause)
	}
	if m.Role == Lead || !org.Kind.Primary() {
		return nil
	}
	holder, since, err := s.answersFor(ctx, tx, a.ID, org.Region, m.Period)
	if err == nil && holder != "" {
		f.Add("org", "“%s”所在片区自 %s 起由“%s”负责：同一片区同一时间只归一个紧密型医联体（%s）", org.Short(), since, holder, clause)
	}
	return err
}

// manyAllowed: a national or provincial hospital may take part in several
// alliances across regions (GB-2.5).
func (s *Service) manyAllowed(ctx context.Context, tx *db.Tx, rules Rules, org organization.Organization, day calendar.Date) (bool, error) {
	many := asker{s.Book, rules.Place, day}.yes("alliance.national.many")
	if !many.Is {
		return false, nil
	}
	level, err := LevelOf(ctx, tx, org, day)
	return level == region.Province, err
}

// answersFor returns the name of another exclusive alliance whose areas meet a
// region in a period, and since when.
func (s *Service) answersFor(ctx context.Context, tx *db.Tx, except, code string, p Period) (string, calendar.Date, error) {
	up, err := region.Chain(ctx, tx, code)
	if err != nil {
		return "", "", err
	}
	claims, err := db.List(ctx, tx, readFact, `
		SELECT id, subject, subject_id, field, value, evidence, clause, valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_fact WHERE field = 'area' AND known_to IS NULL AND subject_id <> $1 ORDER BY valid_from, id`, except)
	if err != nil {
		return "", "", err
	}
	for _, c := range claims {
		meets := slices.Contains(up, c.Value)
		if !meets {
			down, err := region.Chain(ctx, tx, c.Value)
			if err != nil {
				return "", "", err
			}
			meets = slices.Contains(down, code)
		}
		if !meets || !c.overlaps(p) {
			continue
		}
		a, err := Get(ctx, tx, c.SubjectID)
		if err != nil {
			return "", "", err
		}
		rules, err := s.Rules(ctx, tx, a, max(c.ValidFrom, p.ValidFrom))
		if err != nil {
			return "", "", err
		}
		if rules.Exclusive.Is {
			return a.Name, c.ValidFrom, nil
		}
	}
	return "", "", nil
}

// membershipsOf returns what the register says now about an institution.
func membershipsOf(ctx context.Context, tx *db.Tx, org string) ([]Membership, error) {
	return db.List(ctx, tx, readMembership, `
		SELECT id, alliance, org, org_name, role, plate, clause, valid_from, valid_to, known_from, known_to, known_by, reason
		FROM alliance_membership WHERE org = $1 AND known_to IS NULL ORDER BY valid_from, id`, org)
}
