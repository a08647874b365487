package exchange

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/exchange/table"
)

// FileKind is what the rows of a file are.
type FileKind string

// The kinds of files.
const (
	PatientFile   FileKind = "patients"
	VisitFile     FileKind = "visits"
	DiagnosisFile FileKind = "diagnoses"
	ResultFile    FileKind = "results"
	InsurerFile   FileKind = "insurer"
)

// Column is one column of a file, as its header names it.
type Column struct {
	Name     string
	Required bool
	Hint     string // what may stand there
}

// File is a kind of file with its columns.
type File struct {
	Kind    FileKind
	Title   string
	About   string
	Columns []Column
	take    func(*importer, context.Context, row) (string, error)
}

// Files returns the kinds of files in the order in which they are imported.
func Files() []File { return files }

// FileOf returns a kind of file.
func FileOf(kind string) (File, error) {
	i := slices.IndexFunc(files, func(f File) bool { return string(f.Kind) == kind })
	if i < 0 {
		return File{}, errs.E(errs.NotFound, "没有这种导入文件")
	}
	return files[i], nil
}

// Template is an empty file of the kind: the header, and what may stand in each
// column.
func (f File) Template() (csv []byte, workbook []byte, err error) {
	head := make([]string, len(f.Columns))
	notes := [][]string{{"列", "必填", "说明"}}
	for i, c := range f.Columns {
		head[i] = c.Name
		required := "否"
		if c.Required {
			required = "是"
		}
		notes = append(notes, []string{c.Name, required, c.Hint})
	}
	workbook, err = table.Workbook([]table.Sheet{{Name: f.Title, Rows: [][]string{head}}, {Name: "填写说明", Rows: notes}})
	return table.CSV([][]string{head}), workbook, err
}

// RowProblem is why a row was not taken.
type RowProblem struct {
	Row    int
	Column string // "" the row as a whole
	Text   string
}

// FileReport is what became of a file.
type FileReport struct {
	File    File
	Name    string
	Dry     bool // nothing was stored
	Rows    int
	New     int
	Changed int
	Same    int
	Bad     []RowProblem
	Ignored []string   // columns that nobody knows
	Rest    [][]string // the bad rows with their reason, to be mended and imported again
}

// batch is how many rows one transaction takes: a long file must not keep the
// others from writing.
const batch = 200

// errDry undoes a batch of a trial run.
var errDry = errors.New("trial run")

// Import takes a file in. Each row is taken or refused by itself; a row whose
// key is known already changes what is recorded or nothing, so that a mended
// file, or the rest of one that was cut off, may be imported again. dry only
// tries.
func (s *Service) Import(ctx context.Context, actor access.Actor, kind, name string, r io.Reader, dry bool) (FileReport, error) {
	f, err := FileOf(kind)
	if err != nil {
		return FileReport{}, err
	}
	if err := mayImport(actor, f.Kind); err != nil {
		return FileReport{}, err
	}
	x := &importer{s: s, report: FileReport{File: f, Name: name, Dry: dry},
		src: source{peer: Peer{Name: "文件导入", Org: actor.Org, OrgName: actor.OrgName}, by: signature(actor)}}
	if err := table.Read(r, func(line table.Row) error { return x.line(ctx, line) }); err != nil {
		return x.report, x.cut(err)
	}
	if x.head == nil {
		return x.report, errs.E(errs.Invalid, "文件里没有表头，请下载模板填写")
	}
	if err := x.flush(ctx); err != nil {
		return x.report, x.cut(err)
	}
	if dry {
		return x.report, nil
	}
	err = s.DB.Tx(ctx, func(tx *db.Tx) error {
		return s.Audit.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "exchange.import", Object: "file", ObjectID: name, Outcome: audit.OK,
			Detail: fmt.Sprintf("导入%s“%s”：新增 %d，更正 %d，相同 %d，有误 %d", f.Title, name, x.report.New, x.report.Changed, x.report.Same, len(x.report.Bad))})
	})
	return x.report, err
}

// mayImport: an institution imports its own; the insurer what only it knows.
func mayImport(actor access.Actor, kind FileKind) error {
	if err := access.Require(actor, access.ExchangeManage, access.Own); err != nil {
		return err
	}
	if insurer := access.Role(actor.Role) == access.Insurer; insurer != (kind == InsurerFile) {
		return errs.E(errs.Forbidden, "医保月报由医保经办机构导入，其他文件由医疗机构导入")
	}
	return nil
}

// MayImport reports whether a page offers the kind to the actor.
func MayImport(actor access.Actor, kind FileKind) bool { return mayImport(actor, kind) == nil }

// importer is one file being imported.
type importer struct {
	s      *Service
	tx     *db.Tx
	src    source
	head   []string
	at     map[string]int // column → place
	rows   []table.Row
	report FileReport
}

// cut explains what has been stored of a file that could not be read to its end.
func (x *importer) cut(err error) error {
	done := x.report.New + x.report.Changed + x.report.Same
	if x.report.Dry || done == 0 || !errs.Is(err, errs.Invalid) {
		return err
	}
	return errs.Because(err, errs.Invalid, "%s。此前的 %d 行已导入；更正后重新导入整个文件即可，不会重复", err.Error(), done)
}

func (x *importer) line(ctx context.Context, r table.Row) error {
	if x.head == nil {
		return x.header(r.Cells)
	}
	x.rows = append(x.rows, r)
	if len(x.rows) < batch {
		return nil
	}
	return x.flush(ctx)
}

// header finds the columns by their names, in whatever order they stand.
func (x *importer) header(cells []string) error {
	x.head, x.at = slices.Clone(cells), map[string]int{}
	for i, c := range cells {
		name := strings.TrimSuffix(strings.TrimSpace(c), "*")
		if slices.ContainsFunc(x.report.File.Columns, func(k Column) bool { return k.Name == name }) {
			if _, twice := x.at[name]; twice {
				return errs.E(errs.Invalid, "表头里“%s”列写了两次", name)
			}
			x.at[name] = i
		} else if name != "" && name != reasonColumn {
			x.report.Ignored = append(x.report.Ignored, name)
		}
	}
	var lack []string
	for _, c := range x.report.File.Columns {
		if _, ok := x.at[c.Name]; c.Required && !ok {
			lack = append(lack, c.Name)
		}
	}
	if len(lack) > 0 {
		return errs.E(errs.Invalid, "表头缺少必填的列：%s。请用%s的模板，或检查是否选错了文件种类", strings.Join(lack, "、"), x.report.File.Title)
	}
	return nil
}

// reasonColumn is added to the rows that are given back.
const reasonColumn = "错误原因"

func (x *importer) flush(ctx context.Context) error {
	rows := x.rows
	x.rows = nil
	var tally FileReport
	err := x.s.DB.Tx(ctx, func(tx *db.Tx) error {
		x.tx, tally = tx, FileReport{}
		for _, r := range rows {
			if err := x.take(ctx, r, &tally); err != nil {
				return err
			}
		}
		if x.report.Dry {
			return errDry
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDry) {
		return err
	}
	x.report.Rows += len(rows)
	x.report.New, x.report.Changed, x.report.Same = x.report.New+tally.New, x.report.Changed+tally.Changed, x.report.Same+tally.Same
	x.report.Bad = append(x.report.Bad, tally.Bad...)
	if len(tally.Rest) > 0 && x.report.Rest == nil {
		x.report.Rest = [][]string{append(slices.Clone(x.head), reasonColumn)}
	}
	x.report.Rest = append(x.report.Rest, tally.Rest...)
	return nil
}

// take takes one row; what it did half-way is undone when it is refused.
func (x *importer) take(ctx context.Context, line table.Row, tally *FileReport) error {
	r := row{at: x.at, Row: line}
	x.src.ref = fmt.Sprintf("%s 第 %d 行", x.report.Name, line.N)
	var outcome string
	err := r.required(x.report.File.Columns)
	if err == nil {
		err = x.tx.Savepoint(ctx, func() (err error) {
			outcome, err = x.report.File.take(x, ctx, r)
			return err
		})
	}
	switch {
	case err == nil && outcome == rowNew:
		tally.New++
	case err == nil && outcome == rowChanged:
		tally.Changed++
	case err == nil:
		tally.Same++
	case stop(err) == nil && !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.NotFound):
		return err
	default:
		bad := problemsOf(line.N, err)
		tally.Bad = append(tally.Bad, bad...)
		cells := slices.Clone(line.Cells)
		for len(cells) < len(x.head) {
			cells = append(cells, "")
		}
		texts := make([]string, len(bad))
		for i, p := range bad {
			texts[i] = strings.TrimPrefix(p.Column+"："+p.Text, "：")
		}
		tally.Rest = append(tally.Rest, append(cells[:len(x.head)], strings.Join(texts, "；")))
	}
	return nil
}

// The outcomes of a row.
const (
	rowNew     = "new"
	rowChanged = "changed"
	rowSame    = "same"
)

// columnError says which column is wrong.
type columnError struct{ column, text string }

func (e *columnError) Error() string { return e.column + "：" + e.text }

func wrong(column, format string, args ...any) error {
	return errs.Because(&columnError{column, fmt.Sprintf(format, args...)}, errs.Invalid, format, args...)
}

func problemsOf(n int, err error) []RowProblem {
	if c, ok := errors.AsType[*columnError](err); ok {
		return []RowProblem{{n, c.column, c.text}}
	}
	if e, ok := errors.AsType[*errs.Error](err); ok && len(e.Fields) > 0 {
		var out []RowProblem
		for _, f := range e.Fields {
			out = append(out, RowProblem{n, "", f.Message})
		}
		return out
	}
	return []RowProblem{{n, "", err.Error()}}
}

// row is a row with its columns by name.
type row struct {
	at map[string]int
	table.Row
}

func (r row) get(column string) string {
	i, ok := r.at[column]
	if !ok || i >= len(r.Cells) {
		return ""
	}
	return r.Cells[i]
}

func (r row) required(columns []Column) error {
	for _, c := range columns {
		if c.Required && r.get(c.Name) == "" {
			return wrong(c.Name, "必填，不能为空")
		}
	}
	return nil
}

// instant reads a time as people and spreadsheets write it; "" is the zero time.
func (r row) instant(column string) (time.Time, error) {
	text := strings.NewReplacer("/", "-", "年", "-", "月", "-", "日", "", "T", " ").Replace(r.get(column))
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2006-1-2 15:04:05", "2006-1-2 15:04", "2006-1-2", "20060102150405", "20060102"} {
		if t, err := time.ParseInLocation(layout, strings.TrimSpace(text), calendar.Shanghai); err == nil {
			return t, nil
		}
	}
	return time.Time{}, wrong(column, "时间“%s”读不懂，请按 2026-03-02 08:30 的样子填写", r.get(column))
}

// said reads what a row says about a person.
func (r row) said() (said, error) {
	p := said{name: r.get("姓名"), phone: r.get("电话"), address: r.get("住址"), region: r.get("村（社区）代码"), at: "患者", card: strings.ToUpper(r.get("身份证号")),
		sex: sexOf(r.get("性别"))}
	if n := r.get("院内号"); n != "" {
		p.numbers = []number{{"file", n}}
	}
	if p.card == "" && len(p.numbers) == 0 {
		return p, wrong("身份证号", "身份证号和院内号至少填写一项")
	}
	born, err := r.instant("出生日期")
	if err != nil {
		return p, err
	}
	if !born.IsZero() {
		p.birth = born.Format("2006-01-02")
	}
	p.insurance, err = insuranceWord(r.get("医保类型"))
	return p, err
}

func mustBe(column, text string, known []string) error {
	return wrong(column, "“%s”不认识，应为：%s", cmp.Or(text, "（空）"), strings.Join(known, "、"))
}
