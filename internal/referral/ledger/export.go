package ledger

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/xuri/excelize/v2"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/referral"
)

// columns are the columns of the workbook with their widths in characters.
var columns = []struct {
	title string
	width float64
}{
	{"转诊单号", 18}, {"提交时间", 17}, {"方向", 7}, {"患者（脱敏）", 16}, {"转出机构", 24}, {"转入机构", 24}, {"转入科室", 14}, {"初步诊断", 24},
	{"紧急程度", 12}, {"状态", 10}, {"受理时间", 17}, {"到诊时间", 17}, {"回转单时间", 17}, {"结案时间", 17}, {"结局", 14}, {"被退回次数", 10},
	{"申请方用时（小时）", 12}, {"接收方用时（小时）", 12}, {"标记", 12},
}

// headRows is how many rows stand above the lines: title, what it is about, who
// exported it, a sentence, the heads of the columns.
const headRows = 5

// Titles turns codes into words; the policy knows them.
type Titles func(outcome string) string

// Export writes the ledger of the actor's institution as a workbook and logs
// that it left the platform. More than ExportLimit lines are cut, and the sheet
// says so.
func Export(ctx context.Context, d *db.DB, log *audit.Log, actor access.Actor, s Scope, titles Titles, w io.Writer) error {
	s.Limit, s.Offset = ExportLimit, 0
	page, err := Read(ctx, d, log, actor, s)
	if err != nil {
		return err
	}
	err = d.Tx(ctx, func(tx *db.Tx) error {
		return log.Append(ctx, tx, audit.Leaf{
			Actor: actor, Action: "referral.ledger.export", Object: "referral.ledger", ObjectID: actor.Org, Outcome: audit.OK,
			Detail: fmt.Sprintf("%s，%d 条", s.period(), len(page.Lines)),
		})
	})
	if err != nil {
		return err
	}
	return Workbook(w, actor, s, page, titles)
}

func (s Scope) period() string {
	if s.From == "" {
		return "截至 " + string(s.To) + " 提交"
	}
	return string(s.From) + " 至 " + string(s.To) + " 提交"
}

// note is the sentence above the lines.
func note(p Page) string {
	if p.Total > int64(len(p.Lines)) {
		return fmt.Sprintf("符合条件的共 %d 条，超过一次导出的上限，本表只含提交最早的 %d 条：请缩短期间或加筛选条件，分次导出。", p.Total, len(p.Lines))
	}
	return fmt.Sprintf("共 %d 条。姓名已脱敏；“补录”“电话代录”为标记，不影响例数；用时由每一步的记录相加，未办结的计到导出时。", p.Total)
}

// Workbook writes a page of the ledger as an Excel workbook.
func Workbook(w io.Writer, actor access.Actor, s Scope, p Page, titles Titles) (err error) {
	f := excelize.NewFile()
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	const sheet = "转诊台账"
	if err := f.SetSheetName("Sheet1", sheet); err != nil {
		return fmt.Errorf("name sheet: %w", err)
	}
	st, err := styles(f)
	if err != nil {
		return err
	}
	sw, err := f.NewStreamWriter(sheet)
	if err != nil {
		return fmt.Errorf("open sheet: %w", err)
	}
	if err := head(sw, st, actor, s, p); err != nil {
		return err
	}
	states := map[string]string{}
	for _, x := range referral.Machine().States {
		states[x.Name] = x.Title
	}
	for i, l := range p.Lines {
		cell, err := excelize.CoordinatesToCellName(1, headRows+1+i)
		if err != nil {
			return fmt.Errorf("name cell: %w", err)
		}
		if err := sw.SetRow(cell, row(l, st, states[l.State], titles)); err != nil {
			return fmt.Errorf("write line: %w", err)
		}
	}
	if err := sw.Flush(); err != nil {
		return fmt.Errorf("write sheet: %w", err)
	}
	if err := f.Write(w); err != nil {
		return fmt.Errorf("write workbook: %w", err)
	}
	return nil
}

// style are the formats of cells.
type style struct{ title, head, time, hours int }

func styles(f *excelize.File) (s style, err error) {
	timeFormat, hours := "yyyy-mm-dd hh:mm", "0.0"
	for _, x := range []struct {
		into *int
		as   *excelize.Style
	}{
		{&s.title, &excelize.Style{Font: &excelize.Font{Bold: true, Size: 14}}},
		{&s.head, &excelize.Style{Font: &excelize.Font{Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"E6EEF7"}}, Alignment: &excelize.Alignment{WrapText: true, Vertical: "center"}}},
		{&s.time, &excelize.Style{CustomNumFmt: &timeFormat}},
		{&s.hours, &excelize.Style{CustomNumFmt: &hours}},
	} {
		if *x.into, err = f.NewStyle(x.as); err != nil {
			return s, fmt.Errorf("make style: %w", err)
		}
	}
	return s, nil
}

// head writes the frozen rows: what the sheet is about, whose, when exported.
func head(sw *excelize.StreamWriter, st style, actor access.Actor, s Scope, p Page) error {
	for i, c := range columns {
		if err := sw.SetColWidth(i+1, i+1, c.width); err != nil {
			return fmt.Errorf("set width: %w", err)
		}
	}
	if err := sw.SetPanes(&excelize.Panes{Freeze: true, YSplit: headRows, TopLeftCell: "A6", ActivePane: "bottomLeft"}); err != nil {
		return fmt.Errorf("freeze head: %w", err)
	}
	heads := make([]any, len(columns))
	for i, c := range columns {
		heads[i] = excelize.Cell{StyleID: st.head, Value: c.title}
	}
	rows := [][]any{
		{excelize.Cell{StyleID: st.title, Value: "转诊台账"}},
		{"机构：" + actor.OrgName + "　　期间：" + s.period()},
		{"导出人：" + actor.Name + "（" + access.Role(actor.Role).Title() + "）　　导出时间：" + p.Now.In(calendar.Shanghai).Format("2006-01-02 15:04")},
		{note(p)},
		heads,
	}
	for i, values := range rows {
		if err := sw.SetRow(fmt.Sprintf("A%d", i+1), values); err != nil {
			return fmt.Errorf("write head: %w", err)
		}
	}
	return nil
}

func row(l Line, st style, state string, titles Titles) []any {
	at := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		// Workbooks have no zones: the cell holds the wall clock of Shanghai.
		y, m, d := t.In(calendar.Shanghai).Date()
		h, mi, s := t.In(calendar.Shanghai).Clock()
		return excelize.Cell{StyleID: st.time, Value: time.Date(y, m, d, h, mi, s, 0, time.UTC)}
	}
	hours := func(d time.Duration) any { return excelize.Cell{StyleID: st.hours, Value: d.Hours()} }
	diagnosis := l.Diagnosis
	if l.Hidden {
		diagnosis = "（敏感，已隐藏）"
	}
	return []any{l.Number, at(l.SubmittedAt), l.Direction.Title(), safe(l.Person), safe(l.From), safe(l.To), safe(l.Department), safe(diagnosis),
		referral.UrgencyTitle(l.Urgency), state, at(l.AcceptedAt), at(l.ArrivedAt), at(l.CompletedAt), at(l.ClosedAt),
		titles(l.Outcome), l.Refusals, hours(l.WaitedFrom), hours(l.WaitedTo), l.Marks()}
}

// safe keeps a text that begins like a formula from being one.
func safe(s string) string {
	if s != "" && (s[0] == '=' || s[0] == '+' || s[0] == '-' || s[0] == '@') {
		return "'" + s
	}
	return s
}
