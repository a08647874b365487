package partition

import "math"

// Bound is a floor under the cost of every plan: the cost of the best division
// when areas may be split among leads and need not hang together. It is the
// optimum of a min-cost flow (people → leads → fair loads, one arc above), found
// by cancelling the cheapest chain from a lead above its fair load to one below
// until no chain pays.
func (p Problem) Bound() float64 { return newModel(p).bound() }

// flow is a division of the people of each area among the leads.
type flow struct {
	*model
	part  [][]int64 // people of area i at lead j
	loads []int64
}

// relaxed is the best division when areas may be split and need not hang
// together.
func (m *model) relaxed() *flow {
	f := &flow{model: m, loads: make([]int64, len(m.Leads))}
	for i, a := range m.Areas {
		row := make([]int64, len(m.Leads))
		j := m.cheapest(i)
		row[j] = a.People
		f.loads[j] += a.People
		f.part = append(f.part, row)
	}
	for f.improve() {
	}
	return f
}

func (m *model) bound() float64 {
	f, total := m.relaxed(), 0.0
	for i, a := range m.Areas {
		for j, n := range f.part[i] {
			if n > 0 {
				total += m.cost[i][j] * float64(n) / float64(a.People)
			}
		}
	}
	for j, load := range f.loads {
		total += m.over * float64(max(0, load-m.fair[j]))
	}
	return total
}

// cheapest is the lead with the lowest cost for an area, its own when pinned.
func (m *model) cheapest(i int) int {
	if m.pin[i] != None {
		return m.pin[i]
	}
	best := 0
	for j := range m.Leads {
		if m.cost[i][j] < m.cost[i][best] {
			best = j
		}
	}
	return best
}

// step is the cheapest way to hand one person from one lead to another.
type step struct {
	area int
	cost float64
}

// improve moves people along the cheapest chain of leads from one above its
// fair load to one below, and reports whether that paid.
func (f *flow) improve() bool {
	steps := f.steps()
	n := len(f.Leads)
	dist, from := make([]float64, n), make([]int, n)
	for j := range dist {
		dist[j], from[j] = math.Inf(1), None
		if f.loads[j] > f.fair[j] {
			dist[j] = 0
		}
	}
	for range n { // Bellman–Ford: chains are short, costs may be negative
		for a := range n {
			for b := range n {
				if s := steps[a][b]; s.area != None && dist[a]+s.cost < dist[b]-1e-15 {
					dist[b], from[b] = dist[a]+s.cost, a
				}
			}
		}
	}
	end := None
	for j := range n {
		if f.loads[j] < f.fair[j] && (end == None || dist[j] < dist[end]) {
			end = j
		}
	}
	if end == None || dist[end] >= f.over-1e-15 {
		return false
	}
	return f.push(steps, from, end)
}

// steps finds, for each pair of leads, the area that is cheapest to hand over.
func (f *flow) steps() [][]step {
	n := len(f.Leads)
	steps := make([][]step, n)
	for a := range n {
		steps[a] = make([]step, n)
		for b := range n {
			steps[a][b] = step{None, math.Inf(1)}
		}
	}
	for i, area := range f.Areas {
		if f.pin[i] != None || area.People == 0 {
			continue
		}
		for a := range n {
			if f.part[i][a] == 0 {
				continue
			}
			for b := range n {
				if c := (f.cost[i][b] - f.cost[i][a]) / float64(area.People); b != a && c < steps[a][b].cost {
					steps[a][b] = step{i, c}
				}
			}
		}
	}
	return steps
}

func (f *flow) push(steps [][]step, from []int, end int) bool {
	amount := f.fair[end] - f.loads[end]
	start, hops := end, 0
	for ; from[start] != None; start = from[start] {
		amount = min(amount, f.part[steps[from[start]][start].area][from[start]])
		if hops++; hops > len(from) {
			return false // a chain that bites its tail: rounding, nothing to gain
		}
	}
	amount = min(amount, f.loads[start]-f.fair[start])
	if start == end || amount <= 0 {
		return false
	}
	for b := end; from[b] != None; b = from[b] {
		a := from[b]
		i := steps[a][b].area
		f.part[i][a] -= amount
		f.part[i][b] += amount
	}
	f.loads[start] -= amount
	f.loads[end] += amount
	return true
}
