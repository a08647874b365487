// Package rescue keeps the five rescue lanes of an emergency (胸痛、卒中、创伤、危重
// 孕产妇、危重新生儿): what the first aid writes down in each, and whom each
// hospital calls, in order. JS-4.3 asks for the lanes; elsewhere they are the
// product's default (profiles/base, BASE-rescue).
package rescue

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"yilian/internal/access"
)

// Lane is one rescue lane.
type Lane struct {
	Code, Title string
	Reason      string // code of referral.reason.emergency that goes with it
	Probe       string // ICD-10 code by which services that treat it are found
	Fields      []Field
}

// The lanes; General is every other emergency.
const (
	ChestPain = "chest_pain"
	Stroke    = "stroke"
	Trauma    = "trauma"
	Maternal  = "maternal"
	Newborn   = "newborn"
	General   = ""
)

// Kind is how a first-aid field is filled in.
type Kind string

// The kinds of a field.
const (
	Clock  Kind = "clock"  // a time of day, 15:04
	Choice Kind = "choice" // one of Options
	Number Kind = "number"
)

// Option is one choice of a field.
type Option struct{ Code, Title string }

// Field is one coded thing that first aid writes down.
type Field struct {
	Code, Title string
	Kind        Kind
	Unit        string
	Options     []Option
}

var yesNo = []Option{{"yes", "是"}, {"no", "否"}, {"unknown", "不详"}}
var doneNot = []Option{{"done", "已做"}, {"not", "未做"}}
var givenNot = []Option{{"given", "已用"}, {"not", "未用"}, {"contra", "禁忌"}}

func at(code, title string) Field { return Field{Code: code, Title: title, Kind: Clock} }
func asks(code, title string) Field {
	return Field{Code: code, Title: title, Kind: Choice, Options: yesNo}
}
func pick(code, title string, list []Option) Field {
	return Field{Code: code, Title: title, Kind: Choice, Options: list}
}
func number(code, title, unit string) Field {
	return Field{Code: code, Title: title, Kind: Number, Unit: unit}
}

// Lanes returns the five lanes with their first-aid fields.
func Lanes() []Lane {
	return []Lane{
		{ChestPain, "胸痛", "chest_pain", "I21.900", []Field{
			at("onset", "发病时间"), at("first_contact", "首次医疗接触"), pick("ecg", "心电图", doneNot), at("ecg_at", "心电图时间"),
			asks("st_elevation", "ST 段抬高"), pick("antiplatelet", "双联抗血小板药", givenNot), pick("thrombolysis", "溶栓", givenNot),
		}},
		{Stroke, "卒中", "stroke", "I63.900", []Field{
			at("last_well", "最后正常时间"), at("onset", "发现时间"), asks("face", "口角歪斜"), asks("arm", "肢体无力"), asks("speech", "言语不清"),
			number("glucose", "血糖", "mmol/L"), asks("anticoagulant", "在服抗凝药"), pick("ct", "头颅 CT", doneNot),
		}},
		{Trauma, "创伤", "trauma", "T07.x00", []Field{
			at("injured", "受伤时间"), pick("mechanism", "致伤原因", []Option{{"traffic", "交通伤"}, {"fall", "坠落跌倒"}, {"sharp", "锐器伤"}, {"crush", "挤压伤"}, {"burn", "烧烫伤"}, {"other", "其他"}}),
			asks("bleeding", "活动性出血"), asks("airway", "气道通畅"), pick("immobilised", "固定", doneNot), at("tourniquet", "止血带时间"),
		}},
		{Maternal, "危重孕产妇", "obstetric", "O75.900", []Field{
			number("weeks", "孕周", "周"), pick("stage", "孕产期", []Option{{"pregnant", "孕期"}, {"labour", "临产"}, {"postpartum", "产后"}}),
			asks("bleeding", "阴道大出血"), asks("convulsion", "抽搐"), asks("membranes", "胎膜破裂"), number("fetal_heart", "胎心", "次/分"), pick("oxytocin", "宫缩剂", givenNot),
		}},
		{Newborn, "危重新生儿", "neonate", "P22.000", []Field{
			at("born", "出生时间"), number("weeks", "胎龄", "周"), number("weight", "出生体重", "g"), number("apgar_1", "Apgar 1 分钟", "分"),
			number("apgar_5", "Apgar 5 分钟", "分"), asks("resuscitated", "窒息复苏"), pick("incubator", "转运暖箱", []Option{{"yes", "有"}, {"no", "无"}}),
		}},
	}
}

// Get returns a lane; an unknown code, and the empty one, is the general lane
// without fields: a typing error must not stop an emergency.
func Get(code string) Lane {
	for _, l := range Lanes() {
		if l.Code == code {
			return l
		}
	}
	return Lane{Code: General, Title: "其他急症"}
}

// Clean keeps what the lane knows and what can be read; the rest comes back as
// words, so that nothing said in a hurry is lost.
func (l Lane) Clean(values map[string]string) (kept map[string]string, unread []string) {
	kept = map[string]string{}
	for _, f := range l.Fields {
		v := strings.TrimSpace(values[f.Code])
		switch {
		case v == "":
		case f.reads(v):
			kept[f.Code] = v
		default:
			unread = append(unread, f.Title+" "+v)
		}
	}
	return kept, unread
}

func (f Field) reads(v string) bool {
	switch f.Kind {
	case Clock:
		_, err := time.Parse("15:04", v)
		return err == nil
	case Number:
		n, err := strconv.ParseFloat(v, 64)
		return err == nil && n >= 0 && n < 100_000
	}
	return slices.ContainsFunc(f.Options, func(o Option) bool { return o.Code == v })
}

// Says are the filled fields in words, in the order of the lane.
func (l Lane) Says(values map[string]string) []string {
	var out []string
	for _, f := range l.Fields {
		v, ok := values[f.Code]
		if !ok {
			continue
		}
		for _, o := range f.Options {
			if o.Code == v {
				v = o.Title
			}
		}
		if f.Unit != "" {
			v += " " + f.Unit
		}
		out = append(out, f.Title+" "+v)
	}
	return out
}

// Entry is one place in a lane's list: a person, whoever is on call in a
// department, or everybody of a role. Exactly one of the three is set.
type Entry struct {
	Practitioner string      `json:"practitioner,omitempty"`
	Department   string      `json:"department,omitempty"`
	Role         access.Role `json:"role,omitempty"`
	Phone        string      `json:"phone,omitempty"` // empty: the one in the register
}

// List is whom a hospital calls in a lane.
type List struct {
	Org, Lane string
	Version   int64
	Entries   []Entry
	ChangedAt time.Time
	ChangedBy string
}

// Contact is one entry as it stands at an instant. Person or Role can be
// alerted on the platform; a contact with neither is a phone number.
type Contact struct {
	Person     string // practitioner id
	Role       access.Role
	Name       string // 王主任 心血管内科
	Phone      string
	Department string
}

// Reachable reports whether the platform can alert the contact.
func (c Contact) Reachable() bool { return c.Person != "" || c.Role != "" }
