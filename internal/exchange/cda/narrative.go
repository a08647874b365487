package cda

import (
	"cmp"
	"strings"
)

// narrative reads the text of a section. Elements that it does not know are
// read for their text; none is passed on.
func narrative(text *node) []Block {
	w := &writer{}
	w.walk(text)
	w.end()
	return w.blocks
}

type writer struct {
	blocks []Block
	line   strings.Builder
}

func (w *writer) end() {
	if s := strings.Join(strings.Fields(w.line.String()), " "); s != "" {
		w.blocks = append(w.blocks, Block{Text: s})
	}
	w.line.Reset()
}

func (w *writer) walk(n *node) {
	for _, c := range n.children {
		switch c.name {
		case "":
			w.line.WriteString(c.text)
		case "br":
			w.end()
		case "paragraph", "caption", "div", "p":
			w.end()
			w.walk(c)
			w.end()
		case "list", "ul", "ol":
			w.end()
			w.list(c)
		case "table":
			w.end()
			w.table(c)
		case "renderMultiMedia", "script", "style":
		default: // content, sub, sup, linkHtml …
			w.line.WriteByte(' ')
			w.walk(c)
		}
	}
}

func (w *writer) list(n *node) {
	if c := n.child("caption").plain(); c != "" {
		w.blocks = append(w.blocks, Block{Text: c})
	}
	var items []string
	for _, name := range []string{"item", "li"} {
		for _, i := range n.all(name) {
			if s := i.plain(); s != "" {
				items = append(items, s)
			}
		}
	}
	if len(items) > 0 {
		w.blocks = append(w.blocks, Block{Items: items})
	}
}

func (w *writer) table(n *node) {
	var b Block
	var rows func(n *node, head bool)
	rows = func(n *node, head bool) {
		for _, c := range n.children {
			switch c.name {
			case "thead":
				rows(c, true)
			case "tbody", "tfoot":
				rows(c, false)
			case "tr":
				var cells []string
				for _, x := range c.children {
					if x.name == "td" || x.name == "th" {
						cells = append(cells, x.plain())
					}
				}
				if strings.Join(cells, "") == "" {
					continue
				}
				if head && b.Head == nil {
					b.Head = cells
				} else {
					b.Rows = append(b.Rows, cells)
				}
			}
		}
	}
	if c := n.child("caption").plain(); c != "" {
		w.blocks = append(w.blocks, Block{Text: c})
	}
	rows(n, false)
	if b.Head != nil || b.Rows != nil {
		w.blocks = append(w.blocks, b)
	}
}

// facts reads coded entries as labels and values, for sections without a text.
func facts(n *node, out *[]Block) {
	switch n.name {
	case "observation", "procedure", "act", "supply", "encounter", "substanceAdministration":
		label := cmp.Or(n.child("code").attr("displayName"), n.child("code").attr("code"))
		var values []string
		for _, v := range n.all("value") {
			values = append(values, valueText(v))
		}
		if n.name == "substanceAdministration" {
			material := n.child("consumable", "manufacturedProduct", "manufacturedLabeledDrug")
			if material.name == "" {
				material = n.child("consumable", "manufacturedProduct", "manufacturedMaterial")
			}
			label = cmp.Or(label, "用药")
			values = append(values, cmp.Or(material.child("name").plain(), material.child("code").attr("displayName")), valueText(n.child("doseQuantity")))
		}
		if t := n.child("effectiveTime").attr("value"); t != "" && label != "" && len(values) == 0 {
			values = append(values, FormatTime(t))
		}
		if value := strings.Join(strings.Fields(strings.Join(values, " ")), " "); label != "" && value != "" {
			*out = append(*out, Block{Label: label, Value: value})
		}
	}
	for _, c := range n.children {
		if c.name != "" {
			facts(c, out)
		}
	}
}

// valueText is a value of any type as text.
func valueText(n *node) string {
	text := n.plain()
	switch kind := n.attrs["type"]; {
	case n.attr("displayName") != "":
		return strings.TrimSpace(n.attr("displayName") + " " + text)
	case strings.HasSuffix(kind, "TS"):
		return FormatTime(n.attr("value"))
	case n.attr("value") != "":
		return strings.TrimSpace(n.attr("value") + n.attr("unit") + " " + text)
	case n.child("low").attr("value") != "" || n.child("high").attr("value") != "":
		return n.child("low").attr("value") + "–" + n.child("high").attr("value") + n.child("high").attr("unit")
	}
	return cmp.Or(text, n.attr("code"))
}
