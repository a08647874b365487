package people

import (
	_ "embed"
	"math/rand/v2"
	"sort"
	"strconv"
	"strings"

	"yilian/internal/idcard"
	"yilian/internal/pinyin"
	"yilian/internal/region"
)

//go:embed data/surnames.csv
var surnamesCSV string

//go:embed data/given.csv
var givenCSV string

//go:embed data/bands.csv
var bandsCSV string

// wheel draws values by weight.
type wheel[T any] struct {
	values []T
	sums   []int
}

func (w *wheel[T]) add(v T, weight int) {
	total := weight
	if len(w.sums) > 0 {
		total += w.sums[len(w.sums)-1]
	}
	w.values, w.sums = append(w.values, v), append(w.sums, total)
}

func (w *wheel[T]) spin(rng *rand.Rand) T {
	x := rng.IntN(w.sums[len(w.sums)-1])
	return w.values[sort.SearchInts(w.sums, x+1)]
}

type band struct {
	from, to int // years, inclusive
	sex      string
}

// rows cuts an embedded table, header left out.
func rows(csv string) [][]string {
	var out [][]string
	for i, line := range strings.Split(strings.TrimSpace(csv), "\n") {
		if i > 0 {
			out = append(out, strings.Split(strings.TrimSpace(line), ","))
		}
	}
	return out
}

// number reads a figure of an embedded table, which tests have seen.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic("people: embedded figure " + s)
	}
	return n
}

func surnameWheel() *wheel[string] {
	w := &wheel[string]{}
	for _, r := range rows(surnamesCSV) {
		w.add(r[0], number(r[1]))
	}
	return w
}

func bandWheel() *wheel[band] {
	w := &wheel[band]{}
	for _, r := range rows(bandsCSV) {
		w.add(band{number(r[0]), number(r[1]), idcard.Male}, number(r[2]))
		w.add(band{number(r[0]), number(r[1]), idcard.Female}, number(r[3]))
	}
	return w
}

// Town and country of Lingling in the 7th census. Populations of single
// villages are not published: those of town streets share the one, the others
// the other.
const (
	urbanPersons = 324088
	ruralPersons = 239468
)

// lingling is the county with its 334 villages.
func lingling() Place {
	all, err := region.Reference()
	if err != nil {
		panic("people: " + err.Error()) // embedded, seen by tests
	}
	towns := map[string]string{}
	at := Place{County: region.Lingling}
	for _, r := range all {
		switch r.Level {
		case region.Town:
			towns[r.Code] = r.Name
		case region.Village:
			at.Homes = append(at.Homes, Home{Code: r.Code, Urban: strings.HasSuffix(towns[r.Parent], "街道")})
		}
	}
	return at
}

func villageWheel(homes []Home) *wheel[Home] {
	urban := 0
	for _, h := range homes {
		if h.Urban {
			urban++
		}
	}
	w := &wheel[Home]{}
	for _, h := range homes {
		if h.Urban {
			w.add(h, urbanPersons/urban)
		} else {
			w.add(h, ruralPersons/(len(homes)-urban))
		}
	}
	return w
}

func givenNames() map[string][]string {
	out := map[string][]string{}
	for _, r := range rows(givenCSV) {
		out[r[0]] = append(out[r[0]], r[1])
	}
	return out
}

// Characters of the given names of people born before 1990; the pools of the
// name list are those of their children.
var (
	elderFirst = map[string][]rune{
		idcard.Female: []rune("秀桂玉兰凤淑国春美爱金翠月冬素小红丽艳海"),
		idcard.Male:   []rune("建国志德文金明光永家正春世新小海军立忠少"),
	}
	elderLast = map[string][]rune{
		idcard.Female: []rune("兰英珍芳香琴荣华秀梅莲娥云花凤姣群元平燕"),
		idcard.Male:   []rune("国军平华强明生良辉成元林福勇兵清云发文祥"),
	}
)

func (g *maker) givenName(m *member) string {
	pool := g.given[m.sex]
	pick := pool[g.rng.IntN(len(pool))]
	if m.birth >= "1990" {
		if g.rng.IntN(3) == 0 { // two names of the pool mixed, for variety
			other := []rune(pool[g.rng.IntN(len(pool))])
			return string([]rune(pick)[:1]) + string(other[len(other)-1:])
		}
		return pick
	}
	if g.rng.IntN(5) == 0 && len([]rune(pick)) == 1 {
		return pick
	}
	first, last := elderFirst[m.sex], elderLast[m.sex]
	return string(first[g.rng.IntN(len(first))]) + string(last[g.rng.IntN(len(last))])
}

func surnamePart(name string) string {
	surname, _ := pinyin.Split(name)
	return surname
}
