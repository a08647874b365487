package json

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"yilian/internal/errs"
)

// Code says what is wrong with a document.
type Code uint8

const (
	UnexpectedEnd Code = iota + 1
	ValueExpected
	NameExpected
	ColonExpected
	CommaExpected
	TrailingData
	BadNumber
	BadEscape
	BadUTF8
	ControlCharacter
	DuplicateName
	ByteOrderMark
	TooDeep
	TooLarge
)

var sentences = map[Code]string{
	UnexpectedEnd:    "内容不完整，在这里突然结束",
	ValueExpected:    "这里应当是一个值（对象、数组、字符串、数字、true、false 或 null）",
	NameExpected:     "这里应当是用双引号括起来的名称（最后一项之后不能再有逗号）",
	ColonExpected:    "名称之后缺少冒号",
	CommaExpected:    "这里缺少逗号，或者括号没有正确结束",
	TrailingData:     "文档已经结束，后面还有多余的内容",
	BadNumber:        "数字的写法不正确",
	BadEscape:        "字符串中的转义写法不正确",
	BadUTF8:          "字符串不是有效的 UTF-8 编码",
	ControlCharacter: "字符串中有未转义的控制字符",
	DuplicateName:    "同一个对象中名称重复",
	ByteOrderMark:    "文档开头不能有字节顺序标记（BOM）",
	TooDeep:          fmt.Sprintf("嵌套超过 %d 层", MaxDepth),
	TooLarge:         fmt.Sprintf("文档过大（上限 %d MB，%d 个值）", MaxSize>>20, MaxNodes),
}

// Error says what is wrong with a document and where. Its text is a Chinese
// sentence for the sender, and errs takes it for Invalid.
type Error struct {
	Code   Code
	Offset int    // in bytes, from 0
	Line   int    // from 1
	Column int    // in characters, from 1
	Path   string // Patient.name[0], as far as it could be read
	Name   string // the repeated name, for DuplicateName
}

func (e *Error) Error() string {
	where := fmt.Sprintf("第 %d 行第 %d 列", e.Line, e.Column)
	if e.Path != "" {
		where += "（" + e.Path + "）"
	}
	what := sentences[e.Code]
	if e.Name != "" {
		what += "：" + e.Name
	}
	return "JSON 内容有误，" + where + "：" + what
}

// Unwrap makes the error the sender's to mend.
func (e *Error) Unwrap() error { return errs.E(errs.Invalid, "%s", e.Error()) }

func (d *Doc) fail(code Code, offset int) error { return d.failName(code, offset, "") }

func (d *Doc) failName(code Code, offset int, name string) error {
	e := &Error{Code: code, Offset: offset, Line: 1, Column: 1, Name: strings.Clone(clip(name))}
	before := d.src[:offset]
	e.Line += bytes.Count(before, []byte{'\n'})
	e.Column += utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	if len(d.nodes) > 0 {
		// Values that have not been read to their end lie around the fault.
		e.Path = d.path(func(_, next uint32) bool { return next == 0 })
	}
	return e
}
