package web

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// current reports whether the menu item at path is where the request is: the
// longest path of the menu that leads to it.
func current(f Frame, path, at string) bool {
	best := ""
	for _, g := range f.Menu {
		for _, it := range g.Items {
			if under(at, it.Path) && len(it.Path) > len(best) {
				best = it.Path
			}
		}
	}
	return best != "" && best == path
}

func under(at, path string) bool {
	path, _, _ = strings.Cut(path, "?")
	return at == path || path != "/" && strings.HasPrefix(at, path+"/")
}

func toneIcon(t Tone) string {
	switch t {
	case Good:
		return "circle-check"
	case Warn:
		return "alert-triangle"
	case Bad:
		return "alert-circle"
	}
	return "info-circle"
}

func faultIcon(status int) string {
	switch status {
	case http.StatusNotFound:
		return "search"
	case http.StatusForbidden:
		return "lock"
	case http.StatusConflict:
		return "refresh"
	case http.StatusUnprocessableEntity:
		return "edit"
	}
	return "alert-triangle"
}

func toneButton(t Tone) string {
	switch t {
	case Bad:
		return "btn-outline-danger"
	case Info, Good:
		return "btn-primary"
	}
	return ""
}

func toneSubmit(t Tone) string {
	if t == Bad {
		return "btn-danger"
	}
	return "btn-primary"
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
