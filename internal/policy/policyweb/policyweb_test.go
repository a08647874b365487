package policyweb

import (
	"regexp"
	"testing"

	"yilian/internal/access"
	"yilian/internal/db/dbtest"
	"yilian/internal/policy"
	"yilian/internal/policy/policytest"
	"yilian/internal/web/facetest"
)

func setup(t *testing.T) *facetest.Face {
	t.Helper()
	book := policytest.Shipped(t)
	f := facetest.New(t, dbtest.SQLite(t), access.Actor{Account: "a", Role: string(access.VillageDoctor)})
	(&Pages{Book: book}).Routes(f.Site)
	return f
}

func TestListOfDocuments(t *testing.T) {
	setup(t).See("/policy", "国办发〔2017〕32号", "全国", "湖南省永州市零陵区", "产品默认", "/policy/lingling")
}

func TestDocumentShowsClausesRulesAndTargets(t *testing.T) {
	f := setup(t)
	f.See("/policy/lingling", `data-clause="LL-4.4.1d"`, "转诊 · 知情同意 · 必须", "〔牵头单位〕医联体〔成员单位〕分院", "对口建设", "珠山镇中心卫生院", "实施步骤", "2021-01-01 至 2021-10-31")
	f.See("/policy/state-council", "达到 100%", "2020-12-31 前", "多处规定时从严", "至 2021-08-09")
	f.See("/policy/base", "起步清单，待本地审定", "来源：", "30 分钟", "I21")
}

func TestEveryDocumentHasItsPage(t *testing.T) {
	f := setup(t)
	for _, id := range []string{"base", "jiangsu", "lingling", "sanmenxia", "state-council", "zhengzhou"} {
		f.See("/policy/" + id).Hides("%!") // a value was not written
	}
	f.Get("/policy/nowhere", 404).Shows("没有载入这份政策文件")
}

// TestNoCodeNameOnThePage holds every key, group and coded text of the shipped
// documents to a Chinese name in words.go.
func TestNoCodeNameOnThePage(t *testing.T) {
	book := policytest.Shipped(t)
	code := regexp.MustCompile(`[a-z_]{2,}`)
	check := func(clause, what, text string) {
		if code.MatchString(text) {
			t.Errorf("%s: %s has no Chinese name in words.go: %s", clause, what, text)
		}
	}
	for _, p := range book.Profiles() {
		for _, c := range p.Clauses() {
			for _, r := range c.Rules {
				check(c.ID, "key "+r.Key, title(r.Key))
				if r.Value.Type == policy.TypeText {
					check(c.ID, "value of "+r.Key, said(r.Value.Text))
				}
			}
			for _, x := range c.Targets {
				check(c.ID, "target "+x.Indicator, title(x.Indicator)+said(x.Scope))
			}
		}
	}
}
