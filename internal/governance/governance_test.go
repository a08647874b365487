package governance_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"yilian/internal/alliance"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/filing/filingtest"
	"yilian/internal/flow"
	"yilian/internal/governance"
	"yilian/internal/policy"
)

var ctx = context.Background()

// council sets up a council with n seats beside the chair.
func council(w *filingtest.World, a alliance.Alliance, n int) governance.Organ {
	w.T.Helper()
	o, err := w.Governance.Establish(ctx, w.Office, governance.Organ{Alliance: a.ID, Code: governance.Council, EstablishedOn: "2026-03-02", Basis: "成立大会"})
	w.OK(err)
	_, err = w.Governance.Appoint(ctx, w.Office, governance.Seat{Organ: o.ID, Post: governance.Chair, Name: "伍院长", Org: w.Office.Org, Position: "院长", From: "2026-03-02", Basis: "选举"})
	w.OK(err)
	for i := range n {
		_, err = w.Governance.Appoint(ctx, w.Office, governance.Seat{Organ: o.ID, Post: governance.Sits, Name: fmt.Sprintf("理事%d", i), Org: w.Org("珠山镇中心卫生院"), Position: "院长", From: "2026-03-02", Basis: "选举"})
		w.OK(err)
	}
	return o
}

// LL-4.3.2: the chair is the head of the lead hospital; LL-4.3.3: one director,
// two deputies at most, one contact for each member.
func TestPostsFollowTheRules(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := filingtest.New(t, d)
		a := w.General()
		o := council(w, a, 0)
		office, err := w.Governance.Establish(ctx, w.Office, governance.Organ{Alliance: a.ID, Code: governance.Office, EstablishedOn: "2026-03-02", Basis: "理事会决议"})
		w.OK(err)
		appoint := func(organ string, post governance.Post, name, org, position string) error {
			_, err := w.Governance.Appoint(ctx, w.Office, governance.Seat{Organ: organ, Post: post, Name: name, Org: org, Position: position, From: "2026-03-02", Basis: "任命"})
			return err
		}
		zhushan := w.Org("珠山镇中心卫生院")
		for _, x := range []struct {
			name   string
			err    error
			clause string
		}{
			{"a second chair", appoint(o.ID, governance.Chair, "唐院长", w.Office.Org, "院长"), "已有理事长"},
			{"a first director", appoint(office.ID, governance.Director, "一", w.Office.Org, "科长"), ""},
			{"a second director", appoint(office.ID, governance.Director, "二", w.Office.Org, "科长"), "LL-4.3.3"},
			{"a first deputy", appoint(office.ID, governance.Deputy, "三", w.Office.Org, "科员"), ""},
			{"a second deputy", appoint(office.ID, governance.Deputy, "四", w.Office.Org, "科员"), ""},
			{"a third deputy", appoint(office.ID, governance.Deputy, "五", w.Office.Org, "科员"), "LL-4.3.3"},
			{"a contact", appoint(office.ID, governance.ContactP, "六", zhushan, "办公室"), ""},
			{"a second contact of a member", appoint(office.ID, governance.ContactP, "七", zhushan, "办公室"), "LL-4.3.3"},
			{"a chair in an office", appoint(office.ID, governance.Chair, "八", zhushan, "院长"), "请选择"},
		} {
			if (x.err == nil) != (x.clause == "") || x.err != nil && !strings.Contains(x.err.Error(), x.clause) {
				t.Errorf("%s: %v", x.name, x.err)
			}
		}
		rules := dbtest.View(t, d, func(tx *db.Tx) (governance.Rules, error) {
			at, err := alliance.Place(ctx, tx, a)
			return governance.RulesAt(w.Book, at, "2026-03-02"), err
		})
		for _, s := range []governance.Seat{{Post: governance.Chair, Org: zhushan, Position: "院长"}, {Post: governance.Chair, Org: w.Office.Org, Position: "副院长"}} {
			if err := rules.CheckSeat(governance.Organ{Code: governance.Council}, s, w.Office.Org); err == nil || !strings.Contains(err.Error(), "LL-4.3.2") {
				t.Errorf("%+v: %v", s, err)
			}
		}
		gaps := dbtest.View(t, d, func(tx *db.Tx) ([]governance.Gap, error) {
			organs, err := governance.Organs(ctx, tx, a.ID, "2026-03-02")
			if err != nil {
				return nil, err
			}
			members, err := alliance.MembersOn(ctx, tx, a.ID, "2026-03-02", tx.Now)
			return rules.Gaps(organs, members, "2026-03-02"), err
		})
		text := fmt.Sprint(gaps)
		if !strings.Contains(text, "没有设立医疗质量控制委员会") || !strings.Contains(text, "15 家成员单位没有指定联络人") || strings.Contains(text, "没有设立医联体理事会") {
			t.Errorf("%s", text)
		}
	})
}

// SMX-4.1.2: the management committee is chaired by the head of government.
func TestCommitteeIsChairedByTheGovernment(t *testing.T) {
	w := filingtest.New(t, dbtest.SQLite(t))
	r := governance.RulesAt(w.Book, policy.Place{Regions: []string{"411224", "4112", "41", "CN"}, Kind: "county_community"}, "2019-09-01")
	o := governance.Organ{Code: governance.ManagementCommittee, Title: "医院管理委员会"}
	for position, ok := range map[string]bool{"县长": true, "副县长": false, "局长": false, "政府主要负责同志": true} {
		err := r.CheckSeat(o, governance.Seat{Post: governance.Chair, Name: "某", OrgName: "县", Position: position}, "")
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "SMX-4.1.2") {
			t.Errorf("%s: %v", position, err)
		}
	}
}

// LL-4.3.2, A6: a term of three years raises a task 90 days before it ends, once,
// and the new term closes it.
func TestTermRaisesATask(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := filingtest.New(t, d)
		o := council(w, w.General(), 0)
		if o.TermTo != "2029-03-01" {
			t.Fatalf("term to %s", o.TermTo)
		}
		remind := func(day calendar.Date) []flow.Case {
			dbtest.SetClock(d, day.Time().Add(6*time.Hour))
			w.OK(d.Tx(ctx, func(tx *db.Tx) error { return w.Governance.Remind(ctx, tx) }))
			return dbtest.View(t, d, func(tx *db.Tx) ([]flow.Case, error) {
				return flow.Worklist(ctx, tx, flow.Query{Kind: governance.TermKind, Open: true})
			})
		}
		if n := len(remind("2028-11-30")); n != 0 {
			t.Errorf("%d tasks 91 days before", n)
		}
		open := remind("2028-12-01")
		if len(open) != 1 || calendar.DateOf(open[0].DueAt) != "2029-03-01" || open[0].OwnerOrg != w.Office.Org {
			t.Fatalf("%+v", open)
		}
		if n := len(remind("2028-12-02")); n != 1 {
			t.Errorf("%d tasks the day after", n)
		}
		w.OK(w.Governance.Renew(ctx, w.Office, o.ID, "2029-03-02", "换届大会"))
		if n := len(remind("2028-12-03")); n != 0 {
			t.Errorf("%d tasks after the renewal", n)
		}
	})
}

// A7: without quorum no decision; votes add up; a decision links to what it
// changed.
func TestMeetingsDecide(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := filingtest.New(t, d)
		a := w.General()
		o := council(w, a, 5)
		w.OK(w.Alliances.Leave(ctx, w.Office, a.ID, w.Org("凼底乡卫生院"), "2026-04-01", "理事会决议"))
		changes := dbtest.View(t, d, func(tx *db.Tx) ([]alliance.Change, error) { return alliance.Changes(ctx, tx, a.ID) })
		m := governance.Meeting{Organ: o.ID, Title: "第一次会议", HeldOn: "2026-03-02", Chair: "伍院长", Agenda: []string{"成员调整"}, Minutes: "经讨论同意。", Present: []string{"伍院长", "理事0", "理事1"}}
		m.Decisions = []governance.Decision{{Text: "同意凼底乡卫生院退出", For: 3, Changes: []string{changes[0].ID}}}
		refused := func(what, text string) {
			t.Helper()
			if _, err := w.Governance.Hold(ctx, w.Secretary, m); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v", what, err)
			}
		}
		refused("three of six", "不足成员 6 人")
		m.Present = []string{"伍院长", "理事0", "理事1", "路人"}
		refused("a stranger", "路人不是")
		m.Present[3] = "理事2"
		refused("votes", "应等于到会 4 人")
		m.Decisions[0].For, m.Decisions[0].Against = 2, 2
		refused("a tie that changed something", "没有通过的决议")
		m.Decisions[0].For, m.Decisions[0].Against = 3, 1
		held, err := w.Governance.Hold(ctx, w.Secretary, m)
		w.OK(err)
		got := dbtest.View(t, d, func(tx *db.Tx) (governance.Meeting, error) { return governance.GetMeeting(ctx, tx, held.ID) })
		if !got.Decisions[0].Passed || len(got.Decisions[0].Changes) != 1 || got.Members != 6 || got.Decisions[0].EffectiveOn != "2026-03-02" {
			t.Errorf("%+v", got)
		}
	})
}

// SMX-4.1.3, A9: the score is what the rows say; JS and SMX ask for their own.
func TestUnifiedScore(t *testing.T) {
	w := filingtest.New(t, dbtest.SQLite(t))
	for place, want := range map[string]int{"411224 4112 41 CN": 7, "320982 3209 32 CN": 4, "431102 4311 43 CN": 0} {
		r := governance.RulesAt(w.Book, policy.Place{Regions: strings.Fields(place), Kind: "county_community"}, "2019-09-01")
		if len(r.Unified) != want {
			t.Errorf("%s: %d managements, want %d", place, len(r.Unified), want)
		}
		var rows []governance.Unified
		for i, c := range r.Unified {
			rows = append(rows, governance.Unified{Code: c.Code, State: []governance.UnifiedState{governance.Wholly, governance.Partly, governance.NotUnified}[i%3]})
		}
		halves, of := governance.Score(r.Unified, rows)
		if of != 2*want || want == 7 && halves != 8 {
			t.Errorf("%d of %d", halves, of)
		}
	}
}

// LL-5: a phase whose date has passed says so until it is recorded as done.
func TestMilestones(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := filingtest.New(t, d)
		a := w.General()
		list := func() []governance.Milestone {
			return dbtest.View(t, d, func(tx *db.Tx) ([]governance.Milestone, error) { return w.Governance.Milestones(ctx, tx, a) })
		}
		all := list()
		if len(all) != 3 || all[0].Word("2020-06-01") != "进行中" || all[0].Word("2026-03-02") != "期满未登记完成" || all[1].Word("2020-06-01") != "未开始" {
			t.Fatalf("%+v", all)
		}
		w.OK(w.Governance.Reach(ctx, w.Office, a.ID, all[0].Clause, all[0].Name, governance.Done, "工作总结", "2020-12-30"))
		if got := list()[0]; got.Word("2026-03-02") != "已完成" || got.Evidence != "工作总结" {
			t.Errorf("%+v", got)
		}
		if err := w.Governance.Reach(ctx, w.Office, a.ID, "LL-5", "没有的阶段", governance.Done, "x", "2020-12-30"); !errs.Is(err, errs.Invalid) {
			t.Errorf("%v", err)
		}
	})
}

// JS-4.5.1 to 4.5.4, JS-A3: what each kind of alliance in Jiangsu must have, from
// the profile; without it every organ and office is missing by name.
func TestOrgansOfJiangsu(t *testing.T) {
	w := filingtest.New(t, dbtest.SQLite(t))
	for _, x := range []struct {
		clause string
		kind   alliance.Kind
		organs string // titles that are missing by name
		parts  string // of the charter or agreement
	}{
		{"JS-4.5.1", alliance.MedicalGroup, "医疗集团管理委员会 医疗集团党委 理事会", "组织机构 管理制度 议事规则"},
		{"JS-4.5.2", alliance.CountyCommunity, "医共体管理委员会 医共体党委 理事会 医疗管理机构 人力资源管理机构 财务管理机构 医保管理机构 公共卫生管理机构 信息化管理机构 后勤管理机构", ""},
		{"JS-4.5.3", alliance.SpecialtyAlliance, "理事会", ""},
		{"JS-4.5.4", alliance.TelemedicineNetwork, "专门机构", "组织架构 管理制度 功能定位 责任共担机制 利益分配机制"},
	} {
		r := governance.RulesAt(w.Book, policy.Place{Regions: []string{"320982", "3209", "32", "CN"}, Kind: string(x.kind)}, "2021-06-01")
		var missing []string
		for _, g := range r.Gaps(nil, nil, "2021-06-01") {
			missing = append(missing, strings.TrimPrefix(g.Text, "没有设立"))
			if g.Clause != x.clause {
				t.Errorf("%s: %s rests on %s", x.clause, g.Text, g.Clause)
			}
		}
		if got := strings.Join(missing, " "); got != x.organs {
			t.Errorf("%s misses %s, want %s", x.clause, got, x.organs)
		}
		var parts []string
		for _, p := range r.Parts {
			if p.Clause == x.clause {
				parts = append(parts, p.Title)
			}
		}
		if got := strings.Join(parts, " "); got != x.parts {
			t.Errorf("%s asks for the parts %s, want %s", x.clause, got, x.parts)
		}
		if x.kind == alliance.CountyCommunity && r.Representative.Text != alliance.Shared {
			t.Errorf("a county community has one legal representative: %+v", r.Representative)
		}
		if x.kind == alliance.SpecialtyAlliance && (!r.Independent.Is || r.Representative.Text != alliance.Own) {
			t.Errorf("the members of a specialty alliance: %+v %+v", r.Independent, r.Representative)
		}
	}
}
