package record_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/record"
)

type world struct {
	*testing.T
	db *db.DB
	s  *record.Store
}

func each(t *testing.T, fn func(w world)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		fn(world{t, d, &record.Store{DB: d, Keys: crypto.Ephemeral(crypto.SM)}})
	})
}

func (w world) tx(fn func(tx *db.Tx) error) {
	w.Helper()
	if err := w.db.Tx(w.Context(), fn); err != nil {
		w.Fatal(err)
	}
}

func (w world) create(body string) (r record.Resource) {
	w.Helper()
	w.tx(func(tx *db.Tx) (err error) {
		r, err = w.s.Create(w.Context(), tx, record.Draft{Body: []byte(body), Source: record.Source{Org: "o1", Client: "c1"}})
		return err
	})
	return r
}

func (w world) update(d record.Draft) (r record.Resource, err error) {
	err = w.db.Tx(w.Context(), func(tx *db.Tx) (err error) {
		r, _, err = w.s.Update(w.Context(), tx, d)
		return err
	})
	return r, err
}

func (w world) read(key record.Key) (r record.Resource, err error) {
	err = w.db.View(w.Context(), func(tx *db.Tx) (err error) {
		r, err = w.s.Read(w.Context(), tx, key)
		return err
	})
	return r, err
}

const weight = `{ "resourceType": "Observation",
  "status":"final", "code":{"coding":[{"system":"http://loinc.org","code":"29463-7"}]},
  "subject":{"reference":"Patient/p1"}, "valueQuantity":{"value":70.00,"unit":"kg"} , "note":[{"text":"空 格 \u4e2d"}]}`

func TestWhatWasReceivedIsGivenBack(t *testing.T) {
	each(t, func(w world) {
		t := w.T
		r := w.create(weight)
		got, err := w.read(r.Key)
		if err != nil {
			t.Fatal(err)
		}
		stamp := fmt.Sprintf(`"id":"%s","meta":{"versionId":"1","lastUpdated":"2026-03-02T01:00:00.000Z"}`, r.ID)
		plain := strings.Replace(strings.ReplaceAll(strings.ReplaceAll(string(got.Body), "\n", ""), " ", ""), stamp+",", "", 1)
		if want := strings.ReplaceAll(strings.ReplaceAll(weight, "\n", ""), " ", ""); plain != want || !strings.Contains(string(got.Body), `"value":70.00,`) {
			t.Errorf("received\n%s\ngiven back\n%s", weight, got.Body)
		}
		if got.Source != (record.Source{Org: "o1", Client: "c1"}) || got.ETag() != `W/"1"` {
			t.Errorf("%s %q %+v %s", got.Key, got.Patient, got.Source, got.ETag())
		}
		raw := dbtest.View(t, w.db, func(tx *db.Tx) ([]byte, error) {
			return db.Get(t.Context(), tx, "", db.Value[[]byte], `SELECT body FROM record_version`)
		})
		if strings.Contains(string(raw), "29463-7") {
			t.Error("the body lies open in the database")
		}
	})
}

func TestLargeBodiesArePacked(t *testing.T) {
	each(t, func(w world) {
		t := w.T
		body := `{"resourceType":"Basic","code":{"text":"` + strings.Repeat("重复的内容", 5000) + `"}}`
		got, err := w.read(w.create(body).Key)
		if err != nil || !strings.Contains(string(got.Body), strings.Repeat("重复的内容", 5000)) {
			t.Fatalf("%d bytes, %v", len(got.Body), err)
		}
		size := dbtest.View(t, w.db, func(tx *db.Tx) (int64, error) {
			return db.Count(t.Context(), tx, `SELECT length(body) FROM record_version`)
		})
		if size > 4000 {
			t.Errorf("%d bytes stored", size)
		}
	})
}

func TestVersionsAndTheirEnd(t *testing.T) {
	each(t, func(w world) {
		t := w.T
		ctx := t.Context()
		r := w.create(weight)
		dbtest.SetClock(w.db, dbtest.Clock.Add(time.Minute))
		if _, err := w.update(record.Draft{Body: []byte(strings.Replace(weight, "70.00", "71.5", 1)), ID: r.ID, If: 7}); !errs.Is(err, errs.Conflict) || !as[*record.Stale](err) {
			t.Errorf("stale version: %v", err)
		}
		two, err := w.update(record.Draft{Body: []byte(strings.Replace(weight, "70.00", "71.5", 1)), ID: r.ID, If: 1})
		if err != nil || two.Version != 2 {
			t.Fatalf("%+v %v", two, err)
		}
		w.tx(func(tx *db.Tx) error {
			_, err := w.s.Delete(ctx, tx, r.Key, record.Source{Org: "o1"}, "", 0)
			return err
		})
		if _, err := w.read(r.Key); !errs.Is(err, errs.NotFound) || !as[*record.Gone](err) {
			t.Errorf("deleted: %v", err)
		}
		again, err := w.update(record.Draft{Body: []byte(weight), ID: r.ID})
		if err != nil || again.Version != 4 {
			t.Fatalf("revived: %+v %v", again, err)
		}
		h := dbtest.View(t, w.db, func(tx *db.Tx) (record.Versions, error) {
			return w.s.History(ctx, tx, record.HistoryQuery{Type: "Observation", ID: r.ID, Count: 3})
		})
		var got []string
		for _, v := range h.List {
			got = append(got, fmt.Sprint(v.Version, v.Method, v.Body != nil))
		}
		if fmt.Sprint(got) != "[4PUTtrue 3DELETEfalse 2PUTtrue]" || h.Next == "" {
			t.Errorf("history %v %q", got, h.Next)
		}
		one := dbtest.View(t, w.db, func(tx *db.Tx) (record.Resource, error) { return w.s.VRead(ctx, tx, r.Key, 1) })
		if !strings.Contains(string(one.Body), "70.00") {
			t.Errorf("version 1: %s", one.Body)
		}
		all := dbtest.View(t, w.db, func(tx *db.Tx) (record.Versions, error) {
			return w.s.History(ctx, tx, record.HistoryQuery{Count: 10, Since: dbtest.Clock.Add(time.Second)})
		})
		if len(all.List) != 3 {
			t.Errorf("%d versions since", len(all.List))
		}
	})
}

func TestAnInstanceIsWrittenByWhoeverMadeIt(t *testing.T) {
	each(t, func(w world) {
		t := w.T
		ctx := t.Context()
		received := w.create(weight)
		project := func(id string) (r record.Resource, err error) {
			err = w.db.Tx(ctx, func(tx *db.Tx) (err error) {
				r, err = w.s.Project(ctx, tx, "referral", []byte(`{"resourceType":"Observation","id":"`+id+`","status":"final"}`), "")
				return err
			})
			return r, err
		}
		if _, err := project(received.ID); !as[*record.NotOwner](err) {
			t.Errorf("a module wrote over what was received: %v", err)
		}
		own, err := project("own-1")
		if err != nil || own.Version != 1 {
			t.Fatalf("%+v %v", own, err)
		}
		if same, err := project("own-1"); err != nil || same.Version != 1 {
			t.Errorf("a projection that says nothing new made version %d, %v", same.Version, err)
		}
		if _, err := w.update(record.Draft{Body: []byte(weight), ID: "own-1"}); !as[*record.NotOwner](err) {
			t.Errorf("a system wrote over a module's instance: %v", err)
		}
	})
}

func TestWithdrawnIsReadInNoVersion(t *testing.T) {
	each(t, func(w world) {
		t := w.T
		ctx := t.Context()
		r := w.create(weight)
		w.tx(func(tx *db.Tx) error {
			_, err := w.s.Withdraw(ctx, tx, r.Key, record.Source{Org: "o1"})
			return err
		})
		var g *record.Gone
		if _, err := w.read(r.Key); !errors.As(err, &g) || !g.Withdrawn {
			t.Errorf("read: %v", err)
		}
		err := w.db.View(ctx, func(tx *db.Tx) error {
			_, err := w.s.VRead(ctx, tx, r.Key, 1)
			return err
		})
		if !as[*record.Gone](err) {
			t.Errorf("version 1: %v", err)
		}
		all := dbtest.View(t, w.db, func(tx *db.Tx) (record.Versions, error) {
			return w.s.History(ctx, tx, record.HistoryQuery{Type: "Observation", Count: 10})
		})
		if len(all.List) != 0 {
			t.Errorf("history of the type shows %+v", all.List)
		}
	})
}

func TestManyWritersOfOneResource(t *testing.T) {
	each(t, func(w world) {
		t := w.T
		r := w.create(weight)
		var wg sync.WaitGroup
		won := make(chan int64, 8)
		for range 8 {
			wg.Go(func() {
				r, err := w.update(record.Draft{Body: []byte(weight), ID: r.ID, If: 1})
				if err == nil {
					won <- r.Version
				} else if !errs.Is(err, errs.Conflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Errorf("%d writers of version 2", len(won))
		}
	})
}

func as[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
