package filingweb_test

import (
	"net/url"
	"strings"
	"testing"

	"yilian/internal/access"
	"yilian/internal/alliance/allianceweb"
	"yilian/internal/db"
	"yilian/internal/db/dbtest"
	"yilian/internal/filing/filingtest"
	"yilian/internal/filing/filingweb"
	"yilian/internal/web/facetest"
)

func setup(t *testing.T, d *db.DB) (*filingtest.World, *facetest.Face) {
	t.Helper()
	w := filingtest.New(t, d)
	f := facetest.New(t, d, w.Office)
	(&allianceweb.Pages{Alliances: w.Alliances, Charters: w.Charters, Governance: w.Governance, Filings: w.Filings}).Routes(f.Site)
	filingweb.Routes(f.Site, &filingweb.Pages{Filings: w.Filings, Exemptions: w.Exemptions})
	return w, f
}

// From an empty form to the province's stamp, through the pages: the office
// forms a county community, sets up organs, writes the charter, sends; the city
// returns it; the office corrects; every level stamps; the paper prints.
func TestFormReturnCorrectAndFile(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, f := setup(t, d)
		f.See("/alliances/new", "永州市第四人民医院", "县域医共体")
		form := url.Values{"name": {"零陵区县域医共体"}, "kind": {"county_community"}, "region": {"431102"}, "lead": {w.Office.Org}, "on": {"2026-03-02"}}
		f.Post("/alliances", form, 422).Shows("请选择至少一家成员单位", "请填写组建的依据")
		form["members"], form["reason"] = []string{w.Org("水口山镇中心卫生院"), w.Org("珠山镇中心卫生院")}, []string{"区政府批准"}
		page := f.Post("/alliances", form, 303).To()
		id := strings.TrimSuffix(strings.TrimPrefix(page, "/alliances/"), "?tab=filings")
		f.See(page, "医联体组建备案", "待报送", "组建，成员 3 家")
		task := f.See("/filings", "零陵区县域医共体", "期限内").LastBefore("零陵区县域医共体", `href="/filings/`, `"`)
		f.See("/filings/"+task, "还没有通过的章程", "没有设立医联体理事会", "上报路线", "湖南省卫生健康委员会")
		version := func() string { return f.See("/filings/"+task).Between(`name="version" value="`, `"`) }
		f.Post("/filings/"+task+"/send", url.Values{"version": {version()}}, 422).Shows("还没有通过的章程")

		for _, code := range []string{"council", "office", "quality_committee"} {
			f.Post("/alliances/"+id+"/do/establish", url.Values{"code": {code}, "on": {"2026-03-02"}, "basis": {"成立大会"}}, 303)
		}
		builder := f.See("/alliances/"+id+"/charter", "还缺什么", "没有写结余怎样分配")
		charter := url.Values{"charter": {builder.Between(`name="charter" value="`, `"`)}, "version": {builder.Between(`name="version" value="`, `"`)}, "adopt": {"1"}, "on": {"2026-03-02"}, "basis": {"第一次理事会"}}
		for _, p := range []string{"duties", "rights", "obligations", "quality"} {
			charter.Set("part."+p, "按协议执行。")
		}
		f.Post("/alliances/"+id+"/charter", charter, 422).Shows("没有写结余怎样分配", "按协议执行。")
		charter.Set("version", f.See("/alliances/"+id+"/charter").Between(`name="version" value="`, `"`))
		for _, pool := range []string{"surplus", "deficit"} {
			charter.Set(pool+".0.party", "lead")
			charter.Set(pool+".0.points", "40")
			charter.Set(pool+".1.party", "township")
			charter.Set(pool+".1.points", "59.5")
		}
		f.Post("/alliances/"+id+"/charter", charter, 422).Shows("合计 99.5%")
		charter.Set("surplus.1.points", "60")
		charter.Set("deficit.1.points", "60")
		f.Post("/alliances/"+id+"/charter", charter, 303)
		f.See("/alliances/"+id+"?tab=charter", "结余按下列比例分配：牵头单位 40%", "现行")

		f.Post("/filings/"+task+"/send", url.Values{"version": {version()}, "note": {"请予备案"}}, 303)
		f.See("/filings/"+task, "县级审核").Hides("报送前检查")
		act := func(who access.Actor, action string, status int, more ...string) facetest.Answer {
			f.Actor = who
			v := facetest.Form(more...)
			v.Set("version", version())
			return f.Post("/filings/"+task+"/"+action, v, status)
		}
		f.Actor = w.County
		f.See("/filings", "待我办理", "下级逾期", "零陵区县域医共体")
		act(w.County, "pass", 303)
		act(w.City, "return", 422, "reason", "wrong", "comment", "x").Shows("请选择要补正的部分")
		act(w.City, "return", 303, "field", "成员单位名单", "reason", "wrong", "comment", "珠山镇已加入其他医联体")
		f.Actor = w.Office
		f.See("/filings/"+task, "退回补正", "成员单位名单：珠山镇已加入其他医联体", "报送前检查")
		f.Post("/filings/"+task+"/send", url.Values{"version": {version()}, "note": {"已核实"}}, 303)
		act(w.County, "pass", 303)
		act(w.City, "pass", 303)
		act(w.Province, "file", 303)
		f.See("/filings/"+task, "已备案", "省医联备〔2026〕")
		f.See("/filings/"+task+"/print", "医联体组建备案表", "零陵区卫生健康局（盖章）", "湖南省卫生健康委员会（盖章）", "水口山镇中心卫生院")
		f.Actor = w.TCMOffice
		f.Get("/filings/"+task, 404)
		f.Actor = access.Actor{Account: "d", Role: string(access.TownshipDoctor), Org: w.Org("珠山镇中心卫生院")}
		f.Get("/filings", 403)
	})
}

// A community is split through the page: old and new layout each on their day.
func TestSplitThroughThePage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, f := setup(t, d)
		a := w.General()
		f.See("/alliances/"+a.ID+"/do/split", "新牵头单位")
		form := url.Values{"name": {"零陵区中医院全科联盟"}, "on": {"2026-07-01"}, "lead": {w.Org("水口山镇中心卫生院")}, "members": {w.Org("凼底乡卫生院")}, "reason": {"区局批复"}}
		f.Post("/alliances/"+a.ID+"/do/split", form, 422).Shows("不能牵头")
		f.Post("/alliances/"+a.ID+"/do/join", url.Values{"org": {w.TCMOffice.Org}, "role": {"member"}, "on": {"2026-03-02"}, "reason": {"协议"}}, 303)
		form.Set("lead", w.TCMOffice.Org)
		f.Post("/alliances/"+a.ID+"/do/split", form, 303)
		f.See("/alliances/"+a.ID+"?on=2026-06-30", "成员（18 家）", "凼底乡卫生院")
		f.See("/alliances/"+a.ID+"?on=2026-07-01", "成员（16 家）").Hides("凼底乡卫生院</a>")
		f.See("/alliances", "零陵区中医院全科联盟")
		f.See("/alliances/report.csv?on=2026-07-02", "零陵区中医院全科联盟")
	})
}

// Two members become one, and a tight alliance answers for a town: through the
// page, each with its filing.
func TestSuccessionAndAreasThroughThePage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, f := setup(t, d)
		a := w.Community("2026-03-02")
		page := "/alliances/" + a.ID
		f.See(page, "登记负责片区").Hides("不再负责片区", "机构合并或拆分")
		f.Get(page+"/do/succeed", 403) // the institutions are in other alliances too: the bureau does it
		f.Actor = w.County
		f.See(page, "机构合并或拆分")
		old, into := w.Org("水口山镇中心卫生院"), w.Org("珠山镇中心卫生院")
		form := url.Values{"kind": {"merge"}, "from": {old}, "into": {into}, "on": {"2026-04-01"}, "reason": {"区编委批复"}}
		f.Post(page+"/do/succeed", form, 422).Shows("两家以上被合并机构")
		form["from"] = []string{old, into}
		f.Post(page+"/do/succeed", form, 303)
		f.See(page+"?on=2026-03-31", "成员（3 家）")
		f.See(page+"?on=2026-04-01", "成员（2 家）").Hides("水口山镇中心卫生院</a>")
		f.Actor = w.Office

		area := url.Values{"area": {"431102101"}, "on": {"2026-03-10"}, "reason": {"区规划"}}
		f.Post(page+"/do/claim", url.Values{"area": {"431103"}, "on": {"2026-03-10"}, "reason": {"x"}}, 422).Shows("不在这个医联体服务的地区内")
		f.Post(page+"/do/claim", area, 303)
		f.See(page+"?on=2026-03-10", "负责片区", "水口山镇")
		area.Set("on", "2026-05-01")
		f.Post(page+"/do/release", area, 303)
		f.See(page + "?on=2026-05-01").Hides("负责片区</dt>")
		f.See(page+"?tab=filings", "机构合并或拆分", "负责片区变更")
	})
}

// Everything on the alliance's page opens, for those who may, and nobody else.
func TestEveryActionOpens(t *testing.T) {
	w, f := setup(t, dbtest.SQLite(t))
	a := w.General()
	w.Ready(a, "2026-03-02")
	for _, tab := range []string{"members", "organs", "charter", "filings", "relations", "plan"} {
		f.See("/alliances/"+a.ID+"?tab="+tab, a.Name)
	}
	for _, action := range []string{"join", "leave", "lead", "adjust", "split", "claim", "release", "end", "standing", "share", "document", "relate", "establish", "appoint", "dismiss", "renew", "meeting", "unify", "reach"} {
		f.See("/alliances/"+a.ID+"/do/"+action, a.Name)
		f.Post("/alliances/"+a.ID+"/do/"+action, url.Values{}, 422)
	}
	f.Get("/alliances/"+a.ID+"/do/order", 403)
	f.Actor = w.County
	f.See("/alliances/"+a.ID+"/do/order", "LL-4.5.1")
	f.See("/unattached", "年度调整", "所有机构都已加入")
	f.Actor = w.TCMOffice
	f.Get("/alliances/"+a.ID+"/do/join", 403)
	f.Get("/alliances/"+a.ID+"/charter", 403)
	f.See("/exemptions", "还没有例外")
	f.Post("/exemptions", facetest.Form("kind", "branch", "region", "4311", "since", "2026-03-02", "purpose", "设分院", "evidence", "省里批复同意设立分院"), 422).Shows("当地没有文件要求")
}

// A12, LL-4.5.1: the bureau orders the end and names who takes over; the page
// of the alliance and the filing paper list them.
func TestOrderedDissolutionNamesWhoAnswers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, f := setup(t, d)
		a := w.General()
		f.Actor = w.County
		f.See("/alliances/"+a.ID+"/do/order", "接办在办业务", "接收文件档案", "被追究责任的主要负责人")
		form := url.Values{"on": {"2026-04-01"}, "reason": {"严重违背协议"}, "cases": {"蒋甲，零陵区中医院副院长"}}
		f.Post("/alliances/"+a.ID+"/do/order", form, 422).Shows("由谁接收文件档案", "蒋甲，零陵区中医院副院长")
		form.Set("documents", "唐乙")
		f.Post("/alliances/"+a.ID+"/do/order", form, 422).Shows("唐乙", "不完整")
		form.Set("documents", "唐乙,区卫生健康局医政股长\n")
		form.Set("held", "伍丙、永州市第四人民医院院长\n周丁 凼底乡卫生院院长")
		f.Post("/alliances/"+a.ID+"/do/order", form, 303)
		f.See("/alliances/"+a.ID, "自 2026-04-01 起终止", "责令解散的责任人", "唐乙", "区卫生健康局医政股长", "周丁", "凼底乡卫生院院长")
		f.Actor = w.Office
		task := f.See("/filings", a.Name).LastBefore(a.Name, `href="/filings/`, `"`)
		f.See("/filings/"+task+"/print", "责令解散的责任人", "接办在办业务：蒋甲（零陵区中医院副院长）", "被追究责任的主要负责人：伍丙（永州市第四人民医院院长）")
	})
}
