package linkage

import (
	"maps"
	"math"
	"slices"

	"yilian/internal/patient/match"
)

// Score is how well decisions meet the truth.
type Score struct {
	Stated    int // statements, or true pairs for FEBRL
	True      int // of persons who are registered
	Right     int // linked to the right one without a human
	Wrong     int // linked to another
	Review    int // left to a human
	Asked     int // of these: the right one stands first
	Conflicts int // a card of one with the name of another
}

// Precision is the share of right links among links.
func (s Score) Precision() float64 {
	if s.Right+s.Wrong == 0 {
		return 0
	}
	return float64(s.Right) / float64(s.Right+s.Wrong)
}

// Recall is the share of registered persons that were linked without a human.
func (s Score) Recall() float64 {
	if s.True == 0 {
		return 0
	}
	return float64(s.Right) / float64(s.True)
}

// blocks is the index of a register in memory, with the keys that the database
// has (patient.Service.Candidates).
type blocks struct {
	list    []match.Prepared
	by      map[string][]int32
	bearers map[string]int
}

// blockLimit is what a key may bring at most, as in the database.
const blockLimit = 400

func newBlocks(residents []match.Person) *blocks {
	b := &blocks{by: map[string][]int32{}, bearers: map[string]int{}}
	for _, p := range residents {
		b.bearers[p.Name]++
	}
	for i, p := range residents {
		q := match.Prepare(p)
		b.list = append(b.list, q)
		for _, k := range keysOf(q) {
			if len(b.by[k]) < blockLimit {
				b.by[k] = append(b.by[k], int32(i))
			}
		}
	}
	return b
}

func keysOf(p match.Prepared) []string {
	var out []string
	if p.ID != "" {
		out = append(out, "i"+p.ID, "t"+p.ID[max(0, len(p.ID)-4):])
	}
	if p.Phone != "" {
		out = append(out, "p"+p.Phone)
	}
	if len(p.Birth) == 10 {
		out = append(out, "b"+p.Birth)
	}
	sound := match.Sound(p.Name)
	if sound != "" && len(p.Birth) >= 4 {
		out = append(out, "y"+p.Birth[:4]+sound)
	}
	if sound != "" && len(p.Region) >= 9 {
		out = append(out, "v"+p.Region[:9]+sound)
	}
	return out
}

// candidates returns the residents that share a key, and the statement ready.
func (b *blocks) candidates(s match.Person) (match.Prepared, []int32, []match.Prepared) {
	s.Bearers = match.Bearers{N: b.bearers[s.Name], Among: len(b.list)}
	q := match.Prepare(s)
	found := map[int32]bool{}
	for _, k := range keysOf(q) {
		for _, i := range b.by[k] {
			found[i] = true
		}
	}
	ids := slices.Sorted(maps.Keys(found))
	list := make([]match.Prepared, len(ids))
	for i, id := range ids {
		list[i] = b.list[id]
	}
	return q, ids, list
}

// Patterns counts how the statements of a set compare with their candidates:
// what the model learns from. The truth is not looked at. each is how many
// candidates a statement has on average.
func Patterns(s Set) (counts map[match.Pattern]int, each float64) {
	b := newBlocks(s.Residents)
	counts = map[match.Pattern]int{}
	total := 0
	for _, st := range s.Stated {
		q, _, list := b.candidates(st.Person)
		for _, c := range list {
			if !match.Apart(q, c) {
				counts[match.Compare(q, c)]++
				total++
			}
		}
	}
	return counts, float64(total) / float64(max(1, len(s.Stated)))
}

// Learn fits the weights to a set.
func Learn(s Set, limits match.Limits, from string) match.Weights {
	m := match.NewModel()
	counts, each := Patterns(s)
	m.Learn(counts, 300)
	return match.Weights{LearntFrom: from, Candidates: math.Round(each*100) / 100, Limits: limits, Model: m}
}

// Measure decides every statement of a set and compares with the truth.
func Measure(w match.Weights, s Set, each func(st Statement, o match.Outcome, best int, c []match.Candidate)) Score {
	b := newBlocks(s.Residents)
	var out Score
	for _, st := range s.Stated {
		q, ids, list := b.candidates(st.Person)
		o, found := match.Decide(w, q, list, func(i, j int) bool { return i == j })
		best := -1
		if len(found) > 0 {
			best = int(ids[found[0].At])
		}
		out.count(st.Of, o, best)
		if each != nil {
			each(st, o, best, found)
		}
	}
	return out
}

func (s *Score) count(of int, o match.Outcome, best int) {
	s.Stated++
	if of >= 0 {
		s.True++
	}
	switch o {
	case match.Certain, match.Link:
		if best == of {
			s.Right++
		} else {
			s.Wrong++
		}
	case match.Review:
		s.Review++
		if best == of {
			s.Asked++
		}
	case match.Conflict:
		s.Conflicts++
	}
}
