package practitionerweb

import (
	"fmt"
	"net/url"

	"yilian/internal/calendar"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
	"yilian/internal/web"
)

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

func orgOptions(orgs []organization.Organization) []web.Option {
	return web.Choices(orgs, func(o organization.Organization) (string, string) { return o.ID, o.Name })
}

func departmentOptions(departments []organization.Department) []web.Option {
	return web.Choices(departments, func(d organization.Department) (string, string) { return d.ID, d.Name })
}

func personOptions(people []practitioner.Practitioner) []web.Option {
	return web.Choices(people, func(p practitioner.Practitioner) (string, string) { return p.ID, p.Name + " " + p.Title })
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
