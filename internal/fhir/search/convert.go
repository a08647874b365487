package search

import (
	"strconv"
	"strings"

	"yilian/internal/fhir/json"
	"yilian/internal/fhir/spec"
)

// convert appends the values of a node for a parameter of a type. A node whose
// datatype the parameter's type has no meaning for gives none (a Range as a
// token), and so does one that is empty or malformed.
func (e *extractor) convert(typ spec.ParamType, h hit) {
	v := Value{Param: e.param, Type: typ, Part: e.part, Group: e.group, Datatype: "boolean"}
	if h.prop.Ref.Type != nil {
		v.Datatype = h.prop.Ref.Type.Name
	}
	switch typ {
	case spec.TokenParam:
		e.token(v, h)
	case spec.StringParam:
		e.text(v, h.node)
	case spec.ReferenceParam:
		e.reference(v, h.node)
	case spec.DateParam:
		e.date(v, h.node)
	case spec.NumberParam:
		if n, ok := numberOf(h.node); ok {
			v.Number = n
			e.out = append(e.out, v)
		}
	case spec.QuantityParam:
		e.quantity(v, h.node)
	case spec.URIParam:
		if v.URI = h.node.Text(); v.URI != "" {
			e.out = append(e.out, v)
		}
	case spec.SpecialParam: // near, on Location.position
		lat, okLat := floatOf(h.node.Get("latitude"))
		long, okLong := floatOf(h.node.Get("longitude"))
		if okLat && okLong {
			v.Position = Position{lat, long}
			e.out = append(e.out, v)
		}
	}
}

func (e *extractor) token(v Value, h hit) {
	n := h.node
	switch v.Datatype {
	case "CodeableConcept":
		text := Normalise(n.Get("text").Text())
		codings := n.Get("coding")
		for c := range codings.Items() {
			e.coding(v, c, text)
		}
		if codings.Len() == 0 && text != "" {
			v.Token = Token{Text: text}
			e.out = append(e.out, v)
		}
	case "Coding":
		e.coding(v, n, "")
	case "Identifier":
		e.identifier(v, n)
	case "ContactPoint":
		if value := n.Get("value").Text(); value != "" {
			v.Token = Token{System: n.Get("system").Text(), Code: value}
			e.out = append(e.out, v)
		}
	default:
		code := h.flag
		if code == "" {
			code = n.Scalar()
		}
		if code == "" {
			return
		}
		v.Token = Token{Code: code}
		if h.prop.Element != nil && h.prop.Element.Binding != nil {
			v.Token.System = h.prop.Element.Binding.System(code)
		}
		e.out = append(e.out, v)
	}
}

func (e *extractor) coding(v Value, c json.Node, text string) {
	v.Token = Token{System: c.Get("system").Text(), Code: c.Get("code").Text(), Text: Normalise(c.Get("display").Text())}
	if v.Token.Text == "" {
		v.Token.Text = text
	} else if text != "" && text != v.Token.Text {
		extra := v
		extra.Token.Text = text
		e.out = append(e.out, extra)
	}
	if v.Token.System != "" || v.Token.Code != "" || v.Token.Text != "" {
		e.out = append(e.out, v)
	}
}

func (e *extractor) identifier(v Value, n json.Node) {
	system, value := n.Get("system").Text(), n.Get("value").Text()
	if system == "" && value == "" {
		return
	}
	kind := n.Get("type")
	v.Token = Token{System: system, Code: value, Text: Normalise(kind.Get("text").Text())}
	e.out = append(e.out, v)
	for c := range kind.Get("coding").Items() {
		if code := c.Get("code").Text(); code != "" && value != "" {
			v.Token = Token{Form: OfType, System: c.Get("system").Text(), Code: code + "|" + value}
			e.out = append(e.out, v)
		}
	}
}

func (e *extractor) text(v Value, n json.Node) {
	add := func(s string) {
		if norm := Normalise(s); norm != "" {
			v.Text = Text{Exact: s, Norm: norm}
			e.out = append(e.out, v)
		}
	}
	if n.Kind() != json.Object {
		add(n.Scalar())
		return
	}
	names := [...]string{"text", "family", "given", "prefix", "suffix", "line", "city", "district", "state", "postalCode", "country"}
	for _, name := range names {
		part := n.Get(name)
		add(part.Text())
		for item := range part.Items() {
			add(item.Text())
		}
	}
	if full := fullName(n); full != "" && full != n.Get("text").Text() {
		add(full)
	}
}

// fullName joins the parts of a Chinese name, which nobody writes apart.
func fullName(n json.Node) string {
	family, given := n.Get("family").Text(), n.Get("given").At(0).Text()
	if family == "" || given == "" || family[0] < 0x80 || given[0] < 0x80 {
		return ""
	}
	var all strings.Builder
	all.WriteString(family)
	for g := range n.Get("given").Items() {
		all.WriteString(g.Text())
	}
	return all.String()
}

func (e *extractor) reference(v Value, n json.Node) {
	switch {
	case n.Kind() == json.String: // canonical, uri
		literal := n.Text()
		url, version, _ := strings.Cut(literal, "|")
		v.Reference = ParseReference(url)
		if version != "" {
			v.Reference.Version = version
		}
	case n.Get("resourceType").Exists(): // the first resource of a Bundle
		typ, id := n.Get("resourceType").Text(), n.Get("id").Text()
		if id == "" {
			return
		}
		v.Reference = Reference{Type: typ, ID: id, URL: typ + "/" + id}
	default:
		literal := n.Get("reference").Text()
		if !strings.HasPrefix(literal, "#") { // contained: nothing outside can be asked for it
			v.Reference = ParseReference(literal)
		}
		id := n.Get("identifier")
		v.Reference.Identifier = Token{System: id.Get("system").Text(), Code: id.Get("value").Text()}
		if v.Reference.Type == "" {
			v.Reference.Type = n.Get("type").Text()
		}
	}
	if v.Reference.URL != "" || v.Reference.Identifier.Code != "" {
		e.out = append(e.out, v)
	}
}

func (e *extractor) date(v Value, n json.Node) {
	add := func(p Period, ok bool) {
		if ok {
			v.Date = p
			e.out = append(e.out, v)
		}
	}
	switch v.Datatype {
	case "Period":
		add(periodOf(n))
	case "Timing":
		for event := range n.Get("event").Items() {
			add(ParseTime(event.Text()))
		}
		if bounds := n.Get("repeat").Get("boundsPeriod"); bounds.Exists() {
			add(periodOf(bounds))
		}
	default:
		add(ParseTime(n.Text()))
	}
}

func periodOf(n json.Node) (Period, bool) {
	p := Period{MinTime, MaxTime}
	start, okStart := ParseTime(n.Get("start").Text())
	end, okEnd := ParseTime(n.Get("end").Text())
	if okStart {
		p.From = start.From
	}
	if okEnd {
		p.To = end.To
	}
	return p, okStart || okEnd
}

func floatOf(n json.Node) (float64, bool) {
	literal := n.Number()
	if literal == "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(literal, 64)
	return clamp(f), err == nil || f != 0 // out of range is as large as can be
}

func numberOf(n json.Node) (Number, bool) {
	if n.Kind() == json.Object { // Range
		return rangeOf(n)
	}
	f, ok := floatOf(n)
	return Number{f, f}, ok
}

func rangeOf(n json.Node) (Number, bool) {
	low, okLow := floatOf(n.Get("low").Get("value"))
	high, okHigh := floatOf(n.Get("high").Get("value"))
	r := Number{-huge, huge}
	if okLow {
		r.Low = low
	}
	if okHigh {
		r.High = high
	}
	return r, okLow || okHigh
}

func (e *extractor) quantity(v Value, n json.Node) {
	unit := n
	ok := false
	switch v.Datatype {
	case "Range":
		if unit = n.Get("low"); !unit.Exists() {
			unit = n.Get("high")
		}
		v.Number, ok = rangeOf(n)
	case "SampledData":
		unit = n.Get("origin")
		v.Number, ok = sampled(n)
	case "Money":
		var f float64
		f, ok = floatOf(n.Get("value"))
		v.Number = Number{f, f}
		if currency := n.Get("currency").Text(); currency != "" {
			v.Quantity = Unit{System: currencySystem, Code: currency}
		}
	default: // Quantity, Age, Duration …
		var f float64
		if f, ok = floatOf(n.Get("value")); ok {
			v.Number = compared(f, n.Get("comparator").Text())
		}
	}
	if !ok {
		return
	}
	if v.Datatype != "Money" {
		v.Quantity = Unit{unit.Get("system").Text(), unit.Get("code").Text(), unit.Get("unit").Text()}
	}
	e.out = append(e.out, v)
}

const currencySystem = "urn:iso:std:iso:4217"

// compared is the span that a value with a comparator stands for: "<5" is
// everything below 5.
func compared(f float64, comparator string) Number {
	switch comparator {
	case "<", "<=":
		return Number{-huge, f}
	case ">", ">=":
		return Number{f, huge}
	}
	return Number{f, f}
}

// sampled is the span from the smallest to the largest sample.
func sampled(n json.Node) (Number, bool) {
	origin, ok := floatOf(n.Get("origin").Get("value"))
	factor, hasFactor := floatOf(n.Get("factor"))
	if !hasFactor {
		factor = 1
	}
	r := Number{huge, -huge}
	for s := range strings.FieldsSeq(n.Get("data").Text()) {
		if f, err := strconv.ParseFloat(s, 64); err == nil { // E, L, U: no value
			f = clamp(origin + f*factor)
			r.Low, r.High = min(r.Low, f), max(r.High, f)
		}
	}
	return r, ok && r.Low <= r.High
}
