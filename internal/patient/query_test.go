package patient

import (
	"strings"
	"testing"
)

func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"张桂兰", "zgl 1965", "王 女", "002X", "13900001234", "11010519491231002X", "１３９", "张gl1965x", "", "\xff·'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parseQuery(text, "2026-03-02")
		if err != nil {
			return
		}
		if tooShort(q) {
			t.Fatalf("%q: too short a query passed: %+v", text, q)
		}
		if strings.ContainsAny(q.han+q.letters, " \t\n") {
			t.Fatalf("%q: spaces in %+v", text, q)
		}
	})
}
