package flowweb_test

import (
	"slices"
	"testing"
	"time"

	"yilian/internal/flow"
	"yilian/internal/flow/flowweb"
	"yilian/internal/web"
)

var machine = flow.Machine{Kind: "exam", States: []flow.State{
	{Name: "asked", Title: "待受理", Tone: "orange"}, {Name: "taken", Title: "检查中", Tone: "blue"},
	{Name: "reported", Title: "已报告", Tone: "green"}, {Name: "refused", Title: "不受理", Tone: "red"},
	{Name: "withdrawn", Title: "已撤回", Tone: "gray"},
}}

func TestToneAndTitleOfEachState(t *testing.T) {
	for state, want := range map[string]struct {
		tone  web.Tone
		title string
	}{
		"asked": {web.Warn, "待受理"}, "taken": {web.Info, "检查中"}, "reported": {web.Good, "已报告"},
		"refused": {web.Bad, "不受理"}, "withdrawn": {web.Neutral, "已撤回"}, "no such state": {web.Neutral, "no such state"},
	} {
		if tone, title := flowweb.Tone(&machine, state), machine.StateTitle(state); tone != want.tone || title != want.title {
			t.Errorf("%s: %q %q, want %q %q", state, tone, title, want.tone, want.title)
		}
	}
}

func TestTabsShowWhatHoldsSomethingOrIsChosen(t *testing.T) {
	counts := []flow.StateCount{{State: "reported", N: 2}, {State: "asked", N: 3}}
	got := flowweb.Tabs(&machine, counts, "refused", func(state string) string { return "/exams?state=" + state })
	want := []web.Tab{
		{Title: "全部", URL: "/exams?state=", Count: 5},
		{Title: "待受理", URL: "/exams?state=asked", Count: 3, Tone: web.Warn},
		{Title: "已报告", URL: "/exams?state=reported", Count: 2, Tone: web.Good},
		{Title: "不受理", URL: "/exams?state=refused", Tone: web.Bad, Active: true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if all, asked, none := flowweb.Total(counts, ""), flowweb.Total(counts, "asked"), flowweb.Total(counts, "taken"); all != 5 || asked != 3 || none != 0 {
		t.Errorf("%d %d %d", all, asked, none)
	}
}

func TestMomentSaysWhyHowLongAndWhatNext(t *testing.T) {
	c := flow.Case{From: flow.Party{OrgName: "水口山镇中心卫生院"}, To: flow.Party{OrgName: "常宁市人民医院"}}
	due := time.Date(2026, 3, 2, 2, 30, 0, 0, time.UTC)
	e := flow.Event{ActionTitle: "受理", Name: "王某某", FromState: "asked", ToState: "taken", HeldSide: flow.To, Held: 125 * time.Minute,
		ReasonTitle: "设备空闲", Comment: "可即到", DueAt: due}
	m := flowweb.Moment(&machine, c, e, "check")
	if want := "此前等常宁市人民医院 2 小时 5 分 · 状态：“检查中” · 时限 " + web.FormatTime(due); m.Note != want || m.Text != "设备空闲：可即到" || m.Tone != web.Info || m.Icon != "check" {
		t.Errorf("%+v, want note %q", m, want)
	}
	e.FromState, e.HeldSide, e.ReasonTitle = "taken", flow.Nobody, ""
	if m := flowweb.Moment(&machine, c, e, ""); m.Note != "" || m.Text != "可即到" {
		t.Errorf("a step that moves nothing says %+v", m)
	}
}
