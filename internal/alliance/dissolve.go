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
)

// Duty is what somebody answers for when an alliance is dissolved by order.
type Duty string

// The duties. Without somebody for the first two nothing is wound down.
const (
	ForCases     Duty = "cases"     // takes over what is open
	ForDocuments Duty = "documents" // takes over papers, seals and accounts
	HeldToIt     Duty = "held"      // head of the lead or of a member, held responsible
)

// Duties returns the duties in the order of the form.
func Duties() []Duty { return []Duty{ForCases, ForDocuments, HeldToIt} }

// Title is the duty in Chinese.
func (d Duty) Title() string {
	return map[Duty]string{ForCases: "接办在办业务", ForDocuments: "接收文件档案", HeldToIt: "被追究责任的主要负责人"}[d]
}

// Liable is one person responsible at a dissolution by order.
type Liable struct {
	Change   string
	Duty     Duty
	Name     string
	Position string // institution and post
}

// Dissolution is an order to dissolve an alliance (LL-4.5.1, A12).
type Dissolution struct {
	Alliance string
	On       calendar.Date // from this day on
	Reason   string
	Liable   []Liable
}

// End ends an alliance from a day on, by its own decision. Nothing new can use
// it from then; what is open goes on under the rules it began with; nothing
// that was true before changes.
func (s *Service) End(ctx context.Context, actor access.Actor, alliance string, on calendar.Date, reason string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, err := s.open(ctx, tx, actor, alliance)
		if err != nil {
			return err
		}
		if err := dated("on", on, reason); err != nil {
			return err
		}
		_, err = s.end(ctx, tx, actor, a, on, reason, "终止", a.Clause)
		return err
	})
}

// Order dissolves an alliance from a day on by order of the bureau: like End,
// and the order names who takes over what is open and the documents.
func (s *Service) Order(ctx context.Context, actor access.Actor, x Dissolution) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, err := s.open(ctx, tx, actor, x.Alliance)
		if err != nil {
			return err
		}
		if err := May(ctx, tx, actor, access.AllianceOrder, a); err != nil {
			return err
		}
		if err := x.check(); err != nil {
			return err
		}
		c, err := s.end(ctx, tx, actor, a, x.On, x.Reason, "被责令解散", s.orderClause(ctx, tx, a, x.On))
		if err != nil {
			return err
		}
		for i, l := range x.Liable {
			if _, err := tx.Exec(ctx, `INSERT INTO alliance_liable (change, place, duty, name, position) VALUES ($1, $2, $3, $4, $5)`,
				c.ID, i, string(l.Duty), l.Name, l.Position); err != nil {
				return fmt.Errorf("insert person responsible: %w", err)
			}
		}
		return nil
	})
}

// check trims the persons and wants each with name and post, and somebody for
// the open cases and for the documents.
func (x *Dissolution) check() error {
	var f errs.Form
	if _, err := calendar.ParseDate(string(x.On)); err != nil {
		f.AddErr("on", err)
	}
	f.Require("reason", x.Reason, "原因和依据")
	has := map[Duty]bool{}
	for i := range x.Liable {
		l := &x.Liable[i]
		l.Name, l.Position = strings.TrimSpace(l.Name), strings.TrimSpace(l.Position)
		switch {
		case !slices.Contains(Duties(), l.Duty):
			f.Add("on", "责任人 %s 没有写明负责什么", l.Name)
		case l.Name == "" || l.Position == "":
			f.Add(string(l.Duty), "“%s%s”不完整，请写明姓名、单位和职务，例如“张某，某某医院院长”", l.Name, l.Position)
		}
		has[l.Duty] = true
	}
	for _, d := range Duties()[:2] {
		if !has[d] {
			f.Add(string(d), "请写明由谁%s，至少一人", d.Title())
		}
	}
	return f.Err()
}

// LiableOf returns the persons responsible that orders named for an alliance.
func LiableOf(ctx context.Context, tx *db.Tx, alliance string) ([]Liable, error) {
	return db.List(ctx, tx, func(scan db.Scan) (l Liable, err error) {
		return l, scan(&l.Change, &l.Duty, &l.Name, &l.Position)
	}, `SELECT l.change, l.duty, l.name, l.position FROM alliance_liable l JOIN alliance_change c ON c.id = l.change
		WHERE c.alliance = $1 ORDER BY c.at, l.change, l.place`, alliance)
}

func (s *Service) end(ctx context.Context, tx *db.Tx, actor access.Actor, a Alliance, on calendar.Date, reason, what, clause string) (Change, error) {
	if end, err := EndedOn(ctx, tx, a.ID, tx.Now); err != nil || end != "" {
		if err == nil {
			err = errs.E(errs.Conflict, "“%s”已自 %s 起终止", a.Name, end)
		}
		return Change{}, err
	}
	if err := s.close(ctx, tx, actor, a, on, reason, clause); err != nil {
		return Change{}, err
	}
	return s.RecordChange(ctx, tx, actor, Change{Alliance: a.ID, What: WasEnded, EffectiveOn: on, Cause: strings.TrimSpace(reason), Clause: clause,
		Text: a.Name + "自 " + string(on) + " 起" + what + "；此前已发生的业务按原规则办完"})
}

// orderClause is the clause that lets a bureau order an end.
func (s *Service) orderClause(ctx context.Context, tx *db.Tx, a Alliance, on calendar.Date) string {
	at, err := Place(ctx, tx, a)
	if err != nil {
		return ""
	}
	answer, err := s.Book.Resolve("supervision.sanctions", at, on)
	if err != nil {
		return ""
	}
	return answer.Clause
}

func (s *Service) close(ctx context.Context, tx *db.Tx, actor access.Actor, a Alliance, on calendar.Date, reason, clause string) error {
	all, err := currentMembers(ctx, tx, a.ID)
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := truncate(ctx, tx, m, on.AddDays(-1), actor.Name, reason); err != nil {
			return err
		}
	}
	areas, err := FactHistory(ctx, tx, a.ID, Area)
	if err != nil {
		return err
	}
	by := Period{ValidFrom: on, KnownBy: actor.Name, Reason: strings.TrimSpace(reason)}
	for _, f := range areas {
		if f.KnownTo.IsZero() && (f.ValidTo == "" || !f.ValidTo.Before(on)) {
			if err := closeFact(ctx, tx, f, on.AddDays(-1), by); err != nil {
				return err
			}
		}
	}
	return setFact(ctx, tx, Fact{Subject: subjectAlliance, SubjectID: a.ID, Field: State, Value: Ended, Evidence: by.Reason, Clause: clause, Period: by})
}
