package search

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"

	"yilian/internal/fhir/spec"
)

// stepKind is what a step of a program does with a node. The search parameters
// of R4 need no more than these, though FHIRPath has many more.
type stepKind uint8

const (
	field    stepKind = iota // .name, in JSON any of the names of a choice
	index                    // [0]
	whereEq                  // .where(system='phone')
	whereRef                 // .where(resolve() is Patient)
	toRoot                   // %resource
	notFalse                 // X.exists() and X != false
)

type step struct {
	kind    stepKind
	keys    []spec.Property // of field
	prefix  string          // what all keys begin with
	name    string          // of whereEq the member, of whereRef the type
	literal string
}

type program []step

// root is a way from the resource to the elements of a parameter; of a composite
// parameter, with the ways from there to its components.
type root struct {
	program
	parts [][]program
}

var compiled sync.Map // type of resource -> []*Param

// Params returns the compiled search parameters of a type of resource, sorted by
// code. Parameters that have no expression (_text, _content, _query) are not
// among them.
func Params(resourceType string) []*Param {
	if all, ok := compiled.Load(resourceType); ok {
		return all.([]*Param)
	}
	var all []*Param
	for _, p := range spec.Params(resourceType) {
		if p.Expression == "" {
			continue
		}
		c, err := compile(p, resourceType)
		if err != nil {
			// The tables are part of the program; a test compiles them all.
			panic(err)
		}
		all = append(all, c)
	}
	derive(all)
	compiled.Store(resourceType, all)
	return all
}

func compile(p *spec.Param, resourceType string) (*Param, error) {
	out := &Param{Param: p, Resource: resourceType}
	for _, c := range p.Components {
		out.Components = append(out.Components, &Param{Param: c.Param, Resource: resourceType})
	}
	for branch := range strings.SplitSeq(p.Expression, "|") {
		c := compiler{resource: spec.Lookup(resourceType), text: strings.TrimSpace(branch)}
		r, ok, err := c.root()
		if err != nil {
			return nil, fmt.Errorf("compile %s: %w", p.ID, err)
		}
		if !ok {
			continue
		}
		if err := out.components(&r, c); err != nil {
			return nil, fmt.Errorf("compile %s: %w", p.ID, err)
		}
		if len(p.Components) == 0 {
			out.addTypes(c.types())
		}
		out.roots = append(out.roots, r)
	}
	return out, nil
}

func (p *Param) addTypes(names []string) {
	for _, name := range names {
		if !slices.Contains(p.Datatypes, name) {
			p.Datatypes = append(p.Datatypes, name)
		}
	}
}

// components compiles the components' expressions for the type that the root
// leads to.
func (p *Param) components(r *root, at compiler) error {
	for i, component := range p.Param.Components {
		var ways []program
		for branch := range strings.SplitSeq(component.Expression, "|") {
			c := compiler{resource: at.resource, at: at.at, text: strings.TrimSpace(branch)}
			way, err := c.relative()
			if err != nil {
				return err
			}
			p.Components[i].addTypes(c.types())
			ways = append(ways, way)
		}
		r.parts = append(r.parts, ways)
	}
	return nil
}

// compiler reads one branch of an expression. at holds what the nodes may be
// that the steps so far lead to.
type compiler struct {
	resource *spec.Type
	at       []spec.Property
	steps    program
	text     string
}

func (c *compiler) types() []string {
	var names []string
	for _, p := range c.at {
		names = append(names, p.Ref.Type.Name)
	}
	return names
}

// root reads a branch that starts at a resource. ok is false when it starts at
// another type of resource.
func (c *compiler) root() (r root, ok bool, err error) {
	c.at = []spec.Property{{Ref: spec.Ref{Type: c.resource}}}
	if left, right, found := strings.Cut(c.text, ".exists() and "); found {
		if strings.TrimSuffix(right, " != false") != left {
			return root{}, false, fmt.Errorf("%q is not understood", c.text)
		}
		c.text = left
		if r, ok, err = c.root(); err == nil && ok {
			r.program = append(r.program, step{kind: notFalse})
			c.at = []spec.Property{{Ref: spec.Ref{Type: spec.Lookup("boolean")}}}
		}
		return r, ok, err
	}
	group := c.eat("(")
	first := c.word()
	switch {
	case first == "":
		return root{}, false, fmt.Errorf("%q is not understood", c.text)
	case c.resource.Is(first):
	case unicode.IsUpper(rune(first[0])):
		return root{}, false, nil
	default:
		if err := c.field(first); err != nil {
			return root{}, false, err
		}
	}
	if err := c.rest(group); err != nil {
		return root{}, false, err
	}
	return root{program: c.steps}, true, nil
}

// relative reads the expression of a component.
func (c *compiler) relative() (program, error) {
	if c.eat("%resource") {
		c.steps = append(c.steps, step{kind: toRoot})
		c.at = []spec.Property{{Ref: spec.Ref{Type: c.resource}}}
	} else if err := c.field(c.word()); err != nil {
		return nil, err
	}
	return c.steps, c.rest(false)
}

// rest reads the steps after the first name.
func (c *compiler) rest(group bool) error {
	for c.text != "" {
		var err error
		switch {
		case c.eat(" as "):
			c.narrow(c.word())
		case group && c.eat(")"):
			group = false
		case c.eat(".as("), c.eat(".ofType("):
			c.narrow(c.word())
			err = c.expect(")")
		case c.eat(".where(resolve() is "):
			c.steps = append(c.steps, step{kind: whereRef, name: c.word()})
			err = c.expect(")")
		case c.eat(".where("):
			s := step{kind: whereEq, name: c.word()}
			if err = c.expect("='"); err == nil {
				s.literal, c.text, _ = strings.Cut(c.text, "'")
				c.steps = append(c.steps, s)
				err = c.expect(")")
			}
		case c.eat("[0]"):
			c.steps = append(c.steps, step{kind: index})
		case c.eat("."):
			err = c.field(c.word())
		default:
			err = fmt.Errorf("%q is not understood", c.text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) field(name string) error {
	s := step{kind: field, prefix: name}
	for _, from := range c.at {
		e := from.Ref.Type.Element(name)
		if e == nil {
			continue
		}
		for _, ref := range e.Types {
			s.keys = append(s.keys, spec.Property{Element: e, Ref: ref, Name: e.JSONName(ref)})
		}
	}
	if len(s.keys) == 0 {
		return fmt.Errorf("there is no element %q in %v", name, c.types())
	}
	c.steps = append(c.steps, s)
	c.at = s.keys
	return nil
}

// narrow keeps the keys of one type and of those that derive from it. In R4 `as`
// stands also on elements that repeat, where it can only mean ofType.
func (c *compiler) narrow(typ string) {
	if typ == "DateTime" { // as R4 writes it once
		typ = "dateTime"
	}
	last := &c.steps[len(c.steps)-1]
	var keep []spec.Property
	for _, k := range last.keys {
		if k.Ref.Type.Is(typ) {
			keep = append(keep, k)
		}
	}
	last.keys, c.at = keep, keep
}

func (c *compiler) eat(s string) bool {
	rest, ok := strings.CutPrefix(c.text, s)
	if ok {
		c.text = rest
	}
	return ok
}

func (c *compiler) expect(s string) error {
	if !c.eat(s) {
		return fmt.Errorf("%q is missing before %q", s, c.text)
	}
	return nil
}

func (c *compiler) word() string {
	end := strings.IndexFunc(c.text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end < 0 {
		end = len(c.text)
	}
	w := c.text[:end]
	c.text = c.text[end:]
	return w
}
