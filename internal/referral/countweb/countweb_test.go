package countweb

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/xuri/excelize/v2"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/referral"
	"yilian/internal/referral/baseline"
	"yilian/internal/referral/ledger"
	"yilian/internal/referral/referraltest"
	"yilian/internal/web/facetest"
)

func setup(t *testing.T, d *db.DB) (*facetest.Face, *referraltest.World) {
	w := referraltest.New(t, d)
	f := facetest.New(t, d, w.Centre)
	Routes(f.Site, &Pages{DB: d, Referrals: w.Service, Baselines: &baseline.Service{DB: d, Audit: w.Audit, Book: w.Service.Book}})
	return f, w
}

func TestTableOpensItsCases(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		f.See("/counts", "所选期间没有转诊", "分母为 0", "没有未办结的转诊")
		c := w.To(0, referral.StateSubmitted)
		closed := w.To(1, referral.StateClosed)
		f.See("/counts?monthly=1&depts=1&by=to", "转诊统计", w.Hospital.Name, w.Cardiology.Name, "等我院", "在等谁", "1 ÷ 2", w.Day(0)[:7])
		f.See("/counts/cases?measure=asked&row_org="+w.Township.ID, c.Number, closed.Number, "/referrals/"+c.ID).Hides(w.Patients[0].Name, "心绞痛")
		f.See("/counts/cases?measure=arrived", closed.Number).Hides(c.Number)
		f.See("/counts/cases?measure=waiting_to", c.Number).Hides(closed.Number)
		f.See("/counts/cases?measure=open&holder="+w.Hospital.ID, c.Number)
		f.Get("/counts/cases?measure=x", http.StatusUnprocessableEntity)
		f.Get("/counts?period=custom&from=x", http.StatusUnprocessableEntity)
		f.See("/counts?period=custom&from=2020-01-01&to=2020-02-01", "所选期间没有转诊")

		f.Actor = w.Bureau
		f.See("/counts", "本辖区", "等接收方").Hides("等我院")
		f.See("/counts/cases?measure=asked", c.Number).Hides("/referrals/"+c.ID, w.Patients[0].Name)
		f.Actor = w.OtherCentre
		f.See("/counts", "所选期间没有转诊")
		f.See("/counts/cases?measure=asked", "没有这样的转诊").Hides(c.Number)
		f.Actor = access.Actor{Account: "r", Role: string(access.Resident)}
		f.Get("/counts", http.StatusForbidden)
		f.Get("/counts/cases?measure=asked", http.StatusForbidden)
		f.Get("/counts/export", http.StatusForbidden)
	})
}

// What an institution has refused, and for which reason, opens to its cases, for
// bureaus too.
func TestRefusalsOpenTheirCases(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		c, other := w.To(0, referral.StateDeclined), w.To(1, referral.StateSubmitted)
		f.Actor = w.Bureau
		list, err := ledger.Refusals(t.Context(), d, w.Bureau, "", "", "")
		if err != nil || len(list) != 1 || len(list[0].Reasons) != 1 {
			t.Fatalf("%+v %v", list, err)
		}
		cases := "/counts/cases?measure=refused&period=custom&refuser="
		f.See(cases+w.Hospital.ID+"&reason="+list[0].Reasons[0].Code, c.Number, "共 1 例").Hides(other.Number, w.Patients[0].Name)
		f.See(cases+w.Hospital.ID+"&reason=none", "没有这样的转诊")
		f.See(cases+w.Township.ID, "没有这样的转诊")
	})
}

func TestWorkbookHoldsTheTable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		w.To(0, referral.StateSubmitted)
		w.To(1, referral.StateClosed)
		a := f.Get("/counts/export?by=to&depts=1", http.StatusOK)
		book, err := excelize.OpenReader(bytes.NewReader([]byte(a.Body)))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := book.GetRows("转诊统计")
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 7 || rows[5][2] != w.Hospital.Name || rows[5][3] != w.Cardiology.Name || rows[5][4] != "2" || rows[5][6] != "1" || rows[5][8] != "" || rows[6][0] != "合计" {
			t.Errorf("%q", rows)
		}
		err = d.View(t.Context(), func(tx *db.Tx) error {
			n, err := db.Count(t.Context(), tx, `SELECT count(*) FROM audit_leaf WHERE action = 'referral.counts.export'`)
			if n != 1 {
				t.Errorf("%d leaves of the export", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestBaselinePages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		f, w := setup(t, d)
		f.Actor = w.Bureau
		f.See("/counts/growth", "没有规定下转例数的增长目标", "也没有登记基数") // Lingling has no target (X1)
		f.See("/counts/baselines", "还没有登记基数", "从表格导入")
		form := facetest.Form("org", w.Hospital.ID, "direction", "down", "from", "2025-01-01", "to", "2025-12-31", "n", "x", "source", "paper", "note", "登记本")
		f.Post("/counts/baselines", form, http.StatusUnprocessableEntity).Shows("例数应为整数", "登记本")
		form.Set("n", "37")
		f.Post("/counts/baselines", form, http.StatusSeeOther)
		f.Post("/counts/baselines", form, http.StatusConflict).Shows("期间不能重叠")
		f.See("/counts/growth?year=2026&part=year", "无法计算", "不可比：基数来自纸质台账")
		page := f.See("/counts/baselines", "37", "纸质台账", "确认可比", "作废")
		id := page.LastBefore("/confirm\"", "/counts/baselines/", "/confirm\"")
		f.Post("/counts/baselines/"+id+"/confirm", facetest.Form("note", ""), http.StatusUnprocessableEntity)
		f.Post("/counts/baselines/"+id+"/confirm", facetest.Form("note", "抽查一致"), http.StatusSeeOther)
		f.See("/counts/growth?year=2026", "未到期", "已确认可比", "37")
		f.Post("/counts/baselines/import", facetest.Form("lines", "没有\t下转\t2025-01-01\t2025-12-31\t3\t估计\t院长"), http.StatusUnprocessableEntity).Shows("第 1 行", "院长")
		f.Post("/counts/baselines/import", facetest.Form("lines", w.Other.Name+"\t下转\t2025-01-01\t2025-12-31\t3\t估计\t院长"), http.StatusSeeOther)
		f.Actor = w.Centre // keeps his own institution's, confirms nothing
		f.See("/counts/baselines", "37").Hides("院长", "/confirm")
		f.Post("/counts/baselines/"+id+"/void", facetest.Form("reason", "抄错"), http.StatusSeeOther)
		f.See("/counts/baselines", "已作废", "抄错")
		f.Actor = w.Specialist // reads only
		f.See("/counts/baselines", "已作废").Hides("从表格导入")
		f.Post("/counts/baselines", form, http.StatusForbidden)
	})
}
