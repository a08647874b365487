package hl7_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"
	"pgregory.net/rapid"

	"yilian/internal/exchange/hl7"
	"yilian/internal/exchange/hl7/hl7test"
)

var update = flag.Bool("update", false, "write the golden file anew")

func TestSamplesAreReadWithoutLoss(t *testing.T) {
	var got strings.Builder
	for _, s := range hl7test.Samples(t) {
		m, err := hl7.Parse(s.Raw)
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		code, event := m.Type()
		fmt.Fprintf(&got, "%s: %s^%s %q", s.Name, code, event, m.ControlID())
		for _, x := range m.Segments {
			fmt.Fprintf(&got, " %s", x.Name)
		}
		fmt.Fprintf(&got, " | %q %q\n", m.Segment("PID").Rep(5).Comp(1), m.Segment("PID").Str(7))
		again, err := hl7.Parse([]byte(m.String()))
		if err != nil || again.String() != m.String() {
			t.Errorf("%s does not come back as it was: %v", s.Name, err)
		}
		want := strings.NewReplacer("\ufeff", "", "\r\n", "\r", "\n", "\r").Replace(string(s.Raw))
		if lost := len(squeeze(want)) - len(squeeze(m.String())); lost != 0 {
			t.Errorf("%s: %d bytes lost", s.Name, lost)
		}
	}
	const golden = "testdata/summary.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Error("the samples are read otherwise than before; if that is meant, run with -update and look at the difference")
	}
}

// squeeze leaves out what a reader may leave out: empty lines and the blanks
// before a segment.
func squeeze(s string) string {
	var b strings.Builder
	for _, line := range strings.Split(s, "\r") {
		if line = strings.TrimLeft(line, " \t"); line != "" {
			b.WriteString(line)
			b.WriteByte('\r')
		}
	}
	return b.String()
}

const head = "MSH|^~\\&|HIS|H1|YL|YL|20260302090000||ADT^A01|C1|P|2.5\r"

func parse(t *testing.T, s string) *hl7.Message {
	t.Helper()
	m, err := hl7.Parse([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestValues(t *testing.T) {
	m := parse(t, head+"PID|1||A1^^^H1^MR~B2&sub^^^H2&1.2.3&ISO^PI||李^秀英||\"\"\rZPI|1|自定\\X4142\\|\\Zlocal\\|a\\F\\b\\S\\c\\R\\d\\T\\e\\E\\f|x\\.br\\y\\H\\z\\N\\|lone\\end|\\Q\\R\\")
	pid, z := m.Segment("PID"), m.Segment("ZPI")
	for _, c := range []struct{ name, got, want string }{
		{"first repetition", pid.Rep(3).Comp(1), "A1"},
		{"second repetition", pid.Reps(3)[1].Comp(1), "B2"},
		{"sub-component", pid.Reps(3)[1].Sub(1, 2), "sub"},
		{"sub-component of an authority", pid.Reps(3)[1].Sub(4, 2), "1.2.3"},
		{"family name", pid.Str(5), "李"},
		{"given name", pid.Rep(5).Comp(2), "秀英"},
		{"null value", pid.Str(7), ""},
		{"beyond the end", pid.Str(99), ""},
		{"hexadecimal", z.Str(2), "自定AB"},
		{"local sequence stays", z.Str(3), `\Zlocal\`},
		{"delimiters", z.Text(4), `a|b^c~d&e\f`},
		{"line break, highlighting", z.Text(5), "x\nyz"},
		{"lone escape character", z.Text(6), `lone\end`},
		{"unknown, then known", z.Text(7), `\Q~`},
		{"MSH-1", m.Segment("MSH").Raw(1), "|"},
		{"MSH-2", m.Segment("MSH").Raw(2), `^~\&`},
		{"control id", m.ControlID(), "C1"},
		{"no such segment", m.Segment("OBX").Str(5), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
}

func TestLeniency(t *testing.T) {
	gb := func(s string) string {
		out, err := simplifiedchinese.GB18030.NewEncoder().String(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	const tail = "PID|1||1^^^H||李^秀英\r"
	for _, c := range []struct{ name, raw, family, charset string }{
		{"byte order mark", "\ufeff" + head + tail, "李", hl7.UTF8},
		{"framing left in", "\v" + head + tail + "\x1c\r", "李", hl7.UTF8},
		{"line feeds", strings.ReplaceAll(head+tail, "\r", "\n"), "李", hl7.UTF8},
		{"both", strings.ReplaceAll(head+tail, "\r", "\r\n"), "李", hl7.UTF8},
		{"GB18030, not declared", gb(head + tail), "李", hl7.GB18030},
		{"GB18030, declared", gb("MSH|^~\\&|医院|||||||C1|P|2.5||||||GB 18030-2000\r" + tail), "李", hl7.GB18030},
		{"declared UTF-8 but GB18030", gb("MSH|^~\\&|HIS|||||||C1|P|2.5||||||UNICODE UTF-8\r" + tail), "李", hl7.GB18030},
		{"a character of four bytes", gb(head + "PID|1||1||㐀^㐁\r"), "㐀", hl7.GB18030},
		{"a second byte that looks like a delimiter", gb(head + "PID|1||1||誽^俕\r"), "誽", hl7.GB18030},
		{"other delimiters", "MSH#*~\\&#HIS###########\rPID#1##1##李*秀英\r", "李", hl7.UTF8},
		{"short MSH-2", "MSH|^|HIS\rPID|1||1||李^秀英\r", "李", hl7.UTF8},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parse(t, c.raw)
			if got := m.Segment("PID").Str(5); got != c.family || (c.charset != "" && m.Charset != c.charset) {
				t.Errorf("family name %q, charset %s, notes %v", got, m.Charset, m.Notes)
			}
		})
	}
	if m := parse(t, head+"OBX|1|TX|||第一行\n第二行 A|B\n|F\r"); len(m.Segments) != 2 || !strings.Contains(m.Segment("OBX").Text(5), "第二行") || len(m.Notes) != 1 {
		t.Errorf("a line break inside a text: %d segments, %q", len(m.Segments), m.String())
	}
	for _, bad := range []string{"", "hello", "PID|1", "xyzMSH|^~\\&|", "MSH", "MSHA^~", "MSH|^^^^|", "MSH|^~\\\x80|"} {
		if m, err := hl7.Parse([]byte(bad)); err == nil {
			t.Errorf("%q is read as a message: %v", bad, m)
		}
	}
}

func TestBatches(t *testing.T) {
	file := "\ufeffFHS|^~\\&|LAB\rBHS|^~\\&|LAB\r" + head + "PID|1||1\r" + strings.ReplaceAll(head, "C1", "C2") + "PID|1||2\rBTS|2\rFTS|1\r"
	list, stated, err := hl7.Split([]byte(file))
	if err != nil || len(list) != 2 || stated != 2 {
		t.Fatalf("%d messages, stated %d, %v", len(list), stated, err)
	}
	if m := parse(t, string(list[1])); m.ControlID() != "C2" || len(m.Segments) != 2 {
		t.Errorf("second message %q", m.String())
	}
	if _, _, err := hl7.Split([]byte("姓名,性别\r" + head)); err == nil {
		t.Error("a table is taken for messages")
	}
}

func TestTimes(t *testing.T) {
	shanghai := time.FixedZone("CST", 8*3600)
	for _, c := range []struct {
		text, want string
		precision  int
	}{
		{"2026", "2026-01-01T00:00:00+08:00", 4}, {"20260302", "2026-03-02T00:00:00+08:00", 8},
		{"202603020915", "2026-03-02T09:15:00+08:00", 12}, {"20260302091507.25", "2026-03-02T09:15:07+08:00", 14},
		{"19890118000000", "1989-01-18T00:00:00+08:00", 14}, {"198908181126+0215", "1989-08-18T11:26:00+02:15", 12},
		{"20260302091507+0000", "2026-03-02T09:15:07Z", 14}, {"20260230", "", 0}, {"2026-03-02", "", 0}, {"", "", 0}, {"今天", "", 0},
	} {
		got, precision, err := hl7.ParseTime(c.text, shanghai)
		if c.want == "" {
			if err == nil {
				t.Errorf("%q is read as %v", c.text, got)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339) != c.want || precision != c.precision {
			t.Errorf("%q: %s %d %v", c.text, got.Format(time.RFC3339), precision, err)
		}
	}
}

func TestAcknowledgements(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.FixedZone("CST", 8*3600))
	problem := hl7.Problem{Segment: "PID", Field: 3, Condition: hl7.UnknownKey, Text: "没有找到这位患者|请核对"}
	for _, c := range []struct{ name, message, want string }{
		{"since 2.5", head, "MSH|^~\\&|YL|YL|HIS|H1|20260302090000+0800||ACK^A01^ACK|9|P|2.5||||||UNICODE UTF-8\rMSA|AE|C1|没有找到这位患者\\F\\请核对\r" +
			"ERR||PID^1^3|204^Unknown key identifier^HL70357|E||||没有找到这位患者\\F\\请核对\r"},
		{"before", strings.Replace(head, "2.5", "2.3", 1), "MSH|^~\\&|YL|YL|HIS|H1|20260302090000+0800||ACK^A01^ACK|9|P|2.3||||||UNICODE UTF-8\r" +
			"MSA|AE|C1|没有找到这位患者\\F\\请核对\rERR|PID^1^3^204&没有找到这位患者\\F\\请核对&HL70357\r"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := hl7.Acknowledge(parse(t, c.message), hl7.Answer{Code: hl7.Error, ID: "9", At: at, Problems: []hl7.Problem{problem}})
			if string(got) != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if m := parse(t, string(got)); m.Segment("MSA").Str(1) != "AE" || m.Segment("MSA").Text(3) != problem.Text {
				t.Errorf("the answer is not read back: %q", m.String())
			}
		})
	}
	gb, _ := simplifiedchinese.GB18030.NewEncoder().String(head + "PID|1||1||李")
	answer := hl7.Acknowledge(parse(t, gb), hl7.Answer{Code: hl7.Error, ID: "9", At: at, Problems: []hl7.Problem{problem}})
	if text, _ := simplifiedchinese.GB18030.NewDecoder().Bytes(answer); !bytes.Contains(text, []byte("没有找到")) || !bytes.Contains(answer, []byte("GB 18030")) {
		t.Errorf("who writes GB18030 is answered in it: %q", answer)
	}
	if m := parse(t, string(hl7.Acknowledge(nil, hl7.Answer{Code: hl7.Reject, ID: "9", At: at}))); m.Segment("MSA").Str(1) != "AR" {
		t.Error("bytes that are no message are not answered")
	}
}

func TestFrames(t *testing.T) {
	var wire bytes.Buffer
	for _, m := range []string{"one", strings.Repeat("长", 9000), ""} {
		if err := hl7.WriteFrame(&wire, []byte(m)); err != nil {
			t.Fatal(err)
		}
	}
	wire.WriteString("noise\vlast\x1cno return")
	r := bufio.NewReader(&wire)
	var got []int
	for {
		m, err := hl7.ReadFrame(r, 1<<16)
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("the end: %v", err)
			}
			break
		}
		got = append(got, len(m))
	}
	if fmt.Sprint(got) != "[3 27000 0]" {
		t.Errorf("frames %v", got)
	}
	if _, err := hl7.ReadFrame(bufio.NewReader(strings.NewReader("\v"+strings.Repeat("x", 200)+"\x1c\r")), 100); !errors.Is(err, hl7.ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
	if m, err := hl7.ReadFrame(bufio.NewReader(strings.NewReader("\vabc\x1c")), 100); err != nil || string(m) != "abc" {
		t.Errorf("without a return: %q %v", m, err)
	}
}

func TestQuotedTextComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("ab中文|^~\\&\nXEFZ.br 0"))).Draw(t, "text")
		m, err := hl7.Parse([]byte(head + "NTE|1||" + hl7.Usual.Quote(text) + "|end\r"))
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Segment("NTE").Text(3); got != text {
			t.Fatalf("%q comes back as %q", text, got)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(head + "PID|1||1^^^H\\F\\&x~2||李^秀英\rZZ1|\\X41\\"))
	f.Add([]byte("MSH|^~\\&|\xc0\xee\r\nOBX|1\ntext"))
	f.Add([]byte("FHS|\rBHS|\rMSH|^~\\&\rBTS|1\r"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if list, _, err := hl7.Split(raw); err == nil {
			for _, m := range list {
				_, _ = hl7.Parse(m) // must only not panic
			}
		}
		m, err := hl7.Parse(raw)
		if err != nil {
			return
		}
		for _, s := range m.Segments {
			for n := 0; n <= s.Len()+1; n++ {
				_ = s.Text(n)
				for _, r := range s.Reps(n) {
					_, _, _ = r.Comp(1), r.Sub(2, 2), r.Empty()
				}
			}
		}
		again, err := hl7.Parse([]byte(m.String()))
		if err != nil {
			t.Fatalf("%q: written back it is no message: %v", raw, err)
		}
		if len(again.Segments) != len(m.Segments) {
			t.Fatalf("%q: %d segments become %d", raw, len(m.Segments), len(again.Segments))
		}
		if _, err := hl7.Parse(hl7.Acknowledge(m, hl7.Answer{Code: hl7.Accept, ID: "1"})); err != nil {
			t.Fatalf("%q: the answer is no message: %v", raw, err)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\vabc\x1c\r\vx"))
	f.Fuzz(func(_ *testing.T, raw []byte) {
		r := bufio.NewReader(bytes.NewReader(raw))
		for {
			if _, err := hl7.ReadFrame(r, 1000); err != nil {
				return
			}
		}
	})
}
