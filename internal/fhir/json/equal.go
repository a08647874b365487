package json

import (
	"bytes"
	"math/big"
	"strings"
)

// Equal reports whether two values say the same: members in any order, strings
// by their text, numbers by their literal (1.0 is not 1.00, for in FHIR the
// digits written are the precision meant).
func Equal(a, b Node) bool { return equal(a, b, bytes.Equal) }

// same is Equal with numbers compared by value, as RFC 6902 wants it.
func same(a, b Node) bool { return equal(a, b, sameNumber) }

func equal(a, b Node, number func(a, b []byte) bool) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	switch a.Kind() {
	case Missing, Null:
		return true
	case Bool:
		return a.Bool() == b.Bool()
	case Number:
		return number(a.Raw(), b.Raw())
	case String:
		return a.Text() == b.Text()
	}
	if a.Len() != b.Len() {
		return false
	}
	if a.Kind() == Array {
		cb := b.i + 1
		for item := range a.Items() {
			if !equal(item, Node{b.d, cb}, number) {
				return false
			}
			cb = b.d.nodes[cb].next
		}
		return true
	}
	return equalObjects(a, b, number)
}

func equalObjects(a, b Node, number func(a, b []byte) bool) bool {
	var byName map[string]Node
	cb := b.i + 1
	for name, va := range a.Fields() {
		vb := Node{b.d, cb} // the member in the same place, most often
		cb = b.d.nodes[cb].next
		if vb.Name() != name {
			if byName == nil {
				byName = make(map[string]Node, b.Len())
				for name, v := range b.Fields() {
					byName[name] = v
				}
			}
			vb = byName[name]
		}
		if !equal(va, vb, number) {
			return false
		}
	}
	return true
}

func sameNumber(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	na, da, ea := decimal(string(a))
	nb, db, eb := decimal(string(b))
	return na == nb && da == db && ea.Cmp(eb) == 0
}

// decimal splits a literal into sign, digits without zeros at either end, and
// the power of ten of the last digit. Zero has no digits.
func decimal(lit string) (negative bool, digits string, exponent *big.Int) {
	exponent = new(big.Int)
	if i := strings.IndexAny(lit, "eE"); i >= 0 {
		exponent.SetString(strings.TrimPrefix(lit[i+1:], "+"), 10)
		lit = lit[:i]
	}
	lit, negative = strings.CutPrefix(lit, "-")
	whole, fraction, _ := strings.Cut(lit, ".")
	digits = whole + fraction
	exponent.Sub(exponent, big.NewInt(int64(len(fraction))))
	trimmed := strings.TrimRight(digits, "0")
	exponent.Add(exponent, big.NewInt(int64(len(digits)-len(trimmed))))
	digits = strings.TrimLeft(trimmed, "0")
	if digits == "" {
		return false, "", new(big.Int)
	}
	return negative, digits, exponent
}
