package spec

import (
	"slices"
	"strings"
)

// ParamType is the type of a search parameter.
type ParamType string

const (
	TokenParam     ParamType = "token"
	ReferenceParam ParamType = "reference"
	StringParam    ParamType = "string"
	DateParam      ParamType = "date"
	NumberParam    ParamType = "number"
	QuantityParam  ParamType = "quantity"
	URIParam       ParamType = "uri"
	CompositeParam ParamType = "composite"
	SpecialParam   ParamType = "special"
)

// Param is one search parameter of the standard.
type Param struct {
	ID         string // clinical-code; the URL ends in it
	Code       string // code, _id: what stands in a request
	Type       ParamType
	Base       []string // types of resource it is defined for
	Expression string   // FHIRPath, empty for _text, _content and _query
	Targets    []string // of a reference, empty for any type
	Components []Component
}

// Component is one part of a composite parameter.
type Component struct {
	Param      *Param
	Expression string // relative to each result of the composite's expression
}

// URL is the canonical URL of the parameter.
func (p *Param) URL() string { return "http://hl7.org/fhir/SearchParameter/" + p.ID }

// Params returns the search parameters of a type of resource, those of every
// resource (_id, _lastUpdated …) among them, sorted by code.
func Params(resourceType string) []*Param { return load().byType[resourceType] }

// LookupParam returns the parameter with a code for a type of resource, nil if
// there is none.
func LookupParam(resourceType, code string) *Param {
	all := Params(resourceType)
	i, ok := slices.BinarySearchFunc(all, code, func(p *Param, code string) int { return strings.Compare(p.Code, code) })
	if !ok {
		return nil
	}
	return all[i]
}

// AllParams returns every search parameter of the standard, sorted by id.
func AllParams() []*Param {
	t := load()
	all := make([]*Param, 0, len(t.params))
	for _, p := range t.params {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *Param) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Compartment says for each type of resource which parameters put an instance
// into the compartment.
type Compartment map[string][]string

// CompartmentOf returns the compartment of Patient, Practitioner,
// RelatedPerson, Device or Encounter, nil for any other type.
func CompartmentOf(resourceType string) Compartment { return load().compartments[resourceType] }

func (t *tables) readParams() {
	components := map[*Param]string{}
	lines(paramsText, func(line string) {
		f := append(strings.Split(line, "\t"), "", "", "")
		p := &Param{ID: f[0], Code: f[1], Type: ParamType(f[2]), Base: strings.Fields(f[3]), Expression: f[4]}
		if f[5] != "*" {
			p.Targets = strings.Fields(f[5])
		}
		components[p] = f[6]
		t.params[p.ID] = p
	})
	for p, text := range components {
		for part := range strings.SplitSeq(text, " ; ") {
			if id, expr, ok := strings.Cut(part, " = "); ok {
				p.Components = append(p.Components, Component{t.params[id], expr})
			}
		}
		for _, base := range p.Base {
			for _, name := range t.resources {
				if t.types[name].Is(base) {
					t.byType[name] = append(t.byType[name], p)
				}
			}
		}
	}
	for _, all := range t.byType {
		slices.SortFunc(all, func(a, b *Param) int { return strings.Compare(a.Code, b.Code) })
	}
}

func (t *tables) readCompartments() {
	var c Compartment
	lines(compartmentsText, func(line string) {
		f := strings.Fields(line)
		if f[0] == "compartment" {
			c = Compartment{}
			t.compartments[f[1]] = c
			return
		}
		c[f[0]] = f[1:]
	})
}
