package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"yilian/internal/calendar"
)

// check looks at one draft as a whole: ids carry the document's code, narrower
// regions lie inside, nothing is set twice, facts refer to what exists.
func (d *draft) check(f *faults) {
	for _, c := range d.profile.clauses {
		file, line := d.at(c.ID)
		if !strings.HasPrefix(c.ID, d.profile.Code+"-") {
			f.add(file, line, "条款编号 %q 应以 %q 开头", c.ID, d.profile.Code+"-")
		}
		for _, r := range c.Rules {
			file, line := d.at(c.ID, is("key", r.Key))
			d.inside(file, line, r.Key, r.Region, f)
		}
		for _, t := range c.Targets {
			file, line := d.at(c.ID, is("indicator", t.Indicator))
			d.inside(file, line, t.Indicator, t.Region, f)
		}
	}
	d.duplicates(f)
	d.facts(f)
}

func (d *draft) inside(file string, line int, what, region string, f *faults) {
	j := d.profile.Jurisdiction
	if region == "" || j == "" || j == "CN" || strings.HasPrefix(region, j) {
		return
	}
	f.add(file, line, "%s：地区 %q 不在本文件适用地区 %q 之内", what, region, j)
}

// scope is where and when one rule or target binds, to find contradictions.
type scope struct {
	name, region string
	kinds        []string
	from, to     calendar.Date
	clause       string
	line         string // pattern that finds it
}

func (s scope) clashes(o scope) bool {
	if s.name != o.name || s.region != o.region || (len(s.kinds) == 0) != (len(o.kinds) == 0) {
		return false
	}
	if len(s.kinds) > 0 && !slices.ContainsFunc(s.kinds, func(k string) bool { return slices.Contains(o.kinds, k) }) {
		return false
	}
	return (s.to == "" || o.from <= s.to) && (o.to == "" || s.from <= o.to)
}

// duplicates refuses two rules of one document with the same key and scope
// whose dates overlap: nobody could say which one binds.
func (d *draft) duplicates(f *faults) {
	var seen []scope
	for _, c := range d.profile.clauses {
		var own []scope
		for _, r := range c.Rules {
			own = append(own, scope{"rule " + r.Key, r.Region, r.Kinds, r.ValidFrom, r.ValidTo, c.ID, is("key", r.Key)})
		}
		for _, t := range c.Targets {
			own = append(own, scope{"target " + t.Indicator + "/" + t.Scope, t.Region, t.Kinds, t.ValidFrom, t.ValidTo, c.ID, is("indicator", t.Indicator)})
		}
		for _, s := range own {
			if i := slices.IndexFunc(seen, s.clashes); i >= 0 {
				file, line := d.at(s.clause, s.line)
				_, name, _ := strings.Cut(s.name, " ")
				f.add(file, line, "%s 重复：条款 %s 与 %s 在同一范围、同一时期都作了规定", strings.TrimSuffix(name, "/"), seen[i].clause, s.clause)
			}
			seen = append(seen, s)
		}
	}
}

// finish settles what needs all profiles: adopted clauses, types and ways to
// combine of shared keys, versions.
func assemble(drafts []*draft, f *faults) (*Book, error) {
	home := map[string]*draft{}
	for _, d := range drafts {
		for _, c := range d.profile.clauses {
			if prior, ok := home[c.ID]; ok {
				file, line := d.at(c.ID)
				f.add(file, line, "条款 %s 在 %s 里已有", c.ID, show(prior.dir))
			}
			home[c.ID] = d
		}
	}
	for _, d := range drafts {
		d.adopt(home, f)
	}
	b := &contents{rules: map[string][]binding{}, targets: map[string][]binding{}}
	agree := map[string]agreed{}
	for _, d := range drafts {
		d.agree(agree, f)
	}
	if !f.ok() {
		return nil, f.err()
	}
	for _, d := range drafts {
		version, err := digest(d.profile)
		if err != nil {
			return nil, err
		}
		d.profile.Version = version
		b.profiles = append(b.profiles, d.profile)
	}
	slices.SortFunc(b.profiles, func(x, y Profile) int {
		return cmp.Or(
			cmp.Compare(order(x), order(y)), cmp.Compare(x.Jurisdiction, y.Jurisdiction),
			cmp.Compare(x.ValidFrom, y.ValidFrom), cmp.Compare(x.ID, y.ID))
	})
	for _, p := range b.profiles {
		b.bind(p, home, agree)
	}
	book := &Book{}
	book.held.Store(b)
	return book, nil
}

// order sorts profiles: the nation, provinces, cities, counties, defaults.
func order(p Profile) int {
	switch {
	case p.Base():
		return 99
	case p.Jurisdiction == "CN":
		return 0
	}
	return len(p.Jurisdiction)
}

// adopt fills a clause that takes over a clause of another document: its rules
// and targets then bind in the adopting profile's jurisdiction.
func (d *draft) adopt(home map[string]*draft, f *faults) {
	for i, c := range d.profile.clauses {
		if c.Adopts == "" {
			continue
		}
		file, line := d.at(c.ID)
		from, ok := home[c.Adopts]
		if !ok || from == d {
			f.add(file, line, "条款 %s 采用的条款 %q 不在已载入的其他文件里", c.ID, c.Adopts)
			continue
		}
		src, _ := from.profile.Clause(c.Adopts)
		if src.Adopts != "" {
			f.add(file, line, "条款 %s 采用的 %s 本身也是采用来的，请直接采用 %s", c.ID, c.Adopts, src.Adopts)
			continue
		}
		if c.Summary == "" {
			c.Summary = src.Summary
		}
		if len(c.Rules) == 0 && len(c.Targets) == 0 {
			for _, r := range src.Rules {
				r.Region = ""
				c.Rules = append(c.Rules, r)
			}
			for _, t := range src.Targets {
				t.Region = ""
				c.Targets = append(c.Targets, t)
			}
		}
		d.profile.clauses[i] = c
	}
	d.duplicates(f)
}

// agreed is what all rules of one key must have in common.
type agreed struct {
	typ     Type
	combine Combine
	where   string
}

func (d *draft) agree(all map[string]agreed, f *faults) {
	for _, c := range d.profile.clauses {
		for _, r := range c.Rules {
			a, ok := all[r.Key]
			if !ok {
				all[r.Key] = agreed{r.Value.Type, r.Combine, c.ID}
				continue
			}
			file, line := d.at(c.ID, is("key", r.Key))
			if a.typ != r.Value.Type {
				f.add(file, line, "%s 的值类型是 %s，而条款 %s 里是 %s", r.Key, r.Value.Type, a.where, a.typ)
			}
			if r.Combine != "" && a.combine != "" && a.combine != r.Combine {
				f.add(file, line, "%s 的 combine 是 %s，而条款 %s 里是 %s", r.Key, r.Combine, a.where, a.combine)
			}
			if a.combine == "" {
				a.combine = r.Combine
				all[r.Key] = a
			}
		}
	}
}

// bind puts the rules and targets of a profile where Resolve finds them.
func (b *contents) bind(p Profile, home map[string]*draft, agree map[string]agreed) {
	for _, c := range p.clauses {
		base := Answer{
			Clause: c.ID, ClauseSummary: c.Summary, Section: c.Section, Document: p.Document(),
			Profile: p.ID, Version: p.Version, Source: c.Source, Default: p.Base(),
		}
		if c.Adopts != "" {
			base.Clause, base.Adopted = c.Adopts, true
			base.Document = home[c.Adopts].profile.Document()
		}
		for _, r := range c.Rules {
			a := base
			a.Key, a.Value, a.Note, a.Starter = r.Key, r.Value, r.Note, c.Starter || r.Starter
			x := binding{region: cmp.Or(r.Region, p.Jurisdiction), kinds: r.Kinds, profile: p.Kinds, issued: p.Issued, combine: agree[r.Key].combine, answer: a}
			x.from, x.to = narrow(p, r.ValidFrom, r.ValidTo)
			b.rules[r.Key] = append(b.rules[r.Key], x)
		}
		for _, t := range c.Targets {
			x := binding{region: cmp.Or(t.Region, p.Jurisdiction), kinds: t.Kinds, profile: p.Kinds, issued: p.Issued, answer: base, target: t}
			x.from, x.to = narrow(p, t.ValidFrom, t.ValidTo)
			key := t.Indicator + "/" + t.Scope
			b.targets[key] = append(b.targets[key], x)
		}
	}
}

// narrow cuts the dates of a rule to those of its document.
func narrow(p Profile, from, to calendar.Date) (calendar.Date, calendar.Date) {
	from = max(from, p.ValidFrom)
	if to == "" || (p.ValidTo != "" && p.ValidTo < to) {
		to = p.ValidTo
	}
	return from, to
}

// digest names the content of a profile: clauses sorted, comments and the
// split into files left out, adopted rules included.
func digest(p Profile) (string, error) {
	clauses := slices.Clone(p.clauses)
	slices.SortFunc(clauses, func(a, b Clause) int { return cmp.Compare(a.ID, b.ID) })
	p.Version = ""
	raw, err := json.Marshal(struct {
		Head    Profile
		Clauses []Clause
		Facts   Facts
	}{p, clauses, p.facts})
	if err != nil {
		return "", fmt.Errorf("digest profile %s: %w", p.ID, err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:6]), nil
}
