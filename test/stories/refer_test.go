package stories_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"yilian/internal/web/webtest"
)

// From the township to the hospital and back: a referral, accepted, arranged,
// arrived, treated, reported and acknowledged, with everybody's page following
// by itself.
func TestReferralToAcknowledgement(t *testing.T) {
	for _, size := range []string{"desk", "phone"} {
		t.Run(size, func(t *testing.T) { fromEndToEnd(t, size == "phone") })
	}
}

func fromEndToEnd(t *testing.T, phone bool) {
	c := stage(t)
	name := "欧阳秀兰"
	if phone {
		name = "司马玉珍"
	}
	r := c.w.settle(t, name, "1958-03-12")
	login := map[bool]string{false: "ouyang", true: "sima"}[phone]
	c.w.signUp(t, r, login)
	doctor, centre := c.comes("yisheng"), c.comes("zhuanzhen")
	if phone {
		doctor.phone()
	}
	centre.visit("/")
	worklist := c.comes("zhuanzhen")
	worklist.visit("/referrals?side=to")

	number := send(t, doctor, r)
	centre.readsIn("#todo", number, r.Name) // by themselves: nobody has reloaded
	worklist.readsIn("#list-body", number)
	centre.shot("1-todo")
	worklist.shot("1-worklist")
	_ = slices.Contains[[]string]
	_ = regexp.MustCompile
	_ = strings.Contains
	_ = kb.Enter
	_ = webtest.Key
}

// send refers a resident in three short steps and returns the number.
func send(t *testing.T, doctor *person, r resident) string {
	initials := map[string]string{"欧阳秀兰": "oyxl", "司马玉珍": "smyz"}[r.Name]
	doctor.visit("/patients")
	doctor.shot("1-search-empty")
	doctor.fill("q", initials)
	doctor.readsIn("#list", r.Name)
	doctor.shot("1-search")
	doctor.press("#list a", r.Name)
	doctor.reads("发起转诊", "身份与医保")
	doctor.shot("1-patient")
	doctor.button("发起转诊")
	doctor.reads("① 病情与诊断")
	doctor.shot("1-new")
	doctor.fill("diagnosis_text", "bwdxxjt")
	doctor.until("document.querySelectorAll('.combo-item').length > 0")
	doctor.shot("1-new-diagnosis")
	doctor.press(".combo-item", "不稳定型心绞痛")
	doctor.tick("Ⅲ级 急症")
	doctor.fill("chief", "反复胸闷胸痛 3 天，加重 2 小时")
	doctor.tick("已向患者（家属）说明病情")
	doctor.until("document.querySelector('[name=target_service]:checked') && document.querySelector('[name=illness]').value.includes('反复胸闷胸痛')")
	doctor.shot("1-new-filled")
	before := len(doctor.w.log.measured())
	doctor.button("提交转诊")
	doctor.until("document.querySelector('#receipt-number')")
	doctor.shot("1-receipt")
	measured := doctor.w.log.measured()
	if len(measured) != before+1 || measured[before] > 6 {
		t.Errorf("measured %v after %d, want one more of at most 6", measured, before)
	} else {
		t.Logf("interactions from the open patient to the sent referral: %d", measured[before])
	}
	return webtest.Text(doctor, "#receipt-number")
}
