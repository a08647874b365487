package chart

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/fhir/json"
)

// observation reads a result: its value, or the values of its components.
func observation(n json.Node, f *Fact, _ readContext) {
	f.Kind = Result
	f.Title, f.Codes = concept(n.Get("code"))
	f.firstTime(n, "effectiveDateTime", "effectivePeriod", "effectiveInstant", "issued")
	status := n.Get("status").Text()
	f.Note = lines(map[string]string{"preliminary": "初步", "registered": "待出结果", "corrected": "已更正", "amended": "已更正", "cancelled": "已取消", "entered-in-error": "录入有误"}[status], notes(n))
	if status == "entered-in-error" || status == "cancelled" {
		f.State = Mistaken
	}
	v := valueOf(n)
	if v.Test = f.Title; v.Text != "" {
		f.Value = &v
		f.Text = strings.TrimSpace(v.Text + " " + v.Unit)
	}
	if s := strip(n, f.Title); len(s.Points) > 1 {
		f.Series, f.Kind = append(f.Series, s), Image
	}
	var parts []string
	if f.Value != nil {
		f.Values = append(f.Values, v)
	}
	for c := range n.Get("component").Items() {
		title, _ := concept(c.Get("code"))
		if s := strip(c, title); len(s.Points) > 1 {
			f.Series, f.Kind = append(f.Series, s), Image
			continue
		}
		if v := valueOf(c); v.Text != "" {
			v.Test = title
			f.Values = append(f.Values, v)
			parts = append(parts, title+" "+strings.TrimSpace(v.Text+" "+v.Unit))
		}
	}
	if len(parts) > 0 {
		f.Text = lines(f.Text, strings.Join(parts, "，"))
	}
	if pressure := pressureOf(n); pressure != "" {
		f.Text = pressure
	}
}

// pressureOf writes the blood pressure of a person the way people say it.
func pressureOf(n json.Node) string {
	var high, low, unit string
	for c := range n.Get("component").Items() {
		_, codes := concept(c.Get("code"))
		q := c.Get("valueQuantity")
		for _, k := range codes {
			switch k.Code {
			case "8480-6":
				high, unit = q.Get("value").Number(), q.Get("unit").Text()
			case "8462-4":
				low = q.Get("value").Number()
			}
		}
	}
	if high == "" || low == "" {
		return ""
	}
	return high + "/" + low + " " + cmp.Or(unit, "mmHg")
}

// quantity writes a number with its unit, the digits as stated.
func quantity(q json.Node) string {
	if !q.Get("value").Exists() {
		return ""
	}
	return strings.TrimSpace(q.Get("comparator").Text() + q.Get("value").Number() + " " + cmp.Or(q.Get("unit").Text(), q.Get("code").Text()))
}

func valueOf(n json.Node) Value {
	var v Value
	if q := n.Get("valueQuantity"); q.Exists() {
		v.Text, v.Unit = q.Get("comparator").Text()+q.Get("value").Number(), cmp.Or(q.Get("unit").Text(), q.Get("code").Text())
		if x, err := strconv.ParseFloat(q.Get("value").Number(), 64); err == nil && q.Get("comparator").Text() == "" {
			v.Number, v.Exact = x, true
		}
	} else if c := n.Get("valueCodeableConcept"); c.Exists() {
		v.Text, _ = concept(c)
	} else if r := n.Get("valueRatio"); r.Exists() {
		v.Text = quantity(r.Get("numerator")) + ":" + quantity(r.Get("denominator"))
	} else if r := n.Get("valueRange"); r.Exists() {
		v.Text = quantity(r.Get("low")) + "–" + quantity(r.Get("high"))
	} else {
		for _, name := range []string{"valueString", "valueInteger", "valueDateTime", "valueTime"} {
			v.Text = cmp.Or(v.Text, n.Get(name).Scalar())
		}
		if b := n.Get("valueBoolean"); b.Exists() {
			v.Text = map[bool]string{true: "是", false: "否"}[b.Bool()]
		}
	}
	low, high, text := rangeOf(n.Get("referenceRange").At(0))
	v.Range = text
	v.Flag = flagOf(n.Get("interpretation"))
	if v.Flag == NoFlag && v.Exact {
		v.Flag = judge(v.Number, low, high)
	}
	return v
}

// flagOf reads v3-ObservationInterpretation, and what Chinese systems write.
func flagOf(list json.Node) Flag {
	for c := range list.Items() {
		text, codes := concept(c)
		for _, code := range append(codes, Coding{Code: text}) {
			switch strings.ToUpper(code.Code) {
			case "H", "HH", "HU", "↑", "↑↑", "偏高":
				return High
			case "L", "LL", "LU", "↓", "↓↓", "偏低":
				return Low
			case "A", "AA", "POS", "阳性", "异常":
				return Abnormal
			case "N", "NEG", "正常", "阴性":
				return Normal
			}
		}
	}
	return NoFlag
}

// bound is one end of a reference range.
type bound struct {
	value float64
	known bool
}

// rangeOf reads a reference range: its ends as far as they are numbers, and the
// text that pages show.
func rangeOf(r json.Node) (low, high bound, text string) {
	if l := r.Get("low").Get("value").Number(); l != "" {
		low.value, _ = strconv.ParseFloat(l, 64) // a JSON number
		low.known, text = true, "≥"+l
	}
	if h := r.Get("high").Get("value").Number(); h != "" {
		high.value, _ = strconv.ParseFloat(h, 64) // a JSON number
		if high.known = true; low.known {
			text = r.Get("low").Get("value").Number() + "–" + h
		} else {
			text = "≤" + h
		}
	}
	if t := strings.TrimSpace(r.Get("text").Text()); t != "" {
		if text = t; !low.known && !high.known {
			low, high = parseRange(t)
		}
	}
	return low, high, text
}

var (
	betweenText = regexp.MustCompile(`^\s*(-?\d+(?:\.\d+)?)\s*(?:-|–|—|～|~|至|--)\s*(-?\d+(?:\.\d+)?)`)
	boundText   = regexp.MustCompile(`^\s*(<=|>=|<|>|≤|≥|＜|＞)\s*(-?\d+(?:\.\d+)?)`)
)

// parseRange reads the ways in which laboratories write a range: 3.9-6.1,
// 3.9～6.1 mmol/L, <5.2, ≥1.0.
func parseRange(text string) (low, high bound) {
	if m := betweenText.FindStringSubmatch(text); m != nil {
		a, err1 := strconv.ParseFloat(m[1], 64)
		b, err2 := strconv.ParseFloat(m[2], 64)
		if err1 == nil && err2 == nil && a <= b {
			return bound{a, true}, bound{b, true}
		}
	}
	if m := boundText.FindStringSubmatch(text); m != nil {
		if x, err := strconv.ParseFloat(m[2], 64); err == nil {
			if strings.ContainsAny(m[1], "<≤＜") {
				return bound{}, bound{x, true}
			}
			return bound{x, true}, bound{}
		}
	}
	return bound{}, bound{}
}

// judge holds a number against its range; without a range there is no flag.
func judge(x float64, low, high bound) Flag {
	switch {
	case !low.known && !high.known:
		return NoFlag
	case high.known && x > high.value:
		return High
	case low.known && x < low.value:
		return Low
	}
	return Normal
}

// maxSamples bounds a curve that a page draws.
const maxSamples = 20_000

// strip reads SampledData.
func strip(n json.Node, title string) Strip {
	d := n.Get("valueSampledData")
	if !d.Exists() {
		return Strip{}
	}
	num := func(x json.Node, or float64) float64 {
		if v, err := strconv.ParseFloat(x.Number(), 64); err == nil {
			return v
		}
		return or
	}
	s := Strip{Title: title, Millis: num(d.Get("period"), 1)}
	origin, factor := num(d.Get("origin").Get("value"), 0), num(d.Get("factor"), 1)
	for _, w := range strings.Fields(d.Get("data").Text()) {
		if x, err := strconv.ParseFloat(w, 64); err == nil && len(s.Points) < maxSamples {
			s.Points = append(s.Points, origin+x*factor)
		}
	}
	return s
}

func report(n json.Node, f *Fact, _ readContext) {
	f.Kind = Report
	f.Title, f.Codes = concept(n.Get("code"))
	f.firstTime(n, "effectiveDateTime", "effectivePeriod", "issued")
	for r := range n.Get("result").Items() {
		f.Parts = append(f.Parts, r.Get("reference").Text())
	}
	for p := range n.Get("presentedForm").Items() {
		f.Files = append(f.Files, fileOf(p))
	}
	var words []string
	for c := range n.Get("conclusionCode").Items() {
		text, codes := concept(c)
		words, f.Codes = append(words, text), append(f.Codes, codes...)
	}
	for c := range n.Get("category").Items() {
		_, codes := concept(c)
		if slices.ContainsFunc(codes, func(c Coding) bool { return slices.Contains(imaging0074, c.Code) }) {
			f.Kind = Image
		}
	}
	f.Text = lines(n.Get("conclusion").Text(), strings.Join(words, "、"))
	status := n.Get("status").Text()
	f.Note = map[string]string{"preliminary": "初步", "registered": "待出报告", "corrected": "已更正", "amended": "已更正", "appended": "已补充", "cancelled": "已取消", "entered-in-error": "录入有误"}[status]
	if status == "entered-in-error" || status == "cancelled" {
		f.State = Mistaken
	}
}

// imaging0074 are the sections of HL7 table 0074 that are images and curves.
var imaging0074 = []string{"RAD", "CT", "NMR", "RUS", "OUS", "NMS", "XRC", "RX", "EC", "CUS", "VUS", "CP"}

func fileOf(a json.Node) File {
	return File{Title: a.Get("title").Text(), Type: strings.ToLower(a.Get("contentType").Text()), Data: a.Get("data").Text(), URL: a.Get("url").Text()}
}

func document(n json.Node, f *Fact, _ readContext) {
	f.Kind = Document
	f.Title, f.Codes = concept(n.Get("type"))
	f.Title = cmp.Or(f.Title, n.Get("description").Text())
	f.firstTime(n, "date")
	if at, day := when(n.Get("context").Get("period").Get("start").Text()); !at.IsZero() {
		f.At, f.DayOnly = at, day
	}
	for c := range n.Get("content").Items() {
		f.Files = append(f.Files, fileOf(c.Get("attachment")))
	}
	if text := n.Get("description").Text(); text != f.Title {
		f.Text = text
	}
	f.Note = map[string]string{"superseded": "已被新文书取代", "entered-in-error": "录入有误"}[n.Get("status").Text()]
	if n.Get("status").Text() == "entered-in-error" {
		f.State = Mistaken
	}
}

func imaging(n json.Node, f *Fact, _ readContext) {
	f.Kind = Image
	var what []string
	for m := range n.Get("modality").Items() {
		what = append(what, modality(cmp.Or(m.Get("code").Text(), m.Get("display").Text())))
	}
	f.Title = cmp.Or(n.Get("description").Text(), strings.Join(what, "、"), "影像检查")
	f.firstTime(n, "started")
	count := ""
	if s := n.Get("numberOfSeries").Number(); s != "" {
		count = s + " 个序列，" + cmp.Or(n.Get("numberOfInstances").Number(), "若干") + " 幅图像"
	}
	f.Text = lines(strings.Join(what, "、"), count, notes(n))
}

// modality names the kinds of imaging that clinics know by letters.
func modality(code string) string {
	return cmp.Or(map[string]string{"DX": "数字摄影", "CR": "数字摄影", "CT": "CT", "MR": "磁共振", "US": "超声", "ECG": "心电图", "ES": "内镜", "MG": "乳腺摄影", "XA": "血管造影"}[code], code)
}

func media(n json.Node, f *Fact, _ readContext) {
	f.Kind = Image
	kind, codes := concept(n.Get("type"))
	f.Title, f.Codes = cmp.Or(n.Get("content").Get("title").Text(), kind, "图像"), codes
	f.firstTime(n, "createdDateTime", "createdPeriod", "issued")
	f.Files, f.Text = append(f.Files, fileOf(n.Get("content"))), notes(n)
}

// RangeOf reads both ends of a reference range as it is shown; ok is false when
// one of them is missing.
func RangeOf(text string) (low, high float64, ok bool) {
	l, h := parseRange(text)
	return l.value, h.value, l.known && h.known
}
