package match

import (
	"slices"
	"strings"
	"unicode"

	"yilian/internal/pinyin"
)

// Levels of the comparison of two names.
const (
	NameSameRare   int8 = iota // the same, borne by at most two in 60,000
	NameSameSome               // the same, borne by a few
	NameSameCommon             // the same, borne by many
	NameSound                  // written otherwise, spoken alike (张桂兰 章桂兰, ZHANG GUILAN)
	NameNear                   // near-sound, a character missing or two transposed
	NameShared                 // surname and one character of the given name, as siblings have
	NameSurname                // the surname only
	NameOther
	nameLevels
)

// Name is a name prepared for comparison.
type Name struct {
	plain   []rune
	surname string
	given   []rune
	spelt   [][]string // readings, by syllable; nil for names in letters
	latin   string     // folded, for names in letters
}

// ParseName prepares a name.
func ParseName(text string) Name {
	plain := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
	n := Name{plain: []rune(plain)}
	if !strings.ContainsFunc(plain, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		n.latin = pinyin.Fold(plain)
		return n
	}
	surname, given := pinyin.Split(plain)
	n.surname, n.given, n.spelt = surname, []rune(given), pinyin.Syllables(plain)
	return n
}

// Empty reports whether nothing is stated.
func (n Name) Empty() bool { return len(n.plain) == 0 }

// Unnamed are the names that say that the name is not known.
func Unnamed(text string) bool {
	return text == "" || strings.HasPrefix(text, "无名") || strings.HasPrefix(text, "不详") || strings.HasPrefix(text, "未知")
}

// compareNames returns the level; common is that of the same name.
func compareNames(a, b Name, common int8) int8 {
	switch {
	case a.Empty() || b.Empty():
		return Missing
	case slices.Equal(a.plain, b.plain):
		return common
	case a.latin != "" || b.latin != "":
		return compareLatin(a, b)
	case spokenAlike(a.spelt, b.spelt, plainSound):
		return NameSound
	case spokenAlike(a.spelt, b.spelt, nearSound), transposed(a.plain, b.plain), oneMissing(a, b):
		return NameNear
	case a.surname != b.surname:
		return NameOther
	case shareGiven(a.given, b.given):
		return NameShared
	}
	return NameSurname
}

// Limits of a name that is rare and one that some bear, in a register of
// namesAmong persons: what tells is how frequent a name is, not how large the
// register.
const (
	rareBearers = 2
	someBearers = 20
	namesAmong  = 60_000
)

// Bearers is how many of the registered persons have a name, and how many are
// registered in all.
type Bearers struct{ N, Among int }

// scale is how many times the register is the size that the limits are meant for.
func (b Bearers) scale() int { return max(1, b.Among/namesAmong) }

// Counted is up to how many bearers need to be counted among so many persons:
// beyond, it does not matter how many they are.
func (b Bearers) Counted() int { return someBearers*b.scale() + 1 }

func (b Bearers) commonness() int8 {
	switch {
	case b.N <= rareBearers*b.scale():
		return NameSameRare
	case b.N <= someBearers*b.scale():
		return NameSameSome
	}
	return NameSameCommon
}

// compareLatin compares a name in letters with a spelling, surname first or last.
func compareLatin(a, b Name) int8 {
	if a.latin == "" {
		a, b = b, a
	}
	if b.latin != "" {
		if Edits(a.latin, b.latin, 1) <= 1 {
			return NameNear
		}
		return NameOther
	}
	for _, s := range b.spelt {
		full := strings.Join(s, "")
		for cut := 1; cut < len(s) && cut <= 2; cut++ {
			if a.latin == strings.Join(s[cut:], "")+strings.Join(s[:cut], "") {
				return NameSound
			}
		}
		if a.latin == full {
			return NameSound
		}
	}
	return NameOther
}

func plainSound(s string) string { return s }

// nearSound folds what speakers of southern Mandarin and Xiang do not tell
// apart: zh and z, ch and c, sh and s, n and l, h and f before u, ing and in,
// eng and en, ang and an.
func nearSound(s string) string {
	for _, p := range [][2]string{{"zh", "z"}, {"ch", "c"}, {"sh", "s"}, {"hu", "fu"}, {"n", "l"}} {
		if rest, ok := strings.CutPrefix(s, p[0]); ok {
			s = p[1] + rest
			break
		}
	}
	if strings.HasPrefix(s, "fua") || strings.HasPrefix(s, "fue") { // huang and fang, hui and fei
		s = "f" + s[2:]
	}
	if s == "fui" {
		s = "fei"
	}
	return strings.TrimSuffix(s, "g")
}

func spokenAlike(a, b [][]string, fold func(string) string) bool {
	for _, x := range a {
		for _, y := range b {
			if len(x) == len(y) && slices.EqualFunc(x, y, func(s, t string) bool { return s == t || fold(s) == fold(t) }) {
				return true
			}
		}
	}
	return false
}

// transposed reports whether the characters are the same in another order.
func transposed(a, b []rune) bool {
	if len(a) != len(b) {
		return false
	}
	x, y := slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(x, y)
}

// oneMissing reports whether one name is the other less one character of the
// given name.
func oneMissing(a, b Name) bool {
	if len(a.plain) > len(b.plain) {
		a, b = b, a
	}
	if a.surname != b.surname || len(b.plain)-len(a.plain) != 1 || len(a.given) == 0 {
		return false
	}
	i := 0
	for _, r := range b.given {
		if i < len(a.given) && a.given[i] == r {
			i++
		}
	}
	return i == len(a.given)
}

func shareGiven(a, b []rune) bool {
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			return true
		}
	}
	return false
}

// Sound is the blocking key of a name: its syllables near-folded and sorted, so
// that variants in sound and transposed characters fall together. A name in
// letters has none.
func Sound(name string) string {
	n := ParseName(name)
	if len(n.spelt) == 0 {
		return ""
	}
	folded := make([]string, 0, len(n.spelt[0]))
	for _, s := range n.spelt[0] {
		folded = append(folded, nearSound(s))
	}
	slices.Sort(folded)
	return strings.Join(folded, "-")
}
