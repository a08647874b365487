package json

import (
	"encoding/binary"
	"hash/maphash"
	"unicode/utf8"
)

var seed = maphash.MakeSeed()

// hash is keyed at random, so that nobody can send names that collide.
func hash(s string) uint64 { return maphash.String(seed, s) }

func (d *Doc) space(i int) int {
	for i < len(d.src) {
		switch d.src[i] {
		case ' ', '\n', '\r', '\t':
			i++
		default:
			return i
		}
	}
	return i
}

func (d *Doc) word(i int, w string) (int, error) {
	if end := i + len(w); end <= len(d.src) && string(d.src[i:end]) == w {
		return end, nil
	}
	return 0, d.fail(ValueExpected, i)
}

// text reads the string whose opening quote is at i and returns the index after
// its closing quote.
func (d *Doc) text(i int) (end int, escaped bool, err error) {
	start := i + 1
	i = start
	wide := false
	for {
		i = plain(d.src, i)
		if i >= len(d.src) {
			return 0, false, d.fail(UnexpectedEnd, i)
		}
		switch c := d.src[i]; {
		case c == '"':
			if wide && !utf8.Valid(d.src[start:i]) {
				return 0, false, d.fail(BadUTF8, start+firstInvalid(d.src[start:i]))
			}
			return i + 1, escaped, nil
		case c == '\\':
			escaped = true
			n := escapeLen(d.src[i:])
			if n == 0 {
				return 0, false, d.fail(BadEscape, i)
			}
			i += n
		case c >= 0x80:
			wide = true
			for i < len(d.src) && d.src[i] >= 0x80 {
				i++
			}
		default:
			return 0, false, d.fail(ControlCharacter, i)
		}
	}
}

// plain returns the first index from i on that is not an ordinary ASCII
// character of a string. It looks at eight bytes at a time.
func plain(b []byte, i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x8080808080808080
	)
	for i+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[i:])
		quote := w ^ (ones * '"')
		slash := w ^ (ones * '\\')
		if (w|(w-ones*0x20)|(quote-ones)|(slash-ones))&highs != 0 {
			break
		}
		i += 8
	}
	for i < len(b) {
		if c := b[i]; c == '"' || c == '\\' || c < 0x20 || c >= 0x80 {
			break
		}
		i++
	}
	return i
}

func firstInvalid(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(b)
}

// escapeLen returns the length of the escape at the start of b, a surrogate pair
// counting as one, or zero when it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		r, ok := hex4(b[2:])
		switch {
		case !ok, 0xdc00 <= r && r < 0xe000:
			return 0
		case r < 0xd800 || r >= 0xe000:
			return 6
		}
		if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
			return 0
		}
		if low, ok := hex4(b[8:]); ok && 0xdc00 <= low && low < 0xe000 {
			return 12
		}
	}
	return 0
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number reads -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
func (d *Doc) number(i int) (int, error) {
	b, start := d.src, i
	if b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && '1' <= b[i] && b[i] <= '9':
		i = digits(b, i)
	case i == start:
		return 0, d.fail(ValueExpected, i)
	default:
		return 0, d.fail(BadNumber, start)
	}
	if i < len(b) && b[i] == '.' {
		end := digits(b, i+1)
		if end == i+1 {
			return 0, d.fail(BadNumber, start)
		}
		i = end
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		end := digits(b, i)
		if end == i {
			return 0, d.fail(BadNumber, start)
		}
		i = end
	}
	if i < len(b) && '0' <= b[i] && b[i] <= '9' { // 01
		return 0, d.fail(BadNumber, start)
	}
	return i, nil
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}
