// Package spec knows what HL7 has defined for FHIR R4 (4.0.1): types with their
// elements, search parameters, compartments, and the codes of required
// bindings. It reads tables that generate writes from HL7's own package; what a
// server does with them is the business of the packages above.
//
// Form of the tables (text, one fact a line, # begins a comment):
//
//	types.txt         type <name> <kind> <base> [<regular expression>]
//	                  <element> <min>..<max> <type>[,<type>...] [S] [M] [!<value set>]
//	                  S: part of _summary; M: modifier; !: required binding.
//	                  Reference(A|B) and canonical(A|B) name what may be pointed at.
//	                  Types with a dot are the inner types of an element.
//	params.txt        id, code, type, base types, expression, targets (* for any),
//	                  components "id = expression ; …", separated by tabs
//	compartments.txt  compartment <type>, then <type> <parameter> <parameter> …
//	codes.txt         valueset <url>, then <system> <code> <code> …, separated by tabs
package spec

//go:generate ./generate/generate.sh

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Version is the version of FHIR that the tables describe.
const Version = "4.0.1"

// Kind is the sort of a type.
type Kind uint8

const (
	Primitive Kind = iota + 1
	Complex        // HumanName, Quantity …
	Resource       // a type of resource that can be stored
	Abstract       // Element, BackboneElement, Resource, DomainResource
	Inner          // an element that has elements, for example Patient.contact
)

// Unbounded is Element.Max where there is no upper limit.
const Unbounded = -1

// Type is one type of FHIR with everything it may contain.
type Type struct {
	Name     string // Patient, HumanName, string, Patient.contact
	Kind     Kind
	Base     *Type      // nil for Element and Resource
	Elements []*Element // those of the bases first
	Pattern  *regexp.Regexp
	props    map[string]Property
}

// Element is one element of a type.
type Element struct {
	Name     string // without [x]
	Path     string // Observation.value, in the type that declares it
	Min, Max int
	Types    []Ref
	Choice   bool // value[x]
	Summary  bool
	Modifier bool
	Binding  *ValueSet // of a required binding whose codes can be listed
}

// Ref is a type that an element may have, and for references the types of
// resource that it may point at (none named: any).
type Ref struct {
	Type    *Type
	Targets []string
}

// Property is what a JSON name stands for in a type: valueQuantity is the
// element value with the type Quantity.
type Property struct {
	Element *Element
	Ref     Ref
	Name    string
}

// Property looks up a JSON name.
func (t *Type) Property(name string) (Property, bool) {
	p, ok := t.props[name]
	return p, ok
}

// Element looks up an element by its FHIR name, which for a choice is the name
// without type.
func (t *Type) Element(name string) *Element {
	for _, e := range t.Elements {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// Is reports whether the type is the named one or derives from it.
func (t *Type) Is(name string) bool {
	for ; t != nil; t = t.Base {
		if t.Name == name {
			return true
		}
	}
	return false
}

// JSONName returns the name that an element has in JSON when its type is ref.
func (e *Element) JSONName(ref Ref) string {
	if !e.Choice {
		return e.Name
	}
	t := ref.Type.Name
	return e.Name + strings.ToUpper(t[:1]) + t[1:]
}

// Lookup returns a type by name, nil if there is none.
func Lookup(name string) *Type { return load().types[name] }

// ResourceTypes returns the names of the types that can be stored, sorted.
func ResourceTypes() []string { return load().resources }

// IsResource reports whether name is a type of resource that can be stored.
func IsResource(name string) bool {
	t := Lookup(name)
	return t != nil && t.Kind == Resource
}

// ValueSet is a set of codes by system.
type ValueSet struct {
	URL     string
	Systems []System
	index   map[string]int // code -> position in Systems of the first that has it
}

// System is the part of a value set that comes from one code system.
type System struct {
	URL   string
	Codes []string
}

// System returns the system of a code, "" when the set has no such code.
func (v *ValueSet) System(code string) string {
	if i, ok := v.index[code]; ok {
		return v.Systems[i].URL
	}
	return ""
}

// Has reports whether the set has the code; an empty system stands for any.
func (v *ValueSet) Has(system, code string) bool {
	i, ok := v.index[code]
	if !ok || system == "" || v.Systems[i].URL == system {
		return ok
	}
	for _, s := range v.Systems {
		if s.URL == system {
			return slices.Contains(s.Codes, code)
		}
	}
	return false
}

// ValueSetOf returns a value set of a required binding by its URL, nil if its
// codes are not known here.
func ValueSetOf(url string) *ValueSet {
	return load().valueSets[strings.TrimPrefix(url, valueSetPrefix)]
}

const valueSetPrefix = "http://hl7.org/fhir/ValueSet/"

//go:embed types.txt
var typesText string

//go:embed codes.txt
var codesText string

//go:embed params.txt
var paramsText string

//go:embed compartments.txt
var compartmentsText string

type tables struct {
	types        map[string]*Type
	resources    []string
	valueSets    map[string]*ValueSet
	params       map[string]*Param // by id
	byType       map[string][]*Param
	compartments map[string]Compartment
}

// load reads the tables once. They are part of the program, so a fault in them
// is a programmer's error.
var load = sync.OnceValue(func() *tables {
	t := &tables{types: map[string]*Type{}, valueSets: map[string]*ValueSet{}, params: map[string]*Param{},
		byType: map[string][]*Param{}, compartments: map[string]Compartment{}}
	t.readCodes()
	t.readTypes()
	t.readParams()
	t.readCompartments()
	return t
})

func lines(text string, each func(line string)) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line != "" && line[0] != '#' {
			each(line)
		}
	}
}

func (t *tables) readCodes() {
	var set *ValueSet
	lines(codesText, func(line string) {
		if url, ok := strings.CutPrefix(line, "valueset "); ok {
			full := url
			if !strings.Contains(url, ":") {
				full = valueSetPrefix + url
			}
			set = &ValueSet{URL: full, index: map[string]int{}}
			t.valueSets[url] = set
			return
		}
		fields := strings.Split(line, "\t")
		for _, code := range fields[1:] {
			if _, ok := set.index[code]; !ok {
				set.index[code] = len(set.Systems)
			}
		}
		set.Systems = append(set.Systems, System{fields[0], fields[1:]})
	})
}

// kinds are the words of types.txt.
var kinds = map[string]Kind{"primitive": Primitive, "complex": Complex, "resource": Resource, "abstract": Abstract, "inner": Inner}

func (t *tables) readTypes() {
	bases := map[*Type]string{}
	own := map[*Type][]string{}
	var order []*Type
	lines(typesText, func(line string) {
		f := strings.SplitN(line, " ", 5)
		if f[0] != "type" || len(f) < 4 || kinds[f[2]] == 0 {
			typ := order[len(order)-1]
			own[typ] = append(own[typ], line)
			return
		}
		typ := &Type{Name: f[1], Kind: kinds[f[2]], props: map[string]Property{}}
		if len(f) > 4 && f[4] != "-" {
			typ.Pattern = regexp.MustCompile("^(?:" + f[4] + ")$")
		}
		bases[typ] = f[3]
		t.types[typ.Name] = typ
		order = append(order, typ)
		if typ.Kind == Resource {
			t.resources = append(t.resources, typ.Name)
		}
	})
	slices.Sort(t.resources)
	for _, typ := range order {
		typ.Base = t.types[bases[typ]]
		for _, line := range own[typ] {
			typ.Elements = append(typ.Elements, t.element(typ, line))
		}
	}
	done := map[*Type]bool{}
	for _, typ := range order {
		complete(typ, done)
	}
}

// complete puts the elements of the bases before a type's own.
func complete(t *Type, done map[*Type]bool) {
	if t == nil || done[t] {
		return
	}
	done[t] = true
	complete(t.Base, done)
	if t.Base != nil {
		t.Elements = append(slices.Clone(t.Base.Elements), t.Elements...)
	}
	for _, e := range t.Elements {
		for _, ref := range e.Types {
			name := e.JSONName(ref)
			t.props[name] = Property{e, ref, name}
		}
	}
}

func (t *tables) element(owner *Type, line string) *Element {
	f := strings.Fields(line)
	name, choice := strings.CutSuffix(f[0], "[x]")
	low, high, _ := strings.Cut(f[1], "..")
	e := &Element{Name: name, Path: owner.Name + "." + name, Min: atoi(low), Max: Unbounded, Choice: choice}
	if high != "*" {
		e.Max = atoi(high)
	}
	for _, ref := range strings.Split(f[2], ",") {
		typ, targets, found := strings.Cut(strings.TrimSuffix(ref, ")"), "(")
		r := Ref{Type: t.types[typ]}
		if r.Type == nil {
			panic("spec: no type " + typ + " for " + e.Path)
		}
		if found {
			r.Targets = strings.Split(targets, "|")
		}
		e.Types = append(e.Types, r)
	}
	for _, flag := range f[3:] {
		switch flag[0] {
		case 'S':
			e.Summary = true
		case 'M':
			e.Modifier = true
		case '!':
			if e.Binding = t.valueSets[flag[1:]]; e.Binding == nil {
				panic("spec: no value set " + flag[1:])
			}
		}
	}
	return e
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(fmt.Sprintf("spec: %q is no number", s))
	}
	return n
}
