// Package search knows how FHIR R4 resources are found: it compiles the
// standard's search parameters, extracts from a resource the values under which
// it is found, and reads search requests into a typed query. It runs no query;
// the store turns the query into SQL over the values that it has kept.
package search

import (
	"math"

	"yilian/internal/fhir/spec"
)

// Value is one value under which a resource is found. Type says which of the
// fields below it is set. The parts of a composite parameter are values of their
// own: those of one root element share Group, Part is the component's number.
type Value struct {
	Param    *Param
	Type     spec.ParamType // of the component for a part of a composite
	Datatype string         // FHIR type that it came from: Identifier, HumanName, code …
	Part     uint8
	Group    uint32

	Token     Token
	Text      Text
	Reference Reference
	Date      Period
	Number    Number // also of a quantity
	Quantity  Unit
	URI       string
	Position  Position // of the special parameter near
}

// TokenForm tells apart the ways in which a token is looked for.
type TokenForm uint8

const (
	Coded  TokenForm = iota // by system and code
	OfType                  // an identifier by its type: Code is "type code|value"
)

// Token is a code in a system. A CodeableConcept of which only the text is known
// has no code; a code with a required binding has the system of its value set.
type Token struct {
	Form   TokenForm
	System string
	Code   string
	Text   string // display or text, for :text; normalised by Normalise
}

// Text is a string as it stands in the resource and as it is compared.
type Text struct {
	Exact string
	Norm  string // by Normalise
}

// Reference is a reference to a resource by its literal, by an identifier, or
// both. A canonical is a reference with URL and Version.
type Reference struct {
	Base       string // http://example.org/fhir, empty when relative
	Type       string // Patient; empty when the literal does not say it
	ID         string
	Version    string // of Patient/1/_history/2, or of a canonical url|2
	URL        string // the literal as it was written, without version; urn:uuid:… too
	Identifier Token
}

// Period is a span of time, [From, To), in milliseconds since 1970 UTC. A day is
// as long as it is in China, for a value without time or zone is meant in the
// place where the alliance works.
type Period struct{ From, To int64 }

// Ends of time: a period without start or without end.
const (
	MinTime = math.MinInt64 / 2
	MaxTime = math.MaxInt64 / 2
)

// Number is a number, or a range of numbers from Low to High, both included.
type Number struct{ Low, High float64 }

// Unit is what a quantity is measured in.
type Unit struct {
	System string
	Code   string
	Unit   string // in letters
}

// Position is a place on the globe in degrees (WGS 84).
type Position struct{ Latitude, Longitude float64 }
