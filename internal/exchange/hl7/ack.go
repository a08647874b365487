package hl7

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// Acknowledgement codes (table HL70008).
const (
	Accept = "AA"
	Error  = "AE" // the message is understood and cannot be carried out
	Reject = "AR" // the message is not understood, or not for us
)

// Condition is an error condition of table HL70357.
type Condition string

// The conditions that are used.
const (
	SegmentOrder     Condition = "100"
	FieldMissing     Condition = "101"
	DataType         Condition = "102"
	ValueNotFound    Condition = "103"
	UnsupportedType  Condition = "200"
	UnsupportedEvent Condition = "201"
	UnknownKey       Condition = "204"
	DuplicateKey     Condition = "205"
	Locked           Condition = "206"
	Internal         Condition = "207"
)

var conditionNames = map[Condition]string{
	SegmentOrder: "Segment sequence error", FieldMissing: "Required field missing", DataType: "Data type error",
	ValueNotFound: "Table value not found", UnsupportedType: "Unsupported message type", UnsupportedEvent: "Unsupported event code",
	UnknownKey: "Unknown key identifier", DuplicateKey: "Duplicate key identifier", Locked: "Application record locked",
	Internal: "Application internal error",
}

// Problem is one error of an acknowledgement.
type Problem struct {
	Segment   string // "" the message as a whole
	Field     int    // 0 the segment as a whole
	Condition Condition
	Warning   bool
	Text      string // for the people at the other end, Chinese
}

// At is the place in words: PID-3.
func (p Problem) At() string {
	if p.Field == 0 {
		return p.Segment
	}
	return fmt.Sprintf("%s-%d", p.Segment, p.Field)
}

// Answer is an acknowledgement to be written.
type Answer struct {
	Code     string // Accept, Error, Reject
	ID       string // control id of the answer
	At       time.Time
	Problems []Problem
}

// Acknowledge writes the answer to a message in its own delimiters, version and
// character set; to bytes that were no message (m nil) it answers in the usual
// ones. The sender's names change sides.
func Acknowledge(m *Message, a Answer) []byte {
	d, set := Usual, UTF8
	var msh Segment
	if m != nil {
		d, set, msh = m.delims, m.Charset, m.Segment("MSH")
	}
	f := func(parts ...string) string { return strings.Join(parts, string(rune(d.Field))) }
	c := func(parts ...string) string { return strings.Join(parts, string(rune(d.Component))) }
	_, event := "", ""
	version, control := "2.5.1", ""
	if m != nil {
		_, event = m.Type()
		version = cmp.Or(msh.Rep(12).Comp(1), version)
		control = m.ControlID()
	}
	charsetName := "UNICODE UTF-8"
	if set == GB18030 {
		charsetName = "GB 18030-2000"
	}
	kind := c("ACK", d.Quote(event), "ACK")
	if event == "" {
		kind = "ACK"
	}
	lines := []string{
		f("MSH", string([]byte{d.Component, d.Repetition, d.Escape, d.Sub}), msh.Raw(5), msh.Raw(6), msh.Raw(3), msh.Raw(4),
			a.At.Format("20060102150405-0700"), "", kind, a.ID, cmp.Or(msh.Raw(11), "P"), version, "", "", "", "", "", charsetName),
		f("MSA", a.Code, d.Quote(control), d.Quote(summary(a.Problems))),
	}
	for _, p := range a.Problems {
		lines = append(lines, errSegment(p, version, d, f, c))
	}
	return Encode(strings.Join(lines, "\r")+"\r", set)
}

// errSegment is ERR: until 2.4 all in ERR-1, since 2.5 in fields of its own.
func errSegment(p Problem, version string, d Delimiters, f, c func(...string) string) string {
	field := ""
	if p.Field > 0 {
		field = fmt.Sprint(p.Field)
	}
	sub := string(rune(d.Sub))
	if version < "2.5" {
		return f("ERR", c(p.Segment, "1", field, strings.Join([]string{string(p.Condition), d.Quote(p.Text), "HL70357"}, sub)))
	}
	severity := "E"
	if p.Warning {
		severity = "W"
	}
	place := ""
	if p.Segment != "" {
		place = c(p.Segment, "1", field)
	}
	return f("ERR", "", place, c(string(p.Condition), conditionNames[p.Condition], "HL70357"), severity, "", "", "", d.Quote(p.Text))
}

func summary(list []Problem) string {
	if len(list) == 0 {
		return ""
	}
	return list[0].Text
}
