package policy

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"yilian/internal/errs"
)

// Files are the files of one profile by name: profile.toml, facts.toml.
type Files map[string]string

// Sources are profiles as text, by the name of their folder.
type Sources map[string]Files

// Read takes every folder of fsys that holds TOML files.
func Read(fsys fs.FS) (Sources, error) {
	names, err := fs.Glob(fsys, "*/*.toml")
	if err != nil {
		return nil, fmt.Errorf("read profiles: %w", err)
	}
	all := Sources{}
	for _, name := range names {
		raw, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read profile %s: %w", name, err)
		}
		dir := path.Dir(name)
		if all[dir] == nil {
			all[dir] = Files{}
		}
		all[dir][path.Base(name)] = string(raw)
	}
	return all, nil
}

// With returns the sources with those of others in place of their namesakes.
func (s Sources) With(others Sources) Sources {
	out := maps.Clone(s)
	maps.Copy(out, others)
	return out
}

// Load reads every folder of fsys as one profile; see Sources.Load.
func Load(fsys fs.FS) (*Book, error) {
	all, err := Read(fsys)
	if err != nil {
		return nil, err
	}
	return all.Load()
}

// Load makes a book of the profiles. It is strict: an unknown field, a bad
// value or a contradiction inside a profile is an error in Chinese that names
// file and line. All faults are reported at once.
func (s Sources) Load() (*Book, error) {
	var faults faults
	var drafts []*draft
	for _, dir := range sortedKeys(s) {
		drafts = append(drafts, read(dir, s[dir], &faults))
	}
	if len(drafts) == 0 {
		faults.add("profiles", 0, "没有找到任何政策文件（*.toml）")
	}
	if !faults.ok() {
		return nil, faults.err()
	}
	return assemble(drafts, &faults)
}

// document is the shape of one TOML file.
type document struct {
	Profile      *headDoc      `toml:"profile"`
	Clauses      []clauseDoc   `toml:"clauses"`
	Institutions []Institution `toml:"institutions"`
	Alliances    []Alliance    `toml:"alliances"`
	Memberships  []Membership  `toml:"memberships"`
	Supports     []Support     `toml:"supports"`
	Ties         []Tie         `toml:"ties"`
	Bodies       []Body        `toml:"bodies"`
	Phases       []Phase       `toml:"phases"`
}

type headDoc struct {
	ID           string   `toml:"id"`
	Code         string   `toml:"code"`
	Title        string   `toml:"title"`
	Number       string   `toml:"number"`
	Issuer       string   `toml:"issuer"`
	Note         string   `toml:"note"`
	Issued       string   `toml:"issued"`
	ValidFrom    string   `toml:"valid_from"`
	ValidTo      string   `toml:"valid_to"`
	Jurisdiction string   `toml:"jurisdiction"`
	Kinds        []string `toml:"kinds"`
}

type clauseDoc struct {
	ID      string    `toml:"id"`
	Section string    `toml:"section"`
	Kind    string    `toml:"kind"`
	Summary string    `toml:"summary"`
	Source  string    `toml:"source"`
	Adopts  string    `toml:"adopts"`
	Starter bool      `toml:"starter"`
	Rules   []ruleDoc `toml:"rules"`
	Targets []Target  `toml:"targets"`
}

type ruleDoc struct {
	Key       string   `toml:"key"`
	Bool      *bool    `toml:"bool"`
	Int       *int64   `toml:"int"`
	Text      *string  `toml:"text"`
	Deadline  *string  `toml:"deadline"`
	List      []string `toml:"list"`
	Codes     []Code   `toml:"codes"`
	Region    string   `toml:"region"`
	Kinds     []string `toml:"kinds"`
	ValidFrom string   `toml:"valid_from"`
	ValidTo   string   `toml:"valid_to"`
	Combine   string   `toml:"combine"`
	Note      string   `toml:"note"`
	Starter   bool     `toml:"starter"`
}

// draft is a profile that is being read.
type draft struct {
	dir     string
	profile Profile
	files   map[string]string // raw text by file, to find lines
	home    map[string]string // file of each clause
}

func read(dir string, files Files, f *faults) *draft {
	d := &draft{dir: dir, files: map[string]string{}, home: map[string]string{}}
	var head *headDoc
	var headFile string
	for _, base := range sortedKeys(files) {
		name := dir + "/" + base
		d.files[name] = files[base]
		var doc document
		if !decode(name, []byte(files[base]), &doc, f) {
			continue
		}
		if doc.Profile != nil {
			if head != nil {
				f.add(name, d.line(name, `^\[profile\]`), "[profile] 在 %s 里已经写过，一个文件夹只能有一个", show(headFile))
			}
			head, headFile = doc.Profile, name
		}
		d.take(name, doc, f)
	}
	if head == nil {
		if f.ok() {
			f.add(dir, 0, "缺少 [profile]：没有写明这是哪一份文件")
		}
		return d
	}
	d.head(headFile, head, f)
	d.check(f)
	return d
}

// decode reads one file strictly; what is wrong goes to the faults.
func decode(name string, raw []byte, doc *document, f *faults) bool {
	dec := toml.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	err := dec.Decode(doc)
	if err == nil {
		return true
	}
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		for _, e := range strict.Errors {
			row, _ := e.Position()
			key := e.Key()
			f.add(name, row, "不认识的字段 %q", last(key))
		}
		return false
	}
	if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, col := bad.Position()
		if key := bad.Key(); len(key) > 0 {
			f.add(name, row, "字段 %q 的值类型不对或写法有误（%s）", last(key), bad.Error())
		} else {
			f.add(name, row, "第 %d 列写法有误，请检查引号、方括号和等号（%s）", col, bad.Error())
		}
		return false
	}
	f.add(name, 0, "无法读取：%v", err)
	return false
}

func last(key []string) string {
	if len(key) == 0 {
		return ""
	}
	return key[len(key)-1]
}

// line returns the line of the first match after each earlier match, counted
// from 1; 0 when the text has none.
func (d *draft) line(file string, patterns ...string) int {
	text, at := d.files[file], 0
	for _, p := range patterns {
		loc := regexp.MustCompile(`(?m)` + p).FindStringIndex(text[at:])
		if loc == nil {
			return 0
		}
		at += loc[0]
	}
	return strings.Count(text[:at], "\n") + 1
}

func is(field, value string) string {
	return `^\s*` + field + `\s*=\s*"` + regexp.QuoteMeta(value) + `"`
}

// at returns file and line of a clause, or of a rule or target under it.
func (d *draft) at(clause string, within ...string) (file string, line int) {
	file = d.home[clause]
	patterns := append([]string{is("id", clause)}, within...)
	for n := len(patterns); n > 0; n-- {
		if line = d.line(file, patterns[:n]...); line > 0 {
			return file, line
		}
	}
	return file, 0
}

// faults collects what is wrong with the profiles.
type faults struct{ list []fault }

type fault struct {
	file string
	line int
	text string
}

func (f *faults) add(file string, line int, format string, args ...any) {
	f.list = append(f.list, fault{file, line, fmt.Sprintf(format, args...)})
}

func (f *faults) ok() bool { return len(f.list) == 0 }

func show(file string) string { return path.Join("profiles", strings.TrimPrefix(file, "profiles")) }

// err puts all faults into one error, in order of file and line.
func (f *faults) err() error {
	slices.SortStableFunc(f.list, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line))
	})
	lines := make([]string, len(f.list))
	for i, x := range f.list {
		if x.line > 0 {
			lines[i] = fmt.Sprintf("%s 第 %d 行：%s", show(x.file), x.line, x.text)
		} else {
			lines[i] = fmt.Sprintf("%s：%s", show(x.file), x.text)
		}
	}
	return errs.E(errs.Invalid, "%s", strings.Join(lines, "\n"))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
