package practitionerweb

import (
	"fmt"
	"net/url"

	"yilian/internal/calendar"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
	"yilian/internal/web"
)

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// week is the address of the roster some days away; 0 is the current week.
func (p rosterPage) week(days int) string {
	v := url.Values{"org": {p.Org.ID}}
	if days != 0 {
		v.Set("week", string(p.Monday.AddDays(days)))
	}
	if p.Department != "" {
		v.Set("department", p.Department)
	}
	return "/roster?" + v.Encode()
}

// firstDay is the day the form proposes: today, or the first day of the week
// that is shown.
func (p rosterPage) firstDay() calendar.Date {
	if p.Monday == mondayOf(p.Today) {
		return p.Today
	}
	return p.Monday
}

var weekdays = [7]string{"周一", "周二", "周三", "周四", "周五", "周六", "周日"}

func dayTitle(monday calendar.Date, i int) string {
	day := monday.AddDays(i).Time()
	return fmt.Sprintf("%s %d月%d日", weekdays[i], day.Month(), day.Day())
}

func dayTitles(monday calendar.Date) []string {
	out := []string{"岗位"}
	for i := range weekdays {
		out = append(out, dayTitle(monday, i))
	}
	return out
}

func weekTitle(monday calendar.Date) string {
	from, to := monday.Time(), monday.AddDays(6).Time()
	return fmt.Sprintf("%d年%d月%d日 — %d月%d日", from.Year(), from.Month(), from.Day(), to.Month(), to.Day())
}

// hours reads 08:00—20:00, or 20:00—次日 08:00; a turn that began before the
// week is shown by its whole dates.
func hours(s practitioner.Shift, monday calendar.Date) string {
	from, to := s.From.In(calendar.Shanghai), s.To.In(calendar.Shanghai)
	if calendar.DateOf(s.From).Before(monday) {
		return fmt.Sprintf("%d月%d日 %s—%d月%d日 %s", from.Month(), from.Day(), from.Format("15:04"), to.Month(), to.Day(), to.Format("15:04"))
	}
	switch days := calendar.DateOf(s.From).DaysUntil(calendar.DateOf(s.To)); days {
	case 0:
		return from.Format("15:04") + "—" + to.Format("15:04")
	case 1:
		return from.Format("15:04") + "—次日 " + to.Format("15:04")
	default:
		return from.Format("15:04") + "—" + fmt.Sprintf("%d月%d日 ", to.Month(), to.Day()) + to.Format("15:04")
	}
}

func orgOptions(orgs []organization.Organization) (out []web.Option) {
	for _, o := range orgs {
		out = append(out, web.Option{Value: o.ID, Text: o.Name})
	}
	return out
}

func departmentOptions(departments []organization.Department) (out []web.Option) {
	for _, d := range departments {
		out = append(out, web.Option{Value: d.ID, Text: d.Name})
	}
	return out
}

func personOptions(people []practitioner.Practitioner) (out []web.Option) {
	for _, p := range people {
		out = append(out, web.Option{Value: p.ID, Text: p.Name + " " + p.Title})
	}
	return out
}

func dutyOptions() (out []web.Option) {
	for _, d := range practitioner.Duties() {
		out = append(out, web.Option{Value: string(d), Text: d.Title()})
	}
	return out
}

func categoryOptions() (out []web.Option) {
	for _, c := range practitioner.Categories() {
		out = append(out, web.Option{Value: string(c), Text: c.Title()})
	}
	return out
}

func textOptions(texts []string) (out []web.Option) {
	for _, t := range texts {
		out = append(out, web.Option{Value: t, Text: t})
	}
	return out
}

func statusValue(active bool) string {
	if active {
		return "open"
	}
	return "closed"
}

func personTitle(p practitioner.Practitioner) string {
	if p.ID == "" {
		return "登记人员"
	}
	return "修改资料：" + p.Name
}

func personAction(p practitioner.Practitioner) string {
	if p.ID == "" {
		return "/practitioners"
	}
	return "/practitioners/" + p.ID
}
