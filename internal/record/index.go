package record

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"

	"yilian/internal/db"
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
	anyPatient = "_compartment"
)

// index is what a version says for searches, as rows.
type index struct {
	patient string
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
func (x index) insert(ctx context.Context, tx *db.Tx, n int64) error {
	pt := number(x.patient)
	place := func(rows []any, width int) {
		for i := width - 2; i < len(rows); i += width {
			rows[i], rows[i+1] = pt, n
		}
	}
	place(x.texts, 5)
	place(x.dates, 5)
	place(x.numbers, 7)
	if err := tx.InsertAll(ctx, insertText, x.texts); err != nil {
		return fmt.Errorf("insert search values: %w", err)
	}
	if err := tx.InsertAll(ctx, insertDate, x.dates); err != nil {
		return fmt.Errorf("insert search values: %w", err)
	}
	if err := tx.InsertAll(ctx, insertNumber, x.numbers); err != nil {
		return fmt.Errorf("insert search values: %w", err)
	}
	return nil
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
	list, err := valuesOf(doc)
	if err != nil {
		return index{}, err
	}
	x := &indexer{store: s, kind: doc.kind, seen: make(map[textRow]bool, len(list)+4)}
	whose, err := patientsOf(ctx, tx, doc.kind, list)
	if err != nil {
		return index{}, err
	}
	x.patient = patient
	if patient == "" {
		x.patient = whose.first
	}
	for i := range list {
		x.add(&list[i], whose.of)
	}
	return x.index, nil
}

func (x *indexer) add(v *value, patients map[string]string) {
	switch v.kind {
	case tokenValue:
		x.token(v)
	case stringValue:
		x.words(v)
	case referenceValue:
		x.reference(v, patients)
	case uriValue:
		x.text(v.param, v.text, 0)
	case dateValue:
		x.dates = append(x.dates, paramNumber(x.kind, v.param), v.low, v.high, int64(0), int64(0))
	case numberValue, quantityValue:
		x.numbers = append(x.numbers, paramNumber(x.kind, v.param), v.from, v.to, v.code, number(v.system), int64(0), int64(0))
	}
}

// token writes a code with its system; of identifiers and phone numbers only
// keyed hashes, of the whole and of the last four.
func (x *indexer) token(v *value) {
	if v.display != "" {
		x.text(v.param+textPart, foldText(v.display), 0)
	}
	if v.code == "" && v.system == "" {
		return
	}
	if !v.secret {
		x.text(v.param, v.code, number(v.system))
		return
	}
	if v.code == "" {
		return
	}
	plain := plainNumber(v.code)
	sys := number(v.system)
	x.text(v.param, x.store.Keys.Index(secretDomain, plain), sys)
	if len(plain) >= 8 {
		x.text(v.param+tailPart, x.store.Keys.Index(secretTailDomain, plain[len(plain)-4:]), 0)
	}
	if v.typeCode != "" {
		x.text(v.param+ofTypePart, x.store.Keys.Index(secretDomain, v.typeCode+"|"+plain), number(v.typeSystem))
	}
}

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
func (x *indexer) words(v *value) {
	folded := foldText(v.text)
	x.text(v.param, folded, exactly(v.text))
	if !v.name || !hasHan(v.text) {
		return
	}
	for _, sp := range pinyin.Spellings(v.text) {
		x.text(v.param, sp.Full, spelled)
		x.text(v.param, sp.Initials, spelled)
		x.text(v.param, sp.Given, spelled)
	}
}

// reference writes the literal target, and for patients also whom they stand
// for, so that a search by either finds it.
func (x *indexer) reference(v *value, patients map[string]string) {
	if v.code != "" { // Reference.identifier
		x.text(v.param+refPart, x.store.Keys.Index(secretDomain, plainNumber(v.code)), number(v.system))
	}
	if v.text == "" {
		return
	}
	x.text(v.param, v.text, 0)
	id, isPatient := strings.CutPrefix(v.text, "Patient/")
	if !isPatient {
		return
	}
	x.text(anyPatient, v.text, 0)
	if p := patients[id]; p != id {
		x.text(v.param, "Patient/"+p, 0)
	}
}

// whose is the patients that a document names.
type whose struct {
	first string            // whose record it belongs to
	of    map[string]string // id of a Patient instance → patient
}

// compartmentOrder are the parameters that say whose record a resource belongs
// to, the surest first; any other reference to a patient comes last.
var compartmentOrder = []string{"patient", "subject", "beneficiary", "individual", "policy-holder", "subscriber"}

func patientsOf(ctx context.Context, tx *db.Tx, kind string, list []value) (whose, error) {
	w := whose{of: map[string]string{}}
	rank := len(compartmentOrder) + 1
	for i := range list {
		v := &list[i]
		if v.kind != referenceValue {
			continue
		}
		id, ok := strings.CutPrefix(v.text, "Patient/")
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
		at := len(compartmentOrder)
		for j, name := range compartmentOrder {
			if v.param == name {
				at = j
			}
		}
		if at < rank {
			rank, w.first = at, w.of[id]
		}
	}
	return w, nil
}

// patientFor is whom a Patient instance stands for; an instance that nobody has
// stored stands for its own id.
func patientFor(ctx context.Context, tx *db.Tx, id string) (string, error) {
	h, err := headOf(ctx, tx, Key{"Patient", id})
	if err != nil && !notFound(err) {
		return "", err
	}
	if h.Patient != "" {
		return h.Patient, nil
	}
	return id, nil
}
