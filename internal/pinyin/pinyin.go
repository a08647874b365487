// Package pinyin turns Chinese names into the letters people type to find them:
// the full spelling and the initials, in every reading that the surname has
// (单 shan or dan, 曾 zeng or ceng). mozillazg/go-pinyin knows the characters; the
// surnames are a table of our own, because it reads them as ordinary words.
package pinyin

import (
	"slices"
	"strings"
	"sync"
	"unicode"

	lib "github.com/mozillazg/go-pinyin"
)

var (
	surnames  = parseReadings(surnameReadings)
	compounds = parseReadings(compoundReadings)
	given     = parseReadings(givenReadings)
)

// maxReadings bounds the spellings of one name; beyond it rarer ones are dropped.
const maxReadings = 8

// Spelling is one way to read a name.
type Spelling struct {
	Full     string // zhangguilan
	Initials string // zgl
	Given    string // guilan: the full spelling without the surname
}

// Split cuts a name into surname and given name; a name of one character is
// all surname.
func Split(name string) (surname, rest string) {
	runes := []rune(clean(name))
	switch {
	case len(runes) == 0:
		return "", ""
	case len(runes) >= 2 && compounds[string(runes[:2])] != nil:
		return string(runes[:2]), string(runes[2:])
	}
	return string(runes[:1]), string(runes[1:])
}

// SurnameReadings returns how a surname may be read, the usual reading first;
// the syllables of a compound surname are separate.
func SurnameReadings(surname string) [][]string {
	surname = clean(surname)
	if readings, ok := compounds[surname]; ok {
		return cut(readings)
	}
	if readings, ok := surnames[surname]; ok {
		return cut(readings)
	}
	var one []string
	for _, r := range surname {
		one = append(one, common(r))
	}
	return [][]string{one}
}

// Spellings returns every spelling of a name, the usual one first. Letters and
// digits in a name stand for themselves; ü is u (see Fold).
func Spellings(name string) []Spelling {
	var out []Spelling
	surname, _ := Split(name)
	for _, syllables := range Syllables(name) {
		cut := len([]rune(surname)) // a syllable for each character
		sp := Spelling{
			Full:     strings.Join(syllables, ""),
			Initials: initials(syllables),
			Given:    strings.Join(syllables[cut:], ""),
		}
		if !slices.Contains(out, sp) {
			out = append(out, sp)
		}
	}
	return out
}

// Syllables returns every reading of a name, syllable by syllable, the usual
// one first.
func Syllables(name string) [][]string {
	surname, rest := Split(name)
	if surname == "" {
		return nil
	}
	restLists := [][]string{nil}
	for _, r := range rest {
		restLists = times(restLists, givenReading(r))
	}
	var out [][]string
	for _, s := range SurnameReadings(surname) {
		for _, g := range restLists {
			if len(out) < maxReadings {
				out = append(out, slices.Concat(s, g))
			}
		}
	}
	return out
}

// Initials returns the initials of any text, for lists that are searched by
// them (diagnoses, institutions); characters without a reading stand as they are.
func Initials(text string) string {
	var b strings.Builder
	for _, r := range text {
		if s := common(r); s != "" {
			b.WriteString(firstLetter(s))
		}
	}
	return b.String()
}

// Full returns the usual spelling of any text, for sorting and search.
func Full(text string) string {
	var b strings.Builder
	for _, r := range text {
		b.WriteString(common(r))
	}
	return b.String()
}

// Fold brings typed letters to the form of the spellings: lower case, ü and v
// become u, as does the yu of a leading lyu (so passports write 吕), apostrophes
// and spaces go. Both lv and lu thus find 吕.
func Fold(typed string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(typed) {
		switch {
		case r == 'ü' || r == 'v' || r == 'ǖ' || r == 'ǘ' || r == 'ǚ' || r == 'ǜ':
			b.WriteByte('u')
		case r == '\'' || r == '’' || unicode.IsSpace(r):
		case r >= 'ａ' && r <= 'ｚ':
			b.WriteRune(r - 'ａ' + 'a')
		default:
			b.WriteRune(r)
		}
	}
	if rest, ok := strings.CutPrefix(b.String(), "lyu"); ok { // elsewhere it may be l-yu: chenyu ends in n-yu
		return "lu" + rest
	}
	return b.String()
}

func givenReading(r rune) []string {
	if readings, ok := given[string(r)]; ok {
		return readings
	}
	return []string{common(r)}
}

// common returns the usual reading of a character; letters and digits stand for
// themselves, anything else has none.
func common(r rune) string {
	if r < unicode.MaxASCII {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return Fold(string(r))
		}
		return ""
	}
	if known, ok := read.Load(r); ok {
		return known.(string)
	}
	reading := ""
	if readings := lib.SinglePinyin(r, lib.Args{Style: lib.Normal}); len(readings) > 0 {
		reading = strings.ReplaceAll(readings[0], "v", "u")
	}
	read.Store(r, reading)
	return reading
}

// read keeps the readings that were looked up: the library takes the tone off
// with an expression each time, and a million names share a few thousand
// characters.
var read sync.Map

func times(lists [][]string, next []string) [][]string {
	var out [][]string
	for _, list := range lists {
		for _, s := range next {
			if len(out) < maxReadings {
				out = append(out, append(slices.Clone(list), s))
			}
		}
	}
	return out
}

func initials(syllables []string) string {
	var b strings.Builder
	for _, s := range syllables {
		b.WriteString(firstLetter(s))
	}
	return b.String()
}

func firstLetter(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}

func cut(readings []string) [][]string {
	var out [][]string
	for _, r := range readings {
		out = append(out, strings.Split(r, "-"))
	}
	return out
}

// clean removes the dots and spaces that names of minorities and foreigners
// carry, so that 阿依·古丽 and 阿依古丽 are spelt alike.
func clean(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '·' || r == '•' || r == '．' || r == '.' || r == '-' {
			return -1
		}
		return r
	}, name)
}
