// Package terminology answers questions about code systems. It holds ICD-10,
// insurance edition (医保版 2.0), in memory: the edition that settlement and
// the indication lists of referrals use.
package terminology

import (
	"strings"

	"yilian/internal/errs"
)

// Code is one entry of ICD-10, insurance edition.
type Code struct{ Code, Name string }

// Get returns the entry of a code, upper or lower case.
func Get(code string) (Code, bool) {
	e := edition()
	i, ok := e.find(strings.ToUpper(strings.TrimSpace(code)))
	if !ok {
		return Code{}, false
	}
	return e.entry(i), true
}

// Check returns a sentence for the user when code is not in the edition.
func Check(code string) error {
	if strings.TrimSpace(code) == "" {
		return errs.E(errs.Invalid, "请填写诊断编码（ICD-10 医保版）")
	}
	if _, ok := Get(code); !ok {
		return errs.E(errs.Invalid, "ICD-10 医保版里没有编码 %s，请从诊断列表中选择", strings.TrimSpace(code))
	}
	return nil
}

// Len returns the number of entries.
func Len() int { return edition().len() }

// Canonical writes a code or the beginning of one the way the edition does:
// capital letter first, small x in extensions (I10.x00x002).
func Canonical(code string) string { return canonical(strings.ToUpper(strings.TrimSpace(code))) }

// HasPrefix reports whether any code of the edition begins with prefix.
func HasPrefix(prefix string) bool {
	if prefix == "" {
		return false
	}
	e, want := edition(), Canonical(prefix)
	i, _ := e.find(strings.ToUpper(want))
	return i < len(e.codes) && strings.HasPrefix(e.codes[i], want)
}
