package search

import (
	"math"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// huge stands for no bound. Databases store it like any other number, which they
// do not all do with infinity.
const huge = math.MaxFloat64

func clamp(f float64) float64 { return min(max(f, -huge), huge) }

// Normalise is the form in which strings are compared: without case, accents and
// differences of width, runs of spaces as one.
func Normalise(s string) string {
	if plainText(s) {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	space := false
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.IsSpace(r):
			space = out.Len() > 0
			continue
		case unicode.Is(unicode.Mn, r), unicode.IsControl(r):
			continue
		}
		if space {
			out.WriteByte(' ')
			space = false
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}

// plainText reports whether a text is its own normal form: lower-case ASCII
// without double spaces, or common Chinese characters.
func plainText(s string) bool {
	before := ' '
	for _, r := range s {
		switch {
		case r == ' ' && before != ' ':
		case '!' <= r && r <= '~' && (r < 'A' || r > 'Z'):
		case 0x4e00 <= r && r <= 0x9fff:
		default:
			return false
		}
		before = r
	}
	return before != ' ' || s == ""
}

// local is where the alliance works. China has had no summer time since 1991.
var local = time.FixedZone("Asia/Shanghai", 8*3600)

// layouts are the precisions of FHIR's dates and how long each is.
var layouts = []struct {
	layout string
	length int // of the text, without fraction and zone
	until  func(time.Time) time.Time
}{
	{"2006", 4, func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", 7, func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006-01-02", 10, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01-02T15:04", 16, func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04:05", 19, func(t time.Time) time.Time { return t.Add(time.Second) }},
}

// ParseTime reads a date, dateTime or instant of any precision as the span that
// it stands for. Without zone it is meant in China (+08:00).
func ParseTime(s string) (Period, bool) {
	zone := local
	body := s
	if len(s) > 10 {
		var ok bool
		if body, zone, ok = splitZone(s); !ok {
			return Period{}, false
		}
	}
	body, fraction, hasFraction := strings.Cut(body, ".")
	leap := strings.HasSuffix(body, ":60") && len(body) == 19
	if leap { // a leap second is the start of the next minute
		body = body[:17] + "59"
	}
	for _, l := range layouts {
		if len(body) != l.length {
			continue
		}
		t, err := time.ParseInLocation(l.layout, body, zone)
		if err != nil {
			return Period{}, false
		}
		if leap {
			t = t.Add(time.Second)
		}
		if hasFraction {
			return withFraction(t, fraction, l.length)
		}
		return Period{t.UnixMilli(), l.until(t).UnixMilli()}, true
	}
	return Period{}, false
}

// withFraction adds a fraction of a second; the store keeps milliseconds.
func withFraction(t time.Time, digits string, length int) (Period, bool) {
	if length != 19 || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return Period{}, false
	}
	ms, unit := int64(0), int64(1000)
	for i := 0; i < len(digits) && i < 3; i++ {
		unit /= 10
		ms += int64(digits[i]-'0') * unit
	}
	from := t.UnixMilli() + ms
	return Period{from, from + unit}, true
}

// splitZone parts Z or +08:00 from a time. In a request the plus may have become
// a space.
func splitZone(s string) (body string, zone *time.Location, ok bool) {
	if body, ok = strings.CutSuffix(s, "Z"); ok {
		return body, time.UTC, len(body) > 10
	}
	i := len(s) - 6
	if i < 11 || s[i] != '+' && s[i] != '-' && s[i] != ' ' {
		return s, local, true
	}
	h, m := number2(s[i+1:]), number2(s[i+4:])
	if s[i+3] != ':' || h < 0 || h > 14 || m < 0 || m > 59 {
		return "", nil, false
	}
	offset := h*3600 + m*60
	if s[i] == '-' {
		offset = -offset
	}
	return s[:i], time.FixedZone("", offset), true
}

func number2(s string) int {
	if len(s) < 2 || s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
		return -1
	}
	return int(s[0]-'0')*10 + int(s[1]-'0')
}
