package patient

import "slices"

// Code is one entry of a code list with its Chinese title.
type Code struct{ Code, Title string }

// Sexes of GB/T 2261.1.
const (
	SexUnknown  = "0"
	Male        = "1"
	Female      = "2"
	SexUnstated = "9"
)

// Sexes returns GB/T 2261.1.
func Sexes() []Code {
	return []Code{{Male, "男"}, {Female, "女"}, {SexUnknown, "未知"}, {SexUnstated, "未说明"}}
}

// SexTitle is the sex in Chinese.
func SexTitle(sex string) string { return title(Sexes(), sex) }

// IDCard is the resident identity card among the papers of CV02.01.101.
const IDCard = "01"

// IDTypes returns the papers of CV02.01.101 that a person may show.
func IDTypes() []Code {
	return []Code{{IDCard, "居民身份证"}, {"02", "居民户口簿"}, {"03", "护照"}, {"04", "军官证"},
		{"06", "港澳居民来往内地通行证"}, {"07", "台湾居民来往内地通行证"}, {"99", "其他证件"}}
}

// IDTypeTitle is the paper in Chinese; without one, 无证件.
func IDTypeTitle(t string) string {
	if t == "" {
		return "无证件"
	}
	return title(IDTypes(), t)
}

// Insurance kinds.
const (
	UrbanEmployee = "urban_employee"
	Resident      = "resident"
	MedicalAid    = "medical_aid"
	SelfPay       = "self_pay"
	OtherCover    = "other"
)

// InsuranceKinds returns the kinds of cover.
func InsuranceKinds() []Code {
	return []Code{{Resident, "城乡居民医保"}, {UrbanEmployee, "职工医保"}, {MedicalAid, "医疗救助（居民医保）"},
		{SelfPay, "自费"}, {OtherCover, "其他"}}
}

// InsuranceTitle is the kind of cover in Chinese.
func InsuranceTitle(kind string) string { return title(InsuranceKinds(), kind) }

// RelationKinds returns GB/T 4761 as far as families need it: what the other
// person is to the patient.
func RelationKinds() []Code {
	return []Code{{"51", "父亲"}, {"52", "母亲"}, {"10", "配偶"}, {"20", "儿子"}, {"30", "女儿"},
		{"61", "祖父"}, {"62", "祖母"}, {"63", "外祖父"}, {"64", "外祖母"}, {"40", "孙子女或外孙子女"},
		{"57", "继父或养父"}, {"58", "继母或养母"}, {"53", "公公"}, {"54", "婆婆"}, {"55", "岳父"}, {"56", "岳母"},
		{"71", "兄"}, {"73", "弟"}, {"75", "姐姐"}, {"77", "妹妹"}, {"97", "其他亲属"}, {"99", "非亲属"}}
}

// RelationTitle is the kinship in Chinese.
func RelationTitle(kind string) string { return title(RelationKinds(), kind) }

// Label marks what is hidden by default from everyone without direct care.
type Label string

const (
	MentalHealth Label = "mental_health"
	HIV          Label = "hiv_std"
	Tuberculosis Label = "tuberculosis"
	Reproductive Label = "reproductive"
	Minor        Label = "minor" // under 14 (PIPL 28): follows from the birth date as well
	Violence     Label = "violence"
)

// Labels returns all labels.
func Labels() []Label {
	return []Label{MentalHealth, HIV, Tuberculosis, Reproductive, Minor, Violence}
}

// Title is the label in Chinese.
func (l Label) Title() string {
	switch l {
	case MentalHealth:
		return "精神卫生"
	case HIV:
		return "艾滋病性病"
	case Tuberculosis:
		return "结核病"
	case Reproductive:
		return "生殖健康"
	case Minor:
		return "未满14周岁"
	case Violence:
		return "暴力伤害"
	}
	return ""
}

// ethnics are the names of GB/T 3304 in the order of their codes 01 to 56.
var ethnics = []string{"汉族", "蒙古族", "回族", "藏族", "维吾尔族", "苗族", "彝族", "壮族", "布依族", "朝鲜族",
	"满族", "侗族", "瑶族", "白族", "土家族", "哈尼族", "哈萨克族", "傣族", "黎族", "傈僳族",
	"佤族", "畲族", "高山族", "拉祜族", "水族", "东乡族", "纳西族", "景颇族", "柯尔克孜族", "土族",
	"达斡尔族", "仫佬族", "羌族", "布朗族", "撒拉族", "毛南族", "仡佬族", "锡伯族", "阿昌族", "普米族",
	"塔吉克族", "怒族", "乌孜别克族", "俄罗斯族", "鄂温克族", "德昂族", "保安族", "裕固族", "京族", "塔塔尔族",
	"独龙族", "鄂伦春族", "赫哲族", "门巴族", "珞巴族", "基诺族"}

// Ethnics returns GB/T 3304.
func Ethnics() []Code {
	out := make([]Code, 0, len(ethnics)+2)
	for i, name := range ethnics {
		out = append(out, Code{string([]byte{'0' + byte((i+1)/10), '0' + byte((i+1)%10)}), name})
	}
	return append(out, Code{"97", "其他"}, Code{"98", "外国血统中国籍人士"})
}

// EthnicTitle is the ethnic group in Chinese.
func EthnicTitle(code string) string { return title(Ethnics(), code) }

func title(list []Code, code string) string {
	for _, c := range list {
		if c.Code == code {
			return c.Title
		}
	}
	return ""
}

func known(list []Code, code string) bool {
	return slices.ContainsFunc(list, func(c Code) bool { return c.Code == code })
}
