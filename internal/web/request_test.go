package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"yilian/internal/web"
)

func posted(pairs ...string) *http.Request {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(v.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestPageNumber(t *testing.T) {
	for query, want := range map[string]int{"": 1, "page=3": 3, "page=0": 1, "page=-2": 1, "page=x": 1} {
		if got := web.PageNumber(httptest.NewRequest(http.MethodGet, "/x?"+query, nil)); got != want {
			t.Errorf("%q: page %d, want %d", query, got, want)
		}
	}
}

func TestAddress(t *testing.T) {
	for _, c := range []struct {
		pairs []string
		want  string
	}{
		{nil, "/x"},
		{[]string{"q", ""}, "/x"},
		{[]string{"side", "to", "q", "肺炎"}, "/x?q=%E8%82%BA%E7%82%8E&side=to"},
		{[]string{"side", "to", "state", "sent", "state", "held"}, "/x?side=to&state=held"},
		{[]string{"side", "to", "state", "sent", "state", ""}, "/x?side=to"},
		{[]string{"all", web.Flag(true), "org", web.Flag(false)}, "/x?all=1"},
	} {
		if got := web.Address("/x", c.pairs...); got != c.want {
			t.Errorf("%q: %s, want %s", c.pairs, got, c.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * time.Second: "不到 1 分钟", 35 * time.Minute: "35 分钟", 125 * time.Minute: "2 小时 5 分", 27 * time.Hour: "1 天 3 小时",
	} {
		if got := web.Span(d); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
}

func TestVersionAndTyped(t *testing.T) {
	r := posted("version", "7", "name", " 张桂兰\u3000", "status", "open")
	if web.Version(r) != 7 || web.Typed(r, "name") != "张桂兰" || !web.IsInUse(r) {
		t.Errorf("%d %q %v", web.Version(r), web.Typed(r, "name"), web.IsInUse(r))
	}
	for _, r := range []*http.Request{posted(), posted("version", "x")} {
		if got := web.Version(r); got != 0 || web.IsInUse(r) {
			t.Errorf("a form without a version has version %d", got)
		}
	}
}

type kind string

func (k kind) Title() string { return "类别" + string(k) }

func TestChoices(t *testing.T) {
	got := web.TitledChoices([]kind{"a", "b"})
	if len(got) != 2 || got[1] != (web.Option{Value: "b", Text: "类别b"}) {
		t.Errorf("%+v", got)
	}
	if got := web.TextChoices([]string{"三级"}); len(got) != 1 || got[0] != (web.Option{Value: "三级", Text: "三级"}) {
		t.Errorf("%+v", got)
	}
	if open, closed := web.InUse(true, "在岗", ""), web.InUse(false, "在岗", ""); open.Value != "open" || closed.Value != "closed" || open.Options[0].Text != "在岗" {
		t.Errorf("%+v %+v", open, closed)
	}
}
