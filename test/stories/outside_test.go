package stories_test

import (
	"net/url"
	"strings"
	"testing"

	"yilian/internal/audit"
	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/organization"
	"yilian/internal/referral"
	"yilian/internal/web/webtest"
)

// A nursing home without the system takes part by one-time links: it reads the
// plan without signing in, says yes, that the patient has come, and what was
// done; each link is good for one answer.
func TestNursingHomeByOneTimeLink(t *testing.T) {
	c := stage(t)
	r := c.w.settle(t, "申屠凤英", "1948-03-03")
	home := c.w.nursingHome(t)
	doctor, centre, desk, treating := c.comes("yisheng"), c.comes("zhuanzhen"), c.comes("guahao"), c.comes("keshi")
	up := doctor.refer(r, "市四医院", "心血管内科")
	centre.accept(up)
	slot, _ := centre.scarcest(up)
	centre.do(up, "arrange", "slot", slot)
	centre.visit("/referrals/" + up)
	desk.do(up, "arrive", "code", centre.read("#arrival-code"), "name", r.Name)
	treating.do(up, "start", "care", "inpatient", "expected_discharge", c.w.day(3))
	page := treating.get("/referrals/" + up + "/note")
	got := treating.post("/down", "case", up, "version", versionField.FindStringSubmatch(page.Text)[1], "_once", "home", "patient", r.ID, "diagnosis", "I20.900",
		"reason", "acute_over", "indications", "acute_over", "target_service", home, "shown", home, "done", "冠脉造影，药物治疗后好转", "next", "双联抗血小板 1 个月",
		"red_flags", "胸痛超过 15 分钟", "until", c.w.day(30), "med_name", "阿司匹林肠溶片", "med_dose", "100mg", "med_frequency", "每日 1 次", "med_quantity", "30 片", "med_days", "30",
		"visit_on", c.w.day(7), "visit_what", "血压", "signed_by", "self", "form", "written", "consent", "1", "record_number", "Z2")
	down := c.w.following(t, up)
	if got.Status != 200 || down == "" {
		t.Fatalf("down: %d %s %s", got.Status, got.URL, got.Text)
	}

	centre.visit("/down/" + down + "/outside")
	centre.fill("contact", "莫护士 13900005555")
	centre.press("#make-link button[type=submit]", "生成链接")
	centre.reads("一次性链接已生成")
	link := linkIn(centre.text())
	if link == "" {
		t.Fatal("no link is shown: ", centre.text())
	}
	centre.shot("10-link")

	nurse := (&person{webtest.Person(t, c.browser), t, c.w, "护理院", "desk"}).phone()
	nurse.goes(link)
	nurse.reads("申屠凤英", "阿司匹林肠溶片", "请答复")
	nurse.misses(r.Number)
	nurse.shot("10-home")
	nurse.tick("同意接收")
	nurse.fill("name", "莫护士")
	nurse.set("visit", c.w.day(1))
	nurse.press("#answer-link button[type=submit]", "答复")
	nurse.reads("答复已送达", "待到诊")
	next := linkIn(nurse.read("#next-link"))
	nurse.goes(link)
	nurse.reads("无效、已用过或已过期")
	nurse.goes(next)
	nurse.tick("患者已到")
	nurse.fill("name", "莫护士")
	nurse.press("#answer-link button[type=submit]", "答复")
	nurse.reads("诊疗中")
	nurse.goes(linkIn(nurse.read("#next-link")))
	nurse.tick("已完成，写回报")
	nurse.fill("name", "莫护士")
	nurse.set("text", "按计划护理 4 周，无胸痛")
	nurse.set("advice", "回家后按时服药，乡镇卫生院随访")
	nurse.press("#answer-link button[type=submit]", "答复")
	nurse.reads("待回执")
	nurse.shot("10-reported")
	treating.visit("/referrals/" + down)
	treating.reads("按计划护理 4 周", "待回执")
}

// nursingHome registers an institution without the system and returns the id of
// its service.
func (w *world) nursingHome(t *testing.T) string {
	t.Helper()
	program := audit.Program("故事")
	o, err := w.app.Organizations.Save(t.Context(), program, organization.Organization{
		Name: "零陵康宁护理院", ShortName: "康宁护理院", Kind: organization.Other, Level: "未定级", Ownership: organization.Private,
		Region: "431102", Address: "零陵区南津中路 1 号", Active: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.app.Organizations.SaveDepartment(t.Context(), program, organization.Department{Org: o.ID, Name: "护理部", Specialty: "01", Location: "1 楼", Active: true})
	if err != nil {
		t.Fatal(err)
	}
	h, err := w.app.Organizations.SaveService(t.Context(), program, organization.HealthcareService{Org: o.ID, Department: d.ID, Name: "长期护理", Kind: organization.Inpatient, Specialty: "01", Active: true})
	if err != nil {
		t.Fatal(err)
	}
	return h.ID
}

// following is the id of the down-referral that follows from a case.
func (w *world) following(t *testing.T, up string) (id string) {
	t.Helper()
	err := w.app.DB.View(t.Context(), func(tx *db.Tx) error {
		of, err := flow.Get(t.Context(), tx, up)
		if err != nil {
			return err
		}
		all, err := flow.ByPatient(t.Context(), tx, of.Patient, 20)
		for _, c := range all {
			if c.Kind == referral.Kind && c.BasedOn == up {
				id = c.ID
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// linkIn finds the path of a one-time link in a text.
func linkIn(text string) string {
	_, tail, ok := strings.Cut(text, "/continue/")
	if !ok {
		return ""
	}
	end := strings.IndexFunc(tail, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_')
	})
	if end >= 0 {
		tail = tail[:end]
	}
	return "/continue/" + tail
}

// goes opens a page outside the frame of who is signed in.
func (p *person) goes(path string) {
	p.t.Helper()
	webtest.Visit(p, p.w.url+path)
	p.until("document.readyState === 'complete' && document.body.innerText.length > 20")
}

// The specialist turns a question into a referral, as the asker has allowed and
// the patient has agreed; another answer avoids one, which the survey at the end
// says; who is responsible stands on every page.
func TestAdviceBecomesAReferral(t *testing.T) {
	c := stage(t)
	first, second := c.w.settle(t, "轩辕秀梅", "1957-07-07"), c.w.settle(t, "令狐玉兰", "1961-01-21")
	doctor, specialist := c.comes("yisheng"), c.comes("keshi")
	dept := specialist.w.department(t, fourth, "心血管内科")
	ask := func(r resident, more ...string) string {
		got := doctor.post("/consults", append([]string{"patient", r.ID, "diagnosis", "I20.900", "diagnosis_text", "心绞痛", "chief", "反复胸闷 3 天", "summary", "活动后胸闷",
			"treatment", "无", "question", "要不要做造影？", "target", dept, "pace", "today", "signed_by", "self", "form", "written", "consent", "on", "_once", "ask" + r.ID}, more...)...)
		u, err := url.Parse(got.URL)
		if err != nil || got.Status != 200 || !strings.HasPrefix(u.Path, "/consults/") {
			t.Fatalf("ask: %d %s %s", got.Status, got.URL, got.Text)
		}
		return strings.TrimPrefix(u.Path, "/consults/")
	}
	a := ask(first, "may_convert", "on")
	specialist.visit("/consults/" + a + "/reply")
	specialist.reads("临床责任：水口山镇中心卫生院", "申请医生已授权专家直接转为转诊")
	specialist.tick("建议转诊")
	specialist.set("opinion", "症状典型，需冠脉造影")
	webtest.Script(specialist, "let e=document.querySelector('[name=urgency]'); if (e.tagName==='SELECT') { e.value='III' } else { document.querySelector('[name=urgency][value=III]').click() }; document.querySelector('[name=convert][value=draft]').click()")
	specialist.shot("11-reply")
	specialist.confirm()
	specialist.reads("已转为转诊单", "待申请医生")
	doctor.visit("/consults/" + a)
	doctor.reads("打开转诊单", "尚未接收患者，责任没有转移")
	doctor.shot("11-converted")

	b := ask(second)
	got := specialist.get("/consults/" + b + "/reply")
	specialist.post("/consults/"+b+"/reply", "version", versionField.FindStringSubmatch(got.Text)[1], "_once", "reply"+b, "kind", "local", "opinion", "可以调药", "plan", "加用美托洛尔")
	doctor.visit("/consults/" + b + "/close")
	doctor.tick("避免了转诊")
	doctor.tick("5")
	doctor.shot("11-survey")
	doctor.confirm()
	doctor.reads("避免了转诊", "5 分", "临床责任：水口山镇中心卫生院")
}

// department finds one of an institution by name.
func (w *world) department(t *testing.T, org, name string) (id string) {
	t.Helper()
	o := w.institution(t, org)
	err := w.app.DB.View(t.Context(), func(tx *db.Tx) error {
		list, err := organization.Departments(t.Context(), tx, o.ID)
		for _, d := range list {
			if d.Name == name {
				id = d.ID
			}
		}
		return err
	})
	if err != nil || id == "" {
		t.Fatalf("%s of %s: %v", name, org, err)
	}
	return id
}
