package stories_test

import (
	"strings"
	"testing"
)

// The bureau reads the counts, opens a figure to its cases without persons,
// enters a baseline and sees why it is not growth until it is confirmed; the
// referral centre counts its own institution.
func TestCountsAndGrowth(t *testing.T) {
	c := stage(t)
	bureau, centre := c.comes("weijianju"), c.comes("zhuanzhen")
	bureau.visit("/counts")
	bureau.reads("本辖区", "等接收方", "在等谁", "合计")
	bureau.shot("9-counts")
	figure := bureau.read("tr.total td a")
	bureau.press("tr.total td a", figure)
	bureau.reads("提交的转诊", "共 "+figure+" 例", "不含姓名和诊断")
	if href := bureau.read("main table a"); href != "" {
		t.Errorf("a bureau is offered a case: %s", href)
	}
	bureau.shot("9-cases")

	bureau.visit("/counts/baselines")
	bureau.shot("9-baselines")
	bureau.choose("org", "零陵区妇幼保健")
	bureau.choose("direction", "下转")
	bureau.fill("n", "12")
	bureau.choose("source", "纸质台账")
	bureau.press("#baseline button[type=submit]", "登记")
	bureau.readsIn("#baseline", "请写明出处")
	bureau.fill("note", "产科下转登记本")
	bureau.press("#baseline button[type=submit]", "登记")
	bureau.reads("基数已登记", "产科下转登记本")
	bureau.visit("/counts/growth")
	bureau.reads("不可比：基数来自纸质台账", "没有规定下转例数的增长目标", "可比机构合计")
	bureau.shot("9-growth")
	bureau.phone().visit("/counts/growth")
	bureau.shot("9-growth")

	centre.visit("/counts?by=to&depts=1&monthly=1&side=to")
	centre.reads("等我院", "等对方", "心血管内科")
	centre.shot("9-own")
	centre.press("tbody tr td a", "")
	centre.press("main table a", "")
	centre.until("location.pathname.startsWith('/referrals/')")
	centre.phone().visit("/counts?by=to")
	centre.shot("9-own")
	if got := centre.get("/counts/export?by=to"); got.Status != 200 || !strings.HasPrefix(got.Text, "PK") {
		t.Errorf("the workbook: %d", got.Status)
	}
}
