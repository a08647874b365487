// Package grid lays a region out: a planning unit (city district, county) is cut
// into cells of streets, townships and villages, and exactly one tight alliance
// answers for each cell on each day (分区包段, JS-2.1, JS-4.2). It says whether a
// layout covers its unit without overlap, by name where it does not, keeps which
// layout was in force when, and proposes layouts (package partition).
package grid

import (
	"encoding/json"
	"time"

	"yilian/internal/alliance"
	"yilian/internal/region"
)

// Where a division's place comes from.
const (
	Ordered = "ordered" // nobody placed it: the order of the codes
	Placed  = "placed"  // on the schematic map, by hand
	Drawn   = "drawn"   // by an uploaded boundary
)

// Step is the side of a tile of the schematic map, in the unit of Area.X.
const Step = 1000

// Area is a town, or a village, of a planning unit.
type Area struct {
	region.Region
	People     int64
	Year       int    // of the population; 0: unknown
	Estimated  bool   // the population is an estimate
	Source     string // of the population
	X, Y       int64  // metres from the unit's corner, or steps of the schematic map
	Origin     string // Ordered, Placed or Drawn
	Shape      Shape  // rings of the boundary, when Drawn
	Neighbours []string
}

// Point is a corner of a boundary, in metres from the corner of the unit, south
// counted downwards.
type Point [2]int64

// Shape is the outer rings of a division.
type Shape [][]Point

// Unit is a planning unit with its towns, and the villages of those towns whose
// villages are known.
type Unit struct {
	region.Region
	Towns    []Area
	Villages map[string][]Area // by town; places and neighbours are not known
	Drawn    bool              // every town has an uploaded boundary
}

// Area finds a town or village of the unit.
func (u Unit) Area(code string) (Area, bool) {
	for _, t := range u.Towns {
		if t.Code == code {
			return t, true
		}
	}
	for _, list := range u.Villages {
		for _, v := range list {
			if v.Code == code {
				return v, true
			}
		}
	}
	return Area{}, false
}

// People is the population of the unit, and whether any part is estimated.
func (u Unit) People() (n int64, estimated bool) {
	for _, t := range u.Towns {
		n += t.People
		estimated = estimated || t.Estimated
	}
	return n, estimated
}

// State is where a layout stands.
type State string

// The states of a layout.
const (
	Draft   State = "draft"
	Adopted State = "adopted"
	Dropped State = "dropped"
)

// Title is the state in Chinese.
func (s State) Title() string {
	switch s {
	case Draft:
		return "草案"
	case Adopted:
		return "已启用"
	case Dropped:
		return "已废弃"
	}
	return string(s)
}

// The ways in which layouts come about.
const (
	ByHand     = "hand"
	ByCopy     = "copy"
	ByProposal = "proposal"
)

// Layout is one division of a unit into cells.
type Layout struct {
	ID        string
	Unit      string
	Name      string
	State     State
	BasedOn   string // id of the layout it was copied or improved from
	Origin    string
	Run       string // what the optimiser was asked and answered, JSON; see Run
	Note      string
	Version   int64
	CreatedAt time.Time
	CreatedBy string
	ChangedAt time.Time
	ChangedBy string
	Cells     []Cell
}

// Cell is a part of the unit for which one alliance answers.
type Cell struct {
	ID       string
	Name     string
	Lead     string   // hospital that is to answer for it
	Alliance string   // its alliance; "" while it is not formed
	Areas    []string // codes of towns and villages, sorted
}

// Force is a time in which a layout is in force.
type Force struct {
	ID     string
	Layout string
	Unit   string
	alliance.Period
}

// Run is what the optimiser was asked and answered, kept with the layout that
// came out of it.
type Run struct {
	Seed       uint64             `json:"seed"`
	Weights    map[string]float64 `json:"weights"`
	Contiguous bool               `json:"contiguous"`
	Seats      bool               `json:"seats"`
	Title      string             `json:"title"`
	Balance    float64            `json:"balance"`
	Travel     float64            `json:"travel"`
	Continuity float64            `json:"continuity"`
	Gap        float64            `json:"gap"`
	At         time.Time          `json:"at"`
}

// ReadRun reads the run of a layout; ok is false for layouts made by hand.
func (l Layout) ReadRun() (r Run, ok bool) {
	if l.Run == "" {
		return r, false
	}
	return r, json.Unmarshal([]byte(l.Run), &r) == nil
}

// Holder returns the cells that a town or village lies in: its own entries, for
// a village also those of its town.
func (l Layout) Holder(code, town string) []Cell {
	var out []Cell
	for _, c := range l.Cells {
		for _, a := range c.Areas {
			if a == code || a == town {
				out = append(out, c)
			}
		}
	}
	return out
}
