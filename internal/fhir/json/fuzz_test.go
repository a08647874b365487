package json

import (
	"bytes"
	"errors"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzParse holds the parser to the verdict of jsontext, which is what the Go
// team will ship, but for our limits.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-0.50e+10,true,null,"\ud83d\ude00"]}`, `{"a":1,"\u0061":2}`, `[[[]]]`, `"\ud800"`, "\"\xff\"",
		"\xef\xbb\xbf{}", `01`, `1.`, `{"a":1,}`, "\"\u0000\"", ` [ ] `, `{"":{"":{}}}`, `12345678901234567890`,
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"l":12,"m":13,"a":14}`,
	} {
		f.Add([]byte(s))
	}
	for _, b := range examples(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Parse(b)
		var e *Error
		if errors.As(err, &e) {
			_ = e.Error()
			if e.Code == TooDeep || e.Code == TooLarge {
				return
			}
		}
		if valid := jsontext.Value(b).IsValid(); valid != (err == nil) {
			t.Fatalf("jsontext says %v, we say %v", valid, err)
		}
		if err != nil {
			return
		}
		checkTape(t, d)
		canonical := jsontext.Value(bytes.Clone(b))
		if canonical.Compact() == nil {
			c, err := Parse(canonical)
			if err != nil || !Equal(d.Root(), c.Root()) {
				t.Fatalf("compacted document differs: %v", err)
			}
		}
		if out, err := Splice(d.Root(), stamp); err == nil {
			parse(t, string(out))
		}
	})
}

// checkTape walks everything once; a wrong offset panics or differs.
func checkTape(t *testing.T, d *Doc) {
	for i := range d.nodes {
		n := d.At(i)
		_, _, _ = n.Name(), n.Scalar(), n.Raw()
		if len(d.nodes) < 200 {
			_ = n.Path()
		}
		if n.Kind() == String {
			again := parse(t, string(Quote(n.Text())))
			if again.Root().Text() != n.Text() {
				t.Fatalf("%q", n.Text())
			}
		}
		count := 0
		for range n.Items() {
			count++
		}
		for range n.Fields() {
			count++
		}
		if count != n.Len() {
			t.Fatalf("node %d has %d children, says %d", i, count, n.Len())
		}
	}
}

// FuzzPatch: no patch panics, and what comes out is a document.
func FuzzPatch(f *testing.F) {
	doc := `{"a":[1,{"b":2.0}],"c":"d"}`
	for _, s := range []string{
		`[{"op":"add","path":"/a/-","value":{"x":1.10}}]`, `[{"op":"remove","path":"/a/0"},{"op":"remove","path":"/c"}]`,
		`[{"op":"move","from":"/a/1","path":"/e"}]`, `[{"op":"copy","from":"","path":"/a/0"}]`,
		`[{"op":"test","path":"/a/1/b","value":2}]`, `[{"op":"replace","path":"","value":[]},{"op":"add","path":"/0","value":1}]`,
	} {
		f.Add([]byte(doc), []byte(s))
	}
	f.Fuzz(func(t *testing.T, doc, patch []byte) {
		before := bytes.Clone(doc)
		out, err := Patch(doc, patch)
		if !bytes.Equal(before, doc) {
			t.Fatal("the document itself was changed")
		}
		if err == nil {
			if _, err := Parse(out); err != nil {
				t.Fatalf("%s: %v", out, err)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	var all [][]byte
	size := 0
	for _, e := range examples(b) {
		v := jsontext.Value(bytes.Clone(e))
		if err := v.Compact(); err != nil {
			b.Fatal(err)
		}
		all = append(all, v)
		size += len(v)
	}
	b.SetBytes(int64(size / len(all)))
	b.ReportAllocs()
	for i := range b.N {
		d, err := Parse(all[i%len(all)])
		if err != nil {
			b.Fatal(err)
		}
		d.Release()
	}
}
