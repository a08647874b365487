// Package participation says who should be in an alliance and is not, by name:
// the institutions and regions that a target counts, held against the
// memberships of a day (GB-1.3a, GB-1.3b, ZZ-1.2, JS-3a, JS-3b).
package participation

import (
	"yilian/internal/calendar"
	"yilian/internal/organization"
	"yilian/internal/policy"
	"yilian/internal/region"
)

// Scope names a group that documents ask to take part; it is the scope of the
// targets alliance.participation and alliance.started.
type Scope string

// The scopes.
const (
	Tertiary   Scope = "tertiary_public"
	Secondary  Scope = "secondary_public"
	Primary    Scope = "government_primary"
	Government Scope = "government"
	Counties   Scope = "county"   // counties that have begun a community (JS-3b)
	Cities     Scope = "city"     // cities that have begun a medical group (JS-3b)
	Network    Scope = "township" // centres in a telemedicine network (JS-3b)
)

// Scopes returns all scopes in the order of the page.
func Scopes() []Scope {
	return []Scope{Tertiary, Secondary, Primary, Government, Counties, Cities, Network}
}

// Title is the scope in Chinese.
func (s Scope) Title() string {
	switch s {
	case Tertiary:
		return "三级公立医院"
	case Secondary:
		return "二级公立医院"
	case Primary:
		return "政府办基层医疗卫生机构"
	case Government:
		return "政府办医疗机构"
	case Counties:
		return "县（市）启动县域医共体"
	case Cities:
		return "设区市启动医疗集团"
	case Network:
		return "乡镇卫生院、社区卫生服务中心加入远程医疗协作网"
	}
	return string(s)
}

// OfRegions reports whether the scope counts regions and not institutions.
func (s Scope) OfRegions() bool { return s == Counties || s == Cities }

// Indicator is the target that the scope is held against.
func (s Scope) Indicator() string {
	if s.OfRegions() {
		return "alliance.started"
	}
	if s == Network {
		return "telemedicine.coverage"
	}
	return "alliance.participation"
}

// Question is what is asked: for the institutions of a region, on a day.
type Question struct {
	Scope  Scope
	Region string // the division and all below it
	Day    calendar.Date
}

// Row is one institution, or one region, that is counted.
type Row struct {
	Org       organization.Organization // zero for regions
	Region    region.Region
	Alliances []string // names; empty: not in yet
	Through   string   // name of the centre through which a village clinic is in
}

// In reports whether the row takes part.
func (r Row) In() bool { return len(r.Alliances) > 0 }

// Result is the figure with the rows behind it.
type Result struct {
	Question
	Rows    []Row
	Figure  policy.Figure
	Target  policy.TargetAnswer
	Bound   bool // a target binds here on that day
	Verdict policy.Verdict
	Gap     float64 // percentage points still missing
	Rule    policy.Answer
}

// Missing returns the rows that are not in yet.
func (r Result) Missing() []Row {
	var out []Row
	for _, x := range r.Rows {
		if !x.In() {
			out = append(out, x)
		}
	}
	return out
}

// judge counts the rows and holds the share against the target that binds.
func (r *Result) judge(book *policy.Book) {
	in := int64(len(r.Rows) - len(r.Missing()))
	r.Figure = policy.Share(in, int64(len(r.Rows)), "本地区登记的机构里没有"+r.Scope.Title())
	if r.Scope.OfRegions() && len(r.Rows) == 0 {
		r.Figure.Reason = "本地区没有县（市）或设区市"
	}
	r.Figure.AsOf = r.Day
	r.Figure.Page = "/alliance/participation?scope=" + string(r.Scope)
	a, err := book.Target(r.Scope.Indicator(), string(r.Scope), policy.Place{Regions: policy.Chain(r.Region)}, r.Day)
	if err != nil {
		return
	}
	r.Target, r.Bound = a, true
	r.Verdict, r.Gap = a.Judge(r.Figure, r.Day)
}
