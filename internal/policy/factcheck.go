package policy

import (
	"slices"

	"yilian/internal/calendar"
)

// facts checks that every fact names a clause of its own profile, that
// institutions and alliances it refers to exist, and that kinds and dates are
// sound. It also stamps each fact with its profile.
func (d *draft) facts(f *faults) {
	c := factCheck{d: d, f: f, institutions: map[string]bool{}, alliances: map[string]bool{}}
	facts, id := &d.profile.facts, d.profile.ID
	for i, x := range facts.Institutions {
		facts.Institutions[i].Profile = id
		c.unique(c.institutions, x.ID, "机构")
		c.clause(x.Clause, x.Name, is("name", x.Name))
		c.region(x.Region, is("name", x.Name))
		c.filled(x.Name, "机构 "+x.ID+" 缺少 name", is("id", x.ID))
	}
	for i, x := range facts.Alliances {
		facts.Alliances[i].Profile = id
		c.unique(c.alliances, x.ID, "医联体")
		c.clause(x.Clause, x.Name, is("name", x.Name))
		c.institution(x.Lead, is("lead", x.Lead))
		c.region(x.Region, is("name", x.Name))
		if !slices.Contains(allianceKinds, x.Kind) {
			c.fault(is("id", x.ID), "医联体 %s 的 kind %q 不认识", x.ID, x.Kind)
		}
		c.date(x.From, is("id", x.ID))
	}
	c.relations(facts, id)
	for i, x := range facts.Bodies {
		facts.Bodies[i].Profile = id
		c.clause(x.Clause, x.Name, is("name", x.Name))
	}
	for i, x := range facts.Phases {
		facts.Phases[i].Profile = id
		c.clause(x.Clause, x.Name, is("name", x.Name))
		c.region(x.Region, is("name", x.Name))
		c.date(x.From, is("name", x.Name))
		c.date(x.To, is("name", x.Name))
	}
}

func (c factCheck) relations(facts *Facts, id string) {
	for i, x := range facts.Memberships {
		facts.Memberships[i].Profile = id
		where := is("member", x.Member)
		c.institution(x.Member, where)
		if !c.alliances[x.Alliance] {
			c.fault(where, "没有医联体 %q", x.Alliance)
		}
		if !slices.Contains([]string{"lead", "member", "link"}, x.Role) {
			c.fault(where, "%s 的 role %q 有误，应为 lead、member 或 link", x.Member, x.Role)
		}
		c.clause(x.Clause, x.Member, where)
		c.date(x.From, where)
		c.date(x.To, where)
	}
	for i, x := range facts.Supports {
		facts.Supports[i].Profile = id
		where := is("supported", x.Supported)
		c.institution(x.Supporter, where)
		c.institution(x.Supported, where)
		c.clause(x.Clause, x.Supported, where)
		c.date(x.From, where)
		c.date(x.To, where)
	}
	for i, x := range facts.Ties {
		facts.Ties[i].Profile = id
		where := is("institution", x.Institution)
		c.institution(x.Institution, where)
		c.clause(x.Clause, x.Institution, where)
		for _, r := range x.Regions {
			c.region(r, where)
		}
	}
}

type factCheck struct {
	d                       *draft
	f                       *faults
	institutions, alliances map[string]bool
}

// fault reports at the first line of any file that matches.
func (c factCheck) fault(pattern, format string, args ...any) {
	for _, file := range sortedKeys(c.d.files) {
		if line := c.d.line(file, pattern); line > 0 {
			c.f.add(file, line, format, args...)
			return
		}
	}
	c.f.add(c.d.dir, 0, format, args...)
}

func (c factCheck) unique(seen map[string]bool, id, what string) {
	if id == "" || seen[id] {
		c.fault(is("id", id), "%s的 id %q 为空或重复", what, id)
	}
	seen[id] = true
}

func (c factCheck) filled(value, message, pattern string) {
	if value == "" {
		c.fault(pattern, "%s", message)
	}
}

func (c factCheck) clause(id, what, pattern string) {
	if _, ok := c.d.home[id]; !ok {
		c.fault(pattern, "%s 引用的条款 %q 不在本文件里", what, id)
	}
}

func (c factCheck) institution(id, pattern string) {
	if !c.institutions[id] {
		c.fault(pattern, "没有机构 %q", id)
	}
}

func (c factCheck) region(code, pattern string) {
	if code != "" && !regionText.MatchString(code) {
		c.fault(pattern, "地区 %q 不是行政区划代码", code)
	}
}

func (c factCheck) date(s, pattern string) {
	if s == "" {
		return
	}
	if _, err := calendar.ParseDate(s); err != nil {
		c.fault(pattern, "%v", err)
	}
}
