package partition

import (
	"slices"
	"strings"
)

// Breach is one way in which a plan breaks a rule, with the areas that show it.
type Breach struct {
	Lead  int   // whose part it is
	Areas []int // the areas that are cut off, or the seat that is somebody else's
	Seat  bool  // the area a lead stands in belongs to another lead
}

// Breaches lists how a plan breaks the rules of the problem; nothing when it
// keeps them.
func (p Problem) Breaches(owner []int) []Breach {
	var out []Breach
	if p.Rules.Contiguous {
		for j := range p.Leads {
			for _, piece := range p.cutOff(owner, j) {
				out = append(out, Breach{Lead: j, Areas: piece})
			}
		}
	}
	if p.Rules.Seats {
		for j, l := range p.Leads {
			if l.Seat != None && owner[l.Seat] != j {
				out = append(out, Breach{Lead: j, Areas: []int{l.Seat}, Seat: true})
			}
		}
	}
	return out
}

// Names joins the names of areas.
func (p Problem) Names(areas []int) string {
	names := make([]string, len(areas))
	for k, i := range areas {
		names[k] = p.Areas[i].Name
	}
	return strings.Join(names, "、")
}

// cutOff returns the pieces of a lead's part that do not hang together with its
// main piece: the one with its seat, otherwise the one with most people. An
// island of the unit itself cannot be reached by anybody, so each island may
// hold one piece of its own.
func (p Problem) cutOff(owner []int, lead int) [][]int {
	island := p.islands()
	pieces := p.pieces(func(i int) bool { return owner[i] == lead })
	main := map[int]int{} // island → its main piece
	for k, piece := range pieces {
		at := island[piece[0]]
		if best, ok := main[at]; !ok || p.weightier(piece, pieces[best], lead) {
			main[at] = k
		}
	}
	var out [][]int
	for k, piece := range pieces {
		if main[island[piece[0]]] != k {
			out = append(out, piece)
		}
	}
	return out
}

func (p Problem) weightier(a, b []int, lead int) bool {
	seat := p.Leads[lead].Seat
	if inA, inB := slices.Contains(a, seat), slices.Contains(b, seat); inA != inB {
		return inA
	}
	sum := func(piece []int) (n int64) {
		for _, i := range piece {
			n += p.Areas[i].People
		}
		return n
	}
	return sum(a) > sum(b)
}

// islands numbers the parts of the unit that have no border with each other.
func (p Problem) islands() []int {
	out := make([]int, len(p.Areas))
	for k, piece := range p.pieces(func(int) bool { return true }) {
		for _, i := range piece {
			out[i] = k
		}
	}
	return out
}

// pieces are the connected parts of the areas that take part, in the order of
// their first area.
func (p Problem) pieces(in func(int) bool) [][]int {
	var out [][]int
	seen := make([]bool, len(p.Areas))
	for i := range p.Areas {
		if seen[i] || !in(i) {
			continue
		}
		seen[i] = true
		piece := []int{i}
		for k := 0; k < len(piece); k++ {
			for _, n := range p.Areas[piece[k]].Neighbours {
				if !seen[n] && in(n) {
					seen[n] = true
					piece = append(piece, n)
				}
			}
		}
		slices.Sort(piece)
		out = append(out, piece)
	}
	return out
}
