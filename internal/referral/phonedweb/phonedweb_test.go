package phonedweb

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"yilian/internal/calendar"
	"yilian/internal/calls"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/referral/phoned"
	"yilian/internal/referral/referraltest"
	"yilian/internal/web/facetest"
)

func setup(t *testing.T, d *db.DB) (*facetest.Face, *referraltest.World) {
	w := referraltest.New(t, d)
	f := facetest.New(t, d, w.Centre)
	s := &phoned.Service{DB: d, Flow: w.Flow, Audit: w.Audit, Keys: w.Keys, Patients: w.Persons, Referrals: w.Service,
		Calls: &calls.Service{DB: d, Keys: w.Keys, Audit: w.Audit, Calendar: calendar.New()}}
	if err := s.Init(); err != nil {
		t.Fatal(err)
	}
	Routes(f.Site, &Pages{Service: s})
	return f, w
}

// typed is what a clerk types for patient i.
func typed(w *referraltest.World, i int) url.Values {
	return facetest.Form("caller_org", w.Township.ID, "caller_doctor", w.Doctor.Person, "caller_phone", "07466220001",
		"called_at", w.Now.Add(-time.Minute).In(calendar.Shanghai).Format(minute), "phone_reason", "no_system", "read_back", "1",
		"id_number", w.IDNumbers[i], "name", w.Patients[i].Name, "diagnosis", "I20.900", "diagnosis_text", "心绞痛", "urgency", "III", "chief", "反复胸闷 3 天",
		"illness", "活动后胸闷", "treatment", "无", "target_service", w.CardioClinic.ID, "signed_by", "self", "witness", "周护士", "do", "send")
}

func TestPhonedPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		f.See("/phoned", "还没有电话代录", "代录来电")
		f.See("/phoned/new", "谁打来的", "逐项复述", "急诊：立即呼叫值班人")
		f.See("/phoned/orgs?q="+url.QueryEscape("水口山"), w.Township.Name)
		f.Post("/phoned/new/caller", facetest.Form("caller_org", w.Township.ID), http.StatusOK).Shows("唐医生", w.Township.ReferralPhone)
		f.Post("/phoned/new/places", facetest.Form("diagnosis", "I20.900", "urgency", "III"), http.StatusOK).Shows("心血管内科").Hides("神经内科门诊")

		wrong := typed(w, 0)
		wrong.Del("read_back")
		wrong.Set("name", "张某某")
		wrong.Set("called_at", "刚才")
		f.Post("/phoned", wrong, http.StatusUnprocessableEntity).Shows("通话时间", "反复胸闷 3 天")
		wrong.Set("called_at", typed(w, 0).Get("called_at"))
		f.Post("/phoned", wrong, http.StatusUnprocessableEntity).Shows("逐项复述：患者", "07466220001")

		at := f.Post("/phoned", typed(w, 0), http.StatusSeeOther).To()
		id := strings.TrimPrefix(at, "/referrals/")
		page := f.See("/phoned", "张桂兰", "唐医生", "待核对", "07466220001")
		check := regexp.MustCompile(`/phoned/([0-9a-f-]{36})`).FindStringSubmatch(page.Body)[1]
		if to := f.Get("/phoned/of/"+id, http.StatusSeeOther).To(); to != "/phoned/"+check {
			t.Errorf("the referral leads to %s", to)
		}
		f.See("/phoned/"+check, "电话同意", "登记回电核对").Hides("send-correction")
		second := f.Post("/phoned", typed(w, 0), http.StatusConflict)
		second.Shows("在那张单子上继续", "另开一张的理由")

		f.Actor = w.Doctor
		f.See("/phoned", "核对").Hides("代录来电")
		f.See("/phoned/"+check, "核对无误", "反复胸闷 3 天", "更正").Hides("登记回电核对")
		f.Post("/phoned/"+check+"/correct", facetest.Form("version", "1", "text", ""), http.StatusUnprocessableEntity).Shows("哪一项不对")
		f.Post("/phoned/"+check+"/confirm", facetest.Form("version", "9"), http.StatusConflict)
		f.Post("/phoned/"+check+"/correct", facetest.Form("version", "1", "text", "应为 30 天"), http.StatusSeeOther)
		f.See("/phoned/"+check, "已更正", "应为 30 天").Hides("核对无误</button>")
		f.Get("/phoned/new", http.StatusForbidden)
		f.Post("/phoned", typed(w, 1), http.StatusForbidden)
		f.Actor = w.Stranger
		f.Get("/phoned/"+check, http.StatusNotFound)
		f.Post("/phoned/"+check+"/none", facetest.Form("version", "1"), http.StatusNotFound)
	})
}

func TestUrgentByTelephone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		r := w.Rescue()
		f.Post("/phoned/new/places", facetest.Form("urgency", "I"), http.StatusOK).Shows(r.Service.ID)
		f.Post("/phoned", facetest.Form("do", "urgent", "chief", "胸痛"), http.StatusUnprocessableEntity).Shows("来电的机构", "胸痛")
		f.Post("/phoned", facetest.Form("do", "urgent", "caller_org", w.Township.ID, "called_at", "乱", "target_service", r.Service.ID), http.StatusSeeOther)
		f.See("/phoned", "急诊转运中", "未记号码")
	})
}
