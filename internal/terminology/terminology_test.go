package terminology_test

import (
	"strings"
	"testing"

	"yilian/internal/errs"
	"yilian/internal/terminology"
)

func TestEditionIsWhole(t *testing.T) {
	if n := terminology.Len(); n != 33304 {
		t.Fatalf("%d entries, want 33304", n)
	}
}

func TestGetAndCheck(t *testing.T) {
	for code, name := range map[string]string{
		"I10.x00": "特发性（原发性）高血压", "i10.X00": "特发性（原发性）高血压", " I21.900 ": "急性心肌梗死",
	} {
		c, ok := terminology.Get(code)
		if !ok || c.Name != name {
			t.Errorf("%q: %+v %v, want %s", code, c, ok, name)
		}
		if err := terminology.Check(code); err != nil {
			t.Errorf("%q: %v", code, err)
		}
	}
	for _, code := range []string{"X99.999", "", "I10", "高血压"} {
		err := terminology.Check(code)
		if !errs.Is(err, errs.Invalid) {
			t.Errorf("%q: %v", code, err)
		}
	}
	if err := terminology.Check("X99.999"); !strings.Contains(err.Error(), "ICD-10 医保版里没有编码 X99.999") {
		t.Error(err)
	}
}

func TestSearch(t *testing.T) {
	for _, c := range []struct{ text, first string }{
		{"高血压", "高血压"},
		{"gxy", "高血压"},
		{"I10", "I10"},
		{"i21.9", "I21.9"},
		{"急性心肌梗死", "急性心肌梗死"},
		{"jxxjgs", "急性心肌梗死"},
		{"2型糖尿病", "2型糖尿病"},
		{"2xtnb", "2型糖尿病"},
		{"肺炎", "肺炎"},
	} {
		found := terminology.Search(c.text, 10)
		if len(found) == 0 || !(strings.HasPrefix(found[0].Name, c.first) || strings.HasPrefix(found[0].Code, c.first)) {
			t.Errorf("%s: %v, want first %s", c.text, found, c.first)
		}
	}
	for _, text := range []string{"", " ", "没有这种病", "zzzzzzzzzz"} {
		if found := terminology.Search(text, 10); len(found) != 0 {
			t.Errorf("%q: %v", text, found)
		}
	}
	if n := len(terminology.Search("癌", 7)); n != 7 {
		t.Errorf("limit 7 gave %d", n)
	}
	if n := len(terminology.Search("癌", 0)); n != 0 {
		t.Errorf("limit 0 gave %d", n)
	}
}

// Every code must be found by itself, in either case.
func TestEveryCodeIsFound(t *testing.T) {
	for _, letter := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		for _, c := range terminology.Search(string(letter), 40000) {
			if !strings.HasPrefix(c.Code, string(letter)) {
				continue
			}
			for _, code := range []string{c.Code, strings.ToLower(c.Code), strings.ToUpper(c.Code)} {
				if got, ok := terminology.Get(code); !ok || got != c {
					t.Fatalf("%s: %v %v", code, got, ok)
				}
			}
		}
	}
}

func TestHasPrefix(t *testing.T) {
	for prefix, want := range map[string]bool{"I": true, "I10": true, "i10.X": true, "X99.9": false, "": false, "高": false, "Z99.9999": false} {
		if got := terminology.HasPrefix(prefix); got != want {
			t.Errorf("%q: %v", prefix, got)
		}
	}
}

func FuzzSearch(f *testing.F) {
	for _, text := range []string{"高血压", "gxy", "I10", "x", "\xff", "%", "（"} {
		f.Add(text, 5)
	}
	f.Fuzz(func(t *testing.T, text string, limit int) {
		found := terminology.Search(text, limit)
		if len(found) > max(limit, 0) {
			t.Errorf("%q: %d answers, limit %d", text, len(found), limit)
		}
		for _, c := range found {
			if _, ok := terminology.Get(c.Code); !ok {
				t.Errorf("%q: answer %v is not in the edition", text, c)
			}
		}
	})
}

func BenchmarkSearch(b *testing.B) {
	terminology.Search("高", 1)
	for b.Loop() {
		terminology.Search("gxy", 20)
	}
}
