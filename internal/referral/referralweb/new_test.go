package referralweb

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"yilian/internal/access"
	"yilian/internal/db/dbtest"
	"yilian/internal/referral"
)

// request is a complete new referral as the page sends it.
func (f *fixture) request(i int, pairs ...string) url.Values {
	v := url.Values{
		"patient": {f.w.Patients[i].ID}, "diagnosis": {"I20.900"}, "diagnosis_text": {"心绞痛"}, "urgency": {"III"}, "chief": {"反复胸闷 3 天"},
		"illness": {"活动后胸闷"}, "treatment": {"无"}, "visit": {"outpatient"}, "indications": {"angina"}, "target_service": {f.w.CardioClinic.ID},
		"shown": {f.w.CardioClinic.ID, f.w.CardioWard.ID}, "signed_by": {"self"}, "form": {"written"}, "consent": {"1"}, "do": {"send"},
		"_once": {f.w.Token()}, "_interactions": {"5"}, "_elapsed_ms": {"42000"},
	}
	for k := 0; k+1 < len(pairs); k += 2 {
		v.Set(pairs[k], pairs[k+1])
	}
	return v
}

// sent submits a new referral and returns the case it became.
func (f *fixture) sent(form url.Values) string {
	f.Helper()
	w := f.submit("/referrals", form, false)
	if w.Code != http.StatusSeeOther {
		f.Fatalf("%d %s", w.Code, text(w.Body.String()))
	}
	return strings.TrimSuffix(strings.TrimPrefix(w.Header().Get("Location"), "/referrals/"), "/receipt")
}

func TestNewReferral(t *testing.T) {
	each(t, func(f *fixture) {
		f.as(f.w.Doctor)
		body := f.get(200, "/referrals/new?patient="+f.w.Patients[0].ID)
		f.has(body, "张桂兰", "城乡居民医保", `data-measure="referral"`, `data-keep="referral-`, `name="diagnosis"`, "Ⅰ级 濒危", "①", "②", "③", `value="无"`[:6])
		f.lacks(body, f.w.IDNumbers[0], "13900001234")

		form := f.request(0)
		id := f.sent(form)
		receipt := f.get(200, "/referrals/"+id+"/receipt")
		f.has(receipt, "ZZ", "现在轮到：永州市第四人民医院 转诊中心", "0746-6223120", "/print/form", "/print/consent")
		if !slices.Equal(f.measured, []int{5}) {
			t.Errorf("measured %v", f.measured)
		}
		full, err := f.w.Service.View(t.Context(), f.w.Doctor, id)
		if err != nil || full.Case.State != referral.StateSubmitted || len(full.Record.Request.Choices) != 2 || len(full.Consents) != 1 {
			t.Fatalf("%+v %v", full.Record.Request.Choices, err)
		}
		// The same form again is the same referral.
		if again := f.sent(form); again != id {
			t.Errorf("sent twice: %s and %s", id, again)
		}
		// Another one for the same need is refused, and what was typed is there.
		w := f.submit("/referrals", f.request(0), false)
		if w.Code != 409 {
			t.Fatalf("second referral: %d", w.Code)
		}
		f.has(w.Body.String(), "已有同类诊断的转诊单", "反复胸闷 3 天", "活动后胸闷")
	})
}

func TestNewReferralNamesWhatIsMissing(t *testing.T) {
	each(t, func(f *fixture) {
		f.as(f.w.Doctor)
		for name, c := range map[string]struct {
			pairs []string
			want  []string
		}{
			"nothing":          {[]string{"diagnosis", "", "diagnosis_text", "", "urgency", "", "chief", "", "illness", "", "target_service", ""}, []string{"请填写初步诊断", "请填写主诉", "紧急程度", "接收机构和科室"}},
			"no consent":       {[]string{"consent", ""}, []string{"还没有记录患者的知情同意", "LL-4.4.1d"}},
			"unknown code":     {[]string{"diagnosis", "Z99.999X"}, []string{"Z99.999X"}},
			"text, not chosen": {[]string{"diagnosis", "", "diagnosis_text", "胸口不舒服"}, []string{"请从列表中选择诊断", "胸口不舒服"}},
			"absurd vitals":    {[]string{"temperature", "370", "pulse", "很快"}, []string{"体温请填数字", "脉搏请填数字"}},
			"fever of 60":      {[]string{"temperature", "60"}, []string{"体温 60.0 ℃ 不合理"}},
			"foreign service":  {[]string{"target_service", "nowhere"}, []string{"请重新选择"}},
			"guardian unnamed": {[]string{"signed_by", "guardian"}, []string{"监护人姓名"}},
			"level I":          {[]string{"urgency", "I"}, []string{"拨打 120"}},
		} {
			form := f.request(1, c.pairs...)
			w := f.submit("/referrals", form, false)
			if w.Code != 422 {
				t.Errorf("%s: %d %s", name, w.Code, text(w.Body.String()))
				continue
			}
			f.has(w.Body.String(), append(c.want, "data-failed", `name="chief" type="text" value="`+form.Get("chief"))...)
			f.discardDrafts(1)
		}
	})
}

// discardDrafts throws away what failed attempts have left.
func (f *fixture) discardDrafts(i int) {
	f.Helper()
	items, err := f.w.Service.ByPatient(f.Context(), f.w.Doctor, f.w.Patients[i].ID)
	if err != nil {
		f.Fatal(err)
	}
	for _, x := range items {
		if x.Case.State == referral.StateDraft {
			if _, err := f.w.Service.Discard(f.Context(), f.w.Doctor, f.w.Ref(x.Case), "mistake", ""); err != nil {
				f.Fatal(err)
			}
		}
	}
}

func TestDraftIsKeptAndContinued(t *testing.T) {
	each(t, func(f *fixture) {
		f.as(f.w.Doctor)
		w := f.submit("/referrals", f.request(2, "do", "draft", "illness", "", "consent", "", "temperature", "36.8"), false)
		to := w.Header().Get("Location")
		if w.Code != 303 || !strings.HasPrefix(to, "/referrals/new?draft=") {
			t.Fatalf("%d %s %s", w.Code, to, text(w.Body.String()))
		}
		body := f.get(200, to)
		f.has(body, "草稿 ZZ", "反复胸闷 3 天", `value="36.8"`, `value="心绞痛"`)
		// Coming back through the patient opens the draft.
		w = f.submitGet("/referrals/new?patient=" + f.w.Patients[2].ID)
		if w.Header().Get("Location") != to {
			t.Errorf("draft is not opened again: %s", w.Header().Get("Location"))
		}
		id := strings.TrimPrefix(to, "/referrals/new?draft=")
		// An old version of the page is refused with the fresh draft.
		stale := f.request(2, "draft", id, "version", "77")
		if w := f.submit("/referrals", stale, false); w.Code != 409 {
			t.Errorf("stale draft: %d", w.Code)
		}
		if got := f.sent(f.request(2, "draft", id, "version", "1")); got != id {
			t.Errorf("sent %s, want %s", got, id)
		}
		if w := f.submitGet("/referrals/new?draft=" + id); w.Header().Get("Location") != "/referrals/"+id {
			t.Errorf("a sent referral opens as a draft: %d", w.Code)
		}
		f.as(f.w.Colleague)
		f.get(200, "/referrals/new?patient="+f.w.Patients[3].ID)
	})
}

func TestRefusal(t *testing.T) {
	each(t, func(f *fixture) {
		f.as(f.w.Doctor)
		w := f.submit("/referrals", f.request(0, "do", "refuse", "consent", ""), false)
		if w.Code != 422 || !strings.Contains(w.Body.String(), "请选择原因") {
			t.Fatalf("%d %s", w.Code, text(w.Body.String()))
		}
		f.discardDrafts(0)
		list, err := f.w.Service.Options(t.Context(), f.w.Doctor)
		if err != nil {
			t.Fatal(err)
		}
		id := f.sent(f.request(0, "do", "refuse", "consent", "", "reason", list.Reasons[referral.ActRefuseConsent][0].Code, "comment", "家里有事"))
		receipt := f.get(200, "/referrals/"+id+"/receipt")
		f.has(receipt, "/print/refusal", "患者拒绝转诊")
		f.lacks(receipt, "/print/consent")
		paper := f.get(200, "/referrals/"+id+"/print/refusal")
		f.has(paper, "拒绝转诊告知书", list.Reasons[referral.ActRefuseConsent][0].Title, "家里有事", "患者（或监护人、被授权人）")
		f.get(409, "/referrals/"+id+"/print/form")
		if len(f.measured) != 0 {
			t.Error("a refusal is measured as a referral")
		}
	})
}

func TestSuggestions(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	f.as(f.w.Doctor)
	f.has(f.get(200, "/referrals/diagnoses?q=xjt"), "心绞痛")
	f.has(f.get(200, "/referrals/diagnoses?q=zzzzzz"), "没有找到")
	body := f.post(200, "/referrals/new/suggest", f.request(0, "illness", "", "indications", "", "target_service", "", "pulse", "88"))
	f.has(body, "稳定型心绞痛", `value="angina" checked`, "患者因“反复胸闷 3 天”就诊", "脉搏 88 次/分", "本医联体", "/ 12", `checked`)
	// What the doctor has written stays.
	f.has(f.post(200, "/referrals/new/suggest", f.request(0, "illness", "我写的")), "我写的")
	// Level I says what to do first.
	f.has(f.post(200, "/referrals/new/suggest", f.request(0, "urgency", "I")), "120")
	for _, a := range []access.Actor{f.w.Desk, f.w.Bureau, f.w.Centre} {
		f.as(a)
		if w := f.submit("/referrals", f.request(0), false); w.Code != 403 {
			t.Errorf("%s sends a referral: %d", a.Role, w.Code)
		}
		if w := f.submitGet("/referrals/new?patient=" + f.w.Patients[0].ID); w.Code != 403 {
			t.Errorf("%s opens the form: %d", a.Role, w.Code)
		}
	}
	f.as(f.w.Stranger)
	if w := f.submitGet("/referrals/new?patient=" + f.w.Patients[0].ID); w.Code != 403 && w.Code != 404 {
		t.Errorf("a stranger opens the form: %d", w.Code)
	}
}

// TestChildNeedsGuardian has the guardian in the form before anybody types.
func TestChildNeedsGuardian(t *testing.T) {
	f := setup(t, dbtest.SQLite(t))
	f.as(f.w.Doctor)
	q := request{Now: f.w.Now, Values: url.Values{}}
	q.Patient.BirthDate = "2020-01-01"
	if !q.child() {
		t.Error("a six-year-old is no child")
	}
	f.has(render(t, signatureFields(url.Values{"signed_by": {"guardian"}}, nil, true)), "disabled", "监护人", "open")
}

func TestHoursAndSlots(t *testing.T) {
	for at, want := range map[string]string{
		"2026-03-02T09:00:00+08:00": "2026-03-02 10:00", "2026-03-02T09:01:00+08:00": "2026-03-02 10:30",
		"2026-03-02T03:00:00+08:00": "2026-03-02 08:00", "2026-03-02T17:30:00+08:00": "2026-03-03 08:00", "2026-03-02T23:50:00+08:00": "2026-03-03 08:00",
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := nextSlot(now).Format("2006-01-02 15:04"); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
	if h := hours(); h[0] != "08:00" || h[len(h)-1] != "17:30" {
		t.Error(h)
	}
}
