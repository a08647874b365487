package web

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"yilian/internal/errs"
)

// PageNumber is the page of a list that a request asks for, from 1; anything
// that is no such number is the first page.
func PageNumber(r *http.Request) int {
	n, _ := strconv.Atoi(r.URL.Query().Get("page"))
	return max(1, n)
}

// Address is a path with a query of names and values. A later value of a name
// takes the place of an earlier one; an empty value takes the name away.
func Address(path string, pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			v.Del(pairs[i])
		} else {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + v.Encode()
}

// Flag is a switch of an address: "1" when it is on, nothing when it is off.
func Flag(on bool) string {
	if on {
		return "1"
	}
	return ""
}

// Version is the version of the record that a form was filled in on. A missing
// one is 0, which every store refuses as stale.
func Version(r *http.Request) int64 {
	n, _ := strconv.ParseInt(r.FormValue("version"), 10, 64)
	return n
}

// Typed is what was typed into a field, without blanks around it.
func Typed(r *http.Request, name string) string { return strings.TrimSpace(r.FormValue(name)) }

// ParseForm reads a posted form whole; half a form is refused, in words.
func ParseForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return errs.Because(err, errs.Invalid, "表单没有完整送达，请重新提交")
	}
	return nil
}

// Choices makes the options of a list: what each sends and what each shows.
func Choices[T any](list []T, choice func(T) (value, text string)) []Option {
	out := make([]Option, len(list))
	for i, x := range list {
		out[i].Value, out[i].Text = choice(x)
	}
	return out
}

// TitledChoices makes the options of a list of codes that know their titles.
func TitledChoices[T interface {
	~string
	Title() string
}](codes []T) []Option {
	return Choices(codes, func(c T) (string, string) { return string(c), c.Title() })
}

// TextChoices makes options that send what they show.
func TextChoices(texts []string) []Option {
	return Choices(texts, func(s string) (string, string) { return s, s })
}

// InUse is the field with which a record that is never deleted is closed and
// opened again; open is the word for in use. IsInUse reads it.
func InUse(active bool, open, hint string) Control {
	c := Control{Label: "状态", Name: "status", Value: "closed", Hint: hint,
		Options: []Option{{Value: "open", Text: open}, {Value: "closed", Text: "停用"}}}
	if active {
		c.Value = "open"
	}
	return c
}

// IsInUse reports what was chosen in the field InUse.
func IsInUse(r *http.Request) bool { return r.FormValue("status") == "open" }
