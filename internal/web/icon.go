package web

import (
	"context"
	"embed"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"github.com/a-h/templ"
)

//go:embed icons/*.svg
var iconFiles embed.FS

// icons holds the drawing inside each icon's svg element.
var icons = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	entries, err := iconFiles.ReadDir("icons")
	if err != nil {
		panic(err) // the files are part of the binary
	}
	for _, e := range entries {
		data, err := iconFiles.ReadFile("icons/" + e.Name())
		if err != nil {
			panic(err)
		}
		_, inner, _ := strings.Cut(string(data), "<path")
		inner, _, _ = strings.Cut("<path"+inner, "</svg>")
		inner = strings.Replace(inner, `<path stroke="none" d="M0 0h24v24H0z" fill="none" />`, "", 1)
		out[strings.TrimSuffix(e.Name(), path.Ext(e.Name()))] = strings.Join(strings.Fields(inner), " ")
	}
	return out
})

// Icon draws a Tabler icon by its name (see the icons folder); an unknown name
// draws a plain circle, and a test finds it.
func Icon(name string) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		inner, ok := icons()[name]
		if !ok {
			inner = `<circle cx="12" cy="12" r="8"/>`
		}
		_, err := fmt.Fprintf(w, `<svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" `+
			`stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">%s</svg>`, inner)
		return err
	})
}

// HasIcon reports whether Icon knows the name.
func HasIcon(name string) bool {
	_, ok := icons()[name]
	return ok
}
