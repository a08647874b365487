package alliance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
)

// SuccessionKind says what became of institutions.
type SuccessionKind string

// Institutions merge into one or split up.
const (
	Merge     SuccessionKind = "merge"
	SplitOrgs SuccessionKind = "split"
)

// Succession says that institutions are replaced by others from a day on.
type Succession struct {
	Kind   SuccessionKind
	From   []string
	Into   []string
	On     calendar.Date
	Reason string
}

// Succeed carries out a merger or a split of institutions in all their
// alliances: the memberships of the old ones end, those of the new ones begin,
// with the highest role that was held. History stays as it was.
func (s *Service) Succeed(ctx context.Context, actor access.Actor, x Succession) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		if err := x.check(); err != nil {
			return err
		}
		held := map[string][]Membership{} // by alliance
		for _, id := range x.From {
			all, err := membershipsOf(ctx, tx, id)
			if err != nil {
				return err
			}
			for _, m := range all {
				if m.ValidTo == "" || !m.ValidTo.Before(x.On) {
					held[m.Alliance] = append(held[m.Alliance], m)
				}
			}
		}
		if len(held) == 0 {
			if err := access.Require(actor, access.AllianceEdit, access.Any); err != nil {
				return err
			}
		}
		for _, id := range sortedKeys(held) {
			if err := s.succeedIn(ctx, tx, actor, id, held[id], x); err != nil {
				return err
			}
		}
		return s.recordSuccession(ctx, tx, actor, x)
	})
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (x Succession) check() error {
	var f errs.Form
	if _, err := calendar.ParseDate(string(x.On)); err != nil {
		f.AddErr("on", err)
	}
	f.Require("reason", x.Reason, "原因和批准文件")
	switch {
	case x.Kind == Merge && (len(x.From) < 2 || len(x.Into) != 1):
		f.Add("from", "合并须选择两家以上被合并机构和一家合并后的机构")
	case x.Kind == SplitOrgs && (len(x.From) != 1 || len(x.Into) < 2):
		f.Add("from", "拆分须选择一家被拆分机构和两家以上拆分后的机构")
	case x.Kind != Merge && x.Kind != SplitOrgs:
		f.Add("kind", "请选择合并或拆分")
	}
	return f.Err()
}

func (s *Service) succeedIn(ctx context.Context, tx *db.Tx, actor access.Actor, id string, held []Membership, x Succession) error {
	a, err := s.open(ctx, tx, actor, id)
	if err != nil {
		return err
	}
	role := Link
	for _, m := range held {
		if m.Role == Lead || m.Role == Member && role != Lead {
			role = m.Role
		}
		if err := truncate(ctx, tx, m, x.On.AddDays(-1), actor.Name, x.Reason); err != nil {
			return err
		}
	}
	all, err := currentMembers(ctx, tx, id)
	if err != nil {
		return err
	}
	for i, org := range x.Into {
		r := role
		if role == Lead && i > 0 {
			r = Member // one lead only: the first named goes on
		}
		if slices.ContainsFunc(all, func(m Membership) bool {
			return m.Org == org && (m.ValidTo == "" || !m.ValidTo.Before(x.On))
		}) {
			continue
		}
		m := Membership{Alliance: id, Org: org, Role: r, Clause: held[0].Clause, Plate: AutoPlate, Period: Period{ValidFrom: x.On, Reason: x.Reason}}
		if _, err := s.record(ctx, tx, actor, a, m); err != nil {
			return err
		}
	}
	from, err := names(ctx, tx, x.From)
	if err != nil {
		return err
	}
	into, err := names(ctx, tx, x.Into)
	if err != nil {
		return err
	}
	word := "合并为"
	if x.Kind == SplitOrgs {
		word = "拆分为"
	}
	what := WasMerged
	if role == Lead {
		what = NewLead
	}
	_, err = s.RecordChange(ctx, tx, actor, Change{Alliance: id, What: what, Org: x.Into[0], EffectiveOn: x.On, Cause: strings.TrimSpace(x.Reason), Clause: held[0].Clause,
		Text: from + "自 " + string(x.On) + " 起" + word + into})
	return err
}

func (s *Service) recordSuccession(ctx context.Context, tx *db.Tx, actor access.Actor, x Succession) error {
	for _, from := range x.From {
		for _, to := range x.Into {
			if from == to {
				continue
			}
			_, err := tx.Exec(ctx, `
				INSERT INTO alliance_succession (id, kind, from_org, to_org, effective_on, reason, at, by_name) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
				db.NewID(), string(x.Kind), from, to, string(x.On), strings.TrimSpace(x.Reason), db.At(tx.Now), actor.Name)
			if err != nil {
				return fmt.Errorf("insert succession: %w", err)
			}
		}
	}
	return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "organization." + string(x.Kind), Object: "organization", ObjectID: x.From[0], Detail: x.Reason})
}

// Adjustment is what a yearly assessment changes in one alliance (ZZ-2.1b).
type Adjustment struct {
	Alliance string
	Year     int
	Leave    []string
	Join     []string
	On       calendar.Date
	Basis    string // the assessment that it rests on
}

// Adjust carries out a yearly adjustment: all of it or nothing. One filing
// covers it.
func (s *Service) Adjust(ctx context.Context, actor access.Actor, x Adjustment) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, err := s.open(ctx, tx, actor, x.Alliance)
		if err != nil {
			return err
		}
		if err := dated("on", x.On, x.Basis); err != nil {
			return err
		}
		if len(x.Leave)+len(x.Join) == 0 {
			return errs.E(errs.Invalid, "请选择调出或调入的机构；没有调整就不用登记")
		}
		cause := fmt.Sprintf(adjustmentSentence, x.Year, strings.TrimSpace(x.Basis))
		for _, org := range x.Leave {
			if err := s.leave(ctx, tx, actor, a, org, x.On, cause, causeAdjustment); err != nil {
				return err
			}
		}
		for _, org := range x.Join {
			m, err := s.record(ctx, tx, actor, a, Membership{Alliance: a.ID, Org: org, Role: Member, Clause: a.Clause, Plate: AutoPlate, Period: Period{ValidFrom: x.On, Reason: cause}})
			if err != nil {
				return err
			}
			if _, err := s.RecordChange(ctx, tx, actor, s.joined(a, m, causeAdjustment)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Unattached returns the hospitals and primary institutions under a region that
// belong to no alliance of the kinds on a day, village clinics left out: they go
// with their centre. GB-1.3, ZZ-1.2 and JS-3a count them, by name.
func Unattached(ctx context.Context, tx *db.Tx, code string, day calendar.Date, kinds []Kind) ([]organization.Organization, error) {
	in, err := db.List(ctx, tx, func(scan db.Scan) (r [2]string, err error) { return r, scan(&r[0], &r[1]) }, `
		SELECT m.org, a.kind FROM alliance_membership m JOIN alliance a ON a.id = m.alliance
		WHERE m.valid_from <= $1 AND (m.valid_to IS NULL OR m.valid_to >= $1) AND m.known_to IS NULL AND m.role <> 'link'`, string(day))
	if err != nil {
		return nil, err
	}
	belongs := map[string]bool{}
	for _, r := range in {
		if len(kinds) == 0 || slices.Contains(kinds, Kind(r[1])) {
			belongs[r[0]] = true
		}
	}
	all, err := organization.List(ctx, tx, organization.Filter{Region: code})
	return slices.DeleteFunc(all, func(o organization.Organization) bool {
		return belongs[o.ID] || o.Kind == organization.VillageClinic || !o.Kind.Hospital() && !o.Kind.Primary()
	}), err
}

// SetStanding records a dated fact about an institution: whom it belongs to,
// its legal person, its legal representative, its funding channel. A new legal
// representative of a member is a change of every alliance it is in (A4).
func (s *Service) SetStanding(ctx context.Context, actor access.Actor, f Fact) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		org, err := organization.Get(ctx, tx, f.SubjectID)
		if err != nil {
			return err
		}
		if err := s.mayStand(ctx, tx, actor, org); err != nil {
			return err
		}
		if err := s.checkStanding(ctx, tx, org, &f); err != nil {
			return err
		}
		return s.stand(ctx, tx, actor, org, f)
	})
}

func (s *Service) stand(ctx context.Context, tx *db.Tx, actor access.Actor, org organization.Organization, f Fact) error {
	f.Subject, f.SubjectID, f.KnownBy, f.Reason = subjectOrg, org.ID, actor.Name, strings.TrimSpace(f.Reason)
	if err := setFact(ctx, tx, f); err != nil {
		return err
	}
	err := s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "organization." + string(f.Field), Object: "organization", ObjectID: org.ID, Clause: f.Clause, Detail: f.Value})
	if err != nil || f.Field != Representative {
		return err
	}
	of, err := AlliancesOf(ctx, tx, org.ID, f.ValidFrom, tx.Now)
	if err != nil {
		return err
	}
	for _, m := range of {
		if m.Role == Link {
			continue
		}
		if _, err := s.RecordChange(ctx, tx, actor, Change{Alliance: m.Alliance, What: NewRepresentative, Org: org.ID, EffectiveOn: f.ValidFrom, Cause: f.Reason, Clause: f.Clause,
			Text: org.Name + "的法定代表人自 " + string(f.ValidFrom) + " 起为" + f.Value}); err != nil {
			return err
		}
	}
	return nil
}

// mayStand lets the institution's own office, the lead's office and the bureaus
// above record its standing.
func (s *Service) mayStand(ctx context.Context, tx *db.Tx, actor access.Actor, org organization.Organization) error {
	rel := access.At(actor, org.ID)
	if rel != access.Own {
		in, err := inJurisdiction(ctx, tx, actor, org.Region)
		if err != nil {
			return err
		}
		if in {
			rel = access.Region
		}
	}
	if rel == access.Any {
		of, err := AlliancesOf(ctx, tx, org.ID, calendar.DateOf(tx.Now), tx.Now)
		if err != nil {
			return err
		}
		for _, m := range of {
			lead, err := LeadOn(ctx, tx, m.Alliance, calendar.DateOf(tx.Now))
			if err == nil && actor.Org == lead.ID {
				rel = access.Own
			}
		}
	}
	return access.Require(actor, access.AllianceEdit, rel)
}

func (s *Service) checkStanding(ctx context.Context, tx *db.Tx, org organization.Organization, f *Fact) error {
	var form errs.Form
	f.Value, f.Evidence = strings.TrimSpace(f.Value), strings.TrimSpace(f.Evidence)
	checkDays(f.Period, &form)
	form.Require("value", f.Value, f.Field.Title())
	form.Require("evidence", f.Evidence, "依据（批准文件、登记证书）")
	switch f.Field {
	case Affiliation:
		if b, err := organization.Get(ctx, tx, f.Value); err != nil || b.Kind != organization.Bureau {
			form.Add("value", "请选择卫生健康行政部门")
		}
	case LegalPerson:
		if f.Value != Independent && f.Value != Merged {
			form.Add("value", "请选择独立法人或并入牵头单位")
		}
	case Representative, Funding:
	default:
		form.Add("field", "请选择要登记的事项")
	}
	if err := form.Err(); err != nil {
		return err
	}
	of, err := AlliancesOf(ctx, tx, org.ID, f.ValidFrom, tx.Now)
	if err != nil {
		return err
	}
	for _, m := range of {
		if m.Role != Link {
			if err := s.checkAgainst(ctx, tx, org, m, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkAgainst holds a fact against the rules of one alliance: where each
// member has its own legal representative, one person for two is refused; where
// members share one, another than the lead's is refused; where they stay legal
// persons, merging is refused (A8, X3).
func (s *Service) checkAgainst(ctx context.Context, tx *db.Tx, org organization.Organization, m Membership, f *Fact) error {
	a, err := Get(ctx, tx, m.Alliance)
	if err != nil {
		return err
	}
	rules, err := s.Rules(ctx, tx, a, f.ValidFrom)
	if err != nil {
		return err
	}
	if f.Field == LegalPerson && f.Value == Merged && rules.Independent.Is {
		return errs.Refused(errs.Invalid, rules.Independent.Clause, "“%s”的成员单位保持独立法人资格，“%s”不能并入（%s）", a.Name, org.Short(), policyTitle(rules.Independent.Clause))
	}
	if f.Field != Representative {
		return nil
	}
	f.Clause = orElse(f.Clause, rules.Representative.Clause)
	members, err := MembersOn(ctx, tx, a.ID, f.ValidFrom, tx.Now)
	if err != nil {
		return err
	}
	for _, o := range members {
		if o.Org == org.ID || o.Role == Link {
			continue
		}
		name, err := valueOn(ctx, tx, o.Org, Representative, f.ValidFrom, tx.Now)
		if err != nil {
			return err
		}
		switch {
		case rules.Representative.Text == Own && name == f.Value:
			return errs.Refused(errs.Invalid, rules.Representative.Clause, "%s已是“%s”的法定代表人：“%s”的成员单位各有自己的法定代表人（%s）", name, o.OrgName, a.Name, policyTitle(rules.Representative.Clause))
		case rules.Representative.Text == Shared && o.Role == Lead && name != "" && name != f.Value:
			return errs.Refused(errs.Invalid, rules.Representative.Clause, "“%s”的成员单位共用一位法定代表人，现为%s（%s）。更换请在牵头单位“统一更换法定代表人”", a.Name, name, policyTitle(rules.Representative.Clause))
		}
	}
	return nil
}

// ShareRepresentative makes one person the legal representative of the lead and
// every member from a day on, where the rules say so (SMX-4.1.3, JS-4.5.2).
func (s *Service) ShareRepresentative(ctx context.Context, actor access.Actor, alliance, name, evidence string, on calendar.Date) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, err := s.open(ctx, tx, actor, alliance)
		if err != nil {
			return err
		}
		var f errs.Form
		f.Require("value", name, "法定代表人姓名")
		f.Require("evidence", evidence, "依据（批准文件、登记证书）")
		if _, err := calendar.ParseDate(string(on)); err != nil {
			f.AddErr("on", err)
		}
		if err := f.Err(); err != nil {
			return err
		}
		rules, err := s.Rules(ctx, tx, a, on)
		if err != nil {
			return err
		}
		if rules.Representative.Text != Shared {
			return errs.Refused(errs.Invalid, rules.Representative.Clause, "“%s”的成员单位各有自己的法定代表人，不能统一（%s）", a.Name, policyTitle(rules.Representative.Clause))
		}
		members, err := MembersOn(ctx, tx, a.ID, on, tx.Now)
		if err != nil {
			return err
		}
		for _, m := range members {
			if m.Role == Link {
				continue
			}
			fact := Fact{Subject: subjectOrg, SubjectID: m.Org, Field: Representative, Value: strings.TrimSpace(name), Evidence: strings.TrimSpace(evidence), Clause: rules.Representative.Clause,
				Period: Period{ValidFrom: on, KnownBy: actor.Name, Reason: "统一法定代表人"}}
			if err := setFact(ctx, tx, fact); err != nil {
				return err
			}
		}
		_, err = s.RecordChange(ctx, tx, actor, Change{Alliance: a.ID, What: NewRepresentative, EffectiveOn: on, Cause: strings.TrimSpace(evidence), Clause: rules.Representative.Clause,
			Text: fmt.Sprintf("%d 家成员单位的法定代表人自 %s 起统一为%s", len(members), on, strings.TrimSpace(name))})
		return err
	})
}

// names lists institutions in words.
func names(ctx context.Context, tx *db.Tx, ids []string) (string, error) {
	full, err := organization.FullNames(ctx, tx, ids)
	var out []string
	for _, id := range ids {
		out = append(out, full[id])
	}
	return strings.Join(out, "、"), err
}
