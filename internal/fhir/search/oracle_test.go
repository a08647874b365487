package search

import (
	"bufio"
	"bytes"
	stdjson "encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yilian/internal/fhir/json"
	"yilian/internal/fhir/spec"
)

// explained are the differences between what we find and what HL7's fhirpath
// finds, with the reason why we are right.
var explained = map[string]string{
	"Observation-f205.json Observation-combo-value-quantity":        "fhirpath gives up on a Quantity with a comparator",
	"Observation-f205.json Observation-component-value-quantity":    "fhirpath gives up on a Quantity with a comparator",
	"Observation-decimal.json Observation-combo-value-quantity":     "to JavaScript 1E-245 and another number are the same",
	"Observation-decimal.json Observation-component-value-quantity": "to JavaScript 1E-245 and another number are the same",
}

// TestExtractionAgreesWithFHIRPath compares what every search parameter finds in
// every example with HL7's own fhirpath (npm fhirpath 5.1.1). Where the packages
// are at hand (make test) it runs over all 5,306 examples; otherwise over those
// that stand beside the packages, with what fhirpath found kept in
// testdata/oracle.jsonl.
func TestExtractionAgreesWithFHIRPath(t *testing.T) {
	dir, answers := "../testdata", io.Reader(nil)
	if packages := os.Getenv("TEST_FHIR_PACKAGES"); packages != "" {
		dir = filepath.Join(packages, "node_modules", "hl7.fhir.r4.examples")
		node := exec.CommandContext(t.Context(), "node", "testdata/oracle.mjs", packages, dir)
		node.Stderr = os.Stderr
		out, err := node.Output()
		if err != nil {
			t.Fatal(err)
		}
		answers = bytes.NewReader(out)
	} else {
		f, err := os.Open("testdata/oracle.jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		answers = f
	}
	theirs := readOracle(t, answers)
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	compared, seen := 0, map[string]bool{}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := json.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		for _, p := range Params(doc.Root().Get("resourceType").Text()) {
			key := filepath.Base(file) + " " + p.ID
			ours := found(t, p, doc.Root())
			compared++
			seen[key] = true
			if same := slices.Equal(ours, theirs[key]); same == (explained[key] != "") {
				t.Errorf("%s\n  ours   %.300s\n  theirs %.300s", key, ours, theirs[key])
			}
		}
		doc.Release()
	}
	for key := range theirs {
		if !seen[key] {
			t.Errorf("only fhirpath knows %s", key)
		}
	}
	t.Logf("%d comparisons over %d examples", compared, len(files))
}

// readOracle reads what fhirpath found, as sets of canonical JSON.
func readOracle(t *testing.T, r io.Reader) map[string][]string {
	all := map[string][]string{}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var line [3]stdjson.RawMessage
		var file, param string
		var found []stdjson.RawMessage
		if err := stdjson.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		_ = stdjson.Unmarshal(line[0], &file)
		_ = stdjson.Unmarshal(line[1], &param)
		if err := stdjson.Unmarshal(line[2], &found); err != nil && explained[file+" "+param] == "" {
			t.Errorf("%s %s: %s", file, param, line[2]) // fhirpath's own error
		}
		set := map[string]bool{}
		for _, f := range found {
			set[canonical(t, f)] = true
		}
		all[file+" "+param] = slices.Sorted(maps.Keys(set))
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// found is what a parameter's programs lead to, as a set of canonical JSON.
func found(t *testing.T, p *Param, resource json.Node) []string {
	e := extractor{root: resource, param: p}
	set := map[string]bool{}
	raw := func(h hit) string {
		if h.flag != "" {
			return h.flag
		}
		return string(h.node.Raw())
	}
	for _, r := range p.roots {
		hits := e.eval(r.program, resource, spec.Property{}, nil)
		if len(hits) == 0 && len(r.program) > 0 && r.program[len(r.program)-1].kind == notFalse {
			hits = append(hits, hit{flag: "false"})
		}
		for _, h := range hits {
			if p.Type != spec.CompositeParam {
				set[canonical(t, []byte(raw(h)))] = true
				continue
			}
			var tuple []string
			for _, ways := range r.parts {
				var part []string
				for _, way := range ways {
					for _, x := range e.eval(way, h.node, spec.Property{}, nil) {
						part = append(part, raw(x))
					}
				}
				tuple = append(tuple, "["+strings.Join(part, ",")+"]")
			}
			set[canonical(t, []byte("["+strings.Join(tuple, ",")+"]"))] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// canonical writes JSON with sorted names and numbers as JavaScript has them.
func canonical(t *testing.T, b []byte) string {
	var v any
	if err := stdjson.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	out, err := stdjson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
