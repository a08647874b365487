package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"yilian/internal/calendar"
)

var (
	keyText    = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[A-Za-z0-9_]+)*$`)
	regionText = regexp.MustCompile(`^(CN|[0-9]{2}|[0-9]{4}|[0-9]{6}|[0-9]{9}|[0-9]{12})$`)
)

// date reads an optional date of a profile.
func (d *draft) date(file string, line int, label, s string, f *faults) calendar.Date {
	if s == "" {
		return ""
	}
	day, err := calendar.ParseDate(s)
	if err != nil {
		f.add(file, line, "%s：%v", label, err)
	}
	return day
}

func (d *draft) head(file string, h *headDoc, f *faults) {
	field := func(name string) int { return d.line(file, `^\[profile\]`, `^\s*`+name+`\s*=`) }
	for _, x := range [][2]string{{"id", h.ID}, {"code", h.Code}, {"title", h.Title}, {"issuer", h.Issuer}, {"valid_from", h.ValidFrom}} {
		if strings.TrimSpace(x[1]) == "" {
			f.add(file, d.line(file, `^\[profile\]`), "[profile] 缺少 %s", x[0])
		}
	}
	if h.ID != "" && h.ID != d.dir {
		f.add(file, field("id"), "id %q 与文件夹名 %q 不一致", h.ID, d.dir)
	}
	if h.Jurisdiction != "" && !regionText.MatchString(h.Jurisdiction) {
		f.add(file, field("jurisdiction"), "适用地区 %q 不是行政区划代码（CN、2、4、6、9 或 12 位数字）", h.Jurisdiction)
	}
	d.kinds(file, field("kinds"), h.Kinds, f)
	d.profile.ID, d.profile.Code, d.profile.Title = h.ID, h.Code, h.Title
	d.profile.Number, d.profile.Issuer, d.profile.Note = h.Number, h.Issuer, h.Note
	d.profile.Issued = d.date(file, field("issued"), "issued", h.Issued, f)
	d.profile.ValidFrom = d.date(file, field("valid_from"), "valid_from", h.ValidFrom, f)
	d.profile.ValidTo = d.date(file, field("valid_to"), "valid_to", h.ValidTo, f)
	d.profile.Jurisdiction, d.profile.Kinds = h.Jurisdiction, h.Kinds
	d.window(file, field("valid_to"), d.profile.ValidFrom, d.profile.ValidTo, f)
}

func (d *draft) window(file string, line int, from, to calendar.Date, f *faults) {
	if from != "" && to != "" && to < from {
		f.add(file, line, "有效期止 %s 早于有效期起 %s", to, from)
	}
}

func (d *draft) kinds(file string, line int, kinds []string, f *faults) {
	for _, k := range kinds {
		if !slices.Contains(allianceKinds, k) {
			f.add(file, line, "不认识的医联体类型 %q，可用：%s", k, strings.Join(allianceKinds, "、"))
		}
	}
}

// take moves the content of one file into the draft.
func (d *draft) take(file string, doc document, f *faults) {
	for _, c := range doc.Clauses {
		if prior, ok := d.home[c.ID]; ok {
			f.add(file, d.line(file, is("id", c.ID)), "条款 %s 重复，%s 里已有", c.ID, show(prior))
			continue
		}
		d.home[c.ID] = file
		d.clause(file, c, f)
	}
	into := &d.profile.facts
	into.Institutions = append(into.Institutions, doc.Institutions...)
	into.Alliances = append(into.Alliances, doc.Alliances...)
	into.Memberships = append(into.Memberships, doc.Memberships...)
	into.Supports = append(into.Supports, doc.Supports...)
	into.Ties = append(into.Ties, doc.Ties...)
	into.Bodies = append(into.Bodies, doc.Bodies...)
	into.Phases = append(into.Phases, doc.Phases...)
}

func (d *draft) clause(file string, c clauseDoc, f *faults) {
	_, line := d.at(c.ID)
	if c.ID == "" {
		f.add(file, line, "有一个条款没有 id")
	}
	kind := Kind(c.Kind)
	if kind.Title() == c.Kind {
		f.add(file, line, "条款 %s 的 kind %q 有误，应为 do、rule、target 或 data", c.ID, c.Kind)
	}
	if c.Summary == "" && c.Adopts == "" {
		f.add(file, line, "条款 %s 缺少 summary（用自己的话概括）", c.ID)
	}
	out := Clause{
		ID: c.ID, Section: c.Section, Kind: kind, Summary: c.Summary,
		Source: c.Source, Adopts: c.Adopts, Starter: c.Starter,
	}
	for _, r := range c.Rules {
		out.Rules = append(out.Rules, d.rule(c, r, f))
	}
	for _, t := range c.Targets {
		d.target(c.ID, &t, f)
		out.Targets = append(out.Targets, t)
	}
	d.profile.clauses = append(d.profile.clauses, out)
}

func (d *draft) rule(c clauseDoc, r ruleDoc, f *faults) Rule {
	file, line := d.at(c.ID, is("key", r.Key))
	if !keyText.MatchString(r.Key) {
		f.add(file, line, "条款 %s 的键 %q 有误，应为 referral.clock.draft 这样的小写英文", c.ID, r.Key)
	}
	value, err := r.value()
	if err != nil {
		f.add(file, line, "%s：%v", r.Key, err)
	}
	for i := range value.Codes {
		value.Codes[i].Clause = c.ID
		value.Codes[i].Starter = c.Starter || r.Starter
	}
	how := Combine(r.Combine)
	switch how {
	case "", Specific, StrictestMin, StrictestMax, Union:
	default:
		f.add(file, line, "%s：combine %q 有误，应为 specific、strictest_min、strictest_max 或 union", r.Key, r.Combine)
	}
	if _, ordered := value.size(); !ordered && (how == StrictestMin || how == StrictestMax) {
		f.add(file, line, "%s：这种值没有大小，不能取最严的一个", r.Key)
	}
	if how == Union && value.Type != TypeList && value.Type != TypeCodes {
		f.add(file, line, "%s：只有清单可以合并（union）", r.Key)
	}
	d.kinds(file, line, r.Kinds, f)
	if r.Region != "" && !regionText.MatchString(r.Region) {
		f.add(file, line, "%s：地区 %q 不是行政区划代码", r.Key, r.Region)
	}
	out := Rule{
		Key: r.Key, Value: value, Region: r.Region, Kinds: r.Kinds, Combine: how, Note: r.Note, Starter: r.Starter,
		ValidFrom: d.date(file, line, r.Key+" 的 valid_from", r.ValidFrom, f),
		ValidTo:   d.date(file, line, r.Key+" 的 valid_to", r.ValidTo, f),
	}
	d.window(file, line, out.ValidFrom, out.ValidTo, f)
	return out
}

// value takes the one value that a rule sets.
func (r ruleDoc) value() (Value, error) {
	var set []string
	var v Value
	if r.Bool != nil {
		set, v = append(set, "bool"), Value{Type: TypeBool, Bool: *r.Bool}
	}
	if r.Int != nil {
		set, v = append(set, "int"), Value{Type: TypeInt, Int: *r.Int}
	}
	if r.Text != nil {
		set, v = append(set, "text"), Value{Type: TypeText, Text: *r.Text}
	}
	if r.List != nil {
		set, v = append(set, "list"), Value{Type: TypeList, List: r.List}
	}
	if r.Codes != nil {
		set, v = append(set, "codes"), Value{Type: TypeCodes, Codes: r.Codes}
	}
	if r.Deadline != nil {
		set = append(set, "deadline")
		due, err := ParseDeadline(*r.Deadline)
		if err != nil {
			return Value{}, err
		}
		v = Value{Type: TypeDeadline, Deadline: due}
	}
	switch len(set) {
	case 0:
		return Value{}, fmt.Errorf("没有值，请写 bool、int、text、deadline、list、codes 中的一个")
	case 1:
	default:
		return Value{}, fmt.Errorf("只能有一个值，现在有：%s", strings.Join(set, "、"))
	}
	return v, checkCodes(v.Codes)
}

func checkCodes(codes []Code) error {
	seen := map[string]bool{}
	for i, c := range codes {
		switch {
		case c.Code == "" || c.Title == "":
			return fmt.Errorf("第 %d 个代码缺少 code 或 title", i+1)
		case seen[c.Code]:
			return fmt.Errorf("代码 %q 重复", c.Code)
		case c.Urgency != "" && !slices.Contains([]string{"I", "II", "III", "IV"}, c.Urgency):
			return fmt.Errorf("代码 %q 的 urgency %q 有误，应为 I、II、III 或 IV", c.Code, c.Urgency)
		}
		seen[c.Code] = true
		if c.Note == "" {
			codes[i].Note = strings.Join(c.Prefixes, " ")
		}
	}
	return nil
}

func (d *draft) target(clause string, t *Target, f *faults) {
	file, line := d.at(clause, is("indicator", t.Indicator))
	if !keyText.MatchString(t.Indicator) {
		f.add(file, line, "条款 %s 的指标 %q 有误，应为 visit.county_share 这样的小写英文", clause, t.Indicator)
	}
	one := func(label, v string, of ...string) {
		if !slices.Contains(of, v) {
			f.add(file, line, "%s：%s %q 有误，应为：%s", t.Indicator, label, v, strings.Join(of, "、"))
		}
	}
	if t.Measure == "" {
		t.Measure = "level"
	}
	one("op", t.Op, ">=", "<=", "=", ">", "<")
	one("unit", t.Unit, "percent", "count", "day", "month", "year", "event", "yuan")
	one("measure", t.Measure, "level", "growth", "change")
	if t.Measure != "level" && t.Baseline == "" {
		f.add(file, line, "%s：增长或变化要写明 baseline（与什么相比）", t.Indicator)
	}
	d.kinds(file, line, t.Kinds, f)
	if t.Region != "" && !regionText.MatchString(t.Region) {
		f.add(file, line, "%s：地区 %q 不是行政区划代码", t.Indicator, t.Region)
	}
	t.By = d.date(file, line, t.Indicator+" 的 by", string(t.By), f)
	t.ValidFrom = d.date(file, line, t.Indicator+" 的 valid_from", string(t.ValidFrom), f)
	t.ValidTo = d.date(file, line, t.Indicator+" 的 valid_to", string(t.ValidTo), f)
	d.window(file, line, t.ValidFrom, t.ValidTo, f)
}
