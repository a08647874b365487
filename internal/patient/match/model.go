// Package match compares two statements about a person and weighs how likely it
// is that they speak of the same one: comparators, a probabilistic model whose
// weights are learnt without known answers, and the keys that bring candidates
// together. It is pure: no database, no policy.
package match

import "math"

// maxFields bounds a pattern, so that it is a value and can be counted in a map.
const maxFields = 12

// Missing is the level of a field that one side does not state. Not stated is
// not different: it weighs nothing.
const Missing int8 = -1

// Pattern is how two persons compare: for each field the level of agreement, 0
// the best.
type Pattern [maxFields]int8

// Field is one thing compared.
type Field struct {
	Name   string `json:"name"`
	Levels int    `json:"levels"`
}

// Model is a mixture of classes of pairs: class 0 are pairs of one person, the
// others are pairs of two persons that come together for different reasons
// (strangers, members of one household). Within a class the fields are taken as
// independent (Fellegi and Sunter 1969); that phone, address and surname are
// not independent among two persons is what the household class is for.
type Model struct {
	Fields  []Field       `json:"fields"`
	Classes []string      `json:"classes"`
	Prior   []float64     `json:"prior"` // share of each class among candidate pairs
	P       [][][]float64 `json:"p"`     // class, field, level
}

// Part is what one field says for (positive) or against being the same person,
// in bits.
type Part struct {
	Field string  `json:"field"`
	Level int8    `json:"level"`
	Bits  float64 `json:"bits"`
}

// Weight is the judgement on a pair.
type Weight struct {
	Bits  float64 // log2 of the odds that the two are one person
	Parts []Part  // by field; they add up to Bits but for the prior
}

// Weigh returns the log odds of a pattern and the contribution of each field
// against the likeliest other explanation.
func (m *Model) Weigh(p Pattern) Weight {
	same := math.Log2(m.Prior[0]) + m.logOf(0, p)
	other, rival := math.Inf(-1), 1
	best := math.Inf(-1)
	for c := 1; c < len(m.Classes); c++ {
		l := math.Log2(m.Prior[c]) + m.logOf(c, p)
		if l > best {
			best, rival = l, c
		}
		other = addLog(other, l)
	}
	w := Weight{Bits: same - other, Parts: make([]Part, len(m.Fields))}
	for i, f := range m.Fields {
		w.Parts[i] = Part{Field: f.Name, Level: p[i]}
		if p[i] != Missing {
			w.Parts[i].Bits = math.Log2(m.P[0][i][p[i]] / m.P[rival][i][p[i]])
		}
	}
	return w
}

func (m *Model) logOf(class int, p Pattern) float64 {
	sum := 0.0
	for i := range m.Fields {
		if p[i] != Missing {
			sum += math.Log2(m.P[class][i][p[i]])
		}
	}
	return sum
}

// addLog is log2(2^a + 2^b).
func addLog(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log2(1+math.Exp2(b-a))
}

// smoothing keeps a level that was never seen from deciding alone.
const smoothing = 0.5

// Learn fits the model to counted patterns by expectation and maximisation,
// beginning where it stands. It needs no known answers, and stops when the
// shares of the classes move no more.
func (m *Model) Learn(counts map[Pattern]int, rounds int) {
	for range rounds {
		if m.step(counts) < 1e-7 {
			return
		}
	}
}

// step does one round and returns how far the shares have moved.
func (m *Model) step(counts map[Pattern]int) float64 {
	share := make([]float64, len(m.Classes))
	seen := make([][][]float64, len(m.Classes))
	for c := range seen {
		seen[c] = make([][]float64, len(m.Fields))
		for i, f := range m.Fields {
			seen[c][i] = make([]float64, f.Levels)
			for l := range seen[c][i] {
				seen[c][i][l] = smoothing
			}
		}
	}
	total := 0.0
	post := make([]float64, len(m.Classes))
	for p, n := range counts {
		m.posterior(p, post)
		total += float64(n)
		for c, q := range post {
			share[c] += q * float64(n)
			for i := range m.Fields {
				if p[i] != Missing {
					seen[c][i][p[i]] += q * float64(n)
				}
			}
		}
	}
	moved := 0.0
	for c := range share {
		share[c] = (share[c] + smoothing) / (total + smoothing*float64(len(share)))
		moved = math.Max(moved, math.Abs(share[c]-m.Prior[c]))
		for i := range seen[c] {
			normalize(seen[c][i])
		}
	}
	m.Prior, m.P = share, seen
	return moved
}

func (m *Model) posterior(p Pattern, into []float64) {
	top := math.Inf(-1)
	for c := range into {
		into[c] = math.Log2(m.Prior[c]) + m.logOf(c, p)
		top = math.Max(top, into[c])
	}
	sum := 0.0
	for c := range into {
		into[c] = math.Exp2(into[c] - top)
		sum += into[c]
	}
	for c := range into {
		into[c] /= sum
	}
}

func normalize(list []float64) {
	sum := 0.0
	for _, v := range list {
		sum += v
	}
	for i := range list {
		list[i] /= sum
	}
}

// Start returns a model to learn from: agreement decays by the factor of the
// class from one level to the next. A factor below one leans to agreement,
// above one to difference.
func Start(fields []Field, classes []string, lean map[string]map[string]float64) *Model {
	m := &Model{Fields: fields, Classes: classes, Prior: make([]float64, len(classes)), P: make([][][]float64, len(classes))}
	for c, name := range classes {
		m.Prior[c] = 1 / float64(len(classes))
		m.P[c] = make([][]float64, len(fields))
		for i, f := range fields {
			factor, ok := lean[name][f.Name]
			if !ok {
				factor = lean[name][""]
			}
			m.P[c][i] = make([]float64, f.Levels)
			for l := range m.P[c][i] {
				m.P[c][i][l] = math.Pow(factor, float64(l))
			}
			normalize(m.P[c][i])
		}
	}
	return m
}
