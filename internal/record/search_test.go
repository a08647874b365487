package record_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/errs"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
	"yilian/internal/record"
)

func (w world) search(kind, query string, o record.Options) (record.Page, error) {
	w.Helper()
	if o.Count == 0 {
		o.Count = 50
	}
	var page record.Page
	q, err := search.ParseQuery(kind, query, search.Options{Strict: true, Now: dbtest.Clock.UnixMilli()})
	if err != nil {
		return page, err
	}
	err = w.db.View(w.Context(), func(tx *db.Tx) error {
		page, err = w.s.Search(w.Context(), tx, *q, o)
		return err
	})
	return page, err
}

// ids runs a search and returns what it finds, in order.
func (w world) ids(kind, query string) string {
	w.Helper()
	page, err := w.search(kind, query, record.Options{})
	if err != nil {
		return err.Error()
	}
	var out []string
	for _, r := range page.List {
		out = append(out, r.ID)
	}
	return strings.Join(out, " ")
}

func (w world) put(id, body string) {
	w.Helper()
	if _, err := w.update(record.Draft{ID: id, Body: []byte(body)}); err != nil {
		w.Fatal(err)
	}
}

func (w world) people() {
	w.put("p1", `{"resourceType":"Patient","id":"p1","active":true,"name":[{"text":"张桂兰","family":"张","given":["桂兰"]}],"gender":"female","birthDate":"1958-03-12",
		"identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"system":"urn:his","value":"MR-00012345"}],
		"telecom":[{"system":"phone","value":"138 0013 8000"}],"generalPractitioner":[{"reference":"Practitioner/d1"}]}`)
	w.put("p2", `{"resourceType":"Patient","id":"p2","active":false,"name":[{"family":"Müller","given":["Ánna"]}],"gender":"male","birthDate":"1990"}`)
	w.put("d1", `{"resourceType":"Practitioner","id":"d1","name":[{"text":"李四"}]}`)
	for i, x := range []struct{ patient, code, date, value string }{
		{"p1", "29463-7", "2026-01-05", "70.5"}, {"p1", "8302-2", "2026-01-05T08:30:00+08:00", "160"},
		{"p1", "29463-7", "2026-02-10", "71"}, {"p2", "29463-7", "2026-02-11", "88"},
	} {
		id := fmt.Sprint("o", i+1)
		w.put(id, fmt.Sprintf(`{"resourceType":"Observation","id":"%s","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"%s","display":"Body Weight"}],"text":"体重测量"},
			"subject":{"reference":"Patient/%s"},"effectiveDateTime":"%s","valueQuantity":{"value":%s,"unit":"公斤","system":"http://unitsofmeasure.org","code":"kg"}}`, id, x.code, x.patient, x.date, x.value))
	}
	w.put("bp", `{"resourceType":"Observation","id":"bp","status":"preliminary","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"subject":{"reference":"Patient/p2"},
		"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":150,"code":"mm[Hg]","system":"http://unitsofmeasure.org"}},
		{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":90,"code":"mm[Hg]","system":"http://unitsofmeasure.org"}}]}`)
	w.put("loc", `{"resourceType":"Location","id":"loc","name":"零陵区人民医院","position":{"longitude":111.62,"latitude":26.22}}`)
}

// TestSearches is one row for each way of asking.
func TestSearches(t *testing.T) {
	each(t, func(w world) {
		w.people()
		for _, x := range []struct{ kind, query, want string }{
			{"Observation", "", "o1 o2 o3 o4 bp"},
			{"Observation", "patient=p1", "o1 o2 o3"},
			{"Observation", "subject=Patient/p1", "o1 o2 o3"},
			{"Observation", "patient=p1&code=29463-7", "o1 o3"},
			{"Observation", "patient=p1&code=http://loinc.org|29463-7,http://loinc.org|8302-2", "o1 o2 o3"},
			{"Observation", "code=http://snomed.info/sct|29463-7", ""},
			{"Observation", "code=|29463-7", ""},
			{"Observation", "code=http://loinc.org|", "o1 o2 o3 o4 bp"},
			{"Observation", "code:text=body", "o1 o2 o3 o4"},
			{"Observation", "code:text=重测", "o1 o2 o3 o4"},
			{"Observation", "status:not=final", "bp"},
			{"Observation", "patient=p1&status:not=final", ""},
			{"Observation", "date=2026-01-05", "o1 o2"},
			{"Observation", "date=ge2026-02", "o3 o4"},
			{"Observation", "date=lt2026-02-11&date=gt2026-01-31", "o3"},
			{"Observation", "patient=p1&date=sa2026-01-31", "o3"},
			{"Observation", "date:missing=true", "bp"},
			{"Observation", "date:missing=false", "o1 o2 o3 o4"},
			{"Observation", "value-quantity=70.5", "o1"},
			{"Observation", "value-quantity=gt70.5|http://unitsofmeasure.org|kg&patient=p1", "o2 o3"},
			{"Observation", "value-quantity=71||公斤", "o1 o3"}, // 71 stands for 70.5 to 71.5,
			{"Observation", "value-quantity=71||mg", ""},
			{"Observation", "component-code-value-quantity=http://loinc.org|8480-6$gt140", "bp"},
			{"Observation", "component-code-value-quantity=http://loinc.org|8462-4$gt140", ""},
			{"Observation", "code-value-quantity=29463-7$lt75", "o1 o3"},
			{"Observation", "code-value-quantity=29463-7$lt75&code-value-quantity=29463-7$gt70.8", "o3"},
			{"Observation", "code-value-quantity=29463-7$lt72&code-value-quantity=8302-2$gt100", ""},
			{"Observation", "code-value-quantity:missing=true", "bp"},
			{"Observation", "code-value-quantity:missing=false&patient=p1", "o1 o2 o3"},
			{"Observation", "combo-code=8480-6", "bp"},
			{"Observation", "combo-code=85354-9,8302-2", "o2 bp"},
			{"Observation", "patient=p2&combo-code=29463-7,8462-4", "o4 bp"},
			{"Observation", "combo-code:not=29463-7", "o2 bp"},
			{"Observation", "combo-code:text=body&patient=p2", "o4"},
			{"Observation", "combo-value-quantity=ge150", "o2 bp"},
			{"Observation", "combo-value-quantity:missing=true", ""},
			{"Observation", "combo-code-value-quantity=8462-4$lt100", "bp"},
			{"Observation", "combo-code-value-quantity=85354-9$lt100", ""}, // the value is of a component
			{"Observation", "patient=p1,p2&_sort=-combo-value-quantity", "o2 bp o4 o3 o1"},
			{"Observation", "subject:Patient.name=张", "o1 o2 o3"},
			{"Observation", "patient.name=zhang&code=8302-2", "o2"},
			{"Observation", "subject:Patient.name=nobody", ""},
			{"Observation", "patient.general-practitioner.name=李四", "o1 o2 o3"},
			{"Observation", "_id=o2,o3", "o2 o3"},
			{"Observation", "_id:missing=true", ""},
			{"Observation", "_lastUpdated=2026-03-02", "o1 o2 o3 o4 bp"},
			{"Observation", "_lastUpdated=lt2026-03-02", ""},
			{"Observation", "_sort=-date", "o4 o3 o1 o2 bp"}, // a day ends after an hour of it,
			{"Observation", "_sort=date,-_id", "o1 o2 o3 o4 bp"},
			{"Observation", "_sort=-_lastUpdated", "bp o4 o3 o2 o1"},
			{"Observation", "patient=p1&_sort=-value-quantity", "o2 o3 o1"},
			{"Patient", "name=张桂", "p1"},
			{"Patient", "name=zhangguilan", "p1"},
			{"Patient", "name=zgl", "p1"},
			{"Patient", "name:exact=zgl", ""},
			{"Patient", "family=muller", "p2"},
			{"Patient", "family:exact=muller", ""},
			{"Patient", "family:exact=Müller", "p2"},
			{"Patient", "name:contains=nn", "p2"},
			{"Patient", "name:contains=%25", ""},
			{"Patient", "identifier=urn:his|MR-00012345", "p1"},
			{"Patient", "identifier=mr00012345", "p1"},
			{"Patient", "identifier=urn:other|MR-00012345", ""},
			{"Patient", "identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|MR-00012345", "p1"},
			{"Patient", "phone=13800138000", "p1"},
			{"Patient", "active=true", "p1"},
			{"Patient", "birthdate=1990", "p2"},
			{"Patient", "birthdate=le1960", "p1"},
			{"Patient", "gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", "p1 p2"},
			{"Patient", "_has:Observation:patient:code=8302-2", "p1"},
			{"Patient", "_has:Observation:patient:code=85354-9", "p2"},
			{"Patient", "general-practitioner=Practitioner/d1", "p1"},
			{"Location", "near=26.22|111.62|5|km", "loc"},
			{"Location", "near=26.22|112.62|5|km", ""},
			{"Location", "name=零陵区", "loc"},
		} {
			if got := w.ids(x.kind, x.query); got != x.want {
				w.Errorf("%s?%s finds %q, want %q", x.kind, x.query, got, x.want)
			}
		}
	})
}

// TestIdentifiersAreNotKeptInClear looks for what was written in every row.
func TestIdentifiersAreNotKeptInClear(t *testing.T) {
	each(t, func(w world) {
		w.people()
		n := dbtest.View(w.T, w.db, func(tx *db.Tx) (int64, error) {
			return db.Count(w.Context(), tx, `SELECT count(*) FROM record_text WHERE value LIKE '%0001234%' OR value LIKE '%8000'`)
		})
		if n != 0 {
			w.Errorf("%d values hold a number in clear", n)
		}
	})
}

// TestPagesStandStill pages through results while resources are added, changed
// and deleted: nothing is shown twice, nothing that was there is left out.
func TestPagesStandStill(t *testing.T) {
	each(t, func(w world) {
		body := func(i int, status string) string {
			return fmt.Sprintf(`{"resourceType":"Observation","id":"n%02d","status":"%s","code":{"text":"x"},"subject":{"reference":"Patient/p%d"},"effectiveDateTime":"2026-01-%02d"}`, i, status, i%2, i%28+1)
		}
		for i := range 40 {
			w.put(fmt.Sprintf("n%02d", i), body(i, "final"))
		}
		for q, query := range []string{"status=final,amended", "patient=p1", "_sort=-date", "_sort=date", "", "_sort=_lastUpdated"} {
			var got []string
			after := ""
			for page := range 20 {
				p, err := w.search("Observation", query, record.Options{Count: 7, After: after})
				if err != nil {
					w.Fatal(err)
				}
				for _, r := range p.List {
					got = append(got, r.ID)
				}
				w.put(fmt.Sprintf("added.%d.%d", q, page), strings.Replace(body(7, "final"), `"id":"n07",`, "", 1))
				w.put("n03", body(3, "amended"))
				if after = p.Next; after == "" {
					break
				}
			}
			slices.Sort(got)
			if len(slices.Compact(slices.Clone(got))) != len(got) {
				w.Errorf("%q shows something twice: %v", query, got)
			}
			for i := range 40 {
				id := fmt.Sprintf("n%02d", i)
				if strings.HasPrefix(query, "patient") && i%2 == 0 || query == "_sort=_lastUpdated" && i == 3 {
					continue
				}
				if !slices.Contains(got, id) {
					w.Errorf("%q leaves out %s", query, id)
				}
			}
		}
	})
}

// TestASearchShowsNobodyElse: what the reader may not see is neither found nor
// counted, and does not answer chains.
func TestASearchShowsNobodyElse(t *testing.T) {
	each(t, func(w world) {
		w.people()
		only := func(_ context.Context, _ *db.Tx, patients []string) (map[string]access.Sight, error) {
			return map[string]access.Sight{"p2": access.SeesOpen}, nil
		}
		for query, want := range map[string]int{"": 2, "patient=p1": 0, "code=29463-7": 1, "patient=p2": 2, "subject:Patient.name=张": 0} {
			page, err := w.search("Observation", query, record.Options{For: &record.Reader{Sights: only}})
			if err != nil || len(page.List) != want || page.Total > want {
				w.Errorf("%q: %d found, total %d, want %d (%v)", query, len(page.List), page.Total, want, err)
			}
		}
	})
}

// TestLinkedPatientsAreOnePerson: a search by any record of a person finds what
// hangs on the others, and not after they were parted.
func TestLinkedPatientsAreOnePerson(t *testing.T) {
	each(t, func(w world) {
		ctx := w.Context()
		w.put("p0", `{"resourceType":"Patient","id":"p0"}`)
		w.people()
		same := func(groups ...[]string) {
			w.tx(func(tx *db.Tx) error { return access.SetSame(ctx, tx, groups...) })
		}
		same([]string{"p1", "p2"})
		if got := w.ids("Observation", "patient=p1&code=29463-7"); got != "o1 o3 o4" {
			w.Errorf("linked: %s", got)
		}
		same([]string{"p1"}, []string{"p2"})
		if got := w.ids("Observation", "patient=p1&code=29463-7"); got != "o1 o3" {
			w.Errorf("parted: %s", got)
		}
		w.tx(func(tx *db.Tx) error {
			n, err := w.s.Attach(ctx, tx, "p2", "p0")
			if n != 2 {
				w.Errorf("%d moved", n)
			}
			return err
		})
		if got := w.ids("Observation", "patient=p0"); got != "o4 bp" {
			w.Errorf("attached: %s", got)
		}
	})
}

func TestIncludes(t *testing.T) {
	each(t, func(w world) {
		w.people()
		ctx := w.Context()
		page, err := w.search("Observation", "_id=o1", record.Options{})
		if err != nil {
			w.Fatal(err)
		}
		err = w.db.View(ctx, func(tx *db.Tx) error {
			got, err := w.s.Included(ctx, tx, page.List, search.Include{Source: "Observation", Param: search.Lookup("Observation", "subject")}, record.Options{})
			if err != nil || len(got) != 1 || got[0].ID != "p1" {
				w.Errorf("included %v %v", got, err)
			}
			back, err := w.s.Including(ctx, tx, got, search.Include{Source: "Observation", Param: search.Lookup("Observation", "subject")}, 10, record.Options{})
			if err != nil || len(back) != 3 {
				w.Errorf("including %v %v", back, err)
			}
			all, err := w.s.Everything(ctx, tx, nil, "p1", nil, 0, "", 2)
			if err != nil || len(all.List) != 2 || all.Next == "" {
				w.Errorf("everything %v %v", all, err)
			}
			return err
		})
		if err != nil {
			w.Fatal(err)
		}
	})
}

// TestNumbersOfParametersDiffer: every parameter of R4 has a number of its own,
// so that no value of one is found by another.
func TestNumbersOfParametersDiffer(t *testing.T) {
	seen := map[int32]string{}
	for _, kind := range spec.ResourceTypes() {
		for _, p := range search.Params(kind) {
			names := []string{p.Code, p.Code + ":text", p.Code + ":of-type", p.Code + ":tail", p.Code + ":identifier"}
			for i := range p.Components {
				names = append(names, fmt.Sprint(p.Code, "#", i), fmt.Sprint(p.Code, "#", i, ":text"))
			}
			for _, name := range append(names, "_compartment") {
				n := record.ParamNumber(kind, name)
				full := kind + "." + name
				if was, ok := seen[n]; ok && was != full {
					t.Errorf("%s and %s share number %d", was, full, n)
				}
				seen[n] = full
			}
		}
	}
}

func TestACursorOfAnotherKindIsRefused(t *testing.T) {
	each(t, func(w world) {
		w.people()
		for _, after := range []string{"x", "e30", "eyJuIjoxLCJrIjpbImEiXX0"} {
			if _, err := w.search("Observation", "_sort=date", record.Options{After: after}); err != nil && !errs.Is(err, errs.Invalid) {
				w.Errorf("%q: %v", after, err)
			}
		}
	})
}
