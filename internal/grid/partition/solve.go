package partition

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
)

// Plan is an answer: the lead of each area, what it costs, and how far it can
// be from the best at most.
type Plan struct {
	Owner    []int
	Cost     Cost
	Bound    float64 // floor under every plan
	Breaches []Breach
}

// Gap is how far the plan's cost lies above the floor, as a share of the floor;
// the plan is at most that much worse than the best one.
func (p Plan) Gap() float64 {
	if p.Bound <= 0 {
		return math.Max(p.Cost.Total, 0)
	}
	return math.Max(p.Cost.Total/p.Bound-1, 0)
}

const (
	goodEnough = 1e-4    // gap at which the search stops
	sweeps     = 1500    // tries of a move for each area in one cooling
	tryAll     = 1 << 16 // divisions up to which all are tried
)

// Solve proposes a plan. The same problem and seed give the same plan.
func Solve(p Problem, seed uint64) (Plan, error) {
	if err := p.Validate(); err != nil {
		return Plan{}, err
	}
	m := newModel(p)
	floor := m.bound()
	owner := m.enumerate()
	if owner == nil {
		owner = m.search(seed, floor)
	}
	return Plan{Owner: owner, Cost: m.evaluate(owner), Bound: floor, Breaches: p.Breaches(owner)}, nil
}

// search improves a division from several starts and returns the best.
func (m *model) search(seed uint64, floor float64) []int {
	var best *state
	for round, start := range m.starts() {
		s := newState(m, m.repaired(start))
		s.descend()
		s.cool(rand.New(rand.NewPCG(seed, uint64(round))))
		s.descend()
		if best == nil || s.total() < best.total()-1e-12 {
			best = s
		}
		if best.total() <= floor*(1+goodEnough) {
			break
		}
	}
	return best.owner
}

// enumerate tries every division of a small unit and returns the cheapest that
// keeps the rules; nil when there are too many, or none keeps them.
func (m *model) enumerate() []int {
	all := 1
	for range m.Areas {
		if all *= len(m.Leads); all > tryAll {
			return nil
		}
	}
	var best []int
	least, s := math.Inf(1), newState(m, make([]int, len(m.Areas)))
	for k := range all {
		rest := k
		for i := range s.owner {
			s.owner[i], rest = rest%len(m.Leads), rest/len(m.Leads)
		}
		s.recount()
		if c := s.total(); c < least && m.keeps(s) {
			least, best = c, slices.Clone(s.owner)
		}
	}
	return best
}

// keeps reports whether a division gives every lead an area and keeps the rules.
func (m *model) keeps(s *state) bool {
	for i, j := range m.pin {
		if j != None && s.owner[i] != j {
			return false
		}
	}
	return !slices.Contains(s.held, 0) && len(m.Breaches(s.owner)) == 0
}

// starts are divisions to begin from: the cheapest for each area, the rounded
// optimum of the relaxed problem, today's, and nothing (grown from the seats).
func (m *model) starts() [][]int {
	cheapest, today, grown := make([]int, len(m.Areas)), make([]int, len(m.Areas)), make([]int, len(m.Areas))
	for i, a := range m.Areas {
		cheapest[i], today[i], grown[i] = m.cheapest(i), a.Today, None
	}
	return [][]int{m.rounded(), cheapest, today, grown}
}

// rounded gives each area to the lead that has most of it in the relaxed
// optimum.
func (m *model) rounded() []int {
	owner := make([]int, len(m.Areas))
	for i, row := range m.relaxed().part {
		owner[i] = m.cheapest(i)
		for j, n := range row {
			if n > row[owner[i]] {
				owner[i] = j
			}
		}
	}
	return owner
}

// repaired makes a division whole: pinned areas go to their lead, every lead
// has a first area, what is cut off or has no lead is grown from the borders of
// the others, always at the least extra cost.
func (m *model) repaired(owner []int) []int {
	owner = slices.Clone(owner)
	for i, j := range m.pin {
		if j != None {
			owner[i] = j
		}
	}
	for range 3 { // planting may cut somebody else's part in two
		m.plant(owner)
		if !m.release(owner) {
			break
		}
		m.grow(owner)
	}
	return owner
}

// release takes their lead from the areas that are cut off from its part, and
// reports whether any area has none.
func (m *model) release(owner []int) bool {
	for j := range m.Leads {
		if !m.Rules.Contiguous {
			break
		}
		for _, piece := range m.cutOff(owner, j) {
			for _, i := range piece {
				if m.pin[i] == None {
					owner[i] = None
				}
			}
		}
	}
	return slices.Contains(owner, None)
}

// plant gives a lead without an area the free one that is nearest to it.
func (m *model) plant(owner []int) {
	for j := range m.Leads {
		if slices.Contains(owner, j) {
			continue
		}
		best := None
		for i := range m.Areas {
			free := m.pin[i] == None && (owner[i] == None || count(owner, owner[i]) > 1)
			if free && (best == None || m.dist[i][j] < m.dist[best][j]) {
				best = i
			}
		}
		if best != None {
			owner[best] = j
		}
	}
}

func count(owner []int, j int) (n int) {
	for _, o := range owner {
		if o == j {
			n++
		}
	}
	return n
}

// grow hands out the areas without a lead, one by one.
func (m *model) grow(owner []int) {
	s := newState(m, owner)
	for {
		area, lead, least := None, None, math.Inf(1)
		for i, o := range owner {
			if o != None {
				continue
			}
			for j := range m.Leads {
				if !s.adjoins(i, j) {
					continue
				}
				if d := m.cost[i][j] + s.above(j, m.Areas[i].People) - s.above(j, 0); d < least {
					area, lead, least = i, j, d
				}
			}
		}
		if area == None {
			return
		}
		owner[area] = lead
		s.loads[lead] += m.Areas[area].People
		s.held[lead]++
	}
}

// state is a division that is being improved.
type state struct {
	*model
	owner  []int
	loads  []int64
	held   []int // areas of each lead
	island []int
	seen   []int // marks of the connectivity search
	mark   int
	queue  []int
}

func newState(m *model, owner []int) *state {
	s := &state{
		model: m, owner: owner, loads: make([]int64, len(m.Leads)), held: make([]int, len(m.Leads)),
		island: m.islands(), seen: make([]int, len(m.Areas)),
	}
	s.recount()
	return s
}

// recount counts the people and areas of each lead.
func (s *state) recount() {
	clear(s.loads)
	clear(s.held)
	for i, j := range s.owner {
		if j != None {
			s.loads[j] += s.Areas[i].People
			s.held[j]++
		}
	}
}

func (s *state) total() float64 {
	t := 0.0
	for i, j := range s.owner {
		t += s.cost[i][j]
	}
	for j := range s.Leads {
		t += s.above(j, 0)
	}
	return t
}

// above is what the load of a lead costs with more people on top.
func (s *state) above(j int, more int64) float64 {
	return s.over * float64(max(0, s.loads[j]+more-s.fair[j]))
}

// delta is what handing area i to lead j changes.
func (s *state) delta(i, j int) float64 {
	from, n := s.owner[i], s.Areas[i].People
	return s.cost[i][j] - s.cost[i][from] +
		s.above(j, n) - s.above(j, 0) + s.above(from, -n) - s.above(from, 0)
}

func (s *state) move(i, j int) {
	from, n := s.owner[i], s.Areas[i].People
	s.owner[i] = j
	s.loads[from] -= n
	s.loads[j] += n
	s.held[from]--
	s.held[j]++
}

// adjoins reports whether area i touches the part of lead j, or lies on an
// island where j has no part yet.
func (s *state) adjoins(i, j int) bool {
	if !s.Rules.Contiguous {
		return true
	}
	for _, n := range s.Areas[i].Neighbours {
		if s.owner[n] == j {
			return true
		}
	}
	for k, o := range s.owner {
		if o == j && s.island[k] == s.island[i] {
			return false
		}
	}
	return true
}

// allowed reports whether area i may go to lead j: it is not pinned, j's part
// stays whole, and what its present lead keeps hangs together.
func (s *state) allowed(i, j int) bool {
	return s.held[s.owner[i]] > 1 && s.movable(i, j)
}

// movable is allowed for an area that may be the last of its lead, because the
// lead gets another one in exchange.
func (s *state) movable(i, j int) bool {
	return s.owner[i] != j && s.pin[i] == None && s.adjoins(i, j) && s.spares(i)
}

// spares reports whether the part of i's lead still hangs together without i.
func (s *state) spares(i int) bool {
	if !s.Rules.Contiguous {
		return true
	}
	from := s.owner[i]
	need, first := 0, None
	for _, n := range s.Areas[i].Neighbours {
		if s.owner[n] == from {
			need++
			first = n
		}
	}
	if need <= 1 {
		return true
	}
	s.mark++
	s.seen[i], s.seen[first] = s.mark, s.mark
	s.queue = append(s.queue[:0], first)
	found := 1
	for k := 0; k < len(s.queue); k++ {
		for _, n := range s.Areas[s.queue[k]].Neighbours {
			if s.seen[n] == s.mark || s.owner[n] != from {
				continue
			}
			s.seen[n] = s.mark
			if slices.Contains(s.Areas[i].Neighbours, n) {
				if found++; found == need {
					return true
				}
			}
			s.queue = append(s.queue, n)
		}
	}
	return false
}

// cool searches by simulated annealing and keeps the best division it meets.
func (s *state) cool(r *rand.Rand) {
	steps := sweeps * len(s.Areas)
	scale := s.scale()
	if scale == 0 {
		return
	}
	now := s.total()
	best, kept := now, slices.Clone(s.owner)
	for k := range steps {
		heat := scale * math.Pow(1e-3, float64(k)/float64(steps))
		i := r.IntN(len(s.Areas))
		j := s.target(r, i)
		if j == None || !s.allowed(i, j) {
			continue
		}
		from, d := s.owner[i], s.delta(i, j)
		s.move(i, j)
		back := None
		if d > 0 && r.IntN(2) == 0 { // an exchange keeps the loads nearer to fair
			if back = s.exchange(r, i, from); back != None {
				d += s.delta(back, from)
				s.move(back, from)
			}
		}
		if d > 0 && r.Float64() >= math.Exp(-d/heat) {
			if back != None {
				s.move(back, j)
			}
			s.move(i, from)
			continue
		}
		if now += d; now < best-1e-12 {
			best = now
			copy(kept, s.owner)
		}
	}
	*s = *newState(s.model, kept)
}

// scale is the cost that moves typically change.
func (s *state) scale() float64 {
	sum, n := 0.0, 0
	for i := range s.Areas {
		for j := range s.Leads {
			if j != s.owner[i] {
				sum += math.Abs(s.delta(i, j))
				n++
			}
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// target picks a lead for area i: that of a neighbour, now and then any.
func (s *state) target(r *rand.Rand, i int) int {
	near := s.Areas[i].Neighbours
	if !s.Rules.Contiguous || len(near) == 0 || r.IntN(50) == 0 {
		return r.IntN(len(s.Leads))
	}
	j := s.owner[near[r.IntN(len(near))]]
	if j == s.owner[i] {
		return None
	}
	return j
}

// exchange finds an area of i's new lead that may go to its old one.
func (s *state) exchange(r *rand.Rand, i, old int) int {
	for range 8 {
		k := r.IntN(len(s.Areas))
		if k != i && s.owner[k] == s.owner[i] && s.allowed(k, old) {
			return k
		}
	}
	return None
}

// descend makes single moves and exchanges while they pay.
func (s *state) descend() {
	for s.oneMove() || s.oneExchange() {
	}
}

func (s *state) oneMove() bool {
	for i := range s.Areas {
		for j := range s.Leads {
			if j != s.owner[i] && s.delta(i, j) < -1e-12 && s.allowed(i, j) {
				s.move(i, j)
				return true
			}
		}
	}
	return false
}

func (s *state) oneExchange() bool {
	for i := range s.Areas {
		for j := range s.Leads {
			from := s.owner[i]
			if !s.movable(i, j) {
				continue
			}
			d := s.delta(i, j)
			s.move(i, j)
			for k := range s.Areas {
				if k != i && s.owner[k] == j && d+s.delta(k, from) < -1e-12 && s.allowed(k, from) {
					s.move(k, from)
					return true
				}
			}
			s.move(i, from)
		}
	}
	return false
}

// Proposal is a plan with the weights that led to it.
type Proposal struct {
	Title   string
	Weights Weights
	Plan
}

// Front solves the problem for its own weights and for others that lean to one
// of the three terms, and returns the proposals that no other one beats in all
// three; the one for the problem's own weights comes first.
func Front(p Problem, seed uint64) ([]Proposal, error) {
	w := p.Weights
	leans := []Proposal{
		{Title: "按所设权重", Weights: w},
		{Title: "侧重人口均衡", Weights: Weights{4*w.Balance + 1, w.Travel, w.Continuity}},
		{Title: "侧重就医路程", Weights: Weights{w.Balance, 4*w.Travel + 1, w.Continuity}},
		{Title: "侧重沿用现有合作", Weights: Weights{w.Balance, w.Travel, 4*w.Continuity + 1}},
	}
	var out []Proposal
	for _, lean := range leans {
		q := p
		q.Weights = lean.Weights
		plan, err := Solve(q, seed)
		if err != nil {
			return nil, err
		}
		lean.Plan = plan
		if !slices.ContainsFunc(out, func(o Proposal) bool { return o.beats(lean) }) {
			out = append(out, lean)
		}
	}
	own := out[:1]
	rest := slices.DeleteFunc(out[1:], func(o Proposal) bool {
		return slices.ContainsFunc(out, func(x Proposal) bool { return x.beats(o) && !o.beats(x) })
	})
	slices.SortStableFunc(rest, func(a, b Proposal) int { return cmp.Compare(a.Cost.Continuity, b.Cost.Continuity) })
	return append(own, rest...), nil
}

// beats reports whether o is at least as good in all three terms.
func (o Proposal) beats(x Proposal) bool {
	const same = 1e-9
	return o.Cost.Balance <= x.Cost.Balance+same && o.Cost.Travel <= x.Cost.Travel+same && o.Cost.Continuity <= x.Cost.Continuity+same
}

// Change is what handing one area to another lead does to a plan.
type Change struct {
	Area, From, To int
	Before, After  Cost
	Breaches       []Breach // rules that the plan breaks afterwards and did not before
}

// Move says what handing an area to another lead does.
func (p Problem) Move(owner []int, area, to int) Change {
	m := newModel(p)
	after := slices.Clone(owner)
	after[area] = to
	c := Change{Area: area, From: owner[area], To: to, Before: m.evaluate(owner), After: m.evaluate(after)}
	before := p.Breaches(owner)
	for _, b := range p.Breaches(after) {
		if !slices.ContainsFunc(before, func(x Breach) bool { return x.Lead == b.Lead && slices.Equal(x.Areas, b.Areas) }) {
			c.Breaches = append(c.Breaches, b)
		}
	}
	return c
}

// Explain says for each area that changes its lead what leaving it with
// today's would do.
func (p Problem) Explain(owner []int) []Change {
	var out []Change
	for i, a := range p.Areas {
		if a.Today != None && a.Today != owner[i] {
			out = append(out, p.Move(owner, i, a.Today))
		}
	}
	return out
}
