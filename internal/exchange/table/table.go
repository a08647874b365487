// Package table reads and writes the tables that people keep: CSV in UTF-8 or
// GB18030, and Excel workbooks. Rows stream; nothing but one row is held.
package table

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/transform"

	"yilian/internal/errs"
)

// Row is one row of a table; N is its number as spreadsheets count, the header
// being 1.
type Row struct {
	N     int
	Cells []string
}

// MaxCells bounds the columns of a row: a broken file must not fill the memory.
const MaxCells = 200

// Read calls fn for each row that holds anything, the header first. An error of
// fn ends the reading and is returned.
func Read(r io.Reader, fn func(Row) error) error {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read table: %w", err)
	}
	switch {
	case len(bytes.TrimSpace(head)) == 0:
		return errs.E(errs.Invalid, "文件是空的，请检查是否选错了文件")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return readWorkbook(b, fn)
	case bytes.HasPrefix(head, []byte{0xd0, 0xcf, 0x11, 0xe0}):
		return errs.E(errs.Invalid, "这是旧版 Excel 文件（.xls），请另存为 .xlsx 或 CSV 后再导入")
	}
	return readCSV(b, fn)
}

func readCSV(b *bufio.Reader, fn func(Row) error) error {
	sample, err := b.Peek(b.Size())
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("read table: %w", err)
	}
	var in io.Reader = b
	if bytes.HasPrefix(sample, []byte("\ufeff")) {
		_, err = b.Discard(3)
	} else if !validStart(sample) {
		in = transform.NewReader(b, simplifiedchinese.GB18030.NewDecoder())
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("read table: %w", err)
	}
	c := csv.NewReader(in)
	c.FieldsPerRecord, c.LazyQuotes, c.ReuseRecord = -1, true, true
	if line, _, _ := bytes.Cut(sample, []byte("\n")); bytes.Count(line, []byte("\t")) > bytes.Count(line, []byte(",")) {
		c.Comma = '\t'
	}
	for {
		cells, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, _ := c.FieldPos(0)
		if err != nil {
			return errs.Because(err, errs.Invalid, "第 %d 行读不懂：引号可能没有成对，请检查后重新导入", line)
		}
		if err := give(line, cells, fn); err != nil {
			return err
		}
	}
}

// validStart reports whether the bytes are UTF-8, but for a character that the
// end of the sample cuts.
func validStart(sample []byte) bool {
	for i := range min(utf8.UTFMax, len(sample)+1) {
		if utf8.Valid(sample[:len(sample)-i]) {
			return true
		}
	}
	return false
}

func give(n int, cells []string, fn func(Row) error) error {
	if len(cells) > MaxCells {
		return errs.E(errs.Invalid, "第 %d 行有 %d 列，超过 %d 列，请检查文件格式", n, len(cells), MaxCells)
	}
	out := make([]string, len(cells))
	empty := true
	for i, c := range cells {
		out[i] = strings.TrimSpace(strings.ReplaceAll(c, "\u00a0", " "))
		if !utf8.ValidString(out[i]) || strings.ContainsRune(out[i], utf8.RuneError) {
			return errs.E(errs.Invalid, "第 %d 行第 %d 列有不认识的字符：文件编码应为 UTF-8 或 GB18030", n, i+1)
		}
		empty = empty && out[i] == ""
	}
	if empty {
		return nil
	}
	return fn(Row{n, out})
}

func readWorkbook(r io.Reader, fn func(Row) error) (err error) {
	f, err := excelize.OpenReader(r, excelize.Options{RawCellValue: false})
	if err != nil {
		return errs.Because(err, errs.Invalid, "读不懂这个 Excel 文件，请另存为 .xlsx 或 CSV 后再导入")
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	rows, err := f.Rows(f.GetSheetName(0))
	if err != nil {
		return errs.Because(err, errs.Invalid, "Excel 文件里没有工作表")
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for n := 1; rows.Next(); n++ {
		cells, err := rows.Columns()
		if err != nil {
			return errs.Because(err, errs.Invalid, "第 %d 行读不出来", n)
		}
		if err := give(n, cells, fn); err != nil {
			return err
		}
	}
	return rows.Error()
}

// CSV writes rows as a spreadsheet opens them: UTF-8 with a byte order mark.
// Cells that a spreadsheet would take for a formula get an apostrophe.
func CSV(rows [][]string) []byte {
	var b bytes.Buffer
	b.WriteString("\ufeff")
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, c := range row {
			if c != "" && strings.ContainsRune("=+-@\t\r", rune(c[0])) {
				c = "'" + c
			}
			safe[i] = c
		}
		_ = w.Write(safe) // a buffer takes everything
	}
	w.Flush()
	return b.Bytes()
}

// Workbook writes sheets as an Excel file; every cell is text, so that long
// numbers keep their digits.
func Workbook(sheets []Sheet) ([]byte, error) {
	f := excelize.NewFile()
	text, err := f.NewStyle(&excelize.Style{NumFmt: 49})
	if err != nil {
		return nil, fmt.Errorf("workbook style: %w", err)
	}
	for i, s := range sheets {
		if i == 0 {
			err = f.SetSheetName(f.GetSheetName(0), s.Name)
		} else {
			_, err = f.NewSheet(s.Name)
		}
		if err == nil {
			err = f.SetColStyle(s.Name, "A:AZ", text)
		}
		for n, row := range s.Rows {
			if err == nil {
				err = f.SetSheetRow(s.Name, fmt.Sprintf("A%d", n+1), &row)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("workbook sheet %s: %w", s.Name, err)
		}
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		return nil, fmt.Errorf("write workbook: %w", err)
	}
	return b.Bytes(), f.Close()
}

// Sheet is one sheet of a workbook.
type Sheet struct {
	Name string
	Rows [][]string
}
