package index_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
)

// Any sequence of linking, parting, messages and events: an event is shown to
// exactly the persons that its patient is one with; being one person is
// symmetric and transitive and follows from living decisions only; what a human
// has parted nothing but a human joins; and when everybody is parted, each
// patient has exactly what was its own.
func TestAnyOrderOfLinksPartsAndEvents(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		runs := 0
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; runs > 25 {
				return
			}
			r := &run{rt: rt, w: w, own: map[string][]string{}, n: runs}
			r.start()
			for range rapid.IntRange(3, 25).Draw(rt, "steps") {
				r.step()
			}
			r.check()
			for _, p := range r.ids {
				if err := w.Part(ctx, clerk, p, "逐一拆分"); err != nil && !errs.Is(err, errs.Conflict) {
					rt.Fatal(err)
				}
			}
			for _, p := range r.ids {
				if got := w.events(p); !slices.Equal(got, r.own[p]) {
					rt.Fatalf("%s alone shows %v, its own are %v", p, got, r.own[p])
				}
			}
		})
	})
}

type run struct {
	rt     *rapid.T
	w      *world
	n      int
	ids    []string
	own    map[string][]string // events by patient
	links  map[[2]string]bool  // the model of decisions: true one, false two
	events int
}

func (r *run) start() {
	r.links = map[[2]string]bool{}
	for i := range 5 {
		born := fmt.Sprintf("19%02d-0%d-1%d", 40+r.n%50, i+1, i)
		err := r.w.d.Tx(ctx, func(tx *db.Tx) error {
			id, err := r.w.Patients.EnterTx(ctx, tx, program, patient.Entry{Name: []string{"张桂兰", "李建国", "王秀英", "无名氏", "刘洋"}[i],
				Sex: patient.Female, BirthDate: "1950-01-01", Region: village})
			r.ids = append(r.ids, id)
			return err
		})
		if err != nil {
			r.rt.Fatal(born, err)
		}
	}
}

func key(a, b string) [2]string { return [2]string{min(a, b), max(a, b)} }

func (r *run) step() {
	a, b := rapid.SampledFrom(r.ids).Draw(r.rt, "a"), rapid.SampledFrom(r.ids).Draw(r.rt, "b")
	switch rapid.SampledFrom([]string{"event", "event", "link", "part", "model"}).Draw(r.rt, "act") {
	case "event":
		r.events++
		ref := fmt.Sprintf("e%03d-%03d", r.n, r.events)
		r.w.event(a, ref)
		r.own[a] = append(r.own[a], ref)
	case "link":
		if err := r.w.Link(ctx, clerk, a, b, "核对证件"); err == nil {
			r.join(a, b)
		} else if !errs.Is(err, errs.Conflict) && !errs.Is(err, errs.Invalid) {
			r.rt.Fatal(err)
		}
	case "part":
		group := r.group(a)
		if err := r.w.Part(ctx, clerk, a, "误合并"); (err == nil) != (len(group) > 1) {
			r.rt.Fatalf("part of %v: %v", group, err)
		}
		for _, o := range group {
			if o != a {
				r.links[key(a, o)] = false
			}
		}
	case "model":
		r.model(a, b)
	}
	r.check()
}

// model lets the program link, which must not overrule a human.
func (r *run) model(a, b string) {
	if a == b || slices.Contains(r.group(a), b) {
		return
	}
	parted := false
	for _, x := range r.group(a) {
		for _, y := range r.group(b) {
			same, decided := r.links[key(x, y)]
			parted = parted || decided && !same
		}
	}
	err := r.w.d.Tx(ctx, func(tx *db.Tx) error { return r.w.LinkTx(ctx, tx, program, a, b, index.ByModel, "系统比对") })
	if err != nil {
		r.rt.Fatal(err)
	}
	if !parted {
		r.join(a, b)
	}
}

func (r *run) join(a, b string) {
	all := append(r.group(a), r.group(b)...)
	for _, x := range all {
		for _, y := range all {
			if same, decided := r.links[key(x, y)]; decided && !same {
				delete(r.links, key(x, y))
			}
		}
	}
	r.links[key(a, b)] = true
}

// group is who a is one with, by the living decisions.
func (r *run) group(a string) []string {
	seen := map[string]bool{a: true}
	for grown := true; grown; {
		grown = false
		for k, same := range r.links {
			if same && seen[k[0]] != seen[k[1]] {
				seen[k[0]], seen[k[1]], grown = true, true, true
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}

func (r *run) check() {
	heads := map[string]bool{}
	for _, a := range r.ids {
		want := r.group(a)
		got := dbtest.View(r.w.t, r.w.d, func(tx *db.Tx) ([]string, error) { return access.SamePerson(ctx, tx, a) })
		slices.Sort(got)
		if !slices.Equal(got, want) {
			r.rt.Fatalf("%s is one with %v, decisions say %v", a, got, want)
		}
		var events []string
		for _, m := range want {
			events = append(events, r.own[m]...)
		}
		slices.Sort(events)
		if shown := r.w.events(a); !slices.Equal(shown, events) {
			r.rt.Fatalf("%s shows %v, want %v", a, shown, events)
		}
		p := dbtest.View(r.w.t, r.w.d, func(tx *db.Tx) (patient.Patient, error) { return r.w.Patients.Get(ctx, tx, a) })
		head := p.Resident
		if head == "" {
			head = a
		}
		if !slices.Contains(want, head) {
			r.rt.Fatalf("%s survives as %s, outside of its group", a, head)
		}
		heads[head] = true
	}
	groups := map[string]bool{}
	for _, a := range r.ids {
		groups[r.group(a)[0]] = true
	}
	if len(heads) != len(groups) {
		r.rt.Fatalf("%d surviving records of %d persons", len(heads), len(groups))
	}
}
