package scheduleweb

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/organization"
	"yilian/internal/practitioner"
	"yilian/internal/schedule"
	"yilian/internal/web"
)

func hm(t time.Time) string { return t.In(calendar.Shanghai).Format("15:04") }

// dayTitle heads a column: 周一 3月2日.
func dayTitle(monday calendar.Date, i int) string {
	t := monday.AddDays(i).Time()
	return fmt.Sprintf("%s %d月%d日", schedule.WeekdayTitle(t.Weekday()), t.Month(), t.Day())
}

func dayTitles(monday calendar.Date) []string {
	out := []string{"科室"}
	for i := range 7 {
		out = append(out, dayTitle(monday, i))
	}
	return out
}

func onDay(d calendar.Date) string {
	t := d.Time()
	return fmt.Sprintf("%d月%d日 %s", t.Month(), t.Day(), schedule.WeekdayTitle(t.Weekday()))
}

// weekdays are the days of a session in words: 周一至周五, 周二、周四.
func weekdays(days []time.Weekday) string {
	if len(days) == 7 {
		return "每天"
	}
	if len(days) == 5 && days[0] == time.Monday && days[4] == time.Friday {
		return "周一至周五"
	}
	names := make([]string, len(days))
	for i, d := range days {
		names[i] = schedule.WeekdayTitle(d)
	}
	return strings.Join(names, "、")
}

// tone colours what is left of a day.
func tone(l schedule.Load) web.Tone {
	switch {
	case l.Closed || l.Capacity == 0:
		return web.Neutral
	case l.Free == 0:
		return web.Bad
	case l.Free*4 <= l.Capacity:
		return web.Warn
	}
	return web.Good
}

// left is what is left of a day in words; a day that is over is only counted.
func left(l schedule.Load, today calendar.Date) string {
	switch {
	case l.Closed:
		return "停诊"
	case l.Day < today:
		return "已结束"
	case l.Free == 0:
		return "约满"
	}
	return "余 " + strconv.Itoa(l.Free)
}

// shares are the shares of a day in words: 转 2/5 签 0/2 公 1/5.
func shares(s schedule.Shares) string {
	var out []string
	for _, p := range []struct {
		pool schedule.Pool
		word string
	}{{schedule.Alliance, "转"}, {schedule.Contract, "签"}, {schedule.Public, "公"}} {
		if x := s[p.pool]; x.Places > 0 {
			out = append(out, fmt.Sprintf("%s %d/%d", p.word, x.Taken, x.Places))
		}
	}
	return strings.Join(out, "　")
}

func stateTone(s schedule.State) web.Tone {
	switch s {
	case schedule.Used:
		return web.Good
	case schedule.Booked:
		return web.Info
	case schedule.Missed:
		return web.Bad
	}
	return web.Warn
}

func dayURL(department string, day calendar.Date, kind schedule.Kind) string {
	return "/schedule/day?" + url.Values{"department": {department}, "day": {string(day)}, "kind": {string(kind)}}.Encode()
}

func departmentOptions(list []organization.Department) []web.Option {
	return web.Choices(list, func(d organization.Department) (string, string) { return d.ID, d.Name })
}

func doctorOptions(list []practitioner.Practitioner) []web.Option {
	return web.Choices(list, func(p practitioner.Practitioner) (string, string) { return p.ID, p.Name + " " + p.Title })
}

func orgOptions(list []organization.Organization) []web.Option {
	return web.Choices(list, func(o organization.Organization) (string, string) { return o.ID, o.Short() })
}

func serviceOptions(p planForm) []web.Option {
	return web.Choices(p.Services, func(h organization.HealthcareService) (string, string) { return h.ID, h.Name })
}

func weekdayOptions() []web.Option {
	return web.Choices(schedule.Week(), func(d time.Weekday) (string, string) { return strconv.Itoa(int(d)), schedule.WeekdayTitle(d) })
}

func freeOptions(list []schedule.Free) []web.Option {
	return web.Choices(list, func(f schedule.Free) (string, string) {
		return f.Slot.ID, schedule.When(f.Slot.Start) + " " + f.Slot.Title
	})
}

// planTitle heads the form of a session.
func planTitle(id string) string {
	if id == "" {
		return "新建出诊安排"
	}
	return "修改出诊安排"
}

func planAction(id string) string {
	if id == "" {
		return "/schedule/plans"
	}
	return "/schedule/plans/" + id
}

// term is how long a session is in force.
func term(c schedule.Schedule) string {
	if c.ValidTo == "" {
		return string(c.ValidFrom) + " 起"
	}
	return string(c.ValidFrom) + " 至 " + string(c.ValidTo)
}

// exceptionText is what an exception says beside its kind.
func exceptionText(e schedule.Exception, names map[string]string) string {
	switch {
	case e.Kind == schedule.Substitute:
		return names[e.Practitioner]
	case e.From == "":
		return "全天"
	case e.Kind == schedule.Extra:
		return fmt.Sprintf("%s—%s，每时段 %d 个号", e.From, e.To, e.Capacity)
	}
	return fmt.Sprintf("%s—%s", e.From, e.To)
}

func who(name string) string {
	if name == "" {
		return "当班医生"
	}
	return name
}
