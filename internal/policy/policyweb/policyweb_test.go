package policyweb

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"yilian/internal/policy"
	"yilian/internal/web"
	"yilian/profiles"
)

func get(t *testing.T, path string, want int) string {
	t.Helper()
	book, err := policy.Load(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	site := web.New(web.Options{})
	Routes(site, book)
	w := httptest.NewRecorder()
	site.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code != want {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

func wants(t *testing.T, body string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(body, p) {
			t.Errorf("page lacks %q", p)
		}
	}
}

func TestListOfDocuments(t *testing.T) {
	wants(t, get(t, "/policy", http.StatusOK), "国办发〔2017〕32号", "全国", "行政区划 431102", "产品默认", "/policy/lingling")
}

func TestDocumentShowsClausesRulesAndTargets(t *testing.T) {
	wants(t, get(t, "/policy/lingling", http.StatusOK),
		`data-clause="LL-4.4.1d"`, "referral.consent.required", "对口建设", "珠山镇中心卫生院", "实施步骤", "2021-01-01 至 2021-10-31")
	wants(t, get(t, "/policy/state-council", http.StatusOK), "达到 100%", "2020-12-31 前", "多处规定时从严", "至 2021-08-09")
	wants(t, get(t, "/policy/base", http.StatusOK), "起步清单，待本地审定", "来源：", "30 分钟", "I21")
}

func TestEveryDocumentHasItsPage(t *testing.T) {
	for _, id := range []string{"base", "lingling", "state-council"} {
		if body := get(t, "/policy/"+id, http.StatusOK); strings.Contains(body, "%!") {
			t.Errorf("%s: a value was not written", id)
		}
	}
	wants(t, get(t, "/policy/nowhere", http.StatusNotFound), "没有载入这份政策文件")
}
