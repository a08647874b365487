package search

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/fhir/spec"
)

// Many parameters say again what others say: Observation.combo-code is code and
// component-code, the parts of code-value-quantity are code and value-quantity.
// An index need not keep their values twice: it keeps those of the sources.

// Sources are the parameters of the same resource whose values together are
// exactly those of p; nil when p has values of its own.
func (p *Param) Sources() []*Param { return p.sources }

// PartSources are parameters among whose values are all those of a component;
// nil when there are none. They say more than the component: values without the
// other components, or of other elements.
func (p *Param) PartSources(part int) []*Param { return p.Components[part].sources }

// Kept reports whether an index keeps values of p, or of a component of it.
func (p *Param) Kept() bool {
	if p.Type != spec.CompositeParam {
		return p.sources == nil
	}
	return slices.ContainsFunc(p.Components, func(c *Param) bool { return c.sources == nil })
}

// ways names the ways to a parameter's values, sorted, each once.
func (p *Param) ways() []string {
	var out []string
	for i := range p.roots {
		out = append(out, p.roots[i].program.name())
	}
	return unique(out)
}

// partWays names the ways to a component's values from the resource.
func (p *Param) partWays(part int) []string {
	var out []string
	for i := range p.roots {
		for _, way := range p.roots[i].parts[part] {
			from := p.roots[i].program
			if len(way) > 0 && way[0].kind == toRoot {
				from, way = nil, way[1:]
			}
			out = append(out, slices.Concat(from, way).name())
		}
	}
	return unique(out)
}

func unique(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

// name tells programs apart: two of one name lead to the same nodes.
func (p program) name() string {
	var w strings.Builder
	for _, s := range p {
		fmt.Fprintf(&w, "/%d %s=%s", s.kind, s.name, s.literal)
		for _, k := range s.keys {
			w.WriteString(" " + k.Name)
		}
	}
	return w.String()
}

// derive finds the sources of a resource's parameters, the simplest first.
func derive(all []*Param) {
	plain := slices.DeleteFunc(slices.Clone(all), func(p *Param) bool {
		return p.Type == spec.CompositeParam || p.Type == spec.SpecialParam || p.Code == "_id" || p.Code == "_lastUpdated"
	})
	ways := make(map[*Param][]string, len(plain))
	for _, p := range plain {
		ways[p] = p.ways()
	}
	slices.SortStableFunc(plain, func(a, b *Param) int { return cmp.Compare(len(ways[a]), len(ways[b])) })
	var kept []*Param
	cover := func(typ spec.ParamType, want []string) []*Param {
		var found []*Param
		var reached []string
		for _, k := range kept {
			if k.Type == typ && len(ways[k]) > 0 && !slices.ContainsFunc(ways[k], func(w string) bool { return !slices.Contains(want, w) }) {
				found, reached = append(found, k), append(reached, ways[k]...)
			}
		}
		if !slices.Equal(unique(reached), want) {
			return nil
		}
		return found
	}
	for _, p := range plain {
		if p.sources = cover(p.Type, ways[p]); p.sources == nil {
			kept = append(kept, p)
		}
	}
	around := func(typ spec.ParamType, want []string) []*Param {
		var found []*Param
		for _, way := range want {
			i := slices.IndexFunc(kept, func(k *Param) bool { return k.Type == typ && slices.Contains(ways[k], way) })
			if i < 0 {
				return nil
			}
			if !slices.Contains(found, kept[i]) {
				found = append(found, kept[i])
			}
		}
		return found
	}
	for _, p := range all {
		for i := range p.Components {
			p.Components[i].sources = around(p.Components[i].Type, p.partWays(i))
		}
	}
}
