package json

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"yilian/internal/errs"
)

func parse(t testing.TB, s string) *Doc {
	t.Helper()
	d, err := Parse([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return d
}

// everyExample calls fn with each official example: all 5,306 in make test, the
// few beside the packages otherwise.
func everyExample(t *testing.T, fn func(file string, b []byte)) {
	t.Helper()
	packages := os.Getenv("TEST_FHIR_PACKAGES")
	if packages == "" {
		for file, b := range examples(t) {
			fn(file, b)
		}
		return
	}
	files, err := filepath.Glob(filepath.Join(packages, "node_modules", "hl7.fhir.r4.examples", "*.json"))
	if err != nil || len(files) < 5000 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		fn(filepath.Base(file), b)
	}
}

// TestExamplesComeOutAsTheyWentIn writes each example anew from the tape and
// compares it, byte for byte, with what jsontext makes of it when it leaves out
// the spaces: nothing is lost, and numbers keep their literal.
func TestExamplesComeOutAsTheyWentIn(t *testing.T) {
	everyExample(t, func(file string, b []byte) {
		d, err := Parse(b)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			return
		}
		defer d.Release()
		if !bytes.Equal(d.Root().Raw(), bytes.TrimSpace(b)) {
			t.Errorf("%s: the bytes differ", file)
		}
		want := jsontext.Value(bytes.Clone(b))
		if err := want.Compact(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if got := rebuild(nil, d.Root()); !bytes.Equal(got, want) {
			t.Errorf("%s: written anew it differs", file)
		}
	})
}

func rebuild(dst []byte, n Node) []byte {
	first := true
	comma := func() {
		if !first {
			dst = append(dst, ',')
		}
		first = false
	}
	switch n.Kind() {
	case Object:
		dst = append(dst, '{')
		for name, v := range n.Fields() {
			comma()
			dst = rebuild(append(AppendQuoted(dst, name), ':'), v)
		}
		return append(dst, '}')
	case Array:
		dst = append(dst, '[')
		for v := range n.Items() {
			comma()
			dst = rebuild(dst, v)
		}
		return append(dst, ']')
	}
	return append(dst, n.Raw()...)
}

// examples are the files that stand beside the packages.
func examples(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../testdata/*.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	all := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(f)] = b
	}
	return all
}

func TestParseSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, c := range []struct {
		in     string
		code   Code
		offset int
		path   string
	}{
		{"", UnexpectedEnd, 0, ""},
		{"  ", UnexpectedEnd, 2, ""},
		{"\xef\xbb\xbf{}", ByteOrderMark, 0, ""},
		{"{} {}", TrailingData, 3, ""},
		{"{", UnexpectedEnd, 1, ""},
		{`{"a"}`, ColonExpected, 4, ""},
		{`{"a":1,}`, NameExpected, 7, ""},
		{`{a:1}`, NameExpected, 1, ""},
		{`{"a":1 "b":2}`, CommaExpected, 7, ""},
		{`[1,]`, ValueExpected, 3, "[1]"},
		{`[1 2]`, CommaExpected, 3, ""},
		{`[1`, UnexpectedEnd, 2, ""},
		{`nul`, ValueExpected, 0, ""},
		{`{"a":True}`, ValueExpected, 5, "a"},
		{`01`, BadNumber, 0, ""},
		{`-`, BadNumber, 0, ""},
		{`+1`, ValueExpected, 0, ""},
		{`.5`, ValueExpected, 0, ""},
		{`1.`, BadNumber, 0, ""},
		{`1e`, BadNumber, 0, ""},
		{`1e+`, BadNumber, 0, ""},
		{`-01`, BadNumber, 0, ""},
		{`NaN`, ValueExpected, 0, ""},
		{`"a`, UnexpectedEnd, 2, ""},
		{`"a\`, BadEscape, 2, ""},
		{`"a\x"`, BadEscape, 2, ""},
		{`"\u12g4"`, BadEscape, 1, ""},
		{`"\ud800"`, BadEscape, 1, ""},
		{`"\udc00"`, BadEscape, 1, ""},
		{`"\udc00\udc00"`, BadEscape, 1, ""},
		{`"\ud800\u0041"`, BadEscape, 1, ""},
		{"\"a\tb\"", ControlCharacter, 2, ""},
		{"\"ab\xff\"", BadUTF8, 3, ""},
		{"\"\xed\xa0\x80\"", BadUTF8, 1, ""},
		{"\"\xc0\xaf\"", BadUTF8, 1, ""},
		{`{"a":1,"b":2,"a":3}`, DuplicateName, 13, ""},
		{`{"a":1,"\u0061":3}`, DuplicateName, 7, ""},
		{`{"resourceType":"Patient","name":[{"given":["a"]},{"given":["b",01]}]}`, BadNumber, 64, "Patient.name[1].given[1]"},
		{`{"resourceType":"Patient","name":[{"use":"a","use":"b"}]}`, DuplicateName, 45, "Patient.name[0]"},
		{`{"` + strings.Repeat("王", 40) + `":x}`, ValueExpected, 124, strings.Repeat("王", 21) + "…"},
		{strings.Repeat("[", MaxDepth+1), TooDeep, MaxDepth, strings.Repeat("[0]", MaxDepth)},
		{strings.Repeat(`{"a":`, MaxDepth+1), TooDeep, 5 * MaxDepth, strings.Repeat(".a", MaxDepth)[1:]},
	} {
		d, err := Parse([]byte(c.in))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%.60q: accepted, %v", c.in, d)
			continue
		}
		if e.Code != c.code || e.Offset != c.offset || e.Path != c.path {
			t.Errorf("%.60q: code %d at %d in %q, want %d at %d in %q", c.in, e.Code, e.Offset, e.Path, c.code, c.offset, c.path)
		}
		if !errs.Is(err, errs.Invalid) || sentences[e.Code] == "" {
			t.Errorf("%.60q: %v", c.in, err)
		}
	}
}

func TestErrorIsASentence(t *testing.T) {
	_, err := Parse([]byte("{\n  \"resourceType\": \"Patient\",\n  \"name\": \"王小明\", \"name\": 1}"))
	want := "JSON 内容有误，第 3 行第 18 列（Patient）：同一个对象中名称重复：name"
	if err == nil || err.Error() != want {
		t.Fatalf("%v\nwant %s", err, want)
	}
}

func TestDuplicateNamesInLargeObjects(t *testing.T) {
	var b strings.Builder
	b.WriteString("{")
	for i := range 5000 {
		b.WriteString(`"k` + strings.Repeat("x", i%7) + string(rune('一'+i)) + `":[{"k":1}],`)
	}
	if _, err := Parse([]byte(b.String() + `"last":1}`)); err != nil {
		t.Fatal(err)
	}
	_, err := Parse([]byte(b.String() + `"k\u4e00":1}`))
	var e *Error
	if !errors.As(err, &e) || e.Code != DuplicateName || e.Name != "k一" {
		t.Fatal(err)
	}
}

func TestTooManyValues(t *testing.T) {
	_, err := Parse([]byte("[" + strings.Repeat("0,", MaxNodes) + "0]"))
	var e *Error
	if !errors.As(err, &e) || e.Code != TooLarge {
		t.Fatal(err)
	}
}

func TestNodes(t *testing.T) {
	d := parse(t, `{"resourceType":"Patient","active":true,"name":[{"family":"\u738b","given":["\u5c0f","a\\\"\/\b\f\n\r\tb","\ud83d\ude00"]},null],"n":-1.50E+2,"e\u0031":{}}`)
	root := d.Root()
	name := root.Get("name")
	given := name.At(0).Get("given")
	for i, c := range []struct{ got, want any }{
		{root.Kind(), Object}, {root.Len(), 5}, {root.Get("active").Bool(), true},
		{name.Len(), 2}, {name.At(1).Kind(), Null}, {name.At(2).Exists(), false}, {name.At(-1).Exists(), false},
		{name.At(0).Get("family").Text(), "王"}, {given.At(1).Text(), "a\\\"/\b\f\n\r\tb"}, {given.At(2).Text(), "😀"},
		{root.Get("n").Number(), "-1.50E+2"}, {root.Get("n").Text(), ""}, {root.Get("n").Scalar(), "-1.50E+2"},
		{root.Get("e1").Kind(), Object}, {root.Get("e1").Name(), "e1"}, {root.Get("e1").Path(), "Patient.e1"},
		{given.At(2).Path(), "Patient.name[0].given[2]"}, {root.Path(), "Patient"}, {name.At(1).Path(), "Patient.name[1]"},
		{string(given.At(0).Raw()), `"\u5c0f"`}, {root.Get("no").Get("no").At(3).Text(), ""}, {Node{}.Path(), ""},
		{Node{}.Kind(), Missing}, {Node{}.Len(), 0}, {d.At(name.Index()) == name, true}, {name.End(), name.At(1).Index() + 1},
	} {
		if c.got != c.want {
			t.Errorf("%d: %v, want %v", i, c.got, c.want)
		}
	}
	var names []string
	for k := range root.Fields() {
		names = append(names, k)
	}
	if s := strings.Join(names, " "); s != "resourceType active name n e1" {
		t.Error(s)
	}
	count := 0
	for range given.Items() {
		count++
	}
	if count != 3 {
		t.Error(count)
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	b := examples(t)["Patient-f001.json"]
	read := func() {
		d, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for name, v := range d.Root().Fields() {
			n += len(name) + len(v.Text())
			for item := range v.Items() {
				n += len(item.Get("family").Text())
			}
		}
		d.Release()
	}
	read()
	if n := testing.AllocsPerRun(100, read); n > 0.5 { // the pool may be emptied in between
		t.Fatalf("%v allocations", n)
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		equal bool
		same  bool
	}{
		{`{"a":1,"b":[true,null]}`, `{ "b":[true,null], "a":1 }`, true, true},
		{`"\u738b"`, `"王"`, true, true},
		{`{"\u0061":1}`, `{"a":1}`, true, true},
		{`1.0`, `1.00`, false, true},
		{`1e2`, `100`, false, true},
		{`-0.0`, `0`, false, true},
		{`0.010e1`, `1e-1`, false, true},
		{`1e999999999999`, `10e999999999998`, false, true},
		{`1`, `-1`, false, false},
		{`10`, `1`, false, false},
		{`[1,2]`, `[2,1]`, false, false},
		{`[1]`, `[1,1]`, false, false},
		{`{"a":null}`, `{}`, false, false},
		{`{"a":1}`, `{"b":1}`, false, false},
		{`"1"`, `1`, false, false},
		{`{"a":1,"b":2,"c":3}`, `{"c":3,"a":1,"b":2}`, true, true},
	} {
		a, b := parse(t, c.a).Root(), parse(t, c.b).Root()
		if Equal(a, b) != c.equal || Equal(b, a) != c.equal || same(a, b) != c.same || same(b, a) != c.same {
			t.Errorf("%s and %s: %v %v", c.a, c.b, Equal(a, b), same(a, b))
		}
	}
}

func TestQuoteIsReadBack(t *testing.T) {
	for _, s := range []string{"", "王小明", "a\"b\\c/d\b\f\n\r\t\x00\x1f\x7f😀", "\u2028"} {
		if got := parse(t, string(Quote(s))).Root().Text(); got != s {
			t.Errorf("%q came back as %q", s, got)
		}
	}
	if got := parse(t, string(Quote("a\xff"))).Root().Text(); got != "a\ufffd" {
		t.Error(got)
	}
}
