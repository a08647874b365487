package filing

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/charter"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/governance"
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

// gather reads everything a filing shows. The members and the charter are those
// of the register as it was known when the filing was sent.
func (s *Service) gather(ctx context.Context, tx *db.Tx, f Filing) (Full, error) {
	v := Full{Filing: f, MembersOn: f.EventOn}
	var err error
	if v.Alliance, err = alliance.Get(ctx, tx, f.Alliance); err != nil {
		return v, err
	}
	if v.Case, err = flow.Get(ctx, tx, f.ID); err != nil {
		return v, err
	}
	known := tx.Now
	held := v.Case.State != StatePreparing && v.Case.State != StateReturned
	if held && !f.SentAt.IsZero() {
		known = f.SentAt
	}
	if f.Track == End {
		v.MembersOn = f.EventOn.AddDays(-1)
	}
	if v.Members, err = alliance.MembersOn(ctx, tx, f.Alliance, v.MembersOn, known); err != nil {
		return v, err
	}
	if held && f.Charter != "" {
		v.Charter, err = charter.Get(ctx, tx, f.Charter)
		v.HasText = true
	} else {
		v.Charter, v.HasText, err = charter.Current(ctx, tx, f.Alliance)
	}
	if err != nil {
		return v, err
	}
	if v.Organs, err = governance.Organs(ctx, tx, f.Alliance, max(f.EventOn, calendar.DateOf(known))); err != nil {
		return v, err
	}
	v.Rules = governance.RulesAt(s.Book, v.Case.Place, f.EventOn)
	if v.Changes, err = changesOf(ctx, tx, f.ID); err != nil {
		return v, err
	}
	docs, err := alliance.FactsOn(ctx, tx, f.Alliance, calendar.DateOf(tx.Now), tx.Now)
	if err != nil {
		return v, err
	}
	v.Problems = check(v, docs, calendar.DateOf(known))
	return v, nil
}

// check lists why a filing cannot be sent.
func check(v Full, docs []alliance.Fact, today calendar.Date) []Problem {
	if v.Track == End {
		return nil // the end is reported as it is
	}
	var out []Problem
	if !v.HasText {
		out = append(out, Problem{"章程", "还没有通过的章程（协议）", clauseOf(v.Rules.Parts)})
	} else {
		for _, m := range charter.Completeness(v.Rules.Parts, v.Charter) {
			out = append(out, Problem{"章程", "章程缺少“" + m.Title + "”：" + m.Why, m.Clause})
		}
	}
	if len(v.Members) < 2 || v.Members[0].Role != alliance.Lead {
		out = append(out, Problem{"成员单位名单", "成员名单不完整：须有牵头单位和至少一家成员单位", v.Clause})
	}
	for _, c := range v.Rules.Organs {
		if !slices.ContainsFunc(v.Organs, func(o governance.Organ) bool { return o.Code == c.Code && o.Exists(max(today, v.EventOn)) }) {
			out = append(out, Problem{"治理机构", "没有设立" + c.Title, c.Clause})
		}
	}
	for _, c := range v.Rules.Documents {
		if !slices.ContainsFunc(docs, func(f alliance.Fact) bool { return f.Field == alliance.Document(c.Code) }) {
			out = append(out, Problem{"制度文件", "没有登记“" + c.Title + "”", c.Clause})
		}
	}
	return out
}

func clauseOf(codes []policy.Code) string {
	if len(codes) == 0 {
		return ""
	}
	return codes[0].Clause
}

// View reads one filing.
func (s *Service) View(ctx context.Context, actor access.Actor, id string) (Full, error) {
	var v Full
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		f, err := Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.visible(ctx, tx, actor, f); err != nil {
			return err
		}
		if v, err = s.gather(ctx, tx, f); err != nil {
			return err
		}
		if v.Stamps, err = stamps(ctx, tx, id); err != nil {
			return err
		}
		if v.Names, err = organization.FullNames(ctx, tx, f.Levels); err != nil {
			return err
		}
		v.Light = LightOf(v.Case, f.EventOn, s.amber(v.Case), s.Calendar, tx.Now)
		v.Actions = s.Flow.Actions(v.Case, actor)
		v.Timeline, err = s.Flow.Timeline(ctx, tx, id)
		return err
	})
	return v, err
}

// visible lets the lead, the members and the authorities of a filing see it.
func (s *Service) visible(ctx context.Context, tx *db.Tx, actor access.Actor, f Filing) error {
	if err := access.Require(actor, access.AllianceRead, access.Any); err != nil {
		return err
	}
	c, err := flow.Get(ctx, tx, f.ID)
	if err != nil {
		return err
	}
	if c.From.Org == actor.Org || slices.Contains(f.Levels, actor.Org) || access.May(actor, access.OrganizationEdit, access.Any) {
		return nil
	}
	members, err := alliance.MembersOn(ctx, tx, f.Alliance, calendar.DateOf(tx.Now), tx.Now)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(members, func(m alliance.Membership) bool { return m.Org == actor.Org }) {
		return nil
	}
	a, err := alliance.Get(ctx, tx, f.Alliance)
	if err != nil {
		return err
	}
	if rel, err := alliance.Standing(ctx, tx, actor, a); err != nil || rel == access.Region {
		return err
	}
	return errs.E(errs.NotFound, "没有找到这份备案")
}

// amber is the number of working days after which the clock turns amber.
func (s *Service) amber(c flow.Case) int {
	a, err := s.Book.Resolve("filing.amber", c.Place, calendar.DateOf(c.EnteredAt))
	if err != nil {
		return 1 << 20 // no rule: never amber
	}
	return a.Value.Deadline.N
}

const watchJob = "filing.watch"

// watchArgs name the clock that a job is for.
type watchArgs struct {
	Case    string `json:"case"`
	Entered int64  `json:"entered"`
	Due     int64  `json:"due"`
	Level   string `json:"level"` // amber, red
}

// watch queues the two bells of a filing's clock: amber at 9 o'clock of the
// policy's working day, and red at the end, which rings one level up.
func (s *Service) watch(ctx context.Context, tx *db.Tx, c flow.Case, eventOn calendar.Date) error {
	if !c.Open() {
		return nil
	}
	from := calendar.DateOf(c.EnteredAt)
	if c.State == StatePreparing {
		from = eventOn
	}
	args := watchArgs{c.ID, c.EnteredAt.UnixMilli(), c.DueAt.UnixMilli(), "amber"}
	if n := s.amber(c); n < 1<<20 {
		day, _ := s.Calendar.AddWorkingDays(from, n)
		if at := day.Time().Add(9 * time.Hour); at.Before(c.DueAt) && c.DueAt.After(tx.Now) {
			if err := s.Queue.Enqueue(ctx, tx, jobs.Job{Kind: watchJob, RunAt: at, Args: args}); err != nil {
				return err
			}
		}
	}
	args.Level = "red"
	return s.Queue.Enqueue(ctx, tx, jobs.Job{Kind: watchJob, RunAt: c.DueAt, Args: args})
}

// watched rings a bell if the case still stands as it did.
func (s *Service) watched(ctx context.Context, tx *db.Tx, args watchArgs) error {
	c, err := flow.Get(ctx, tx, args.Case)
	if err != nil || !c.Open() || c.EnteredAt.UnixMilli() != args.Entered || c.DueAt.UnixMilli() != args.Due {
		return err
	}
	n := flow.Notice{Case: c.ID, Kind: c.Kind, Number: c.Number, Org: c.OwnerOrg, Role: c.OwnerRole, Person: c.Owner, Level: "due",
		Text: "备案 " + c.Number + " 已过 3 个以上工作日，" + c.DueAt.In(calendar.Shanghai).Format("1月2日") + "到期，请及时办理"}
	if args.Level == "red" {
		f, err := Get(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		up, role, err := above(ctx, tx, f, c)
		if err != nil || up.Org == "" {
			return err
		}
		n.Org, n.Role, n.Person, n.Level = up.Org, role, "", "overdue"
		n.Text = "备案 " + c.Number + " 在" + holder(c) + "已超期，请督促办理"
		if err := s.Flow.Note(ctx, tx, watcher, c, "逾期上报", "已报"+up.OrgName+"督促"); err != nil {
			return err
		}
	}
	if s.Flow.Notify == nil {
		return nil
	}
	return s.Flow.Notify(ctx, tx, n)
}

func holder(c flow.Case) string {
	if c.Turn == flow.From {
		return c.From.OrgName
	}
	return c.To.OrgName
}

// above is the level above who holds a filing: an overdue one is escalated one
// level.
func above(ctx context.Context, tx *db.Tx, f Filing, c flow.Case) (flow.Party, access.Role, error) {
	i := slices.Index(f.Levels, c.OwnerOrg) + 1 // the lead is below the first
	if i >= len(f.Levels) {
		return flow.Party{}, "", nil
	}
	state, party, _, err := stateOf(ctx, tx, f.Levels[i])
	for _, l := range levelStates {
		if l.State == state {
			return party, l.Role, err
		}
	}
	return party, "", err
}
