package web

import (
	"crypto/rand"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"yilian/internal/errs"
)

// Control describes one field of a form. Err is the error of the whole form:
// the field finds its own sentence in it.
type Control struct {
	Label       string
	Name        string
	Value       string // what was typed or is known; kept when the form comes back
	Err         error
	Hint        string // a short explanation under the field
	Placeholder string
	Type        string // of Input: text (default), password, number, tel, date, datetime-local, file …
	Unit        string // shown behind the field: 岁, 分钟, mmHg
	Required    bool   // shows the mark; the server decides
	Autofocus   bool
	Readonly    bool
	Disabled    bool
	Checked     bool     // of Checkbox
	Rows        int      // of Textarea; 0: 3
	Empty       string   // of Select: text of the empty choice; "" none
	Options     []Option // of Select, Radios, Checks
	Values      []string // of Checks: the chosen ones
	Attrs       templ.Attributes
}

// Option is one choice.
type Option struct {
	Value    string
	Text     string
	Note     string // small print behind the text
	Disabled bool
}

// id is that of the control: two forms of one page may have fields of one name,
// and then Attrs carries another id.
func (c Control) id() string {
	if id, ok := c.Attrs["id"].(string); ok {
		return id
	}
	return "f-" + c.Name
}

// autocomplete is off, but for names and passwords that browsers may keep.
func (c Control) autocomplete() string {
	if a, ok := c.Attrs["autocomplete"].(string); ok {
		return a
	}
	return "off"
}

// attrs are the Attrs that the control does not write itself: of an attribute
// that stands twice browsers take the first.
func (c Control) attrs() templ.Attributes {
	a := maps.Clone(c.Attrs)
	delete(a, "id")
	delete(a, "autocomplete")
	return a
}

func (c Control) describedBy() string {
	if FieldError(c.Err, c.Name) != "" {
		return c.id() + "-error"
	}
	if c.Hint != "" {
		return c.id() + "-hint"
	}
	return ""
}

func (c Control) class(base string) string {
	if FieldError(c.Err, c.Name) != "" {
		return base + " is-invalid"
	}
	return base
}

// inputAttrs adds what a typed date needs: the browser's own date field shows
// dates in the browser's language and is slow to type into.
func (c Control) inputAttrs() templ.Attributes {
	a := c.attrs()
	if c.Type != "date" {
		return a
	}
	out := templ.Attributes{"data-date": true, "inputmode": "numeric", "maxlength": "10"}
	maps.Copy(out, a)
	return out
}

func (c Control) placeholder() string {
	if c.Placeholder == "" && c.Type == "date" {
		return "年-月-日"
	}
	return c.Placeholder
}

func (c Control) rows() string {
	if c.Rows == 0 {
		return "3"
	}
	return strconv.Itoa(c.Rows)
}

// FieldError returns the sentence about one field, "" when it is right.
func FieldError(err error, name string) string {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		return ""
	}
	var out []string
	for _, f := range e.Fields {
		if f.Name == name {
			out = append(out, f.Message)
		}
	}
	return strings.Join(out, "；")
}

// FormOptions describe a form.
type FormOptions struct {
	Action  string // where it is posted
	Method  string // "" is post
	ID      string
	Class   string
	Keep    string // key under which typed values are kept in this tab until submitted
	Measure string // what is measured (referral, follow_up): sends _interactions and _elapsed_ms
	Target  string // htmx target (#drawer); "" is an ordinary form
	Swap    string // htmx swap; "" is innerHTML
	Upload  bool   // multipart/form-data
	Check   bool   // the browser checks required fields before it posts
	Failed  bool   // the form comes back with errors: what the server sent wins over the draft

	Interactions int   // carried on when the form comes back, see Measured
	ElapsedMS    int64 // carried on when the form comes back
}

func (o FormOptions) attrs() templ.Attributes {
	a := templ.Attributes{"method": either(o.Method, "post"), "action": o.Action}
	set := func(name, value string) {
		if value != "" {
			a[name] = value
		}
	}
	set("id", o.ID)
	set("class", o.Class)
	set("data-keep", o.Keep)
	set("data-measure", o.Measure)
	if o.Failed {
		a["data-failed"] = true
	}
	if o.Upload {
		a["enctype"] = "multipart/form-data"
	}
	if o.Target != "" {
		verb := "hx-post"
		if strings.EqualFold(o.Method, "get") {
			verb = "hx-get"
		}
		a[verb], a["hx-target"] = o.Action, o.Target
		set("hx-swap", o.Swap)
	}
	return a
}

// newOnce makes the token of one rendering of a form.
func newOnce() string { return rand.Text() }

// OnceToken returns the token of the form that was submitted, so that a use
// case can answer the second of two equal submissions like the first; "" when
// the form has none.
func OnceToken(r *http.Request) string { return r.PostFormValue("_once") }

// Measured returns how many interactions and how much time the person needed
// from opening the page to submitting the form; ok is false when the browser
// did not measure.
func Measured(r *http.Request) (interactions int, elapsed time.Duration, ok bool) {
	n, err1 := strconv.Atoi(r.PostFormValue("_interactions"))
	ms, err2 := strconv.ParseInt(r.PostFormValue("_elapsed_ms"), 10, 64)
	if err1 != nil || err2 != nil || n < 0 || ms < 0 || ms > int64(24*time.Hour/time.Millisecond) {
		return 0, 0, false
	}
	return n, time.Duration(ms) * time.Millisecond, true
}

// Open returns the attributes that make an element (a row of a worklist, a
// link) open the drawer with what url answers.
func Open(url string) templ.Attributes {
	return templ.Attributes{"hx-get": url, "hx-target": "#drawer", "hx-push-url": "true", "data-open": true, "tabindex": "0"}
}

// Live returns the attributes of a part that refreshes itself from url when one
// of the topics (separated by spaces) changes. The answer replaces its content.
func Live(topics, url string) templ.Attributes {
	return templ.Attributes{"data-live": topics, "hx-get": url, "hx-trigger": "live", "hx-swap": "innerMorph", "hx-sync": "this:replace"}
}

// ComboOptions describe a field that is searched while typing: the person types
// a name, pinyin initials or a code; the form sends the chosen code under Name
// and the text under TextName.
type ComboOptions struct {
	Label, Name, Value string
	TextName, Text     string // TextName "" is Name+"_text"
	URL                string // GET URL?q=… answers Suggestions
	Err                error
	Hint, Placeholder  string
	Required           bool
	Autofocus          bool
	Free               bool             // text without a chosen code is allowed
	Attrs              templ.Attributes // on the hidden field that holds the code
}

func (o ComboOptions) textName() string { return either(o.TextName, o.Name+"_text") }

// Suggestion is one line of the list under a combo.
type Suggestion struct {
	Code string
	Text string // goes into the field
	Note string // small print: code, specialty, distance
}

// ConfirmOptions describe a button that asks before it acts.
type ConfirmOptions struct {
	ID       string // unique on the page
	Label    string // of the button: 退回
	Icon     string
	Tone     Tone // Bad makes it red; Info is the main blue button; "" plain
	Title    string
	Text     string // explains what will happen
	Action   string // POST here
	Target   string // htmx target; "" is an ordinary form
	Reasons  []Option
	Reason   string // name of the reason field; "" is reason
	Comment  string // label of the comment field; "" hides it
	Required bool   // the comment is required
	Values   map[string]string
	Small    bool // small button
}

// Tab is one tab with its count.
type Tab struct {
	Title  string
	URL    string
	Count  int
	Hide   bool // hides the count
	Tone   Tone // of the count; "" neutral
	Active bool
}

// Pages says which part of a list is shown, see Pager.
type Pages struct {
	Page  int    // from 1
	Size  int    // rows a page
	Total int    // rows altogether
	URL   string // of the list with its filters; page= is added
}

func (p Pages) last() int { return max(1, (p.Total+p.Size-1)/max(1, p.Size)) }

func (p Pages) at(page int) string {
	sep := "?"
	if strings.Contains(p.URL, "?") {
		sep = "&"
	}
	return p.URL + sep + "page=" + strconv.Itoa(page)
}

// Moment is one entry of a Timeline.
type Moment struct {
	At    time.Time
	Title string // 接诊
	Who   string // 王主任
	Org   string // 县人民医院 心血管内科
	Text  string
	Note  string // small print: clause, duration
	Icon  string
	Tone  Tone
}

// Figure is a number that explains itself, see Stat.
type Figure struct {
	Title      string
	Value      string
	Unit       string
	Note       string // 较昨日 +8, 目标 ≤ 30 分钟
	Icon       string
	Tone       Tone
	Href       string // opens the cases behind the figure
	Definition string // shown on hover and tap
}

// SheetOptions describe a case shown in the drawer, or as a page of its own
// when it is opened by its address, see Sheet.
type SheetOptions struct {
	Title    string // 张桂兰
	Subtitle string // 女 · 38岁 · ZZ202611210318
	Back     string // the list it belongs to: /referrals
	Wide     bool   // 880 px instead of 600
}
