package fhirapi

import (
	"slices"
	"testing"

	tape "yilian/internal/fhir/json"
)

// parsed are the references of a body as the parser sees them.
func parsed(body []byte) (out []string) {
	doc, err := tape.Parse(body)
	if err != nil {
		return nil
	}
	defer doc.Release()
	for i := 1; i < doc.Root().End(); i++ {
		if n := doc.At(i); n.Kind() == tape.String && n.Name() == "reference" {
			out = append(out, string([]byte(n.Text())))
		}
	}
	return out
}

func read(body []byte) (out []string) {
	for ref := range references(body) {
		out = append(out, string(ref))
	}
	return out
}

var referring = []string{
	`{"subject":{"reference":"Patient/1"},"performer":[{ "reference" : "Organization/2" , "display":"x"},{"reference":"#p"}]}`,
	`{"a":"\"reference\":\"Patient/9\"","b":"reference","c":["reference","reference"],"reference":{"reference":"Patient\/3"}}`,
	`{"a \"reference":"Patient/4","reference":"\u0050atient/5","b\\":{"reference":"Patient/6"}}`,
	`{"text":"\\","reference":null,"x":{"reference":7},"y":{"reference":""}}`,
	`{"reference`, `{"reference"`, `{"reference":`, `{"reference":"`, ``,
}

func TestReferencesAreThoseOfTheParser(t *testing.T) {
	some := 0
	for _, body := range referring {
		want := parsed([]byte(body))
		some += len(want)
		if _, err := tape.Parse([]byte(body)); err != nil {
			read([]byte(body)) // no panic
			continue
		}
		if got := read([]byte(body)); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	if some < 7 {
		t.Errorf("%d references", some)
	}
}

func FuzzReferences(f *testing.F) {
	for _, body := range referring {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		doc, err := tape.Parse(body)
		got := read(body)
		if err != nil {
			return
		}
		doc.Release()
		if want := parsed(body); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
