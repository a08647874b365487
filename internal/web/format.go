package web

import (
	"fmt"
	"strconv"
	"time"
)

// Tone is the meaning of a colour.
type Tone string

// The tones: calm to alarming.
const (
	Neutral Tone = "secondary"
	Info    Tone = "blue"
	Good    Tone = "green"
	Warn    Tone = "orange"
	Bad     Tone = "red"
	Teal    Tone = "teal"   // downward referral, hand-back
	Indigo  Tone = "indigo" // in hospital, in progress
)

var shanghai = time.FixedZone("Asia/Shanghai", 8*3600) // no summer time since 1991

// FormatTime writes an instant as MM-DD HH:mm in Asia/Shanghai;
// — for the zero time.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.In(shanghai).Format("01-02 15:04")
}

// FormatFull writes an instant as YYYY-MM-DD HH:mm in Asia/Shanghai.
func FormatFull(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.In(shanghai).Format("2006-01-02 15:04")
}

// FormatDate writes the day of an instant as YYYY-MM-DD in Asia/Shanghai.
func FormatDate(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.In(shanghai).Format("2006-01-02")
}

// Age writes the age on a day, both days as YYYY-MM-DD: 3天, 5个月, 38岁; ""
// when a day cannot be read.
func Age(birthDate, on string) string {
	b, err1 := time.Parse("2006-01-02", birthDate)
	d, err2 := time.Parse("2006-01-02", on)
	if err1 != nil || err2 != nil || d.Before(b) {
		return ""
	}
	months := (d.Year()-b.Year())*12 + int(d.Month()) - int(b.Month())
	if d.Day() < b.Day() {
		months--
	}
	switch {
	case months < 1:
		return strconv.Itoa(int(d.Sub(b).Hours()/24)) + "天"
	case months < 24:
		return strconv.Itoa(months) + "个月"
	}
	return strconv.Itoa(months/12) + "岁"
}

// TimeLeft writes what is left until due: 剩余 1 小时 36 分, 剩余 3 天 2 小时,
// 超时 3 分钟.
func TimeLeft(due, now time.Time) string {
	word, d := "剩余", due.Sub(now)
	if d < 0 {
		word, d = "超时", -d
	}
	m := int(d / time.Minute)
	switch {
	case m < 60:
		return fmt.Sprintf("%s %d 分钟", word, m)
	case m < 24*60:
		return fmt.Sprintf("%s %d 小时 %d 分", word, m/60, m%60)
	}
	return fmt.Sprintf("%s %d 天 %d 小时", word, m/1440, m%1440/60)
}

// warnBefore is how long before due the clock turns amber: a fifth of the whole
// time, but at least 30 minutes.
func warnBefore(start, due time.Time) time.Duration {
	warn := 30 * time.Minute
	if !start.IsZero() {
		warn = max(warn, due.Sub(start)/5)
	}
	return warn
}

func dueClass(start, due, now time.Time) string {
	switch left := due.Sub(now); {
	case left < 0:
		return "due due-over"
	case left < warnBefore(start, due):
		return "due due-soon"
	}
	return "due"
}

func initial(name string) string {
	for _, r := range name {
		return string(r)
	}
	return "?"
}

func ms(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// Dash is a text, or the sign that there is none.
func Dash(s string) string { return either(s, "—") }

// Span writes a duration for people: 35 分钟, 2 小时 5 分, 1 天 3 小时.
func Span(d time.Duration) string {
	m := int(d / time.Minute)
	switch {
	case m < 1:
		return "不到 1 分钟"
	case m < 60:
		return fmt.Sprintf("%d 分钟", m)
	case m < 24*60:
		return fmt.Sprintf("%d 小时 %d 分", m/60, m%60)
	}
	return fmt.Sprintf("%d 天 %d 小时", m/1440, m%1440/60)
}

// ToneOf turns the colour that a machine declares into one of the shell.
func ToneOf(name string) Tone {
	switch name {
	case "orange":
		return Warn
	case "green":
		return Good
	case "red":
		return Bad
	case "blue":
		return Info
	case "teal":
		return Teal
	case "indigo":
		return Indigo
	}
	return Neutral
}
