package record

import (
	"context"
	"math"
	"slices"

	"yilian/internal/db"
	"yilian/internal/fhir/json"
	"yilian/internal/fhir/search"
	"yilian/internal/fhir/spec"
)

// verified keeps those of ns whose content fulfils the conditions that rows
// cannot decide: parts of a composite that must stand together, and distances.
func (p *planner) verified(ctx context.Context, tx *db.Tx, ns []int64) ([]int64, error) {
	out := ns[:0:0]
	for part := range chunks(ns, listMax) {
		list, err := p.s.byNumbers(ctx, tx, part)
		if err != nil {
			return nil, err
		}
		for i := range list {
			ok, err := p.fulfils(list[i].Body)
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, list[i].n)
			}
		}
	}
	return out, nil
}

func (p *planner) fulfils(body []byte) (bool, error) {
	doc, err := json.Parse(body)
	if err != nil {
		return false, err
	}
	defer doc.Release()
	values := search.Extract(nil, doc.Root())
	for i := range p.checks {
		if !p.holds(p.checks[i], values) {
			return false, nil
		}
	}
	return true, nil
}

// holds reports whether any term of a clause holds.
func (p *planner) holds(c *search.Clause, values []search.Value) bool {
	if c.Modifier == search.Missing {
		there := slices.ContainsFunc(values, func(v search.Value) bool { return v.Param.Code == c.Param.Code })
		return there != c.Absent
	}
	for _, t := range c.Terms {
		switch t := t.(type) {
		case search.NearTerm:
			for i := range values {
				if v := &values[i]; v.Param.Code == c.Param.Code && distance(v.Position, t.Position) <= t.Meters {
					return true
				}
			}
		case search.CompositeTerm:
			if p.together(c, t, values) {
				return true
			}
		}
	}
	return false
}

// together reports whether one group of a composite's values fulfils all parts.
func (p *planner) together(c *search.Clause, t search.CompositeTerm, values []search.Value) bool {
	groups := map[uint32]uint64{}
	for i := range values {
		v := &values[i]
		if v.Param.Code == c.Param.Code && int(v.Part) < len(t.Parts) && v.Part < 64 && p.meets(v, t.Parts[v.Part]) {
			groups[v.Group] |= 1 << v.Part
		}
	}
	for _, met := range groups {
		if met == 1<<len(t.Parts)-1 {
			return true
		}
	}
	return false
}

// meets compares one value with one term, as the rows would.
func (p *planner) meets(v *search.Value, t search.Term) bool {
	switch t := t.(type) {
	case search.TokenTerm:
		return (t.AnyCode || v.Token.Code == t.Code) && (t.AnySystem || v.Token.System == t.System)
	case search.TextTerm:
		return len(v.Text.Norm) >= len(t.Norm) && v.Text.Norm[:len(t.Norm)] == t.Norm
	case search.URITerm:
		return v.URI == t.URI
	case search.ReferenceTerm:
		want := t.Reference
		if want.Type == "" && want.ID != "" {
			return v.Reference.ID == want.ID
		}
		return p.s.target(&v.Reference) == p.s.target(&want)
	case search.DateTerm:
		return anyBounds(t.Bounds(), v.Date.From, v.Date.To)
	case search.NumberTerm:
		return anyBounds(t.Bounds(), v.Number.Low, v.Number.High)
	case search.QuantityTerm:
		return anyBounds(t.Bounds(), v.Number.Low, v.Number.High) && sameUnit(t, v.Quantity)
	}
	return v.Type == spec.SpecialParam
}

func sameUnit(t search.QuantityTerm, u search.Unit) bool {
	if !t.HasUnit {
		return true
	}
	code := t.Unit.Code
	if code == "" {
		code = t.Unit.Unit
	}
	if t.Unit.System != "" {
		return u.System == t.Unit.System && u.Code == code
	}
	return u.Code == code || u.Unit == code
}

func anyBounds[T int64 | float64](any [][]search.Bound[T], start, end T) bool {
	for _, all := range any {
		ok := true
		for _, b := range all {
			x := start
			if b.Column == search.End {
				x = end
			}
			switch b.Op {
			case "<":
				ok = ok && x < b.Value
			case "<=":
				ok = ok && x <= b.Value
			case ">":
				ok = ok && x > b.Value
			case ">=":
				ok = ok && x >= b.Value
			}
		}
		if ok {
			return true
		}
	}
	return false
}

// distance in metres on a sphere.
func distance(a, b search.Position) float64 {
	const radius, degree = 6_371_000, math.Pi / 180
	dLat, dLon := (b.Latitude-a.Latitude)*degree, (b.Longitude-a.Longitude)*degree
	h := math.Pow(math.Sin(dLat/2), 2) + math.Cos(a.Latitude*degree)*math.Cos(b.Latitude*degree)*math.Pow(math.Sin(dLon/2), 2)
	return 2 * radius * math.Asin(math.Sqrt(math.Min(1, h)))
}
