package firstvisit_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"yilian/internal/errs"
	"yilian/internal/firstvisit"
	"yilian/internal/policy"
	"yilian/internal/policy/policytest"
	"yilian/internal/terminology"
)

const day = "2026-03-02"

var (
	sanmenxia = policy.Place{Regions: []string{"411224", "4112", "41", "CN"}, Kind: "county_community"}
	lingling  = policy.Place{Regions: []string{"431102", "4311", "43", "CN"}, Kind: "general_practice_alliance"}
)

func shipped(t testing.TB) *policy.Book {
	t.Helper()
	b := policytest.Shipped(t)
	return b
}

// SMX-4.4.3b: not fewer than 100 diseases for the county, 50 for the township,
// each one a code of the insurance edition; in Lingling no list is in force.
func TestListsInForce(t *testing.T) {
	book := shipped(t)
	for _, r := range []struct {
		level   firstvisit.Level
		minimum int64
	}{{firstvisit.Township, 50}, {firstvisit.County, 100}} {
		if _, ok, err := firstvisit.InForce(book, r.level, lingling, day); ok || err != nil {
			t.Errorf("%s in Lingling: %v, %v", r.level, ok, err)
		}
		l, ok, err := firstvisit.InForce(book, r.level, sanmenxia, day)
		if !ok || err != nil {
			t.Fatalf("%s in Sanmenxia: %v, %v", r.level, ok, err)
		}
		if l.Minimum != r.minimum || int64(len(l.Entries)) < l.Minimum {
			t.Errorf("%s: %d entries, the clause asks for %d", r.level, len(l.Entries), l.Minimum)
		}
		if l.Asked.Clause != "SMX-4.4.3b" || !l.Starter {
			t.Errorf("%s: clause %s, starter %v", r.level, l.Asked.Clause, l.Starter)
		}
		seen := map[string]bool{}
		for _, e := range l.Entries {
			if e.Title == "" || len(e.Prefixes) == 0 || seen[e.Code] {
				t.Errorf("%s: entry %+v", r.level, e)
			}
			seen[e.Code] = true
			for _, p := range e.Prefixes {
				if !terminology.HasPrefix(p) {
					t.Errorf("%s %s: no code begins with %s", r.level, e.Title, p)
				}
			}
		}
	}
	for _, id := range []string{"BASE-firstvisit-township", "BASE-firstvisit-county", "BASE-firstvisit-override"} {
		c, _, ok := book.Clause(id)
		if !ok || !c.Starter || c.Source == "" {
			t.Errorf("%s is not marked as a starter list with its source: %+v", id, c)
		}
	}
}

// Which list a referral passes by: tiers 1 village, 2 township, 3 county, 4 city.
func TestFind(t *testing.T) {
	book := shipped(t)
	for _, r := range []struct {
		name      string
		at        policy.Place
		diagnosis string
		from, to  int
		want      string // level:entry
	}{
		{"township to county, township list", sanmenxia, "J00.x00", 2, 3, "township:t_j00"},
		{"village past its township", sanmenxia, "J00.x00", 1, 3, "township:t_j00"},
		{"village to its township passes nothing by", sanmenxia, "J00.x00", 1, 2, ""},
		{"township to county, county disease", sanmenxia, "K35.900", 2, 3, ""},
		{"township to city, county disease", sanmenxia, "K35.900", 2, 4, "county:c_k35"},
		{"township to city, the lowest level first", sanmenxia, "N40.x00", 2, 4, "township:t_n40"},
		{"county to city", sanmenxia, "K35.900", 3, 4, "county:c_k35"},
		{"county to county", sanmenxia, "K35.900", 3, 3, ""},
		{"no list has it", sanmenxia, "I21.900", 2, 4, ""},
		{"Lingling asks for no lists", lingling, "J00.x00", 2, 4, ""},
	} {
		got := ""
		c, err := firstvisit.Find(book, r.at, day, r.diagnosis, r.from, r.to)
		if err != nil {
			t.Fatal(err)
		}
		if c != nil {
			got = string(c.Level) + ":" + c.Entry.Code
		}
		if got != r.want {
			t.Errorf("%s: got %q, want %q", r.name, got, r.want)
		}
	}
}

func TestSettle(t *testing.T) {
	book := shipped(t)
	c, err := firstvisit.Find(book, sanmenxia, day, "J00.x00", 2, 3)
	if err != nil || c == nil {
		t.Fatal(c, err)
	}
	reasons, err := firstvisit.Reasons(book, sanmenxia, day)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		name  string
		given *firstvisit.Override
		want  string // field that is wrong
	}{
		{"nothing said", nil, "first_visit_reason"},
		{"an unknown reason", &firstvisit.Override{Reason: "because"}, "first_visit_reason"},
		{"other without words", &firstvisit.Override{Reason: "other", Comment: "  "}, "first_visit_comment"},
		{"other with words", &firstvisit.Override{Reason: "other", Comment: "妊娠 30 周"}, ""},
		{"a coded reason", &firstvisit.Override{Reason: "ineffective"}, ""},
	} {
		var f errs.Form
		got := firstvisit.Settle(c, r.given, reasons, &f)
		fields := wrong(f.Err())
		if r.want == "" {
			if len(fields) > 0 || got.ReasonTitle == "" || got.Clause != "SMX-4.4.3b" || !strings.Contains(got.Text(), "急性鼻咽炎") {
				t.Errorf("%s: %+v, %v", r.name, got, fields)
			}
			continue
		}
		if !slices.ContainsFunc(fields, func(f errs.Field) bool { return f.Name == r.want }) {
			t.Errorf("%s: %v, want %s", r.name, fields, r.want)
		}
	}
	if firstvisit.Settle(nil, &firstvisit.Override{Reason: "other"}, reasons, &errs.Form{}) != nil {
		t.Error("without a criterion there is nothing to override")
	}
}

func wrong(err error) []errs.Field {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.Fields
	}
	return nil
}
