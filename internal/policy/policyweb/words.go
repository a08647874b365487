package policyweb

import "strings"

// keyTitles are the Chinese names of what a rule or a target is about. A key
// that is not here is named by its parts (title).
var keyTitles = map[string]string{
	"alliance.council.chair":               "理事长由谁担任",
	"alliance.council.members":             "理事由谁担任",
	"alliance.council.term_years":          "理事会任期（年）",
	"alliance.effective":                   "有明显成效的医联体",
	"alliance.member.independent":          "成员单位独立法人地位不变",
	"alliance.member.ownership_kept":       "机构所有制和隶属关系不变",
	"alliance.office.contacts_per_member":  "每个成员单位联络员人数",
	"alliance.office.deputies.max":         "办公室副主任人数上限",
	"alliance.office.deputies.min":         "办公室副主任人数下限",
	"alliance.office.directors":            "办公室主任人数",
	"alliance.participation":               "参加医联体",
	"alliance.plate.format":                "挂牌名称的写法",
	"alliance.started":                     "启动医联体建设",
	"assessment.dimensions":                "考核内容",
	"contract.benefits":                    "签约居民的优惠",
	"contract.coverage":                    "家庭医生签约覆盖率",
	"contract.team_roles":                  "签约团队的组成",
	"contract.teams_per_community":         "每个社区的签约团队数",
	"exam.order.skip_registration":         "凭基层检查单免挂号",
	"insurance.certificate.valid":          "转诊证明有效期",
	"insurance.reimbursement.by_tier":      "医保按机构级别差别支付",
	"outreach.title_min":                   "下派人员的最低职称",
	"performance.dimensions":               "绩效考核内容",
	"plan.published":                       "明确工作方案",
	"practice.member_site":                 "在成员单位执业",
	"practice.promotion.primary_years":     "晋升前的基层服务年限（年）",
	"prescription.long.max_days":           "长期处方最多天数",
	"prescription.long.usual_days":         "长期处方一般天数",
	"recognition.items":                    "结果互认的项目",
	"recognition.quality_control.required": "互认须质控合格",
	"recognition.scope":                    "结果互认的范围",
	"referral.direction":                   "转诊方向",
	"referral.down.attending_follows":      "下转后原主治医生继续指导",
	"referral.file.required":               "转诊档案必须建立",
	"referral.settlement.region":           "医保结算地区",
	"service.role.lead":                    "牵头单位的服务内容",
	"service.role.primary":                 "基层机构的服务内容",
	"supervision.sanctions":                "违规处理",
	"supervision.watch":                    "重点防止的行为",
	"training.first.at_lead":               "首次进修在牵头医院",
	"training.free":                        "培训免费",
	"training.plan.due":                    "培训计划的截止日期",
	"training.rounds.members_first":        "查房培训成员单位优先",
	"visit.common_share":                   "常见病、慢性病患者占比",
}

// partTitles are the words that longer keys are made of.
var partTitles = map[string]string{
	"I": "Ⅰ级", "II": "Ⅱ级", "III": "Ⅲ级", "IV": "Ⅳ级",
	"above": "下限", "accepted": "已受理", "access": "查看资料", "after": "结案后", "alliance": "成员单位",
	"answered": "已答复", "arranged": "已安排", "arrived": "已到诊", "ask": "要求补充", "ask_back": "请补充",
	"ask_cancel": "申请取消", "asked": "待答复", "awaiting_info": "待补充", "back_entry": "事后补录", "bed": "床位",
	"by": "由谁签署", "cancel": "取消", "candidate": "候选名单", "clock": "期限", "close": "结案",
	"completed": "已回转", "consent": "知情同意", "consult": "咨询", "contract": "签约居民", "contracted": "签约患者",
	"days": "天数", "decline": "退回", "decline_down": "退回下转", "declined": "已退回", "defer": "暂缓",
	"deferred": "已暂缓", "discard": "作废草稿", "discharge": "距预计出院", "divert": "改送", "down": "下转",
	"draft": "草稿", "emergency": "急诊", "end": "结束", "escalate": "上报", "escalation": "超时上报", "flow": "办理",
	"follow": "随访", "grace": "宽限", "hold": "暂留", "horizon": "放号", "hours": "时间", "hypertension": "高血压",
	"in_care": "诊疗中", "in_review": "待审核", "indication": "指征", "inpatient": "住院", "keep": "保留",
	"lane": "急救通道", "link": "一次性链接", "method": "方式", "missed": "未到", "more_info": "待补充", "next": "换下一位值班人",
	"no_show": "未到诊", "outcome": "转归", "outpatient": "门诊", "phone": "转诊电话", "phone_entry": "电话代录",
	"priority": "优先", "published": "公布", "question": "提问", "reason": "理由", "red_flag": "红旗征象",
	"redirect": "转介", "referral": "转诊", "refuse_consent": "拒绝转诊", "release": "转为公开", "reminder": "提醒",
	"required": "必须", "reschedule": "改期", "return": "退回修改", "review": "院内审核", "routine": "一般",
	"schedule": "号源床位", "share": "预留比例", "stay": "住院天数", "submitted": "待受理", "today": "当天",
	"transferring": "转运中", "transport": "转运方式", "untraced": "去向不明", "up": "上转", "urgency": "分级",
	"valid": "有效期", "village": "村卫生室", "warning": "提前提醒", "withdraw": "撤回",
}

// title is the name of a rule or target on the page.
func title(key string) string {
	if t, ok := keyTitles[key]; ok {
		return t
	}
	parts := strings.Split(key, ".")
	for i, p := range parts {
		if t, ok := partTitles[p]; ok {
			parts[i] = t
		}
	}
	return strings.Join(parts, " · ")
}

// valueTitles say the coded texts of rules and the groups of targets.
var valueTitles = map[string]string{
	"alliance":               "医联体内",
	"allowed":                "允许，不需办理执业地点变更和备案",
	"allowed_with_filing":    "允许，备案后执业",
	"lead_head":              "牵头单位负责人",
	"member_heads":           "成员单位负责人",
	"published_by_higher_qc": "上级质控机构公布的项目",
	"senior_attending":       "高年资主治医师",
	"tertiary_public":        "三级公立医院",
	"secondary_public":       "二级公立医院",
	"government_primary":     "政府办基层医疗卫生机构",
	"tertiary":               "三级医院",
	"pilot_city":             "试点城市",
	"province":               "各省",
	"poor":                   "贫困人口",
}

// said is a coded text in Chinese; other texts stand as the document has them.
func said(text string) string {
	if t, ok := valueTitles[text]; ok {
		return t
	}
	return strings.NewReplacer("{lead}", "〔牵头单位〕", "{member}", "〔成员单位〕").Replace(text)
}
