package certificateweb

import (
	"net/http"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/calendar"
	"yilian/internal/certificate"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
	"yilian/internal/web/facetest"
)

func TestCertificatePages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		office := w.Centre
		office.Account, office.Name, office.Role = "account-insurance", "医保办", string(access.InsuranceOffice)
		f := facetest.New(t, d, office)
		Routes(f.Site, &Pages{Service: &certificate.Service{DB: d, Book: w.Service.Book, Calendar: calendar.New(), Audit: w.Audit, Referrals: w.Service}})
		f.See("/certificates", "没有转诊证明", "没有的不估算")
		c := w.To(0, referral.StateArranged)
		f.See("/certificates?case="+c.ID, "为这张转诊单开具转诊证明")
		at := f.Post("/certificates", facetest.Form("case", c.ID), http.StatusSeeOther).To()
		page := f.See(at, "有效", c.Number, "作废", "张桂兰")
		id := page.Between(`/certificates/`, `/print`)
		f.See("/certificates/"+id+"/print", "转诊证明", "有效期至", "LL-4.3.4d", "医保类型", "开具机构（盖章）").Hides("watermark")
		f.Post("/certificates/"+id+"/void", facetest.Form(), http.StatusUnprocessableEntity)
		f.Post("/certificates/"+id+"/void", facetest.Form("comment", "登记错误"), http.StatusSeeOther)
		f.See("/certificates", "已作废", "登记错误")
		if p := f.See("/certificates/"+id+"/print", "已作废"); !strings.Contains(p.Body, "watermark") {
			t.Error("a voided paper looks like a good one")
		}
		f.Get("/certificates?from=x", http.StatusUnprocessableEntity)
		f.Actor = w.Specialist
		f.Get("/certificates", http.StatusForbidden)
		f.Actor = w.Stranger
		f.Get("/certificates/"+id+"/print", http.StatusNotFound)
	})
}
