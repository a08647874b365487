package calendar

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"yilian/internal/errs"
)

const (
	maxUpload = 256 << 10 // bytes; a year is about 3 KB
	minRest   = 10        // the notices since 2008 gave at least 22 days of rest
	maxRest   = 60
)

// Parse reads the arrangement of one year, either lines "date,off|work,name"
// (a header line and empty lines are passed over) or the JSON of holiday-cn.
// Every fault is reported with its line.
func Parse(year int, text []byte) ([]Day, error) {
	if len(text) > maxUpload {
		return nil, errs.E(errs.Invalid, "文件太大（超过 256 KB）：一年的放假安排只有几十行，请检查是否选错了文件")
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if !utf8.Valid(text) {
		return nil, errs.E(errs.Invalid, "文件不是 UTF-8 编码，请另存为 UTF-8 后再上传")
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errs.E(errs.Invalid, "没有内容：请选择文件，或把放假安排粘贴到文本框")
	}
	var days []Day
	var f wrong
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		var err error
		if days, err = parseJSON(year, text, &f); err != nil {
			return nil, err
		}
	} else {
		days = parseCSV(string(text), &f)
	}
	check(year, days, &f)
	if err := f.err(); err != nil {
		return nil, err
	}
	slices.SortFunc(days, func(a, b Day) int { return cmp.Compare(a.Date, b.Date) })
	return days, nil
}

// wrong collects faults by line; line 0 is the text as a whole.
type wrong struct{ list []string }

func (f *wrong) add(line int, format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if line > 0 {
		s = fmt.Sprintf("第 %d 行：%s", line, s)
	}
	f.list = append(f.list, s)
}

func (f *wrong) err() error {
	if len(f.list) == 0 {
		return nil
	}
	const shown = 20
	list := f.list
	if len(list) > shown {
		list = append(slices.Clone(list[:shown]), fmt.Sprintf("……另有 %d 处错误", len(f.list)-shown))
	}
	return errs.E(errs.Invalid, "放假安排有误，没有保存。%s", strings.Join(list, "；"))
}

func parseCSV(text string, f *wrong) []Day {
	var days []Day
	line := 0
	for raw := range strings.Lines(text) {
		line++
		row := strings.TrimSpace(strings.ReplaceAll(raw, "，", ","))
		if row == "" || strings.HasPrefix(row, "#") || (line == 1 && strings.HasPrefix(strings.ToLower(row), "date")) {
			continue
		}
		cells := strings.Split(row, ",")
		if len(cells) != 3 {
			f.add(line, "应有 3 列（日期,off 或 work,节日名），现在有 %d 列", len(cells))
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		kind := strings.ToLower(cells[1])
		if kind != "off" && kind != "work" {
			f.add(line, "第 2 列 %q 有误，应为 off（放假）或 work（调休上班）", cells[1])
			continue
		}
		if day, ok := parseDay(line, cells[0], kind == "off", cells[2], f); ok {
			days = append(days, day)
		}
	}
	return days
}

func parseDay(line int, date string, off bool, name string, f *wrong) (Day, bool) {
	d, err := ParseDate(date)
	if err != nil {
		f.add(line, "%v", err)
		return Day{}, false
	}
	if name == "" {
		f.add(line, "%s 缺少节日名称", d)
		return Day{}, false
	}
	return Day{Date: d, Off: off, Name: name, Line: line}, true
}

// holidayFile is the form of holiday-cn; fields we do not need are passed over.
type holidayFile struct {
	Year int               `json:"year"`
	Days []json.RawMessage `json:"days"`
}

func parseJSON(year int, text []byte, f *wrong) ([]Day, error) {
	var file holidayFile
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, errs.Because(err, errs.Invalid, "第 %d 行：JSON 写法有误，请检查引号、逗号和括号", jsonLine(text, err))
	}
	if file.Year != 0 && file.Year != year {
		f.add(0, "文件写的是 %d 年，选择的是 %d 年", file.Year, year)
	}
	var days []Day
	at := 0
	for _, raw := range file.Days {
		// Entries keep their bytes, so that searching on from the last one finds the line.
		if i := bytes.Index(text[at:], raw); i >= 0 {
			at += i
		}
		line := bytes.Count(text[:at], []byte("\n")) + 1
		at += len(raw)
		var d struct {
			Name string `json:"name"`
			Date string `json:"date"`
			Off  *bool  `json:"isOffDay"`
		}
		if err := json.Unmarshal(raw, &d); err != nil || d.Off == nil {
			f.add(line, "每一天应有 name、date、isOffDay（true 或 false）")
			continue
		}
		if day, ok := parseDay(line, d.Date, *d.Off, d.Name, f); ok {
			days = append(days, day)
		}
	}
	return days, nil
}

func jsonLine(text []byte, err error) int {
	offset := len(text)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = int(e.Offset)
	} else if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = int(e.Offset)
	}
	return bytes.Count(text[:min(offset, len(text))], []byte("\n")) + 1
}

// check holds the days of a year against what a notice of the State Council
// can contain.
func check(year int, days []Day, f *wrong) {
	seen := map[Date]int{}
	rest := 0
	for _, d := range days {
		if prior, ok := seen[d.Date]; ok {
			f.add(d.Line, "%s 重复，第 %d 行已有", d.Date, prior)
			continue
		}
		seen[d.Date] = d.Line
		if !belongs(year, d.Date) {
			f.add(d.Line, "%s 不属于 %d 年的安排", d.Date, year)
			continue
		}
		weekend := d.Date.Weekday() == time.Saturday || d.Date.Weekday() == time.Sunday
		if !d.Off && !weekend {
			f.add(d.Line, "%s 是%s，本来就上班，不能写成调休上班（work）", d.Date, weekday(d.Date))
		}
		if d.Off {
			rest++
		}
	}
	if rest < minRest || rest > maxRest {
		f.add(0, "全年放假 %d 天，应在 %d 到 %d 天之间，请检查是否漏行或选错年份", rest, minRest, maxRest)
	}
	for _, md := range []string{"-01-01", "-05-01", "-10-01", "-10-02", "-10-03"} {
		d := Date(fmt.Sprintf("%04d%s", year, md))
		if i := slices.IndexFunc(days, func(x Day) bool { return x.Date == d && x.Off }); i < 0 {
			f.add(0, "%s 是法定节假日，安排里没有写放假", d)
		}
	}
}

// belongs reports whether a notice for year may move the day: New Year's
// holiday may begin in the last week of the December before.
func belongs(year int, d Date) bool {
	return d.Year() == year || (d.Year() == year-1 && d >= Date(fmt.Sprintf("%04d-12-25", year-1)))
}

func weekday(d Date) string {
	return [...]string{"星期日", "星期一", "星期二", "星期三", "星期四", "星期五", "星期六"}[d.Weekday()]
}

// Change is one day whose meaning an upload would change.
type Change struct {
	Date   Date
	Before string // 休息 · 春节, 上班, 未知
	After  string
}

// compare returns what would change for the days of a year and the end of the
// December before, if days became the arrangement of the year.
func (c *Calendar) compare(year int, days []Day) []Change {
	old := c.snap.Load()
	years := map[int]Year{}
	for y, v := range old.years {
		years[y] = v
	}
	years[year] = Year{Year: year, Days: days}
	next := build(years)
	var out []Change
	first := Date(fmt.Sprintf("%04d-12-25", year-1))
	for d := first; d.Year() <= year; d = d.AddDays(1) {
		before, after := old.describe(d), next.describe(d)
		if before != after {
			out = append(out, Change{Date: d, Before: before, After: after})
		}
	}
	return out
}

func (s *snapshot) describe(d Date) string {
	day, moved := s.days[d]
	switch {
	case !s.known(d):
		return "未知"
	case moved && day.Off:
		return "放假 · " + day.Name
	case moved:
		return "调休上班 · " + day.Name
	case s.working(d):
		return "上班"
	}
	return "周末"
}
