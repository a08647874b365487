package grid

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"yilian/internal/errs"
)

// MaxUpload is the largest boundary file that is taken, in bytes.
const MaxUpload = 20 << 20

const (
	metresPerDegree = 110574.0 // of latitude
	borderStep      = 40.0     // metres between the points that stand for a border
	borderReach     = 50       // metres within which two borders are one
	borderPoints    = 8        // common points that make two divisions neighbours: more than a corner
	simplifyWithin  = 60.0     // metres that a kept boundary may differ from the uploaded one
)

// geoFile is what is read of a GeoJSON file.
type geoFile struct {
	Type     string `json:"type"`
	Features []struct {
		Properties map[string]any `json:"properties"`
		Geometry   struct {
			Type        string          `json:"type"`
			Coordinates json.RawMessage `json:"coordinates"`
		} `json:"geometry"`
	} `json:"features"`
}

type lonLat [2]float64

// boundary is the outer rings of one division, in degrees.
type boundary [][]lonLat

// ReadShapes reads a GeoJSON FeatureCollection and finds the boundary of every
// town of the unit by code or name. It is all or nothing: a file that lacks a
// town is refused with the names of those it lacks.
func ReadShapes(u Unit, file []byte) (map[string]Shape, map[string][]string, error) {
	if len(file) > MaxUpload {
		return nil, nil, errs.E(errs.Invalid, "文件大于 %d MB，请先简化边界", MaxUpload>>20)
	}
	var g geoFile
	if err := json.Unmarshal(file, &g); err != nil {
		return nil, nil, errs.E(errs.Invalid, "文件不是 JSON：%s", jsonPlace(err))
	}
	if g.Type != "FeatureCollection" {
		return nil, nil, errs.E(errs.Invalid, "文件不是 GeoJSON 的 FeatureCollection（type 是“%s”）", g.Type)
	}
	found := map[string]boundary{}
	for i, f := range g.Features {
		code := match(u, f.Properties)
		if code == "" {
			continue // a neighbour outside the unit
		}
		b, err := rings(f.Geometry.Type, f.Geometry.Coordinates)
		if err != nil {
			a, _ := u.Area(code)
			return nil, nil, errs.E(errs.Invalid, "第 %d 个图形（%s）：%s", i+1, a.Name, err.Error())
		}
		found[code] = append(found[code], b...)
	}
	var missing []string
	for _, t := range u.Towns {
		if found[t.Code] == nil {
			missing = append(missing, t.Name)
		}
	}
	if len(missing) > 0 {
		return nil, nil, errs.E(errs.Invalid, "文件共 %d 个图形，缺少 %d 个乡镇（街道）的边界：%s。图形的属性 code 或 name 须与本系统的区划代码或名称一致",
			len(g.Features), len(missing), strings.Join(missing, "、"))
	}
	shapes := project(found)
	borders := touching(shapes)
	for code, s := range shapes {
		shapes[code] = simplified(s)
	}
	return shapes, borders, nil
}

func jsonPlace(err error) string {
	if e, ok := err.(*json.SyntaxError); ok { //nolint:errorlint // json.Unmarshal returns it bare
		return fmt.Sprintf("第 %d 个字节处有错", e.Offset)
	}
	return "结构与 GeoJSON 不符"
}

// match finds the town that a feature means.
func match(u Unit, properties map[string]any) string {
	for _, key := range []string{"code", "adcode", "id", "name"} {
		var text string
		switch v := properties[key].(type) {
		case string:
			text = strings.TrimSpace(v)
		case float64:
			text = fmt.Sprintf("%.0f", v)
		}
		for _, t := range u.Towns {
			if text != "" && (text == t.Code || text == t.Code+"000" || text == t.Name) {
				return t.Code
			}
		}
	}
	return ""
}

// rings reads the outer rings of a polygon or of several.
func rings(kind string, raw json.RawMessage) (boundary, error) {
	var polygons [][][]lonLat
	switch kind {
	case "Polygon":
		var p [][]lonLat
		if json.Unmarshal(raw, &p) != nil {
			return nil, fmt.Errorf("坐标写法有误")
		}
		polygons = append(polygons, p)
	case "MultiPolygon":
		if json.Unmarshal(raw, &polygons) != nil {
			return nil, fmt.Errorf("坐标写法有误")
		}
	default:
		return nil, fmt.Errorf("图形类型“%s”不是面（Polygon、MultiPolygon）", kind)
	}
	var out boundary
	for _, p := range polygons {
		if len(p) == 0 || len(p[0]) < 4 {
			return nil, fmt.Errorf("一个面少于 4 个点")
		}
		ring := p[0]
		if ring[0] != ring[len(ring)-1] {
			return nil, fmt.Errorf("一个面没有闭合")
		}
		for _, c := range ring {
			if c[0] < 70 || c[0] > 140 || c[1] < 0 || c[1] > 60 {
				return nil, fmt.Errorf("坐标 %.4f, %.4f 不在中国境内，应为经度、纬度（度）", c[0], c[1])
			}
		}
		out = append(out, ring)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("没有坐标")
	}
	return out, nil
}

// project turns degrees into metres from the north-west corner, the scale of
// the middle latitude: a county is small enough for that.
func project(found map[string]boundary) map[string]Shape {
	west, north, south := math.Inf(1), math.Inf(-1), math.Inf(1)
	for _, b := range found {
		for _, ring := range b {
			for _, c := range ring {
				west, north, south = min(west, c[0]), max(north, c[1]), min(south, c[1])
			}
		}
	}
	wide := metresPerDegree * math.Cos((north+south)/2*math.Pi/180)
	out := map[string]Shape{}
	for code, b := range found {
		for _, ring := range b {
			points := make([]Point, len(ring))
			for i, c := range ring {
				points[i] = Point{int64(math.Round((c[0] - west) * wide)), int64(math.Round((north - c[1]) * metresPerDegree))}
			}
			out[code] = append(out[code], points)
		}
	}
	return out
}

// touching finds which divisions share a stretch of border: their borders, cut
// into steps, have points close to each other.
func touching(shapes map[string]Shape) map[string][]string {
	type box = Point
	near := map[box]map[string]bool{}
	for code, s := range shapes {
		for _, p := range dense(s) {
			at := box{p[0] / borderReach, p[1] / borderReach}
			for dx := int64(-1); dx <= 1; dx++ {
				for dy := int64(-1); dy <= 1; dy++ {
					key := box{at[0] + dx, at[1] + dy}
					if near[key] == nil {
						near[key] = map[string]bool{}
					}
					near[key][code] = true
				}
			}
		}
	}
	common := map[string]map[string]int{}
	for code, s := range shapes {
		common[code] = map[string]int{}
		for _, p := range dense(s) {
			for other := range near[box{p[0] / borderReach, p[1] / borderReach}] {
				if other != code {
					common[code][other]++
				}
			}
		}
	}
	out := map[string][]string{}
	for a, others := range common {
		for b, n := range others {
			if n >= borderPoints && common[b][a] >= borderPoints {
				out[a] = append(out[a], b)
			}
		}
		slices.Sort(out[a])
	}
	return out
}

// dense is the border as points no further apart than borderStep.
func dense(s Shape) []Point {
	var out []Point
	for _, ring := range s {
		for i, p := range ring {
			out = append(out, p)
			if i+1 == len(ring) {
				break
			}
			q := ring[i+1]
			dx, dy := float64(q[0]-p[0]), float64(q[1]-p[1])
			for k, n := 1, int(math.Hypot(dx, dy)/borderStep); k <= n; k++ {
				f := float64(k) / float64(n+1)
				out = append(out, Point{p[0] + int64(dx*f), p[1] + int64(dy*f)})
			}
		}
	}
	return out
}

// simplified leaves out the corners that do not change a boundary by more than
// simplifyWithin (Douglas–Peucker).
func simplified(s Shape) Shape {
	out := make(Shape, len(s))
	for i, ring := range s {
		half := len(ring) / 2 // a closed ring is two lines
		first, second := reduce(ring[:half+1]), reduce(ring[half:])
		out[i] = append(first[:len(first)-1:len(first)-1], second...)
	}
	return out
}

func reduce(line []Point) []Point {
	if len(line) < 3 {
		return line
	}
	a, b := line[0], line[len(line)-1]
	at, far := 0, 0.0
	for i, p := range line {
		if d := offLine(p, a, b); d > far {
			at, far = i, d
		}
	}
	if far <= simplifyWithin {
		return []Point{a, b}
	}
	left, right := reduce(line[:at+1]), reduce(line[at:])
	return append(left[:len(left)-1:len(left)-1], right...)
}

func offLine(p, a, b Point) float64 {
	dx, dy := float64(b[0]-a[0]), float64(b[1]-a[1])
	px, py := float64(p[0]-a[0]), float64(p[1]-a[1])
	if length := math.Hypot(dx, dy); length > 0 {
		return math.Abs(dx*py-dy*px) / length
	}
	return math.Hypot(px, py)
}

// centre is the middle of a shape's largest ring, weighted by area.
func centre(s Shape) Point {
	var best Point
	most := -1.0
	for _, ring := range s {
		var area, x, y float64
		for i := range ring[:len(ring)-1] {
			p, q := ring[i], ring[i+1]
			cross := float64(p[0])*float64(q[1]) - float64(q[0])*float64(p[1])
			area += cross
			x += float64(p[0]+q[0]) * cross
			y += float64(p[1]+q[1]) * cross
		}
		if size := math.Abs(area); size > most {
			most, best = size, ring[0]
			if area != 0 {
				best = Point{int64(x / (3 * area)), int64(y / (3 * area))}
			}
		}
	}
	return best
}
