package liaison_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"yilian/internal/errs"
	"yilian/internal/liaison"
	"yilian/internal/policy"
	"yilian/internal/policy/policytest"
)

func TestRuleBindsSanmenxiaAlone(t *testing.T) {
	book := policytest.Shipped(t)
	r, ok, err := liaison.For(book, policy.Place{Regions: []string{"411224", "4112", "41", "CN"}}, "2026-03-02")
	if err != nil || !ok || !r.Booked || !r.Department || !r.Person || r.CallDays != 7 || r.VisitDays != 60 || r.Clause != "SMX-4.4.3c" {
		t.Fatalf("%+v, %v, %v", r, ok, err)
	}
	if want := "县外转诊须提前预约、对接到科、落实到人（SMX-4.4.3c）"; r.Demand() != want {
		t.Errorf("got %s, want %s", r.Demand(), want)
	}
	if _, ok, err := liaison.For(book, policy.Place{Regions: []string{"431102", "4311", "43", "CN"}}, "2026-03-02"); ok || err != nil {
		t.Errorf("Lingling: %v, %v", ok, err)
	}
}

func TestBeyond(t *testing.T) {
	for _, r := range []struct {
		from, to string
		want     bool
	}{
		{"411224101", "411224", false}, {"411224101", "411224999001", false},
		{"411224101", "411202", true}, {"411224101", "4112", true}, {"411224", "41", true}, {"4112", "4112", false},
	} {
		if got := liaison.Beyond(r.from, r.to); got != r.want {
			t.Errorf("%s → %s: %v", r.from, r.to, got)
		}
	}
}

func TestCheck(t *testing.T) {
	now := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
	rule := liaison.Rule{Booked: true, Department: true, Person: true, CallDays: 7, VisitDays: 60, Clause: "SMX-4.4.3c"}
	good := liaison.Contact{Department: "心内科", Person: "赵主任", How: liaison.Phone, Phone: "03982201234", At: now.Add(-time.Hour), Visit: "2026-03-04", By: "唐医生"}
	with := func(change func(*liaison.Contact)) liaison.Contact { c := good; change(&c); return c }
	for _, r := range []struct {
		name string
		c    liaison.Contact
		want string
	}{
		{"complete call", good, ""},
		{"nothing", liaison.Contact{}, "contact_person"},
		{"no person", with(func(c *liaison.Contact) { c.Person = "" }), "contact_person"},
		{"no department", with(func(c *liaison.Contact) { c.Department = "" }), "target_service"},
		{"no number", with(func(c *liaison.Contact) { c.Phone = "" }), "contact_phone"},
		{"no time", with(func(c *liaison.Contact) { c.At = time.Time{} }), "contact_at"},
		{"a call to come", with(func(c *liaison.Contact) { c.At = now.Add(time.Minute) }), "contact_at"},
		{"a call of last month", with(func(c *liaison.Contact) { c.At = now.AddDate(0, -1, 0) }), "contact_at"},
		{"not booked", with(func(c *liaison.Contact) { c.Visit = "" }), "contact_visit"},
		{"booked for yesterday", with(func(c *liaison.Contact) { c.Visit = "2026-03-01" }), "contact_visit"},
		{"booked for 2099", with(func(c *liaison.Contact) { c.Visit = "2099-01-01" }), "contact_visit"},
		{"no way", with(func(c *liaison.Contact) { c.How = "" }), "contact_how"},
		{"an unknown way", with(func(c *liaison.Contact) { c.How = "telepathy" }), "contact_how"},
		{"advice that nobody gave", with(func(c *liaison.Contact) { c.How = liaison.Advice }), "contact_how"},
		{"advice", with(func(c *liaison.Contact) { c.How, c.Case, c.Phone = liaison.Advice, "ZX1", "" }), ""},
	} {
		var f errs.Form
		rule.Check(r.c, now, &f)
		fields := wrong(f.Err())
		switch {
		case r.want == "" && len(fields) > 0:
			t.Errorf("%s: %v", r.name, fields)
		case r.want != "" && !slices.ContainsFunc(fields, func(f errs.Field) bool { return f.Name == r.want }):
			t.Errorf("%s: %v, want %s", r.name, fields, r.want)
		}
	}
}

func wrong(err error) []errs.Field {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.Fields
	}
	return nil
}
