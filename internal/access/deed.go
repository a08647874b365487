package access

import (
	"strings"

	"yilian/internal/audit"
)

// deeds are what residents and those who answer for their privacy read about an
// act on a record.
var deeds = map[string]string{
	"patient.read": "打开档案", "patient.reveal": "查看完整证件号码和电话", "patient.register": "建档", "patient.update": "修改资料",
	"patient.break": "紧急调阅", "patient.sensitive": "打开敏感内容", "patient.label.set": "添加敏感标记", "patient.label.void": "撤销敏感标记",
	"patient.relation.add": "登记家属", "patient.relation.end": "结束家属关系", "patient.deceased": "登记死亡", "patient.deceased.void": "撤销死亡登记",
	"record.read": "查看一条健康记录", "record.search": "查询健康记录", "record.vread": "查看旧版本", "record.history": "查看历史版本",
	"record.create": "写入健康记录", "record.update": "写入健康记录", "record.patch": "写入健康记录", "record.export": "批量导出健康记录", "record.notify": "订阅通知健康记录",
	"visit.record": "登记门诊", "visit.read": "查看门诊", "visit.correct": "更正门诊", "visit.void": "作废门诊",
	"encounter.record": "登记就诊", "encounter.correct": "更正就诊", "encounter.void": "作废就诊", "encounter.move": "更正就诊归属",
	"contract.sign": "签约", "contract.renew": "续签", "contract.end": "解约", "contract.void": "签约作废",
	"index.withdraw": "撤出归错的资料", "audit.search": "审计查询", "audit.read": "审计核查",
}

// works are the words for what somebody did in a piece of work, by the kind of
// it.
var works = map[string]string{
	"referral": "办理转诊", "down_question": "办理转诊", "consent_task": "办理转诊", "phoned_check": "办理转诊", "consult": "转诊前咨询",
	"contract": "办理签约", "consent": "登记知情同意", "record": "查看健康记录", "exchange": "接收医院传来的资料", "appointment": "办理预约",
	"disclosure": "复核紧急调阅", "index": "核对身份",
}

// Deed is what somebody did with a patient's record, in words.
func Deed(l audit.Leaf) string {
	if word, ok := deeds[l.Action]; ok {
		return word
	}
	noun, _, _ := strings.Cut(l.Action, ".")
	if word, ok := works[noun]; ok {
		return word
	}
	return "其他操作"
}
