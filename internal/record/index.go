package record

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"yilian/internal/db"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
	"yilian/internal/pinyin"
)

// paramNumber is the number of a search parameter of a type as it is stored.
// That no two of R4 share one is proved by a test.
func paramNumber(resourceType, param string) int32 {
	h := fnv.New32a()
	h.Write([]byte(resourceType + "." + param))
	return int32(h.Sum32() & 0x7fffffff)
}

// The parts of a parameter that are kept beside its values.
const (
	textPart   = ":text"       // display texts of a token
	ofTypePart = ":of-type"    // identifiers by their type
	tailPart   = ":tail"       // last four characters of an identifier or phone number
	refPart    = ":identifier" // identifiers that references carry
)

// kept are the numbers under which the values of a parameter, or of a part of
// them kept beside, are stored: its own, or those of its sources, since values
// are stored once (search.Param.Sources).
func kept(kind string, p *search.Param, beside string) []int32 {
	return numbersOf(kind, p.Code, beside, p.Sources())
}

// keptPart is kept of one part of a composite.
func keptPart(kind string, p *search.Param, part int) []int32 {
	return numbersOf(kind, partCode(p.Code, part), "", p.PartSources(part))
}

// references are the numbers under which a type keeps what it points at.
func references(kind string) []int32 {
	var out []int32
	for _, p := range search.Params(kind) {
		if p.Type == spec.ReferenceParam && p.Kept() {
			out = append(out, paramNumber(kind, p.Code))
		}
		for i, c := range p.Components {
			if c.Type == spec.ReferenceParam && p.PartSources(i) == nil {
				out = append(out, paramNumber(kind, partCode(p.Code, i)))
			}
		}
	}
	return out
}

func numbersOf(kind, code, beside string, sources []*search.Param) []int32 {
	if sources == nil {
		return []int32{paramNumber(kind, code+beside)}
	}
	out := make([]int32, len(sources))
	for i, p := range sources {
		out[i] = paramNumber(kind, p.Code+beside)
	}
	return out
}

// index is what a version says for searches, as rows.
type index struct {
	patient string
	bound   bool  // patient stands with every value
	texts   []any // rows of param, value, sys, pt, n
	dates   []any // rows of param, low, high, pt, n
	numbers []any // rows of param, low, high, unit, sys, pt, n
}

const (
	insertText   = `INSERT INTO record_text (param, value, sys, pt, n) VALUES ($1, $2, $3, $4, $5)`
	insertDate   = `INSERT INTO record_date (param, low, high, pt, n) VALUES ($1, $2, $3, $4, $5)`
	insertNumber = `INSERT INTO record_number (param, low, high, unit, sys, pt, n) VALUES ($1, $2, $3, $4, $5, $6, $7)`
)

// insert writes the rows of resource n.
func (x index) insert(tx *db.Tx, n int64) error {
	pt := int64(0)
	if x.bound {
		pt = number(x.patient)
	}
	place := func(rows []any, width int) {
		for i := width - 2; i < len(rows); i += width {
			rows[i], rows[i+1] = pt, n
		}
	}
	place(x.texts, 5)
	place(x.dates, 5)
	place(x.numbers, 7)
	return errors.Join(tx.Later(insertText, x.texts), tx.Later(insertDate, x.dates), tx.Later(insertNumber, x.numbers))
}

func dropIndex(ctx context.Context, tx *db.Tx, n int64) error {
	if _, err := tx.Exec(ctx, `DELETE FROM record_text WHERE n = $1`, n); err != nil {
		return fmt.Errorf("drop search values: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM record_date WHERE n = $1`, n); err != nil {
		return fmt.Errorf("drop search values: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM record_number WHERE n = $1`, n); err != nil {
		return fmt.Errorf("drop search values: %w", err)
	}
	return nil
}

// indexer gathers the rows of one document.
type indexer struct {
	index
	store *Store
	kind  string
	seen  map[textRow]bool
}

type textRow struct {
	param int32
	value string
	sys   int64
}

// maxText bounds how much of a text is searched by its beginning.
const maxText = 200

func (x *indexer) text(param, value string, sys int64) {
	if value == "" {
		return
	}
	row := textRow{paramNumber(x.kind, param), value, sys}
	if x.seen[row] {
		return
	}
	x.seen[row] = true
	x.texts = append(x.texts, row.param, row.value, row.sys, int64(0), int64(0))
}

// index works out what a document says for searches. The patient is the one
// given, else the one that its references name.
func (s *Store) index(ctx context.Context, tx *db.Tx, doc document, patient string) (index, error) {
	list := search.ExtractKept(nil, doc.Root())
	x := &indexer{store: s, kind: doc.kind, seen: make(map[textRow]bool, len(list)+4)}
	whose, err := s.patientsOf(ctx, tx, list)
	if err != nil {
		return index{}, err
	}
	if doc.kind == "Binary" {
		if whose.first, err = secured(ctx, tx, doc.Root()); err != nil {
			return index{}, err
		}
	}
	x.patient, x.bound = patient, whose.bound && bindsPatient(doc.kind)
	if patient == "" {
		x.patient = whose.first
	} else if patient != whose.first {
		x.bound = false
	}
	for i := range list {
		x.add(&list[i], whose.of)
	}
	return x.index, nil
}

// bindsPatient reports whether resources of a type are about at most one
// patient, named by subject or patient, so that a search about a patient may
// go by the number that stands with every value.
func bindsPatient(kind string) bool {
	t := spec.Lookup(kind)
	if t == nil {
		return false
	}
	for _, name := range []string{"subject", "patient"} {
		if e := t.Element(name); e != nil && e.Max == 1 && len(e.Types) == 1 && e.Types[0].Type.Name == "Reference" {
			return true
		}
	}
	return false
}

// code is the name under which a value is kept: the parts of a composite are
// kept one by one.
func code(v *search.Value) string {
	if v.Param.Type == spec.CompositeParam {
		return partCode(v.Param.Code, int(v.Part))
	}
	return v.Param.Code
}

func partCode(code string, part int) string { return code + "#" + strconv.Itoa(part) }

func (x *indexer) add(v *search.Value, patients map[string]string) {
	if v.Param.Type == spec.CompositeParam && v.Param.PartSources(int(v.Part)) != nil {
		return
	}
	param := code(v)
	switch v.Type {
	case spec.TokenParam:
		if param != "_id" {
			x.token(param, v)
		}
	case spec.StringParam:
		x.words(param, v)
	case spec.ReferenceParam:
		x.reference(param, &v.Reference, patients)
	case spec.URIParam:
		x.text(param, v.URI, 0)
	case spec.DateParam:
		if param != "_lastUpdated" {
			x.dates = append(x.dates, paramNumber(x.kind, param), v.Date.From, v.Date.To, int64(0), int64(0))
		}
	case spec.NumberParam:
		x.number(param, v.Number, "", 0)
	case spec.QuantityParam:
		x.number(param, v.Number, v.Quantity.Code, number(v.Quantity.System))
		if v.Quantity.Unit != "" && v.Quantity.Unit != v.Quantity.Code {
			x.number(param, v.Number, v.Quantity.Unit, 0)
		}
	case spec.SpecialParam: // near: the latitude narrows, the distance decides
		x.number(param, search.Number{Low: v.Position.Latitude, High: v.Position.Latitude}, "", 0)
	}
}

func (x *indexer) number(param string, n search.Number, unit string, sys int64) {
	x.numbers = append(x.numbers, paramNumber(x.kind, param), n.Low, n.High, unit, sys, int64(0), int64(0))
}

// token writes a code with its system; of identifiers and phone numbers only
// keyed hashes, of the whole and of the last four.
func (x *indexer) token(param string, v *search.Value) {
	t := &v.Token
	x.text(param+textPart, cutText(t.Text), 0)
	if t.Code == "" && t.System == "" {
		return
	}
	sys := number(t.System)
	switch {
	case !secret(v.Datatype):
		x.text(param, t.Code, sys)
	case t.Code == "":
	case t.Form == search.OfType:
		x.text(param+ofTypePart, x.store.Keys.Index(secretDomain, plainNumber(t.Code)), sys)
	default:
		plain := plainNumber(t.Code)
		x.text(param, x.store.Keys.Index(secretDomain, plain), sys)
		if len(plain) >= 8 {
			x.text(param+tailPart, x.store.Keys.Index(secretTailDomain, plain[len(plain)-4:]), 0)
		}
	}
}

// secret reports whether values of a datatype are kept as keyed hashes.
func secret(datatype string) bool { return datatype == "Identifier" || datatype == "ContactPoint" }

// The domains of keyed hashes; equal numbers of both kinds differ.
const (
	secretDomain     = "record.identifier"
	secretTailDomain = "record.identifier.tail"
)

// plainNumber is a number as it is compared: capitals, without blanks and dashes
// between digits.
func plainNumber(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '\t':
			return -1
		}
		return r
	}, strings.ToUpper(s))
}

// exactly marks a string row by the text as it was written; spelled rows come
// from names and match no :exact.
func exactly(text string) int64 { return number("=" + text) }

const spelled = -1

// words writes a string so that searches by its beginning find it; of Chinese
// names also the spelling and the initials.
func (x *indexer) words(param string, v *search.Value) {
	x.text(param, cutText(v.Text.Norm), exactly(v.Text.Exact))
	if v.Datatype != "HumanName" || !hasHan(v.Text.Exact) {
		return
	}
	for _, sp := range pinyin.Spellings(v.Text.Exact) {
		x.text(param, sp.Full, spelled)
		x.text(param, sp.Initials, spelled)
		x.text(param, sp.Given, spelled)
	}
}

// reference writes the literal target, and for patients also whom they stand
// for, so that a search by either finds it.
func (x *indexer) reference(param string, r *search.Reference, patients map[string]string) {
	if r.Identifier.Code != "" {
		x.text(param+refPart, x.store.Keys.Index(secretDomain, plainNumber(r.Identifier.Code)), number(r.Identifier.System))
	}
	target := x.store.target(r)
	x.text(param, target, 0)
	if r.Version != "" && r.Type == "" {
		x.text(param, target+"|"+r.Version, 0)
	}
	if id, ok := strings.CutPrefix(target, "Patient/"); ok {
		if p := patients[id]; p != "" && p != id {
			x.text(param, "Patient/"+p, 0)
		}
	}
}

// target is what a reference is kept as: Type/id for a resource of this server,
// otherwise the URL as it was written.
func (s *Store) target(r *search.Reference) string {
	if r.Type != "" && (r.Base == "" || r.Base == s.Base) {
		return r.Type + "/" + r.ID
	}
	return r.URL
}

// whose is the patients that a document names.
type whose struct {
	first string            // whose record it belongs to
	bound bool              // subject or patient says so
	of    map[string]string // id of a Patient instance → patient
}

// compartmentOrder are the parameters that say whose record a resource belongs
// to, the surest first; any other reference to a patient comes last.
var compartmentOrder = []string{"patient", "subject", "beneficiary", "individual", "policy-holder", "subscriber"}

func (s *Store) patientsOf(ctx context.Context, tx *db.Tx, list []search.Value) (whose, error) {
	w := whose{of: map[string]string{}}
	rank := len(compartmentOrder) + 1
	for i := range list {
		v := &list[i]
		if v.Type != spec.ReferenceParam {
			continue
		}
		id, ok := strings.CutPrefix(s.target(&v.Reference), "Patient/")
		if !ok {
			continue
		}
		if _, known := w.of[id]; !known {
			p, err := patientFor(ctx, tx, id)
			if err != nil {
				return w, err
			}
			w.of[id] = p
		}
		at := slices.Index(compartmentOrder, v.Param.Code)
		if at < 0 {
			at = len(compartmentOrder)
		}
		if at < rank {
			rank, w.first, w.bound = at, w.of[id], at < 2
		}
	}
	return w, nil
}

// patientFor is whom a Patient instance stands for; an instance that nobody has
// stored stands for its own id.
func patientFor(ctx context.Context, tx *db.Tx, id string) (string, error) {
	return db.Memo(tx, patientHeads, id, func() (string, error) {
		h, err := headOf(ctx, tx, Key{"Patient", id})
		if err != nil && !notFound(err) {
			return "", err
		}
		if h.Patient != "" {
			return h.Patient, nil
		}
		return id, nil
	})
}

// patientHeads is what patientFor rests on: who writes the head of a Patient
// has it forgotten.
var patientHeads = []string{"heads of Patient"}

func (r Resource) forget(tx *db.Tx) {
	if r.Type == "Patient" {
		tx.Forget(patientHeads[0])
	}
}
