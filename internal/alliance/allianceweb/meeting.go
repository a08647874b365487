package allianceweb

import (
	"fmt"
	"strings"

	"yilian/internal/governance"
	"yilian/internal/web"
)

func postOptions() []web.Option {
	out := []web.Option{{Value: string(governance.Chair), Text: "理事长、主任委员、书记、组长"}, {Value: string(governance.Vice), Text: "副理事长、副主任委员、副书记"}, {Value: string(governance.Sits), Text: "理事、委员"}}
	return append(out, web.Option{Value: string(governance.Director), Text: "办公室主任"}, web.Option{Value: string(governance.Deputy), Text: "办公室副主任"}, web.Option{Value: string(governance.ContactP), Text: "联络人"})
}

// decisionsShown is how many decisions the form of a meeting has room for.
const decisionsShown = 3

func meetingFields(s *sheet) []field {
	var people []web.Option
	for _, o := range s.Organs {
		for _, x := range o.Seats {
			people = append(people, web.Option{Value: x.Name, Text: x.Name, Note: o.Title + x.Post.Title(o.Code)})
		}
	}
	out := []field{s.choice("召开的机构", "organ", s.organs()), s.input("会议名称", "title", "text", ""), s.input("召开日期", "held_on", "date", string(s.Todays)),
		{"input", web.Control{Label: "地点", Name: "place", Value: s.value("place", ""), Err: s.Err}}, s.input("主持人", "chair", "text", ""), s.area("议程（一行一项）", "agenda"),
		s.checks("到会人员", "present", people), s.area("会议纪要", "minutes")}
	var changes []web.Option
	for i, c := range s.Changes {
		if i < 20 {
			changes = append(changes, web.Option{Value: c.ID, Text: c.Text, Note: string(c.EffectiveOn)})
		}
	}
	for i := range decisionsShown {
		n := fmt.Sprintf("decision.%d", i)
		num := func(label, name string) field {
			return field{"input", web.Control{Label: label, Name: n + "." + name, Type: "number", Value: s.value(n+"."+name, ""), Err: s.Err}}
		}
		change := s.choice("决定了哪项变更", n+".change", changes)
		change.Required, change.Empty = false, "没有关联的变更"
		out = append(out, field{"title", web.Control{Label: fmt.Sprintf("第 %d 项决议（没有可不填）", i+1)}},
			field{"text", web.Control{Label: "决议内容", Name: n, Value: s.value(n, ""), Err: s.Err, Rows: 2}}, num("同意", "for"), num("反对", "against"), num("弃权", "abstained"), change)
	}
	return out
}

func holdMeeting(c call) error {
	m := governance.Meeting{Organ: c.text("organ"), Title: c.text("title"), HeldOn: c.day("held_on"), Place: c.text("place"), Chair: c.text("chair"), Minutes: c.text("minutes"), Present: c.list("present")}
	for line := range strings.Lines(c.text("agenda")) {
		if line = strings.TrimSpace(line); line != "" {
			m.Agenda = append(m.Agenda, line)
		}
	}
	for i := range decisionsShown {
		n := fmt.Sprintf("decision.%d", i)
		if c.text(n) == "" {
			continue
		}
		d := governance.Decision{Text: c.text(n), For: c.number(n + ".for"), Against: c.number(n + ".against"), Abstained: c.number(n + ".abstained")}
		if id := c.text(n + ".change"); id != "" {
			d.Changes = []string{id}
		}
		m.Decisions = append(m.Decisions, d)
	}
	_, err := c.governance().Hold(c.ctx, c.actor, m)
	return err
}
