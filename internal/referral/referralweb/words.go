package referralweb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/flow"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/referral"
	"yilian/internal/web"
)

// machine is the declaration, for titles and colours of states.
var machine = referral.Machine()

// urgent reports whether a row carries the red edge.
func urgent(level string) bool { return level == "I" || level == "II" }

func urgencyTone(level string) web.Tone {
	if level == "III" {
		return web.Warn
	}
	return web.Neutral
}

func directionIcon(d referral.Direction) string {
	switch d {
	case referral.Up:
		return "arrow-up-right"
	case referral.Down:
		return "arrow-down-left"
	}
	return "arrow-right"
}

func directionClass(d referral.Direction) string {
	if d == referral.Down {
		return "direction direction-down"
	}
	return "direction direction-up"
}

// shanghai is the zone of every time on a page.
var shanghai = calendar.Shanghai

// person is sex and age as lists show them.
func person(p patient.Patient, now time.Time) string {
	return patient.SexTitle(p.Sex) + " · " + web.Age(string(p.BirthDate), string(calendar.DateOf(now)))
}

func orgOf(c flow.Case, org string) string {
	switch org {
	case c.From.Org:
		return c.From.OrgName
	case c.To.Org:
		return c.To.OrgName
	}
	return ""
}

// ownerText names whose turn it is: institution, role or person.
func ownerText(v *view) string {
	c := v.Case
	org := orgOf(c, c.OwnerOrg)
	if org == "" {
		org = v.OwnerOrgName
	}
	if c.OwnerName != "" {
		return org + " " + c.OwnerName
	}
	return org + " " + c.OwnerRole.Title()
}

// turnText is the sentence that leaves nobody in doubt.
func turnText(v *view) string {
	c := v.Case
	if !c.Open() && c.State != referral.StateClosed {
		text := "本单" + machine.StateTitle(c.State)
		if n := len(v.Timeline); n > 0 && v.Timeline[n-1].ReasonTitle != "" {
			text += "，原因：" + v.Timeline[n-1].ReasonTitle
		}
		return text + "。"
	}
	if !c.Open() {
		text := "本单已办结"
		if v.Titles.Outcome != "" {
			text += "，结局：" + v.Titles.Outcome
		}
		return text + "。"
	}
	text := "现在轮到：" + ownerText(v)
	if left := c.DueAt.Sub(v.Now); left > 0 {
		text += "，" + web.Span(left) + "内办理（截止 " + web.FormatTime(c.DueAt) + "）"
	} else {
		text += "，已超时 " + web.Span(-left) + "（应于 " + web.FormatTime(c.DueAt) + " 前办理）"
	}
	return text
}

// heldText says how long the case has waited on either side, seen by the reader.
func heldText(v *view) string {
	c := v.Case
	switch v.Actor.Org {
	case c.From.Org:
		return "等我方 " + web.Span(v.HeldFrom) + "，等对方 " + web.Span(v.HeldTo)
	case c.To.Org:
		return "等我方 " + web.Span(v.HeldTo) + "，等对方 " + web.Span(v.HeldFrom)
	}
	return "等申请方 " + web.Span(v.HeldFrom) + "，等接收方 " + web.Span(v.HeldTo)
}

func actionIcon(action string) string {
	if a, ok := actions[action]; ok && a.icon != "" {
		return a.icon
	}
	switch action {
	case "open":
		return "file-plus"
	case "overdue":
		return "clock-exclamation"
	case referral.ActSubmit:
		return "send"
	}
	return "point"
}

func options(list []policy.Code) []web.Option {
	out := make([]web.Option, len(list))
	for i, c := range list {
		out[i] = web.Option{Value: c.Code, Text: c.Title}
	}
	return out
}

func fixed(list []referral.Code) []web.Option {
	out := make([]web.Option, len(list))
	for i, c := range list {
		out[i] = web.Option{Value: c.Code, Text: c.Title}
	}
	return out
}

// loadText is a department's day: 3 / 10; a capacity of 0 is not kept.
func loadText(l referral.Load) string {
	if l.Capacity == 0 {
		return strconv.Itoa(l.Taken) + " 例（未设上限）"
	}
	return fmt.Sprintf("%d / %d", l.Taken, l.Capacity)
}

func full(l referral.Load) bool { return l.Capacity > 0 && l.Taken >= l.Capacity }

// vitalsText writes what was measured; what was not is left out.
func vitalsText(v referral.Vitals) string {
	var out []string
	if v.Temperature != nil {
		out = append(out, fmt.Sprintf("体温 %.1f ℃", *v.Temperature))
	}
	for _, x := range []struct {
		label, unit string
		value       *int
	}{{"脉搏", "次/分", v.Pulse}, {"呼吸", "次/分", v.Respiration}} {
		if x.value != nil {
			out = append(out, fmt.Sprintf("%s %d %s", x.label, *x.value, x.unit))
		}
	}
	if v.Systolic != nil && v.Diastolic != nil {
		out = append(out, fmt.Sprintf("血压 %d/%d mmHg", *v.Systolic, *v.Diastolic))
	}
	if v.SpO2 != nil {
		out = append(out, fmt.Sprintf("血氧饱和度 %d%%", *v.SpO2))
	}
	return strings.Join(out, "，")
}

// may reports whether the actor's role has a right in his own institution.
func may(actor access.Actor, right access.Right) bool {
	return access.Allowed(access.Role(actor.Role), right, access.Own)
}

// wrongField is an input error of one field that only this package reads.
func wrongField(name, message string) error {
	var f errs.Form
	f.Add(name, "%s", message)
	return f.Err()
}

func join(list []string) string { return strings.Join(list, "；") }

func joinText(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " · " + b
}

// phoned reports whether a referral was telephoned in: the first thing that its
// timeline notes says so.
func phoned(timeline []flow.Event) bool {
	return slices.ContainsFunc(timeline, func(e flow.Event) bool { return e.ActionTitle == referral.PhonedIn })
}

// diagnosisOf is what a list shows of the disease.
func diagnosisOf(i referral.Item) string {
	if i.Hidden {
		return "（敏感，已隐藏）"
	}
	return firstOf(i.Diagnosis, i.Emergency)
}
