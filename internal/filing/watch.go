package filing

import (
	"context"
	"slices"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/jobs"
)

// amber is the number of working days after which the clock turns amber.
func (s *Service) amber(c flow.Case) int {
	a, err := s.Book.Resolve("filing.amber", c.Place, calendar.DateOf(c.EnteredAt))
	if err != nil {
		return 1 << 20 // no rule: never amber
	}
	return a.Value.Deadline.N
}

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
