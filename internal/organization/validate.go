package organization

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"yilian/internal/db"
	"yilian/internal/errs"
	"yilian/internal/region"
	"yilian/internal/terminology"
)

var (
	phonePattern      = regexp.MustCompile(`^(0\d{2,3}-?[2-9]\d{6,7}(-\d{1,5})?|1[3-9]\d{9}|400-?\d{3}-?\d{4}|1\d{2,4})$`)
	healthCodePattern = regexp.MustCompile(`^[0-9A-Z]{22}$`)
	insurancePattern  = regexp.MustCompile(`^H\d{6}\d{5}$`)
	prefixPattern     = regexp.MustCompile(`^[A-Z]([0-9]([0-9](\.[0-9A-Za-z*+]{0,12})?)?)?$`)
	rangePattern      = regexp.MustCompile(`^([A-Z])([0-9]{2})-([A-Z])([0-9]{2})$`)
)

// CheckPhone returns a sentence when a phone number cannot be one. Blank is
// not checked.
func CheckPhone(phone string) error {
	if phone == "" || phonePattern.MatchString(phone) {
		return nil
	}
	return errs.E(errs.Invalid, "电话号码 %s 不正确：请填写带区号的固定电话（如 0746-6221234）或 11 位手机号", phone)
}

const (
	usccCharset = "0123456789ABCDEFGHJKLMNPQRTUWXY" // GB 32100: no I O Z S V
)

var usccWeights = [17]int{1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28}

// usccCheck returns the check character of the first 17 characters, and the
// position of the first character outside the charset (-1 when all are in it).
func usccCheck(body string) (check byte, bad int) {
	sum := 0
	for i := range usccWeights {
		v := strings.IndexByte(usccCharset, body[i])
		if v < 0 {
			return 0, i
		}
		sum += v * usccWeights[i]
	}
	return usccCharset[(31-sum%31)%31], -1
}

// CheckUSCC returns a sentence when code is not a unified social credit code
// (GB 32100): 18 characters, the last a check character.
func CheckUSCC(code string) error {
	if utf8.RuneCountInString(code) != 18 || len(code) != 18 {
		return errs.E(errs.Invalid, "统一社会信用代码应为 18 位，现在是 %d 位", utf8.RuneCountInString(code))
	}
	check, bad := usccCheck(code[:17])
	if bad >= 0 {
		return errs.E(errs.Invalid, "统一社会信用代码第 %d 位“%c”不是允许的字符（数字和大写字母，不含 I、O、S、V、Z）", bad+1, code[bad])
	}
	if code[17] != check {
		return errs.E(errs.Invalid, "统一社会信用代码校验位不符：第 18 位应为 %c，请核对有无录错", check)
	}
	return nil
}

// ParseTreats reads what a service treats as typed: ICD-10 prefixes and
// ranges of three-character categories, parted by blanks or commas
// ("I20-I25、I50 J18.9"). It returns single prefixes, each once.
func ParseTreats(text string) ([]string, error) {
	var out []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,，、;；", r) }) {
		expanded, err := expandTreat(word)
		if err != nil {
			return nil, err
		}
		for _, p := range expanded {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out, nil
}

func expandTreat(word string) ([]string, error) {
	upper := strings.ToUpper(strings.NewReplacer("－", "-", "—", "-", "~", "-").Replace(word))
	if m := rangePattern.FindStringSubmatch(upper); m != nil {
		from, to := m[1]+m[2], m[3]+m[4]
		if m[1] != m[3] || from > to {
			return nil, errs.E(errs.Invalid, "诊断范围 %s 不正确：应在同一字母章内，且由小到大，如 I20-I25", word)
		}
		var all []string
		for n := int(m[2][0]-'0')*10 + int(m[2][1]-'0'); n <= int(m[4][0]-'0')*10+int(m[4][1]-'0'); n++ {
			p := m[1] + string(rune('0'+n/10)) + string(rune('0'+n%10))
			if terminology.HasPrefix(p) { // ranges may span categories that the edition leaves out
				all = append(all, p)
			}
		}
		return all, nil
	}
	if !prefixPattern.MatchString(upper) || !terminology.HasPrefix(upper) {
		return nil, errs.E(errs.Invalid, "ICD-10 医保版里没有以 %s 开头的编码", word)
	}
	return []string{terminology.Canonical(upper)}, nil
}

// validate checks an institution field by field.
func validate(ctx context.Context, tx *db.Tx, o Organization) error {
	var f errs.Form
	f.Require("name", o.Name, "机构名称")
	if utf8.RuneCountInString(o.Name) > 60 {
		f.Add("name", "机构名称不能超过 60 个字")
	}
	if o.Name != "" {
		if same, err := ByName(ctx, tx, o.Name); err == nil && same.ID != o.ID {
			f.Add("name", "已有名为“%s”的机构，请核对是否重复录入", o.Name)
		} else if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	if o.Kind.Title() == "" {
		f.Add("kind", "请选择机构类别")
	}
	if !slices.Contains(Levels(), o.Level) {
		f.Add("level", "请选择机构等级；没有评级的选“未定级”")
	}
	if o.Ownership.Title() == "" {
		f.Add("ownership", "请选择公立或民营")
	}
	if _, err := region.Get(ctx, tx, o.Region); errs.Is(err, errs.NotFound) {
		f.Add("region", "请选择所在行政区划")
	} else if err != nil {
		return err
	}
	f.AddErr("referral_phone", CheckPhone(o.ReferralPhone))
	if err := validateParent(ctx, tx, o, &f); err != nil {
		return err
	}
	if err := validateIdentifiers(ctx, tx, o, &f); err != nil {
		return err
	}
	return f.Err()
}

func validateParent(ctx context.Context, tx *db.Tx, o Organization, f *errs.Form) error {
	if o.Parent == "" {
		if o.Kind == VillageClinic {
			f.Add("parent", "村卫生室须选择所属的乡镇卫生院或社区卫生服务中心")
		}
		return nil
	}
	parent, err := Get(ctx, tx, o.Parent)
	switch {
	case errs.Is(err, errs.NotFound):
		f.Add("parent", "没有找到所选的上级机构，请重新选择")
	case err != nil:
		return err
	case o.Kind != VillageClinic:
		f.Add("parent", "只有村卫生室有所属卫生院；%s 为独立法人，请清空此项", o.Kind.Title())
	case parent.Kind != TownshipCenter && parent.Kind != CommunityCenter:
		f.Add("parent", "“%s”不是乡镇卫生院或社区卫生服务中心，不能管理村卫生室", parent.Name)
	}
	return nil
}

func validateIdentifiers(ctx context.Context, tx *db.Tx, o Organization, f *errs.Form) error {
	seen := map[string]bool{}
	for _, id := range o.Identifiers {
		if seen[id.System] {
			f.Add(id.System, "%s只能填写一个", IdentifierTitle(id.System))
			continue
		}
		seen[id.System] = true
		switch id.System {
		case USCC:
			f.AddErr(USCC, CheckUSCC(id.Value))
		case HealthCode:
			if !healthCodePattern.MatchString(id.Value) {
				f.Add(HealthCode, "卫生机构（组织）代码应为 22 位数字或大写字母，现在是 %d 位", utf8.RuneCountInString(id.Value))
			}
		case InsuranceOrg:
			if !insurancePattern.MatchString(id.Value) {
				f.Add(InsuranceOrg, "医保定点机构编码应为 H 加 11 位数字，如 H43110200001")
			}
		}
		other, err := ByIdentifier(ctx, tx, id.System, id.Value)
		if err == nil && other.ID != o.ID {
			f.Add(id.System, "%s %s 已登记在“%s”名下", IdentifierTitle(id.System), id.Value, other.Name)
		} else if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	return nil
}

func validateDepartment(d Department, siblings []Department) error {
	var f errs.Form
	f.Require("name", d.Name, "科室名称")
	if utf8.RuneCountInString(d.Name) > 40 {
		f.Add("name", "科室名称不能超过 40 个字")
	}
	for _, s := range siblings {
		if s.Name == d.Name && s.ID != d.ID {
			f.Add("name", "本机构已有科室“%s”%s", d.Name, map[bool]string{true: "", false: "（已停用，可在列表中恢复）"}[s.Active])
		}
	}
	if !knownSpecialty(d.Specialty) {
		f.Add("specialty", "请选择诊疗科目")
	}
	f.AddErr("phone", CheckPhone(d.Phone))
	if d.DailyCapacity < 0 || d.DailyCapacity > 1000 {
		f.Add("daily_capacity", "每日可接收转诊人数应在 0 到 1000 之间")
	}
	return f.Err()
}

func validateService(s HealthcareService, department Department) error {
	var f errs.Form
	f.Require("name", s.Name, "服务名称")
	if department.Org != s.Org {
		f.Add("department", "请选择本机构的科室")
	}
	if s.Kind.Title() == "" {
		f.Add("kind", "请选择服务形式（门诊、住院、检查、急诊）")
	}
	if !knownSpecialty(s.Specialty) {
		f.Add("specialty", "请选择诊疗科目")
	}
	if s.MinAge < 0 || s.MinAge > 150 {
		f.Add("min_age", "最小年龄应在 0 到 150 岁之间")
	}
	if s.MaxAge < 0 || s.MaxAge > 150 || (s.MaxAge > 0 && s.MaxAge < s.MinAge) {
		f.Add("max_age", "最大年龄应不小于最小年龄，且不超过 150 岁；不限请留空")
	}
	if s.Sex != "" && s.Sex != "1" && s.Sex != "2" {
		f.Add("sex", "请选择性别限制：不限、男或女")
	}
	for _, p := range s.Treats {
		if !terminology.HasPrefix(p) {
			f.Add("treats", "ICD-10 医保版里没有以 %s 开头的编码", p)
		}
	}
	return f.Err()
}
