package access_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/errs"
)

var update = flag.Bool("update", false, "write testdata/matrix.txt anew; read the difference before committing")

// TestMatrix spells out every cell of role × right × relation. A change of the
// rights table shows here as a line that a person has to read.
func TestMatrix(t *testing.T) {
	var b strings.Builder
	for _, right := range access.Rights() {
		for _, role := range append(access.Roles(), access.SystemClient) {
			var rel []string
			for _, r := range access.Relations() {
				if access.Allowed(role, right, r) {
					rel = append(rel, string(r))
				}
			}
			fmt.Fprintf(&b, "%-20s %-18s %s\n", right, role, cell(rel))
		}
	}
	const file = "testdata/matrix.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, old := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	if len(got) != len(old) {
		t.Fatalf("%d cells, the file has %d", len(got), len(old))
	}
	for i := range got {
		if got[i] != old[i] {
			t.Errorf("now:  %s\nfile: %s", got[i], old[i])
		}
	}
}

func cell(rel []string) string {
	if len(rel) == 0 {
		return "-"
	}
	return strings.Join(rel, " ")
}

func TestPowersAreSeparate(t *testing.T) {
	admins := []access.Role{access.SystemAdmin, access.SecurityAdmin, access.Auditor}
	for _, right := range access.Rights() {
		var holders []access.Role
		for _, a := range admins {
			if access.Has(a, right) {
				holders = append(holders, a)
			}
		}
		if len(holders) > 1 {
			t.Errorf("%s is held by %v: the three administrators have separate powers", right, holders)
		}
		clinical := strings.HasPrefix(string(right), "patient.") || strings.HasPrefix(string(right), "referral.")
		if clinical && len(holders) > 0 {
			t.Errorf("%v may %s: administrators see no patients", holders, right)
		}
		for _, rel := range access.Relations() {
			if rel != access.Self && access.Allowed(access.Resident, right, rel) {
				t.Errorf("a resident may %s standing %s", right, rel)
			}
		}
		for _, b := range []access.Role{access.BureauCounty, access.BureauCity, access.BureauProvince, access.Insurer} {
			if strings.HasPrefix(string(right), "patient.") && access.Has(b, right) {
				t.Errorf("%s may %s: bureaus see counts, not persons", b, right)
			}
		}
	}
}

func TestRequireSaysWhoLacksWhat(t *testing.T) {
	err := access.Require(access.Actor{Role: "village_doctor"}, access.AuditSearch, access.Any)
	if !errs.Is(err, errs.Forbidden) || !strings.Contains(err.Error(), "村医") {
		t.Fatal(err)
	}
	if err := access.Require(audit.Program("时限监测"), access.ReferralTriage, access.Own); err != nil {
		t.Fatal(err)
	}
	if err := access.Require(access.Actor{}, access.PatientSearch, access.Any); !errs.Is(err, errs.Forbidden) {
		t.Fatal("nobody may search patients")
	}
}
