package referralcount

import (
	"context"
	"fmt"
	"io"

	"github.com/xuri/excelize/v2"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/flow"
)

// columns are the columns of the workbook with their widths in characters.
var columns = []struct {
	title string
	width float64
}{
	{"月份", 10}, {"方向", 8}, {"机构", 28}, {"科室", 18}, {"提交", 8}, {"受理", 8}, {"到诊", 8}, {"回转", 8}, {"应随访", 8}, {"已随访", 8},
	{"曾被退回", 10}, {"等转出方", 10}, {"等接收方", 10}, {"已超时", 8},
}

// Export writes the table of counts as a workbook and logs that it left the
// platform.
func Export(ctx context.Context, d *db.DB, log *audit.Log, actor access.Actor, q Query, w io.Writer) error {
	table, err := ReadTable(ctx, d, actor, q)
	if err != nil {
		return err
	}
	err = d.Tx(ctx, func(tx *db.Tx) error {
		return log.Append(ctx, tx, audit.Leaf{
			Actor: actor, Action: "referral.counts.export", Object: "referral.counts", ObjectID: actor.Org, Outcome: audit.OK,
			Detail: fmt.Sprintf("%s，%d 行", q.Period(), len(table.Rows)),
		})
	})
	if err != nil {
		return err
	}
	return workbook(w, actor, q, table)
}

// Period is the period of the scope in words.
func (s Scope) Period() string {
	switch {
	case s.From == "" && s.To == "":
		return "全部期间提交"
	case s.From == "":
		return "截至 " + string(s.To) + " 提交"
	case s.To == "":
		return string(s.From) + " 起提交"
	}
	return string(s.From) + " 至 " + string(s.To) + " 提交"
}

func workbook(w io.Writer, actor access.Actor, q Query, table Table) (err error) {
	f := excelize.NewFile()
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
	}()
	const sheet = "转诊统计"
	if err := f.SetSheetName("Sheet1", sheet); err != nil {
		return fmt.Errorf("name sheet: %w", err)
	}
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return fmt.Errorf("make style: %w", err)
	}
	heads := make([]any, len(columns))
	for i, c := range columns {
		name, err := excelize.ColumnNumberToName(i + 1)
		if err != nil {
			return fmt.Errorf("name column: %w", err)
		}
		if err := f.SetColWidth(sheet, name, name, c.width); err != nil {
			return fmt.Errorf("set width: %w", err)
		}
		heads[i] = c.title
	}
	lines := [][]any{
		{"转诊统计"},
		{"范围：" + whose(actor) + "　　" + q.Period() + "　　" + map[flow.Side]string{flow.To: "按接收机构和科室", flow.From: "按转出机构和科室"}[q.side()]},
		{"导出人：" + actor.Name + "（" + access.Role(actor.Role).Title() + "）　　导出时间：" + table.Now.In(calendar.Shanghai).Format("2006-01-02 15:04")},
		{"到诊即上转、下转例数；应随访、已随访只计下转且已到诊的例数。空白是不适用，不是 0。"},
		heads,
	}
	for _, r := range table.Rows {
		lines = append(lines, line(r))
	}
	total := line(table.Total)
	total[0] = "合计"
	for i, l := range append(lines, total) {
		if err := f.SetSheetRow(sheet, fmt.Sprintf("A%d", i+1), &l); err != nil {
			return fmt.Errorf("write line: %w", err)
		}
	}
	for _, row := range []int{1, 5, len(lines) + 1} {
		if err := f.SetRowStyle(sheet, row, row, bold); err != nil {
			return fmt.Errorf("style row: %w", err)
		}
	}
	if err := f.SetPanes(sheet, &excelize.Panes{Freeze: true, YSplit: 5, TopLeftCell: "A6", ActivePane: "bottomLeft"}); err != nil {
		return fmt.Errorf("freeze head: %w", err)
	}
	if err := f.Write(w); err != nil {
		return fmt.Errorf("write workbook: %w", err)
	}
	return nil
}

func (q Query) side() flow.Side {
	if q.By == flow.To {
		return flow.To
	}
	return flow.From
}

func whose(actor access.Actor) string {
	if access.Allowed(access.Role(actor.Role), access.ReferralCount, access.Region) {
		return "本辖区"
	}
	return actor.OrgName
}

func line(r Row) []any {
	out := []any{r.Month, r.Direction.Title(), r.OrgName, r.Dept, r.Asked, r.Accepted, r.Arrived, r.Reported, nil, nil, r.Refused, r.WaitingFrom, r.WaitingTo, r.Late}
	if r.Due > 0 {
		out[8], out[9] = r.Due, r.Followed
	}
	return out
}
