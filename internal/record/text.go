package record

import (
	"strings"
	"unicode"

	"yilian/internal/errs"
)

// cutText bounds how much of a text is kept for searches.
func cutText(s string) string {
	if len(s) <= maxText {
		return s
	}
	if r := []rune(s); len(r) > maxText {
		return string(r[:maxText])
	}
	return s
}

func hasHan(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) }) >= 0
}

func notFound(err error) bool { return errs.Is(err, errs.NotFound) }
