package hl7

import (
	"fmt"
	"strings"
	"time"
)

// ParseTime reads a time of HL7: a year, and as much more as the sender knows,
// in the zone that it names or in loc. precision is how many digits before the
// fraction were given: 4 a year, 8 a day, 14 a second.
func ParseTime(s string, loc *time.Location) (t time.Time, precision int, err error) {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexAny(s, "+-"); i >= 4 && len(s)-i == 5 {
		zone, zerr := time.Parse("-0700", s[i:])
		if zerr != nil {
			return t, 0, fmt.Errorf("时间 %q 的时区写法有误", s)
		}
		loc, s = zone.Location(), s[:i]
		if _, offset := zone.Zone(); offset != 0 {
			loc = time.FixedZone("", offset)
		}
	}
	digits, fraction, _ := strings.Cut(s, ".")
	const layout = "20060102150405"
	if len(digits) < 4 || len(digits) > len(layout) || len(digits)%2 != 0 || strings.Trim(digits+fraction, "0123456789") != "" {
		return t, 0, fmt.Errorf("时间 %q 写法有误，应为 YYYYMMDDHHMMSS", s)
	}
	t, err = time.ParseInLocation(layout[:len(digits)], digits, loc)
	if err != nil {
		return t, 0, fmt.Errorf("时间 %q 不存在", s)
	}
	if fraction != "" {
		f := (fraction + "000")[:3]
		ms := int(f[0]-'0')*100 + int(f[1]-'0')*10 + int(f[2]-'0')
		t = t.Add(time.Duration(ms) * time.Millisecond)
	}
	return t, len(digits), nil
}
