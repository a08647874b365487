// Package web is the face of the program towards browsers: the site (routes,
// error edge, assets, security headers), the page shell and the components all
// pages are made of. It knows no module and no role.
package web

import (
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"
)

// Handler answers one request: parse, call one use case, render or redirect.
// An error that it returns is answered by the error edge of the site.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Item is one entry of the menu. The app filters items by Rights.
type Item struct {
	Group  string   // heading under which it stands; "" stands at the top
	Title  string   // 双向转诊
	Icon   string   // name for Icon
	Path   string   // where it leads; also what marks it as the current one
	Order  int      // place in the menu; a group stands where its first item stands
	Rights []string // the actor needs one of them; empty: everybody
	Badge  string   // key in Frame.Badges; "" means Path
	Live   string   // where the badge is asked for again, on the topic Badge of the event stream; "" never
}

// Group is a heading of the menu with its items.
type Group struct {
	Title string
	Items []Item
}

// Groups sorts items by order and gathers them under their headings.
func Groups(items []Item) []Group {
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(a, b Item) int { return a.Order - b.Order })
	var groups []Group
	for _, it := range items {
		i := slices.IndexFunc(groups, func(g Group) bool { return g.Title == it.Group })
		if i < 0 {
			groups = append(groups, Group{Title: it.Group})
			i = len(groups) - 1
		}
		groups[i].Items = append(groups[i].Items, it)
	}
	return groups
}

// Render writes a component as the answer, compressed where the browser takes
// it. Nothing is sent when the component fails half-way.
func Render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	return render(w, r, status, c)
}

// IsFragment reports whether the request comes from htmx and wants a part of a
// page. Reloads, history restores and plain links want the whole page.
func IsFragment(r *http.Request) bool {
	h := r.Header
	return h.Get("HX-Request") == "true" && h.Get("HX-Request-Type") != "full" &&
		h.Get("HX-History-Restore-Request") == "" && h.Get("HX-Boosted") == ""
}

// Redirect sends the browser to a path of this site: 303 after a form, or the
// htmx header when a part of a page asked. A pending Flash travels along.
func Redirect(w http.ResponseWriter, r *http.Request, path string) error {
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.HasPrefix(path, "/\\") {
		path = "/"
	}
	carryFlash(w, r)
	if r.Header.Get("HX-Request") == "true" {
		w.Header().Set("HX-Redirect", path)
		w.WriteHeader(http.StatusOK)
		return nil
	}
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

// Changed tells the page that asked which topics have changed, so that its own
// parts with data-live are fresh at once, before the event stream says so.
func Changed(w http.ResponseWriter, topics ...string) {
	addTrigger(w, "changed", map[string]any{"topics": strings.Join(topics, " ")})
}

// CloseDrawer asks the browser to close the drawer after this answer.
func CloseDrawer(w http.ResponseWriter) { addTrigger(w, "drawer:close", map[string]any{}) }
