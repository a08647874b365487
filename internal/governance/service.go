package governance

import (
	"context"
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
)

// RemindJob is the daily job of Remind.
const RemindJob = "governance.remind"

var program = audit.Program("换届提醒")

// Service holds the use cases: each method is one transaction.
type Service struct {
	DB        *db.DB
	Log       *audit.Log
	Book      *policy.Book
	Flow      *flow.Engine
	Alliances *alliance.Service
}

// Init declares the machine.
func (s *Service) Init() error { return s.Flow.Declare(TermMachine()) }

// work reads an alliance whose organs the actor may keep, with its rules on a day.
func (s *Service) work(ctx context.Context, tx *db.Tx, actor access.Actor, id string, day calendar.Date) (alliance.Alliance, Rules, error) {
	a, err := alliance.Get(ctx, tx, id)
	if err != nil {
		return a, Rules{}, err
	}
	if err := alliance.May(ctx, tx, actor, access.GovernanceEdit, a); err != nil {
		return a, Rules{}, err
	}
	// Touching the alliance makes two entries at once run one after the other.
	if _, err := tx.Exec(ctx, `UPDATE alliance SET name = name WHERE id = $1`, a.ID); err != nil {
		return a, Rules{}, err
	}
	at, err := alliance.Place(ctx, tx, a)
	return a, RulesAt(s.Book, at, day), err
}

// Establish sets an organ up from a day on; a council gets the policy's term.
func (s *Service) Establish(ctx context.Context, actor access.Actor, o Organ) (Organ, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		a, r, err := s.work(ctx, tx, actor, o.Alliance, o.EstablishedOn)
		if err != nil {
			return err
		}
		o.Title, o.Basis = strings.TrimSpace(o.Title), strings.TrimSpace(o.Basis)
		var f errs.Form
		if _, err := calendar.ParseDate(string(o.EstablishedOn)); err != nil {
			f.AddErr("on", err)
		}
		known := false
		for _, c := range r.Choices() {
			if c.Code == o.Code {
				known = true
				if o.Title == "" {
					o.Title, _, _ = strings.Cut(c.Title, "（")
				}
			}
		}
		if !known {
			f.Add("code", "请选择要设立的机构")
		}
		f.Require("basis", o.Basis, "设立的依据")
		all, err := Organs(ctx, tx, a.ID, o.EstablishedOn)
		if err != nil {
			return err
		}
		for _, x := range all {
			if x.Code == o.Code && x.Exists(o.EstablishedOn) && (o.Code != SpecialistGroup || x.Title == o.Title) {
				f.Add("code", "%s自 %s 起已设立", x.Title, x.EstablishedOn)
			}
		}
		if err := f.Err(); err != nil {
			return err
		}
		o.ID = db.NewID()
		if o.Code == Council {
			o.TermFrom, o.TermTo = o.EstablishedOn, r.TermEnd(o.EstablishedOn)
		}
		if err := insertOrgan(ctx, tx, o); err != nil {
			return err
		}
		return s.changed(ctx, tx, actor, o, o.EstablishedOn, "设立"+o.Title)
	})
	return o, err
}

func (s *Service) changed(ctx context.Context, tx *db.Tx, actor access.Actor, o Organ, on calendar.Date, text string) error {
	_, err := s.Alliances.RecordChange(ctx, tx, actor, alliance.Change{Alliance: o.Alliance, What: alliance.NewOrgan, EffectiveOn: on, Cause: o.Basis, Text: text})
	return err
}

// Renew begins a new term of an organ; the reminder is closed.
func (s *Service) Renew(ctx context.Context, actor access.Actor, organ string, from calendar.Date, basis string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		o, err := GetOrgan(ctx, tx, organ)
		if err != nil {
			return err
		}
		_, r, err := s.work(ctx, tx, actor, o.Alliance, from)
		if err != nil {
			return err
		}
		var f errs.Form
		if _, err := calendar.ParseDate(string(from)); err != nil {
			f.AddErr("from", err)
		} else if !from.After(o.TermFrom) {
			f.Add("from", "新一届须晚于本届开始之日 %s", o.TermFrom)
		}
		f.Require("basis", basis, "换届的依据")
		if err := f.Err(); err != nil {
			return err
		}
		if o.TermCase != "" {
			c, err := flow.Get(ctx, tx, o.TermCase)
			if err != nil {
				return err
			}
			if c.Open() {
				if _, err := s.Flow.Act(ctx, tx, program, c.ID, c.Version, ActRenew, flow.Move{Comment: actor.Name + "：" + strings.TrimSpace(basis)}); err != nil {
					return err
				}
			}
		}
		_, err = tx.Exec(ctx, `UPDATE organ SET term_from = $2, term_to = $3, term_case = '' WHERE id = $1`, o.ID, string(from), db.Null(r.TermEnd(from)))
		if err != nil {
			return err
		}
		o.Basis = strings.TrimSpace(basis)
		return s.changed(ctx, tx, actor, o, from, o.Title+"自 "+string(from)+" 起换届")
	})
}

// Abolish lets an organ end from a day on.
func (s *Service) Abolish(ctx context.Context, actor access.Actor, organ string, on calendar.Date, basis string) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		o, err := GetOrgan(ctx, tx, organ)
		if err != nil {
			return err
		}
		if _, _, err := s.work(ctx, tx, actor, o.Alliance, on); err != nil {
			return err
		}
		var f errs.Form
		if _, err := calendar.ParseDate(string(on)); err != nil {
			f.AddErr("on", err)
		}
		f.Require("basis", basis, "撤销的依据")
		if err := f.Err(); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE organ SET ended_on = $2 WHERE id = $1 AND ended_on IS NULL`, o.ID, string(on))
		if err != nil {
			return err
		}
		if n == 0 {
			return errs.E(errs.Conflict, "%s已撤销", o.Title)
		}
		o.Basis = strings.TrimSpace(basis)
		return s.changed(ctx, tx, actor, o, on, o.Title+"自 "+string(on)+" 起撤销")
	})
}

// Appoint gives somebody a post in an organ.
func (s *Service) Appoint(ctx context.Context, actor access.Actor, seat Seat) (Seat, error) {
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		o, err := GetOrgan(ctx, tx, seat.Organ)
		if err != nil {
			return err
		}
		a, r, err := s.work(ctx, tx, actor, o.Alliance, seat.From)
		if err != nil {
			return err
		}
		if err := s.checkSeat(ctx, tx, o, &seat); err != nil {
			return err
		}
		if o.Seats, err = seatsOn(ctx, tx, o.ID, seat.From); err != nil {
			return err
		}
		lead, err := alliance.LeadOn(ctx, tx, a.ID, seat.From)
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		if err := r.CheckSeat(o, seat, lead.ID); err != nil {
			var f errs.Form
			f.AddErr("post", err)
			return f.Err()
		}
		seat.ID, seat.By, seat.At = db.NewID(), actor.Name, tx.Now
		if err := insertSeat(ctx, tx, seat); err != nil {
			return err
		}
		o.Basis = seat.Basis
		return s.changed(ctx, tx, actor, o, seat.From, seat.Name+"任"+o.Title+seat.Post.Title(o.Code))
	})
	return seat, err
}

func (s *Service) checkSeat(ctx context.Context, tx *db.Tx, o Organ, seat *Seat) error {
	var f errs.Form
	seat.Name, seat.Position, seat.Basis = strings.TrimSpace(seat.Name), strings.TrimSpace(seat.Position), strings.TrimSpace(seat.Basis)
	f.Require("name", seat.Name, "姓名")
	f.Require("position", seat.Position, "单位职务")
	f.Require("basis", seat.Basis, "任命的依据")
	if _, err := calendar.ParseDate(string(seat.From)); err != nil {
		f.AddErr("from", err)
	} else if seat.From.Before(o.EstablishedOn) {
		f.Add("from", "不能早于机构设立之日 %s", o.EstablishedOn)
	}
	known := false
	for _, p := range Posts(o.Code) {
		known = known || p == seat.Post
	}
	if !known {
		f.Add("post", "请选择%s的职务", o.Title)
	}
	if seat.Org != "" {
		org, err := organization.Get(ctx, tx, seat.Org)
		if errs.Is(err, errs.NotFound) {
			f.Add("org", "没有这家机构，请重新选择")
		} else if err != nil {
			return err
		}
		seat.OrgName = org.Name
	}
	seat.OrgName = strings.TrimSpace(seat.OrgName)
	f.Require("org", seat.OrgName, "所在单位")
	return f.Err()
}

// Dismiss lets a post end with a last day.
func (s *Service) Dismiss(ctx context.Context, actor access.Actor, seat string, last calendar.Date) error {
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		x, err := getSeat(ctx, tx, seat)
		if err != nil {
			return err
		}
		o, err := GetOrgan(ctx, tx, x.Organ)
		if err != nil {
			return err
		}
		if _, _, err := s.work(ctx, tx, actor, o.Alliance, last); err != nil {
			return err
		}
		var f errs.Form
		if _, err := calendar.ParseDate(string(last)); err != nil {
			f.AddErr("to", err)
		} else if last.Before(x.From) {
			f.Add("to", "免去之日不能早于任命之日 %s", x.From)
		}
		if err := f.Err(); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE organ_seat SET valid_to = $2 WHERE id = $1 AND valid_to IS NULL`, x.ID, string(last))
		if err != nil {
			return err
		}
		if n == 0 {
			return errs.E(errs.Conflict, "%s的职务已免去", x.Name)
		}
		return s.changed(ctx, tx, actor, o, last.AddDays(1), x.Name+"不再任"+o.Title+x.Post.Title(o.Code))
	})
}
