package grid

import (
	"fmt"
	"slices"
	"strings"
)

// Finding is one thing that a layout gets wrong, with the divisions that show
// it.
type Finding struct {
	Warning bool     // may be adopted with a reason
	Text    string   // for people, with the names
	Codes   []string // divisions
	Clause  string
}

// Coverage is how much of a unit a layout covers. A piece is a village where a
// layout names villages of the town, a town otherwise.
type Coverage struct {
	Pieces     int
	Covered    int   // in at least one cell that an alliance answers for
	Overlapped int   // in more than one cell
	People     int64 // of the unit
	Reached    int64 // of the covered pieces
	Estimated  bool  // the populations are estimates, in part at least
	Findings   []Finding
}

// Complete reports whether the layout covers everything once: nothing but
// warnings was found.
func (c Coverage) Complete() bool {
	return !slices.ContainsFunc(c.Findings, func(f Finding) bool { return !f.Warning })
}

// Party is what the check must know of the alliance of a cell on the day.
type Party struct {
	Name  string
	Tight bool // of a kind that answers for an area
	Lead  bool // has a lead on the day
	Gone  bool // has no member on the day: dissolved, or not begun
}

// Limits are the values of the documents that the check holds a layout to.
type Limits struct {
	Full, Once   string // clause of full cover, of no overlap
	Min, Max     int64  // alliances of a county, as a rule (SMX-4.1.1); 0: no document says
	NumberClause string
	TightClause  string
}

// piece is the smallest part of a unit that a layout distinguishes.
type piece struct {
	Area
	town string // code of the town when the piece is a village
}

// pieces are the towns of the unit, but the villages of those towns of which
// the layout names a village.
func (u Unit) pieces(l Layout) []piece {
	named := map[string]bool{}
	for _, c := range l.Cells {
		for _, a := range c.Areas {
			named[a] = true
		}
	}
	var out []piece
	for _, t := range u.Towns {
		list := u.Villages[t.Code]
		if !slices.ContainsFunc(list, func(v Area) bool { return named[v.Code] }) {
			out = append(out, piece{Area: t})
			continue
		}
		for _, v := range list {
			out = append(out, piece{v, t.Code})
		}
	}
	return out
}

// Check holds a layout against its unit: every piece in exactly one cell, every
// cell with a tight alliance that exists on the day and has a lead, cells that
// hang together, and as many alliances as is the rule.
func Check(u Unit, l Layout, parties map[string]Party, limits Limits) Coverage {
	people, estimated := u.People()
	c := Coverage{People: people, Estimated: estimated}
	var missing []piece
	for _, p := range u.pieces(l) {
		c.Pieces++
		cells := l.Holder(p.Code, p.town)
		if len(cells) == 0 {
			missing = append(missing, p)
			continue
		}
		if slices.ContainsFunc(cells, func(x Cell) bool { return answers(parties[x.Alliance]) }) {
			c.Covered++
			c.Reached += p.People
		}
		if len(cells) > 1 {
			c.Overlapped++
			c.Findings = append(c.Findings, Finding{Codes: []string{p.Code}, Clause: limits.Once,
				Text: fmt.Sprintf("“%s”同时划入 %s", p.Name, cellNames(cells))})
		}
	}
	if len(missing) > 0 {
		f := Finding{Clause: limits.Full}
		names := make([]string, len(missing))
		for i, p := range missing {
			f.Codes, names[i] = append(f.Codes, p.Code), p.Name
		}
		f.Text = fmt.Sprintf("未划入任何网格（%d 个）：%s", len(missing), strings.Join(names, "、"))
		c.Findings = append(c.Findings, f)
	}
	c.Findings = append(c.Findings, strangers(u, l)...)
	for _, cell := range l.Cells {
		c.Findings = append(c.Findings, checkCell(u, cell, parties, limits)...)
	}
	c.Findings = append(c.Findings, checkNumber(l, limits)...)
	slices.SortStableFunc(c.Findings, func(a, b Finding) int {
		switch {
		case a.Warning == b.Warning:
			return 0
		case b.Warning:
			return -1
		}
		return 1
	})
	return c
}

func answers(p Party) bool { return p.Tight && p.Lead && !p.Gone }

func cellNames(cells []Cell) string {
	names := make([]string, len(cells))
	for i, x := range cells {
		names[i] = "“" + x.Name + "”"
	}
	return strings.Join(names, "和")
}

// strangers finds divisions of a layout that do not lie in the unit (any more).
func strangers(u Unit, l Layout) []Finding {
	var out []Finding
	for _, c := range l.Cells {
		for _, code := range c.Areas {
			if _, ok := u.Area(code); !ok {
				out = append(out, Finding{Codes: []string{code}, Text: fmt.Sprintf("“%s”中的区划 %s 不属于%s", c.Name, code, u.Name)})
			}
		}
	}
	return out
}

func checkCell(u Unit, c Cell, parties map[string]Party, limits Limits) []Finding {
	var out []Finding
	p, known := parties[c.Alliance]
	switch {
	case len(c.Areas) == 0:
		out = append(out, Finding{Text: fmt.Sprintf("“%s”没有任何乡镇、街道或村", c.Name)})
	case c.Alliance == "" || !known:
		out = append(out, Finding{Codes: c.Areas, Clause: limits.Full, Text: fmt.Sprintf("“%s”还没有负责的医联体：请先组建，再在网格中选定", c.Name)})
	case !p.Tight:
		out = append(out, Finding{Codes: c.Areas, Clause: limits.TightClause, Text: fmt.Sprintf("“%s”由“%s”负责，但这一类医联体不是紧密型，不能包片负责", c.Name, p.Name)})
	case p.Gone:
		out = append(out, Finding{Codes: c.Areas, Text: fmt.Sprintf("“%s”由“%s”负责，但该医联体这一天没有成员", c.Name, p.Name)})
	case !p.Lead:
		out = append(out, Finding{Codes: c.Areas, Text: fmt.Sprintf("“%s”由“%s”负责，但该医联体这一天没有牵头单位", c.Name, p.Name)})
	}
	for _, part := range u.apart(c) {
		out = append(out, Finding{Warning: true, Codes: part, Text: fmt.Sprintf("“%s”不连片：%s 与其余部分不相邻", c.Name, u.names(part))})
	}
	return out
}

func checkNumber(l Layout, limits Limits) []Finding {
	if limits.Min == 0 && limits.Max == 0 {
		return nil
	}
	seen := map[string]bool{}
	for _, c := range l.Cells {
		if id := c.Alliance + c.Lead; c.Alliance != "" {
			seen[c.Alliance] = true
		} else if id != "" {
			seen[id] = true
		}
	}
	if n := int64(len(seen)); n < limits.Min || limits.Max > 0 && n > limits.Max {
		return []Finding{{Warning: true, Clause: limits.NumberClause,
			Text: fmt.Sprintf("负责的医联体有 %d 个，一般为 %d 至 %d 个；确需如此请写明理由", n, limits.Min, limits.Max)}}
	}
	return nil
}

// names joins the names of divisions of the unit.
func (u Unit) names(codes []string) string {
	names := make([]string, len(codes))
	for i, code := range codes {
		a, ok := u.Area(code)
		if names[i] = a.Name; !ok {
			names[i] = code
		}
	}
	return strings.Join(names, "、")
}

// apart returns the parts of a cell that do not touch its largest part, towns
// only: the borders of villages are not known.
func (u Unit) apart(c Cell) [][]string {
	byCode := map[string]Area{}
	for _, t := range u.Towns {
		byCode[t.Code] = t
	}
	left := map[string]bool{}
	for _, code := range c.Areas {
		if _, town := byCode[code]; town {
			left[code] = true
		} else if v, ok := u.Area(code); ok {
			left[v.Parent] = true // a village stands for its town
		}
	}
	var parts [][]string
	for _, t := range u.Towns {
		if !left[t.Code] {
			continue
		}
		part := []string{t.Code}
		delete(left, t.Code)
		for k := 0; k < len(part); k++ {
			for _, n := range byCode[part[k]].Neighbours {
				if left[n] {
					delete(left, n)
					part = append(part, n)
				}
			}
		}
		slices.Sort(part)
		parts = append(parts, part)
	}
	slices.SortStableFunc(parts, func(a, b []string) int { return len(b) - len(a) })
	if len(parts) < 2 {
		return nil
	}
	return parts[1:]
}
