package filing

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/jobs"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// Service holds the use cases: each method is one transaction. Init hangs it
// into the alliances, so that no change of them can be silent.
type Service struct {
	DB        *db.DB
	Flow      *flow.Engine
	Book      *policy.Book
	Calendar  *calendar.Calendar
	Queue     *jobs.Queue
	Alliances *alliance.Service
}

// Init declares the machine, the jobs, and listens to the alliances' changes.
func (s *Service) Init() error {
	s.Alliances.OnChange = s.Changed
	s.Queue.Title(watchJob, "备案时限提醒")
	jobs.Handle(s.Queue, watchJob, s.watched)
	return s.Flow.Declare(Machine())
}

// Changed takes a change of an alliance into the filing that its lead is
// preparing, or opens one; it runs in the transaction of the change.
func (s *Service) Changed(ctx context.Context, tx *db.Tx, actor access.Actor, c alliance.Change) error {
	if c.Track == "" {
		return nil
	}
	open, err := openFilings(ctx, tx, c.Alliance)
	if err != nil {
		return err
	}
	for _, f := range open {
		k, err := flow.Get(ctx, tx, f.ID)
		if err != nil {
			return err
		}
		joins := f.Track == Track(c.Track) || f.Track == Formation && c.Track == string(Major)
		if (k.State == StatePreparing || k.State == StateReturned) && joins && !c.EffectiveOn.Before(f.EventOn) {
			if err := addChange(ctx, tx, f.ID, c.ID); err != nil {
				return err
			}
			return s.Flow.Note(ctx, tx, actor, k, "并入变更", c.Text)
		}
	}
	a, err := alliance.Get(ctx, tx, c.Alliance)
	if err != nil {
		return err
	}
	f, err := s.open(ctx, tx, actor, a, Track(c.Track), c.EffectiveOn, "", "")
	if err != nil {
		return err
	}
	return addChange(ctx, tx, f.ID, c.ID)
}

// Begin opens a filing for an alliance that has none: it was formed before the
// platform, or its filing was cancelled while it goes on.
func (s *Service) Begin(ctx context.Context, actor access.Actor, id, once string) (flow.Case, error) {
	var c flow.Case
	err := s.DB.Tx(ctx, func(tx *db.Tx) error {
		var done bool
		var err error
		if c, done, err = flow.Done(ctx, tx, once); err != nil || done {
			return err
		}
		a, err := alliance.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := alliance.May(ctx, tx, actor, access.FilingPrepare, a); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE alliance SET name = name WHERE id = $1`, a.ID); err != nil {
			return err
		}
		all, err := Of(ctx, tx, a.ID)
		if err != nil {
			return err
		}
		for _, f := range all {
			if f.State == open {
				return errs.E(errs.Conflict, "“%s”已有办理中的备案，请继续办理那一份", a.Name)
			}
		}
		if _, ok := Valid(all); ok {
			return errs.E(errs.Conflict, "“%s”已备案，发生变更时系统会自动建立变更备案", a.Name)
		}
		f, err := s.open(ctx, tx, actor, a, Formation, calendar.DateOf(tx.Now), "补办备案", once)
		if err != nil {
			return err
		}
		c, err = flow.Get(ctx, tx, f.ID)
		return err
	})
	return c, err
}

// Valid returns the filing in force among those of an alliance, newest first.
func Valid(all []Filing) (Filing, bool) {
	for _, f := range all {
		if f.State == Filed && f.Standing() == "有效" {
			return f, true
		}
	}
	return Filing{}, false
}

func (s *Service) open(ctx context.Context, tx *db.Tx, actor access.Actor, a alliance.Alliance, track Track, on calendar.Date, note, once string) (Filing, error) {
	f := Filing{Alliance: a.ID, Track: track, EventOn: on, Note: note, State: open}
	at, err := alliance.Place(ctx, tx, a)
	if err != nil {
		return f, err
	}
	lead, err := alliance.LeadOn(ctx, tx, a.ID, on)
	if err != nil {
		return f, err
	}
	if f.Levels, err = s.levels(ctx, tx, lead, on); err != nil {
		return f, err
	}
	first, err := organization.Get(ctx, tx, f.Levels[0])
	if err != nil {
		return f, err
	}
	f.Literal = LiteralChange
	if a, err := s.Book.Resolve("filing.on_change", at, on); err == nil && track == Major {
		f.Literal = a.Value.Text
	}
	c, err := s.Flow.Open(ctx, tx, actor, flow.Opening{
		Kind: Kind, Track: string(track), Subject: a.Name + " " + f.Title(), Place: at, Anchor: on.Time(), Once: once,
		From: flow.Party{Org: lead.ID, OrgName: lead.Name}, To: flow.Party{Org: first.ID, OrgName: first.Name},
	})
	if err != nil {
		return f, err
	}
	f.ID, f.Clause = c.ID, c.DueClause
	if err := insert(ctx, tx, f); err != nil {
		return f, err
	}
	return f, s.watch(ctx, tx, c, on)
}

// levels are the authorities that a filing passes: the one that the lead
// belongs to (所属, not always the county), then each above it to the province.
func (s *Service) levels(ctx context.Context, tx *db.Tx, lead organization.Organization, day calendar.Date) ([]string, error) {
	first, err := alliance.Authority(ctx, tx, lead, day)
	if err != nil {
		return nil, err
	}
	line, err := region.Line(ctx, tx, first.Region)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, r := range line {
		if r.Level != region.County && r.Level != region.City && r.Level != region.Province {
			continue
		}
		b, err := organization.BureauOf(ctx, tx, r.Code)
		if err != nil {
			return nil, err
		}
		out = append(out, b.ID)
	}
	if len(out) == 0 {
		return nil, errs.E(errs.Invalid, "“%s”所属的“%s”不是县、市、省级卫生健康行政部门，无法备案", lead.Short(), first.Name)
	}
	return out, nil
}

// stateOf is the state in which an authority holds a filing.
func stateOf(ctx context.Context, tx *db.Tx, org string) (state string, party flow.Party, short string, err error) {
	b, err := organization.Get(ctx, tx, org)
	if err != nil {
		return "", flow.Party{}, "", err
	}
	r, err := region.Get(ctx, tx, b.Region)
	if err != nil {
		return "", flow.Party{}, "", err
	}
	for _, l := range levelStates {
		if l.Level == r.Level {
			return l.State, flow.Party{Org: b.ID, OrgName: b.Name}, l.Short, nil
		}
	}
	return "", flow.Party{}, "", fmt.Errorf("filing: %s is no authority", b.Name)
}

// step runs one action on a filing.
func (s *Service) step(ctx context.Context, actor access.Actor, ref Ref, action string, fn func(tx *db.Tx, f *Filing, c flow.Case) (flow.Move, error), after func(tx *db.Tx, f Filing, c flow.Case) error) (flow.Case, error) {
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
		f, err := Get(ctx, tx, ref.ID)
		if err != nil {
			return err
		}
		mv, err := fn(tx, &f, c)
		if err != nil {
			return err
		}
		mv.Once = ref.Once
		if out, err = s.Flow.Act(ctx, tx, actor, ref.ID, ref.Version, action, mv); err != nil {
			return err
		}
		if err := update(ctx, tx, f); err != nil {
			return err
		}
		if after != nil {
			if err := after(tx, f, out); err != nil {
				return err
			}
		}
		return s.watch(ctx, tx, out, f.EventOn)
	})
	return out, err
}

// Send reports a filing to the authority that the lead belongs to, after the
// checks: charter complete, members listed, organs set up.
func (s *Service) Send(ctx context.Context, actor access.Actor, ref Ref, note string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActSend, func(tx *db.Tx, f *Filing, c flow.Case) (flow.Move, error) {
		full, err := s.gather(ctx, tx, *f)
		if err != nil {
			return flow.Move{}, err
		}
		if len(full.Problems) > 0 {
			var form errs.Form
			for _, p := range full.Problems {
				form.Add("problem", "%s", p.sentence())
			}
			return flow.Move{}, form.Err()
		}
		f.SentAt, f.Round, f.Note = tx.Now, f.Round+1, strings.TrimSpace(note)
		if full.HasText {
			f.Charter = full.Charter.ID
		}
		state, party, _, err := stateOf(ctx, tx, f.Levels[0])
		return flow.Move{To: state, ToParty: &party, Comment: f.Note}, err
	}, nil)
}

func (p Problem) sentence() string {
	if p.Clause == "" {
		return p.Text
	}
	return p.Text + "（" + policy.ClauseTitle(p.Clause) + "）"
}

// Pass stamps a filing and reports it to the next level.
func (s *Service) Pass(ctx context.Context, actor access.Actor, ref Ref) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActPass, func(tx *db.Tx, f *Filing, c flow.Case) (flow.Move, error) {
		i := slices.Index(f.Levels, c.To.Org)
		if i < 0 || i+1 >= len(f.Levels) {
			return flow.Move{}, fmt.Errorf("filing %s: nobody above %s", c.Number, c.To.OrgName)
		}
		if err := s.stamp(ctx, tx, actor, *f, c, Stamp{Passed: true}); err != nil {
			return flow.Move{}, err
		}
		state, party, _, err := stateOf(ctx, tx, f.Levels[i+1])
		return flow.Move{To: state, ToParty: &party}, err
	}, nil)
}

// File is the province's stamp: the filing is on record. What was filed before
// is superseded, or cancelled where the document says so.
func (s *Service) File(ctx context.Context, actor access.Actor, ref Ref) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActFile, func(tx *db.Tx, f *Filing, c flow.Case) (flow.Move, error) {
		if err := s.stamp(ctx, tx, actor, *f, c, Stamp{Passed: true}); err != nil {
			return flow.Move{}, err
		}
		all, err := Of(ctx, tx, f.Alliance)
		if err != nil {
			return flow.Move{}, err
		}
		if before, ok := Valid(all); ok {
			f.Supersedes = before.ID
			before.State = Superseded
			if f.Track == End || f.Track == Major && f.Literal == LiteralCancel {
				before.State = Cancelled
			}
			if err := update(ctx, tx, before); err != nil {
				return flow.Move{}, err
			}
		}
		f.State, f.FiledAt = Filed, tx.Now
		return flow.Move{}, nil
	}, nil)
}

// Return gives a filing back to the lead with a reason and the part that is
// wrong. It has to pass every level again.
func (s *Service) Return(ctx context.Context, actor access.Actor, ref Ref, field, reason, comment string) (flow.Case, error) {
	return s.step(ctx, actor, ref, ActReturn, func(tx *db.Tx, f *Filing, c flow.Case) (flow.Move, error) {
		if !slices.Contains(Fields(), field) {
			var form errs.Form
			form.Add("field", "请选择要补正的部分")
			return flow.Move{}, form.Err()
		}
		comment = strings.TrimSpace(comment)
		if err := s.stamp(ctx, tx, actor, *f, c, Stamp{Field: field, Reason: comment}); err != nil {
			return flow.Move{}, err
		}
		return flow.Move{Reason: reason, Comment: field + "：" + comment}, nil
	}, nil)
}

func (s *Service) stamp(ctx context.Context, tx *db.Tx, actor access.Actor, f Filing, c flow.Case, x Stamp) error {
	_, party, short, err := stateOf(ctx, tx, c.To.Org)
	if err != nil {
		return err
	}
	x.ID, x.Round, x.Level, x.Org, x.OrgName, x.Name, x.At = db.NewID(), f.Round, short, party.Org, party.OrgName, actor.Name, tx.Now
	if x.Passed {
		x.Number = fmt.Sprintf("%s医联备〔%d〕%s号", short, calendar.DateOf(tx.Now).Year(), c.Number[2:])
	}
	return insertStamp(ctx, tx, f.ID, x)
}

const watchJob = "filing.watch"
