package audit

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"yilian/internal/db"
	"yilian/internal/db/dbtest"
)

// TestAnInstitutionAsksForItsOwn: leaves of its people and clients, of any of a
// person's records, page by page while leaves of the same moment come in.
func TestAnInstitutionAsksForItsOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		l := newLog(d)
		other, resident := doctor, doctor
		other.Org, resident.Patient = "org-2", "p-1"
		do := func(fn func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Tx(ctx, fn); err != nil {
				t.Fatal(err)
			}
		}
		put := func(id string, a Actor, action, object, objectID, patient string) {
			t.Helper()
			do(func(tx *db.Tx) error {
				return l.Append(ctx, tx, Leaf{ID: id, Actor: a, Action: action, Object: object, ObjectID: objectID, Patient: patient})
			})
		}
		put("a", doctor, "patient.read", "patient", "p-1", "p-1")
		put("b", doctor, "index.link", "patient", "p-2", "")
		put("c", other, "patient.read", "patient", "p-1", "p-1")
		put("d", resident, "patient.read", "patient", "p-1", "p-1")
		put("e", Program("jobs"), "patient.read", "patient", "p-1", "p-1")
		put("f", doctor, "roster.void_exception", "roster", "o-1", "")
		put("g", doctor, "read", "roster", "o-1", "")
		do(func(tx *db.Tx) error {
			_, err := tx.Exec(ctx, `INSERT INTO same_person (patient, other) VALUES ($1, $2)`, "p-1", "p-2")
			return err
		})
		ask := func(q Question) string {
			t.Helper()
			q.Org = "org-1"
			if q.Limit == 0 {
				q.Limit = 100
			}
			var ids []string
			var n int64
			if err := d.View(ctx, func(tx *db.Tx) error {
				list, err := Ask(ctx, tx, q)
				for _, f := range list {
					ids = append(ids, f.ID)
				}
				if err == nil {
					n, err = Count(ctx, tx, q)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if q.After.ID == "" && q.Limit == 100 && n != int64(len(ids)) {
				t.Errorf("%+v counts %d, finds %d", q, n, len(ids))
			}
			return strings.Join(ids, " ")
		}
		for _, c := range []struct {
			q    Question
			want string
		}{
			{Question{}, "g f b a"},
			{Question{Patient: "p-1"}, "b a"},
			{Question{Patient: "p-2"}, "b"},
			{Question{IDs: []string{"a", "c", "d", "x"}}, "a"},
			{Question{ObjectID: "o-1"}, "g f"},
			{Question{Account: "acc-1"}, "g f b a"},
			{Question{Account: "acc-1", Patient: "p-1", IDs: []string{"b", "f"}}, "b"},
			{Question{Account: "acc-2"}, ""},
			{Question{Object: "Patient", Alias: "patient", ObjectID: "p-2"}, "b"},
			{Question{Verbs: []string{"read"}}, "g a"},
			{Question{Verbs: []string{"void_exception", "link"}}, "f b"},
			{Question{NotVerbs: []string{"read", "link"}}, "f"},
			{Question{From: dbtest.Clock.Add(time.Millisecond)}, ""},
			{Question{To: dbtest.Clock}, ""},
			{Question{From: dbtest.Clock, To: dbtest.Clock.Add(time.Millisecond)}, "g f b a"},
		} {
			if got := ask(c.q); got != c.want {
				t.Errorf("%+v finds %q, want %q", c.q, got, c.want)
			}
		}
		var all []string
		for at, i := (Place{}), 0; i < 5; i++ {
			id := ask(Question{Limit: 1, After: at})
			if id == "" {
				break
			}
			all = append(all, id)
			at = Place{dbtest.Clock, id}
			put(fmt.Sprintf("new-%d", i), doctor, "patient.read", "patient", "p-1", "p-1")
		}
		if got := strings.Join(all, " "); got != "g f b a" {
			t.Errorf("pages show %s", got)
		}
	})
}

// TestAQuestionBeginsWithItsNarrowestCondition: what names a person, a thing, an
// account or leaves does not walk the log of the institution.
func TestAQuestionBeginsWithItsNarrowestCondition(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if d.Engine() != db.SQLite {
			return // PostgreSQL plans by what the table holds
		}
		args := append(Question{Org: "o"}.args(), 1, "", 50)
		two := []string{"a", "b"}
		byPatient, ofPatient := db.Expand(ownByPatient, args, two)
		byID, ofIDs := db.Expand(ownByID, args, two)
		for _, c := range []struct {
			query string
			args  []any
			want  []string
		}{
			{ownSearch, args, []string{"audit_leaf_org"}},
			{byPatient, ofPatient, []string{"audit_leaf_patient", "audit_leaf_object"}},
			{ownByObject, args, []string{"audit_leaf_object"}},
			{ownByAccount, args, []string{"audit_leaf_account"}},
			{byID, ofIDs, []string{"sqlite_autoindex_audit_leaf_1"}},
		} {
			if err := d.View(ctx, func(tx *db.Tx) error {
				steps, err := db.List(ctx, tx, func(scan db.Scan) (step string, err error) {
					var id, parent, unused int64
					return step, scan(&id, &parent, &unused, &step)
				}, `EXPLAIN QUERY PLAN `+c.query, c.args...)
				var used []string
				for _, s := range steps {
					if _, index, ok := strings.Cut(s, "SEARCH audit_leaf USING INDEX "); ok {
						used = append(used, strings.Fields(index)[0])
					}
					if strings.HasPrefix(s, "SCAN audit_leaf") {
						t.Errorf("%s", s)
					}
				}
				if got, want := strings.Join(used, " "), strings.Join(c.want, " "); got != want {
					t.Errorf("uses %q, want %q: %q", got, want, steps)
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
	})
}
