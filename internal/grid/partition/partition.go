// Package partition proposes how the areas of a planning unit are divided among
// the hospitals that lead alliances: every area has exactly one lead, the areas
// of a lead hang together, and the plan costs as little as possible in three
// currencies that a planner can weigh — how unevenly people are spread over the
// leads, how far they travel, and how many of them change their alliance
// (JS-2.1, JS-4.2, ZZ 一（三）1 "兼顾既往合作"). It is pure: no database, no
// policy, the same answer for the same seed.
//
// The cost is convex in the loads and additive in the areas. So splitting areas
// at will and forgetting that they must hang together leaves a flow problem
// that is solved exactly; its value is a floor under every plan (Bound), and
// each proposal carries how far above that floor it lies.
package partition

import (
	"fmt"
	"math"
	"slices"
)

// None is the lead of an area that has none: of today's layout, or not fixed.
const None = -1

// Area is the smallest piece that a plan moves: a street, a township, a village.
type Area struct {
	Code, Name string
	People     int64   // residents; at least 0
	X, Y       float64 // place, in kilometres or in steps of a schematic map
	Neighbours []int   // indexes of the areas that it touches; both sides name each other
	Today      int     // index of the lead that answers today, or None
	Fixed      int     // index of the lead that it must stay with, or None
}

// Lead is a hospital that leads a tight alliance.
type Lead struct {
	ID, Name string
	X, Y     float64 // where patients travel to
	Seat     int     // index of the area it stands in, None outside the unit
	Share    float64 // capacity relative to the other leads; 0 counts as 1
}

// Weights says what a plan is judged by. Each term is a share (see Cost); a
// weight of 0 switches its term off.
type Weights struct {
	Balance, Travel, Continuity float64
}

// Rules are the conditions that a plan must keep. Exclusiveness and full cover
// cannot be switched off: every area has exactly one lead in every plan.
type Rules struct {
	Contiguous bool // the areas of a lead hang together
	Seats      bool // the area a lead stands in is its own
}

// Problem is one question to the optimiser.
type Problem struct {
	Areas   []Area
	Leads   []Lead
	Weights Weights
	Rules   Rules
}

// Cost is what a plan costs. Total is the weighted sum of the three terms.
type Cost struct {
	Balance    float64 // share of people above the fair load of their lead
	Travel     float64 // people's mean distance ÷ the mean to the nearest lead; 1 is the shortest possible
	Continuity float64 // share of people whose lead changes from today's
	Total      float64
	Mean       float64 // mean distance, in the unit of X and Y
	Loads      []int64 // people of each lead
	Fair       []int64 // people each lead should have by its share
}

// Validate reports what makes the problem unanswerable, in words for planners.
func (p Problem) Validate() error {
	switch {
	case len(p.Areas) == 0:
		return fmt.Errorf("规划单元内没有可划分的区域")
	case len(p.Leads) == 0:
		return fmt.Errorf("没有可牵头的医院")
	case len(p.Leads) > len(p.Areas):
		return fmt.Errorf("牵头医院 %d 家，多于区域 %d 个", len(p.Leads), len(p.Areas))
	case p.Weights.Balance < 0 || p.Weights.Travel < 0 || p.Weights.Continuity < 0:
		return fmt.Errorf("权重不能为负数")
	case p.Weights.Balance+p.Weights.Travel+p.Weights.Continuity == 0:
		return fmt.Errorf("均衡、路程、连续性三项权重不能全为 0")
	}
	for i, a := range p.Areas {
		if a.People < 0 {
			return fmt.Errorf("“%s”的人口不能为负数", a.Name)
		}
		if a.Today < None || a.Today >= len(p.Leads) || a.Fixed < None || a.Fixed >= len(p.Leads) {
			return fmt.Errorf("“%s”指向了不存在的牵头医院", a.Name)
		}
		for _, n := range a.Neighbours {
			if n < 0 || n >= len(p.Areas) || n == i || !slices.Contains(p.Areas[n].Neighbours, i) {
				return fmt.Errorf("“%s”的相邻关系不完整", a.Name)
			}
		}
	}
	return p.checkSeats()
}

func (p Problem) checkSeats() error {
	taken := map[int]string{}
	for _, l := range p.Leads {
		if l.Share < 0 || math.IsNaN(l.Share) || math.IsInf(l.Share, 0) {
			return fmt.Errorf("“%s”的服务能力不能为负数", l.Name)
		}
		if l.Seat < None || l.Seat >= len(p.Areas) {
			return fmt.Errorf("“%s”所在的区域不在规划单元内", l.Name)
		}
		if !p.Rules.Seats || l.Seat == None {
			continue
		}
		if other, ok := taken[l.Seat]; ok {
			return fmt.Errorf("“%s”与“%s”同在“%s”，不能各自负责所在区域；请取消“所在区域归本院”或细分区域", other, l.Name, p.Areas[l.Seat].Name)
		}
		taken[l.Seat] = l.Name
	}
	return nil
}

// model is a Problem with everything computed that does not change with a plan.
type model struct {
	Problem
	people int64
	fair   []int64
	dist   [][]float64 // area, lead
	cost   [][]float64 // area, lead: travel and continuity of the whole area, weighted
	over   float64     // cost of one person above the fair load
	near   float64     // sum of people times distance to the nearest lead
	pin    []int       // lead an area cannot leave, or None
}

func newModel(p Problem) *model {
	m := &model{Problem: p, pin: make([]int, len(p.Areas))}
	shares := make([]float64, len(p.Leads))
	for j, l := range p.Leads {
		shares[j] = l.Share
		if l.Share == 0 {
			shares[j] = 1
		}
	}
	for i, a := range p.Areas {
		m.people += a.People
		m.pin[i] = a.Fixed
	}
	if p.Rules.Seats {
		for j, l := range p.Leads {
			if l.Seat != None {
				m.pin[l.Seat] = j
			}
		}
	}
	m.fair = Portions(m.people, shares)
	m.measure()
	return m
}

func (m *model) measure() {
	for i := range m.Areas {
		a := &m.Areas[i]
		row, nearest := make([]float64, len(m.Leads)), math.Inf(1)
		for j, l := range m.Leads {
			row[j] = math.Hypot(a.X-l.X, a.Y-l.Y)
			nearest = min(nearest, row[j])
		}
		m.dist = append(m.dist, row)
		m.near += float64(a.People) * nearest
	}
	people, near := float64(max(m.people, 1)), m.near
	if near == 0 {
		near = people // everybody lives where a lead stands: any distance is extra
	}
	m.over = m.Weights.Balance / people
	for i, a := range m.Areas {
		row := make([]float64, len(m.Leads))
		for j := range m.Leads {
			row[j] = m.Weights.Travel * float64(a.People) * m.dist[i][j] / near
			if a.Today != None && a.Today != j {
				row[j] += m.Weights.Continuity * float64(a.People) / people
			}
		}
		m.cost = append(m.cost, row)
	}
}

// Portions divides total by shares, whole people, the largest remainders first;
// equal remainders go to the earlier one. The parts sum to total.
func Portions(total int64, shares []float64) []int64 {
	sum := 0.0
	for _, s := range shares {
		sum += s
	}
	out, rest := make([]int64, len(shares)), total
	order := make([]int, len(shares))
	fraction := make([]float64, len(shares))
	for j, s := range shares {
		exact := float64(total) / float64(len(shares))
		if sum > 0 {
			exact = float64(total) * s / sum
		}
		out[j] = int64(math.Floor(exact))
		fraction[j], order[j] = exact-math.Floor(exact), j
		rest -= out[j]
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case fraction[a] > fraction[b]:
			return -1
		case fraction[a] < fraction[b]:
			return 1
		}
		return 0
	})
	for k := 0; rest > 0; k = (k + 1) % len(order) {
		out[order[k]]++
		rest--
	}
	return out
}

// Evaluate returns what a plan costs; owner names the lead of each area.
func (p Problem) Evaluate(owner []int) Cost { return newModel(p).evaluate(owner) }

func (m *model) evaluate(owner []int) Cost {
	c := Cost{Loads: make([]int64, len(m.Leads)), Fair: m.fair}
	var far, changed float64
	for i, j := range owner {
		a := m.Areas[i]
		c.Loads[j] += a.People
		far += float64(a.People) * m.dist[i][j]
		if a.Today != None && a.Today != j {
			changed += float64(a.People)
		}
	}
	var above int64
	for j, load := range c.Loads {
		above += max(0, load-m.fair[j])
	}
	people, near := float64(max(m.people, 1)), m.near
	if near == 0 {
		near = people
	}
	c.Balance, c.Travel, c.Continuity = float64(above)/people, far/near, changed/people
	c.Mean = far / people
	c.Total = m.Weights.Balance*c.Balance + m.Weights.Travel*c.Travel + m.Weights.Continuity*c.Continuity
	return c
}
