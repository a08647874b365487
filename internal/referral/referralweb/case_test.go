package referralweb

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/db/dbtest"
	"yilian/internal/flow"
	"yilian/internal/referral"
)

// TestStory takes one referral from submission to acknowledgement through the
// pages, each step by the post whose turn it is.
func TestStory(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		c := w.To(0, referral.StateSubmitted)
		f.as(w.Centre)
		body := f.get(200, "/referrals/"+c.ID)
		f.has(body, "张桂兰", c.Number, "待受理", "现在轮到：永州市第四人民医院 转诊中心", "内办理", "临床责任：水口山镇中心卫生院", "等我方", "等对方",
			"心绞痛（I20.900）", "反复胸闷 3 天", "已同意：患者本人 张桂兰，书面签字", "（患者选择）", "4311", "/patients/"+c.Patient+"/reveal/id",
			`action="/referrals/`+c.ID+`/accept"`, "/ask\"", "/decline\"", "/redirect\"", "/claim\"")
		f.lacks(body, w.IDNumbers[0], "13900001234", "/arrange\"", "/withdraw\"", "/answer\"")

		f.has(f.do(200, c, "accept"), "待安排", "安排就诊", "/arrange\"")
		form := f.get(200, "/referrals/"+c.ID+"/arrange")
		f.has(form, `id="form-arrange"`, "今日已约", "王主任", "心血管内科", `name="appointed_at"`)
		at := w.Now.Add(24 * time.Hour)
		body = f.do(200, c, "arrange", "department", w.Cardiology.ID, "doctor", w.Specialist.Person, "appointed_at", at.Format("2006-01-02"), "appointed_time", "15:30", "location", "门诊 3 楼 305")
		f.has(body, "待到诊", "2026-03-03 15:30", "王主任", "门诊 3 楼 305")

		code := w.Code(c)
		f.has(body, `id="arrival-code">`+code)
		f.as(w.Desk)
		f.lacks(f.get(200, "/referrals/"+c.ID), code) // the desk asks the patient for it
		f.has(f.do(422, c, "arrive", "code", "000000", "name", "张三"), "姓名与转诊单不符", `value="000000"`, `value="张三"`)
		f.has(f.do(200, c, "arrive", "id_number", strings.ToLower(w.IDNumbers[0]), "birth_date", string(w.Patients[0].BirthDate)), "已到诊")

		f.as(w.Specialist)
		f.has(f.do(422, c, "start", "care", "inpatient"), "预计出院日期")
		f.has(f.do(200, c, "start", "care", "outpatient"), "诊疗中", "王主任")
		f.has(f.do(200, c, "note", "text", "冠脉 CT 已做"), "诊疗进展", "冠脉 CT 已做")
		body = f.do(422, c, "complete", "result_code", "I20.900", "result_code_text", "心绞痛", "treatment", "抗血小板治疗", "outcome", "treated_returned")
		f.has(body, "下一步治疗方案及康复建议", "抗血小板治疗", `value="I20.900"`, `id="form-complete"`)
		f.has(f.do(200, c, "complete", "result_code", "I20.900", "treatment", "抗血小板治疗", "advice", "两周后复查", "outcome", "treated_returned"), "待回执", "回转单", "两周后复查")

		f.as(w.Doctor)
		f.has(f.get(200, "/referrals/"+c.ID), "确认回执", "回转单", "两周后复查")
		f.has(f.do(200, c, "acknowledge"), "本单已办结，结局：", "已结案")
		f.state(c, referral.StateClosed)
	})
}

// TestSideways covers the steps beside the straight way.
func TestSideways(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		c := w.To(0, referral.StateSubmitted)
		f.as(w.Centre)
		f.do(200, c, "claim")
		f.has(f.do(422, c, "ask"), "请选择原因", "要补充的内容")
		f.has(f.do(200, c, "ask", "reason", "exam_result", "question", "请补充心电图"), "待补充", "请补充心电图", "等待答复")
		f.as(w.Doctor)
		f.has(f.do(422, c, "answer", "answer", "  "), "补充的内容")
		f.has(f.do(200, c, "answer", "answer", "窦性心律，ST 段压低"), "ST 段压低", "待受理")

		f.as(w.Centre)
		f.has(f.get(200, "/referrals/"+c.ID+"/decline"), `id="form-decline"`, "建议机构", "建议科室")
		f.has(f.do(422, c, "decline", "reason", "no_capacity", "comment", "床位已满"), "退回时必须写明下一步", "床位已满")
		f.has(f.do(200, c, "decline", "reason", "no_capacity", "suggested_org", w.Other.ID, "advice", "建议转区中医院"), "已退回", "建议转区中医院")

		f.as(w.Doctor)
		body := f.get(200, "/referrals/"+c.ID+"/elsewhere")
		f.has(body, `name="target_service"`, "区中医院", "本医联体")
		f.lacks(body, `value="`+w.CardioClinic.ID+`"`)
		target := between(body, `id="target-0" value="`, `"`)
		f.has(f.do(200, c, "elsewhere", "target_service", target, "shown", target), "待受理", "患者选择")
		f.has(f.do(200, c, "withdraw", "reason", "patient_cancelled"), "已撤回")
		f.lacks(f.get(200, "/referrals/"+c.ID), "/withdraw\"", "/death\"")
	})
}

// TestNoShowAndRearrange covers the patient who does not come.
func TestNoShowAndRearrange(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	c := f.w.To(0, referral.StateArranged)
	f.as(f.w.Desk)
	f.has(f.do(409, c, "no_show"), "还没有到约定的就诊时间")
	f.has(f.do(422, c, "reschedule", "department", f.w.Cardiology.ID, "appointed_at", "2026-02-30", "appointed_time", "09:00", "reason", "doctor_absent"), "2026-02-30")
	f.has(f.do(422, c, "reschedule", "department", f.w.Cardiology.ID, "appointed_at", "2026-03-05", "appointed_time", "25:99", "reason", "doctor_absent"), "就诊钟点")
	f.w.After(26 * time.Hour)
	f.has(f.do(200, c, "no_show"), "未到诊")
	f.as(f.w.Doctor)
	f.has(f.get(200, "/referrals/"+c.ID+"/close"), "结案结果", "未到诊", "迁出本地")
	f.has(f.do(200, c, "rearrange", "reason", "no_transport"), "待安排")
}

// TestRedirectLeavesTheDrawer covers a case that its receiver hands on and may
// not see any more.
func TestRedirectLeavesTheDrawer(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	c := f.w.To(0, referral.StateSubmitted)
	f.as(f.w.Centre)
	body := f.get(200, "/referrals/"+c.ID+"/redirect")
	f.has(body, "转诊电话", "对方同意接收的人")
	f.lacks(body, "社区中心")
	list, err := f.w.Service.Options(t.Context(), f.w.Centre)
	if err != nil {
		t.Fatal(err)
	}
	row := body[:strings.Index(body, "区中医院 ")]
	target := between(row[strings.LastIndex(row, "<option"):], `value="`, `"`)
	f.has(f.do(422, c, "redirect", "target_service", target), "对方同意接收的人", "同意方式", `value="`+target+`" selected`)
	w := f.submit("/referrals/"+c.ID+"/redirect", f.form(c, "target_service", target, "reason", list.Reasons[referral.ActRedirect][0].Code,
		"agreed_by", "彭护士", "agreed_how", "phone", "comment", "离家近"), true)
	if w.Code != 200 || f.now(c).To.Org != f.w.Other.ID {
		t.Fatalf("%d %s", w.Code, text(w.Body.String()))
	}
	if !strings.Contains(w.Header().Get("HX-Trigger"), "drawer:close") {
		t.Errorf("drawer stays: %s", w.Header().Get("HX-Trigger"))
	}
}

func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// TestStaleVersion shows the fresh case, with the message, to who was slower.
func TestStaleVersion(t *testing.T) {
	each(t, func(f *fixture) {
		c := f.w.To(0, referral.StateSubmitted)
		f.as(f.w.Centre2)
		old := f.form(c)
		f.do(200, c, "accept")
		f.as(f.w.Centre)
		body := f.post(409, "/referrals/"+c.ID+"/accept", old)
		f.has(body, "刚刚被周护士（永州市第四人民医院）处理（受理）", "您的操作没有保存", "待安排", "/arrange\"")

		// A form that can still be sent keeps what was typed.
		late := f.form(c, "text", "")
		late.Set("version", "1")
		late.Set("department", f.w.Cardiology.ID)
		late.Set("location", "三楼 306 诊室")
		late.Set("appointed_at", "2026-03-04")
		late.Set("appointed_time", "10:00")
		f.has(f.post(409, "/referrals/"+c.ID+"/arrange", late), "刚刚被", "三楼 306 诊室", `id="form-arrange"`)
		f.state(c, referral.StateAccepted)

		// An open drawer is told.
		f.has(f.get(200, "/referrals/"+c.ID+"/news?version=1"), "不是最新状态")
		f.lacks(f.get(200, "/referrals/"+c.ID+"/news?version="+f.form(c).Get("version")), "不是最新状态")
	})
}

// TestDoubleSubmit sends the same form twice: it acts once.
func TestDoubleSubmit(t *testing.T) {
	each(t, func(f *fixture) {
		c := f.w.To(0, referral.StateSubmitted)
		f.as(f.w.Centre)
		form := f.form(c)
		f.post(200, "/referrals/"+c.ID+"/accept", form)
		version := f.now(c).Version
		f.post(200, "/referrals/"+c.ID+"/accept", form)
		if f.now(c).Version != version {
			t.Error("acted twice")
		}
	})
}

// TestStrangersSeeNothing asks as everybody who is not a party.
func TestStrangersSeeNothing(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		c := w.To(0, referral.StateSubmitted)
		for _, a := range []access.Actor{w.Stranger, w.OtherCentre, w.Bureau, {Name: "管理员", Role: string(access.SystemAdmin)}} {
			f.as(a)
			for _, path := range []string{"", "/accept", "/receipt", "/print/form", "/news?version=1"} {
				if r := f.send(httptest.NewRequest(http.MethodGet, "/referrals/"+c.ID+path, nil)); r.Code != 404 && r.Code != 403 {
					t.Errorf("%s GET %s: %d", a.Role, path, r.Code)
				}
			}
			r := f.submit("/referrals/"+c.ID+"/accept", f.form(c), true)
			if r.Code != 404 && r.Code != 403 || strings.Contains(r.Body.String(), "张桂兰") {
				t.Errorf("%s accept: %d %s", a.Role, r.Code, text(r.Body.String()))
			}
		}
		// A colleague of the right institution in the wrong post sees, but does not act.
		f.as(w.Desk)
		f.lacks(f.get(200, "/referrals/"+c.ID), "/accept\"", "/decline\"")
		if r := f.submit("/referrals/"+c.ID+"/accept", f.form(c), true); r.Code != 403 {
			t.Errorf("desk accepts: %d", r.Code)
		}
		// The referring side cannot act for the receiver.
		f.as(w.Doctor)
		if r := f.submit("/referrals/"+c.ID+"/accept", f.form(c), true); r.Code != 403 {
			t.Errorf("doctor accepts: %d", r.Code)
		}
		f.state(c, referral.StateSubmitted)
		// Drafts are the referring institution's alone.
		d := w.Draft(1)
		f.as(w.Centre)
		f.get(404, "/referrals/"+d.ID)
	})
}

// TestAbsurdInput is answered with a sentence, never with a fault.
func TestAbsurdInput(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	c := f.w.To(0, referral.StateSubmitted)
	f.as(f.w.Centre)
	f.get(404, "/referrals/none")
	f.get(404, "/referrals/"+c.ID+"/fly")
	f.get(404, "/referrals/"+c.ID+"/print/poem")
	f.get(409, "/referrals/"+c.ID+"/print/reply")
	f.get(409, "/referrals/"+c.ID+"/arrange")
	f.get(422, "/referrals/"+c.ID+"/news?version=x")
	f.get(200, "/referrals?page=-3&side=up&state=%27&urgency=IX&q=%25_%27")
	f.get(200, "/referrals?page=999999999999999999999")
	for _, v := range []string{"", "x", "99999999999999999999"} {
		r := f.submit("/referrals/"+c.ID+"/accept", url.Values{"version": {v}}, true)
		if r.Code != 422 {
			t.Errorf("version %q: %d", v, r.Code)
		}
	}
	f.post(404, "/referrals/"+c.ID+"/fly", f.form(c))
	long := strings.Repeat("心", 20000)
	f.as(f.w.Centre)
	if r := f.submit("/referrals/"+c.ID+"/decline", f.form(c, "reason", long, "advice", long), true); r.Code != 422 {
		t.Errorf("long text: %d", r.Code)
	}
	f.state(c, referral.StateSubmitted)
}

// TestWithoutScripts follows a form that is an ordinary page: it redirects.
func TestWithoutScripts(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	c := f.w.To(0, referral.StateSubmitted)
	f.as(f.w.Centre)
	r := f.submit("/referrals/"+c.ID+"/accept", f.form(c), false)
	if r.Code != http.StatusSeeOther || r.Header().Get("Location") != "/referrals/"+c.ID {
		t.Fatalf("%d %s", r.Code, r.Header().Get("Location"))
	}
	body := f.get(200, "/referrals/"+c.ID+"/arrange")
	f.lacks(body, `hx-post="/referrals/`)
}

// TestActionsOfPagesAreThoseOfTheMachine: every usable action has a button and
// a handler, and no other.
func TestActionsOfPagesAreThoseOfTheMachine(t *testing.T) {
	known := map[string]bool{flow.ActionClaim: true}
	for _, a := range machine.Actions {
		if !referral.Usable(a.Name) {
			continue
		}
		known[a.Name] = true
		if _, ok := actions[a.Name]; !ok && !slices.Contains(ownPages, a.Name) {
			t.Errorf("%s has no page", a.Name)
		}
	}
	for name, a := range actions {
		if !known[name] {
			t.Errorf("%s is not an action of the machine", name)
		}
		if a.icon == "" || a.done == "" || a.run == nil {
			t.Errorf("%s is incomplete", name)
		}
	}
}

// TestDeath closes the case and says so.
func TestDeath(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	c := f.w.To(0, referral.StateInCare)
	f.as(f.w.Specialist)
	f.has(f.get(200, "/referrals/"+c.ID+"/death_at_target"), "死亡日期", "依据")
	f.has(f.do(422, c, "death_at_target", "deceased_on", "2026-13-40", "reason", "证明 001"), "form-death_at_target")
	f.has(f.do(200, c, "death_at_target", "deceased_on", string(dateOf(f)), "reason", "证明 001"), "已结案")
}

// TestCancelAfterStart asks the attending doctor, who refuses first and then
// agrees, each in the drawer.
func TestCancelAfterStart(t *testing.T) {
	each(t, func(f *fixture) {
		w := f.w
		c := w.To(0, referral.StateInCare)
		f.as(w.Doctor)
		f.has(f.get(200, "/referrals/"+c.ID+"/ask_cancel"), `id="form-ask_cancel"`, "患者另择医院", "能否取消由接诊医生答复")
		f.has(f.do(422, c, "ask_cancel", "reason", "elsewhere"), "请填写为什么要取消")
		f.has(f.do(200, c, "ask_cancel", "reason", "elsewhere", "comment", "已联系湘雅"), "转出方申请取消，等接诊医生答复：患者另择医院 · 已联系湘雅", "诊疗中")
		f.lacks(f.get(200, "/referrals/"+c.ID), "/ask_cancel\"", "/answer_cancel\"")
		f.as(w.Specialist)
		f.has(f.get(200, "/referrals/"+c.ID+"/answer_cancel"), `id="form-answer_cancel"`, "不同意，继续诊疗", "同意取消（尚未实施诊疗）")
		f.has(f.do(422, c, "answer_cancel", "comment", "病情不稳"), "请填写是否同意取消", "病情不稳")
		f.lacks(f.do(200, c, "answer_cancel", "answer", "refuse", "comment", "病情不稳"), "等接诊医生答复")
		f.as(w.Doctor).do(200, c, "ask_cancel", "reason", "patient_gave_up", "comment", "坚持离院")
		f.has(f.as(w.Specialist).do(200, c, "answer_cancel", "answer", "agree", "comment", "未用药，已告知风险"), "已取消", "坚持离院", "未用药，已告知风险")
		f.state(c, referral.StateCancelled)
	})
}
