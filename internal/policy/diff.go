package policy

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"yilian/internal/calendar"
	"yilian/internal/errs"
)

// Change is one question that two books answer differently at a place.
type Change struct {
	Region string  // region code; "" everywhere (only the defaults differ)
	Kind   string  // alliance kind; "" when it holds whatever the kind
	Key    string  // rule key, or the indicator
	Scope  string  // of a target
	Target bool    // a target, not a rule
	Before *Answer // nil: nothing bound before; for targets the value is text
	After  *Answer // nil: nothing binds afterwards
}

// Chain returns the jurisdictions of a region code by its digits, itself
// first: 411224, 4112, 41, CN.
func Chain(code string) []string {
	if code == "" {
		return nil
	}
	var out []string
	for n := len(code); code != "CN" && n >= 2; n = above(n) {
		out = append(out, code[:n])
	}
	return append(out, "CN")
}

func above(n int) int {
	switch n {
	case 12:
		return 9
	case 9:
		return 6
	}
	return n - 2
}

// Compare asks every question of both books, in every region that either of
// them names and for every kind of alliance, on a day, and returns where they
// differ: a region only when its answer is not that of the region above.
func Compare(before, after *Book, day calendar.Date) []Change {
	var out []Change
	regions := regionsOf(before, after)
	for _, q := range questions(before, after) {
		said := map[string]string{} // region+kind: the change there
		for _, region := range regions {
			var some []Change
			for _, kind := range append([]string{""}, allianceKinds...) {
				c, note := q.ask(before, after, region, kind, day)
				said[region+"/"+kind] = note
				if note == "" || note == said[parent(region, regions)+"/"+kind] && region != "" {
					continue
				}
				some = append(some, c)
			}
			out = append(out, merge(some)...)
		}
	}
	return out
}

// question is a rule key, or an indicator with its scope.
type question struct {
	key, scope string
	target     bool
}

func questions(books ...*Book) []question {
	var out []question
	for _, b := range books {
		for key := range b.now().rules {
			out = append(out, question{key: key})
		}
		for _, list := range b.now().targets {
			out = append(out, question{list[0].target.Indicator, list[0].target.Scope, true})
		}
	}
	slices.SortFunc(out, func(a, b question) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.scope, b.scope))
	})
	return slices.Compact(out)
}

func (q question) ask(before, after *Book, region, kind string, day calendar.Date) (c Change, note string) {
	at := Place{Regions: Chain(region), Kind: kind}
	c = Change{Region: region, Kind: kind, Key: q.key, Scope: q.scope, Target: q.target}
	c.Before, c.After = q.answer(before, at, day), q.answer(after, at, day)
	if said(c.Before) == said(c.After) {
		return c, ""
	}
	return c, said(c.Before) + " → " + said(c.After)
}

func (q question) answer(b *Book, at Place, day calendar.Date) *Answer {
	if !q.target {
		a, err := b.Resolve(q.key, at, day)
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		return &a
	}
	t, err := b.Target(q.key, q.scope, at, day)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return &Answer{Key: t.Indicator, Clause: t.Clause, Profile: t.Profile, Version: t.Version,
		Value: Value{Type: TypeText, Text: t.Text()}}
}

// said is what an answer says and by which clause; a new version that says the
// same is no change.
func said(a *Answer) string {
	if a == nil {
		return "没有规定"
	}
	return a.Text() + "（" + a.Clause + "）"
}

// merge turns the same change for all kinds into one without a kind.
func merge(list []Change) []Change {
	if len(list) != len(allianceKinds)+1 {
		return list
	}
	for _, c := range list[1:] {
		if said(c.Before) != said(list[0].Before) || said(c.After) != said(list[0].After) {
			return list
		}
	}
	return list[:1]
}

// parent is the nearest region of the list above a region; "" for the nation.
func parent(region string, regions []string) string {
	for _, r := range Chain(region) {
		if r != region && slices.Contains(regions, r) {
			return r
		}
	}
	return ""
}

// regionsOf lists the regions that some rule or target of the books binds in,
// general before specific; "" stands for a place without any document.
func regionsOf(books ...*Book) []string {
	all := map[string]bool{"": true}
	for _, b := range books {
		for _, lists := range []map[string][]binding{b.now().rules, b.now().targets} {
			for _, list := range lists {
				for _, x := range list {
					all[x.region] = true
				}
			}
		}
	}
	out := slices.Collect(maps.Keys(all))
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(Chain(a)), len(Chain(b))), cmp.Compare(a, b))
	})
	return out
}

// Text writes a target without its name: not below 90 %, before a day.
func (t Target) Text() string {
	sign := map[string]string{">=": "不低于", "<=": "不高于", "=": "达到", ">": "高于", "<": "低于"}[t.Op]
	unit := map[string]string{"percent": "%", "count": " 个", "day": " 天", "month": " 个月", "year": " 年", "event": " 次", "yuan": " 元"}[t.Unit]
	what := map[string]string{"growth": "增幅", "change": "变化"}[t.Measure]
	s := what + sign + " " + strconv.FormatFloat(t.Value, 'f', -1, 64) + unit
	switch t.Baseline {
	case "":
	case "previous_year":
		s += "（与上一年相比）"
	default:
		s += "（与 " + t.Baseline + " 相比）"
	}
	if t.By != "" {
		s += "，" + string(t.By) + " 前"
	}
	return s
}
