package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"
)

// Notice is a short sentence shown once, at the corner of the page.
type Notice struct {
	Tone Tone   `json:"tone"`
	Text string `json:"text"`
}

// visit is what the site knows about one request while it is answered.
type visit struct {
	site     *Site
	path     string
	fragment bool
	now      time.Time
	incident string   // id of the request, shown with internal faults
	notices  []Notice // to be shown by this answer or carried to the next page
	carried  bool     // the notices came in a cookie
	shown    bool     // a page has shown them
}

type visitKey struct{}

func visitOf(ctx context.Context) *visit {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v
	}
	return &visit{now: time.Now()}
}

// Fragment reports whether the answer being rendered is part of a page.
func Fragment(ctx context.Context) bool { return visitOf(ctx).fragment }

// Flash shows a sentence once: on the page rendered now, on the page redirected
// to, or as a toast when a part of a page is answered.
func Flash(w http.ResponseWriter, r *http.Request, tone Tone, text string) {
	v := visitOf(r.Context())
	v.notices = append(v.notices, Notice{tone, text})
}

const flashCookie = "yilian_flash"

func carryFlash(w http.ResponseWriter, r *http.Request) {
	v := visitOf(r.Context())
	if len(v.notices) == 0 {
		return
	}
	data, err := json.Marshal(v.notices)
	if err != nil || len(data) > 2800 { // a cookie holds 4 KB; a lost hint harms nobody
		return
	}
	setFlash(w, r, base64.RawURLEncoding.EncodeToString(data), 60)
}

func setFlash(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{Name: flashCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteLaxMode})
}

func readFlash(r *http.Request) []Notice {
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	data, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil
	}
	var out []Notice
	if json.Unmarshal(data, &out) != nil {
		return nil
	}
	return out
}

// takeNotices hands the pending notices to the page that shows them.
func takeNotices(ctx context.Context) []Notice {
	v := visitOf(ctx)
	v.shown = true
	return v.notices
}

// addTrigger adds an event to the HX-Trigger header, which must stay ASCII.
func addTrigger(w http.ResponseWriter, name string, detail any) {
	events := map[string]any{}
	if old := w.Header().Get("HX-Trigger"); old != "" {
		if json.Unmarshal([]byte(old), &events) != nil {
			events = map[string]any{}
		}
	}
	events[name] = detail
	data, err := json.Marshal(events)
	if err != nil {
		return
	}
	w.Header().Set("HX-Trigger", asciiJSON(data))
}

// asciiJSON escapes everything outside ASCII as \u sequences.
func asciiJSON(data []byte) string {
	var b strings.Builder
	for _, r := range string(data) {
		switch {
		case r < 0x80:
			b.WriteRune(r)
		case r < 0x10000:
			b.WriteString(`\u` + hex4(r))
		default:
			r -= 0x10000
			b.WriteString(`\u` + hex4(0xd800+r>>10) + `\u` + hex4(0xdc00+r&0x3ff))
		}
	}
	return b.String()
}

func hex4(r rune) string {
	s := strconv.FormatInt(int64(r), 16)
	return strings.Repeat("0", 4-len(s)) + s
}

var gzips = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid, there is no error
	return z
}}

func render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	var page bytes.Buffer
	if err := c.Render(r.Context(), &page); err != nil {
		return err
	}
	v, h := visitOf(r.Context()), w.Header()
	switch {
	case v.fragment && len(v.notices) > 0 && !v.carried:
		addTrigger(w, "toast", map[string]any{"notices": v.notices})
	case v.carried && v.shown:
		setFlash(w, r, "", -1)
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Add("Vary", "HX-Request, Accept-Encoding")
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store") // pages hold patients' data
	}
	body := page.Bytes()
	if page.Len() > 1024 && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = compress(body)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the browser has gone; there is nobody to tell
	}
	return nil
}

func compress(body []byte) []byte {
	var out bytes.Buffer
	z := gzips.Get().(*gzip.Writer)
	defer gzips.Put(z)
	z.Reset(&out)
	_, _ = z.Write(body) // a buffer takes everything
	_ = z.Close()
	return out.Bytes()
}
