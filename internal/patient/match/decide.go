package match

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"math"
	"slices"
	"strings"
)

// Outcome is what becomes of a statement.
type Outcome string

// The outcomes, the safest first.
const (
	Certain  Outcome = "certain"  // a valid identity card, and the name agrees
	Link     Outcome = "link"     // the model is sure, and nobody else comes near
	Review   Outcome = "review"   // a human decides
	Fresh    Outcome = "fresh"    // nobody like this is registered
	Conflict Outcome = "conflict" // the card of one person with the name of another
)

// Limits are the odds, in bits, from which on the model decides.
type Limits struct {
	Link   float64 `json:"link"`   // from here on it links
	Review float64 `json:"review"` // from here on it asks
	Margin float64 `json:"margin"` // the best must be ahead of the second by so much
}

// Weights are a learnt model with its limits and where it was learnt.
type Weights struct {
	LearntFrom string  `json:"learnt_from"`
	Candidates float64 `json:"candidates"` // that a statement had on average when they were learnt; 0: not known
	Limits     Limits  `json:"limits"`
	Model      *Model  `json:"model"`
}

// crowd is how many bits it counts against each of n candidates that they are
// more than when the weights were learnt: at most one of them is the person, so
// that in a larger register each is so much less likely to be.
func (w Weights) crowd(n int) float64 {
	if w.Candidates == 0 || float64(n) <= w.Candidates {
		return 0
	}
	return math.Log2(float64(n) / w.Candidates)
}

//go:embed weights.json
var shipped []byte

// Shipped returns the weights that come with the program.
func Shipped() (Weights, error) {
	var w Weights
	return w, json.Unmarshal(shipped, &w)
}

// Candidate is one registered person beside a statement.
type Candidate struct {
	At      int // in the list given to Decide
	Pattern Pattern
	Weight  Weight
	Apart   bool // two valid, different identity cards
}

// nameAgrees reports whether the name may be that of the holder of a card.
func nameAgrees(level int8) bool { return level != Missing && level <= NameNear }

// Decide weighs a statement against candidates and returns the outcome with the
// candidates that count, the likeliest first. same says whether two candidates
// are one person already, so that they do not compete.
func Decide(w Weights, stated Prepared, list []Prepared, same func(i, j int) bool) (Outcome, []Candidate) {
	var all []Candidate
	near := 0 // that no card says are others
	for i, c := range list {
		x := Candidate{At: i, Pattern: Compare(stated, c), Apart: Apart(stated, c)}
		x.Weight = w.Model.Weigh(x.Pattern)
		if stated.valid && x.Pattern[FieldID] == IDSame {
			if nameAgrees(x.Pattern[FieldName]) {
				return Certain, []Candidate{x}
			}
			return Conflict, []Candidate{x}
		}
		if !x.Apart {
			near++
			all = append(all, x)
		}
	}
	crowd := w.crowd(near)
	for i := range all {
		all[i].Weight.Bits -= crowd
	}
	all = slices.DeleteFunc(all, func(x Candidate) bool { return x.Weight.Bits < w.Limits.Review })
	slices.SortStableFunc(all, func(a, b Candidate) int { return cmp.Compare(b.Weight.Bits, a.Weight.Bits) })
	if len(all) == 0 {
		return Fresh, nil
	}
	best := all[0]
	rival := slices.IndexFunc(all, func(c Candidate) bool { return c.At != best.At && !same(c.At, best.At) })
	if best.Weight.Bits >= w.Limits.Link && Supported(best.Pattern) &&
		(rival < 0 || best.Weight.Bits-all[rival].Weight.Bits >= w.Limits.Margin) {
		return Link, all
	}
	return Review, all
}

// Supported reports whether a pattern may link without a human: the name (or
// the identity card but for one digit) agrees, as it does not for twins, and
// two identifiers agree in all: nothing is attached to a person on one alone.
func Supported(p Pattern) bool {
	if !nameAgrees(p[FieldName]) && (p[FieldID] == Missing || p[FieldID] > IDTypo) {
		return false
	}
	n := 0
	for _, f := range []struct {
		field int
		upTo  int8
	}{{FieldName, NameNear}, {FieldBirth, BirthTypo}, {FieldID, IDTypo}, {FieldPhone, PhoneTypo}, {FieldPlace, PlaceSame}} {
		if l := p[f.field]; l != Missing && l <= f.upTo {
			n++
		}
	}
	return n >= 2
}

// Stated counts the identifiers that a statement holds at all.
func Stated(p Prepared) int {
	n := 0
	for _, has := range []bool{!p.name.Empty(), len(p.Birth) == 10, p.ID != "", p.Phone != "", strings.TrimSpace(p.Address) != ""} {
		if has {
			n++
		}
	}
	return n
}

// Valid reports whether the stated identity card number can be right.
func (p Prepared) Valid() bool { return p.valid }

// Confirms reports whether a pattern confirms a number that is known already: a
// second identifier agrees.
func Confirms(p Pattern) bool {
	birthAndPhone := p[FieldBirth] == BirthSame && p[FieldPhone] == PhoneSame
	return nameAgrees(p[FieldName]) || p[FieldID] == IDSame || birthAndPhone && p[FieldName] == Missing
}
