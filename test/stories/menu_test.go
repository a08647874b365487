package stories_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// logins are the demonstration's sign-ins, one for each role.
var logins = []string{"cunyi", "yisheng", "yuanzhang", "zhuanzhen", "guahao", "keshi", "zhuren", "chuangwei", "yiwu", "yibaoban", "jizhen",
	"zhiban", "yilianti", "mishu", "weijianju", "shiwei", "shengwei", "yibaoju", "jumin", "xitong", "anquan", "shenji", "yinsi"}

var (
	latin = regexp.MustCompile(`[A-Za-z]{4,}`)
	// What stands on a screen in Latin letters by right: fingerprints, the words
	// of file formats, units, browsers that somebody signed in with, the demo's client,
	// sign-ins that other stories make.
	fingerprint  = regexp.MustCompile(`[0-9a-f]{8,}`)
	latinAllowed = []string{"mmHg", "mmol", "Chrome", "Linux", "demo", "system", "dssy", "huyan", "Excel", "JSON", "work"}
	// Names of scopes and of files, on the pages of those who type them.
	latinAllowedOn = map[string][]string{
		"/clients":         {"cruds", "Patient", "Observation", "JWKS"},
		"/policy/packages": {"base", "jiangsu", "lingling", "sanmenxia", "state", "council", "zhengzhou", "profile", "toml", "facts"},
	}
)

// Every page that the menu offers to any of the 23 roles opens, in Chinese,
// without a script error, and fits the screen of an old PC.
func TestMenusOfAllRoles(t *testing.T) {
	c, seen := stage(t), map[string]bool{}
	for _, login := range logins {
		t.Run(login, func(t *testing.T) {
			p := cast{t, c.w, c.browser}.comes(login)
			pages := value[[]string](p, "[...new Set([...document.querySelectorAll('.sidebar a[href], #user-menu a[href]')].map(a => a.getAttribute('href')))]")
			if len(pages) < 3 {
				t.Fatalf("the menu offers %v", pages)
			}
			for _, path := range append(pages, "/notices") {
				p.look(path, !seen[path])
				seen[path] = true
			}
		})
	}
}

// look opens a page and reads it over; who sees it first keeps a picture.
func (p *person) look(path string, picture bool) {
	p.t.Helper()
	p.visit(path)
	if status := value[int](p, "performance.getEntriesByType('navigation')[0].responseStatus"); status != 200 {
		p.t.Errorf("%s answers %d", path, status)
	}
	if p.where() == "/login" || value[string](p, "document.documentElement.lang") != "zh-CN" {
		p.t.Errorf("%s is no page for %s", path, p.login)
	}
	for _, word := range latin.FindAllString(fingerprint.ReplaceAllString(p.words(), ""), -1) {
		if !slices.Contains(latinAllowed, word) && !slices.Contains(latinAllowedOn[path], word) && !slices.Contains(logins, word) {
			p.t.Errorf("%s shows %q", path, word)
		}
	}
	if picture {
		p.shot("11-" + p.login + strings.ReplaceAll(path, "/", "-"))
	} else {
		p.fits(path)
	}
}

// words is what can be read on the page, hints in empty fields included.
func (p *person) words() string {
	p.t.Helper()
	return value[string](p, "document.body.innerText + ' ' + [...document.querySelectorAll('[placeholder]')].map(e => e.placeholder).join(' ')")
}
