package stories_test

import (
	"strings"
	"testing"
)

// The office forms a county community from nothing: members, organs, charter.
// The county passes its filing on, the city gives it back with field and reason,
// the office corrects, and the province puts it on file; the paper prints.
func TestFormReturnCorrectAndFile(t *testing.T) {
	c := stage(t)
	office, county, city, province := c.comes("yilianti"), c.comes("weijianju"), c.comes("shiwei"), c.comes("shengwei")
	office.press(".menu-item", "医联体")
	office.button("组建医联体")
	office.fill("name", "零陵区东部县域医共体")
	office.choose("kind", "县域医共体")
	office.button("登记组建")
	office.reads("请选择至少一家成员单位")
	office.set("on", "2026-11-18")
	for _, m := range []string{"接履桥社区卫生服务中心", "菱角塘镇卫生院"} {
		office.tick(m)
	}
	office.set("reason", "区人民政府关于组建县域医共体的批复")
	office.shot("12-form")
	office.button("登记组建")
	office.reads("备案任务已建立", "医联体组建备案")
	alliance, _, _ := strings.Cut(office.where(), "?")
	office.press("main table a", "BA")
	office.reads("还没有通过的章程", "没有设立医联体理事会", "上报路线")
	filing := office.where()
	office.shot("12-not-ready")
	office.button("报送")
	office.reads("还没有通过的章程")

	for _, organ := range []string{"医联体理事会", "理事会办公室", "医疗质量控制委员会"} {
		office.visit(alliance + "?tab=organs")
		office.button("设立治理机构")
		office.choose("code", organ)
		office.set("on", "2026-11-18")
		office.fill("basis", "成立大会")
		office.press("form#act button[type=submit]", "设立治理机构")
		office.reads("设立治理机构已登记")
	}
	office.shot("12-organs")
	office.visit(alliance + "/charter")
	office.reads("还缺什么", "没有写结余怎样分配")
	for _, part := range []string{"duties", "rights", "obligations", "quality"} {
		office.set(`"part.`+part+`"`, "牵头单位和成员单位按协议执行。")
	}
	for _, pool := range []string{"surplus", "deficit"} {
		for i, share := range []string{"40", "60"} {
			name := `"` + pool + "." + string('0'+rune(i))
			office.choose(name+`.party"`, []string{"牵头单位", "乡镇"}[i])
			office.set(name+`.points"`, share)
		}
	}
	office.set("on", "2026-11-18")
	office.set("basis", "理事会第一次会议决议")
	office.shot("12-charter")
	office.button("保存并通过")
	office.reads("结余按下列比例分配")

	office.visit(filing)
	office.reads("可以报送")
	office.button("报送")
	office.reads("县级审核")
	office.misses("报送前检查")

	county.visit("/filings")
	county.reads("零陵区东部县域医共体")
	county.shot("12-county")
	county.visit(filing)
	county.button("同意并上报")
	county.reads("市级审核")
	city.visit(filing)
	city.button("退回补正")
	city.choose("field", "成员单位名单")
	city.choose("reason", "材料不全")
	city.set("comment", "请核对接履桥社区是否已签协议")
	city.press("form#return button[type=submit]", "退回补正")
	city.reads("成员单位名单：请核对接履桥社区是否已签协议")

	office.visit(filing)
	office.reads("退回补正", "成员单位名单：", "请核对接履桥社区是否已签协议", "报送前检查")
	office.shot("12-returned")
	office.set("note", "已核对，协议已签")
	office.button("报送")
	office.reads("县级审核")
	county.visit(filing)
	county.button("同意并上报")
	county.reads("市级审核")
	city.visit(filing)
	city.button("同意并上报")
	city.reads("省级审核")
	province.visit(filing)
	province.shot("12-province")
	province.button("准予备案")
	province.reads("已备案")

	office.visit(filing)
	office.reads("已备案", "湖南省卫生健康委员会", "省医联备〔2026〕")
	office.phone().visit(filing)
	office.shot("12-filed")
	office.visit(filing + "/print")
	office.until("document.querySelector('article.sheet')")
	office.reads("医联体组建备案表", "湖南省卫生健康委员会（盖章）", "菱角塘镇卫生院")
}

// The office of the orthopaedic alliance lets the maternal hospital join and
// parts some members off under it from a later day: until then the old layout
// holds, from then on the new one, and both can be read.
func TestSplitAnAlliance(t *testing.T) {
	c := stage(t)
	office := c.comes("zy.ylt1")
	office.press(".menu-item", "医联体")
	office.press("main table a", "骨伤科")
	alliance, _, _ := strings.Cut(office.where(), "?")
	office.button("成员加入")
	office.choose("org", "零陵区妇幼保健")
	office.choose("role", "成员单位")
	office.set("on", "2026-11-18")
	office.set("reason", "合作协议")
	office.press("form#act button[type=submit]", "成员加入")
	office.reads("成员加入已登记")

	office.visit(alliance + "/do/split")
	office.fill("name", "零陵区妇幼康复专科联盟")
	office.choose("lead", "零陵区妇幼保健")
	office.set("on", "2026-12-01")
	office.set("reason", "区卫健局批复")
	office.press("form#act button[type=submit]", "拆分医联体")
	office.reads("请选择至少一家成员单位")
	office.tick("凼底乡卫生院")
	office.shot("12-split")
	office.press("form#act button[type=submit]", "拆分医联体")
	office.reads("拆分医联体已登记")

	office.visit(alliance + "?on=2026-11-30")
	office.reads("成员（12 家）", "凼底乡卫生院")
	office.visit(alliance + "?on=2026-12-01")
	office.reads("成员（10 家）")
	if roster := office.read("main table"); strings.Contains(roster, "凼底乡卫生院") {
		t.Error("who was parted off is still a member")
	}
	office.visit("/alliances")
	office.reads("零陵区妇幼康复专科联盟")
	office.phone().fits("alliances-phone")
	if got := office.get("/alliances/report.csv?on=2026-11-30"); got.Status != 200 || strings.Contains(got.Text, "妇幼康复") {
		t.Errorf("the report of the day before shows the new layout: %d", got.Status)
	}
}
