package baseline

import (
	"fmt"
	"strconv"
	"strings"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/referral"
)

// MaxLines is how many lines one import takes.
const MaxLines = 1000

// Line is one line of an import: an entry whose institution is still a name.
type Line struct {
	Number int // in the pasted text, from 1
	Entry
}

// Parse reads lines as they are pasted from a workbook: institution, direction,
// first day, last day, cases, source, note, separated by tabs or commas. A head
// line and empty lines are passed over. All wrong lines are told at once.
func Parse(text string) ([]Line, error) {
	var out []Line
	var f errs.Form
	for i, raw := range strings.Split(text, "\n") {
		cells := split(raw)
		if len(cells) == 0 || cells[0] == "机构" || cells[0] == "转出机构" {
			continue
		}
		if len(out) == MaxLines {
			f.Add("lines", "一次最多导入 %d 行，请分次导入", MaxLines)
			break
		}
		e, err := entry(cells)
		if err != nil {
			f.Add("lines", "第 %d 行：%s", i+1, err.Error())
			continue
		}
		out = append(out, Line{Number: i + 1, Entry: e})
	}
	if f.OK() && len(out) == 0 {
		f.Add("lines", "没有可导入的内容，请从表格中复制后粘贴")
	}
	return out, f.Err()
}

func split(raw string) []string {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return nil
	}
	mark := "\t"
	if !strings.Contains(raw, mark) {
		raw, mark = strings.ReplaceAll(raw, "，", ","), ","
	}
	cells := strings.SplitN(raw, mark, 7)
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

func entry(cells []string) (e Entry, err error) {
	if len(cells) < 6 {
		return e, fmt.Errorf("应有 机构、方向、起、止、例数、来源 六列，只有 %d 列", len(cells))
	}
	e.OrgName = cells[0]
	for _, d := range Directions() {
		if cells[1] == d.Title() {
			e.Direction = d
		}
	}
	if e.Direction == "" {
		return e, fmt.Errorf("方向“%s”应为%s或%s", cells[1], referral.Up.Title(), referral.Down.Title())
	}
	if e.From, err = day(cells[2]); err != nil {
		return e, err
	}
	if e.To, err = day(cells[3]); err != nil {
		return e, err
	}
	if e.N, err = strconv.ParseInt(cells[4], 10, 64); err != nil {
		return e, fmt.Errorf("例数“%s”应为整数", cells[4])
	}
	for _, s := range Sources() {
		if cells[5] == s.Title() {
			e.Source = s
		}
	}
	if e.Source == "" {
		return e, fmt.Errorf("来源“%s”应为纸质台账、平台或估计", cells[5])
	}
	if len(cells) == 7 {
		e.Note = cells[6]
	}
	return e, nil
}

// day reads a date as workbooks show it: 2025-01-01, 2025/1/1, 2025.1.1.
func day(s string) (calendar.Date, error) {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r == '-' || r == '/' || r == '.' })
	if len(parts) != 3 {
		return "", fmt.Errorf("日期“%s”应写成 2025-01-01", s)
	}
	for i := 1; i < 3; i++ {
		if len(parts[i]) == 1 {
			parts[i] = "0" + parts[i]
		}
	}
	d, err := calendar.ParseDate(strings.Join(parts, "-"))
	if err != nil {
		return "", fmt.Errorf("日期“%s”应写成 2025-01-01", s)
	}
	return d, nil
}
