package search

import (
	"strings"

	"yilian/internal/fhir/json"
	"yilian/internal/fhir/spec"
)

// hit is a node that a program has found and what it is. flag is the result of
// notFalse, which is no node of the document.
type hit struct {
	node json.Node
	prop spec.Property
	flag string
}

// Extract appends the values under which a resource is found. The resource may
// be a whole document or part of one. A type that the standard does not know has
// no values. Texts share the document's memory.
func Extract(dst []Value, resource json.Node) []Value { return extract(dst, resource, false) }

// ExtractKept is Extract without the parameters that say only what their
// sources say (Param.Sources).
func ExtractKept(dst []Value, resource json.Node) []Value { return extract(dst, resource, true) }

func extract(dst []Value, resource json.Node, kept bool) []Value {
	e := extractor{root: resource, out: dst}
	for _, p := range Params(resource.Get("resourceType").Text()) {
		if kept && !p.Kept() {
			continue
		}
		e.param = p
		group := uint32(0)
		for i := range p.roots {
			r := &p.roots[i]
			e.hits = e.eval(r.program, resource, spec.Property{}, e.hits[:0])
			if len(e.hits) == 0 && len(r.program) > 0 && r.program[len(r.program)-1].kind == notFalse {
				e.hits = append(e.hits, hit{flag: "false"})
			}
			if p.Type == spec.CompositeParam {
				group = e.composite(r, group)
				continue
			}
			for _, h := range e.hits {
				e.convert(p.Type, h)
			}
		}
	}
	return e.out
}

type extractor struct {
	root  json.Node
	param *Param
	hits  []hit
	parts []hit
	part  uint8
	group uint32
	out   []Value
}

// composite extracts the components of each hit. A hit for which a component is
// missing is found by none.
func (e *extractor) composite(r *root, group uint32) uint32 {
	for _, h := range e.hits {
		start := len(e.out)
		complete := true
		for i, ways := range r.parts {
			e.part, e.group = uint8(i), group
			before := len(e.out)
			for _, way := range ways {
				e.parts = e.eval(way, h.node, spec.Property{}, e.parts[:0])
				for _, part := range e.parts {
					e.convert(e.param.Components[i].Type, part)
				}
			}
			complete = complete && len(e.out) > before
		}
		e.part, e.group = 0, 0
		if !complete {
			e.out = e.out[:start]
			continue
		}
		group++
	}
	return group
}

// eval appends the nodes that a program leads to from n.
func (e *extractor) eval(p program, n json.Node, prop spec.Property, out []hit) []hit {
	if len(p) == 0 {
		return append(out, hit{node: n, prop: prop})
	}
	s := &p[0]
	switch s.kind {
	case field:
		if len(s.keys) == 1 {
			return e.into(p, n.Get(s.keys[0].Name), s.keys[0], out)
		}
		for name, v := range n.Fields() {
			if !strings.HasPrefix(name, s.prefix) {
				continue
			}
			for i := range s.keys {
				if s.keys[i].Name == name {
					out = e.into(p, v, s.keys[i], out)
					break
				}
			}
		}
	case whereEq:
		if n.Get(s.name).Text() == s.literal {
			return e.eval(p[1:], n, prop, out)
		}
	case whereRef:
		if e.targetType(n) == s.name {
			return e.eval(p[1:], n, prop, out)
		}
	case toRoot:
		return e.eval(p[1:], e.root, spec.Property{}, out)
	case notFalse:
		flag := "true"
		if n.Kind() == json.Bool && !n.Bool() {
			flag = "false"
		}
		return append(out, hit{flag: flag})
	}
	return out
}

// into follows a field's value: each item of an array, nothing for null.
func (e *extractor) into(p program, v json.Node, prop spec.Property, out []hit) []hit {
	switch v.Kind() {
	case json.Missing, json.Null:
		return out
	case json.Array:
	default:
		if len(p) > 1 && p[1].kind == index {
			p = p[1:]
		}
		return e.eval(p[1:], v, prop, out)
	}
	if len(p) > 1 && p[1].kind == index {
		if first := v.At(0); first.Exists() && first.Kind() != json.Null {
			return e.eval(p[2:], first, prop, out)
		}
		return out
	}
	for item := range v.Items() {
		if item.Kind() != json.Null {
			out = e.eval(p[1:], item, prop, out)
		}
	}
	return out
}

// targetType says what type of resource a reference points at, as far as the
// reference itself shows: by its literal, its type, or a contained resource.
func (e *extractor) targetType(n json.Node) string {
	literal := n.Text() // canonical, uri
	if n.Kind() == json.Object {
		literal = n.Get("reference").Text()
	}
	if id, ok := strings.CutPrefix(literal, "#"); ok {
		if id == "" {
			return e.root.Get("resourceType").Text()
		}
		for c := range e.root.Get("contained").Items() {
			if c.Get("id").Text() == id {
				return c.Get("resourceType").Text()
			}
		}
		return ""
	}
	if r := ParseReference(literal); r.Type != "" {
		return r.Type
	}
	return n.Get("type").Text()
}

// ParseReference takes a literal reference apart: Patient/1,
// Patient/1/_history/2, http://example.org/fhir/Patient/1, or any other URL.
func ParseReference(literal string) Reference {
	r := Reference{URL: literal}
	rest := literal
	if before, version, ok := strings.Cut(literal, "/_history/"); ok {
		rest, r.URL, r.Version = before, before, version
	}
	slash := strings.LastIndexByte(rest, '/')
	if slash < 0 {
		return r
	}
	base, typ := "", rest[:slash]
	if i := strings.LastIndexByte(typ, '/'); i >= 0 {
		base, typ = typ[:i], typ[i+1:]
	}
	if id := rest[slash+1:]; spec.IsResource(typ) && validID(id) {
		r.Base, r.Type, r.ID = base, typ, id
	}
	return r
}

func validID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}
