package insurance_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"yilian/internal/insurance"
	"yilian/internal/patient"
	"yilian/internal/policy"
	"yilian/internal/policy/policytest"
)

const day = "2026-03-02"

func TestEstimateFromTheTemplate(t *testing.T) {
	book, err := policy.Load(os.DirFS("testdata/profiles"))
	if err != nil {
		t.Fatal(err)
	}
	at := policy.Place{Regions: insurance.Regions("990102")}
	for _, r := range []struct {
		name  string
		kind  string
		level insurance.Level
		cost  int64
		want  int64 // -1: nothing is estimated
	}{
		{"5,000 yuan at the township", patient.Resident, insurance.Township, 500000, 15000 + 48500},
		{"5,000 yuan at the county", patient.Resident, insurance.County, 500000, 40000 + 115000},
		{"5,000 yuan in the city", patient.Resident, insurance.City, 500000, 80000 + 168000},
		{"medical aid goes by the resident's table", patient.MedicalAid, insurance.County, 500000, 155000},
		{"typical cost of the county", patient.Resident, insurance.County, 0, 40000 + 140000},
		{"no typical cost in the table", patient.Resident, insurance.City, 0, -1},
		{"below the deductible", patient.Resident, insurance.City, 79999, 79999},
		{"no table for employees", patient.UrbanEmployee, insurance.County, 500000, -1},
		{"who pays himself", patient.SelfPay, insurance.County, 500000, -1},
	} {
		s, err := insurance.Estimate(book, at, day, r.kind, r.level, r.cost)
		if r.want < 0 {
			if !errors.Is(err, insurance.ErrNoTable) {
				t.Errorf("%s: %+v, %v", r.name, s, err)
			}
			continue
		}
		if err != nil || s.OwnFen != r.want || s.Clause != "TPL-1" || s.Typical != (r.cost == 0) {
			t.Errorf("%s: %+v, %v, want %d", r.name, s, err, r.want)
		}
	}
	if _, err := insurance.Estimate(book, policy.Place{Regions: insurance.Regions("431102")}, day, patient.Resident, insurance.County, 500000); !errors.Is(err, insurance.ErrNoTable) {
		t.Errorf("another pool's table is not ours: %v", err)
	}
}

// The documents say that rates differ (GB-5.2a, JS-5.2a) and name none: with the
// shipped profiles nothing is estimated anywhere.
func TestNothingIsEstimatedWithoutATable(t *testing.T) {
	book := policytest.Shipped(t)
	for _, place := range []string{"431102", "411224", "320102", "410102"} {
		_, err := insurance.Estimate(book, policy.Place{Regions: insurance.Regions(place)}, day, patient.Resident, insurance.County, 500000)
		if !errors.Is(err, insurance.ErrNoTable) {
			t.Errorf("%s: %v", place, err)
		}
	}
}

func TestOwnShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cost := rapid.Int64Range(0, 100_000_000).Draw(t, "cost")
		deductible := rapid.Int64Range(0, 1_000_000).Draw(t, "deductible")
		percent := rapid.Int64Range(0, 100).Draw(t, "percent")
		own := insurance.Own(cost, deductible, percent)
		if own < 0 || own > cost || own < min(cost, deductible) {
			t.Fatalf("own %d of %d, deductible %d", own, cost, deductible)
		}
		if percent < 100 && insurance.Own(cost, deductible, percent+1) > own {
			t.Fatal("a better rate costs more")
		}
		if rest := cost - deductible; rest > 0 && (cost-own)*100 > rest*percent {
			t.Fatal("more is reimbursed than the rate allows")
		}
	})
}

func TestRegions(t *testing.T) {
	for place, want := range map[string][]string{
		"431102": {"431102", "4311", "43", "CN"}, "4311": {"4311", "43", "CN"}, "431102101": {"431102", "4311", "43", "CN"}, "": nil,
	} {
		if got := insurance.Regions(place); !slices.Equal(got, want) {
			t.Errorf("%s: %v", place, got)
		}
	}
}
