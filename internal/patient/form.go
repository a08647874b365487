package patient

import (
	"strings"
	"unicode"

	"yilian/internal/calendar"
	"yilian/internal/errs"
	"yilian/internal/idcard"
)

// Check normalizes the form and names every wrong field at once. today decides
// about future dates and about the age under which a guardian is needed.
// updating says that empty numbers keep what is stored.
func (r Registration) Check(today calendar.Date, updating bool) (Registration, error) {
	var f errs.Form
	r.Name = strings.TrimSpace(r.Name)
	if msg := nameProblem(r.Name); msg != "" {
		f.Add("name", "%s", msg)
	}
	r.checkPaper(&f, today, updating)
	r.Phone = checkPhone(&f, "phone", r.Phone)
	if r.SafePhone != "-" {
		r.SafePhone = checkPhone(&f, "safe_phone", r.SafePhone)
	}
	if r.SafePhone != "" && r.SafePhone != "-" && strings.TrimSpace(r.SafeHow) == "" {
		f.Add("safe_how", "请写明安全联系人是谁、可以说到什么程度，例如“女儿，只说何时到院”")
	}
	if r.Ethnic == "" {
		r.Ethnic = "01"
	}
	if !known(Ethnics(), r.Ethnic) {
		f.Add("ethnic", "民族代码“%s”不在 GB/T 3304 中，请从列表选择", r.Ethnic)
	}
	if !known(InsuranceKinds(), r.InsuranceKind) {
		f.Add("insurance_kind", "请选择医保类型")
	}
	if !updating {
		r.checkContact(&f, today)
	}
	return r, f.Err()
}

func (r *Registration) checkPaper(f *errs.Form, today calendar.Date, updating bool) {
	r.IDNumber = idcard.Normalize(r.IDNumber)
	switch {
	case r.IDNumber == "" && updating:
	case r.IDType == IDCard:
		id, err := idcard.ParseOn(r.IDNumber, string(today))
		if err != nil {
			f.AddErr("id_number", err)
			return // sex and birth date would only repeat the same fault
		}
		r.IDNumber, r.Sex, r.BirthDate = id.Number, id.Sex, id.Birth
		return
	case r.IDType == "":
		if r.IDNumber != "" {
			f.Add("id_type", "已填写证件号码，请选择证件类型")
		}
	case !known(IDTypes(), r.IDType):
		f.Add("id_type", "请从列表选择证件类型")
	case r.IDNumber == "":
		f.Add("id_number", "请填写%s号码；没有证件请选择“无证件”", IDTypeTitle(r.IDType))
	case len(r.IDNumber) < 4 || len(r.IDNumber) > 30:
		f.Add("id_number", "%s号码应为4至30位，请核对", IDTypeTitle(r.IDType))
	}
	if !known(Sexes(), r.Sex) {
		f.Add("sex", "请选择性别")
	}
	f.AddErr("birth_date", birthProblem(r.BirthDate, today))
}

func birthProblem(text string, today calendar.Date) error {
	if text == "" {
		return errs.E(errs.Invalid, "请填写出生日期")
	}
	d, err := calendar.ParseDate(text)
	switch {
	case err != nil:
		return errs.E(errs.Invalid, "出生日期“%s”不存在，请按 1965-03-12 的样子填写", text)
	case d > today:
		return errs.E(errs.Invalid, "出生日期 %s 晚于今天（%s），请核对", d, today)
	case AgeOn(d, today) > 130:
		return errs.E(errs.Invalid, "出生日期 %s 距今超过130年，请核对", d)
	}
	return nil
}

// checkContact asks for the guardian of a child, and for a phone of those who
// have no paper, because nothing else would tell them apart.
func (r *Registration) checkContact(f *errs.Form, today calendar.Date) {
	birth, err := calendar.ParseDate(r.BirthDate)
	child := err == nil && AgeOn(birth, today) < GuardianAge
	g := &r.Guardian
	g.Name = strings.TrimSpace(g.Name)
	if !child && g.Name == "" && g.OtherID == "" {
		if r.IDNumber == "" && r.Phone == "" {
			f.Add("phone", "没有证件的患者必须填写联系电话，以便核对身份")
		}
		return
	}
	const why = "未满14周岁必须登记监护人"
	if g.Name == "" && g.OtherID == "" {
		f.Add("guardian_name", "%s：请填写监护人姓名", why)
	}
	if !known(RelationKinds(), g.Kind) {
		f.Add("guardian_kind", "请选择监护人与患者的关系")
	}
	g.Phone = checkPhone(f, "guardian_phone", g.Phone)
	if g.Phone == "" {
		f.Add("guardian_phone", "请填写监护人电话，知情同意和通知都要联系监护人")
	}
	g.Guardian = true
}

// checkPhone accepts a mobile number or a land line with area code; "" stays.
func checkPhone(f *errs.Form, field, phone string) string {
	phone = NormalizePhone(phone)
	if phone != "" && !mobile(phone) && !landline(phone) {
		f.Add(field, "电话号码“%s”不对：手机应为1开头的11位数字，座机应带区号，例如 07466331234", phone)
	}
	return phone
}

// NormalizePhone removes spaces, hyphens and the country code.
func NormalizePhone(phone string) string {
	phone = idcard.Normalize(phone)
	phone = strings.TrimPrefix(phone, "+86")
	if len(phone) == 13 {
		phone = strings.TrimPrefix(phone, "86")
	}
	return phone
}

func mobile(p string) bool   { return len(p) == 11 && p[0] == '1' && p[1] >= '3' && digits(p) }
func landline(p string) bool { return len(p) >= 10 && len(p) <= 12 && p[0] == '0' && digits(p) }

func digits(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

func nameProblem(name string) string {
	if name == "" {
		return "请填写姓名；暂时不知道姓名的请填“无名氏”加简要特征"
	}
	if n := len([]rune(name)); n > 40 {
		return "姓名太长，请不超过40个字"
	}
	for _, r := range name {
		if unicode.IsControl(r) || unicode.IsDigit(r) && r < 128 {
			return "姓名中不应有数字或控制字符，请核对"
		}
	}
	return ""
}
