package chartweb

import (
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/chart"
	"yilian/internal/web"
)

// icons and tones of the kinds in a timeline.
func iconOf(k chart.Kind) string {
	return map[chart.Kind]string{chart.Visit: "stethoscope", chart.Problem: "clipboard-text", chart.Medicine: "pill", chart.Allergy: "alert-triangle",
		chart.Result: "microscope", chart.Report: "report-analytics", chart.Document: "file-text", chart.Image: "photo-scan", chart.Immunisation: "vaccine",
		chart.Procedure: "medical-cross", chart.Order: "checklist", chart.Appointment: "calendar-event", chart.Case: "arrows-exchange",
		chart.Contract: "signature", chart.Other: "notes"}[k]
}

func toneOf(e chart.Entry) web.Tone {
	switch {
	case e.Hidden || e.State == chart.Mistaken:
		return web.Neutral
	case e.Kind == chart.Allergy:
		return web.Bad
	case odd(e) > 0:
		return web.Warn
	}
	return web.Info
}

// odd counts the results of an entry that are out of range.
func odd(e chart.Entry) int {
	n := 0
	for _, r := range e.Results {
		for _, v := range r.Values {
			if out(v.Flag) {
				n++
			}
		}
	}
	return n
}

func out(f chart.Flag) bool { return f == chart.High || f == chart.Low || f == chart.Abnormal }

func flagTone(f chart.Flag) web.Tone {
	if out(f) {
		return web.Bad
	}
	return web.Neutral
}

// whenText is the time of a fact to its precision.
func whenText(f chart.Fact) string {
	switch {
	case f.At.IsZero():
		return "时间未注明"
	case f.DayOnly:
		return web.FormatDate(f.At)
	}
	return web.FormatFull(f.At)
}

// source is where a fact comes from, in words.
func source(f chart.Fact) string {
	parts := []string{f.OrgName}
	if f.By != "" && f.By != f.OrgName {
		parts = append(parts, f.By)
	}
	return strings.Join(parts, " ")
}

// day is the day of a fact, for lines without room.
func day(f chart.Fact) string {
	if f.At.IsZero() {
		return "时间未注明"
	}
	return web.FormatDate(f.At)
}

// factURL is the page of a fact, "" for one that has none.
func factURL(patientID string, f chart.Fact) string {
	kind, _, _ := strings.Cut(f.Key, "/")
	switch {
	case f.Hidden || f.Key == "":
		return ""
	case kind == "case" || kind == "contract":
		return f.Path
	}
	return "/patients/" + patientID + "/facts/" + f.Key
}

func seriesURL(patientID string, s chart.Series) string {
	return "/patients/" + patientID + "/results?" + url.Values{"test": {s.Test}, "unit": {s.Unit}}.Encode()
}

func (v timelineView) options() (kinds, orgs []web.Option) {
	for _, k := range chart.Kinds() {
		kinds = append(kinds, web.Option{Value: string(k), Text: k.Title()})
	}
	return kinds, web.TextChoices(v.Chart.Orgs())
}

// itemText is the small print behind a line of the overview.
func itemText(x chart.Item) string {
	var parts []string
	if x.Text != "" {
		parts = append(parts, x.Text)
	}
	if x.Last.Note != "" {
		parts = append(parts, x.Last.Note)
	}
	return strings.Join(parts, " · ")
}

// path draws the numbers of a series into a box of w × h.
func path(s chart.Series, w, h float64) string {
	points := s.Numbers()
	if len(points) < 2 {
		return ""
	}
	low, high := bounds(s)
	first, last := points[0].At, points[len(points)-1].At
	span := last.Sub(first).Seconds()
	var b strings.Builder
	for i, p := range points {
		x := float64(i) / float64(len(points)-1) * w
		if span > 0 {
			x = p.At.Sub(first).Seconds() / span * w
		}
		fmt.Fprintf(&b, "%.1f,%.1f ", x, h-(p.Value.Number-low)/(high-low)*h)
	}
	return strings.TrimSpace(b.String())
}

// bounds are the ends of the scale: the values and their reference range, with
// some air.
func bounds(s chart.Series) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range s.Numbers() {
		low, high = math.Min(low, p.Value.Number), math.Max(high, p.Value.Number)
	}
	if l, h, ok := chart.RangeOf(s.Last().Value.Range); ok {
		low, high = math.Min(low, l), math.Max(high, h)
	}
	if mid := (low + high) / 2; high-low < math.Abs(mid)*leastScale {
		low, high = mid-math.Abs(mid)*leastScale/2, mid+math.Abs(mid)*leastScale/2
	}
	air := math.Max((high-low)/10, 1e-6)
	return low - air, high + air
}

// leastScale is the height of the scale, as a share of the value, below which it
// is not drawn closer: a change that the words call steady must not look steep.
const leastScale = 0.4

// dot is a point of the large chart.
type dot struct {
	X, Y        string
	Label, When string
	Odd         bool
}

func num(x float64) string { return strconv.FormatFloat(x, 'f', 1, 64) }

func dots(s chart.Series, w, h float64) []dot {
	var list []dot
	points := s.Numbers()
	for i, xy := range strings.Fields(path(s, w, h)) {
		x, y, _ := strings.Cut(xy, ",")
		list = append(list, dot{X: x, Y: y, Label: points[i].Value.Text, When: web.FormatDate(points[i].At), Odd: out(points[i].Value.Flag)})
	}
	return list
}

// band is the reference range in a box of height h: where it begins and how high
// it is; ok is false when it is unknown.
func band(s chart.Series, h float64) (y, height string, ok bool) {
	l, u, ok := chart.RangeOf(s.Last().Value.Range)
	if !ok {
		return "", "", false
	}
	low, high := bounds(s)
	top := h - (u-low)/(high-low)*h
	return num(top), num((u - l) / (high - low) * h), true
}

// curve draws a strip into a box of w × h.
func curve(s chart.Strip, w, h float64) string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range s.Points {
		low, high = math.Min(low, p), math.Max(high, p)
	}
	if high == low {
		high = low + 1
	}
	var b strings.Builder
	step := max(1, len(s.Points)/2000)
	for i := 0; i < len(s.Points); i += step {
		fmt.Fprintf(&b, "%.1f,%.1f ", float64(i)/float64(len(s.Points)-1)*w, h-(s.Points[i]-low)/(high-low)*h)
	}
	return strings.TrimSpace(b.String())
}

// seconds is how long a strip lasts.
func seconds(s chart.Strip) string {
	return strconv.FormatFloat(float64(len(s.Points))*s.Millis/1000, 'f', 1, 64) + " 秒"
}

// sparkText says the trend for those who do not see the line.
func sparkText(s chart.Series) string {
	texts := []string{}
	for _, p := range s.Numbers() {
		texts = append(texts, p.Value.Text)
	}
	return s.Test + "：" + strings.Join(texts, "、")
}

// why is the reason of an act: what was typed, or the purpose and the basis.
func why(l audit.Leaf) string {
	switch l.Action {
	case "patient.break", "patient.sensitive":
		return l.Detail
	case "patient.read":
		if t := access.Purpose(l.Detail).Title(); t != "" {
			return "用途：" + t
		}
	}
	return ""
}

func basis(l audit.Leaf) string {
	if t := access.Basis(l.Basis).Title(); t != "" {
		return t
	}
	return "—"
}

func post(l audit.Leaf) string { return access.Role(l.Actor.Role).Title() }

func safe(url string) templ.SafeURL { return templ.SafeURL(url) }

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
