package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:embed assets
var embedded embed.FS

// assets serves the embedded style sheets and scripts under names that carry a
// hash of their content, so that browsers may keep them for ever.
type assets struct {
	byName map[string]string // app.css -> /assets/app.0f3a….css
	byPath map[string]asset
}

type asset struct {
	kind        string
	plain, gzip []byte
}

var files = sync.OnceValue(func() *assets {
	a := &assets{byName: map[string]string{}, byPath: map[string]asset{}}
	err := fs.WalkDir(embedded, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		a.add(strings.TrimPrefix(name, "assets/"), data)
		return nil
	})
	if err != nil {
		panic(err) // the files are part of the binary
	}
	return a
})

var kinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8", ".ico": "image/x-icon", ".png": "image/png"}

func (a *assets) add(name string, data []byte) {
	sum := sha256.Sum256(data)
	ext := path.Ext(name)
	url := "/assets/" + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:5]) + ext
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, gzip.BestCompression) // the level is valid, there is no error
	_, _ = w.Write(data)                                  // a buffer takes everything
	_ = w.Close()
	a.byName[name] = url
	a.byPath[url] = asset{kind: kinds[ext], plain: data, gzip: z.Bytes()}
}

// Asset returns the address of an embedded file, for example Asset("app.css").
func Asset(name string) string {
	url, ok := files().byName[name]
	if !ok {
		panic("web: no asset " + name)
	}
	return url
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.byPath[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && len(f.gzip) < len(f.plain) {
		h.Set("Content-Encoding", "gzip")
		body = f.gzip
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // the browser has gone; there is nobody to tell
}
