package terminology

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// How well an entry answers, best first.
const (
	exact = iota
	prefix
	contains
	initialsExact
	initialsPrefix
	initialsContains
	none
)

// Search returns up to limit entries for what a doctor types: the beginning of
// a code (i10, upper or lower case), part of a name (高血压) or pinyin
// initials (gxy). Exact answers come first, then beginnings, then the rest;
// among equals the shorter, more common name.
func Search(text string, limit int) []Code {
	text = strings.TrimSpace(text)
	if text == "" || limit <= 0 {
		return nil
	}
	e := edition()
	asCode, asInitials := canonical(strings.ToUpper(text)), strings.ToLower(text)
	if !isASCII(text) {
		asCode, asInitials = "", ""
	}
	type hit struct{ class, length, index int }
	var hits []hit
	for i := range e.codes {
		class := e.match(i, text, asCode, asInitials)
		if class != none {
			hits = append(hits, hit{class, utf8.RuneCountInString(e.names[i]), i})
		}
	}
	slices.SortFunc(hits, func(a, b hit) int {
		if a.class != b.class {
			return a.class - b.class
		}
		if a.length != b.length {
			return a.length - b.length
		}
		return a.index - b.index
	})
	found := make([]Code, 0, min(limit, len(hits)))
	for _, h := range hits[:min(limit, len(hits))] {
		found = append(found, e.entry(h.index))
	}
	return found
}

// match tells how entry i answers; asCode and asInitials are "" when the text
// cannot be one.
func (t *table) match(i int, text, asCode, asInitials string) int {
	name, code, letters := t.names[i], t.codes[i], t.initials[i]
	switch {
	case name == text || (asCode != "" && code == asCode):
		return exact
	case strings.HasPrefix(name, text) || (asCode != "" && strings.HasPrefix(code, asCode)):
		return prefix
	case strings.Contains(name, text):
		return contains
	case asInitials == "":
		return none
	case letters == asInitials:
		return initialsExact
	case strings.HasPrefix(letters, asInitials):
		return initialsPrefix
	case strings.Contains(letters, asInitials):
		return initialsContains
	}
	return none
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
