package stories_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"yilian/internal/db"
)

// known is the resident of the demonstration who has been about.
func (w *world) known(t *testing.T) (id, name string) {
	t.Helper()
	err := w.app.DB.View(t.Context(), func(tx *db.Tx) error {
		var err error
		id, err = db.Get(t.Context(), tx, "居民账号", db.Value[string], `SELECT patient FROM account WHERE login = 'jumin'`)
		if err != nil {
			return err
		}
		p, err := w.app.Patients.Get(t.Context(), tx, id)
		name = p.Name
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id, name
}

// A doctor reads in a minute what a patient has, takes and must not be given,
// follows a trend, a document and a curve to their source.
func TestADoctorReadsTheRecord(t *testing.T) {
	c := stage(t)
	id, _ := c.w.known(t)
	doctor := c.comes("yisheng")
	doctor.visit("/patients/" + id)
	doctor.readsIn("#glance", "青霉素", "高血压", "糖尿病", "二甲双胍", "空腹血糖", "参考范围")
	doctor.shot("20-glance")
	doctor.press("#glance td a", "空腹血糖")
	doctor.reads("全部结果", "永州市第四人民医院", "3.9-6.1")
	doctor.until("document.querySelectorAll('svg.trend circle').length >= 5")
	doctor.shot("20-trend")
	doctor.visit("/patients/" + id + "/timeline")
	doctor.reads("血常规", "出院小结", "冠状动脉 CT 血管造影", "水口山镇中心卫生院")
	doctor.shot("20-timeline")
	doctor.choose("kind", "文书")
	doctor.until("!document.getElementById('list').innerText.includes('血常规')")
	doctor.press("#list a", "出院小结")
	doctor.reads("诊疗经过", "抗血小板", "出院医嘱", "保存原文")
	doctor.shot("20-document")
	doctor.visit("/patients/" + id + "/timeline?kind=image")
	doctor.press("#list a", "心电图")
	doctor.until("document.querySelector('svg.trend polyline')")
	doctor.shot("20-curve")
	doctor.phone().visit("/patients/" + id)
	doctor.readsIn("#glance", "青霉素", "二甲双胍")
	doctor.shot("20-glance")
}

// The village doctor finds a patient from the menu, enters a visit in a few
// steps, and corrects it; what it was stays in sight.
func TestAVillageVisit(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "慕容秀莲", "1957-03-03")
	village := c.comes("cunyi")
	village.visit("/visits")
	village.shot("21-desk")
	village.fill("q", "mrxl")
	village.press("#found a", "登记门诊")
	village.reads("第一次接诊")
	village.fill("tail", r.Number[14:])
	village.fill("complaint", "头晕 2 天")
	village.find("diagnosis_main", "gxy", "高血压")
	village.fill("systolic", "158")
	village.fill("diastolic", "96")
	village.fill("med_name_0", "苯磺酸氨氯地平片 5 mg")
	village.fill("med_dose_0", "每日 1 次，每次 1 片")
	village.fill("med_days_0", "28")
	village.fill("total", "23.5")
	village.shot("21-entry")
	village.button("登记")
	village.reads("慕容秀莲的门诊", "头晕 2 天", "158 mmHg", "23.50")
	village.shot("21-entered")
	village.press("a", "更正")
	village.fill("systolic", "138")
	village.fill("diastolic", "86")
	village.fill("reason", "血压录错"+kb.Enter)
	village.reads("更正记录", "血压录错", "158 mmHg", "138 mmHg")
	village.shot("21-corrected")
	village.visit("/patients/" + r.ID)
	village.readsIn("#glance", "138", "氨氯地平", "高血压")
	village.phone().visit("/visits/new?patient=" + r.ID)
	village.reads("已有问题", "继续用", "上次 138")
	village.shot("21-entry")
}

// What is hidden by default is hidden from the office, opened with a reason; the
// resident reads at once who opened it, when and why.
func TestSensitiveFactsAndWhoLooked(t *testing.T) {
	c := stage(t)
	w := c.w
	r := w.settleAt(t, w.institution(t, fourth), "呼延文秀", "1961-08-08")
	w.signUp(t, r, "huyan")
	doctor, office := c.comes("yisheng"), c.comes("yiwu")
	doctor.visit("/visits/new?patient=" + r.ID)
	doctor.fill("tail", r.Number[14:])
	doctor.fill("complaint", "情绪低落 1 月")
	doctor.find("diagnosis_main", "F32.9", "抑郁")
	doctor.fill("med_name_0", "盐酸舍曲林片 50 mg")
	doctor.button("登记")
	doctor.reads("抑郁")
	office.visit("/patients/" + r.ID)
	office.readsIn("#glance", "已隐藏", "条敏感信息")
	office.misses("抑郁", "舍曲林")
	office.shot("22-hidden")
	office.visit("/patients/" + r.ID + "/timeline")
	office.reads("已隐藏")
	office.misses("抑郁", "舍曲林")
	office.visit("/patients/" + r.ID)
	office.button("打开已隐藏内容")
	office.fill("comment", "核对处方质控问题")
	office.button("确定打开已隐藏内容")
	office.readsIn("#glance", "抑郁", "舍曲林")
	office.shot("22-opened")
	resident := c.comes("huyan")
	resident.phone().visit("/looks")
	resident.reads("打开敏感内容", "核对处方质控问题", "医务科")
	resident.shot("22-looks")
	if n := strings.Count(resident.text(), "打开敏感内容"); n != 1 {
		t.Errorf("the opening is told %d times", n)
	}
	resident.visit("/record")
	resident.reads("呼延文秀", "抑郁")
	resident.shot("22-own")
}

// An emergency doctor opens the record of somebody nobody knows here; the
// privacy officer sees whose it was, why and what was read, and decides.
func TestABreakGlassIsReviewed(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "司徒文海", "1959-04-17")
	doctor, officer := c.comes("jizhen"), c.comes("yinsi")
	doctor.visit("/patients/" + r.ID)
	doctor.reads("没有诊疗关系")
	doctor.misses("高血压")
	doctor.button("紧急调阅")
	doctor.fill("comment", "昏迷送来，需了解过敏史")
	doctor.button("确定紧急调阅")
	doctor.reads("您正在紧急调阅")
	officer.visit("/disclosures")
	officer.reads("司徒文海", "昏迷送来，需了解过敏史", "待复核")
	officer.shot("23-reviews")
	officer.press("a", "FH")
	officer.reads("调阅期间做了什么", "打开档案")
	officer.misses("其他操作", "诊疗关系")
	officer.choose("reason", "抢救、急诊")
	officer.button("符合规定")
	officer.reads("已复核", "符合规定")
	officer.phone().visit("/disclosures")
	officer.reads("司徒文海", "已复核")
	officer.shot("23-reviewed")
}
