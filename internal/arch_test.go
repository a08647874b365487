// Package internal_test holds the rules that no single package can hold:
// which package may import which, and that every statement runs on both
// engines.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const prefix = "yilian/internal/"

// ranks lists the packages, lowest first: a package may import packages of a
// lower line only (docs/design.md, section 2). Moving a name is a decision
// about the house: write an ADR.
var ranks = [][]string{
	// 0 platform
	{"errs"},
	{"idcard", "pinyin", "smart", "exchange/hl7"},
	{"exchange/hl7/hl7test", "exchange/table", "exchange/cda", "patient/match"},
	{"db", "crypto", "fhir/json"},
	{"db/dbtest"},
	{"jobs", "web", "fhir/spec", "fhir/spec/generate"},
	{"fhir/search"},
	{"fhir/valid"},
	{"web/webtest"},
	// 1 kernel
	{"calendar", "audit"},
	{"policy"},
	{"policy/policytest"},
	{"access"},
	{"flow", "web/facetest"},
	{"flow/flowweb"},
	{"policy/library"},
	// 2 registers
	{"record", "region", "terminology"},
	{"organization"},
	{"organization/organizationtest"},
	{"practitioner", "patient"},
	{"account", "message", "encounter"},
	{"patient/index"},
	{"bulk"},
	{"subscription"},
	{"disclosure"},
	// 3 alliance
	{"exemption"},
	{"alliance", "grid/partition"},
	{"alliance/participation"},
	{"alliance/alliancetest", "grid"},
	{"charter", "governance", "grid/report"},
	{"steering"},
	{"filing"},
	{"filing/filingtest"},
	// 4 care
	{"contract", "consent", "rescue", "schedule", "calls", "firstvisit", "liaison", "insurance", "reminder"},
	{"referral", "attribution"},
	{"consult"},
	{"chart"},
	{"visit"},
	{"referral/phoned"},
	{"exchange", "people", "referral/referralcount", "referral/ledger", "certificate"},
	{"projection"},
	{"referral/referraltest", "referral/baseline"},
	{"linkage"},
	{"consult/consulttest"},
	// 7 faces
	{"audit/auditweb", "jobs/jobsweb", "calendar/calendarweb", "policy/policyweb",
		"organization/organizationweb", "practitioner/practitionerweb", "alliance/allianceweb", "filing/filingweb",
		"patient/patientweb", "patient/indexweb", "contract/contractweb", "account/accountweb", "message/messageweb",
		"referral/referralweb", "referral/ledgerweb", "referral/countweb", "calls/callsweb", "certificate/certificateweb", "consult/consultweb", "schedule/scheduleweb",
		"referral/phonedweb",
		"steering/steeringweb",
		"grid/gridweb", "alliance/participation/participationweb", "exchange/exchangeweb"},
	{"chart/chartweb"},
	{"visit/visitweb"},
	{"disclosure/disclosureweb"},
	{"fhirapi/auditevent"},
	{"fhirapi"},
	{"fhirapi/fhirbench"},
	{"home"},
	// 8 wiring
	{"app"},
	{"simulate"},
}

// onlyIn lists imports that belong to some packages and no others.
var onlyIn = map[string]func(pkg string) bool{
	"net/http": func(p string) bool {
		return p == "web" || p == "web/webtest" || p == "web/facetest" || p == "home" || p == "app" || p == "fhirapi" || p == "subscription" || p == "fhirapi/fhirbench" || strings.HasSuffix(p, "web")
	},
	"database/sql": func(p string) bool { return p == "db" || p == "db/dbtest" },
	"os/exec":      func(p string) bool { return p == "db" },
}

func TestImportsGoDownOnly(t *testing.T) {
	rank := map[string]int{}
	for i, pkgs := range ranks {
		for _, p := range pkgs {
			rank[p] = i
		}
	}
	seen := map[string]bool{}
	walkGo(t, func(file, pkg string) {
		seen[pkg] = true
		r, ok := rank[pkg]
		if !ok {
			t.Errorf("%s: package has no rank; add it to ranks", pkg)
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			imp, _ := strconv.Unquote(spec.Path.Value)
			if allowed := onlyIn[imp]; allowed != nil && !allowed(pkg) {
				t.Errorf("%s imports %s", file, imp)
			}
			to, ok := strings.CutPrefix(imp, prefix)
			if ok && rank[to] >= r {
				t.Errorf("%s (rank %d) imports %s (rank %d)", file, r, to, rank[to])
			}
		}
	})
	for p := range rank {
		if !seen[p] {
			t.Errorf("rank names %s, which does not exist", p)
		}
	}
}

// walkGo calls fn for each Go file of the program under internal, tests left
// out, with the package's path below internal.
func walkGo(t *testing.T, fn func(file, pkg string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "testdata" {
			return fs.SkipDir
		}
		pkg := path.Dir(filepath.ToSlash(file))
		if strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") && pkg != "." {
			fn(file, pkg)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
