package access

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/policy"
)

// Some facts are hidden by default from everyone without direct care: mental
// health, HIV and STD, tuberculosis, reproductive health, violence, and all of
// a child's. Which they are is data (profiles/base/sensitive.toml). Who looks at
// a record without direct care sees that something is hidden, not what kind it
// is; whoever has the right opens it with a reason, for a short time.

// What is kept is classed by the rules of everywhere at once (SensitiveAnywhere),
// because it is classed once, for readers of any place.

// MinorClass is the class of everything about a child.
const MinorClass = "minor"

// Sensitive tells sensitive facts from others, as the policy in force says.
type Sensitive struct {
	diagnoses, words, labels []policy.Code
	minorAge                 int
	openFor                  time.Duration
}

// SensitiveAt reads the classes in force at a place.
func SensitiveAt(book *policy.Book, at policy.Place, day calendar.Date) (Sensitive, error) {
	var s Sensitive
	for _, list := range []struct {
		key  string
		into *[]policy.Code
	}{
		{"record.sensitive.diagnoses", &s.diagnoses}, {"record.sensitive.words", &s.words}, {"record.sensitive.labels", &s.labels},
	} {
		a, err := book.Resolve(list.key, at, day)
		if err != nil {
			return s, err
		}
		if *list.into, err = a.Codes(); err != nil {
			return s, err
		}
	}
	a, err := book.Resolve("record.sensitive.minor_age", at, day)
	if err != nil {
		return s, err
	}
	age, err := a.Int()
	if err != nil {
		return s, err
	}
	s.minorAge = int(age)
	if a, err = book.Resolve("record.sensitive.open", at, day); err != nil {
		return s, err
	}
	d, err := a.Deadline()
	s.openFor = time.Duration(d.N) * time.Minute
	if d.Unit == policy.Hours {
		s.openFor = time.Duration(d.N) * time.Hour
	}
	return s, err
}

// SensitiveAnywhere reads the classes in force at any place that a profile
// names: what one place holds sensitive is sensitive.
func SensitiveAnywhere(book *policy.Book, day calendar.Date) (Sensitive, error) {
	all, err := SensitiveAt(book, policy.Place{Regions: policy.Chain("CN")}, day)
	if err != nil {
		return all, err
	}
	seen := map[string]bool{"": true, "CN": true}
	for _, p := range book.Profiles() {
		for _, c := range p.Clauses() {
			for _, r := range c.Rules {
				at := cmp.Or(r.Region, p.Jurisdiction)
				if seen[at] || !strings.HasPrefix(r.Key, "record.sensitive.") {
					continue
				}
				seen[at] = true
				s, err := SensitiveAt(book, policy.Place{Regions: policy.Chain(at)}, day)
				if err != nil {
					return all, err
				}
				all.diagnoses, all.words, all.labels = append(all.diagnoses, s.diagnoses...), append(all.words, s.words...), append(all.labels, s.labels...)
				all.minorAge = max(all.minorAge, s.minorAge)
			}
		}
	}
	return all, nil
}

// Digest names the rules: two are equal when they class alike.
func (s Sensitive) Digest() string {
	h := sha256.New()
	for _, list := range [][]policy.Code{s.diagnoses, s.words, s.labels} {
		for _, c := range list {
			fmt.Fprintf(h, "%q%q", c.Code, c.Prefixes)
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// MinorAge is the age below which everything about a person is sensitive.
func (s Sensitive) MinorAge() int { return s.minorAge }

// Fact is what the class of a fact follows from.
type Fact struct {
	Codes  []string // ICD-10, of either edition
	Labels []string // confidentiality and category labels of the source
	Texts  []string // names of tests, medicines, documents, departments
}

// Class is the sensitive class of a fact, "" when it is none.
func (s Sensitive) Class(f Fact) string {
	for _, code := range f.Codes {
		code = strings.ToUpper(strings.TrimSpace(code))
		if code == "" {
			continue
		}
		for _, c := range s.diagnoses {
			if c.Covers(code) {
				return c.Code
			}
		}
	}
	for _, label := range f.Labels {
		for _, c := range s.labels {
			if slices.Contains(c.Prefixes, label) {
				return c.Code
			}
		}
	}
	for _, text := range f.Texts {
		text = strings.ToUpper(text)
		for _, c := range s.words {
			if slices.ContainsFunc(c.Prefixes, func(w string) bool { return says(text, w) }) {
				return c.Code
			}
		}
	}
	return ""
}

// says reports whether a text has a word. One in Latin letters does not begin
// inside of another: an archive is no HIV, an interpretation no RPR.
func says(text, word string) bool {
	for from := 0; ; {
		at := strings.Index(text[from:], word)
		if at < 0 {
			return false
		}
		at += from
		if at == 0 || !latin(word[0]) || !latin(text[at-1]) {
			return true
		}
		from = at + 1
	}
}

func latin(c byte) bool { return c >= 'A' && c <= 'Z' }

// Minor reports whether everything about a person of an age is sensitive.
func (s Sensitive) Minor(age int) bool { return age < s.minorAge }

// OpenFor is how long an opening lasts.
func (s Sensitive) OpenFor() time.Duration { return s.openFor }

// Title is a class in Chinese.
func (s Sensitive) Title(class string) string {
	if class == MinorClass {
		return "未成年人"
	}
	for _, c := range slices.Concat(s.diagnoses, s.labels) {
		if c.Code == class {
			return c.Title
		}
	}
	return ""
}

// SeesSensitive reports whether a reader with a grant sees what is hidden by
// default: in direct care at once, otherwise while an opening of his lasts.
func (g Grant) SeesSensitive() bool { return g.Direct || g.Opened }

// direct reports whether a relation of an institution is direct care for a
// reader: of a person who cares for patients any but having entered the person,
// or broken the glass. A system reads for its whole institution, so consent to
// read, which asks nobody to care, is not enough for it either.
func direct(role Role, basis Basis) bool {
	switch basis {
	case BasisRegistration, BasisBreak:
		return false
	case BasisAuthorization:
		return Allowed(role, PatientLabels, Care)
	}
	return role == SystemClient || Allowed(role, PatientLabels, Care)
}

// OpenSensitive opens what is hidden by default to one person for a time. It
// needs the right, a grant to see the record at all, and a reason; the resident
// and the auditor see who opened, when and why.
func (c *Control) OpenSensitive(ctx context.Context, tx *db.Tx, actor Actor, patient, reason string, last time.Duration) error {
	if err := Require(actor, PatientSensitive, Care); err != nil {
		return err
	}
	if _, err := c.Patient(ctx, tx, actor, patient, Look); err != nil {
		return err
	}
	reason = strings.TrimSpace(reason)
	if len([]rune(reason)) < 4 {
		var f errs.Form
		f.Add("comment", "请写明打开敏感信息的原因（至少 4 个字），例如“接诊前核对传染病史”")
		return f.Err()
	}
	id := db.NewID()
	_, err := tx.Exec(ctx, `INSERT INTO care_open (id, patient, account, org, reason, at, until) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		id, patient, actor.Account, actor.Org, reason, db.At(tx.Now), db.At(tx.Now.Add(last)))
	if err != nil {
		return fmt.Errorf("insert opening: %w", err)
	}
	return c.log.Append(ctx, tx, audit.Leaf{Actor: actor, Action: "patient.sensitive", Object: "patient", ObjectID: patient, Patient: patient,
		Outcome: audit.OK, Detail: reason})
}

// opened reports whether an opening of the actor lasts.
func opened(ctx context.Context, tx *db.Tx, actor Actor, patient string) (bool, error) {
	n, err := db.Count(ctx, tx, `
		SELECT count(*) FROM care_open
		WHERE patient IN (SELECT CAST($1 AS TEXT) UNION ALL SELECT other FROM same_person WHERE patient = $1)
		  AND account = $2 AND at <= $3 AND until > $3`, patient, actor.Account, db.At(tx.Now))
	return n > 0, err
}
