package encounter

// Class is what kind of contact an encounter is.
type Class string

// The classes; indicators count each by itself.
const (
	Outpatient   Class = "outpatient"
	Emergency    Class = "emergency"
	Inpatient    Class = "inpatient"
	ExamOnly     Class = "exam"         // 检查直通: ordered elsewhere, no clinic visit (LL-4.4.2)
	Immunisation Class = "immunisation" // vaccination
	HealthCare   Class = "health"       // check-ups and follow-ups of public health
)

// Code is one entry of a code list with its Chinese title.
type Code struct{ Code, Title string }

// Classes returns all classes.
func Classes() []Code {
	return []Code{{string(Outpatient), "门诊"}, {string(Emergency), "急诊"}, {string(Inpatient), "住院"},
		{string(ExamOnly), "检查直通"}, {string(Immunisation), "预防接种"}, {string(HealthCare), "健康管理"}}
}

// Title is the class in Chinese.
func (c Class) Title() string { return title(Classes(), string(c)) }

// Answers to whether a contact is the first one.
const (
	Yes = "yes"
	No  = "no"
)

// Firsts returns the definitions by which a contact is called the first one.
// They give different rates, so that each row says which it follows.
func Firsts() []Code {
	return []Code{
		{"his", "就诊系统的初诊标志（同一疾病首次就诊）"},
		{"unreferred", "未经转诊直接就诊"},
		{"insurer", "医保经办机构的首诊口径"},
		{"contract", "签约居民在签约团队所在机构的首次接触"},
	}
}

// FirstTitle is a definition of first contact in Chinese.
func FirstTitle(code string) string { return title(Firsts(), code) }

// Died is the way of leaving that ends a life.
const Died = "5"

// LeaveWays returns 离院方式 of the front page of a stay (CV06.00.226).
func LeaveWays() []Code {
	return []Code{{"1", "医嘱离院"}, {"2", "医嘱转院"}, {"3", "医嘱转社区卫生服务机构或乡镇卫生院"},
		{"4", "非医嘱离院"}, {Died, "死亡"}, {"9", "其他"}}
}

// LeaveTitle is a way of leaving in Chinese.
func LeaveTitle(code string) string { return title(LeaveWays(), code) }

// FundKinds returns the funds that pay a share, as the settlement list names
// them. The personal account and cash are the patient's own share.
func FundKinds() []Code {
	return []Code{
		{"resident_pool", "城乡居民基本医保统筹基金"}, {"employee_pool", "职工基本医保统筹基金"},
		{"serious_illness", "大病保险"}, {"large_claims", "职工大额医疗费用补助"}, {"civil_servant", "公务员医疗补助"},
		{"medical_aid", "医疗救助"}, {"maternity", "生育保险"}, {"other", "其他基金"},
	}
}

// FundTitle is a kind of fund in Chinese.
func FundTitle(kind string) string { return title(FundKinds(), kind) }

// FeeClasses returns the fourteen classes of the settlement list.
func FeeClasses() []Code {
	return []Code{{"01", "床位费"}, {"02", "诊察费"}, {"03", "检查费"}, {"04", "化验费"}, {"05", "治疗费"}, {"06", "手术费"},
		{"07", "护理费"}, {"08", "卫生材料费"}, {"09", "西药费"}, {"10", "中药饮片费"}, {"11", "中成药费"},
		{"12", "一般诊疗费"}, {"13", "挂号费"}, {"14", "其他费"}}
}

// FeeTitle is a class of charges in Chinese.
func FeeTitle(class string) string { return title(FeeClasses(), class) }

// Sources of encounters.
const (
	SourceHL7     = "hl7"
	SourceFHIR    = "fhir"
	SourceFile    = "file"
	SourceInsurer = "insurer"
	SourcePage    = "page"
)

func title(list []Code, code string) string {
	for _, c := range list {
		if c.Code == code {
			return c.Title
		}
	}
	return ""
}

func known(list []Code, code string) bool { return title(list, code) != "" }

// CodeOf returns the code whose title or code is text, "" when there is none:
// files are written by people, who write the word.
func CodeOf(list []Code, text string) string {
	for _, c := range list {
		if text != "" && (c.Code == text || c.Title == text) {
			return c.Code
		}
	}
	return ""
}
