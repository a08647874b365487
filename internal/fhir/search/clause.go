package search

import (
	"slices"
	"strings"

	"yilian/internal/fhir/spec"
)

// Modifiers returns the modifiers that a parameter can have, for the
// CapabilityStatement and for refusing others. A reference has besides the type
// of what it points at (subject:Patient).
func Modifiers(p *Param) []Modifier {
	switch p.Type {
	case spec.TokenParam:
		all := []Modifier{Missing, Not, TextOf, In, NotIn, Above, Below}
		if slices.Contains(p.Datatypes, "Identifier") {
			all = append(all, OfTypeModifier)
		}
		return all
	case spec.StringParam:
		return []Modifier{Missing, Exact, Contains}
	case spec.ReferenceParam:
		return []Modifier{Missing, IdentifierOf, Above, Below}
	case spec.URIParam:
		return []Modifier{Missing, Above, Below}
	}
	return []Modifier{Missing}
}

// clause reads one condition. name is what is left of the parameter's name at
// this link of a chain. ok is false when there is nothing to look for; why has
// been recorded.
func (p *parser) clause(types []string, pair Pair, name string, depth int) (c Clause, ok bool) {
	if depth > maxDepth {
		p.wrong(pair, "链式检索不能超过 %d 层", maxDepth)
		return c, false
	}
	if rest, isHas := strings.CutPrefix(name, "_has:"); isHas {
		return p.has(types, pair, rest, depth)
	}
	head, rest, chained := strings.Cut(name, ".")
	code, modifier, _ := strings.Cut(head, ":")
	param := p.lookup(types, code)
	if param == nil {
		p.ignore(pair, unknown(types, code))
		return c, false
	}
	c = Clause{Param: param, Modifier: Modifier(modifier)}
	target := ""
	if param.Type == spec.ReferenceParam && spec.IsResource(modifier) {
		if target = modifier; !mayTarget(param, target) {
			p.wrong(pair, "%s 不会指向 %s", code, target)
			return c, false
		}
		c.Modifier = Plain
	} else if modifier != "" && !slices.Contains(Modifiers(param), c.Modifier) {
		p.wrong(pair, "%s 不能带修饰符 :%s", code, modifier)
		return c, false
	}
	if chained {
		if c.Modifier != Plain {
			p.wrong(pair, "链式检索的 %s 不能带修饰符 :%s", code, modifier)
			return c, false
		}
		return p.chain(c, pair, target, rest, depth)
	}
	if c.Modifier == Missing {
		if pair.Value != "true" && pair.Value != "false" {
			p.wrong(pair, ":missing 的值只能是 true 或 false")
			return c, false
		}
		c.Absent = pair.Value == "true"
		return c, true
	}
	return p.terms(c, pair, target)
}

func unknown(types []string, code string) string {
	switch code {
	case "_text", "_content", "_filter", "_query", "_list":
		return "本系统不支持 " + code
	}
	if len(types) == 1 {
		return types[0] + " 没有名为 " + code + " 的检索参数"
	}
	return "所检索的各类型没有共同的检索参数 " + code
}

// chain reads what stands behind the dot, for each type that the reference may
// point at and that has such a parameter.
func (p *parser) chain(c Clause, pair Pair, target, rest string, depth int) (Clause, bool) {
	if c.Param.Type != spec.ReferenceParam {
		p.wrong(pair, "%s 不是引用参数，后面不能再接参数", c.Param.Code)
		return c, false
	}
	targets := c.Param.Targets
	switch {
	case target != "":
		targets = []string{target}
	case len(targets) == 0:
		targets = spec.ResourceTypes()
	}
	for _, typ := range targets {
		if len(targets) > 1 && !p.leads(typ, rest) {
			continue
		}
		if p.links++; p.links > maxLinks {
			p.wrong(pair, "链式检索涉及的类型过多，请用 :类型 指明，例如 subject:Patient.name")
			return c, false
		}
		next, ok := p.clause([]string{typ}, pair, rest, depth+1)
		if !ok {
			return c, false
		}
		c.Chain = append(c.Chain, Link{Type: typ, Clause: next})
	}
	if len(c.Chain) == 0 {
		p.ignore(pair, c.Param.Code+" 所指的各类型都没有检索参数 "+rest)
		return c, false
	}
	return c, true
}

// leads reports whether the rest of a chain has a meaning for a type.
func (p *parser) leads(typ, rest string) bool {
	if has, ok := strings.CutPrefix(rest, "_has:"); ok {
		source, after, _ := strings.Cut(has, ":")
		code, _, _ := strings.Cut(after, ":")
		param := Lookup(source, code)
		return spec.IsResource(source) && param != nil && mayTarget(param, typ)
	}
	code := rest[:len(rest)-len(strings.TrimLeftFunc(rest, func(r rune) bool { return r != '.' && r != ':' }))]
	return Lookup(typ, code) != nil
}

// has reads _has:Type:reference:rest.
func (p *parser) has(types []string, pair Pair, rest string, depth int) (c Clause, ok bool) {
	part := strings.SplitN(rest, ":", 3)
	if len(part) < 3 {
		p.wrong(pair, "应当写作 _has:类型:引用参数:检索参数")
		return c, false
	}
	if !spec.IsResource(part[0]) {
		p.wrong(pair, "没有名为 %s 的资源类型", part[0])
		return c, false
	}
	param := Lookup(part[0], part[1])
	if param == nil || param.Type != spec.ReferenceParam {
		p.wrong(pair, "%s 没有名为 %s 的引用参数", part[0], part[1])
		return c, false
	}
	if len(types) == 1 && !mayTarget(param, types[0]) {
		p.wrong(pair, "%s 的 %s 不会指向 %s", part[0], part[1], types[0])
		return c, false
	}
	if p.links++; p.links > maxLinks {
		p.wrong(pair, "检索条件过多")
		return c, false
	}
	next, ok := p.clause([]string{part[0]}, pair, part[2], depth+1)
	c.Has = &Link{Type: part[0], Param: param, Clause: next}
	return c, ok
}
