package grid

import (
	"context"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// Check holds a layout against its unit on a day.
func (s *Service) Check(ctx context.Context, tx *db.Tx, u Unit, l Layout, day calendar.Date, knownAt time.Time) (Coverage, error) {
	chain, err := region.Chain(ctx, tx, u.Code)
	if err != nil {
		return Coverage{}, err
	}
	limits, err := s.limits(policy.Place{Regions: chain}, day)
	if err != nil {
		return Coverage{}, err
	}
	parties := map[string]Party{}
	for _, c := range l.Cells {
		if _, seen := parties[c.Alliance]; seen || c.Alliance == "" {
			continue
		}
		a, err := alliance.Get(ctx, tx, c.Alliance)
		if err != nil {
			return Coverage{}, err
		}
		members, err := alliance.MembersOn(ctx, tx, a.ID, day, knownAt)
		if err != nil {
			return Coverage{}, err
		}
		p := Party{Name: a.Name, Gone: len(members) == 0}
		p.Lead = slices.ContainsFunc(members, func(m alliance.Membership) bool { return m.Role == alliance.Lead })
		if p.Tight, limits.TightClause, err = s.tight(ctx, tx, u.Code, a.Kind, day); err != nil {
			return Coverage{}, err
		}
		parties[c.Alliance] = p
	}
	return Check(u, l, parties, limits), nil
}

func (s *Service) limits(at policy.Place, day calendar.Date) (Limits, error) {
	var l Limits
	ask := func(key string) policy.Answer {
		a, err := s.Policy.Resolve(key, at, day)
		if err != nil {
			return policy.Answer{} // no document of the place says anything: nothing to hold the layout to
		}
		return a
	}
	full, once := ask("grid.coverage.min"), ask("grid.overlap.max")
	l.Full, l.Once = full.Clause, once.Clause
	low, high := ask("alliance.per_county.min"), ask("alliance.per_county.max")
	l.Min, l.Max, l.NumberClause = low.Value.Int, high.Value.Int, high.Clause
	if l.NumberClause == "" {
		l.NumberClause = low.Clause
	}
	return l, nil
}

// Adopt puts a draft in force from a day on. The check must find nothing wrong;
// warnings want a reason. The layout in force until then ends the day before,
// and what was known about it stays known.
func (s *Service) Adopt(ctx context.Context, actor access.Actor, id string, version int64, from calendar.Date, reason string) error {
	reason = strings.TrimSpace(reason)
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		l, err := s.draft(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		if err := s.adoptable(ctx, tx, l, from, reason); err != nil {
			return err
		}
		l.State, l.Note = Adopted, reason
		if err := rewrite(ctx, tx, l, version, actor.Name); err != nil {
			return err
		}
		all, err := Forces(ctx, tx, l.Unit)
		if err != nil {
			return err
		}
		if err := supersede(ctx, tx, all, from, actor.Name, l.Name); err != nil {
			return err
		}
		f := Force{Layout: l.ID, Unit: l.Unit, Period: alliance.Period{ValidFrom: from, KnownBy: actor.Name, Reason: reason}}
		if err := insertForce(ctx, tx, f); err != nil {
			return err
		}
		if err := s.log(ctx, tx, actor, "grid.adopt", l, l.Name+" 自 "+string(from)); err != nil {
			return err
		}
		if s.OnAdopt == nil {
			return nil
		}
		return s.OnAdopt(ctx, tx, actor, l)
	})
}

// adoptable refuses a draft with errors, with unexplained warnings, or a day
// that makes no sense.
func (s *Service) adoptable(ctx context.Context, tx *db.Tx, l Layout, from calendar.Date, reason string) error {
	u, err := Open(ctx, tx, l.Unit)
	if err != nil {
		return err
	}
	var f errs.Form
	if _, err := calendar.ParseDate(string(from)); err != nil {
		f.AddErr("from", err)
		return f.Err()
	}
	c, err := s.Check(ctx, tx, u, l, from, tx.Now)
	if err != nil {
		return err
	}
	if !c.Complete() {
		f.Add("", "布局还有 %d 处问题，不能启用。第一处：%s", countErrors(c), c.Findings[0].Text)
	} else if len(c.Findings) > 0 && len([]rune(reason)) < 4 {
		f.Add("reason", "检查有 %d 条提醒，请写明仍然启用的理由（至少 4 个字）", len(c.Findings))
	}
	return f.Err()
}

func countErrors(c Coverage) (n int) {
	for _, f := range c.Findings {
		if !f.Warning {
			n++
		}
	}
	return n
}

// supersede ends what is in force from a day on: entries that begin before it
// end the day before; entries that begin on it or later are taken back. The
// old rows stay, known until now.
func supersede(ctx context.Context, tx *db.Tx, all []Force, from calendar.Date, by, name string) error {
	for _, f := range all {
		if !f.KnownTo.IsZero() || f.ValidTo != "" && f.ValidTo.Before(from) {
			continue
		}
		if err := closeForce(ctx, tx, f.ID); err != nil {
			return err
		}
		if f.ValidFrom.Before(from) {
			f.ValidTo, f.KnownBy, f.Reason = from.AddDays(-1), by, "被“"+name+"”替代"
			if err := insertForce(ctx, tx, f); err != nil {
				return err
			}
		}
	}
	return nil
}
