package ledgerweb

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/referral"
	"yilian/internal/referral/referraltest"
	"yilian/internal/web/facetest"
)

func TestLedgerPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := referraltest.New(t, d)
		f := facetest.New(t, d, w.Centre)
		Routes(f.Site, w.Service)
		f.See("/ledger", "转诊台账", "所选期间没有符合条件的转诊")
		c, refused := w.To(0, referral.StateClosed), w.To(1, referral.StateDeclined)
		span := "from=2026-03-01&to=2026-03-31"
		f.See("/ledger?"+span, c.Number, refused.Number, "张*兰", "心绞痛", "退回 1 次", "共 2 条", "/ledger/export?", "Ⅲ级 急症")
		f.See("/ledger?"+span+"&stage=refused", refused.Number)
		f.See("/ledger?"+span+"&side=from", "没有符合条件")
		f.Get("/ledger?from=2026-02-30", http.StatusUnprocessableEntity)
		f.Get("/ledger?from=2026-03-02&to=2026-03-01", http.StatusUnprocessableEntity)
		f.See("/ledger?from=&to=", c.Number, "全部")
		f.See("/ledger/refusals?"+span, w.Hospital.Name, "50.0%（1 ÷ 2）", "stage=refused")

		r := httptest.NewRecorder()
		f.Site.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/ledger/export?"+span, nil))
		if r.Code != http.StatusOK || !strings.HasPrefix(r.Body.String(), "PK") || !strings.Contains(r.Header().Get("Content-Disposition"), "attachment") {
			t.Errorf("%d %v", r.Code, r.Header())
		}

		f.Actor = w.Bureau
		page := f.See("/ledger?"+span, w.Township.Name, "只列例数")
		if strings.Contains(page.Body, "张*兰") || strings.Contains(page.Body, c.Number) {
			t.Error("a bureau sees persons")
		}
		f.See("/ledger/refusals?"+span, w.Hospital.Name, "/counts/cases?", "measure=refused", "refuser="+w.Hospital.ID)
		f.Get("/ledger/export?"+span, http.StatusForbidden)
		f.Actor = access.Actor{Account: "r", Role: string(access.Resident)}
		f.Get("/ledger", http.StatusForbidden)
		f.Get("/ledger/export", http.StatusForbidden)
		f.Get("/ledger/refusals", http.StatusForbidden)
	})
}
