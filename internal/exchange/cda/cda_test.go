package cda_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"yilian/internal/exchange/cda"
)

var update = flag.Bool("update", false, "write the golden file anew")

type sample struct {
	name string
	raw  []byte
}

func samples(t testing.TB) []sample {
	t.Helper()
	packed, err := os.ReadFile("testdata/samples.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	var out []sample
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".xml") && !strings.HasSuffix(h.Name, ".ccda") {
			continue
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sample{h.Name, raw})
	}
}

func TestEverySampleIsReadOrSaysWhyNot(t *testing.T) {
	var index strings.Builder
	read := 0
	for _, s := range samples(t) {
		d, err := cda.Parse(s.raw)
		if err != nil {
			fmt.Fprintf(&index, "%s: %v\n", s.name, err)
			continue
		}
		read++
		blocks := 0
		for _, x := range d.Sections {
			blocks += len(x.Blocks)
		}
		fmt.Fprintf(&index, "%s: %s | %s | %q %s %s | %d sections %d blocks %s\n", s.name, d.Title, cda.FormatTime(d.Time), d.Patient.Name, d.Patient.Sex, d.Patient.Birth,
			len(d.Sections), blocks, d.Attachment.MediaType)
	}
	t.Logf("%d documents read of %d files", read, strings.Count(index.String(), "\n"))
	if *update {
		if err := os.WriteFile("testdata/index.golden", []byte(index.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/index.golden")
	if err != nil || string(want) != index.String() {
		t.Errorf("the samples are read otherwise than before (%v); if that is meant, run with -update and look at the difference", err)
	}
}

func TestChineseDocuments(t *testing.T) {
	for _, s := range samples(t) {
		if !strings.HasPrefix(s.name, "cn_wst500/docs/") {
			continue
		}
		d, err := cda.Parse(s.raw)
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		card := ""
		for _, id := range d.Patient.IDs {
			if id.Root == cda.CardRoot {
				card = id.Extension
			}
		}
		if d.Title == "" || d.Patient.Name == "" || len(card) != 18 || d.Patient.Birth == "" || d.Custodian == "" || len(d.Sections) < 3 {
			t.Errorf("%s: %+v", s.name, d)
		}
		facts := 0
		for _, x := range d.Sections {
			facts += len(x.Blocks)
		}
		if facts == 0 {
			t.Errorf("%s: no facts are read", s.name)
		}
	}
}

func document(body string) string {
	return `<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><id root="1.2" extension="7"/><title>检验报告</title>` +
		`<component><structuredBody><component><section><title>结果</title>` + body + `</section></component></structuredBody></component></ClinicalDocument>`
}

func TestSectionsAreWrittenAnew(t *testing.T) {
	d, err := cda.Parse([]byte(document(`<text>前<content styleCode="Bold">中</content><br/>后<script>alert(1)</script>
		<table><thead><tr><th>项目</th><th>值</th></tr></thead><tbody><tr><td>钾</td><td><img src="x" onerror="y"/>2.7</td></tr></tbody></table>
		<list><item>一</item><item>二</item></list></text>`)))
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", d.Sections[0].Blocks)
	for _, bad := range []string{"alert", "onerror", "<"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q is passed on: %s", bad, got)
		}
	}
	if b := d.Sections[0].Blocks; len(b) != 4 || b[0].Text != "前 中" || b[1].Text != "后" || b[2].Head[1] != "值" || b[2].Rows[0][1] != "2.7" || len(b[3].Items) != 2 {
		t.Errorf("%s", got)
	}
	d, err = cda.Parse([]byte(document(`<text/><entry><observation><code displayName="血钾"/><value xsi:type="PQ" value="2.70" unit="mmol/L"/></observation></entry>`)))
	if err != nil || d.Sections[0].Blocks[0].Label != "血钾" || d.Sections[0].Blocks[0].Value != "2.70mmol/L" {
		t.Errorf("%+v %v", d, err)
	}
}

func TestOddDocuments(t *testing.T) {
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(strings.Replace(document(""), `version="1.0"`, `version="1.0" encoding="GB18030"`, 1))
	if err != nil {
		t.Fatal(err)
	}
	if d, err := cda.Parse([]byte(gb)); err != nil || d.Title != "检验报告" {
		t.Errorf("GB18030: %+v %v", d, err)
	}
	for name, raw := range map[string]string{"empty": "", "text": "hello", "fragment": "<section/>", "cut off": document("")[:120], "html": "<html><body/></html>",
		"deep": strings.Repeat("<a>", 500), "entities": `<!DOCTYPE x [<!ENTITY a "aaaa">]><ClinicalDocument>&a;</ClinicalDocument>`} {
		if _, err := cda.Parse([]byte(raw)); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(document("<text><list><item>x</item></list></text>")))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		_, _ = cda.Parse(raw) // must only not panic
	})
}
