package json

import (
	"strings"
	"testing"
)

var stamp = Stamp{ID: "7", VersionID: "2", LastUpdated: "2026-11-27T00:00:00Z"}

func TestSpliceSetsThreeThingsAndNothingElse(t *testing.T) {
	const m = `{"versionId":"2","lastUpdated":"2026-11-27T00:00:00Z"}`
	for _, c := range []struct{ in, want string }{
		{`{}`, `{"id":"7","meta":` + m + `}`},
		{`{"resourceType":"Patient"}`, `{"resourceType":"Patient","id":"7","meta":` + m + `}`},
		{`{"a": 1.00, "resourceType":"Patient"}`, `{"a": 1.00, "resourceType":"Patient","id":"7","meta":` + m + `}`},
		{`{"a": 1.00 }`, `{"id":"7","meta":` + m + `,"a": 1.00 }`},
		{`{"resourceType":"P","id":"x","z":[ 1 ]}`, `{"resourceType":"P","id":"7","meta":` + m + `,"z":[ 1 ]}`},
		{`{"meta":{"versionId":"9","source":"#a","lastUpdated":"0"},"id":"x"}`,
			`{"meta":{"versionId":"2","source":"#a","lastUpdated":"2026-11-27T00:00:00Z"},"id":"7"}`},
		{`{"id":"x","meta":{}}`, `{"id":"7","meta":{"versionId":"2","lastUpdated":"2026-11-27T00:00:00Z"}}`},
		{`{"id":"x","meta":{ "source":"s"}}`, `{"id":"7","meta":{ "versionId":"2", "lastUpdated":"2026-11-27T00:00:00Z", "source":"s"}}`},
		{"{\n  \"resourceType\": \"P\",\n  \"n\": 1e0\n}\n", "{\n  \"resourceType\": \"P\",\n  \"id\":\"7\",\n  \"meta\":" + m + ",\n  \"n\": 1e0\n}"},
		{`{"\u0069d":"x","\u006deta":{}}`, `{"\u0069d":"7","\u006deta":{"versionId":"2","lastUpdated":"2026-11-27T00:00:00Z"}}`},
	} {
		got, err := Splice(parse(t, c.in).Root(), stamp)
		if err != nil || string(got) != c.want {
			t.Errorf("%s\n got %s %v\nwant %s", c.in, got, err, c.want)
		}
		parse(t, string(got))
	}
	for _, in := range []string{`[]`, `"x"`, `{"meta":[]}`, `{"meta":null}`} {
		if got, err := Splice(parse(t, in).Root(), stamp); err == nil {
			t.Errorf("%s gave %s", in, got)
		}
	}
}

func TestSpliceOfAPartOfABundle(t *testing.T) {
	d := parse(t, `{"entry":[{"resource": {"resourceType":"P","x":1.10} }]}`)
	got, err := Splice(d.Root().Get("entry").At(0).Get("resource"), stamp)
	want := `{"resourceType":"P","id":"7","meta":{"versionId":"2","lastUpdated":"2026-11-27T00:00:00Z"},"x":1.10}`
	if err != nil || string(got) != want {
		t.Fatalf("%s %v", got, err)
	}
}

// What goes in comes out, but for what the store sets.
func TestSpliceKeepsExamples(t *testing.T) {
	everyExample(t, func(file string, b []byte) {
		if file == "package.json" {
			return
		}
		got, err := Splice(parse(t, string(b)).Root(), stamp)
		if err != nil {
			t.Fatal(err)
		}
		out := parse(t, string(got)).Root()
		if out.Get("id").Text() != "7" || out.Get("meta").Get("versionId").Text() != "2" {
			t.Errorf("%s: %s", file, got[:200])
		}
		for name, v := range parse(t, string(b)).Root().Fields() {
			if name != "id" && name != "meta" && string(out.Get(name).Raw()) != string(v.Raw()) {
				t.Errorf("%s: %s changed", file, name)
			}
		}
	})
}

func TestPatch(t *testing.T) {
	long := "[" + strings.Repeat(`{"op":"test","path":"","value":{}},`, maxOperations) + `{"op":"test","path":"","value":{}}]`
	for _, c := range []struct{ name, doc, patch, want string }{
		// RFC 6902, appendix A, where it has an example
		{"A.1", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"foo":"bar","baz":"qux"}`},
		{"A.2", `{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
		{"A.3", `{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		{"A.4", `{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
		{"A.5", `{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`},
		{"A.6", `{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`,
			`{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		{"A.7", `{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
		{"A.8", `{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
		{"A.9", `{"baz":"qux"}`, `[{"op":"test","path":"/baz","value":"bar"}]`, ``},
		{"A.10", `{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"foo":"bar","child":{"grandchild":{}}}`},
		{"A.11", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","xyz":123}]`, `{"foo":"bar","baz":"qux"}`},
		{"A.12", `{"foo":"bar"}`, `[{"op":"add","path":"/baz/bat","value":"qux"}]`, ``},
		{"A.13", `{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","op":"remove"}]`, ``},
		{"A.14", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10}]`, `{"/":9,"~1":10}`},
		{"A.15", `{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":"10"}]`, ``},
		{"A.16", `{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `{"foo":["bar",["abc","def"]]}`},
		{"add replaces", `{"a":1.0,"b":2.00}`, `[{"op":"add","path":"/a","value":3.000}]`, `{"a":3.000,"b":2.00}`},
		{"add to empty", `{"a":{},"b":[]}`, `[{"op":"add","path":"/a/x","value":1},{"op":"add","path":"/b/0","value":1}]`, `{"a":{"x":1},"b":[1]}`},
		{"add first", `{"b":[ 2 ]}`, `[{"op":"add","path":"/b/0","value":1}]`, `{"b":[ 1,2 ]}`},
		{"add beyond end", `[1]`, `[{"op":"add","path":"/2","value":1}]`, ``},
		{"index with zero", `[1,2]`, `[{"op":"remove","path":"/01"}]`, ``},
		{"index signed", `[1,2]`, `[{"op":"remove","path":"/+1"}]`, ``},
		{"index of nothing", `[1,2]`, `[{"op":"remove","path":"/-"}]`, ``},
		{"whole document", `{"a":1}`, `[{"op":"replace","path":"","value":{"b":2}}]`, `{"b":2}`},
		{"whole added", `{"a":1}`, `[{"op":"add","path":"","value":{"b":2}}]`, `{"b":2}`},
		{"whole removed", `{"a":1}`, `[{"op":"remove","path":""}]`, ``},
		{"remove last", `{"a":1 , "b":2}`, `[{"op":"remove","path":"/b"}]`, `{"a":1 }`},
		{"remove only", `{ "a":1 }`, `[{"op":"remove","path":"/a"}]`, `{  }`},
		{"remove comma in text", `{"x":",","a":1}`, `[{"op":"remove","path":"/a"}]`, `{"x":","}`},
		{"remove missing", `{"a":1}`, `[{"op":"remove","path":"/b"}]`, ``},
		{"replace missing", `{"a":1}`, `[{"op":"replace","path":"/b","value":1}]`, ``},
		{"replace with null", `{"a":1}`, `[{"op":"replace","path":"/a","value":null}]`, `{"a":null}`},
		{"copy", `{"a":1.10}`, `[{"op":"copy","from":"/a","path":"/b"}]`, `{"a":1.10,"b":1.10}`},
		{"copy into itself", `{"a":{}}`, `[{"op":"copy","from":"/a","path":"/a/b"}]`, `{"a":{"b":{}}}`},
		{"move into itself", `{"a":{}}`, `[{"op":"move","from":"/a","path":"/a/b"}]`, ``},
		{"move nowhere", `{"a":{"b":1}}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":{"b":1}}`},
		{"move what is not there", `{"a":1}`, `[{"op":"move","from":"/c","path":"/c"}]`, ``},
		{"move to a place that ends to be", `{"a":[1,2]}`, `[{"op":"move","from":"/a/0","path":"/a/2"}]`, ``},
		{"numbers by value", `{"a":1.50}`, `[{"op":"test","path":"/a","value":1.5}]`, `{"a":1.50}`},
		{"all or nothing", `{"a":1}`, `[{"op":"add","path":"/b","value":1},{"op":"test","path":"/a","value":2}]`, ``},
		{"escaped name", `{"\u0061":1}`, `[{"op":"replace","path":"/a","value":2}]`, `{"\u0061":2}`},
		{"no array", `{}`, `{"op":"add"}`, ``},
		{"no op", `{}`, `[{"path":"/a","value":1}]`, ``},
		{"no path", `{}`, `[{"op":"add","value":1}]`, ``},
		{"no value", `{"a":1}`, `[{"op":"add","path":"/a"}]`, ``},
		{"no from", `{"a":1}`, `[{"op":"copy","path":"/a"}]`, ``},
		{"no slash", `{"a":1}`, `[{"op":"remove","path":"a"}]`, ``},
		{"bad tilde", `{"a":1}`, `[{"op":"remove","path":"/a~2"}]`, ``},
		{"not an object", `{}`, `[1]`, ``},
		{"below a text", `{"a":"b"}`, `[{"op":"add","path":"/a/b","value":1}]`, ``},
		{"too many", `{}`, long, ``},
	} {
		got, err := Patch([]byte(c.doc), []byte(c.patch))
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %s %v, want %s", c.name, got, err, c.want)
		}
	}
}

func TestPatchErrorNamesTheOperation(t *testing.T) {
	_, err := Patch([]byte(`{"a":1}`), []byte(`[{"op":"add","path":"/b","value":1},{"op":"test","path":"/a","value":2}]`))
	want := "JSON Patch 第 2 个操作（test /a）不能执行：当前的值与 test 给出的值不相同"
	if err == nil || err.Error() != want {
		t.Fatal(err)
	}
}

func TestApplyKeepsOrderOfInsertions(t *testing.T) {
	got := Apply(nil, []byte("abc"), Edit{2, 3, []byte("C")}, Edit{1, 1, []byte("1")}, Edit{1, 1, []byte("2")}, Edit{0, 1, nil})
	if string(got) != "12bC" {
		t.Fatalf("%s", got)
	}
}
