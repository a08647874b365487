package valid

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
)

// primitive checks the JSON type and the form of a primitive value.
func (v *validator) primitive(n json.Node, t *spec.Type, at *place) {
	want, name := json.String, "字符串"
	switch t.Name {
	case "boolean":
		want, name = json.Bool, "布尔值 true 或 false"
	case "integer", "positiveInt", "unsignedInt", "decimal":
		want, name = json.Number, "数字"
	}
	if n.Kind() != want {
		v.add(Structure, at, "应当是%s（类型 %s），实际是%s", name, t.Name, kindName(n))
		return
	}
	s := n.Scalar()
	if s == "" {
		v.add(Value, at, "不能是空字符串")
		return
	}
	ok, hint := true, ""
	switch t.Name {
	case "boolean", "decimal", "string", "markdown":
	case "xhtml":
		if fault := narrative(s); fault != "" {
			v.add(Value, at, "叙述内容不正确：%s", fault)
		}
		return
	case "base64Binary":
		ok, hint = isBase64(s), "应当是 Base64 编码"
	case "date", "dateTime", "instant":
		ok = t.Pattern.MatchString(s) && exists(s)
		hint = map[string]string{
			"date":     "应当是存在的日期，写作 2026、2026-11 或 2026-11-27",
			"dateTime": "应当是存在的日期，写作 2026、2026-11、2026-11-27 或 2026-11-27T08:00:00+08:00，有时间就必须有时区",
			"instant":  "应当是精确到秒并带时区的时刻，写作 2026-11-27T08:00:00+08:00",
		}[t.Name]
	case "integer", "positiveInt", "unsignedInt":
		_, err := strconv.ParseInt(s, 10, 32)
		ok = err == nil && t.Pattern.MatchString(s)
		hint = map[string]string{"integer": "应当是 32 位整数", "positiveInt": "应当是大于 0 的 32 位整数", "unsignedInt": "应当是不小于 0 的 32 位整数"}[t.Name]
	case "code":
		ok, hint = t.Pattern.MatchString(s), "编码的首尾不能有空白，中间只能有单个空白"
	case "id":
		ok, hint = t.Pattern.MatchString(s), "应当是 1 到 64 个字母、数字、“-”或“.”"
	default: // uri, url, canonical, oid, uuid, time
		ok = t.Pattern == nil || t.Pattern.MatchString(s)
		hint = "不符合类型 " + t.Name + " 的写法"
	}
	if !ok {
		v.add(Value, at, "值“%s”不正确，%s", clip(s), hint)
	}
}

// exists reports whether the day of a date is in the calendar.
func exists(s string) bool {
	if len(s) < 10 {
		return true
	}
	_, err := time.Parse(time.DateOnly, s[:10])
	return err == nil
}

func isBase64(s string) bool {
	n, padding := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		case c == '=':
			padding++
		case padding > 0:
			return false
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/':
		default:
			return false
		}
		n++
	}
	return n%4 == 0 && padding <= 2
}

// active are the elements that a narrative may not have, for they run or load
// something.
var active = []string{"script", "form", "iframe", "object", "embed", "input", "button", "applet", "base", "link", "meta", "frame", "frameset", "head", "body", "html"}

// narrative checks the XHTML of Narrative.div (txt-1). fault says what is
// wrong.
func narrative(s string) (fault string) {
	d := xml.NewDecoder(strings.NewReader(s))
	d.Entity = xml.HTMLEntity
	depth, first := 0, true
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "不是格式良好的 XHTML"
		}
		switch x := token.(type) {
		case xml.StartElement:
			if first && x.Name.Local != "div" || depth == 0 && !first {
				return "最外层必须是一个 div"
			}
			if fault := element(x); fault != "" {
				return fault
			}
			first = false
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(x)) > 0 {
				return "最外层必须是一个 div"
			}
		case xml.Directive:
			return "不能有文档类型声明"
		}
	}
	if first {
		return "没有内容"
	}
	return ""
}

func element(x xml.StartElement) (fault string) {
	if slices.Contains(active, strings.ToLower(x.Name.Local)) {
		return "不能有元素 " + x.Name.Local
	}
	for _, a := range x.Attr {
		name, value := strings.ToLower(a.Name.Local), strings.ToLower(strings.TrimSpace(a.Value))
		if strings.HasPrefix(name, "on") || (name == "href" || name == "src") && strings.HasPrefix(value, "javascript:") {
			return "不能有会执行脚本的属性 " + clip(a.Name.Local)
		}
	}
	return ""
}

// target checks what a reference points at.
func (v *validator) target(n json.Node, p spec.Property, at *place) {
	literal := n.Get("reference").Text()
	typ := search.ParseReference(literal).Type
	if id, ok := strings.CutPrefix(literal, "#"); ok {
		typ = v.contained(id).Get("resourceType").Text()
	}
	if typ == "" {
		typ = n.Get("type").Text()
	}
	if spec.IsResource(typ) && !slices.Contains(p.Ref.Targets, typ) {
		v.add(Structure, at, "不能引用 %s，只能引用 %s", typ, strings.Join(p.Ref.Targets, "、"))
	}
}

func (v *validator) contained(id string) json.Node {
	for c := range v.root.Get("contained").Items() {
		if c.Get("id").Text() == id {
			return c
		}
	}
	return json.Node{}
}

// rules are invariants that need no FHIRPath and without which what is stored
// makes no sense.
func (v *validator) rules(n json.Node, t *spec.Type, at *place) {
	switch t.Name {
	case "Extension":
		value := false
		for name := range n.Fields() {
			value = value || strings.HasPrefix(strings.TrimPrefix(name, "_"), "value")
		}
		if value == n.Get("extension").Exists() {
			v.add(Invariant, at, "扩展必须有值或者有下级扩展，且不能两者都有（ext-1）")
		}
	case "Reference":
		id, local := strings.CutPrefix(n.Get("reference").Text(), "#")
		if local && id != "" && !v.contained(id).Exists() {
			v.add(Invariant, at, "内部引用“#%s”所指的内含资源不存在（ref-1）", clip(id))
		}
	}
}
