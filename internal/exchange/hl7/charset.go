package hl7

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// charset is how bytes are read as text.
type charset int

const (
	utf8Set charset = iota
	gb18030Set
	latin1Set
)

// The names of MSH-18 (table HL70211).
const (
	UTF8    = "UTF-8"
	GB18030 = "GB18030"
	Latin1  = "ISO-8859-1"
)

func (c charset) name() string { return [...]string{UTF8, GB18030, Latin1}[c] }

func (c charset) encoding() encoding.Encoding {
	switch c {
	case gb18030Set:
		return simplifiedchinese.GB18030
	case latin1Set:
		return charmap.ISO8859_1
	}
	return encoding.Nop
}

// text reads bytes; what the encoding does not know becomes U+FFFD.
func (c charset) text(raw []byte) string {
	if c == utf8Set {
		return strings.ToValidUTF8(string(raw), "\ufffd")
	}
	out, err := c.encoding().NewDecoder().Bytes(raw)
	if err != nil {
		return strings.ToValidUTF8(string(raw), "\ufffd")
	}
	return string(out)
}

// declared is the character set that MSH-18 names.
func declared(name string) (charset, bool) {
	switch s := strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(name), " ", "")); {
	case s == "":
		return utf8Set, false
	case strings.HasPrefix(s, "GB"): // GB18030, GB18030-2000, GB2312, GBK
		return gb18030Set, true
	case strings.Contains(s, "UTF-8"), strings.Contains(s, "UTF8"):
		return utf8Set, true
	case strings.HasPrefix(s, "8859"):
		return latin1Set, true
	}
	return utf8Set, false // ASCII and local names: look at the bytes
}

// decode reads a message as text. MSH-18 decides when the bytes fit it; when
// they do not, or it is silent, the bytes decide: valid UTF-8 is UTF-8,
// anything else of a Chinese hospital is GB18030.
func decode(body []byte, d Delimiters) (text string, set charset, notes []string) {
	if ascii(body) {
		return string(body), utf8Set, nil
	}
	head := body
	if i := bytes.IndexAny(head, "\r\n"); i >= 0 {
		head = head[:i]
	}
	name := ""
	for _, c := range []charset{utf8Set, gb18030Set} { // the same place whatever the names of the systems are written in
		if f := strings.Split(c.text(head), string(rune(d.Field))); len(f) > 17 && name == "" {
			name = f[17]
		}
	}
	said, clear := declared(name)
	valid := utf8.Valid(body)
	switch {
	case clear && said == utf8Set && !valid:
		set, notes = gb18030Set, []string{"MSH-18 写的是 UTF-8，内容却是 GB18030，已按 GB18030 读取"}
	case clear:
		set = said
	case valid:
		set = utf8Set
	default:
		set, notes = gb18030Set, []string{"MSH-18 没有写明字符集，已按 GB18030 读取"}
	}
	text = set.text(body)
	if strings.ContainsRune(text, utf8.RuneError) {
		notes = append(notes, "有些字节在字符集"+set.name()+"中不存在，显示为 �")
	}
	return text, set, notes
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Encode writes text in a character set; what it cannot hold becomes ?.
func Encode(text, set string) []byte {
	if set == UTF8 || set == "" {
		return []byte(text)
	}
	c := gb18030Set
	if set == Latin1 {
		c = latin1Set
	}
	out, err := encoding.ReplaceUnsupported(c.encoding().NewEncoder()).Bytes([]byte(text))
	if err != nil {
		return []byte(text)
	}
	return out
}
