package policyweb

import (
	"context"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/audit"
	"yilian/internal/calendar"
	"yilian/internal/crypto"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/policy"
	"yilian/internal/policy/library"
	"yilian/internal/web"
	"yilian/internal/web/facetest"
	"yilian/profiles"
)

const extra = `[profile]
id = "county"
code = "QX"
title = "区转诊补充规定"
number = "区卫〔2026〕8号"
issuer = "某区卫生健康局"
valid_from = "2020-01-01"
jurisdiction = "431102"

[[clauses]]
id = "QX-1"
section = "一"
kind = "rule"
summary = "普通转诊两个工作日内受理"
  [[clauses.rules]]
  key = "referral.clock.submitted"
  deadline = "2wd"
`

func living(t *testing.T, actor access.Actor) *facetest.Face {
	t.Helper()
	shipped, err := policy.Read(profiles.FS)
	if err != nil {
		t.Fatal(err)
	}
	d := dbtest.SQLite(t)
	book := &policy.Book{}
	lib := &library.Service{DB: d, Log: audit.New(d, crypto.Ephemeral(crypto.SM)), Book: book, Shipped: shipped}
	if err := lib.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	f := facetest.New(t, d, actor)
	third := func(context.Context, *db.Tx, string, calendar.Date) (policy.Figure, error) {
		return policy.Share(3, 4, ""), nil
	}
	pages := &Pages{DB: d, Book: book, Library: lib, Answers: &Answers{
		Clauses: map[string]Answer{
			"LL-4.2":   {State: Whole, Pages: []string{"/policy"}},
			"LL-4.3.1": {State: Part, Pages: []string{"/policy"}, Lacks: "经费渠道"},
		},
		Figures: map[string]Measure{"alliance.participation/secondary_public": third},
		Items:   f.Site.Items,
		Offered: func(access.Role, web.Item) bool { return true },
	}}
	pages.Routes(f.Site)
	return f
}

func TestLoadTryActivateWithdraw(t *testing.T) {
	f := living(t, access.Actor{Account: "a", Name: "管理员甲", Role: string(access.SystemAdmin)})
	f.See("/policy/packages", "随程序提供", "启动时载入", "检查会改变什么")
	f.See("/policy/packages/template", "jurisdiction", "[[clauses]]")
	f.Post("/policy/packages/check", facetest.Form("text", extra+"x = "), 422).Shows("profiles/county/profile.toml 第 ")
	f.Post("/policy/packages/check", facetest.Form("text", ""), 422).Shows("没有内容")
	trial := f.Post("/policy/packages/check", facetest.Form("text", extra), 200).
		Shows("尚未启用", "会改变的答案（1 处）", "湖南省永州市零陵区", "1 个工作日（平台默认规则）", "2 个工作日（QX-1）")
	digest := trial.Between(`name="digest" value="`, `"`)
	once := trial.Between(`name="_once" value="`, `"`)
	f.Post("/policy/packages", facetest.Form("text", extra, "digest", digest, "_once", once), 422).Shows("请写明启用的依据")
	f.Post("/policy/packages", facetest.Form("text", extra, "digest", "000000", "_once", once, "reason", "收文"), 409).Shows("核对码")
	f.Post("/policy/packages", facetest.Form("text", extra, "digest", digest, "_once", once, "reason", "区卫〔2026〕8号"), 303)
	f.See("/policy/packages", "管理员上传", "管理员甲", "区卫〔2026〕8号", digest)
	f.See("/policy/packages/county/"+digest, "区转诊补充规定", "2wd")
	f.Post("/policy/packages/county/withdraw", facetest.Form("comment", ""), 422).Shows("请写明撤回的原因")
	f.Post("/policy/packages/county/withdraw", facetest.Form("comment", "试用结束"), 303)
	f.See("/policy/packages", "撤回", "试用结束").Hides("管理员上传")
}

func TestOthersDoNotLoad(t *testing.T) {
	f := living(t, access.Actor{Account: "a", Role: string(access.TownshipDoctor)})
	f.Get("/policy/packages", 403)
	f.Post("/policy/packages/check", facetest.Form("text", extra), 403)
	f.Post("/policy/packages", facetest.Form("text", extra, "digest", "x", "reason", "x"), 403)
	f.Get("/policy/answers", 403)
}

func TestWhatAnswersEachClause(t *testing.T) {
	f := living(t, access.Actor{Account: "a", Role: string(access.BureauCounty), Regions: []string{"431102", "4311", "43", "CN"}})
	page := f.See("/policy/answers", "湖南省永州市零陵区", `data-clause="LL-4.2" data-state="whole"`,
		`data-clause="LL-4.3.1" data-state="part"`, "缺：经费渠道", `data-clause="LL-4.4.5" data-state="none"`,
		`data-clause="GB-1.3b" data-state="part"`, "75%（3 / 4）", "期满未达标", "差 25", "期满 2020-12-31")
	page.Hides("JS-5.3", "%!")
	if n := strings.Count(page.Body, "data-clause="); n != 59 {
		t.Errorf("%d clauses bind Lingling, want 30 of GB and 29 of LL", n)
	}
	f.See("/policy/answers?all=1", "JS-5.3", "不适用于本地区", "本地今日不适用")
	f.See("/policy/answers?state=whole", "LL-4.2").Hides("LL-4.3.2")
	f.See("/policy/answers?document=state-council&kind=target", "GB-5.4").Hides(`data-clause="LL-4.5.2"`)
	f.See("/policy/answers?text=没有这样的条款", "没有符合条件的条款")
	f.See("/policy/jiangsu", "江苏省卒中救治联盟", "南京市、镇江市、扬州市", "医疗集团管理委员会")
}
