// Package valid checks a resource against the definitions of FHIR R4: that its
// elements exist, stand as often as they may, have the type and form that they
// must, that codes with a required binding are among those allowed, and that
// references point at a type that they may point at. Invariants written in
// FHIRPath and profiles are not checked.
package valid

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/fhir/json"
	"yilian/internal/fhir/spec"
)

// Code is the type of an issue, one of FHIR's codes (OperationOutcome.issue.code).
type Code string

const (
	Structure Code = "structure"    // an element that does not exist, or in the wrong form
	Required  Code = "required"     // a mandatory element is missing
	Value     Code = "value"        // a primitive is not written as its type asks
	BadCode   Code = "code-invalid" // a code outside a required binding
	Invariant Code = "invariant"    // one of the few rules beyond tables
	TooLong   Code = "too-long"     // more issues than are listed
)

// Issue is one thing that is wrong. All are errors.
type Issue struct {
	Code    Code
	Path    string // FHIRPath: Observation.component[1].value.ofType(Quantity).code
	Message string // Chinese sentence
}

// maxIssues bounds the answer to a resource that is wrong throughout.
const maxIssues = 100

// Validate returns what is wrong with a resource, in the order of the document;
// nothing when it is right. The resource may be a whole document or part of one.
func Validate(resource json.Node) []Issue {
	v := &validator{}
	v.resource(resource, nil, nil)
	return v.issues
}

type validator struct {
	issues []Issue
	root   json.Node // the resource that contained ones belong to
}

// place is where the validator is, as a list from the inside out.
type place struct {
	up    *place
	name  string
	index int // -1 when the element does not repeat
}

func (p *place) String() string {
	if p == nil {
		return ""
	}
	s := p.name
	if p.index >= 0 {
		s += "[" + strconv.Itoa(p.index) + "]"
	}
	if p.up == nil {
		return s
	}
	return p.up.String() + "." + s
}

func (v *validator) add(code Code, at *place, format string, args ...any) {
	switch {
	case len(v.issues) < maxIssues:
		v.issues = append(v.issues, Issue{code, at.String(), fmt.Sprintf(format, args...)})
	case len(v.issues) == maxIssues:
		v.issues = append(v.issues, Issue{TooLong, at.String(), fmt.Sprintf("问题超过 %d 个，其余不再列出", maxIssues)})
	}
}

// resource checks a resource where any may stand. container is the resource that
// it is contained in, if it is.
func (v *validator) resource(n json.Node, at *place, container *json.Node) {
	name := n.Get("resourceType").Text()
	here := at
	if at == nil {
		here = &place{name: name, index: -1}
	}
	switch {
	case n.Kind() != json.Object:
		v.add(Structure, here, "资源必须是一个 JSON 对象")
		return
	case name == "":
		v.add(Structure, here, "缺少 resourceType")
		return
	case !spec.IsResource(name):
		v.add(Structure, here, "没有名为“%s”的资源类型", clip(name))
		return
	}
	before := v.root
	if container == nil {
		v.root = n
	} else {
		if n.Get("id").Text() == "" {
			v.add(Required, here, "内含资源必须有 id")
		}
		if n.Get("contained").Exists() {
			v.add(Invariant, here, "内含资源里不能再有内含资源（dom-2）")
		}
	}
	v.object(n, spec.Lookup(name), here)
	v.root = before
}

// object checks the members of an object of a type.
func (v *validator) object(n json.Node, t *spec.Type, at *place) {
	if n.Kind() != json.Object {
		v.add(Structure, at, "应当是一个对象（%s），实际是%s", t.Name, kindName(n))
		return
	}
	isResource := t.Is("Resource")
	if n.Len() == 0 || isResource && n.Len() == 1 && t.Name != "Parameters" {
		if !isResource || !anyRequired(t) {
			v.add(Structure, at, "对象不能为空")
		}
	}
	seen := make([]string, 0, 16) // names of choices and their companions
	for name, value := range n.Fields() {
		if isResource && name == "resourceType" {
			continue
		}
		plain, companion := strings.CutPrefix(name, "_")
		p, ok := t.Property(plain)
		if !ok || companion && p.Ref.Type.Kind != spec.Primitive {
			v.unknown(t, name, &place{at, clip(name), -1})
			continue
		}
		if p.Element.Choice {
			for _, s := range seen {
				if other, _ := t.Property(s); other.Element == p.Element && s != plain {
					v.add(Structure, at, "%s 只能有一种类型，不能同时有 %s 和 %s", p.Element.Name, s, plain)
				}
			}
			seen = append(seen, plain)
		}
		if companion {
			if n.Get(plain).Exists() { // checked there
				continue
			}
			v.element(json.Node{}, value, p, at)
			continue
		}
		other := json.Node{}
		if p.Ref.Type.Kind == spec.Primitive {
			other = n.Get("_" + plain)
		}
		v.element(value, other, p, at)
	}
	v.required(n, t, at)
	v.rules(n, t, at)
}

func anyRequired(t *spec.Type) bool {
	return slices.ContainsFunc(t.Elements, func(e *spec.Element) bool { return e.Min > 0 })
}

func (v *validator) unknown(t *spec.Type, name string, at *place) {
	if e := t.Element(strings.TrimPrefix(name, "_")); e != nil && e.Choice {
		v.add(Structure, at, "元素 %s 的名称要带上类型，例如 %s", e.Name, e.JSONName(e.Types[0]))
		return
	}
	v.add(Structure, at, "%s 没有名为“%s”的元素", t.Name, clip(name))
}

func (v *validator) required(n json.Node, t *spec.Type, at *place) {
	for _, e := range t.Elements {
		if e.Min == 0 {
			continue
		}
		found := false
		for _, ref := range e.Types {
			name := e.JSONName(ref)
			found = found || n.Get(name).Exists() || ref.Type.Kind == spec.Primitive && n.Get("_"+name).Exists()
		}
		if !found {
			v.add(Required, &place{at, e.Name, -1}, "缺少必填元素 %s", e.Name)
		}
	}
}

// element checks a member: value and, for a primitive, the companion that holds
// its id and extensions. At least one of them exists.
func (v *validator) element(value, companion json.Node, p spec.Property, at *place) {
	name := p.Element.Name
	if p.Element.Choice {
		name += ".ofType(" + p.Ref.Type.Name + ")"
	}
	here := &place{at, name, -1}
	if p.Element.Max == 1 {
		if value.Kind() == json.Array || companion.Kind() == json.Array {
			v.add(Structure, here, "只能有一个值，不能是数组")
			return
		}
		v.one(value, companion, p, here)
		return
	}
	for _, list := range []json.Node{value, companion} {
		if list.Exists() && (list.Kind() != json.Array || list.Len() == 0) {
			v.add(Structure, here, "应当是至少有一项的数组，实际是%s", kindName(list))
			return
		}
	}
	count := max(value.Len(), companion.Len())
	if p.Element.Max > 0 && count > p.Element.Max {
		v.add(Structure, here, "最多 %d 项，实际有 %d 项", p.Element.Max, count)
	}
	if value.Exists() && companion.Exists() && value.Len() != companion.Len() {
		v.add(Structure, here, "与 _%s 的项数不同（%d 和 %d）", p.Name, value.Len(), companion.Len())
		return
	}
	v.items(value, companion, p, here)
}

func (v *validator) items(value, companion json.Node, p spec.Property, here *place) {
	// Only primitives have companions, and then both lists are as long.
	var extras []json.Node
	for x := range companion.Items() {
		extras = append(extras, x)
	}
	if !value.Exists() {
		for i, x := range extras {
			here.index = i
			v.one(json.Node{}, x, p, here)
		}
		return
	}
	i := 0
	for item := range value.Items() {
		here.index = i
		extra := json.Node{}
		if i < len(extras) {
			extra = extras[i]
		}
		if item.Kind() == json.Null && extra.Kind() == json.Object {
			item = json.Node{} // a primitive that has extensions only
		}
		v.one(item, extra, p, here)
		i++
	}
}

// one checks a single value.
func (v *validator) one(n, companion json.Node, p spec.Property, at *place) {
	if k := companion.Kind(); k != json.Missing && k != json.Null {
		v.object(companion, spec.Lookup("Element"), at)
	}
	if n.Kind() == json.Missing {
		if companion.Kind() == json.Null {
			v.add(Structure, at, "不能为 null")
		}
		return
	}
	t := p.Ref.Type
	switch {
	case n.Kind() == json.Null:
		v.add(Structure, at, "不能为 null")
	case t.Name == "Resource":
		if strings.HasSuffix(p.Element.Path, ".contained") {
			v.resource(n, at, &v.root)
		} else {
			v.resource(n, at, nil)
		}
	case t.Kind == spec.Primitive:
		v.primitive(n, t, at)
	default:
		v.object(n, t, at)
	}
	if p.Element.Binding != nil {
		v.binding(n, p, at)
	}
	if len(p.Ref.Targets) > 0 && t.Name == "Reference" {
		v.target(n, p, at)
	}
}

func (v *validator) binding(n json.Node, p spec.Property, at *place) {
	set := p.Element.Binding
	ok, got := true, ""
	switch p.Ref.Type.Name {
	case "code", "string", "uri":
		got = n.Text()
		ok = n.Kind() != json.String || set.Has("", got)
	case "Coding":
		got = n.Get("code").Text()
		ok = set.Has(n.Get("system").Text(), got)
	case "Quantity":
		got = n.Get("code").Text()
		ok = got == "" || set.Has(n.Get("system").Text(), got)
	case "CodeableConcept":
		ok = false
		for c := range n.Get("coding").Items() {
			got = c.Get("code").Text()
			if set.Has(c.Get("system").Text(), got) {
				ok = true
				break
			}
		}
		if n.Get("coding").Len() == 0 && n.Get("extension").Exists() { // why there is no code
			ok = true
		}
	}
	if !ok {
		v.add(BadCode, at, "编码“%s”不在规定的值集内，值集为 %s（%s）", clip(got), set.URL, some(set))
	}
}

// some lists the first codes of a value set.
func some(set *spec.ValueSet) string {
	const most = 8
	var codes []string
	for _, s := range set.Systems {
		for _, c := range s.Codes {
			if len(codes) == most {
				return strings.Join(codes, "、") + " 等"
			}
			codes = append(codes, c)
		}
	}
	return strings.Join(codes, "、")
}

func kindName(n json.Node) string {
	switch n.Kind() {
	case json.Null:
		return " null"
	case json.Bool:
		return "布尔值"
	case json.Number:
		return "数字"
	case json.String:
		return "字符串"
	case json.Array:
		if n.Len() == 0 {
			return "空数组"
		}
		return "数组"
	}
	return "对象"
}

// clip keeps what is quoted from a resource short.
func clip(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
