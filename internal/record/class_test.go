package record_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/jobs"
	"yilian/internal/policy"
	"yilian/internal/record"
	"yilian/profiles"
)

// outsider sees p1's record but for what is hidden by default.
var outsider = &record.Reader{Org: "o2", Sights: func(context.Context, *db.Tx, []string) (map[string]access.Sight, error) {
	return map[string]access.Sight{"p1": access.SeesOpen}, nil
}}

func shipped(t *testing.T) (*policy.Book, policy.Sources) {
	t.Helper()
	src, err := policy.Read(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	book, err := src.Load()
	if err != nil {
		t.Fatal(err)
	}
	return book, src
}

// shown are the ids that the outsider finds.
func (w world) shown() string {
	w.Helper()
	page, err := w.search("Condition", "", record.Options{For: outsider})
	if err != nil {
		w.Fatal(err)
	}
	var ids []string
	for _, r := range page.List {
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, " ")
}

// TestClassesFollowTheRules: when the coded list changes, a job classes what is
// kept; what no rule has looked at is hidden until one has.
func TestClassesFollowTheRules(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		book, src := shipped(t)
		w := world{t, d, &record.Store{DB: d, Keys: crypto.Ephemeral(crypto.SM), Book: book}}
		q := jobs.New(d)
		w.s.Class(q)
		later := func() {
			t.Helper()
			dbtest.SetClock(d, d.Now().Add(time.Hour))
			if err := q.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for id, icd := range map[string]string{"a": "I10", "b": "B24", "c": "G40.900"} {
			w.put(id, fmt.Sprintf(`{"resourceType":"Condition","id":"%s","subject":{"reference":"Patient/p1"},"code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"%s"}]}}`, id, icd))
		}
		for i := range 120 { // more than one step of the job
			w.put(fmt.Sprint("o", i), `{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}`)
		}
		order := func(ids string) string { // as the map gave them
			page, err := w.search("Condition", "", record.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, r := range page.List {
				if strings.Contains(ids, r.ID) {
					out = append(out, r.ID)
				}
			}
			return strings.Join(out, " ")
		}
		later()
		if got := w.shown(); got != order("a c") {
			t.Errorf("shown %q", got)
		}

		// Epilepsy becomes sensitive, HIV no longer.
		changed := policy.Sources{}
		for id, files := range src {
			changed[id] = policy.Files{}
			for name, text := range files {
				changed[id][name] = strings.Replace(strings.Replace(text, `"B24", `, ``, 1), `prefixes = ["F", "X60"`, `prefixes = ["F", "G40", "X60"`, 1)
			}
		}
		next, err := changed.Load()
		if err != nil {
			t.Fatal(err)
		}
		book.Replace(next)
		later()
		if got := w.shown(); got != order("a b") {
			t.Errorf("after the change %q", got)
		}

		w.tx(func(tx *db.Tx) error { // as an older program has left it
			if _, err := tx.Exec(t.Context(), `DELETE FROM record_class`); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), `UPDATE record_resource SET class = '?', ever = '?'`)
			return err
		})
		if got := w.shown(); got != "" {
			t.Errorf("shown before it was classed: %q", got)
		}
		later()
		if got := w.shown(); got != order("a b") {
			t.Errorf("after the first run %q", got)
		}
	})
}

// TestWhatIsReadForItsClass: codes of diseases and words of people count, codes
// of the standard and names of people do not.
func TestWhatIsReadForItsClass(t *testing.T) {
	w := world{t, dbtest.SQLite(t), nil}
	book, _ := shipped(t)
	w.s = &record.Store{DB: w.db, Keys: crypto.Ephemeral(crypto.SM), Book: book}
	for i, x := range []struct {
		member string
		hidden bool
	}{
		{`"code":{"coding":[{"system":"http://hl7.org/fhir/sid/icd-10","code":"F20.000"}]}`, true},
		{`"code":{"coding":[{"code":" f32.900"}]}`, true},
		{`"code":{"text":"梅毒"}`, true},
		{`"note":[{"text":"患者曾自杀"}]`, true},
		{`"text":{"status":"generated","div":"<div>HIV 抗体阳性</div>"}`, true},
		{`"meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-Confidentiality","code":"R"}]}`, true},
		{`"contained":[{"resourceType":"Observation","status":"final","code":{"text":"结核菌素试验"}}]`, true},
		{`"evidence":[{"detail":[{"display":"T-SPOT"}]}]`, true},
		{`"code":{"coding":[{"system":"http://loinc.org","code":"80387-4","display":"CD4 计数"}]}`, true},
		{`"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/x","code":"F20","display":"HIV"}]}]`, false},
		{`"code":{"coding":[{"code":"I10.x00x002","display":"高血压"}]}`, false},
		{`"code":{"text":"archive of an interpretation"}`, false},
		{`"code":{"coding":[{"code":"FINAL"}]}`, false},
		{`"identifier":[{"system":"x","value":"HIV"}]`, false},
	} {
		id := fmt.Sprint("c", i)
		w.put(id, `{"resourceType":"Condition","id":"`+id+`","subject":{"reference":"Patient/p1"},`+x.member+`}`)
		r, err := w.read(record.Key{Type: "Condition", ID: id})
		if err != nil {
			t.Fatal(err)
		}
		var hidden bool
		w.tx(func(tx *db.Tx) (err error) {
			hidden, err = w.s.Hidden(t.Context(), tx, r, "o2", false)
			return err
		})
		if hidden != x.hidden {
			t.Errorf("%s: hidden %v", x.member, hidden)
		}
	}
}
