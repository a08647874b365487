package terminology

import (
	"bytes"
	"compress/gzip"
	_ "embed" // the code table
	"fmt"
	"io"
	"sort"
	"strings"
	"sync"

	"github.com/mozillazg/go-pinyin"
)

//go:embed data/icd10_yibao2.csv.gz
var compressed []byte

// table is the whole edition, sorted by code. All texts are slices of two long
// strings, so that 33,304 entries cost about 3 MB and no garbage collection.
type table struct {
	codes, names, initials []string
}

// edition loads the table when it is first asked for: about 15 ms, immutable
// afterwards.
var edition = sync.OnceValue(func() *table {
	t, err := load(compressed)
	if err != nil {
		panic(fmt.Sprintf("terminology: embedded ICD-10 table is damaged: %v", err)) // a broken build, nothing a user can mend
	}
	return t
})

func load(data []byte) (*table, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.ReplaceAll(string(raw), "\r", ""), "\n")[1:]
	sort.Strings(lines)
	t := &table{codes: make([]string, 0, len(lines)), names: make([]string, 0, len(lines)), initials: make([]string, 0, len(lines))}
	var all strings.Builder
	ends := make([]int, 0, len(lines))
	reader := newInitialReader()
	for _, line := range lines {
		if line == "" {
			continue
		}
		code, name, ok := strings.Cut(line, ",")
		if !ok || code == "" || name == "" {
			return nil, fmt.Errorf("bad line %q", line)
		}
		if strings.HasPrefix(name, `"`) { // no name in the edition holds a quote
			name = strings.Trim(name, `"`)
		}
		t.codes, t.names = append(t.codes, code), append(t.names, name)
		reader.write(&all, name)
		ends = append(ends, all.Len())
	}
	from := 0
	for _, end := range ends {
		t.initials = append(t.initials, all.String()[from:end])
		from = end
	}
	return t, nil
}

func (t *table) len() int { return len(t.codes) }

func (t *table) entry(i int) Code { return Code{Code: t.codes[i], Name: t.names[i]} }

// find looks a code up; codes hold one lower-case letter, the x of extensions.
func (t *table) find(upper string) (int, bool) {
	code := canonical(upper)
	i := sort.SearchStrings(t.codes, code)
	return i, i < len(t.codes) && t.codes[i] == code
}

// canonical writes an upper-case code the way the edition does: I10.x00x002.
func canonical(upper string) string {
	if len(upper) < 2 {
		return upper
	}
	return upper[:1] + strings.ReplaceAll(upper[1:], "X", "x")
}

// initialReader gives the first letter of each character's usual reading and
// remembers it: names repeat some 2,500 characters 400,000 times.
type initialReader struct {
	args  pinyin.Args
	known map[rune]byte
}

func newInitialReader() *initialReader {
	args := pinyin.NewArgs()
	args.Style = pinyin.FirstLetter
	// 卒中 is read cù zhòng; the library only knows zú.
	return &initialReader{args: args, known: map[rune]byte{'卒': 'c'}}
}

func (r *initialReader) write(b *strings.Builder, name string) {
	for _, c := range name {
		letter, ok := r.known[c]
		if !ok {
			letter = r.letter(c)
			r.known[c] = letter
		}
		if letter != 0 {
			b.WriteByte(letter)
		}
	}
}

// letter returns 0 for what has no place in initials, such as punctuation.
func (r *initialReader) letter(c rune) byte {
	switch {
	case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		return byte(c)
	case c >= 'A' && c <= 'Z':
		return byte(c - 'A' + 'a')
	case c < 0x80:
		return 0
	}
	if py := pinyin.SinglePinyin(c, r.args); len(py) > 0 && py[0] != "" {
		return py[0][0]
	}
	return 0
}
