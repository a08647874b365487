package linkage

import (
	"fmt"
	"testing"

	"yilian/internal/patient/match"
)

// Targets of issue 4, item 7 (row C3).
const (
	wantPrecision = 0.995
	wantRecall    = 0.97
)

func (s Score) meets(t *testing.T, what string) {
	t.Helper()
	t.Logf("%s: precision %.4f, recall %.4f, review %d of %d, %+v", what, s.Precision(), s.Recall(), s.Review, s.Stated, s)
	if s.Precision() < wantPrecision || s.Recall() < wantRecall {
		t.Errorf("%s: precision %.4f, recall %.4f", what, s.Precision(), s.Recall())
	}
}

func TestFebrl(t *testing.T) {
	for _, set := range []int{1, 2} {
		s, err := MeasureFebrl(set)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[int]int{1: 500, 2: 1934}[set]; s.True != want {
			t.Errorf("FEBRL %d has %d true pairs, %d are documented", set, s.True, want)
		}
		s.meets(t, fmt.Sprintf("FEBRL %d", set))
	}
}

// The shipped weights on invented residents they have not learnt from, twins
// and namesakes of one village among them.
func TestChineseResidents(t *testing.T) {
	w, err := match.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	set := NewSet(7, 5000, 4000, "2026-11-27")
	s := Measure(w, set, nil)
	s.meets(t, "Chinese")
	if s.Review*200 > s.Stated { // row C5: 0.5 %
		t.Errorf("%d of %d statements need a human", s.Review, s.Stated)
	}
	if s.Stated-s.True < 500 {
		t.Errorf("only %d statements are of persons who are not registered", s.Stated-s.True)
	}
}

// In a register several times the size of that of the weights, names have many
// more bearers and statements many more candidates; neither leaves more to a
// human.
func TestALargeRegister(t *testing.T) {
	w, err := match.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	s := Measure(w, NewSet(13, 300_000, 1000, "2026-11-27"), nil)
	s.meets(t, "300,000")
	if s.Review*200 > s.Stated*3 {
		t.Errorf("%d of %d statements need a human", s.Review, s.Stated)
	}
}

// What the model learns without answers is what the truth says: the name of the
// same person differs seldom, a stranger's mostly.
func TestLearningNeedsNoAnswers(t *testing.T) {
	set := NewSet(3, 3000, 2500, "2026-11-27")
	w := Learn(set, limits, "test")
	s := Measure(w, set, nil)
	s.meets(t, "learnt")
	m := w.Model
	for _, f := range []int{match.FieldName, match.FieldBirth, match.FieldID, match.FieldPhone} {
		if m.P[0][f][0] < 0.5 || m.P[2][f][0] > m.P[0][f][0] {
			t.Errorf("%s: agreement %.3f in one person, %.3f in strangers", m.Fields[f].Name, m.P[0][f][0], m.P[2][f][0])
		}
	}
}
