package grid

import (
	"fmt"
	"testing"

	"yilian/internal/policy"
	"yilian/internal/policy/policytest"
)

// SMX-4.1.1: as a rule one to three communities a county: outside it a warning
// with the clause, never a refusal; where no document says a number, none.
func TestNumberOfCommunities(t *testing.T) {
	s := &Service{Policy: policytest.Shipped(t)}
	for _, x := range []struct {
		regions []string
		n       int
		warned  bool
	}{
		{[]string{"411224", "4112", "41", "CN"}, 0, true},
		{[]string{"411224", "4112", "41", "CN"}, 1, false},
		{[]string{"411224", "4112", "41", "CN"}, 3, false},
		{[]string{"411224", "4112", "41", "CN"}, 4, true},
		{[]string{"431102", "4311", "43", "CN"}, 4, false},
	} {
		limits, err := s.limits(policy.Place{Regions: x.regions}, "2019-09-01")
		if err != nil {
			t.Fatal(err)
		}
		var l Layout
		for i := range x.n {
			l.Cells = append(l.Cells, Cell{ID: fmt.Sprint(i), Alliance: fmt.Sprint("a", i)})
		}
		found := checkNumber(l, limits)
		if (len(found) == 1) != x.warned {
			t.Errorf("%s with %d: %+v", x.regions[0], x.n, found)
		}
		for _, f := range found {
			if !f.Warning || f.Clause != "SMX-4.1.1" || !(Coverage{Findings: found}).Complete() {
				t.Errorf("%s with %d is refused: %+v", x.regions[0], x.n, f)
			}
		}
	}
}
