package search

import (
	"slices"
	"strings"

	"yilian/internal/fhir/spec"
)

// Query is a search request that has been understood.
type Query struct {
	// Type is the type of resource searched, empty for a search over the system,
	// which then goes over Types or, if there are none, over all.
	Type  string
	Types []string

	Where       []Clause // all must hold
	Includes    []Include
	RevIncludes []Include
	Sort        []Sort
	Count       int // page size asked for, -1 when not said; 0 asks for the number only
	Total       Total
	Summary     Summary
	Elements    []string // of _elements, names of top-level elements
	Format      string   // of _format
	Pretty      bool
	Own         map[string]string // parameters that Options.Own names (paging)

	// Applied are the parameters that take effect, as they stood in the request:
	// what the self link says.
	Applied []Pair
	// Ignored names each parameter that has no effect and why. In strict handling
	// they are an error instead.
	Ignored []Ignored
}

// Pair is one parameter of a request, decoded.
type Pair struct{ Name, Value string }

// Ignored is a parameter that has no effect.
type Ignored struct {
	Pair
	Reason string // Chinese
}

// Total is what _total asks for.
type Total string

const (
	TotalUnsaid   Total = ""
	TotalNone     Total = "none"
	TotalEstimate Total = "estimate"
	TotalAccurate Total = "accurate"
)

// Summary is what _summary asks for.
type Summary string

const (
	SummaryFalse Summary = ""
	SummaryTrue  Summary = "true"
	SummaryText  Summary = "text"
	SummaryData  Summary = "data"
	SummaryCount Summary = "count"
)

// Modifier is what follows the colon of a parameter.
type Modifier string

const (
	Plain          Modifier = ""
	Missing        Modifier = "missing"
	Exact          Modifier = "exact"
	Contains       Modifier = "contains"
	Not            Modifier = "not"
	TextOf         Modifier = "text"
	In             Modifier = "in"
	NotIn          Modifier = "not-in"
	Above          Modifier = "above"
	Below          Modifier = "below"
	OfTypeModifier Modifier = "of-type"
	IdentifierOf   Modifier = "identifier"
)

// Clause is one condition. Exactly one of these is set: Terms (any of them
// holds), Chain, Has, or the modifier Missing.
type Clause struct {
	Param    *Param // nil with Has
	Modifier Modifier
	// Absent is the value of :missing: true asks for resources without a value.
	Absent bool
	Terms  []Term
	Chain  []Link // subject:Patient.name=王: any of the links holds
	Has    *Link  // _has:Observation:patient:code=…
}

// Link is a condition on another resource. In a chain the parameter of the
// clause points at a resource of the link's type; in a _has a resource of that
// type points here by Param.
type Link struct {
	Type   string
	Param  *Param // of a _has, nil in a chain
	Clause Clause
}

// Term is one alternative of a clause. The modifier decides which kind it is:
// a token with :text has a TextTerm, :in a SetTerm, :identifier a TokenTerm.
type Term interface{ term() }

// TokenTerm looks for a code. code: any system; |code: no system; system|: any
// code of the system.
type TokenTerm struct {
	AnySystem bool
	System    string
	AnyCode   bool
	Code      string // with :of-type "type code|value", and the system is the type's
}

// TextTerm looks for a text: from the start of Norm, or as the modifier says.
type TextTerm struct{ Text }

// ReferenceTerm looks for a reference. Types are the types it may have when the
// request names only an id; a URL that is no reference of a FHIR server has only
// URL (and Version, of a canonical).
type ReferenceTerm struct {
	Reference
	Types []string
}

// Prefix is a comparison before a number, date or quantity.
type Prefix string

const (
	Equal        Prefix = "eq"
	NotEqual     Prefix = "ne"
	Greater      Prefix = "gt"
	Less         Prefix = "lt"
	GreaterEqual Prefix = "ge"
	LessEqual    Prefix = "le"
	StartsAfter  Prefix = "sa"
	EndsBefore   Prefix = "eb"
	Approximate  Prefix = "ap"
)

// DateTerm compares with a date. Bounds says it in comparisons.
type DateTerm struct {
	Prefix Prefix
	Period Period // with ap already widened
}

// NumberTerm compares with a number. Bounds says it in comparisons.
type NumberTerm struct {
	Prefix Prefix
	Value  float64
	// Low and High bound what counts as equal: half a unit of the last digit
	// written to either side, [Low, High). With ap they are 10 % wider.
	Low, High float64
}

// QuantityTerm is a number with a unit. With a system the code is compared,
// without one the code or the unit in letters.
type QuantityTerm struct {
	NumberTerm
	HasUnit bool
	Unit    Unit // System may be empty
}

// URITerm looks for a URI: the whole, or as :above and :below say.
type URITerm struct{ URI string }

// SetTerm names a value set, for :in and :not-in.
type SetTerm struct{ URL string }

// CompositeTerm holds one term for each component; values of one group must
// fulfil them all.
type CompositeTerm struct{ Parts []Term }

// NearTerm looks for places at most so many meters from another.
type NearTerm struct {
	Position
	Meters float64
}

func (TokenTerm) term()     {}
func (TextTerm) term()      {}
func (ReferenceTerm) term() {}
func (DateTerm) term()      {}
func (NumberTerm) term()    {}
func (QuantityTerm) term()  {}
func (URITerm) term()       {}
func (SetTerm) term()       {}
func (CompositeTerm) term() {}
func (NearTerm) term()      {}

// Include is one _include or _revinclude.
type Include struct {
	Source  string // type that holds the reference, empty for any (_include=*)
	Param   *Param // nil for every reference of the source
	Target  string // type pointed at, empty for any
	Iterate bool
}

// Sort is one key of _sort.
type Sort struct {
	Param      *Param
	Descending bool
}

// Column is an end of a stored span: of a date, or of a number.
type Column uint8

const (
	Start Column = iota // From of a date, Low of a number
	End                 // To of a date, High of a number
)

// Bound is one comparison of an end with a number: Start >= Value.
type Bound[T int64 | float64] struct {
	Column Column
	Op     string // <, <=, >, >=
	Value  T
}

// Bounds says what a stored span must fulfil: any of the lists, and of a list
// every comparison. It is the table of prefixes of the standard (3.1.1.4.5),
// which compares the two spans.
func (t DateTerm) Bounds() [][]Bound[int64] {
	a, b := t.Period.From, t.Period.To
	within := []Bound[int64]{{Start, ">=", a}, {End, "<=", b}}
	switch t.Prefix {
	case NotEqual:
		return [][]Bound[int64]{{{Start, "<", a}}, {{End, ">", b}}}
	case Greater:
		return [][]Bound[int64]{{{End, ">", b}}}
	case Less:
		return [][]Bound[int64]{{{Start, "<", a}}}
	case GreaterEqual: // overlaps what lies above, or lies within: the end is not before the span
		return [][]Bound[int64]{{{End, ">", b}}, within}
	case LessEqual:
		return [][]Bound[int64]{{{Start, "<", a}}, within}
	case StartsAfter:
		return [][]Bound[int64]{{{Start, ">=", b}}}
	case EndsBefore:
		return [][]Bound[int64]{{{End, "<=", a}}}
	case Approximate:
		return [][]Bound[int64]{{{Start, "<", b}, {End, ">", a}}}
	}
	return [][]Bound[int64]{within}
}

// Bounds says what a stored number must fulfil, as DateTerm.Bounds does. But for
// eq, ne and ap the number looked for is exact, as the standard has it.
func (t NumberTerm) Bounds() [][]Bound[float64] {
	switch t.Prefix {
	case NotEqual:
		return [][]Bound[float64]{{{Start, "<", t.Low}}, {{End, ">=", t.High}}}
	case Greater:
		return [][]Bound[float64]{{{End, ">", t.Value}}}
	case Less:
		return [][]Bound[float64]{{{Start, "<", t.Value}}}
	case GreaterEqual:
		return [][]Bound[float64]{{{End, ">=", t.Value}}}
	case LessEqual:
		return [][]Bound[float64]{{{Start, "<=", t.Value}}}
	case StartsAfter:
		return [][]Bound[float64]{{{Start, ">", t.Value}}}
	case EndsBefore:
		return [][]Bound[float64]{{{End, "<", t.Value}}}
	case Approximate:
		return [][]Bound[float64]{{{Start, "<=", t.High}, {End, ">=", t.Low}}}
	}
	return [][]Bound[float64]{{{Start, ">=", t.Low}, {End, "<", t.High}}}
}

// Options is what a server brings to the reading of requests.
type Options struct {
	// Strict makes parameters that cannot be served an error (Prefer:
	// handling=strict); otherwise they are listed in Query.Ignored.
	Strict bool
	// Now is the time, in milliseconds since 1970, for ap with dates.
	Now int64
	// Own names parameters of the server itself, such as the place in a paged
	// result; they are handed over in Query.Own.
	Own []string
}

// Param is a search parameter, compiled for one type of resource.
type Param struct {
	*spec.Param
	Resource   string
	Datatypes  []string // FHIR types that its values come from
	Components []*Param // of a composite, in their order
	roots      []root
	sources    []*Param // see Sources
}

// Lookup returns the compiled parameter with a code for a type of resource, nil
// if there is none.
func Lookup(resourceType, code string) *Param {
	all := Params(resourceType)
	i, ok := slices.BinarySearchFunc(all, code, func(p *Param, code string) int { return strings.Compare(p.Code, code) })
	if !ok {
		return nil
	}
	return all[i]
}
