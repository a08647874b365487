package harness

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// Client is one browser without scripts: cookies, redirects, forms.
type Client struct {
	t    testing.TB
	base string
	HTTP *http.Client
}

// NewClient returns a browser on an address, http://host:port.
func NewClient(t testing.TB, base string) *Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	t.Cleanup(transport.CloseIdleConnections)
	return &Client{t: t, base: base, HTTP: &http.Client{Jar: jar, Transport: transport, Timeout: Patience}}
}

// Client returns a new browser on the process.
func (p *Process) Client() *Client {
	p.t.Helper()
	return NewClient(p.t, p.url)
}

// At points the browser to another address; cookies stay (a cookie knows no
// port), so a person stays signed in when the program was started again.
func (c *Client) At(base string) { c.base = base }

// SignIn signs in at POST /login and returns the page one lands on.
func (c *Client) SignIn(login, password string) Page {
	c.t.Helper()
	return c.Post("/login", "login", login, "password", password)
}

// Get reads a page.
func (c *Client) Get(path string) Page {
	c.t.Helper()
	return c.must(c.Do(c.t.Context(), http.MethodGet, path, nil))
}

// Post sends a form of name, value pairs.
func (c *Client) Post(path string, pairs ...string) Page {
	c.t.Helper()
	return c.must(c.Do(c.t.Context(), http.MethodPost, path, Form(pairs...)))
}

// Form makes a form of name, value pairs.
func Form(pairs ...string) url.Values {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return form
}

func (c *Client) must(p Page, err error) Page {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// Do sends a request; a lost connection is an error and not a failure of the
// test, for programs that are killed meanwhile.
func (c *Client) Do(ctx context.Context, method, path string, form url.Values) (Page, error) {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return Page{}, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return Page{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return Page{}, err
	}
	return Page{Status: res.StatusCode, Path: res.Request.URL.RequestURI(), Body: string(data), Header: res.Header}, nil
}

// Page is an answer after redirects.
type Page struct {
	Status int
	Path   string // where one has landed, with the query
	Body   string // as sent
	Header http.Header
}

var (
	unseen = regexp.MustCompile(`(?s)<(script|style)\b.*?</(script|style)>|<!--.*?-->`)
	tags   = regexp.MustCompile(`<[^>]*>`)
	blanks = regexp.MustCompile(`\s+`)
)

// Text is what a person reads on the page.
func (p Page) Text() string {
	text := tags.ReplaceAllString(unseen.ReplaceAllString(p.Body, " "), " ")
	return strings.TrimSpace(blanks.ReplaceAllString(html.UnescapeString(text), " "))
}

// Has reports whether the page says all of the texts.
func (p Page) Has(texts ...string) bool {
	all := p.Text()
	for _, s := range texts {
		if !strings.Contains(all, s) {
			return false
		}
	}
	return true
}

// Links lists the targets of links that begin with prefix, in order, once each.
func (p Page) Links(prefix string) []string {
	var out []string
	seen := map[string]bool{}
	for _, m := range hrefs.FindAllStringSubmatch(p.Body, -1) {
		link := html.UnescapeString(m[1])
		if strings.HasPrefix(link, prefix) && !seen[link] {
			seen[link] = true
			out = append(out, link)
		}
	}
	return out
}

var hrefs = regexp.MustCompile(`href="([^"]*)"`)

// Input returns the value of the first input with the name, as hidden fields
// (versions, keys) carry it; "" when there is none.
func (p Page) Input(name string) string {
	for _, tag := range inputs.FindAllString(p.Body, -1) {
		if attribute(tag, "name") == name {
			return attribute(tag, "value")
		}
	}
	return ""
}

var inputs = regexp.MustCompile(`<input\b[^>]*>`)

func attribute(tag, name string) string {
	m := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `="([^"]*)"`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}
