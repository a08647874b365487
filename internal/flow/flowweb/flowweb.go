// Package flowweb is what the pages of every kind of case show in the same
// way: the colour of a state, the tabs of a list, the steps of a timeline.
package flowweb

import (
	"strings"

	"yilian/internal/flow"
	"yilian/internal/policy"
	"yilian/internal/web"
)

// Tone is the colour of a state's badge.
func Tone(m *flow.Machine, state string) web.Tone {
	s, _ := m.State(state)
	return web.ToneOf(s.Tone)
}

// Tabs are the tabs of a list by state: all, then the states that hold
// something or are chosen, in the order of the machine. address gives the list
// of one state, "" for all.
func Tabs(m *flow.Machine, list []flow.StateCount, chosen string, address func(state string) string) []web.Tab {
	counts := map[string]int64{}
	for _, c := range list {
		counts[c.State] = c.N
	}
	tabs := []web.Tab{{Title: "全部", URL: address(""), Count: int(Total(list, "")), Active: chosen == ""}}
	for _, s := range m.States {
		if counts[s.Name] > 0 || s.Name == chosen {
			tabs = append(tabs, web.Tab{Title: s.Title, URL: address(s.Name), Count: int(counts[s.Name]), Tone: Tone(m, s.Name), Active: chosen == s.Name})
		}
	}
	return tabs
}

// Total is how many cases a list holds in a state, in all states for "".
func Total(list []flow.StateCount, state string) (n int64) {
	for _, c := range list {
		if state == "" || c.State == state {
			n += c.N
		}
	}
	return n
}

// SplitSubject parts the name of a case's subject from sex and age.
func SplitSubject(subject string) (name, rest string) {
	name, rest, _ = strings.Cut(subject, " ")
	return name, rest
}

// Moment is one step of a case on its timeline: what was done and why, how
// long which institution had held it before, the new state and its deadline.
func Moment(m *flow.Machine, c flow.Case, e flow.Event, icon string) web.Moment {
	out := web.Moment{At: e.At, Title: e.ActionTitle, Who: e.Name, Org: e.OrgName, Tone: Tone(m, e.ToState), Icon: icon}
	out.Text = e.ReasonTitle + e.Comment
	if e.ReasonTitle != "" && e.Comment != "" {
		out.Text = e.ReasonTitle + "：" + e.Comment
	}
	var notes []string
	if e.Held > 0 && e.HeldSide != flow.Nobody {
		org := c.From.OrgName
		if e.HeldSide == flow.To {
			org = c.To.OrgName
		}
		notes = append(notes, "此前等"+org+" "+web.Span(e.Held))
	}
	if e.FromState != e.ToState {
		if e.ToState != "" {
			notes = append(notes, "状态：“"+m.StateTitle(e.ToState)+"”")
		}
		if !e.DueAt.IsZero() {
			notes = append(notes, "时限 "+web.FormatTime(e.DueAt))
		}
		if e.Clause != "" {
			notes = append(notes, "依据 "+policy.ClauseTitle(e.Clause))
		}
	}
	out.Note = strings.Join(notes, " · ")
	return out
}
