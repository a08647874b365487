package steering

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
	"yilian/internal/policy"
)

// Service holds the use cases: each method is one transaction.
type Service struct {
	DB   *db.DB
	Log  *audit.Log
	Book *policy.Book
}

// bodies are the groups of the documents of one region.
func (s *Service) bodies(region string) []policy.Body {
	var out []policy.Body
	for _, p := range s.Book.Profiles() {
		for _, b := range p.Facts().Bodies {
			if p.Jurisdiction == region && slices.Contains(kinds, b.Kind) {
				out = append(out, b)
			}
		}
	}
	return out
}

// Of returns the groups of every bureau in a region or around it, on a day.
func (s *Service) Of(ctx context.Context, tx *db.Tx, region string, day calendar.Date) ([]Group, error) {
	var out []Group
	for _, p := range s.Book.Profiles() {
		bodies := s.bodies(p.Jurisdiction)
		if len(bodies) == 0 || !strings.HasPrefix(p.Jurisdiction, region) && !strings.HasPrefix(region, p.Jurisdiction) || slices.ContainsFunc(out, func(g Group) bool { return g.Profile == bodies[0].Profile }) {
			continue
		}
		bureau, err := organization.BureauOf(ctx, tx, p.Jurisdiction)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, b := range bodies {
			g := Group{Body: b, Org: bureau.ID, OrgName: bureau.Name}
			if err := fill(ctx, tx, &g, day); err != nil {
				return nil, err
			}
			out = append(out, g)
		}
	}
	return out, nil
}

// one is a group of the actor's own bureau.
func (s *Service) one(ctx context.Context, tx *db.Tx, actor access.Actor, profile, body string, day calendar.Date) (Group, error) {
	bureau, err := organization.Get(ctx, tx, actor.Org)
	if err != nil {
		return Group{}, err
	}
	if bureau.Kind != organization.Bureau {
		return Group{}, errs.E(errs.Forbidden, "“%s”不是卫生健康行政部门，不能登记领导小组", bureau.Short())
	}
	all := s.bodies(bureau.Region)
	i := slices.IndexFunc(all, func(b policy.Body) bool { return b.Profile == profile && b.ID == body })
	if i < 0 {
		return Group{}, errs.E(errs.NotFound, "本单位辖区的政策文件没有设立这个机构")
	}
	g := Group{Body: all[i], Org: bureau.ID, OrgName: bureau.Name}
	// Touching the bureau makes two entries at once run one after the other.
	if _, err := tx.Exec(ctx, `UPDATE organization SET name = name WHERE id = $1`, bureau.ID); err != nil {
		return g, err
	}
	return g, fill(ctx, tx, &g, day)
}

// change runs one entry of a bureau on one of its groups.
func (s *Service) change(ctx context.Context, actor access.Actor, profile, body string, day calendar.Date, action string, do func(tx *db.Tx, g Group) (detail string, err error)) error {
	if err := access.Require(actor, access.SteeringEdit, access.Own); err != nil {
		return err
	}
	return s.DB.Tx(ctx, func(tx *db.Tx) error {
		g, err := s.one(ctx, tx, actor, profile, body, day)
		if err != nil {
			return err
		}
		if g.ID == "" && action != "steering.establish" {
			return errs.E(errs.Conflict, "%s还没有登记成立，请先登记", g.Name)
		}
		detail, err := do(tx, g)
		if err != nil {
			return err
		}
		return s.Log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: action, Object: "steering", ObjectID: g.Org, Clause: g.Clause, Detail: g.Name + "：" + detail})
	})
}

// Establish records that a group of the document was set up.
func (s *Service) Establish(ctx context.Context, actor access.Actor, profile, body string, on calendar.Date, basis string) error {
	return s.change(ctx, actor, profile, body, on, "steering.establish", func(tx *db.Tx, g Group) (string, error) {
		if g.ID != "" {
			return "", errs.E(errs.Conflict, "%s自 %s 起已登记成立", g.Name, g.EstablishedOn)
		}
		var f errs.Form
		day(&f, "on", on)
		f.Require("basis", basis, "成立的依据")
		if err := f.Err(); err != nil {
			return "", err
		}
		g.ID, g.EstablishedOn, g.Basis = db.NewID(), on, strings.TrimSpace(basis)
		return "自 " + string(on) + " 起成立", insert(ctx, tx, g, actor.Name)
	})
}

// Appoint gives somebody a post of the document in a group.
func (s *Service) Appoint(ctx context.Context, actor access.Actor, profile, body string, x Seat) error {
	return s.change(ctx, actor, profile, body, x.From, "steering.appoint", func(tx *db.Tx, g Group) (string, error) {
		x.Name, x.Position, x.Basis = strings.TrimSpace(x.Name), strings.TrimSpace(x.Position), strings.TrimSpace(x.Basis)
		var f errs.Form
		f.Require("name", x.Name, "姓名")
		f.Require("position", x.Position, "单位和职务")
		f.Require("basis", x.Basis, "任职的依据")
		if day(&f, "from", x.From) && x.From.Before(g.EstablishedOn) {
			f.Add("from", "不能早于成立之日 %s", g.EstablishedOn)
		}
		posts := Posts(g.Body)
		i := slices.IndexFunc(posts, func(p Post) bool { return p.Title == x.Post })
		held := g.Holders(x.Post)
		switch {
		case i < 0:
			f.Add("post", "请选择%s的职务", g.Name)
		case posts[i].Max > 0 && len(held) >= posts[i].Max:
			f.Add("post", "%s列%s %d 名，已登记 %d 名，请先登记离任（%s）", g.Name, x.Post, posts[i].Max, len(held), policy.ClauseTitle(g.Clause))
		case slices.ContainsFunc(g.Seats, func(o Seat) bool { return o.Name == x.Name && o.Position == x.Position }):
			f.Add("name", "%s已在%s任职", x.Name, g.Name)
		}
		if err := f.Err(); err != nil {
			return "", err
		}
		x.ID, x.Group = db.NewID(), g.ID
		return x.Name + "任" + x.Post, insertSeat(ctx, tx, x, actor.Name)
	})
}

// Dismiss lets a post end with a last day.
func (s *Service) Dismiss(ctx context.Context, actor access.Actor, profile, body, seat string, last calendar.Date) error {
	return s.change(ctx, actor, profile, body, last, "steering.dismiss", func(tx *db.Tx, g Group) (string, error) {
		var f errs.Form
		i := slices.IndexFunc(g.Seats, func(x Seat) bool { return x.ID == seat })
		if i < 0 {
			f.Add("seat", "请选择在任的人员")
		}
		day(&f, "to", last)
		if err := f.Err(); err != nil {
			return "", err
		}
		x := g.Seats[i]
		n, err := tx.Exec(ctx, `UPDATE steering_seat SET valid_to = $2 WHERE id = $1 AND valid_to IS NULL`, x.ID, string(last))
		if err == nil && n == 0 {
			err = errs.E(errs.Conflict, "%s的职务已登记离任", x.Name)
		}
		return x.Name + "任" + x.Post + "至 " + string(last), err
	})
}

// Hold records a meeting that was held.
func (s *Service) Hold(ctx context.Context, actor access.Actor, profile, body string, m Meeting) error {
	return s.change(ctx, actor, profile, body, m.HeldOn, "steering.meeting", func(tx *db.Tx, g Group) (string, error) {
		m.Title, m.Chair, m.Present, m.Minutes = strings.TrimSpace(m.Title), strings.TrimSpace(m.Chair), strings.TrimSpace(m.Present), strings.TrimSpace(m.Minutes)
		var f errs.Form
		f.Require("title", m.Title, "会议名称")
		f.Require("chair", m.Chair, "主持人")
		f.Require("present", m.Present, "参加的单位和人员")
		f.Require("minutes", m.Minutes, "会议纪要")
		if day(&f, "held_on", m.HeldOn) {
			if m.HeldOn.After(calendar.DateOf(tx.Now)) {
				f.Add("held_on", "会议还没有召开，请在召开后登记")
			} else if m.HeldOn.Before(g.EstablishedOn) {
				f.Add("held_on", "不能早于成立之日 %s", g.EstablishedOn)
			}
		}
		if err := f.Err(); err != nil {
			return "", err
		}
		m.ID, m.Group, m.By, m.At = db.NewID(), g.ID, actor.Name, tx.Now
		return fmt.Sprintf("%s 召开%s", m.HeldOn, m.Title), insertMeeting(ctx, tx, m)
	})
}

// day checks a day of a form.
func day(f *errs.Form, name string, d calendar.Date) bool {
	_, err := calendar.ParseDate(string(d))
	f.AddErr(name, err)
	return err == nil
}
