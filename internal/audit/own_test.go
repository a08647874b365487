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
