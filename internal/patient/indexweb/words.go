package indexweb

import (
	"strconv"

	"yilian/internal/calendar"
	"yilian/internal/idcard"
	"yilian/internal/patient"
	"yilian/internal/patient/index"
	"yilian/internal/patient/match"
	"yilian/internal/web"
)

var fieldTitles = map[string]string{"name": "姓名", "sex": "性别", "birth": "出生日期", "id": "身份证号", "phone": "电话", "place": "住址"}

var levelWords = map[string][]string{
	"name":  {"相同，少见", "相同", "相同，很常见", "同音不同字", "近音、缺字或颠倒", "姓同、名有一字同", "仅姓相同", "不同"},
	"sex":   {"相同", "不同"},
	"birth": {"相同", "差一位或月日颠倒", "仅年份或月日相同", "不同"},
	"id":    {"相同", "只差一位，有一个校验不通过", "差两位", "不同"},
	"phone": {"相同", "只差一位", "不同"},
	"place": {"门牌相同", "同村不同门牌", "同乡镇", "不同乡镇"},
}

func levelText(p match.Part) string {
	if p.Level == match.Missing {
		return "有一方未填"
	}
	words := levelWords[p.Field]
	if int(p.Level) >= len(words) {
		return "不同"
	}
	return words[p.Level]
}

// side is how strongly a field speaks, in words: bits say nothing to a clerk.
func weightText(bits float64) string {
	switch {
	case bits >= 6:
		return "强烈支持同一人"
	case bits >= 1:
		return "支持同一人"
	case bits > -1:
		return "不说明问题"
	case bits > -6:
		return "支持不同的人"
	}
	return "强烈支持不同的人"
}

func weightTone(p match.Part) web.Tone {
	switch {
	case p.Level == match.Missing || p.Bits > -1 && p.Bits < 1:
		return web.Neutral
	case p.Bits >= 1:
		return web.Good
	}
	return web.Bad
}

// leaning is what the model makes of all fields together.
func leaning(p index.Pair) string {
	name, birth, bits := partOf(p.Parts, "name").Level, partOf(p.Parts, "birth").Level, p.Bits
	switch {
	case (name == match.NameShared || name == match.NameSurname) && birth == match.BirthSame:
		return "系统判断：同姓、同日出生、名不同，可能是写错名字，也可能是双胞胎"
	case bits >= 6:
		return "系统判断：很可能是同一人，但另有相近的人或同一住户，请核对"
	case bits >= 3:
		return "系统判断：偏向同一人"
	}
	return "系统判断：难以区分"
}

// partOf is the evidence of a field; without it the sides are compared in
// silence.
func partOf(parts []match.Part, field string) match.Part {
	for _, p := range parts {
		if p.Field == field {
			return p
		}
	}
	return match.Part{Field: field, Level: match.Missing}
}

type line struct {
	Title, A, B string
	Part        match.Part
	Compared    bool
}

// lines are the rows of the comparison.
func lines(p index.Pair) []line {
	row := func(field string, a, b string) line {
		return line{fieldTitles[field], a, b, partOf(p.Parts, field), true}
	}
	return []line{
		row("name", p.A.Name, p.B.Name),
		row("sex", patient.SexTitle(p.A.Sex), patient.SexTitle(p.B.Sex)),
		row("birth", string(p.A.BirthDate), string(p.B.BirthDate)),
		row("id", p.A.IDMasked, p.B.IDMasked),
		row("phone", p.A.PhoneMasked, p.B.PhoneMasked),
		row("place", p.A.Place+p.A.Address, p.B.Place+p.B.Address),
		{Title: "登记方式", A: p.A.Kind.Title(), B: p.B.Kind.Title()},
		{Title: "登记机构", A: p.A.Source, B: p.B.Source},
	}
}

func dash(s string) string {
	if s == "" {
		return "未填"
	}
	return s
}

func statedID(st patient.Statement) string {
	if st.IDNumber == "" {
		return ""
	}
	return idcard.Mask(st.IDNumber)
}

func shareText(n, of int64) string {
	if of == 0 {
		return "暂无来件，无法计算"
	}
	return strconv.FormatFloat(100*float64(n)/float64(of), 'f', 2, 64) + "%"
}

var objectTitles = map[string]string{"hl7": "医院消息", "fhir": "FHIR 数据", "file": "导入文件的一行", "": "无附件"}

func objectTitle(kind string) string {
	if t, ok := objectTitles[kind]; ok {
		return t
	}
	return "来件"
}

func basisText(basis string) string {
	if t, ok := map[string]string{"registered": "建档", "card": "证件和姓名一致", "model": "系统比对", "human": "人工归入"}[basis]; ok {
		return t
	}
	return "其他"
}

func (p identitiesPart) today() calendar.Date { return calendar.DateOf(p.Now) }
