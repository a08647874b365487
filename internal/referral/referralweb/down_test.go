package referralweb

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"yilian/internal/db"
	"yilian/internal/flow"
	"yilian/internal/referral"
)

// downValues is the form of a down-referral as a browser sends it.
func downValues(f *fixture, i int, service string) url.Values {
	p := f.w.Plan()
	v := url.Values{
		"patient": {f.w.Patients[i].ID}, "diagnosis": {"I20.900"}, "reason": {"acute_over"}, "indications": {"acute_over"},
		"target_service": {service}, "shown": {service}, "done": {p.Done}, "next": {p.Next}, "red_flags": {p.RedFlags}, "until": {p.Until},
		"med_name": {"阿司匹林肠溶片", ""}, "med_dose": {"100mg", ""}, "med_frequency": {"每日 1 次", ""}, "med_quantity": {"30 片", ""}, "med_days": {"30", ""},
		"visit_on": {p.Visits[0].On, ""}, "visit_what": {p.Visits[0].What, ""},
		"signed_by": {"self"}, "form": {"written"}, "consent": {"1"}, "record_number": {"Z1"}, "_once": {f.w.Token()},
	}
	v.Set("signed_by", string(f.w.Consent().SignedBy))
	v.Set("form", string(f.w.Consent().Form))
	return v
}

// onward finds the down-referral that follows from a case.
func (f *fixture) onward(up flow.Case) (out flow.Case) {
	f.Helper()
	err := f.w.DB.View(f.Context(), func(tx *db.Tx) error {
		all, err := flow.ByPatient(f.Context(), tx, up.Patient, 50)
		for _, c := range all {
			if c.BasedOn == up.ID && c.Kind == referral.Kind {
				out = c
			}
		}
		return err
	})
	if err != nil || out.ID == "" {
		f.Fatal("no down-referral: ", err)
	}
	return out
}

func TestSendingDownOnThePages(t *testing.T) {
	each(t, func(f *fixture) {
		up := f.w.InCare(0)
		f.as(f.w.Specialist)
		f.has(f.get(200, "/referrals/"+up.ID), "完成诊疗并下转", "/down/new?case="+up.ID)
		f.has(f.get(200, "/down/new?case="+up.ID), "带药和续用药", "随访安排", "水口山")
		form := downValues(f, 0, f.w.Below().ID)
		form.Set("case", up.ID)
		form.Set("version", strconv.Itoa(f.now(up).Version))
		form.Set("red_flags", "")
		f.has(f.submit("/down", form, false).Body.String(), "请填写红旗征象", "阿司匹林肠溶片")
		form.Set("red_flags", "胸痛、黑便")
		if w := f.submit("/down", form, false); w.Code != 303 {
			f.Fatalf("%d %s", w.Code, text(w.Body.String()))
		}
		f.state(up, referral.StateCompleted)
		c := f.onward(up)
		f.has(f.get(200, "/following"), "水口山镇中心卫生院", "胸痛、黑便", "暂无到期随访")
		f.has(f.get(200, "/referrals/"+c.ID+"/print/form"), "双向转诊（下转）单", "阿司匹林肠溶片", "胸痛、黑便")

		f.as(f.w.Doctor)
		f.has(f.get(200, "/referrals/"+c.ID), "继续治疗计划", "退回下转", "受理", "阿司匹林肠溶片")
		f.has(f.do(422, c, "decline_down", "reason", "no_drug"), "退回时必须写明下一步")
		f.do(200, c, "accept")
		f.get(403, "/following")
		f.get(403, "/down-candidates")
		f.as(f.w.Stranger)
		f.get(404, "/referrals/"+c.ID)
	})
}

func TestFollowUpAndAnswerOnThePages(t *testing.T) {
	each(t, func(f *fixture) {
		c := f.w.DownTo(0, referral.StateInCare)
		f.as(f.w.Doctor)
		f.has(f.get(200, "/referrals/"+c.ID), "写随访、问原主治医生")
		f.has(f.get(200, "/down/"+c.ID+"/follow"), "胸痛超过 15 分钟")
		f.has(f.post(422, "/down/"+c.ID+"/follow", f.form(c, "kind", "visit", "text", "平稳", "pulse", "七")), "脉搏请填数字", "平稳")
		if w := f.submit("/down/"+c.ID+"/follow", f.form(c, "kind", "visit", "text", "胸痛", "red_flag", "yes", "question", "要回院吗"), false); w.Code != 303 {
			f.Fatalf("%d %s", w.Code, text(w.Body.String()))
		}
		f.as(f.w.Specialist)
		body := f.get(200, "/following")
		f.has(body, "红旗征象，待答复")
		id := regexp.MustCompile(`/down-questions/([^"]+)`).FindStringSubmatch(body)[1]
		q := flow.Case{ID: id}
		f.has(f.get(200, "/down-questions/"+id), "要回院吗", "答复")
		f.has(f.post(422, "/down-questions/"+id+"/reply", f.form(q, "answer", "")), "请填写答复")
		if w := f.submit("/down-questions/"+id+"/reply", f.form(q, "answer", "立即回院"), false); w.Code != 303 {
			f.Fatalf("%d %s", w.Code, text(w.Body.String()))
		}
		f.as(f.w.Doctor)
		f.has(f.get(200, "/referrals/"+c.ID), "立即回院", "红旗征象")
		f.as(f.w.OtherDoctor)
		f.get(404, "/down-questions/"+id)
	})
}

func TestCandidatesAndCapabilityOnThePages(t *testing.T) {
	each(t, func(f *fixture) {
		c := f.w.InCare(0)
		f.as(f.w.Specialist)
		f.has(f.get(200, "/down-candidates"), "现在没有下转候选")
		if w := f.submit("/down-candidates/"+c.ID, f.form(c, "indications", "acute_over"), false); w.Code != 303 {
			f.Fatalf("%d %s", w.Code, text(w.Body.String()))
		}
		f.has(f.get(200, "/down-candidates/"), "张桂兰", "急性期治疗后病情稳定", "/down/new?case="+c.ID)
		f.as(f.w.Centre)
		f.has(f.get(200, "/down-candidates"), "张桂兰")
		f.get(403, "/down-capability")
		f.as(f.w.Head)
		f.has(f.get(200, "/down-capability"), "能接收的下转", "术后康复")
		form := url.Values{"version": {"0"}, "skills": {"post_surgery"}, "beds": {"1"}, "medicines": {"阿司匹林\r\n氨氯地平"}}
		if w := f.submit("/down-capability", form, false); w.Code != 303 {
			f.Fatalf("%d %s", w.Code, text(w.Body.String()))
		}
		f.has(f.get(200, "/down-capability"), "氨氯地平", "何院长")
		f.has(f.post(409, "/down-capability", form), "刚刚被别人改过")
	})
}

func TestLinksAndTelephoneOnThePages(t *testing.T) {
	each(t, func(f *fixture) {
		_, h := f.w.NursingHome()
		up := f.w.InCare(0)
		form := downValues(f, 0, h.ID)
		form.Set("case", up.ID)
		form.Set("version", strconv.Itoa(up.Version))
		f.as(f.w.Specialist)
		if w := f.submit("/down", form, false); w.Code != 303 {
			f.Fatalf("%d %s", w.Code, text(w.Body.String()))
		}
		c := f.onward(up)
		f.as(f.w.Centre)
		f.has(f.get(200, "/referrals/"+c.ID), "电话代录、一次性链接")
		f.has(f.get(200, "/down/"+c.ID+"/outside"), "电话代录", "同意接收")
		f.has(f.post(422, "/down/"+c.ID+"/phone", f.form(c, "answer", "accept", "name", "莫护士")), "约定到诊的日期")
		body := f.post(200, "/down/"+c.ID+"/link", f.form(c, "contact", "莫护士"))
		link := func(body string) string {
			m := regexp.MustCompile(`/continue/[A-Za-z0-9_-]+`).FindString(body)
			if m == "" {
				f.Fatal("no link in ", text(body))
			}
			return m
		}
		first := link(body)
		f.has(f.get(200, first), "阿司匹林肠溶片", "请答复", "张桂兰")
		f.lacks(f.get(200, first), f.w.IDNumbers[0])
		f.has(f.post(422, first, url.Values{"answer": {"accept"}, "name": {"莫护士"}}), "约定到诊的日期")
		second := link(f.post(200, first, url.Values{"answer": {"accept"}, "name": {"莫护士"}, "visit": {f.w.Day(1)}}))
		f.state(c, referral.StateArranged)
		f.has(f.get(404, first), "无效、已用过或已过期")
		f.get(200, second)
		f.get(404, "/continue/nothing")
		status := 0
		for range linkTries + 1 {
			r := httptest.NewRequest(http.MethodGet, "/continue/nothing", nil)
			status = f.send(r).Code
		}
		if status != 503 && status != 429 {
			t.Errorf("an address knocks without end: %d", status)
		}
		f.as(f.w.Doctor)
		if w := f.submitGet("/down/" + c.ID + "/outside"); w.Code == 200 || strings.Contains(w.Body.String(), "张桂兰") {
			t.Errorf("a township without part in it: %d", w.Code)
		}
	})
}
