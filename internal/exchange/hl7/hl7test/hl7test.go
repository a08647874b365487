// Package hl7test gives tests the 576 sample messages that nobody of the
// project wrote.
package hl7test

import (
	"archive/zip"
	"bytes"
	_ "embed" // the messages
	"fmt"
	"io"
	"path"
	"strings"
	"testing"

	"yilian/internal/exchange/hl7"
)

//go:embed messages.zip
var samples []byte

// Sample is one message as its file holds it.
type Sample struct {
	Name string
	Raw  []byte
}

// Samples returns the 70 messages of FHIR-Converter and the 506 of Simulated
// Hospital.
func Samples(t testing.TB) []Sample {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(samples), int64(len(samples)))
	if err != nil {
		t.Fatal(err)
	}
	var out []Sample
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, ".hl7") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(path.Base(f.Name), ".hl7")
		if !strings.HasPrefix(f.Name, "simhospital") {
			out = append(out, Sample{name, raw})
			continue
		}
		list, _, err := hl7.Split(raw)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range list {
			out = append(out, Sample{fmt.Sprintf("simhospital %03d", i+1), m})
		}
	}
	if len(out) != 576 {
		t.Fatalf("%d samples, want 576", len(out))
	}
	return out
}
