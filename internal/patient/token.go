package patient

import (
	"slices"
	"strings"
	"unicode"

	"yilian/internal/patient/match"
	"yilian/internal/pinyin"
)

// tokens are what a name is found by: itself, the given name, and for every
// reading the full spelling, the spelling of the given name and the initials.
func tokens(name string) []string {
	plain := plainName(name)
	surname, given := pinyin.Split(plain)
	out := []string{plain}
	if len([]rune(given)) >= 2 && surname != "" {
		out = append(out, given)
	}
	for _, sp := range pinyin.Spellings(plain) {
		out = append(out, sp.Full, sp.Initials)
		if len([]rune(given)) >= 2 {
			out = append(out, sp.Given)
		}
	}
	if sound := soundToken(name); sound != "" {
		out = append(out, sound)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(t string) bool { return t == "" })
}

// soundToken brings together names that sound nearly alike, for the master
// index; nobody can type its first sign as part of a name.
func soundToken(name string) string {
	if sound := match.Sound(name); sound != "" && !match.Unnamed(name) {
		return "~" + sound
	}
	return ""
}

// plainName is the name without dots and spaces, letters in lower case.
func plainName(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsPunct(r) || r == '·' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// sortKey orders names as a Chinese reader expects, by spelling.
func sortKey(name string) string { return pinyin.Full(name) + name }
