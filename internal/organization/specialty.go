package organization

// Specialty is a diagnostic subject (诊疗科目) of an institution's licence.
type Specialty struct{ Code, Name string }

// Specialties returns the diagnostic subjects in use (医疗机构诊疗科目名录).
func Specialties() []Specialty {
	return []Specialty{
		{"01", "预防保健科"}, {"02", "全科医疗科"}, {"03", "内科"}, {"03.01", "呼吸内科"},
		{"03.02", "消化内科"}, {"03.03", "神经内科"}, {"03.04", "心血管内科"}, {"03.05", "血液内科"},
		{"03.06", "肾病学"}, {"03.07", "内分泌"}, {"04", "外科"}, {"04.01", "普通外科"},
		{"04.02", "神经外科"}, {"04.03", "骨科"}, {"04.04", "泌尿外科"}, {"05", "妇产科"},
		{"05.01", "妇科"}, {"05.02", "产科"}, {"07", "儿科"}, {"07.01", "新生儿专业"},
		{"09", "儿童保健科"}, {"10", "眼科"}, {"11", "耳鼻咽喉科"}, {"12", "口腔科"},
		{"13", "皮肤科"}, {"15", "精神科"}, {"16", "传染科"}, {"19", "肿瘤科"},
		{"20", "急诊医学科"}, {"21", "康复医学科"}, {"28", "重症医学科"}, {"30", "医学检验科"},
		{"32", "医学影像科"}, {"32.05", "超声诊断专业"}, {"32.07", "心电诊断专业"}, {"50", "中医科"},
		{"50.08", "骨伤科专业"}, {"50.12", "针灸科专业"}, {"50.03", "脾胃病专业"}, {"50.16", "肺病专业"},
	}
}

// SpecialtyName is the name of a specialty code, the code itself when unknown.
func SpecialtyName(code string) string {
	for _, s := range Specialties() {
		if s.Code == code {
			return s.Name
		}
	}
	return code
}

func knownSpecialty(code string) bool {
	for _, s := range Specialties() {
		if s.Code == code {
			return true
		}
	}
	return false
}
