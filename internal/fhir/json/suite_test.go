package json

import (
	stdjson "encoding/json"
	"os"
	"testing"
)

// TestPatchSuite runs the public test suite of JSON Patch. Cases that are
// disabled there are left out.
func TestPatchSuite(t *testing.T) {
	run := 0
	for _, file := range []string{"tests.json", "spec_tests.json"} {
		b, err := os.ReadFile("testdata/jsonpatch/" + file)
		if err != nil {
			t.Fatal(err)
		}
		var cases []struct { // one repeats a name, so that our own parser refuses the file
			Comment              string
			Doc, Patch, Expected stdjson.RawMessage
			Error                *string
			Disabled             bool
		}
		if err := stdjson.Unmarshal(b, &cases); err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			if c.Disabled || c.Patch == nil {
				continue
			}
			run++
			got, err := Patch(c.Doc, c.Patch)
			ok := (err != nil) == (c.Error != nil)
			if ok && err == nil && c.Expected != nil {
				ok = same(parse(t, string(got)).Root(), parse(t, string(c.Expected)).Root())
			}
			if !ok {
				t.Errorf("%q: %s on %s gave %s, %v", c.Comment, c.Patch, c.Doc, got, err)
			}
		}
	}
	if run < 91 {
		t.Errorf("only %d cases", run)
	}
}
