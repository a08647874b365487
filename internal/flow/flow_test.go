package flow_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/flow"
)

func TestCaseAlwaysHasOwnerAndClock(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		c := w.open("IV")
		if c.Owner != "p-doc" || c.DueRule != "7d" || c.Number != "TT202603020001" {
			t.Fatalf("opened: %+v", c)
		}
		c = w.act(c, doctor, "send", flow.Move{})
		// Monday 2026-03-02: one working day ends on Tuesday.
		if want := calendar.EndOf("2026-03-03"); c.OwnerOrg != "hosp" || c.Owner != "" || !c.DueAt.Equal(want) || c.DueClause != "BASE-clock" {
			t.Fatalf("sent: %+v, want due %v", c, want)
		}
		c = w.act(c, centre, "take", flow.Move{})
		if c.OwnerRole != access.DepartmentDoctor || c.OwnerDept != "cardio" {
			t.Fatalf("taken: %+v", c)
		}
		c = w.act(c, treat, "finish", flow.Move{Outcome: "done"})
		if c.Open() || c.OwnerOrg != "" || c.Outcome != "done" {
			t.Fatalf("closed: %+v", c)
		}
		if got := w.get(c.ID); got.Version != 4 || got.State != "closed" {
			t.Fatalf("stored: %+v", got)
		}
		var names []string
		for _, v := range w.timeline(c.ID) {
			names = append(names, v.Action)
		}
		if !slices.Equal(names, []string{"open", "send", "take", "finish"}) {
			t.Fatalf("timeline %v", names)
		}
	})
}

func TestUrgencyChoosesTheClock(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	c := w.act(w.open("II"), doctor, "send", flow.Move{})
	if got := c.DueAt.Sub(w.now); got != 30*time.Minute {
		t.Fatalf("due in %v", got)
	}
}

func TestRefusals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		draft := w.open("IV")
		sent := w.act(w.open("IV"), doctor, "send", flow.Move{})
		for _, tc := range []struct {
			name   string
			c      flow.Case
			actor  access.Actor
			action string
			mv     flow.Move
			kind   errs.Kind
			says   string
		}{
			{"action not offered in the state", draft, doctor, "answer", flow.Move{Comment: "x"}, errs.Conflict, "草稿"},
			{"other side's action", sent, doctor, "take", flow.Move{}, errs.Forbidden, "接收方"},
			{"foreign institution", sent, other, "take", flow.Move{}, errs.Forbidden, "接收方"},
			{"role without the right", sent, treat, "take", flow.Move{}, errs.Forbidden, "科室医生"},
			{"in a colleague's hands", draft, doctr2, "send", flow.Move{}, errs.Conflict, "唐医生"},
			{"reason missing", sent, centre, "refuse", flow.Move{Outcome: "refused"}, errs.Invalid, "原因"},
			{"reason unknown", sent, centre, "refuse", flow.Move{Reason: "nonsense", Outcome: "refused"}, errs.Invalid, "原因"},
			{"outcome missing", sent, centre, "refuse", flow.Move{Reason: "full"}, errs.Invalid, "结案结果"},
			{"comment missing", sent, centre, "ask", flow.Move{Comment: "  "}, errs.Invalid, "说明"},
			{"promise missing", sent, centre, "promise", flow.Move{}, errs.Invalid, "时间"},
			{"promise in the past", sent, centre, "promise", flow.Move{Due: w.now.Add(-time.Hour)}, errs.Invalid, "早于"},
		} {
			_, err := w.try(tc.c, tc.actor, tc.action, tc.mv)
			if !errs.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: %v", tc.name, err)
			}
			if got := w.get(tc.c.ID); got.Version != tc.c.Version {
				t.Errorf("%s: the case moved", tc.name)
			}
		}
	})
}

func TestStaleVersionAnswersWithPresentState(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		c := w.act(w.open("IV"), doctor, "send", flow.Move{})
		w.act(c, centre, "take", flow.Move{})
		_, err := w.try(c, clerk2, "refuse", flow.Move{Reason: "full", Outcome: "refused"})
		stale, ok := errors.AsType[*flow.StaleError](err)
		if !ok || stale.Case.State != "taken" || !errs.Is(err, errs.Conflict) {
			t.Fatalf("got %v", err)
		}
		if !strings.Contains(err.Error(), "李护士") || !strings.Contains(err.Error(), "已受理") {
			t.Errorf("message: %v", err)
		}
	})
}

func TestTwoClaimAtOnceOneWins(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		c := w.act(w.open("IV"), doctor, "send", flow.Move{})
		results := make(chan error, 2)
		for _, a := range []access.Actor{centre, clerk2} {
			go func() {
				_, err := w.claim(c, a)
				results <- err
			}()
		}
		var won, lost int
		for range 2 {
			switch err := <-results; {
			case err == nil:
				won++
			case errs.Is(err, errs.Conflict):
				lost++
			default:
				t.Error(err)
			}
		}
		if won != 1 || lost != 1 {
			t.Fatalf("won %d, lost %d", won, lost)
		}
	})
}

func TestTakingOverFromAColleagueIsRecorded(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	c, err := w.claim(w.open("IV"), doctr2)
	if err != nil {
		t.Fatal(err)
	}
	w.act(c, doctr2, "send", flow.Move{})
	v := w.timeline(c.ID)[1]
	if v.Action != flow.ActionClaim || !strings.Contains(v.Comment, "唐医生") {
		t.Fatalf("event %+v", v)
	}
}

func TestSameFormTokenActsOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		c := w.open("IV")
		first := w.act(c, doctor, "send", flow.Move{Once: "token"})
		again := w.act(c, doctor, "send", flow.Move{Once: "token"})
		if first.Version != again.Version || len(w.timeline(c.ID)) != 2 {
			t.Fatalf("acted twice: %d, %d", first.Version, again.Version)
		}
		// The answer to a claim is lost and the button pressed again.
		for range 2 {
			if held, err := w.claimOnce(first, centre, "claim"); err != nil || held.Owner != centre.Person || held.Version != 3 {
				t.Fatalf("claim: %+v, %v", held, err)
			}
		}
		if n := len(w.timeline(c.ID)); n != 3 {
			t.Fatalf("claimed twice: %d events", n)
		}
	})
}

func TestReceiversClockStandsStillWhileAsked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		c := w.act(w.open("II"), doctor, "send", flow.Move{}) // 30 minutes
		w.pass(10 * time.Minute)
		c = w.act(c, centre, "ask", flow.Move{Comment: "请补充心电图"})
		if c.Turn != flow.From || c.Owner != "p-doc" || c.DueAt.Sub(w.now) != 2*time.Hour {
			t.Fatalf("asked: %+v", c)
		}
		w.pass(90 * time.Minute)
		c = w.act(c, doctor, "answer", flow.Move{Comment: "已补充"})
		if got := c.DueAt.Sub(w.now); got != 20*time.Minute {
			t.Fatalf("receiver has %v left, want 20m", got)
		}
		w.pass(5 * time.Minute)
		from, to := flow.Held(w.timeline(c.ID), c, w.now)
		if from != 90*time.Minute || to != 15*time.Minute {
			t.Fatalf("held from %v to %v", from, to)
		}
	})
}

func TestWorkingDayClockPausesInWorkingDays(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	w.now = time.Date(2026, 2, 13, 2, 0, 0, 0, time.UTC)  // Friday before the Spring Festival
	c := w.act(w.open("IV"), doctor, "send", flow.Move{}) // due on Saturday 02-14, a working day
	if want := calendar.EndOf("2026-02-14"); !c.DueAt.Equal(want) {
		t.Fatalf("due %v, want %v", c.DueAt, want)
	}
	c = w.act(c, centre, "ask", flow.Move{Comment: "?"})
	w.now = time.Date(2026, 2, 24, 2, 0, 0, 0, time.UTC) // first day after the festival
	c = w.act(c, doctor, "answer", flow.Move{Comment: "!"})
	if want := calendar.EndOf("2026-02-25"); !c.DueAt.Equal(want) {
		t.Fatalf("resumed: due %v, want %v", c.DueAt, want)
	}
}

func TestOverdueEscalatesUpToThreeTimes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		c := w.act(w.open("II"), doctor, "send", flow.Move{})
		w.notices = nil
		w.pass(29 * time.Minute)
		w.drain()
		if len(w.notices) != 0 {
			t.Fatal("reminded before the clock ran out")
		}
		for range 6 {
			w.pass(time.Hour)
			w.drain()
		}
		got := w.get(c.ID)
		if got.Escalation != 3 || got.Version != c.Version {
			t.Fatalf("escalation %d, version %d", got.Escalation, got.Version)
		}
		var overdue int
		for _, v := range w.timeline(c.ID) {
			if v.Action == "overdue" {
				overdue++
			}
		}
		if overdue != 3 || len(w.notices) < 3 {
			t.Fatalf("%d events, %d notices", overdue, len(w.notices))
		}
		w.act(got, centre, "take", flow.Move{}) // the open page is not stale
	})
}

func TestMovedCaseIsNotEscalated(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	c := w.act(w.open("II"), doctor, "send", flow.Move{})
	w.act(c, centre, "take", flow.Move{})
	w.notices = nil
	w.pass(2 * time.Hour)
	w.drain()
	if len(w.notices) != 0 {
		t.Fatalf("notices %+v", w.notices)
	}
}

func TestDeadlinePastTheCalendarIsMarkedAndRecomputed(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	w.now = time.Date(2026, 12, 31, 2, 0, 0, 0, time.UTC)
	c := w.act(w.open("IV"), doctor, "send", flow.Move{})
	if !c.DueShort || !c.DueAt.Equal(calendar.EndOf("2026-12-31")) {
		t.Fatalf("short %v, due %v", c.DueShort, c.DueAt)
	}
	w.view(func(tx *db.Tx) error {
		n, err := flow.CountShort(context.Background(), tx)
		if n != 1 {
			t.Errorf("%d short cases", n)
		}
		return err
	})
}

func TestTodoShowsMyQueueAndWhatIHold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		ctx := context.Background()
		a := w.act(w.open("IV"), doctor, "send", flow.Move{})
		b := w.act(w.open("II"), doctor, "send", flow.Move{})
		w.open("IV") // a draft of the doctor
		todo := func(actor access.Actor) (ids []string) {
			w.view(func(tx *db.Tx) error {
				list, err := flow.Todo(ctx, tx, actor, 50)
				for _, c := range list {
					ids = append(ids, c.ID)
				}
				n, cerr := flow.CountTodo(ctx, tx, actor)
				if int(n.Waiting) != len(list) {
					t.Errorf("count %d, list %d", n.Waiting, len(list))
				}
				return errors.Join(err, cerr)
			})
			return ids
		}
		if got := todo(centre); !slices.Equal(got, []string{b.ID, a.ID}) {
			t.Fatalf("centre sees %v, want the shorter clock first", got)
		}
		if _, err := w.claim(a, clerk2); err != nil {
			t.Fatal(err)
		}
		if got := todo(centre); !slices.Equal(got, []string{b.ID}) {
			t.Fatalf("after a colleague claimed: %v", got)
		}
		if got := todo(doctor); len(got) != 1 {
			t.Fatalf("doctor sees %v", got)
		}
		if got := todo(other); len(got) != 0 {
			t.Fatalf("a stranger sees %v", got)
		}
		w.view(func(tx *db.Tx) error {
			list, err := flow.Worklist(ctx, tx, flow.Query{Kind: "t", Org: "hosp", Side: flow.To})
			if len(list) != 2 {
				t.Errorf("the hospital sees %d cases; drafts of others must stay hidden", len(list))
			}
			counts, cerr := flow.Counts(ctx, tx, flow.Query{Kind: "t", Org: "town", Side: flow.From})
			if len(counts) != 2 || counts[0].State != "draft" || counts[0].N != 1 || counts[1].N != 2 {
				t.Errorf("counts %+v", counts)
			}
			strays, serr := flow.Strays(ctx, tx)
			if strays != 0 {
				t.Errorf("%d strays", strays)
			}
			return errors.Join(err, cerr, serr)
		})
	})
}

func TestStreamTellsOpenPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		changes, end := w.e.Subscribe()
		defer end()
		go func() { done <- w.e.Follow(ctx) }()
		defer func() { cancel(); <-done }()
		time.Sleep(50 * time.Millisecond) // let the follower take its first look
		c := w.open("IV")
		deadline := time.After(10 * time.Second)
		for {
			select {
			case ch := <-changes:
				if ch.Case == c.ID && ch.ToOrg == "hosp" {
					return
				}
			case <-deadline:
				t.Fatal("no change arrived")
			}
		}
	})
}

func TestDeclareRefusesMachinesThatStrandCases(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	for name, spoil := range map[string]func(*flow.Machine){
		"no clock":         func(m *flow.Machine) { m.States[1].Clock = "" },
		"no way out":       func(m *flow.Machine) { m.Actions = m.Actions[:len(m.Actions)-1] },
		"nobody can act":   func(m *flow.Machine) { m.States[1].Role = access.Auditor },
		"unknown state":    func(m *flow.Machine) { m.Actions[0].To = []string{"nowhere"} },
		"action twice":     func(m *flow.Machine) { m.Actions[1].Name = "send" },
		"action no right":  func(m *flow.Machine) { m.Actions[0].Right = "" },
		"unknown start":    func(m *flow.Machine) { m.Start = "begin" },
		"state twice":      func(m *flow.Machine) { m.States[1].Name = "draft" },
		"state with no 中文": func(m *flow.Machine) { m.States[1].Title = "" },
	} {
		m := machine
		m.Kind = "spoiled"
		m.States, m.Actions = slices.Clone(machine.States), slices.Clone(machine.Actions)
		spoil(&m)
		if err := w.e.Declare(m); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// A filing has a statutory deadline: it is refused rather than given a wrong
// one, while the clock of a patient's case is only marked.
func TestStrictMachineRefusesAnUnknownCalendar(t *testing.T) {
	w := newWorld(t, dbtest.SQLite(t))
	strict := machine
	strict.Kind, strict.Prefix, strict.Strict = "filing", "BA", true
	if err := w.e.Declare(strict); err != nil {
		t.Fatal(err)
	}
	w.now = time.Date(2026, 12, 31, 2, 0, 0, 0, time.UTC)
	c := w.openKind("filing")
	_, err := w.try(c, doctor, "send", flow.Move{})
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "2027年的工作日历") {
		t.Fatalf("got %v", err)
	}
	if got := w.get(c.ID); got.State != "draft" {
		t.Fatalf("the filing moved to %s", got.State)
	}
}

// Once the year is loaded, the marked deadlines become real ones.
func TestLoadingTheYearRecomputesMarkedDeadlines(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		ctx := context.Background()
		w.now = time.Date(2026, 12, 31, 2, 0, 0, 0, time.UTC)
		c := w.act(w.open("IV"), doctor, "send", flow.Move{})
		svc := &calendar.Service{DB: d, Calendar: w.e.Calendar, OnLoaded: func(ctx context.Context, tx *db.Tx, _ int) error {
			n, err := w.e.Reclock(ctx, tx)
			if n != 1 {
				t.Errorf("%d cases got a deadline", n)
			}
			return err
		}}
		var text strings.Builder
		for _, day := range []string{"01-01", "01-02", "01-03", "02-05", "02-06", "02-07", "02-08", "02-09", "02-10", "02-11", "04-05", "05-01", "05-02", "05-03", "06-09", "09-15", "10-01", "10-02", "10-03", "10-04", "10-05"} {
			text.WriteString("2027-" + day + ",off,节假日\n")
		}
		_, err := svc.UploadYear(ctx, calendar.By{Account: "a", Name: "管理员"},
			calendar.Upload{Year: 2027, Number: "国办发明电〔2026〕9号", Source: "www.gov.cn", Text: []byte(text.String())},
			func(context.Context, *db.Tx, calendar.Year) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		got := w.get(c.ID)
		if want := calendar.EndOf("2027-01-04"); got.DueShort || !got.DueAt.Equal(want) {
			t.Fatalf("short %v, due %v, want %v", got.DueShort, got.DueAt, want)
		}
	})
}
