package record_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/jobs"
	"yilian/internal/record"
)

// things is a module with things that have a name; "none" is not told.
type things struct {
	names map[string]string
	asked []string
}

func (m *things) projector(version int) record.Projector {
	return record.Projector{Kind: "thing", Version: version,
		Render: func(_ context.Context, _ *db.Tx, id string) ([]record.Projection, error) {
			m.asked = append(m.asked, id)
			if m.names[id] == "" {
				return nil, nil
			}
			return []record.Projection{{Body: fmt.Appendf(nil, `{"resourceType":"Basic","id":%q,"code":{"text":%q}}`, id, m.names[id])}}, nil
		},
		After: func(_ context.Context, _ *db.Tx, after string, limit int) (ids []string, err error) {
			for id := range m.names {
				if id > after {
					ids = append(ids, id)
				}
			}
			slices.Sort(ids)
			return ids[:min(limit, len(ids))], nil
		}}
}

// What is touched is projected in the same transaction, once; what was there
// before by jobs, in parts; what says nothing new makes no version.
func TestProjectionFollowsWhatIsTouched(t *testing.T) {
	each(t, func(w world) {
		m := &things{names: map[string]string{}}
		for i := range 95 {
			m.names[fmt.Sprintf("t%03d", i)] = "old"
		}
		q := jobs.New(w.db)
		w.s.Projectors = []record.Projector{m.projector(1)}
		w.s.Follow(q)
		w.db.Touched = w.s.Settle
		version := func(id string) int64 {
			r, err := w.read(record.Key{Type: "Basic", ID: id})
			if err != nil {
				return 0
			}
			return r.Version
		}
		touch := func(id, name string) {
			w.tx(func(tx *db.Tx) error {
				tx.Touch("thing", id)
				tx.Touch("stranger", id)
				m.names[id] = name // what is touched may change until the end
				tx.Touch("thing", id)
				return nil
			})
		}
		touch("t000", "before")
		if len(m.asked) != 0 {
			t.Fatal("projected before it has begun")
		}
		if err := w.s.Begin(w.Context(), q); err != nil {
			t.Fatal(err)
		}
		touch("t050", "live")
		if version("t050") != 1 || len(m.asked) != 1 || version("t000") != 0 {
			t.Errorf("t050 at %d, asked %v", version("t050"), m.asked)
		}
		undo := fmt.Errorf("undo")
		if err := w.db.Tx(w.Context(), func(tx *db.Tx) error { tx.Touch("thing", "t051"); return undo }); err == nil || version("t051") != 0 {
			t.Error("projected although undone")
		}
		if err := q.Drain(w.Context()); err != nil {
			t.Fatal(err)
		}
		for id := range m.names {
			if version(id) != 1 {
				t.Errorf("%s at version %d after the back-fill", id, version(id))
			}
		}
		w.tx(func(tx *db.Tx) error {
			p, err := record.Filled(w.Context(), tx)
			if len(p) != 1 || !p[0].Done {
				t.Errorf("%+v", p)
			}
			return err
		})
		touch("t050", "live")
		touch("t050", "later")
		if version("t050") != 2 {
			t.Errorf("t050 at version %d", version("t050"))
		}
		asked := len(m.asked)
		if err := w.s.Begin(w.Context(), q); err != nil || q.Drain(w.Context()) != nil || len(m.asked) != asked {
			t.Errorf("begun again: %v, %d asked", err, len(m.asked)-asked)
		}
		w.s.Projectors = []record.Projector{m.projector(2)}
		if err := w.s.Begin(w.Context(), q); err != nil || q.Drain(w.Context()) != nil || len(m.asked) != asked+95 {
			t.Errorf("a new version of the projector: %v, %d asked", err, len(m.asked)-asked)
		}
	})
}

// After a change of keys the record is sealed and indexed anew, and the old key
// is needed no more for it; what has no reference keeps its patient.
func TestResealBringsTheRecordUnderTheNewKey(t *testing.T) {
	each(t, func(w world) {
		path := t.TempDir() + "/keys"
		keys, err := crypto.Create(path, crypto.SM)
		if err != nil {
			t.Fatal(err)
		}
		w.s.Keys = keys
		w.create(`{"resourceType":"Patient","identifier":[{"system":"urn:x","value":"8801"}]}`)
		w.tx(func(tx *db.Tx) error {
			_, err := w.s.Create(w.Context(), tx, record.Draft{Body: []byte(`{"resourceType":"Binary","contentType":"text/plain"}`), ID: "b1", Patient: "p1"})
			return err
		})
		if err := keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		total, after := 0, int64(0)
		for {
			next, n, err := w.s.Reseal(w.Context(), after, 1)
			if err != nil {
				t.Fatal(err)
			}
			if total += n; next == 0 {
				break
			}
			after = next
		}
		if total != 2 {
			t.Errorf("%d resources were sealed again", total)
		}
		if _, n, err := w.s.Reseal(w.Context(), 0, 10); err != nil || n != 0 {
			t.Errorf("again: %d %v", n, err)
		}
		if r, err := w.read(record.Key{Type: "Binary", ID: "b1"}); err != nil || r.Patient != "p1" || !strings.Contains(string(r.Body), "text/plain") {
			t.Errorf("%+v %v", r, err)
		}
		w.tx(func(tx *db.Tx) error {
			n, err := db.Count(w.Context(), tx, `SELECT count(*) FROM record_text WHERE value = $1`, keys.Index("record.identifier", "8801"))
			if n != 1 {
				t.Errorf("%d values under the new key", n)
			}
			return err
		})
	})
}
