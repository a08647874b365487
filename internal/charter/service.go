package charter

import (
	"context"
	"strings"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
)

// Service holds the use cases: each method is one transaction.
type Service struct {
	DB        *db.DB
	Log       *audit.Log
	Alliances *alliance.Service
}

// Begin opens a draft: a copy of the charter in force, or an empty one. A draft
// that is there is returned.
func (s *Service) Begin(ctx context.Context, actor access.Actor, id string) (Charter, error) {
	var c Charter
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, err := s.may(ctx, tx, actor, id)
		if err != nil {
			return err
		}
		all, err := Versions(ctx, tx, a.ID)
		if err != nil {
			return err
		}
		c = Charter{ID: db.NewID(), Alliance: a.ID, Number: 1, State: Draft, Version: 1, ChangedAt: tx.Now, ChangedBy: actor.Name}
		if len(all) > 0 {
			last := all[0]
			if last.State == Draft {
				c = last
				return nil
			}
			c.Number, c.Parts, c.Split = last.Number+1, last.Parts, last.Split
		}
		if err := insert(ctx, tx, c); err != nil {
			return err
		}
		return s.log(ctx, tx, actor, "charter.begin", c)
	})
	return c, err
}

func (s *Service) log(ctx context.Context, tx *db.Tx, actor access.Actor, action string, c Charter) error {
	return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "charter", ObjectID: c.ID})
}

func (s *Service) may(ctx context.Context, tx *db.Tx, actor access.Actor, id string) (alliance.Alliance, error) {
	a, err := alliance.Get(ctx, tx, id)
	if err != nil {
		return a, err
	}
	if err := alliance.May(ctx, tx, actor, access.CharterEdit, a); err != nil {
		return a, err
	}
	// Touching the alliance makes two people at once write one after the other.
	_, err = tx.Exec(ctx, `UPDATE alliance SET name = name WHERE id = $1`, a.ID)
	return a, err
}

// open reads a draft that the actor may write and that nobody has written since.
func (s *Service) open(ctx context.Context, tx *db.Tx, actor access.Actor, id string, version int64) (alliance.Alliance, Charter, error) {
	c, err := Get(ctx, tx, id)
	if err != nil {
		return alliance.Alliance{}, c, err
	}
	a, err := s.may(ctx, tx, actor, c.Alliance)
	if err != nil {
		return a, c, err
	}
	if c, err = Get(ctx, tx, id); err != nil {
		return a, c, err
	}
	switch {
	case c.State != Draft:
		err = errs.E(errs.Conflict, "章程第 %d 版已于 %s 通过，不能再改。请另起新版", c.Number, c.AdoptedOn)
	case c.Version != version:
		err = errs.E(errs.Conflict, "章程第 %d 版刚刚被%s改过，您看到的不是最新内容。请刷新页面，核对后再保存", c.Number, c.ChangedBy)
	}
	return a, c, err
}

// Save writes a draft; it may be incomplete, but a split adds up.
func (s *Service) Save(ctx context.Context, actor access.Actor, id string, version int64, parts map[string]string, split map[Pool][]Share) (Charter, error) {
	var c Charter
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		_, old, err := s.open(ctx, tx, actor, id, version)
		if err != nil {
			return err
		}
		c = old
		var f errs.Form
		for code, text := range parts {
			if len([]rune(text)) > 5000 {
				f.Add("part."+code, "这一部分超过 5000 字，请精简")
			}
		}
		checkSplit(split, &f)
		if err := f.Err(); err != nil {
			return err
		}
		c.Parts, c.Split, c.ChangedAt, c.ChangedBy = parts, split, tx.Now, actor.Name
		c.Version++
		if err := update(ctx, tx, c); err != nil {
			return err
		}
		return s.log(ctx, tx, actor, "charter.save", c)
	})
	return c, err
}

// Adopt puts a draft into force from a day on. It must be complete; the version
// before is superseded; the change has to be filed (JS-5.3).
func (s *Service) Adopt(ctx context.Context, actor access.Actor, id string, version int64, on calendar.Date, basis string) (Charter, error) {
	var c Charter
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, old, err := s.open(ctx, tx, actor, id, version)
		if err != nil {
			return err
		}
		c = old
		var f errs.Form
		if _, err := calendar.ParseDate(string(on)); err != nil {
			f.AddErr("on", err)
		}
		f.Require("basis", basis, "通过的会议和决议")
		if err := f.Err(); err != nil {
			return err
		}
		rules, err := s.Alliances.Rules(ctx, tx, a, on)
		if err != nil {
			return err
		}
		if missing := Completeness(rules.Parts, c); len(missing) > 0 {
			return Incomplete(missing)
		}
		if _, err := tx.Exec(ctx, `UPDATE charter SET state = 'superseded' WHERE alliance = $1 AND state = 'adopted'`, a.ID); err != nil {
			return err
		}
		c.State, c.AdoptedOn, c.Basis, c.ChangedAt, c.ChangedBy = Adopted, on, strings.TrimSpace(basis), tx.Now, actor.Name
		c.Version++
		if err := update(ctx, tx, c); err != nil {
			return err
		}
		clause := ""
		if len(rules.Parts) > 0 {
			clause = rules.Parts[0].Clause
		}
		word := "章程通过"
		if c.Number > 1 {
			word = "章程修订"
		}
		_, err = s.Alliances.RecordChange(ctx, tx, actor, alliance.Change{Alliance: a.ID, What: alliance.NewCharter, EffectiveOn: on, Cause: c.Basis, Clause: clause,
			Text: word + "，自 " + string(on) + " 起施行"})
		return err
	})
	return c, err
}

// Incomplete is the answer to a charter that lacks parts: it lists them.
func Incomplete(missing []Missing) error {
	var f errs.Form
	for _, m := range missing {
		f.Add("part."+m.Code, "缺少“%s”：%s（%s）", m.Title, m.Why, m.Clause)
	}
	return f.Err()
}
