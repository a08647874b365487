package fhirapi

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	tape "yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
)

// view is how much of a resource is wanted: _summary and _elements.
type view struct {
	summary  search.Summary
	elements []string
}

// viewOf reads the view of a read.
func viewOf(q request) (view, error) {
	v := view{summary: search.Summary(q.query.Get("_summary"))}
	switch v.summary {
	case "false":
		v.summary = search.SummaryFalse
	case search.SummaryFalse, search.SummaryTrue, search.SummaryText, search.SummaryData:
	default:
		return v, refuse(http.StatusBadRequest, "invalid", "读取时 _summary 只能是 true、text、data 或 false")
	}
	for _, list := range q.query["_elements"] {
		v.elements = append(v.elements, strings.Split(list, ",")...)
	}
	return v, nil
}

const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

// of cuts a resource down to the view and marks it as cut; what stays keeps its
// bytes.
func (v view) of(body []byte) ([]byte, error) {
	if v.summary == search.SummaryFalse && len(v.elements) == 0 {
		return body, nil
	}
	doc, err := tape.Parse(body)
	if err != nil {
		return nil, err
	}
	defer doc.Release()
	root := doc.Root()
	t := spec.Lookup(root.Get("resourceType").Text())
	out := bytes.NewBuffer(make([]byte, 0, len(body)))
	out.WriteByte('{')
	meta := false
	for name, n := range root.Fields() {
		if !v.keeps(t, name) {
			continue
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.Write(tape.Quote(name))
		out.WriteByte(':')
		if name == "meta" {
			meta = true
			out.Write(marked(n))
			continue
		}
		out.Write(n.Raw())
	}
	if !meta {
		out.WriteString(`,"meta":{"tag":[` + subsetted + `]}`)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// marked is meta with the tag that says that the resource is cut.
func marked(meta tape.Node) []byte {
	raw := meta.Raw()
	if tags := meta.Get("tag"); tags.Kind() == tape.Array {
		from, _ := meta.Span()
		_, to := tags.Span()
		at := to - from - 1
		comma := ""
		if tags.Len() > 0 {
			comma = ","
		}
		return slices.Concat(raw[:at], []byte(comma+subsetted), raw[at:])
	}
	return slices.Concat(raw[:len(raw)-1], []byte(`,"tag":[`+subsetted+`]}`))
}

func (v view) keeps(t *spec.Type, name string) bool {
	switch name {
	case "resourceType", "id", "meta":
		return true
	}
	if t == nil {
		return true
	}
	p, ok := t.Property(strings.TrimPrefix(name, "_"))
	if !ok {
		return v.summary == search.SummaryData
	}
	if len(v.elements) > 0 {
		return p.Element.Min > 0 || slices.Contains(v.elements, p.Element.Name) || slices.Contains(v.elements, p.Name)
	}
	switch v.summary {
	case search.SummaryText:
		return name == "text" || p.Element.Min > 0
	case search.SummaryData:
		return name != "text"
	}
	return p.Element.Summary || p.Element.Modifier
}

func pretty(body []byte) []byte {
	var out bytes.Buffer
	if json.Indent(&out, body, "", "  ") != nil {
		return body
	}
	return out.Bytes()
}

func itoa(n int) string { return strconv.Itoa(n) }

func ip(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
