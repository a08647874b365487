package gridweb

import (
	"fmt"
	"slices"
	"strings"

	"yilian/internal/grid"
)

// tile is one town on the map, ready to be drawn.
type tile struct {
	Code, Name string
	Path       string // of the boundary or the tile
	X, Y       int64  // of the name
	Lines      []string
	People     string // 3.2 万人; "" unknown
	Class      string // colour of its cell
	Cell       string // id of the cell, "" none or several
	Title      string // shown on hover
}

const (
	side   = 920 // of a tile, in steps of 1000
	margin = 120
)

// drawn is a map: its tiles and the box they lie in.
type drawn struct {
	Tiles []tile
	Box   string
	Size  int64 // of the letters
	Known bool  // real boundaries
}

// draw lays a unit out on a map, coloured by the cells of a layout.
func draw(u grid.Unit, l grid.Layout) drawn {
	d := drawn{Known: u.Drawn}
	var low, high grid.Point
	for i, t := range u.Towns {
		shape := t.Shape
		if !u.Drawn {
			shape = grid.Shape{{{t.X - side/2, t.Y - side/2}, {t.X + side/2, t.Y - side/2}, {t.X + side/2, t.Y + side/2}, {t.X - side/2, t.Y + side/2}}}
		}
		for _, ring := range shape {
			for _, p := range ring {
				if i == 0 && low == high {
					low, high = p, p
				}
				low = grid.Point{min(low[0], p[0]), min(low[1], p[1])}
				high = grid.Point{max(high[0], p[0]), max(high[1], p[1])}
			}
		}
		d.Tiles = append(d.Tiles, tileOf(u, l, t, shape))
	}
	d.Size = 190
	if u.Drawn {
		d.Size = max(1, (high[0]-low[0])/42)
	}
	edge := margin * d.Size / 190
	d.Box = fmt.Sprintf("%d %d %d %d", low[0]-edge, low[1]-edge, high[0]-low[0]+2*edge, high[1]-low[1]+2*edge)
	return d
}

func tileOf(u grid.Unit, l grid.Layout, t grid.Area, shape grid.Shape) tile {
	x := tile{Code: t.Code, Name: t.Name, X: t.X, Y: t.Y, Path: path(shape), Lines: lines(t.Name)}
	cells := l.Holder(t.Code, "")
	split := false
	for _, v := range u.Villages[t.Code] {
		for _, c := range l.Holder(v.Code, "") {
			if !slices.ContainsFunc(cells, func(o grid.Cell) bool { return o.ID == c.ID }) {
				cells = append(cells, c)
			}
			split = true
		}
	}
	where := "未划入"
	switch {
	case len(cells) == 1 && !split:
		x.Cell, where = cells[0].ID, cells[0].Name
		x.Class = color(l, cells[0].ID)
	case len(cells) > 0 && split:
		x.Class, where = "cell-split", "按村划分"
	case len(cells) > 1:
		x.Class, where = "cell-twice", "重复划入"
	default:
		x.Class = "cell-none"
	}
	x.Title = t.Name + " · " + where
	if t.Year > 0 {
		x.People = fmt.Sprintf("%.1f 万人", float64(t.People)/1e4)
		x.Title += fmt.Sprintf(" · %d 人", t.People)
		if t.Estimated {
			x.Title += "（估计）"
		}
	}
	return x
}

// color is the class of a cell's colour, by its place in the layout.
func color(l grid.Layout, cell string) string {
	i := slices.IndexFunc(l.Cells, func(c grid.Cell) bool { return c.ID == cell })
	return fmt.Sprintf("cell-%d", i%8)
}

func path(s grid.Shape) string {
	var b strings.Builder
	for _, ring := range s {
		for i, p := range ring {
			letter := "L"
			if i == 0 {
				letter = "M"
			}
			fmt.Fprintf(&b, "%s%d %d", letter, p[0], p[1])
		}
		b.WriteString("Z")
	}
	return b.String()
}

// lines breaks a name so that it fits a tile.
func lines(name string) []string {
	short := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "街道"), "镇"), "乡")
	if len([]rune(short)) < 2 {
		short = name
	}
	runes := []rune(short)
	if len(runes) <= 4 {
		return []string{short}
	}
	half := (len(runes) + 1) / 2
	return []string{string(runes[:half]), string(runes[half:])}
}
