package hl7

import (
	"encoding/hex"
	"strings"
)

// unescape resolves the escape sequences of a value. What is not a known
// sequence stays as it came: a lone escape character is text, local sequences
// (\Z..\) are shown.
func unescape(s string, d Delimiters, set charset) string {
	if d.Escape == 0 || strings.IndexByte(s, d.Escape) < 0 {
		return s
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(s, d.Escape)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		rest := s[i+1:]
		end := strings.IndexByte(rest, d.Escape)
		if end < 0 {
			b.WriteString(s[i:])
			return b.String()
		}
		out, ok := sequence(rest[:end], d, set)
		if !ok { // the second escape character may begin a sequence of its own
			b.WriteString(s[i : i+1+end])
			s = rest[end:]
			continue
		}
		b.WriteString(out)
		s = rest[end+1:]
	}
}

// sequence is what stands for the body of an escape sequence.
func sequence(body string, d Delimiters, set charset) (string, bool) {
	switch body {
	case "F":
		return string(rune(d.Field)), true
	case "S":
		return string(rune(d.Component)), true
	case "R":
		return string(rune(d.Repetition)), true
	case "T":
		return string(rune(d.Sub)), true
	case "E":
		return string(rune(d.Escape)), true
	case "H", "N", ".fi", ".nf": // highlighting and filling
		return "", true
	case ".br", ".ce":
		return "\n", true
	}
	if strings.HasPrefix(body, ".sp") || strings.HasPrefix(body, ".in") || strings.HasPrefix(body, ".ti") || strings.HasPrefix(body, ".sk") {
		return "\n", len(body) <= 6
	}
	if strings.HasPrefix(body, "X") && len(body) > 1 {
		raw, err := hex.DecodeString(body[1:])
		if err != nil {
			return "", false
		}
		return strings.ReplaceAll(set.text(raw), "\r\n", "\n"), true
	}
	if strings.HasPrefix(body, "Z") && len(body) <= 20 {
		return string(rune(d.Escape)) + body + string(rune(d.Escape)), true
	}
	return "", false
}

// Quote writes a text so that it can stand in a field.
func (d Delimiters) Quote(s string) string {
	var b strings.Builder
	for _, c := range s {
		name := ""
		switch {
		case c == rune(d.Field):
			name = "F"
		case c == rune(d.Component):
			name = "S"
		case c == rune(d.Repetition):
			name = "R"
		case c == rune(d.Sub):
			name = "T"
		case c == rune(d.Escape):
			name = "E"
		case c == '\n':
			name = ".br"
		case c < ' ':
			continue
		default:
			b.WriteRune(c)
			continue
		}
		b.WriteByte(d.Escape)
		b.WriteString(name)
		b.WriteByte(d.Escape)
	}
	return b.String()
}
