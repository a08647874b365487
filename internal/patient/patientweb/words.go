package patientweb

import (
	"strings"

	"github.com/a-h/templ"

	"yilian/internal/patient"
	"yilian/internal/web"
)

// identityWith is the identity block of a form; on an edit the stored number
// stays sealed and the field empty.
func identityWith(p formPage) derived {
	d := identityOf(p.Form, p.Today)
	d.Err = p.Err
	if p.Err != nil { // it stands under its field already
		d.Wrong = ""
	}
	return d
}

func (p formPage) back() string {
	if p.ID == "" {
		return "/patients"
	}
	return "/patients/" + p.ID
}

// identifyAttrs make a field ask the server what the number says.
func identifyAttrs(trigger string) templ.Attributes {
	return templ.Attributes{"hx-get": "/patients/identify", "hx-trigger": trigger, "hx-include": "closest form",
		"hx-target": "#identity", "hx-swap": "outerHTML", "hx-sync": "closest form:replace"}
}

func (p showPage) subtitle() string {
	text := patient.SexTitle(p.Sex) + " · " + web.Age(string(p.BirthDate), string(p.Today))
	if p.Place != "" {
		text += " · " + p.Place
	}
	return text
}

func (p showPage) revealURL(what string) string {
	if !p.Reveal {
		return ""
	}
	return "/patients/" + p.ID + "/reveal/" + what
}

// deeds are the words of the acts that touch a patient's data.
var deeds = map[string]string{
	"patient.read": "查看", "patient.reveal": "查看完整号码", "patient.register": "建档", "patient.update": "修改资料",
	"patient.break": "紧急调阅", "patient.sensitive": "打开敏感内容", "record.read": "查看一条记录", "visit.record": "登记门诊", "visit.correct": "更正门诊", "visit.void": "作废门诊",
	"encounter.record": "登记就诊", "encounter.correct": "更正就诊",
	"patient.label.set": "添加敏感标记", "patient.label.void": "撤销敏感标记",
	"patient.relation.add": "登记家属", "patient.relation.end": "结束家属关系", "patient.deceased": "登记死亡",
	"patient.deceased.void": "撤销死亡登记", "contract.sign": "签约", "contract.renew": "续签", "contract.end": "解约", "contract.void": "签约作废",
}

func deed(action string) string {
	if word, ok := deeds[action]; ok {
		return word
	}
	switch noun, _, _ := strings.Cut(action, "."); noun {
	case "referral", "down_question", "consent_task", "phoned_check":
		return "转诊办理"
	case "consent":
		return "知情同意"
	}
	return "其他操作"
}

// residence joins the division and the address, which people often type in
// full.
func residence(place, address string) string {
	if strings.HasPrefix(address, place) {
		return address
	}
	return place + address
}
