package alliance

import (
	"context"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// Service is the set of use cases: each method is one transaction.
type Service struct {
	DB   *db.DB
	Log  *audit.Log
	Book *policy.Book
	// OnChange is told of every change in its own transaction: the filing
	// module opens or widens the filing there. Nil tells nobody (tests).
	OnChange func(ctx context.Context, tx *db.Tx, actor access.Actor, c Change) error
}

// Rules resolves the rules of an alliance on a day.
func (s *Service) Rules(ctx context.Context, tx *db.Tx, a Alliance, day calendar.Date) (Rules, error) {
	at, err := Place(ctx, tx, a)
	return RulesAt(s.Book, at, day), err
}

// Join records that an institution belongs to an alliance from a day on.
func (s *Service) Join(ctx context.Context, actor access.Actor, m Membership) (Membership, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		a, err := s.open(ctx, tx, actor, m.Alliance)
		if err != nil {
			return err
		}
		if m, err = s.record(ctx, tx, actor, a, m); err != nil {
			return err
		}
		_, err = s.RecordChange(ctx, tx, actor, s.joined(a, m, ""))
		return err
	})
	return m, err
}

func (s *Service) joined(a Alliance, m Membership, cause string) Change {
	return Change{Alliance: a.ID, What: HasJoined, Org: m.Org, EffectiveOn: m.ValidFrom, Cause: cause, Clause: m.Clause,
		Text: m.OrgName + "自 " + string(m.ValidFrom) + " 起为" + m.Role.Title()}
}

// open reads an alliance that the actor may change, and lets two changes of it
// at once run one after the other.
func (s *Service) open(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (Alliance, error) {
	a, err := Get(ctx, tx, id)
	if err != nil {
		return a, err
	}
	if err := May(ctx, tx, actor, access.AllianceEdit, a); err != nil {
		return a, err
	}
	_, err = tx.Exec(ctx, `UPDATE alliance SET name = name WHERE id = $1`, a.ID)
	return a, err
}

// Correct says what is right instead of an entry: the old one stays, known
// until now; the new one is known from now on.
func (s *Service) Correct(ctx context.Context, actor access.Actor, id string, m Membership) (Membership, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		old, err := GetMembership(ctx, tx, id)
		if err != nil {
			return err
		}
		a, err := s.open(ctx, tx, actor, old.Alliance)
		if err != nil {
			return err
		}
		if strings.TrimSpace(m.Reason) == "" {
			return reasonMissing()
		}
		if err := supersede(ctx, tx, id); err != nil {
			return err
		}
		m.Alliance, m.Org, m.OrgName = old.Alliance, old.Org, old.OrgName
		if m, err = s.record(ctx, tx, actor, a, m); err != nil {
			return err
		}
		_, err = s.RecordChange(ctx, tx, actor, corrected(a, old, m))
		return err
	})
	return m, err
}

// corrected is the change that a correction makes: plates and sources need no
// filing, everything else does.
func corrected(a Alliance, old, m Membership) Change {
	c := Change{Alliance: a.ID, What: HasCorrected, Org: m.Org, EffectiveOn: m.ValidFrom, Cause: m.Reason, Clause: m.Clause,
		Text: m.OrgName + "的登记更正为" + m.Role.Title() + "，" + m.Span()}
	switch {
	case old.Role == m.Role && old.ValidFrom == m.ValidFrom && old.ValidTo == m.ValidTo:
		c.What, c.Text = NewPlate, m.OrgName+"的加挂牌子或依据更正："+m.Plate
	case old.Role == m.Role && old.ValidFrom == m.ValidFrom && m.ValidTo != "":
		c.What, c.EffectiveOn, c.Text = HasLeft, m.ValidTo.AddDays(1), m.OrgName+"退出，最后一天为 "+string(m.ValidTo)
	case old.Role != m.Role && (old.Role == Lead || m.Role == Lead):
		c.What = NewLead
	}
	return c
}

func supersede(ctx context.Context, tx *db.Tx, id string) error {
	n, err := tx.Exec(ctx, `UPDATE alliance_membership SET known_to = $2 WHERE id = $1 AND known_to IS NULL`, id, db.At(tx.Now))
	if err != nil {
		return err
	}
	if n == 0 {
		return overtaken()
	}
	tx.Touch("alliance_membership", id)
	return nil
}

func reasonMissing() error {
	var f errs.Form
	f.Add("reason", "请填写更正的原因；原记录会保留")
	return f.Err()
}

func overtaken() error {
	return errs.E(errs.Conflict, "这条记录刚刚已被别人更正，请刷新页面，在最新的记录上操作")
}

// record validates and inserts a membership as known from now on.
func (s *Service) record(ctx context.Context, tx *db.Tx, actor access.Actor, a Alliance, m Membership) (Membership, error) {
	org, orgErr := organization.Get(ctx, tx, m.Org)
	if orgErr != nil && !errs.Is(orgErr, errs.NotFound) {
		return m, orgErr
	}
	var f errs.Form
	if orgErr != nil {
		f.Add("org", "请选择加入的机构")
	}
	if m.Role.Title() == string(m.Role) {
		f.Add("role", "请选择牵头单位、成员单位或协作单位")
	}
	checkDays(m.Period, &f)
	if err := f.Err(); err != nil {
		return m, err
	}
	if err := s.checkMember(ctx, tx, a, org, m, &f); err != nil {
		return m, err
	}
	if err := f.Err(); err != nil {
		return m, err
	}
	if err := s.plate(ctx, tx, a, org, &m); err != nil {
		return m, err
	}
	m.ID, m.OrgName, m.KnownFrom, m.KnownBy, m.Reason = db.NewID(), org.Name, tx.Now, actor.Name, strings.TrimSpace(m.Reason)
	return m, insertMembership(ctx, tx, m)
}

// AutoPlate asks for the plate that the policy writes (LL-4.3.1).
const AutoPlate = "auto"

// plate writes the added plate of a primary member where it was asked for.
func (s *Service) plate(ctx context.Context, tx *db.Tx, a Alliance, org organization.Organization, m *Membership) error {
	if m.Plate != AutoPlate {
		return nil
	}
	m.Plate = ""
	rules, err := s.Rules(ctx, tx, a, m.ValidFrom)
	if err != nil || rules.Plate.Text == "" || m.Role != Member || !org.Kind.Primary() {
		return err
	}
	lead, err := LeadOn(ctx, tx, a.ID, m.ValidFrom)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	place, err := region.Get(ctx, tx, org.Region)
	name := place.Name
	if org.Kind == organization.CommunityCenter {
		name = strings.TrimSuffix(name, "街道") + "社区"
	}
	m.Plate = Plate(rules.Plate.Text, lead.Name, name)
	return err
}

func checkDays(p Period, f *errs.Form) {
	if _, err := calendar.ParseDate(string(p.ValidFrom)); err != nil {
		f.AddErr("valid_from", err)
		return
	}
	if p.ValidTo == "" {
		return
	}
	if _, err := calendar.ParseDate(string(p.ValidTo)); err != nil {
		f.AddErr("valid_to", err)
	} else if p.ValidTo.Before(p.ValidFrom) {
		f.Add("valid_to", "截止日期 %s 早于起始日期 %s", p.ValidTo, p.ValidFrom)
	}
}

// Pair records that one institution builds up another from a day on.
func (s *Service) Pair(ctx context.Context, actor access.Actor, p Support) (Support, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		if err := s.mayPair(ctx, tx, actor, p.Supporter, p.Supported); err != nil {
			return err
		}
		p, err = s.pair(ctx, tx, actor, p, "alliance.pair")
		return err
	})
	return p, err
}

// CorrectPair says what is right instead of a pairing; see Correct.
func (s *Service) CorrectPair(ctx context.Context, actor access.Actor, id string, p Support) (Support, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		old, err := GetSupport(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.mayPair(ctx, tx, actor, old.Supporter, old.Supported); err != nil {
			return err
		}
		if strings.TrimSpace(p.Reason) == "" {
			return reasonMissing()
		}
		n, err := tx.Exec(ctx, `UPDATE alliance_support SET known_to = $2 WHERE id = $1 AND known_to IS NULL`, id, db.At(tx.Now))
		if err != nil {
			return err
		}
		if n == 0 {
			return overtaken()
		}
		p.Supporter, p.Supported = old.Supporter, old.Supported
		p, err = s.pair(ctx, tx, actor, p, "alliance.pair_correct")
		return err
	})
	return p, err
}

// mayPair lets the office of the supporting hospital and the bureaus above
// record a pairing.
func (s *Service) mayPair(ctx context.Context, tx *db.Tx, actor access.Actor, supporter, supported string) error {
	rel := access.Any
	if actor.Org != "" && actor.Org == supporter {
		rel = access.Own
	} else if o, err := organization.Get(ctx, tx, supported); err == nil {
		in, err := inJurisdiction(ctx, tx, actor, o.Region)
		if err != nil {
			return err
		}
		if in {
			rel = access.Region
		}
	} else if !errs.Is(err, errs.NotFound) {
		return err
	}
	return access.Require(actor, access.AllianceEdit, rel)
}

func (s *Service) pair(ctx context.Context, tx *db.Tx, actor access.Actor, p Support, action string) (Support, error) {
	var f errs.Form
	checkDays(p.Period, &f)
	lead, err := organization.Get(ctx, tx, p.Supporter)
	if errs.Is(err, errs.NotFound) || (err == nil && !lead.Kind.Hospital()) {
		f.Add("supporter", "请选择负责对口建设的医院")
	} else if err != nil {
		return p, err
	}
	member, err := organization.Get(ctx, tx, p.Supported)
	if errs.Is(err, errs.NotFound) || (err == nil && !member.Kind.Primary()) {
		f.Add("supported", "请选择被建设的基层医疗卫生机构")
	} else if err != nil {
		return p, err
	}
	if err := f.Err(); err != nil {
		return p, err
	}
	// Touching the institution makes two entries at once run one after the other.
	if _, err := tx.Exec(ctx, `UPDATE organization SET active = active WHERE id = $1`, member.ID); err != nil {
		return p, err
	}
	all, err := PairHistory(ctx, tx, p.Supporter, p.Supported)
	if err != nil {
		return p, err
	}
	for _, o := range all {
		if o.KnownTo.IsZero() && o.overlaps(p.Period) {
			f.Add("supported", "“%s”自 %s 起已由“%s”对口建设，期间不能重叠", member.Short(), o.ValidFrom, lead.Short())
		}
	}
	if err := f.Err(); err != nil {
		return p, err
	}
	p.ID, p.KnownFrom, p.KnownBy, p.Reason = db.NewID(), tx.Now, actor.Name, strings.TrimSpace(p.Reason)
	if err := insertSupport(ctx, tx, p); err != nil {
		return p, err
	}
	return p, s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "support", ObjectID: p.ID,
		Clause: p.Clause, Detail: lead.Name + " → " + member.Name})
}
