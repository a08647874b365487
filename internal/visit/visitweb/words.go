package visitweb

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"yilian/internal/calendar"
	"yilian/internal/chart"
	"yilian/internal/patient"
	"yilian/internal/visit"
	"yilian/internal/web"
)

func safe(u string) templ.SafeURL { return templ.SafeURL(u) }

func (v formView) action() string {
	if v.ID != "" {
		return "/visits/" + v.ID
	}
	return "/visits"
}

func (v formView) back() string {
	switch {
	case v.ID != "":
		return "/visits/" + v.ID
	case v.Hints.Known:
		return "/patients/" + v.Patient.ID
	}
	return "/visits"
}

func (v formView) title() string {
	if v.ID != "" {
		return "更正" + v.Patient.Name + "的门诊"
	}
	return v.Patient.Name + "的门诊登记"
}

func (v formView) subtitle() string {
	return patient.SexTitle(v.Patient.Sex) + " · " + web.Age(string(v.Patient.BirthDate), string(v.Today)) + " · " + patient.InsuranceTitle(v.Patient.InsuranceKind)
}

func startOn(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(calendar.Shanghai).Format("2006-01-02")
}

func startTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(calendar.Shanghai).Format("15:04")
}

// diagnosisOptions are what may be ticked: the patient's own problems first,
// then what the institution sees most, and whatever the form holds already.
func (v formView) diagnosisOptions() []web.Option {
	var out []web.Option
	add := func(code, name, note string) {
		if code != "" && !slices.ContainsFunc(out, func(o web.Option) bool { return o.Value == code }) {
			out = append(out, web.Option{Value: code, Text: name, Note: note})
		}
	}
	for _, d := range v.Form.Diagnoses {
		if d != "" {
			add(d, visit.Form{Diagnoses: []string{d}}.DiagnosisNames(), "")
		}
	}
	for _, x := range v.Overview.Problems {
		for _, c := range x.Last.Codes {
			if name := (visit.Form{Diagnoses: []string{c.Code}}).DiagnosisNames(); name != c.Code && len(out) < 14 {
				add(c.Code, name, "已有")
			}
		}
	}
	for _, c := range v.Hints.Frequent {
		if len(out) < 14 {
			add(c.Code, c.Name, "")
		}
	}
	return out
}

// goingOn are the medicines that the patient takes and that may go on.
func (v formView) goingOn() []web.Option {
	var out []web.Option
	for _, x := range v.Overview.Medicines {
		if x.Last.Hidden || v.holds(x.Title) {
			continue
		}
		dose, _, _ := strings.Cut(x.Text, "；")
		out = append(out, web.Option{Value: x.Title + "\t" + dose + "\t", Text: x.Title, Note: strings.Trim(dose+" · "+day(x.Last), " ·")})
	}
	return out
}

func (v formView) holds(name string) bool {
	return slices.ContainsFunc(v.Form.Medicines, func(m visit.Medicine) bool { return m.Name == name })
}

// medicine is what stands in row i of the form.
func (v formView) medicine(i int) visit.Medicine {
	var list []visit.Medicine
	for _, m := range v.Form.Medicines {
		if m != (visit.Medicine{}) {
			list = append(list, m)
		}
	}
	if i < len(list) {
		return list[i]
	}
	return visit.Medicine{}
}

func day(f chart.Fact) string {
	if f.At.IsZero() {
		return "时间未注明"
	}
	return web.FormatDate(f.At)
}

// last is what was measured last time, as a hint under the field.
func (v formView) last(title string) string {
	for _, s := range v.Overview.Results {
		if s.Test == title {
			return "上次 " + s.Last().Value.Text + "（" + day(s.Last().Fact) + "）"
		}
	}
	return ""
}

func (v formView) fen(name string) string {
	f := v.Form.Total
	if name == "own" {
		f = v.Form.Own
	}
	if !f.Known {
		return ""
	}
	return f.String()
}

func who(b patient.Brief, on calendar.Date) string {
	return patient.SexTitle(b.Sex) + " " + web.Age(string(b.BirthDate), string(on))
}

func itoa(n int) string { return strconv.Itoa(n) }

func overdue(v visit.Visit, on calendar.Date) bool { return v.FollowOn < on }

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
