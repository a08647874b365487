package search

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/errs"
	"yilian/internal/fhir/spec"
)

// Limits of one request.
const (
	maxLength = 256 << 10 // bytes
	maxParams = 200       // parameters
	maxTerms  = 500       // alternatives of one parameter
	maxLinks  = 300       // links of chains and _has, over all alternatives of type
	maxDepth  = 4         // links one after the other
)

// ParseQuery reads a search request: what stands behind the question mark, or
// in the body of a POST, or both joined by &. resourceType is empty for a search
// over the system. The error lists everything that is wrong with it, in Chinese;
// parameters and modifiers that cannot be served are never passed over in
// silence (Options.Strict).
func ParseQuery(resourceType, query string, opt Options) (*Query, error) {
	if len(query) > maxLength {
		return nil, errs.E(errs.Invalid, "检索条件超过 %d KB", maxLength>>10)
	}
	p := parser{opt: opt, q: &Query{Type: resourceType, Count: -1}}
	pairs := p.split(query)
	if len(pairs) > maxParams {
		return nil, errs.E(errs.Invalid, "检索参数超过 %d 个", maxParams)
	}
	for _, pair := range pairs { // what the other parameters mean depends on it
		if pair.Name == "_type" {
			p.types(pair)
		}
	}
	for _, pair := range pairs {
		p.param(pair)
	}
	if err := p.form.Err(); err != nil {
		return nil, err
	}
	return p.q, nil
}

type parser struct {
	opt   Options
	q     *Query
	form  errs.Form
	seen  []string // result parameters that may stand only once
	kept  []string // of the list being read, what has an effect
	links int
}

func (p *parser) split(query string) []Pair {
	var pairs []Pair
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		n, errName := url.QueryUnescape(name)
		v, errValue := url.QueryUnescape(value)
		if errName != nil || errValue != nil {
			p.form.Add(name, "参数 %s 的百分号编码不正确", clip(name))
			continue
		}
		pairs = append(pairs, Pair{n, v})
	}
	return pairs
}

// wrong records a mistake of the sender.
func (p *parser) wrong(pair Pair, format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = clip(s)
		}
	}
	p.form.Add(pair.Name, "检索参数 "+strings.ReplaceAll(clip(pair.Name), "%", "%%")+"："+format, args...)
}

// clip keeps what is quoted from a request short.
func clip(s string) string {
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// ignore records a parameter that is not served.
func (p *parser) ignore(pair Pair, reason string) {
	if p.opt.Strict {
		p.wrong(pair, "%s", reason)
		return
	}
	p.q.Ignored = append(p.q.Ignored, Ignored{pair, clip(reason)})
}

func (p *parser) param(pair Pair) {
	if pair.Value == "" {
		p.ignore(pair, "没有给出值")
		return
	}
	before := len(p.q.Ignored)
	p.kept = p.kept[:0]
	name, modifier, _ := strings.Cut(pair.Name, ":")
	set, isResult := results[name]
	switch {
	case slices.Contains(p.opt.Own, pair.Name):
		if p.q.Own == nil {
			p.q.Own = map[string]string{}
		}
		p.q.Own[pair.Name] = pair.Value
		return
	case isResult && modifier != "" && name != "_include" && name != "_revinclude":
		p.wrong(pair, "不能带修饰符")
	case isResult:
		set(p, pair)
	default:
		if c, ok := p.clause(p.scope(), pair, pair.Name, 0); ok {
			p.q.Where = append(p.q.Where, c)
		}
	}
	if len(p.q.Ignored) > before { // of a list some may still count
		pair.Value = strings.Join(p.kept, ",")
	}
	if pair.Value != "" {
		p.q.Applied = append(p.q.Applied, pair)
	}
}

// results are the parameters that say how to answer, not what to look for.
var results = map[string]func(*parser, Pair){
	"_type":       (*parser).typed,
	"_count":      (*parser).count,
	"_sort":       (*parser).sort,
	"_total":      (*parser).total,
	"_summary":    (*parser).summary,
	"_elements":   (*parser).elements,
	"_include":    (*parser).include,
	"_revinclude": (*parser).include,
	"_contained":  (*parser).contained,
	"_format":     (*parser).format,
	"_pretty":     (*parser).pretty,
}

// once refuses a parameter that stands twice.
func (p *parser) once(pair Pair) bool {
	if slices.Contains(p.seen, pair.Name) {
		p.wrong(pair, "只能出现一次")
		return false
	}
	p.seen = append(p.seen, pair.Name)
	return true
}

func (p *parser) typed(pair Pair) {
	if p.q.Type != "" {
		p.ignore(pair, "只用于跨类型检索")
	}
}

func (p *parser) types(pair Pair) {
	if p.q.Type != "" {
		return
	}
	for name := range strings.SplitSeq(pair.Value, ",") {
		if !spec.IsResource(name) {
			p.wrong(pair, "没有名为 %s 的资源类型", name)
			continue
		}
		if !slices.Contains(p.q.Types, name) {
			p.q.Types = append(p.q.Types, name)
		}
	}
}

func (p *parser) count(pair Pair) {
	n, err := strconv.Atoi(pair.Value)
	if err != nil || n < 0 {
		p.wrong(pair, "应当是不小于 0 的整数")
	} else if p.once(pair) {
		p.q.Count = n
	}
}

func (p *parser) total(pair Pair) {
	switch t := Total(pair.Value); t {
	case TotalNone, TotalEstimate, TotalAccurate:
		if p.once(pair) {
			p.q.Total = t
		}
	default:
		p.wrong(pair, "只能是 none、estimate 或 accurate")
	}
}

func (p *parser) summary(pair Pair) {
	switch s := Summary(pair.Value); s {
	case "false", SummaryTrue, SummaryText, SummaryData, SummaryCount:
		if !p.once(pair) || s == "false" {
			return
		}
		p.q.Summary = s
	default:
		p.wrong(pair, "只能是 true、text、data、count 或 false")
	}
}

func (p *parser) elements(pair Pair) {
	for name := range strings.SplitSeq(pair.Value, ",") {
		known := false
		for _, typ := range p.scope() {
			known = known || spec.Lookup(typ).Element(name) != nil
		}
		if !known {
			p.ignore(Pair{pair.Name, name}, "没有名为 "+name+" 的元素")
			continue
		}
		if !slices.Contains(p.q.Elements, name) {
			p.q.Elements = append(p.q.Elements, name)
		}
		p.kept = append(p.kept, name)
	}
}

func (p *parser) contained(pair Pair) {
	if pair.Value != "false" {
		p.ignore(pair, "不支持检索内含资源，只能是 false")
	}
}

func (p *parser) format(pair Pair) {
	if p.once(pair) {
		p.q.Format = pair.Value
	}
}

func (p *parser) pretty(pair Pair) {
	if pair.Value != "true" && pair.Value != "false" {
		p.wrong(pair, "只能是 true 或 false")
	} else if p.once(pair) {
		p.q.Pretty = pair.Value == "true"
	}
}

func (p *parser) sort(pair Pair) {
	for key := range strings.SplitSeq(pair.Value, ",") {
		code, descending := strings.CutPrefix(key, "-")
		param := p.lookup(p.scope(), code)
		switch {
		case param == nil:
			p.ignore(Pair{pair.Name, key}, "不能按 "+code+" 排序，没有这个检索参数")
		case param.Type == spec.CompositeParam || param.Type == spec.SpecialParam:
			p.ignore(Pair{pair.Name, key}, "不能按组合参数或特殊参数 "+code+" 排序")
		default:
			p.q.Sort = append(p.q.Sort, Sort{param, descending})
			p.kept = append(p.kept, key)
		}
	}
}

func (p *parser) include(pair Pair) {
	name, modifier, _ := strings.Cut(pair.Name, ":")
	reverse := name == "_revinclude"
	if modifier != "" && modifier != "iterate" && modifier != "recurse" {
		p.wrong(pair, "修饰符只能是 :iterate")
		return
	}
	inc := Include{Iterate: modifier != ""}
	if reason := p.included(&inc, pair.Value, reverse); reason != "" {
		p.ignore(pair, reason)
		return
	}
	if reverse {
		p.q.RevIncludes = append(p.q.RevIncludes, inc)
	} else {
		p.q.Includes = append(p.q.Includes, inc)
	}
}

// included reads Source:param:Target. The reason says why it has no effect.
func (p *parser) included(inc *Include, value string, reverse bool) (reason string) {
	part := strings.Split(value, ":")
	if value == "*" && !reverse {
		return ""
	}
	if len(part) < 2 || len(part) > 3 {
		return "应当写作 类型:参数 或 类型:参数:目标类型"
	}
	if inc.Source = part[0]; !spec.IsResource(inc.Source) {
		return "没有名为 " + inc.Source + " 的资源类型"
	}
	if part[1] != "*" {
		inc.Param = Lookup(inc.Source, part[1])
		if inc.Param == nil || inc.Param.Type != spec.ReferenceParam {
			return inc.Source + " 没有名为 " + part[1] + " 的引用参数"
		}
	}
	if len(part) == 3 && part[2] != "" {
		inc.Target = part[2]
		if !spec.IsResource(inc.Target) || inc.Param != nil && !mayTarget(inc.Param, inc.Target) {
			return part[1] + " 不会指向 " + inc.Target
		}
	}
	if p.q.Type != "" && !inc.Iterate {
		if !reverse && inc.Source != p.q.Type {
			return "结果中没有 " + inc.Source + "，要从带入的资源继续时请用 :iterate"
		}
		if reverse && (inc.Param != nil && !mayTarget(inc.Param, p.q.Type) || inc.Target != "" && inc.Target != p.q.Type) {
			return part[1] + " 不会指向 " + p.q.Type
		}
	}
	return ""
}

func mayTarget(p *Param, typ string) bool {
	return len(p.Targets) == 0 || slices.Contains(p.Targets, typ)
}

// scope is the types that the search goes over.
func (p *parser) scope() []string {
	switch {
	case p.q.Type != "":
		return []string{p.q.Type}
	case len(p.q.Types) > 0:
		return p.q.Types
	}
	return spec.ResourceTypes()
}

// lookup finds a parameter that all the types have, and as the same type.
func (p *parser) lookup(types []string, code string) *Param {
	var found *Param
	for _, typ := range types {
		param := Lookup(typ, code)
		if param == nil || found != nil && param.Type != found.Type {
			return nil
		}
		if found == nil {
			found = param
		}
	}
	return found
}
