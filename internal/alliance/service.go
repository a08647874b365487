package alliance

import (
	"context"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/organization"
)

// Service is the set of use cases: each method is one transaction.
type Service struct {
	DB  *db.DB
	Log *audit.Log
}

// Join records that an institution belongs to an alliance from a day on.
func (s *Service) Join(ctx context.Context, actor access.Actor, m Membership) (Membership, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		if err := access.Require(actor, access.OrganizationEdit, access.Any); err != nil {
			return err
		}
		m, err = s.record(ctx, tx, actor, m, "alliance.join")
		return err
	})
	return m, err
}

// Correct says what is right instead of an entry: the old one stays, known
// until now; the new one is known from now on. An end of membership is a
// correction with ValidTo set.
func (s *Service) Correct(ctx context.Context, actor access.Actor, id string, m Membership) (Membership, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) (err error) {
		if err := access.Require(actor, access.OrganizationEdit, access.Any); err != nil {
			return err
		}
		old, err := GetMembership(ctx, tx, id)
		if err != nil {
			return err
		}
		if strings.TrimSpace(m.Reason) == "" {
			return reasonMissing()
		}
		n, err := tx.Exec(ctx, `UPDATE alliance_membership SET known_to = $2 WHERE id = $1 AND known_to IS NULL`, id, db.At(tx.Now))
		if err != nil {
			return err
		}
		if n == 0 {
			return overtaken()
		}
		m.Alliance, m.Org = old.Alliance, old.Org
		m, err = s.record(ctx, tx, actor, m, "alliance.correct")
		return err
	})
	return m, err
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
func (s *Service) record(ctx context.Context, tx *db.Tx, actor access.Actor, m Membership, action string) (Membership, error) {
	a, err := Get(ctx, tx, m.Alliance)
	if err != nil {
		return m, err
	}
	// Touching the alliance makes two entries at once run one after the other.
	if _, err := tx.Exec(ctx, `UPDATE alliance SET name = name WHERE id = $1`, a.ID); err != nil {
		return m, err
	}
	all, err := History(ctx, tx, a.ID)
	if err != nil {
		return m, err
	}
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
	current := slices.DeleteFunc(all, func(o Membership) bool { return !o.KnownTo.IsZero() })
	for _, o := range current {
		switch {
		case !f.OK() || !o.overlaps(m.Period):
		case o.Org == m.Org:
			f.Add("org", "“%s”自 %s 起已是本联盟%s，期间不能重叠；如有误请更正原记录", org.Short(), o.ValidFrom, o.Role.Title())
		case o.Role == Lead && m.Role == Lead:
			f.Add("role", "本联盟自 %s 起已有牵头单位，请先结束其牵头期", o.ValidFrom)
		}
	}
	if err := f.Err(); err != nil {
		return m, err
	}
	m.ID, m.KnownFrom, m.KnownBy, m.Reason = db.NewID(), tx.Now, actor.Name, strings.TrimSpace(m.Reason)
	if err := insertMembership(ctx, tx, m); err != nil {
		return m, err
	}
	return m, s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "membership", ObjectID: m.ID,
		Clause: m.Clause, Detail: a.Name + " " + org.Name})
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
		if err := access.Require(actor, access.OrganizationEdit, access.Any); err != nil {
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
		if err := access.Require(actor, access.OrganizationEdit, access.Any); err != nil {
			return err
		}
		old, err := GetSupport(ctx, tx, id)
		if err != nil {
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
