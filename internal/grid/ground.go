package grid

import (
	"cmp"
	"context"
	_ "embed" // the census counts
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/region"
)

//go:embed data/county_people_2020.csv
var censusCSV string

// census is the population of the counties of Henan and Hunan in the 7th census
// (2020; data/LICENSE_census2020.txt), by code. Jiangsu is not in the source.
var census = sync.OnceValue(func() map[string]int64 {
	rows, err := csv.NewReader(strings.NewReader(censusCSV)).ReadAll()
	if err != nil {
		panic("grid: " + err.Error()) // embedded, seen by tests
	}
	out := map[string]int64{}
	for _, r := range rows[1:] {
		n, err := strconv.ParseInt(r[1], 10, 64)
		if err != nil {
			panic("grid: " + err.Error())
		}
		out[r[0]] = n
	}
	return out
})

const (
	censusYear   = 2020
	censusSource = "第七次全国人口普查分县数据，按所辖村（社区）数分摊"
)

// Open reads a planning unit with everything that is known of its divisions.
func Open(ctx context.Context, tx *db.Tx, code string) (Unit, error) {
	r, err := region.Get(ctx, tx, code)
	if err != nil {
		return Unit{}, err
	}
	u := Unit{Region: r, Villages: map[string][]Area{}}
	if r.Level != region.County && r.Level != region.City {
		return u, errs.E(errs.Invalid, "“%s”是%s，规划单元应是市区或县（市、区）（JS-2.1）", r.Name, r.Level.Title())
	}
	towns, err := region.AtLevel(ctx, tx, region.Town, code)
	if err != nil {
		return u, err
	}
	for _, t := range towns {
		u.Towns = append(u.Towns, Area{Region: t})
	}
	villages, err := region.AtLevel(ctx, tx, region.Village, code)
	if err != nil {
		return u, err
	}
	for _, v := range villages {
		u.Villages[v.Parent] = append(u.Villages[v.Parent], Area{Region: v})
	}
	if err := u.count(ctx, tx); err != nil {
		return u, err
	}
	return u, u.locate(ctx, tx)
}

// count puts populations on the divisions: what was entered, otherwise the
// county's census shared out by the number of villages.
func (u *Unit) count(ctx context.Context, tx *db.Tx) error {
	entered, err := peopleOf(ctx, tx, u.Code)
	if err != nil {
		return err
	}
	u.estimate()
	apply := func(a *Area) {
		if p, ok := entered[a.Code]; ok {
			a.People, a.Year, a.Estimated, a.Source = p.People, p.Year, p.Estimated, p.Source
		}
	}
	for i := range u.Towns {
		t := &u.Towns[i]
		apply(t)
		list := u.Villages[t.Code]
		for k := range list {
			list[k].People, list[k].Year, list[k].Estimated = t.People/int64(len(list)), t.Year, true
			list[k].Source = "按所属乡镇（街道）人口平均"
			apply(&list[k])
		}
	}
	return nil
}

// estimate shares the census of each county out among its towns.
func (u *Unit) estimate() {
	pieces := map[string]int64{}
	weight := func(t Area) int64 { return max(1, int64(len(u.Villages[t.Code]))) }
	for _, t := range u.Towns {
		pieces[t.Parent] += weight(t)
	}
	for i := range u.Towns {
		t := &u.Towns[i]
		t.Estimated = true
		if total := census()[t.Parent]; total > 0 {
			t.People, t.Year, t.Source = total*weight(*t)/pieces[t.Parent], censusYear, censusSource
		}
	}
}

// locate puts the towns on the map and finds which touch.
func (u *Unit) locate(ctx context.Context, tx *db.Tx) error {
	places, err := placesOf(ctx, tx, u.Code)
	if err != nil {
		return err
	}
	u.Drawn = len(u.Towns) > 0
	for i := range u.Towns {
		t := &u.Towns[i]
		p, ok := places[t.Code]
		t.Origin = Ordered
		if ok {
			t.X, t.Y, t.Origin = p.x, p.y, Placed
			if p.shape != "" {
				t.Origin = Drawn
				if err := json.Unmarshal([]byte(p.shape), &t.Shape); err != nil {
					return fmt.Errorf("shape of %s: %w", t.Code, err)
				}
			}
		}
		u.Drawn = u.Drawn && t.Origin == Drawn
	}
	if !u.Drawn {
		u.schematic()
		return nil
	}
	borders, err := bordersOf(ctx, tx, u.Code)
	if err != nil {
		return err
	}
	for i := range u.Towns {
		u.Towns[i].Neighbours = borders[u.Towns[i].Code]
	}
	return nil
}

// schematic gives every town a tile: those that were placed keep theirs, the
// others fill a spiral around the middle, streets first, in the order of their
// codes. Tiles that share a side are neighbours. It shows no real geography and
// pages say so.
func (u *Unit) schematic() {
	taken := map[Point]int{}
	var rest []int
	for i, t := range u.Towns {
		at := Point{t.X / Step, t.Y / Step}
		if _, used := taken[at]; t.Origin == Placed && !used {
			taken[at] = i
			continue
		}
		rest = append(rest, i)
	}
	slices.SortStableFunc(rest, func(a, b int) int {
		street := func(i int) int {
			if strings.HasSuffix(u.Towns[i].Name, "街道") {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(street(a), street(b)), cmp.Compare(u.Towns[a].Code, u.Towns[b].Code))
	})
	next := spiral()
	for _, i := range rest {
		at := next()
		for _, used := taken[at]; used; _, used = taken[at] {
			at = next()
		}
		taken[at] = i
		u.Towns[i].Origin, u.Towns[i].Shape = Ordered, nil
	}
	for at, i := range taken {
		t := &u.Towns[i]
		t.X, t.Y, t.Neighbours = at[0]*Step, at[1]*Step, nil
		for _, d := range []Point{{1, 0}, {-1, 0}, {0, 1}, {0, -1}} {
			if n, ok := taken[Point{at[0] + d[0], at[1] + d[1]}]; ok {
				t.Neighbours = append(t.Neighbours, u.Towns[n].Code)
			}
		}
		slices.Sort(t.Neighbours)
	}
}

// spiral walks the tiles around (0, 0), the nearest first.
func spiral() func() Point {
	at, dir, leg, walked, turns := Point{}, Point{1, 0}, 1, 0, 0
	first := true
	return func() Point {
		if first {
			first = false
			return at
		}
		at[0], at[1] = at[0]+dir[0], at[1]+dir[1]
		if walked++; walked == leg {
			walked, dir = 0, Point{-dir[1], dir[0]}
			if turns++; turns%2 == 0 {
				leg++
			}
		}
		return at
	}
}
