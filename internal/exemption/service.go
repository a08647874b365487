package exemption

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// Service holds the use cases: each method is one transaction.
type Service struct {
	DB   *db.DB
	Flow *flow.Engine
	Book *policy.Book
}

// Init declares the machine.
func (s *Service) Init() error { return s.Flow.Declare(Machine()) }

// Apply asks for an exception; it lies with the city's commission then.
func (s *Service) Apply(ctx context.Context, actor access.Actor, x Application, once string) (flow.Case, error) {
	var c flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		var done bool
		var err error
		if c, done, err = flow.Done(ctx, tx, once); err != nil || done {
			return err
		}
		if err := access.Require(actor, access.ExemptionApply, access.At(actor, x.Org)); err != nil {
			return err
		}
		org, at, city, err := s.check(ctx, tx, &x)
		if err != nil {
			return err
		}
		from := flow.PartyOf(actor)
		from.Org, from.OrgName = org.ID, org.Name
		c, err = s.Flow.Open(ctx, tx, actor, flow.Opening{
			Kind: CaseKind, Subject: org.Short() + "：" + x.Kind.Title(), Place: at, Once: once,
			From: from, To: flow.Party{Org: city.ID, OrgName: city.Name},
		})
		if err != nil {
			return err
		}
		x.ID = c.ID
		return insert(ctx, tx, x)
	})
	return c, err
}

// check validates what was typed and returns the institution, whose rules bind,
// and the commission that decides first.
func (s *Service) check(ctx context.Context, tx *db.Tx, x *Application) (org organization.Organization, at policy.Place, city organization.Organization, err error) {
	var f errs.Form
	if org, err = organization.Get(ctx, tx, x.Org); errs.Is(err, errs.NotFound) {
		f.Add("org", "请选择申请的医院")
	} else if err != nil {
		return org, at, city, err
	}
	line, err := region.Line(ctx, tx, x.Region)
	if err != nil {
		f.Add("region", "请选择所在的市或县")
	}
	if x.Kind.Title() == "" {
		f.Add("kind", "请选择例外的类型")
	}
	if x.Kind == Lead && x.AllianceKind == "" {
		f.Add("alliance_kind", "请选择牵头的医联体类型")
	}
	if x.Kind == Branch {
		x.AllianceKind = ""
	}
	if _, derr := calendar.ParseDate(string(x.Since)); derr != nil {
		f.AddErr("since", derr)
	}
	x.Purpose, x.Evidence = strings.TrimSpace(x.Purpose), strings.TrimSpace(x.Evidence)
	f.Require("purpose", x.Purpose, "事由")
	if len([]rune(x.Evidence)) < 10 {
		f.Add("evidence", "请写明依据：批准文件、运行成效等，至少 10 个字")
	}
	if err := f.Err(); err != nil {
		return org, at, city, err
	}
	at = policy.Place{Kind: x.AllianceKind}
	cityCode := ""
	for _, r := range line {
		at.Regions = append(at.Regions, r.Code)
		if r.Level == region.City {
			cityCode = r.Code
		}
	}
	if x.Clause, err = s.clause(at, calendar.DateOf(tx.Now), x.Kind); err != nil {
		return org, at, city, err
	}
	if cityCode == "" {
		return org, at, city, errs.E(errs.Invalid, "请选择具体的市或县，例外须由所在设区市先同意（%s）", x.Clause)
	}
	city, err = organization.BureauOf(ctx, tx, cityCode)
	return org, at, city, err
}

// clause is the clause that asks for the approvals, or why none is needed.
func (s *Service) clause(at policy.Place, day calendar.Date, kind Kind) (string, error) {
	a, err := s.Book.Resolve("alliance.branch.approvals", at, day)
	if errs.Is(err, errs.NotFound) {
		return "", errs.E(errs.Invalid, "当地没有文件要求为“%s”办理例外批准，不用登记", kind.Title())
	}
	return a.Clause, err
}

// Act takes one action; text is the comment, or what was added to the evidence.
func (s *Service) Act(ctx context.Context, actor access.Actor, ref Ref, action, reason, text string) (flow.Case, error) {
	var out flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		c, done, err := flow.Done(ctx, tx, ref.Once)
		if err != nil || done {
			out = c
			return err
		}
		if c, err = s.Flow.Check(ctx, tx, actor, ref.ID, ref.Version, action); err != nil {
			return err
		}
		mv := flow.Move{Reason: reason, Comment: strings.TrimSpace(text), Once: ref.Once}
		switch action {
		case ActConsent:
			next, err := above(ctx, tx, c, region.Province)
			if err != nil {
				return err
			}
			mv.ToParty = &next
		case ActResubmit:
			if mv.Comment == "" {
				var f errs.Form
				f.Add("comment", "请写明补充了什么依据")
				return f.Err()
			}
			first, err := above(ctx, tx, c, region.City)
			if err != nil {
				return err
			}
			mv.ToParty = &first
			if err := addEvidence(ctx, tx, c.ID, mv.Comment); err != nil {
				return err
			}
		}
		if out, err = s.Flow.Act(ctx, tx, actor, ref.ID, ref.Version, action, mv); err != nil {
			return err
		}
		if out.State == StateApproved || out.State == StateRefused {
			return decided(ctx, tx, out.ID, out.State == StateApproved)
		}
		return nil
	})
	return out, err
}

// above is the commission of a level above the place of a case.
func above(ctx context.Context, tx *db.Tx, c flow.Case, level region.Level) (flow.Party, error) {
	for _, code := range c.Place.Regions {
		r, err := region.Get(ctx, tx, code)
		if err != nil {
			return flow.Party{}, err
		}
		if r.Level == level {
			b, err := organization.BureauOf(ctx, tx, code)
			return flow.Party{Org: b.ID, OrgName: b.Name}, err
		}
	}
	return flow.Party{}, fmt.Errorf("exemption %s: no %s in %v", c.ID, level, c.Place.Regions)
}

// Full is an application with its case.
type Full struct {
	Application
	Case     flow.Case
	OrgName  string
	Where    string
	Timeline []flow.Event
	Actions  []flow.Action
}

// View reads one application.
func (s *Service) View(ctx context.Context, actor access.Actor, id string) (Full, error) {
	var v Full
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		if v.Application, err = get(ctx, tx, id); err != nil {
			return err
		}
		if err := s.fill(ctx, tx, actor, &v); err != nil {
			return err
		}
		v.Timeline, err = s.Flow.Timeline(ctx, tx, id)
		return err
	})
	return v, err
}

func (s *Service) fill(ctx context.Context, tx *db.Tx, actor access.Actor, v *Full) error {
	var err error
	if v.Case, err = flow.Get(ctx, tx, v.ID); err != nil {
		return err
	}
	if err := visible(ctx, tx, actor, v.Case); err != nil {
		return err
	}
	v.OrgName = v.Case.From.OrgName
	line, err := region.Line(ctx, tx, v.Region)
	for _, r := range slices.Backward(line) {
		if r.Level != region.Country {
			v.Where += r.Name
		}
	}
	v.Actions = s.Flow.Actions(v.Case, actor)
	return err
}

// visible lets the applicant and the commissions above the place see a case.
func visible(ctx context.Context, tx *db.Tx, actor access.Actor, c flow.Case) error {
	if err := access.Require(actor, access.ExemptionRead, access.Own); err != nil {
		return err
	}
	if c.From.Org == actor.Org || c.To.Org == actor.Org {
		return nil
	}
	o, err := organization.Get(ctx, tx, actor.Org)
	if err == nil && o.Kind == organization.Bureau && slices.Contains(c.Place.Regions, o.Region) {
		return nil
	}
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	return errs.E(errs.NotFound, "没有找到这份例外登记")
}

// List returns the register as far as the actor may see it, the newest first.
func (s *Service) List(ctx context.Context, actor access.Actor) ([]Full, error) {
	if err := access.Require(actor, access.ExemptionRead, access.Own); err != nil {
		return nil, err
	}
	var out []Full
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		all, err := list(ctx, tx)
		if err != nil {
			return err
		}
		for _, x := range all {
			v := Full{Application: x}
			if err := s.fill(ctx, tx, actor, &v); errs.Is(err, errs.NotFound) {
				continue
			} else if err != nil {
				return err
			}
			out = append(out, v)
		}
		return nil
	})
	return out, err
}
