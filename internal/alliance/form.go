package alliance

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/region"
)

// Formation is what a new alliance begins with.
type Formation struct {
	Name    string
	Kind    Kind
	Region  string
	Lead    string
	Members []string
	Areas   []string // regions that it answers for, for exclusive kinds
	On      calendar.Date
	Reason  string // agreement or decision that it rests on
}

// Form founds an alliance with its lead and first members: the office of the
// lead does, or a bureau in whose region it lies.
func (s *Service) Form(ctx context.Context, actor access.Actor, f Formation) (Alliance, error) {
	var a Alliance
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		if err := s.mayForm(ctx, tx, actor, f); err != nil {
			return err
		}
		a, err = s.form(ctx, tx, actor, f, "")
		return err
	})
	return a, err
}

// mayForm lets the lead's own office and the bureaus above found an alliance.
func (s *Service) mayForm(ctx context.Context, tx *db.Tx, actor access.Actor, x Formation) error {
	rel := access.At(actor, x.Lead)
	if rel != access.Own && x.Region != "" {
		in, err := inJurisdiction(ctx, tx, actor, x.Region)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		if in {
			rel = access.Region
		}
	}
	if rel == access.Any && x.Lead == "" && access.Has(access.Role(actor.Role), access.AllianceEdit) {
		return nil // nobody is chosen yet: the form says so
	}
	return access.Require(actor, access.AllianceEdit, rel)
}

func (s *Service) form(ctx context.Context, tx *db.Tx, actor access.Actor, x Formation, cause string) (Alliance, error) {
	a := Alliance{ID: db.NewID(), Name: strings.TrimSpace(x.Name), Kind: x.Kind, Region: x.Region}
	if err := s.checkFormation(ctx, tx, a, x); err != nil {
		return a, err
	}
	rules, err := s.Rules(ctx, tx, a, x.On)
	if err != nil {
		return a, err
	}
	if len(rules.Eligible) > 0 {
		a.Clause = rules.Eligible[0].Clause
	}
	if p, ok := s.profileOf(a.Clause); ok {
		a.Profile = p
	}
	if err := insertAlliance(ctx, tx, a); err != nil {
		return a, err
	}
	if err := s.firstMembers(ctx, tx, actor, a, x, rules); err != nil {
		return a, err
	}
	_, err = s.RecordChange(ctx, tx, actor, Change{Alliance: a.ID, What: WasFormed, Org: x.Lead, EffectiveOn: x.On, Cause: cause, Clause: a.Clause,
		Text: fmt.Sprintf("%s组建，成员 %d 家，自 %s 起", a.Name, len(x.Members)+1, x.On)})
	return a, err
}

// profileOf is the profile that a clause stands in.
func (s *Service) profileOf(clause string) (string, bool) {
	_, p, ok := s.Book.Clause(clause)
	return p.ID, ok
}

func (s *Service) checkFormation(ctx context.Context, tx *db.Tx, a Alliance, x Formation) error {
	var f errs.Form
	f.Require("name", a.Name, "医联体名称")
	if n, err := db.Count(ctx, tx, `SELECT count(*) FROM alliance WHERE name = $1`, a.Name); err != nil {
		return err
	} else if n > 0 {
		f.Add("name", "已有名为“%s”的医联体，请换一个名称", a.Name)
	}
	if !slices.Contains(Kinds(), a.Kind) {
		f.Add("kind", "请选择医联体的类型")
	}
	if r, err := region.Get(ctx, tx, x.Region); err != nil {
		f.Add("region", "请选择服务的地区")
	} else if a.Kind == CountyCommunity && r.Level != region.County {
		f.Add("region", "县域医共体以县（市、区）为单位，请选择到县")
	}
	if x.Lead == "" {
		f.Add("lead", "请选择牵头单位")
	}
	if len(x.Members) == 0 {
		f.Add("members", "请选择至少一家成员单位")
	}
	if slices.Contains(x.Members, x.Lead) {
		f.Add("members", "牵头单位不用再选为成员单位")
	}
	if _, err := calendar.ParseDate(string(x.On)); err != nil {
		f.AddErr("on", err)
	}
	f.Require("reason", x.Reason, "组建的依据（协议或批准文件）")
	return f.Err()
}

func (s *Service) firstMembers(ctx context.Context, tx *db.Tx, actor access.Actor, a Alliance, x Formation, rules Rules) error {
	by := Period{ValidFrom: x.On, KnownFrom: tx.Now, KnownBy: actor.Name, Reason: strings.TrimSpace(x.Reason)}
	if err := setFact(ctx, tx, Fact{Subject: subjectAlliance, SubjectID: a.ID, Field: State, Value: Formed, Evidence: by.Reason, Clause: a.Clause, Period: by}); err != nil {
		return err
	}
	for _, code := range x.Areas {
		if err := s.claim(ctx, tx, a, rules, code, by); err != nil {
			return err
		}
	}
	var f errs.Form
	for i, id := range append([]string{x.Lead}, x.Members...) {
		m := Membership{Alliance: a.ID, Org: id, Role: Member, Clause: a.Clause, Plate: AutoPlate, Period: by}
		field := "members"
		if i == 0 {
			m.Role, field, m.Plate = Lead, "lead", ""
		}
		_, err := s.record(ctx, tx, actor, a, m)
		if errs.Is(err, errs.Invalid) {
			f.AddErr(field, err)
		} else if err != nil {
			return err
		}
	}
	return f.Err()
}

// Claim says from which day on an alliance answers for a region.
func (s *Service) Claim(ctx context.Context, actor access.Actor, alliance, code string, on calendar.Date, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, err := s.open(ctx, tx, actor, alliance)
		if err != nil {
			return err
		}
		if err := dated("on", on, reason); err != nil {
			return err
		}
		rules, err := s.Rules(ctx, tx, a, on)
		if err != nil {
			return err
		}
		if err := s.claim(ctx, tx, a, rules, code, Period{ValidFrom: on, KnownBy: actor.Name, Reason: strings.TrimSpace(reason)}); err != nil {
			return err
		}
		r, err := region.Get(ctx, tx, code)
		if err != nil {
			return err
		}
		_, err = s.RecordChange(ctx, tx, actor, Change{Alliance: a.ID, What: NewArea, EffectiveOn: on, Cause: reason, Clause: rules.Exclusive.Clause,
			Text: "自 " + string(on) + " 起负责" + r.Name})
		return err
	})
}

func (s *Service) claim(ctx context.Context, tx *db.Tx, a Alliance, rules Rules, code string, by Period) error {
	chain, err := region.Chain(ctx, tx, code)
	if errs.Is(err, errs.NotFound) || err == nil && !slices.Contains(chain, a.Region) {
		var f errs.Form
		f.Add("areas", "片区 %s 不在这个医联体服务的地区内", code)
		return f.Err()
	}
	if err != nil {
		return err
	}
	if rules.Exclusive.Is {
		holder, since, err := s.answersFor(ctx, tx, a.ID, code, by)
		if err != nil {
			return err
		}
		if holder != "" {
			var f errs.Form
			f.Add("areas", "片区 %s 自 %s 起由“%s”负责：同一片区同一时间只归一个紧密型医联体（%s）", code, since, holder, rules.Exclusive.Clause)
			return f.Err()
		}
	}
	return setFact(ctx, tx, Fact{Subject: subjectAlliance, SubjectID: a.ID, Field: Area, Value: code, Evidence: by.Reason, Clause: rules.Exclusive.Clause, Period: by})
}

// Release lets an alliance answer for a region no more from a day on.
func (s *Service) Release(ctx context.Context, actor access.Actor, alliance, code string, on calendar.Date, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, err := s.open(ctx, tx, actor, alliance)
		if err != nil {
			return err
		}
		if err := dated("on", on, reason); err != nil {
			return err
		}
		history, err := FactHistory(ctx, tx, a.ID, Area)
		if err != nil {
			return err
		}
		n := 0
		for _, o := range history {
			if o.Value == code && o.KnownTo.IsZero() && (o.ValidTo == "" || !o.ValidTo.Before(on)) {
				n++
				if err := closeFact(ctx, tx, o, on.AddDays(-1), Period{KnownBy: actor.Name, Reason: reason}); err != nil {
					return err
				}
			}
		}
		if n == 0 {
			return errs.E(errs.Conflict, "这个医联体在 %s 不负责片区 %s", on, code)
		}
		_, err = s.RecordChange(ctx, tx, actor, Change{Alliance: a.ID, What: NewArea, EffectiveOn: on, Cause: reason, Text: "自 " + string(on) + " 起不再负责片区 " + code})
		return err
	})
}

// truncate lets a membership end with a last day; one that had not begun by
// then never held.
func truncate(ctx context.Context, tx *db.Tx, m Membership, last calendar.Date, by, reason string) error {
	if m.ValidTo != "" && !m.ValidTo.After(last) {
		return nil
	}
	if err := supersede(ctx, tx, m.ID); err != nil {
		return err
	}
	if last.Before(m.ValidFrom) {
		return nil
	}
	m.ID, m.ValidTo, m.KnownFrom, m.KnownBy, m.Reason = db.NewID(), last, tx.Now, by, strings.TrimSpace(reason)
	return insertMembership(ctx, tx, m)
}

// currentMembers are what the register says now about an alliance.
func currentMembers(ctx context.Context, tx *db.Tx, alliance string) ([]Membership, error) {
	all, err := History(ctx, tx, alliance)
	return slices.DeleteFunc(all, func(m Membership) bool { return !m.KnownTo.IsZero() }), err
}

// Leave records that a member leaves: its last day is the day before on.
func (s *Service) Leave(ctx context.Context, actor access.Actor, alliance, org string, on calendar.Date, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, err := s.open(ctx, tx, actor, alliance)
		if err != nil {
			return err
		}
		return s.leave(ctx, tx, actor, a, org, on, reason, "")
	})
}

func (s *Service) leave(ctx context.Context, tx *db.Tx, actor access.Actor, a Alliance, org string, on calendar.Date, reason, cause string) error {
	if err := dated("on", on, reason); err != nil {
		return err
	}
	all, err := currentMembers(ctx, tx, a.ID)
	if err != nil {
		return err
	}
	n := 0
	var left Membership
	for _, m := range all {
		if m.Org != org || m.ValidTo != "" && m.ValidTo.Before(on) {
			continue
		}
		if m.Role == Lead {
			return errs.E(errs.Invalid, "“%s”是牵头单位，不能直接退出：请先办理“变更牵头单位”，或终止医联体", m.OrgName)
		}
		if err := truncate(ctx, tx, m, on.AddDays(-1), actor.Name, reason); err != nil {
			return err
		}
		left = m
		n++
	}
	if n == 0 {
		return errs.E(errs.Conflict, "这家机构在 %s 已不是本联盟成员，请刷新后再看", on)
	}
	_, err = s.RecordChange(ctx, tx, actor, Change{Alliance: a.ID, What: HasLeft, Org: org, EffectiveOn: on, Cause: orElse(cause, reason), Clause: left.Clause,
		Text: left.OrgName + "自 " + string(on) + " 起退出"})
	return err
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return strings.TrimSpace(b)
}

// dated checks the day and the reason that every dated change needs.
func dated(field string, on calendar.Date, reason string) error {
	var f errs.Form
	if _, err := calendar.ParseDate(string(on)); err != nil {
		f.AddErr(field, err)
	}
	f.Require("reason", reason, "原因和依据")
	return f.Err()
}

// ChangeLead makes a member, or an institution from outside, the lead from a
// day on. The old lead stays as a member.
func (s *Service) ChangeLead(ctx context.Context, actor access.Actor, alliance, org string, on calendar.Date, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, err := s.open(ctx, tx, actor, alliance)
		if err != nil {
			return err
		}
		if err := dated("on", on, reason); err != nil {
			return err
		}
		all, err := currentMembers(ctx, tx, a.ID)
		if err != nil {
			return err
		}
		var old Membership
		for _, m := range all {
			if m.ValidTo != "" && m.ValidTo.Before(on) {
				continue
			}
			switch {
			case m.Role == Lead && m.Org == org:
				return errs.E(errs.Conflict, "“%s”已是牵头单位", m.OrgName)
			case m.Role == Lead:
				old = m
			case m.Org != org:
				continue
			}
			if err := truncate(ctx, tx, m, on.AddDays(-1), actor.Name, reason); err != nil {
				return err
			}
		}
		by := Period{ValidFrom: on, Reason: reason}
		lead, err := s.record(ctx, tx, actor, a, Membership{Alliance: a.ID, Org: org, Role: Lead, Clause: a.Clause, Period: by})
		if err != nil {
			return err
		}
		text := "牵头单位自 " + string(on) + " 起为" + lead.OrgName
		if old.ID != "" {
			if _, err := s.record(ctx, tx, actor, a, Membership{Alliance: a.ID, Org: old.Org, Role: Member, Clause: old.Clause, Period: by}); err != nil {
				return err
			}
			text += "，原牵头单位" + old.OrgName + "为成员单位"
		}
		_, err = s.RecordChange(ctx, tx, actor, Change{Alliance: a.ID, What: NewLead, Org: org, EffectiveOn: on, Cause: strings.TrimSpace(reason), Clause: a.Clause, Text: text})
		return err
	})
}

// Split parts some members of an alliance off into a new one, from a day on.
func (s *Service) Split(ctx context.Context, actor access.Actor, alliance string, x Formation) (Alliance, error) {
	var made Alliance
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, err := s.open(ctx, tx, actor, alliance)
		if err != nil {
			return err
		}
		if err := s.checkFormation(ctx, tx, Alliance{Name: strings.TrimSpace(x.Name), Kind: x.Kind}, x); err != nil {
			return err
		}
		all, err := currentMembers(ctx, tx, a.ID)
		if err != nil {
			return err
		}
		gone := 0
		for _, m := range all {
			if m.ValidTo != "" && m.ValidTo.Before(x.On) || m.Org != x.Lead && !slices.Contains(x.Members, m.Org) {
				continue
			}
			if m.Role == Lead {
				return errs.E(errs.Invalid, "“%s”是原医联体的牵头单位，不能拆出；请先变更牵头单位", m.OrgName)
			}
			if err := truncate(ctx, tx, m, x.On.AddDays(-1), actor.Name, x.Reason); err != nil {
				return err
			}
			gone++
		}
		if gone == 0 {
			return errs.E(errs.Invalid, "选中的机构都不是“%s”的成员，不能拆分；请从成员中选择", a.Name)
		}
		for _, code := range x.Areas {
			if err := s.moveArea(ctx, tx, actor, a, code, x); err != nil {
				return err
			}
		}
		if made, err = s.form(ctx, tx, actor, x, "由"+a.Name+"拆分"); err != nil {
			return err
		}
		_, err = s.RecordChange(ctx, tx, actor, Change{Alliance: a.ID, What: WasSplit, Org: x.Lead, EffectiveOn: x.On, Cause: strings.TrimSpace(x.Reason), Clause: a.Clause,
			Text: fmt.Sprintf("自 %s 起拆分，%d 家成员转入%s", x.On, gone, made.Name)})
		return err
	})
	return made, err
}

// moveArea takes a region from an alliance that is split.
func (s *Service) moveArea(ctx context.Context, tx *db.Tx, actor access.Actor, a Alliance, code string, x Formation) error {
	history, err := FactHistory(ctx, tx, a.ID, Area)
	if err != nil {
		return err
	}
	for _, f := range history {
		if f.Value == code && f.KnownTo.IsZero() && (f.ValidTo == "" || !f.ValidTo.Before(x.On)) {
			if err := closeFact(ctx, tx, f, x.On.AddDays(-1), Period{KnownBy: actor.Name, Reason: x.Reason}); err != nil {
				return err
			}
		}
	}
	return nil
}
