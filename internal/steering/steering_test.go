package steering_test

import (
	"context"
	"testing"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/filing/filingtest"
	"yilian/internal/steering"
)

var ctx = context.Background()

const (
	profile = "lingling"
	group   = "leading"
	joint   = "joint"

	done = errs.Kind(-1) // no error is expected
)

// LL-6: the leading group, its office and the joint conference are set up by
// the county's bureau, with the posts that the document lists, and meet.
func TestLeadingGroup(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := filingtest.New(t, d)
		s := &steering.Service{DB: d, Log: w.Alliances.Log, Book: w.Book}
		of := func(region string, day calendar.Date) []steering.Group {
			return dbtest.View(t, d, func(tx *db.Tx) ([]steering.Group, error) { return s.Of(ctx, tx, region, day) })
		}
		if all := of("431102", "2026-03-02"); len(all) != 3 || all[0].Body.ID != group || len(all[0].Gaps()) != 1 || all[0].LastMeeting() != "" {
			t.Fatalf("%+v", all)
		}
		if all := of("32", "2026-03-02"); len(all) != 0 {
			t.Errorf("Jiangsu sees %+v", all)
		}
		seat := func(post, name string) steering.Seat {
			return steering.Seat{Post: post, Name: name, Position: "区卫生健康局局长", From: "2026-02-01", Basis: "成立文件"}
		}
		meeting := steering.Meeting{Title: "第一次会议", HeldOn: "2026-02-10", Chair: "何一", Present: "各成员", Minutes: "部署年度工作"}
		early, later := meeting, meeting
		early.HeldOn, later.HeldOn = "2026-01-10", "2030-01-01"
		for _, x := range []struct {
			name string
			do   func() error
			want errs.Kind
		}{
			{"an alliance's office", func() error { return s.Establish(ctx, w.Office, profile, group, "2026-02-01", "文件") }, errs.Forbidden},
			{"another bureau", func() error { return s.Establish(ctx, w.City, profile, group, "2026-02-01", "文件") }, errs.NotFound},
			{"a bureau's role at a hospital", func() error {
				a := w.County
				a.Org = w.Office.Org
				return s.Establish(ctx, a, profile, group, "2026-02-01", "文件")
			}, errs.Forbidden},
			{"a council is the alliance's", func() error { return s.Establish(ctx, w.County, profile, "council", "2026-02-01", "文件") }, errs.NotFound},
			{"no basis", func() error { return s.Establish(ctx, w.County, profile, group, "2026-02-01", " ") }, errs.Invalid},
			{"appointed before it is there", func() error { return s.Appoint(ctx, w.County, profile, group, seat("组长", "何一")) }, errs.Conflict},
			{"set up", func() error { return s.Establish(ctx, w.County, profile, group, "2026-02-01", "文件") }, done},
			{"set up twice", func() error { return s.Establish(ctx, w.County, profile, group, "2026-02-02", "文件") }, errs.Conflict},
			{"no such post", func() error { return s.Appoint(ctx, w.County, profile, group, seat("理事长", "何一")) }, errs.Invalid},
			{"a head", func() error { return s.Appoint(ctx, w.County, profile, group, seat("组长", "何一")) }, done},
			{"the same again", func() error { return s.Appoint(ctx, w.County, profile, group, seat("副组长", "何一")) }, errs.Invalid},
			{"a second head", func() error { return s.Appoint(ctx, w.County, profile, group, seat("组长", "何二")) }, errs.Invalid},
			{"a meeting before it was set up", func() error { return s.Hold(ctx, w.County, profile, group, early) }, errs.Invalid},
			{"a meeting to come", func() error { return s.Hold(ctx, w.County, profile, group, later) }, errs.Invalid},
			{"a meeting", func() error { return s.Hold(ctx, w.County, profile, group, meeting) }, done},
			{"the conference", func() error { return s.Establish(ctx, w.County, profile, joint, "2026-02-01", "文件") }, done},
			{"a participant", func() error { return s.Appoint(ctx, w.County, profile, joint, seat("成员", "唐三")) }, done},
		} {
			if err := x.do(); x.want == done && err != nil || x.want != done && !errs.Is(err, x.want) {
				t.Errorf("%s: %v, want %v", x.name, err, x.want)
			}
		}
		g := of("431102", "2026-03-02")[0]
		if g.LastMeeting() != "2026-02-10" || len(g.Seats) != 1 || len(g.Gaps()) != 2 {
			t.Errorf("last meeting %s, %d seats, %v", g.LastMeeting(), len(g.Seats), g.Gaps())
		}
		w.OK(s.Dismiss(ctx, w.County, profile, group, g.Seats[0].ID, "2026-03-01"))
		if n := len(of("431102", "2026-03-01")[0].Seats); n != 1 {
			t.Errorf("%d on the last day", n)
		}
		if n := len(of("431102", "2026-03-02")[0].Seats); n != 0 {
			t.Errorf("%d after the last day", n)
		}
		if err := s.Dismiss(ctx, w.County, profile, group, g.Seats[0].ID, "2026-03-02"); !errs.Is(err, errs.Invalid) {
			t.Errorf("dismissed twice: %v", err)
		}
		if err := s.Hold(ctx, access.Actor{Account: "x", Role: string(access.SystemAdmin)}, profile, group, meeting); !errs.Is(err, errs.Forbidden) {
			t.Errorf("an administrator: %v", err)
		}
	})
}
