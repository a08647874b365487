package filing_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/alliance"
	"yilian/internal/alliance/alliancetest"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/filing"
	"yilian/internal/filing/filingtest"
	"yilian/internal/flow"
	"yilian/internal/policy"
)

var ctx = context.Background()

func each(t *testing.T, fn func(t *testing.T, w *filingtest.World)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { fn(t, filingtest.New(t, d)) })
}

func silent(w *filingtest.World) int64 {
	w.T.Helper()
	return dbtest.View(w.T, w.DB, func(tx *db.Tx) (int64, error) { return filing.Silent(ctx, tx) })
}

// JS-5.3, A3: five working days after the event, across Spring Festival, Qing
// Ming, Labour Day, National Day and worked weekends.
func TestDueDates(t *testing.T) {
	cal := calendar.New()
	book := alliancetest.Book(t)
	a, err := book.Resolve("filing.deadline.formation", policy.Place{Regions: []string{"320982", "3209", "32", "CN"}, Kind: "county_community"}, "2019-06-03")
	if err != nil || a.Clause != "JS-5.3" {
		t.Fatalf("%+v %v", a, err)
	}
	five, err := a.Deadline()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ event, due calendar.Date }{
		{"2019-06-03", "2019-06-11"}, // Dragon Boat on 7 June
		{"2019-06-06", "2019-06-14"},
		{"2019-04-04", "2019-04-12"}, // Qing Ming on 5 April
		{"2019-09-26", "2019-10-09"}, // National Day, Sunday 29 September worked
		{"2019-09-29", "2019-10-11"}, // begun on a worked Sunday
		{"2019-09-30", "2019-10-12"}, // Saturday 12 October worked
		{"2019-10-01", "2019-10-12"}, // in the middle of the holiday
		{"2019-10-07", "2019-10-12"},
		{"2020-01-20", "2020-02-04"}, // Spring Festival, prolonged to 2 February
		{"2020-01-23", "2020-02-07"},
		{"2020-04-30", "2020-05-11"}, // Labour Day to 5 May, Saturday 9 May worked
		{"2020-09-25", "2020-10-09"}, // Sunday 27 September worked, holiday to 8 October
		{"2020-09-28", "2020-10-12"},
		{"2021-02-05", "2021-02-18"}, // Sunday 7 February worked, holiday 11 to 17
		{"2021-02-10", "2021-02-23"}, // Saturday 20 February worked
		{"2022-01-28", "2022-02-09"}, // Saturday 29 and Sunday 30 January worked
		{"2023-01-20", "2023-02-01"}, // Saturday 28 and Sunday 29 January worked
		{"2023-09-28", "2023-10-11"}, // Saturday 7 and Sunday 8 October worked
		{"2024-02-08", "2024-02-21"}, // Sunday 18 February worked
		{"2024-02-09", "2024-02-22"},
		{"2024-09-30", "2024-10-12"}, // Saturday 12 October worked
		{"2025-01-24", "2025-02-07"}, // Sunday 26 January worked, holiday to 4 February
		{"2026-03-02", "2026-03-09"}, // an ordinary week
		{"2026-03-06", "2026-03-13"}, // begun on a Friday
		{"2026-03-07", "2026-03-13"}, // on a Saturday
	} {
		due, complete := five.Due(cal, x.event.Time())
		if !complete || calendar.DateOf(due) != x.due {
			t.Errorf("event %s: due %s, want %s", x.event, calendar.DateOf(due), x.due)
		}
	}
}

// From the formation to the province's stamp: each level in turn, each with its
// stamp, nothing editable while a level holds it.
func TestFromFormationToTheProvince(t *testing.T) {
	each(t, func(t *testing.T, w *filingtest.World) {
		a := w.Community("2026-03-02")
		c := w.Open(a.ID)
		if c.State != filing.StatePreparing || c.OwnerOrg != w.Office.Org || calendar.DateOf(c.DueAt) != "2026-03-09" {
			t.Fatalf("%+v", c)
		}
		_, err := w.Filings.Send(ctx, w.Office, w.Ref(c), "")
		if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "还没有通过的章程") || !strings.Contains(err.Error(), "没有设立") {
			t.Fatalf("sent without charter and organs: %v", err)
		}
		w.Ready(a, "2026-03-02")
		c = w.Open(a.ID)
		if c, err = w.Filings.Send(ctx, w.Office, w.Ref(c), "请予备案"); err != nil || c.State != filing.StateCounty || c.OwnerOrg != w.County.Org {
			t.Fatalf("%+v %v", c, err)
		}
		for name, err := range map[string]error{
			"lead sends again":     second(w.Filings.Send(ctx, w.Office, w.Ref(c), "")),
			"city jumps the queue": second(w.Filings.Pass(ctx, w.City, w.Ref(c))),
			"county files":         second(w.Filings.File(ctx, w.County, w.Ref(c))),
		} {
			if err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		// What happens meanwhile goes into a filing of its own; the one that is
		// held stays as it was sent.
		before, err := w.Filings.View(ctx, w.County, c.ID)
		w.OK(err)
		dbtest.SetClock(w.DB, w.DB.Now().Add(time.Hour))
		_, err = w.Alliances.Join(ctx, w.Office, alliance.Membership{Alliance: a.ID, Org: w.Org("黄田铺镇中心卫生院"), Role: alliance.Member, Period: alliance.Period{ValidFrom: "2026-03-02"}})
		w.OK(err)
		held, err := w.Filings.View(ctx, w.County, c.ID)
		w.OK(err)
		if len(held.Members) != len(before.Members) || w.Open(a.ID).ID == c.ID {
			t.Errorf("a held filing has changed: %d members, were %d", len(held.Members), len(before.Members))
		}
		c, err = w.Filings.Pass(ctx, w.County, w.Ref(c))
		w.OK(err)
		c, err = w.Filings.Pass(ctx, w.City, w.Ref(c))
		w.OK(err)
		if c, err = w.Filings.File(ctx, w.Province, w.Ref(c)); err != nil || c.State != filing.StateFiled {
			t.Fatalf("%+v %v", c, err)
		}
		v, err := w.Filings.View(ctx, w.Office, c.ID)
		w.OK(err)
		if len(v.Stamps) != 3 || v.Stamps[0].Org != w.County.Org || v.Stamps[2].Number == "" || v.Standing() != "有效" {
			t.Errorf("%+v", v.Stamps)
		}
		if n := silent(w); n != 0 {
			t.Errorf("%d silent changes", n)
		}
	})
}

func second(_ flow.Case, err error) error { return err }

// A return carries reason and field; after the correction every level stamps
// again, and a changed lead is a new filing.
func TestReturnAndCorrect(t *testing.T) {
	each(t, func(t *testing.T, w *filingtest.World) {
		a := w.Community("2026-03-02")
		w.Ready(a, "2026-03-02")
		c, err := w.Filings.Send(ctx, w.Office, w.Ref(w.Open(a.ID)), "")
		w.OK(err)
		c, err = w.Filings.Pass(ctx, w.County, w.Ref(c))
		w.OK(err)
		if _, err := w.Filings.Return(ctx, w.City, w.Ref(c), "", "incomplete", "x"); !errs.Is(err, errs.Invalid) {
			t.Errorf("a return without a field: %v", err)
		}
		c, err = w.Filings.Return(ctx, w.City, w.Ref(c), "章程", "incomplete", "利益分配没有写村卫生室")
		w.OK(err)
		if c.State != filing.StateReturned || c.OwnerOrg != w.Office.Org {
			t.Fatalf("%+v", c)
		}
		w.Adopt(a, "2026-03-03")
		c, err = w.Filings.Send(ctx, w.Office, w.Ref(w.Open(a.ID)), "已补正")
		w.OK(err)
		if c.State != filing.StateCounty {
			t.Errorf("resent to %s, must pass every level again", c.State)
		}
		v, err := w.Filings.View(ctx, w.City, c.ID)
		w.OK(err)
		if len(v.Stamps) != 2 || v.Stamps[1].Passed || v.Stamps[1].Field != "章程" || v.Round != 2 || v.Filing.Charter == "" {
			t.Errorf("%+v", v.Stamps)
		}
	})
}

// A4: whoever changes lead, member, legal representative or charter, in
// whatever way: a filing task is there.
func TestNoChangeIsSilent(t *testing.T) {
	each(t, func(t *testing.T, w *filingtest.World) {
		a, dangdi := w.General(), w.Org("凼底乡卫生院")
		acts := []func() error{
			func() error { return w.Alliances.Leave(ctx, w.Office, a.ID, dangdi, "2026-03-02", "退出") },
			func() error {
				_, err := w.Alliances.Join(ctx, w.County, alliance.Membership{Alliance: a.ID, Org: dangdi, Role: alliance.Member, Period: alliance.Period{ValidFrom: "2026-04-02"}})
				return err
			},
			func() error {
				return w.Alliances.ChangeLead(ctx, w.Admin, a.ID, w.TCMOffice.Org, "2026-05-06", "换牵头")
			},
			func() error {
				return w.Alliances.SetStanding(ctx, w.Admin, alliance.Fact{SubjectID: w.Office.Org, Field: alliance.Representative, Value: "伍院长", Evidence: "证书", Period: alliance.Period{ValidFrom: "2026-06-01"}})
			},
			func() error {
				return w.Alliances.Succeed(ctx, w.Admin, alliance.Succession{Kind: alliance.Merge, From: []string{dangdi, w.Org("梳子铺乡卫生院")}, Into: []string{dangdi}, On: "2026-07-01", Reason: "合并"})
			},
			func() error {
				return w.Alliances.Order(ctx, w.County, alliance.Dissolution{Alliance: a.ID, On: "2026-09-01", Reason: "责令解散", Liable: []alliance.Liable{
					{Duty: alliance.ForCases, Name: "蒋一", Position: "副院长"}, {Duty: alliance.ForDocuments, Name: "蒋一", Position: "副院长"}}})
			},
		}
		for i, act := range acts {
			w.OK(act())
			if n := silent(w); n != 0 {
				t.Errorf("act %d: %d silent changes", i, n)
			}
			w.Open(a.ID)
		}
	})
}

// The lead belongs to a city commission: its filing begins there.
func TestAuthorityIsThatOfTheLead(t *testing.T) {
	each(t, func(t *testing.T, w *filingtest.World) {
		w.OK(w.Alliances.SetStanding(ctx, w.Admin, alliance.Fact{SubjectID: w.Office.Org, Field: alliance.Affiliation, Value: w.City.Org, Evidence: "隶属关系文件", Period: alliance.Period{ValidFrom: "2026-01-01"}}))
		a, err := w.Alliances.Form(ctx, w.Office, alliance.Formation{Name: "永州远程协作网", Kind: alliance.TelemedicineNetwork, Region: "431102", Lead: w.Office.Org,
			Members: []string{w.Org("珠山镇中心卫生院")}, On: "2026-03-02", Reason: "协议"})
		w.OK(err)
		w.Ready(a, "2026-03-02")
		c, err := w.Filings.Send(ctx, w.Office, w.Ref(w.Open(a.ID)), "")
		w.OK(err)
		if c.State != filing.StateCity || c.To.Org != w.City.Org {
			t.Errorf("sent to %s, want the city", c.To.OrgName)
		}
		v, err := w.Filings.View(ctx, w.Office, c.ID)
		w.OK(err)
		if len(v.Levels) != 2 {
			t.Errorf("%d levels, want city and province", len(v.Levels))
		}
	})
}

// Amber at D+3, red after the due day, and then the bell rings one level up.
func TestAmberThenOneLevelUp(t *testing.T) {
	each(t, func(t *testing.T, w *filingtest.World) {
		a := w.Community("2026-03-02")
		light := func(day calendar.Date) filing.Light {
			dbtest.SetClock(w.DB, day.Time().Add(10*time.Hour))
			v, err := w.Filings.View(ctx, w.Office, w.Open(a.ID).ID)
			w.OK(err)
			return v.Light
		}
		for day, want := range map[calendar.Date]filing.Light{"2026-03-02": filing.Green, "2026-03-04": filing.Green, "2026-03-05": filing.Amber, "2026-03-09": filing.Amber, "2026-03-10": filing.Red} {
			if got := light(day); got != want {
				t.Errorf("%s: light %d, want %d", day, got, want)
			}
		}
		dbtest.SetClock(w.DB, calendar.Date("2026-03-10").Time().Add(10*time.Hour))
		if err := w.Queue.Drain(ctx); err != nil {
			t.Fatal(err)
		}
		up := slices.ContainsFunc(w.Notices, func(n flow.Notice) bool {
			return n.Level == "overdue" && n.Org == w.County.Org && n.Role == access.BureauCounty
		})
		if !up {
			t.Errorf("the county was not told: %+v", w.Notices)
		}
		rows, err := w.Filings.List(ctx, w.County)
		w.OK(err)
		if len(rows) != 1 || !rows[0].Pressing || rows[0].Light != filing.Red {
			t.Errorf("%+v", rows)
		}
	})
}

// X8: a major change is filed as a change, or literally cancels the filing.
func TestLiteralCancellation(t *testing.T) {
	each(t, func(t *testing.T, w *filingtest.World) {
		for _, literal := range []string{filing.LiteralChange, filing.LiteralCancel} {
			f := filing.Filing{Track: filing.Major, Literal: literal, State: filing.Filed}
			_, valid := filing.Valid([]filing.Filing{f})
			if valid != (literal == filing.LiteralChange) {
				t.Errorf("%s: valid %v, %s", literal, valid, f.Title())
			}
		}
		js, err := w.Book.Resolve("filing.on_change", policy.Place{Regions: []string{"3201", "32", "CN"}}, "2019-06-01")
		if err != nil || js.Text() != filing.LiteralCancel || js.Clause != "JS-5.3" {
			t.Errorf("Jiangsu: %+v %v", js, err)
		}
		ll, err := w.Book.Resolve("filing.on_change", policy.Place{Regions: []string{"431102", "4311", "43", "CN"}}, "2026-03-02")
		if err != nil || ll.Text() != filing.LiteralChange {
			t.Errorf("Lingling: %+v %v", ll, err)
		}
	})
}

// Random people do random things: what is offered is what is accepted, no open
// filing is without owner and clock, and no change is silent.
func TestRandomOrdersKeepTheMachineLegal(t *testing.T) {
	each(t, func(t *testing.T, w *filingtest.World) {
		a := w.Community("2026-03-02")
		w.Ready(a, "2026-03-02")
		actors := []access.Actor{w.Office, w.Secretary, w.County, w.City, w.Province, w.TCMOffice}
		runs, limit := 0, 10
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; runs > limit {
				return
			}
			if open := dbtest.View(t, w.DB, func(tx *db.Tx) ([]filing.Filing, error) { return filing.Of(ctx, tx, a.ID) }); open[0].State != "open" {
				w.OK(w.Alliances.SetStanding(ctx, w.Admin, alliance.Fact{SubjectID: w.Office.Org, Field: alliance.Representative, Value: "院长" + w.Token(), Evidence: "证书", Period: alliance.Period{ValidFrom: "2026-03-02"}}))
			}
			c := w.Open(a.ID)
			for range rapid.IntRange(1, 12).Draw(rt, "steps") {
				if !c.Open() {
					break
				}
				dbtest.SetClock(w.DB, w.DB.Now().Add(time.Duration(rapid.IntRange(1, 300).Draw(rt, "minutes"))*time.Minute))
				actor := rapid.SampledFrom(actors).Draw(rt, "actor")
				act := rapid.SampledFrom([]string{filing.ActSend, filing.ActPass, filing.ActFile, filing.ActReturn, filing.ActPass, filing.ActFile}).Draw(rt, "act")
				offered := slices.ContainsFunc(w.Flow.Actions(c, actor), func(x flow.Action) bool { return x.Name == act })
				ref := w.Ref(c)
				var err error
				switch act {
				case filing.ActSend:
					_, err = w.Filings.Send(ctx, actor, ref, "")
				case filing.ActPass:
					_, err = w.Filings.Pass(ctx, actor, ref)
				case filing.ActFile:
					_, err = w.Filings.File(ctx, actor, ref)
				case filing.ActReturn:
					_, err = w.Filings.Return(ctx, actor, ref, "章程", "form", "缺章")
				}
				if offered != (err == nil) {
					rt.Fatalf("%s by %s at %s: offered %v, %v", act, actor.Name, c.State, offered, err)
				}
				if err == nil {
					stale := ref
					stale.Once = w.Token()
					var late *flow.StaleError
					if _, err := w.Filings.Send(ctx, w.Office, stale, ""); !errors.As(err, &late) {
						rt.Fatalf("an old version: %v", err)
					}
				}
				now, err := db.Read(ctx, w.DB, flow.Get, c.ID)
				w.OK(err)
				if now.Open() && (now.OwnerOrg == "" || now.OwnerRole == "" || now.DueAt.IsZero()) {
					rt.Fatalf("stray: %+v", now)
				}
				c = now
			}
			if n := silent(w); n != 0 {
				rt.Fatalf("%d silent changes", n)
			}
		})
	})
}

// JS-5.3: strict calendar: a filing whose deadline cannot be counted is refused.
func TestStrictCalendar(t *testing.T) {
	w := filingtest.New(t, dbtest.SQLite(t))
	last := w.Calendar.LastKnown()
	dbtest.SetClock(w.DB, last.Time().Add(9*time.Hour))
	err := w.Alliances.Leave(ctx, w.Office, w.General().ID, w.Org("凼底乡卫生院"), last, "退出")
	if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), "工作日历") {
		t.Errorf("%v", err)
	}
}
