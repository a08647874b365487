// Package hl7 reads HL7 version 2 the way hospitals send it, not only the way
// the standard writes it: delimiters from MSH, any line ends, a byte order
// mark, GB18030, repetitions, sub-components, unknown segments. Nothing is
// lost: segments keep their text, and values are taken out of it when asked.
package hl7

import (
	"bytes"
	"fmt"
	"strings"
)

// Delimiters are the separators that MSH-1 and MSH-2 declare.
type Delimiters struct {
	Field, Component, Repetition, Escape, Sub byte
}

// Usual are the delimiters that nearly everybody uses.
var Usual = Delimiters{'|', '^', '~', '\\', '&'}

// Message is one message.
type Message struct {
	Segments []Segment // MSH first
	Charset  string    // what the bytes were read as: UTF-8, GB18030, ISO-8859-1
	Notes    []string  // what was forgiven while reading, in Chinese
	delims   Delimiters
}

// Segment is one line.
type Segment struct {
	Name   string
	fields []string // raw; MSH-1 is fields[0] of MSH
	delims Delimiters
	set    charset
}

// Repetition is one repetition of a field.
type Repetition struct {
	raw    string
	delims Delimiters
	set    charset
}

// Fault is why bytes are not a message; Position is a byte offset.
type Fault struct {
	Position int
	Text     string // Chinese
}

func (f *Fault) Error() string { return fmt.Sprintf("第 %d 字节：%s", f.Position+1, f.Text) }

// Parse reads one message. Text before MSH and after the last segment that is
// only white space is passed over; anything else before MSH is a Fault.
func Parse(raw []byte) (*Message, error) {
	body, skipped, err := trimToMSH(raw)
	if err != nil {
		return nil, err
	}
	d, err := delimiters(body, skipped)
	if err != nil {
		return nil, err
	}
	text, set, notes := decode(body, d)
	m := &Message{Charset: set.name(), Notes: notes, delims: d}
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\r' || r == '\n' }) {
		m.add(line, d, set)
	}
	return m, nil
}

// trimToMSH drops a byte order mark, framing bytes and white space.
func trimToMSH(raw []byte) ([]byte, int, error) {
	at := bytes.Index(raw, []byte("MSH"))
	if at < 0 {
		return nil, 0, &Fault{0, "没有 MSH 段，不是 HL7 v2 消息"}
	}
	before := bytes.TrimPrefix(raw[:at], []byte("\ufeff"))
	if rest := bytes.Trim(before, " \t\r\n\v\x1c"); len(rest) > 0 {
		return nil, 0, &Fault{at - len(rest), fmt.Sprintf("MSH 段之前有不认识的内容 %q", clip(rest))}
	}
	return bytes.TrimRight(raw[at:], "\x1c\x00"), at, nil
}

func clip(b []byte) string { return string(b[:min(len(b), 20)]) }

// delimiters reads MSH-1 and MSH-2; what MSH-2 leaves out is as usual.
func delimiters(body []byte, at int) (Delimiters, error) {
	if len(body) < 4 {
		return Usual, &Fault{at, "MSH 段不完整，缺少字段分隔符"}
	}
	d := Usual
	d.Field = body[3]
	if isWord(d.Field) || d.Field < ' ' {
		return d, &Fault{at + 3, "MSH 段第 4 个字符应是字段分隔符（一般是 |）"}
	}
	rest := body[4:]
	if end := bytes.IndexAny(rest, string([]byte{d.Field})+"\r\n"); end >= 0 {
		rest = rest[:end]
	}
	for i, p := range []*byte{&d.Component, &d.Repetition, &d.Escape, &d.Sub} {
		if i < len(rest) {
			*p = rest[i]
		}
	}
	used := map[byte]bool{}
	for _, c := range []byte{d.Field, d.Component, d.Repetition, d.Escape, d.Sub} {
		if used[c] || isWord(c) || c < ' ' || c >= 0x80 {
			return d, &Fault{at + 4, fmt.Sprintf("MSH-2 %q 不能作为分隔符：应是 4 个不同的符号，一般是 ^~\\&", clip(rest))}
		}
		used[c] = true
	}
	return d, nil
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == ' '
}

// add appends a line: a segment, or, when it does not begin like one, more
// text of the last field: systems break long texts with line ends.
func (m *Message) add(line string, d Delimiters, set charset) {
	line = strings.TrimLeft(line, " \t\v\x1c\x00\ufeff")
	if line == "" {
		return
	}
	if !startsSegment(line, d.Field) {
		if len(m.Segments) > 0 {
			last := &m.Segments[len(m.Segments)-1]
			last.fields[len(last.fields)-1] += "\n" + line
			m.note("有的文本里带换行，已并入上一字段")
		}
		return
	}
	s := Segment{Name: line[:3], delims: d, set: set, fields: []string{""}}
	if len(line) > 4 {
		s.fields = strings.Split(line[4:], string(rune(d.Field)))
	}
	if s.Name == "MSH" {
		s.fields = append([]string{string(rune(d.Field))}, s.fields...)
	}
	m.Segments = append(m.Segments, s)
}

func (m *Message) note(text string) {
	for _, n := range m.Notes {
		if n == text {
			return
		}
	}
	m.Notes = append(m.Notes, text)
}

// startsSegment reports whether a line begins with the name of a segment.
func startsSegment(line string, field byte) bool {
	if len(line) < 3 || line[0] < 'A' || line[0] > 'Z' {
		return false
	}
	for _, c := range []byte(line[1:3]) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(line) == 3 || line[3] == field
}

// String writes the message in its delimiters, with carriage returns.
func (m *Message) String() string {
	var b strings.Builder
	for _, s := range m.Segments {
		b.WriteString(s.String())
		b.WriteByte('\r')
	}
	return b.String()
}

// Delimiters are those of the message.
func (m *Message) Delimiters() Delimiters { return m.delims }

// Segment returns the first segment of a name; a missing one is empty, and all
// its fields are.
func (m *Message) Segment(name string) Segment {
	for _, s := range m.Segments {
		if s.Name == name {
			return s
		}
	}
	return Segment{delims: m.delims}
}

// All returns the segments of a name.
func (m *Message) All(name string) []Segment {
	var out []Segment
	for _, s := range m.Segments {
		if s.Name == name {
			out = append(out, s)
		}
	}
	return out
}

// Type is the message type and trigger event: ADT, A01.
func (m *Message) Type() (code, event string) {
	r := m.Segment("MSH").Rep(9)
	code, event = r.Comp(1), r.Comp(2)
	if event == "" && code != "" {
		event = m.Segment("EVN").Str(1)
	}
	return code, event
}

// ControlID is MSH-10.
func (m *Message) ControlID() string { return strings.TrimSpace(m.Segment("MSH").Text(10)) }

// String is the line as it came.
func (s Segment) String() string {
	sep := string(rune(s.delims.Field))
	if s.Name == "MSH" && len(s.fields) > 0 {
		return s.Name + sep + strings.Join(s.fields[1:], sep)
	}
	return s.Name + sep + strings.Join(s.fields, sep)
}

// Len is how many fields the segment has.
func (s Segment) Len() int { return len(s.fields) }

// Raw is field n as it came, n from 1.
func (s Segment) Raw(n int) string {
	if n < 1 || n > len(s.fields) {
		return ""
	}
	return s.fields[n-1]
}

// Text is field n as a person reads it: escapes resolved, delimiters kept.
func (s Segment) Text(n int) string { return unescape(s.Raw(n), s.delims, s.set) }

// Reps returns the repetitions of field n.
func (s Segment) Reps(n int) []Repetition {
	raw := s.Raw(n)
	if raw == "" {
		return nil
	}
	if s.Name == "MSH" && n <= 2 {
		return []Repetition{{raw: raw, delims: Delimiters{}, set: s.set}}
	}
	parts := strings.Split(raw, string(rune(s.delims.Repetition)))
	out := make([]Repetition, len(parts))
	for i, p := range parts {
		out[i] = Repetition{raw: p, delims: s.delims, set: s.set}
	}
	return out
}

// Rep is the first repetition of field n.
func (s Segment) Rep(n int) Repetition {
	if reps := s.Reps(n); len(reps) > 0 {
		return reps[0]
	}
	return Repetition{delims: s.delims, set: s.set}
}

// Str is the first component of the first repetition of field n.
func (s Segment) Str(n int) string { return s.Rep(n).Comp(1) }

// Comp is component n, from 1; of sub-components the first.
func (r Repetition) Comp(n int) string { return r.Sub(n, 1) }

// Sub is sub-component k of component n, both from 1. The null value of HL7
// ("") is the empty text.
func (r Repetition) Sub(n, k int) string {
	part := nth(nth(r.raw, r.delims.Component, n), r.delims.Sub, k)
	if part == `""` {
		return ""
	}
	return strings.TrimSpace(unescape(part, r.delims, r.set))
}

// Text is the repetition as a person reads it.
func (r Repetition) Text() string { return unescape(r.raw, r.delims, r.set) }

// Empty reports whether the repetition holds nothing.
func (r Repetition) Empty() bool {
	return strings.Trim(r.raw, string([]byte{r.delims.Component, r.delims.Sub})+` "`) == ""
}

func nth(s string, sep byte, n int) string {
	for ; n > 1; n-- {
		i := strings.IndexByte(s, sep)
		if i < 0 {
			return ""
		}
		s = s[i+1:]
	}
	if i := strings.IndexByte(s, sep); i >= 0 && sep != 0 {
		s = s[:i]
	}
	return s
}
