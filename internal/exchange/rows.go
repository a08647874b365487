package exchange

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"yilian/internal/encounter"
	"yilian/internal/errs"
	"yilian/internal/organization"
	"yilian/internal/patient"
	"yilian/internal/region"
)

var personColumns = []Column{
	{"身份证号", false, "18 位；与院内号至少填一项"},
	{"院内号", false, "本机构给患者的编号；同一编号总是同一人"},
	{"姓名", true, "与证件一致"},
}

var moneyColumns = func() []Column {
	out := []Column{{"总费用", false, "元，最多两位小数；未提供请留空，不要填 0"}}
	for _, k := range encounter.FundKinds() {
		out = append(out, Column{k.Title, false, "元；该基金支付的金额"})
	}
	return append(out, Column{"个人负担", false, "元；含个人账户和现金。基金支付加个人负担应等于总费用"})
}()

// files are the kinds of files.
var files = []File{
	{PatientFile, "患者", "为没有接口的机构批量建档；已有的人不重复建档", append(append([]Column{}, personColumns...),
		Column{"性别", false, "男、女；有身份证号可不填"}, Column{"出生日期", false, "1965-03-12；有身份证号可不填"}, Column{"电话", false, ""},
		Column{"住址", false, ""}, Column{"村（社区）代码", false, "12 位行政区划代码"}, Column{"医保类型", false, "城乡居民医保、职工医保、医疗救助（居民医保）、自费、其他"}),
		(*importer).patientRow},
	{VisitFile, "就诊", "门诊、急诊、住院、检查直通、预防接种、健康管理的就诊记录和费用", append(append(append([]Column{
		{"就诊流水号", true, "本机构内不重复；再次导入同一流水号即为更正"}}, personColumns...),
		Column{"就诊类别", true, "门诊、急诊、住院、检查直通、预防接种、健康管理"}, Column{"就诊时间", true, "2026-03-02 08:30；住院填入院时间"},
		Column{"结束时间", false, "住院填出院时间"}, Column{"科室", false, ""}, Column{"医生", false, ""},
		Column{"初诊标志", false, "是、否；就诊系统的初诊标志"}, Column{"离院方式", false, "医嘱离院、医嘱转院、医嘱转社区卫生服务机构或乡镇卫生院、非医嘱离院、死亡、其他，或代码 1–5、9"},
		Column{"医保类型", false, "城乡居民医保、职工医保、医疗救助（居民医保）、自费、其他"}, Column{"参保地", false, "6 位行政区划代码"}), moneyColumns...),
		(*importer).visitRow},
	{DiagnosisFile, "诊断", "为已导入的就诊补充诊断，主要诊断序号为 1", []Column{{"就诊流水号", true, "已导入的就诊"}, {"序号", true, "1 为主要诊断"},
		{"临床版编码", false, "ICD-10 临床版；与医保版至少填一项"}, {"临床版名称", false, ""}, {"医保版编码", false, "ICD-10 医保版"}, {"医保版名称", false, ""}},
		(*importer).diagnosisRow},
	{ResultFile, "检验检查结果", "逐项的检验检查结果", append(append([]Column{{"报告编号", true, "本机构内不重复"}}, personColumns...),
		Column{"项目编码", false, ""}, Column{"项目名称", true, ""}, Column{"结果", true, "数值或文字，例如 7.10、<0.5、阴性"}, Column{"单位", false, ""},
		Column{"参考范围", false, ""}, Column{"异常标志", false, "H、L、A，正常留空"}, Column{"报告时间", true, "2026-03-02 08:30"}),
		(*importer).resultRow},
	{InsurerFile, "医保县外就诊月报", "医保经办机构每月提供；参保人在县外的就诊，只有结算事实，没有病历", append([]Column{
		{"结算编号", true, "不重复；再次导入同一编号即为更正"}, {"身份证号", false, "与平台上的居民对应；没有对应的人也计数"}, {"姓名", false, ""},
		{"参保地", true, "6 位行政区划代码"}, {"医保类型", true, "城乡居民医保、职工医保、医疗救助（居民医保）"}, {"机构编码", false, "医保定点医疗机构编码"},
		{"机构名称", true, ""}, {"就医地", false, "6 位行政区划代码"}, {"就诊类别", true, "门诊、急诊、住院"}, {"就诊时间", true, "住院填入院日期"},
		{"结束时间", false, "住院填出院日期"}, {"离院方式", false, ""}, {"主要诊断编码", false, "ICD-10 医保版"}, {"人次", false, "汇总行填人次，此时不填身份证号"}},
		moneyColumns...), (*importer).insurerRow},
}

func insuranceWord(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var titles []string
	for _, c := range patient.InsuranceKinds() {
		if c.Title == text || c.Code == text {
			return c.Code, nil
		}
		titles = append(titles, c.Title)
	}
	return "", mustBe("医保类型", text, titles)
}

// word is the code of a word in a column; "" stays.
func (r row) word(column string, list []encounter.Code) (string, error) {
	text := r.get(column)
	if text == "" {
		return "", nil
	}
	if code := encounter.CodeOf(list, text); code != "" {
		return code, nil
	}
	var titles []string
	for _, c := range list {
		titles = append(titles, c.Title)
	}
	return "", mustBe(column, text, titles)
}

// place checks a code of a division that has one here.
func (x *importer) place(ctx context.Context, r row, column string) (string, error) {
	code := r.get(column)
	if code == "" {
		return "", nil
	}
	if _, err := strconv.Atoi(code); err != nil || len(code) < 6 {
		return "", wrong(column, "“%s”应为 6 位（区县）以上的行政区划代码", code)
	}
	if len(code) == 12 {
		if _, err := region.Get(ctx, x.tx, code); errs.Is(err, errs.NotFound) {
			return "", wrong(column, "“%s”不在行政区划中", code)
		} else if err != nil {
			return "", err
		}
	}
	return code, nil
}

func (x *importer) patientRow(ctx context.Context, r row) (string, error) {
	p, err := r.said()
	if err != nil {
		return "", err
	}
	if p.region, err = x.place(ctx, r, "村（社区）代码"); err != nil {
		return "", err
	}
	before, err := patient.Count(ctx, x.tx)
	if err != nil {
		return "", err
	}
	if _, err = x.s.identify(ctx, x.tx, x.src, p); err != nil {
		return "", err
	}
	after, err := patient.Count(ctx, x.tx)
	if after > before {
		return rowNew, err
	}
	return rowSame, err
}

// fileSystem names the files of an institution as a source of encounters.
func (x *importer) fileSystem() string { return encounter.SourceFile + "/" + x.src.peer.Org }

func (x *importer) visitRow(ctx context.Context, r row) (string, error) {
	p, err := r.said()
	if err != nil {
		return "", err
	}
	e, found, err := encounter.BySource(ctx, x.tx, x.fileSystem(), r.get("就诊流水号"))
	if err == nil && !found {
		e, found, err = encounter.ByOtherRoad(ctx, x.tx, x.src.peer.Org, r.get("就诊流水号"), encounter.SourceFile)
	}
	if err != nil {
		return "", err
	}
	if err := r.visit(&e); err != nil {
		return "", err
	}
	if e.InsurancePlace, err = x.place(ctx, r, "参保地"); err != nil {
		return "", err
	}
	if e.Patient, err = x.s.identify(ctx, x.tx, x.src, p); err != nil {
		return "", err
	}
	e.Org, e.Department, e.Doctor, e.Clinical = x.src.peer.Org, r.get("科室"), r.get("医生"), true
	if !found {
		e.Source = encounter.Source{System: x.fileSystem(), Key: r.get("就诊流水号")}
		e.Diagnoses = nil
	}
	e.Source.Ref = x.src.ref
	return x.record(ctx, e)
}

// record stores an encounter and says what that did.
func (x *importer) record(ctx context.Context, e encounter.Encounter) (string, error) {
	e, what, err := x.s.Encounters.RecordTx(ctx, x.tx, x.src.actor(), e)
	if err == nil && e.Patient != "" {
		err = x.src.through(ctx, x.tx, encounterObject, e.ID)
	}
	return map[encounter.Outcome]string{encounter.Inserted: rowNew, encounter.Corrected: rowChanged, encounter.Unchanged: rowSame}[what], err
}

// visit reads what visits and the insurer's rows have in common.
func (r row) visit(e *encounter.Encounter) error {
	class, err := r.word("就诊类别", encounter.Classes())
	if err != nil {
		return err
	}
	e.Class = encounter.Class(class)
	if e.Start, err = r.instant("就诊时间"); err != nil {
		return err
	}
	if e.End, err = r.instant("结束时间"); err != nil {
		return err
	}
	if e.Leave, err = r.word("离院方式", encounter.LeaveWays()); err != nil {
		return err
	}
	if e.InsuranceKind, err = insuranceWord(r.get("医保类型")); err != nil {
		return err
	}
	e.First, e.FirstBy = "", ""
	switch r.get("初诊标志") {
	case "":
	case "是", "初诊", "1":
		e.First, e.FirstBy = encounter.Yes, "his"
	case "否", "复诊", "0", "2":
		e.First, e.FirstBy = encounter.No, "his"
	default:
		return mustBe("初诊标志", r.get("初诊标志"), []string{"是", "否"})
	}
	return r.money(e)
}

func (r row) money(e *encounter.Encounter) error {
	read := func(column string) (encounter.Fen, error) {
		f, err := encounter.ParseFen(r.get(column))
		if err != nil {
			err = wrong(column, "%s", err.Error())
		}
		return f, err
	}
	var err error
	if e.Total, err = read("总费用"); err != nil {
		return err
	}
	if e.Own, err = read("个人负担"); err != nil {
		return err
	}
	e.Funds = nil
	for _, k := range encounter.FundKinds() {
		f, err := read(k.Title)
		if err != nil {
			return err
		}
		if f.Known {
			e.Funds = append(e.Funds, encounter.Share{Code: k.Code, Fen: f.Amount})
		}
	}
	return nil
}

func (x *importer) diagnosisRow(ctx context.Context, r row) (string, error) {
	e, found, err := encounter.BySource(ctx, x.tx, x.fileSystem(), r.get("就诊流水号"))
	if err == nil && !found {
		e, found, err = encounter.ByOtherRoad(ctx, x.tx, x.src.peer.Org, r.get("就诊流水号"), encounter.SourceFile)
	}
	if err != nil {
		return "", err
	}
	if !found {
		return "", wrong("就诊流水号", "“%s”还没有导入就诊，请先导入就诊文件", r.get("就诊流水号"))
	}
	n, err := strconv.Atoi(r.get("序号"))
	if err != nil || n < 1 || n > len(e.Diagnoses)+1 || n > 40 {
		return "", wrong("序号", "“%s”应为连续的序号：该就诊已有 %d 个诊断，下一个是 %d", r.get("序号"), len(e.Diagnoses), len(e.Diagnoses)+1)
	}
	d := encounter.Diagnosis{ClinicalCode: r.get("临床版编码"), ClinicalName: r.get("临床版名称"), InsuranceCode: r.get("医保版编码"), InsuranceName: r.get("医保版名称")}
	if d.ClinicalCode == "" && d.InsuranceCode == "" {
		return "", wrong("临床版编码", "临床版编码和医保版编码至少填一项")
	}
	outcome := rowNew
	if n <= len(e.Diagnoses) {
		e.Diagnoses[n-1], outcome = d, rowChanged
	} else {
		e.Diagnoses = append(e.Diagnoses, d)
	}
	e.Source.Ref, e.ChangeReason = x.src.ref, "导入诊断"
	_, what, err := x.s.Encounters.RecordTx(ctx, x.tx, x.src.actor(), e)
	if what == encounter.Unchanged {
		outcome = rowSame
	}
	return outcome, err
}

func (x *importer) resultRow(ctx context.Context, r row) (string, error) {
	p, err := r.said()
	if err != nil {
		return "", err
	}
	at, err := r.instant("报告时间")
	if err != nil {
		return "", err
	}
	who, err := x.s.identify(ctx, x.tx, x.src, p)
	if err != nil {
		return "", err
	}
	o := object{"status": "final", "subject": object{"reference": "Patient/" + who}, "effectiveDateTime": at.Format(time.RFC3339),
		"code":           object{"text": r.get("项目名称"), "coding": []any{object{"system": "urn:yilian:codes:file", "code": r.get("项目编码"), "display": r.get("项目名称")}}},
		"referenceRange": []any{object{"text": r.get("参考范围")}}}
	if r.get("项目编码") == "" {
		o["code"] = object{"text": r.get("项目名称")}
	}
	if f := r.get("异常标志"); f != "" {
		o["interpretation"] = []any{object{"coding": []any{object{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "code": f}}}}
	}
	if n, ok := numberOf(r.get("结果")); ok {
		o["valueQuantity"] = object{"value": n, "unit": r.get("单位")}
	} else {
		o["valueString"] = r.get("结果")
	}
	key := fmt.Sprintf("%s/%s/%s", r.get("报告编号"), r.get("项目编码"), r.get("项目名称"))
	return x.s.putFile(ctx, x.tx, x.src, who, "Observation", key, o)
}

// insurerRow is a contact outside, as the insurer has settled it. A person whom
// the index does not know is counted all the same.
func (x *importer) insurerRow(ctx context.Context, r row) (string, error) {
	var e encounter.Encounter
	if err := r.visit(&e); err != nil {
		return "", err
	}
	var err error
	if e.InsurancePlace, err = x.place(ctx, r, "参保地"); err != nil {
		return "", err
	}
	if e.Outside.Region, err = x.place(ctx, r, "就医地"); err != nil {
		return "", err
	}
	e.Outside.Code, e.Outside.Name, e.Visits = r.get("机构编码"), r.get("机构名称"), 1
	if e.Outside.Code != "" {
		o, err := organization.ByIdentifier(ctx, x.tx, organization.InsuranceOrg, e.Outside.Code)
		if err == nil {
			e.Org, e.Outside = o.ID, encounter.Outside{}
		} else if !errs.Is(err, errs.NotFound) {
			return "", err
		}
	}
	if code := r.get("主要诊断编码"); code != "" {
		e.Diagnoses = []encounter.Diagnosis{{InsuranceCode: code}}
	}
	if text := r.get("人次"); text != "" {
		if e.Visits, err = strconv.ParseInt(text, 10, 32); err != nil || e.Visits < 1 {
			return "", wrong("人次", "“%s”应为正整数", text)
		}
	}
	if card := r.get("身份证号"); card != "" {
		p := said{card: card, name: r.get("姓名"), at: "患者"}
		if e.Patient, err = x.s.byCard(ctx, x.tx, p); err != nil {
			return "", wrong("身份证号", "%s", err.Error())
		}
		if e.Patient != "" {
			if ok, err := x.s.agrees(ctx, x.tx, e.Patient, p); err != nil {
				return "", err
			} else if !ok {
				return "", wrong("姓名", "与平台上该身份证号的居民姓名不一致")
			}
		}
	}
	e.Source = encounter.Source{System: encounter.SourceInsurer, Key: r.get("结算编号"), Ref: x.src.ref}
	return x.record(ctx, e)
}
